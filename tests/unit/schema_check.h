/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks a document against the part of JSON Schema that the installed schemas use: type, const, enum, required,
 * properties, additionalProperties: false, items, $ref to #/$defs/NAME. An unknown keyword fails, so that a schema
 * cannot ask for what is not checked.
 */
#ifndef MLOOM_TESTS_UNIT_SCHEMA_CHECK_H
#define MLOOM_TESTS_UNIT_SCHEMA_CHECK_H

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "harness.h"

typedef struct schema_check {
  const mloom_json *root;
  const mloom_json *schema;
  const mloom_json *value;
  const char *path;
  int ok;
} schema_check;

static int schema_check_value(const mloom_json *root, const mloom_json *schema, const mloom_json *value,
                              const char *path);

static int schema_check_fail(const char *path, const char *what, const char *name) {
  fprintf(stderr, "schema: at %s: %s %s\n", path, what, name);
  return 0;
}

static int schema_check_has_type(const mloom_json *value, const char *type) {
  static const char *const names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
  int kind = mloom_json_kind(value);
  return strcmp(names[kind], type) == 0 || (kind == MLOOM_JSON_INTEGER && strcmp(type, "number") == 0);
}

static int schema_check_type(const mloom_json *types, const mloom_json *value) {
  if (mloom_json_kind(types) == MLOOM_JSON_STRING) {
    return schema_check_has_type(value, mloom_json_text(types).data);
  }
  for (size_t i = 0; i < mloom_json_count(types); i++) {
    if (schema_check_has_type(value, mloom_json_text(mloom_json_at(types, i)).data)) {
      return 1;
    }
  }
  return 0;
}

static int schema_check_same(const mloom_json *a, const mloom_json *b) {
  mloom_buffer left = MLOOM_BUFFER_INIT, right = MLOOM_BUFFER_INIT;
  int same = mloom_json_serialize(&left, a, 0) == MLOOM_OK && mloom_json_serialize(&right, b, 0) == MLOOM_OK &&
             strcmp(mloom_buffer_string(&left), mloom_buffer_string(&right)) == 0;
  mloom_buffer_free(&left);
  mloom_buffer_free(&right);
  return same;
}

static int schema_check_enum(const mloom_json *choices, const mloom_json *value) {
  for (size_t i = 0; i < mloom_json_count(choices); i++) {
    if (schema_check_same(mloom_json_at(choices, i), value)) {
      return 1;
    }
  }
  return 0;
}

typedef struct schema_member {
  const char *name;
  int found;
} schema_member;

static int schema_check_is_member(const char *name, mloom_json *value, void *userdata) {
  schema_member *member = userdata;
  (void)value;
  member->found |= strcmp(name, member->name) == 0;
  return 0;
}

static int schema_check_member(const char *name, mloom_json *value, void *userdata) {
  schema_check *check = userdata;
  const mloom_json *property = mloom_json_member(mloom_json_member(check->schema, "properties"), name);
  char path[256];
  snprintf(path, sizeof path, "%.200s.%.40s", check->path, name);
  if (property != NULL) {
    check->ok &= schema_check_value(check->root, property, value, path);
  } else if (!mloom_json_member_boolean(check->schema, "additionalProperties", 1)) {
    check->ok &= schema_check_fail(path, "unexpected member", name);
  }
  return 0;
}

static int schema_check_keyword(const char *name, mloom_json *keyword, void *userdata) {
  static const char *const silent[] = {
      "$schema", "$id", "title", "description", "$defs", "properties", "additionalProperties", "default", "examples"};
  schema_check *check = userdata;
  if (strcmp(name, "type") == 0) {
    check->ok &= schema_check_type(keyword, check->value) || schema_check_fail(check->path, "wrong type", "");
  } else if (strcmp(name, "const") == 0) {
    check->ok &= schema_check_same(keyword, check->value) || schema_check_fail(check->path, "not the constant", "");
  } else if (strcmp(name, "enum") == 0) {
    check->ok &= schema_check_enum(keyword, check->value) || schema_check_fail(check->path, "none of the choices", "");
  } else if (strcmp(name, "required") == 0) {
    for (size_t i = 0; i < mloom_json_count(keyword); i++) {
      schema_member member = {mloom_json_text(mloom_json_at(keyword, i)).data, 0};
      mloom_json_each_member(check->value, schema_check_is_member, &member);
      check->ok &= member.found || schema_check_fail(check->path, "missing", member.name);
    }
  } else if (strcmp(name, "items") == 0) {
    for (size_t i = 0; i < mloom_json_count(check->value); i++) {
      check->ok &= schema_check_value(check->root, keyword, mloom_json_at(check->value, i), check->path);
    }
  } else if (strcmp(name, "$ref") == 0) {
    const char *target = mloom_json_text(keyword).data;
    const mloom_json *definition = strncmp(target, "#/$defs/", 8) == 0
                                       ? mloom_json_member(mloom_json_member(check->root, "$defs"), target + 8)
                                       : NULL;
    check->ok &= definition == NULL ? schema_check_fail(check->path, "unknown reference", target)
                                    : schema_check_value(check->root, definition, check->value, check->path);
  } else {
    int known = 0;
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
      known |= strcmp(name, silent[i]) == 0;
    }
    check->ok &= known || schema_check_fail(check->path, "unknown keyword", name);
  }
  return 0;
}

static int schema_check_value(const mloom_json *root, const mloom_json *schema, const mloom_json *value,
                              const char *path) {
  schema_check check = {root, schema, value, path, 1};
  mloom_json_each_member(schema, schema_check_keyword, &check);
  if (mloom_json_kind(value) == MLOOM_JSON_OBJECT) {
    mloom_json_each_member(value, schema_check_member, &check);
  }
  return check.ok;
}

/* 1 when value fits libmergeloom/schemas/NAME.json of the source tree. */
static inline int schema_check_document(const char *name, const mloom_json *value) {
  const char *top = getenv("top_srcdir");
  char path[512];
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_json *schema = NULL;
  snprintf(path, sizeof path, "%s/libmergeloom/schemas/%s.json", top == NULL ? "." : top, name);
  int32_t code = mloom_file_read(&text, path, 1024 * 1024, MLOOM_DOMAIN_USAGE, &error);
  code = code != MLOOM_OK ? code : mloom_json_parse(&schema, text.data, text.size, name, &error);
  UNIT_ASSERT_CODE(code, MLOOM_OK, &error);
  int ok = code == MLOOM_OK && schema_check_value(schema, schema, value, name);
  mloom_json_unref(schema);
  mloom_buffer_free(&text);
  return ok;
}

#endif
