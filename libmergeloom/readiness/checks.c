/* SPDX-License-Identifier: Apache-2.0 */
#include "readiness/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "readiness/report.h"

const char *mloom_state_name(uint32_t state) {
  static const char *const names[] = {"ready", "authenticated", "checking", "not ready", "disabled"};
  return state < sizeof(names) / sizeof(names[0]) ? names[state] : "not ready";
}

const char *mloom_check_name(uint32_t check_state) {
  static const char *const names[] = {"pass", "warn", "fail", "skipped"};
  return check_state < sizeof(names) / sizeof(names[0]) ? names[check_state] : "fail";
}

static int64_t now_ms(const mloom_check_run *run) {
  const mloom_clock *clock = run->args->services->clock;
  return clock->monotonic_ms(clock);
}

void mloom_check_begin(mloom_check_run *run) {
  run->begin_ms = now_ms(run);
}

/* Fail outranks warn, which outranks pass; a skipped check says nothing. */
static uint32_t severity(uint32_t state) {
  switch (state) {
  case MLOOM_CHECK_FAIL:
    return 3;
  case MLOOM_CHECK_WARN:
    return 2;
  case MLOOM_CHECK_PASS:
    return 1;
  default:
    return 0;
  }
}

static void record(mloom_check_run *run, const char *check, uint32_t state, const char *reason, const char *remedy) {
  const mloom_clock *clock = run->args->services->clock;
  int64_t duration_ms = now_ms(run) - run->begin_ms;
  char checked_at[32];
  mloom_clock_format(clock->wall_ms(clock), checked_at);
  mloom_json *json = mloom_json_new_object();
  mloom_json_set_string(json, "name", check);
  mloom_json_set_string(json, "state", mloom_check_name(state));
  mloom_json_set_string(json, "reason", reason);
  mloom_json_set_string(json, "remedy", remedy);
  mloom_json_set_string(json, "checked_at", checked_at);
  mloom_json_set_integer(json, "duration_ms", duration_ms);
  mloom_json_add(run->checks, json);
  if (state == MLOOM_CHECK_FAIL) {
    run->failed++;
    if (run->first_failed[0] == '\0') {
      snprintf(run->first_failed, sizeof(run->first_failed), "%s", check);
    }
  }
  if (run->args->check != NULL) {
    run->args->check(run->args->entry->descriptor.id, check, state, reason, remedy, duration_ms, run->args->userdata);
  }
}

/* A check's reason, made of what the provider said when that is worse than what the host found. */
static const mloom_finding *worse_finding(mloom_check_run *run, const char *check, uint32_t state) {
  const mloom_finding *worst = NULL;
  for (size_t i = 0; i < run->finding_count; i++) {
    mloom_finding *finding = &run->findings[i];
    if (finding->told || strcmp(finding->check, check) != 0) {
      continue;
    }
    finding->told = 1;
    if (severity(finding->state) > severity(worst != NULL ? worst->state : state)) {
      worst = finding;
    }
  }
  return worst;
}

void mloom_check_end(mloom_check_run *run, const char *check, uint32_t state, const char *remedy, const char *format,
                     ...) {
  /* The error object gives one line of bounded, well-formed text, and redaction knows it. */
  mloom_error text = MLOOM_ERROR_INIT;
  const mloom_finding *finding = worse_finding(run, check, state);
  if (finding != NULL) {
    state = finding->state;
    mloom_error_set(&text, MLOOM_E_NOT_READY, MLOOM_DOMAIN_READINESS, finding->remedy, "%s", finding->reason);
  } else {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
    va_list arguments;
    va_start(arguments, format);
    mloom_buffer_append_vformat(&reason, format, arguments);
    va_end(arguments);
    mloom_error_set(&text, MLOOM_E_NOT_READY, MLOOM_DOMAIN_READINESS, remedy, "%s", mloom_buffer_string(&reason));
  }
  mloom_redactor_apply_error(run->args->services->redactor, &text);
  record(run, check, state, text.message, text.remedy);
}

void mloom_check_end_error(mloom_check_run *run, const char *check, const mloom_error *error) {
  mloom_check_end(run, check, MLOOM_CHECK_FAIL, error->remedy, "%s", error->message);
}

void mloom_check_skip(mloom_check_run *run, const char *check, const char *because_of) {
  mloom_check_begin(run);
  mloom_check_end(run, check, MLOOM_CHECK_SKIPPED, NULL, "not run, because %s failed", because_of);
}

uint32_t mloom_check_state(const mloom_check_run *run, const char *check) {
  for (size_t i = mloom_json_count(run->checks); i > 0; i--) {
    const mloom_json *json = mloom_json_at(run->checks, i - 1);
    if (strcmp(mloom_json_member_string(json, "name", ""), check) != 0) {
      continue;
    }
    const char *name = mloom_json_member_string(json, "state", "");
    for (uint32_t state = MLOOM_CHECK_PASS; state <= MLOOM_CHECK_SKIPPED; state++) {
      if (strcmp(name, mloom_check_name(state)) == 0) {
        return state;
      }
    }
  }
  return MLOOM_CHECK_SKIPPED;
}

void mloom_check_finding(const char *check, uint32_t state, const char *reason, const char *remedy, void *userdata) {
  mloom_check_run *run = userdata;
  if (check == NULL || run->finding_count == MLOOM_FINDING_LIMIT) {
    return;
  }
  mloom_finding *finding = &run->findings[run->finding_count++];
  snprintf(finding->check, sizeof(finding->check), "%s", check);
  finding->state = state <= MLOOM_CHECK_SKIPPED ? state : MLOOM_CHECK_FAIL;
  snprintf(finding->reason, sizeof(finding->reason), "%s", reason == NULL ? "" : reason);
  snprintf(finding->remedy, sizeof(finding->remedy), "%s", remedy == NULL ? "" : remedy);
}

