/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "job/git_metadata.h"

typedef struct mloom_git_nested_item {
  char *path;
  mloom_git_metadata metadata;
} nested_item;

static int compare_path(const void *path, const void *item) {
  return strcmp(path, ((const nested_item *)item)->path);
}

static nested_item *find(const mloom_git_nested *nested, const char *path) {
  return nested->count == 0 ? NULL : bsearch(path, nested->items, nested->count, sizeof *nested->items, compare_path);
}

static int32_t list_folders(mloom_text_list *out, mloom_git_nested *nested, const mloom_workspace *workspace,
                            mloom_error *error) {
  int32_t code = mloom_workspace_find_repositories(workspace, out, &nested->incomplete, error);
  mloom_text_list_sort(out);
  return code;
}

static int32_t load_item(nested_item *item, const mloom_workspace *workspace, const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_workspace_close) mloom_workspace folder;
  int32_t code = mloom_workspace_open_folder(&folder, workspace, path, error);
  item->path = strdup(path);
  if (item->path == NULL) {
    return mloom_error_memory(error);
  }
  code = code == MLOOM_OK ? mloom_git_metadata_load_nested(&item->metadata, &folder, 1, error) : code;
  if (code != MLOOM_OK) {
    item->metadata.kind = MLOOM_GIT_NONE; /* what is not known is left alone */
  }
  return code;
}

int32_t mloom_git_nested_load(mloom_git_nested *nested, const mloom_workspace *workspace, mloom_error *error) {
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list folders = {NULL, 0};
  if (nested->loaded) {
    return MLOOM_OK;
  }
  int32_t code = list_folders(&folders, nested, workspace, error);
  nested->items = code == MLOOM_OK ? calloc(folders.count + 1, sizeof *nested->items) : NULL;
  if (nested->items == NULL) {
    return code != MLOOM_OK ? code : mloom_error_memory(error);
  }
  for (size_t i = 0; i < folders.count && code != MLOOM_E_MEMORY; i++) {
    nested_item *item = &nested->items[nested->count++];
    code = load_item(item, workspace, folders.items[i], error);
    nested->incomplete |= code != MLOOM_OK || item->metadata.incomplete;
  }
  nested->loaded = code != MLOOM_E_MEMORY;
  return code == MLOOM_E_MEMORY ? code : MLOOM_OK;
}

/* Puts back the .git of one folder; item is what was there before, or NULL. */
static int32_t restore_folder(const mloom_workspace *folder, nested_item *item, mloom_text_list *changed,
                              mloom_error *error) {
  mloom_git_metadata now;
  mloom_git_metadata_load_nested(&now, folder, 0, error);
  mloom_git_metadata *known = item == NULL ? &now : &item->metadata;
  /* A folder in the place of another is as new as one where none was. */
  if (known->kind == MLOOM_GIT_INSIDE &&
      (now.kind != MLOOM_GIT_INSIDE || known->device != now.device || known->inode != now.inode)) {
    known = &now;
  }
  return known->kind == MLOOM_GIT_NONE ? MLOOM_OK : mloom_git_metadata_restore(known, folder, changed, error);
}

static int32_t restore_path(mloom_git_nested *nested, const mloom_workspace *workspace, const char *path,
                            mloom_text_list *changed, mloom_error *error) {
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list names = {NULL, 0};
  MLOOM_AUTO(mloom_workspace_close) mloom_workspace folder;
  int32_t code = mloom_workspace_open_folder(&folder, workspace, path, error);
  code = code == MLOOM_OK ? restore_folder(&folder, find(nested, path), &names, error) : code;
  for (size_t i = 0; i < names.count && changed->count < 100 && code != MLOOM_E_MEMORY; i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer name = MLOOM_BUFFER_INIT;
    if (mloom_text_append_printable(&name, path, strlen(path), 0) != MLOOM_OK ||
        mloom_buffer_append_format(&name, "/%s", names.items[i]) != MLOOM_OK ||
        mloom_text_list_add(changed, name.data, name.size) != MLOOM_OK) {
      code = mloom_error_memory(error);
    }
  }
  return code;
}

int32_t mloom_git_nested_restore(mloom_git_nested *nested, const mloom_workspace *workspace, mloom_text_list *changed,
                                 mloom_error *error) {
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list folders = {NULL, 0};
  if (!nested->loaded) {
    return MLOOM_OK;
  }
  int32_t code = list_folders(&folders, nested, workspace, error);
  for (size_t i = 0; i < folders.count && code != MLOOM_E_MEMORY; i++) {
    int32_t restored = restore_path(nested, workspace, folders.items[i], changed, error);
    code = restored == MLOOM_OK ? code : restored;
  }
  return code;
}

void mloom_git_nested_free(mloom_git_nested *nested) {
  for (size_t i = 0; i < nested->count; i++) {
    free(nested->items[i].path);
    mloom_git_metadata_free(&nested->items[i].metadata);
  }
  free(nested->items);
  memset(nested, 0, sizeof *nested);
}
