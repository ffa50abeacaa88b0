/* SPDX-License-Identifier: Apache-2.0
 *
 * Anthropic's Messages: POST .../v1/messages and GET .../v1/models, told from other wires by the header
 * anthropic-version; and as Vertex has it, .../publishers/anthropic/models/MODEL:rawPredict and :streamRawPredict with
 * the version in the body and the model in the address.
 */
#include <string.h>
#include <strings.h>

#include "base/json_writer.h"
#include "base/text.h"
#include "reading.h"
#include "wire.h"
#include "writer.h"

static int is_on_vertex(const sim_request *request) {
  return strstr(request->path, "/publishers/anthropic/models/") != NULL &&
         (sim_path_ends_with(request, ":rawPredict") || sim_path_ends_with(request, ":streamRawPredict"));
}

static int messages_serves(const sim_request *request) {
  return strcmp(request->method, "POST") == 0 && (sim_path_ends_with(request, "/v1/messages") || is_on_vertex(request));
}

static int messages_serves_models(const sim_request *request) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer version = MLOOM_BUFFER_INIT;
  return strcmp(request->method, "GET") == 0 && sim_path_ends_with(request, "/v1/models") &&
         sim_request_header(request, "anthropic-version", &version);
}

/* ---- Request ---- */

static const char *type_of(const mloom_json *block) {
  return mloom_json_member_string(block, "type", "");
}

/* A string or a list of text blocks; the vendor refuses empty ones. */
static int32_t read_text(mloom_buffer *out, const mloom_json *content, const char *where, mloom_error *error) {
  if (mloom_json_kind(content) == MLOOM_JSON_STRING) {
    mloom_bytes text = mloom_json_text(content);
    return mloom_buffer_append(out, text.data, text.size);
  }
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(content); i++) {
    mloom_bytes text = mloom_json_text(mloom_json_member(mloom_json_at(content, i), "text"));
    if (strcmp(type_of(mloom_json_at(content, i)), "text") != 0 || mloom_text_trim(text).size == 0) {
      return sim_refuse(error, "%s: text content blocks must be non-empty", where);
    }
    code = mloom_buffer_append(out, text.data, text.size);
  }
  return code;
}

/* The signature that answers of the simulator carry: a message that comes back must have it unchanged. */
#define SIGNATURE "c2ltdWxhdGVkIHNpZ25hdHVyZQ=="

static int32_t read_assistant_block(mloom_buffer *out, const mloom_json *block, size_t index, mloom_error *error) {
  const char *type = type_of(block);
  mloom_bytes text = mloom_json_text(mloom_json_member(block, "text"));
  if (strcmp(type, "text") == 0) {
    return mloom_text_trim(text).size > 0
               ? mloom_buffer_append(out, text.data, text.size)
               : sim_refuse(error, "messages.%zu: text content blocks must be non-empty", index);
  }
  if (strcmp(type, "thinking") == 0) {
    return strcmp(mloom_json_member_string(block, "signature", ""), SIGNATURE) == 0 &&
                   mloom_json_text(mloom_json_member(block, "thinking")).data != NULL
               ? MLOOM_OK
               : sim_refuse(error, "messages.%zu: Invalid `signature` in `thinking` block", index);
  }
  if (strcmp(type, "tool_use") == 0) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer input = MLOOM_BUFFER_INIT;
    const mloom_json *value = mloom_json_member(block, "input");
    const char *name = mloom_json_member_string(block, "name", "");
    if (name[0] == '\0' || mloom_json_kind(value) != MLOOM_JSON_OBJECT ||
        mloom_json_member_string(block, "id", "")[0] == '\0') {
      return sim_refuse(error, "messages.%zu: tool_use wants id, name and an input object", index);
    }
    int32_t code = mloom_json_serialize(&input, value, 0);
    return code == MLOOM_OK ? mloom_buffer_append_format(out, "\n%s %s", name, mloom_buffer_string(&input)) : code;
  }
  return strcmp(type, "redacted_thinking") == 0 ? MLOOM_OK
                                                : sim_refuse(error, "messages.%zu: unknown block type", index);
}

