/* SPDX-License-Identifier: Apache-2.0
 *
 * What providers that ask a service over HTTP share: wires behind one face, lists in parts, limits.
 */
#include "harness.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "wire/chat.h"
#include "wire/messages.h"
#include "wire/rate_limit.h"
#include "wire/responses.h"
#include "wire/service.h"

/* ---- A host whose settings are all unset, and a service ---- */

static int32_t no_setting(void *ctx, const mloom_settings *settings, const char *name, mloom_setting *out) {
  (void)ctx;
  (void)settings;
  (void)name;
  out->value = NULL;
  out->secret = NULL;
  return MLOOM_OK;
}

static const mloom_host host = {.size = sizeof(host), .setting_get = no_setting};

static const mloom_chat_options chat_options = {
    .stream = 1, .parallel_tool_calls = -1, .max_tokens_field = "max_tokens", .max_output_tokens = 500};
static const mloom_responses_options responses_options = {
    .stream = 1, .parallel_tool_calls = -1, .encrypted_reasoning = -1};
static const mloom_messages_options messages_options = {.send_model = 1, .stream = 1, .parallel_tool_calls = 1};

typedef struct instance {
  mloom_service service;
  mloom_authorization other;
  int refused;
} instance;

static int32_t configure(mloom_service *service, mloom_error *error) {
  static const char *const sources[] = {"static", NULL};
  int32_t status = mloom_service_set_base_url(service, "base_url", "https://service.example/v1//", error);
  mloom_service_strip_base_url(service, "/v1");
  mloom_service_set_authorization(service, sources, 0, "Authorization", "Bearer ");
  ((instance *)service)->other = service->authorization;
  service->probe.dialect = mloom_messages_dialect();
  return status == MLOOM_OK ? mloom_service_set_url(service, &service->probe, "/v1/models?limit=2", error) : status;
}

static int32_t set_route(mloom_service *service, const mloom_session_args *args, mloom_route *route,
                         mloom_error *error) {
  int is_claude = strncmp(args->model, "claude", 6) == 0;
  route->dialect = is_claude ? mloom_messages_dialect() : mloom_chat_dialect();
  route->options = is_claude ? (const void *)&messages_options : (const void *)&chat_options;
  mloom_route_add_json_headers(route, 1);
  mloom_route_add_header(route, "x-empty", "");
  return mloom_service_set_url(service, route, is_claude ? "/messages" : "/chat", error);
}

static const mloom_authorization *choose_authorization(mloom_service *service, const mloom_route *route) {
  instance *self = (instance *)service;
  return self->refused ? &self->other : route->authorization;
}

static int32_t explain(mloom_service *service, const char *model, int32_t code, mloom_error *error) {
  ((instance *)service)->refused = code == MLOOM_E_UNAUTHENTICATED;
  return mloom_service_set_remedy(error, MLOOM_E_DENIED, "look at %s", model);
}

static const mloom_service_type type = {.id = "test",
                                        .environment_prefix = "JCA_TEST_",
                                        .size = sizeof(instance),
                                        .configure = configure,
                                        .set_route = set_route,
                                        .choose_authorization = choose_authorization,
                                        .explain = explain,
                                        .page_member = "after_id"};

static instance *open_instance(void) {
  mloom_open_args args = {.size = sizeof(args), .host = &host};
  void *opened = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_service_open(&type, &args, &opened, NULL), MLOOM_OK);
  return opened;
}

/* ---- Sessions ---- */

