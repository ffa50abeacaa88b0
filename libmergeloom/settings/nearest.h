/* SPDX-License-Identifier: Apache-2.0
 *
 * Which known name was probably meant.
 */
#ifndef MLOOM_SETTINGS_NEAREST_H
#define MLOOM_SETTINGS_NEAREST_H

#include <stddef.h>

typedef struct mloom_nearest {
  const char *name;  /* what was written; borrowed */
  const char *best;  /* the nearest known name so far, NULL when none is near enough; borrowed */
  size_t best_edits; /* how many edits lead from name to best */
} mloom_nearest;

void mloom_nearest_init(mloom_nearest *nearest, const char *name);
/* known is compared without regard to ASCII case; shown becomes best. */
void mloom_nearest_offer(mloom_nearest *nearest, const char *known, const char *shown);

#endif
