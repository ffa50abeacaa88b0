/* SPDX-License-Identifier: Apache-2.0
 *
 * The private repository's copy of the index.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "job/git_metadata.h"

#define HEADER_BYTES 12u
#define ASSUME_UNCHANGED 0x80u /* in the first byte of an entry's flags */
#define EXTENDED 0x40u

static uint32_t read_number(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The bytes of the entry at at: times, numbers, mode and id, then flags and a name. 0 when it has no end. */
static size_t measure_entry(const unsigned char *at, size_t left, uint32_t version, size_t id_size) {
  size_t name = 40 + id_size + 2;
  name += left > name && (at[40 + id_size] & EXTENDED) != 0 ? 2 : 0;
  if (version == 4) {
    while (name < left && (at[name] & 0x80) != 0) {
      name++; /* how much of the name before is cut */
    }
    name++;
  }
  const unsigned char *end = name < left ? memchr(at + name, '\0', left - name) : NULL;
  size_t size = end == NULL ? 0 : (size_t)(end + 1 - at);
  return version == 4 || size == 0 ? size : (size + 7) / 8 * 8;
}

/* Who marks a file as unchanged, once and for all, would hide its changes from the diff: the marks go. git takes the
 * sum at the index's end for a help against broken disks and looks at it in fsck only. */
static void clear_marks(unsigned char *data, size_t size, size_t id_size) {
  if (size < HEADER_BYTES || memcmp(data, "DIRC", 4) != 0) {
    return; /* git says what is wrong with it */
  }
  uint32_t version = read_number(data + 4);
  uint32_t count = read_number(data + 8);
  size_t at = HEADER_BYTES;
  for (uint32_t i = 0; i < count && at < size; i++) {
    size_t entry = measure_entry(data + at, size - at, version, id_size);
    if (entry == 0) {
      return;
    }
    data[at + 40 + id_size] &= (unsigned char)~ASSUME_UNCHANGED;
    at += entry;
  }
}

static int32_t read_index(mloom_buffer *out, int fd) {
  for (ssize_t got = 1; got != 0; out->size += got > 0 ? (size_t)got : 0) {
    if (mloom_buffer_reserve(out, 65536) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
    got = read(fd, out->data + out->size, 65536);
    if (got < 0 && errno != EINTR) {
      return MLOOM_E_IO;
    }
  }
  return MLOOM_OK;
}

/* The index tells git which files it need not read. Its time stamp is part of that knowledge. */
static int32_t copy_file(int from, int to, const char *name, size_t id_size, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer index = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_auto_close) int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status;
  if (in < 0 || fstat(in, &status) != 0 || !S_ISREG(status.st_mode)) {
    return MLOOM_OK; /* nothing was ever added */
  }
  int32_t code = read_index(&index, in);
  if (code == MLOOM_E_MEMORY) {
    return mloom_error_memory(error);
  }
  clear_marks((unsigned char *)index.data, index.size, id_size);
  MLOOM_AUTO(mloom_auto_close)
  int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  struct timespec times[2] = {status.st_atim, status.st_mtim};
  return code == MLOOM_OK && out >= 0 && mloom_file_write_all(out, index.data, index.size) == 0 &&
                 futimens(out, times) == 0
             ? MLOOM_OK
             : mloom_error_set_errno(error, errno, MLOOM_DOMAIN_WORKSPACE, "free space for scratch_path",
                                     "the index cannot be copied");
}

int32_t mloom_git_index_copy(const char *from, const char *to, size_t id_size, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close_folder) DIR *source = opendir(from);
  MLOOM_AUTO(mloom_auto_close) int target = open(to, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int32_t code = MLOOM_OK;
  for (struct dirent *item; code == MLOOM_OK && source != NULL && (item = readdir(source)) != NULL;) {
    /* A split index has its greater part in a file of its own. */
    if (strcmp(item->d_name, "index") == 0 || strncmp(item->d_name, "sharedindex.", 12) == 0) {
      code = copy_file(dirfd(source), target, item->d_name, id_size, error);
    }
  }
  return code;
}
