/* SPDX-License-Identifier: Apache-2.0 */
#include "chat_internal.h"

#include "config.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* Content may hold lists of parts that hold lists of parts. */
#define PART_DEPTH 4

static int32_t hand_on(mloom_chat_decoder *decoder, uint32_t kind, mloom_bytes text) {
  if (text.size == 0) {
    return MLOOM_OK;
  }
  mloom_buffer *kept = kind == MLOOM_EVENT_TEXT ? &decoder->answer.text : &decoder->answer.reasoning;
  int32_t status = mloom_buffer_append(kept, text.data, text.size);
  if (status == MLOOM_OK) {
    mloom_answer_emit_text(decoder->sink, kind, text);
  }
  return status;
}

static int32_t read_piece(mloom_chat_decoder *decoder, mloom_json_reader *reader, uint32_t kind, mloom_bytes *text) {
  mloom_bytes document = {reader->data, reader->size};
  return mloom_pieces_read(&decoder->pieces, document, reader, kind, -1, &decoder->scratch, text);
}

/* A string, null, or a list of parts with texts, some of them thoughts. */
static int32_t read_content(mloom_chat_decoder *decoder, mloom_json_reader *reader, uint32_t kind, int depth) {
  mloom_bytes text;
  mloom_bytes key;
  int next = mloom_json_reader_peek(reader);
  int32_t status = MLOOM_OK;
  if (next == MLOOM_JSON_STRING) {
    status = read_piece(decoder, reader, kind, &text);
    return status == MLOOM_OK ? hand_on(decoder, kind, text) : status;
  }
  if (depth >= PART_DEPTH || (next != MLOOM_JSON_ARRAY && next != MLOOM_JSON_OBJECT)) {
    mloom_json_reader_skip(reader);
    return MLOOM_OK;
  }
  if (next == MLOOM_JSON_ARRAY) {
    mloom_json_reader_array(reader);
    while (mloom_json_reader_element(reader)) {
      if (status == MLOOM_OK) {
        status = read_content(decoder, reader, kind, depth + 1);
      } else {
        mloom_json_reader_skip(reader);
      }
    }
    return status;
  }
  mloom_json_reader_object(reader);
  while (mloom_json_reader_key(reader, &key)) {
    if (status == MLOOM_OK && mloom_text_equal(key, "text")) {
      status = read_content(decoder, reader, kind, depth + 1);
    } else if (status == MLOOM_OK && mloom_text_equal(key, "thinking")) {
      status = read_content(decoder, reader, MLOOM_EVENT_REASONING, depth + 1);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  return status;
}

/* {"name":...,"arguments":...}: the texts go to piece, by way of buffers that outlive the next member. */
static int32_t read_function(mloom_chat_decoder *decoder, mloom_json_reader *reader, mloom_chat_call_piece *piece) {
  mloom_buffer *name = &decoder->call_name;
  mloom_buffer *arguments = &decoder->call_arguments;
  mloom_bytes key;
  mloom_bytes text;
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_object(reader)) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "name")) {
      mloom_buffer_clear(name);
      mloom_json_reader_append_string(reader, name);
    } else if (mloom_text_equal(key, "arguments") || mloom_text_equal(key, "parameters")) {
      int kind = mloom_json_reader_peek(reader);
      if (kind == MLOOM_JSON_OBJECT || kind == MLOOM_JSON_ARRAY) {
        mloom_bytes raw = {NULL, 0};
        mloom_json_reader_raw(reader, &raw);
        piece->whole = 1;
        piece->arguments = raw;
      } else {
        status = status == MLOOM_OK ? read_piece(decoder, reader, MLOOM_EVENT_TOOL_DELTA, &text) : status;
        if (status == MLOOM_OK && text.size > 0) {
          mloom_buffer_clear(arguments);
          status = mloom_buffer_append(arguments, text.data, text.size);
          piece->arguments = (mloom_bytes){mloom_buffer_string(arguments), arguments->size};
        }
      }
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  piece->name = (mloom_bytes){mloom_buffer_string(name), name->size};
  return status;
}

/* One element of tool_calls; flat ones, {"name":...,"arguments":...}, are accepted too. A place of 0 or more overrides
 * the index that the server gives. */
