/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of InvokeModel, whole and one byte at a time, and what names a model in a path. Streams are written as
 * event_stream_frames.h has them.
 */
#include "harness.h"

#include <stdlib.h>

#include "aws-bedrock/aws_bedrock.h"
#include "base/base64.h"
#include "base/error.h"
#include "event_stream_frames.h"

static const mloom_service_names service = {
    .model = "model-1", .base_url = "http://service", .models_url = "", .environment_prefix = "JCA_BEDROCK_"};

typedef struct record {
  mloom_buffer text;
  mloom_buffer calls;
} record;

static void on_event(const mloom_event *event, void *userdata) {
  record *seen = userdata;
  if (event->kind == MLOOM_EVENT_TEXT) {
    mloom_buffer_append(&seen->text, event->text.data, event->text.size);
  } else if (event->kind == MLOOM_EVENT_TOOL_CALL) {
    mloom_buffer_append_format(&seen->calls, "%.*s:%.*s;", (int)event->name.size, event->name.data,
                               (int)event->text.size, event->text.data);
  }
}

typedef struct outcome {
  int32_t code;
  int32_t fed;
  mloom_turn_result result;
  mloom_error error;
} outcome;

static outcome decode(record *seen, const mloom_buffer *bytes, size_t step, int32_t status, const char *exception) {
  static const mloom_messages_options options = {.stream = -1, .max_output_tokens = 9};
  const mloom_dialect *dialect = bedrock_invoke_dialect();
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = on_event};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = status};
  outcome out = {.result = {.size = sizeof(out.result)}, .error = MLOOM_ERROR_INIT};
  const mloom_bytes *body = NULL;
  size_t count = 0;
  void *state = calloc(1, dialect->state_size);
  memset(seen, 0, sizeof(*seen));
  CU_ASSERT_EQUAL_FATAL(dialect->begin(state, &options, &args), MLOOM_OK);
  CU_ASSERT_EQUAL(dialect->prepare(state, &body, &count), MLOOM_OK);
  if (exception != NULL) {
    dialect->header(state, "X-Amzn-ErrorType", exception);
  }
  for (size_t at = 0; out.fed >= 0 && at < bytes->size; at += step) {
    /* A copy of its own for each piece, so that reading past it is seen by the sanitizer. */
    size_t piece = bytes->size - at < step ? bytes->size - at : step;
    char *copy = malloc(piece);
    memcpy(copy, bytes->data + at, piece);
    out.fed = dialect->feed(state, copy, piece, &sink, &out.error);
    free(copy);
  }
  if (out.fed < 0) {
    end.outcome = out.fed;
  }
  out.code = dialect->finish(state, &end, 1, &service, &sink, &out.result, &out.error);
  dialect->end(state);
  free(state);
  return out;
}

static void record_free(record *seen) {
  mloom_buffer_free(&seen->text);
  mloom_buffer_free(&seen->calls);
}

#define EVENTS                                                                                               \
  "{\"type\":\"message_start\",\"message\":{\"content\":[]}}\n"                                              \
  "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n"     \
  "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n"      \
  "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","     \
  "\"name\":\"n\",\"input\":{}}}\n"                                                                          \
  "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":" \
  "\"{}\"}}\n"
#define STOP                                                                \
  "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n" \
  "{\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{\"x\":1}}\n"

/* One message for each line, wrapped as Bedrock does it. */
static void wrap(mloom_buffer *out, const char *lines) {
  while (*lines != '\0') {
    size_t size = strcspn(lines, "\n");
    mloom_buffer payload = MLOOM_BUFFER_INIT;
    mloom_buffer_append_string(&payload, "{\"bytes\":\"");
    mloom_base64_append(&payload, lines, size);
    mloom_buffer_append_string(&payload, "\",\"p\":\"abc\"}");
    frames_add(out, '-', "chunk", 5, payload.data, payload.size);
    mloom_buffer_free(&payload);
    lines += size + 1;
  }
}

static void test_wrapped_events(void) {
  for (size_t step = 1; step <= 100000; step *= 100000) {
    record seen;
    mloom_buffer bytes = MLOOM_BUFFER_INIT;
    wrap(&bytes, EVENTS STOP);
    outcome got = decode(&seen, &bytes, step, 200, NULL);
    CU_ASSERT_EQUAL(got.code, MLOOM_OK);
    CU_ASSERT_EQUAL(got.fed, MLOOM_COMPLETE);
    CU_ASSERT_EQUAL(got.result.stop, MLOOM_STOP_TOOL_CALLS);
    UNIT_ASSERT_STRING(mloom_buffer_string(&seen.text), "a");
    UNIT_ASSERT_STRING(mloom_buffer_string(&seen.calls), "n:{};");
    record_free(&seen);
    mloom_buffer_free(&bytes);
  }
}

