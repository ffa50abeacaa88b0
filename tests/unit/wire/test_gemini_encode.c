/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests to generateContent, as whole bodies.
 */
#include "harness.h"

#include <stdlib.h>

#include "request_messages.h"
#include "wire/gemini.h"
#include "wire/gemini_internal.h"

static const mloom_session_args no_tools = {.size = sizeof(no_tools)};
static const mloom_gemini_options plain = {.thinking_budget = MLOOM_GEMINI_NO_BUDGET};

/* The body; its last segment begins at *open. */
static char *body_of(mloom_gemini_request *request, size_t *open) {
  const mloom_bytes *segments = NULL;
  size_t count = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_gemini_request_segments(request, &segments, &count), MLOOM_OK);
  return joined_body(segments, count, open);
}

static void expect(mloom_gemini_request *request, const char *wanted) {
  size_t open;
  char *body = body_of(request, &open);
  if (strcmp(body, wanted) != 0) {
    fprintf(stderr, "got    %s\nwanted %s\n", body, wanted);
  }
  CU_ASSERT_STRING_EQUAL(body, wanted);
  free(body);
}

static void begin(mloom_gemini_request *request) {
  CU_ASSERT_EQUAL_FATAL(mloom_gemini_request_init(request, &plain, &no_tools), MLOOM_OK);
}

static void user(mloom_gemini_request *request, const char *text) {
  mloom_message message = user_message(text);
  CU_ASSERT_EQUAL(mloom_gemini_request_append(request, &message), MLOOM_OK);
}

static void result(mloom_gemini_request *request, const char *id, const char *text, uint32_t flags) {
  mloom_message message = result_message(id, "n", text, flags);
  CU_ASSERT_EQUAL(mloom_gemini_request_append(request, &message), MLOOM_OK);
}

/* Decodes body as an answer, one byte at a time, and appends it. */
static void answer(mloom_gemini_request *request, const char *body) {
  static const mloom_google_place place = {"p", "l", "google", "p", "l"};
  static const mloom_service_names service = {
      .model = "m", .base_url = "http://s", .models_url = "", .environment_prefix = "", .google = &place};
  mloom_gemini_decoder decoder;
  mloom_exchange_end end = {.size = sizeof(end), .http_status = 200};
  mloom_turn_result out = {.size = sizeof(out)};
  mloom_gemini_decoder_init(&decoder);
  for (const char *at = body; *at != '\0'; at++) {
    CU_ASSERT(mloom_gemini_decoder_feed(&decoder, at, 1, NULL, NULL) >= 0);
  }
  CU_ASSERT_EQUAL(mloom_gemini_decoder_finish(&decoder, &end, 1, &service, NULL, &out, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_gemini_request_append_answer(request, &decoder.answer), MLOOM_OK);
  mloom_gemini_decoder_free(&decoder);
}

#define CHUNK(parts) "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]}}]}\n\n"
#define END(reason) "data: {\"candidates\":[{\"finishReason\":\"" reason "\"}]}\n\n"
#define BODY(contents) "{\"contents\":[" contents "]}"
#define USER(parts) "{\"role\":\"user\",\"parts\":[" parts "]}"
#define MODEL(parts) "{\"role\":\"model\",\"parts\":[" parts "]}"
#define TEXT(text) "{\"text\":\"" text "\"}"
#define CALL(name) "{\"functionCall\":{\"name\":\"" name "\",\"args\":{\"a\":  1.50}}}"
#define SIGNED(name) \
  "{\"functionCall\":{\"name\":\"" name "\",\"args\":{\"a\":  1.50}},\"thoughtSignature\":\"c2ln+/=\"}"
#define RESPONSE(name, member, text) \
  "{\"functionResponse\":{\"name\":\"" name "\",\"response\":{\"" member "\":\"" text "\"}}}"

static void test_head(void) {
  static const mloom_tool a = {.size = sizeof(a), .name = "a", .description = "A"};
  static const mloom_tool b = {.size = sizeof(b), .name = "b", .parameters = {"{\"type\":\"object\"}", 17}};
  static const mloom_tool *const tools[] = {&a, &b};
  mloom_session_args args = {
      .size = sizeof(args), .tools = tools, .tool_count = 2, .instructions = {"Be \"brief\".", 11}};
  mloom_gemini_options options = {.max_output_tokens = 9,
                                  .tool_mode = "VALIDATED",
                                  .thinking_level = "LOW",
                                  .thinking_budget = 5,
                                  .include_thoughts = 1};
  mloom_gemini_request request;
  CU_ASSERT_EQUAL_FATAL(mloom_gemini_request_init(&request, &options, &args), MLOOM_OK);
  user(&request, "hi");
  expect(&request,
         "{\"systemInstruction\":{\"role\":\"user\",\"parts\":[{\"text\":\"Be \\\"brief\\\".\"}]},\"tools\":[{"
         "\"functionDeclarations\":[{\"name\":\"a\",\"description\":\"A\"},{\"name\":\"b\",\"parametersJsonSchema\":{"
         "\"type\":\"object\"}}]}],\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"VALIDATED\"}},"
         "\"generationConfig\":{\"maxOutputTokens\":9,\"thinkingConfig\":{\"includeThoughts\":true,\"thinkingLevel\":"
         "\"LOW\"}},\"contents\":[" USER(TEXT("hi")) "]}");
  mloom_gemini_request_free(&request);
  options = (mloom_gemini_options){.thinking_budget = -1};
  CU_ASSERT_EQUAL_FATAL(mloom_gemini_request_init(&request, &options, &no_tools), MLOOM_OK);
  expect(&request, "{\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":-1}},\"contents\":[]}");
  mloom_gemini_request_free(&request);
}

