/* SPDX-License-Identifier: Apache-2.0
 *
 * Performs what a plugin described: one HTTP request or one program.
 */
#include "provider/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "plugin/abi.h"
#include "process/process.h"

#define ERROR_OUTPUT_LIMIT 4096u
#define PROCESS_CEILING 1024u

void mloom_exchange_run_free(mloom_exchange_run *run) {
  mloom_authorized_headers_free(&run->authorized);
  mloom_buffer_free(&run->error_output);
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
  if (strcasecmp(name, "x-should-retry") == 0) {
    keep_header(headers->should_retry, sizeof(headers->should_retry), value);
  } else if (strcasecmp(name, "retry-after-ms") == 0) {
    keep_header(headers->retry_after_ms, sizeof(headers->retry_after_ms), value);
  } else if (strcasecmp(name, "retry-after") == 0) {
    keep_header(headers->retry_after, sizeof(headers->retry_after), value);
  } else if (strcasecmp(name, "x-request-id") == 0 ||
             (headers->request_id[0] == '\0' &&
              (strcasecmp(name, "request-id") == 0 || strcasecmp(name, "x-amzn-requestid") == 0 ||
               strcasecmp(name, "apim-request-id") == 0 || strcasecmp(name, "x-oai-request-id") == 0))) {
    keep_header(headers->request_id, sizeof(headers->request_id), value);
  } else if (strcasecmp(name, "location") == 0) {
    keep_header(headers->location, sizeof(headers->location), value);
  }
  return run->header == NULL ? MLOOM_OK : run->header(run->end.http_status, name, value, run->userdata, &run->reason);
}

