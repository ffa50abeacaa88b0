/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for models in Microsoft Foundry and Azure OpenAI: three routes, three wires, keys and Entra identities.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "azure_endpoint.h"
#include "base/error.h"
#include "net/url.h"
#include "wire/chat.h"
#include "wire/command_fields.h"
#include "wire/endpoint.h"
#include "wire/messages.h"
#include "wire/responses.h"
#include "wire/service.h"

#define ENVIRONMENT_PREFIX "JCA_AZURE_FOUNDRY_"
#define CHAT_API_VERSION "2024-10-21"
#define RESPONSES_API_VERSION "2025-04-01-preview"

/* ---- Settings ---- */

static const char *const auth_choices[] = {
    "api_key", "client_secret", "client_certificate", "managed_identity", "workload_identity", "bearer_token", NULL};
static const char *const route_choices[] = {"auto", "v1", "deployments", "anthropic", NULL};
static const char *const api_choices[] = {"auto", "chat_completions", "responses", NULL};
static const char *const max_tokens_choices[] = {"max_completion_tokens", "max_tokens", "none", NULL};
static const char *const parallel_choices[] = {"omit", "true", "false", NULL};
static const char *const version_choices[] = {"2023-06-01", "2026-10-21", NULL};
static const char *const thinking_choices[] = {"omit", "adaptive", "enabled", "disabled", NULL};

#define FIELD(field, variable, ...) MLOOM_PROVIDER_FIELD(field, ENVIRONMENT_PREFIX variable, __VA_ARGS__)

FIELD(auth_method, "AUTH_METHOD", .title = "Authentication", .kind = MLOOM_FIELD_CHOICE, .choices = auth_choices,
      .help = "A key, an identity of Microsoft Entra, or a token; unset takes what is configured");
FIELD(endpoint, "ENDPOINT", .flags = MLOOM_FIELD_REQUIRED, .title = "Endpoint", .kind = MLOOM_FIELD_URL,
      .help =
          "Address of the resource, https://NAME.openai.azure.com or https://NAME.services.ai.azure.com, or what the "
          "portal shows as the target of a deployment");
FIELD(model, "MODEL", .title = "Deployment", .kind = MLOOM_FIELD_STRING,
      .help = "Name of the deployment that jobs use when nothing else names one");
FIELD(api_key, "API_KEY", .title = "API key", .kind = MLOOM_FIELD_SECRET, .shown_when_field = "auth_method",
      .shown_when_value = "api_key", .help = "One of the two keys of the resource; sent to endpoint only");
MLOOM_PROVIDER_FIELD(tenant_id, "AZURE_TENANT_ID", .title = "Tenant", .kind = MLOOM_FIELD_STRING,
                     .help = "Id of the directory, or one of its domains");
MLOOM_PROVIDER_FIELD(client_id, "AZURE_CLIENT_ID", .title = "Client id", .kind = MLOOM_FIELD_STRING,
                     .help = "Id of the application, or of a user-assigned managed identity");
MLOOM_PROVIDER_FIELD(client_secret, "AZURE_CLIENT_SECRET", .title = "Client secret", .kind = MLOOM_FIELD_SECRET,
                     .shown_when_field = "auth_method", .shown_when_value = "client_secret",
                     .help = "Secret of the application");
MLOOM_PROVIDER_FIELD(client_certificate_path, "AZURE_CLIENT_CERTIFICATE_PATH", .title = "Client certificate",
                     .kind = MLOOM_FIELD_PATH, .shown_when_field = "auth_method",
                     .shown_when_value = "client_certificate",
                     .help = "File with the key and the certificate of the application, PEM or PKCS #12 (PFX)");
MLOOM_PROVIDER_FIELD(client_certificate_password, "AZURE_CLIENT_CERTIFICATE_PASSWORD", .title = "Certificate password",
                     .kind = MLOOM_FIELD_SECRET, .flags = MLOOM_FIELD_ADVANCED, .shown_when_field = "auth_method",
                     .shown_when_value = "client_certificate",
                     .help = "Password of that file, when its key is encrypted");
