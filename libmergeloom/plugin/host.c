/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/text.h"
#include "plugin/abi.h"
#include "process/process.h"

#define DOMAIN MLOOM_DOMAIN_PLUGIN
#define FIX_PLUGIN "correct the plugin"
#define GRACE_MS 1500u
#define PROCESS_CEILING 1024u
#define OUTPUT_LIMIT_BYTES ((uint64_t)64 * 1024 * 1024)

static int32_t missing_argument(const char *function, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_PLUGIN, "a plugin called %s without what it needs",
                         function);
}

static void host_log(void *ctx, int32_t level, const char *component, const char *message) {
  const mloom_host_services *services = ctx;
  if (message == NULL) {
    return;
  }
  int32_t known = level < MLOOM_LOG_ERROR ? MLOOM_LOG_ERROR : level > MLOOM_LOG_DEBUG ? MLOOM_LOG_DEBUG : level;
  mloom_log_write(services->log, known, component == NULL ? "plugin" : component, "%s", message);
}

static void *host_alloc(void *ctx, size_t size) {
  (void)ctx;
  return malloc(size == 0 ? 1 : size);
}

static void *host_realloc(void *ctx, void *memory, size_t size) {
  (void)ctx;
  return realloc(memory, size == 0 ? 1 : size);
}

static void host_free(void *ctx, void *memory) {
  (void)ctx;
  free(memory);
}

static int32_t host_secret_new(void *ctx, char *bytes, size_t size, mloom_secret **out, mloom_error *error) {
  mloom_host_services *services = ctx;
  if (out == NULL || (bytes == NULL && size > 0)) {
    return missing_argument("secret_new", error);
  }
  int32_t code = mloom_secret_new(out, bytes, size, error);
  mloom_secret_wipe(bytes, size);
  if (code == MLOOM_OK && services->redactor != NULL) {
    code = mloom_redactor_add_passing(services->redactor, *out);
    if (code != MLOOM_OK) {
      mloom_secret_unref(*out);
      *out = NULL;
      return mloom_error_memory(error);
    }
  }
  return code;
}

static void host_secret_ref(void *ctx, const mloom_secret *secret) {
  (void)ctx;
  mloom_secret_ref(secret);
}

static void host_secret_unref(void *ctx, const mloom_secret *secret) {
  (void)ctx;
  mloom_secret_unref(secret);
}

static int32_t host_secret_borrow(void *ctx, const mloom_secret *secret, mloom_bytes *out, mloom_error *error) {
  (void)ctx;
  if (secret == NULL || out == NULL) {
    return missing_argument("secret_borrow", error);
  }
  *out = mloom_secret_bytes(secret);
  return MLOOM_OK;
}

/* A call that has clients has both. */
static mloom_http_client *client_of(const mloom_host_services *services, const mloom_call *call, const char *url) {
  if (call == NULL || call->secure_client == NULL) {
    return services->http;
  }
  return mloom_text_compare_start_fold(url, "https:", 6) == 0 ? call->secure_client : call->plain_client;
}

static int32_t host_http(void *ctx, mloom_call *call, const mloom_http_request *request, const mloom_http_sink *sink,
                         mloom_error *error) {
  mloom_host_services *services = ctx;
  mloom_http_request known;
  mloom_http_sink known_sink;
  if (services->http == NULL && (call == NULL || call->secure_client == NULL)) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, DOMAIN, NULL, "this host makes no requests for plugins");
  }
  int32_t code = mloom_abi_import(&known, sizeof(known), request, "the HTTP request", error);
  if (code == MLOOM_OK) {
    code = mloom_abi_import(&known_sink, sizeof(known_sink), sink, "the HTTP sink", error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (known.method == NULL || known.url == NULL) {
    return missing_argument("http", error);
  }
  return mloom_http_perform(client_of(services, call, known.url), call, &known, &known_sink, NULL, error);
}

/* What the end of the process means to the plugin that asked for it. */
static int32_t process_outcome(const mloom_process_report *report, const char *program, mloom_error *error) {
  switch (report->ended) {
  case MLOOM_PROCESS_TIMED_OUT:
  case MLOOM_PROCESS_IDLE:
    return mloom_error_set(error, MLOOM_E_TIMEOUT, MLOOM_DOMAIN_PROCESS, "find out what it waits for",
                           "%s did not end in time", program);
  case MLOOM_PROCESS_OUTPUT_LIMIT:
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROCESS, "make it say less",
                           "%s wrote more than %llu bytes", program, (unsigned long long)OUTPUT_LIMIT_BYTES);
  case MLOOM_PROCESS_CANCELLED:
    return mloom_error_set(error, MLOOM_E_CANCELLED, MLOOM_DOMAIN_PROCESS, NULL, "%s was cancelled", program);
  case MLOOM_PROCESS_NOT_STARTED:
  case MLOOM_PROCESS_TOO_MANY:
    return mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_PROCESS, "check that it can be run by hand",
                           "%s could not be run", program);
  default:
    return MLOOM_OK;
  }
}