static int32_t read_assistant(sim_conversation *out, const mloom_json *content, size_t index, mloom_error *error) {
  mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_ASSISTANT);
  int32_t code = text == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  if (code == MLOOM_OK && mloom_json_kind(content) == MLOOM_JSON_STRING) {
    return read_text(text, content, "assistant", error);
  }
  if (mloom_json_count(content) == 0) {
    return sim_refuse(error, "messages.%zu: content must be non-empty", index);
  }
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(content); i++) {
    code = read_assistant_block(text, mloom_json_at(content, i), index, error);
  }
  const char *last = type_of(mloom_json_at(content, mloom_json_count(content) - 1));
  if (code == MLOOM_OK && strstr(last, "thinking") != NULL) {
    return sim_refuse(error, "messages.%zu: the final block in an assistant message cannot be `thinking`", index);
  }
  return code;
}

static size_t count_type(const mloom_json *content, const char *type) {
  size_t count = 0;
  for (size_t i = 0; mloom_json_kind(content) == MLOOM_JSON_ARRAY && i < mloom_json_count(content); i++) {
    count += strcmp(type_of(mloom_json_at(content, i)), type) == 0;
  }
  return count;
}

static int makes_call(const mloom_json *content, const char *id) {
  for (size_t i = 0; mloom_json_kind(content) == MLOOM_JSON_ARRAY && i < mloom_json_count(content); i++) {
    const mloom_json *block = mloom_json_at(content, i);
    if (strcmp(type_of(block), "tool_use") == 0 && strcmp(mloom_json_member_string(block, "id", ""), id) == 0) {
      return 1;
    }
  }
  return 0;
}

/* Results come first, each for a call of the message before, then texts. */
static int32_t read_user(sim_conversation *out, const mloom_json *content, const mloom_json *before, size_t index,
                         mloom_error *error) {
  int32_t code = MLOOM_OK;
  size_t results = count_type(content, "tool_result");
  if (count_type(before, "tool_use") != results) {
    return sim_refuse(error, "messages.%zu: `tool_use` ids were found without `tool_result` blocks immediately after",
                      index);
  }
  if (mloom_json_kind(content) == MLOOM_JSON_STRING) {
    mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_USER);
    return text == NULL ? MLOOM_E_MEMORY : read_text(text, content, "user", error);
  }
  if (mloom_json_count(content) == 0) {
    return sim_refuse(error, "messages.%zu: user messages must have non-empty content", index);
  }
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(content); i++) {
    const mloom_json *block = mloom_json_at(content, i);
    int is_result = strcmp(type_of(block), "tool_result") == 0;
    mloom_bytes said = mloom_json_text(mloom_json_member(block, "text"));
    if (is_result != (i < results)) {
      return sim_refuse(error, "messages.%zu: tool_result blocks must come first", index);
    }
    if (is_result && !makes_call(before, mloom_json_member_string(block, "tool_use_id", ""))) {
      return sim_refuse(error, "messages.%zu: unexpected `tool_use_id` found in `tool_result` blocks", index);
    }
    if (!is_result && (strcmp(type_of(block), "text") != 0 || mloom_text_trim(said).size == 0)) {
      return sim_refuse(error, "messages.%zu: text content blocks must be non-empty", index);
    }
    mloom_buffer *text = sim_conversation_add(out, is_result ? SIM_ROLE_TOOL : SIM_ROLE_USER);
    code = text == NULL ? MLOOM_E_MEMORY
           : is_result  ? read_text(text, mloom_json_member(block, "content"), "tool_result", error)
                        : mloom_buffer_append(text, said.data, said.size);
    if (code == MLOOM_OK && is_result && text->size == 0 && mloom_json_member_boolean(block, "is_error", 0)) {
      return sim_refuse(error, "messages.%zu: content cannot be empty if `is_error` is true", index);
    }
  }
  return code;
}

static int32_t read_messages(sim_conversation *out, const mloom_json *messages, mloom_error *error) {
  int32_t code = MLOOM_OK;
  const mloom_json *before = NULL;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(messages); i++) {
    const mloom_json *message = mloom_json_at(messages, i);
    const mloom_json *content = mloom_json_member(message, "content");
    const char *role = mloom_json_member_string(message, "role", "");
    if (strcmp(role, "assistant") == 0) {
      code = read_assistant(out, content, i, error);
    } else if (strcmp(role, "user") == 0) {
      code = read_user(out, content, before, i, error);
    } else if (strcmp(role, "system") == 0 && i > 0) {
      /* Behind a beta flag the service takes these, and its own program sends them. */
      mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_SYSTEM);
      code = text == NULL ? MLOOM_E_MEMORY : read_text(text, content, "system", error);
      continue;
    } else {
      return sim_refuse(error, "messages.%zu.role: unexpected role", i);
    }
    before = content;
  }
  return code;
}

