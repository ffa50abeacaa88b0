/* SPDX-License-Identifier: Apache-2.0
 *
 * The Converse format of Amazon Bedrock: requests encoded by appending, answers decoded from pieces cut anywhere, as a
 * stream of binary messages or as one document.
 */
#ifndef MLOOM_WIRE_CONVERSE_H
#define MLOOM_WIRE_CONVERSE_H

#include "answer.h"
#include "blocks.h"
#include "event_stream.h"
#include "pieces.h"
#include "turns.h"
#include <mergeloom/plugin.h>

/* ---- Requests ---- */

typedef struct mloom_converse_options {
  uint64_t max_output_tokens; /* 0: left to the model */
  int cache;                  /* mark what the service is to keep in its prompt cache */
  const char *cache_ttl;      /* "5m", "1h"; NULL: not sent */
  const char *thinking;       /* "adaptive", "enabled", "disabled"; NULL: not sent */
  uint64_t thinking_budget;   /* for "enabled" */
  const char *effort;         /* NULL: not sent */
  const char *latency;        /* "standard", "optimized"; NULL: not sent */
  mloom_bytes more_fields;    /* a JSON object: further members of additionalModelRequestFields; empty: none */
} mloom_converse_options;

typedef struct mloom_converse_request {
  mloom_turns turns;
  int has_tools; /* without tools the service takes no calls and results: they become texts */
} mloom_converse_request;

typedef struct mloom_converse_answer mloom_converse_answer;

/* Encodes everything before the first message. Strings of options must outlive the request. MLOOM_E_MEMORY. */
int32_t mloom_converse_request_init(mloom_converse_request *request, const mloom_converse_options *options,
                                    const mloom_session_args *args);
/* MLOOM_E_MEMORY, or MLOOM_E_UNSUPPORTED for a role that is not known; the request is then as before. */
int32_t mloom_converse_request_append(mloom_converse_request *request, const mloom_message *message);
/* Appends what the model said, blocks that must come back unchanged as they were. */
int32_t mloom_converse_request_append_answer(mloom_converse_request *request, const mloom_converse_answer *answer);
/* Gives the body as segments, valid until the next append. MLOOM_E_MEMORY. */
int32_t mloom_converse_request_segments(mloom_converse_request *request, const mloom_bytes **out, size_t *count);
void mloom_converse_request_free(mloom_converse_request *request);

/* ---- Errors ---- */

/* What a service of AWS says when it cannot answer. error.type is the exception's name. */
typedef struct mloom_converse_failure {
  mloom_service_error error;
  int32_t original_status; /* of the model behind the service; 0: not told */
  int64_t retry_after_ms;  /* -1: not told */
  char date[40];           /* by the service's clock; "": not told */
} mloom_converse_failure;

void mloom_converse_failure_init(mloom_converse_failure *failure);
/* Takes one header of the answer. */
void mloom_converse_failure_header(mloom_converse_failure *failure, const char *name, const char *value);
/* Takes the body: {"message", "__type" or "code", ...}, and what else a service or proxy sends. */
void mloom_converse_failure_read(mloom_converse_failure *failure, const char *body, size_t size);
/* Takes an exception or error message of a stream; 0 when it is neither. */
int mloom_converse_failure_read_message(mloom_converse_failure *failure, const mloom_event_stream_message *message);
/* Fills error from an error answer and returns its code. http_status is 200 for an error inside an answer. */
int32_t mloom_converse_failure_report(const mloom_converse_failure *failure, int32_t http_status,
                                      const mloom_service_names *service, mloom_error *error);

/* ---- Answers ---- */

struct mloom_converse_answer {
  mloom_blocks blocks;
  uint32_t stop;            /* MLOOM_STOP_... */
  int context_full;         /* the reason to stop is a full context */
  int unusable;             /* the reason to stop is that the model's output could not be read */
  char reason[64];          /* as the service calls it */
  mloom_answer_usage usage; /* input_tokens without what was read from the cache and written to it */
};

typedef struct mloom_converse_decoder {
  mloom_answer_reader reader; /* of an answer that is no stream of binary messages */
  mloom_event_stream frames;
  int binary; /* it is one */
  mloom_buffer scratch;
  mloom_buffer repaired; /* an event whose UTF-8 was malformed */
  mloom_pieces pieces;
  mloom_converse_answer answer;
  mloom_converse_failure failure; /* headers of the answer, and an error inside it */
  int has_failure;
  int started;  /* messageStart, or an output */
  int done;     /* messageStop */
  int complete; /* everything that follows it has come too */
  int malformed;
  int damaged;                  /* a message that is none, or whose checksum is wrong */
  const mloom_event_sink *sink; /* during a call only */
} mloom_converse_decoder;

void mloom_converse_decoder_init(mloom_converse_decoder *decoder);
/* Drops what was decoded. */
void mloom_converse_decoder_reset(mloom_converse_decoder *decoder);
void mloom_converse_decoder_free(mloom_converse_decoder *decoder);
/* MLOOM_OK, MLOOM_COMPLETE, or with error: MLOOM_E_MEMORY, MLOOM_E_LIMIT, MLOOM_E_PROTOCOL for a damaged message. */
int32_t mloom_converse_decoder_feed(mloom_converse_decoder *decoder, const char *data, size_t size,
                                    const mloom_event_sink *sink, mloom_error *error);
/* Ends the answer: MLOOM_OK when it is complete, with its tool calls handed to sink and out filled. service says whom
 * remedies speak of. */
int32_t mloom_converse_decoder_finish(mloom_converse_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                      const mloom_service_names *service, const mloom_event_sink *sink,
                                      mloom_turn_result *out, mloom_error *error);

#endif
