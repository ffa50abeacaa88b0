/* SPDX-License-Identifier: Apache-2.0 */
#include "gemini_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "body.h"

static const mloom_turns_form form = {
    .user = "{\"role\":\"user\",\"parts\":[",
    .model = "{\"role\":\"model\",\"parts\":[",
    .block_end = "",
};

/* ---- Calls ---- */

mloom_gemini_call *mloom_gemini_calls_add(mloom_gemini_calls *calls) {
  if (calls->count == calls->capacity) {
    size_t capacity = calls->capacity == 0 ? 4 : calls->capacity * 2;
    mloom_gemini_call *items = realloc(calls->items, capacity * sizeof(*items));
    if (items == NULL) {
      return NULL;
    }
    calls->items = items;
    calls->capacity = capacity;
  }
  mloom_gemini_call *call = &calls->items[calls->count++];
  memset(call, 0, sizeof(*call));
  return call;
}

void mloom_gemini_calls_clear(mloom_gemini_calls *calls) {
  for (size_t i = 0; i < calls->count; i++) {
    mloom_buffer_free(&calls->items[i].id);
    mloom_buffer_free(&calls->items[i].native_id);
    mloom_buffer_free(&calls->items[i].name);
    mloom_buffer_free(&calls->items[i].arguments);
    mloom_buffer_free(&calls->items[i].result);
  }
  calls->count = 0;
}

/* ---- Head ---- */

static void add_declaration(int32_t *status, mloom_buffer *out, const mloom_gemini_options *options,
                            const mloom_tool *tool) {
  mloom_body_add(status, out, "{");
  mloom_body_add_string(status, out, "name", mloom_text_bytes(tool->name));
  if (tool->description != NULL && tool->description[0] != '\0') {
    mloom_body_add_string(status, out, "description", mloom_text_bytes(tool->description));
  }
  if (tool->parameters.size > 0 && !options->openapi_schema) {
    mloom_body_add_raw(status, out, "parametersJsonSchema", tool->parameters);
  } else if (mloom_gemini_has_properties(tool->parameters)) {
    mloom_body_add_name(status, out, "parameters");
    *status = *status == MLOOM_OK ? mloom_gemini_write_schema(out, tool->parameters) : *status;
  }
  mloom_body_add(status, out, "}");
}

static void add_tools(int32_t *status, mloom_buffer *out, const mloom_gemini_options *options,
                      const mloom_session_args *args) {
  mloom_body_add_name(status, out, "tools");
  mloom_body_add(status, out, "[{\"functionDeclarations\":[");
  for (size_t i = 0; i < args->tool_count; i++) {
    mloom_body_add(status, out, i == 0 ? "" : ",");
    add_declaration(status, out, options, args->tools[i]);
  }
  mloom_body_add(status, out, "]}]");
  if (options->tool_mode != NULL) {
    mloom_body_add_name(status, out, "toolConfig");
    mloom_body_add(status, out, "{\"functionCallingConfig\":{");
    mloom_body_add_string(status, out, "mode", mloom_text_bytes(options->tool_mode));
    mloom_body_add(status, out, "}}");
  }
}

static int has_thinking(const mloom_gemini_options *options) {
  return options->thinking_level != NULL || options->thinking_budget != MLOOM_GEMINI_NO_BUDGET ||
         options->include_thoughts;
}

static void add_thinking(int32_t *status, mloom_buffer *out, const mloom_gemini_options *options) {
  mloom_body_add_name(status, out, "thinkingConfig");
  mloom_body_add(status, out, "{");
  if (options->include_thoughts) {
    mloom_body_add(status, out, "\"includeThoughts\":true");
  }
  if (options->thinking_level != NULL) {
    mloom_body_add_string(status, out, "thinkingLevel", mloom_text_bytes(options->thinking_level));
  } else if (options->thinking_budget != MLOOM_GEMINI_NO_BUDGET) {
    char budget[24];
    snprintf(budget, sizeof(budget), "%lld", (long long)options->thinking_budget);
    mloom_body_add_raw(status, out, "thinkingBudget", mloom_text_bytes(budget));
  }
  mloom_body_add(status, out, "}");
}

static void add_generation(int32_t *status, mloom_buffer *out, const mloom_gemini_options *options) {
  if (options->max_output_tokens == 0 && !has_thinking(options)) {
    return;
  }
  mloom_body_add_name(status, out, "generationConfig");
  mloom_body_add(status, out, "{");
  if (options->max_output_tokens > 0) {
    mloom_body_add_number(status, out, "maxOutputTokens", options->max_output_tokens);
  }
  if (has_thinking(options)) {
    add_thinking(status, out, options);
  }
  mloom_body_add(status, out, "}");
}

