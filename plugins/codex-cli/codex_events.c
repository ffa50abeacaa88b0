/* SPDX-License-Identifier: Apache-2.0 */
#include "codex-cli/codex_events.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/shell_line.h"
#include "base/text.h"
#include "cli/members.h"

/* What an item may hold, whatever its type. */
typedef struct item {
  mloom_buffer type;
  mloom_buffer text;    /* text, message or query */
  mloom_buffer command; /* command, or tool */
  mloom_bytes exit_code;
  mloom_bytes changes;
  mloom_bytes plan;
} item;

MLOOM_CLI_MEMBERS(item_members, {{"type", MLOOM_CLI_TEXT, offsetof(item, type), NULL},
                                 {"text", MLOOM_CLI_TEXT, offsetof(item, text), NULL},
                                 {"message", MLOOM_CLI_TEXT, offsetof(item, text), NULL},
                                 {"query", MLOOM_CLI_TEXT, offsetof(item, text), NULL},
                                 {"command", MLOOM_CLI_TEXT, offsetof(item, command), NULL},
                                 {"tool", MLOOM_CLI_TEXT, offsetof(item, command), NULL},
                                 {"exit_code", MLOOM_CLI_RAW, offsetof(item, exit_code), NULL},
                                 {"changes", MLOOM_CLI_RAW, offsetof(item, changes), NULL},
                                 {"items", MLOOM_CLI_RAW, offsetof(item, plan), NULL}});

static void free_item(item *self) {
  mloom_buffer_free(&self->type);
  mloom_buffer_free(&self->text);
  mloom_buffer_free(&self->command);
}

/* What an element of a list may hold: a changed file, or a step of the plan. */
typedef struct element {
  mloom_buffer text; /* path or text */
  mloom_buffer kind;
  int is_done;
} element;

MLOOM_CLI_MEMBERS(element_members, {{"path", MLOOM_CLI_TEXT, offsetof(element, text), NULL},
                                    {"text", MLOOM_CLI_TEXT, offsetof(element, text), NULL},
                                    {"kind", MLOOM_CLI_TEXT, offsetof(element, kind), NULL},
                                    {"completed", MLOOM_CLI_BOOLEAN, offsetof(element, is_done), NULL}});

static void free_element(element *self) {
  mloom_buffer_free(&self->text);
  mloom_buffer_free(&self->kind);
}

static void tell_changes(mloom_cli_stream *stream, mloom_bytes changes) {
  mloom_json_reader reader;
  mloom_cli_begin(&reader, changes);
  if (!mloom_json_reader_array(&reader)) {
    return;
  }
  while (mloom_json_reader_element(&reader)) {
    MLOOM_AUTO(free_element) element file = {.text = MLOOM_BUFFER_INIT};
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    if (mloom_cli_read_members(&reader, &element_members, &file) &&
        mloom_buffer_append_format(&line, "%s %s", mloom_buffer_string(&file.kind), mloom_buffer_string(&file.text)) ==
            MLOOM_OK) {
      mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "file", mloom_cli_bytes(&line));
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
  mloom_cli_begin(&reader, plan);
  if (!mloom_json_reader_array(&reader)) {
    return;
  }
  while (mloom_json_reader_element(&reader)) {
    MLOOM_AUTO(free_element) element step = {.text = MLOOM_BUFFER_INIT};
    if (!mloom_cli_read_members(&reader, &element_members, &step)) {
      continue;
    }
    count++;
    finished += step.is_done != 0;
    if (!step.is_done && next.size == 0) {
      (void)mloom_buffer_append(&next, mloom_buffer_string(&step.text), step.text.size);
    }
  }
  if (mloom_buffer_append_format(&line, "%u of %u done%s%s", finished, count, next.size > 0 ? ", next: " : "",
                                 mloom_buffer_string(&next)) == MLOOM_OK) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "plan", mloom_cli_bytes(&line));
  }
}

static void tell_command(mloom_cli_stream *stream, const item *self, int completed) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  int64_t exit_code = 0;
  mloom_cli_begin(&reader, self->exit_code);
  int has_exit_code = mloom_json_reader_integer(&reader, &exit_code);
  if (!completed) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "command", mloom_cli_bytes(&self->command));
  } else if (has_exit_code && exit_code == 0) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "command_end", mloom_text_bytes("exit code 0"));
  } else if (mloom_buffer_append_format(&line, "%s %lld", has_exit_code ? "exit code" : "ended, status",
                                        (long long)exit_code) == MLOOM_OK) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "command_failed", mloom_cli_bytes(&line));
  }
}

static int has_text(const mloom_buffer *buffer, const char *text) {
  return buffer->size > 0 && strstr(buffer->data, text) != NULL;
}

/* Commands are judged before they run (see add_judge in codex_cli.c). Should codex have run one all the same, the job
 * ends: its list of commands does not hold here. */
