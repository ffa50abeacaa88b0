/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for any server that speaks chat completions.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "wire/chat.h"
#include "wire/model_list.h"

#define ENVIRONMENT_PREFIX "JCA_OPENAI_COMPATIBLE_"
#define HEADER_INIT \
  { .size = (uint32_t)sizeof(mloom_header) }

/* ---- Settings ---- */

static const char *const max_tokens_choices[] = {"max_tokens", "max_completion_tokens", "none", NULL};
static const char *const parallel_choices[] = {"omit", "true", "false", NULL};
static const char *const echo_choices[] = {"none", "reasoning_content", "reasoning", NULL};

#define FIELD(variable, ...) static const mloom_field variable = {.size = (uint32_t)sizeof(mloom_field), __VA_ARGS__}

FIELD(field_base_url, .flags = MLOOM_FIELD_REQUIRED, .name = "base_url", .title = "Base URL", .kind = MLOOM_FIELD_URL,
      .help = "Address of the API, the part before /chat/completions; it often ends with /v1");
FIELD(field_api_key, .name = "api_key", .title = "API key", .kind = MLOOM_FIELD_SECRET,
      .help = "Sent as a bearer token, to base_url only; leave it unset for servers that want none");
FIELD(field_model, .name = "model", .title = "Model", .kind = MLOOM_FIELD_STRING,
      .help = "Model of jobs that name none");
FIELD(field_stream, .flags = MLOOM_FIELD_ADVANCED, .name = "stream", .title = "Stream answers",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
      .help = "Ask for answers piece by piece, so that progress shows and a dead connection is noticed early");
FIELD(field_include_usage, .flags = MLOOM_FIELD_ADVANCED, .name = "include_usage", .title = "Ask for token counts",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true", .shown_when_field = "stream", .shown_when_value = "true",
      .help = "Send stream_options with include_usage; switch it off for servers that refuse it");
FIELD(field_max_output_tokens, .flags = MLOOM_FIELD_ADVANCED, .name = "max_output_tokens",
      .title = "Output tokens of a turn", .kind = MLOOM_FIELD_INTEGER, .minimum = 1, .maximum = 10000000,
      .help = "Limit of one answer; unset leaves it to the server");
FIELD(field_max_tokens_field, .flags = MLOOM_FIELD_ADVANCED, .name = "max_tokens_field",
      .title = "Member for the limit", .kind = MLOOM_FIELD_CHOICE, .choices = max_tokens_choices,
      .default_value = "max_tokens", .help = "Name under which this server expects the limit of an answer");
FIELD(field_parallel_tool_calls, .flags = MLOOM_FIELD_ADVANCED, .name = "parallel_tool_calls",
      .title = "Parallel tool calls", .kind = MLOOM_FIELD_CHOICE, .choices = parallel_choices, .default_value = "omit",
      .help = "Whether the model may call several tools in one turn; omit leaves it to the server");
FIELD(field_temperature, .flags = MLOOM_FIELD_ADVANCED, .name = "temperature", .title = "Temperature",
      .kind = MLOOM_FIELD_STRING, .help = "A number from 0 to 2; unset leaves it to the server");
FIELD(field_reasoning_effort, .flags = MLOOM_FIELD_ADVANCED, .name = "reasoning_effort", .title = "Reasoning effort",
      .kind = MLOOM_FIELD_STRING, .help = "For models that reason, for instance low, medium or high; unset sends none");
FIELD(field_echo_reasoning, .flags = MLOOM_FIELD_ADVANCED, .name = "echo_reasoning", .title = "Send reasoning back",
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
                                            &field_echo_reasoning};

/* ---- Instances ---- */

typedef struct instance {
  const mloom_host *host;
  const mloom_settings *settings;
  mloom_chat_options options;
  const char *default_model;
  char *base_url; /* without a slash at its end */
  char *chat_url;
  char *models_url;
  char *audience; /* scheme and authority of base_url: the key goes nowhere else */
  int has_key;
  /* The probe's exchange. */
  mloom_authorization authorization;
  mloom_http_request request;
  mloom_header accept;
  const mloom_header *headers[1];
} instance;

