/* SPDX-License-Identifier: Apache-2.0
 *
 * json-c holds the trees; the text is read by json_reader, whose strictness does not depend on json-c's options.
 */
#include "base/json.h"

#include <json-c/json.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

/* Trees built by this library are far flatter. */
#define LARGEST_WRITTEN_DEPTH 1000

static struct json_object *as_object(const mloom_json *json) {
  return (struct json_object *)(uintptr_t)json;
}

static mloom_json *from_object(struct json_object *object) {
  return (mloom_json *)object;
}

/* ---- Reading ---- */

typedef struct tree_builder {
  mloom_json_reader reader;
  mloom_buffer scratch;
  locale_t c_locale;   /* strtod follows the program's locale otherwise */
  const char *problem; /* static; NULL for malformed text */
  size_t position;     /* of problem */
  int out_of_memory;
} tree_builder;

static void builder_free(tree_builder *builder) {
  mloom_buffer_free(&builder->scratch);
  if (builder->c_locale != (locale_t)0) {
    freelocale(builder->c_locale);
  }
}

static int stop(tree_builder *builder, const char *problem, size_t position) {
  if (builder->reader.status == MLOOM_OK) {
    builder->problem = problem;
    builder->position = position;
    builder->reader.status = MLOOM_E_INVALID;
  }
  return 0;
}

static int stop_memory(tree_builder *builder) {
  builder->out_of_memory = 1;
  builder->reader.status = MLOOM_E_MEMORY;
  return 0;
}

static int keep(tree_builder *builder, struct json_object **out, struct json_object *value) {
  *out = value;
  return value != NULL || stop_memory(builder);
}

static int build_value(tree_builder *builder, struct json_object **out);

static int build_string(tree_builder *builder, struct json_object **out) {
  mloom_bytes text;
  if (!mloom_json_reader_string(&builder->reader, &builder->scratch, &text)) {
    return 0;
  }
  if (text.size > INT32_MAX) {
    return stop(builder, "a string that is too long", builder->reader.position);
  }
  return keep(builder, out, json_object_new_string_len(text.data, (int)text.size));
}

static int build_number(tree_builder *builder, struct json_object **out) {
  mloom_bytes text;
  size_t start = builder->reader.position;
  if (!mloom_json_reader_raw(&builder->reader, &text)) {
    return 0;
  }
  int64_t integer;
  if (mloom_text_parse_int64(text, &integer) == MLOOM_OK) {
    return keep(builder, out, json_object_new_int64(integer));
  }
  MLOOM_AUTO(mloom_auto_free) char *copy = mloom_text_dup(text);
  if (copy == NULL) {
    return stop_memory(builder);
  }
  double value = strtod_l(copy, NULL, builder->c_locale);
  if (!isfinite(value)) {
    return stop(builder, "a number that is too large", start);
  }
  /* Keeps the digits as they were written. */
  return keep(builder, out, json_object_new_double_s(value, copy));
}

static int build_array(tree_builder *builder, struct json_object **out) {
  if (!keep(builder, out, json_object_new_array()) || !mloom_json_reader_array(&builder->reader)) {
    return 0;
  }
  while (mloom_json_reader_element(&builder->reader)) {
    struct json_object *element = NULL;
    if (!build_value(builder, &element) || json_object_array_add(*out, element) != 0) {
      json_object_put(element);
      return builder->reader.status == MLOOM_OK ? stop_memory(builder) : 0;
    }
  }
  return builder->reader.status == MLOOM_OK;
}

/* The member's name with escapes undone, owned by the caller. */
static char *member_name(tree_builder *builder, mloom_bytes key) {
  mloom_json_reader name;
  mloom_bytes text;
  mloom_json_reader_init(&name, key.data - 1, key.size + 2);
  if (!mloom_json_reader_string(&name, &builder->scratch, &text)) {
    stop_memory(builder);
    return NULL;
  }
  if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL) {
    stop(builder, "a member name with a NUL character", (size_t)(key.data - builder->reader.data));
    return NULL;
  }
  char *copy = mloom_text_dup(text);
  if (copy == NULL) {
    stop_memory(builder);
  }
  return copy;
}

static int build_member(tree_builder *builder, struct json_object *object, mloom_bytes key) {
  MLOOM_AUTO(mloom_auto_free) char *name = member_name(builder, key);
  if (name == NULL) {
    return 0;
  }
  if (json_object_object_get_ex(object, name, NULL)) {
    return stop(builder, "a duplicate member", (size_t)(key.data - builder->reader.data));
  }
  struct json_object *value = NULL;
  if (!build_value(builder, &value) ||
      json_object_object_add_ex(object, name, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) != 0) {
    json_object_put(value);
    return builder->reader.status == MLOOM_OK ? stop_memory(builder) : 0;
  }
  return 1;
}

