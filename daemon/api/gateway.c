/* SPDX-License-Identifier: Apache-2.0
 *
 * What executors ask of their gateway, opened by the cluster token: settings, jobs, leases.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/error.h"
#include "secret/secret.h"

#define WAIT_LIMIT_SECONDS 60

static int64_t now_ms(void) {
  return mloom_clock_system()->monotonic_ms(mloom_clock_system());
}

/* Has the request wait for a change, unless it has waited long enough. Returns 1 when it waits. */
static int wait_for_change(app_call *call, int64_t seconds) {
  int64_t deadline = http_wait_deadline(call->request);
  seconds = seconds > WAIT_LIMIT_SECONDS ? WAIT_LIMIT_SECONDS : seconds;
  if (deadline == 0 && seconds > 0) {
    deadline = now_ms() + seconds * 1000;
  }
  if (deadline <= now_ms()) {
    return 0;
  }
  call->answer->wait_until_ms = deadline;
  return 1;
}

void gateway_settings(app_call *call) {
  char etag[40];
  const char *known = http_header(call->request, "If-None-Match");
  const char *wait = http_query(call->request, "wait");
  MLOOM_AUTO(mloom_secret_unref_auto) const mloom_secret *settings = exports_get(call->app->exports, etag);
  if (settings == NULL) {
    mloom_error error = MLOOM_ERROR_INIT;
    mloom_error_set(&error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_SETTINGS, "ask again in a moment",
                    "the gateway has not read its settings yet");
    app_fail(call, &error);
    return;
  }
  if (known != NULL && strcmp(known, etag) == 0) {
    if (!wait_for_change(call, wait == NULL ? 0 : strtoll(wait, NULL, 10))) {
      call->answer->status = 304;
      http_answer_header(call->answer, "ETag", "%s", etag);
    }
    return;
  }
  mloom_bytes text = mloom_secret_bytes(settings);
  http_answer_header(call->answer, "ETag", "%s", etag);
  http_answer_header(call->answer, "Content-Type", "application/json");
  http_answer_header(call->answer, "Cache-Control", "no-store");
  call->answer->secret = 1;
  mloom_buffer_append_wiping(&call->answer->body, text.data, text.size);
}

/* ---- Jobs ---- */

typedef struct message {
  mloom_json *json;
  const char *executor;
  store_lease lease; /* of the job that it is about, if there is one */
} message;

static void message_free(message *self) {
  mloom_json_unref(self->json);
}

/* The body, which names its executor; 0 after the answer said what is wrong with it. */
static int read_message(app_call *call, message *out) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_bytes body = http_body(call->request);
  int32_t code = mloom_json_parse(&out->json, body.data, body.size, "the body", &error);
  out->executor = mloom_json_member_string(out->json, "executor", "");
  out->lease = (store_lease){call->name, out->executor, mloom_json_member_integer(out->json, "claim", 0)};
  if (code == MLOOM_OK && out->executor[0] == '\0') {
    code = mloom_error_set(&error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "send its name as executor",
                           "the body does not name the executor");
  }
  if (code != MLOOM_OK) {
    app_fail(call, &error);
    return 0;
  }
  return 1;
}

static void finish(app_call *call, int32_t code, const mloom_error *error) {
  if (code == MLOOM_OK) {
    call->answer->status = 204;
    http_server_wake(call->app->server);
  } else {
    app_fail(call, error);
  }
}

static void show_claimed(const store_job *job, void *userdata) {
  app_call *call = userdata;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = mloom_json_new_object();
  mloom_json *document = NULL;
  mloom_json_set_string(json, "id", job->id);
  mloom_json_set_integer(json, "claim", job->claim);
  mloom_json_set_integer(json, "lease_ms", app_lease_ms(call->app));
  mloom_json_set_string(json, "provider", job->provider);
  mloom_json_set_string(json, "model", job->model);
  if (mloom_json_parse(&document, job->document, strlen(job->document), "the job", NULL) == MLOOM_OK) {
    mloom_json_set(json, "document", document);
  }
  char etag[40];
  mloom_secret_unref(exports_get(call->app->exports, etag));
  mloom_json_set_string(json, "settings", etag);
  app_json(call, 200, json);
}

static void note_obstacles(const app_call *call, const char *executor, const mloom_json *obstacles) {
  if (fleet_note_obstacles(call->app->fleet, executor, obstacles)) {
    (void)store_add_audit(call->app->store, "plugin", executor, mloom_json_member_string(obstacles, "", ""), NULL);
  }
}

