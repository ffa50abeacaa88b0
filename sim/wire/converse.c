/* SPDX-License-Identifier: Apache-2.0
 *
 * Amazon Bedrock's Converse: POST /model/{id}/converse and /model/{id}/converse-stream, the stream as binary messages
 * of application/vnd.amazon.eventstream; GET /foundation-models and /inference-profiles.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/text.h"
#include "reading.h"
#include "wire.h"
#include "writer.h"

/* The id of the model as one segment of the path, still encoded; empty when the path is another. */
static mloom_bytes model_of(const sim_request *request, const char *operation) {
  static const char prefix[] = "/model/";
  size_t size = strcspn(request->path, "?");
  size_t end = strlen(operation);
  const char *id = request->path + sizeof(prefix) - 1;
  if (strcmp(request->method, "POST") != 0 || strncmp(request->path, prefix, sizeof(prefix) - 1) != 0 ||
      size <= sizeof(prefix) - 1 + end || strncmp(request->path + size - end, operation, end) != 0) {
    return (mloom_bytes){NULL, 0};
  }
  mloom_bytes segment = {id, size - (sizeof(prefix) - 1) - end};
  return memchr(segment.data, '/', segment.size) == NULL ? segment : (mloom_bytes){NULL, 0};
}

static int converse_serves(const sim_request *request) {
  return model_of(request, "/converse").size > 0 || model_of(request, "/converse-stream").size > 0;
}

static int is_list(const sim_request *request, const char *path) {
  size_t size = strlen(path);
  return strcmp(request->method, "GET") == 0 && strcspn(request->path, "?") == size &&
         strncmp(request->path, path, size) == 0;
}

static int converse_serves_models(const sim_request *request) {
  return is_list(request, "/foundation-models");
}

static int profiles_serve_models(const sim_request *request) {
  return is_list(request, "/inference-profiles");
}

/* ---- Request ---- */

/* The vendor's rule for names of tools and ids of calls. */
static int is_word(const char *text, const char *others) {
  size_t size = strlen(text);
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) && strchr(others, c) == NULL) {
      return 0;
    }
  }
  return size >= 1 && size <= 64;
}

static int is_blank(mloom_bytes text) {
  return mloom_text_trim(text).size == 0;
}

static int32_t add_text(mloom_buffer *out, const mloom_json *block, size_t index, mloom_error *error) {
  mloom_bytes text = mloom_json_text(mloom_json_member(block, "text"));
  return is_blank(text)
             ? sim_refuse(error, "The text field in the ContentBlock object at messages.%zu is blank.", index)
             : mloom_buffer_append(out, text.data, text.size);
}

/* The signature that answers of the simulator carry: a message that comes back must have it unchanged. */
#define SIGNATURE "c2ltdWxhdGVkIHNpZ25hdHVyZQ=="

static int32_t read_reasoning(const mloom_json *block, size_t index, mloom_error *error) {
  const mloom_json *text = mloom_json_member(block, "reasoningText");
  if (mloom_json_member(block, "redactedContent") != NULL) {
    return MLOOM_OK;
  }
  return strcmp(mloom_json_member_string(text, "signature", ""), SIGNATURE) == 0 &&
                 mloom_json_text(mloom_json_member(text, "text")).data != NULL
             ? MLOOM_OK
             : sim_refuse(error, "messages.%zu: Invalid `signature` in reasoningContent block", index);
}

static int32_t read_call(mloom_buffer *out, const mloom_json *call, size_t index, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer input = MLOOM_BUFFER_INIT;
  const char *name = mloom_json_member_string(call, "name", "");
  if (!is_word(name, "_-") || !is_word(mloom_json_member_string(call, "toolUseId", ""), "_.:-") ||
      mloom_json_kind(mloom_json_member(call, "input")) != MLOOM_JSON_OBJECT) {
    return sim_refuse(error, "messages.%zu: toolUse wants a toolUseId, a name and an input object", index);
  }
  int32_t code = mloom_json_serialize(&input, mloom_json_member(call, "input"), 0);
  return code == MLOOM_OK ? mloom_buffer_append_format(out, "\n%s %s", name, mloom_buffer_string(&input)) : code;
}

