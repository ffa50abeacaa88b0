/* SPDX-License-Identifier: Apache-2.0 */
#include "azure_foundry.h"

#include "wire/command_fields.h"

static const char *const auth_choices[] = {
    "api_key", "client_secret", "client_certificate", "managed_identity", "workload_identity", "bearer_token", NULL};
const char *const azure_route_choices[] = {"auto", "v1", "deployments", "anthropic", NULL};
const char *const azure_api_choices[] = {"auto", "chat_completions", "responses", NULL};
static const char *const max_tokens_choices[] = {"max_completion_tokens", "max_tokens", "none", NULL};
static const char *const parallel_choices[] = {"omit", "true", "false", NULL};
static const char *const encrypted_choices[] = {"auto", "true", "false", NULL};
static const char *const version_choices[] = {"2023-06-01", "2026-10-21", NULL};
static const char *const thinking_choices[] = {"omit", "adaptive", "enabled", "disabled", NULL};

#define FIELD(field, variable, ...) MLOOM_PROVIDER_FIELD(field, AZURE_PREFIX variable, __VA_ARGS__)

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
      .choices = azure_route_choices, .default_value = "auto",
      .help = "auto: what endpoint says; else anthropic for Claude, deployments with a dated api_version, v1");
FIELD(api, "API", .flags = MLOOM_FIELD_ADVANCED, .title = "API", .kind = MLOOM_FIELD_CHOICE,
      .choices = azure_api_choices, .default_value = "auto",
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
FIELD(encrypted_reasoning, "ENCRYPTED_REASONING", .flags = MLOOM_FIELD_ADVANCED, .title = "Encrypted reasoning",
      .kind = MLOOM_FIELD_CHOICE, .choices = encrypted_choices, .default_value = "auto",
      .help =
          "Responses API: ask for the reasoning, to send it back; auto does not where the deployment is called like "
          "a model known not to reason");
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

const mloom_field *const azure_fields[AZURE_FIELD_COUNT] = {&field_auth_method,
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
                                                            &field_encrypted_reasoning,
                                                            &field_thinking,
                                                            &field_thinking_budget,
                                                            &field_prompt_caching,
                                                            &field_anthropic_version,
                                                            MLOOM_COMMAND_FIELDS};
