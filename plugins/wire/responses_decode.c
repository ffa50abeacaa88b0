/* SPDX-License-Identifier: Apache-2.0 */
#include "responses_internal.h"

#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define FORM_UNKNOWN 0u
#define FORM_STREAM 1u
#define FORM_DOCUMENT 2u
#define FORM_OTHER 3u

#define EVENT_LIMIT ((size_t)32 * 1024 * 1024)
/* Of an answer that is no document this much is kept, for what an error has to say. */
#define BEGINNING_LIMIT ((size_t)16 * 1024)

void mloom_responses_decoder_init(mloom_responses_decoder *decoder) {
  memset(decoder, 0, sizeof(*decoder));
  mloom_sse_init(&decoder->sse, EVENT_LIMIT);
}

void mloom_responses_decoder_reset(mloom_responses_decoder *decoder) {
  mloom_sse_reset(&decoder->sse);
  mloom_buffer_clear(&decoder->document);
  mloom_responses_answer_clear(&decoder->answer);
  memset(&decoder->failure, 0, sizeof(decoder->failure));
  decoder->form = FORM_UNKNOWN;
  decoder->has_failure = 0;
  decoder->terminal = 0;
  decoder->done = 0;
  decoder->has_response = 0;
  decoder->malformed = 0;
  decoder->has_text = 0;
  decoder->received = 0;
}

void mloom_responses_decoder_free(mloom_responses_decoder *decoder) {
  mloom_responses_answer_clear(&decoder->answer);
  free(decoder->answer.items);
  mloom_buffer_free(&decoder->answer.refusal);
  mloom_buffer_free(&decoder->document);
  mloom_buffer_free(&decoder->scratch);
  mloom_buffer_free(&decoder->text);
  mloom_sse_free(&decoder->sse);
}

static int32_t on_event(mloom_bytes event, mloom_bytes data, void *userdata) {
  mloom_responses_decoder *decoder = userdata;
  data = mloom_text_trim(data);
  if (decoder->done || decoder->terminal || data.size == 0) {
    return MLOOM_OK;
  }
  if (data.size >= 6 && memcmp(data.data, "[DONE]", 6) == 0) {
    decoder->done = 1;
    return MLOOM_OK;
  }
  if (data.data[0] == '{') {
    return mloom_responses_read_event(decoder, data.data, data.size);
  }
  if (mloom_text_equal(event, "error")) {
    decoder->has_failure = 1;
    mloom_service_error_read_body(&decoder->failure, data.data, data.size);
  }
  return MLOOM_OK;
}

/* The first byte tells what comes; content types are wrong too often. */
static uint32_t form_of(const mloom_buffer *beginning) {
  const char *data = beginning->data;
  size_t size = beginning->size;
  size_t start = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  if (start == 0 && size < 3 && memcmp(data, "\xef\xbb\xbf", size) == 0) {
    return FORM_UNKNOWN;
  }
  for (size_t i = start; i < size; i++) {
    char c = data[i];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      continue;
    }
    return c == '{' || c == '[' ? FORM_DOCUMENT : c == '<' ? FORM_OTHER : FORM_STREAM;
  }
  return FORM_UNKNOWN;
}

static int32_t keep_beginning(mloom_responses_decoder *decoder, const char *data, size_t size) {
  size_t room = decoder->document.size < BEGINNING_LIMIT ? BEGINNING_LIMIT - decoder->document.size : 0;
  return room == 0 ? MLOOM_OK : mloom_buffer_append(&decoder->document, data, size < room ? size : room);
}

static int32_t take(mloom_responses_decoder *decoder, const char *data, size_t size) {
  if (decoder->form == FORM_DOCUMENT) {
    return mloom_buffer_append(&decoder->document, data, size);
  }
  if (decoder->form == FORM_UNKNOWN) {
    size_t before = decoder->document.size;
    int32_t status = mloom_buffer_append(&decoder->document, data, size);
    if (status != MLOOM_OK) {
      return status;
    }
    decoder->form = form_of(&decoder->document);
    if (decoder->form != FORM_STREAM) {
      return MLOOM_OK;
    }
    if (before > 0) {
      status = mloom_sse_feed(&decoder->sse, decoder->document.data, before, on_event, decoder);
    }
    return status != MLOOM_OK ? status : mloom_sse_feed(&decoder->sse, data, size, on_event, decoder);
  }
  int32_t status = keep_beginning(decoder, data, size);
  if (status == MLOOM_OK && decoder->form == FORM_STREAM) {
    status = mloom_sse_feed(&decoder->sse, data, size, on_event, decoder);
  }
  return status;
}

static int32_t too_large(mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROVIDER,
                         "look at what the service at base_url sends; answers are limited to 64 MB, 512 items and 4 MB "
                         "of arguments",
                         "the service sent more than one answer may hold");
}

