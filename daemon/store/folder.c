/* SPDX-License-Identifier: Apache-2.0 */
#include "store/folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

int32_t store_make_folder(const char *path, mloom_error *error) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL || slash == path) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_auto_free) char *folder = strndup(path, (size_t)(slash - path));
  if (folder == NULL) {
    return mloom_error_memory(error);
  }
  int failure = mloom_file_make_folder(folder);
  return failure == 0 ? MLOOM_OK
                      : mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM,
                                              "make it by hand, or give a path below a folder that this user may write",
                                              "cannot make the folder %s", folder);
}
