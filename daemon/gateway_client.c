/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_client.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "net/http.h"
#include "secret/secret.h"

#define ANSWER_LIMIT ((size_t)64 << 20)
#define CLAIM_WAIT_SECONDS 20
#define SETTINGS_STEP_MS 10
#define SETTINGS_WAIT_SECONDS 25
#define AWAY_FIRST_MS 500
#define AWAY_LONGEST_MS 15000
#define EVENTS_BYTES ((size_t)64 * 1024)
#define EVENTS_KEPT ((size_t)2 << 20) /* below what the gateway takes in one request */
#define EVENTS_MS 250
#define EVENTS_AWAY_MS 3000
#define WAIT_TIMEOUT_MS 90000
#define ANSWER_TIMEOUT_MS 20000
#define END_TIMEOUT_MS 60000
#define SHORTEST_ROUND_MS 1000
#define HURRIED_TRIES 3

typedef struct event_batch {
  char job[65];
  mloom_buffer lines;
  uint64_t source; /* with it and its number the gateway knows an event that it is told again */
  int64_t first;   /* number of the first of lines */
  int64_t count;   /* of lines */
  int64_t due_ms;  /* when they are sent */
  int sending;     /* others wait, so that events keep their order */
} event_batch;

struct gateway_client {
  gateway_options options;
  const char *url;
  const mloom_secret *token;
  mloom_http_client *http;
  mloom_cancel *cancel;
  mloom_cancel *claims; /* of the claims that wait; another one after each interruption */
  pthread_t follower;
  int follows;
  pthread_mutex_t lock;
  pthread_cond_t sent;
  char etag[80]; /* of the settings that are in effect here */
  event_batch batches[64];
  int hurried;
  int reached;
  int64_t reached_ms;
};

typedef struct answer {
  int32_t status;
  mloom_buffer body;
  char etag[80];
} answer;

static void answer_free(answer *self) {
  if (self->body.data != NULL) {
    mloom_secret_wipe(self->body.data, self->body.capacity);
  }
  mloom_buffer_free(&self->body);
}

static int64_t now_ms(void) {
  return mloom_clock_system()->monotonic_ms(mloom_clock_system());
}

static int64_t heartbeat_ms(const gateway_client *self) {
  return mloom_settings_integer(self->options.deployment->settings, "heartbeat_seconds", 15) * 1000;
}

/* Signs of life must not wait for one that hangs until the lease has run out. */
static int64_t sign_timeout_ms(const gateway_client *self) {
  return heartbeat_ms(self) / 3;
}

/* ---- Requests ---- */

static int32_t take_status(int32_t status, void *userdata) {
  ((answer *)userdata)->status = status;
  return MLOOM_OK;
}

static int32_t take_header(const char *name, const char *value, void *userdata) {
  answer *self = userdata;
  if (strcasecmp(name, "ETag") == 0 && strlen(value) < sizeof self->etag) {
    strcpy(self->etag, value);
  }
  return MLOOM_OK;
}

static int32_t take_body(const char *data, size_t size, void *userdata) {
  answer *self = userdata;
  if (self->body.size + size > ANSWER_LIMIT) {
    return MLOOM_E_LIMIT;
  }
  return mloom_buffer_append(&self->body, data, size);
}

static void note_reach(gateway_client *self, int reached, const mloom_error *why) {
  pthread_mutex_lock(&self->lock);
  int was_reached = self->reached;
  self->reached = reached;
  if (reached) {
    self->reached_ms = mloom_clock_system()->wall_ms(mloom_clock_system());
  }
  pthread_mutex_unlock(&self->lock);
  if (was_reached != reached) {
    mloom_log_write(self->options.log, reached ? MLOOM_LOG_INFO : MLOOM_LOG_WARNING, "gateway", "%s%s",
                    reached ? "the gateway answers" : "the gateway is away: ", reached ? "" : why->message);
  }
}

static int32_t judge(const answer *got, mloom_error *error) {
  if (got->status < 300 || got->status == 304) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *problem = NULL;
  (void)mloom_json_parse(&problem, mloom_buffer_string(&got->body), got->body.size, "the answer", NULL);
  int32_t code = got->status == 401 || got->status == 403   ? MLOOM_E_UNAUTHENTICATED
                 : got->status == 404                       ? MLOOM_E_NOT_FOUND
                 : got->status == 409                       ? MLOOM_E_CONFLICT
                 : got->status == 413                       ? MLOOM_E_LIMIT
                 : got->status == 429 || got->status >= 500 ? MLOOM_E_UNAVAILABLE
                                                            : MLOOM_E_INVALID;
  return mloom_error_set(error, code, MLOOM_DOMAIN_NETWORK, mloom_json_member_string(problem, "detail", ""),
                         "the gateway answered %d: %s", got->status,
                         mloom_json_member_string(problem, "title", "no reason"));
}

