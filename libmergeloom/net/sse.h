/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events (WHATWG HTML, "Server-sent events"): bytes in, cut anywhere; events out. Depends on the buffer
 * only.
 */
#ifndef MLOOM_NET_SSE_H
#define MLOOM_NET_SSE_H

#include "base/buffer.h"

typedef struct mloom_sse {
  mloom_buffer line;  /* an unfinished line */
  mloom_buffer data;  /* data lines of the unfinished event */
  mloom_buffer event; /* its event field */
  size_t limit;       /* bytes of one event; more is MLOOM_E_LIMIT */
  uint32_t state;
  uint32_t has_data;
} mloom_sse;

/* event is "" when the field is absent; both are valid during the callback. A negative return ends mloom_sse_feed. */
typedef int32_t (*mloom_sse_fn)(mloom_bytes event, mloom_bytes data, void *userdata);

void mloom_sse_init(mloom_sse *sse, size_t limit);
/* MLOOM_OK, MLOOM_E_LIMIT, MLOOM_E_MEMORY, or what fn returned. */
int32_t mloom_sse_feed(mloom_sse *sse, const char *data, size_t size, mloom_sse_fn fn, void *userdata);
/* 1 when bytes of an unfinished event remain: the stream was cut. */
int mloom_sse_is_partial(const mloom_sse *sse);
/* Back to the state after init; keeps memory. */
void mloom_sse_reset(mloom_sse *sse);
void mloom_sse_free(mloom_sse *sse);

#endif
