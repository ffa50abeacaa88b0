/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/registry.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "plugin/abi.h"
#include "plugin/builtin.h"
#include "plugin/loader.h"

#define DOMAIN MLOOM_DOMAIN_PLUGIN
#define COMPONENT "plugin"

/* One plugin that was found, loaded or refused. */
typedef struct registered_plugin {
  char *file_name; /* "x" of mergeloom-x.so, "" for a built-in one */
  char *path;      /* "" for a built-in one */
  char *roles;
  char *failure; /* NULL: it is loaded */
  char *remedy;
  mloom_module *module;
  mloom_plugin_copy copy;
  mloom_plugin_watch watch;
  pthread_mutex_t lock;
} registered_plugin;

struct mloom_registry {
  const mloom_host *host;
  const mloom_log *log;
  mloom_registry_rules rules;
  registered_plugin **plugins;
  size_t plugin_count;
  const mloom_provider_entry **providers;
  size_t provider_count;
  const mloom_credential_source_entry **sources;
  size_t source_count;
  const mloom_resolver_layer_entry **layers;
  size_t layer_count;
};

static void shut_down(registered_plugin *plugin) {
  if (plugin->copy.shutdown != NULL) {
    mloom_plugin_enter(&plugin->watch);
    mloom_loader_lock();
    plugin->copy.shutdown();
    mloom_loader_unlock();
    mloom_plugin_leave(&plugin->watch);
    plugin->copy.shutdown = NULL;
  }
}

static void free_plugin(registered_plugin *plugin) {
  if (plugin->failure == NULL) {
    shut_down(plugin);
  }
  mloom_plugin_copy_free(&plugin->copy);
  mloom_module_close(plugin->module);
  pthread_mutex_destroy(&plugin->lock);
  free(plugin->file_name);
  free(plugin->path);
  free(plugin->roles);
  free(plugin->failure);
  free(plugin->remedy);
  free(plugin);
}

/* The new plugin, already in the list; NULL when out of memory. */
static registered_plugin *add_plugin(mloom_registry *registry, const char *file_name, const char *path) {
  registered_plugin **grown = realloc(registry->plugins, (registry->plugin_count + 1) * sizeof(*registry->plugins));
  if (grown == NULL) {
    return NULL;
  }
  registry->plugins = grown;
  registered_plugin *plugin = calloc(1, sizeof(*plugin));
  if (plugin == NULL) {
    return NULL;
  }
  pthread_mutex_init(&plugin->lock, NULL);
  plugin->file_name = strdup(file_name);
  plugin->path = strdup(path);
  plugin->watch = (mloom_plugin_watch){plugin->path, registry->rules.entering, registry->rules.userdata};
  if (plugin->file_name == NULL || plugin->path == NULL) {
    free_plugin(plugin);
    return NULL;
  }
  registry->plugins[registry->plugin_count++] = plugin;
  return plugin;
}

/* ---- Uniqueness ---- */

static const registered_plugin *owner_of(const mloom_registry *registry, const char *plugin_name) {
  for (size_t i = 0; i < registry->plugin_count; i++) {
    const registered_plugin *plugin = registry->plugins[i];
    if (plugin->failure == NULL && plugin->copy.name != NULL && strcmp(plugin->copy.name, plugin_name) == 0) {
      return plugin;
    }
  }
  return NULL;
}

static const char *where(const registered_plugin *plugin) {
  return plugin->path[0] == '\0' ? "the library itself" : plugin->path;
}

static int32_t taken(const mloom_registry *registry, const char *what, const char *name, const char *plugin_name,
                     mloom_error *error) {
  const registered_plugin *owner = owner_of(registry, plugin_name);
  return mloom_error_set(error, MLOOM_E_CONFLICT, DOMAIN, "remove one of the two plugins",
                         "%s \"%s\" is already taken by the plugin \"%s\" from %s", what, name, plugin_name,
                         owner == NULL ? "an earlier folder" : where(owner));
}

