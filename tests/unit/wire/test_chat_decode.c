/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers as weak servers give them, each fed whole and one byte at a time.
 */
#include "harness.h"

#include <stdlib.h>

#include "answer_record.h"
#include "base/error.h"
#include "wire/chat.h"

static const char *const tool_names[] = {"read_file", "edit_file", "list_files", "add", NULL};
static const mloom_service_names service = {.model = "model-1",
                                            .base_url = "http://service/v1",
                                            .models_url = "http://service/v1/models",
                                            .environment_prefix = "JCA_OPENAI_COMPATIBLE_"};

typedef struct outcome {
  int32_t code;
  mloom_turn_result result;
  mloom_error error;
} outcome;

/* forget: without the template of the event before. */
static outcome decode_with(record *seen, const char *body, size_t size, size_t step, int32_t status, int32_t ended,
                           int forget) {
  mloom_chat_decoder decoder;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = record_event};
  mloom_exchange_end end = {.size = sizeof(end), .outcome = ended, .http_status = status};
  outcome out = {.result = {.size = sizeof(out.result)}, .error = MLOOM_ERROR_INIT};
  memset(seen, 0, sizeof(*seen));
  mloom_chat_decoder_init(&decoder, tool_names);
  mloom_chat_decoder_reset(&decoder);
  out.code = MLOOM_OK;
  for (size_t at = 0; out.code == MLOOM_OK && at < size; at += step) {
    /* A copy of its own for each piece, so that reading past it is seen by the sanitizer. */
    size_t piece = size - at < step ? size - at : step;
    char *copy = malloc(piece);
    memcpy(copy, body + at, piece);
    if (forget) {
      mloom_pieces_forget(&decoder.pieces);
    }
    out.code = mloom_chat_decoder_feed(&decoder, copy, piece, &sink, &out.error);
    free(copy);
  }
  if (out.code == MLOOM_OK) {
    out.code = mloom_chat_decoder_finish(&decoder, &end, 7, &service, &sink, &out.result, &out.error);
  }
  mloom_chat_decoder_free(&decoder);
  return out;
}

static outcome decode(record *seen, const char *body, size_t size, size_t step, int32_t status, int32_t ended) {
  return decode_with(seen, body, size, step, status, ended, 0);
}

typedef struct stream_case {
  const char *name;
  const char *body;
  int32_t code;
  const char *text;
  const char *calls;
  uint32_t stop;
} stream_case;

#define TEXT(t) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"
#define CALLS(c) "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[" c "]}}]}\n\n"
#define FINISH(r) "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" r "\"}]}\n\n"
#define DONE "data: [DONE]\n\n"

