/* SPDX-License-Identifier: Apache-2.0 */
#include "codex-cli/codex_events.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* What an item may hold, whatever its type. The strings are copies: one scratch serves all. */
typedef struct item {
  mloom_buffer type;
  mloom_buffer text;    /* text, message or query */
  mloom_buffer command; /* command, or server and tool */
  mloom_buffer status;
  int64_t exit_code;
  int has_exit_code;
  mloom_bytes changes; /* raw, within the line */
  mloom_bytes plan;
} item;

static void free_item(item *self) {
  mloom_buffer_free(&self->type);
  mloom_buffer_free(&self->text);
  mloom_buffer_free(&self->command);
  mloom_buffer_free(&self->status);
}

static mloom_bytes bytes_of(const mloom_buffer *buffer) {
  return (mloom_bytes){mloom_buffer_string(buffer), buffer->size};
}

static int is(const mloom_buffer *buffer, const char *text) {
  return mloom_text_equal(bytes_of(buffer), text);
}

/* Reads a string in the place of what out holds. */
static void take(mloom_json_reader *reader, mloom_buffer *out) {
  mloom_buffer_clear(out);
  mloom_json_reader_append_string(reader, out);
}

static void read_item(mloom_json_reader *reader, item *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "type")) {
      take(reader, &out->type);
    } else if (mloom_text_equal(key, "text") || mloom_text_equal(key, "message") || mloom_text_equal(key, "query")) {
      take(reader, &out->text);
    } else if (mloom_text_equal(key, "command") || mloom_text_equal(key, "tool")) {
      take(reader, &out->command);
    } else if (mloom_text_equal(key, "status")) {
      take(reader, &out->status);
    } else if (mloom_text_equal(key, "exit_code")) {
      out->has_exit_code = mloom_json_reader_integer(reader, &out->exit_code);
    } else if (mloom_text_equal(key, "changes")) {
      mloom_json_reader_raw(reader, &out->changes);
    } else if (mloom_text_equal(key, "items")) {
      mloom_json_reader_raw(reader, &out->plan);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static void tell_changes(mloom_cli_stream *stream, mloom_bytes changes) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, changes.data, changes.size);
  if (!mloom_json_reader_array(&reader)) {
    return;
  }
  while (mloom_json_reader_element(&reader)) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    mloom_bytes key;
    if (!mloom_json_reader_object(&reader)) {
      continue;
    }
    while (mloom_json_reader_key(&reader, &key)) {
      if (mloom_text_equal(key, "path")) {
        take(&reader, &path);
      } else if (mloom_text_equal(key, "kind")) {
        take(&reader, &line);
      } else {
        mloom_json_reader_skip(&reader);
      }
    }
    if (mloom_buffer_append_format(&line, " %s", mloom_buffer_string(&path)) == MLOOM_OK) {
      mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "file", bytes_of(&line));
    }
  }
}

/* "done of all", and what is next. */
static void tell_plan(mloom_cli_stream *stream, mloom_bytes plan) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer next = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  unsigned count = 0;
  unsigned finished = 0;
  mloom_json_reader_init(&reader, plan.data, plan.size);
  if (!mloom_json_reader_array(&reader)) {
    return;
  }
  while (mloom_json_reader_element(&reader)) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_bytes key;
    int done = 0;
    if (!mloom_json_reader_object(&reader)) {
      continue;
    }
    while (mloom_json_reader_key(&reader, &key)) {
      if (mloom_text_equal(key, "text")) {
        take(&reader, &text);
      } else if (mloom_text_equal(key, "completed")) {
        mloom_json_reader_boolean(&reader, &done);
      } else {
        mloom_json_reader_skip(&reader);
      }
    }
    count++;
    finished += done != 0;
    if (!done && next.size == 0) {
      (void)mloom_buffer_append(&next, mloom_buffer_string(&text), text.size);
    }
  }
  if (mloom_buffer_append_format(&line, "%u of %u done%s%s", finished, count, next.size > 0 ? ", next: " : "",
                                 mloom_buffer_string(&next)) == MLOOM_OK) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "plan", bytes_of(&line));
  }
}

static void tell_command(mloom_cli_stream *stream, const item *self, int completed) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  if (!completed) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "command", bytes_of(&self->command));
  } else if (self->has_exit_code && self->exit_code == 0) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "command_end", mloom_text_bytes("exit code 0"));
  } else if (mloom_buffer_append_format(&line, "%s %lld", self->has_exit_code ? "exit code" : "ended, status",
                                        (long long)self->exit_code) == MLOOM_OK) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "command_failed", bytes_of(&line));
  }
}

static int32_t take_item(mloom_cli_stream *stream, const item *self, int completed) {
  if (is(&self->type, "agent_message")) {
    if (completed) {
      mloom_cli_stream_say(stream, MLOOM_EVENT_TEXT, bytes_of(&self->text));
      return mloom_cli_stream_keep(&stream->answer, bytes_of(&self->text), MLOOM_CLI_LINE_LIMIT);
    }
  } else if (is(&self->type, "reasoning")) {
    if (completed) {
      mloom_cli_stream_say(stream, MLOOM_EVENT_REASONING, bytes_of(&self->text));
    }
  } else if (is(&self->type, "command_execution")) {
    tell_command(stream, self, completed);
  } else if (is(&self->type, "file_change")) {
    if (completed) {
      tell_changes(stream, self->changes);
    }
  } else if (is(&self->type, "todo_list")) {
    tell_plan(stream, self->plan);
  } else if (is(&self->type, "web_search")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "search", bytes_of(&self->text));
  } else if (is(&self->type, "mcp_tool_call")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, completed ? "tool_end" : "tool", bytes_of(&self->command));
  } else if (is(&self->type, "error")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "cli_warning", bytes_of(&self->text));
  }
  return MLOOM_OK;
}

