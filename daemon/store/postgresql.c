/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgresql.h"

#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/database_url.h"
#include "store/driver.h"
#include "store/postgresql_connection.h"

/* The server gives up a little before we do, so that an answer still comes. */
#define STATEMENT_MS 15000
/* For how long it is asked what became of a transaction whose answer is lost. */
#define SETTLE_MS 5000
#define PAUSE_MS 200
/* After a connection that failed, none is tried for so long. */
#define REST_MS 500
#define PARAMETER_LIMIT 16
#define TEXT_TYPE 25
#define INTEGER_TYPE 20

typedef struct postgresql {
  database base; /* its name has no secret */
  mloom_secret *url;
  PGconn *connection; /* or NULL */
  int64_t rests_until_ms;
  mloom_error away; /* why there is no connection */
  int in_transaction;
  int may_retry;
  atomic_int backend; /* the server's number for the connection, by which an ear knows our own words */
} postgresql;

typedef struct postgresql_rows {
  database_rows base;
  PGresult *result;
  int next;
} postgresql_rows;

static int64_t now_ms(void) {
  return mloom_clock_system()->monotonic_ms(mloom_clock_system());
}

/* ---- Connection ---- */

static void disconnect(postgresql *self) {
  PQfinish(self->connection);
  self->connection = NULL;
}

/* Of a statement. result NULL: none came. The connection is given up when it is of no more use. */
static int32_t fail(postgresql *self, const PGresult *result, mloom_error *error) {
  const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *message = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const connection_failure *what = connection_failure_of(state);
  int32_t code = connection_refuse(self->base.name, what, message == NULL ? "the connection was lost" : message, error);
  self->may_retry = what->may_retry;
  if (result == NULL || PQstatus(self->connection) != CONNECTION_OK || strcmp(what->state, "25006") == 0) {
    disconnect(self);
  }
  return code;
}

/* Connects unless there is a connection, or none could be made a moment ago. */
static int32_t ensure_connection(postgresql *self, mloom_error *error) {
  if (self->connection != NULL && PQstatus(self->connection) == CONNECTION_OK) {
    return MLOOM_OK;
  }
  disconnect(self);
  if (now_ms() < self->rests_until_ms) {
    mloom_error_copy(error, &self->away);
    return self->away.code;
  }
  int32_t code = connection_open(&self->connection, self->base.name, self->url, &self->away);
  if (code != MLOOM_OK) {
    self->rests_until_ms = now_ms() + REST_MS;
    mloom_error_copy(error, &self->away);
    return code;
  }
  atomic_store(&self->backend, PQbackendPID(self->connection));
  return MLOOM_OK;
}

/* ---- Statements ---- */

typedef struct parameters {
  Oid types[PARAMETER_LIMIT];
  const char *values[PARAMETER_LIMIT];
  char numbers[PARAMETER_LIMIT][24];
  int count;
} parameters;

static void take_parameters(parameters *out, const char *format, va_list arguments) {
  out->count = 0;
  for (const char *kind = format; kind != NULL && *kind != '\0' && out->count < PARAMETER_LIMIT; kind++) {
    int i = out->count++;
    out->types[i] = *kind == 't' ? TEXT_TYPE : INTEGER_TYPE;
    if (*kind == 't') {
      out->values[i] = va_arg(arguments, const char *);
    } else {
      snprintf(out->numbers[i], sizeof out->numbers[i], "%" PRId64, va_arg(arguments, int64_t));
      out->values[i] = out->numbers[i];
    }
  }
}

/* ? and ?1 become $1. */
static int32_t translate(mloom_buffer *out, const char *sql) {
  int count = 0, quoted = 0;
  int32_t code = MLOOM_OK;
  for (; code == MLOOM_OK && *sql != '\0'; sql++) {
    quoted ^= *sql == '\'';
    if (*sql != '?' || quoted) {
      code = mloom_buffer_append_char(out, *sql);
    } else if (sql[1] >= '1' && sql[1] <= '9') {
      code = mloom_buffer_append_char(out, '$');
    } else {
      code = mloom_buffer_append_format(out, "$%d", ++count);
    }
  }
  return code;
}

