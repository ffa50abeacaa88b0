/* SPDX-License-Identifier: Apache-2.0 */
#include "quarantine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "digest.h"

#define FILE_LIMIT ((size_t)256 << 20)

typedef struct record {
  char *plugin;
  char *reason; /* of the last crash */
  int64_t crashes;
  int loading;
  char digest[DIGEST_TEXT_SIZE]; /* of the file; "": it could not be read */
  struct stat seen;              /* the file as it was when its digest was made or compared */
} record;

struct quarantine {
  store *store;
  char *owner;
  const mloom_log *log;
  pthread_mutex_t changing; /* so that the store hears of changes in their order; taken before lock */
  pthread_mutex_t lock;
  record *records;
  size_t count;
};

/* ---- Files ---- */

static int is_same_file(const struct stat *one, const struct stat *other) {
  return one->st_ino == other->st_ino && one->st_dev == other->st_dev && one->st_size == other->st_size &&
         one->st_ctim.tv_sec == other->st_ctim.tv_sec && one->st_ctim.tv_nsec == other->st_ctim.tv_nsec;
}

static void digest_file(const char *path, char out[DIGEST_TEXT_SIZE]) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer content = MLOOM_BUFFER_INIT;
  out[0] = '\0';
  if (path[0] == '/' && mloom_file_read(&content, path, FILE_LIMIT, MLOOM_DOMAIN_PLUGIN, NULL) == MLOOM_OK &&
      digest_text(out, (mloom_bytes){content.data, content.size}, NULL) != MLOOM_OK) {
    out[0] = '\0';
  }
}

/* With the lock held: 1 when there is another file in the place of the one that crashed. One that has gone may come
 * back. */
static int is_replaced(record *known) {
  struct stat now;
  char digest[DIGEST_TEXT_SIZE];
  if (known->plugin[0] != '/' || stat(known->plugin, &now) != 0 || is_same_file(&known->seen, &now)) {
    return 0;
  }
  digest_file(known->plugin, digest);
  known->seen = now;
  return strcmp(digest, known->digest) != 0;
}

/* ---- Records ---- */

static record *find(const quarantine *self, const char *plugin) {
  for (size_t i = 0; i < self->count; i++) {
    if (strcmp(self->records[i].plugin, plugin) == 0) {
      return &self->records[i];
    }
  }
  return NULL;
}

static void free_record(const record *known) {
  free(known->plugin);
  free(known->reason);
}

/* With the lock held; NULL without memory. */
static record *add(quarantine *self, const char *plugin) {
  record *grown = realloc(self->records, (self->count + 1) * sizeof *grown);
  if (grown == NULL) {
    return NULL;
  }
  self->records = grown;
  grown[self->count] = (record){.plugin = strdup(plugin)};
  return grown[self->count].plugin == NULL ? NULL : &grown[self->count++];
}

static void drop(quarantine *self, record *known) {
  size_t index = (size_t)(known - self->records);
  free_record(known);
  memmove(known, known + 1, (self->count - index - 1) * sizeof *known);
  self->count--;
}

static int is_left_alone(const record *known) {
  return known->crashes >= QUARANTINE_CRASHES;
}

static void take_stored(const store_crashes *stored, void *userdata) {
  quarantine *self = userdata;
  record *known = add(self, stored->plugin);
  if (known != NULL) {
    known->reason = strdup(stored->reason);
    known->crashes = stored->crashes;
    known->loading = stored->loading;
    snprintf(known->digest, sizeof known->digest, "%s", stored->digest);
  }
}

int32_t quarantine_new(quarantine **out, store *memory, const char *owner, const mloom_log *log, mloom_error *error) {
  quarantine *self = calloc(1, sizeof *self);
  *out = NULL;
  if (self == NULL || (self->owner = strdup(owner)) == NULL) {
    free(self);
    return mloom_error_memory(error);
  }
  self->store = memory;
  self->log = log;
  pthread_mutex_init(&self->changing, NULL);
  pthread_mutex_init(&self->lock, NULL);
  int32_t code = memory == NULL ? MLOOM_OK : store_each_crashes(memory, owner, take_stored, self, error);
  if (code != MLOOM_OK) {
    quarantine_free(self);
    return code;
  }
  *out = self;
  return MLOOM_OK;
}

void quarantine_free(quarantine *self) {
  if (self == NULL) {
    return;
  }
  for (size_t i = 0; i < self->count; i++) {
    free_record(&self->records[i]);
  }
  free(self->records);
  free(self->owner);
  pthread_mutex_destroy(&self->lock);
  pthread_mutex_destroy(&self->changing);
  free(self);
}

/* ---- Changes ---- */

/* Without the lock: what is remembered of a plugin, and an entry in the audit. */
static void remember(const quarantine *self, const store_crashes *known, const char *subject, const char *text) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_log_write(self->log, MLOOM_LOG_ERROR, "plugin", "%s: %s", subject, text);
  if (self->store != NULL && store_write_crashes(self->store, self->owner, known, subject, text, &error) != MLOOM_OK) {
    mloom_log_write(self->log, MLOOM_LOG_ERROR, "plugin", "that is not remembered: %s", error.message);
    (void)store_add_audit(self->store, "plugin", subject, text, NULL); /* it can wait */
  }
}

