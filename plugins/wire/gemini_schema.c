/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON Schema in Google's own words: types in upper case, nullable in place of the type null, limits as strings,
 * anyOf with nothing beside it, and nothing that the service does not know.
 */
#include "gemini_internal.h"

#include <string.h>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/text.h"

/* Deeper levels are described no further. */
#define DEPTH_LIMIT 24

/* The members of one schema that need more than to be copied. */
typedef struct node {
  mloom_bytes type;
  mloom_bytes variants; /* of anyOf or oneOf */
  mloom_bytes properties;
  mloom_bytes items;
  mloom_bytes enumeration;
  mloom_bytes constant;
} node;

static int32_t write_node(mloom_buffer *out, mloom_bytes schema, int nullable, int depth);

static void read_node(node *out, mloom_bytes schema) {
  mloom_json_reader reader;
  mloom_bytes key;
  memset(out, 0, sizeof(*out));
  mloom_json_reader_init(&reader, schema.data == NULL ? "" : schema.data, schema.size);
  if (!mloom_json_reader_object(&reader)) {
    return;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    mloom_bytes *member = mloom_text_equal(key, "type")                                      ? &out->type
                          : mloom_text_equal(key, "anyOf") || mloom_text_equal(key, "oneOf") ? &out->variants
                          : mloom_text_equal(key, "properties")                              ? &out->properties
                          : mloom_text_equal(key, "items")                                   ? &out->items
                          : mloom_text_equal(key, "enum")                                    ? &out->enumeration
                          : mloom_text_equal(key, "const")                                   ? &out->constant
                                                                                             : NULL;
    if (member != NULL) {
      mloom_json_reader_raw(&reader, member);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
}

int mloom_gemini_has_properties(mloom_bytes schema) {
  node found;
  mloom_json_reader reader;
  mloom_bytes key;
  read_node(&found, schema);
  mloom_json_reader_init(&reader, found.properties.data == NULL ? "" : found.properties.data, found.properties.size);
  return mloom_json_reader_object(&reader) && mloom_json_reader_key(&reader, &key);
}

/* Quotes included. */
static int is_word(mloom_bytes raw, const char *word) {
  return raw.size >= 2 && raw.data[0] == '"' && mloom_text_equal((mloom_bytes){raw.data + 1, raw.size - 2}, word);
}

static int is_null(mloom_bytes schema) {
  node found;
  read_node(&found, schema);
  return is_word(found.type, "null");
}

static mloom_json_reader array_of(mloom_bytes raw) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, raw.data == NULL ? "" : raw.data, raw.size);
  mloom_json_reader_array(&reader);
  return reader;
}

static int32_t append(mloom_buffer *out, mloom_bytes text) {
  return mloom_buffer_append(out, text.data, text.size);
}

/* Letters in quotes. */
static int is_type_name(mloom_bytes raw) {
  for (size_t i = 1; i + 1 < raw.size; i++) {
    if ((raw.data[i] < 'a' || raw.data[i] > 'z') && (raw.data[i] < 'A' || raw.data[i] > 'Z')) {
      return 0;
    }
  }
  return raw.size > 2 && raw.data[0] == '"';
}

