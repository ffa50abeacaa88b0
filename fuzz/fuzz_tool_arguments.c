/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model calls tools with: the first byte chooses the tool, the rest are its arguments. The tools that only read,
 * and edit_file, are run in a scratch folder.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/tools.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mloom_workspace workspace;
static char folder[64] = "/tmp/mergeloom-fuzz-XXXXXX";

static void remove_folder(void) {
  char path[128];
  snprintf(path, sizeof path, "%s/t", folder);
  unlink(path);
  rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  if (mkdtemp(folder) == NULL || mloom_workspace_open(&workspace, folder, NULL) != MLOOM_OK) {
    abort();
  }
  atexit(remove_folder);
  return 0;
}

static void run_tool(const char *name, const mloom_json *arguments) {
  static const char content[] = "alpha\r\nbeta\r\n  gamma = 1\r\nalpha\r\n";
  mloom_call call;
  mloom_call_init(&call, NULL, mloom_clock_system(), NULL, INT64_MAX);
  mloom_tool_context context = {.workspace = &workspace, .call = &call};
  mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  if (strcmp(name, "edit_file") == 0) {
    mloom_workspace_write(&workspace, "t", content, sizeof content - 1, NULL, NULL);
  }
  int32_t code = mloom_tool_run(&context, name, arguments, &out, &error);
  if (code != MLOOM_OK && error.message[0] == '\0') {
    abort();
  }
  mloom_buffer_free(&out);
  mloom_json_unref(context.submission);
}

static void check_path(const mloom_json *arguments) {
  mloom_buffer path = MLOOM_BUFFER_INIT;
  mloom_bytes given = mloom_json_text(mloom_json_member(arguments, "path"));
  if (given.data != NULL && mloom_workspace_normalize(&workspace, &path, given, NULL) == MLOOM_OK) {
    const char *text = mloom_buffer_string(&path);
    if (text[0] == '/' || strstr(text, "//") != NULL || strcmp(text, "..") == 0 || strstr(text, "/../") != NULL ||
        strcasestr(text, "/.git/") != NULL || strlen(text) != path.size) {
      abort();
    }
  }
  mloom_buffer_free(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const names[] = {"read_file",   "list_files",    "search_files", "edit_file",   "write_file",
                                      "run_command", "submit_result", "inspect_diff", "no_such_tool"};
  if (size == 0) {
    return 0;
  }
  const char *name = names[data[0] % (sizeof names / sizeof *names)];
  mloom_json *arguments = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (mloom_tool_parse_arguments(&arguments, name, (const char *)data + 1, size - 1, &error) != MLOOM_OK) {
    if (error.message[0] == '\0') {
      abort();
    }
    return 0;
  }
  mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_tool_describe(name, arguments, &text);
  if (memchr(mloom_buffer_string(&text), '\n', text.size) != NULL) {
    abort();
  }
  mloom_buffer_free(&text);
  check_path(arguments);
  int runs_here = strcmp(name, "read_file") == 0 || strcmp(name, "list_files") == 0 || strcmp(name, "edit_file") == 0 ||
                  strcmp(name, "submit_result") == 0 ||
                  (strcmp(name, "search_files") == 0 && !mloom_json_member_boolean(arguments, "regex", 0));
  if (runs_here) {
    run_tool(name, arguments);
  }
  mloom_json_unref(arguments);
  return 0;
}
