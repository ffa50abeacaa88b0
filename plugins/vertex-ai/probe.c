/* SPDX-License-Identifier: Apache-2.0
 *
 * What costs nothing and yet shows whether a model can be used: counting the tokens of a word. The service's list of
 * models names those of all locations and does not say which of them the project has.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "vertex_ai.h"
#include "wire/body.h"
#include "wire/endpoint.h"
#include "wire/fetch.h"

#define WORD "ping"
#define PAGE_TOKEN_LIMIT 2048u

/* ---- Asking ---- */

static int32_t prepare_list(vertex_instance *self, mloom_error *error) {
  mloom_service *service = &self->service;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  size_t size = strlen(service->base_url);
  /* The list is at another version than the models. */
  size_t root = mloom_endpoint_ends_with(service->base_url, "/v1beta1") ? size - 8
                : mloom_endpoint_ends_with(service->base_url, "/v1")    ? size - 3
                                                                        : size;
  if (mloom_buffer_append(&path, service->base_url, root) != MLOOM_OK ||
      mloom_buffer_append_format(&path, "/v1beta1/publishers/%s/models?pageSize=300", self->place.publisher) !=
          MLOOM_OK) {
    return mloom_error_memory(error);
  }
  service->probe.dialect = mloom_gemini_dialect();
  mloom_route_add_header(&service->probe, "Accept", "application/json");
  service->probe.url = mloom_buffer_take(&path);
  return service->probe.url == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static int32_t write_body(vertex_instance *self, const char *model) {
  mloom_buffer *out = &self->reach_body;
  int32_t status = MLOOM_OK;
  if (self->reach_dialect == VERTEX_GEMINI) {
    mloom_body_add(&status, out, "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"" WORD "\"}]}]}");
    return status;
  }
  const char *slash = strrchr(model, '/');
  mloom_body_add(&status, out, "{");
  mloom_body_add_string(&status, out, "anthropic_version", mloom_text_bytes(self->claude.anthropic_version));
  mloom_body_add_string(&status, out, "model", mloom_text_bytes(slash == NULL ? model : slash + 1));
  mloom_body_add(&status, out, ",\"messages\":[{\"role\":\"user\",\"content\":\"" WORD "\"}]}");
  return status;
}

/* Claude's tokens are counted at an address of their own, whose body names the model. */
static int32_t replace_model(vertex_model *model, char **out_name, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer resource = MLOOM_BUFFER_INIT;
  char *name = strstr(model->resource, "models/");
  if (name == NULL) {
    *out_name = NULL;
    return MLOOM_OK;
  }
  name += strlen("models/");
  *out_name = mloom_text_dup(mloom_text_bytes(name));
  if (*out_name == NULL ||
      mloom_buffer_append(&resource, model->resource, (size_t)(name - model->resource)) != MLOOM_OK ||
      mloom_buffer_append_string(&resource, "count-tokens") != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  vertex_model_free(model);
  model->resource = mloom_buffer_take(&resource);
  return model->resource == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static int32_t prepare_count(vertex_instance *self, vertex_model *model, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_free) char *name = NULL;
  int32_t status = MLOOM_OK;
  self->reach_dialect = model->dialect;
  if (model->dialect == VERTEX_CHAT) {
    return MLOOM_OK; /* has nothing of the kind */
  }
  if (model->dialect == VERTEX_CLAUDE) {
    status = replace_model(model, &name, error);
    if (status != MLOOM_OK || name == NULL) {
      return status;
    }
  }
  self->reach.method = "POST";
  self->reach.authorization = &self->service.authorization;
  mloom_route_add_json_headers(&self->reach, 0);
  if (write_body(self, name == NULL ? "" : name) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  self->reach_segment = (mloom_bytes){self->reach_body.data, self->reach_body.size};
  return vertex_set_route(self, model, model->dialect == VERTEX_CLAUDE ? ":rawPredict" : ":countTokens", &self->reach,
                          error);
}

int32_t vertex_prepare_probes(vertex_instance *self, mloom_error *error) {
  vertex_model model = {0};
  int32_t status = prepare_list(self, error);
  if (status == MLOOM_OK && (self->service.default_model[0] != '\0' || self->place.resource != NULL)) {
    status = vertex_model_find(&model, &self->place, self->service.default_model, error);
    status = status == MLOOM_OK ? prepare_count(self, &model, error) : status;
    vertex_model_free(&model);
  }
  return status;
}

static int32_t probe_page(vertex_instance *self, mloom_exchange *out, mloom_error *error) {
  const mloom_route *list = &self->service.probe;
  mloom_buffer_clear(&self->page_url);
  if (mloom_buffer_append_format(&self->page_url, "%s&pageToken=", list->url) != MLOOM_OK ||
      mloom_fetch_append_encoded(&self->page_url, mloom_body_bytes(&self->page_token)) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  self->page_request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                            .method = list->method,
                                            .url = self->page_url.data,
                                            .headers = list->headers,
                                            .header_count = list->header_count};
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->page_request;
  out->authorization = list->authorization;
  return MLOOM_OK;
}

static int32_t probe_list(vertex_instance *self, mloom_exchange *out, mloom_error *error) {
  if (self->model_is_missing) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, NULL,
                           "the list of models says nothing of what location %s has", self->names.location);
  }
  if ((out->flags & MLOOM_EXCHANGE_NEXT) != 0 && self->page_token.size > 0) {
    return probe_page(self, out, error);
  }
  self->model_is_listed = 0;
  return mloom_service_probe(self, MLOOM_PROBE_MODELS, out, error);
}

int32_t vertex_probe(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error) {
  vertex_instance *self = instance;
  if (kind == MLOOM_PROBE_MODELS) {
    return probe_list(self, out, error);
  }
  if (kind != MLOOM_PROBE_REACH || self->reach.url == NULL) {
    return mloom_service_probe(instance, kind, out, error);
  }
  self->reach_request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                             .method = self->reach.method,
                                             .url = self->reach.url,
                                             .headers = self->reach.headers,
                                             .header_count = self->reach.header_count,
                                             .body = &self->reach_segment,
                                             .body_count = 1};
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->reach_request;
  out->authorization = self->reach.authorization;
  return MLOOM_OK;
}

