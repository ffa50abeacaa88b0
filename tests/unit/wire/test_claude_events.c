/* SPDX-License-Identifier: Apache-2.0
 *
 * The recordings in tests/data/claude-code-cli are output of claude 2.1.330 before a scripted model server, without
 * what names the machine.
 */
#include "claude-code-cli/claude_events.h"
#include "cli_replay.h"

static int32_t lines(replay *self, const char *text, const mloom_exchange_end *how) {
  return replay_text(self, text, strlen(text), 7, how);
}

#define BEGIN "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s-1\"}\n"
#define RESULT \
  "{\"status\":\"completed\",\"summary\":\"Fixed the typo.\",\"files_changed\":[\"hello.c\"],\"notes\":\"\"}"

static void test_a_recorded_job(void) {
  replay r;
  replay_open(&r, mloom_claude_read_event);
  UNIT_ASSERT_CODE(replay_file(&r, "claude-code-cli/job.jsonl", 64, NULL), MLOOM_OK, &r.error);
  UNIT_ASSERT_STRING(
      mloom_buffer_string(&r.said),
      "[reasoning]One word is wrong.\n"
      "[text]I look first. Gr\xc3\xbc\xc3\x9f"
      "e\n"
      "[activity]tool: Read /srv/demo/repo/hello.c\n"
      "[activity]tool_end: \n"
      "[activity]tool: Edit /srv/demo/repo/hello.c\n"
      "[activity]tool_end: \n"
      "[activity]command: git diff --stat && false\n"
      "[activity]tool_failed: Exit code 1  hello.c | 2 +-  1 file changed, 1 insertion(+), 1 deletion(-)\n"
      "[activity]command: curl http://127.0.0.1/\n"
      "[notice]tool_denied: Bash: This command requires approval\n"
      "[activity]tool_failed: This command requires approval\n"
      "[activity]tool_end: \n"
      "[usage]\n"
      "[result]" RESULT "\n");
  CU_ASSERT_EQUAL(r.usage.input_tokens, 5500);
  CU_ASSERT_EQUAL(r.usage.output_tokens, 150);
  CU_ASSERT_EQUAL(r.usage.cost_millionths, 18750);
  UNIT_ASSERT_STRING(mloom_buffer_string(&r.stream.conversation), "2dc651e6-4ccc-492d-8744-993452166c74");
  /* Its tokens are those of the run, its cost that of the conversation: 0.0225 in all. */
  mloom_claude_keep_cost(&r.stream);
  UNIT_ASSERT_CODE(replay_file(&r, "claude-code-cli/resumed.jsonl", 64, NULL), MLOOM_OK, &r.error);
  CU_ASSERT_EQUAL(r.usage.input_tokens, 1100);
  CU_ASSERT_EQUAL(r.usage.cost_millionths, 3750);
  replay_close(&r);
}

static void test_however_it_is_cut(void) {
  replay_pieces(mloom_claude_read_event, "claude-code-cli/job.jsonl");
  replay_pieces(mloom_claude_read_event, "claude-code-cli/unauthorized.jsonl");
  replay_pieces(mloom_claude_read_event, "claude-code-cli/unreachable.jsonl");
}

static void test_recorded_failures(void) {
  replay r;
  replay_open(&r, mloom_claude_read_event);
  const mloom_exchange_end failed = {.size = sizeof(failed), .exit_code = 1};
  UNIT_ASSERT_CODE(replay_file(&r, "claude-code-cli/unauthorized.jsonl", 64, &failed), MLOOM_E_UNAUTHENTICATED,
                   &r.error);
  CU_ASSERT_EQUAL(r.error.http_status, 401);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&r.said), "cli_retry: attempt 1 of 1 failed: HTTP 401"));
  UNIT_ASSERT_CODE(replay_file(&r, "claude-code-cli/unreachable.jsonl", 64, &failed), MLOOM_E_UNAVAILABLE, &r.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(r.error.message, "ECONNREFUSED"));
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&r.said), "[result]"));
  replay_close(&r);
}

