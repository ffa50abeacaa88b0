/* SPDX-License-Identifier: Apache-2.0
 *
 * Chat completions: POST .../chat/completions and GET .../models below any prefix.
 */
#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "wire.h"

#define CREATED 1750000000

static int path_ends_with(const sim_request *request, const char *end) {
  size_t size = strcspn(request->path, "?");
  return size >= strlen(end) && memcmp(request->path + size - strlen(end), end, strlen(end)) == 0;
}

static int chat_serves(const sim_request *request) {
  return strcmp(request->method, "POST") == 0 && path_ends_with(request, "/chat/completions");
}

static int chat_serves_models(const sim_request *request) {
  return strcmp(request->method, "GET") == 0 && path_ends_with(request, "/models");
}

/* ---- Request ---- */

__attribute__((format(printf, 2, 3))) static int32_t refuse(mloom_error *error, const char *format, ...) {
  va_list arguments;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer message = MLOOM_BUFFER_INIT;
  va_start(arguments, format);
  mloom_buffer_append_vformat(&message, format, arguments);
  va_end(arguments);
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_PROVIDER, NULL, "%s", mloom_buffer_string(&message));
}

static int32_t read_content(mloom_buffer *out, const mloom_json *content) {
  mloom_bytes text = mloom_json_text(content);
  int32_t code = mloom_buffer_append(out, text.data, text.size);
  for (size_t i = 0; code == MLOOM_OK && mloom_json_kind(content) == MLOOM_JSON_ARRAY && i < mloom_json_count(content);
       i++) {
    text = mloom_json_text(mloom_json_member(mloom_json_at(content, i), "text"));
    code = mloom_buffer_append(out, text.data, text.size);
  }
  return code;
}

/* The calls of an assistant message become part of its text, so that scripts can look at them. */
static int32_t read_calls(mloom_buffer *out, const mloom_json *calls, mloom_error *error) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(calls); i++) {
    const mloom_json *call = mloom_json_at(calls, i);
    const mloom_json *function = mloom_json_member(call, "function");
    mloom_bytes id = mloom_json_text(mloom_json_member(call, "id"));
    mloom_bytes name = mloom_json_text(mloom_json_member(function, "name"));
    mloom_bytes arguments = mloom_json_text(mloom_json_member(function, "arguments"));
    if (id.size == 0 || name.size == 0 || arguments.data == NULL ||
        strcmp(mloom_json_member_string(call, "type", ""), "function") != 0) {
      return refuse(error, "tool_calls[%zu] wants id, type \"function\", function.name and function.arguments as text",
                    i);
    }
    code =
        mloom_buffer_append_format(out, "\n%.*s %.*s", (int)name.size, name.data, (int)arguments.size, arguments.data);
  }
  return code;
}

static int is_among(const mloom_json *calls, mloom_bytes id) {
  for (size_t i = 0; i < mloom_json_count(calls); i++) {
    mloom_bytes other = mloom_json_text(mloom_json_member(mloom_json_at(calls, i), "id"));
    if (other.size == id.size && id.size > 0 && memcmp(other.data, id.data, id.size) == 0) {
      return 1;
    }
  }
  return 0;
}

/* Every call has one result, directly after the message that made the calls, as the vendor demands. */
static int32_t check_results(const mloom_json *messages, mloom_error *error) {
  const mloom_json *calls = NULL;
  size_t answered = 0;
  for (size_t i = 0; i <= mloom_json_count(messages); i++) {
    const mloom_json *message = mloom_json_at(messages, i);
    const char *role = mloom_json_member_string(message, "role", "");
    if (strcmp(role, "tool") == 0) {
      if (!is_among(calls, mloom_json_text(mloom_json_member(message, "tool_call_id")))) {
        return refuse(error, "messages[%zu]: tool_call_id names no call of the assistant message before it", i);
      }
      answered++;
      continue;
    }
    if (answered != mloom_json_count(calls)) {
      return refuse(error, "messages[%zu]: %zu tool calls before it have %zu results", i, mloom_json_count(calls),
                    answered);
    }
    calls = mloom_json_member(message, "tool_calls");
    answered = 0;
  }
  return MLOOM_OK;
}