/* One request; body NULL: GET. The answer is filled for any status. */
static int32_t ask(gateway_client *self, mloom_cancel *cancel, int64_t timeout_ms, const char *path, const char *etag,
                   const mloom_buffer *body, answer *out, mloom_error *error) {
  mloom_error why = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  size_t size = strlen(self->url);
  if (mloom_buffer_append_format(&url, "%.*s%s", (int)(size > 0 && self->url[size - 1] == '/' ? size - 1 : size),
                                 self->url, path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const mloom_header token = {.size = sizeof token, .name = "Authorization", .value = "Bearer ", .secret = self->token};
  const mloom_header type = {.size = sizeof type, .name = "Content-Type", .value = "application/json"};
  const mloom_header match = {.size = sizeof match, .name = "If-None-Match", .value = etag};
  const mloom_header *headers[] = {&token, &type, &match};
  const mloom_bytes bytes = {body == NULL ? NULL : mloom_buffer_string(body), body == NULL ? 0 : body->size};
  const mloom_http_request request = {.size = sizeof request,
                                      .method = body == NULL ? "GET" : "POST",
                                      .url = mloom_buffer_string(&url),
                                      .headers = headers,
                                      .header_count = etag == NULL ? 2 : 3,
                                      .body = &bytes,
                                      .body_count = body == NULL ? 0 : 1};
  const mloom_http_sink sink = {
      .size = sizeof sink, .userdata = out, .status = take_status, .header = take_header, .body = take_body};
  mloom_call call;
  mloom_call_init(&call, cancel, mloom_clock_system(), self->options.log, now_ms() + timeout_ms);
  int32_t code = mloom_http_perform(self->http, &call, &request, &sink, NULL, &why);
  if (code != MLOOM_E_CANCELLED) {
    note_reach(self, code == MLOOM_OK, &why);
  }
  code = code != MLOOM_OK ? code : judge(out, &why);
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &why);
  }
  return code;
}