static void test_session(void) {
  instance *self = open_instance();
  mloom_session_args args = {.size = sizeof(args), .model = "claude-x"};
  mloom_turn_args turn = {.size = sizeof(turn), .turn = 1, .attempt = 1};
  mloom_exchange exchange = {.size = sizeof(exchange)};
  mloom_message message = {.size = sizeof(message), .role = MLOOM_ROLE_USER, .text = {"hi", 2}};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = 401};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  void *session = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_service_session_new(self, &args, &session, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_service_append(session, &message, NULL), MLOOM_OK);
  message.role = 99;
  CU_ASSERT_EQUAL(mloom_service_append(session, &message, &error), MLOOM_E_UNSUPPORTED);
  UNIT_ASSERT_STRING(error.message, "test has no such message role");
  CU_ASSERT_EQUAL(mloom_service_prepare(session, &turn, &exchange, NULL), MLOOM_OK);
  UNIT_ASSERT_STRING(exchange.http->url, "https://service.example/messages");
  UNIT_ASSERT_STRING(exchange.authorization->audience, "https://service.example");
  CU_ASSERT_EQUAL(exchange.http->header_count, 2);
  CU_ASSERT_PTR_EQUAL(exchange.authorization, &self->service.authorization);
  /* The provider has the last word on what a refusal means, and on what is sent next. */
  CU_ASSERT_EQUAL(mloom_service_finish(session, &end, NULL, &result, &error), MLOOM_E_DENIED);
  UNIT_ASSERT_STRING(error.remedy, "look at claude-x");
  CU_ASSERT_EQUAL(error.code, MLOOM_E_DENIED);
  CU_ASSERT_EQUAL(mloom_service_prepare(session, &turn, &exchange, NULL), MLOOM_OK);
  CU_ASSERT_PTR_EQUAL(exchange.authorization, &self->other);
  mloom_service_session_free(session);
  mloom_service_close(self);
}

/* ---- Wires ---- */

#define EVENT(name, data) "event: " name "\ndata: " data "\n\n"

static const char chat_answer[] =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
static const char responses_answer[] =
    EVENT("response.created", "{\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}")
        EVENT("response.output_item.done",
              "{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"message\",\"role\":"
              "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"hi\"}]}}")
            EVENT("response.completed",
                  "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}");
static const char messages_answer[] = EVENT("message_start",
                                            "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1}}}")
    EVENT("content_block_start",
          "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}")
        EVENT("content_block_delta",
              "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}")
            EVENT("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}")
                EVENT("message_delta", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
                                       "{\"output_tokens\":1}}") EVENT("message_stop", "{\"type\":\"message_stop\"}");

static void append_body(mloom_buffer *out, const mloom_bytes *body, size_t count) {
  for (size_t i = 0; i < count; i++) {
    CU_ASSERT_EQUAL(mloom_buffer_append(out, body[i].data, body[i].size), MLOOM_OK);
  }
}

/* An answer is said to be whole with its terminal event, and not before; then it is a part of the conversation. */
static void test_wires(void) {
  const struct {
    const mloom_dialect *dialect;
    const void *options;
    const char *answer;
    const char *limit; /* of output tokens, in the body */
  } cases[] = {
      {mloom_chat_dialect(), &chat_options, chat_answer, "\"max_tokens\":100"},
      {mloom_responses_dialect(), &responses_options, responses_answer, "\"max_output_tokens\":100"},
      {mloom_messages_dialect(), &messages_options, messages_answer, "\"max_tokens\":100"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const mloom_dialect *dialect = cases[i].dialect;
    void *state = calloc(1, dialect->state_size);
    mloom_session_args args = {.size = sizeof(args), .model = "m", .max_output_tokens = 100};
    mloom_message message = {.size = sizeof(message), .role = MLOOM_ROLE_USER, .text = {"ask", 3}};
    mloom_service_names names = {.model = "m", .base_url = "b", .models_url = "l", .environment_prefix = "P_"};
    mloom_exchange_end end = {.size = sizeof(end), .http_status = 200};
    mloom_turn_result result = {.size = sizeof(result)};
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
    const mloom_bytes *body = NULL;
    size_t count = 0;
    CU_ASSERT_EQUAL_FATAL(dialect->begin(state, cases[i].options, &args), MLOOM_OK);
    CU_ASSERT_EQUAL(dialect->append(state, &message), MLOOM_OK);
    CU_ASSERT_EQUAL(dialect->prepare(state, &body, &count), MLOOM_OK);
    append_body(&text, body, count);
    CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&text), cases[i].limit));
    size_t size = strlen(cases[i].answer);
    for (size_t at = 0; at < size; at++) {
      int32_t expected = at + 1 < size ? MLOOM_OK : MLOOM_COMPLETE;
      CU_ASSERT_EQUAL(dialect->feed(state, cases[i].answer + at, 1, NULL, NULL), expected);
    }
    CU_ASSERT_EQUAL(dialect->feed(state, "\n", 1, NULL, NULL), MLOOM_COMPLETE);
    end.outcome = MLOOM_E_TIMEOUT; /* whatever the connection does after it */
    CU_ASSERT_EQUAL(dialect->finish(state, &end, 1, &names, NULL, &result, NULL), MLOOM_OK);
    CU_ASSERT_EQUAL(dialect->prepare(state, &body, &count), MLOOM_OK);
    mloom_buffer_clear(&text);
    append_body(&text, body, count);
    CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&text), "\"assistant\""));
    dialect->end(state);
    free(state);
  }
}

