/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* Of an answer that is no document this much is kept, for what an error has to say. */
#define BEGINNING_LIMIT ((size_t)16 * 1024)

void mloom_answer_reader_init(mloom_answer_reader *reader, size_t event_limit) {
  memset(reader, 0, sizeof(*reader));
  mloom_sse_init(&reader->sse, event_limit);
}

void mloom_answer_reader_reset(mloom_answer_reader *reader) {
  mloom_sse_reset(&reader->sse);
  mloom_buffer_clear(&reader->document);
  reader->form = MLOOM_ANSWER_UNKNOWN;
  reader->received = 0;
}

void mloom_answer_reader_free(mloom_answer_reader *reader) {
  mloom_buffer_free(&reader->document);
  mloom_sse_free(&reader->sse);
}

/* The first byte tells what comes; content types are wrong too often. */
static uint32_t form_of(const mloom_buffer *beginning) {
  static const char mark[] = "\xef\xbb\xbf";
  size_t compared = beginning->size < 3 ? beginning->size : 3;
  size_t start = memcmp(beginning->data, mark, compared) == 0 ? compared : 0;
  for (size_t i = start; i < beginning->size; i++) {
    char c = beginning->data[i];
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      return c == '{' || c == '[' ? MLOOM_ANSWER_DOCUMENT : c == '<' ? MLOOM_ANSWER_OTHER : MLOOM_ANSWER_STREAM;
    }
  }
  return MLOOM_ANSWER_UNKNOWN;
}

static int32_t begin(mloom_answer_reader *reader, const char *data, size_t size, mloom_sse_fn on_event,
                     void *userdata) {
  int32_t status = mloom_buffer_append(&reader->document, data, size);
  if (status != MLOOM_OK) {
    return status;
  }
  reader->form = form_of(&reader->document);
  return reader->form == MLOOM_ANSWER_STREAM
             ? mloom_sse_feed(&reader->sse, reader->document.data, reader->document.size, on_event, userdata)
             : MLOOM_OK;
}

int32_t mloom_answer_reader_count(mloom_answer_reader *reader, size_t size) {
  if (size > MLOOM_ANSWER_READER_LIMIT - reader->received) {
    return MLOOM_E_LIMIT;
  }
  reader->received += size;
  return MLOOM_OK;
}

int32_t mloom_answer_reader_feed(mloom_answer_reader *reader, const char *data, size_t size, mloom_sse_fn on_event,
                                 void *userdata) {
  int32_t status = mloom_answer_reader_count(reader, size);
  if (status != MLOOM_OK || size == 0) {
    return status;
  }
  if (reader->form == MLOOM_ANSWER_UNKNOWN) {
    return begin(reader, data, size, on_event, userdata);
  }
  if (reader->form == MLOOM_ANSWER_DOCUMENT) {
    return mloom_buffer_append(&reader->document, data, size);
  }
  if (reader->document.size < BEGINNING_LIMIT) {
    size_t room = BEGINNING_LIMIT - reader->document.size;
    status = mloom_buffer_append(&reader->document, data, size < room ? size : room);
  }
  if (status == MLOOM_OK && reader->form == MLOOM_ANSWER_STREAM) {
    status = mloom_sse_feed(&reader->sse, data, size, on_event, userdata);
  }
  return status;
}

mloom_bytes mloom_answer_reader_document(mloom_answer_reader *reader) {
  mloom_bytes text = {mloom_buffer_string(&reader->document), reader->document.size};
  if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
    text.data += 3;
    text.size -= 3;
  }
  return mloom_text_trim(text);
}

int32_t mloom_answer_failed(int32_t status, const char *limits, mloom_error *error) {
  if (status == MLOOM_E_LIMIT) {
    char remedy[200];
    snprintf(remedy, sizeof(remedy), "look at what the service sends; answers are limited to 64 MB, %s", limits);
    return mloom_error_set(error, status, MLOOM_DOMAIN_PROVIDER, remedy,
                           "the service sent more than one answer may hold");
  }
  return status == MLOOM_E_MEMORY ? mloom_error_memory(error) : status;
}

int32_t mloom_answer_broken(mloom_error *error, const mloom_service_names *service, const char *remedy,
                            const char *what) {
  int32_t code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_PROVIDER, remedy, "the service at %s %s",
                                 service->base_url, what);
  if (error != NULL) {
    error->retryable = 1;
    error->http_status = 200;
  }
  return code;
}

int32_t mloom_answer_context_full(const mloom_service_names *service, mloom_error *error) {
  int32_t code = mloom_error_set(error, MLOOM_E_CONTEXT_FULL, MLOOM_DOMAIN_PROVIDER,
                                 "use a model with a larger context, or a smaller ticket",
                                 "the conversation no longer fits the context of %s", service->model);
  if (error != NULL) {
    error->http_status = 200;
  }
  return code;
}