static int32_t post(gateway_client *self, mloom_cancel *cancel, int64_t timeout_ms, const char *path,
                    const mloom_json *document, answer *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  if (mloom_json_serialize(&body, document, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return ask(self, cancel, timeout_ms, path, NULL, &body, out, error);
}

static mloom_json *new_message(const gateway_client *self) {
  mloom_json *message = mloom_json_new_object();
  mloom_json_set_string(message, "executor", self->options.deployment->name);
  return message;
}

static int32_t post_about(gateway_client *self, int64_t timeout_ms, const job_claim *job, const char *action,
                          mloom_json *message, answer *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  mloom_json_set_integer(message, "claim", job->number);
  int32_t code = mloom_buffer_append_format(&path, "/api/v1/gateway/jobs/%s/%s", job->id, action) == MLOOM_OK
                     ? post(self, self->cancel, timeout_ms, mloom_buffer_string(&path), message, out, error)
                     : mloom_error_memory(error);
  mloom_json_unref(message);
  return code;
}

/* ---- Settings ---- */

static int32_t read_settings(gateway_client *self, const char *path, char etag[80], mloom_error *error) {
  MLOOM_AUTO(answer_free) answer got = {0};
  int32_t code = ask(self, self->cancel, WAIT_TIMEOUT_MS, path, etag[0] == '\0' ? NULL : etag, NULL, &got, error);
  if (code != MLOOM_OK || got.status == 304) {
    return code;
  }
  mloom_json *settings = NULL;
  code = mloom_json_parse(&settings, mloom_buffer_string(&got.body), got.body.size, "the gateway's settings", error);
  if (code != MLOOM_OK) {
    return code;
  }
  catalogue_set_gateway_settings(self->options.catalogue, settings);
  memcpy(etag, got.etag, sizeof got.etag);
  pthread_mutex_lock(&self->lock);
  memcpy(self->etag, got.etag, sizeof got.etag);
  pthread_mutex_unlock(&self->lock);
  self->options.changed(self->options.userdata);
  return MLOOM_OK;
}

static void *follow(void *userdata) {
  gateway_client *self = userdata;
  char etag[80] = "", path[80];
  int64_t away_ms = AWAY_FIRST_MS;
  mloom_call call;
  mloom_call_init(&call, self->cancel, mloom_clock_system(), self->options.log, INT64_MAX);
  while (!mloom_cancel_is_triggered(self->cancel)) {
    mloom_error error = MLOOM_ERROR_INIT;
    int64_t begun_ms = now_ms();
    snprintf(path, sizeof path, "/api/v1/gateway/settings?wait=%d", etag[0] == '\0' ? 0 : SETTINGS_WAIT_SECONDS);
    if (read_settings(self, path, etag, &error) == MLOOM_OK) {
      away_ms = AWAY_FIRST_MS;
      /* A proxy that drops the tag would have us ask without a pause. */
      (void)mloom_call_sleep_until(&call, begun_ms + SHORTEST_ROUND_MS, NULL);
      continue;
    }
    mloom_log_write(self->options.log, MLOOM_LOG_DEBUG, "gateway", "%s", error.message);
    (void)mloom_call_sleep_until(&call, now_ms() + away_ms, NULL);
    away_ms = away_ms * 2 > AWAY_LONGEST_MS ? AWAY_LONGEST_MS : away_ms * 2;
  }
  return NULL;
}

/* ---- Jobs ---- */

/* Waits until a claim may find a job. What interrupts this loses no job, as nothing is claimed by it. */
static int32_t await_job(gateway_client *self, const char *ready, mloom_error *error) {
  MLOOM_AUTO(answer_free) answer got = {0};
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *message = new_message(self);
  mloom_json_set_string(message, "ready", ready);
  mloom_json_set(message, "obstacles", catalogue_obstacles(self->options.catalogue));
  /* A lease that runs out tells nobody, so the gateway is asked again before long. */
  int64_t seconds = heartbeat_ms(self) / 500;
  mloom_json_set_integer(message, "wait", seconds < CLAIM_WAIT_SECONDS ? seconds : CLAIM_WAIT_SECONDS);
  mloom_json_set_boolean(message, "only_wait", 1);
  pthread_mutex_lock(&self->lock);
  mloom_cancel *cancel = mloom_cancel_ref(self->claims);
  pthread_mutex_unlock(&self->lock);
  int32_t code = post(self, cancel, WAIT_TIMEOUT_MS, "/api/v1/gateway/claim", message, &got, error);
  mloom_cancel_unref(cancel);
  return code != MLOOM_OK
             ? code
             : mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB, "ask again", "no job was waiting");
}

static int has_settings(gateway_client *self, const char *etag) {
  pthread_mutex_lock(&self->lock);
  int same = strcmp(self->etag, etag) == 0;
  pthread_mutex_unlock(&self->lock);
  return same;
}

/* What was set before a job was submitted counts for it. Newer settings are on their way then, so this takes a moment;
 * without them, the job runs before its lease is in danger. */
static void await_settings(gateway_client *self, const char *newest) {
  int64_t until_ms = now_ms() + sign_timeout_ms(self);
  mloom_call call;
  mloom_call_init(&call, self->cancel, mloom_clock_system(), self->options.log, until_ms);
  while (self->follows && newest[0] != '\0' && !has_settings(self, newest) && now_ms() < until_ms &&
         mloom_call_sleep_until(&call, now_ms() + SETTINGS_STEP_MS, NULL) == MLOOM_OK) {
  }
}

static int32_t claim(void *ctx, const char *ready, store_job_fn fn, void *userdata, int64_t *lease_ms,
                     mloom_error *error) {
  gateway_client *self = ctx;
  MLOOM_AUTO(answer_free) answer got = {0};
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *message = new_message(self);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *found = NULL;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer document = MLOOM_BUFFER_INIT;
  mloom_json_set_string(message, "ready", ready);
  mloom_json_set(message, "obstacles", catalogue_obstacles(self->options.catalogue));
  int32_t code = post(self, self->cancel, ANSWER_TIMEOUT_MS, "/api/v1/gateway/claim", message, &got, error);
  if (code == MLOOM_OK && got.status == 204) {
    return await_job(self, ready, error);
  }
  code = code != MLOOM_OK ? code
                          : mloom_json_parse(&found, mloom_buffer_string(&got.body), got.body.size, "the job", error);
  if (code == MLOOM_OK && mloom_json_serialize(&document, mloom_json_member(found, "document"), 0) != MLOOM_OK) {
    code = mloom_error_memory(error);
  }
  if (code == MLOOM_OK) {
    await_settings(self, mloom_json_member_string(found, "settings", ""));
    const store_job job = {.id = mloom_json_member_string(found, "id", ""),
                           .state = "running",
                           .provider = mloom_json_member_string(found, "provider", ""),
                           .model = mloom_json_member_string(found, "model", ""),
                           .claim = mloom_json_member_integer(found, "claim", 0),
                           .document = mloom_buffer_string(&document)};
    *lease_ms = mloom_json_member_integer(found, "lease_ms", 0);
    fn(&job, userdata);
  }
  return code;
}

/* With the lock held: the batch of a job, or an empty one. */
static event_batch *batch_of(gateway_client *self, const char *id) {
  event_batch *empty = NULL;
  for (size_t i = 0; i < sizeof self->batches / sizeof self->batches[0]; i++) {
    if (strcmp(self->batches[i].job, id) == 0) {
      return &self->batches[i];
    }
    empty = self->batches[i].job[0] == '\0' ? &self->batches[i] : empty;
  }
  if (empty != NULL && getrandom(&empty->source, sizeof empty->source, 0) == sizeof empty->source) {
    snprintf(empty->job, sizeof empty->job, "%s", id);
    empty->first = 0;
    empty->count = 0;
    empty->due_ms = now_ms() + EVENTS_MS;
    return empty;
  }
  return NULL;
}

/* What is to be sent, taken out of its batch. */
typedef struct event_parcel {
  mloom_buffer lines;
  uint64_t source;
  int64_t first;
  int64_t count;
} event_parcel;

static int32_t send_events(gateway_client *self, const job_claim *job, const event_parcel *parcel, mloom_error *error) {
  MLOOM_AUTO(answer_free) answer got = {0};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&body, "{");
  mloom_json_write_member(&body, "executor", self->options.deployment->name, strlen(self->options.deployment->name));
  mloom_json_write_name(&body, "claim");
  mloom_buffer_append_format(&body, "%" PRId64, job->number);
  mloom_json_write_name(&body, "source");
  mloom_buffer_append_format(&body, "\"%016" PRIx64 "\"", parcel->source);
  mloom_json_write_name(&body, "first");
  mloom_buffer_append_format(&body, "%" PRId64, parcel->first);
  mloom_json_write_name(&body, "events");
  mloom_buffer_append_char(&body, '[');
  mloom_buffer_append(&body, parcel->lines.data, parcel->lines.size - 1); /* without the last comma */
  return mloom_buffer_append_string(&body, "]}") == MLOOM_OK &&
                 mloom_buffer_append_format(&path, "/api/v1/gateway/jobs/%s/events", job->id) == MLOOM_OK
             ? ask(self, self->cancel, sign_timeout_ms(self), mloom_buffer_string(&path), NULL, &body, &got, error)
             : mloom_error_memory(error);
}

