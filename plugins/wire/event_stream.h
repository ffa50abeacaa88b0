/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of application/vnd.amazon.eventstream: bytes in, cut anywhere; messages out, both checksums checked.
 */
#ifndef MLOOM_WIRE_EVENT_STREAM_H
#define MLOOM_WIRE_EVENT_STREAM_H

#include "base/buffer.h"

#define MLOOM_EVENT_STREAM_HEADERS 64u          /* headers of one message */
#define MLOOM_EVENT_STREAM_HEADER_BYTES 131072u /* and their bytes */
#define MLOOM_EVENT_STREAM_PAYLOAD_BYTES 25165824u

/* Types of a header's value, as numbered on the wire. */
#define MLOOM_EVENT_STREAM_TRUE 0u
#define MLOOM_EVENT_STREAM_FALSE 1u
#define MLOOM_EVENT_STREAM_INT8 2u
#define MLOOM_EVENT_STREAM_INT16 3u
#define MLOOM_EVENT_STREAM_INT32 4u
#define MLOOM_EVENT_STREAM_INT64 5u
#define MLOOM_EVENT_STREAM_BYTES 6u
#define MLOOM_EVENT_STREAM_STRING 7u
#define MLOOM_EVENT_STREAM_TIMESTAMP 8u /* milliseconds since 1970-01-01 UTC */
#define MLOOM_EVENT_STREAM_UUID 9u      /* 16 bytes */

typedef struct mloom_event_stream_header {
  mloom_bytes name;
  uint32_t type;
  int64_t number;    /* truth values, integers and timestamps */
  mloom_bytes value; /* bytes, UTF-8 strings and UUIDs */
} mloom_event_stream_header;

typedef struct mloom_event_stream_message {
  mloom_event_stream_header headers[MLOOM_EVENT_STREAM_HEADERS];
  size_t header_count;
  mloom_bytes payload;
} mloom_event_stream_message;

typedef struct mloom_event_stream {
  mloom_buffer pending; /* an unfinished message */
  size_t payload_limit;
  size_t total; /* size of the unfinished message; 0: not known yet */
  int32_t failure;
} mloom_event_stream;

/* message is valid during the callback. A negative return ends mloom_event_stream_feed. */
typedef int32_t (*mloom_event_stream_fn)(const mloom_event_stream_message *message, void *userdata);

/* payload_limit is at most MLOOM_EVENT_STREAM_PAYLOAD_BYTES, which 0 stands for. */
void mloom_event_stream_init(mloom_event_stream *stream, size_t payload_limit);
/* MLOOM_OK, MLOOM_E_PROTOCOL, MLOOM_E_LIMIT, MLOOM_E_MEMORY, or what fn returned. After a failure the stream gives the
 * same code until it is reset: nobody knows where the next message begins. */
int32_t mloom_event_stream_feed(mloom_event_stream *stream, const char *data, size_t size, mloom_event_stream_fn fn,
                                void *userdata);
/* 1 when bytes of an unfinished message remain: the stream was cut. */
int mloom_event_stream_is_partial(const mloom_event_stream *stream);
/* Back to the state after init; keeps memory. */
void mloom_event_stream_reset(mloom_event_stream *stream);
void mloom_event_stream_free(mloom_event_stream *stream);
/* The value of a header of type string, empty when there is none. */
mloom_bytes mloom_event_stream_string(const mloom_event_stream_message *message, const char *name);

#endif
