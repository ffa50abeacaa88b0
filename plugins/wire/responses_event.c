/* SPDX-License-Identifier: Apache-2.0
 *
 * The events of a stream, the items in them and the response that ends it. The item that an output_item.done brings is
 * the truth; deltas are for display.
 */
#include "responses_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

static void hand_on(mloom_responses_decoder *decoder, uint32_t kind, mloom_bytes text) {
  if (text.size > 0) {
    decoder->has_text |= kind == MLOOM_EVENT_TEXT;
    mloom_answer_emit_text(decoder->sink, kind, text);
  }
}

/* ---- Items ---- */

void mloom_responses_item_free(mloom_responses_item *item) {
  mloom_buffer_free(&item->raw);
  mloom_buffer_free(&item->id);
  mloom_buffer_free(&item->call_id);
  mloom_buffer_free(&item->name);
  mloom_buffer_free(&item->arguments);
}

void mloom_responses_answer_clear(mloom_responses_answer *answer) {
  for (size_t i = 0; i < answer->item_count; i++) {
    mloom_responses_item_free(&answer->items[i]);
  }
  answer->item_count = 0;
  mloom_buffer_clear(&answer->refusal);
  answer->stop = MLOOM_STOP_END;
  memset(&answer->usage, 0, sizeof(answer->usage));
}

static mloom_responses_item *find_item(mloom_responses_answer *answer, int64_t index) {
  for (size_t i = answer->item_count; i > 0; i--) {
    if (answer->items[i - 1].index == index) {
      return &answer->items[i - 1];
    }
  }
  return NULL;
}

/* The item at index, a new one when there is none. */
static int32_t get_item(mloom_responses_answer *answer, int64_t index, mloom_responses_item **out) {
  *out = find_item(answer, index);
  if (*out != NULL) {
    return MLOOM_OK;
  }
  if (answer->item_count >= MLOOM_RESPONSES_ITEMS_LIMIT) {
    return MLOOM_E_LIMIT;
  }
  if (answer->item_count == answer->item_capacity) {
    size_t capacity = answer->item_capacity == 0 ? 8 : answer->item_capacity * 2;
    mloom_responses_item *items = realloc(answer->items, capacity * sizeof(*items));
    if (items == NULL) {
      return MLOOM_E_MEMORY;
    }
    answer->items = items;
    answer->item_capacity = capacity;
  }
  size_t place = answer->item_count;
  while (place > 0 && answer->items[place - 1].index > index) {
    place--;
  }
  memmove(&answer->items[place + 1], &answer->items[place], (answer->item_count - place) * sizeof(*answer->items));
  answer->item_count++;
  *out = &answer->items[place];
  memset(*out, 0, sizeof(**out));
  (*out)->index = index;
  return MLOOM_OK;
}

static uint32_t kind_of(mloom_bytes type) {
  return mloom_text_equal(type, "message")         ? MLOOM_RESPONSES_MESSAGE
         : mloom_text_equal(type, "reasoning")     ? MLOOM_RESPONSES_REASONING
         : mloom_text_equal(type, "function_call") ? MLOOM_RESPONSES_CALL
                                                   : MLOOM_RESPONSES_OTHER;
}