int64_t quarantine_note(quarantine *self, const char *plugin, const char *subject, const char *what, int loading) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  store_crashes told = {.plugin = plugin, .reason = what};
  char digest[DIGEST_TEXT_SIZE] = "";
  struct stat seen = {0};
  pthread_mutex_lock(&self->changing);
  if (plugin[0] == '/' && stat(plugin, &seen) == 0) {
    digest_file(plugin, digest);
  }
  pthread_mutex_lock(&self->lock);
  record *known = find(self, plugin);
  known = known == NULL ? add(self, plugin) : known;
  if (known != NULL) {
    known->crashes = strcmp(known->digest, digest) == 0 || known->crashes == 0 ? known->crashes + 1 : 1;
    known->loading = loading;
    known->seen = seen;
    strcpy(known->digest, digest);
    free(known->reason);
    known->reason = strdup(what);
    told.crashes = known->crashes;
    told.loading = loading;
    told.digest = digest;
  }
  pthread_mutex_unlock(&self->lock);
  if (known != NULL &&
      mloom_buffer_append_format(&text, "%s (crash %lld%s)", what, (long long)told.crashes,
                                 told.crashes >= QUARANTINE_CRASHES ? ": it is left alone" : "") == MLOOM_OK) {
    remember(self, &told, subject, mloom_buffer_string(&text));
  }
  pthread_mutex_unlock(&self->changing);
  return told.crashes;
}

int32_t quarantine_release(quarantine *self, const char *plugin, const char *why, mloom_error *error) {
  pthread_mutex_lock(&self->changing);
  pthread_mutex_lock(&self->lock);
  record *known = find(self, plugin);
  if (known != NULL) {
    drop(self, known);
  }
  pthread_mutex_unlock(&self->lock);
  if (known != NULL) {
    const store_crashes told = {.plugin = plugin};
    remember(self, &told, plugin, why);
  }
  pthread_mutex_unlock(&self->changing);
  return known != NULL ? MLOOM_OK
                       : mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_PLUGIN,
                                         "give the path of one that has, as the list of plugins shows it",
                                         "no plugin %.200s has crashed", plugin);
}

/* The caller frees it; NULL when none was replaced. */
static char *find_replaced(quarantine *self) {
  char *plugin = NULL;
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; plugin == NULL && i < self->count; i++) {
    plugin = is_replaced(&self->records[i]) ? strdup(self->records[i].plugin) : NULL;
  }
  pthread_mutex_unlock(&self->lock);
  return plugin;
}

mloom_json *quarantine_left_out(quarantine *self) {
  mloom_json *paths = mloom_json_new_array();
  for (char *replaced = find_replaced(self); replaced != NULL; replaced = find_replaced(self)) {
    (void)quarantine_release(self, replaced, "tried again: its file is another one", NULL);
    free(replaced);
  }
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < self->count; i++) {
    const record *known = &self->records[i];
    if (is_left_alone(known) && known->loading && known->plugin[0] == '/') {
      mloom_json_add(paths, mloom_json_new_string(known->plugin, strlen(known->plugin)));
    }
  }
  pthread_mutex_unlock(&self->lock);
  return paths;
}

/* ---- Reading ---- */

int64_t quarantine_crashes(quarantine *self, const char *plugin) {
  pthread_mutex_lock(&self->lock);
  const record *known = find(self, plugin);
  int64_t crashes = known == NULL ? 0 : known->crashes;
  pthread_mutex_unlock(&self->lock);
  return crashes;
}

/* With the lock held. */
static void describe(const quarantine *self, mloom_json *plugin) {
  const record *known = find(self, mloom_json_member_string(plugin, "path", ""));
  int left_alone = known != NULL && is_left_alone(known);
  mloom_json_set_integer(plugin, "crashes", known == NULL ? 0 : known->crashes);
  mloom_json_set_boolean(plugin, "quarantined", left_alone);
  mloom_json_set_string(plugin, "last_crash", known == NULL || known->reason == NULL ? "" : known->reason);
}

void quarantine_describe(quarantine *self, const mloom_json *plugins) {
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < mloom_json_count(plugins); i++) {
    describe(self, mloom_json_at(plugins, i));
  }
  pthread_mutex_unlock(&self->lock);
}

char *quarantine_summary(quarantine *self) {
  mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&out, "");
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < self->count; i++) {
    const record *known = &self->records[i];
    if (is_left_alone(known) && known->loading) {
      mloom_buffer_append_format(&out, "%sthe plugin %s is left alone there: %s", out.size == 0 ? "" : "; ",
                                 known->plugin, known->reason == NULL ? "" : known->reason);
    }
  }
  pthread_mutex_unlock(&self->lock);
  return mloom_buffer_take(&out);
}
