/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads pieces of an answer, each a GenerateContentResponse, into parts.
 */
#include "gemini_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define DETAILS_DEPTH 3 /* of usageMetadata: lists of objects */

static void read_text(mloom_gemini_decoder *decoder, mloom_json_reader *reader, char *out, size_t out_size) {
  mloom_bytes text;
  if (mloom_json_reader_string(reader, &decoder->scratch, &text) && text.size > 0) {
    mloom_text_copy(out, out_size, text);
  }
}

/* ---- Parts ---- */

static int32_t new_part(mloom_gemini_answer *answer, uint32_t kind, mloom_gemini_part **out) {
  if (answer->part_count >= MLOOM_GEMINI_PARTS_LIMIT) {
    return MLOOM_E_LIMIT;
  }
  if (answer->part_count == answer->part_capacity) {
    size_t capacity = answer->part_capacity == 0 ? 8 : answer->part_capacity * 2;
    mloom_gemini_part *parts = realloc(answer->parts, capacity * sizeof(*parts));
    if (parts == NULL) {
      return MLOOM_E_MEMORY;
    }
    answer->parts = parts;
    answer->part_capacity = capacity;
  }
  *out = &answer->parts[answer->part_count++];
  memset(*out, 0, sizeof(**out));
  (*out)->kind = kind;
  return MLOOM_OK;
}

/* What one part holds, whatever the order of its members. */
typedef struct part_members {
  mloom_bytes raw;
  mloom_bytes text; /* unescaped */
  mloom_bytes call;
  int has_text;
  int is_thought;
  int has_more; /* a signature, or something that this file does not know */
} part_members;

static int32_t read_members(mloom_gemini_decoder *decoder, mloom_bytes event, part_members *out) {
  mloom_json_reader reader;
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  mloom_json_reader_init(&reader, out->raw.data, out->raw.size);
  if (!mloom_json_reader_object(&reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  while (status == MLOOM_OK && mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "text")) {
      status = mloom_pieces_read(&decoder->pieces, event, &reader, MLOOM_EVENT_TEXT, 0, &decoder->text, &out->text);
      out->has_text = out->text.data != NULL;
    } else if (mloom_text_equal(key, "thought")) {
      mloom_json_reader_boolean(&reader, &out->is_thought);
    } else if (mloom_text_equal(key, "functionCall") && mloom_json_reader_peek(&reader) == MLOOM_JSON_OBJECT) {
      mloom_json_reader_raw(&reader, &out->call);
    } else {
      out->has_more = 1;
      mloom_json_reader_skip(&reader);
    }
  }
  return status;
}

static int32_t read_call(mloom_gemini_decoder *decoder, mloom_bytes raw) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes arguments = {NULL, 0};
  mloom_gemini_answer *answer = &decoder->answer;
  if (answer->calls.count >= MLOOM_GEMINI_CALLS_LIMIT || raw.size > MLOOM_GEMINI_ARGUMENTS_LIMIT) {
    return MLOOM_E_LIMIT;
  }
  mloom_gemini_call *call = mloom_gemini_calls_add(&answer->calls);
  if (call == NULL) {
    return MLOOM_E_MEMORY;
  }
  call->part = answer->part_count - 1;
  mloom_json_reader_init(&reader, raw.data, raw.size);
  mloom_json_reader_object(&reader);
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "name")) {
      mloom_buffer_clear(&call->name);
      mloom_json_reader_append_string(&reader, &call->name);
    } else if (mloom_text_equal(key, "id")) {
      mloom_buffer_clear(&call->native_id);
      mloom_json_reader_append_string(&reader, &call->native_id);
    } else if (mloom_text_equal(key, "args") && mloom_json_reader_peek(&reader) != MLOOM_JSON_NULL) {
      mloom_json_reader_raw(&reader, &arguments);
    } else {
      /* Arguments in pieces come only to those who ask for them. */
      decoder->malformed |= mloom_text_equal(key, "partialArgs");
      mloom_json_reader_skip(&reader);
    }
  }
  if (reader.status == MLOOM_E_MEMORY) {
    return MLOOM_E_MEMORY;
  }
  int32_t status = arguments.size > 0 ? mloom_buffer_append(&call->arguments, arguments.data, arguments.size)
                                      : mloom_buffer_append_string(&call->arguments, "{}");
  if (status == MLOOM_OK) {
    mloom_answer_emit_delta(decoder->sink, &call->native_id, &call->name);
  }
  return status;
}

