/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_JOB_RESULT_H
#define MLOOM_JOB_RESULT_H

#include "job/run.h"

struct mloom_result {
  uint32_t state;
  mloom_error error;
  mloom_json *document;
  mloom_buffer json;
  mloom_buffer diff;
};

/* "completed", "failed", "blocked", "not-ready", "cancelled"; static. */
const char *mloom_job_state_name(uint32_t state);
/* {domain, code, message, remedy, ...}; JSON null when there is none. */
mloom_json *mloom_result_error_json(const mloom_error *error);
/* Takes over document: redacts, serializes and keeps it. */
int32_t mloom_result_finish(mloom_result *result, mloom_json *document, mloom_redactor *redactor, mloom_error *error);

#endif
