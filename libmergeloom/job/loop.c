/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent loop: turns and tool calls until the model submits, a limit is reached or something fails.
 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "job/run.h"

#define REMINDERS 2u
#define CUT_ANSWERS 3u
#define REPEATS_TOLD 3u
#define REPEATS_ENDED 8u
#define PAUSES 20u
#define CALLS_OF_ONE_TURN 128u

/* Ends the run. The caller's cancel and the job's own deadline decide the state, whatever noticed them first. */
static void end_failed(mloom_run *run, int32_t code, const mloom_error *error) {
  mloom_error ended = MLOOM_ERROR_INIT;
  run->ended = 1;
  if (mloom_call_check(&run->call, &ended) != MLOOM_OK) {
    run->state = MLOOM_JOB_CANCELLED;
    mloom_error_copy(&run->failure, &ended);
    if (ended.code == MLOOM_E_TIMEOUT) {
      mloom_error_set(&run->failure, MLOOM_E_TIMEOUT, MLOOM_DOMAIN_JOB, "allow the job more time, or split the ticket",
                      "the job's time limit passed");
    }
    return;
  }
  run->state = MLOOM_JOB_FAILED;
  mloom_error_copy(&run->failure, error);
  run->failure.code = code;
}

static void end_reason(mloom_run *run, int32_t code, const char *remedy, const char *message) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_error_set(&error, code, MLOOM_DOMAIN_JOB, remedy, "%s", message);
  end_failed(run, code, &error);
}

/* ---- One turn ---- */

typedef struct turn_watch {
  mloom_run *run;
  mloom_redactor_stream *text;
  mloom_redactor_stream *reasoning;
} turn_watch;

static void emit_safe(mloom_run *run, uint32_t kind, const mloom_buffer *safe) {
  if (safe->size > 0) {
    mloom_emitter_emit(&run->emitter, kind, 0, NULL, (mloom_bytes){safe->data, safe->size}, -1);
  }
}

static void emit_stream(mloom_run *run, mloom_redactor_stream *stream, uint32_t kind, mloom_bytes text) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer safe = MLOOM_BUFFER_INIT;
  if (stream != NULL && mloom_redactor_stream_feed(stream, text.data, text.size, &safe) == MLOOM_OK) {
    emit_safe(run, kind, &safe);
  }
}

static void end_stream(mloom_run *run, mloom_redactor_stream *stream, uint32_t kind) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer safe = MLOOM_BUFFER_INIT;
  if (stream != NULL && mloom_redactor_stream_finish(stream, &safe) == MLOOM_OK) {
    emit_safe(run, kind, &safe);
  }
}

static void on_event(const mloom_event *event, void *userdata) {
  turn_watch *watch = userdata;
  mloom_run *run = watch->run;
  char name[128];
  size_t size = event->name.size < sizeof name ? event->name.size : sizeof name - 1;
  switch (event->kind) {
  case MLOOM_EVENT_TEXT:
    emit_stream(run, watch->text, MLOOM_JOB_EVENT_TEXT, event->text);
    break;
  case MLOOM_EVENT_REASONING:
    emit_stream(run, watch->reasoning, MLOOM_JOB_EVENT_REASONING, event->text);
    break;
  case MLOOM_EVENT_ACTIVITY:
    mloom_run_activity(run, event);
    break;
  case MLOOM_EVENT_NOTICE:
    if (size > 0) {
      memcpy(name, event->name.data, size);
    }
    name[size] = '\0';
    run->call_as_text |= strcmp(name, "tool_call_as_text") == 0;
    mloom_emitter_emit(&run->emitter, MLOOM_JOB_EVENT_NOTICE, 0, name, event->text, -1);
    break;
  case MLOOM_EVENT_RATE_LIMIT:
    mloom_emitter_emit(&run->emitter, MLOOM_JOB_EVENT_RATE_LIMIT, 0,
                       mloom_text_equal(event->name, "low") ? "low" : NULL, event->text, -1);
    break;
  default:
    break;
  }
}

