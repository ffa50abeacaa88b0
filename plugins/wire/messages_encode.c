/* SPDX-License-Identifier: Apache-2.0 */
#include "messages_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/text.h"

#define ROLE_NONE 0u
#define ROLE_USER 1u
#define ROLE_ASSISTANT 2u

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

static void add_bytes(int32_t *status, mloom_buffer *out, mloom_bytes text) {
  TRY(status, mloom_buffer_append(out, text.data, text.size));
}

static void add_string(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes text) {
  TRY(status, mloom_json_write_member(out, name, text.data == NULL ? "" : text.data, text.size));
}

static void add_raw(int32_t *status, mloom_buffer *out, const char *name, mloom_bytes value) {
  TRY(status, mloom_json_write_name(out, name));
  add_bytes(status, out, value);
}

static void add_number(int32_t *status, mloom_buffer *out, const char *name, uint64_t value) {
  TRY(status, mloom_json_write_name(out, name));
  TRY(status, mloom_buffer_append_format(out, "%llu", (unsigned long long)value));
}

static mloom_bytes bytes_of(const mloom_buffer *buffer) {
  return (mloom_bytes){mloom_buffer_string(buffer), buffer->size};
}

static void add_cache_mark(int32_t *status, mloom_buffer *out, const char *ttl) {
  add(status, out, ",\"cache_control\":{\"type\":\"ephemeral\"");
  if (ttl != NULL) {
    add_string(status, out, "ttl", mloom_text_bytes(ttl));
  }
  add(status, out, "}");
}

/* ---- Head ---- */

static void add_tools(int32_t *status, mloom_buffer *out, const mloom_messages_options *options,
                      const mloom_session_args *args) {
  TRY(status, mloom_json_write_name(out, "tools"));
  add(status, out, "[");
  for (size_t i = 0; i < args->tool_count; i++) {
    const mloom_tool *tool = args->tools[i];
    mloom_bytes parameters = tool->parameters;
    if (parameters.size == 0) {
      parameters = mloom_text_bytes("{\"type\":\"object\",\"properties\":{}}");
    }
    add(status, out, i == 0 ? "{" : ",{");
    add_string(status, out, "name", mloom_text_bytes(tool->name));
    if (tool->description != NULL && tool->description[0] != '\0') {
      add_string(status, out, "description", mloom_text_bytes(tool->description));
    }
    add_raw(status, out, "input_schema", parameters);
    if (options->cache && i + 1 == args->tool_count) {
      add_cache_mark(status, out, options->cache_ttl);
    }
    add(status, out, "}");
  }
  add(status, out, "]");
  if (options->parallel_tool_calls == 0) {
    add_raw(status, out, "tool_choice", mloom_text_bytes("{\"type\":\"auto\",\"disable_parallel_tool_use\":true}"));
  }
}

static void add_betas(int32_t *status, mloom_buffer *out, const char *betas) {
  TRY(status, mloom_json_write_name(out, "anthropic_beta"));
  add(status, out, "[");
  for (size_t count = 0; *betas != '\0';) {
    size_t size = strcspn(betas, ",");
    mloom_bytes beta = mloom_text_trim((mloom_bytes){betas, size});
    if (beta.size > 0) {
      add(status, out, count++ == 0 ? "" : ",");
      TRY(status, mloom_json_write_string(out, beta.data, beta.size));
    }
    betas += size + (betas[size] == ',');
  }
  add(status, out, "]");
}

static void add_thinking(int32_t *status, mloom_buffer *out, const mloom_messages_options *options) {
  if (options->thinking != NULL) {
    TRY(status, mloom_json_write_name(out, "thinking"));
    add(status, out, "{");
    add_string(status, out, "type", mloom_text_bytes(options->thinking));
    if (strcmp(options->thinking, "enabled") == 0) {
      add_number(status, out, "budget_tokens", options->thinking_budget);
    } else if (options->thinking_display != NULL && strcmp(options->thinking, "adaptive") == 0) {
      add_string(status, out, "display", mloom_text_bytes(options->thinking_display));
    }
    add(status, out, "}");
  }
  if (options->effort != NULL) {
    TRY(status, mloom_json_write_name(out, "output_config"));
    add(status, out, "{");
    add_string(status, out, "effort", mloom_text_bytes(options->effort));
    add(status, out, "}");
  }
}