static int32_t read_tools(sim_conversation *out, const mloom_json *tools, mloom_error *error) {
  int32_t code = MLOOM_OK;
  out->tools = mloom_json_new_array();
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(tools); i++) {
    const mloom_json *tool = mloom_json_at(tools, i);
    mloom_bytes name = mloom_json_text(mloom_json_member(tool, "name"));
    if (name.size == 0 || strcmp(type_of(mloom_json_member(tool, "input_schema")), "object") != 0) {
      return sim_refuse(error, "tools.%zu: name and an input_schema of type object are required", i);
    }
    code = mloom_json_add(out->tools, mloom_json_new_string(name.data, name.size));
  }
  return code;
}

/* At most four places of a request may be marked for the cache. */
static int32_t check_marks(const sim_request *request, mloom_error *error) {
  size_t count = sim_count_in_body(request, "\"cache_control\":");
  return count <= 4 ? MLOOM_OK
                    : sim_refuse(error, "A maximum of 4 blocks with cache_control may be provided. Found %zu.", count);
}

static int is_version(const char *version, const char *older) {
  return strcmp(version, older) == 0 || strcmp(version, "2026-10-21") == 0;
}

static int32_t check_version(const sim_request *request, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer version = MLOOM_BUFFER_INIT;
  return sim_request_header(request, "anthropic-version", &version) &&
                 is_version(mloom_buffer_string(&version), "2023-06-01")
             ? MLOOM_OK
             : sim_refuse(error, "anthropic-version: header is required");
}

/* The model in the address, and what stands in the body and its headers otherwise. */
static int32_t check_on_vertex(const sim_request *request, const mloom_json *body, mloom_bytes *model,
                               mloom_error *error) {
  const char *begin = strstr(request->path, "/models/") + strlen("/models/");
  *model = (mloom_bytes){begin, strcspn(begin, ":")};
  if (mloom_json_member(body, "model") != NULL) {
    return sim_refuse(error, "model: Extra inputs are not permitted");
  }
  if (!is_version(mloom_json_member_string(body, "anthropic_version", ""), "vertex-2023-10-16")) {
    return sim_refuse(error, "anthropic_version: Field required");
  }
  return mloom_json_member_boolean(body, "stream", 0) == sim_path_ends_with(request, ":streamRawPredict")
             ? MLOOM_OK
             : sim_refuse(error, "stream: does not fit the method of the address");
}