static int32_t read_assistant(sim_conversation *out, const mloom_json *content, size_t index, mloom_error *error) {
  mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_ASSISTANT);
  int32_t code = text == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  int last_is_thought = 0;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(content); i++) {
    const mloom_json *block = mloom_json_at(content, i);
    const mloom_json *call = mloom_json_member(block, "toolUse");
    const mloom_json *thought = mloom_json_member(block, "reasoningContent");
    last_is_thought = thought != NULL;
    code = mloom_json_count(block) != 1 ? sim_refuse(error, "messages.%zu: one member a block", index)
           : call != NULL               ? read_call(text, call, index, error)
           : thought != NULL            ? read_reasoning(thought, index, error)
           : mloom_json_member(block, "cachePoint") != NULL ? MLOOM_OK
                                                            : add_text(text, block, index, error);
  }
  return code == MLOOM_OK && last_is_thought ? sim_refuse(error, "messages.%zu: the last block is reasoning", index)
                                             : code;
}

static size_t count_member(const mloom_json *content, const char *member) {
  size_t count = 0;
  for (size_t i = 0; i < mloom_json_count(content); i++) {
    count += mloom_json_member(mloom_json_at(content, i), member) != NULL;
  }
  return count;
}

static int makes_call(const mloom_json *content, const char *id) {
  for (size_t i = 0; i < mloom_json_count(content); i++) {
    const mloom_json *call = mloom_json_member(mloom_json_at(content, i), "toolUse");
    if (call != NULL && strcmp(mloom_json_member_string(call, "toolUseId", ""), id) == 0) {
      return 1;
    }
  }
  return 0;
}

static int32_t read_result(mloom_buffer *out, const mloom_json *result, const mloom_json *before, size_t index,
                           mloom_error *error) {
  const mloom_json *content = mloom_json_member(result, "content");
  const char *status = mloom_json_member_string(result, "status", "success");
  if (!makes_call(before, mloom_json_member_string(result, "toolUseId", ""))) {
    return sim_refuse(error, "messages.%zu: unexpected toolUseId found in toolResult", index);
  }
  if (mloom_json_count(content) == 0 || (strcmp(status, "error") != 0 && strcmp(status, "success") != 0)) {
    return sim_refuse(error, "messages.%zu: toolResult wants content and a status success or error", index);
  }
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(content); i++) {
    code = add_text(out, mloom_json_at(content, i), index, error);
  }
  return code;
}

static int32_t read_user(sim_conversation *out, const mloom_json *content, const mloom_json *before, size_t index,
                         mloom_error *error) {
  int32_t code = MLOOM_OK;
  size_t results = count_member(content, "toolResult");
  if (count_member(before, "toolUse") != results) {
    return sim_refuse(error, "Expected toolResult blocks at messages.%zu.content for the calls before", index);
  }
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(content); i++) {
    const mloom_json *block = mloom_json_at(content, i);
    const mloom_json *result = mloom_json_member(block, "toolResult");
    if (mloom_json_count(block) != 1 || (result == NULL && i < results)) {
      return sim_refuse(error, "messages.%zu: one member a block, and results of tools come first", index);
    }
    if (mloom_json_member(block, "cachePoint") != NULL) {
      continue;
    }
    mloom_buffer *text = sim_conversation_add(out, result != NULL ? SIM_ROLE_TOOL : SIM_ROLE_USER);
    code = text == NULL     ? MLOOM_E_MEMORY
           : result != NULL ? read_result(text, result, before, index, error)
                            : add_text(text, block, index, error);
  }
  return code;
}

