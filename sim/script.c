/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "template.h"

#define SCRIPT_LIMIT (16u * 1024 * 1024)
#define DEFAULT_PIECE_BYTES 24

typedef struct counter {
  const mloom_json *step;
  int64_t faults; /* how often the fault of the step has happened */
} counter;

struct sim_script {
  mloom_json *models;
  mloom_json *conversations;
  mloom_json **documents;
  size_t document_count;
  const char *key;
  counter *counters;
  size_t counter_count;
};

static const struct {
  const char *name;
  uint32_t quirk;
} quirks[] = {
    {"null-names", SIM_QUIRK_NULL_NAMES},
    {"repeated-names", SIM_QUIRK_REPEATED_NAMES},
    {"no-index", SIM_QUIRK_NO_INDEX},
    {"zero-index", SIM_QUIRK_ZERO_INDEX},
    {"whole-arguments", SIM_QUIRK_WHOLE_ARGUMENTS},
    {"object-arguments", SIM_QUIRK_OBJECT_ARGUMENTS},
    {"no-done", SIM_QUIRK_NO_DONE},
    {"stop-with-calls", SIM_QUIRK_STOP_WITH_CALLS},
    {"text-calls", SIM_QUIRK_TEXT_CALLS},
    {"no-ids", SIM_QUIRK_NO_IDS},
    {"no-usage", SIM_QUIRK_NO_USAGE},
    {"comments", SIM_QUIRK_COMMENTS},
    {"crlf", SIM_QUIRK_CRLF},
    {"empty-choices", SIM_QUIRK_EMPTY_CHOICES},
    {"other-reasoning", SIM_QUIRK_OTHER_REASONING},
    {"no-finish", SIM_QUIRK_NO_FINISH},
};

static const struct {
  const char *name;
  uint32_t kind;
} faults[] = {
    {"cut", SIM_FAULT_CUT},       {"stall", SIM_FAULT_STALL}, {"hang-up", SIM_FAULT_HANG_UP},
    {"status", SIM_FAULT_STATUS}, {"error", SIM_FAULT_ERROR}, {"malformed", SIM_FAULT_MALFORMED},
};

static uint32_t quirk_from_name(mloom_bytes name) {
  for (size_t i = 0; i < sizeof(quirks) / sizeof(quirks[0]); i++) {
    if (mloom_text_equal(name, quirks[i].name)) {
      return quirks[i].quirk;
    }
  }
  return 0;
}

static uint32_t fault_from_name(const char *name) {
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
    if (strcmp(name, faults[i].name) == 0) {
      return faults[i].kind;
    }
  }
  return SIM_FAULT_NONE;
}

/* ---- Loading ---- */

typedef struct member_check {
  const char *const *known;
  const char *what;
  const char *where;
  mloom_error *error;
} member_check;

static int check_member(const char *name, mloom_json *value, void *userdata) {
  (void)value;
  const member_check *check = userdata;
  for (size_t i = 0; check->known[i] != NULL; i++) {
    if (strcmp(check->known[i], name) == 0) {
      return 0;
    }
  }
  mloom_error_set(check->error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "remove it or correct its spelling",
                  "%s: %s has no member \"%s\"", check->what, check->where, name);
  return 1;
}

static int32_t check_members(const mloom_json *object, const char *const *known, const char *what, const char *where,
                             mloom_error *error) {
  member_check check = {known, what, where, error};
  if (object == NULL) {
    return MLOOM_OK;
  }
  if (mloom_json_kind(object) != MLOOM_JSON_OBJECT) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, NULL, "%s: %s is no object", what, where);
  }
  return mloom_json_each_member(object, check_member, &check) != 0 ? MLOOM_E_INVALID : MLOOM_OK;
}

