/* SPDX-License-Identifier: Apache-2.0
 *
 * From a job document, settings and the registry to the resolver's input.
 */
#include "resolver/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* Everything the input borrows that nobody else owns. */
typedef struct holdings {
  const char **labels;
  const char **workspace_providers;
  const char **workspace_models;
  char **worker_providers;
  char **worker_models;
  mloom_resolver_provider *providers;
  char ***model_aliases; /* one list for each provider */
  size_t provider_count;
  const mloom_resolver_layer_entry **layers;
  mloom_resolver_policy policies[2];
  const mloom_settings_problem *problems[3];
} holdings;

static void holdings_free(holdings *held) {
  for (size_t i = 0; held->model_aliases != NULL && i < held->provider_count; i++) {
    free(held->model_aliases[i]);
  }
  free(held->model_aliases);
  free(held->labels);
  free(held->workspace_providers);
  free(held->workspace_models);
  free(held->worker_providers);
  free(held->worker_models);
  free(held->providers);
  free(held->layers);
}

static int32_t wrong(const char *path, const char *expected, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_RESOLVER, "correct the job document",
                         "the job: %s must be %s", path, expected);
}

/* *out stays NULL when the member is absent. */
static int32_t read_name(const char **out, const mloom_json *parent, const char *member, const char *path,
                         mloom_error *error) {
  const mloom_json *value = mloom_json_member(parent, member);
  mloom_bytes text = mloom_json_text(value);
  if (mloom_json_kind(value) == MLOOM_JSON_NULL) {
    return MLOOM_OK;
  }
  if (text.data == NULL || memchr(text.data, '\0', text.size) != NULL) {
    return wrong(path, "a string", error);
  }
  *out = text.data;
  return MLOOM_OK;
}

/* An array that ends with NULL; *out stays NULL when the member is absent. */
static int32_t read_names(const char ***out, const mloom_json *parent, const char *member, const char *path,
                          mloom_error *error) {
  const mloom_json *list = mloom_json_member(parent, member);
  if (mloom_json_kind(list) == MLOOM_JSON_NULL) {
    return MLOOM_OK;
  }
  if (mloom_json_kind(list) != MLOOM_JSON_ARRAY) {
    return wrong(path, "a list of strings", error);
  }
  size_t count = mloom_json_count(list);
  *out = calloc(count + 1, sizeof **out);
  if (*out == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < count; i++) {
    mloom_bytes text = mloom_json_text(mloom_json_at(list, i));
    if (text.data == NULL || memchr(text.data, '\0', text.size) != NULL) {
      return wrong(path, "a list of strings", error);
    }
    (*out)[i] = text.data;
  }
  return MLOOM_OK;
}

static int32_t read_job(mloom_resolver_input *input, holdings *held, const mloom_json *job, mloom_error *error) {
  const mloom_json *ticket = mloom_json_member(job, "ticket");
  const mloom_json *workflow = mloom_json_member(mloom_json_member(job, "repository"), "workflow");
  const mloom_json *workspace = mloom_json_member(job, "workspace");
  const mloom_json *policy = mloom_json_member(workspace, "policy");
  const mloom_json *labels_count = mloom_json_member(policy, "model_labels");
  int labels_kind = mloom_json_kind(labels_count);
  input->description = mloom_json_text(mloom_json_member(ticket, "description"));
  int64_t line = mloom_json_member_integer(ticket, "description_line", 0);
  input->description_line = line > 0 && line < 1000000000 ? (uint32_t)line : 0;
  int32_t code = read_names(&held->labels, ticket, "labels", "ticket.labels", error);
  code = code != MLOOM_OK
             ? code
             : read_name(&input->repository_provider, workflow, "provider", "repository.workflow.provider", error);
  code = code != MLOOM_OK ? code
                          : read_name(&input->repository_model, workflow, "model", "repository.workflow.model", error);
  code = code != MLOOM_OK ? code
                          : read_name(&input->workspace_provider, workspace, "provider", "workspace.provider", error);
  code = code != MLOOM_OK ? code : read_name(&input->workspace_model, workspace, "model", "workspace.model", error);
  code = code != MLOOM_OK ? code
                          : read_names(&held->workspace_providers, policy, "allowed_providers",
                                       "workspace.policy.allowed_providers", error);
  code = code != MLOOM_OK
             ? code
             : read_names(&held->workspace_models, policy, "allowed_models", "workspace.policy.allowed_models", error);
  if (code == MLOOM_OK && labels_kind != MLOOM_JSON_NULL && labels_kind != MLOOM_JSON_BOOLEAN) {
    return wrong("workspace.policy.model_labels", "true or false", error);
  }
  input->labels = held->labels;
  held->policies[0] = (mloom_resolver_policy){.owner = "workspace",
                                              .allowed_providers = held->workspace_providers,
                                              .allowed_models = held->workspace_models,
                                              .without_labels = !mloom_json_member_boolean(policy, "model_labels", 1)};
  return code;
}

/* A list of the worker's settings; *out stays NULL when it is unset. */
static int32_t read_setting(char ***out, const mloom_settings *settings, const char *name, mloom_error *error) {
  return mloom_settings_string(settings, name, NULL) == NULL ? MLOOM_OK
                                                             : mloom_settings_list(out, settings, name, error);
}

