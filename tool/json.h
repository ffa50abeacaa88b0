/* SPDX-License-Identifier: Apache-2.0
 *
 * A small reader of the library's JSON documents, and of stored ones, which may be damaged.
 */
#ifndef MERGELOOM_TOOL_JSON_H
#define MERGELOOM_TOOL_JSON_H

#include <stddef.h>

#define JSON_NULL 0
#define JSON_BOOLEAN 1
#define JSON_NUMBER 2
#define JSON_STRING 3
#define JSON_ARRAY 4
#define JSON_OBJECT 5

typedef struct json_value {
  int kind;
  const char *name; /* of a member, NULL in arrays */
  const char *text; /* of a string, without its escapes, and of a number as it was written */
  size_t text_size;
  int truth;
  struct json_value *first; /* of an array or object */
  struct json_value *next;
} json_value;

typedef struct json_document json_document;

/* NULL when it is malformed, nested too deeply, or there is no memory. */
json_document *json_parse(const char *text, size_t size);
void json_free(json_document *document);
const json_value *json_root(const json_document *document);

/* These take NULL for what is absent. */
const json_value *json_get(const json_value *object, const char *name);
const char *json_string(const json_value *object, const char *name, const char *fallback);
long long json_integer(const json_value *object, const char *name, long long fallback);
int json_truth(const json_value *object, const char *name, int fallback);
size_t json_count(const json_value *list);
/* The members or elements, one after the other: for (const json_value *v = json_first(list); v != NULL; v = v->next).
 */
const json_value *json_first(const json_value *list);

#endif