static int32_t read_call(mloom_chat_decoder *decoder, mloom_json_reader *reader, int64_t place, int legacy) {
  mloom_buffer *id = &decoder->call_id;
  mloom_buffer *name = &decoder->call_name;
  mloom_chat_call_piece piece = {.index = place};
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  mloom_buffer_clear(id);
  mloom_buffer_clear(name);
  if (legacy) {
    status = read_function(decoder, reader, &piece);
  } else if (!mloom_json_reader_object(reader)) {
    return MLOOM_OK;
  } else {
    while (mloom_json_reader_key(reader, &key)) {
      int64_t index;
      if (mloom_text_equal(key, "index") && place < 0) {
        piece.index = mloom_json_reader_integer(reader, &index) && index >= 0 ? index : -1;
      } else if (mloom_text_equal(key, "id")) {
        mloom_buffer_clear(id);
        mloom_json_reader_append_string(reader, id);
      } else if (status == MLOOM_OK && mloom_text_equal(key, "function")) {
        status = read_function(decoder, reader, &piece);
      } else if (mloom_text_equal(key, "extra_content") && mloom_json_reader_peek(reader) == MLOOM_JSON_OBJECT) {
        mloom_json_reader_raw(reader, &piece.extra);
      } else if (mloom_text_equal(key, "name") && name->size == 0) {
        mloom_json_reader_append_string(reader, name);
        piece.name = (mloom_bytes){mloom_buffer_string(name), name->size};
      } else {
        mloom_json_reader_skip(reader);
      }
    }
  }
  piece.id = (mloom_bytes){mloom_buffer_string(id), id->size};
  decoder->pieces.said.more |= piece.id.size > 0 || piece.name.size > 0 || piece.extra.size > 0 || piece.whole;
  if (piece.arguments.size > 0) {
    decoder->pieces.said.index = piece.index;
  }
  if (status != MLOOM_OK) {
    return status;
  }
  if (reader->status != MLOOM_OK ||
      (piece.id.size == 0 && piece.name.size == 0 && piece.arguments.size == 0 && piece.extra.size == 0)) {
    return reader->status == MLOOM_E_MEMORY ? MLOOM_E_MEMORY : MLOOM_OK;
  }
  return mloom_chat_add_call_piece(decoder, &piece);
}

static int32_t read_calls(mloom_chat_decoder *decoder, mloom_json_reader *reader, int streamed) {
  int32_t status = MLOOM_OK;
  if (mloom_json_reader_peek(reader) == MLOOM_JSON_OBJECT) {
    return read_call(decoder, reader, -1, 0);
  }
  if (!mloom_json_reader_array(reader)) {
    return MLOOM_OK;
  }
  /* In a whole answer each element is a call of its own, whatever index it claims. */
  for (int64_t i = 0; mloom_json_reader_element(reader); i++) {
    if (status == MLOOM_OK) {
      status = read_call(decoder, reader, streamed ? -1 : i, 0);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  return status;
}

/* Of how the model reasoned, what only the service can read: some want it back with the calls that it led to. */
static int32_t read_reasoning_details(mloom_chat_decoder *decoder, mloom_json_reader *reader) {
  static const char encrypted[] = "\"reasoning.encrypted\"";
  mloom_buffer *kept = &decoder->answer.details;
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_array(reader)) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_element(reader)) {
    mloom_bytes raw = {NULL, 0};
    if (mloom_json_reader_raw(reader, &raw) && raw.data[0] == '{' && status == MLOOM_OK &&
        memmem(raw.data, raw.size, encrypted, sizeof(encrypted) - 1) != NULL) {
      decoder->pieces.said.more = 1;
      status = mloom_buffer_append_char(kept, kept->size == 0 ? '[' : ',');
      status = status == MLOOM_OK ? mloom_buffer_append(kept, raw.data, raw.size) : status;
    }
  }
  return status;
}

