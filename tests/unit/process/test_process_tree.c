/* SPDX-License-Identifier: Apache-2.0
 *
 * Nothing a command starts outlives it, whatever it does. Built twice: as it is, and as on a machine that gives no
 * namespaces, where the tree is hunted down process by process.
 */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* Forks twice into a session of its own and ignores what can be ignored; locks a file as long as it lives. The first
 * process ends when the lock is held. */
static const char daemoniser[] = "import os, sys, time, fcntl, signal\n"
                                 "r, w = os.pipe()\n"
                                 "if os.fork() == 0:\n"
                                 "  os.setsid()\n"
                                 "  if os.fork() == 0:\n"
                                 "    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
                                 "      signal.signal(s, signal.SIG_IGN)\n"
                                 "    if 'quiet' in sys.argv:\n"
                                 "      for fd in (0, 1, 2): os.close(fd)\n"
                                 "    f = open('alive', 'w')\n"
                                 "    fcntl.flock(f, fcntl.LOCK_EX)\n"
                                 "    os.write(w, b'x')\n"
                                 "    time.sleep(1000)\n"
                                 "  os._exit(0)\n"
                                 "os.read(r, 1)\n"
                                 "print('left', flush=True)\n"
                                 "if 'stay' in sys.argv: time.sleep(1000)\n";

static int is_locked(const fixture *here) {
  char path[96];
  snprintf(path, sizeof(path), "%s/alive", here->workspace);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  CU_ASSERT(fd >= 0);
  int locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
  close(fd);
  return locked;
}

static void test_daemon_is_ended(void) {
  static const char *const arguments[] = {"quiet", NULL};
  fixture here;
  fixture_new(&here);
  for (int confined = 0; confined < 2; confined++) {
    outcome result;
    fixture_python(&here, confined, daemoniser, arguments, &result);
    UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
    CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_EXITED);
    CU_ASSERT_EQUAL(result.report.survivors, 1);
    UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "left\n");
    CU_ASSERT(!is_locked(&here));
    outcome_free(&result);
  }
  fixture_free(&here);
}

/* The test of the test: without a supervisor the daemon does outlive its command. */
static void test_daemon_would_have_stayed(void) {
  fixture here;
  fixture_new(&here);
  pid_t child = fork();
  if (child == 0) {
    if (chdir(here.workspace) == 0) {
      execl("/usr/bin/python3", "python3", "-c", daemoniser, "quiet", here.root, NULL);
    }
    _exit(1);
  }
  int status = 0;
  CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
  CU_ASSERT(is_locked(&here));
  CU_ASSERT_EQUAL(kill_processes_with(here.root), 1);
  fixture_free(&here);
}

static void test_holder_of_the_output_does_not_hold_up(void) {
  fixture here;
  fixture_new(&here);
  for (int confined = 0; confined < 2; confined++) {
    outcome result;
    fixture_shell(&here, confined, "sleep 1000 & sleep 1001 & echo over; exit 4", &result);
    UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
    CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_EXITED);
    CU_ASSERT_EQUAL(result.report.exit_code, 4);
    CU_ASSERT_EQUAL(result.report.survivors, 2);
    UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "over\n");
    outcome_free(&result);
  }
  fixture_free(&here);
}

static void test_timeout_reaches_daemons(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/usr/bin/python3", "-c", daemoniser, "stay", NULL};
  for (int confined = 0; confined < 2; confined++) {
    mloom_sandbox sandbox = fixture_sandbox(&here);
    mloom_process_plan plan = fixture_plan(&here, argv, confined ? &sandbox : NULL);
    plan.limits.idle_timeout_ms = 1000;
    outcome result;
    fixture_run_plan(NULL, &plan, &result);
    CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_IDLE);
    UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "left\n");
    CU_ASSERT(!is_locked(&here));
    outcome_free(&result);
  }
  fixture_free(&here);
}

static void expect_contained(const char *const *argv, const char *marker) {
  fixture here;
  fixture_new(&here);
  for (int confined = 0; confined < 2; confined++) {
    mloom_sandbox sandbox = fixture_sandbox(&here);
    mloom_process_plan plan = fixture_plan(&here, argv, confined ? &sandbox : NULL);
    plan.limits.processes = 40;
    plan.limits.output_bytes = 1 << 20;
    outcome result;
    fixture_run_plan(NULL, &plan, &result);
    UNIT_ASSERT_CODE(result.code, MLOOM_OK, &result.error);
    CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_TOO_MANY);
    CU_ASSERT_EQUAL(count_processes_with(marker), 0);
    outcome_free(&result);
  }
  fixture_free(&here);
}

/* Each bomb has a fuse: it stops at some two thousand processes, so that a sandbox that does not contain it fails this
 * test and not the machine. */
static void test_fork_bomb_in_python(void) {
  char marker[48];
  snprintf(marker, sizeof(marker), "mergeloom-bomb-%d-python", (int)getpid());
  const char *const argv[] = {"/usr/bin/python3", "-c",
                              "import os, time\n"
                              "for generation in range(11):\n"
                              "  try: os.fork()\n"
                              "  except OSError: pass\n"
                              "time.sleep(20)\n",
                              marker, NULL};
  expect_contained(argv, marker);
}

static void test_fork_bomb_in_bash(void) {
  char marker[48];
  snprintf(marker, sizeof(marker), "mergeloom-bomb-%d-bash", (int)getpid());
  /* Its parts daemonise by losing their parents. */
  const char *const argv[] = {
      "/bin/bash", "-c",
      "bomb() { if [ $1 -gt 9 ]; then sleep 20; else bomb $(($1 + 1)) | bomb $(($1 + 1)) & fi; }; bomb 0; sleep 20",
      marker, NULL};
  expect_contained(argv, marker);
}

