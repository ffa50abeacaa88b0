/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads events and whole answers into blocks.
 */
#include "messages_internal.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* ---- Usage and reasons to stop ---- */

/* Numbers are totals: a later one takes the place of an earlier one. */
static void read_usage(mloom_messages_decoder *decoder, mloom_bytes raw) {
  mloom_answer_usage *usage = &decoder->answer.usage;
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, raw.data, raw.size);
  if (raw.size == 0 || !mloom_json_reader_object(&reader)) {
    return;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "input_tokens")) {
      mloom_answer_read_count(&reader, &usage->input_tokens);
    } else if (mloom_text_equal(key, "cache_read_input_tokens")) {
      mloom_answer_read_count(&reader, &usage->cached_input_tokens);
    } else if (mloom_text_equal(key, "cache_creation_input_tokens")) {
      mloom_answer_read_count(&reader, &usage->cache_write_tokens);
    } else if (mloom_text_equal(key, "output_tokens")) {
      mloom_answer_read_count(&reader, &usage->output_tokens);
    } else if (mloom_text_equal(key, "output_tokens_details") && mloom_json_reader_object(&reader)) {
      while (mloom_json_reader_key(&reader, &key)) {
        if (mloom_text_equal(key, "thinking_tokens") || mloom_text_equal(key, "reasoning_tokens")) {
          mloom_answer_read_count(&reader, &usage->reasoning_tokens);
        } else {
          mloom_json_reader_skip(&reader);
        }
      }
    } else if (!mloom_text_equal(key, "output_tokens_details")) {
      mloom_json_reader_skip(&reader);
    }
  }
  mloom_answer_usage whole = *usage;
  whole.input_tokens += whole.cached_input_tokens + whole.cache_write_tokens;
  mloom_answer_emit_usage(decoder->sink, &whole);
}

static void read_stop_reason(mloom_messages_decoder *decoder, mloom_json_reader *reader) {
  mloom_messages_answer *answer = &decoder->answer;
  mloom_bytes reason;
  if (!mloom_json_reader_string(reader, &decoder->scratch, &reason) || reason.size == 0) {
    return;
  }
  answer->stop = MLOOM_STOP_END;
  if (mloom_text_equal(reason, "max_tokens")) {
    answer->stop = MLOOM_STOP_LENGTH;
  } else if (mloom_text_equal(reason, "refusal")) {
    answer->stop = MLOOM_STOP_REFUSED;
  } else if (mloom_text_equal(reason, "pause_turn")) {
    answer->stop = MLOOM_STOP_PAUSED;
  } else if (mloom_text_equal(reason, "model_context_window_exceeded")) {
    answer->stop = MLOOM_STOP_LENGTH;
    answer->context_full = 1;
  }
}

