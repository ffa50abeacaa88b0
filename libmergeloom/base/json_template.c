/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_template.h"

#include <string.h>

#include "base/json_scan.h"

/* Longer texts are no small pieces of a stream; to keep each of them would cost more than it saves. */
#define TEXT_LIMIT 4096

static void add(mloom_json_places *places, mloom_bytes text, mloom_bytes value, uint32_t is_hole) {
  char c = value.size > 0 ? value.data[0] : '\0';
  if (c != '"' && c != '-' && !mloom_json_is_digit(c)) {
    return;
  }
  if (places->count == MLOOM_JSON_TEMPLATE_PLACES) {
    places->excess |= is_hole != 0;
    return;
  }
  size_t start = (size_t)(value.data - text.data);
  size_t place = places->count++;
  for (; place > 0 && places->at[place - 1].start > start; place--) {
    places->at[place] = places->at[place - 1];
  }
  places->at[place] = (mloom_json_place){start, start + value.size, c == '"', is_hole};
}

void mloom_json_places_take(mloom_json_places *places, mloom_bytes text, mloom_bytes value) {
  add(places, text, value, 1);
}

void mloom_json_places_skip(mloom_json_places *places, mloom_json_reader *reader) {
  mloom_bytes value;
  if (mloom_json_reader_raw(reader, &value)) {
    add(places, (mloom_bytes){reader->data, reader->size}, value, 0);
  }
}

size_t mloom_json_places_find(const mloom_json_places *places, mloom_bytes text, mloom_bytes value) {
  for (size_t i = 0; value.size > 0 && i < places->count; i++) {
    if (text.data + places->at[i].start == value.data) {
      return i;
    }
  }
  return MLOOM_JSON_TEMPLATE_PLACES;
}

/* Makes holes of the places that were holes before, and of those whose values have changed since. */
static void learn(mloom_json_places *places, mloom_bytes text, const mloom_json_template *before) {
  for (size_t i = 0; before->places.count == places->count && i < places->count; i++) {
    const mloom_json_place *old = &before->places.at[i];
    mloom_json_place *place = &places->at[i];
    size_t size = place->end - place->start;
    place->is_hole |= old->is_hole || old->end - old->start != size ||
                      memcmp(before->text.data + old->start, text.data + place->start, size) != 0;
  }
}

int mloom_json_template_set(mloom_json_template *pattern, mloom_bytes text, const mloom_json_places *places) {
  mloom_json_places found = *places;
  if (pattern->text.size > 0) {
    learn(&found, text, pattern);
  }
  mloom_buffer_clear(&pattern->text);
  if (text.size > TEXT_LIMIT || found.excess || mloom_buffer_append(&pattern->text, text.data, text.size) != MLOOM_OK) {
    return 0;
  }
  pattern->places = found;
  return 1;
}

int mloom_json_template_fits(const mloom_json_template *pattern, mloom_bytes text,
                             mloom_bytes values[MLOOM_JSON_TEMPLATE_PLACES]) {
  const char *kept = pattern->text.data;
  size_t kept_at = 0;
  size_t at = 0;
  if (pattern->text.size == 0) {
    return 0;
  }
  for (size_t i = 0; i < pattern->places.count; i++) {
    const mloom_json_place *place = &pattern->places.at[i];
    size_t same = place->start - kept_at;
    if (!place->is_hole) {
      continue;
    }
    if (text.size - at <= same || memcmp(text.data + at, kept + kept_at, same) != 0) {
      return 0;
    }
    at += same;
    size_t end = (text.data[at] == '"') == place->is_string ? mloom_json_scalar_end(text.data, text.size, at) : 0;
    if (end == 0) {
      return 0;
    }
    values[i] = (mloom_bytes){text.data + at, end - at};
    at = end;
    kept_at = place->end;
  }
  size_t rest = text.size - at;
  return rest == pattern->text.size - kept_at && memcmp(text.data + at, kept + kept_at, rest) == 0;
}

int mloom_json_raw_integer(mloom_bytes raw, int64_t *out) {
  *out = 0;
  if (raw.size == 0 || (raw.data[0] != '-' && !mloom_json_is_digit(raw.data[0]))) {
    return 0;
  }
  *out = mloom_json_integer_value(raw);
  return 1;
}

void mloom_json_template_clear(mloom_json_template *pattern) {
  mloom_buffer_clear(&pattern->text);
}

void mloom_json_template_free(mloom_json_template *pattern) {
  mloom_buffer_free(&pattern->text);
}