static const char *const credential_sources[] = {"static", NULL};

static mloom_setting get(const instance *self, const char *name) {
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  if (self->host->setting_get(self->host->ctx, self->settings, name, &setting) != MLOOM_OK) {
    memset(&setting, 0, sizeof(setting));
  }
  return setting;
}

static const char *get_text(const instance *self, const char *name, const char *fallback) {
  const char *value = get(self, name).value;
  return value != NULL && value[0] != '\0' ? value : fallback;
}

static int get_boolean(const instance *self, const char *name, int fallback) {
  static const char *const yes[] = {"true", "1", "yes", "on"};
  const char *value = get_text(self, name, NULL);
  for (size_t i = 0; value != NULL && i < sizeof(yes) / sizeof(yes[0]); i++) {
    if (strcasecmp(value, yes[i]) == 0) {
      return 1;
    }
  }
  return value == NULL ? fallback : 0;
}

static char *join(const char *a, size_t a_size, const char *b) {
  char *out = malloc(a_size + strlen(b) + 1);
  if (out != NULL) {
    memcpy(out, a, a_size);
    strcpy(out + a_size, b);
  }
  return out;
}

static size_t audience_size(const char *url) {
  const char *authority = strstr(url, "://");
  authority = authority == NULL ? url : authority + 3;
  return (size_t)(authority - url) + strcspn(authority, "/?#");
}

static int32_t set_urls(instance *self, mloom_error *error) {
  const char *url = get_text(self, "base_url", NULL);
  if (url == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_SETTINGS,
                           "set base_url (" ENVIRONMENT_PREFIX "BASE_URL) to the address of the API",
                           "openai-compatible has no base_url");
  }
  if (strpbrk(url, "?#") != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set base_url (" ENVIRONMENT_PREFIX "BASE_URL) to an address without ? and #",
                           "base_url of openai-compatible has a query or fragment");
  }
  size_t size = strlen(url);
  while (size > 0 && url[size - 1] == '/') {
    size--;
  }
  self->base_url = join(url, size, "");
  self->chat_url = join(url, size, "/chat/completions");
  self->models_url = join(url, size, "/models");
  self->audience = join(url, audience_size(url), "");
  if (self->base_url == NULL || self->chat_url == NULL || self->models_url == NULL || self->audience == NULL) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static int is_number(const char *text) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text, strlen(text));
  int kind = mloom_json_reader_peek(&reader);
  mloom_json_reader_skip(&reader);
  return (kind == MLOOM_JSON_INTEGER || kind == MLOOM_JSON_NUMBER) && mloom_json_reader_end(&reader) == MLOOM_OK;
}

static int32_t set_options(instance *self, mloom_error *error) {
  mloom_chat_options *options = &self->options;
  options->stream = get_boolean(self, "stream", 1);
  options->include_usage = get_boolean(self, "include_usage", 1);
  options->max_tokens_field = get_text(self, "max_tokens_field", "max_tokens");
  if (strcmp(options->max_tokens_field, "none") == 0) {
    options->max_tokens_field = NULL;
  }
  int64_t limit = 0;
  const char *limit_text = get_text(self, "max_output_tokens", NULL);
  if (limit_text != NULL && mloom_text_parse_int64(mloom_text_bytes(limit_text), &limit) == MLOOM_OK && limit > 0) {
    options->max_output_tokens = (uint64_t)limit;
  }
  const char *parallel = get_text(self, "parallel_tool_calls", "omit");
  options->parallel_tool_calls = strcmp(parallel, "omit") == 0 ? -1 : strcmp(parallel, "true") == 0;
  options->reasoning_effort = get_text(self, "reasoning_effort", NULL);
  options->echo_reasoning = get_text(self, "echo_reasoning", "none");
  if (strcmp(options->echo_reasoning, "none") == 0) {
    options->echo_reasoning = NULL;
  }
  options->temperature = get_text(self, "temperature", NULL);
  if (options->temperature != NULL && !is_number(options->temperature)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set temperature (" ENVIRONMENT_PREFIX "TEMPERATURE) to a number such as 0.2, or unset it",
                           "temperature of openai-compatible is no number");
  }
  return MLOOM_OK;
}

