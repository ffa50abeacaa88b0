/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite with errors of ours: the only file that knows it is sqlite.c.
 */
#ifndef MERGELOOM_DAEMON_STORE_SQLITE_H
#define MERGELOOM_DAEMON_STORE_SQLITE_H

#include "store/database.h"

/* Opens or makes the file (mode 0600, its folder 0700) and runs those of migrations that it has not seen: each is run
 * once, in order, in one transaction. The list ends with NULL and only ever grows. MLOOM_E_UNSUPPORTED: the file has
 * seen more of them than there are. */
int32_t sqlite_open(database **out, const char *path, const char *const *migrations, mloom_error *error);

#endif
