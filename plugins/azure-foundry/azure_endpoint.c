/* SPDX-License-Identifier: Apache-2.0 */
#include "azure_endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "net/url.h"
#include "wire/endpoint.h"
#include "wire/fetch.h"

#define PROJECTS "/api/projects/"
#define DEPLOYMENTS "/openai/deployments/"

void mloom_azure_endpoint_free(mloom_azure_endpoint *endpoint) {
  free(endpoint->base);
  free(endpoint->deployment);
  free(endpoint->api_version);
  memset(endpoint, 0, sizeof(*endpoint));
}

static int32_t refuse(const char *field, const char *what, mloom_error *error) {
  char remedy[256];
  snprintf(remedy, sizeof(remedy),
           "set %s to the address of the resource, such as https://NAME.openai.azure.com or "
           "https://NAME.services.ai.azure.com",
           field);
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, remedy, "%s %s", field, what);
}

/* What follows the host: a host may be named like a part of a path. */
static char *path_of(char *base) {
  return base + mloom_endpoint_origin_size(base);
}

/* Cuts end off the end of base; says whether it was there. */
static int cut(char *base, const char *end) {
  if (!mloom_endpoint_ends_with(path_of(base), end)) {
    return 0;
  }
  base[strlen(base) - strlen(end)] = '\0';
  return 1;
}

/* Portals show the address of one operation: what it says is kept, and the rest cut off. */
static void cut_operation(mloom_azure_endpoint *out) {
  static const struct {
    const char *end;
    uint32_t route;
    uint32_t api;
  } operations[] = {
      {"/chat/completions", MLOOM_AZURE_ROUTE_AUTO, MLOOM_AZURE_API_CHAT},
      {"/responses", MLOOM_AZURE_ROUTE_AUTO, MLOOM_AZURE_API_RESPONSES},
      {"/messages", MLOOM_AZURE_ROUTE_ANTHROPIC, MLOOM_AZURE_API_AUTO},
      {"/openai/v1/models", MLOOM_AZURE_ROUTE_V1, MLOOM_AZURE_API_AUTO},
      {"/openai/models", MLOOM_AZURE_ROUTE_AUTO, MLOOM_AZURE_API_AUTO},
  };
  for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
    if (cut(out->base, operations[i].end)) {
      out->route = operations[i].route;
      out->api = operations[i].api;
      return;
    }
  }
}

