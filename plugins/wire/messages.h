/* SPDX-License-Identifier: Apache-2.0
 *
 * Anthropic's Messages format, spoken by its own service and on Vertex, Bedrock and Foundry: requests encoded by
 * appending, answers decoded from pieces cut anywhere.
 */
#ifndef MLOOM_WIRE_MESSAGES_H
#define MLOOM_WIRE_MESSAGES_H

#include "answer.h"
#include "blocks.h"
#include "pieces.h"
#include "turns.h"
#include <mergeloom/plugin.h>

/* ---- Requests ---- */

typedef struct mloom_messages_options {
  const char *anthropic_version; /* a member of the body, for services that want it there; NULL: not sent */
  const char *betas;             /* comma-separated, as a member of the body; NULL or "": not sent */
  int send_model;                /* 0: the address names the model */
  int stream;                    /* 1, 0; -1: not sent */
  int parallel_tool_calls;       /* 0: at most one call a turn; else left to the service */
  int cache;                     /* mark what the service is to keep in its prompt cache */
  const char *cache_ttl;         /* "5m", "1h"; NULL: not sent */
  uint64_t max_output_tokens;    /* the format demands it; 0: MLOOM_MESSAGES_OUTPUT_TOKENS */
  const char *thinking;          /* "adaptive", "enabled", "disabled"; NULL: not sent */
  uint64_t thinking_budget;      /* for "enabled" */
  const char *thinking_display;  /* for "adaptive"; NULL: not sent */
  const char *effort;            /* NULL: not sent */
} mloom_messages_options;

#define MLOOM_MESSAGES_OUTPUT_TOKENS UINT64_C(32000)

typedef struct mloom_messages_request {
  mloom_turns turns;
} mloom_messages_request;

typedef struct mloom_messages_answer mloom_messages_answer;

/* Encodes everything before the first message. Strings of options must outlive the request. MLOOM_E_MEMORY. */
int32_t mloom_messages_request_init(mloom_messages_request *request, const mloom_messages_options *options,
                                    const char *model, const mloom_session_args *args);
/* MLOOM_E_MEMORY, or MLOOM_E_UNSUPPORTED for a role that is not known; the request is then as before. */
int32_t mloom_messages_request_append(mloom_messages_request *request, const mloom_message *message);
/* Appends what the model said, blocks that must come back unchanged as they were. */
int32_t mloom_messages_request_append_answer(mloom_messages_request *request, const mloom_messages_answer *answer);
/* Gives the body as segments, valid until the next append. MLOOM_E_MEMORY. */
int32_t mloom_messages_request_segments(mloom_messages_request *request, const mloom_bytes **out, size_t *count);
void mloom_messages_request_free(mloom_messages_request *request);

/* ---- Answers ---- */

struct mloom_messages_answer {
  mloom_blocks blocks;
  uint32_t stop;    /* MLOOM_STOP_... */
  int context_full; /* the reason is a full context */
  char refusal_category[64];
  char refusal_explanation[400];
  mloom_answer_usage usage; /* input_tokens without what was read from the cache and written to it */
};

typedef struct mloom_messages_failure {
  mloom_service_error error; /* code is the stable one of details, where there is one */
  char request_id[128];
} mloom_messages_failure;

typedef struct mloom_messages_decoder {
  mloom_answer_reader reader;
  mloom_buffer scratch;
  mloom_buffer repaired; /* an event whose UTF-8 was malformed */
  mloom_pieces pieces;
  mloom_messages_answer answer;
  mloom_messages_failure failure; /* an error inside the answer */
  int has_failure;
  int started; /* message_start, or a whole message */
  int done;    /* message_stop */
  int malformed;
  const mloom_event_sink *sink; /* during a call only */
} mloom_messages_decoder;

void mloom_messages_decoder_init(mloom_messages_decoder *decoder);
/* Drops what was decoded. */
void mloom_messages_decoder_reset(mloom_messages_decoder *decoder);
void mloom_messages_decoder_free(mloom_messages_decoder *decoder);
/* MLOOM_E_MEMORY or MLOOM_E_LIMIT with error. */
int32_t mloom_messages_decoder_feed(mloom_messages_decoder *decoder, const char *data, size_t size,
                                    const mloom_event_sink *sink, mloom_error *error);
/* As feed, for services that wrap each event, a JSON object, in a frame of their own. */
int32_t mloom_messages_decoder_feed_event(mloom_messages_decoder *decoder, const char *data, size_t size,
                                          const mloom_event_sink *sink, mloom_error *error);
/* Ends the answer: MLOOM_OK when it is complete, with its tool calls handed to sink and out filled. service says whom
 * remedies speak of. */
int32_t mloom_messages_decoder_finish(mloom_messages_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                      const mloom_service_names *service, const mloom_event_sink *sink,
                                      mloom_turn_result *out, mloom_error *error);

/* ---- Errors ---- */

/* Reads {"type":"error","error":{"type","message","details"},"request_id"}, and what else a service or proxy sends. */
void mloom_messages_failure_read(mloom_messages_failure *out, const char *body, size_t size);
/* Fills error from an error answer and returns its code. http_status is 200 for an error inside an answer. */
int32_t mloom_messages_failure_report(const mloom_messages_failure *failure, int32_t http_status,
                                      const mloom_service_names *service, mloom_error *error);

#endif
