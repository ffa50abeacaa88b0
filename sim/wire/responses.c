/* SPDX-License-Identifier: Apache-2.0
 *
 * The Responses API: POST .../responses below any prefix. The list of models is that of chat completions.
 */
#include <string.h>

#include "base/json_writer.h"
#include "base/text.h"
#include "reading.h"
#include "wire.h"
#include "writer.h"

static int responses_serves(const sim_request *request) {
  return strcmp(request->method, "POST") == 0 && sim_path_ends_with(request, "/responses");
}

static int responses_serves_models(const sim_request *request) {
  (void)request;
  return 0;
}

/* ---- Request ---- */

static int32_t read_content(mloom_buffer *out, const mloom_json *content) {
  mloom_bytes text = mloom_json_text(content);
  int32_t code = mloom_buffer_append(out, text.data == NULL ? "" : text.data, text.size);
  for (size_t i = 0; code == MLOOM_OK && mloom_json_kind(content) == MLOOM_JSON_ARRAY && i < mloom_json_count(content);
       i++) {
    text = mloom_json_text(mloom_json_member(mloom_json_at(content, i), "text"));
    code = mloom_buffer_append(out, text.data == NULL ? "" : text.data, text.size);
  }
  return code;
}

static const char *type_of(const mloom_json *item) {
  return mloom_json_member_string(item, "type", mloom_json_member(item, "role") != NULL ? "message" : "");
}

static int has_item(const mloom_json *input, const char *type, const char *call_id, size_t begin, size_t end) {
  for (size_t i = begin; i < end; i++) {
    const mloom_json *item = mloom_json_at(input, i);
    if (strcmp(type_of(item), type) == 0 && strcmp(mloom_json_member_string(item, "call_id", ""), call_id) == 0) {
      return 1;
    }
  }
  return 0;
}

/* Every call has a result, every result a call before it, and reasoning comes back as a service wants it that kept
 * nothing. */
static int32_t check_item(const mloom_json *input, size_t index, int stored, mloom_error *error) {
  const mloom_json *item = mloom_json_at(input, index);
  size_t count = mloom_json_count(input);
  const char *type = type_of(item);
  const char *call_id = mloom_json_member_string(item, "call_id", "");
  if (strcmp(type, "function_call") == 0) {
    if (call_id[0] == '\0' || mloom_json_text(mloom_json_member(item, "name")).size == 0 ||
        mloom_json_text(mloom_json_member(item, "arguments")).data == NULL) {
      return sim_refuse(error, "input[%zu] wants call_id, name and arguments as text", index);
    }
    return has_item(input, "function_call_output", call_id, index + 1, count)
               ? MLOOM_OK
               : sim_refuse(error, "No tool output found for function call %s.", call_id);
  }
  if (strcmp(type, "function_call_output") == 0) {
    return has_item(input, "function_call", call_id, 0, index)
               ? MLOOM_OK
               : sim_refuse(error, "No tool call found for function call output with call_id %s.", call_id);
  }
  if (strcmp(type, "reasoning") == 0 && !stored) {
    const char *id = mloom_json_member_string(item, "id", "");
    if (mloom_json_text(mloom_json_member(item, "encrypted_content")).size == 0) {
      return sim_refuse(error, "Item with id '%s' not found. Items are not persisted when store is false.", id);
    }
    if (index + 1 == count || strcmp(type_of(mloom_json_at(input, index + 1)), "function_call_output") == 0) {
      return sim_refuse(error, "Item '%s' of type 'reasoning' was provided without its required following item.", id);
    }
  }
  return MLOOM_OK;
}

static uint32_t role_of(const mloom_json *item) {
  const char *type = type_of(item);
  if (strcmp(type, "message") == 0) {
    const char *role = mloom_json_member_string(item, "role", "");
    return sim_role_from_name(strcmp(role, "developer") == 0 ? "system" : role);
  }
  return strcmp(type, "function_call_output") == 0 ? SIM_ROLE_TOOL : SIM_ROLE_ASSISTANT;
}

