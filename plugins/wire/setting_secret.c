/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "wire/setting_secret.h"

#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"

#define FILE_LIMIT ((size_t)64 * 1024)
#define ABSENT 1u

static int32_t read_again(const mloom_host *host, const char *path, mloom_secret **out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  /* Room at once: growing leaves copies behind. */
  if (mloom_buffer_reserve(&text, FILE_LIMIT + 32768) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_file_read(&text, path, FILE_LIMIT, MLOOM_DOMAIN_CREDENTIAL, error);
  if (code != MLOOM_OK) {
    return code;
  }
  size_t size = text.size;
  while (size > 0 && (text.data[size - 1] == '\n' || text.data[size - 1] == '\r')) {
    size--;
  }
  if (size == 0 || memchr(text.data, '\0', size) != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "write the secret into it again",
                           "%s holds no secret any more", path);
  }
  return host->secret_new(host->ctx, text.data, size, out, error);
}

int32_t mloom_setting_secret(const mloom_host *host, const mloom_setting *setting, const mloom_secret **out,
                             mloom_error *error) {
  if (setting->path == NULL) {
    host->secret_ref(host->ctx, setting->secret);
    *out = setting->secret;
    return MLOOM_OK;
  }
  mloom_secret *fresh = NULL;
  int32_t code = read_again(host, setting->path, &fresh, error);
  *out = fresh;
  return code;
}

static uint64_t mix(uint64_t mark, uint64_t value) {
  mark = (mark ^ value) * UINT64_C(0x9e3779b97f4a7c15);
  return mark ^ (mark >> 29);
}

uint64_t mloom_setting_mark(const mloom_setting *setting) {
  struct stat status;
  if (setting->path == NULL) {
    return 0;
  }
  if (stat(setting->path, &status) != 0) {
    return ABSENT;
  }
  uint64_t mark = mix(UINT64_C(0x51ed270b), (uint64_t)status.st_dev);
  mark = mix(mark, (uint64_t)status.st_ino);
  mark = mix(mark, (uint64_t)status.st_size);
  mark = mix(mark, (uint64_t)status.st_mtim.tv_sec);
  mark = mix(mark, (uint64_t)status.st_mtim.tv_nsec);
  mark = mix(mark, (uint64_t)status.st_ctim.tv_sec);
  mark = mix(mark, (uint64_t)status.st_ctim.tv_nsec);
  return mark <= ABSENT ? ABSENT + 1 : mark;
}