static int is_blank(mloom_bytes text) {
  return mloom_text_trim(text).size == 0;
}

static void add_instructions(int32_t *status, mloom_buffer *out, const mloom_messages_options *options,
                             mloom_bytes instructions) {
  if (is_blank(instructions)) {
    return; /* an empty text block is refused */
  }
  TRY(status, mloom_json_write_name(out, "system"));
  add(status, out, "[{\"type\":\"text\"");
  add_string(status, out, "text", instructions);
  if (options->cache) {
    add_cache_mark(status, out, options->cache_ttl);
  }
  add(status, out, "}]");
}

int32_t mloom_messages_request_init(mloom_messages_request *request, const mloom_messages_options *options,
                                    const char *model, const mloom_session_args *args) {
  memset(request, 0, sizeof(*request));
  request->cache = options->cache;
  request->cache_ttl = options->cache_ttl;
  mloom_buffer *out = &request->head;
  int32_t status = MLOOM_OK;
  add(&status, out, "{");
  if (options->anthropic_version != NULL) {
    add_string(&status, out, "anthropic_version", mloom_text_bytes(options->anthropic_version));
  }
  if (options->betas != NULL && options->betas[0] != '\0') {
    add_betas(&status, out, options->betas);
  }
  if (options->send_model) {
    add_string(&status, out, "model", mloom_text_bytes(model));
  }
  add_number(&status, out, "max_tokens",
             options->max_output_tokens > 0 ? options->max_output_tokens : MLOOM_MESSAGES_OUTPUT_TOKENS);
  if (options->stream >= 0) {
    add_raw(&status, out, "stream", mloom_text_bytes(options->stream ? "true" : "false"));
  }
  add_thinking(&status, out, options);
  if (args->tool_count > 0) {
    add_tools(&status, out, options, args);
  }
  add_instructions(&status, out, options, args->instructions);
  TRY(&status, mloom_json_write_name(out, "messages"));
  add(&status, out, "[");
  if (status != MLOOM_OK) {
    mloom_messages_request_free(request);
  }
  return status;
}

/* ---- Messages ---- */

/* What an append may change, to go back to when it fails. */
typedef struct position {
  size_t messages;
  size_t texts;
  uint32_t role;
  int can_be_marked;
} position;

static position here(const mloom_messages_request *request) {
  return (position){request->messages.size, request->texts.size, request->role, request->can_be_marked};
}

static int32_t settle(int32_t status, mloom_messages_request *request, position before) {
  if (status != MLOOM_OK) {
    mloom_buffer_truncate(&request->messages, before.messages);
    mloom_buffer_truncate(&request->texts, before.texts);
    request->role = before.role;
    request->can_be_marked = before.can_be_marked;
  }
  return status;
}

/* Closes the open block and begins the place of another in a message of role; turns of one role become one message. */
static void begin_block(int32_t *status, mloom_messages_request *request, uint32_t role, int can_be_marked) {
  mloom_buffer *out = &request->messages;
  if (request->role == role) {
    add(status, out, "},");
  } else {
    add(status, out, request->role == ROLE_NONE ? "" : "}]},");
    add(status, out, role == ROLE_USER ? "{\"role\":\"user\",\"content\":[" : "{\"role\":\"assistant\",\"content\":[");
  }
  request->role = role;
  request->can_be_marked = can_be_marked;
}

/* What the user said in the open turn takes its place behind the results of tools. texts holds open blocks, one after
 * the other, as messages wants them. */
static void settle_texts(int32_t *status, mloom_messages_request *request) {
  if (request->texts.size == 0) {
    return;
  }
  position before = here(request);
  begin_block(status, request, ROLE_USER, 1);
  add_bytes(status, &request->messages, bytes_of(&request->texts));
  settle(*status, request, before);
  if (*status == MLOOM_OK) {
    mloom_buffer_clear(&request->texts);
  }
}

