/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening, and settings. By default there are three SQLite files, as the public chart names them: settings of
 * providers, settings of the worker, and the state: jobs, their events, the audit. Each of settings, jobs, audit and
 * events may lie in a PostgreSQL database instead.
 */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "store/postgresql.h"
#include "store/schema.h"
#include "store/sqlite.h"

/* Sealed by the first daemon that opens a shared database: another key does not open it. */
#define MARK_OWNER "store"
#define MARK_FIELD "key"
#define MARK_TEXT "mergeloomd"

void store_unlock(store **locked) {
  pthread_mutex_unlock(&(*locked)->lock);
}

/* ---- Opening ---- */

static int is_same(mloom_bytes a, mloom_bytes b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Opens each server once, with all the parts that lie there. */
static int32_t open_servers(store *self, const deployment *where, mloom_error *error) {
  database **const places[DEPLOYMENT_STORES] = {&self->providers, &self->jobs, &self->audit, &self->live};
  const schema_part *const needed[DEPLOYMENT_STORES] = {&schema_settings, &schema_jobs, NULL, &schema_live};
  for (size_t i = 0; i < DEPLOYMENT_STORES; i++) {
    const mloom_bytes url = where->database_urls[i];
    const schema_part *parts[DEPLOYMENT_STORES + 2] = {&schema_common};
    size_t count = 1;
    if (url.size == 0 || *places[i] != NULL) {
      continue;
    }
    if (i != DEPLOYMENT_STORE_LIVE) { /* entries about what is written there begin there */
      parts[count++] = &schema_audit;
    }
    for (size_t j = i; j < DEPLOYMENT_STORES; j++) {
      if (needed[j] != NULL && is_same(url, where->database_urls[j])) {
        parts[count++] = needed[j];
      }
    }
    database *opened = NULL;
    int32_t code = postgresql_open(&opened, url.data, parts, error);
    if (code != MLOOM_OK) {
      return code;
    }
    for (size_t j = i; j < DEPLOYMENT_STORES; j++) {
      *places[j] = is_same(url, where->database_urls[j]) ? opened : *places[j];
    }
  }
  self->runtime = self->providers;
  return MLOOM_OK;
}

/* What lies on no server. */
static int32_t open_files(store *self, const deployment *where, mloom_error *error) {
  int32_t code = MLOOM_OK;
  if (self->providers == NULL) {
    code = sqlite_open(&self->providers, where->provider_store_path, schema_file_settings, error);
    code =
        code != MLOOM_OK ? code : sqlite_open(&self->runtime, where->runtime_store_path, schema_file_settings, error);
  }
  if (code == MLOOM_OK && self->jobs == NULL) {
    code = sqlite_open(&self->jobs, where->state_store_path, schema_file_state, error);
  }
  self->audit = self->audit != NULL ? self->audit : self->jobs;
  self->live = self->live != NULL ? self->live : self->jobs;
  return code;
}

/* Of those who write settings in a database, one does so at a time. */
static int32_t take_turn(database *settings, int64_t versions, mloom_error *error) {
  return database_write(NULL, settings, error, "UPDATE counter SET value = value + ? WHERE name = 'version'", "i",
                        versions);
}

static int32_t write_mark(store *self, mloom_error *error) {
  char *sealed = NULL;
  const mloom_bytes text = {MARK_TEXT, strlen(MARK_TEXT)};
  int32_t code = mloom_seal_value(&sealed, store_keys_seal(self->keys), MARK_OWNER, MARK_FIELD, text, error);
  code = code != MLOOM_OK ? code
                          : database_write(NULL, self->providers, error,
                                           "INSERT INTO mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
                                           "SET value = excluded.value",
                                           "tt", MARK_FIELD, sealed);
  free(sealed);
  return code;
}

static int32_t check_mark(database *settings, void *userdata, mloom_error *error) {
  store *self = userdata;
  database_rows *rows = NULL;
  mloom_bytes opened = {NULL, 0};
  int32_t code = take_turn(settings, 0, error);
  code = code != MLOOM_OK
             ? code
             : database_read(&rows, settings, error, "SELECT value FROM mark WHERE name = ?", "t", MARK_FIELD);
  int32_t step = code != MLOOM_OK ? code : database_step(rows, error);
  if (step == 0) {
    code = write_mark(self, error);
  } else if (step == 1 && mloom_unseal_value(&opened, store_keys_seal(self->keys), MARK_OWNER, MARK_FIELD,
                                             database_text(rows, 0), NULL) != MLOOM_OK) {
    code = mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_SETTINGS,
                           "give every gateway of this database the same key file "
                           "(JCA_PROVIDER_SECRET_KEY_PATH)",
                           "the key file is not the one that secrets in the database %s are sealed with",
                           database_name(settings));
  }
  mloom_seal_release(&opened);
  database_finish(rows);
  return step < 0 ? step : code;
}

