/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/host.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "harness.h"

typedef struct fixture {
  mloom_buffer log;
  mloom_log log_object;
  mloom_redactor *redactor;
  mloom_clock clock;
  int64_t now;
  mloom_host_services services;
  mloom_host host;
} fixture;

static const char *const host_environment[] = {"TEST_NAME_LONGER=other", "TEST_NAME=value=1", "TEST_EMPTY=", NULL};

static void keep_log(int32_t level, const char *component, const char *message, void *userdata) {
  mloom_buffer_append_format(userdata, "%d %s: %s\n", (int)level, component, message);
}

static void redact(mloom_buffer *message, void *userdata) {
  mloom_redactor_apply(userdata, message);
}

static int64_t stopped_wall(const mloom_clock *clock) {
  return 1000000 + *(const int64_t *)clock->userdata;
}

static int64_t stopped_monotonic(const mloom_clock *clock) {
  return *(const int64_t *)clock->userdata;
}

static void jump(const mloom_clock *clock, int64_t until, int wake_fd) {
  (void)wake_fd;
  *(int64_t *)clock->userdata = until;
}

static int32_t setting_get(const mloom_settings *settings, const char *name, mloom_setting *out) {
  (void)settings;
  if (strcmp(name, "mode") != 0) {
    return MLOOM_E_NOT_FOUND;
  }
  out->value = "fast";
  out->origin_name = "the test";
  out->origin = MLOOM_ORIGIN_DEFAULT;
  out->locked = 1;
  return MLOOM_OK;
}

static void begin(fixture *self) {
  memset(self, 0, sizeof(*self));
  CU_ASSERT_EQUAL(mloom_redactor_new(&self->redactor, NULL), MLOOM_OK);
  self->log_object = (mloom_log){keep_log, &self->log, MLOOM_LOG_DEBUG, redact, self->redactor};
  self->now = 500;
  self->clock = (mloom_clock){stopped_wall, stopped_monotonic, jump, &self->now};
  self->services = (mloom_host_services){.log = &self->log_object,
                                         .clock = &self->clock,
                                         .redactor = self->redactor,
                                         .supervise_path = getenv("MERGELOOM_SUPERVISE"),
                                         .environment = host_environment,
                                         .setting_get = setting_get};
  mloom_host_init(&self->host, &self->services);
}

static void end(fixture *self) {
  mloom_redactor_free(self->redactor);
  mloom_buffer_free(&self->log);
}

static void test_table_is_complete(void) {
  fixture self;
  begin(&self);
  CU_ASSERT_EQUAL(self.host.size, sizeof(mloom_host));
  CU_ASSERT_EQUAL(self.host.abi_major, 1);
  /* Every slot from ctx to the end is a pointer, and none may be NULL in this version. */
  for (size_t at = offsetof(mloom_host, version); at < sizeof(mloom_host); at += sizeof(void *)) {
    void *slot;
    memcpy(&slot, (const char *)&self.host + at, sizeof(slot));
    CU_ASSERT_PTR_NOT_NULL(slot);
  }
  CU_ASSERT_PTR_NULL(self.host.get_interface(self.host.ctx, "x-anything"));
  end(&self);
}

static void test_environment_is_the_one_given(void) {
  fixture self;
  begin(&self);
  const mloom_host *host = &self.host;
  UNIT_ASSERT_STRING(host->environment_get(host->ctx, "TEST_NAME"), "value=1");
  CU_ASSERT_PTR_NULL(host->environment_get(host->ctx, "TEST_EMPTY"));
  CU_ASSERT_PTR_NULL(host->environment_get(host->ctx, "TEST_"));
  CU_ASSERT_PTR_NULL(host->environment_get(host->ctx, ""));
  CU_ASSERT_PTR_NULL(host->environment_get(host->ctx, "PATH"));
  end(&self);
}

