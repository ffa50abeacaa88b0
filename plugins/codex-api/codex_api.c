/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for OpenAI's Responses API with an API key.
 */
#include "config.h"

#include "wire/command_fields.h"
#include "wire/endpoint.h"
#include "wire/responses.h"
#include "wire/service.h"

#define ENVIRONMENT_PREFIX "JCA_OPENAI_"
#define DEFAULT_BASE_URL "https://api.openai.com/v1"

/* ---- Settings ---- */

static const char *const parallel_choices[] = {"omit", "true", "false", NULL};
static const char *const encrypted_choices[] = {"auto", "true", "false", NULL};
static const char *const verbosity_choices[] = {"low", "medium", "high", NULL};
static const char *const summary_choices[] = {"auto", "concise", "detailed", NULL};

MLOOM_PROVIDER_FIELD(api_key, ENVIRONMENT_PREFIX "API_KEY", .flags = MLOOM_FIELD_REQUIRED, MLOOM_UNLESS_COMMAND,
                     .title = "API key", .kind = MLOOM_FIELD_SECRET,
                     .help = "Sent as a bearer token, to base_url only");
MLOOM_PROVIDER_FIELD(model, ENVIRONMENT_PREFIX "MODEL", .title = "Model", .kind = MLOOM_FIELD_STRING,
                     .help = "Model that jobs use when nothing else names one");
MLOOM_PROVIDER_FIELD(base_url, ENVIRONMENT_PREFIX "BASE_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Base URL",
                     .kind = MLOOM_FIELD_URL, .default_value = DEFAULT_BASE_URL,
                     .help = "Address of the API, the part before /responses");
MLOOM_PROVIDER_FIELD(organization, ENVIRONMENT_PREFIX "ORGANIZATION", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Organization", .kind = MLOOM_FIELD_STRING,
                     .help = "Sent as OpenAI-Organization; unset takes the key's own");
MLOOM_PROVIDER_FIELD(project, ENVIRONMENT_PREFIX "PROJECT", .flags = MLOOM_FIELD_ADVANCED, .title = "Project",
                     .kind = MLOOM_FIELD_STRING, .help = "Sent as OpenAI-Project; unset takes the key's own");
MLOOM_PROVIDER_FIELD(
    stream, ENVIRONMENT_PREFIX "STREAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Stream answers",
    .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
    .help = "Ask for answers piece by piece, so that progress shows and a dead connection is noticed early");
MLOOM_PROVIDER_FIELD(max_output_tokens, ENVIRONMENT_PREFIX "MAX_OUTPUT_TOKENS", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Output tokens of a turn", .kind = MLOOM_FIELD_INTEGER, .minimum = 16,
                     .maximum = 10000000,
                     .help = "Limit of one answer, reasoning included; unset leaves it to the service");
MLOOM_PROVIDER_FIELD(parallel_tool_calls, ENVIRONMENT_PREFIX "PARALLEL_TOOL_CALLS", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Parallel tool calls", .kind = MLOOM_FIELD_CHOICE, .choices = parallel_choices,
                     .default_value = "omit",
                     .help = "Whether the model may call several tools in one turn; omit leaves it to the service");
MLOOM_PROVIDER_FIELD(reasoning_effort, ENVIRONMENT_PREFIX "REASONING_EFFORT", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Reasoning effort", .kind = MLOOM_FIELD_STRING,
                     .help = "For models that reason, for instance low, medium or high; unset sends none");
MLOOM_PROVIDER_FIELD(reasoning_summary, ENVIRONMENT_PREFIX "REASONING_SUMMARY", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Reasoning summary", .kind = MLOOM_FIELD_CHOICE, .choices = summary_choices,
                     .help = "Ask for a summary of the reasoning to show; unset asks for none");
MLOOM_PROVIDER_FIELD(
    encrypted_reasoning, ENVIRONMENT_PREFIX "ENCRYPTED_REASONING", .flags = MLOOM_FIELD_ADVANCED,
    .title = "Encrypted reasoning", .kind = MLOOM_FIELD_CHOICE, .choices = encrypted_choices, .default_value = "auto",
    .help = "Ask for the reasoning, to send it back with the next turn; auto does not with models known not to reason");
MLOOM_PROVIDER_FIELD(verbosity, ENVIRONMENT_PREFIX "VERBOSITY", .flags = MLOOM_FIELD_ADVANCED, .title = "Verbosity",
                     .kind = MLOOM_FIELD_CHOICE, .choices = verbosity_choices,
                     .help = "How much the model writes; unset leaves it to the service");
MLOOM_PROVIDER_FIELD(service_tier, ENVIRONMENT_PREFIX "SERVICE_TIER", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Service tier", .kind = MLOOM_FIELD_STRING,
                     .help = "For instance default, flex or priority; unset leaves it to the project");
MLOOM_PROVIDER_FIELD(
    prompt_cache, ENVIRONMENT_PREFIX "PROMPT_CACHE", .flags = MLOOM_FIELD_ADVANCED, .title = "Prompt cache key",
    .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
    .help = "Send one prompt_cache_key for all turns of a job, so that they find what is cached of the earlier ones");

