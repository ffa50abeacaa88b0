/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit, and what is written beside the work: entries and events that cannot be written while their database is
 * away wait in memory, so many of them, until it is back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/internal.h"

#define WAITING_LIMIT 4096
#define WAITING_BYTES ((size_t)8 << 20)

/* ---- What waits ---- */

/* An entry of the audit, or without a kind an event of the job subject. */
typedef struct entry {
  int64_t time_ms; /* 0: now */
  const char *kind, *subject, *text;
  char token[STORE_TOKEN_SIZE]; /* it is there once, however often it is written */
} entry;

struct store_waiting {
  store_waiting *next;
  entry what;
  size_t size;
  char data[]; /* of its texts */
};

void store_make_token(char out[STORE_TOKEN_SIZE]) {
  uint64_t number[2];
  out[0] = '\0'; /* has no token */
  if (getrandom(number, sizeof number, 0) == sizeof number) {
    snprintf(out, STORE_TOKEN_SIZE, "%016" PRIx64 "%016" PRIx64, number[0], number[1]);
  }
}

static const char *place_of(const store *self, const store_backlog *backlog) {
  return database_name(backlog == &self->entries ? self->audit : self->live);
}

static int32_t write_entry(store *self, const entry *what, mloom_error *error) {
  return what->kind != NULL
             ? database_run(NULL, self->audit, error, STORE_INSERT_ENTRY, "itttt", what->time_ms, what->kind,
                            what->subject, what->text, what->token)
             : database_run(NULL, self->live, error,
                            "INSERT INTO event (job, text, token) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", "ttt",
                            what->subject, what->text, what->token);
}

static const char *copy_text(char **place, const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = *place;
  memcpy(copy, text, size);
  *place += size;
  return copy;
}

static int32_t let_wait(store *self, store_backlog *backlog, const entry *what, mloom_error *error) {
  size_t size = strlen(what->subject) + strlen(what->text) + (what->kind == NULL ? 0 : strlen(what->kind)) + 3;
  if (backlog->count == WAITING_LIMIT || backlog->bytes + size > WAITING_BYTES) {
    if (backlog->lost++ == 0) {
      mloom_log_write(self->log, MLOOM_LOG_ERROR, "store", "no more entries that wait for %s fit: they are lost",
                      place_of(self, backlog));
    }
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_SYSTEM, "bring the database back",
                           "too much waits for the database");
  }
  store_waiting *kept = calloc(1, sizeof *kept + size);
  if (kept == NULL) {
    backlog->lost++;
    return mloom_error_memory(error);
  }
  char *place = kept->data;
  kept->size = size;
  kept->what = *what;
  kept->what.time_ms = mloom_clock_system()->wall_ms(mloom_clock_system());
  kept->what.kind = what->kind == NULL ? NULL : copy_text(&place, what->kind);
  kept->what.subject = copy_text(&place, what->subject);
  kept->what.text = copy_text(&place, what->text);
  *(backlog->first == NULL ? &backlog->first : &backlog->last->next) = kept;
  backlog->last = kept;
  backlog->bytes += size;
  if (backlog->count++ == 0) {
    mloom_log_write(self->log, MLOOM_LOG_WARNING, "store", "%s is away: what is written there waits",
                    place_of(self, backlog));
  }
  return MLOOM_OK;
}

static void drop_first(store_backlog *backlog) {
  store_waiting *first = backlog->first;
  backlog->first = first->next;
  backlog->count--;
  backlog->bytes -= first->size;
  free(first);
}

static void write_backlog(store *self, store_backlog *backlog) {
  size_t written = 0;
  while (backlog->first != NULL) {
    int32_t code = write_entry(self, &backlog->first->what, NULL);
    if (code == MLOOM_E_UNAVAILABLE) {
      return;
    }
    written += code == MLOOM_OK;
    backlog->lost += code != MLOOM_OK;
    drop_first(backlog);
  }
  if (written > 0) {
    mloom_log_write(self->log, MLOOM_LOG_INFO, "store", "%zu entries that waited for %s are written", written,
                    place_of(self, backlog));
  }
}