static int32_t read_messages(sim_conversation *out, const mloom_json *messages, int has_tools, mloom_error *error) {
  int32_t code = MLOOM_OK;
  const mloom_json *before = NULL;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(messages); i++) {
    const mloom_json *message = mloom_json_at(messages, i);
    const mloom_json *content = mloom_json_member(message, "content");
    const char *role = mloom_json_member_string(message, "role", "");
    if (strcmp(role, i % 2 == 0 ? "user" : "assistant") != 0) {
      return sim_refuse(error, "A conversation must alternate between user and assistant roles, beginning with user.");
    }
    if (mloom_json_kind(content) != MLOOM_JSON_ARRAY || mloom_json_count(content) == 0) {
      return sim_refuse(error, "The content field in the Message object at messages.%zu is empty.", i);
    }
    if (!has_tools && count_member(content, "toolUse") + count_member(content, "toolResult") > 0) {
      return sim_refuse(error,
                        "The toolConfig field must be defined when using toolUse and toolResult content blocks.");
    }
    code = i % 2 == 0 ? read_user(out, content, before, i, error) : read_assistant(out, content, i, error);
    before = content;
  }
  return code;
}

static int32_t read_tools(sim_conversation *out, const mloom_json *tools, mloom_error *error) {
  int32_t code = MLOOM_OK;
  out->tools = mloom_json_new_array();
  if (tools != NULL && count_member(tools, "toolSpec") == 0) {
    return sim_refuse(error, "toolConfig.tools: Member must have length greater than or equal to 1");
  }
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(tools); i++) {
    const mloom_json *tool = mloom_json_member(mloom_json_at(tools, i), "toolSpec");
    const mloom_json *schema = mloom_json_member(mloom_json_member(tool, "inputSchema"), "json");
    const char *name = mloom_json_member_string(tool, "name", "");
    if (tool == NULL && mloom_json_member(mloom_json_at(tools, i), "cachePoint") != NULL) {
      continue;
    }
    if (!is_word(name, "_-") || strcmp(mloom_json_member_string(schema, "type", ""), "object") != 0 ||
        mloom_json_member_string(tool, "description", "-")[0] == '\0') {
      return sim_refuse(error, "toolConfig.tools.%zu: a name, an inputSchema of type object, no empty description", i);
    }
    code = mloom_json_add(out->tools, mloom_json_new_string(name, strlen(name)));
  }
  return code;
}

static int32_t read_system(sim_conversation *out, const mloom_json *system, mloom_error *error) {
  mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_SYSTEM);
  int32_t code = text == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(system); i++) {
    if (mloom_json_member(mloom_json_at(system, i), "cachePoint") == NULL) {
      code = add_text(text, mloom_json_at(system, i), 0, error);
    }
  }
  return code;
}

/* At most four places of a request may be marked for the cache. */
static int32_t check_marks(const sim_request *request, mloom_error *error) {
  size_t count = sim_count_in_body(request, "\"cachePoint\":");
  return count <= 4 ? MLOOM_OK : sim_refuse(error, "A maximum of 4 cachePoints may be provided. Found %zu.", count);
}

/* Undoes the encoding of the path. */
static int32_t read_model(mloom_buffer *out, mloom_bytes segment) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < segment.size; i++) {
    char c = segment.data[i];
    if (c == '%' && i + 2 < segment.size) {
      char digits[3] = {segment.data[i + 1], segment.data[i + 2], '\0'};
      c = (char)strtol(digits, NULL, 16);
      i += 2;
    }
    code = mloom_buffer_append_char(out, c);
  }
  return code;
}