static void test_secrets_are_wiped_and_redacted(void) {
  fixture self;
  begin(&self);
  const mloom_host *host = &self.host;
  char bytes[] = "test-key-not-a-secret";
  mloom_secret *secret = NULL;
  CU_ASSERT_EQUAL(host->secret_new(host->ctx, bytes, strlen(bytes), &secret, NULL), MLOOM_OK);
  for (size_t i = 0; i < sizeof(bytes); i++) {
    CU_ASSERT_EQUAL(bytes[i], '\0');
  }
  host->secret_ref(host->ctx, secret);
  host->secret_unref(host->ctx, secret);
  mloom_bytes borrowed = {NULL, 0};
  CU_ASSERT_EQUAL(host->secret_borrow(host->ctx, secret, &borrowed, NULL), MLOOM_OK);
  CU_ASSERT(mloom_text_equal(borrowed, "test-key-not-a-secret"));
  host->log(host->ctx, MLOOM_LOG_INFO, "mock", "it is test-key-not-a-secret");
  host->log(host->ctx, 99, NULL, "two\nlines");
  host->log(host->ctx, -4, NULL, NULL);
  const char *log = mloom_buffer_string(&self.log);
  CU_ASSERT_PTR_NOT_NULL(strstr(log, "2 mock: it is [redacted]\n"));
  CU_ASSERT_PTR_NULL(strstr(log, "test-key"));
  CU_ASSERT_PTR_NOT_NULL(strstr(log, "3 plugin: two"));
  host->secret_unref(host->ctx, secret);
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(host->secret_borrow(host->ctx, NULL, &borrowed, &error), MLOOM_E_INVALID, &error);
  UNIT_ASSERT_CODE(host->secret_new(host->ctx, NULL, 4, &secret, &error), MLOOM_E_INVALID, &error);
  end(&self);
}

static void test_memory(void) {
  fixture self;
  begin(&self);
  const mloom_host *host = &self.host;
  char *memory = host->alloc(host->ctx, 0);
  CU_ASSERT_PTR_NOT_NULL(memory);
  memory = host->realloc(host->ctx, memory, 100);
  CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
  memset(memory, 1, 100);
  host->free(host->ctx, memory);
  host->free(host->ctx, NULL);
  end(&self);
}

static void test_settings_fit_the_size_of_the_caller(void) {
  fixture self;
  begin(&self);
  const mloom_host *host = &self.host;
  const mloom_settings *settings = (const mloom_settings *)&self; /* opaque: only passed on */
  mloom_setting full = {.size = sizeof(full)};
  CU_ASSERT_EQUAL(host->setting_get(host->ctx, settings, "mode", &full), MLOOM_OK);
  UNIT_ASSERT_STRING(full.value, "fast");
  CU_ASSERT_EQUAL(full.locked, 1);
  CU_ASSERT_EQUAL(full.size, sizeof(full));
  struct {
    mloom_setting setting;
    char guard[32];
  } shorter;
  memset(&shorter, 0x55, sizeof(shorter));
  shorter.setting.size = offsetof(mloom_setting, origin_name);
  CU_ASSERT_EQUAL(host->setting_get(host->ctx, settings, "mode", &shorter.setting), MLOOM_OK);
  UNIT_ASSERT_STRING(shorter.setting.value, "fast");
  CU_ASSERT_EQUAL(shorter.setting.locked, 0x55555555);
  memset(&shorter, 0x55, sizeof(shorter));
  shorter.setting.size = sizeof(shorter);
  CU_ASSERT_EQUAL(host->setting_get(host->ctx, settings, "mode", &shorter.setting), MLOOM_OK);
  CU_ASSERT_EQUAL(shorter.setting.locked, 1);
  CU_ASSERT_EQUAL(shorter.guard[0], 0x55);
  CU_ASSERT_EQUAL(host->setting_get(host->ctx, settings, "other", &full), MLOOM_E_NOT_FOUND);
  CU_ASSERT_EQUAL(host->setting_get(host->ctx, NULL, "mode", &full), MLOOM_E_INVALID);
  end(&self);
}

