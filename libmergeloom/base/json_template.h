/* SPDX-License-Identifier: Apache-2.0
 *
 * The events of a stream mostly differ from the one before in a few values only. A template is a JSON text that was
 * read in full, with holes where such values stand. A text that fits it is well formed too and says the same but for
 * the values in the holes: between holes it has the same bytes, and in each hole one whole string or number, checked as
 * the reader checks it. So it need not be read again.
 *
 * A hole is where the reader of the text took a value to hand it on, and where it skipped one that turned out to differ
 * from text to text: a number that counts, an id, a padding.
 */
#ifndef MLOOM_BASE_JSON_TEMPLATE_H
#define MLOOM_BASE_JSON_TEMPLATE_H

#include "base/json_reader.h"

#define MLOOM_JSON_TEMPLATE_PLACES 16

/* A string or number in a text. */
typedef struct mloom_json_place {
  size_t start;
  size_t end;
  uint32_t is_string;
  uint32_t is_hole; /* else it is as any other byte of the template */
} mloom_json_place;

/* The places of a text that is being read, in their order. */
typedef struct mloom_json_places {
  mloom_json_place at[MLOOM_JSON_TEMPLATE_PLACES];
  size_t count;
  int excess; /* there was no room for a hole */
} mloom_json_places;

typedef struct mloom_json_template {
  mloom_buffer text; /* empty: nothing fits */
  mloom_json_places places;
} mloom_json_template;

/* Makes a hole of value, which mloom_json_reader_raw gave and which lies in text; nothing where it is no string and no
 * number. */
void mloom_json_places_take(mloom_json_places *places, mloom_bytes text, mloom_bytes value);
/* Skips the next value and remembers its place: it becomes a hole when it differs in the next text. */
void mloom_json_places_skip(mloom_json_places *places, mloom_json_reader *reader);
/* The index of a value's place, or MLOOM_JSON_TEMPLATE_PLACES. */
size_t mloom_json_places_find(const mloom_json_places *places, mloom_bytes text, mloom_bytes value);
/* Makes the template of a text that was read to its end without error. Long ones and those with too many holes are not
 * taken: 1 when it was. */
int mloom_json_template_set(mloom_json_template *pattern, mloom_bytes text, const mloom_json_places *places);
/* Does the text fit? values are what stands in the holes, as in the text, each at the index of its place. */
int mloom_json_template_fits(const mloom_json_template *pattern, mloom_bytes text,
                             mloom_bytes values[MLOOM_JSON_TEMPLATE_PLACES]);
/* A value that mloom_json_reader_raw or a hole gave, as an integer: fractions are cut off, and it saturates. 0 when it
 * is no number. */
int mloom_json_raw_integer(mloom_bytes raw, int64_t *out);
void mloom_json_template_clear(mloom_json_template *pattern);
void mloom_json_template_free(mloom_json_template *pattern);

#endif
