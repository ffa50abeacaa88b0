/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "base/call.h"

/* A clock that moves only when it is waited on. */
typedef struct stopped_clock {
  mloom_clock clock;
  int64_t now;
  int waited_fd;
} stopped_clock;

static int64_t stopped_now(const mloom_clock *clock) {
  return ((const stopped_clock *)clock->userdata)->now;
}

static void stopped_wait(const mloom_clock *clock, int64_t monotonic_ms, int wake_fd) {
  stopped_clock *stopped = clock->userdata;
  stopped->now = monotonic_ms;
  stopped->waited_fd = wake_fd;
}

static void stopped_init(stopped_clock *stopped, int64_t now) {
  stopped->clock = (mloom_clock){stopped_now, stopped_now, stopped_wait, stopped};
  stopped->now = now;
  stopped->waited_fd = -2;
}

static int is_readable(int fd) {
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  return poll(&poll_fd, 1, 0) == 1;
}

static void test_cancel_token(void) {
  mloom_cancel *cancel = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_cancel_new(&cancel, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_cancel_is_triggered(cancel), 0);
  CU_ASSERT(!is_readable(mloom_cancel_fd(cancel)));
  CU_ASSERT_PTR_EQUAL(mloom_cancel_ref(cancel), cancel);
  mloom_cancel_unref(cancel);
  errno = 77;
  mloom_cancel_trigger(cancel);
  mloom_cancel_trigger(cancel);
  CU_ASSERT_EQUAL(errno, 77);
  CU_ASSERT_EQUAL(mloom_cancel_is_triggered(cancel), 1);
  CU_ASSERT(is_readable(mloom_cancel_fd(cancel)));
  mloom_cancel_unref(cancel);
  mloom_cancel_unref(NULL);
  mloom_cancel_trigger(NULL);
  CU_ASSERT_EQUAL(mloom_cancel_is_triggered(NULL), 0);
  CU_ASSERT_EQUAL(mloom_cancel_fd(NULL), -1);
  CU_ASSERT_PTR_NULL(mloom_cancel_ref(NULL));
}

static void test_check(void) {
  stopped_clock stopped;
  mloom_cancel *cancel = NULL;
  mloom_call call;
  mloom_error error = MLOOM_ERROR_INIT;
  stopped_init(&stopped, 1000);
  CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&cancel, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_call_check(NULL, NULL), MLOOM_OK);
  mloom_call_init(&call, cancel, &stopped.clock, NULL, 1500);
  CU_ASSERT_EQUAL(mloom_call_check(&call, &error), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_call_remaining_ms(&call), 500);
  stopped.now = 1500;
  CU_ASSERT_EQUAL(mloom_call_remaining_ms(&call), 0);
  UNIT_ASSERT_CODE(mloom_call_check(&call, &error), MLOOM_E_TIMEOUT, &error);
  CU_ASSERT_EQUAL(error.code, MLOOM_E_TIMEOUT);
  mloom_cancel_trigger(cancel);
  UNIT_ASSERT_CODE(mloom_call_check(&call, &error), MLOOM_E_CANCELLED, &error);
  mloom_call_init(&call, NULL, NULL, NULL, INT64_MAX);
  CU_ASSERT_EQUAL(mloom_call_check(&call, &error), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_call_remaining_ms(&call), INT64_MAX);
  mloom_cancel_unref(cancel);
}

static void test_child(void) {
  stopped_clock stopped;
  mloom_call parent;
  mloom_call child;
  stopped_init(&stopped, 0);
  mloom_call_init(&parent, NULL, &stopped.clock, NULL, 100);
  mloom_call_init_child(&child, &parent, 500);
  CU_ASSERT_EQUAL(child.deadline_ms, 100);
  CU_ASSERT_PTR_EQUAL(child.clock, &stopped.clock);
  mloom_call_init_child(&child, &parent, 50);
  CU_ASSERT_EQUAL(child.deadline_ms, 50);
  mloom_call_init_child(&child, NULL, INT64_MAX);
  CU_ASSERT_EQUAL(mloom_call_check(&child, NULL), MLOOM_OK);
}

