/* SPDX-License-Identifier: Apache-2.0 */
#include "job/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#define PATCH_LIMIT (8u << 20)
#define LIST_LIMIT (32u << 20)
/* Larger files are named with their size: hashing a sparse giant would stall the job. */
#define BLOB_LIMIT (INT64_C(32) << 20)

/* ---- The private repository ---- */

/* The settings of [core] that decide how files are compared and name no program. */
static int32_t copy_settings(const mloom_git_metadata *metadata, mloom_buffer *config, size_t *id_size) {
  static const char *const names[] = {"autocrlf", "eol", "filemode", "symlinks", "ignorecase", NULL};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  int sha256 = strlen(metadata->head) == 64;
  int32_t code =
      mloom_buffer_append_format(&path, "%s/config", metadata->common_dir == NULL ? "" : metadata->common_dir);
  if (metadata->common_dir != NULL && code == MLOOM_OK) {
    mloom_file_read(&text, mloom_buffer_string(&path), 1u << 20, MLOOM_DOMAIN_WORKSPACE, NULL);
  }
  sha256 |= mloom_text_find_fold(mloom_buffer_string(&text), "objectformat = sha256") != NULL;
  *id_size = sha256 ? 32 : 20;
  /* With sparseCheckout git looks again at files that the index says are left out of the tree, once they are there;
   * with safecrlf set to true it would refuse to look at files of mixed line ends. */
  code = code == MLOOM_OK ? mloom_buffer_append_format(config,
                                                       "[core]\n\trepositoryformatversion = %d\n\tbare = false\n"
                                                       "\tsparseCheckout = true\n\tsafecrlf = false\n",
                                                       sha256 ? 1 : 0)
                          : code;
  int in_core = 0;
  for (const char *line = mloom_buffer_string(&text); *line != '\0' && code == MLOOM_OK;) {
    size_t length = strcspn(line, "\n");
    mloom_bytes content = mloom_text_trim((mloom_bytes){line, length});
    line += length + (line[length] == '\n');
    if (content.size > 0 && content.data[0] == '[') {
      in_core = mloom_text_equal_fold(content, "[core]");
    }
    const char *equals = memchr(content.data, '=', content.size);
    if (!in_core || equals == NULL) {
      continue;
    }
    mloom_bytes name = mloom_text_trim((mloom_bytes){content.data, (size_t)(equals - content.data)});
    mloom_bytes value = mloom_text_trim((mloom_bytes){equals + 1, content.size - (size_t)(equals + 1 - content.data)});
    for (size_t i = 0; names[i] != NULL && code == MLOOM_OK; i++) {
      if (mloom_text_equal_fold(name, names[i]) && strspn(value.data, "abcdefghijklmnopqrstuvwxyz") >= value.size) {
        code = mloom_buffer_append_format(config, "\t%s = %.*s\n", names[i], (int)value.size, value.data);
      }
    }
  }
  return code == MLOOM_OK && sha256 ? mloom_buffer_append_string(config, "[extensions]\n\tobjectformat = sha256\n")
                                    : code;
}

static int32_t write_private(const mloom_command_runner *runner, const char *name, const char *data, size_t size,
                             mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&path, "%s/%s", runner->git_dir, name) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  MLOOM_AUTO(mloom_auto_close)
  int fd = open(mloom_buffer_string(&path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  return fd >= 0 && mloom_file_write_all(fd, data, size) == 0
             ? MLOOM_OK
             : mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, "free space for scratch_path",
                                     "%s cannot be written", mloom_buffer_string(&path));
}

static int32_t copy_excludes(const mloom_command_runner *runner, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&path, "%s/info/exclude", runner->metadata->common_dir) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return mloom_file_read(&text, mloom_buffer_string(&path), 1u << 20, MLOOM_DOMAIN_WORKSPACE, NULL) == MLOOM_OK
             ? write_private(runner, "info/exclude", mloom_buffer_string(&text), text.size, error)
             : MLOOM_OK;
}