static int32_t write_type(mloom_buffer *out, mloom_bytes raw) {
  int32_t status = mloom_json_write_name(out, "type");
  for (size_t i = 0; status == MLOOM_OK && i < raw.size; i++) {
    char c = raw.data[i];
    status = mloom_buffer_append_char(out, (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
  }
  return status;
}

static int32_t write_guessed_type(mloom_buffer *out, const node *found) {
  const char *type = found->properties.size > 0 ? "\"OBJECT\"" : found->items.size > 0 ? "\"ARRAY\"" : "\"STRING\"";
  return write_type(out, mloom_text_bytes(type));
}

/* Alternatives, each a schema, or a name of a type when types is set. */
static int32_t write_variants(mloom_buffer *out, mloom_bytes variants, int types, int nullable, int depth) {
  size_t count = 0;
  mloom_bytes raw;
  mloom_json_reader reader = array_of(variants);
  while (mloom_json_reader_element(&reader)) {
    raw.size = 0;
    mloom_json_reader_raw(&reader, &raw);
    int null = types ? is_word(raw, "null") : is_null(raw);
    nullable |= null;
    count += !null && (!types || is_type_name(raw));
  }
  int32_t status = count > 1 ? mloom_buffer_append_string(out, "{\"anyOf\":[") : MLOOM_OK;
  reader = array_of(variants);
  for (size_t i = 0; status == MLOOM_OK && mloom_json_reader_element(&reader);) {
    raw.size = 0;
    mloom_json_reader_raw(&reader, &raw);
    if (types ? is_word(raw, "null") || !is_type_name(raw) : is_null(raw)) {
      continue;
    }
    status = i++ > 0 ? mloom_buffer_append_char(out, ',') : MLOOM_OK;
    if (status == MLOOM_OK && types) {
      status = mloom_buffer_append_char(out, '{');
      status = status == MLOOM_OK ? write_type(out, raw) : status;
      status = status == MLOOM_OK ? mloom_buffer_append_string(out, nullable ? ",\"nullable\":true}" : "}") : status;
    } else if (status == MLOOM_OK) {
      status = write_node(out, raw, nullable, depth + 1);
    }
  }
  if (status == MLOOM_OK && count == 0) {
    return mloom_buffer_append_string(out, "{\"type\":\"STRING\",\"nullable\":true}");
  }
  return status == MLOOM_OK && count > 1 ? mloom_buffer_append_string(out, "]}") : status;
}

/* Only strings may be enumerated. */
static int32_t write_enumeration(mloom_buffer *out, const node *found) {
  mloom_json_reader reader = array_of(found->enumeration);
  if (found->constant.size > 0 && found->constant.data[0] == '"') {
    int32_t status = mloom_json_write_name(out, "enum");
    status = status == MLOOM_OK ? mloom_buffer_append_char(out, '[') : status;
    status = status == MLOOM_OK ? append(out, found->constant) : status;
    return status == MLOOM_OK ? mloom_buffer_append_char(out, ']') : status;
  }
  if (found->enumeration.size == 0) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_element(&reader)) {
    if (mloom_json_reader_peek(&reader) != MLOOM_JSON_STRING) {
      return MLOOM_OK;
    }
    mloom_json_reader_skip(&reader);
  }
  int32_t status = mloom_json_write_name(out, "enum");
  return status == MLOOM_OK ? append(out, found->enumeration) : status;
}

static int32_t write_properties(mloom_buffer *out, mloom_bytes properties, int depth) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes raw;
  int32_t status = mloom_json_write_name(out, "properties");
  status = status == MLOOM_OK ? mloom_buffer_append_char(out, '{') : status;
  mloom_json_reader_init(&reader, properties.data, properties.size);
  mloom_json_reader_object(&reader);
  for (size_t i = 0; status == MLOOM_OK && mloom_json_reader_key(&reader, &key); i++) {
    raw = (mloom_bytes){NULL, 0};
    mloom_json_reader_raw(&reader, &raw);
    status = mloom_buffer_append_string(out, i == 0 ? "\"" : ",\"");
    status = status == MLOOM_OK ? append(out, key) : status;
    status = status == MLOOM_OK ? mloom_buffer_append_string(out, "\":") : status;
    status = status == MLOOM_OK ? write_node(out, raw, 0, depth + 1) : status;
  }
  return status == MLOOM_OK ? mloom_buffer_append_char(out, '}') : status;
}

static int is_copied(mloom_bytes key) {
  static const char *const names[] = {"title",   "description", "default",  "minimum",  "maximum",
                                      "pattern", "example",     "required", "nullable", "propertyOrdering"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (mloom_text_equal(key, names[i])) {
      return 1;
    }
  }
  return 0;
}