static int32_t converse_read(sim_conversation *out, const sim_request *request, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *body = NULL;
  mloom_bytes model = model_of(request, "/converse-stream");
  out->streamed = model.size > 0;
  out->wants_usage = 1;
  int32_t code = mloom_json_parse(&body, request->body.data, request->body.size, "the request", error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_json *messages = mloom_json_member(body, "messages");
  const mloom_json *system = mloom_json_member(body, "system");
  const mloom_json *tools = mloom_json_member(mloom_json_member(body, "toolConfig"), "tools");
  if (mloom_json_count(messages) == 0 || mloom_json_member(body, "model") != NULL) {
    return sim_refuse(error, "messages is required, and the model is named by the path");
  }
  code = read_model(&out->model, out->streamed ? model : model_of(request, "/converse"));
  code = code == MLOOM_OK && system != NULL ? read_system(out, system, error) : code;
  code = code == MLOOM_OK ? read_messages(out, messages, tools != NULL, error) : code;
  code = code == MLOOM_OK ? read_tools(out, tools, error) : code;
  return code == MLOOM_OK ? check_marks(request, error) : code;
}

static const char *converse_content_type(const sim_conversation *conversation) {
  return conversation->streamed ? "application/vnd.amazon.eventstream" : "application/json";
}

/* ---- Messages of a stream ---- */

static uint32_t checksum(const char *data, size_t size) {
  uint32_t sum = 0xffffffffu;
  for (size_t i = 0; i < size; i++) {
    sum ^= (unsigned char)data[i];
    for (int bit = 0; bit < 8; bit++) {
      sum = (sum & 1) != 0 ? sum >> 1 ^ 0xedb88320u : sum >> 1;
    }
  }
  return ~sum;
}

static int32_t put_number(mloom_buffer *out, size_t number, int bytes) {
  int32_t code = MLOOM_OK;
  for (int i = bytes - 1; code == MLOOM_OK && i >= 0; i--) {
    code = mloom_buffer_append_char(out, (char)(number >> 8 * i & 0xff));
  }
  return code;
}

static int32_t put_header(mloom_buffer *out, const char *name, const char *value) {
  int32_t code = put_number(out, strlen(name), 1);
  code = code == MLOOM_OK ? mloom_buffer_append_string(out, name) : code;
  code = code == MLOOM_OK ? put_number(out, 7, 1) : code; /* a string */
  code = code == MLOOM_OK ? put_number(out, strlen(value), 2) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, value) : code;
}

static int32_t put_message(mloom_buffer *out, const char *message_type, const char *name_header, const char *name,
                           const mloom_buffer *payload) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer headers = MLOOM_BUFFER_INIT;
  size_t start = out->size;
  int32_t code = put_header(&headers, name_header, name);
  code = code == MLOOM_OK ? put_header(&headers, ":content-type", "application/json") : code;
  code = code == MLOOM_OK ? put_header(&headers, ":message-type", message_type) : code;
  code = code == MLOOM_OK ? put_number(out, headers.size + payload->size + 16, 4) : code;
  code = code == MLOOM_OK ? put_number(out, headers.size, 4) : code;
  code = code == MLOOM_OK ? put_number(out, checksum(out->data + start, 8), 4) : code;
  code = code == MLOOM_OK ? mloom_buffer_append(out, headers.data, headers.size) : code;
  code = code == MLOOM_OK ? mloom_buffer_append(out, payload->data, payload->size) : code;
  return code == MLOOM_OK ? put_number(out, checksum(out->data + start, out->size - start), 4) : code;
}

/* ---- Answer ---- */

/* What was written becomes the payload of a message. */
static void send(sim_writer *w, const char *type) {
  mloom_buffer *event = w->code == MLOOM_OK ? sim_events_add(w->events) : NULL;
  w->code = event == NULL ? MLOOM_E_MEMORY : put_message(event, "event", ":event-type", type, w->event);
  mloom_buffer_clear(w->event);
}

/* The cached part stands beside the input, as the vendor has it. */
static void put_usage(sim_writer *w) {
  const sim_usage *usage = &w->answer->usage;
  sim_put_format(w,
                 "\"usage\":{\"inputTokens\":%lld,\"outputTokens\":%lld,\"totalTokens\":%lld,"
                 "\"cacheReadInputTokens\":%lld,\"cacheWriteInputTokens\":0},\"metrics\":{\"latencyMs\":1}",
                 (long long)(usage->input - usage->cached), (long long)usage->output,
                 (long long)(usage->input + usage->output), (long long)usage->cached);
}

static const char *stop_reason(const sim_answer *answer) {
  return answer->stop != NULL ? answer->stop : answer->tool_call_count > 0 ? "tool_use" : "end_turn";
}

