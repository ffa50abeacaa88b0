/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"
#include "settings/nearest.h"

/* ---- Problems ---- */

int32_t mloom_settings_add_problem(mloom_settings *settings, const char *field, uint32_t state, int32_t code,
                                   const char *remedy, const char *format, ...) {
  mloom_settings_problem *grown =
      reallocarray(settings->problems, settings->problem_count + 1, sizeof *settings->problems);
  if (grown == NULL) {
    return MLOOM_E_MEMORY;
  }
  settings->problems = grown;
  mloom_settings_problem *problem = &grown[settings->problem_count++];
  /* Through an error, which cuts at a character's end and keeps to one line. */
  mloom_error text = MLOOM_ERROR_INIT;
  char message[sizeof text.message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  mloom_error_set(&text, code, MLOOM_DOMAIN_SETTINGS, remedy, "%s", message);
  problem->field = field;
  problem->state = state;
  problem->code = code;
  size_t kept = mloom_text_complete_prefix(text.message, strnlen(text.message, sizeof problem->message - 1));
  memcpy(problem->message, text.message, kept);
  problem->message[kept] = '\0';
  kept = mloom_text_complete_prefix(text.remedy, strnlen(text.remedy, sizeof problem->remedy - 1));
  memcpy(problem->remedy, text.remedy, kept);
  problem->remedy[kept] = '\0';
  return MLOOM_OK;
}

size_t mloom_settings_problem_count(const mloom_settings *settings) {
  return settings->problem_count;
}

const mloom_settings_problem *mloom_settings_problem_at(const mloom_settings *settings, size_t index) {
  return index < settings->problem_count ? &settings->problems[index] : NULL;
}

const mloom_settings_problem *mloom_settings_problem_of(const mloom_settings *settings, const char *name) {
  for (size_t i = 0; i < settings->problem_count; i++) {
    const mloom_settings_problem *problem = &settings->problems[i];
    if (problem->state == MLOOM_CHECK_FAIL && strcmp(problem->field, name) == 0) {
      return problem;
    }
  }
  return NULL;
}

/* ---- Building ---- */

static char *derive_name(const char *owner, const char *field) {
  mloom_buffer name = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&name, "JCA_%s_%s", owner, field) != MLOOM_OK) {
    mloom_buffer_free(&name);
    return NULL;
  }
  for (size_t i = 0; i < name.size; i++) {
    char c = name.data[i];
    name.data[i] = c == '-' || c == '.' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
  }
  return mloom_buffer_take(&name);
}

static const mloom_settings_slot *find_slot(const mloom_settings *settings, const char *name) {
  for (size_t i = 0; settings != NULL && i < settings->count; i++) {
    if (strcmp(settings->slots[i].field->name, name) == 0) {
      return &settings->slots[i];
    }
  }
  return NULL;
}

static int has_field(const mloom_settings *settings, const char *name) {
  return find_slot(settings, name) != NULL;
}

static int32_t add_slots(mloom_settings *settings, const mloom_field *const *fields, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (has_field(settings, fields[i]->name)) {
      continue;
    }
    mloom_settings_slot *slot = &settings->slots[settings->count];
    slot->field = fields[i];
    slot->derived_name = derive_name(settings->owner, fields[i]->name);
    if (slot->derived_name == NULL) {
      return MLOOM_E_MEMORY;
    }
    settings->count++;
  }
  return MLOOM_OK;
}

/* The name of a member nobody owns, kept for the problem that speaks of it. */
static const char *keep_name(mloom_settings *settings, const char *name) {
  char **grown = reallocarray(settings->problem_fields, settings->problem_field_count + 1, sizeof *grown);
  char *copy = strdup(name);
  if (grown != NULL) {
    settings->problem_fields = grown;
  }
  if (grown == NULL || copy == NULL) {
    free(copy);
    return NULL;
  }
  grown[settings->problem_field_count++] = copy;
  return copy;
}

typedef struct member_walk {
  mloom_settings *settings;
  const char *document;
} member_walk;

