/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client asked for, whatever wire it came over.
 */
#ifndef SIM_CONVERSATION_H
#define SIM_CONVERSATION_H

#include "base/buffer.h"
#include "base/json.h"

#define SIM_ROLE_SYSTEM 1u
#define SIM_ROLE_USER 2u
#define SIM_ROLE_ASSISTANT 4u
#define SIM_ROLE_TOOL 8u
#define SIM_ROLE_ANY 15u

typedef struct sim_message {
  uint32_t role;
  mloom_buffer text;
} sim_message;

typedef struct sim_conversation {
  mloom_buffer model;
  sim_message *messages;
  size_t message_count;
  mloom_json *tools; /* an array of names, owned */
  size_t turn;       /* assistant messages so far: the number of the answer that is asked for */
  int streamed;
  int wants_usage;
  const char *form; /* of the answer, where the wire has more than one; a static string or NULL */
} sim_conversation;

/* Appends a message and gives its text buffer, or NULL when out of memory. */
mloom_buffer *sim_conversation_add(sim_conversation *conversation, uint32_t role);
/* SIM_ROLE_... of a role name, 0 for an unknown one. */
uint32_t sim_role_from_name(const char *name);
int sim_conversation_has_tool(const sim_conversation *conversation, const char *name);
/* The newest message whose role is in roles, NULL when there is none. */
const sim_message *sim_conversation_last(const sim_conversation *conversation, uint32_t roles);
void sim_conversation_free(sim_conversation *conversation);

#endif
