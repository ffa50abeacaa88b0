/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "view.h"

static int view_mode(const tool_options *options) {
  return options->json ? VIEW_JSON : tool_has_screen() ? VIEW_LIVE : VIEW_PLAIN;
}

static int exit_status(uint32_t state) {
  static const int statuses[] = {TOOL_OK, TOOL_FAILED, TOOL_BLOCKED, TOOL_NOT_READY, TOOL_CANCELLED};
  return state <= MLOOM_JOB_CANCELLED ? statuses[state] : TOOL_FAILED;
}

/* Shows the result, stores it, and says what the exit status says. */
static int finish(const tool_options *options, const mloom_result *result) {
  mloom_error reason = MLOOM_ERROR_INIT;
  uint32_t state = mloom_result_state(result, &reason);
  const char *json = mloom_result_json(result);
  int status = exit_status(state);
  if (options->json) {
    puts(json);
  } else {
    report_result(options, json, options->show_diff ? mloom_result_diff(result) : NULL, 0);
  }
  fflush(stdout);
  if (options->output != NULL) {
    int stored = tool_write_file(options->output, json, strlen(json));
    status = status == TOOL_OK ? stored : status;
  }
  if (state != MLOOM_JOB_COMPLETED) {
    tool_complain_error(&reason);
  }
  return status;
}

static int run_job(const tool_options *options, mloom_context *context, const char *job, mloom_cancel *cancel) {
  int mode = view_mode(options);
  view *v = view_new(mode, options, cancel);
  mloom_job_options job_options = {.size = sizeof(job_options), .cancel = cancel, .event = view_event, .userdata = v};
  job_options.flags = (options->no_readiness ? MLOOM_JOB_WITHOUT_READINESS : 0) |
                      (options->no_self_test ? MLOOM_JOB_WITHOUT_SELF_TEST : 0);
  mloom_result *result = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  tool_catch_signals(cancel, mode == VIEW_LIVE);
  int32_t code = mloom_job_run(&result, context, job, strlen(job), &job_options, &error);
  view_free(v);
  tool_release_signals();
  int status = code == MLOOM_OK ? finish(options, result) : tool_complain_error(&error);
  mloom_result_free(result);
  return status;
}

int tool_run(const tool_options *options) {
  char *job = NULL;
  mloom_cancel *cancel = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  int status = options->output != NULL ? tool_check_output(options->output) : TOOL_OK;
  if (status == TOOL_OK) {
    status = tool_make_job(&job, options, 1);
  }
  if (status != TOOL_OK) {
    return status;
  }
  mloom_context *context = tool_open_context(options, MLOOM_LOG_WARNING, &status);
  if (context != NULL) {
    status = mloom_cancel_new(&cancel, &error) == MLOOM_OK ? run_job(options, context, job, cancel)
                                                           : tool_complain_error(&error);
  }
  mloom_context_free(context);
  mloom_cancel_unref(cancel);
  free(job);
  return status;
}
