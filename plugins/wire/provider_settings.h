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
/* 1, 0, or -1 for "omit", "auto" and for nothing at all. */
int mloom_provider_settings_optional_boolean(const mloom_provider_settings *settings, const char *name);
/* A number above 0; else fallback. */
uint64_t mloom_provider_settings_number(const mloom_provider_settings *settings, const char *name, uint64_t fallback);
/* Has the setting a value? For secrets too. */
int mloom_provider_settings_has(const mloom_provider_settings *settings, const char *name);
/* The layer that gives the value, MLOOM_ORIGIN_...; MLOOM_ORIGIN_UNSET for none and for the default of the schema. */
uint32_t mloom_provider_settings_origin(const mloom_provider_settings *settings, const char *name);
/* Whoever may write a card, or the settings of a gateway, is not to decide where secrets of the deployment's own go:
 * what its files hold and what this machine is given. Did one of them give the value? */
int mloom_provider_settings_is_foreign(const mloom_provider_settings *settings, const char *name);
/* May a token go to the address that a setting holds? secret is the setting that gives the identity, NULL for one of
 * the deployment's own: no weaker layer than its own may have given the address. */
int mloom_provider_settings_may_send(const mloom_provider_settings *settings, const char *secret, const char *address);
/* The same for a host that nobody knows, which trust_endpoint has to allow, though not on a card. */
int mloom_provider_settings_trusts(const mloom_provider_settings *settings, const char *secret, const char *address);
/* MLOOM_E_DENIED when they chose a proxy and the authority whose certificates are believed on the way through it. what
 * is the secret. */
int32_t mloom_provider_settings_check_proxy(const mloom_provider_settings *settings, const char *what,
                                            mloom_error *error);

#endif
