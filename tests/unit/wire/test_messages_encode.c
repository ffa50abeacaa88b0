/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "request_messages.h"
#include "wire/messages.h"

#define MARK ",\"cache_control\":{\"type\":\"ephemeral\"}"
#define RESULT_OF(i) "{\"type\":\"tool_result\",\"tool_use_id\":\"" i "\",\"content\":"

static const mloom_session_args no_tools = {.size = sizeof(no_tools), .model = "m"};

/* The body; its last segment begins at *open. */
static char *body_of(mloom_messages_request *request, size_t *open) {
  const mloom_bytes *segments = NULL;
  size_t count = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_messages_request_segments(request, &segments, &count), MLOOM_OK);
  return joined_body(segments, count, open);
}

static void expect(mloom_messages_request *request, const char *expected) {
  size_t open;
  char *body = body_of(request, &open);
  UNIT_ASSERT_STRING(body, expected);
  free(body);
}

static void user(mloom_messages_request *request, const char *text) {
  mloom_message message = user_message(text);
  CU_ASSERT_EQUAL(mloom_messages_request_append(request, &message), MLOOM_OK);
}

static void result(mloom_messages_request *request, const char *id, const char *text, uint32_t flags) {
  mloom_message message = result_message(id, "n", text, flags);
  CU_ASSERT_EQUAL(mloom_messages_request_append(request, &message), MLOOM_OK);
}