static void test_thought_signature_lost_by_rebuilding_parts(void) {
  mloom_gemini_request request;
  begin(&request);
  user(&request, "go");
  /* Pieces of text around a signed one, a signature on an empty text, and one of parallel calls signed. */
  answer(&request,
         CHUNK(TEXT("a")) CHUNK(TEXT("b") "," TEXT("c")) CHUNK("{\"text\":\"d\",\"thoughtSignature\":\"c2ln\"}")
             CHUNK(TEXT("e")) CHUNK("{\"thoughtSignature\":\"bW9yZQ==\",\"text\":\"\"}") CHUNK(SIGNED("x"))
                 CHUNK(CALL("y")) END("STOP"));
  result(&request, "call_1_1", "one", 0);
  result(&request, "call_1_2", "two", 0);
  expect(
      &request, BODY(
                    USER(TEXT("go")) "," MODEL(TEXT("abc") ",{\"text\":\"d\",\"thoughtSignature\":\"c2ln\"}," TEXT("e") ",{\"thoughtSignature\":\"bW9yZQ==\",\"text\":\"\"}," SIGNED(
                        "x") "," CALL("y")) "," USER(RESPONSE("x", "output", "one") "," RESPONSE("y", "output",
                                                                                                 "two"))));
  mloom_gemini_request_free(&request);
}

static void test_signed_pieces_of_one_shape_taken_for_plain_ones(void) {
  mloom_gemini_request request;
  begin(&request);
  answer(&request,
         CHUNK("{\"text\":\"a\",\"thoughtSignature\":\"c2ln\"}") CHUNK("{\"text\":\"b\",\"thoughtSignature\":\"c2ln\"}")
             CHUNK(SIGNED("x")) CHUNK(SIGNED("x")) END("STOP"));
  result(&request, "call_1_2", "two", 0);
  result(&request, "call_1_1", "one", 0);
  result(&request, "call_1_1", "one more", 0);
  expect(&request,
         BODY(MODEL(
             "{\"text\":\"a\",\"thoughtSignature\":\"c2ln\"},{\"text\":\"b\",\"thoughtSignature\":\"c2ln\"}," SIGNED(
                 "x") "," SIGNED("x")) "," USER(RESPONSE("x", "output",
                                                         "one") "," RESPONSE("x", "output",
                                                                             "two") "," RESPONSE("n", "output",
                                                                                                 "one more"))));
  mloom_gemini_request_free(&request);
}

static void test_parallel_results_split_over_several_contents(void) {
  mloom_gemini_request request;
  begin(&request);
  user(&request, "go");
  answer(&request, CHUNK(CALL("x") "," CALL("y") "," CALL("x")) END("STOP"));
  /* In another order than the calls, with a word of the user between them, and one without a result. */
  result(&request, "call_1_3", "three", 0);
  user(&request, "also this");
  result(&request, "call_1_1", "", MLOOM_MESSAGE_ERROR);
  expect(&request,
         BODY(USER(TEXT("go")) "," MODEL(CALL("x") "," CALL("y") "," CALL("x")) "," USER(
             RESPONSE("x", "error", "the tool failed") "," RESPONSE("y", "error", "the tool was not run") "," RESPONSE(
                 "x", "output", "three") "," TEXT("also this"))));
  mloom_gemini_request_free(&request);
}

