/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"

#include <features.h>

#ifdef __GLIBC__
#include <malloc.h>

#define ARENAS 2 /* for the threads of the server; those of checks share them, and would leave one behind each */
#define KEPT_FREE (64 * 1024)

void heap_configure(void) {
  mallopt(M_ARENA_MAX, ARENAS);
  mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
}

void heap_trim(void) {
  malloc_trim(KEPT_FREE);
}
#else
void heap_configure(void) {
}

void heap_trim(void) {
}
#endif