MLOOM_PROVIDER_FIELD(federated_token_file, "AZURE_FEDERATED_TOKEN_FILE", .title = "Federated token file",
                     .kind = MLOOM_FIELD_PATH, .shown_when_field = "auth_method",
                     .shown_when_value = "workload_identity",
                     .help = "Where Kubernetes mounts the token of the service account; AKS sets it");
FIELD(bearer_token, "BEARER_TOKEN", .title = "Bearer token", .kind = MLOOM_FIELD_SECRET,
      .shown_when_field = "auth_method", .shown_when_value = "bearer_token",
      .help = "A token of Microsoft Entra, for tests: it expires within hours");
FIELD(token_scope, "TOKEN_SCOPE", .flags = MLOOM_FIELD_ADVANCED, .title = "Token scope", .kind = MLOOM_FIELD_STRING,
      .help = "What tokens are asked for; unset takes what the endpoint usually wants, and the other one once when the "
              "service says that the audience is wrong");
FIELD(trust_endpoint, "TRUST_ENDPOINT", .flags = MLOOM_FIELD_ADVANCED, .title = "Trust a foreign host",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "false",
      .help = "Let tokens of an identity go to an https endpoint outside of Azure OpenAI and Foundry, such as API "
              "Management or a gateway; counts in the deployment's own settings only");
MLOOM_PROVIDER_FIELD(authority_host, "AZURE_AUTHORITY_HOST", .flags = MLOOM_FIELD_ADVANCED, .title = "Authority",
                     .kind = MLOOM_FIELD_URL, .help = "Where tokens come from; unset is the public cloud's");
FIELD(managed_identity_resource_id, "MANAGED_IDENTITY_RESOURCE_ID", .flags = MLOOM_FIELD_ADVANCED,
      .title = "Managed identity: resource id", .kind = MLOOM_FIELD_STRING, .shown_when_field = "auth_method",
      .shown_when_value = "managed_identity", .help = "Names a user-assigned identity instead of client_id");
FIELD(managed_identity_object_id, "MANAGED_IDENTITY_OBJECT_ID", .flags = MLOOM_FIELD_ADVANCED,
      .title = "Managed identity: object id", .kind = MLOOM_FIELD_STRING, .shown_when_field = "auth_method",
      .shown_when_value = "managed_identity", .help = "Names a user-assigned identity instead of client_id");
FIELD(route, "ROUTE", .flags = MLOOM_FIELD_ADVANCED, .title = "Route", .kind = MLOOM_FIELD_CHOICE,
      .choices = route_choices, .default_value = "auto",
      .help = "auto: what endpoint says; else anthropic for Claude, deployments with a dated api_version, v1");
FIELD(api, "API", .flags = MLOOM_FIELD_ADVANCED, .title = "API", .kind = MLOOM_FIELD_CHOICE, .choices = api_choices,
      .default_value = "auto",
      .help = "Of the routes v1 and deployments. auto: what endpoint says; else responses for Codex and pro models, "
              "chat_completions");
FIELD(api_version, "API_VERSION", .flags = MLOOM_FIELD_ADVANCED, .title = "API version", .kind = MLOOM_FIELD_STRING,
      .help = "Date of the deployments route, or preview on the v1 route; unset sends none on v1");
FIELD(stream, "STREAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Stream answers", .kind = MLOOM_FIELD_BOOLEAN,
      .default_value = "true",
      .help = "Ask for answers piece by piece, so that progress shows and a dead connection is noticed early");
FIELD(include_usage, "INCLUDE_USAGE", .flags = MLOOM_FIELD_ADVANCED, .title = "Ask for token counts",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
      .help = "Chat completions: send stream_options; some models that are not OpenAI's refuse it");
