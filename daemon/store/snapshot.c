/* SPDX-License-Identifier: Apache-2.0 */
#include "store/snapshot.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define BUSY_TIMEOUT_MS 10000

MLOOM_DEFINE_AUTO(sqlite3, sqlite3_close_v2)
MLOOM_DEFINE_AUTO(sqlite3_stmt, sqlite3_finalize)

static int32_t fail(sqlite3 *file, const char *path, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_SYSTEM, "check the file, its volume and the free space",
                         "the store %s: %s", path, sqlite3_errmsg(file));
}

static int32_t open_file(sqlite3 **out, const char *path, mloom_error *error) {
  if (access(path, F_OK) != 0) {
    *out = NULL;
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM,
                                 "run this as the user and with the environment of the daemon: mergeloomd "
                                 "--check-config shows its paths",
                                 "there is no store at %s", path);
  }
  if (sqlite3_open_v2(path, out, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
    return fail(*out, path, error);
  }
  sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
  return MLOOM_OK;
}

int32_t snapshot_take(const char *path, const char *copy, mloom_error *error) {
  MLOOM_AUTO(sqlite3_close_v2_auto) sqlite3 *file = NULL;
  MLOOM_AUTO(sqlite3_finalize_auto) sqlite3_stmt *statement = NULL;
  int32_t code = open_file(&file, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  int done = sqlite3_prepare_v2(file, "VACUUM INTO ?", -1, &statement, NULL) == SQLITE_OK &&
             sqlite3_bind_text(statement, 1, copy, -1, SQLITE_STATIC) == SQLITE_OK &&
             sqlite3_step(statement) == SQLITE_DONE;
  return done ? MLOOM_OK : fail(file, path, error);
}

int32_t snapshot_check(const char *path, mloom_error *error) {
  MLOOM_AUTO(sqlite3_close_v2_auto) sqlite3 *file = NULL;
  MLOOM_AUTO(sqlite3_finalize_auto) sqlite3_stmt *statement = NULL;
  int32_t code = open_file(&file, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (sqlite3_prepare_v2(file, "PRAGMA integrity_check(1)", -1, &statement, NULL) != SQLITE_OK ||
      sqlite3_step(statement) != SQLITE_ROW) {
    return fail(file, path, error);
  }
  const unsigned char *found = sqlite3_column_text(statement, 0);
  return found != NULL && strcmp((const char *)found, "ok") == 0
             ? MLOOM_OK
             : mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_SYSTEM, "use another backup",
                               "the store in the backup is damaged: %.200s", (const char *)found);
}

int32_t snapshot_hold_file(snapshot_hold **out, const char *path, mloom_error *error) {
  MLOOM_AUTO(sqlite3_close_v2_auto) sqlite3 *file = NULL;
  *out = NULL;
  if (access(path, F_OK) != 0) {
    return MLOOM_OK;
  }
  int32_t code = open_file(&file, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  /* A file leaves write-ahead logging only when nobody else has it open. */
  sqlite3_busy_timeout(file, 0);
  int result = sqlite3_exec(file, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE",
                            NULL, NULL, NULL);
  if (result == SQLITE_BUSY || result == SQLITE_LOCKED) {
    return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_SYSTEM, "stop mergeloomd first, then try again",
                           "another program uses the store %s", path);
  }
  if (result == SQLITE_OK) {
    *out = MLOOM_STEAL(file);
  }
  return MLOOM_OK;
}

void snapshot_release(snapshot_hold *hold) {
  sqlite3_close_v2(hold);
}
