/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgresql_connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"

#define OLDEST_SERVER 130000
#define SESSION                                                                            \
  "SET search_path = mergeloomd; SET statement_timeout = '12s'; SET lock_timeout = '8s'; " \
  "SET idle_in_transaction_session_timeout = '20s'; SET client_min_messages = error"

static int64_t now_ms(void) {
  return mloom_clock_system()->monotonic_ms(mloom_clock_system());
}

/* ---- Waiting ---- */

/* 1: one of events has come; 0: not until deadline_ms. */
static int wait_for(const PGconn *connection, short events, int64_t deadline_ms) {
  struct pollfd waiting = {.fd = PQsocket(connection), .events = events};
  for (;;) {
    int64_t left = deadline_ms - now_ms();
    int count = left < 0 ? 0 : poll(&waiting, 1, (int)left);
    if (count > 0 || (count < 0 && errno != EINTR) || left < 0) {
      return count > 0;
    }
  }
}

PGresult *connection_await(PGconn *connection, int64_t deadline_ms) {
  PGresult *kept = NULL, *result = NULL;
  int is_there = 1;
  while (is_there && PQflush(connection) == 1) {
    if (!wait_for(connection, POLLIN | POLLOUT, deadline_ms)) {
      return NULL;
    }
    is_there = PQconsumeInput(connection);
  }
  do {
    while (is_there && PQisBusy(connection)) {
      if (!wait_for(connection, POLLIN, deadline_ms)) {
        PQclear(kept);
        return NULL;
      }
      is_there = PQconsumeInput(connection);
    }
    result = PQgetResult(connection);
    if (result != NULL && (kept == NULL || PQresultStatus(kept) != PGRES_FATAL_ERROR)) {
      PQclear(kept);
      kept = result;
    } else {
      PQclear(result);
    }
  } while (result != NULL);
  return kept;
}

int connection_is_good(const PGresult *result) {
  ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* ---- Errors ---- */

/* Remedies for what is the server's own. Without a state: the network, or libpq. */
static const connection_failure failures[] = {
    {"28", MLOOM_E_DENIED, 0, "correct user and password in its URL, or let them in on the server (pg_hba.conf)"},
    {"3D000", MLOOM_E_NOT_FOUND, 0, "create the database, or correct its name in the URL"},
    {"42501", MLOOM_E_DENIED, 0, "make the user the owner of the database, or of its schema mergeloomd"},
    {"25006", MLOOM_E_UNAVAILABLE, 1, "give the URL of the server that may be written"},
    {"40", MLOOM_E_UNAVAILABLE, 1, "try again"},
    {"55P03", MLOOM_E_UNAVAILABLE, 1, "try again; see on the server who holds the lock"},
    {"57P", MLOOM_E_UNAVAILABLE, 1, "try again: it is connected to as soon as it is there"},
    {"25P03", MLOOM_E_UNAVAILABLE, 1, "try again"},
    {"08", MLOOM_E_UNAVAILABLE, 1, "try again"},
    {"57014", MLOOM_E_UNAVAILABLE, 0, "try again; see what keeps the server busy"},
    {"53100", MLOOM_E_UNAVAILABLE, 0, "free space on the server's volume"},
    {"53", MLOOM_E_UNAVAILABLE, 0, "try again; give the server more connections or memory"},
    {"22021", MLOOM_E_INVALID, 0, "leave out what is no UTF-8"},
    {"22P05", MLOOM_E_INVALID, 0, "create the database with the encoding UTF8"},
};
static const connection_failure other_failure = {"", MLOOM_E_IO, 0, "see the server's log"};
const connection_failure connection_lost = {
    "", MLOOM_E_UNAVAILABLE, 1, "check that the server runs and can be reached; it is tried again by itself"};

const connection_failure *connection_failure_of(const char *state) {
  for (size_t i = 0; state != NULL && i < sizeof failures / sizeof failures[0]; i++) {
    if (strncmp(state, failures[i].state, strlen(failures[i].state)) == 0) {
      return &failures[i];
    }
  }
  return state == NULL ? &connection_lost : &other_failure;
}

/* The state in a message about a connection, which libpq gives in no other way: "FATAL:  28P01: password ...". Returns
 * what follows, or the whole. */
static const char *split_message(const char *message, char state[6]) {
  const char *found = strstr(message, ":  ");
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  if (found == NULL || strspn(found + 3, letters) != 5 || strncmp(found + 8, ": ", 2) != 0) {
    return message;
  }
  memcpy(state, found + 3, 5);
  return found + 10;
}

int32_t connection_refuse(const char *name, const connection_failure *what, const char *message, mloom_error *error) {
  return mloom_error_set(error, what->code, MLOOM_DOMAIN_SYSTEM, what->remedy, "the database %s: %.*s", name,
                         (int)strcspn(message, "\n"), message);
}

static int32_t fail_to_connect(const char *name, const PGconn *connection, int timed_out, mloom_error *error) {
  char state[6] = "";
  const char *message = split_message(PQerrorMessage(connection), state);
  if (PQconnectionNeedsPassword(connection)) {
    return connection_refuse(name, connection_failure_of("28P01"), "it asks for a password, and its URL has none",
                             error);
  }
  return connection_refuse(name, connection_failure_of(state[0] == '\0' ? NULL : state),
                           timed_out ? "it does not answer" : message, error);
}

/* ---- Connecting ---- */

static void ignore_notice(void *userdata, const char *message) {
  (void)userdata;
  (void)message;
}

/* Server and session that will do. */
static int32_t prepare_session(const char *name, PGconn *connection, int64_t deadline_ms, mloom_error *error) {
  const char *encoding = PQparameterStatus(connection, "server_encoding");
  if (PQserverVersion(connection) < OLDEST_SERVER) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SYSTEM, "use PostgreSQL 13 or newer",
                           "the database %s: its server is too old", name);
  }
  if (encoding != NULL && strcmp(encoding, "UTF8") != 0 && strcmp(encoding, "SQL_ASCII") != 0) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SYSTEM,
                           "create the database with the encoding UTF8", "the database %s has the encoding %s", name,
                           encoding);
  }
  PGresult *result = PQsendQuery(connection, SESSION) ? connection_await(connection, deadline_ms) : NULL;
  int32_t code = result != NULL && connection_is_good(result)
                     ? MLOOM_OK
                     : fail_to_connect(name, connection, result == NULL, error);
  PQclear(result);
  return code;
}

