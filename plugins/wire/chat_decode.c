/* SPDX-License-Identifier: Apache-2.0 */
#include "chat_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define FORM_UNKNOWN 0u
#define FORM_STREAM 1u
#define FORM_DOCUMENT 2u
#define FORM_OTHER 3u

#define EVENT_LIMIT ((size_t)16 * 1024 * 1024)
/* Of an answer that is no document this much is kept, for what an error has to say. */
#define BEGINNING_LIMIT ((size_t)16 * 1024)

void mloom_chat_decoder_init(mloom_chat_decoder *decoder, const char *const *tool_names) {
  memset(decoder, 0, sizeof(*decoder));
  mloom_sse_init(&decoder->sse, EVENT_LIMIT);
  decoder->tool_names = tool_names;
}

void mloom_chat_decoder_reset(mloom_chat_decoder *decoder) {
  mloom_sse_reset(&decoder->sse);
  mloom_buffer_clear(&decoder->document);
  mloom_chat_answer_clear(&decoder->answer);
  memset(&decoder->failure, 0, sizeof(decoder->failure));
  decoder->form = FORM_UNKNOWN;
  decoder->has_failure = 0;
  decoder->done = 0;
  decoder->has_choice = 0;
  decoder->malformed = 0;
  decoder->received = 0;
}

void mloom_chat_decoder_free(mloom_chat_decoder *decoder) {
  mloom_chat_answer_clear(&decoder->answer);
  free(decoder->answer.calls);
  mloom_buffer_free(&decoder->answer.text);
  mloom_buffer_free(&decoder->answer.reasoning);
  mloom_buffer_free(&decoder->answer.refusal);
  mloom_buffer_free(&decoder->document);
  mloom_buffer_free(&decoder->scratch);
  mloom_buffer_free(&decoder->repaired);
  mloom_buffer_free(&decoder->call_id);
  mloom_buffer_free(&decoder->call_name);
  mloom_buffer_free(&decoder->call_arguments);
  mloom_sse_free(&decoder->sse);
}

