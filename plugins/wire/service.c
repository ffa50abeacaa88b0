/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "endpoint.h"
#include "fetch.h"
#include "rate_limit.h"

/* ---- Routes ---- */

void mloom_route_add_header(mloom_route *route, const char *name, const char *value) {
  if (value == NULL || value[0] == '\0' || route->header_count == MLOOM_ROUTE_HEADERS) {
    return;
  }
  mloom_header *header = &route->header_storage[route->header_count];
  *header = (mloom_header){.size = (uint32_t)sizeof(*header), .name = name, .value = value};
  route->headers[route->header_count++] = header;
}

void mloom_route_add_json_headers(mloom_route *route, int stream) {
  mloom_route_add_header(route, "Content-Type", "application/json");
  mloom_route_add_header(route, "Accept", stream ? "text/event-stream, application/json" : "application/json");
}

static void describe(mloom_service *service, const mloom_route *route, mloom_http_request *request,
                     mloom_exchange *out) {
  const mloom_service_type *type = service->type;
  request->size = (uint32_t)sizeof(*request);
  request->method = route->method;
  request->url = route->url;
  request->headers = route->headers;
  request->header_count = route->header_count;
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = request;
  out->authorization =
      type->choose_authorization == NULL ? route->authorization : type->choose_authorization(service, route);
}

/* ---- Instances ---- */

static void name_field(mloom_service *service, const char *field) {
  char upper[48];
  size_t size = strnlen(field, sizeof(upper) - 1);
  for (size_t i = 0; i < size; i++) {
    upper[i] = (char)(field[i] >= 'a' && field[i] <= 'z' ? field[i] - 'a' + 'A' : field[i]);
  }
  upper[size] = '\0';
  snprintf(service->address_field, sizeof(service->address_field), "%s (%s%s)", field,
           service->type->environment_prefix, upper);
  service->names.address_field = service->address_field;
}

int32_t mloom_service_set_base_url(mloom_service *service, const char *field, const char *fallback,
                                   mloom_error *error) {
  const char *url = mloom_provider_settings_text(&service->settings, field, fallback);
  if (url == NULL) {
    char remedy[160];
    name_field(service, field);
    snprintf(remedy, sizeof(remedy), "set %s to the address of the API", service->address_field);
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_SETTINGS, remedy, "%s has no %s",
                           service->type->id, field);
  }
  return mloom_service_set_address(service, field, url, error);
}

int32_t mloom_service_set_address(mloom_service *service, const char *field, const char *url, mloom_error *error) {
  name_field(service, field);
  if (strpbrk(url, "?#") != NULL) {
    char remedy[160];
    snprintf(remedy, sizeof(remedy), "set %s to an address without ? and #", service->address_field);
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, remedy, "%s of %s has a query or fragment",
                           field, service->type->id);
  }
  free(service->base_url);
  free(service->audience);
  service->base_url = mloom_endpoint_join(url, mloom_endpoint_trimmed_size(url), "");
  service->audience = mloom_endpoint_join(url, mloom_endpoint_origin_size(url), "");
  service->names.base_url = service->base_url;
  return service->base_url == NULL || service->audience == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

void mloom_service_strip_base_url(mloom_service *service, const char *end) {
  char *path = service->base_url + mloom_endpoint_origin_size(service->base_url);
  if (mloom_endpoint_ends_with(path, end)) {
    path[strlen(path) - strlen(end)] = '\0';
  }
}

void mloom_service_set_authorization(mloom_service *service, const char *const *sources, uint32_t flags,
                                     const char *header, const char *prefix) {
  service->authorization = (mloom_authorization){.size = (uint32_t)sizeof(mloom_authorization),
                                                 .flags = flags,
                                                 .sources = sources,
                                                 .audience = service->audience,
                                                 .header = header,
                                                 .prefix = prefix};
}

int32_t mloom_service_set_url(const mloom_service *service, mloom_route *route, const char *path, mloom_error *error) {
  free(route->url);
  route->url = mloom_endpoint_join(service->base_url, strlen(service->base_url), path);
  return route->url == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

void mloom_service_close(void *instance) {
  mloom_service *service = instance;
  if (service->type->release != NULL) {
    service->type->release(service);
  }
  free(service->base_url);
  free(service->audience);
  free(service->probe.url);
  free(service->next_page);
  free(service);
}

int32_t mloom_service_open(const mloom_service_type *type, const mloom_open_args *args, void **out_instance,
                           mloom_error *error) {
  mloom_service *service = calloc(1, type->size);
  if (service == NULL) {
    return mloom_error_memory(error);
  }
  service->type = type;
  service->settings = (mloom_provider_settings){args->host, args->settings};
  service->default_model = mloom_provider_settings_text(&service->settings, "model", "");
  service->names.environment_prefix = type->environment_prefix;
  service->probe.method = "GET";
  service->probe.authorization = &service->authorization;
  int32_t status = type->configure(service, error);
  if (status != MLOOM_OK) {
    mloom_service_close(service);
    return status;
  }
  service->names.models_url = service->probe.url;
  *out_instance = service;
  return MLOOM_OK;
}

/* ---- Checks and probes ---- */

int32_t mloom_service_set_remedy(mloom_error *error, int32_t code, const char *format, ...) {
  if (error != NULL) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->remedy, sizeof(error->remedy), format, arguments);
    va_end(arguments);
    error->code = code;
  }
  return code;
}

