/* SPDX-License-Identifier: Apache-2.0
 *
 * Scripts: which answer belongs to which conversation. docs/simulator.md describes the JSON.
 */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include "answer.h"
#include "conversation.h"

#define SIM_FAULT_NONE 0u
#define SIM_FAULT_CUT 1u       /* the connection is closed within the answer */
#define SIM_FAULT_STALL 2u     /* nothing more comes */
#define SIM_FAULT_HANG_UP 3u   /* closed before the first byte */
#define SIM_FAULT_STATUS 4u    /* an answer with this status and body */
#define SIM_FAULT_ERROR 5u     /* status 200 with an error inside */
#define SIM_FAULT_MALFORMED 6u /* bytes that are not the wire's format */

typedef struct sim_fault {
  uint32_t kind;
  int32_t status;
  size_t after_events;
  const mloom_json *headers; /* an object of strings, borrowed */
  const mloom_json *body;    /* borrowed; NULL: the wire's own error body */
  const char *message;       /* borrowed */
} sim_fault;

typedef struct sim_delivery {
  size_t chunk_bytes; /* the stream is cut into chunks of this size; 0: one for each event */
  int64_t delay_ms;   /* between chunks */
  int64_t first_byte_delay_ms;
} sim_delivery;

typedef struct sim_play {
  sim_answer answer;
  sim_delivery delivery;
  sim_fault fault;
  const char *conversation; /* its name, borrowed */
  size_t step;
} sim_play;

typedef struct sim_script sim_script;

int32_t sim_script_new(sim_script **out, mloom_error *error);
/* Adds the conversations of a script behind those there are. MLOOM_E_INVALID: malformed, with the place. */
int32_t sim_script_add(sim_script *script, const char *text, size_t size, const char *what, mloom_error *error);
int32_t sim_script_add_file(sim_script *script, const char *path, mloom_error *error);
void sim_script_free(sim_script *script);

/* The answer to a conversation: of the first conversation of the script that matches and its step. MLOOM_E_NOT_FOUND:
 * the script has none. Counts what is limited by "times". */
int32_t sim_script_play(sim_play *out, sim_script *script, const sim_conversation *conversation, mloom_error *error);
void sim_play_free(sim_play *play);

/* An array of model names. Borrowed. */
const mloom_json *sim_script_models(const sim_script *script);
/* The key that requests must carry, NULL when none is asked for. Borrowed. */
const char *sim_script_key(const sim_script *script);

#endif
