/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals belong to the program, not to the library: here they become a cancel token.
 */
#include "tool.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static _Atomic(mloom_cancel *) current_cancel;
static atomic_int caught;
static atomic_int terminal_dirty;

static void on_signal(int number) {
  mloom_cancel *cancel = atomic_load(&current_cancel);
  if (cancel != NULL && atomic_exchange(&caught, number) == 0) {
    mloom_cancel_trigger(cancel);
    return;
  }
  if (atomic_load(&terminal_dirty)) {
    static const char restore[] = "\r\033[K\033[?25h";
    ssize_t put = write(STDOUT_FILENO, restore, sizeof(restore) - 1);
    (void)put;
  }
  signal(number, SIG_DFL);
  raise(number);
}

/* The plugin that this thread is in. */
static _Thread_local const char *current_plugin;
static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
static struct sigaction before_crash[sizeof(crash_signals) / sizeof(crash_signals[0])];

static void put_error(const char *text) {
  ssize_t put = write(STDERR_FILENO, text, strlen(text));
  (void)put;
}

/* Which plugin ended the program is more than the shell tells. What was done wrong is done again when this returns, and
 * ends it; a signal that somebody sent would not come again by itself. */
static void on_crash(int number, siginfo_t *info, void *place) {
  (void)place;
  for (size_t i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++) {
    if (crash_signals[i] == number) {
      sigaction(number, &before_crash[i], NULL);
    }
  }
  if (current_plugin != NULL) {
    put_error("mergeloom: a plugin crashed: ");
    put_error(current_plugin);
    put_error("\n  try: take the file away, and run mergeloom-plugin-check on it\n");
  }
  if (info->si_code <= 0) {
    raise(number);
  }
}

void tool_enter_plugin(const char *path, void *userdata) {
  (void)userdata;
  current_plugin = path;
}

void tool_name_crashing_plugins(void) {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  sigemptyset(&action.sa_mask);
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO;
  for (size_t i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++) {
    sigaction(crash_signals[i], &action, &before_crash[i]);
  }
}

/* A handler that does nothing, and not SIG_IGN: that would be inherited by every command that a job runs. */
static void on_pipe(int number) {
  (void)number;
}

void tool_catch_signals(mloom_cancel *cancel, int restore_terminal) {
  struct sigaction action;
  atomic_store(&current_cancel, cancel);
  atomic_store(&terminal_dirty, restore_terminal);
  memset(&action, 0, sizeof(action));
  sigemptyset(&action.sa_mask);
  action.sa_handler = on_pipe;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPIPE, &action, NULL);
  /* SA_NODEFER: the raise of a second signal must get through at once. */
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_NODEFER;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  struct sigaction inherited;
  if (sigaction(SIGHUP, NULL, &inherited) != 0 || inherited.sa_handler != SIG_IGN) { /* else: nohup */
    sigaction(SIGHUP, &action, NULL);
  }
}

void tool_release_signals(void) {
  atomic_store(&terminal_dirty, 0);
  atomic_store(&current_cancel, NULL);
}
