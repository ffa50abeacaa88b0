/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting, carrying, limits and time-outs, with real processes.
 */
#include "harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

/* Each as confined and as unconfined process. */
static void expect_shell(const char *script, const char *output, int32_t exit_code) {
  fixture here;
  fixture_new(&here);
  for (int confined = 0; confined < 2; confined++) {
    outcome result;
    fixture_shell(&here, confined, script, &result);
    UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
    CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_EXITED);
    CU_ASSERT_EQUAL(result.report.exit_code, exit_code);
    CU_ASSERT_EQUAL(result.report.output_bytes, strlen(output));
    UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), output);
    outcome_free(&result);
  }
  fixture_free(&here);
}

static void test_exit_codes(void) {
  expect_shell("exit 0", "", 0);
  expect_shell("exit 7", "", 7);
  expect_shell("exit 255", "", 255);
}

static void test_signals(void) {
  static const int numbers[] = {SIGTERM, SIGKILL, SIGSEGV, SIGPIPE};
  fixture here;
  fixture_new(&here);
  for (size_t i = 0; i < 4; i++) {
    char script[32];
    snprintf(script, sizeof(script), "kill -%d $$", numbers[i]);
    outcome result;
    fixture_shell(&here, 1, script, &result);
    UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
    CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_SIGNALLED);
    CU_ASSERT_EQUAL(result.report.signal, numbers[i]);
    outcome_free(&result);
  }
  fixture_free(&here);
}

static void *wait_for_all(void *userdata) {
  for (const atomic_int *ended = userdata; !atomic_load(ended); usleep(200)) {
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
  }
  return NULL;
}

/* How a command ended is told by the supervisor, so that it does not matter who waits for that. */
static void test_children_that_others_wait_for(void) {
  atomic_int ended = 0;
  pthread_t thread;
  CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wait_for_all, &ended), 0);
  expect_shell("exit 7", "", 7);
  atomic_store(&ended, 1);
  pthread_join(thread, NULL);
  signal(SIGCHLD, SIG_IGN);
  expect_shell("exit 9", "", 9);
  signal(SIGCHLD, SIG_DFL);
}

static void test_output_comes_in_order(void) {
  expect_shell("echo one; printf two; echo; cat /dev/null; echo three", "one\ntwo\nthree\n", 0);
}

static void test_both_outputs_are_told_apart(void) {
  fixture here;
  fixture_new(&here);
  outcome result;
  fixture_shell(&here, 1, "echo out; echo err >&2", &result);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "out\n");
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.error_output), "err\n");
  CU_ASSERT_EQUAL(result.report.output_bytes, 8);
  outcome_free(&result);
  fixture_free(&here);
}

static void test_large_output_is_whole(void) {
  fixture here;
  fixture_new(&here);
  outcome result;
  fixture_python(&here, 1, "import sys; sys.stdout.write('0123456789' * 500000)", NULL, &result);
  CU_ASSERT_EQUAL(result.output.size, 5000000);
  int same = result.output.size == 5000000;
  for (size_t i = 0; same && i < result.output.size; i++) {
    same = result.output.data[i] == (char)('0' + i % 10);
  }
  CU_ASSERT(same);
  outcome_free(&result);
  fixture_free(&here);
}

