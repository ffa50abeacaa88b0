/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator set and nobody reads: mostly a misspelt name.
 */
#include "settings/internal.h"

#include <stdio.h>
#include <string.h>

#include "settings/nearest.h"

#define PREFIX "JCA_"

/* Variables of a MergeLoom deployment that are for other parts of it, or for providers that may not be loaded here. */
static const char *const deployment_names[] = {
    "JCA_ANTHROPIC_API_KEY",
    "JCA_ANTHROPIC_MODEL",
    "JCA_AZURE_FOUNDRY_API_KEY",
    "JCA_AZURE_FOUNDRY_AUTH_METHOD",
    "JCA_AZURE_FOUNDRY_BEARER_TOKEN",
    "JCA_AZURE_FOUNDRY_ENDPOINT",
    "JCA_AZURE_FOUNDRY_MODEL",
    "JCA_BEDROCK_AUTH_METHOD",
    "JCA_BEDROCK_ENDPOINT_URL",
    "JCA_BEDROCK_MODEL_ID",
    "JCA_BEDROCK_REGION",
    "JCA_OPENAI_API_KEY",
    "JCA_OPENAI_MODEL",
    "JCA_PROVIDER_CONFIG_DB_PATH",
    "JCA_PROVIDER_CONFIG_MODE",
    "JCA_PROVIDER_SECRET_KEY_PATH",
    "JCA_VERTEX_ACCESS_TOKEN",
    "JCA_VERTEX_AUTH_METHOD",
    "JCA_VERTEX_ENDPOINT_MODE",
    "JCA_VERTEX_ENDPOINT_URL",
    "JCA_VERTEX_LOCATION",
    "JCA_VERTEX_MODEL",
    "JCA_VERTEX_PROJECT_ID",
    "JCA_VERTEX_PUBLISHER",
    "JCA_VERTEX_SERVICE_ACCOUNT_JSON",
    "JCA_WORKER_ACCESS_TOKEN",
    "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS",
    "JCA_WORKER_ALLOWED_HOSTS",
    "JCA_WORKER_AUDIT_DB_URL",
    "JCA_WORKER_CHECK_SECONDS",
    "JCA_WORKER_CLAUDE_CODE_MODEL",
    "JCA_WORKER_CLI_CONFIG_DIR",
    "JCA_WORKER_CLUSTER_TOKEN",
    "JCA_WORKER_CODE_AUDIT_DB_URL",
    "JCA_WORKER_CONFIG_DB_URL",
    "JCA_WORKER_CONTROL_PLANE_REQUEST_TIMEOUT_SECONDS",
    "JCA_WORKER_CONTROL_PLANE_URL",
    "JCA_WORKER_DATABASE_URL",
    "JCA_WORKER_ENROLLMENT_TOKEN",
    "JCA_WORKER_GATEWAY_DB_URL",
    "JCA_WORKER_GATEWAY_URL",
    "JCA_WORKER_HOST",
    "JCA_WORKER_JOB_ATTEMPTS",
    "JCA_WORKER_JOB_SLOTS",
    "JCA_WORKER_LIVE_DB_URL",
    "JCA_WORKER_LOCAL_STATE_DB",
    "JCA_WORKER_MEMORY_MIB",
    "JCA_WORKER_NAME",
    "JCA_WORKER_POLL_ENABLED",
    "JCA_WORKER_PORT",
    "JCA_WORKER_REQUEST_SECONDS",
    "JCA_WORKER_ROLE",
    "JCA_WORKER_RUNTIME_CONFIG_DB_PATH",
    "JCA_WORKER_RUNTIME_CONFIG_MODE",
    "JCA_WORKER_STOP_GRACE_SECONDS",
    "JCA_WORKER_TENANT_SLUG",
    "JCA_WORKER_TLS_TERMINATED",
    "JCA_WORKER_TRACE_DB_URL",
    "JCA_WORKER_WORKSPACE_ROOT",
};

/* Families of names that the context engine and mergeloomd read, each its own. */
static const char *const deployment_prefixes[] = {"JCA_CONTEXT_ENGINE_", "JCA_DAEMON_"};

typedef struct unknown_search {
  const mloom_settings_sources *sources;
  mloom_settings *const *all;
  size_t count;
  void (*fn)(const char *message, const char *remedy, void *userdata);
  void *userdata;
} unknown_search;