FIELD(max_output_tokens, "MAX_OUTPUT_TOKENS", .flags = MLOOM_FIELD_ADVANCED, .title = "Output tokens of a turn",
      .kind = MLOOM_FIELD_INTEGER, .minimum = 16, .maximum = 10000000,
      .help = "Limit of one answer, reasoning included; unset leaves it to the service, and is 32000 for Claude");
FIELD(max_tokens_field, "MAX_TOKENS_FIELD", .flags = MLOOM_FIELD_ADVANCED, .title = "Member for the limit",
      .kind = MLOOM_FIELD_CHOICE, .choices = max_tokens_choices, .default_value = "max_completion_tokens",
      .help = "Chat completions: max_tokens for models that are not OpenAI's");
FIELD(parallel_tool_calls, "PARALLEL_TOOL_CALLS", .flags = MLOOM_FIELD_ADVANCED, .title = "Parallel tool calls",
      .kind = MLOOM_FIELD_CHOICE, .choices = parallel_choices, .default_value = "omit",
      .help = "Whether the model may call several tools in one turn; omit leaves it to the service");
FIELD(temperature, "TEMPERATURE", .flags = MLOOM_FIELD_ADVANCED, .title = "Temperature", .kind = MLOOM_FIELD_STRING,
      .help = "Chat completions: a number from 0 to 2; models that reason refuse it");
FIELD(reasoning_effort, "REASONING_EFFORT", .flags = MLOOM_FIELD_ADVANCED, .title = "Reasoning effort",
      .kind = MLOOM_FIELD_STRING, .help = "For models that reason, for instance low, medium or high; unset sends none");
FIELD(thinking, "THINKING", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking", .kind = MLOOM_FIELD_CHOICE,
      .choices = thinking_choices, .default_value = "omit", .help = "Claude: omit leaves it to the model");
FIELD(thinking_budget, "THINKING_BUDGET", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking budget",
      .kind = MLOOM_FIELD_INTEGER, .default_value = "8192", .minimum = 1024, .maximum = 10000000,
      .shown_when_field = "thinking", .shown_when_value = "enabled",
      .help = "Claude: tokens that the model may think for; less than the output tokens of a turn");
FIELD(prompt_caching, "PROMPT_CACHING", .flags = MLOOM_FIELD_ADVANCED, .title = "Prompt caching",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
      .help = "Let each turn read what it shares with the one before from the cache: marks for Claude, a key for the "
              "Responses API");
FIELD(anthropic_version, "ANTHROPIC_VERSION", .flags = MLOOM_FIELD_ADVANCED, .title = "Version of the Claude API",
      .kind = MLOOM_FIELD_CHOICE, .choices = version_choices, .default_value = "2023-06-01",
      .help = "Sent as anthropic-version");

static const mloom_field *const fields[] = {&field_auth_method,
                                            &field_endpoint,
                                            &field_model,
                                            &field_api_key,
                                            &field_tenant_id,
                                            &field_client_id,
                                            &field_client_secret,
                                            &field_client_certificate_path,
                                            &field_client_certificate_password,
                                            &field_federated_token_file,
                                            &field_bearer_token,
                                            &field_token_scope,
                                            &field_trust_endpoint,
                                            &field_authority_host,
                                            &field_managed_identity_resource_id,
                                            &field_managed_identity_object_id,
                                            &field_route,
                                            &field_api,
                                            &field_api_version,
                                            &field_stream,
                                            &field_include_usage,
                                            &field_max_output_tokens,
                                            &field_max_tokens_field,
                                            &field_parallel_tool_calls,
                                            &field_temperature,
                                            &field_reasoning_effort,
                                            &field_thinking,
                                            &field_thinking_budget,
                                            &field_prompt_caching,
                                            &field_anthropic_version,
                                            MLOOM_COMMAND_FIELDS};

/* ---- Instances ---- */

/* How requests are authorized. */
#define AUTH_KEY 0u
#define AUTH_BEARER 1u
#define AUTH_IDENTITY 2u

