/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages and bodies, for the tests of encoders.
 */
#ifndef MLOOM_UNIT_REQUEST_MESSAGES_H
#define MLOOM_UNIT_REQUEST_MESSAGES_H

#include "harness.h"

#include "base/json.h"
#include <mergeloom/plugin.h>

static inline mloom_message user_message(const char *text) {
  return (mloom_message){.size = sizeof(mloom_message), .role = MLOOM_ROLE_USER, .text = {text, strlen(text)}};
}

static inline mloom_message result_message(const char *id, const char *name, const char *text, uint32_t flags) {
  return (mloom_message){.size = sizeof(mloom_message),
                         .flags = flags,
                         .role = MLOOM_ROLE_TOOL_RESULT,
                         .text = {text, strlen(text)},
                         .tool_call_id = id,
                         .tool_name = name};
}

/* The body, which is JSON, as one string; its last segment begins at *open. */
static inline char *joined_body(const mloom_bytes *segments, size_t count, size_t *open) {
  mloom_buffer body = MLOOM_BUFFER_INIT;
  mloom_json *json = NULL;
  for (size_t i = 0; i < count; i++) {
    *open = body.size;
    mloom_buffer_append(&body, segments[i].data, segments[i].size);
  }
  CU_ASSERT_EQUAL(mloom_json_parse(&json, body.data, body.size, "the body", NULL), MLOOM_OK);
  mloom_json_unref(json);
  return mloom_buffer_take(&body);
}

#endif
