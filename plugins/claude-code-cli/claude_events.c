/* SPDX-License-Identifier: Apache-2.0 */
#include "claude-code-cli/claude_events.h"

#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/members.h"

/* Members of one event, in whatever order they come. */
typedef struct event {
  mloom_buffer type;
  mloom_buffer subtype;
  mloom_buffer session;
  mloom_buffer result;
  mloom_buffer error; /* a word */
  mloom_buffer tool;
  mloom_buffer stop;
  mloom_bytes errors;
  mloom_bytes message; /* an object; of a refusal a text */
  mloom_bytes structured;
  mloom_bytes usage;
  mloom_bytes cost;
  int64_t status;
  int64_t attempt;
  int64_t attempts;
  int is_error;
  int is_nested; /* of a helper of the model's */
} event;

MLOOM_CLI_MEMBERS(event_members, {{"type", MLOOM_CLI_TEXT, offsetof(event, type), NULL},
                                  {"subtype", MLOOM_CLI_TEXT, offsetof(event, subtype), NULL},
                                  {"session_id", MLOOM_CLI_TEXT, offsetof(event, session), NULL},
                                  {"message", MLOOM_CLI_RAW, offsetof(event, message), NULL},
                                  {"parent_tool_use_id", MLOOM_CLI_IS_TEXT, offsetof(event, is_nested), NULL},
                                  {"error", MLOOM_CLI_TEXT, offsetof(event, error), NULL},
                                  {"tool_name", MLOOM_CLI_TEXT, offsetof(event, tool), NULL},
                                  {"attempt", MLOOM_CLI_INTEGER, offsetof(event, attempt), NULL},
                                  {"max_retries", MLOOM_CLI_INTEGER, offsetof(event, attempts), NULL},
                                  {"is_error", MLOOM_CLI_BOOLEAN, offsetof(event, is_error), NULL},
                                  {"result", MLOOM_CLI_TEXT, offsetof(event, result), NULL},
                                  {"api_error_status", MLOOM_CLI_INTEGER, offsetof(event, status), NULL},
                                  {"error_status", MLOOM_CLI_INTEGER, offsetof(event, status), NULL},
                                  {"stop_reason", MLOOM_CLI_TEXT, offsetof(event, stop), NULL},
                                  {"errors", MLOOM_CLI_RAW, offsetof(event, errors), NULL},
                                  {"structured_output", MLOOM_CLI_RAW, offsetof(event, structured), NULL},
                                  {"usage", MLOOM_CLI_RAW, offsetof(event, usage), NULL},
                                  {"total_cost_usd", MLOOM_CLI_RAW, offsetof(event, cost), NULL}});

static void free_event(event *self) {
  mloom_buffer_free(&self->type);
  mloom_buffer_free(&self->subtype);
  mloom_buffer_free(&self->session);
  mloom_buffer_free(&self->result);
  mloom_buffer_free(&self->error);
  mloom_buffer_free(&self->tool);
  mloom_buffer_free(&self->stop);
}

/* ---- What is said and done ---- */

typedef struct block {
  mloom_buffer type;
  mloom_buffer text;
  mloom_buffer name;
  mloom_buffer subject; /* what a tool works on */
  mloom_bytes content;  /* of a tool's result */
  int is_error;
} block;

static void free_block(block *self) {
  mloom_buffer_free(&self->type);
  mloom_buffer_free(&self->text);
  mloom_buffer_free(&self->name);
  mloom_buffer_free(&self->subject);
}

/* The member of a tool's input that says most about the call. */
MLOOM_CLI_MEMBERS(input_members, {{"command", MLOOM_CLI_TEXT, 0, NULL},
                                  {"file_path", MLOOM_CLI_TEXT, 0, NULL},
                                  {"pattern", MLOOM_CLI_TEXT, 0, NULL}});
MLOOM_CLI_MEMBERS(block_members, {{"type", MLOOM_CLI_TEXT, offsetof(block, type), NULL},
                                  {"text", MLOOM_CLI_TEXT, offsetof(block, text), NULL},
                                  {"thinking", MLOOM_CLI_TEXT, offsetof(block, text), NULL},
                                  {"name", MLOOM_CLI_TEXT, offsetof(block, name), NULL},
                                  {"input", MLOOM_CLI_OBJECT, offsetof(block, subject), &input_members},
                                  {"content", MLOOM_CLI_RAW, offsetof(block, content), NULL},
                                  {"is_error", MLOOM_CLI_BOOLEAN, offsetof(block, is_error), NULL}});
MLOOM_CLI_MEMBERS(text_members, {{"text", MLOOM_CLI_TEXT, 0, NULL}});

