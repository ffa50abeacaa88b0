/* SPDX-License-Identifier: Apache-2.0
 *
 * The mergeloom.result.v1 document: what the model claims beside what the tree shows.
 */
#include "job/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

const char *mloom_job_state_name(uint32_t state) {
  static const char *const names[] = {"completed", "failed", "blocked", "not-ready", "cancelled"};
  return state <= MLOOM_JOB_CANCELLED ? names[state] : "failed";
}

mloom_json *mloom_result_error_json(const mloom_error *error) {
  mloom_json *json = mloom_json_new_object();
  mloom_json_set_string(json, "domain", mloom_domain_name(error->domain));
  mloom_json_set_string(json, "code", mloom_code_name(error->code));
  mloom_json_set_string(json, "message", error->message);
  mloom_json_set_string(json, "remedy", error->remedy);
  mloom_json_set_boolean(json, "retryable", error->retryable != 0);
  if (error->http_status != 0) {
    mloom_json_set_integer(json, "http_status", error->http_status);
  }
  if (error->request_id[0] != '\0') {
    mloom_json_set_string(json, "request_id", error->request_id);
  }
  return json;
}

static mloom_json *string_array(const mloom_text_list *list) {
  mloom_json *array = mloom_json_new_array();
  for (size_t i = 0; i < list->count; i++) {
    mloom_json_add(array, mloom_json_new_string(list->items[i], strlen(list->items[i])));
  }
  return array;
}

/* Sets a member to what is borrowed here, or to null. */
static void set_or_null(mloom_json *object, const char *name, const mloom_json *json) {
  if (json == NULL) {
    mloom_json_set_string(object, name, NULL);
  } else {
    mloom_json_set(object, name, mloom_json_ref((mloom_json *)(uintptr_t)json));
  }
}

/* ---- Claims against the tree ---- */

__attribute__((format(printf, 2, 3))) static int32_t add_line(mloom_text_list *list, const char *format, ...) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  va_list arguments;
  va_start(arguments, format);
  int32_t code = mloom_buffer_append_vformat(&text, format, arguments);
  va_end(arguments);
  return code == MLOOM_OK ? mloom_text_list_add(list, mloom_buffer_string(&text), text.size) : code;
}

static int32_t normal_claims(const mloom_run *run, mloom_text_list *claims) {
  const mloom_json *files = mloom_json_member(run->tools.submission, "files_changed");
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < mloom_json_count(files) && i < 10000 && code == MLOOM_OK; i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer normal = MLOOM_BUFFER_INIT;
    mloom_bytes claim = mloom_json_text(mloom_json_at(files, i));
    size_t root = strlen(run->workspace.path);
    /* Here the absolute form is understood: the claim is what counts. */
    if (claim.size > root + 1 && memcmp(claim.data, run->workspace.path, root) == 0 && claim.data[root] == '/') {
      claim = (mloom_bytes){claim.data + root + 1, claim.size - root - 1};
    }
    code = mloom_workspace_normalize(&run->workspace, &normal, claim, NULL) == MLOOM_OK
               ? mloom_text_list_add(claims, mloom_buffer_string(&normal), normal.size)
               : mloom_text_list_add(claims, claim.data, claim.size);
  }
  mloom_text_list_sort(claims);
  return code;
}

static int32_t compare_claims(const mloom_run *run, const mloom_text_list *claims, mloom_text_list *out) {
  int32_t code = MLOOM_OK;
  size_t silent = 0;
  for (size_t i = 0; i < claims->count && code == MLOOM_OK && out->count < 100; i++) {
    if (mloom_changes_find(&run->changes, claims->items[i]) == NULL) {
      code = add_line(out, "%s is claimed to be changed, but the tree shows no change there that git would see",
                      claims->items[i]);
    }
  }
  for (size_t i = 0; i < run->changes.file_count && code == MLOOM_OK; i++) {
    const char *path = run->changes.files[i].path;
    if (mloom_text_list_contains(claims, path) || mloom_text_list_contains(&run->validation_files, path)) {
      continue;
    }
    silent++;
    if (silent <= 50) {
      code = add_line(out, "%s was changed without being named in the result", path);
    }
  }
  if (code == MLOOM_OK && silent > 50) {
    code = add_line(out, "%zu more files were changed without being named in the result", silent - 50);
  }
  const char *status = mloom_json_member_string(run->tools.submission, "status", "");
  if (code == MLOOM_OK && strcmp(status, "completed") == 0 && run->job->mode == MLOOM_JOB_MODE_IMPLEMENT &&
      run->changes.complete && run->changes.file_count == 0) {
    code = add_line(out, "the work is claimed to be completed, but nothing was changed");
  }
  for (size_t i = 0; i < run->changes.embedded.count && code == MLOOM_OK; i++) {
    code = add_line(out, "%s is a new repository of its own: what is in it is not in the diff",
                    run->changes.embedded.items[i]);
  }
  return code;
}

