/* SPDX-License-Identifier: Apache-2.0
 *
 * The tools that change files: edit_file and write_file.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "job/tools.h"

static size_t count_occurrences(mloom_bytes text, mloom_bytes needle) {
  size_t count = 0;
  for (const char *at = text.data, *end = text.data + text.size; at < end; count++) {
    const char *hit = memmem(at, (size_t)(end - at), needle.data, needle.size);
    if (hit == NULL) {
      break;
    }
    at = hit + needle.size;
  }
  return count;
}

static size_t line_of(mloom_bytes text, const char *place) {
  size_t line = 1;
  for (const char *at = text.data; (at = memchr(at, '\n', (size_t)(place - at))) != NULL; at++) {
    line++;
  }
  return line;
}

/* Appends text with every line feed as CR LF. */
static int32_t append_crlf(mloom_buffer *out, mloom_bytes text) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < text.size && code == MLOOM_OK; i++) {
    if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r')) {
      code = mloom_buffer_append_char(out, '\r');
    }
    code = code == MLOOM_OK ? mloom_buffer_append_char(out, text.data[i]) : code;
  }
  return code;
}

/* How much of b a has at its beginning, white space aside. */
static size_t common_prefix(mloom_bytes a, mloom_bytes b) {
  size_t size = 0;
  while (size < a.size && size < b.size && a.data[size] == b.data[size]) {
    size++;
  }
  return size;
}

static mloom_bytes first_line(mloom_bytes text) {
  while (text.size > 0) {
    const char *newline = memchr(text.data, '\n', text.size);
    size_t size = newline == NULL ? text.size : (size_t)(newline - text.data);
    mloom_bytes line = mloom_text_trim((mloom_bytes){text.data, size});
    if (line.size > 0) {
      return line;
    }
    size_t skip = newline == NULL ? text.size : size + 1;
    text = (mloom_bytes){text.data + skip, text.size - skip};
  }
  return text;
}

/* Says where something like the wanted text stands. */
static int32_t not_found(const char *path, mloom_bytes file, mloom_bytes wanted, mloom_error *error) {
  mloom_bytes line = first_line(wanted);
  size_t best = 0;
  size_t best_number = 0;
  mloom_bytes best_line = {"", 0};
  size_t number = 1;
  for (size_t at = 0; at < file.size && line.size > 0; number++) {
    const char *newline = memchr(file.data + at, '\n', file.size - at);
    size_t size = newline == NULL ? file.size - at : (size_t)(newline - file.data) - at;
    mloom_bytes candidate = mloom_text_trim((mloom_bytes){file.data + at, size});
    size_t common = common_prefix(candidate, line);
    if (common > best) {
      best = common;
      best_number = number;
      best_line = candidate;
    }
    at += size + 1;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer shown = MLOOM_BUFFER_INIT;
  mloom_text_append_printable(&shown, best_line.data,
                              mloom_text_complete_prefix(best_line.data, best_line.size < 120 ? best_line.size : 120),
                              0);
  if (best >= 3 && best * 3 >= line.size) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB,
                           "read the file there and copy the passage exactly, white space included",
                           "old_text does not stand in %s; line %zu comes nearest: %s", path, best_number,
                           mloom_buffer_string(&shown));
  }
  return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB,
                         "read the file and copy the passage exactly, white space included, without line numbers",
                         "old_text does not stand in %s", path);
}

static int32_t replace(mloom_buffer *out, mloom_bytes file, mloom_bytes old, mloom_bytes new) {
  int32_t code = mloom_buffer_reserve(out, file.size + new.size + 1);
  const char *at = file.data;
  const char *end = file.data + file.size;
  while (code == MLOOM_OK && at < end) {
    const char *hit = memmem(at, (size_t)(end - at), old.data, old.size);
    size_t keep = (size_t)((hit == NULL ? end : hit) - at);
    if (out->size + keep + new.size > MLOOM_WORKSPACE_FILE_LIMIT) {
      return MLOOM_E_LIMIT;
    }
    code = mloom_buffer_append(out, at, keep);
    if (hit == NULL) {
      break;
    }
    code = code == MLOOM_OK ? mloom_buffer_append(out, new.data, new.size) : code;
    at = hit + old.size;
  }
  return code;
}

