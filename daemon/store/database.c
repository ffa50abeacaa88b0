/* SPDX-License-Identifier: Apache-2.0 */
#include "store/database.h"

#include "base/error.h"
#include "store/driver.h"

#define ATTEMPT_LIMIT 4

void database_close(database *self) {
  if (self != NULL) {
    self->driver->close(self);
  }
}

const char *database_name(const database *self) {
  return self->name;
}

int database_is_shared(const database *self) {
  return self->driver->is_shared;
}

/* ---- Rows ---- */

int32_t database_read(database_rows **out, database *self, mloom_error *error, const char *sql, const char *format,
                      ...) {
  va_list arguments;
  va_start(arguments, format);
  int32_t code = self->driver->prepare(out, self, error, sql, format, arguments);
  va_end(arguments);
  return code;
}

int32_t database_step(database_rows *rows, mloom_error *error) {
  return rows->owner->driver->step(rows, error);
}

const char *database_text(database_rows *rows, int column) {
  return rows->owner->driver->text(rows, column);
}

int64_t database_integer(database_rows *rows, int column) {
  return rows->owner->driver->integer(rows, column);
}

void database_finish(database_rows *rows) {
  if (rows != NULL) {
    rows->owner->driver->finish(rows);
  }
}

/* ---- Writing ---- */

static int32_t write_all(int64_t *changed, database *self, mloom_error *error, const char *sql, const char *format,
                         va_list arguments) {
  database_rows *rows = NULL;
  int32_t code = self->driver->prepare(&rows, self, error, sql, format, arguments);
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(rows, error)) == 1) {
  }
  if (step == 0 && changed != NULL) {
    *changed = self->driver->changes(rows);
  }
  database_finish(rows);
  return step;
}

int32_t database_write(int64_t *changed, database *self, mloom_error *error, const char *sql, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int32_t code = write_all(changed, self, error, sql, format, arguments);
  va_end(arguments);
  return code;
}

typedef struct statement {
  int64_t *changed;
  const char *sql, *format;
  va_list arguments;
} statement;

static int32_t run_statement(database *self, void *userdata, mloom_error *error) {
  statement *told = userdata;
  va_list arguments;
  va_copy(arguments, told->arguments);
  int32_t code = write_all(told->changed, self, error, told->sql, told->format, arguments);
  va_end(arguments);
  return code;
}

int32_t database_run(int64_t *changed, database *self, mloom_error *error, const char *sql, const char *format, ...) {
  statement told = {.changed = changed, .sql = sql, .format = format};
  va_start(told.arguments, format);
  int32_t code = database_transact(self, run_statement, &told, error);
  va_end(told.arguments);
  return code;
}

int32_t database_transact(database *self, database_work work, void *userdata, mloom_error *error) {
  for (int attempt = 1;; attempt++) {
    int32_t code = self->driver->begin(self, error);
    if (code != MLOOM_OK) {
      return code;
    }
    code = work(self, userdata, error);
    if (code != MLOOM_OK) {
      self->driver->rollback(self);
    } else {
      code = self->driver->commit(self, error);
    }
    if (code == MLOOM_OK || attempt == ATTEMPT_LIMIT || !self->driver->may_retry(self)) {
      return code;
    }
  }
}
