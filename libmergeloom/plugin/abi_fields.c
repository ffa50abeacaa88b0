/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "plugin/abi.h"

#define DOMAIN MLOOM_DOMAIN_PLUGIN
#define FIX_FIELD "correct the plugin's field schema"

/* The place of a field in messages. */
typedef struct field_place {
  char text[192];
} field_place;

static int32_t wrong(const field_place *place, const char *problem, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_FIELD, "%s %s", place->text, problem);
}

static int is_environment_name(const char *name) {
  if (!((name[0] >= 'A' && name[0] <= 'Z') || name[0] == '_') || strlen(name) > 128) {
    return 0;
  }
  for (; *name != '\0'; name++) {
    if (!((*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') || *name == '_')) {
      return 0;
    }
  }
  return 1;
}

static int is_listed(const char *value, const char *const *list) {
  for (; list != NULL && *list != NULL; list++) {
    if (strcmp(*list, value) == 0) {
      return 1;
    }
  }
  return 0;
}

static int is_boolean(const char *value) {
  static const char *const words[] = {"true", "false", "1", "0", "yes", "no", "on", "off", NULL};
  return is_listed(value, words);
}

static int32_t check_integer_default(const mloom_field *field, const field_place *place, mloom_error *error) {
  int64_t value;
  if (mloom_text_parse_int64(mloom_text_bytes(field->default_value), &value) != MLOOM_OK) {
    return wrong(place, "has a default that is no integer", error);
  }
  int bounded = field->minimum != 0 || field->maximum != 0;
  if (bounded && (value < field->minimum || value > field->maximum)) {
    return wrong(place, "has a default outside its minimum and maximum", error);
  }
  return MLOOM_OK;
}

static int32_t check_default(const mloom_field *field, const field_place *place, mloom_error *error) {
  const char *value = field->default_value;
  if (value == NULL) {
    return MLOOM_OK;
  }
  switch (field->kind) {
  case MLOOM_FIELD_INTEGER:
    return check_integer_default(field, place, error);
  case MLOOM_FIELD_BOOLEAN:
    return is_boolean(value) ? MLOOM_OK : wrong(place, "has a default that is no boolean", error);
  case MLOOM_FIELD_CHOICE:
    return is_listed(value, field->choices) ? MLOOM_OK : wrong(place, "has a default that is no choice", error);
  case MLOOM_FIELD_URL:
    return strncmp(value, "https://", 8) == 0 || strncmp(value, "http://", 7) == 0
               ? MLOOM_OK
               : wrong(place, "has a default that is no http or https URL", error);
  case MLOOM_FIELD_PATH:
    return value[0] == '/' ? MLOOM_OK : wrong(place, "has a default that is no absolute path", error);
  case MLOOM_FIELD_SECRET:
  case MLOOM_FIELD_HEADERS:
    return wrong(place, "holds secrets and so can have no default", error);
  default:
    return MLOOM_OK;
  }
}

/* A kind of a newer minor version is a text like any other: kinds that hold secrets are closed within ABI 1. */
static int32_t settle_kind(mloom_field *field, int newer, const field_place *place, mloom_error *error) {
  if (field->kind <= MLOOM_FIELD_HEADERS) {
    return MLOOM_OK;
  }
  if (!newer) {
    return wrong(place, "has an unknown kind", error);
  }
  field->kind = MLOOM_FIELD_STRING;
  return MLOOM_OK;
}

static int32_t check_field(const mloom_field *field, const field_place *place, mloom_error *error) {
  if (field->kind == MLOOM_FIELD_CHOICE && (field->choices == NULL || field->choices[0] == NULL)) {
    return wrong(place, "is a choice without choices", error);
  }
  if (field->minimum > field->maximum) {
    return wrong(place, "has a minimum above its maximum", error);
  }
  if ((field->shown_when_field == NULL) != (field->shown_when_value == NULL)) {
    return wrong(place, "has only one of shown_when_field and shown_when_value", error);
  }
  return check_default(field, place, error);
}

static int32_t copy_field_texts(mloom_field *field, mloom_arena *arena, const field_place *place, mloom_error *error) {
  const char *what = place->text;
  int32_t code = mloom_abi_copy_text(&field->title, arena, field->title == NULL ? field->name : field->title,
                                     MLOOM_ABI_TEXT_LIMIT, 0, what, error);
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_text(&field->help, arena, field->help == NULL ? "" : field->help, MLOOM_ABI_TEXT_LIMIT, 1,
                               what, error);
  }
  if (code == MLOOM_OK) {
    code =
        mloom_abi_copy_text(&field->default_value, arena, field->default_value, MLOOM_ABI_TEXT_LIMIT, 1, what, error);
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_text(&field->shown_when_field, arena, field->shown_when_field, MLOOM_ABI_NAME_LIMIT, 0, what,
                               error);
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_text(&field->shown_when_value, arena, field->shown_when_value, MLOOM_ABI_TEXT_LIMIT, 0, what,
                               error);
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_strings(&field->environment_names, arena, field->environment_names, is_environment_name,
                                  "the environment names of a field", error);
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_strings(&field->choices, arena, field->choices, NULL, "the choices of a field", error);
  }
  return code;
}

static int32_t copy_field(mloom_field *field, mloom_arena *arena, const mloom_field *from, size_t index,
                          const char *provider, int newer, mloom_error *error) {
  field_place place = {""};
  snprintf(place.text, sizeof(place.text), "field %zu of the provider \"%s\"", index, provider);
  int32_t code = mloom_abi_import(field, sizeof(*field), from, place.text, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (field->name == NULL || !mloom_abi_is_name(field->name, "_")) {
    return wrong(&place, "has no name of a-z, 0-9 and '_' that begins with a letter", error);
  }
  code = mloom_abi_copy_text(&field->name, arena, field->name, MLOOM_ABI_NAME_LIMIT, 0, place.text, error);
  if (code != MLOOM_OK) {
    return code;
  }
  snprintf(place.text, sizeof(place.text), "field \"%s\" of the provider \"%s\"", field->name, provider);
  code = copy_field_texts(field, arena, &place, error);
  if (code == MLOOM_OK) {
    code = settle_kind(field, newer, &place, error);
  }
  return code == MLOOM_OK ? check_field(field, &place, error) : code;
}

static const mloom_field *find_field(const mloom_field *const *fields, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(fields[i]->name, name) == 0) {
      return fields[i];
    }
  }
  return NULL;
}

