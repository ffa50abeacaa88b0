/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for Amazon Bedrock.
 */
#include "aws_bedrock.h"

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/body.h"
#include "wire/endpoint.h"

#define PREFIX BEDROCK_ENVIRONMENT_PREFIX
#define OUTPUT_TOKENS UINT64_C(32000)

/* ---- Instances ---- */

static int is_setting(const bedrock_instance *self, const char *name, const char *value) {
  return strcmp(mloom_provider_settings_text(&self->service.settings, name, ""), value) == 0;
}

/* A Bedrock API key is taken where nothing else was asked for, as the programs of AWS do; where it is taken, nothing
 * else is looked at. */
static int uses_bearer(const bedrock_instance *self) {
  if (is_setting(self, "auth_method", "bearer_token")) {
    return 1;
  }
  return !is_setting(self, "auth_method", "static_keys") && !is_setting(self, "auth_method", "profile") &&
         (mloom_provider_settings_has(&self->service.settings, "bearer_token") ||
          mloom_provider_settings_has(&self->service.settings, "credential_command"));
}

static void set_authorization(bedrock_instance *self) {
  static const char *const bearer[] = {"command", "static-bearer-token", NULL};
  static const char *const keys[] = {"aws-static", NULL};
  static const char *const profile[] = {"aws-profile", NULL};
  static const char *const chain[] = {"aws-static", "aws-default-chain", NULL};
  const char *const *sources = self->uses_bearer                                ? bearer
                               : is_setting(self, "auth_method", "static_keys") ? keys
                               : is_setting(self, "auth_method", "profile")     ? profile
                                                                                : chain;
  mloom_service *service = &self->service;
  mloom_service_set_authorization(service, sources, 0, "Authorization", "Bearer ");
  self->list_authorization = service->authorization;
  if (!self->uses_bearer) {
    service->authorization.audience = self->scope;
    self->list_authorization.audience = self->list_scope;
  } else {
    /* A key for Bedrock is good for both of its hosts. */
    self->list_authorization.audience = self->list_audience;
  }
}

static int32_t set_model_fields(bedrock_instance *self, mloom_error *error) {
  const char *text = mloom_provider_settings_text(&self->service.settings, "additional_fields", "");
  self->converse.more_fields = mloom_text_bytes(text);
  return text[0] == '\0' || mloom_body_is_object(self->converse.more_fields)
             ? MLOOM_OK
             : mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                               "set additional_fields (" PREFIX "ADDITIONAL_FIELDS) to a JSON object, or unset it",
                               "additional_fields of aws-bedrock is no JSON object");
}

static void set_options(bedrock_instance *self) {
  const mloom_provider_settings *settings = &self->service.settings;
  const char *ttl = mloom_provider_settings_text(settings, "cache_ttl", "5m");
  ttl = strcmp(ttl, "5m") == 0 ? NULL : ttl; /* what the service takes without being told */
  uint64_t limit = mloom_provider_settings_number(settings, "max_output_tokens", 0);
  int is_new = is_setting(self, "anthropic_version", "2026-10-21");
  self->caching = mloom_provider_settings_text(settings, "prompt_caching", "auto");
  self->anthropic_version = is_new ? "2026-10-21" : "2023-06-01";
  self->converse =
      (mloom_converse_options){.max_output_tokens = limit,
                               .cache_ttl = ttl,
                               .thinking = mloom_provider_settings_choice(settings, "thinking"),
                               .thinking_budget = mloom_provider_settings_number(settings, "thinking_budget", 8192),
                               .effort = mloom_provider_settings_choice(settings, "effort"),
                               .latency = mloom_provider_settings_choice(settings, "latency")};
  self->messages = (mloom_messages_options){.send_model = self->api == BEDROCK_MANTLE,
                                            .stream = self->api == BEDROCK_MANTLE ? self->stream : -1,
                                            .parallel_tool_calls = 1,
                                            .cache = strcmp(self->caching, "off") != 0,
                                            .cache_ttl = ttl,
                                            .max_output_tokens = limit > 0 ? limit : OUTPUT_TOKENS,
                                            .thinking = self->converse.thinking,
                                            .thinking_budget = self->converse.thinking_budget,
                                            .effort = self->converse.effort};
  if (self->api == BEDROCK_INVOKE) {
    self->messages.anthropic_version = is_new ? "2026-10-21" : "bedrock-2023-05-31";
    self->messages.betas = mloom_provider_settings_text(settings, "beta_headers", NULL);
  }
}

