/* SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "body.h"

static void add_tools(int32_t *status, mloom_buffer *out, const mloom_session_args *args) {
  mloom_body_add_name(status, out, "tools");
  mloom_body_add(status, out, "[");
  for (size_t i = 0; i < args->tool_count; i++) {
    const mloom_tool *tool = args->tools[i];
    mloom_body_add(status, out,
                   i == 0 ? "{\"type\":\"function\",\"function\":{" : ",{\"type\":\"function\",\"function\":{");
    mloom_body_add_string(status, out, "name", mloom_text_bytes(tool->name));
    mloom_body_add_string(status, out, "description",
                          mloom_text_bytes(tool->description == NULL ? "" : tool->description));
    mloom_body_add_raw(status, out, "parameters", mloom_body_parameters(tool));
    mloom_body_add(status, out, "}}");
  }
  mloom_body_add(status, out, "]");
}

int32_t mloom_chat_request_init(mloom_chat_request *request, const mloom_chat_options *options, const char *model,
                                const mloom_session_args *args) {
  memset(request, 0, sizeof(*request));
  request->echo_reasoning = options->echo_reasoning;
  mloom_buffer *out = &request->head;
  int32_t status = MLOOM_OK;
  mloom_body_add(&status, out, "{");
  mloom_body_add_string(&status, out, "model", mloom_text_bytes(model));
  mloom_body_add_boolean(&status, out, "stream", options->stream);
  if (options->stream && options->include_usage) {
    mloom_body_add_raw(&status, out, "stream_options", mloom_text_bytes("{\"include_usage\":true}"));
  }
  if (options->max_tokens_field != NULL && options->max_output_tokens > 0) {
    mloom_body_add_number(&status, out, options->max_tokens_field, options->max_output_tokens);
  }
  if (options->temperature != NULL) {
    mloom_body_add_raw(&status, out, "temperature", mloom_text_bytes(options->temperature));
  }
  if (options->reasoning_effort != NULL) {
    mloom_body_add_string(&status, out, "reasoning_effort", mloom_text_bytes(options->reasoning_effort));
  }
  if (args->tool_count > 0) {
    add_tools(&status, out, args);
    if (options->parallel_tool_calls >= 0) {
      mloom_body_add_boolean(&status, out, "parallel_tool_calls", options->parallel_tool_calls);
    }
  }
  mloom_body_add_name(&status, out, "messages");
  mloom_body_add(&status, out, "[");
  if (args->instructions.size > 0) {
    mloom_body_add(&status, &request->messages, "{\"role\":\"system\"");
    mloom_body_add_string(&status, &request->messages, "content", args->instructions);
    mloom_body_add(&status, &request->messages, "}");
  }
  if (status != MLOOM_OK) {
    mloom_chat_request_free(request);
  }
  return status;
}

static void begin_message(int32_t *status, mloom_chat_request *request, const char *role) {
  mloom_body_add(status, &request->messages, request->messages.size == 0 ? "{" : ",{");
  mloom_body_add_string(status, &request->messages, "role", mloom_text_bytes(role));
}

/* A message is there whole or not at all. */
static int32_t end_message(int32_t status, mloom_chat_request *request, size_t size_before) {
  mloom_body_add(&status, &request->messages, "}");
  if (status != MLOOM_OK) {
    mloom_buffer_truncate(&request->messages, size_before);
  }
  return status;
}

int32_t mloom_chat_request_append(mloom_chat_request *request, const mloom_message *message) {
  int32_t status = MLOOM_OK;
  size_t size_before = request->messages.size;
  if (message->role == MLOOM_ROLE_USER) {
    begin_message(&status, request, "user");
    mloom_body_add_string(&status, &request->messages, "content", message->text);
    return end_message(status, request, size_before);
  }
  if (message->role != MLOOM_ROLE_TOOL_RESULT) {
    return MLOOM_E_INVALID;
  }
  begin_message(&status, request, "tool");
  mloom_body_add_string(&status, &request->messages, "tool_call_id",
                        mloom_text_bytes(message->tool_call_id == NULL ? "" : message->tool_call_id));
  mloom_body_add_result(&status, &request->messages, "content", message);
  return end_message(status, request, size_before);
}

