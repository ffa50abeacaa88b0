/* SPDX-License-Identifier: Apache-2.0
 *
 * The events of "claude -p --output-format stream-json --verbose".
 */
#ifndef MLOOM_CLAUDE_EVENTS_H
#define MLOOM_CLAUDE_EVENTS_H

#include "cli/stream.h"

/* A mloom_cli_stream_fn. Its cost goes on through a conversation, its tokens do not. */
int32_t mloom_claude_read_event(mloom_cli_stream *stream, mloom_bytes line);
/* The run of the stream was the last of the conversation so far: what it cost is known from now on. */
void mloom_claude_keep_cost(mloom_cli_stream *stream);

#endif