static int build_object(tree_builder *builder, struct json_object **out) {
  mloom_bytes key;
  if (!keep(builder, out, json_object_new_object()) || !mloom_json_reader_object(&builder->reader)) {
    return 0;
  }
  while (mloom_json_reader_key(&builder->reader, &key)) {
    if (!build_member(builder, *out, key)) {
      return 0;
    }
  }
  return builder->reader.status == MLOOM_OK;
}

/* The reader limits the depth. JSON null is a NULL pointer in json-c. What was built before a failure is in *out. */
static int build_value(tree_builder *builder, struct json_object **out) {
  int boolean;
  switch (mloom_json_reader_peek(&builder->reader)) {
  case MLOOM_JSON_OBJECT:
    return build_object(builder, out);
  case MLOOM_JSON_ARRAY:
    return build_array(builder, out);
  case MLOOM_JSON_STRING:
    return build_string(builder, out);
  case MLOOM_JSON_NUMBER:
    return build_number(builder, out);
  case MLOOM_JSON_BOOLEAN:
    return mloom_json_reader_boolean(&builder->reader, &boolean) &&
           keep(builder, out, json_object_new_boolean(boolean));
  default:
    mloom_json_reader_skip(&builder->reader);
    return builder->reader.status == MLOOM_OK;
  }
}

static int32_t report(const tree_builder *builder, const char *what, mloom_error *error) {
  if (builder->out_of_memory || builder->reader.status == MLOOM_E_MEMORY) {
    return mloom_error_memory(error);
  }
  const mloom_json_reader *reader = &builder->reader;
  size_t position = builder->problem != NULL ? builder->position : reader->position;
  const char *problem = builder->problem;
  if (problem == NULL && reader->depth == MLOOM_JSON_READER_DEPTH && position < reader->size &&
      (reader->data[position] == '[' || reader->data[position] == '{')) {
    problem = "more than 64 levels";
  }
  if (problem == NULL) {
    problem = mloom_text_is_utf8(reader->data, reader->size)
                  ? position >= reader->size ? "an unexpected end" : "malformed JSON"
                  : "bytes that are not UTF-8";
  }
  size_t line = 1;
  size_t column = 1;
  for (size_t i = 0; i < position && i < reader->size; i++) {
    column = reader->data[i] == '\n' ? 1 : column + (((unsigned char)reader->data[i] & 0xC0) != 0x80);
    line += reader->data[i] == '\n';
  }
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE,
                         "correct it to plain JSON: no comments, no trailing commas, each member once",
                         "%s: line %zu, column %zu: %s", what, line, column, problem);
}

int32_t mloom_json_parse(mloom_json **out, const char *text, size_t size, const char *what, mloom_error *error) {
  *out = NULL;
  MLOOM_AUTO(builder_free) tree_builder builder = {.scratch = MLOOM_BUFFER_INIT};
  mloom_json_reader_init(&builder.reader, text, size);
  builder.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (builder.c_locale == (locale_t)0) {
    return mloom_error_memory(error);
  }
  struct json_object *root = NULL;
  if (!build_value(&builder, &root) || mloom_json_reader_end(&builder.reader) != MLOOM_OK) {
    json_object_put(root);
    return report(&builder, what, error);
  }
  *out = from_object(root);
  return MLOOM_OK;
}

mloom_json *mloom_json_ref(mloom_json *json) {
  return from_object(json_object_get(as_object(json)));
}

void mloom_json_unref(mloom_json *json) {
  json_object_put(as_object(json));
}

static int wipe_member(const char *name, mloom_json *value, void *userdata) {
  (void)name;
  (void)userdata;
  mloom_json_wipe(value);
  return 0;
}

void mloom_json_wipe(mloom_json *json) {
  mloom_bytes text = mloom_json_text(json);
  if (text.data != NULL) {
    /* json-c owns these bytes and lends them as const; the value stays a string of the same length. */
    explicit_bzero((char *)(uintptr_t)text.data, text.size);
  }
  for (size_t i = 0; mloom_json_kind(json) == MLOOM_JSON_ARRAY && i < mloom_json_count(json); i++) {
    mloom_json_wipe(mloom_json_at(json, i));
  }
  mloom_json_each_member(json, wipe_member, NULL);
}

/* ---- Looking ---- */

int mloom_json_kind(const mloom_json *json) {
  switch (json_object_get_type(as_object(json))) {
  case json_type_boolean:
    return MLOOM_JSON_BOOLEAN;
  case json_type_int:
    return MLOOM_JSON_INTEGER;
  case json_type_double:
    return MLOOM_JSON_NUMBER;
  case json_type_string:
    return MLOOM_JSON_STRING;
  case json_type_array:
    return MLOOM_JSON_ARRAY;
  case json_type_object:
    return MLOOM_JSON_OBJECT;
  default:
    return MLOOM_JSON_NULL;
  }
}