static const stream_case streams[] = {
    {"plain text",
     "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n" TEXT("Hel")
         TEXT("lo") FINISH("stop") DONE,
     MLOOM_OK, "Hello", "", MLOOM_STOP_END},
    {"one call in pieces",
     CALLS("{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"read_file\",\"arguments\":\"\"}}")
         CALLS("{\"index\":0,\"function\":{\"arguments\":\"{\\\"path\\\":\"}}")
             CALLS("{\"index\":0,\"function\":{\"arguments\":\"\\\"a.c\\\"}\"}}") FINISH("tool_calls") DONE,
     MLOOM_OK, "", "c1:read_file:{\"path\":\"a.c\"};", MLOOM_STOP_TOOL_CALLS},
    {"null id, name and arguments in later deltas",
     CALLS("{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":null}}")
         CALLS("{\"index\":0,\"id\":null,\"type\":null,\"function\":{\"name\":null,\"arguments\":\"{\\\"a\\\":1}\"}}")
             CALLS("{\"index\":0,\"id\":null,\"function\":{\"name\":null,\"arguments\":null}}") FINISH("tool_calls")
                 DONE,
     MLOOM_OK, "", "c1:add:{\"a\":1};", MLOOM_STOP_TOOL_CALLS},
    {"name and id repeated in each delta",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"\"}}")
         CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":\"}}")
             CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"1}\"}}")
                 FINISH("tool_calls") DONE,
     MLOOM_OK, "", "c1:add:{\"a\":1};", MLOOM_STOP_TOOL_CALLS},
    {"name repeated without id",
     CALLS("{\"index\":0,\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":\"}}")
         CALLS("{\"index\":0,\"function\":{\"name\":\"add\",\"arguments\":\"1}\"}}")
             CALLS("{\"index\":0,\"function\":{\"name\":\"add\",\"arguments\":\"\"}}") FINISH("tool_calls") DONE,
     MLOOM_OK, "", "call_7_1:add:{\"a\":1};", MLOOM_STOP_TOOL_CALLS},
    {"a new id in each delta, without name",
     CALLS("{\"index\":0,\"id\":\"x1\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":\"}}")
         CALLS("{\"index\":0,\"id\":\"x2\",\"function\":{\"arguments\":\"1\"}}")
             CALLS("{\"index\":0,\"id\":\"x3\",\"function\":{\"arguments\":\"}\"}}") FINISH("tool_calls") DONE,
     MLOOM_OK, "", "x1:add:{\"a\":1};", MLOOM_STOP_TOOL_CALLS},
    {"index missing, two calls",
     CALLS("{\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":1}\"}}")
         CALLS("{\"id\":\"c2\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":\"}}")
             CALLS("{\"function\":{\"arguments\":\"2}\"}}") FINISH("stop") DONE,
     MLOOM_OK, "", "c1:add:{\"a\":1};c2:add:{\"a\":2};", MLOOM_STOP_TOOL_CALLS},
    {"index always 0, two calls with ids",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":1}\"}}")
         CALLS("{\"index\":0,\"id\":\"c2\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":2}\"}}")
             FINISH("tool_calls") DONE,
     MLOOM_OK, "", "c1:add:{\"a\":1};c2:add:{\"a\":2};", MLOOM_STOP_TOOL_CALLS},
    {"index always 0, no ids",
     CALLS("{\"index\":0,\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":1}\"}}")
         CALLS("{\"index\":0,\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":2}\"}}") FINISH("stop") DONE,
     MLOOM_OK, "", "call_7_1:add:{\"a\":1};call_7_2:add:{\"a\":2};", MLOOM_STOP_TOOL_CALLS},
    {"two calls in one delta, interleaved afterwards",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\"}},{\"index\":1,\"id\":\"c2\",\"function\":{"
           "\"name\":\"read_file\"}}") CALLS("{\"index\":1,\"function\":{\"arguments\":\"{\\\"b\\\"\"}}")
         CALLS("{\"index\":0,\"function\":{\"arguments\":\"{}\"}}")
             CALLS("{\"index\":1,\"function\":{\"arguments\":\":2}\"}}") FINISH("tool_calls") DONE,
     MLOOM_OK, "", "c1:add:{};c2:read_file:{\"b\":2};", MLOOM_STOP_TOOL_CALLS},
    {"the same id for two calls",
     CALLS("{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"add\",\"arguments\":\"{}\"}}")
         CALLS("{\"index\":1,\"id\":\"c\",\"function\":{\"name\":\"read_file\",\"arguments\":\"{}\"}}")
             FINISH("tool_calls") DONE,
     MLOOM_OK, "", "c:add:{};call_7_2:read_file:{};", MLOOM_STOP_TOOL_CALLS},
    {"arguments as an object",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":{\"a\":[1,2]}}}") FINISH("stop")
         DONE,
     MLOOM_OK, "", "c1:add:{\"a\":[1,2]};", MLOOM_STOP_TOOL_CALLS},
    {"arguments empty",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"list_files\",\"arguments\":\"\"}}") FINISH("tool_calls")
         DONE,
     MLOOM_OK, "", "c1:list_files:{};", MLOOM_STOP_TOOL_CALLS},
    {"arguments as a string in a string",
     CALLS(
         "{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"\\\"{\\\\\\\"a\\\\\\\":1}\\\"\"}}")
         FINISH("tool_calls") DONE,
     MLOOM_OK, "", "c1:add:{\"a\":1};", MLOOM_STOP_TOOL_CALLS},
    {"everything sent once more at the end",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":1}\"}}")
         CALLS("{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}") FINISH("tool_calls") DONE,
     MLOOM_OK, "", "c1:add:{\"a\":1};", MLOOM_STOP_TOOL_CALLS},
    {"a name in pieces",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"read_\"}}")
         CALLS("{\"index\":0,\"function\":{\"name\":\"file\"}}")
             CALLS("{\"index\":0,\"function\":{\"arguments\":\"{}\"}}") FINISH("tool_calls") DONE,
     MLOOM_OK, "", "c1:read_file:{};", MLOOM_STOP_TOOL_CALLS},
    {"legacy function_call",
     "data: {\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"add\",\"arguments\":\"\"}}}]}\n\n"
     "data: {\"choices\":[{\"delta\":{\"function_call\":{\"arguments\":\"{\\\"a\\\":1}\"}}}]}\n\n" FINISH(
         "function_call") DONE,
     MLOOM_OK, "", "call_7_1:add:{\"a\":1};", MLOOM_STOP_TOOL_CALLS},
    {"no [DONE]", TEXT("hi") FINISH("stop"), MLOOM_OK, "hi", "", MLOOM_STOP_END},
    {"[DONE] without finish_reason", TEXT("hi") DONE, MLOOM_OK, "hi", "", MLOOM_STOP_END},
    {"neither: cut", TEXT("hi"), MLOOM_E_PROTOCOL, "hi", "", 0},
    {"cut inside an event", TEXT("hi") "data: {\"choices\":[{\"delta\":{\"content\":\"th", MLOOM_E_PROTOCOL, "hi", "",
     0},
    {"cut after finish_reason, inside [DONE]", TEXT("hi") FINISH("stop") "data: [DO", MLOOM_OK, "hi", "",
     MLOOM_STOP_END},
    {"cut inside a call",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\"\"}}"),
     MLOOM_E_PROTOCOL, "", "", 0},
    {"only [DONE]", DONE, MLOOM_E_PROTOCOL, "", "", 0},
    {"only comments", ": ping\n\n: ping\n\n", MLOOM_E_PROTOCOL, "", "", 0},
    {"empty", "", MLOOM_E_PROTOCOL, "", "", 0},
    {"usage chunk without choices, usage null before",
     "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}\n\n" FINISH(
         "stop") "data: "
                 "{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14}}"
                 "\n\n" DONE,
     MLOOM_OK, "x", "", MLOOM_STOP_END},
    {"chunks without choices or delta",
     "data: {\"prompt_filter_results\":[],\"choices\":[]}\n\ndata: {\"id\":\"x\"}\n\n"
     "data: {\"choices\":[{\"index\":0,\"finish_reason\":null,\"content_filter_offsets\":{}}]}\n\n" TEXT("a")
         FINISH("stop") DONE,
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"content null and empty finish_reason",
     "data: {\"choices\":[{\"delta\":{\"content\":null},\"finish_reason\":\"\"}]}\n\n" TEXT(
         "a") "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}\n\n",
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"content in parts",
     "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":"
     "\"hm\"}]},{\"type\":\"text\",\"text\":\"ok\"}]}}]}\n\n" FINISH("stop") DONE,
     MLOOM_OK, "ok", "", MLOOM_STOP_END},
    {"<think> stays in the text", TEXT("<think>a</think>b") FINISH("stop") DONE, MLOOM_OK, "<think>a</think>b", "",
     MLOOM_STOP_END},
    {"BOM, CRLF, comments and named events",
     "\xef\xbb\xbf: keep-alive\r\n\r\nevent: message\r\nid: 1\r\ndata: "
     "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n: keep-alive\r\n\r\ndata: "
     "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\r\n\r\n",
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"CR alone", "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\r\rdata: [DONE]\r\r",
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"no space after the colon", "data:{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n",
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"length drops calls",
     TEXT("t") CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\"\"}}")
         FINISH("length") DONE,
     MLOOM_OK, "t", "", MLOOM_STOP_LENGTH},
    {"content filter", TEXT("t") FINISH("content_filter") DONE, MLOOM_OK, "t", "", MLOOM_STOP_REFUSED},
    {"refusal", "data: {\"choices\":[{\"delta\":{\"refusal\":\"I will not\"}}]}\n\n" FINISH("stop") DONE, MLOOM_OK,
     "I will not", "", MLOOM_STOP_REFUSED},
    {"duplicate members and huge numbers",
     "data: {\"created\":1e999999,\"created\":-99999999999999999999999999,\"choices\":[{\"index\":0,\"index\":1,"
     "\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":99999999999999999999999}}\n\n" FINISH("stop") DONE,
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"bad UTF-8",
     TEXT("a\xff"
          "b") FINISH("stop") DONE,
     MLOOM_OK,
     "a\xef\xbf\xbd"
     "b",
     "", MLOOM_STOP_END},
    {"escapes", TEXT("\\u00fc\\ud83d\\ude00\\n\\ud800") FINISH("stop") DONE, MLOOM_OK,
     "\xc3\xbc\xf0\x9f\x98\x80\n\xef\xbf\xbd", "", MLOOM_STOP_END},
    {"malformed JSON in an event", TEXT("a") "data: {\"choices\":[{]}\n\n" FINISH("stop") DONE, MLOOM_E_PROTOCOL, "a",
     "", 0},
    {"a data line that is no JSON", TEXT("a") "data: ping\n\n" FINISH("stop") DONE, MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"error as a data line", "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n",
     MLOOM_E_UNAVAILABLE, "", "", 0},
    {"error after text", TEXT("a") "data: {\"error\":{\"message\":\"broken\",\"code\":500}}\n\n" DONE,
     MLOOM_E_UNAVAILABLE, "a", "", 0},
    {"error null is none",
     "data: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n" DONE,
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"event: error", "event: error\ndata: {\"message\":\"Rate limit\",\"code\":\"rate_limit_exceeded\"}\n\n",
     MLOOM_E_RATE_LIMITED, "", "", 0},
    {"error with a number", "data: {\"error\":{\"message\":\"slow down\",\"code\":429}}\n\n", MLOOM_E_RATE_LIMITED, "",
     "", 0},
    {"error object of vLLM",
     "data: {\"object\":\"error\",\"message\":\"This model's maximum context length is 10\",\"type\":"
     "\"BadRequestError\",\"code\":400}\n\n",
     MLOOM_E_CONTEXT_FULL, "", "", 0},
    {"finish_reason error", TEXT("a") FINISH("error") DONE, MLOOM_E_UNAVAILABLE, "a", "", 0},
    {"a message instead of a delta",
     "data: {\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n",
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"the whole message once more after the deltas",
     TEXT("a") "data: {\"choices\":[{\"delta\":{},\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n",
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    /* Events that are like the one before but for little. */
    {"escapes in the second piece", TEXT("a") TEXT("\\n\\u00fc") TEXT("\\\"") TEXT("") TEXT("b") FINISH("stop"),
     MLOOM_OK, "a\n\xc3\xbc\"b", "", MLOOM_STOP_END},
    {"bad UTF-8 in the second piece", TEXT("a") TEXT("\xff\xc3") TEXT("b") FINISH("stop"), MLOOM_OK,
     "a\xef\xbf\xbd\xef\xbf\xbd"
     "b",
     "", MLOOM_STOP_END},
    {"the second piece is broken", TEXT("a") TEXT("b\\") FINISH("stop"), MLOOM_E_PROTOCOL, "a", "", 0},
    {"the end of the second event is broken",
     TEXT("a") "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}}]\n\n" FINISH("stop"), MLOOM_E_PROTOCOL,
     "ab", "", 0},
    {"the second event has more behind its end",
     TEXT("a") "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}}\n\n" FINISH("stop"),
     MLOOM_E_PROTOCOL, "ab", "", 0},
    {"one byte of the envelope differs",
     TEXT("a") "data: {\"choices\":[{\"index\":0,\"delta\":{\"contend\":\"b\"}}]}\n\n" TEXT("c") FINISH("stop"),
     MLOOM_OK, "ac", "", MLOOM_STOP_END},
    {"content is null, a list, text again",
     TEXT("a") "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":null}}]}\n\n"
               "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"text\":\"b\"}]}}]}\n\n" TEXT("c")
                   FINISH("stop"),
     MLOOM_OK, "abc", "", MLOOM_STOP_END},
    {"a reason to stop with text, another one, the first again",
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}\n\n" FINISH(
         "stop") "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"length\"}]}\n\n",
     MLOOM_OK, "ab", "", MLOOM_STOP_LENGTH},
    {"a whole message twice",
     "data: {\"choices\":[{\"message\":{\"content\":\"a\"}}]}\n\n"
     "data: {\"choices\":[{\"message\":{\"content\":\"b\"}}]}\n\n" FINISH("stop"),
     MLOOM_OK, "a", "", MLOOM_STOP_END},
    {"padding of many lengths",
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"obfuscation\":\"xyz\"}\n\n"
     "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"obfuscation\":\"\"}\n\n"
     "data: {\"choices\":[{\"delta\":{\"content\":\"c\"}}],\"obfuscation\":\"x\"}\n\n"
     "data: {\"choices\":[{\"delta\":{\"content\":\"d\"}}],\"obfuscation\":\"x\",\"error\":\"e\"}\n\n",
     MLOOM_E_UNAVAILABLE, "abcd", "", 0},
    {"two texts in one event",
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\",\"content\":\"b\"}}]}\n\n"
     "data: {\"choices\":[{\"delta\":{\"content\":\"c\",\"content\":\"d\"}}]}\n\n" FINISH("stop"),
     MLOOM_OK, "abcd", "", MLOOM_STOP_END},
    {"arguments of two calls in turn",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\"}}")
         CALLS("{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":\"add\"}}")
             CALLS("{\"index\":0,\"function\":{\"arguments\":\"{\"}}")
                 CALLS("{\"index\":0,\"function\":{\"arguments\":\"\\\"a\\\":\"}}")
                     CALLS("{\"index\":1,\"function\":{\"arguments\":\"{\\\"b\\\"\"}}")
                         CALLS("{\"index\":1,\"function\":{\"arguments\":\":2}\"}}")
                             CALLS("{\"index\":0,\"function\":{\"arguments\":\"1}\"}}") FINISH("tool_calls"),
     MLOOM_OK, "", "c1:add:{\"a\":1};c2:add:{\"b\":2};", MLOOM_STOP_TOOL_CALLS},
    {"an empty call behind the arguments",
     CALLS("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add\"}}")
         CALLS("{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":\"add\"}}")
             CALLS("{\"index\":0,\"function\":{\"arguments\":\"{\"}},{\"index\":1}")
                 CALLS("{\"index\":0,\"function\":{\"arguments\":\"}\"}},{\"index\":1}") FINISH("tool_calls"),
     MLOOM_OK, "", "c1:add:{};c2:add:{};", MLOOM_STOP_TOOL_CALLS},
    /* Whole documents, though a stream was asked for. */
    {"document",
     "{\"id\":\"x\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
     "\"content\":\"hi\",\"refusal\":null,\"annotations\":[]},\"finish_reason\":\"stop\"}],\"usage\":{"
     "\"prompt_tokens\":10,\"completion_tokens\":4}}",
     MLOOM_OK, "hi", "", MLOOM_STOP_END},
    {"document with calls",
     "\n {\"choices\":[{\"finish_reason\":\"tool_calls\",\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"c1\","
     "\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"index\":0,\"function\":"
     "{"
     "\"name\":\"add\",\"arguments\":\"\"}},{\"index\":0,\"function\":{\"name\":\"add\",\"arguments\":\"\"}}]}}]}\n",
     MLOOM_OK, "", "c1:add:{\"a\":1};call_7_2:add:{};call_7_3:add:{};", MLOOM_STOP_TOOL_CALLS},
    {"document with BOM, without finish_reason", "\xef\xbb\xbf{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}",
     MLOOM_OK, "hi", "", MLOOM_STOP_END},
    {"document cut", "{\"choices\":[{\"message\":{\"content\":\"hi\"}", MLOOM_E_PROTOCOL, "hi", "", 0},
    {"document that is another", "{\"status\":\"ok\"}", MLOOM_E_PROTOCOL, "", "", 0},
    {"document with an error", "{\"error\":\"model not loaded\"}", MLOOM_E_UNAVAILABLE, "", "", 0},
    {"document with a detail", "{\"detail\":\"nothing here\"}", MLOOM_E_UNAVAILABLE, "", "", 0},
    {"document with quota",
     "{\"error\":{\"message\":\"You exceeded your current quota\",\"code\":\"insufficient_quota\"}}", MLOOM_E_QUOTA, "",
     "", 0},
    {"a web page", "<!DOCTYPE html><html><body>Welcome</body></html>", MLOOM_E_PROTOCOL, "", "", 0},
};

