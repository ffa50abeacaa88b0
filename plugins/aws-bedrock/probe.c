/* SPDX-License-Identifier: Apache-2.0
 *
 * What costs nothing. An empty request to the very operation that jobs use is refused as invalid only after address,
 * credentials, permission and model were found good. The lists of models and inference profiles are the control
 * plane's, which identities that only call models may not ask.
 */
#include <stdlib.h>
#include <string.h>

#include "aws_bedrock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

/* ---- Asking ---- */

static int32_t describe(bedrock_instance *self, const char *method, mloom_buffer *url,
                        const mloom_authorization *authorization, mloom_exchange *out, mloom_error *error) {
  free(self->probe_url);
  self->probe_url = mloom_buffer_take(url);
  if (self->probe_url == NULL) {
    return mloom_error_memory(error);
  }
  self->probe_request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                             .method = method,
                                             .url = self->probe_url,
                                             .headers = self->probe_route.headers,
                                             .header_count = self->probe_route.header_count};
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->probe_request;
  out->authorization = authorization;
  return MLOOM_OK;
}

static int32_t probe_reach(bedrock_instance *self, mloom_exchange *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  const mloom_service *service = &self->service;
  int32_t code = mloom_buffer_append_string(&url, service->base_url);
  code = code == MLOOM_OK ? bedrock_append_path(self, &url, service->default_model) : code;
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  memset(&self->probe_route, 0, sizeof(self->probe_route));
  mloom_route_add_header(&self->probe_route, "Content-Type", "application/json");
  mloom_route_add_header(&self->probe_route, "anthropic-version",
                         self->api == BEDROCK_MANTLE ? self->anthropic_version : NULL);
  code = describe(self, "POST", &url, &service->authorization, out, error);
  self->probe_body = mloom_text_bytes("{}");
  self->probe_request.body = &self->probe_body;
  self->probe_request.body_count = 1;
  return code;
}

static int32_t probe_list(bedrock_instance *self, mloom_exchange *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_string(&url, self->list_address);
  if (self->list == BEDROCK_LIST_MODELS) {
    code = code == MLOOM_OK ? mloom_buffer_append_string(&url, "/foundation-models?byOutputModality=TEXT") : code;
  } else {
    code = code == MLOOM_OK ? mloom_buffer_append_string(&url, "/inference-profiles?maxResults=1000") : code;
    if (code == MLOOM_OK && self->next_token.size > 0) {
      code = mloom_buffer_append_format(&url, "&nextToken=%s", self->next_token.data);
    }
    code = code == MLOOM_OK
               ? mloom_buffer_append_format(
                     &url, "&type=%s", self->list == BEDROCK_LIST_SYSTEM_PROFILES ? "SYSTEM_DEFINED" : "APPLICATION")
               : code;
  }
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  memset(&self->probe_route, 0, sizeof(self->probe_route));
  mloom_route_add_header(&self->probe_route, "Accept", "application/json");
  return describe(self, "GET", &url, &self->list_authorization, out, error);
}

static int32_t has_no_list(const char *why, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER,
                         "nothing has to be done: the model is tried when a job uses it", "%s", why);
}

int32_t bedrock_probe(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error) {
  bedrock_instance *self = instance;
  const char *model = self->service.default_model;
  if (kind == MLOOM_PROBE_REACH && model[0] != '\0') {
    return probe_reach(self, out, error);
  }
  if (kind != MLOOM_PROBE_REACH && kind != MLOOM_PROBE_MODELS) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, NULL, "no such probe");
  }
  if (self->list_address == NULL) {
    return has_no_list("endpoint_url does not tell where the list of models is", error);
  }
  if (kind == MLOOM_PROBE_MODELS && (self->api == BEDROCK_MANTLE || strncmp(model, "arn:", 4) == 0)) {
    return has_no_list(self->api == BEDROCK_MANTLE ? "mantle keeps a list of its own" : "no list has every ARN", error);
  }
  if ((out->flags & MLOOM_EXCHANGE_NEXT) == 0) {
    self->list = BEDROCK_LIST_MODELS;
    mloom_buffer_clear(&self->next_token);
  }
  return probe_list(self, out, error);
}

/* ---- Reading ---- */

/* What one entry of a list says of itself. */
typedef struct entry {
  mloom_buffer id;
  mloom_buffer arn;
  mloom_buffer title;
  int is_on_demand;
  int has_types;
} entry;

static void entry_free(entry *read) {
  mloom_buffer_free(&read->id);
  mloom_buffer_free(&read->arn);
  mloom_buffer_free(&read->title);
}

static void read_types(mloom_json_reader *reader, entry *out) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_bytes text = {NULL, 0};
  if (!mloom_json_reader_array(reader)) {
    return;
  }
  out->has_types = 1;
  while (mloom_json_reader_element(reader)) {
    mloom_json_reader_string(reader, &scratch, &text);
    out->is_on_demand |= mloom_text_equal(text, "ON_DEMAND") || mloom_text_equal(text, "PROVISIONED");
  }
}

static int is_clean(const mloom_buffer *text) {
  return text->size > 0 && text->size <= 512 && memchr(text->data, '\0', text->size) == NULL &&
         mloom_text_is_utf8(text->data, text->size);
}