static int32_t check_step(const mloom_json *step, const char *what, mloom_error *error) {
  static const char *const step_members[] = {"comment", "when",  "capture", "text",   "reasoning", "tool_calls",
                                             "stop",    "usage", "deliver", "quirks", "fault",     NULL};
  static const char *const fault_members[] = {"kind", "after_events", "status", "headers",
                                              "body", "message",      "times",  NULL};
  static const char *const deliver_members[] = {"chunk_bytes", "piece_bytes", "delay_ms", "first_byte_delay_ms", NULL};
  static const char *const usage_members[] = {"input", "cached", "output", "reasoning", NULL};
  static const char *const call_members[] = {"id", "name", "arguments", NULL};
  static const char *const when_members[] = {"turn", "last", "user", NULL};
  int32_t code = check_members(step, step_members, what, "a step", error);
  const mloom_json *fault = mloom_json_member(step, "fault");
  code = code != MLOOM_OK ? code : check_members(fault, fault_members, what, "a fault", error);
  code = code != MLOOM_OK ? code
                          : check_members(mloom_json_member(step, "deliver"), deliver_members, what, "deliver", error);
  code = code != MLOOM_OK ? code : check_members(mloom_json_member(step, "usage"), usage_members, what, "usage", error);
  code = code != MLOOM_OK ? code
                          : check_members(mloom_json_member(step, "when"), when_members, what, "when of a step", error);
  if (code == MLOOM_OK && fault != NULL && fault_from_name(mloom_json_member_string(fault, "kind", "")) == 0) {
    code = mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE,
                           "use cut, stall, hang-up, status, error or malformed", "%s: there is no fault \"%s\"", what,
                           mloom_json_member_string(fault, "kind", ""));
  }
  const mloom_json *calls = mloom_json_member(step, "tool_calls");
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(calls); i++) {
    code = check_members(mloom_json_at(calls, i), call_members, what, "a tool call", error);
  }
  const mloom_json *names = mloom_json_member(step, "quirks");
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(names); i++) {
    mloom_bytes name = mloom_json_text(mloom_json_at(names, i));
    if (quirk_from_name(name) == 0) {
      code = mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "see docs/simulator.md for the names",
                             "%s: there is no quirk \"%.*s\"", what, (int)name.size, name.data);
    }
  }
  return code;
}

static int32_t check_conversation(const mloom_json *conversation, const char *what, mloom_error *error) {
  static const char *const members[] = {"name", "comment", "when", "capture", "steps", "deliver", NULL};
  static const char *const when_members[] = {"user", "system", "tool", "model", NULL};
  int32_t code = check_members(conversation, members, what, "a conversation", error);
  if (code == MLOOM_OK) {
    code = check_members(mloom_json_member(conversation, "when"), when_members, what, "when", error);
  }
  const mloom_json *steps = mloom_json_member(conversation, "steps");
  if (code == MLOOM_OK && mloom_json_count(steps) == 0) {
    code = mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "add \"steps\": [...]",
                           "%s: a conversation has no steps", what);
  }
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(steps); i++) {
    code = check_step(mloom_json_at(steps, i), what, error);
  }
  return code;
}

int32_t sim_script_new(sim_script **out, mloom_error *error) {
  sim_script *script = calloc(1, sizeof(*script));
  if (script == NULL) {
    return mloom_error_memory(error);
  }
  script->models = mloom_json_new_array();
  script->conversations = mloom_json_new_array();
  *out = script;
  return MLOOM_OK;
}

static int32_t add_model(mloom_json *models, mloom_json *model) {
  mloom_bytes name = mloom_json_text(model);
  for (size_t i = 0; i < mloom_json_count(models); i++) {
    mloom_bytes other = mloom_json_text(mloom_json_at(models, i));
    if (name.size == other.size && memcmp(name.data, other.data, name.size) == 0) {
      return MLOOM_OK;
    }
  }
  return mloom_json_add(models, mloom_json_new_string(name.data, name.size));
}