static void read_usage(mloom_json_reader *reader, mloom_cli_usage *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "input_tokens")) {
      out->input = mloom_cli_stream_count(reader);
    } else if (mloom_text_equal(key, "cached_input_tokens")) {
      out->cached = mloom_cli_stream_count(reader);
    } else if (mloom_text_equal(key, "cache_write_input_tokens")) {
      out->cache_write = mloom_cli_stream_count(reader);
    } else if (mloom_text_equal(key, "output_tokens")) {
      out->output = mloom_cli_stream_count(reader);
    } else if (mloom_text_equal(key, "reasoning_output_tokens")) {
      out->reasoning = mloom_cli_stream_count(reader);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

/* A program that does not count on begins below what was there: then its own count is right. */
static uint64_t since(uint64_t now, uint64_t before) {
  return now >= before ? now - before : now;
}

static void complete(mloom_cli_stream *stream, const mloom_cli_usage *total) {
  const mloom_cli_usage *before = &stream->before;
  stream->complete = 1;
  stream->usage = (mloom_cli_usage){.input = since(total->input, before->input),
                                    .cached = since(total->cached, before->cached),
                                    .cache_write = since(total->cache_write, before->cache_write),
                                    .output = since(total->output, before->output),
                                    .reasoning = since(total->reasoning, before->reasoning)};
  mloom_cli_stream_usage(stream);
  mloom_bytes object = mloom_cli_stream_object_in(bytes_of(&stream->answer));
  if (object.data != NULL) {
    mloom_cli_stream_result(stream, object);
  }
}

void mloom_codex_keep_count(mloom_cli_stream *stream) {
  stream->before.input += stream->usage.input;
  stream->before.cached += stream->usage.cached;
  stream->before.cache_write += stream->usage.cache_write;
  stream->before.output += stream->usage.output;
  stream->before.reasoning += stream->usage.reasoning;
}

/* The members of an event, in whatever order they come. */
typedef struct event {
  mloom_buffer type;
  mloom_buffer text; /* thread_id or message, also of the member error */
  item item;
  mloom_cli_usage usage;
} event;

static void free_event(event *self) {
  mloom_buffer_free(&self->type);
  mloom_buffer_free(&self->text);
  free_item(&self->item);
}

static void read_error(mloom_json_reader *reader, mloom_buffer *out) {
  mloom_bytes key;
  if (mloom_json_reader_peek(reader) == MLOOM_JSON_STRING) {
    take(reader, out);
    return;
  }
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "message")) {
      take(reader, out);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static int32_t read_event(mloom_json_reader *reader, event *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return MLOOM_E_INVALID;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "type")) {
      take(reader, &out->type);
    } else if (mloom_text_equal(key, "thread_id") || mloom_text_equal(key, "message")) {
      take(reader, &out->text);
    } else if (mloom_text_equal(key, "error")) {
      read_error(reader, &out->text);
    } else if (mloom_text_equal(key, "item")) {
      read_item(reader, &out->item);
    } else if (mloom_text_equal(key, "usage")) {
      read_usage(reader, &out->usage);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  return mloom_json_reader_end(reader);
}

int32_t mloom_codex_read_event(mloom_cli_stream *stream, mloom_bytes line) {
  MLOOM_AUTO(free_event) event self = {.type = MLOOM_BUFFER_INIT};
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, line.data, line.size);
  int32_t code = read_event(&reader, &self);
  if (code != MLOOM_OK) {
    return code == MLOOM_E_MEMORY      ? code
           : stream->garbage.size == 0 ? mloom_cli_stream_keep(&stream->garbage, line, 300)
                                       : MLOOM_OK;
  }
  mloom_bytes type = bytes_of(&self.type);
  if (mloom_text_equal(type, "thread.started")) {
    stream->began = 1;
    return mloom_cli_stream_keep_conversation(stream, bytes_of(&self.text));
  }
  if (mloom_text_equal(type, "turn.started")) {
    stream->began = 1;
  } else if (mloom_text_equal(type, "item.started")) {
    return take_item(stream, &self.item, 0);
  } else if (mloom_text_equal(type, "item.completed")) {
    return take_item(stream, &self.item, 1);
  } else if (mloom_text_equal(type, "error")) {
    /* Also while it tries again: the end is turn.failed. */
    mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "cli_error", bytes_of(&self.text));
    return mloom_cli_stream_keep(&stream->complaint, bytes_of(&self.text), 1000);
  } else if (mloom_text_equal(type, "turn.completed")) {
    complete(stream, &self.usage);
  } else if (mloom_text_equal(type, "turn.failed")) {
    stream->complete = 1;
    stream->failed = 1;
    return mloom_cli_stream_keep(&stream->failure, bytes_of(&self.text), 2000);
  }
  return MLOOM_OK;
}
