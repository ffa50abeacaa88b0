/* SPDX-License-Identifier: Apache-2.0
 *
 * The stores of a daemon in one file: a tar of its three SQLite files, of the key of its secrets when it is asked for,
 * and of manifest.json with their digests, which comes last.
 */
#ifndef MERGELOOM_DAEMON_STORE_BACKUP_H
#define MERGELOOM_DAEMON_STORE_BACKUP_H

#include "deployment.h"

/* Writes the file, mode 0600, while daemons go on. MLOOM_E_CONFLICT: it is there already and replace is 0.
 * MLOOM_E_UNSUPPORTED: the stores are in a database server. */
int32_t backup_write(const deployment *where, const char *path, int with_key, int replace, mloom_error *error);

typedef struct backup_report {
  char made_at[32];
  char suffix[40];  /* of the former files, which lie beside the new ones; "" when there were none */
  int lost_secrets; /* that open with none of the keys */
} backup_report;

/* Puts the stores of the file in the place of those that are there, which are kept aside; all or nothing of it is
 * checked first. The stores are brought to the schema of this daemon. MLOOM_E_CONFLICT: a daemon runs. MLOOM_E_INVALID:
 * no whole backup. MLOOM_E_UNSUPPORTED: one of a newer daemon. MLOOM_E_NOT_FOUND: the key of its secrets is missing and
 * without_secrets is 0. */
int32_t backup_restore(const deployment *where, const char *path, int without_secrets, backup_report *report,
                       mloom_error *error);

#endif
