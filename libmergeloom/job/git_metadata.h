/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of .git that a later git, outside the sandbox, would run or believe: configuration, hooks, ignore rules,
 * unfinished rebases. Landlock cannot take a folder out of a writable tree, so they are remembered before the first
 * command and put back after each one.
 */
#ifndef MLOOM_JOB_GIT_METADATA_H
#define MLOOM_JOB_GIT_METADATA_H

#include "job/document.h"
#include "job/workspace.h"
#include "secret/redactor.h"

#define MLOOM_GIT_NONE 0u      /* no repository: a plain folder */
#define MLOOM_GIT_INSIDE 1u    /* .git is a folder of the working tree */
#define MLOOM_GIT_ELSEWHERE 2u /* .git is a file or link: a worktree or submodule */

typedef struct mloom_git_entry mloom_git_entry;

typedef struct mloom_git_metadata {
  uint32_t kind;
  uint32_t incomplete; /* 1: more than can be remembered */
  char *git_dir;       /* absolute; NULL for MLOOM_GIT_NONE */
  char *common_dir;    /* where objects, refs and configuration are */
  char head[80];       /* commit id at load, "" when there is none yet */
  dev_t device;
  ino_t inode;
  mloom_git_entry *entries; /* sorted by path */
  size_t entry_count;
} mloom_git_metadata;

int32_t mloom_git_metadata_load(mloom_git_metadata *out, const mloom_workspace *workspace, mloom_error *error);
void mloom_git_metadata_free(mloom_git_metadata *metadata);

/* Puts back what changed since load and appends the changed names. MLOOM_E_CONFLICT: .git itself was replaced and
 * cannot be put back. */
int32_t mloom_git_metadata_restore(mloom_git_metadata *metadata, const mloom_workspace *workspace,
                                   mloom_text_list *changed, mloom_error *error);

/* The same of a folder below the root that has a .git; folder's root need not be O_PATH. Without is_trusted nothing of
 * it is remembered, so that restore takes away all that is guarded. Only what restore and free need is filled. */
int32_t mloom_git_metadata_load_nested(mloom_git_metadata *out, const mloom_workspace *folder, int is_trusted,
                                       mloom_error *error);

/* All repositories below the root: a git outside the sandbox that looks at the whole tree also runs what these name,
 * once the index has them as submodules. */
typedef struct mloom_git_nested {
  struct mloom_git_nested_item *items; /* sorted by path */
  size_t count;
  uint32_t loaded;
  uint32_t incomplete; /* 1: the tree has more folders than are looked through, or closed ones */
} mloom_git_nested;

/* MLOOM_OK at once when it was loaded before. */
int32_t mloom_git_nested_load(mloom_git_nested *nested, const mloom_workspace *workspace, mloom_error *error);
/* Puts back what changed, and takes configuration and hooks from repositories that are new. Nothing when it was never
 * loaded. Errors as with mloom_git_metadata_restore. */
int32_t mloom_git_nested_restore(mloom_git_nested *nested, const mloom_workspace *workspace, mloom_text_list *changed,
                                 mloom_error *error);
void mloom_git_nested_free(mloom_git_nested *nested);

/* Tells the redactor of credentials that stand in the repository's configuration: in remote URLs and extra headers. */
int32_t mloom_git_metadata_hide_credentials(const mloom_git_metadata *metadata, mloom_redactor *redactor,
                                            mloom_error *error);

/* Reads the commit that HEAD names now into out ("" when there is none or it cannot be told). */
void mloom_git_metadata_head(const mloom_git_metadata *metadata, char out[80]);

/* Copies the index from one git folder to another, without the marks that hide changes of files. */
int32_t mloom_git_index_copy(const char *from, const char *to, size_t id_size, mloom_error *error);

#endif
