/* SPDX-License-Identifier: Apache-2.0
 *
 * What the decoders of all wires share: an answer that turns out to be an event stream, one JSON document or something
 * else; the words for a broken one; and handing events on.
 */
#ifndef MLOOM_WIRE_ANSWER_H
#define MLOOM_WIRE_ANSWER_H

#include "base/json_reader.h"
#include "net/sse.h"
#include "service_error.h"
#include <mergeloom/plugin.h>

#define MLOOM_ANSWER_UNKNOWN 0u
#define MLOOM_ANSWER_STREAM 1u
#define MLOOM_ANSWER_DOCUMENT 2u
#define MLOOM_ANSWER_OTHER 3u /* a web page */

/* Bytes of one answer. */
#define MLOOM_ANSWER_READER_LIMIT ((size_t)64 * 1024 * 1024)

typedef struct mloom_answer_reader {
  mloom_sse sse;
  uint32_t form;         /* MLOOM_ANSWER_... */
  mloom_buffer document; /* an answer that is no event stream; the beginning of any other */
  size_t received;
} mloom_answer_reader;

/* event_limit: bytes of one event of a stream. */
void mloom_answer_reader_init(mloom_answer_reader *reader, size_t event_limit);
/* Back to the state after init; keeps memory. */
void mloom_answer_reader_reset(mloom_answer_reader *reader);
void mloom_answer_reader_free(mloom_answer_reader *reader);
/* on_event gets the events of a stream; a document is kept. MLOOM_OK, MLOOM_E_LIMIT, MLOOM_E_MEMORY, or what on_event
 * returned. */
int32_t mloom_answer_reader_feed(mloom_answer_reader *reader, const char *data, size_t size, mloom_sse_fn on_event,
                                 void *userdata);
/* Counts bytes that come otherwise, as payloads of frames. MLOOM_OK or MLOOM_E_LIMIT. */
int32_t mloom_answer_reader_count(mloom_answer_reader *reader, size_t size);
/* The document without byte-order mark and white space at its ends. Valid until the next feed. */
mloom_bytes mloom_answer_reader_document(mloom_answer_reader *reader);

/* Fills error: MLOOM_E_LIMIT with "answers are limited to 64 MB, <limits>", MLOOM_E_MEMORY; any other status as it is,
 * error untouched. Returns status. */
int32_t mloom_answer_failed(int32_t status, const char *limits, mloom_error *error);
/* MLOOM_E_PROTOCOL, retryable: "the service at ... <what>". */
int32_t mloom_answer_broken(mloom_error *error, const mloom_service_names *service, const char *remedy,
                            const char *what);
/* MLOOM_E_CONTEXT_FULL, for an answer that says so. */
int32_t mloom_answer_context_full(const mloom_service_names *service, mloom_error *error);
/* An answer with a good status that lacks its end: says why. has_begun: something of the format was seen. outcome is
 * that of the exchange. */
typedef struct mloom_answer_cut {
  int has_begun;
  int malformed;
  int32_t outcome;
  const char *right_address; /* what the address has to be, said when nothing of the format was seen */
  const char *nothing;       /* "gave an answer that holds no message" */
  const char *cut;           /* "cut the stream before the end of its answer" */
} mloom_answer_cut;
int32_t mloom_answer_report_cut(const mloom_answer_reader *reader, const mloom_answer_cut *cut,
                                const mloom_service_names *service, mloom_error *error);

/* What the service has counted so far. */
typedef struct mloom_answer_usage {
  uint64_t input_tokens;
  uint64_t cached_input_tokens;
  uint64_t cache_write_tokens;
  uint64_t output_tokens;
  uint64_t reasoning_tokens;
} mloom_answer_usage;

/* Reads a number of tokens. count stays as it is when what comes next is none. */
void mloom_answer_read_count(mloom_json_reader *reader, uint64_t *count);

/* sink may be NULL. */
void mloom_answer_emit(const mloom_event_sink *sink, const mloom_event *event);
void mloom_answer_emit_text(const mloom_event_sink *sink, uint32_t kind, mloom_bytes text);
/* Arguments of a call are arriving. */
void mloom_answer_emit_delta(const mloom_event_sink *sink, const mloom_buffer *id, const mloom_buffer *name);
void mloom_answer_emit_call(const mloom_event_sink *sink, const mloom_buffer *id, const mloom_buffer *name,
                            const mloom_buffer *arguments);
void mloom_answer_emit_usage(const mloom_event_sink *sink, const mloom_answer_usage *usage);
void mloom_answer_emit_notice(const mloom_event_sink *sink, const char *name, const mloom_buffer *text);

/* Makes data point to storage, where malformed UTF-8 stands as U+FFFD, unless it is well-formed. MLOOM_E_MEMORY. */
int32_t mloom_answer_repair(mloom_bytes *data, mloom_buffer *storage);

/* Has text a control character? */
int mloom_answer_has_controls(const mloom_buffer *text);
/* Writes '_' in the place of each: ids and names of calls end up in logs. */
void mloom_answer_hide_controls(mloom_buffer *text);
/* Gives a call that came without a name, or without an id of its own, one: "unnamed", "PREFIX_TURN_NUMBER".
 * MLOOM_E_MEMORY. */
int32_t mloom_answer_name_call(mloom_buffer *id, mloom_buffer *name, int id_is_taken, const char *prefix, uint64_t turn,
                               size_t number);
/* Makes an object of arguments that are empty or null, and mends escapes of half a character. MLOOM_E_MEMORY. */
int32_t mloom_answer_complete_arguments(mloom_buffer *arguments);

#endif