static void test_input_arrives_byte_for_byte(void) {
  fixture here;
  fixture_new(&here);
  mloom_buffer bytes = MLOOM_BUFFER_INIT;
  for (int i = 0; i < 300000; i++) {
    mloom_buffer_append_char(&bytes, (char)(i * 7));
  }
  const mloom_bytes input = {bytes.data, bytes.size};
  const char *const argv[] = {"/bin/cat", NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  mloom_process_plan plan = fixture_plan(&here, argv, &sandbox);
  plan.input = &input;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  CU_ASSERT_EQUAL(result.output.size, bytes.size);
  CU_ASSERT(result.output.size == bytes.size && memcmp(result.output.data, bytes.data, bytes.size) == 0);
  outcome_free(&result);
  plan.input = NULL;
  fixture_run_plan(NULL, &plan, &result);
  CU_ASSERT_EQUAL(result.report.exit_code, 0);
  CU_ASSERT_EQUAL(result.output.size, 0);
  outcome_free(&result);
  mloom_buffer_free(&bytes);
  fixture_free(&here);
}

/* Runs "sh -c script" under a timer that ends after first_ms and then after each_ms again and again. */
static void run_leased(const char *script, long first_ms, long each_ms, outcome *out) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sh", "-c", script, NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  const struct itimerspec end = {.it_value = {first_ms / 1000, first_ms % 1000 * 1000000},
                                 .it_interval = {each_ms / 1000, each_ms % 1000 * 1000000}};
  int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  CU_ASSERT_EQUAL(timerfd_settime(timer, 0, &end, NULL), 0);
  plan.lease_fd = &timer;
  plan.limits.grace_ms = 1500;
  fixture_run_plan(NULL, &plan, out);
  close(timer);
  fixture_free(&here);
}

static void test_lease(void) {
  outcome result;
  run_leased("trap 'echo asked; exit 3' TERM; while :; do sleep 0.01; done", 50, 60000, &result);
  UNIT_ASSERT_CODE(result.code, MLOOM_E_CANCELLED, &result.error);
  CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_CANCELLED);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "asked\n");
  outcome_free(&result);
  /* Who comes late to it does not wait for the grace once more. */
  run_leased("trap '' TERM; while :; do sleep 0.01; done", 200, 1, &result);
  UNIT_ASSERT_CODE(result.code, MLOOM_E_CANCELLED, &result.error);
  CU_ASSERT(result.report.signal == SIGKILL || result.report.signal == SIGTERM);
  outcome_free(&result);
  run_leased("echo done", 60000, 60000, &result);
  UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "done\n");
  outcome_free(&result);
}

static void test_input_may_go_unread(void) {
  fixture here;
  fixture_new(&here);
  static char large[1000000];
  const mloom_bytes input = {large, sizeof(large)};
  const char *const argv[] = {"/bin/true", NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  plan.input = &input;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
  CU_ASSERT_EQUAL(result.report.exit_code, 0);
  outcome_free(&result);
  fixture_free(&here);
}

static void test_environment_is_exactly_the_given(void) {
  fixture here;
  fixture_new(&here);
  CU_ASSERT_EQUAL(setenv("MERGELOOM_TEST_LEAK", "leak", 1), 0);
  const char *const argv[] = {"/usr/bin/env", NULL};
  const char *const environment[] = {"B=two words", "A=1", "EMPTY=", NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  for (int confined = 0; confined < 2; confined++) {
    mloom_process_plan plan = fixture_plan(&here, argv, confined ? &sandbox : NULL);
    plan.environment = environment;
    outcome result;
    fixture_run_plan(NULL, &plan, &result);
    UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "B=two words\nA=1\nEMPTY=\n");
    outcome_free(&result);
  }
  fixture_free(&here);
}

static void test_no_other_descriptors_are_inherited(void) {
  fixture here;
  fixture_new(&here);
  int careless[3];
  for (int i = 0; i < 3; i++) {
    careless[i] = open(here.secret, O_RDONLY); /* without O_CLOEXEC */
  }
  for (int confined = 0; confined < 2; confined++) {
    outcome result;
    fixture_python(&here, confined,
                   "import os\n"
                   "def is_open(fd):\n"
                   "  try: os.fstat(fd)\n"
                   "  except OSError: return False\n"
                   "  return True\n"
                   "print([fd for fd in range(1024) if is_open(fd)])",
                   NULL, &result);
    UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "[0, 1, 2]\n");
    outcome_free(&result);
  }
  for (int i = 0; i < 3; i++) {
    close(careless[i]);
  }
  fixture_free(&here);
}

