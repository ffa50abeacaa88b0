/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

#define NAME_COLUMNS 11
#define REASON_COLUMN (4 + NAME_COLUMNS + 1)

/* With the self-test left out, a provider whose login works counts as ready. */
static int is_ready(const tool_options *options, const mloom_check_report *report, size_t index) {
  uint32_t state = mloom_check_report_state(report, index);
  return state == MLOOM_STATE_READY || (state == MLOOM_STATE_AUTHENTICATED && options->no_self_test);
}

static size_t count_ready(const tool_options *options, const mloom_check_report *report) {
  size_t ready = 0;
  for (size_t i = 0; i < mloom_check_report_count(report); i++) {
    ready += (size_t)is_ready(options, report, i);
  }
  return ready;
}

/* After the checks of many providers, those that count. */
static void add_ready(tool_text *out, const tool_options *options, const mloom_check_report *report) {
  size_t count = mloom_check_report_count(report);
  tool_text line = {NULL, 0, 0};
  tool_text_format(&line, "%zu of %zu ready", count_ready(options, report), count);
  const char *separator = ": ";
  for (size_t i = 0; i < count; i++) {
    if (is_ready(options, report, i)) {
      tool_text_add(&line, separator);
      tool_text_add(&line, mloom_check_report_provider(report, i));
      separator = ", ";
    }
  }
  tool_text_add(out, "\n");
  tool_add_wrapped(out, 0, TOOL_STYLE_PLAIN, tool_text_get(&line), 0);
  tool_text_free(&line);
}

static int state_style(const char *state) {
  if (strcmp(state, mloom_state_name(MLOOM_STATE_READY)) == 0 ||
      strcmp(state, mloom_state_name(MLOOM_STATE_AUTHENTICATED)) == 0) {
    return TOOL_STYLE_GREEN;
  }
  return strcmp(state, mloom_state_name(MLOOM_STATE_DISABLED)) == 0 ? TOOL_STYLE_DIM : TOOL_STYLE_RED;
}

static void add_check(tool_text *out, const json_value *check, int color) {
  unsigned state = tool_check_state(json_string(check, "state", "fail"));
  const char *remedy = json_string(check, "remedy", "");
  tool_text name = {NULL, 0, 0};
  tool_text reason = {NULL, 0, 0};
  tool_text_add_safe(&name, json_string(check, "name", ""), strlen(json_string(check, "name", "")), 0);
  tool_text_add(out, "  ");
  tool_append_styled(out, color, tool_check_style(state), tool_check_mark(state));
  tool_text_format(out, " %-*s ", NAME_COLUMNS, tool_text_get(&name));
  tool_text_add(&reason, json_string(check, "reason", ""));
  if (json_integer(check, "duration_ms", 0) > 0) {
    tool_text_add(&reason, "  ");
    tool_append_duration(&reason, json_integer(check, "duration_ms", 0));
  }
  tool_add_wrapped(out, color, state == MLOOM_CHECK_SKIPPED ? TOOL_STYLE_DIM : TOOL_STYLE_PLAIN, tool_text_get(&reason),
                   REASON_COLUMN);
  if (remedy[0] != '\0' && (state == MLOOM_CHECK_FAIL || state == MLOOM_CHECK_WARN)) {
    tool_text_pad(out, REASON_COLUMN);
    tool_text_add(out, "try: ");
    tool_add_wrapped(out, 0, TOOL_STYLE_PLAIN, remedy, REASON_COLUMN + 5);
  }
  tool_text_free(&name);
  tool_text_free(&reason);
}

static void show_report(const tool_options *options, const mloom_check_report *report) {
  const char *text = mloom_check_report_json(report);
  json_document *json = json_parse(text, strlen(text));
  tool_text out = {NULL, 0, 0};
  for (const json_value *p = json_first(json_get(json_root(json), "providers")); p != NULL; p = p->next) {
    const char *state = json_string(p, "state", "");
    const char *model = json_string(p, "model", "");
    tool_append_styled(&out, options->color_on, TOOL_STYLE_BOLD, json_string(p, "id", ""));
    tool_text_add(&out, ": ");
    tool_append_styled(&out, options->color_on, state_style(state), state);
    if (model[0] != '\0') {
      tool_text_add(&out, ", model ");
      tool_append_styled(&out, 0, TOOL_STYLE_PLAIN, model);
    }
    tool_text_add(&out, "\n");
    for (const json_value *check = json_first(json_get(p, "checks")); check != NULL; check = check->next) {
      add_check(&out, check, options->color_on);
    }
  }
  if (mloom_check_report_count(report) > 1) {
    add_ready(&out, options, report);
  }
  fputs(tool_text_get(&out), stdout);
  tool_text_free(&out);
  json_free(json);
}

/* A self-test may take a minute: on a terminal each check is announced on stderr as it ends. */
static void announce(const char *provider, const char *check, uint32_t state, const char *reason, const char *remedy,
                     int64_t duration_ms, void *userdata) {
  (void)reason;
  (void)remedy;
  (void)duration_ms;
  (void)userdata;
  tool_text line = {NULL, 0, 0};
  tool_text shown = {NULL, 0, 0};
  tool_text_format(&line, "%s: %s %s", provider, check, mloom_check_name(state));
  tool_text_add_cut(&shown, tool_text_get(&line), line.size, (size_t)tool_terminal_width() - 1);
  fprintf(stderr, "\r\033[K%s", tool_text_get(&shown));
  tool_text_free(&line);
  tool_text_free(&shown);
}

/* Checks the providers that are named, or all when none is, at once. */
static int check_all(const tool_options *options, mloom_context *context, mloom_cancel *cancel) {
  int named = options->argument_count > 0;
  int live = !options->json && isatty(STDERR_FILENO) && tool_has_screen();
  mloom_check_options check_options = {.size = sizeof(check_options),
                                       .flags = options->no_self_test ? MLOOM_CHECK_WITHOUT_SELF_TEST : 0,
                                       .model = options->model,
                                       .cancel = cancel,
                                       .timeout_ms = options->timeout_seconds * 1000,
                                       .check = live ? announce : NULL,
                                       .providers = named ? (const char *const *)options->arguments : NULL};
  mloom_check_report *report = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = mloom_check(&report, context, NULL, &check_options, &error);
  if (live) {
    fputs("\r\033[K", stderr);
  }
  if (code != MLOOM_OK) {
    return tool_complain_error(&error);
  }
  size_t count = mloom_check_report_count(report);
  size_t ready = count_ready(options, report);
  if (options->json) {
    puts(mloom_check_report_json(report));
  } else if (count == 0) {
    puts("no provider is loaded; mergeloom plugins says why");
  } else {
    show_report(options, report);
  }
  mloom_check_report_free(report);
  fflush(stdout);
  return (named ? ready == count : ready > 0) ? TOOL_OK : TOOL_NOT_READY;
}

int tool_check(const tool_options *options) {
  int status = TOOL_OK;
  mloom_cancel *cancel = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_context *context = tool_open_context(options, MLOOM_LOG_WARNING, &status);
  if (context == NULL) {
    return status;
  }
  if (mloom_cancel_new(&cancel, &error) != MLOOM_OK) {
    mloom_context_free(context);
    return tool_complain_error(&error);
  }
  tool_catch_signals(cancel, 0);
  status = check_all(options, context, cancel);
  tool_release_signals();
  mloom_context_free(context);
  mloom_cancel_unref(cancel);
  return status;
}
