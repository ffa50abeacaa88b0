/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/abi.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define DOMAIN MLOOM_DOMAIN_PLUGIN
#define FIX_PLUGIN "correct the plugin; mergeloom-plugin-check finds such mistakes"

/* A pointer member that may not be NULL. */
typedef struct mandatory_member {
  const char *name;
  size_t offset;
} mandatory_member;

#define MANDATORY(type, member) \
  { #member, offsetof(type, member) }

static const mandatory_member plugin_members[] = {
    MANDATORY(mloom_plugin, name),
    MANDATORY(mloom_plugin, version),
};
static const mandatory_member provider_members[] = {
    MANDATORY(mloom_provider, id),           MANDATORY(mloom_provider, title),  MANDATORY(mloom_provider, description),
    MANDATORY(mloom_provider, open),         MANDATORY(mloom_provider, close),  MANDATORY(mloom_provider, session_new),
    MANDATORY(mloom_provider, session_free), MANDATORY(mloom_provider, append), MANDATORY(mloom_provider, prepare),
    MANDATORY(mloom_provider, feed),         MANDATORY(mloom_provider, finish),
};
static const mandatory_member source_members[] = {
    MANDATORY(mloom_credential_source, id),          MANDATORY(mloom_credential_source, title),
    MANDATORY(mloom_credential_source, description), MANDATORY(mloom_credential_source, open),
    MANDATORY(mloom_credential_source, close),       MANDATORY(mloom_credential_source, probe),
    MANDATORY(mloom_credential_source, fetch),
};
static const mandatory_member layer_members[] = {
    MANDATORY(mloom_resolver_layer, id),
    MANDATORY(mloom_resolver_layer, title),
};

#define CHECK_MEMBERS(structure, members, what, error) \
  check_members(structure, members, sizeof(members) / sizeof((members)[0]), what, error)

static int32_t check_members(const void *structure, const mandatory_member *members, size_t count, const char *what,
                             mloom_error *error) {
  static const unsigned char absent[sizeof(void (*)(void))];
  for (size_t i = 0; i < count; i++) {
    if (memcmp((const char *)structure + members[i].offset, absent, sizeof(absent)) == 0) {
      return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_PLUGIN, "%s lacks the mandatory member %s", what,
                             members[i].name);
    }
  }
  return MLOOM_OK;
}

int32_t mloom_abi_import(void *to, size_t to_size, const void *from, const char *what, mloom_error *error) {
  if (from == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_PLUGIN, "%s is NULL", what);
  }
  uint32_t size;
  memcpy(&size, from, sizeof(size));
  if (size < 2 * sizeof(uint32_t) || size > MLOOM_ABI_STRUCT_LIMIT || size % sizeof(void *) != 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "set size to sizeof the struct",
                           "%s says that its size is %u bytes", what, size);
  }
  size_t shared = size < to_size ? size : to_size;
  uint32_t shared_size = (uint32_t)shared;
  memset(to, 0, to_size);
  memcpy(to, from, shared);
  memcpy(to, &shared_size, sizeof(shared_size));
  return MLOOM_OK;
}

/* ---- Texts and lists ---- */

int mloom_abi_is_name(const char *name, const char *extra) {
  size_t length = strnlen(name, MLOOM_ABI_NAME_LIMIT + 1);
  if (length == 0 || length > MLOOM_ABI_NAME_LIMIT || name[0] < 'a' || name[0] > 'z') {
    return 0;
  }
  for (size_t i = 0; i < length; i++) {
    char c = name[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr(extra, c) != NULL)) {
      return 0;
    }
  }
  return 1;
}

static int is_id(const char *id) {
  return mloom_abi_is_name(id, "-") && id[strlen(id) - 1] != '-';
}

static int has_control_characters(const char *text, size_t size, int multiline) {
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    if ((c < 0x20 && !(multiline && c == '\n')) || c == 0x7f) {
      return 1;
    }
  }
  return 0;
}

