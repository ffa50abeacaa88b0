/* SPDX-License-Identifier: Apache-2.0
 *
 * Which handler a request goes to, and what it must show for that.
 */
#include "app.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "runner.h"

typedef struct route {
  const char *method;
  const char *path; /* a "*" stands for one part */
  int kind;
  app_handler run;
} route;

#define LEASE_HEARTBEATS 4
#define LARGEST_BODY ((size_t)4 << 20)
#define PUBLIC_BODY ((size_t)16 << 10) /* of those who may be anybody */

static const route routes[] = {
    {"GET", "/", GUARD_PERSON, page_home},
    {"GET", "/providers", GUARD_PERSON, page_providers},
    {"GET", "/runs", GUARD_PERSON, page_runs},
    {"GET", "/live/*", GUARD_PERSON, page_live},
    {"GET", "/live/*/events", GUARD_PERSON, page_live_events},
    {"GET", "/audit", GUARD_PERSON, page_audit},
    {"GET", "/health", GUARD_PERSON, page_health},
    {"GET", "/sign-in", GUARD_PUBLIC, page_sign_in},
    {"POST", "/sign-in", GUARD_PUBLIC, form_sign_in},
    {"GET", "/favicon.ico", GUARD_PUBLIC, asset_icon},
    {"GET", "/assets/style.css", GUARD_PUBLIC, asset_style},
    {"GET", "/assets/live.js", GUARD_PUBLIC, asset_script},
    {"POST", "/providers/*/settings", GUARD_PERSON, form_provider_settings},
    {"POST", "/providers/*/check", GUARD_PERSON, form_provider_check},
    {"POST", "/providers/*/self-test", GUARD_PERSON, form_provider_self_test},
    {"POST", "/providers/*/enable", GUARD_PERSON, form_provider_enable},
    {"POST", "/providers/*/disable", GUARD_PERSON, form_provider_disable},
    {"POST", "/providers/*/login", GUARD_PERSON, form_login_start},
    {"POST", "/providers/*/login/input", GUARD_PERSON, form_login_input},
    {"POST", "/providers/*/login/cancel", GUARD_PERSON, form_login_cancel},
    {"POST", "/plugins/release", GUARD_PERSON, form_plugin_release},
    {"POST", "/runs", GUARD_PERSON, form_job_submit},
    {"POST", "/runs/*/cancel", GUARD_PERSON, form_job_cancel},
    {"GET", "/api/v1/openapi.json", GUARD_PERSON, api_description},
    {"GET", "/api/v1/providers", GUARD_PERSON, api_providers},
    {"GET", "/api/v1/providers/*", GUARD_PERSON, api_provider},
    {"PATCH", "/api/v1/providers/*/settings", GUARD_PERSON, api_provider_settings},
    {"POST", "/api/v1/providers/*/checks", GUARD_PERSON, api_provider_check},
    {"GET", "/api/v1/providers/*/models", GUARD_PERSON, api_provider_models},
    {"GET", "/api/v1/providers/*/logins", GUARD_PERSON, api_login},
    {"POST", "/api/v1/providers/*/logins", GUARD_PERSON, api_login_start},
    {"POST", "/api/v1/providers/*/logins/input", GUARD_PERSON, api_login_input},
    {"POST", "/api/v1/providers/*/logins/cancel", GUARD_PERSON, api_login_cancel},
    {"POST", "/api/v1/plugins/release", GUARD_PERSON, api_plugin_release},
    {"POST", "/api/v1/resolve", GUARD_PERSON, api_resolve},
    {"GET", "/api/v1/jobs", GUARD_PERSON, api_jobs},
    {"POST", "/api/v1/jobs", GUARD_PERSON, api_job_submit},
    {"GET", "/api/v1/jobs/*", GUARD_PERSON, api_job},
    {"POST", "/api/v1/jobs/*/cancel", GUARD_PERSON, api_job_cancel},
    {"GET", "/api/v1/jobs/*/events", GUARD_PERSON, api_job_events},
    {"GET", "/api/v1/executors", GUARD_PERSON, api_executors},
    {"GET", "/api/v1/gateway/settings", GUARD_EXECUTOR, gateway_settings},
    {"POST", "/api/v1/gateway/claim", GUARD_EXECUTOR, gateway_claim},
    {"POST", "/api/v1/gateway/jobs/*/lease", GUARD_EXECUTOR, gateway_lease},
    {"POST", "/api/v1/gateway/jobs/*/events", GUARD_EXECUTOR, gateway_events},
    {"POST", "/api/v1/gateway/jobs/*/end", GUARD_EXECUTOR, gateway_end},
    {"POST", "/api/v1/gateway/jobs/*/return", GUARD_EXECUTOR, gateway_return},
    {"GET", "/api/v1/audit", GUARD_PERSON, api_audit},
    {"GET", "/api/v1/events", GUARD_PERSON, api_events},
    {"GET", "/healthz", GUARD_PUBLIC, api_live},
    {"GET", "/readyz", GUARD_PUBLIC, api_ready},
    {"GET", "/metrics", GUARD_PERSON, api_metrics},
};