typedef struct instance {
  mloom_service service;
  mloom_azure_endpoint endpoint;
  mloom_chat_options chat;
  mloom_responses_options responses;
  mloom_messages_options messages;
  uint32_t route; /* forced, or what the endpoint says */
  uint32_t api;
  uint32_t auth;
  const char *auth_method;
  const char *api_version;
  int scope_is_set;
  atomic_uint attempt;               /* which of tokens is used: the service refused the audience of the first */
  mloom_authorization tokens[2];     /* AUTH_IDENTITY: one for each scope that may be meant */
  mloom_authorization anthropic_key; /* AUTH_KEY on the anthropic route */
} instance;

static const char *text_of(const instance *self, const char *name) {
  return mloom_provider_settings_text(&self->service.settings, name, NULL);
}

static uint32_t choice_of(const instance *self, const char *name, const char *const *choices, uint32_t fallback) {
  const char *value = text_of(self, name);
  for (uint32_t i = 1; value != NULL && choices[i] != NULL; i++) {
    if (strcmp(value, choices[i]) == 0) {
      return i;
    }
  }
  return fallback;
}

static void set_options(instance *self) {
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
  self->responses = (mloom_responses_options){.stream = stream,
                                              .parallel_tool_calls = parallel,
                                              .max_output_tokens = limit,
                                              .reasoning_effort = self->chat.reasoning_effort,
                                              .prompt_cache = cache};
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
static const char *auth_method_of(const instance *self) {
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

static void set_authorization(instance *self) {
  mloom_service *service = &self->service;
  const char *method = self->auth_method = auth_method_of(self);
  const char *const *sources = sources_of(method);
  self->auth = strcmp(method, "api_key") == 0        ? AUTH_KEY
               : strcmp(method, "bearer_token") == 0 ? AUTH_BEARER
                                                     : AUTH_IDENTITY;
  if (self->auth == AUTH_KEY) {
    mloom_service_set_authorization(service, sources, 0, "api-key", "");
    self->anthropic_key = service->authorization;
    self->anthropic_key.header = "x-api-key";
    service->names.has_key = mloom_provider_settings_has(&service->settings, "api_key") ||
                             mloom_provider_settings_has(&service->settings, "credential_command");
    return;
  }
  mloom_service_set_authorization(service, sources, 0, "Authorization", "Bearer ");
  service->names.has_key = 1;
  service->names.credential_field = "bearer_token (" ENVIRONMENT_PREFIX "BEARER_TOKEN)";
  if (self->auth == AUTH_IDENTITY) {
    const char *scope = text_of(self, "token_scope");
    service->names.credential_field = "auth_method (" ENVIRONMENT_PREFIX "AUTH_METHOD) and the identity behind it";
    self->scope_is_set = scope != NULL;
    for (unsigned i = 0; i < 2; i++) {
      self->tokens[i] = service->authorization;
      self->tokens[i].audience = scope != NULL ? scope : mloom_azure_endpoint_scope(&self->endpoint, i);
    }
  }
}

static const mloom_authorization *choose_authorization(mloom_service *service, const mloom_route *route) {
  instance *self = (instance *)service;
  return self->auth == AUTH_IDENTITY ? &self->tokens[atomic_load(&self->attempt)] : route->authorization;
}

/* Tokens of Entra are worth more than one resource: they go to Azure, or to this machine and where the deployment says
 * so. An identity of which a card or a gateway gives the secret is its own. */
static int32_t check_host(const instance *self, mloom_error *error) {
  const mloom_provider_settings *settings = &self->service.settings;
  const char *url = self->service.base_url;
  const char *secret = strcmp(self->auth_method, "client_secret") == 0 ? "client_secret" : NULL;
  if (self->auth != AUTH_IDENTITY ||
      (mloom_http_is_loopback(url) && mloom_provider_settings_may_send(settings, secret, "endpoint"))) {
    return MLOOM_OK;
  }
  if (mloom_endpoint_is_unencrypted(url)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_SETTINGS,
                           "set endpoint (" ENVIRONMENT_PREFIX "ENDPOINT) to an https address",
                           "azure-foundry does not send the tokens of an identity unencrypted to %.200s", url);
  }
  if (mloom_azure_endpoint_is_service(&self->endpoint) ||
      mloom_provider_settings_trusts(settings, secret, "endpoint")) {
    return MLOOM_OK;
  }
  return mloom_error_set(
      error, MLOOM_E_DENIED, MLOOM_DOMAIN_SETTINGS,
      "use the resource's own address; if this host may have the tokens of the identity, set " ENVIRONMENT_PREFIX
      "ENDPOINT to it and " ENVIRONMENT_PREFIX "TRUST_ENDPOINT to true in the deployment",
      "azure-foundry is not to send the tokens of an identity to %.200s", url);
}

static int32_t configure(mloom_service *service, mloom_error *error) {
  instance *self = (instance *)service;
  const char *url = text_of(self, "endpoint");
  if (url == NULL) {
    return mloom_service_set_base_url(service, "endpoint", NULL, error);
  }
  int32_t status = mloom_azure_endpoint_parse(&self->endpoint, url, "endpoint (" ENVIRONMENT_PREFIX "ENDPOINT)", error);
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
  self->route = choice_of(self, "route", route_choices, self->endpoint.route);
  self->api = choice_of(self, "api", api_choices, self->endpoint.api);
  set_options(self);
  set_authorization(self);
  status = check_host(self, error);
  if (status != MLOOM_OK) {
    return status;
  }
  /* A project tells its deployments to an identity. Elsewhere there is a list of what could be deployed, under other
   * names than those of the deployments: it only shows that the endpoint is reached and takes the credential. */
  service->has_no_model_list = !self->endpoint.is_project || self->auth == AUTH_KEY;
  service->probe.dialect = mloom_chat_dialect();
  mloom_route_add_header(&service->probe, "Accept", "application/json");
  service->probe.url = service->has_no_model_list
                           ? mloom_azure_endpoint_url(&self->endpoint, MLOOM_AZURE_ROUTE_V1, "models", NULL, NULL)
                           : mloom_azure_endpoint_deployments_url(&self->endpoint);
  return service->probe.url == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static void release(mloom_service *service) {
  mloom_azure_endpoint_free(&((instance *)service)->endpoint);
}

/* ---- Routes ---- */

static int is_dated(const char *api_version) {
  return api_version != NULL && api_version[0] >= '0' && api_version[0] <= '9';
}

static uint32_t route_for(const instance *self, const char *model) {
  if (self->route != MLOOM_AZURE_ROUTE_AUTO) {
    return self->route;
  }
  if (strncasecmp(model, "claude", 6) == 0) {
    return MLOOM_AZURE_ROUTE_ANTHROPIC;
  }
  return is_dated(self->api_version) ? MLOOM_AZURE_ROUTE_DEPLOYMENTS : MLOOM_AZURE_ROUTE_V1;
}

/* Some models know the Responses API only. */
static uint32_t api_for(const instance *self, const char *model) {
  if (self->api != MLOOM_AZURE_API_AUTO) {
    return self->api;
  }
  return strcasestr(model, "codex") != NULL || mloom_endpoint_ends_with(model, "-pro") ? MLOOM_AZURE_API_RESPONSES
                                                                                       : MLOOM_AZURE_API_CHAT;
}

static const char *api_version_for(const instance *self, uint32_t route, uint32_t api) {
  if (route == MLOOM_AZURE_ROUTE_V1) {
    return is_dated(self->api_version) ? NULL : self->api_version;
  }
  const char *usual = api == MLOOM_AZURE_API_RESPONSES ? RESPONSES_API_VERSION : CHAT_API_VERSION;
  return self->api_version == NULL ? usual : self->api_version;
}

static int32_t set_route(mloom_service *service, const mloom_session_args *args, mloom_route *route,
                         mloom_error *error) {
  instance *self = (instance *)service;
  uint32_t kind = route_for(self, args->model);
  uint32_t api = api_for(self, args->model);
  const char *operation = "messages";
  mloom_route_add_json_headers(route, self->chat.stream);
  if (kind == MLOOM_AZURE_ROUTE_ANTHROPIC) {
    route->dialect = mloom_messages_dialect();
    route->options = &self->messages;
    mloom_route_add_header(route, "anthropic-version",
                           mloom_provider_settings_text(&service->settings, "anthropic_version", "2023-06-01"));
    route->authorization = self->auth == AUTH_KEY ? &self->anthropic_key : &service->authorization;
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

/* ---- What the service says when it cannot answer ---- */

static int says(const mloom_error *error, const char *part) {
  return strcasestr(error->message, part) != NULL;
}

static int32_t explain_audience(instance *self, mloom_error *error) {
  unsigned attempt = atomic_load(&self->attempt);
  const char *used = self->tokens[attempt].audience;
  if (self->auth != AUTH_IDENTITY) {
    return mloom_service_set_remedy(error, MLOOM_E_UNAUTHENTICATED,
                                    "get a token for the scope that the message names, and set %s to it",
                                    self->service.names.credential_field);
  }
  if (attempt == 0 && !self->scope_is_set && self->tokens[1].audience != NULL) {
    const mloom_host *host = self->service.settings.host;
    atomic_store(&self->attempt, 1);
    host->log(host->ctx, MLOOM_LOG_WARNING, "azure-foundry",
              "the service refused the audience of the token: the other usual scope is tried; set token_scope to the "
              "right one");
  }
  return mloom_service_set_remedy(error, MLOOM_E_UNAUTHENTICATED,
                                  "set token_scope (" ENVIRONMENT_PREFIX "TOKEN_SCOPE) to what the message names, with "
                                  "/.default at its end; %s was refused",
                                  used);
}

static int32_t explain_unauthenticated(instance *self, int32_t code, mloom_error *error) {
  if (says(error, "audience")) {
    return explain_audience(self, error);
  }
  if (error->http_status == 403 && (says(error, "public access") || says(error, "virtual network") ||
                                    says(error, "firewall") || says(error, "private endpoint"))) {
    return mloom_service_set_remedy(error, MLOOM_E_DENIED,
                                    "let this machine's network reach the resource: its private endpoint, or the "
                                    "resource's network rules");
  }
  if (says(error, "permissiondenied") || says(error, "data action") || error->http_status == 403) {
    return mloom_service_set_remedy(
        error, MLOOM_E_DENIED,
        "give the identity the role Cognitive Services OpenAI User, or Azure AI User, on the resource; it takes effect "
        "within minutes");
  }
  if (self->auth == AUTH_KEY && self->service.names.has_key) {
    return mloom_service_set_remedy(error, code,
                                    "set api_key (" ENVIRONMENT_PREFIX "API_KEY) to a key of the resource %s itself; a "
                                    "resource may also refuse keys, and then an identity is needed (auth_method)",
                                    self->service.base_url);
  }
  return code;
}

static int32_t explain(mloom_service *service, const char *model, int32_t code, mloom_error *error) {
  instance *self = (instance *)service;
  if (error == NULL || error->http_status == 0) {
    return code;
  }
  if (error->http_status == 401 || error->http_status == 403) {
    return explain_unauthenticated(self, code, error);
  }
  if (says(error, "DeploymentNotFound") || (code == MLOOM_E_NOT_FOUND && says(error, "deployment"))) {
    return mloom_service_set_remedy(error, MLOOM_E_NOT_FOUND,
                                    "set model (" ENVIRONMENT_PREFIX
                                    "MODEL) to the name of a deployment of %s, now %s: the deployment's own name, "
                                    "not the model's; a new one is there after some minutes",
                                    service->base_url, model[0] == '\0' ? "unset" : model);
  }
  if (says(error, "api version") || says(error, "api-version")) {
    return mloom_service_set_remedy(error, code,
                                    "set api_version (" ENVIRONMENT_PREFIX
                                    "API_VERSION) to one that the service knows, "
                                    "or leave it unset for the v1 route");
  }
  if (says(error, "OperationNotSupported") || says(error, "does not work with the specified model")) {
    return mloom_service_set_remedy(error, MLOOM_E_UNSUPPORTED,
                                    "set api (" ENVIRONMENT_PREFIX
                                    "API) to responses or chat_completions, the one that "
                                    "the model of %s knows",
                                    model);
  }
  if (code == MLOOM_E_NOT_FOUND) {
    return mloom_service_set_remedy(
        error, code,
        "the resource has no such route: check endpoint (" ENVIRONMENT_PREFIX "ENDPOINT), now %s, and route "
        "(" ENVIRONMENT_PREFIX "ROUTE): v1, deployments with an api_version, or anthropic for Claude",
        service->base_url);
  }
  if (code == MLOOM_E_REFUSED || says(error, "content management policy") || says(error, "content_filter")) {
    return mloom_service_set_remedy(error, MLOOM_E_REFUSED,
                                    "the content filter of the deployment blocked it: change the ticket, or assign the "
                                    "deployment a filter that allows such content");
  }
  if (says(error, "encrypted content") || says(error, "could not be verified")) {
    return mloom_service_set_remedy(error, code,
                                    "let one job talk to one resource: reasoning is readable by the deployment that "
                                    "wrote it only");
  }
  return code;
}

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  static const mloom_service_type type = {.id = "azure-foundry",
                                          .environment_prefix = ENVIRONMENT_PREFIX,
                                          .size = sizeof(instance),
                                          .configure = configure,
                                          .release = release,
                                          .set_route = set_route,
                                          .choose_authorization = choose_authorization,
                                          .explain = explain};
  return mloom_service_open(&type, args, out_instance, error);
}

/* ---- Check ---- */

/* What the method needs and has not; NULL when nothing is missing. */
static const char *missing_for(const instance *self) {
  static const struct {
    const char *method;
    const char *field;
    const char *remedy;
  } needs[] = {
      {"api_key", "api_key",
       "set api_key (" ENVIRONMENT_PREFIX "API_KEY), or choose an identity with auth_method "
       "(" ENVIRONMENT_PREFIX "AUTH_METHOD)"},
      {"bearer_token", "bearer_token", "set bearer_token (" ENVIRONMENT_PREFIX "BEARER_TOKEN)"},
      {"client_secret", "tenant_id", "set tenant_id (AZURE_TENANT_ID)"},
      {"client_secret", "client_id", "set client_id (AZURE_CLIENT_ID)"},
      {"client_certificate", "tenant_id", "set tenant_id (AZURE_TENANT_ID)"},
      {"client_certificate", "client_id", "set client_id (AZURE_CLIENT_ID)"},
      {"client_certificate", "client_certificate_path", "set client_certificate_path (AZURE_CLIENT_CERTIFICATE_PATH)"},
      {"workload_identity", "tenant_id", "set tenant_id (AZURE_TENANT_ID)"},
      {"workload_identity", "client_id", "set client_id (AZURE_CLIENT_ID)"},
  };
  int has_command =
      self->auth != AUTH_IDENTITY && mloom_provider_settings_has(&self->service.settings, "credential_command");
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
  instance *self = instance_pointer;
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
                                  "unset api_version (" ENVIRONMENT_PREFIX "API_VERSION), or set route "
                                  "(" ENVIRONMENT_PREFIX "ROUTE) to deployments");
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
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .open = instance_open,
    .check = instance_check,
    MLOOM_SERVICE_PROBES,
};

static const mloom_plugin plugin =
    MLOOM_SERVICE_PLUGIN(provider, "azure-foundry", "Provider for Microsoft Foundry and Azure OpenAI");

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  return mloom_service_plugin(&plugin, host, error_text, error_size);
}
