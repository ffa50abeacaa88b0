/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of generateContent, each fed whole and one byte at a time.
 */
#include "harness.h"

#include <stdlib.h>

#include "answer_record.h"
#include "base/error.h"
#include "wire/gemini.h"

static const mloom_google_place place = {.project = "p-1",
                                         .location = "us-east5",
                                         .publisher = "google",
                                         .project_field = "project_id (JCA_VERTEX_PROJECT_ID)",
                                         .location_field = "location (JCA_VERTEX_LOCATION)"};
static const mloom_service_names service = {.model = "model-1",
                                            .base_url = "http://service/v1",
                                            .models_url = "http://service/models",
                                            .environment_prefix = "JCA_VERTEX_",
                                            .has_key = 1,
                                            .google = &place};

typedef struct outcome {
  int32_t code;
  int32_t last_feed;
  mloom_turn_result result;
  mloom_error error;
} outcome;

/* A step of 0: byte by byte, and without the template of the chunk before. */
static outcome decode(record *seen, const char *body, size_t step, int32_t status) {
  mloom_gemini_decoder decoder;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = record_event};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = status};
  outcome out = {.code = MLOOM_OK, .result = {.size = sizeof(out.result)}, .error = MLOOM_ERROR_INIT};
  size_t size = strlen(body);
  int forget = step == 0;
  step = forget ? 1 : step;
  memset(seen, 0, sizeof(*seen));
  mloom_gemini_decoder_init(&decoder);
  for (size_t at = 0; out.code >= 0 && at < size; at += step) {
    /* A copy of its own for each piece, so that reading past it is seen by the sanitizer. */
    size_t piece = size - at < step ? size - at : step;
    char *copy = malloc(piece);
    memcpy(copy, body + at, piece);
    if (forget) {
      mloom_pieces_forget(&decoder.pieces);
    }
    out.code = mloom_gemini_decoder_feed(&decoder, copy, piece, &sink, &out.error);
    out.last_feed = out.code;
    free(copy);
  }
  if (out.code >= 0) {
    out.code = mloom_gemini_decoder_finish(&decoder, &end, 3, &service, &sink, &out.result, &out.error);
  }
  mloom_gemini_decoder_free(&decoder);
  return out;
}

#define CHUNK(rest) "data: {" rest "}\r\n\r\n"
#define PARTS(parts) "\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]},\"index\":0}]"
#define LAST(parts, reason) \
  "\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]},\"finishReason\":\"" reason "\"}]"
#define ENDED(reason) "\"candidates\":[{\"finishReason\":\"" reason "\",\"finishMessage\":\"why\"}]"
#define USAGE "\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":2}"
#define TEXT(text) "{\"text\":\"" text "\"}"
#define THOUGHT(text) "{\"text\":\"" text "\",\"thought\":true}"
#define CALL(name, rest) "{\"functionCall\":{\"name\":\"" name "\"" rest "}}"
#define FAILED(code, status) "\"error\":{\"code\":" code ",\"message\":\"m\",\"status\":\"" status "\"}"

