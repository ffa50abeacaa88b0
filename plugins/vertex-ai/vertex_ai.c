/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for models on Google Cloud: Gemini, and Claude.
 */
#include "vertex_ai.h"

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "claude.h"
#include "net/url.h"
#include "wire/endpoint.h"
#include "wire/google_adc.h"

#define SCOPE "https://www.googleapis.com/auth/cloud-platform"

/* ---- Where ---- */

static const char *setting(const vertex_instance *self, const char *name, const char *fallback) {
  return mloom_provider_settings_text(&self->service.settings, name, fallback);
}

static int is_raw(const vertex_instance *self) {
  return strcmp(setting(self, "endpoint_mode", "structured"), "raw-endpoint") == 0;
}

/* Tokens of Google are worth more than one service: they go to Google, or to this machine and where the deployment says
 * so. An identity that a card or a gateway gives is its own. */
static int32_t check_host(const vertex_instance *self, const char *url, mloom_error *error) {
  const mloom_provider_settings *settings = &self->service.settings;
  const char *address = is_raw(self) ? "endpoint_url" : "base_url";
  const char *secret = strcmp(self->auth_method, "adc") == 0 ? NULL : self->auth_method; /* they are called the same */
  if ((mloom_http_is_loopback(url) && mloom_provider_settings_may_send(settings, secret, address)) ||
      mloom_provider_settings_trusts(settings, secret, address) ||
      (mloom_endpoint_host_is_in(url, "googleapis.com") && !mloom_endpoint_is_unencrypted(url))) {
    return MLOOM_OK;
  }
  return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_SETTINGS,
                         "use an https address of googleapis.com; if this host may have the access tokens of your "
                         "project, set its address and " VERTEX_PREFIX "TRUST_ENDPOINT to true in the deployment",
                         "vertex-ai is not to send Google's access tokens to %.200s", url);
}

static int32_t set_raw_place(vertex_instance *self, mloom_error *error) {
  const char *url = setting(self, "endpoint_url", NULL);
  if (url == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_SETTINGS,
                           "set endpoint_url (" VERTEX_PREFIX "ENDPOINT_URL), or endpoint_mode (" VERTEX_PREFIX
                           "ENDPOINT_MODE) to structured",
                           "vertex-ai has no endpoint_url, which its mode raw-endpoint wants");
  }
  int32_t status = vertex_place_read(&self->place, url, error);
  if (status == MLOOM_OK) {
    status = mloom_service_set_address(&self->service, "endpoint_url", self->place.root, error);
  }
  return status;
}

static int32_t set_project(vertex_instance *self, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer found = MLOOM_BUFFER_INIT;
  const mloom_provider_settings *settings = &self->service.settings;
  self->place.project = setting(self, "project_id", NULL);
  if (self->place.project == NULL && mloom_google_project(&found, settings->host, settings->settings) == MLOOM_OK) {
    self->project = mloom_buffer_take(&found);
    self->place.project = self->project;
  }
  if (self->place.project == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_SETTINGS,
                           "set project_id (" VERTEX_PREFIX "PROJECT_ID) to the id of a project with the Vertex AI API",
                           "vertex-ai has no project_id");
  }
  if (strspn(self->place.project, "abcdefghijklmnopqrstuvwxyz0123456789-.:") != strlen(self->place.project)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set project_id (" VERTEX_PREFIX "PROJECT_ID) to the id of the project, as "
                           "gcloud projects list shows it",
                           "\"%s\" is no id of a project", self->place.project);
  }
  return MLOOM_OK;
}

static int32_t set_structured_place(vertex_instance *self, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer root = MLOOM_BUFFER_INIT;
  const char *base = setting(self, "base_url", NULL);
  if (!vertex_is_location(self->place.location)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set location (" VERTEX_PREFIX "LOCATION) to global, us, eu or a region as us-east5",
                           "\"%s\" is no location", self->place.location);
  }
  int32_t status = set_project(self, error);
  if (status != MLOOM_OK) {
    return status;
  }
  if (base == NULL) {
    status = mloom_buffer_append_string(&root, "https://");
    status = status == MLOOM_OK ? vertex_append_host(&root, self->place.location) : status;
  } else {
    status = mloom_buffer_append(&root, base, mloom_endpoint_trimmed_size(base));
    mloom_buffer_truncate(&root, root.size - (mloom_endpoint_ends_with(mloom_buffer_string(&root), "/v1") ? 3 : 0));
  }
  if (status != MLOOM_OK || mloom_buffer_append_format(&root, "/%s", setting(self, "api_version", "v1")) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  self->place.root = mloom_buffer_take(&root);
  if (self->place.root == NULL) {
    return mloom_error_memory(error);
  }
  return mloom_service_set_address(&self->service, base == NULL ? "location" : "base_url", self->place.root, error);
}

/* ---- How ---- */

