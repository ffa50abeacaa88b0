/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of Converse, each fed whole and one byte at a time. Streams are written as event_stream_frames.h has them;
 * answers that begin with '{' or '<' are documents.
 */
#include "harness.h"

#include <stdlib.h>

#include "answer_record.h"
#include "base/error.h"
#include "event_stream_frames.h"
#include "wire/converse.h"

static const mloom_service_names service = {
    .model = "model-1", .base_url = "http://service", .models_url = "", .environment_prefix = "JCA_BEDROCK_"};

typedef struct outcome {
  int32_t code;
  int32_t fed;
  mloom_turn_result result;
  mloom_error error;
  char signature[64]; /* of the first block */
} outcome;

/* A step of 0: byte by byte, and without the template of the event before. */
static int32_t feed(mloom_converse_decoder *decoder, const char *data, size_t size, size_t step,
                    const mloom_event_sink *sink, mloom_error *error) {
  int32_t code = MLOOM_OK;
  int forget = step == 0;
  step = forget ? 1 : step;
  for (size_t at = 0; code >= 0 && at < size; at += step) {
    /* A copy of its own for each piece, so that reading past it is seen by the sanitizer. */
    size_t piece = size - at < step ? size - at : step;
    char *copy = malloc(piece);
    memcpy(copy, data + at, piece);
    if (forget) {
      mloom_pieces_forget(&decoder->pieces);
    }
    code = mloom_converse_decoder_feed(decoder, copy, piece, sink, error);
    free(copy);
  }
  return code;
}

/* header is "NAME VALUE" or NULL. */
static outcome decode(record *seen, const char *body, size_t step, int32_t status, const char *header) {
  mloom_converse_decoder decoder;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = record_event};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = status};
  outcome out = {.result = {.size = sizeof(out.result)}, .error = MLOOM_ERROR_INIT};
  mloom_buffer bytes = MLOOM_BUFFER_INIT;
  int is_document = body[0] == '{' || body[0] == '<' || body[0] == ' ';
  memset(seen, 0, sizeof(*seen));
  if (is_document) {
    mloom_buffer_append_string(&bytes, body);
  } else {
    frames_from_text(&bytes, body, strlen(body));
  }
  mloom_converse_decoder_init(&decoder);
  if (header != NULL) {
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(header, " "), header);
    mloom_converse_failure_header(&decoder.failure, name, strchr(header, ' ') + 1);
  }
  out.fed = feed(&decoder, bytes.data, bytes.size, step, &sink, &out.error);
  if (out.fed < 0) {
    end.outcome = out.fed;
  }
  out.code = mloom_converse_decoder_finish(&decoder, &end, 3, &service, &sink, &out.result, &out.error);
  if (decoder.answer.blocks.count > 0) {
    snprintf(out.signature, sizeof(out.signature), "%s",
             mloom_buffer_string(&decoder.answer.blocks.items[0].signature));
  }
  mloom_converse_decoder_free(&decoder);
  mloom_buffer_free(&bytes);
  return out;
}

#define START "messageStart {\"role\":\"assistant\",\"p\":\"abc\"}\n"
#define DELTA(i, delta) "contentBlockDelta {\"contentBlockIndex\":" i ",\"delta\":{" delta "},\"p\":\"ab\"}\n"
#define SAY(i, said) DELTA(i, "\"text\":\"" said "\"")
#define STOP(i) "contentBlockStop {\"contentBlockIndex\":" i "}\n"
#define CALL_BEGINS "\"start\":{\"toolUse\":{\"toolUseId\":\"t"
#define CALL_START(i) "contentBlockStart {\"contentBlockIndex\":" i "," CALL_BEGINS i "\",\"name\":\"n\"}}}\n"
#define INPUT(i, json) DELTA(i, "\"toolUse\":{\"input\":\"" json "\"}")
#define THINK(i, said) DELTA(i, "\"reasoningContent\":{\"text\":\"" said "\"}")
#define SIGN(i, signature) DELTA(i, "\"reasoningContent\":{\"signature\":\"" signature "\"}")
#define METADATA                                                                                                   \
  "metadata {\"usage\":{\"inputTokens\":5,\"outputTokens\":9,\"totalTokens\":32,\"cacheReadInputTokens\":11,"      \
  "\"cacheWriteInputTokens\":7,\"cacheDetails\":[{\"ttl\":\"5m\",\"inputTokens\":7}]},\"metrics\":{\"latencyMs\":" \
  "1}}\n"
