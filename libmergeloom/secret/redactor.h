/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes secrets out of text that leaves the library.
 */
#ifndef MLOOM_SECRET_REDACTOR_H
#define MLOOM_SECRET_REDACTOR_H

#include "base/buffer.h"
#include "secret/secret.h"

typedef struct mloom_redactor mloom_redactor;

int32_t mloom_redactor_new(mloom_redactor **out, mloom_error *error);
void mloom_redactor_free(mloom_redactor *redactor);
/* From now on the secret, its base64, base64url, percent-encoded and JSON-escaped forms are replaced. Secrets shorter
 * than 8 bytes are replaced only where they stand as a whole word. Thread-safe. */
int32_t mloom_redactor_add(mloom_redactor *redactor, const mloom_secret *secret);
/* Replaces in place each known secret, and what looks like one (sk-..., Bearer ..., AKIA..., JWTs, private keys), by
 * "[redacted]". Thread-safe. redactor may be NULL: then only the look-alikes. */
void mloom_redactor_apply(mloom_redactor *redactor, mloom_buffer *text);
void mloom_redactor_apply_error(mloom_redactor *redactor, mloom_error *error);

#endif