static int32_t read_message(sim_conversation *out, const mloom_json *message, size_t index, mloom_error *error) {
  uint32_t role = sim_role_from_name(mloom_json_member_string(message, "role", ""));
  if (role == 0 || role == SIM_ROLE_ANY) {
    return refuse(error, "messages[%zu].role is unknown", index);
  }
  mloom_buffer *text = sim_conversation_add(out, role);
  if (text == NULL) {
    return MLOOM_E_MEMORY;
  }
  int32_t code = read_content(text, mloom_json_member(message, "content"));
  return code == MLOOM_OK ? read_calls(text, mloom_json_member(message, "tool_calls"), error) : code;
}

static int32_t read_tools(sim_conversation *out, const mloom_json *tools, mloom_error *error) {
  int32_t code = MLOOM_OK;
  out->tools = mloom_json_new_array();
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(tools); i++) {
    const mloom_json *function = mloom_json_member(mloom_json_at(tools, i), "function");
    mloom_bytes name = mloom_json_text(mloom_json_member(function, "name"));
    if (name.size == 0 || mloom_json_kind(mloom_json_member(function, "parameters")) != MLOOM_JSON_OBJECT) {
      return refuse(error, "tools[%zu].function wants a name and parameters", i);
    }
    code = mloom_json_add(out->tools, mloom_json_new_string(name.data, name.size));
  }
  return code;
}

static int32_t chat_read(sim_conversation *out, const sim_request *request, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *body = NULL;
  int32_t code = mloom_json_parse(&body, request->body.data, request->body.size, "the request", error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_json *messages = mloom_json_member(body, "messages");
  mloom_bytes model = mloom_json_text(mloom_json_member(body, "model"));
  if (model.size == 0 || mloom_json_count(messages) == 0) {
    return refuse(error, "model and messages are required");
  }
  code = mloom_buffer_append(&out->model, model.data, model.size);
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(messages); i++) {
    code = read_message(out, mloom_json_at(messages, i), i, error);
  }
  code = code == MLOOM_OK ? check_results(messages, error) : code;
  code = code == MLOOM_OK ? read_tools(out, mloom_json_member(body, "tools"), error) : code;
  out->streamed = mloom_json_member_boolean(body, "stream", 0);
  out->wants_usage = mloom_json_member_boolean(mloom_json_member(body, "stream_options"), "include_usage", 0);
  return code;
}

static const char *chat_content_type(const sim_conversation *conversation) {
  return conversation->streamed ? "text/event-stream; charset=utf-8" : "application/json";
}

/* ---- Answer ---- */

/* What both forms of an answer need; failed remembers the first append that did not work. */
typedef struct chat_writer {
  sim_events *events;
  const sim_conversation *conversation;
  const sim_answer *answer;
  mloom_buffer *event; /* the event that is being written */
  int32_t code;
} chat_writer;

static void put(chat_writer *w, const char *text) {
  w->code = w->code == MLOOM_OK ? mloom_buffer_append_string(w->event, text) : w->code;
}

static void put_string(chat_writer *w, const char *data, size_t size) {
  w->code = w->code == MLOOM_OK ? mloom_json_write_string(w->event, data, size) : w->code;
}

__attribute__((format(printf, 2, 3))) static void put_format(chat_writer *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  w->code = w->code == MLOOM_OK ? mloom_buffer_append_vformat(w->event, format, arguments) : w->code;
  va_end(arguments);
}

static int has_quirk(const chat_writer *w, uint32_t quirk) {
  return (w->answer->quirks & quirk) != 0;
}