/* 1 when path has the form of pattern; name gets what stands for "*". */
static int matches(const char *pattern, const char *path, char *name, size_t room) {
  const char *star = strchr(pattern, '*');
  if (star == NULL) {
    return strcmp(pattern, path) == 0;
  }
  size_t before = (size_t)(star - pattern);
  if (strncmp(pattern, path, before) != 0) {
    return 0;
  }
  const char *part = path + before;
  size_t size = strcspn(part, "/");
  if (size == 0 || size >= room || strcmp(part + size, star + 1) != 0) {
    return 0;
  }
  memcpy(name, part, size);
  name[size] = '\0';
  return 1;
}

static const route *find_route(const char *method, const char *path, char *name, size_t room, int *other_method) {
  const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
  *other_method = 0;
  for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
    if (!matches(routes[i].path, path, name, room)) {
      continue;
    }
    if (strcmp(routes[i].method, wanted) == 0) {
      return &routes[i];
    }
    *other_method = 1;
  }
  return NULL;
}

/* What the address of a request would take, for those who asked in another way (RFC 9110, 15.5.6). */
static void add_allow(const app_call *call) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer allow = MLOOM_BUFFER_INIT;
  char name[128];
  for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
    if (matches(routes[i].path, http_path(call->request), name, sizeof name)) {
      mloom_buffer_append_format(&allow, "%s%s", allow.size == 0 ? "" : ", ", routes[i].method);
    }
  }
  http_answer_header(call->answer, "Allow", "%s", mloom_buffer_string(&allow));
}

static unsigned status_of(int32_t code) {
  switch (code) {
  case MLOOM_E_INVALID:
  case MLOOM_E_BLOCKED:
    return 422;
  case MLOOM_E_NOT_FOUND:
    return 404;
  case MLOOM_E_DENIED:
    return 403;
  case MLOOM_E_UNAUTHENTICATED:
    return 401;
  case MLOOM_E_CONFLICT:
    return 409;
  case MLOOM_E_LIMIT:
    return 413;
  case MLOOM_E_RATE_LIMITED:
    return 429;
  case MLOOM_E_UNSUPPORTED:
    return 405;
  case MLOOM_E_UNAVAILABLE:
  case MLOOM_E_TIMEOUT:
    return 503;
  default:
    return 500;
  }
}

static int is_api(const http_request *request) {
  const char *path = http_path(request);
  return strncmp(path, "/api/", 5) == 0 || strcmp(path, "/metrics") == 0;
}

void app_json(app_call *call, unsigned status, const mloom_json *json) {
  call->answer->status = status;
  http_answer_header(call->answer, "Content-Type", "application/json");
  http_answer_header(call->answer, "Cache-Control", "no-store");
  if (mloom_json_serialize(&call->answer->body, json, 0) != MLOOM_OK) {
    call->answer->status = 500;
  }
}

mloom_json *app_read_body(app_call *call) {
  mloom_json *document = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_bytes body = http_body(call->request);
  if (mloom_json_parse(&document, body.data, body.size, "the body", &error) != MLOOM_OK) {
    app_fail(call, &error);
  }
  return document;
}

void app_fail(app_call *call, const mloom_error *error) {
  unsigned status = status_of(error->code);
  if (!is_api(call->request)) {
    page_error(call, error, status);
    return;
  }
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *problem = mloom_json_new_object();
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer type = MLOOM_BUFFER_INIT;
  mloom_buffer_append_format(&type, "urn:mergeloom:error:%s", mloom_code_name(error->code));
  mloom_json_set_string(problem, "type", mloom_buffer_string(&type));
  mloom_json_set_string(problem, "title", error->message);
  mloom_json_set_integer(problem, "status", status);
  mloom_json_set_string(problem, "detail", error->remedy);
  call->answer->status = status;
  http_answer_header(call->answer, "Content-Type", "application/problem+json");
  http_answer_header(call->answer, "Cache-Control", "no-store");
  (void)mloom_json_serialize(&call->answer->body, problem, 0);
}