static void instance_close(void *instance_pointer) {
  instance *self = instance_pointer;
  free(self->base_url);
  free(self->chat_url);
  free(self->models_url);
  free(self->audience);
  free(self);
}

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  instance *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->host = args->host;
  self->settings = args->settings;
  self->default_model = get_text(self, "model", "");
  self->has_key = get(self, "api_key").secret != NULL;
  int32_t status = set_urls(self, error);
  if (status == MLOOM_OK) {
    status = set_options(self, error);
  }
  if (status != MLOOM_OK) {
    instance_close(self);
    return status;
  }
  self->authorization = (mloom_authorization){.size = (uint32_t)sizeof(mloom_authorization),
                                              .flags = MLOOM_AUTHORIZATION_OPTIONAL,
                                              .sources = credential_sources,
                                              .audience = self->audience,
                                              .header = "Authorization",
                                              .prefix = "Bearer "};
  *out_instance = self;
  return MLOOM_OK;
}

static mloom_service_names names_of(const instance *self, const char *model) {
  return (mloom_service_names){.model = model,
                               .base_url = self->base_url,
                               .models_url = self->models_url,
                               .environment_prefix = ENVIRONMENT_PREFIX,
                               .has_key = self->has_key};
}

/* ---- Checks and probes ---- */

static int ends_with(const char *text, const char *end) {
  size_t size = strlen(text);
  size_t end_size = strlen(end);
  return size >= end_size && strcasecmp(text + size - end_size, end) == 0;
}

static int is_loopback(const char *url) {
  const char *host = strstr(url, "://");
  host = host == NULL ? url : host + 3;
  size_t size = strcspn(host, ":/");
  return (size == 9 && strncasecmp(host, "localhost", 9) == 0) || strncmp(host, "127.", 4) == 0 ||
         strncmp(host, "[::1]", 5) == 0;
}

static int32_t instance_check(void *instance_pointer, const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  instance *self = instance_pointer;
  int told = 0;
  if (ends_with(self->base_url, "/chat/completions")) {
    sink->check("settings", MLOOM_CHECK_FAIL, "base_url holds the path of one operation",
                "cut /chat/completions off the end of base_url (" ENVIRONMENT_PREFIX "BASE_URL)", sink->userdata);
    return MLOOM_OK;
  }
  if (ends_with(self->base_url, "/models") || ends_with(self->base_url, "/completions") ||
      ends_with(self->base_url, "/responses") || ends_with(self->base_url, "/messages")) {
    sink->check("settings", MLOOM_CHECK_WARN, "base_url ends with the path of an operation",
                "set base_url (" ENVIRONMENT_PREFIX "BASE_URL) to the part before it", sink->userdata);
    told = 1;
  }
  if (self->base_url[audience_size(self->base_url)] == '\0') {
    sink->check("settings", MLOOM_CHECK_WARN, "base_url has no path, but most servers have their API below /v1",
                "if the service is not reached, append /v1 to base_url (" ENVIRONMENT_PREFIX "BASE_URL)",
                sink->userdata);
    told = 1;
  }
  if (self->has_key && strncasecmp(self->base_url, "http://", 7) == 0 && !is_loopback(self->base_url)) {
    sink->check("settings", MLOOM_CHECK_WARN, "the key goes over the network unencrypted, for base_url is http",
                "use an https address in base_url (" ENVIRONMENT_PREFIX "BASE_URL)", sink->userdata);
    told = 1;
  }
  if (!told) {
    sink->check("settings", MLOOM_CHECK_PASS, "base_url and options are plausible", "", sink->userdata);
  }
  return MLOOM_OK;
}