static int32_t host_spawn(void *ctx, mloom_call *call, const mloom_process_request *request,
                          const mloom_process_sink *sink, mloom_error *error) {
  static const char *const no_environment[] = {NULL};
  const mloom_host_services *services = ctx;
  mloom_process_request known;
  mloom_process_sink known_sink;
  int32_t code = mloom_abi_import(&known, sizeof(known), request, "the process request", error);
  if (code == MLOOM_OK) {
    code = mloom_abi_import(&known_sink, sizeof(known_sink), sink, "the process sink", error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (services->supervise_path == NULL || known.argv == NULL || known.argv[0] == NULL || known.argv[0][0] != '/') {
    return missing_argument("spawn", error);
  }
  mloom_process_plan plan = {
      .supervise_path = services->supervise_path,
      .argv = known.argv,
      .environment = known.environment == NULL ? no_environment : known.environment,
      .working_directory = known.working_directory == NULL ? "/" : known.working_directory,
      .input = known.input,
      .limits = {.total_timeout_ms = known.total_timeout_ms,
                 .idle_timeout_ms = known.idle_timeout_ms,
                 .grace_ms = GRACE_MS,
                 .output_bytes = OUTPUT_LIMIT_BYTES,
                 .processes = PROCESS_CEILING},
  };
  mloom_process_sink output = known_sink;
  output.exited = NULL; /* told below, once the outcome is known */
  mloom_process_report report;
  memset(&report, 0, sizeof(report));
  code = mloom_process_run(call, &plan, &output, &report, error);
  if (code == MLOOM_OK) {
    code = process_outcome(&report, known.argv[0], error);
  }
  if (code == MLOOM_OK && known_sink.exited != NULL) {
    code = known_sink.exited(report.exit_code, report.signal, known_sink.userdata);
  }
  return code;
}

static int64_t host_clock_wall_ms(void *ctx) {
  const mloom_clock *clock = ((const mloom_host_services *)ctx)->clock;
  return clock->wall_ms(clock);
}

static int64_t host_clock_monotonic_ms(void *ctx) {
  const mloom_clock *clock = ((const mloom_host_services *)ctx)->clock;
  return clock->monotonic_ms(clock);
}

static int32_t host_sleep_until(void *ctx, mloom_call *call, int64_t monotonic_ms) {
  const mloom_host_services *services = ctx;
  if (call != NULL) {
    return mloom_call_sleep_until(call, monotonic_ms, NULL);
  }
  mloom_call endless;
  mloom_call_init(&endless, NULL, services->clock, services->log, INT64_MAX);
  return mloom_call_sleep_until(&endless, monotonic_ms, NULL);
}

static int32_t host_random(void *ctx, void *out, size_t size) {
  (void)ctx;
  char *bytes = out;
  while (size > 0) {
    ssize_t got = getrandom(bytes, size, 0);
    if (got < 0 && errno != EINTR) {
      return MLOOM_E_IO;
    }
    if (got > 0) {
      bytes += got;
      size -= (size_t)got;
    }
  }
  return MLOOM_OK;
}

static int32_t host_setting_get(void *ctx, const mloom_settings *settings, const char *name, mloom_setting *out) {
  const mloom_host_services *services = ctx;
  mloom_setting known = {.size = (uint32_t)sizeof(known)};
  if (settings == NULL || name == NULL || out == NULL || out->size < 2 * sizeof(uint32_t) ||
      services->setting_get == NULL) {
    return MLOOM_E_INVALID;
  }
  int32_t code = services->setting_get(settings, name, &known);
  if (code == MLOOM_OK) {
    uint32_t size = out->size;
    known.size = size;
    memcpy(out, &known, size < sizeof(known) ? size : sizeof(known));
  }
  return code;
}

static int32_t host_call_cancelled(void *ctx, mloom_call *call) {
  (void)ctx;
  return mloom_call_check(call, NULL) != MLOOM_OK;
}

static int64_t host_call_deadline_ms(void *ctx, mloom_call *call) {
  (void)ctx;
  return call == NULL ? INT64_MAX : call->deadline_ms;
}

/* Cryptography is the one interface that is offered by name; a plugin must be ready for NULL in any version. */
static const void *host_get_interface(void *ctx, const char *name) {
  const mloom_host_services *services = ctx;
  return name != NULL && strcmp(name, MLOOM_CRYPTO_INTERFACE) == 0 ? services->crypto : NULL;
}

static const char *host_environment_get(void *ctx, const char *name) {
  const mloom_host_services *services = ctx;
  size_t length = name == NULL ? 0 : strlen(name);
  for (const char *const *entry = services->environment; length > 0 && entry != NULL && *entry != NULL; entry++) {
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') {
      return (*entry)[length + 1] == '\0' ? NULL : *entry + length + 1;
    }
  }
  return NULL;
}

void mloom_host_init(mloom_host *table, mloom_host_services *services) {
  *table = (mloom_host){
      .size = (uint32_t)sizeof(*table),
      .abi_major = MLOOM_ABI_MAJOR,
      .abi_minor = MLOOM_ABI_MINOR,
      .version = mloom_version(),
      .ctx = services,
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
