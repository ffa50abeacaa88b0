/* SPDX-License-Identifier: Apache-2.0 */
#include "claude-code-cli/claude_events.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* Members of one event, in whatever order they come. Raw ones are within the line. */
typedef struct event {
  mloom_buffer type;
  mloom_buffer subtype;
  mloom_buffer session;
  mloom_buffer result;
  mloom_buffer error; /* a word; also of the first of errors */
  mloom_buffer tool;
  mloom_buffer message; /* of a refusal */
  mloom_bytes content;  /* of the message */
  mloom_bytes structured;
  mloom_bytes usage;
  mloom_buffer cost;
  int64_t status;
  int64_t attempt;
  int64_t attempts;
  int is_error;
  int is_synthetic; /* the program's own words in the place of an answer */
  int is_nested;    /* of a helper of the model's */
} event;

static void free_event(event *self) {
  mloom_buffer_free(&self->type);
  mloom_buffer_free(&self->subtype);
  mloom_buffer_free(&self->session);
  mloom_buffer_free(&self->result);
  mloom_buffer_free(&self->error);
  mloom_buffer_free(&self->tool);
  mloom_buffer_free(&self->message);
  mloom_buffer_free(&self->cost);
}

static mloom_bytes bytes_of(const mloom_buffer *buffer) {
  return (mloom_bytes){mloom_buffer_string(buffer), buffer->size};
}

static int is(const mloom_buffer *buffer, const char *text) {
  return mloom_text_equal(bytes_of(buffer), text);
}

/* Reads a string in the place of what out holds; what is none leaves it empty. */
static void take(mloom_json_reader *reader, mloom_buffer *out) {
  mloom_buffer_clear(out);
  mloom_json_reader_append_string(reader, out);
}

/* A message is an object; a refusal has a text in its place. */
static void read_message(mloom_json_reader *reader, event *out) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer model = MLOOM_BUFFER_INIT;
  mloom_bytes key;
  if (mloom_json_reader_peek(reader) == MLOOM_JSON_STRING) {
    take(reader, &out->message);
    return;
  }
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "content")) {
      mloom_json_reader_raw(reader, &out->content);
    } else if (mloom_text_equal(key, "model")) {
      take(reader, &model);
      out->is_synthetic = is(&model, "<synthetic>");
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static void read_errors(mloom_json_reader *reader, mloom_buffer *out) {
  if (!mloom_json_reader_array(reader)) {
    return;
  }
  while (mloom_json_reader_element(reader)) {
    if (out->size == 0) {
      take(reader, out);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

/* The members that a result has; 0 when key is none of them. */
static int read_end_member(mloom_json_reader *reader, mloom_bytes key, event *out) {
  mloom_bytes raw;
  if (mloom_text_equal(key, "is_error")) {
    mloom_json_reader_boolean(reader, &out->is_error);
  } else if (mloom_text_equal(key, "result")) {
    take(reader, &out->result);
  } else if (mloom_text_equal(key, "api_error_status") || mloom_text_equal(key, "error_status")) {
    mloom_json_reader_integer(reader, &out->status);
  } else if (mloom_text_equal(key, "errors")) {
    read_errors(reader, &out->error);
  } else if (mloom_text_equal(key, "structured_output")) {
    mloom_json_reader_raw(reader, &out->structured);
  } else if (mloom_text_equal(key, "usage")) {
    mloom_json_reader_raw(reader, &out->usage);
  } else if (mloom_text_equal(key, "total_cost_usd")) {
    mloom_buffer_clear(&out->cost);
    if (mloom_json_reader_raw(reader, &raw) && raw.size < 40) {
      mloom_buffer_append(&out->cost, raw.data, raw.size);
    }
  } else {
    return 0;
  }
  return 1;
}

static int32_t read_event(mloom_json_reader *reader, event *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return MLOOM_E_INVALID;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "type")) {
      take(reader, &out->type);
    } else if (mloom_text_equal(key, "subtype")) {
      take(reader, &out->subtype);
    } else if (mloom_text_equal(key, "session_id")) {
      take(reader, &out->session);
    } else if (mloom_text_equal(key, "message")) {
      read_message(reader, out);
    } else if (mloom_text_equal(key, "parent_tool_use_id")) {
      out->is_nested = mloom_json_reader_peek(reader) == MLOOM_JSON_STRING;
      mloom_json_reader_skip(reader);
    } else if (mloom_text_equal(key, "error")) {
      take(reader, &out->error);
    } else if (mloom_text_equal(key, "tool_name")) {
      take(reader, &out->tool);
    } else if (mloom_text_equal(key, "attempt")) {
      mloom_json_reader_integer(reader, &out->attempt);
    } else if (mloom_text_equal(key, "max_retries")) {
      mloom_json_reader_integer(reader, &out->attempts);
    } else if (!read_end_member(reader, key, out)) {
      mloom_json_reader_skip(reader);
    }
  }
  return mloom_json_reader_end(reader);
}

/* ---- What is said and done ---- */

typedef struct block {
  mloom_buffer type;
  mloom_buffer text;
  mloom_buffer name;
  mloom_buffer subject; /* what a tool works on */
  int is_error;
} block;

static void free_block(block *self) {
  mloom_buffer_free(&self->type);
  mloom_buffer_free(&self->text);
  mloom_buffer_free(&self->name);
  mloom_buffer_free(&self->subject);
}

/* The member of a tool's input that says most about the call. */
static void read_input(mloom_json_reader *reader, mloom_buffer *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "command") || mloom_text_equal(key, "file_path") || mloom_text_equal(key, "pattern")) {
      take(reader, out);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

/* A tool's result is a text, or blocks of which the first text is enough. */
static void read_content(mloom_json_reader *reader, mloom_buffer *out) {
  mloom_bytes key;
  if (mloom_json_reader_peek(reader) == MLOOM_JSON_STRING) {
    take(reader, out);
    return;
  }
  if (!mloom_json_reader_array(reader)) {
    return;
  }
  while (mloom_json_reader_element(reader)) {
    if (!mloom_json_reader_object(reader)) {
      continue;
    }
    while (mloom_json_reader_key(reader, &key)) {
      if (mloom_text_equal(key, "text") && out->size == 0) {
        take(reader, out);
      } else {
        mloom_json_reader_skip(reader);
      }
    }
  }
}

static void read_block(mloom_json_reader *reader, block *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "type")) {
      take(reader, &out->type);
    } else if (mloom_text_equal(key, "text") || mloom_text_equal(key, "thinking")) {
      take(reader, &out->text);
    } else if (mloom_text_equal(key, "name")) {
      take(reader, &out->name);
    } else if (mloom_text_equal(key, "input")) {
      read_input(reader, &out->subject);
    } else if (mloom_text_equal(key, "content")) {
      read_content(reader, &out->text);
    } else if (mloom_text_equal(key, "is_error")) {
      mloom_json_reader_boolean(reader, &out->is_error);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static void tell_tool(mloom_cli_stream *stream, const block *self) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  if (is(&self->name, "Bash")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "command", bytes_of(&self->subject));
  } else if (!is(&self->name, "StructuredOutput") &&
             mloom_buffer_append_format(&line, "%s %s", mloom_buffer_string(&self->name),
                                        mloom_buffer_string(&self->subject)) == MLOOM_OK) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "tool", bytes_of(&line));
  }
}

