/* SPDX-License-Identifier: Apache-2.0 */
#include "runner.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"
#include "lease.h"

#define SLOT_LIMIT 64
#define POLL_SECONDS 5
#define RENEWALS 8
#define RECHECK_HEARTBEATS 4
#define RESOLVE_TIMEOUT_MS 30000
#define JOB_SECONDS 3600       /* the default of job_timeout_seconds */
#define JOB_OVERTIME_SECONDS 5 /* for its last words, beside the grace at the end of the daemon */

typedef struct slot {
  struct runner *owner;
  pthread_t thread;
  int started;
  job_claim job; /* id "": none */
  char provider[64];
  mloom_cancel *cancel; /* of the job that runs, or NULL */
  int handed_back;      /* what ends it is no wish of anybody: it shall wait again */
  lease lease;
} slot;

struct runner {
  application *app;
  job_source jobs;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  slot slots[SLOT_LIMIT];
  size_t count;
  size_t busy;
  pthread_t heart;
  int heart_started;
  int stopping;
  int64_t rechecked_ms;
};

static int64_t heartbeat_ms(const runner *self) {
  return mloom_settings_integer(self->app->deployment.settings, "heartbeat_seconds", 15) * 1000;
}

static int64_t now_ms(void) {
  return mloom_clock_system()->monotonic_ms(mloom_clock_system());
}

static void changed(const runner *self) {
  if (self->app->server != NULL) {
    http_server_wake(self->app->server);
  }
}

/* ---- Where repositories lie ---- */

static int lies_below(const char *root, const char *path) {
  size_t size = strlen(root), path_size = strlen(path);
  while (size > 0 && root[size - 1] == '/') {
    size--;
  }
  int climbs = strstr(path, "/../") != NULL || (path_size >= 3 && strcmp(path + path_size - 3, "/..") == 0);
  return strncmp(path, root, size) == 0 && path[size] == '/' && !climbs;
}

/* The repository by its own name must lie below the root, and where both exist on this machine so must what they lead
 * to: *real, which the caller frees, or NULL. */
static int32_t check_workspace(const application *app, const mloom_json *document, char **real, mloom_error *error) {
  const char *root = deployment_string(&app->deployment, "workspace_root");
  const char *path = mloom_json_member_string(mloom_json_member(document, "repository"), "path", "");
  *real = NULL;
  if (root == NULL) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_auto_free) char *real_root = realpath(root, NULL);
  MLOOM_AUTO(mloom_auto_free) char *real_path = realpath(path, NULL);
  int is_here = real_root != NULL && real_path != NULL;
  if (!lies_below(root, path) || (is_here && !lies_below(real_root, real_path))) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_WORKSPACE, "check the repository out there",
                           "the repository does not lie below JCA_WORKER_WORKSPACE_ROOT (%s)", root);
  }
  if (is_here) {
    *real = real_path;
    real_path = NULL;
  }
  return MLOOM_OK;
}

/* ---- One job ---- */

typedef struct job_copy {
  char *document;
  job_claim claim;
  char provider[64];
  int64_t asked_ms, lease_ms;
} job_copy;

static void copy_job(const store_job *job, void *userdata) {
  job_copy *copy = userdata;
  copy->document = strdup(job->document);
  snprintf(copy->claim.id, sizeof copy->claim.id, "%s", job->id);
  copy->claim.number = job->claim;
  snprintf(copy->provider, sizeof copy->provider, "%s", job->provider);
}

typedef struct job_facts {
  slot *slot;
  char state[16];
  char *result;
  char *diff;
  char *reason;
  char *crash; /* NULL: the plugin did not crash */
} job_facts;

static char *text_of(const mloom_json *json) {
  mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_json_serialize(&text, json, 0) != MLOOM_OK) {
    mloom_buffer_free(&text);
    return NULL;
  }
  return mloom_buffer_take(&text);
}

static void take_result(job_facts *facts, const mloom_json *fact) {
  const mloom_json *result = mloom_json_member(fact, "result");
  const mloom_json *error = mloom_json_member(result, "error");
  snprintf(facts->state, sizeof facts->state, "%s", mloom_json_member_string(fact, "state", "failed"));
  facts->result = text_of(result);
  facts->diff = strdup(mloom_json_member_string(fact, "diff", ""));
  facts->reason = strdup(mloom_json_member_string(error, "message", ""));
}

/* Somebody else may have the job, or will soon. */
static void give_up(slot *own) {
  pthread_mutex_lock(&own->owner->lock);
  own->handed_back = 1;
  mloom_cancel_trigger(own->cancel);
  pthread_mutex_unlock(&own->owner->lock);
}

