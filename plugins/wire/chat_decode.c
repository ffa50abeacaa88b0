/* SPDX-License-Identifier: Apache-2.0 */
#include "chat_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define EVENT_LIMIT ((size_t)16 * 1024 * 1024)
#define ANSWER_LIMITS "128 tool calls and 4 MB of arguments"

void mloom_chat_decoder_init(mloom_chat_decoder *decoder, const char *const *tool_names) {
  memset(decoder, 0, sizeof(*decoder));
  mloom_answer_reader_init(&decoder->reader, EVENT_LIMIT);
  decoder->tool_names = tool_names;
}

void mloom_chat_decoder_reset(mloom_chat_decoder *decoder) {
  mloom_answer_reader_reset(&decoder->reader);
  mloom_chat_answer_clear(&decoder->answer);
  mloom_pieces_forget(&decoder->pieces);
  memset(&decoder->failure, 0, sizeof(decoder->failure));
  decoder->has_failure = 0;
  decoder->done = 0;
  decoder->has_choice = 0;
  decoder->malformed = 0;
}

void mloom_chat_decoder_free(mloom_chat_decoder *decoder) {
  mloom_chat_answer_clear(&decoder->answer);
  free(decoder->answer.calls);
  mloom_buffer_free(&decoder->answer.text);
  mloom_buffer_free(&decoder->answer.reasoning);
  mloom_buffer_free(&decoder->answer.refusal);
  mloom_buffer_free(&decoder->answer.details);
  mloom_buffer_free(&decoder->scratch);
  mloom_buffer_free(&decoder->repaired);
  mloom_buffer_free(&decoder->call_id);
  mloom_buffer_free(&decoder->call_name);
  mloom_buffer_free(&decoder->call_arguments);
  mloom_pieces_free(&decoder->pieces);
  mloom_answer_reader_free(&decoder->reader);
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

int32_t mloom_chat_decoder_feed(mloom_chat_decoder *decoder, const char *data, size_t size,
                                const mloom_event_sink *sink, mloom_error *error) {
  decoder->sink = sink;
  int32_t status = mloom_answer_reader_feed(&decoder->reader, data, size, on_event, decoder);
  decoder->sink = NULL;
  return mloom_answer_failed(status, ANSWER_LIMITS, error);
}

/* Reads an answer that came as one document. */
static int32_t read_whole(mloom_chat_decoder *decoder) {
  mloom_bytes text = mloom_answer_reader_document(&decoder->reader);
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
  int whole = decoder->reader.form == MLOOM_ANSWER_DOCUMENT;
  if (decoder->has_choice && !decoder->malformed && (decoder->answer.finished || decoder->done || whole)) {
    return MLOOM_OK;
  }
  mloom_answer_cut cut = {
      .has_begun = decoder->has_choice,
      .malformed = decoder->malformed,
      .outcome = outcome,
      .right_address = "the address of a chat-completions API, often ending with /v1",
      .nothing = "gave an answer that holds no chat completion",
      .cut = "cut the stream before the end of its answer",
  };
  return mloom_answer_report_cut(&decoder->reader, &cut, service, error);
}

static int id_is_taken(const mloom_chat_answer *answer, size_t index) {
  for (size_t i = 0; i < index; i++) {
    if (mloom_buffer_equal(&answer->calls[i].id, &answer->calls[index].id)) {
      return 1;
    }
  }
  return 0;
}

/* The arguments as an object's text: none, null and a string that holds the object are met in the wild. */
static int32_t tidy_arguments(mloom_buffer *arguments) {
  mloom_bytes text = mloom_text_trim((mloom_bytes){mloom_buffer_string(arguments), arguments->size});
  if (text.size == 0 || text.data[0] != '"') {
    return mloom_answer_complete_arguments(arguments);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer inside = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text.data, text.size);
  if (!mloom_json_reader_append_string(&reader, &inside) || mloom_json_reader_end(&reader) != MLOOM_OK ||
      inside.size == 0 || inside.data[0] != '{') {
    return reader.status == MLOOM_E_MEMORY ? MLOOM_E_MEMORY : MLOOM_OK;
  }
  int32_t status = mloom_buffer_set(arguments, inside.data, inside.size);
  return status == MLOOM_OK ? mloom_answer_complete_arguments(arguments) : status;
}

static int32_t tidy_call(mloom_chat_answer *answer, size_t index, uint64_t turn) {
  mloom_chat_call *call = &answer->calls[index];
  mloom_answer_hide_controls(&call->id);
  mloom_answer_hide_controls(&call->name);
  int32_t status = mloom_answer_name_call(&call->id, &call->name, id_is_taken(answer, index), "call", turn, index + 1);
  return status != MLOOM_OK ? status : tidy_arguments(&call->arguments);
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
    mloom_answer_emit_notice(sink, "tool_call_as_text", &notice);
  }
  return status;
}

