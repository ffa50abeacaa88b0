/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "plugin/abi.h"

struct mloom_arena_block {
  struct mloom_arena_block *next;
  max_align_t memory[];
};

void *mloom_arena_alloc(mloom_arena *arena, size_t size) {
  struct mloom_arena_block *block = size > SIZE_MAX - sizeof(*block) ? NULL : calloc(1, sizeof(*block) + size);
  if (block == NULL) {
    return NULL;
  }
  block->next = arena->blocks;
  arena->blocks = block;
  return block->memory;
}

char *mloom_arena_copy_string(mloom_arena *arena, const char *string) {
  size_t size = strlen(string) + 1;
  char *copy = mloom_arena_alloc(arena, size);
  if (copy != NULL) {
    memcpy(copy, string, size);
  }
  return copy;
}

void mloom_arena_free(mloom_arena *arena) {
  while (arena->blocks != NULL) {
    struct mloom_arena_block *next = arena->blocks->next;
    free(arena->blocks);
    arena->blocks = next;
  }
}
