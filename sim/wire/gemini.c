/* SPDX-License-Identifier: Apache-2.0
 *
 * Google's generateContent: POST .../models/MODEL:generateContent, :streamGenerateContent (?alt=sse, or a JSON array
 * without) and :countTokens, and GET .../publishers/PUBLISHER/models.
 */
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/text.h"
#include "reading.h"
#include "wire.h"
#include "writer.h"

/* The signature that answers of the simulator carry: a part that comes back must have it unchanged. */
#define SIGNATURE "c2ltdWxhdGVkIHRob3VnaHQ="

/* ---- Addresses ---- */

/* The last segment of the path, "MODEL:method". */
static mloom_bytes last_segment(const sim_request *request) {
  size_t size = strcspn(request->path, "?");
  size_t begin = size;
  while (begin > 0 && request->path[begin - 1] != '/') {
    begin--;
  }
  return (mloom_bytes){request->path + begin, size - begin};
}

static int is_method(const sim_request *request, const char *method) {
  mloom_bytes segment = last_segment(request);
  size_t size = strlen(method);
  return strcmp(request->method, "POST") == 0 && segment.size > size &&
         memcmp(segment.data + segment.size - size, method, size) == 0;
}

static mloom_bytes model_of(const sim_request *request) {
  mloom_bytes segment = last_segment(request);
  while (segment.size > 0 && segment.data[segment.size - 1] != ':') {
    segment.size--;
  }
  segment.size -= segment.size > 0;
  return segment;
}

static int is_stream(const sim_request *request) {
  return is_method(request, ":streamGenerateContent");
}

static int is_sse(const sim_request *request) {
  const char *query = strchr(request->path, '?');
  return query != NULL && strstr(query, "alt=sse") != NULL;
}

static int gemini_serves(const sim_request *request) {
  return is_method(request, ":generateContent") || is_stream(request) || is_method(request, ":countTokens");
}

static int gemini_serves_models(const sim_request *request) {
  return strcmp(request->method, "GET") == 0 && strstr(request->path, "/publishers/") != NULL &&
         mloom_text_equal(last_segment(request), "models");
}

/* ---- Request ---- */

typedef struct name_check {
  const char *const *known;
  const char *where;
  mloom_error *error;
} name_check;

static int check_name(const char *name, mloom_json *value, void *userdata) {
  name_check *check = userdata;
  (void)value;
  for (size_t i = 0; check->known[i] != NULL; i++) {
    if (strcmp(check->known[i], name) == 0) {
      return 0;
    }
  }
  return sim_refuse(check->error, "Invalid JSON payload received. Unknown name \"%s\" at '%s': Cannot find field.",
                    name, check->where);
}

static int32_t check_names(const mloom_json *object, const char *const *known, const char *where, mloom_error *error) {
  name_check check = {known, where, error};
  return mloom_json_each_member(object, check_name, &check);
}

static int32_t check_schema(const mloom_json *schema, mloom_error *error);

static int check_property(const char *name, mloom_json *value, void *userdata) {
  (void)name;
  return check_schema(value, userdata);
}

/* The service's own subset of OpenAPI. */
static int32_t check_schema(const mloom_json *schema, mloom_error *error) {
  static const char *const known[] = {
      "type",      "format",        "title",         "description", "nullable",   "default",
      "items",     "minItems",      "maxItems",      "enum",        "properties", "propertyOrdering",
      "required",  "minProperties", "maxProperties", "minimum",     "maximum",    "minLength",
      "maxLength", "pattern",       "example",       "anyOf",       NULL};
  static const char *const types[] = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"};
  const mloom_json *variants = mloom_json_member(schema, "anyOf");
  int32_t code = check_names(schema, known, "tools[0].function_declarations[0].parameters", error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (variants != NULL && mloom_json_count(schema) > 1) {
    return sim_refuse(error,
                      "Unable to submit request because one or more function parameters didn't specify the schema "
                      "type field or used any_of with other fields. When using any_of, it must be the only field set.");
  }
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(variants); i++) {
    code = check_schema(mloom_json_at(variants, i), error);
  }
  const char *type = mloom_json_member_string(schema, "type", "");
  int found = variants != NULL;
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
    found |= strcmp(type, types[i]) == 0;
  }
  if (code == MLOOM_OK && !found) {
    return sim_refuse(error, "Invalid value at 'type' (type.googleapis.com/google.cloud.aiplatform.v1.Type), \"%s\"",
                      type);
  }
  const mloom_json *items = mloom_json_member(schema, "items");
  code = code == MLOOM_OK && items != NULL ? check_schema(items, error) : code;
  return code == MLOOM_OK ? mloom_json_each_member(mloom_json_member(schema, "properties"), check_property, error)
                          : code;
}