static const answer_case cases[] = {
    {"text", CHUNK(PARTS(TEXT("a\\u00e9"))) CHUNK(LAST(TEXT("b"), "STOP") "," USAGE), 200, MLOOM_OK, MLOOM_STOP_END,
     "a\xc3\xa9"
     "b",
     "", "", 0},
    {"thoughts, then parallel calls in several chunks",
     CHUNK(PARTS(THOUGHT("h"))) CHUNK(PARTS(THOUGHT("m"))) CHUNK(PARTS(CALL("x", ",\"args\":{\"a\": 1}")))
         CHUNK(LAST(CALL("y", ""), "STOP")),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, "", "hm", "call_3_1:x:{\"a\": 1};call_3_2:y:{};", 0},
    {"pieces of all kinds, one after the other",
     CHUNK(PARTS(TEXT("a"))) CHUNK(PARTS(TEXT("\\n\\u00e9"))) CHUNK(PARTS(TEXT(""))) CHUNK(PARTS(TEXT("\xff")))
         CHUNK(PARTS(THOUGHT("h"))) CHUNK(PARTS(THOUGHT("m"))) CHUNK(PARTS(TEXT("b"))) CHUNK(PARTS(TEXT("c")) "," USAGE)
             CHUNK(PARTS(TEXT("d")) "," USAGE) CHUNK(LAST(TEXT("e"), "STOP")),
     200, MLOOM_OK, MLOOM_STOP_END,
     "a\n\xc3\xa9\xef\xbf\xbd"
     "bcde",
     "hm", "", 0},
    {"a text and an empty thought, twice",
     CHUNK(PARTS(TEXT("a") "," THOUGHT(""))) CHUNK(PARTS(TEXT("b") "," THOUGHT(""))) CHUNK(LAST(TEXT("c"), "STOP")),
     200, MLOOM_OK, MLOOM_STOP_END, "abc", "", "", 0},
    {"a text and a part that says nothing, twice",
     CHUNK(PARTS(TEXT("a") ",{\"thought\":true}")) CHUNK(PARTS(TEXT("b") ",{\"thought\":true}"))
         CHUNK(LAST(TEXT("c"), "STOP")),
     200, MLOOM_OK, MLOOM_STOP_END, "abc", "", "", 0},
    {"a reason to stop with a text, another one, the first again",
     CHUNK(LAST(TEXT("a"), "MAX_TOKENS")) CHUNK(LAST(TEXT(""), "STOP")) CHUNK(LAST(TEXT("b"), "MAX_TOKENS")), 200,
     MLOOM_OK, MLOOM_STOP_LENGTH, "ab", "", "", 0},
    {"the second piece is broken", CHUNK(PARTS(TEXT("a"))) CHUNK(PARTS(TEXT("b\\"))) CHUNK(LAST("", "STOP")), 200,
     MLOOM_E_PROTOCOL, 0, "a", "", "", 1},
    {"ids of the service, one of them twice",
     CHUNK(LAST(CALL("x", ",\"id\":\"i\"") "," CALL("y", ",\"id\":\"i\"") "," CALL("z", ",\"id\":\"\",\"args\":null"),
                "STOP")),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, "", "", "i:x:{};call_3_2:y:{};call_3_3:z:{};", 0},
    {"chunks without content, parts or anything",
     CHUNK("") CHUNK("\"candidates\":[{\"index\":0}]") CHUNK("\"candidates\":[{\"content\":{\"role\":\"model\"}}]")
         CHUNK("\"candidates\":[{\"content\":null}]") CHUNK(LAST(TEXT("a"), "STOP")),
     200, MLOOM_OK, MLOOM_STOP_END, "a", "", "", 0},
    {"unknown members, parts and a second candidate",
     CHUNK("\"odd\":{\"text\":\"n\"}," PARTS("{\"executableCode\":{\"code\":\"n\"}}," TEXT("a")))
         CHUNK("\"candidates\":[{\"content\":{\"parts\":[" TEXT("b") "]},\"finishReason\":\"STOP\"},"
                                                                     "{\"content\":{\"parts\":[" TEXT("n") "]}}]"),
     200, MLOOM_OK, MLOOM_STOP_END, "ab", "", "", 0},
    {"MAX_TOKENS: the last call may be cut", CHUNK(LAST(CALL("x", ""), "MAX_TOKENS")), 200, MLOOM_OK, MLOOM_STOP_LENGTH,
     "", "", "", 0},
    {"CONTINUATION", CHUNK(LAST(TEXT("a"), "CONTINUATION")), 200, MLOOM_OK, MLOOM_STOP_PAUSED, "a", "", "", 0},
    {"an imitation's reason for calls", CHUNK(LAST(CALL("x", ""), "FUNCTION_CALL")), 200, MLOOM_OK,
     MLOOM_STOP_TOOL_CALLS, "", "", "call_3_1:x:{};", 0},
    {"MALFORMED_FUNCTION_CALL", CHUNK(ENDED("MALFORMED_FUNCTION_CALL")), 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"UNEXPECTED_TOOL_CALL beside a call", CHUNK(LAST(CALL("x", ""), "UNEXPECTED_TOOL_CALL")), 200, MLOOM_E_PROTOCOL, 0,
     "", "", "", 1},
    {"TOO_MANY_TOOL_CALLS", CHUNK(ENDED("TOO_MANY_TOOL_CALLS")), 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"SAFETY", CHUNK(PARTS(TEXT("a"))) CHUNK(ENDED("SAFETY")), 200, MLOOM_E_REFUSED, 0, "a", "", "", 0},
    {"RECITATION", CHUNK(ENDED("RECITATION")), 200, MLOOM_E_REFUSED, 0, "", "", "", 0},
    {"PROHIBITED_CONTENT", CHUNK(ENDED("PROHIBITED_CONTENT")), 200, MLOOM_E_REFUSED, 0, "", "", "", 0},
    {"OTHER", CHUNK(ENDED("OTHER")), 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"a reason that is not known", CHUNK(LAST(TEXT("a"), "NEWS")), 200, MLOOM_E_PROTOCOL, 0, "a", "", "", 1},
    {"a blocked prompt", CHUNK("\"promptFeedback\":{\"blockReason\":\"SAFETY\",\"blockReasonMessage\":\"m\"}," USAGE),
     200, MLOOM_E_REFUSED, 0, "", "", "", 0},
    {"overloaded before the first piece", CHUNK(FAILED("503", "UNAVAILABLE")), 200, MLOOM_E_UNAVAILABLE, 0, "", "", "",
     1},
    {"overloaded after it", CHUNK(PARTS(TEXT("a"))) CHUNK(FAILED("503", "UNAVAILABLE")) CHUNK(LAST("", "STOP")), 200,
     MLOOM_E_UNAVAILABLE, 0, "a", "", "", 1},
    {"rate limit inside", CHUNK(FAILED("429", "RESOURCE_EXHAUSTED")), 200, MLOOM_E_RATE_LIMITED, 0, "", "", "", 1},
    {"a status without a number", CHUNK(FAILED("null", "DEADLINE_EXCEEDED")), 200, MLOOM_E_TIMEOUT, 0, "", "", "", 1},
    {"cut", CHUNK(PARTS(TEXT("a"))), 200, MLOOM_E_PROTOCOL, 0, "a", "", "", 1},
    {"cut within an event", CHUNK(PARTS(TEXT("a"))) "data: {" LAST(TEXT("b"), "STOP") "}\r\n", 200, MLOOM_E_PROTOCOL, 0,
     "a", "", "", 1},
    {"empty", "", 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"malformed event", CHUNK("\"candidates\":[{]") CHUNK(LAST(TEXT("a"), "STOP")), 200, MLOOM_E_PROTOCOL, 0, "", "",
     "", 1},
    {"text that is not UTF-8", CHUNK(LAST(TEXT("a\xff"), "STOP")), 200, MLOOM_OK, MLOOM_STOP_END, "a\xef\xbf\xbd", "",
     "", 0},
    {"arguments in pieces, which nobody asked for", CHUNK(LAST(CALL("x", ",\"partialArgs\":[{}]"), "STOP")), 200,
     MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"whole", "{" LAST(THOUGHT("hm") "," TEXT("a") "," CALL("x", ",\"args\":{}"), "STOP") "," USAGE "}", 200, MLOOM_OK,
     MLOOM_STOP_TOOL_CALLS, "a", "hm", "call_3_1:x:{};", 0},
    {"an array in place of a stream", "[{" PARTS(TEXT("a")) "}\r\n,\r\n{" LAST(TEXT("b"), "STOP") "}]", 200, MLOOM_OK,
     MLOOM_STOP_END, "ab", "", "", 0},
    {"an array that is cut", "[{" PARTS(TEXT("a")) "}\r\n,\r\n{" LAST(TEXT("b"), "STOP") "}", 200, MLOOM_E_PROTOCOL, 0,
     "ab", "", "", 1},
    {"an error in an array", "[{" PARTS(TEXT("a")) "},{" FAILED("429", "RESOURCE_EXHAUSTED") "}]", 200,
     MLOOM_E_RATE_LIMITED, 0, "a", "", "", 1},
    {"a web page", "<!doctype html><p>Hello", 200, MLOOM_E_PROTOCOL, 0, "", "", "", 0},
    {"another API's answer", "{\"choices\":[]}", 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"an error body", "{" FAILED("503", "UNAVAILABLE") "}", 503, MLOOM_E_UNAVAILABLE, 0, "", "", "", 1},
    {"an error body that is an array", "[{" FAILED("429", "RESOURCE_EXHAUSTED") "}]", 429, MLOOM_E_RATE_LIMITED, 0, "",
     "", "", 1},
    {"a gateway's page", "<html>gateway", 504, MLOOM_E_TIMEOUT, 0, "", "", "", 1},
};