#define END(reason) "messageStop {\"stopReason\":\"" reason "\"}\n" METADATA
#define WHOLE(content, reason)                                                                            \
  "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[" content "]}},\"stopReason\":\"" reason \
  "\",\"usage\":"                                                                                         \
  "{\"inputTokens\":5,\"outputTokens\":9,\"cacheReadInputTokens\":11,\"cacheWriteInputTokens\":7}}"
#define SAID(type, message) "{\"__type\":\"" type "\",\"message\":\"" message "\"}"

typedef struct decode_case {
  const char *name;
  const char *body;
  int32_t status;
  int32_t code;
  uint32_t stop;
  uint32_t retryable;
  const char *text;
  const char *reasoning;
  const char *calls;
  const char *remedy; /* a part of it */
} decode_case;

static const decode_case cases[] = {
    {"pieces of all kinds, with padding of many lengths",
     START SAY("0", "a") "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"\\n\"},\"p\":\"\"}\n" SAY(
         "0", "") "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"\xff\"},\"p\":\"abcd\"}\n" SAY("0",
                                                                                                                   "z")
         STOP("0") THINK("1", "h") THINK("1", "m") STOP("1") CALL_START("2") INPUT("2", "{\\\"a\\\"") INPUT("2", ":")
             INPUT("2", "1}") STOP("2") END("tool_use"),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, 0, "a\n\xef\xbf\xbdz", "hm", "t2:n:{\"a\":1};", ""},
    {"a delta under the name of another event",
     START SAY("0", "a") SAY("0", "b") "contentBlockOdd {\"contentBlockIndex\":0,\"delta\":{\"text\":\"c\"},\"p\":"
                                       "\"ab\"}\n" END("end_turn"),
     200, MLOOM_OK, MLOOM_STOP_END, 0, "ab", "", "", ""},
    {"the end of the second delta is broken",
     START SAY("0", "a") "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"b\"},\"p\":\"ab\"]\n" END(
         "end_turn"),
     200, MLOOM_E_PROTOCOL, 0, 1, "a", "", "", ""},
    {"a reason to stop in each delta",
     START
     "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\"},\"stopReason\":\"max_tokens\"}\n"
     "messageStop {\"stopReason\":\"end_turn\"}\n"
     "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"b\"},\"stopReason\":\"max_tokens\"}\n" METADATA,
     200, MLOOM_OK, MLOOM_STOP_LENGTH, 0, "ab", "", "", ""},
    {"text", START SAY("0", "a\\u00e9") SAY("0", "b") STOP("0") END("end_turn"), 200, MLOOM_OK, MLOOM_STOP_END, 0,
     "a\xc3\xa9"
     "b",
     "", "", ""},
    {"reasoning, then parallel calls",
     START THINK("0", "hm") SIGN("0", "c2ln") STOP("0") CALL_START("1") INPUT("1", "{\\\"a\\\":") INPUT("1", "1}")
         STOP("1") CALL_START("2") STOP("2") END("tool_use"),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, 0, "", "hm", "t1:n:{\"a\":1};t2:n:{};", ""},
    {"pieces of two calls in turns",
     START CALL_START("0") CALL_START("1") INPUT("0", "{\\\"a\\\":") INPUT("1", "{}") INPUT("0", "2}") END("tool_use"),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, 0, "", "", "t0:n:{\"a\":2};t1:n:{};", ""},
    {"unknown events, deltas and members",
     START "odd {\"x\":1}\ninitial-response {}\n" DELTA("0", "\"odd\":{\"x\":[]}") SAY("1", "a")
         DELTA("1", "\"citation\":{\"title\":\"t\"}") END("end_turn"),
     200, MLOOM_OK, MLOOM_STOP_END, 0, "a", "", "", ""},
    {"end_turn although there are calls", START CALL_START("0") INPUT("0", "{}") END("end_turn"), 200, MLOOM_OK,
     MLOOM_STOP_TOOL_CALLS, 0, "", "", "t0:n:{};", ""},
    {"max_tokens: a cut call is not run", START CALL_START("0") INPUT("0", "{\\\"a") END("max_tokens"), 200, MLOOM_OK,
     MLOOM_STOP_LENGTH, 0, "", "", "", ""},
    {"stop_sequence", START SAY("0", "a") END("stop_sequence"), 200, MLOOM_OK, MLOOM_STOP_END, 0, "a", "", "", ""},
    {"guardrail", START SAY("0", "a") END("guardrail_intervened"), 200, MLOOM_OK, MLOOM_STOP_REFUSED, 0, "a", "", "",
     ""},
    {"content filter", START END("content_filtered"), 200, MLOOM_OK, MLOOM_STOP_REFUSED, 0, "", "", "", ""},
    {"full context", START SAY("0", "a") END("model_context_window_exceeded"), 200, MLOOM_E_CONTEXT_FULL, 0, 0, "a", "",
     "", "larger context"},
    {"a call that the service could not read", START END("malformed_tool_use"), 200, MLOOM_E_PROTOCOL, 0, 1, "", "", "",
     "better at calling tools"},
    {"an id and a name that would be refused for good",
     START
     "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"toolUseId\":\"a b\",\"name\":\"n!\\u0000"
     "x\"}}}\n" INPUT("0", "{}") END("tool_use"),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, 0, "", "", "a_b:n__x:{};", ""},
    {"the same id twice",
     START CALL_START("1") STOP("1") "contentBlockStart {\"contentBlockIndex\":2,\"start\":{\"toolUse\":{\"toolUseId\":"
                                     "\"t1\",\"name\":\"n\"}}}\n" END("tool_use"),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, 0, "", "", "t1:n:{};tooluse_3_2:n:{};", ""},
    /* A stream that fails after status 200. */
    {"exception before the first delta", START "!throttlingException {\"message\":\"slow\"}\n", 200,
     MLOOM_E_RATE_LIMITED, 0, 1, "", "", "", "quota"},
    {"exception after it is no end of the answer",
     START SAY("0", "a") "!modelStreamErrorException {\"message\":\"m\",\"originalStatusCode\":500}\n" END("end_turn"),
     200, MLOOM_E_UNAVAILABLE, 0, 1, "a", "", "", "try again"},
    {"exception of a model that refused",
     START "!modelStreamErrorException {\"message\":\"m\",\"originalStatusCode\":400}\n", 200, MLOOM_E_UNAVAILABLE, 0,
     0, "", "", "", ""},
    {"validation exception", "!validationException {\"message\":\"Input is too long for requested model.\"}\n", 200,
     MLOOM_E_CONTEXT_FULL, 0, 0, "", "", "", "larger context"},
    {"validation exception of Nova",
     "!validationException {\"message\":\"Input Tokens Exceeded: Number of input tokens exceeds maximum length.\"}\n",
     200, MLOOM_E_CONTEXT_FULL, 0, 0, "", "", "", "larger context"},
    {"unknown exception", START "!oddException {\"message\":\"m\"}\n", 200, MLOOM_E_UNAVAILABLE, 0, 1, "", "", "", ""},
    {"error message", START "?InternalFailure it broke\n", 200, MLOOM_E_UNAVAILABLE, 0, 1, "", "", "", "Health"},
    {"cut before messageStop", START SAY("0", "a") STOP("0"), 200, MLOOM_E_PROTOCOL, 0, 1, "a", "", "", "try again"},
    {"without metadata", START SAY("0", "a") "messageStop {\"stopReason\":\"end_turn\"}\n", 200, MLOOM_OK,
     MLOOM_STOP_END, 0, "a", "", "", ""},
    {"damaged message", START SAY("0", "a") "~\n" END("end_turn"), 200, MLOOM_E_PROTOCOL, 0, 1, "", "", "", "proxies"},
    {"payload that is no JSON", START "contentBlockDelta {\"contentBlockIndex\":0,\n" END("end_turn"), 200,
     MLOOM_E_PROTOCOL, 0, 1, "", "", "", "try again"},
    {"delta of no block", START "contentBlockDelta {\"delta\":{\"text\":\"a\"}}\n" END("end_turn"), 200,
     MLOOM_E_PROTOCOL, 0, 1, "", "", "", ""},
    {"text in the place of a call", START SAY("0", "a") CALL_START("0") END("end_turn"), 200, MLOOM_E_PROTOCOL, 0, 1,
     "a", "", "", ""},
    {"empty", "", 200, MLOOM_E_PROTOCOL, 0, 1, "", "", "", "try again"},
    /* Documents. */
    {"whole",
     WHOLE("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm\",\"signature\":\"c2ln\"}}},{\"text\":\"a\"},"
           "{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"n\",\"input\":{\"a\": 1}}}",
           "tool_use"),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, 0, "a", "hm", "t:n:{\"a\": 1};", ""},
    {"whole, cut", "{\"output\":{\"message\":{\"content\":[{\"te", 200, MLOOM_E_PROTOCOL, 0, 1, "", "", "", ""},
    {"a path that is no operation, answered with status 200",
     "{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},\"Version\":\"1.0\"}", 200,
     MLOOM_E_NOT_FOUND, 0, 0, "", "", "", "%2F"},
    {"a web page", "<!doctype html><p>Hello", 200, MLOOM_E_PROTOCOL, 0, 0, "", "", "", "JCA_BEDROCK_ENDPOINT_URL"},
    /* Errors. */
    {"on-demand throughput",
     SAID("ValidationException", "Invocation of model ID x with on-demand throughput isn\xe2\x80\x99t supported."), 400,
     MLOOM_E_INVALID, 0, 0, "", "", "", "inference profile"},
    {"no access to the model",
     SAID("AccessDeniedException", "You don't have access to the model with the specified model ID."), 403,
     MLOOM_E_DENIED, 0, 0, "", "", "", "ask for access to model-1"},
    {"no permission",
     SAID("AccessDeniedException", "User: arn:aws:sts::1:x is not authorized to perform: bedrock:InvokeModel"), 403,
     MLOOM_E_DENIED, 0, 0, "", "", "", "bedrock:InvokeModelWithResponseStream"},
    {"bearer key", SAID("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."), 403,
     MLOOM_E_UNAUTHENTICATED, 0, 0, "", "", "", "AWS_BEARER_TOKEN_BEDROCK"},
    {"expired token", SAID("ExpiredTokenException", "The security token included in the request is expired"), 403,
     MLOOM_E_EXPIRED, 0, 0, "", "", "", "AWS_SESSION_TOKEN"},
    {"unknown key", SAID("UnrecognizedClientException", "The security token included in the request is invalid."), 403,
     MLOOM_E_UNAUTHENTICATED, 0, 0, "", "", "", "JCA_BEDROCK_REGION"},
    {"wrong clock",
     SAID("InvalidSignatureException", "Signature expired: 20261123T010000Z is now earlier than 20261123T015500Z"), 403,
     MLOOM_E_UNAUTHENTICATED, 0, 0, "", "", "", "set the clock"},
    {"wrong region",
     SAID("InvalidSignatureException", "Credential should be scoped to a valid region, not 'us-east-1'."), 403,
     MLOOM_E_UNAUTHENTICATED, 0, 0, "", "", "", "set region (JCA_BEDROCK_REGION)"},
    {"wrong secret", SAID("InvalidSignatureException", "The request signature we calculated does not match"), 403,
     MLOOM_E_UNAUTHENTICATED, 0, 0, "", "", "", "secret_access_key"},
    {"throttled", SAID("ThrottlingException", "Too many requests, please wait before trying again."), 429,
     MLOOM_E_RATE_LIMITED, 0, 1, "", "", "", "fewer jobs"},
    {"quota of a day", SAID("ThrottlingException", "Too many tokens per day, please wait before trying again."), 429,
     MLOOM_E_QUOTA, 0, 0, "", "", "", "tomorrow"},
    {"model not ready", SAID("ModelNotReadyException", "m"), 429, MLOOM_E_UNAVAILABLE, 0, 1, "", "", "", "loaded"},
    {"model time-out", SAID("ModelTimeoutException", "m"), 408, MLOOM_E_TIMEOUT, 0, 1, "", "", "", "too long"},
    {"model error of a busy model", "{\"__type\":\"ModelErrorException\",\"message\":\"m\",\"originalStatusCode\":503}",
     424, MLOOM_E_UNAVAILABLE, 0, 1, "", "", "", ""},
    {"model error", SAID("ModelErrorException", "m"), 424, MLOOM_E_UNAVAILABLE, 0, 0, "", "", "", ""},
    {"server error", SAID("InternalServerException", "m"), 500, MLOOM_E_UNAVAILABLE, 0, 1, "", "", "", ""},
    {"unavailable", SAID("ServiceUnavailableException", "m"), 503, MLOOM_E_UNAVAILABLE, 0, 1, "", "", "", ""},
    {"unknown model", SAID("ValidationException", "The provided model identifier is invalid."), 400, MLOOM_E_NOT_FOUND,
     0, 0, "", "", "", "JCA_BEDROCK_MODEL_ID"},
    {"no tools while streaming", SAID("ValidationException", "This model doesn't support tool use in streaming mode."),
     400, MLOOM_E_INVALID, 0, 0, "", "", "", "JCA_BEDROCK_STREAM"},
    {"quota", SAID("ServiceQuotaExceededException", "m"), 400, MLOOM_E_QUOTA, 0, 0, "", "", "", "Service Quotas"},
    {"gateway", "<html>504", 504, MLOOM_E_TIMEOUT, 0, 1, "", "", "", ""},
    {"nothing said", "{}", 403, MLOOM_E_DENIED, 0, 0, "", "", "", "bedrock:InvokeModel"},
};

