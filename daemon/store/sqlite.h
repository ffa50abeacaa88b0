/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite with errors of ours: the only file that knows it is sqlite.c.
 */
#ifndef MERGELOOM_DAEMON_STORE_SQLITE_H
#define MERGELOOM_DAEMON_STORE_SQLITE_H

#include <mergeloom/types.h>

typedef struct sqlite_file sqlite_file;
typedef struct sqlite_statement sqlite_statement;

/* Opens or makes the file (mode 0600, its folder 0700) and runs those of migrations that it has not seen: each is run
 * once, in order, in one transaction. The list ends with NULL and only ever grows. MLOOM_E_UNSUPPORTED: the file has
 * seen more of them than there are. */
int32_t sqlite_open(sqlite_file **out, const char *path, const char *const *migrations, mloom_error *error);
void sqlite_close(sqlite_file *file);

/* begin takes the write lock at once. One transaction at a time: the caller serializes. */
int32_t sqlite_begin(sqlite_file *file, mloom_error *error);
int32_t sqlite_commit(sqlite_file *file, mloom_error *error);
void sqlite_rollback(sqlite_file *file);

/* Prepares sql, with parameters as in format: t (const char *, NULL: null), i (int64_t). */
int32_t sqlite_prepare(sqlite_statement **out, sqlite_file *file, mloom_error *error, const char *sql,
                       const char *format, ...);
/* 1: a row; 0: the end; negative: an error. */
int32_t sqlite_step(sqlite_statement *statement, mloom_error *error);
/* Of the row: "" for null. Borrowed until the next step. */
const char *sqlite_text(sqlite_statement *statement, int column);
int64_t sqlite_integer(sqlite_statement *statement, int column);
void sqlite_finish(sqlite_statement *statement);
/* Prepares, runs to the end and finishes. */
int32_t sqlite_run(sqlite_file *file, mloom_error *error, const char *sql, const char *format, ...);
/* Rows that the last write changed. */
int64_t sqlite_changes(const sqlite_file *file);
/* 1 when the last error was that a row with this key is there. */
int sqlite_is_duplicate(const sqlite_file *file);

#endif
