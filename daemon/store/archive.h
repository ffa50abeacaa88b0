/* SPDX-License-Identifier: Apache-2.0
 *
 * The little of tar (POSIX ustar) that a backup needs: regular files under plain names, one after the other.
 */
#ifndef MERGELOOM_DAEMON_STORE_ARCHIVE_H
#define MERGELOOM_DAEMON_STORE_ARCHIVE_H

#include <mergeloom/types.h>

#define ARCHIVE_NAME_SIZE 101

typedef struct archive_entry {
  char name[ARCHIVE_NAME_SIZE];
  int64_t size;
} archive_entry;

/* Appends a file of mode 0600 with what source has from its beginning on. MLOOM_E_LIMIT: it is larger than the format
 * can say. path names the archive in errors. */
int32_t archive_add(int archive, const char *path, const char *name, int source, int64_t time_ms, mloom_error *error);
int32_t archive_finish(int archive, const char *path, mloom_error *error);

/* 1: an entry, whose content is next; 0: the end; MLOOM_E_INVALID: path is no such archive, or not a whole one. */
int32_t archive_next(int archive, const char *path, archive_entry *out, mloom_error *error);
/* Reads the content of entry into target. */
int32_t archive_extract(int archive, const char *path, const archive_entry *entry, int target, mloom_error *error);

#endif
