/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings of a provider as its plugin reads them, and the words to declare them with.
 */
#ifndef MLOOM_WIRE_PROVIDER_SETTINGS_H
#define MLOOM_WIRE_PROVIDER_SETTINGS_H

#include <mergeloom/plugin.h>

/* Declares field_<field>; variable is the name in the environment. What follows fills the other members. */
#define MLOOM_PROVIDER_FIELD(field, variable, ...)                     \
  static const char *const field##_environment[] = {(variable), NULL}; \
  MLOOM_PROVIDER_FIELD_OF(field, field##_environment, __VA_ARGS__)
/* As above with a list of names, strongest first, or NULL for the one that the host makes of the provider's id. */
#define MLOOM_PROVIDER_FIELD_OF(field, variables, ...) \
  static const mloom_field field_##field = {           \
      .size = (uint32_t)sizeof(mloom_field), .name = #field, .environment_names = (variables), __VA_ARGS__}

typedef struct mloom_provider_settings {
  const mloom_host *host;
  const mloom_settings *settings;
} mloom_provider_settings;

/* The text of a setting; fallback when it is unset or empty. */
const char *mloom_provider_settings_text(const mloom_provider_settings *settings, const char *name,
                                         const char *fallback);
/* As text, and NULL when it is "omit" or "none": what then is not sent. */
const char *mloom_provider_settings_choice(const mloom_provider_settings *settings, const char *name);
int mloom_provider_settings_boolean(const mloom_provider_settings *settings, const char *name, int fallback);
/* 1, 0, or -1 for "omit" and for nothing at all. */
int mloom_provider_settings_optional_boolean(const mloom_provider_settings *settings, const char *name);
/* A number above 0; else fallback. */
uint64_t mloom_provider_settings_number(const mloom_provider_settings *settings, const char *name, uint64_t fallback);
/* Has the setting a value? For secrets too. */
int mloom_provider_settings_has(const mloom_provider_settings *settings, const char *name);

#endif
