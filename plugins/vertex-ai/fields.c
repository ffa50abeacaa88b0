/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include "wire/command_fields.h"
#include "wire/provider_settings.h"

static const char *const auth_choices[] = {"adc", "service_account_json", "access_token", NULL};
static const char *const mode_choices[] = {"structured", "raw-endpoint", NULL};
static const char *const dialect_choices[] = {"auto", "gemini", "anthropic", NULL};
static const char *const version_choices[] = {"v1", "v1beta1", NULL};
static const char *const schema_choices[] = {"json-schema", "openapi", NULL};
static const char *const tool_choices[] = {"omit", "auto", "any", "validated", NULL};
static const char *const level_choices[] = {"omit", "minimal", "low", "medium", "high", NULL};
static const char *const anthropic_choices[] = {"vertex-2023-10-16", "2026-10-21", NULL};
static const char *const thinking_choices[] = {"omit", "adaptive", "enabled", "disabled", NULL};
static const char *const effort_choices[] = {"omit", "low", "medium", "high", "xhigh", "max", NULL};

static const char *const project_names[] = {VERTEX_PREFIX "PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", NULL};
static const char *const location_names[] = {VERTEX_PREFIX "LOCATION", "GOOGLE_CLOUD_LOCATION", NULL};
static const char *const path_names[] = {"GOOGLE_APPLICATION_CREDENTIALS", NULL};
static const char *const quota_names[] = {VERTEX_PREFIX "QUOTA_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT", NULL};

#define FIELD(field, variable, ...) MLOOM_PROVIDER_FIELD(field, VERTEX_PREFIX variable, __VA_ARGS__)

FIELD(auth_method, "AUTH_METHOD", .title = "Identity", .kind = MLOOM_FIELD_CHOICE, .choices = auth_choices,
      .help = "adc: the identity of the machine or pod, or a file; access_token lives an hour and is for tests; unset "
              "takes what is configured, else adc");
MLOOM_PROVIDER_FIELD_OF(credentials_path, path_names, .title = "Credentials file", .kind = MLOOM_FIELD_PATH,
                        .shown_when_field = "auth_method", .shown_when_value = "adc",
                        .help = "Unset takes what gcloud left, or asks the metadata server");
FIELD(service_account_json, "SERVICE_ACCOUNT_JSON", .flags = MLOOM_FIELD_MULTILINE, .title = "Service account JSON",
      .kind = MLOOM_FIELD_SECRET, .shown_when_field = "auth_method", .shown_when_value = "service_account_json",
      .help = "Content of a key file");
FIELD(access_token, "ACCESS_TOKEN", .title = "Access token", .kind = MLOOM_FIELD_SECRET,
      .shown_when_field = "auth_method", .shown_when_value = "access_token",
      .help = "As gcloud auth print-access-token gives it; nobody renews it");
FIELD(
    endpoint_mode, "ENDPOINT_MODE", .title = "Endpoint", .kind = MLOOM_FIELD_CHOICE, .choices = mode_choices,
    .default_value = "structured",
    .help = "structured makes the address of project, location, publisher and model; raw-endpoint takes one as it is");
FIELD(endpoint_url, "ENDPOINT_URL", .title = "Endpoint URL", .kind = MLOOM_FIELD_URL,
      .shown_when_field = "endpoint_mode", .shown_when_value = "raw-endpoint",
      .help = "Address of a model or endpoint, with or without its operation");
MLOOM_PROVIDER_FIELD_OF(project_id, project_names, .title = "Project", .kind = MLOOM_FIELD_STRING,
                        .shown_when_field = "endpoint_mode", .shown_when_value = "structured",
                        .help = "Id of the Google Cloud project; unset takes that of the credentials");
MLOOM_PROVIDER_FIELD_OF(location, location_names, .title = "Location", .kind = MLOOM_FIELD_STRING,
                        .default_value = "global", .shown_when_field = "endpoint_mode",
                        .shown_when_value = "structured",
                        .help = "global, us, eu, or a region as us-east5; not every model is in each");
FIELD(publisher, "PUBLISHER", .title = "Publisher", .kind = MLOOM_FIELD_STRING, .default_value = "google",
      .shown_when_field = "endpoint_mode", .shown_when_value = "structured",
      .help = "Of models that name none: google, anthropic");
FIELD(model, "MODEL", .title = "Model", .kind = MLOOM_FIELD_STRING,
      .help = "Model that jobs use when nothing else names one: NAME, or PUBLISHER/NAME");
FIELD(base_url, "BASE_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Base URL", .kind = MLOOM_FIELD_URL,
      .shown_when_field = "endpoint_mode", .shown_when_value = "structured",
      .help = "Address in place of the location's own: a private endpoint or a gateway, the part before /v1");
FIELD(trust_endpoint, "TRUST_ENDPOINT", .flags = MLOOM_FIELD_ADVANCED, .title = "Trust a foreign host",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "false",
      .help =
          "Send Google's access tokens to a host outside of googleapis.com; counts in the deployment's own settings "
          "only");
FIELD(api_version, "API_VERSION", .flags = MLOOM_FIELD_ADVANCED, .title = "API version", .kind = MLOOM_FIELD_CHOICE,
      .choices = version_choices, .default_value = "v1", .shown_when_field = "endpoint_mode",
      .shown_when_value = "structured", .help = "v1beta1 has what is not released yet");
FIELD(dialect, "DIALECT", .flags = MLOOM_FIELD_ADVANCED, .title = "Dialect", .kind = MLOOM_FIELD_CHOICE,
      .choices = dialect_choices, .default_value = "auto",
      .help = "auto: anthropic for models of that publisher, gemini for all others");
