/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define LOGIN_FILE_LIMIT ((size_t)256 * 1024)

static int is_program(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* The first folder of path that has name. */
static int32_t search(mloom_buffer *out, const char *path, const char *name) {
  while (*path != '\0') {
    size_t size = strcspn(path, ":");
    mloom_buffer_clear(out);
    if (path[0] == '/' && mloom_buffer_append_format(out, "%.*s/%s", (int)size, path, name) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
    if (out->size > 0 && is_program(out->data)) {
      return MLOOM_OK;
    }
    path += size + (path[size] == ':');
  }
  return MLOOM_E_NOT_FOUND;
}

int32_t mloom_cli_find_program(mloom_buffer *out, const mloom_host *host, const char *name, mloom_error *error) {
  int32_t code = MLOOM_E_NOT_FOUND;
  const char *path = host->environment_get(host->ctx, "PATH");
  mloom_buffer_clear(out);
  if (name[0] == '/') {
    code = mloom_buffer_append_string(out, name);
    code = code == MLOOM_OK && !is_program(name) ? MLOOM_E_NOT_FOUND : code;
  } else if (strchr(name, '/') == NULL) {
    code = search(out, path == NULL ? MLOOM_CLI_USUAL_PATH : path, name);
  }
  if (code == MLOOM_E_NOT_FOUND) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER,
                           "install it, or give the absolute path of the program in the setting program",
                           name[0] == '/' ? "there is no program %s" : "%s is not found in PATH", name);
  }
  return code == MLOOM_OK ? code : mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER, NULL, "out of memory");
}

/* Bytes of path up to and with the last "/node_modules"; 0 when it has none. */
static size_t modules_size(const char *path) {
  static const char modules[] = "/node_modules/";
  size_t size = 0;
  for (const char *at = strstr(path, modules); at != NULL; at = strstr(at + 1, modules)) {
    size = (size_t)(at - path) + sizeof(modules) - 2;
  }
  return size;
}

int32_t mloom_cli_prefer_native(mloom_buffer *path, const char *const *candidates) {
  char resolved[PATH_MAX];
  if (realpath(mloom_buffer_string(path), resolved) == NULL) {
    return MLOOM_OK;
  }
  size_t size = modules_size(resolved);
  for (size_t i = 0; size > 0 && candidates[i] != NULL; i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer native = MLOOM_BUFFER_INIT;
    if (mloom_buffer_append_format(&native, "%.*s/%s", (int)size, resolved, candidates[i]) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
    if (is_program(native.data)) {
      mloom_buffer_clear(path);
      return mloom_buffer_append(path, native.data, native.size);
    }
  }
  return MLOOM_OK;
}

int32_t mloom_cli_package_folder(mloom_buffer *out, const char *path) {
  char resolved[PATH_MAX];
  mloom_buffer_clear(out);
  if (realpath(path, resolved) == NULL) {
    return mloom_buffer_append_string(out, path);
  }
  size_t size = modules_size(resolved);
  if (size == 0) {
    char *slash = strrchr(resolved, '/');
    size = slash == resolved ? 1 : (size_t)(slash - resolved);
  }
  return mloom_buffer_append(out, resolved, size);
}

int32_t mloom_cli_login_folder(mloom_buffer *out, const mloom_host *host, const char *given, const char *name,
                               const char *setting, mloom_error *error) {
  const char *home = host->environment_get(host->ctx, "HOME");
  mloom_buffer_clear(out);
  int32_t code;
  if (given != NULL && given[0] == '/') {
    code = mloom_buffer_append_string(out, given);
  } else if (given == NULL && home != NULL && home[0] == '/') {
    code = mloom_buffer_append_format(out, "%s/%s", home, name);
  } else {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_PROVIDER, "set it to an absolute path",
                           "%s has no folder for the login", setting);
  }
  return code == MLOOM_OK ? code : mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER, NULL, "out of memory");
}

int32_t mloom_cli_read_login(mloom_buffer *out, const char *folder, const char *name) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_format(&path, "%s/%s", folder, name);
  /* Room for all of it, so that nothing is left behind where the buffer grew. */
  code = code == MLOOM_OK ? mloom_buffer_reserve(out, LOGIN_FILE_LIMIT + 1) : code;
  return code == MLOOM_OK
             ? mloom_file_read(out, mloom_buffer_string(&path), LOGIN_FILE_LIMIT, MLOOM_DOMAIN_PROVIDER, NULL)
             : code;
}

static void tell(const mloom_probe_sink *sink, uint32_t state, const char *remedy, const char *folder, const char *what,
                 int error_number) {
  char text[480];
  snprintf(text, sizeof(text), "the login folder %s %s%s%s", folder, what, error_number == 0 ? "" : ": ",
           error_number == 0 ? "" : strerror(error_number));
  sink->check("login", state, text, remedy, sink->userdata);
}

int mloom_cli_check_folder(const char *folder, const char *setting, int may_make, const mloom_probe_sink *sink) {
  struct stat status;
  char remedy[240];
  int made = may_make && stat(folder, &status) != 0 ? mloom_file_make_folder(folder) : 0;
  if (made != 0) {
    snprintf(remedy, sizeof(remedy),
             "set %s to a folder that the worker can write: the program keeps its conversations "
             "there",
             setting);
    tell(sink, MLOOM_CHECK_FAIL, remedy, folder, "is not there and cannot be made", made);
    return 0;
  }
  if (stat(folder, &status) != 0) {
    snprintf(remedy, sizeof(remedy), "log in, which makes it, or set %s to the folder of a login", setting);
    tell(sink, MLOOM_CHECK_FAIL, remedy, folder, "is not there", errno);
    return 0;
  }
  if (!S_ISDIR(status.st_mode)) {
    snprintf(remedy, sizeof(remedy), "set %s to a folder", setting);
    tell(sink, MLOOM_CHECK_FAIL, remedy, folder, "is no folder", 0);
    return 0;
  }
  if (access(folder, R_OK | W_OK | X_OK) != 0) {
    tell(sink, MLOOM_CHECK_FAIL,
         "mount the volume read-write and let the worker's user own it: the program keeps its renewed login and its "
         "conversations there",
         folder, "cannot be written", errno);
    return 0;
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0 && (status.st_mode & S_IWOTH) != 0) {
    tell(sink, MLOOM_CHECK_WARN, "take away the others' right to write: chmod 700", folder,
         "can be changed by every user of this machine", 0);
  }
  return 1;
}

int mloom_cli_has_file(const char *folder, const char *name) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  struct stat status;
  return mloom_buffer_append_format(&path, "%s/%s", folder, name) == MLOOM_OK && lstat(path.data, &status) == 0;
}

int mloom_cli_is_locked(const char *folder) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&path, "%s/.mergeloom-lock", folder) != MLOOM_OK) {
    return 0;
  }
  int fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    return 0;
  }
  int locked = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(fd);
  return locked;
}
