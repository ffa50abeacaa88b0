/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings of aws-bedrock.
 */
#include "aws_bedrock.h"
#include "wire/command_fields.h"

#define FIELD(field, variable, ...) MLOOM_PROVIDER_FIELD(field, BEDROCK_ENVIRONMENT_PREFIX variable, __VA_ARGS__)

static const char *const auth_choices[] = {"default_chain", "static_keys", "profile", "bearer_token", NULL};
static const char *const api_choices[] = {"converse", "invoke", "mantle", NULL};
static const char *const version_choices[] = {"default", "2026-10-21", NULL};
static const char *const thinking_choices[] = {"omit", "adaptive", "enabled", "disabled", NULL};
static const char *const effort_choices[] = {"omit", "low", "medium", "high", "xhigh", "max", NULL};
static const char *const caching_choices[] = {"auto", "on", "off", NULL};
static const char *const ttl_choices[] = {"5m", "1h", NULL};
static const char *const latency_choices[] = {"omit", "standard", "optimized", NULL};

static const char *const region_variables[] = {BEDROCK_ENVIRONMENT_PREFIX "REGION", "AWS_REGION", "AWS_DEFAULT_REGION",
                                               NULL};

FIELD(auth_method, "AUTH_METHOD", .title = "Authentication", .kind = MLOOM_FIELD_CHOICE, .choices = auth_choices,
      .default_value = "default_chain",
      .help =
          "default_chain finds an identity as the programs of AWS do: a Bedrock API key, keys, a web identity token "
          "(IRSA), a profile, a container, an instance");
MLOOM_PROVIDER_FIELD_OF(region, region_variables, .title = "Region", .kind = MLOOM_FIELD_STRING,
                        .help = "Region of the service, such as us-east-1; else that of the profile or of the ARN in "
                                "model");
FIELD(model, "MODEL_ID", .title = "Model ID", .kind = MLOOM_FIELD_STRING,
      .help = "Model that jobs use when nothing else names one: an id, the id of an inference profile, or an ARN");
MLOOM_PROVIDER_FIELD(access_key_id, "AWS_ACCESS_KEY_ID", .title = "Access key ID", .kind = MLOOM_FIELD_SECRET,
                     .shown_when_field = "auth_method", .shown_when_value = "static_keys",
                     .help = "Belongs to secret_access_key");
MLOOM_PROVIDER_FIELD(secret_access_key, "AWS_SECRET_ACCESS_KEY", .title = "Secret access key",
                     .kind = MLOOM_FIELD_SECRET, .shown_when_field = "auth_method", .shown_when_value = "static_keys",
                     .help = "Signs requests, and is never sent");
MLOOM_PROVIDER_FIELD(session_token, "AWS_SESSION_TOKEN", .title = "Session token", .kind = MLOOM_FIELD_SECRET,
                     .shown_when_field = "auth_method", .shown_when_value = "static_keys",
                     .help = "Only for keys of a role or session, which expire");
MLOOM_PROVIDER_FIELD(profile, "AWS_PROFILE", .title = "Profile", .kind = MLOOM_FIELD_STRING,
                     .shown_when_field = "auth_method", .shown_when_value = "profile",
                     .help = "A profile of ~/.aws/config or ~/.aws/credentials");
MLOOM_PROVIDER_FIELD(bearer_token, "AWS_BEARER_TOKEN_BEDROCK", .title = "Bedrock API key", .kind = MLOOM_FIELD_SECRET,
                     .shown_when_field = "auth_method", .shown_when_value = "bearer_token",
                     .help = "Sent as it is; no other credentials are looked for then");
FIELD(api, "API", .flags = MLOOM_FIELD_ADVANCED, .title = "API", .kind = MLOOM_FIELD_CHOICE, .choices = api_choices,
      .default_value = "converse",
      .help = "converse serves all models; invoke and mantle serve Claude in Anthropic's own format");
FIELD(endpoint_url, "ENDPOINT_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Endpoint URL", .kind = MLOOM_FIELD_URL,
      .help = "Address of the service instead of that of the region: a VPC endpoint, a gateway, a sandbox");
FIELD(control_endpoint_url, "CONTROL_ENDPOINT_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Control plane URL",
      .kind = MLOOM_FIELD_URL, .help = "Address that lists models, instead of that of the region");