static int32_t read_tools(sim_conversation *out, const mloom_json *tools, mloom_error *error) {
  static const char *const known[] = {"name",     "description",        "parameters", "parametersJsonSchema",
                                      "response", "responseJsonSchema", "behavior",   NULL};
  int32_t code = MLOOM_OK;
  out->tools = mloom_json_new_array();
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(tools); i++) {
    const mloom_json *declarations = mloom_json_member(mloom_json_at(tools, i), "functionDeclarations");
    for (size_t j = 0; code == MLOOM_OK && j < mloom_json_count(declarations); j++) {
      const mloom_json *declaration = mloom_json_at(declarations, j);
      const mloom_json *parameters = mloom_json_member(declaration, "parameters");
      mloom_bytes name = mloom_json_text(mloom_json_member(declaration, "name"));
      code = check_names(declaration, known, "tools[0].function_declarations[0]", error);
      if (code == MLOOM_OK && name.size == 0) {
        return sim_refuse(error, "function_declarations[%zu].name: required", j);
      }
      if (code == MLOOM_OK && parameters != NULL && mloom_json_member(declaration, "parametersJsonSchema") != NULL) {
        return sim_refuse(error, "function_declarations[%zu]: parameters and parameters_json_schema exclude each other",
                          j);
      }
      code = code == MLOOM_OK && parameters != NULL ? check_schema(parameters, error) : code;
      code = code == MLOOM_OK ? mloom_json_add(out->tools, mloom_json_new_string(name.data, name.size)) : code;
    }
  }
  return code;
}

/* ---- Contents ---- */

static const mloom_json *call_of(const mloom_json *part) {
  return mloom_json_member(part, "functionCall");
}

static const mloom_json *result_of(const mloom_json *part) {
  return mloom_json_member(part, "functionResponse");
}

static size_t count_parts(const mloom_json *parts, const mloom_json *(*kind)(const mloom_json *)) {
  size_t count = 0;
  for (size_t i = 0; i < mloom_json_count(parts); i++) {
    count += kind(mloom_json_at(parts, i)) != NULL;
  }
  return count;
}

static const mloom_json *nth_part(const mloom_json *parts, const mloom_json *(*kind)(const mloom_json *), size_t n) {
  for (size_t i = 0; i < mloom_json_count(parts); i++) {
    const mloom_json *found = kind(mloom_json_at(parts, i));
    if (found != NULL && n-- == 0) {
      return found;
    }
  }
  return NULL;
}

static int32_t append_json(mloom_buffer *out, const mloom_json *value) {
  return value == NULL ? mloom_buffer_append_string(out, "{}") : mloom_json_serialize(out, value, 0);
}