/* The rules that concern two fields. */
static int32_t check_references(const mloom_field *const *fields, size_t count, const char *provider,
                                mloom_error *error) {
  for (size_t i = 0; i < count; i++) {
    field_place place = {""};
    snprintf(place.text, sizeof(place.text), "field \"%s\" of the provider \"%s\"", fields[i]->name, provider);
    if (find_field(fields, i, fields[i]->name) != NULL) {
      return wrong(&place, "is declared twice", error);
    }
    if (fields[i]->shown_when_field == NULL) {
      continue;
    }
    const mloom_field *other = find_field(fields, count, fields[i]->shown_when_field);
    if (other == NULL || other == fields[i]) {
      return wrong(&place, "is shown when a field that does not exist has a value", error);
    }
    if (other->kind == MLOOM_FIELD_CHOICE && !is_listed(fields[i]->shown_when_value, other->choices)) {
      return wrong(&place, "is shown when another has a value that is none of its choices", error);
    }
  }
  return MLOOM_OK;
}

int32_t mloom_abi_copy_fields(const mloom_field *const **out, mloom_arena *arena, const mloom_field *const *fields,
                              size_t count, const char *provider, int newer, mloom_error *error) {
  *out = NULL;
  mloom_field **copies = mloom_arena_alloc(arena, (count + 1) * sizeof(*copies));
  if (copies == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < count; i++) {
    copies[i] = mloom_arena_alloc(arena, sizeof(**copies));
    int32_t code = copies[i] == NULL ? mloom_error_memory(error)
                                     : copy_field(copies[i], arena, fields[i], i, provider, newer, error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  *out = (const mloom_field *const *)copies;
  return check_references(*out, count, provider, error);
}
