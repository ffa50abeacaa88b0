/* SPDX-License-Identifier: Apache-2.0
 *
 * Chat completions on the wire: requests encoded by appending, answers decoded from pieces cut anywhere.
 */
#ifndef MLOOM_WIRE_CHAT_H
#define MLOOM_WIRE_CHAT_H

#include "answer.h"
#include "pieces.h"
#include <mergeloom/plugin.h>

/* ---- Requests ---- */

typedef struct mloom_chat_options {
  int stream;
  int include_usage;            /* stream_options, which some servers refuse */
  int parallel_tool_calls;      /* -1: not sent */
  const char *max_tokens_field; /* NULL: not sent */
  uint64_t max_output_tokens;   /* 0: not sent */
  const char *temperature;      /* a JSON number, NULL: not sent */
  const char *reasoning_effort; /* NULL: not sent */
  const char *echo_reasoning;   /* member that carries earlier reasoning back, NULL: not sent */
} mloom_chat_options;

/* The body of turn N without its last segment is a prefix of the body of turn N + 1; each message is encoded once. */
typedef struct mloom_chat_request {
  mloom_buffer head;
  mloom_buffer messages;
  const char *echo_reasoning;
  mloom_bytes segments[3];
} mloom_chat_request;

typedef struct mloom_chat_answer mloom_chat_answer;

/* Encodes everything before the first message. Strings of options must outlive the request. MLOOM_E_MEMORY. */
int32_t mloom_chat_request_init(mloom_chat_request *request, const mloom_chat_options *options, const char *model,
                                const mloom_session_args *args);
/* MLOOM_E_MEMORY, or MLOOM_E_INVALID for a role that is not known; the request is then as before. */
int32_t mloom_chat_request_append(mloom_chat_request *request, const mloom_message *message);
/* Appends what the model said. */
int32_t mloom_chat_request_append_answer(mloom_chat_request *request, const mloom_chat_answer *answer);
/* The body as segments, valid until the next append. */
const mloom_bytes *mloom_chat_request_segments(mloom_chat_request *request, size_t *count);
void mloom_chat_request_free(mloom_chat_request *request);

/* ---- Answers ---- */

#define MLOOM_CHAT_ARGUMENTS_LIMIT ((size_t)4 * 1024 * 1024)
#define MLOOM_CHAT_CALLS_LIMIT 128u

typedef struct mloom_chat_call {
  mloom_buffer id;
  mloom_buffer name;
  mloom_buffer arguments;
  mloom_buffer extra;   /* extra_content as it came, which Gemini wants back; empty when there is none */
  mloom_buffer details; /* the element of reasoning_details that is about this call, likewise, of OpenRouter */
  int64_t index;        /* -1: the server gave none */
  /* How far the arguments are as JSON, kept up with each piece. */
  uint32_t depth;
  uint8_t in_string;
  uint8_t escaped;
  uint8_t complete;
} mloom_chat_call;

struct mloom_chat_answer {
  mloom_buffer text;
  mloom_buffer reasoning;
  mloom_buffer refusal;
  mloom_buffer details; /* elements of reasoning_details that are encrypted: an array without its end */
  mloom_chat_call *calls;
  size_t call_count;
  size_t call_capacity;
  uint32_t stop; /* MLOOM_STOP_... */
  int finished;  /* a reason to stop was given */
  mloom_answer_usage usage;
};

typedef struct mloom_chat_decoder {
  mloom_answer_reader reader;
  mloom_buffer scratch;
  mloom_buffer repaired; /* an event whose UTF-8 was malformed */
  mloom_buffer call_id;
  mloom_buffer call_name;
  mloom_buffer call_arguments;
  mloom_pieces pieces;
  mloom_chat_answer answer;
  mloom_service_error failure; /* an error inside the answer */
  int has_failure;
  int done;                      /* [DONE] was seen */
  int has_choice;                /* at least one chunk of an answer was seen */
  int malformed;                 /* an event was no JSON */
  const char *const *tool_names; /* ends with NULL; borrowed */
  const mloom_event_sink *sink;  /* during a call only */
} mloom_chat_decoder;

void mloom_chat_decoder_init(mloom_chat_decoder *decoder, const char *const *tool_names);
/* Drops what was decoded. */
void mloom_chat_decoder_reset(mloom_chat_decoder *decoder);
void mloom_chat_decoder_free(mloom_chat_decoder *decoder);
/* MLOOM_E_MEMORY or MLOOM_E_LIMIT with error. */
int32_t mloom_chat_decoder_feed(mloom_chat_decoder *decoder, const char *data, size_t size,
                                const mloom_event_sink *sink, mloom_error *error);
/* Ends the answer: MLOOM_OK when it is complete, with its tool calls handed to sink, out filled and ids made up for
 * calls that came without. service says whom remedies speak of. */
int32_t mloom_chat_decoder_finish(mloom_chat_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                  const mloom_service_names *service, const mloom_event_sink *sink,
                                  mloom_turn_result *out, mloom_error *error);

/* The form in which text holds a tool call that should not be text ("<tool_call>", "a bare JSON object", ...), and the
 * tool's name if it can be told; NULL when it holds none. form is static, name points into text. */
const char *mloom_chat_find_text_call(mloom_bytes text, const char *const *tool_names, mloom_bytes *name);

#endif