/* Pieces of text become one part as long as nothing signed stands between them. */
static int32_t add_text(mloom_gemini_answer *answer, uint32_t kind, mloom_bytes text) {
  mloom_gemini_part *part = answer->part_count > 0 ? &answer->parts[answer->part_count - 1] : NULL;
  int32_t status = part != NULL && part->kind == kind ? MLOOM_OK : new_part(answer, kind, &part);
  /* Of thoughts only the place is of interest: they do not come back. */
  return status == MLOOM_OK && kind == MLOOM_GEMINI_TEXT ? mloom_buffer_append(&part->text, text.data, text.size)
                                                         : status;
}

static int32_t say(mloom_gemini_decoder *decoder, uint32_t kind, mloom_bytes text) {
  if (text.size > 0) {
    mloom_answer_emit_text(decoder->sink, kind, text);
  }
  return add_text(&decoder->answer, kind == MLOOM_EVENT_REASONING ? MLOOM_GEMINI_THOUGHT : MLOOM_GEMINI_TEXT, text);
}

static int32_t read_part(mloom_gemini_decoder *decoder, mloom_bytes event, mloom_bytes raw) {
  mloom_gemini_answer *answer = &decoder->answer;
  part_members members = {.raw = raw};
  mloom_gemini_part *part = NULL;
  int32_t status;
  status = read_members(decoder, event, &members);
  if (status != MLOOM_OK || decoder->malformed) {
    return status;
  }
  uint32_t kind = members.is_thought ? MLOOM_EVENT_REASONING : MLOOM_EVENT_TEXT;
  int is_text = members.has_text && members.call.size == 0 && !members.has_more;
  decoder->pieces.said.kind = kind;
  decoder->pieces.said.more |= !is_text || members.text.size == 0; /* parts of their own */
  if (is_text) {
    return say(decoder, kind, members.text);
  }
  if (members.text.size > 0) {
    mloom_answer_emit_text(decoder->sink, kind, members.text);
  }
  status = new_part(answer, members.call.size > 0 ? MLOOM_GEMINI_CALL : MLOOM_GEMINI_KEPT, &part);
  status = status == MLOOM_OK ? mloom_buffer_append(&part->text, raw.data, raw.size) : status;
  return status == MLOOM_OK && members.call.size > 0 ? read_call(decoder, members.call) : status;
}

static int32_t read_content(mloom_gemini_decoder *decoder, mloom_json_reader *reader) {
  mloom_bytes event = {reader->data, reader->size};
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_object(reader)) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (!mloom_text_equal(key, "parts") || !mloom_json_reader_array(reader)) {
      if (!mloom_text_equal(key, "parts")) {
        mloom_json_reader_skip(reader);
      }
      continue;
    }
    while (mloom_json_reader_element(reader)) {
      mloom_bytes raw = {NULL, 0};
      if (mloom_json_reader_raw(reader, &raw) && status == MLOOM_OK) {
        status = read_part(decoder, event, raw);
      }
    }
  }
  return status;
}

/* ---- Ends ---- */