static int32_t instance_probe(void *instance_pointer, uint32_t kind, mloom_exchange *out, mloom_error *error) {
  instance *self = instance_pointer;
  if (kind != MLOOM_PROBE_REACH && kind != MLOOM_PROBE_MODELS) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, NULL, "no such probe");
  }
  self->accept = (mloom_header)HEADER_INIT;
  self->accept.name = "Accept";
  self->accept.value = "application/json";
  self->headers[0] = &self->accept;
  self->request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                       .method = "GET",
                                       .url = self->models_url,
                                       .headers = self->headers,
                                       .header_count = 1};
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->request;
  out->authorization = &self->authorization;
  return MLOOM_OK;
}

static int32_t instance_probe_result(void *instance_pointer, uint32_t kind, int32_t http_status, const char *body,
                                     size_t body_size, const mloom_probe_sink *sink, mloom_error *error) {
  instance *self = instance_pointer;
  mloom_service_names names = names_of(self, self->default_model);
  mloom_service_error failure;
  if (http_status >= 200 && http_status <= 299) {
    if (mloom_model_list_read(body, body_size, sink)) {
      return MLOOM_OK;
    }
    mloom_service_error_read_body(&failure, body, body_size);
    if (failure.html) {
      return mloom_service_error_report(&failure, http_status, &names, error);
    }
    return kind == MLOOM_PROBE_REACH ? MLOOM_OK
                                     : mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER,
                                                       "nothing has to be done: the model is tried when a job uses it",
                                                       "%s gives no list of models", self->models_url);
  }
  if (http_status == 404 || http_status == 405 || http_status == 501) {
    if (kind == MLOOM_PROBE_REACH) {
      return MLOOM_OK; /* it answers; that it keeps no list of models is its right */
    }
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER,
                           "nothing has to be done: the model is tried when a job uses it",
                           "the service has no list of models (HTTP %d of %s)", (int)http_status, self->models_url);
  }
  mloom_service_error_read_body(&failure, body, body_size);
  return mloom_service_error_report(&failure, http_status, &names, error);
}

/* ---- Sessions ---- */

typedef struct session {
  instance *owner;
  mloom_chat_request chat;
  mloom_chat_decoder decoder;
  char *model;
  char **tool_names; /* ends with NULL */
  uint64_t turn;
  mloom_http_request request;
  mloom_header content_type;
  mloom_header accept;
  const mloom_header *headers[2];
} session;

static void session_free(void *session_pointer) {
  session *self = session_pointer;
  mloom_chat_request_free(&self->chat);
  mloom_chat_decoder_free(&self->decoder);
  for (size_t i = 0; self->tool_names != NULL && self->tool_names[i] != NULL; i++) {
    free(self->tool_names[i]);
  }
  free(self->tool_names);
  free(self->model);
  free(self);
}

static int32_t copy_names(session *self, const mloom_session_args *args) {
  self->model = join(args->model, strlen(args->model), "");
  self->tool_names = calloc(args->tool_count + 1, sizeof(*self->tool_names));
  if (self->model == NULL || self->tool_names == NULL) {
    return MLOOM_E_MEMORY;
  }
  for (size_t i = 0; i < args->tool_count; i++) {
    self->tool_names[i] = join(args->tools[i]->name, strlen(args->tools[i]->name), "");
    if (self->tool_names[i] == NULL) {
      return MLOOM_E_MEMORY;
    }
  }
  return MLOOM_OK;
}

static int32_t session_new(void *instance_pointer, const mloom_session_args *args, void **out_session,
                           mloom_error *error) {
  instance *owner = instance_pointer;
  session *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  mloom_session_args effective = *args;
  if (effective.model == NULL || effective.model[0] == '\0') {
    effective.model = owner->default_model;
  }
  mloom_chat_options options = owner->options;
  if (args->max_output_tokens > 0 &&
      (options.max_output_tokens == 0 || args->max_output_tokens < options.max_output_tokens)) {
    options.max_output_tokens = args->max_output_tokens;
  }
  self->owner = owner;
  mloom_chat_decoder_init(&self->decoder, NULL);
  if (copy_names(self, &effective) != MLOOM_OK ||
      mloom_chat_request_init(&self->chat, &options, effective.model, &effective) != MLOOM_OK) {
    session_free(self);
    return mloom_error_memory(error);
  }
  self->decoder.tool_names = (const char *const *)self->tool_names;
  *out_session = self;
  return MLOOM_OK;
}