/* One statement of sql, or several without parameters. */
static int32_t execute(postgresql *self, PGresult **out, const char *sql, const parameters *given, mloom_error *error) {
  int sent = given == NULL
                 ? PQsendQuery(self->connection, sql)
                 : PQsendQueryParams(self->connection, sql, given->count, given->types, given->values, NULL, NULL, 0);
  PGresult *result = sent ? connection_await(self->connection, now_ms() + STATEMENT_MS) : NULL;
  if (result == NULL || !connection_is_good(result)) {
    int32_t code = fail(self, result, error);
    PQclear(result);
    return code;
  }
  if (out != NULL) {
    *out = result;
  } else {
    PQclear(result);
  }
  return MLOOM_OK;
}

/* What has no transaction around it is tried once more on a new connection. */
static int32_t execute_read(postgresql *self, PGresult **out, const char *sql, const parameters *given,
                            mloom_error *error) {
  if (self->in_transaction) {
    return execute(self, out, sql, given, error);
  }
  int32_t code = MLOOM_OK;
  for (int attempt = 0; attempt < 2; attempt++) {
    code = ensure_connection(self, error);
    if (code != MLOOM_OK) {
      return MLOOM_E_UNAVAILABLE;
    }
    self->may_retry = 0;
    code = execute(self, out, sql, given, error);
    if (code == MLOOM_OK || !self->may_retry) {
      break;
    }
  }
  return code;
}

static void finish(database_rows *rows) {
  PQclear(((postgresql_rows *)rows)->result);
  free(rows);
}

static int32_t prepare(database_rows **out, database *database_, mloom_error *error, const char *sql,
                       const char *format, va_list arguments) {
  postgresql *self = (postgresql *)database_;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer translated = MLOOM_BUFFER_INIT;
  parameters given;
  postgresql_rows *rows = calloc(1, sizeof *rows);
  *out = NULL;
  if (rows == NULL || translate(&translated, sql) != MLOOM_OK) {
    free(rows);
    return mloom_error_memory(error);
  }
  take_parameters(&given, format, arguments);
  rows->base.owner = database_;
  int32_t code = execute_read(self, &rows->result, mloom_buffer_string(&translated), &given, error);
  if (code != MLOOM_OK) {
    finish(&rows->base);
    return code;
  }
  rows->next = 0;
  *out = &rows->base;
  return MLOOM_OK;
}

static int32_t step(database_rows *rows, mloom_error *error) {
  postgresql_rows *self = (postgresql_rows *)rows;
  (void)error;
  if (self->next >= PQntuples(self->result)) {
    return 0;
  }
  self->next++;
  return 1;
}

static const char *text_of(database_rows *rows, int column) {
  const postgresql_rows *self = (const postgresql_rows *)rows;
  return PQgetvalue(self->result, self->next - 1, column);
}

static int64_t integer_of(database_rows *rows, int column) {
  return strtoll(text_of(rows, column), NULL, 10);
}

static int64_t changes_of(database_rows *rows) {
  return strtoll(PQcmdTuples(((postgresql_rows *)rows)->result), NULL, 10);
}

/* ---- Transactions ---- */

static int32_t begin(database *database_, mloom_error *error) {
  postgresql *self = (postgresql *)database_;
  int32_t code = execute_read(self, NULL, "BEGIN", NULL, error);
  self->may_retry = 0;
  self->in_transaction = code == MLOOM_OK;
  return code;
}

static void rollback(database *database_) {
  postgresql *self = (postgresql *)database_;
  int may_retry = self->may_retry;
  if (self->connection != NULL) {
    (void)execute(self, NULL, "ROLLBACK", NULL, NULL);
  }
  self->in_transaction = 0;
  self->may_retry = may_retry;
}

/* The connection went while it was to commit. The transaction has left its token if it has committed; that the token is
 * put there now keeps it from committing later. */