int32_t mloom_abi_copy_text(const char **out, mloom_arena *arena, const char *text, size_t limit, int multiline,
                            const char *what, mloom_error *error) {
  *out = NULL;
  if (text == NULL) {
    return MLOOM_OK;
  }
  size_t size = strnlen(text, limit + 1);
  if (size > limit || !mloom_text_is_utf8(text, size) || has_control_characters(text, size, multiline)) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_PLUGIN, "%s is not printable UTF-8 of at most %zu bytes",
                           what, limit);
  }
  *out = mloom_arena_copy_string(arena, text);
  return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

int32_t mloom_abi_copy_strings(const char *const **out, mloom_arena *arena, const char *const *strings,
                               int (*check)(const char *string), const char *what, mloom_error *error) {
  *out = NULL;
  if (strings == NULL) {
    return MLOOM_OK;
  }
  size_t count = 0;
  while (count <= MLOOM_ABI_LIST_LIMIT && strings[count] != NULL) {
    count++;
  }
  if (count > MLOOM_ABI_LIST_LIMIT) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "end the list with NULL",
                           "%s have more than %u entries or no NULL at the end", what, MLOOM_ABI_LIST_LIMIT);
  }
  const char **copy = mloom_arena_alloc(arena, (count + 1) * sizeof(*copy));
  if (copy == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < count; i++) {
    int32_t code = mloom_abi_copy_text(&copy[i], arena, strings[i], MLOOM_ABI_TEXT_LIMIT, 0, what, error);
    if (code != MLOOM_OK) {
      return code;
    }
    if (check != NULL && !check(copy[i])) {
      return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_PLUGIN, "%s have the malformed entry \"%.64s\"", what,
                             copy[i]);
    }
  }
  *out = copy;
  return MLOOM_OK;
}

/* The three texts that every role begins with. id has been checked for NULL. */
static int32_t copy_identity(const char **id, const char **title, const char **description, mloom_arena *arena,
                             const char *what, mloom_error *error) {
  if (!is_id(*id)) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "use a-z, 0-9 and '-', beginning with a letter, at most 64",
                           "%s has a malformed id", what);
  }
  char named[160];
  int32_t code = mloom_abi_copy_text(id, arena, *id, MLOOM_ABI_NAME_LIMIT, 0, what, error);
  if (code == MLOOM_OK) {
    snprintf(named, sizeof(named), "the title of %s \"%s\"", what, *id);
    code = mloom_abi_copy_text(title, arena, *title, MLOOM_ABI_TEXT_LIMIT, 0, named, error);
  }
  if (code == MLOOM_OK && description != NULL) {
    snprintf(named, sizeof(named), "the description of %s \"%s\"", what, *id);
    code = mloom_abi_copy_text(description, arena, *description, MLOOM_ABI_TEXT_LIMIT, 1, named, error);
  }
  return code;
}

/* What is unknown comes from a newer minor version or is a mistake; the safe rule serves the first. */
static int32_t settle_threads(uint32_t *threads, int newer, const char *what, const char *id, mloom_error *error) {
  if (*threads <= MLOOM_THREADS_PARALLEL) {
    return MLOOM_OK;
  }
  if (!newer) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "use one of the MLOOM_THREADS_ values",
                           "%s \"%s\" declares the unknown thread rule %u", what, id, *threads);
  }
  *threads = MLOOM_THREADS_SERIALIZE_ALL;
  return MLOOM_OK;
}

/* ---- Roles ---- */

static int32_t check_provider(const mloom_provider *provider, const char *what, mloom_error *error) {
  if (provider->shape > MLOOM_SHAPE_AGENT) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, DOMAIN, "use a newer mergeloom, or correct the plugin",
                           "%s \"%s\" has a shape (%u) that this host does not know", what, provider->id,
                           provider->shape);
  }
  if ((provider->probe == NULL) != (provider->probe_result == NULL)) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "give both or neither",
                           "%s \"%s\" has only one of probe and probe_result", what, provider->id);
  }
  if (provider->field_count > MLOOM_ABI_LIST_LIMIT || (provider->field_count > 0 && provider->fields == NULL)) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_PLUGIN,
                           "%s \"%s\" has fields that do not fit field_count (%zu)", what, provider->id,
                           provider->field_count);
  }
  return MLOOM_OK;
}