static int hex(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

static void decode(char *text) {
  char *to = text;
  for (const char *from = text; *from != '\0'; from++) {
    int high = from[0] == '%' ? hex(from[1]) : -1;
    int low = high >= 0 ? hex(from[2]) : -1;
    if (low >= 0 && high * 16 + low != 0) {
      *to++ = (char)(high * 16 + low);
      from += 2;
    } else {
      *to++ = *from;
    }
  }
  *to = '\0';
}

static int32_t cut_route(mloom_azure_endpoint *out, const char *field, mloom_error *error) {
  char *deployment = strstr(path_of(out->base), DEPLOYMENTS);
  if (deployment != NULL) {
    const char *name = deployment + strlen(DEPLOYMENTS);
    if (*name == '\0' || strchr(name, '/') != NULL) {
      return refuse(field, "names no deployment behind " DEPLOYMENTS, error);
    }
    out->deployment = strdup(name);
    if (out->deployment == NULL) {
      return mloom_error_memory(error);
    }
    decode(out->deployment);
    *deployment = '\0';
    out->route = MLOOM_AZURE_ROUTE_DEPLOYMENTS;
    return MLOOM_OK;
  }
  if (cut(out->base, "/openai/v1")) {
    out->route = MLOOM_AZURE_ROUTE_V1;
  } else if (cut(out->base, "/anthropic/v1") || cut(out->base, "/anthropic")) {
    out->route = MLOOM_AZURE_ROUTE_ANTHROPIC;
  } else {
    (void)cut(out->base, "/openai/deployments");
    (void)cut(out->base, "/openai");
  }
  return MLOOM_OK;
}

/* Of a query only api-version means something. */
static int32_t take_query(mloom_azure_endpoint *out, const char *query, const char *field, mloom_error *error) {
  static const char name[] = "api-version=";
  size_t size = strcspn(query, "&");
  if (*query == '\0') {
    return MLOOM_OK;
  }
  if (mloom_text_compare_start_fold(query, name, sizeof(name) - 1) != 0 || query[size] != '\0' ||
      size == sizeof(name) - 1 ||
      strspn(query + sizeof(name) - 1, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.") !=
          size - (sizeof(name) - 1)) {
    return refuse(field, "has a query that is no api-version", error);
  }
  out->api_version = strdup(query + sizeof(name) - 1);
  return out->api_version == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static void trim(char *base) {
  base[mloom_endpoint_trimmed_size(base)] = '\0';
}

int32_t mloom_azure_endpoint_parse(mloom_azure_endpoint *out, const char *url, const char *field, mloom_error *error) {
  memset(out, 0, sizeof(*out));
  mloom_url parsed;
  size_t size = strcspn(url, "?#");
  out->base = mloom_endpoint_join(url, size, "");
  if (out->base == NULL) {
    return mloom_error_memory(error);
  }
  if (mloom_url_parse(&parsed, out->base, NULL) != MLOOM_OK) {
    return refuse(field, "is no address of a service", error);
  }
  if (strchr(url, '#') != NULL) {
    return refuse(field, "has a fragment", error);
  }
  trim(out->base);
  cut_operation(out);
  trim(out->base);
  int32_t status = cut_route(out, field, error);
  if (status == MLOOM_OK && url[size] == '?') {
    status = take_query(out, url + size + 1, field, error);
  }
  if (status != MLOOM_OK) {
    return status;
  }
  trim(out->base);
  const char *project = strstr(path_of(out->base), PROJECTS);
  out->is_project = project != NULL && project[strlen(PROJECTS)] != '\0';
  return MLOOM_OK;
}

static int32_t append_base(mloom_buffer *out, const mloom_azure_endpoint *endpoint, uint32_t route) {
  /* Claude is served by the resource, not by its projects. */
  const char *project = route == MLOOM_AZURE_ROUTE_ANTHROPIC ? strstr(path_of(endpoint->base), PROJECTS) : NULL;
  size_t size = project == NULL ? strlen(endpoint->base) : (size_t)(project - endpoint->base);
  return mloom_buffer_append(out, endpoint->base, size);
}

static int32_t append_url(mloom_buffer *out, const mloom_azure_endpoint *endpoint, uint32_t route,
                          const char *operation, const char *deployment) {
  int32_t status = append_base(out, endpoint, route);
  if (status != MLOOM_OK) {
    return status;
  }
  if (route == MLOOM_AZURE_ROUTE_ANTHROPIC) {
    return mloom_buffer_append_format(out, "/anthropic/v1/%s", operation);
  }
  if (route == MLOOM_AZURE_ROUTE_DEPLOYMENTS && strcmp(operation, "chat/completions") == 0) {
    status = mloom_buffer_append_string(out, DEPLOYMENTS);
    if (status == MLOOM_OK) {
      status = mloom_fetch_append_encoded(out, mloom_text_bytes(deployment));
    }
    return status == MLOOM_OK ? mloom_buffer_append_format(out, "/%s", operation) : status;
  }
  return mloom_buffer_append_format(out, "/openai/%s%s", route == MLOOM_AZURE_ROUTE_V1 ? "v1/" : "", operation);
}

char *mloom_azure_endpoint_url(const mloom_azure_endpoint *endpoint, uint32_t route, const char *operation,
                               const char *deployment, const char *api_version) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  int32_t status = append_url(&url, endpoint, route, operation, deployment);
  if (status == MLOOM_OK && api_version != NULL && route != MLOOM_AZURE_ROUTE_ANTHROPIC) {
    status = mloom_buffer_append_string(&url, "?api-version=");
    status = status == MLOOM_OK ? mloom_fetch_append_encoded(&url, mloom_text_bytes(api_version)) : status;
  }
  return status == MLOOM_OK ? mloom_buffer_take(&url) : NULL;
}

char *mloom_azure_endpoint_deployments_url(const mloom_azure_endpoint *endpoint) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  int32_t status = mloom_buffer_append_format(&url, "%s/deployments?api-version=v1", endpoint->base);
  return status == MLOOM_OK ? mloom_buffer_take(&url) : NULL;
}

/* ---- Hosts and scopes ---- */

/* Azure's clouds, and what tokens for them are asked for: of resources of Azure OpenAI, and of Foundry. */
static const struct {
  const char *domain;
  const char *cognitive;
  const char *foundry;
} clouds[] = {
    {"azure.com", "https://cognitiveservices.azure.com/.default", "https://ai.azure.com/.default"},
    {"azure.us", "https://cognitiveservices.azure.us/.default", "https://ai.azure.us/.default"},
    {"azure.cn", "https://cognitiveservices.azure.cn/.default", "https://ai.azure.cn/.default"},
};
#define CLOUD_COUNT (sizeof(clouds) / sizeof(clouds[0]))

static size_t cloud_of(const mloom_azure_endpoint *endpoint) {
  size_t i = 0;
  while (i < CLOUD_COUNT && !mloom_endpoint_host_is_in(endpoint->base, clouds[i].domain)) {
    i++;
  }
  return i;
}

int mloom_azure_endpoint_is_service(const mloom_azure_endpoint *endpoint) {
  static const char *const services[] = {"openai", "cognitiveservices", "services.ai"};
  size_t cloud = cloud_of(endpoint);
  for (size_t i = 0; cloud < CLOUD_COUNT && i < sizeof(services) / sizeof(services[0]); i++) {
    char domain[48];
    snprintf(domain, sizeof(domain), "%s.%s", services[i], clouds[cloud].domain);
    if (mloom_endpoint_host_is_in(endpoint->base, domain)) {
      return 1;
    }
  }
  return mloom_endpoint_host_is_in(endpoint->base, "api.cognitive.microsoft.com");
}

int mloom_azure_endpoint_is_azure(const mloom_azure_endpoint *endpoint) {
  return cloud_of(endpoint) < CLOUD_COUNT;
}

const char *mloom_azure_endpoint_scope(const mloom_azure_endpoint *endpoint, unsigned attempt) {
  size_t cloud = cloud_of(endpoint);
  if (cloud == CLOUD_COUNT) {
    cloud = 0; /* a gateway before the public cloud */
  }
  char services[32];
  snprintf(services, sizeof(services), "services.ai.%s", clouds[cloud].domain);
  if (endpoint->is_project) {
    return attempt == 0 ? clouds[cloud].foundry : NULL;
  }
  int is_foundry = mloom_endpoint_host_is_in(endpoint->base, services);
  return attempt > 1 ? NULL : (attempt == 0) == is_foundry ? clouds[cloud].foundry : clouds[cloud].cognitive;
}