int32_t mloom_gemini_request_init(mloom_gemini_request *request, const mloom_gemini_options *options,
                                  const mloom_session_args *args) {
  memset(request, 0, sizeof(*request));
  request->turns.form = &form;
  mloom_buffer *out = &request->turns.head;
  int32_t status = MLOOM_OK;
  mloom_body_add(&status, out, "{");
  if (!mloom_body_is_blank(args->instructions)) {
    mloom_body_add_name(&status, out, "systemInstruction");
    mloom_body_add(&status, out, "{\"role\":\"user\",\"parts\":[{");
    mloom_body_add_string(&status, out, "text", args->instructions);
    mloom_body_add(&status, out, "}]}");
  }
  if (args->tool_count > 0) {
    add_tools(&status, out, options, args);
  }
  add_generation(&status, out, options);
  mloom_body_add_name(&status, out, "contents");
  mloom_body_add(&status, out, "[");
  if (status != MLOOM_OK) {
    mloom_gemini_request_free(request);
  }
  return status;
}

/* ---- Contents ---- */

static void add_response(int32_t *status, mloom_buffer *out, const mloom_gemini_call *call) {
  mloom_body_add(status, out, "{\"functionResponse\":{");
  if (call->native_id.size > 0) {
    mloom_body_add_string(status, out, "id", mloom_body_bytes(&call->native_id));
  }
  mloom_body_add_string(status, out, "name", mloom_body_bytes(&call->name));
  mloom_body_add_name(status, out, "response");
  if (call->result.size > 0) {
    mloom_body_add_bytes(status, out, mloom_body_bytes(&call->result));
  } else {
    mloom_body_add(status, out, "{\"error\":\"the tool was not run\"}");
  }
  mloom_body_add(status, out, "}}");
}

/* Results and texts of the open turn take their places: as many results as there were calls, in their order, whatever
 * the order in which they came. */
static int32_t settle(mloom_gemini_request *request) {
  mloom_turns_position before = mloom_turns_here(&request->turns);
  int32_t status = MLOOM_OK;
  for (size_t i = 0; i < request->calls.count; i++) {
    mloom_turns_begin_block(&status, &request->turns, MLOOM_TURNS_USER, 1);
    add_response(&status, &request->turns.messages, &request->calls.items[i]);
  }
  mloom_turns_place_texts(&status, &request->turns);
  if (mloom_turns_settle(status, &request->turns, before) == MLOOM_OK) {
    mloom_gemini_calls_clear(&request->calls);
  }
  return status;
}

static void write_result(int32_t *status, mloom_buffer *out, const mloom_message *message) {
  int failed = (message->flags & MLOOM_MESSAGE_ERROR) != 0;
  mloom_bytes text = message->text;
  if (mloom_body_is_blank(text)) {
    text = mloom_text_bytes(failed ? "the tool failed" : "(no output)");
  }
  mloom_body_add(status, out, "{");
  mloom_body_add_string(status, out, failed ? "error" : "output", text);
  mloom_body_add(status, out, "}");
}

static mloom_gemini_call *find_call(mloom_gemini_request *request, const char *id) {
  for (size_t i = 0; id != NULL && i < request->calls.count; i++) {
    mloom_gemini_call *call = &request->calls.items[i];
    if (call->result.size == 0 && mloom_text_equal(mloom_body_bytes(&call->id), id)) {
      return call;
    }
  }
  return NULL;
}

/* A result that answers no call of the newest answer: the service is to say what it thinks of it. */
static void add_stray_result(int32_t *status, mloom_turns *turns, const mloom_message *message) {
  mloom_buffer *out = &turns->texts;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer result = MLOOM_BUFFER_INIT;
  write_result(status, &result, message);
  mloom_turns_begin_text(status, turns);
  mloom_body_add(status, out, "{\"functionResponse\":{");
  mloom_body_add_string(status, out, "name",
                        mloom_text_bytes(message->tool_name == NULL ? "unnamed" : message->tool_name));
  mloom_body_add_name(status, out, "response");
  mloom_body_add_bytes(status, out, mloom_body_bytes(&result));
  mloom_body_add(status, out, "}}");
}

