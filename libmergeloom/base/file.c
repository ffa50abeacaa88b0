/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define LARGEST_LINK_COUNT 40

/* ---- Reading ---- */

static int32_t read_all(mloom_buffer *out, int fd, const char *path, size_t limit, uint32_t domain,
                        mloom_error *error) {
  size_t before = out->size;
  for (;;) {
    if (mloom_buffer_reserve(out, 16384) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    ssize_t count = read(fd, out->data + out->size, out->capacity - out->size - 1);
    if (count == 0) {
      return MLOOM_OK;
    }
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return mloom_error_set_errno(error, errno, domain, NULL, "cannot read %s", path);
    }
    out->size += (size_t)count;
    out->data[out->size] = '\0';
    if (out->size - before > limit) {
      return mloom_error_set(error, MLOOM_E_LIMIT, domain, "use a smaller file", "%s is larger than %zu bytes", path,
                             limit);
    }
  }
}

int32_t mloom_file_read(mloom_buffer *out, const char *path, size_t limit, uint32_t domain, mloom_error *error) {
  /* O_NONBLOCK: opening a FIFO without a writer would wait. */
  MLOOM_AUTO(mloom_auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    return mloom_error_set_errno(error, errno, domain, "check the path and its permissions", "cannot open %s", path);
  }
  if (!S_ISREG(status.st_mode)) {
    return mloom_error_set(error, MLOOM_E_INVALID, domain, "name a regular file", "%s is not a regular file", path);
  }
  if (status.st_size > 0 && (uint64_t)status.st_size > limit) {
    return mloom_error_set(error, MLOOM_E_LIMIT, domain, "use a smaller file", "%s is larger than %zu bytes", path,
                           limit);
  }
  size_t before = out->size;
  int32_t code = read_all(out, fd, path, limit, domain, error);
  if (code != MLOOM_OK) {
    mloom_buffer_truncate(out, before);
  }
  return code;
}

/* ---- Replacing ---- */

int mloom_file_write_all(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t count = write(fd, data, size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return -1;
    }
    data += count;
    size -= (size_t)count;
  }
  return 0;
}

/* The rename is durable once the folder is on the disk too. */
static int sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  MLOOM_AUTO(mloom_auto_free)
  char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
  if (folder == NULL) {
    errno = ENOMEM;
    return -1;
  }
  MLOOM_AUTO(mloom_auto_close) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* Some file systems have no sync of folders. */
  return fd < 0 || (fsync(fd) != 0 && errno != EINVAL) ? -1 : 0;
}

static int32_t replace(const char *path, const char *data, size_t size, uint32_t mode, int sync, uint32_t domain,
                       mloom_error *error) {
  const char *slash = strrchr(path, '/');
  int folder_size = slash == NULL ? 0 : (int)(slash - path + 1);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer temporary = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&temporary, "%.*s.%s.XXXXXX", folder_size, path, path + folder_size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  MLOOM_AUTO(mloom_auto_close) int fd = mkostemp(temporary.data, O_CLOEXEC);
  if (fd < 0) {
    return mloom_error_set_errno(error, errno, domain, "make its folder writable for this user", "cannot write %s",
                                 path);
  }
  if (fchmod(fd, (mode_t)mode) != 0 || mloom_file_write_all(fd, data, size) != 0 || (sync && fsync(fd) != 0) ||
      rename(temporary.data, path) != 0) {
    int reason = errno;
    unlink(temporary.data);
    return mloom_error_set_errno(error, reason, domain, "check the free space and the folder's permissions",
                                 "cannot write %s", path);
  }
  if (sync && sync_folder(path) != 0) {
    return mloom_error_set_errno(error, errno, domain, NULL, "cannot sync the folder of %s", path);
  }
  return MLOOM_OK;
}

int32_t mloom_file_replace(const char *path, const char *data, size_t size, uint32_t mode, uint32_t domain,
                           mloom_error *error) {
  return replace(path, data, size, mode, 1, domain, error);
}

