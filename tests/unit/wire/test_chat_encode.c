/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "base/json.h"
#include "request_messages.h"
#include "wire/chat.h"

static const mloom_tool tool = {.size = sizeof(tool),
                                .name = "read_file",
                                .description = "Reads \"a\" file\n",
                                .parameters = {"{\"type\":\"object\"}", 17}};
static const mloom_tool *const tools[] = {&tool};

static mloom_session_args session_args(void) {
  return (mloom_session_args){.size = sizeof(mloom_session_args),
                              .model = "model \"1\"",
                              .instructions = {"Be brief.", 9},
                              .tools = tools,
                              .tool_count = 1};
}

static mloom_chat_options options(void) {
  return (mloom_chat_options){.stream = 1,
                              .include_usage = 1,
                              .parallel_tool_calls = 0,
                              .max_tokens_field = "max_completion_tokens",
                              .max_output_tokens = 500,
                              .temperature = "0.2",
                              .reasoning_effort = "low"};
}

/* The body as one text; *fixed is the size without the closing part. */
static void body_of(mloom_chat_request *request, mloom_buffer *out, size_t *fixed) {
  size_t count = 0;
  const mloom_bytes *segments = mloom_chat_request_segments(request, &count);
  mloom_buffer_clear(out);
  for (size_t i = 0; i < count; i++) {
    mloom_buffer_append(out, segments[i].data, segments[i].size);
    if (i + 2 == count) {
      *fixed = out->size;
    }
  }
}

static mloom_json *parse(const mloom_buffer *body) {
  mloom_json *json = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_json_parse(&json, body->data, body->size, "the body", &error), MLOOM_OK, &error);
  return json;
}

static int32_t append_result(mloom_chat_request *request, const char *id, const char *text, uint32_t flags) {
  mloom_message message = result_message(id, "read_file", text, flags);
  return mloom_chat_request_append(request, &message);
}

static int32_t append_user(mloom_chat_request *request, const char *text, size_t size) {
  mloom_message message = {.size = sizeof(message), .role = MLOOM_ROLE_USER, .text = {text, size}};
  return mloom_chat_request_append(request, &message);
}

static void fill_call(mloom_chat_answer *answer, const char *id, const char *arguments) {
  answer->calls = calloc(1, sizeof(*answer->calls));
  answer->call_count = 1;
  answer->call_capacity = 1;
  mloom_buffer_append_string(&answer->calls[0].id, id);
  mloom_buffer_append_string(&answer->calls[0].name, "read_file");
  mloom_buffer_append_string(&answer->calls[0].arguments, arguments);
}

static void free_answer(mloom_chat_answer *answer) {
  for (size_t i = 0; i < answer->call_count; i++) {
    mloom_buffer_free(&answer->calls[i].id);
    mloom_buffer_free(&answer->calls[i].name);
    mloom_buffer_free(&answer->calls[i].arguments);
  }
  free(answer->calls);
  mloom_buffer_free(&answer->text);
  mloom_buffer_free(&answer->reasoning);
  mloom_buffer_free(&answer->refusal);
}

static void test_members(void) {
  mloom_chat_request request;
  mloom_chat_options given = options();
  mloom_session_args args = session_args();
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  size_t fixed = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_chat_request_init(&request, &given, args.model, &args), MLOOM_OK);
  CU_ASSERT_EQUAL(append_user(&request, "hi\xff\"\n", 5), MLOOM_OK);
  body_of(&request, &body, &fixed);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = parse(&body);
  UNIT_ASSERT_STRING(mloom_json_member_string(json, "model", ""), "model \"1\"");
  CU_ASSERT_EQUAL(mloom_json_member_boolean(json, "stream", 0), 1);
  CU_ASSERT_EQUAL(mloom_json_member_boolean(mloom_json_member(json, "stream_options"), "include_usage", 0), 1);
  CU_ASSERT_EQUAL(mloom_json_member_integer(json, "max_completion_tokens", 0), 500);
  CU_ASSERT_EQUAL(mloom_json_kind(mloom_json_member(json, "temperature")), MLOOM_JSON_NUMBER);
  UNIT_ASSERT_STRING(mloom_json_member_string(json, "reasoning_effort", ""), "low");
  CU_ASSERT_EQUAL(mloom_json_member_boolean(json, "parallel_tool_calls", 1), 0);
  mloom_json *function = mloom_json_member(mloom_json_at(mloom_json_member(json, "tools"), 0), "function");
  UNIT_ASSERT_STRING(mloom_json_member_string(function, "description", ""), "Reads \"a\" file\n");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_member(function, "parameters"), "type", ""), "object");
  mloom_json *messages = mloom_json_member(json, "messages");
  CU_ASSERT_EQUAL(mloom_json_count(messages), 2);
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(messages, 0), "role", ""), "system");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(messages, 1), "content", ""), "hi\xef\xbf\xbd\"\n");
  mloom_chat_request_free(&request);
}

static void test_left_out(void) {
  mloom_chat_request request;
  mloom_chat_options given = {.stream = 0, .include_usage = 1, .parallel_tool_calls = -1};
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  size_t fixed = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_chat_request_init(&request, &given, args.model, &args), MLOOM_OK);
  append_user(&request, "hi", 2);
  body_of(&request, &body, &fixed);
  UNIT_ASSERT_STRING(body.data,
                     "{\"model\":\"m\",\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
  mloom_chat_request_free(&request);
}