static int32_t read_message(mloom_chat_decoder *decoder, mloom_json_reader *reader, int streamed) {
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  size_t reasoning_before = decoder->answer.reasoning.size;
  if (!mloom_json_reader_object(reader)) {
    return MLOOM_OK;
  }
  decoder->has_choice = 1;
  while (mloom_json_reader_key(reader, &key)) {
    if (status != MLOOM_OK) {
      mloom_json_reader_skip(reader);
    } else if (mloom_text_equal(key, "content")) {
      status = read_content(decoder, reader, MLOOM_EVENT_TEXT, 0);
    } else if (mloom_text_equal(key, "tool_calls")) {
      status = read_calls(decoder, reader, streamed);
    } else if (mloom_text_equal(key, "function_call")) {
      status = read_call(decoder, reader, -1, 1);
    } else if (mloom_text_equal(key, "reasoning_content") || mloom_text_equal(key, "reasoning")) {
      /* Some servers send the same words under both names. */
      if (decoder->answer.reasoning.size == reasoning_before) {
        status = read_content(decoder, reader, MLOOM_EVENT_REASONING, 0);
      } else {
        mloom_json_reader_skip(reader);
      }
    } else if (mloom_text_equal(key, "reasoning_details")) {
      status = read_reasoning_details(decoder, reader);
    } else if (mloom_text_equal(key, "refusal")) {
      decoder->pieces.said.more |= mloom_json_reader_peek(reader) != MLOOM_JSON_NULL;
      mloom_json_reader_append_string(reader, &decoder->answer.refusal);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  return status;
}

static void read_finish_reason(mloom_chat_decoder *decoder, mloom_json_reader *reader) {
  mloom_bytes reason;
  if (!mloom_json_reader_string(reader, &decoder->scratch, &reason) || reason.size == 0) {
    return;
  }
  mloom_chat_answer *answer = &decoder->answer;
  decoder->pieces.said.more = 1;
  if (mloom_text_equal(reason, "error")) {
    decoder->has_failure = 1;
    return;
  }
  answer->finished = 1;
  if (mloom_text_equal(reason, "length") || mloom_text_equal(reason, "max_tokens") ||
      mloom_text_equal(reason, "model_length")) {
    answer->stop = MLOOM_STOP_LENGTH;
  } else if (mloom_text_equal(reason, "content_filter") || mloom_text_equal(reason, "safety") ||
             mloom_text_equal(reason, "refusal")) {
    answer->stop = MLOOM_STOP_REFUSED;
  } else {
    answer->stop = MLOOM_STOP_END;
  }
}

static int32_t read_choices(mloom_chat_decoder *decoder, mloom_json_reader *reader) {
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_array(reader)) {
    return MLOOM_OK;
  }
  for (size_t i = 0; mloom_json_reader_element(reader); i++) {
    if (i > 0 || !mloom_json_reader_object(reader)) { /* only one is ever asked for */
      if (i > 0) {
        mloom_json_reader_skip(reader);
      }
      continue;
    }
    while (mloom_json_reader_key(reader, &key)) {
      if (status == MLOOM_OK && mloom_text_equal(key, "delta")) {
        status = read_message(decoder, reader, 1);
      } else if (status == MLOOM_OK && mloom_text_equal(key, "message") && decoder->answer.text.size == 0 &&
                 decoder->answer.call_count == 0) {
        decoder->pieces.said.more = 1;
        status = read_message(decoder, reader, 0);
      } else if (mloom_text_equal(key, "finish_reason")) {
        decoder->has_choice = 1;
        read_finish_reason(decoder, reader);
      } else {
        mloom_json_reader_skip(reader);
      }
    }
  }
  return status;
}

static void read_details(mloom_answer_usage *usage, mloom_json_reader *reader) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "cached_tokens")) {
      mloom_answer_read_count(reader, &usage->cached_input_tokens);
    } else if (mloom_text_equal(key, "cache_write_tokens")) {
      mloom_answer_read_count(reader, &usage->cache_write_tokens);
    } else if (mloom_text_equal(key, "reasoning_tokens")) {
      mloom_answer_read_count(reader, &usage->reasoning_tokens);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static void read_usage(mloom_chat_decoder *decoder, mloom_json_reader *reader) {
  mloom_answer_usage *usage = &decoder->answer.usage;
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  decoder->pieces.said.more = 1;
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "prompt_tokens")) {
      mloom_answer_read_count(reader, &usage->input_tokens);
    } else if (mloom_text_equal(key, "completion_tokens")) {
      mloom_answer_read_count(reader, &usage->output_tokens);
    } else if (mloom_text_equal(key, "prompt_cache_hit_tokens")) {
      mloom_answer_read_count(reader, &usage->cached_input_tokens);
    } else if (mloom_text_equal(key, "prompt_tokens_details") || mloom_text_equal(key, "completion_tokens_details")) {
      read_details(usage, reader);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  mloom_answer_emit_usage(decoder->sink, usage);
}