static int32_t copy_provider(mloom_provider_entry *entry, mloom_plugin_copy *copy, const void *from, int newer,
                             mloom_error *error) {
  static const char what[] = "the provider";
  mloom_provider *provider = &entry->descriptor;
  int32_t code = mloom_abi_import(provider, sizeof(*provider), from, what, error);
  if (code == MLOOM_OK) {
    code = CHECK_MEMBERS(provider, provider_members, what, error);
  }
  if (code == MLOOM_OK) {
    code = copy_identity(&provider->id, &provider->title, &provider->description, &copy->arena, what, error);
  }
  if (code == MLOOM_OK) {
    code = settle_threads(&provider->threads, newer, what, provider->id, error);
  }
  if (code == MLOOM_OK) {
    code = check_provider(provider, what, error);
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_strings(&provider->aliases, &copy->arena, provider->aliases, is_id, "the provider's aliases",
                                  error);
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_fields(&entry->fields, &copy->arena, provider->fields, provider->field_count, provider->id,
                                 newer, error);
  }
  provider->fields = entry->fields;
  entry->field_count = provider->field_count;
  return code;
}

static int32_t copy_source(mloom_credential_source_entry *entry, mloom_plugin_copy *copy, const void *from, int newer,
                           mloom_error *error) {
  static const char what[] = "the credential source";
  mloom_credential_source *source = &entry->descriptor;
  int32_t code = mloom_abi_import(source, sizeof(*source), from, what, error);
  if (code == MLOOM_OK) {
    code = CHECK_MEMBERS(source, source_members, what, error);
  }
  if (code == MLOOM_OK) {
    code = copy_identity(&source->id, &source->title, &source->description, &copy->arena, what, error);
  }
  if (code == MLOOM_OK) {
    code = settle_threads(&source->threads, newer, what, source->id, error);
  }
  return code;
}

static int32_t copy_layer(mloom_resolver_layer_entry *entry, mloom_plugin_copy *copy, const void *from, int newer,
                          mloom_error *error) {
  static const char what[] = "the resolver layer";
  mloom_resolver_layer *layer = &entry->descriptor;
  int32_t code = mloom_abi_import(layer, sizeof(*layer), from, what, error);
  if (code == MLOOM_OK) {
    code = CHECK_MEMBERS(layer, layer_members, what, error);
  }
  if (code == MLOOM_OK) {
    code = copy_identity(&layer->id, &layer->title, NULL, &copy->arena, what, error);
  }
  if (code == MLOOM_OK) {
    code = settle_threads(&layer->threads, newer, what, layer->id, error);
  }
  if (code == MLOOM_OK && layer->lookup == NULL && layer->veto == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "give at least one of them",
                           "%s \"%s\" has neither lookup nor veto", what, layer->id);
  }
  return code;
}

/* An array of count new entries, NULL when out of memory. */
static void *new_entries(mloom_arena *arena, size_t count, size_t entry_size) {
  void **entries = mloom_arena_alloc(arena, (count + 1) * sizeof(void *));
  for (size_t i = 0; entries != NULL && i < count; i++) {
    entries[i] = mloom_arena_alloc(arena, entry_size);
    if (entries[i] == NULL) {
      return NULL;
    }
  }
  return entries;
}

static int32_t copy_roles(mloom_plugin_copy *copy, const mloom_plugin *plugin, pthread_mutex_t *lock, int newer,
                          mloom_error *error) {
  copy->providers = new_entries(&copy->arena, plugin->provider_count, sizeof(**copy->providers));
  copy->sources = new_entries(&copy->arena, plugin->credential_source_count, sizeof(**copy->sources));
  copy->layers = new_entries(&copy->arena, plugin->resolver_layer_count, sizeof(**copy->layers));
  if (copy->providers == NULL || copy->sources == NULL || copy->layers == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < plugin->provider_count; i++) {
    copy->providers[i]->plugin_name = copy->name;
    copy->providers[i]->plugin_lock = lock;
    code = copy_provider(copy->providers[i], copy, plugin->providers[i], newer, error);
    copy->provider_count = i + 1;
  }
  for (size_t i = 0; code == MLOOM_OK && i < plugin->credential_source_count; i++) {
    copy->sources[i]->plugin_name = copy->name;
    copy->sources[i]->plugin_lock = lock;
    code = copy_source(copy->sources[i], copy, plugin->credential_sources[i], newer, error);
    copy->source_count = i + 1;
  }
  for (size_t i = 0; code == MLOOM_OK && i < plugin->resolver_layer_count; i++) {
    copy->layers[i]->plugin_name = copy->name;
    copy->layers[i]->plugin_lock = lock;
    code = copy_layer(copy->layers[i], copy, plugin->resolver_layers[i], newer, error);
    copy->layer_count = i + 1;
  }
  return code;
}

