/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "request_messages.h"
#include "wire/converse.h"

#define POINT "{\"cachePoint\":{\"type\":\"default\"}}"
#define LONG_POINT "{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}"

static const mloom_tool tool_a = {.size = sizeof(tool_a), .name = "a", .description = "A"};
static const mloom_tool tool_b = {.size = sizeof(tool_b), .name = "b", .parameters = {"{\"type\":\"object\"}", 17}};
static const mloom_tool *const tools[] = {&tool_a, &tool_b};
static const mloom_session_args with_tools = {
    .size = sizeof(with_tools), .model = "m", .tools = tools, .tool_count = 1};
static const mloom_session_args no_tools = {.size = sizeof(no_tools), .model = "m"};
static const mloom_converse_options plain_options = {.max_output_tokens = 9};

static mloom_bytes bytes(const char *text) {
  return (mloom_bytes){text, strlen(text)};
}

/* The body; its last segment begins at *open. */
static char *body_of(mloom_converse_request *request, size_t *open) {
  const mloom_bytes *segments = NULL;
  size_t count = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_converse_request_segments(request, &segments, &count), MLOOM_OK);
  return joined_body(segments, count, open);
}

static void expect(mloom_converse_request *request, const char *expected) {
  size_t open;
  char *body = body_of(request, &open);
  UNIT_ASSERT_STRING(body, expected);
  free(body);
}

static void user(mloom_converse_request *request, const char *text) {
  mloom_message message = user_message(text);
  CU_ASSERT_EQUAL(mloom_converse_request_append(request, &message), MLOOM_OK);
}

static void result(mloom_converse_request *request, const char *id, const char *text, uint32_t flags) {
  mloom_message message = result_message(id, "n", text, flags);
  CU_ASSERT_EQUAL(mloom_converse_request_append(request, &message), MLOOM_OK);
}

