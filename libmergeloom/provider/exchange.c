/* SPDX-License-Identifier: Apache-2.0
 *
 * Performs what a plugin described: one HTTP request or one program.
 */
#include "provider/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "plugin/abi.h"

void mloom_exchange_run_free(mloom_exchange_run *run) {
  mloom_authorized_headers_free(&run->authorized);
  mloom_buffer_free(&run->error_output);
}

int mloom_exchange_may_authorize_again(const mloom_exchange_run *run, int32_t code) {
  mloom_credentials *credentials = run->instance->credentials;
  int32_t status = run->end.http_status;
  if (code < 0 && (status == 400 || status == 401 || status == 403) &&
      mloom_credentials_correct_clock(credentials, &run->authorized, run->headers.date_wall_ms)) {
    return 1;
  }
  return (code == MLOOM_E_UNAUTHENTICATED || code == MLOOM_E_EXPIRED) &&
         mloom_credentials_refused(credentials, &run->authorized);
}

/* ---- HTTP ---- */

static void keep_header(char *out, size_t out_size, const char *value) {
  size_t size = strnlen(value, out_size - 1);
  size = mloom_text_complete_prefix(value, size);
  memcpy(out, value, size);
  out[size] = '\0';
}

static int32_t on_status(int32_t status, void *userdata) {
  mloom_exchange_run *run = userdata;
  run->end.http_status = status;
  return MLOOM_OK;
}

static int32_t on_header(const char *name, const char *value, void *userdata) {
  mloom_exchange_run *run = userdata;
  mloom_answer_headers *headers = &run->headers;
  if (mloom_text_compare_fold(name, "x-should-retry") == 0) {
    keep_header(headers->should_retry, sizeof(headers->should_retry), value);
  } else if (mloom_text_compare_fold(name, "retry-after-ms") == 0) {
    keep_header(headers->retry_after_ms, sizeof(headers->retry_after_ms), value);
  } else if (mloom_text_compare_fold(name, "retry-after") == 0) {
    keep_header(headers->retry_after, sizeof(headers->retry_after), value);
  } else if (mloom_text_compare_fold(name, "x-request-id") == 0 ||
             (headers->request_id[0] == '\0' && (mloom_text_compare_fold(name, "request-id") == 0 ||
                                                 mloom_text_compare_fold(name, "x-amzn-requestid") == 0 ||
                                                 mloom_text_compare_fold(name, "apim-request-id") == 0 ||
                                                 mloom_text_compare_fold(name, "x-oai-request-id") == 0))) {
    keep_header(headers->request_id, sizeof(headers->request_id), value);
  } else if (mloom_text_compare_fold(name, "location") == 0) {
    keep_header(headers->location, sizeof(headers->location), value);
  } else if (mloom_text_compare_fold(name, "date") == 0) {
    const mloom_clock *clock = run->instance->services->clock;
    int64_t date = mloom_timestamp_parse_http(value, clock->wall_ms(clock));
    headers->date_wall_ms = date < 0 ? 0 : date;
  }
  return run->header == NULL ? MLOOM_OK : run->header(run->end.http_status, name, value, run->userdata, &run->reason);
}

int32_t mloom_exchange_take_body(mloom_exchange_run *run, const char *data, size_t size) {
  run->received += size;
  if (run->received > MLOOM_ANSWER_LIMIT) {
    return mloom_error_set(&run->reason, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROVIDER,
                           "look at what the service sends: an answer is limited to 64 MB",
                           "the answer is larger than %llu MB", (unsigned long long)(MLOOM_ANSWER_LIMIT >> 20));
  }
  return run->body(data, size, run->userdata, &run->reason);
}

static int32_t on_body(const char *data, size_t size, void *userdata) {
  return mloom_exchange_take_body(userdata, data, size);
}

/* The headers of a request as the host knows the struct, those of the settings in place of the plugin's own. */
typedef struct header_list {
  mloom_header *copies;
  const mloom_header **headers;
  size_t count;
} header_list;

static void header_list_free(header_list *list) {
  free(list->copies);
  free(list->headers);
}

static int is_overridden(const mloom_provider_instance *instance, const char *name) {
  for (size_t i = 0; i < instance->extra_header_count; i++) {
    if (mloom_text_compare_fold(instance->extra_headers[i]->name, name) == 0) {
      return 1;
    }
  }
  return 0;
}

static int32_t list_headers(header_list *list, const mloom_exchange_run *run, const mloom_http_request *request,
                            mloom_error *error) {
  const mloom_provider_instance *instance = run->instance;
  size_t count = request->header_count + run->authorized.count + instance->extra_header_count;
  if (request->header_count > 256) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PROVIDER, "report it to the author of the plugin",
                           "provider %s asks for %zu headers", instance->entry->descriptor.id, request->header_count);
  }
  list->copies = calloc(request->header_count + 1, sizeof(*list->copies));
  list->headers = calloc(count + 1, sizeof(*list->headers));
  if (list->copies == NULL || list->headers == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < request->header_count; i++) {
    int32_t code = mloom_abi_import(&list->copies[i], sizeof(list->copies[i]), request->headers[i],
                                    "a header of the exchange", error);
    if (code != MLOOM_OK) {
      return code;
    }
    list->copies[i].size = (uint32_t)sizeof(mloom_header);
    if (list->copies[i].name != NULL && !is_overridden(instance, list->copies[i].name)) {
      list->headers[list->count++] = &list->copies[i];
    }
  }
  for (size_t i = 0; i < run->authorized.count; i++) {
    if (!is_overridden(instance, run->authorized.headers[i]->name)) {
      list->headers[list->count++] = run->authorized.headers[i];
    }
  }
  for (size_t i = 0; i < instance->extra_header_count; i++) {
    list->headers[list->count++] = instance->extra_headers[i];
  }
  return MLOOM_OK;
}