static int32_t check_role_lists(const mloom_plugin *plugin, mloom_error *error) {
  const struct {
    const char *name;
    const void *list;
    size_t count;
  } lists[] = {
      {"providers", plugin->providers, plugin->provider_count},
      {"credential_sources", plugin->credential_sources, plugin->credential_source_count},
      {"resolver_layers", plugin->resolver_layers, plugin->resolver_layer_count},
  };
  size_t total = 0;
  for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
    if (lists[i].count > MLOOM_ABI_LIST_LIMIT || (lists[i].count > 0 && lists[i].list == NULL)) {
      return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_PLUGIN,
                             "the descriptor's list %s does not fit its count (%zu)", lists[i].name, lists[i].count);
    }
    total += lists[i].count;
  }
  if (total == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, FIX_PLUGIN, "the descriptor offers no role");
  }
  return MLOOM_OK;
}

/* The versions stand in the first 16 bytes of every major version, so they are read before the rest is believed. */
static int32_t check_version(const mloom_plugin *descriptor, mloom_error *error) {
  if (descriptor == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, NULL, "the plugin declined without a reason");
  }
  if (descriptor->size < 16) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "set size to sizeof the struct",
                           "the descriptor says that its size is %u bytes", descriptor->size);
  }
  if (descriptor->abi_major != MLOOM_ABI_MAJOR) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, DOMAIN, "build the plugin against this version's header",
                           "the plugin was built for ABI %u; this host offers ABI %u", descriptor->abi_major,
                           MLOOM_ABI_MAJOR);
  }
  return MLOOM_OK;
}

int32_t mloom_abi_copy_plugin(mloom_plugin_copy *copy, const mloom_plugin *descriptor, pthread_mutex_t *plugin_lock,
                              mloom_error *error) {
  static const char what[] = "the descriptor";
  mloom_plugin plugin;
  int32_t code = check_version(descriptor, error);
  if (code == MLOOM_OK) {
    code = mloom_abi_import(&plugin, sizeof(plugin), descriptor, what, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  copy->shutdown = plugin.shutdown;
  copy->abi_major = plugin.abi_major;
  copy->abi_minor = plugin.abi_minor;
  code = CHECK_MEMBERS(&plugin, plugin_members, what, error);
  if (code == MLOOM_OK && !mloom_abi_is_name(plugin.name, "-_.")) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "use a-z, 0-9, '-', '_' and '.', at most 64",
                           "the descriptor has a malformed name");
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_text(&copy->name, &copy->arena, plugin.name, MLOOM_ABI_NAME_LIMIT, 0, "the name", error);
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_text(&copy->version, &copy->arena, plugin.version, MLOOM_ABI_NAME_LIMIT, 0, "the version",
                               error);
  }
  if (code == MLOOM_OK) {
    code = mloom_abi_copy_text(&copy->description, &copy->arena, plugin.description == NULL ? "" : plugin.description,
                               MLOOM_ABI_TEXT_LIMIT, 1, "the description", error);
  }
  if (code == MLOOM_OK) {
    code = check_role_lists(&plugin, error);
  }
  return code == MLOOM_OK ? copy_roles(copy, &plugin, plugin_lock, plugin.abi_minor > MLOOM_ABI_MINOR, error) : code;
}

void mloom_plugin_copy_free(mloom_plugin_copy *copy) {
  mloom_arena_free(&copy->arena);
  memset(copy, 0, sizeof(*copy));
}
