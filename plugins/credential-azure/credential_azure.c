/* SPDX-License-Identifier: Apache-2.0
 *
 * The credential sources for services of Azure. The audience is the token's scope, such as
 * https://cognitiveservices.azure.com/.default.
 */
#include "config.h"

#include "azure.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

static int32_t source_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  mloom_azure_source *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->host = args->host;
  self->root = "";
  atomic_init(&self->resume_ms, 0);
  atomic_init(&self->has_answered, 0);
  *out_instance = self;
  return MLOOM_OK;
}

static void source_close(void *instance) {
  free(instance);
}

#define SOURCE(name, ID, TITLE, DESCRIPTION)                                                               \
  static int32_t name##_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {     \
    return mloom_azure_##name##_probe(instance, args->settings, error);                                    \
  }                                                                                                        \
  static int32_t name##_fetch(void *instance, mloom_call *call, const mloom_credential_args *args,         \
                              mloom_credential *out, mloom_error *error) {                                 \
    const mloom_azure_fetch fetch = {                                                                      \
        .source = instance, .call = call, .settings = args->settings, .audience = args->audience};         \
    return mloom_azure_##name##_fetch(&fetch, out, error);                                                 \
  }                                                                                                        \
  static const mloom_credential_source name##_source = {.size = (uint32_t)sizeof(mloom_credential_source), \
                                                        .id = ID,                                          \
                                                        .title = TITLE,                                    \
                                                        .description = DESCRIPTION,                        \
                                                        .threads = MLOOM_THREADS_PARALLEL,                 \
                                                        .open = source_open,                               \
                                                        .close = source_close,                             \
                                                        .probe = name##_probe,                             \
                                                        .fetch = name##_fetch}

SOURCE(secret, "azure-client-secret", "Azure client secret",
       "An application of Entra with tenant, client id and secret");
SOURCE(certificate, "azure-client-certificate", "Azure client certificate",
       "An application of Entra with tenant, client id and a file with key and certificate");
SOURCE(workload, "azure-workload-identity", "Azure workload identity",
       "An application of Entra that trusts the pod's service account token");
SOURCE(managed, "azure-managed-identity", "Azure managed identity",
       "The identity of the machine, app or container: IMDS, App Service, Container Apps, Azure ML, Azure Arc");

static const mloom_credential_source *const sources[] = {&secret_source, &certificate_source, &workload_source,
                                                         &managed_source};

static const mloom_plugin plugin = {
    .size = (uint32_t)sizeof(mloom_plugin),
    .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR,
    .name = "credential-azure",
    .version = PACKAGE_VERSION,
    .description = "Credential sources for identities of Microsoft Entra and Azure",
    .credential_sources = sources,
    .credential_source_count = sizeof(sources) / sizeof(sources[0]),
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, environment_get) || host->http == NULL || host->setting_get == NULL ||
      host->environment_get == NULL) {
    snprintf(error_text, error_size, "the host gives no settings, no environment or no requests");
    return NULL;
  }
  return &plugin;
}