int32_t sim_script_add(sim_script *script, const char *text, size_t size, const char *what, mloom_error *error) {
  static const char *const members[] = {"comment", "models", "key", "conversations", NULL};
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = NULL;
  int32_t code = mloom_json_parse(&document, text, size, what, error);
  if (code == MLOOM_OK) {
    code = check_members(document, members, what, "the script", error);
  }
  const mloom_json *conversations = mloom_json_member(document, "conversations");
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(conversations); i++) {
    code = check_conversation(mloom_json_at(conversations, i), what, error);
    if (code == MLOOM_OK) {
      code = mloom_json_add(script->conversations, mloom_json_ref(mloom_json_at(conversations, i)));
    }
  }
  const mloom_json *models = mloom_json_member(document, "models");
  for (size_t i = 0; code == MLOOM_OK && i < mloom_json_count(models); i++) {
    code = add_model(script->models, mloom_json_at(models, i));
  }
  mloom_json **documents =
      code == MLOOM_OK ? reallocarray(script->documents, script->document_count + 1, sizeof(*documents)) : NULL;
  if (documents == NULL) {
    return code == MLOOM_OK ? mloom_error_memory(error) : code;
  }
  script->key = mloom_json_member_string(document, "key", script->key);
  script->documents = documents;
  documents[script->document_count++] = MLOOM_STEAL(document);
  return MLOOM_OK;
}

int32_t sim_script_add_file(sim_script *script, const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  int32_t code = mloom_file_read(&text, path, SCRIPT_LIMIT, MLOOM_DOMAIN_USAGE, error);
  return code == MLOOM_OK ? sim_script_add(script, text.data, text.size, path, error) : code;
}

void sim_script_free(sim_script *script) {
  if (script == NULL) {
    return;
  }
  mloom_json_unref(script->models);
  mloom_json_unref(script->conversations);
  for (size_t i = 0; i < script->document_count; i++) {
    mloom_json_unref(script->documents[i]);
  }
  free(script->documents);
  free(script->counters);
  free(script);
}

const mloom_json *sim_script_models(const sim_script *script) {
  return script->models;
}

const char *sim_script_key(const sim_script *script) {
  return script->key;
}

/* ---- Playing ---- */

static int contains(const sim_message *message, const char *needle) {
  return message != NULL && strstr(mloom_buffer_string(&message->text), needle) != NULL;
}

static int matches_any(const sim_conversation *conversation, uint32_t role, const char *needle) {
  for (size_t i = 0; i < conversation->message_count; i++) {
    if (conversation->messages[i].role == role && contains(&conversation->messages[i], needle)) {
      return 1;
    }
  }
  return 0;
}

static int conversation_matches(const mloom_json *when, const sim_conversation *conversation) {
  const char *user = mloom_json_member_string(when, "user", NULL);
  const char *system = mloom_json_member_string(when, "system", NULL);
  const char *tool = mloom_json_member_string(when, "tool", NULL);
  const char *model = mloom_json_member_string(when, "model", NULL);
  return (user == NULL || matches_any(conversation, SIM_ROLE_USER, user)) &&
         (system == NULL || matches_any(conversation, SIM_ROLE_SYSTEM, system)) &&
         (tool == NULL || sim_conversation_has_tool(conversation, tool)) &&
         (model == NULL || strcmp(mloom_buffer_string(&conversation->model), model) == 0);
}

/* "turn" is a number or [first, last]; a step without "when" is for the turn of its own place. */
static int step_matches(const mloom_json *step, size_t index, const sim_conversation *conversation) {
  const mloom_json *when = mloom_json_member(step, "when");
  if (when == NULL) {
    return index == conversation->turn;
  }
  const mloom_json *turn = mloom_json_member(when, "turn");
  int64_t now = (int64_t)conversation->turn;
  if (mloom_json_kind(turn) == MLOOM_JSON_INTEGER && mloom_json_integer(turn, -1) != now) {
    return 0;
  }
  if (mloom_json_kind(turn) == MLOOM_JSON_ARRAY && (mloom_json_integer(mloom_json_at(turn, 0), 0) > now ||
                                                    mloom_json_integer(mloom_json_at(turn, 1), INT64_MAX) < now)) {
    return 0;
  }
  const char *last = mloom_json_member_string(when, "last", NULL);
  const char *user = mloom_json_member_string(when, "user", NULL);
  return (last == NULL || contains(sim_conversation_last(conversation, SIM_ROLE_ANY), last)) &&
         (user == NULL || contains(sim_conversation_last(conversation, SIM_ROLE_USER), user));
}