static int32_t on_event(mloom_bytes event, mloom_bytes data, void *userdata) {
  mloom_chat_decoder *decoder = userdata;
  data = mloom_text_trim(data);
  if (decoder->done || data.size == 0) {
    return MLOOM_OK;
  }
  if (mloom_text_equal(data, "[DONE]")) {
    decoder->done = 1;
    return MLOOM_OK;
  }
  if (mloom_text_equal(event, "error")) {
    decoder->has_failure = 1;
    mloom_service_error_read_body(&decoder->failure, data.data, data.size);
    return MLOOM_OK;
  }
  return data.data[0] == '{' ? mloom_chat_read_document(decoder, data.data, data.size) : MLOOM_OK;
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

static int32_t keep_beginning(mloom_chat_decoder *decoder, const char *data, size_t size) {
  size_t room = decoder->document.size < BEGINNING_LIMIT ? BEGINNING_LIMIT - decoder->document.size : 0;
  return room == 0 ? MLOOM_OK : mloom_buffer_append(&decoder->document, data, size < room ? size : room);
}

static int32_t take(mloom_chat_decoder *decoder, const char *data, size_t size) {
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
  return mloom_error_set(
      error, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROVIDER,
      "look at what the service at base_url sends; answers are limited to 64 MB, 128 tool calls and 4 MB "
      "of arguments",
      "the service sent more than one answer may hold");
}

int32_t mloom_chat_decoder_feed(mloom_chat_decoder *decoder, const char *data, size_t size,
                                const mloom_event_sink *sink, mloom_error *error) {
  if (size == 0) {
    return MLOOM_OK;
  }
  if (size > MLOOM_CHAT_ANSWER_LIMIT - decoder->received) {
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

static int32_t broken(mloom_error *error, const mloom_service_names *service, const char *remedy, const char *what) {
  int32_t code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_PROVIDER, remedy, "the service at %s %s",
                                 service->base_url, what);
  if (error != NULL) {
    error->retryable = 1;
    error->http_status = 200;
  }
  return code;
}

/* Reads an answer that came as one document. */
static int32_t read_whole(mloom_chat_decoder *decoder) {
  mloom_bytes text = {mloom_buffer_string(&decoder->document), decoder->document.size};
  if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
    text.data += 3;
    text.size -= 3;
  }
  text = mloom_text_trim(text);
  int32_t status = mloom_chat_read_document(decoder, text.data, text.size);
  if (status == MLOOM_OK && !decoder->has_choice && !decoder->has_failure) {
    mloom_service_error_read_body(&decoder->failure, text.data, text.size);
    decoder->has_failure = decoder->failure.message[0] != '\0';
  }
  return status;
}

/* Is the answer there to its end? Says why not. */
static int32_t check_complete(const mloom_chat_decoder *decoder, int32_t outcome, const mloom_service_names *service,
                              mloom_error *error) {
  int whole = decoder->form == FORM_DOCUMENT && decoder->has_choice && !decoder->malformed;
  if (decoder->has_choice && !decoder->malformed && (decoder->answer.finished || decoder->done || whole)) {
    return MLOOM_OK;
  }
  if (outcome != MLOOM_OK) {
    return outcome; /* the host knows better what happened */
  }
  const char *retry = "try again; if it stays so, look at the service and at the proxies before it";
  const char *address = "set base_url to the address of a chat-completions API, often ending with /v1";
  if (decoder->received == 0) {
    return broken(error, service, retry, "gave an empty answer");
  }
  if (decoder->malformed) {
    return broken(error, service, retry,
                  decoder->form == FORM_DOCUMENT ? "gave an answer that is malformed or cut JSON"
                                                 : "sent an event that is malformed JSON");
  }
  if (!decoder->has_choice) {
    return broken(error, service, address, "gave an answer that holds no chat completion");
  }
  return broken(error, service, retry, "cut the stream before the end of its answer");
}

static int id_is_taken(const mloom_chat_answer *answer, size_t index) {
  const mloom_buffer *id = &answer->calls[index].id;
  for (size_t i = 0; i < index; i++) {
    if (answer->calls[i].id.size == id->size && memcmp(answer->calls[i].id.data, id->data, id->size) == 0) {
      return 1;
    }
  }
  return 0;
}

static void hide_controls(mloom_buffer *text) {
  for (size_t i = 0; i < text->size; i++) {
    unsigned char c = (unsigned char)text->data[i];
    if (c < 0x20 || c == 0x7f) {
      text->data[i] = '_';
    }
  }
}

/* The arguments as an object's text: none, null and a string that holds the object are met in the wild. */
static int32_t tidy_arguments(mloom_buffer *arguments) {
  mloom_bytes text = mloom_text_trim((mloom_bytes){mloom_buffer_string(arguments), arguments->size});
  if (text.size == 0 || mloom_text_equal(text, "null")) {
    mloom_buffer_clear(arguments);
    return mloom_buffer_append_string(arguments, "{}");
  }
  if (text.data[0] != '"') {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer inside = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text.data, text.size);
  if (!mloom_json_reader_append_string(&reader, &inside) || mloom_json_reader_end(&reader) != MLOOM_OK ||
      inside.size == 0 || inside.data[0] != '{') {
    return reader.status == MLOOM_E_MEMORY ? MLOOM_E_MEMORY : MLOOM_OK;
  }
  mloom_buffer_clear(arguments);
  return mloom_buffer_append(arguments, inside.data, inside.size);
}

static int32_t tidy_call(mloom_chat_answer *answer, size_t index, uint64_t turn) {
  mloom_chat_call *call = &answer->calls[index];
  int32_t status = MLOOM_OK;
  hide_controls(&call->id);
  hide_controls(&call->name);
  if (call->name.size == 0) {
    status = mloom_buffer_append_string(&call->name, "unnamed");
  }
  if (status == MLOOM_OK && (call->id.size == 0 || id_is_taken(answer, index))) {
    mloom_buffer_clear(&call->id);
    status = mloom_buffer_append_format(&call->id, "call_%llu_%zu", (unsigned long long)turn, index + 1);
  }
  return status != MLOOM_OK ? status : tidy_arguments(&call->arguments);
}

static void emit(const mloom_event_sink *sink, const mloom_event *event) {
  if (sink != NULL && sink->event != NULL) {
    sink->event(event, sink->userdata);
  }
}

/* A call that came as text is named for the operator: nothing will run, and the model believes that it did. */
static int32_t report_text_call(const mloom_chat_decoder *decoder, const mloom_event_sink *sink) {
  const mloom_chat_answer *answer = &decoder->answer;
  const mloom_buffer *said = answer->text.size > 0 ? &answer->text : &answer->reasoning;
  mloom_bytes text = {mloom_buffer_string(said), said->size};
  mloom_bytes name;
  const char *form = mloom_chat_find_text_call(text, decoder->tool_names, &name);
  if (form == NULL) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer notice = MLOOM_BUFFER_INIT;
  int32_t status = mloom_buffer_append_format(
      &notice, "the model wrote a tool call%s%.*s as text (%s) instead of calling the tool; it was not run",
      name.size > 0 ? " of " : "", (int)name.size, name.size > 0 ? name.data : "", form);
  if (status == MLOOM_OK) {
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_NOTICE};
    event.name = mloom_text_bytes("tool_call_as_text");
    event.text = (mloom_bytes){notice.data, notice.size};
    emit(sink, &event);
  }
  return status;
}

