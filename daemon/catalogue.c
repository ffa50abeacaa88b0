/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "secret/secret.h"

#define DESCRIBE_TIMEOUT_MS 30000
#define PROGRESS_KEPT 60

typedef struct check_task {
  catalogue *owner;
  provider_state *state;
  char id[64];
  int self_test;
} check_task;

static void tell(const catalogue *self) {
  if (self->options.changed != NULL) {
    self->options.changed(self->options.userdata);
  }
}

int32_t catalogue_new(catalogue **out, const catalogue_options *options, mloom_error *error) {
  catalogue *self = calloc(1, sizeof *self);
  *out = NULL;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->options = *options;
  pthread_mutex_init(&self->refreshing, NULL);
  pthread_mutex_init(&self->lock, NULL);
  int32_t code = mloom_cancel_new(&self->cancel, error);
  if (code != MLOOM_OK) {
    catalogue_free(self);
    return code;
  }
  *out = self;
  return MLOOM_OK;
}

void catalogue_stop(catalogue *self) {
  if (self == NULL || self->cancel == NULL) {
    return;
  }
  pthread_mutex_lock(&self->lock);
  mloom_cancel_trigger(self->cancel);
  for (size_t i = 0; i < self->count; i++) {
    if (self->states[i].cancel != NULL) {
      mloom_cancel_trigger(self->states[i].cancel);
    }
  }
  pthread_mutex_unlock(&self->lock);
}

void catalogue_free(catalogue *self) {
  if (self == NULL) {
    return;
  }
  catalogue_stop(self);
  for (size_t i = 0; i < self->count; i++) {
    if (self->states[i].has_thread) {
      pthread_join(self->states[i].thread, NULL);
    }
    mloom_json_unref(self->states[i].checks);
    mloom_json_unref(self->states[i].models);
    mloom_json_unref(self->states[i].progress);
    free(self->states[i].plugin);
  }
  mloom_buffer_free(&self->described);
  mloom_json_unref(self->worker);
  mloom_json_wipe(self->gateway_settings);
  mloom_json_unref(self->gateway_settings);
  mloom_cancel_unref(self->cancel);
  pthread_mutex_destroy(&self->lock);
  pthread_mutex_destroy(&self->refreshing);
  free(self);
}

/* ---- Requests ---- */

static void log_problem(const mloom_error *why, void *userdata) {
  const catalogue *self = userdata;
  mloom_log_write(self->options.log, MLOOM_LOG_ERROR, "store", "%s; %s", why->message, why->remedy);
}

mloom_json *catalogue_copy_tree(const mloom_json *json) {
  mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_json *copy = NULL;
  if (mloom_json_serialize(&text, json, 0) == MLOOM_OK) {
    (void)mloom_json_parse(&copy, text.data, text.size, "a copy", NULL);
  }
  if (text.data != NULL) {
    mloom_secret_wipe(text.data, text.capacity); /* settings hold secrets */
  }
  mloom_buffer_free(&text);
  return copy;
}

void catalogue_drop_request(mloom_json *request) {
  mloom_json_wipe(mloom_json_member(request, "stored_settings"));
  mloom_json_wipe(mloom_json_member(request, "gateway_settings"));
  mloom_json_unref(request);
}

int32_t catalogue_new_request(catalogue *self, const char *command, mloom_json **out, mloom_error *error) {
  mloom_json *request = mloom_json_new_object();
  mloom_json_set_string(request, "command", command);
  *out = NULL;
  if (self->options.store != NULL) {
    mloom_json *stored = NULL;
    int32_t code = store_read_settings(self->options.store, self->options.use_stored_providers,
                                       self->options.use_stored_worker, &stored, log_problem, self, error);
    if (code != MLOOM_OK) {
      mloom_json_unref(request);
      return code;
    }
    mloom_json_set(request, "stored_settings", stored);
    char key[MLOOM_FINGERPRINT_KEY_SIZE];
    store_fingerprint_key(self->options.store, key);
    mloom_json_set_string(request, "fingerprint_key", key);
    mloom_secret_wipe(key, sizeof key);
  }
  pthread_mutex_lock(&self->lock);
  if (self->gateway_settings != NULL) {
    mloom_json_set(request, "gateway_settings", catalogue_copy_tree(self->gateway_settings));
  }
  pthread_mutex_unlock(&self->lock);
  if (request == NULL) {
    return mloom_error_memory(error);
  }
  *out = request;
  return MLOOM_OK;
}

