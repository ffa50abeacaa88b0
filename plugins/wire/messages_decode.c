/* SPDX-License-Identifier: Apache-2.0 */
#include "messages_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text.h"

#define FORM_UNKNOWN 0u
#define FORM_STREAM 1u
#define FORM_DOCUMENT 2u
#define FORM_OTHER 3u

#define EVENT_LIMIT ((size_t)16 * 1024 * 1024)
/* Of an answer that is no document this much is kept, for what an error has to say. */
#define BEGINNING_LIMIT ((size_t)16 * 1024)

void mloom_messages_decoder_init(mloom_messages_decoder *decoder) {
  memset(decoder, 0, sizeof(*decoder));
  mloom_sse_init(&decoder->sse, EVENT_LIMIT);
}

void mloom_messages_decoder_reset(mloom_messages_decoder *decoder) {
  mloom_sse_reset(&decoder->sse);
  mloom_buffer_clear(&decoder->document);
  mloom_messages_answer_clear(&decoder->answer);
  memset(&decoder->failure, 0, sizeof(decoder->failure));
  decoder->form = FORM_UNKNOWN;
  decoder->has_failure = 0;
  decoder->started = 0;
  decoder->done = 0;
  decoder->malformed = 0;
  decoder->received = 0;
}

void mloom_messages_decoder_free(mloom_messages_decoder *decoder) {
  mloom_messages_answer_clear(&decoder->answer);
  free(decoder->answer.blocks);
  mloom_buffer_free(&decoder->document);
  mloom_buffer_free(&decoder->scratch);
  mloom_buffer_free(&decoder->repaired);
  mloom_sse_free(&decoder->sse);
}

static int32_t on_event(mloom_bytes event, mloom_bytes data, void *userdata) {
  mloom_messages_decoder *decoder = userdata;
  data = mloom_text_trim(data);
  if (decoder->done || decoder->has_failure || decoder->malformed || data.size == 0 || data.data[0] != '{') {
    return MLOOM_OK;
  }
  return mloom_messages_read_event(decoder, event, data);
}

/* The first byte tells what comes; content types are wrong too often. */
static uint32_t form_of(const mloom_buffer *beginning) {
  static const char mark[] = "\xef\xbb\xbf";
  size_t compared = beginning->size < 3 ? beginning->size : 3;
  size_t start = memcmp(beginning->data, mark, compared) == 0 ? compared : 0;
  for (size_t i = start; i < beginning->size; i++) {
    char c = beginning->data[i];
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      return c == '{' || c == '[' ? FORM_DOCUMENT : c == '<' ? FORM_OTHER : FORM_STREAM;
    }
  }
  return FORM_UNKNOWN;
}

static int32_t take(mloom_messages_decoder *decoder, const char *data, size_t size) {
  if (decoder->form == FORM_DOCUMENT) {
    return mloom_buffer_append(&decoder->document, data, size);
  }
  if (decoder->form == FORM_UNKNOWN) {
    int32_t status = mloom_buffer_append(&decoder->document, data, size);
    decoder->form = status == MLOOM_OK ? form_of(&decoder->document) : FORM_UNKNOWN;
    return decoder->form == FORM_STREAM
               ? mloom_sse_feed(&decoder->sse, decoder->document.data, decoder->document.size, on_event, decoder)
               : status;
  }
  int32_t status = MLOOM_OK;
  if (decoder->document.size < BEGINNING_LIMIT) {
    size_t room = BEGINNING_LIMIT - decoder->document.size;
    status = mloom_buffer_append(&decoder->document, data, size < room ? size : room);
  }
  if (status == MLOOM_OK && decoder->form == FORM_STREAM) {
    status = mloom_sse_feed(&decoder->sse, data, size, on_event, decoder);
  }
  return status;
}

static int32_t failed(int32_t status, mloom_error *error) {
  if (status == MLOOM_E_LIMIT) {
    return mloom_error_set(error, status, MLOOM_DOMAIN_PROVIDER,
                           "look at what the service sends; answers are limited to 64 MB, 512 blocks, 128 tool calls "
                           "and 4 MB of input of a call",
                           "the service sent more than one answer may hold");
  }
  return status == MLOOM_E_MEMORY ? mloom_error_memory(error) : status;
}