static const char *upper_choice(const vertex_instance *self, const char *name) {
  static const char *const pairs[][2] = {{"auto", "AUTO"},       {"any", "ANY"}, {"validated", "VALIDATED"},
                                         {"minimal", "MINIMAL"}, {"low", "LOW"}, {"medium", "MEDIUM"},
                                         {"high", "HIGH"}};
  const char *value = mloom_provider_settings_choice(&self->service.settings, name);
  for (size_t i = 0; value != NULL && i < sizeof(pairs) / sizeof(pairs[0]); i++) {
    if (strcmp(value, pairs[i][0]) == 0) {
      return pairs[i][1];
    }
  }
  return NULL;
}

static void set_options(vertex_instance *self) {
  const mloom_provider_settings *settings = &self->service.settings;
  const char *budget_text = setting(self, "thinking_budget", NULL);
  int64_t budget = 0;
  int has_budget = budget_text != NULL && mloom_text_parse_int64(mloom_text_bytes(budget_text), &budget) == MLOOM_OK;
  uint64_t limit = mloom_provider_settings_number(settings, "max_output_tokens", 0);
  self->stream = mloom_provider_settings_boolean(settings, "stream", 1);
  self->gemini =
      (mloom_gemini_options){.max_output_tokens = limit,
                             .tool_mode = upper_choice(self, "tool_mode"),
                             .openapi_schema = strcmp(setting(self, "tool_schema", "json-schema"), "openapi") == 0,
                             .thinking_level = upper_choice(self, "thinking_level"),
                             .thinking_budget = has_budget ? budget : MLOOM_GEMINI_NO_BUDGET,
                             .include_thoughts = mloom_provider_settings_boolean(settings, "include_thoughts", 0)};
  self->claude = (mloom_messages_options){.anthropic_version = setting(self, "anthropic_version", "vertex-2023-10-16"),
                                          .stream = self->stream,
                                          .parallel_tool_calls =
                                              mloom_provider_settings_boolean(settings, "parallel_tool_calls", 1),
                                          .cache = mloom_provider_settings_boolean(settings, "prompt_caching", 1),
                                          .max_output_tokens = limit == 0 ? MLOOM_MESSAGES_OUTPUT_TOKENS : limit,
                                          .thinking = mloom_provider_settings_choice(settings, "thinking"),
                                          .thinking_budget = has_budget && budget > 0 ? (uint64_t)budget : 8192,
                                          .effort = mloom_provider_settings_choice(settings, "effort")};
  self->chat = (mloom_chat_options){.stream = self->stream,
                                    .include_usage = 1,
                                    .parallel_tool_calls = -1,
                                    .max_tokens_field = limit == 0 ? NULL : "max_tokens",
                                    .max_output_tokens = limit};
}

/* Without a method, what is configured decides. */
static const char *auth_method_of(const vertex_instance *self) {
  const mloom_provider_settings *settings = &self->service.settings;
  const char *method = setting(self, "auth_method", NULL);
  return method != NULL                                                  ? method
         : mloom_provider_settings_has(settings, "service_account_json") ? "service_account_json"
         : mloom_provider_settings_has(settings, "access_token")         ? "access_token"
                                                                         : "adc";
}

static void set_authorization(vertex_instance *self) {
  static const char *const adc[] = {"google-adc", NULL};
  static const char *const document[] = {"google-service-account", NULL};
  static const char *const token[] = {"command", "google-access-token", NULL};
  const char *const *sources = strcmp(self->auth_method, "service_account_json") == 0 ? document
                               : strcmp(self->auth_method, "access_token") == 0       ? token
                                                                                      : adc;
  mloom_service_set_authorization(&self->service, sources, 0, "Authorization", "Bearer ");
  self->service.authorization.audience = SCOPE;
  self->service.names.has_key = 1;
  self->service.names.credential_field = "auth_method (" VERTEX_PREFIX "AUTH_METHOD) and the credential that it names";
}

static const char *named(const char *text) {
  return text == NULL || text[0] == '\0' ? "unknown" : text;
}

/* Whom remedies speak of. */
static void set_names(vertex_instance *self) {
  const vertex_place *place = &self->place;
  int raw = place->resource != NULL;
  self->names = (mloom_google_place){
      .project = named(raw ? place->named[0] : place->project),
      .location = named(raw ? place->named[1] : place->location),
      .publisher = raw && place->named[2][0] != '\0' ? place->named[2] : place->publisher,
      .project_field = raw ? self->service.address_field : "project_id (" VERTEX_PREFIX "PROJECT_ID)",
      .location_field = raw ? self->service.address_field : "location (" VERTEX_PREFIX "LOCATION)"};
}

static int32_t configure(mloom_service *service, mloom_error *error) {
  vertex_instance *self = (vertex_instance *)service;
  const char *dialect = setting(self, "dialect", "auto");
  self->place.dialect = strcmp(dialect, "gemini") == 0      ? VERTEX_GEMINI
                        : strcmp(dialect, "anthropic") == 0 ? VERTEX_CLAUDE
                                                            : 0;
  self->place.location = setting(self, "location", "global");
  self->place.publisher = setting(self, "publisher", "google");
  self->auth_method = auth_method_of(self);
  int32_t status = is_raw(self) ? set_raw_place(self, error) : set_structured_place(self, error);
  status = status == MLOOM_OK ? check_host(self, self->service.base_url, error) : status;
  if (status != MLOOM_OK) {
    return status;
  }
  set_names(self);
  service->names.google = &self->names;
  self->claude_dialect = vertex_claude_dialect();
  set_options(self);
  set_authorization(self);
  return vertex_prepare_probes(self, error);
}