static void begin_event(chat_writer *w) {
  w->event = w->code == MLOOM_OK ? sim_events_add(w->events) : NULL;
  w->code = w->event == NULL ? MLOOM_E_MEMORY : w->code;
  put(w, has_quirk(w, SIM_QUIRK_COMMENTS) ? ": keep-alive\n\ndata: " : "data: ");
}

static void end_event(chat_writer *w) {
  put(w, has_quirk(w, SIM_QUIRK_CRLF) ? "\r\n\r\n" : "\n\n");
}

static void put_head(chat_writer *w, const char *object) {
  const mloom_buffer *model = &w->conversation->model;
  put_format(w, "{\"id\":\"chatcmpl-sim-%zu\",\"object\":\"%s\",\"created\":%d,\"model\":", w->conversation->turn + 1,
             object, CREATED);
  put_string(w, mloom_buffer_string(model), model->size);
}

static void begin_delta(chat_writer *w) {
  begin_event(w);
  put_head(w, "chat.completion.chunk");
  put(w, ",\"choices\":[{\"index\":0,\"delta\":{");
}

static void end_delta(chat_writer *w, const char *finish) {
  put(w, "},\"finish_reason\":");
  if (finish == NULL) {
    put(w, "null");
  } else {
    put_string(w, finish, strlen(finish));
  }
  put(w, "}]}");
  end_event(w);
}

static void put_usage(chat_writer *w) {
  const sim_usage *usage = &w->answer->usage;
  put_format(w,
             ",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
             "\"prompt_tokens_details\":{\"cached_tokens\":%lld},"
             "\"completion_tokens_details\":{\"reasoning_tokens\":%lld}}",
             (long long)usage->input, (long long)usage->output, (long long)(usage->input + usage->output),
             (long long)usage->cached, (long long)usage->reasoning);
}

/* The next piece of text from *at on: piece_bytes, longer where a character would be cut. */
static mloom_bytes next_piece(const chat_writer *w, const mloom_buffer *text, size_t *at) {
  size_t size = text->size - *at < w->answer->piece_bytes ? text->size - *at : w->answer->piece_bytes;
  while (*at + size < text->size && ((unsigned char)text->data[*at + size] & 0xC0) == 0x80) {
    size++;
  }
  mloom_bytes piece = {mloom_buffer_string(text) + *at, size};
  *at += size;
  return piece;
}

static void stream_text(chat_writer *w, const char *member, const mloom_buffer *text) {
  for (size_t at = 0; w->code == MLOOM_OK && at < text->size;) {
    mloom_bytes piece = next_piece(w, text, &at);
    begin_delta(w);
    put_format(w, "\"%s\":", member);
    put_string(w, piece.data, piece.size);
    end_delta(w, NULL);
  }
}

static void put_call_names(chat_writer *w, const sim_tool_call *call, int first) {
  if (first || has_quirk(w, SIM_QUIRK_REPEATED_NAMES)) {
    if (!has_quirk(w, SIM_QUIRK_NO_IDS)) {
      put(w, "\"id\":");
      put_string(w, mloom_buffer_string(&call->id), call->id.size);
      put(w, ",");
    }
    put(w, "\"type\":\"function\",\"function\":{\"name\":");
    put_string(w, mloom_buffer_string(&call->name), call->name.size);
    put(w, ",");
  } else if (has_quirk(w, SIM_QUIRK_NULL_NAMES)) {
    put(w, "\"id\":null,\"type\":null,\"function\":{\"name\":null,");
  } else {
    put(w, "\"function\":{");
  }
}