/* Offers every known variable; returns 1 when name is one of them. */
static int is_known_variable(const unknown_search *search, const char *name, mloom_nearest *nearest) {
  for (size_t i = 0; i < sizeof deployment_prefixes / sizeof deployment_prefixes[0]; i++) {
    if (strncmp(name, deployment_prefixes[i], strlen(deployment_prefixes[i])) == 0) {
      return 1;
    }
  }
  for (size_t i = 0; i < sizeof deployment_names / sizeof deployment_names[0]; i++) {
    if (strcmp(deployment_names[i], name) == 0) {
      return 1;
    }
    mloom_nearest_offer(nearest, deployment_names[i], deployment_names[i]);
  }
  for (size_t i = 0; i < search->count; i++) {
    const mloom_settings *settings = search->all[i];
    for (size_t j = 0; j < settings->count; j++) {
      const char *known = NULL;
      for (size_t k = 0; (known = mloom_settings_slot_name(&settings->slots[j], k)) != NULL; k++) {
        if (strcmp(known, name) == 0) {
          return 1;
        }
        mloom_nearest_offer(nearest, known, known);
      }
    }
  }
  return 0;
}

/* NAME_FILE of a known NAME. */
static int is_file_variable(const unknown_search *search, const char *name, size_t size) {
  char base[256];
  mloom_nearest ignored;
  if (size <= 5 || size - 5 >= sizeof base || memcmp(name + size - 5, "_FILE", 5) != 0) {
    return 0;
  }
  memcpy(base, name, size - 5);
  base[size - 5] = '\0';
  mloom_nearest_init(&ignored, "");
  return is_known_variable(search, base, &ignored);
}

static void tell(const unknown_search *search, const char *what, const char *name, const char *where,
                 const mloom_nearest *nearest) {
  char message[256], remedy[256] = "remove it";
  snprintf(message, sizeof message, "%s %.100s%s is known to no loaded provider and not to the worker", what, name,
           where);
  if (nearest->best != NULL) {
    snprintf(remedy, sizeof remedy, "did you mean %s?", nearest->best);
  }
  search->fn(message, remedy, search->userdata);
}

static void each_variable(const unknown_search *search) {
  for (size_t i = 0; search->sources->environment != NULL && search->sources->environment[i] != NULL; i++) {
    const char *entry = search->sources->environment[i];
    const char *equals = strchr(entry, '=');
    char name[256];
    size_t size = equals == NULL ? 0 : (size_t)(equals - entry);
    if (strncmp(entry, PREFIX, sizeof PREFIX - 1) != 0 || size == 0 || size >= sizeof name || equals[1] == '\0') {
      continue;
    }
    memcpy(name, entry, size);
    name[size] = '\0';
    mloom_nearest nearest;
    mloom_nearest_init(&nearest, ""); /* most are known: no search for their like */
    if (!is_known_variable(search, name, &nearest) && !is_file_variable(search, name, size)) {
      mloom_nearest_init(&nearest, name);
      (void)is_known_variable(search, name, &nearest);
      tell(search, "the variable", name, "", &nearest);
    }
  }
}

static int each_section(const char *name, mloom_json *value, void *userdata) {
  static const char *const known[] = {"worker", "providers", "daemon", "$schema"};
  mloom_nearest nearest;
  (void)value;
  mloom_nearest_init(&nearest, name);
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(known[i], name) == 0) {
      return 0;
    }
    mloom_nearest_offer(&nearest, known[i], known[i]);
  }
  tell(userdata, "the member", name, " of the configuration file", &nearest);
  return 0;
}

static int each_provider(const char *name, mloom_json *value, void *userdata) {
  const unknown_search *search = userdata;
  mloom_nearest nearest;
  (void)value;
  mloom_nearest_init(&nearest, name);
  for (size_t i = 0; i < search->count; i++) {
    if (strcmp(search->all[i]->owner, name) == 0 && strcmp(name, "worker") != 0) {
      return 0;
    }
    mloom_nearest_offer(&nearest, search->all[i]->owner, search->all[i]->owner);
  }
  tell(search, "the provider", name, " of the configuration file", &nearest);
  return 0;
}

void mloom_settings_each_unknown(const mloom_settings_sources *sources, mloom_settings *const *all, size_t count,
                                 void (*fn)(const char *message, const char *remedy, void *userdata), void *userdata) {
  unknown_search search = {sources, all, count, fn, userdata};
  each_variable(&search);
  mloom_json_each_member(sources->config, each_section, &search);
  mloom_json_each_member(mloom_json_member(sources->config, "providers"), each_provider, &search);
}
