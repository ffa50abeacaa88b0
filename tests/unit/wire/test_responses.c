/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of the Responses API, each fed whole and one byte at a time, and what of them is sent back.
 */
#include "harness.h"

#include <stdlib.h>

#include "answer_record.h"
#include "base/error.h"
#include "base/json.h"
#include "wire/responses.h"

static const mloom_service_names service = {.model = "model-1",
                                            .base_url = "http://service/v1",
                                            .models_url = "http://service/v1/models",
                                            .environment_prefix = "JCA_OPENAI_",
                                            .operation = "/responses"};

typedef struct reply {
  record said;
  mloom_buffer echo; /* the items that are sent back */
  int32_t code;
  mloom_turn_result result;
  mloom_error error;
} reply;

static void reply_free(reply *seen) {
  record_free(&seen->said);
  mloom_buffer_free(&seen->echo);
}

static void echo(reply *seen, const mloom_responses_answer *answer) {
  mloom_responses_request request;
  mloom_responses_options options = {.stream = 1, .parallel_tool_calls = -1, .encrypted_reasoning = -1};
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  CU_ASSERT_EQUAL_FATAL(mloom_responses_request_init(&request, &options, "m", &args), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_responses_request_append_answer(&request, answer), MLOOM_OK);
  mloom_buffer_append(&seen->echo, mloom_buffer_string(&request.items), request.items.size);
  mloom_responses_request_free(&request);
}

/* A step of 0: byte by byte, and without the template of the event before. */
static void decode(reply *seen, const char *body, size_t step, int32_t status) {
  size_t size = strlen(body);
  int forget = step == 0;
  mloom_responses_decoder decoder;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = &seen->said, .event = record_event};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = status};
  step = forget ? 1 : step;
  memset(seen, 0, sizeof(*seen));
  seen->result.size = sizeof(seen->result);
  seen->error = (mloom_error)MLOOM_ERROR_INIT;
  mloom_responses_decoder_init(&decoder);
  mloom_responses_decoder_reset(&decoder);
  for (size_t at = 0; seen->code == MLOOM_OK && at < size; at += step) {
    /* A copy of its own for each piece, so that reading past it is seen by the sanitizer. */
    size_t piece = size - at < step ? size - at : step;
    char *copy = malloc(piece);
    memcpy(copy, body + at, piece);
    if (forget) {
      mloom_pieces_forget(&decoder.pieces);
    }
    seen->code = mloom_responses_decoder_feed(&decoder, copy, piece, &sink, &seen->error);
    free(copy);
  }
  if (seen->code == MLOOM_OK) {
    seen->code = mloom_responses_decoder_finish(&decoder, &end, 7, &service, &sink, &seen->result, &seen->error);
  }
  if (seen->code == MLOOM_OK) {
    echo(seen, &decoder.answer);
  }
  mloom_responses_decoder_free(&decoder);
}

#define EVENT(type, more) "event: " type "\ndata: {\"type\":\"" type "\"," more "}\n\n"
#define CREATED EVENT("response.created", "\"response\":{\"status\":\"in_progress\",\"output\":[]}")
#define ADDED(index, item) EVENT("response.output_item.added", "\"output_index\":" #index ",\"item\":" item)
#define ITEM(index, item) EVENT("response.output_item.done", "\"output_index\":" #index ",\"item\":" item)
#define TEXT(index, t) EVENT("response.output_text.delta", "\"output_index\":" #index ",\"delta\":\"" t "\"")
#define PIECE(kind, number, index, t, padding)                                                                 \
  EVENT("response." kind ".delta", "\"sequence_number\":" #number ",\"output_index\":" index ",\"delta\":\"" t \
                                   "\",\"logprobs\":[],\"obfuscation\":\"" padding "\"")
#define COMPLETED(output) EVENT("response.completed", "\"response\":{\"status\":\"completed\",\"output\":" output "}")
#define MESSAGE(t)                                                                          \
  "{\"type\":\"message\",\"id\":\"msg_1\",\"role\":\"assistant\",\"phase\":\"commentary\"," \
  "\"content\":[{\"type\":\"output_text\",\"text\":\"" t "\"}]}"
#define CALL(id, arguments)                                            \
  "{\"type\":\"function_call\",\"id\":\"fc_" id "\",\"call_id\":\"" id \
  "\",\"name\":\"add\",\"arguments\":\"" arguments "\"}"