static mloom_json *discrepancies(const mloom_run *run) {
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list claims = {NULL, 0};
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list found = {NULL, 0};
  if (run->tools.submission != NULL &&
      (normal_claims(run, &claims) != MLOOM_OK || compare_claims(run, &claims, &found) != MLOOM_OK)) {
    return NULL;
  }
  return string_array(&found);
}

/* ---- The parts of the document ---- */

static mloom_json *files_json(const mloom_changes *changes) {
  mloom_json *array = mloom_json_new_array();
  for (size_t i = 0; i < changes->file_count; i++) {
    const mloom_changed_file *file = &changes->files[i];
    mloom_json *entry = mloom_json_new_object();
    const char *status = file->status == 'A' ? "added" : file->status == 'D' ? "deleted" : "modified";
    mloom_json_set(entry, "path", mloom_json_new_string(file->path, strlen(file->path)));
    mloom_json_set_string(entry, "status", status);
    mloom_json_set_integer(entry, "added", file->added);
    mloom_json_set_integer(entry, "removed", file->removed);
    mloom_json_set_boolean(entry, "binary", file->binary != 0);
    mloom_json_add(array, entry);
  }
  return array;
}

static mloom_json *diff_json(const mloom_changes *changes) {
  mloom_json *json = mloom_json_new_object();
  mloom_json_set_string(json, "base", changes->base);
  mloom_json_set_integer(json, "files", (int64_t)changes->file_count);
  mloom_json_set_integer(json, "added", changes->added);
  mloom_json_set_integer(json, "removed", changes->removed);
  mloom_json_set_integer(json, "bytes", (int64_t)changes->patch.size);
  mloom_json_set_boolean(json, "complete", changes->complete && !changes->truncated);
  return json;
}

static mloom_json *usage_json(const mloom_run *run) {
  mloom_json *json = mloom_json_new_object();
  mloom_json_set_integer(json, "input_tokens", (int64_t)run->emitter.input_tokens);
  mloom_json_set_integer(json, "cached_input_tokens", (int64_t)run->emitter.cached_input_tokens);
  mloom_json_set_integer(json, "cache_write_tokens", (int64_t)run->cache_write_tokens);
  mloom_json_set_integer(json, "output_tokens", (int64_t)run->emitter.output_tokens);
  mloom_json_set_integer(json, "reasoning_tokens", (int64_t)run->reasoning_tokens);
  char text[40];
  int64_t cost = mloom_provider_cost(run->args->provider, run->emitter.input_tokens, run->emitter.cached_input_tokens,
                                     run->emitter.output_tokens);
  if (cost < 0 && run->cost_millionths > 0 && run->cost_millionths < INT64_MAX) {
    cost = (int64_t)run->cost_millionths; /* no price is set, but the provider told it */
  }
  snprintf(text, sizeof text, "%" PRId64 ".%06" PRId64, cost / 1000000, cost % 1000000);
  mloom_json_set_string(json, "cost_estimate", cost < 0 ? NULL : text);
  return json;
}

static mloom_json *timings_json(const mloom_run *run) {
  char begin[32];
  char end[32];
  mloom_json *json = mloom_json_new_object();
  mloom_clock_format(run->begin_wall_ms, begin);
  mloom_clock_format(run->call.clock->wall_ms(run->call.clock), end);
  mloom_json_set_string(json, "started_at", begin);
  mloom_json_set_string(json, "ended_at", end);
  mloom_json_set_integer(json, "duration_ms", run->call.clock->monotonic_ms(run->call.clock) - run->emitter.begin_ms);
  mloom_json_set_integer(json, "provider_ms", run->provider_ms);
  mloom_json_set_integer(json, "tools_ms", run->tools_ms);
  mloom_json_set_integer(json, "validation_ms", run->validation_ms);
  return json;
}