static int answers_to(const mloom_provider *provider, const char *name) {
  if (mloom_text_compare_fold(provider->id, name) == 0) {
    return 1;
  }
  for (const char *const *alias = provider->aliases; alias != NULL && *alias != NULL; alias++) {
    if (mloom_text_compare_fold(*alias, name) == 0) {
      return 1;
    }
  }
  return 0;
}

static int32_t check_provider_name(const mloom_registry *registry, const mloom_plugin_copy *copy, size_t index,
                                   const char *name, mloom_error *error) {
  const mloom_provider_entry *found = mloom_registry_find_provider(registry, name);
  if (found != NULL) {
    return taken(registry, "the provider name", name, found->plugin_name, error);
  }
  for (size_t i = 0; i < index; i++) {
    if (answers_to(&copy->providers[i]->descriptor, name)) {
      return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "correct the plugin",
                             "the plugin uses the provider name \"%s\" twice", name);
    }
  }
  return MLOOM_OK;
}

static int32_t check_providers(const mloom_registry *registry, const mloom_plugin_copy *copy, mloom_error *error) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < copy->provider_count; i++) {
    const mloom_provider *provider = &copy->providers[i]->descriptor;
    code = check_provider_name(registry, copy, i, provider->id, error);
    for (const char *const *alias = provider->aliases; code == MLOOM_OK && alias != NULL && *alias != NULL; alias++) {
      code = check_provider_name(registry, copy, i, *alias, error);
    }
  }
  return code;
}

static int32_t check_sources(const mloom_registry *registry, const mloom_plugin_copy *copy, mloom_error *error) {
  for (size_t i = 0; i < copy->source_count; i++) {
    const char *id = copy->sources[i]->descriptor.id;
    const mloom_credential_source_entry *found = mloom_registry_find_credential_source(registry, id);
    if (found != NULL) {
      return taken(registry, "the credential source", id, found->plugin_name, error);
    }
    for (size_t j = 0; j < i; j++) {
      if (strcmp(copy->sources[j]->descriptor.id, id) == 0) {
        return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "correct the plugin",
                               "the plugin declares the credential source \"%s\" twice", id);
      }
    }
  }
  return MLOOM_OK;
}

static int32_t check_layers(const mloom_registry *registry, const mloom_plugin_copy *copy, mloom_error *error) {
  for (size_t i = 0; i < copy->layer_count; i++) {
    const char *id = copy->layers[i]->descriptor.id;
    for (size_t j = 0; j < registry->layer_count; j++) {
      if (strcmp(registry->layers[j]->descriptor.id, id) == 0) {
        return taken(registry, "the resolver layer", id, registry->layers[j]->plugin_name, error);
      }
    }
    for (size_t j = 0; j < i; j++) {
      if (strcmp(copy->layers[j]->descriptor.id, id) == 0) {
        return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "correct the plugin",
                               "the plugin declares the resolver layer \"%s\" twice", id);
      }
    }
  }
  return MLOOM_OK;
}

static int32_t check_unique(const mloom_registry *registry, const registered_plugin *plugin, mloom_error *error) {
  const registered_plugin *owner = NULL;
  for (size_t i = 0; owner == NULL && i < registry->plugin_count; i++) {
    const registered_plugin *other = registry->plugins[i];
    if (other != plugin && other->failure == NULL && strcmp(other->copy.name, plugin->copy.name) == 0) {
      owner = other;
    }
  }
  if (owner != NULL) {
    return mloom_error_set(error, MLOOM_E_CONFLICT, DOMAIN, "remove one of the two files",
                           "the plugin \"%s\" is loaded already, from %s", plugin->copy.name, where(owner));
  }
  int32_t code = check_providers(registry, &plugin->copy, error);
  if (code == MLOOM_OK) {
    code = check_sources(registry, &plugin->copy, error);
  }
  return code == MLOOM_OK ? check_layers(registry, &plugin->copy, error) : code;
}

