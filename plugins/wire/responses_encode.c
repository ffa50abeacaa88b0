/* SPDX-License-Identifier: Apache-2.0 */
#include "responses.h"

#include <string.h>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "body.h"

static void add_option(int32_t *status, mloom_buffer *out, const char *name, const char *value) {
  if (value != NULL) {
    mloom_body_add_string(status, out, name, mloom_text_bytes(value));
  }
}

static void add_tools(int32_t *status, mloom_buffer *out, const mloom_session_args *args) {
  mloom_body_add_name(status, out, "tools");
  mloom_body_add(status, out, "[");
  for (size_t i = 0; i < args->tool_count; i++) {
    const mloom_tool *tool = args->tools[i];
    mloom_body_add(status, out, i == 0 ? "{\"type\":\"function\"" : ",{\"type\":\"function\"");
    mloom_body_add_string(status, out, "name", mloom_text_bytes(tool->name));
    mloom_body_add_string(status, out, "description",
                          mloom_text_bytes(tool->description == NULL ? "" : tool->description));
    mloom_body_add_raw(status, out, "parameters", mloom_body_parameters(tool));
    /* The strict form wants every property required, which the schemas of tools do not say. */
    mloom_body_add_boolean(status, out, "strict", 0);
    mloom_body_add(status, out, "}");
  }
  mloom_body_add(status, out, "]");
}

static void add_reasoning(int32_t *status, mloom_buffer *out, const mloom_responses_options *options) {
  if (options->reasoning_effort != NULL || options->reasoning_summary != NULL) {
    mloom_body_add_name(status, out, "reasoning");
    mloom_body_add(status, out, "{");
    add_option(status, out, "effort", options->reasoning_effort);
    add_option(status, out, "summary", options->reasoning_summary);
    mloom_body_add(status, out, "}");
  }
  if (options->verbosity != NULL) {
    mloom_body_add_name(status, out, "text");
    mloom_body_add(status, out, "{");
    add_option(status, out, "verbosity", options->verbosity);
    mloom_body_add(status, out, "}");
  }
}

/* Models that do not reason refuse a request for their reasoning. */
static int is_known_not_to_reason(const char *model) {
  static const char *const families[] = {"gpt-4", "gpt-3.5", "chatgpt-"};
  const char *slash = strrchr(model, '/');
  const char *name = slash == NULL ? model : slash + 1;
  for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
    if (strncmp(name, families[i], strlen(families[i])) == 0) {
      return 1;
    }
  }
  return strstr(name, "-chat") != NULL;
}

int32_t mloom_responses_request_init(mloom_responses_request *request, const mloom_responses_options *options,
                                     const char *model, const mloom_session_args *args) {
  memset(request, 0, sizeof(*request));
  mloom_buffer *out = &request->head;
  int32_t status = MLOOM_OK;
  mloom_body_add(&status, out, "{");
  mloom_body_add_string(&status, out, "model", mloom_text_bytes(model));
  mloom_body_add_boolean(&status, out, "stream", options->stream);
  mloom_body_add_boolean(&status, out, "store", 0);
  if (options->encrypted_reasoning > 0 || (options->encrypted_reasoning < 0 && !is_known_not_to_reason(model))) {
    mloom_body_add_raw(&status, out, "include", mloom_text_bytes("[\"reasoning.encrypted_content\"]"));
  }
  if (options->max_output_tokens > 0) {
    mloom_body_add_number(&status, out, "max_output_tokens", options->max_output_tokens);
  }
  add_reasoning(&status, out, options);
  add_option(&status, out, "service_tier", options->service_tier);
  add_option(&status, out, "prompt_cache_key", options->prompt_cache ? args->session_id : NULL);
  if (args->instructions.size > 0) {
    mloom_body_add_string(&status, out, "instructions", args->instructions);
  }
  if (args->tool_count > 0) {
    add_tools(&status, out, args);
    mloom_body_add_string(&status, out, "tool_choice", mloom_text_bytes("auto"));
    if (options->parallel_tool_calls >= 0) {
      mloom_body_add_boolean(&status, out, "parallel_tool_calls", options->parallel_tool_calls);
    }
  }
  mloom_body_add_name(&status, out, "input");
  mloom_body_add(&status, out, "[");
  if (status != MLOOM_OK) {
    mloom_responses_request_free(request);
  }
  return status;
}

/* Begins an item with its type. */
static void begin_item(int32_t *status, mloom_responses_request *request, const char *type) {
  mloom_body_add(status, &request->items, request->items.size == 0 ? "{" : ",{");
  mloom_body_add_string(status, &request->items, "type", mloom_text_bytes(type));
}

/* An item is there whole or not at all. */
static int32_t end_item(int32_t status, mloom_responses_request *request, size_t size_before) {
  mloom_body_add(&status, &request->items, "}");
  if (status != MLOOM_OK) {
    mloom_buffer_truncate(&request->items, size_before);
  }
  return status;
}