static void stream_call(chat_writer *w, const sim_tool_call *call, size_t index) {
  size_t at = 0;
  int whole = has_quirk(w, SIM_QUIRK_WHOLE_ARGUMENTS | SIM_QUIRK_OBJECT_ARGUMENTS);
  for (int first = 1; w->code == MLOOM_OK && (first || at < call->arguments.size); first = 0) {
    /* As the vendor does, the first piece carries the names and no arguments. */
    mloom_bytes piece = {"", 0};
    if (whole) {
      piece = (mloom_bytes){mloom_buffer_string(&call->arguments), call->arguments.size};
      at = call->arguments.size;
    } else if (!first) {
      piece = next_piece(w, &call->arguments, &at);
    }
    begin_delta(w);
    put(w, "\"tool_calls\":[{");
    if (!has_quirk(w, SIM_QUIRK_NO_INDEX)) {
      put_format(w, "\"index\":%zu,", has_quirk(w, SIM_QUIRK_ZERO_INDEX) ? 0 : index);
    }
    put_call_names(w, call, first);
    put(w, "\"arguments\":");
    if (has_quirk(w, SIM_QUIRK_OBJECT_ARGUMENTS)) {
      put_format(w, "%.*s", (int)piece.size, piece.data);
    } else {
      put_string(w, piece.data, piece.size);
    }
    put(w, "}}]");
    end_delta(w, NULL);
  }
}

static const char *finish_reason(const sim_answer *answer) {
  if ((answer->quirks & SIM_QUIRK_NO_FINISH) != 0) {
    return NULL;
  }
  if (answer->stop != NULL) {
    return answer->stop;
  }
  uint32_t hiding = SIM_QUIRK_STOP_WITH_CALLS | SIM_QUIRK_TEXT_CALLS;
  return answer->tool_call_count > 0 && (answer->quirks & hiding) == 0 ? "tool_calls" : "stop";
}

/* The text of the answer, with the calls in it when they are to arrive as text. */
static int32_t whole_text(mloom_buffer *out, const sim_answer *answer) {
  int32_t code = mloom_buffer_append(out, answer->text.data, answer->text.size);
  for (size_t i = 0; code == MLOOM_OK && (answer->quirks & SIM_QUIRK_TEXT_CALLS) && i < answer->tool_call_count; i++) {
    const sim_tool_call *call = &answer->tool_calls[i];
    code = mloom_buffer_append_format(out, "<tool_call>\n{\"name\": \"%s\", \"arguments\": %s}\n</tool_call>\n",
                                      mloom_buffer_string(&call->name), mloom_buffer_string(&call->arguments));
  }
  return code;
}

static void write_stream(chat_writer *w, const mloom_buffer *text) {
  if (has_quirk(w, SIM_QUIRK_EMPTY_CHOICES)) {
    begin_event(w);
    put_head(w, "chat.completion.chunk");
    put(w, ",\"choices\":[]}");
    end_event(w);
  }
  begin_delta(w);
  put(w, "\"role\":\"assistant\",\"content\":\"\"");
  end_delta(w, NULL);
  stream_text(w, has_quirk(w, SIM_QUIRK_OTHER_REASONING) ? "reasoning" : "reasoning_content", &w->answer->reasoning);
  stream_text(w, "content", text);
  for (size_t i = 0; !has_quirk(w, SIM_QUIRK_TEXT_CALLS) && i < w->answer->tool_call_count; i++) {
    stream_call(w, &w->answer->tool_calls[i], i);
  }
  begin_delta(w);
  end_delta(w, finish_reason(w->answer));
  if (w->conversation->wants_usage && !has_quirk(w, SIM_QUIRK_NO_USAGE)) {
    begin_event(w);
    put_head(w, "chat.completion.chunk");
    put(w, ",\"choices\":[]");
    put_usage(w);
    put(w, "}");
    end_event(w);
  }
  if (!has_quirk(w, SIM_QUIRK_NO_DONE)) {
    begin_event(w);
    put(w, "[DONE]");
    end_event(w);
  }
}

static void write_whole_calls(chat_writer *w) {
  put(w, ",\"tool_calls\":[");
  for (size_t i = 0; i < w->answer->tool_call_count; i++) {
    const sim_tool_call *call = &w->answer->tool_calls[i];
    put(w, i == 0 ? "{" : ",{");
    put_call_names(w, call, 1);
    put(w, "\"arguments\":");
    if (has_quirk(w, SIM_QUIRK_OBJECT_ARGUMENTS)) {
      put(w, mloom_buffer_string(&call->arguments));
    } else {
      put_string(w, mloom_buffer_string(&call->arguments), call->arguments.size);
    }
    put(w, "}}");
  }
  put(w, "]");
}