static void take_job_fact(const char *type, const mloom_json *fact, void *userdata) {
  job_facts *facts = userdata;
  runner *self = facts->slot->owner;
  if (strcmp(type, "event") == 0) {
    char *event = text_of(mloom_json_member(fact, "event"));
    int32_t code = event == NULL ? MLOOM_E_MEMORY : self->jobs.event(self->jobs.ctx, &facts->slot->job, event, NULL);
    if (code == MLOOM_OK) {
      changed(self);
    } else if (code == MLOOM_E_CONFLICT) {
      give_up(facts->slot);
    }
    free(event);
  } else if (strcmp(type, "result") == 0 && facts->result == NULL) {
    take_result(facts, fact);
  }
}

/* The library ends a job in time by itself, unless a plugin does not let it. */
static int64_t job_limit_ms(const runner *self, const mloom_json *job) {
  int64_t seconds = catalogue_worker_integer(self->app->catalogue, "job_timeout_seconds", JOB_SECONDS);
  int64_t own = mloom_json_member_integer(mloom_json_member(job, "limits"), "seconds", 0);
  seconds = own > 0 && (seconds <= 0 || own < seconds) ? own : seconds;
  int64_t grace = mloom_settings_integer(self->app->deployment.settings, "stop_grace_seconds", 20);
  return seconds <= 0 || seconds > INT32_MAX ? 0 : (seconds + grace + JOB_OVERTIME_SECONDS) * 1000;
}

static int32_t run_child(slot *own, const char *document, job_facts *facts, mloom_error *error) {
  runner *self = own->owner;
  mloom_json *request = NULL, *job = NULL;
  child_outcome outcome = {0};
  int32_t code = mloom_json_parse(&job, document, strlen(document), "the stored job", error);
  /* Once more: the gateway may be another machine, and links may have changed since. */
  MLOOM_AUTO(mloom_auto_free) char *real = NULL;
  code = code != MLOOM_OK ? code : check_workspace(self->app, job, &real, error);
  code = code != MLOOM_OK ? code : catalogue_new_request(self->app->catalogue, "job", &request, error);
  if (code != MLOOM_OK) {
    mloom_json_unref(job);
    return code;
  }
  int64_t limit_ms = job_limit_ms(self, job);
  if (real != NULL) {
    mloom_json_set_string(mloom_json_member(job, "repository"), "path", real);
  }
  mloom_json_set_string(job, "id", own->job.id);
  mloom_json_set(request, "job", job);
  code = child_process_lease(&self->app->programs, request, &own->lease.timer, own->cancel, limit_ms, take_job_fact,
                             facts, &outcome, error);
  catalogue_drop_request(request);
  catalogue_note_crash(self->app->catalogue, own->provider, &outcome, error->message);
  if (outcome.crashed) {
    facts->crash = strdup(error->message);
  }
  if (outcome.crashed && !outcome.noted) {
    mloom_error_set(error, code, error->domain, error->remedy, "the plugin of provider %s: %s", own->provider,
                    facts->crash == NULL ? "" : facts->crash);
  }
  return code;
}

static void end_job(slot *own, job_facts *facts, int32_t code, const mloom_error *error) {
  runner *self = own->owner;
  if (facts->result == NULL) {
    snprintf(facts->state, sizeof facts->state, "%s", code == MLOOM_E_CANCELLED ? "cancelled" : "failed");
    free(facts->reason);
    facts->reason = strdup(error->message);
  }
  mloom_error why = MLOOM_ERROR_INIT;
  if (self->jobs.end(self->jobs.ctx, &own->job, facts->state, facts->reason == NULL ? "" : facts->reason,
                     facts->result == NULL ? "" : facts->result, facts->diff == NULL ? "" : facts->diff, facts->crash,
                     &why) != MLOOM_OK) {
    mloom_log_write(&self->app->log, MLOOM_LOG_ERROR, "jobs", "the end of job %s does not count: %s", own->job.id,
                    why.message);
  }
  if (self->app->gateway != NULL) { /* else the store has noted it with the end */
    (void)store_add_audit(self->app->store, "job", own->job.id, facts->state, NULL);
  }
}

static void hand_back(runner *self, const job_claim *job) {
  mloom_error why = MLOOM_ERROR_INIT;
  int is_back = self->jobs.give_back(self->jobs.ctx, job, &why) == MLOOM_OK;
  mloom_log_write(&self->app->log, MLOOM_LOG_WARNING, "jobs", "job %s is %s%s", job->id,
                  is_back ? "handed back" : "not handed back: ", is_back ? "" : why.message);
}

