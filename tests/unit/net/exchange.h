/* SPDX-License-Identifier: Apache-2.0
 *
 * One exchange with everything the answer held.
 */
#ifndef MLOOM_TESTS_UNIT_NET_EXCHANGE_H
#define MLOOM_TESTS_UNIT_NET_EXCHANGE_H

#include "net/http.h"

typedef struct test_answer {
  int32_t code;
  int32_t status;
  int32_t body_result; /* what the body callback answers */
  uint64_t size;
  mloom_buffer headers; /* "name=value\n" each */
  mloom_buffer body;    /* the first megabyte */
  mloom_http_report report;
  mloom_error error;
} test_answer;

static inline int32_t test_on_status(int32_t status, void *userdata) {
  ((test_answer *)userdata)->status = status;
  return MLOOM_OK;
}

static inline int32_t test_on_header(const char *name, const char *value, void *userdata) {
  return mloom_buffer_append_format(&((test_answer *)userdata)->headers, "%s=%s\n", name, value);
}

static inline int32_t test_on_body(const char *data, size_t size, void *userdata) {
  test_answer *answer = userdata;
  answer->size += size;
  if (answer->body.size < (1u << 20)) {
    mloom_buffer_append(&answer->body, data, size);
  }
  return answer->body_result;
}

static inline void test_answer_free(test_answer *answer) {
  mloom_buffer_free(&answer->headers);
  mloom_buffer_free(&answer->body);
}

/* Everything of answer but body_result is set anew. */
static inline int32_t test_perform(test_answer *answer, mloom_http_client *client, const mloom_call *call,
                                   const mloom_http_request *request) {
  mloom_http_sink sink = {sizeof(sink), 0, answer, test_on_status, test_on_header, test_on_body};
  test_answer_free(answer);
  *answer = (test_answer){.body_result = answer->body_result, .error = MLOOM_ERROR_INIT};
  answer->code = mloom_http_perform(client, call, request, &sink, &answer->report, &answer->error);
  return answer->code;
}

static inline int32_t test_get(test_answer *answer, mloom_http_client *client, const char *url) {
  mloom_http_request request = {.size = sizeof(request), .method = "GET", .url = url};
  return test_perform(answer, client, NULL, &request);
}

#endif
