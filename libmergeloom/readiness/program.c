/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a provider that is a program: it is asked what it is, whether it is logged in, and whether its sandbox
 * holds.
 */
#include <string.h>

#include "base/error.h"
#include "readiness/report.h"

/* Asks once; what the provider finds becomes the check. MLOOM_E_UNSUPPORTED: nothing was asked, and no check ended. */
static int32_t ask(mloom_check_run *run, uint32_t probe, const char *check, mloom_error *error) {
  mloom_probe_sink sink = {.size = sizeof(sink), .userdata = run, .check = mloom_check_finding};
  mloom_check_begin(run);
  int32_t code = mloom_provider_probe(run->instance, run->args->call, probe, &sink, NULL, error);
  if (code == MLOOM_OK) {
    mloom_check_end(run, check, MLOOM_CHECK_SKIPPED, NULL, "the program said nothing of it");
  } else if (code != MLOOM_E_UNSUPPORTED) {
    mloom_check_end_error(run, check, error);
  }
  return code;
}

static void ask_or_skip(mloom_check_run *run, uint32_t probe, const char *check, const char *unsupported) {
  mloom_error error = MLOOM_ERROR_INIT;
  if (ask(run, probe, check, &error) == MLOOM_E_UNSUPPORTED) {
    /* Without a sandbox to start it in the program was not started either. */
    mloom_check_end(run, check, MLOOM_CHECK_SKIPPED, NULL, "%s",
                    error.domain == MLOOM_DOMAIN_SANDBOX ? error.message : unsupported);
  }
}

static int is_warned(const mloom_check_run *run, const char *check) {
  for (size_t i = 0; i < run->finding_count; i++) {
    if (strcmp(run->findings[i].check, check) == 0 && run->findings[i].state == MLOOM_CHECK_WARN) {
      return 1;
    }
  }
  return 0;
}

/* A program without a sandbox of its own is held by the worker's: as well as that one holds, and never by none. Where
 * that holds all, the provider's own words on it count. */
static void end_confinement(mloom_check_run *run) {
  if (!run->holds_files) {
    mloom_check_end(run, "confinement", MLOOM_CHECK_FAIL,
                    "run the worker on a kernel that has Landlock (5.13 or later), or use a program that confines its "
                    "commands itself",
                    "the worker's sandbox is all that would hold this program, and it holds no files here: see the "
                    "check sandbox");
  } else if (mloom_check_state(run, "sandbox") != MLOOM_CHECK_PASS) {
    mloom_check_end(run, "confinement", MLOOM_CHECK_WARN, "see the check sandbox",
                    "the worker's sandbox is all that holds this program, and it does not hold all here: see the check "
                    "sandbox");
  } else if (run->args->rules->allow_network && !is_warned(run, "confinement")) {
    mloom_check_end(run, "confinement", MLOOM_CHECK_WARN,
                    "set JCA_WORKER_COMMAND_NETWORK=deny where commands need no network",
                    "the worker's sandbox holds the program, and one more each of its commands: they have the network, "
                    "as JCA_WORKER_COMMAND_NETWORK=allow says");
  } else {
    mloom_check_end(run, "confinement", MLOOM_CHECK_SKIPPED, NULL,
                    "the worker's own sandbox holds the program; see the check sandbox");
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
  ask_or_skip(run, MLOOM_PROBE_PROGRAM, "cli", "the program has no version to ask for");
  if (mloom_check_state(run, "cli") == MLOOM_CHECK_FAIL) {
    mloom_check_skip(run, "login", "cli");
    mloom_check_skip(run, "confinement", "cli");
    return;
  }
  ask_or_skip(run, MLOOM_PROBE_LOGIN, "login",
              "the program does not say whether it is logged in; the self-test shows it");
  mloom_error error = MLOOM_ERROR_INIT;
  if (ask(run, MLOOM_PROBE_SANDBOX, "confinement", &error) == MLOOM_E_UNSUPPORTED) {
    end_confinement(run);
  }
}
