/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for models in Microsoft Foundry and Azure OpenAI: three routes, three wires, keys and Entra identities.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "azure_foundry.h"
#include "base/error.h"
#include "base/text.h"
#include "net/url.h"
#include "wire/endpoint.h"

#define CHAT_API_VERSION "2024-10-21"
#define RESPONSES_API_VERSION "2025-04-01-preview"

/* ---- Settings ---- */

static const char *text_of(const azure_instance *self, const char *name) {
  return mloom_provider_settings_text(&self->service.settings, name, NULL);
}

static uint32_t choice_of(const azure_instance *self, const char *name, const char *const *choices, uint32_t fallback) {
  const char *value = text_of(self, name);
  for (uint32_t i = 1; value != NULL && choices[i] != NULL; i++) {
    if (strcmp(value, choices[i]) == 0) {
      return i;
    }
  }
  return fallback;
}

static void set_options(azure_instance *self) {
  const mloom_provider_settings *settings = &self->service.settings;
  int stream = mloom_provider_settings_boolean(settings, "stream", 1);
  int cache = mloom_provider_settings_boolean(settings, "prompt_caching", 1);
  int parallel = mloom_provider_settings_optional_boolean(settings, "parallel_tool_calls");
  uint64_t limit = mloom_provider_settings_number(settings, "max_output_tokens", 0);
  self->chat = (mloom_chat_options){
      .stream = stream,
      .include_usage = mloom_provider_settings_boolean(settings, "include_usage", 1),
      .parallel_tool_calls = parallel,
      .max_tokens_field = mloom_provider_settings_text(settings, "max_tokens_field", "max_completion_tokens"),
      .max_output_tokens = limit,
      .temperature = text_of(self, "temperature"),
      .reasoning_effort = text_of(self, "reasoning_effort")};
  if (strcmp(self->chat.max_tokens_field, "none") == 0) {
    self->chat.max_tokens_field = NULL;
  }
  self->responses = (mloom_responses_options){
      .stream = stream,
      .parallel_tool_calls = parallel,
      .max_output_tokens = limit,
      .reasoning_effort = self->chat.reasoning_effort,
      .prompt_cache = cache,
      .encrypted_reasoning = mloom_provider_settings_optional_boolean(settings, "encrypted_reasoning")};
  self->messages =
      (mloom_messages_options){.send_model = 1,
                               .stream = stream,
                               .parallel_tool_calls = parallel != 0,
                               .cache = cache,
                               .max_output_tokens = limit,
                               .thinking = mloom_provider_settings_choice(settings, "thinking"),
                               .thinking_budget = mloom_provider_settings_number(settings, "thinking_budget", 8192)};
}

/* The method that is set; else the one that there is something for. */
static const char *auth_method_of(const azure_instance *self) {
  static const struct {
    const char *field;
    const char *method;
  } signs[] = {{"api_key", "api_key"},
               {"bearer_token", "bearer_token"},
               {"client_secret", "client_secret"},
               {"client_certificate_path", "client_certificate"},
               {"federated_token_file", "workload_identity"}};
  const char *method = text_of(self, "auth_method");
  for (size_t i = 0; method == NULL && i < sizeof(signs) / sizeof(signs[0]); i++) {
    if (mloom_provider_settings_has(&self->service.settings, signs[i].field)) {
      method = signs[i].method;
    }
  }
  return method == NULL ? "api_key" : method;
}

static const char *const *sources_of(const char *method) {
  static const char *const key[] = {"command", "static", NULL};
  static const char *const token[] = {"command", "static-bearer-token", NULL};
  static const char *const secret[] = {"azure-client-secret", "azure-client-certificate", NULL};
  static const char *const certificate[] = {"azure-client-certificate", NULL};
  static const char *const managed[] = {"azure-managed-identity", NULL};
  static const char *const workload[] = {"azure-workload-identity", NULL};
  return strcmp(method, "client_secret") == 0        ? secret
         : strcmp(method, "client_certificate") == 0 ? certificate
         : strcmp(method, "managed_identity") == 0   ? managed
         : strcmp(method, "workload_identity") == 0  ? workload
         : strcmp(method, "bearer_token") == 0       ? token
                                                     : key;
}

