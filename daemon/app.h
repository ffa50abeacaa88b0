/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the daemon share, and the shape of a route.
 */
#ifndef MERGELOOM_DAEMON_APP_H
#define MERGELOOM_DAEMON_APP_H

#include <pthread.h>

#include "catalogue.h"
#include "deployment.h"
#include "exports.h"
#include "fleet.h"
#include "gateway_client.h"
#include "guard.h"
#include "http.h"
#include "job_metrics.h"
#include "logins.h"
#include "store/store.h"
#include <mergeloom/mergeloom.h>

struct runner;

typedef struct application {
  deployment deployment;
  mloom_log log;
  child_programs programs;
  store *store;
  catalogue *catalogue;
  logins *logins;
  pthread_mutex_t lock; /* of runner and gateway, which come after the server and go before it */
  struct runner *runner;
  exports *exports;        /* NULL on an executor */
  fleet *fleet;            /* NULL on an executor */
  gateway_client *gateway; /* of an executor, else NULL */
  job_metrics *job_metrics;
  guard *guard;
  int listen_fd; /* the server's, once there is one */
  int is_local;  /* only this machine reaches it */
  http_server *server;
  local_jobs local_jobs; /* of a daemon that is its own executor */
  int64_t started_ms;    /* wall clock */
} application;

/* One request with who makes it. */
typedef struct app_call {
  application *app;
  const http_request *request;
  const guard_session *session;
  const char *name; /* the part of the path that the route leaves open, or "" */
  http_answer *answer;
} app_call;

/* Something has changed: streams, waiting requests and the runner look again. Thread-safe. */
void app_wake(application *app);
/* Has a plugin that was left alone tried again, soon. MLOOM_E_NOT_FOUND: it has not crashed. */
int32_t app_release_plugin(application *app, const char *path, mloom_error *error);
/* NULL unless this is an executor that has begun. Thread-safe. */
gateway_client *app_gateway(application *app);

/* For how long a job is given to an executor at a time. */
int64_t app_lease_ms(const application *app);

typedef void (*app_handler)(app_call *call);

/* Sends the browser on to path (303), with a notice that the next page shows. */
void app_redirect(app_call *call, const char *path);
/* A parameter of the query; an empty one, as a form sends it, is none. */
const char *app_query(const app_call *call, const char *name);
/* The entries of the audit that kind, subject and before of the query ask for. */
store_audit_filter app_audit_filter(const app_call *call, uint32_t limit);
/* A page, or problem+json for the API, that says what went wrong; the status follows from the code. */
void app_fail(app_call *call, const mloom_error *error);
/* The body as JSON; NULL after the answer said what is wrong with it. */
mloom_json *app_read_body(app_call *call);
/* An answer of JSON. */
void app_json(app_call *call, unsigned status, const mloom_json *json);

/* Starts a login of the provider that the address names: for page and API. */
int32_t login_start(app_call *call, const login_wish *wish, mloom_error *error);

/* The pages and the API. */
void page_home(app_call *call);
void page_providers(app_call *call);
void page_runs(app_call *call);
void page_live(app_call *call);
void page_live_events(app_call *call);
void page_audit(app_call *call);
void page_health(app_call *call);
void page_sign_in(app_call *call);
void page_error(app_call *call, const mloom_error *error, unsigned status);
void asset_style(app_call *call);
void asset_script(app_call *call);
void asset_icon(app_call *call);
void form_provider_settings(app_call *call);
void form_provider_check(app_call *call);
void form_provider_self_test(app_call *call);
void form_provider_enable(app_call *call);
void form_provider_disable(app_call *call);
void form_plugin_release(app_call *call);
void form_login_start(app_call *call);
void form_login_input(app_call *call);
void form_login_cancel(app_call *call);
void form_sign_in(app_call *call);
void form_job_cancel(app_call *call);
void form_job_submit(app_call *call);

void api_description(app_call *call);
void api_providers(app_call *call);
void api_provider(app_call *call);
void api_provider_settings(app_call *call);
void api_provider_check(app_call *call);
void api_provider_models(app_call *call);
void api_plugin_release(app_call *call);
void api_login(app_call *call);
void api_login_start(app_call *call);
void api_login_input(app_call *call);
void api_login_cancel(app_call *call);
void api_resolve(app_call *call);
void api_jobs(app_call *call);
void api_job_submit(app_call *call);
void api_job(app_call *call);
void api_job_cancel(app_call *call);
void api_job_events(app_call *call);
void api_executors(app_call *call);
void api_audit(app_call *call);
void api_events(app_call *call);
void api_live(app_call *call);
void api_ready(app_call *call);
void api_metrics(app_call *call);

void gateway_settings(app_call *call);
void gateway_claim(app_call *call);
void gateway_lease(app_call *call);
void gateway_events(app_call *call);
void gateway_end(app_call *call);
void gateway_return(app_call *call);

/* The handler of every request. */
int app_admit(const http_request *request, http_answer *answer, http_terms *terms, void *userdata);
void app_handle(const http_request *request, http_answer *answer, void *userdata);

#endif
