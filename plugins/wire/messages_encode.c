/* SPDX-License-Identifier: Apache-2.0 */
#include "messages_internal.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "body.h"

static const mloom_turns_form form = {
    .user = "{\"role\":\"user\",\"content\":[",
    .model = "{\"role\":\"assistant\",\"content\":[",
    .block_end = "}",
};

/* A member of the last block that is to be kept. */
static void set_cache_mark(int32_t *status, mloom_buffer *out, const char *ttl) {
  mloom_body_add(status, out, ",\"cache_control\":{\"type\":\"ephemeral\"");
  if (ttl != NULL) {
    mloom_body_add_string(status, out, "ttl", mloom_text_bytes(ttl));
  }
  mloom_body_add(status, out, "}");
}

/* ---- Head ---- */

static void add_tools(int32_t *status, mloom_turns *turns, const mloom_messages_options *options,
                      const mloom_session_args *args) {
  mloom_buffer *out = &turns->head;
  mloom_body_add_name(status, out, "tools");
  mloom_body_add(status, out, "[");
  for (size_t i = 0; i < args->tool_count; i++) {
    const mloom_tool *tool = args->tools[i];
    mloom_body_add(status, out, i == 0 ? "{" : ",{");
    mloom_body_add_string(status, out, "name", mloom_text_bytes(tool->name));
    if (tool->description != NULL && tool->description[0] != '\0') {
      mloom_body_add_string(status, out, "description", mloom_text_bytes(tool->description));
    }
    mloom_body_add_raw(status, out, "input_schema", mloom_body_parameters(tool));
    if (i + 1 == args->tool_count) {
      mloom_body_add_bytes(status, out, mloom_body_bytes(&turns->mark));
    }
    mloom_body_add(status, out, "}");
  }
  mloom_body_add(status, out, "]");
  if (options->parallel_tool_calls == 0) {
    mloom_body_add_raw(status, out, "tool_choice",
                       mloom_text_bytes("{\"type\":\"auto\",\"disable_parallel_tool_use\":true}"));
  }
}

static void add_betas(int32_t *status, mloom_buffer *out, const char *betas) {
  mloom_body_add_name(status, out, "anthropic_beta");
  mloom_body_add(status, out, "[");
  for (size_t count = 0; *betas != '\0';) {
    size_t size = strcspn(betas, ",");
    mloom_bytes beta = mloom_text_trim((mloom_bytes){betas, size});
    if (beta.size > 0) {
      mloom_body_add(status, out, count++ == 0 ? "" : ",");
      mloom_body_add_quoted(status, out, beta);
    }
    betas += size + (betas[size] == ',');
  }
  mloom_body_add(status, out, "]");
}

static void add_thinking(int32_t *status, mloom_buffer *out, const mloom_messages_options *options) {
  if (options->thinking != NULL) {
    mloom_body_add_name(status, out, "thinking");
    mloom_body_add(status, out, "{");
    mloom_body_add_string(status, out, "type", mloom_text_bytes(options->thinking));
    if (strcmp(options->thinking, "enabled") == 0) {
      mloom_body_add_number(status, out, "budget_tokens", options->thinking_budget);
    } else if (options->thinking_display != NULL && strcmp(options->thinking, "adaptive") == 0) {
      mloom_body_add_string(status, out, "display", mloom_text_bytes(options->thinking_display));
    }
    mloom_body_add(status, out, "}");
  }
  if (options->effort != NULL) {
    mloom_body_add_name(status, out, "output_config");
    mloom_body_add(status, out, "{");
    mloom_body_add_string(status, out, "effort", mloom_text_bytes(options->effort));
    mloom_body_add(status, out, "}");
  }
}

static void add_instructions(int32_t *status, mloom_turns *turns, mloom_bytes instructions) {
  mloom_buffer *out = &turns->head;
  if (mloom_body_is_blank(instructions)) {
    return; /* an empty text block is refused */
  }
  mloom_body_add_name(status, out, "system");
  mloom_body_add(status, out, "[{\"type\":\"text\"");
  mloom_body_add_string(status, out, "text", instructions);
  mloom_body_add_bytes(status, out, mloom_body_bytes(&turns->mark));
  mloom_body_add(status, out, "}]");
}

