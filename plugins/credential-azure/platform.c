/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of Azure's platforms this is, by the variables that it sets.
 */
#include "config.h"

#include "azure.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "net/url.h"

#define IMDS_HOST "http://169.254.169.254"
#define IMDS_PATH "/metadata/identity/oauth2/token"
#define ARC_ADDRESS "http://127.0.0.1:40342/metadata/identity/oauth2/token"
#define ARC_PROGRAM "/opt/azcmagent/bin/himds"

/* Of an address that the network around cannot reach: this machine's, the link's, a private one. */
static int is_private(mloom_bytes host) {
  char text[16] = "";
  struct in_addr address;
  if (host.size >= sizeof(text)) {
    return 0;
  }
  memcpy(text, host.data, host.size);
  if (inet_pton(AF_INET, text, &address) != 1) {
    return 0;
  }
  uint32_t number = ntohl(address.s_addr);
  return number >> 24 == 10 || number >> 24 == 127 || number >> 16 == 0xa9fe || number >> 16 == 0xc0a8 ||
         number >> 20 == 0xac1;
}

/* The platform's secret is not for a server far away. */
static int32_t set_url(mloom_azure_platform *out, const char *variable, const char *address, const char *path,
                       mloom_error *error) {
  mloom_url parts;
  mloom_error reason = MLOOM_ERROR_INIT;
  char remedy[160];
  snprintf(remedy, sizeof(remedy), "unset %s unless the platform sets it", variable);
  size_t size = strlen(address);
  while (path[0] != '\0' && size > 0 && address[size - 1] == '/') {
    size--;
  }
  if (mloom_buffer_append_format(&out->url, "%.*s%s", (int)size, address, path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (mloom_url_parse(&parts, out->url.data, &reason) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy, "%s: %s", variable, reason.message);
  }
  if (strpbrk(out->url.data, "?#") != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy, "%s has a query or fragment",
                           variable);
  }
  if (!parts.is_https && !mloom_http_is_loopback(out->url.data) && !is_private(parts.host)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy,
                           "%s names a server that is neither near nor reached by https", variable);
  }
  return MLOOM_OK;
}

static int32_t use_app_service(mloom_azure_platform *out, const char *endpoint, const char *header,
                               mloom_error *error) {
  out->kind = AZURE_PLATFORM_APP_SERVICE;
  out->name = "App Service or Container Apps";
  out->api_version = "2019-08-01";
  out->header = "X-IDENTITY-HEADER";
  out->value = header;
  out->client_id_name = "client_id";
  out->object_id_name = "object_id";
  out->resource_id_name = "mi_res_id";
  return set_url(out, "IDENTITY_ENDPOINT", endpoint, "", error);
}

static int32_t use_machine_learning(mloom_azure_platform *out, const char *endpoint, const char *secret,
                                    mloom_error *error) {
  out->kind = AZURE_PLATFORM_MACHINE_LEARNING;
  out->name = "Azure Machine Learning";
  out->api_version = "2017-09-01";
  out->header = "secret";
  out->value = secret;
  out->client_id_name = "clientid";
  return set_url(out, "MSI_ENDPOINT", endpoint, "", error);
}

/* As IMDS, for virtual machines and for servers of Azure Arc. */
static void use_metadata(mloom_azure_platform *out, uint32_t kind, const char *name, const char *api_version) {
  out->kind = kind;
  out->name = name;
  out->api_version = api_version;
  out->header = "Metadata";
  out->value = "true";
  out->client_id_name = "client_id";
  out->object_id_name = "object_id";
  out->resource_id_name = "msi_res_id";
}

static int has_arc_program(const mloom_azure_source *source) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  return mloom_buffer_append_format(&path, "%s%s", source->root, ARC_PROGRAM) == MLOOM_OK &&
         access(path.data, R_OK) == 0;
}

static int32_t unsupported(const char *name, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL,
                         "use workload identity, a client secret or a client certificate here",
                         "the managed identity of %s is not supported", name);
}

int32_t mloom_azure_find_platform(const mloom_azure_source *source, mloom_azure_platform *out, mloom_error *error) {
  const mloom_host *host = source->host;
  const char *endpoint = host->environment_get(host->ctx, "IDENTITY_ENDPOINT");
  const char *header = host->environment_get(host->ctx, "IDENTITY_HEADER");
  const char *msi_endpoint = host->environment_get(host->ctx, "MSI_ENDPOINT");
  const char *msi_secret = host->environment_get(host->ctx, "MSI_SECRET");
  if (endpoint != NULL && header != NULL) {
    /* Its certificate is known by a thumbprint alone. */
    return host->environment_get(host->ctx, "IDENTITY_SERVER_THUMBPRINT") != NULL
               ? unsupported("Service Fabric", error)
               : use_app_service(out, endpoint, header, error);
  }
  if (msi_endpoint != NULL) {
    /* Without a secret it is Cloud Shell, whose tokens are a person's and not for model services. */
    return msi_secret == NULL ? unsupported("Cloud Shell", error)
                              : use_machine_learning(out, msi_endpoint, msi_secret, error);
  }
  if (endpoint != NULL && host->environment_get(host->ctx, "IMDS_ENDPOINT") != NULL) {
    use_metadata(out, AZURE_PLATFORM_ARC, "Azure Arc", "2020-06-01");
    return set_url(out, "IDENTITY_ENDPOINT", endpoint, "", error);
  }
  if (has_arc_program(source)) {
    use_metadata(out, AZURE_PLATFORM_ARC, "Azure Arc", "2020-06-01");
    return set_url(out, "the address of Azure Arc", ARC_ADDRESS, "", error);
  }
  const char *pod_identity = host->environment_get(host->ctx, "AZURE_POD_IDENTITY_AUTHORITY_HOST");
  use_metadata(out, AZURE_PLATFORM_IMDS, "the instance metadata service", "2018-02-01");
  return set_url(out, "AZURE_POD_IDENTITY_AUTHORITY_HOST", pod_identity == NULL ? IMDS_HOST : pod_identity, IMDS_PATH,
                 error);
}
