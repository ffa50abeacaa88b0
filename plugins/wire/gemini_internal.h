/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_WIRE_GEMINI_INTERNAL_H
#define MLOOM_WIRE_GEMINI_INTERNAL_H

#include "gemini.h"

/* Reads one GenerateContentResponse. A text that is no JSON only sets malformed. MLOOM_E_MEMORY, MLOOM_E_LIMIT. */
int32_t mloom_gemini_read_chunk(mloom_gemini_decoder *decoder, mloom_bytes data);
/* Reads a whole answer: one response, or an array of those that a stream would have had. */
int32_t mloom_gemini_read_whole(mloom_gemini_decoder *decoder, mloom_bytes data);
void mloom_gemini_answer_clear(mloom_gemini_answer *answer);
/* A new last call, empty; NULL when out of memory. */
mloom_gemini_call *mloom_gemini_calls_add(mloom_gemini_calls *calls);
void mloom_gemini_calls_clear(mloom_gemini_calls *calls); /* keeps the memory of the array */
/* Writes a JSON Schema in the subset of OpenAPI that functionDeclarations.parameters takes. MLOOM_E_MEMORY. */
int32_t mloom_gemini_write_schema(mloom_buffer *out, mloom_bytes schema);
/* Does schema name any property? An object without is refused as parameters. */
int mloom_gemini_has_properties(mloom_bytes schema);

#endif
