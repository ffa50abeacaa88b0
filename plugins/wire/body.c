/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "base/json.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

/* Services read bodies of limited depth, and a body has levels of its own around a value. */
#define DEPTH 48u

void mloom_body_add(int32_t *status, mloom_buffer *out, const char *text) {
  *status = *status == MLOOM_OK ? mloom_buffer_append_string(out, text) : *status;
}

void mloom_body_add_bytes(int32_t *status, mloom_buffer *out, mloom_bytes text) {
  *status = *status == MLOOM_OK ? mloom_buffer_append(out, text.data, text.size) : *status;
}

void mloom_body_add_quoted(int32_t *status, mloom_buffer *out, mloom_bytes text) {
  *status = *status == MLOOM_OK ? mloom_json_write_string(out, text.data == NULL ? "" : text.data, text.size) : *status;
}

void mloom_body_add_name(int32_t *status, mloom_buffer *out, const char *name) {
  *status = *status == MLOOM_OK ? mloom_json_write_name(out, name) : *status;
}

void mloom_body_add_string(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes text) {
  mloom_body_add_name(status, out, name);
  mloom_body_add_quoted(status, out, text);
}

void mloom_body_add_raw(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes value) {
  mloom_body_add_name(status, out, name);
  mloom_body_add_bytes(status, out, value);
}

void mloom_body_add_number(int32_t *status, mloom_buffer *out, const char *name, uint64_t value) {
  mloom_body_add_name(status, out, name);
  *status = *status == MLOOM_OK ? mloom_buffer_append_format(out, "%llu", (unsigned long long)value) : *status;
}

void mloom_body_add_boolean(int32_t *status, mloom_buffer *out, const char *name, int value) {
  mloom_body_add_name(status, out, name);
  mloom_body_add(status, out, value ? "true" : "false");
}

void mloom_body_add_result(int32_t *status, mloom_buffer *out, const char *name, const mloom_message *message) {
  int failed = (message->flags & MLOOM_MESSAGE_ERROR) != 0;
  if (message->text.size == 0 || !failed) {
    const char *instead = failed ? "the tool failed" : "(no output)";
    mloom_body_add_string(status, out, name, message->text.size == 0 ? mloom_text_bytes(instead) : message->text);
    return;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer marked = MLOOM_BUFFER_INIT;
  mloom_body_add(status, &marked, "Error: ");
  mloom_body_add_bytes(status, &marked, message->text);
  mloom_body_add_string(status, out, name, mloom_body_bytes(&marked));
}

void mloom_body_add_object(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes value,
                           const char *instead) {
  if (mloom_body_is_object(value)) {
    mloom_body_add_raw(status, out, name, value);
    return;
  }
  mloom_body_add_name(status, out, name);
  mloom_body_add(status, out, "{");
  mloom_body_add_string(status, out, instead, value);
  mloom_body_add(status, out, "}");
}

mloom_bytes mloom_body_parameters(const mloom_tool *tool) {
  return tool->parameters.size > 0 ? tool->parameters : mloom_text_bytes("{\"type\":\"object\",\"properties\":{}}");
}

mloom_bytes mloom_body_bytes(const mloom_buffer *buffer) {
  return (mloom_bytes){mloom_buffer_string(buffer), buffer->size};
}

int mloom_body_is_blank(mloom_bytes text) {
  return mloom_text_trim(text).size == 0;
}

static int is_too_deep(mloom_bytes text) {
  size_t depth = 0;
  int in_string = 0;
  for (size_t i = 0; i < text.size; i++) {
    char c = text.data[i];
    if (in_string) {
      i += c == '\\';
      in_string = c != '"';
    } else if (c == '"') {
      in_string = 1;
    } else if (c == '{' || c == '[') {
      if (++depth > DEPTH) {
        return 1;
      }
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return 0;
}

int mloom_body_is_object(mloom_bytes text) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text.data == NULL ? "" : text.data, text.size);
  if (mloom_json_reader_peek(&reader) != MLOOM_JSON_OBJECT) {
    return 0;
  }
  mloom_json_reader_skip(&reader);
  return mloom_json_reader_end(&reader) == MLOOM_OK && !is_too_deep(text);
}