static void read_finish(mloom_gemini_decoder *decoder, mloom_json_reader *reader) {
  static const struct {
    const char *reason;
    uint32_t finish;
  } reasons[] = {
      {"STOP", MLOOM_GEMINI_FINISH_END},
      /* Imitations of the service say so when there are calls. */
      {"FUNCTION_CALL", MLOOM_GEMINI_FINISH_END},
      {"TOOL_CALLS", MLOOM_GEMINI_FINISH_END},
      {"MAX_TOKENS", MLOOM_GEMINI_FINISH_LENGTH},
      {"CONTINUATION", MLOOM_GEMINI_FINISH_PAUSED},
      {"SAFETY", MLOOM_GEMINI_FINISH_REFUSED},
      {"RECITATION", MLOOM_GEMINI_FINISH_REFUSED},
      {"BLOCKLIST", MLOOM_GEMINI_FINISH_REFUSED},
      {"PROHIBITED_CONTENT", MLOOM_GEMINI_FINISH_REFUSED},
      {"SPII", MLOOM_GEMINI_FINISH_REFUSED},
      {"MODEL_ARMOR", MLOOM_GEMINI_FINISH_REFUSED},
      {"MALFORMED_FUNCTION_CALL", MLOOM_GEMINI_FINISH_CALLS},
      {"UNEXPECTED_TOOL_CALL", MLOOM_GEMINI_FINISH_CALLS},
      {"TOO_MANY_TOOL_CALLS", MLOOM_GEMINI_FINISH_CALLS},
  };
  mloom_gemini_answer *answer = &decoder->answer;
  mloom_bytes reason;
  decoder->pieces.said.more = 1;
  if (!mloom_json_reader_string(reader, &decoder->scratch, &reason) || reason.size == 0) {
    return;
  }
  answer->finish = MLOOM_GEMINI_FINISH_FAILED;
  for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
    if (mloom_text_equal(reason, reasons[i].reason)) {
      answer->finish = reasons[i].finish;
    }
  }
  mloom_text_copy(answer->finish_reason, sizeof(answer->finish_reason), reason);
}

static int32_t read_candidate(mloom_gemini_decoder *decoder, mloom_json_reader *reader) {
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_object(reader)) {
    return MLOOM_OK;
  }
  decoder->has_candidate = 1;
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "content")) {
      int32_t code = read_content(decoder, reader);
      status = status == MLOOM_OK ? code : status;
    } else if (mloom_text_equal(key, "finishReason")) {
      read_finish(decoder, reader);
    } else if (mloom_text_equal(key, "finishMessage")) {
      read_text(decoder, reader, decoder->answer.finish_message, sizeof(decoder->answer.finish_message));
    } else {
      mloom_json_places_skip(&decoder->pieces.places, reader);
    }
  }
  return status;
}