static void test_clocks_and_calls(void) {
  fixture self;
  begin(&self);
  const mloom_host *host = &self.host;
  CU_ASSERT_EQUAL(host->clock_monotonic_ms(host->ctx), 500);
  CU_ASSERT_EQUAL(host->clock_wall_ms(host->ctx), 1000500);
  mloom_call call;
  mloom_cancel *cancel = NULL;
  CU_ASSERT_EQUAL(mloom_cancel_new(&cancel, NULL), MLOOM_OK);
  mloom_call_init(&call, cancel, &self.clock, &self.log_object, 900);
  CU_ASSERT_EQUAL(host->call_deadline_ms(host->ctx, &call), 900);
  CU_ASSERT_EQUAL(host->call_cancelled(host->ctx, &call), 0);
  CU_ASSERT_EQUAL(host->sleep_until(host->ctx, &call, 800), MLOOM_OK);
  CU_ASSERT_EQUAL(self.now, 800);
  CU_ASSERT_EQUAL(host->sleep_until(host->ctx, &call, 1500), MLOOM_E_TIMEOUT);
  CU_ASSERT_EQUAL(host->call_cancelled(host->ctx, &call), 1);
  mloom_call_init(&call, cancel, &self.clock, &self.log_object, INT64_MAX);
  mloom_cancel_trigger(cancel);
  CU_ASSERT_EQUAL(host->sleep_until(host->ctx, &call, 5000), MLOOM_E_CANCELLED);
  CU_ASSERT_EQUAL(host->sleep_until(host->ctx, NULL, 6000), MLOOM_OK);
  CU_ASSERT_EQUAL(host->call_deadline_ms(host->ctx, NULL), INT64_MAX);
  mloom_cancel_unref(cancel);
  end(&self);
}

static void test_random(void) {
  fixture self;
  begin(&self);
  unsigned char a[600] = {0};
  unsigned char b[600] = {0};
  CU_ASSERT_EQUAL(self.host.random(self.host.ctx, a, sizeof(a)), MLOOM_OK);
  CU_ASSERT_EQUAL(self.host.random(self.host.ctx, b, sizeof(b)), MLOOM_OK);
  CU_ASSERT(memcmp(a, b, sizeof(a)) != 0);
  CU_ASSERT(memcmp(a + 500, (unsigned char[100]){0}, 100) != 0);
  end(&self);
}

static int32_t keep_output(const char *data, size_t size, void *userdata) {
  return mloom_buffer_append(userdata, data, size);
}

static int32_t keep_exit(int32_t exit_code, int32_t signal, void *userdata) {
  return mloom_buffer_append_format(userdata, "exit %d signal %d", (int)exit_code, (int)signal);
}

static void test_spawn(void) {
  fixture self;
  begin(&self);
  const mloom_host *host = &self.host;
  self.services.clock = mloom_clock_system();
  const char *const argv[] = {"/bin/sh", "-c", "cat; echo \"$MARK\"; echo no >&2; exit 3", NULL};
  const char *const environment[] = {"MARK=here", NULL};
  mloom_bytes input = {"given ", 6};
  mloom_buffer output = MLOOM_BUFFER_INIT;
  mloom_process_request request = {.size = sizeof(request),
                                   .argv = argv,
                                   .environment = environment,
                                   .working_directory = "/",
                                   .input = &input,
                                   .total_timeout_ms = 60000};
  mloom_process_sink sink = {.size = sizeof(sink), .userdata = &output, .output = keep_output, .exited = keep_exit};
  mloom_call call;
  mloom_call_init(&call, NULL, mloom_clock_system(), &self.log_object, INT64_MAX);
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(host->spawn(host->ctx, &call, &request, &sink, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&output), "given here\nexit 3 signal 0");
  const char *const relative[] = {"sh", NULL};
  request.argv = relative;
  UNIT_ASSERT_CODE(host->spawn(host->ctx, &call, &request, &sink, &error), MLOOM_E_INVALID, &error);
  UNIT_ASSERT_CODE(host->spawn(host->ctx, &call, NULL, &sink, &error), MLOOM_E_INVALID, &error);
  mloom_buffer_free(&output);
  end(&self);
}