void mloom_service_report_settings(const mloom_service *service, const mloom_probe_sink *sink, uint32_t state,
                                   const char *reason, const char *remedy) {
  char text[384];
  const char *place = strstr(remedy, "%s");
  mloom_service_words words = mloom_service_words_of(&service->names);
  if (place == NULL) {
    snprintf(text, sizeof(text), "%s", remedy);
  } else {
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(place - remedy), remedy, words.address, place + 2);
  }
  sink->check("settings", state, reason, text, sink->userdata);
}

void mloom_service_report_plausible(const mloom_service *service, const mloom_probe_sink *sink) {
  char reason[96];
  const char *field = service->address_field;
  snprintf(reason, sizeof(reason), "%.*s and options are plausible", (int)strcspn(field, " "), field);
  sink->check("settings", MLOOM_CHECK_PASS, reason, "", sink->userdata);
}

int mloom_service_check_encryption(const mloom_service *service, const mloom_probe_sink *sink) {
  if (!mloom_endpoint_is_unencrypted(service->base_url)) {
    return 0;
  }
  mloom_service_report_settings(service, sink, MLOOM_CHECK_WARN,
                                "the credential goes over the network unencrypted: the address is http",
                                "use an https address in %s");
  return 1;
}

int mloom_service_check_thinking(const mloom_service *service, const mloom_probe_sink *sink, const char *thinking,
                                 uint64_t budget, uint64_t limit) {
  const char *prefix = service->type->environment_prefix;
  char remedy[200];
  if (thinking == NULL || strcmp(thinking, "enabled") != 0 || limit == 0 || budget < limit) {
    return 0;
  }
  snprintf(remedy, sizeof(remedy),
           "lower thinking_budget (%sTHINKING_BUDGET) or raise max_output_tokens (%sMAX_OUTPUT_TOKENS)", prefix,
           prefix);
  mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, "thinking_budget is not less than max_output_tokens",
                                remedy);
  return 1;
}

int mloom_service_check_path(const mloom_service *service, const mloom_probe_sink *sink) {
  if (service->base_url[mloom_endpoint_origin_size(service->base_url)] != '\0') {
    return 0;
  }
  mloom_service_report_settings(service, sink, MLOOM_CHECK_WARN,
                                "base_url has no path, but most servers have their API below /v1",
                                "if the service is not reached, append /v1 to %s");
  return 1;
}

int32_t mloom_service_probe(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error) {
  mloom_service *service = instance;
  int next = (out->flags & MLOOM_EXCHANGE_NEXT) != 0;
  if ((kind != MLOOM_PROBE_REACH && kind != MLOOM_PROBE_MODELS) || service->probe.url == NULL ||
      (next && service->next_page == NULL)) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, NULL, "no such probe");
  }
  if (kind == MLOOM_PROBE_MODELS && service->has_no_model_list) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER,
                           "nothing has to be done: the model is tried when a job uses it",
                           "the service keeps no list of models at %s", service->base_url);
  }
  describe(service, &service->probe, &service->probe_request, out);
  if (next) {
    service->probe_request.url = service->next_page;
  } else if (kind == MLOOM_PROBE_MODELS) {
    free(service->next_page);
    service->next_page = NULL;
  }
  return MLOOM_OK;
}

/* A credential goes with the request, so that a service cannot send it to another place. */
static int is_below(const char *url, const char *base_url) {
  size_t size = strlen(base_url);
  return strncmp(url, base_url, size) == 0 && url[size] == '/';
}

/* Prepares the question for what follows page. Returns MLOOM_MORE when there is one. */
static int32_t turn_page(mloom_service *service, const mloom_model_page *page, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  const char *member = service->type->page_member;
  if (!page->has_more || page->token[0] == '\0' || (member == NULL && !is_below(page->token, service->base_url))) {
    return MLOOM_OK;
  }
  int32_t status;
  if (member == NULL) {
    status = mloom_buffer_append_string(&url, page->token);
  } else {
    status = mloom_buffer_append_format(&url, "%s%c%s=", service->probe.url,
                                        strchr(service->probe.url, '?') == NULL ? '?' : '&', member);
    status = status == MLOOM_OK ? mloom_fetch_append_encoded(&url, mloom_text_bytes(page->token)) : status;
  }
  if (status != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (service->next_page != NULL && strcmp(service->next_page, mloom_buffer_string(&url)) == 0) {
    return MLOOM_OK; /* the service does not get on */
  }
  free(service->next_page);
  service->next_page = mloom_buffer_take(&url);
  return MLOOM_MORE;
}

int32_t mloom_service_probe_result(void *instance, uint32_t kind, int32_t http_status, const char *body,
                                   size_t body_size, const mloom_probe_sink *sink, mloom_error *error) {
  mloom_service *service = instance;
  const mloom_service_type *type = service->type;
  mloom_service_names names = service->names;
  names.model = service->default_model;
  int good = http_status >= 200 && http_status <= 299;
  mloom_model_page page = {0};
  int (*read_models)(const char *, size_t, const mloom_probe_sink *, mloom_model_page *) =
      type->read_models == NULL ? mloom_model_list_read_page : type->read_models;
  if (good && read_models(body, body_size, sink, &page)) {
    return kind == MLOOM_PROBE_REACH ? MLOOM_OK : turn_page(service, &page, error);
  }
  mloom_service_error failure;
  mloom_service_error_read_body(&failure, body, body_size);
  if (good ? !failure.html : http_status == 404 || http_status == 405 || http_status == 501) {
    if (kind == MLOOM_PROBE_REACH) {
      return MLOOM_OK; /* it answers; that it keeps no list of models is its right */
    }
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER,
                           "nothing has to be done: the model is tried when a job uses it",
                           "the service has no list of models (HTTP %d of %s)", (int)http_status, service->probe.url);
  }
  int32_t code = service->probe.dialect->report(body, body_size, http_status, &names, error);
  return type->explain == NULL ? code : type->explain(service, service->default_model, code, error);
}

