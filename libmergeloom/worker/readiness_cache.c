/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/readiness_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

typedef struct cache_entry {
  struct cache_entry *next;
  char *provider;
  char *model;
  /* Settings are immutable: the same object means that no setting has changed. A reference is held, so that the
   * address cannot come back for other settings. */
  mloom_settings *settings;
  int64_t passed_ms;
} cache_entry;

struct mloom_readiness_cache {
  pthread_mutex_t lock;
  const mloom_clock *clock;
  cache_entry *entries;
};

static void entry_free(cache_entry *entry) {
  free(entry->provider);
  free(entry->model);
  mloom_settings_unref(entry->settings);
  free(entry);
}

int32_t mloom_readiness_cache_new(mloom_readiness_cache **out, const mloom_clock *clock, mloom_error *error) {
  mloom_readiness_cache *cache = calloc(1, sizeof(*cache));
  if (cache == NULL || pthread_mutex_init(&cache->lock, NULL) != 0) {
    free(cache);
    return mloom_error_memory(error);
  }
  cache->clock = clock;
  *out = cache;
  return MLOOM_OK;
}

void mloom_readiness_cache_free(mloom_readiness_cache *cache) {
  if (cache == NULL) {
    return;
  }
  while (cache->entries != NULL) {
    cache_entry *next = cache->entries->next;
    entry_free(cache->entries);
    cache->entries = next;
  }
  pthread_mutex_destroy(&cache->lock);
  free(cache);
}

/* Where the pointer to the entry is kept; the pointer is NULL when there is none. */
static cache_entry **find_entry(mloom_readiness_cache *cache, const char *provider, const char *model,
                                const mloom_settings *settings) {
  cache_entry **at = &cache->entries;
  while (*at != NULL && ((*at)->settings != settings || strcmp((*at)->provider, provider) != 0 ||
                         strcmp((*at)->model, model == NULL ? "" : model) != 0)) {
    at = &(*at)->next;
  }
  return at;
}

int64_t mloom_readiness_cache_age_ms(mloom_readiness_cache *cache, const char *provider, const char *model,
                                     const mloom_settings *settings) {
  int64_t age_ms = -1;
  pthread_mutex_lock(&cache->lock);
  const cache_entry *entry = *find_entry(cache, provider, model, settings);
  if (entry != NULL) {
    int64_t since = cache->clock->monotonic_ms(cache->clock) - entry->passed_ms;
    age_ms = since < MLOOM_READINESS_FRESH_MS ? since : -1;
  }
  pthread_mutex_unlock(&cache->lock);
  return age_ms;
}

static cache_entry *entry_new(const char *provider, const char *model, const mloom_settings *settings) {
  cache_entry *entry = calloc(1, sizeof(*entry));
  if (entry == NULL) {
    return NULL;
  }
  entry->provider = mloom_text_dup(mloom_text_bytes(provider));
  entry->model = mloom_text_dup(mloom_text_bytes(model == NULL ? "" : model));
  entry->settings = mloom_settings_ref((mloom_settings *)settings);
  if (entry->provider == NULL || entry->model == NULL) {
    entry_free(entry);
    return NULL;
  }
  return entry;
}

void mloom_readiness_cache_note(mloom_readiness_cache *cache, const char *provider, const char *model,
                                const mloom_settings *settings, int passed) {
  pthread_mutex_lock(&cache->lock);
  cache_entry **at = find_entry(cache, provider, model, settings);
  if (passed) {
    if (*at == NULL) {
      *at = entry_new(provider, model, settings);
    }
    if (*at != NULL) {
      (*at)->passed_ms = cache->clock->monotonic_ms(cache->clock);
    }
  } else if (*at != NULL) {
    cache_entry *gone = *at;
    *at = gone->next;
    entry_free(gone);
  }
  pthread_mutex_unlock(&cache->lock);
}