/* With the lock held: puts back what could not be sent, before what came since. */
static void keep_events(event_batch *batch, event_parcel *parcel) {
  if (mloom_buffer_append(&parcel->lines, mloom_buffer_string(&batch->lines), batch->lines.size) == MLOOM_OK) {
    mloom_buffer kept = parcel->lines;
    parcel->lines = batch->lines;
    batch->lines = kept;
    batch->first = parcel->first;
    batch->count += parcel->count;
  }
  batch->due_ms = now_ms() + EVENTS_AWAY_MS;
}

/* Sends the events of a job that are kept; those that cannot be sent are kept on. */
static int32_t flush(gateway_client *self, const job_claim *job, mloom_error *error) {
  event_parcel parcel = {.lines = MLOOM_BUFFER_INIT};
  event_batch *batch = NULL;
  int32_t code = MLOOM_OK;
  pthread_mutex_lock(&self->lock);
  while ((batch = batch_of(self, job->id)) != NULL && batch->sending) {
    pthread_cond_wait(&self->sent, &self->lock);
  }
  if (batch != NULL && batch->lines.size > 0) {
    parcel = (event_parcel){batch->lines, batch->source, batch->first, batch->count};
    batch->lines = (mloom_buffer)MLOOM_BUFFER_INIT;
    batch->first += batch->count;
    batch->count = 0;
    batch->sending = 1;
    pthread_mutex_unlock(&self->lock);
    code = send_events(self, job, &parcel, error);
    pthread_mutex_lock(&self->lock);
    batch->sending = 0;
    if (code == MLOOM_E_UNAVAILABLE || code == MLOOM_E_TIMEOUT) {
      keep_events(batch, &parcel);
    }
    pthread_cond_broadcast(&self->sent);
  }
  if (batch != NULL && batch->lines.size == 0) {
    batch->job[0] = '\0';
  }
  pthread_mutex_unlock(&self->lock);
  mloom_buffer_free(&parcel.lines);
  return code;
}