/* ---- Sessions ---- */

typedef struct session {
  mloom_service *service;
  mloom_route route;
  void *state; /* of the dialect */
  char *model;
  uint64_t turn;
  mloom_http_request request;
  mloom_rate_limits limits; /* of the answer that is coming */
} session;

void mloom_service_session_free(void *session_pointer) {
  session *self = session_pointer;
  if (self->state != NULL) {
    self->route.dialect->end(self->state);
    free(self->state);
  }
  free(self->route.url);
  free(self->model);
  free(self);
}

static int32_t begin(session *self, const mloom_session_args *args, mloom_error *error) {
  mloom_service *service = self->service;
  mloom_session_args effective = *args;
  if (effective.model == NULL || effective.model[0] == '\0') {
    effective.model = service->default_model;
  }
  self->model = strdup(effective.model);
  if (self->model == NULL) {
    return mloom_error_memory(error);
  }
  self->route.method = "POST";
  self->route.authorization = &service->authorization;
  int32_t status = service->type->set_route(service, &effective, &self->route, error);
  if (status != MLOOM_OK) {
    return status;
  }
  self->state = calloc(1, self->route.dialect->state_size);
  if (self->state == NULL || self->route.dialect->begin(self->state, self->route.options, &effective) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

int32_t mloom_service_session_new(void *instance, const mloom_session_args *args, void **out_session,
                                  mloom_error *error) {
  session *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->service = instance;
  int32_t status = begin(self, args, error);
  if (status != MLOOM_OK) {
    mloom_service_session_free(self);
    return status;
  }
  *out_session = self;
  return MLOOM_OK;
}

int32_t mloom_service_append(void *session_pointer, const mloom_message *message, mloom_error *error) {
  session *self = session_pointer;
  int32_t status = self->route.dialect->append(self->state, message);
  if (status == MLOOM_OK || status == MLOOM_E_MEMORY) {
    return status == MLOOM_OK ? status : mloom_error_memory(error);
  }
  return mloom_error_set(error, status, MLOOM_DOMAIN_PROVIDER, NULL, "%s has no such message role",
                         self->service->type->id);
}

int32_t mloom_service_prepare(void *session_pointer, const mloom_turn_args *args, mloom_exchange *out,
                              mloom_error *error) {
  session *self = session_pointer;
  self->turn = args->turn;
  self->limits.count = 0;
  if (self->route.dialect->prepare(self->state, &self->request.body, &self->request.body_count) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  describe(self->service, &self->route, &self->request, out);
  return MLOOM_OK;
}

int32_t mloom_service_header(void *session_pointer, int32_t http_status, const char *name, const char *value,
                             mloom_error *error) {
  (void)http_status;
  (void)error;
  session *self = session_pointer;
  mloom_rate_limits_take(&self->limits, name, value);
  if (self->route.dialect->header != NULL) {
    self->route.dialect->header(self->state, name, value);
  }
  return MLOOM_OK;
}

int32_t mloom_service_feed(void *session_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                           mloom_error *error) {
  session *self = session_pointer;
  if (self->limits.count > 0 && mloom_rate_limits_emit(&self->limits, sink) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return self->route.dialect->feed(self->state, data, size, sink, error);
}

int32_t mloom_service_finish(void *session_pointer, const mloom_exchange_end *end, const mloom_event_sink *sink,
                             mloom_turn_result *out, mloom_error *error) {
  session *self = session_pointer;
  const mloom_service_type *type = self->service->type;
  mloom_service_names names = self->service->names;
  names.model = self->model;
  int32_t code = self->route.dialect->finish(self->state, end, self->turn, &names, sink, out, error);
  return code < 0 && type->explain != NULL ? type->explain(self->service, self->model, code, error) : code;
}

const mloom_plugin *mloom_service_plugin(const mloom_plugin *plugin, const mloom_host *host, char *error_text,
                                         size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, setting_get) || host->setting_get == NULL) {
    snprintf(error_text, error_size, "the host gives no settings");
    return NULL;
  }
  return plugin;
}