int32_t mloom_responses_request_append(mloom_responses_request *request, const mloom_message *message) {
  int32_t status = MLOOM_OK;
  size_t size_before = request->items.size;
  if (message->role == MLOOM_ROLE_USER) {
    begin_item(&status, request, "message");
    mloom_body_add_string(&status, &request->items, "role", mloom_text_bytes("user"));
    mloom_body_add(&status, &request->items, ",\"content\":[{\"type\":\"input_text\"");
    mloom_body_add_string(&status, &request->items, "text", message->text);
    mloom_body_add(&status, &request->items, "}]");
    return end_item(status, request, size_before);
  }
  if (message->role != MLOOM_ROLE_TOOL_RESULT) {
    return MLOOM_E_INVALID;
  }
  begin_item(&status, request, "function_call_output");
  mloom_body_add_string(&status, &request->items, "call_id",
                        mloom_text_bytes(message->tool_call_id == NULL ? "" : message->tool_call_id));
  mloom_body_add_result(&status, &request->items, "output", message);
  return end_item(status, request, size_before);
}

/* ---- What the model said ---- */

/* The members of an item, but for its id where without_id says so, its call_id when it is to be replaced, and members
 * of reasoning that are null. */
static int32_t add_members(mloom_responses_request *request, const mloom_responses_item *item, int without_id) {
  mloom_json_reader reader;
  mloom_bytes key;
  int32_t status = MLOOM_OK;
  mloom_buffer *out = &request->items;
  size_t size_before = out->size;
  mloom_body_add(&status, out, out->size == 0 ? "{" : ",{");
  mloom_json_reader_init(&reader, mloom_buffer_string(&item->raw), item->raw.size);
  mloom_json_reader_object(&reader);
  for (int first = 1; status == MLOOM_OK && mloom_json_reader_key(&reader, &key);) {
    mloom_bytes value = {NULL, 0};
    mloom_json_reader_raw(&reader, &value);
    int skipped = (without_id && mloom_text_equal(key, "id")) ||
                  (item->kind == MLOOM_RESPONSES_CALL && !item->has_call_id && mloom_text_equal(key, "call_id")) ||
                  (item->kind == MLOOM_RESPONSES_REASONING && mloom_text_equal(value, "null"));
    if (!skipped) {
      mloom_body_add(&status, out, first ? "\"" : ",\"");
      mloom_body_add_bytes(&status, out, key);
      mloom_body_add(&status, out, "\":");
      mloom_body_add_bytes(&status, out, value);
      first = 0;
    }
  }
  if (item->kind == MLOOM_RESPONSES_CALL && !item->has_call_id) {
    mloom_body_add_string(&status, out, "call_id", mloom_body_bytes(&item->call_id));
  }
  return end_item(status, request, size_before);
}

/* Reasoning that nothing follows is refused by the service. */
static int is_followed(const mloom_responses_answer *answer, size_t index) {
  for (size_t i = index + 1; i < answer->item_count; i++) {
    if (answer->items[i].kind != MLOOM_RESPONSES_REASONING) {
      return 1;
    }
  }
  return 0;
}

static int is_kept(const mloom_responses_answer *answer, size_t index) {
  const mloom_responses_item *item = &answer->items[index];
  if (answer->stop == MLOOM_STOP_LENGTH || answer->stop == MLOOM_STOP_REFUSED) {
    return item->kind == MLOOM_RESPONSES_MESSAGE; /* what else there is may be cut, and calls get no results */
  }
  return item->kind != MLOOM_RESPONSES_REASONING || (item->has_encrypted && is_followed(answer, index));
}

int32_t mloom_responses_request_append_answer(mloom_responses_request *request, const mloom_responses_answer *answer) {
  size_t size_before = request->items.size;
  int32_t status = MLOOM_OK;
  int lost_reasoning = 0;
  for (size_t i = 0; i < answer->item_count; i++) {
    lost_reasoning |= answer->items[i].kind == MLOOM_RESPONSES_REASONING && !is_kept(answer, i);
  }
  for (size_t i = 0; status == MLOOM_OK && i < answer->item_count; i++) {
    const mloom_responses_item *item = &answer->items[i];
    if (!is_kept(answer, i)) {
      continue;
    }
    /* The service keeps nothing, and looks in vain for reasoning by its id. An id also stands for the reasoning that
     * led to the item, and may not be sent without it. */
    int without_id = item->kind == MLOOM_RESPONSES_REASONING || (lost_reasoning && item->kind != MLOOM_RESPONSES_OTHER);
    if (without_id || (item->kind == MLOOM_RESPONSES_CALL && !item->has_call_id)) {
      status = add_members(request, item, without_id);
    } else {
      mloom_body_add(&status, &request->items, request->items.size == 0 ? "" : ",");
      mloom_body_add_bytes(&status, &request->items, mloom_body_bytes(&item->raw));
    }
  }
  if (status != MLOOM_OK) {
    mloom_buffer_truncate(&request->items, size_before);
  }
  return status;
}

const mloom_bytes *mloom_responses_request_segments(mloom_responses_request *request, size_t *count) {
  request->segments[0] = mloom_body_bytes(&request->head);
  request->segments[1] = mloom_body_bytes(&request->items);
  request->segments[2] = mloom_text_bytes("]}");
  *count = 3;
  return request->segments;
}

void mloom_responses_request_free(mloom_responses_request *request) {
  mloom_buffer_free(&request->head);
  mloom_buffer_free(&request->items);
}
