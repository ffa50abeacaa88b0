/* SPDX-License-Identifier: Apache-2.0 */
#include "job/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

#define WALK_ENTRIES 200000u
#define WALK_DEPTH 48u

typedef struct walk {
  int (*fn)(const mloom_workspace_entry *entry, void *userdata);
  void *userdata;
  mloom_buffer path;
  size_t seen;
  int recursive;
  int stopped;
  int truncated;
} walk;

static void walk_free(walk *state) {
  mloom_buffer_free(&state->path);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef struct name_list {
  char **names;
  size_t count;
  size_t capacity;
} name_list;

static void name_list_free(name_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->names[i]);
  }
  free(list->names);
}

static int open_folder(int parent, const char *name) {
  struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  return (int)syscall(SYS_openat2, parent, name, &how, sizeof how);
}

static int32_t read_names(walk *state, DIR *folder, name_list *out) {
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || mloom_text_equal_fold(mloom_text_bytes(name), ".git")) {
      continue;
    }
    if (state->seen + out->count >= WALK_ENTRIES) {
      state->truncated = 1;
      break;
    }
    if (out->count == out->capacity) {
      size_t capacity = out->capacity == 0 ? 32 : out->capacity * 2;
      char **names = realloc(out->names, capacity * sizeof *names);
      if (names == NULL) {
        return MLOOM_E_MEMORY;
      }
      out->names = names;
      out->capacity = capacity;
    }
    out->names[out->count] = strdup(name);
    if (out->names[out->count] == NULL) {
      return MLOOM_E_MEMORY;
    }
    out->count++;
  }
  if (out->count > 1) {
    qsort(out->names, out->count, sizeof *out->names, compare_names);
  }
  return MLOOM_OK;
}

/* Tells fn of one entry. */
static int32_t visit(walk *state, int folder, const char *name, struct stat *status) {
  if (fstatat(folder, name, status, AT_SYMLINK_NOFOLLOW) != 0) {
    memset(status, 0, sizeof *status);
    return MLOOM_OK; /* gone meanwhile */
  }
  char target[1024];
  mloom_workspace_entry entry = {mloom_buffer_string(&state->path), NULL, status};
  if (S_ISLNK(status->st_mode)) {
    ssize_t size = readlinkat(folder, name, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = '\0';
    entry.link = target;
  }
  state->seen++;
  state->stopped = state->fn(&entry, state->userdata) != 0;
  return MLOOM_OK;
}

/* Takes over folder_fd. Recursion is bounded by WALK_DEPTH, each level holding one descriptor. */
static int32_t walk_folder(walk *state, int folder_fd, unsigned depth) {
  MLOOM_AUTO(mloom_auto_close_folder) DIR *folder = fdopendir(folder_fd);
  if (folder == NULL) {
    close(folder_fd);
    return MLOOM_E_MEMORY;
  }
  MLOOM_AUTO(name_list_free) name_list list = {NULL, 0, 0};
  int32_t code = read_names(state, folder, &list);
  size_t base = state->path.size;
  for (size_t i = 0; i < list.count && code == MLOOM_OK && !state->stopped; i++) {
    struct stat status;
    if ((base > 0 && mloom_buffer_append_char(&state->path, '/') != MLOOM_OK) ||
        mloom_buffer_append_string(&state->path, list.names[i]) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
    code = visit(state, dirfd(folder), list.names[i], &status);
    if (code == MLOOM_OK && !state->stopped && state->recursive && S_ISDIR(status.st_mode)) {
      int child = depth < WALK_DEPTH ? open_folder(dirfd(folder), list.names[i]) : -1;
      if (child >= 0) {
        code = walk_folder(state, child, depth + 1);
      } else {
        state->truncated |= depth >= WALK_DEPTH;
      }
    }
    mloom_buffer_truncate(&state->path, base);
  }
  return code;
}

int32_t mloom_workspace_walk(const mloom_workspace *workspace, const char *path, int recursive,
                             int (*fn)(const mloom_workspace_entry *entry, void *userdata), void *userdata,
                             int *truncated, mloom_error *error) {
  MLOOM_AUTO(walk_free) walk state = {fn, userdata, MLOOM_BUFFER_INIT, 0, recursive, 0, 0};
  int folder = open_folder(workspace->root, *path == '\0' ? "." : path);
  if (folder < 0 && errno == ENOTDIR) {
    struct stat status;
    if (mloom_buffer_append_string(&state.path, path) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    /* The path was checked to stay beneath by the failed open: only its last component is no folder. */
    struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    MLOOM_AUTO(mloom_auto_close) int file = (int)syscall(SYS_openat2, workspace->root, path, &how, sizeof how);
    if (file >= 0 && fstat(file, &status) == 0) {
      mloom_workspace_entry entry = {path, NULL, &status};
      fn(&entry, userdata);
      return MLOOM_OK;
    }
    errno = ENOENT;
  }
  if (folder < 0 && errno == ELOOP) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_WORKSPACE,
                           "list the link's target, if that is inside the repository",
                           "%s goes through a symbolic link", path);
  }
  if (folder < 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, "list_files without a path shows what is there",
                                 "%s cannot be listed", *path == '\0' ? "." : path);
  }
  if (*path != '\0' && mloom_buffer_append_string(&state.path, path) != MLOOM_OK) {
    close(folder);
    return mloom_error_memory(error);
  }
  int32_t code = walk_folder(&state, folder, 0);
  if (truncated != NULL) {
    *truncated = state.truncated;
  }
  return code == MLOOM_E_MEMORY ? mloom_error_memory(error) : code;
}

/* ---- Repositories ---- */

#define FOLDERS 100000u

/* Notes one entry of the folder path: a .git, or a folder to look into. */
static int32_t note_entry(int folder, const struct dirent *entry, const char *path, mloom_text_list *out,
                          mloom_text_list *folders) {
  struct stat status;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer child = MLOOM_BUFFER_INIT;
  if (strcmp(entry->d_name, ".git") == 0) {
    return *path == '\0' ? MLOOM_OK : mloom_text_list_add(out, path, strlen(path));
  }
  if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
      (entry->d_type != DT_DIR &&
       (entry->d_type != DT_UNKNOWN || fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(status.st_mode)))) {
    return MLOOM_OK;
  }
  int32_t code = mloom_buffer_append_format(&child, "%s%s%s", path, *path == '\0' ? "" : "/", entry->d_name);
  return code == MLOOM_OK ? mloom_text_list_add(folders, child.data, child.size) : code;
}

int32_t mloom_workspace_find_repositories(const mloom_workspace *workspace, mloom_text_list *out, uint32_t *incomplete,
                                          mloom_error *error) {
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list folders = {NULL, 0};
  int32_t code = mloom_text_list_add(&folders, "", 0);
  for (size_t seen = 0; code == MLOOM_OK && folders.count > 0; seen++) {
    MLOOM_AUTO(mloom_auto_free) char *path = folders.items[--folders.count];
    int fd = seen < FOLDERS ? open_folder(workspace->root, *path == '\0' ? "." : path) : -1;
    MLOOM_AUTO(mloom_auto_close_folder) DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    *incomplete |= folder == NULL;
    if (fd >= 0 && folder == NULL) {
      close(fd);
    }
    for (struct dirent *entry; code == MLOOM_OK && folder != NULL && (entry = readdir(folder)) != NULL;) {
      code = note_entry(fd, entry, path, out, &folders);
    }
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}