static void on_retry(uint32_t attempt, int64_t wait_ms, const mloom_error *reason, void *userdata) {
  turn_watch *watch = userdata;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&text, "attempt %u failed: %s; again in %lld ms", attempt, reason->message,
                                 (long long)wait_ms) == MLOOM_OK) {
    mloom_run_emit(watch->run, MLOOM_JOB_EVENT_RETRY, 0, mloom_code_name(reason->code), text.data, -1);
  }
}

static void count_turn(mloom_run *run, const mloom_turn *turn) {
  run->emitter.input_tokens += turn->input_tokens;
  run->emitter.cached_input_tokens += turn->cached_input_tokens;
  run->emitter.output_tokens += turn->output_tokens;
  run->cache_write_tokens += turn->cache_write_tokens;
  run->reasoning_tokens += turn->reasoning_tokens;
  run->cost_millionths += turn->cost_millionths;
  run->attempts += turn->attempts;
  run->provider_ms += turn->duration_ms;
  if (turn->request_id[0] != '\0' && mloom_json_count(run->request_ids) < 1000) {
    mloom_json_add(run->request_ids, mloom_json_new_string(turn->request_id, strlen(turn->request_id)));
  }
}

static void record_turn(mloom_run *run, const mloom_turn *turn, int32_t code, const mloom_error *error) {
  static const char *const stops[] = {"end", "tool calls", "length", "refused", "paused"};
  if (run->audit == NULL) {
    return;
  }
  mloom_json *fact = mloom_json_new_object();
  mloom_json_set_integer(fact, "turn", run->emitter.turn);
  mloom_json_set_integer(fact, "attempts", turn->attempts);
  mloom_json_set_integer(fact, "duration_ms", turn->duration_ms);
  mloom_json_set_integer(fact, "first_delta_ms", turn->first_delta_ms);
  mloom_json_set_integer(fact, "input_tokens", (int64_t)turn->input_tokens);
  mloom_json_set_integer(fact, "cached_input_tokens", (int64_t)turn->cached_input_tokens);
  mloom_json_set_integer(fact, "output_tokens", (int64_t)turn->output_tokens);
  mloom_json_set_integer(fact, "tool_calls", (int64_t)turn->tool_call_count);
  mloom_json_set_string(fact, "request_id", turn->request_id);
  if (code == MLOOM_OK) {
    mloom_json_set_string(fact, "stop", turn->stop <= MLOOM_STOP_PAUSED ? stops[turn->stop] : "unknown");
    mloom_json_set(fact, "text", mloom_json_new_string(mloom_buffer_string(&turn->text), turn->text.size));
  } else {
    mloom_json_set_string(fact, "error", error->message);
    mloom_json_set_string(fact, "code", mloom_code_name(code));
  }
  mloom_audit_write(run->audit, "turn", fact);
}