int32_t connection_open(PGconn **out, const char *name, const mloom_secret *url, mloom_error *error) {
  /* What stands after the URL is stronger than it, what stands before it is weaker. */
  static const char *const names[] = {"gssencmode", "fallback_application_name", "keepalives_idle",
                                      "dbname",     "client_encoding",           NULL};
  const char *const values[] = {"disable", "mergeloomd", "30", mloom_secret_bytes(url).data, "UTF8", NULL};
  int64_t deadline_ms = now_ms() + CONNECT_MS;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  PGconn *connection = PQconnectStartParams(names, values, 1);
  *out = NULL;
  if (connection == NULL) {
    return mloom_error_memory(error);
  }
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
  PQsetNoticeProcessor(connection, ignore_notice, NULL);
  int in_time = 1;
  if (PQstatus(connection) == CONNECTION_BAD) {
    state = PGRES_POLLING_FAILED;
  }
  while (in_time && state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
    in_time = wait_for(connection, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms);
    state = in_time ? PQconnectPoll(connection) : state;
  }
  int32_t code = state == PGRES_POLLING_OK && PQsetnonblocking(connection, 1) == 0
                     ? prepare_session(name, connection, deadline_ms, error)
                     : fail_to_connect(name, connection, !in_time, error);
  if (code != MLOOM_OK) {
    PQfinish(connection);
    return code;
  }
  *out = connection;
  return MLOOM_OK;
}

static const char *option_of(const PQconninfoOption *options, const char *name) {
  for (; options != NULL && options->keyword != NULL; options++) {
    if (strcmp(options->keyword, name) == 0) {
      return options->val == NULL ? "" : options->val;
    }
  }
  return "";
}

int32_t connection_name(char **out, const mloom_secret *url, mloom_error *error) {
  char *message = NULL;
  mloom_buffer name = MLOOM_BUFFER_INIT;
  PQconninfoOption *options = PQconninfoParse(mloom_secret_bytes(url).data, &message);
  /* Its own words may hold parts of the password. */
  PQfreemem(message);
  *out = NULL;
  if (options == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "write it as postgresql://user:password@host:5432/database, with other characters than "
                           "letters and digits percent-encoded",
                           "the URL of the database makes no sense");
  }
  const char *host = option_of(options, "host"), *port = option_of(options, "port");
  mloom_buffer_append_format(&name, "%s%s%s%s%s", option_of(options, "dbname"), host[0] == '\0' ? "" : " at ", host,
                             host[0] == '\0' || port[0] == '\0' ? "" : ":", host[0] == '\0' ? "" : port);
  PQconninfoFree(options);
  *out = mloom_buffer_take(&name);
  return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
}
