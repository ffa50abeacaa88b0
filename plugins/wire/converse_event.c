/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads messages of a stream and whole answers into blocks.
 */
#include "converse_internal.h"

#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "body.h"

/* ---- Usage and reasons to stop ---- */

/* What was read from the cache and written to it stands beside inputTokens, not inside. */
static void read_usage(mloom_converse_decoder *decoder, mloom_json_reader *reader) {
  mloom_answer_usage *usage = &decoder->answer.usage;
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "inputTokens")) {
      mloom_answer_read_count(reader, &usage->input_tokens);
    } else if (mloom_text_equal(key, "cacheReadInputTokens")) {
      mloom_answer_read_count(reader, &usage->cached_input_tokens);
    } else if (mloom_text_equal(key, "cacheWriteInputTokens")) {
      mloom_answer_read_count(reader, &usage->cache_write_tokens);
    } else if (mloom_text_equal(key, "outputTokens")) {
      mloom_answer_read_count(reader, &usage->output_tokens);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  mloom_answer_usage whole = *usage;
  whole.input_tokens += whole.cached_input_tokens + whole.cache_write_tokens;
  mloom_answer_emit_usage(decoder->sink, &whole);
}

static void read_stop_reason(mloom_converse_decoder *decoder, mloom_json_reader *reader) {
  mloom_converse_answer *answer = &decoder->answer;
  mloom_bytes reason;
  if (!mloom_json_reader_string(reader, &decoder->scratch, &reason) || reason.size == 0) {
    return;
  }
  mloom_text_copy(answer->reason, sizeof(answer->reason), reason);
  answer->stop = MLOOM_STOP_END;
  if (mloom_text_equal(reason, "max_tokens")) {
    answer->stop = MLOOM_STOP_LENGTH;
  } else if (mloom_text_equal(reason, "guardrail_intervened") || mloom_text_equal(reason, "content_filtered") ||
             mloom_text_equal(reason, "refusal")) {
    answer->stop = MLOOM_STOP_REFUSED;
  } else if (mloom_text_equal(reason, "model_context_window_exceeded")) {
    answer->stop = MLOOM_STOP_LENGTH;
    answer->context_full = 1;
  } else if (mloom_text_equal(reason, "malformed_model_output") || mloom_text_equal(reason, "malformed_tool_use")) {
    answer->unusable = 1;
  }
}

/* ---- Blocks ---- */

/* Only calls have a start; other blocks begin with their first piece. */
static int32_t get_block(mloom_blocks *blocks, int64_t index, mloom_block **out) {
  *out = mloom_blocks_find(blocks, index);
  return *out != NULL ? MLOOM_OK : mloom_blocks_add(blocks, index, out);
}

/* A block that has no kind yet takes this one; does it have it? */
static int is_or_becomes(mloom_block *block, uint32_t kind) {
  block->kind = block->kind == MLOOM_BLOCK_UNKNOWN ? kind : block->kind;
  return block->kind == kind;
}

