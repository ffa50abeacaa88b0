/* SPDX-License-Identifier: Apache-2.0
 *
 * Chat completions: POST .../chat/completions and GET .../models below any prefix.
 */
#include <string.h>

#include "base/json_writer.h"
#include "base/text.h"
#include "reading.h"
#include "wire.h"
#include "writer.h"

#define CREATED 1750000000

static int chat_serves(const sim_request *request) {
  return strcmp(request->method, "POST") == 0 && sim_path_ends_with(request, "/chat/completions");
}

static int chat_serves_models(const sim_request *request) {
  return strcmp(request->method, "GET") == 0 && sim_path_ends_with(request, "/models");
}

/* ---- Request ---- */

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
      return sim_refuse(error,
                        "tool_calls[%zu] wants id, type \"function\", function.name and function.arguments as text", i);
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
        return sim_refuse(error, "messages[%zu]: tool_call_id names no call of the assistant message before it", i);
      }
      answered++;
      continue;
    }
    if (answered != mloom_json_count(calls)) {
      return sim_refuse(error, "messages[%zu]: %zu tool calls before it have %zu results", i, mloom_json_count(calls),
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
    return sim_refuse(error, "messages[%zu].role is unknown", index);
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
      return sim_refuse(error, "tools[%zu].function wants a name and parameters", i);
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
    return sim_refuse(error, "model and messages are required");
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

static void begin_event(sim_writer *w) {
  sim_add_event(w);
  sim_put(w, sim_has_quirk(w, SIM_QUIRK_COMMENTS) ? ": keep-alive\n\ndata: " : "data: ");
}

static void end_event(sim_writer *w) {
  sim_put(w, sim_has_quirk(w, SIM_QUIRK_CRLF) ? "\r\n\r\n" : "\n\n");
}

static void put_head(sim_writer *w, const char *object) {
  const mloom_buffer *model = &w->conversation->model;
  sim_put_format(w,
                 "{\"id\":\"chatcmpl-sim-%zu\",\"object\":\"%s\",\"created\":%d,\"model\":", w->conversation->turn + 1,
                 object, CREATED);
  sim_put_string(w, mloom_buffer_string(model), model->size);
}

static void begin_delta(sim_writer *w) {
  begin_event(w);
  put_head(w, "chat.completion.chunk");
  sim_put(w, ",\"choices\":[{\"index\":0,\"delta\":{");
}

static void end_delta(sim_writer *w, const char *finish) {
  sim_put(w, "},\"finish_reason\":");
  if (finish == NULL) {
    sim_put(w, "null");
  } else {
    sim_put_string(w, finish, strlen(finish));
  }
  sim_put(w, "}]}");
  end_event(w);
}

static void put_usage(sim_writer *w) {
  const sim_usage *usage = &w->answer->usage;
  sim_put_format(w,
                 ",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
                 "\"prompt_tokens_details\":{\"cached_tokens\":%lld},"
                 "\"completion_tokens_details\":{\"reasoning_tokens\":%lld}}",
                 (long long)usage->input, (long long)usage->output, (long long)(usage->input + usage->output),
                 (long long)usage->cached, (long long)usage->reasoning);
}

static void stream_text(sim_writer *w, const char *member, const mloom_buffer *text) {
  mloom_bytes piece;
  for (size_t at = 0; sim_next_piece(w, text, &at, &piece);) {
    begin_delta(w);
    sim_put_format(w, "\"%s\":", member);
    sim_put_string(w, piece.data, piece.size);
    end_delta(w, NULL);
  }
}

static void put_call_names(sim_writer *w, const sim_tool_call *call, int first) {
  if (first || sim_has_quirk(w, SIM_QUIRK_REPEATED_NAMES)) {
    if (!sim_has_quirk(w, SIM_QUIRK_NO_IDS)) {
      sim_put(w, "\"id\":");
      sim_put_buffer(w, &call->id);
      sim_put(w, ",");
    }
    sim_put(w, "\"type\":\"function\",\"function\":{\"name\":");
    sim_put_buffer(w, &call->name);
    sim_put(w, ",");
  } else if (sim_has_quirk(w, SIM_QUIRK_NULL_NAMES)) {
    sim_put(w, "\"id\":null,\"type\":null,\"function\":{\"name\":null,");
  } else {
    sim_put(w, "\"function\":{");
  }
}

static void stream_call(sim_writer *w, const sim_tool_call *call, size_t index) {
  size_t at = 0;
  int whole = sim_has_quirk(w, SIM_QUIRK_WHOLE_ARGUMENTS | SIM_QUIRK_OBJECT_ARGUMENTS);
  for (int first = 1; w->code == MLOOM_OK && (first || at < call->arguments.size); first = 0) {
    /* As the vendor does, the first piece carries the names and no arguments. */
    mloom_bytes piece = {"", 0};
    if (whole) {
      piece = (mloom_bytes){mloom_buffer_string(&call->arguments), call->arguments.size};
      at = call->arguments.size;
    } else if (!first) {
      sim_next_piece(w, &call->arguments, &at, &piece);
    }
    begin_delta(w);
    sim_put(w, "\"tool_calls\":[{");
    if (!sim_has_quirk(w, SIM_QUIRK_NO_INDEX)) {
      sim_put_format(w, "\"index\":%zu,", sim_has_quirk(w, SIM_QUIRK_ZERO_INDEX) ? 0 : index);
    }
    put_call_names(w, call, first);
    sim_put(w, "\"arguments\":");
    if (sim_has_quirk(w, SIM_QUIRK_OBJECT_ARGUMENTS)) {
      sim_put_format(w, "%.*s", (int)piece.size, piece.data);
    } else {
      sim_put_string(w, piece.data, piece.size);
    }
    sim_put(w, "}}]");
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

static void write_stream(sim_writer *w, const mloom_buffer *text) {
  if (sim_has_quirk(w, SIM_QUIRK_EMPTY_CHOICES)) {
    begin_event(w);
    put_head(w, "chat.completion.chunk");
    sim_put(w, ",\"choices\":[]}");
    end_event(w);
  }
  begin_delta(w);
  sim_put(w, "\"role\":\"assistant\",\"content\":\"\"");
  end_delta(w, NULL);
  stream_text(w, sim_has_quirk(w, SIM_QUIRK_OTHER_REASONING) ? "reasoning" : "reasoning_content",
              &w->answer->reasoning);
  stream_text(w, "content", text);
  for (size_t i = 0; !sim_has_quirk(w, SIM_QUIRK_TEXT_CALLS) && i < w->answer->tool_call_count; i++) {
    stream_call(w, &w->answer->tool_calls[i], i);
  }
  begin_delta(w);
  end_delta(w, finish_reason(w->answer));
  if (w->conversation->wants_usage && !sim_has_quirk(w, SIM_QUIRK_NO_USAGE)) {
    begin_event(w);
    put_head(w, "chat.completion.chunk");
    sim_put(w, ",\"choices\":[]");
    put_usage(w);
    sim_put(w, "}");
    end_event(w);
  }
  if (!sim_has_quirk(w, SIM_QUIRK_NO_DONE)) {
    begin_event(w);
    sim_put(w, "[DONE]");
    end_event(w);
  }
}

static void write_whole_calls(sim_writer *w) {
  sim_put(w, ",\"tool_calls\":[");
  for (size_t i = 0; i < w->answer->tool_call_count; i++) {
    const sim_tool_call *call = &w->answer->tool_calls[i];
    sim_put(w, i == 0 ? "{" : ",{");
    put_call_names(w, call, 1);
    sim_put(w, "\"arguments\":");
    if (sim_has_quirk(w, SIM_QUIRK_OBJECT_ARGUMENTS)) {
      sim_put(w, mloom_buffer_string(&call->arguments));
    } else {
      sim_put_buffer(w, &call->arguments);
    }
    sim_put(w, "}}");
  }
  sim_put(w, "]");
}

static void write_whole(sim_writer *w, const mloom_buffer *text) {
  const mloom_buffer *reasoning = &w->answer->reasoning;
  const char *finish = finish_reason(w->answer);
  sim_add_event(w);
  put_head(w, "chat.completion");
  sim_put(w, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
  if (text->size > 0) {
    sim_put_string(w, text->data, text->size);
  } else {
    sim_put(w, "null");
  }
  if (reasoning->size > 0) {
    sim_put(w, sim_has_quirk(w, SIM_QUIRK_OTHER_REASONING) ? ",\"reasoning\":" : ",\"reasoning_content\":");
    sim_put_string(w, reasoning->data, reasoning->size);
  }
  if (w->answer->tool_call_count > 0 && !sim_has_quirk(w, SIM_QUIRK_TEXT_CALLS)) {
    write_whole_calls(w);
  }
  sim_put(w, "},\"finish_reason\":");
  if (finish == NULL) {
    sim_put(w, "null");
  } else {
    sim_put_string(w, finish, strlen(finish));
  }
  sim_put(w, "}]");
  if (!sim_has_quirk(w, SIM_QUIRK_NO_USAGE)) {
    put_usage(w);
  }
  sim_put(w, "}");
}

static int32_t chat_write(sim_events *out, const sim_conversation *conversation, const sim_answer *answer) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  sim_writer w = {out, conversation, answer, NULL, whole_text(&text, answer), 0};
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
