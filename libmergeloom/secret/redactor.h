/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes secrets out of text that leaves the library.
 */
#ifndef MLOOM_SECRET_REDACTOR_H
#define MLOOM_SECRET_REDACTOR_H

#include "base/buffer.h"
#include "base/log.h"
#include "secret/secret.h"

typedef struct mloom_redactor mloom_redactor;

int32_t mloom_redactor_new(mloom_redactor **out, mloom_error *error);
void mloom_redactor_free(mloom_redactor *redactor);
/* Told once when a secret that was added could not be locked in memory. log is borrowed; set before the first add. */
void mloom_redactor_set_log(mloom_redactor *redactor, const mloom_log *log);
/* From now on the secret, its base64, base64url, percent-encoded and JSON-escaped forms are replaced, and each long
 * line of a secret of several lines. Secrets shorter than 8 bytes are replaced only where they stand as a whole word,
 * those shorter than 4 not at all: nothing would be left of the text. A secret of "Name: value" lines (extra headers)
 * counts by the values whose name speaks of a secret. Thread-safe. */
int32_t mloom_redactor_add(mloom_redactor *redactor, const mloom_secret *secret);
/* The same for one that is followed by others, as tokens are: it may be forgotten once nobody else holds a reference
 * and dozens of newer ones have come. */
int32_t mloom_redactor_add_passing(mloom_redactor *redactor, const mloom_secret *secret);
/* Replaces in place each known secret, and what looks like one (sk-..., Bearer ..., AKIA..., JWTs, private keys), by
 * "[redacted]". Thread-safe. redactor may be NULL: then only the look-alikes. When there is no memory for the new text,
 * the text is emptied rather than let through. */
void mloom_redactor_apply(mloom_redactor *redactor, mloom_buffer *text);
/* Known secrets only: for text that has to stay what it is, such as a diff or what a model is given to read. */
void mloom_redactor_apply_known(mloom_redactor *redactor, mloom_buffer *text);
void mloom_redactor_apply_error(mloom_redactor *redactor, mloom_error *error);

/* Text that comes in pieces: a secret may straddle two of them, so what could be its beginning is held back until the
 * next piece or the end. One stream, one thread at a time. */
typedef struct mloom_redactor_stream mloom_redactor_stream;
/* redactor is borrowed and may be NULL. */
int32_t mloom_redactor_stream_new(mloom_redactor_stream **out, mloom_redactor *redactor, mloom_error *error);
void mloom_redactor_stream_free(mloom_redactor_stream *stream);
MLOOM_DEFINE_AUTO(mloom_redactor_stream, mloom_redactor_stream_free)
/* Appends to out what is safe by now. Whole UTF-8 characters in give whole characters out. */
int32_t mloom_redactor_stream_feed(mloom_redactor_stream *stream, const char *data, size_t size, mloom_buffer *out);
/* Appends the rest; the stream is then as new. */
int32_t mloom_redactor_stream_finish(mloom_redactor_stream *stream, mloom_buffer *out);

#endif
