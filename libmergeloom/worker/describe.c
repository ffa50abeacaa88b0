/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "worker/context.h"

long mloom_context_find_provider(const mloom_context *context, const char *name) {
  const mloom_provider_entry *found = mloom_registry_find_provider(context->registry, name);
  for (size_t i = 0; found != NULL && i < mloom_registry_provider_count(context->registry); i++) {
    if (mloom_registry_provider_at(context->registry, i) == found) {
      return (long)i;
    }
  }
  return -1;
}

int32_t mloom_context_unknown_provider(const mloom_context *context, const char *name, mloom_error *error) {
  size_t count = mloom_registry_provider_count(context->registry);
  if (count == 0) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_PLUGIN,
                           "install a provider plugin, or set MERGELOOM_PLUGIN_PATH to the folder that holds one",
                           "no provider is loaded, so \"%s\" is not available", name);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer remedy = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&remedy, "loaded here: ");
  for (size_t i = 0; i < count; i++) {
    mloom_buffer_append_format(&remedy, "%s%s", i == 0 ? "" : ", ",
                               mloom_registry_provider_at(context->registry, i)->descriptor.id);
  }
  return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_PLUGIN, mloom_buffer_string(&remedy),
                         "no provider \"%s\" is loaded", name);
}

void mloom_context_each_plugin(mloom_context *context, void (*fn)(const mloom_plugin_info *info, void *userdata),
                               void *userdata) {
  mloom_registry_each_plugin(context->registry, fn, userdata);
}

static mloom_json *describe_aliases(const char *const *aliases) {
  mloom_json *list = mloom_json_new_array();
  for (size_t i = 0; aliases != NULL && aliases[i] != NULL; i++) {
    mloom_json_add(list, mloom_json_new_string(aliases[i], strlen(aliases[i])));
  }
  return list;
}

static mloom_json *describe_capabilities(uint64_t capabilities) {
  static const struct {
    uint64_t bit;
    const char *name;
  } known[] = {{MLOOM_CAPABILITY_TOOLS, "tools"},
               {MLOOM_CAPABILITY_STREAMING, "streaming"},
               {MLOOM_CAPABILITY_MODEL_LIST, "model_list"},
               {MLOOM_CAPABILITY_PARALLEL_TOOLS, "parallel_tools"}};
  mloom_json *list = mloom_json_new_array();
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    if ((capabilities & known[i].bit) != 0) {
      mloom_json_add(list, mloom_json_new_string(known[i].name, strlen(known[i].name)));
    }
  }
  return list;
}

/* The ways to log in to a program. One that cannot be asked has one: trying it says what is missing. */
static mloom_json *describe_logins(const mloom_context *context, const mloom_provider_entry *entry,
                                   mloom_settings *settings) {
  static const char *const names[] = {"", "device", "browser", "api-key", "out"};
  mloom_json *list = mloom_json_new_array();
  mloom_provider_instance *instance = NULL;
  if (entry->descriptor.login == NULL) {
    return list;
  }
  uint32_t kinds = 0;
  if (mloom_provider_open(&instance, entry, settings, &context->provider_services, NULL) == MLOOM_OK) {
    kinds = mloom_provider_login_kinds(instance);
    mloom_provider_close(instance);
  }
  kinds = kinds != 0 ? kinds : 1u << MLOOM_LOGIN_BROWSER;
  for (uint32_t kind = MLOOM_LOGIN_DEVICE; kind <= MLOOM_LOGIN_OUT; kind++) {
    if ((kinds >> kind & 1u) != 0) {
      mloom_json_add(list, mloom_json_new_string(names[kind], strlen(names[kind])));
    }
  }
  return list;
}

static mloom_json *describe_provider(const mloom_context *context, size_t index) {
  const mloom_provider_entry *entry = mloom_registry_provider_at(context->registry, index);
  mloom_settings *settings = context->provider_settings[index];
  const mloom_provider *provider = &entry->descriptor;
  mloom_json *json = mloom_json_new_object();
  mloom_json_set_string(json, "id", provider->id);
  mloom_json_set_string(json, "title", provider->title != NULL ? provider->title : provider->id);
  mloom_json_set_string(json, "description", provider->description != NULL ? provider->description : "");
  mloom_json_set(json, "aliases", describe_aliases(provider->aliases));
  mloom_json_set_string(json, "plugin", entry->plugin_name);
  mloom_json_set_string(json, "shape", provider->shape == MLOOM_SHAPE_AGENT ? "agent" : "model");
  mloom_json_set(json, "capabilities", describe_capabilities(provider->capabilities));
  mloom_json_set(json, "logins", describe_logins(context, entry, settings));
  mloom_json_set_boolean(json, "enabled", mloom_settings_boolean(settings, "enabled", 1));
  mloom_json_set(json, "settings", mloom_settings_describe(settings));
  return json;
}

int32_t mloom_context_describe_providers(mloom_context *context, char **out, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = mloom_json_new_object();
  mloom_json *providers = mloom_json_new_array();
  for (size_t i = 0; i < mloom_registry_provider_count(context->registry); i++) {
    mloom_json_add(providers, describe_provider(context, i));
  }
  mloom_json_set_string(document, "schema", "mergeloom.providers.v1");
  mloom_json_set(document, "providers", providers);
  mloom_json *worker = mloom_json_new_object();
  mloom_json_set(worker, "settings", mloom_settings_describe(context->worker_settings));
  mloom_json_set_string(worker, "audit_path", context->audit_path);
  mloom_json_set(document, "worker", worker);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_json_serialize(&text, document, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_redactor_apply(context->redactor, &text);
  *out = mloom_buffer_take(&text);
  return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

int32_t mloom_context_export_settings(mloom_context *context, char **out, mloom_error *error) {
  mloom_json *document = mloom_json_new_object(), *providers = mloom_json_new_object();
  mloom_json_set(document, "worker", mloom_settings_export(context->worker_settings));
  for (size_t i = 0; i < mloom_registry_provider_count(context->registry); i++) {
    mloom_json_set(providers, mloom_registry_provider_at(context->registry, i)->descriptor.id,
                   mloom_settings_export(context->provider_settings[i]));
  }
  mloom_json_set(document, "providers", providers);
  mloom_buffer text = MLOOM_BUFFER_INIT;
  int32_t code = mloom_json_serialize(&text, document, 0);
  mloom_json_wipe(document);
  mloom_json_unref(document);
  *out = code == MLOOM_OK ? mloom_buffer_take(&text) : NULL;
  if (*out == NULL) {
    mloom_buffer_free(&text);
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}