static int32_t configure(mloom_service *service, mloom_error *error) {
  bedrock_instance *self = (bedrock_instance *)service;
  self->api = is_setting(self, "api", "invoke")   ? BEDROCK_INVOKE
              : is_setting(self, "api", "mantle") ? BEDROCK_MANTLE
                                                  : BEDROCK_CONVERSE;
  self->stream = mloom_provider_settings_boolean(&service->settings, "stream", 1);
  self->uses_bearer = uses_bearer(self);
  int32_t code = bedrock_find_place(self, error);
  if (code != MLOOM_OK) {
    return code;
  }
  set_options(self);
  set_authorization(self);
  service->names.has_key = 1;
  service->names.credential_field =
      self->uses_bearer ? "bearer_token (AWS_BEARER_TOKEN_BEDROCK)" : "auth_method (" PREFIX "AUTH_METHOD)";
  service->probe.dialect = self->api == BEDROCK_MANTLE ? mloom_messages_dialect() : mloom_converse_dialect();
  code = set_model_fields(self, error);
  self->converse_cached = self->converse;
  self->converse_cached.cache = 1;
  return code;
}

static void release(mloom_service *service) {
  bedrock_instance *self = (bedrock_instance *)service;
  free(self->region);
  free(self->scope);
  free(self->list_address);
  free(self->list_audience);
  free(self->list_scope);
  free(self->probe_url);
  mloom_buffer_free(&self->next_token);
}

/* ---- Conversations ---- */

/* What a conversation needs that differs from model to model. */
static void choose_options(const bedrock_instance *self, const char *model, mloom_route *route) {
  if (self->api != BEDROCK_CONVERSE) {
    route->options = &self->messages;
    return;
  }
  int cache = strcmp(self->caching, "on") == 0 || (strcmp(self->caching, "auto") == 0 && bedrock_has_cache(model));
  route->options = cache ? &self->converse_cached : &self->converse;
}

static int differs(mloom_bytes region, const char *own) {
  return region.size > 0 &&
         (strlen(own) != region.size || mloom_text_compare_start_fold(region.data, own, region.size) != 0);
}

static int32_t check_model(const bedrock_instance *self, const char *model, mloom_error *error) {
  if (model[0] == '\0') {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_SETTINGS,
                           "set model (" PREFIX "MODEL_ID), or name a model in the ticket", "aws-bedrock has no model");
  }
  if (differs(bedrock_arn_region(model), self->region)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "set region (" PREFIX "REGION) to that of the ARN, or name a model of this region",
                           "the model %s is not of region %s", model, self->region);
  }
  if (strcmp(model, ".") == 0 || strcmp(model, "..") == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "name a model",
                           "%s would be another path of the service, and is no model", model);
  }
  return MLOOM_OK;
}

static int32_t set_route(mloom_service *service, const mloom_session_args *args, mloom_route *route,
                         mloom_error *error) {
  bedrock_instance *self = (bedrock_instance *)service;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  int32_t code = check_model(self, args->model, error);
  if (code != MLOOM_OK) {
    return code;
  }
  choose_options(self, args->model, route);
  route->dialect = self->api == BEDROCK_CONVERSE ? mloom_converse_dialect()
                   : self->api == BEDROCK_INVOKE ? bedrock_invoke_dialect()
                                                 : mloom_messages_dialect();
  if (self->api == BEDROCK_MANTLE) {
    mloom_route_add_json_headers(route, self->stream);
    mloom_route_add_header(route, "anthropic-version", self->anthropic_version);
    mloom_route_add_header(route, "anthropic-beta",
                           mloom_provider_settings_text(&service->settings, "beta_headers", NULL));
  } else {
    mloom_route_add_header(route, "Content-Type", "application/json");
  }
  code = bedrock_append_path(self, &path, args->model);
  return code == MLOOM_OK ? mloom_service_set_url(service, route, mloom_buffer_string(&path), error)
                          : mloom_error_memory(error);
}

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  static const mloom_service_type type = {.id = "aws-bedrock",
                                          .environment_prefix = PREFIX,
                                          .size = sizeof(bedrock_instance),
                                          .configure = configure,
                                          .release = release,
                                          .set_route = set_route};
  return mloom_service_open(&type, args, out_instance, error);
}