static void test_signals_and_umask_are_the_default(void) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
  mode_t mask = umask(077);
  expect_shell("while read -r l; do case $l in SigBlk*|SigIgn*) echo $l;; esac; done < /proc/self/status; umask; echo "
               "x > made; ls -l made | cut -c1-10; rm -f made",
               "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n0022\n-rw-r--r--\n", 0);
  umask(mask);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void test_own_session_without_core_dumps(void) {
  expect_shell("ulimit -c; python3 -c 'import os; print(os.getsid(0) == os.getppid() == os.getpgid(0))'; true",
               "0\nTrue\n", 0);
}

static void test_working_directory(void) {
  fixture here;
  fixture_new(&here);
  for (int confined = 0; confined < 2; confined++) {
    outcome result;
    fixture_shell(&here, confined, "pwd -P", &result);
    char expected[80];
    snprintf(expected, sizeof(expected), "%s\n", here.workspace);
    UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), expected);
    outcome_free(&result);
  }
  fixture_free(&here);
}

static void expect_not_started(mloom_process_plan *plan, int32_t code, const char *part) {
  outcome result;
  fixture_run_plan(NULL, plan, &result);
  UNIT_ASSERT_CODE(result.code, code, &result.error);
  CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_NOT_STARTED);
  if (strstr(result.error.message, part) == NULL) {
    fprintf(stderr, "\"%s\" does not name %s\n", result.error.message, part);
  }
  CU_ASSERT(strstr(result.error.message, part) != NULL);
  CU_ASSERT(result.error.remedy[0] != '\0');
  outcome_free(&result);
}

static void test_what_cannot_be_started_is_named(void) {
  fixture here;
  fixture_new(&here);
  mloom_sandbox sandbox = fixture_sandbox(&here);
  const char *const missing[] = {"/usr/bin/no-such-program", NULL};
  const char *const folder[] = {"/usr/bin", NULL};
  const char *const relative[] = {"true", NULL};
  const char *const fine[] = {"/bin/true", NULL};
  mloom_process_plan plan = fixture_plan(&here, missing, &sandbox);
  expect_not_started(&plan, MLOOM_E_NOT_FOUND, "/usr/bin/no-such-program");
  plan = fixture_plan(&here, folder, &sandbox);
  expect_not_started(&plan, MLOOM_E_DENIED, "/usr/bin");
  plan = fixture_plan(&here, relative, &sandbox);
  expect_not_started(&plan, MLOOM_E_INVALID, "true");
  plan = fixture_plan(&here, fine, &sandbox);
  plan.working_directory = "/no/such/folder";
  expect_not_started(&plan, MLOOM_E_NOT_FOUND, "/no/such/folder");
  plan = fixture_plan(&here, fine, &sandbox);
  plan.supervise_path = "/no/such/mergeloom-supervise";
  expect_not_started(&plan, MLOOM_E_NOT_FOUND, "/no/such/mergeloom-supervise");
  const char *const write_paths[] = {"/no/such/workspace", NULL};
  sandbox.write_paths = write_paths;
  plan = fixture_plan(&here, fine, &sandbox);
  expect_not_started(&plan, MLOOM_E_NOT_FOUND, "/no/such/workspace");
  fixture_free(&here);
}

static void test_total_timeout_ends_one_that_ignores_sigterm(void) {
  fixture here;
  fixture_new(&here);
  for (int confined = 0; confined < 2; confined++) {
    const char *const argv[] = {"/bin/sh", "-c", "trap '' TERM INT HUP; echo deaf; while :; do sleep 1; done", NULL};
    mloom_sandbox sandbox = fixture_sandbox(&here);
    mloom_process_plan plan = fixture_plan(&here, argv, confined ? &sandbox : NULL);
    plan.limits.total_timeout_ms = 300;
    outcome result;
    fixture_run_plan(NULL, &plan, &result);
    UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
    CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_TIMED_OUT);
    CU_ASSERT_EQUAL(result.report.signal, SIGKILL);
    UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "deaf\n");
    outcome_free(&result);
  }
  fixture_free(&here);
}