/* ---- Lists in parts ---- */

static void count_model(const char *id, const char *title, uint64_t context_tokens, void *userdata) {
  mloom_buffer *seen = userdata;
  CU_ASSERT_EQUAL(mloom_buffer_append_format(seen, "%s=%s/%llu ", id, title, (unsigned long long)context_tokens),
                  MLOOM_OK);
}

static int32_t answer(instance *self, uint32_t kind, const char *body, mloom_buffer *seen) {
  mloom_probe_sink sink = {.size = sizeof(sink), .userdata = seen, .model = count_model};
  return mloom_service_probe_result(self, kind, 200, body, strlen(body), &sink, NULL);
}

static const char *asked(instance *self, uint32_t flags) {
  mloom_exchange exchange = {.size = sizeof(exchange), .flags = flags};
  return mloom_service_probe(self, MLOOM_PROBE_MODELS, &exchange, NULL) == MLOOM_OK ? exchange.http->url : NULL;
}

static void test_pages(void) {
  instance *self = open_instance();
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer seen = MLOOM_BUFFER_INIT;
  const char *first = "https://service.example/v1/models?limit=2";
  CU_ASSERT_PTR_NULL(asked(self, MLOOM_EXCHANGE_NEXT));
  UNIT_ASSERT_STRING(asked(self, 0), first);
  CU_ASSERT_EQUAL(answer(self, MLOOM_PROBE_MODELS,
                         "{\"has_more\":true,\"data\":[{\"id\":\"a\",\"display_name\":\"A\",\"max_input_tokens\":7}],"
                         "\"last_id\":\"a/1 &\"}",
                         &seen),
                  MLOOM_MORE);
  UNIT_ASSERT_STRING(asked(self, MLOOM_EXCHANGE_NEXT),
                     "https://service.example/v1/models?limit=2&after_id=a%2F1%20%26");
  CU_ASSERT_EQUAL(answer(self, MLOOM_PROBE_MODELS, "{\"data\":[{\"id\":\"b\"}],\"has_more\":false}", &seen), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&seen), "a=A/7 b=b/0 ");
  /* A part that says the same again would go on for ever. */
  UNIT_ASSERT_STRING(asked(self, 0), first);
  CU_ASSERT_EQUAL(answer(self, MLOOM_PROBE_MODELS, "{\"data\":[],\"has_more\":true,\"last_id\":\"x\"}", &seen),
                  MLOOM_MORE);
  CU_ASSERT_EQUAL(answer(self, MLOOM_PROBE_MODELS, "{\"data\":[],\"has_more\":true,\"last_id\":\"x\"}", &seen),
                  MLOOM_OK);
  /* An id that is none, and a probe that wants to know something else. */
  CU_ASSERT_EQUAL(answer(self, MLOOM_PROBE_MODELS, "{\"data\":[],\"has_more\":true,\"last_id\":null}", &seen),
                  MLOOM_OK);
  CU_ASSERT_EQUAL(answer(self, MLOOM_PROBE_MODELS, "{\"data\":[],\"has_more\":true,\"last_id\":\"a\\u0000\"}", &seen),
                  MLOOM_OK);
  CU_ASSERT_EQUAL(answer(self, MLOOM_PROBE_REACH, "{\"data\":[],\"has_more\":true,\"last_id\":\"y\"}", &seen),
                  MLOOM_OK);
  /* A new list begins at its beginning. */
  UNIT_ASSERT_STRING(asked(self, 0), first);
  CU_ASSERT_PTR_NULL(asked(self, MLOOM_EXCHANGE_NEXT));
  mloom_service_close(self);
}