static void run_job(slot *own, job_copy *job) {
  runner *self = own->owner;
  mloom_error error = MLOOM_ERROR_INIT;
  job_facts facts = {.slot = own};
  int32_t code = job->document == NULL ? mloom_error_memory(&error) : run_child(own, job->document, &facts, &error);
  pthread_mutex_lock(&self->lock);
  int handed_back = own->handed_back || lease_has_ended(&own->lease);
  pthread_mutex_unlock(&self->lock);
  int cancelled = facts.result == NULL ? code == MLOOM_E_CANCELLED : strcmp(facts.state, "cancelled") == 0;
  if (handed_back && cancelled) {
    hand_back(self, &own->job);
  } else {
    end_job(own, &facts, code, &error);
  }
  free(facts.result);
  free(facts.diff);
  free(facts.reason);
  free(facts.crash);
  changed(self);
}

/* ---- Slots ---- */

static int32_t claim(slot *own, job_copy *job) {
  runner *self = own->owner;
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_auto_free) char *ready = catalogue_ready_list(self->app->catalogue);
  if (ready == NULL) {
    return MLOOM_E_MEMORY;
  }
  job->asked_ms = lease_now_ms();
  int32_t code = self->jobs.claim(self->jobs.ctx, ready, copy_job, job, &job->lease_ms, &error);
  if (code != MLOOM_OK && code != MLOOM_E_NOT_FOUND && code != MLOOM_E_UNAVAILABLE && code != MLOOM_E_TIMEOUT &&
      code != MLOOM_E_CANCELLED) {
    mloom_log_write(&self->app->log, MLOOM_LOG_ERROR, "jobs", "%s; %s", error.message, error.remedy);
  }
  return code;
}

static void wait_for_change(runner *self) {
  struct timespec deadline;
  clock_gettime(CLOCK_MONOTONIC, &deadline);
  deadline.tv_sec += POLL_SECONDS;
  pthread_cond_timedwait(&self->changed, &self->lock, &deadline);
}

/* With the lock held. */
static void occupy(slot *own, job_copy *job) {
  runner *self = own->owner;
  own->job = job->claim;
  snprintf(own->provider, sizeof own->provider, "%s", job->provider);
  own->handed_back = 0;
  self->busy++;
  if (lease_begin(&own->lease, job->asked_ms, job->lease_ms, NULL) == MLOOM_OK &&
      mloom_cancel_new(&own->cancel, NULL) == MLOOM_OK) {
    pthread_mutex_unlock(&self->lock);
    run_job(own, job);
    pthread_mutex_lock(&self->lock);
    mloom_cancel_unref(own->cancel);
    own->cancel = NULL;
  }
  lease_close(&own->lease);
  own->job.id[0] = '\0';
  self->busy--;
  pthread_cond_broadcast(&self->changed);
}