static int32_t fork_one(const char *data, size_t size, void *userdata) {
  pid_t *child = userdata;
  (void)data;
  (void)size;
  *child = fork();
  if (*child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
      pause();
    }
  }
  return MLOOM_OK;
}

/* A child that the program forked meanwhile has its descriptors. The supervisor is asked to end all the same: had it to
 * be killed for it, that would be an error. */
static void test_timeout_while_a_fork_lives(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sh", "-c", "echo begun; sleep 1000", NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  plan.limits.total_timeout_ms = 300;
  pid_t child = 0;
  const mloom_process_sink sink = {.output = fork_one, .userdata = &child};
  mloom_process_report report;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_process_run(NULL, &plan, &sink, &report, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(report.ended, MLOOM_PROCESS_TIMED_OUT);
  CU_ASSERT(child > 0);
  if (child > 0) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  fixture_free(&here);
}

static void test_timeout_lets_one_end_itself(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sh", "-c", "trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done", NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  mloom_process_plan plan = fixture_plan(&here, argv, &sandbox);
  plan.limits.total_timeout_ms = 300;
  plan.limits.grace_ms = 1500;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_TIMED_OUT);
  CU_ASSERT_EQUAL(result.report.exit_code, 3);
  CU_ASSERT_EQUAL(result.report.signal, 0);
  outcome_free(&result);
  fixture_free(&here);
}

static void test_idle_timeout_counts_from_the_last_output(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 0.1; echo $i; done; sleep 1000",
                              NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  plan.limits.idle_timeout_ms = 600;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_IDLE);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "1\n2\n3\n4\n5\n6\n7\n8\n");
  outcome_free(&result);
  fixture_free(&here);
}

typedef struct canceller {
  mloom_cancel *cancel;
  int fd; /* waits for a byte here first */
} canceller;

static int32_t trigger_on_output(const char *data, size_t size, void *userdata) {
  (void)data;
  (void)size;
  canceller *self = userdata;
  return write(self->fd, "x", 1) == 1 ? MLOOM_OK : MLOOM_E_IO;
}

static void *cancel_later(void *userdata) {
  canceller *self = userdata;
  char byte;
  if (read(self->fd, &byte, 1) == 1) {
    mloom_cancel_trigger(self->cancel);
  }
  return NULL;
}

static void test_cancel_from_another_thread(void) {
  fixture here;
  fixture_new(&here);
  for (int confined = 0; confined < 2; confined++) {
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    mloom_cancel *cancel = NULL;
    CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&cancel, NULL), MLOOM_OK);
    mloom_call call;
    mloom_call_init(&call, cancel, mloom_clock_system(), NULL, INT64_MAX);
    canceller there = {cancel, fds[0]};
    canceller mine = {cancel, fds[1]};
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancel_later, &there), 0);
    const char *const argv[] = {"/bin/sh", "-c", "trap '' TERM; echo started; while :; do sleep 1; done", NULL};
    mloom_sandbox sandbox = fixture_sandbox(&here);
    mloom_process_plan plan = fixture_plan(&here, argv, confined ? &sandbox : NULL);
    mloom_process_sink sink = {sizeof(sink), 0, &mine, trigger_on_output, NULL, NULL};
    mloom_process_report report;
    mloom_error error = MLOOM_ERROR_INIT;
    UNIT_ASSERT_CODE(mloom_process_run(&call, &plan, &sink, &report, &error), MLOOM_E_CANCELLED, &error);
    CU_ASSERT_EQUAL(report.ended, MLOOM_PROCESS_CANCELLED);
    pthread_join(thread, NULL);
    /* Cancelled before it began: nothing starts. */
    UNIT_ASSERT_CODE(mloom_process_run(&call, &plan, &sink, &report, &error), MLOOM_E_CANCELLED, &error);
    CU_ASSERT_EQUAL(report.ended, MLOOM_PROCESS_NOT_STARTED);
    mloom_cancel_unref(cancel);
    close(fds[0]);
    close(fds[1]);
  }
  fixture_free(&here);
}

