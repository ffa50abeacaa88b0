/* SPDX-License-Identifier: Apache-2.0
 *
 * The tools that look at files: read_file, list_files, search_files.
 */
#include <fnmatch.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "job/tools.h"

#define READ_BYTES 100000u
#define READ_LINES 2000
#define READ_LINE_BYTES 2000u
#define LIST_ENTRIES 1000u
#define SEARCH_MATCHES 200u
#define SEARCH_LINE_BYTES 300u
#define SEARCH_BYTES (256u << 20) /* read in one search */
#define SEARCH_SECONDS 20

/* ---- read_file ---- */

static size_t count_lines(const char *data, size_t size) {
  size_t lines = 0;
  for (const char *at = data, *end = data + size; at < end; lines++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    at = newline == NULL ? end : newline + 1;
  }
  return lines;
}

static int32_t append_line(mloom_buffer *out, size_t number, const char *line, size_t size) {
  size_t shown = size;
  if (shown > 0 && line[shown - 1] == '\r') {
    shown--; /* edit_file takes either line ending */
  }
  int cut = shown > READ_LINE_BYTES;
  shown = cut ? mloom_text_complete_prefix(line, READ_LINE_BYTES) : shown;
  int32_t code = mloom_buffer_append_format(out, "%6zu\t", number);
  code = code == MLOOM_OK ? mloom_text_append_utf8(out, line, shown) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, cut ? " [line cut]\n" : "\n") : code;
}

static int32_t append_lines(mloom_buffer *out, const mloom_buffer *file, size_t first, size_t last, size_t total) {
  int32_t code = MLOOM_OK;
  size_t number = 1;
  for (const char *at = file->data, *end = file->data + file->size; at < end && code == MLOOM_OK; number++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *stop = newline == NULL ? end : newline;
    if (number > last || out->size > READ_BYTES) {
      return mloom_buffer_append_format(out, "[lines %zu to %zu are not shown; read them with start_line %zu]\n",
                                        number, total, number);
    }
    if (number >= first) {
      code = append_line(out, number, at, (size_t)(stop - at));
    }
    at = stop + 1;
  }
  return code;
}

int32_t mloom_tool_read_file(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                             mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer file = MLOOM_BUFFER_INIT;
  int32_t code = mloom_tool_path(context, arguments, "path", &path, error);
  code = code == MLOOM_OK ? mloom_workspace_read(context->workspace, mloom_buffer_string(&path), &file, NULL, error)
                          : code;
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_workspace_is_binary(file.data, file.size)) {
    return mloom_buffer_append_format(out, "%s is a binary file of %zu bytes.\n", mloom_buffer_string(&path),
                                      file.size) == MLOOM_OK
               ? MLOOM_OK
               : mloom_error_memory(error);
  }
  size_t total = count_lines(mloom_buffer_string(&file), file.size);
  int64_t first = mloom_json_member_integer(arguments, "start_line", 1);
  int64_t last = mloom_json_member_integer(arguments, "end_line", INT64_MAX);
  if (first > last || (total > 0 && first > (int64_t)total)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "ask for lines that exist",
                           "%s has %zu lines, lines %lld to %lld were asked for", mloom_buffer_string(&path), total,
                           (long long)first, (long long)(last == INT64_MAX ? (int64_t)total : last));
  }
  if (last - first >= READ_LINES) {
    last = first + READ_LINES - 1;
  }
  code = total == 0 ? mloom_buffer_append_format(out, "%s is empty.\n", mloom_buffer_string(&path))
                    : append_lines(out, &file, (size_t)first, (size_t)last, total);
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

/* ---- list_files ---- */

typedef struct listing {
  mloom_buffer *out;
  const char *pattern;
  size_t shown;
  size_t left_out;
  int32_t code;
} listing;

/* A pattern with a slash is held against the path, one without against the name. */
static int matches(const char *pattern, const char *path) {
  const char *name = strrchr(path, '/');
  if (pattern == NULL || *pattern == '\0') {
    return 1;
  }
  if (strncmp(pattern, "**/", 3) == 0 && strchr(pattern + 3, '/') == NULL) {
    pattern += 3;
  }
  return fnmatch(pattern, strchr(pattern, '/') != NULL || name == NULL ? path : name + 1, 0) == 0;
}

/* fnmatch takes time exponential in the number of stars on hostile patterns. */
static int32_t check_pattern(const char *pattern, mloom_error *error) {
  size_t stars = 0;
  for (const char *at = pattern; *at != '\0'; at++) {
    stars += *at == '*' && at[1] != '*';
  }
  return stars <= 6 && strlen(pattern) <= 256
             ? MLOOM_OK
             : mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "use a simpler pattern, such as src/*.c",
                               "the pattern is too complicated");
}