static int32_t make_repository(const mloom_command_runner *runner, mloom_error *error) {
  static const char *const folders[] = {"objects", "objects/info", "refs", "info", NULL};
  const mloom_git_metadata *metadata = runner->metadata;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  for (size_t i = 0; folders[i] != NULL; i++) {
    mloom_buffer_clear(&text);
    if (mloom_buffer_append_format(&text, "%s/%s", runner->git_dir, folders[i]) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    if (mkdir(mloom_buffer_string(&text), 0700) != 0) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, NULL, "%s cannot be made",
                                   mloom_buffer_string(&text));
    }
  }
  mloom_buffer_clear(&text);
  size_t id_size = 20;
  int32_t code = copy_settings(metadata, &text, &id_size);
  code = code == MLOOM_OK ? write_private(runner, "config", text.data, text.size, error) : mloom_error_memory(error);
  mloom_buffer_clear(&text);
  if (code == MLOOM_OK &&
      mloom_buffer_append_format(&text, "%s\n", metadata->head[0] != '\0' ? metadata->head : "ref: refs/heads/none") !=
          MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = code == MLOOM_OK ? write_private(runner, "HEAD", text.data, text.size, error) : code;
  if (code != MLOOM_OK || metadata->common_dir == NULL) {
    return code;
  }
  mloom_buffer_clear(&text);
  if (mloom_buffer_append_format(&text, "%s/objects\n", metadata->common_dir) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = write_private(runner, "objects/info/alternates", text.data, text.size, error);
  code = code == MLOOM_OK ? copy_excludes(runner, error) : code;
  return code == MLOOM_OK ? mloom_git_index_copy(metadata->git_dir, runner->git_dir, id_size, error) : code;
}

/* ---- What differs ---- */

typedef struct path_list {
  mloom_buffer paths;    /* NUL after each */
  mloom_buffer replaced; /* files that a folder took the place of, NUL after each */
  mloom_text_list large;
  size_t count;
  int truncated;
} path_list;

static void path_list_free(path_list *list) {
  mloom_buffer_free(&list->paths);
  mloom_buffer_free(&list->replaced);
  mloom_text_list_free(&list->large);
}

/* A folder that git knows by one path: a submodule. */
static int is_repository(const mloom_workspace *workspace, const char *path) {
  struct stat status;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer git = MLOOM_BUFFER_INIT;
  return mloom_buffer_append_format(&git, "%s/.git", path) == MLOOM_OK &&
         fstatat(workspace->root, mloom_buffer_string(&git), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static int32_t add_path(path_list *list, mloom_changes *changes, const mloom_workspace *workspace, const char *path,
                        size_t size, mloom_error *error) {
  struct stat status;
  for (size_t i = 0; i < changes->known.count; i++) {
    if (mloom_text_equal((mloom_bytes){path, size}, changes->known.items[i])) {
      return MLOOM_OK;
    }
  }
  if (size > 0 && path[size - 1] == '/') {
    /* A folder here is a repository of its own. */
    return mloom_text_list_add(&changes->embedded, path, size) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
  }
  int exists = fstatat(workspace->root, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && S_ISDIR(status.st_mode) && !is_repository(workspace, path)) {
    list->count++;
    return mloom_buffer_append(&list->replaced, path, size + 1) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
  }
  if (exists && S_ISREG(status.st_mode) && status.st_size > BLOB_LIMIT) {
    return mloom_text_list_add(&list->large, path, size) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
  }
  list->count++;
  return mloom_buffer_append(&list->paths, path, size + 1) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

/* Lists what differs between the private index and the working tree. */
static int32_t list_paths(path_list *list, mloom_changes *changes, mloom_command_runner *runner, const mloom_call *call,
                          mloom_error *error) {
  static const char *const arguments[] = {"ls-files", "-z", "-m", "-o", "--exclude-standard", NULL};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  int truncated = 0;
  mloom_text_list_free(&changes->embedded);
  int32_t code = mloom_command_run_own(runner, call, "git", arguments, NULL, LIST_LIMIT, &out, &truncated, NULL, error);
  const char *at = mloom_buffer_string(&out);
  const char *end = at + out.size;
  while (code == MLOOM_OK && at < end) {
    size_t size = strnlen(at, (size_t)(end - at));
    if (at + size < end) {
      code = add_path(list, changes, runner->workspace, at, size, error);
    }
    at += size + 1;
  }
  list->truncated = truncated;
  if (code == MLOOM_OK && list->replaced.size > 0) {
    static const char *const remove[] = {"update-index", "-z", "--force-remove", "--stdin", NULL};
    mloom_bytes input = {list->replaced.data, list->replaced.size};
    code = mloom_command_run_own(runner, call, "git", remove, &input, 0, &out, NULL, NULL, error);
  }
  return code;
}

/* ---- The start ---- */

/* What is left out of the base is left out of every diff. */
static int32_t keep_known(mloom_changes *changes, path_list *list) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < list->large.count && code == MLOOM_OK; i++) {
    code = mloom_text_list_add(&changes->known, list->large.items[i], strlen(list->large.items[i]));
  }
  for (size_t i = 0; i < changes->embedded.count && code == MLOOM_OK; i++) {
    code = mloom_text_list_add(&changes->known, changes->embedded.items[i], strlen(changes->embedded.items[i]));
  }
  mloom_text_list_free(&changes->embedded);
  return code;
}

int32_t mloom_changes_begin(mloom_changes *changes, mloom_command_runner *runner, const mloom_call *call,
                            mloom_error *error) {
  static const char *const status[] = {
      "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=all", NULL};
  memset(changes, 0, sizeof *changes);
  int32_t code = make_repository(runner, error);
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  const mloom_git_metadata *metadata = runner->metadata;
  if (metadata->head[0] != '\0') {
    code = mloom_command_run_own(runner, call, "git", status, NULL, 65536, &out, NULL, NULL, error);
    if (code != MLOOM_OK) {
      return code;
    }
    if (out.size == 0) {
      snprintf(changes->base, sizeof changes->base, "%s", metadata->head);
      return MLOOM_OK;
    }
    changes->dirty = 1;
  }
  MLOOM_AUTO(path_list_free) path_list list = {MLOOM_BUFFER_INIT, MLOOM_BUFFER_INIT, {NULL, 0}, 0, 0};
  code = list_paths(&list, changes, runner, call, error);
  code = code == MLOOM_OK && keep_known(changes, &list) != MLOOM_OK ? mloom_error_memory(error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  static const char *const write_tree[] = {
      "-c", "git update-index -z --add --remove --replace --stdin && exec git write-tree", NULL};
  mloom_bytes input = {mloom_buffer_string(&list.paths), list.paths.size};
  mloom_buffer_clear(&out);
  code = mloom_command_run_own(runner, call, "sh", write_tree, &input, 128, &out, NULL, NULL, error);
  mloom_bytes tree = mloom_text_trim((mloom_bytes){mloom_buffer_string(&out), out.size});
  if (code == MLOOM_OK && tree.size != 40 && tree.size != 64) {
    return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_WORKSPACE, NULL,
                           "git write-tree answered without a tree");
  }
  snprintf(changes->base, sizeof changes->base, "%.*s", code == MLOOM_OK ? (int)tree.size : 0, tree.data);
  return code;
}

/* ---- Reading the diff ---- */

static void free_files(mloom_changes *changes) {
  for (size_t i = 0; i < changes->file_count; i++) {
    free(changes->files[i].path);
  }
  free(changes->files);
  changes->files = NULL;
  changes->file_count = 0;
}

static mloom_changed_file *add_file(mloom_changes *changes, const char *path, size_t size, char status) {
  mloom_changed_file *files = realloc(changes->files, (changes->file_count + 1) * sizeof *files);
  if (files == NULL) {
    return NULL;
  }
  changes->files = files;
  mloom_changed_file *file = &files[changes->file_count];
  *file = (mloom_changed_file){mloom_text_dup((mloom_bytes){path, size}), status, 0, 0, 0, -1};
  changes->file_count += file->path != NULL;
  return file->path == NULL ? NULL : file;
}

/* ":100644 100644 id id M\0path\0" */
static size_t parse_raw(mloom_changes *changes, const char *data, size_t size) {
  const char *header_end = memchr(data, '\0', size);
  const char *path_end =
      header_end == NULL ? NULL : memchr(header_end + 1, '\0', size - (size_t)(header_end + 1 - data));
  if (path_end == NULL || header_end - data < 10) {
    return 0;
  }
  char status = header_end[-1];
  const char *path = header_end + 1;
  return add_file(changes, path, (size_t)(path_end - path), status) == NULL ? 0 : (size_t)(path_end + 1 - data);
}

/* "3\t1\tpath\0", "-\t-\tpath\0" */
static size_t parse_counts(mloom_changes *changes, const char *data, size_t size, size_t index) {
  const char *end = memchr(data, '\0', size);
  const char *first = end == NULL ? NULL : memchr(data, '\t', (size_t)(end - data));
  const char *second = first == NULL ? NULL : memchr(first + 1, '\t', (size_t)(end - first - 1));
  if (second == NULL || index >= changes->file_count) {
    return 0;
  }
  mloom_changed_file *file = &changes->files[index];
  file->binary = data[0] == '-';
  if (!file->binary &&
      (mloom_text_parse_int64((mloom_bytes){data, (size_t)(first - data)}, &file->added) != MLOOM_OK ||
       mloom_text_parse_int64((mloom_bytes){first + 1, (size_t)(second - first - 1)}, &file->removed) != MLOOM_OK)) {
    return 0;
  }
  changes->added += file->added;
  changes->removed += file->removed;
  return (size_t)(end + 1 - data);
}

int32_t mloom_changes_parse(mloom_changes *changes, const char *data, size_t size, mloom_error *error) {
  size_t at = 0;
  size_t counted = 0;
  free_files(changes);
  mloom_buffer_clear(&changes->patch);
  changes->added = 0;
  changes->removed = 0;
  while (at < size && data[at] != '\0') {
    size_t used = data[at] == ':' ? parse_raw(changes, data + at, size - at)
                                  : parse_counts(changes, data + at, size - at, counted);
    counted += data[at] != ':';
    if (used == 0 && changes->truncated) {
      return MLOOM_OK; /* more files than can be kept */
    }
    if (used == 0) {
      return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_WORKSPACE, NULL,
                             "git diff answered in an unknown way");
    }
    at += used;
  }
  at += at < size; /* the NUL before the patch */
  size_t kept = size - at;
  if (kept > PATCH_LIMIT) {
    changes->truncated = 1;
    kept = mloom_text_complete_prefix(data + at, PATCH_LIMIT);
  }
  return kept == 0 || mloom_buffer_append(&changes->patch, data + at, kept) == MLOOM_OK ? MLOOM_OK
                                                                                        : mloom_error_memory(error);
}

static int compare_files(const void *a, const void *b) {
  return strcmp(((const mloom_changed_file *)a)->path, ((const mloom_changed_file *)b)->path);
}

/* Adds the files that git was not asked about, to the list in their place and to the end of the patch. */
static int32_t add_large(mloom_changes *changes, const path_list *list, const mloom_workspace *workspace,
                         mloom_error *error) {
  for (size_t i = 0; i < list->large.count; i++) {
    struct stat status = {0};
    fstatat(workspace->root, list->large.items[i], &status, AT_SYMLINK_NOFOLLOW);
    mloom_changed_file *file = add_file(changes, list->large.items[i], strlen(list->large.items[i]), 'A');
    if (file == NULL) {
      return mloom_error_memory(error);
    }
    file->binary = 1;
    file->size = status.st_size;
  }
  if (changes->file_count > 1) {
    qsort(changes->files, changes->file_count, sizeof *changes->files, compare_files);
  }
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < changes->file_count && list->large.count > 0 && code == MLOOM_OK; i++) {
    const mloom_changed_file *file = &changes->files[i];
    code = file->size < 0 ? MLOOM_OK
                          : mloom_buffer_append_format(&changes->patch, "Large file %s (%lld bytes) is not shown\n",
                                                       file->path, (long long)file->size);
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

int32_t mloom_changes_update(mloom_changes *changes, mloom_command_runner *runner, const mloom_call *call,
                             mloom_error *error) {
  const char *const diff[] = {
      "-c",
      "git update-index -z --add --remove --replace --stdin && exec git diff --cached --raw --numstat -p -z "
      "--no-renames --no-color --no-ext-diff --no-textconv --ignore-submodules=dirty --src-prefix=a/ --dst-prefix=b/ "
      "\"$0\" --",
      changes->base, NULL};
  MLOOM_AUTO(path_list_free) path_list list = {MLOOM_BUFFER_INIT, MLOOM_BUFFER_INIT, {NULL, 0}, 0, 0};
  int32_t code = list_paths(&list, changes, runner, call, error);
  if (code != MLOOM_OK || (list.count == 0 && list.large.count == 0 && changes->complete)) {
    return code;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  int truncated = 0;
  if (list.count > 0 || changes->indexed) {
    changes->indexed = 1;
    mloom_bytes input = {mloom_buffer_string(&list.paths), list.paths.size};
    code = mloom_command_run_own(runner, call, "sh", diff, &input, LIST_LIMIT + PATCH_LIMIT, &out, &truncated, NULL,
                                 error);
  }
  changes->truncated = truncated || list.truncated;
  code = code == MLOOM_OK ? mloom_changes_parse(changes, mloom_buffer_string(&out), out.size, error) : code;
  if (code == MLOOM_OK && changes->truncated) {
    code = mloom_buffer_append_string(&changes->patch, "\n[the diff is longer than can be kept]\n");
  }
  code = code == MLOOM_OK ? add_large(changes, &list, runner->workspace, error) : code;
  changes->complete = code == MLOOM_OK;
  return code;
}

static int compare_path(const void *path, const void *file) {
  return strcmp(path, ((const mloom_changed_file *)file)->path);
}

const mloom_changed_file *mloom_changes_find(const mloom_changes *changes, const char *path) {
  return changes->file_count == 0
             ? NULL
             : bsearch(path, changes->files, changes->file_count, sizeof *changes->files, compare_path);
}

void mloom_changes_free(mloom_changes *changes) {
  free_files(changes);
  mloom_buffer_free(&changes->patch);
  mloom_text_list_free(&changes->embedded);
  mloom_text_list_free(&changes->known);
  memset(changes, 0, sizeof *changes);
}