static counter *find_counter(sim_script *script, const mloom_json *step) {
  for (size_t i = 0; i < script->counter_count; i++) {
    if (script->counters[i].step == step) {
      return &script->counters[i];
    }
  }
  counter *counters = reallocarray(script->counters, script->counter_count + 1, sizeof(*counters));
  if (counters == NULL) {
    return NULL;
  }
  script->counters = counters;
  counters[script->counter_count] = (counter){step, 0};
  return &counters[script->counter_count++];
}

static int32_t play_fault(sim_fault *out, sim_script *script, const mloom_json *step, mloom_error *error) {
  const mloom_json *fault = mloom_json_member(step, "fault");
  if (fault == NULL) {
    return MLOOM_OK;
  }
  counter *count = find_counter(script, step);
  if (count == NULL) {
    return mloom_error_memory(error);
  }
  if (count->faults++ >= mloom_json_member_integer(fault, "times", INT64_MAX)) {
    return MLOOM_OK;
  }
  out->kind = fault_from_name(mloom_json_member_string(fault, "kind", ""));
  out->status = (int32_t)mloom_json_member_integer(fault, "status", 500);
  out->after_events = (size_t)mloom_json_member_integer(fault, "after_events", 0);
  out->headers = mloom_json_member(fault, "headers");
  out->body = mloom_json_member(fault, "body");
  out->message = mloom_json_member_string(fault, "message", "the script asks for this error");
  return MLOOM_OK;
}

static int32_t play_call(sim_tool_call *out, const mloom_json *call, size_t index, const sim_template *values,
                         mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer arguments = MLOOM_BUFFER_INIT;
  const char *id = mloom_json_member_string(call, "id", NULL);
  int32_t code = id != NULL
                     ? mloom_buffer_append_string(&out->id, id)
                     : mloom_buffer_append_format(&out->id, "call_%zu_%zu", values->conversation->turn + 1, index + 1);
  if (code == MLOOM_OK) {
    code = sim_template_append(&out->name, mloom_json_text(mloom_json_member(call, "name")), values, 0, error);
  }
  const mloom_json *given = mloom_json_member(call, "arguments");
  if (code != MLOOM_OK || mloom_json_kind(given) == MLOOM_JSON_STRING) {
    return code != MLOOM_OK ? code : sim_template_append(&out->arguments, mloom_json_text(given), values, 0, error);
  }
  code = given == NULL ? mloom_buffer_append_string(&arguments, "{}") : mloom_json_serialize(&arguments, given, 0);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes text = {mloom_buffer_string(&arguments), arguments.size};
  return sim_template_append(&out->arguments, text, values, 1, error);
}

static int32_t play_answer(sim_answer *out, const mloom_json *step, const sim_template *values, mloom_error *error) {
  int32_t code = sim_template_append(&out->text, mloom_json_text(mloom_json_member(step, "text")), values, 0, error);
  if (code == MLOOM_OK) {
    mloom_bytes reasoning = mloom_json_text(mloom_json_member(step, "reasoning"));
    code = sim_template_append(&out->reasoning, reasoning, values, 0, error);
  }
  const mloom_json *calls = mloom_json_member(step, "tool_calls");
  size_t count = mloom_json_count(calls);
  out->tool_calls = count > 0 ? calloc(count, sizeof(*out->tool_calls)) : NULL;
  if (count > 0 && out->tool_calls == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; code == MLOOM_OK && i < count; i++) {
    out->tool_call_count = i + 1;
    code = play_call(&out->tool_calls[i], mloom_json_at(calls, i), i, values, error);
  }
  const mloom_json *names = mloom_json_member(step, "quirks");
  for (size_t i = 0; i < mloom_json_count(names); i++) {
    out->quirks |= quirk_from_name(mloom_json_text(mloom_json_at(names, i)));
  }
  out->stop = mloom_json_member_string(step, "stop", NULL);
  return code;
}

