/* SPDX-License-Identifier: Apache-2.0 */
#include "job/tools.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/text.h"

#define PARAMETER_LIST (MLOOM_JSON_OBJECT + 1) /* an array of strings */

typedef struct parameter {
  const char *name;
  int kind; /* MLOOM_JSON_..., PARAMETER_LIST */
  int required;
  const char *const *choices; /* of a string; ends with NULL */
  const char *description;
} parameter;

typedef struct tool {
  const char *name;
  const char *description;
  const parameter *parameters; /* ends with a NULL name */
  mloom_tool_fn run;
  int changes_files;
} tool;

static const char *const submit_states[] = {"completed", "blocked", "failed", NULL};

static const parameter read_parameters[] = {
    {"path", MLOOM_JSON_STRING, 1, NULL, "File, relative to the repository's root."},
    {"start_line", MLOOM_JSON_INTEGER, 0, NULL, "First line to show, from 1."},
    {"end_line", MLOOM_JSON_INTEGER, 0, NULL, "Last line to show."},
    {NULL, 0, 0, NULL, NULL}};
static const parameter list_parameters[] = {
    {"path", MLOOM_JSON_STRING, 0, NULL, "Folder; the repository's root when left out."},
    {"pattern", MLOOM_JSON_STRING, 0, NULL, "Show only names or paths that match this glob, such as *.c."},
    {"recursive", MLOOM_JSON_BOOLEAN, 0, NULL, "Look into folders too; false when left out."},
    {NULL, 0, 0, NULL, NULL}};
static const parameter search_parameters[] = {
    {"pattern", MLOOM_JSON_STRING, 1, NULL, "Text to find, literally unless regex is true."},
    {"path", MLOOM_JSON_STRING, 0, NULL, "File or folder; the whole repository when left out."},
    {"glob", MLOOM_JSON_STRING, 0, NULL, "Search only files whose names match, such as *.py."},
    {"regex", MLOOM_JSON_BOOLEAN, 0, NULL, "Take pattern as a POSIX extended regular expression."},
    {"ignore_case", MLOOM_JSON_BOOLEAN, 0, NULL, "Upper and lower case are the same."},
    {NULL, 0, 0, NULL, NULL}};
static const parameter edit_parameters[] = {
    {"path", MLOOM_JSON_STRING, 1, NULL, "File, relative to the repository's root."},
    {"old_text", MLOOM_JSON_STRING, 1, NULL,
     "Text to replace, exactly as it stands in the file, with enough lines around it to be unique."},
    {"new_text", MLOOM_JSON_STRING, 1, NULL, "Text to put there."},
    {"replace_all", MLOOM_JSON_BOOLEAN, 0, NULL, "Replace every occurrence."},
    {NULL, 0, 0, NULL, NULL}};
static const parameter write_parameters[] = {
    {"path", MLOOM_JSON_STRING, 1, NULL, "File, relative to the repository's root; folders are made as needed."},
    {"content", MLOOM_JSON_STRING, 1, NULL, "The whole content of the file."},
    {NULL, 0, 0, NULL, NULL}};
static const parameter command_parameters[] = {
    {"argv", PARAMETER_LIST, 1, NULL,
     "The command's bare name and its arguments, one element each. No shell reads them."},
    {"timeout_seconds", MLOOM_JSON_INTEGER, 0, NULL, "Time limit; the worker's when left out."},
    {NULL, 0, 0, NULL, NULL}};
static const parameter diff_parameters[] = {{"path", MLOOM_JSON_STRING, 0, NULL, "Show only this file or folder."},
                                            {NULL, 0, 0, NULL, NULL}};
static const parameter submit_parameters[] = {
    {"status", MLOOM_JSON_STRING, 1, submit_states,
     "completed: the ticket is done. blocked: it cannot be done without a person. failed: it was tried without "
     "success."},
    {"summary", MLOOM_JSON_STRING, 1, NULL, "What was done and why, for the reviewer."},
    {"files_changed", PARAMETER_LIST, 1, NULL, "Every file that was added, changed or deleted; empty if none."},
    {"notes", MLOOM_JSON_STRING, 0, NULL, "Anything else a reviewer should know: doubts, follow-ups."},
    {NULL, 0, 0, NULL, NULL}};