static int32_t take_block(mloom_cli_stream *stream, const event *self, const block *part) {
  if (is(&part->type, "text")) {
    if (self->is_synthetic) {
      return mloom_cli_stream_keep(&stream->complaint, bytes_of(&part->text), 1000);
    }
    if (!self->is_nested) {
      mloom_cli_stream_say(stream, MLOOM_EVENT_TEXT, bytes_of(&part->text));
      return mloom_cli_stream_keep(&stream->answer, bytes_of(&part->text), MLOOM_CLI_LINE_LIMIT);
    }
  } else if (is(&part->type, "thinking")) {
    mloom_cli_stream_say(stream, MLOOM_EVENT_REASONING, bytes_of(&part->text));
  } else if (is(&part->type, "tool_use")) {
    tell_tool(stream, part);
  } else if (is(&part->type, "tool_result")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, part->is_error ? "tool_failed" : "tool_end",
                          part->is_error ? bytes_of(&part->text) : (mloom_bytes){"", 0});
  }
  return MLOOM_OK;
}

static int32_t take_content(mloom_cli_stream *stream, const event *self) {
  mloom_json_reader reader;
  int32_t code = MLOOM_OK;
  mloom_json_reader_init(&reader, self->content.data == NULL ? "" : self->content.data, self->content.size);
  if (!mloom_json_reader_array(&reader)) {
    return MLOOM_OK;
  }
  while (code == MLOOM_OK && mloom_json_reader_element(&reader)) {
    MLOOM_AUTO(free_block) block part = {.type = MLOOM_BUFFER_INIT};
    read_block(&reader, &part);
    code = take_block(stream, self, &part);
  }
  return code;
}

/* ---- The program's own words ---- */

static void take_system(mloom_cli_stream *stream, const event *self) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  if (is(&self->subtype, "api_retry")) {
    if (mloom_buffer_append_format(&line, "attempt %lld of %lld failed: %s%s", (long long)self->attempt,
                                   (long long)self->attempts, self->status > 0 ? "HTTP " : "",
                                   self->status > 0 ? "" : mloom_buffer_string(&self->error)) == MLOOM_OK &&
        (self->status <= 0 || mloom_buffer_append_format(&line, "%lld %s", (long long)self->status,
                                                         mloom_buffer_string(&self->error)) == MLOOM_OK)) {
      mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "cli_retry", bytes_of(&line));
      (void)mloom_cli_stream_keep(&stream->complaint, bytes_of(&line), 300);
    }
  } else if (is(&self->subtype, "permission_denied")) {
    if (mloom_buffer_append_format(&line, "%s: %s", mloom_buffer_string(&self->tool),
                                   mloom_buffer_string(&self->message)) == MLOOM_OK) {
      mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "tool_denied", bytes_of(&line));
    }
  }
}

