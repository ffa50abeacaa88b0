/* SPDX-License-Identifier: Apache-2.0
 *
 * What programs need that do a whole job: an end after their last word, a terminal, and a sandbox within a sandbox.
 */
#include "harness.h"

#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

/* ---- Completion ---- */

typedef struct receiver {
  mloom_buffer text;
  const char *last_word; /* after which nothing more is needed */
} receiver;

static int32_t receive(const char *data, size_t size, void *userdata) {
  receiver *self = userdata;
  mloom_buffer_append(&self->text, data, size);
  return strstr(mloom_buffer_string(&self->text), self->last_word) != NULL ? MLOOM_COMPLETE : MLOOM_OK;
}

static int32_t run(const mloom_process_plan *plan, receiver *self, mloom_process_report *report) {
  const mloom_process_sink sink = {.size = sizeof(sink), .userdata = self, .output = receive, .error_output = receive};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_call call;
  mloom_call_init(&call, NULL, mloom_clock_system(), NULL, INT64_MAX);
  int32_t code = mloom_process_run(&call, plan, &sink, report, &error);
  UNIT_ASSERT_CODE(code, MLOOM_OK, &error);
  return code;
}

static void test_a_program_that_stays(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sh", "-c", "echo done; sleep 1234.5 & sleep 1234.5", NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  receiver self = {MLOOM_BUFFER_INIT, "done"};
  mloom_process_report report;
  plan.limits.complete_grace_ms = 50;
  run(&plan, &self, &report);
  CU_ASSERT_EQUAL(report.ended, MLOOM_PROCESS_COMPLETE);
  CU_ASSERT_EQUAL(count_processes_with("1234.5"), 0);
  mloom_buffer_free(&self.text);
  fixture_free(&here);
}

static void test_a_program_that_goes(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sh", "-c", "echo done; sleep 0.1; echo more; exit 3", NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  receiver self = {MLOOM_BUFFER_INIT, "done"};
  mloom_process_report report;
  plan.limits.complete_grace_ms = GUARD_MS;
  run(&plan, &self, &report);
  CU_ASSERT_EQUAL(report.ended, MLOOM_PROCESS_EXITED);
  CU_ASSERT_EQUAL(report.exit_code, 3);
  UNIT_ASSERT_STRING(mloom_buffer_string(&self.text), "done\nmore\n");
  mloom_buffer_free(&self.text);
  fixture_free(&here);
}

/* ---- Terminals ---- */

static void test_a_terminal(void) {
  fixture here;
  fixture_new(&here);
  int fds[2];
  CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
  CU_ASSERT_EQUAL(write(fds[1], "typed\n", 6), 6);
  const char *const argv[] = {"/bin/sh", "-c",
                              "test -t 0 && test -t 1 && test -t 2 && echo three; : > /dev/tty && echo own; "
                              "read word; echo \"got $word\" >&2; stty size",
                              NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  receiver self = {MLOOM_BUFFER_INIT, "never said"};
  mloom_process_report report;
  plan.terminal = 1;
  plan.typed = &fds[0];
  run(&plan, &self, &report);
  CU_ASSERT_EQUAL(report.ended, MLOOM_PROCESS_EXITED);
  /* What was typed is not echoed, and lines are wide enough for long addresses. */
  UNIT_ASSERT_STRING(mloom_buffer_string(&self.text), "three\r\nown\r\ngot typed\r\n50 2000\r\n");
  mloom_buffer_free(&self.text);
  close(fds[0]);
  close(fds[1]);
  fixture_free(&here);
}

static void test_a_terminal_that_nobody_types_on(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sh", "-c", "echo before; read word; echo after", NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  receiver self = {MLOOM_BUFFER_INIT, "never said"};
  mloom_process_report report;
  plan.terminal = 1;
  plan.limits.idle_timeout_ms = 200;
  run(&plan, &self, &report);
  CU_ASSERT_EQUAL(report.ended, MLOOM_PROCESS_IDLE);
  UNIT_ASSERT_STRING(mloom_buffer_string(&self.text), "before\r\n");
  mloom_buffer_free(&self.text);
  fixture_free(&here);
}

/* ---- A sandbox within a sandbox ---- */

static void test_a_sandbox_within_a_sandbox(void) {
  fixture here;
  fixture_new(&here);
  const char *supervise = getenv("MERGELOOM_SUPERVISE");
  char script[2048];
  char inner[128];
  snprintf(inner, sizeof(inner), "%s/inner", here.workspace);
  /* Outside of the inner one all of the workspace can be written and sockets can be made; inside only the folder. */
  snprintf(script, sizeof(script),
           "mkdir %s; S='import socket; socket.socket()'\n"
           "touch %s/a && echo outer-writes; python3 -c \"$S\" && echo outer-sockets\n"
           "%s --confine --sandbox require --network deny --read %s --write %s -- /bin/sh -c '"
           "touch %s/b 2>/dev/null && echo BROKE-write; touch %s/c && echo inner-writes; "
           "python3 -c \"$1\" 2>/dev/null && echo BROKE-socket; cat /proc/$PPID/environ >/dev/null 2>&1 && echo "
           "BROKE-environ; "
           "pwd' sh \"$S\"",
           inner, here.workspace, supervise, here.workspace, inner, here.workspace, inner);
  const char *const argv[] = {"/bin/sh", "-c", script, NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  const char *const readable[] = {supervise, NULL};
  sandbox.read_paths = readable;
  sandbox.allow_network = 1;
  mloom_process_plan plan = fixture_plan(&here, argv, &sandbox);
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
  char expected[256];
  snprintf(expected, sizeof(expected), "outer-writes\nouter-sockets\ninner-writes\n%s\n", here.workspace);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), expected);
  outcome_free(&result);
  fixture_free(&here);
}

static const unit_test tests[] = {
    {"a program that stays", test_a_program_that_stays},
    {"a program that goes", test_a_program_that_goes},
    {"a terminal", test_a_terminal},
    {"a terminal that nobody types on", test_a_terminal_that_nobody_types_on},
    {"a sandbox within a sandbox", test_a_sandbox_within_a_sandbox},
};

UNIT_MAIN("programs", tests)