static const tool tools[] = {
    {"read_file", "Read a text file with line numbers.", read_parameters, mloom_tool_read_file, 0},
    {"list_files", "List the files of a folder.", list_parameters, mloom_tool_list_files, 0},
    {"search_files", "Find text in files. Answers path:line: text.", search_parameters, mloom_tool_search_files, 0},
    {"edit_file", "Replace a passage of a file.", edit_parameters, mloom_tool_edit_file, 1},
    {"write_file", "Create a file or replace all of it. Prefer edit_file for changes.", write_parameters,
     mloom_tool_write_file, 1},
    {"run_command", "Run an allowed command in the repository's root, without a shell and without network.",
     command_parameters, mloom_tool_run_command, 0},
    {"inspect_diff", "Show what has been changed so far as a unified diff.", diff_parameters, mloom_tool_inspect_diff,
     0},
    {"submit_result", "Hand in the result. This ends the work.", submit_parameters, mloom_tool_submit_result, 0}};

#define TOOL_COUNT (sizeof tools / sizeof *tools)

static const tool *find_tool(const char *name) {
  for (size_t i = 0; i < TOOL_COUNT; i++) {
    if (strcmp(tools[i].name, name) == 0) {
      return &tools[i];
    }
  }
  return NULL;
}

/* ---- Schemas ---- */

static const char *schema_type(int kind) {
  switch (kind) {
  case MLOOM_JSON_INTEGER:
    return "\"type\":\"integer\",\"minimum\":1";
  case MLOOM_JSON_BOOLEAN:
    return "\"type\":\"boolean\"";
  case PARAMETER_LIST:
    return "\"type\":\"array\",\"items\":{\"type\":\"string\"}";
  default:
    return "\"type\":\"string\"";
  }
}

static int32_t append_parameter(mloom_buffer *out, const parameter *item) {
  int32_t code = mloom_json_write_name(out, item->name);
  code = code == MLOOM_OK ? mloom_buffer_append_format(out, "{%s", schema_type(item->kind)) : code;
  if (code == MLOOM_OK && item->choices != NULL) {
    code = mloom_json_write_name(out, "enum");
    code = code == MLOOM_OK ? mloom_buffer_append_char(out, '[') : code;
    for (size_t i = 0; item->choices[i] != NULL && code == MLOOM_OK; i++) {
      code = mloom_buffer_append_format(out, "%s\"%s\"", i == 0 ? "" : ",", item->choices[i]);
    }
    code = code == MLOOM_OK ? mloom_buffer_append_char(out, ']') : code;
  }
  code = code == MLOOM_OK ? mloom_json_write_member(out, "description", item->description, strlen(item->description))
                          : code;
  return code == MLOOM_OK ? mloom_buffer_append_char(out, '}') : code;
}

static int32_t append_schema(mloom_buffer *out, const parameter *parameters, int all_required) {
  int32_t code = mloom_buffer_append_string(out, "{\"type\":\"object\",\"properties\":{");
  for (const parameter *item = parameters; item->name != NULL && code == MLOOM_OK; item++) {
    code = append_parameter(out, item);
  }
  code = code == MLOOM_OK ? mloom_buffer_append_string(out, "},\"required\":[") : code;
  int first = 1;
  for (const parameter *item = parameters; item->name != NULL && code == MLOOM_OK; item++) {
    if (item->required || all_required) {
      code = mloom_buffer_append_format(out, "%s\"%s\"", first ? "" : ",", item->name);
      first = 0;
    }
  }
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "],\"additionalProperties\":false}") : code;
}