/* ---- Limits ---- */

typedef struct limits_seen {
  char text[256];
  char name[16];
  int count;
} limits_seen;

static void take_event(const mloom_event *event, void *userdata) {
  limits_seen *seen = userdata;
  CU_ASSERT_EQUAL(event->kind, MLOOM_EVENT_RATE_LIMIT);
  snprintf(seen->text, sizeof(seen->text), "%.*s", (int)event->text.size, event->text.data);
  snprintf(seen->name, sizeof(seen->name), "%.*s", (int)event->name.size, event->name.data);
  seen->count++;
}

static void test_limits(void) {
  static const struct {
    const char *headers[14]; /* names and values */
    const char *text;
    const char *name;
  } cases[] = {
      {{"x-ratelimit-limit-requests", "60", "X-RateLimit-Remaining-Requests", "59", "x-ratelimit-reset-requests", "1s",
        "x-ratelimit-limit-tokens", "150000", "x-ratelimit-remaining-tokens", "149984"},
       "requests 59 of 60 left, reset 1s; tokens 149984 of 150000 left",
       ""},
      {{"anthropic-ratelimit-input-tokens-limit", "50000", "anthropic-ratelimit-input-tokens-remaining", "5000",
        "anthropic-ratelimit-input-tokens-reset", "2026-11-23T00:00:00Z"},
       "input-tokens 5000 of 50000 left, reset 2026-11-23T00:00:00Z",
       "low"},
      {{"x-ratelimit-remaining-requests", "0"}, "requests 0 left", "low"},
      {{"x-ratelimit-limit-tokens", "9"}, "tokens at most 9", ""},
      {{"x-ratelimit-remaining-tokens", "many", "x-ratelimit-remaining-", "1", "x-ratelimit-", "1", "ratelimit", "1",
        "x-ratelimit-reset-tokens", "a\x1b[0m", "x-ratelimit-remaining-a-kind-with-a-very-long-name", "1"},
       "",
       ""},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_rate_limits limits = {.count = 0};
    limits_seen seen = {.count = 0};
    mloom_event_sink sink = {.size = sizeof(sink), .userdata = &seen, .event = take_event};
    for (size_t j = 0; j + 1 < 14 && cases[i].headers[j] != NULL; j += 2) {
      mloom_rate_limits_take(&limits, cases[i].headers[j], cases[i].headers[j + 1]);
    }
    CU_ASSERT_EQUAL(mloom_rate_limits_emit(&limits, &sink), MLOOM_OK);
    CU_ASSERT_EQUAL(mloom_rate_limits_emit(&limits, &sink), MLOOM_OK);
    UNIT_ASSERT_STRING(seen.text, cases[i].text);
    UNIT_ASSERT_STRING(seen.name, cases[i].name);
    CU_ASSERT_EQUAL(seen.count, cases[i].text[0] == '\0' ? 0 : 1);
  }
  mloom_rate_limits many = {.count = 0};
  for (int i = 0; i < 100; i++) {
    char name[64];
    snprintf(name, sizeof(name), "x-ratelimit-remaining-%d", i);
    mloom_rate_limits_take(&many, name, "1");
  }
  CU_ASSERT_EQUAL(many.count, MLOOM_RATE_LIMIT_KINDS);
}

static const unit_test tests[] = {
    {"sessions", test_session},
    {"wires end with their terminal event", test_wires},
    {"lists in parts", test_pages},
    {"limits in headers", test_limits},
};
UNIT_MAIN("service", tests)