static void set_authorization(azure_instance *self) {
  mloom_service *service = &self->service;
  const char *method = self->auth_method = auth_method_of(self);
  const char *const *sources = sources_of(method);
  self->auth = strcmp(method, "api_key") == 0        ? AZURE_AUTH_KEY
               : strcmp(method, "bearer_token") == 0 ? AZURE_AUTH_BEARER
                                                     : AZURE_AUTH_IDENTITY;
  if (self->auth == AZURE_AUTH_KEY) {
    mloom_service_set_authorization(service, sources, 0, "api-key", "");
    self->anthropic_key = service->authorization;
    self->anthropic_key.header = "x-api-key";
    service->names.has_key = mloom_provider_settings_has(&service->settings, "api_key") ||
                             mloom_provider_settings_has(&service->settings, "credential_command");
    return;
  }
  mloom_service_set_authorization(service, sources, 0, "Authorization", "Bearer ");
  service->names.has_key = 1;
  service->names.credential_field = "bearer_token (" AZURE_PREFIX "BEARER_TOKEN)";
  if (self->auth == AZURE_AUTH_IDENTITY) {
    const char *scope = text_of(self, "token_scope");
    service->names.credential_field = "auth_method (" AZURE_PREFIX "AUTH_METHOD) and the identity behind it";
    self->scope_is_set = scope != NULL;
    for (unsigned i = 0; i < 2; i++) {
      self->tokens[i] = service->authorization;
      self->tokens[i].audience = scope != NULL ? scope : mloom_azure_endpoint_scope(&self->endpoint, i);
    }
  }
}

static const mloom_authorization *choose_authorization(mloom_service *service, const mloom_route *route) {
  azure_instance *self = (azure_instance *)service;
  return self->auth == AZURE_AUTH_IDENTITY ? &self->tokens[atomic_load(&self->attempt)] : route->authorization;
}

/* Tokens of Entra are worth more than one resource: they go to Azure, or to this machine and where the deployment says
 * so. An identity of which a card or a gateway gives the secret is its own. */
static int32_t check_host(const azure_instance *self, mloom_error *error) {
  const mloom_provider_settings *settings = &self->service.settings;
  const char *url = self->service.base_url;
  const char *secret = strcmp(self->auth_method, "client_secret") == 0 ? "client_secret" : NULL;
  if (self->auth != AZURE_AUTH_IDENTITY ||
      (mloom_http_is_loopback(url) && mloom_provider_settings_may_send(settings, secret, "endpoint"))) {
    return MLOOM_OK;
  }
  if (mloom_endpoint_is_unencrypted(url)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_SETTINGS,
                           "set endpoint (" AZURE_PREFIX "ENDPOINT) to an https address",
                           "azure-foundry does not send the tokens of an identity unencrypted to %.200s", url);
  }
  if (mloom_azure_endpoint_is_service(&self->endpoint) ||
      mloom_provider_settings_trusts(settings, secret, "endpoint")) {
    return MLOOM_OK;
  }
  return mloom_error_set(
      error, MLOOM_E_DENIED, MLOOM_DOMAIN_SETTINGS,
      "use the resource's own address; if this host may have the tokens of the identity, set " AZURE_PREFIX
      "ENDPOINT to it and " AZURE_PREFIX "TRUST_ENDPOINT to true in the deployment",
      "azure-foundry is not to send the tokens of an identity to %.200s", url);
}

