/* SPDX-License-Identifier: Apache-2.0 */
#include "framing.h"

#include <string.h>
#include <strings.h>

/* No blank, control character or colon is part of a name (RFC 9112, 5.1). */
static int is_name(const char *name) {
  const char *end = name;
  while (*end > ' ' && *end < 0x7f && *end != ':') {
    end++;
  }
  return end > name && *end == '\0';
}

void framing_judge(framing *self, const char *name, const char *value) {
  /* By their beginnings, as libmicrohttpd makes a value in a line of its own a part of the name. */
  int is_length = strncasecmp(name, "Content-Length", 14) == 0;
  int is_encoding = strncasecmp(name, "Transfer-Encoding", 17) == 0;
  self->lengths += (size_t)(is_length + is_encoding);
  self->wrong |= !is_name(name) || value[strcspn(value, "\r\n")] != '\0';
  self->wrong |= is_length && (value[0] == '\0' || value[strspn(value, "0123456789")] != '\0');
  self->wrong |= is_encoding && strcasecmp(value, "chunked") != 0;
}
