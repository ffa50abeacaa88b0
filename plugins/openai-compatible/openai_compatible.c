/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for any server that speaks chat completions.
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "wire/chat.h"
#include "wire/command_fields.h"
#include "wire/endpoint.h"
#include "wire/service.h"

#define ENVIRONMENT_PREFIX "JCA_OPENAI_COMPATIBLE_"

/* ---- Settings ---- */

static const char *const max_tokens_choices[] = {"max_tokens", "max_completion_tokens", "none", NULL};
static const char *const parallel_choices[] = {"omit", "true", "false", NULL};
static const char *const echo_choices[] = {"none", "reasoning_content", "reasoning", NULL};

MLOOM_PROVIDER_FIELD_OF(base_url, NULL, .flags = MLOOM_FIELD_REQUIRED, .title = "Base URL", .kind = MLOOM_FIELD_URL,
                        .help = "Address of the API, the part before /chat/completions; it often ends with /v1");
MLOOM_PROVIDER_FIELD_OF(api_key, NULL, MLOOM_UNLESS_COMMAND, .title = "API key", .kind = MLOOM_FIELD_SECRET,
                        .help = "Sent as a bearer token, to base_url only; leave it unset for servers that want none");
MLOOM_PROVIDER_FIELD_OF(model, NULL, .title = "Model", .kind = MLOOM_FIELD_STRING,
                        .help = "Model of jobs that name none");
MLOOM_PROVIDER_FIELD_OF(
    stream, NULL, .flags = MLOOM_FIELD_ADVANCED, .title = "Stream answers", .kind = MLOOM_FIELD_BOOLEAN,
    .default_value = "true",
    .help = "Ask for answers piece by piece, so that progress shows and a dead connection is noticed early");
MLOOM_PROVIDER_FIELD_OF(include_usage, NULL, .flags = MLOOM_FIELD_ADVANCED, .title = "Ask for token counts",
                        .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true", .shown_when_field = "stream",
                        .shown_when_value = "true",
                        .help = "Send stream_options with include_usage; switch it off for servers that refuse it");
MLOOM_PROVIDER_FIELD_OF(max_output_tokens, NULL, .flags = MLOOM_FIELD_ADVANCED, .title = "Output tokens of a turn",
                        .kind = MLOOM_FIELD_INTEGER, .minimum = 1, .maximum = 10000000,
                        .help = "Limit of one answer; unset leaves it to the server");
MLOOM_PROVIDER_FIELD_OF(max_tokens_field, NULL, .flags = MLOOM_FIELD_ADVANCED, .title = "Member for the limit",
                        .kind = MLOOM_FIELD_CHOICE, .choices = max_tokens_choices, .default_value = "max_tokens",
                        .help = "Name under which this server expects the limit of an answer");
MLOOM_PROVIDER_FIELD_OF(parallel_tool_calls, NULL, .flags = MLOOM_FIELD_ADVANCED, .title = "Parallel tool calls",
                        .kind = MLOOM_FIELD_CHOICE, .choices = parallel_choices, .default_value = "omit",
                        .help = "Whether the model may call several tools in one turn; omit leaves it to the server");
MLOOM_PROVIDER_FIELD_OF(temperature, NULL, .flags = MLOOM_FIELD_ADVANCED, .title = "Temperature",
                        .kind = MLOOM_FIELD_STRING, .help = "A number from 0 to 2; unset leaves it to the server");
MLOOM_PROVIDER_FIELD_OF(reasoning_effort, NULL, .flags = MLOOM_FIELD_ADVANCED, .title = "Reasoning effort",
                        .kind = MLOOM_FIELD_STRING,
                        .help = "For models that reason, for instance low, medium or high; unset sends none");
MLOOM_PROVIDER_FIELD_OF(echo_reasoning, NULL, .flags = MLOOM_FIELD_ADVANCED, .title = "Send reasoning back",
                        .kind = MLOOM_FIELD_CHOICE, .choices = echo_choices, .default_value = "none",
                        .help = "Member of earlier answers that this server wants back with the reasoning it gave");

static const mloom_field *const fields[] = {&field_base_url,
                                            &field_api_key,
                                            &field_model,
                                            &field_stream,
                                            &field_include_usage,
                                            &field_max_output_tokens,
                                            &field_max_tokens_field,
                                            &field_parallel_tool_calls,
                                            &field_temperature,
                                            &field_reasoning_effort,
                                            &field_echo_reasoning,
                                            MLOOM_COMMAND_FIELDS};

