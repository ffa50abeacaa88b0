/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/driver.h"
#include "store/folder.h"

#define BUSY_TIMEOUT_MS 10000

typedef struct sqlite_file {
  database base; /* its name is the path */
  sqlite3 *handle;
} sqlite_file;

typedef struct sqlite_rows {
  database_rows base;
  sqlite3_stmt *handle;
} sqlite_rows;

static sqlite_file *file_of(const database_rows *rows) {
  return (sqlite_file *)rows->owner;
}

static sqlite3_stmt *statement_of(const database_rows *rows) {
  return ((const sqlite_rows *)rows)->handle;
}

/* What goes by when there is room, when another program is done, when the volume is back. */
static int32_t code_of(int result) {
  return result == SQLITE_NOMEM                                                     ? MLOOM_E_MEMORY
         : result == SQLITE_FULL || result == SQLITE_BUSY || result == SQLITE_IOERR ? MLOOM_E_UNAVAILABLE
                                                                                    : MLOOM_E_IO;
}

static int32_t fail(sqlite_file *file, mloom_error *error) {
  int result = sqlite3_errcode(file->handle);
  const char *remedy = result == SQLITE_FULL       ? "free space on its volume"
                       : result == SQLITE_READONLY ? "make the file and its folder writable for this user"
                       : result == SQLITE_CORRUPT || result == SQLITE_NOTADB ? "restore the file from a backup"
                       : result == SQLITE_BUSY ? "end the other program that uses the file, then try again"
                                               : "check the file and its volume";
  return mloom_error_set(error, code_of(result), MLOOM_DOMAIN_SYSTEM, remedy, "the store %s: %s", file->base.name,
                         sqlite3_errmsg(file->handle));
}

/* ---- Statements ---- */

static int32_t bind(sqlite3_stmt *statement, const char *format, va_list arguments) {
  for (int i = 0; format != NULL && format[i] != '\0'; i++) {
    int result = SQLITE_OK;
    if (format[i] == 't') {
      result = sqlite3_bind_text(statement, i + 1, va_arg(arguments, const char *), -1, SQLITE_TRANSIENT);
    } else {
      result = sqlite3_bind_int64(statement, i + 1, va_arg(arguments, int64_t));
    }
    if (result != SQLITE_OK) {
      return MLOOM_E_IO;
    }
  }
  return MLOOM_OK;
}

static void finish(database_rows *rows) {
  sqlite3_finalize(statement_of(rows));
  free(rows);
}

static int32_t prepare(database_rows **out, database *self, mloom_error *error, const char *sql, const char *format,
                       va_list arguments) {
  sqlite_file *file = (sqlite_file *)self;
  sqlite_rows *rows = calloc(1, sizeof *rows);
  *out = NULL;
  if (rows == NULL) {
    return mloom_error_memory(error);
  }
  rows->base.owner = self;
  if (sqlite3_prepare_v2(file->handle, sql, -1, &rows->handle, NULL) != SQLITE_OK ||
      bind(rows->handle, format, arguments) != MLOOM_OK) {
    int32_t code = fail(file, error);
    finish(&rows->base);
    return code;
  }
  *out = &rows->base;
  return MLOOM_OK;
}

static int32_t step(database_rows *rows, mloom_error *error) {
  int result = sqlite3_step(statement_of(rows));
  return result == SQLITE_ROW ? 1 : result == SQLITE_DONE ? 0 : fail(file_of(rows), error);
}

static const char *text_of(database_rows *rows, int column) {
  const unsigned char *text = sqlite3_column_text(statement_of(rows), column);
  return text == NULL ? "" : (const char *)text;
}

static int64_t integer_of(database_rows *rows, int column) {
  return sqlite3_column_int64(statement_of(rows), column);
}

static int64_t changes_of(database_rows *rows) {
  return sqlite3_changes64(file_of(rows)->handle);
}

/* ---- Transactions ---- */