/* ---- The end ---- */

static void read_usage(mloom_cli_stream *stream, mloom_bytes usage) {
  mloom_json_reader reader;
  mloom_bytes key;
  uint64_t fresh = 0;
  mloom_json_reader_init(&reader, usage.data == NULL ? "" : usage.data, usage.size);
  if (!mloom_json_reader_object(&reader)) {
    return;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "input_tokens")) {
      fresh = mloom_cli_stream_count(&reader);
    } else if (mloom_text_equal(key, "cache_read_input_tokens")) {
      stream->usage.cached = mloom_cli_stream_count(&reader);
    } else if (mloom_text_equal(key, "cache_creation_input_tokens")) {
      stream->usage.cache_write = mloom_cli_stream_count(&reader);
    } else if (mloom_text_equal(key, "output_tokens")) {
      stream->usage.output = mloom_cli_stream_count(&reader);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  /* Cached tokens are counted apart; ours are all of the prompt. What does not fit is no count of tokens. */
  const mloom_cli_usage *found = &stream->usage;
  if (fresh < UINT64_MAX / 4 && found->cached < UINT64_MAX / 4 && found->cache_write < UINT64_MAX / 4) {
    stream->usage.input = fresh + found->cached + found->cache_write;
  }
}

/* Digits at *text, at most 15 that count; *scale takes off one for each that is behind the point. */
static uint64_t read_digits(const char **text, uint64_t number, int *scale, int behind) {
  for (; **text >= '0' && **text <= '9'; ++*text) {
    if (number < UINT64_C(100000000000000)) {
      number = number * 10 + (uint64_t)(**text - '0');
      *scale -= behind;
    } else {
      *scale += !behind;
    }
  }
  return number;
}

/* "0.01125" or "1.5e-05" in millionths. Not strtod, whose point is that of the locale. */
static uint64_t read_cost(const mloom_buffer *text) {
  const char *at = mloom_buffer_string(text);
  int scale = 6;
  uint64_t number = read_digits(&at, 0, &scale, 0);
  if (*at == '.') {
    at++;
    number = read_digits(&at, number, &scale, 1);
  }
  if (*at == 'e' || *at == 'E') {
    int64_t exponent = 0;
    at += at[1] == '+' ? 2 : 1;
    scale += mloom_text_parse_int64(mloom_text_bytes(at), &exponent) == MLOOM_OK && exponent > -30 && exponent < 30
                 ? (int)exponent
                 : 0;
  }
  for (; scale < 0 && number > 0; scale++) {
    number = scale == -1 ? (number + 5) / 10 : number / 10;
  }
  for (; scale > 0 && number < UINT64_C(1000000000000000); scale--) {
    number *= 10;
  }
  return number;
}

static int32_t take_result(mloom_cli_stream *stream, const event *self) {
  uint64_t cost = read_cost(&self->cost);
  read_usage(stream, self->usage);
  stream->usage.cost = cost >= stream->before.cost ? cost - stream->before.cost : cost;
  mloom_cli_stream_usage(stream);
  stream->complete = 1;
  /* The subtype says success for failures of the service as well. */
  stream->failed = self->is_error || !is(&self->subtype, "success");
  if (!stream->failed) {
    mloom_bytes object = mloom_cli_stream_object_in(
        self->structured.data != NULL && self->structured.data[0] == '{' ? self->structured : bytes_of(&self->result));
    if (object.data != NULL) {
      mloom_cli_stream_result(stream, object);
    }
    return MLOOM_OK;
  }
  stream->status = self->status >= 400 && self->status < 600 ? (int32_t)self->status : 0;
  return mloom_cli_stream_keep(&stream->failure,
                               self->result.size > 0  ? bytes_of(&self->result)
                               : self->error.size > 0 ? bytes_of(&self->error)
                                                      : bytes_of(&self->subtype),
                               2000);
}

void mloom_claude_keep_cost(mloom_cli_stream *stream) {
  stream->before.cost += stream->usage.cost;
}

int32_t mloom_claude_read_event(mloom_cli_stream *stream, mloom_bytes line) {
  MLOOM_AUTO(free_event) event self = {.type = MLOOM_BUFFER_INIT};
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, line.data, line.size);
  int32_t code = read_event(&reader, &self);
  if (code != MLOOM_OK) {
    return code == MLOOM_E_MEMORY      ? code
           : stream->garbage.size == 0 ? mloom_cli_stream_keep(&stream->garbage, line, 300)
                                       : MLOOM_OK;
  }
  if (self.session.size > 0) {
    code = mloom_cli_stream_keep_conversation(stream, bytes_of(&self.session));
  }
  if (is(&self.type, "system")) {
    stream->began = 1;
    take_system(stream, &self);
  } else if (is(&self.type, "assistant") || is(&self.type, "user")) {
    stream->began = 1;
    code = code == MLOOM_OK ? take_content(stream, &self) : code;
  } else if (is(&self.type, "result")) {
    stream->began = 1;
    code = code == MLOOM_OK ? take_result(stream, &self) : code;
  }
  return code;
}