static int32_t check_command(mloom_cli_stream *stream, const mloom_buffer *command) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
  int32_t code = stream->allowed == NULL
                     ? MLOOM_OK
                     : mloom_shell_line_judge_started(mloom_cli_bytes(command), stream->allowed, &reason);
  if (code != MLOOM_E_DENIED) {
    return code == MLOOM_E_MEMORY ? code : MLOOM_OK;
  }
  mloom_buffer_clear(&stream->failure);
  return mloom_buffer_append_format(&stream->failure, "codex ran a command that was refused: %.300s",
                                    mloom_buffer_string(&reason)) == MLOOM_OK
             ? MLOOM_E_DENIED
             : MLOOM_E_MEMORY;
}

static int32_t take_item(mloom_cli_stream *stream, const item *self, int completed) {
  if (mloom_cli_is(&self->type, "agent_message")) {
    if (completed) {
      mloom_cli_stream_say(stream, MLOOM_EVENT_TEXT, mloom_cli_bytes(&self->text));
      return mloom_cli_stream_keep(&stream->answer, mloom_cli_bytes(&self->text), MLOOM_CLI_LINE_LIMIT);
    }
  } else if (mloom_cli_is(&self->type, "reasoning")) {
    if (completed) {
      mloom_cli_stream_say(stream, MLOOM_EVENT_REASONING, mloom_cli_bytes(&self->text));
    }
  } else if (mloom_cli_is(&self->type, "command_execution")) {
    tell_command(stream, self, completed);
    return completed ? MLOOM_OK : check_command(stream, &self->command);
  } else if (mloom_cli_is(&self->type, "file_change")) {
    if (completed) {
      tell_changes(stream, self->changes);
    }
  } else if (mloom_cli_is(&self->type, "todo_list")) {
    tell_plan(stream, self->plan);
  } else if (mloom_cli_is(&self->type, "web_search")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, "search", mloom_cli_bytes(&self->text));
  } else if (mloom_cli_is(&self->type, "mcp_tool_call")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_ACTIVITY, completed ? "tool_end" : "tool",
                          mloom_cli_bytes(&self->command));
  } else if (mloom_cli_is(&self->type, "error") && !has_text(&self->text, "--dangerously-bypass-hook-trust")) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "cli_warning", mloom_cli_bytes(&self->text));
  }
  return MLOOM_OK;
}

MLOOM_CLI_MEMBERS(usage_members,
                  {{"input_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, input), NULL},
                   {"cached_input_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, cached), NULL},
                   {"cache_write_input_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, cache_write), NULL},
                   {"output_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, output), NULL},
                   {"reasoning_output_tokens", MLOOM_CLI_COUNT, offsetof(mloom_cli_usage, reasoning), NULL}});

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
  mloom_bytes object = mloom_cli_stream_object_in(mloom_cli_bytes(&stream->answer));
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

MLOOM_CLI_MEMBERS(error_members, {{"message", MLOOM_CLI_TEXT, 0, NULL}});
MLOOM_CLI_MEMBERS(event_members, {{"type", MLOOM_CLI_TEXT, offsetof(event, type), NULL},
                                  {"thread_id", MLOOM_CLI_TEXT, offsetof(event, text), NULL},
                                  {"message", MLOOM_CLI_TEXT, offsetof(event, text), NULL},
                                  {"error", MLOOM_CLI_OBJECT, offsetof(event, text), &error_members},
                                  {"item", MLOOM_CLI_OBJECT, offsetof(event, item), &item_members},
                                  {"usage", MLOOM_CLI_OBJECT, offsetof(event, usage), &usage_members}});

static void free_event(event *self) {
  mloom_buffer_free(&self->type);
  mloom_buffer_free(&self->text);
  free_item(&self->item);
}

int32_t mloom_codex_read_event(mloom_cli_stream *stream, mloom_bytes line) {
  MLOOM_AUTO(free_event) event self = {.type = MLOOM_BUFFER_INIT};
  int is_event = 0;
  int32_t code = mloom_cli_stream_read(stream, line, &event_members, &self, &is_event);
  if (!is_event) {
    return code;
  }
  mloom_bytes type = mloom_cli_bytes(&self.type);
  if (mloom_text_equal(type, "thread.started")) {
    stream->began = 1;
    return mloom_cli_stream_keep_conversation(stream, mloom_cli_bytes(&self.text));
  }
  if (mloom_text_equal(type, "turn.started")) {
    stream->began = 1;
  } else if (mloom_text_equal(type, "item.started")) {
    return take_item(stream, &self.item, 0);
  } else if (mloom_text_equal(type, "item.completed")) {
    return take_item(stream, &self.item, 1);
  } else if (mloom_text_equal(type, "item.updated")) {
    /* What else goes on is told when it ends. */
    if (mloom_cli_is(&self.item.type, "todo_list")) {
      tell_plan(stream, self.item.plan);
    }
  } else if (mloom_text_equal(type, "error")) {
    /* Also while it tries again: the end is turn.failed. */
    mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "cli_error", mloom_cli_bytes(&self.text));
    return mloom_cli_stream_keep(&stream->complaint, mloom_cli_bytes(&self.text), 1000);
  } else if (mloom_text_equal(type, "turn.completed")) {
    complete(stream, &self.usage);
  } else if (mloom_text_equal(type, "turn.failed")) {
    stream->complete = 1;
    stream->failed = 1;
    return mloom_cli_stream_keep(&stream->failure, mloom_cli_bytes(&self.text), 2000);
  }
  return MLOOM_OK;
}
