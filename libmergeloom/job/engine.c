/* SPDX-License-Identifier: Apache-2.0
 *
 * One job from its document to its result: sets everything up, runs the loop, takes stock, cleans up.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "job/result.h"
#include "job/run.h"

/* Taking stock after a cancel must not keep the caller waiting. */
#define FINAL_DIFF_MS 60000
#define FINAL_DIFF_CANCELLED_MS 1200

int mloom_run_is_agent(const mloom_run *run) {
  return mloom_provider_get_entry(run->args->provider)->descriptor.shape == MLOOM_SHAPE_AGENT;
}

void mloom_run_emit(mloom_run *run, uint32_t kind, uint32_t state, const char *name, const char *text,
                    int64_t duration_ms) {
  mloom_emitter_emit(&run->emitter, kind, state, name, (mloom_bytes){text, text == NULL ? 0 : strlen(text)},
                     duration_ms);
}

void mloom_run_warn(mloom_run *run, const char *code, const char *text) {
  mloom_text_list_add(&run->warnings, text, strlen(text));
  mloom_run_emit(run, MLOOM_JOB_EVENT_NOTICE, 0, code, text, -1);
}

static void close_run(mloom_run *run) {
  mloom_session_free(run->session);
  mloom_tool_set_free(&run->tool_set);
  mloom_json_unref(run->tools.submission);
  mloom_json_unref(run->tools.commands);
  mloom_text_list_free(&run->tools.tampered);
  mloom_json_unref(run->validation);
  mloom_json_unref(run->request_ids);
  mloom_text_list_free(&run->warnings);
  mloom_text_list_free(&run->validation_files);
  mloom_buffer_free(&run->last_failed);
  mloom_changes_free(&run->changes);
  mloom_command_runner_close(&run->runner);
  mloom_git_metadata_free(&run->metadata);
  mloom_workspace_close(&run->workspace);
  mloom_audit_close(run->audit);
}

/* A job lowers the worker's limits, never raises them. */
static uint64_t lower(uint64_t worker, uint64_t job) {
  return job > 0 && (worker == 0 || job < worker) ? job : worker;
}

static void set_limits(mloom_run *run) {
  const mloom_job *job = run->job;
  run->rules = *run->args->rules;
  run->rules.max_turns = lower(run->rules.max_turns, job->limit_turns);
  run->rules.max_tokens = lower(run->rules.max_tokens, job->limit_tokens);
  run->output_limit = job->limit_output_bytes;
  uint64_t milliseconds =
      lower(run->rules.job_timeout_ms > 0 ? (uint64_t)run->rules.job_timeout_ms : 0, job->limit_seconds * 1000);
  int64_t deadline = milliseconds == 0 || milliseconds > (uint64_t)INT64_MAX / 2
                         ? INT64_MAX
                         : run->emitter.begin_ms + (int64_t)milliseconds;
  mloom_call_init_child(&run->call, run->args->call, deadline);
}

static int32_t record_begin(mloom_run *run, mloom_error *error) {
  mloom_error reason = MLOOM_ERROR_INIT;
  if (mloom_audit_open(&run->audit, run->rules.audit_path, run->job->id, run->args->redactor, &reason) != MLOOM_OK) {
    mloom_run_warn(run, "audit", reason.message);
  }
  mloom_json *job = mloom_json_new_object();
  mloom_json_set(job, "document", mloom_json_ref(run->job->document));
  mloom_json_set_string(job, "provider", mloom_provider_get_entry(run->args->provider)->descriptor.id);
  mloom_json_set_string(job, "model", run->args->model);
  mloom_audit_write(run->audit, "job", job);
  if (run->args->resolution != NULL) {
    mloom_json *fact = mloom_json_new_object();
    mloom_json_set(fact, "resolution", mloom_json_ref((mloom_json *)(uintptr_t)run->args->resolution));
    mloom_audit_write(run->audit, "resolution", fact);
  }
  if (run->args->checks != NULL) {
    mloom_json *fact = mloom_json_new_object();
    mloom_json_set(fact, "checks", mloom_json_ref((mloom_json *)(uintptr_t)run->args->checks));
    mloom_audit_write(run->audit, "checks", fact);
  }
  for (size_t i = 0; i < run->job->warnings.count; i++) {
    mloom_run_warn(run, "document", run->job->warnings.items[i]);
  }
  run->tools.commands = mloom_json_new_array();
  run->validation = mloom_json_new_array();
  run->request_ids = mloom_json_new_array();
  return run->tools.commands != NULL && run->validation != NULL && run->request_ids != NULL ? MLOOM_OK
                                                                                            : mloom_error_memory(error);
}

/* Validation that cannot run would fail after all the work: said before it. */
static int32_t check_validation(const mloom_run *run, mloom_error *error) {
  for (size_t i = 0; i < run->job->validation_count; i++) {
    const mloom_command_line *line = &run->job->validation[i];
    if (run->job->validation_mode == MLOOM_VALIDATION_REQUIRED &&
        !mloom_command_is_allowed(&run->rules, line->argv[0])) {
      return mloom_error_set(error, MLOOM_E_BLOCKED, MLOOM_DOMAIN_JOB,
                             "add it to JCA_WORKER_ALLOWED_COMMANDS, or validate with another command",
                             "the validation command %s is not allowed on this worker", line->argv[0]);
    }
  }
  return MLOOM_OK;
}