/* Takes a document that fits the template: what it says stands in a hole. */
static int32_t take_piece(mloom_chat_decoder *decoder, mloom_bytes raw) {
  const mloom_piece *kept = &decoder->pieces.kept;
  mloom_bytes text;
  int32_t status = mloom_json_unquote(raw, &decoder->scratch, &text);
  if (status != MLOOM_OK) {
    return status;
  }
  decoder->has_choice = 1;
  if (kept->kind != MLOOM_EVENT_TOOL_DELTA) {
    return hand_on(decoder, kept->kind, text);
  }
  mloom_chat_call_piece piece = {.arguments = text, .index = kept->index};
  return mloom_chat_add_call_piece(decoder, &piece);
}

int32_t mloom_chat_read_document(mloom_chat_decoder *decoder, const char *data, size_t size) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes raw;
  int32_t status = MLOOM_OK;
  int is_error_object = 0;
  if (mloom_pieces_fit(&decoder->pieces, (mloom_bytes){data, size}, &raw)) {
    return take_piece(decoder, raw);
  }
  mloom_pieces_begin(&decoder->pieces);
  if (!mloom_text_is_utf8(data, size)) {
    mloom_buffer_clear(&decoder->repaired);
    if (mloom_text_append_utf8(&decoder->repaired, data, size) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
    data = decoder->repaired.data;
    size = decoder->repaired.size;
  }
  mloom_json_reader_init(&reader, data, size);
  if (!mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (status == MLOOM_OK && mloom_text_equal(key, "choices")) {
      status = read_choices(decoder, &reader);
    } else if (mloom_text_equal(key, "usage")) {
      read_usage(decoder, &reader);
    } else if (mloom_text_equal(key, "error")) {
      int kind = mloom_json_reader_peek(&reader);
      decoder->pieces.said.more |= kind != MLOOM_JSON_NULL;
      mloom_service_error_read_value(&decoder->failure, &reader, &decoder->scratch);
      decoder->has_failure |=
          kind == MLOOM_JSON_OBJECT || (kind == MLOOM_JSON_STRING && decoder->failure.message[0] != '\0');
    } else if (mloom_text_equal(key, "object")) {
      mloom_bytes object;
      is_error_object =
          mloom_json_reader_string(&reader, &decoder->scratch, &object) && mloom_text_equal(object, "error");
      decoder->pieces.said.more |= is_error_object;
    } else {
      mloom_json_places_skip(&decoder->pieces.places, &reader);
    }
  }
  if (status != MLOOM_OK) {
    return status;
  }
  int32_t end = mloom_json_reader_end(&reader);
  if (end == MLOOM_E_MEMORY) {
    return end;
  }
  if (end != MLOOM_OK) {
    decoder->malformed = 1;
  } else {
    mloom_pieces_keep(&decoder->pieces, (mloom_bytes){data, size});
  }
  if (is_error_object && !decoder->has_failure) {
    decoder->has_failure = 1;
    mloom_service_error_read_body(&decoder->failure, data, size);
  }
  return MLOOM_OK;
}

void mloom_chat_drop_calls(mloom_chat_answer *answer) {
  for (size_t i = 0; i < answer->call_count; i++) {
    mloom_buffer_free(&answer->calls[i].id);
    mloom_buffer_free(&answer->calls[i].name);
    mloom_buffer_free(&answer->calls[i].arguments);
    mloom_buffer_free(&answer->calls[i].extra);
    mloom_buffer_free(&answer->calls[i].details);
  }
  answer->call_count = 0;
}

void mloom_chat_answer_clear(mloom_chat_answer *answer) {
  mloom_buffer_clear(&answer->text);
  mloom_buffer_clear(&answer->reasoning);
  mloom_buffer_clear(&answer->refusal);
  mloom_buffer_clear(&answer->details);
  mloom_chat_drop_calls(answer);
  answer->stop = MLOOM_STOP_END;
  answer->finished = 0;
  memset(&answer->usage, 0, sizeof(answer->usage));
}