int32_t mloom_messages_request_init(mloom_messages_request *request, const mloom_messages_options *options,
                                    const char *model, const mloom_session_args *args) {
  memset(request, 0, sizeof(*request));
  request->turns.form = &form;
  mloom_buffer *out = &request->turns.head;
  int32_t status = MLOOM_OK;
  if (options->cache) {
    set_cache_mark(&status, &request->turns.mark, options->cache_ttl);
  }
  mloom_body_add(&status, out, "{");
  if (options->anthropic_version != NULL) {
    mloom_body_add_string(&status, out, "anthropic_version", mloom_text_bytes(options->anthropic_version));
  }
  if (options->betas != NULL && options->betas[0] != '\0') {
    add_betas(&status, out, options->betas);
  }
  if (options->send_model) {
    mloom_body_add_string(&status, out, "model", mloom_text_bytes(model));
  }
  mloom_body_add_number(&status, out, "max_tokens",
                        options->max_output_tokens > 0 ? options->max_output_tokens : MLOOM_MESSAGES_OUTPUT_TOKENS);
  if (options->stream >= 0) {
    mloom_body_add_boolean(&status, out, "stream", options->stream);
  }
  add_thinking(&status, out, options);
  if (args->tool_count > 0) {
    add_tools(&status, &request->turns, options, args);
  }
  add_instructions(&status, &request->turns, args->instructions);
  mloom_body_add_name(&status, out, "messages");
  mloom_body_add(&status, out, "[");
  if (status != MLOOM_OK) {
    mloom_messages_request_free(request);
  }
  return status;
}

/* ---- Messages ---- */

static void add_result(int32_t *status, mloom_messages_request *request, const mloom_message *message) {
  mloom_buffer *out = &request->turns.messages;
  int failed = (message->flags & MLOOM_MESSAGE_ERROR) != 0;
  mloom_bytes text = message->text;
  if (mloom_body_is_blank(text)) {
    /* An error without content is refused, and with it the whole conversation from then on. */
    text = mloom_text_bytes(failed ? "the tool failed" : "(no output)");
  }
  mloom_turns_begin_block(status, &request->turns, MLOOM_TURNS_USER, 1);
  mloom_body_add(status, out, "{\"type\":\"tool_result\"");
  mloom_body_add_string(status, out, "tool_use_id",
                        mloom_text_bytes(message->tool_call_id == NULL ? "" : message->tool_call_id));
  mloom_body_add_string(status, out, "content", text);
  if (failed) {
    mloom_body_add(status, out, ",\"is_error\":true");
  }
}

int32_t mloom_messages_request_append(mloom_messages_request *request, const mloom_message *message) {
  int32_t status = MLOOM_OK;
  mloom_turns_position before = mloom_turns_here(&request->turns);
  if (message->role == MLOOM_ROLE_TOOL_RESULT) {
    add_result(&status, request, message);
  } else if (message->role == MLOOM_ROLE_USER) {
    mloom_turns_begin_text(&status, &request->turns);
    mloom_body_add(&status, &request->turns.texts, "{\"type\":\"text\"");
    mloom_body_add_string(&status, &request->turns.texts, "text",
                          mloom_body_is_blank(message->text) ? mloom_text_bytes("(nothing)") : message->text);
  } else {
    return MLOOM_E_UNSUPPORTED;
  }
  return mloom_turns_settle(status, &request->turns, before);
}

/* Does member name of a block come from what was decoded after its start? */
static int is_overridden(const mloom_block *block, mloom_bytes name) {
  switch (block->kind) {
  case MLOOM_BLOCK_TEXT:
    return mloom_text_equal(name, "text") || (block->citations.size > 0 && mloom_text_equal(name, "citations"));
  case MLOOM_BLOCK_THINKING:
    return mloom_text_equal(name, "thinking") || mloom_text_equal(name, "signature");
  case MLOOM_BLOCK_CALL:
    return mloom_text_equal(name, "id") || mloom_text_equal(name, "name") || mloom_text_equal(name, "input");
  case MLOOM_BLOCK_OTHER:
    return block->input.size > 0 && mloom_text_equal(name, "input");
  default:
    return 0;
  }
}

