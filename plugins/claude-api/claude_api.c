/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for Anthropic's own service, and for gateways in front of it.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "wire/messages.h"

#define ENVIRONMENT_PREFIX "JCA_ANTHROPIC_"

/* ---- Settings ---- */

static const char *const version_choices[] = {"2023-06-01", "2026-10-21", NULL};
static const char *const auth_choices[] = {"x-api-key", "bearer", NULL};
static const char *const thinking_choices[] = {"omit", "adaptive", "enabled", "disabled", NULL};
static const char *const display_choices[] = {"omit", "summarized", "omitted", NULL};
static const char *const effort_choices[] = {"omit", "low", "medium", "high", "xhigh", "max", NULL};
static const char *const ttl_choices[] = {"5m", "1h", NULL};

#define FIELD(field_name, environment, ...)                                                     \
  static const char *const field_name##_environment[] = {ENVIRONMENT_PREFIX environment, NULL}; \
  static const mloom_field field_##field_name = {.size = (uint32_t)sizeof(mloom_field),         \
                                                 .name = #field_name,                           \
                                                 .environment_names = field_name##_environment, \
                                                 __VA_ARGS__}

FIELD(api_key, "API_KEY", .flags = MLOOM_FIELD_REQUIRED, .title = "API key", .kind = MLOOM_FIELD_SECRET,
      .help = "Sent to base_url only");
FIELD(model, "MODEL", .title = "Model", .kind = MLOOM_FIELD_STRING,
      .help = "Model that jobs use when nothing else names one");
FIELD(base_url, "BASE_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Base URL", .kind = MLOOM_FIELD_URL,
      .default_value = "https://api.anthropic.com",
      .help = "Address of the API, the part before /v1/messages; another one for a gateway");
FIELD(anthropic_version, "VERSION", .flags = MLOOM_FIELD_ADVANCED, .title = "API version", .kind = MLOOM_FIELD_CHOICE,
      .choices = version_choices, .default_value = "2023-06-01",
      .help = "Sent as anthropic-version; the older one is known to more gateways and models");
FIELD(auth_header, "AUTH_HEADER", .flags = MLOOM_FIELD_ADVANCED, .title = "Header of the key",
      .kind = MLOOM_FIELD_CHOICE, .choices = auth_choices, .default_value = "x-api-key",
      .help = "bearer sends the key as Authorization: Bearer, for gateways and OAuth tokens");
FIELD(
    max_output_tokens, "MAX_OUTPUT_TOKENS", .flags = MLOOM_FIELD_ADVANCED, .title = "Output tokens of a turn",
    .kind = MLOOM_FIELD_INTEGER, .default_value = "32000", .minimum = 1, .maximum = 10000000,
    .help = "Limit of one answer, thinking included; the service wants one, and refuses more than the model can give");
FIELD(
    thinking, "THINKING", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking", .kind = MLOOM_FIELD_CHOICE,
    .choices = thinking_choices, .default_value = "omit",
    .help = "adaptive for Claude 4.6 and later; enabled, with a budget, for earlier ones; omit leaves it to the model");
FIELD(thinking_budget, "THINKING_BUDGET", .flags = MLOOM_FIELD_ADVANCED, .title = "Thinking budget",
      .kind = MLOOM_FIELD_INTEGER, .default_value = "8192", .minimum = 1024, .maximum = 10000000,
      .shown_when_field = "thinking", .shown_when_value = "enabled",
      .help = "Tokens that the model may think for; less than the output tokens of a turn");
FIELD(thinking_display, "THINKING_DISPLAY", .flags = MLOOM_FIELD_ADVANCED, .title = "Show thinking",
      .kind = MLOOM_FIELD_CHOICE, .choices = display_choices, .default_value = "omit", .shown_when_field = "thinking",
      .shown_when_value = "adaptive", .help = "Whether a summary of the thinking is sent; omit leaves it to the model");
FIELD(effort, "EFFORT", .flags = MLOOM_FIELD_ADVANCED, .title = "Effort", .kind = MLOOM_FIELD_CHOICE,
      .choices = effort_choices, .default_value = "omit",
      .help = "How much the model spends on an answer; omit leaves it to the model, and older models know none");
FIELD(parallel_tool_calls, "PARALLEL_TOOL_CALLS", .flags = MLOOM_FIELD_ADVANCED, .title = "Parallel tool calls",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
      .help = "Whether the model may call several tools in one turn");
FIELD(prompt_caching, "PROMPT_CACHING", .flags = MLOOM_FIELD_ADVANCED, .title = "Prompt caching",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
      .help = "Mark the prompt so that each turn reads what it shares with the one before from the cache");
