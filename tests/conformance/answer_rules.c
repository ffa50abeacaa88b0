/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of a provider that need an answer of its service.
 */
#include <stdio.h>
#include <string.h>

#include "session.h"

#define CUTS 64 /* at about so many places an answer is cut */

static const char *compare_pieces(provider_run *in, events *whole, mloom_turn_result *result) {
  const char *problem = NULL;
  for (size_t piece = 0; problem == NULL && piece <= 7; piece++) {
    mloom_error error = MLOOM_ERROR_INIT;
    text body = {NULL, 0};
    events seen = {0};
    mloom_turn_result ended = {.size = sizeof(ended)};
    void *session;
    problem = session_start(in, &session, &error) == MLOOM_OK ? session_take_body(in, session, 1, 1, &body)
                                                              : "session_new failed";
    if (problem == NULL && session_give_answer(in, session, &in->answer, piece == 0 ? in->answer.size : piece, 200,
                                               MLOOM_OK, &seen, &ended, &error) != MLOOM_OK) {
      fprintf(stderr, "%s\n", error.message);
      problem = "finish refuses the recorded answer";
    }
    if (problem == NULL) {
      problem = seen.problem;
    }
    if (problem == NULL && ended.tool_call_count != seen.call_count) {
      problem = "tool_call_count is not the number of tool calls";
    }
    if (piece == 0) {
      *whole = seen;
      *result = ended;
    } else {
      if (problem == NULL && (!events_same(&seen, whole) || ended.stop != result->stop)) {
        problem = "what comes out depends on how the answer is cut";
      }
      events_clear(&seen);
    }
    if (session != NULL) {
      in->provider->session_free(session);
    }
    text_clear(&body);
  }
  return problem;
}

void check_answer(provider_run *in) {
  begin_rule("answer");
  if (in->answer.size == 0) {
    end_rule(STATE_SKIP, "give a recorded answer with --answer FILE");
    return;
  }
  events whole = {0};
  mloom_turn_result result = {.size = sizeof(result)};
  const char *problem = compare_pieces(in, &whole, &result);
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "decoded alike whole, byte by byte and in other pieces" : problem);
  events_clear(&whole);
}

/* How a turn ends whose answer is cut at a size: on a new session, or after an attempt that saw the whole answer and
 * then failed on the way. */
static int32_t end_of_cut(provider_run *in, size_t size, int after_attempt, events *seen, const char **problem) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_turn_result result = {.size = sizeof(result)};
  text body = {NULL, 0};
  text cut = {in->answer.data, size};
  events dropped = {0};
  int32_t code = MLOOM_OK;
  void *session;
  *problem = session_start(in, &session, &error) == MLOOM_OK ? session_take_body(in, session, 1, 1, &body)
                                                             : "session_new failed";
  if (*problem == NULL && after_attempt) {
    (void)session_give_answer(in, session, &in->answer, in->answer.size, 200, MLOOM_E_UNAVAILABLE, &dropped, &result,
                              &error);
    text_clear(&body);
    *problem = session_take_body(in, session, 1, 2, &body);
  }
  if (*problem == NULL) {
    error = (mloom_error)MLOOM_ERROR_INIT;
    code = session_give_answer(in, session, &cut, size, 200, MLOOM_OK, seen, &result, &error);
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  events_clear(&dropped);
  text_clear(&body);
  return code;
}

/* Nothing of an attempt may reach the next one, least of all its end. */
void check_attempts(provider_run *in) {
  begin_rule("attempts");
  if (in->answer.size == 0) {
    end_rule(STATE_SKIP, "give a recorded answer with --answer FILE");
    return;
  }
  const char *problem = NULL;
  for (size_t size = 1; problem == NULL && size < in->answer.size; size += 1 + in->answer.size / CUTS) {
    events alone = {0};
    events after = {0};
    int32_t expected = end_of_cut(in, size, 0, &alone, &problem);
    int32_t code = problem == NULL ? end_of_cut(in, size, 1, &after, &problem) : MLOOM_OK;
    if (problem == NULL && (code != expected || !events_same(&alone, &after))) {
      problem = "what a cut answer comes to depends on the attempt before it";
    }
    events_clear(&alone);
    events_clear(&after);
  }
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "each begins afresh, wherever its answer is cut" : problem);
}

static const char *second_turn(provider_run *in, text *first, text *second) {
  mloom_error error = MLOOM_ERROR_INIT;
  events seen = {0};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_message answer = {.size = sizeof(answer),
                          .role = MLOOM_ROLE_TOOL_RESULT,
                          .text = {"done", 4},
                          .tool_call_id = "call-1",
                          .tool_name = "read_file"};
  void *session;
  const char *problem = session_start(in, &session, &error) == MLOOM_OK ? session_take_body(in, session, 1, 1, first)
                                                                        : "session_new failed";
  if (problem == NULL && session_give_answer(in, session, &in->answer, in->answer.size, 200, MLOOM_OK, &seen, &result,
                                             &error) != MLOOM_OK) {
    problem = "finish refuses the recorded answer";
  }
  if (problem == NULL && result.tool_call_count == 0) {
    answer.role = MLOOM_ROLE_USER;
    answer.tool_call_id = NULL;
    answer.tool_name = NULL;
  }
  if (problem == NULL && in->provider->append(session, &answer, &error) != MLOOM_OK) {
    problem = "append refuses what follows the answer";
  }
  if (problem == NULL) {
    problem = session_take_body(in, session, 2, 1, second);
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  events_clear(&seen);
  return problem;
}

void check_prefix(provider_run *in) {
  begin_rule("prefix");
  if (in->answer.size == 0 || in->provider->shape != MLOOM_SHAPE_MODEL) {
    end_rule(STATE_SKIP, "needs a recorded answer of a model provider");
    return;
  }
  text first = {NULL, 0};
  text second = {NULL, 0};
  const char *problem = second_turn(in, &first, &second);
  size_t shared = 0;
  while (shared < first.size && shared < second.size && first.data[shared] == second.data[shared]) {
    shared++;
  }
  if (problem != NULL || second.size <= first.size) {
    end_rule(STATE_FAIL, "%s", problem != NULL ? problem : "the second turn sends no more than the first");
  } else {
    /* What closes the document may stand between. */
    end_rule(shared + 1024 >= first.size ? STATE_PASS : STATE_WARN,
             "%zu of the first turn's %zu bytes begin the second turn's", shared, first.size);
  }
  text_clear(&first);
  text_clear(&second);
}
