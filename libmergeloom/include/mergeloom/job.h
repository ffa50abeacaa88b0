/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: a ticket and a repository become a checked diff.
 */
#ifndef MERGELOOM_JOB_H
#define MERGELOOM_JOB_H

#include <mergeloom/cancel.h>
#include <mergeloom/context.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MLOOM_JOB_COMPLETED 0u
#define MLOOM_JOB_FAILED 1u
#define MLOOM_JOB_BLOCKED 2u   /* by resolution or policy; nothing ran */
#define MLOOM_JOB_NOT_READY 3u /* the provider is not ready here; nothing ran */
#define MLOOM_JOB_CANCELLED 4u /* or timed out */

/* Kinds of job event. */
#define MLOOM_JOB_EVENT_STATE 1u      /* name: pending, running, completed, ... */
#define MLOOM_JOB_EVENT_RESOLUTION 2u /* text: the explanation */
#define MLOOM_JOB_EVENT_CHECK 3u      /* name: the check; state: MLOOM_CHECK_...; text: reason */
#define MLOOM_JOB_EVENT_TURN_BEGIN 4u
#define MLOOM_JOB_EVENT_TURN_END 5u /* tokens, duration_ms */
#define MLOOM_JOB_EVENT_TEXT 6u     /* text: a piece of what the model says */
#define MLOOM_JOB_EVENT_REASONING 7u
#define MLOOM_JOB_EVENT_TOOL_BEGIN 8u  /* name: the tool; text: what it is asked to do, one line */
#define MLOOM_JOB_EVENT_TOOL_END 9u    /* name, state (pass or fail), text: outcome in one line, duration_ms */
#define MLOOM_JOB_EVENT_VALIDATION 10u /* name: the command; state; text */
#define MLOOM_JOB_EVENT_RETRY 11u      /* text: why, and how long until the next attempt */
#define MLOOM_JOB_EVENT_NOTICE 12u     /* text */
#define MLOOM_JOB_EVENT_DIFF 13u       /* text: the unified diff of the tree so far */
#define MLOOM_JOB_EVENT_RATE_LIMIT 14u /* text: what the provider says of its limits; name: low when little is left */

typedef struct mloom_job_event {
  uint32_t size;
  uint32_t flags;
  uint32_t kind;
  uint32_t turn;
  uint32_t state;
  uint32_t reserved;
  const char *name; /* "" when the kind has none */
  mloom_bytes text;
  int64_t elapsed_ms; /* since the job began */
  int64_t duration_ms;
  uint64_t input_tokens; /* of the job so far */
  uint64_t cached_input_tokens;
  uint64_t output_tokens;
  const char *json; /* the whole event as one line of JSON (mergeloom.event.v1), without the newline */
} mloom_job_event;

/* flags of mloom_job_options. */
#define MLOOM_JOB_WITHOUT_READINESS 1u /* the caller has proved readiness by itself */
#define MLOOM_JOB_WITHOUT_SELF_TEST 2u /* the checks run, but for the self-test, which costs tokens */

typedef struct mloom_job_options {
  uint32_t size;
  uint32_t flags;
  mloom_cancel *cancel;
  /* Called in order on the thread that called mloom_job_run; may be NULL. The event is valid during the callback. */
  void (*event)(const mloom_job_event *event, void *userdata);
  void *userdata;
} mloom_job_options;

/* How a job ended. Immutable: may be read from several threads, and outlives its context. */
typedef struct mloom_result mloom_result;

/* Runs a mergeloom.job.v1 document to its end: resolves, gates on readiness, runs the model's turns and tools,
 * validates, checks the result against the real diff and writes the audit record. Blocking; one job a thread.
 * Returns MLOOM_OK whenever there is a result, a failed one too. The caller owns *out. Whatever ends the job, the
 * repository keeps the work done so far, and the result says so. job is read during the call only; options may be NULL.
 * MLOOM_E_INVALID: the document is malformed: correct it. MLOOM_E_LIMIT: it is larger than 8 MiB. MLOOM_E_IO: the
 * repository is no folder: give another path. In these three cases nothing ran. MLOOM_E_MEMORY. */
MLOOM_API int32_t mloom_job_run(mloom_result **out, mloom_context *context, const char *job, size_t job_size,
                                const mloom_job_options *options, mloom_error *error);
/* NULL is allowed. */
MLOOM_API void mloom_result_free(mloom_result *result);

/* MLOOM_JOB_COMPLETED, ...; *error (may be NULL) gets the reason when the job is not completed. */
MLOOM_API uint32_t mloom_result_state(const mloom_result *result, mloom_error *error);

/* The mergeloom.result.v1 document, and the unified diff of the repository. Borrowed, end with NUL. */
MLOOM_API const char *mloom_result_json(const mloom_result *result);
MLOOM_API const char *mloom_result_diff(const mloom_result *result);

#ifdef __cplusplus
}
#endif

#endif