static void test_what_is_no_end(void) {
  static const struct {
    const char *after;
    int32_t code;
    uint32_t retryable;
  } cases[] = {
      {"", MLOOM_E_PROTOCOL, 1},
      {"!throttlingException {\"message\":\"slow\"}\n", MLOOM_E_RATE_LIMITED, 1},
      {"!modelTimeoutException {\"message\":\"slow\"}\n", MLOOM_E_TIMEOUT, 1},
      {"!validationException {\"message\":\"no\"}\n", MLOOM_E_INVALID, 0},
      {"?InternalFailure it broke\n", MLOOM_E_UNAVAILABLE, 1},
      {"chunk {\"bytes\":\"!!\"}\n", MLOOM_E_PROTOCOL, 1},
      {"chunk {\"bytes\":\n", MLOOM_E_PROTOCOL, 1},
      {"chunk {}\n~\n", MLOOM_E_PROTOCOL, 1},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    record seen;
    mloom_buffer bytes = MLOOM_BUFFER_INIT;
    wrap(&bytes, EVENTS);
    frames_from_text(&bytes, cases[i].after, strlen(cases[i].after));
    if (i != 0 && i != 7) {
      wrap(&bytes, STOP); /* what comes later does not mend it */
    }
    outcome got = decode(&seen, &bytes, 1, 200, NULL);
    if (got.code != cases[i].code) {
      fprintf(stderr, "%s: %d %s\n", cases[i].after, got.code, got.error.message);
    }
    CU_ASSERT_EQUAL(got.code, cases[i].code);
    CU_ASSERT_EQUAL(got.error.retryable, cases[i].retryable);
    record_free(&seen);
    mloom_buffer_free(&bytes);
  }
}

static void test_documents(void) {
  static const struct {
    const char *body;
    const char *exception;
    int32_t status;
    int32_t code;
  } cases[] = {
      {"{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":\"end_turn\"}", NULL,
       200, MLOOM_OK},
      {"{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},\"Version\":\"1.0\"}", NULL,
       200, MLOOM_E_NOT_FOUND},
      {"{\"message\":\"m\"}", "ThrottlingException", 429, MLOOM_E_RATE_LIMITED},
      {"{\"message\":\"The security token included in the request is expired\"}", NULL, 403, MLOOM_E_EXPIRED},
      {"", NULL, 500, MLOOM_E_UNAVAILABLE},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    record seen;
    mloom_buffer bytes = MLOOM_BUFFER_INIT;
    mloom_buffer_append_string(&bytes, cases[i].body);
    CU_ASSERT_EQUAL(decode(&seen, &bytes, 1, cases[i].status, cases[i].exception).code, cases[i].code);
    record_free(&seen);
    mloom_buffer_free(&bytes);
  }
}

static void test_model_is_one_segment(void) {
  static const struct {
    const char *model;
    const char *segment;
    const char *region;
  } cases[] = {
      {"amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0", ""},
      {"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456",
       "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123def456", "us-east-1"},
      {"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/x",
       "arn%3Aaws-us-gov%3Abedrock%3Aus-gov-west-1%3A%3Afoundation-model%2Fx", "us-gov-west-1"},
      {"../a b?#%\xc3\xa9~_", "..%2Fa%20b%3F%23%25%C3%A9~_", ""},
      {"arn:aws", "arn%3Aaws", ""},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer segment = MLOOM_BUFFER_INIT;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer region = MLOOM_BUFFER_INIT;
    CU_ASSERT_EQUAL(bedrock_append_segment(&segment, cases[i].model), MLOOM_OK);
    mloom_bytes found = bedrock_arn_region(cases[i].model);
    mloom_buffer_append(&region, found.data, found.size);
    UNIT_ASSERT_STRING(mloom_buffer_string(&segment), cases[i].segment);
    UNIT_ASSERT_STRING(mloom_buffer_string(&region), cases[i].region);
  }
}

static void test_region_of_a_host(void) {
  static const char *const cases[][2] = {
      {"https://bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"},
      {"https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com:443/x", "us-gov-west-1"},
      {"https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"},
      {"https://bedrock-mantle.eu-west-1.api.aws/anthropic", "eu-west-1"},
      {"https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", ""},
      {"http://127.0.0.1:4566", ""},
      {"https://bedrock-runtime.us-east-1.amazonaws.com.evil.example", ""},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer region = MLOOM_BUFFER_INIT;
    mloom_bytes found = bedrock_host_region(cases[i][0]);
    mloom_buffer_append(&region, found.data, found.size);
    UNIT_ASSERT_STRING(mloom_buffer_string(&region), cases[i][1]);
  }
}

static const unit_test tests[] = {
    {"wrapped events", test_wrapped_events},
    {"what is no end of an answer", test_what_is_no_end},
    {"documents", test_documents},
    {"a model is one segment of the path", test_model_is_one_segment},
    {"the region of a host", test_region_of_a_host},
};
UNIT_MAIN("bedrock invoke", tests)