static void test_http_without_a_client(void) {
  fixture self;
  begin(&self);
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(self.host.http(self.host.ctx, NULL, NULL, NULL, &error), MLOOM_E_UNSUPPORTED, &error);
  CU_ASSERT_EQUAL(mloom_http_client_new(&self.services.http, &(mloom_http_options){0}, NULL, NULL), MLOOM_OK);
  UNIT_ASSERT_CODE(self.host.http(self.host.ctx, NULL, NULL, NULL, &error), MLOOM_E_INVALID, &error);
  mloom_http_request request = {.size = sizeof(request), .method = "GET", .url = "http://127.0.0.1:1/"};
  mloom_http_sink sink = {.size = sizeof(sink)};
  mloom_call call;
  mloom_call_init(&call, NULL, mloom_clock_system(), NULL, INT64_MAX);
  UNIT_ASSERT_CODE(self.host.http(self.host.ctx, &call, &request, &sink, &error), MLOOM_E_UNAVAILABLE, &error);
  /* A call that comes from a provider goes the way of that provider's settings. */
  mloom_http_client *other = NULL;
  mloom_http_options options = {.proxy = "http://127.0.0.1:1"};
  CU_ASSERT_EQUAL(mloom_http_client_new(&other, &options, NULL, NULL), MLOOM_OK);
  call.secure_client = self.services.http;
  call.plain_client = other;
  mloom_call child;
  mloom_call_init_child(&child, &call, INT64_MAX);
  UNIT_ASSERT_CODE(self.host.http(self.host.ctx, &child, &request, &sink, &error), MLOOM_E_UNAVAILABLE, &error);
  UNIT_ASSERT_STRING(error.message, "the proxy refused the connection");
  mloom_http_client_free(other);
  call.plain_client = self.services.http;
  request.url = NULL;
  UNIT_ASSERT_CODE(self.host.http(self.host.ctx, &call, &request, &sink, &error), MLOOM_E_INVALID, &error);
  mloom_http_client_free(self.services.http);
  end(&self);
}

static void *use_host(void *table) {
  const mloom_host *host = table;
  for (int i = 0; i < 200; i++) {
    char bytes[] = "thread-test-key-0";
    bytes[sizeof(bytes) - 2] = (char)('0' + i % 10);
    mloom_secret *secret = NULL;
    char noise[8];
    if (host->secret_new(host->ctx, bytes, sizeof(bytes) - 1, &secret, NULL) != MLOOM_OK ||
        host->random(host->ctx, noise, sizeof(noise)) != MLOOM_OK) {
      abort();
    }
    host->log(host->ctx, MLOOM_LOG_DEBUG, "thread", "thread-test-key-0");
    host->secret_unref(host->ctx, secret);
  }
  return NULL;
}

static void drop_log(int32_t level, const char *component, const char *message, void *userdata) {
  (void)level;
  (void)component;
  (void)userdata;
  if (strstr(message, "thread-test-key-0") != NULL) {
    abort();
  }
}

static void test_threads(void) {
  fixture self;
  begin(&self);
  self.log_object.write = drop_log;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, use_host, &self.host), 0);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
  }
  end(&self);
}

static const unit_test tests[] = {
    {"environment is the one given", test_environment_is_the_one_given},
    {"table is complete", test_table_is_complete},
    {"secrets are wiped and redacted", test_secrets_are_wiped_and_redacted},
    {"memory", test_memory},
    {"settings fit the size of the caller", test_settings_fit_the_size_of_the_caller},
    {"clocks and calls", test_clocks_and_calls},
    {"random", test_random},
    {"spawn", test_spawn},
    {"http without a client", test_http_without_a_client},
    {"threads", test_threads},
};
UNIT_MAIN("host", tests)
