/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the service is: region, addresses, and the path that names a model.
 */
#include <stdlib.h>
#include <string.h>

#include "aws_bedrock.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/aws_files.h"
#include "wire/endpoint.h"

#define REGION_REMEDY "set region (" BEDROCK_ENVIRONMENT_PREFIX "REGION), such as us-east-1"

/* ---- Models ---- */

int32_t bedrock_append_segment(mloom_buffer *out, const char *text) {
  int32_t code = MLOOM_OK;
  for (; code == MLOOM_OK && *text != '\0'; text++) {
    char c = *text;
    int is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) != NULL;
    code = is_plain ? mloom_buffer_append_char(out, c)
                    : mloom_buffer_append_format(out, "%%%02X", (unsigned int)(unsigned char)c);
  }
  return code;
}

/* arn:PARTITION:bedrock:REGION:ACCOUNT:RESOURCE */
mloom_bytes bedrock_arn_region(const char *text) {
  const char *at = text;
  if (mloom_text_compare_start_fold(text, "arn:", 4) != 0) {
    return (mloom_bytes){"", 0};
  }
  for (int colons = 0; colons < 3; colons++) {
    at = strchr(at, ':');
    if (at == NULL) {
      return (mloom_bytes){"", 0};
    }
    at++;
  }
  return (mloom_bytes){at, strcspn(at, ":")};
}

/* Area, direction, number: this outlives any list. */
int bedrock_region_is_usual(const char *region) {
  static const char *const directions[] = {"north",     "south",     "east",      "west",     "central",
                                           "northeast", "northwest", "southeast", "southwest"};
  const char *number = strrchr(region, '-');
  if (number == NULL || strlen(number) != 2 || number[1] < '1' || number[1] > '9') {
    return 0;
  }
  for (size_t i = 0; i < sizeof(directions) / sizeof(directions[0]); i++) {
    size_t size = strlen(directions[i]);
    size_t before = (size_t)(number - region);
    if (before > size && region[before - size - 1] == '-' && memcmp(number - size, directions[i], size) == 0) {
      return 1;
    }
  }
  return 0;
}

int bedrock_has_cache(const char *model) {
  static const char *const families[] = {"anthropic.claude", "amazon.nova"};
  for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
    if (strstr(model, families[i]) != NULL) {
      return 1;
    }
  }
  return 0;
}

int32_t bedrock_append_path(const bedrock_instance *self, mloom_buffer *out, const char *model) {
  if (self->api == BEDROCK_MANTLE) {
    return mloom_buffer_append_string(out, mloom_endpoint_ends_with(self->service.base_url, "/anthropic")
                                               ? "/v1/messages"
                                               : "/anthropic/v1/messages");
  }
  const char *operation = self->api == BEDROCK_INVOKE ? (self->stream ? "/invoke-with-response-stream" : "/invoke")
                          : self->stream              ? "/converse-stream"
                                                      : "/converse";
  int32_t code = mloom_buffer_append_string(out, "/model/");
  code = code == MLOOM_OK ? bedrock_append_segment(out, model) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(out, operation) : code;
}

/* ---- Region ---- */

/* Where the settings of AWS programs are looked for. */
typedef struct aws_place {
  const mloom_aws_files *files;
  const char *profile;
} aws_place;

static int32_t set_region(bedrock_instance *self, mloom_bytes region, const char *where, mloom_error *error) {
  free(self->region);
  self->region = mloom_text_dup(region);
  if (self->region == NULL) {
    return mloom_error_memory(error);
  }
  /* It becomes a part of host names: nothing else may get there. */
  return mloom_aws_is_region(self->region) ? MLOOM_OK
                                           : mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                                                             REGION_REMEDY, "%s is no region of AWS", where);
}

/* The setting (with the variables), the profile, the ARN that names the model. */
static int32_t find_region(bedrock_instance *self, const aws_place *place, mloom_error *error) {
  const mloom_service *service = &self->service;
  const char *said = mloom_provider_settings_text(&service->settings, "region", NULL);
  const char *of_profile = NULL;
  if (said != NULL) {
    return set_region(self, mloom_text_bytes(said), "region of aws-bedrock", error);
  }
  int32_t code = mloom_aws_region(&of_profile, service->settings.host, place->files, place->profile, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (of_profile != NULL) {
    return set_region(self, mloom_text_bytes(of_profile), "region of the AWS profile", error);
  }
  mloom_bytes of_arn = bedrock_arn_region(service->default_model);
  if (of_arn.size > 0) {
    return set_region(self, of_arn, "the region in the ARN of model", error);
  }
  return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_SETTINGS, REGION_REMEDY,
                         "aws-bedrock has no region, and no profile or ARN names one");
}

/* ---- Addresses ---- */

mloom_bytes bedrock_host_region(const char *url) {
  static const char *const domains[] = {".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"};
  static const char *const services[] = {"bedrock-runtime.", "bedrock-runtime-fips.", "bedrock-mantle.", "bedrock.",
                                         "bedrock-fips."};
  const char *host = strstr(url, "://");
  host = host == NULL ? url : host + 3;
  size_t size = strcspn(host, ":/?#");
  for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
    size_t end = strlen(domains[i]);
    if (size <= end || mloom_text_compare_start_fold(host + size - end, domains[i], end) != 0) {
      continue;
    }
    for (size_t j = 0; j < sizeof(services) / sizeof(services[0]); j++) {
      size_t begin = strlen(services[j]);
      if (size > begin + end && mloom_text_compare_start_fold(host, services[j], begin) == 0) {
        return (mloom_bytes){host + begin, size - begin - end};
      }
    }
  }
  return (mloom_bytes){"", 0};
}

