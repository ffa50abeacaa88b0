/* SPDX-License-Identifier: Apache-2.0 */
#include "converse.h"

#include <string.h>

#include "base/json_reader.h"
#include "base/text.h"
#include "body.h"

static const mloom_turns_form form = {
    .user = "{\"role\":\"user\",\"content\":[",
    .model = "{\"role\":\"assistant\",\"content\":[",
    .block_end = "",
};

/* A block of its own, behind what is to be kept. */
static void set_cache_point(int32_t *status, mloom_buffer *out, const char *ttl) {
  mloom_body_add(status, out, ",{\"cachePoint\":{\"type\":\"default\"");
  if (ttl != NULL) {
    mloom_body_add_string(status, out, "ttl", mloom_text_bytes(ttl));
  }
  mloom_body_add(status, out, "}}");
}

/* ---- Head ---- */

static void add_tools(int32_t *status, mloom_turns *turns, const mloom_session_args *args) {
  mloom_buffer *out = &turns->head;
  mloom_body_add_name(status, out, "toolConfig");
  mloom_body_add(status, out, "{\"tools\":[");
  for (size_t i = 0; i < args->tool_count; i++) {
    const mloom_tool *tool = args->tools[i];
    mloom_body_add(status, out, i == 0 ? "{\"toolSpec\":{" : ",{\"toolSpec\":{");
    mloom_body_add_string(status, out, "name", mloom_text_bytes(tool->name));
    if (tool->description != NULL && tool->description[0] != '\0') {
      mloom_body_add_string(status, out, "description", mloom_text_bytes(tool->description));
    }
    mloom_body_add_name(status, out, "inputSchema");
    mloom_body_add(status, out, "{");
    mloom_body_add_raw(status, out, "json", mloom_body_parameters(tool));
    mloom_body_add(status, out, "}}}");
  }
  mloom_body_add_bytes(status, out, mloom_body_bytes(&turns->mark));
  mloom_body_add(status, out, "]}");
}

static void add_instructions(int32_t *status, mloom_turns *turns, mloom_bytes instructions) {
  mloom_buffer *out = &turns->head;
  if (mloom_body_is_blank(instructions)) {
    return; /* an empty text is refused */
  }
  mloom_body_add_name(status, out, "system");
  mloom_body_add(status, out, "[{");
  mloom_body_add_string(status, out, "text", instructions);
  mloom_body_add(status, out, "}");
  mloom_body_add_bytes(status, out, mloom_body_bytes(&turns->mark));
  mloom_body_add(status, out, "]");
}

/* What the model takes besides what all models do. Settings of its own win over more_fields. */
static void add_model_fields(int32_t *status, mloom_buffer *out, const mloom_converse_options *options) {
  mloom_json_reader reader;
  mloom_bytes name;
  mloom_bytes value = {NULL, 0};
  size_t before = out->size;
  mloom_body_add_name(status, out, "additionalModelRequestFields");
  mloom_body_add(status, out, "{");
  size_t empty = out->size;
  if (options->thinking != NULL) {
    mloom_body_add_name(status, out, "thinking");
    mloom_body_add(status, out, "{");
    mloom_body_add_string(status, out, "type", mloom_text_bytes(options->thinking));
    if (strcmp(options->thinking, "enabled") == 0) {
      mloom_body_add_number(status, out, "budget_tokens", options->thinking_budget);
    }
    mloom_body_add(status, out, "}");
  }
  mloom_json_reader_init(&reader, options->more_fields.data == NULL ? "" : options->more_fields.data,
                         options->more_fields.size);
  if (options->more_fields.size > 0 && mloom_json_reader_object(&reader)) {
    while (mloom_json_reader_key(&reader, &name)) {
      if (mloom_json_reader_raw(&reader, &value) &&
          (options->thinking == NULL || !mloom_text_equal(name, "thinking"))) {
        mloom_body_add(status, out, out->size == empty ? "\"" : ",\"");
        mloom_body_add_bytes(status, out, name);
        mloom_body_add(status, out, "\":");
        mloom_body_add_bytes(status, out, value);
      }
    }
  }
  if (out->size == empty && *status == MLOOM_OK) {
    mloom_buffer_truncate(out, before);
  } else {
    mloom_body_add(status, out, "}");
  }
}

