/* SPDX-License-Identifier: Apache-2.0
 *
 * The [JCA] block of a ticket's description.
 */
#ifndef MLOOM_RESOLVER_DIRECTIVES_H
#define MLOOM_RESOLVER_DIRECTIVES_H

#include "base/json.h"

typedef struct mloom_directive_note {
  uint32_t line;   /* from 1, in the description */
  uint32_t column; /* from 1, in characters */
  uint32_t blocks; /* 1: the job must not start; 0: a warning */
  uint32_t reserved;
  char message[256];
  char remedy[256];
} mloom_directive_note;

typedef struct mloom_directives mloom_directives;

/* Never fails for what the text says: notes tell. MLOOM_E_MEMORY only. */
int32_t mloom_directives_parse(mloom_directives **out, const char *description, size_t size, mloom_error *error);
void mloom_directives_free(mloom_directives *directives);
/* The value of a key as it was written, NULL when absent, and where it stands (line and column may be NULL). Borrowed.
 * An entry of a list key is read with the two functions below. */
const char *mloom_directives_value(const mloom_directives *directives, const char *key, uint32_t *line,
                                   uint32_t *column);
/* The elements of a list key. */
size_t mloom_directives_list_count(const mloom_directives *directives, const char *key);
const char *mloom_directives_list_at(const mloom_directives *directives, const char *key, size_t index);
size_t mloom_directives_note_count(const mloom_directives *directives);
const mloom_directive_note *mloom_directives_note_at(const mloom_directives *directives, size_t index);

#endif
