/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_template.h"

#include <string.h>

#include "base/json.h"

/* Longer texts are no small pieces of a stream; to keep each of them would cost more than it saves. */
#define TEXT_LIMIT 4096

void mloom_json_holes_add(mloom_json_holes *holes, mloom_bytes text, mloom_bytes value) {
  char c = value.size > 0 ? value.data[0] : '\0';
  if (c != '"' && c != '-' && (c < '0' || c > '9')) {
    return;
  }
  if (holes->count == MLOOM_JSON_TEMPLATE_HOLES) {
    holes->excess = 1;
    return;
  }
  size_t start = (size_t)(value.data - text.data);
  size_t place = holes->count++;
  for (; place > 0 && holes->at[place - 1].start > start; place--) {
    holes->at[place] = holes->at[place - 1];
  }
  holes->at[place] = (mloom_json_hole){start, start + value.size, c == '"' ? MLOOM_JSON_STRING : MLOOM_JSON_NUMBER};
}

void mloom_json_holes_skip(mloom_json_holes *holes, mloom_json_reader *reader) {
  mloom_bytes value;
  if (mloom_json_reader_raw(reader, &value)) {
    mloom_json_holes_add(holes, (mloom_bytes){reader->data, reader->size}, value);
  }
}

size_t mloom_json_holes_find(const mloom_json_holes *holes, mloom_bytes text, mloom_bytes value) {
  for (size_t i = 0; value.size > 0 && i < holes->count; i++) {
    if (text.data + holes->at[i].start == value.data) {
      return i;
    }
  }
  return MLOOM_JSON_TEMPLATE_HOLES;
}

int mloom_json_template_set(mloom_json_template *pattern, mloom_bytes text, const mloom_json_holes *holes) {
  mloom_buffer_clear(&pattern->text);
  if (text.size > TEXT_LIMIT || holes->excess ||
      mloom_buffer_append(&pattern->text, text.data, text.size) != MLOOM_OK) {
    return 0;
  }
  pattern->holes = *holes;
  return 1;
}

/* Tells whether the next size bytes of text are those of the template from start on, and moves behind them. */
static int same(const mloom_json_template *pattern, size_t start, size_t size, mloom_bytes *text) {
  if (text->size < size || memcmp(text->data, pattern->text.data + start, size) != 0) {
    return 0;
  }
  text->data += size;
  text->size -= size;
  return 1;
}

int mloom_json_template_fits(const mloom_json_template *pattern, mloom_bytes text,
                             mloom_bytes values[MLOOM_JSON_TEMPLATE_HOLES]) {
  size_t start = 0;
  if (pattern->text.size == 0) {
    return 0;
  }
  for (size_t i = 0; i < pattern->holes.count; i++) {
    const mloom_json_hole *hole = &pattern->holes.at[i];
    mloom_json_reader reader;
    if (!same(pattern, start, hole->start - start, &text)) {
      return 0;
    }
    mloom_json_reader_init(&reader, text.data, text.size);
    if (mloom_json_reader_peek(&reader) != hole->kind || !mloom_json_reader_raw(&reader, &values[i])) {
      return 0;
    }
    text.data += reader.position;
    text.size -= reader.position;
    start = hole->end;
  }
  return text.size == pattern->text.size - start && same(pattern, start, text.size, &text);
}

void mloom_json_template_clear(mloom_json_template *pattern) {
  mloom_buffer_clear(&pattern->text);
}

void mloom_json_template_free(mloom_json_template *pattern) {
  mloom_buffer_free(&pattern->text);
}