/* The host of service in the region; mantle has no variants. */
static int32_t append_regional_url(const bedrock_instance *self, const aws_place *place, const char *service,
                                   mloom_buffer *out) {
  const mloom_host *host = self->service.settings.host;
  int is_mantle = strcmp(service, "bedrock-mantle") == 0;
  int fips = mloom_aws_boolean(host, place->files, place->profile, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
  int dual_stack =
      mloom_aws_boolean(host, place->files, place->profile, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
  return mloom_buffer_append_format(out, "https://%s%s.%s.%s", service, fips && !is_mantle ? "-fips" : "", self->region,
                                    is_mantle ? "api.aws" : mloom_aws_dns_suffix(self->region, dual_stack));
}

/* What is configured outside of our settings, as the programs of AWS and of Anthropic read it; out stays empty when
 * nothing is. */
static int32_t append_configured_url(const bedrock_instance *self, const aws_place *place, const char *service,
                                     mloom_buffer *out, mloom_error *error) {
  const mloom_host *host = self->service.settings.host;
  const char *origin = NULL;
  if (strcmp(service, "bedrock_mantle") == 0) {
    const char *url = host->environment_get(host->ctx, "ANTHROPIC_BEDROCK_MANTLE_BASE_URL");
    return url == NULL || mloom_buffer_append_string(out, url) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
  }
  return mloom_aws_endpoint_url(out, &origin, host, place->files, place->profile, service, error);
}

static int32_t find_address(bedrock_instance *self, const aws_place *place, mloom_error *error) {
  int is_mantle = self->api == BEDROCK_MANTLE;
  const char *said = mloom_provider_settings_text(&self->service.settings, "endpoint_url", NULL);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  int32_t code = MLOOM_OK;
  if (said == NULL) {
    code = append_configured_url(self, place, is_mantle ? "bedrock_mantle" : "bedrock_runtime", &url, error);
    if (code == MLOOM_OK && url.size == 0) {
      code = append_regional_url(self, place, is_mantle ? "bedrock-mantle" : "bedrock-runtime", &url);
      code = code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
    }
  }
  return code == MLOOM_OK ? mloom_service_set_address(&self->service, "endpoint_url",
                                                      said != NULL ? said : mloom_buffer_string(&url), error)
                          : code;
}

/* The list of models is kept by another host. A sandbox has both at one address; a VPC endpoint of the runtime does not
 * tell where that of the control plane is. */
static int32_t find_list_address(bedrock_instance *self, const aws_place *place, mloom_error *error) {
  const mloom_service *service = &self->service;
  const char *address = mloom_provider_settings_text(&service->settings, "control_endpoint_url", NULL);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  int32_t code = address == NULL ? append_configured_url(self, place, "bedrock", &url, error) : MLOOM_OK;
  if (code != MLOOM_OK) {
    return code;
  }
  int is_own = mloom_provider_settings_has(&service->settings, "endpoint_url") &&
               !mloom_endpoint_host_is_in(service->base_url, "amazonaws.com") &&
               !mloom_endpoint_host_is_in(service->base_url, "api.aws");
  if (address == NULL && url.size == 0 && is_own) {
    address = service->base_url;
  } else if (address == NULL && url.size == 0) {
    if (bedrock_host_region(service->base_url).size == 0) {
      return MLOOM_OK;
    }
    code = append_regional_url(self, place, "bedrock", &url);
  }
  address = address == NULL ? mloom_buffer_string(&url) : address;
  if (code == MLOOM_OK) {
    self->list_address = mloom_endpoint_join(address, mloom_endpoint_trimmed_size(address), "");
    self->list_audience = mloom_endpoint_join(address, mloom_endpoint_origin_size(address), "");
  }
  return self->list_address == NULL || self->list_audience == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static int32_t set_scope(char **out, const char *service, const char *region, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scope = MLOOM_BUFFER_INIT;
  *out = mloom_buffer_append_format(&scope, "%s/%s", service, region) == MLOOM_OK ? mloom_buffer_take(&scope) : NULL;
  return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

int32_t bedrock_find_place(bedrock_instance *self, mloom_error *error) {
  const mloom_provider_settings *settings = &self->service.settings;
  MLOOM_AUTO(mloom_aws_files_free) mloom_aws_files files = {0};
  aws_place place = {&files,
                     mloom_aws_profile_name(settings->host, mloom_provider_settings_text(settings, "profile", NULL))};
  /* A bearer key needs nothing of the files but perhaps a region; broken ones must not matter to it. */
  int needs_files = !self->uses_bearer || mloom_provider_settings_text(settings, "region", NULL) == NULL;
  int32_t code = needs_files ? mloom_aws_files_read(&files, settings->host, error) : MLOOM_OK;
  code = code == MLOOM_OK ? find_region(self, &place, error) : code;
  code = code == MLOOM_OK ? find_address(self, &place, error) : code;
  code = code == MLOOM_OK ? find_list_address(self, &place, error) : code;
  code = code == MLOOM_OK
             ? set_scope(&self->scope, self->api == BEDROCK_MANTLE ? "bedrock-mantle" : "bedrock", self->region, error)
             : code;
  return code == MLOOM_OK ? set_scope(&self->list_scope, "bedrock", self->region, error) : code;
}
