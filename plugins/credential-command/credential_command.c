/* SPDX-License-Identifier: Apache-2.0
 *
 * The credential source "command": a program that the operator names in the field credential_command of the provider
 * that asks, and that prints the key.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "credential-command/output.h"
#include "wire/helper.h"
#include "wire/provider_settings.h"

#define DEFAULT_TIMEOUT_S 30u
#define DEFAULT_LIFE_S 300u
#define NAMES_LIMIT 64u

typedef struct command_source {
  const mloom_host *host;
} command_source;

static int32_t source_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  command_source *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->host = args->host;
  *out_instance = self;
  return MLOOM_OK;
}

static void source_close(void *instance) {
  free(instance);
}

/* What runs on this machine is decided by who deploys the worker, not by who may edit a card. */
static int32_t find_line(const mloom_host *host, const mloom_settings *settings, const char **out, mloom_error *error) {
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  if (host->setting_get(host->ctx, settings, "credential_command", &setting) != MLOOM_OK || setting.value == NULL ||
      setting.value[0] == '\0') {
    return MLOOM_E_NOT_APPLICABLE;
  }
  if (setting.origin == MLOOM_ORIGIN_STORE || setting.origin == MLOOM_ORIGIN_GATEWAY) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL,
                           "set credential_command in the environment or the configuration file of this worker",
                           "credential_command names a program to run, and was not set on this machine");
  }
  *out = setting.value;
  return MLOOM_OK;
}

static int32_t source_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  const command_source *self = instance;
  const char *line;
  return find_line(self->host, args->settings, &line, error);
}

/* The names in a list, which is cut in place; what is no name is left out. */
static void split_names(char *list, const char *names[NAMES_LIMIT + 1]) {
  size_t count = 0;
  char *rest = list;
  for (char *name = strtok_r(list, ", ", &rest); name != NULL && count < NAMES_LIMIT;
       name = strtok_r(NULL, ", ", &rest)) {
    names[count++] = name;
  }
  names[count] = NULL;
}

static int32_t source_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                            mloom_error *error) {
  const command_source *self = instance;
  const mloom_host *host = self->host;
  const mloom_provider_settings settings = {host, args->settings};
  const char *line = NULL;
  int32_t code = find_line(host, args->settings, &line, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const char *names[NAMES_LIMIT + 1];
  MLOOM_AUTO(mloom_auto_free)
  char *list =
      mloom_text_dup(mloom_text_bytes(mloom_provider_settings_text(&settings, "credential_command_variables", "")));
  if (list == NULL) {
    return mloom_error_memory(error);
  }
  split_names(list, names);
  uint64_t timeout_s = mloom_provider_settings_number(&settings, "credential_command_timeout", DEFAULT_TIMEOUT_S);
  const mloom_helper helper = {.what = "credential_command",
                               .line = line,
                               .variables = names,
                               .timeout_ms = (timeout_s > 3600 ? 3600 : timeout_s) * 1000,
                               .only_trusted = 1};
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer output = MLOOM_BUFFER_INIT;
  code = mloom_helper_run(&output, host, call, &helper, error);
  if (code != MLOOM_OK) {
    return code;
  }
  /* Counted from the end of the program: it may have waited for a person's finger. */
  int64_t now_wall_ms = host->clock_wall_ms(host->ctx);
  code = mloom_command_output_read(&out->secret, &out->expires_wall_ms, host,
                                   (mloom_bytes){mloom_buffer_string(&output), output.size}, now_wall_ms, error);
  if (code == MLOOM_OK && out->expires_wall_ms < 0) {
    uint64_t life_s = mloom_provider_settings_number(&settings, "credential_command_ttl", DEFAULT_LIFE_S);
    out->expires_wall_ms = now_wall_ms + (int64_t)(life_s > INT32_MAX ? INT32_MAX : life_s) * 1000;
  }
  out->kind = MLOOM_CREDENTIAL_VALUE;
  snprintf(out->description, sizeof(out->description), "printed by credential_command (%.*s)",
           (int)strcspn(line, " \t"), line);
  return code;
}

static const mloom_credential_source source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "command",
    .title = "Helper program",
    .description = "A program named in the provider's credential_command that prints the key, raw or as JSON",
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
    .name = "credential-command",
    .version = PACKAGE_VERSION,
    .description = "Credential source for helper programs that print a key",
    .credential_sources = sources,
    .credential_source_count = 1,
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, environment_get) || host->spawn == NULL || host->setting_get == NULL ||
      host->environment_get == NULL) {
    snprintf(error_text, error_size, "the host gives no settings, no environment or starts no programs");
    return NULL;
  }
  return &plugin;
}
