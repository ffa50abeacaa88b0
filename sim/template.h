/* SPDX-License-Identifier: Apache-2.0
 *
 * Values that a step takes from the conversation: ${name} stands for what a capture finds.
 */
#ifndef SIM_TEMPLATE_H
#define SIM_TEMPLATE_H

#include "conversation.h"

typedef struct sim_template {
  const sim_conversation *conversation;
  const mloom_json *outer; /* objects of captures: {"name": {"from", "after", "until", "otherwise"}} */
  const mloom_json *inner; /* wins */
} sim_template;

/* Appends text with every ${name} replaced, escaped for a JSON string when in_json. ${model} and ${turn} exist always.
 * MLOOM_E_NOT_FOUND: there is no such capture, or it finds nothing. */
int32_t sim_template_append(mloom_buffer *out, mloom_bytes text, const sim_template *values, int in_json,
                            mloom_error *error);

#endif
