/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of JSON, each of which becomes a template in its turn, with holes at the scalars that the first byte chooses
 * and at those that have changed. When a line fits, the reader must find in it the same but for the values in the
 * holes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_template.h"

#define LINES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct walk {
  mloom_json_reader reader;
  mloom_json_places places;
  mloom_buffer seen; /* what stands outside of the holes */
  uint32_t holes;    /* one bit for each of the first strings and numbers */
  size_t scalars;
} walk;

static void walk_scalar(walk *at, int kind) {
  mloom_bytes value = {NULL, 0};
  int is_place = kind == MLOOM_JSON_STRING || kind == MLOOM_JSON_NUMBER;
  size_t place = is_place ? at->scalars++ : 0;
  size_t start = at->reader.position;
  if (is_place && place < MLOOM_JSON_TEMPLATE_PLACES && (at->holes >> place & 1u) != 0) {
    mloom_json_reader_raw(&at->reader, &value);
    mloom_json_places_take(&at->places, (mloom_bytes){at->reader.data, at->reader.size}, value);
    mloom_buffer_append_char(&at->seen, kind == MLOOM_JSON_STRING ? 's' : 'n');
    return;
  }
  if (place < MLOOM_JSON_TEMPLATE_PLACES) {
    mloom_json_places_skip(&at->places, &at->reader);
  } else {
    mloom_json_reader_skip(&at->reader);
  }
  mloom_buffer_append_char(&at->seen, ' ');
  mloom_buffer_append(&at->seen, at->reader.data + start, at->reader.position - start);
}

static void walk_value(walk *at) {
  mloom_bytes key;
  int kind = mloom_json_reader_peek(&at->reader);
  if (kind == MLOOM_JSON_OBJECT && mloom_json_reader_object(&at->reader)) {
    mloom_buffer_append_char(&at->seen, '{');
    while (mloom_json_reader_key(&at->reader, &key)) {
      mloom_buffer_append_char(&at->seen, '\n');
      mloom_buffer_append(&at->seen, key.data, key.size);
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
    walk_scalar(at, kind);
  }
}

static int walk_text(walk *at, mloom_bytes text, uint32_t holes) {
  memset(at, 0, sizeof(*at));
  at->holes = holes;
  mloom_json_reader_init(&at->reader, text.data, text.size);
  walk_value(at);
  return mloom_json_reader_end(&at->reader) == MLOOM_OK;
}

static void check(const mloom_json_template *pattern, mloom_bytes text, const mloom_bytes *values) {
  walk kept;
  walk other;
  uint32_t holes = 0;
  for (size_t i = 0; i < pattern->places.count; i++) {
    holes |= pattern->places.at[i].is_hole << i;
  }
  int both =
      walk_text(&kept, (mloom_bytes){pattern->text.data, pattern->text.size}, holes) & walk_text(&other, text, holes);
  if (!both || kept.seen.size != other.seen.size || memcmp(kept.seen.data, other.seen.data, kept.seen.size) != 0 ||
      kept.places.count != other.places.count) {
    abort();
  }
  for (size_t i = 0; i < other.places.count; i++) {
    const mloom_json_place *place = &other.places.at[i];
    if (place->is_hole && (values[i].data != text.data + place->start || values[i].size != place->end - place->start)) {
      abort();
    }
  }
  mloom_buffer_free(&kept.seen);
  mloom_buffer_free(&other.seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_json_template pattern = {.text = MLOOM_BUFFER_INIT};
  mloom_bytes values[MLOOM_JSON_TEMPLATE_PLACES];
  const char *at = (const char *)data + 1;
  const char *end = (const char *)data + size;
  for (size_t i = 0; size > 0 && i < LINES && at < end; i++) {
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    mloom_bytes line = {at, (size_t)((line_end == NULL ? end : line_end) - at)};
    walk reading;
    if (mloom_json_template_fits(&pattern, line, values)) {
      check(&pattern, line, values);
    }
    if (walk_text(&reading, line, data[0]) && mloom_json_template_set(&pattern, line, &reading.places)) {
      if (!mloom_json_template_fits(&pattern, line, values)) {
        abort();
      }
      check(&pattern, line, values);
    }
    mloom_buffer_free(&reading.seen);
    at += line.size + 1;
  }
  mloom_json_template_free(&pattern);
  return 0;
}