static int32_t on_body(const char *data, size_t size, void *userdata) {
  mloom_exchange_run *run = userdata;
  run->received += size;
  if (run->received > MLOOM_ANSWER_LIMIT) {
    return mloom_error_set(&run->reason, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROVIDER,
                           "look at what the service sends: an answer is limited to 64 MB",
                           "the answer is larger than %llu MB", (unsigned long long)(MLOOM_ANSWER_LIMIT >> 20));
  }
  return run->body(data, size, run->userdata, &run->reason);
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
    if (strcasecmp(instance->extra_headers[i]->name, name) == 0) {
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
  int secure = strncasecmp(request.url, "https:", 6) == 0;
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
  int absolute = strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0;
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

/* ---- Programs ---- */

static int32_t on_error_output(const char *data, size_t size, void *userdata) {
  mloom_exchange_run *run = userdata;
  if (size > ERROR_OUTPUT_LIMIT) {
    data += size - ERROR_OUTPUT_LIMIT;
    size = ERROR_OUTPUT_LIMIT;
  }
  if (mloom_buffer_append(&run->error_output, data, size) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  if (run->error_output.size > ERROR_OUTPUT_LIMIT) {
    mloom_buffer_consume(&run->error_output, run->error_output.size - ERROR_OUTPUT_LIMIT);
  }
  return MLOOM_OK;
}

static int has_variable(const char *const *list, const char *assignment) {
  size_t size = strcspn(assignment, "=") + 1;
  for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
    if (strncasecmp(list[i], assignment, size) == 0) {
      return 1;
    }
  }
  return 0;
}

/* The plugin's environment and the proxy variables that it says nothing of. The array is the caller's. */
static const char **program_environment(const char *const *own, const char *const *outer) {
  static const char *const names[] = {"http_proxy=", "https_proxy=", "all_proxy=", "no_proxy="};
  size_t count = 0;
  size_t outer_count = 0;
  while (own != NULL && own[count] != NULL) {
    count++;
  }
  while (outer != NULL && outer[outer_count] != NULL) {
    outer_count++;
  }
  const char **list = calloc(count + outer_count + 1, sizeof(*list));
  for (size_t i = 0; list != NULL && i < count; i++) {
    list[i] = own[i];
  }
  for (size_t i = 0; list != NULL && i < outer_count; i++) {
    for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
      if (strncasecmp(outer[i], names[j], strlen(names[j])) == 0 && !has_variable(own, outer[i])) {
        list[count++] = outer[i];
      }
    }
  }
  return list;
}

/* The last line of a program's stderr, for the error's message. */
static void last_line(const mloom_buffer *output, mloom_buffer *out) {
  mloom_bytes text = mloom_text_trim((mloom_bytes){mloom_buffer_string(output), output->size});
  size_t start = text.size;
  while (start > 0 && text.data[start - 1] != '\n') {
    start--;
  }
  size_t size = text.size - start > 300 ? 300 : text.size - start;
  (void)mloom_text_append_printable(out, text.data + start, size, 0);
}

static void judge_program(mloom_exchange_run *run, const mloom_process_report *report, const char *program) {
  run->end.exit_code = report->exit_code;
  run->end.signal = report->signal;
  if (report->ended == MLOOM_PROCESS_TIMED_OUT || report->ended == MLOOM_PROCESS_IDLE) {
    run->end.outcome = mloom_error_set(
        &run->reason, MLOOM_E_TIMEOUT, MLOOM_DOMAIN_PROVIDER,
        "raise the provider's time-outs, or look why the program does not get on", "%s was ended: %s", program,
        report->ended == MLOOM_PROCESS_IDLE ? "it was silent for too long" : "it ran for too long");
  } else if (report->ended == MLOOM_PROCESS_OUTPUT_LIMIT || report->ended == MLOOM_PROCESS_TOO_MANY) {
    run->end.outcome = mloom_error_set(&run->reason, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROVIDER,
                                       "look at what the program does", "%s was ended: it passed a limit", program);
  } else if (report->ended == MLOOM_PROCESS_SIGNALLED || report->exit_code != 0) {
    /* Not an outcome of the exchange: the plugin judges the exit status. Kept in case it has nothing to say. */
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    last_line(&run->error_output, &line);
    mloom_error_set(&run->reason, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_PROVIDER,
                    "run the program by hand with the same settings", "%s ended with %s %d%s%s", program,
                    report->ended == MLOOM_PROCESS_SIGNALLED ? "signal" : "status",
                    (int)(report->ended == MLOOM_PROCESS_SIGNALLED ? report->signal : report->exit_code),
                    line.size == 0 ? "" : ": ", mloom_buffer_string(&line));
  }
}

static int32_t perform_process(mloom_exchange_run *run, mloom_error *error) {
  mloom_process_request request;
  int32_t code =
      mloom_abi_import(&request, sizeof(request), run->exchange->process, "the program of the exchange", error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (request.argv == NULL || request.argv[0] == NULL) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PROVIDER, "report it to the author of the plugin",
                           "provider %s asks for a program without a name", run->instance->entry->descriptor.id);
  }
  MLOOM_AUTO(mloom_auto_free)
  const char **environment = program_environment(request.environment, run->instance->services->environment);
  if (environment == NULL) {
    return mloom_error_memory(error);
  }
  mloom_process_plan plan = {.supervise_path = run->instance->services->supervise_path,
                             .argv = request.argv,
                             .environment = environment,
                             .working_directory = request.working_directory,
                             .input = request.input,
                             .limits = {.total_timeout_ms = request.total_timeout_ms,
                                        .idle_timeout_ms = request.idle_timeout_ms,
                                        .grace_ms = 1000,
                                        .output_bytes = MLOOM_ANSWER_LIMIT,
                                        .processes = PROCESS_CEILING}};
  mloom_process_sink sink = {
      .size = (uint32_t)sizeof(sink), .userdata = run, .output = on_body, .error_output = on_error_output};
  mloom_process_report report;
  memset(&report, 0, sizeof(report));
  mloom_error reason = MLOOM_ERROR_INIT;
  run->end.outcome = mloom_process_run(run->call, &plan, &sink, &report, &reason);
  if (run->end.outcome == MLOOM_OK) {
    judge_program(run, &report, request.argv[0]);
  } else if (run->reason.message[0] == '\0') {
    mloom_error_copy(&run->reason, &reason);
  }
  return MLOOM_OK;
}

int32_t mloom_exchange_perform(mloom_exchange_run *run, mloom_error *error) {
  run->end.size = (uint32_t)sizeof(run->end);
  if (run->exchange->kind == MLOOM_EXCHANGE_HTTP && run->exchange->http != NULL) {
    return perform_http(run, error);
  }
  if (run->exchange->kind == MLOOM_EXCHANGE_PROCESS && run->exchange->process != NULL) {
    return perform_process(run, error);
  }
  return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PROVIDER, "report it to the author of the plugin",
                         "provider %s described no exchange", run->instance->entry->descriptor.id);
}