void store_write_backlog(store *self) {
  write_backlog(self, &self->entries);
  write_backlog(self, &self->events);
}

void store_end_backlog(store *self) {
  store_backlog *const both[] = {&self->entries, &self->events};
  store_write_backlog(self);
  for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
    if (both[i]->count > 0) {
      mloom_log_write(self->log, MLOOM_LOG_ERROR, "store", "%zu entries that waited for %s are lost", both[i]->count,
                      place_of(self, both[i]));
    }
    while (both[i]->first != NULL) {
      drop_first(both[i]);
    }
  }
}

static int32_t write_or_wait(store *self, store_backlog *backlog, const entry *what, mloom_error *error) {
  write_backlog(self, backlog);
  int32_t code = backlog->first != NULL ? MLOOM_E_UNAVAILABLE : write_entry(self, what, error);
  return code == MLOOM_E_UNAVAILABLE ? let_wait(self, backlog, what, error) : code;
}

void store_count_waiting(store *self, size_t *waiting, int64_t *lost) {
  STORE_HOLD(self);
  *waiting = self->entries.count + self->events.count;
  *lost = self->entries.lost + self->events.lost;
}

void store_set_log(store *self, const mloom_log *log) {
  STORE_HOLD(self);
  self->log = log;
}

int32_t store_note_event(store *self, const char *job, const char *event, mloom_error *error) {
  STORE_HOLD(self);
  entry what = {.subject = job, .text = event};
  store_make_token(what.token);
  return write_or_wait(self, &self->events, &what, error);
}

/* ---- Entries ---- */

int32_t store_add_audit(store *self, const char *kind, const char *subject, const char *text, mloom_error *error) {
  STORE_HOLD(self);
  entry what = {.kind = kind, .subject = subject, .text = text};
  store_make_token(what.token);
  return write_or_wait(self, &self->entries, &what, error);
}

/* Returns 1 when there may be more. */
static int bring_one(store *self, database *from) {
  database_rows *rows = NULL;
  int brought =
      database_read(&rows, from, NULL,
                    "SELECT sequence, time_ms, kind, subject, text, token FROM audit WHERE token <> '' ORDER BY "
                    "sequence LIMIT 1",
                    NULL) == MLOOM_OK &&
      database_step(rows, NULL) == 1 &&
      database_run(NULL, self->audit, NULL, STORE_INSERT_ENTRY, "itttt", database_integer(rows, 1),
                   database_text(rows, 2), database_text(rows, 3), database_text(rows, 4),
                   database_text(rows, 5)) == MLOOM_OK;
  int64_t sequence = brought ? database_integer(rows, 0) : 0;
  database_finish(rows);
  return brought && database_run(NULL, from, NULL, "DELETE FROM audit WHERE sequence = ?", "i", sequence) == MLOOM_OK;
}

void store_bring_entries(store *self, database *from) {
  while (self->audit != from && bring_one(self, from)) {
  }
}

int32_t store_each_audit(store *self, const store_audit_filter *filter,
                         void (*fn)(const store_audit_entry *entry, void *userdata), void *userdata,
                         mloom_error *error) {
  STORE_HOLD(self);
  database *const others[] = {self->providers, self->runtime, self->jobs};
  database_rows *rows = NULL;
  store_write_backlog(self);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    store_bring_entries(self, others[i]);
  }
  int32_t code = database_read(
      &rows, self->audit, error,
      "SELECT sequence, time_ms, kind, subject, text FROM audit WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR "
      "instr(subject, ?2) > 0) AND (?3 = 0 OR sequence < ?3) ORDER BY sequence DESC LIMIT ?4",
      "ttii", filter->kind, filter->subject, filter->before, (int64_t)filter->limit);
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(rows, error)) == 1) {
    const store_audit_entry found = {.sequence = database_integer(rows, 0),
                                     .time_ms = database_integer(rows, 1),
                                     .kind = database_text(rows, 2),
                                     .subject = database_text(rows, 3),
                                     .text = database_text(rows, 4)};
    fn(&found, userdata);
  }
  database_finish(rows);
  return step < 0 ? step : MLOOM_OK;
}