int32_t store_open(store **out, const deployment *where, mloom_error *error) {
  store *self = calloc(1, sizeof *self);
  *out = NULL;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  pthread_mutex_init(&self->lock, NULL);
  self->attempt_limit = where->job_attempts;
  int32_t code = open_servers(self, where, error);
  code = code != MLOOM_OK ? code : open_files(self, where, error);
  code = code != MLOOM_OK ? code : store_keys_open(&self->keys, where->secret_key_path, error);
  if (code == MLOOM_OK && database_is_shared(self->providers)) {
    code = database_transact(self->providers, check_mark, self, error);
  }
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
  store_unwatch(self);
  store_end_backlog(self);
  database *const opened[] = {self->providers, self->runtime, self->jobs, self->audit, self->live};
  for (size_t i = 0; i < sizeof opened / sizeof opened[0]; i++) {
    int is_new = 1;
    for (size_t j = 0; j < i; j++) {
      is_new &= opened[j] != opened[i];
    }
    if (is_new) {
      database_close(opened[i]);
    }
  }
  store_keys_free(self->keys);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

static database *place_of(const store *self, int part) {
  database *const places[] = {self->providers, self->runtime, self->jobs, self->audit, self->live};
  return places[part];
}

const char *store_place(const store *self, int part) {
  return database_name(place_of(self, part));
}

int32_t store_probe(store *self, int part, mloom_error *error) {
  static const char *const questions[] = {"SELECT count(*) FROM setting", "SELECT count(*) FROM setting",
                                          "SELECT 1 FROM job LIMIT 1", "SELECT 1 FROM audit LIMIT 1",
                                          "SELECT 1 FROM event LIMIT 1"};
  STORE_HOLD(self);
  database *asked = place_of(self, part);
  database_rows *rows = NULL;
  if (!database_is_shared(asked) && access(database_name(asked), F_OK) != 0) {
    /* It can still be read, until it is closed. */
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_SETTINGS, "stop the daemon and restore a backup",
                           "%s is gone", database_name(asked));
  }
  int32_t code = database_read(&rows, asked, error, questions[part], "");
  int32_t step = code != MLOOM_OK ? code : database_step(rows, error);
  database_finish(rows);
  return step < 0 ? step : MLOOM_OK;
}

/* ---- Settings ---- */

static database *database_of(store *self, const char *owner) {
  return strcmp(owner, "worker") == 0 ? self->runtime : self->providers;
}

/* In a transaction that has taken the turn: a rotation of keys that goes on meanwhile waits for it, and seals this
 * value again, or has begun before it, and its new key is found here. */