static void read_stop_details(mloom_messages_decoder *decoder, mloom_json_reader *reader) {
  mloom_messages_answer *answer = &decoder->answer;
  mloom_bytes key;
  mloom_bytes text;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "category")) {
      mloom_json_reader_string(reader, &decoder->scratch, &text);
      mloom_text_copy(answer->refusal_category, sizeof(answer->refusal_category), text);
    } else if (mloom_text_equal(key, "explanation")) {
      mloom_json_reader_string(reader, &decoder->scratch, &text);
      mloom_text_copy(answer->refusal_explanation, sizeof(answer->refusal_explanation), text);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

/* Members that the delta of message_delta and a whole message have in common. Returns whether key was one. */
static int read_ending(mloom_messages_decoder *decoder, mloom_json_reader *reader, mloom_bytes key) {
  if (mloom_text_equal(key, "stop_reason")) {
    read_stop_reason(decoder, reader);
  } else if (mloom_text_equal(key, "stop_details")) {
    read_stop_details(decoder, reader);
  } else {
    return 0;
  }
  return 1;
}

/* ---- Blocks ---- */

static uint32_t piece_kind(const mloom_block *block) {
  return block->kind == MLOOM_BLOCK_TEXT ? MLOOM_EVENT_TEXT : MLOOM_EVENT_REASONING;
}

static uint32_t kind_of(mloom_bytes type) {
  return mloom_text_equal(type, "text")                ? MLOOM_BLOCK_TEXT
         : mloom_text_equal(type, "thinking")          ? MLOOM_BLOCK_THINKING
         : mloom_text_equal(type, "redacted_thinking") ? MLOOM_BLOCK_REDACTED
         : mloom_text_equal(type, "tool_use")          ? MLOOM_BLOCK_CALL
                                                       : MLOOM_BLOCK_OTHER;
}

/* An object that has members stands as it is; {} is what a stream begins with. */
static int32_t read_input(mloom_block *block, mloom_json_reader *reader) {
  mloom_bytes raw = {NULL, 0};
  if (block->kind != MLOOM_BLOCK_CALL || mloom_json_reader_peek(reader) == MLOOM_JSON_NULL) {
    mloom_json_reader_skip(reader);
    return MLOOM_OK;
  }
  mloom_json_reader_raw(reader, &raw);
  if (raw.size >= 2 && raw.data[0] == '{' && mloom_text_trim((mloom_bytes){raw.data + 1, raw.size - 2}).size == 0) {
    raw.size = 0;
  }
  return raw.size > MLOOM_BLOCK_INPUT_LIMIT ? MLOOM_E_LIMIT : mloom_buffer_set(&block->input, raw.data, raw.size);
}

static int32_t read_block_member(mloom_messages_decoder *decoder, mloom_block *block, mloom_json_reader *reader,
                                 mloom_bytes key) {
  int says = (block->kind == MLOOM_BLOCK_TEXT && mloom_text_equal(key, "text")) ||
             (block->kind == MLOOM_BLOCK_THINKING && mloom_text_equal(key, "thinking"));
  mloom_bytes text = {NULL, 0};
  if (mloom_text_equal(key, "input")) {
    return read_input(block, reader);
  }
  mloom_buffer *kept = mloom_text_equal(key, "signature") ? &block->signature
                       : mloom_text_equal(key, "id")      ? &block->id
                       : mloom_text_equal(key, "name")    ? &block->name
                                                          : NULL;
  if (!says && kept == NULL) {
    mloom_json_reader_skip(reader);
    return MLOOM_OK;
  }
  mloom_json_reader_string(reader, &decoder->scratch, &text);
  return says ? mloom_block_say(block, text, decoder->sink) : mloom_buffer_set(kept, text.data, text.size);
}

static int32_t begin_block(mloom_messages_decoder *decoder, mloom_bytes raw, int64_t index) {
  mloom_block *block = NULL;
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes type = {NULL, 0};
  mloom_json_reader_init(&reader, raw.data, raw.size);
  if (raw.size == 0 || !mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  int32_t status = mloom_blocks_add(&decoder->answer.blocks, index, &block);
  status = status == MLOOM_OK ? mloom_buffer_append(&block->start, raw.data, raw.size) : status;
  while (status == MLOOM_OK && mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "type")) {
      mloom_json_reader_string(&reader, &decoder->scratch, &type);
      block->kind = kind_of(type);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  if (status == MLOOM_OK && block->kind == MLOOM_BLOCK_CALL) {
    status = mloom_blocks_begin_call(&decoder->answer.blocks, block);
  }
  if (status != MLOOM_OK) {
    return status;
  }
  mloom_json_reader_init(&reader, block->start.data, block->start.size);
  mloom_json_reader_object(&reader);
  while (status == MLOOM_OK && mloom_json_reader_key(&reader, &key)) {
    status = read_block_member(decoder, block, &reader, key);
  }
  return status;
}

/* Each kind of delta has one member of its own, which goes by its name; what the type says more is not needed. */
static int32_t read_delta(mloom_messages_decoder *decoder, mloom_bytes event, mloom_bytes delta, int64_t index) {
  mloom_block *block = mloom_blocks_find(&decoder->answer.blocks, index);
  mloom_pieces *pieces = &decoder->pieces;
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes text = {NULL, 0};
  int32_t status = MLOOM_OK;
  mloom_json_reader_init(&reader, delta.data, delta.size);
  if (block == NULL || delta.size == 0 || !mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  while (status == MLOOM_OK && mloom_json_reader_key(&reader, &key)) {
    if ((mloom_text_equal(key, "text") && block->kind == MLOOM_BLOCK_TEXT) ||
        (mloom_text_equal(key, "thinking") && block->kind == MLOOM_BLOCK_THINKING)) {
      status = mloom_pieces_read(pieces, event, &reader, piece_kind(block), index, &decoder->scratch, &text);
      status = status == MLOOM_OK ? mloom_block_say(block, text, decoder->sink) : status;
    } else if (mloom_text_equal(key, "partial_json")) {
      status = mloom_pieces_read(pieces, event, &reader, MLOOM_EVENT_TOOL_DELTA, index, &decoder->scratch, &text);
      status = status == MLOOM_OK ? mloom_block_add_input(block, text, decoder->sink) : status;
    } else if (mloom_text_equal(key, "signature")) {
      pieces->said.more = 1;
      mloom_json_reader_string(&reader, &decoder->scratch, &text);
      status = mloom_buffer_set(&block->signature, text.data, text.size);
    } else if (mloom_text_equal(key, "citation") && mloom_json_reader_raw(&reader, &text)) {
      pieces->said.more = 1;
      status = block->citations.size > 0 ? mloom_buffer_append_char(&block->citations, ',') : MLOOM_OK;
      status = status == MLOOM_OK ? mloom_buffer_append(&block->citations, text.data, text.size) : status;
    } else if (!mloom_text_equal(key, "citation")) {
      mloom_json_reader_skip(&reader);
    }
  }
  return status;
}

/* ---- Events ---- */

static int32_t read_message(mloom_messages_decoder *decoder, mloom_bytes message) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes raw = {NULL, 0};
  int32_t status = MLOOM_OK;
  mloom_json_reader_init(&reader, message.data, message.size);
  if (message.size == 0 || !mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  decoder->started = 1;
  while (status == MLOOM_OK && mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "content") && mloom_json_reader_array(&reader)) {
      for (int64_t i = 0; mloom_json_reader_element(&reader); i++) {
        if (status == MLOOM_OK && mloom_json_reader_raw(&reader, &raw)) {
          status = begin_block(decoder, raw, i);
        } else if (status != MLOOM_OK) {
          mloom_json_reader_skip(&reader);
        }
      }
    } else if (mloom_text_equal(key, "usage")) {
      raw.size = 0;
      mloom_json_reader_raw(&reader, &raw);
      read_usage(decoder, raw);
    } else if (!mloom_text_equal(key, "content") && !read_ending(decoder, &reader, key)) {
      mloom_json_reader_skip(&reader);
    }
  }
  return status;
}

static void read_message_delta(mloom_messages_decoder *decoder, mloom_bytes delta) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, delta.data, delta.size);
  if (delta.size == 0 || !mloom_json_reader_object(&reader)) {
    return;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (!read_ending(decoder, &reader, key)) {
      mloom_json_reader_skip(&reader);
    }
  }
}

