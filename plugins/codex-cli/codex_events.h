/* SPDX-License-Identifier: Apache-2.0
 *
 * The events of "codex exec --json".
 */
#ifndef MLOOM_CODEX_EVENTS_H
#define MLOOM_CODEX_EVENTS_H

#include "cli/stream.h"

/* A mloom_cli_stream_fn. Its counts of tokens go on through a conversation: those of before are taken off. */
int32_t mloom_codex_read_event(mloom_cli_stream *stream, mloom_bytes line);
/* The run of the stream was the last of the conversation so far: what it counted is known from now on. */
void mloom_codex_keep_count(mloom_cli_stream *stream);

#endif
