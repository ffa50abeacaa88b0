/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define ECHO_LIMIT 24
#define PATH_LIMIT 4096
#define URL_LIMIT 2048

/* A key set in place of a choice or a number must not be repeated in a message: only short plain words are. */
static const char *echo(const mloom_buffer *value, char out[ECHO_LIMIT + 4]) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-+._";
  if (value->size > ECHO_LIMIT || strspn(mloom_buffer_string(value), plain) != value->size) {
    return "the value";
  }
  snprintf(out, ECHO_LIMIT + 4, "'%s'", mloom_buffer_string(value));
  return out;
}

static int32_t refuse(mloom_error *error, const char *remedy, const char *what) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, remedy, "%s", what);
}

static int has_control(const char *data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)data[i];
    if (c < 0x20 || c == 0x7f) {
      return 1;
    }
  }
  return 0;
}

static void trim_in_place(mloom_buffer *value) {
  mloom_bytes kept = mloom_text_trim((mloom_bytes){value->data, value->size});
  if (kept.size < value->size) {
    size_t front = kept.size == 0 ? 0 : (size_t)(kept.data - value->data);
    mloom_buffer_truncate(value, front + kept.size);
    mloom_buffer_consume(value, front);
  }
}

static int32_t replace(mloom_buffer *value, const char *text, mloom_error *error) {
  mloom_buffer_clear(value);
  return mloom_buffer_append_string(value, text) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t normalize_integer(const mloom_field *field, mloom_buffer *value, mloom_error *error) {
  char shown[ECHO_LIMIT + 4], text[32];
  int64_t number = 0;
  int32_t parsed = mloom_text_parse_int64((mloom_bytes){value->data, value->size}, &number);
  int bounded = field->minimum < field->maximum;
  if (parsed != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "write digits only, without a unit",
                           "%s is no whole number", echo(value, shown));
  }
  if (bounded && (number < field->minimum || number > field->maximum)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, NULL,
                           "%s is not from %" PRId64 " to %" PRId64, echo(value, shown), field->minimum,
                           field->maximum);
  }
  snprintf(text, sizeof text, "%" PRId64, number);
  return replace(value, text, error);
}

static int32_t normalize_boolean(mloom_buffer *value, mloom_error *error) {
  static const char *const yes[] = {"true", "1", "yes", "on"};
  static const char *const no[] = {"false", "0", "no", "off"};
  char shown[ECHO_LIMIT + 4];
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
    if (mloom_text_compare_fold(value->data, yes[i]) == 0) {
      return replace(value, "true", error);
    }
    if (mloom_text_compare_fold(value->data, no[i]) == 0) {
      return replace(value, "false", error);
    }
  }
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "use true or false",
                         "%s is neither true nor false", echo(value, shown));
}

static int32_t normalize_choice(const mloom_field *field, mloom_buffer *value, mloom_error *error) {
  char shown[ECHO_LIMIT + 4], known[192] = "";
  size_t used = 0;
  for (size_t i = 0; field->choices != NULL && field->choices[i] != NULL; i++) {
    if (mloom_text_compare_fold(value->data, field->choices[i]) == 0) {
      return replace(value, field->choices[i], error);
    }
    if (used < sizeof known) {
      used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", field->choices[i]);
    }
  }
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, NULL, "%s is none of: %s", echo(value, shown),
                         known);
}

static int port_is_valid(const char *port, size_t size) {
  int64_t number = 0;
  return size <= 5 && mloom_text_parse_int64((mloom_bytes){port, size}, &number) == MLOOM_OK && number >= 1 &&
         number <= 65535 && port[0] >= '0' && port[0] <= '9';
}

static int host_is_valid(const char *host, size_t size) {
  if (size == 0) {
    return 0;
  }
  if (host[0] == '[') {
    const char *end = memchr(host, ']', size);
    if (end == NULL || end == host + 1 || strspn(host + 1, "0123456789abcdefABCDEF:.%") < (size_t)(end - host - 1)) {
      return 0;
    }
    size_t rest = size - (size_t)(end + 1 - host);
    return rest == 0 || (end[1] == ':' && port_is_valid(end + 2, rest - 1));
  }
  const char *colon = memchr(host, ':', size);
  size_t name = colon == NULL ? size : (size_t)(colon - host);
  if (name == 0 || (colon != NULL && !port_is_valid(colon + 1, size - name - 1))) {
    return 0;
  }
  for (size_t i = 0; i < name; i++) {
    if (strchr("\"<>\\^`{|}[]%,;", host[i]) != NULL) {
      return 0;
    }
  }
  return 1;
}