/* One is asked for; others would be other answers. */
static int32_t read_candidates(mloom_gemini_decoder *decoder, mloom_json_reader *reader) {
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_array(reader)) {
    return MLOOM_OK;
  }
  for (size_t i = 0; mloom_json_reader_element(reader); i++) {
    if (i == 0) {
      status = read_candidate(decoder, reader);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  return status;
}

static void read_feedback(mloom_gemini_decoder *decoder, mloom_json_reader *reader) {
  mloom_gemini_answer *answer = &decoder->answer;
  mloom_bytes key;
  decoder->pieces.said.more = 1;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "blockReason")) {
      read_text(decoder, reader, answer->block_reason, sizeof(answer->block_reason));
    } else if (mloom_text_equal(key, "blockReasonMessage")) {
      read_text(decoder, reader, answer->finish_message, sizeof(answer->finish_message));
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

/* ---- Usage ---- */

/* The index of a count of usageMetadata, MLOOM_GEMINI_COUNTS for anything else: the total is their sum. */
static size_t count_named(mloom_bytes key) {
  static const char *const names[MLOOM_GEMINI_COUNTS] = {"promptTokenCount", "toolUsePromptTokenCount",
                                                         "cachedContentTokenCount", "candidatesTokenCount",
                                                         "thoughtsTokenCount"};
  size_t index = 0;
  while (index < MLOOM_GEMINI_COUNTS && !mloom_text_equal(key, names[index])) {
    index++;
  }
  return index;
}

static void take_count(uint64_t *count, mloom_bytes raw) {
  int64_t value;
  if (mloom_json_raw_integer(raw, &value) && value >= 0) {
    *count = (uint64_t)value;
  }
}

static void tell_usage(mloom_gemini_decoder *decoder) {
  const uint64_t *counts = decoder->answer.counts;
  mloom_answer_usage usage = {.input_tokens = counts[MLOOM_GEMINI_PROMPT] + counts[MLOOM_GEMINI_TOOL_PROMPT],
                              .cached_input_tokens = counts[MLOOM_GEMINI_CACHED],
                              .output_tokens = counts[MLOOM_GEMINI_CANDIDATES] + counts[MLOOM_GEMINI_THOUGHTS],
                              .reasoning_tokens = counts[MLOOM_GEMINI_THOUGHTS]};
  decoder->has_usage = 1;
  mloom_answer_emit_usage(decoder->sink, &usage);
}

/* Skips what stands beside the counts; its numbers count on from event to event too. */
static void skip_details(mloom_gemini_decoder *decoder, mloom_json_reader *reader, int depth) {
  mloom_bytes key;
  int kind = mloom_json_reader_peek(reader);
  if (kind == MLOOM_JSON_NUMBER) {
    mloom_json_places_skip(&decoder->pieces.places, reader);
  } else if (kind == MLOOM_JSON_ARRAY && depth > 0 && mloom_json_reader_array(reader)) {
    while (mloom_json_reader_element(reader)) {
      skip_details(decoder, reader, depth - 1);
    }
  } else if (kind == MLOOM_JSON_OBJECT && depth > 0 && mloom_json_reader_object(reader)) {
    while (mloom_json_reader_key(reader, &key)) {
      skip_details(decoder, reader, depth - 1);
    }
  } else {
    mloom_json_reader_skip(reader);
  }
}

/* Numbers are totals: a later one takes the place of an earlier one. Before the end there may be none of them. */
static void read_usage(mloom_gemini_decoder *decoder, mloom_json_reader *reader) {
  mloom_bytes event = {reader->data, reader->size};
  mloom_gemini_usage said = {.told = 0};
  mloom_bytes key;
  int twice = 0;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    size_t index = count_named(key);
    if (index == MLOOM_GEMINI_COUNTS) {
      skip_details(decoder, reader, DETAILS_DEPTH);
      continue;
    }
    said.told = 1;
    twice |= said.raw[index].size > 0;
    if (mloom_json_reader_raw(reader, &said.raw[index])) {
      mloom_json_places_take(&decoder->pieces.places, event, said.raw[index]);
      take_count(&decoder->answer.counts[index], said.raw[index]);
    }
  }
  if (!said.told) {
    return;
  }
  /* What fits the template is told in this order: the piece, then the usage. */
  decoder->pieces.said.more |= twice || decoder->usage.told || decoder->pieces.said.raw.size == 0;
  decoder->usage = said;
  tell_usage(decoder);
}

/* The event became the template: where its counts stand. */
static void keep_usage(mloom_gemini_decoder *decoder, mloom_bytes event) {
  decoder->kept_usage.told = decoder->usage.told;
  for (size_t i = 0; i < MLOOM_GEMINI_COUNTS; i++) {
    decoder->kept_usage.hole[i] = mloom_json_places_find(&decoder->pieces.pattern.places, event, decoder->usage.raw[i]);
  }
}

/* values: of an event that fits the template. */
static void tell_kept_usage(mloom_gemini_decoder *decoder, const mloom_bytes *values) {
  const mloom_gemini_usage *kept = &decoder->kept_usage;
  if (!kept->told) {
    return;
  }
  for (size_t i = 0; i < MLOOM_GEMINI_COUNTS; i++) {
    if (kept->hole[i] < MLOOM_JSON_TEMPLATE_PLACES) {
      take_count(&decoder->answer.counts[i], values[kept->hole[i]]);
    }
  }
  tell_usage(decoder);
}