/* A tool's result is a text, or blocks of which the first text is enough. */
static void read_content(mloom_bytes content, mloom_buffer *out) {
  mloom_json_reader reader;
  mloom_cli_begin(&reader, content);
  if (mloom_json_reader_peek(&reader) == MLOOM_JSON_STRING) {
    mloom_cli_take_text(&reader, out);
    return;
  }
  mloom_buffer_clear(out);
  if (!mloom_json_reader_array(&reader)) {
    return;
  }
  while (mloom_json_reader_element(&reader)) {
    if (out->size == 0) {
      mloom_cli_read_members(&reader, &text_members, out);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
}

static void tell_tool(mloom_cli_stream *stream, const block *self) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  if (mloom_cli_is(&self->name, "Bash")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "command", mloom_cli_bytes(&self->subject));
  } else if (!mloom_cli_is(&self->name, "StructuredOutput") &&
             mloom_buffer_append_format(&line, "%s %s", mloom_buffer_string(&self->name),
                                        mloom_buffer_string(&self->subject)) == MLOOM_OK) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "tool", mloom_cli_bytes(&line));
  }
}

static int32_t take_block(mloom_cli_stream *stream, int is_nested, int is_synthetic, const block *part) {
  if (mloom_cli_is(&part->type, "text")) {
    if (is_synthetic) {
      return mloom_cli_stream_keep(&stream->complaint, mloom_cli_bytes(&part->text), 1000);
    }
    if (!is_nested) {
      mloom_cli_stream_say(stream, MLOOM_EVENT_TEXT, mloom_cli_bytes(&part->text));
      return mloom_cli_stream_keep(&stream->answer, mloom_cli_bytes(&part->text), MLOOM_CLI_LINE_LIMIT);
    }
  } else if (mloom_cli_is(&part->type, "thinking")) {
    mloom_cli_stream_say(stream, MLOOM_EVENT_REASONING, mloom_cli_bytes(&part->text));
  } else if (mloom_cli_is(&part->type, "tool_use")) {
    tell_tool(stream, part);
  } else if (mloom_cli_is(&part->type, "tool_result")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, part->is_error ? "tool_failed" : "tool_end",
                          part->is_error ? mloom_cli_bytes(&part->text) : (mloom_bytes){"", 0});
  }
  return MLOOM_OK;
}

/* What a message is, besides an event. */
typedef struct message {
  mloom_buffer model;
  mloom_bytes content;
} message;

MLOOM_CLI_MEMBERS(message_members, {{"model", MLOOM_CLI_TEXT, offsetof(message, model), NULL},
                                    {"content", MLOOM_CLI_RAW, offsetof(message, content), NULL}});

static void free_message(message *self) {
  mloom_buffer_free(&self->model);
}

static int32_t take_content(mloom_cli_stream *stream, const event *self) {
  MLOOM_AUTO(free_message) message said = {.model = MLOOM_BUFFER_INIT};
  mloom_json_reader reader;
  int32_t code = MLOOM_OK;
  mloom_cli_read_object(self->message, &message_members, &said);
  mloom_cli_begin(&reader, said.content);
  if (!mloom_json_reader_array(&reader)) {
    return MLOOM_OK;
  }
  while (code == MLOOM_OK && mloom_json_reader_element(&reader)) {
    MLOOM_AUTO(free_block) block part = {.type = MLOOM_BUFFER_INIT};
    mloom_cli_read_members(&reader, &block_members, &part);
    if (part.content.data != NULL) {
      read_content(part.content, &part.text);
    }
    /* The program's own words stand in the place of an answer. */
    code = take_block(stream, self->is_nested || mloom_cli_is(&self->type, "user"),
                      mloom_cli_is(&said.model, "<synthetic>"), &part);
  }
  return code;
}

/* ---- The program's own words ---- */

static void take_system(mloom_cli_stream *stream, const event *self) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  if (mloom_cli_is(&self->subtype, "api_retry")) {
    if (mloom_buffer_append_format(&line, "attempt %lld of %lld failed: %s%s", (long long)self->attempt,
                                   (long long)self->attempts, self->status > 0 ? "HTTP " : "",
                                   self->status > 0 ? "" : mloom_buffer_string(&self->error)) == MLOOM_OK &&
        (self->status <= 0 || mloom_buffer_append_format(&line, "%lld %s", (long long)self->status,
                                                         mloom_buffer_string(&self->error)) == MLOOM_OK)) {
      mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "cli_retry", mloom_cli_bytes(&line));
      (void)mloom_cli_stream_keep(&stream->complaint, mloom_cli_bytes(&line), 300);
    }
  } else if (mloom_cli_is(&self->subtype, "permission_denied")) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
    mloom_json_reader reader;
    mloom_cli_begin(&reader, self->message);
    mloom_cli_take_text(&reader, &reason);
    if (mloom_buffer_append_format(&line, "%s: %s", mloom_buffer_string(&self->tool), mloom_buffer_string(&reason)) ==
        MLOOM_OK) {
      mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "tool_denied", mloom_cli_bytes(&line));
    }
  }
}