static void add_result(int32_t *status, mloom_messages_request *request, const mloom_message *message) {
  mloom_buffer *out = &request->messages;
  int failed = (message->flags & MLOOM_MESSAGE_ERROR) != 0;
  mloom_bytes text = message->text;
  if (is_blank(text)) {
    /* An error without content is refused, and with it the whole conversation from then on. */
    text = mloom_text_bytes(failed ? "the tool failed" : "(no output)");
  }
  begin_block(status, request, ROLE_USER, 1);
  add(status, out, "{\"type\":\"tool_result\"");
  add_string(status, out, "tool_use_id", mloom_text_bytes(message->tool_call_id == NULL ? "" : message->tool_call_id));
  add_string(status, out, "content", text);
  if (failed) {
    add(status, out, ",\"is_error\":true");
  }
}

int32_t mloom_messages_request_append(mloom_messages_request *request, const mloom_message *message) {
  int32_t status = MLOOM_OK;
  position before = here(request);
  if (message->role == MLOOM_ROLE_TOOL_RESULT) {
    add_result(&status, request, message);
  } else if (message->role == MLOOM_ROLE_USER) {
    add(&status, &request->texts, request->texts.size == 0 ? "{\"type\":\"text\"" : "},{\"type\":\"text\"");
    add_string(&status, &request->texts, "text",
               is_blank(message->text) ? mloom_text_bytes("(nothing)") : message->text);
  } else {
    return MLOOM_E_UNSUPPORTED;
  }
  return settle(status, request, before);
}

