/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this provider share.
 */
#ifndef MLOOM_CLAUDE_CODE_CLI_H
#define MLOOM_CLAUDE_CODE_CLI_H

#include "cli/agent.h"

/* The key or token of the settings goes into the program's environment; without one, its login is used under a lock. */
void mloom_claude_add_secrets(const mloom_cli_instance *instance, mloom_cli_command *command);

int32_t mloom_claude_describe_probe(mloom_cli_instance *instance, uint32_t probe, mloom_cli_command *command,
                                    mloom_error *error);
int32_t mloom_claude_judge_probe(mloom_cli_instance *instance, uint32_t probe, int32_t status, mloom_bytes output,
                                 const mloom_probe_sink *sink, mloom_error *error);
int32_t mloom_claude_describe_login(mloom_cli_instance *instance, uint32_t login, const mloom_secret *secret,
                                    mloom_cli_command *command, mloom_error *error);

#endif
