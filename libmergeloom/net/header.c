/* SPDX-License-Identifier: Apache-2.0 */
#include "net/header.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "secret/secret.h"

int mloom_header_is_token(const char *name) {
  static const char others[] = "!#$%&'*+-.^_`|~";
  if (name == NULL || name[0] == '\0') {
    return 0;
  }
  for (; *name != '\0'; name++) {
    char c = *name;
    int is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_letter && strchr(others, c) == NULL) {
      return 0;
    }
  }
  return 1;
}

static int is_field_value(const char *data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)data[i];
    if ((c < 0x20 && c != '\t') || c == 0x7F) {
      return 0;
    }
  }
  return 1;
}

/* These decide where a message ends and belong to the transport alone. */
static int is_framing(const char *name) {
  static const char *const names[] = {"Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "TE"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (mloom_text_compare_fold(name, names[i]) == 0) {
      return 1;
    }
  }
  return 0;
}

int32_t mloom_header_check(const mloom_header *header, mloom_error *error) {
  if (!mloom_header_is_token(header->name) || is_framing(header->name)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_NETWORK,
                           "use a header name of letters, digits and dashes that the transport does not set itself",
                           "a request header has a name that is not allowed");
  }
  mloom_bytes value = mloom_text_bytes(header->value);
  mloom_bytes secret = header->secret == NULL ? (mloom_bytes){NULL, 0} : mloom_secret_bytes(header->secret);
  if (!is_field_value(value.data, value.size) || !is_field_value(secret.data, secret.size)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_NETWORK,
                           "remove line breaks and control characters from the value, for instance at the end of a key",
                           "the request header %s has a line break or control character in its value", header->name);
  }
  return MLOOM_OK;
}
