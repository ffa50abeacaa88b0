/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections to a PostgreSQL server that never wait longer than they are told to.
 */
#ifndef MERGELOOM_DAEMON_STORE_POSTGRESQL_CONNECTION_H
#define MERGELOOM_DAEMON_STORE_POSTGRESQL_CONNECTION_H

#include <libpq-fe.h>

#include "secret/secret.h"

#define CONNECT_MS 3000

/* What is said of a failure. */
typedef struct connection_failure {
  const char *state; /* how the SQLSTATE begins */
  int32_t code;
  int may_retry;
  const char *remedy;
} connection_failure;

extern const connection_failure connection_lost;
/* state NULL: connection_lost. */
const connection_failure *connection_failure_of(const char *state);
/* The first line of message, with the name of the database. */
int32_t connection_refuse(const char *name, const connection_failure *what, const char *message, mloom_error *error);

/* "database at host:port", for messages. MLOOM_E_INVALID: no URL that libpq reads. The caller frees *out. */
int32_t connection_name(char **out, const mloom_secret *url, mloom_error *error);
/* A connection that does not block and whose session is set up. name: for messages. */
int32_t connection_open(PGconn **out, const char *name, const mloom_secret *url, mloom_error *error);

/* The result of what was sent, of several statements the first that failed or the last; NULL: none came in time. */
PGresult *connection_await(PGconn *connection, int64_t deadline_ms);
int connection_is_good(const PGresult *result);

#endif