static void test_success_is_not_believed(void) {
  static const struct {
    const char *result;
    int32_t code;
  } cases[] = {
      {"\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":404,\"result\":\"an issue with the selected "
       "model\"",
       MLOOM_E_NOT_FOUND},
      {"\"subtype\":\"success\",\"is_error\":true,\"result\":\"Credit balance is too low\"", MLOOM_E_QUOTA},
      {"\"subtype\":\"success\",\"is_error\":true,\"result\":\"Not logged in \\u00b7 Please run /login\"",
       MLOOM_E_NEEDS_INTERACTION},
      {"\"subtype\":\"error_during_execution\",\"is_error\":false,\"result\":" RESULT, MLOOM_E_UNAVAILABLE},
      {"\"subtype\":\"error_max_turns\",\"is_error\":true,\"errors\":[\"Reached maximum number of turns\",\"x\"]",
       MLOOM_E_UNAVAILABLE},
      {"\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":529,\"result\":\"Overloaded\"",
       MLOOM_E_UNAVAILABLE},
      {"\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":null,\"stop_reason\":\"refusal\",\"result\":"
       "\"API Error: safeguards\"",
       MLOOM_E_REFUSED},
      {"\"is_error\":false,\"result\":\"no subtype\"", MLOOM_E_UNAVAILABLE}};
  replay r;
  replay_open(&r, mloom_claude_read_event);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_buffer_append_format(&text, BEGIN "{\"type\":\"result\",%s}\n", cases[i].result);
    UNIT_ASSERT_CODE(lines(&r, text.data, NULL), cases[i].code, &r.error);
    CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&r.said), "[result]"));
    mloom_buffer_free(&text);
  }
  replay_close(&r);
}

static void test_costs(void) {
  static const struct {
    const char *text;
    uint64_t millionths;
  } cases[] = {{"0.5", 500000},
               {"1.5e-05", 15},
               {"2", 2000000},
               {"0.0000004", 0},
               {"0.0000006", 1},
               {"12.3456789", 12345679},
               {"1e3", 1000000000},
               {"-1", 0},
               {"\"1\"", 0},
               {"null", 0},
               {"1e999999999999", 1000000}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    replay r;
    replay_open(&r, mloom_claude_read_event);
    mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_buffer_append_format(
        &text, "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"total_cost_usd\":%s}\n",
        cases[i].text);
    UNIT_ASSERT_CODE(lines(&r, text.data, NULL), MLOOM_OK, &r.error);
    CU_ASSERT_EQUAL(r.usage.cost_millionths, cases[i].millionths);
    mloom_buffer_free(&text);
    replay_close(&r);
  }
}

static void test_cached_tokens(void) {
  replay r;
  replay_open(&r, mloom_claude_read_event);
  UNIT_ASSERT_CODE(lines(&r,
                         "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"x\",\"usage\":"
                         "{\"input_tokens\":10,\"cache_read_input_tokens\":1000,\"cache_creation_input_tokens\":200,"
                         "\"output_tokens\":7}}\n",
                         NULL),
                   MLOOM_OK, &r.error);
  CU_ASSERT_EQUAL(r.usage.input_tokens, 1210);
  CU_ASSERT_EQUAL(r.usage.cached_input_tokens, 1000);
  CU_ASSERT_EQUAL(r.usage.cache_write_tokens, 200);
  CU_ASSERT_EQUAL(r.usage.output_tokens, 7);
  replay_close(&r);
}

static void test_hostile_lines(void) {
  replay r;
  replay_open(&r, mloom_claude_read_event);
  UNIT_ASSERT_CODE(
      lines(&r,
            BEGIN
            "{\"type\":\"assistant\"}\n{\"type\":\"assistant\",\"message\":{\"content\":\"text\"}}\n"
            "{\"type\":\"user\",\"message\":{\"content\":[7,null,{\"type\":\"tool_result\",\"content\":[1,{}]}]}}\n"
            "{\"type\":\"assistant\",\"session_id\":\"--dangerously-skip-permissions\",\"message\":{\"content\":"
            "[{\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":[]}]}}\n{broken\n"
            "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"structured_output\":[1]}\n",
            NULL),
      MLOOM_OK, &r.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&r.stream.conversation), "s-1");
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&r.said), "[result]"));
  /* What helpers of the model say is not its answer; what the program says in its place is not either. */
  UNIT_ASSERT_CODE(
      lines(&r,
            BEGIN "{\"type\":\"assistant\",\"parent_tool_use_id\":\"t\",\"message\":{\"content\":[{\"type\":\"text\","
                  "\"text\":\"inner\"}]}}\n{\"type\":\"user\",\"isSynthetic\":true,\"message\":{\"content\":[{\"type\":"
                  "\"text\",\"text\":\"Your response was "
                  "stopped\"}]}}\n{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":"
                  "\"API Error\"}],\"model\":\"<synthetic>\"}}\n",
            NULL),
      MLOOM_E_UNAVAILABLE, &r.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&r.said), "");
  CU_ASSERT_PTR_NOT_NULL(strstr(r.error.message, "API Error"));
  replay_close(&r);
}

static const unit_test tests[] = {
    {"a recorded job", test_a_recorded_job},
    {"however it is cut", test_however_it_is_cut},
    {"recorded failures", test_recorded_failures},
    {"success is not believed", test_success_is_not_believed},
    {"costs", test_costs},
    {"cached tokens", test_cached_tokens},
    {"hostile lines", test_hostile_lines},
};

UNIT_MAIN("claude events", tests)
