/* SPDX-License-Identifier: Apache-2.0
 *
 * Three SQLite files, as the public chart names them: settings of providers, settings of the worker, and the state:
 * jobs, their events, the audit.
 */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

static const char *const settings_migrations[] = {
    "CREATE TABLE setting (owner TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, sealed INTEGER NOT NULL,"
    " changed_ms INTEGER NOT NULL, PRIMARY KEY (owner, field)) WITHOUT ROWID;"
    "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO counter VALUES ('version', 1)",
    NULL};

static const char *const state_migrations[] = {
    "CREATE TABLE job (id TEXT PRIMARY KEY, state TEXT NOT NULL, title TEXT NOT NULL, key TEXT NOT NULL,"
    " provider TEXT NOT NULL, model TEXT NOT NULL, executor TEXT NOT NULL, reason TEXT NOT NULL,"
    " document TEXT NOT NULL, result TEXT NOT NULL, diff TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " cancel_requested INTEGER NOT NULL, lease_until_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX job_by_state ON job (state, created_ms);"
    "CREATE INDEX job_by_time ON job (created_ms);"
    "CREATE TABLE event (sequence INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES job (id),"
    " text TEXT NOT NULL);"
    "CREATE INDEX event_by_job ON event (job, sequence);"
    "CREATE TABLE audit (sequence INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, kind TEXT NOT NULL,"
    " subject TEXT NOT NULL, text TEXT NOT NULL)",
    /* The end of a job and its entry in the audit are one transaction. */
    "CREATE TRIGGER job_ended AFTER UPDATE OF state ON job WHEN old.state IN ('pending', 'running') AND new.state NOT "
    "IN"
    " ('pending', 'running') BEGIN INSERT INTO audit (time_ms, kind, subject, text) VALUES (new.ended_ms, 'job', "
    "new.id,"
    " new.state); END",
    NULL};

int64_t store_now_ms(void) {
  return mloom_clock_system()->wall_ms(mloom_clock_system());
}

void store_unlock(store **locked) {
  pthread_mutex_unlock(&(*locked)->lock);
}

int32_t store_open(store **out, const deployment *where, mloom_error *error) {
  store *self = calloc(1, sizeof *self);
  *out = NULL;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  pthread_mutex_init(&self->lock, NULL);
  int32_t code = sqlite_open(&self->providers, where->provider_store_path, settings_migrations, error);
  code = code != MLOOM_OK ? code : sqlite_open(&self->runtime, where->runtime_store_path, settings_migrations, error);
  code = code != MLOOM_OK ? code : sqlite_open(&self->state, where->state_store_path, state_migrations, error);
  code = code != MLOOM_OK ? code : store_keys_open(&self->keys, where->secret_key_path, error);
  if (code != MLOOM_OK) {
    store_close(self);
    return code;
  }
  *out = self;
  return MLOOM_OK;
}