static void write_whole(chat_writer *w, const mloom_buffer *text) {
  const mloom_buffer *reasoning = &w->answer->reasoning;
  const char *finish = finish_reason(w->answer);
  w->event = sim_events_add(w->events);
  w->code = w->event == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  put_head(w, "chat.completion");
  put(w, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
  if (text->size > 0) {
    put_string(w, text->data, text->size);
  } else {
    put(w, "null");
  }
  if (reasoning->size > 0) {
    put(w, has_quirk(w, SIM_QUIRK_OTHER_REASONING) ? ",\"reasoning\":" : ",\"reasoning_content\":");
    put_string(w, reasoning->data, reasoning->size);
  }
  if (w->answer->tool_call_count > 0 && !has_quirk(w, SIM_QUIRK_TEXT_CALLS)) {
    write_whole_calls(w);
  }
  put(w, "},\"finish_reason\":");
  if (finish == NULL) {
    put(w, "null");
  } else {
    put_string(w, finish, strlen(finish));
  }
  put(w, "}]");
  if (!has_quirk(w, SIM_QUIRK_NO_USAGE)) {
    put_usage(w);
  }
  put(w, "}");
}

static int32_t chat_write(sim_events *out, const sim_conversation *conversation, const sim_answer *answer) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  chat_writer w = {out, conversation, answer, NULL, whole_text(&text, answer)};
  if (w.code == MLOOM_OK && conversation->streamed) {
    write_stream(&w, &text);
  } else if (w.code == MLOOM_OK) {
    write_whole(&w, &text);
  }
  return w.code;
}

/* ---- Errors and models ---- */

static int32_t chat_write_error(mloom_buffer *out, int32_t status, const char *message) {
  const char *type = "invalid_request_error";
  const char *name = "null";
  if (status == 401) {
    name = "\"invalid_api_key\"";
  } else if (status == 429) {
    type = "requests";
    name = "\"rate_limit_exceeded\"";
  } else if (status >= 500) {
    type = "server_error";
  }
  int32_t code = mloom_buffer_append_string(out, "{\"error\":{\"message\":");
  code = code == MLOOM_OK ? mloom_json_write_string(out, message, strlen(message)) : code;
  return code == MLOOM_OK ? mloom_buffer_append_format(out, ",\"type\":\"%s\",\"param\":null,\"code\":%s}}", type, name)
                          : code;
}

static int32_t chat_write_error_event(mloom_buffer *out, const char *message) {
  int32_t code = mloom_buffer_append_string(out, "data: ");
  code = code == MLOOM_OK ? chat_write_error(out, 500, message) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "\n\n") : code;
}

static int32_t chat_write_models(mloom_buffer *out, const mloom_json *models) {
  int32_t code = mloom_buffer_append_string(out, "{\"object\":\"list\",\"data\":[");
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(models); i++) {
    mloom_bytes name = mloom_json_text(mloom_json_at(models, i));
    code = mloom_buffer_append_string(out, i == 0 ? "{\"id\":" : ",{\"id\":");
    code = code == MLOOM_OK ? mloom_json_write_string(out, name.data, name.size) : code;
    code = code == MLOOM_OK ? mloom_buffer_append_format(
                                  out, ",\"object\":\"model\",\"created\":%d,\"owned_by\":\"simulator\"}", CREATED)
                            : code;
  }
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "]}") : code;
}

const sim_wire sim_wire_chat = {
    .name = "chat",
    .serves = chat_serves,
    .read = chat_read,
    .content_type = chat_content_type,
    .write = chat_write,
    .write_error = chat_write_error,
    .write_error_event = chat_write_error_event,
    .serves_models = chat_serves_models,
    .write_models = chat_write_models,
};