#define REASONING(encrypted) \
  "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"Hm.\"}]" encrypted "}"
#define REASONING_ECHO(encrypted) \
  "{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"Hm.\"}]" encrypted "}"
#define ENCRYPTED ",\"encrypted_content\":\"abc\""
#define SEARCH "{\"type\":\"brand_new\",\"id\":\"bn_1\",\"payload\":{\"deep\":[1,null,\"x\"]}}"
#define CALL_NO_ID(id, arguments) \
  "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"add\",\"arguments\":\"" arguments "\"}"

typedef struct response_case {
  const char *name;
  const char *body;
  int32_t code;
  const char *text;
  const char *reasoning;
  const char *calls;
  uint32_t stop;
  const char *echo;
} response_case;

static const response_case answers[] = {
    {"text in pieces",
     CREATED ADDED(0, "{\"type\":\"message\",\"id\":\"msg_1\"}") TEXT(0, "Hel") TEXT(0, "lo") ITEM(0, MESSAGE("Hello"))
         COMPLETED("[]"),
     MLOOM_OK, "Hello", "", "", MLOOM_STOP_END, MESSAGE("Hello")},
    {"pieces with numbers and padding, of two items in turn",
     CREATED PIECE("output_text", 1, "0", "a", "xyz") PIECE("output_text", 2, "0", "\\n", "")
         PIECE("output_text", 13, "0", "", "q") PIECE("output_text", 14, "0", "b", "q")
             PIECE("reasoning_text", 15, "1", "h", "q") PIECE("reasoning_text", 16, "1", "m", "qr")
                 PIECE("output_text", 17, "0", "c", "q") ITEM(0, MESSAGE("a")) PIECE("output_text", 18, "0", "d", "q")
                     ITEM(1, SEARCH) COMPLETED("[]"),
     MLOOM_OK, "a\nbc", "hm", "", MLOOM_STOP_END, MESSAGE("a") "," SEARCH},
    {"the number of the second piece is broken",
     CREATED PIECE("output_text", 1, "0", "a", "xyz") PIECE("output_text", 02, "0", "b", "xyz") COMPLETED("[]"),
     MLOOM_E_PROTOCOL, "a", "", "", 0, ""},
    {"the end of the second event is broken",
     CREATED TEXT(
         0,
         "a") "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"b\"]\n\n" COMPLETED("[]"),
     MLOOM_E_PROTOCOL, "a", "", "", 0, ""},
    {"no deltas: the item is shown", CREATED ITEM(0, MESSAGE("Hello")) COMPLETED("[]") "data: [DONE]\n\n", MLOOM_OK,
     "Hello", "", "", MLOOM_STOP_END, MESSAGE("Hello")},
    {"items are sent back in their order, reasoning without id",
     CREATED ITEM(0, REASONING(ENCRYPTED)) ITEM(1, MESSAGE("I add.")) ITEM(2, SEARCH) ITEM(3, CALL("c1", "{}"))
         ITEM(4, CALL("c2", "{\\\"a\\\":1}")) COMPLETED("[]"),
     MLOOM_OK, "I add.", "Hm.", "c1:add:{};c2:add:{\"a\":1};", MLOOM_STOP_TOOL_CALLS,
     REASONING_ECHO(ENCRYPTED) "," MESSAGE("I add.") "," SEARCH "," CALL("c1", "{}") "," CALL("c2", "{\\\"a\\\":1}")},
    {"items done in another order", CREATED ITEM(1, CALL("c1", "{}")) ITEM(0, REASONING(ENCRYPTED)) COMPLETED("[]"),
     MLOOM_OK, "", "Hm.", "c1:add:{};", MLOOM_STOP_TOOL_CALLS, REASONING_ECHO(ENCRYPTED) "," CALL("c1", "{}")},
    {"encrypted content that comes only at the end",
     CREATED ITEM(0, REASONING("")) ITEM(1, CALL("c1", "{}"))
         COMPLETED("[" REASONING(ENCRYPTED) "," CALL("c1", "{}") "]"),
     MLOOM_OK, "", "Hm.", "c1:add:{};", MLOOM_STOP_TOOL_CALLS, REASONING_ECHO(ENCRYPTED) "," CALL("c1", "{}")},
    {"reasoning without encrypted content is not sent back, nor ids that stand for it",
     CREATED ITEM(0, REASONING("")) ITEM(1, CALL("c1", "{}")) COMPLETED("[]"), MLOOM_OK, "", "Hm.", "c1:add:{};",
     MLOOM_STOP_TOOL_CALLS, CALL_NO_ID("c1", "{}")},
    {"items only at the end", CREATED COMPLETED("[" MESSAGE("Hello") "," CALL("c1", "{}") "]"), MLOOM_OK, "Hello", "",
     "c1:add:{};", MLOOM_STOP_TOOL_CALLS, MESSAGE("Hello") "," CALL("c1", "{}")},
    {"whole document",
     "{\"object\":\"response\",\"status\":\"completed\",\"error\":null,\"output\":[" MESSAGE("Hi") "]}", MLOOM_OK, "Hi",
     "", "", MLOOM_STOP_END, MESSAGE("Hi")},
    {"length: calls are not run and not sent back",
     CREATED ITEM(0, MESSAGE("Lo")) ITEM(1, CALL("c1", "{\\\"a"))
         EVENT("response.incomplete",
               "\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}"),
     MLOOM_OK, "Lo", "", "", MLOOM_STOP_LENGTH, MESSAGE("Lo")},
    {"content filter",
     CREATED EVENT("response.incomplete",
                   "\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"}}"),
     MLOOM_OK, "", "", "", MLOOM_STOP_REFUSED, ""},
    {"refusal",
     CREATED ITEM(
         0, "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"No.\"}]}")
         COMPLETED("[]"),
     MLOOM_OK, "No.", "", "", MLOOM_STOP_REFUSED,
     "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"No.\"}]}"},
    {"call without id",
     CREATED ITEM(0, "{\"type\":\"function_call\",\"name\":\"add\",\"arguments\":\"\"}") COMPLETED("[]"), MLOOM_OK, "",
     "", "call_7_1:add:{};", MLOOM_STOP_TOOL_CALLS,
     "{\"type\":\"function_call\",\"name\":\"add\",\"arguments\":\"\",\"call_id\":\"call_7_1\"}"},
    {"no terminal event", CREATED TEXT(0, "Hel") ITEM(0, MESSAGE("Hello")), MLOOM_E_PROTOCOL, "Hel", "", "", 0, ""},
    {"[DONE] is no terminal event", CREATED ITEM(0, MESSAGE("Hello")) "data: [DONE]\n\n", MLOOM_E_PROTOCOL, "Hello", "",
     "", 0, ""},
    {"ended within an item", CREATED ADDED(0, CALL("c1", "")) COMPLETED("[]"), MLOOM_E_PROTOCOL, "", "", "", 0, ""},
    {"malformed event", CREATED "data: {\"type\":\n\n" COMPLETED("[]"), MLOOM_E_PROTOCOL, "", "", "", 0, ""},
    {"web page", "<html>x</html>", MLOOM_E_PROTOCOL, "", "", "", 0, ""},
    {"nothing", "", MLOOM_E_PROTOCOL, "", "", "", 0, ""},
    {"chat completion", "{\"object\":\"chat.completion\",\"choices\":[]}", MLOOM_E_PROTOCOL, "", "", "", 0, ""},
};