static int32_t settle(postgresql *self, const parameters *token, mloom_error *error) {
  int64_t deadline_ms = now_ms() + SETTLE_MS;
  self->may_retry = 0;
  while (now_ms() < deadline_ms) {
    PGresult *result = NULL;
    if (ensure_connection(self, NULL) == MLOOM_OK &&
        execute(self, &result,
                "INSERT INTO outcome (token, time_ms) VALUES ($1, now_ms()) ON CONFLICT (token) DO NOTHING", token,
                NULL) == MLOOM_OK) {
      self->may_retry = strcmp(PQcmdTuples(result), "0") != 0;
      PQclear(result);
      return self->may_retry ? mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_SYSTEM, "try again",
                                               "the database %s was lost before it had written", self->base.name)
                             : MLOOM_OK;
    }
    self->may_retry = 0;
    poll(NULL, 0, PAUSE_MS);
  }
  return mloom_error_set(
      error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_SYSTEM, "look whether it is there before you write it again",
      "the database %s was lost while it was writing: whether it has is not known yet", self->base.name);
}

static int32_t commit(database *database_, mloom_error *error) {
  postgresql *self = (postgresql *)database_;
  PGresult *result = NULL;
  uint64_t number[2];
  char token[33];
  parameters given = {.count = 1, .types = {TEXT_TYPE}, .values = {token}};
  if (getrandom(number, sizeof number, 0) != sizeof number) {
    rollback(database_);
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_SYSTEM, NULL, "there are no random bytes");
  }
  snprintf(token, sizeof token, "%016" PRIx64 "%016" PRIx64, number[0], number[1]);
  int32_t code = execute(self, NULL,
                         "INSERT INTO outcome (token, time_ms) SELECT $1, now_ms() WHERE txid_current_if_assigned() IS "
                         "NOT NULL",
                         &given, error);
  if (code != MLOOM_OK) {
    rollback(database_);
    return code;
  }
  code = execute(self, &result, "COMMIT", NULL, error);
  self->in_transaction = 0;
  if (code == MLOOM_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0) {
    code = mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_SYSTEM, "see the server's log",
                           "the database %s undid a transaction", self->base.name);
  }
  PQclear(result);
  return self->connection == NULL ? settle(self, &given, error) : code;
}

static int may_retry(const database *database_) {
  return ((const postgresql *)database_)->may_retry;
}

static void close_connection(database *database_) {
  postgresql *self = (postgresql *)database_;
  disconnect(self);
  mloom_secret_unref(self->url);
  free(self->base.name);
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
                                       .close = close_connection,
                                       .is_shared = 1};

/* ---- Opening ---- */

static int32_t read_number(database *self, int64_t *out, mloom_error *error, const char *sql, const char *text) {
  database_rows *rows = NULL;
  int32_t code = database_read(&rows, self, error, sql, text == NULL ? NULL : "t", text);
  *out = 0;
  if (code == MLOOM_OK && database_step(rows, error) == 1) {
    *out = database_integer(rows, 0);
  }
  database_finish(rows);
  return code;
}

static int32_t migrate_part(database *self, const schema_part *part, mloom_error *error) {
  int64_t version = 0, count = 0;
  while (part->steps[count] != NULL) {
    count++;
  }
  int32_t code = read_number(self, &version, error, "SELECT version FROM part WHERE name = ?", part->name);
  if (code == MLOOM_OK && version > count) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SYSTEM,
                           "use the newer version, or another database",
                           "a newer version of this daemon has written to the database %s", self->name);
  }
  for (int64_t i = version; code == MLOOM_OK && i < count; i++) {
    code = execute((postgresql *)self, NULL, part->steps[i], NULL, error);
  }
  return code != MLOOM_OK || version == count
             ? code
             : database_write(NULL, self, error,
                              "INSERT INTO part (name, version) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version "
                              "= excluded.version",
                              "ti", part->name, count);
}

static int32_t migrate(database *self, void *userdata, mloom_error *error) {
  const schema_part *const *parts = userdata;
  int64_t is_there = 0;
  /* The number is as good as any that nobody else takes. */
  int32_t code = execute((postgresql *)self, NULL, "SELECT pg_advisory_xact_lock(7881299347898368)", NULL, error);
  code = code != MLOOM_OK
             ? code
             : read_number(self, &is_there, error, "SELECT 1 FROM pg_namespace WHERE nspname = 'mergeloomd'", NULL);
  if (code == MLOOM_OK && !is_there) {
    code = execute((postgresql *)self, NULL, "CREATE SCHEMA mergeloomd", NULL, error);
  }
  code = code != MLOOM_OK
             ? code
             : execute((postgresql *)self, NULL,
                       "CREATE TABLE IF NOT EXISTS part (name text PRIMARY KEY, version bigint NOT NULL)", NULL, error);
  for (size_t i = 0; code == MLOOM_OK && parts[i] != NULL; i++) {
    code = migrate_part(self, parts[i], error);
  }
  return code;
}

