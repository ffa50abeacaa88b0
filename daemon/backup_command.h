/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_BACKUP_COMMAND_H
#define MERGELOOM_DAEMON_BACKUP_COMMAND_H

#include "deployment.h"

#define BACKUP_USAGE -1000 /* no code of an error: the words make no sense */

/* mergeloomd backup and restore with the words that follow; prints what was done. */
int32_t backup_command_run(const deployment *where, const char *command, int count, char **words, mloom_error *error);
/* 1 for the names of these commands. */
int backup_command_is(const char *word);

#endif