/* Of a job that is over here: what could not be sent is not sent any more. */
static void forget(gateway_client *self, const char *id) {
  pthread_mutex_lock(&self->lock);
  event_batch *batch = batch_of(self, id);
  while (batch != NULL && batch->sending) {
    pthread_cond_wait(&self->sent, &self->lock);
    batch = batch_of(self, id);
  }
  if (batch != NULL) {
    mloom_buffer_free(&batch->lines);
    *batch = (event_batch){.lines = MLOOM_BUFFER_INIT};
  }
  pthread_mutex_unlock(&self->lock);
}

static int32_t add_event(void *ctx, const job_claim *job, const char *event, mloom_error *error) {
  gateway_client *self = ctx;
  pthread_mutex_lock(&self->lock);
  event_batch *batch = batch_of(self, job->id);
  int due = 0;
  if (batch != NULL && batch->lines.size < EVENTS_KEPT) {
    mloom_buffer_append_string(&batch->lines, event);
    mloom_buffer_append_char(&batch->lines, ',');
    batch->count++;
    /* Not more often while the gateway is away: the job waits for this. */
    int64_t left_ms = batch->due_ms - now_ms();
    due = left_ms <= 0 || (batch->lines.size > EVENTS_BYTES && left_ms <= EVENTS_MS);
  }
  pthread_mutex_unlock(&self->lock);
  return due ? flush(self, job, error) : MLOOM_OK;
}

static int32_t renew(void *ctx, const job_claim *job, int64_t *lease_ms, int *cancelled, mloom_error *error) {
  gateway_client *self = ctx;
  MLOOM_AUTO(answer_free) answer got = {0};
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *said = NULL;
  *cancelled = 0;
  int32_t code = post_about(self, sign_timeout_ms(self), job, "lease", new_message(self), &got, error);
  code = code != MLOOM_OK ? code
                          : mloom_json_parse(&said, mloom_buffer_string(&got.body), got.body.size, "the answer", error);
  *cancelled = mloom_json_member_boolean(said, "cancelled", 0);
  *lease_ms = mloom_json_member_integer(said, "lease_ms", 0);
  if (code == MLOOM_OK) {
    (void)flush(self, job, NULL);
  }
  return code;
}

static int is_hurried(gateway_client *self) {
  pthread_mutex_lock(&self->lock);
  int hurried = self->hurried;
  pthread_mutex_unlock(&self->lock);
  return hurried;
}

void gateway_client_hurry(gateway_client *self) {
  pthread_mutex_lock(&self->lock);
  self->hurried = 1;
  pthread_mutex_unlock(&self->lock);
}

/* A result must not be lost because the gateway is away. When it is back it keeps the lease for a while, in which this
 * has to come; if the job was claimed again nevertheless, it refuses this. */
static int32_t persist(gateway_client *self, const job_claim *job, const char *action, mloom_json *message,
                       mloom_error *error) {
  mloom_call call;
  mloom_call_init(&call, self->cancel, mloom_clock_system(), self->options.log, INT64_MAX);
  int32_t code = MLOOM_E_UNAVAILABLE;
  int64_t away_ms = AWAY_FIRST_MS, longest_ms = heartbeat_ms(self);
  for (int i = 0; i < HURRIED_TRIES || !is_hurried(self); i++) {
    MLOOM_AUTO(answer_free) answer got = {0};
    code = post_about(self, END_TIMEOUT_MS, job, action, mloom_json_ref(message), &got, error);
    if (code != MLOOM_E_UNAVAILABLE && code != MLOOM_E_TIMEOUT && code != MLOOM_E_PROTOCOL) {
      break;
    }
    if (mloom_call_sleep_until(&call, now_ms() + away_ms, NULL) != MLOOM_OK) {
      break;
    }
    away_ms = away_ms * 2 > longest_ms ? longest_ms : away_ms * 2;
  }
  mloom_json_unref(message);
  return code;
}