/* The members of toolUse. As a delta its input is a piece of JSON text, in a whole answer an object. */
static int32_t read_call(mloom_converse_decoder *decoder, mloom_bytes event, mloom_block *block,
                         mloom_json_reader *reader) {
  mloom_bytes key;
  mloom_bytes text = {NULL, 0};
  int32_t status = MLOOM_OK;
  if (block->kind != MLOOM_BLOCK_CALL) {
    if (block->kind != MLOOM_BLOCK_UNKNOWN) {
      decoder->malformed = 1;
    }
    decoder->pieces.said.more = 1;
    status = mloom_blocks_begin_call(&decoder->answer.blocks, block);
  }
  if (!mloom_json_reader_object(reader)) {
    return status;
  }
  while (status == MLOOM_OK && mloom_json_reader_key(reader, &key)) {
    decoder->pieces.said.more |= !mloom_text_equal(key, "input");
    if (mloom_text_equal(key, "toolUseId")) {
      mloom_json_reader_string(reader, &decoder->scratch, &text);
      status = mloom_buffer_set(&block->id, text.data, text.size);
    } else if (mloom_text_equal(key, "name")) {
      mloom_json_reader_string(reader, &decoder->scratch, &text);
      status = mloom_buffer_set(&block->name, text.data, text.size);
    } else if (mloom_text_equal(key, "input")) {
      int is_piece = mloom_json_reader_peek(reader) == MLOOM_JSON_STRING;
      if (is_piece) {
        status = mloom_pieces_read(&decoder->pieces, event, reader, MLOOM_EVENT_TOOL_DELTA, block->index,
                                   &decoder->scratch, &text);
      } else {
        decoder->pieces.said.more = 1;
        mloom_json_reader_raw(reader, &text);
      }
      status = status == MLOOM_OK ? mloom_block_add_input(block, text, is_piece ? decoder->sink : NULL) : status;
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  return status;
}

/* Pieces of bytes are encoded one by one: the base64 of the whole is another. */
static int32_t add_redacted(mloom_block *block, mloom_bytes piece) {
  if (block->signature.size == 0) {
    return mloom_buffer_append(&block->signature, piece.data, piece.size);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  int32_t status = mloom_base64_decode(&bytes, block->signature.data, block->signature.size);
  status = status == MLOOM_OK ? mloom_base64_decode(&bytes, piece.data, piece.size) : status;
  if (status == MLOOM_OK) {
    mloom_buffer_clear(&block->signature);
    status = mloom_base64_append(&block->signature, mloom_buffer_string(&bytes), bytes.size);
  }
  return status;
}

/* reasoningContent has text and signature as a delta, and within reasoningText in a whole answer. */
static int32_t read_reasoning(mloom_converse_decoder *decoder, mloom_bytes event, mloom_block *block,
                              mloom_json_reader *reader, int is_inner) {
  mloom_bytes key;
  mloom_bytes text = {NULL, 0};
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_object(reader)) {
    return MLOOM_OK;
  }
  while (status == MLOOM_OK && mloom_json_reader_key(reader, &key)) {
    decoder->pieces.said.more |= !mloom_text_equal(key, "text");
    if (mloom_text_equal(key, "text") && is_or_becomes(block, MLOOM_BLOCK_THINKING)) {
      status = mloom_pieces_read(&decoder->pieces, event, reader, MLOOM_EVENT_REASONING, block->index,
                                 &decoder->scratch, &text);
      status = status == MLOOM_OK ? mloom_block_say(block, text, decoder->sink) : status;
    } else if (mloom_text_equal(key, "signature") && is_or_becomes(block, MLOOM_BLOCK_THINKING)) {
      mloom_json_reader_string(reader, &decoder->scratch, &text);
      status = mloom_buffer_append(&block->signature, text.data, text.size);
    } else if (mloom_text_equal(key, "redactedContent") && is_or_becomes(block, MLOOM_BLOCK_REDACTED)) {
      mloom_json_reader_string(reader, &decoder->scratch, &text);
      status = add_redacted(block, text);
      decoder->malformed |= status == MLOOM_E_INVALID;
      status = status == MLOOM_E_INVALID ? MLOOM_OK : status;
    } else if (mloom_text_equal(key, "reasoningText") && !is_inner) {
      status = read_reasoning(decoder, event, block, reader, 1);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  return status;
}

/* The member of a block or of a delta that says what it is. content lies in event. */
static int32_t read_content(mloom_converse_decoder *decoder, mloom_bytes event, mloom_block *block,
                            mloom_bytes content) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes text = {NULL, 0};
  int32_t status = MLOOM_OK;
  mloom_json_reader_init(&reader, content.data, content.size);
  if (!mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  while (status == MLOOM_OK && mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "text") && is_or_becomes(block, MLOOM_BLOCK_TEXT)) {
      status =
          mloom_pieces_read(&decoder->pieces, event, &reader, MLOOM_EVENT_TEXT, block->index, &decoder->scratch, &text);
      status = status == MLOOM_OK ? mloom_block_say(block, text, decoder->sink) : status;
    } else if (mloom_text_equal(key, "toolUse")) {
      status = read_call(decoder, event, block, &reader);
    } else if (mloom_text_equal(key, "reasoningContent")) {
      status = read_reasoning(decoder, event, block, &reader, 0);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  return status;
}

/* ---- Messages of a stream ---- */

/* The members of an event, whatever their order. */
typedef struct event_parts {
  mloom_bytes content; /* delta or start */
  int64_t index;
} event_parts;

static int32_t split(mloom_converse_decoder *decoder, mloom_bytes data, event_parts *out) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, data.data, data.size);
  if (!mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "delta") || mloom_text_equal(key, "start")) {
      mloom_json_reader_raw(&reader, &out->content);
    } else if (mloom_text_equal(key, "contentBlockIndex")) {
      mloom_json_reader_integer(&reader, &out->index);
    } else if (mloom_text_equal(key, "stopReason")) {
      decoder->pieces.said.more = 1;
      read_stop_reason(decoder, &reader);
    } else if (mloom_text_equal(key, "usage")) {
      decoder->pieces.said.more = 1;
      read_usage(decoder, &reader);
    } else {
      mloom_json_places_skip(&decoder->pieces.places, &reader);
    }
  }
  int32_t end = mloom_json_reader_end(&reader);
  decoder->malformed |= end != MLOOM_OK && end != MLOOM_E_MEMORY;
  return end == MLOOM_E_MEMORY ? end : MLOOM_OK;
}

