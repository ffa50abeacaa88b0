/* SPDX-License-Identifier: Apache-2.0
 *
 * One run of the checks of one provider: what was found so far, and its JSON. For the files of this floor.
 */
#ifndef MLOOM_READINESS_REPORT_H
#define MLOOM_READINESS_REPORT_H

#include "readiness/checks.h"

/* What a provider said about one check by itself (its check and probe functions). */
typedef struct mloom_finding {
  char check[32];
  uint32_t state;
  uint32_t told; /* merged into the host's own check of that name, or added */
  char reason[512];
  char remedy[384];
} mloom_finding;

#define MLOOM_FINDING_LIMIT 16

typedef struct mloom_check_run {
  const mloom_readiness_args *args;
  mloom_provider_instance *instance; /* NULL while it could not be opened */
  const char *model;                 /* the one asked for or the default; NULL when there is none */
  mloom_json *checks;
  int64_t begin_ms; /* of the check that runs now */
  uint32_t failed;
  uint32_t self_tested; /* the self-test passed */
  uint32_t holds_files; /* the worker's sandbox, as it was tried */
  char first_failed[32];
  mloom_finding findings[MLOOM_FINDING_LIMIT];
  size_t finding_count;
} mloom_check_run;

/* Starts the time of the next check. */
void mloom_check_begin(mloom_check_run *run);
/* Ends a check: the worst of this and of what the provider said about it counts. Redacted, recorded and told. */
__attribute__((format(printf, 5, 6))) void mloom_check_end(mloom_check_run *run, const char *check, uint32_t state,
                                                           const char *remedy, const char *format, ...);
/* Ends a check as failed for error. */
void mloom_check_end_error(mloom_check_run *run, const char *check, const mloom_error *error);
/* Skips a check because an earlier one failed. */
void mloom_check_skip(mloom_check_run *run, const char *check, const char *because_of);
/* Did the check named fail or was it never reached? */
uint32_t mloom_check_state(const mloom_check_run *run, const char *check);
/* The sink's check function, with the run as userdata. */
void mloom_check_finding(const char *check, uint32_t state, const char *reason, const char *remedy, void *userdata);
/* Adds what the provider said about checks that the host has not. */
void mloom_check_end_findings(mloom_check_run *run);

/* The checks. Each ends at least the check it is named after. */
void mloom_check_settings(mloom_check_run *run);
void mloom_check_storage(mloom_check_run *run);
void mloom_check_timeout(mloom_check_run *run);
void mloom_check_commands(mloom_check_run *run);
void mloom_check_sandbox(mloom_check_run *run);
/* credential and reach come from one exchange, model from another. */
void mloom_check_reach(mloom_check_run *run);
void mloom_check_model(mloom_check_run *run);
/* Of providers that are programs, in the place of credential and reach: cli, login, confinement. */
void mloom_check_program(mloom_check_run *run);
/* Their model, which only the self-test can judge. failure is why the self-test ended, NULL: it did not fail, or was
 * not run. tested: the model answered in it. */
void mloom_check_program_model(mloom_check_run *run, const mloom_error *failure, int tested);
void mloom_check_tools(mloom_check_run *run);

#endif
