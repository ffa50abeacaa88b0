/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job tells its listener, and what it writes down for the audit.
 */
#ifndef MLOOM_JOB_EVENTS_H
#define MLOOM_JOB_EVENTS_H

#include "job/job.h"

/* What every event of one job carries. Borrowed pointers. */
typedef struct mloom_emitter {
  const mloom_job_listener *listener; /* may be NULL */
  mloom_redactor *redactor;
  const mloom_clock *clock;
  int64_t begin_ms; /* of the run; what the listener is told counts from the listener's */
  uint32_t turn;
  uint32_t reserved;
  uint64_t input_tokens;
  uint64_t cached_input_tokens;
  uint64_t output_tokens;
} mloom_emitter;

/* text may be {NULL, 0}, name NULL; duration_ms -1: none. Text that is redacted already skips that step. */
void mloom_emitter_emit(const mloom_emitter *emitter, uint32_t kind, uint32_t state, const char *name, mloom_bytes text,
                        int64_t duration_ms);
/* "turn_begin", ...; static. */
const char *mloom_job_event_name(uint32_t kind);

/* The audit record: JSON lines in a file of its own, for the owner only. Never an obstacle: the first failure is kept
 * and writing stops. */
typedef struct mloom_audit mloom_audit;

/* folder NULL: no record, *out is NULL and all functions accept that. MLOOM_E_... when the file cannot be made; the
 * caller says so and goes on. */
int32_t mloom_audit_open(mloom_audit **out, const char *folder, const char *job_id, mloom_redactor *redactor,
                         mloom_error *error);
/* Writes {"time", "fact", members...}; takes over members, which may be NULL. */
void mloom_audit_write(mloom_audit *audit, const char *fact, mloom_json *members);
/* "" when there is no record. Borrowed. */
const char *mloom_audit_path(const mloom_audit *audit);
/* MLOOM_OK, or why writing stopped. */
int32_t mloom_audit_status(const mloom_audit *audit, mloom_error *error);
void mloom_audit_close(mloom_audit *audit);
MLOOM_DEFINE_AUTO(mloom_audit, mloom_audit_close)

#endif