/* ---- Reading ---- */

static int32_t read_count(vertex_instance *self, int32_t http_status, const char *body, size_t size,
                          const mloom_probe_sink *sink, mloom_error *error) {
  mloom_service_names names = self->service.names;
  mloom_error reason = MLOOM_ERROR_INIT;
  names.model = self->service.default_model;
  self->model_is_proven = http_status >= 200 && http_status <= 299 && size > 0 && body[0] != '<';
  self->model_is_missing = 0;
  if (self->model_is_proven) {
    return MLOOM_OK;
  }
  int32_t code = self->reach.dialect->report(body, size, http_status, &names, &reason);
  if (code == MLOOM_E_NOT_FOUND || code == MLOOM_E_INVALID) {
    mloom_google_failure failure;
    mloom_google_failure_read(&failure, body, size);
    /* Gateways, and some locations for Claude, count no tokens. */
    if (failure.is_google && code == MLOOM_E_NOT_FOUND && sink->check != NULL) {
      self->model_is_missing = self->reach_dialect == VERTEX_GEMINI;
      sink->check("model", self->model_is_missing ? MLOOM_CHECK_FAIL : MLOOM_CHECK_WARN, reason.message, reason.remedy,
                  sink->userdata);
    }
    return failure.error.html
               ? mloom_service_probe_result(self, MLOOM_PROBE_REACH, http_status, body, size, sink, error)
               : MLOOM_OK;
  }
  mloom_error_copy(error, &reason);
  return code;
}

/* Looks for the default model among those that go by. */
typedef struct model_search {
  const mloom_probe_sink *sink;
  const char *model;
  int found;
} model_search;

