/* SPDX-License-Identifier: Apache-2.0 */
#include "job/git_metadata.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#define ENTRY_LIMIT 5000u
#define CONTENT_LIMIT (1u << 20)
#define TOTAL_LIMIT (16u << 20)
#define DEPTH_LIMIT 12u

struct mloom_git_entry {
  char *path; /* relative to .git */
  struct stat status;
  char *data; /* content of a file, target of a link */
  size_t size;
};

typedef struct entry_list {
  mloom_git_entry *entries;
  size_t count;
  size_t capacity;
  size_t total;
  int with_content;
  int incomplete;
} entry_list;

static void entries_free(mloom_git_entry *entries, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(entries[i].path);
    free(entries[i].data);
  }
  free(entries);
}

static void entry_list_free(entry_list *list) {
  entries_free(list->entries, list->count);
}

/* Is this path, relative to .git, one that is guarded (or leads to one)? */
static int is_guarded(const char *path) {
  static const char *const roots[] = {
      "config",    "config.worktree", "commondir",    "gitdir",  "hooks",     "info",         "modules",
      "worktrees", "rebase-merge",    "rebase-apply", "shallow", "sequencer", "objects/info", NULL};
  static const char *const passing[] = {"objects",   "refs",       "logs",           "index",       "HEAD",
                                        "ORIG_HEAD", "FETCH_HEAD", "COMMIT_EDITMSG", "packed-refs", NULL};
  for (size_t i = 0; roots[i] != NULL; i++) {
    size_t size = strlen(roots[i]);
    if (strncmp(path, roots[i], size) != 0 || (path[size] != '\0' && path[size] != '/')) {
      continue;
    }
    /* Repositories of submodules and worktrees: all but what ordinary work changes. */
    if (path[0] == 'm' || path[0] == 'w') {
      const char *name = strrchr(path, '/');
      for (size_t k = 0; name != NULL && passing[k] != NULL; k++) {
        if (strcmp(name + 1, passing[k]) == 0) {
          return 0;
        }
      }
    }
    return strncmp(path, "objects/info/", 13) != 0 || strstr(path, "alternates") != NULL;
  }
  return strcmp(path, "objects") == 0;
}

static int32_t read_content(int folder, const char *name, mloom_git_entry *entry) {
  if (S_ISLNK(entry->status.st_mode)) {
    char target[4096];
    ssize_t size = readlinkat(folder, name, target, sizeof target);
    entry->data = size < 0 ? NULL : mloom_text_dup((mloom_bytes){target, (size_t)size});
    entry->size = size < 0 ? 0 : (size_t)size;
    return entry->data == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  }
  MLOOM_AUTO(mloom_auto_close) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  size_t capacity = (size_t)entry->status.st_size + 1;
  entry->data = fd < 0 ? NULL : malloc(capacity);
  if (entry->data == NULL) {
    return fd < 0 ? MLOOM_E_IO : MLOOM_E_MEMORY;
  }
  for (ssize_t got; entry->size + 1 < capacity; entry->size += (size_t)got) {
    got = read(fd, entry->data + entry->size, capacity - 1 - entry->size);
    if (got <= 0) {
      break;
    }
  }
  return MLOOM_OK;
}

static int32_t add_entry(entry_list *list, int folder, const char *name, const char *path, const struct stat *status) {
  if (list->count >= ENTRY_LIMIT) {
    list->incomplete = 1;
    return MLOOM_OK;
  }
  if (list->count == list->capacity) {
    size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
    mloom_git_entry *entries = realloc(list->entries, capacity * sizeof *entries);
    if (entries == NULL) {
      return MLOOM_E_MEMORY;
    }
    list->entries = entries;
    list->capacity = capacity;
  }
  mloom_git_entry *entry = &list->entries[list->count];
  *entry = (mloom_git_entry){strdup(path), *status, NULL, 0};
  if (entry->path == NULL) {
    return MLOOM_E_MEMORY;
  }
  list->count++;
  if (!list->with_content || S_ISDIR(status->st_mode)) {
    return MLOOM_OK;
  }
  if (!S_ISLNK(status->st_mode) && (!S_ISREG(status->st_mode) || status->st_size > (off_t)CONTENT_LIMIT ||
                                    list->total + (size_t)status->st_size > TOTAL_LIMIT)) {
    list->incomplete = 1;
    return MLOOM_OK;
  }
  int32_t code = read_content(folder, name, entry);
  list->total += entry->size;
  if (code == MLOOM_E_IO) {
    list->incomplete = 1;
    code = MLOOM_OK;
  }
  return code;
}