static void check_stream(const stream_case *c, size_t step, int forget) {
  record seen;
  outcome out = decode_with(&seen, c->body, strlen(c->body), step, 200, MLOOM_OK, forget);
  int right = out.code == c->code && strcmp(mloom_buffer_string(&seen.text), c->text) == 0 &&
              strcmp(mloom_buffer_string(&seen.calls), c->calls) == 0 &&
              (c->code != MLOOM_OK || out.result.stop == c->stop) &&
              (c->code == MLOOM_OK || (out.error.message[0] != '\0' && out.error.remedy[0] != '\0'));
  if (!right) {
    fprintf(stderr, "%s, by %zu: code %d (%s), text \"%s\", calls \"%s\", stop %u\n", c->name, step, (int)out.code,
            out.error.message, mloom_buffer_string(&seen.text), mloom_buffer_string(&seen.calls), out.result.stop);
  }
  CU_ASSERT(right);
  record_free(&seen);
}

static void test_streams(void) {
  for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
    check_stream(&streams[i], strlen(streams[i].body) + 1, 0);
    check_stream(&streams[i], 1, 0);
    check_stream(&streams[i], 7, 0);
    check_stream(&streams[i], 1, 1);
  }
}

static void test_usage_and_reasoning(void) {
  static const char body[] =
      "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"a\",\"reasoning\":\"a\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"\",\"reasoning\":\"a\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"reasoning\":\"b\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"c\",\"content\":\"\"}}]}\n\n" FINISH(
          "stop") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":6,\"cache_write_tokens\":2},"
                  "\"completion_tokens_details\":{\"reasoning_tokens\":3}}}\n\n" DONE;
  static const char other[] = TEXT("a") FINISH("stop") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
                                                       "\"prompt_cache_hit_tokens\":5,\"prompt_tokens_details\":null}"
                                                       "}\n\n";
  static const char each[] =
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":9}}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":9}}\n\n" FINISH("stop");
  record seen;
  outcome out = decode(&seen, body, sizeof(body) - 1, 1, 200, MLOOM_OK);
  CU_ASSERT_EQUAL(out.code, MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&seen.reasoning), "aabc");
  CU_ASSERT_EQUAL(seen.usages, 1);
  CU_ASSERT_EQUAL(seen.usage.input_tokens, 10);
  CU_ASSERT_EQUAL(seen.usage.output_tokens, 4);
  CU_ASSERT_EQUAL(seen.usage.cached_input_tokens, 6);
  CU_ASSERT_EQUAL(seen.usage.cache_write_tokens, 2);
  CU_ASSERT_EQUAL(seen.usage.reasoning_tokens, 3);
  record_free(&seen);
  out = decode(&seen, other, sizeof(other) - 1, 1, 200, MLOOM_OK);
  CU_ASSERT_EQUAL(out.code, MLOOM_OK);
  CU_ASSERT_EQUAL(seen.usage.cached_input_tokens, 5);
  record_free(&seen);
  out = decode(&seen, each, sizeof(each) - 1, 1, 200, MLOOM_OK);
  CU_ASSERT_EQUAL(out.code, MLOOM_OK);
  CU_ASSERT_EQUAL(seen.usages, 2);
  record_free(&seen);
}