static void test_deadline_of_the_call(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sleep", "1000", NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  const mloom_clock *clock = mloom_clock_system();
  mloom_call call;
  mloom_call_init(&call, NULL, clock, NULL, clock->monotonic_ms(clock) + 300);
  outcome result;
  fixture_run_plan(&call, &plan, &result);
  UNIT_ASSERT_CODE(result.code, MLOOM_E_TIMEOUT, &result.error);
  CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_TIMED_OUT);
  CU_ASSERT_EQUAL(result.report.signal, SIGTERM);
  outcome_free(&result);
  fixture_free(&here);
}

static int32_t refuse_output(const char *data, size_t size, void *userdata) {
  (void)data;
  (void)size;
  ++*(int *)userdata;
  return MLOOM_E_PROTOCOL;
}

static int32_t keep_end(int32_t exit_code, int32_t signal, void *userdata) {
  (void)exit_code;
  *(int *)userdata += 100 + signal;
  return MLOOM_OK;
}

static void test_receiver_may_end_it(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/usr/bin/yes", NULL};
  mloom_process_plan plan = fixture_plan(&here, argv, NULL);
  int calls = 0;
  mloom_process_sink sink = {sizeof(sink), 0, &calls, refuse_output, NULL, keep_end};
  mloom_process_report report;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_process_run(NULL, &plan, &sink, &report, &error), MLOOM_E_PROTOCOL, &error);
  CU_ASSERT_EQUAL(calls, 1 + 100 + SIGTERM);
  fixture_free(&here);
}

static void test_output_limit(void) {
  fixture here;
  fixture_new(&here);
  /* Endless, and not one newline. */
  const char *const argv[] = {"/bin/sh", "-c", "yes | tr -d '\\n'", NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  mloom_process_plan plan = fixture_plan(&here, argv, &sandbox);
  plan.limits.output_bytes = 1000001;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
  CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_OUTPUT_LIMIT);
  CU_ASSERT_EQUAL(result.output.size, 1000001);
  outcome_free(&result);
  fixture_free(&here);
}

static void test_memory_limit(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/usr/bin/python3", "-c", "try: bytearray(1 << 30)\nexcept MemoryError: print('refused')",
                              NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  mloom_process_plan plan = fixture_plan(&here, argv, &sandbox);
  plan.limits.memory_bytes = 512u << 20;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "refused\n");
  outcome_free(&result);
  fixture_free(&here);
}

static void test_file_size_limit(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/usr/bin/python3", "-c",
                              "f = open('sparse', 'wb')\nf.seek(2 << 30)\n"
                              "try: f.write(b'x'); f.flush()\nexcept OSError as e: print('refused', e.errno)\n"
                              "try: f.close()\nexcept OSError: pass",
                              NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  mloom_process_plan plan = fixture_plan(&here, argv, &sandbox);
  plan.limits.file_bytes = 1u << 20;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "refused 27\n");
  outcome_free(&result);
  fixture_free(&here);
}

static void test_open_files_limit(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/usr/bin/python3", "-c",
                              "import os\nn = 0\n"
                              "try:\n  while True: os.dup(0); n += 1\nexcept OSError as e: print(n + 3, e.errno)",
                              NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  mloom_process_plan plan = fixture_plan(&here, argv, &sandbox);
  plan.limits.open_files = 64;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "64 24\n");
  outcome_free(&result);
  fixture_free(&here);
}