/* Decodes content as a whole answer and appends it. */
static void answer(mloom_messages_request *request, const char *content, const char *stop) {
  static const mloom_service_names service = {
      .model = "m", .base_url = "http://s", .models_url = "", .environment_prefix = ""};
  mloom_messages_decoder decoder;
  mloom_exchange_end end = {.size = sizeof(end), .http_status = 200};
  mloom_turn_result out = {.size = sizeof(out)};
  mloom_buffer body = MLOOM_BUFFER_INIT;
  mloom_buffer_append_format(&body, "{\"type\":\"message\",\"content\":[%s],\"stop_reason\":\"%s\"}", content, stop);
  mloom_messages_decoder_init(&decoder);
  CU_ASSERT_EQUAL(mloom_messages_decoder_feed(&decoder, body.data, body.size, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_messages_decoder_finish(&decoder, &end, 1, &service, NULL, &out, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_messages_request_append_answer(request, &decoder.answer), MLOOM_OK);
  mloom_messages_decoder_free(&decoder);
  mloom_buffer_free(&body);
}

static mloom_messages_options plain_options(void) {
  return (mloom_messages_options){.stream = -1, .parallel_tool_calls = 1, .max_output_tokens = 9};
}

static void begin(mloom_messages_request *request, const mloom_messages_options *options) {
  CU_ASSERT_EQUAL_FATAL(mloom_messages_request_init(request, options, "m", &no_tools), MLOOM_OK);
}

static void test_head(void) {
  static const mloom_tool a = {.size = sizeof(a), .name = "a", .description = "A"};
  static const mloom_tool b = {.size = sizeof(b), .name = "b", .parameters = {"{\"type\":\"object\"}", 17}};
  static const mloom_tool *const tools[] = {&a, &b};
  mloom_session_args args = {
      .size = sizeof(args), .tools = tools, .tool_count = 2, .instructions = {"Be \"brief\".", 11}};
  mloom_messages_options options = {.anthropic_version = "bedrock-2023-05-31",
                                    .betas = "x, y",
                                    .send_model = 1,
                                    .stream = 1,
                                    .cache = 1,
                                    .cache_ttl = "1h",
                                    .thinking = "enabled",
                                    .thinking_budget = 2048,
                                    .effort = "high"};
  mloom_messages_request request;
  CU_ASSERT_EQUAL_FATAL(mloom_messages_request_init(&request, &options, "m", &args), MLOOM_OK);
  user(&request, "hi");
  expect(&request,
         "{\"anthropic_version\":\"bedrock-2023-05-31\",\"anthropic_beta\":[\"x\",\"y\"],\"model\":\"m\","
         "\"max_tokens\":32000,\"stream\":true,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048},"
         "\"output_config\":{\"effort\":\"high\"},\"tools\":[{\"name\":\"a\",\"description\":\"A\","
         "\"input_schema\":{\"type\":\"object\",\"properties\":{}}},{\"name\":\"b\",\"input_schema\":{\"type\":"
         "\"object\"},\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],\"tool_choice\":{\"type\":\"auto\","
         "\"disable_parallel_tool_use\":true},\"system\":[{\"type\":\"text\",\"text\":\"Be \\\"brief\\\".\","
         "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],\"messages\":[{\"role\":\"user\",\"content\":["
         "{\"type\":\"text\",\"text\":\"hi\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]}]}");
  mloom_messages_request_free(&request);
}

#define BODY(messages) "{\"max_tokens\":9,\"messages\":[" messages "]}"
#define USER(blocks) "{\"role\":\"user\",\"content\":[" blocks "]}"
#define ASSISTANT(blocks) "{\"role\":\"assistant\",\"content\":[" blocks "]}"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define CALL(i) "{\"type\":\"tool_use\",\"id\":\"" i "\",\"name\":\"n\",\"input\":{}}"

static void test_results_stand_together_and_first(void) {
  mloom_messages_options options = plain_options();
  mloom_messages_request request;
  begin(&request, &options);
  user(&request, "go");
  answer(&request, CALL("1") "," CALL("2"), "tool_use");
  user(&request, "also this");
  result(&request, "1", "one", 0);
  result(&request, "2", "", MLOOM_MESSAGE_ERROR);
  expect(&request, BODY(USER(TEXT("go")) "," ASSISTANT(CALL("1") "," CALL("2")) "," USER(RESULT_OF(
                       "1") "\"one\"}," RESULT_OF("2") "\"the tool failed\",\"is_error\":true}," TEXT("also this"))));
  mloom_messages_request_free(&request);
}

static void test_blocks_come_back_unchanged_and_in_order(void) {
  static const char blocks[] =
      "{\"type\":\"redacted_thinking\",\"data\":\"opaque==\"},{\"type\":\"odd\",\"x\":[1, {\"y\":null}]},"
      "{\"type\":\"thinking\",\"thinking\":\"\\u00e9?\",\"signature\":\"sig+/=\"}," TEXT(
          "t") ",{\"type\":\"tool_use\","
               "\"caller\":{\"type\":\"direct\"},\"id\":\"1\",\"name\":\"n\",\"input\":{\"a\":  1.50}}";
  mloom_messages_options options = plain_options();
  mloom_messages_request request;
  begin(&request, &options);
  answer(&request, blocks, "tool_use");
  expect(&request,
         BODY(ASSISTANT(
             "{\"type\":\"redacted_thinking\",\"data\":\"opaque==\"},{\"type\":\"odd\",\"x\":[1, {\"y\":null}"
             "]},{\"type\":\"thinking\",\"thinking\":\"\xc3\xa9?\",\"signature\":\"sig+/=\"}," TEXT(
                 "t") ",{\"type\":\"tool_use\",\"caller\":{\"type\":\"direct\"},\"id\":\"1\",\"name\":\"n\",\"input\":"
                      "{\"a\":  1.50}}")));
  mloom_messages_request_free(&request);
}

static void test_what_would_be_refused_is_left_out(void) {
  mloom_messages_options options = plain_options();
  mloom_messages_request request;
  begin(&request, &options);
  answer(&request, TEXT(" \\n") "," CALL("1") ",{\"type\":\"thinking\",\"thinking\":\"cut\",\"signature\":\"\"}",
         "max_tokens");
  user(&request, " ");
  expect(&request, BODY(ASSISTANT(TEXT("(nothing)")) "," USER(TEXT("(nothing)"))));
  mloom_messages_request_free(&request);
}

static void test_paused_turn_goes_on(void) {
  mloom_messages_options options = plain_options();
  mloom_messages_request request;
  options.cache = 1;
  begin(&request, &options);
  answer(&request, TEXT("a") ",{\"type\":\"server_tool_use\",\"id\":\"s\"}", "pause_turn");
  expect(&request, BODY(ASSISTANT(TEXT("a") ",{\"type\":\"server_tool_use\",\"id\":\"s\"}")));
  answer(&request, TEXT("b"), "end_turn");
  expect(&request, BODY(ASSISTANT(TEXT("a") ",{\"type\":\"server_tool_use\",\"id\":\"s\"},{\"type\":\"text\",\"text\":"
                                            "\"b\"" MARK "}")));
  mloom_messages_request_free(&request);
}

static void test_turns_share_their_prefix_but_for_marks(void) {
  mloom_messages_options options = plain_options();
  mloom_messages_request request;
  size_t open = 0;
  size_t end = 0;
  options.cache = 1;
  begin(&request, &options);
  user(&request, "go");
  char *before = body_of(&request, &open);
  end = expect_marks(before, open, MARK, 0);
  for (int turn = 0; turn < 20; turn++) {
    answer(&request, CALL("1"), "tool_use");
    result(&request, "1", "done", 0);
    free(body_of(&request, &open)); /* a turn that is tried again moves no mark */
    char *body = body_of(&request, &open);
    size_t next = expect_marks(body, open, MARK, end);
    CU_ASSERT_EQUAL(memcmp(body, before, end), 0);
    free(before);
    before = body;
    end = next;
  }
  free(before);
  mloom_messages_request_free(&request);
}

static void test_unknown_role(void) {
  mloom_messages_options options = plain_options();
  mloom_messages_request request;
  mloom_message message = {.size = sizeof(message), .role = 99};
  begin(&request, &options);
  CU_ASSERT_EQUAL(mloom_messages_request_append(&request, &message), MLOOM_E_UNSUPPORTED);
  expect(&request, BODY(""));
  mloom_messages_request_free(&request);
}

static const unit_test tests[] = {
    {"head", test_head},
    {"results stand together and first", test_results_stand_together_and_first},
    {"blocks come back unchanged and in order", test_blocks_come_back_unchanged_and_in_order},
    {"what would be refused is left out", test_what_would_be_refused_is_left_out},
    {"a paused turn goes on", test_paused_turn_goes_on},
    {"turns share their prefix but for marks", test_turns_share_their_prefix_but_for_marks},
    {"unknown role", test_unknown_role},
};
UNIT_MAIN("messages encode", tests)
