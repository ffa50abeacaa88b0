/* SPDX-License-Identifier: Apache-2.0
 *
 * json_reader and json-c, in its strict mode, must accept the same texts and read the same values. Known differences of
 * json-c 0.16 are left out: its leniency (see is_lenient) and its handling of NUL in member names.
 */
#include <json-c/json.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what) {
  fprintf(stderr, "json_reader and json-c differ: %s\n", what);
  abort();
}

static void compare(mloom_json_reader *reader, struct json_object *expected);

static void compare_string(mloom_json_reader *reader, struct json_object *expected) {
  mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_bytes text;
  if (!mloom_json_reader_string(reader, &scratch, &text)) {
    fail("a string is not read");
  }
  if (text.size != (size_t)json_object_get_string_len(expected) ||
      (text.size > 0 && memcmp(text.data, json_object_get_string(expected), text.size) != 0)) {
    fail("a string's value");
  }
  mloom_buffer_free(&scratch);
}

static void compare_object(mloom_json_reader *reader, struct json_object *expected) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    fail("an object is not entered");
  }
  while (mloom_json_reader_key(reader, &key)) {
    struct json_object *value = NULL;
    if (memchr(key.data, '\\', key.size) != NULL) {
      mloom_json_reader_skip(reader); /* keys are given as they were written */
      continue;
    }
    char *name = strndup(key.data, key.size);
    if (!json_object_object_get_ex(expected, name, &value)) {
      fail("the name of a member");
    }
    free(name);
    compare(reader, value);
  }
}

static void compare_array(mloom_json_reader *reader, struct json_object *expected) {
  if (!mloom_json_reader_array(reader)) {
    fail("an array is not entered");
  }
  size_t count = 0;
  while (mloom_json_reader_element(reader)) {
    compare(reader, json_object_array_get_idx(expected, count++));
  }
  if (reader->status == MLOOM_OK && count != json_object_array_length(expected)) {
    fail("the length of an array");
  }
}

static void compare(mloom_json_reader *reader, struct json_object *expected) {
  int64_t integer;
  int boolean;
  int kind = mloom_json_reader_peek(reader);
  switch (json_object_get_type(expected)) {
  case json_type_string:
    compare_string(reader, expected);
    break;
  case json_type_object:
    compare_object(reader, expected);
    break;
  case json_type_array:
    compare_array(reader, expected);
    break;
  case json_type_boolean:
    if (!mloom_json_reader_boolean(reader, &boolean) || boolean != json_object_get_boolean(expected)) {
      fail("a boolean");
    }
    break;
  case json_type_int:
    if (!mloom_json_reader_integer(reader, &integer) || integer != json_object_get_int64(expected)) {
      fail("an integer");
    }
    break;
  case json_type_double: {
    double value = json_object_get_double(expected);
    if (!mloom_json_reader_integer(reader, &integer)) {
      fail("a number is not read");
    }
    /* Away from the limits of int64 and of a double's precision the truncated values agree. */
    if (fabs(value) < 0x1p50 && fabs((double)integer - value) > 1.0) {
      fail("a number's value");
    }
    break;
  }
  default:
    if (kind != MLOOM_JSON_NULL) {
      fail("null");
    }
    mloom_json_reader_skip(reader);
  }
}

static int skip_accepts(const char *text, size_t size) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text, size);
  mloom_json_reader_skip(&reader);
  return mloom_json_reader_end(&reader) == MLOOM_OK;
}

/* The tree of json-c, NULL and *accepted 0 when it refuses the text. */
static struct json_object *parse_with_json_c(const char *text, size_t size, int *accepted) {
  struct json_tokener *tokener = json_tokener_new_ex(MLOOM_JSON_READER_DEPTH + 2);
  json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
  char *copy = malloc(size + 1);
  memcpy(copy, text, size);
  copy[size] = '\0';
  while (size > 0 && strchr(" \t\r\n", copy[size - 1]) != NULL && copy[size - 1] != '\0') {
    copy[--size] = '\0';
  }
  struct json_object *tree = json_tokener_parse_ex(tokener, copy, (int)size + 1);
  enum json_tokener_error error = json_tokener_get_error(tokener);
  *accepted = error == json_tokener_success && json_tokener_get_parse_end(tokener) >= size;
  free(copy);
  json_tokener_free(tokener);
  if (!*accepted) {
    json_object_put(tree);
    return NULL;
  }
  return tree;
}

static int is_one_of(char c, const char *set) {
  return c != '\0' && strchr(set, c) != NULL;
}

/* May json-c 0.16 accept this though it is not JSON? Control characters in strings, numbers such as -09, 1. and 1.e5,
 * NaN and Infinity. Looks at the characters only, so it says yes too often. */
static int is_lenient(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    char next = i + 1 < size ? text[i + 1] : ' ';
    if ((unsigned char)text[i] < 0x20 || is_one_of(text[i], "NnIi") ||
        (text[i] == '0' && is_one_of(next, "0123456789")) ||
        (is_one_of(text[i], ".eE+-") && !is_one_of(next, "0123456789"))) {
      return 1;
    }
  }
  return !mloom_text_is_utf8(text, size); /* it takes stray continuation bytes */
}

static void check_tree(const char *text, size_t size, int accepted, struct json_object *expected) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_json *json = NULL;
  if (mloom_json_parse(&json, text, size, "the fuzzer's text", &error) != MLOOM_OK) {
    return; /* duplicates and the like, which the reader leaves to its caller */
  }
  if (!accepted) {
    fail("a tree from what json_reader refuses");
  }
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text, size);
  compare(&reader, expected);
  if (mloom_json_reader_end(&reader) != MLOOM_OK) {
    fail("reading and skipping end differently");
  }
  mloom_buffer once = MLOOM_BUFFER_INIT;
  mloom_buffer twice = MLOOM_BUFFER_INIT;
  mloom_json *copy = NULL;
  if (mloom_json_serialize(&once, json, 0) != MLOOM_OK ||
      mloom_json_parse(&copy, mloom_buffer_string(&once), once.size, "the copy", &error) != MLOOM_OK ||
      mloom_json_serialize(&twice, copy, 0) != MLOOM_OK ||
      strcmp(mloom_buffer_string(&once), mloom_buffer_string(&twice)) != 0) {
    fail("what is written is not what was read");
  }
  mloom_json_unref(copy);
  mloom_json_unref(json);
  mloom_buffer_free(&once);
  mloom_buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* An allocation of its own shows every read beyond the text. */
  char *text = malloc(size == 0 ? 1 : size);
  memcpy(text, data, size);
  int ours = skip_accepts(text, size);
  int theirs;
  struct json_object *tree = parse_with_json_c(text, size, &theirs);
  if (ours && !theirs) {
    fail("json-c refuses what json_reader accepts");
  }
  if (theirs && !ours && !is_lenient(text, size)) {
    fail("json_reader refuses what json-c accepts");
  }
  check_tree(text, size, ours, tree);
  json_object_put(tree);
  free(text);
  return 0;
}