static void test_report_counts_the_whole_tree(void) {
  fixture here;
  fixture_new(&here);
  outcome result;
  fixture_shell(&here, 1, "python3 -c 'x = bytearray(60 << 20)\nfor i in range(3000000): pass'; true", &result);
  CU_ASSERT_EQUAL(result.report.exit_code, 0);
  CU_ASSERT(result.report.cpu_ms > 0);
  CU_ASSERT(result.report.max_rss_kib > 60 << 10);
  CU_ASSERT_EQUAL(result.report.survivors, 0);
  outcome_free(&result);
  fixture_free(&here);
}

static void test_finding_programs(void) {
  fixture here;
  fixture_new(&here);
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_buffer found = MLOOM_BUFFER_INIT;
  UNIT_ASSERT_CODE(mloom_process_find(&found, "sh", "/usr/local/bin:/usr/bin:/bin", &error), MLOOM_OK, &error);
  char *expected = realpath("/bin/sh", NULL);
  UNIT_ASSERT_STRING(mloom_buffer_string(&found), expected);
  free(expected);
  mloom_buffer_free(&found);
  static const char *const names[] = {"", ".", "..", "/bin/sh", "../bin/sh", "a/b"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    CU_ASSERT_EQUAL(mloom_process_find(&found, names[i], "/usr/bin:/bin", &error), MLOOM_E_INVALID);
  }
  /* Not what is missing, a folder, not executable, or only in a relative or empty entry of the path. */
  char path[200];
  snprintf(path, sizeof(path), ":.:usr/bin:%s:%s", here.outside, here.root);
  CU_ASSERT_EQUAL(mloom_process_find(&found, "secret", path, &error), MLOOM_E_NOT_FOUND);
  CU_ASSERT_EQUAL(mloom_process_find(&found, "outside", path, &error), MLOOM_E_NOT_FOUND);
  CU_ASSERT_EQUAL(mloom_process_find(&found, "python3", path, &error), MLOOM_E_NOT_FOUND);
  CU_ASSERT_EQUAL(chmod(here.secret, 0700), 0);
  UNIT_ASSERT_CODE(mloom_process_find(&found, "secret", path, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&found), here.secret);
  mloom_buffer_free(&found);
  fixture_free(&here);
}

static const unit_test tests[] = {
    {"exit codes", test_exit_codes},
    {"signals", test_signals},
    {"children that others wait for", test_children_that_others_wait_for},
    {"output comes in order", test_output_comes_in_order},
    {"both outputs are told apart", test_both_outputs_are_told_apart},
    {"large output is whole", test_large_output_is_whole},
    {"input arrives byte for byte", test_input_arrives_byte_for_byte},
    {"the end of its lease ends it, whoever watches", test_lease},
    {"input may go unread", test_input_may_go_unread},
    {"the environment is exactly the given", test_environment_is_exactly_the_given},
    {"no other descriptors are inherited", test_no_other_descriptors_are_inherited},
    {"signals and umask are the default", test_signals_and_umask_are_the_default},
    {"own session without core dumps", test_own_session_without_core_dumps},
    {"working directory", test_working_directory},
    {"what cannot be started is named", test_what_cannot_be_started_is_named},
    {"total time-out ends one that ignores SIGTERM", test_total_timeout_ends_one_that_ignores_sigterm},
    {"a time-out while a fork of this program lives", test_timeout_while_a_fork_lives},
    {"time-out lets one end itself", test_timeout_lets_one_end_itself},
    {"idle time-out counts from the last output", test_idle_timeout_counts_from_the_last_output},
    {"cancel from another thread", test_cancel_from_another_thread},
    {"deadline of the call", test_deadline_of_the_call},
    {"the receiver may end it", test_receiver_may_end_it},
    {"output limit", test_output_limit},
    {"memory limit", test_memory_limit},
    {"file size limit", test_file_size_limit},
    {"open files limit", test_open_files_limit},
    {"the report counts the whole tree", test_report_counts_the_whole_tree},
    {"finding programs", test_finding_programs},
};

UNIT_MAIN("process", tests)
