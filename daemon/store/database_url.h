/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_STORE_DATABASE_URL_H
#define MERGELOOM_DAEMON_STORE_DATABASE_URL_H

#include "base/buffer.h"

/* Appends the URL of a PostgreSQL server in libpq's spelling: "postgresql+psycopg://" and the like lose the name of
 * their driver. MLOOM_E_INVALID: it is another URL, or none; messages hold nothing of it. */
int32_t database_url_normalize(mloom_buffer *out, mloom_bytes url, mloom_error *error);

#endif