int32_t mloom_messages_decoder_feed(mloom_messages_decoder *decoder, const char *data, size_t size,
                                    const mloom_event_sink *sink, mloom_error *error) {
  if (size == 0) {
    return MLOOM_OK;
  }
  if (size > MLOOM_MESSAGES_ANSWER_LIMIT - decoder->received) {
    return failed(MLOOM_E_LIMIT, error);
  }
  decoder->received += size;
  decoder->sink = sink;
  int32_t status = take(decoder, data, size);
  decoder->sink = NULL;
  return failed(status, error);
}

int32_t mloom_messages_decoder_feed_event(mloom_messages_decoder *decoder, const char *data, size_t size,
                                          const mloom_event_sink *sink, mloom_error *error) {
  if (size > MLOOM_MESSAGES_ANSWER_LIMIT - decoder->received) {
    return failed(MLOOM_E_LIMIT, error);
  }
  decoder->received += size;
  decoder->form = FORM_STREAM;
  decoder->sink = sink;
  int32_t status = on_event((mloom_bytes){"", 0}, (mloom_bytes){data, size}, decoder);
  decoder->sink = NULL;
  return failed(status, error);
}

/* ---- The end of an answer ---- */

static int32_t broken(mloom_error *error, const mloom_service_names *service, const char *remedy, const char *what) {
  int32_t code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_PROVIDER, remedy, "the service at %s %s",
                                 service->base_url, what);
  if (error != NULL) {
    error->retryable = 1;
    error->http_status = 200;
  }
  return code;
}

static int32_t read_document(mloom_messages_decoder *decoder) {
  mloom_bytes text = {mloom_buffer_string(&decoder->document), decoder->document.size};
  if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
    text.data += 3;
    text.size -= 3;
  }
  return mloom_messages_read_whole(decoder, mloom_text_trim(text));
}

/* Is the answer there to its end? Says why not. */
static int32_t check_complete(const mloom_messages_decoder *decoder, int32_t outcome,
                              const mloom_service_names *service, mloom_error *error) {
  const char *retry = "try again; if it stays so, look at the service and at the proxies before it";
  if (decoder->started && decoder->done && !decoder->malformed) {
    return MLOOM_OK;
  }
  if (outcome != MLOOM_OK) {
    return outcome; /* the host knows better what happened */
  }
  if (decoder->received == 0) {
    return broken(error, service, retry, "gave an empty answer");
  }
  if (decoder->malformed) {
    return broken(error, service, retry,
                  decoder->form == FORM_DOCUMENT ? "gave an answer that is malformed or cut JSON"
                                                 : "sent an event that is malformed");
  }
  if (!decoder->started) {
    return broken(error, service, "set base_url to the address of a Messages API, the part before /v1/messages",
                  "gave an answer that holds no message");
  }
  return broken(error, service, retry, "cut the stream before the end of its answer");
}

static int32_t context_full(const mloom_service_names *service, mloom_error *error) {
  int32_t code = mloom_error_set(error, MLOOM_E_CONTEXT_FULL, MLOOM_DOMAIN_PROVIDER,
                                 "use a model with a larger context, or a smaller ticket",
                                 "the conversation no longer fits the context of %s", service->model);
  if (error != NULL) {
    error->http_status = 200;
  }
  return code;
}

static void hide_controls(mloom_buffer *text) {
  for (size_t i = 0; i < text->size; i++) {
    unsigned char c = (unsigned char)text->data[i];
    if (c < 0x20 || c == 0x7f) {
      text->data[i] = '_';
    }
  }
}

static int id_is_taken(const mloom_messages_answer *answer, size_t index) {
  const mloom_buffer *id = &answer->blocks[index].id;
  for (size_t i = 0; i < index; i++) {
    const mloom_messages_block *other = &answer->blocks[i];
    if (other->kind == MLOOM_MESSAGES_TOOL_USE && other->id.size == id->size &&
        memcmp(other->id.data, id->data, id->size) == 0) {
      return 1;
    }
  }
  return 0;
}

/* Imitations of the service leave out what it never does. */
static int32_t tidy_call(mloom_messages_answer *answer, size_t index, uint64_t turn) {
  mloom_messages_block *block = &answer->blocks[index];
  int32_t status = MLOOM_OK;
  hide_controls(&block->id);
  hide_controls(&block->name);
  if (block->name.size == 0) {
    status = mloom_buffer_append_string(&block->name, "unnamed");
  }
  if (status == MLOOM_OK && (block->id.size == 0 || id_is_taken(answer, index))) {
    mloom_buffer_clear(&block->id);
    status = mloom_buffer_append_format(&block->id, "toolu_%llu_%zu", (unsigned long long)turn, index + 1);
  }
  mloom_bytes input = mloom_text_trim((mloom_bytes){mloom_buffer_string(&block->input), block->input.size});
  if (status == MLOOM_OK && input.size == 0) {
    mloom_buffer_clear(&block->input);
    status = mloom_buffer_append_string(&block->input, "{}");
  }
  return status;
}