static void pass_check(const char *check, uint32_t state, const char *reason, const char *remedy, void *userdata) {
  model_search *search = userdata;
  if (search->sink->check != NULL) {
    search->sink->check(check, state, reason, remedy, search->sink->userdata);
  }
}

static void pass_model(const char *id, const char *title, uint64_t context_tokens, void *userdata) {
  model_search *search = userdata;
  search->found |= strcmp(id, search->model) == 0;
  if (search->sink->model != NULL) {
    search->sink->model(id, title, context_tokens, search->sink->userdata);
  }
}

static void read_page_token(vertex_instance *self, const char *body, size_t size) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_buffer_clear(&self->page_token);
  mloom_json_reader_init(&reader, body, size);
  if (!mloom_json_reader_object(&reader)) {
    return;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "nextPageToken")) {
      mloom_buffer_clear(&self->page_token);
      mloom_json_reader_append_string(&reader, &self->page_token);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  if (mloom_json_reader_end(&reader) != MLOOM_OK || self->page_token.size > PAGE_TOKEN_LIMIT) {
    mloom_buffer_clear(&self->page_token);
  }
}

int32_t vertex_probe_result(void *instance, uint32_t kind, int32_t http_status, const char *body, size_t body_size,
                            const mloom_probe_sink *sink, mloom_error *error) {
  vertex_instance *self = instance;
  if (kind == MLOOM_PROBE_REACH && self->reach.url != NULL) {
    return read_count(self, http_status, body, body_size, sink, error);
  }
  model_search search = {sink, self->service.default_model, 0};
  mloom_probe_sink searching = {
      .size = (uint32_t)sizeof(searching), .userdata = &search, .check = pass_check, .model = pass_model};
  int32_t code = mloom_service_probe_result(instance, kind, http_status, body, body_size, &searching, error);
  if (kind != MLOOM_PROBE_MODELS) {
    return code;
  }
  self->model_is_listed |= search.found;
  read_page_token(self, body, code == MLOOM_OK ? body_size : 0);
  if (self->page_token.size > 0) {
    return MLOOM_MORE;
  }
  if (!self->model_is_proven || search.model[0] == '\0') {
    return code;
  }
  /* An identity that may use a model need not be allowed to read the list, nor the list be whole. */
  if (!self->model_is_listed && sink->model != NULL) {
    sink->model(search.model, search.model, 0, sink->userdata);
  }
  return MLOOM_OK;
}

static void report_model(mloom_json_reader *reader, const mloom_probe_sink *sink) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer name = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer version = MLOOM_BUFFER_INIT;
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "name") || mloom_text_equal(key, "versionId")) {
      mloom_buffer *out = mloom_text_equal(key, "name") ? &name : &version;
      mloom_buffer_clear(out);
      mloom_json_reader_append_string(reader, out);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  const char *slash = strrchr(mloom_buffer_string(&name), '/');
  const char *id = slash == NULL ? mloom_buffer_string(&name) : slash + 1;
  char dated[256];
  if (id[0] == '\0' || sink->model == NULL || strlen(id) > 200 || !mloom_text_is_utf8(id, strlen(id))) {
    return;
  }
  sink->model(id, id, 0, sink->userdata);
  if (version.size == 8 && strspn(version.data, "0123456789") == 8) {
    snprintf(dated, sizeof(dated), "%s@%s", id, version.data); /* how Claude's versions are asked for */
    sink->model(dated, dated, 0, sink->userdata);
  }
}

/* {"publisherModels":[{"name":"publishers/P/models/M","versionId":...}]} */
int vertex_read_models(const char *body, size_t size, const mloom_probe_sink *sink, mloom_model_page *page) {
  (void)page; /* this instance keeps the token itself */
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, body, size);
  if (!mloom_json_reader_object(&reader)) {
    return 0;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "publisherModels") && mloom_json_reader_peek(&reader) == MLOOM_JSON_ARRAY) {
      mloom_json_reader_array(&reader);
      while (mloom_json_reader_element(&reader)) {
        report_model(&reader, sink);
      }
      return 1;
    }
    mloom_json_reader_skip(&reader);
  }
  return 0;
}