static void test_answers(void) {
  for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
    static const size_t steps[] = {0, 1, 7, 1000000};
    for (size_t s = 0; s < 4; s++) {
      const response_case *expected = &answers[i];
      reply seen;
      decode(&seen, expected->body, steps[s], 200);
      if (seen.code != expected->code || seen.result.stop != expected->stop) {
        fprintf(stderr, "%s: code %d, stop %u: %s\n", expected->name, (int)seen.code, (unsigned)seen.result.stop,
                seen.error.message);
      }
      CU_ASSERT_EQUAL(seen.code, expected->code);
      CU_ASSERT_EQUAL(seen.result.stop, expected->stop);
      UNIT_ASSERT_STRING(mloom_buffer_string(&seen.said.text), expected->text);
      UNIT_ASSERT_STRING(mloom_buffer_string(&seen.said.reasoning), expected->reasoning);
      UNIT_ASSERT_STRING(mloom_buffer_string(&seen.said.calls), expected->calls);
      UNIT_ASSERT_STRING(mloom_buffer_string(&seen.echo), expected->echo);
      reply_free(&seen);
    }
  }
}

typedef struct failure_case {
  const char *name;
  int32_t status;
  const char *body;
  int32_t code;
  uint32_t retryable;
  int64_t wait_ms;
} failure_case;