/* ---- Loading ---- */

static int32_t append_pointers(void *list, size_t *count, void *const *added, size_t added_count) {
  void **old = *(void ***)list;
  void **grown = realloc(old, (*count + added_count + 1) * sizeof(void *));
  if (grown == NULL) {
    return MLOOM_E_MEMORY;
  }
  memcpy(grown + *count, added, added_count * sizeof(void *));
  *count += added_count;
  *(void ***)list = grown;
  return MLOOM_OK;
}

static int32_t publish(mloom_registry *registry, const mloom_plugin_copy *copy) {
  int32_t code = append_pointers(&registry->providers, &registry->provider_count, (void *const *)copy->providers,
                                 copy->provider_count);
  if (code == MLOOM_OK) {
    code =
        append_pointers(&registry->sources, &registry->source_count, (void *const *)copy->sources, copy->source_count);
  }
  if (code == MLOOM_OK) {
    code = append_pointers(&registry->layers, &registry->layer_count, (void *const *)copy->layers, copy->layer_count);
  }
  return code;
}

static int32_t append_role(mloom_buffer *roles, const char *kind, const char *id) {
  return mloom_buffer_append_format(roles, "%s%s %s", roles->size == 0 ? "" : ", ", kind, id);
}

static int32_t describe_roles(registered_plugin *plugin) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer roles = MLOOM_BUFFER_INIT;
  const mloom_plugin_copy *copy = &plugin->copy;
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < copy->provider_count; i++) {
    code = append_role(&roles, "provider", copy->providers[i]->descriptor.id);
  }
  for (size_t i = 0; code == MLOOM_OK && i < copy->source_count; i++) {
    code = append_role(&roles, "credential source", copy->sources[i]->descriptor.id);
  }
  for (size_t i = 0; code == MLOOM_OK && i < copy->layer_count; i++) {
    code = append_role(&roles, "resolver layer", copy->layers[i]->descriptor.id);
  }
  plugin->roles = code == MLOOM_OK ? mloom_buffer_take(&roles) : NULL;
  return plugin->roles == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
}

static int is_left_out(const mloom_registry *registry, const char *path) {
  for (const char *const *each = registry->rules.left_out; each != NULL && *each != NULL; each++) {
    if (strcmp(*each, path) == 0) {
      return 1;
    }
  }
  return 0;
}

static void watch_roles(const registered_plugin *plugin) {
  const mloom_plugin_copy *copy = &plugin->copy;
  for (size_t i = 0; i < copy->source_count; i++) {
    copy->sources[i]->watch = &plugin->watch;
  }
  for (size_t i = 0; i < copy->layer_count; i++) {
    copy->layers[i]->watch = &plugin->watch;
  }
}

/* The plugin's own words, made safe. */
static int32_t declined(char *text, size_t size, mloom_error *error) {
  text[size - 1] = '\0';
  return mloom_error_set(error, MLOOM_E_UNSUPPORTED, DOMAIN, NULL, "the plugin declined: %s",
                         text[0] == '\0' ? "it gave no reason" : text);
}

static int32_t copy_descriptor(mloom_registry *registry, registered_plugin *plugin, mloom_plugin_init_fn init,
                               mloom_error *error) {
  char text[256];
  memset(text, 0, sizeof(text));
  mloom_loader_lock();
  const mloom_plugin *descriptor = init(registry->host, text, sizeof(text));
  int32_t code = descriptor == NULL ? declined(text, sizeof(text), error)
                                    : mloom_abi_copy_plugin(&plugin->copy, descriptor, &plugin->lock, error);
  mloom_loader_unlock();
  return code;
}