static const mloom_field *const fields[] = {&field_api_key,
                                            &field_model,
                                            &field_base_url,
                                            &field_organization,
                                            &field_project,
                                            &field_stream,
                                            &field_max_output_tokens,
                                            &field_parallel_tool_calls,
                                            &field_reasoning_effort,
                                            &field_reasoning_summary,
                                            &field_encrypted_reasoning,
                                            &field_verbosity,
                                            &field_service_tier,
                                            &field_prompt_cache,
                                            MLOOM_COMMAND_FIELDS};

/* ---- Instances ---- */

typedef struct instance {
  mloom_service service;
  mloom_responses_options options;
} instance;

static void set_options(instance *self) {
  const mloom_provider_settings *settings = &self->service.settings;
  self->options = (mloom_responses_options){
      .stream = mloom_provider_settings_boolean(settings, "stream", 1),
      .max_output_tokens = mloom_provider_settings_number(settings, "max_output_tokens", 0),
      .parallel_tool_calls = mloom_provider_settings_optional_boolean(settings, "parallel_tool_calls"),
      .reasoning_effort = mloom_provider_settings_text(settings, "reasoning_effort", NULL),
      .reasoning_summary = mloom_provider_settings_text(settings, "reasoning_summary", NULL),
      .verbosity = mloom_provider_settings_text(settings, "verbosity", NULL),
      .service_tier = mloom_provider_settings_text(settings, "service_tier", NULL),
      .prompt_cache = mloom_provider_settings_boolean(settings, "prompt_cache", 1),
      .encrypted_reasoning = mloom_provider_settings_optional_boolean(settings, "encrypted_reasoning")};
}

static void add_account_headers(const mloom_service *service, mloom_route *route) {
  mloom_route_add_header(route, "OpenAI-Organization",
                         mloom_provider_settings_text(&service->settings, "organization", NULL));
  mloom_route_add_header(route, "OpenAI-Project", mloom_provider_settings_text(&service->settings, "project", NULL));
}

static int32_t configure(mloom_service *service, mloom_error *error) {
  static const char *const sources[] = {"command", "static", NULL};
  int32_t status = mloom_service_set_base_url(service, "base_url", DEFAULT_BASE_URL, error);
  if (status != MLOOM_OK) {
    return status;
  }
  set_options((instance *)service);
  mloom_service_set_authorization(service, sources, 0, "Authorization", "Bearer ");
  service->names.has_key = mloom_provider_settings_has(&service->settings, "api_key") ||
                           mloom_provider_settings_has(&service->settings, "credential_command");
  service->names.operation = "/responses";
  service->probe.dialect = mloom_responses_dialect();
  mloom_route_add_header(&service->probe, "Accept", "application/json");
  add_account_headers(service, &service->probe);
  return mloom_service_set_url(service, &service->probe, "/models", error);
}

static int32_t set_route(mloom_service *service, const mloom_session_args *args, mloom_route *route,
                         mloom_error *error) {
  (void)args;
  instance *self = (instance *)service;
  route->dialect = mloom_responses_dialect();
  route->options = &self->options;
  mloom_route_add_json_headers(route, self->options.stream);
  add_account_headers(service, route);
  return mloom_service_set_url(service, route, "/responses", error);
}

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  static const mloom_service_type type = {.id = "codex-api",
                                          .environment_prefix = ENVIRONMENT_PREFIX,
                                          .size = sizeof(instance),
                                          .configure = configure,
                                          .set_route = set_route};
  return mloom_service_open(&type, args, out_instance, error);
}

static int32_t instance_check(void *instance_pointer, const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  instance *self = instance_pointer;
  const mloom_service *service = &self->service;
  if (mloom_endpoint_ends_with(service->base_url, "/responses") ||
      mloom_endpoint_ends_with(service->base_url, "/chat/completions") ||
      mloom_endpoint_ends_with(service->base_url, "/models")) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, "base_url ends with the path of one operation",
                                  "set %s to the part before it");
    return MLOOM_OK;
  }
  int told = mloom_service_check_path(service, sink);
  if (service->names.has_key) {
    told |= mloom_service_check_encryption(service, sink);
  }
  if (!told) {
    mloom_service_report_plausible(service, sink);
  }
  return MLOOM_OK;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {"openai", NULL};

static const mloom_provider provider = {
    MLOOM_SERVICE_PROVIDER,
    .id = "codex-api",
    .title = "Codex API",
    .description = "OpenAI's Responses API with an API key",
    .capabilities = MLOOM_CAPABILITY_TOOLS | MLOOM_CAPABILITY_STREAMING | MLOOM_CAPABILITY_MODEL_LIST |
                    MLOOM_CAPABILITY_PARALLEL_TOOLS,
    .aliases = aliases,
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .open = instance_open,
    .check = instance_check,
    MLOOM_SERVICE_PROBES,
};

static const mloom_plugin plugin = MLOOM_SERVICE_PLUGIN(provider, "codex-api", "Provider for OpenAI's Responses API");

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  return mloom_service_plugin(&plugin, host, error_text, error_size);
}
