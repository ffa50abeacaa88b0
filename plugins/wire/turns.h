/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of a conversation whose roles must alternate, each of one or more blocks: what one side says in a row
 * becomes one message, and what the user says stands behind the results of tools. But for marks of the cache, the body
 * of turn N without its last segment is a prefix of the body of turn N + 1, and each block is encoded once.
 */
#ifndef MLOOM_WIRE_TURNS_H
#define MLOOM_WIRE_TURNS_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

#define MLOOM_TURNS_NONE 0u
#define MLOOM_TURNS_USER 1u
#define MLOOM_TURNS_MODEL 2u

/* How a wire writes them. */
typedef struct mloom_turns_form {
  const char *user;      /* the beginning of a message of the user, up to its first block */
  const char *model;     /* of the model */
  const char *block_end; /* what is left out of a block until another follows, or the body ends */
} mloom_turns_form;

typedef struct mloom_turns {
  const mloom_turns_form *form;
  mloom_buffer head;     /* everything before the first message */
  mloom_buffer messages; /* ends behind the newest block, inside of its message, unless role is MLOOM_TURNS_NONE */
  mloom_buffer texts;    /* blocks of the user in the open turn, with what stands between them */
  mloom_buffer tail;
  uint32_t role;     /* of the open message */
  int can_be_marked; /* may a mark for the cache stand with the newest block? */
  mloom_buffer mark; /* what stands with a block up to which the service is to keep the conversation; empty: nothing */
  /* Where marks stand in messages, 0: nowhere. The service looks back a few blocks only from a mark for what it has
   * kept, and a turn may add more: the mark of the turn before stays, and what that one kept is found there. */
  size_t marked;
  size_t marked_before;
  mloom_bytes segments[7];
} mloom_turns;

/* What an append may change, to go back to when it fails. */
typedef struct mloom_turns_position {
  size_t messages;
  size_t texts;
  uint32_t role;
  int can_be_marked;
} mloom_turns_position;

mloom_turns_position mloom_turns_here(const mloom_turns *turns);
/* Goes back to before when status is a failure. Returns status. */
int32_t mloom_turns_settle(int32_t status, mloom_turns *turns, mloom_turns_position before);

/* As the functions of body.h do, these do nothing once *status is a failure. */

/* Begins the place of another block in texts. */
void mloom_turns_begin_text(int32_t *status, mloom_turns *turns);
/* Begins the place of another block at the end of messages. */
void mloom_turns_begin_block(int32_t *status, mloom_turns *turns, uint32_t role, int can_be_marked);
/* The user's texts take their place at the end of messages; they stay where they are when that fails. */
void mloom_turns_place_texts(int32_t *status, mloom_turns *turns);

/* Gives the body with its marks as segments, valid until the next append. MLOOM_E_MEMORY. */
int32_t mloom_turns_segments(mloom_turns *turns, const mloom_bytes **out, size_t *count);
void mloom_turns_free(mloom_turns *turns);

#endif