/* Room for the built-in tools and extra_count more. */
static int32_t open_set(mloom_tool_set *out, size_t extra_count, mloom_error *error) {
  memset(out, 0, sizeof *out);
  out->tools = calloc(TOOL_COUNT + extra_count, sizeof *out->tools);
  out->own = calloc(TOOL_COUNT, sizeof *out->own);
  out->schemas = calloc(TOOL_COUNT, sizeof *out->schemas);
  if (out->tools == NULL || out->own == NULL || out->schemas == NULL) {
    mloom_tool_set_free(out);
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static int32_t add_tool(mloom_tool_set *out, const tool *item, int all_required, mloom_error *error) {
  mloom_buffer *schema = &out->schemas[out->own_count];
  if (append_schema(schema, item->parameters, all_required) != MLOOM_OK) {
    mloom_tool_set_free(out);
    return mloom_error_memory(error);
  }
  out->own[out->own_count] = (mloom_tool){.size = sizeof(mloom_tool),
                                          .name = item->name,
                                          .description = item->description,
                                          .parameters = {schema->data, schema->size}};
  out->tools[out->count++] = &out->own[out->own_count++];
  return MLOOM_OK;
}

int32_t mloom_tool_set_make_result(mloom_tool_set *out, mloom_error *error) {
  int32_t code = open_set(out, 0, error);
  return code == MLOOM_OK ? add_tool(out, find_tool("submit_result"), 1, error) : code;
}

int32_t mloom_tool_set_make(mloom_tool_set *out, int read_only, const mloom_tool *const *extra, size_t extra_count,
                            mloom_error *error) {
  int32_t code = open_set(out, extra_count, error);
  for (size_t i = 0; i < TOOL_COUNT && code == MLOOM_OK; i++) {
    if (!(read_only && tools[i].changes_files)) {
      code = add_tool(out, &tools[i], 0, error);
    }
  }
  if (code != MLOOM_OK) {
    return code;
  }
  for (size_t i = 0; i < extra_count; i++) {
    out->tools[out->count++] = extra[i];
  }
  return MLOOM_OK;
}

void mloom_tool_set_free(mloom_tool_set *set) {
  for (size_t i = 0; i < set->own_count; i++) {
    mloom_buffer_free(&set->schemas[i]);
  }
  free(set->schemas);
  free(set->own);
  free(set->tools);
  memset(set, 0, sizeof *set);
}

/* ---- Arguments ---- */

static const char *expected(int kind) {
  switch (kind) {
  case MLOOM_JSON_INTEGER:
    return "an integer from 1 on";
  case MLOOM_JSON_BOOLEAN:
    return "true or false";
  case PARAMETER_LIST:
    return "a list of strings";
  default:
    return "a string";
  }
}

static int fits(const parameter *item, const mloom_json *value) {
  int kind = mloom_json_kind(value);
  if (item->kind == PARAMETER_LIST) {
    for (size_t i = 0; i < mloom_json_count(value); i++) {
      mloom_bytes text = mloom_json_text(mloom_json_at(value, i));
      if (text.data == NULL || memchr(text.data, '\0', text.size) != NULL) {
        return 0;
      }
    }
    return kind == MLOOM_JSON_ARRAY;
  }
  if (item->kind == MLOOM_JSON_INTEGER) {
    return kind == MLOOM_JSON_INTEGER && mloom_json_integer(value, 0) >= 1;
  }
  if (kind != item->kind || item->choices == NULL) {
    return kind == item->kind;
  }
  for (size_t i = 0; item->choices[i] != NULL; i++) {
    if (mloom_text_equal(mloom_json_text(value), item->choices[i])) {
      return 1;
    }
  }
  return 0;
}

static int32_t append_names(mloom_buffer *out, const tool *called) {
  int32_t code = mloom_buffer_append_format(out, "%s takes ", called->name);
  for (const parameter *item = called->parameters; item->name != NULL && code == MLOOM_OK; item++) {
    code = mloom_buffer_append_format(out, "%s%s%s", item == called->parameters ? "" : ", ", item->name,
                                      item->required ? " (required)" : "");
  }
  return code;
}

typedef struct argument_check {
  const tool *called;
  const char *remedy;
  mloom_error *error;
} argument_check;

static int check_argument(const char *name, mloom_json *value, void *userdata) {
  argument_check *check = userdata;
  for (const parameter *item = check->called->parameters; item->name != NULL; item++) {
    if (strcmp(item->name, name) != 0) {
      continue;
    }
    /* Some models write null for what they leave out. */
    if (fits(item, value) || (mloom_json_kind(value) == MLOOM_JSON_NULL && !item->required)) {
      return MLOOM_OK;
    }
    if (item->choices != NULL) {
      return mloom_error_set(check->error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, check->remedy,
                             "argument %s must be %s, %s or %s", name, item->choices[0], item->choices[1],
                             item->choices[2]);
    }
    return mloom_error_set(check->error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, check->remedy, "argument %s must be %s",
                           name, expected(item->kind));
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer shown = MLOOM_BUFFER_INIT;
  mloom_text_append_printable(&shown, name, strnlen(name, 60), 0);
  return mloom_error_set(check->error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, check->remedy, "there is no argument %s",
                         mloom_buffer_string(&shown));
}

int32_t mloom_tool_parse_arguments(mloom_json **out, const char *name, const char *text, size_t size,
                                   mloom_error *error) {
  *out = NULL;
  const tool *called = find_tool(name);
  if (called == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB, "use one of the tools that were offered",
                           "there is no such tool");
  }
  if (size > MLOOM_TOOL_ARGUMENTS_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_JOB, "write less in one call",
                           "the arguments have %zu bytes, at most %u are taken", size, MLOOM_TOOL_ARGUMENTS_LIMIT);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer remedy = MLOOM_BUFFER_INIT;
  if (append_names(&remedy, called) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *arguments = NULL;
  /* A call without arguments may come as no text at all. */
  mloom_bytes trimmed = mloom_text_trim((mloom_bytes){text, size});
  int32_t code = trimmed.size == 0 ? mloom_json_parse(&arguments, "{}", 2, "the arguments", error)
                                   : mloom_json_parse(&arguments, trimmed.data, trimmed.size, "the arguments", error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_json_kind(arguments) != MLOOM_JSON_OBJECT) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, mloom_buffer_string(&remedy),
                           "the arguments must be a JSON object");
  }
  argument_check check = {called, mloom_buffer_string(&remedy), error};
  code = mloom_json_each_member(arguments, check_argument, &check);
  for (const parameter *item = called->parameters; item->name != NULL && code == MLOOM_OK; item++) {
    if (item->required && mloom_json_member(arguments, item->name) == NULL) {
      code = mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, mloom_buffer_string(&remedy),
                             "argument %s is missing", item->name);
    }
  }
  if (code == MLOOM_OK) {
    *out = MLOOM_STEAL(arguments);
  }
  return code;
}

