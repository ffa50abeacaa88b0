/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon knows of providers, for those who show it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "catalogue_internal.h"

/* With the lock held: what is known of a provider beside its description. */
static void add_state(catalogue *self, mloom_json *provider) {
  const provider_state *state = catalogue_find_state(self, mloom_json_member_string(provider, "id", ""));
  if (state == NULL) {
    return;
  }
  mloom_json_set_string(provider, "state", !state->enabled ? "disabled" : state->checking ? "checking" : state->state);
  mloom_json_set_string(provider, "checked_at", state->checked_at);
  mloom_json_set_boolean(provider, "checking", state->checking);
  mloom_json_set_boolean(provider, "self_testing", state->checking && state->self_tests);
  mloom_json_set(provider, "progress",
                 state->progress != NULL ? catalogue_copy_tree(state->progress) : mloom_json_new_array());
  int64_t crashes = catalogue_crashes(self, state);
  mloom_json_set_integer(provider, "crashes", crashes);
  mloom_json_set_boolean(provider, "quarantined", crashes >= QUARANTINE_CRASHES);
  mloom_json_set(provider, "checks",
                 state->checks != NULL ? catalogue_copy_tree(state->checks) : mloom_json_new_array());
}

mloom_json *catalogue_read(catalogue *self) {
  mloom_json *document = NULL;
  pthread_mutex_lock(&self->lock);
  if (self->described.size > 0 &&
      mloom_json_parse(&document, self->described.data, self->described.size, "the description", NULL) == MLOOM_OK) {
    const mloom_json *list = mloom_json_member(document, "providers");
    for (size_t i = 0; i < mloom_json_count(list); i++) {
      add_state(self, mloom_json_at(list, i));
    }
    quarantine_describe(self->options.programs->quarantine, mloom_json_member(document, "plugins"));
  }
  pthread_mutex_unlock(&self->lock);
  return document;
}

int catalogue_is_described(catalogue *self) {
  pthread_mutex_lock(&self->lock);
  int described = self->described.size > 0;
  pthread_mutex_unlock(&self->lock);
  return described;
}

mloom_json *catalogue_read_models(catalogue *self, const char *provider) {
  static const char *const told[] = {"state", "reason", "remedy"};
  mloom_json *copy = NULL;
  pthread_mutex_lock(&self->lock);
  const provider_state *state = catalogue_find_state(self, provider);
  if (state != NULL) {
    mloom_json *document = mloom_json_new_object();
    mloom_json_set_string(document, "provider", state->id);
    mloom_json_set(document, "models", state->models != NULL ? mloom_json_ref(state->models) : mloom_json_new_array());
    mloom_json_set_string(document, "listed_at", state->listed_at);
    const mloom_json *check = NULL;
    for (size_t i = 0; i < mloom_json_count(state->checks); i++) {
      const mloom_json *each = mloom_json_at(state->checks, i);
      check = strcmp(mloom_json_member_string(each, "name", ""), "model") == 0 ? each : check;
    }
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
      mloom_json_set_string(document, told[i], mloom_json_member_string(check, told[i], ""));
    }
    copy = catalogue_copy_tree(document);
    mloom_json_unref(document);
  }
  pthread_mutex_unlock(&self->lock);
  return copy;
}

int64_t catalogue_worker_integer(catalogue *self, const char *field, int64_t otherwise) {
  int64_t value = otherwise;
  pthread_mutex_lock(&self->lock);
  const mloom_json *fields = mloom_json_member(mloom_json_member(self->worker, "settings"), "fields");
  for (size_t i = 0; i < mloom_json_count(fields); i++) {
    const mloom_json *found = mloom_json_at(fields, i);
    if (strcmp(mloom_json_member_string(found, "name", ""), field) == 0) {
      const char *text = mloom_json_member_string(found, "value", NULL);
      value = text == NULL ? otherwise : strtoll(text, NULL, 10);
    }
  }
  pthread_mutex_unlock(&self->lock);
  return value;
}

static int is_ready(const catalogue *self, const provider_state *state) {
  return state->enabled && (strcmp(state->state, "ready") == 0 || strcmp(state->state, "authenticated") == 0) &&
         catalogue_crashes(self, state) < QUARANTINE_CRASHES;
}

char *catalogue_ready_list(catalogue *self) {
  mloom_buffer list = MLOOM_BUFFER_INIT;
  pthread_mutex_lock(&self->lock);
  mloom_buffer_append_char(&list, ',');
  for (size_t i = 0; i < self->count; i++) {
    const provider_state *state = &self->states[i];
    if (is_ready(self, state)) {
      mloom_buffer_append_format(&list, "%s,", state->id);
    }
  }
  pthread_mutex_unlock(&self->lock);
  return mloom_buffer_take(&list);
}

static int32_t add_obstacle(const catalogue *self, const provider_state *state, mloom_buffer *out) {
  int64_t crashes = catalogue_crashes(self, state);
  if (!state->enabled) {
    return mloom_buffer_append_string(out, "it is disabled");
  }
  if (crashes >= QUARANTINE_CRASHES) {
    return mloom_buffer_append_format(
        out, "its plugin %s crashed %lld times and is left alone; update or remove it, then check it",
        state->plugin == NULL ? "" : state->plugin, (long long)crashes);
  }
  for (size_t i = 0; i < mloom_json_count(state->checks); i++) {
    const mloom_json *check = mloom_json_at(state->checks, i);
    if (strcmp(mloom_json_member_string(check, "state", ""), "fail") == 0) {
      const char *remedy = mloom_json_member_string(check, "remedy", "");
      return mloom_buffer_append_format(out, "check %s: %s%s%s", mloom_json_member_string(check, "name", ""),
                                        mloom_json_member_string(check, "reason", ""), remedy[0] == '\0' ? "" : "; ",
                                        remedy);
    }
  }
  return mloom_buffer_append_string(out, "it is not checked yet");
}

mloom_json *catalogue_obstacles(catalogue *self) {
  mloom_json *obstacles = mloom_json_new_object();
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < self->count; i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
    if (!is_ready(self, &self->states[i]) && add_obstacle(self, &self->states[i], &text) == MLOOM_OK) {
      mloom_json_set_string(obstacles, self->states[i].id, mloom_buffer_string(&text));
    }
  }
  pthread_mutex_unlock(&self->lock);
  MLOOM_AUTO(mloom_auto_free) char *left_alone = quarantine_summary(self->options.programs->quarantine);
  if (left_alone != NULL && left_alone[0] != '\0') {
    mloom_json_set_string(obstacles, "", left_alone);
  }
  return obstacles;
}
