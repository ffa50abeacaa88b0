/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "store/postgresql.h"

static int32_t refuse(mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SYSTEM,
                         "use one that was built with libpq (./configure --with-postgresql), or unset the URL: what is "
                         "stored is then kept in SQLite files of one gateway",
                         "this mergeloomd was built without PostgreSQL");
}

int32_t postgresql_open(database **out, const char *url, const schema_part *const *parts, mloom_error *error) {
  (void)url;
  (void)parts;
  *out = NULL;
  return refuse(error);
}

int32_t postgresql_ear_new(postgresql_ear **out, database *heard, mloom_error *error) {
  (void)heard;
  *out = NULL;
  return refuse(error);
}

void postgresql_ear_free(postgresql_ear *ear) {
  (void)ear;
}

int32_t postgresql_ear_wait(postgresql_ear *ear, int64_t timeout_ms, int interrupt_fd,
                            void (*fn)(const char *word, void *userdata), void *userdata, mloom_error *error) {
  (void)ear;
  (void)timeout_ms;
  (void)interrupt_fd;
  (void)fn;
  (void)userdata;
  return refuse(error);
}