int32_t mloom_responses_decoder_feed(mloom_responses_decoder *decoder, const char *data, size_t size,
                                     const mloom_event_sink *sink, mloom_error *error) {
  if (size == 0) {
    return MLOOM_OK;
  }
  if (size > MLOOM_RESPONSES_ANSWER_LIMIT - decoder->received) {
    return too_large(error);
  }
  decoder->received += size;
  decoder->sink = sink;
  int32_t status = take(decoder, data, size);
  decoder->sink = NULL;
  if (status == MLOOM_E_LIMIT) {
    return too_large(error);
  }
  return status == MLOOM_E_MEMORY ? mloom_error_memory(error) : status;
}

/* ---- The end ---- */

static int32_t broken(mloom_error *error, const mloom_service_names *service, const char *remedy, const char *what) {
  int32_t code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_PROVIDER, remedy, "the service at %s %s",
                                 service->base_url, what);
  if (error != NULL) {
    error->retryable = 1;
    error->http_status = 200;
  }
  return code;
}

/* Milliseconds of "try again in 1.5s", which comes without a header; -1 when the text says nothing of it. */
static int64_t wait_in_text(const char *message) {
  const char *at = strcasestr(message, "try again in");
  if (at == NULL) {
    return -1;
  }
  at += strlen("try again in");
  at += strspn(at, " \t");
  int64_t thousandths = 0;
  int64_t unit = 1000;
  int digits = 0;
  for (int after_point = 0; (*at >= '0' && *at <= '9') || (*at == '.' && !after_point); at++) {
    if (*at == '.') {
      after_point = 1;
      continue;
    }
    if (thousandths > INT64_C(1000000000)) {
      return -1;
    }
    if (after_point) {
      unit /= 10;
      thousandths += (*at - '0') * unit;
    } else {
      thousandths = thousandths * 10 + (*at - '0') * INT64_C(1000);
    }
    digits++;
  }
  at += strspn(at, " \t");
  if (digits == 0) {
    return -1;
  }
  if (strncasecmp(at, "ms", 2) == 0) {
    return (thousandths + 999) / 1000;
  }
  return *at == 's' || *at == 'S' ? thousandths : -1;
}

static int32_t report(const mloom_responses_decoder *decoder, int32_t http_status, const mloom_service_names *service,
                      mloom_error *error) {
  int32_t code = mloom_service_error_report(&decoder->failure, http_status, service, error);
  if (code == MLOOM_E_RATE_LIMITED && error != NULL && error->retry_after_ms < 0) {
    error->retry_after_ms = wait_in_text(decoder->failure.message);
  }
  return code;
}

/* Reads an answer that came as one document. */
static int32_t read_whole(mloom_responses_decoder *decoder) {
  mloom_bytes text = {mloom_buffer_string(&decoder->document), decoder->document.size};
  mloom_json_reader reader;
  if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
    text.data += 3;
    text.size -= 3;
  }
  text = mloom_text_trim(text);
  mloom_json_reader_init(&reader, text.data, text.size);
  mloom_json_reader_skip(&reader);
  if (mloom_json_reader_end(&reader) != MLOOM_OK) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  int32_t status = mloom_responses_read_response(decoder, text);
  if (status == MLOOM_OK && !decoder->has_response && !decoder->has_failure) {
    mloom_service_error_read_body(&decoder->failure, text.data, text.size);
    decoder->has_failure = decoder->failure.message[0] != '\0';
  }
  return status;
}

static int has_unfinished_item(const mloom_responses_answer *answer) {
  for (size_t i = 0; i < answer->item_count; i++) {
    if (!answer->items[i].complete) {
      return 1;
    }
  }
  return 0;
}

/* Is the answer there to its end? Says why not. */
static int32_t check_complete(const mloom_responses_decoder *decoder, int32_t outcome,
                              const mloom_service_names *service, mloom_error *error) {
  int cut_by_limit = decoder->answer.stop == MLOOM_STOP_LENGTH || decoder->answer.stop == MLOOM_STOP_REFUSED;
  int has_all = cut_by_limit || !has_unfinished_item(&decoder->answer);
  if (decoder->has_response && decoder->terminal && !decoder->malformed && has_all) {
    return MLOOM_OK;
  }
  if (outcome != MLOOM_OK) {
    return outcome; /* the host knows better what happened */
  }
  const char *retry = "try again; if it stays so, look at the service and at the proxies before it";
  const char *address = "set base_url to the address of a service that speaks the Responses API, often ending with /v1";
  if (decoder->received == 0) {
    return broken(error, service, retry, "gave an empty answer");
  }
  if (decoder->malformed) {
    return broken(error, service, retry,
                  decoder->form == FORM_DOCUMENT ? "gave an answer that is malformed or cut JSON"
                                                 : "sent an event that is malformed JSON");
  }
  if (!decoder->has_response) {
    return broken(error, service, address, "gave an answer that holds no response");
  }
  if (decoder->terminal) {
    return broken(error, service, retry, "ended its answer within an item");
  }
  return broken(error, service, retry, "closed the stream before response.completed");
}

static int id_is_taken(const mloom_responses_answer *answer, size_t index) {
  const mloom_buffer *id = &answer->items[index].call_id;
  for (size_t i = 0; i < index; i++) {
    const mloom_responses_item *other = &answer->items[i];
    if (other->kind == MLOOM_RESPONSES_CALL && other->call_id.size == id->size &&
        memcmp(other->call_id.data, id->data, id->size) == 0) {
      return 1;
    }
  }
  return 0;
}