/* ---- Checks ---- */

/* Warns of a region that has an unusual name: the address of the service is made of it, and leads nowhere then. Returns
 * whether it did. */
static int check_region(const bedrock_instance *self, const mloom_probe_sink *sink) {
  char reason[160];
  if (bedrock_region_is_usual(self->region)) {
    return 0;
  }
  snprintf(reason, sizeof(reason), "no region of AWS that this version knows of has a name like %.60s", self->region);
  mloom_service_report_settings(&self->service, sink, MLOOM_CHECK_WARN, reason,
                                "look for a slip in region (" PREFIX
                                "REGION): they are called us-east-1, eu-central-1, "
                                "ap-southeast-2 and so on");
  return 1;
}

static int32_t instance_check(void *instance_pointer, const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  const bedrock_instance *self = instance_pointer;
  const mloom_service *service = &self->service;
  if (mloom_endpoint_ends_with(service->base_url, "/converse") || strstr(service->base_url, "/model/") != NULL ||
      mloom_endpoint_ends_with(service->base_url, "/messages")) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, "endpoint_url holds the path of one operation",
                                  "cut off what follows the host in %s");
  } else if (differs(bedrock_host_region(service->base_url), self->region)) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, "endpoint_url is of another region than region",
                                  "set region (" PREFIX "REGION) to that of %s, or leave the address unset");
  } else if (differs(bedrock_arn_region(service->default_model), self->region)) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, "the ARN in model is of another region than region",
                                  "set region (" PREFIX "REGION) to that of the ARN");
  } else if (self->uses_bearer && !mloom_provider_settings_has(&service->settings, "bearer_token") &&
             !mloom_provider_settings_has(&service->settings, "credential_command")) {
    mloom_service_report_settings(service, sink, MLOOM_CHECK_FAIL, "auth_method is bearer_token, and none is set",
                                  "set bearer_token (AWS_BEARER_TOKEN_BEDROCK), or another auth_method");
  } else if (!mloom_service_check_thinking(service, sink, self->converse.thinking, self->converse.thinking_budget,
                                           self->converse.max_output_tokens) &&
             !(self->uses_bearer && bedrock_check_bearer_key(self, sink)) &&
             !mloom_service_check_encryption(service, sink) && !check_region(self, sink)) {
    mloom_service_report_plausible(service, sink);
  }
  return MLOOM_OK;
}

/* ---- The plugin ---- */

static const char *const aliases[] = {"bedrock", NULL};

static const mloom_provider provider = {
    MLOOM_SERVICE_PROVIDER,
    .id = "aws-bedrock",
    .title = "AWS Bedrock",
    .description = "Models on Amazon Bedrock, with identities of AWS or a Bedrock API key",
    .capabilities = MLOOM_CAPABILITY_TOOLS | MLOOM_CAPABILITY_STREAMING | MLOOM_CAPABILITY_MODEL_LIST |
                    MLOOM_CAPABILITY_PARALLEL_TOOLS,
    .aliases = aliases,
    .fields = bedrock_fields,
    .field_count = BEDROCK_FIELD_COUNT,
    .open = instance_open,
    .check = instance_check,
    .probe = bedrock_probe,
    .probe_result = bedrock_probe_result,
};

static const mloom_plugin plugin =
    MLOOM_SERVICE_PLUGIN(provider, "aws-bedrock", "Provider for models on Amazon Bedrock");

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, environment_get) || host->environment_get == NULL) {
    snprintf(error_text, error_size, "the host gives no environment");
    return NULL;
  }
  return mloom_service_plugin(&plugin, host, error_text, error_size);
}
