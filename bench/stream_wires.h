/* SPDX-License-Identifier: Apache-2.0
 *
 * The streams that bench_stream measures: what a service sends for one answer, and our decoder of it.
 */
#ifndef MLOOM_BENCH_STREAM_WIRES_H
#define MLOOM_BENCH_STREAM_WIRES_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

#define EVENTS 20000

/* An answer's body, and where each of its events ends. */
typedef struct stream_body {
  mloom_buffer bytes;
  size_t ends[EVENTS + 16];
  size_t count;
} stream_body;

typedef struct stream_wire {
  const char *name;
  const char *target; /* of ours over the floor */
  const char *field;  /* what stands before the text of an event */
  int frames;         /* binary frames with checksums, no server-sent events */
  int each;           /* measured with one event a write, too */
  int32_t (*make)(stream_body *out);
  void *(*open)(void);
  int32_t (*feed)(void *decoder, const char *data, size_t size, const mloom_event_sink *sink);
  int (*close)(void *decoder); /* was the answer seen to its end? */
} stream_wire;

extern const stream_wire stream_wires[];
extern const size_t stream_wire_count;

#endif