static void end_block(sim_writer *w) {
  sim_put_format(w, "{\"contentBlockIndex\":%zu}", w->count++);
  send(w, "contentBlockStop");
}

/* opening and closing stand round the string of a piece. */
static void stream_pieces(sim_writer *w, const mloom_buffer *text, const char *opening, const char *closing) {
  mloom_bytes piece;
  for (size_t at = 0; sim_next_piece(w, text, &at, &piece);) {
    sim_put_format(w, "{\"contentBlockIndex\":%zu,\"delta\":{%s", w->count, opening);
    sim_put_string(w, piece.data, piece.size);
    sim_put_format(w, "%s},\"p\":\"abc\"}", closing);
    send(w, "contentBlockDelta");
  }
}

static void write_stream(sim_writer *w) {
  const sim_answer *answer = w->answer;
  sim_put(w, "{\"role\":\"assistant\",\"p\":\"abcdefgh\"}");
  send(w, "messageStart");
  if (answer->reasoning.size > 0) {
    stream_pieces(w, &answer->reasoning, "\"reasoningContent\":{\"text\":", "}");
    sim_put_format(w, "{\"contentBlockIndex\":%zu,\"delta\":{\"reasoningContent\":{\"signature\":\"" SIGNATURE "\"}}}",
                   w->count);
    send(w, "contentBlockDelta");
    end_block(w);
  }
  if (answer->text.size > 0) {
    stream_pieces(w, &answer->text, "\"text\":", "");
    end_block(w);
  }
  for (size_t i = 0; i < answer->tool_call_count; i++) {
    const sim_tool_call *call = &answer->tool_calls[i];
    sim_put_format(w, "{\"contentBlockIndex\":%zu,\"start\":{\"toolUse\":{\"toolUseId\":", w->count);
    sim_put_buffer(w, &call->id);
    sim_put(w, ",\"name\":");
    sim_put_buffer(w, &call->name);
    sim_put(w, "}}}");
    send(w, "contentBlockStart");
    stream_pieces(w, &call->arguments, "\"toolUse\":{\"input\":", "}");
    end_block(w);
  }
  if ((answer->quirks & SIM_QUIRK_NO_DONE) == 0) {
    sim_put_format(w, "{\"stopReason\":\"%s\"}", stop_reason(answer));
    send(w, "messageStop");
    sim_put(w, "{");
    put_usage(w);
    sim_put(w, "}");
    send(w, "metadata");
  }
}

static void write_whole(sim_writer *w) {
  const sim_answer *answer = w->answer;
  const char *comma = "";
  sim_put(w, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[");
  if (answer->reasoning.size > 0) {
    sim_put(w, "{\"reasoningContent\":{\"reasoningText\":{\"text\":");
    sim_put_buffer(w, &answer->reasoning);
    sim_put(w, ",\"signature\":\"" SIGNATURE "\"}}}");
    comma = ",";
  }
  if (answer->text.size > 0) {
    sim_put_format(w, "%s{\"text\":", comma);
    sim_put_buffer(w, &answer->text);
    sim_put(w, "}");
    comma = ",";
  }
  for (size_t i = 0; i < answer->tool_call_count; i++) {
    const sim_tool_call *call = &answer->tool_calls[i];
    sim_put_format(w, "%s{\"toolUse\":{\"toolUseId\":", comma);
    sim_put_buffer(w, &call->id);
    sim_put(w, ",\"name\":");
    sim_put_buffer(w, &call->name);
    sim_put_format(w, ",\"input\":%s}}", call->arguments.size > 0 ? mloom_buffer_string(&call->arguments) : "{}");
    comma = ",";
  }
  sim_put_format(w, "]}},\"stopReason\":\"%s\",", stop_reason(answer));
  put_usage(w);
  sim_put(w, "}");
}

static int32_t converse_write(sim_events *out, const sim_conversation *conversation, const sim_answer *answer) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer payload = MLOOM_BUFFER_INIT;
  sim_writer w = {out, conversation, answer, &payload, MLOOM_OK, 0};
  if (conversation->streamed) {
    write_stream(&w);
  } else {
    sim_add_event(&w);
    write_whole(&w);
  }
  return w.code;
}

/* ---- Errors and models ---- */

static int32_t write_members(mloom_buffer *out, const char *type, const char *message) {
  int32_t code = mloom_buffer_append_string(out, "{");
  code = code == MLOOM_OK && type != NULL ? mloom_json_write_member(out, "__type", type, strlen(type)) : code;
  code = code == MLOOM_OK ? mloom_json_write_member(out, "message", message, strlen(message)) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "}") : code;
}

