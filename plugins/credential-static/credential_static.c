/* SPDX-License-Identifier: Apache-2.0
 *
 * Credential sources for what the provider that asks keeps in a field: "static" in api_key, "static-bearer-token" in
 * bearer_token, "static-access-token" in access_token.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/setting_secret.h"
#include <mergeloom/plugin.h>

typedef struct instance {
  const mloom_host *host;
  const char *field;
  atomic_uint_least64_t mark; /* of the file that the last fetch read; 0: none */
} instance;

static int32_t open_for(const char *field, const mloom_open_args *args, void **out_instance, mloom_error *error) {
  instance *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->host = args->host;
  self->field = field;
  atomic_init(&self->mark, 0);
  *out_instance = self;
  return MLOOM_OK;
}

static int32_t open_api_key(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  return open_for("api_key", args, out_instance, error);
}

static int32_t open_bearer_token(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  return open_for("bearer_token", args, out_instance, error);
}

static int32_t open_access_token(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  return open_for("access_token", args, out_instance, error);
}

static void source_close(void *instance_pointer) {
  free(instance_pointer);
}

static int find_value(const instance *self, const mloom_credential_args *args, mloom_setting *out) {
  memset(out, 0, sizeof(*out));
  out->size = (uint32_t)sizeof(*out);
  return self->host->setting_get(self->host->ctx, args->settings, self->field, out) == MLOOM_OK && out->secret != NULL;
}

static int32_t source_probe(void *instance_pointer, const mloom_credential_args *args, mloom_error *error) {
  (void)error;
  instance *self = instance_pointer;
  mloom_setting setting;
  if (!find_value(self, args, &setting)) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  /* A mounted secret is renewed under the feet of whoever uses it. */
  uint64_t fetched = atomic_load(&self->mark);
  return fetched != 0 && fetched != mloom_setting_mark(&setting) ? MLOOM_CREDENTIAL_CHANGED : MLOOM_OK;
}

static int32_t source_fetch(void *instance_pointer, mloom_call *call, const mloom_credential_args *args,
                            mloom_credential *out, mloom_error *error) {
  (void)call;
  instance *self = instance_pointer;
  mloom_setting setting;
  if (!find_value(self, args, &setting)) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  /* Before it is read: what comes after that is a change. */
  uint64_t mark = mloom_setting_mark(&setting);
  int32_t code = mloom_setting_secret(self->host, &setting, &out->secret, error);
  if (code != MLOOM_OK) {
    return code;
  }
  atomic_store(&self->mark, mark);
  out->kind = MLOOM_CREDENTIAL_VALUE;
  out->expires_wall_ms = -1;
  snprintf(out->description, sizeof(out->description), "%s from %s", self->field,
           setting.origin_name == NULL ? "the settings" : setting.origin_name);
  return MLOOM_OK;
}

#define SOURCE(variable, source_id, source_title, what)                                                               \
  static const mloom_credential_source source_##variable = {                                                          \
      .size = (uint32_t)sizeof(mloom_credential_source),                                                              \
      .id = (source_id),                                                                                              \
      .title = (source_title),                                                                                        \
      .description = "The " what " in the provider's " #variable " setting: variable, file, mounted secret or store", \
      .threads = MLOOM_THREADS_PARALLEL,                                                                              \
      .open = open_##variable,                                                                                        \
      .close = source_close,                                                                                          \
      .probe = source_probe,                                                                                          \
      .fetch = source_fetch,                                                                                          \
  }

SOURCE(api_key, "static", "API key", "key");
SOURCE(bearer_token, "static-bearer-token", "Bearer token", "token");
SOURCE(access_token, "static-access-token", "Access token", "token");

static const mloom_credential_source *const sources[] = {&source_api_key, &source_bearer_token, &source_access_token};

static const mloom_plugin plugin = {
    .size = (uint32_t)sizeof(mloom_plugin),
    .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR,
    .name = "credential-static",
    .version = PACKAGE_VERSION,
    .description = "Credential source for keys that are kept in settings",
    .credential_sources = sources,
    .credential_source_count = sizeof(sources) / sizeof(sources[0]),
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, setting_get) || host->setting_get == NULL) {
    snprintf(error_text, error_size, "the host gives no settings");
    return NULL;
  }
  return &plugin;
}
