/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_settings.h"

#include <string.h>
#include <strings.h>

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
    if (strcasecmp(value, yes[i]) == 0) {
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
  return value == NULL ? -1 : is_yes(value);
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