#define FAILED(code, message)      \
  CREATED EVENT("response.failed", \
                "\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"" code "\",\"message\":\"" message "\"}}")

static const failure_case failures[] = {
    {"server error inside", 200, FAILED("server_error", "Sorry"), MLOOM_E_UNAVAILABLE, 1, -1},
    {"overloaded inside", 200, FAILED("server_is_overloaded", "Busy"), MLOOM_E_UNAVAILABLE, 1, -1},
    {"rate limit inside, seconds", 200, FAILED("rate_limit_exceeded", "Please try again in 1.898s. Visit"),
     MLOOM_E_RATE_LIMITED, 1, 1898},
    {"rate limit inside, milliseconds", 200, FAILED("rate_limit_exceeded", "try again in 28ms"), MLOOM_E_RATE_LIMITED,
     1, 28},
    {"rate limit, words", 429,
     "{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"Try again in 35 seconds.\"}}", MLOOM_E_RATE_LIMITED, 1,
     35000},
    {"rate limit, words of Azure", 429,
     "{\"error\":{\"code\":\"429\",\"message\":\"Rate limit is exceeded. Please retry after 26 seconds.\"}}",
     MLOOM_E_RATE_LIMITED, 1, 26000},
    {"rate limit, another unit", 429, "{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"try again in 2h\"}}",
     MLOOM_E_RATE_LIMITED, 1, -1},
    {"quota", 429, "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"x\"}}", MLOOM_E_QUOTA, 0, -1},
    {"quota inside", 200, FAILED("insufficient_quota", "x"), MLOOM_E_QUOTA, 0, -1},
    {"usage limit", 429, "{\"error\":{\"type\":\"usage_limit_reached\",\"message\":\"x\",\"resets_at\":1}}",
     MLOOM_E_QUOTA, 0, -1},
    {"plan without it", 429, "{\"error\":{\"type\":\"usage_not_included\",\"message\":\"x\"}}", MLOOM_E_QUOTA, 0, -1},
    {"context inside", 200, FAILED("context_length_exceeded", "Too long"), MLOOM_E_CONTEXT_FULL, 0, -1},
    {"context", 400, "{\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"x\"}}", MLOOM_E_CONTEXT_FULL, 0,
     -1},
    {"prompt against the policy", 400,
     "{\"error\":{\"code\":\"invalid_prompt\",\"message\":\"flagged as potentially violating our usage policy\"}}",
     MLOOM_E_REFUSED, 0, -1},
    {"policy", 400, "{\"error\":{\"code\":\"cyber_policy\",\"message\":\"x\"}}", MLOOM_E_REFUSED, 0, -1},
    {"key", 401, "{\"error\":{\"code\":\"invalid_api_key\",\"message\":\"x\"}}", MLOOM_E_UNAUTHENTICATED, 0, -1},
    {"model", 404, "{\"error\":{\"code\":\"model_not_found\",\"message\":\"x\"}}", MLOOM_E_NOT_FOUND, 0, -1},
    {"bare error event", 200,
     CREATED "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"x\",\"param\":null}\n\n",
     MLOOM_E_UNAVAILABLE, 1, -1},
    {"error object in a stream", 200, "data: {\"error\":{\"message\":\"x\",\"code\":\"invalid_prompt\"}}\n\n",
     MLOOM_E_INVALID, 0, -1},
};

static void test_failures(void) {
  for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
    static const size_t steps[] = {1, 1000000};
    for (size_t s = 0; s < 2; s++) {
      const failure_case *expected = &failures[i];
      reply seen;
      decode(&seen, expected->body, steps[s], expected->status);
      if (seen.code != expected->code || seen.error.retryable != expected->retryable ||
          seen.error.retry_after_ms != expected->wait_ms) {
        fprintf(stderr, "%s: code %d, retryable %u, wait %lld: %s\n", expected->name, (int)seen.code,
                (unsigned)seen.error.retryable, (long long)seen.error.retry_after_ms, seen.error.message);
      }
      CU_ASSERT_EQUAL(seen.code, expected->code);
      CU_ASSERT_EQUAL(seen.error.retryable, expected->retryable);
      CU_ASSERT_EQUAL(seen.error.retry_after_ms, expected->wait_ms);
      reply_free(&seen);
    }
  }
}