int32_t mloom_gemini_request_append(mloom_gemini_request *request, const mloom_message *message) {
  int32_t status = MLOOM_OK;
  mloom_turns_position before = mloom_turns_here(&request->turns);
  mloom_buffer *texts = &request->turns.texts;
  if (message->role == MLOOM_ROLE_TOOL_RESULT) {
    mloom_gemini_call *call = find_call(request, message->tool_call_id);
    if (call != NULL) {
      write_result(&status, &call->result, message);
      if (status != MLOOM_OK) {
        mloom_buffer_clear(&call->result);
      }
      return status;
    }
    add_stray_result(&status, &request->turns, message);
  } else if (message->role == MLOOM_ROLE_USER) {
    mloom_turns_begin_text(&status, &request->turns);
    mloom_body_add(&status, texts, "{");
    mloom_body_add_string(&status, texts, "text",
                          mloom_body_is_blank(message->text) ? mloom_text_bytes("(nothing)") : message->text);
    mloom_body_add(&status, texts, "}");
  } else {
    return MLOOM_E_UNSUPPORTED;
  }
  return mloom_turns_settle(status, &request->turns, before);
}

/* ---- Answers ---- */

/* Calls that are not going to be run are left out, and summaries of thinking that nothing signed. */
static int is_sent(const mloom_gemini_answer *answer, const mloom_gemini_part *part) {
  switch (part->kind) {
  case MLOOM_GEMINI_TEXT:
    return part->text.size > 0;
  case MLOOM_GEMINI_CALL:
    return answer->stop == MLOOM_STOP_TOOL_CALLS;
  case MLOOM_GEMINI_KEPT:
    return 1;
  default:
    return 0;
  }
}

static void add_part(int32_t *status, mloom_gemini_request *request, const mloom_gemini_part *part) {
  mloom_turns_begin_block(status, &request->turns, MLOOM_TURNS_MODEL, 1);
  if (part->kind == MLOOM_GEMINI_TEXT) {
    mloom_body_add(status, &request->turns.messages, "{");
    mloom_body_add_string(status, &request->turns.messages, "text", mloom_body_bytes(&part->text));
    mloom_body_add(status, &request->turns.messages, "}");
  } else {
    mloom_body_add_bytes(status, &request->turns.messages, mloom_body_bytes(&part->text));
  }
}

static int32_t copy(mloom_buffer *out, const mloom_buffer *from) {
  return mloom_buffer_append(out, mloom_buffer_string(from), from->size);
}

static int32_t expect_results(mloom_gemini_request *request, const mloom_gemini_answer *answer) {
  int32_t status = MLOOM_OK;
  for (size_t i = 0; status == MLOOM_OK && i < answer->calls.count; i++) {
    const mloom_gemini_call *call = &answer->calls.items[i];
    mloom_gemini_call *expected = mloom_gemini_calls_add(&request->calls);
    status = expected == NULL ? MLOOM_E_MEMORY : copy(&expected->id, &call->id);
    status = status == MLOOM_OK ? copy(&expected->native_id, &call->native_id) : status;
    status = status == MLOOM_OK ? copy(&expected->name, &call->name) : status;
  }
  if (status != MLOOM_OK) {
    mloom_gemini_calls_clear(&request->calls);
  }
  return status;
}

int32_t mloom_gemini_request_append_answer(mloom_gemini_request *request, const mloom_gemini_answer *answer) {
  int32_t status = settle(request);
  mloom_turns_position before = mloom_turns_here(&request->turns);
  size_t sent = 0;
  for (size_t i = 0; i < answer->part_count; i++) {
    if (is_sent(answer, &answer->parts[i])) {
      add_part(&status, request, &answer->parts[i]);
      sent++;
    }
  }
  if (sent == 0) {
    /* A content without parts is refused. */
    mloom_turns_begin_block(&status, &request->turns, MLOOM_TURNS_MODEL, 1);
    mloom_body_add(&status, &request->turns.messages, "{\"text\":\"(nothing)\"}");
  }
  if (status == MLOOM_OK && answer->stop == MLOOM_STOP_TOOL_CALLS) {
    status = expect_results(request, answer);
  }
  return mloom_turns_settle(status, &request->turns, before);
}

int32_t mloom_gemini_request_segments(mloom_gemini_request *request, const mloom_bytes **out, size_t *count) {
  int32_t status = settle(request);
  return status == MLOOM_OK ? mloom_turns_segments(&request->turns, out, count) : status;
}

void mloom_gemini_request_free(mloom_gemini_request *request) {
  mloom_gemini_calls_clear(&request->calls);
  free(request->calls.items);
  request->calls = (mloom_gemini_calls){NULL, 0, 0};
  mloom_turns_free(&request->turns);
}