static int32_t hand_over(mloom_chat_decoder *decoder, uint64_t turn, const mloom_event_sink *sink) {
  mloom_chat_answer *answer = &decoder->answer;
  int32_t status = MLOOM_OK;
  for (size_t i = 0; status == MLOOM_OK && i < answer->call_count; i++) {
    status = tidy_call(answer, i, turn);
  }
  for (size_t i = 0; status == MLOOM_OK && i < answer->call_count; i++) {
    const mloom_chat_call *call = &answer->calls[i];
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_TOOL_CALL};
    event.id = (mloom_bytes){call->id.data, call->id.size};
    event.name = (mloom_bytes){call->name.data, call->name.size};
    event.text = (mloom_bytes){call->arguments.data, call->arguments.size};
    emit(sink, &event);
  }
  if (status == MLOOM_OK && answer->text.size == 0 && answer->call_count == 0 && answer->refusal.size > 0) {
    answer->stop = MLOOM_STOP_REFUSED;
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_TEXT};
    event.text = (mloom_bytes){answer->refusal.data, answer->refusal.size};
    emit(sink, &event);
  }
  if (status == MLOOM_OK && answer->call_count == 0 && answer->stop == MLOOM_STOP_END) {
    status = report_text_call(decoder, sink);
  }
  return status;
}

static void drop_calls(mloom_chat_answer *answer) {
  for (size_t i = 0; i < answer->call_count; i++) {
    mloom_buffer_free(&answer->calls[i].id);
    mloom_buffer_free(&answer->calls[i].name);
    mloom_buffer_free(&answer->calls[i].arguments);
  }
  answer->call_count = 0;
}

int32_t mloom_chat_decoder_finish(mloom_chat_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                  const mloom_service_names *service, const mloom_event_sink *sink,
                                  mloom_turn_result *out, mloom_error *error) {
  mloom_bytes beginning = {mloom_buffer_string(&decoder->document), decoder->document.size};
  if (end->http_status == 0) {
    return end->outcome != MLOOM_OK ? end->outcome : broken(error, service, NULL, "gave no answer");
  }
  if (end->http_status < 200 || end->http_status > 299) {
    mloom_service_error_read_body(&decoder->failure, beginning.data, beginning.size);
    return mloom_service_error_report(&decoder->failure, end->http_status, service, error);
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
    return mloom_service_error_report(&decoder->failure, 200, service, error);
  }
  status = check_complete(decoder, end->outcome, service, error);
  if (status != MLOOM_OK) {
    return status;
  }
  if (decoder->answer.stop == MLOOM_STOP_LENGTH || decoder->answer.stop == MLOOM_STOP_REFUSED) {
    drop_calls(&decoder->answer); /* the last of them may be cut */
  } else if (decoder->answer.call_count > 0) {
    decoder->answer.stop = MLOOM_STOP_TOOL_CALLS;
  }
  status = hand_over(decoder, turn, sink);
  if (status != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  out->stop = decoder->answer.stop;
  out->tool_call_count = (uint32_t)decoder->answer.call_count;
  return MLOOM_OK;
}