mloom_json *mloom_json_member(const mloom_json *json, const char *name) {
  struct json_object *value = NULL;
  if (mloom_json_kind(json) == MLOOM_JSON_OBJECT) {
    json_object_object_get_ex(as_object(json), name, &value);
  }
  return from_object(value);
}

size_t mloom_json_count(const mloom_json *json) {
  switch (mloom_json_kind(json)) {
  case MLOOM_JSON_ARRAY:
    return json_object_array_length(as_object(json));
  case MLOOM_JSON_OBJECT:
    return (size_t)json_object_object_length(as_object(json));
  default:
    return 0;
  }
}

mloom_json *mloom_json_at(const mloom_json *json, size_t index) {
  return mloom_json_kind(json) == MLOOM_JSON_ARRAY ? from_object(json_object_array_get_idx(as_object(json), index))
                                                   : NULL;
}

int mloom_json_each_member(const mloom_json *json, int (*fn)(const char *name, mloom_json *value, void *userdata),
                           void *userdata) {
  if (mloom_json_kind(json) != MLOOM_JSON_OBJECT) {
    return 0;
  }
  struct json_object_iter member;
  json_object_object_foreachC(as_object(json), member) {
    int result = fn(member.key, from_object(member.val), userdata);
    if (result != 0) {
      return result;
    }
  }
  return 0;
}

mloom_bytes mloom_json_text(const mloom_json *json) {
  if (mloom_json_kind(json) != MLOOM_JSON_STRING) {
    return (mloom_bytes){NULL, 0};
  }
  return (mloom_bytes){json_object_get_string(as_object(json)), (size_t)json_object_get_string_len(as_object(json))};
}

const char *mloom_json_member_string(const mloom_json *json, const char *name, const char *fallback) {
  mloom_bytes text = mloom_json_text(mloom_json_member(json, name));
  return text.data == NULL ? fallback : text.data;
}

int64_t mloom_json_integer(const mloom_json *json, int64_t fallback) {
  switch (mloom_json_kind(json)) {
  case MLOOM_JSON_INTEGER:
    return json_object_get_int64(as_object(json));
  case MLOOM_JSON_NUMBER: {
    double value = json_object_get_double(as_object(json));
    if (value >= 0x1p63) {
      return INT64_MAX;
    }
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
  }
  default:
    return fallback;
  }
}

int64_t mloom_json_member_integer(const mloom_json *json, const char *name, int64_t fallback) {
  return mloom_json_integer(mloom_json_member(json, name), fallback);
}

int mloom_json_member_boolean(const mloom_json *json, const char *name, int fallback) {
  const mloom_json *value = mloom_json_member(json, name);
  return mloom_json_kind(value) == MLOOM_JSON_BOOLEAN ? json_object_get_boolean(as_object(value)) != 0 : fallback;
}

/* ---- Building ---- */

mloom_json *mloom_json_new_object(void) {
  return from_object(json_object_new_object());
}

mloom_json *mloom_json_new_array(void) {
  return from_object(json_object_new_array());
}

mloom_json *mloom_json_new_string(const char *data, size_t size) {
  if (size > INT32_MAX / 4) {
    return NULL;
  }
  if (mloom_text_is_utf8(data, size)) {
    return from_object(json_object_new_string_len(size == 0 ? "" : data, (int)size));
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_text_append_utf8(&text, data, size) != MLOOM_OK) {
    return NULL;
  }
  return from_object(json_object_new_string_len(mloom_buffer_string(&text), (int)text.size));
}

mloom_json *mloom_json_new_integer(int64_t value) {
  return from_object(json_object_new_int64(value));
}

mloom_json *mloom_json_new_number(double value) {
  return isfinite(value) ? from_object(json_object_new_double(value)) : NULL;
}

mloom_json *mloom_json_new_boolean(int value) {
  return from_object(json_object_new_boolean(value != 0));
}

/* A builder that failed leaves no trace in a tree that would be taken for JSON null: the parent is marked instead, and
 * mloom_json_serialize finds the mark. */
static const char failed_mark;

static int32_t mark_failed(mloom_json *parent) {
  int kind = mloom_json_kind(parent);
  if (kind == MLOOM_JSON_OBJECT || kind == MLOOM_JSON_ARRAY) {
    json_object_set_userdata(as_object(parent), (void *)(uintptr_t)&failed_mark, NULL);
  }
  return MLOOM_E_MEMORY;
}

int32_t mloom_json_set(mloom_json *object, const char *name, mloom_json *value) {
  if (mloom_json_kind(object) != MLOOM_JSON_OBJECT || value == NULL ||
      json_object_object_add(as_object(object), name, as_object(value)) != 0) {
    mloom_json_unref(value);
    return mark_failed(object);
  }
  return MLOOM_OK;
}

