/* SPDX-License-Identifier: Apache-2.0
 *
 * A wire: one API that model servers speak. Adding one is a file here and a line in sim_wires.
 */
#ifndef SIM_WIRE_WIRE_H
#define SIM_WIRE_WIRE_H

#include "../answer.h"
#include "../conversation.h"
#include "../http_server.h"

typedef struct sim_wire {
  const char *name;
  /* Does the wire serve this request? */
  int (*serves)(const sim_request *request);
  /* Reads the request. A negative return is answered with status 400 and the error's message. */
  int32_t (*read)(sim_conversation *out, const sim_request *request, mloom_error *error);
  const char *(*content_type)(const sim_conversation *conversation);
  /* Writes the answer: one event for each part of a stream, or the whole body as one. */
  int32_t (*write)(sim_events *out, const sim_conversation *conversation, const sim_answer *answer);
  /* The wire's own form of an error body, and of an error inside a stream that began with status 200. */
  int32_t (*write_error)(mloom_buffer *out, int32_t status, const char *message);
  int32_t (*write_error_event)(mloom_buffer *out, const char *message);
  /* The body of the model list, NULL when the wire has none. Asked when serves_models says so. */
  int (*serves_models)(const sim_request *request);
  int32_t (*write_models)(mloom_buffer *out, const mloom_json *models);
  /* An answer that needs no script, as a count of tokens: sets status when the request asks for one. Optional. */
  int32_t (*write_direct)(mloom_buffer *out, const sim_request *request, const mloom_json *models, int32_t *status);
} sim_wire;

/* All wires, ends with NULL. */
extern const sim_wire *const sim_wires[];

extern const sim_wire sim_wire_chat;
extern const sim_wire sim_wire_converse;
extern const sim_wire sim_wire_converse_profiles;
extern const sim_wire sim_wire_gemini;
extern const sim_wire sim_wire_messages;
extern const sim_wire sim_wire_minimal;
extern const sim_wire sim_wire_responses;

#endif
