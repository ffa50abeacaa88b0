/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/nearest.h"

#include <string.h>
#include <strings.h>

#define NAME_MAX_COMPARED 64

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours; any number above most where there are more than that. */
static size_t edits_between(const char *a, size_t a_size, const char *b, size_t b_size, size_t most) {
  size_t rows[3][NAME_MAX_COMPARED + 1];
  size_t *before = rows[0], *above = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_size; j++) {
    above[j] = j;
    before[j] = j;
  }
  for (size_t i = 1; i <= a_size; i++) {
    size_t fewest = row[0] = i;
    for (size_t j = 1; j <= b_size; j++) {
      size_t replace = above[j - 1] + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      row[j] = least(replace, least(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = least(row[j], before[j - 2] + 1);
      }
      fewest = least(fewest, row[j]);
    }
    if (fewest > most) {
      return fewest; /* no row below has less: a swap counts from the row above, which has one less at the most */
    }
    size_t *oldest = before;
    before = above;
    above = row;
    row = oldest;
  }
  return above[b_size];
}

void mloom_nearest_init(mloom_nearest *nearest, const char *name) {
  nearest->name = name;
  nearest->best = NULL;
  nearest->best_edits = 0;
}

void mloom_nearest_offer(mloom_nearest *nearest, const char *known, const char *shown) {
  size_t name_size = strlen(nearest->name), known_size = strlen(known);
  if (name_size == 0 || name_size > NAME_MAX_COMPARED || known_size > NAME_MAX_COMPARED) {
    return;
  }
  /* A third of the name, so that short names are not all near each other. */
  size_t most = name_size < 3 ? 1 : least(name_size / 3, 4);
  if (name_size > known_size + most || known_size > name_size + most) {
    return;
  }
  size_t edits = edits_between(nearest->name, name_size, known, known_size, most);
  if (edits <= most && (nearest->best == NULL || edits < nearest->best_edits)) {
    nearest->best = shown;
    nearest->best_edits = edits;
  }
}