void gateway_claim(app_call *call) {
  MLOOM_AUTO(message_free) message said = {0};
  mloom_error error = MLOOM_ERROR_INIT;
  if (!read_message(call, &said)) {
    return;
  }
  const char *ready = mloom_json_member_string(said.json, "ready", ",");
  fleet_note(call->app->fleet, said.executor, ready);
  note_obstacles(call, said.executor, mloom_json_member(said.json, "obstacles"));
  if (http_wait_deadline(call->request) != 0 || mloom_json_member_boolean(said.json, "only_wait", 0)) {
    /* The executor may be gone by now, so nothing is claimed for a request that has waited: it asks again. */
    if (!store_has_job(call->app->store, ready) &&
        wait_for_change(call, mloom_json_member_integer(said.json, "wait", 0))) {
      return;
    }
    call->answer->status = 204;
    return;
  }
  int32_t code =
      store_claim_job(call->app->store, said.executor, ready, app_lease_ms(call->app), show_claimed, call, &error);
  if (code == MLOOM_OK) {
    http_server_wake(call->app->server);
  } else if (code != MLOOM_E_NOT_FOUND) {
    app_fail(call, &error);
  } else if (!wait_for_change(call, mloom_json_member_integer(said.json, "wait", 0))) {
    call->answer->status = 204;
  }
}

void gateway_lease(app_call *call) {
  MLOOM_AUTO(message_free) message said = {0};
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = mloom_json_new_object();
  mloom_error error = MLOOM_ERROR_INIT;
  int cancelled = 0;
  if (!read_message(call, &said)) {
    return;
  }
  fleet_note(call->app->fleet, said.executor, NULL);
  if (store_renew_lease(call->app->store, &said.lease, app_lease_ms(call->app), &cancelled, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  mloom_json_set_boolean(json, "cancelled", cancelled);
  mloom_json_set_integer(json, "lease_ms", app_lease_ms(call->app));
  app_json(call, 200, json);
}

void gateway_events(app_call *call) {
  MLOOM_AUTO(message_free) message said = {0};
  mloom_error error = MLOOM_ERROR_INIT;
  int cancelled = 0;
  if (!read_message(call, &said)) {
    return;
  }
  const mloom_json *events = mloom_json_member(said.json, "events");
  const char *source = mloom_json_member_string(said.json, "source", "");
  int64_t first = mloom_json_member_integer(said.json, "first", 0);
  /* Only the executor that has the job may add to it. */
  int32_t code = store_renew_lease(call->app->store, &said.lease, app_lease_ms(call->app), &cancelled, &error);
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(events); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
    char token[96] = "";
    if (source[0] != '\0') {
      snprintf(token, sizeof token, "%.64s %" PRIu64, source, (uint64_t)first + i);
    }
    code = mloom_json_serialize(&text, mloom_json_at(events, i), 0) == MLOOM_OK
               ? store_add_event(call->app->store, call->name, token, mloom_buffer_string(&text), &error)
               : mloom_error_memory(&error);
  }
  finish(call, code, &error);
}

static int is_end(const char *state) {
  static const char *const ends[] = {"completed", "failed", "blocked", "not-ready", "cancelled"};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    if (strcmp(ends[i], state) == 0) {
      return 1;
    }
  }
  return 0;
}

static void copy_provider(const store_job *job, void *userdata) {
  *(char **)userdata = strdup(job->provider);
}

/* A plugin that crashed on an executor stands in the audit as one that crashed here. */
static void note_crash(const app_call *call, const char *executor, const char *crash) {
  MLOOM_AUTO(mloom_auto_free) char *provider = NULL;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (store_get_job(call->app->store, call->name, copy_provider, &provider, NULL) == MLOOM_OK && provider != NULL &&
      mloom_buffer_append_format(&text, "%s; on executor %s, in job %s", crash, executor, call->name) == MLOOM_OK) {
    (void)store_add_audit(call->app->store, "plugin", provider, mloom_buffer_string(&text), NULL);
  }
}

void gateway_end(app_call *call) {
  MLOOM_AUTO(message_free) message said = {0};
  mloom_error error = MLOOM_ERROR_INIT;
  if (!read_message(call, &said)) {
    return;
  }
  const char *state = mloom_json_member_string(said.json, "state", "");
  fleet_note(call->app->fleet, said.executor, NULL);
  int32_t code = is_end(state) ? MLOOM_OK
                               : mloom_error_set(&error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "send a final state",
                                                 "a job does not end as \"%.40s\"", state);
  code = code != MLOOM_OK
             ? code
             : store_end_job(call->app->store, &said.lease, state, mloom_json_member_string(said.json, "reason", ""),
                             mloom_json_member_string(said.json, "result", ""),
                             mloom_json_member_string(said.json, "diff", ""), &error);
  const char *crash = mloom_json_member_string(said.json, "crash", NULL);
  if (code == MLOOM_OK && crash != NULL) {
    note_crash(call, said.executor, crash);
  }
  finish(call, code, &error);
}

void gateway_return(app_call *call) {
  MLOOM_AUTO(message_free) message said = {0};
  mloom_error error = MLOOM_ERROR_INIT;
  if (!read_message(call, &said)) {
    return;
  }
  fleet_note(call->app->fleet, said.executor, NULL);
  finish(call, store_return_job(call->app->store, &said.lease, &error), &error);
}
