/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/error.h"
#include "plugin/registry.h"

#define VARIABLE "MERGELOOM_PLUGIN_PATH="

void mloom_plugin_paths_free(char **paths) {
  for (char **path = paths; path != NULL && *path != NULL; path++) {
    free(*path);
  }
  free(paths);
}

static int32_t add_path(char ***paths, size_t *count, const char *path, size_t size) {
  char **grown = realloc(*paths, (*count + 2) * sizeof(**paths));
  if (grown == NULL) {
    return MLOOM_E_MEMORY;
  }
  *paths = grown;
  grown[*count] = strndup(path, size);
  if (grown[*count] == NULL) {
    return MLOOM_E_MEMORY;
  }
  grown[++*count] = NULL;
  return MLOOM_OK;
}

static const char *find_value(const char *const *environment) {
  for (; environment != NULL && *environment != NULL; environment++) {
    if (strncmp(*environment, VARIABLE, strlen(VARIABLE)) == 0) {
      return *environment + strlen(VARIABLE);
    }
  }
  return NULL;
}

static int32_t add_listed(char ***paths, size_t *count, const char *list, const mloom_log *log) {
  int32_t code = MLOOM_OK;
  while (code == MLOOM_OK && *list != '\0') {
    size_t size = strcspn(list, ":");
    if (list[0] == '/') {
      code = add_path(paths, count, list, size);
    } else if (size > 0) {
      mloom_log_write(log, MLOOM_LOG_WARNING, "plugin",
                      "MERGELOOM_PLUGIN_PATH: \"%.*s\" is left out because it is relative; give an absolute path",
                      (int)size, list);
    }
    list += size;
    list += *list == ':';
  }
  return code;
}

int32_t mloom_plugin_default_paths(char ***out, const char *const *environment, const mloom_log *log,
                                   mloom_error *error) {
  *out = NULL;
  char **paths = NULL;
  size_t count = 0;
  /* A set-user-id program must not run code that its caller names. */
  const char *list = getauxval(AT_SECURE) != 0 ? NULL : find_value(environment);
  int32_t code = list == NULL ? MLOOM_OK : add_listed(&paths, &count, list, log);
  if (code == MLOOM_OK) {
    code = add_path(&paths, &count, MLOOM_PLUGIN_DIR, strlen(MLOOM_PLUGIN_DIR));
  }
  if (code != MLOOM_OK) {
    mloom_plugin_paths_free(paths);
    return mloom_error_memory(error);
  }
  *out = paths;
  return MLOOM_OK;
}
