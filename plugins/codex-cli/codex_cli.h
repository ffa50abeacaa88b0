/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this provider share.
 */
#ifndef MLOOM_CODEX_CLI_H
#define MLOOM_CODEX_CLI_H

#include "cli/agent.h"

/* How the login folder says that codex is logged in. */
#define MLOOM_CODEX_LOGIN_NONE 0
#define MLOOM_CODEX_LOGIN_KEY 1
#define MLOOM_CODEX_LOGIN_TOKENS 2 /* which it renews: two at once would spend them */
int mloom_codex_login_kind(const mloom_cli_instance *instance);

/* Whether the worker's sandbox holds codex as a whole. */
int mloom_codex_is_confined(const mloom_cli_instance *instance);

/* What commands may reach besides programs and libraries of the system; the lists end with NULL. */
typedef struct mloom_codex_places {
  const char *const *readable;
  const char *const *writable;
  int read_only; /* the workspace */
} mloom_codex_places;
/* Adds the permission profile "mergeloom". */
void mloom_codex_add_program_sandbox(const mloom_cli_instance *instance, const mloom_codex_places *places,
                                     mloom_cli_command *command);

int32_t mloom_codex_describe_probe(mloom_cli_instance *instance, uint32_t probe, mloom_cli_command *command,
                                   mloom_error *error);
int32_t mloom_codex_judge_probe(mloom_cli_instance *instance, uint32_t probe, int32_t status, mloom_bytes output,
                                const mloom_probe_sink *sink, mloom_error *error);
int32_t mloom_codex_describe_login(mloom_cli_instance *instance, uint32_t login, const mloom_secret *secret,
                                   mloom_cli_command *command, mloom_error *error);

#endif
