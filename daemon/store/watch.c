/* SPDX-License-Identifier: Apache-2.0
 *
 * Hears of what other daemons write. Each shared database has a thread that listens; while it cannot, it looks often
 * whether something has changed.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/internal.h"
#include "store/postgresql.h"

#define SILENCE_MS 15000
#define LOOK_MS 1000
#define TIDY_MS 900000
#define SETTINGS_WORD "settings "

struct store_watcher {
  store *self;
  database *heard;
  postgresql_ear *ear;
  store_changed_fn fn;
  void *userdata;
  pthread_t thread;
  int stop_fd;
  int64_t settings_version, work_version;
  int is_behind; /* the database was away: who wanted to read it meanwhile could not */
  int64_t tidied_ms;
};

/* What a batch of words comes to. */
typedef struct news {
  int work;
  int settings;
  char owner[128]; /* "": of several */
} news;

static int64_t now_ms(void) {
  return mloom_clock_system()->monotonic_ms(mloom_clock_system());
}

static void take_word(const char *word, void *userdata) {
  news *heard = userdata;
  size_t size = strlen(SETTINGS_WORD);
  if (strncmp(word, SETTINGS_WORD, size) != 0) {
    heard->work = 1;
    return;
  }
  int is_other = heard->settings && strcmp(heard->owner, word + size) != 0;
  snprintf(heard->owner, sizeof heard->owner, "%s", is_other ? "" : word + size);
  heard->settings = 1;
}

static void tell(store_watcher *watcher, const news *heard) {
  if (heard->work) {
    watcher->fn(0, NULL, watcher->userdata);
  }
  if (heard->settings) {
    watcher->fn(1, heard->owner[0] == '\0' ? NULL : heard->owner, watcher->userdata);
  }
}

/* ---- Looking ---- */

/* With the store's lock held: adds a number that grows with what is written. */
static int32_t add_number(database *where, int64_t *sum, const char *sql) {
  database_rows *rows = NULL;
  int32_t code = database_read(&rows, where, NULL, sql, NULL);
  if (code == MLOOM_OK && database_step(rows, NULL) == 1) {
    *sum += database_integer(rows, 0);
  }
  database_finish(rows);
  return code;
}

/* Notes what has been written so far; what is new comes into heard. */
static void look(store_watcher *watcher, news *heard) {
  store *self = watcher->self;
  int64_t settings = 0, work = 0;
  int32_t code = MLOOM_OK;
  STORE_HOLD(self);
  if (watcher->heard == self->providers) {
    code = add_number(watcher->heard, &settings, "SELECT value FROM counter WHERE name = 'version'");
  }
  if (code == MLOOM_OK && (watcher->heard == self->jobs || watcher->heard == self->audit)) {
    code = add_number(watcher->heard, &work, "SELECT coalesce(max(sequence), 0) FROM audit");
  }
  if (code == MLOOM_OK && watcher->heard == self->live) {
    code = add_number(watcher->heard, &work, "SELECT coalesce(max(sequence), 0) FROM event");
  }
  if (code != MLOOM_OK) {
    watcher->is_behind = 1;
    return;
  }
  store_write_backlog(self);
  heard->settings |= settings != watcher->settings_version || (watcher->is_behind && watcher->heard == self->providers);
  heard->work |= work != watcher->work_version || watcher->is_behind;
  watcher->is_behind = 0;
  watcher->settings_version = settings;
  watcher->work_version = work;
}

/* Nobody asks any more what became of transactions that are long past. */
static void tidy(store_watcher *watcher) {
  if (watcher->tidied_ms != 0 && now_ms() < watcher->tidied_ms + TIDY_MS) {
    return;
  }
  STORE_HOLD(watcher->self);
  watcher->tidied_ms = now_ms();
  (void)database_run(NULL, watcher->heard, NULL, "DELETE FROM outcome WHERE time_ms < now_ms() - 3600000", NULL);
}

/* 1 when the watcher shall end. */
static int rest(const store_watcher *watcher, int64_t timeout_ms) {
  struct pollfd stop = {.fd = watcher->stop_fd, .events = POLLIN};
  return poll(&stop, 1, (int)timeout_ms) > 0;
}

static void *listen_to_others(void *userdata) {
  store_watcher *watcher = userdata;
  while (!rest(watcher, 0)) {
    news heard = {0};
    int32_t state = postgresql_ear_wait(watcher->ear, SILENCE_MS, watcher->stop_fd, take_word, &heard, NULL);
    if (state != 1) {
      look(watcher, &heard);
    }
    tell(watcher, &heard);
    if (state < 0 && rest(watcher, LOOK_MS)) {
      break;
    }
    tidy(watcher);
  }
  return NULL;
}

/* ---- Beginning and end ---- */

static void watcher_free(store_watcher *watcher) {
  postgresql_ear_free(watcher->ear);
  if (watcher->stop_fd >= 0) {
    close(watcher->stop_fd);
  }
  free(watcher);
}

static int32_t watcher_new(store_watcher **out, store *self, database *heard, store_changed_fn fn, void *userdata,
                           mloom_error *error) {
  store_watcher *watcher = calloc(1, sizeof *watcher);
  news known = {0};
  *out = NULL;
  if (watcher == NULL) {
    return mloom_error_memory(error);
  }
  *watcher = (store_watcher){.self = self, .heard = heard, .fn = fn, .userdata = userdata};
  watcher->stop_fd = eventfd(0, EFD_CLOEXEC);
  int32_t code = watcher->stop_fd < 0
                     ? mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, NULL, "cannot watch the database")
                     : postgresql_ear_new(&watcher->ear, heard, error);
  look(watcher, &known);
  int failure = code == MLOOM_OK ? pthread_create(&watcher->thread, NULL, listen_to_others, watcher) : 0;
  if (code == MLOOM_OK && failure != 0) {
    code = mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM, NULL, "cannot start a thread");
  }
  if (code != MLOOM_OK) {
    watcher_free(watcher);
    return code;
  }
  *out = watcher;
  return MLOOM_OK;
}

int32_t store_watch(store *self, store_changed_fn fn, void *userdata, mloom_error *error) {
  database *const places[] = {self->providers, self->jobs, self->audit, self->live};
  size_t count = 0;
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < sizeof places / sizeof places[0]; i++) {
    int is_new = database_is_shared(places[i]);
    for (size_t j = 0; j < i; j++) {
      is_new &= places[j] != places[i];
    }
    if (is_new) {
      code = watcher_new(&self->watchers[count++], self, places[i], fn, userdata, error);
    }
  }
  return code;
}

void store_unwatch(store *self) {
  for (size_t i = 0; i < WATCH_LIMIT; i++) {
    store_watcher *watcher = self->watchers[i];
    const uint64_t one = 1;
    if (watcher != NULL) {
      (void)!write(watcher->stop_fd, &one, sizeof one);
      pthread_join(watcher->thread, NULL);
      watcher_free(watcher);
      self->watchers[i] = NULL;
    }
  }
}