static int32_t execute(sqlite_file *file, const char *sql, mloom_error *error) {
  return sqlite3_exec(file->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? MLOOM_OK : fail(file, error);
}

/* Takes the write lock at once. */
static int32_t begin(database *self, mloom_error *error) {
  return execute((sqlite_file *)self, "BEGIN IMMEDIATE", error);
}

static void rollback(database *self) {
  (void)execute((sqlite_file *)self, "ROLLBACK", NULL);
}

static int32_t commit(database *self, mloom_error *error) {
  int32_t code = execute((sqlite_file *)self, "COMMIT", error);
  if (code != MLOOM_OK) {
    rollback(self);
  }
  return code;
}

/* SQLite has waited for the lock itself. */
static int may_retry(const database *self) {
  (void)self;
  return 0;
}

/* ---- Files ---- */

static void answer_now(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  (void)values;
  sqlite3_result_int64(context, mloom_clock_system()->wall_ms(mloom_clock_system()));
}

static int32_t version_of(sqlite_file *file, int64_t *out, mloom_error *error) {
  database_rows *rows = NULL;
  int32_t code = database_read(&rows, &file->base, error, "PRAGMA user_version", NULL);
  if (code == MLOOM_OK) {
    code = step(rows, error);
    *out = code == 1 ? integer_of(rows, 0) : 0;
  }
  database_finish(rows);
  return code < 0 ? code : MLOOM_OK;
}

static int32_t migrate(database *self, void *userdata, mloom_error *error) {
  sqlite_file *file = (sqlite_file *)self;
  const char *const *steps = userdata;
  int64_t count = 0, version = 0;
  while (steps[count] != NULL) {
    count++;
  }
  int32_t code = version_of(file, &version, error);
  if (code == MLOOM_OK && version > count) {
    code = mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SYSTEM, "use the newer version, or another file",
                           "the store %s was written by a newer version of this daemon", self->name);
  }
  for (int64_t i = version; code == MLOOM_OK && i < count; i++) {
    code = execute(file, steps[i], error);
  }
  if (code == MLOOM_OK && version < count) {
    char pragma[64];
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA user_version = %lld", (long long)count);
    code = execute(file, pragma, error);
  }
  return code;
}

static void close_file(database *self) {
  sqlite3_close_v2(((sqlite_file *)self)->handle);
  free(self->name);
  free(self);
}

static const database_driver driver = {.prepare = prepare,
                                       .step = step,
                                       .text = text_of,
                                       .integer = integer_of,
                                       .changes = changes_of,
                                       .finish = finish,
                                       .begin = begin,
                                       .commit = commit,
                                       .rollback = rollback,
                                       .may_retry = may_retry,
                                       .close = close_file};

static int32_t open_handle(sqlite_file *file, mloom_error *error) {
  /* SQLite would make it readable for everybody whom the umask lets in. */
  int fd = open(file->base.name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) {
    close(fd);
  }
  int result = sqlite3_open_v2(file->base.name, &file->handle,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
  if (result != SQLITE_OK) {
    return fail(file, error);
  }
  sqlite3_busy_timeout(file->handle, BUSY_TIMEOUT_MS);
  result = sqlite3_create_function_v2(file->handle, "now_ms", 0, SQLITE_UTF8, NULL, answer_now, NULL, NULL, NULL);
  return result != SQLITE_OK
             ? fail(file, error)
             : execute(file, "PRAGMA synchronous = NORMAL; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON", error);
}

int32_t sqlite_open(database **out, const char *path, const char *const *migrations, mloom_error *error) {
  sqlite_file *file = calloc(1, sizeof *file);
  *out = NULL;
  if (file == NULL || (file->base.name = strdup(path)) == NULL) {
    free(file);
    return mloom_error_memory(error);
  }
  file->base.driver = &driver;
  int32_t code = store_make_folder(path, error);
  code = code != MLOOM_OK ? code : open_handle(file, error);
  code = code != MLOOM_OK ? code : database_transact(&file->base, migrate, (void *)(uintptr_t)migrations, error);
  /* From here on nothing that was committed may be lost. Steps need not reach the disk: they would be made again. */
  code = code != MLOOM_OK ? code : execute(file, "PRAGMA synchronous = FULL", error);
  if (code != MLOOM_OK) {
    close_file(&file->base);
    return code;
  }
  *out = &file->base;
  return MLOOM_OK;
}