FIELD(max_output_tokens, "MAX_OUTPUT_TOKENS", .flags = MLOOM_FIELD_ADVANCED, .title = "Output tokens of a turn",
      .kind = MLOOM_FIELD_INTEGER, .minimum = 1, .maximum = 10000000,
      .help =
          "Limit of one answer, thinking included; it counts against the quota in advance. Unset, converse leaves it "
          "to the model, and the others take 32000");
FIELD(thinking, "THINKING", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking", .kind = MLOOM_FIELD_CHOICE,
      .choices = thinking_choices, .default_value = "omit",
      .help = "For Claude: adaptive for 4.6 and later, enabled, with a budget, for earlier ones");
FIELD(thinking_budget, "THINKING_BUDGET", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking budget",
      .kind = MLOOM_FIELD_INTEGER, .default_value = "8192", .minimum = 1024, .maximum = 10000000,
      .shown_when_field = "thinking", .shown_when_value = "enabled",
      .help = "Tokens that the model may think for; less than the output tokens of a turn");
FIELD(effort, "EFFORT", .flags = MLOOM_FIELD_ADVANCED, .title = "Effort", .kind = MLOOM_FIELD_CHOICE,
      .choices = effort_choices, .default_value = "omit",
      .help = "How much the model spends on an answer; most models know none");
FIELD(prompt_caching, "PROMPT_CACHING", .flags = MLOOM_FIELD_ADVANCED, .title = "Prompt caching",
      .kind = MLOOM_FIELD_CHOICE, .choices = caching_choices, .default_value = "auto",
      .help = "Mark the prompt so that each turn reads what it shares with the one before from the cache; auto does it "
              "for ids of Claude and Nova, and other models refuse it");
FIELD(cache_ttl, "CACHE_TTL", .flags = MLOOM_FIELD_ADVANCED, .title = "Cache lifetime", .kind = MLOOM_FIELD_CHOICE,
      .choices = ttl_choices, .default_value = "5m",
      .help = "How long a cached prompt is kept after its last use; 1h costs more to write, and few models know it");
FIELD(latency, "LATENCY", .flags = MLOOM_FIELD_ADVANCED, .title = "Latency", .kind = MLOOM_FIELD_CHOICE,
      .choices = latency_choices, .default_value = "omit", .shown_when_field = "api", .shown_when_value = "converse",
      .help = "optimized is faster where the model has it");
FIELD(additional_fields, "ADDITIONAL_FIELDS", .flags = MLOOM_FIELD_ADVANCED, .title = "Fields of the model",
      .kind = MLOOM_FIELD_STRING, .shown_when_field = "api", .shown_when_value = "converse",
      .help = "A JSON object, sent as additionalModelRequestFields: what one model alone knows");
FIELD(anthropic_version, "ANTHROPIC_VERSION", .flags = MLOOM_FIELD_ADVANCED, .title = "Anthropic version",
      .kind = MLOOM_FIELD_CHOICE, .choices = version_choices, .default_value = "default",
      .help = "For invoke and mantle: default is the older one that all models know; 2026-10-21 wants Claude 4.7 or "
              "later");
FIELD(beta_headers, "BETA_HEADERS", .flags = MLOOM_FIELD_ADVANCED, .title = "Beta flags", .kind = MLOOM_FIELD_LIST,
      .help = "For invoke and mantle; Bedrock knows few of Anthropic's, and refuses requests with others");
FIELD(stream, "STREAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Stream answers", .kind = MLOOM_FIELD_BOOLEAN,
      .default_value = "true",
      .help = "Ask for answers piece by piece, so that progress shows and a dead connection is noticed early; some "
              "models can use tools in whole answers only");

const mloom_field *const bedrock_fields[BEDROCK_FIELD_COUNT] = {&field_auth_method,
                                                                &field_region,
                                                                &field_model,
                                                                &field_access_key_id,
                                                                &field_secret_access_key,
                                                                &field_session_token,
                                                                &field_profile,
                                                                &field_bearer_token,
                                                                &field_api,
                                                                &field_endpoint_url,
                                                                &field_control_endpoint_url,
                                                                &field_max_output_tokens,
                                                                &field_thinking,
                                                                &field_thinking_budget,
                                                                &field_effort,
                                                                &field_prompt_caching,
                                                                &field_cache_ttl,
                                                                &field_latency,
                                                                &field_additional_fields,
                                                                &field_anthropic_version,
                                                                &field_beta_headers,
                                                                &field_stream,
                                                                MLOOM_COMMAND_FIELDS};
