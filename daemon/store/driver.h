/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kind of database brings along: its own structures begin with these.
 */
#ifndef MERGELOOM_DAEMON_STORE_DRIVER_H
#define MERGELOOM_DAEMON_STORE_DRIVER_H

#include <stdarg.h>

#include "store/database.h"

typedef struct database_driver {
  int32_t (*prepare)(database_rows **out, database *self, mloom_error *error, const char *sql, const char *format,
                     va_list arguments);
  int32_t (*step)(database_rows *rows, mloom_error *error);
  const char *(*text)(database_rows *rows, int column);
  int64_t (*integer)(database_rows *rows, int column);
  int64_t (*changes)(database_rows *rows); /* after the last step */
  void (*finish)(database_rows *rows);
  int32_t (*begin)(database *self, mloom_error *error);
  int32_t (*commit)(database *self, mloom_error *error);
  void (*rollback)(database *self);
  /* 1 when what failed last has left no trace and may go well when it is done again. */
  int (*may_retry)(const database *self);
  void (*close)(database *self);
  int is_shared;
} database_driver;

struct database {
  const database_driver *driver;
  char *name;
};

struct database_rows {
  database *owner;
};

#endif
