/* SPDX-License-Identifier: Apache-2.0 */
#include "job/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#define PATH_LIMIT 3800u
#define COMPONENT_LIMIT 255u

static int open_beneath(int root, const char *path, int flags, uint64_t resolve) {
  struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve};
  for (int attempt = 0;; attempt++) {
    int fd = (int)syscall(SYS_openat2, root, *path == '\0' ? "." : path, &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || attempt == 64) {
      return fd; /* EAGAIN: the tree is being renamed meanwhile */
    }
  }
}

int32_t mloom_workspace_open(mloom_workspace *out, const char *path, mloom_error *error) {
  *out = (mloom_workspace){-1, NULL};
  MLOOM_AUTO(mloom_auto_free) char *resolved = realpath(path, NULL);
  if (resolved == NULL) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, "give the path of a repository's working tree",
                                 "the repository %s cannot be used", path);
  }
  if (strcmp(resolved, "/") == 0) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_WORKSPACE,
                           "give the path of a repository's working tree",
                           "the repository cannot be the root of the file system");
  }
  MLOOM_AUTO(mloom_auto_close) int root = open(resolved, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, "give the path of a repository's working tree",
                                 "the repository %s cannot be opened", resolved);
  }
  MLOOM_AUTO(mloom_auto_close) int probe = open_beneath(root, "", O_PATH | O_DIRECTORY, 0);
  if (probe < 0) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_WORKSPACE,
                           "run on Linux 5.6 or later, and let the container's seccomp profile permit openat2",
                           "paths cannot be kept inside the repository: openat2 fails: %s", strerror(errno));
  }
  out->root = root;
  root = -1;
  out->path = MLOOM_STEAL(resolved);
  return MLOOM_OK;
}

int32_t mloom_workspace_open_folder(mloom_workspace *out, const mloom_workspace *workspace, const char *path,
                                    mloom_error *error) {
  *out = (mloom_workspace){open_beneath(workspace->root, path, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS), NULL};
  if (out->root < 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, NULL, "%s cannot be opened", path);
  }
  if (asprintf(&out->path, "%s/%s", workspace->path, path) < 0) {
    out->path = NULL;
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

void mloom_workspace_close(mloom_workspace *workspace) {
  mloom_auto_close(&workspace->root);
  free(workspace->path);
  *workspace = (mloom_workspace){-1, NULL};
}

static int32_t refuse(mloom_error *error, mloom_bytes path, const char *remedy, const char *why) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer shown = MLOOM_BUFFER_INIT;
  mloom_text_append_printable(&shown, path.data, path.size < 160 ? path.size : 160, 0);
  return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_WORKSPACE, remedy, "the path \"%s\" %s",
                         mloom_buffer_string(&shown), why);
}

static int is_git_name(mloom_bytes component) {
  return mloom_text_equal_fold(component, ".git");
}

static int32_t check_text(const mloom_workspace *workspace, mloom_bytes path, mloom_error *error) {
  if (path.size > PATH_LIMIT) {
    return refuse(error, path, "use a shorter path", "is too long");
  }
  for (size_t i = 0; i < path.size; i++) {
    if ((unsigned char)path.data[i] < 0x20 || path.data[i] == 0x7f) {
      return refuse(error, path, "use a path without control characters", "holds a control character");
    }
  }
  if (!mloom_text_is_utf8(path.data, path.size)) {
    return refuse(error, path, "write the path as UTF-8", "is not UTF-8");
  }
  if (path.size > 0 && path.data[0] == '/') {
    size_t length = strlen(workspace->path);
    if (path.size > length && memcmp(path.data, workspace->path, length) == 0 && path.data[length] == '/') {
      return refuse(error, path, "paths are relative to the repository: leave its own path out", "is absolute");
    }
    return refuse(error, path, "use a path relative to the repository, such as src/main.c", "is absolute");
  }
  return MLOOM_OK;
}