/* Takes over fd. */
static int32_t collect(entry_list *list, int fd, const char *prefix, unsigned depth) {
  MLOOM_AUTO(mloom_auto_close_folder) DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (folder == NULL) {
    if (fd >= 0) {
      close(fd);
    }
    list->incomplete = 1;
    return MLOOM_OK;
  }
  int32_t code = MLOOM_OK;
  for (struct dirent *item; code == MLOOM_OK && (item = readdir(folder)) != NULL;) {
    char path[1024];
    struct stat status;
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0 ||
        (size_t)snprintf(path, sizeof path, "%s%s%s", prefix, *prefix == '\0' ? "" : "/", item->d_name) >=
            sizeof path ||
        !is_guarded(path) || fstatat(dirfd(folder), item->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    if (strcmp(path, "objects") != 0) {
      code = add_entry(list, dirfd(folder), item->d_name, path, &status);
    }
    if (code == MLOOM_OK && S_ISDIR(status.st_mode) && depth < DEPTH_LIMIT) {
      int child = openat(dirfd(folder), item->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      code = collect(list, child, path, depth + 1);
    } else if (S_ISDIR(status.st_mode)) {
      list->incomplete |= depth >= DEPTH_LIMIT;
    }
  }
  return code;
}

static int compare_entries(const void *a, const void *b) {
  return strcmp(((const mloom_git_entry *)a)->path, ((const mloom_git_entry *)b)->path);
}

static int32_t collect_all(entry_list *list, int git) {
  int32_t code = collect(list, openat(git, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", 0);
  if (list->count > 1) {
    qsort(list->entries, list->count, sizeof *list->entries, compare_entries);
  }
  return code;
}

static int open_git(const mloom_workspace *workspace) {
  return openat(workspace->root, ".git", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- Where things are ---- */

static char *join(const char *folder, const char *name) {
  char *out = NULL;
  if (*name == '/') {
    return strdup(name);
  }
  return asprintf(&out, "%s/%s", folder, name) < 0 ? NULL : out;
}

/* Reads a one-line file of git's, without its prefix; NULL when it is not there. */
static char *read_line(const char *folder, const char *name, const char *prefix) {
  MLOOM_AUTO(mloom_auto_free) char *path = join(folder, name);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (path == NULL || mloom_file_read(&text, path, 65536, MLOOM_DOMAIN_WORKSPACE, NULL) != MLOOM_OK) {
    return NULL;
  }
  mloom_bytes line = mloom_text_trim((mloom_bytes){mloom_buffer_string(&text), text.size});
  size_t skip = strlen(prefix);
  if (line.size < skip || memcmp(line.data, prefix, skip) != 0 || memchr(line.data, '\0', line.size) != NULL) {
    return NULL;
  }
  return mloom_text_dup(mloom_text_trim((mloom_bytes){line.data + skip, line.size - skip}));
}

static int is_commit_id(const char *text) {
  size_t size = strspn(text, "0123456789abcdef");
  return text[size] == '\0' && (size == 40 || size == 64);
}

static void find_packed(const char *common_dir, const char *ref, char out[80]) {
  MLOOM_AUTO(mloom_auto_free) char *path = join(common_dir, "packed-refs");
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (path == NULL || mloom_file_read(&text, path, 64u << 20, MLOOM_DOMAIN_WORKSPACE, NULL) != MLOOM_OK) {
    return;
  }
  size_t size = strlen(ref);
  for (const char *line = mloom_buffer_string(&text); *line != '\0';) {
    size_t length = strcspn(line, "\n");
    size_t id = strspn(line, "0123456789abcdef");
    if ((id == 40 || id == 64) && length == id + 1 + size && line[id] == ' ' && memcmp(line + id + 1, ref, size) == 0) {
      memcpy(out, line, id);
      out[id] = '\0';
      return;
    }
    line += length + (line[length] == '\n');
  }
}

void mloom_git_metadata_head(const mloom_git_metadata *metadata, char out[80]) {
  memset(out, 0, 80);
  if (metadata->git_dir == NULL) {
    return;
  }
  MLOOM_AUTO(mloom_auto_free) char *ref = read_line(metadata->git_dir, "HEAD", "");
  for (int hops = 0; ref != NULL && strncmp(ref, "ref:", 4) == 0 && hops < 5; hops++) {
    mloom_bytes name = mloom_text_trim(mloom_text_bytes(ref + 4));
    MLOOM_AUTO(mloom_auto_free) char *target = mloom_text_dup(name);
    free(ref);
    ref = NULL;
    if (target == NULL || strncmp(target, "refs/", 5) != 0 || strstr(target, "..") != NULL) {
      return;
    }
    ref = read_line(metadata->git_dir, target, "");
    ref = ref == NULL ? read_line(metadata->common_dir, target, "") : ref;
    if (ref == NULL) {
      find_packed(metadata->common_dir, target, out);
      return;
    }
  }
  if (ref != NULL && is_commit_id(ref)) {
    memcpy(out, ref, strlen(ref));
  }
}

/* What git holds for a repository, whatever is in it. */
static int is_repository(const char *folder) {
  static const char *const names[] = {"HEAD", "objects", "refs"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    MLOOM_AUTO(mloom_auto_free) char *path = join(folder, names[i]);
    if (path == NULL || access(path, F_OK) != 0) {
      return 0;
    }
  }
  return 1;
}

static int32_t locate(mloom_git_metadata *out, const mloom_workspace *workspace, mloom_error *error) {
  struct stat status;
  if (fstatat(workspace->root, ".git", &status, AT_SYMLINK_NOFOLLOW) != 0) {
    out->kind = MLOOM_GIT_NONE;
    /* Its hooks and configuration would be files like any others. */
    return is_repository(workspace->path)
               ? mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_WORKSPACE,
                                 "give the path of a working tree; git clone or git worktree add makes one",
                                 "%s is a repository without a working tree", workspace->path)
               : MLOOM_OK;
  }
  out->device = status.st_dev;
  out->inode = status.st_ino;
  MLOOM_AUTO(mloom_auto_free) char *place = NULL;
  if (S_ISREG(status.st_mode)) {
    MLOOM_AUTO(mloom_auto_free) char *line = read_line(workspace->path, ".git", "gitdir:");
    place = line == NULL ? NULL : join(workspace->path, line);
  } else {
    place = join(workspace->path, ".git");
  }
  out->kind = S_ISDIR(status.st_mode) ? MLOOM_GIT_INSIDE : MLOOM_GIT_ELSEWHERE;
  out->git_dir = place == NULL ? NULL : realpath(place, NULL);
  if (out->git_dir == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_WORKSPACE,
                           "run git status in the repository and mend what it reports",
                           "the .git of %s names no repository", workspace->path);
  }
  MLOOM_AUTO(mloom_auto_free) char *common = read_line(out->git_dir, "commondir", "");
  MLOOM_AUTO(mloom_auto_free) char *joined = join(out->git_dir, common == NULL ? "." : common);
  out->common_dir = joined == NULL ? NULL : realpath(joined, NULL);
  /* Commands of the job may read what is named here: nothing but a repository. */
  return out->common_dir == NULL || (out->kind == MLOOM_GIT_ELSEWHERE && !is_repository(out->common_dir))
             ? mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_WORKSPACE,
                               "run git status in the repository and mend what it reports",
                               "the repository of %s is incomplete", workspace->path)
             : MLOOM_OK;
}

/* Keeps what is guarded of the .git that locate found. */
static int32_t remember(mloom_git_metadata *out, const mloom_workspace *workspace, mloom_error *error) {
  int32_t code = MLOOM_OK;
  MLOOM_AUTO(entry_list_free) entry_list list = {NULL, 0, 0, 0, 1, 0};
  if (out->kind == MLOOM_GIT_INSIDE) {
    MLOOM_AUTO(mloom_auto_close) int git = open_git(workspace);
    if (git < 0) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, NULL, "%s/.git cannot be opened",
                                   workspace->path);
    }
    code = collect_all(&list, git);
  } else if (out->kind == MLOOM_GIT_ELSEWHERE) {
    struct stat status;
    if (fstatat(workspace->root, ".git", &status, AT_SYMLINK_NOFOLLOW) == 0) {
      code = add_entry(&list, workspace->root, ".git", ".git", &status);
    }
  }
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  out->entries = list.entries;
  out->entry_count = list.count;
  out->incomplete = (uint32_t)list.incomplete;
  list = (entry_list){NULL, 0, 0, 0, 0, 0};
  return MLOOM_OK;
}

int32_t mloom_git_metadata_load(mloom_git_metadata *out, const mloom_workspace *workspace, mloom_error *error) {
  memset(out, 0, sizeof *out);
  int32_t code = locate(out, workspace, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_git_metadata_head(out, out->head);
  return remember(out, workspace, error);
}

int32_t mloom_git_metadata_load_nested(mloom_git_metadata *out, const mloom_workspace *folder, int is_trusted,
                                       mloom_error *error) {
  struct stat status;
  memset(out, 0, sizeof *out);
  if (fstatat(folder->root, ".git", &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return MLOOM_OK;
  }
  out->kind = S_ISDIR(status.st_mode) ? MLOOM_GIT_INSIDE : MLOOM_GIT_ELSEWHERE;
  out->device = status.st_dev;
  out->inode = status.st_ino;
  return is_trusted ? remember(out, folder, error) : MLOOM_OK;
}

void mloom_git_metadata_free(mloom_git_metadata *metadata) {
  entries_free(metadata->entries, metadata->entry_count);
  free(metadata->git_dir);
  free(metadata->common_dir);
  memset(metadata, 0, sizeof *metadata);
}

/* ---- Putting back ---- */

static void remove_at(int folder, const char *name, unsigned depth) {
  if (unlinkat(folder, name, 0) == 0 || depth > 64) {
    return;
  }
  int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  MLOOM_AUTO(mloom_auto_close_folder) DIR *content = fd < 0 ? NULL : fdopendir(fd);
  for (struct dirent *item; content != NULL && (item = readdir(content)) != NULL;) {
    if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0) {
      remove_at(dirfd(content), item->d_name, depth + 1);
    }
  }
  unlinkat(folder, name, AT_REMOVEDIR);
}

/* Opens the folder of path below git without following links; folders come before their content in the sorted list, so
 * those that are missing have been made again already. */
static int open_folder_of(int git, const char *path, const char **name) {
  int folder = openat(git, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  const char *at = path;
  for (const char *slash; folder >= 0 && (slash = strchr(at, '/')) != NULL; at = slash + 1) {
    char component[256];
    snprintf(component, sizeof component, "%.*s", (int)(slash - at), at);
    int next = openat(folder, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    close(folder);
    folder = next;
  }
  *name = at;
  return folder;
}

static int write_file(int folder, const char *name, const mloom_git_entry *entry) {
  static const char temporary[] = ".mergeloom-restore";
  unlinkat(folder, temporary, 0);
  MLOOM_AUTO(mloom_auto_close)
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  for (size_t at = 0; fd >= 0 && at < entry->size;) {
    ssize_t put = write(fd, entry->data + at, entry->size - at);
    if (put <= 0) {
      return -1;
    }
    at += (size_t)put;
  }
  return fd < 0 || fchmod(fd, entry->status.st_mode & 07777) != 0 || renameat(folder, temporary, folder, name) != 0 ? -1
                                                                                                                    : 0;
}

static int put_back(int git, mloom_git_entry *entry, int as_is) {
  const char *name = NULL;
  MLOOM_AUTO(mloom_auto_close) int folder = open_folder_of(git, entry->path, &name);
  if (folder < 0) {
    return -1;
  }
  if (!as_is) {
    remove_at(folder, name, 0);
  }
  mode_t mode = entry->status.st_mode;
  int failed;
  if (S_ISDIR(mode)) {
    failed = (mkdirat(folder, name, mode & 07777) != 0 && errno != EEXIST) || fchmodat(folder, name, mode & 07777, 0);
  } else if (S_ISLNK(mode)) {
    failed = symlinkat(entry->data == NULL ? "" : entry->data, folder, name);
  } else {
    failed = entry->data == NULL ? -1 : write_file(folder, name, entry);
  }
  return failed != 0 || fstatat(folder, name, &entry->status, AT_SYMLINK_NOFOLLOW) != 0 ? -1 : 0;
}

static int same_stamp(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_mode == b->st_mode && a->st_size == b->st_size &&
         a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* 1 when what stands there now is what was remembered. */
static int is_unchanged(int git, mloom_git_entry *known, const struct stat *now) {
  if (S_ISDIR(known->status.st_mode)) {
    return S_ISDIR(now->st_mode) && known->status.st_mode == now->st_mode;
  }
  if (same_stamp(&known->status, now) || known->data == NULL) {
    return same_stamp(&known->status, now);
  }
  if (known->status.st_mode != now->st_mode || now->st_size != known->status.st_size) {
    return 0;
  }
  const char *name = NULL;
  MLOOM_AUTO(mloom_auto_close) int folder = open_folder_of(git, known->path, &name);
  mloom_git_entry read = {NULL, *now, NULL, 0};
  int same = folder >= 0 && read_content(folder, name, &read) == MLOOM_OK && read.size == known->size &&
             memcmp(read.data, known->data, read.size) == 0;
  free(read.data);
  if (same) {
    known->status = *now;
  }
  return same;
}

static int32_t note(mloom_text_list *changed, const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (changed->count >= 100) {
    return MLOOM_OK;
  }
  if ((strcmp(path, ".git") != 0 && mloom_buffer_append_string(&text, ".git/") != MLOOM_OK) ||
      mloom_text_append_printable(&text, path, strlen(path), 0) != MLOOM_OK ||
      mloom_text_list_add(changed, text.data, text.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

/* Merges the remembered and the present list, both sorted by path. */
static int32_t compare_all(mloom_git_metadata *metadata, entry_list *now, int git, mloom_text_list *changed,
                           mloom_error *error) {
  int32_t code = MLOOM_OK;
  int failed = 0;
  for (size_t i = 0, k = 0; code == MLOOM_OK && (i < metadata->entry_count || k < now->count);) {
    mloom_git_entry *known = i < metadata->entry_count ? &metadata->entries[i] : NULL;
    mloom_git_entry *present = k < now->count ? &now->entries[k] : NULL;
    int order = known == NULL ? 1 : present == NULL ? -1 : strcmp(known->path, present->path);
    if (order > 0 && metadata->entry_count < ENTRY_LIMIT) { /* else it may have been there, and not remembered */
      const char *name = NULL;
      MLOOM_AUTO(mloom_auto_close) int folder = open_folder_of(git, present->path, &name);
      if (folder >= 0) {
        remove_at(folder, name, 0);
        code = note(changed, present->path, error);
      }
    } else if (order < 0 || (order == 0 && !is_unchanged(git, known, &present->status))) {
      int as_is = order == 0 && S_ISDIR(known->status.st_mode) && S_ISDIR(present->status.st_mode);
      failed |= put_back(git, known, as_is) != 0;
      code = note(changed, known->path, error);
    }
    i += order <= 0;
    k += order >= 0;
  }
  return code == MLOOM_OK && failed ? mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_WORKSPACE,
                                                      "restore .git from a clean clone before git is run in it",
                                                      "a command changed .git and not all of it could be put back")
                                    : code;
}

int32_t mloom_git_metadata_restore(mloom_git_metadata *metadata, const mloom_workspace *workspace,
                                   mloom_text_list *changed, mloom_error *error) {
  MLOOM_AUTO(entry_list_free) entry_list now = {NULL, 0, 0, 0, 0, 0};
  struct stat status;
  if (metadata->kind != MLOOM_GIT_INSIDE) {
    int there = fstatat(workspace->root, ".git", &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && add_entry(&now, workspace->root, ".git", ".git", &status) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    return compare_all(metadata, &now, workspace->root, changed, error);
  }
  MLOOM_AUTO(mloom_auto_close) int git = open_git(workspace);
  if (git < 0 || fstat(git, &status) != 0 || status.st_dev != metadata->device || status.st_ino != metadata->inode) {
    int32_t code = note(changed, ".git", error);
    return code != MLOOM_OK ? code
                            : mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_WORKSPACE,
                                              "restore .git from a clean clone before git is run in it",
                                              "a command replaced the repository's .git");
  }
  if (collect_all(&now, git) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return compare_all(metadata, &now, git, changed, error);
}