static void test_sleep(void) {
  stopped_clock stopped;
  mloom_cancel *cancel = NULL;
  mloom_call call;
  mloom_error error = MLOOM_ERROR_INIT;
  stopped_init(&stopped, 0);
  CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&cancel, NULL), MLOOM_OK);
  mloom_call_init(&call, cancel, &stopped.clock, NULL, 1000);
  UNIT_ASSERT_CODE(mloom_call_sleep_until(&call, 400, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(stopped.now, 400);
  CU_ASSERT_EQUAL(stopped.waited_fd, mloom_cancel_fd(cancel));
  UNIT_ASSERT_CODE(mloom_call_sleep_until(&call, 5000, &error), MLOOM_E_TIMEOUT, &error);
  CU_ASSERT_EQUAL(stopped.now, 1000);
  mloom_cancel_unref(cancel);
}

static void *trigger_later(void *userdata) {
  struct pollfd nothing = {.fd = -1};
  poll(&nothing, 1, 20);
  mloom_cancel_trigger(userdata);
  return NULL;
}

/* The guard is an hour: only the cancel can end this. */
static void test_cancel_ends_a_sleep(void) {
  mloom_cancel *cancel = NULL;
  mloom_call call;
  mloom_error error = MLOOM_ERROR_INIT;
  pthread_t thread;
  CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&cancel, NULL), MLOOM_OK);
  mloom_call_init(&call, cancel, NULL, NULL, INT64_MAX);
  CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, trigger_later, cancel), 0);
  int64_t now = call.clock->monotonic_ms(call.clock);
  UNIT_ASSERT_CODE(mloom_call_sleep_until(&call, now + 3600000, &error), MLOOM_E_CANCELLED, &error);
  pthread_join(thread, NULL);
  mloom_cancel_unref(cancel);
}

static mloom_cancel *signalled;

static void on_signal(int number) {
  (void)number;
  mloom_cancel_trigger(signalled);
}

static void test_trigger_in_a_signal_handler(void) {
  struct sigaction action = {.sa_handler = on_signal};
  struct sigaction old;
  CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&signalled, NULL), MLOOM_OK);
  sigaction(SIGUSR1, &action, &old);
  raise(SIGUSR1);
  sigaction(SIGUSR1, &old, NULL);
  CU_ASSERT_EQUAL(mloom_cancel_is_triggered(signalled), 1);
  CU_ASSERT(is_readable(mloom_cancel_fd(signalled)));
  mloom_cancel_unref(signalled);
}

/* The expected texts come from GNU date. */
static void test_clock_format(void) {
  char text[32];
  mloom_clock_format(0, text);
  UNIT_ASSERT_STRING(text, "1970-01-01T00:00:00.000Z");
  mloom_clock_format(1795389641123, text);
  UNIT_ASSERT_STRING(text, "2026-11-22T23:20:41.123Z");
  mloom_clock_format(-1, text);
  UNIT_ASSERT_STRING(text, "1969-12-31T23:59:59.999Z");
  mloom_clock_format(951782399999, text);
  UNIT_ASSERT_STRING(text, "2000-02-28T23:59:59.999Z");
  mloom_clock_format(INT64_MAX, text);
  UNIT_ASSERT_STRING(text, "0000-00-00T00:00:00.000Z");
}

typedef struct log_record {
  int32_t level;
  char component[32];
  char message[256];
  int count;
} log_record;

static void record(int32_t level, const char *component, const char *message, void *userdata) {
  log_record *seen = userdata;
  seen->level = level;
  snprintf(seen->component, sizeof(seen->component), "%s", component);
  snprintf(seen->message, sizeof(seen->message), "%s", message);
  seen->count++;
}

static void hide(mloom_buffer *message, void *userdata) {
  (void)userdata;
  char *found = strstr(message->data, "hidden");
  if (found != NULL) {
    memcpy(found, "******", 6);
  }
}

static void test_log(void) {
  log_record seen = {0};
  mloom_log log = {.write = record, .userdata = &seen, .level = MLOOM_LOG_INFO, .filter = hide};
  mloom_log_write(NULL, MLOOM_LOG_ERROR, "net", "nobody listens");
  mloom_log_write(&log, MLOOM_LOG_DEBUG, "net", "too fine");
  CU_ASSERT_EQUAL(seen.count, 0);
  mloom_log_write(&log, MLOOM_LOG_INFO, "net", "%s\nis %d\x1B[0m", "hidden", 3);
  CU_ASSERT_EQUAL(seen.count, 1);
  CU_ASSERT_EQUAL(seen.level, MLOOM_LOG_INFO);
  UNIT_ASSERT_STRING(seen.component, "net");
  UNIT_ASSERT_STRING(seen.message, "****** is 3<1B>[0m");
  log.write = NULL;
  mloom_log_write(&log, MLOOM_LOG_ERROR, "net", "nobody listens");
  CU_ASSERT_EQUAL(seen.count, 1);
}

static const unit_test tests[] = {
    {"a cancel token is triggered once", test_cancel_token},
    {"a call ends by cancel or deadline", test_check},
    {"a child ends with its parent", test_child},
    {"a call sleeps no longer than it lasts", test_sleep},
    {"a cancel from another thread ends a sleep", test_cancel_ends_a_sleep},
    {"a signal handler may cancel", test_trigger_in_a_signal_handler},
    {"wall time has one text form", test_clock_format},
    {"the log filters and keeps one line", test_log},
};

UNIT_MAIN("call", tests)