static void check_case(size_t i, size_t step) {
  record seen;
  outcome got = decode(&seen, cases[i].body, step, cases[i].status);
  answer_check(&cases[i], step, &seen, got.code, &got.result, &got.error, "");
  record_free(&seen);
}

static void test_whole(void) {
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    check_case(i, (size_t)1 << 20);
  }
}

static void test_byte_by_byte(void) {
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    check_case(i, 1);
    check_case(i, 0);
  }
}

static void test_usage_is_a_total_and_thoughts_are_outside_of_candidates(void) {
  record seen;
  decode(&seen,
         CHUNK(PARTS(TEXT("a")) ",\"usageMetadata\":{\"promptTokenCount\":30,\"candidatesTokenCount\":1}")
             CHUNK(LAST(TEXT("b"), "STOP") ",\"usageMetadata\":{\"promptTokenCount\":30,\"cachedContentTokenCount\":20,"
                                           "\"candidatesTokenCount\":5,\"thoughtsTokenCount\":7,"
                                           "\"toolUsePromptTokenCount\":3,\"totalTokenCount\":45}"),
         7, 200);
  CU_ASSERT_EQUAL(seen.usages, 2);
  record_free(&seen);
  decode(&seen, CHUNK(PARTS(TEXT("a")) "," USAGE) CHUNK(PARTS(TEXT("b")) "," USAGE), 4096, 200);
  CU_ASSERT_EQUAL(seen.usages, 2);
  record_free(&seen);
  decode(&seen,
         CHUNK(PARTS(TEXT("a")) ",\"usageMetadata\":{\"promptTokenCount\":30,\"candidatesTokenCount\":1}")
             CHUNK(LAST(TEXT("b"), "STOP") ",\"usageMetadata\":{\"promptTokenCount\":30,\"cachedContentTokenCount\":20,"
                                           "\"candidatesTokenCount\":5,\"thoughtsTokenCount\":7,"
                                           "\"toolUsePromptTokenCount\":3,\"totalTokenCount\":45}"),
         7, 200);
  CU_ASSERT_EQUAL(seen.usage.input_tokens, 33);
  CU_ASSERT_EQUAL(seen.usage.cached_input_tokens, 20);
  CU_ASSERT_EQUAL(seen.usage.output_tokens, 12);
  CU_ASSERT_EQUAL(seen.usage.reasoning_tokens, 7);
  record_free(&seen);
}