static void test_ids_go_back_only_to_whom_they_came_from(void) {
  static const char both[] = "{\"functionCall\":{\"id\":\"i-1\",\"name\":\"x\"}},{\"functionCall\":{\"name\":\"y\"}}";
  mloom_gemini_request request;
  begin(&request);
  answer(&request,
         CHUNK("{\"functionCall\":{\"id\":\"i-1\",\"name\":\"x\"}},{\"functionCall\":{\"name\":\"y\"}}") END("STOP"));
  result(&request, "i-1", "one", 0);
  result(&request, "call_1_2", "two", 0);
  mloom_buffer wanted = MLOOM_BUFFER_INIT;
  mloom_buffer_append_format(
      &wanted,
      "{\"contents\":[{\"role\":\"model\",\"parts\":[%s]}," USER(
          "{\"functionResponse\":{\"id\":\"i-1\",\"name\":\"x\",\"response\":{\"output\":\"one\"}"
          "}}," RESPONSE("y", "output", "two")) "]}",
      both);
  expect(&request, wanted.data);
  mloom_buffer_free(&wanted);
  mloom_gemini_request_free(&request);
}

static void test_what_would_be_refused_is_left_out(void) {
  mloom_gemini_request request;
  begin(&request);
  answer(&request, CHUNK("{\"text\":\"hm\",\"thought\":true},{\"text\":\"\"}") CHUNK(CALL("x")) END("MAX_TOKENS"));
  user(&request, " ");
  expect(&request, BODY(MODEL(TEXT("(nothing)")) "," USER(TEXT("(nothing)"))));
  mloom_gemini_request_free(&request);
  begin(&request);
  answer(&request, CHUNK("{\"text\":\"hm\",\"thought\":true,\"thoughtSignature\":\"c2ln\"}")
                       CHUNK("{\"executableCode\":{\"code\":\"1\"}}") END("STOP"));
  expect(&request, BODY(MODEL("{\"text\":\"hm\",\"thought\":true,\"thoughtSignature\":\"c2ln\"},"
                              "{\"executableCode\":{\"code\":\"1\"}}")));
  mloom_gemini_request_free(&request);
}

static void test_paused_answer_goes_on(void) {
  mloom_gemini_request request;
  begin(&request);
  answer(&request, CHUNK(TEXT("a")) END("CONTINUATION"));
  expect(&request, BODY(MODEL(TEXT("a"))));
  answer(&request, CHUNK(TEXT("b")) END("STOP"));
  expect(&request, BODY(MODEL(TEXT("a") "," TEXT("b"))));
  mloom_gemini_request_free(&request);
}

static void test_turns_share_their_prefix(void) {
  mloom_gemini_request request;
  size_t open = 0;
  size_t next = 0;
  begin(&request);
  user(&request, "go");
  char *before = body_of(&request, &open);
  for (int turn = 0; turn < 20; turn++) {
    answer(&request, CHUNK(TEXT("now")) CHUNK(SIGNED("x")) END("STOP"));
    result(&request, "call_1_1", "done", 0);
    char *body = body_of(&request, &next);
    CU_ASSERT_FATAL(strlen(body) > open);
    CU_ASSERT_EQUAL(memcmp(body, before, open), 0);
    free(before);
    before = body;
    open = next;
  }
  free(before);
  mloom_gemini_request_free(&request);
}

static void test_unknown_role(void) {
  mloom_gemini_request request;
  mloom_message message = {.size = sizeof(message), .role = 99};
  begin(&request);
  CU_ASSERT_EQUAL(mloom_gemini_request_append(&request, &message), MLOOM_E_UNSUPPORTED);
  expect(&request, BODY(""));
  mloom_gemini_request_free(&request);
}

/* ---- Schemas ---- */