static int32_t read_worker(mloom_resolver_input *input, holdings *held, const mloom_settings *worker,
                           mloom_error *error) {
  static const char *const policy_fields[] = {"allowed_providers", "allowed_models", "model_labels"};
  mloom_setting setting = {.size = sizeof setting};
  if (mloom_settings_get(worker, "provider", &setting) == MLOOM_OK) {
    input->worker_provider = setting.value;
    input->worker_provider_origin = setting.origin_name;
    input->worker_provider_problem = mloom_settings_problem_of(worker, "provider");
  }
  for (size_t i = 0; i < sizeof policy_fields / sizeof policy_fields[0]; i++) {
    const mloom_settings_problem *problem = mloom_settings_problem_of(worker, policy_fields[i]);
    if (problem != NULL) {
      held->problems[input->policy_problem_count++] = problem;
    }
  }
  input->policy_problems = held->problems;
  int32_t code = read_setting(&held->worker_providers, worker, "allowed_providers", error);
  code = code != MLOOM_OK ? code : read_setting(&held->worker_models, worker, "allowed_models", error);
  held->policies[1] = (mloom_resolver_policy){.owner = "worker",
                                              .allowed_providers = (const char *const *)held->worker_providers,
                                              .allowed_models = (const char *const *)held->worker_models,
                                              .without_labels = !mloom_settings_boolean(worker, "model_labels", 1)};
  return code;
}

/* The setting model_aliases, "alias=id" elements, as pairs. */
static int32_t read_aliases(char ***out, const mloom_settings *settings, mloom_error *error) {
  char **list = NULL;
  if (mloom_settings_string(settings, "model_aliases", NULL) == NULL) {
    return MLOOM_OK;
  }
  int32_t code = mloom_settings_list(&list, settings, "model_aliases", error);
  if (code != MLOOM_OK) {
    return code;
  }
  size_t count = 0, kept = 0;
  while (list[count] != NULL) {
    count++;
  }
  /* The pairs in front, the elements they point into behind them. */
  const char *value = mloom_settings_string(settings, "model_aliases", "");
  char **pairs = malloc((2 * count + 1) * sizeof *pairs + strlen(value) + count + 1);
  if (pairs != NULL) {
    char *text = (char *)(pairs + 2 * count + 1);
    for (size_t i = 0; i < count; i++) {
      char *equals = strchr(list[i], '=');
      if (equals == NULL || equals == list[i] || equals[1] == '\0') {
        continue;
      }
      *equals = '\0';
      pairs[kept++] = strcpy(text, list[i]);
      text += strlen(text) + 1;
      pairs[kept++] = strcpy(text, equals + 1);
      text += strlen(text) + 1;
    }
    pairs[kept] = NULL;
  }
  free(list);
  *out = pairs;
  return pairs == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static int32_t read_provider(mloom_resolver_provider *out, char ***aliases, const mloom_provider_entry *entry,
                             const mloom_settings *settings, mloom_error *error) {
  mloom_setting model = {.size = sizeof model};
  out->id = entry->descriptor.id;
  out->aliases = entry->descriptor.aliases;
  out->disabled = !mloom_settings_boolean(settings, "enabled", 1);
  if (mloom_settings_get(settings, "model", &model) == MLOOM_OK) {
    out->default_model = model.value;
    out->default_model_origin = model.origin_name;
    out->default_model_problem = mloom_settings_problem_of(settings, "model");
    if (out->default_model_problem != NULL && out->default_model_problem->code == MLOOM_E_NOT_CONFIGURED) {
      out->default_model_problem = NULL; /* no default is no obstacle when another layer names a model */
    }
  }
  int32_t code = read_aliases(aliases, settings, error);
  out->model_aliases = (const char *const *)*aliases;
  return code;
}

static int32_t read_registry(mloom_resolver_input *input, holdings *held, const mloom_registry *registry,
                             mloom_settings *const *provider_settings, mloom_error *error) {
  size_t layer_count = mloom_registry_resolver_layer_count(registry);
  held->provider_count = mloom_registry_provider_count(registry);
  held->providers = calloc(held->provider_count + 1, sizeof *held->providers);
  held->model_aliases = calloc(held->provider_count + 1, sizeof *held->model_aliases);
  held->layers = calloc(layer_count + 1, sizeof *held->layers);
  if (held->providers == NULL || held->model_aliases == NULL || held->layers == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < held->provider_count; i++) {
    int32_t code = read_provider(&held->providers[i], &held->model_aliases[i], mloom_registry_provider_at(registry, i),
                                 provider_settings[i], error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  for (size_t i = 0; i < layer_count; i++) {
    held->layers[i] = mloom_registry_resolver_layer_at(registry, i);
  }
  input->providers = held->providers;
  input->provider_count = held->provider_count;
  input->layers = held->layers;
  input->layer_count = layer_count;
  return MLOOM_OK;
}

int32_t mloom_resolver_resolve_job(mloom_resolution **out, const mloom_json *job, mloom_bytes job_text,
                                   const mloom_settings *worker, const mloom_registry *registry,
                                   mloom_settings *const *provider_settings, mloom_error *error) {
  MLOOM_AUTO(holdings_free) holdings held = {0};
  mloom_resolver_input input = {.policies = held.policies, .policy_count = 2, .job = job_text};
  *out = NULL;
  int32_t code = read_job(&input, &held, job, error);
  code = code != MLOOM_OK ? code : read_worker(&input, &held, worker, error);
  code = code != MLOOM_OK ? code : read_registry(&input, &held, registry, provider_settings, error);
  return code != MLOOM_OK ? code : mloom_resolver_resolve(out, &input, error);
}