static int32_t write_setting(store *self, const store_change *change, mloom_error *error) {
  database *settings = database_of(self, change->owner);
  if (change->value == NULL) {
    return database_write(NULL, settings, error, "DELETE FROM setting WHERE owner = ? AND field = ?", "tt",
                          change->owner, change->field);
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
  int32_t code = database_write(
      NULL, settings, error,
      "INSERT INTO setting VALUES (?, ?, ?, ?, now_ms()) ON CONFLICT (owner, field) DO UPDATE SET value "
      "= excluded.value, sealed = excluded.sealed, changed_ms = excluded.changed_ms",
      "ttti", change->owner, change->field, sealed != NULL ? sealed : change->value, (int64_t)(sealed != NULL));
  free(sealed);
  return code;
}

typedef struct settings_writing {
  store *self;
  const store_change *changes;
  size_t count;
} settings_writing;

static int32_t write_changes(database *settings, void *userdata, mloom_error *error) {
  const settings_writing *told = userdata;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer names = MLOOM_BUFFER_INIT;
  char token[STORE_TOKEN_SIZE];
  int32_t code = take_turn(settings, 1, error);
  for (size_t i = 0; code == MLOOM_OK && i < told->count; i++) {
    const store_change *change = &told->changes[i];
    code = write_setting(told->self, change, error);
    mloom_buffer_append_format(&names, "%s%s%s", i == 0 ? "" : ", ", change->field,
                               change->value == NULL ? " (unset)" : "");
  }
  store_make_token(token);
  return code != MLOOM_OK ? code
                          : database_write(NULL, settings, error, STORE_INSERT_ENTRY, "itttt", (int64_t)0, "setting",
                                           told->changes[0].owner, mloom_buffer_string(&names), token);
}

int32_t store_write_settings(store *self, const store_change *changes, size_t count, mloom_error *error) {
  STORE_HOLD(self);
  settings_writing told = {self, changes, count};
  database *settings = count == 0 ? self->providers : database_of(self, changes[0].owner);
  for (size_t i = 0; i < count; i++) {
    if (database_of(self, changes[i].owner) != settings) {
      /* Two files have no common transaction. */
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "write them one after the other",
                             "settings of a provider and of the worker cannot be written together");
    }
  }
  int32_t code = count == 0 ? MLOOM_OK : database_transact(settings, write_changes, &told, error);
  store_bring_entries(self, settings);
  return code;
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

static int32_t read_part(settings_reading *reading, database *settings, int providers, int worker, mloom_error *error) {
  database_rows *rows = NULL;
  int32_t code = database_read(&rows, settings, error,
                               "SELECT owner, field, value, sealed FROM setting WHERE CASE owner WHEN 'worker' THEN ?1 "
                               "ELSE ?2 END <> 0 ORDER BY owner, field",
                               "ii", (int64_t)worker, (int64_t)providers);
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(rows, error)) == 1) {
    take_setting(reading, database_text(rows, 0), database_text(rows, 1), database_text(rows, 2),
                 database_integer(rows, 3) != 0);
  }
  database_finish(rows);
  return step < 0 ? step : MLOOM_OK;
}

static int32_t read_settings(settings_reading *reading, int providers, int worker, mloom_error *error) {
  const store *self = reading->self;
  reading->stale = 0;
  reading->root = mloom_json_new_object();
  reading->providers = mloom_json_new_object();
  mloom_json_set(reading->root, "providers", reading->providers);
  int32_t code = read_part(reading, self->providers, providers, worker, error);
  if (code == MLOOM_OK && self->runtime != self->providers) {
    code = read_part(reading, self->runtime, providers, worker, error);
  }
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

static int64_t version_of(database *settings) {
  database_rows *rows = NULL;
  int64_t version = 0;
  if (database_read(&rows, settings, NULL, "SELECT value FROM counter WHERE name = 'version'", NULL) == MLOOM_OK &&
      database_step(rows, NULL) == 1) {
    version = database_integer(rows, 0);
  }
  database_finish(rows);
  return version;
}

int64_t store_settings_version(store *self) {
  STORE_HOLD(self);
  return version_of(self->providers) + (self->runtime == self->providers ? 0 : version_of(self->runtime));
}

/* Seals again what is sealed under an older key. */
static int32_t reseal_part(database *settings, void *userdata, mloom_error *error) {
  store *self = userdata;
  database_rows *rows = NULL;
  int32_t code = take_turn(settings, 0, error);
  code = code != MLOOM_OK
             ? code
             : database_read(&rows, settings, error, "SELECT owner, field, value FROM setting WHERE sealed = 1", NULL);
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(rows, error)) == 1) {
    const char *owner = database_text(rows, 0), *field = database_text(rows, 1);
    mloom_bytes value = {NULL, 0};
    code = mloom_unseal_value(&value, store_keys_seal(self->keys), owner, field, database_text(rows, 2), error);
    if (code == MLOOM_OK) {
      const store_change change = {owner, field, value.data, 1};
      code = write_setting(self, &change, error);
    }
    mloom_seal_release(&value);
  }
  database_finish(rows);
  code = step < 0 ? step : code;
  return code == MLOOM_OK && database_is_shared(settings) ? write_mark(self, error) : code;
}