static int warn_of_unknown_member(const char *name, mloom_json *value, void *userdata) {
  const member_walk *walk = userdata;
  mloom_settings *settings = walk->settings;
  (void)value;
  if (has_field(settings, name) || settings->problem_count > 100) {
    return 0;
  }
  mloom_nearest nearest;
  mloom_nearest_init(&nearest, name);
  for (size_t i = 0; i < settings->count; i++) {
    mloom_nearest_offer(&nearest, settings->slots[i].field->name, settings->slots[i].field->name);
  }
  char remedy[256] = "remove it";
  if (nearest.best != NULL) {
    snprintf(remedy, sizeof remedy, "did you mean %s?", nearest.best);
  }
  const char *kept = keep_name(settings, name);
  return kept == NULL ||
         mloom_settings_add_problem(settings, kept, MLOOM_CHECK_WARN, MLOOM_E_NOT_FOUND, remedy,
                                    "%s has no setting %.80s, but %s sets it", settings->owner, name, walk->document);
}

/* The parts of the worker itself, not of a provider, stand at the top of a document. */
static int is_provider(const char *owner) {
  return strcmp(owner, "worker") != 0 && strcmp(owner, "daemon") != 0;
}

static int32_t find_section(mloom_settings_build *build, mloom_settings_document *document) {
  const mloom_json *parent = document->root;
  const char *owner = build->settings->owner;
  if (is_provider(owner)) {
    parent = mloom_json_member(parent, "providers");
  }
  const mloom_json *section = mloom_json_member(parent, owner);
  int kind = mloom_json_kind(section);
  int parent_kind = mloom_json_kind(parent);
  if ((kind == MLOOM_JSON_OBJECT || kind == MLOOM_JSON_NULL) &&
      (parent_kind == MLOOM_JSON_OBJECT || parent_kind == MLOOM_JSON_NULL)) {
    document->section = kind == MLOOM_JSON_OBJECT ? section : NULL;
    return MLOOM_OK;
  }
  return mloom_settings_add_problem(build->settings, "", MLOOM_CHECK_FAIL, MLOOM_E_INVALID,
                                    "write it as {\"field\": value, ...}", "the settings of %s in %s are no object",
                                    owner, document->name);
}