static int32_t authorize(mloom_exchange_run *run, const mloom_http_request *request, mloom_error *error) {
  if (run->exchange->authorization == NULL) {
    return MLOOM_OK;
  }
  mloom_authorization authorization;
  int32_t code = mloom_abi_import(&authorization, sizeof(authorization), run->exchange->authorization,
                                  "the authorization of the exchange", error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_call call;
  mloom_call_init_child(&call, run->call, INT64_MAX);
  call.secure_client = run->instance->secure_client;
  call.plain_client = run->instance->plain_client;
  return mloom_credentials_authorize(run->instance->credentials, &call, &authorization, request, &run->authorized,
                                     error);
}

static int32_t perform_http(mloom_exchange_run *run, mloom_error *error) {
  mloom_http_request request;
  int32_t code = mloom_abi_import(&request, sizeof(request), run->exchange->http, "the request of the exchange", error);
  if (code != MLOOM_OK) {
    return code;
  }
  request.size = (uint32_t)sizeof(request);
  if (request.url == NULL || request.method == NULL) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PROVIDER, "report it to the author of the plugin",
                           "provider %s asks for a request without %s", run->instance->entry->descriptor.id,
                           request.url == NULL ? "URL" : "method");
  }
  code = authorize(run, &request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(header_list_free) header_list list = {NULL, NULL, 0};
  code = list_headers(&list, run, &request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  request.headers = list.headers;
  request.header_count = list.count;
  mloom_http_sink sink = {
      .size = (uint32_t)sizeof(sink), .userdata = run, .status = on_status, .header = on_header, .body = on_body};
  int secure = mloom_text_compare_start_fold(request.url, "https:", 6) == 0;
  mloom_http_client *client = secure ? run->instance->secure_client : run->instance->plain_client;
  mloom_error reason = MLOOM_ERROR_INIT;
  run->end.outcome = mloom_http_perform(client, run->call, &request, &sink, &run->report, &reason);
  if (run->end.outcome != MLOOM_OK && run->reason.message[0] == '\0') {
    mloom_error_copy(&run->reason, &reason);
  }
  if (run->end.http_status == 0) {
    run->end.http_status = run->report.status;
  }
  return MLOOM_OK;
}

int32_t mloom_exchange_check_redirect(const mloom_exchange_run *run, mloom_error *error) {
  int32_t status = run->end.http_status;
  if (status < 300 || status > 399) {
    return MLOOM_OK;
  }
  const char *url = run->exchange->http->url;
  /* A query may hold what nobody should see, and belongs in no setting. */
  char target[sizeof(run->headers.location)];
  memcpy(target, run->headers.location, sizeof(target));
  target[strcspn(target, "?#")] = '\0';
  int absolute = mloom_text_compare_start_fold(target, "http://", 7) == 0 ||
                 mloom_text_compare_start_fold(target, "https://", 8) == 0;
  int carries_user = strchr(target, '@') != NULL;
  const char *base = mloom_settings_string(run->instance->settings, "base_url", NULL);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer remedy = MLOOM_BUFFER_INIT;
  if (target[0] == '\0' || !absolute || carries_user || strlen(target) > 300) {
    (void)mloom_buffer_append_string(&remedy, "set base_url to the address that the service really has");
  } else {
    size_t base_size = base == NULL ? 0 : strlen(base);
    while (base_size > 0 && base[base_size - 1] == '/') {
      base_size--;
    }
    size_t target_size = strlen(target);
    if (base_size > 0 && strncmp(url, base, base_size) == 0) {
      size_t tail = strlen(url) - base_size;
      if (tail < target_size && strcmp(target + target_size - tail, url + base_size) == 0) {
        target_size -= tail;
      }
    }
    (void)mloom_buffer_append_format(&remedy, "set base_url to %.*s if you trust that address", (int)target_size,
                                     target);
  }
  mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_PROVIDER, mloom_buffer_string(&remedy),
                  "%.*s answered HTTP %d, a redirect%s%s; it is not followed, for the credential is meant for the "
                  "first address only",
                  (int)strcspn(url, "?#"), url, (int)status, target[0] == '\0' || carries_user ? "" : " to ",
                  carries_user ? "" : target);
  if (error != NULL) {
    error->http_status = status;
  }
  return MLOOM_E_PROTOCOL;
}

int32_t mloom_exchange_perform(mloom_exchange_run *run, mloom_error *error) {
  run->end.size = (uint32_t)sizeof(run->end);
  if (run->exchange->kind == MLOOM_EXCHANGE_HTTP && run->exchange->http != NULL) {
    return perform_http(run, error);
  }
  if (run->exchange->kind == MLOOM_EXCHANGE_PROCESS && run->exchange->process != NULL) {
    return mloom_exchange_perform_program(run, error);
  }
  return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PROVIDER, "report it to the author of the plugin",
                         "provider %s described no exchange", run->instance->entry->descriptor.id);
}