static void check_case(const decode_case *wanted, size_t step) {
  record seen;
  answer_case expected = {wanted->name, wanted->body,      wanted->status, wanted->code,     wanted->stop,
                          wanted->text, wanted->reasoning, wanted->calls,  wanted->retryable};
  outcome got = decode(&seen, wanted->body, step, wanted->status, NULL);
  answer_check(&expected, step, &seen, got.code, &got.result, &got.error, wanted->remedy);
  record_free(&seen);
}

static void test_whole(void) {
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    check_case(&cases[i], (size_t)1 << 20);
  }
}

static void test_byte_by_byte(void) {
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    check_case(&cases[i], 1);
    check_case(&cases[i], 0);
  }
}

static void test_usage_has_the_cache_apart(void) {
  static const char *const bodies[] = {START SAY("0", "a") END("end_turn"), WHOLE("{\"text\":\"a\"}", "end_turn")};
  for (size_t i = 0; i < 2; i++) {
    record seen;
    decode(&seen, bodies[i], 7, 200, NULL);
    CU_ASSERT_EQUAL(seen.usage.input_tokens, 23);
    CU_ASSERT_EQUAL(seen.usage.cached_input_tokens, 11);
    CU_ASSERT_EQUAL(seen.usage.cache_write_tokens, 7);
    CU_ASSERT_EQUAL(seen.usage.output_tokens, 9);
    record_free(&seen);
  }
}