int32_t mloom_workspace_normalize(const mloom_workspace *workspace, mloom_buffer *out, mloom_bytes path,
                                  mloom_error *error) {
  int32_t code = check_text(workspace, path, error);
  size_t begin = out->size;
  for (size_t at = 0; at < path.size && code == MLOOM_OK;) {
    const char *slash = memchr(path.data + at, '/', path.size - at);
    size_t end = slash == NULL ? path.size : (size_t)(slash - path.data);
    mloom_bytes component = {path.data + at, end - at};
    at = end + 1;
    if (component.size == 0 || mloom_text_equal(component, ".")) {
      continue;
    }
    if (mloom_text_equal(component, "..")) {
      return refuse(error, path, "name the file from the repository's root", "has a \"..\" component");
    }
    if (is_git_name(component)) {
      return refuse(error, path, "use the git command or inspect_diff to learn about the history",
                    "is inside .git, which is not part of the job");
    }
    if (component.size > COMPONENT_LIMIT) {
      return refuse(error, path, "use shorter names", "has a component of more than 255 bytes");
    }
    if ((out->size > begin && mloom_buffer_append_char(out, '/') != MLOOM_OK) ||
        mloom_buffer_append(out, component.data, component.size) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
  }
  return code == MLOOM_OK && mloom_buffer_reserve(out, 1) != MLOOM_OK ? mloom_error_memory(error) : code;
}

static int32_t open_failed(const char *path, int errno_value, mloom_error *error) {
  if (errno_value == EXDEV) {
    return refuse(error, mloom_text_bytes(path), "use files inside the repository",
                  "leads out of the repository through a symbolic link");
  }
  if (errno_value == ELOOP) {
    return refuse(error, mloom_text_bytes(path), "use the link's target, if that is inside the repository",
                  "goes through a symbolic link");
  }
  if (errno_value == ENOENT || errno_value == ENOTDIR) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_WORKSPACE, "list_files shows what is there",
                           "%s does not exist", *path == '\0' ? "." : path);
  }
  return mloom_error_set_errno(error, errno_value, MLOOM_DOMAIN_WORKSPACE, NULL, "%s cannot be opened",
                               *path == '\0' ? "." : path);
}

/* A link inside the tree may still lead into .git: the name by which the kernel knows the file decides. */
static int32_t check_real_place(const mloom_workspace *workspace, int fd, const char *path, mloom_error *error) {
  char link[40];
  char real[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, real, sizeof real - 1);
  size_t root = strlen(workspace->path);
  if (size < 0 || (size_t)size < root || memcmp(real, workspace->path, root) != 0) {
    return refuse(error, mloom_text_bytes(path), "use files inside the repository",
                  "cannot be shown to be inside the repository");
  }
  for (size_t at = root; at < (size_t)size;) {
    size_t begin = at + 1;
    const char *slash = begin < (size_t)size ? memchr(real + begin, '/', (size_t)size - begin) : NULL;
    at = slash == NULL ? (size_t)size : (size_t)(slash - real);
    if (begin < at && is_git_name((mloom_bytes){real + begin, at - begin})) {
      return refuse(error, mloom_text_bytes(path), "use files outside .git", "leads into .git");
    }
  }
  return MLOOM_OK;
}

static const char *type_name(mode_t mode) {
  return S_ISDIR(mode)    ? "a folder"
         : S_ISFIFO(mode) ? "a FIFO"
         : S_ISSOCK(mode) ? "a socket"
         : S_ISLNK(mode)  ? "a symbolic link"
                          : "a device";
}

/* Opens a regular file for reading: looked at through O_PATH first, so that no device or FIFO is ever opened. */
static int32_t open_regular(const mloom_workspace *workspace, const char *path, int *out, struct stat *status,
                            mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int place = open_beneath(workspace->root, path, O_PATH, 0);
  if (place < 0) {
    return open_failed(path, errno, error);
  }
  int32_t code = check_real_place(workspace, place, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (fstat(place, status) != 0 || !S_ISREG(status->st_mode)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_WORKSPACE,
                           S_ISDIR(status->st_mode) ? "list_files lists folders" : "only regular files can be used",
                           "%s is %s, not a regular file", *path == '\0' ? "." : path, type_name(status->st_mode));
  }
  MLOOM_AUTO(mloom_auto_close) int fd = open_beneath(workspace->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  struct stat again;
  if (fd < 0) {
    return open_failed(path, errno, error);
  }
  if (fstat(fd, &again) != 0 || again.st_ino != status->st_ino || again.st_dev != status->st_dev) {
    return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_WORKSPACE, "read it again", "%s is being replaced",
                           path);
  }
  *out = fd;
  fd = -1;
  return MLOOM_OK;
}

int32_t mloom_workspace_check(const mloom_workspace *workspace, const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int place = open_beneath(workspace->root, path, O_PATH, 0);
  return place < 0 ? open_failed(path, errno, error) : check_real_place(workspace, place, path, error);
}