static int32_t run_turn(mloom_run *run, mloom_turn *turn, mloom_error *error) {
  MLOOM_AUTO(mloom_redactor_stream_free_auto) mloom_redactor_stream *text = NULL;
  MLOOM_AUTO(mloom_redactor_stream_free_auto) mloom_redactor_stream *reasoning = NULL;
  if (mloom_redactor_stream_new(&text, run->args->redactor, error) != MLOOM_OK ||
      mloom_redactor_stream_new(&reasoning, run->args->redactor, error) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  turn_watch watch = {run, text, reasoning};
  mloom_turn_observer observer = {&watch, on_event, on_retry};
  run->call_as_text = 0;
  mloom_run_emit(run, MLOOM_JOB_EVENT_TURN_BEGIN, 0, NULL, NULL, -1);
  int32_t code = mloom_session_run_turn(run->session, &run->call, &observer, turn, error);
  end_stream(run, reasoning, MLOOM_JOB_EVENT_REASONING);
  end_stream(run, text, MLOOM_JOB_EVENT_TEXT);
  count_turn(run, turn);
  mloom_run_emit(run, MLOOM_JOB_EVENT_TURN_END, 0, NULL, code == MLOOM_OK || error == NULL ? NULL : error->message,
                 turn->duration_ms);
  record_turn(run, turn, code, error);
  return code;
}

/* ---- Tool calls ---- */

static int is_fatal(const mloom_run *run, int32_t code) {
  return code == MLOOM_E_MEMORY || run->tools.damaged ||
         (code != MLOOM_OK && mloom_call_check(&run->call, NULL) != MLOOM_OK);
}

static int is_extra_tool(const mloom_run *run, const char *name) {
  for (size_t i = 0; i < run->args->extra_tool_count; i++) {
    if (strcmp(run->args->extra_tools[i]->name, name) == 0) {
      return 1;
    }
  }
  return 0;
}

static int32_t run_extra_tool(mloom_run *run, const mloom_tool_call *call, mloom_json **arguments, mloom_buffer *out,
                              mloom_error *error) {
  int32_t code = call->arguments_size == 0
                     ? mloom_json_parse(arguments, "{}", 2, "the arguments", error)
                     : mloom_json_parse(arguments, call->arguments, call->arguments_size, "the arguments", error);
  mloom_run_emit(run, MLOOM_JOB_EVENT_TOOL_BEGIN, 0, call->name, NULL, -1);
  return code == MLOOM_OK ? run->args->extra_tool(call->name, *arguments, out, run->args->extra_tool_userdata, error)
                          : code;
}

static int32_t run_own_tool(mloom_run *run, const mloom_tool_call *call, mloom_json **arguments, mloom_buffer *out,
                            mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  int32_t code = mloom_tool_parse_arguments(arguments, call->name, call->arguments, call->arguments_size, error);
  if (code == MLOOM_OK) {
    mloom_tool_describe(call->name, *arguments, &text);
  }
  mloom_run_emit(run, MLOOM_JOB_EVENT_TOOL_BEGIN, 0, call->name, mloom_buffer_string(&text), -1);
  if (code == MLOOM_E_NOT_FOUND) {
    mloom_buffer_clear(&text);
    for (size_t i = 0; i < run->tool_set.count; i++) {
      mloom_buffer_append_format(&text, "%s%s", i == 0 ? "the tools are " : ", ", run->tool_set.tools[i]->name);
    }
    return mloom_error_set(error, code, MLOOM_DOMAIN_JOB, mloom_buffer_string(&text), "there is no such tool");
  }
  return code == MLOOM_OK ? mloom_tool_run(&run->tools, call->name, *arguments, out, error) : code;
}

/* The same failing call again and again gets nowhere. */
static int32_t count_repeats(mloom_run *run, const mloom_tool_call *call, int failed, mloom_buffer *out) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer key = MLOOM_BUFFER_INIT;
  if (!failed) {
    run->repeated = 0;
    mloom_buffer_clear(&run->last_failed);
    return MLOOM_OK;
  }
  if (mloom_buffer_append_string(&key, call->name) != MLOOM_OK ||
      mloom_buffer_append(&key, call->arguments, call->arguments_size) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  int same = key.size == run->last_failed.size && memcmp(key.data, run->last_failed.data, key.size) == 0;
  run->repeated = same ? run->repeated + 1 : 1;
  if (!same) {
    mloom_buffer_clear(&run->last_failed);
    if (mloom_buffer_append(&run->last_failed, key.data, key.size) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
  }
  return run->repeated < REPEATS_TOLD
             ? MLOOM_OK
             : mloom_buffer_append_format(out, "This very call has failed %u times in a row. Do something else.\n",
                                          run->repeated);
}

static void record_call(mloom_run *run, const mloom_tool_call *call, const mloom_json *arguments,
                        const mloom_buffer *out, int32_t code, int64_t duration_ms) {
  if (run->audit == NULL) {
    return;
  }
  mloom_json *fact = mloom_json_new_object();
  mloom_json_set_integer(fact, "turn", run->emitter.turn);
  mloom_json_set_string(fact, "tool", call->name);
  mloom_json_set(fact, "arguments",
                 arguments != NULL ? mloom_json_ref((mloom_json *)(uintptr_t)arguments)
                                   : mloom_json_new_string(call->arguments,
                                                           call->arguments_size < 4000 ? call->arguments_size : 4000));
  mloom_json_set_string(fact, "state", code == MLOOM_OK ? "pass" : "fail");
  mloom_json_set_integer(fact, "result_bytes", (int64_t)out->size);
  if (code != MLOOM_OK) {
    mloom_json_set(fact, "result", mloom_json_new_string(out->data, out->size < 2000 ? out->size : 2000));
  }
  mloom_json_set_integer(fact, "duration_ms", duration_ms);
  mloom_audit_write(run->audit, "tool", fact);
}

/* The first line of what a tool answered. */
static void emit_tool_end(mloom_run *run, const char *name, int failed, const mloom_buffer *out, int64_t duration_ms) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  const char *text = mloom_buffer_string(out);
  size_t size = strcspn(text, "\n");
  size = size > 200 ? mloom_text_complete_prefix(text, 200) : size;
  /* What a file or a diff says is no outcome. */
  if (failed || strcmp(name, "run_command") == 0 || strcmp(name, "edit_file") == 0 || strcmp(name, "write_file") == 0) {
    mloom_text_append_printable(&line, text, size, 0);
  } else {
    mloom_buffer_append_format(&line, "%zu bytes", out->size);
  }
  mloom_run_emit(run, MLOOM_JOB_EVENT_TOOL_END, failed ? MLOOM_CHECK_FAIL : MLOOM_CHECK_PASS, name,
                 mloom_buffer_string(&line), duration_ms);
}

static void emit_diff(mloom_run *run) {
  if (run->args->listener != NULL && run->changes.patch.size > 0) {
    mloom_emitter_emit(&run->emitter, MLOOM_JOB_EVENT_DIFF, 0, NULL,
                       (mloom_bytes){run->changes.patch.data, run->changes.patch.size}, -1);
  }
}

static void submitted(mloom_run *run, mloom_buffer *answer);

/* Runs one call and tells the model. 0 when the run has ended. */
static int run_call(mloom_run *run, const mloom_tool_call *call) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *arguments = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  int64_t begin = run->call.clock->monotonic_ms(run->call.clock);
  run->tool_calls++;
  int32_t code = is_extra_tool(run, call->name) ? run_extra_tool(run, call, &arguments, &out, &error)
                                                : run_own_tool(run, call, &arguments, &out, &error);
  int64_t duration = run->call.clock->monotonic_ms(run->call.clock) - begin;
  run->tools_ms += duration;
  if (code != MLOOM_OK) {
    run->failed_tool_calls++;
    mloom_buffer_clear(&out);
    mloom_buffer_append_format(&out, "error: %s.%s%s%s\n", error.message,
                               error.remedy[0] == '\0' ? "" : " Instead: ", error.remedy,
                               error.remedy[0] == '\0' ? "" : ".");
  }
  emit_tool_end(run, call->name, code != MLOOM_OK, &out, duration);
  record_call(run, call, arguments, &out, code, duration);
  if (is_fatal(run, code)) {
    end_failed(run, code, &error);
    return 0;
  }
  if (code == MLOOM_OK && strcmp(call->name, "inspect_diff") == 0) {
    emit_diff(run);
  }
  if (run->tools.submitted) {
    mloom_buffer_clear(&out);
    submitted(run, &out);
    code = MLOOM_E_CONFLICT; /* when the run goes on, the result was not accepted */
  }
  if (run->ended) {
    return 0;
  }
  if (count_repeats(run, call, code != MLOOM_OK, &out) != MLOOM_OK) {
    end_failed(run, mloom_error_memory(&error), &error);
    return 0;
  }
  if (run->repeated >= REPEATS_ENDED) {
    end_reason(run, MLOOM_E_LIMIT, "use a model that copes with tools, or a smaller ticket",
               "the model repeats the same failing call");
    return 0;
  }
  mloom_redactor_apply_known(run->args->redactor, &out);
  code = mloom_session_append_tool_result(run->session, call->id, call->name, mloom_buffer_string(&out), out.size,
                                          code != MLOOM_OK, &error);
  if (code != MLOOM_OK) {
    end_failed(run, code, &error);
  }
  return !run->ended;
}

