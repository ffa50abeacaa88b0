/* SPDX-License-Identifier: Apache-2.0
 *
 * The check "tools": the self-test, told in one line.
 */
#include <string.h>

#include "readiness/report.h"
#include "readiness/self_test.h"

/* The job ended by what the model did, and not by the service or this machine. */
static int is_about_the_model(const mloom_error *error) {
  return error->code == MLOOM_OK || error->domain == MLOOM_DOMAIN_JOB;
}

static void end_failed(mloom_check_run *run, const mloom_self_test_outcome *outcome) {
  unsigned step = outcome->step + 1;
  const char *name = mloom_self_test_step_name(outcome->step);
  if (outcome->calls_as_text) {
    mloom_check_end(run, "tools", MLOOM_CHECK_FAIL,
                    "switch on the server's parser of tool calls for this model, or choose a model that has been "
                    "trained to call tools",
                    "self-test stopped at step %u of %u (%s): tool calls arrive as text, not as calls", step,
                    MLOOM_SELF_TEST_STEPS, name);
  } else if (outcome->step == MLOOM_SELF_TEST_CALL && outcome->turns > 0 && is_about_the_model(&outcome->error)) {
    mloom_check_end(run, "tools", MLOOM_CHECK_FAIL,
                    "choose a model that supports tool calls, and check that the server hands the tools on",
                    "self-test stopped at step %u of %u (%s): the model only talks", step, MLOOM_SELF_TEST_STEPS, name);
  } else if (outcome->error.code != MLOOM_OK) {
    mloom_check_end(run, "tools", MLOOM_CHECK_FAIL, outcome->error.remedy,
                    "self-test stopped at step %u of %u (%s): %s", step, MLOOM_SELF_TEST_STEPS, name,
                    outcome->error.message);
  } else {
    mloom_check_end(run, "tools", MLOOM_CHECK_FAIL, "choose a model that follows a task of several tool calls",
                    "self-test: the model finished without step %u of %u (%s)", step, MLOOM_SELF_TEST_STEPS, name);
  }
}

static void end_outcome(mloom_check_run *run, const mloom_self_test_outcome *outcome) {
  if (!outcome->passed) {
    end_failed(run, outcome);
  } else if (outcome->without_command) {
    run->self_tested = 1;
    mloom_check_end(run, "tools", MLOOM_CHECK_WARN, "install a command that JCA_WORKER_ALLOWED_COMMANDS names",
                    "self-test passed in %llu turns, without running a command: none is allowed and installed",
                    (unsigned long long)outcome->turns);
  } else {
    run->self_tested = 1;
    mloom_check_end(run, "tools", MLOOM_CHECK_PASS, NULL, "self-test passed in %llu turns, %llu tokens",
                    (unsigned long long)outcome->turns,
                    (unsigned long long)(outcome->input_tokens + outcome->output_tokens));
  }
}

static int is_program(const mloom_check_run *run) {
  return run->args->entry->descriptor.shape == MLOOM_SHAPE_AGENT;
}

/* 1 when a check that the self-test stands on failed, or it is not wanted: then the check has ended. */
static int is_left_out(mloom_check_run *run) {
  static const char *const needed[] = {"credential", "reach", "cli", "login", "confinement", "model", "sandbox"};
  for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
    if (mloom_check_state(run, needed[i]) == MLOOM_CHECK_FAIL) {
      mloom_check_skip(run, "tools", needed[i]);
      return 1;
    }
  }
  mloom_check_begin(run);
  if (run->args->without_self_test) {
    mloom_check_end(run, "tools", MLOOM_CHECK_SKIPPED, NULL, "the self-test was left out");
    return 1;
  }
  if (!is_program(run) && (run->args->entry->descriptor.capabilities & MLOOM_CAPABILITY_TOOLS) == 0) {
    mloom_check_end(run, "tools", MLOOM_CHECK_FAIL, "choose a provider that can call tools",
                    "the provider says that it cannot call tools");
    return 1;
  }
  return 0;
}

void mloom_check_tools(mloom_check_run *run) {
  if (is_left_out(run)) {
    if (is_program(run)) {
      mloom_check_begin(run);
      mloom_check_program_model(run, NULL, 0);
    }
    return;
  }
  mloom_self_test_outcome outcome;
  mloom_error error = MLOOM_ERROR_INIT;
  memset(&outcome, 0, sizeof(outcome));
  int32_t code = mloom_self_test_run(&outcome, run->args, run->instance, run->model, &error);
  const mloom_error *failure = code == MLOOM_OK ? &outcome.error : &error;
  if (is_program(run)) {
    /* Before the check tools: a wrong model is to be the first that fails. */
    mloom_check_program_model(run, failure, code == MLOOM_OK && is_about_the_model(failure));
  }
  if (code == MLOOM_OK) {
    end_outcome(run, &outcome);
  } else {
    mloom_check_end_error(run, "tools", &error);
  }
}