static void test_usage(void) {
  reply seen;
  decode(&seen,
         CREATED ITEM(0, MESSAGE("x"))
             EVENT("response.completed",
                   "\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":100,\"input_tokens_details\":{"
                   "\"cached_tokens\":80,\"cache_write_tokens\":5},\"output_tokens\":30,\"output_tokens_details\":{"
                   "\"reasoning_tokens\":20},\"total_tokens\":130}}"),
         1, 200);
  CU_ASSERT_EQUAL(seen.said.usage.input_tokens, 100);
  CU_ASSERT_EQUAL(seen.said.usage.cached_input_tokens, 80);
  CU_ASSERT_EQUAL(seen.said.usage.cache_write_tokens, 5);
  CU_ASSERT_EQUAL(seen.said.usage.output_tokens, 30);
  CU_ASSERT_EQUAL(seen.said.usage.reasoning_tokens, 20);
  reply_free(&seen);
}

/* ---- Requests ---- */

static void body_of(mloom_responses_request *request, mloom_buffer *out, size_t *fixed) {
  size_t count = 0;
  const mloom_bytes *segments = mloom_responses_request_segments(request, &count);
  mloom_buffer_clear(out);
  for (size_t i = 0; i < count; i++) {
    mloom_buffer_append(out, segments[i].data, segments[i].size);
    if (i + 2 == count) {
      *fixed = out->size;
    }
  }
}

static int32_t append_message(mloom_responses_request *request, uint32_t role, const char *text, uint32_t flags) {
  mloom_message message = {.size = sizeof(message),
                           .flags = flags,
                           .role = role,
                           .text = {text, strlen(text)},
                           .tool_call_id = "c1",
                           .tool_name = "add"};
  return mloom_responses_request_append(request, &message);
}

static void test_members(void) {
  static const mloom_tool tool = {.size = sizeof(tool), .name = "add", .description = "Adds", .parameters = {"{}", 2}};
  static const mloom_tool *const tools[] = {&tool};
  mloom_responses_request request;
  mloom_responses_options given = {.stream = 1,
                                   .parallel_tool_calls = 1,
                                   .max_output_tokens = 500,
                                   .reasoning_effort = "low",
                                   .reasoning_summary = "auto",
                                   .verbosity = "high",
                                   .service_tier = "flex",
                                   .prompt_cache = 1,
                                   .encrypted_reasoning = -1};
  mloom_session_args args = {.size = sizeof(args),
                             .session_id = "job-1",
                             .model = "m",
                             .instructions = {"Be brief.", 9},
                             .tools = tools,
                             .tool_count = 1};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  size_t fixed = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_responses_request_init(&request, &given, "m", &args), MLOOM_OK);
  CU_ASSERT_EQUAL(append_message(&request, MLOOM_ROLE_USER, "hi\"", 0), MLOOM_OK);
  CU_ASSERT_EQUAL(append_message(&request, MLOOM_ROLE_TOOL_RESULT, "", 0), MLOOM_OK);
  CU_ASSERT_EQUAL(append_message(&request, MLOOM_ROLE_TOOL_RESULT, "no", MLOOM_MESSAGE_ERROR), MLOOM_OK);
  CU_ASSERT_EQUAL(append_message(&request, 99, "x", 0), MLOOM_E_INVALID);
  body_of(&request, &body, &fixed);
  UNIT_ASSERT_STRING(
      body.data,
      "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
      "\"max_output_tokens\":500,\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"},\"text\":{\"verbosity\":"
      "\"high\"},"
      "\"service_tier\":\"flex\",\"prompt_cache_key\":\"job-1\",\"instructions\":\"Be brief.\",\"tools\":[{\"type\":"
      "\"function\",\"name\":\"add\",\"description\":\"Adds\",\"parameters\":{},\"strict\":false}],\"tool_choice\":"
      "\"auto\","
      "\"parallel_tool_calls\":true,\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":"
      "\"input_text\",\"text\":\"hi\\\"\"}]},{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":"
      "\"(no output)\"},{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"Error: no\"}]}");
  mloom_responses_request_free(&request);
}

static int asks_for_reasoning(const char *model, int encrypted_reasoning) {
  mloom_responses_request request;
  mloom_responses_options given = {.stream = 1, .encrypted_reasoning = encrypted_reasoning};
  mloom_session_args args = {.size = sizeof(args)};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  size_t fixed = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_responses_request_init(&request, &given, model, &args), MLOOM_OK);
  body_of(&request, &body, &fixed);
  mloom_responses_request_free(&request);
  return strstr(body.data, "encrypted_content") != NULL;
}

