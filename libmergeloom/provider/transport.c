/* SPDX-License-Identifier: Apache-2.0
 *
 * What the transport settings of a provider mean for its exchanges.
 */
#include "provider/internal.h"

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "net/proxy.h"

/* The value of a variable in a copy of an environment; empty counts as unset. */
static const char *environment_value(const char *const *environment, const char *name) {
  size_t size = strlen(name);
  for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
    if (strncmp(environment[i], name, size) == 0 && environment[i][size] == '=' && environment[i][size + 1] != '\0') {
      return environment[i] + size + 1;
    }
  }
  return NULL;
}

static const char *either(const char *const *environment, const char *first, const char *second) {
  const char *value = environment_value(environment, first);
  return value != NULL || second == NULL ? value : environment_value(environment, second);
}

static uint64_t milliseconds(const mloom_settings *settings, const char *name, int64_t fallback_seconds) {
  int64_t seconds = mloom_settings_integer(settings, name, fallback_seconds);
  return seconds <= 0 || seconds > INT64_MAX / 1000 ? 0 : (uint64_t)seconds * 1000;
}

static int same_proxy(const char *a, const char *b) {
  return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static int32_t open_clients(mloom_provider_instance *instance, mloom_error *error) {
  const mloom_settings *settings = instance->settings;
  const char *const *environment = instance->services->environment;
  mloom_http_options options = {.ca_file = mloom_settings_string(settings, "ca_file", NULL),
                                .user_agent = "mergeloom/" PACKAGE_VERSION,
                                .connect_timeout_ms = milliseconds(settings, "connect_timeout", 10),
                                .first_byte_timeout_ms = milliseconds(settings, "first_byte_timeout", 300),
                                .idle_timeout_ms = milliseconds(settings, "idle_timeout", 120),
                                .total_timeout_ms = milliseconds(settings, "total_timeout", 1800)};
  mloom_setting login = {.size = (uint32_t)sizeof(login)};
  if (mloom_settings_get(settings, "proxy_login", &login) == MLOOM_OK) {
    options.proxy_login = login.secret;
  }
  int32_t code = mloom_proxy_redact_login(instance->services->redactor, options.proxy_login);
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const char *proxy = mloom_settings_string(settings, "proxy", NULL);
  const char *secure_proxy = proxy;
  const char *plain_proxy = proxy;
  if (proxy == NULL) {
    /* The upper-case HTTP_PROXY can come from a request header in CGI programs, so that it counts only outside them. */
    int cgi = environment_value(environment, "REQUEST_METHOD") != NULL;
    const char *all = either(environment, "all_proxy", "ALL_PROXY");
    secure_proxy = either(environment, "https_proxy", "HTTPS_PROXY");
    plain_proxy = either(environment, "http_proxy", cgi ? NULL : "HTTP_PROXY");
    secure_proxy = secure_proxy == NULL ? all : secure_proxy;
    plain_proxy = plain_proxy == NULL ? all : plain_proxy;
    options.no_proxy = either(environment, "no_proxy", "NO_PROXY");
  }
  options.proxy = secure_proxy;
  code = mloom_http_client_new(&instance->secure_client, &options, instance->services->log, error);
  if (code != MLOOM_OK || same_proxy(secure_proxy, plain_proxy)) {
    instance->plain_client = instance->secure_client;
    return code;
  }
  options.proxy = plain_proxy;
  return mloom_http_client_new(&instance->plain_client, &options, instance->services->log, error);
}

static int32_t add_extra_header(mloom_provider_instance *instance, mloom_bytes line, mloom_error *error) {
  const char *colon = memchr(line.data, ':', line.size);
  if (colon == NULL) {
    return MLOOM_OK; /* the settings floor has refused such lines already */
  }
  mloom_bytes name = mloom_text_trim((mloom_bytes){line.data, (size_t)(colon - line.data)});
  mloom_bytes value = mloom_text_trim((mloom_bytes){colon + 1, line.size - (size_t)(colon - line.data) - 1});
  mloom_header *header = calloc(1, sizeof(*header));
  mloom_header **grown =
      realloc(instance->extra_headers, (instance->extra_header_count + 1) * sizeof(*instance->extra_headers));
  if (grown != NULL) {
    instance->extra_headers = grown;
  }
  if (header == NULL || grown == NULL) {
    free(header);
    return mloom_error_memory(error);
  }
  header->size = (uint32_t)sizeof(*header);
  header->value = "";
  header->name = mloom_text_dup(name);
  mloom_secret *secret = NULL;
  int32_t code =
      header->name == NULL ? mloom_error_memory(error) : mloom_secret_new(&secret, value.data, value.size, error);
  header->secret = secret;
  grown[instance->extra_header_count++] = header;
  if (code == MLOOM_OK && instance->services->redactor != NULL) {
    code = mloom_redactor_add(instance->services->redactor, secret);
  }
  return code;
}

static int32_t read_extra_headers(mloom_provider_instance *instance, mloom_error *error) {
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  if (mloom_settings_get(instance->settings, "extra_headers", &setting) != MLOOM_OK || setting.secret == NULL) {
    return MLOOM_OK;
  }
  mloom_bytes rest = mloom_secret_bytes(setting.secret);
  while (rest.size > 0) {
    const char *newline = memchr(rest.data, '\n', rest.size);
    size_t size = newline == NULL ? rest.size : (size_t)(newline - rest.data);
    int32_t code = add_extra_header(instance, mloom_text_trim((mloom_bytes){rest.data, size}), error);
    if (code != MLOOM_OK) {
      return code;
    }
    size_t used = newline == NULL ? size : size + 1;
    rest.data += used;
    rest.size -= used;
  }
  return MLOOM_OK;
}

int32_t mloom_provider_open_transport(mloom_provider_instance *instance, mloom_error *error) {
  /* A program may have changed the workspace before it failed, and tries again by itself. */
  int64_t fallback = instance->entry->descriptor.shape == MLOOM_SHAPE_AGENT ? 0 : 2;
  int64_t retries = mloom_settings_integer(instance->settings, "max_retries", fallback);
  instance->retry = (mloom_retry_policy){.max_retries = retries < 0     ? 0
                                                        : retries > 100 ? 100
                                                                        : (uint32_t)retries,
                                         .base_ms = 500,
                                         .cap_ms = 8000,
                                         .max_wait_ms = 60000};
  int32_t code = open_clients(instance, error);
  return code == MLOOM_OK ? read_extra_headers(instance, error) : code;
}

void mloom_provider_close_transport(mloom_provider_instance *instance) {
  if (instance->plain_client != instance->secure_client) {
    mloom_http_client_free(instance->plain_client);
  }
  mloom_http_client_free(instance->secure_client);
  for (size_t i = 0; i < instance->extra_header_count; i++) {
    mloom_header *header = instance->extra_headers[i];
    free((void *)(uintptr_t)header->name);
    mloom_secret_unref(header->secret);
    free(header);
  }
  free(instance->extra_headers);
}
