/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_writer.h"

#include <string.h>

#include "base/text.h"

static int needs_escape(unsigned char c) {
  return c < 0x20 || c == '"' || c == '\\' || c == 0x7F;
}

static int32_t append_escape(mloom_buffer *out, unsigned char c) {
  switch (c) {
  case '"':
    return mloom_buffer_append(out, "\\\"", 2);
  case '\\':
    return mloom_buffer_append(out, "\\\\", 2);
  case '\n':
    return mloom_buffer_append(out, "\\n", 2);
  case '\r':
    return mloom_buffer_append(out, "\\r", 2);
  case '\t':
    return mloom_buffer_append(out, "\\t", 2);
  default:
    return mloom_buffer_append_format(out, "\\u%04x", c);
  }
}

/* data is well-formed UTF-8. */
static int32_t append_escaped(mloom_buffer *out, const char *data, size_t size) {
  int32_t code = MLOOM_OK;
  size_t start = 0;
  for (size_t i = 0; code == MLOOM_OK && i < size; i++) {
    if (needs_escape((unsigned char)data[i])) {
      code = mloom_buffer_append(out, data + start, i - start);
      if (code == MLOOM_OK) {
        code = append_escape(out, (unsigned char)data[i]);
      }
      start = i + 1;
    }
  }
  return code == MLOOM_OK ? mloom_buffer_append(out, data + start, size - start) : code;
}

int32_t mloom_json_write_string(mloom_buffer *out, const char *data, size_t size) {
  size_t before = out->size;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer repaired = MLOOM_BUFFER_INIT;
  if (size == 0) {
    return mloom_buffer_append(out, "\"\"", 2);
  }
  if (!mloom_text_is_utf8(data, size)) {
    if (mloom_text_append_utf8(&repaired, data, size) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
    data = mloom_buffer_string(&repaired);
    size = repaired.size;
  }
  int32_t code = mloom_buffer_append_char(out, '"');
  if (code == MLOOM_OK) {
    code = append_escaped(out, data, size);
  }
  if (code == MLOOM_OK) {
    code = mloom_buffer_append_char(out, '"');
  }
  if (code != MLOOM_OK) {
    mloom_buffer_truncate(out, before);
  }
  return code;
}

int32_t mloom_json_write_name(mloom_buffer *out, const char *name) {
  size_t before = out->size;
  int32_t code = MLOOM_OK;
  if (before > 0 && out->data[before - 1] != '{' && out->data[before - 1] != '[') {
    code = mloom_buffer_append_char(out, ',');
  }
  if (code == MLOOM_OK) {
    code = mloom_json_write_string(out, name, strlen(name));
  }
  if (code == MLOOM_OK) {
    code = mloom_buffer_append_char(out, ':');
  }
  if (code != MLOOM_OK) {
    mloom_buffer_truncate(out, before);
  }
  return code;
}

int32_t mloom_json_write_member(mloom_buffer *out, const char *name, const char *data, size_t size) {
  size_t before = out->size;
  int32_t code = mloom_json_write_name(out, name);
  if (code == MLOOM_OK) {
    code = mloom_json_write_string(out, data, size);
  }
  if (code != MLOOM_OK) {
    mloom_buffer_truncate(out, before);
  }
  return code;
}
