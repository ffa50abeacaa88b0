/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens one plugin file. The only file that knows libltdl is loader.c.
 */
#ifndef MLOOM_PLUGIN_LOADER_H
#define MLOOM_PLUGIN_LOADER_H

#include <mergeloom/plugin.h>

typedef struct mloom_module mloom_module;

/* Opens the shared object at path (absolute) and finds its entry. Its code stays mapped for the rest of the process:
 * libraries that a plugin brings along may leave threads and exit handlers behind. So a path once opened keeps its
 * code, and another version of a plugin has to come under another path; both then work side by side. MLOOM_E_NOT_FOUND,
 * MLOOM_E_DENIED (others may write to it), MLOOM_E_INVALID (no plugin; the message is the dynamic linker's own),
 * MLOOM_E_UNSUPPORTED (another machine or ABI), MLOOM_E_MEMORY. Thread-safe. */
int32_t mloom_loader_open(mloom_module **out, const char *path, mloom_error *error);
mloom_plugin_init_fn mloom_module_init(const mloom_module *module);
/* Gives the handle back; the code stays mapped. NULL is allowed. */
void mloom_module_close(mloom_module *module);

/* Held while a plugin's entry, its descriptor or its shutdown is in use: a plugin that keeps them in variables need not
 * care how many contexts come and go on how many threads. May be taken again by the thread that has it. */
void mloom_loader_lock(void);
void mloom_loader_unlock(void);

/* A plugin file that was found. */
typedef struct mloom_plugin_file {
  char *name; /* "x" of mergeloom-x.so */
  char *path; /* absolute, symbolic links followed where possible */
} mloom_plugin_file;

/* Lists the plugin files of folder in sorted order: mergeloom-*.so, and where there is only a mergeloom-*.la (a build
 * tree) the shared object that libtool keeps for it in .libs. *out and what it holds belong to the caller. A folder
 * that does not exist gives an empty list. MLOOM_E_DENIED: others may write to it. */
int32_t mloom_loader_list(mloom_plugin_file **out, size_t *out_count, const char *folder, mloom_error *error);
void mloom_plugin_files_free(mloom_plugin_file *files, size_t count);

#endif
