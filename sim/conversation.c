/* SPDX-License-Identifier: Apache-2.0 */
#include "conversation.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

mloom_buffer *sim_conversation_add(sim_conversation *conversation, uint32_t role) {
  size_t count = conversation->message_count + 1;
  sim_message *messages = reallocarray(conversation->messages, count, sizeof(*messages));
  if (messages == NULL) {
    return NULL;
  }
  conversation->messages = messages;
  messages[count - 1] = (sim_message){role, MLOOM_BUFFER_INIT};
  conversation->message_count = count;
  conversation->turn += role == SIM_ROLE_ASSISTANT;
  return &messages[count - 1].text;
}

uint32_t sim_role_from_name(const char *name) {
  static const struct {
    const char *name;
    uint32_t role;
  } roles[] = {{"system", SIM_ROLE_SYSTEM}, {"developer", SIM_ROLE_SYSTEM}, {"user", SIM_ROLE_USER},
               {"tool", SIM_ROLE_TOOL},     {"any", SIM_ROLE_ANY},          {"assistant", SIM_ROLE_ASSISTANT}};
  for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
    if (strcmp(name, roles[i].name) == 0) {
      return roles[i].role;
    }
  }
  return 0;
}

int sim_conversation_has_tool(const sim_conversation *conversation, const char *name) {
  for (size_t i = 0; i < mloom_json_count(conversation->tools); i++) {
    if (mloom_text_equal(mloom_json_text(mloom_json_at(conversation->tools, i)), name)) {
      return 1;
    }
  }
  return 0;
}

const sim_message *sim_conversation_last(const sim_conversation *conversation, uint32_t roles) {
  for (size_t i = conversation->message_count; i > 0; i--) {
    if ((conversation->messages[i - 1].role & roles) != 0) {
      return &conversation->messages[i - 1];
    }
  }
  return NULL;
}

void sim_conversation_free(sim_conversation *conversation) {
  for (size_t i = 0; i < conversation->message_count; i++) {
    mloom_buffer_free(&conversation->messages[i].text);
  }
  free(conversation->messages);
  mloom_buffer_free(&conversation->model);
  mloom_json_unref(conversation->tools);
  *conversation = (sim_conversation){0};
}