/* Reads type and names of an item into a fresh one; raw stays empty. */
static int32_t read_item(mloom_responses_item *out, mloom_bytes text, mloom_buffer *scratch) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes value;
  memset(out, 0, sizeof(*out));
  mloom_json_reader_init(&reader, text.data, text.size);
  if (!mloom_json_reader_object(&reader)) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "type")) {
      mloom_json_reader_string(&reader, scratch, &value);
      out->kind = kind_of(value);
    } else if (mloom_text_equal(key, "id")) {
      mloom_buffer_clear(&out->id);
      mloom_json_reader_append_string(&reader, &out->id);
    } else if (mloom_text_equal(key, "call_id")) {
      mloom_buffer_clear(&out->call_id);
      mloom_json_reader_append_string(&reader, &out->call_id);
    } else if (mloom_text_equal(key, "name")) {
      mloom_buffer_clear(&out->name);
      mloom_json_reader_append_string(&reader, &out->name);
    } else if (mloom_text_equal(key, "arguments")) {
      mloom_buffer_clear(&out->arguments);
      mloom_json_reader_append_string(&reader, &out->arguments);
    } else if (mloom_text_equal(key, "encrypted_content")) {
      mloom_json_reader_string(&reader, scratch, &value);
      out->has_encrypted = value.size > 0;
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  out->has_call_id = out->call_id.size > 0;
  if (out->arguments.size > MLOOM_RESPONSES_ARGUMENTS_LIMIT || out->call_id.size > 512 || out->name.size > 512) {
    return MLOOM_E_LIMIT;
  }
  return reader.status == MLOOM_E_MEMORY ? MLOOM_E_MEMORY : MLOOM_OK;
}

/* Hands on the texts of a list of parts: content of a message, summary or content of reasoning. */
static int32_t show_parts(mloom_responses_decoder *decoder, mloom_json_reader *reader, uint32_t kind) {
  mloom_bytes key;
  mloom_bytes text;
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_array(reader)) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_element(reader)) {
    if (!mloom_json_reader_object(reader)) {
      continue;
    }
    while (mloom_json_reader_key(reader, &key)) {
      if (mloom_text_equal(key, "text")) {
        mloom_json_reader_string(reader, &decoder->scratch, &text);
        hand_on(decoder, kind, text);
      } else if (mloom_text_equal(key, "refusal") && kind == MLOOM_EVENT_TEXT) {
        mloom_json_reader_string(reader, &decoder->scratch, &text);
        if (status == MLOOM_OK && text.size > 0) {
          status = mloom_buffer_append(&decoder->answer.refusal, text.data, text.size);
        }
      } else {
        mloom_json_reader_skip(reader);
      }
    }
  }
  return status;
}

