/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1 and what monitoring asks for.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "pending.h"
#include "runner.h"
#include "running.h"
#include "settings_change.h"

#define ENTRY_LIMIT 128
#define PAGE_LIMIT 500

static void fail(app_call *call, int32_t code, const char *message, const char *remedy) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_error_set(&error, code, MLOOM_DOMAIN_USAGE, remedy, "%s", message);
  app_fail(call, &error);
}

/* ---- Providers ---- */

void api_providers(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  if (document == NULL) {
    fail(call, MLOOM_E_UNAVAILABLE, "the providers are not described yet", "ask again in a moment");
    return;
  }
  app_json(call, 200, document);
}

void api_provider(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  const mloom_json *provider = provider_of(document, call->name);
  if (provider == NULL) {
    fail(call, MLOOM_E_NOT_FOUND, "no such provider is loaded", "see /api/v1/providers");
    return;
  }
  app_json(call, 200, provider);
}

typedef struct entry_list {
  settings_entry entries[ENTRY_LIMIT];
  size_t count;
  int wrong;
} entry_list;

static int take_entry(const char *name, mloom_json *value, void *userdata) {
  entry_list *list = userdata;
  int kind = mloom_json_kind(value);
  mloom_bytes text = kind == MLOOM_JSON_STRING ? mloom_json_text(value) : (mloom_bytes){NULL, 0};
  if (list->count == ENTRY_LIMIT || (kind != MLOOM_JSON_STRING && kind != MLOOM_JSON_NULL) ||
      (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)) {
    list->wrong = 1;
    return 1;
  }
  list->entries[list->count++] = (settings_entry){name, kind == MLOOM_JSON_NULL ? NULL : text.data};
  return 0;
}

void api_provider_settings(app_call *call) {
  mloom_json *body = app_read_body(call);
  entry_list list = {0};
  mloom_error error = MLOOM_ERROR_INIT;
  if (body == NULL) {
    return;
  }
  mloom_json_each_member(mloom_json_member(body, "fields"), take_entry, &list);
  int32_t code = list.wrong || mloom_json_kind(mloom_json_member(body, "fields")) != MLOOM_JSON_OBJECT
                     ? mloom_error_set(&error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE,
                                       "send {\"fields\": {\"name\": \"value\", \"other\": null}}",
                                       "the body has no object of fields, or a value is neither a text nor null")
                     : settings_change(call->app, call->name, list.entries, list.count, &error);
  mloom_json_wipe(body);
  mloom_json_unref(body);
  if (code == MLOOM_OK) {
    call->answer->status = 204;
  } else {
    app_fail(call, &error);
  }
}