int32_t mloom_answer_report_cut(const mloom_answer_reader *reader, const mloom_answer_cut *cut,
                                const mloom_service_names *service, mloom_error *error) {
  const char *retry = "try again; if it stays so, look at the service and at the proxies before it";
  if (cut->outcome != MLOOM_OK) {
    return cut->outcome; /* the host knows better what happened */
  }
  if (reader->received == 0) {
    return mloom_answer_broken(error, service, retry, "gave an empty answer");
  }
  if (cut->malformed) {
    return mloom_answer_broken(error, service, retry,
                               reader->form == MLOOM_ANSWER_DOCUMENT ? "gave an answer that is malformed or cut JSON"
                                                                     : "sent an event that is malformed JSON");
  }
  if (!cut->has_begun) {
    char remedy[256];
    snprintf(remedy, sizeof(remedy), "set %s to %s", mloom_service_words_of(service).address, cut->right_address);
    return mloom_answer_broken(error, service, remedy, cut->nothing);
  }
  return mloom_answer_broken(error, service, retry, cut->cut);
}

void mloom_answer_read_count(mloom_json_reader *reader, uint64_t *count) {
  int64_t value;
  if (mloom_json_reader_integer(reader, &value) && value >= 0) {
    *count = (uint64_t)value;
  }
}

void mloom_answer_emit(const mloom_event_sink *sink, const mloom_event *event) {
  if (sink != NULL && sink->event != NULL) {
    sink->event(event, sink->userdata);
  }
}

void mloom_answer_emit_text(const mloom_event_sink *sink, uint32_t kind, mloom_bytes text) {
  mloom_event event = {.size = (uint32_t)sizeof(event), .kind = kind, .text = text};
  mloom_answer_emit(sink, &event);
}

static mloom_bytes bytes_of(const mloom_buffer *buffer) {
  return (mloom_bytes){buffer->data == NULL ? "" : buffer->data, buffer->size};
}

void mloom_answer_emit_delta(const mloom_event_sink *sink, const mloom_buffer *id, const mloom_buffer *name) {
  mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_TOOL_DELTA};
  event.id = bytes_of(id);
  event.name = bytes_of(name);
  mloom_answer_emit(sink, &event);
}

void mloom_answer_emit_call(const mloom_event_sink *sink, const mloom_buffer *id, const mloom_buffer *name,
                            const mloom_buffer *arguments) {
  mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_TOOL_CALL};
  event.id = bytes_of(id);
  event.name = bytes_of(name);
  event.text = bytes_of(arguments);
  mloom_answer_emit(sink, &event);
}

void mloom_answer_emit_usage(const mloom_event_sink *sink, const mloom_answer_usage *usage) {
  mloom_event event = {.size = (uint32_t)sizeof(event),
                       .kind = MLOOM_EVENT_USAGE,
                       .input_tokens = usage->input_tokens,
                       .cached_input_tokens = usage->cached_input_tokens,
                       .cache_write_tokens = usage->cache_write_tokens,
                       .output_tokens = usage->output_tokens,
                       .reasoning_tokens = usage->reasoning_tokens};
  mloom_answer_emit(sink, &event);
}

void mloom_answer_emit_notice(const mloom_event_sink *sink, const char *name, const mloom_buffer *text) {
  mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_NOTICE};
  event.name = mloom_text_bytes(name);
  event.text = bytes_of(text);
  mloom_answer_emit(sink, &event);
}

int32_t mloom_answer_repair(mloom_bytes *data, mloom_buffer *storage) {
  if (mloom_text_is_utf8(data->data, data->size)) {
    return MLOOM_OK;
  }
  mloom_buffer_clear(storage);
  if (mloom_text_append_utf8(storage, data->data, data->size) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  *data = (mloom_bytes){storage->data, storage->size};
  return MLOOM_OK;
}

static int is_control(char c) {
  return (unsigned char)c < 0x20 || c == 0x7f;
}

int mloom_answer_has_controls(const mloom_buffer *text) {
  for (size_t i = 0; i < text->size; i++) {
    if (is_control(text->data[i])) {
      return 1;
    }
  }
  return 0;
}

void mloom_answer_hide_controls(mloom_buffer *text) {
  for (size_t i = 0; i < text->size; i++) {
    if (is_control(text->data[i])) {
      text->data[i] = '_';
    }
  }
}

int32_t mloom_answer_name_call(mloom_buffer *id, mloom_buffer *name, int id_is_taken, const char *prefix, uint64_t turn,
                               size_t number) {
  int32_t status = name->size == 0 ? mloom_buffer_append_string(name, "unnamed") : MLOOM_OK;
  if (status == MLOOM_OK && (id->size == 0 || id_is_taken)) {
    mloom_buffer_clear(id);
    status = mloom_buffer_append_format(id, "%s_%llu_%zu", prefix, (unsigned long long)turn, number);
  }
  return status;
}

int32_t mloom_answer_complete_arguments(mloom_buffer *arguments) {
  /* A model may write one, and the service then refuses its own model's words when they come back. */
  mloom_json_mend_surrogates(arguments->data, arguments->size);
  mloom_bytes text = mloom_text_trim((mloom_bytes){mloom_buffer_string(arguments), arguments->size});
  if (text.size > 0 && !mloom_text_equal(text, "null")) {
    return MLOOM_OK;
  }
  mloom_buffer_clear(arguments);
  return mloom_buffer_append_string(arguments, "{}");
}
