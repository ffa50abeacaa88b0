/* SPDX-License-Identifier: Apache-2.0
 *
 * The recordings in tests/data/codex-cli are output of codex 0.169.0 before a scripted model server.
 */
#include "cli_replay.h"
#include "codex-cli/codex_events.h"

static int32_t lines(replay *self, const char *text, const mloom_exchange_end *how) {
  return replay_text(self, text, strlen(text), 7, how);
}

#define BEGIN "{\"type\":\"thread.started\",\"thread_id\":\"t-1\"}\n{\"type\":\"turn.started\"}\n"
#define DONE "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":10,\"output_tokens\":2}}\n"

static void test_a_recorded_job(void) {
  replay r;
  replay_open(&r, mloom_codex_read_event);
  UNIT_ASSERT_CODE(replay_file(&r, "codex-cli/job.jsonl", 64, NULL), MLOOM_OK, &r.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&r.said),
                     "[reasoning]One word is wrong.\n"
                     "[text]I look first.\n"
                     "[activity]command: /bin/bash -c 'cat hello.c; echo Gr\xc3\xbc\xc3\x9f"
                     "e'\n"
                     "[activity]command_end: exit code 0\n"
                     "[activity]file: update /srv/demo/repo/hello.c\n"
                     "[activity]command: /bin/bash -c 'git diff --stat; false'\n"
                     "[activity]command_failed: exit code 1\n"
                     "[text]{\"status\": \"completed\", \"summary\": \"Fixed the typo.\", \"files_changed\": "
                     "[\"hello.c\"], \"notes\": \"\"}\n"
                     "[usage]\n"
                     "[result]{\"status\": \"completed\", \"summary\": \"Fixed the typo.\", \"files_changed\": "
                     "[\"hello.c\"], \"notes\": \"\"}\n");
  CU_ASSERT_EQUAL(r.usage.input_tokens, 6100);
  CU_ASSERT_EQUAL(r.usage.output_tokens, 148);
  CU_ASSERT_EQUAL(r.result.stop, MLOOM_STOP_END);
  UNIT_ASSERT_STRING(mloom_buffer_string(&r.stream.conversation), "01a20667-4916-72f3-8408-16a1f9fe4e55");
  /* The program counts on through a conversation: 7500 and 161 in all. */
  mloom_codex_keep_count(&r.stream);
  UNIT_ASSERT_CODE(replay_file(&r, "codex-cli/resumed.jsonl", 64, NULL), MLOOM_OK, &r.error);
  CU_ASSERT_EQUAL(r.usage.input_tokens, 1400);
  CU_ASSERT_EQUAL(r.usage.output_tokens, 13);
  replay_close(&r);
}

/* With tools.update_plan.enabled, which a profile may set. */
static void test_a_recorded_plan(void) {
  replay r;
  replay_open(&r, mloom_codex_read_event);
  UNIT_ASSERT_CODE(replay_file(&r, "codex-cli/plan.jsonl", 64, NULL), MLOOM_OK, &r.error);
  static const char *const told[] = {"[activity]plan: 0 of 2 done, next: Look at hello.c\n",
                                     "[activity]plan: 1 of 2 done, next: Fix the typo\n",
                                     "[activity]plan: 2 of 2 done\n"};
  const char *at = mloom_buffer_string(&r.said);
  for (size_t i = 0; i < sizeof(told) / sizeof(told[0]) && at != NULL; i++) {
    at = strstr(at, told[i]);
    CU_ASSERT_PTR_NOT_NULL(at);
  }
  /* Updates of anything else, and events that are not known, are passed over. */
  UNIT_ASSERT_CODE(lines(&r,
                         BEGIN "{\"type\":\"item.updated\",\"item\":{\"type\":\"agent_message\",\"text\":\"half\"}}\n"
                               "{\"type\":\"item.updated\",\"item\":{\"type\":\"of_the_future\",\"items\":[1]}}\n"
                               "{\"type\":\"turn.of_the_future\",\"usage\":7}\n" DONE,
                         NULL),
                   MLOOM_OK, &r.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&r.said), "[usage]\n");
  replay_close(&r);
}

static void test_however_it_is_cut(void) {
  replay_pieces(mloom_codex_read_event, "codex-cli/job.jsonl");
  replay_pieces(mloom_codex_read_event, "codex-cli/plan.jsonl");
  replay_pieces(mloom_codex_read_event, "codex-cli/unauthorized.jsonl");
  replay_pieces(mloom_codex_read_event, "codex-cli/unreachable.jsonl");
}

