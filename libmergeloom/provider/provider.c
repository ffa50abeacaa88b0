/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/provider.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "provider/internal.h"

void mloom_provider_enter(mloom_provider_instance *instance) {
  uint32_t rule = instance->entry->descriptor.threads;
  if (rule == MLOOM_THREADS_SERIALIZE_INSTANCE) {
    pthread_mutex_lock(&instance->lock);
  } else if (rule != MLOOM_THREADS_PARALLEL) {
    pthread_mutex_lock(instance->entry->plugin_lock);
  }
}

void mloom_provider_leave(mloom_provider_instance *instance) {
  uint32_t rule = instance->entry->descriptor.threads;
  if (rule == MLOOM_THREADS_SERIALIZE_INSTANCE) {
    pthread_mutex_unlock(&instance->lock);
  } else if (rule != MLOOM_THREADS_PARALLEL) {
    pthread_mutex_unlock(instance->entry->plugin_lock);
  }
}

int32_t mloom_provider_complete_error(mloom_provider_instance *instance, int32_t code, const char *what,
                                      mloom_error *error) {
  if (error == NULL) {
    return code;
  }
  if (error->message[0] == '\0') {
    uint32_t retryable = error->retryable;
    int64_t retry_after_ms = error->retry_after_ms;
    int32_t http_status = error->http_status;
    mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER,
                    "look at the provider's settings and at the service it talks to", "provider %s: %s: %s",
                    instance->entry->descriptor.id, what, mloom_code_name(code));
    error->retryable = retryable;
    error->retry_after_ms = retry_after_ms;
    error->http_status = http_status;
  }
  error->code = code;
  error->message[sizeof(error->message) - 1] = '\0';
  error->remedy[sizeof(error->remedy) - 1] = '\0';
  error->request_id[sizeof(error->request_id) - 1] = '\0';
  if (error->domain == MLOOM_DOMAIN_NONE) {
    error->domain = MLOOM_DOMAIN_PROVIDER;
  }
  mloom_redactor_apply_error(instance->services->redactor, error);
  return code;
}

static int32_t check_settings(const mloom_provider_entry *entry, const mloom_settings *settings, mloom_error *error) {
  for (size_t i = 0; i < mloom_settings_problem_count(settings); i++) {
    const mloom_settings_problem *problem = mloom_settings_problem_at(settings, i);
    if (problem->state == MLOOM_CHECK_FAIL) {
      return mloom_error_set(error, problem->code != MLOOM_OK ? problem->code : MLOOM_E_NOT_CONFIGURED,
                             MLOOM_DOMAIN_SETTINGS, problem->remedy, "provider %s: %s", entry->descriptor.id,
                             problem->message);
    }
  }
  return MLOOM_OK;
}

static int32_t open_plugin(mloom_provider_instance *instance, mloom_error *error) {
  mloom_open_args args = {
      .size = (uint32_t)sizeof(args), .host = instance->services->host, .settings = instance->settings};
  mloom_error reason = MLOOM_ERROR_INIT;
  mloom_provider_enter(instance);
  int32_t code = instance->entry->descriptor.open(&args, &instance->plugin, &reason);
  mloom_provider_leave(instance);
  if (code < 0) {
    mloom_provider_complete_error(instance, code, "cannot be opened", &reason);
    mloom_error_copy(error, &reason);
    instance->plugin = NULL;
    return code;
  }
  return MLOOM_OK;
}

static void free_instance(mloom_provider_instance *instance) {
  mloom_credentials_free(instance->credentials);
  mloom_provider_close_transport(instance);
  pthread_mutex_destroy(&instance->probe_lock);
  pthread_mutex_destroy(&instance->lock);
  mloom_settings_unref(instance->settings);
  free(instance);
}

