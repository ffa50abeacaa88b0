/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for OpenAI's Responses API with an API key.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "wire/model_list.h"
#include "wire/responses.h"

#define ENVIRONMENT_PREFIX "JCA_OPENAI_"
#define DEFAULT_BASE_URL "https://api.openai.com/v1"
#define HEADER_INIT \
  { .size = (uint32_t)sizeof(mloom_header) }

/* ---- Settings ---- */

static const char *const parallel_choices[] = {"omit", "true", "false", NULL};
static const char *const verbosity_choices[] = {"low", "medium", "high", NULL};
static const char *const summary_choices[] = {"auto", "concise", "detailed", NULL};

#define FIELD(variable, upper, ...)                                                         \
  static const char *const variable##_environment[] = {ENVIRONMENT_PREFIX upper, NULL};     \
  static const mloom_field field_##variable = {.size = (uint32_t)sizeof(mloom_field),       \
                                               .name = #variable,                           \
                                               .environment_names = variable##_environment, \
                                               __VA_ARGS__}

FIELD(api_key, "API_KEY", .flags = MLOOM_FIELD_REQUIRED, .title = "API key", .kind = MLOOM_FIELD_SECRET,
      .help = "Sent as a bearer token, to base_url only");
FIELD(model, "MODEL", .title = "Model", .kind = MLOOM_FIELD_STRING,
      .help = "Model that jobs use when nothing else names one");
FIELD(base_url, "BASE_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Base URL", .kind = MLOOM_FIELD_URL,
      .default_value = DEFAULT_BASE_URL, .help = "Address of the API, the part before /responses");
FIELD(organization, "ORGANIZATION", .flags = MLOOM_FIELD_ADVANCED, .title = "Organization", .kind = MLOOM_FIELD_STRING,
      .help = "Sent as OpenAI-Organization; unset takes the key's own");
FIELD(project, "PROJECT", .flags = MLOOM_FIELD_ADVANCED, .title = "Project", .kind = MLOOM_FIELD_STRING,
      .help = "Sent as OpenAI-Project; unset takes the key's own");
FIELD(stream, "STREAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Stream answers", .kind = MLOOM_FIELD_BOOLEAN,
      .default_value = "true",
      .help = "Ask for answers piece by piece, so that progress shows and a dead connection is noticed early");
FIELD(max_output_tokens, "MAX_OUTPUT_TOKENS", .flags = MLOOM_FIELD_ADVANCED, .title = "Output tokens of a turn",
      .kind = MLOOM_FIELD_INTEGER, .minimum = 16, .maximum = 10000000,
      .help = "Limit of one answer, reasoning included; unset leaves it to the service");
FIELD(parallel_tool_calls, "PARALLEL_TOOL_CALLS", .flags = MLOOM_FIELD_ADVANCED, .title = "Parallel tool calls",
      .kind = MLOOM_FIELD_CHOICE, .choices = parallel_choices, .default_value = "omit",
      .help = "Whether the model may call several tools in one turn; omit leaves it to the service");
FIELD(reasoning_effort, "REASONING_EFFORT", .flags = MLOOM_FIELD_ADVANCED, .title = "Reasoning effort",
      .kind = MLOOM_FIELD_STRING, .help = "For models that reason, for instance low, medium or high; unset sends none");
FIELD(reasoning_summary, "REASONING_SUMMARY", .flags = MLOOM_FIELD_ADVANCED, .title = "Reasoning summary",
      .kind = MLOOM_FIELD_CHOICE, .choices = summary_choices,
      .help = "Ask for a summary of the reasoning to show; unset asks for none");
FIELD(verbosity, "VERBOSITY", .flags = MLOOM_FIELD_ADVANCED, .title = "Verbosity", .kind = MLOOM_FIELD_CHOICE,
      .choices = verbosity_choices, .help = "How much the model writes; unset leaves it to the service");
FIELD(service_tier, "SERVICE_TIER", .flags = MLOOM_FIELD_ADVANCED, .title = "Service tier", .kind = MLOOM_FIELD_STRING,
      .help = "For instance default, flex or priority; unset leaves it to the project");
FIELD(prompt_cache, "PROMPT_CACHE", .flags = MLOOM_FIELD_ADVANCED, .title = "Prompt cache key",
      .kind = MLOOM_FIELD_BOOLEAN, .default_value = "true",
      .help = "Send one prompt_cache_key for all turns of a job, so that they find what is cached of the earlier ones");

