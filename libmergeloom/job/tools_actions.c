/* SPDX-License-Identifier: Apache-2.0
 *
 * The tools that run, show and hand in: run_command, inspect_diff, submit_result.
 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "job/tools.h"

#define DIFF_BYTES 60000u

static const char *ended_name(uint32_t ended) {
  static const char *const names[] = {"exited",        "signalled",    "timed out", "idle",
                                      "process limit", "output limit", "cancelled", "not started"};
  return ended <= MLOOM_PROCESS_NOT_STARTED ? names[ended] : "unknown";
}

int32_t mloom_tool_record_command(mloom_tool_context *context, const char *by, const mloom_command_line *line,
                                  const mloom_command_outcome *outcome) {
  mloom_json *entry = mloom_json_new_object();
  mloom_json *argv = mloom_json_new_array();
  for (size_t i = 0; i < line->count; i++) {
    mloom_json_add(argv, mloom_json_new_string(line->argv[i], strlen(line->argv[i])));
  }
  mloom_json_set_string(entry, "by", by);
  mloom_json_set(entry, "argv", argv);
  mloom_json_set_string(entry, "ended", ended_name(outcome->report.ended));
  mloom_json_set_integer(entry, "exit_code", outcome->report.exit_code);
  mloom_json_set_integer(entry, "duration_ms", outcome->report.duration_ms);
  mloom_json_set_integer(entry, "cpu_ms", outcome->report.cpu_ms);
  mloom_json_set_integer(entry, "output_bytes", (int64_t)outcome->report.output_bytes);
  for (size_t i = 0; i < outcome->tampered.count; i++) {
    const char *name = outcome->tampered.items[i];
    if (context->tampered.count < 100 && mloom_text_list_add(&context->tampered, name, strlen(name)) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
  }
  return mloom_json_add(context->commands, entry);
}

static int32_t append_outcome(mloom_buffer *out, const mloom_command_outcome *outcome) {
  int32_t code = mloom_command_append_ending(outcome, out);
  code =
      code == MLOOM_OK ? mloom_buffer_append_format(out, ", %lld ms\n", (long long)outcome->report.duration_ms) : code;
  for (size_t i = 0; i < outcome->tampered.count && code == MLOOM_OK; i++) {
    code = mloom_buffer_append_format(out,
                                      "%s was changed by this command and has been put back: git's configuration, "
                                      "hooks and the like are not part of the job.\n",
                                      outcome->tampered.items[i]);
  }
  if (code == MLOOM_OK && outcome->output.size > 0) {
    code = mloom_buffer_append(out, outcome->output.data, outcome->output.size);
  }
  return code == MLOOM_OK && outcome->output.size == 0 ? mloom_buffer_append_string(out, "[no output]\n") : code;
}

int32_t mloom_tool_run_command(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                               mloom_error *error) {
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list words = {NULL, 0};
  MLOOM_AUTO(mloom_command_line_free) mloom_command_line line = {NULL, 0, NULL};
  const mloom_json *argv = mloom_json_member(arguments, "argv");
  for (size_t i = 0; i < mloom_json_count(argv); i++) {
    mloom_bytes word = mloom_json_text(mloom_json_at(argv, i));
    if (mloom_text_list_add(&words, word.data, word.size) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
  }
  int32_t code = mloom_command_line_copy(&line, (const char *const *)words.items, words.count, error);
  if (code != MLOOM_OK) {
    return code;
  }
  int64_t seconds = mloom_json_member_integer(arguments, "timeout_seconds", 0);
  MLOOM_AUTO(mloom_command_outcome_free) mloom_command_outcome outcome;
  code = mloom_command_run(context->runner, context->call, (const char *const *)line.argv, line.count,
                           seconds > 0 && seconds < 1000000 ? seconds * 1000 : 0, &outcome, error);
  context->damaged |= code == MLOOM_E_CONFLICT;
  if (code == MLOOM_OK || outcome.report.duration_ms > 0 || outcome.tampered.count > 0) {
    int32_t recorded = mloom_tool_record_command(context, "model", &line, &outcome);
    code = code == MLOOM_OK && recorded != MLOOM_OK ? mloom_error_memory(error) : code;
  }
  if (code != MLOOM_OK) {
    return code;
  }
  return append_outcome(out, &outcome) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

/* Where the part of a patch after the one at at begins. No line of a file's content begins like this. */
static const char *next_part(const char *at, const char *end) {
  while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL && ++at < end) {
    if (strncmp(at, "diff --git ", 11) == 0 || strncmp(at, "Large file ", 11) == 0) {
      return at;
    }
  }
  return end;
}

/* The part of a patch that is about one file or folder. */
static int32_t append_patch_of(mloom_buffer *out, const mloom_changes *changes, const char *path, size_t *shown) {
  const char *at = mloom_buffer_string(&changes->patch);
  const char *end = at + changes->patch.size;
  size_t length = strlen(path);
  int32_t code = MLOOM_OK;
  /* The patch and the list have the same order; files that are named only come last. */
  for (size_t i = 0; i < 2 * changes->file_count && code == MLOOM_OK; i++) {
    const mloom_changed_file *file = &changes->files[i % changes->file_count];
    if ((file->size >= 0) != (i >= changes->file_count)) {
      continue;
    }
    int wanted = length == 0 ||
                 (strncmp(file->path, path, length) == 0 && (file->path[length] == '\0' || file->path[length] == '/'));
    /* git writes a file that became a link as one that went and one that came. */
    for (int parts = file->status == 'T' ? 2 : 1; parts > 0 && at < end && code == MLOOM_OK; parts--) {
      const char *next = next_part(at, end);
      code = wanted ? mloom_text_append_utf8(out, at, (size_t)(next - at)) : MLOOM_OK;
      *shown += (size_t)wanted;
      at = next;
    }
  }
  return code;
}

int32_t mloom_tool_inspect_diff(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                                mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer patch = MLOOM_BUFFER_INIT;
  int32_t code = mloom_tool_path(context, arguments, "path", &path, error);
  code = code == MLOOM_OK ? mloom_changes_update(context->changes, context->runner, context->call, error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  size_t shown = 0;
  code = append_patch_of(&patch, context->changes, mloom_buffer_string(&path), &shown);
  if (code == MLOOM_OK && shown == 0) {
    code = mloom_buffer_append_string(out, "Nothing has been changed there.\n");
  } else if (code == MLOOM_OK) {
    size_t size = patch.size <= DIFF_BYTES ? patch.size : mloom_text_complete_prefix(patch.data, DIFF_BYTES);
    code = mloom_buffer_append(out, patch.data, size);
    if (code == MLOOM_OK && size < patch.size) {
      code = mloom_buffer_append_format(out, "\n[%zu more bytes are not shown; name a file]\n", patch.size - size);
    }
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

int32_t mloom_tool_submit_result(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                                 mloom_error *error) {
  mloom_bytes summary = mloom_json_text(mloom_json_member(arguments, "summary"));
  if (mloom_text_trim(summary).size == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "write one or two sentences for the reviewer",
                           "summary is empty");
  }
  mloom_json_unref(context->submission);
  context->submission = mloom_json_ref((mloom_json *)(uintptr_t)arguments);
  context->submitted = 1;
  return mloom_buffer_append_string(out, "The result was handed in.\n") == MLOOM_OK ? MLOOM_OK
                                                                                    : mloom_error_memory(error);
}