void mloom_check_end_findings(mloom_check_run *run) {
  for (size_t i = 0; i < run->finding_count; i++) {
    if (!run->findings[i].told) {
      mloom_check_begin(run);
      mloom_check_end(run, run->findings[i].check, MLOOM_CHECK_SKIPPED, NULL, "not judged");
    }
  }
}

/* Opens the provider and asks for what it finds wrong by itself. */
static void open_provider(mloom_check_run *run, mloom_error *error) {
  int32_t code = mloom_provider_open(&run->instance, run->args->entry, run->args->settings, run->args->services, error);
  if (code != MLOOM_OK) {
    run->instance = NULL;
    return;
  }
  mloom_probe_sink sink = {.size = sizeof(sink), .userdata = run, .check = mloom_check_finding};
  code = mloom_provider_check(run->instance, &sink, error);
  if (code != MLOOM_OK && code != MLOOM_E_UNSUPPORTED) {
    mloom_check_finding("settings", MLOOM_CHECK_FAIL, error->message, error->remedy, run);
  }
}

/* The first problem of the settings that has the state given, and how many there are. */
static const mloom_settings_problem *find_problem(const mloom_settings *settings, uint32_t state, size_t *count) {
  const mloom_settings_problem *first = NULL;
  *count = 0;
  for (size_t i = 0; i < mloom_settings_problem_count(settings); i++) {
    const mloom_settings_problem *problem = mloom_settings_problem_at(settings, i);
    if (problem->state == state) {
      first = first == NULL ? problem : first;
      ++*count;
    }
  }
  return first;
}

static void end_with_problem(mloom_check_run *run, const mloom_settings_problem *problem, size_t count) {
  if (count == 1) {
    mloom_check_end(run, "settings", problem->state, problem->remedy, "%s", problem->message);
  } else {
    mloom_check_end(run, "settings", problem->state, problem->remedy, "%s (and %zu more)", problem->message, count - 1);
  }
}

void mloom_check_settings(mloom_check_run *run) {
  mloom_check_begin(run);
  size_t count = 0;
  const mloom_settings_problem *problem = find_problem(run->args->settings, MLOOM_CHECK_FAIL, &count);
  if (problem != NULL) {
    end_with_problem(run, problem, count);
    return;
  }
  mloom_error error = MLOOM_ERROR_INIT;
  open_provider(run, &error);
  problem = find_problem(run->args->settings, MLOOM_CHECK_WARN, &count);
  if (run->instance == NULL) {
    mloom_check_end_error(run, "settings", &error);
  } else if (problem != NULL) {
    end_with_problem(run, problem, count);
  } else {
    mloom_check_end(run, "settings", MLOOM_CHECK_PASS, NULL, "every required setting has a value that fits");
  }
}

static void skip_all(mloom_check_run *run, const char *reason) {
  static const char *const names[] = {"settings",   "storage", "timeout", "commands", "sandbox",
                                      "credential", "reach",   "model",   "tools"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    mloom_check_begin(run);
    mloom_check_end(run, names[i], MLOOM_CHECK_SKIPPED, NULL, "%s", reason);
  }
}

static void check_service(mloom_check_run *run) {
  static const char *const names[] = {"credential", "reach", "model", "tools", NULL};
  static const char *const program_names[] = {"cli", "login", "confinement", "model", "tools", NULL};
  int is_program = run->args->entry->descriptor.shape == MLOOM_SHAPE_AGENT;
  if (mloom_check_state(run, "settings") == MLOOM_CHECK_FAIL) {
    for (const char *const *name = is_program ? program_names : names; *name != NULL; name++) {
      mloom_check_skip(run, *name, "settings");
    }
    return;
  }
  if (is_program) {
    mloom_check_program(run);
  } else {
    mloom_check_reach(run);
    mloom_check_model(run);
  }
  mloom_check_tools(run);
}

static uint32_t judge(const mloom_check_run *run) {
  if (run->failed > 0) {
    return MLOOM_STATE_NOT_READY;
  }
  return run->self_tested ? MLOOM_STATE_READY : MLOOM_STATE_AUTHENTICATED;
}

static uint32_t run_checks(mloom_check_run *run) {
  if (!mloom_settings_boolean(run->args->settings, "enabled", 1)) {
    skip_all(run, "the provider is disabled by its setting enabled");
    return MLOOM_STATE_DISABLED;
  }
  mloom_check_settings(run);
  mloom_check_storage(run);
  mloom_check_timeout(run);
  mloom_check_commands(run);
  mloom_check_sandbox(run);
  check_service(run);
  mloom_check_end_findings(run);
  mloom_provider_close(run->instance);
  return judge(run);
}

int32_t mloom_readiness_run(const mloom_readiness_args *args, uint32_t *out_state, mloom_json **out_checks,
                            mloom_error *error) {
  mloom_check_run run = {.args = args, .checks = mloom_json_new_array()};
  if (run.checks == NULL) {
    return mloom_error_memory(error);
  }
  run.model = args->model != NULL ? args->model : mloom_settings_string(args->settings, "model", NULL);
  uint32_t state = run_checks(&run);
  if (mloom_call_check(args->call, error) == MLOOM_E_CANCELLED) {
    mloom_json_unref(run.checks);
    return MLOOM_E_CANCELLED;
  }
  *out_state = state;
  *out_checks = run.checks;
  return MLOOM_OK;
}