/* Shows an item of which no piece was shown before. */
static int32_t show_item(mloom_responses_decoder *decoder, mloom_responses_item *item) {
  mloom_json_reader reader;
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  if (item->shown || (item->kind != MLOOM_RESPONSES_MESSAGE && item->kind != MLOOM_RESPONSES_REASONING)) {
    return MLOOM_OK;
  }
  item->shown = 1;
  mloom_json_reader_init(&reader, mloom_buffer_string(&item->raw), item->raw.size);
  mloom_json_reader_object(&reader);
  while (mloom_json_reader_key(&reader, &key)) {
    int is_content = mloom_text_equal(key, "content");
    if (status == MLOOM_OK && item->kind == MLOOM_RESPONSES_MESSAGE && is_content) {
      status = show_parts(decoder, &reader, MLOOM_EVENT_TEXT);
    } else if (status == MLOOM_OK && item->kind == MLOOM_RESPONSES_REASONING &&
               (is_content || mloom_text_equal(key, "summary"))) {
      status = show_parts(decoder, &reader, MLOOM_EVENT_REASONING);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  return status;
}

/* Takes an item over. A whole one replaces what was known of it. */
static int32_t put_item(mloom_responses_decoder *decoder, int64_t index, mloom_bytes text, int complete) {
  mloom_responses_item fresh;
  mloom_responses_item *item = NULL;
  if (text.size == 0 || text.data[0] != '{') {
    return MLOOM_OK;
  }
  int32_t status = read_item(&fresh, text, &decoder->scratch);
  if (status == MLOOM_OK && complete) {
    status = mloom_buffer_append(&fresh.raw, text.data, text.size);
  }
  if (status == MLOOM_OK) {
    status = get_item(&decoder->answer, index, &item);
  }
  if (status != MLOOM_OK || (item->complete && !complete)) {
    mloom_responses_item_free(&fresh);
    return status;
  }
  fresh.index = index;
  fresh.complete = complete != 0;
  fresh.shown = item->shown;
  mloom_responses_item_free(item);
  *item = fresh;
  return complete ? show_item(decoder, item) : MLOOM_OK;
}

/* ---- Responses ---- */

static void read_usage(mloom_answer_usage *usage, mloom_json_reader *reader) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "input_tokens")) {
      mloom_answer_read_count(reader, &usage->input_tokens);
    } else if (mloom_text_equal(key, "output_tokens")) {
      mloom_answer_read_count(reader, &usage->output_tokens);
    } else if (mloom_text_equal(key, "input_tokens_details") || mloom_text_equal(key, "output_tokens_details")) {
      read_usage(usage, reader); /* as deep as the reader allows */
    } else if (mloom_text_equal(key, "cached_tokens")) {
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

/* Is the item at this place of the output the one that came at this place of the stream? Ids change on the way through
 * some services, so that kind and place decide where they do not match. */
static mloom_responses_item *find_match(mloom_responses_answer *answer, int64_t place,
                                        const mloom_responses_item *last) {
  for (size_t i = 0; i < answer->item_count && last->id.size > 0; i++) {
    if (mloom_buffer_equal(&answer->items[i].id, &last->id)) {
      return &answer->items[i];
    }
  }
  mloom_responses_item *item = find_item(answer, place);
  return item != NULL && item->kind == last->kind ? item : NULL;
}

/* Some services fill in what they encrypted, or whole items, only at the end. */
static int32_t merge_item(mloom_responses_decoder *decoder, int64_t place, mloom_bytes text) {
  mloom_responses_item last;
  int64_t index = place;
  int wanted = 1;
  int32_t status = read_item(&last, text, &decoder->scratch);
  if (status == MLOOM_OK) {
    mloom_responses_item *item = find_match(&decoder->answer, place, &last);
    if (item != NULL) {
      index = item->index;
      wanted = !item->complete || (last.has_encrypted && !item->has_encrypted);
    } else {
      item = find_item(&decoder->answer, place);
      wanted = item == NULL || !item->complete;
    }
  }
  mloom_responses_item_free(&last);
  return status == MLOOM_OK && wanted ? put_item(decoder, index, text, 1) : status;
}

static int32_t merge_output(mloom_responses_decoder *decoder, mloom_json_reader *reader) {
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_array(reader)) {
    return MLOOM_OK;
  }
  for (int64_t place = 0; mloom_json_reader_element(reader); place++) {
    mloom_bytes text = {NULL, 0};
    mloom_json_reader_raw(reader, &text);
    if (status == MLOOM_OK && text.size > 0 && text.data[0] == '{') {
      status = merge_item(decoder, place, text);
    }
  }
  return status;
}

static void fail(mloom_responses_decoder *decoder, const char *message) {
  decoder->has_failure = 1;
  if (decoder->failure.message[0] == '\0') {
    strncpy(decoder->failure.message, message, sizeof(decoder->failure.message) - 1);
  }
}