static void *run_slot(void *userdata) {
  slot *own = userdata;
  runner *self = own->owner;
  pthread_mutex_lock(&self->lock);
  while (!self->stopping) {
    job_copy job = {0};
    pthread_mutex_unlock(&self->lock);
    int32_t code = claim(own, &job);
    pthread_mutex_lock(&self->lock);
    if (code == MLOOM_OK && self->stopping) {
      pthread_mutex_unlock(&self->lock);
      (void)self->jobs.give_back(self->jobs.ctx, &job.claim, NULL);
      pthread_mutex_lock(&self->lock);
      free(job.document);
      continue;
    }
    if (code != MLOOM_OK) {
      free(job.document);
      /* A source that waits by itself has waited already. */
      int has_waited = self->jobs.interrupt != NULL && (code == MLOOM_E_NOT_FOUND || code == MLOOM_E_CANCELLED);
      if (!self->stopping && !has_waited) {
        wait_for_change(self);
      }
      continue;
    }
    occupy(own, &job);
    free(job.document);
  }
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

/* With the lock held: several renewals fit into a lease, which the gateway gives for as long as it likes. */
static int64_t round_ms(const runner *self) {
  int64_t shortest = heartbeat_ms(self) / 2 < POLL_SECONDS * 1000 ? heartbeat_ms(self) / 2 : POLL_SECONDS * 1000;
  for (size_t i = 0; i < self->count; i++) {
    int64_t part = self->slots[i].lease.granted_ms / RENEWALS;
    shortest = self->slots[i].cancel != NULL && part < shortest ? part : shortest;
  }
  return shortest;
}

static void renew(runner *self, slot *own) {
  const job_claim job = own->job;
  int cancelled = 0;
  int64_t asked_ms = lease_now_ms(), granted_ms = 0;
  pthread_mutex_unlock(&self->lock);
  int32_t code = self->jobs.renew(self->jobs.ctx, &job, &granted_ms, &cancelled, NULL);
  pthread_mutex_lock(&self->lock);
  if (strcmp(own->job.id, job.id) != 0 || own->job.number != job.number || own->cancel == NULL) {
    return;
  }
  if (code == MLOOM_OK) {
    lease_renew(&own->lease, asked_ms, granted_ms);
  }
  if (cancelled || code == MLOOM_E_CONFLICT) {
    own->handed_back |= !cancelled;
    mloom_cancel_trigger(own->cancel);
  }
}

/* With the lock held: nobody may be there to ask for it, and jobs wait for what has come back. */
static void check_unreached(runner *self) {
  if (!self->stopping && now_ms() - self->rechecked_ms > RECHECK_HEARTBEATS * heartbeat_ms(self)) {
    self->rechecked_ms = now_ms();
    pthread_mutex_unlock(&self->lock);
    catalogue_recheck(self->app->catalogue);
    pthread_mutex_lock(&self->lock);
  }
}

/* Signs of life for what runs; hears of cancellations. */
static void *run_heart(void *userdata) {
  runner *self = userdata;
  pthread_mutex_lock(&self->lock);
  self->rechecked_ms = now_ms();
  while (!self->stopping || self->busy > 0) {
    check_unreached(self);
    for (size_t i = 0; i < self->count; i++) {
      if (self->slots[i].job.id[0] != '\0') {
        renew(self, &self->slots[i]);
      }
    }
    int64_t interval_ms = round_ms(self);
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += (deadline.tv_nsec / 1000000 + interval_ms) / 1000;
    deadline.tv_nsec = (deadline.tv_nsec / 1000000 + interval_ms) % 1000 * 1000000;
    pthread_cond_timedwait(&self->changed, &self->lock, &deadline);
  }
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

int32_t runner_new(runner **out, application *app, const job_source *jobs, mloom_error *error) {
  runner *self = calloc(1, sizeof *self);
  *out = NULL;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->app = app;
  self->jobs = *jobs;
  self->count = (size_t)mloom_settings_integer(app->deployment.settings, "job_slots", 1);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&self->lock, NULL);
  pthread_cond_init(&self->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  int failure = pthread_create(&self->heart, NULL, run_heart, self);
  self->heart_started = failure == 0;
  for (size_t i = 0; failure == 0 && i < self->count; i++) {
    self->slots[i].owner = self;
    failure = pthread_create(&self->slots[i].thread, NULL, run_slot, &self->slots[i]);
    self->slots[i].started = failure == 0;
  }
  if (failure != 0) {
    runner_stop(self, 0);
    runner_free(self);
    return mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM, NULL, "cannot start a thread");
  }
  *out = self;
  return MLOOM_OK;
}

void runner_wake(runner *self) {
  if (self->jobs.interrupt != NULL) {
    self->jobs.interrupt(self->jobs.ctx);
  }
  pthread_mutex_lock(&self->lock);
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->lock);
}

void runner_stop(runner *self, int64_t grace_ms) {
  struct timespec deadline;
  clock_gettime(CLOCK_MONOTONIC, &deadline);
  deadline.tv_sec += grace_ms / 1000;
  pthread_mutex_lock(&self->lock);
  self->stopping = 1;
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->lock);
  runner_wake(self);
  pthread_mutex_lock(&self->lock);
  while (self->busy > 0 && pthread_cond_timedwait(&self->changed, &self->lock, &deadline) == 0) {
  }
  for (size_t i = 0; i < self->count; i++) {
    if (self->slots[i].cancel != NULL) {
      self->slots[i].handed_back = 1;
      mloom_cancel_trigger(self->slots[i].cancel);
    }
  }
  pthread_mutex_unlock(&self->lock);
}

