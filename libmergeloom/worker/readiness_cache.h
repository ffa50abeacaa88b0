/* SPDX-License-Identifier: Apache-2.0
 *
 * Remembers in memory which provider and model passed the self-test, and when. Thread-safe.
 */
#ifndef MLOOM_WORKER_READINESS_CACHE_H
#define MLOOM_WORKER_READINESS_CACHE_H

#include "base/clock.h"
#include "settings/settings.h"

/* A pass is trusted for this long. */
#define MLOOM_READINESS_FRESH_MS (15 * 60 * 1000)

typedef struct mloom_readiness_cache mloom_readiness_cache;

int32_t mloom_readiness_cache_new(mloom_readiness_cache **out, const mloom_clock *clock, mloom_error *error);
void mloom_readiness_cache_free(mloom_readiness_cache *cache);
/* Milliseconds since the provider passed with this model and these very settings, or -1 when it did not, or too long
 * ago. model may be NULL. */
int64_t mloom_readiness_cache_age_ms(mloom_readiness_cache *cache, const char *provider, const char *model,
                                     const mloom_settings *settings);
/* Notes a pass, or forgets an earlier one. Out of memory is no failure: the pass is then not remembered. */
void mloom_readiness_cache_note(mloom_readiness_cache *cache, const char *provider, const char *model,
                                const mloom_settings *settings, int passed);

#endif