static void add_member_object(int32_t *status, mloom_buffer *out, const char *name, const char *member,
                              const char *value) {
  if (value != NULL) {
    mloom_body_add_name(status, out, name);
    mloom_body_add(status, out, "{");
    mloom_body_add_string(status, out, member, mloom_text_bytes(value));
    mloom_body_add(status, out, "}");
  }
}

int32_t mloom_converse_request_init(mloom_converse_request *request, const mloom_converse_options *options,
                                    const mloom_session_args *args) {
  memset(request, 0, sizeof(*request));
  request->turns.form = &form;
  request->has_tools = args->tool_count > 0;
  mloom_buffer *out = &request->turns.head;
  int32_t status = MLOOM_OK;
  if (options->cache) {
    set_cache_point(&status, &request->turns.mark, options->cache_ttl);
  }
  mloom_body_add(&status, out, "{");
  if (options->max_output_tokens > 0) {
    mloom_body_add_name(&status, out, "inferenceConfig");
    mloom_body_add(&status, out, "{");
    mloom_body_add_number(&status, out, "maxTokens", options->max_output_tokens);
    mloom_body_add(&status, out, "}");
  }
  add_model_fields(&status, out, options);
  add_member_object(&status, out, "outputConfig", "effort", options->effort);
  add_member_object(&status, out, "performanceConfig", "latency", options->latency);
  if (request->has_tools) {
    add_tools(&status, &request->turns, args);
  }
  add_instructions(&status, &request->turns, args->instructions);
  mloom_body_add_name(&status, out, "messages");
  mloom_body_add(&status, out, "[");
  if (status != MLOOM_OK) {
    mloom_converse_request_free(request);
  }
  return status;
}

/* ---- Messages ---- */

static void add_text(int32_t *status, mloom_buffer *out, mloom_bytes text, const char *instead) {
  mloom_body_add(status, out, "{");
  mloom_body_add_string(status, out, "text", mloom_body_is_blank(text) ? mloom_text_bytes(instead) : text);
  mloom_body_add(status, out, "}");
}

static void add_result(int32_t *status, mloom_converse_request *request, const mloom_message *message) {
  mloom_buffer *out = &request->turns.messages;
  int failed = (message->flags & MLOOM_MESSAGE_ERROR) != 0;
  /* A result without content is refused, and with it the whole conversation from then on. */
  const char *instead = failed ? "the tool failed" : "(no output)";
  mloom_turns_begin_block(status, &request->turns, MLOOM_TURNS_USER, 1);
  if (!request->has_tools) {
    add_text(status, out, message->text, instead);
    return;
  }
  mloom_body_add(status, out, "{\"toolResult\":{");
  mloom_body_add_string(status, out, "toolUseId",
                        mloom_text_bytes(message->tool_call_id == NULL ? "" : message->tool_call_id));
  mloom_body_add_name(status, out, "content");
  mloom_body_add(status, out, "[");
  add_text(status, out, message->text, instead);
  /* Success is what every model takes the result for; not every one knows the member. */
  mloom_body_add(status, out, failed ? "],\"status\":\"error\"}}" : "]}}");
}

int32_t mloom_converse_request_append(mloom_converse_request *request, const mloom_message *message) {
  int32_t status = MLOOM_OK;
  mloom_turns_position before = mloom_turns_here(&request->turns);
  if (message->role == MLOOM_ROLE_TOOL_RESULT) {
    add_result(&status, request, message);
  } else if (message->role == MLOOM_ROLE_USER) {
    mloom_turns_begin_text(&status, &request->turns);
    add_text(&status, &request->turns.texts, message->text, "(nothing)");
  } else {
    return MLOOM_E_UNSUPPORTED;
  }
  return mloom_turns_settle(status, &request->turns, before);
}

