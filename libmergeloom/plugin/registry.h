/* SPDX-License-Identifier: Apache-2.0
 *
 * Every plugin that was found, with host-owned copies of its descriptors.
 */
#ifndef MLOOM_PLUGIN_REGISTRY_H
#define MLOOM_PLUGIN_REGISTRY_H

#include <pthread.h>

#include "base/log.h"
#include "plugin/host.h"
#include "plugin/watch.h"
#include <mergeloom/context.h>

typedef struct mloom_registry mloom_registry;

/* One provider of one plugin. descriptor is a zero-filled host copy: absent members are NULL. */
typedef struct mloom_provider_entry {
  mloom_provider descriptor;
  const mloom_field *const *fields; /* host copies, in the plugin's order */
  size_t field_count;
  const char *plugin_name;
  pthread_mutex_t *plugin_lock; /* held around each call under MLOOM_THREADS_SERIALIZE_ALL */
} mloom_provider_entry;

typedef struct mloom_credential_source_entry {
  mloom_credential_source descriptor;
  const char *plugin_name;
  pthread_mutex_t *plugin_lock;
  const mloom_plugin_watch *watch;
} mloom_credential_source_entry;

typedef struct mloom_resolver_layer_entry {
  mloom_resolver_layer descriptor;
  const char *plugin_name;
  pthread_mutex_t *plugin_lock;
  const mloom_plugin_watch *watch;
} mloom_resolver_layer_entry;

/* Members of mloom_context_options. */
typedef struct mloom_registry_rules {
  const char *const *left_out; /* NULL: none; needed while it loads only */
  void (*entering)(const char *plugin_path, void *userdata);
  void *userdata;
} mloom_registry_rules;

/* Loads the built-in plugins and then each mergeloom-*.so of the folders (absolute, ends with NULL; NULL: none) in
 * sorted order. A plugin that fails, or a folder that cannot be used, is kept with its reason. host must outlive the
 * registry. rules: NULL: none. MLOOM_E_MEMORY only. */
int32_t mloom_registry_new(mloom_registry **out, const char *const *plugin_paths, const mloom_registry_rules *rules,
                           const mloom_host *host, const mloom_log *log, mloom_error *error);
/* Calls each shutdown; the code stays mapped. */
void mloom_registry_free(mloom_registry *registry);

void mloom_registry_each_plugin(const mloom_registry *registry,
                                void (*fn)(const mloom_plugin_info *info, void *userdata), void *userdata);
size_t mloom_registry_provider_count(const mloom_registry *registry);
const mloom_provider_entry *mloom_registry_provider_at(const mloom_registry *registry, size_t index);
/* By id or alias, ASCII case-insensitive; NULL when there is none. */
const mloom_provider_entry *mloom_registry_find_provider(const mloom_registry *registry, const char *name);
const mloom_credential_source_entry *mloom_registry_find_credential_source(const mloom_registry *registry,
                                                                           const char *id);
size_t mloom_registry_resolver_layer_count(const mloom_registry *registry);
const mloom_resolver_layer_entry *mloom_registry_resolver_layer_at(const mloom_registry *registry, size_t index);

#endif
