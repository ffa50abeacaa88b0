/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the body of a request. Each function does nothing when *status is a failure already, so that one check at the
 * end of a row of them suffices; failures are MLOOM_E_MEMORY.
 */
#ifndef MLOOM_WIRE_BODY_H
#define MLOOM_WIRE_BODY_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

/* As it stands. */
void mloom_body_add(int32_t *status, mloom_buffer *out, const char *text);
void mloom_body_add_bytes(int32_t *status, mloom_buffer *out, mloom_bytes text);
/* "text" with quotes and escapes. */
void mloom_body_add_quoted(int32_t *status, mloom_buffer *out, mloom_bytes text);
/* Members, with a comma before them where one belongs: "name": and then a string, any JSON, a number, a boolean, or
 * nothing yet.
 */
void mloom_body_add_string(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes text);
void mloom_body_add_raw(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes value);
void mloom_body_add_number(int32_t *status, mloom_buffer *out, const char *name, uint64_t value);
void mloom_body_add_boolean(int32_t *status, mloom_buffer *out, const char *name, int value);
void mloom_body_add_name(int32_t *status, mloom_buffer *out, const char *name);
/* value as a member where it is an object that may stand in a body, else {"instead": "value"}: services take nothing
 * but an object as arguments, of earlier calls too. */
void mloom_body_add_object(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes value,
                           const char *instead);

/* What a tool said, for formats that have no flag for an error. Never empty: some servers refuse a result without
 * content, and with it the whole conversation. */
void mloom_body_add_result(int32_t *status, mloom_buffer *out, const char *name, const mloom_message *message);

/* The schema of a tool's arguments, of one without any too. */
mloom_bytes mloom_body_parameters(const mloom_tool *tool);
/* Borrowed, never NULL. */
mloom_bytes mloom_body_bytes(const mloom_buffer *buffer);
int mloom_body_is_blank(mloom_bytes text);
/* Is text one JSON object, not nested deeper than what leaves room for a body around it? */
int mloom_body_is_object(mloom_bytes text);

#endif
