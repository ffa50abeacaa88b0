/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* One line of UTF-8 that fits: control characters become spaces, malformed bytes question marks. */
static void copy_line(char *to, size_t capacity, const char *from) {
  size_t size = strnlen(from, capacity);
  if (size == capacity) {
    size = mloom_text_complete_prefix(from, capacity - 1);
  }
  int well_formed = mloom_text_is_utf8(from, size);
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)from[i];
    to[i] = c < 0x20 || c == 0x7F ? ' ' : c >= 0x80 && !well_formed ? '?' : from[i];
  }
  to[size] = '\0';
}

/* The caller may have been built against a shorter struct. */
static void store(mloom_error *to, const mloom_error *from) {
  size_t size = to->size < sizeof(*to) ? to->size : sizeof(*to);
  size_t start = offsetof(mloom_error, code);
  if (size > start) {
    memcpy((char *)to + start, (const char *)from + start, size - start);
  }
}

int32_t mloom_error_set(mloom_error *error, int32_t code, uint32_t domain, const char *remedy, const char *format,
                        ...) {
  if (error == NULL) {
    return code;
  }
  mloom_error filled = MLOOM_ERROR_INIT;
  char text[2 * sizeof(filled.message)];
  va_list arguments;
  va_start(arguments, format);
  if (vsnprintf(text, sizeof(text), format, arguments) < 0) {
    text[0] = '\0';
  }
  va_end(arguments);
  filled.code = code;
  filled.domain = domain;
  copy_line(filled.message, sizeof(filled.message), text);
  copy_line(filled.remedy, sizeof(filled.remedy), remedy == NULL ? "" : remedy);
  store(error, &filled);
  return code;
}

static int32_t code_of_errno(int errno_value) {
  switch (errno_value) {
  case ENOENT:
  case ENOTDIR:
    return MLOOM_E_NOT_FOUND;
  case EACCES:
  case EPERM:
  case EROFS:
    return MLOOM_E_DENIED;
  case ENOMEM:
    return MLOOM_E_MEMORY;
  case ETIMEDOUT:
    return MLOOM_E_TIMEOUT;
  case ENOSYS:
  case EOPNOTSUPP:
    return MLOOM_E_UNSUPPORTED;
  default:
    return MLOOM_E_IO;
  }
}

int32_t mloom_error_set_errno(mloom_error *error, int errno_value, uint32_t domain, const char *remedy,
                              const char *format, ...) {
  int32_t code = code_of_errno(errno_value);
  if (error == NULL) {
    return code;
  }
  mloom_error filled;
  char text[sizeof(filled.message)];
  char reason[128];
  va_list arguments;
  va_start(arguments, format);
  if (vsnprintf(text, sizeof(text), format, arguments) < 0) {
    text[0] = '\0';
  }
  va_end(arguments);
  return mloom_error_set(error, code, domain, remedy, "%s: %s", text, strerror_r(errno_value, reason, sizeof(reason)));
}

int32_t mloom_error_memory(mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_MEMORY, MLOOM_DOMAIN_SYSTEM, "free some memory or raise the process's limit",
                         "out of memory");
}

void mloom_error_copy(mloom_error *to, const mloom_error *from) {
  if (to == NULL || from == NULL || to == from) {
    return;
  }
  mloom_error whole = MLOOM_ERROR_INIT;
  size_t size = from->size < sizeof(whole) ? from->size : sizeof(whole);
  if (size > offsetof(mloom_error, code)) {
    memcpy((char *)&whole + offsetof(mloom_error, code), (const char *)from + offsetof(mloom_error, code),
           size - offsetof(mloom_error, code));
  }
  store(to, &whole);
}

const char *mloom_domain_name(uint32_t domain) {
  static const char *const names[] = {"none",       "usage",     "plugin",  "settings",  "secret",
                                      "credential", "resolver",  "network", "provider",  "process",
                                      "sandbox",    "workspace", "job",     "readiness", "system"};
  return domain < sizeof(names) / sizeof(names[0]) ? names[domain] : "unknown";
}
