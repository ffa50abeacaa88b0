/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_STORE_INTERNAL_H
#define MERGELOOM_DAEMON_STORE_INTERNAL_H

#include <pthread.h>

#include "store/database.h"
#include "store/keys.h"
#include "store/store.h"

#define WATCH_LIMIT 4

typedef struct store_watcher store_watcher;

/* Several of the databases may be one. */
struct store {
  pthread_mutex_t lock;
  database *providers;
  database *runtime;
  database *jobs;
  database *audit;
  database *live;
  store_keys *keys;
  int64_t attempt_limit;
  store_watcher *watchers[WATCH_LIMIT];
  store_ended_fn ended;
  void *ended_userdata;
};

void store_unlock(store **locked);

/* Holds the store's lock until the end of the scope. */
#define STORE_HOLD(store_)                          \
  MLOOM_AUTO(store_unlock) store *held_ = (store_); \
  pthread_mutex_lock(&held_->lock)

/* With the lock held: brings ends of jobs that were noted beside them into an audit that lies elsewhere. What cannot be
 * brought now stays for the next time. */
void store_bring_ends(store *self);

#endif