int32_t mloom_tool_run(mloom_tool_context *context, const char *name, const mloom_json *arguments, mloom_buffer *out,
                       mloom_error *error) {
  const tool *called = find_tool(name);
  if (called == NULL || (context->read_only && called->changes_files)) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB, "use one of the tools that were offered",
                           called == NULL ? "there is no such tool" : "this job must not change files");
  }
  return called->run(context, arguments, out, error);
}

int32_t mloom_tool_path(const mloom_tool_context *context, const mloom_json *arguments, const char *name,
                        mloom_buffer *out, mloom_error *error) {
  mloom_bytes text = mloom_json_text(mloom_json_member(arguments, name));
  return mloom_workspace_normalize(context->workspace, out, text.data == NULL ? mloom_text_bytes("") : text, error);
}

static int32_t describe_command(const mloom_json *argv, mloom_buffer *out) {
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list words = {NULL, 0};
  for (size_t i = 0; i < mloom_json_count(argv); i++) {
    mloom_bytes word = mloom_json_text(mloom_json_at(argv, i));
    if (mloom_text_list_add(&words, word.data == NULL ? "" : word.data, word.size) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
  }
  return mloom_command_line_format(out, words.items, words.count);
}

int32_t mloom_tool_describe(const char *name, const mloom_json *arguments, mloom_buffer *out) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  const char *path = mloom_json_member_string(arguments, "path", "");
  int32_t code = MLOOM_OK;
  if (strcmp(name, "run_command") == 0) {
    code = describe_command(mloom_json_member(arguments, "argv"), &text);
  } else if (strcmp(name, "search_files") == 0) {
    code = mloom_buffer_append_format(&text, "\"%s\"%s%s", mloom_json_member_string(arguments, "pattern", ""),
                                      *path == '\0' ? "" : " in ", path);
  } else if (strcmp(name, "submit_result") == 0) {
    code = mloom_buffer_append_format(&text, "%s: %s", mloom_json_member_string(arguments, "status", ""),
                                      mloom_json_member_string(arguments, "summary", ""));
  } else {
    code = mloom_buffer_append_string(&text, path);
  }
  if (code == MLOOM_OK && text.size > 400) {
    mloom_buffer_truncate(&text, mloom_text_complete_prefix(text.data, 397));
    code = mloom_buffer_append_string(&text, "...");
  }
  return code == MLOOM_OK ? mloom_text_append_printable(out, mloom_buffer_string(&text), text.size, 0) : code;
}