/* Finds the owner's part of every document and warns of members that are no field. */
static int32_t find_sections(mloom_settings_build *build) {
  const mloom_settings_sources *sources = build->sources;
  const char *config_name = sources->config_path == NULL ? "the configuration file" : sources->config_path;
  build->documents[MLOOM_SETTINGS_DOCUMENT_CONFIG] = (mloom_settings_document){config_name, sources->config, NULL};
  build->documents[MLOOM_SETTINGS_DOCUMENT_GATEWAY] = (mloom_settings_document){"the gateway", sources->gateway, NULL};
  build->documents[MLOOM_SETTINGS_DOCUMENT_STORE] =
      (mloom_settings_document){"the settings store", sources->stored, NULL};
  for (size_t i = 0; i < MLOOM_SETTINGS_DOCUMENT_COUNT; i++) {
    int32_t code = find_section(build, &build->documents[i]);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

static int32_t warn_of_unknown_members(mloom_settings_build *build) {
  for (size_t i = 0; i < MLOOM_SETTINGS_DOCUMENT_COUNT; i++) {
    member_walk walk = {build->settings, build->documents[i].name};
    if (mloom_json_each_member(build->documents[i].section, warn_of_unknown_member, &walk) != 0) {
      return MLOOM_E_MEMORY;
    }
  }
  return MLOOM_OK;
}

static int is_shown(const mloom_settings *settings, const mloom_field *field) {
  if (field->shown_when_field == NULL) {
    return 1;
  }
  const char *value = mloom_settings_string(settings, field->shown_when_field, "");
  return strcmp(value, field->shown_when_value == NULL ? "" : field->shown_when_value) == 0;
}

static int32_t add_missing(mloom_settings *settings) {
  for (size_t i = 0; i < settings->count; i++) {
    const mloom_settings_slot *slot = &settings->slots[i];
    const mloom_field *field = slot->field;
    if ((field->flags & MLOOM_FIELD_REQUIRED) == 0 || slot->origin != MLOOM_ORIGIN_UNSET ||
        !is_shown(settings, field) || mloom_settings_problem_of(settings, field->name) != NULL) {
      continue;
    }
    char remedy[256];
    snprintf(remedy, sizeof remedy, "set %s, or %s of %s in the configuration file", mloom_settings_slot_name(slot, 0),
             field->name, settings->owner);
    int32_t code = mloom_settings_add_problem(settings, field->name, MLOOM_CHECK_FAIL, MLOOM_E_NOT_CONFIGURED, remedy,
                                              "%s has no value", field->name);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

/* ---- Secrets and the addresses that they go to ---- */

/* Anybody who may use the card writes these layers; the others are the deployment's. */
static int is_writable(const mloom_settings_slot *slot) {
  return slot != NULL && (slot->origin == MLOOM_ORIGIN_GATEWAY || slot->origin == MLOOM_ORIGIN_STORE);
}

/* A program that prints a key is as good as the key. */
static int gives_secret(const mloom_settings_slot *slot) {
  return slot->locked &&
         (slot->secret != NULL || (slot->value != NULL && strcmp(slot->field->name, "credential_command") == 0));
}

/* The login of the proxy goes to it alone. What else is sent is closed to it, unless the CA is one of its choice. */
static int goes_to(const mloom_settings *settings, const mloom_settings_slot *secret,
                   const mloom_settings_slot *address) {
  int is_login = strcmp(secret->field->name, "proxy_login") == 0;
  if (strcmp(address->field->name, "proxy") == 0) {
    return is_login || is_writable(find_slot(settings, "ca_file"));
  }
  return !is_login;
}

/* The first secret that a stronger layer gave than the one that gave the address; NULL when the address may be used. */
static const mloom_settings_slot *find_stronger_secret(const mloom_settings *settings,
                                                       const mloom_settings_slot *address) {
  const mloom_field *field = address->field;
  if (field->kind != MLOOM_FIELD_URL || !is_writable(address) || address->value == NULL ||
      (field->default_value != NULL && strcmp(address->value, field->default_value) == 0)) {
    return NULL;
  }
  for (size_t i = 0; i < settings->count; i++) {
    const mloom_settings_slot *slot = &settings->slots[i];
    if (gives_secret(slot) && slot->origin < address->origin && goes_to(settings, slot, address)) {
      return slot;
    }
  }
  return NULL;
}

/* Else whoever writes an address into a card would get the keys that the deployment keeps from him. */
static int32_t refuse_weak_addresses(mloom_settings *settings) {
  for (size_t i = 0; i < settings->count; i++) {
    mloom_settings_slot *address = &settings->slots[i];
    const mloom_settings_slot *secret = find_stronger_secret(settings, address);
    if (secret == NULL) {
      continue;
    }
    const char *name = address->field->name;
    char remedy[256];
    snprintf(remedy, sizeof remedy, "remove %s from %s, or set %s where %s is set", name, address->origin_name,
             mloom_settings_slot_name(address, 0), secret->field->name);
    int32_t code = mloom_settings_add_problem(settings, name, MLOOM_CHECK_FAIL, MLOOM_E_DENIED, remedy,
                                              "%s from %s is not sent to the %s that %s gives", secret->field->name,
                                              secret->origin_name, name, address->origin_name);
    if (code != MLOOM_OK) {
      return code;
    }
    address->refused = 1;
  }
  return MLOOM_OK;
}

static int32_t read_layers(mloom_settings_build *build, mloom_error *error) {
  mloom_settings *settings = build->settings;
  struct stat status;
  const char *mount = build->sources->secrets_path;
  build->secrets_mounted = mount != NULL && mount[0] == '/' && stat(mount, &status) == 0 && S_ISDIR(status.st_mode);
  if (find_sections(build) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < settings->count; i++) {
    int32_t code = mloom_settings_read_slot(build, &settings->slots[i], error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  if (warn_of_unknown_members(build) != MLOOM_OK || refuse_weak_addresses(settings) != MLOOM_OK ||
      add_missing(settings) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

int32_t mloom_settings_new(mloom_settings **out, const char *owner, const mloom_field *const *fields,
                           size_t field_count, int transport, const mloom_settings_sources *sources,
                           mloom_error *error) {
  *out = NULL;
  MLOOM_AUTO(mloom_settings_unref_auto) mloom_settings *settings = calloc(1, sizeof *settings);
  if (settings == NULL) {
    return mloom_error_memory(error);
  }
  atomic_init(&settings->references, 1);
  size_t shared_count = 0;
  const mloom_field *const *shared = mloom_settings_shared_fields(transport, &shared_count);
  if (!is_provider(owner)) {
    shared_count = 0;
  }
  settings->owner = strdup(owner);
  settings->fingerprint_key = mloom_secret_ref(sources->fingerprint_key);
  settings->slots = calloc(field_count + shared_count + 1, sizeof *settings->slots);
  if (settings->owner == NULL || settings->slots == NULL || add_slots(settings, fields, field_count) != MLOOM_OK ||
      add_slots(settings, shared, shared_count) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_settings_build build = {.settings = settings, .sources = sources};
  int32_t code = read_layers(&build, error);
  if (code == MLOOM_OK) {
    *out = MLOOM_STEAL(settings);
  }
  return code;
}

mloom_settings *mloom_settings_ref(mloom_settings *settings) {
  if (settings != NULL) {
    atomic_fetch_add_explicit(&settings->references, 1, memory_order_relaxed);
  }
  return settings;
}

void mloom_settings_unref(mloom_settings *settings) {
  if (settings == NULL || atomic_fetch_sub_explicit(&settings->references, 1, memory_order_acq_rel) != 1) {
    return;
  }
  for (size_t i = 0; i < settings->count; i++) {
    free(settings->slots[i].derived_name);
    free(settings->slots[i].value);
    free(settings->slots[i].origin_name);
    free(settings->slots[i].path);
    mloom_secret_unref(settings->slots[i].secret);
  }
  for (size_t i = 0; i < settings->problem_field_count; i++) {
    free(settings->problem_fields[i]);
  }
  mloom_secret_unref(settings->fingerprint_key);
  free(settings->problem_fields);
  free(settings->problems);
  free(settings->slots);
  free(settings->owner);
  free(settings);
}

/* ---- Reading ---- */

int32_t mloom_settings_get(const mloom_settings *settings, const char *name, mloom_setting *out) {
  const mloom_settings_slot *slot = find_slot(settings, name);
  if (slot == NULL) {
    return MLOOM_E_NOT_FOUND;
  }
  mloom_setting setting = {
      .size = out->size < sizeof setting ? out->size : (uint32_t)sizeof setting,
      .value = slot->refused ? NULL : slot->value,
      .secret = slot->secret,
      .origin_name = slot->origin_name == NULL ? "" : slot->origin_name,
      .origin = slot->refused ? MLOOM_ORIGIN_UNSET : slot->origin,
      .locked = slot->locked,
      .path = slot->path,
  };
  memcpy(out, &setting, setting.size);
  return MLOOM_OK;
}

const char *mloom_settings_string(const mloom_settings *settings, const char *name, const char *fallback) {
  const mloom_settings_slot *slot = find_slot(settings, name);
  return slot == NULL || slot->value == NULL || slot->refused ? fallback : slot->value;
}

int64_t mloom_settings_integer(const mloom_settings *settings, const char *name, int64_t fallback) {
  const char *value = mloom_settings_string(settings, name, NULL);
  int64_t number = fallback;
  return value != NULL && mloom_text_parse_int64(mloom_text_bytes(value), &number) == MLOOM_OK ? number : fallback;
}

int mloom_settings_boolean(const mloom_settings *settings, const char *name, int fallback) {
  const char *value = mloom_settings_string(settings, name, NULL);
  return value == NULL ? fallback : strcmp(value, "true") == 0;
}

int32_t mloom_settings_list(char ***out, const mloom_settings *settings, const char *name, mloom_error *error) {
  const char *value = mloom_settings_string(settings, name, "");
  size_t count = value[0] == '\0' ? 0 : 1;
  for (const char *c = value; *c != '\0'; c++) {
    count += *c == ',';
  }
  size_t table = (count + 1) * sizeof(char *);
  char **list = malloc(table + strlen(value) + 1);
  if (list == NULL) {
    return mloom_error_memory(error);
  }
  char *text = strcpy((char *)list + table, value);
  for (size_t i = 0; i < count; i++) {
    list[i] = text;
    text += strcspn(text, ",");
    *text++ = '\0';
  }
  list[count] = NULL;
  *out = list;
  return MLOOM_OK;
}

const char *mloom_settings_owner(const mloom_settings *settings) {
  return settings->owner;
}

size_t mloom_settings_count(const mloom_settings *settings) {
  return settings->count;
}

const mloom_field *mloom_settings_field_at(const mloom_settings *settings, size_t index) {
  return index < settings->count ? settings->slots[index].field : NULL;
}

const char *mloom_settings_environment_name(const mloom_settings *settings, size_t index) {
  return index < settings->count ? mloom_settings_slot_name(&settings->slots[index], 0) : NULL;
}
