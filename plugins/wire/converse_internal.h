/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_WIRE_CONVERSE_INTERNAL_H
#define MLOOM_WIRE_CONVERSE_INTERNAL_H

#include "converse.h"

/* Reads one message of a stream. A payload that is no JSON only sets malformed. MLOOM_E_MEMORY, MLOOM_E_LIMIT. */
int32_t mloom_converse_read_message(mloom_converse_decoder *decoder, const mloom_event_stream_message *message);
/* Reads a whole answer. */
int32_t mloom_converse_read_whole(mloom_converse_decoder *decoder, mloom_bytes data);
void mloom_converse_answer_clear(mloom_converse_answer *answer);

#endif