/* The members of an event, whatever their order. */
typedef struct event_parts {
  mloom_bytes type;
  mloom_bytes message;
  mloom_bytes content_block;
  mloom_bytes delta;
  mloom_bytes usage;
  int64_t index;
  int has_error;
} event_parts;

static int32_t split(mloom_messages_decoder *decoder, mloom_bytes data, event_parts *out) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, data.data, data.size);
  if (!mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    mloom_bytes *part = mloom_text_equal(key, "message")         ? &out->message
                        : mloom_text_equal(key, "content_block") ? &out->content_block
                        : mloom_text_equal(key, "delta")         ? &out->delta
                        : mloom_text_equal(key, "usage")         ? &out->usage
                                                                 : NULL;
    if (part != NULL) {
      mloom_json_reader_raw(&reader, part);
    } else if (mloom_text_equal(key, "type")) {
      mloom_json_reader_raw(&reader, &out->type);
    } else if (mloom_text_equal(key, "index")) {
      mloom_json_reader_integer(&reader, &out->index);
    } else {
      out->has_error |= mloom_text_equal(key, "error") && mloom_json_reader_peek(&reader) != MLOOM_JSON_NULL;
      mloom_json_places_skip(&decoder->pieces.places, &reader);
    }
  }
  int32_t end = mloom_json_reader_end(&reader);
  decoder->malformed |= end != MLOOM_OK && end != MLOOM_E_MEMORY;
  return end == MLOOM_E_MEMORY ? end : MLOOM_OK;
}