static int32_t read_model_part(mloom_buffer *out, const mloom_json *part, size_t index, mloom_error *error) {
  const mloom_json *call = call_of(part);
  const mloom_json *text = mloom_json_member(part, "text");
  const char *signature = mloom_json_member_string(part, "thoughtSignature", NULL);
  if (signature != NULL && strcmp(signature, SIGNATURE) != 0) {
    return sim_refuse(error, "contents[%zu]: Corrupted thought signature.", index);
  }
  if (call != NULL) {
    const char *name = mloom_json_member_string(call, "name", "");
    const mloom_json *arguments = mloom_json_member(call, "args");
    if (name[0] == '\0' || (arguments != NULL && mloom_json_kind(arguments) != MLOOM_JSON_OBJECT)) {
      return sim_refuse(error, "contents[%zu]: function_call wants a name and an object of args", index);
    }
    int32_t code = mloom_buffer_append_format(out, "\n%s ", name);
    return code == MLOOM_OK ? append_json(out, arguments) : code;
  }
  if (mloom_json_kind(text) != MLOOM_JSON_STRING) {
    return sim_refuse(error, "contents[%zu]: a part must have one of its data fields", index);
  }
  return mloom_json_member_boolean(part, "thought", 0)
             ? MLOOM_OK
             : mloom_buffer_append(out, mloom_json_text(text).data, mloom_json_text(text).size);
}

static int32_t read_model(sim_conversation *out, const mloom_json *parts, size_t index, int is_current,
                          mloom_error *error) {
  mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_ASSISTANT);
  int32_t code = text == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  int calls = 0;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(parts); i++) {
    const mloom_json *part = mloom_json_at(parts, i);
    const mloom_json *call = call_of(part);
    if (call != NULL && calls++ == 0 && is_current && mloom_json_member(part, "thoughtSignature") == NULL) {
      return sim_refuse(error,
                        "Unable to submit request because function call `%s` in the %zu. content block is missing a "
                        "`thought_signature`.",
                        mloom_json_member_string(call, "name", ""), index + 1);
    }
    code = read_model_part(text, part, index, error);
  }
  return code;
}

static int32_t read_result(sim_conversation *out, const mloom_json *result, const mloom_json *call, size_t index,
                           mloom_error *error) {
  const mloom_json *response = mloom_json_member(result, "response");
  const mloom_json *said = mloom_json_member(response, "output");
  const char *id = mloom_json_member_string(call, "id", "");
  if (strcmp(mloom_json_member_string(result, "name", ""), mloom_json_member_string(call, "name", "")) != 0 ||
      strcmp(mloom_json_member_string(result, "id", ""), id) != 0) {
    return sim_refuse(error, "contents[%zu]: a function response does not match the function call at its place", index);
  }
  if (mloom_json_kind(response) != MLOOM_JSON_OBJECT) {
    return sim_refuse(error, "contents[%zu]: function_response.response must be an object", index);
  }
  said = said == NULL ? mloom_json_member(response, "error") : said;
  mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_TOOL);
  if (text == NULL) {
    return MLOOM_E_MEMORY;
  }
  mloom_bytes bytes = mloom_json_text(said);
  return bytes.data != NULL ? mloom_buffer_append(text, bytes.data, bytes.size) : append_json(text, response);
}

static int32_t read_user(sim_conversation *out, const mloom_json *parts, const mloom_json *before, size_t index,
                         mloom_error *error) {
  int32_t code = MLOOM_OK;
  size_t results = 0;
  if (count_parts(parts, result_of) != count_parts(before, call_of)) {
    return sim_refuse(error,
                      "Please ensure that the number of function response parts is equal to the number of function "
                      "call parts of the function call turn.");
  }
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(parts); i++) {
    const mloom_json *part = mloom_json_at(parts, i);
    const mloom_json *result = result_of(part);
    mloom_bytes said = mloom_json_text(mloom_json_member(part, "text"));
    if (result != NULL) {
      code = read_result(out, result, nth_part(before, call_of, results++), index, error);
    } else if (said.data == NULL) {
      code = sim_refuse(error, "contents[%zu]: a part must have one of its data fields", index);
    } else {
      code = sim_conversation_say(out, SIM_ROLE_USER, said);
    }
  }
  return code;
}

