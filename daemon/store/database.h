/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store asks of a database, be it a file of this daemon (sqlite.c) or a server that several share
 * (postgresql.c). SQL is the same for both: parameters are ? or ?1, ?2, ...; both know the functions now_ms(), which is
 * the database's own clock, and instr(text, part).
 *
 * Parameters of a statement follow its format: t (const char *, NULL: null), i (int64_t).
 */
#ifndef MERGELOOM_DAEMON_STORE_DATABASE_H
#define MERGELOOM_DAEMON_STORE_DATABASE_H

#include <mergeloom/types.h>

typedef struct database database;
typedef struct database_rows database_rows;

/* NULL is allowed. */
void database_close(database *self);
/* For messages and pages, without secrets. */
const char *database_name(const database *self);
/* 1 when other daemons may use it at the same time. */
int database_is_shared(const database *self);

/* Of a statement that answers rows. One that writes (RETURNING) belongs in a transaction. MLOOM_E_UNAVAILABLE: the
 * server is away for now. */
int32_t database_read(database_rows **out, database *self, mloom_error *error, const char *sql, const char *format,
                      ...);
/* 1: a row; 0: the end; negative: an error. */
int32_t database_step(database_rows *rows, mloom_error *error);
/* Of the row: "" for null. Borrowed until the next step. */
const char *database_text(database_rows *rows, int column);
int64_t database_integer(database_rows *rows, int column);
/* NULL is allowed. */
void database_finish(database_rows *rows);

/* Inside of a transaction. changed (may be NULL) gets the number of rows. */
int32_t database_write(int64_t *changed, database *self, mloom_error *error, const char *sql, const char *format, ...);
/* The same as a transaction of its own. */
int32_t database_run(int64_t *changed, database *self, mloom_error *error, const char *sql, const char *format, ...);

typedef int32_t (*database_work)(database *self, void *userdata, mloom_error *error);
/* Runs work in one transaction, which stands when it returns MLOOM_OK. When the connection is lost or another
 * transaction is in the way, work is run again from its beginning: what it did was undone. MLOOM_E_UNAVAILABLE: the
 * server is away, and in the worst case nobody knows whether it had written already. */
int32_t database_transact(database *self, database_work work, void *userdata, mloom_error *error);

#endif