/* Servers parse the arguments of earlier calls again and refuse the conversation when they are no JSON object. */
static void add_arguments(int32_t *status, mloom_buffer *out, const mloom_buffer *arguments) {
  mloom_bytes text = mloom_body_bytes(arguments);
  if (mloom_body_is_object(text)) {
    mloom_body_add_string(status, out, "arguments", text);
    return;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer wrapped = MLOOM_BUFFER_INIT;
  mloom_body_add(status, &wrapped, "{");
  mloom_body_add_string(status, &wrapped, "malformed_arguments", text);
  mloom_body_add(status, &wrapped, "}");
  mloom_body_add_string(status, out, "arguments", mloom_body_bytes(&wrapped));
}

static void add_reasoning_details(int32_t *status, mloom_buffer *out, const mloom_chat_answer *answer) {
  size_t count = 0;
  for (size_t i = 0; i < answer->call_count; i++) {
    mloom_bytes details = mloom_body_bytes(&answer->calls[i].details);
    if (mloom_body_is_object(details)) {
      mloom_body_add(status, out, count++ == 0 ? ",\"reasoning_details\":[" : ",");
      mloom_body_add_bytes(status, out, details);
    }
  }
  mloom_body_add(status, out, count > 0 ? "]" : "");
}

int32_t mloom_chat_request_append_answer(mloom_chat_request *request, const mloom_chat_answer *answer) {
  int32_t status = MLOOM_OK;
  size_t size_before = request->messages.size;
  mloom_buffer *out = &request->messages;
  begin_message(&status, request, "assistant");
  mloom_bytes text = mloom_body_bytes(answer->text.size > 0 ? &answer->text : &answer->refusal);
  if (text.size == 0 && answer->call_count > 0) {
    mloom_body_add(&status, out, ",\"content\":null");
  } else {
    mloom_body_add_string(&status, out, "content", text.size > 0 ? text : mloom_text_bytes("(nothing)"));
  }
  if (request->echo_reasoning != NULL) {
    /* Servers that want it refuse answers without the member, and an empty one. */
    mloom_bytes reasoning = mloom_body_bytes(&answer->reasoning);
    mloom_body_add_string(&status, out, request->echo_reasoning,
                          reasoning.size > 0 ? reasoning : mloom_text_bytes(" "));
  }
  add_reasoning_details(&status, out, answer);
  if (answer->call_count > 0) {
    mloom_body_add(&status, out, ",\"tool_calls\":[");
    for (size_t i = 0; i < answer->call_count; i++) {
      const mloom_chat_call *call = &answer->calls[i];
      mloom_body_add(&status, out, i == 0 ? "{" : ",{");
      mloom_body_add_string(&status, out, "id", mloom_body_bytes(&call->id));
      if (mloom_body_is_object(mloom_body_bytes(&call->extra))) {
        mloom_body_add_raw(&status, out, "extra_content", mloom_body_bytes(&call->extra));
      }
      mloom_body_add(&status, out, ",\"type\":\"function\",\"function\":{");
      mloom_body_add_string(&status, out, "name", mloom_body_bytes(&call->name));
      add_arguments(&status, out, &call->arguments);
      mloom_body_add(&status, out, "}}");
    }
    mloom_body_add(&status, out, "]");
  }
  return end_message(status, request, size_before);
}

const mloom_bytes *mloom_chat_request_segments(mloom_chat_request *request, size_t *count) {
  request->segments[0] = mloom_body_bytes(&request->head);
  request->segments[1] = mloom_body_bytes(&request->messages);
  request->segments[2] = mloom_text_bytes("]}");
  *count = 3;
  return request->segments;
}

void mloom_chat_request_free(mloom_chat_request *request) {
  mloom_buffer_free(&request->head);
  mloom_buffer_free(&request->messages);
}
