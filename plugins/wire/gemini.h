/* SPDX-License-Identifier: Apache-2.0
 *
 * Google's generateContent format: requests encoded by appending, answers decoded from pieces cut anywhere. The address
 * names the model and whether the answer is streamed (?alt=sse).
 */
#ifndef MLOOM_WIRE_GEMINI_H
#define MLOOM_WIRE_GEMINI_H

#include "answer.h"
#include "google_error.h"
#include "pieces.h"
#include "turns.h"
#include <mergeloom/plugin.h>

/* ---- Requests ---- */

#define MLOOM_GEMINI_NO_BUDGET INT64_MIN

typedef struct mloom_gemini_options {
  uint64_t max_output_tokens; /* thinking included; 0: not sent */
  const char *tool_mode;      /* "AUTO", "ANY", "VALIDATED"; NULL: not sent */
  int openapi_schema;         /* write parameters in Google's own subset of OpenAPI, not as JSON Schema */
  const char *thinking_level; /* "LOW", ...; NULL: not sent */
  int64_t thinking_budget;    /* tokens, 0 off, -1 automatic; MLOOM_GEMINI_NO_BUDGET: not sent */
  int include_thoughts;       /* ask for summaries of the thinking */
} mloom_gemini_options;

/* A call of the model that waits for its result. */
typedef struct mloom_gemini_call {
  size_t part;            /* of the answer */
  mloom_buffer id;        /* the host's name of it */
  mloom_buffer native_id; /* the service's, empty when it gave none: it must not be told one then */
  mloom_buffer name;
  mloom_buffer arguments; /* JSON text; in an answer only */
  mloom_buffer result;    /* JSON of the response object; in a request only */
} mloom_gemini_call;

typedef struct mloom_gemini_calls {
  mloom_gemini_call *items;
  size_t count;
  size_t capacity;
} mloom_gemini_calls;

typedef struct mloom_gemini_request {
  mloom_turns turns;        /* contents, whose blocks are parts */
  mloom_gemini_calls calls; /* of the newest answer, until their results have their place in the body */
} mloom_gemini_request;

typedef struct mloom_gemini_answer mloom_gemini_answer;

/* Encodes everything before the first content. Strings of options must outlive the request. MLOOM_E_MEMORY. */
int32_t mloom_gemini_request_init(mloom_gemini_request *request, const mloom_gemini_options *options,
                                  const mloom_session_args *args);
/* MLOOM_E_MEMORY, or MLOOM_E_UNSUPPORTED for a role that is not known; the request is then as before. */
int32_t mloom_gemini_request_append(mloom_gemini_request *request, const mloom_message *message);
/* Appends what the model said: signed and unknown parts as they came, at their places. */
int32_t mloom_gemini_request_append_answer(mloom_gemini_request *request, const mloom_gemini_answer *answer);
/* Gives the body as segments, valid until the next append. MLOOM_E_MEMORY. */
int32_t mloom_gemini_request_segments(mloom_gemini_request *request, const mloom_bytes **out, size_t *count);
void mloom_gemini_request_free(mloom_gemini_request *request);

/* ---- Answers ---- */

#define MLOOM_GEMINI_ARGUMENTS_LIMIT ((size_t)4 * 1024 * 1024)
#define MLOOM_GEMINI_PARTS_LIMIT 4096u
#define MLOOM_GEMINI_CALLS_LIMIT 128u

#define MLOOM_GEMINI_TEXT 1u    /* unsigned text in pieces, which may be joined */
#define MLOOM_GEMINI_THOUGHT 2u /* an unsigned summary of thinking, which need not come back */
#define MLOOM_GEMINI_CALL 3u
#define MLOOM_GEMINI_KEPT 4u /* anything else, signed texts for one: comes back as it came */

typedef struct mloom_gemini_part {
  uint32_t kind;     /* MLOOM_GEMINI_TEXT, ... */
  mloom_buffer text; /* MLOOM_GEMINI_TEXT: the text; MLOOM_GEMINI_CALL, MLOOM_GEMINI_KEPT: the part as JSON */
} mloom_gemini_part;

/* How an answer ended, by its finishReason. */
#define MLOOM_GEMINI_FINISH_NONE 0u
#define MLOOM_GEMINI_FINISH_END 1u
#define MLOOM_GEMINI_FINISH_LENGTH 2u
#define MLOOM_GEMINI_FINISH_PAUSED 3u
#define MLOOM_GEMINI_FINISH_REFUSED 4u /* a filter stopped it */
#define MLOOM_GEMINI_FINISH_CALLS 5u   /* the model made calls that cannot be used */
#define MLOOM_GEMINI_FINISH_FAILED 6u  /* for another reason */

/* Tokens, as indices. */
#define MLOOM_GEMINI_PROMPT 0u
#define MLOOM_GEMINI_TOOL_PROMPT 1u
#define MLOOM_GEMINI_CACHED 2u
#define MLOOM_GEMINI_CANDIDATES 3u /* thoughts not included */
#define MLOOM_GEMINI_THOUGHTS 4u
#define MLOOM_GEMINI_COUNTS 5u

struct mloom_gemini_answer {
  mloom_gemini_part *parts;
  size_t part_count;
  size_t part_capacity;
  mloom_gemini_calls calls;
  uint32_t finish; /* MLOOM_GEMINI_FINISH_... */
  uint32_t stop;   /* MLOOM_STOP_..., once finished */
  char finish_reason[64];
  char finish_message[400];
  char block_reason[64]; /* the prompt was blocked */
  char response_id[128];
  uint64_t counts[MLOOM_GEMINI_COUNTS];
};

/* The counts of an event. */
typedef struct mloom_gemini_usage {
  int told;                             /* the event has one */
  mloom_bytes raw[MLOOM_GEMINI_COUNTS]; /* of the event at hand */
  size_t hole[MLOOM_GEMINI_COUNTS];     /* of the template */
} mloom_gemini_usage;

typedef struct mloom_gemini_decoder {
  mloom_answer_reader reader;
  mloom_buffer text; /* unescaped strings */
  mloom_buffer scratch;
  mloom_buffer repaired;         /* an event whose UTF-8 was malformed */
  mloom_pieces pieces;           /* of text and thoughts */
  mloom_gemini_usage usage;      /* by the event at hand */
  mloom_gemini_usage kept_usage; /* by the event that became the template */
  mloom_gemini_answer answer;
  mloom_google_failure failure; /* an error inside the answer */
  int has_failure;
  int has_candidate; /* something of the format was seen */
  int has_usage;
  int malformed;
  const mloom_event_sink *sink; /* during a call only */
} mloom_gemini_decoder;

void mloom_gemini_decoder_init(mloom_gemini_decoder *decoder);
/* Drops what was decoded. */
void mloom_gemini_decoder_reset(mloom_gemini_decoder *decoder);
void mloom_gemini_decoder_free(mloom_gemini_decoder *decoder);
/* MLOOM_COMPLETE once the reason to stop and the usage were told; MLOOM_E_MEMORY or MLOOM_E_LIMIT with error. */
int32_t mloom_gemini_decoder_feed(mloom_gemini_decoder *decoder, const char *data, size_t size,
                                  const mloom_event_sink *sink, mloom_error *error);
/* Ends the answer: MLOOM_OK when it is complete, with its tool calls handed to sink and out filled. names says whom
 * remedies speak of. */
int32_t mloom_gemini_decoder_finish(mloom_gemini_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                    const mloom_service_names *names, const mloom_event_sink *sink,
                                    mloom_turn_result *out, mloom_error *error);

#endif
