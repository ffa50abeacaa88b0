/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_WIRE_MESSAGES_INTERNAL_H
#define MLOOM_WIRE_MESSAGES_INTERNAL_H

#include "messages.h"

/* Reads one event of a stream. name is that of the server-sent event, or empty. A text that is no JSON only sets
 * malformed. MLOOM_E_MEMORY, MLOOM_E_LIMIT. */
int32_t mloom_messages_read_event(mloom_messages_decoder *decoder, mloom_bytes name, mloom_bytes data);
/* Reads a whole answer. */
int32_t mloom_messages_read_whole(mloom_messages_decoder *decoder, mloom_bytes data);
void mloom_messages_answer_clear(mloom_messages_answer *answer);

#endif