static int32_t check_url(const mloom_buffer *value, mloom_error *error) {
  const char *text = value->data;
  size_t scheme = mloom_text_compare_start_fold(text, "https://", 8) == 0  ? 8
                  : mloom_text_compare_start_fold(text, "http://", 7) == 0 ? 7
                                                                           : 0;
  if (scheme == 0) {
    return refuse(error, "begin it with https:// or http://", "it is no http or https URL");
  }
  if (value->size > URL_LIMIT) {
    return refuse(error, NULL, "the URL is longer than 2048 bytes");
  }
  if (memchr(text, ' ', value->size) != NULL) {
    return refuse(error, "remove the blank", "the URL has a blank in it");
  }
  size_t host = strcspn(text + scheme, "/?#");
  if (memchr(text + scheme, '@', host) != NULL) {
    return refuse(error, "take user and password out of the URL and set the field for the login, key or token instead",
                  "the URL carries a user name or password");
  }
  if (!host_is_valid(text + scheme, host)) {
    return refuse(error, "write it as https://host or https://host:port", "the URL has no valid host and port");
  }
  if (strchr(text, '#') != NULL) {
    return refuse(error, "leave out what follows #", "the URL has a fragment");
  }
  return MLOOM_OK;
}

static int32_t check_path(const mloom_buffer *value, mloom_error *error) {
  if (value->data[0] != '/') {
    return refuse(error, "write the whole path from / on; ~ and variables are not expanded",
                  "the path is not absolute");
  }
  if (value->size >= PATH_LIMIT) {
    return refuse(error, NULL, "the path is longer than 4095 bytes");
  }
  return MLOOM_OK;
}

/* Trims the elements and drops empty ones. The result is never longer. */
static void normalize_list(mloom_buffer *value) {
  size_t written = 0, position = 0;
  while (position < value->size) {
    const char *comma = memchr(value->data + position, ',', value->size - position);
    size_t end = comma == NULL ? value->size : (size_t)(comma - value->data);
    mloom_bytes element = mloom_text_trim((mloom_bytes){value->data + position, end - position});
    if (element.size > 0) {
      if (written > 0) {
        value->data[written++] = ',';
      }
      memmove(value->data + written, element.data, element.size);
      written += element.size;
    }
    position = end + 1;
  }
  mloom_buffer_truncate(value, written);
}

static int is_header_name(mloom_bytes name) {
  static const char extra[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < name.size; i++) {
    char c = name.data[i];
    int alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alphanumeric && (c == '\0' || strchr(extra, c) == NULL)) {
      return 0;
    }
  }
  return name.size > 0 && name.size <= 256;
}

/* Those that frame the message or belong to one connection are the host's. */
static int is_reserved_header(mloom_bytes name) {
  static const char *const reserved[] = {
      "connection", "content-length",    "expect", "host", "keep-alive", "te", "proxy-authorization",
      "trailer",    "transfer-encoding", "upgrade"};
  for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
    if (mloom_text_equal_fold(name, reserved[i])) {
      return 1;
    }
  }
  return 0;
}