/* The turn begins with what the user last said: from there on signatures are wanted. */
static size_t turn_begins(const mloom_json *contents) {
  size_t begins = 0;
  for (size_t i = 0; i < mloom_json_count(contents); i++) {
    const mloom_json *content = mloom_json_at(contents, i);
    const mloom_json *parts = mloom_json_member(content, "parts");
    if (strcmp(mloom_json_member_string(content, "role", "user"), "user") == 0 && count_parts(parts, result_of) == 0) {
      begins = i;
    }
  }
  return begins;
}

static int32_t read_contents(sim_conversation *out, const mloom_json *contents, mloom_error *error) {
  int32_t code = MLOOM_OK;
  const mloom_json *before = NULL;
  size_t current = turn_begins(contents);
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(contents); i++) {
    const mloom_json *content = mloom_json_at(contents, i);
    const mloom_json *parts = mloom_json_member(content, "parts");
    const char *role = mloom_json_member_string(content, "role", "user");
    if (mloom_json_count(parts) == 0) {
      return sim_refuse(error, "Unable to submit request because it must include at least one parts field");
    }
    if (strcmp(role, "model") == 0) {
      code = read_model(out, parts, i, i > current, error);
    } else if (strcmp(role, "user") == 0) {
      code = read_user(out, parts, before, i, error);
    } else {
      return sim_refuse(error, "Please use a valid role: user, model.");
    }
    before = strcmp(role, "model") == 0 ? parts : NULL;
  }
  return code;
}

static int32_t read_system(sim_conversation *out, const mloom_json *system) {
  const mloom_json *parts = mloom_json_member(system, "parts");
  mloom_buffer *text = sim_conversation_add(out, SIM_ROLE_SYSTEM);
  int32_t code = text == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(parts); i++) {
    mloom_bytes said = mloom_json_text(mloom_json_member(mloom_json_at(parts, i), "text"));
    code = said.data == NULL ? MLOOM_OK : mloom_buffer_append(text, said.data, said.size);
  }
  return code;
}

