/* SPDX-License-Identifier: Apache-2.0
 *
 * A command line cut into words as a POSIX shell does it, without any expansion: nothing is ever given to a shell.
 */
#ifndef MLOOM_WIRE_SHELL_WORDS_H
#define MLOOM_WIRE_SHELL_WORDS_H

#include "base/cleanup.h"
#include <mergeloom/types.h>

#define MLOOM_SHELL_WORDS_LIMIT 256u

typedef struct mloom_shell_words {
  char **words; /* count of them, then NULL */
  size_t count;
  char *memory; /* what they point into; all of it is overwritten before it is freed */
  size_t memory_size;
} mloom_shell_words;

/* MLOOM_E_INVALID: a quotation without its end, or a backslash as the last character; MLOOM_E_LIMIT: too many words. */
int32_t mloom_shell_words_split(mloom_shell_words *out, mloom_bytes text);
void mloom_shell_words_free(mloom_shell_words *words);

#endif