/* Items of the model that follow one another are one turn. */
static int32_t read_items(sim_conversation *out, const mloom_json *input, int stored, mloom_error *error) {
  mloom_buffer *text = NULL;
  uint32_t role_before = 0;
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(input); i++) {
    const mloom_json *item = mloom_json_at(input, i);
    uint32_t role = role_of(item);
    if (role == 0 || role == SIM_ROLE_ANY) {
      return sim_refuse(error, "input[%zu] has an unknown role", i);
    }
    code = check_item(input, i, stored, error);
    if (code == MLOOM_OK && (role != SIM_ROLE_ASSISTANT || role != role_before)) {
      text = sim_conversation_add(out, role);
      code = text == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
    }
    role_before = role;
    if (code == MLOOM_OK && strcmp(type_of(item), "function_call") == 0) {
      code = mloom_buffer_append_format(text, "\n%s %s", mloom_json_member_string(item, "name", ""),
                                        mloom_json_member_string(item, "arguments", ""));
    } else if (code == MLOOM_OK) {
      const mloom_json *output = mloom_json_member(item, "output");
      code = read_content(text, output != NULL ? output : mloom_json_member(item, "content"));
    }
  }
  return code;
}

static int32_t read_tools(sim_conversation *out, const mloom_json *tools, mloom_error *error) {
  int32_t code = MLOOM_OK;
  out->tools = mloom_json_new_array();
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(tools); i++) {
    const mloom_json *tool = mloom_json_at(tools, i);
    mloom_bytes name = mloom_json_text(mloom_json_member(tool, "name"));
    if (strcmp(type_of(tool), "function") != 0) {
      continue; /* tools of the service's own, and free-form ones: no script calls them */
    }
    if (name.size == 0 || mloom_json_kind(mloom_json_member(tool, "parameters")) != MLOOM_JSON_OBJECT) {
      return sim_refuse(error, "tools[%zu] wants a name and parameters", i);
    }
    code = mloom_json_add(out->tools, mloom_json_new_string(name.data, name.size));
  }
  return code;
}