FIELD(cache_ttl, "CACHE_TTL", .flags = MLOOM_FIELD_ADVANCED, .title = "Cache lifetime", .kind = MLOOM_FIELD_CHOICE,
      .choices = ttl_choices, .default_value = "5m", .shown_when_field = "prompt_caching", .shown_when_value = "true",
      .help = "How long a cached prompt is kept after its last use; 1h costs more to write");
FIELD(beta_headers, "BETA_HEADERS", .flags = MLOOM_FIELD_ADVANCED, .title = "Beta flags", .kind = MLOOM_FIELD_LIST,
      .help = "Sent as anthropic-beta; a flag that the service does not know makes it refuse every request");
FIELD(stream, "STREAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Stream answers", .kind = MLOOM_FIELD_BOOLEAN,
      .default_value = "true",
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
                                            &field_stream};

/* ---- Instances ---- */

#define HEADERS_LIMIT 4

typedef struct instance {
  const mloom_host *host;
  const mloom_settings *settings;
  mloom_messages_options options;
  const char *default_model;
  char *base_url; /* without a slash at its end */
  char *messages_url;
  char *models_url;
  char *audience; /* scheme and authority of base_url: the key goes nowhere else */
  mloom_authorization authorization;
  mloom_header header_storage[HEADERS_LIMIT];
  const mloom_header *headers[HEADERS_LIMIT]; /* the first of them only with a body */
  size_t header_count;
  mloom_http_request request; /* the probe's */
} instance;

static const char *const credential_sources[] = {"static", NULL};

static const char *get_text(const instance *self, const char *name, const char *fallback) {
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  if (self->host->setting_get(self->host->ctx, self->settings, name, &setting) != MLOOM_OK || setting.value == NULL ||
      setting.value[0] == '\0') {
    return fallback;
  }
  return setting.value;
}