static int32_t initialise(mloom_registry *registry, registered_plugin *plugin, mloom_plugin_init_fn init,
                          mloom_error *error) {
  int32_t code = copy_descriptor(registry, plugin, init, error);
  if (code == MLOOM_OK) {
    code = check_unique(registry, plugin, error);
  }
  if (code == MLOOM_OK && (describe_roles(plugin) != MLOOM_OK || publish(registry, &plugin->copy) != MLOOM_OK)) {
    code = mloom_error_memory(error);
  }
  if (code != MLOOM_OK) {
    shut_down(plugin);
  }
  return code;
}

static int32_t refuse(mloom_registry *registry, registered_plugin *plugin, const mloom_error *reason,
                      mloom_error *error) {
  if (reason->code == MLOOM_E_MEMORY) {
    mloom_error_copy(error, reason);
    return MLOOM_E_MEMORY;
  }
  plugin->failure = strdup(reason->message);
  plugin->remedy = strdup(reason->remedy);
  if (plugin->failure == NULL || plugin->remedy == NULL) {
    return mloom_error_memory(error);
  }
  const char *shown = plugin->path[0] == '\0' ? "a built-in plugin" : plugin->path;
  mloom_log_write(registry->log, MLOOM_LOG_WARNING, COMPONENT, "%s was refused: %s%s%s", shown, reason->message,
                  reason->remedy[0] == '\0' ? "" : "; ", reason->remedy);
  return MLOOM_OK;
}

static int32_t load(mloom_registry *registry, const char *file_name, const char *path, mloom_plugin_init_fn builtin,
                    mloom_error *error) {
  registered_plugin *plugin = add_plugin(registry, file_name, path);
  if (plugin == NULL) {
    return mloom_error_memory(error);
  }
  if (builtin == NULL && is_left_out(registry, path)) {
    plugin->failure = strdup("it is left out: it has ended an earlier process");
    return plugin->failure == NULL ? mloom_error_memory(error) : MLOOM_OK;
  }
  mloom_error reason = MLOOM_ERROR_INIT;
  mloom_plugin_enter(&plugin->watch);
  int32_t code = builtin != NULL ? MLOOM_OK : mloom_loader_open(&plugin->module, path, &reason);
  if (code == MLOOM_OK) {
    code = initialise(registry, plugin, builtin != NULL ? builtin : mloom_module_init(plugin->module), &reason);
  }
  mloom_plugin_leave(&plugin->watch);
  if (code != MLOOM_OK) {
    return refuse(registry, plugin, &reason, error);
  }
  watch_roles(plugin);
  mloom_log_write(registry->log, MLOOM_LOG_INFO, COMPONENT, "%s %s (ABI %u.%u) from %s: %s", plugin->copy.name,
                  plugin->copy.version, plugin->copy.abi_major, plugin->copy.abi_minor, where(plugin), plugin->roles);
  return MLOOM_OK;
}

static int32_t load_folder(mloom_registry *registry, const char *folder, mloom_error *error) {
  mloom_plugin_file *files;
  size_t count;
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = folder[0] != '/' ? mloom_error_set(&reason, MLOOM_E_INVALID, DOMAIN, "give an absolute path",
                                                    "the plugin folder %s is relative", folder)
                                  : mloom_loader_list(&files, &count, folder, &reason);
  if (code != MLOOM_OK) {
    registered_plugin *plugin = add_plugin(registry, folder, folder);
    return plugin == NULL ? mloom_error_memory(error) : refuse(registry, plugin, &reason, error);
  }
  for (size_t i = 0; code == MLOOM_OK && i < count; i++) {
    code = load(registry, files[i].name, files[i].path, NULL, error);
  }
  mloom_plugin_files_free(files, count);
  return code;
}

/* The same folder under two names would only give refusals. */
static int comes_earlier(const char *const *paths, size_t index) {
  char real[PATH_MAX];
  char other[PATH_MAX];
  if (realpath(paths[index], real) == NULL) {
    return 0;
  }
  for (size_t i = 0; i < index; i++) {
    if (realpath(paths[i], other) != NULL && strcmp(real, other) == 0) {
      return 1;
    }
  }
  return 0;
}

