/* SPDX-License-Identifier: Apache-2.0 */
#include "converse_internal.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define EVENT_LIMIT ((size_t)16 * 1024 * 1024)
/* What the service allows. */
#define NAME_LIMIT 64u
#define ID_LIMIT 64u

void mloom_converse_decoder_init(mloom_converse_decoder *decoder) {
  memset(decoder, 0, sizeof(*decoder));
  mloom_answer_reader_init(&decoder->reader, EVENT_LIMIT);
  mloom_event_stream_init(&decoder->frames, EVENT_LIMIT);
  mloom_converse_failure_init(&decoder->failure);
}

void mloom_converse_decoder_reset(mloom_converse_decoder *decoder) {
  mloom_answer_reader_reset(&decoder->reader);
  mloom_event_stream_reset(&decoder->frames);
  mloom_converse_answer_clear(&decoder->answer);
  mloom_pieces_forget(&decoder->pieces);
  mloom_converse_failure_init(&decoder->failure);
  decoder->binary = 0;
  decoder->has_failure = 0;
  decoder->started = 0;
  decoder->done = 0;
  decoder->complete = 0;
  decoder->malformed = 0;
  decoder->damaged = 0;
}

void mloom_converse_decoder_free(mloom_converse_decoder *decoder) {
  mloom_blocks_free(&decoder->answer.blocks);
  mloom_buffer_free(&decoder->scratch);
  mloom_buffer_free(&decoder->repaired);
  mloom_pieces_free(&decoder->pieces);
  mloom_event_stream_free(&decoder->frames);
  mloom_answer_reader_free(&decoder->reader);
}

static int32_t on_message(const mloom_event_stream_message *message, void *userdata) {
  mloom_converse_decoder *decoder = userdata;
  if (decoder->has_failure || decoder->malformed || decoder->complete) {
    return MLOOM_OK;
  }
  return mloom_converse_read_message(decoder, message);
}

/* Server-sent events are not what Converse streams; that they are none of its messages is found at the end. */
static int32_t on_other_event(mloom_bytes event, mloom_bytes data, void *userdata) {
  (void)event;
  (void)data;
  (void)userdata;
  return MLOOM_OK;
}

int32_t mloom_converse_decoder_feed(mloom_converse_decoder *decoder, const char *data, size_t size,
                                    const mloom_event_sink *sink, mloom_error *error) {
  int32_t status;
  if (size == 0) {
    return MLOOM_OK;
  }
  /* A message begins with its length, which is below 16 MB; no text begins with NUL. Content types are wrong too
   * often. */
  decoder->binary |= decoder->reader.received == 0 && data[0] == '\0';
  decoder->sink = sink;
  if (decoder->binary) {
    status = mloom_answer_reader_count(&decoder->reader, size);
    status = status == MLOOM_OK ? mloom_event_stream_feed(&decoder->frames, data, size, on_message, decoder) : status;
  } else {
    status = mloom_answer_reader_feed(&decoder->reader, data, size, on_other_event, decoder);
  }
  decoder->sink = NULL;
  if (status == MLOOM_E_PROTOCOL) {
    decoder->damaged = 1;
    return mloom_error_set(error, status, MLOOM_DOMAIN_PROVIDER,
                           "try again; if it stays so, look at the proxies before the service",
                           "the service sent a message that was damaged on its way: its checksum is wrong");
  }
  return status == MLOOM_OK && decoder->complete ? MLOOM_COMPLETE
                                                 : mloom_answer_failed(status, MLOOM_BLOCKS_LIMITS, error);
}

/* ---- The end of an answer ---- */

/* Is the answer there to its end? Says why not. */
static int32_t check_complete(const mloom_converse_decoder *decoder, int32_t outcome,
                              const mloom_service_names *service, mloom_error *error) {
  if (decoder->damaged) {
    return mloom_answer_broken(error, service, "try again; if it stays so, look at the proxies before the service",
                               "sent a message that was damaged on its way: its checksum is wrong");
  }
  if (decoder->started && decoder->done && !decoder->malformed) {
    return MLOOM_OK;
  }
  mloom_answer_cut cut = {
      .has_begun = decoder->started,
      .malformed = decoder->malformed,
      .outcome = outcome,
      .right_address = "the address of a Bedrock runtime, the part before /model",
      .nothing = "gave an answer that holds no message",
      .cut = "cut the stream before the end of its answer",
  };
  return mloom_answer_report_cut(&decoder->reader, &cut, service, error);
}