/* Every call has to be answered, or the next request is malformed. */
static int answer_unrun(mloom_run *run, const mloom_tool_call *call, const char *why) {
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = mloom_session_append_tool_result(run->session, call->id, call->name, why, strlen(why), 1, &error);
  if (code != MLOOM_OK) {
    end_failed(run, code, &error);
  }
  return code == MLOOM_OK;
}

/* ---- After the model submits ---- */

static void accept(mloom_run *run) {
  const char *status = mloom_json_member_string(run->tools.submission, "status", "completed");
  const char *summary = mloom_json_member_string(run->tools.submission, "summary", "");
  run->ended = 1;
  run->state = MLOOM_JOB_COMPLETED;
  if (strcmp(status, "completed") != 0) {
    run->state = MLOOM_JOB_FAILED;
    mloom_error_set(&run->failure, strcmp(status, "blocked") == 0 ? MLOOM_E_BLOCKED : MLOOM_E_REFUSED, MLOOM_DOMAIN_JOB,
                    "read the summary, and change the ticket or finish the work by hand",
                    "the model reports the work as %s: %.300s", status, summary);
  }
}

/* Validates what was submitted. Either the run ends, or answer holds what the model is told. */
static void submitted(mloom_run *run, mloom_buffer *answer) {
  mloom_error error = MLOOM_ERROR_INIT;
  run->tools.submitted = 0;
  int32_t code = mloom_git_nested_restore(&run->runner.nested, &run->workspace, &run->tools.tampered, &error);
  code = code == MLOOM_OK ? mloom_changes_update(&run->changes, &run->runner, &run->call, &error) : code;
  if (code != MLOOM_OK) {
    end_failed(run, code, &error);
    return;
  }
  emit_diff(run);
  int passed = 1;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer report = MLOOM_BUFFER_INIT;
  if (strcmp(mloom_json_member_string(run->tools.submission, "status", "completed"), "completed") == 0) {
    code = mloom_validate(run, &passed, &report, &error);
  }
  if (code != MLOOM_OK) {
    end_failed(run, code, &error);
    return;
  }
  if (passed || run->job->validation_mode != MLOOM_VALIDATION_REQUIRED) {
    accept(run);
    return;
  }
  if (run->repairs >= run->rules.max_repair_attempts) {
    end_reason(run, MLOOM_E_CONFLICT, "see the validation output; mend the code or the validation commands",
               "required validation fails and no repair attempt is left");
    return;
  }
  run->repairs++;
  code = mloom_buffer_append_format(answer,
                                    "The result is not accepted: validation failed (repair attempt %u of %u). "
                                    "Mend the cause and submit again.\n\n",
                                    run->repairs, run->rules.max_repair_attempts);
  code = code == MLOOM_OK ? mloom_buffer_append(answer, mloom_buffer_string(&report), report.size) : code;
  if (code != MLOOM_OK) {
    end_failed(run, mloom_error_memory(&error), &error);
  }
}

