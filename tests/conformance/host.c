/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "check.h"

static void note(small_host *host, const char *function, int allowed_in_init) {
  pthread_mutex_lock(&host->lock);
  if (host->violation[0] == '\0' && (host->calls_forbidden || (host->init_only && !allowed_in_init))) {
    snprintf(host->violation, sizeof(host->violation), "it called %s %s", function,
             host->calls_forbidden ? "after shutdown" : "in its entry");
  }
  pthread_mutex_unlock(&host->lock);
}

static void count(small_host *host, int64_t *what, int64_t by) {
  pthread_mutex_lock(&host->lock);
  *what += by;
  pthread_mutex_unlock(&host->lock);
}

static void host_log(void *ctx, int32_t level, const char *component, const char *message) {
  note(ctx, "log", 1);
  (void)level;
  (void)component;
  (void)message;
}

static void *host_alloc(void *ctx, size_t size) {
  note(ctx, "alloc", 1);
  count(ctx, &((small_host *)ctx)->blocks, 1);
  return malloc(size == 0 ? 1 : size);
}

static void *host_realloc(void *ctx, void *memory, size_t size) {
  note(ctx, "realloc", 1);
  count(ctx, &((small_host *)ctx)->blocks, memory == NULL);
  return realloc(memory, size == 0 ? 1 : size);
}

static void host_free(void *ctx, void *memory) {
  note(ctx, "free", 1);
  count(ctx, &((small_host *)ctx)->blocks, memory == NULL ? 0 : -1);
  free(memory);
}

static int32_t host_secret_new(void *ctx, char *bytes, size_t size, mloom_secret **out, mloom_error *error) {
  (void)error;
  note(ctx, "secret_new", 0);
  mloom_secret *secret = calloc(1, sizeof(*secret) + size + 1);
  if (secret == NULL) {
    return MLOOM_E_MEMORY;
  }
  pthread_mutex_init(&secret->lock, NULL);
  secret->references = 1;
  secret->size = size;
  memcpy(secret->bytes, bytes, size);
  memset(bytes, 0, size);
  count(ctx, &((small_host *)ctx)->secrets, 1);
  *out = secret;
  return MLOOM_OK;
}

static void host_secret_ref(void *ctx, const mloom_secret *secret) {
  mloom_secret *counted = (mloom_secret *)secret;
  note(ctx, "secret_ref", 0);
  if (counted != NULL) {
    pthread_mutex_lock(&counted->lock);
    counted->references++;
    pthread_mutex_unlock(&counted->lock);
    count(ctx, &((small_host *)ctx)->secrets, 1);
  }
}

static void host_secret_unref(void *ctx, const mloom_secret *secret) {
  mloom_secret *counted = (mloom_secret *)secret;
  note(ctx, "secret_unref", 0);
  if (counted == NULL) {
    return;
  }
  pthread_mutex_lock(&counted->lock);
  uint32_t left = --counted->references;
  pthread_mutex_unlock(&counted->lock);
  count(ctx, &((small_host *)ctx)->secrets, -1);
  if (left == 0) {
    pthread_mutex_destroy(&counted->lock);
    free(counted);
  }
}

static int32_t host_secret_borrow(void *ctx, const mloom_secret *secret, mloom_bytes *out, mloom_error *error) {
  (void)error;
  note(ctx, "secret_borrow", 0);
  *out = (mloom_bytes){secret->bytes, secret->size};
  return MLOOM_OK;
}

/* The check never leaves the machine: there is no network and no program. */
static int32_t unreachable(mloom_error *error, const char *what) {
  if (error != NULL) {
    error->code = MLOOM_E_UNAVAILABLE;
    snprintf(error->message, sizeof(error->message), "the check offers no %s", what);
  }
  return MLOOM_E_UNAVAILABLE;
}

static int32_t host_http(void *ctx, mloom_call *call, const mloom_http_request *request, const mloom_http_sink *sink,
                         mloom_error *error) {
  (void)call;
  (void)request;
  (void)sink;
  note(ctx, "http", 0);
  return unreachable(error, "network");
}

static int32_t host_spawn(void *ctx, mloom_call *call, const mloom_process_request *request,
                          const mloom_process_sink *sink, mloom_error *error) {
  (void)call;
  (void)request;
  (void)sink;
  note(ctx, "spawn", 0);
  return unreachable(error, "program");
}

