/* SPDX-License-Identifier: Apache-2.0 */
#include "store/archive.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define BLOCK 512
#define COPY_SIZE 65536
#define SIZE_LIMIT ((int64_t)1 << 33) /* eleven octal digits */

typedef struct block {
  char name[100], mode[8], owner[8], group[8], size[12], time[12], sum[8], kind, link[100], magic[6], version[2],
      owner_name[32], group_name[32], device[16], prefix[155], rest[12];
} block;

_Static_assert(sizeof(block) == BLOCK, "a header is one block");

static int32_t fail_write(const char *path, mloom_error *error) {
  return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, "check the free space and the folder's permissions",
                               "cannot write %s", path);
}

static int32_t refuse(const char *path, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SYSTEM, "name another backup, or copy this one again",
                         "%s is no backup of mergeloomd, or not a whole one", path);
}

static int write_all(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t count = write(fd, data, size);
    if (count < 0 && errno != EINTR) {
      return -1;
    }
    data += count < 0 ? 0 : count;
    size -= count < 0 ? 0 : (size_t)count;
  }
  return 0;
}

/* What was read of size bytes; less only at the end of the file. */
static ssize_t read_all(int fd, char *data, size_t size) {
  size_t got = 0;
  while (got < size) {
    ssize_t count = read(fd, data + got, size - got);
    if (count == 0) {
      break;
    }
    if (count < 0 && errno != EINTR) {
      return -1;
    }
    got += count < 0 ? 0 : (size_t)count;
  }
  return (ssize_t)got;
}

static size_t padding(int64_t size) {
  return (size_t)((BLOCK - size % BLOCK) % BLOCK);
}

/* The sum of all bytes, those of the sum itself counted as blanks. */
static unsigned sum_of(const block *header) {
  const unsigned char *bytes = (const unsigned char *)header;
  unsigned sum = 0;
  for (size_t i = 0; i < sizeof *header; i++) {
    int own = i >= offsetof(block, sum) && i < offsetof(block, sum) + sizeof header->sum;
    sum += own ? ' ' : bytes[i];
  }
  return sum;
}

static int64_t octal(const char *digits, size_t size) {
  int64_t value = 0;
  size_t i = 0;
  for (; i < size && digits[i] >= '0' && digits[i] <= '7'; i++) {
    value = value * 8 + (digits[i] - '0');
  }
  return i == 0 || (i < size && digits[i] != '\0' && digits[i] != ' ') ? -1 : value;
}

/* ---- Writing ---- */

int32_t archive_add(int archive, const char *path, const char *name, int source, int64_t time_ms, mloom_error *error) {
  block header = {.kind = '0', .magic = "ustar", .version = {'0', '0'}};
  struct stat status;
  char data[COPY_SIZE];
  if (fstat(source, &status) != 0 || lseek(source, 0, SEEK_SET) != 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, NULL, "cannot read what goes into %s", path);
  }
  if (status.st_size >= SIZE_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_SYSTEM,
                           "stop mergeloomd and copy its state folder by other means", "%s of 8 GiB and more", name);
  }
  snprintf(header.name, sizeof header.name, "%s", name);
  snprintf(header.mode, sizeof header.mode, "%07o", 0600);
  snprintf(header.owner, sizeof header.owner, "%07o", 0);
  snprintf(header.group, sizeof header.group, "%07o", 0);
  snprintf(header.size, sizeof header.size, "%011" PRIo64, (uint64_t)status.st_size);
  snprintf(header.time, sizeof header.time, "%011" PRIo64, (uint64_t)(time_ms / 1000) & 077777777777);
  snprintf(header.sum, sizeof header.sum, "%06o", sum_of(&header) & 0777777);
  header.sum[7] = ' ';
  if (write_all(archive, (const char *)&header, sizeof header) != 0) {
    return fail_write(path, error);
  }
  for (int64_t left = status.st_size; left > 0;) {
    ssize_t size = read_all(source, data, left < COPY_SIZE ? (size_t)left : COPY_SIZE);
    if (size <= 0) {
      return mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_SYSTEM, NULL, "%s became shorter while it was read", name);
    }
    if (write_all(archive, data, (size_t)size) != 0) {
      return fail_write(path, error);
    }
    left -= size;
  }
  memset(data, 0, BLOCK);
  return write_all(archive, data, padding(status.st_size)) == 0 ? MLOOM_OK : fail_write(path, error);
}

int32_t archive_finish(int archive, const char *path, mloom_error *error) {
  static const char end[2 * BLOCK];
  return write_all(archive, end, sizeof end) == 0 && fsync(archive) == 0 ? MLOOM_OK : fail_write(path, error);
}

/* ---- Reading ---- */

int32_t archive_next(int archive, const char *path, archive_entry *out, mloom_error *error) {
  static const block end;
  block header;
  if (read_all(archive, (char *)&header, sizeof header) != (ssize_t)sizeof header) {
    return refuse(path, error);
  }
  if (memcmp(&header, &end, sizeof header) == 0) {
    return 0;
  }
  out->size = octal(header.size, sizeof header.size);
  if (memcmp(header.magic, "ustar", 5) != 0 || header.kind != '0' || out->size < 0 || header.prefix[0] != '\0' ||
      octal(header.sum, sizeof header.sum) != (int64_t)sum_of(&header)) {
    return refuse(path, error);
  }
  memcpy(out->name, header.name, sizeof header.name);
  out->name[sizeof header.name] = '\0';
  return 1;
}

int32_t archive_extract(int archive, const char *path, const archive_entry *entry, int target, mloom_error *error) {
  char data[COPY_SIZE];
  for (int64_t left = entry->size; left > 0;) {
    size_t wanted = left < COPY_SIZE ? (size_t)left : COPY_SIZE;
    if (read_all(archive, data, wanted) != (ssize_t)wanted) {
      return refuse(path, error);
    }
    if (write_all(target, data, wanted) != 0) {
      return fail_write(entry->name, error);
    }
    left -= (int64_t)wanted;
  }
  size_t rest = padding(entry->size);
  return read_all(archive, data, rest) == (ssize_t)rest ? MLOOM_OK : refuse(path, error);
}