/* ---- Answers without a call ---- */

static void say(mloom_run *run, const char *text) {
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = mloom_session_append_user(run->session, text, strlen(text), &error);
  if (code != MLOOM_OK) {
    end_failed(run, code, &error);
  }
}

static void remind(mloom_run *run) {
  if (run->call_as_text) {
    if (run->reminders++ >= 1) {
      end_reason(run, MLOOM_E_PROTOCOL, "serve the model with a tool-call parser that fits it, or choose another model",
                 "the model writes its tool calls as text");
      return;
    }
    say(run, "That tool call was written as text, so nothing was run. Call tools through the tool interface.");
    return;
  }
  if (run->reminders++ >= REMINDERS) {
    end_reason(run, MLOOM_E_PROTOCOL, "choose a model that follows tool instructions, or a clearer ticket",
               "the model ended without submitting a result");
    return;
  }
  say(run,
      mloom_run_is_agent(run)
          ? "Your last message is not the result that was asked for. Go on with the work, and end with the result as "
            "one JSON object when it is done or cannot be done."
          : "Nothing is handed in yet. Go on with the work, or call submit_result when it is done or cannot be "
            "done.");
}

static void handle_cut(mloom_run *run, const mloom_turn *turn) {
  static const char why[] = "error: the answer was cut at the output limit, so this call was not run.\n";
  if (++run->cut_answers > CUT_ANSWERS) {
    end_reason(run, MLOOM_E_LIMIT, "raise the provider's output limit, or split the ticket",
               "the model's answers are cut at the output limit again and again");
    return;
  }
  for (size_t i = 0; i < turn->tool_call_count; i++) {
    if (!answer_unrun(run, &turn->tool_calls[i], why)) {
      return;
    }
  }
  if (turn->tool_call_count == 0) {
    say(run, "Your answer was cut at the output limit. Go on in smaller steps.");
  }
}

