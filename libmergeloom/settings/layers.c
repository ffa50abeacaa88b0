/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers of a field, strongest first. A new source of values is one more row in the table below.
 */
#include "settings/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

/* What a layer was asked for and what it found. */
typedef struct lookup {
  mloom_settings_build *build;
  const mloom_settings_document *document; /* of a layer that is one */
  const mloom_settings_slot *slot;
  const char *name; /* the environment name; NULL for layers that go by the field */
  mloom_buffer raw;
  mloom_buffer origin_name;
  mloom_buffer path;
} lookup;

static void lookup_free(lookup *found) {
  mloom_settings_buffer_wipe(&found->raw);
  mloom_buffer_free(&found->origin_name);
  mloom_buffer_free(&found->path);
}

/* MLOOM_OK with raw (empty: this layer has no value), or the reason why it cannot be read. */
typedef int32_t (*layer_read_fn)(lookup *found, mloom_error *error);

const char *mloom_settings_variable(const mloom_settings_sources *sources, const char *name) {
  for (size_t i = 0; sources->environment != NULL && sources->environment[i] != NULL; i++) {
    const char *entry = sources->environment[i];
    size_t size = 0;
    while (name[size] != '\0' && entry[size] == name[size]) {
      size++;
    }
    if (name[size] == '\0' && entry[size] == '=') {
      return entry[size + 1] == '\0' ? NULL : entry + size + 1;
    }
  }
  return NULL;
}

const char *mloom_settings_slot_name(const mloom_settings_slot *slot, size_t index) {
  size_t given = 0;
  int has_derived = 0;
  const char *const *names = slot->field->environment_names;
  for (; names != NULL && names[given] != NULL; given++) {
    if (given == index) {
      return names[given];
    }
    has_derived |= strcmp(names[given], slot->derived_name) == 0;
  }
  return index == given && !has_derived ? slot->derived_name : NULL;
}

