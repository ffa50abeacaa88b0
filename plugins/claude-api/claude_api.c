/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for Anthropic's own service, and for gateways in front of it.
 */
#include "config.h"

#include <string.h>

#include "wire/command_fields.h"
#include "wire/endpoint.h"
#include "wire/messages.h"
#include "wire/service.h"

#define ENVIRONMENT_PREFIX "JCA_ANTHROPIC_"
#define DEFAULT_BASE_URL "https://api.anthropic.com"

/* ---- Settings ---- */

static const char *const version_choices[] = {"2023-06-01", "2026-10-21", NULL};
static const char *const auth_choices[] = {"x-api-key", "bearer", NULL};
static const char *const thinking_choices[] = {"omit", "adaptive", "enabled", "disabled", NULL};
static const char *const display_choices[] = {"omit", "summarized", "omitted", NULL};
static const char *const effort_choices[] = {"omit", "low", "medium", "high", "xhigh", "max", NULL};
static const char *const ttl_choices[] = {"5m", "1h", NULL};

MLOOM_PROVIDER_FIELD(api_key, ENVIRONMENT_PREFIX "API_KEY", .flags = MLOOM_FIELD_REQUIRED, MLOOM_UNLESS_COMMAND,
                     .title = "API key", .kind = MLOOM_FIELD_SECRET, .help = "Sent to base_url only");
MLOOM_PROVIDER_FIELD(model, ENVIRONMENT_PREFIX "MODEL", .title = "Model", .kind = MLOOM_FIELD_STRING,
                     .help = "Model that jobs use when nothing else names one");
MLOOM_PROVIDER_FIELD(base_url, ENVIRONMENT_PREFIX "BASE_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Base URL",
                     .kind = MLOOM_FIELD_URL, .default_value = DEFAULT_BASE_URL,
                     .help = "Address of the API, the part before /v1/messages; another one for a gateway");
MLOOM_PROVIDER_FIELD(anthropic_version, ENVIRONMENT_PREFIX "VERSION", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "API version", .kind = MLOOM_FIELD_CHOICE, .choices = version_choices,
                     .default_value = "2023-06-01",
                     .help = "Sent as anthropic-version; the older one is known to more gateways and models");
MLOOM_PROVIDER_FIELD(auth_header, ENVIRONMENT_PREFIX "AUTH_HEADER", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Header of the key", .kind = MLOOM_FIELD_CHOICE, .choices = auth_choices,
                     .default_value = "x-api-key",
                     .help = "bearer sends the key as Authorization: Bearer, for gateways and OAuth tokens");
MLOOM_PROVIDER_FIELD(
    max_output_tokens, ENVIRONMENT_PREFIX "MAX_OUTPUT_TOKENS", .flags = MLOOM_FIELD_ADVANCED,
    .title = "Output tokens of a turn", .kind = MLOOM_FIELD_INTEGER, .default_value = "32000", .minimum = 1,
    .maximum = 10000000,
    .help = "Limit of one answer, thinking included; the service wants one, and refuses more than the model can give");
MLOOM_PROVIDER_FIELD(
    thinking, ENVIRONMENT_PREFIX "THINKING", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking",
    .kind = MLOOM_FIELD_CHOICE, .choices = thinking_choices, .default_value = "omit",
    .help = "adaptive for Claude 4.6 and later; enabled, with a budget, for earlier ones; omit leaves it to the model");
MLOOM_PROVIDER_FIELD(thinking_budget, ENVIRONMENT_PREFIX "THINKING_BUDGET", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Thinking budget", .kind = MLOOM_FIELD_INTEGER, .default_value = "8192", .minimum = 1024,
                     .maximum = 10000000, .shown_when_field = "thinking", .shown_when_value = "enabled",
                     .help = "Tokens that the model may think for; less than the output tokens of a turn");
MLOOM_PROVIDER_FIELD(thinking_display, ENVIRONMENT_PREFIX "THINKING_DISPLAY", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Show thinking", .kind = MLOOM_FIELD_CHOICE, .choices = display_choices,
                     .default_value = "omit", .shown_when_field = "thinking", .shown_when_value = "adaptive",
                     .help = "Whether a summary of the thinking is sent; omit leaves it to the model");
MLOOM_PROVIDER_FIELD(
    effort, ENVIRONMENT_PREFIX "EFFORT", .flags = MLOOM_FIELD_ADVANCED, .title = "Effort", .kind = MLOOM_FIELD_CHOICE,
    .choices = effort_choices, .default_value = "omit",
    .help = "How much the model spends on an answer; omit leaves it to the model, and older models know none");
MLOOM_PROVIDER_FIELD(parallel_tool_calls, ENVIRONMENT_PREFIX "PARALLEL_TOOL_CALLS", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Parallel tool calls", .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
                     .help = "Whether the model may call several tools in one turn");
MLOOM_PROVIDER_FIELD(
    prompt_caching, ENVIRONMENT_PREFIX "PROMPT_CACHING", .flags = MLOOM_FIELD_ADVANCED, .title = "Prompt caching",
    .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
    .help = "Mark the prompt so that each turn reads what it shares with the one before from the cache");
MLOOM_PROVIDER_FIELD(cache_ttl, ENVIRONMENT_PREFIX "CACHE_TTL", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Cache lifetime", .kind = MLOOM_FIELD_CHOICE, .choices = ttl_choices,
                     .default_value = "5m", .shown_when_field = "prompt_caching", .shown_when_value = "true",
                     .help = "How long a cached prompt is kept after its last use; 1h costs more to write");