int mloom_messages_is_object(mloom_bytes text) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text.data == NULL ? "" : text.data, text.size);
  if (mloom_json_reader_peek(&reader) != MLOOM_JSON_OBJECT) {
    return 0;
  }
  mloom_json_reader_skip(&reader);
  if (mloom_json_reader_end(&reader) != MLOOM_OK) {
    return 0;
  }
  size_t depth = 0;
  int in_string = 0;
  for (size_t i = 0; i < text.size; i++) {
    char c = text.data[i];
    if (in_string) {
      i += c == '\\';
      in_string = c != '"';
    } else if (c == '"') {
      in_string = 1;
    } else if (c == '{' || c == '[') {
      if (++depth > MLOOM_MESSAGES_DEPTH) {
        return 0;
      }
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return 1;
}

/* The service takes nothing but an object as input, of earlier calls too. */
static void add_input(int32_t *status, mloom_buffer *out, mloom_bytes input) {
  if (mloom_messages_is_object(input)) {
    add_raw(status, out, "input", input);
    return;
  }
  TRY(status, mloom_json_write_name(out, "input"));
  add(status, out, "{");
  add_string(status, out, "malformed_input", input);
  add(status, out, "}");
}

/* Does member name of a block come from what was decoded after its start? */
static int is_overridden(const mloom_messages_block *block, mloom_bytes name) {
  switch (block->kind) {
  case MLOOM_MESSAGES_TEXT:
    return mloom_text_equal(name, "text") || (block->citations.size > 0 && mloom_text_equal(name, "citations"));
  case MLOOM_MESSAGES_THINKING:
    return mloom_text_equal(name, "thinking") || mloom_text_equal(name, "signature");
  case MLOOM_MESSAGES_TOOL_USE:
    return mloom_text_equal(name, "id") || mloom_text_equal(name, "name") || mloom_text_equal(name, "input");
  case MLOOM_MESSAGES_OTHER:
    return block->input.size > 0 && mloom_text_equal(name, "input");
  default:
    return 0;
  }
}

/* The block as it was said, without its last brace: members that this file does not know stay as they came. */
static void add_block(int32_t *status, mloom_buffer *out, const mloom_messages_block *block) {
  mloom_json_reader reader;
  mloom_bytes name;
  mloom_bytes value;
  mloom_json_reader_init(&reader, block->start.data, block->start.size);
  mloom_json_reader_object(&reader);
  add(status, out, "{");
  while (mloom_json_reader_key(&reader, &name)) {
    if (mloom_json_reader_raw(&reader, &value) && !is_overridden(block, name)) {
      add(status, out, *status == MLOOM_OK && out->data[out->size - 1] == '{' ? "\"" : ",\"");
      add_bytes(status, out, name);
      add(status, out, "\":");
      add_bytes(status, out, value);
    }
  }
  if (block->kind == MLOOM_MESSAGES_TEXT) {
    add_string(status, out, "text", bytes_of(&block->text));
    if (block->citations.size > 0) {
      TRY(status, mloom_json_write_name(out, "citations"));
      add(status, out, "[");
      add_bytes(status, out, bytes_of(&block->citations));
      add(status, out, "]");
    }
  } else if (block->kind == MLOOM_MESSAGES_THINKING) {
    add_string(status, out, "thinking", bytes_of(&block->text));
    add_string(status, out, "signature", bytes_of(&block->signature));
  } else if (block->kind == MLOOM_MESSAGES_TOOL_USE) {
    add_string(status, out, "id", bytes_of(&block->id));
    add_string(status, out, "name", bytes_of(&block->name));
    add_input(status, out, bytes_of(&block->input));
  } else if (block->kind == MLOOM_MESSAGES_OTHER && block->input.size > 0) {
    add_input(status, out, bytes_of(&block->input));
  }
}

/* Blocks that would make the next request invalid are left out: empty texts, thoughts cut before their signature, and
 * calls that are not going to be run. */
static int is_sent(const mloom_messages_answer *answer, const mloom_messages_block *block) {
  switch (block->kind) {
  case MLOOM_MESSAGES_TEXT:
    return !is_blank(bytes_of(&block->text));
  case MLOOM_MESSAGES_THINKING:
    return block->signature.size > 0;
  case MLOOM_MESSAGES_TOOL_USE:
    return answer->stop != MLOOM_STOP_LENGTH && answer->stop != MLOOM_STOP_REFUSED;
  default:
    return mloom_messages_is_object(bytes_of(&block->start));
  }
}

int32_t mloom_messages_request_append_answer(mloom_messages_request *request, const mloom_messages_answer *answer) {
  int32_t status = MLOOM_OK;
  uint32_t last = 0;
  settle_texts(&status, request);
  position before = here(request);
  for (size_t i = 0; i < answer->block_count; i++) {
    const mloom_messages_block *block = &answer->blocks[i];
    if (is_sent(answer, block)) {
      last = block->kind;
      begin_block(&status, request, ROLE_ASSISTANT, last == MLOOM_MESSAGES_TEXT || last == MLOOM_MESSAGES_TOOL_USE);
      add_block(&status, &request->messages, block);
    }
  }
  int thought_only = last == MLOOM_MESSAGES_THINKING || last == MLOOM_MESSAGES_REDACTED;
  if (last == 0 || (thought_only && answer->stop != MLOOM_STOP_PAUSED)) {
    /* A message without blocks is refused, and one that ends with a thought. */
    begin_block(&status, request, ROLE_ASSISTANT, 1);
    add(&status, &request->messages, "{\"type\":\"text\",\"text\":\"(nothing)\"");
  }
  return settle(status, request, before);
}

int32_t mloom_messages_request_segments(mloom_messages_request *request, const mloom_bytes **out, size_t *count) {
  int32_t status = MLOOM_OK;
  settle_texts(&status, request);
  mloom_buffer *tail = &request->tail;
  mloom_buffer_clear(tail);
  if (request->role != ROLE_NONE) {
    if (request->cache && request->can_be_marked) {
      add_cache_mark(&status, tail, request->cache_ttl);
    }
    add(&status, tail, "}]}");
  }
  add(&status, tail, "]}");
  if (status != MLOOM_OK) {
    return status;
  }
  request->segments[0] = bytes_of(&request->head);
  request->segments[1] = bytes_of(&request->messages);
  request->segments[2] = bytes_of(tail);
  *out = request->segments;
  *count = 3;
  return MLOOM_OK;
}

void mloom_messages_request_free(mloom_messages_request *request) {
  mloom_buffer_free(&request->head);
  mloom_buffer_free(&request->messages);
  mloom_buffer_free(&request->texts);
  mloom_buffer_free(&request->tail);
}
