/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a backup: refused, or entries whose content is as long as their heads say, one after the other.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
  if (!condition) {
    abort();
  }
}

static int32_t take(int archive, const archive_entry *entry, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int target = memfd_create("entry", MFD_CLOEXEC);
  struct stat status;
  int32_t code = archive_extract(archive, "backup", entry, target, error);
  require(code == MLOOM_OK || error->remedy[0] != '\0');
  require(fstat(target, &status) == 0 && (code != MLOOM_OK || status.st_size == entry->size));
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLOOM_AUTO(mloom_auto_close) int archive = memfd_create("archive", MFD_CLOEXEC);
  mloom_error error = MLOOM_ERROR_INIT;
  archive_entry entry;
  require(write(archive, data, size) == (ssize_t)size && lseek(archive, 0, SEEK_SET) == 0);
  int32_t code = 1;
  while (code == 1) {
    code = archive_next(archive, "backup", &entry, &error);
    require(code >= 0 || error.remedy[0] != '\0');
    require(code != 1 || (memchr(entry.name, '\0', sizeof entry.name) != NULL && entry.size >= 0));
    if (code == 1 && take(archive, &entry, &error) != MLOOM_OK) {
      code = -1;
    }
  }
  return 0;
}
