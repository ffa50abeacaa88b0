/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon can ask for; each is a thin layer over the library.
 */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "child/child.h"
#include <mergeloom/login.h>

#define MODELS_TOLD 1000

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

/* ---- Checks ---- */

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

static void take_model(const char *provider, const char *id, const char *title, uint64_t context_tokens,
                       void *userdata) {
  mloom_json *models = userdata;
  (void)provider;
  if (mloom_json_count(models) < MODELS_TOLD) {
    mloom_json *model = mloom_json_new_object();
    mloom_json_set_string(model, "id", id);
    mloom_json_set_string(model, "title", title);
    mloom_json_set_integer(model, "context_tokens", context_tokens <= INT64_MAX ? (int64_t)context_tokens : 0);
    mloom_json_add(models, model);
  }
}

/* What the self-test does; what the model says meanwhile is not told. */
static void tell_progress(const char *provider, const mloom_job_event *event, void *userdata) {
  mloom_error error = MLOOM_ERROR_INIT;
  (void)userdata;
  if (event->kind == MLOOM_JOB_EVENT_TEXT || event->kind == MLOOM_JOB_EVENT_REASONING ||
      event->kind == MLOOM_JOB_EVENT_DIFF || event->kind == MLOOM_JOB_EVENT_TURN_END) {
    return;
  }
  mloom_json *fact = child_fact("progress");
  mloom_json_set_string(fact, "provider", provider);
  if (embed(fact, "event", event->json, &error) == MLOOM_OK) {
    child_tell(fact);
  } else {
    mloom_json_unref(fact);
  }
}

int32_t child_check(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error) {
  mloom_check_options options = {
      .size = sizeof options,
      .flags = mloom_json_member_boolean(request, "self_test", 0) ? 0 : MLOOM_CHECK_WITHOUT_SELF_TEST,
      .model = mloom_json_member_string(request, "model", NULL),
      .cancel = cancel,
      .timeout_ms = mloom_json_member_integer(request, "timeout_ms", 0),
      .check = tell_check,
      .event = tell_progress};
  const char *provider = mloom_json_member_string(request, "provider", NULL);
  mloom_json *models = mloom_json_new_array();
  if (provider != NULL && models != NULL) {
    options.model_listed = take_model;
    options.userdata = models;
  }
  mloom_check_report *report = NULL;
  int32_t code = mloom_check(&report, context, provider, &options, error);
  if (mloom_json_count(models) > 0) {
    mloom_json *fact = child_fact("models");
    mloom_json_set_string(fact, "provider", provider);
    mloom_json_set(fact, "models", MLOOM_STEAL(models));
    child_tell(fact);
  }
  mloom_json_unref(models);
  if (code == MLOOM_OK) {
    code = tell_document("report", mloom_check_report_json(report), error);
  }
  mloom_check_report_free(report);
  return code;
}

/* ---- Logins ---- */

static void tell_login(uint32_t event, const char *text, void *userdata) {
  static const char *const names[] = {"started", "url", "code", "text"};
  (void)userdata;
  mloom_json *fact = child_fact("login");
  mloom_json_set_string(fact, "event", event < sizeof names / sizeof names[0] ? names[event] : "text");
  mloom_json_set_string(fact, "text", text);
  child_tell(fact);
}

int32_t child_login(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error) {
  static const int typed = STDIN_FILENO;
  static const char *const kinds[] = {"", "device", "browser", "api-key", "out"};
  const char *wanted = mloom_json_member_string(request, "kind", "");
  mloom_bytes key = mloom_json_text(mloom_json_member(request, "api_key"));
  mloom_login_options options = {.size = sizeof options,
                                 .cancel = cancel,
                                 .timeout_ms = mloom_json_member_integer(request, "timeout_ms", 0),
                                 .typed = &typed,
                                 .event = tell_login};
  while (options.kind < sizeof kinds / sizeof kinds[0] && strcmp(kinds[options.kind], wanted) != 0) {
    options.kind++;
  }
  if (options.kind == MLOOM_LOGIN_API_KEY) {
    options.api_key = key.data;
    options.api_key_size = key.size;
    options.typed = NULL;
  }
  /* From here on what comes on standard input is a person's. */
  tell_login(0, "", NULL);
  return mloom_login(context, mloom_json_member_string(request, "provider", ""), &options, error);
}

/* ---- Jobs ---- */

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
