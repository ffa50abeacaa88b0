/* SPDX-License-Identifier: Apache-2.0 */
#include "store/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/folder.h"

struct store_keys {
  char *path;
  mloom_seal *seal;
  struct stat file; /* that seal was read from */
  uint64_t version;
};

static int is_same_file(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
         a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int32_t store_keys_open(store_keys **out, const char *path, mloom_error *error) {
  store_keys *self = calloc(1, sizeof *self);
  *out = NULL;
  if (self == NULL || (self->path = strdup(path)) == NULL) {
    store_keys_free(self);
    return mloom_error_memory(error);
  }
  int32_t code = store_make_folder(path, error);
  code = code != MLOOM_OK ? code : mloom_seal_open(&self->seal, path, error);
  if (code != MLOOM_OK) {
    store_keys_free(self);
    return code;
  }
  /* Without its status the file counts as another one: the next refresh reads it again. */
  *out = self;
  return MLOOM_OK;
}

void store_keys_free(store_keys *self) {
  if (self != NULL) {
    mloom_seal_free(self->seal);
    free(self->path);
    free(self);
  }
}

const mloom_seal *store_keys_seal(const store_keys *self) {
  return self->seal;
}

uint64_t store_keys_version(const store_keys *self) {
  return self->version;
}

int32_t store_keys_refresh(store_keys *self, mloom_error *error) {
  struct stat now;
  mloom_seal *found = NULL;
  /* Before it is read: what is put in its place meanwhile is seen next time. */
  if (stat(self->path, &now) != 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SECRET,
                                 "put it back; a restart would make another key, which opens nothing that is stored",
                                 "cannot find the key file %s", self->path);
  }
  if (is_same_file(&now, &self->file)) {
    return MLOOM_OK;
  }
  int32_t code = mloom_seal_open(&found, self->path, error);
  if (code == MLOOM_OK) {
    mloom_seal_free(self->seal);
    self->seal = found;
    self->file = now;
    self->version++;
  }
  return code;
}

/* One rotation at a time: two could drop each other's new keys. The lock is on the folder, as the file is replaced. */
static int32_t lock_folder(const char *path, int *fd, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer folder = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append(&folder, path, (size_t)(strrchr(path, '/') - path) + 1) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  *fd = open(mloom_buffer_string(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0) {
    return MLOOM_OK;
  }
  return errno == EWOULDBLOCK
             ? mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_SECRET, "let it end, then try again",
                               "another program rotates the keys of %s", path)
             : mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SECRET, "check the folder and its permissions",
                                     "cannot lock the folder of the key file %s", path);
}

int32_t store_keys_rotate(store_keys *self, int32_t (*reseal)(void *userdata, mloom_error *error), void *userdata,
                          mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int lock = -1;
  int32_t code = lock_folder(self->path, &lock, error);
  code = code != MLOOM_OK ? code : mloom_seal_add_key(self->path, error);
  code = code != MLOOM_OK ? code : store_keys_refresh(self, error);
  code = code != MLOOM_OK ? code : reseal(userdata, error);
  return code != MLOOM_OK ? code : mloom_seal_drop_keys(self->path, error);
}