/* Takes a delta that is as the kept one but for the piece; 0 when the block it is for has changed since. */
static int take_piece(mloom_converse_decoder *decoder, mloom_bytes raw, int32_t *status) {
  const mloom_piece *kept = &decoder->pieces.kept;
  mloom_block *block = mloom_blocks_find(&decoder->answer.blocks, kept->index);
  uint32_t kind = kept->kind == MLOOM_EVENT_TEXT        ? MLOOM_BLOCK_TEXT
                  : kept->kind == MLOOM_EVENT_REASONING ? MLOOM_BLOCK_THINKING
                                                        : MLOOM_BLOCK_CALL;
  mloom_bytes text;
  if (block == NULL || block->kind != kind) {
    return 0;
  }
  *status = mloom_json_unquote(raw, &decoder->scratch, &text);
  if (*status == MLOOM_OK) {
    *status = kind == MLOOM_BLOCK_CALL ? mloom_block_add_input(block, text, decoder->sink)
                                       : mloom_block_say(block, text, decoder->sink);
  }
  return 1;
}

static int32_t take_content(mloom_converse_decoder *decoder, mloom_bytes data, const event_parts *event) {
  mloom_block *block = NULL;
  if (event->index < 0 || event->content.size == 0) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  int32_t status = get_block(&decoder->answer.blocks, event->index, &block);
  return status == MLOOM_OK ? read_content(decoder, data, block, event->content) : status;
}

int32_t mloom_converse_read_message(mloom_converse_decoder *decoder, const mloom_event_stream_message *message) {
  event_parts event = {.content = {NULL, 0}, .index = -1};
  mloom_bytes type = mloom_event_stream_string(message, ":event-type");
  mloom_bytes data = mloom_text_trim(message->payload);
  mloom_bytes raw;
  if (mloom_converse_failure_read_message(&decoder->failure, message)) {
    decoder->has_failure = 1;
    return MLOOM_OK;
  }
  int is_delta = mloom_text_equal(type, "contentBlockDelta");
  int is_content = is_delta || mloom_text_equal(type, "contentBlockStart");
  int is_end = mloom_text_equal(type, "messageStop");
  int is_metadata = mloom_text_equal(type, "metadata");
  if (mloom_text_equal(type, "messageStart")) {
    decoder->started = 1;
  }
  if (!is_content && !is_end && !is_metadata) {
    return MLOOM_OK;
  }
  int32_t status;
  if (is_delta && mloom_pieces_fit(&decoder->pieces, data, &raw) && take_piece(decoder, raw, &status)) {
    return status;
  }
  mloom_pieces_begin(&decoder->pieces);
  status = mloom_answer_repair(&data, &decoder->repaired);
  status = status == MLOOM_OK ? split(decoder, data, &event) : status;
  if (status != MLOOM_OK || decoder->malformed) {
    return status;
  }
  if (is_content) {
    status = take_content(decoder, data, &event);
    if (status == MLOOM_OK && is_delta && !decoder->malformed) {
      mloom_pieces_keep(&decoder->pieces, data);
    }
    return status;
  }
  decoder->done |= is_end;
  decoder->complete |= is_metadata && decoder->done;
  return MLOOM_OK;
}