static int is_limit(mloom_bytes key) {
  static const char *const names[] = {"minItems",  "maxItems",      "minLength",
                                      "maxLength", "minProperties", "maxProperties"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (mloom_text_equal(key, names[i])) {
      return 1;
    }
  }
  return 0;
}

static int is_known_format(mloom_bytes raw) {
  static const char *const names[] = {"int32", "int64", "float", "double", "date-time", "enum"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (is_word(raw, names[i])) {
      return 1;
    }
  }
  return 0;
}

static int32_t write_members(mloom_buffer *out, mloom_bytes schema) {
  mloom_json_reader reader;
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  mloom_json_reader_init(&reader, schema.data, schema.size);
  mloom_json_reader_object(&reader);
  while (status == MLOOM_OK && mloom_json_reader_key(&reader, &key)) {
    mloom_bytes raw = {NULL, 0};
    int64_t number = 0;
    char name[24];
    int copied = is_copied(key);
    int limit = is_limit(key);
    if (!copied && !limit && !mloom_text_equal(key, "format")) {
      mloom_json_reader_skip(&reader);
      continue;
    }
    memcpy(name, key.data, key.size);
    name[key.size] = '\0';
    if (limit) {
      mloom_json_reader_integer(&reader, &number);
      status = mloom_json_write_name(out, name);
      status = status == MLOOM_OK ? mloom_buffer_append_format(out, "\"%lld\"", (long long)number) : status;
    } else if (mloom_json_reader_raw(&reader, &raw) && (copied || is_known_format(raw))) {
      status = mloom_json_write_name(out, name);
      status = status == MLOOM_OK ? append(out, raw) : status;
    }
  }
  return status;
}

static int32_t write_node(mloom_buffer *out, mloom_bytes schema, int nullable, int depth) {
  node found;
  read_node(&found, schema);
  if (depth > DEPTH_LIMIT || schema.size == 0 || schema.data[0] != '{') {
    return mloom_buffer_append_string(out, "{\"type\":\"STRING\"}");
  }
  if (found.variants.size > 0 && found.variants.data[0] == '[') {
    return write_variants(out, found.variants, 0, nullable, depth);
  }
  if (found.type.size > 0 && found.type.data[0] == '[') {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer types = MLOOM_BUFFER_INIT;
    int32_t code = write_variants(&types, found.type, 1, nullable, depth);
    if (code == MLOOM_OK && types.data[2] == 'a') { /* anyOf */
      return append(out, (mloom_bytes){types.data, types.size});
    }
    /* One type besides null: the other members still hold. */
    code = code == MLOOM_OK ? mloom_buffer_append(out, types.data, types.size - 1) : code;
    found.type.size = 0;
    nullable = 0;
    if (code != MLOOM_OK) {
      return code;
    }
  } else {
    int32_t code = mloom_buffer_append_char(out, '{');
    code = code != MLOOM_OK           ? code
           : is_type_name(found.type) ? write_type(out, found.type)
                                      : write_guessed_type(out, &found);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  int32_t status = nullable ? mloom_buffer_append_string(out, ",\"nullable\":true") : MLOOM_OK;
  status = status == MLOOM_OK ? write_members(out, schema) : status;
  status = status == MLOOM_OK ? write_enumeration(out, &found) : status;
  if (status == MLOOM_OK && found.items.size > 0) {
    status = mloom_json_write_name(out, "items");
    status = status == MLOOM_OK ? write_node(out, found.items, 0, depth + 1) : status;
  }
  if (status == MLOOM_OK && found.properties.size > 0 && found.properties.data[0] == '{') {
    status = write_properties(out, found.properties, depth);
  }
  return status == MLOOM_OK ? mloom_buffer_append_char(out, '}') : status;
}

int32_t mloom_gemini_write_schema(mloom_buffer *out, mloom_bytes schema) {
  return write_node(out, mloom_text_trim(schema), 0, 0);
}