static void test_bomb_of_sessions(void) {
  char marker[48];
  snprintf(marker, sizeof(marker), "mergeloom-bomb-%d-setsid", (int)getpid());
  const char *const argv[] = {"/usr/bin/python3", "-c",
                              "import os, signal, time\n"
                              "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                              "for generation in range(11):\n"
                              "  try:\n"
                              "    if os.fork() == 0: os.setsid()\n"
                              "    elif os.getpid() % 2: time.sleep(0.01)\n"
                              "  except OSError: pass\n"
                              "time.sleep(20)\n",
                              marker, NULL};
  expect_contained(argv, marker);
}

static void test_bomb_of_threads(void) {
  char marker[48];
  snprintf(marker, sizeof(marker), "mergeloom-bomb-%d-threads", (int)getpid());
  const char *const argv[] = {"/usr/bin/python3", "-c",
                              "import threading, time\n"
                              "threading.stack_size(65536)\n"
                              "for i in range(1200): threading.Thread(target=time.sleep, args=(20,)).start()\n",
                              marker, NULL};
  expect_contained(argv, marker);
}

static void test_many_short_processes_are_fine(void) {
  fixture here;
  fixture_new(&here);
  const char *const argv[] = {"/bin/sh", "-c", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done; echo $i",
                              NULL};
  mloom_sandbox sandbox = fixture_sandbox(&here);
  mloom_process_plan plan = fixture_plan(&here, argv, &sandbox);
  plan.limits.processes = 8;
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  CU_ASSERT_EQUAL(result.report.ended, MLOOM_PROCESS_EXITED);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "300\n");
  CU_ASSERT_EQUAL(result.report.survivors, 0);
  outcome_free(&result);
  fixture_free(&here);
}

static int32_t pass_on(const char *data, size_t size, void *userdata) {
  (void)size;
  return write(*(int *)userdata, data, 1) == 1 ? MLOOM_OK : MLOOM_E_IO;
}

/* kill -9 of the process that called the library. */
static void expect_end_with_caller(int confined) {
  fixture here;
  fixture_new(&here);
  int fds[2];
  CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
  pid_t caller = fork();
  if (caller == 0) {
    const char *const argv[] = {"/usr/bin/python3", "-c", daemoniser, "stay", NULL};
    mloom_sandbox sandbox = fixture_sandbox(&here);
    mloom_process_plan plan = fixture_plan(&here, argv, confined ? &sandbox : NULL);
    mloom_process_sink sink = {sizeof(sink), 0, &fds[1], pass_on, NULL, NULL};
    mloom_process_run(NULL, &plan, &sink, NULL, NULL);
    _exit(0);
  }
  char byte = 0;
  CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 1); /* the daemon holds its lock */
  CU_ASSERT(is_locked(&here));
  kill(caller, SIGKILL);
  waitpid(caller, NULL, 0);
  char path[96];
  snprintf(path, sizeof(path), "%s/alive", here.workspace);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  alarm(GUARD_MS / 1000);
  CU_ASSERT_EQUAL(flock(fd, LOCK_EX), 0); /* waits for the daemon's death */
  alarm(0);
  close(fd);
  close(fds[0]);
  close(fds[1]);
  fixture_free(&here);
}

static void test_death_of_the_caller_ends_all(void) {
  expect_end_with_caller(0);
  expect_end_with_caller(1);
}

/* What holds the fort may be attacked from outside, too: its own death must not set the tree free. */
static void test_death_of_the_supervisor_ends_the_command(void) {
  fixture here;
  fixture_new(&here);
  for (int confined = 0; confined < 2; confined++) {
    const char *const argv[] = {"/bin/sh", "-c", "echo $PPID; exec sleep 1000", NULL};
    mloom_sandbox sandbox = fixture_sandbox(&here);
    mloom_process_plan plan = fixture_plan(&here, argv, confined ? &sandbox : NULL);
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    pid_t killer = fork();
    if (killer == 0) {
      char byte;
      pid_t parent = getppid();
      if (read(fds[0], &byte, 1) != 1) {
        _exit(1);
      }
      char path[64];
      int supervisor = 0;
      snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
      FILE *file = fopen(path, "r");
      while (file != NULL && fscanf(file, "%d", &supervisor) == 1) {
        if (supervisor != getpid()) {
          kill(supervisor, SIGKILL);
        }
      }
      _exit(0);
    }
    mloom_process_sink sink = {sizeof(sink), 0, &fds[1], pass_on, NULL, NULL};
    mloom_process_report report;
    mloom_error error = MLOOM_ERROR_INIT;
    UNIT_ASSERT_CODE(mloom_process_run(NULL, &plan, &sink, &report, &error), MLOOM_E_INTERNAL, &error);
    waitpid(killer, NULL, 0);
    close(fds[0]);
    close(fds[1]);
  }
  fixture_free(&here);
}

static const unit_test tests[] = {
    {"a daemon is ended", test_daemon_is_ended},
    {"the daemon would have stayed", test_daemon_would_have_stayed},
    {"a holder of the output does not hold up", test_holder_of_the_output_does_not_hold_up},
    {"a time-out reaches daemons", test_timeout_reaches_daemons},
    {"fork bomb in python", test_fork_bomb_in_python},
    {"fork bomb in bash", test_fork_bomb_in_bash},
    {"bomb of sessions", test_bomb_of_sessions},
    {"bomb of threads", test_bomb_of_threads},
    {"many short processes are fine", test_many_short_processes_are_fine},
    {"the death of the caller ends all", test_death_of_the_caller_ends_all},
    {"the death of the supervisor ends the command", test_death_of_the_supervisor_ends_the_command},
};

UNIT_MAIN("process tree", tests)