int32_t mloom_registry_new(mloom_registry **out, const char *const *plugin_paths, const mloom_registry_rules *rules,
                           const mloom_host *host, const mloom_log *log, mloom_error *error) {
  *out = NULL;
  mloom_registry *registry = calloc(1, sizeof(*registry));
  if (registry == NULL) {
    return mloom_error_memory(error);
  }
  registry->host = host;
  registry->log = log;
  registry->rules = rules == NULL ? (mloom_registry_rules){0} : *rules;
  int32_t code = MLOOM_OK;
  for (const mloom_plugin_init_fn *builtin = mloom_builtin_plugins(); code == MLOOM_OK && *builtin != NULL; builtin++) {
    code = load(registry, "", "", *builtin, error);
  }
  for (size_t i = 0; code == MLOOM_OK && plugin_paths != NULL && plugin_paths[i] != NULL; i++) {
    if (!comes_earlier(plugin_paths, i)) {
      code = load_folder(registry, plugin_paths[i], error);
    }
  }
  registry->rules.left_out = NULL;
  if (code != MLOOM_OK) {
    mloom_registry_free(registry);
    return code;
  }
  *out = registry;
  return MLOOM_OK;
}

void mloom_registry_free(mloom_registry *registry) {
  if (registry == NULL) {
    return;
  }
  /* In reverse order, so that a plugin outlives those loaded after it. */
  for (size_t i = registry->plugin_count; i > 0; i--) {
    registered_plugin *plugin = registry->plugins[i - 1];
    free_plugin(plugin);
  }
  free(registry->plugins);
  free(registry->providers);
  free(registry->sources);
  free(registry->layers);
  free(registry);
}

/* ---- Looking things up ---- */

void mloom_registry_each_plugin(const mloom_registry *registry,
                                void (*fn)(const mloom_plugin_info *info, void *userdata), void *userdata) {
  for (size_t i = 0; i < registry->plugin_count; i++) {
    const registered_plugin *plugin = registry->plugins[i];
    const mloom_plugin_copy *copy = &plugin->copy;
    mloom_plugin_info info = {
        .size = (uint32_t)sizeof(info),
        .name = copy->name == NULL ? plugin->file_name : copy->name,
        .version = copy->version == NULL ? "" : copy->version,
        .description = copy->description == NULL ? "" : copy->description,
        .path = plugin->path,
        .roles = plugin->roles == NULL ? "" : plugin->roles,
        .failure = plugin->failure,
        .remedy = plugin->remedy == NULL ? "" : plugin->remedy,
        .abi_major = copy->abi_major,
        .abi_minor = copy->abi_minor,
    };
    fn(&info, userdata);
  }
}

size_t mloom_registry_provider_count(const mloom_registry *registry) {
  return registry->provider_count;
}

const mloom_provider_entry *mloom_registry_provider_at(const mloom_registry *registry, size_t index) {
  return index < registry->provider_count ? registry->providers[index] : NULL;
}

const mloom_provider_entry *mloom_registry_find_provider(const mloom_registry *registry, const char *name) {
  for (size_t i = 0; i < registry->provider_count; i++) {
    if (answers_to(&registry->providers[i]->descriptor, name)) {
      return registry->providers[i];
    }
  }
  return NULL;
}

const mloom_credential_source_entry *mloom_registry_find_credential_source(const mloom_registry *registry,
                                                                           const char *id) {
  for (size_t i = 0; i < registry->source_count; i++) {
    if (mloom_text_compare_fold(registry->sources[i]->descriptor.id, id) == 0) {
      return registry->sources[i];
    }
  }
  return NULL;
}

size_t mloom_registry_resolver_layer_count(const mloom_registry *registry) {
  return registry->layer_count;
}

const mloom_resolver_layer_entry *mloom_registry_resolver_layer_at(const mloom_registry *registry, size_t index) {
  return index < registry->layer_count ? registry->layers[index] : NULL;
}