static int32_t reseal(void *userdata, mloom_error *error) {
  store *self = userdata;
  int32_t code = database_transact(self->providers, reseal_part, self, error);
  return code != MLOOM_OK || self->runtime == self->providers
             ? code
             : database_transact(self->runtime, reseal_part, self, error);
}

void store_fingerprint_key(store *self, char out[MLOOM_FINGERPRINT_KEY_SIZE]) {
  STORE_HOLD(self);
  mloom_seal_fingerprint_key(store_keys_seal(self->keys), out);
}

int32_t store_rotate_key(store *self, mloom_error *error) {
  STORE_HOLD(self);
  return store_keys_rotate(self->keys, reseal, self, error);
}

/* ---- Plugins that crash ---- */

/* A file belongs to one daemon, whatever its name is today. */
static const char *owner_of(const store *self, const char *owner) {
  return database_is_shared(self->audit) ? owner : "";
}

int32_t store_each_crashes(store *self, const char *owner, void (*fn)(const store_crashes *crashes, void *userdata),
                           void *userdata, mloom_error *error) {
  STORE_HOLD(self);
  database_rows *rows = NULL;
  int32_t code = database_read(&rows, self->audit, error,
                               "SELECT plugin, digest, reason, crashes, loading FROM crashes WHERE owner = ?", "t",
                               owner_of(self, owner));
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(rows, error)) == 1) {
    const store_crashes crashes = {.plugin = database_text(rows, 0),
                                   .digest = database_text(rows, 1),
                                   .reason = database_text(rows, 2),
                                   .crashes = database_integer(rows, 3),
                                   .loading = database_integer(rows, 4) != 0};
    fn(&crashes, userdata);
  }
  database_finish(rows);
  return step < 0 ? step : MLOOM_OK;
}

typedef struct crashes_writing {
  const char *owner;
  const store_crashes *crashes;
  const char *subject;
  const char *text;
} crashes_writing;

static int32_t write_crashes(database *audit, void *userdata, mloom_error *error) {
  const crashes_writing *told = userdata;
  const store_crashes *crashes = told->crashes;
  int32_t code = crashes->crashes == 0
                     ? database_write(NULL, audit, error, "DELETE FROM crashes WHERE owner = ? AND plugin = ?", "tt",
                                      told->owner, crashes->plugin)
                     : database_write(NULL, audit, error,
                                      "INSERT INTO crashes (owner, plugin, digest, reason, crashes, loading) VALUES "
                                      "(?, ?, ?, ?, ?, ?) ON CONFLICT (owner, plugin) DO UPDATE SET digest = "
                                      "excluded.digest, reason = excluded.reason, crashes = excluded.crashes, loading "
                                      "= excluded.loading",
                                      "ttttii", told->owner, crashes->plugin, crashes->digest, crashes->reason,
                                      crashes->crashes, (int64_t)crashes->loading);
  return code != MLOOM_OK ? code
                          : database_write(NULL, audit, error, STORE_INSERT_ENTRY, "itttt", (int64_t)0, "plugin",
                                           told->subject, told->text, "");
}

int32_t store_write_crashes(store *self, const char *owner, const store_crashes *crashes, const char *subject,
                            const char *text, mloom_error *error) {
  STORE_HOLD(self);
  crashes_writing told = {owner_of(self, owner), crashes, subject, text};
  return database_transact(self->audit, write_crashes, &told, error);
}
