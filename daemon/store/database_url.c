/* SPDX-License-Identifier: Apache-2.0 */
#include "store/database_url.h"

#include <string.h>

#include "base/error.h"

#define SCHEME_END "://"

/* A driver's name is of letters, digits and "_". */
static int is_driver(const char *text, size_t size) {
  return size > 1 && text[0] == '+' && strspn(text + 1, "abcdefghijklmnopqrstuvwxyz0123456789_") >= size - 1;
}

int32_t database_url_normalize(mloom_buffer *out, mloom_bytes url, mloom_error *error) {
  static const char *const schemes[] = {"postgresql", "postgres"};
  const char *end = url.size == 0 ? NULL : memmem(url.data, url.size, SCHEME_END, strlen(SCHEME_END));
  size_t scheme_size = end == NULL ? 0 : (size_t)(end - url.data);
  for (size_t i = 0; end != NULL && i < sizeof schemes / sizeof schemes[0]; i++) {
    size_t size = strlen(schemes[i]);
    if (scheme_size < size || memcmp(url.data, schemes[i], size) != 0 ||
        (scheme_size > size && !is_driver(url.data + size, scheme_size - size)) ||
        memchr(url.data, '\0', url.size) != NULL) {
      continue;
    }
    return mloom_buffer_append_wiping(out, "postgresql", strlen("postgresql")) != MLOOM_OK ||
                   mloom_buffer_append_wiping(out, end, url.size - scheme_size) != MLOOM_OK
               ? mloom_error_memory(error)
               : MLOOM_OK;
  }
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                         "write it as postgresql://user:password@host:5432/database",
                         "it is not the URL of a PostgreSQL database");
}