/* ---- The end ---- */

MLOOM_CLI_MEMBERS(usage_members,
                  {{"input_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, input), NULL},
                   {"cache_read_input_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, cached), NULL},
                   {"cache_creation_input_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, cache_write), NULL},
                   {"output_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, output), NULL}});

static void read_usage(mloom_cli_stream *stream, mloom_bytes usage) {
  mloom_cli_usage *found = &stream->usage;
  mloom_cli_read_object(usage, &usage_members, found);
  /* Cached tokens are counted apart; ours are all of the prompt. What does not fit is no count of tokens. */
  if (found->input < UINT64_MAX / 4 && found->cached < UINT64_MAX / 4 && found->cache_write < UINT64_MAX / 4) {
    found->input += found->cached + found->cache_write;
  } else {
    found->input = 0;
  }
}

/* The first text of a list of errors. */
static void read_errors(mloom_bytes errors, mloom_buffer *out) {
  mloom_json_reader reader;
  mloom_cli_begin(&reader, errors);
  if (!mloom_json_reader_array(&reader)) {
    return;
  }
  while (mloom_json_reader_element(&reader)) {
    if (out->size == 0) {
      mloom_cli_take_text(&reader, out);
    } else {
      mloom_json_reader_skip(&reader);
    }
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
static uint64_t read_cost(mloom_bytes text) {
  char copy[40] = "";
  const char *at = copy;
  int scale = 6;
  if (text.data != NULL && text.size < sizeof(copy)) {
    memcpy(copy, text.data, text.size);
  }
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
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer first = MLOOM_BUFFER_INIT;
  uint64_t cost = read_cost(self->cost);
  read_usage(stream, self->usage);
  stream->usage.cost = cost >= stream->before.cost ? cost - stream->before.cost : cost;
  mloom_cli_stream_usage(stream);
  stream->complete = 1;
  /* The subtype says success for failures of the service as well. */
  stream->failed = self->is_error || !mloom_cli_is(&self->subtype, "success");
  stream->refused = mloom_cli_is(&self->stop, "refusal");
  if (!stream->failed) {
    mloom_bytes object = mloom_cli_stream_object_in(self->structured.data != NULL && self->structured.data[0] == '{'
                                                        ? self->structured
                                                        : mloom_cli_bytes(&self->result));
    if (object.data != NULL) {
      mloom_cli_stream_result(stream, object);
    }
    return MLOOM_OK;
  }
  stream->status = self->status >= 400 && self->status < 600 ? (int32_t)self->status : 0;
  read_errors(self->errors, &first);
  return mloom_cli_stream_keep(&stream->failure,
                               self->result.size > 0  ? mloom_cli_bytes(&self->result)
                               : self->error.size > 0 ? mloom_cli_bytes(&self->error)
                               : first.size > 0       ? mloom_cli_bytes(&first)
                                                      : mloom_cli_bytes(&self->subtype),
                               2000);
}

void mloom_claude_keep_cost(mloom_cli_stream *stream) {
  stream->before.cost += stream->usage.cost;
}

int32_t mloom_claude_read_event(mloom_cli_stream *stream, mloom_bytes line) {
  MLOOM_AUTO(free_event) event self = {.type = MLOOM_BUFFER_INIT};
  int is_event = 0;
  int32_t code = mloom_cli_stream_read(stream, line, &event_members, &self, &is_event);
  if (!is_event) {
    return code;
  }
  if (self.session.size > 0) {
    code = mloom_cli_stream_keep_conversation(stream, mloom_cli_bytes(&self.session));
  }
  if (mloom_cli_is(&self.type, "system")) {
    stream->began = 1;
    take_system(stream, &self);
  } else if (mloom_cli_is(&self.type, "assistant") || mloom_cli_is(&self.type, "user")) {
    stream->began = 1;
    code = code == MLOOM_OK ? take_content(stream, &self) : code;
  } else if (mloom_cli_is(&self.type, "result")) {
    stream->began = 1;
    code = code == MLOOM_OK ? take_result(stream, &self) : code;
  }
  return code;
}