void runner_free(runner *self) {
  if (self == NULL) {
    return;
  }
  for (size_t i = 0; i < self->count; i++) {
    if (self->slots[i].started) {
      pthread_join(self->slots[i].thread, NULL);
    }
  }
  if (self->heart_started) {
    runner_wake(self);
    pthread_join(self->heart, NULL);
  }
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

/* ---- Taking jobs in ---- */

typedef struct resolved {
  char *provider;
  char *model;
  char *reason;
  int blocked;
} resolved;

static void take_resolution(const char *type, const mloom_json *fact, void *userdata) {
  resolved *found = userdata;
  if (strcmp(type, "resolution") != 0 || found->provider != NULL) {
    return;
  }
  const mloom_json *resolution = mloom_json_member(fact, "resolution");
  const mloom_json *provider = mloom_json_member(resolution, "provider");
  const mloom_json *model = mloom_json_member(resolution, "model");
  const mloom_json *problem = mloom_json_at(mloom_json_member(resolution, "blockers"), 0);
  found->provider = strdup(mloom_json_member_string(provider, "value", ""));
  found->model = strdup(mloom_json_member_string(model, "value", ""));
  found->reason = strdup(mloom_json_member_string(problem, "message", ""));
  found->blocked = mloom_json_member_boolean(fact, "blocked", 0);
}

/* Which provider it needs, so that only an executor whose provider is ready takes it. */
static int32_t resolve(application *app, const mloom_json *document, resolved *out, mloom_error *error) {
  mloom_json *request = NULL, *job = NULL;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  child_outcome outcome;
  if (mloom_json_serialize(&text, document, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_json_parse(&job, text.data, text.size, "the job", error);
  code = code != MLOOM_OK ? code : catalogue_new_request(app->catalogue, "resolve", &request, error);
  if (code != MLOOM_OK) {
    mloom_json_unref(job);
    return code;
  }
  mloom_json_set(request, "job", job);
  code = child_process_run(&app->programs, request, NULL, RESOLVE_TIMEOUT_MS, take_resolution, out, &outcome, error);
  catalogue_drop_request(request);
  return code;
}

static int32_t choose_id(const mloom_json *document, char id[65], mloom_error *error) {
  const char *given = mloom_json_member_string(document, "id", NULL);
  if (given == NULL) {
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number) {
      return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_SYSTEM, NULL, "there are no random bytes");
    }
    snprintf(id, 65, "job-%016llx", (unsigned long long)number);
    return MLOOM_OK;
  }
  size_t size = strlen(given);
  if (size == 0 || size > 64 || given[0] == '.' || given[0] == '-' ||
      strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != size) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB,
                           "use 1 to 64 letters, digits, \".\", \"_\" and \"-\", or leave it out",
                           "the job: id has other characters, or too many");
  }
  memcpy(id, given, size + 1);
  return MLOOM_OK;
}

int32_t runner_submit(application *app, const mloom_json *document, char id[65], mloom_error *error) {
  resolved found = {0};
  MLOOM_AUTO(mloom_auto_free) char *text = text_of(document);
  MLOOM_AUTO(mloom_auto_free) char *real = NULL;
  if (app->deployment.role == DEPLOYMENT_EXECUTOR) {
    return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_USAGE, "submit the job to its gateway",
                           "this is an executor, which takes its jobs from its gateway only");
  }
  int32_t code = text == NULL ? mloom_error_memory(error) : choose_id(document, id, error);
  code = code != MLOOM_OK ? code : check_workspace(app, document, &real, error);
  code = code != MLOOM_OK ? code : resolve(app, document, &found, error);
  if (code == MLOOM_OK && found.blocked) {
    code = mloom_error_set(error, MLOOM_E_BLOCKED, MLOOM_DOMAIN_RESOLVER, "see the resolution of the job", "%s",
                           found.reason == NULL ? "the job is blocked" : found.reason);
  }
  if (code == MLOOM_OK) {
    const mloom_json *ticket = mloom_json_member(document, "ticket");
    const store_job job = {.id = id,
                           .title = mloom_json_member_string(ticket, "title", ""),
                           .key = mloom_json_member_string(ticket, "key", ""),
                           .provider = found.provider == NULL ? "" : found.provider,
                           .model = found.model == NULL ? "" : found.model,
                           .reason = "",
                           .document = text};
    code = store_add_job(app->store, &job, error);
  }
  free(found.provider);
  free(found.model);
  free(found.reason);
  if (code == MLOOM_OK) {
    (void)store_add_audit(app->store, "job", id, "submitted", NULL);
    app_wake(app);
  }
  return code;
}

int32_t runner_cancel(application *app, const char *id, mloom_error *error) {
  int32_t code = store_cancel_job(app->store, id, error);
  if (code == MLOOM_OK) {
    (void)store_add_audit(app->store, "job", id, "cancel requested", NULL);
    app_wake(app);
  }
  return code;
}