static int32_t gemini_read(sim_conversation *out, const sim_request *request, mloom_error *error) {
  static const char *const known[] = {"contents",       "systemInstruction", "tools",  "toolConfig", "generationConfig",
                                      "safetySettings", "cachedContent",     "labels", NULL};
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *body = NULL;
  int32_t code = mloom_json_parse(&body, request->body.data, request->body.size, "the request", error);
  code = code == MLOOM_OK ? check_names(body, known, "request", error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_json *contents = mloom_json_member(body, "contents");
  mloom_bytes model = model_of(request);
  if (mloom_json_count(contents) == 0 || model.size == 0) {
    return sim_refuse(error, "Unable to submit request because at least one contents field is required.");
  }
  out->streamed = is_stream(request);
  out->form = out->streamed && !is_sse(request) ? "array" : NULL;
  out->wants_usage = 1;
  code = mloom_buffer_append(&out->model, model.data, model.size);
  if (code == MLOOM_OK && mloom_json_member(body, "systemInstruction") != NULL) {
    code = read_system(out, mloom_json_member(body, "systemInstruction"));
  }
  code = code == MLOOM_OK ? read_contents(out, contents, error) : code;
  return code == MLOOM_OK ? read_tools(out, mloom_json_member(body, "tools"), error) : code;
}

static const char *gemini_content_type(const sim_conversation *conversation) {
  return conversation->streamed && conversation->form == NULL ? "text/event-stream" : "application/json; charset=UTF-8";
}

/* ---- Answer ---- */

static int is_array(const sim_writer *w) {
  return w->conversation->form != NULL;
}

static void begin_event(sim_writer *w) {
  sim_add_event(w);
  if (w->conversation->streamed) {
    sim_put(w, !is_array(w) ? "data: " : w->events->count == 1 ? "[" : ",\r\n");
  }
}

static void end_event(sim_writer *w) {
  if (w->conversation->streamed && !is_array(w)) {
    sim_put(w, "\r\n\r\n");
  }
}

static void put_text(sim_writer *w, const char *data, size_t size, int is_thought) {
  sim_put(w, "{\"text\":");
  sim_put_string(w, data, size);
  sim_put(w, is_thought ? ",\"thought\":true}" : "}");
}

static void put_call(sim_writer *w, size_t index) {
  const sim_tool_call *call = &w->answer->tool_calls[index];
  sim_put(w, "{\"functionCall\":{\"name\":");
  sim_put_buffer(w, &call->name);
  if (call->arguments.size > 0 && strcmp(mloom_buffer_string(&call->arguments), "{}") != 0) {
    sim_put_format(w, ",\"args\":%s", mloom_buffer_string(&call->arguments));
  }
  /* As the vendor does, only the first of several has a signature. */
  sim_put(w, index == 0 ? "},\"thoughtSignature\":\"" SIGNATURE "\"}" : "}}");
}

static void begin_candidate(sim_writer *w) {
  begin_event(w);
  sim_put(w, "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[");
}

/* Numbers are totals; thoughts are not among the candidates' tokens, as with the vendor. */
static void put_usage(sim_writer *w) {
  const sim_usage *usage = &w->answer->usage;
  if (sim_has_quirk(w, SIM_QUIRK_NO_USAGE)) {
    return;
  }
  sim_put_format(w,
                 ",\"usageMetadata\":{\"promptTokenCount\":%lld,\"cachedContentTokenCount\":%lld,"
                 "\"candidatesTokenCount\":%lld,\"thoughtsTokenCount\":%lld,\"totalTokenCount\":%lld}",
                 (long long)usage->input, (long long)usage->cached, (long long)(usage->output - usage->reasoning),
                 (long long)usage->reasoning, (long long)(usage->input + usage->output));
}

static void end_candidate(sim_writer *w, int is_last) {
  sim_put(w, "]}");
  if (is_last && !sim_has_quirk(w, SIM_QUIRK_NO_FINISH)) {
    sim_put_format(w, ",\"finishReason\":\"%s\"", w->answer->stop == NULL ? "STOP" : w->answer->stop);
  }
  sim_put(w, ",\"index\":0}]");
  if (is_last) {
    put_usage(w);
  }
  sim_put(w, ",\"modelVersion\":");
  sim_put_buffer(w, &w->conversation->model);
  sim_put_format(w, ",\"responseId\":\"sim-%zu\"}", w->conversation->turn + 1);
  end_event(w);
}

static void stream_pieces(sim_writer *w, const mloom_buffer *text, int is_thought) {
  mloom_bytes piece;
  for (size_t at = 0; sim_next_piece(w, text, &at, &piece);) {
    begin_candidate(w);
    put_text(w, piece.data, piece.size, is_thought);
    end_candidate(w, 0);
  }
}

static void write_stream(sim_writer *w) {
  stream_pieces(w, &w->answer->reasoning, 1);
  stream_pieces(w, &w->answer->text, 0);
  for (size_t i = 0; i < w->answer->tool_call_count; i++) {
    begin_candidate(w);
    put_call(w, i);
    end_candidate(w, 0);
  }
  begin_candidate(w);
  /* An answer without calls is signed in a last part of its own. */
  sim_put(w, w->answer->tool_call_count > 0 ? "{\"text\":\"\"}"
                                            : "{\"text\":\"\",\"thoughtSignature\":\"" SIGNATURE "\"}");
  end_candidate(w, 1);
  if (is_array(w)) {
    sim_add_event(w);
    sim_put(w, "]");
  }
}

static void write_whole(sim_writer *w) {
  const sim_answer *answer = w->answer;
  const char *comma = "";
  begin_candidate(w);
  if (answer->reasoning.size > 0) {
    put_text(w, answer->reasoning.data, answer->reasoning.size, 1);
    comma = ",";
  }
  if (answer->text.size > 0) {
    sim_put(w, comma);
    put_text(w, answer->text.data, answer->text.size, 0);
    comma = ",";
  }
  for (size_t i = 0; i < answer->tool_call_count; i++) {
    sim_put(w, comma);
    put_call(w, i);
    comma = ",";
  }
  end_candidate(w, 1);
}

static int32_t gemini_write(sim_events *out, const sim_conversation *conversation, const sim_answer *answer) {
  sim_writer w = {out, conversation, answer, NULL, MLOOM_OK, 0};
  if (conversation->streamed) {
    write_stream(&w);
  } else {
    write_whole(&w);
  }
  return w.code;
}

/* ---- Errors, counts and models ---- */

static const char *status_name(int32_t status) {
  switch (status) {
  case 400:
    return "INVALID_ARGUMENT";
  case 401:
    return "UNAUTHENTICATED";
  case 403:
    return "PERMISSION_DENIED";
  case 404:
    return "NOT_FOUND";
  case 429:
    return "RESOURCE_EXHAUSTED";
  case 500:
    return "INTERNAL";
  case 504:
    return "DEADLINE_EXCEEDED";
  default:
    return "UNAVAILABLE";
  }
}

static int32_t gemini_write_error(mloom_buffer *out, int32_t status, const char *message) {
  status = status < 400 ? 503 : status;
  int32_t code = mloom_buffer_append_format(out, "{\"error\":{\"code\":%d,\"message\":", (int)status);
  code = code == MLOOM_OK ? mloom_json_write_string(out, message, strlen(message)) : code;
  return code == MLOOM_OK ? mloom_buffer_append_format(out, ",\"status\":\"%s\"}}", status_name(status)) : code;
}

static int32_t gemini_write_error_event(mloom_buffer *out, const char *message) {
  int32_t code = mloom_buffer_append_string(out, "data: ");
  code = code == MLOOM_OK ? gemini_write_error(out, 503, message) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "\r\n\r\n") : code;
}