/* ---- Chunks ---- */

static int32_t read_response(mloom_gemini_decoder *decoder, mloom_json_reader *reader) {
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  if (!mloom_json_reader_object(reader)) {
    decoder->malformed = 1;
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "candidates")) {
      int32_t code = read_candidates(decoder, reader);
      status = status == MLOOM_OK ? code : status;
    } else if (mloom_text_equal(key, "usageMetadata")) {
      read_usage(decoder, reader);
    } else if (mloom_text_equal(key, "promptFeedback")) {
      read_feedback(decoder, reader);
    } else if (mloom_text_equal(key, "responseId")) {
      read_text(decoder, reader, decoder->answer.response_id, sizeof(decoder->answer.response_id));
    } else if (mloom_text_equal(key, "error") && mloom_json_reader_peek(reader) != MLOOM_JSON_NULL) {
      decoder->has_failure = 1;
      decoder->pieces.said.more = 1;
      mloom_google_failure_read_value(&decoder->failure, reader);
    } else {
      mloom_json_places_skip(&decoder->pieces.places, reader);
    }
  }
  return status;
}

static int32_t end_of(mloom_gemini_decoder *decoder, mloom_json_reader *reader, int32_t status) {
  int32_t end = mloom_json_reader_end(reader);
  if (end == MLOOM_E_MEMORY) {
    return end;
  }
  decoder->malformed |= end != MLOOM_OK;
  return status;
}

int32_t mloom_gemini_read_chunk(mloom_gemini_decoder *decoder, mloom_bytes data) {
  mloom_json_reader reader;
  mloom_bytes values[MLOOM_JSON_TEMPLATE_PLACES];
  mloom_bytes raw;
  mloom_bytes text;
  if (mloom_pieces_fit_values(&decoder->pieces, data, &raw, values)) {
    int32_t code = mloom_json_unquote(raw, &decoder->text, &text);
    code = code == MLOOM_OK ? say(decoder, decoder->pieces.kept.kind, text) : code;
    tell_kept_usage(decoder, values);
    return code;
  }
  mloom_pieces_begin(&decoder->pieces);
  decoder->usage.told = 0;
  int32_t status = mloom_answer_repair(&data, &decoder->repaired);
  if (status != MLOOM_OK) {
    return status;
  }
  mloom_json_reader_init(&reader, data.data, data.size);
  status = end_of(decoder, &reader, read_response(decoder, &reader));
  if (status == MLOOM_OK && !decoder->malformed && mloom_pieces_keep(&decoder->pieces, data)) {
    keep_usage(decoder, data);
  }
  return status;
}

int32_t mloom_gemini_read_whole(mloom_gemini_decoder *decoder, mloom_bytes data) {
  mloom_json_reader reader;
  int32_t status = mloom_answer_repair(&data, &decoder->repaired);
  if (status != MLOOM_OK) {
    return status;
  }
  mloom_pieces_begin(&decoder->pieces);
  mloom_json_reader_init(&reader, data.data, data.size);
  if (mloom_json_reader_peek(&reader) != MLOOM_JSON_ARRAY) {
    status = read_response(decoder, &reader);
    return end_of(decoder, &reader, status);
  }
  mloom_json_reader_array(&reader);
  while (mloom_json_reader_element(&reader)) {
    int32_t code = read_response(decoder, &reader);
    status = status == MLOOM_OK ? code : status;
  }
  return end_of(decoder, &reader, status);
}

void mloom_gemini_answer_clear(mloom_gemini_answer *answer) {
  for (size_t i = 0; i < answer->part_count; i++) {
    mloom_buffer_free(&answer->parts[i].text);
  }
  mloom_gemini_calls_clear(&answer->calls);
  mloom_gemini_answer empty = {.parts = answer->parts, .part_capacity = answer->part_capacity, .calls = answer->calls};
  *answer = empty;
}
