/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a provider that is a program: it is asked what it is, whether it is logged in, and whether its sandbox
 * holds.
 */
#include <string.h>

#include "base/error.h"
#include "readiness/report.h"

/* Asks once; what the provider finds becomes the check. */
static void ask(mloom_check_run *run, uint32_t probe, const char *check, const char *unsupported) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_probe_sink sink = {.size = sizeof(sink), .userdata = run, .check = mloom_check_finding};
  mloom_check_begin(run);
  int32_t code = mloom_provider_probe(run->instance, run->args->call, probe, &sink, NULL, &error);
  if (code == MLOOM_E_UNSUPPORTED) {
    mloom_check_end(run, check, MLOOM_CHECK_SKIPPED, NULL, "%s", unsupported);
  } else if (code != MLOOM_OK) {
    mloom_check_end_error(run, check, &error);
  } else {
    mloom_check_end(run, check, MLOOM_CHECK_SKIPPED, NULL, "the program said nothing of it");
  }
}

void mloom_check_program_model(mloom_check_run *run, const mloom_error *failure, int tested) {
  const char *model = run->model == NULL || run->model[0] == '\0' ? NULL : run->model;
  if (failure != NULL && failure->code == MLOOM_E_NOT_FOUND && failure->domain == MLOOM_DOMAIN_PROVIDER) {
    mloom_check_end_error(run, "model", failure);
  } else if (tested) {
    mloom_check_end(run, "model", MLOOM_CHECK_PASS, NULL, "%s was used in the self-test",
                    model == NULL ? "the model that the program chose" : model);
  } else if (model == NULL) {
    mloom_check_end(run, "model", MLOOM_CHECK_PASS, NULL, "the program chooses its own model");
  } else {
    mloom_check_end(run, "model", MLOOM_CHECK_SKIPPED, NULL, "only a self-test that runs shows whether %s can be used",
                    model);
  }
}

void mloom_check_program(mloom_check_run *run) {
  ask(run, MLOOM_PROBE_PROGRAM, "cli", "the program has no version to ask for");
  if (mloom_check_state(run, "cli") == MLOOM_CHECK_FAIL) {
    mloom_check_skip(run, "login", "cli");
    mloom_check_skip(run, "confinement", "cli");
    return;
  }
  ask(run, MLOOM_PROBE_LOGIN, "login", "the program does not say whether it is logged in; the self-test shows it");
  ask(run, MLOOM_PROBE_SANDBOX, "confinement", "the worker's own sandbox holds the program; see the check sandbox");
}