static int is_type(const event_parts *event, mloom_bytes name, const char *type) {
  size_t size = strlen(type);
  if (event->type.size == 0) {
    return mloom_text_equal(name, type);
  }
  return event->type.size == size + 2 && memcmp(event->type.data + 1, type, size) == 0;
}

/* Takes an event that is as the kept one but for the piece; 0 when the block it is for has changed since. */
static int take_piece(mloom_messages_decoder *decoder, mloom_bytes raw, int32_t *status) {
  const mloom_piece *kept = &decoder->pieces.kept;
  mloom_block *block = mloom_blocks_find(&decoder->answer.blocks, kept->index);
  mloom_bytes text;
  if (block == NULL || (kept->kind == MLOOM_EVENT_TEXT && block->kind != MLOOM_BLOCK_TEXT) ||
      (kept->kind == MLOOM_EVENT_REASONING && block->kind != MLOOM_BLOCK_THINKING)) {
    return 0;
  }
  *status = mloom_json_unquote(raw, &decoder->scratch, &text);
  if (*status == MLOOM_OK) {
    *status = kept->kind == MLOOM_EVENT_TOOL_DELTA ? mloom_block_add_input(block, text, decoder->sink)
                                                   : mloom_block_say(block, text, decoder->sink);
  }
  return 1;
}

int32_t mloom_messages_read_event(mloom_messages_decoder *decoder, mloom_bytes name, mloom_bytes data) {
  event_parts event = {.index = -1};
  mloom_bytes raw;
  int32_t status;
  if (mloom_pieces_fit(&decoder->pieces, data, &raw) && take_piece(decoder, raw, &status)) {
    return status;
  }
  mloom_pieces_begin(&decoder->pieces);
  status = mloom_answer_repair(&data, &decoder->repaired);
  status = status == MLOOM_OK ? split(decoder, data, &event) : status;
  if (status != MLOOM_OK || decoder->malformed) {
    return status;
  }
  if (is_type(&event, name, "content_block_delta")) {
    status = read_delta(decoder, data, event.delta, event.index);
    if (status == MLOOM_OK && !decoder->malformed && event.type.size > 0) { /* the name is no part of a template */
      mloom_pieces_keep(&decoder->pieces, data);
    }
    return status;
  }
  if (is_type(&event, name, "content_block_start")) {
    return begin_block(decoder, event.content_block, event.index);
  }
  if (is_type(&event, name, "message_start")) {
    return read_message(decoder, event.message);
  }
  if (is_type(&event, name, "message_delta")) {
    read_message_delta(decoder, event.delta);
    read_usage(decoder, event.usage);
  } else if (is_type(&event, name, "message_stop")) {
    decoder->done = 1;
  } else if (is_type(&event, name, "error") || event.has_error) {
    decoder->has_failure = 1;
    mloom_messages_failure_read(&decoder->failure, data.data, data.size);
  }
  return MLOOM_OK;
}

int32_t mloom_messages_read_whole(mloom_messages_decoder *decoder, mloom_bytes data) {
  event_parts event = {.index = -1};
  int32_t status = mloom_answer_repair(&data, &decoder->repaired);
  status = status == MLOOM_OK ? split(decoder, data, &event) : status;
  if (status != MLOOM_OK || decoder->malformed) {
    return status;
  }
  if (is_type(&event, mloom_text_bytes(""), "message")) {
    decoder->done = 1;
    return read_message(decoder, data);
  }
  mloom_messages_failure_read(&decoder->failure, data.data, data.size);
  decoder->has_failure = event.has_error || decoder->failure.error.message[0] != '\0';
  return MLOOM_OK;
}

void mloom_messages_answer_clear(mloom_messages_answer *answer) {
  mloom_blocks blocks = answer->blocks;
  mloom_blocks_clear(&blocks);
  memset(answer, 0, sizeof(*answer));
  answer->blocks = blocks;
}