int32_t mloom_json_set_string(mloom_json *object, const char *name, const char *value) {
  if (value != NULL) {
    return mloom_json_set(object, name, mloom_json_new_string(value, strlen(value)));
  }
  if (mloom_json_kind(object) != MLOOM_JSON_OBJECT || json_object_object_add(as_object(object), name, NULL) != 0) {
    return mark_failed(object);
  }
  return MLOOM_OK;
}

int32_t mloom_json_set_integer(mloom_json *object, const char *name, int64_t value) {
  return mloom_json_set(object, name, mloom_json_new_integer(value));
}

int32_t mloom_json_set_boolean(mloom_json *object, const char *name, int value) {
  return mloom_json_set(object, name, mloom_json_new_boolean(value));
}

int32_t mloom_json_add(mloom_json *array, mloom_json *value) {
  if (mloom_json_kind(array) != MLOOM_JSON_ARRAY || value == NULL ||
      json_object_array_add(as_object(array), as_object(value)) != 0) {
    mloom_json_unref(value);
    return mark_failed(array);
  }
  return MLOOM_OK;
}

/* ---- Writing ---- */

static int32_t write_value(mloom_buffer *out, struct json_object *value, int pretty, uint32_t depth);

static int32_t write_newline(mloom_buffer *out, int pretty, uint32_t depth) {
  if (!pretty) {
    return MLOOM_OK;
  }
  int32_t code = mloom_buffer_append_char(out, '\n');
  for (uint32_t i = 0; code == MLOOM_OK && i < depth; i++) {
    code = mloom_buffer_append(out, "  ", 2);
  }
  return code;
}

static int32_t write_separator(mloom_buffer *out, int first, int pretty, uint32_t depth) {
  int32_t code = first ? MLOOM_OK : mloom_buffer_append_char(out, ',');
  return code == MLOOM_OK ? write_newline(out, pretty, depth) : code;
}

static int32_t write_object(mloom_buffer *out, struct json_object *object, int pretty, uint32_t depth) {
  int32_t code = mloom_buffer_append_char(out, '{');
  int first = 1;
  struct json_object_iter member;
  json_object_object_foreachC(object, member) {
    if (code == MLOOM_OK) {
      code = write_separator(out, first, pretty, depth + 1);
    }
    if (code == MLOOM_OK) {
      code = mloom_json_write_string(out, member.key, strlen(member.key));
    }
    if (code == MLOOM_OK) {
      code = mloom_buffer_append_string(out, pretty ? ": " : ":");
    }
    if (code == MLOOM_OK) {
      code = write_value(out, member.val, pretty, depth + 1);
    }
    first = 0;
  }
  if (code == MLOOM_OK && !first) {
    code = write_newline(out, pretty, depth);
  }
  return code == MLOOM_OK ? mloom_buffer_append_char(out, '}') : code;
}

static int32_t write_array(mloom_buffer *out, struct json_object *array, int pretty, uint32_t depth) {
  int32_t code = mloom_buffer_append_char(out, '[');
  size_t count = json_object_array_length(array);
  for (size_t i = 0; code == MLOOM_OK && i < count; i++) {
    code = write_separator(out, i == 0, pretty, depth + 1);
    if (code == MLOOM_OK) {
      code = write_value(out, json_object_array_get_idx(array, i), pretty, depth + 1);
    }
  }
  if (code == MLOOM_OK && count > 0) {
    code = write_newline(out, pretty, depth);
  }
  return code == MLOOM_OK ? mloom_buffer_append_char(out, ']') : code;
}

static int32_t write_value(mloom_buffer *out, struct json_object *value, int pretty, uint32_t depth) {
  enum json_type type = json_object_get_type(value);
  if (type == json_type_object || type == json_type_array) {
    if (json_object_get_userdata(value) == &failed_mark || depth > LARGEST_WRITTEN_DEPTH) {
      return MLOOM_E_MEMORY;
    }
    return type == json_type_object ? write_object(out, value, pretty, depth) : write_array(out, value, pretty, depth);
  }
  if (type == json_type_string) {
    return mloom_json_write_string(out, json_object_get_string(value), (size_t)json_object_get_string_len(value));
  }
  if (type == json_type_null) {
    return mloom_buffer_append_string(out, "null");
  }
  const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
  return text == NULL ? MLOOM_E_MEMORY : mloom_buffer_append_string(out, text);
}

int32_t mloom_json_serialize(mloom_buffer *out, const mloom_json *json, int pretty) {
  size_t before = out->size;
  int32_t code = write_value(out, as_object(json), pretty, 0);
  if (code != MLOOM_OK) {
    mloom_buffer_truncate(out, before);
  }
  return code;
}