static int32_t say_origin(lookup *found, mloom_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int32_t say_origin(lookup *found, mloom_error *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  mloom_buffer_clear(&found->origin_name);
  int32_t code = mloom_buffer_append_vformat(&found->origin_name, format, arguments);
  va_end(arguments);
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t keep(lookup *found, const char *data, size_t size, mloom_error *error) {
  return mloom_buffer_append(&found->raw, data, size) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t read_environment(lookup *found, mloom_error *error) {
  const char *value = mloom_settings_variable(found->build->sources, found->name);
  int32_t code = value == NULL ? MLOOM_OK : say_origin(found, error, "%s", found->name);
  return code != MLOOM_OK || value == NULL ? code : keep(found, value, strlen(value), error);
}

static int32_t read_file(lookup *found, const char *path, mloom_error *error) {
  /* Reserved at once: a buffer that grows leaves copies of a secret behind. */
  if (mloom_buffer_append_string(&found->path, path) != MLOOM_OK ||
      mloom_buffer_reserve(&found->raw, MLOOM_SETTINGS_VALUE_LIMIT + 4096) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_file_read(&found->raw, path, MLOOM_SETTINGS_VALUE_LIMIT, MLOOM_DOMAIN_SETTINGS, error);
  if (code != MLOOM_OK) {
    return code;
  }
  while (found->raw.size > 0 &&
         (found->raw.data[found->raw.size - 1] == '\n' || found->raw.data[found->raw.size - 1] == '\r')) {
    mloom_buffer_truncate(&found->raw, found->raw.size - 1);
  }
  return MLOOM_OK;
}

static int32_t read_file_variable(lookup *found, mloom_error *error) {
  char name[256];
  size_t size = strlen(found->name);
  if (size + sizeof "_FILE" > sizeof name) {
    return MLOOM_OK;
  }
  memcpy(mempcpy(name, found->name, size), "_FILE", sizeof "_FILE");
  const char *path = mloom_settings_variable(found->build->sources, name);
  if (path == NULL) {
    return MLOOM_OK;
  }
  int32_t code = say_origin(found, error, "%s (%s)", name, path);
  if (code == MLOOM_OK && path[0] != '/') {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "give the whole path from / on",
                           "the path is not absolute");
  }
  return code != MLOOM_OK ? code : read_file(found, path, error);
}

static int32_t read_secret_mount(lookup *found, mloom_error *error) {
  if (!found->build->secrets_mounted) {
    return MLOOM_OK;
  }
  int32_t code = say_origin(found, error, "%s/%s", found->build->sources->secrets_path, found->name);
  if (code != MLOOM_OK) {
    return code;
  }
  const char *path = mloom_buffer_string(&found->origin_name);
  if (faccessat(AT_FDCWD, path, F_OK, 0) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return MLOOM_OK;
  }
  return read_file(found, path, error);
}

static int32_t refuse_kind(const char *expected, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, NULL, "the value must be %s", expected);
}

static int32_t read_json_list(lookup *found, const mloom_json *value, mloom_error *error) {
  for (size_t i = 0; i < mloom_json_count(value); i++) {
    mloom_bytes element = mloom_json_text(mloom_json_at(value, i));
    if (element.data == NULL || memchr(element.data, ',', element.size) != NULL) {
      return refuse_kind("a list of strings without commas", error);
    }
    int32_t code = i > 0 ? keep(found, ",", 1, error) : MLOOM_OK;
    code = code != MLOOM_OK ? code : keep(found, element.data, element.size, error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

typedef struct header_copy {
  lookup *found;
  mloom_error *error;
  int32_t code;
  size_t size;
} header_copy;

static int measure_header(const char *name, mloom_json *value, void *userdata) {
  header_copy *copy = userdata;
  mloom_bytes text = mloom_json_text(value);
  if (text.data == NULL) {
    copy->code = refuse_kind("an object of header names and strings", copy->error);
    return 1;
  }
  if (memchr(text.data, '\n', text.size) != NULL || memchr(text.data, '\r', text.size) != NULL) {
    copy->code = mloom_error_set(copy->error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "write the value in one line",
                                 "a header value has a line break in it");
    return 1;
  }
  if (strpbrk(name, ":\r\n") != NULL) {
    copy->code = refuse_kind("an object of valid header names and strings", copy->error);
    return 1;
  }
  copy->size += strlen(name) + text.size + 3;
  return 0;
}

static int append_header(const char *name, mloom_json *value, void *userdata) {
  header_copy *copy = userdata;
  mloom_bytes text = mloom_json_text(value);
  int32_t code = keep(copy->found, name, strlen(name), copy->error);
  code = code != MLOOM_OK ? code : keep(copy->found, ": ", 2, copy->error);
  code = code != MLOOM_OK ? code : keep(copy->found, text.data, text.size, copy->error);
  copy->code = code != MLOOM_OK ? code : keep(copy->found, "\n", 1, copy->error);
  return copy->code != MLOOM_OK;
}

static int32_t read_json_headers(lookup *found, const mloom_json *value, mloom_error *error) {
  header_copy copy = {found, error, MLOOM_OK, 0};
  mloom_json_each_member(value, measure_header, &copy);
  if (copy.code == MLOOM_OK && mloom_buffer_reserve(&found->raw, copy.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (copy.code == MLOOM_OK) {
    mloom_json_each_member(value, append_header, &copy);
  }
  return copy.code;
}

static int32_t read_document(lookup *found, mloom_error *error) {
  const mloom_json *section = found->document->section;
  const mloom_json *value = mloom_json_member(section, found->slot->field->name);
  uint32_t kind = found->slot->field->kind;
  if (mloom_json_kind(value) == MLOOM_JSON_NULL) {
    return MLOOM_OK;
  }
  int32_t code = say_origin(found, error, "%s", found->document->name);
  if (code != MLOOM_OK) {
    return code;
  }
  switch (mloom_json_kind(value)) {
  case MLOOM_JSON_STRING: {
    mloom_bytes text = mloom_json_text(value);
    return keep(found, text.data, text.size, error);
  }
  case MLOOM_JSON_INTEGER:
    if (kind == MLOOM_FIELD_INTEGER) {
      char digits[32];
      int size = snprintf(digits, sizeof digits, "%" PRId64, mloom_json_integer(value, 0));
      return keep(found, digits, (size_t)size, error);
    }
    break;
  case MLOOM_JSON_BOOLEAN:
    if (kind == MLOOM_FIELD_BOOLEAN) {
      int yes = mloom_json_member_boolean(section, found->slot->field->name, 0);
      return keep(found, yes ? "true" : "false", yes ? 4 : 5, error);
    }
    break;
  case MLOOM_JSON_ARRAY:
    if (kind == MLOOM_FIELD_LIST) {
      return read_json_list(found, value, error);
    }
    break;
  case MLOOM_JSON_OBJECT:
    if (kind == MLOOM_FIELD_HEADERS) {
      return read_json_headers(found, value, error);
    }
    break;
  default:
    break;
  }
  return refuse_kind(kind == MLOOM_FIELD_INTEGER   ? "a whole number"
                     : kind == MLOOM_FIELD_BOOLEAN ? "true or false"
                     : kind == MLOOM_FIELD_LIST    ? "a list of strings"
                     : kind == MLOOM_FIELD_HEADERS ? "an object of header names and strings"
                                                   : "a string",
                     error);
}

static int32_t read_default(lookup *found, mloom_error *error) {
  const char *value = found->slot->field->default_value;
  int32_t code = say_origin(found, error, "default");
  return code != MLOOM_OK || value == NULL ? code : keep(found, value, strlen(value), error);
}

typedef struct layer {
  uint32_t origin;
  uint32_t locked;
  int by_name; /* asked once for each environment name of the field */
  int document;
  layer_read_fn read;
} layer;

#define NO_DOCUMENT (-1)

static const layer layers[] = {
    {MLOOM_ORIGIN_ENVIRONMENT, 1, 1, NO_DOCUMENT, read_environment},
    {MLOOM_ORIGIN_FILE_VARIABLE, 1, 1, NO_DOCUMENT, read_file_variable},
    {MLOOM_ORIGIN_SECRET_MOUNT, 1, 1, NO_DOCUMENT, read_secret_mount},
    {MLOOM_ORIGIN_CONFIG_FILE, 1, 0, MLOOM_SETTINGS_DOCUMENT_CONFIG, read_document},
    {MLOOM_ORIGIN_GATEWAY, 1, 0, MLOOM_SETTINGS_DOCUMENT_GATEWAY, read_document},
    {MLOOM_ORIGIN_STORE, 0, 0, MLOOM_SETTINGS_DOCUMENT_STORE, read_document},
    {MLOOM_ORIGIN_DEFAULT, 0, 0, NO_DOCUMENT, read_default},
};

static int32_t redact_value(mloom_bytes value, void *userdata) {
  mloom_redactor *redactor = userdata;
  /* Short header values ("true", a version) are no secrets and would be cut out of every text. */
  if (redactor == NULL || value.size < 8) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *secret = NULL;
  int32_t code = mloom_secret_new(&secret, value.data, value.size, NULL);
  return code != MLOOM_OK ? code : mloom_redactor_add(redactor, secret);
}

static int32_t store_secret(const lookup *found, mloom_settings_slot *slot, mloom_error *error) {
  mloom_redactor *redactor = found->build->sources->redactor;
  mloom_secret *secret = NULL;
  int32_t code = mloom_secret_new(&secret, found->raw.data, found->raw.size, error);
  if (code != MLOOM_OK) {
    return code;
  }
  slot->secret = secret;
  if (slot->field->kind == MLOOM_FIELD_HEADERS) {
    code = mloom_field_each_header_value(mloom_secret_bytes(secret), redact_value, redactor);
  } else if (redactor != NULL) {
    code = mloom_redactor_add(redactor, secret);
  }
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t store(const layer *from, lookup *found, mloom_settings_slot *slot, mloom_error *error) {
  int32_t code = MLOOM_OK;
  if (mloom_field_is_secret(slot->field)) {
    code = store_secret(found, slot, error);
  } else {
    slot->value = mloom_text_dup((mloom_bytes){found->raw.data, found->raw.size});
    code = slot->value == NULL ? mloom_error_memory(error) : MLOOM_OK;
  }
  slot->origin = from->origin;
  if (code == MLOOM_OK && found->path.size > 0) {
    slot->path = mloom_buffer_take(&found->path);
    code = slot->path == NULL ? mloom_error_memory(error) : MLOOM_OK;
  }
  return code;
}

/* The field stays unset and locked: a weaker layer must not take the place of what the deployment meant. */
static int32_t report(lookup *found, const mloom_error *why, mloom_error *error) {
  const mloom_settings_slot *slot = found->slot;
  const char *origin = mloom_buffer_string(&found->origin_name);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer remedy = MLOOM_BUFFER_INIT;
  const char *change = why->remedy[0] == '\0' ? "correct the value" : why->remedy;
  if (mloom_buffer_append_format(&remedy, "%s in %s", change, origin) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_settings_add_problem(found->build->settings, slot->field->name, MLOOM_CHECK_FAIL, why->code,
                                            mloom_buffer_string(&remedy), "%s from %s: %s", slot->field->name, origin,
                                            why->message);
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t warn_of_shadowed_file(const lookup *found, mloom_error *error) {
  char name[256];
  if (snprintf(name, sizeof name, "%s_FILE", found->name) >= (int)sizeof name ||
      mloom_settings_variable(found->build->sources, name) == NULL) {
    return MLOOM_OK;
  }
  char remedy[300];
  snprintf(remedy, sizeof remedy, "unset one of the two");
  int32_t code =
      mloom_settings_add_problem(found->build->settings, found->slot->field->name, MLOOM_CHECK_WARN, MLOOM_E_INVALID,
                                 remedy, "%s and %s are both set: %s is used", found->name, name, found->name);
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

/* Asks one layer under one name. Sets *decided when the field's fate is sealed. */
static int32_t ask(const layer *from, const char *name, mloom_settings_build *build, mloom_settings_slot *slot,
                   int *decided, mloom_error *error) {
  const mloom_settings_document *document = from->document == NO_DOCUMENT ? NULL : &build->documents[from->document];
  MLOOM_AUTO(lookup_free)
  lookup found = {build, document, slot, name, MLOOM_BUFFER_INIT, MLOOM_BUFFER_INIT, MLOOM_BUFFER_INIT};
  mloom_error why = MLOOM_ERROR_INIT;
  int32_t code = from->read(&found, &why);
  code = code != MLOOM_OK ? code : mloom_field_normalize(slot->field, &found.raw, &why);
  if (code == MLOOM_E_MEMORY) {
    return mloom_error_memory(error);
  }
  if (code == MLOOM_OK && found.raw.size == 0) {
    return MLOOM_OK;
  }
  *decided = 1;
  slot->locked = from->locked;
  int32_t stored = code == MLOOM_OK ? store(from, &found, slot, error) : report(&found, &why, error);
  if (stored == MLOOM_OK && from->origin == MLOOM_ORIGIN_ENVIRONMENT) {
    stored = warn_of_shadowed_file(&found, error);
  }
  slot->origin_name = mloom_buffer_take(&found.origin_name);
  return slot->origin_name == NULL ? mloom_error_memory(error) : stored;
}

int32_t mloom_settings_read_slot(mloom_settings_build *build, mloom_settings_slot *slot, mloom_error *error) {
  int decided = 0;
  for (size_t i = 0; i < sizeof layers / sizeof layers[0] && !decided; i++) {
    const char *name = layers[i].by_name ? mloom_settings_slot_name(slot, 0) : NULL;
    for (size_t j = 0; !decided && (j == 0 || name != NULL);) {
      int32_t code = ask(&layers[i], name, build, slot, &decided, error);
      if (code != MLOOM_OK) {
        return code;
      }
      j++;
      name = layers[i].by_name ? mloom_settings_slot_name(slot, j) : NULL;
    }
  }
  return MLOOM_OK;
}
