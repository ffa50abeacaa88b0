/* SPDX-License-Identifier: Apache-2.0 */
#include "blocks.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"

int32_t mloom_blocks_add(mloom_blocks *blocks, int64_t index, mloom_block **out) {
  if (blocks->count >= MLOOM_BLOCKS_LIMIT) {
    return MLOOM_E_LIMIT;
  }
  if (blocks->count == blocks->capacity) {
    size_t capacity = blocks->capacity == 0 ? 4 : blocks->capacity * 2;
    mloom_block *items = realloc(blocks->items, capacity * sizeof(*items));
    if (items == NULL) {
      return MLOOM_E_MEMORY;
    }
    blocks->items = items;
    blocks->capacity = capacity;
  }
  *out = &blocks->items[blocks->count++];
  memset(*out, 0, sizeof(**out));
  (*out)->index = index;
  return MLOOM_OK;
}

mloom_block *mloom_blocks_find(const mloom_blocks *blocks, int64_t index) {
  for (size_t i = blocks->count; i > 0; i--) {
    if (blocks->items[i - 1].index == index) {
      return &blocks->items[i - 1];
    }
  }
  return NULL;
}

int32_t mloom_blocks_begin_call(mloom_blocks *blocks, mloom_block *block) {
  block->kind = MLOOM_BLOCK_CALL;
  return ++blocks->call_count > MLOOM_BLOCKS_CALLS_LIMIT ? MLOOM_E_LIMIT : MLOOM_OK;
}

int32_t mloom_block_say(mloom_block *block, mloom_bytes text, const mloom_event_sink *sink) {
  if (text.size == 0) {
    return MLOOM_OK;
  }
  int32_t status = mloom_buffer_append(&block->text, text.data, text.size);
  if (status == MLOOM_OK) {
    mloom_answer_emit_text(sink, block->kind == MLOOM_BLOCK_TEXT ? MLOOM_EVENT_TEXT : MLOOM_EVENT_REASONING, text);
  }
  return status;
}

int32_t mloom_block_add_input(mloom_block *block, mloom_bytes text, const mloom_event_sink *sink) {
  if (text.size > MLOOM_BLOCK_INPUT_LIMIT - block->input.size) {
    return MLOOM_E_LIMIT;
  }
  int32_t status = mloom_buffer_append(&block->input, text.data, text.size);
  if (status == MLOOM_OK && block->kind == MLOOM_BLOCK_CALL) {
    mloom_answer_emit_delta(sink, &block->id, &block->name);
  }
  return status;
}

static int id_is_taken(const mloom_blocks *blocks, size_t index) {
  for (size_t i = 0; i < index; i++) {
    if (blocks->items[i].kind == MLOOM_BLOCK_CALL &&
        mloom_buffer_equal(&blocks->items[i].id, &blocks->items[index].id)) {
      return 1;
    }
  }
  return 0;
}

int32_t mloom_blocks_hand_over_calls(mloom_blocks *blocks, const char *prefix, uint64_t turn,
                                     const mloom_event_sink *sink) {
  int32_t status = MLOOM_OK;
  for (size_t i = 0; status == MLOOM_OK && i < blocks->count; i++) {
    mloom_block *block = &blocks->items[i];
    if (block->kind == MLOOM_BLOCK_CALL) {
      status = mloom_answer_name_call(&block->id, &block->name, id_is_taken(blocks, i), prefix, turn, i + 1);
      status = status == MLOOM_OK ? mloom_answer_complete_arguments(&block->input) : status;
    }
  }
  for (size_t i = 0; status == MLOOM_OK && i < blocks->count; i++) {
    const mloom_block *block = &blocks->items[i];
    if (block->kind == MLOOM_BLOCK_CALL) {
      mloom_answer_emit_call(sink, &block->id, &block->name, &block->input);
    }
  }
  return status;
}

void mloom_blocks_clear(mloom_blocks *blocks) {
  for (size_t i = 0; i < blocks->count; i++) {
    mloom_block *block = &blocks->items[i];
    mloom_buffer_free(&block->start);
    mloom_buffer_free(&block->text);
    mloom_buffer_free(&block->signature);
    mloom_buffer_free(&block->input);
    mloom_buffer_free(&block->citations);
    mloom_buffer_free(&block->id);
    mloom_buffer_free(&block->name);
  }
  blocks->count = 0;
  blocks->call_count = 0;
}

void mloom_blocks_free(mloom_blocks *blocks) {
  mloom_blocks_clear(blocks);
  free(blocks->items);
  *blocks = (mloom_blocks){NULL, 0, 0, 0};
}
