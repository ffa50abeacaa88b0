/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "digest.h"
#include "store/archive.h"
#include "store/folder.h"
#include "store/snapshot.h"
#include "store/store.h"
#include <mergeloom/mergeloom.h>

#define FORM "mergeloom.backup.v1"
#define MANIFEST "manifest.json"
#define MANIFEST_LIMIT ((int64_t)65536)
#define STORES 3
#define KEY STORES
#define PARTS (STORES + 1)

static const char *const names[PARTS] = {"provider_config.db", "runtime_config.db", "worker_state.db",
                                         "provider_secret.key"};

static void name_paths(const deployment *where, const char *paths[PARTS]) {
  paths[0] = where->provider_store_path;
  paths[1] = where->runtime_store_path;
  paths[2] = where->state_store_path;
  paths[KEY] = where->secret_key_path;
}

/* What to do instead where a server has the stores. */
#define OUTSIDE \
  ", with postgresql:// at the front of URL; the key file, and SQLite files of other stores, are copied apart"
#define DUMP "run pg_dump --format=custom --schema=mergeloomd --file=FILE --dbname=URL" OUTSIDE
#define UNDUMP "stop every gateway and run pg_restore --clean --if-exists --exit-on-error --dbname=URL FILE" OUTSIDE

static int32_t check_kind(const deployment *where, const char *remedy, mloom_error *error) {
  static const char *const stores[DEPLOYMENT_STORES] = {"settings", "jobs", "audit", "events"};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer there = MLOOM_BUFFER_INIT;
  for (size_t i = 0; i < DEPLOYMENT_STORES; i++) {
    if (where->database_urls[i].size > 0) {
      mloom_buffer_append_format(&there, "%s%s", there.size == 0 ? "" : ", ", stores[i]);
    }
  }
  return there.size == 0
             ? MLOOM_OK
             : mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SYSTEM, remedy,
                               "stores of this deployment lie in PostgreSQL, which has tools of its own: %s",
                               mloom_buffer_string(&there));
}

static int32_t fail(const char *what, const char *path, mloom_error *error) {
  return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM,
                               "check the folder, its permissions and its free space", "cannot %s %s", what, path);
}

static void unlink_auto(mloom_buffer *path) {
  if (path->data != NULL) {
    unlink(path->data);
  }
  mloom_buffer_free(path);
}

/* The digest of what fd holds, as text. */
static int32_t digest(int fd, char out[DIGEST_TEXT_SIZE], mloom_error *error) {
  struct stat status;
  if (fstat(fd, &status) != 0) {
    return fail("read", "a store", error);
  }
  size_t size = (size_t)status.st_size;
  void *data = size == 0 ? NULL : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) {
    return fail("read", "a store", error);
  }
  int32_t code = digest_text(out, (mloom_bytes){data, size}, error);
  if (data != NULL) {
    munmap(data, size);
  }
  return code;
}

/* The caller frees it. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
}

static void sync_folder(const char *path) {
  MLOOM_AUTO(mloom_auto_free) char *folder = folder_of(path);
  MLOOM_AUTO(mloom_auto_close) int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    (void)fsync(fd);
  }
}

/* ---- Writing ---- */

typedef struct writing {
  const char *path;
  int archive;
  int64_t now_ms;
  mloom_json *digests;
} writing;

static int32_t add_file(writing *self, const char *name, int source, mloom_error *error) {
  char text[DIGEST_TEXT_SIZE];
  int32_t code = digest(source, text, error);
  code = code != MLOOM_OK ? code : archive_add(self->archive, self->path, name, source, self->now_ms, error);
  if (code == MLOOM_OK) {
    mloom_json_set_string(self->digests, name, text);
  }
  return code;
}

static int32_t add_store(writing *self, const char *name, const char *source, mloom_error *error) {
  MLOOM_AUTO(unlink_auto) mloom_buffer copy = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&copy, "%s.store-XXXXXX", self->path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  MLOOM_AUTO(mloom_auto_close) int fd = mkostemp(copy.data, O_CLOEXEC);
  if (fd < 0) {
    return fail("write", copy.data, error);
  }
  int32_t code = snapshot_take(source, copy.data, error);
  return code != MLOOM_OK ? code : add_file(self, name, fd, error);
}

static int32_t add_key(writing *self, const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  return fd < 0 ? fail("read the key file", path, error) : add_file(self, names[KEY], fd, error);
}

