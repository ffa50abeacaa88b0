/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of a Messages service, each fed whole and one byte at a time.
 */
#include "harness.h"

#include <stdlib.h>

#include "answer_record.h"
#include "base/error.h"
#include "wire/messages.h"

static const mloom_service_names service = {.model = "model-1",
                                            .base_url = "http://service",
                                            .models_url = "http://service/v1/models",
                                            .environment_prefix = "JCA_ANTHROPIC_",
                                            .has_key = 1};

typedef struct outcome {
  int32_t code;
  mloom_turn_result result;
  mloom_error error;
} outcome;

/* A step of 0: byte by byte, and without the template of the event before. */
static outcome decode(record *seen, mloom_buffer *signature, const char *body, size_t step, int32_t status) {
  mloom_messages_decoder decoder;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = record_event};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = status};
  outcome out = {.code = MLOOM_OK, .result = {.size = sizeof(out.result)}, .error = MLOOM_ERROR_INIT};
  size_t size = strlen(body);
  int forget = step == 0;
  step = forget ? 1 : step;
  memset(seen, 0, sizeof(*seen));
  mloom_messages_decoder_init(&decoder);
  for (size_t at = 0; out.code == MLOOM_OK && at < size; at += step) {
    /* A copy of its own for each piece, so that reading past it is seen by the sanitizer. */
    size_t piece = size - at < step ? size - at : step;
    char *copy = malloc(piece);
    memcpy(copy, body + at, piece);
    if (forget) {
      mloom_pieces_forget(&decoder.pieces);
    }
    out.code = mloom_messages_decoder_feed(&decoder, copy, piece, &sink, &out.error);
    free(copy);
  }
  if (out.code == MLOOM_OK) {
    out.code = mloom_messages_decoder_finish(&decoder, &end, 3, &service, &sink, &out.result, &out.error);
  }
  if (signature != NULL && decoder.answer.blocks.count > 0) {
    mloom_buffer_clear(signature);
    mloom_buffer_append(signature, decoder.answer.blocks.items[0].signature.data,
                        decoder.answer.blocks.items[0].signature.size);
  }
  mloom_messages_decoder_free(&decoder);
  return out;
}

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define START                                                                                                      \
  EVENT("message_start", ",\"message\":{\"id\":\"msg\",\"content\":[],\"usage\":{\"input_tokens\":5,"              \
                         "\"cache_creation_input_tokens\":7,\"cache_read_input_tokens\":11,\"output_tokens\":1}}") \
  EVENT("ping", "")
#define BLOCK(i, block) EVENT("content_block_start", ",\"index\":" i ",\"content_block\":{" block "}")
#define DELTA(i, delta) EVENT("content_block_delta", ",\"index\":" i ",\"delta\":{" delta "}")
#define STOP(i) EVENT("content_block_stop", ",\"index\":" i)
#define END(reason)                                                                                     \
  EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" reason "\"},\"usage\":{\"output_tokens\":9}") \
  EVENT("message_stop", "")
#define SAY(text) \
  BLOCK("0", "\"type\":\"text\",\"text\":\"\"") DELTA("0", "\"type\":\"text_delta\",\"text\":\"" text "\"")
#define CALL_START(i) BLOCK(i, "\"type\":\"tool_use\",\"id\":\"t" i "\",\"name\":\"n\",\"input\":{}")
#define INPUT(i, json) DELTA(i, "\"type\":\"input_json_delta\",\"partial_json\":\"" json "\"")
#define FAILED(type) EVENT("error", ",\"error\":{\"type\":\"" type "\",\"message\":\"m\"},\"request_id\":\"req_1\"")