/* Gives the calls with the id that is named in details what it says. */
static int32_t share_one(mloom_chat_answer *answer, mloom_bytes details, mloom_buffer *scratch) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes id = {NULL, 0};
  int32_t status = MLOOM_OK;
  mloom_json_reader_init(&reader, details.data, details.size);
  mloom_json_reader_object(&reader);
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "id")) {
      mloom_json_reader_string(&reader, scratch, &id);
      break;
    }
    mloom_json_reader_skip(&reader);
  }
  for (size_t i = 0; status == MLOOM_OK && id.size > 0 && i < answer->call_count; i++) {
    const mloom_buffer *own = &answer->calls[i].id;
    if (own->size == id.size && memcmp(own->data, id.data, id.size) == 0) {
      status = mloom_buffer_set(&answer->calls[i].details, details.data, details.size);
    }
  }
  return status;
}

static int32_t share_details(mloom_chat_answer *answer, mloom_buffer *scratch) {
  mloom_json_reader reader;
  mloom_bytes raw = {NULL, 0};
  int32_t status = answer->details.size > 0 ? mloom_buffer_append_char(&answer->details, ']') : MLOOM_OK;
  mloom_json_reader_init(&reader, mloom_buffer_string(&answer->details), answer->details.size);
  if (answer->details.size > 0 && mloom_json_reader_array(&reader)) {
    while (status == MLOOM_OK && mloom_json_reader_element(&reader) && mloom_json_reader_raw(&reader, &raw)) {
      status = share_one(answer, raw, scratch);
    }
  }
  return status;
}

static int32_t hand_over(mloom_chat_decoder *decoder, uint64_t turn, const mloom_event_sink *sink) {
  mloom_chat_answer *answer = &decoder->answer;
  int32_t status = share_details(answer, &decoder->scratch);
  for (size_t i = 0; status == MLOOM_OK && i < answer->call_count; i++) {
    status = tidy_call(answer, i, turn);
  }
  for (size_t i = 0; status == MLOOM_OK && i < answer->call_count; i++) {
    const mloom_chat_call *call = &answer->calls[i];
    mloom_answer_emit_call(sink, &call->id, &call->name, &call->arguments);
  }
  if (status == MLOOM_OK && answer->text.size == 0 && answer->call_count == 0 && answer->refusal.size > 0) {
    answer->stop = MLOOM_STOP_REFUSED;
    mloom_answer_emit_text(sink, MLOOM_EVENT_TEXT, (mloom_bytes){answer->refusal.data, answer->refusal.size});
  }
  if (status == MLOOM_OK && answer->call_count == 0 && answer->stop == MLOOM_STOP_END) {
    status = report_text_call(decoder, sink);
  }
  return status;
}

int32_t mloom_chat_decoder_finish(mloom_chat_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                  const mloom_service_names *service, const mloom_event_sink *sink,
                                  mloom_turn_result *out, mloom_error *error) {
  mloom_bytes beginning = mloom_answer_reader_document(&decoder->reader);
  if (end->http_status == 0) {
    return end->outcome != MLOOM_OK ? end->outcome : mloom_answer_broken(error, service, NULL, "gave no answer");
  }
  if (end->http_status < 200 || end->http_status > 299) {
    mloom_service_error_read_body(&decoder->failure, beginning.data, beginning.size);
    return mloom_service_error_report(&decoder->failure, end->http_status, service, error);
  }
  int32_t status = MLOOM_OK;
  decoder->sink = sink;
  if (decoder->reader.form == MLOOM_ANSWER_DOCUMENT) {
    status = read_whole(decoder);
  }
  decoder->sink = NULL;
  if (status != MLOOM_OK) {
    return mloom_answer_failed(status, ANSWER_LIMITS, error);
  }
  if (decoder->reader.form == MLOOM_ANSWER_OTHER) {
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
    mloom_chat_drop_calls(&decoder->answer); /* the last of them may be cut */
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