static mloom_json *repository_json(const mloom_run *run) {
  char head[80];
  mloom_json *json = mloom_json_new_object();
  mloom_git_metadata_head(&run->metadata, head);
  mloom_json_set_string(json, "path", run->workspace.path);
  mloom_json_set_string(json, "head_before", run->metadata.head[0] == '\0' ? NULL : run->metadata.head);
  mloom_json_set_string(json, "head_after", head[0] == '\0' ? NULL : head);
  mloom_json_set_boolean(json, "dirty_before", run->changes.dirty != 0);
  return json;
}

static mloom_json *validation_json(const mloom_run *run) {
  static const char *const states[] = {"pass", "warn", "fail", "skipped"};
  mloom_json *json = mloom_json_new_object();
  mloom_json_set_string(json, "mode", mloom_validation_mode_name(run->job->validation_mode));
  mloom_json_set_string(json, "state", states[run->validation_state]);
  mloom_json_set_integer(json, "repairs", run->repairs);
  set_or_null(json, "commands", run->validation);
  mloom_json_set(json, "files_changed", string_array(&run->validation_files));
  return json;
}

static void set_head(mloom_json *document, const mloom_job *job, uint32_t state, const mloom_error *failure) {
  mloom_json *ticket = mloom_json_new_object();
  mloom_json_set_string(ticket, "key", job->key);
  mloom_json_set_string(ticket, "title", job->title);
  mloom_json_set_string(document, "schema", "mergeloom.result.v1");
  mloom_json_set_string(document, "id", job->id);
  mloom_json_set_string(document, "state", mloom_job_state_name(state));
  if (state == MLOOM_JOB_COMPLETED) {
    mloom_json_set_string(document, "error", NULL);
  } else {
    mloom_json_set(document, "error", mloom_result_error_json(failure));
  }
  mloom_json_set(document, "ticket", ticket);
  mloom_json_set_string(document, "mode", mloom_job_mode_name(job->mode));
}

static void set_claims(mloom_json *document, const mloom_json *submission) {
  const char *notes = mloom_json_member_string(submission, "notes", NULL);
  mloom_json *claims = mloom_json_new_object();
  mloom_json_set_string(document, "summary", mloom_json_member_string(submission, "summary", ""));
  if (submission == NULL) {
    mloom_json_set_string(document, "claims", NULL);
    mloom_json_unref(claims);
    return;
  }
  mloom_json_set_string(claims, "status", mloom_json_member_string(submission, "status", ""));
  set_or_null(claims, "files_changed", mloom_json_member(submission, "files_changed"));
  mloom_json_set_string(claims, "notes", notes);
  mloom_json_set(document, "claims", claims);
}

static mloom_json *make_document(const mloom_run *run) {
  const mloom_provider_entry *entry = mloom_provider_get_entry(run->args->provider);
  mloom_json *document = mloom_json_new_object();
  set_head(document, run->job, run->state, &run->failure);
  mloom_json_set_string(document, "provider", entry->descriptor.id);
  mloom_json_set_string(document, "model", run->args->model);
  set_claims(document, run->tools.submission);
  mloom_json_set(document, "files_changed", files_json(&run->changes));
  mloom_json_set(document, "discrepancies", discrepancies(run));
  mloom_json_set(document, "diff", diff_json(&run->changes));
  mloom_json_set(document, "validation", validation_json(run));
  set_or_null(document, "commands", run->tools.commands);
  mloom_json_set(document, "tampered", string_array(&run->tools.tampered));
  mloom_json_set(document, "usage", usage_json(run));
  mloom_json_set_integer(document, "turns", run->emitter.turn);
  mloom_json_set_integer(document, "attempts", (int64_t)run->attempts);
  mloom_json_set_integer(document, "tool_calls", (int64_t)run->tool_calls);
  mloom_json_set_integer(document, "failed_tool_calls", (int64_t)run->failed_tool_calls);
  mloom_json_set(document, "timings", timings_json(run));
  set_or_null(document, "request_ids", run->request_ids);
  mloom_json_set(document, "repository", repository_json(run));
  set_or_null(document, "resolution", run->args->resolution);
  set_or_null(document, "checks", run->args->checks);
  mloom_json_set(document, "warnings", string_array(&run->warnings));
  const char *audit = mloom_audit_path(run->audit);
  mloom_json_set_string(document, "audit", *audit == '\0' ? NULL : audit);
  return document;
}

