/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a program and its login are on this machine. This looks at names and at small files; it starts nothing.
 */
#ifndef MLOOM_CLI_PROGRAM_H
#define MLOOM_CLI_PROGRAM_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

/* The PATH of jobs, and where the host's own is unset. */
#define MLOOM_CLI_USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

/* The absolute path of name: itself when it is absolute, else looked up in the host's PATH, or in the usual folders
 * where that is unset. MLOOM_E_NOT_FOUND. */
int32_t mloom_cli_find_program(mloom_buffer *out, const mloom_host *host, const char *name, mloom_error *error);
/* An npm package starts its real program from a script. Where the real one is at resolved_folder/candidate, it is put
 * in the place of what path holds: it needs no Node.js, and a signal reaches it at once. candidates end with NULL and
 * are relative to the node_modules folder that path is in. */
int32_t mloom_cli_prefer_native(mloom_buffer *path, const char *const *candidates);
/* The folder with all that was installed along with the program at path: its node_modules, else its own folder. */
int32_t mloom_cli_package_folder(mloom_buffer *out, const char *path);
/* given, or HOME of the host with name after it. MLOOM_E_NOT_CONFIGURED when neither is there. */
int32_t mloom_cli_login_folder(mloom_buffer *out, const mloom_host *host, const char *given, const char *name,
                               const char *setting, mloom_error *error);
/* Reads a file of the login folder that may hold secrets; the caller wipes out. MLOOM_E_NOT_FOUND. */
int32_t mloom_cli_read_login(mloom_buffer *out, const char *folder, const char *name);
int mloom_cli_has_file(const char *folder, const char *name);
/* Tells the check "login" or "cli" when the login folder cannot be used: absent, read-only, of another user. 1 when it
 * can be used. may_make: a missing one is made, for a program that has a key and keeps its conversations there only. */
int mloom_cli_check_folder(const char *folder, const char *setting, int may_make, const mloom_probe_sink *sink);
/* Tells the check "login" when another process works with the login folder; the lock is that of the host. */
int mloom_cli_is_locked(const char *folder);

#endif