/* Tokens, guessed at four bytes each where the script does not say. */
static void play_usage(sim_answer *out, const mloom_json *usage, const sim_conversation *conversation) {
  size_t input = 0;
  for (size_t i = 0; i < conversation->message_count; i++) {
    input += conversation->messages[i].text.size;
  }
  size_t output = out->text.size + out->reasoning.size;
  for (size_t i = 0; i < out->tool_call_count; i++) {
    output += out->tool_calls[i].arguments.size + out->tool_calls[i].name.size;
  }
  out->usage.input = mloom_json_member_integer(usage, "input", (int64_t)(input / 4 + 1));
  out->usage.output = mloom_json_member_integer(usage, "output", (int64_t)(output / 4 + 1));
  out->usage.cached = mloom_json_member_integer(usage, "cached", 0);
  out->usage.reasoning = mloom_json_member_integer(usage, "reasoning", (int64_t)(out->reasoning.size / 4));
}

static void play_delivery(sim_play *out, const mloom_json *deliver) {
  sim_delivery *delivery = &out->delivery;
  delivery->chunk_bytes = (size_t)mloom_json_member_integer(deliver, "chunk_bytes", (int64_t)delivery->chunk_bytes);
  delivery->delay_ms = mloom_json_member_integer(deliver, "delay_ms", delivery->delay_ms);
  delivery->first_byte_delay_ms =
      mloom_json_member_integer(deliver, "first_byte_delay_ms", delivery->first_byte_delay_ms);
  int64_t piece = mloom_json_member_integer(deliver, "piece_bytes", (int64_t)out->answer.piece_bytes);
  out->answer.piece_bytes = piece > 0 ? (size_t)piece : DEFAULT_PIECE_BYTES;
}

static int32_t play_step(sim_play *out, sim_script *script, const mloom_json *scene, const mloom_json *step,
                         const sim_conversation *conversation, mloom_error *error) {
  sim_template values = {conversation, mloom_json_member(scene, "capture"), mloom_json_member(step, "capture")};
  int32_t code = play_answer(&out->answer, step, &values, error);
  if (code == MLOOM_OK) {
    code = play_fault(&out->fault, script, step, error);
  }
  play_usage(&out->answer, mloom_json_member(step, "usage"), conversation);
  play_delivery(out, mloom_json_member(scene, "deliver"));
  play_delivery(out, mloom_json_member(step, "deliver"));
  return code;
}

int32_t sim_script_play(sim_play *out, sim_script *script, const sim_conversation *conversation, mloom_error *error) {
  for (size_t i = 0; i < mloom_json_count(script->conversations); i++) {
    const mloom_json *scene = mloom_json_at(script->conversations, i);
    if (!conversation_matches(mloom_json_member(scene, "when"), conversation)) {
      continue;
    }
    const mloom_json *steps = mloom_json_member(scene, "steps");
    out->conversation = mloom_json_member_string(scene, "name", "unnamed");
    for (size_t j = 0; j < mloom_json_count(steps); j++) {
      const mloom_json *step = mloom_json_at(steps, j);
      if (step_matches(step, j, conversation)) {
        out->step = j;
        return play_step(out, script, scene, step, conversation, error);
      }
    }
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_USAGE, "add a step to the script",
                           "the script's conversation \"%s\" has no step for turn %zu", out->conversation,
                           conversation->turn);
  }
  return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_USAGE, "add a conversation to the script",
                         "no conversation of the script matches this one");
}

void sim_play_free(sim_play *play) {
  sim_answer_free(&play->answer);
  *play = (sim_play){0};
}