static int32_t messages_read(sim_conversation *out, const sim_request *request, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *body = NULL;
  int32_t code = mloom_json_parse(&body, request->body.data, request->body.size, "the request", error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_json *messages = mloom_json_member(body, "messages");
  const mloom_json *system = mloom_json_member(body, "system");
  mloom_bytes model = mloom_json_text(mloom_json_member(body, "model"));
  code = is_on_vertex(request) ? check_on_vertex(request, body, &model, error) : check_version(request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (model.size == 0 || mloom_json_count(messages) == 0 || mloom_json_member_integer(body, "max_tokens", 0) <= 0) {
    return sim_refuse(error, "model, max_tokens and messages: Field required");
  }
  code = mloom_buffer_append(&out->model, model.data, model.size);
  if (code == MLOOM_OK && system != NULL) {
    mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_SYSTEM);
    code = text == NULL ? MLOOM_E_MEMORY : read_text(text, system, "system", error);
  }
  code = code == MLOOM_OK ? read_messages(out, messages, error) : code;
  code = code == MLOOM_OK ? read_tools(out, mloom_json_member(body, "tools"), error) : code;
  code = code == MLOOM_OK ? check_marks(request, error) : code;
  out->streamed = mloom_json_member_boolean(body, "stream", 0);
  out->wants_usage = 1;
  return code;
}

static const char *messages_content_type(const sim_conversation *conversation) {
  return conversation->streamed ? "text/event-stream; charset=utf-8" : "application/json";
}

/* ---- Answer ---- */

static void begin_event(sim_writer *w, const char *type) {
  sim_add_event(w);
  sim_put_format(w, "event: %s\ndata: {\"type\":\"%s\"", type, type);
}

static void end_event(sim_writer *w) {
  sim_put(w, "}\n\n");
}

static void put_head(sim_writer *w) {
  sim_put_format(
      w, "{\"id\":\"msg_sim_%zu\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", w->conversation->turn + 1);
  sim_put_buffer(w, &w->conversation->model);
}

/* Input is told with the cached part outside, as the vendor does. */
static void put_usage(sim_writer *w, int64_t output) {
  const sim_usage *usage = &w->answer->usage;
  sim_put_format(w,
                 ",\"usage\":{\"input_tokens\":%lld,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":%lld,"
                 "\"output_tokens\":%lld}",
                 (long long)(usage->input - usage->cached), (long long)usage->cached, (long long)output);
}

static const char *stop_reason(const sim_answer *answer) {
  return answer->stop != NULL ? answer->stop : answer->tool_call_count > 0 ? "tool_use" : "end_turn";
}

static void begin_block(sim_writer *w) {
  begin_event(w, "content_block_start");
  sim_put_format(w, ",\"index\":%zu,\"content_block\":", w->count);
}

static void end_block(sim_writer *w) {
  begin_event(w, "content_block_stop");
  sim_put_format(w, ",\"index\":%zu", w->count++);
  end_event(w);
}

static void begin_delta(sim_writer *w, const char *type, const char *member) {
  begin_event(w, "content_block_delta");
  sim_put_format(w, ",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":", w->count, type, member);
}

static void stream_pieces(sim_writer *w, const mloom_buffer *text, const char *type, const char *member) {
  mloom_bytes piece;
  for (size_t at = 0; sim_next_piece(w, text, &at, &piece);) {
    begin_delta(w, type, member);
    sim_put_string(w, piece.data, piece.size);
    sim_put(w, "}");
    end_event(w);
  }
}

static void stream_call(sim_writer *w, const sim_tool_call *call) {
  begin_block(w);
  sim_put(w, "{\"type\":\"tool_use\",\"id\":");
  sim_put_buffer(w, &call->id);
  sim_put(w, ",\"name\":");
  sim_put_buffer(w, &call->name);
  sim_put(w, ",\"input\":{}}");
  end_event(w);
  /* As the vendor does, the first piece is empty. */
  begin_delta(w, "input_json_delta", "partial_json");
  sim_put(w, "\"\"}");
  end_event(w);
  stream_pieces(w, &call->arguments, "input_json_delta", "partial_json");
  end_block(w);
}

static void write_stream(sim_writer *w) {
  const sim_answer *answer = w->answer;
  begin_event(w, "message_start");
  sim_put(w, ",\"message\":");
  put_head(w);
  sim_put(w, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
  put_usage(w, 1);
  sim_put(w, "}");
  end_event(w);
  begin_event(w, "ping");
  end_event(w);
  if (answer->reasoning.size > 0) {
    begin_block(w);
    sim_put(w, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    end_event(w);
    stream_pieces(w, &answer->reasoning, "thinking_delta", "thinking");
    begin_delta(w, "signature_delta", "signature");
    sim_put(w, "\"" SIGNATURE "\"}");
    end_event(w);
    end_block(w);
  }
  if (answer->text.size > 0) {
    begin_block(w);
    sim_put(w, "{\"type\":\"text\",\"text\":\"\"}");
    end_event(w);
    stream_pieces(w, &answer->text, "text_delta", "text");
    end_block(w);
  }
  for (size_t i = 0; i < answer->tool_call_count; i++) {
    stream_call(w, &answer->tool_calls[i]);
  }
  begin_event(w, "message_delta");
  sim_put_format(w, ",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null}", stop_reason(answer));
  put_usage(w, answer->usage.output);
  end_event(w);
  if ((answer->quirks & SIM_QUIRK_NO_DONE) == 0) {
    begin_event(w, "message_stop");
    end_event(w);
  }
}

static void write_whole(sim_writer *w) {
  const sim_answer *answer = w->answer;
  const char *comma = "";
  sim_add_event(w);
  put_head(w);
  sim_put(w, ",\"content\":[");
  if (answer->reasoning.size > 0) {
    sim_put(w, "{\"type\":\"thinking\",\"thinking\":");
    sim_put_buffer(w, &answer->reasoning);
    sim_put(w, ",\"signature\":\"" SIGNATURE "\"}");
    comma = ",";
  }
  if (answer->text.size > 0) {
    sim_put_format(w, "%s{\"type\":\"text\",\"text\":", comma);
    sim_put_buffer(w, &answer->text);
    sim_put(w, "}");
    comma = ",";
  }
  for (size_t i = 0; i < answer->tool_call_count; i++) {
    const sim_tool_call *call = &answer->tool_calls[i];
    sim_put_format(w, "%s{\"type\":\"tool_use\",\"id\":", comma);
    sim_put_buffer(w, &call->id);
    sim_put(w, ",\"name\":");
    sim_put_buffer(w, &call->name);
    sim_put_format(w, ",\"input\":%s}", call->arguments.size > 0 ? mloom_buffer_string(&call->arguments) : "{}");
    comma = ",";
  }
  sim_put_format(w, "],\"stop_reason\":\"%s\",\"stop_sequence\":null", stop_reason(answer));
  put_usage(w, answer->usage.output);
  sim_put(w, "}");
}

static int32_t messages_write(sim_events *out, const sim_conversation *conversation, const sim_answer *answer) {
  sim_writer w = {out, conversation, answer, NULL, MLOOM_OK, 0};
  if (conversation->streamed) {
    write_stream(&w);
  } else {
    write_whole(&w);
  }
  return w.code;
}

/* ---- Errors and models ---- */

static int32_t messages_write_error(mloom_buffer *out, int32_t status, const char *message) {
  const char *type = status == 401   ? "authentication_error"
                     : status == 402 ? "billing_error"
                     : status == 403 ? "permission_error"
                     : status == 404 ? "not_found_error"
                     : status == 413 ? "request_too_large"
                     : status == 429 ? "rate_limit_error"
                     : status == 504 ? "timeout_error"
                     : status == 529 ? "overloaded_error"
                     : status >= 500 ? "api_error"
                                     : "invalid_request_error";
  int32_t code = mloom_buffer_append_format(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type);
  code = code == MLOOM_OK ? mloom_json_write_string(out, message, strlen(message)) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "},\"request_id\":\"req_sim\"}") : code;
}

static int32_t messages_write_error_event(mloom_buffer *out, const char *message) {
  int32_t code = mloom_buffer_append_string(out, "event: error\ndata: ");
  code = code == MLOOM_OK ? messages_write_error(out, 529, message) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "\n\n") : code;
}

static int32_t messages_write_models(mloom_buffer *out, const mloom_json *models) {
  int32_t code = mloom_buffer_append_string(out, "{\"data\":[");
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(models); i++) {
    mloom_bytes name = mloom_json_text(mloom_json_at(models, i));
    code = mloom_buffer_append_string(out, i == 0 ? "{\"type\":\"model\",\"id\":" : ",{\"type\":\"model\",\"id\":");
    code = code == MLOOM_OK ? mloom_json_write_string(out, name.data, name.size) : code;
    code = code == MLOOM_OK ? mloom_buffer_append_string(out, ",\"display_name\":") : code;
    code = code == MLOOM_OK ? mloom_json_write_string(out, name.data, name.size) : code;
    code = code == MLOOM_OK ? mloom_buffer_append_string(out, ",\"created_at\":\"2025-06-15T15:06:40Z\","
                                                              "\"max_input_tokens\":200000,\"max_tokens\":64000}")
                            : code;
  }
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "],\"has_more\":false,\"first_id\":null,\"last_id\":null}")
                          : code;
}

/* Counts tokens on Vertex. */
static int32_t messages_write_direct(mloom_buffer *out, const sim_request *request, const mloom_json *models,
                                     int32_t *status) {
  (void)models;
  if (!is_on_vertex(request) || strstr(request->path, "/models/count-tokens:") == NULL) {
    return MLOOM_OK;
  }
  *status = 200;
  return mloom_buffer_append_string(out, "{\"input_tokens\":8}");
}

const sim_wire sim_wire_messages = {
    .name = "messages",
    .serves = messages_serves,
    .read = messages_read,
    .content_type = messages_content_type,
    .write = messages_write,
    .write_error = messages_write_error,
    .write_error_event = messages_write_error_event,
    .serves_models = messages_serves_models,
    .write_models = messages_write_models,
    .write_direct = messages_write_direct,
};
