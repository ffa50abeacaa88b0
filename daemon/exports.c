/* SPDX-License-Identifier: Apache-2.0 */
#include "exports.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "secret/secret.h"

#define EXPORT_TIMEOUT_MS 30000

struct exports {
  catalogue *catalogue;
  const child_programs *programs;
  pthread_mutex_t refreshing; /* so that what was read first is not put in the place of what was read last */
  pthread_mutex_t lock;
  uint64_t instance; /* tags of another process are never ours */
  uint64_t version;
  const mloom_secret *settings;
};

int32_t exports_new(exports **out, catalogue *source, const child_programs *programs, mloom_error *error) {
  exports *self = calloc(1, sizeof *self);
  *out = self;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->catalogue = source;
  self->programs = programs;
  pthread_mutex_init(&self->refreshing, NULL);
  pthread_mutex_init(&self->lock, NULL);
  return getrandom(&self->instance, sizeof self->instance, 0) == sizeof self->instance
             ? MLOOM_OK
             : mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_SYSTEM, NULL, "there are no random bytes");
}

void exports_free(exports *self) {
  if (self != NULL) {
    mloom_secret_unref(self->settings);
    pthread_mutex_destroy(&self->lock);
    pthread_mutex_destroy(&self->refreshing);
    free(self);
  }
}

typedef struct reading {
  mloom_secret *settings;
} reading;

static void take_settings(const char *type, const mloom_json *fact, void *userdata) {
  reading *found = userdata;
  mloom_buffer text = MLOOM_BUFFER_INIT;
  if (strcmp(type, "settings") != 0 || found->settings != NULL) {
    return;
  }
  if (mloom_json_serialize(&text, mloom_json_member(fact, "settings"), 0) == MLOOM_OK) {
    (void)mloom_secret_new(&found->settings, text.data, text.size, NULL);
  }
  if (text.data != NULL) {
    mloom_secret_wipe(text.data, text.capacity);
  }
  mloom_buffer_free(&text);
}

static int is_same(const mloom_secret *a, const mloom_secret *b) {
  mloom_bytes left = mloom_secret_bytes(a), right = mloom_secret_bytes(b);
  return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

static int32_t refresh(exports *self, mloom_error *error) {
  mloom_json *request = NULL;
  reading found = {NULL};
  child_outcome outcome;
  int32_t code = catalogue_new_request(self->catalogue, "export", &request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = child_process_run(self->programs, request, NULL, EXPORT_TIMEOUT_MS, take_settings, &found, &outcome, error);
  catalogue_drop_request(request);
  if (code == MLOOM_OK && found.settings == NULL) {
    code = mloom_error_memory(error);
  }
  if (code != MLOOM_OK) {
    mloom_secret_unref(found.settings);
    return code;
  }
  pthread_mutex_lock(&self->lock);
  const mloom_secret *old = self->settings;
  if (old == NULL || !is_same(old, found.settings)) {
    self->settings = found.settings;
    self->version++;
  } else {
    old = found.settings;
  }
  pthread_mutex_unlock(&self->lock);
  mloom_secret_unref(old);
  return MLOOM_OK;
}

int32_t exports_refresh(exports *self, mloom_error *error) {
  pthread_mutex_lock(&self->refreshing);
  int32_t code = refresh(self, error);
  pthread_mutex_unlock(&self->refreshing);
  return code;
}

const mloom_secret *exports_get(exports *self, char etag[40]) {
  pthread_mutex_lock(&self->lock);
  const mloom_secret *settings = self->settings == NULL ? NULL : mloom_secret_ref(self->settings);
  snprintf(etag, 40, "\"%016" PRIx64 "-%" PRIu64 "\"", self->instance, self->version);
  pthread_mutex_unlock(&self->lock);
  return settings;
}
