/* SPDX-License-Identifier: Apache-2.0
 *
 * The events of a stream mostly differ from the one before in a few values only. A template is a JSON text that was
 * read in full, with holes where such values stand. A text that fits it is well formed too and says the same but for
 * the values in the holes: between holes it has the same bytes, and in each hole one whole string or number, checked as
 * the reader checks it. So it need not be read again.
 */
#ifndef MLOOM_BASE_JSON_TEMPLATE_H
#define MLOOM_BASE_JSON_TEMPLATE_H

#include "base/json_reader.h"

#define MLOOM_JSON_TEMPLATE_HOLES 4

typedef struct mloom_json_hole {
  size_t start;
  size_t end;
  int kind; /* MLOOM_JSON_STRING or MLOOM_JSON_NUMBER */
} mloom_json_hole;

/* The holes of a text that is being read, in the order of their places. */
typedef struct mloom_json_holes {
  mloom_json_hole at[MLOOM_JSON_TEMPLATE_HOLES];
  size_t count;
  int excess; /* there were more */
} mloom_json_holes;

typedef struct mloom_json_template {
  mloom_buffer text; /* empty: nothing fits */
  mloom_json_holes holes;
} mloom_json_template;

/* Makes a hole of value, which mloom_json_reader_raw gave and which lies in text; nothing where it is no string and no
 * number. */
void mloom_json_holes_add(mloom_json_holes *holes, mloom_bytes text, mloom_bytes value);
/* Skips the next value and makes a hole of it. */
void mloom_json_holes_skip(mloom_json_holes *holes, mloom_json_reader *reader);
/* Makes the template of a text that was read to its end without error. Long ones and those with too many holes are not
 * taken: 1 when it was. */
int mloom_json_template_set(mloom_json_template *pattern, mloom_bytes text, const mloom_json_holes *holes);
/* Does the text fit? values, one for each hole, are what stands in the holes, as in the text. */
int mloom_json_template_fits(const mloom_json_template *pattern, mloom_bytes text,
                             mloom_bytes values[MLOOM_JSON_TEMPLATE_HOLES]);
/* The place of a value among the holes, or MLOOM_JSON_TEMPLATE_HOLES. */
size_t mloom_json_holes_find(const mloom_json_holes *holes, mloom_bytes text, mloom_bytes value);
void mloom_json_template_clear(mloom_json_template *pattern);
void mloom_json_template_free(mloom_json_template *pattern);

#endif
