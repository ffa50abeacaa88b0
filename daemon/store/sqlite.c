/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"

#define BUSY_TIMEOUT_MS 10000

struct sqlite_file {
  sqlite3 *handle;
  char *path;
  int extended;
};

struct sqlite_statement {
  sqlite3_stmt *handle;
  sqlite_file *file;
};

static int32_t fail(sqlite_file *file, mloom_error *error) {
  int result = sqlite3_errcode(file->handle);
  const char *remedy = result == SQLITE_FULL       ? "free space on its volume"
                       : result == SQLITE_READONLY ? "make the file and its folder writable for this user"
                       : result == SQLITE_CORRUPT || result == SQLITE_NOTADB ? "restore the file from a backup"
                       : result == SQLITE_BUSY ? "end the other program that uses the file, then try again"
                                               : "check the file and its volume";
  file->extended = sqlite3_extended_errcode(file->handle);
  return mloom_error_set(error, result == SQLITE_NOMEM ? MLOOM_E_MEMORY : MLOOM_E_IO, MLOOM_DOMAIN_SYSTEM, remedy,
                         "the store %s: %s", file->path, sqlite3_errmsg(file->handle));
}

/* ---- Statements ---- */

static int32_t bind(sqlite_statement *statement, const char *format, va_list arguments) {
  for (int i = 0; format != NULL && format[i] != '\0'; i++) {
    int result = SQLITE_OK;
    if (format[i] == 't') {
      result = sqlite3_bind_text(statement->handle, i + 1, va_arg(arguments, const char *), -1, SQLITE_TRANSIENT);
    } else {
      result = sqlite3_bind_int64(statement->handle, i + 1, va_arg(arguments, int64_t));
    }
    if (result != SQLITE_OK) {
      return MLOOM_E_IO;
    }
  }
  return MLOOM_OK;
}

static int32_t prepare(sqlite_statement **out, sqlite_file *file, mloom_error *error, const char *sql,
                       const char *format, va_list arguments) {
  sqlite_statement *statement = calloc(1, sizeof *statement);
  *out = NULL;
  if (statement == NULL) {
    return mloom_error_memory(error);
  }
  statement->file = file;
  if (sqlite3_prepare_v2(file->handle, sql, -1, &statement->handle, NULL) != SQLITE_OK ||
      bind(statement, format, arguments) != MLOOM_OK) {
    int32_t code = fail(file, error);
    sqlite_finish(statement);
    return code;
  }
  *out = statement;
  return MLOOM_OK;
}

int32_t sqlite_prepare(sqlite_statement **out, sqlite_file *file, mloom_error *error, const char *sql,
                       const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int32_t code = prepare(out, file, error, sql, format, arguments);
  va_end(arguments);
  return code;
}

int32_t sqlite_step(sqlite_statement *statement, mloom_error *error) {
  int result = sqlite3_step(statement->handle);
  return result == SQLITE_ROW ? 1 : result == SQLITE_DONE ? 0 : fail(statement->file, error);
}

const char *sqlite_text(sqlite_statement *statement, int column) {
  const unsigned char *text = sqlite3_column_text(statement->handle, column);
  return text == NULL ? "" : (const char *)text;
}

int64_t sqlite_integer(sqlite_statement *statement, int column) {
  return sqlite3_column_int64(statement->handle, column);
}

void sqlite_finish(sqlite_statement *statement) {
  if (statement != NULL) {
    sqlite3_finalize(statement->handle);
    free(statement);
  }
}

int32_t sqlite_run(sqlite_file *file, mloom_error *error, const char *sql, const char *format, ...) {
  sqlite_statement *statement = NULL;
  va_list arguments;
  va_start(arguments, format);
  int32_t code = prepare(&statement, file, error, sql, format, arguments);
  va_end(arguments);
  while (code == MLOOM_OK) {
    int32_t step = sqlite_step(statement, error);
    if (step <= 0) {
      code = step;
      break;
    }
  }
  sqlite_finish(statement);
  return code;
}

int64_t sqlite_changes(const sqlite_file *file) {
  return sqlite3_changes64(file->handle);
}

