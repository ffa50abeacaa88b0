/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a plugin file: the check of its headers reads what it may and ends.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plugin/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int fd = memfd_create("plugin", MFD_CLOEXEC);
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
    mloom_error error = MLOOM_ERROR_INIT;
    (void)mloom_elf_check(path, &error);
  }
  close(fd);
  return 0;
}
