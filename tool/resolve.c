/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static int show_resolution(const tool_options *options, const mloom_resolution *resolution) {
  if (options->json) {
    puts(mloom_resolution_json(resolution));
  } else {
    tool_text text = {NULL, 0, 0};
    const char *explanation = mloom_resolution_text(resolution);
    tool_text_add_safe(&text, explanation, strlen(explanation), 1);
    if (text.size > 0 && text.data[text.size - 1] != '\n') {
      tool_text_add(&text, "\n");
    }
    fputs(tool_text_get(&text), stdout);
    tool_text_free(&text);
  }
  mloom_error error = MLOOM_ERROR_INIT;
  if (mloom_resolution_blocked(resolution, &error)) {
    tool_complain_error(&error);
    return TOOL_BLOCKED;
  }
  return TOOL_OK;
}

int tool_resolve(const tool_options *options) {
  char *job = NULL;
  int status = tool_make_job(&job, options, 0);
  if (status != TOOL_OK) {
    return status;
  }
  mloom_context *context = tool_open_context(options, MLOOM_LOG_WARNING, &status);
  if (context != NULL) {
    mloom_resolution *resolution = NULL;
    mloom_error error = MLOOM_ERROR_INIT;
    if (mloom_resolve(&resolution, context, job, strlen(job), &error) == MLOOM_OK) {
      status = show_resolution(options, resolution);
      mloom_resolution_free(resolution);
    } else {
      status = tool_complain_error(&error);
    }
  }
  mloom_context_free(context);
  free(job);
  return status;
}
