/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static mloom_setting get(const mloom_provider_settings *settings, const char *name) {
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  if (settings->host->setting_get(settings->host->ctx, settings->settings, name, &setting) != MLOOM_OK) {
    memset(&setting, 0, sizeof(setting));
  }
  return setting;
}

const char *mloom_provider_settings_text(const mloom_provider_settings *settings, const char *name,
                                         const char *fallback) {
  const char *value = get(settings, name).value;
  return value != NULL && value[0] != '\0' ? value : fallback;
}

const char *mloom_provider_settings_choice(const mloom_provider_settings *settings, const char *name) {
  const char *value = mloom_provider_settings_text(settings, name, "omit");
  return strcmp(value, "omit") == 0 || strcmp(value, "none") == 0 ? NULL : value;
}

static int is_yes(const char *value) {
  static const char *const yes[] = {"true", "1", "yes", "on"};
  for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
    if (mloom_text_compare_fold(value, yes[i]) == 0) {
      return 1;
    }
  }
  return 0;
}

int mloom_provider_settings_boolean(const mloom_provider_settings *settings, const char *name, int fallback) {
  const char *value = mloom_provider_settings_text(settings, name, NULL);
  return value == NULL ? fallback : is_yes(value);
}

int mloom_provider_settings_optional_boolean(const mloom_provider_settings *settings, const char *name) {
  const char *value = mloom_provider_settings_choice(settings, name);
  return value == NULL || strcmp(value, "auto") == 0 ? -1 : is_yes(value);
}

uint64_t mloom_provider_settings_number(const mloom_provider_settings *settings, const char *name, uint64_t fallback) {
  int64_t number = 0;
  const char *text = mloom_provider_settings_text(settings, name, NULL);
  return text != NULL && mloom_text_parse_int64(mloom_text_bytes(text), &number) == MLOOM_OK && number > 0
             ? (uint64_t)number
             : fallback;
}

int mloom_provider_settings_has(const mloom_provider_settings *settings, const char *name) {
  mloom_setting setting = get(settings, name);
  return setting.secret != NULL || (setting.value != NULL && setting.value[0] != '\0');
}

uint32_t mloom_provider_settings_origin(const mloom_provider_settings *settings, const char *name) {
  mloom_setting setting = get(settings, name);
  int is_set = setting.origin != MLOOM_ORIGIN_DEFAULT &&
               (setting.secret != NULL || (setting.value != NULL && setting.value[0] != '\0'));
  return is_set ? setting.origin : MLOOM_ORIGIN_UNSET;
}

int mloom_provider_settings_is_foreign(const mloom_provider_settings *settings, const char *name) {
  return mloom_provider_settings_origin(settings, name) > MLOOM_ORIGIN_CONFIG_FILE;
}

int mloom_provider_settings_may_send(const mloom_provider_settings *settings, const char *secret, const char *address) {
  uint32_t owner = secret == NULL ? MLOOM_ORIGIN_UNSET : mloom_provider_settings_origin(settings, secret);
  owner = owner > MLOOM_ORIGIN_CONFIG_FILE ? owner : MLOOM_ORIGIN_CONFIG_FILE;
  return mloom_provider_settings_origin(settings, address) <= owner;
}

int mloom_provider_settings_trusts(const mloom_provider_settings *settings, const char *secret, const char *address) {
  return mloom_provider_settings_boolean(settings, "trust_endpoint", 0) &&
         mloom_provider_settings_origin(settings, "trust_endpoint") != MLOOM_ORIGIN_STORE &&
         mloom_provider_settings_may_send(settings, secret, "trust_endpoint") &&
         mloom_provider_settings_may_send(settings, secret, address);
}

int32_t mloom_provider_settings_check_proxy(const mloom_provider_settings *settings, const char *what,
                                            mloom_error *error) {
  if (!mloom_provider_settings_is_foreign(settings, "proxy") ||
      !mloom_provider_settings_is_foreign(settings, "ca_file")) {
    return MLOOM_OK;
  }
  const char *origin = get(settings, "proxy").origin_name;
  char remedy[256];
  snprintf(remedy, sizeof(remedy), "remove proxy and ca_file from %.80s, or set them in the deployment's own settings",
           origin);
  return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL, remedy,
                         "%s is not sent through the proxy that %.80s gives together with ca_file", what, origin);
}