/* Calls that a server left in the text: told, never run. */
static void test_calls_as_text(void) {
  static const struct {
    const char *text; /* as it stands inside a JSON string */
    const char *notice;
  } cases[] = {
      {"<function=read_file>\\n<parameter=path>a.c</parameter>\\n</function>", "read_file as text (<function=...>)"},
      {"Sure.\\n<tool_call>\\n{\\\"name\\\": \\\"read_file\\\", \\\"arguments\\\": {}}\\n</tool_call>",
       "read_file as text (<tool_call>)"},
      {"{\\\"name\\\":\\\"add\\\",\\\"parameters\\\":{\\\"a\\\":1}}", "add as text (a bare JSON object)"},
      {"{\\\"type\\\":\\\"function\\\",\\\"function\\\":{\\\"name\\\":\\\"add\\\",\\\"arguments\\\":{}}}",
       "add as text (a bare JSON object)"},
      {"I do it:\\n```json\\n{\\\"name\\\":\\\"add\\\",\\\"arguments\\\":{}}\\n```",
       "add as text (a JSON object in a code fence)"},
      {"[TOOL_CALLS][{\\\"name\\\":\\\"add\\\",\\\"arguments\\\":{}}]", "add as text ([TOOL_CALLS])"},
      {"<|python_tag|>{\\\"name\\\":\\\"add\\\",\\\"parameters\\\":{}}", "add as text (<|python_tag|>)"},
      {"<invoke name=\\\"edit_file\\\">", "edit_file as text (<invoke name=...>)"},
      /* None of these is a call. */
      {"I changed the function <function=other> of yours", NULL},
      {"{\\\"name\\\":\\\"somebody\\\",\\\"arguments\\\":{}}", NULL},
      {"{\\\"name\\\":\\\"add\\\"}", NULL},
      {"```c\\nint add(int a);\\n```", NULL},
      {"done", NULL},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
    mloom_buffer_append_format(
        &body, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"},\"finish_reason\":\"stop\"}]}\n\n", cases[i].text);
    record seen;
    outcome out = decode(&seen, body.data, body.size, body.size, 200, MLOOM_OK);
    CU_ASSERT_EQUAL(out.code, MLOOM_OK);
    CU_ASSERT_EQUAL(out.result.tool_call_count, 0);
    UNIT_ASSERT_STRING(mloom_buffer_string(&seen.calls), "");
    const char *notices = mloom_buffer_string(&seen.notices);
    int right = cases[i].notice == NULL
                    ? notices[0] == '\0'
                    : strncmp(notices, "tool_call_as_text ", 18) == 0 && strstr(notices, cases[i].notice) != NULL;
    if (!right) {
      fprintf(stderr, "%s: %s\n", cases[i].text, notices);
    }
    CU_ASSERT(right);
    record_free(&seen);
  }
}

