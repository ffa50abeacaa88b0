/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon can ask for; each is a thin layer over the library.
 */
#include <string.h>

#include "base/error.h"
#include "child/child.h"

/* Puts a document of the library into a fact. */
static int32_t embed(mloom_json *fact, const char *name, const char *document, mloom_error *error) {
  mloom_json *json = NULL;
  int32_t code = mloom_json_parse(&json, document, strlen(document), "the library's document", error);
  if (code == MLOOM_OK) {
    mloom_json_set(fact, name, json);
  }
  return code;
}

static int32_t tell_document(const char *type, const char *document, mloom_error *error) {
  mloom_json *fact = child_fact(type);
  int32_t code = embed(fact, type, document, error);
  if (code == MLOOM_OK) {
    child_tell(fact);
  } else {
    mloom_json_unref(fact);
  }
  return code;
}

static void add_plugin(const mloom_plugin_info *info, void *userdata) {
  mloom_json *plugin = mloom_json_new_object();
  mloom_json_set_string(plugin, "name", info->name);
  mloom_json_set_string(plugin, "version", info->version);
  mloom_json_set_string(plugin, "description", info->description);
  mloom_json_set_string(plugin, "path", info->path);
  mloom_json_set_string(plugin, "roles", info->roles);
  mloom_json_set_string(plugin, "failure", info->failure);
  mloom_json_add(userdata, plugin);
}

int32_t child_describe(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error) {
  char *text = NULL;
  (void)request;
  (void)cancel;
  int32_t code = mloom_context_describe_providers(context, &text, error);
  if (code == MLOOM_OK) {
    code = tell_document("providers", text, error);
  }
  mloom_string_free(text);
  if (code == MLOOM_OK) {
    mloom_json *fact = child_fact("plugins");
    mloom_json *plugins = mloom_json_new_array();
    mloom_context_each_plugin(context, add_plugin, plugins);
    mloom_json_set(fact, "plugins", plugins);
    child_tell(fact);
  }
  return code;
}

int32_t child_export(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error) {
  char *text = NULL;
  (void)request;
  (void)cancel;
  int32_t code = mloom_context_export_settings(context, &text, error);
  if (code == MLOOM_OK) {
    code = tell_document("settings", text, error);
    explicit_bzero(text, strlen(text));
  }
  mloom_string_free(text);
  return code;
}

static void tell_check(const char *provider, const char *check, uint32_t state, const char *reason, const char *remedy,
                       int64_t duration_ms, void *userdata) {
  (void)userdata;
  mloom_json *fact = child_fact("check");
  mloom_json_set_string(fact, "provider", provider);
  mloom_json_set_string(fact, "name", check);
  mloom_json_set_string(fact, "state", mloom_check_name(state));
  mloom_json_set_string(fact, "reason", reason);
  mloom_json_set_string(fact, "remedy", remedy);
  mloom_json_set_integer(fact, "duration_ms", duration_ms);
  child_tell(fact);
}

int32_t child_check(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error) {
  mloom_check_options options = {
      .size = sizeof options,
      .flags = mloom_json_member_boolean(request, "self_test", 0) ? 0 : MLOOM_CHECK_WITHOUT_SELF_TEST,
      .model = mloom_json_member_string(request, "model", NULL),
      .cancel = cancel,
      .timeout_ms = mloom_json_member_integer(request, "timeout_ms", 0),
      .check = tell_check};
  mloom_check_report *report = NULL;
  int32_t code = mloom_check(&report, context, mloom_json_member_string(request, "provider", NULL), &options, error);
  if (code == MLOOM_OK) {
    code = tell_document("report", mloom_check_report_json(report), error);
  }
  mloom_check_report_free(report);
  return code;
}

static void tell_event(const mloom_job_event *event, void *userdata) {
  mloom_error error = MLOOM_ERROR_INIT;
  (void)userdata;
  /* An event that cannot be told is no reason to end a job. */
  (void)tell_document("event", event->json, &error);
}

/* The document of the request's member job as text. */
static int32_t take_job(mloom_buffer *out, const mloom_json *request, mloom_error *error) {
  mloom_json *job = mloom_json_member(request, "job");
  if (job == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "give the job", "the request has no job");
  }
  return mloom_json_serialize(out, job, 0) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

int32_t child_job(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error) {
  static const char *const states[] = {"completed", "failed", "blocked", "not-ready", "cancelled"};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer job = MLOOM_BUFFER_INIT;
  mloom_job_options options = {.size = sizeof options, .cancel = cancel, .event = tell_event};
  options.flags = mloom_json_member_boolean(request, "self_test", 1) ? 0 : MLOOM_JOB_WITHOUT_SELF_TEST;
  mloom_result *result = NULL;
  int32_t code = take_job(&job, request, error);
  code = code != MLOOM_OK ? code : mloom_job_run(&result, context, job.data, job.size, &options, error);
  if (code != MLOOM_OK) {
    return code;
  }
  uint32_t state = mloom_result_state(result, NULL);
  mloom_json *fact = child_fact("result");
  mloom_json_set_string(fact, "state", state < sizeof states / sizeof states[0] ? states[state] : "failed");
  mloom_json_set_string(fact, "diff", mloom_result_diff(result));
  code = embed(fact, "result", mloom_result_json(result), error);
  mloom_result_free(result);
  if (code == MLOOM_OK) {
    child_tell(fact);
  } else {
    mloom_json_unref(fact);
  }
  return code;
}

int32_t child_resolve(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer job = MLOOM_BUFFER_INIT;
  mloom_resolution *resolution = NULL;
  (void)cancel;
  int32_t code = take_job(&job, request, error);
  code = code != MLOOM_OK ? code : mloom_resolve(&resolution, context, job.data, job.size, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_json *fact = child_fact("resolution");
  mloom_json_set_string(fact, "text", mloom_resolution_text(resolution));
  mloom_json_set_boolean(fact, "blocked", mloom_resolution_blocked(resolution, NULL));
  code = embed(fact, "resolution", mloom_resolution_json(resolution), error);
  mloom_resolution_free(resolution);
  if (code == MLOOM_OK) {
    child_tell(fact);
  } else {
    mloom_json_unref(fact);
  }
  return code;
}
