/* SPDX-License-Identifier: Apache-2.0
 *
 * What looks like a secret, whoever it belongs to.
 */
#ifndef MLOOM_SECRET_LOOKALIKE_H
#define MLOOM_SECRET_LOOKALIKE_H

#include <stddef.h>

#define MLOOM_MATCH_NONE 0
#define MLOOM_MATCH_FOUND 1
#define MLOOM_MATCH_MORE 2 /* the bytes that follow decide */

/* keep bytes stay, the next size bytes are the secret. */
typedef struct mloom_match {
  size_t keep;
  size_t size;
} mloom_match;

/* Could a look-alike begin with this byte? */
int mloom_lookalike_begins(char c);
/* Looks at text[position]; previous is the byte before it, or '\n' at the very beginning. final: nothing follows text.
 */
int mloom_lookalike_match(const char *text, size_t size, size_t position, char previous, int final, mloom_match *out);

#endif
