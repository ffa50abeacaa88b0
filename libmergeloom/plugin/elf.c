/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/elf.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define DOMAIN MLOOM_DOMAIN_PLUGIN
#define BUILD_AGAIN "build or copy the file again"

/* The header of the object that this code is in, to compare with. */
static const ElfW(Ehdr) * own_header(void) {
  Dl_info info;
  if (dladdr((const void *)&mloom_elf_check, &info) == 0 || memcmp(info.dli_fbase, ELFMAG, SELFMAG) != 0) {
    return NULL;
  }
  return info.dli_fbase;
}

static int32_t check_header(const ElfW(Ehdr) * header, const char *path, mloom_error *error) {
  if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "remove it, or put a plugin there",
                           "%s is no shared object: it does not begin as an ELF file does", path);
  }
  const ElfW(Ehdr) *own = own_header();
  if (own != NULL && (header->e_ident[EI_CLASS] != own->e_ident[EI_CLASS] ||
                      header->e_ident[EI_DATA] != own->e_ident[EI_DATA] || header->e_machine != own->e_machine)) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, DOMAIN, "build the plugin for this machine",
                           "%s was built for another machine (ELF machine %u, this is %u)", path,
                           (unsigned)header->e_machine, (unsigned)own->e_machine);
  }
  if (header->e_type != ET_DYN || header->e_phentsize != sizeof(ElfW(Phdr))) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "link it with -shared",
                           "%s is an ELF file but no shared object", path);
  }
  return MLOOM_OK;
}

static int32_t truncated(const char *path, uint64_t file_size, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, BUILD_AGAIN,
                         "%s is cut off: the file has %llu bytes, its headers promise more", path,
                         (unsigned long long)file_size);
}

int32_t mloom_elf_check(const char *path, mloom_error *error) {
  /* O_NONBLOCK: opening a FIFO must not wait for its other end. */
  MLOOM_AUTO(mloom_auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    return mloom_error_set_errno(error, errno, DOMAIN, "correct its mode or its owner", "cannot open %s", path);
  }
  if (!S_ISREG(status.st_mode)) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "remove it, or put a plugin there", "%s is no regular file",
                           path);
  }
  uint64_t file_size = (uint64_t)status.st_size;
  ElfW(Ehdr) header;
  memset(&header, 0, sizeof(header));
  ssize_t got = pread(fd, &header, sizeof(header), 0);
  if (got >= SELFMAG && got < (ssize_t)sizeof(header) && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0) {
    return truncated(path, file_size, error);
  }
  int32_t code = check_header(&header, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  /* The table of sections stands at the end of the file, so it tells a copy that did not finish. */
  uint64_t sections_size = (uint64_t)header.e_shnum * header.e_shentsize;
  if (header.e_shoff > file_size || sections_size > file_size - header.e_shoff) {
    return truncated(path, file_size, error);
  }
  for (unsigned i = 0; i < header.e_phnum; i++) {
    ElfW(Phdr) segment;
    off_t offset = (off_t)(header.e_phoff + (ElfW(Off))i * sizeof(segment));
    if (pread(fd, &segment, sizeof(segment), offset) != (ssize_t)sizeof(segment)) {
      return truncated(path, file_size, error);
    }
    if ((segment.p_type == PT_LOAD || segment.p_type == PT_DYNAMIC) &&
        (segment.p_offset > file_size || segment.p_filesz > file_size - segment.p_offset)) {
      return truncated(path, file_size, error);
    }
  }
  return MLOOM_OK;
}