/* The service refuses to be asked for the reasoning of models that do not reason. */
static void test_models_that_do_not_reason(void) {
  static const char *const models[] = {"gpt-4.1-mini", "gpt-4o", "openai/gpt-4o", "gpt-5.2-chat-latest", "chatgpt-4o"};
  for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
    CU_ASSERT_FALSE(asks_for_reasoning(models[i], -1));
    CU_ASSERT(asks_for_reasoning(models[i], 1));
  }
  CU_ASSERT(asks_for_reasoning("gpt-5.3-codex", -1));
  CU_ASSERT(asks_for_reasoning("o4-mini", -1));
  CU_ASSERT_FALSE(asks_for_reasoning("my-deployment", 0));
}

/* The body of turn N is a byte prefix of that of turn N + 1 up to the closing part. */
static void test_prefix(void) {
  mloom_responses_request request;
  mloom_responses_options given = {.stream = 1, .parallel_tool_calls = -1, .encrypted_reasoning = -1};
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer before = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer after = MLOOM_BUFFER_INIT;
  size_t fixed_before = 0;
  size_t fixed_after = 0;
  mloom_exchange_end end = {.size = sizeof(end), .http_status = 200};
  const char *body = CREATED ITEM(0, REASONING(ENCRYPTED)) ITEM(1, CALL("c1", "{}")) COMPLETED("[]");
  CU_ASSERT_EQUAL_FATAL(mloom_responses_request_init(&request, &given, "m", &args), MLOOM_OK);
  append_message(&request, MLOOM_ROLE_USER, "begin", 0);
  body_of(&request, &before, &fixed_before);
  mloom_responses_decoder decoder;
  mloom_responses_decoder_init(&decoder);
  for (uint64_t turn = 1; turn <= 100; turn++) {
    mloom_turn_result result = {.size = sizeof(result)};
    mloom_responses_decoder_reset(&decoder);
    mloom_responses_decoder_feed(&decoder, body, strlen(body), NULL, NULL);
    CU_ASSERT_EQUAL(mloom_responses_decoder_finish(&decoder, &end, turn, &service, NULL, &result, NULL), MLOOM_OK);
    CU_ASSERT_EQUAL(mloom_responses_request_append_answer(&request, &decoder.answer), MLOOM_OK);
    append_message(&request, MLOOM_ROLE_TOOL_RESULT, "2", 0);
    body_of(&request, &after, &fixed_after);
    CU_ASSERT_FATAL(fixed_after > fixed_before && memcmp(before.data, after.data, fixed_before) == 0);
    mloom_buffer_clear(&before);
    mloom_buffer_append(&before, after.data, after.size);
    fixed_before = fixed_after;
  }
  mloom_responses_decoder_free(&decoder);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  CU_ASSERT_EQUAL(mloom_json_parse(&json, after.data, after.size, "the body", &error), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_count(mloom_json_member(json, "input")), 301);
  mloom_responses_request_free(&request);
}

/* That it is used is told by what it does not do: keep the text of the third event. */
static void test_template_is_used(void) {
  static const char first[] = CREATED PIECE("output_text", 8, "0", "one", "abc");
  static const char second[] = PIECE("output_text", 9, "0", "two", "");
  static const char third[] = PIECE("output_text", 10, "0", "three", "q");
  mloom_responses_decoder decoder;
  mloom_responses_decoder_init(&decoder);
  CU_ASSERT_EQUAL(mloom_responses_decoder_feed(&decoder, first, sizeof(first) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_responses_decoder_feed(&decoder, second, sizeof(second) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_responses_decoder_feed(&decoder, third, sizeof(third) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&decoder.pieces.pattern.text), "two"));
  CU_ASSERT_EQUAL(decoder.malformed, 0);
  mloom_responses_decoder_free(&decoder);
}

static const unit_test tests[] = {{"answers", test_answers},
                                  {"failures", test_failures},
                                  {"usage", test_usage},
                                  {"members", test_members},
                                  {"prefix", test_prefix},
                                  {"a template is used", test_template_is_used},
                                  {"models that do not reason", test_models_that_do_not_reason}};
UNIT_MAIN("wire: responses", tests)
