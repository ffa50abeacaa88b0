/* SPDX-License-Identifier: Apache-2.0
 *
 * The Responses API on the wire: requests encoded by appending, answers decoded from pieces cut anywhere. Nothing is
 * kept by the service, so that each request carries every item of the conversation.
 */
#ifndef MLOOM_WIRE_RESPONSES_H
#define MLOOM_WIRE_RESPONSES_H

#include "answer.h"
#include "pieces.h"
#include <mergeloom/plugin.h>

/* ---- Requests ---- */

typedef struct mloom_responses_options {
  int stream;
  int parallel_tool_calls;      /* -1: not sent */
  uint64_t max_output_tokens;   /* 0: not sent */
  const char *reasoning_effort; /* this and the following: NULL is not sent */
  const char *reasoning_summary;
  const char *verbosity;
  const char *service_tier;
  int prompt_cache;        /* the session's id is sent as prompt_cache_key */
  int encrypted_reasoning; /* 0: not asked for; -1: where the name of the model does not speak against it */
} mloom_responses_options;

/* The body of turn N without its last segment is a prefix of the body of turn N + 1; each item is encoded once. */
typedef struct mloom_responses_request {
  mloom_buffer head;
  mloom_buffer items;
  mloom_bytes segments[3];
} mloom_responses_request;

typedef struct mloom_responses_answer mloom_responses_answer;

/* Encodes everything before the first item. MLOOM_E_MEMORY. */
int32_t mloom_responses_request_init(mloom_responses_request *request, const mloom_responses_options *options,
                                     const char *model, const mloom_session_args *args);
/* MLOOM_E_MEMORY, or MLOOM_E_INVALID for a role that is not known; the request is then as before. */
int32_t mloom_responses_request_append(mloom_responses_request *request, const mloom_message *message);
/* Appends the items of the answer in their order, as they came; of reasoning only what the service can read again. */
int32_t mloom_responses_request_append_answer(mloom_responses_request *request, const mloom_responses_answer *answer);
/* The body as segments, valid until the next append. */
const mloom_bytes *mloom_responses_request_segments(mloom_responses_request *request, size_t *count);
void mloom_responses_request_free(mloom_responses_request *request);

/* ---- Answers ---- */

#define MLOOM_RESPONSES_ARGUMENTS_LIMIT ((size_t)4 * 1024 * 1024)
#define MLOOM_RESPONSES_ITEMS_LIMIT 512u

#define MLOOM_RESPONSES_OTHER 0u /* of a type that means nothing to us: sent back as it came */
#define MLOOM_RESPONSES_MESSAGE 1u
#define MLOOM_RESPONSES_REASONING 2u
#define MLOOM_RESPONSES_CALL 3u

typedef struct mloom_responses_item {
  int64_t index; /* the place in the output */
  uint32_t kind;
  uint8_t complete;      /* raw is the whole item */
  uint8_t shown;         /* a piece of its text was handed on already */
  uint8_t has_encrypted; /* reasoning that the service can read again */
  uint8_t has_call_id;   /* raw has the id of the call */
  mloom_buffer raw;      /* its JSON, checked */
  mloom_buffer id;
  mloom_buffer call_id;
  mloom_buffer name;
  mloom_buffer arguments;
} mloom_responses_item;

struct mloom_responses_answer {
  mloom_responses_item *items; /* by index */
  size_t item_count;
  size_t item_capacity;
  mloom_buffer refusal;
  uint32_t stop; /* MLOOM_STOP_... */
  mloom_answer_usage usage;
};

typedef struct mloom_responses_decoder {
  mloom_answer_reader reader;
  mloom_buffer scratch;
  mloom_buffer text;
  mloom_pieces pieces;
  mloom_responses_answer answer;
  mloom_service_error failure; /* an error inside the answer */
  int has_failure;
  int terminal;                 /* the response was said to have ended */
  int done;                     /* [DONE] was seen */
  int has_response;             /* at least one event of a response was seen */
  int malformed;                /* an event was no JSON */
  int has_text;                 /* some text of a message was handed on */
  const mloom_event_sink *sink; /* during a call only */
} mloom_responses_decoder;

void mloom_responses_decoder_init(mloom_responses_decoder *decoder);
/* Drops what was decoded. */
void mloom_responses_decoder_reset(mloom_responses_decoder *decoder);
void mloom_responses_decoder_free(mloom_responses_decoder *decoder);
/* MLOOM_E_MEMORY or MLOOM_E_LIMIT with error. */
int32_t mloom_responses_decoder_feed(mloom_responses_decoder *decoder, const char *data, size_t size,
                                     const mloom_event_sink *sink, mloom_error *error);
/* Ends the answer: MLOOM_OK when it is complete, with its tool calls handed to sink, out filled and ids made up for
 * calls that came without. service says whom remedies speak of. */
int32_t mloom_responses_decoder_finish(mloom_responses_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                       const mloom_service_names *service, const mloom_event_sink *sink,
                                       mloom_turn_result *out, mloom_error *error);

#endif
