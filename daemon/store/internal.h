/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_STORE_INTERNAL_H
#define MERGELOOM_DAEMON_STORE_INTERNAL_H

#include <pthread.h>

#include "store/keys.h"
#include "store/sqlite.h"
#include "store/store.h"

struct store {
  pthread_mutex_t lock;
  sqlite_file *providers;
  sqlite_file *runtime;
  sqlite_file *state;
  store_keys *keys;
};

int64_t store_now_ms(void);
void store_unlock(store **locked);

/* Holds the store's lock until the end of the scope. */
#define STORE_HOLD(store_)                          \
  MLOOM_AUTO(store_unlock) store *held_ = (store_); \
  pthread_mutex_lock(&held_->lock)

#endif