static void test_error_answers(void) {
  static const struct {
    int32_t status;
    const char *body;
    int32_t code;
    uint32_t retryable;
    const char *said; /* in message or remedy */
  } cases[] = {
      {401, "{\"error\":{\"message\":\"bad key\",\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\"}}",
       MLOOM_E_UNAUTHENTICATED, 0, "JCA_OPENAI_COMPATIBLE_API_KEY"},
      {403, "forbidden", MLOOM_E_DENIED, 0, "forbidden"},
      {402, "{\"error\":\"no credit\"}", MLOOM_E_QUOTA, 0, "no credit"},
      {404, "{\"error\":{\"message\":\"The model `model-1` does not exist\",\"code\":\"model_not_found\"}}",
       MLOOM_E_NOT_FOUND, 0, "http://service/v1/models"},
      {404, "<html><head><title>404</title></head></html>", MLOOM_E_NOT_FOUND, 0, "JCA_OPENAI_COMPATIBLE_BASE_URL"},
      {405, "", MLOOM_E_NOT_FOUND, 0, "JCA_OPENAI_COMPATIBLE_BASE_URL"},
      {400, "{\"error\":{\"message\":\"too long\",\"code\":\"context_length_exceeded\"}}", MLOOM_E_CONTEXT_FULL, 0,
       "larger context"},
      {400, "{\"error\":{\"message\":\"the request exceeds the available context size\",\"type\":\"x\"}}",
       MLOOM_E_CONTEXT_FULL, 0, "larger context"},
      {400, "{\"error\":{\"message\":\"Range of input length should be [1, 9]\"}}", MLOOM_E_CONTEXT_FULL, 0,
       "larger context"},
      {400, "{\"error\":{\"message\":\"Your request exceeded model token limit: 9\"}}", MLOOM_E_CONTEXT_FULL, 0,
       "larger context"},
      {400, "{\"error\":{\"message\":\"prompt token count of 9 exceeds the limit of 8\"}}", MLOOM_E_CONTEXT_FULL, 0,
       "larger context"},
      {413, "{\"error\":{\"message\":\"Max size: 8 tokens\",\"code\":\"tokens_limit_reached\"}}", MLOOM_E_CONTEXT_FULL,
       0, "larger context"},
      {429, "{\"error\":{\"message\":\"Too many tokens, please wait\"}}", MLOOM_E_RATE_LIMITED, 1, "wait"},
      {400, "{\"error\":{\"message\":\"reasoning_content is missing in assistant tool call message\"}}",
       MLOOM_E_INVALID, 0, "JCA_OPENAI_COMPATIBLE_ECHO_REASONING"},
      {400, "{\"detail\":\"stream_options is not allowed\"}", MLOOM_E_INVALID, 0, "INCLUDE_USAGE=false"},
      {400, "{\"message\":\"Use 'max_completion_tokens' instead of max_tokens\"}", MLOOM_E_INVALID, 0,
       "MAX_TOKENS_FIELD"},
      {400,
       "{\"object\":\"error\",\"message\":\"\\\"auto\\\" tool choice requires --enable-auto-tool-choice\",\"type\":"
       "\"BadRequestError\",\"param\":null,\"code\":400}",
       MLOOM_E_UNSUPPORTED, 0, "enable-auto-tool-choice"},
      {400,
       "{\"error\":{\"message\":\"Provider returned error\",\"code\":400,\"metadata\":{\"raw\":\"prompt is too "
       "long\",\"provider_name\":\"x\"}}}",
       MLOOM_E_CONTEXT_FULL, 0, "Provider returned error: prompt is too long"},
      {400, "{\"error\":{\"message\":\"blocked\",\"code\":\"content_filter\"}}", MLOOM_E_REFUSED, 0, "blocked"},
      {408, "", MLOOM_E_TIMEOUT, 1, "no explanation"},
      {413, "<html><h1>413 Request Entity Too Large</h1></html>", MLOOM_E_LIMIT, 0, "request size"},
      {422, "{\"detail\":[{\"msg\":\"field required\",\"loc\":[\"body\",\"messages\"]}]}", MLOOM_E_INVALID, 0,
       "field required"},
      {429, "{\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}}", MLOOM_E_RATE_LIMITED, 1, "slow"},
      {429, "{\"error\":{\"message\":\"You exceeded your current quota\",\"type\":\"insufficient_quota\"}}",
       MLOOM_E_QUOTA, 0, "credit"},
      {500, "Internal Server Error", MLOOM_E_UNAVAILABLE, 1, "Internal Server Error"},
      {502, "<html><body><h1>502 Bad Gateway</h1></body></html>", MLOOM_E_UNAVAILABLE, 1, "web page"},
      {503, "[{\"error\":{\"message\":\"in a list\"}}]", MLOOM_E_UNAVAILABLE, 1, "in a list"},
      {529, "data: {\"error\":{\"message\":\"in a stream\"}}\n\n", MLOOM_E_UNAVAILABLE, 1, "in a stream"},
      {500, "\xff\xfe\x01", MLOOM_E_UNAVAILABLE, 1, "HTTP 500"},
      {200, "<html><title>Login</title></html>", MLOOM_E_PROTOCOL, 0, "points at a web page"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    for (size_t step = 1; step <= 4096; step += 4095) {
      record seen;
      outcome out = decode(&seen, cases[i].body, strlen(cases[i].body), step, cases[i].status, MLOOM_OK);
      int right = out.code == cases[i].code && out.error.retryable == cases[i].retryable &&
                  (strstr(out.error.message, cases[i].said) != NULL || strstr(out.error.remedy, cases[i].said) != NULL);
      if (!right) {
        fprintf(stderr, "%d %s: code %d, retryable %u, %s; %s\n", (int)cases[i].status, cases[i].body, (int)out.code,
                out.error.retryable, out.error.message, out.error.remedy);
      }
      CU_ASSERT(right);
      CU_ASSERT(strchr(out.error.message, '\n') == NULL);
      record_free(&seen);
    }
  }
}

/* A connection that breaks matters only before the end of the answer. */
static void test_broken_connection(void) {
  static const char complete[] = TEXT("a") FINISH("stop") DONE;
  static const char open[] = TEXT("a");
  record seen;
  outcome out = decode(&seen, complete, sizeof(complete) - 1, 1, 200, MLOOM_E_PROTOCOL);
  CU_ASSERT_EQUAL(out.code, MLOOM_OK);
  record_free(&seen);
  out = decode(&seen, open, sizeof(open) - 1, 1, 200, MLOOM_E_TIMEOUT);
  CU_ASSERT_EQUAL(out.code, MLOOM_E_TIMEOUT);
  record_free(&seen);
  out = decode(&seen, "", 0, 1, 0, MLOOM_E_UNAVAILABLE);
  CU_ASSERT_EQUAL(out.code, MLOOM_E_UNAVAILABLE);
  record_free(&seen);
}

static void test_limits(void) {
  /* 129 calls; the limit is 128. */
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer many = MLOOM_BUFFER_INIT;
  for (int i = 0; i < 129; i++) {
    mloom_buffer_append_format(&many,
                               "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"c%d\","
                               "\"function\":{\"name\":\"add\"}}]}}]}\n\n",
                               i, i);
  }
  record seen;
  outcome out = decode(&seen, many.data, many.size, 4096, 200, MLOOM_OK);
  CU_ASSERT_EQUAL(out.code, MLOOM_E_LIMIT);
  record_free(&seen);
  /* Arguments beyond 4 MB, in pieces. */
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer large = MLOOM_BUFFER_INIT;
  for (int i = 0; i < 66; i++) {
    mloom_buffer_append_string(&large, "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
                                       "\"arguments\":\"");
    for (int j = 0; j < 64 * 16; j++) {
      mloom_buffer_append_string(&large, "0123456789012345678901234567890123456789012345678901234567890123");
    }
    mloom_buffer_append_string(&large, "\"}}]}}]}\n\n");
  }
  out = decode(&seen, large.data, large.size, 65536, 200, MLOOM_OK);
  CU_ASSERT_EQUAL(out.code, MLOOM_E_LIMIT);
  record_free(&seen);
}

/* That it is used is told by what it does not do: keep the text of the third event. */
static void test_template_is_used(void) {
  static const char first[] = "data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}],\"obfuscation\":\"abc\"}\n\n";
  static const char second[] = "data: {\"choices\":[{\"delta\":{\"content\":\"two\"}}],\"obfuscation\":\"\"}\n\n";
  static const char third[] = "data: {\"choices\":[{\"delta\":{\"content\":\"three\"}}],\"obfuscation\":\"q\"}\n\n";
  static const char call[] = CALLS("{\"index\":0,\"function\":{\"arguments\":\"{\"}}");
  static const char more[] = CALLS("{\"index\":0,\"function\":{\"arguments\":\"}\"}}");
  mloom_chat_decoder decoder;
  mloom_chat_decoder_init(&decoder, tool_names);
  CU_ASSERT_EQUAL(mloom_chat_decoder_feed(&decoder, first, sizeof(first) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_chat_decoder_feed(&decoder, second, sizeof(second) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_chat_decoder_feed(&decoder, third, sizeof(third) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&decoder.pieces.pattern.text), "two"));
  UNIT_ASSERT_STRING(mloom_buffer_string(&decoder.answer.text), "onetwothree");
  CU_ASSERT_EQUAL(mloom_chat_decoder_feed(&decoder, call, sizeof(call) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_chat_decoder_feed(&decoder, more, sizeof(more) - 1, NULL, NULL), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&decoder.pieces.pattern.text), "\"{\""));
  mloom_chat_decoder_free(&decoder);
}

/* A decoder that is used again knows nothing of the turn before. */
static void test_reset(void) {
  static const char first[] = TEXT("one") "data: {\"error\":{\"message\":\"x\"}}\n\ndata: {";
  static const char second[] = TEXT("two") FINISH("stop");
  mloom_chat_decoder decoder;
  record seen = {0};
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = &seen, .event = record_event};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = 200};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_chat_decoder_init(&decoder, tool_names);
  CU_ASSERT_EQUAL(mloom_chat_decoder_feed(&decoder, first, sizeof(first) - 1, &sink, &error), MLOOM_OK);
  mloom_chat_decoder_reset(&decoder);
  CU_ASSERT_EQUAL(mloom_chat_decoder_feed(&decoder, second, sizeof(second) - 1, &sink, &error), MLOOM_OK);
  UNIT_ASSERT_CODE(mloom_chat_decoder_finish(&decoder, &end, 1, &service, &sink, &result, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&decoder.answer.text), "two");
  mloom_chat_decoder_free(&decoder);
  record_free(&seen);
}