/* A message that botocore and the AWS SDK for JavaScript have decoded. */
static void test_message_of_the_service(void) {
  static const char hex[] = "0000007700000052abb5d36e0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e"
                            "74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700"
                            "056576656e747b22726f6c65223a2022617373697374616e74227d5be0d2f5";
  char bytes[119];
  mloom_converse_decoder decoder;
  for (size_t i = 0; i < sizeof(bytes); i++) {
    unsigned int byte = 0;
    sscanf(hex + 2 * i, "%2x", &byte);
    bytes[i] = (char)byte;
  }
  mloom_converse_decoder_init(&decoder);
  CU_ASSERT_EQUAL(feed(&decoder, bytes, sizeof(bytes), 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(decoder.started, 1);
  mloom_converse_decoder_free(&decoder);
}

static void test_whole_after_metadata(void) {
  record seen;
  outcome got = decode(&seen, START SAY("0", "a") END("end_turn"), 1, 200, NULL);
  CU_ASSERT_EQUAL(got.fed, MLOOM_COMPLETE);
  record_free(&seen);
  got = decode(&seen, START SAY("0", "a") "messageStop {\"stopReason\":\"end_turn\"}\n", 1, 200, NULL);
  CU_ASSERT_EQUAL(got.fed, MLOOM_OK);
  record_free(&seen);
}

static void test_redacted_pieces_are_one(void) {
  record seen;
  /* "foo" and "bar" make "foobar", "f" and "oo" make "foo": not what their texts make. */
  outcome got = decode(&seen,
                       START DELTA("0", "\"reasoningContent\":{\"redactedContent\":\"Zg==\"}")
                           DELTA("0", "\"reasoningContent\":{\"redactedContent\":\"b28=\"}") END("end_turn"),
                       1, 200, NULL);
  UNIT_ASSERT_STRING(got.signature, "Zm9v");
  record_free(&seen);
}

static void test_headers(void) {
  record seen;
  outcome got = decode(&seen, "{\"message\":\"m\"}", 1, 429,
                       "x-amzn-ErrorType ThrottlingException:http://internal.amazon.com/coral/");
  CU_ASSERT_EQUAL(got.code, MLOOM_E_RATE_LIMITED);
  CU_ASSERT_PTR_NOT_NULL(strstr(got.error.message, "(ThrottlingException)"));
  record_free(&seen);
  got = decode(&seen, SAID("InvalidSignatureException", "Signature not yet current: x"), 1, 403,
               "Date Mon, 23 Nov 2026 01:55:00 GMT");
  CU_ASSERT_PTR_NOT_NULL(strstr(got.error.remedy, "Mon, 23 Nov 2026 01:55:00 GMT"));
  record_free(&seen);
  got = decode(&seen, SAID("ThrottlingException", "m"), 1, 429, "x-amz-retry-after 1500");
  CU_ASSERT_EQUAL(got.error.retry_after_ms, 1500);
  record_free(&seen);
}

static void test_refusal_is_told(void) {
  record seen;
  decode(&seen, START END("guardrail_intervened"), 1, 200, NULL);
  UNIT_ASSERT_STRING(mloom_buffer_string(&seen.notices),
                     "refusal the service refused to answer: guardrail_intervened;");
  record_free(&seen);
}

/* That it is used is told by what it does not do: keep the text of the third event. */
static void test_template_is_used(void) {
  static const char text[] = START SAY("0", "one") "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":"
                                                   "\"two\"},\"p\":\"abc\"}\n" SAY("0", "three");
  mloom_converse_decoder decoder;
  mloom_buffer bytes = MLOOM_BUFFER_INIT;
  frames_from_text(&bytes, text, sizeof(text) - 1);
  mloom_converse_decoder_init(&decoder);
  CU_ASSERT_EQUAL(mloom_converse_decoder_feed(&decoder, bytes.data, bytes.size, NULL, NULL), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&decoder.pieces.pattern.text), "two"));
  UNIT_ASSERT_STRING(mloom_buffer_string(&decoder.answer.blocks.items[0].text), "onetwothree");
  mloom_converse_decoder_free(&decoder);
  mloom_buffer_free(&bytes);
}

static const unit_test tests[] = {
    {"whole", test_whole},
    {"byte by byte", test_byte_by_byte},
    {"usage has the cache apart", test_usage_has_the_cache_apart},
    {"a message that the vendor's clients have decoded", test_message_of_the_service},
    {"the answer is whole after metadata, not before", test_whole_after_metadata},
    {"redacted pieces become one", test_redacted_pieces_are_one},
    {"headers of an error", test_headers},
    {"a refusal is told", test_refusal_is_told},
    {"a template is used", test_template_is_used},
};
UNIT_MAIN("converse decode", tests)