static const char *get_choice(const instance *self, const char *name) {
  const char *value = get_text(self, name, "omit");
  return strcmp(value, "omit") == 0 ? NULL : value;
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

static uint64_t get_number(const instance *self, const char *name, uint64_t fallback) {
  int64_t number = 0;
  const char *text = get_text(self, name, NULL);
  return text != NULL && mloom_text_parse_int64(mloom_text_bytes(text), &number) == MLOOM_OK && number > 0
             ? (uint64_t)number
             : fallback;
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
  const char *url = get_text(self, "base_url", "https://api.anthropic.com");
  if (strpbrk(url, "?#") != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set base_url (" ENVIRONMENT_PREFIX "BASE_URL) to an address without ? and #",
                           "base_url of claude-api has a query or fragment");
  }
  size_t size = strlen(url);
  while (size > 0 && url[size - 1] == '/') {
    size--;
  }
  if (size > 3 && memcmp(url + size - 3, "/v1", 3) == 0) {
    size -= 3; /* other APIs want it there */
  }
  self->base_url = join(url, size, "");
  self->messages_url = join(url, size, "/v1/messages");
  self->models_url = join(url, size, "/v1/models?limit=1000");
  self->audience = join(url, audience_size(url), "");
  if (self->base_url == NULL || self->messages_url == NULL || self->models_url == NULL || self->audience == NULL) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static void set_options(instance *self) {
  self->options =
      (mloom_messages_options){.send_model = 1,
                               .stream = get_boolean(self, "stream", 1),
                               .parallel_tool_calls = get_boolean(self, "parallel_tool_calls", 1),
                               .cache = get_boolean(self, "prompt_caching", 1),
                               .max_output_tokens = get_number(self, "max_output_tokens", MLOOM_MESSAGES_OUTPUT_TOKENS),
                               .thinking = get_choice(self, "thinking"),
                               .thinking_budget = get_number(self, "thinking_budget", 8192),
                               .thinking_display = get_choice(self, "thinking_display"),
                               .effort = get_choice(self, "effort")};
  const char *ttl = get_text(self, "cache_ttl", "5m");
  self->options.cache_ttl = strcmp(ttl, "5m") == 0 ? NULL : ttl; /* what the service takes without being told */
}

static void add_header(instance *self, const char *name, const char *value) {
  mloom_header *header = &self->header_storage[self->header_count];
  *header = (mloom_header){.size = (uint32_t)sizeof(*header), .name = name, .value = value};
  self->headers[self->header_count++] = header;
}

static void set_headers(instance *self) {
  const char *betas = get_text(self, "beta_headers", NULL);
  add_header(self, "Content-Type", "application/json");
  add_header(self, "Accept", self->options.stream ? "text/event-stream, application/json" : "application/json");
  add_header(self, "anthropic-version", get_text(self, "anthropic_version", "2023-06-01"));
  if (betas != NULL) {
    add_header(self, "anthropic-beta", betas);
  }
  int bearer = strcmp(get_text(self, "auth_header", "x-api-key"), "bearer") == 0;
  self->authorization = (mloom_authorization){.size = (uint32_t)sizeof(mloom_authorization),
                                              .sources = credential_sources,
                                              .audience = self->audience,
                                              .header = bearer ? "Authorization" : "x-api-key",
                                              .prefix = bearer ? "Bearer " : ""};
}

static void instance_close(void *instance_pointer) {
  instance *self = instance_pointer;
  free(self->base_url);
  free(self->messages_url);
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
  int32_t status = set_urls(self, error);
  if (status != MLOOM_OK) {
    instance_close(self);
    return status;
  }
  set_options(self);
  set_headers(self);
  *out_instance = self;
  return MLOOM_OK;
}

static mloom_service_names names_of(const instance *self, const char *model) {
  return (mloom_service_names){.model = model,
                               .base_url = self->base_url,
                               .models_url = self->models_url,
                               .environment_prefix = ENVIRONMENT_PREFIX,
                               .has_key = 1};
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
  const mloom_messages_options *options = &self->options;
  if (ends_with(self->base_url, "/messages") || ends_with(self->base_url, "/models")) {
    sink->check("settings", MLOOM_CHECK_FAIL, "base_url holds the path of one operation",
                "cut /v1/messages off the end of base_url (" ENVIRONMENT_PREFIX "BASE_URL)", sink->userdata);
  } else if (options->thinking != NULL && strcmp(options->thinking, "enabled") == 0 &&
             options->thinking_budget >= options->max_output_tokens) {
    sink->check("settings", MLOOM_CHECK_FAIL, "thinking_budget is not less than max_output_tokens",
                "lower thinking_budget (" ENVIRONMENT_PREFIX "THINKING_BUDGET) or raise max_output_tokens "
                "(" ENVIRONMENT_PREFIX "MAX_OUTPUT_TOKENS)",
                sink->userdata);
  } else if (strncasecmp(self->base_url, "http://", 7) == 0 && !is_loopback(self->base_url)) {
    sink->check("settings", MLOOM_CHECK_WARN, "the key goes over the network unencrypted, for base_url is http",
                "use an https address in base_url (" ENVIRONMENT_PREFIX "BASE_URL)", sink->userdata);
  } else {
    sink->check("settings", MLOOM_CHECK_PASS, "base_url and options are plausible", "", sink->userdata);
  }
  return MLOOM_OK;
}

static int32_t instance_probe(void *instance_pointer, uint32_t kind, mloom_exchange *out, mloom_error *error) {
  instance *self = instance_pointer;
  if (kind != MLOOM_PROBE_REACH && kind != MLOOM_PROBE_MODELS) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, NULL, "no such probe");
  }
  self->request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                       .method = "GET",
                                       .url = self->models_url,
                                       .headers = self->headers + 1,
                                       .header_count = self->header_count - 1};
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->request;
  out->authorization = &self->authorization;
  return MLOOM_OK;
}

static int is_clean(const mloom_buffer *text) {
  return text->size > 0 && text->size <= 512 && memchr(text->data, '\0', text->size) == NULL &&
         mloom_text_is_utf8(text->data, text->size);
}

static void report_model(mloom_json_reader *reader, const mloom_probe_sink *sink) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer id = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer title = MLOOM_BUFFER_INIT;
  int64_t context = 0;
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "id")) {
      mloom_buffer_clear(&id);
      mloom_json_reader_append_string(reader, &id);
    } else if (mloom_text_equal(key, "display_name")) {
      mloom_buffer_clear(&title);
      mloom_json_reader_append_string(reader, &title);
    } else if (mloom_text_equal(key, "max_input_tokens")) {
      mloom_json_reader_integer(reader, &context);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  if (is_clean(&id) && sink->model != NULL) {
    sink->model(id.data, is_clean(&title) ? title.data : id.data, context > 0 ? (uint64_t)context : 0, sink->userdata);
  }
}

/* {"data":[{"id":...}]}. Returns whether there was a list. */
static int read_models(const char *body, size_t size, const mloom_probe_sink *sink) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, body, size);
  if (!mloom_json_reader_object(&reader)) {
    return 0;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "data") && mloom_json_reader_peek(&reader) == MLOOM_JSON_ARRAY) {
      mloom_json_reader_array(&reader);
      while (mloom_json_reader_element(&reader)) {
        report_model(&reader, sink);
      }
      return 1;
    }
    mloom_json_reader_skip(&reader);
  }
  return 0;
}