static const answer_case cases[] = {
    {"text", START SAY("a\\u00e9") DELTA("0", "\"type\":\"text_delta\",\"text\":\"b\"") STOP("0") END("end_turn"), 200,
     MLOOM_OK, MLOOM_STOP_END,
     "a\xc3\xa9"
     "b",
     "", "", 0},
    {"thinking, then parallel calls",
     START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
         DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"hm\"") STOP("0") CALL_START("1") INPUT("1", "") INPUT(
             "1", "{\\\"a\\\":") INPUT("1", "1}") STOP("1") CALL_START("2") INPUT("2", "") STOP("2") END("tool_use"),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, "", "hm", "t1:n:{\"a\":1};t2:n:{};", 0},
    {"unknown events, blocks, deltas and members",
     START EVENT("odd", ",\"x\":1") BLOCK("0", "\"type\":\"odd\"") DELTA("0", "\"type\":\"odd_delta\",\"y\":{}")
         STOP("0") BLOCK("1", "\"type\":\"text\",\"text\":\"a\",\"odd\":[]") STOP("1") END("end_turn"),
     200, MLOOM_OK, MLOOM_STOP_END, "a", "", "", 0},
    {"pieces of all kinds, one after the other",
     START SAY("a") DELTA("0", "\"type\":\"text_delta\",\"text\":\"\\n\\u00e9\"")
         DELTA("0", "\"type\":\"text_delta\",\"text\":\"\"") DELTA("0", "\"type\":\"text_delta\",\"text\":\"\xff\"")
             DELTA("0", "\"type\":\"text_delta\",\"text\":\"z\"") STOP("0")
                 BLOCK("1", "\"type\":\"thinking\",\"thinking\":\"\"")
                     DELTA("1", "\"type\":\"thinking_delta\",\"thinking\":\"h\"")
                         DELTA("1", "\"type\":\"thinking_delta\",\"thinking\":\"m\"") STOP("1") CALL_START("2")
                             INPUT("2", "{\\\"a\\\"") INPUT("2", ":") INPUT("2", "1}") STOP("2") END("tool_use"),
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, "a\n\xc3\xa9\xef\xbf\xbdz", "hm", "t2:n:{\"a\":1};", 0},
    {"a text for a block that has become another",
     START SAY("a") BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\"")
         DELTA("0", "\"type\":\"text_delta\",\"text\":\"b\"") END("end_turn"),
     200, MLOOM_OK, MLOOM_STOP_END, "a", "", "", 0},
    {"the second piece is broken",
     START SAY("a") "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
                    "\"type\":\"text_delta\",\"text\":\"b\\\"}}\n\n" END("end_turn"),
     200, MLOOM_E_PROTOCOL, 0, "a", "", "", 1},
    {"the end of the second event is broken",
     START SAY("a") "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
                    "\"type\":\"text_delta\",\"text\":\"b\"}]\n\n" END("end_turn"),
     200, MLOOM_E_PROTOCOL, 0, "a", "", "", 1},
    {"the same bytes under another name",
     START SAY("a") "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"text\":\"b\"}}\n\n"
                    "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"text\":\"c\"}}\n\n"
                    "event: odd\ndata: {\"index\":0,\"delta\":{\"text\":\"d\"}}\n\n" END("end_turn"),
     200, MLOOM_OK, MLOOM_STOP_END, "abc", "", "", 0},
    {"max_tokens: a cut call is not run", START CALL_START("0") INPUT("0", "{\\\"a") END("max_tokens"), 200, MLOOM_OK,
     MLOOM_STOP_LENGTH, "", "", "", 0},
    {"pause_turn", START SAY("a") END("pause_turn"), 200, MLOOM_OK, MLOOM_STOP_PAUSED, "a", "", "", 0},
    {"stop_sequence", START SAY("a") END("stop_sequence"), 200, MLOOM_OK, MLOOM_STOP_END, "a", "", "", 0},
    {"refusal", START SAY("a") END("refusal"), 200, MLOOM_OK, MLOOM_STOP_REFUSED, "a", "", "", 0},
    {"full context", START SAY("a") END("model_context_window_exceeded"), 200, MLOOM_E_CONTEXT_FULL, 0, "a", "", "", 0},
    {"overloaded before the first delta", START FAILED("overloaded_error"), 200, MLOOM_E_UNAVAILABLE, 0, "", "", "", 1},
    {"overloaded after it", START SAY("a") FAILED("overloaded_error") END("end_turn"), 200, MLOOM_E_UNAVAILABLE, 0, "a",
     "", "", 1},
    {"rate limit inside", FAILED("rate_limit_error"), 200, MLOOM_E_RATE_LIMITED, 0, "", "", "", 1},
    {"bad request inside", FAILED("invalid_request_error"), 200, MLOOM_E_INVALID, 0, "", "", "", 0},
    {"cut after a stop reason", START SAY("a") EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}"), 200,
     MLOOM_E_PROTOCOL, 0, "a", "", "", 1},
    {"cut in a block", START SAY("a"), 200, MLOOM_E_PROTOCOL, 0, "a", "", "", 1},
    {"empty", "", 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"malformed event", START "data: {\"type\":\n\n" END("end_turn"), 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"delta of no block", START DELTA("4", "\"type\":\"text_delta\",\"text\":\"a\"") END("end_turn"), 200,
     MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"whole",
     "{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"last\"},{\"type\":"
     "\"text\",\"text\":\"a\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{\"a\": 1}}],"
     "\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":5}}",
     200, MLOOM_OK, MLOOM_STOP_TOOL_CALLS, "a", "hm", "t:n:{\"a\": 1};", 0},
    {"whole, cut", "{\"type\":\"message\",\"content\":[{\"type\":\"te", 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"a web page", "<!doctype html><p>Hello", 200, MLOOM_E_PROTOCOL, 0, "", "", "", 0},
    {"no message", "{\"hello\":1}", 200, MLOOM_E_PROTOCOL, 0, "", "", "", 1},
    {"529", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}", 529,
     MLOOM_E_UNAVAILABLE, 0, "", "", "", 1},
    {"429", "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\"}}", 429,
     MLOOM_E_RATE_LIMITED, 0, "", "", "", 1},
    {"spend limit",
     "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\",\"details\":{\"error_code\":"
     "\"enforced_spend_limit_reached\"}}}",
     429, MLOOM_E_QUOTA, 0, "", "", "", 0},
    {"billing", "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\",\"message\":\"m\"}}", 402, MLOOM_E_QUOTA, 0,
     "", "", "", 0},
    {"401", "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"}}", 401,
     MLOOM_E_UNAUTHENTICATED, 0, "", "", "", 0},
    {"404", "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: x\"}}", 404,
     MLOOM_E_NOT_FOUND, 0, "", "", "", 0},
    {"413", "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":\"m\"}}", 413, MLOOM_E_LIMIT, 0,
     "", "", "", 0},
    {"504", "<html>gateway", 504, MLOOM_E_TIMEOUT, 0, "", "", "", 1},
    {"prompt too long",
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 9 tokens\"}}",
     400, MLOOM_E_CONTEXT_FULL, 0, "", "", "", 0},
    {"answer filtered",
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Output blocked by content "
     "filtering policy\"}}",
     400, MLOOM_E_REFUSED, 0, "", "", "", 0},
};