static int32_t end(void *ctx, const job_claim *job, const char *state, const char *reason, const char *result,
                   const char *diff, const char *crash, mloom_error *error) {
  gateway_client *self = ctx;
  mloom_json *message = new_message(self);
  mloom_json_set_string(message, "state", state);
  mloom_json_set_string(message, "reason", reason);
  mloom_json_set_string(message, "result", result);
  mloom_json_set_string(message, "diff", diff);
  if (crash != NULL) {
    mloom_json_set_string(message, "crash", crash);
  }
  (void)flush(self, job, NULL);
  int32_t code = persist(self, job, "end", mloom_json_ref(message), error);
  if (code == MLOOM_E_LIMIT) {
    /* Better without the diff than run again and again until nobody takes it. */
    mloom_json_set_string(message, "diff", "");
    mloom_json_set_string(message, "reason", reason[0] != '\0' ? reason : "the diff is too large for the gateway");
    code = persist(self, job, "end", mloom_json_ref(message), error);
  }
  mloom_json_unref(message);
  forget(self, job->id);
  return code;
}

static int32_t give_back(void *ctx, const job_claim *job, mloom_error *error) {
  gateway_client *self = ctx;
  (void)flush(self, job, NULL);
  int32_t code = persist(self, job, "return", new_message(self), error);
  forget(self, job->id);
  return code;
}

static void interrupt(void *ctx) {
  gateway_client *self = ctx;
  mloom_cancel *fresh = NULL;
  if (mloom_cancel_new(&fresh, NULL) != MLOOM_OK) {
    return; /* they return by themselves before long */
  }
  pthread_mutex_lock(&self->lock);
  mloom_cancel *old = self->claims;
  self->claims = fresh;
  pthread_mutex_unlock(&self->lock);
  mloom_cancel_trigger(old);
  mloom_cancel_unref(old);
}

job_source gateway_client_jobs(gateway_client *self) {
  return (job_source){self, claim, renew, add_event, end, give_back, interrupt};
}

/* ---- Life ---- */

int32_t gateway_client_new(gateway_client **out, const gateway_options *options, mloom_error *error) {
  *out = NULL;
  mloom_setting token = {.size = sizeof token};
  const char *url = deployment_string(options->deployment, "gateway_url");
  (void)mloom_settings_get(options->deployment->settings, "cluster_token", &token);
  if (url == NULL || token.secret == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set JCA_WORKER_GATEWAY_URL, and JCA_WORKER_CLUSTER_TOKEN to the gateway's value",
                           "an executor needs a gateway and the cluster token");
  }
  gateway_client *self = calloc(1, sizeof *self);
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->options = *options;
  self->url = url;
  self->token = token.secret;
  self->reached = 1;
  pthread_mutex_init(&self->lock, NULL);
  pthread_cond_init(&self->sent, NULL);
  const mloom_http_options http = {.user_agent = "mergeloomd",
                                   .connect_timeout_ms = 10000,
                                   .first_byte_timeout_ms = 60000,
                                   .idle_timeout_ms = 60000};
  int32_t code = mloom_http_client_new(&self->http, &http, options->log, error);
  code = code != MLOOM_OK ? code : mloom_cancel_new(&self->cancel, error);
  code = code != MLOOM_OK ? code : mloom_cancel_new(&self->claims, error);
  if (code == MLOOM_OK && options->follow_settings) {
    int failure = pthread_create(&self->follower, NULL, follow, self);
    self->follows = failure == 0;
    code = failure == 0 ? MLOOM_OK
                        : mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM, NULL, "cannot start a thread");
  }
  if (code != MLOOM_OK) {
    gateway_client_free(self);
    return code;
  }
  *out = self;
  return MLOOM_OK;
}

void gateway_client_free(gateway_client *self) {
  if (self == NULL) {
    return;
  }
  if (self->cancel != NULL) {
    mloom_cancel_trigger(self->cancel);
  }
  if (self->follows) {
    pthread_join(self->follower, NULL);
  }
  for (size_t i = 0; i < sizeof self->batches / sizeof self->batches[0]; i++) {
    mloom_buffer_free(&self->batches[i].lines);
  }
  mloom_http_client_free(self->http);
  mloom_cancel_unref(self->cancel);
  mloom_cancel_unref(self->claims);
  pthread_cond_destroy(&self->sent);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

int gateway_client_is_reached(gateway_client *self, int64_t *since_ms) {
  pthread_mutex_lock(&self->lock);
  int reached = self->reached;
  *since_ms = self->reached_ms;
  pthread_mutex_unlock(&self->lock);
  return reached;
}