static int32_t instance_probe_result(void *instance_pointer, uint32_t kind, int32_t http_status, const char *body,
                                     size_t body_size, const mloom_probe_sink *sink, mloom_error *error) {
  instance *self = instance_pointer;
  mloom_service_names names = names_of(self, self->default_model);
  mloom_messages_failure failure;
  int good = http_status >= 200 && http_status <= 299;
  if (good && read_models(body, body_size, sink)) {
    return MLOOM_OK;
  }
  mloom_messages_failure_read(&failure, body, body_size);
  if (good ? !failure.error.html : http_status == 404 || http_status == 405 || http_status == 501) {
    /* A gateway answers; that it keeps no list of models is its right. */
    return kind == MLOOM_PROBE_REACH ? MLOOM_OK
                                     : mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER,
                                                       "nothing has to be done: the model is tried when a job uses it",
                                                       "%s gives no list of models", self->models_url);
  }
  return mloom_messages_failure_report(&failure, http_status, &names, error);
}

/* ---- Sessions ---- */

typedef struct session {
  instance *owner;
  mloom_messages_request body;
  mloom_messages_decoder decoder;
  char *model;
  uint64_t turn;
  mloom_http_request request;
} session;

static void session_free(void *session_pointer) {
  session *self = session_pointer;
  mloom_messages_request_free(&self->body);
  mloom_messages_decoder_free(&self->decoder);
  free(self->model);
  free(self);
}

static int32_t session_new(void *instance_pointer, const mloom_session_args *args, void **out_session,
                           mloom_error *error) {
  instance *owner = instance_pointer;
  session *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  const char *model = args->model == NULL || args->model[0] == '\0' ? owner->default_model : args->model;
  mloom_messages_options options = owner->options;
  if (args->max_output_tokens > 0 && args->max_output_tokens < options.max_output_tokens) {
    options.max_output_tokens = args->max_output_tokens;
  }
  self->owner = owner;
  self->model = join(model, strlen(model), "");
  mloom_messages_decoder_init(&self->decoder);
  if (self->model == NULL || mloom_messages_request_init(&self->body, &options, model, args) != MLOOM_OK) {
    session_free(self);
    return mloom_error_memory(error);
  }
  *out_session = self;
  return MLOOM_OK;
}

static int32_t session_append(void *session_pointer, const mloom_message *message, mloom_error *error) {
  session *self = session_pointer;
  int32_t status = mloom_messages_request_append(&self->body, message);
  if (status == MLOOM_E_UNSUPPORTED) {
    return mloom_error_set(error, status, MLOOM_DOMAIN_PROVIDER, NULL, "claude-api has no such message role");
  }
  return status == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t session_prepare(void *session_pointer, const mloom_turn_args *args, mloom_exchange *out,
                               mloom_error *error) {
  session *self = session_pointer;
  self->turn = args->turn;
  mloom_messages_decoder_reset(&self->decoder);
  self->request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                       .method = "POST",
                                       .url = self->owner->messages_url,
                                       .headers = self->owner->headers,
                                       .header_count = self->owner->header_count};
  if (mloom_messages_request_segments(&self->body, &self->request.body, &self->request.body_count) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->request;
  out->authorization = &self->owner->authorization;
  return MLOOM_OK;
}

static int32_t session_feed(void *session_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                            mloom_error *error) {
  session *self = session_pointer;
  return mloom_messages_decoder_feed(&self->decoder, data, size, sink, error);
}

static int32_t session_finish(void *session_pointer, const mloom_exchange_end *end, const mloom_event_sink *sink,
                              mloom_turn_result *out, mloom_error *error) {
  session *self = session_pointer;
  mloom_service_names names = names_of(self->owner, self->model);
  int32_t status = mloom_messages_decoder_finish(&self->decoder, end, self->turn, &names, sink, out, error);
  if (status == MLOOM_OK && mloom_messages_request_append_answer(&self->body, &self->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {"anthropic", NULL};

static const mloom_provider provider = {
    .size = (uint32_t)sizeof(mloom_provider),
    .id = "claude-api",
    .title = "Claude API",
    .description = "Anthropic's Messages API with an API key",
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
    .name = "claude-api",
    .version = PACKAGE_VERSION,
    .description = "Provider for Anthropic's Messages API",
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
