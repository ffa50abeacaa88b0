/* SPDX-License-Identifier: Apache-2.0 */
#include "messages_internal.h"

#include <string.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text.h"

#define EVENT_LIMIT ((size_t)16 * 1024 * 1024)

void mloom_messages_decoder_init(mloom_messages_decoder *decoder) {
  memset(decoder, 0, sizeof(*decoder));
  mloom_answer_reader_init(&decoder->reader, EVENT_LIMIT);
}

void mloom_messages_decoder_reset(mloom_messages_decoder *decoder) {
  mloom_answer_reader_reset(&decoder->reader);
  mloom_messages_answer_clear(&decoder->answer);
  mloom_pieces_forget(&decoder->pieces);
  memset(&decoder->failure, 0, sizeof(decoder->failure));
  decoder->has_failure = 0;
  decoder->started = 0;
  decoder->done = 0;
  decoder->malformed = 0;
}

void mloom_messages_decoder_free(mloom_messages_decoder *decoder) {
  mloom_blocks_free(&decoder->answer.blocks);
  mloom_buffer_free(&decoder->scratch);
  mloom_buffer_free(&decoder->repaired);
  mloom_pieces_free(&decoder->pieces);
  mloom_answer_reader_free(&decoder->reader);
}

static int32_t on_event(mloom_bytes event, mloom_bytes data, void *userdata) {
  mloom_messages_decoder *decoder = userdata;
  data = mloom_text_trim(data);
  if (decoder->done || decoder->has_failure || decoder->malformed || data.size == 0 || data.data[0] != '{') {
    return MLOOM_OK;
  }
  return mloom_messages_read_event(decoder, event, data);
}

int32_t mloom_messages_decoder_feed(mloom_messages_decoder *decoder, const char *data, size_t size,
                                    const mloom_event_sink *sink, mloom_error *error) {
  decoder->sink = sink;
  int32_t status = mloom_answer_reader_feed(&decoder->reader, data, size, on_event, decoder);
  decoder->sink = NULL;
  return mloom_answer_failed(status, MLOOM_BLOCKS_LIMITS, error);
}

int32_t mloom_messages_decoder_feed_event(mloom_messages_decoder *decoder, const char *data, size_t size,
                                          const mloom_event_sink *sink, mloom_error *error) {
  int32_t status = mloom_answer_reader_count(&decoder->reader, size);
  if (status == MLOOM_OK) {
    decoder->reader.form = MLOOM_ANSWER_STREAM;
    decoder->sink = sink;
    status = on_event((mloom_bytes){"", 0}, (mloom_bytes){data, size}, decoder);
    decoder->sink = NULL;
  }
  return mloom_answer_failed(status, MLOOM_BLOCKS_LIMITS, error);
}

/* ---- The end of an answer ---- */

/* Is the answer there to its end? Says why not. */
static int32_t check_complete(const mloom_messages_decoder *decoder, int32_t outcome,
                              const mloom_service_names *service, mloom_error *error) {
  if (decoder->started && decoder->done && !decoder->malformed) {
    return MLOOM_OK;
  }
  mloom_answer_cut cut = {
      .has_begun = decoder->started,
      .malformed = decoder->malformed,
      .outcome = outcome,
      .right_address = "the address of a Messages API, the part before /v1/messages",
      .nothing = "gave an answer that holds no message",
      .cut = "cut the stream before the end of its answer",
  };
  return mloom_answer_report_cut(&decoder->reader, &cut, service, error);
}

/* Imitations of the service say what it never does. */
static void tidy_calls(mloom_blocks *blocks) {
  for (size_t i = 0; i < blocks->count; i++) {
    mloom_block *block = &blocks->items[i];
    if (block->kind == MLOOM_BLOCK_CALL) {
      mloom_answer_hide_controls(&block->id);
      mloom_answer_hide_controls(&block->name);
    }
  }
}

static int32_t report_refusal(const mloom_messages_answer *answer, const mloom_event_sink *sink) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer notice = MLOOM_BUFFER_INIT;
  int32_t status = mloom_buffer_append_format(
      &notice, "the service refused to answer%s%s%s%s", answer->refusal_category[0] != '\0' ? ", category " : "",
      answer->refusal_category, answer->refusal_explanation[0] != '\0' ? ": " : "", answer->refusal_explanation);
  if (status == MLOOM_OK) {
    mloom_answer_emit_notice(sink, "refusal", &notice);
  }
  return status;
}

static int32_t hand_over(mloom_messages_decoder *decoder, uint64_t turn, const mloom_event_sink *sink,
                         mloom_turn_result *out) {
  mloom_messages_answer *answer = &decoder->answer;
  int32_t status = MLOOM_OK;
  if (answer->stop == MLOOM_STOP_LENGTH || answer->stop == MLOOM_STOP_REFUSED) {
    answer->blocks.call_count = 0; /* the last of them may be cut */
  } else if (answer->blocks.call_count > 0) {
    answer->stop = MLOOM_STOP_TOOL_CALLS;
    tidy_calls(&answer->blocks);
    status = mloom_blocks_hand_over_calls(&answer->blocks, "toolu", turn, sink);
  }
  if (answer->stop == MLOOM_STOP_REFUSED) {
    status = report_refusal(answer, sink);
  }
  out->stop = answer->stop;
  out->tool_call_count = (uint32_t)answer->blocks.call_count;
  return status;
}

int32_t mloom_messages_decoder_finish(mloom_messages_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                      const mloom_service_names *service, const mloom_event_sink *sink,
                                      mloom_turn_result *out, mloom_error *error) {
  if (end->http_status == 0) {
    return end->outcome != MLOOM_OK ? end->outcome : mloom_answer_broken(error, service, NULL, "gave no answer");
  }
  if (end->http_status < 200 || end->http_status > 299) {
    mloom_bytes beginning = mloom_answer_reader_document(&decoder->reader);
    mloom_messages_failure_read(&decoder->failure, beginning.data, beginning.size);
    return mloom_messages_failure_report(&decoder->failure, end->http_status, service, error);
  }
  int32_t status = MLOOM_OK;
  decoder->sink = sink;
  if (decoder->reader.form == MLOOM_ANSWER_DOCUMENT) {
    status = mloom_messages_read_whole(decoder, mloom_answer_reader_document(&decoder->reader));
  }
  decoder->sink = NULL;
  if (status != MLOOM_OK) {
    return mloom_answer_failed(status, MLOOM_BLOCKS_LIMITS, error);
  }
  if (decoder->reader.form == MLOOM_ANSWER_OTHER) {
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
    return mloom_answer_context_full(service, error);
  }
  return mloom_answer_failed(hand_over(decoder, turn, sink, out), MLOOM_BLOCKS_LIMITS, error);
}