static void test_recorded_failures(void) {
  replay r;
  replay_open(&r, mloom_codex_read_event);
  const mloom_exchange_end failed = {.size = sizeof(failed), .exit_code = 1};
  UNIT_ASSERT_CODE(replay_file(&r, "codex-cli/unauthorized.jsonl", 64, &failed), MLOOM_E_UNAUTHENTICATED, &r.error);
  CU_ASSERT_EQUAL(r.error.http_status, 401);
  CU_ASSERT_PTR_NOT_NULL(strstr(r.error.message, "Incorrect API key provided"));
  CU_ASSERT_PTR_NOT_NULL(strstr(r.error.remedy, "mergeloom login x"));
  /* Attempts that failed on the way are told and end nothing. */
  UNIT_ASSERT_CODE(replay_file(&r, "codex-cli/unreachable.jsonl", 64, &failed), MLOOM_E_UNAVAILABLE, &r.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&r.said), "cli_error: Reconnecting... 1/2"));
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&r.said), "[result]"));
  replay_close(&r);
}

static void test_failures_in_words(void) {
  static const struct {
    const char *message;
    int32_t code;
  } cases[] = {
      {"The model `x` does not exist or you do not have access to it.", MLOOM_E_NOT_FOUND},
      {"exceeded retry limit, last status: 429 Too Many Requests", MLOOM_E_RATE_LIMITED},
      {"Quota exceeded. Check your plan and billing details.", MLOOM_E_QUOTA},
      {"Missing environment variable: `CODEX_API_KEY`.", MLOOM_E_NOT_CONFIGURED},
      {"Your refresh token has already been used. Please sign in again.", MLOOM_E_NEEDS_INTERACTION},
      {"idle timeout waiting for SSE", MLOOM_E_TIMEOUT},
      {"unexpected status 403 Forbidden: no", MLOOM_E_DENIED},
      {"{\\\"detail\\\":\\\"The 'x' model is not supported when using Codex with an account.\\\"}", MLOOM_E_NOT_FOUND},
      {"Invalid prompt: flagged as potentially violating our usage policy.", MLOOM_E_REFUSED},
      {"stream disconnected before completion: Incomplete response returned, reason: content_filter", MLOOM_E_REFUSED},
      {"{\\\"error\\\":{\\\"message\\\":\\\"Unsupported value: 'low'\\\",\\\"type\\\":\\\"invalid_request_error\\\"}}",
       MLOOM_E_INVALID},
      {"Incomplete response returned, reason: max_output_tokens", MLOOM_E_LIMIT},
      {"unexpected status 503 Service Unavailable", MLOOM_E_UNAVAILABLE},
      {"stream disconnected before completion", MLOOM_E_UNAVAILABLE}};
  replay r;
  replay_open(&r, mloom_codex_read_event);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_buffer_append_format(&text, BEGIN "{\"type\":\"turn.failed\",\"error\":{\"message\":\"%s\"}}\n",
                               cases[i].message);
    UNIT_ASSERT_CODE(lines(&r, text.data, NULL), cases[i].code, &r.error);
    mloom_buffer_free(&text);
  }
  replay_close(&r);
}

static void test_only_an_object_is_a_result(void) {
  static const char *const no[] = {"All done!", "[1]", "{\\\"a\\\": ", "\\\"{}\\\"", "Here: {\\\"a\\\":1}"};
  replay r;
  replay_open(&r, mloom_codex_read_event);
  for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
    mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_buffer_append_format(
        &text, BEGIN "{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"%s\"}}\n" DONE,
        no[i]);
    UNIT_ASSERT_CODE(lines(&r, text.data, NULL), MLOOM_OK, &r.error);
    CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&r.said), "[result]"));
    mloom_buffer_free(&text);
  }
  UNIT_ASSERT_CODE(lines(&r,
                         BEGIN "{\"item\":{\"text\":\"```json\\n{\\\"a\\\": 1}\\n```\",\"type\":\"agent_message\"},"
                               "\"type\":\"item.completed\"}\n" DONE,
                         NULL),
                   MLOOM_OK, &r.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&r.said), "[result]{\"a\": 1}\n"));
  replay_close(&r);
}