static int32_t take_url(postgresql *self, const char *url, mloom_error *error) {
  mloom_buffer normalized = MLOOM_BUFFER_INIT;
  int32_t code = database_url_normalize(&normalized, (mloom_bytes){url, strlen(url)}, error);
  code = code != MLOOM_OK ? code : mloom_secret_new(&self->url, normalized.data, normalized.size, error);
  mloom_buffer_wipe(&normalized);
  return code != MLOOM_OK ? code : connection_name(&self->base.name, self->url, error);
}

int32_t postgresql_open(database **out, const char *url, const schema_part *const *parts, mloom_error *error) {
  postgresql *self = calloc(1, sizeof *self);
  *out = NULL;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->base.driver = &driver;
  self->away = (mloom_error)MLOOM_ERROR_INIT;
  int32_t code = take_url(self, url, error);
  code = code != MLOOM_OK ? code : ensure_connection(self, error);
  code = code != MLOOM_OK ? code : database_transact(&self->base, migrate, (void *)(uintptr_t)parts, error);
  if (code != MLOOM_OK) {
    close_connection(&self->base);
    return code;
  }
  *out = &self->base;
  return MLOOM_OK;
}

/* ---- Listening ---- */

struct postgresql_ear {
  postgresql *heard;
  PGconn *connection;
};

int32_t postgresql_ear_new(postgresql_ear **out, database *heard, mloom_error *error) {
  *out = calloc(1, sizeof **out);
  if (*out == NULL) {
    return mloom_error_memory(error);
  }
  (*out)->heard = (postgresql *)heard;
  return MLOOM_OK;
}

void postgresql_ear_free(postgresql_ear *self) {
  if (self != NULL) {
    PQfinish(self->connection);
    free(self);
  }
}

static int32_t ask(postgresql_ear *self, const char *sql, mloom_error *error) {
  PGresult *result =
      PQsendQuery(self->connection, sql) ? connection_await(self->connection, now_ms() + CONNECT_MS) : NULL;
  int good = result != NULL && connection_is_good(result);
  PQclear(result);
  if (good) {
    return MLOOM_OK;
  }
  PQfinish(self->connection);
  self->connection = NULL;
  return connection_refuse(self->heard->base.name, &connection_lost, "the connection was lost", error);
}

/* Returns how many words there were. */
static int hand_over(postgresql_ear *self, void (*fn)(const char *word, void *userdata), void *userdata) {
  int count = 0;
  PGnotify *word = NULL;
  (void)PQconsumeInput(self->connection);
  while ((word = PQnotifies(self->connection)) != NULL) {
    if (word->be_pid != atomic_load(&self->heard->backend)) {
      fn(word->extra, userdata);
    }
    PQfreemem(word);
    count++;
  }
  return count;
}

int32_t postgresql_ear_wait(postgresql_ear *self, int64_t timeout_ms, int interrupt_fd,
                            void (*fn)(const char *word, void *userdata), void *userdata, mloom_error *error) {
  if (self->connection == NULL) {
    int32_t code = connection_open(&self->connection, self->heard->base.name, self->heard->url, error);
    code = code != MLOOM_OK ? code : ask(self, "LISTEN mergeloomd", error);
    return code != MLOOM_OK ? code : 2;
  }
  if (hand_over(self, fn, userdata) > 0) {
    return 1;
  }
  struct pollfd waiting[] = {{.fd = PQsocket(self->connection), .events = POLLIN},
                             {.fd = interrupt_fd, .events = POLLIN}};
  int count = poll(waiting, 2, (int)timeout_ms);
  if (count > 0 && waiting[1].revents != 0) {
    return 1;
  }
  if (count > 0 && PQconsumeInput(self->connection)) {
    (void)hand_over(self, fn, userdata);
    return 1;
  }
  /* Silence may be that of a connection that is gone. */
  int32_t code = ask(self, "SELECT 1", error);
  return code != MLOOM_OK ? code : 1;
}
