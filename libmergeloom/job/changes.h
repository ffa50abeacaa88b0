/* SPDX-License-Identifier: Apache-2.0
 *
 * What the job changed: the working tree against the tree as it was when the job began. Computed by a git that has a
 * folder, index and configuration of its own, so that neither the user's index and objects nor anything a command did
 * to .git plays a part.
 */
#ifndef MLOOM_JOB_CHANGES_H
#define MLOOM_JOB_CHANGES_H

#include "job/command.h"

typedef struct mloom_changed_file {
  char *path;
  char status;     /* 'A'dded, 'M'odified, 'D'eleted, 'T'ype changed */
  uint32_t binary; /* 1: no lines were counted */
  int64_t added;
  int64_t removed;
  int64_t size; /* of a file too large for the diff, else -1 */
} mloom_changed_file;

typedef struct mloom_changes {
  char base[80];     /* commit or tree the diff is against */
  uint32_t dirty;    /* 1: the tree had changes before the job began; they are not in the diff */
  uint32_t complete; /* 1: files and patch describe the tree as it is now */
  uint32_t truncated;
  uint32_t indexed;          /* 1: the private index holds more than the base */
  mloom_changed_file *files; /* sorted by path */
  size_t file_count;
  mloom_buffer patch; /* unified diff, as git prints it */
  int64_t added;
  int64_t removed;
  mloom_text_list known;    /* large files and repositories that stood there before the job */
  mloom_text_list embedded; /* repositories inside the tree that are new: git looks into none of them */
} mloom_changes;

/* Remembers the tree as it is now. */
int32_t mloom_changes_begin(mloom_changes *changes, mloom_command_runner *runner, const mloom_call *call,
                            mloom_error *error);
/* Brings files and patch up to date. */
int32_t mloom_changes_update(mloom_changes *changes, mloom_command_runner *runner, const mloom_call *call,
                             mloom_error *error);
/* NULL when path did not change. */
const mloom_changed_file *mloom_changes_find(const mloom_changes *changes, const char *path);
void mloom_changes_free(mloom_changes *changes);

/* Reads the output of git diff --raw --numstat -p -z into files and patch; for update and tests. */
int32_t mloom_changes_parse(mloom_changes *changes, const char *data, size_t size, mloom_error *error);

#endif