static void test_complete_once_reason_and_usage_are_told(void) {
  record seen;
  CU_ASSERT_EQUAL(decode(&seen, CHUNK(LAST(TEXT("a"), "STOP")), 4096, 200).last_feed, MLOOM_OK);
  record_free(&seen);
  CU_ASSERT_EQUAL(decode(&seen, CHUNK(LAST(TEXT("a"), "STOP") "," USAGE), 4096, 200).last_feed, MLOOM_COMPLETE);
  record_free(&seen);
  /* What comes before the end has no numbers yet. */
  static const char early[] =
      CHUNK(PARTS(TEXT("a")) ",\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}") CHUNK(LAST(TEXT("b"), "STOP"));
  CU_ASSERT_EQUAL(decode(&seen, early, 4096, 200).last_feed, MLOOM_OK);
  CU_ASSERT_EQUAL(seen.usages, 0);
  record_free(&seen);
}

/* That it is used is told by what it does not do: keep the text of the second chunk. */
static void test_template_is_used(void) {
  static const char text[] = CHUNK(PARTS(TEXT("one")) ",\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}")
      CHUNK(PARTS(TEXT("two")) ",\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}");
  mloom_gemini_decoder decoder;
  mloom_gemini_decoder_init(&decoder);
  CU_ASSERT_EQUAL(mloom_gemini_decoder_feed(&decoder, text, sizeof(text) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&decoder.pieces.pattern.text), "one"));
  UNIT_ASSERT_STRING(mloom_buffer_string(&decoder.answer.parts[0].text), "onetwo");
  mloom_gemini_decoder_free(&decoder);
}

#define COUNTING(text, prompt, candidates, total, detail)                                                            \
  CHUNK(PARTS(TEXT(text)) ",\"usageMetadata\":{\"promptTokenCount\":" prompt ",\"candidatesTokenCount\":" candidates \
                          ",\"totalTokenCount\":" total                                                              \
                          ",\"candidatesTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":" detail "}]}")

