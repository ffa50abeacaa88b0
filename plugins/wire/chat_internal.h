/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_WIRE_CHAT_INTERNAL_H
#define MLOOM_WIRE_CHAT_INTERNAL_H

#include "chat.h"

/* Reads one chunk of a stream, or a whole answer: both have the same members but for delta and message. A text that is
 * no JSON only sets malformed. MLOOM_E_MEMORY, MLOOM_E_LIMIT. */
int32_t mloom_chat_read_document(mloom_chat_decoder *decoder, const char *data, size_t size);

void mloom_chat_answer_clear(mloom_chat_answer *answer);
void mloom_chat_drop_calls(mloom_chat_answer *answer);

/* What one piece of a tool call holds; members that are absent have no bytes. */
typedef struct mloom_chat_call_piece {
  mloom_bytes id;
  mloom_bytes name;
  mloom_bytes arguments;
  mloom_bytes extra; /* JSON text */
  int64_t index;     /* -1: none */
  int whole;         /* the arguments came as an object, all at once */
} mloom_chat_call_piece;

/* Adds the piece to the call it belongs to. */
int32_t mloom_chat_add_call_piece(mloom_chat_decoder *decoder, const mloom_chat_call_piece *piece);

#endif