static int has_controls(const mloom_buffer *text) {
  for (size_t i = 0; i < text->size; i++) {
    unsigned char c = (unsigned char)text->data[i];
    if (c < 0x20 || c == 0x7f) {
      return 1;
    }
  }
  return 0;
}

static int32_t tidy_call(mloom_responses_answer *answer, size_t index, uint64_t turn) {
  mloom_responses_item *call = &answer->items[index];
  int32_t status = MLOOM_OK;
  if (call->name.size == 0 || has_controls(&call->name)) {
    mloom_buffer_clear(&call->name);
    status = mloom_buffer_append_string(&call->name, "unnamed");
  }
  if (status == MLOOM_OK && (call->call_id.size == 0 || has_controls(&call->call_id) || id_is_taken(answer, index))) {
    call->has_call_id = 0; /* the item is sent back with the new one */
    mloom_buffer_clear(&call->call_id);
    status = mloom_buffer_append_format(&call->call_id, "call_%llu_%zu", (unsigned long long)turn, index + 1);
  }
  mloom_bytes arguments = mloom_text_trim((mloom_bytes){mloom_buffer_string(&call->arguments), call->arguments.size});
  if (status == MLOOM_OK && (arguments.size == 0 || mloom_text_equal(arguments, "null"))) {
    mloom_buffer_clear(&call->arguments);
    status = mloom_buffer_append_string(&call->arguments, "{}");
  }
  return status;
}

static void emit(const mloom_event_sink *sink, const mloom_event *event) {
  if (sink != NULL && sink->event != NULL) {
    sink->event(event, sink->userdata);
  }
}

static int32_t hand_over(mloom_responses_decoder *decoder, uint64_t turn, const mloom_event_sink *sink,
                         uint32_t *count) {
  mloom_responses_answer *answer = &decoder->answer;
  int32_t status = MLOOM_OK;
  *count = 0;
  if (answer->stop != MLOOM_STOP_LENGTH && answer->stop != MLOOM_STOP_REFUSED) {
    for (size_t i = 0; status == MLOOM_OK && i < answer->item_count; i++) {
      mloom_responses_item *call = &answer->items[i];
      if (call->kind != MLOOM_RESPONSES_CALL) {
        continue;
      }
      status = tidy_call(answer, i, turn);
      if (status == MLOOM_OK) {
        mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_TOOL_CALL};
        event.id = (mloom_bytes){call->call_id.data, call->call_id.size};
        event.name = (mloom_bytes){call->name.data, call->name.size};
        event.text = (mloom_bytes){call->arguments.data, call->arguments.size};
        emit(sink, &event);
        (*count)++;
      }
    }
  }
  if (*count > 0) {
    answer->stop = MLOOM_STOP_TOOL_CALLS;
  } else if (answer->refusal.size > 0 && !decoder->has_text) {
    answer->stop = MLOOM_STOP_REFUSED;
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_TEXT};
    event.text = (mloom_bytes){answer->refusal.data, answer->refusal.size};
    emit(sink, &event);
  }
  return status;
}

/* Items that were begun and never ended hold nothing that could be sent back. */
static void drop_unfinished(mloom_responses_answer *answer) {
  size_t kept = 0;
  for (size_t i = 0; i < answer->item_count; i++) {
    if (answer->items[i].complete) {
      answer->items[kept++] = answer->items[i];
    } else {
      mloom_responses_item_free(&answer->items[i]);
    }
  }
  answer->item_count = kept;
}

int32_t mloom_responses_decoder_finish(mloom_responses_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                       const mloom_service_names *service, const mloom_event_sink *sink,
                                       mloom_turn_result *out, mloom_error *error) {
  mloom_bytes beginning = {mloom_buffer_string(&decoder->document), decoder->document.size};
  if (end->http_status == 0) {
    return end->outcome != MLOOM_OK ? end->outcome : broken(error, service, NULL, "gave no answer");
  }
  if (end->http_status < 200 || end->http_status > 299) {
    mloom_service_error_read_body(&decoder->failure, beginning.data, beginning.size);
    return report(decoder, end->http_status, service, error);
  }
  int32_t status = MLOOM_OK;
  decoder->sink = sink;
  if (decoder->form == FORM_DOCUMENT) {
    status = read_whole(decoder);
  }
  decoder->sink = NULL;
  if (status != MLOOM_OK) {
    return status == MLOOM_E_LIMIT ? too_large(error) : mloom_error_memory(error);
  }
  if (decoder->form == FORM_OTHER) {
    decoder->has_failure = 1;
    decoder->failure.html = 1;
  }
  if (decoder->has_failure) {
    return report(decoder, 200, service, error);
  }
  status = check_complete(decoder, end->outcome, service, error);
  if (status != MLOOM_OK) {
    return status;
  }
  drop_unfinished(&decoder->answer);
  uint32_t calls = 0;
  status = hand_over(decoder, turn, sink, &calls);
  if (status != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  out->stop = decoder->answer.stop;
  out->tool_call_count = calls;
  return MLOOM_OK;
}