static int32_t add_manifest(writing *self, const deployment *where, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *manifest = mloom_json_new_object();
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_auto_close) int fd = memfd_create(MANIFEST, MFD_CLOEXEC);
  char now[32];
  mloom_clock_format(self->now_ms, now);
  mloom_json_set_string(manifest, "schema", FORM);
  mloom_json_set_string(manifest, "made_at", now);
  mloom_json_set_string(manifest, "version", mloom_version());
  mloom_json_set_string(manifest, "name", where->name);
  mloom_json_set(manifest, "sha256", mloom_json_ref(self->digests));
  if (fd < 0 || mloom_json_serialize(&text, manifest, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (write(fd, text.data, text.size) != (ssize_t)text.size) {
    return fail("write", self->path, error);
  }
  return archive_add(self->archive, self->path, MANIFEST, fd, self->now_ms, error);
}

static int32_t write_parts(writing *self, const deployment *where, int with_key, mloom_error *error) {
  const char *paths[PARTS];
  name_paths(where, paths);
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < STORES; i++) {
    code = add_store(self, names[i], paths[i], error);
  }
  code = code == MLOOM_OK && with_key ? add_key(self, paths[KEY], error) : code;
  code = code != MLOOM_OK ? code : add_manifest(self, where, error);
  return code != MLOOM_OK ? code : archive_finish(self->archive, self->path, error);
}

static int32_t refuse_existing(const char *path, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_USAGE, "give another name, or --force to replace it",
                         "%s is there already", path);
}