MLOOM_PROVIDER_FIELD(
    beta_headers, ENVIRONMENT_PREFIX "BETA_HEADERS", .flags = MLOOM_FIELD_ADVANCED, .title = "Beta flags",
    .kind = MLOOM_FIELD_LIST,
    .help = "Sent as anthropic-beta; a flag that the service does not know makes it refuse every request");
MLOOM_PROVIDER_FIELD(
    stream, ENVIRONMENT_PREFIX "STREAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Stream answers",
    .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
    .help = "Ask for answers piece by piece, so that progress shows and a dead connection is noticed early");

static const mloom_field *const fields[] = {&field_api_key,
                                            &field_model,
                                            &field_base_url,
                                            &field_anthropic_version,
                                            &field_auth_header,
                                            &field_max_output_tokens,
                                            &field_thinking,
                                            &field_thinking_budget,
                                            &field_thinking_display,
                                            &field_effort,
                                            &field_parallel_tool_calls,
                                            &field_prompt_caching,
                                            &field_cache_ttl,
                                            &field_beta_headers,
                                            &field_stream,
                                            MLOOM_COMMAND_FIELDS};

/* ---- Instances ---- */

typedef struct instance {
  mloom_service service;
  mloom_messages_options options;
} instance;

static void set_options(instance *self) {
  const mloom_provider_settings *settings = &self->service.settings;
  self->options = (mloom_messages_options){
      .send_model = 1,
      .stream = mloom_provider_settings_boolean(settings, "stream", 1),
      .parallel_tool_calls = mloom_provider_settings_boolean(settings, "parallel_tool_calls", 1),
      .cache = mloom_provider_settings_boolean(settings, "prompt_caching", 1),
      .max_output_tokens = mloom_provider_settings_number(settings, "max_output_tokens", MLOOM_MESSAGES_OUTPUT_TOKENS),
      .thinking = mloom_provider_settings_choice(settings, "thinking"),
      .thinking_budget = mloom_provider_settings_number(settings, "thinking_budget", 8192),
      .thinking_display = mloom_provider_settings_choice(settings, "thinking_display"),
      .effort = mloom_provider_settings_choice(settings, "effort")};
  const char *ttl = mloom_provider_settings_text(settings, "cache_ttl", "5m");
  self->options.cache_ttl = strcmp(ttl, "5m") == 0 ? NULL : ttl; /* what the service takes without being told */
}

static void add_headers(const mloom_service *service, mloom_route *route) {
  mloom_route_add_header(route, "anthropic-version",
                         mloom_provider_settings_text(&service->settings, "anthropic_version", "2023-06-01"));
  mloom_route_add_header(route, "anthropic-beta",
                         mloom_provider_settings_text(&service->settings, "beta_headers", NULL));
}

static int32_t configure(mloom_service *service, mloom_error *error) {
  static const char *const sources[] = {"command", "static", NULL};
  int32_t status = mloom_service_set_base_url(service, "base_url", DEFAULT_BASE_URL, error);
  if (status != MLOOM_OK) {
    return status;
  }
  mloom_service_strip_base_url(service, "/v1"); /* other APIs want it there */
  set_options((instance *)service);
  const char *header = mloom_provider_settings_text(&service->settings, "auth_header", "x-api-key");
  int bearer = strcmp(header, "bearer") == 0;
  mloom_service_set_authorization(service, sources, 0, bearer ? "Authorization" : "x-api-key", bearer ? "Bearer " : "");
  service->names.has_key = 1;
  service->probe.dialect = mloom_messages_dialect();
  mloom_route_add_header(&service->probe, "Accept", "application/json");
  add_headers(service, &service->probe);
  return mloom_service_set_url(service, &service->probe, "/v1/models?limit=1000", error);
}

static int32_t set_route(mloom_service *service, const mloom_session_args *args, mloom_route *route,
                         mloom_error *error) {
  (void)args;
  instance *self = (instance *)service;
  route->dialect = mloom_messages_dialect();
  route->options = &self->options;
  mloom_route_add_json_headers(route, self->options.stream);
  add_headers(service, route);
  return mloom_service_set_url(service, route, "/v1/messages", error);
}

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  static const mloom_service_type type = {.id = "claude-api",
                                          .environment_prefix = ENVIRONMENT_PREFIX,
                                          .size = sizeof(instance),
                                          .configure = configure,
                                          .set_route = set_route,
                                          .page_member = "after_id"};
  return mloom_service_open(&type, args, out_instance, error);
}

static int32_t instance_check(void *instance_pointer, const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  instance *self = instance_pointer;
  const mloom_service *service = &self->service;
  const mloom_messages_options *options = &self->options;
  if (mloom_endpoint_ends_with(service->base_url, "/messages") ||
      mloom_endpoint_ends_with(service->base_url, "/models")) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, "base_url holds the path of one operation",
                                  "cut /v1/messages off the end of %s");
  } else if (!mloom_service_check_thinking(service, sink, options->thinking, options->thinking_budget,
                                           options->max_output_tokens) &&
             !mloom_service_check_encryption(service, sink)) {
    mloom_service_report_plausible(service, sink);
  }
  return MLOOM_OK;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {"anthropic", NULL};

static const mloom_provider provider = {
    MLOOM_SERVICE_PROVIDER,
    .id = "claude-api",
    .title = "Claude API",
    .description = "Anthropic's Messages API with an API key",
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
    MLOOM_SERVICE_PLUGIN(provider, "claude-api", "Provider for Anthropic's Messages API");

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  return mloom_service_plugin(&plugin, host, error_text, error_size);
}