static void release(mloom_service *service) {
  vertex_instance *self = (vertex_instance *)service;
  vertex_place_free(&self->place);
  free(self->project);
  free(self->reach.url);
  mloom_buffer_free(&self->reach_body);
  mloom_buffer_free(&self->page_token);
  mloom_buffer_free(&self->page_url);
}

int32_t vertex_set_route(const vertex_instance *self, const vertex_model *model, const char *method, mloom_route *route,
                         mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&path, "/%s%s", model->resource,
                                 method != NULL ? method : vertex_method(model->dialect, self->stream)) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  route->dialect = model->dialect == VERTEX_CLAUDE ? &self->claude_dialect
                   : model->dialect == VERTEX_CHAT ? mloom_chat_dialect()
                                                   : mloom_gemini_dialect();
  route->options = model->dialect == VERTEX_CLAUDE ? (const void *)&self->claude
                   : model->dialect == VERTEX_CHAT ? (const void *)&self->chat
                                                   : (const void *)&self->gemini;
  if (model->dialect == VERTEX_CLAUDE) {
    mloom_route_add_header(route, "anthropic-beta", setting(self, "beta_headers", NULL));
  }
  return mloom_service_set_url(&self->service, route, path.data, error);
}

static int32_t set_route(mloom_service *service, const mloom_session_args *args, mloom_route *route,
                         mloom_error *error) {
  vertex_instance *self = (vertex_instance *)service;
  vertex_model model;
  int32_t status = vertex_model_find(&model, &self->place, args->model, error);
  if (status == MLOOM_OK) {
    mloom_route_add_json_headers(route, self->stream);
    status = vertex_set_route(self, &model, NULL, route, error);
  }
  vertex_model_free(&model);
  return status;
}

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  static const mloom_service_type type = {.id = "vertex-ai",
                                          .environment_prefix = VERTEX_PREFIX,
                                          .size = sizeof(vertex_instance),
                                          .configure = configure,
                                          .release = release,
                                          .set_route = set_route,
                                          .read_models = vertex_read_models};
  return mloom_service_open(&type, args, out_instance, error);
}

static int32_t instance_check(void *instance_pointer, const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  vertex_instance *self = instance_pointer;
  const mloom_service *service = &self->service;
  const mloom_messages_options *claude = &self->claude;
  if (!is_raw(self) && !vertex_is_known_location(self->place.location)) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_WARN, "this version does not know the location",
                                  "compare location (" VERTEX_PREFIX "LOCATION) with Google's list of locations");
  } else if (self->gemini.thinking_level != NULL && self->gemini.thinking_budget != MLOOM_GEMINI_NO_BUDGET) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_WARN,
                                  "thinking_level is sent and thinking_budget is not, for models know one of them",
                                  "unset thinking_level (" VERTEX_PREFIX "THINKING_LEVEL) or thinking_budget "
                                  "(" VERTEX_PREFIX "THINKING_BUDGET)");
  } else if (mloom_service_check_thinking(service, sink, claude->thinking, claude->thinking_budget,
                                          claude->max_output_tokens)) {
    return MLOOM_OK;
  } else if (strcmp(self->auth_method, "access_token") == 0 &&
             !mloom_provider_settings_has(&service->settings, "credential_command")) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_WARN,
                                  "an access token lives an hour at most, and nobody renews it",
                                  "set auth_method (" VERTEX_PREFIX "AUTH_METHOD) to adc or service_account_json for "
                                  "anything but a test");
  } else if (!mloom_service_check_encryption(service, sink)) {
    mloom_service_report_plausible(service, sink);
  }
  return MLOOM_OK;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {"vertex", NULL};

static const mloom_provider provider = {
    MLOOM_SERVICE_PROVIDER,
    .id = "vertex-ai",
    .title = "Vertex AI",
    .description = "Gemini and Claude on Google Cloud, with Google's identities",
    .capabilities = MLOOM_CAPABILITY_TOOLS | MLOOM_CAPABILITY_STREAMING | MLOOM_CAPABILITY_MODEL_LIST |
                    MLOOM_CAPABILITY_PARALLEL_TOOLS,
    .aliases = aliases,
    .fields = vertex_fields,
    .field_count = VERTEX_FIELD_COUNT,
    .open = instance_open,
    .check = instance_check,
    .probe = vertex_probe,
    .probe_result = vertex_probe_result,
};

static const mloom_plugin plugin =
    MLOOM_SERVICE_PLUGIN(provider, "vertex-ai", "Provider for models on Google Cloud's Vertex AI");

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  return mloom_service_plugin(&plugin, host, error_text, error_size);
}