void app_wake(application *app) {
  if (app->server != NULL) {
    http_server_wake(app->server);
  }
  pthread_mutex_lock(&app->lock);
  if (app->runner != NULL) {
    runner_wake(app->runner);
  }
  pthread_mutex_unlock(&app->lock);
}

int32_t app_release_plugin(application *app, const char *path, mloom_error *error) {
  int32_t code = quarantine_release(app->programs.quarantine, path, "tried again: somebody asked for it", error);
  if (code == MLOOM_OK) {
    /* As the service manager has the daemon read its settings again: this takes as long as the plugin wants. */
    kill(getpid(), SIGHUP);
  }
  return code;
}

gateway_client *app_gateway(application *app) {
  pthread_mutex_lock(&app->lock);
  gateway_client *gateway = app->gateway;
  pthread_mutex_unlock(&app->lock);
  return gateway;
}

int64_t app_lease_ms(const application *app) {
  return mloom_settings_integer(app->deployment.settings, "heartbeat_seconds", 15) * 1000 * LEASE_HEARTBEATS;
}

void app_redirect(app_call *call, const char *path) {
  call->answer->status = 303;
  http_answer_header(call->answer, "Location", "%s", path);
}

const char *app_query(const app_call *call, const char *name) {
  const char *value = http_query(call->request, name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

store_audit_filter app_audit_filter(const app_call *call, uint32_t limit) {
  const char *before = app_query(call, "before");
  return (store_audit_filter){.kind = app_query(call, "kind"),
                              .subject = app_query(call, "subject"),
                              .before = before == NULL ? 0 : strtoll(before, NULL, 10),
                              .limit = limit};
}

/* These have a child process do something and wait for it. */
static int takes_long(const route *found) {
  static const app_handler handlers[] = {api_resolve,           api_job_submit,         form_job_submit,
                                         api_provider_settings, form_provider_settings, form_provider_enable,
                                         form_provider_disable};
  for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
    if (found->run == handlers[i]) {
      return 1;
    }
  }
  return 0;
}

/* What is not there is told only to those who may look. */
static int kind_of(const route *found) {
  return found == NULL ? GUARD_PERSON : found->kind;
}

int app_admit(const http_request *request, http_answer *answer, http_terms *terms, void *userdata) {
  application *self = userdata;
  char name[128] = "";
  int other_method = 0;
  mloom_error error = MLOOM_ERROR_INIT;
  const guard_session session = {0};
  app_call call = {self, request, &session, name, answer};
  int kind = kind_of(find_route(http_method(request), http_path(request), name, sizeof name, &other_method));
  int is_public = kind == GUARD_PUBLIC;
  *terms = (http_terms){.body_limit = is_public ? PUBLIC_BODY : LARGEST_BODY, .is_free = is_public};
  if (guard_admit(self->guard, request, kind, &error) == MLOOM_OK) {
    return 1;
  }
  app_fail(&call, &error);
  guard_answer(self->guard, &session, answer);
  return 0;
}

void app_handle(const http_request *request, http_answer *answer, void *userdata) {
  application *self = userdata;
  char name[128] = "";
  int other_method = 0;
  mloom_error error = MLOOM_ERROR_INIT;
  guard_session session = {0};
  app_call call = {self, request, &session, name, answer};
  const route *found = find_route(http_method(request), http_path(request), name, sizeof name, &other_method);
  int32_t code = guard_check(self->guard, request, kind_of(found), found == NULL ? NULL : http_form(request, "csrf"),
                             &session, &error);
  if (code == MLOOM_OK && found != NULL && found->kind == GUARD_EXECUTOR && self->exports == NULL) {
    code = mloom_error_set(&error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_USAGE, "ask the gateway", "this is an executor");
  }
  if (code == MLOOM_OK && found == NULL) {
    code = other_method ? mloom_error_set(&error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_USAGE, "see the API's description",
                                          "%s is not for this address", http_method(request))
                        : mloom_error_set(&error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_USAGE, "go back to the first page",
                                          "there is nothing at this address");
  }
  if (code == MLOOM_OK && takes_long(found) && !http_runs_apart(request)) {
    answer->apart = 1;
    return;
  }
  if (code == MLOOM_OK) {
    found->run(&call);
  } else {
    app_fail(&call, &error);
    if (code == MLOOM_E_UNSUPPORTED && other_method) {
      add_allow(&call);
    }
  }
  if (answer->wait_until_ms == 0) {
    guard_answer(self->guard, &session, answer);
  }
}
