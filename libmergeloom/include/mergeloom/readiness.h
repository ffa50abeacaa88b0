/* SPDX-License-Identifier: Apache-2.0
 *
 * Readiness: named checks of a provider, the tool-calling self-test among them.
 */
#ifndef MERGELOOM_READINESS_H
#define MERGELOOM_READINESS_H

#include <mergeloom/cancel.h>
#include <mergeloom/context.h>
#include <mergeloom/job.h>

#ifdef __cplusplus
extern "C" {
#endif

/* State of a provider. */
#define MLOOM_STATE_READY 0u
#define MLOOM_STATE_AUTHENTICATED 1u /* the login works, the self-test has not been run */
#define MLOOM_STATE_CHECKING 2u
#define MLOOM_STATE_NOT_READY 3u
#define MLOOM_STATE_DISABLED 4u

#define MLOOM_CHECK_WITHOUT_SELF_TEST 1u /* flags: leave the self-test out; it costs tokens */

typedef struct mloom_check_options {
  uint32_t size;
  uint32_t flags;
  const char *model; /* NULL: the provider's default model */
  mloom_cancel *cancel;
  int64_t timeout_ms; /* of the whole sweep; 0: 120 s */
  /* Told of each check as it ends, from the thread that ran it, one call at a time; may be NULL. */
  void (*check)(const char *provider, const char *check, uint32_t state, const char *reason, const char *remedy,
                int64_t duration_ms, void *userdata);
  void *userdata;
  /* Told of each model that a provider lists, and of what happens in its self-test; as check, and may be NULL. */
  void (*model_listed)(const char *provider, const char *id, const char *title, uint64_t context_tokens,
                       void *userdata);
  void (*event)(const char *provider, const mloom_job_event *event, void *userdata);
  /* With no provider given: only these (ids or aliases) instead of all; ends with NULL. NULL: all. */
  const char *const *providers;
} mloom_check_options;

/* What a sweep found. Immutable: may be read from several threads, and outlives its context. */
typedef struct mloom_check_report mloom_check_report;

/* Checks one provider (id or alias), or several or all of them at once when provider is NULL. Blocking; a sweep takes
 * as long as its slowest provider. A provider that is not ready is no error. The caller owns *out. MLOOM_E_NOT_FOUND:
 * no such provider is loaded. MLOOM_E_CANCELLED, MLOOM_E_MEMORY. Thread-safe. */
MLOOM_API int32_t mloom_check(mloom_check_report **out, mloom_context *context, const char *provider,
                              const mloom_check_options *options, mloom_error *error);
/* NULL is allowed. */
MLOOM_API void mloom_check_report_free(mloom_check_report *report);

/* How many providers the report has; by index the id, borrowed, and the state (MLOOM_STATE_...). Behind the last one:
 * NULL and MLOOM_STATE_NOT_READY. */
MLOOM_API size_t mloom_check_report_count(const mloom_check_report *report);
MLOOM_API const char *mloom_check_report_provider(const mloom_check_report *report, size_t index);
MLOOM_API uint32_t mloom_check_report_state(const mloom_check_report *report, size_t index);

/* The whole report as mergeloom.check.v1 JSON. Borrowed, ends with NUL. */
MLOOM_API const char *mloom_check_report_json(const mloom_check_report *report);

/* "ready", "authenticated", "checking", "not ready", "disabled"; "pass", "warn", "fail", "skipped". Static.
 * For a number that is none of them, "not ready" and "fail". */
MLOOM_API const char *mloom_state_name(uint32_t state);
MLOOM_API const char *mloom_check_name(uint32_t check_state);

#ifdef __cplusplus
}
#endif

#endif