void catalogue_set_gateway_settings(catalogue *self, mloom_json *settings) {
  pthread_mutex_lock(&self->lock);
  mloom_json *old = self->gateway_settings;
  self->gateway_settings = settings;
  pthread_mutex_unlock(&self->lock);
  mloom_json_wipe(old);
  mloom_json_unref(old);
}

/* ---- Descriptions ---- */

typedef struct description {
  catalogue *owner;
  mloom_json *providers;
  mloom_json *plugins;
} description;

static void take_log(const catalogue *self, const mloom_json *fact) {
  int64_t level = mloom_json_member_integer(fact, "level", MLOOM_LOG_WARNING);
  mloom_log_write(self->options.log, level <= MLOOM_LOG_WARNING ? MLOOM_LOG_INFO : (int32_t)level,
                  mloom_json_member_string(fact, "component", "worker"), "%s",
                  mloom_json_member_string(fact, "message", ""));
}

static void take_description(const char *type, const mloom_json *fact, void *userdata) {
  description *found = userdata;
  if (strcmp(type, "providers") == 0) {
    mloom_json_unref(found->providers);
    found->providers = mloom_json_ref(mloom_json_member(fact, "providers"));
  } else if (strcmp(type, "plugins") == 0) {
    mloom_json_unref(found->plugins);
    found->plugins = mloom_json_ref(mloom_json_member(fact, "plugins"));
  } else if (strcmp(type, "log") == 0) {
    take_log(found->owner, fact);
  }
}

provider_state *catalogue_find_state(catalogue *self, const char *id) {
  for (size_t i = 0; i < self->count; i++) {
    if (strcmp(self->states[i].id, id) == 0) {
      return &self->states[i];
    }
  }
  return NULL;
}

int64_t catalogue_crashes(const catalogue *self, const provider_state *state) {
  return quarantine_crashes(self->options.programs->quarantine, state->plugin == NULL ? state->id : state->plugin);
}

static void take_plugin(provider_state *state, const mloom_json *provider, const mloom_json *plugins) {
  const char *name = mloom_json_member_string(provider, "plugin", "");
  const char *path = "";
  for (size_t i = 0; i < mloom_json_count(plugins); i++) {
    const mloom_json *plugin = mloom_json_at(plugins, i);
    int is_it = mloom_json_member_string(plugin, "failure", NULL) == NULL &&
                strcmp(mloom_json_member_string(plugin, "name", ""), name) == 0;
    path = is_it ? mloom_json_member_string(plugin, "path", "") : path;
  }
  free(state->plugin);
  state->plugin = path[0] == '\0' ? NULL : strdup(path);
}

/* With the lock held: a state for every provider that is described. */
static void add_states(catalogue *self, const mloom_json *document) {
  const mloom_json *list = mloom_json_member(document, "providers");
  for (size_t i = 0; i < self->count; i++) {
    self->states[i].enabled = 0; /* it may have gone */
  }
  for (size_t i = 0; i < mloom_json_count(list); i++) {
    const mloom_json *provider = mloom_json_at(list, i);
    const char *id = mloom_json_member_string(provider, "id", "");
    provider_state *state = catalogue_find_state(self, id);
    if (state == NULL && strlen(id) < sizeof state->id && self->count < PROVIDER_LIMIT) {
      state = &self->states[self->count++];
      *state = (provider_state){0};
      strcpy(state->id, id);
      strcpy(state->state, "not checked");
    }
    if (state != NULL) {
      state->enabled = mloom_json_member_boolean(provider, "enabled", 1);
      take_plugin(state, provider, mloom_json_member(document, "plugins"));
    }
  }
}

static int32_t take_over(catalogue *self, description *found, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_json_set(found->providers, "plugins",
                 found->plugins != NULL ? mloom_json_ref(found->plugins) : mloom_json_new_array());
  mloom_json *worker = catalogue_copy_tree(mloom_json_member(found->providers, "worker"));
  if (mloom_json_serialize(&text, found->providers, 0) != MLOOM_OK) {
    mloom_json_unref(worker);
    return mloom_error_memory(error);
  }
  pthread_mutex_lock(&self->lock);
  mloom_buffer old = self->described;
  mloom_json *old_worker = self->worker;
  self->described = text;
  self->worker = worker;
  text = old;
  add_states(self, found->providers);
  pthread_mutex_unlock(&self->lock);
  mloom_json_unref(old_worker);
  return MLOOM_OK;
}

