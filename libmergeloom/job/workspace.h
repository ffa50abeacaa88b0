/* SPDX-License-Identifier: Apache-2.0
 *
 * The repository's working tree as tools see it. Every path is resolved beneath its root by the kernel; .git, in any
 * letter case and at any depth, does not exist for tools.
 */
#ifndef MLOOM_JOB_WORKSPACE_H
#define MLOOM_JOB_WORKSPACE_H

#include <sys/stat.h>

#include "base/buffer.h"
#include "job/document.h"
#include <mergeloom/types.h>

#define MLOOM_WORKSPACE_FILE_LIMIT (2u << 20) /* larger files are named, not shown */

typedef struct mloom_workspace {
  int root;   /* O_PATH */
  char *path; /* absolute, without symbolic links */
} mloom_workspace;

/* MLOOM_E_IO, MLOOM_E_NOT_FOUND: the folder cannot be used. MLOOM_E_UNSUPPORTED: the kernel has no openat2. */
int32_t mloom_workspace_open(mloom_workspace *out, const char *path, mloom_error *error);
/* A folder below the root as a workspace of its own; to be closed whatever comes of it. */
int32_t mloom_workspace_open_folder(mloom_workspace *out, const mloom_workspace *workspace, const char *path,
                                    mloom_error *error);
void mloom_workspace_close(mloom_workspace *workspace);

/* Appends path in normal form ("" for the root itself). Refuses what is absolute, has "..", control characters or a
 * .git component, or is too long. */
int32_t mloom_workspace_normalize(const mloom_workspace *workspace, mloom_buffer *out, mloom_bytes path,
                                  mloom_error *error);

/* Appends the content of a regular file. Symbolic links are followed inside the tree. MLOOM_E_LIMIT: too large, status
 * is filled. MLOOM_E_INVALID: no regular file. path is normal; status may be NULL. */
int32_t mloom_workspace_read(const mloom_workspace *workspace, const char *path, mloom_buffer *out, struct stat *status,
                             mloom_error *error);
/* MLOOM_OK when path exists, links followed, inside the tree and outside .git. */
int32_t mloom_workspace_check(const mloom_workspace *workspace, const char *path, mloom_error *error);
/* Replaces or creates a file in one step, folders above it included; a file that stood there keeps its mode. A
 * symbolic link, and a folder that is one, is refused. *out_created may be NULL. */
int32_t mloom_workspace_write(const mloom_workspace *workspace, const char *path, const char *data, size_t size,
                              int *out_created, mloom_error *error);

/* 1 when the bytes are not text: a NUL within the first 8000. */
int mloom_workspace_is_binary(const char *data, size_t size);

/* What a walk found. path is relative to the root. */
typedef struct mloom_workspace_entry {
  const char *path;
  const char *link; /* target of a symbolic link, else NULL */
  const struct stat *status;
} mloom_workspace_entry;

/* Visits what is below path ("" for the root) in the order of names, folders before their content, without following
 * links and without .git. fn returns non-zero to end the walk. Stops with *truncated set after a bounded number of
 * entries or levels. A path that is a file visits that one. */
int32_t mloom_workspace_walk(const mloom_workspace *workspace, const char *path, int recursive,
                             int (*fn)(const mloom_workspace_entry *entry, void *userdata), void *userdata,
                             int *truncated, mloom_error *error);

/* Appends the folders below the root that have a .git, and does not look into that. *incomplete is set when there are
 * more folders than are looked through, or some that cannot be opened. */
int32_t mloom_workspace_find_repositories(const mloom_workspace *workspace, mloom_text_list *out, uint32_t *incomplete,
                                          mloom_error *error);

#endif