static int32_t gemini_write_models(mloom_buffer *out, const mloom_json *models) {
  int32_t code = mloom_buffer_append_string(out, "{\"publisherModels\":[");
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(models); i++) {
    mloom_bytes name = mloom_json_text(mloom_json_at(models, i));
    code = mloom_buffer_append_format(out, "%s{\"name\":\"publishers/google/models/%.*s\",\"versionId\":\"default\"}",
                                      i == 0 ? "" : ",", (int)name.size, name.data);
  }
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "]}") : code;
}

/* Counts tokens of models that the script names. */
static int32_t gemini_write_direct(mloom_buffer *out, const sim_request *request, const mloom_json *models,
                                   int32_t *status) {
  if (!is_method(request, ":countTokens")) {
    return MLOOM_OK;
  }
  mloom_bytes model = model_of(request);
  *status = 404;
  for (size_t i = 0; i < mloom_json_count(models); i++) {
    mloom_bytes name = mloom_json_text(mloom_json_at(models, i));
    if (name.size == model.size && memcmp(name.data, model.data, name.size) == 0) {
      *status = 200;
    }
  }
  if (*status == 200) {
    return mloom_buffer_append_string(out, "{\"totalTokens\":1,\"totalBillableCharacters\":4}");
  }
  char message[320];
  snprintf(message, sizeof(message),
           "Publisher Model `%.*s` was not found or your project does not have access to it. Please ensure you are "
           "using a valid model version.",
           (int)(model.size > 100 ? 100 : model.size), model.data);
  return gemini_write_error(out, 404, message);
}

const sim_wire sim_wire_gemini = {
    .name = "gemini",
    .serves = gemini_serves,
    .read = gemini_read,
    .content_type = gemini_content_type,
    .write = gemini_write,
    .write_error = gemini_write_error,
    .write_error_event = gemini_write_error_event,
    .serves_models = gemini_serves_models,
    .write_models = gemini_write_models,
    .write_direct = gemini_write_direct,
};