void api_provider_check(app_call *call) {
  mloom_bytes body = http_body(call->request);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *options = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (body.size > 0 && (options = app_read_body(call)) == NULL) {
    return;
  }
  int self_test = mloom_json_member_boolean(options, "self_test", 0);
  if (catalogue_check(call->app->catalogue, call->name, self_test, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  call->answer->status = 202;
}

void api_plugin_release(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *body = app_read_body(call);
  mloom_error error = MLOOM_ERROR_INIT;
  if (body == NULL) {
    return;
  }
  if (app_release_plugin(call->app, mloom_json_member_string(body, "path", ""), &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  call->answer->status = 202;
}

void api_provider_models(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *models = catalogue_read_models(call->app->catalogue, call->name);
  if (models == NULL) {
    fail(call, MLOOM_E_NOT_FOUND, "no such provider is loaded", "see /api/v1/providers");
    return;
  }
  app_json(call, 200, models);
}

/* ---- Jobs ---- */

typedef struct job_list {
  application *app;
  mloom_json *jobs;
  mloom_json *waits; /* see pending_reason */
} job_list;

static void add_job(const store_job *job, void *userdata) {
  const job_list *list = userdata;
  MLOOM_AUTO(mloom_auto_free) char *reason = pending_reason(list->app, list->waits, job);
  mloom_json *json = mloom_json_new_object();
  mloom_json_set_string(json, "id", job->id);
  mloom_json_set_string(json, "state", job->state);
  mloom_json_set_string(json, "ticket", job->key);
  mloom_json_set_string(json, "title", job->title);
  mloom_json_set_string(json, "provider", job->provider);
  mloom_json_set_string(json, "model", job->model);
  mloom_json_set_string(json, "executor", job->executor);
  mloom_json_set_string(json, "reason", reason == NULL ? job->reason : reason);
  mloom_json_set_integer(json, "created_ms", job->created_ms);
  mloom_json_set_integer(json, "started_ms", job->started_ms);
  mloom_json_set_integer(json, "ended_ms", job->ended_ms);
  mloom_json_set_integer(json, "attempts", job->attempts);
  mloom_json_set_boolean(json, "cancel_requested", job->cancel_requested);
  mloom_json_add(list->jobs, json);
}

void api_jobs(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = mloom_json_new_object();
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *waits = mloom_json_new_object();
  job_list list = {call->app, mloom_json_new_array(), waits};
  mloom_error error = MLOOM_ERROR_INIT;
  const char *before = http_query(call->request, "before");
  int32_t code = store_each_job(call->app->store, http_query(call->request, "state"),
                                before == NULL ? 0 : strtoll(before, NULL, 10), PAGE_LIMIT, add_job, &list, &error);
  mloom_json_set(document, "jobs", list.jobs);
  if (code != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  app_json(call, 200, document);
}

void api_job_submit(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = app_read_body(call);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *answer = mloom_json_new_object();
  char id[65] = "";
  mloom_error error = MLOOM_ERROR_INIT;
  if (document == NULL) {
    return;
  }
  if (runner_submit(call->app, document, id, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  mloom_json_set_string(answer, "id", id);
  mloom_json_set_string(answer, "state", "pending");
  http_answer_header(call->answer, "Location", "/api/v1/jobs/%s", id);
  app_json(call, 201, answer);
}

static void show_job(const store_job *job, void *userdata) {
  app_call *call = userdata;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *jobs = mloom_json_new_array();
  mloom_json *document = NULL, *result = NULL;
  job_list list = {call->app, jobs, NULL};
  add_job(job, &list);
  mloom_json *json = mloom_json_at(jobs, 0);
  if (mloom_json_parse(&document, job->document, strlen(job->document), "the job", NULL) == MLOOM_OK) {
    mloom_json_set(json, "document", document);
  }
  if (mloom_json_parse(&result, job->result, strlen(job->result), "the result", NULL) == MLOOM_OK) {
    mloom_json_set(json, "result", result);
  } else {
    mloom_json_set_string(json, "result", NULL);
  }
  mloom_json_set_string(json, "diff", job->diff);
  app_json(call, 200, json);
}

void api_job(app_call *call) {
  mloom_error error = MLOOM_ERROR_INIT;
  if (store_get_job(call->app->store, call->name, show_job, call, &error) != MLOOM_OK) {
    app_fail(call, &error);
  }
}

void api_job_cancel(app_call *call) {
  mloom_error error = MLOOM_ERROR_INIT;
  if (runner_cancel(call->app, call->name, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  call->answer->status = 202;
}

typedef struct resolving {
  app_call *call;
  int answered;
} resolving;

static void show_resolution(const char *type, const mloom_json *fact, void *userdata) {
  resolving *state = userdata;
  if (strcmp(type, "resolution") == 0 && !state->answered) {
    state->answered = 1;
    app_json(state->call, 200, mloom_json_member(fact, "resolution"));
  }
}

void api_resolve(app_call *call) {
  mloom_json *job = app_read_body(call), *request = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  resolving state = {call, 0};
  child_outcome outcome;
  if (job == NULL) {
    return;
  }
  int32_t code = catalogue_new_request(call->app->catalogue, "resolve", &request, &error);
  if (code != MLOOM_OK) {
    mloom_json_unref(job);
    app_fail(call, &error);
    return;
  }
  mloom_json_set(request, "job", job);
  code = child_process_run(&call->app->programs, request, NULL, 30000, show_resolution, &state, &outcome, &error);
  catalogue_drop_request(request);
  if (!state.answered) {
    app_fail(call, &error);
  }
}

/* ---- Events ---- */

typedef struct event_stream {
  application *app;
  char job[65]; /* "": changes of anything */
  int64_t last;
  int ended;
  int said;
  mloom_buffer *out;
} event_stream;

static void write_event(int64_t sequence, const char *event, void *userdata) {
  event_stream *stream = userdata;
  stream->last = sequence;
  mloom_buffer_append_format(stream->out, "id: %" PRId64 "\nevent: job\ndata: %s\n\n", sequence, event);
}

static void note_state(const store_job *job, void *userdata) {
  event_stream *stream = userdata;
  stream->ended = strcmp(job->state, "pending") != 0 && strcmp(job->state, "running") != 0;
}

static int next_job_events(mloom_buffer *out, int idle, void *userdata) {
  event_stream *stream = userdata;
  stream->out = out;
  /* The state first: events that came before the end are then all there. */
  int32_t code = store_get_job(stream->app->store, stream->job, note_state, stream, NULL);
  code = code != MLOOM_OK ? code
                          : store_each_event(stream->app->store, stream->job, stream->last, write_event, stream, NULL);
  if (code != MLOOM_OK && code != MLOOM_E_UNAVAILABLE) {
    return 1;
  }
  if (code == MLOOM_OK && out->size == 0 && stream->ended) {
    mloom_buffer_append_string(out, "event: end\ndata: {}\n\n");
    return 1;
  }
  if (out->size == 0 && idle) {
    mloom_buffer_append_string(out, ": still here\n\n");
  }
  return 0;
}

/* Called at once, and then after each change and after each idle time; after something was said, once more. */
static int next_change(mloom_buffer *out, int idle, void *userdata) {
  event_stream *stream = userdata;
  int silent = stream->last == 0 || stream->said;
  stream->last = 1;
  stream->said = !silent;
  if (!silent) {
    mloom_buffer_append_string(out, idle ? ": still here\n\n" : "event: change\ndata: {}\n\n");
  }
  return 0;
}

static void close_stream(void *userdata) {
  free(userdata);
}

static void start_stream(app_call *call, int (*next)(mloom_buffer *out, int idle, void *userdata), const char *job) {
  event_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) {
    fail(call, MLOOM_E_MEMORY, "out of memory", "close some pages");
    return;
  }
  const char *last = http_header(call->request, "Last-Event-ID");
  last = last != NULL ? last : http_query(call->request, "after");
  stream->app = call->app;
  stream->last = last == NULL ? 0 : strtoll(last, NULL, 10);
  strncpy(stream->job, job, sizeof stream->job - 1);
  http_answer_header(call->answer, "Content-Type", "text/event-stream");
  http_answer_header(call->answer, "Cache-Control", "no-store");
  call->answer->stream = (http_stream){next, close_stream, stream};
}

static void ignore_job(const store_job *job, void *userdata) {
  (void)job;
  (void)userdata;
}

void api_job_events(app_call *call) {
  mloom_error error = MLOOM_ERROR_INIT;
  if (store_get_job(call->app->store, call->name, ignore_job, NULL, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  start_stream(call, next_job_events, call->name);
}

void api_events(app_call *call) {
  start_stream(call, next_change, "");
}

/* ---- Executors ---- */

typedef struct executor_list {
  mloom_json *list;
  const mloom_json *running;
} executor_list;

static void add_member(const fleet_member *member, void *userdata) {
  const executor_list *executors = userdata;
  mloom_json *json = mloom_json_new_object();
  mloom_json *jobs = mloom_json_member(executors->running, member->name);
  char seen[32];
  mloom_clock_format(member->seen_ms, seen);
  mloom_json_set_string(json, "name", member->name);
  mloom_json_set_string(json, "seen_at", seen);
  mloom_json_set_string(json, "ready", member->ready);
  mloom_json_set_string(json, "crashing_plugins", mloom_json_member_string(member->obstacles, "", ""));
  mloom_json_set(json, "jobs", jobs != NULL ? mloom_json_ref(jobs) : mloom_json_new_array());
  mloom_json_add(executors->list, json);
}

void api_executors(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = mloom_json_new_object();
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *running = running_jobs(call->app->store);
  executor_list executors = {mloom_json_new_array(), running};
  if (call->app->fleet != NULL) {
    fleet_each(call->app->fleet, add_member, &executors);
  }
  mloom_json_set(document, "executors", executors.list);
  app_json(call, 200, document);
}

/* ---- Audit ---- */

static void add_entry(const store_audit_entry *entry, void *userdata) {
  mloom_json *json = mloom_json_new_object();
  char time[32];
  mloom_clock_format(entry->time_ms, time);
  mloom_json_set_integer(json, "sequence", entry->sequence);
  mloom_json_set_string(json, "time", time);
  mloom_json_set_string(json, "kind", entry->kind);
  mloom_json_set_string(json, "subject", entry->subject);
  mloom_json_set_string(json, "text", entry->text);
  mloom_json_add(userdata, json);
}

/* RFC 4180; a value that a spreadsheet would take for a formula gets a quote in front. */
static void add_cell(mloom_buffer *out, const char *text, const char *after) {
  mloom_buffer_append_char(out, '"');
  if (text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL) {
    mloom_buffer_append_char(out, '\'');
  }
  for (; *text != '\0'; text++) {
    mloom_buffer_append_string(out, *text == '"' ? "\"" : "");
    mloom_buffer_append_char(out, *text);
  }
  mloom_buffer_append_format(out, "\"%s", after);
}

static void add_line(const store_audit_entry *entry, void *userdata) {
  char time[32];
  mloom_clock_format(entry->time_ms, time);
  add_cell(userdata, time, ",");
  add_cell(userdata, entry->kind, ",");
  add_cell(userdata, entry->subject, ",");
  add_cell(userdata, entry->text, "\r\n");
}

void api_audit(app_call *call) {
  const char *format = http_query(call->request, "format");
  const store_audit_filter filter = app_audit_filter(call, 10000);
  mloom_error error = MLOOM_ERROR_INIT;
  if (format != NULL && strcmp(format, "csv") == 0) {
    mloom_buffer_append_string(&call->answer->body, "time,kind,subject,text\r\n");
    if (store_each_audit(call->app->store, &filter, add_line, &call->answer->body, &error) != MLOOM_OK) {
      app_fail(call, &error);
      return;
    }
    http_answer_header(call->answer, "Content-Type", "text/csv; charset=utf-8");
    http_answer_header(call->answer, "Content-Disposition", "attachment; filename=\"audit.csv\"");
    return;
  }
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = mloom_json_new_object();
  mloom_json *list = mloom_json_new_array();
  int32_t code = store_each_audit(call->app->store, &filter, add_entry, list, &error);
  mloom_json_set(document, "entries", list);
  if (code != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  app_json(call, 200, document);
}

/* ---- Monitoring ---- */

void api_live(app_call *call) {
  http_answer_header(call->answer, "Content-Type", "text/plain");
  mloom_buffer_append_string(&call->answer->body, "ok\n");
}

void api_ready(app_call *call) {
  int ready = catalogue_is_described(call->app->catalogue);
  http_answer_header(call->answer, "Content-Type", "text/plain");
  call->answer->status = ready ? 200 : 503;
  mloom_buffer_append_string(&call->answer->body, ready ? "ok\n" : "the providers are not described yet\n");
}

typedef struct state_count {
  const char *state;
  int64_t count;
} state_count;

static void take_count(const char *state, int64_t number, void *userdata) {
  for (state_count *count = userdata; count->state != NULL; count++) {
    count->count = strcmp(count->state, state) == 0 ? number : count->count;
  }
}

void api_metrics(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  state_count counts[] = {{"pending", 0}, {"running", 0},   {"completed", 0}, {"failed", 0},
                          {"blocked", 0}, {"not-ready", 0}, {"cancelled", 0}, {NULL, 0}};
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  const mloom_json *providers = mloom_json_member(document, "providers");
  mloom_error error = MLOOM_ERROR_INIT;
  if (store_count_jobs(call->app->store, take_count, counts, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  http_answer_header(call->answer, "Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8");
  mloom_buffer_append_format(out,
                             "# TYPE mergeloom_build info\n# HELP mergeloom_build Version of the daemon.\n"
                             "mergeloom_build_info{version=\"%s\"} 1\n",
                             mloom_version());
  mloom_buffer_append_string(out, "# TYPE mergeloom_jobs gauge\n# HELP mergeloom_jobs Jobs in the store by state.\n");
  for (const state_count *count = counts; count->state != NULL; count++) {
    mloom_buffer_append_format(out, "mergeloom_jobs{state=\"%s\"} %" PRId64 "\n", count->state, count->count);
  }
  mloom_buffer_append_string(out, "# TYPE mergeloom_provider_ready gauge\n# HELP mergeloom_provider_ready 1 when the "
                                  "provider can take a job.\n");
  for (size_t i = 0; i < mloom_json_count(providers); i++) {
    const mloom_json *provider = mloom_json_at(providers, i);
    const char *state = mloom_json_member_string(provider, "state", "");
    mloom_buffer_append_format(out, "mergeloom_provider_ready{gen_ai_provider_name=\"%s\"} %d\n",
                               mloom_json_member_string(provider, "id", ""),
                               (strcmp(state, "ready") == 0 || strcmp(state, "authenticated") == 0) &&
                                   !mloom_json_member_boolean(provider, "quarantined", 0));
  }
  job_metrics_write(call->app->job_metrics, out);
  mloom_buffer_append_string(out, "# EOF\n");
}
