/* SPDX-License-Identifier: Apache-2.0 */
#include "openai-compatible/openai_compatible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"

#define HEADER_INIT \
  { .size = (uint32_t)sizeof(mloom_header) }

/* What the service says of one of its limits in the headers of an answer. */
typedef struct rate_limit {
  char limit[24];
  char remaining[24];
  char reset[24];
} rate_limit;

static const char *const rate_limit_names[2] = {"requests", "tokens"};

typedef struct session {
  mloom_openai_instance *owner;
  mloom_chat_request chat;
  mloom_chat_decoder decoder;
  char *model;
  char **tool_names; /* ends with NULL */
  uint64_t turn;
  rate_limit limits[2]; /* as rate_limit_names */
  mloom_http_request request;
  mloom_header content_type;
  mloom_header accept;
  const mloom_header *headers[2];
} session;

void mloom_openai_session_free(void *session_pointer) {
  session *self = session_pointer;
  mloom_chat_request_free(&self->chat);
  mloom_chat_decoder_free(&self->decoder);
  for (size_t i = 0; self->tool_names != NULL && self->tool_names[i] != NULL; i++) {
    free(self->tool_names[i]);
  }
  free(self->tool_names);
  free(self->model);
  free(self);
}

static int32_t copy_names(session *self, const mloom_session_args *args) {
  self->model = mloom_text_dup(mloom_text_bytes(args->model));
  self->tool_names = calloc(args->tool_count + 1, sizeof(*self->tool_names));
  if (self->model == NULL || self->tool_names == NULL) {
    return MLOOM_E_MEMORY;
  }
  for (size_t i = 0; i < args->tool_count; i++) {
    self->tool_names[i] = mloom_text_dup(mloom_text_bytes(args->tools[i]->name));
    if (self->tool_names[i] == NULL) {
      return MLOOM_E_MEMORY;
    }
  }
  return MLOOM_OK;
}

int32_t mloom_openai_session_new(void *instance_pointer, const mloom_session_args *args, void **out_session,
                                 mloom_error *error) {
  mloom_openai_instance *owner = instance_pointer;
  session *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  mloom_session_args effective = *args;
  if (effective.model == NULL || effective.model[0] == '\0') {
    effective.model = owner->default_model;
  }
  mloom_chat_options options = owner->options;
  if (args->max_output_tokens > 0 &&
      (options.max_output_tokens == 0 || args->max_output_tokens < options.max_output_tokens)) {
    options.max_output_tokens = args->max_output_tokens;
  }
  self->owner = owner;
  mloom_chat_decoder_init(&self->decoder, NULL);
  if (copy_names(self, &effective) != MLOOM_OK ||
      mloom_chat_request_init(&self->chat, &options, effective.model, &effective) != MLOOM_OK) {
    mloom_openai_session_free(self);
    return mloom_error_memory(error);
  }
  self->decoder.tool_names = (const char *const *)self->tool_names;
  *out_session = self;
  return MLOOM_OK;
}

int32_t mloom_openai_session_append(void *session_pointer, const mloom_message *message, mloom_error *error) {
  session *self = session_pointer;
  int32_t status = mloom_chat_request_append(&self->chat, message);
  if (status == MLOOM_E_INVALID) {
    return mloom_error_set(error, status, MLOOM_DOMAIN_PROVIDER, NULL, "openai-compatible has no such message role");
  }
  return status == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

int32_t mloom_openai_session_prepare(void *session_pointer, const mloom_turn_args *args, mloom_exchange *out,
                                     mloom_error *error) {
  session *self = session_pointer;
  (void)error;
  self->turn = args->turn;
  mloom_chat_decoder_reset(&self->decoder);
  memset(self->limits, 0, sizeof(self->limits));
  self->content_type = (mloom_header)HEADER_INIT;
  self->content_type.name = "Content-Type";
  self->content_type.value = "application/json";
  self->accept = (mloom_header)HEADER_INIT;
  self->accept.name = "Accept";
  self->accept.value = self->owner->options.stream ? "text/event-stream, application/json" : "application/json";
  self->headers[0] = &self->content_type;
  self->headers[1] = &self->accept;
  self->request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                       .method = "POST",
                                       .url = self->owner->chat_url,
                                       .headers = self->headers,
                                       .header_count = 2};
  self->request.body = mloom_chat_request_segments(&self->chat, &self->request.body_count);
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->request;
  out->authorization = &self->owner->authorization;
  return MLOOM_OK;
}

/* x-ratelimit-limit-requests, x-ratelimit-remaining-tokens, ... */
int32_t mloom_openai_session_header(void *session_pointer, int32_t http_status, const char *name, const char *value,
                                    mloom_error *error) {
  session *self = session_pointer;
  static const char prefix[] = "x-ratelimit-";
  (void)http_status;
  (void)error;
  if (strncasecmp(name, prefix, sizeof(prefix) - 1) != 0) {
    return MLOOM_OK;
  }
  for (size_t i = 0; i < 2; i++) {
    rate_limit *limit = &self->limits[i];
    const struct {
      const char *word;
      char *out;
    } members[] = {{"limit", limit->limit}, {"remaining", limit->remaining}, {"reset", limit->reset}};
    for (size_t j = 0; j < 3; j++) {
      char wanted[64];
      snprintf(wanted, sizeof(wanted), "%s%s-%s", prefix, members[j].word, rate_limit_names[i]);
      if (strcasecmp(name, wanted) == 0) {
        snprintf(members[j].out, sizeof(limit->limit), "%s", value);
      }
    }
  }
  return MLOOM_OK;
}

static void report_limits(const session *self, const mloom_event_sink *sink) {
  char text[256] = "";
  size_t size = 0;
  for (size_t i = 0; i < 2; i++) {
    const rate_limit *limit = &self->limits[i];
    if (limit->remaining[0] != '\0') {
      int added = snprintf(text + size, sizeof(text) - size, "%s%s %s left%s%s%s%s", size == 0 ? "" : "; ",
                           limit->remaining, rate_limit_names[i], limit->limit[0] == '\0' ? "" : " of ", limit->limit,
                           limit->reset[0] == '\0' ? "" : ", reset in ", limit->reset);
      size += added > 0 ? (size_t)added : 0;
    }
  }
  if (size > 0) {
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_RATE_LIMIT};
    event.text = mloom_text_bytes(text);
    sink->event(&event, sink->userdata);
  }
}

int32_t mloom_openai_session_feed(void *session_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                                  mloom_error *error) {
  session *self = session_pointer;
  return mloom_chat_decoder_feed(&self->decoder, data, size, sink, error);
}

int32_t mloom_openai_session_finish(void *session_pointer, const mloom_exchange_end *end, const mloom_event_sink *sink,
                                    mloom_turn_result *out, mloom_error *error) {
  session *self = session_pointer;
  mloom_service_names names = mloom_openai_names(self->owner, self->model);
  report_limits(self, sink);
  int32_t status = mloom_chat_decoder_finish(&self->decoder, end, self->turn, &names, sink, out, error);
  if (status == MLOOM_OK && mloom_chat_request_append_answer(&self->chat, &self->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}