static int32_t configure(mloom_service *service, mloom_error *error) {
  azure_instance *self = (azure_instance *)service;
  const char *url = text_of(self, "endpoint");
  if (url == NULL) {
    return mloom_service_set_base_url(service, "endpoint", NULL, error);
  }
  int32_t status = mloom_azure_endpoint_parse(&self->endpoint, url, "endpoint (" AZURE_PREFIX "ENDPOINT)", error);
  if (status == MLOOM_OK) {
    status = mloom_service_set_address(service, "endpoint", self->endpoint.base, error);
  }
  if (status != MLOOM_OK) {
    return status;
  }
  if (service->default_model[0] == '\0' && self->endpoint.deployment != NULL) {
    service->default_model = self->endpoint.deployment;
  }
  self->api_version = text_of(self, "api_version");
  if (self->api_version == NULL) {
    self->api_version = self->endpoint.api_version;
  }
  self->route = choice_of(self, "route", azure_route_choices, self->endpoint.route);
  self->api = choice_of(self, "api", azure_api_choices, self->endpoint.api);
  set_options(self);
  set_authorization(self);
  status = check_host(self, error);
  if (status != MLOOM_OK) {
    return status;
  }
  /* A project tells its deployments to an identity. Elsewhere there is a list of what could be deployed, under other
   * names than those of the deployments: it only shows that the endpoint is reached and takes the credential. */
  service->has_no_model_list = !self->endpoint.is_project || self->auth == AZURE_AUTH_KEY;
  service->probe.dialect = mloom_chat_dialect();
  mloom_route_add_header(&service->probe, "Accept", "application/json");
  service->probe.url = service->has_no_model_list
                           ? mloom_azure_endpoint_url(&self->endpoint, MLOOM_AZURE_ROUTE_V1, "models", NULL, NULL)
                           : mloom_azure_endpoint_deployments_url(&self->endpoint);
  return service->probe.url == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static void release(mloom_service *service) {
  mloom_azure_endpoint_free(&((azure_instance *)service)->endpoint);
}

/* ---- Routes ---- */

static int is_dated(const char *api_version) {
  return api_version != NULL && api_version[0] >= '0' && api_version[0] <= '9';
}

static uint32_t route_for(const azure_instance *self, const char *model) {
  if (self->route != MLOOM_AZURE_ROUTE_AUTO) {
    return self->route;
  }
  if (mloom_text_compare_start_fold(model, "claude", 6) == 0) {
    return MLOOM_AZURE_ROUTE_ANTHROPIC;
  }
  return is_dated(self->api_version) ? MLOOM_AZURE_ROUTE_DEPLOYMENTS : MLOOM_AZURE_ROUTE_V1;
}

/* Some models know the Responses API only. */
static uint32_t api_for(const azure_instance *self, const char *model) {
  if (self->api != MLOOM_AZURE_API_AUTO) {
    return self->api;
  }
  return mloom_text_find_fold(model, "codex") != NULL || mloom_endpoint_ends_with(model, "-pro")
             ? MLOOM_AZURE_API_RESPONSES
             : MLOOM_AZURE_API_CHAT;
}

static const char *api_version_for(const azure_instance *self, uint32_t route, uint32_t api) {
  if (route == MLOOM_AZURE_ROUTE_V1) {
    return is_dated(self->api_version) ? NULL : self->api_version;
  }
  const char *usual = api == MLOOM_AZURE_API_RESPONSES ? RESPONSES_API_VERSION : CHAT_API_VERSION;
  return self->api_version == NULL ? usual : self->api_version;
}

static int32_t set_route(mloom_service *service, const mloom_session_args *args, mloom_route *route,
                         mloom_error *error) {
  azure_instance *self = (azure_instance *)service;
  uint32_t kind = route_for(self, args->model);
  uint32_t api = api_for(self, args->model);
  const char *operation = "messages";
  mloom_route_add_json_headers(route, self->chat.stream);
  if (kind == MLOOM_AZURE_ROUTE_ANTHROPIC) {
    route->dialect = mloom_messages_dialect();
    route->options = &self->messages;
    mloom_route_add_header(route, "anthropic-version",
                           mloom_provider_settings_text(&service->settings, "anthropic_version", "2023-06-01"));
    route->authorization = self->auth == AZURE_AUTH_KEY ? &self->anthropic_key : &service->authorization;
  } else if (api == MLOOM_AZURE_API_RESPONSES) {
    route->dialect = mloom_responses_dialect();
    route->options = &self->responses;
    operation = "responses";
  } else {
    route->dialect = mloom_chat_dialect();
    route->options = &self->chat;
    operation = "chat/completions";
  }
  route->url =
      mloom_azure_endpoint_url(&self->endpoint, kind, operation, args->model, api_version_for(self, kind, api));
  return route->url == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  static const mloom_service_type type = {.id = "azure-foundry",
                                          .environment_prefix = AZURE_PREFIX,
                                          .size = sizeof(azure_instance),
                                          .configure = configure,
                                          .release = release,
                                          .set_route = set_route,
                                          .choose_authorization = choose_authorization,
                                          .explain = azure_explain};
  return mloom_service_open(&type, args, out_instance, error);
}

/* ---- Check ---- */

/* What the method needs and has not; NULL when nothing is missing. */
static const char *missing_for(const azure_instance *self) {
  static const struct {
    const char *method;
    const char *field;
    const char *remedy;
  } needs[] = {
      {"api_key", "api_key",
       "set api_key (" AZURE_PREFIX "API_KEY), or choose an identity with auth_method "
       "(" AZURE_PREFIX "AUTH_METHOD)"},
      {"bearer_token", "bearer_token", "set bearer_token (" AZURE_PREFIX "BEARER_TOKEN)"},
      {"client_secret", "tenant_id", "set tenant_id (AZURE_TENANT_ID)"},
      {"client_secret", "client_id", "set client_id (AZURE_CLIENT_ID)"},
      {"client_certificate", "tenant_id", "set tenant_id (AZURE_TENANT_ID)"},
      {"client_certificate", "client_id", "set client_id (AZURE_CLIENT_ID)"},
      {"client_certificate", "client_certificate_path", "set client_certificate_path (AZURE_CLIENT_CERTIFICATE_PATH)"},
      {"workload_identity", "tenant_id", "set tenant_id (AZURE_TENANT_ID)"},
      {"workload_identity", "client_id", "set client_id (AZURE_CLIENT_ID)"},
  };
  int has_command =
      self->auth != AZURE_AUTH_IDENTITY && mloom_provider_settings_has(&self->service.settings, "credential_command");
  for (size_t i = 0; !has_command && i < sizeof(needs) / sizeof(needs[0]); i++) {
    if (strcmp(self->auth_method, needs[i].method) == 0 &&
        !mloom_provider_settings_has(&self->service.settings, needs[i].field)) {
      return needs[i].remedy;
    }
  }
  return NULL;
}

static int32_t instance_check(void *instance_pointer, const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  azure_instance *self = instance_pointer;
  const mloom_service *service = &self->service;
  const char *missing = missing_for(self);
  if (missing != NULL) {
    char reason[128];
    snprintf(reason, sizeof(reason), "authentication by %s lacks a setting", self->auth_method);
    mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, reason, missing);
    return MLOOM_OK;
  }
  int told = mloom_service_check_encryption(service, sink);
  if (!told && !mloom_azure_endpoint_is_azure(&self->endpoint) && !mloom_http_is_loopback(service->base_url)) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_WARN,
                                  "endpoint is no address of Azure, and the credential goes there",
                                  "check %s; a gateway of your own is fine");
    told = 1;
  }
  if (self->route == MLOOM_AZURE_ROUTE_V1 && is_dated(self->api_version)) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_WARN, "the v1 route takes no dated api_version",
                                  "unset api_version (" AZURE_PREFIX "API_VERSION), or set route "
                                  "(" AZURE_PREFIX "ROUTE) to deployments");
    told = 1;
  }
  if (!told) {
    mloom_service_report_plausible(service, sink);
  }
  return MLOOM_OK;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {"foundry", NULL};

static const mloom_provider provider = {
    MLOOM_SERVICE_PROVIDER,
    .id = "azure-foundry",
    .title = "Azure Foundry",
    .description = "Models in Microsoft Foundry and Azure OpenAI, with a key or an identity of Entra",
    .capabilities = MLOOM_CAPABILITY_TOOLS | MLOOM_CAPABILITY_STREAMING | MLOOM_CAPABILITY_MODEL_LIST |
                    MLOOM_CAPABILITY_PARALLEL_TOOLS,
    .aliases = aliases,
    .fields = azure_fields,
    .field_count = AZURE_FIELD_COUNT,
    .open = instance_open,
    .check = instance_check,
    MLOOM_SERVICE_PROBES,
};

static const mloom_plugin plugin =
    MLOOM_SERVICE_PLUGIN(provider, "azure-foundry", "Provider for Microsoft Foundry and Azure OpenAI");

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  return mloom_service_plugin(&plugin, host, error_text, error_size);
}