int32_t mloom_result_finish(mloom_result *result, mloom_json *document, mloom_redactor *redactor, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *raw = document;
  if (raw == NULL || mloom_json_serialize(&result->json, raw, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_redactor_apply(redactor, &result->json);
  mloom_redactor_apply_known(redactor, &result->diff);
  mloom_redactor_apply_error(redactor, &result->error);
  /* The tree has to say what the text says. */
  return mloom_json_parse(&result->document, mloom_buffer_string(&result->json), result->json.size, "the result",
                          error);
}

MLOOM_DEFINE_AUTO(mloom_result, mloom_result_free)

int32_t mloom_result_make(mloom_result **out, mloom_run *run, mloom_error *error) {
  MLOOM_AUTO(mloom_result_free_auto) mloom_result *result = calloc(1, sizeof *result);
  if (result == NULL || mloom_buffer_append(&result->diff, mloom_buffer_string(&run->changes.patch),
                                            run->changes.patch.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  result->state = run->state;
  result->error = (mloom_error)MLOOM_ERROR_INIT;
  mloom_error_copy(&result->error, &run->failure);
  int32_t code = mloom_result_finish(result, make_document(run), run->args->redactor, error);
  if (code == MLOOM_OK) {
    *out = MLOOM_STEAL(result);
  }
  return code;
}

int32_t mloom_result_new_refused(mloom_result **out, const mloom_job_run_args *args, uint32_t state,
                                 const mloom_error *reason, mloom_error *error) {
  const mloom_job *job = args->job;
  *out = NULL;
  MLOOM_AUTO(mloom_result_free_auto) mloom_result *result = calloc(1, sizeof *result);
  MLOOM_AUTO(mloom_audit_close_auto) mloom_audit *audit = NULL;
  if (result == NULL) {
    return mloom_error_memory(error);
  }
  result->state = state;
  result->error = (mloom_error)MLOOM_ERROR_INIT;
  mloom_error_copy(&result->error, reason);
  mloom_audit_open(&audit, args->rules == NULL ? NULL : args->rules->audit_path, job->id, args->redactor, NULL);
  mloom_json *document = mloom_json_new_object();
  set_head(document, job, state, reason);
  mloom_json_set_string(document, "summary", "");
  mloom_json_set(document, "files_changed", mloom_json_new_array());
  mloom_json_set(document, "discrepancies", mloom_json_new_array());
  mloom_json_set(document, "warnings", string_array(&job->warnings));
  set_or_null(document, "resolution", args->resolution);
  set_or_null(document, "checks", args->checks);
  const char *path = mloom_audit_path(audit);
  mloom_json_set_string(document, "audit", *path == '\0' ? NULL : path);
  mloom_json *ticket = mloom_json_new_object();
  set_or_null(ticket, "document", job->document);
  mloom_audit_write(audit, "job", ticket);
  mloom_audit_write(audit, "result", mloom_json_ref(document));
  int32_t code = mloom_result_finish(result, document, args->redactor, error);
  if (code == MLOOM_OK) {
    mloom_job_emit(args->listener, args->redactor, MLOOM_JOB_EVENT_STATE, state, mloom_job_state_name(state),
                   reason->message, -1);
    *out = MLOOM_STEAL(result);
  }
  return code;
}

void mloom_result_free(mloom_result *result) {
  if (result == NULL) {
    return;
  }
  mloom_json_unref(result->document);
  mloom_buffer_free(&result->json);
  mloom_buffer_free(&result->diff);
  free(result);
}

uint32_t mloom_result_state(const mloom_result *result, mloom_error *error) {
  if (result->state != MLOOM_JOB_COMPLETED) {
    mloom_error_copy(error, &result->error);
  }
  return result->state;
}

const char *mloom_result_json(const mloom_result *result) {
  return mloom_buffer_string(&result->json);
}

const char *mloom_result_diff(const mloom_result *result) {
  return mloom_buffer_string(&result->diff);
}

mloom_json *mloom_result_document(const mloom_result *result) {
  return result->document;
}