static void read_incomplete(mloom_responses_decoder *decoder, mloom_json_reader *reader) {
  mloom_bytes key;
  mloom_bytes reason;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "reason")) {
      mloom_json_reader_string(reader, &decoder->scratch, &reason);
      decoder->answer.stop = mloom_text_equal(reason, "content_filter") ? MLOOM_STOP_REFUSED : MLOOM_STOP_LENGTH;
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

/* Takes the state of a response, the last word on how it ended. */
static void read_status(mloom_responses_decoder *decoder, mloom_bytes state) {
  if (mloom_text_equal(state, "completed")) {
    decoder->terminal = 1;
  } else if (mloom_text_equal(state, "incomplete")) {
    decoder->terminal = 1;
    if (decoder->answer.stop == MLOOM_STOP_END) {
      decoder->answer.stop = MLOOM_STOP_LENGTH; /* no reason given: what is there may be cut */
    }
  } else if (mloom_text_equal(state, "failed")) {
    fail(decoder, "the response failed");
  } else if (mloom_text_equal(state, "cancelled")) {
    fail(decoder, "the response was cancelled");
  }
}

int32_t mloom_responses_read_response(mloom_responses_decoder *decoder, mloom_bytes text) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes state;
  int32_t status = MLOOM_OK;
  mloom_json_reader_init(&reader, text.data, text.size);
  if (!mloom_json_reader_object(&reader)) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "status")) {
      mloom_json_reader_string(&reader, &decoder->scratch, &state);
      read_status(decoder, state);
    } else if (mloom_text_equal(key, "error") && mloom_json_reader_peek(&reader) != MLOOM_JSON_NULL) {
      mloom_service_error_read_value(&decoder->failure, &reader, &decoder->scratch);
      decoder->has_failure = 1;
    } else if (mloom_text_equal(key, "incomplete_details")) {
      read_incomplete(decoder, &reader);
    } else if (mloom_text_equal(key, "usage")) {
      read_usage(&decoder->answer.usage, &reader);
    } else if (mloom_text_equal(key, "output") && status == MLOOM_OK) {
      decoder->has_response |= mloom_json_reader_peek(&reader) == MLOOM_JSON_ARRAY;
      status = merge_output(decoder, &reader);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  const mloom_answer_usage *usage = &decoder->answer.usage;
  if (status == MLOOM_OK && usage->input_tokens + usage->output_tokens > 0) {
    mloom_answer_emit_usage(decoder->sink, usage);
  }
  return status;
}

/* ---- Events ---- */

/* The members that events have, in whatever order they come. */
typedef struct event_parts {
  char type[64];
  int64_t output_index;
  int64_t part_index;
  mloom_bytes delta; /* in the decoder's text or in the event */
  mloom_bytes item;
  mloom_bytes response;
} event_parts;

static int32_t read_parts(mloom_responses_decoder *decoder, mloom_json_reader *reader, event_parts *parts) {
  mloom_bytes event = {reader->data, reader->size};
  mloom_pieces *pieces = &decoder->pieces;
  mloom_bytes key;
  mloom_bytes text;
  int32_t status = MLOOM_OK;
  mloom_json_reader_object(reader);
  while (mloom_json_reader_key(reader, &key)) {
    if (status != MLOOM_OK) {
      return status;
    }
    if (mloom_text_equal(key, "type")) {
      mloom_json_reader_string(reader, &decoder->scratch, &text);
      if (text.size < sizeof(parts->type)) {
        memcpy(parts->type, text.size > 0 ? text.data : "", text.size);
        parts->type[text.size] = '\0';
      }
    } else if (mloom_text_equal(key, "delta")) {
      status = mloom_pieces_read(pieces, event, reader, 0, -1, &decoder->text, &parts->delta);
    } else if (mloom_text_equal(key, "output_index")) {
      mloom_json_reader_integer(reader, &parts->output_index);
    } else if (mloom_text_equal(key, "summary_index")) {
      mloom_json_reader_integer(reader, &parts->part_index);
    } else if (mloom_text_equal(key, "item")) {
      mloom_json_reader_raw(reader, &parts->item);
    } else if (mloom_text_equal(key, "response")) {
      mloom_json_reader_raw(reader, &parts->response);
    } else {
      mloom_json_places_skip(&pieces->places, reader);
    }
  }
  return status != MLOOM_OK ? status : mloom_json_reader_end(reader);
}

static int is(const event_parts *parts, const char *type) {
  return strcmp(parts->type, type) == 0;
}

/* What an event's delta is a piece of, or 0 when it has none. */
static uint32_t piece_kind(const event_parts *parts) {
  if (is(parts, "response.output_text.delta")) {
    return MLOOM_EVENT_TEXT;
  }
  if (is(parts, "response.reasoning_summary_text.delta") || is(parts, "response.reasoning_text.delta")) {
    return MLOOM_EVENT_REASONING;
  }
  return is(parts, "response.function_call_arguments.delta") ? MLOOM_EVENT_TOOL_DELTA : 0;
}