static int32_t append_header(mloom_buffer *out, mloom_bytes line, mloom_error *error) {
  const char *colon = memchr(line.data, ':', line.size);
  mloom_bytes name = {line.data, colon == NULL ? 0 : (size_t)(colon - line.data)};
  if (!is_header_name(name)) {
    return refuse(error, "write one \"Name: value\" a line", "a header line has no valid name before a colon");
  }
  if (is_reserved_header(name)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "remove it",
                           "the header %.*s is set by the HTTP client alone", (int)name.size, name.data);
  }
  mloom_bytes value = mloom_text_trim((mloom_bytes){colon + 1, line.size - name.size - 1});
  if (value.size == 0 || has_control(value.data, value.size)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "correct its value",
                           "the header %.*s has no value, or control characters in it", (int)name.size, name.data);
  }
  int32_t code = out->size > 0 ? mloom_buffer_append_char(out, '\n') : MLOOM_OK;
  code = code != MLOOM_OK ? code : mloom_buffer_append(out, name.data, name.size);
  code = code != MLOOM_OK ? code : mloom_buffer_append(out, ": ", 2);
  code = code != MLOOM_OK ? code : mloom_buffer_append(out, value.data, value.size);
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t normalize_headers(mloom_buffer *value, mloom_error *error) {
  MLOOM_AUTO(mloom_settings_buffer_wipe) mloom_buffer out = MLOOM_BUFFER_INIT;
  /* At most one byte more for each two of a line: reserved at once, so that nothing is left behind by growing. */
  if (mloom_buffer_reserve(&out, value->size * 2 + 2) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  size_t position = 0;
  while (position < value->size) {
    const char *newline = memchr(value->data + position, '\n', value->size - position);
    size_t end = newline == NULL ? value->size : (size_t)(newline - value->data);
    mloom_bytes line = mloom_text_trim((mloom_bytes){value->data + position, end - position});
    int32_t code = line.size == 0 ? MLOOM_OK : append_header(&out, line, error);
    if (code != MLOOM_OK) {
      return code;
    }
    position = end + 1;
  }
  mloom_buffer swapped = *value;
  *value = out;
  out = swapped;
  return MLOOM_OK;
}

static int32_t normalize_secret(const mloom_field *field, mloom_buffer *value, mloom_error *error) {
  while (value->size > 0 && (value->data[value->size - 1] == '\n' || value->data[value->size - 1] == '\r')) {
    mloom_buffer_truncate(value, value->size - 1);
  }
  if (value->size > 0 && (field->flags & MLOOM_FIELD_MULTILINE) == 0 &&
      (memchr(value->data, '\n', value->size) != NULL || memchr(value->data, '\r', value->size) != NULL)) {
    return refuse(error, "store the bare secret, in one line", "the secret has a line break in it");
  }
  return MLOOM_OK;
}

int mloom_field_is_secret(const mloom_field *field) {
  return field->kind == MLOOM_FIELD_SECRET || field->kind == MLOOM_FIELD_HEADERS;
}

int32_t mloom_field_normalize(const mloom_field *field, mloom_buffer *value, mloom_error *error) {
  if (value->size == 0) {
    return MLOOM_OK;
  }
  if (value->size > MLOOM_SETTINGS_VALUE_LIMIT) {
    return refuse(error, NULL, "the value is larger than 64 KiB");
  }
  if (memchr(value->data, '\0', value->size) != NULL) {
    return refuse(error, "store it as plain text", "the value has a NUL byte in it");
  }
  if (field->kind == MLOOM_FIELD_SECRET) {
    return normalize_secret(field, value, error);
  }
  if (field->kind == MLOOM_FIELD_HEADERS) {
    return normalize_headers(value, error);
  }
  trim_in_place(value);
  if (value->size == 0) {
    return MLOOM_OK;
  }
  if (!mloom_text_is_utf8(value->data, value->size) || has_control(value->data, value->size)) {
    return refuse(error, "write it as one line of UTF-8", "the value has control characters or malformed UTF-8 in it");
  }
  switch (field->kind) {
  case MLOOM_FIELD_INTEGER:
    return normalize_integer(field, value, error);
  case MLOOM_FIELD_BOOLEAN:
    return normalize_boolean(value, error);
  case MLOOM_FIELD_CHOICE:
    return normalize_choice(field, value, error);
  case MLOOM_FIELD_URL:
    return check_url(value, error);
  case MLOOM_FIELD_PATH:
    return check_path(value, error);
  case MLOOM_FIELD_LIST:
    normalize_list(value);
    return MLOOM_OK;
  default:
    return MLOOM_OK;
  }
}

int32_t mloom_field_each_header_value(mloom_bytes headers, int32_t (*fn)(mloom_bytes value, void *userdata),
                                      void *userdata) {
  size_t position = 0;
  while (position < headers.size) {
    const char *line = headers.data + position;
    const char *newline = memchr(line, '\n', headers.size - position);
    size_t size = newline == NULL ? headers.size - position : (size_t)(newline - line);
    const char *colon = memchr(line, ':', size);
    if (colon != NULL) {
      mloom_bytes value = mloom_text_trim((mloom_bytes){colon + 1, size - (size_t)(colon + 1 - line)});
      int32_t code = fn(value, userdata);
      /* "Bearer KEY": the key alone is secret too. */
      const char *blank = memrchr(value.data, ' ', value.size);
      if (code == MLOOM_OK && blank != NULL) {
        code = fn((mloom_bytes){blank + 1, value.size - (size_t)(blank + 1 - value.data)}, userdata);
      }
      if (code != MLOOM_OK) {
        return code;
      }
    }
    position += size + 1;
  }
  return MLOOM_OK;
}

const char *mloom_field_kind_name(uint32_t kind) {
  static const char *const names[] = {"string", "integer", "boolean", "choice", "secret",
                                      "url",    "path",    "list",    "headers"};
  return kind < sizeof names / sizeof names[0] ? names[kind] : "string";
}

void mloom_settings_buffer_wipe(mloom_buffer *buffer) {
  if (buffer->data != NULL) {
    mloom_secret_wipe(buffer->data, buffer->capacity);
  }
  mloom_buffer_free(buffer);
}