int32_t mloom_file_put(const char *path, const char *data, size_t size, uint32_t mode, uint32_t domain,
                       mloom_error *error) {
  return replace(path, data, size, mode, 0, domain, error);
}

/* ---- Trust ---- */

static int32_t distrust(mloom_error *error, uint32_t domain, const char *path, const char *place, const char *why) {
  return mloom_error_set(error, MLOOM_E_DENIED, domain,
                         "make it and the folders above it owned by root or this user and writable by the owner only "
                         "(chmod go-w)",
                         "%s is not trusted: %s %s", path, place, why);
}

/* In a folder with the sticky bit others cannot replace what is not theirs. */
static int32_t check_status(const char *path, const char *place, const struct stat *status, uint32_t domain,
                            mloom_error *error) {
  if (status->st_uid != 0 && status->st_uid != geteuid()) {
    return distrust(error, domain, path, place, "belongs to another user");
  }
  int writable = (status->st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (writable && !S_ISLNK(status->st_mode) && !(S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX) != 0)) {
    return distrust(error, domain, path, place, "can be changed by others");
  }
  return MLOOM_OK;
}

typedef struct trust_walk {
  mloom_buffer done; /* checked, without links; "" is the root folder */
  mloom_buffer rest; /* still to be walked */
  uint32_t links;
} trust_walk;

static void trust_walk_free(trust_walk *walk) {
  mloom_buffer_free(&walk->done);
  mloom_buffer_free(&walk->rest);
}

/* Puts a link's target in front of what is left. */
static int32_t follow_link(trust_walk *walk, size_t parent_size) {
  char target[PATH_MAX];
  ssize_t size = readlink(walk->done.data, target, sizeof(target) - 1);
  if (size < 0) {
    return MLOOM_E_IO;
  }
  target[size] = '\0';
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer rest = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&rest, "%s/%s", target, mloom_buffer_string(&walk->rest)) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  mloom_buffer_truncate(&walk->done, target[0] == '/' ? 0 : parent_size);
  mloom_buffer old = walk->rest;
  walk->rest = rest;
  rest = old;
  return MLOOM_OK;
}