static int32_t converse_write_error(mloom_buffer *out, int32_t status, const char *message) {
  const char *type = status == 401 || status == 403 ? "AccessDeniedException"
                     : status == 404                ? "ResourceNotFoundException"
                     : status == 408                ? "ModelTimeoutException"
                     : status == 424                ? "ModelErrorException"
                     : status == 429                ? "ThrottlingException"
                     : status == 503                ? "ServiceUnavailableException"
                     : status >= 500                ? "InternalServerException"
                                                    : "ValidationException";
  return write_members(out, type, message);
}

static int32_t converse_write_error_event(mloom_buffer *out, const char *message) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer payload = MLOOM_BUFFER_INIT;
  int32_t code = write_members(&payload, NULL, message);
  return code == MLOOM_OK ? put_message(out, "exception", ":exception-type", "serviceUnavailableException", &payload)
                          : code;
}

/* member is that of the list, id and title those of an entry; prefix stands before each id. */
static int32_t write_list(mloom_buffer *out, const mloom_json *models, const char *member, const char *id,
                          const char *title, const char *prefix, const char *more) {
  int32_t code = mloom_buffer_append_format(out, "{\"%s\":[", member);
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(models); i++) {
    mloom_bytes name = mloom_json_text(mloom_json_at(models, i));
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer whole = MLOOM_BUFFER_INIT;
    code = mloom_buffer_append_format(&whole, "%s%.*s", prefix, (int)name.size, name.data);
    code = code == MLOOM_OK ? mloom_buffer_append_string(out, i == 0 ? "{" : ",{") : code;
    code = code == MLOOM_OK ? mloom_json_write_member(out, id, whole.data, whole.size) : code;
    code = code == MLOOM_OK ? mloom_json_write_member(out, title, whole.data, whole.size) : code;
    code = code == MLOOM_OK ? mloom_buffer_append_format(out, ",%s}", more) : code;
  }
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "]}") : code;
}

static int32_t converse_write_models(mloom_buffer *out, const mloom_json *models) {
  return write_list(out, models, "modelSummaries", "modelId", "modelName", "",
                    "\"providerName\":\"Simulated\",\"inputModalities\":[\"TEXT\"],\"outputModalities\":[\"TEXT\"],"
                    "\"responseStreamingSupported\":true,\"inferenceTypesSupported\":[\"ON_DEMAND\"],"
                    "\"modelLifecycle\":{\"status\":\"ACTIVE\"}");
}

static int32_t profiles_write_models(mloom_buffer *out, const mloom_json *models) {
  return write_list(out, models, "inferenceProfileSummaries", "inferenceProfileId", "inferenceProfileName", "us.",
                    "\"status\":\"ACTIVE\",\"type\":\"SYSTEM_DEFINED\",\"models\":[]");
}

static int serves_nothing(const sim_request *request) {
  (void)request;
  return 0;
}

const sim_wire sim_wire_converse = {
    .name = "converse",
    .serves = converse_serves,
    .read = converse_read,
    .content_type = converse_content_type,
    .write = converse_write,
    .write_error = converse_write_error,
    .write_error_event = converse_write_error_event,
    .serves_models = converse_serves_models,
    .write_models = converse_write_models,
};

/* The other list that a client of Bedrock reads. */
const sim_wire sim_wire_converse_profiles = {
    .name = "converse",
    .serves = serves_nothing,
    .write_error = converse_write_error,
    .serves_models = profiles_serve_models,
    .write_models = profiles_write_models,
};