MLOOM_PROVIDER_FIELD_OF(quota_project, quota_names, .flags = MLOOM_FIELD_ADVANCED, .title = "Quota project",
                        .kind = MLOOM_FIELD_STRING,
                        .help = "Project that is billed and limited, sent as x-goog-user-project");
FIELD(self_signed_jwt, "SELF_SIGNED_JWT", .flags = MLOOM_FIELD_ADVANCED, .title = "Sign tokens here",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "false",
      .help = "Let a service account sign its own tokens, without asking a token endpoint");
FIELD(token_hosts, "TOKEN_HOSTS", .flags = MLOOM_FIELD_ADVANCED, .title = "Token hosts", .kind = MLOOM_FIELD_LIST,
      .help = "Hosts besides Google's that a credentials file may name for tokens");
FIELD(max_output_tokens, "MAX_OUTPUT_TOKENS", .flags = MLOOM_FIELD_ADVANCED, .title = "Output tokens of a turn",
      .kind = MLOOM_FIELD_INTEGER, .minimum = 1, .maximum = 10000000,
      .help = "Limit of one answer, thinking included; unset leaves it to Gemini and is 32000 for Claude");
FIELD(stream, "STREAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Stream answers", .kind = MLOOM_FIELD_BOOLEAN,
      .default_value = "true",
      .help = "Ask for answers piece by piece, so that progress shows and a dead connection is noticed early");
FIELD(thinking_budget, "THINKING_BUDGET", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking budget",
      .kind = MLOOM_FIELD_INTEGER, .minimum = -1, .maximum = 10000000,
      .help = "Tokens to think for: Gemini 2.5 (0 none, -1 as it likes), and Claude with thinking enabled");
FIELD(thinking_level, "THINKING_LEVEL", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking level",
      .kind = MLOOM_FIELD_CHOICE, .choices = level_choices, .default_value = "omit",
      .help = "For Gemini 3 and later, in place of a budget");
FIELD(include_thoughts, "INCLUDE_THOUGHTS", .flags = MLOOM_FIELD_ADVANCED, .title = "Show thoughts",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "false", .help = "Ask Gemini for summaries of its thinking");
FIELD(tool_mode, "TOOL_MODE", .flags = MLOOM_FIELD_ADVANCED, .title = "Function calling", .kind = MLOOM_FIELD_CHOICE,
      .choices = tool_choices, .default_value = "omit",
      .help = "Gemini's mode; validated makes calls keep to their schemas; omit leaves it to the model");
FIELD(tool_schema, "TOOL_SCHEMA", .flags = MLOOM_FIELD_ADVANCED, .title = "Schemas of tools",
      .kind = MLOOM_FIELD_CHOICE, .choices = schema_choices, .default_value = "json-schema",
      .help = "How Gemini is told of arguments; openapi, a subset, for models that know no JSON Schema");
FIELD(anthropic_version, "ANTHROPIC_VERSION", .flags = MLOOM_FIELD_ADVANCED, .title = "Version of Messages",
      .kind = MLOOM_FIELD_CHOICE, .choices = anthropic_choices, .default_value = "vertex-2023-10-16",
      .help = "Sent to Claude as anthropic_version");
FIELD(
    thinking, "THINKING", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking of Claude", .kind = MLOOM_FIELD_CHOICE,
    .choices = thinking_choices, .default_value = "omit",
    .help = "adaptive for Claude 4.6 and later; enabled, with a budget, for earlier ones; omit leaves it to the model");
FIELD(effort, "EFFORT", .flags = MLOOM_FIELD_ADVANCED, .title = "Effort of Claude", .kind = MLOOM_FIELD_CHOICE,
      .choices = effort_choices, .default_value = "omit",
      .help = "How much the model spends on an answer; omit leaves it to the model, and older models know none");
FIELD(parallel_tool_calls, "PARALLEL_TOOL_CALLS", .flags = MLOOM_FIELD_ADVANCED, .title = "Parallel tool calls",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
      .help = "Whether Claude may call several tools in one turn; Gemini has no such switch");
FIELD(prompt_caching, "PROMPT_CACHING", .flags = MLOOM_FIELD_ADVANCED, .title = "Prompt caching",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
      .help = "Mark Claude's prompt for the cache; Gemini caches by itself");
FIELD(beta_headers, "BETA_HEADERS", .flags = MLOOM_FIELD_ADVANCED, .title = "Beta flags", .kind = MLOOM_FIELD_LIST,
      .help = "Sent to Claude as anthropic-beta; Vertex knows fewer than Anthropic, and refuses all others");

const mloom_field *const vertex_fields[VERTEX_FIELD_COUNT] = {&field_auth_method,
                                                              &field_credentials_path,
                                                              &field_service_account_json,
                                                              &field_access_token,
                                                              &field_endpoint_mode,
                                                              &field_endpoint_url,
                                                              &field_project_id,
                                                              &field_location,
                                                              &field_publisher,
                                                              &field_model,
                                                              &field_base_url,
                                                              &field_trust_endpoint,
                                                              &field_api_version,
                                                              &field_dialect,
                                                              &field_quota_project,
                                                              &field_self_signed_jwt,
                                                              &field_token_hosts,
                                                              &field_max_output_tokens,
                                                              &field_stream,
                                                              &field_thinking_budget,
                                                              &field_thinking_level,
                                                              &field_include_thoughts,
                                                              &field_tool_mode,
                                                              &field_tool_schema,
                                                              &field_anthropic_version,
                                                              &field_thinking,
                                                              &field_effort,
                                                              &field_parallel_tool_calls,
                                                              &field_prompt_caching,
                                                              &field_beta_headers,
                                                              MLOOM_COMMAND_FIELDS};