static void add_reasoning(int32_t *status, mloom_buffer *out, const mloom_block *block) {
  mloom_body_add(status, out, "{\"reasoningContent\":{");
  if (block->kind == MLOOM_BLOCK_REDACTED) {
    mloom_body_add_string(status, out, "redactedContent", mloom_body_bytes(&block->signature));
  } else {
    mloom_body_add_name(status, out, "reasoningText");
    mloom_body_add(status, out, "{");
    mloom_body_add_string(status, out, "text", mloom_body_bytes(&block->text));
    mloom_body_add_string(status, out, "signature", mloom_body_bytes(&block->signature));
    mloom_body_add(status, out, "}");
  }
  mloom_body_add(status, out, "}}");
}

static void add_call(int32_t *status, mloom_buffer *out, const mloom_block *block, int has_tools) {
  if (!has_tools) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_body_add(status, &text, "(called ");
    mloom_body_add_bytes(status, &text, mloom_body_bytes(&block->name));
    mloom_body_add(status, &text, " with ");
    mloom_body_add_bytes(status, &text, mloom_body_bytes(&block->input));
    mloom_body_add(status, &text, ")");
    add_text(status, out, mloom_body_bytes(&text), "");
    return;
  }
  mloom_body_add(status, out, "{\"toolUse\":{");
  mloom_body_add_string(status, out, "toolUseId", mloom_body_bytes(&block->id));
  mloom_body_add_string(status, out, "name", mloom_body_bytes(&block->name));
  mloom_body_add_object(status, out, "input", mloom_body_bytes(&block->input), "malformed_input");
  mloom_body_add(status, out, "}}");
}

/* Blocks that would make the next request invalid are left out: empty texts, thoughts cut before their signature, and
 * calls that are not going to be run. */
static int is_sent(const mloom_converse_answer *answer, const mloom_block *block) {
  switch (block->kind) {
  case MLOOM_BLOCK_TEXT:
    return !mloom_body_is_blank(mloom_body_bytes(&block->text));
  case MLOOM_BLOCK_THINKING:
  case MLOOM_BLOCK_REDACTED:
    return block->signature.size > 0;
  case MLOOM_BLOCK_CALL:
    return answer->stop != MLOOM_STOP_LENGTH && answer->stop != MLOOM_STOP_REFUSED;
  case MLOOM_BLOCK_OTHER:
    return mloom_body_is_object(mloom_body_bytes(&block->input));
  default:
    return 0;
  }
}

int32_t mloom_converse_request_append_answer(mloom_converse_request *request, const mloom_converse_answer *answer) {
  int32_t status = MLOOM_OK;
  uint32_t last = 0;
  mloom_buffer *out = &request->turns.messages;
  mloom_turns_place_texts(&status, &request->turns);
  mloom_turns_position before = mloom_turns_here(&request->turns);
  for (size_t i = 0; i < answer->blocks.count; i++) {
    const mloom_block *block = &answer->blocks.items[i];
    if (!is_sent(answer, block)) {
      continue;
    }
    last = block->kind;
    mloom_turns_begin_block(&status, &request->turns, MLOOM_TURNS_MODEL, 1);
    if (last == MLOOM_BLOCK_TEXT) {
      add_text(&status, out, mloom_body_bytes(&block->text), "");
    } else if (last == MLOOM_BLOCK_CALL) {
      add_call(&status, out, block, request->has_tools);
    } else if (last == MLOOM_BLOCK_OTHER) {
      mloom_body_add_bytes(&status, out, mloom_body_bytes(&block->input));
    } else {
      add_reasoning(&status, out, block);
    }
  }
  if (last == 0 || last == MLOOM_BLOCK_THINKING || last == MLOOM_BLOCK_REDACTED) {
    /* A message without blocks is refused, and one that ends with a thought. */
    mloom_turns_begin_block(&status, &request->turns, MLOOM_TURNS_MODEL, 1);
    add_text(&status, out, (mloom_bytes){NULL, 0}, "(nothing)");
  }
  return mloom_turns_settle(status, &request->turns, before);
}

int32_t mloom_converse_request_segments(mloom_converse_request *request, const mloom_bytes **out, size_t *count) {
  return mloom_turns_segments(&request->turns, out, count);
}

void mloom_converse_request_free(mloom_converse_request *request) {
  mloom_turns_free(&request->turns);
}