/* ---- Whole answers ---- */

static int32_t read_block(mloom_converse_decoder *decoder, mloom_bytes raw, int64_t index) {
  mloom_block *block = NULL;
  int32_t status = mloom_blocks_add(&decoder->answer.blocks, index, &block);
  status = status == MLOOM_OK ? read_content(decoder, raw, block, raw) : status;
  if (status == MLOOM_OK && block->kind == MLOOM_BLOCK_UNKNOWN) {
    block->kind = MLOOM_BLOCK_OTHER;
    status = mloom_buffer_set(&block->input, raw.data, raw.size);
  }
  return status;
}

/* {"message":{"role","content":[...]}} */
static int32_t read_output(mloom_converse_decoder *decoder, mloom_json_reader *reader) {
  mloom_bytes key;
  mloom_bytes raw = {NULL, 0};
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_object(reader)) {
    return MLOOM_OK;
  }
  while (status == MLOOM_OK && mloom_json_reader_key(reader, &key)) {
    if (!mloom_text_equal(key, "message") || mloom_json_reader_peek(reader) != MLOOM_JSON_OBJECT) {
      mloom_json_reader_skip(reader);
      continue;
    }
    decoder->started = 1;
    mloom_json_reader_object(reader);
    while (status == MLOOM_OK && mloom_json_reader_key(reader, &key)) {
      if (!mloom_text_equal(key, "content") || mloom_json_reader_peek(reader) != MLOOM_JSON_ARRAY) {
        mloom_json_reader_skip(reader);
        continue;
      }
      mloom_json_reader_array(reader);
      for (int64_t i = 0; status == MLOOM_OK && mloom_json_reader_element(reader); i++) {
        status = mloom_json_reader_raw(reader, &raw) ? read_block(decoder, raw, i) : MLOOM_OK;
      }
    }
  }
  return status;
}

int32_t mloom_converse_read_whole(mloom_converse_decoder *decoder, mloom_bytes data) {
  mloom_json_reader reader;
  mloom_bytes key;
  int32_t status = mloom_answer_repair(&data, &decoder->repaired);
  if (status != MLOOM_OK) {
    return status;
  }
  mloom_json_reader_init(&reader, data.data, data.size);
  if (!mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  while (status == MLOOM_OK && mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "output")) {
      status = read_output(decoder, &reader);
    } else if (mloom_text_equal(key, "stopReason")) {
      read_stop_reason(decoder, &reader);
    } else if (mloom_text_equal(key, "usage")) {
      read_usage(decoder, &reader);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  if (status != MLOOM_OK) {
    return status;
  }
  int32_t end = mloom_json_reader_end(&reader);
  decoder->malformed |= end != MLOOM_OK && end != MLOOM_E_MEMORY;
  decoder->done = decoder->answer.reason[0] != '\0';
  if (!decoder->started && !decoder->malformed) {
    /* A path that is no operation is answered so, with status 200. */
    decoder->has_failure = 1;
    mloom_converse_failure_read(&decoder->failure, data.data, data.size);
  }
  return end == MLOOM_E_MEMORY ? end : MLOOM_OK;
}

void mloom_converse_answer_clear(mloom_converse_answer *answer) {
  mloom_blocks blocks = answer->blocks;
  mloom_blocks_clear(&blocks);
  memset(answer, 0, sizeof(*answer));
  answer->blocks = blocks;
}