int32_t mloom_provider_open(mloom_provider_instance **out, const mloom_provider_entry *entry, mloom_settings *settings,
                            const mloom_provider_services *services, mloom_error *error) {
  int32_t code = check_settings(entry, settings, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_provider_instance *instance = calloc(1, sizeof(*instance));
  if (instance == NULL) {
    return mloom_error_memory(error);
  }
  instance->entry = entry;
  instance->settings = mloom_settings_ref(settings);
  instance->services = services;
  pthread_mutex_init(&instance->lock, NULL);
  pthread_mutex_init(&instance->probe_lock, NULL);
  code = mloom_provider_read_prices(instance, error);
  if (code == MLOOM_OK) {
    code = mloom_provider_open_transport(instance, error);
  }
  if (code == MLOOM_OK) {
    code = mloom_credentials_new(&instance->credentials, services->registry, services->host, settings, services->clock,
                                 services->log, services->redactor, error);
  }
  if (code == MLOOM_OK) {
    code = open_plugin(instance, error);
  }
  if (code != MLOOM_OK) {
    free_instance(instance);
    return code;
  }
  *out = instance;
  return MLOOM_OK;
}

void mloom_provider_close(mloom_provider_instance *instance) {
  if (instance == NULL) {
    return;
  }
  if (instance->entry->descriptor.close != NULL) {
    mloom_provider_enter(instance);
    instance->entry->descriptor.close(instance->plugin);
    mloom_provider_leave(instance);
  }
  free_instance(instance);
}

const mloom_provider_entry *mloom_provider_get_entry(const mloom_provider_instance *instance) {
  return instance->entry;
}

int32_t mloom_provider_check(mloom_provider_instance *instance, const mloom_probe_sink *sink, mloom_error *error) {
  if (instance->entry->descriptor.check == NULL) {
    return MLOOM_OK;
  }
  mloom_error reason = MLOOM_ERROR_INIT;
  mloom_provider_enter(instance);
  int32_t code = instance->entry->descriptor.check(instance->plugin, sink, &reason);
  mloom_provider_leave(instance);
  if (code < 0) {
    mloom_provider_complete_error(instance, code, "its own check failed", &reason);
    mloom_error_copy(error, &reason);
    return code;
  }
  return MLOOM_OK;
}

/* ---- Probes ---- */

#define PAGES_LIMIT 100u

static int32_t keep_body(const char *data, size_t size, void *userdata, mloom_error *error) {
  return mloom_buffer_append(userdata, data, size) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t describe_probe(mloom_provider_instance *instance, uint32_t kind, int next, mloom_exchange *exchange,
                              mloom_error *error) {
  memset(exchange, 0, sizeof(*exchange));
  exchange->size = (uint32_t)sizeof(*exchange);
  exchange->flags = next ? MLOOM_EXCHANGE_NEXT : 0;
  mloom_provider_enter(instance);
  int32_t code = instance->entry->descriptor.probe(instance->plugin, kind, exchange, error);
  mloom_provider_leave(instance);
  return code;
}

/* What a program says in its errors counts as well: many tell their state there. */
static int32_t end_program(const mloom_exchange_run *run, mloom_buffer *body, mloom_error *error) {
  if (run->exchange->kind != MLOOM_EXCHANGE_PROCESS || run->error_output.size == 0) {
    return MLOOM_OK;
  }
  return mloom_buffer_append(body, run->error_output.data, run->error_output.size) == MLOOM_OK
             ? MLOOM_OK
             : mloom_error_memory(error);
}

/* Of a program the exit status, or minus the signal that ended it. */
static int32_t status_of(const mloom_exchange_run *run) {
  if (run->exchange->kind != MLOOM_EXCHANGE_PROCESS) {
    return run->end.http_status;
  }
  return run->end.signal != 0 ? -run->end.signal : run->end.exit_code;
}

/* One page: MLOOM_OK, MLOOM_MORE, or a failure. */
static int32_t probe_once(mloom_provider_instance *instance, const mloom_call *call, uint32_t kind, int next,
                          const mloom_probe_sink *sink, mloom_http_report *report, int *retry, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  mloom_exchange exchange;
  *retry = 0;
  int32_t code = describe_probe(instance, kind, next, &exchange, error);
  if (code < 0) {
    return mloom_provider_complete_error(instance, code, "offers no such probe", error);
  }
  mloom_exchange_run run = {.instance = instance,
                            .call = call,
                            .exchange = &exchange,
                            .body = keep_body,
                            .userdata = &body,
                            .reason = MLOOM_ERROR_INIT};
  code = mloom_exchange_perform(&run, error);
  memcpy(instance->probe_credential, run.authorized.description, sizeof(instance->probe_credential));
  if (report != NULL) {
    *report = run.report;
  }
  if (code == MLOOM_OK && run.end.outcome != MLOOM_OK) {
    code = run.end.outcome;
    mloom_error_copy(error, &run.reason);
  } else if (code == MLOOM_OK) {
    code = end_program(&run, &body, error);
    code = code == MLOOM_OK ? mloom_exchange_check_redirect(&run, error) : code;
    if (code == MLOOM_OK && instance->entry->descriptor.probe_result != NULL) {
      mloom_provider_enter(instance);
      code = instance->entry->descriptor.probe_result(instance->plugin, kind, status_of(&run),
                                                      mloom_buffer_string(&body), body.size, sink, error);
      mloom_provider_leave(instance);
      code = code < 0 || code == MLOOM_MORE ? code : MLOOM_OK;
    }
    *retry = mloom_exchange_may_authorize_again(&run, code);
  }
  if (code < 0 && error != NULL && error->http_status == 0) {
    error->http_status = run.end.http_status;
  }
  if (code < 0 && error != NULL && error->request_id[0] == '\0') {
    memcpy(error->request_id, run.headers.request_id, sizeof(error->request_id));
  }
  mloom_exchange_run_free(&run);
  return code >= 0 ? code : mloom_provider_complete_error(instance, code, "probe failed", error);
}

void mloom_provider_probe_credential(mloom_provider_instance *instance, char out[160]) {
  pthread_mutex_lock(&instance->probe_lock);
  memcpy(out, instance->probe_credential, sizeof(instance->probe_credential));
  pthread_mutex_unlock(&instance->probe_lock);
}

int64_t mloom_provider_clock_offset_ms(mloom_provider_instance *instance) {
  return mloom_credentials_clock_offset_ms(instance->credentials);
}

int32_t mloom_provider_probe(mloom_provider_instance *instance, const mloom_call *call, uint32_t kind,
                             const mloom_probe_sink *sink, mloom_http_report *report, mloom_error *error) {
  if (report != NULL) {
    memset(report, 0, sizeof(*report));
  }
  if (instance->entry->descriptor.probe == NULL) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, NULL, "provider %s offers no probe",
                           instance->entry->descriptor.id);
  }
  int retry = 0;
  mloom_error reason = MLOOM_ERROR_INIT;
  pthread_mutex_lock(&instance->probe_lock);
  int32_t code = probe_once(instance, call, kind, 0, sink, report, &retry, &reason);
  if (code < 0 && retry) {
    reason = (mloom_error)MLOOM_ERROR_INIT;
    code = probe_once(instance, call, kind, 0, sink, report, &retry, &reason);
  }
  for (uint32_t page = 1; code == MLOOM_MORE; page++) {
    code = page < PAGES_LIMIT ? probe_once(instance, call, kind, 1, sink, report, &retry, &reason) : MLOOM_OK;
  }
  pthread_mutex_unlock(&instance->probe_lock);
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
  }
  return code;
}