static const struct {
  const char *schema;
  const char *written;
} schemas[] = {
    {"{\"$schema\":\"s\",\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"a\":{\"type\":\"string\","
     "\"minLength\":1,\"$comment\":\"c\",\"format\":\"uri\"}},\"required\":[\"a\"]}",
     "{\"type\":\"OBJECT\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"STRING\",\"minLength\":\"1\"}}}"},
    {"{\"description\":\"d\",\"default\":1,\"anyOf\":[{\"type\":\"integer\",\"format\":\"int32\"},{\"type\":\"string\"}"
     "]}",
     "{\"anyOf\":[{\"type\":\"INTEGER\",\"format\":\"int32\"},{\"type\":\"STRING\"}]}"},
    {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":3}]}",
     "{\"type\":\"ARRAY\",\"nullable\":true,\"maxItems\":\"3\",\"items\":{\"type\":\"STRING\"}}"},
    {"{\"type\":[\"string\",\"null\"],\"description\":\"d\"}",
     "{\"type\":\"STRING\",\"nullable\":true,\"description\":\"d\"}"},
    {"{\"type\":[\"string\",\"integer\"]}", "{\"anyOf\":[{\"type\":\"STRING\"},{\"type\":\"INTEGER\"}]}"},
    {"{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "{\"type\":\"STRING\",\"enum\":[\"a\",\"b\"]}"},
    {"{\"type\":\"integer\",\"enum\":[1,2]}", "{\"type\":\"INTEGER\"}"},
    {"{\"const\":\"x\"}", "{\"type\":\"STRING\",\"enum\":[\"x\"]}"},
    {"{\"$ref\":\"#/$defs/a\"}", "{\"type\":\"STRING\"}"},
    {"{\"properties\":{}}", "{\"type\":\"OBJECT\",\"properties\":{}}"},
    {"true", "{\"type\":\"STRING\"}"},
    {"{\"type\":false}", "{\"type\":\"STRING\"}"},
    {"{\"type\":[1,\"a\\u0041\"]}", "{\"type\":\"STRING\",\"nullable\":true}"},
};

static void test_schema_with_what_the_service_refuses(void) {
  for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
    mloom_buffer out = MLOOM_BUFFER_INIT;
    CU_ASSERT_EQUAL(mloom_gemini_write_schema(&out, (mloom_bytes){schemas[i].schema, strlen(schemas[i].schema)}),
                    MLOOM_OK);
    if (strcmp(mloom_buffer_string(&out), schemas[i].written) != 0) {
      fprintf(stderr, "got    %s\nwanted %s\n", mloom_buffer_string(&out), schemas[i].written);
    }
    CU_ASSERT_STRING_EQUAL(mloom_buffer_string(&out), schemas[i].written);
    mloom_buffer_free(&out);
  }
}

static void test_schema_that_is_too_deep(void) {
  mloom_buffer schema = MLOOM_BUFFER_INIT;
  mloom_buffer out = MLOOM_BUFFER_INIT;
  for (int i = 0; i < 40; i++) {
    mloom_buffer_append_string(&schema, "{\"type\":\"array\",\"items\":");
  }
  mloom_buffer_append_string(&schema, "{}");
  for (int i = 0; i < 40; i++) {
    mloom_buffer_append_string(&schema, "}");
  }
  CU_ASSERT_EQUAL(mloom_gemini_write_schema(&out, (mloom_bytes){schema.data, schema.size}), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&out), "\"items\":{\"type\":\"STRING\"}}"));
  mloom_buffer_free(&schema);
  mloom_buffer_free(&out);
}

static const unit_test tests[] = {
    {"head", test_head},
    {"thought signature lost by rebuilding parts", test_thought_signature_lost_by_rebuilding_parts},
    {"signed pieces of one shape taken for plain ones", test_signed_pieces_of_one_shape_taken_for_plain_ones},
    {"parallel results split over several contents", test_parallel_results_split_over_several_contents},
    {"ids go back only to whom they came from", test_ids_go_back_only_to_whom_they_came_from},
    {"what would be refused is left out", test_what_would_be_refused_is_left_out},
    {"a paused answer goes on", test_paused_answer_goes_on},
    {"turns share their prefix", test_turns_share_their_prefix},
    {"unknown role", test_unknown_role},
    {"schema with what the service refuses", test_schema_with_what_the_service_refuses},
    {"schema that is too deep", test_schema_that_is_too_deep},
};
UNIT_MAIN("gemini encode", tests)
