/* SPDX-License-Identifier: Apache-2.0
 *
 * The job engine: workspace, tools, agent loop, validation, result, audit. It is given a provider that is open, ready
 * and resolved; the worker floor does that.
 */
#ifndef MLOOM_JOB_ENGINE_H
#define MLOOM_JOB_ENGINE_H

#include "base/json.h"
#include "process/sandbox.h"
#include "provider/provider.h"
#include <mergeloom/job.h>

/* A mergeloom.job.v1 document, parsed and checked. */
typedef struct mloom_job mloom_job;

/* MLOOM_E_INVALID with the member's path and what it should be. */
int32_t mloom_job_parse(mloom_job **out, const char *text, size_t size, mloom_error *error);
void mloom_job_free(mloom_job *job);
mloom_json *mloom_job_document(const mloom_job *job); /* borrowed */

/* Worker-wide rules of jobs; from the worker's settings. Borrowed. */
typedef struct mloom_job_rules {
  const char *const *allowed_commands; /* ends with NULL */
  const char *const *sandbox_read_paths;
  const char *supervise_path;
  const char *scratch_path; /* where the job's private folder is made */
  const char *audit_path;   /* folder of audit records; NULL: none */
  uint32_t sandbox_mode;
  uint32_t allow_network;
  int64_t command_timeout_ms;
  int64_t job_timeout_ms;
  uint64_t command_output_bytes;
  uint64_t max_turns;
  uint64_t max_tokens; /* input and output of the job; 0: none */
  uint32_t max_repair_attempts;
  uint32_t reserved;
} mloom_job_rules;

/* Receives events on the job's thread. Events are redacted already. */
typedef struct mloom_job_listener {
  void (*event)(const mloom_job_event *event, void *userdata);
  void *userdata;
  int64_t begin_ms; /* when what it listens to began, by the clock of the call */
} mloom_job_listener;

/* Everything a run needs. Borrowed. */
typedef struct mloom_job_run_args {
  const mloom_job *job;
  mloom_provider_instance *provider;
  const char *model;
  const char *repository_path;
  const mloom_job_rules *rules;
  const mloom_job_listener *listener;
  mloom_redactor *redactor;
  const mloom_json *resolution;         /* recorded */
  const mloom_json *checks;             /* recorded, may be NULL */
  const mloom_call *call;               /* cancel, clock, log */
  const mloom_tool *const *extra_tools; /* offered besides the built-in ones; the self-test uses it */
  size_t extra_tool_count;
  /* Runs an extra tool: fills out and returns MLOOM_OK, or a code with error. */
  int32_t (*extra_tool)(const char *name, const mloom_json *arguments, mloom_buffer *out, void *userdata,
                        mloom_error *error);
  void *extra_tool_userdata;
} mloom_job_run_args;

/* Runs the job. MLOOM_OK whenever there is a result. */
int32_t mloom_job_execute(mloom_result **out, const mloom_job_run_args *args, mloom_error *error);

/* A result for a job that never ran (blocked, not ready, cancelled), with the same document. Of args the job, the
 * rules, the listener, the redactor and what is recorded are used; only the job has to be there. */
int32_t mloom_result_new_refused(mloom_result **out, const mloom_job_run_args *args, uint32_t state,
                                 const mloom_error *reason, mloom_error *error);

/* The tree of mloom_result_json. Borrowed. */
mloom_json *mloom_result_document(const mloom_result *result);

/* Makes a JSON event and hands it to the listener: for events of the worker floor. name and text may be NULL. */
void mloom_job_emit(const mloom_job_listener *listener, mloom_redactor *redactor, uint32_t kind, uint32_t state,
                    const char *name, const char *text, int64_t duration_ms);

#endif
