/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_STORE_INTERNAL_H
#define MERGELOOM_DAEMON_STORE_INTERNAL_H

#include <pthread.h>

#include "store/database.h"
#include "store/keys.h"
#include "store/store.h"

#define WATCH_LIMIT 4

typedef struct store_watcher store_watcher;

typedef struct store_waiting store_waiting;

/* What waits for one database that is away, oldest first. */
typedef struct store_backlog {
  store_waiting *first, *last;
  size_t count, bytes;
  int64_t lost; /* for want of room */
} store_backlog;

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
  store_backlog entries, events;
  const mloom_log *log; /* or NULL */
  store_watcher *watchers[WATCH_LIMIT];
  store_ended_fn ended;
  void *ended_userdata;
};

void store_unlock(store **locked);

/* Holds the store's lock until the end of the scope. */
#define STORE_HOLD(store_)                          \
  MLOOM_AUTO(store_unlock) store *held_ = (store_); \
  pthread_mutex_lock(&held_->lock)

#define STORE_TOKEN_SIZE 33
/* By which something that is written again is known; "" when there are no random bytes. */
void store_make_token(char out[STORE_TOKEN_SIZE]);

/* Time (0: now), kind, subject, text and token of an entry. One that is about what the same transaction writes goes
 * into the audit beside that, with a token. */
#define STORE_INSERT_ENTRY                                                                                             \
  "INSERT INTO audit (time_ms, kind, subject, text, token) VALUES (CASE ?1 WHEN 0 THEN now_ms() ELSE ?1 END, ?2, ?3, " \
  "?4, ?5) ON CONFLICT DO NOTHING"

/* With the lock held: brings such entries from there into the audit, if that lies elsewhere. What cannot be brought now
 * stays for the next time. */
void store_bring_entries(store *self, database *from);

/* With the lock held: writes what waits, as far as its databases are there. */
void store_write_backlog(store *self);
/* The same for the last time. */
void store_end_backlog(store *self);

#endif