/* Decodes content as a whole answer and appends it. */
static void answer(mloom_converse_request *request, const char *content, const char *stop) {
  static const mloom_service_names service = {
      .model = "m", .base_url = "http://s", .models_url = "", .environment_prefix = ""};
  mloom_converse_decoder decoder;
  mloom_exchange_end end = {.size = sizeof(end), .http_status = 200};
  mloom_turn_result out = {.size = sizeof(out)};
  mloom_buffer body = MLOOM_BUFFER_INIT;
  mloom_buffer_append_format(&body, "{\"output\":{\"message\":{\"content\":[%s]}},\"stopReason\":\"%s\"}", content,
                             stop);
  mloom_converse_decoder_init(&decoder);
  CU_ASSERT_EQUAL(mloom_converse_decoder_feed(&decoder, body.data, body.size, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_converse_decoder_finish(&decoder, &end, 1, &service, NULL, &out, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_converse_request_append_answer(request, &decoder.answer), MLOOM_OK);
  mloom_converse_decoder_free(&decoder);
  mloom_buffer_free(&body);
}

static void begin(mloom_converse_request *request, const mloom_converse_options *options,
                  const mloom_session_args *args) {
  CU_ASSERT_EQUAL_FATAL(mloom_converse_request_init(request, options, args), MLOOM_OK);
}

static void test_head(void) {
  mloom_session_args args = {
      .size = sizeof(args), .tools = tools, .tool_count = 2, .instructions = {"Be \"brief\".", 11}};
  mloom_converse_options options = {.max_output_tokens = 32000,
                                    .cache = 1,
                                    .cache_ttl = "1h",
                                    .thinking = "enabled",
                                    .thinking_budget = 2048,
                                    .effort = "high",
                                    .latency = "optimized",
                                    .more_fields = bytes("{\"top_k\": 5, \"thinking\":{\"type\":\"disabled\"}}")};
  mloom_converse_request request;
  begin(&request, &options, &args);
  user(&request, "hi");
  expect(&request,
         "{\"inferenceConfig\":{\"maxTokens\":32000},\"additionalModelRequestFields\":{\"thinking\":{\"type\":"
         "\"enabled\",\"budget_tokens\":2048},\"top_k\":5},\"outputConfig\":{\"effort\":\"high\"},"
         "\"performanceConfig\":{\"latency\":\"optimized\"},\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"a\","
         "\"description\":\"A\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}},{\"toolSpec\":{"
         "\"name\":\"b\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}," LONG_POINT
         "]},\"system\":[{\"text\":\"Be \\\"brief\\\".\"}," LONG_POINT
         "],\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}," LONG_POINT "]}]}");
  mloom_converse_request_free(&request);
}

static void test_nothing_but_messages(void) {
  mloom_converse_options options = {.max_output_tokens = 0};
  mloom_converse_request request;
  begin(&request, &options, &no_tools);
  user(&request, "hi");
  expect(&request, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}");
  mloom_converse_request_free(&request);
}

#define TOOLS                                                                                                  \
  "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"a\",\"description\":\"A\",\"inputSchema\":{\"json\":{" \
  "\"type\":"                                                                                                  \
  "\"object\",\"properties\":{}}}}}]},"
#define BODY(messages) "{\"inferenceConfig\":{\"maxTokens\":9}," TOOLS "\"messages\":[" messages "]}"
#define PLAIN(messages) "{\"inferenceConfig\":{\"maxTokens\":9},\"messages\":[" messages "]}"
#define USER(blocks) "{\"role\":\"user\",\"content\":[" blocks "]}"
#define ASSISTANT(blocks) "{\"role\":\"assistant\",\"content\":[" blocks "]}"
#define TEXT(t) "{\"text\":\"" t "\"}"
#define CALL(i) "{\"toolUse\":{\"toolUseId\":\"" i "\",\"name\":\"n\",\"input\":{}}}"
#define RESULT_OF(i, text, more) "{\"toolResult\":{\"toolUseId\":\"" i "\",\"content\":[" TEXT(text) "]" more "}}"

/* Split over several messages, the service does not find the results that it expects. */
static void test_parallel_results_stand_in_one_message(void) {
  mloom_converse_request request;
  begin(&request, &plain_options, &with_tools);
  user(&request, "go");
  answer(&request, CALL("1") "," CALL("2"), "tool_use");
  user(&request, "also this");
  result(&request, "1", "one", 0);
  result(&request, "2", "two", 0);
  expect(&request, BODY(USER(TEXT("go")) "," ASSISTANT(CALL("1") "," CALL("2")) "," USER(
                       RESULT_OF("1", "one", "") "," RESULT_OF("2", "two", "") "," TEXT("also this"))));
  mloom_converse_request_free(&request);
}

/* An empty one makes every later request of the conversation invalid. */
static void test_error_result_is_never_empty(void) {
  mloom_converse_request request;
  begin(&request, &plain_options, &with_tools);
  user(&request, "go");
  answer(&request, CALL("1") "," CALL("2"), "tool_use");
  result(&request, "1", "", MLOOM_MESSAGE_ERROR);
  result(&request, "2", " \n", 0);
  expect(&request, BODY(USER(TEXT("go")) "," ASSISTANT(CALL("1") "," CALL("2")) "," USER(RESULT_OF(
                       "1", "the tool failed", ",\"status\":\"error\"") "," RESULT_OF("2", "(no output)", ""))));
  mloom_converse_request_free(&request);
}

/* The service refuses calls in the history of a request that has no toolConfig. */
static void test_history_of_calls_without_tools_becomes_text(void) {
  mloom_converse_request request;
  begin(&request, &plain_options, &no_tools);
  user(&request, "go");
  answer(&request, CALL("1"), "tool_use");
  result(&request, "1", "one", 0);
  expect(&request, PLAIN(USER(TEXT("go")) "," ASSISTANT(TEXT("(called n with {})")) "," USER(TEXT("one"))));
  mloom_converse_request_free(&request);
}

static void test_blocks_come_back_unchanged_and_in_order(void) {
  static const char blocks[] =
      "{\"reasoningContent\":{\"redactedContent\":\"b3BhcXVl\"}},{\"odd\":{\"x\":[1, {\"y\":null}]}},"
      "{\"reasoningContent\":{\"reasoningText\":{\"text\":\"\xc3\xa9?\",\"signature\":\"sig+/=\"}}}," TEXT(
          "t") ",{\"toolUse\":{\"toolUseId\":\"1\",\"name\":\"n\",\"input\":{\"a\":  1.50}}}";
  mloom_converse_request request;
  begin(&request, &plain_options, &with_tools);
  user(&request, "go");
  answer(&request, blocks, "tool_use");
  size_t open;
  char *body = body_of(&request, &open);
  CU_ASSERT_PTR_NOT_NULL(strstr(body, blocks));
  free(body);
  mloom_converse_request_free(&request);
}

static void test_what_would_be_refused_is_left_out(void) {
  mloom_converse_request request;
  begin(&request, &plain_options, &with_tools);
  user(&request, " ");
  answer(&request, TEXT(" \\n") "," CALL("1") ",{\"reasoningContent\":{\"reasoningText\":{\"text\":\"cut\"}}}",
         "max_tokens");
  expect(&request, BODY(USER(TEXT("(nothing)")) "," ASSISTANT(TEXT("(nothing)"))));
  mloom_converse_request_free(&request);
}

static void test_a_thought_is_never_last(void) {
  mloom_converse_request request;
  begin(&request, &plain_options, &with_tools);
  user(&request, "go");
  answer(&request, "{\"reasoningContent\":{\"redactedContent\":\"b3BhcXVl\"}}", "end_turn");
  expect(&request, BODY(USER(TEXT("go")) "," ASSISTANT(
                       "{\"reasoningContent\":{\"redactedContent\":\"b3BhcXVl\"}}," TEXT("(nothing)"))));
  mloom_converse_request_free(&request);
}

static void test_input_is_an_object(void) {
  mloom_converse_request request;
  begin(&request, &plain_options, &with_tools);
  user(&request, "go");
  answer(&request, "{\"toolUse\":{\"toolUseId\":\"1\",\"name\":\"n\",\"input\":\"{\\\"a\"}}", "tool_use");
  expect(&request, BODY(USER(TEXT("go")) "," ASSISTANT("{\"toolUse\":{\"toolUseId\":\"1\",\"name\":\"n\",\"input\":{"
                                                       "\"malformed_input\":\"{\\\"a\"}}}")));
  mloom_converse_request_free(&request);
}

/* Half a character, as an escape, would make the body of every later request one that services refuse. */
static void test_half_a_character(void) {
#define CALL_WITH(text) "{\"toolUse\":{\"toolUseId\":\"1\",\"name\":\"n\",\"input\":{\"a\":\"" text "\"}}}"
  mloom_converse_request request;
  begin(&request, &plain_options, &with_tools);
  user(&request, "go");
  answer(&request, CALL_WITH("\\ud83d \\\\ud83d \\uD83D\\uDE00 \\ude00\\u00fc"), "tool_use");
  expect(&request, BODY(USER(TEXT("go")) "," ASSISTANT(CALL_WITH("\\ufffd \\\\ud83d \\uD83D\\uDE00 \\ufffd\\u00fc"))));
  mloom_converse_request_free(&request);
}

static void test_turns_share_their_prefix_but_for_marks(void) {
  mloom_converse_options options = {.max_output_tokens = 9, .cache = 1};
  mloom_converse_request request;
  size_t open = 0;
  size_t end = 0;
  begin(&request, &options, &with_tools);
  user(&request, "go");
  char *before = body_of(&request, &open);
  end = expect_marks(before, open, "," POINT, 0);
  for (int turn = 0; turn < 20; turn++) {
    answer(&request, CALL("1"), "tool_use");
    result(&request, "1", "done", 0);
    free(body_of(&request, &open)); /* a turn that is tried again moves no mark */
    char *body = body_of(&request, &open);
    size_t next = expect_marks(body, open, "," POINT, end);
    CU_ASSERT_EQUAL(memcmp(body, before, end), 0);
    free(before);
    before = body;
    end = next;
  }
  free(before);
  mloom_converse_request_free(&request);
}

static void test_unknown_role(void) {
  mloom_converse_request request;
  mloom_message message = {.size = sizeof(message), .role = 99};
  begin(&request, &plain_options, &with_tools);
  CU_ASSERT_EQUAL(mloom_converse_request_append(&request, &message), MLOOM_E_UNSUPPORTED);
  expect(&request, BODY(""));
  mloom_converse_request_free(&request);
}

static const unit_test tests[] = {
    {"head", test_head},
    {"nothing but messages", test_nothing_but_messages},
    {"parallel results stand in one message", test_parallel_results_stand_in_one_message},
    {"an error result is never empty", test_error_result_is_never_empty},
    {"a history of calls without tools becomes text", test_history_of_calls_without_tools_becomes_text},
    {"blocks come back unchanged and in order", test_blocks_come_back_unchanged_and_in_order},
    {"what would be refused is left out", test_what_would_be_refused_is_left_out},
    {"a thought is never last", test_a_thought_is_never_last},
    {"the input of a call is an object", test_input_is_an_object},
    {"half a character in the input of a call", test_half_a_character},
    {"turns share their prefix but for marks", test_turns_share_their_prefix_but_for_marks},
    {"unknown role", test_unknown_role},
};
UNIT_MAIN("converse encode", tests)
