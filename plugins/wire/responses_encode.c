/* SPDX-License-Identifier: Apache-2.0 */
#include "responses.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

/* Collects the outcome of a row of appends, so that one check at the end suffices. */
#define TRY(status, expression)  \
  do {                           \
    if (*(status) == MLOOM_OK) { \
      *(status) = (expression);  \
    }                            \
  } while (0)

static void add(int32_t *status, mloom_buffer *out, const char *text) {
  TRY(status, mloom_buffer_append_string(out, text));
}

static void add_string(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes text) {
  TRY(status, mloom_json_write_member(out, name, text.data == NULL ? "" : text.data, text.size));
}

static void add_option(int32_t *status, mloom_buffer *out, const char *name, const char *value) {
  if (value != NULL) {
    add_string(status, out, name, mloom_text_bytes(value));
  }
}

static void add_raw(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes value) {
  TRY(status, mloom_json_write_name(out, name));
  TRY(status, mloom_buffer_append(out, value.data, value.size));
}

static void add_tools(int32_t *status, mloom_buffer *out, const mloom_session_args *args) {
  TRY(status, mloom_json_write_name(out, "tools"));
  add(status, out, "[");
  for (size_t i = 0; i < args->tool_count; i++) {
    const mloom_tool *tool = args->tools[i];
    add(status, out, i == 0 ? "{\"type\":\"function\"" : ",{\"type\":\"function\"");
    add_string(status, out, "name", mloom_text_bytes(tool->name));
    add_string(status, out, "description", mloom_text_bytes(tool->description == NULL ? "" : tool->description));
    mloom_bytes parameters = tool->parameters;
    if (parameters.size == 0) {
      parameters = mloom_text_bytes("{\"type\":\"object\",\"properties\":{}}");
    }
    add_raw(status, out, "parameters", parameters);
    /* The strict form wants every property required, which the schemas of tools do not say. */
    add_raw(status, out, "strict", mloom_text_bytes("false"));
    add(status, out, "}");
  }
  add(status, out, "]");
}

static void add_reasoning(int32_t *status, mloom_buffer *out, const mloom_responses_options *options) {
  if (options->reasoning_effort != NULL || options->reasoning_summary != NULL) {
    TRY(status, mloom_json_write_name(out, "reasoning"));
    add(status, out, "{");
    add_option(status, out, "effort", options->reasoning_effort);
    add_option(status, out, "summary", options->reasoning_summary);
    add(status, out, "}");
  }
  if (options->verbosity != NULL) {
    TRY(status, mloom_json_write_name(out, "text"));
    add(status, out, "{");
    add_option(status, out, "verbosity", options->verbosity);
    add(status, out, "}");
  }
}

int32_t mloom_responses_request_init(mloom_responses_request *request, const mloom_responses_options *options,
                                     const char *model, const mloom_session_args *args) {
  memset(request, 0, sizeof(*request));
  mloom_buffer *out = &request->head;
  int32_t status = MLOOM_OK;
  add(&status, out, "{");
  add_string(&status, out, "model", mloom_text_bytes(model));
  add_raw(&status, out, "stream", mloom_text_bytes(options->stream ? "true" : "false"));
  add_raw(&status, out, "store", mloom_text_bytes("false"));
  add_raw(&status, out, "include", mloom_text_bytes("[\"reasoning.encrypted_content\"]"));
  if (options->max_output_tokens > 0) {
    char number[24];
    snprintf(number, sizeof(number), "%llu", (unsigned long long)options->max_output_tokens);
    add_raw(&status, out, "max_output_tokens", mloom_text_bytes(number));
  }
  add_reasoning(&status, out, options);
  add_option(&status, out, "service_tier", options->service_tier);
  add_option(&status, out, "prompt_cache_key", options->prompt_cache_key);
  if (args->instructions.size > 0) {
    add_string(&status, out, "instructions", args->instructions);
  }
  if (args->tool_count > 0) {
    add_tools(&status, out, args);
    add_string(&status, out, "tool_choice", mloom_text_bytes("auto"));
    if (options->parallel_tool_calls >= 0) {
      add_raw(&status, out, "parallel_tool_calls", mloom_text_bytes(options->parallel_tool_calls ? "true" : "false"));
    }
  }
  TRY(&status, mloom_json_write_name(out, "input"));
  add(&status, out, "[");
  if (status != MLOOM_OK) {
    mloom_responses_request_free(request);
  }
  return status;
}

