/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate before a job, against the scripted model server: a self-test that was passed is not repeated.
 */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mergeloom/mergeloom.h>

static pid_t simulator;
static char address[128];
static char folder[] = "/tmp/mergeloom-test-XXXXXX";

/* Starts mergeloom-sim, which passes the self-test and knows no other conversation. */
static int start_simulator(const char *build) {
  int ends[2];
  char program[1024];
  char line[256] = "";
  snprintf(program, sizeof(program), "%s/mergeloom-sim", build);
  if (pipe(ends) != 0) {
    return -1;
  }
  simulator = fork();
  if (simulator == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    execl(program, program, (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  FILE *output = fdopen(ends[0], "r");
  int found =
      output != NULL && fgets(line, sizeof(line), output) != NULL && sscanf(line, "listening on %100s", address) == 1;
  if (output != NULL) {
    fclose(output);
  }
  return found ? 0 : -1;
}

/* What was told of the check "tools", and when the last event was. */
typedef struct gate_events {
  uint32_t tools_state;
  int64_t elapsed_ms;
} gate_events;

static void note_event(const mloom_job_event *event, void *userdata) {
  gate_events *events = userdata;
  if (event->kind == MLOOM_JOB_EVENT_CHECK && strcmp(event->name, "tools") == 0) {
    events->tools_state = event->state;
  }
  /* The checks are a part of the job: its time does not begin again behind them. */
  CU_ASSERT(event->elapsed_ms >= events->elapsed_ms);
  events->elapsed_ms = event->elapsed_ms;
}

static uint32_t tools_state(mloom_context *context, uint32_t flags) {
  char job[512];
  gate_events events = {.tools_state = 99};
  mloom_result *result = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_job_options options = {.size = sizeof(options), .flags = flags, .event = note_event, .userdata = &events};
  snprintf(job, sizeof(job),
           "{\"schema\":\"mergeloom.job.v1\",\"ticket\":{\"title\":\"x\"},\"repository\":{\"path\":\"%s\"}}", folder);
  UNIT_ASSERT_CODE(mloom_job_run(&result, context, job, strlen(job), &options, &error), MLOOM_OK, &error);
  /* It got through the gate: the server has nothing to say to this ticket. */
  CU_ASSERT_EQUAL(mloom_result_state(result, &error), MLOOM_JOB_FAILED);
  mloom_result_free(result);
  return events.tools_state;
}

static mloom_context *make_context(const char *build) {
  static char url[192];
  const char *const paths[] = {build, NULL};
  const char *const environment[] = {url, "JCA_OPENAI_COMPATIBLE_MODEL=sim-1", "JCA_OPENAI_COMPATIBLE_MAX_RETRIES=0",
                                     "JCA_WORKER_PROVIDER=openai-compatible", NULL};
  snprintf(url, sizeof(url), "JCA_OPENAI_COMPATIBLE_BASE_URL=%s/v1", address);
  mloom_context_options options = {.size = sizeof(options),
                                   .plugin_paths = paths,
                                   .environment = environment,
                                   .secrets_path = "/nonexistent",
                                   .supervise_path = getenv("MERGELOOM_SUPERVISE")};
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_context_new(&context, &options, &error), MLOOM_OK, &error);
  return context;
}

static void test_pass_is_kept(void) {
  mloom_context *context = make_context(getenv("top_builddir"));
  CU_ASSERT_PTR_NOT_NULL_FATAL(context);
  CU_ASSERT_EQUAL(tools_state(context, MLOOM_JOB_WITHOUT_SELF_TEST), MLOOM_CHECK_SKIPPED);
  CU_ASSERT_EQUAL(tools_state(context, 0), MLOOM_CHECK_PASS);
  CU_ASSERT_EQUAL(tools_state(context, 0), MLOOM_CHECK_SKIPPED);
  CU_ASSERT_EQUAL(tools_state(context, MLOOM_JOB_WITHOUT_READINESS), 99);
  mloom_context_free(context);
}

static void test_check_is_a_pass(void) {
  mloom_context *context = make_context(getenv("top_builddir"));
  mloom_check_report *report = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  CU_ASSERT_PTR_NOT_NULL_FATAL(context);
  UNIT_ASSERT_CODE(mloom_check(&report, context, "openai-compatible", NULL, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_check_report_state(report, 0), MLOOM_STATE_READY);
  CU_ASSERT_EQUAL(tools_state(context, 0), MLOOM_CHECK_SKIPPED);
  mloom_check_report_free(report);
  mloom_context_free(context);
}

static const unit_test tests[] = {{"a self-test that was passed is not repeated", test_pass_is_kept},
                                  {"nor one that mloom_check ran", test_check_is_a_pass}};

int main(void) {
  const char *build = getenv("top_builddir");
  if (build == NULL || mkdtemp(folder) == NULL) {
    return 77;
  }
  int status = start_simulator(build) == 0 ? unit_run("gate", tests, sizeof(tests) / sizeof(tests[0])) : 2;
  kill(simulator, SIGTERM);
  waitpid(simulator, NULL, 0);
  rmdir(folder);
  return status;
}
