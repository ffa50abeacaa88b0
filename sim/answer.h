/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scripted model says, whatever wire it goes over, and how it is delivered.
 */
#ifndef SIM_ANSWER_H
#define SIM_ANSWER_H

#include "base/buffer.h"

/* How weak servers differ from the documented format. A wire takes those that exist in it. */
#define SIM_QUIRK_NULL_NAMES (1u << 0)      /* id and name are null in every piece of a call after the first */
#define SIM_QUIRK_REPEATED_NAMES (1u << 1)  /* id and name stand in every piece of a call */
#define SIM_QUIRK_NO_INDEX (1u << 2)        /* no index of the call */
#define SIM_QUIRK_ZERO_INDEX (1u << 3)      /* the index is always 0 */
#define SIM_QUIRK_WHOLE_ARGUMENTS (1u << 4) /* arguments in one piece */
#define SIM_QUIRK_OBJECT_ARGUMENTS (1u << 5)
#define SIM_QUIRK_NO_DONE (1u << 6)         /* no closing marker of the stream */
#define SIM_QUIRK_STOP_WITH_CALLS (1u << 7) /* finish reason "stop" although there are calls */
#define SIM_QUIRK_TEXT_CALLS (1u << 8)      /* calls arrive as text */
#define SIM_QUIRK_NO_IDS (1u << 9)
#define SIM_QUIRK_NO_USAGE (1u << 10)
#define SIM_QUIRK_COMMENTS (1u << 11) /* keep-alive comments between events */
#define SIM_QUIRK_CRLF (1u << 12)
#define SIM_QUIRK_EMPTY_CHOICES (1u << 13)   /* a first event without choices */
#define SIM_QUIRK_OTHER_REASONING (1u << 14) /* "reasoning" instead of "reasoning_content" */
#define SIM_QUIRK_NO_FINISH (1u << 15)       /* no finish reason */

typedef struct sim_tool_call {
  mloom_buffer id;
  mloom_buffer name;
  mloom_buffer arguments; /* JSON text, or what the script gives instead */
} sim_tool_call;

typedef struct sim_usage {
  int64_t input;
  int64_t cached;
  int64_t output;
  int64_t reasoning;
} sim_usage;

typedef struct sim_answer {
  mloom_buffer text;
  mloom_buffer reasoning;
  sim_tool_call *tool_calls;
  size_t tool_call_count;
  const char *stop; /* NULL: chosen from what the answer holds. Borrowed from the script */
  sim_usage usage;
  uint32_t quirks;
  size_t piece_bytes; /* of text and arguments in one event */
} sim_answer;

/* The parts of an answer that are delivered one by one: stream events, or one whole body. */
typedef struct sim_events {
  mloom_buffer *items;
  size_t count;
} sim_events;

/* A new last event, NULL when out of memory. */
mloom_buffer *sim_events_add(sim_events *events);
void sim_events_free(sim_events *events);
void sim_answer_free(sim_answer *answer);

#endif