static int32_t refresh(catalogue *self, mloom_error *error) {
  mloom_json *request = NULL;
  int32_t code = catalogue_new_request(self, "describe", &request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  description found = {.owner = self};
  child_outcome outcome;
  code = child_process_run(self->options.programs, request, self->cancel, DESCRIBE_TIMEOUT_MS, take_description, &found,
                           &outcome, error);
  catalogue_drop_request(request);
  if (code == MLOOM_OK && found.providers != NULL) {
    code = take_over(self, &found, error);
  }
  mloom_json_unref(found.providers);
  mloom_json_unref(found.plugins);
  return code;
}

int32_t catalogue_refresh(catalogue *self, mloom_error *error) {
  pthread_mutex_lock(&self->refreshing);
  pthread_mutex_lock(&self->lock);
  self->generation++;
  pthread_mutex_unlock(&self->lock);
  int32_t code = refresh(self, error);
  pthread_mutex_unlock(&self->refreshing);
  tell(self);
  return code;
}

/* ---- Checks ---- */

static void format_now(char out[32]) {
  mloom_clock_format(mloom_clock_system()->wall_ms(mloom_clock_system()), out);
}

/* With the lock held: puts check in the place of the one of its name, or at the end. */
static void put_check(provider_state *state, const mloom_json *given) {
  mloom_json *check = catalogue_copy_tree(given);
  char now[32];
  format_now(now);
  mloom_json_set_string(check, "checked_at", mloom_json_member_string(given, "checked_at", now));
  const char *name = mloom_json_member_string(check, "name", "");
  mloom_json *list = mloom_json_new_array();
  int placed = 0;
  for (size_t i = 0; i < mloom_json_count(state->checks); i++) {
    mloom_json *old = mloom_json_at(state->checks, i);
    int same = strcmp(mloom_json_member_string(old, "name", ""), name) == 0;
    mloom_json_add(list, mloom_json_ref(same ? check : old));
    placed |= same;
  }
  if (!placed) {
    mloom_json_add(list, mloom_json_ref(check));
  }
  mloom_json_unref(check);
  mloom_json_unref(state->checks);
  state->checks = list;
  state->changed++;
}

static void take_report(provider_state *state, const mloom_json *report) {
  const mloom_json *provider = mloom_json_at(mloom_json_member(report, "providers"), 0);
  if (provider == NULL) {
    return;
  }
  mloom_json_unref(state->checks);
  state->checks = catalogue_copy_tree(mloom_json_member(provider, "checks"));
  strncpy(state->state, mloom_json_member_string(provider, "state", "not ready"), sizeof state->state - 1);
  strncpy(state->checked_at, mloom_json_member_string(report, "checked_at", ""), sizeof state->checked_at - 1);
  state->changed++;
}

/* With the lock held. */
static void take_models(provider_state *state, const mloom_json *fact) {
  mloom_json_unref(state->models);
  state->models = catalogue_copy_tree(mloom_json_member(fact, "models"));
  format_now(state->listed_at);
}

/* With the lock held: the last of them are kept. */
static void take_progress(provider_state *state, const mloom_json *fact) {
  mloom_json *list = mloom_json_new_array();
  size_t count = mloom_json_count(state->progress);
  for (size_t i = count < PROGRESS_KEPT ? 0 : count - PROGRESS_KEPT + 1; i < count; i++) {
    mloom_json_add(list, mloom_json_ref(mloom_json_at(state->progress, i)));
  }
  mloom_json_add(list, catalogue_copy_tree(mloom_json_member(fact, "event")));
  mloom_json_unref(state->progress);
  state->progress = list;
}

static void take_check_fact(const char *type, const mloom_json *fact, void *userdata) {
  check_task *task = userdata;
  catalogue *self = task->owner;
  if (strcmp(type, "log") == 0) {
    /* What is wrong with settings was told when they were described. */
    if (strcmp(mloom_json_member_string(fact, "component", ""), "settings") != 0) {
      take_log(self, fact);
    }
    return;
  }
  pthread_mutex_lock(&self->lock);
  provider_state *state = catalogue_find_state(self, task->id);
  if (state != NULL && strcmp(type, "check") == 0) {
    put_check(state, fact);
  } else if (state != NULL && strcmp(type, "report") == 0) {
    take_report(state, mloom_json_member(fact, "report"));
  } else if (state != NULL && strcmp(type, "models") == 0) {
    take_models(state, fact);
  } else if (state != NULL && strcmp(type, "progress") == 0) {
    take_progress(state, fact);
  }
  pthread_mutex_unlock(&self->lock);
  tell(self);
}

/* A check that says why no other could be made. */
static void note_failure(catalogue *self, const char *id, const mloom_error *why) {
  char now[32];
  format_now(now);
  mloom_json *check = mloom_json_new_object();
  mloom_json_set_string(check, "name", "plugin");
  mloom_json_set_string(check, "state", "fail");
  mloom_json_set_string(check, "reason", why->message);
  mloom_json_set_string(check, "remedy", why->remedy);
  mloom_json_set_string(check, "checked_at", now);
  mloom_json_set_integer(check, "duration_ms", 0);
  pthread_mutex_lock(&self->lock);
  provider_state *state = catalogue_find_state(self, id);
  if (state != NULL && check != NULL) {
    put_check(state, check);
    strcpy(state->state, "not ready");
    strcpy(state->checked_at, now);
  }
  pthread_mutex_unlock(&self->lock);
  mloom_json_unref(check);
}

/* The caller frees; NULL: not known. */
static char *plugin_of(catalogue *self, const char *provider) {
  pthread_mutex_lock(&self->lock);
  const provider_state *state = catalogue_find_state(self, provider);
  char *plugin = state == NULL || state->plugin == NULL ? NULL : strdup(state->plugin);
  pthread_mutex_unlock(&self->lock);
  return plugin;
}

void catalogue_note_crash(catalogue *self, const char *provider, const child_outcome *outcome, const char *what) {
  if (!outcome->crashed || outcome->noted) {
    return;
  }
  MLOOM_AUTO(mloom_auto_free) char *plugin = plugin_of(self, provider);
  (void)quarantine_note(self->options.programs->quarantine, plugin == NULL ? provider : plugin, provider, what, 0);
}

/* The cancel of a new check; NULL when there is no memory. */
static mloom_cancel *begin_check(const check_task *task) {
  catalogue *self = task->owner;
  mloom_cancel *cancel = NULL;
  if (mloom_cancel_new(&cancel, NULL) != MLOOM_OK) {
    return NULL;
  }
  pthread_mutex_lock(&self->lock);
  task->state->checked_generation = self->generation;
  task->state->cancel = mloom_cancel_ref(cancel);
  if (task->self_test) {
    mloom_json_unref(task->state->progress);
    task->state->progress = NULL;
  }
  if (mloom_cancel_is_triggered(self->cancel)) {
    mloom_cancel_trigger(cancel);
  }
  pthread_mutex_unlock(&self->lock);
  return cancel;
}

/* 1 when another check shall follow. */
static int end_check(check_task *task) {
  catalogue *self = task->owner;
  provider_state *state = task->state;
  pthread_mutex_lock(&self->lock);
  mloom_cancel_unref(state->cancel);
  state->cancel = NULL;
  int again = state->again && !mloom_cancel_is_triggered(self->cancel);
  task->self_test = state->self_tests;
  state->again = 0;
  state->checking = again;
  state->changed++;
  pthread_mutex_unlock(&self->lock);
  tell(self);
  return again;
}

static int32_t run_check(check_task *task, mloom_cancel *cancel, child_outcome *outcome, mloom_error *error) {
  catalogue *self = task->owner;
  mloom_json *request = NULL;
  int32_t code = cancel == NULL ? mloom_error_memory(error) : catalogue_new_request(self, "check", &request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_json_set_string(request, "provider", task->id);
  mloom_json_set_boolean(request, "self_test", task->self_test);
  code = child_process_run(self->options.programs, request, cancel, self->options.check_timeout_ms, take_check_fact,
                           task, outcome, error);
  catalogue_drop_request(request);
  return code;
}

static void note_self_test(const check_task *task) {
  catalogue *self = task->owner;
  char text[64];
  pthread_mutex_lock(&self->lock);
  snprintf(text, sizeof text, "self-test: %s", task->state->state);
  pthread_mutex_unlock(&self->lock);
  if (task->self_test && self->options.store != NULL) {
    (void)store_add_audit(self->options.store, "check", task->id, text, NULL);
  }
}

/* Only who is asked for by name is checked in quarantine; it has not crashed now. */
static void release(const check_task *task) {
  quarantine *known = task->owner->options.programs->quarantine;
  MLOOM_AUTO(mloom_auto_free) char *plugin = plugin_of(task->owner, task->id);
  const char *name = plugin == NULL ? task->id : plugin;
  if (quarantine_crashes(known, name) >= QUARANTINE_CRASHES) {
    (void)quarantine_release(known, name, "used again: a check went well", NULL);
  }
}

static void *run_task(void *userdata) {
  check_task *task = userdata;
  catalogue *self = task->owner;
  do {
    mloom_error error = MLOOM_ERROR_INIT;
    child_outcome outcome = {0};
    mloom_cancel *cancel = begin_check(task);
    int32_t code = run_check(task, cancel, &outcome, &error);
    mloom_cancel_unref(cancel);
    if (code != MLOOM_OK && code != MLOOM_E_CANCELLED) {
      note_failure(self, task->id, &error);
      catalogue_note_crash(self, task->id, &outcome, error.message);
    } else if (code == MLOOM_OK) {
      release(task);
    }
    note_self_test(task);
  } while (end_check(task));
  free(task);
  return NULL;
}

/* With the lock held, while a check runs: what it finds out is outdated when the settings have changed since, and a
 * self-test may be asked for beside it. */
static void check_again(const catalogue *self, provider_state *state, int self_test) {
  int outdated = state->checked_generation != self->generation;
  if (outdated || (self_test && !state->self_tests)) {
    state->again = 1;
    state->self_tests |= self_test;
  }
  if (outdated && state->cancel != NULL) {
    mloom_cancel_trigger(state->cancel);
  }
}

/* With the lock held. */
static int32_t start_check(catalogue *self, provider_state *state, int self_test, mloom_error *error) {
  if (state->checking) {
    check_again(self, state, self_test);
    return MLOOM_OK;
  }
  if (state->has_thread) {
    pthread_join(state->thread, NULL); /* it is past all that takes the lock */
    state->has_thread = 0;
  }
  check_task *task = calloc(1, sizeof *task);
  if (task == NULL) {
    return mloom_error_memory(error);
  }
  task->owner = self;
  task->state = state;
  task->self_test = self_test;
  strcpy(task->id, state->id);
  int failure = pthread_create(&state->thread, NULL, run_task, task);
  if (failure != 0) {
    free(task);
    return mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM, NULL, "cannot start a thread");
  }
  state->has_thread = 1;
  state->checking = 1;
  state->checked_generation = self->generation;
  state->self_tests = self_test;
  state->changed++;
  return MLOOM_OK;
}

int32_t catalogue_check(catalogue *self, const char *provider, int self_test, mloom_error *error) {
  int32_t code = MLOOM_OK;
  int found = provider == NULL;
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; code == MLOOM_OK && i < self->count; i++) {
    provider_state *state = &self->states[i];
    if (provider != NULL ? strcmp(state->id, provider) != 0 : catalogue_crashes(self, state) >= QUARANTINE_CRASHES) {
      continue;
    }
    found = 1;
    code = start_check(self, state, self_test, error);
  }
  pthread_mutex_unlock(&self->lock);
  tell(self);
  return found ? code
               : mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_PLUGIN, "see the list of providers",
                                 "no provider %.80s is loaded", provider);
}

/* With the lock held. */
static int is_unreached(const provider_state *state) {
  for (size_t i = 0; i < mloom_json_count(state->checks); i++) {
    const mloom_json *check = mloom_json_at(state->checks, i);
    if (strcmp(mloom_json_member_string(check, "name", ""), "reach") == 0) {
      return strcmp(mloom_json_member_string(check, "state", ""), "fail") == 0;
    }
  }
  return 0;
}

void catalogue_recheck(catalogue *self) {
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < self->count; i++) {
    provider_state *state = &self->states[i];
    if (!state->checking && state->enabled && is_unreached(state) &&
        catalogue_crashes(self, state) < QUARANTINE_CRASHES) {
      (void)start_check(self, state, 0, NULL);
    }
  }
  pthread_mutex_unlock(&self->lock);
}