/* Totals that go up in each chunk: the template is used, and what it gives is what reading in full gives. */
static void test_usage_in_each_chunk(void) {
  static const char text[] = COUNTING("one", "30", "1", "31", "1") COUNTING("two", "30", "2", "32", "2")
      COUNTING("three", "30", "-3", "33", "3") COUNTING("four", "40", "4e1", "44", "4") CHUNK(LAST(TEXT("."), "STOP"));
  record seen;
  static const size_t steps[] = {0, 1, 4096};
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    CU_ASSERT_EQUAL(decode(&seen, text, steps[i], 200).last_feed, MLOOM_COMPLETE);
    UNIT_ASSERT_STRING(mloom_buffer_string(&seen.text), "onetwothreefour.");
    CU_ASSERT_EQUAL(seen.usages, 4);
    CU_ASSERT_EQUAL(seen.usage.input_tokens, 40);
    CU_ASSERT_EQUAL(seen.usage.output_tokens, 40);
    record_free(&seen);
  }
  mloom_gemini_decoder decoder;
  mloom_gemini_decoder_init(&decoder);
  CU_ASSERT_EQUAL(mloom_gemini_decoder_feed(&decoder, text, sizeof(text) - 1, NULL, NULL), MLOOM_COMPLETE);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&decoder.pieces.pattern.text), "two"));
  mloom_gemini_decoder_free(&decoder);
}

/* ---- Errors ---- */

#define DETAILS(code, status, message, details) \
  "{\"error\":{\"code\":" code ",\"message\":\"" message "\",\"status\":\"" status "\",\"details\":[" details "]}}"
#define INFO(reason, metadata) \
  "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" reason "\",\"metadata\":{" metadata "}}"

static const struct {
  int32_t status;
  const char *body;
  int32_t code;
  const char *remedy; /* a part of it */
} errors[] = {
    {401, DETAILS("401", "UNAUTHENTICATED", "m", INFO("ACCESS_TOKEN_EXPIRED", "")), MLOOM_E_EXPIRED,
     "JCA_VERTEX_AUTH_METHOD"},
    {401, DETAILS("401", "UNAUTHENTICATED", "m", INFO("ACCESS_TOKEN_TYPE_UNSUPPORTED", "")), MLOOM_E_UNAUTHENTICATED,
     "JCA_VERTEX_AUTH_METHOD"},
    {403, DETAILS("403", "PERMISSION_DENIED", "m", INFO("SERVICE_DISABLED", "")), MLOOM_E_DENIED,
     "gcloud services enable aiplatform.googleapis.com --project p-1"},
    {403, DETAILS("403", "PERMISSION_DENIED", "m", INFO("BILLING_DISABLED", "")), MLOOM_E_DENIED, "billing"},
    {403, "[" DETAILS("403", "PERMISSION_DENIED", "m", INFO("BILLING_DISABLED", "")) "]", MLOOM_E_DENIED, "billing"},
    {403, DETAILS("403", "PERMISSION_DENIED", "m", INFO("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "")), MLOOM_E_DENIED,
     "auth/cloud-platform"},
    {403, DETAILS("403", "PERMISSION_DENIED", "m", INFO("USER_PROJECT_DENIED", "")), MLOOM_E_DENIED,
     "JCA_VERTEX_QUOTA_PROJECT"},
    {403, DETAILS("403", "PERMISSION_DENIED", "m", INFO("CONSUMER_INVALID", "")), MLOOM_E_DENIED,
     "JCA_VERTEX_PROJECT_ID"},
    {403,
     DETAILS("403", "PERMISSION_DENIED", "m",
             INFO("IAM_PERMISSION_DENIED", "\"permission\":\"aiplatform.endpoints.predict\"")),
     MLOOM_E_DENIED, "grant the identity aiplatform.endpoints.predict (roles/aiplatform.user"},
    {404, DETAILS("404", "NOT_FOUND", "Publisher Model was not found", ""), MLOOM_E_NOT_FOUND,
     "location (JCA_VERTEX_LOCATION), which asks in us-east5"},
    {404, "<!DOCTYPE html><html>404", MLOOM_E_NOT_FOUND, "correct base_url (JCA_VERTEX_BASE_URL)"},
    {429, DETAILS("429", "RESOURCE_EXHAUSTED", "m", INFO("RATE_LIMIT_EXCEEDED", "\"quota_limit_value\":\"0\"")),
     MLOOM_E_QUOTA, "no quota for model model-1"},
    {429, DETAILS("429", "RESOURCE_EXHAUSTED", "m", INFO("RATE_LIMIT_EXCEEDED", "\"quota_metric\":\"metric-1\"")),
     MLOOM_E_RATE_LIMITED, "metric-1"},
    {400,
     DETAILS("400", "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed", ""),
     MLOOM_E_CONTEXT_FULL, "larger context"},
    {400, DETAILS("400", "INVALID_ARGUMENT", "the input token count is 9 but model only supports up to 8", ""),
     MLOOM_E_CONTEXT_FULL, "larger context"},
    {400, DETAILS("400", "INVALID_ARGUMENT", "Unknown name parametersJsonSchema", ""), MLOOM_E_INVALID,
     "JCA_VERTEX_TOOL_SCHEMA"},
    {400, DETAILS("400", "INVALID_ARGUMENT", "Thinking level is not supported", ""), MLOOM_E_INVALID,
     "JCA_VERTEX_THINKING_LEVEL"},
    {400, DETAILS("400", "FAILED_PRECONDITION", "User location is not supported", ""), MLOOM_E_DENIED, "elsewhere"},
    {500, DETAILS("500", "INTERNAL", "m", ""), MLOOM_E_UNAVAILABLE, "try again"},
    {504, DETAILS("504", "DEADLINE_EXCEEDED", "m", ""), MLOOM_E_TIMEOUT, "try again"},
};

static void test_errors_have_their_reasons_and_remedies(void) {
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    record seen;
    outcome got = decode(&seen, errors[i].body, 5, errors[i].status);
    if (got.code != errors[i].code || strstr(got.error.remedy, errors[i].remedy) == NULL) {
      fprintf(stderr, "%s: code %d, %s, %s\n", errors[i].body, got.code, got.error.message, got.error.remedy);
    }
    CU_ASSERT_EQUAL(got.code, errors[i].code);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.error.remedy, errors[i].remedy));
    CU_ASSERT_EQUAL(got.error.http_status, errors[i].status);
    record_free(&seen);
  }
}