void store_close(store *self) {
  if (self == NULL) {
    return;
  }
  sqlite_close(self->providers);
  sqlite_close(self->runtime);
  sqlite_close(self->state);
  store_keys_free(self->keys);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

/* ---- Settings ---- */

static sqlite_file *file_of(store *self, const char *owner) {
  return strcmp(owner, "worker") == 0 ? self->runtime : self->providers;
}

/* In a transaction: a rotation of keys that goes on meanwhile waits for it, and seals this value again, or has begun
 * before it, and its new key is found here. */
static int32_t write_setting(store *self, const store_change *change, mloom_error *error) {
  sqlite_file *file = file_of(self, change->owner);
  if (change->value == NULL) {
    return sqlite_run(file, error, "DELETE FROM setting WHERE owner = ? AND field = ?", "tt", change->owner,
                      change->field);
  }
  char *sealed = NULL;
  if (change->secret) {
    mloom_bytes value = {change->value, strlen(change->value)};
    int32_t code = store_keys_refresh(self->keys, error);
    code = code != MLOOM_OK
               ? code
               : mloom_seal_value(&sealed, store_keys_seal(self->keys), change->owner, change->field, value, error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  int32_t code =
      sqlite_run(file, error,
                 "INSERT INTO setting VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner, field) DO UPDATE SET value = "
                 "excluded.value, sealed = excluded.sealed, changed_ms = excluded.changed_ms",
                 "tttii", change->owner, change->field, sealed != NULL ? sealed : change->value,
                 (int64_t)(sealed != NULL), store_now_ms());
  free(sealed);
  return code;
}

static int32_t write_part(store *self, sqlite_file *file, const store_change *changes, size_t count,
                          mloom_error *error) {
  int32_t code = sqlite_begin(file, error);
  if (code != MLOOM_OK) {
    return code;
  }
  for (size_t i = 0; code == MLOOM_OK && i < count; i++) {
    code = file_of(self, changes[i].owner) == file ? write_setting(self, &changes[i], error) : MLOOM_OK;
  }
  code = code != MLOOM_OK
             ? code
             : sqlite_run(file, error, "UPDATE counter SET value = value + 1 WHERE name = 'version'", NULL);
  if (code != MLOOM_OK) {
    sqlite_rollback(file);
    return code;
  }
  return sqlite_commit(file, error);
}

int32_t store_write_settings(store *self, const store_change *changes, size_t count, mloom_error *error) {
  STORE_HOLD(self);
  int parts[2] = {0, 0};
  for (size_t i = 0; i < count; i++) {
    parts[file_of(self, changes[i].owner) == self->runtime] = 1;
  }
  if (parts[0] && parts[1]) {
    /* Two files have no common transaction. */
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "write them one after the other",
                           "settings of a provider and of the worker cannot be written together");
  }
  int32_t code = parts[0] ? write_part(self, self->providers, changes, count, error) : MLOOM_OK;
  return code == MLOOM_OK && parts[1] ? write_part(self, self->runtime, changes, count, error) : code;
}

typedef struct settings_reading {
  store *self;
  mloom_json *root;
  mloom_json *providers;
  int stale; /* another program changed the keys meanwhile */
  void (*problem)(const mloom_error *why, void *userdata);
  void *userdata;
} settings_reading;

static mloom_json *section_of(settings_reading *reading, const char *owner) {
  mloom_json *parent = strcmp(owner, "worker") == 0 ? reading->root : reading->providers;
  mloom_json *section = mloom_json_member(parent, owner);
  if (section == NULL) {
    section = mloom_json_new_object();
    mloom_json_set(parent, owner, section);
  }
  return section;
}

static int32_t open_setting(settings_reading *reading, mloom_bytes *out, const char *owner, const char *field,
                            const char *value, mloom_error *error) {
  store_keys *keys = reading->self->keys;
  int32_t code = mloom_unseal_value(out, store_keys_seal(keys), owner, field, value, error);
  if (code == MLOOM_E_NOT_FOUND) {
    uint64_t version = store_keys_version(keys);
    (void)store_keys_refresh(keys, NULL);
    reading->stale |= store_keys_version(keys) != version;
  }
  return code;
}

static void take_setting(settings_reading *reading, const char *owner, const char *field, const char *value,
                         int sealed) {
  mloom_bytes opened = {NULL, 0};
  mloom_error why = MLOOM_ERROR_INIT;
  if (sealed && open_setting(reading, &opened, owner, field, value, &why) != MLOOM_OK) {
    if (!reading->stale) {
      reading->problem(&why, reading->userdata);
    }
    return;
  }
  mloom_json_set(section_of(reading, owner), field,
                 mloom_json_new_string(sealed ? opened.data : value, sealed ? opened.size : strlen(value)));
  mloom_seal_release(&opened);
}

static int32_t read_part(settings_reading *reading, sqlite_file *file, mloom_error *error) {
  sqlite_statement *statement = NULL;
  int32_t code = sqlite_prepare(&statement, file, error,
                                "SELECT owner, field, value, sealed FROM setting ORDER BY owner, field", NULL);
  int32_t step = code;
  while (code == MLOOM_OK && (step = sqlite_step(statement, error)) == 1) {
    take_setting(reading, sqlite_text(statement, 0), sqlite_text(statement, 1), sqlite_text(statement, 2),
                 sqlite_integer(statement, 3) != 0);
  }
  sqlite_finish(statement);
  return step < 0 ? step : MLOOM_OK;
}

static int32_t read_settings(settings_reading *reading, int providers, int worker, mloom_error *error) {
  reading->stale = 0;
  reading->root = mloom_json_new_object();
  reading->providers = mloom_json_new_object();
  mloom_json_set(reading->root, "providers", reading->providers);
  int32_t code = providers ? read_part(reading, reading->self->providers, error) : MLOOM_OK;
  code = code == MLOOM_OK && worker ? read_part(reading, reading->self->runtime, error) : code;
  code = code == MLOOM_OK && reading->root == NULL ? mloom_error_memory(error) : code;
  if (code != MLOOM_OK || reading->stale) {
    mloom_json_wipe(reading->root);
    mloom_json_unref(reading->root);
    reading->root = NULL;
  }
  return code;
}

int32_t store_read_settings(store *self, int providers, int worker, mloom_json **out,
                            void (*problem)(const mloom_error *why, void *userdata), void *userdata,
                            mloom_error *error) {
  STORE_HOLD(self);
  settings_reading reading = {.self = self, .problem = problem, .userdata = userdata};
  int32_t code = MLOOM_OK;
  /* Keys first and values after them: values that a rotation has sealed meanwhile are under a key that is in the file
   * by then. */
  (void)store_keys_refresh(self->keys, NULL);
  do {
    code = read_settings(&reading, providers, worker, error);
  } while (code == MLOOM_OK && reading.stale);
  *out = reading.root;
  return code;
}

static int64_t version_of(sqlite_file *file) {
  sqlite_statement *statement = NULL;
  int64_t version = 0;
  if (sqlite_prepare(&statement, file, NULL, "SELECT value FROM counter WHERE name = 'version'", NULL) == MLOOM_OK &&
      sqlite_step(statement, NULL) == 1) {
    version = sqlite_integer(statement, 0);
  }
  sqlite_finish(statement);
  return version;
}

int64_t store_settings_version(store *self) {
  STORE_HOLD(self);
  return version_of(self->providers) + version_of(self->runtime);
}

/* Seals again what is sealed under an older key. */
static int32_t reseal_part(store *self, sqlite_file *file, mloom_error *error) {
  sqlite_statement *statement = NULL;
  int32_t code = sqlite_begin(file, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = sqlite_prepare(&statement, file, error, "SELECT owner, field, value FROM setting WHERE sealed = 1", NULL);
  int32_t step = code;
  while (code == MLOOM_OK && (step = sqlite_step(statement, error)) == 1) {
    const char *owner = sqlite_text(statement, 0), *field = sqlite_text(statement, 1);
    mloom_bytes value = {NULL, 0};
    code = mloom_unseal_value(&value, store_keys_seal(self->keys), owner, field, sqlite_text(statement, 2), error);
    if (code == MLOOM_OK) {
      const store_change change = {owner, field, value.data, 1};
      code = write_setting(self, &change, error);
    }
    mloom_seal_release(&value);
  }
  sqlite_finish(statement);
  code = step < 0 ? step : code;
  if (code != MLOOM_OK) {
    sqlite_rollback(file);
    return code;
  }
  return sqlite_commit(file, error);
}

static int32_t reseal(void *userdata, mloom_error *error) {
  store *self = userdata;
  int32_t code = reseal_part(self, self->providers, error);
  return code != MLOOM_OK ? code : reseal_part(self, self->runtime, error);
}

void store_fingerprint_key(store *self, char out[MLOOM_FINGERPRINT_KEY_SIZE]) {
  STORE_HOLD(self);
  mloom_seal_fingerprint_key(store_keys_seal(self->keys), out);
}

int32_t store_rotate_key(store *self, mloom_error *error) {
  STORE_HOLD(self);
  return store_keys_rotate(self->keys, reseal, self, error);
}

/* ---- Audit ---- */

int32_t store_add_audit(store *self, const char *kind, const char *subject, const char *text, mloom_error *error) {
  STORE_HOLD(self);
  return sqlite_run(self->state, error, "INSERT INTO audit (time_ms, kind, subject, text) VALUES (?, ?, ?, ?)", "ittt",
                    store_now_ms(), kind, subject, text);
}

int32_t store_each_audit(store *self, const store_audit_filter *filter,
                         void (*fn)(const store_audit_entry *entry, void *userdata), void *userdata,
                         mloom_error *error) {
  STORE_HOLD(self);
  sqlite_statement *statement = NULL;
  int32_t code = sqlite_prepare(
      &statement, self->state, error,
      "SELECT sequence, time_ms, kind, subject, text FROM audit WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR "
      "instr(subject, ?2) > 0) AND (?3 = 0 OR sequence < ?3) ORDER BY sequence DESC LIMIT ?4",
      "ttii", filter->kind, filter->subject, filter->before, (int64_t)filter->limit);
  int32_t step = code;
  while (code == MLOOM_OK && (step = sqlite_step(statement, error)) == 1) {
    const store_audit_entry entry = {.sequence = sqlite_integer(statement, 0),
                                     .time_ms = sqlite_integer(statement, 1),
                                     .kind = sqlite_text(statement, 2),
                                     .subject = sqlite_text(statement, 3),
                                     .text = sqlite_text(statement, 4)};
    fn(&entry, userdata);
  }
  sqlite_finish(statement);
  return step < 0 ? step : MLOOM_OK;
}