/* ---- Instances ---- */

typedef struct instance {
  mloom_service service;
  mloom_chat_options options;
} instance;

static int is_number(const char *text) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text, strlen(text));
  int kind = mloom_json_reader_peek(&reader);
  mloom_json_reader_skip(&reader);
  return (kind == MLOOM_JSON_INTEGER || kind == MLOOM_JSON_NUMBER) && mloom_json_reader_end(&reader) == MLOOM_OK;
}

static int32_t set_options(instance *self, mloom_error *error) {
  const mloom_provider_settings *settings = &self->service.settings;
  self->options = (mloom_chat_options){
      .stream = mloom_provider_settings_boolean(settings, "stream", 1),
      .include_usage = mloom_provider_settings_boolean(settings, "include_usage", 1),
      .max_tokens_field = mloom_provider_settings_text(settings, "max_tokens_field", "max_tokens"),
      .max_output_tokens = mloom_provider_settings_number(settings, "max_output_tokens", 0),
      .parallel_tool_calls = mloom_provider_settings_optional_boolean(settings, "parallel_tool_calls"),
      .reasoning_effort = mloom_provider_settings_text(settings, "reasoning_effort", NULL),
      .echo_reasoning = mloom_provider_settings_choice(settings, "echo_reasoning"),
      .temperature = mloom_provider_settings_text(settings, "temperature", NULL)};
  if (strcmp(self->options.max_tokens_field, "none") == 0) {
    self->options.max_tokens_field = NULL;
  }
  if (self->options.temperature != NULL && !is_number(self->options.temperature)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set temperature (" ENVIRONMENT_PREFIX "TEMPERATURE) to a number such as 0.2, or unset it",
                           "temperature of openai-compatible is no number");
  }
  return MLOOM_OK;
}

static int32_t configure(mloom_service *service, mloom_error *error) {
  static const char *const sources[] = {"command", "static", NULL};
  int32_t status = mloom_service_set_base_url(service, "base_url", NULL, error);
  if (status == MLOOM_OK) {
    status = set_options((instance *)service, error);
  }
  if (status != MLOOM_OK) {
    return status;
  }
  mloom_service_set_authorization(service, sources, MLOOM_AUTHORIZATION_OPTIONAL, "Authorization", "Bearer ");
  service->names.has_key = mloom_provider_settings_has(&service->settings, "api_key") ||
                           mloom_provider_settings_has(&service->settings, "credential_command");
  service->probe.dialect = mloom_chat_dialect();
  mloom_route_add_header(&service->probe, "Accept", "application/json");
  return mloom_service_set_url(service, &service->probe, "/models", error);
}

static int32_t set_route(mloom_service *service, const mloom_session_args *args, mloom_route *route,
                         mloom_error *error) {
  (void)args;
  instance *self = (instance *)service;
  route->dialect = mloom_chat_dialect();
  route->options = &self->options;
  mloom_route_add_json_headers(route, self->options.stream);
  return mloom_service_set_url(service, route, "/chat/completions", error);
}

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  static const mloom_service_type type = {.id = "openai-compatible",
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
  static const char *const operations[] = {"/models", "/completions", "/responses", "/messages"};
  if (mloom_endpoint_ends_with(service->base_url, "/chat/completions")) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, "base_url holds the path of one operation",
                                  "cut /chat/completions off the end of %s");
    return MLOOM_OK;
  }
  int told = 0;
  for (size_t i = 0; !told && i < sizeof(operations) / sizeof(operations[0]); i++) {
    if (mloom_endpoint_ends_with(service->base_url, operations[i])) {
      mloom_service_report_settings(service, sink, MLOOM_CHECK_WARN, "base_url ends with the path of an operation",
                                    "set %s to the part before it");
      told = 1;
    }
  }
  told |= mloom_service_check_path(service, sink);
  if (service->names.has_key) {
    told |= mloom_service_check_encryption(service, sink);
  }
  if (!told) {
    mloom_service_report_plausible(service, sink);
  }
  return MLOOM_OK;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {NULL};

static const mloom_provider provider = {
    MLOOM_SERVICE_PROVIDER,
    .id = "openai-compatible",
    .title = "OpenAI-compatible",
    .description = "Any server that speaks chat completions with tool calls",
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
    MLOOM_SERVICE_PLUGIN(provider, "openai-compatible", "Provider for servers that speak OpenAI's chat completions");

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  return mloom_service_plugin(&plugin, host, error_text, error_size);
}