static void test_wait_and_request_id_come_from_details(void) {
  static const char body[] =
      DETAILS("429", "RESOURCE_EXHAUSTED", "slow \\n down",
              "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"12.25s\"},"
              "{\"@type\":\"type.googleapis.com/google.rpc.RequestInfo\",\"requestId\":\"r-1\"},"
              "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"description\":\"q-1\"}]}");
  record seen;
  outcome got = decode(&seen, body, 3, 429);
  CU_ASSERT_EQUAL(got.error.retry_after_ms, 12250);
  CU_ASSERT_STRING_EQUAL(got.error.request_id, "r-1");
  CU_ASSERT_PTR_NOT_NULL(strstr(got.error.remedy, "q-1"));
  CU_ASSERT_PTR_NULL(strchr(got.error.message, '\n'));
  record_free(&seen);
  got = decode(&seen, CHUNK("\"responseId\":\"r-2\"," ENDED("SAFETY")), 3, 200);
  CU_ASSERT_STRING_EQUAL(got.error.request_id, "r-2");
  CU_ASSERT_PTR_NOT_NULL(strstr(got.error.message, "SAFETY: why"));
  record_free(&seen);
}

static void test_more_than_an_answer_may_hold(void) {
  mloom_buffer body = MLOOM_BUFFER_INIT;
  record seen;
  mloom_buffer_append_string(&body, "{\"candidates\":[{\"content\":{\"parts\":[");
  for (size_t i = 0; i <= MLOOM_GEMINI_CALLS_LIMIT; i++) {
    mloom_buffer_append_string(&body, i == 0 ? CALL("x", "") : "," CALL("x", ""));
  }
  mloom_buffer_append_string(&body, "]},\"finishReason\":\"STOP\"}]}");
  CU_ASSERT_EQUAL(decode(&seen, body.data, 65536, 200).code, MLOOM_E_LIMIT);
  record_free(&seen);
  mloom_buffer_free(&body);
}

static const unit_test tests[] = {
    {"a template is used", test_template_is_used},
    {"usage in each chunk", test_usage_in_each_chunk},
    {"whole", test_whole},
    {"byte by byte", test_byte_by_byte},
    {"usage is a total and thoughts are outside of candidates",
     test_usage_is_a_total_and_thoughts_are_outside_of_candidates},
    {"complete once reason and usage are told", test_complete_once_reason_and_usage_are_told},
    {"errors have their reasons and remedies", test_errors_have_their_reasons_and_remedies},
    {"wait and request id come from details", test_wait_and_request_id_come_from_details},
    {"more than an answer may hold", test_more_than_an_answer_may_hold},
};
UNIT_MAIN("gemini decode", tests)