static const mloom_field *const fields[] = {&field_api_key,           &field_model,
                                            &field_base_url,          &field_organization,
                                            &field_project,           &field_stream,
                                            &field_max_output_tokens, &field_parallel_tool_calls,
                                            &field_reasoning_effort,  &field_reasoning_summary,
                                            &field_verbosity,         &field_service_tier,
                                            &field_prompt_cache};

/* ---- Instances ---- */

typedef struct instance {
  const mloom_host *host;
  const mloom_settings *settings;
  mloom_responses_options options;
  int prompt_cache;
  const char *default_model;
  char *base_url; /* without a slash at its end */
  char *responses_url;
  char *models_url;
  char *audience; /* scheme and authority of base_url: the key goes nowhere else */
  int has_key;
  /* The probe's exchange. */
  mloom_authorization authorization;
  mloom_http_request request;
  mloom_header accept;
  mloom_header organization;
  mloom_header project;
  const mloom_header *headers[3];
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
  const char *url = get_text(self, "base_url", DEFAULT_BASE_URL);
  if (strpbrk(url, "?#") != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set base_url (" ENVIRONMENT_PREFIX "BASE_URL) to an address without ? and #",
                           "base_url of codex-api has a query or fragment");
  }
  size_t size = strlen(url);
  while (size > 0 && url[size - 1] == '/') {
    size--;
  }
  self->base_url = join(url, size, "");
  self->responses_url = join(url, size, "/responses");
  self->models_url = join(url, size, "/models");
  self->audience = join(url, audience_size(url), "");
  if (self->base_url == NULL || self->responses_url == NULL || self->models_url == NULL || self->audience == NULL) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static void set_options(instance *self) {
  mloom_responses_options *options = &self->options;
  int64_t limit = 0;
  const char *limit_text = get_text(self, "max_output_tokens", NULL);
  const char *parallel = get_text(self, "parallel_tool_calls", "omit");
  options->stream = get_boolean(self, "stream", 1);
  if (limit_text != NULL && mloom_text_parse_int64(mloom_text_bytes(limit_text), &limit) == MLOOM_OK && limit > 0) {
    options->max_output_tokens = (uint64_t)limit;
  }
  options->parallel_tool_calls = strcmp(parallel, "omit") == 0 ? -1 : strcmp(parallel, "true") == 0;
  options->reasoning_effort = get_text(self, "reasoning_effort", NULL);
  options->reasoning_summary = get_text(self, "reasoning_summary", NULL);
  options->verbosity = get_text(self, "verbosity", NULL);
  options->service_tier = get_text(self, "service_tier", NULL);
  self->prompt_cache = get_boolean(self, "prompt_cache", 1);
}

static void set_header(mloom_header *header, const char *name, const char *value) {
  *header = (mloom_header)HEADER_INIT;
  header->name = name;
  header->value = value;
}

/* Adds the headers that every request has, and returns how many there are. */
static size_t add_account_headers(const instance *self, mloom_header *organization, mloom_header *project,
                                  const mloom_header **headers, size_t count) {
  const char *value = get_text(self, "organization", NULL);
  if (value != NULL) {
    set_header(organization, "OpenAI-Organization", value);
    headers[count++] = organization;
  }
  value = get_text(self, "project", NULL);
  if (value != NULL) {
    set_header(project, "OpenAI-Project", value);
    headers[count++] = project;
  }
  return count;
}

static void instance_close(void *instance_pointer) {
  instance *self = instance_pointer;
  free(self->base_url);
  free(self->responses_url);
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
  if (status != MLOOM_OK) {
    instance_close(self);
    return status;
  }
  set_options(self);
  self->authorization = (mloom_authorization){.size = (uint32_t)sizeof(mloom_authorization),
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
                               .has_key = self->has_key,
                               .operation = "/responses"};
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
  if (ends_with(self->base_url, "/responses") || ends_with(self->base_url, "/chat/completions") ||
      ends_with(self->base_url, "/models")) {
    sink->check("settings", MLOOM_CHECK_FAIL, "base_url ends with the path of one operation",
                "set base_url (" ENVIRONMENT_PREFIX "BASE_URL) to the part before it", sink->userdata);
    return MLOOM_OK;
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
  set_header(&self->accept, "Accept", "application/json");
  self->headers[0] = &self->accept;
  size_t count = add_account_headers(self, &self->organization, &self->project, self->headers, 1);
  self->request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                       .method = "GET",
                                       .url = self->models_url,
                                       .headers = self->headers,
                                       .header_count = count};
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
  mloom_responses_request conversation;
  mloom_responses_decoder decoder;
  char *model;
  uint64_t turn;
  mloom_http_request request;
  mloom_header content_type;
  mloom_header accept;
  mloom_header organization;
  mloom_header project;
  const mloom_header *headers[4];
} session;

