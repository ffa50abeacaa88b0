/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite files as a whole: copies of one that is in use, and the certainty that none is.
 */
#ifndef MERGELOOM_DAEMON_STORE_SNAPSHOT_H
#define MERGELOOM_DAEMON_STORE_SNAPSHOT_H

#include <mergeloom/types.h>

/* Writes what the file holds at one instant to copy, which has to be there and empty. Others may go on writing.
 * MLOOM_E_NOT_FOUND, MLOOM_E_IO: the file is damaged. */
int32_t snapshot_take(const char *path, const char *copy, mloom_error *error);
/* MLOOM_OK when the file is sound. */
int32_t snapshot_check(const char *path, mloom_error *error);

typedef struct sqlite3 snapshot_hold;

/* Keeps all others out until it is released; what they had not yet put into the file itself is put there. A file that
 * is not there, or is damaged beyond that, is no error: *out is NULL then. MLOOM_E_CONFLICT: another program has it
 * open. */
int32_t snapshot_hold_file(snapshot_hold **out, const char *path, mloom_error *error);
/* NULL is allowed. */
void snapshot_release(snapshot_hold *hold);

#endif