/* A piece of an item, for display. */
static int32_t take_piece(mloom_responses_decoder *decoder, uint32_t kind, int64_t index, mloom_bytes text) {
  mloom_responses_item *item = NULL;
  int32_t status = get_item(&decoder->answer, index, &item);
  if (status != MLOOM_OK || item->complete) {
    return status;
  }
  if (kind == MLOOM_EVENT_TOOL_DELTA) {
    mloom_answer_emit_delta(decoder->sink, &item->call_id, &item->name);
  } else {
    item->shown = 1;
    hand_on(decoder, kind, text);
  }
  return MLOOM_OK;
}

/* A further part of a summary begins behind an empty line. */
static int32_t begin_summary_part(mloom_responses_decoder *decoder, const event_parts *parts) {
  mloom_responses_item *item = NULL;
  int32_t status = get_item(&decoder->answer, parts->output_index, &item);
  if (status == MLOOM_OK && !item->complete) {
    hand_on(decoder, MLOOM_EVENT_REASONING, mloom_text_bytes(parts->part_index > 0 ? "\n\n" : ""));
  }
  return status;
}

static int32_t keep_piece(mloom_responses_decoder *decoder, mloom_bytes event, const event_parts *parts,
                          uint32_t kind) {
  mloom_piece *said = &decoder->pieces.said;
  said->kind = kind;
  said->index = parts->output_index;
  mloom_pieces_keep(&decoder->pieces, event);
  return take_piece(decoder, kind, parts->output_index, parts->delta);
}

static int32_t read_end(mloom_responses_decoder *decoder, const event_parts *parts) {
  if (is(parts, "response.failed")) {
    fail(decoder, "");
  } else if (is(parts, "response.cancelled")) {
    fail(decoder, "the response was cancelled");
  } else {
    decoder->terminal = 1;
    if (is(parts, "response.incomplete")) {
      decoder->answer.stop = MLOOM_STOP_LENGTH;
    }
  }
  return mloom_responses_read_response(decoder, parts->response);
}

int32_t mloom_responses_read_event(mloom_responses_decoder *decoder, const char *data, size_t size) {
  mloom_json_reader reader;
  event_parts parts = {.type = ""};
  mloom_bytes event = {data, size};
  mloom_bytes raw;
  if (mloom_pieces_fit(&decoder->pieces, event, &raw)) {
    const mloom_piece *kept = &decoder->pieces.kept;
    mloom_bytes text;
    int32_t code = mloom_json_unquote(raw, &decoder->text, &text);
    return code == MLOOM_OK ? take_piece(decoder, kept->kind, kept->index, text) : code;
  }
  mloom_pieces_begin(&decoder->pieces);
  mloom_json_reader_init(&reader, data, size);
  int32_t status = read_parts(decoder, &reader, &parts);
  if (status != MLOOM_OK) {
    decoder->malformed |= status != MLOOM_E_MEMORY;
    return status == MLOOM_E_MEMORY ? status : MLOOM_OK;
  }
  if (parts.type[0] == '\0' || is(&parts, "error")) {
    mloom_service_error_read_body(&decoder->failure, data, size);
    if (strcmp(decoder->failure.type, "error") == 0) {
      decoder->failure.type[0] = '\0';
    }
    decoder->has_failure |= is(&parts, "error") || decoder->failure.message[0] != '\0';
    return MLOOM_OK;
  }
  decoder->has_response |= strncmp(parts.type, "response.", 9) == 0;
  if (is(&parts, "response.output_item.added")) {
    return put_item(decoder, parts.output_index, parts.item, 0);
  }
  if (is(&parts, "response.output_item.done")) {
    return put_item(decoder, parts.output_index, parts.item, 1);
  }
  if (is(&parts, "response.completed") || is(&parts, "response.incomplete") || is(&parts, "response.failed") ||
      is(&parts, "response.cancelled")) {
    return read_end(decoder, &parts);
  }
  if (is(&parts, "response.reasoning_summary_part.added")) {
    return begin_summary_part(decoder, &parts);
  }
  uint32_t kind = piece_kind(&parts);
  return kind != 0 ? keep_piece(decoder, event, &parts, kind) : MLOOM_OK;
}