static int32_t session_append(void *session_pointer, const mloom_message *message, mloom_error *error) {
  session *self = session_pointer;
  int32_t status = mloom_chat_request_append(&self->chat, message);
  if (status == MLOOM_E_INVALID) {
    return mloom_error_set(error, status, MLOOM_DOMAIN_PROVIDER, NULL, "openai-compatible has no such message role");
  }
  return status == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t session_prepare(void *session_pointer, const mloom_turn_args *args, mloom_exchange *out,
                               mloom_error *error) {
  session *self = session_pointer;
  (void)error;
  self->turn = args->turn;
  mloom_chat_decoder_reset(&self->decoder);
  self->content_type = (mloom_header)HEADER_INIT;
  self->content_type.name = "Content-Type";
  self->content_type.value = "application/json";
  self->accept = (mloom_header)HEADER_INIT;
  self->accept.name = "Accept";
  self->accept.value = self->owner->options.stream ? "text/event-stream, application/json" : "application/json";
  self->headers[0] = &self->content_type;
  self->headers[1] = &self->accept;
  self->request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                       .method = "POST",
                                       .url = self->owner->chat_url,
                                       .headers = self->headers,
                                       .header_count = 2};
  self->request.body = mloom_chat_request_segments(&self->chat, &self->request.body_count);
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->request;
  out->authorization = &self->owner->authorization;
  return MLOOM_OK;
}

static int32_t session_feed(void *session_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                            mloom_error *error) {
  session *self = session_pointer;
  int32_t code = mloom_chat_decoder_feed(&self->decoder, data, size, sink, error);
  return code == MLOOM_OK && self->decoder.done ? MLOOM_COMPLETE : code;
}

static int32_t session_finish(void *session_pointer, const mloom_exchange_end *end, const mloom_event_sink *sink,
                              mloom_turn_result *out, mloom_error *error) {
  session *self = session_pointer;
  mloom_service_names names = names_of(self->owner, self->model);
  int32_t status = mloom_chat_decoder_finish(&self->decoder, end, self->turn, &names, sink, out, error);
  if (status == MLOOM_OK && mloom_chat_request_append_answer(&self->chat, &self->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {NULL};

static const mloom_provider provider = {
    .size = (uint32_t)sizeof(mloom_provider),
    .id = "openai-compatible",
    .title = "OpenAI-compatible",
    .description = "Any server that speaks chat completions with tool calls",
    .shape = MLOOM_SHAPE_MODEL,
    .threads = MLOOM_THREADS_PARALLEL,
    .capabilities = MLOOM_CAPABILITY_TOOLS | MLOOM_CAPABILITY_STREAMING | MLOOM_CAPABILITY_MODEL_LIST |
                    MLOOM_CAPABILITY_PARALLEL_TOOLS,
    .aliases = aliases,
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .open = instance_open,
    .close = instance_close,
    .session_new = session_new,
    .session_free = session_free,
    .append = session_append,
    .prepare = session_prepare,
    .feed = session_feed,
    .finish = session_finish,
    .check = instance_check,
    .probe = instance_probe,
    .probe_result = instance_probe_result,
};

static const mloom_provider *const providers[] = {&provider};

static const mloom_plugin plugin = {
    .size = (uint32_t)sizeof(mloom_plugin),
    .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR,
    .name = "openai-compatible",
    .version = PACKAGE_VERSION,
    .description = "Provider for servers that speak OpenAI's chat completions",
    .providers = providers,
    .provider_count = 1,
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, setting_get) || host->setting_get == NULL) {
    snprintf(error_text, error_size, "the host gives no settings");
    return NULL;
  }
  return &plugin;
}
