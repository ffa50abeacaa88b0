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

/* Marks of the cache in the messages of a body, whose last segment begins at open: one stands with the newest block,
 * the other where the newest block of the body before ended, which was at end; 0: there was none. Takes them out, and
 * returns where the newest block ends then. */
static inline size_t expect_marks(char *body, size_t open, const char *mark, size_t end) {
  size_t size = strlen(mark);
  const char *messages = strstr(body, "\"messages\"");
  char *newest = body + open - size;
  CU_ASSERT_EQUAL_FATAL(memcmp(newest, mark, size), 0);
  CU_ASSERT_PTR_EQUAL_FATAL(strstr(messages, mark), end == 0 ? newest : body + end);
  memmove(newest, newest + size, strlen(newest + size) + 1);
  if (end != 0) {
    memmove(body + end, body + end + size, strlen(body + end + size) + 1);
  }
  CU_ASSERT_PTR_NULL(strstr(messages, mark));
  return end == 0 ? open - size : open - 2 * size;
}

#endif
