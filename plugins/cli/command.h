/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts a run of a program together: words, variables, files and paths, copied and kept until it is cleared.
 */
#ifndef MLOOM_CLI_COMMAND_H
#define MLOOM_CLI_COMMAND_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

#define MLOOM_CLI_FILES 4
#define MLOOM_CLI_SECRETS 4

typedef struct mloom_cli_list {
  char **items; /* ends with NULL */
  size_t count;
} mloom_cli_list;

typedef struct mloom_cli_command {
  mloom_cli_list words;
  mloom_cli_list environment;
  mloom_cli_list read_paths;
  mloom_cli_list write_paths;
  mloom_buffer input;
  mloom_bytes input_bytes;
  mloom_buffer file_names[MLOOM_CLI_FILES];
  mloom_buffer file_contents[MLOOM_CLI_FILES];
  mloom_process_file files[MLOOM_CLI_FILES];
  const mloom_process_file *file_list[MLOOM_CLI_FILES];
  size_t file_count;
  mloom_header secrets[MLOOM_CLI_SECRETS];
  const mloom_header *secret_list[MLOOM_CLI_SECRETS];
  size_t secret_count;
  int32_t failure; /* of any of the functions below: MLOOM_E_MEMORY */
  mloom_process_request request;
} mloom_cli_command;

/* Keeps nothing of the last run. */
void mloom_cli_command_clear(mloom_cli_command *command);

/* The functions below do nothing once one has failed; mloom_cli_command_finish tells. */
void mloom_cli_add(mloom_cli_command *command, mloom_cli_list *list, const char *text);
__attribute__((format(printf, 3, 4))) void mloom_cli_add_format(mloom_cli_command *command, mloom_cli_list *list,
                                                                const char *format, ...);
void mloom_cli_add_all(mloom_cli_command *command, mloom_cli_list *list, const char *const *texts);
/* Puts NAME=value in the place of an earlier one. */
void mloom_cli_set_variable(mloom_cli_command *command, const char *name, const char *value);
/* name has to be static, secret is borrowed. */
void mloom_cli_set_secret(mloom_cli_command *command, const char *name, const mloom_secret *secret);
void mloom_cli_set_input(mloom_cli_command *command, const char *data, size_t size);
/* The path of the file, borrowed, or "" when it failed. */
const char *mloom_cli_add_file(mloom_cli_command *command, const char *folder, const char *name, mloom_bytes content);
/* Appends a string as TOML and JSON write it. */
void mloom_cli_quote(mloom_cli_command *command, mloom_buffer *out, const char *text);

/* Fills request and points exchange at it; what request already says of times, flags, folder and lock stays. */
int32_t mloom_cli_command_finish(mloom_cli_command *command, mloom_exchange *exchange, mloom_error *error);

#endif
