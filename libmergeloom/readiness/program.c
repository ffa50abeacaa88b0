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

static void end_model(mloom_check_run *run) {
  mloom_check_begin(run);
  if (run->model == NULL || run->model[0] == '\0') {
    mloom_check_end(run, "model", MLOOM_CHECK_PASS, NULL, "the program chooses its own model");
  } else {
    mloom_check_end(run, "model", MLOOM_CHECK_SKIPPED, NULL, "the self-test shows whether %s can be used", run->model);
  }
}

void mloom_check_program(mloom_check_run *run) {
  ask(run, MLOOM_PROBE_PROGRAM, "cli", "the program has no version to ask for");
  if (mloom_check_state(run, "cli") == MLOOM_CHECK_FAIL) {
    mloom_check_skip(run, "login", "cli");
    mloom_check_skip(run, "confinement", "cli");
    mloom_check_skip(run, "model", "cli");
    return;
  }
  ask(run, MLOOM_PROBE_LOGIN, "login", "the program does not say whether it is logged in; the self-test shows it");
  ask(run, MLOOM_PROBE_SANDBOX, "confinement", "the worker's own sandbox holds the program; see the check sandbox");
  end_model(run);
}