/* The block as it was said, without its last brace: members that this file does not know stay as they came. */
static void add_block(int32_t *status, mloom_buffer *out, const mloom_block *block) {
  mloom_json_reader reader;
  mloom_bytes name;
  mloom_bytes value;
  mloom_json_reader_init(&reader, block->start.data, block->start.size);
  mloom_json_reader_object(&reader);
  mloom_body_add(status, out, "{");
  while (mloom_json_reader_key(&reader, &name)) {
    if (mloom_json_reader_raw(&reader, &value) && !is_overridden(block, name)) {
      mloom_body_add(status, out, *status == MLOOM_OK && out->data[out->size - 1] == '{' ? "\"" : ",\"");
      mloom_body_add_bytes(status, out, name);
      mloom_body_add(status, out, "\":");
      mloom_body_add_bytes(status, out, value);
    }
  }
  if (block->kind == MLOOM_BLOCK_TEXT) {
    mloom_body_add_string(status, out, "text", mloom_body_bytes(&block->text));
    if (block->citations.size > 0) {
      mloom_body_add_name(status, out, "citations");
      mloom_body_add(status, out, "[");
      mloom_body_add_bytes(status, out, mloom_body_bytes(&block->citations));
      mloom_body_add(status, out, "]");
    }
  } else if (block->kind == MLOOM_BLOCK_THINKING) {
    mloom_body_add_string(status, out, "thinking", mloom_body_bytes(&block->text));
    mloom_body_add_string(status, out, "signature", mloom_body_bytes(&block->signature));
  } else if (block->kind == MLOOM_BLOCK_CALL) {
    mloom_body_add_string(status, out, "id", mloom_body_bytes(&block->id));
    mloom_body_add_string(status, out, "name", mloom_body_bytes(&block->name));
    mloom_body_add_object(status, out, "input", mloom_body_bytes(&block->input), "malformed_input");
  } else if (block->kind == MLOOM_BLOCK_OTHER && block->input.size > 0) {
    mloom_body_add_object(status, out, "input", mloom_body_bytes(&block->input), "malformed_input");
  }
}

/* Blocks that would make the next request invalid are left out: empty texts, thoughts cut before their signature, and
 * calls that are not going to be run. */
static int is_sent(const mloom_messages_answer *answer, const mloom_block *block) {
  switch (block->kind) {
  case MLOOM_BLOCK_TEXT:
    return !mloom_body_is_blank(mloom_body_bytes(&block->text));
  case MLOOM_BLOCK_THINKING:
    return block->signature.size > 0;
  case MLOOM_BLOCK_CALL:
    return answer->stop != MLOOM_STOP_LENGTH && answer->stop != MLOOM_STOP_REFUSED;
  default:
    return mloom_body_is_object(mloom_body_bytes(&block->start));
  }
}

int32_t mloom_messages_request_append_answer(mloom_messages_request *request, const mloom_messages_answer *answer) {
  int32_t status = MLOOM_OK;
  uint32_t last = 0;
  mloom_turns_place_texts(&status, &request->turns);
  mloom_turns_position before = mloom_turns_here(&request->turns);
  for (size_t i = 0; i < answer->blocks.count; i++) {
    const mloom_block *block = &answer->blocks.items[i];
    if (is_sent(answer, block)) {
      last = block->kind;
      mloom_turns_begin_block(&status, &request->turns, MLOOM_TURNS_MODEL,
                              last == MLOOM_BLOCK_TEXT || last == MLOOM_BLOCK_CALL);
      add_block(&status, &request->turns.messages, block);
    }
  }
  int thought_only = last == MLOOM_BLOCK_THINKING || last == MLOOM_BLOCK_REDACTED;
  if (last == 0 || (thought_only && answer->stop != MLOOM_STOP_PAUSED)) {
    /* A message without blocks is refused, and one that ends with a thought. */
    mloom_turns_begin_block(&status, &request->turns, MLOOM_TURNS_MODEL, 1);
    mloom_body_add(&status, &request->turns.messages, "{\"type\":\"text\",\"text\":\"(nothing)\"");
  }
  return mloom_turns_settle(status, &request->turns, before);
}

int32_t mloom_messages_request_segments(mloom_messages_request *request, const mloom_bytes **out, size_t *count) {
  return mloom_turns_segments(&request->turns, out, count);
}

void mloom_messages_request_free(mloom_messages_request *request) {
  mloom_turns_free(&request->turns);
}
