/* SPDX-License-Identifier: Apache-2.0
 *
 * Two lines of JSON: the first becomes a template, with holes at the scalars that the first byte chooses. When the
 * second fits, the reader must find in it the same but for the values in the holes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct walk {
  mloom_json_reader reader;
  mloom_json_holes holes;
  mloom_buffer seen; /* what stands outside of the holes */
  uint8_t chosen;    /* the scalars that are holes, of the first eight */
  size_t scalars;
} walk;

static void walk_value(walk *at) {
  mloom_bytes value = {NULL, 0};
  int kind = mloom_json_reader_peek(&at->reader);
  if (kind == MLOOM_JSON_OBJECT && mloom_json_reader_object(&at->reader)) {
    mloom_buffer_append_char(&at->seen, '{');
    while (mloom_json_reader_key(&at->reader, &value)) {
      mloom_buffer_append_char(&at->seen, '\n');
      mloom_buffer_append(&at->seen, value.data, value.size);
      walk_value(at);
    }
    mloom_buffer_append_char(&at->seen, '}');
  } else if (kind == MLOOM_JSON_ARRAY && mloom_json_reader_array(&at->reader)) {
    mloom_buffer_append_char(&at->seen, '[');
    while (mloom_json_reader_element(&at->reader)) {
      walk_value(at);
    }
    mloom_buffer_append_char(&at->seen, ']');
  } else {
    size_t scalar = at->scalars++;
    int is_hole =
        (kind == MLOOM_JSON_STRING || kind == MLOOM_JSON_NUMBER) && scalar < 8 && (at->chosen & (1u << scalar)) != 0;
    mloom_json_reader_raw(&at->reader, &value);
    if (is_hole) {
      mloom_json_holes_add(&at->holes, (mloom_bytes){at->reader.data, at->reader.size}, value);
      mloom_buffer_append_char(&at->seen, kind == MLOOM_JSON_STRING ? 's' : 'n');
    } else {
      mloom_buffer_append_char(&at->seen, ' ');
      mloom_buffer_append(&at->seen, value.data, value.size);
    }
  }
}

static int walk_text(walk *at, mloom_bytes text, uint8_t chosen) {
  memset(at, 0, sizeof(*at));
  at->chosen = chosen;
  mloom_json_reader_init(&at->reader, text.data, text.size);
  walk_value(at);
  return mloom_json_reader_end(&at->reader) == MLOOM_OK;
}

static void check(const walk *first, mloom_bytes text, const mloom_bytes *values) {
  walk second;
  if (!walk_text(&second, text, first->chosen) || second.holes.count != first->holes.count ||
      second.seen.size != first->seen.size || memcmp(second.seen.data, first->seen.data, first->seen.size) != 0) {
    abort();
  }
  for (size_t i = 0; i < second.holes.count; i++) {
    if (values[i].data != text.data + second.holes.at[i].start ||
        values[i].size != second.holes.at[i].end - second.holes.at[i].start) {
      abort();
    }
  }
  mloom_buffer_free(&second.seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_json_template pattern = {.text = MLOOM_BUFFER_INIT};
  mloom_bytes values[MLOOM_JSON_TEMPLATE_HOLES];
  walk first;
  const char *text = (const char *)data + 1;
  const char *line_end = size < 2 ? NULL : memchr(text, '\n', size - 1);
  if (line_end == NULL) {
    return 0;
  }
  mloom_bytes one = {text, (size_t)(line_end - text)};
  mloom_bytes other = {line_end + 1, size - 2 - one.size};
  if (walk_text(&first, one, data[0]) && mloom_json_template_set(&pattern, one, &first.holes)) {
    if (!mloom_json_template_fits(&pattern, one, values)) {
      abort();
    }
    check(&first, one, values);
    if (mloom_json_template_fits(&pattern, other, values)) {
      check(&first, other, values);
    }
  }
  mloom_json_template_free(&pattern);
  mloom_buffer_free(&first.seen);
  return 0;
}