static void session_free(void *session_pointer) {
  session *self = session_pointer;
  mloom_responses_request_free(&self->conversation);
  mloom_responses_decoder_free(&self->decoder);
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
  mloom_session_args effective = *args;
  if (effective.model == NULL || effective.model[0] == '\0') {
    effective.model = owner->default_model;
  }
  mloom_responses_options options = owner->options;
  if (args->max_output_tokens > 0 &&
      (options.max_output_tokens == 0 || args->max_output_tokens < options.max_output_tokens)) {
    options.max_output_tokens = args->max_output_tokens;
  }
  self->owner = owner;
  mloom_responses_decoder_init(&self->decoder);
  self->model = join(effective.model, strlen(effective.model), "");
  if (owner->prompt_cache && args->session_id != NULL && args->session_id[0] != '\0') {
    options.prompt_cache_key = args->session_id;
  }
  if (self->model == NULL ||
      mloom_responses_request_init(&self->conversation, &options, effective.model, &effective) != MLOOM_OK) {
    session_free(self);
    return mloom_error_memory(error);
  }
  *out_session = self;
  return MLOOM_OK;
}

static int32_t session_append(void *session_pointer, const mloom_message *message, mloom_error *error) {
  session *self = session_pointer;
  int32_t status = mloom_responses_request_append(&self->conversation, message);
  if (status == MLOOM_E_INVALID) {
    return mloom_error_set(error, status, MLOOM_DOMAIN_PROVIDER, NULL, "codex-api has no such message role");
  }
  return status == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t session_prepare(void *session_pointer, const mloom_turn_args *args, mloom_exchange *out,
                               mloom_error *error) {
  session *self = session_pointer;
  (void)error;
  self->turn = args->turn;
  mloom_responses_decoder_reset(&self->decoder);
  set_header(&self->content_type, "Content-Type", "application/json");
  set_header(&self->accept, "Accept",
             self->owner->options.stream ? "text/event-stream, application/json" : "application/json");
  self->headers[0] = &self->content_type;
  self->headers[1] = &self->accept;
  size_t count = add_account_headers(self->owner, &self->organization, &self->project, self->headers, 2);
  self->request = (mloom_http_request){.size = (uint32_t)sizeof(mloom_http_request),
                                       .method = "POST",
                                       .url = self->owner->responses_url,
                                       .headers = self->headers,
                                       .header_count = count};
  self->request.body = mloom_responses_request_segments(&self->conversation, &self->request.body_count);
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &self->request;
  out->authorization = &self->owner->authorization;
  return MLOOM_OK;
}

static int32_t session_feed(void *session_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                            mloom_error *error) {
  session *self = session_pointer;
  return mloom_responses_decoder_feed(&self->decoder, data, size, sink, error);
}

static int32_t session_finish(void *session_pointer, const mloom_exchange_end *end, const mloom_event_sink *sink,
                              mloom_turn_result *out, mloom_error *error) {
  session *self = session_pointer;
  mloom_service_names names = names_of(self->owner, self->model);
  int32_t status = mloom_responses_decoder_finish(&self->decoder, end, self->turn, &names, sink, out, error);
  if (status == MLOOM_OK &&
      mloom_responses_request_append_answer(&self->conversation, &self->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {"openai", NULL};

static const mloom_provider provider = {
    .size = (uint32_t)sizeof(mloom_provider),
    .id = "codex-api",
    .title = "Codex API",
    .description = "OpenAI's Responses API with an API key",
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
    .name = "codex-api",
    .version = PACKAGE_VERSION,
    .description = "Provider for OpenAI's Responses API",
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
