/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_WIRE_RESPONSES_INTERNAL_H
#define MLOOM_WIRE_RESPONSES_INTERNAL_H

#include "responses.h"

/* Reads one event of a stream. A text that is no JSON only sets malformed. MLOOM_E_MEMORY, MLOOM_E_LIMIT. */
int32_t mloom_responses_read_event(mloom_responses_decoder *decoder, const char *data, size_t size);
/* Reads a response that came as one document, or with the last event of a stream. Same codes. */
int32_t mloom_responses_read_response(mloom_responses_decoder *decoder, mloom_bytes text);

void mloom_responses_answer_clear(mloom_responses_answer *answer);
void mloom_responses_item_free(mloom_responses_item *item);

#endif
