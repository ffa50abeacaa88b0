/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "azure.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/fetch.h"
#include "wire/provider_settings.h"

#define DEFAULT_AUTHORITY "https://login.microsoftonline.com"
#define DEFAULT_SCOPE "/.default"

mloom_azure_value mloom_azure_get(const mloom_azure_source *source, const mloom_settings *settings, const char *field,
                                  const char *variable) {
  const mloom_host *host = source->host;
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  mloom_azure_value value = {.origin = variable == NULL ? field : variable};
  if (host->setting_get(host->ctx, settings, field, &setting) == MLOOM_OK) {
    value.declared = 1;
    value.text = setting.value != NULL && setting.value[0] != '\0' ? setting.value : NULL;
    value.setting = setting;
    value.origin = setting.origin_name != NULL && setting.origin_name[0] != '\0' ? setting.origin_name : value.origin;
  } else if (variable != NULL) {
    value.text = host->environment_get(host->ctx, variable);
  }
  return value;
}

int mloom_azure_is_method(const mloom_azure_source *source, const mloom_settings *settings, const char *method) {
  mloom_azure_value chosen = mloom_azure_get(source, settings, "auth_method", NULL);
  return chosen.text != NULL && strcmp(chosen.text, method) == 0;
}

static int32_t missing(const char *field, const char *variable, mloom_error *error) {
  char remedy[128];
  snprintf(remedy, sizeof(remedy), "set %s (%s)", field, variable);
  return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL, remedy,
                         "the identity of the Azure application is incomplete: %s has no value", field);
}

/* Letters, digits, dots and hyphens, as Entra's own libraries demand: it becomes a part of the address. */
static int32_t check_tenant(const char *tenant, mloom_error *error) {
  static const char *const shared[] = {"common", "organizations", "consumers"};
  static const char remedy[] = "set tenant_id (AZURE_TENANT_ID) to the id of the directory or to one of its domains";
  for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
    if (mloom_text_compare_fold(tenant, shared[i]) == 0) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy,
                             "the tenant \"%s\" stands for many; an application asks for tokens of one", shared[i]);
    }
  }
  size_t size =
      strspn(tenant, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-"); /* no locale's alphabet */
  if (tenant[size] != '\0' || size > 253 || strspn(tenant, ".") == size) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy,
                           "tenant_id is no id or domain of a tenant");
  }
  return MLOOM_OK;
}

int32_t mloom_azure_token_url(mloom_buffer *out, const mloom_azure_source *source, const mloom_settings *settings,
                              const char *tenant, mloom_error *error) {
  static const char name[] = "authority_host (AZURE_AUTHORITY_HOST)";
  mloom_azure_value authority = mloom_azure_get(source, settings, "authority_host", "AZURE_AUTHORITY_HOST");
  const char *host = authority.text == NULL ? DEFAULT_AUTHORITY : authority.text;
  if (strpbrk(host, "?#") != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "give the address alone, without ? and #",
                           "%s has a query or fragment", name);
  }
  size_t size = strlen(host);
  while (size > 0 && host[size - 1] == '/') {
    size--;
  }
  /* Some of the vendor's tools take the bare name. */
  const char *scheme = strstr(host, "://") == NULL ? "https://" : "";
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&url, "%s%.*s/%s/oauth2/v2.0/token", scheme, (int)size, host, tenant) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_fetch_check_url(mloom_buffer_string(&url), name, error);
  if (code != MLOOM_OK) {
    return code;
  }
  return mloom_buffer_append(out, url.data, url.size) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int is_azures(const char *authority) {
  static const char *const clouds[] = {"login.microsoftonline.com", "login.microsoftonline.us",
                                       "login.chinacloudapi.cn", "login.partner.microsoftonline.cn"};
  const char *host = mloom_text_compare_start_fold(authority, "https://", 8) == 0 ? authority + 8 : authority;
  for (size_t i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++) {
    size_t size = strlen(clouds[i]);
    if (mloom_text_compare_start_fold(host, clouds[i], size) == 0 && host[size + strspn(host + size, "/")] == '\0') {
      return 1;
    }
  }
  return 0;
}

int32_t mloom_azure_check_authority(const mloom_azure_fetch *fetch, const char *what, mloom_error *error) {
  const mloom_provider_settings settings = {fetch->source->host, fetch->settings};
  mloom_azure_value authority =
      mloom_azure_get(fetch->source, fetch->settings, "authority_host", "AZURE_AUTHORITY_HOST");
  if (authority.text != NULL && !is_azures(authority.text) &&
      mloom_provider_settings_is_foreign(&settings, "authority_host")) {
    char remedy[256];
    snprintf(remedy, sizeof(remedy), "remove authority_host from %.80s, or set AZURE_AUTHORITY_HOST in the deployment",
             authority.origin);
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL, remedy,
                           "%s is not sent to the authority_host that %.80s gives", what, authority.origin);
  }
  return mloom_provider_settings_check_proxy(&settings, what, error);
}

int32_t mloom_azure_find_application(const mloom_azure_source *source, const mloom_settings *settings,
                                     mloom_azure_application *out, mloom_error *error) {
  out->tenant = mloom_azure_get(source, settings, "tenant_id", "AZURE_TENANT_ID").text;
  out->client = mloom_azure_get(source, settings, "client_id", "AZURE_CLIENT_ID").text;
  if (out->tenant == NULL) {
    return missing("tenant_id", "AZURE_TENANT_ID", error);
  }
  if (out->client == NULL) {
    return missing("client_id", "AZURE_CLIENT_ID", error);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  int32_t code = check_tenant(out->tenant, error);
  return code == MLOOM_OK ? mloom_azure_token_url(&url, source, settings, out->tenant, error) : code;
}

/* ---- Scope and resource ---- */

static int32_t check_audience(const char *audience, mloom_error *error) {
  static const char remedy[] = "set token_scope to the service's scope, such as https://ai.azure.com/.default";
  if (audience == NULL || audience[0] == '\0') {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL, remedy,
                           "nothing says what the token is for");
  }
  size_t size = strspn(audience, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:/");
  if (audience[size] != '\0' || size > 512) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy,
                           "the token scope is not one scope of one service");
  }
  return MLOOM_OK;
}

static size_t resource_size(const char *audience) {
  size_t size = strlen(audience);
  size_t suffix = strlen(DEFAULT_SCOPE);
  return size > suffix && strcmp(audience + size - suffix, DEFAULT_SCOPE) == 0 ? size - suffix : size;
}

int32_t mloom_azure_append_resource(mloom_buffer *out, const char *audience, mloom_error *error) {
  int32_t code = check_audience(audience, error);
  if (code != MLOOM_OK) {
    return code;
  }
  return mloom_buffer_append(out, audience, resource_size(audience)) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

int32_t mloom_azure_append_scope(mloom_buffer *out, const char *audience, mloom_error *error) {
  int32_t code = mloom_azure_append_resource(out, audience, error);
  if (code != MLOOM_OK) {
    return code;
  }
  return mloom_buffer_append_string(out, DEFAULT_SCOPE) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}