static void emit(const mloom_event_sink *sink, const mloom_event *event) {
  if (sink != NULL && sink->event != NULL) {
    sink->event(event, sink->userdata);
  }
}

static int32_t hand_over_calls(mloom_messages_answer *answer, uint64_t turn, const mloom_event_sink *sink) {
  for (size_t i = 0; i < answer->block_count; i++) {
    if (answer->blocks[i].kind == MLOOM_MESSAGES_TOOL_USE && tidy_call(answer, i, turn) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
  }
  for (size_t i = 0; i < answer->block_count; i++) {
    const mloom_messages_block *block = &answer->blocks[i];
    if (block->kind == MLOOM_MESSAGES_TOOL_USE) {
      mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_TOOL_CALL};
      event.id = (mloom_bytes){block->id.data, block->id.size};
      event.name = (mloom_bytes){block->name.data, block->name.size};
      event.text = (mloom_bytes){block->input.data, block->input.size};
      emit(sink, &event);
    }
  }
  return MLOOM_OK;
}

static int32_t report_refusal(const mloom_messages_answer *answer, const mloom_event_sink *sink) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer notice = MLOOM_BUFFER_INIT;
  int32_t status = mloom_buffer_append_format(
      &notice, "the service refused to answer%s%s%s%s", answer->refusal_category[0] != '\0' ? ", category " : "",
      answer->refusal_category, answer->refusal_explanation[0] != '\0' ? ": " : "", answer->refusal_explanation);
  if (status == MLOOM_OK) {
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_NOTICE};
    event.name = mloom_text_bytes("refusal");
    event.text = (mloom_bytes){notice.data, notice.size};
    emit(sink, &event);
  }
  return status;
}

static int32_t hand_over(mloom_messages_decoder *decoder, uint64_t turn, const mloom_event_sink *sink,
                         mloom_turn_result *out) {
  mloom_messages_answer *answer = &decoder->answer;
  int32_t status = MLOOM_OK;
  if (answer->stop == MLOOM_STOP_LENGTH || answer->stop == MLOOM_STOP_REFUSED) {
    answer->call_count = 0; /* the last of them may be cut */
  } else if (answer->call_count > 0) {
    answer->stop = MLOOM_STOP_TOOL_CALLS;
    status = hand_over_calls(answer, turn, sink);
  }
  if (answer->stop == MLOOM_STOP_REFUSED) {
    status = report_refusal(answer, sink);
  }
  out->stop = answer->stop;
  out->tool_call_count = (uint32_t)answer->call_count;
  return status;
}

int32_t mloom_messages_decoder_finish(mloom_messages_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                      const mloom_service_names *service, const mloom_event_sink *sink,
                                      mloom_turn_result *out, mloom_error *error) {
  if (end->http_status == 0) {
    return end->outcome != MLOOM_OK ? end->outcome : broken(error, service, NULL, "gave no answer");
  }
  if (end->http_status < 200 || end->http_status > 299) {
    mloom_messages_failure_read(&decoder->failure, mloom_buffer_string(&decoder->document), decoder->document.size);
    return mloom_messages_failure_report(&decoder->failure, end->http_status, service, error);
  }
  int32_t status = MLOOM_OK;
  decoder->sink = sink;
  if (decoder->form == FORM_DOCUMENT) {
    status = read_document(decoder);
  }
  decoder->sink = NULL;
  if (status != MLOOM_OK) {
    return failed(status, error);
  }
  if (decoder->form == FORM_OTHER) {
    decoder->has_failure = 1;
    decoder->failure.error.html = 1;
  }
  if (decoder->has_failure) {
    return mloom_messages_failure_report(&decoder->failure, 200, service, error);
  }
  status = check_complete(decoder, end->outcome, service, error);
  if (status != MLOOM_OK) {
    return status;
  }
  if (decoder->answer.context_full) {
    return context_full(service, error);
  }
  return failed(hand_over(decoder, turn, sink, out), error);
}