int32_t mloom_workspace_read(const mloom_workspace *workspace, const char *path, mloom_buffer *out, struct stat *status,
                             mloom_error *error) {
  struct stat own;
  status = status == NULL ? &own : status;
  memset(status, 0, sizeof *status);
  MLOOM_AUTO(mloom_auto_close) int fd = -1;
  int32_t code = open_regular(workspace, path, &fd, status, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (status->st_size > (off_t)MLOOM_WORKSPACE_FILE_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_WORKSPACE,
                           "search_files finds places in it; an allowed command can show parts",
                           "%s has %lld bytes, more than the %u that can be read at once", path,
                           (long long)status->st_size, MLOOM_WORKSPACE_FILE_LIMIT);
  }
  size_t begin = out->size;
  /* The file may grow while it is read. */
  while (out->size - begin <= MLOOM_WORKSPACE_FILE_LIMIT) {
    size_t want = out->size == begin ? (size_t)status->st_size + 1 : 65536;
    if (mloom_buffer_reserve(out, want) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    ssize_t got = read(fd, out->data + out->size, want);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, NULL, "%s cannot be read", path);
    }
    out->size += (size_t)got;
    out->data[out->size] = '\0';
    if (got == 0) {
      return MLOOM_OK;
    }
  }
  return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_WORKSPACE, NULL, "%s grows while it is read", path);
}

int mloom_workspace_is_binary(const char *data, size_t size) {
  return size > 0 && memchr(data, '\0', size < 8000 ? size : 8000) != NULL;
}

/* Opens the folder that is to hold path, making what is missing; *name is the last component. */
static int32_t open_parent(const mloom_workspace *workspace, const char *path, int *out, const char **name,
                           mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int folder = open_beneath(workspace->root, "", O_PATH | O_DIRECTORY, 0);
  if (folder < 0) {
    return open_failed("", errno, error);
  }
  const char *at = path;
  for (const char *slash; (slash = strchr(at, '/')) != NULL; at = slash + 1) {
    char component[COMPONENT_LIMIT + 1];
    snprintf(component, sizeof component, "%.*s", (int)(slash - at), at);
    if (mkdirat(folder, component, 0777) != 0 && errno != EEXIST) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, NULL, "the folder %.*s cannot be made",
                                   (int)(slash - path), path);
    }
    int next = open_beneath(folder, component, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
    if (next < 0) {
      MLOOM_AUTO(mloom_buffer_free) mloom_buffer prefix = MLOOM_BUFFER_INIT;
      int failed = errno;
      mloom_buffer_append(&prefix, path, (size_t)(slash - path));
      if (failed == ENOTDIR) {
        return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_WORKSPACE, "choose another path",
                               "%s is a file or link, not a folder", mloom_buffer_string(&prefix));
      }
      return open_failed(mloom_buffer_string(&prefix), failed, error);
    }
    close(folder);
    folder = next;
  }
  *name = at;
  *out = folder;
  folder = -1;
  return MLOOM_OK;
}

int32_t mloom_workspace_write(const mloom_workspace *workspace, const char *path, const char *data, size_t size,
                              int *out_created, mloom_error *error) {
  if (*path == '\0') {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_WORKSPACE, "name a file", "the path names no file");
  }
  MLOOM_AUTO(mloom_auto_close) int folder = -1;
  const char *name = NULL;
  int32_t code = open_parent(workspace, path, &folder, &name, error);
  if (code != MLOOM_OK) {
    return code;
  }
  struct stat old;
  int exists = fstatat(folder, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && !S_ISREG(old.st_mode)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_WORKSPACE,
                           S_ISLNK(old.st_mode) ? "write to the link's target, if that is inside the repository"
                                                : "choose another path",
                           "%s is %s and is not written", path, type_name(old.st_mode));
  }
  char temporary[48];
  uint64_t noise = 0;
  if (getrandom(&noise, sizeof noise, 0) != (ssize_t)sizeof noise) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, NULL, "no random number");
  }
  snprintf(temporary, sizeof temporary, ".mergeloom-%016llx.tmp", (unsigned long long)noise);
  MLOOM_AUTO(mloom_auto_close)
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, "correct the folder's permissions",
                                 "%s cannot be written", path);
  }
  if (exists) {
    /* Another owner's file stays theirs where that is possible. As with any write, no set-user-id bit stays. */
    int owner_kept = fchown(fd, old.st_uid, old.st_gid) == 0;
    (void)owner_kept;
    if (fchmod(fd, old.st_mode & 0777) != 0) {
      code = mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, NULL, "the mode of %s cannot be kept", path);
    }
  }
  if (code == MLOOM_OK && mloom_file_write_all(fd, data, size) != 0) {
    code =
        mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE,
                              "nothing was changed; free space or correct permissions", "%s cannot be written", path);
  }
  if (code == MLOOM_OK && renameat(folder, temporary, folder, name) != 0) {
    code = mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, NULL, "%s cannot be replaced", path);
  }
  if (code != MLOOM_OK) {
    unlinkat(folder, temporary, 0);
  } else if (out_created != NULL) {
    *out_created = !exists;
  }
  return code;
}
