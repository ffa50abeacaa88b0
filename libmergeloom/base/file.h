/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_BASE_FILE_H
#define MLOOM_BASE_FILE_H

#include "base/buffer.h"

/* Appends the file's bytes. Refuses what is no regular file and what is larger than limit (MLOOM_E_LIMIT); never
 * blocks on a FIFO. */
int32_t mloom_file_read(mloom_buffer *out, const char *path, size_t limit, uint32_t domain, mloom_error *error);
/* Writes all of data to fd. 0, or -1 with errno. */
int mloom_file_write_all(int fd, const char *data, size_t size);
/* Writes a temporary file beside path, syncs and renames it: the old or the new content stands at any instant. */
int32_t mloom_file_replace(const char *path, const char *data, size_t size, uint32_t mode, uint32_t domain,
                           mloom_error *error);
/* The same for files that nobody needs after a crash of the machine: without the wait for the disk. */
int32_t mloom_file_put(const char *path, const char *data, size_t size, uint32_t mode, uint32_t domain,
                       mloom_error *error);
/* MLOOM_OK, or MLOOM_E_DENIED when path or a folder above it can be changed by others than root and the caller. */
int32_t mloom_file_check_trusted(const char *path, uint32_t domain, mloom_error *error);
/* Makes the folder and those above it that are missing, mode 0700. 0, or an errno. */
int mloom_file_make_folder(const char *folder);
/* Removes a folder and all below it without following links. */
int32_t mloom_file_remove_tree(const char *path, mloom_error *error);

#endif