static void test_answers_and_results(void) {
  mloom_chat_request request;
  mloom_chat_options given = options();
  mloom_session_args args = session_args();
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  size_t fixed = 0;
  given.echo_reasoning = "reasoning_content";
  CU_ASSERT_EQUAL_FATAL(mloom_chat_request_init(&request, &given, args.model, &args), MLOOM_OK);
  mloom_chat_answer answer = {0};
  fill_call(&answer, "c1", "{\"path\":\"a\"}");
  mloom_buffer_append_string(&answer.reasoning, "because");
  CU_ASSERT_EQUAL(mloom_chat_request_append_answer(&request, &answer), MLOOM_OK);
  CU_ASSERT_EQUAL(append_result(&request, "c1", "", 0), MLOOM_OK);
  CU_ASSERT_EQUAL(append_result(&request, "c1", "no such file", MLOOM_MESSAGE_ERROR), MLOOM_OK);
  free_answer(&answer);
  memset(&answer, 0, sizeof(answer));
  fill_call(&answer, "c2", "{\"path\":"); /* malformed: a server would refuse the conversation for it */
  CU_ASSERT_EQUAL(mloom_chat_request_append_answer(&request, &answer), MLOOM_OK);
  free_answer(&answer);
  memset(&answer, 0, sizeof(answer));
  CU_ASSERT_EQUAL(mloom_chat_request_append_answer(&request, &answer), MLOOM_OK);
  body_of(&request, &body, &fixed);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = parse(&body);
  mloom_json *messages = mloom_json_member(json, "messages");
  mloom_json *first = mloom_json_at(messages, 1);
  CU_ASSERT_PTR_NULL(mloom_json_member(first, "content"));
  UNIT_ASSERT_STRING(mloom_json_member_string(first, "reasoning_content", ""), "because");
  mloom_json *call = mloom_json_at(mloom_json_member(first, "tool_calls"), 0);
  UNIT_ASSERT_STRING(mloom_json_member_string(call, "id", ""), "c1");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_member(call, "function"), "arguments", ""),
                     "{\"path\":\"a\"}");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(messages, 2), "content", ""), "(no output)");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(messages, 2), "tool_call_id", ""), "c1");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(messages, 3), "content", ""), "Error: no such file");
  call = mloom_json_at(mloom_json_member(mloom_json_at(messages, 4), "tool_calls"), 0);
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_member(call, "function"), "arguments", ""),
                     "{\"malformed_arguments\":\"{\\\"path\\\":\"}");
  CU_ASSERT(mloom_json_text(mloom_json_member(mloom_json_at(messages, 5), "content")).size > 0);
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(messages, 5), "reasoning_content", ""), " ");
  mloom_chat_request_free(&request);
}

/* The body of turn N is a byte prefix of that of turn N + 1 up to the closing part, over 300 turns. */
static void test_prefix(void) {
  mloom_chat_request request;
  mloom_chat_options given = options();
  mloom_session_args args = session_args();
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer before = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer after = MLOOM_BUFFER_INIT;
  size_t fixed_before = 0;
  size_t fixed_after = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_chat_request_init(&request, &given, args.model, &args), MLOOM_OK);
  append_user(&request, "begin", 5);
  body_of(&request, &before, &fixed_before);
  for (int turn = 1; turn <= 300; turn++) {
    char id[32];
    snprintf(id, sizeof(id), "call_%d", turn);
    mloom_chat_answer answer = {0};
    fill_call(&answer, id, "{\"path\":\"a\"}");
    CU_ASSERT_EQUAL(mloom_chat_request_append_answer(&request, &answer), MLOOM_OK);
    free_answer(&answer);
    CU_ASSERT_EQUAL(append_result(&request, id, "some text of a file", 0), MLOOM_OK);
    body_of(&request, &after, &fixed_after);
    CU_ASSERT_FATAL(fixed_after > fixed_before && memcmp(before.data, after.data, fixed_before) == 0);
    mloom_buffer_clear(&before);
    mloom_buffer_append(&before, after.data, after.size);
    fixed_before = fixed_after;
  }
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = parse(&after);
  CU_ASSERT_EQUAL(mloom_json_count(mloom_json_member(json, "messages")), 602);
  mloom_chat_request_free(&request);
}

static void test_unknown_role(void) {
  mloom_chat_request request;
  mloom_chat_options given = options();
  mloom_session_args args = session_args();
  mloom_message message = {.size = sizeof(message), .role = 99};
  CU_ASSERT_EQUAL_FATAL(mloom_chat_request_init(&request, &given, args.model, &args), MLOOM_OK);
  size_t before = request.messages.size;
  CU_ASSERT_EQUAL(mloom_chat_request_append(&request, &message), MLOOM_E_INVALID);
  CU_ASSERT_EQUAL(request.messages.size, before);
  mloom_chat_request_free(&request);
}

static const unit_test tests[] = {
    {"members", test_members}, {"left out", test_left_out},         {"answers and results", test_answers_and_results},
    {"prefix", test_prefix},   {"unknown role", test_unknown_role},
};
UNIT_MAIN("wire: chat requests", tests)