int32_t backup_write(const deployment *where, const char *path, int with_key, int replace, mloom_error *error) {
  MLOOM_AUTO(unlink_auto) mloom_buffer temporary = MLOOM_BUFFER_INIT;
  int32_t code = check_kind(where, DUMP, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (!replace && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    return refuse_existing(path, error);
  }
  if (mloom_buffer_append_format(&temporary, "%s.XXXXXX", path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  MLOOM_AUTO(mloom_auto_close) int fd = mkostemp(temporary.data, O_CLOEXEC);
  if (fd < 0) {
    return fail("write", path, error);
  }
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *digests = mloom_json_new_object();
  writing self = {temporary.data, fd, mloom_clock_system()->wall_ms(mloom_clock_system()), digests};
  code = write_parts(&self, where, with_key, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if ((replace ? rename(temporary.data, path) : link(temporary.data, path)) != 0) {
    return errno == EEXIST ? refuse_existing(path, error) : fail("write", path, error);
  }
  sync_folder(path);
  return MLOOM_OK;
}

/* ---- Reading ---- */

typedef struct reading {
  const deployment *where;
  const char *path; /* of the backup */
  const char *targets[PARTS];
  char *copies[PARTS]; /* beside the targets */
  char digests[PARTS][DIGEST_TEXT_SIZE];
  int has[PARTS];
  mloom_json *manifest;
  snapshot_hold *holds[STORES];
} reading;

static void reading_end(reading *self) {
  static const char *const sides[] = {"", "-wal", "-shm", "-journal"};
  for (size_t i = 0; i < PARTS; i++) {
    for (size_t k = 0; self->copies[i] != NULL && k < sizeof sides / sizeof sides[0]; k++) {
      MLOOM_AUTO(unlink_auto) mloom_buffer left = MLOOM_BUFFER_INIT;
      (void)mloom_buffer_append_format(&left, "%s%s", self->copies[i], sides[k]);
    }
    free(self->copies[i]);
  }
  for (size_t i = 0; i < STORES; i++) {
    snapshot_release(self->holds[i]);
  }
  mloom_json_unref(self->manifest);
}

static int32_t refuse(const reading *self, const char *what, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SYSTEM, "name another backup, or copy this one again",
                         "%s is no backup of mergeloomd, or not a whole one: %s", self->path, what);
}

static int32_t prepare(reading *self, mloom_error *error) {
  int32_t code = MLOOM_OK;
  name_paths(self->where, self->targets);
  for (size_t i = 0; code == MLOOM_OK && i < PARTS; i++) {
    mloom_buffer copy = MLOOM_BUFFER_INIT;
    if (mloom_buffer_append_format(&copy, "%s.restoring", self->targets[i]) != MLOOM_OK ||
        (self->copies[i] = mloom_buffer_take(&copy)) == NULL) {
      return mloom_error_memory(error);
    }
    code = store_make_folder(self->targets[i], error);
  }
  for (size_t i = 0; code == MLOOM_OK && i < STORES; i++) {
    code = snapshot_hold_file(&self->holds[i], self->targets[i], error);
  }
  return code;
}

static int32_t take_manifest(reading *self, int archive, const archive_entry *entry, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int fd = memfd_create(MANIFEST, MFD_CLOEXEC);
  char text[MANIFEST_LIMIT];
  if (fd < 0) {
    return mloom_error_memory(error);
  }
  if (entry->size >= MANIFEST_LIMIT || self->manifest != NULL) {
    return refuse(self, "its manifest is too large", error);
  }
  int32_t code = archive_extract(archive, self->path, entry, fd, error);
  if (code != MLOOM_OK) {
    return code;
  }
  ssize_t size = pread(fd, text, sizeof text, 0);
  if (size < 0 || mloom_json_parse(&self->manifest, text, (size_t)size, MANIFEST, NULL) != MLOOM_OK) {
    return refuse(self, "its manifest is no JSON", error);
  }
  return MLOOM_OK;
}

static int32_t take_part(reading *self, size_t part, int archive, const archive_entry *entry, mloom_error *error) {
  if (self->has[part]) {
    return refuse(self, "it has a part twice", error);
  }
  if (unlink(self->copies[part]) != 0 && errno != ENOENT) {
    return fail("replace", self->copies[part], error);
  }
  MLOOM_AUTO(mloom_auto_close) int fd = open(self->copies[part], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return fail("write", self->copies[part], error);
  }
  self->has[part] = 1;
  int32_t code = archive_extract(archive, self->path, entry, fd, error);
  return code != MLOOM_OK ? code : digest(fd, self->digests[part], error);
}

static int32_t take_entry(reading *self, int archive, const archive_entry *entry, mloom_error *error) {
  for (size_t i = 0; i < PARTS; i++) {
    if (strcmp(entry->name, names[i]) == 0) {
      return take_part(self, i, archive, entry, error);
    }
  }
  return strcmp(entry->name, MANIFEST) == 0 ? take_manifest(self, archive, entry, error)
                                            : refuse(self, "it holds something else", error);
}

/* Whole, unchanged, and sound. */
static int32_t check_parts(reading *self, mloom_error *error) {
  const mloom_json *expected = mloom_json_member(self->manifest, "sha256");
  if (strcmp(mloom_json_member_string(self->manifest, "schema", ""), FORM) != 0) {
    return refuse(self, "it has no manifest of " FORM, error);
  }
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < PARTS; i++) {
    const char *known = mloom_json_member_string(expected, names[i], i == KEY ? self->digests[i] : NULL);
    if (known == NULL || strcmp(known, self->digests[i]) != 0) {
      return refuse(self, "a part is missing or was changed", error);
    }
    code = i < STORES ? snapshot_check(self->copies[i], error) : MLOOM_OK;
  }
  return code;
}

static int32_t extract(reading *self, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int archive = open(self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  archive_entry entry;
  int32_t code = archive < 0 ? fail("open", self->path, error) : 1;
  while (code == 1) {
    code = archive_next(archive, self->path, &entry, error);
    if (code == 1) {
      int32_t taken = take_entry(self, archive, &entry, error);
      code = taken == MLOOM_OK ? 1 : taken;
    }
  }
  return code != MLOOM_OK ? code : check_parts(self, error);
}

/* The key that the stores are tried with: that of the backup, else a copy of the one that is there. */
static int32_t find_key(reading *self, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (self->has[KEY] || access(self->targets[KEY], F_OK) != 0) {
    return MLOOM_OK;
  }
  int32_t code = mloom_file_read(&text, self->targets[KEY], MANIFEST_LIMIT, MLOOM_DOMAIN_SECRET, error);
  return code != MLOOM_OK ? code
                          : mloom_file_replace(self->copies[KEY], text.data, text.size, S_IRUSR | S_IWUSR,
                                               MLOOM_DOMAIN_SECRET, error);
}

static void count_lost(const mloom_error *why, void *userdata) {
  (void)why;
  ++*(int *)userdata;
}

/* Opens the copies as a daemon would: that brings them to its schema, and shows whether their secrets open. */
static int32_t try_stores(reading *self, int without_secrets, backup_report *report, mloom_error *error) {
  deployment trial = *self->where;
  store *opened = NULL;
  mloom_json *settings = NULL;
  trial.provider_store_path = self->copies[0];
  trial.runtime_store_path = self->copies[1];
  trial.state_store_path = self->copies[2];
  trial.secret_key_path = self->copies[KEY];
  int32_t code = find_key(self, error);
  code = code != MLOOM_OK ? code : store_open(&opened, &trial, error);
  code =
      code != MLOOM_OK ? code : store_read_settings(opened, 1, 1, &settings, count_lost, &report->lost_secrets, error);
  mloom_json_wipe(settings);
  mloom_json_unref(settings);
  if (code == MLOOM_OK && report->lost_secrets > 0 && !without_secrets) {
    code = mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_SECRET,
                           "put the key file of that daemon there, or give --without-secrets and enter them again",
                           "%d secrets of %s do not open with the key file %s", report->lost_secrets, self->path,
                           self->targets[KEY]);
  }
  if (code == MLOOM_OK) {
    code = store_add_audit(opened, "daemon", self->where->name, "restored from a backup", error);
  }
  store_close(opened);
  return code;
}

/* ---- Putting it in place ---- */

/* Renames what is there, and what a damaged store has left beside it. */
static int32_t put_aside(const char *path, backup_report *report, mloom_error *error) {
  static const char *const sides[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer from = MLOOM_BUFFER_INIT;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer to = MLOOM_BUFFER_INIT;
    char stamp[32], name[40];
    mloom_clock_format(mloom_clock_system()->wall_ms(mloom_clock_system()), stamp);
    snprintf(name, sizeof name, ".before-%s", stamp);
    const char *suffix = report->suffix[0] == '\0' ? name : report->suffix;
    if (mloom_buffer_append_format(&from, "%s%s", path, sides[i]) != MLOOM_OK ||
        mloom_buffer_append_format(&to, "%s%s%s", path, suffix, sides[i]) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    if (rename(from.data, to.data) == 0) {
      snprintf(report->suffix, sizeof report->suffix, "%s", suffix);
    } else if (errno != ENOENT) {
      return fail("rename", from.data, error);
    }
  }
  return MLOOM_OK;
}

static int is_same_content(const char *a, const char *b) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer left = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer right = MLOOM_BUFFER_INIT;
  return mloom_file_read(&left, a, MANIFEST_LIMIT, MLOOM_DOMAIN_SECRET, NULL) == MLOOM_OK &&
         mloom_file_read(&right, b, MANIFEST_LIMIT, MLOOM_DOMAIN_SECRET, NULL) == MLOOM_OK && left.size == right.size &&
         memcmp(left.data, right.data, left.size) == 0;
}

/* What root restores is for the user that the daemon runs as. */
static int keep_owner(const char *copy, const char *target) {
  MLOOM_AUTO(mloom_auto_free) char *folder = folder_of(target);
  struct stat status;
  if (geteuid() != 0 || folder == NULL || (stat(target, &status) != 0 && stat(folder, &status) != 0)) {
    return 0;
  }
  return chown(copy, status.st_uid, status.st_gid);
}

/* The key first: a daemon that starts too early finds old stores that do not open rather than new ones. */
static int32_t put_in_place(reading *self, backup_report *report, mloom_error *error) {
  int32_t code = MLOOM_OK;
  for (size_t i = PARTS; code == MLOOM_OK && i-- > 0;) {
    if (i == KEY && (!self->has[KEY] || is_same_content(self->copies[KEY], self->targets[KEY]))) {
      continue;
    }
    code = keep_owner(self->copies[i], self->targets[i]) != 0 ? fail("write", self->targets[i], error)
                                                              : put_aside(self->targets[i], report, error);
    if (code == MLOOM_OK && rename(self->copies[i], self->targets[i]) != 0) {
      code = fail("write", self->targets[i], error);
    }
    sync_folder(self->targets[i]);
  }
  return code;
}

int32_t backup_restore(const deployment *where, const char *path, int without_secrets, backup_report *report,
                       mloom_error *error) {
  MLOOM_AUTO(reading_end) reading self = {.where = where, .path = path};
  *report = (backup_report){0};
  int32_t code = check_kind(where, UNDUMP, error);
  code = code != MLOOM_OK ? code : prepare(&self, error);
  code = code != MLOOM_OK ? code : extract(&self, error);
  code = code != MLOOM_OK ? code : try_stores(&self, without_secrets, report, error);
  if (code == MLOOM_OK) {
    snprintf(report->made_at, sizeof report->made_at, "%s", mloom_json_member_string(self.manifest, "made_at", ""));
    code = put_in_place(&self, report, error);
  }
  return code;
}
