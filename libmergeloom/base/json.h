/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON documents as trees, on json-c: the only file that knows it is json.c. For documents of people and plugins; the
 * stream path uses json_reader.h and json_writer.h.
 */
#ifndef MLOOM_BASE_JSON_H
#define MLOOM_BASE_JSON_H

#include "base/buffer.h"

typedef struct mloom_json mloom_json;

/* Strict RFC 8259: UTF-8 only, no comments, no trailing bytes, no duplicate members, at most 64 levels. The error has
 * line and column and starts with what ("the job", "the configuration file PATH"). One reference for the caller. */
int32_t mloom_json_parse(mloom_json **out, const char *text, size_t size, const char *what, mloom_error *error);
mloom_json *mloom_json_ref(mloom_json *json);
void mloom_json_unref(mloom_json *json);
MLOOM_DEFINE_AUTO(mloom_json, mloom_json_unref)
/* Overwrites every string value in it, for a document that held secrets and is about to go. */
void mloom_json_wipe(mloom_json *json);

#define MLOOM_JSON_NULL 0
#define MLOOM_JSON_BOOLEAN 1
#define MLOOM_JSON_INTEGER 2
#define MLOOM_JSON_NUMBER 3
#define MLOOM_JSON_STRING 4
#define MLOOM_JSON_ARRAY 5
#define MLOOM_JSON_OBJECT 6

/* Everything below accepts NULL and then answers as for JSON null. */
int mloom_json_kind(const mloom_json *json);
/* Borrowed; NULL when absent, null, or json is no object. */
mloom_json *mloom_json_member(const mloom_json *json, const char *name);
size_t mloom_json_count(const mloom_json *json); /* elements of an array, members of an object */
mloom_json *mloom_json_at(const mloom_json *json, size_t index);
/* Calls fn for each member in order until it returns non-zero, and returns that. */
int mloom_json_each_member(const mloom_json *json, int (*fn)(const char *name, mloom_json *value, void *userdata),
                           void *userdata);
/* The string with its length (it may hold NUL), or {NULL, 0} when it is none. Borrowed. */
mloom_bytes mloom_json_text(const mloom_json *json);
/* Member name as a string that ends with NUL, fallback when absent or no string. Borrowed. */
const char *mloom_json_member_string(const mloom_json *json, const char *name, const char *fallback);
int64_t mloom_json_member_integer(const mloom_json *json, const char *name, int64_t fallback);
int mloom_json_member_boolean(const mloom_json *json, const char *name, int fallback);
int64_t mloom_json_integer(const mloom_json *json, int64_t fallback);

/* Builders. NULL when out of memory, and every builder accepts NULL for what failed before, so that one check at the
 * end (mloom_json_serialize) suffices. set and add take over the reference of value; a value of NULL counts as one that
 * failed, so JSON null is written with mloom_json_set_string(object, name, NULL). */
mloom_json *mloom_json_new_object(void);
mloom_json *mloom_json_new_array(void);
mloom_json *mloom_json_new_string(const char *data, size_t size); /* malformed UTF-8 becomes U+FFFD */
mloom_json *mloom_json_new_integer(int64_t value);
mloom_json *mloom_json_new_number(double value);
mloom_json *mloom_json_new_boolean(int value);
int32_t mloom_json_set(mloom_json *object, const char *name, mloom_json *value);
int32_t mloom_json_set_string(mloom_json *object, const char *name, const char *value); /* NULL: null */
int32_t mloom_json_set_integer(mloom_json *object, const char *name, int64_t value);
int32_t mloom_json_set_boolean(mloom_json *object, const char *name, int value);
int32_t mloom_json_add(mloom_json *array, mloom_json *value);
/* Appends the text, in one line unless pretty. MLOOM_E_MEMORY also when a builder failed before. */
int32_t mloom_json_serialize(mloom_buffer *out, const mloom_json *json, int pretty);

#endif
