/* SPDX-License-Identifier: Apache-2.0
 *
 * An answer made of blocks, as Messages and Converse give it: texts, thoughts and calls of tools, each with an index
 * and in pieces.
 */
#ifndef MLOOM_WIRE_BLOCKS_H
#define MLOOM_WIRE_BLOCKS_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

#define MLOOM_BLOCK_UNKNOWN 0u /* nothing of it has come yet that tells */
#define MLOOM_BLOCK_TEXT 1u
#define MLOOM_BLOCK_THINKING 2u
#define MLOOM_BLOCK_REDACTED 3u
#define MLOOM_BLOCK_CALL 4u
#define MLOOM_BLOCK_OTHER 5u

#define MLOOM_BLOCK_INPUT_LIMIT ((size_t)4 * 1024 * 1024)
#define MLOOM_BLOCKS_LIMIT 512u
#define MLOOM_BLOCKS_CALLS_LIMIT 128u
/* For mloom_answer_failed. */
#define MLOOM_BLOCKS_LIMITS "512 blocks, 128 tool calls and 4 MB of input of a call"

typedef struct mloom_block {
  uint32_t kind; /* MLOOM_BLOCK_TEXT, ... */
  int64_t index;
  mloom_buffer start;     /* Messages: the block as JSON, as it began */
  mloom_buffer text;      /* of a text or thoughts */
  mloom_buffer signature; /* of thoughts; Converse: base64 of redacted ones */
  mloom_buffer input;     /* JSON text in the making; Converse: a whole block of another kind */
  mloom_buffer citations; /* Messages */
  mloom_buffer id;
  mloom_buffer name;
} mloom_block;

typedef struct mloom_blocks {
  mloom_block *items;
  size_t count;
  size_t capacity;
  size_t call_count;
} mloom_blocks;

/* A new block behind the others. MLOOM_E_LIMIT, MLOOM_E_MEMORY. */
int32_t mloom_blocks_add(mloom_blocks *blocks, int64_t index, mloom_block **out);
/* The newest of that index, or NULL. */
mloom_block *mloom_blocks_find(const mloom_blocks *blocks, int64_t index);
/* The block turned out to be a call. MLOOM_E_LIMIT. */
int32_t mloom_blocks_begin_call(mloom_blocks *blocks, mloom_block *block);
/* Appends to a text or thoughts, and says so to sink. MLOOM_E_MEMORY. */
int32_t mloom_block_say(mloom_block *block, mloom_bytes text, const mloom_event_sink *sink);
/* Appends to the input, and tells sink that arguments of the call are arriving. MLOOM_E_LIMIT, MLOOM_E_MEMORY. */
int32_t mloom_block_add_input(mloom_block *block, mloom_bytes text, const mloom_event_sink *sink);
/* Gives each call a name, an id of its own beginning with prefix where it has none, and an object of arguments, and
 * then hands all of them to sink. MLOOM_E_MEMORY. */
int32_t mloom_blocks_hand_over_calls(mloom_blocks *blocks, const char *prefix, uint64_t turn,
                                     const mloom_event_sink *sink);
/* Keeps the memory of items. */
void mloom_blocks_clear(mloom_blocks *blocks);
void mloom_blocks_free(mloom_blocks *blocks);

#endif