static int64_t read_clock(clockid_t id) {
  struct timespec time;
  clock_gettime(id, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int64_t host_clock_wall_ms(void *ctx) {
  note(ctx, "clock_wall_ms", 0);
  return read_clock(CLOCK_REALTIME);
}

static int64_t host_clock_monotonic_ms(void *ctx) {
  note(ctx, "clock_monotonic_ms", 0);
  return read_clock(CLOCK_MONOTONIC);
}

/* Time is not worth waiting for here. */
static int32_t host_sleep_until(void *ctx, mloom_call *call, int64_t monotonic_ms) {
  (void)call;
  (void)monotonic_ms;
  note(ctx, "sleep_until", 0);
  return MLOOM_OK;
}

static int32_t host_random(void *ctx, void *out, size_t size) {
  note(ctx, "random", 0);
  return getrandom(out, size, 0) == (ssize_t)size ? MLOOM_OK : MLOOM_E_IO;
}

static int32_t host_call_cancelled(void *ctx, mloom_call *call) {
  (void)call;
  note(ctx, "call_cancelled", 0);
  return 0;
}

static int64_t host_call_deadline_ms(void *ctx, mloom_call *call) {
  note(ctx, "call_deadline_ms", 0);
  return call == NULL ? INT64_MAX : call->deadline_ms;
}

static const void *host_get_interface(void *ctx, const char *name) {
  (void)name;
  note(ctx, "get_interface", 0);
  return NULL;
}

/* An empty one. */
static const char *host_environment_get(void *ctx, const char *name) {
  (void)name;
  note(ctx, "environment_get", 0);
  return NULL;
}

/* ---- Settings ---- */

static const char *given_value(const small_host *host, const char *name) {
  size_t length = strlen(name);
  for (const char *const *given = host->given; given != NULL && *given != NULL; given++) {
    if (strncmp(*given, name, length) == 0 && (*given)[length] == '=') {
      return *given + length + 1;
    }
  }
  return NULL;
}

static const mloom_field *find_field(const mloom_provider *provider, const char *name) {
  for (size_t i = 0; provider != NULL && i < provider->field_count; i++) {
    if (strcmp(provider->fields[i]->name, name) == 0) {
      return provider->fields[i];
    }
  }
  return NULL;
}

/* Something plausible for a field that nobody set. */
static const char *plausible_value(const mloom_provider *provider, const mloom_field *field) {
  if (provider != NULL && provider->shape == MLOOM_SHAPE_AGENT && strcmp(field->name, "program") == 0) {
    return "/bin/sh"; /* any program that is there: none is run */
  }
  if (provider != NULL && provider->shape == MLOOM_SHAPE_AGENT && field->kind == MLOOM_FIELD_PATH) {
    return "/tmp";
  }
  if (field->default_value != NULL) {
    return field->default_value;
  }
  if ((field->flags & MLOOM_FIELD_REQUIRED) == 0) {
    return NULL;
  }
  switch (field->kind) {
  case MLOOM_FIELD_INTEGER:
    return "1";
  case MLOOM_FIELD_BOOLEAN:
    return "true";
  case MLOOM_FIELD_CHOICE:
    return field->choices[0];
  case MLOOM_FIELD_URL:
    return "http://127.0.0.1:9/v1";
  case MLOOM_FIELD_PATH:
    return "/dev/null";
  default:
    return "test-value";
  }
}

static int32_t host_setting_get(void *ctx, const mloom_settings *settings, const char *name, mloom_setting *out) {
  note(ctx, "setting_get", 0);
  const mloom_field *field = find_field(settings->provider, name);
  int is_secret = field == NULL ? strcmp(name, "api_key") == 0
                                : field->kind == MLOOM_FIELD_SECRET || field->kind == MLOOM_FIELD_HEADERS;
  if (field == NULL && settings->provider != NULL) {
    return MLOOM_E_NOT_FOUND;
  }
  mloom_setting known = {.size = out->size, .origin_name = "the check", .origin = MLOOM_ORIGIN_UNSET};
  if (!settings->empty && is_secret) {
    known.secret = settings->secret;
  } else if (!settings->empty) {
    known.value = given_value(settings->host, name);
    if (known.value == NULL && field != NULL) {
      known.value = plausible_value(settings->provider, field);
    }
  }
  if (known.value != NULL || known.secret != NULL) {
    known.origin = MLOOM_ORIGIN_ENVIRONMENT;
  }
  memcpy(out, &known, out->size < sizeof(known) ? out->size : sizeof(known));
  return MLOOM_OK;
}

void settings_init(mloom_settings *settings, small_host *host, const mloom_provider *provider, int empty) {
  char key[] = TEST_KEY;
  *settings = (mloom_settings){.host = host, .provider = provider, .empty = empty};
  host_secret_new(host, key, sizeof(key) - 1, &settings->secret, NULL);
}

void settings_end(mloom_settings *settings) {
  host_secret_unref(settings->host, settings->secret);
}

/* ---- The table ---- */

void small_host_init(small_host *host, const char *const *given) {
  memset(host, 0, sizeof(*host));
  pthread_mutex_init(&host->lock, NULL);
  host->given = given;
  host->table = (mloom_host){
      .size = (uint32_t)sizeof(host->table),
      .abi_major = MLOOM_ABI_MAJOR,
      .abi_minor = MLOOM_ABI_MINOR,
      .version = "check",
      .ctx = host,
      .log = host_log,
      .alloc = host_alloc,
      .realloc = host_realloc,
      .free = host_free,
      .secret_new = host_secret_new,
      .secret_ref = host_secret_ref,
      .secret_unref = host_secret_unref,
      .secret_borrow = host_secret_borrow,
      .http = host_http,
      .spawn = host_spawn,
      .clock_wall_ms = host_clock_wall_ms,
      .clock_monotonic_ms = host_clock_monotonic_ms,
      .sleep_until = host_sleep_until,
      .random = host_random,
      .setting_get = host_setting_get,
      .call_cancelled = host_call_cancelled,
      .call_deadline_ms = host_call_deadline_ms,
      .get_interface = host_get_interface,
      .environment_get = host_environment_get,
  };
}

const char *take_violation(small_host *host) {
  static char taken[sizeof(host->violation)];
  memcpy(taken, host->violation, sizeof(taken));
  host->violation[0] = '\0';
  return taken[0] == '\0' ? NULL : taken;
}

size_t memory_in_use(void) {
  return mallinfo2().uordblks;
}
