/* SPDX-License-Identifier: Apache-2.0 */
#include "responses_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define EVENT_LIMIT ((size_t)32 * 1024 * 1024)
#define ANSWER_LIMITS "512 items and 4 MB of arguments"

void mloom_responses_decoder_init(mloom_responses_decoder *decoder) {
  memset(decoder, 0, sizeof(*decoder));
  mloom_answer_reader_init(&decoder->reader, EVENT_LIMIT);
}

void mloom_responses_decoder_reset(mloom_responses_decoder *decoder) {
  mloom_answer_reader_reset(&decoder->reader);
  mloom_responses_answer_clear(&decoder->answer);
  mloom_pieces_forget(&decoder->pieces);
  memset(&decoder->failure, 0, sizeof(decoder->failure));
  decoder->has_failure = 0;
  decoder->terminal = 0;
  decoder->done = 0;
  decoder->has_response = 0;
  decoder->malformed = 0;
  decoder->has_text = 0;
}

void mloom_responses_decoder_free(mloom_responses_decoder *decoder) {
  mloom_responses_answer_clear(&decoder->answer);
  free(decoder->answer.items);
  mloom_buffer_free(&decoder->answer.refusal);
  mloom_buffer_free(&decoder->scratch);
  mloom_buffer_free(&decoder->text);
  mloom_pieces_free(&decoder->pieces);
  mloom_answer_reader_free(&decoder->reader);
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

int32_t mloom_responses_decoder_feed(mloom_responses_decoder *decoder, const char *data, size_t size,
                                     const mloom_event_sink *sink, mloom_error *error) {
  decoder->sink = sink;
  int32_t status = mloom_answer_reader_feed(&decoder->reader, data, size, on_event, decoder);
  decoder->sink = NULL;
  return mloom_answer_failed(status, ANSWER_LIMITS, error);
}

/* ---- The end ---- */

/* Reads an answer that came as one document. */
static int32_t read_whole(mloom_responses_decoder *decoder) {
  mloom_bytes text = mloom_answer_reader_document(&decoder->reader);
  mloom_json_reader reader;
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
  mloom_answer_cut cut = {
      .has_begun = decoder->has_response,
      .malformed = decoder->malformed,
      .outcome = outcome,
      .right_address = "the address of a service that speaks the Responses API, often ending with /v1",
      .nothing = "gave an answer that holds no response",
      .cut = decoder->terminal ? "ended its answer within an item" : "closed the stream before response.completed",
  };
  return mloom_answer_report_cut(&decoder->reader, &cut, service, error);
}

static int id_is_taken(const mloom_responses_answer *answer, size_t index) {
  for (size_t i = 0; i < index; i++) {
    const mloom_responses_item *other = &answer->items[i];
    if (other->kind == MLOOM_RESPONSES_CALL && mloom_buffer_equal(&other->call_id, &answer->items[index].call_id)) {
      return 1;
    }
  }
  return 0;
}

static int32_t tidy_call(mloom_responses_answer *answer, size_t index, uint64_t turn) {
  mloom_responses_item *call = &answer->items[index];
  int is_taken = mloom_answer_has_controls(&call->call_id) || id_is_taken(answer, index);
  if (mloom_answer_has_controls(&call->name)) {
    mloom_buffer_clear(&call->name);
  }
  if (call->call_id.size == 0 || is_taken) {
    call->has_call_id = 0; /* the item is sent back with the new one */
  }
  int32_t status = mloom_answer_name_call(&call->call_id, &call->name, is_taken, "call", turn, index + 1);
  return status == MLOOM_OK ? mloom_answer_complete_arguments(&call->arguments) : status;
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
        mloom_answer_emit_call(sink, &call->call_id, &call->name, &call->arguments);
        (*count)++;
      }
    }
  }
  if (*count > 0) {
    answer->stop = MLOOM_STOP_TOOL_CALLS;
  } else if (answer->refusal.size > 0 && !decoder->has_text) {
    answer->stop = MLOOM_STOP_REFUSED;
    mloom_answer_emit_text(sink, MLOOM_EVENT_TEXT, (mloom_bytes){answer->refusal.data, answer->refusal.size});
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