static void test_without_an_end(void) {
  replay r;
  replay_open(&r, mloom_codex_read_event);
  const mloom_exchange_end killed = {.size = sizeof(killed), .signal = 9};
  const mloom_exchange_end late = {.size = sizeof(late), .outcome = MLOOM_E_TIMEOUT};
  const mloom_exchange_end cancelled = {.size = sizeof(cancelled), .outcome = MLOOM_E_CANCELLED};
  UNIT_ASSERT_CODE(lines(&r, BEGIN, NULL), MLOOM_E_PROTOCOL, &r.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(r.error.message, "without saying how its work ended"));
  UNIT_ASSERT_CODE(lines(&r, BEGIN, &killed), MLOOM_E_UNAVAILABLE, &r.error);
  UNIT_ASSERT_STRING(r.error.message, ""); /* the host has better words */
  UNIT_ASSERT_CODE(lines(&r, BEGIN "{\"type\":\"error\",\"message\":\"Reconnecting\"}\n", &killed), MLOOM_E_UNAVAILABLE,
                   &r.error);
  UNIT_ASSERT_STRING(r.error.message, "");
  UNIT_ASSERT_CODE(lines(&r, BEGIN, &late), MLOOM_E_TIMEOUT, &r.error);
  UNIT_ASSERT_CODE(lines(&r, BEGIN "{\"type\":\"error\",\"message\":\"Reconnecting\"}\n", &late), MLOOM_E_TIMEOUT,
                   &r.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(r.error.message, "Reconnecting"));
  UNIT_ASSERT_CODE(lines(&r, BEGIN, &cancelled), MLOOM_E_CANCELLED, &r.error);
  UNIT_ASSERT_CODE(lines(&r, "Usage: other [OPTIONS]\n", NULL), MLOOM_E_PROTOCOL, &r.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(r.error.message, "Usage: other [OPTIONS]"));
  UNIT_ASSERT_CODE(lines(&r, "", NULL), MLOOM_E_PROTOCOL, &r.error);
  /* The last line needs no end. */
  UNIT_ASSERT_CODE(lines(&r, BEGIN "{\"type\":\"turn.completed\"}", NULL), MLOOM_OK, &r.error);
  replay_close(&r);
}

static void test_hostile_lines(void) {
  replay r;
  replay_open(&r, mloom_codex_read_event);
  UNIT_ASSERT_CODE(lines(&r,
                         BEGIN
                         "{\"type\":7}\n{\"type\":\"item.completed\"}\n{\"type\":\"item.completed\",\"item\":[]}\n"
                         "{\"type\":\"item.completed\",\"item\":{\"type\":\"file_change\",\"changes\":{\"a\":1}}}\n"
                         "{\"type\":\"item.completed\",\"item\":{\"type\":\"todo_list\",\"items\":[1,null,{}]}}\n"
                         "{\"type\":\"thread.started\",\"thread_id\":\"--help\"}\n"
                         "{\"type\":\"thread.started\",\"thread_id\":\"a/../b\"}\n{broken\n\xff\xfe\n" DONE,
                         NULL),
                   MLOOM_OK, &r.error);
  /* Not one of these can become a word on the next command line. */
  UNIT_ASSERT_STRING(mloom_buffer_string(&r.stream.conversation), "t-1");
  UNIT_ASSERT_CODE(
      lines(&r, BEGIN "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":-5,\"output_tokens\":1e40}}\n", NULL),
      MLOOM_OK, &r.error);
  CU_ASSERT_EQUAL(r.usage.input_tokens, 0);
  /* Control characters do not reach a terminal. */
  UNIT_ASSERT_CODE(lines(&r,
                         BEGIN "{\"type\":\"item.started\",\"item\":{\"type\":\"command_execution\",\"command\":"
                               "\"a\\u001b[2Jb\\nc\"}}\n" DONE,
                         NULL),
                   MLOOM_OK, &r.error);
  CU_ASSERT_PTR_NULL(strchr(mloom_buffer_string(&r.said), '\x1b'));
  replay_close(&r);
}

static void test_a_line_without_end(void) {
  replay r;
  replay_open(&r, mloom_codex_read_event);
  const mloom_event_sink sink = {.size = sizeof(sink), .userdata = &r, .event = replay_event};
  static char block[1 << 16];
  memset(block, 'x', sizeof(block));
  mloom_cli_stream_feed(&r.stream, BEGIN, strlen(BEGIN), &sink, NULL);
  for (size_t sent = 0; sent < 50 * 1000 * 1000; sent += sizeof(block)) {
    CU_ASSERT_EQUAL_FATAL(mloom_cli_stream_feed(&r.stream, block, sizeof(block), &sink, NULL), MLOOM_OK);
    CU_ASSERT_FATAL(r.stream.lines.pending.capacity <= 4 * MLOOM_CLI_LINE_LIMIT);
  }
  CU_ASSERT_EQUAL(mloom_cli_stream_feed(&r.stream, "\n" DONE, 1 + strlen(DONE), &sink, NULL), MLOOM_COMPLETE);
  CU_ASSERT_EQUAL(r.stream.lines.dropped, 1);
  replay_close(&r);
}

static const unit_test tests[] = {
    {"a recorded job", test_a_recorded_job},         {"a recorded plan", test_a_recorded_plan},
    {"however it is cut", test_however_it_is_cut},   {"recorded failures", test_recorded_failures},
    {"failures in words", test_failures_in_words},   {"only an object is a result", test_only_an_object_is_a_result},
    {"without an end", test_without_an_end},         {"hostile lines", test_hostile_lines},
    {"a line without end", test_a_line_without_end},
};

UNIT_MAIN("codex events", tests)