static int32_t responses_read(sim_conversation *out, const sim_request *request, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *body = NULL;
  int32_t code = mloom_json_parse(&body, request->body.data, request->body.size, "the request", error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_json *input = mloom_json_member(body, "input");
  mloom_bytes model = mloom_json_text(mloom_json_member(body, "model"));
  mloom_bytes instructions = mloom_json_text(mloom_json_member(body, "instructions"));
  mloom_bytes text = mloom_json_text(input);
  if (model.size == 0 || (text.size == 0 && mloom_json_count(input) == 0)) {
    return sim_refuse(error, "model and input are required");
  }
  code = mloom_buffer_append(&out->model, model.data, model.size);
  if (code == MLOOM_OK && instructions.size > 0) {
    code = sim_conversation_say(out, SIM_ROLE_SYSTEM, instructions);
  }
  if (code == MLOOM_OK && text.size > 0) {
    code = sim_conversation_say(out, SIM_ROLE_USER, text);
  } else if (code == MLOOM_OK) {
    code = read_items(out, input, mloom_json_member_boolean(body, "store", 1), error);
  }
  code = code == MLOOM_OK ? read_tools(out, mloom_json_member(body, "tools"), error) : code;
  out->streamed = mloom_json_member_boolean(body, "stream", 0);
  out->wants_usage = 1;
  return code;
}

static const char *responses_content_type(const sim_conversation *conversation) {
  return conversation->streamed ? "text/event-stream; charset=utf-8" : "application/json";
}

/* ---- Answer ---- */

static void begin_event(sim_writer *w, const char *type) {
  sim_add_event(w);
  sim_put_format(w, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%zu", type, type, w->count++);
}

static void end_event(sim_writer *w) {
  sim_put(w, "}\n\n");
}

/* Items in the order of the output: reasoning, message, calls. */
#define ITEM_REASONING 0u
#define ITEM_MESSAGE 1u
#define ITEM_CALL 2u

/* An item; empty as it is when it begins. */
static void put_item(sim_writer *w, uint32_t kind, size_t call, int empty) {
  size_t turn = w->conversation->turn + 1;
  const char *status = empty ? "in_progress" : "completed";
  if (kind == ITEM_REASONING) {
    sim_put_format(w, "{\"type\":\"reasoning\",\"id\":\"rs_sim_%zu\",\"summary\":[", turn);
    if (!empty) {
      sim_put(w, "{\"type\":\"summary_text\",\"text\":");
      sim_put_buffer(w, &w->answer->reasoning);
      sim_put(w, "}");
    }
    sim_put_format(w, empty ? "]}" : "],\"encrypted_content\":\"sim-encrypted-%zu\"}", turn);
  } else if (kind == ITEM_MESSAGE) {
    sim_put_format(
        w, "{\"type\":\"message\",\"id\":\"msg_sim_%zu\",\"status\":\"%s\",\"role\":\"assistant\",\"phase\":\"%s\",",
        turn, status, w->answer->tool_call_count > 0 ? "commentary" : "final_answer");
    sim_put(w, "\"content\":[");
    if (!empty) {
      sim_put(w, "{\"type\":\"output_text\",\"annotations\":[],\"text\":");
      sim_put_buffer(w, &w->answer->text);
      sim_put(w, "}");
    }
    sim_put(w, "]}");
  } else {
    const sim_tool_call *one = &w->answer->tool_calls[call];
    sim_put_format(w, "{\"type\":\"function_call\",\"id\":\"fc_sim_%zu_%zu\",\"status\":\"%s\",\"call_id\":", turn,
                   call, status);
    sim_put_buffer(w, &one->id);
    sim_put(w, ",\"name\":");
    sim_put_buffer(w, &one->name);
    sim_put(w, ",\"arguments\":");
    sim_put_string(w, empty ? "" : mloom_buffer_string(&one->arguments), empty ? 0 : one->arguments.size);
    sim_put(w, "}");
  }
}

static int is_incomplete(const sim_writer *w) {
  return w->answer->stop != NULL &&
         (strcmp(w->answer->stop, "max_output_tokens") == 0 || strcmp(w->answer->stop, "content_filter") == 0);
}

static void put_response(sim_writer *w, const char *status, int whole) {
  const sim_usage *usage = &w->answer->usage;
  sim_put_format(
      w, "{\"id\":\"resp_sim_%zu\",\"object\":\"response\",\"created_at\":1750000000,\"status\":\"%s\",\"error\":null,",
      w->conversation->turn + 1, status);
  sim_put(w, "\"model\":");
  sim_put_buffer(w, &w->conversation->model);
  if (strcmp(status, "incomplete") == 0) {
    sim_put_format(w, ",\"incomplete_details\":{\"reason\":\"%s\"}", w->answer->stop);
  }
  sim_put(w, ",\"output\":[");
  const char *comma = "";
  if (whole && w->answer->reasoning.size > 0) {
    put_item(w, ITEM_REASONING, 0, 0);
    comma = ",";
  }
  if (whole && w->answer->text.size > 0) {
    sim_put(w, comma);
    put_item(w, ITEM_MESSAGE, 0, 0);
    comma = ",";
  }
  for (size_t i = 0; whole && i < w->answer->tool_call_count; i++) {
    sim_put(w, comma);
    put_item(w, ITEM_CALL, i, 0);
    comma = ",";
  }
  sim_put(w, "]");
  if (whole && !sim_has_quirk(w, SIM_QUIRK_NO_USAGE)) {
    sim_put_format(
        w,
        ",\"usage\":{\"input_tokens\":%lld,\"input_tokens_details\":{\"cached_tokens\":%lld},\"output_tokens\":%lld,"
        "\"output_tokens_details\":{\"reasoning_tokens\":%lld},\"total_tokens\":%lld}",
        (long long)usage->input, (long long)usage->cached, (long long)usage->output, (long long)usage->reasoning,
        (long long)(usage->input + usage->output));
  }
  sim_put(w, "}");
}

/* The pieces of a text, cut between characters. */
static void stream_deltas(sim_writer *w, const char *type, const char *item_id, size_t index,
                          const mloom_buffer *text) {
  mloom_bytes piece;
  for (size_t at = 0; sim_next_piece(w, text, &at, &piece);) {
    begin_event(w, type);
    sim_put_format(w, ",\"item_id\":\"%s\",\"output_index\":%zu,\"content_index\":0,\"summary_index\":0,\"delta\":",
                   item_id, index);
    sim_put_string(w, piece.data, piece.size);
    end_event(w);
  }
}

static void stream_item(sim_writer *w, size_t index, uint32_t kind, size_t call) {
  static const char *const deltas[] = {"response.reasoning_summary_text.delta", "response.output_text.delta",
                                       "response.function_call_arguments.delta"};
  const mloom_buffer *texts[] = {&w->answer->reasoning, &w->answer->text,
                                 kind == ITEM_CALL ? &w->answer->tool_calls[call].arguments : NULL};
  begin_event(w, "response.output_item.added");
  sim_put_format(w, ",\"output_index\":%zu,\"item\":", index);
  put_item(w, kind, call, 1);
  end_event(w);
  if (kind == ITEM_REASONING) {
    begin_event(w, "response.reasoning_summary_part.added");
    sim_put_format(w, ",\"item_id\":\"item\",\"output_index\":%zu,\"summary_index\":0", index);
    sim_put(w, ",\"part\":{\"type\":\"summary_text\",\"text\":\"\"}");
    end_event(w);
  } else if (kind == ITEM_MESSAGE) {
    begin_event(w, "response.content_part.added");
    sim_put_format(w, ",\"item_id\":\"item\",\"output_index\":%zu,\"content_index\":0", index);
    sim_put(w, ",\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}");
    end_event(w);
  }
  stream_deltas(w, deltas[kind], "item", index, texts[kind]);
  begin_event(w, "response.output_item.done");
  sim_put_format(w, ",\"output_index\":%zu,\"item\":", index);
  put_item(w, kind, call, 0);
  end_event(w);
}

static void write_stream(sim_writer *w) {
  size_t index = 0;
  begin_event(w, "response.created");
  sim_put(w, ",\"response\":");
  put_response(w, "in_progress", 0);
  end_event(w);
  if (w->answer->reasoning.size > 0) {
    stream_item(w, index++, ITEM_REASONING, 0);
  }
  if (w->answer->text.size > 0) {
    stream_item(w, index++, ITEM_MESSAGE, 0);
  }
  for (size_t i = 0; i < w->answer->tool_call_count; i++) {
    stream_item(w, index++, ITEM_CALL, i);
  }
  if (!sim_has_quirk(w, SIM_QUIRK_NO_FINISH)) {
    begin_event(w, is_incomplete(w) ? "response.incomplete" : "response.completed");
    sim_put(w, ",\"response\":");
    put_response(w, is_incomplete(w) ? "incomplete" : "completed", 1);
    end_event(w);
  }
}

static int32_t responses_write(sim_events *out, const sim_conversation *conversation, const sim_answer *answer) {
  sim_writer w = {out, conversation, answer, NULL, MLOOM_OK, 0};
  if (conversation->streamed) {
    write_stream(&w);
    return w.code;
  }
  sim_add_event(&w);
  put_response(&w, is_incomplete(&w) ? "incomplete" : "completed", 1);
  return w.code;
}

static int32_t responses_write_error(mloom_buffer *out, int32_t status, const char *message) {
  return sim_wire_chat.write_error(out, status, message);
}

static int32_t responses_write_error_event(mloom_buffer *out, const char *message) {
  int32_t code = mloom_buffer_append_string(
      out, "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"param\":null,\"message\":");
  code = code == MLOOM_OK ? mloom_json_write_string(out, message, strlen(message)) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "}\n\n") : code;
}

static int32_t responses_write_models(mloom_buffer *out, const mloom_json *models) {
  return sim_wire_chat.write_models(out, models);
}

const sim_wire sim_wire_responses = {
    .name = "responses",
    .serves = responses_serves,
    .read = responses_read,
    .content_type = responses_content_type,
    .write = responses_write,
    .write_error = responses_write_error,
    .write_error_event = responses_write_error_event,
    .serves_models = responses_serves_models,
    .write_models = responses_write_models,
};