/* An id that is served through a profile alone would be refused: it is not listed, so that the profile's is found. */
static void read_entry(mloom_json_reader *reader, const mloom_probe_sink *sink) {
  MLOOM_AUTO(entry_free) entry read = {.id = MLOOM_BUFFER_INIT};
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    mloom_buffer *text = mloom_text_equal(key, "modelId") || mloom_text_equal(key, "inferenceProfileId")     ? &read.id
                         : mloom_text_equal(key, "modelArn") || mloom_text_equal(key, "inferenceProfileArn") ? &read.arn
                         : mloom_text_equal(key, "modelName") || mloom_text_equal(key, "inferenceProfileName")
                             ? &read.title
                             : NULL;
    if (text != NULL) {
      mloom_buffer_clear(text);
      mloom_json_reader_append_string(reader, text);
    } else if (mloom_text_equal(key, "inferenceTypesSupported")) {
      read_types(reader, &read);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  if (sink->model == NULL || (read.has_types && !read.is_on_demand)) {
    return;
  }
  const char *title = is_clean(&read.title) ? read.title.data : mloom_buffer_string(&read.id);
  if (is_clean(&read.id)) {
    sink->model(read.id.data, title, 0, sink->userdata);
  }
  if (is_clean(&read.arn)) {
    sink->model(read.arn.data, title, 0, sink->userdata);
  }
}

/* Returns whether it was a list. */
static int read_list(bedrock_instance *self, const char *body, size_t size, const mloom_probe_sink *sink) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer token = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_bytes key;
  int is_list = 0;
  mloom_buffer_clear(&self->next_token);
  mloom_json_reader_init(&reader, body, size);
  if (!mloom_json_reader_object(&reader)) {
    return 0;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if ((mloom_text_equal(key, "modelSummaries") || mloom_text_equal(key, "inferenceProfileSummaries")) &&
        mloom_json_reader_peek(&reader) == MLOOM_JSON_ARRAY) {
      is_list = 1;
      mloom_json_reader_array(&reader);
      while (mloom_json_reader_element(&reader)) {
        read_entry(&reader, sink);
      }
    } else if (mloom_text_equal(key, "nextToken")) {
      mloom_json_reader_append_string(&reader, &token);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  if (token.size > 0 && memchr(token.data, '\0', token.size) == NULL &&
      bedrock_append_segment(&self->next_token, token.data) != MLOOM_OK) {
    mloom_buffer_clear(&self->next_token);
  }
  return is_list;
}

static int32_t report(const bedrock_instance *self, int32_t http_status, const char *body, size_t size,
                      mloom_error *error) {
  mloom_service_names names = self->service.names;
  names.model = self->service.default_model;
  return self->service.probe.dialect->report(body, size, http_status, &names, error);
}

static int32_t read_lists(bedrock_instance *self, uint32_t kind, int32_t http_status, const char *body, size_t size,
                          const mloom_probe_sink *sink, mloom_error *error) {
  int good = http_status >= 200 && http_status <= 299;
  if (good && read_list(self, body, size, sink)) {
    if (kind == MLOOM_PROBE_REACH) {
      return MLOOM_OK;
    }
    self->list += self->next_token.size == 0;
    return self->list == BEDROCK_LIST_END ? MLOOM_OK : MLOOM_MORE;
  }
  if (good || http_status == 404 || http_status == 405 || http_status == 501) {
    return has_no_list("the service has no list of models", error);
  }
  mloom_service_names names = self->service.names;
  names.model = self->service.default_model;
  int32_t code = mloom_converse_dialect()->report(body, size, http_status, &names, error);
  if (code != MLOOM_E_DENIED) {
    return code;
  }
  if (kind == MLOOM_PROBE_REACH) {
    return MLOOM_OK; /* it knows who asks */
  }
  /* Models may be there that only the other lists show. */
  return self->list > BEDROCK_LIST_MODELS ? MLOOM_OK
                                          : has_no_list("this identity may not list models "
                                                        "(bedrock:ListFoundationModels)",
                                                        error);
}

/* The request lacked all that it needs, so that nothing better than a complaint about that can come. */
static int32_t read_reach(bedrock_instance *self, int32_t http_status, const char *body, size_t size,
                          const mloom_probe_sink *sink, mloom_error *error) {
  mloom_error reason = MLOOM_ERROR_INIT;
  if (http_status >= 200 && http_status <= 299 && (size == 0 || body[0] == '\0')) {
    return MLOOM_OK;
  }
  int32_t code = report(self, http_status, body, size, &reason);
  if ((code == MLOOM_E_INVALID || code == MLOOM_E_CONTEXT_FULL) &&
      strstr(reason.message, "on-demand throughput") == NULL) {
    return MLOOM_OK;
  }
  if ((code == MLOOM_E_INVALID || code == MLOOM_E_NOT_FOUND) && http_status >= 400) {
    sink->check("model", MLOOM_CHECK_FAIL, reason.message, reason.remedy, sink->userdata);
    return MLOOM_OK;
  }
  mloom_error_copy(error, &reason);
  return code;
}

int32_t bedrock_probe_result(void *instance, uint32_t kind, int32_t http_status, const char *body, size_t body_size,
                             const mloom_probe_sink *sink, mloom_error *error) {
  bedrock_instance *self = instance;
  if (kind == MLOOM_PROBE_REACH && self->service.default_model[0] != '\0') {
    return read_reach(self, http_status, body, body_size, sink, error);
  }
  return read_lists(self, kind, http_status, body, body_size, sink, error);
}
