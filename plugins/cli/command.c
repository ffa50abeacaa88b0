/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"

static void clear_list(mloom_cli_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i]);
  }
  free(list->items);
  memset(list, 0, sizeof(*list));
}

void mloom_cli_command_clear(mloom_cli_command *command) {
  clear_list(&command->words);
  clear_list(&command->environment);
  clear_list(&command->read_paths);
  clear_list(&command->write_paths);
  mloom_buffer_wipe(&command->input);
  for (size_t i = 0; i < MLOOM_CLI_FILES; i++) {
    mloom_buffer_free(&command->file_names[i]);
    mloom_buffer_free(&command->file_contents[i]);
  }
  memset(command, 0, sizeof(*command));
}

/* Takes text. */
static void add_taken(mloom_cli_command *command, mloom_cli_list *list, char *text) {
  char **items = text == NULL ? NULL : realloc(list->items, (list->count + 2) * sizeof(*items));
  if (items == NULL) {
    command->failure = MLOOM_E_MEMORY;
    free(text);
    return;
  }
  list->items = items;
  items[list->count++] = text;
  items[list->count] = NULL;
}

void mloom_cli_add(mloom_cli_command *command, mloom_cli_list *list, const char *text) {
  if (command->failure == MLOOM_OK) {
    add_taken(command, list, strdup(text));
  }
}

void mloom_cli_add_format(mloom_cli_command *command, mloom_cli_list *list, const char *format, ...) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  va_list arguments;
  va_start(arguments, format);
  int32_t code = mloom_buffer_append_vformat(&text, format, arguments);
  va_end(arguments);
  if (code != MLOOM_OK) {
    command->failure = code;
  }
  mloom_cli_add(command, list, mloom_buffer_string(&text));
}

void mloom_cli_add_all(mloom_cli_command *command, mloom_cli_list *list, const char *const *texts) {
  for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
    mloom_cli_add(command, list, texts[i]);
  }
}

void mloom_cli_set_variable(mloom_cli_command *command, const char *name, const char *value) {
  mloom_cli_list *list = &command->environment;
  size_t size = strlen(name);
  for (size_t i = 0; i < list->count; i++) {
    if (strncmp(list->items[i], name, size) == 0 && list->items[i][size] == '=') {
      free(list->items[i]);
      list->items[i] = list->items[--list->count];
      list->items[list->count] = NULL;
      break;
    }
  }
  mloom_cli_add_format(command, list, "%s=%s", name, value);
}

void mloom_cli_set_secret(mloom_cli_command *command, const char *name, const mloom_secret *secret) {
  if (command->secret_count == MLOOM_CLI_SECRETS) {
    command->failure = MLOOM_E_MEMORY;
    return;
  }
  mloom_header *header = &command->secrets[command->secret_count];
  *header = (mloom_header){.size = (uint32_t)sizeof(*header), .name = name, .value = "", .secret = secret};
  command->secret_list[command->secret_count++] = header;
}

void mloom_cli_set_input(mloom_cli_command *command, const char *data, size_t size) {
  mloom_buffer_clear(&command->input);
  if (mloom_buffer_append_wiping(&command->input, data, size) != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
}

const char *mloom_cli_add_file(mloom_cli_command *command, const char *folder, const char *name, mloom_bytes content) {
  size_t index = command->file_count;
  if (index == MLOOM_CLI_FILES ||
      mloom_buffer_append_format(&command->file_names[index], "%s/%s", folder, name) != MLOOM_OK ||
      mloom_buffer_append(&command->file_contents[index], content.data, content.size) != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
    return "";
  }
  command->files[index] =
      (mloom_process_file){.size = (uint32_t)sizeof(mloom_process_file),
                           .path = command->file_names[index].data,
                           .content = {mloom_buffer_string(&command->file_contents[index]), content.size}};
  command->file_list[command->file_count++] = &command->files[index];
  return command->file_names[index].data;
}

void mloom_cli_quote(mloom_cli_command *command, mloom_buffer *out, const char *text) {
  if (mloom_json_write_string(out, text, strlen(text)) != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
}

int32_t mloom_cli_command_finish(mloom_cli_command *command, mloom_exchange *exchange, mloom_error *error) {
  if (command->failure != MLOOM_OK) {
    return mloom_error_set(error, command->failure, MLOOM_DOMAIN_PROVIDER, NULL, "out of memory");
  }
  mloom_process_request *request = &command->request;
  request->size = (uint32_t)sizeof(*request);
  request->argv = (const char *const *)command->words.items;
  request->environment = (const char *const *)command->environment.items;
  request->read_paths = (const char *const *)command->read_paths.items;
  request->write_paths = (const char *const *)command->write_paths.items;
  command->input_bytes = (mloom_bytes){mloom_buffer_string(&command->input), command->input.size};
  request->input = command->input.size > 0 ? &command->input_bytes : NULL;
  request->files = command->file_list;
  request->file_count = command->file_count;
  request->variables = command->secret_list;
  request->variable_count = command->secret_count;
  exchange->kind = MLOOM_EXCHANGE_PROCESS;
  exchange->process = request;
  return MLOOM_OK;
}