/* Gemini refuses a call of its own that comes back without the signature that it came with. */
static void test_what_belongs_to_a_call_comes_back(void) {
#define SIGNED(id, extra) \
  "{\"index\":0,\"id\":\"" id "\"," extra "\"function\":{\"name\":\"add\",\"arguments\":\"{}\"}}"
#define SIGNATURE "\"extra_content\":{\"google\":{\"thought_signature\":\"c2lnbmVk\"}}"
#define DETAIL(id, data) "{\"type\":\"reasoning.encrypted\",\"data\":\"" data "\",\"id\":\"" id "\"}"
#define DETAILS(details) "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_details\":[" details "]}}]}\n\n"
  static const char body[] = DETAILS("{\"type\":\"reasoning.text\",\"text\":\"hm\",\"id\":\"c1\"},7")
      DETAILS(DETAIL("c2", "eA==")) CALLS(SIGNED("c1", SIGNATURE ",")) CALLS(SIGNED("c2", ""))
          DETAILS(DETAIL("c2", "eQ==") "," DETAIL("other", "eg==")) FINISH("stop") DONE;
  mloom_chat_decoder decoder;
  mloom_chat_request request;
  mloom_chat_options options = {.stream = 1, .parallel_tool_calls = -1};
  mloom_session_args args = {.size = sizeof(args)};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = 200};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  size_t count = 0;
  CU_ASSERT_EQUAL_FATAL(mloom_chat_request_init(&request, &options, "m", &args), MLOOM_OK);
  mloom_chat_decoder_init(&decoder, tool_names);
  CU_ASSERT_EQUAL(mloom_chat_decoder_feed(&decoder, body, sizeof(body) - 1, NULL, &error), MLOOM_OK);
  UNIT_ASSERT_CODE(mloom_chat_decoder_finish(&decoder, &end, 1, &service, NULL, &result, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_chat_request_append_answer(&request, &decoder.answer), MLOOM_OK);
  const mloom_bytes *segments = mloom_chat_request_segments(&request, &count);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer messages = MLOOM_BUFFER_INIT;
  mloom_buffer_append(&messages, segments[1].data, segments[1].size);
  UNIT_ASSERT_STRING(
      mloom_buffer_string(&messages),
      "{\"role\":\"assistant\",\"content\":null,\"reasoning_details\":[" DETAIL(
          "c2", "eQ==") "],\"tool_calls\":[{\"id\":\"c1\"," SIGNATURE
                        ",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":\"{}\"}},{\"id\":\"c2\","
                        "\"type\":\"function\","
                        "\"function\":{\"name\":\"add\",\"arguments\":\"{}\"}}]}");
  mloom_chat_decoder_free(&decoder);
  mloom_chat_request_free(&request);
}

static const unit_test tests[] = {
    {"streams of weak servers", test_streams},
    {"what belongs to a call comes back", test_what_belongs_to_a_call_comes_back},
    {"usage and reasoning", test_usage_and_reasoning},
    {"calls as text", test_calls_as_text},
    {"error answers", test_error_answers},
    {"broken connection", test_broken_connection},
    {"limits", test_limits},
    {"reset", test_reset},
    {"a template is used", test_template_is_used},
};
UNIT_MAIN("wire: chat answers", tests)
