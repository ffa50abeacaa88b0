/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char *mloom_settings_origin_name(uint32_t origin) {
  static const char *const names[] = {"unset",   "environment", "file variable", "secret mount", "configuration file",
                                      "gateway", "store",       "default"};
  return origin < sizeof names / sizeof names[0] ? names[origin] : "unknown";
}

static mloom_json *string_or_null(const char *text) {
  return text == NULL ? NULL : mloom_json_new_string(text, strlen(text));
}

static const char *state_name(uint32_t state) {
  return state == MLOOM_CHECK_WARN ? "warn" : "fail";
}

static mloom_json *describe_names(const mloom_settings_slot *slot) {
  mloom_json *names = mloom_json_new_array();
  const char *name = NULL;
  for (size_t i = 0; (name = mloom_settings_slot_name(slot, i)) != NULL; i++) {
    mloom_json_add(names, string_or_null(name));
  }
  return names;
}

/* The names alone: values may be secret. */
static mloom_json *describe_header_names(const mloom_settings_slot *slot) {
  mloom_json *names = mloom_json_new_array();
  mloom_bytes text = mloom_secret_bytes(slot->secret);
  for (size_t position = 0; position < text.size;) {
    const char *line = text.data + position;
    const char *newline = memchr(line, '\n', text.size - position);
    size_t size = newline == NULL ? text.size - position : (size_t)(newline - line);
    const char *colon = memchr(line, ':', size);
    if (colon != NULL) {
      mloom_json_add(names, mloom_json_new_string(line, (size_t)(colon - line)));
    }
    position += size + 1;
  }
  return names;
}

static void describe_schema(mloom_json *out, const mloom_field *field) {
  mloom_json_set_string(out, "name", field->name);
  mloom_json_set_string(out, "title", field->title);
  mloom_json_set_string(out, "help", field->help);
  mloom_json_set_string(out, "kind", mloom_field_kind_name(field->kind));
  mloom_json_set_boolean(out, "required", (field->flags & MLOOM_FIELD_REQUIRED) != 0);
  mloom_json_set_boolean(out, "advanced", (field->flags & MLOOM_FIELD_ADVANCED) != 0);
  mloom_json_set_string(out, "default", field->default_value);
  if (field->kind == MLOOM_FIELD_INTEGER && field->minimum < field->maximum) {
    mloom_json_set_integer(out, "minimum", field->minimum);
    mloom_json_set_integer(out, "maximum", field->maximum);
  }
  if (field->choices != NULL) {
    mloom_json *choices = mloom_json_new_array();
    for (size_t i = 0; field->choices[i] != NULL; i++) {
      mloom_json_add(choices, string_or_null(field->choices[i]));
    }
    mloom_json_set(out, "choices", choices);
  }
  if (field->shown_when_field != NULL) {
    mloom_json *shown = mloom_json_new_object();
    mloom_json_set_string(shown, "field", field->shown_when_field);
    mloom_json_set_string(shown, "value", field->shown_when_value);
    mloom_json_set(out, "shown_when", shown);
  }
}

static mloom_json *describe_slot(const mloom_settings *settings, const mloom_settings_slot *slot) {
  mloom_json *out = mloom_json_new_object();
  describe_schema(out, slot->field);
  mloom_json_set(out, "environment", describe_names(slot));
  mloom_json_set_boolean(out, "set", slot->origin != MLOOM_ORIGIN_UNSET);
  if (mloom_field_is_secret(slot->field)) {
    mloom_json_set_string(out, "value", NULL);
    if (slot->secret != NULL) {
      char fingerprint[9];
      mloom_secret_fingerprint(slot->secret, settings->fingerprint_key, fingerprint);
      mloom_json_set_string(out, "fingerprint", fingerprint);
    }
    if (slot->secret != NULL && slot->field->kind == MLOOM_FIELD_HEADERS) {
      mloom_json_set(out, "header_names", describe_header_names(slot));
    }
  } else {
    mloom_json_set_string(out, "value", slot->value);
  }
  mloom_json_set_string(out, "origin", mloom_settings_origin_name(slot->origin));
  mloom_json_set_string(out, "origin_name", slot->origin_name);
  mloom_json_set_boolean(out, "locked", slot->locked != 0);
  return out;
}

static mloom_json *describe_problem(const mloom_settings_problem *problem) {
  mloom_json *out = mloom_json_new_object();
  mloom_json_set_string(out, "field", problem->field);
  mloom_json_set_string(out, "state", state_name(problem->state));
  mloom_json_set_boolean(out, "missing", problem->code == MLOOM_E_NOT_CONFIGURED);
  mloom_json_set_string(out, "message", problem->message);
  mloom_json_set_string(out, "remedy", problem->remedy);
  return out;
}

mloom_json *mloom_settings_describe(const mloom_settings *settings) {
  mloom_json *out = mloom_json_new_object();
  mloom_json *fields = mloom_json_new_array();
  mloom_json *problems = mloom_json_new_array();
  for (size_t i = 0; i < settings->count; i++) {
    mloom_json_add(fields, describe_slot(settings, &settings->slots[i]));
  }
  for (size_t i = 0; i < settings->problem_count; i++) {
    mloom_json_add(problems, describe_problem(&settings->problems[i]));
  }
  mloom_json_set_string(out, "owner", settings->owner);
  mloom_json_set(out, "fields", fields);
  mloom_json_set(out, "problems", problems);
  return out;
}

mloom_json *mloom_settings_export(const mloom_settings *settings) {
  mloom_json *out = mloom_json_new_object();
  for (size_t i = 0; i < settings->count; i++) {
    const mloom_settings_slot *slot = &settings->slots[i];
    if (slot->origin == MLOOM_ORIGIN_UNSET || slot->origin == MLOOM_ORIGIN_DEFAULT || slot->refused) {
      continue;
    }
    mloom_bytes value = slot->secret != NULL ? mloom_secret_bytes(slot->secret) : mloom_text_bytes(slot->value);
    mloom_json_set(out, slot->field->name, mloom_json_new_string(value.data, value.size));
  }
  return out;
}