/* Takes the next name from rest to done, checks it and follows it when it is a link. */
static int32_t walk_step(trust_walk *walk, const char *path, uint32_t domain, mloom_error *error) {
  size_t length = strcspn(walk->rest.data, "/");
  size_t parent_size = walk->done.size;
  struct stat status;
  if (length == 2 && memcmp(walk->rest.data, "..", 2) == 0) {
    const char *slash = strrchr(mloom_buffer_string(&walk->done), '/');
    mloom_buffer_truncate(&walk->done, slash == NULL ? 0 : (size_t)(slash - walk->done.data));
  } else if (length > 0 && !(length == 1 && walk->rest.data[0] == '.')) {
    if (mloom_buffer_append_format(&walk->done, "/%.*s", (int)length, walk->rest.data) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    if (lstat(walk->done.data, &status) != 0) {
      return mloom_error_set_errno(error, errno, domain, "check the path", "cannot examine %s", path);
    }
    int32_t code = check_status(path, walk->done.data, &status, domain, error);
    if (code != MLOOM_OK) {
      return code;
    }
    if (S_ISLNK(status.st_mode)) {
      mloom_buffer_consume(&walk->rest, length);
      if (++walk->links > LARGEST_LINK_COUNT) {
        return mloom_error_set_errno(error, ELOOP, domain, "check the path", "cannot examine %s", path);
      }
      code = follow_link(walk, parent_size);
      return code == MLOOM_OK ? code : mloom_error_set(error, code, domain, NULL, "cannot follow a link of %s", path);
    }
  }
  mloom_buffer_consume(&walk->rest, length + 1);
  return MLOOM_OK;
}

int32_t mloom_file_check_trusted(const char *path, uint32_t domain, mloom_error *error) {
  if (path[0] != '/') {
    return mloom_error_set(error, MLOOM_E_INVALID, domain, "give an absolute path", "%s is not an absolute path", path);
  }
  struct stat status;
  if (stat("/", &status) != 0) {
    return mloom_error_set_errno(error, errno, domain, NULL, "cannot examine /");
  }
  int32_t code = check_status(path, "/", &status, domain, error);
  MLOOM_AUTO(trust_walk_free) trust_walk walk = {MLOOM_BUFFER_INIT, MLOOM_BUFFER_INIT, 0};
  if (code == MLOOM_OK && mloom_buffer_append_string(&walk.rest, path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  while (code == MLOOM_OK && walk.rest.size > 0) {
    code = walk_step(&walk, path, domain, error);
  }
  return code;
}

/* ---- Removing ---- */

/* Opens a folder so that it can be emptied, whatever its mode was. */
static int open_for_removal(int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) {
    struct stat status;
    if (fstat(fd, &status) == 0 && (status.st_mode & S_IRWXU) != S_IRWXU) {
      (void)fchmod(fd, S_IRWXU);
    }
    return fd;
  }
  if (errno != EACCES) {
    return -1;
  }
  MLOOM_AUTO(mloom_auto_close) int handle = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", handle);
  if (handle < 0 || chmod(link, S_IRWXU) != 0) {
    return -1;
  }
  return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Empties the folder fd. A folder within that is not empty moves up into top and gets its turn there: however deep the
 * tree is, this needs two file descriptors and no recursion. */
static int empty_folder(int fd, int top, uint64_t *counter) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  DIR *folder = copy < 0 ? NULL : fdopendir(copy);
  if (folder == NULL) {
    int reason = errno;
    mloom_auto_close(&copy);
    errno = reason;
    return -1;
  }
  int result = 0;
  struct dirent *entry;
  while (result == 0 && (entry = readdir(folder)) != NULL) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(fd, name, 0) == 0 || errno == ENOENT ||
        unlinkat(fd, name, AT_REMOVEDIR) == 0 || fd == top) {
      continue;
    }
    char moved[64];
    do {
      /* Its ".." changes, so it has to be writable itself. */
      int child = open_for_removal(fd, name);
      mloom_auto_close(&child);
      snprintf(moved, sizeof(moved), ".mergeloom-remove-%llu", (unsigned long long)(*counter)++);
      result = renameat(fd, name, top, moved);
    } while (result != 0 && (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR));
  }
  int reason = errno;
  closedir(folder);
  errno = reason;
  return result;
}

/* One pass over top: everything in it that is a folder is emptied into it and removed. 1 when something is left. */
static int sweep(int top, uint64_t *counter) {
  if (empty_folder(top, top, counter) != 0) {
    return -1;
  }
  int copy = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = copy < 0 ? NULL : fdopendir(copy);
  if (folder == NULL) {
    mloom_auto_close(&copy);
    return -1;
  }
  int result = 0;
  struct dirent *entry;
  while (result >= 0 && (entry = readdir(folder)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
      continue;
    }
    MLOOM_AUTO(mloom_auto_close) int child = open_for_removal(top, entry->d_name);
    result =
        child < 0 || empty_folder(child, top, counter) != 0 || unlinkat(top, entry->d_name, AT_REMOVEDIR) != 0 ? -1 : 1;
  }
  int reason = errno;
  closedir(folder);
  errno = reason;
  return result;
}

int32_t mloom_file_remove_tree(const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int top = open_for_removal(AT_FDCWD, path);
  if (top < 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, NULL, "cannot open the folder %s", path);
  }
  uint64_t counter = 0;
  int left;
  do {
    left = sweep(top, &counter);
  } while (left > 0);
  if (left < 0 || rmdir(path) != 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, "remove it by hand", "cannot remove the folder %s",
                                 path);
  }
  return MLOOM_OK;
}

/* ---- Making folders ---- */

int mloom_file_make_folder(const char *folder) {
  MLOOM_AUTO(mloom_auto_free) char *path = strdup(folder);
  if (path == NULL) {
    return ENOMEM;
  }
  for (char *at = path + 1; *at != '\0'; at++) {
    if (*at == '/') {
      *at = '\0';
      if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return errno;
      }
      *at = '/';
    }
  }
  return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
}
