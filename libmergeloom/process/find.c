/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static int is_bare_name(const char *name) {
  return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The resolved path of an executable regular file, to be freed; NULL when it is none. */
static char *resolve_program(const char *path) {
  char *resolved = realpath(path, NULL);
  struct stat status;
  if (resolved != NULL && (stat(resolved, &status) != 0 || !S_ISREG(status.st_mode) || access(resolved, X_OK) != 0)) {
    free(resolved);
    return NULL;
  }
  return resolved;
}

int32_t mloom_process_find(mloom_buffer *out, const char *name, const char *fixed_path, mloom_error *error) {
  if (!is_bare_name(name)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_PROCESS,
                           "give the bare name of a program, as in \"git\"", "\"%s\" is not the bare name of a command",
                           name);
  }
  for (const char *folder = fixed_path; *folder != '\0';) {
    size_t length = strcspn(folder, ":");
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer candidate = MLOOM_BUFFER_INIT;
    if (length > 0 && folder[0] == '/') {
      if (mloom_buffer_append(&candidate, folder, length) != MLOOM_OK ||
          mloom_buffer_append_char(&candidate, '/') != MLOOM_OK ||
          mloom_buffer_append_string(&candidate, name) != MLOOM_OK) {
        return mloom_error_memory(error);
      }
      MLOOM_AUTO(mloom_auto_free) char *resolved = resolve_program(candidate.data);
      if (resolved != NULL) {
        return mloom_buffer_append_string(out, resolved) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
      }
    }
    folder += length;
    folder += *folder == ':';
  }
  return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_PROCESS, "install it, or name another command",
                         "no program \"%s\" in %s", name, fixed_path);
}