static int list_entry(const mloom_workspace_entry *entry, void *userdata) {
  listing *list = userdata;
  int folder = S_ISDIR(entry->status->st_mode);
  if (!matches(list->pattern, entry->path)) {
    return 0;
  }
  if (list->shown == LIST_ENTRIES) {
    list->left_out++;
    return 0;
  }
  list->shown++;
  int32_t code = mloom_text_append_printable(list->out, entry->path, strlen(entry->path), 0);
  if (code == MLOOM_OK && entry->link != NULL) {
    code = mloom_buffer_append_string(list->out, " -> ");
    code = code == MLOOM_OK ? mloom_text_append_printable(list->out, entry->link, strlen(entry->link), 0) : code;
  } else if (code == MLOOM_OK && S_ISREG(entry->status->st_mode)) {
    code = mloom_buffer_append_format(list->out, "  %lld", (long long)entry->status->st_size);
  }
  const char *end = folder || S_ISREG(entry->status->st_mode) || entry->link != NULL ? "\n" : "  (special file)\n";
  code = code == MLOOM_OK && folder ? mloom_buffer_append_char(list->out, '/') : code;
  list->code = code == MLOOM_OK ? mloom_buffer_append_string(list->out, end) : code;
  return list->code != MLOOM_OK;
}

int32_t mloom_tool_list_files(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                              mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  listing list = {out, mloom_json_member_string(arguments, "pattern", ""), 0, 0, MLOOM_OK};
  int truncated = 0;
  int32_t code = check_pattern(list.pattern, error);
  code = code == MLOOM_OK ? mloom_tool_path(context, arguments, "path", &path, error) : code;
  code = code == MLOOM_OK ? mloom_workspace_walk(context->workspace, mloom_buffer_string(&path),
                                                 mloom_json_member_boolean(arguments, "recursive", 0), list_entry,
                                                 &list, &truncated, error)
                          : code;
  if (code != MLOOM_OK) {
    return code;
  }
  code = list.code;
  if (code == MLOOM_OK && list.shown == 0) {
    code = mloom_buffer_append_string(out, "Nothing found.\n");
  }
  if (code == MLOOM_OK && (list.left_out > 0 || truncated)) {
    code = mloom_buffer_append_format(out, "[%zu%s more are not shown; name a folder or a pattern]\n", list.left_out,
                                      truncated ? " and" : "");
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

/* ---- search_files ---- */

typedef struct searching {
  mloom_tool_context *context;
  mloom_buffer *out;
  mloom_bytes needle;
  const char *glob;
  int ignore_case;
  size_t matches;
  size_t read;
  size_t skipped;
  int32_t code;
} searching;

static const char *find_fold(const char *data, size_t size, mloom_bytes needle) {
  for (size_t i = 0; i + needle.size <= size; i++) {
    if (mloom_text_compare_start_fold(data + i, needle.data, needle.size) == 0) {
      return data + i;
    }
  }
  return NULL;
}

static int32_t append_match(mloom_buffer *out, const char *path, size_t number, const char *line, size_t size) {
  size_t shown = size <= SEARCH_LINE_BYTES ? size : mloom_text_complete_prefix(line, SEARCH_LINE_BYTES);
  int32_t code = mloom_text_append_printable(out, path, strlen(path), 0);
  code = code == MLOOM_OK ? mloom_buffer_append_format(out, ":%zu: ", number) : code;
  code = code == MLOOM_OK ? mloom_text_append_printable(out, line, shown, 0) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, shown < size ? " [cut]\n" : "\n") : code;
}

static int32_t search_text(searching *search, const char *path, const char *data, size_t size) {
  size_t number = 1;
  const char *counted = data;
  const char *end = data + size;
  int32_t code = MLOOM_OK;
  for (const char *at = data; at < end && code == MLOOM_OK && search->matches < SEARCH_MATCHES;) {
    const char *hit = search->ignore_case ? find_fold(at, (size_t)(end - at), search->needle)
                                          : memmem(at, (size_t)(end - at), search->needle.data, search->needle.size);
    if (hit == NULL) {
      break;
    }
    for (const char *newline; (newline = memchr(counted, '\n', (size_t)(hit - counted))) != NULL; number++) {
      counted = newline + 1;
    }
    const char *stop = memchr(hit, '\n', (size_t)(end - hit));
    stop = stop == NULL ? end : stop;
    code = append_match(search->out, path, number, counted, (size_t)(stop - counted));
    search->matches++;
    at = stop < end ? stop + 1 : end;
  }
  return code;
}

static int search_entry(const mloom_workspace_entry *entry, void *userdata) {
  searching *search = userdata;
  if (!S_ISREG(entry->status->st_mode) || !matches(search->glob, entry->path)) {
    return 0;
  }
  if (mloom_call_check(search->context->call, NULL) != MLOOM_OK) {
    return 1;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer file = MLOOM_BUFFER_INIT;
  int32_t code = mloom_workspace_read(search->context->workspace, entry->path, &file, NULL, NULL);
  if (code == MLOOM_E_MEMORY) {
    search->code = code;
    return 1;
  }
  if (code != MLOOM_OK) {
    search->skipped++;
    return 0;
  }
  search->read += file.size;
  if (!mloom_workspace_is_binary(file.data, file.size)) {
    search->code = search_text(search, entry->path, mloom_buffer_string(&file), file.size);
  }
  return search->code != MLOOM_OK || search->matches >= SEARCH_MATCHES || search->read > SEARCH_BYTES;
}

static int32_t search_literal(searching *search, const char *path, mloom_error *error) {
  int truncated = 0;
  int32_t code = mloom_workspace_walk(search->context->workspace, path, 1, search_entry, search, &truncated, error);
  if (code == MLOOM_OK) {
    code = mloom_call_check(search->context->call, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  code = search->code;
  if (code == MLOOM_OK && search->matches == 0) {
    code = mloom_buffer_append_string(search->out, "No match.\n");
  }
  if (code == MLOOM_OK && (search->matches >= SEARCH_MATCHES || search->read > SEARCH_BYTES || truncated)) {
    code = mloom_buffer_append_string(search->out, "[there may be more; narrow the search with path or glob]\n");
  }
  if (code == MLOOM_OK && search->skipped > 0) {
    code = mloom_buffer_append_format(search->out, "[%zu files were too large or unreadable]\n", search->skipped);
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

/* A regular expression of a model may take for ever: a confined grep runs it, not this process. */
static int32_t search_expression(searching *search, const char *path, const char *pattern, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer include = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer found = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&include, "--include=%s", *search->glob == '\0' ? "*" : search->glob) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const char *arguments[] = {"-rnIE",
                             "--devices=skip",
                             "--exclude-dir=.git",
                             "-m",
                             "100",
                             mloom_buffer_string(&include),
                             "-e",
                             pattern,
                             search->ignore_case ? "-i" : "-n",
                             "--",
                             *path == '\0' ? "." : path,
                             NULL};
  mloom_call call;
  const mloom_call *parent = search->context->call;
  mloom_call_init_child(&call, parent, parent->clock->monotonic_ms(parent->clock) + SEARCH_SECONDS * 1000);
  int32_t exit_code = 0;
  int truncated = 0;
  int32_t code = mloom_command_run_own(search->context->runner, &call, "grep", arguments, NULL, 200000, &found,
                                       &truncated, &exit_code, error);
  if (code == MLOOM_E_TIMEOUT && mloom_call_check(parent, NULL) == MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_JOB, "use a simpler expression, or narrow it with path",
                           "the search took longer than %d s", SEARCH_SECONDS);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (exit_code > 1 && found.size == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB,
                           "write a POSIX extended regular expression, or search literally",
                           "the expression or the path was not accepted");
  }
  size_t lines = 0;
  for (const char *at = mloom_buffer_string(&found), *end = at + found.size; at < end && code == MLOOM_OK; lines++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    stop = stop == NULL ? end : stop;
    size_t size = (size_t)(stop - at);
    size_t skip = size > 2 && at[0] == '.' && at[1] == '/' ? 2 : 0;
    if (lines >= SEARCH_MATCHES) {
      truncated = 1;
      break;
    }
    size_t shown =
        size - skip <= SEARCH_LINE_BYTES ? size - skip : mloom_text_complete_prefix(at + skip, SEARCH_LINE_BYTES);
    code = mloom_text_append_printable(search->out, at + skip, shown, 0);
    code = code == MLOOM_OK ? mloom_buffer_append_char(search->out, '\n') : code;
    at = stop + 1;
  }
  if (code == MLOOM_OK && lines == 0) {
    code = mloom_buffer_append_string(search->out, "No match.\n");
  }
  if (code == MLOOM_OK && truncated) {
    code = mloom_buffer_append_string(search->out, "[there may be more; narrow the search with path or glob]\n");
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

int32_t mloom_tool_search_files(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                                mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  searching search = {context,
                      out,
                      mloom_json_text(mloom_json_member(arguments, "pattern")),
                      mloom_json_member_string(arguments, "glob", ""),
                      mloom_json_member_boolean(arguments, "ignore_case", 0),
                      0,
                      0,
                      0,
                      MLOOM_OK};
  if (search.needle.size == 0 || search.needle.size > 1000 || memchr(search.needle.data, '\n', search.needle.size) ||
      memchr(search.needle.data, '\0', search.needle.size)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "give 1 to 1000 bytes of one line",
                           "the pattern is empty, too long or has several lines");
  }
  int32_t code = check_pattern(search.glob, error);
  code = code == MLOOM_OK ? mloom_tool_path(context, arguments, "path", &path, error) : code;
  code = code == MLOOM_OK ? mloom_workspace_check(context->workspace, mloom_buffer_string(&path), error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  return mloom_json_member_boolean(arguments, "regex", 0)
             ? search_expression(&search, mloom_buffer_string(&path), search.needle.data, error)
             : search_literal(&search, mloom_buffer_string(&path), error);
}