static int32_t open_places(mloom_run *run, mloom_error *error) {
  int32_t code = mloom_workspace_open(&run->workspace, run->args->repository_path, error);
  code = code == MLOOM_OK ? mloom_git_metadata_load(&run->metadata, &run->workspace, error) : code;
  code = code == MLOOM_OK ? mloom_git_metadata_hide_credentials(&run->metadata, run->args->redactor, error) : code;
  code = code == MLOOM_OK ? mloom_command_runner_open(&run->runner, &run->rules, &run->workspace, &run->metadata, error)
                          : code;
  if (code != MLOOM_OK) {
    return code;
  }
  run->tools.workspace = &run->workspace;
  run->tools.runner = &run->runner;
  run->tools.changes = &run->changes;
  run->tools.call = &run->call;
  run->tools.read_only = run->job->mode != MLOOM_JOB_MODE_IMPLEMENT;
  run->runner.read_only = run->tools.read_only;
  code = mloom_changes_begin(&run->changes, &run->runner, &run->call, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (run->changes.dirty) {
    mloom_run_warn(run, "dirty", "the working tree had changes before the job began; they are not part of its diff");
  }
  if (run->metadata.kind == MLOOM_GIT_NONE) {
    mloom_run_warn(run, "no_git",
                   "the folder is no git repository; the diff is against its content when the job began");
  }
  if (run->metadata.kind == MLOOM_GIT_ELSEWHERE) {
    mloom_run_warn(run, "worktree", "the repository's .git is elsewhere and can only be read by commands of the job");
  }
  if (run->metadata.incomplete) {
    mloom_run_warn(run, "git_guard",
                   "not all of .git's hooks and configuration could be remembered; changes to the rest "
                   "would not be noticed");
  }
  return MLOOM_OK;
}

/* What a program has to know that works in the workspace by itself. */
static int32_t describe_places(mloom_run *run, mloom_session_args *session, mloom_error *error) {
  session->flags = run->tools.read_only ? MLOOM_SESSION_READ_ONLY : 0;
  session->working_directory = run->workspace.path;
  session->scratch_directory = run->runner.scratch;
  session->command_environment = (const char *const *)run->runner.environment.items;
  session->allowed_commands = run->rules.allowed_commands;
  session->read_paths = (const char *const *)run->runner.read_paths.items;
  int32_t code = run->tools.read_only ? MLOOM_OK : mloom_git_nested_load(&run->runner.nested, &run->workspace, error);
  code = code == MLOOM_OK ? mloom_command_runner_make_wrapper(&run->runner, &session->command_wrapper, error) : code;
  return code == MLOOM_OK ? mloom_command_runner_make_judge(&run->runner, &session->command_judge, error) : code;
}

static int32_t open_session(mloom_run *run, mloom_error *error) {
  const mloom_job_run_args *args = run->args;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer instructions = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer ticket = MLOOM_BUFFER_INIT;
  if (mloom_prompt_instructions(run, &instructions) != MLOOM_OK || mloom_prompt_ticket(run, &ticket) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_run_is_agent(run) ? mloom_tool_set_make_result(&run->tool_set, error)
                                         : mloom_tool_set_make(&run->tool_set, run->tools.read_only != 0,
                                                               args->extra_tools, args->extra_tool_count, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_session_args session = {.size = sizeof session,
                                .session_id = run->job->id,
                                .model = args->model,
                                .instructions = {instructions.data, instructions.size},
                                .tools = run->tool_set.tools,
                                .tool_count = run->tool_set.count};
  if (mloom_run_is_agent(run)) {
    code = describe_places(run, &session, error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  code = mloom_session_new(&run->session, args->provider, &session, error);
  mloom_redactor_apply_known(args->redactor, &ticket);
  return code == MLOOM_OK ? mloom_session_append_user(run->session, mloom_buffer_string(&ticket), ticket.size, error)
                          : code;
}

/* ---- Taking stock ---- */

/* Files that only validation changed are told apart from the model's. */
static int32_t add_validation_files(mloom_run *run, const mloom_text_list *before) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < run->changes.file_count && code == MLOOM_OK; i++) {
    const char *path = run->changes.files[i].path;
    code = mloom_text_list_contains(before, path) ? MLOOM_OK
                                                  : mloom_text_list_add(&run->validation_files, path, strlen(path));
  }
  return code;
}

static void take_stock(mloom_run *run) {
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list before = {NULL, 0};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_call call;
  const mloom_clock *clock = run->call.clock;
  int validated = run->state == MLOOM_JOB_COMPLETED && mloom_json_count(run->validation) > 0;
  int64_t allowed = run->state == MLOOM_JOB_CANCELLED ? FINAL_DIFF_CANCELLED_MS : FINAL_DIFF_MS;
  mloom_call_init(&call, NULL, clock, run->call.log, clock->monotonic_ms(clock) + allowed);
  int32_t code = mloom_git_nested_restore(&run->runner.nested, &run->workspace, &run->tools.tampered, &error);
  if (run->runner.nested.incomplete) {
    mloom_run_warn(run, "git_guard",
                   "not all folders could be looked through for repositories; hooks and configuration of others would "
                   "not be noticed");
  }
  if (code == MLOOM_OK &&
      (run->changes.base[0] == '\0' || (run->changes.complete && run->state == MLOOM_JOB_COMPLETED && !validated))) {
    return; /* nothing was begun, or nothing has run since the last look */
  }
  for (size_t i = 0; validated && i < run->changes.file_count; i++) {
    mloom_text_list_add(&before, run->changes.files[i].path, strlen(run->changes.files[i].path));
  }
  code = code == MLOOM_OK ? mloom_changes_update(&run->changes, &run->runner, &call, &error) : code;
  if (code == MLOOM_OK && validated) {
    code = add_validation_files(run, &before);
  }
  if (code == MLOOM_OK) {
    return;
  }
  mloom_run_warn(run, "diff", "the diff could not be brought up to date; the working tree is as the job left it");
  if (run->state == MLOOM_JOB_COMPLETED) {
    run->state = MLOOM_JOB_FAILED;
    mloom_error_copy(&run->failure, &error);
  }
}

static void warn_of_audit(mloom_run *run) {
  mloom_error failure = MLOOM_ERROR_INIT;
  if (mloom_audit_status(run->audit, &failure) != MLOOM_OK) {
    mloom_run_warn(run, "audit", failure.message);
  }
}

static void record_end(mloom_run *run, const mloom_result *result) {
  if (run->audit != NULL && mloom_audit_status(run->audit, NULL) == MLOOM_OK) {
    mloom_json *diff = mloom_json_new_object();
    mloom_json_set_string(diff, "base", run->changes.base);
    mloom_json_set(diff, "patch", mloom_json_new_string(mloom_buffer_string(&result->diff), result->diff.size));
    mloom_audit_write(run->audit, "diff", diff);
    mloom_audit_write(run->audit, "result", mloom_json_ref(result->document));
    warn_of_audit(run);
  }
}

static void say_end(mloom_run *run) {
  if (run->state != MLOOM_JOB_COMPLETED && run->changes.file_count > 0) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
    if (mloom_buffer_append_format(&text, "the work so far is kept in the working tree: %zu file%s changed",
                                   run->changes.file_count, run->changes.file_count == 1 ? "" : "s") == MLOOM_OK) {
      mloom_run_warn(run, "kept", mloom_buffer_string(&text));
    }
  }
}

/* Sets everything up and runs it; what goes wrong on the way is the job's outcome. */
static int32_t run_job(mloom_run *run, mloom_error *error) {
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = record_begin(run, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_run_emit(run, MLOOM_JOB_EVENT_STATE, 0, "running", NULL, -1);
  run->validation_state = MLOOM_CHECK_SKIPPED;
  code = check_validation(run, &reason);
  code = code == MLOOM_OK ? open_places(run, &reason) : code;
  code = code == MLOOM_OK ? open_session(run, &reason) : code;
  if (code == MLOOM_OK) {
    mloom_loop_run(run);
  } else {
    run->state = code == MLOOM_E_BLOCKED                          ? MLOOM_JOB_BLOCKED
                 : mloom_call_check(&run->call, NULL) != MLOOM_OK ? MLOOM_JOB_CANCELLED
                                                                  : MLOOM_JOB_FAILED;
    mloom_error_copy(&run->failure, &reason);
  }
  take_stock(run);
  say_end(run);
  warn_of_audit(run); /* so that it stands in the result */
  return MLOOM_OK;
}

int32_t mloom_job_execute(mloom_result **out, const mloom_job_run_args *args, mloom_error *error) {
  *out = NULL;
  const mloom_clock *clock = args->call->clock;
  MLOOM_AUTO(close_run)
  mloom_run run = {.args = args,
                   .job = args->job,
                   .begin_wall_ms = clock->wall_ms(clock),
                   .workspace = {-1, NULL},
                   .failure = MLOOM_ERROR_INIT,
                   .emitter = {.listener = args->listener,
                               .redactor = args->redactor,
                               .clock = clock,
                               .begin_ms = clock->monotonic_ms(clock)}};
  set_limits(&run);
  int32_t code = run_job(&run, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_result *result = NULL;
  code = mloom_result_make(&result, &run, error);
  if (code != MLOOM_OK) {
    return code;
  }
  record_end(&run, result);
  mloom_run_emit(&run, MLOOM_JOB_EVENT_STATE, run.state, mloom_job_state_name(run.state),
                 run.state == MLOOM_JOB_COMPLETED ? NULL : run.failure.message,
                 clock->monotonic_ms(clock) - run.emitter.begin_ms);
  *out = result;
  return MLOOM_OK;
}
