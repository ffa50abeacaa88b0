/* SPDX-License-Identifier: Apache-2.0 */
#include "template.h"

#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/text.h"

/* Where a captured value ends when the script does not say. */
#define DEFAULT_ENDS " \t\r\n\"'\\,;`)}]<"

static int find_value(mloom_bytes *out, const mloom_json *capture, const sim_conversation *conversation) {
  const char *after = mloom_json_member_string(capture, "after", "");
  const char *until = mloom_json_member_string(capture, "until", NULL);
  uint32_t roles = sim_role_from_name(mloom_json_member_string(capture, "from", "any"));
  for (size_t i = conversation->message_count; i > 0; i--) {
    const sim_message *message = &conversation->messages[i - 1];
    const char *text = mloom_buffer_string(&message->text);
    const char *found = (message->role & roles) != 0 ? strstr(text, after) : NULL;
    if (found == NULL) {
      continue;
    }
    found += strlen(after);
    const char *end = until == NULL ? found + strcspn(found, DEFAULT_ENDS) : strstr(found, until);
    *out = (mloom_bytes){found, end == NULL ? strlen(found) : (size_t)(end - found)};
    return 1;
  }
  const char *otherwise = mloom_json_member_string(capture, "otherwise", NULL);
  *out = otherwise == NULL ? (mloom_bytes){NULL, 0} : mloom_text_bytes(otherwise);
  return otherwise != NULL;
}

static int32_t append_value(mloom_buffer *out, mloom_bytes value, int in_json) {
  if (!in_json) {
    return mloom_buffer_append(out, value.data, value.size);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer quoted = MLOOM_BUFFER_INIT;
  int32_t code = mloom_json_write_string(&quoted, value.data, value.size);
  return code == MLOOM_OK ? mloom_buffer_append(out, quoted.data + 1, quoted.size - 2) : code;
}

static int32_t append_named(mloom_buffer *out, const char *name, const sim_template *values, int in_json,
                            mloom_error *error) {
  if (strcmp(name, "turn") == 0) {
    return mloom_buffer_append_format(out, "%zu", values->conversation->turn);
  }
  if (strcmp(name, "model") == 0) {
    const mloom_buffer *model = &values->conversation->model;
    return append_value(out, (mloom_bytes){mloom_buffer_string(model), model->size}, in_json);
  }
  const mloom_json *capture = mloom_json_member(values->inner, name);
  capture = capture == NULL ? mloom_json_member(values->outer, name) : capture;
  mloom_bytes value = {NULL, 0};
  if (capture == NULL || !find_value(&value, capture, values->conversation)) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_USAGE, "correct the capture in the script",
                           capture == NULL ? "the script has no capture \"%s\"" : "capture \"%s\" finds nothing", name);
  }
  return append_value(out, value, in_json);
}

int32_t sim_template_append(mloom_buffer *out, mloom_bytes text, const sim_template *values, int in_json,
                            mloom_error *error) {
  int32_t code = MLOOM_OK;
  for (size_t at = 0; code == MLOOM_OK && at < text.size;) {
    const char *begin = memmem(text.data + at, text.size - at, "${", 2);
    size_t plain = begin == NULL ? text.size - at : (size_t)(begin - (text.data + at));
    code = mloom_buffer_append(out, text.data + at, plain);
    at += plain;
    const char *end = begin == NULL ? NULL : memchr(begin, '}', text.size - at);
    if (code != MLOOM_OK || begin == NULL) {
      continue;
    }
    char name[64];
    size_t size = end == NULL ? sizeof(name) : (size_t)(end - begin) - 2;
    if (size >= sizeof(name)) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "close it with }", "a ${ is not closed");
    }
    memcpy(name, begin + 2, size);
    name[size] = '\0';
    code = append_named(out, name, values, in_json, error);
    at += size + 3;
  }
  return code;
}