static void check_case(size_t i, size_t step) {
  record seen;
  outcome got = decode(&seen, NULL, cases[i].body, step, cases[i].status);
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

static void test_usage_is_a_total(void) {
  record seen;
  decode(&seen, NULL, START SAY("a") END("end_turn"), 7, 200);
  CU_ASSERT_EQUAL(seen.usage.input_tokens, 23);
  CU_ASSERT_EQUAL(seen.usage.cached_input_tokens, 11);
  CU_ASSERT_EQUAL(seen.usage.cache_write_tokens, 7);
  CU_ASSERT_EQUAL(seen.usage.output_tokens, 9);
  record_free(&seen);
}

static void test_signature_replaces(void) {
  record seen;
  mloom_buffer signature = MLOOM_BUFFER_INIT;
  decode(&seen, &signature,
         START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
             DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"first\"")
                 DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"second\"") STOP("0") END("end_turn"),
         1, 200);
  UNIT_ASSERT_STRING(mloom_buffer_string(&signature), "second");
  mloom_buffer_free(&signature);
  record_free(&seen);
}

static void test_refusal_is_explained(void) {
  record seen;
  decode(&seen, NULL,
         START EVENT("message_delta",
                     ",\"delta\":{\"stop_reason\":\"refusal\",\"stop_details\":{\"category\":\"cyber\","
                     "\"explanation\":\"no\"}}") EVENT("message_stop", ""),
         1, 200);
  UNIT_ASSERT_STRING(mloom_buffer_string(&seen.notices), "refusal the service refused to answer, category cyber: no;");
  record_free(&seen);
}

static void test_request_id(void) {
  record seen;
  outcome got = decode(&seen, NULL, START FAILED("api_error"), 1, 200);
  UNIT_ASSERT_STRING(got.error.request_id, "req_1");
  CU_ASSERT_PTR_NOT_NULL(strstr(got.error.message, "api_error"));
  record_free(&seen);
}

/* That it is used is told by what it does not do: keep the text of the second event. */
static void test_template_is_used(void) {
  static const char first[] = START SAY("one");
  static const char second[] = DELTA("0", "\"type\":\"text_delta\",\"text\":\"two\"");
  mloom_messages_decoder decoder;
  mloom_messages_decoder_init(&decoder);
  CU_ASSERT_EQUAL(mloom_messages_decoder_feed(&decoder, first, sizeof(first) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_messages_decoder_feed(&decoder, second, sizeof(second) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&decoder.pieces.pattern.text), "one"));
  UNIT_ASSERT_STRING(mloom_buffer_string(&decoder.answer.blocks.items[0].text), "onetwo");
  mloom_messages_decoder_free(&decoder);
}

static const unit_test tests[] = {
    {"whole", test_whole},
    {"byte by byte", test_byte_by_byte},
    {"usage is a total", test_usage_is_a_total},
    {"a signature replaces the one before", test_signature_replaces},
    {"a refusal is explained", test_refusal_is_explained},
    {"the request id of an error", test_request_id},
    {"a template is used", test_template_is_used},
};
UNIT_MAIN("messages decode", tests)
