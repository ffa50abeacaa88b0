/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "report.h"

/* The worker's folder of audit records; "" when there is none. The caller frees it. */
static int find_audit_folder(char **out, const tool_options *options) {
  int status = TOOL_OK;
  char *document = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  tool_text folder = {NULL, 0, 0};
  mloom_context *context = tool_open_context(options, MLOOM_LOG_ERROR, &status);
  if (context == NULL) {
    return status;
  }
  if (mloom_context_describe_providers(context, &document, &error) != MLOOM_OK) {
    status = tool_complain_error(&error);
  } else {
    json_document *json = json_parse(document, strlen(document));
    tool_text_add(&folder, json_string(json_get(json_root(json), "worker"), "audit_path", ""));
    json_free(json);
  }
  mloom_string_free(document);
  mloom_context_free(context);
  tool_text_append(&folder, "", 0);
  *out = folder.data;
  return status;
}

static int is_job_id(const char *name) {
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return name[0] != '.' && name[0] != '\0' && strspn(name, safe) == strlen(name);
}

/* The file that the argument means: itself, or the audit record of that job. */
static int find_file(tool_text *path, const tool_options *options, const char *name) {
  char *folder = NULL;
  if (strcmp(name, "-") == 0 || strchr(name, '/') != NULL || access(name, F_OK) == 0 || !is_job_id(name)) {
    tool_text_add(path, name);
    return TOOL_OK;
  }
  int status = find_audit_folder(&folder, options);
  if (status == TOOL_OK && folder[0] == '\0') {
    tool_complain("give the path of a file, or set JCA_WORKER_AUDIT_PATH to the folder of audit records",
                  "no file %s, and no folder of audit records to look for that job", name);
    status = TOOL_USAGE;
  } else if (status == TOOL_OK) {
    tool_text_format(path, "%s/%s.jsonl", folder, name);
  }
  free(folder);
  return status;
}

int tool_result(const tool_options *options) {
  if (options->argument_count == 0) {
    tool_complain("mergeloom result FILE, or mergeloom result JOB-ID", "no result was named");
    return TOOL_USAGE;
  }
  tool_text path = {NULL, 0, 0};
  char *text = NULL;
  size_t size = 0;
  int status = find_file(&path, options, options->arguments[0]);
  if (status == TOOL_OK) {
    status = tool_read_file(&text, &size, tool_text_get(&path), "the result");
  }
  int shown = 0;
  if (status == TOOL_OK && options->json) {
    shown = report_json(text, size);
  } else if (status == TOOL_OK && report_result(options, text, NULL, 1) != 0) {
    shown = report_audit(options, text, size);
  }
  if (shown != 0) {
    tool_complain("give a file that mergeloom run --output wrote, or an audit record",
                  "%s is neither a result nor an audit record", tool_text_get(&path));
    status = TOOL_USAGE;
  }
  free(text);
  tool_text_free(&path);
  return status;
}
