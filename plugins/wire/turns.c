/* SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include "body.h"

mloom_turns_position mloom_turns_here(const mloom_turns *turns) {
  return (mloom_turns_position){turns->messages.size, turns->texts.size, turns->role, turns->can_be_marked};
}

int32_t mloom_turns_settle(int32_t status, mloom_turns *turns, mloom_turns_position before) {
  if (status != MLOOM_OK) {
    mloom_buffer_truncate(&turns->messages, before.messages);
    mloom_buffer_truncate(&turns->texts, before.texts);
    turns->role = before.role;
    turns->can_be_marked = before.can_be_marked;
  }
  return status;
}

void mloom_turns_begin_text(int32_t *status, mloom_turns *turns) {
  if (turns->texts.size > 0) {
    mloom_body_add(status, &turns->texts, turns->form->block_end);
    mloom_body_add(status, &turns->texts, ",");
  }
}

void mloom_turns_begin_block(int32_t *status, mloom_turns *turns, uint32_t role, int can_be_marked) {
  mloom_buffer *out = &turns->messages;
  if (turns->role != MLOOM_TURNS_NONE) {
    mloom_body_add(status, out, turns->form->block_end);
    mloom_body_add(status, out, turns->role == role ? "," : "]},");
  }
  if (turns->role != role) {
    mloom_body_add(status, out, role == MLOOM_TURNS_USER ? turns->form->user : turns->form->model);
  }
  turns->role = role;
  turns->can_be_marked = can_be_marked;
}

void mloom_turns_place_texts(int32_t *status, mloom_turns *turns) {
  if (turns->texts.size == 0) {
    return;
  }
  mloom_turns_position before = mloom_turns_here(turns);
  mloom_turns_begin_block(status, turns, MLOOM_TURNS_USER, 1);
  mloom_body_add_bytes(status, &turns->messages, mloom_body_bytes(&turns->texts));
  if (mloom_turns_settle(*status, turns, before) == MLOOM_OK) {
    mloom_buffer_clear(&turns->texts);
  }
}

static void add_segment(mloom_turns *turns, size_t *count, const mloom_buffer *buffer, size_t from, size_t to) {
  if (to > from) {
    turns->segments[(*count)++] = (mloom_bytes){buffer->data + from, to - from};
  }
}

int32_t mloom_turns_segments(mloom_turns *turns, const mloom_bytes **out, size_t *count) {
  int32_t status = MLOOM_OK;
  mloom_turns_place_texts(&status, turns);
  mloom_buffer_clear(&turns->tail);
  if (turns->role != MLOOM_TURNS_NONE) {
    mloom_body_add(&status, &turns->tail, turns->form->block_end);
    mloom_body_add(&status, &turns->tail, "]}");
  }
  mloom_body_add(&status, &turns->tail, "]}");
  if (status != MLOOM_OK) {
    return status;
  }
  const mloom_buffer *messages = &turns->messages;
  if (turns->can_be_marked && turns->marked != messages->size) { /* the same when a turn is tried again */
    turns->marked_before = turns->marked;
    turns->marked = messages->size;
  }
  *count = 0;
  add_segment(turns, count, &turns->head, 0, turns->head.size);
  add_segment(turns, count, messages, 0, turns->marked_before);
  add_segment(turns, count, &turns->mark, 0, turns->marked_before > 0 ? turns->mark.size : 0);
  add_segment(turns, count, messages, turns->marked_before, turns->marked);
  add_segment(turns, count, &turns->mark, 0, turns->marked > 0 ? turns->mark.size : 0);
  add_segment(turns, count, messages, turns->marked, messages->size);
  add_segment(turns, count, &turns->tail, 0, turns->tail.size);
  *out = turns->segments;
  return MLOOM_OK;
}

void mloom_turns_free(mloom_turns *turns) {
  mloom_buffer_free(&turns->head);
  mloom_buffer_free(&turns->messages);
  mloom_buffer_free(&turns->texts);
  mloom_buffer_free(&turns->tail);
  mloom_buffer_free(&turns->mark);
}
