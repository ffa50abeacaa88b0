/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <stdlib.h>

mloom_buffer *sim_events_add(sim_events *events) {
  mloom_buffer *items = reallocarray(events->items, events->count + 1, sizeof(*items));
  if (items == NULL) {
    return NULL;
  }
  events->items = items;
  items[events->count] = (mloom_buffer)MLOOM_BUFFER_INIT;
  return &items[events->count++];
}

void sim_events_free(sim_events *events) {
  for (size_t i = 0; i < events->count; i++) {
    mloom_buffer_free(&events->items[i]);
  }
  free(events->items);
  *events = (sim_events){0};
}

void sim_answer_free(sim_answer *answer) {
  for (size_t i = 0; i < answer->tool_call_count; i++) {
    mloom_buffer_free(&answer->tool_calls[i].id);
    mloom_buffer_free(&answer->tool_calls[i].name);
    mloom_buffer_free(&answer->tool_calls[i].arguments);
  }
  free(answer->tool_calls);
  mloom_buffer_free(&answer->text);
  mloom_buffer_free(&answer->reasoning);
  *answer = (sim_answer){0};
}
