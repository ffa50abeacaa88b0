/* SPDX-License-Identifier: Apache-2.0 */
#include "exports.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "secret/crypto.h"
#include "secret/secret.h"

#define EXPORT_TIMEOUT_MS 30000
#define TAG_BYTES 16

struct exports {
  catalogue *catalogue;
  const child_programs *programs;
  pthread_mutex_t refreshing; /* so that what was read first is not put in the place of what was read last */
  pthread_mutex_t lock;
  const mloom_secret *settings;
  char etag[40];
  mloom_crypto_engine *engine;
  mloom_bytes tag_key;
};

int32_t exports_new(exports **out, catalogue *source, const child_programs *programs, mloom_bytes tag_key,
                    mloom_error *error) {
  exports *self = calloc(1, sizeof *self);
  *out = self;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->catalogue = source;
  self->programs = programs;
  self->tag_key = tag_key;
  pthread_mutex_init(&self->refreshing, NULL);
  pthread_mutex_init(&self->lock, NULL);
  return mloom_crypto_engine_new(&self->engine, error);
}

void exports_free(exports *self) {
  if (self != NULL) {
    mloom_secret_unref(self->settings);
    mloom_crypto_engine_free(self->engine);
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

/* Of the settings alone, so that all gateways of a database agree on it and an executor may ask any of them. */
static int32_t make_tag(const exports *self, const mloom_secret *settings, char out[40], mloom_error *error) {
  const mloom_crypto *table = mloom_crypto_engine_table(self->engine);
  const mloom_bytes text = mloom_secret_bytes(settings);
  const char *key = self->tag_key.size == 0 ? "" : self->tag_key.data;
  uint8_t digest[MLOOM_SHA256_SIZE];
  if (table->hmac_sha256(table->ctx, key, self->tag_key.size, &text, 1, digest) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  size_t used = (size_t)snprintf(out, 40, "\"");
  for (size_t i = 0; i < TAG_BYTES; i++) {
    used += (size_t)snprintf(out + used, 40 - used, "%02x", digest[i]);
  }
  snprintf(out + used, 40 - used, "\"");
  return MLOOM_OK;
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
  char etag[40];
  if (code == MLOOM_OK && found.settings == NULL) {
    code = mloom_error_memory(error);
  }
  code = code != MLOOM_OK ? code : make_tag(self, found.settings, etag, error);
  if (code != MLOOM_OK) {
    mloom_secret_unref(found.settings);
    return code;
  }
  pthread_mutex_lock(&self->lock);
  const mloom_secret *old = self->settings;
  if (old == NULL || !is_same(old, found.settings)) {
    self->settings = found.settings;
    memcpy(self->etag, etag, sizeof etag);
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
  memcpy(etag, self->etag, sizeof self->etag);
  pthread_mutex_unlock(&self->lock);
  return settings;
}