/* Begins an item with its type. */
static void begin_item(int32_t *status, mloom_responses_request *request, const char *type) {
  add(status, &request->items, request->items.size == 0 ? "{" : ",{");
  add_string(status, &request->items, "type", mloom_text_bytes(type));
}

/* An item is there whole or not at all. */
static int32_t end_item(int32_t status, mloom_responses_request *request, size_t size_before) {
  add(&status, &request->items, "}");
  if (status != MLOOM_OK) {
    mloom_buffer_truncate(&request->items, size_before);
  }
  return status;
}

int32_t mloom_responses_request_append(mloom_responses_request *request, const mloom_message *message) {
  int32_t status = MLOOM_OK;
  size_t size_before = request->items.size;
  mloom_bytes text = message->text;
  if (message->role == MLOOM_ROLE_USER) {
    begin_item(&status, request, "message");
    add_string(&status, &request->items, "role", mloom_text_bytes("user"));
    add(&status, &request->items, ",\"content\":[{\"type\":\"input_text\"");
    add_string(&status, &request->items, "text", text);
    add(&status, &request->items, "}]");
    return end_item(status, request, size_before);
  }
  if (message->role != MLOOM_ROLE_TOOL_RESULT) {
    return MLOOM_E_INVALID;
  }
  begin_item(&status, request, "function_call_output");
  add_string(&status, &request->items, "call_id",
             mloom_text_bytes(message->tool_call_id == NULL ? "" : message->tool_call_id));
  if (text.size == 0) {
    text = mloom_text_bytes((message->flags & MLOOM_MESSAGE_ERROR) != 0 ? "the tool failed" : "(no output)");
    add_string(&status, &request->items, "output", text);
  } else if ((message->flags & MLOOM_MESSAGE_ERROR) != 0) {
    /* The format has no flag for it. */
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer marked = MLOOM_BUFFER_INIT;
    add(&status, &marked, "Error: ");
    TRY(&status, mloom_buffer_append(&marked, text.data, text.size));
    mloom_bytes output = {marked.data, marked.size};
    add_string(&status, &request->items, "output", output);
  } else {
    add_string(&status, &request->items, "output", text);
  }
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
  add(&status, out, out->size == 0 ? "{" : ",{");
  mloom_json_reader_init(&reader, mloom_buffer_string(&item->raw), item->raw.size);
  mloom_json_reader_object(&reader);
  for (int first = 1; status == MLOOM_OK && mloom_json_reader_key(&reader, &key);) {
    mloom_bytes value = {NULL, 0};
    mloom_json_reader_raw(&reader, &value);
    int skipped = (without_id && mloom_text_equal(key, "id")) ||
                  (item->kind == MLOOM_RESPONSES_CALL && !item->has_call_id && mloom_text_equal(key, "call_id")) ||
                  (item->kind == MLOOM_RESPONSES_REASONING && mloom_text_equal(value, "null"));
    if (!skipped) {
      add(&status, out, first ? "\"" : ",\"");
      TRY(&status, mloom_buffer_append(out, key.data, key.size));
      add(&status, out, "\":");
      TRY(&status, mloom_buffer_append(out, value.data, value.size));
      first = 0;
    }
  }
  if (item->kind == MLOOM_RESPONSES_CALL && !item->has_call_id) {
    mloom_bytes call_id = {mloom_buffer_string(&item->call_id), item->call_id.size};
    add_string(&status, out, "call_id", call_id);
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
      add(&status, &request->items, request->items.size == 0 ? "" : ",");
      TRY(&status, mloom_buffer_append(&request->items, item->raw.data, item->raw.size));
    }
  }
  if (status != MLOOM_OK) {
    mloom_buffer_truncate(&request->items, size_before);
  }
  return status;
}

const mloom_bytes *mloom_responses_request_segments(mloom_responses_request *request, size_t *count) {
  request->segments[0] = (mloom_bytes){request->head.data, request->head.size};
  request->segments[1] = (mloom_bytes){mloom_buffer_string(&request->items), request->items.size};
  request->segments[2] = mloom_text_bytes("]}");
  *count = 3;
  return request->segments;
}

void mloom_responses_request_free(mloom_responses_request *request) {
  mloom_buffer_free(&request->head);
  mloom_buffer_free(&request->items);
}
