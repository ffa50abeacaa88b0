/* SPDX-License-Identifier: Apache-2.0
 *
 * The credential source "static": the field api_key of the provider that asks.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <mergeloom/plugin.h>

static int32_t source_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  (void)error;
  /* There is nothing to keep but the host; its table outlives the instance. */
  union {
    const mloom_host *host;
    void *instance;
  } cast = {.host = args->host};
  *out_instance = cast.instance;
  return MLOOM_OK;
}

static void source_close(void *instance) {
  (void)instance;
}

static int find_key(const mloom_host *host, const mloom_credential_args *args, mloom_setting *out) {
  memset(out, 0, sizeof(*out));
  out->size = (uint32_t)sizeof(*out);
  return host->setting_get(host->ctx, args->settings, "api_key", out) == MLOOM_OK && out->secret != NULL;
}

static int32_t source_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  (void)error;
  mloom_setting setting;
  return find_key(instance, args, &setting) ? MLOOM_OK : MLOOM_E_NOT_APPLICABLE;
}

static int32_t source_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                            mloom_error *error) {
  (void)call;
  (void)error;
  const mloom_host *host = instance;
  mloom_setting setting;
  if (!find_key(host, args, &setting)) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  host->secret_ref(host->ctx, setting.secret);
  out->kind = MLOOM_CREDENTIAL_VALUE;
  out->secret = setting.secret;
  out->expires_wall_ms = -1;
  snprintf(out->description, sizeof(out->description), "api_key from %s",
           setting.origin_name == NULL ? "the settings" : setting.origin_name);
  return MLOOM_OK;
}

static const mloom_credential_source source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "static",
    .title = "API key",
    .description = "The key in the provider's api_key setting: variable, file, mounted secret or store",
    .threads = MLOOM_THREADS_PARALLEL,
    .open = source_open,
    .close = source_close,
    .probe = source_probe,
    .fetch = source_fetch,
};

static const mloom_credential_source *const sources[] = {&source};

static const mloom_plugin plugin = {
    .size = (uint32_t)sizeof(mloom_plugin),
    .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR,
    .name = "credential-static",
    .version = PACKAGE_VERSION,
    .description = "Credential source for keys that are kept in settings",
    .credential_sources = sources,
    .credential_source_count = 1,
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, setting_get) || host->setting_get == NULL) {
    snprintf(error_text, error_size, "the host gives no settings");
    return NULL;
  }
  return &plugin;
}