static void handle_calls(mloom_run *run, const mloom_turn *turn) {
  for (size_t i = 0; i < turn->tool_call_count && !run->ended; i++) {
    if (i >= CALLS_OF_ONE_TURN) {
      answer_unrun(run, &turn->tool_calls[i], "error: too many calls in one answer; this one was not run.\n");
    } else if (mloom_call_check(&run->call, NULL) != MLOOM_OK) {
      end_failed(run, MLOOM_E_CANCELLED, NULL);
    } else {
      run_call(run, &turn->tool_calls[i]);
    }
  }
}

/* A program that runs the whole job hands in its result by itself. */
static void handle_agent(mloom_run *run, const mloom_turn *turn) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *arguments = NULL;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  if (turn->result.size == 0) {
    remind(run);
    return;
  }
  int32_t code = mloom_tool_parse_arguments(&arguments, "submit_result", mloom_buffer_string(&turn->result),
                                            turn->result.size, &error);
  code = code == MLOOM_OK ? mloom_tool_run(&run->tools, "submit_result", arguments, &out, &error) : code;
  mloom_buffer_clear(&out);
  if (code == MLOOM_OK) {
    submitted(run, &out);
  } else if (run->reminders++ >= REMINDERS) {
    end_failed(run, code, &error);
  } else {
    mloom_buffer_append_format(&out, "Your result is malformed: %s. %s.", error.message, error.remedy);
  }
  if (!run->ended) {
    say(run, mloom_buffer_string(&out));
  }
}

static int within_limits(mloom_run *run) {
  uint64_t tokens = run->emitter.input_tokens + run->emitter.output_tokens;
  if (mloom_call_check(&run->call, NULL) != MLOOM_OK) {
    end_failed(run, MLOOM_E_CANCELLED, NULL);
  } else if (run->rules.max_turns > 0 && run->emitter.turn >= run->rules.max_turns) {
    end_reason(run, MLOOM_E_LIMIT, "allow the job more turns, or split the ticket",
               "the job's limit of turns is reached");
  } else if (run->rules.max_tokens > 0 && tokens >= run->rules.max_tokens) {
    end_reason(run, MLOOM_E_LIMIT, "allow the job more tokens, or split the ticket",
               "the job's limit of tokens is reached");
  } else if (run->output_limit > 0 && run->runner.output_total >= run->output_limit) {
    end_reason(run, MLOOM_E_LIMIT, "let commands write less, or raise limits.output_bytes",
               "the commands of the job have written more than its limit");
  }
  return !run->ended;
}

void mloom_loop_run(mloom_run *run) {
  int is_agent = mloom_run_is_agent(run);
  uint32_t pauses = 0;
  while (!run->ended && within_limits(run)) {
    MLOOM_AUTO(mloom_turn_free) mloom_turn turn = {0};
    mloom_error error = MLOOM_ERROR_INIT;
    run->emitter.turn++;
    mloom_error damage = MLOOM_ERROR_INIT;
    int32_t code = run_turn(run, &turn, &error);
    /* Whatever became of a program that works in the repository by itself, .git is put back. */
    int32_t restored = is_agent
                           ? mloom_git_metadata_restore(&run->metadata, &run->workspace, &run->tools.tampered, &damage)
                           : MLOOM_OK;
    if (code != MLOOM_OK || restored != MLOOM_OK) {
      end_failed(run, code != MLOOM_OK ? code : restored, code != MLOOM_OK ? &error : &damage);
    } else if (turn.stop == MLOOM_STOP_REFUSED) {
      end_reason(run, MLOOM_E_REFUSED, "change the ticket's wording, or choose another model",
                 "the model or its provider refused to answer");
    } else if (turn.stop == MLOOM_STOP_PAUSED && ++pauses <= PAUSES) {
      continue;
    } else if (is_agent) {
      handle_agent(run, &turn);
    } else if (turn.stop == MLOOM_STOP_LENGTH) {
      handle_cut(run, &turn);
    } else if (turn.tool_call_count == 0) {
      remind(run);
    } else {
      handle_calls(run, &turn);
    }
  }
}