int sqlite_is_duplicate(const sqlite_file *file) {
  return file->extended == SQLITE_CONSTRAINT_PRIMARYKEY || file->extended == SQLITE_CONSTRAINT_UNIQUE;
}

/* ---- Transactions ---- */

int32_t sqlite_begin(sqlite_file *file, mloom_error *error) {
  return sqlite_run(file, error, "BEGIN IMMEDIATE", NULL);
}

int32_t sqlite_commit(sqlite_file *file, mloom_error *error) {
  int32_t code = sqlite_run(file, error, "COMMIT", NULL);
  if (code != MLOOM_OK) {
    sqlite_rollback(file);
  }
  return code;
}

void sqlite_rollback(sqlite_file *file) {
  (void)sqlite_run(file, NULL, "ROLLBACK", NULL);
}

/* ---- Files ---- */

/* The folder of path and those above it. */
static int32_t make_folder(const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer folder = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_string(&folder, path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  for (char *slash = strchr(folder.data + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(folder.data, 0700) != 0 && errno != EEXIST) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM,
                                   "make it by hand, or give a path below a folder that this user may write",
                                   "cannot make the folder %s", folder.data);
    }
    *slash = '/';
  }
  return MLOOM_OK;
}

static int32_t version_of(sqlite_file *file, int64_t *out, mloom_error *error) {
  sqlite_statement *statement = NULL;
  int32_t code = sqlite_prepare(&statement, file, error, "PRAGMA user_version", NULL);
  if (code == MLOOM_OK) {
    int32_t step = sqlite_step(statement, error);
    *out = step == 1 ? sqlite_integer(statement, 0) : 0;
    code = step < 0 ? step : MLOOM_OK;
  }
  sqlite_finish(statement);
  return code;
}

static int32_t execute(sqlite_file *file, const char *sql, mloom_error *error) {
  return sqlite3_exec(file->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? MLOOM_OK : fail(file, error);
}

static int32_t migrate(sqlite_file *file, const char *const *migrations, mloom_error *error) {
  int64_t count = 0, version = 0;
  while (migrations[count] != NULL) {
    count++;
  }
  int32_t code = sqlite_begin(file, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = version_of(file, &version, error);
  if (code == MLOOM_OK && version > count) {
    code = mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SYSTEM, "use the newer version, or another file",
                           "the store %s was written by a newer version of this daemon", file->path);
  }
  for (int64_t i = version; code == MLOOM_OK && i < count; i++) {
    code = execute(file, migrations[i], error);
  }
  if (code == MLOOM_OK && version < count) {
    char pragma[64];
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA user_version = %lld", (long long)count);
    code = execute(file, pragma, error);
  }
  if (code != MLOOM_OK) {
    sqlite_rollback(file);
    return code;
  }
  return sqlite_commit(file, error);
}

int32_t sqlite_open(sqlite_file **out, const char *path, const char *const *migrations, mloom_error *error) {
  sqlite_file *file = calloc(1, sizeof *file);
  *out = NULL;
  if (file == NULL || (file->path = strdup(path)) == NULL) {
    sqlite_close(file);
    return mloom_error_memory(error);
  }
  int32_t code = make_folder(path, error);
  if (code == MLOOM_OK) {
    /* SQLite would make it readable for everybody whom the umask lets in. */
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
      close(fd);
    }
    int result =
        sqlite3_open_v2(path, &file->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
    code = result == SQLITE_OK ? MLOOM_OK : fail(file, error);
  }
  if (code == MLOOM_OK) {
    sqlite3_busy_timeout(file->handle, BUSY_TIMEOUT_MS);
    code = execute(file, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", error);
  }
  code = code != MLOOM_OK ? code : migrate(file, migrations, error);
  if (code != MLOOM_OK) {
    sqlite_close(file);
    return code;
  }
  *out = file;
  return MLOOM_OK;
}

void sqlite_close(sqlite_file *file) {
  if (file != NULL) {
    sqlite3_close_v2(file->handle);
    free(file->path);
    free(file);
  }
}