static int32_t check_reason(const mloom_converse_answer *answer, const mloom_service_names *service,
                            mloom_error *error) {
  if (answer->context_full) {
    return mloom_answer_context_full(service, error);
  }
  if (!answer->unusable) {
    return MLOOM_OK;
  }
  int32_t code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_PROVIDER,
                                 "try again; if it stays so, use a model that is better at calling tools",
                                 "the service could not read what %s said (%s)", service->model, answer->reason);
  if (error != NULL) {
    error->http_status = 200;
    error->retryable = 1;
  }
  return code;
}

/* The service refuses its own model's words when they come back in a form that it does not allow; a conversation that
 * holds such would be refused for good. */
static void restrict_to(mloom_buffer *text, const char *others, size_t limit) {
  if (text->size > limit) {
    mloom_buffer_truncate(text, limit);
  }
  for (size_t i = 0; i < text->size; i++) {
    char c = text->data[i];
    int is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_plain && (c == '\0' || strchr(others, c) == NULL)) {
      text->data[i] = '_';
    }
  }
}

static void tidy_calls(mloom_blocks *blocks) {
  for (size_t i = 0; i < blocks->count; i++) {
    mloom_block *block = &blocks->items[i];
    if (block->kind == MLOOM_BLOCK_CALL) {
      restrict_to(&block->id, "_.:-", ID_LIMIT);
      restrict_to(&block->name, "_-", NAME_LIMIT);
    }
  }
}

static int32_t hand_over(mloom_converse_answer *answer, uint64_t turn, const mloom_event_sink *sink,
                         mloom_turn_result *out) {
  int32_t status = MLOOM_OK;
  if (answer->stop == MLOOM_STOP_LENGTH || answer->stop == MLOOM_STOP_REFUSED) {
    answer->blocks.call_count = 0; /* the last of them may be cut */
  } else if (answer->blocks.call_count > 0) {
    answer->stop = MLOOM_STOP_TOOL_CALLS;
    tidy_calls(&answer->blocks);
    status = mloom_blocks_hand_over_calls(&answer->blocks, "tooluse", turn, sink);
  }
  if (answer->stop == MLOOM_STOP_REFUSED && status == MLOOM_OK) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer notice = MLOOM_BUFFER_INIT;
    status = mloom_buffer_append_format(&notice, "the service refused to answer: %s", answer->reason);
    mloom_answer_emit_notice(sink, "refusal", &notice);
  }
  out->stop = answer->stop;
  out->tool_call_count = (uint32_t)answer->blocks.call_count;
  return status;
}

int32_t mloom_converse_decoder_finish(mloom_converse_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                      const mloom_service_names *service, const mloom_event_sink *sink,
                                      mloom_turn_result *out, mloom_error *error) {
  if (end->http_status == 0) {
    return end->outcome != MLOOM_OK ? end->outcome : mloom_answer_broken(error, service, NULL, "gave no answer");
  }
  if (end->http_status < 200 || end->http_status > 299) {
    mloom_bytes beginning = mloom_answer_reader_document(&decoder->reader);
    if (!decoder->has_failure) {
      mloom_converse_failure_read(&decoder->failure, beginning.data, beginning.size);
    }
    return mloom_converse_failure_report(&decoder->failure, end->http_status, service, error);
  }
  int32_t status = MLOOM_OK;
  decoder->sink = sink;
  if (decoder->reader.form == MLOOM_ANSWER_DOCUMENT) {
    status = mloom_converse_read_whole(decoder, mloom_answer_reader_document(&decoder->reader));
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
    return mloom_converse_failure_report(&decoder->failure, 200, service, error);
  }
  status = check_complete(decoder, end->outcome, service, error);
  status = status == MLOOM_OK ? check_reason(&decoder->answer, service, error) : status;
  return status == MLOOM_OK
             ? mloom_answer_failed(hand_over(&decoder->answer, turn, sink, out), MLOOM_BLOCKS_LIMITS, error)
             : status;
}