static int32_t edit(mloom_tool_context *context, const char *path, mloom_bytes file, mloom_bytes old, mloom_bytes new,
                    int all, mloom_buffer *out, mloom_error *error) {
  size_t count = count_occurrences(file, old);
  if (count == 0) {
    return not_found(path, file, old, error);
  }
  const char *first = memmem(file.data, file.size, old.data, old.size);
  size_t line = line_of(file, first);
  if (count > 1 && !all) {
    const char *second =
        memmem(first + old.size, file.size - (size_t)(first + old.size - file.data), old.data, old.size);
    return mloom_error_set(
        error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_JOB, "add lines around it until it is unique, or set replace_all",
        "old_text stands %zu times in %s, first in lines %zu and %zu", count, path, line, line_of(file, second));
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer changed = MLOOM_BUFFER_INIT;
  int32_t code = replace(&changed, file, old, new);
  if (code == MLOOM_E_LIMIT) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_JOB, "replace less", "%s would have more than %u bytes", path,
                           MLOOM_WORKSPACE_FILE_LIMIT);
  }
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = mloom_workspace_write(context->workspace, path, mloom_buffer_string(&changed), changed.size, NULL, error);
  if (code != MLOOM_OK) {
    return code;
  }
  return mloom_buffer_append_format(out, "Replaced %zu passage%s in %s, line %zu.\n", count, count == 1 ? "" : "s",
                                    path, line) == MLOOM_OK
             ? MLOOM_OK
             : mloom_error_memory(error);
}

int32_t mloom_tool_edit_file(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                             mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer content = MLOOM_BUFFER_INIT;
  int32_t code = mloom_tool_path(context, arguments, "path", &path, error);
  code = code == MLOOM_OK ? mloom_workspace_read(context->workspace, mloom_buffer_string(&path), &content, NULL, error)
                          : code;
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes file = {mloom_buffer_string(&content), content.size};
  mloom_bytes old = mloom_json_text(mloom_json_member(arguments, "old_text"));
  mloom_bytes new = mloom_json_text(mloom_json_member(arguments, "new_text"));
  if (mloom_workspace_is_binary(file.data, file.size)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "only text files can be edited",
                           "%s is a binary file", mloom_buffer_string(&path));
  }
  if (old.size == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "use write_file for a new or empty file",
                           "old_text is empty");
  }
  if (old.size == new.size && memcmp(old.data, new.data, old.size) == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "say what is to stand there instead",
                           "old_text and new_text are the same");
  }
  int all = mloom_json_member_boolean(arguments, "replace_all", 0);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer old_crlf = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer new_crlf = MLOOM_BUFFER_INIT;
  /* Models write line feeds whatever the file has: in a file with CR LF those are meant. */
  if (memmem(file.data, file.size, "\r\n", 2) != NULL && count_occurrences(file, old) == 0) {
    if (append_crlf(&old_crlf, old) != MLOOM_OK || append_crlf(&new_crlf, new) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    mloom_bytes converted = {mloom_buffer_string(&old_crlf), old_crlf.size};
    if (count_occurrences(file, converted) > 0) {
      old = converted;
      new = (mloom_bytes){mloom_buffer_string(&new_crlf), new_crlf.size};
    }
  }
  return edit(context, mloom_buffer_string(&path), file, old, new, all, out, error);
}

int32_t mloom_tool_write_file(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                              mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  mloom_bytes content = mloom_json_text(mloom_json_member(arguments, "content"));
  int32_t code = mloom_tool_path(context, arguments, "path", &path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (content.size > MLOOM_WORKSPACE_FILE_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_JOB, "write a smaller file",
                           "%zu bytes are more than the limit of %u", content.size, MLOOM_WORKSPACE_FILE_LIMIT);
  }
  int created = 0;
  code = mloom_workspace_write(context->workspace, mloom_buffer_string(&path), content.data, content.size, &created,
                               error);
  if (code != MLOOM_OK) {
    return code;
  }
  return mloom_buffer_append_format(out, "%s %s, %zu bytes.\n", created ? "Created" : "Replaced",
                                    mloom_buffer_string(&path), content.size) == MLOOM_OK
             ? MLOOM_OK
             : mloom_error_memory(error);
}
