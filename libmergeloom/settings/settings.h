/* SPDX-License-Identifier: Apache-2.0
 *
 * Effective settings of one owner (a provider, or the worker itself): layers, origins, locks.
 */
#ifndef MLOOM_SETTINGS_SETTINGS_H
#define MLOOM_SETTINGS_SETTINGS_H

#include "base/json.h"
#include "base/log.h"
#include "secret/redactor.h"
#include <mergeloom/plugin.h>

/* Where layers are read from. Borrowed until the settings are built. */
typedef struct mloom_settings_sources {
  const char *const *environment;      /* NAME=value, ends with NULL */
  const char *secrets_path;            /* "/run/secrets" */
  const mloom_json *config;            /* the configuration file's object, or NULL */
  const char *config_path;             /* named as origin */
  const mloom_json *gateway;           /* what the gateway of a deployment set, in the form of the file, or NULL */
  const mloom_json *stored;            /* what was written through a user interface, in the same form, or NULL */
  mloom_redactor *redactor;            /* told of every secret; may be NULL */
  const mloom_secret *fingerprint_key; /* of mloom_secret_fingerprint */
} mloom_settings_sources;

/* A problem with one field. Texts are safe to show. */
typedef struct mloom_settings_problem {
  const char *field; /* "" for one of the owner as a whole */
  uint32_t state;    /* MLOOM_CHECK_FAIL, or MLOOM_CHECK_WARN when the settings can be used as they are */
  int32_t code;      /* MLOOM_E_NOT_CONFIGURED: a required field has no value; else MLOOM_E_INVALID, ... */
  char message[256];
  char remedy[256];
} mloom_settings_problem;

/* Reads every field of the schema. owner is the provider id, "worker" or "daemon"; the configuration file keeps a
 * provider's fields at providers.<owner> and those of the others at worker and daemon; so do the documents of the
 * gateway and of the store. Every provider gets enabled, model_aliases and the prices; with transport set the fields
 * that every HTTP provider has are added too (connect_timeout, first_byte_timeout, idle_timeout, total_timeout in
 * seconds, max_retries, ca_file, proxy, extra_headers), unless the schema has one of that name. A value that does not
 * fit its kind, or a source that cannot be read, is a problem: the field is then unset, and no weaker layer or default
 * takes its place. So is the URL of a provider that the gateway or the store gives while a secret comes from a stronger
 * layer (MLOOM_E_DENIED), unless it is the field's default: the secret would go there. fields must outlive the
 * settings. MLOOM_E_MEMORY. One reference for the caller; immutable, so thread-safe. */
int32_t mloom_settings_new(mloom_settings **out, const char *owner, const mloom_field *const *fields,
                           size_t field_count, int transport, const mloom_settings_sources *sources,
                           mloom_error *error);
mloom_settings *mloom_settings_ref(mloom_settings *settings);
void mloom_settings_unref(mloom_settings *settings);
MLOOM_DEFINE_AUTO(mloom_settings, mloom_settings_unref)

/* As mloom_host.setting_get. */
int32_t mloom_settings_get(const mloom_settings *settings, const char *name, mloom_setting *out);
/* The value, or fallback when unset. Borrowed. */
const char *mloom_settings_string(const mloom_settings *settings, const char *name, const char *fallback);
int64_t mloom_settings_integer(const mloom_settings *settings, const char *name, int64_t fallback);
int mloom_settings_boolean(const mloom_settings *settings, const char *name, int fallback);

/* The elements of a list field as an array that ends with NULL, empty when unset. One allocation: the caller frees it
 * with free. MLOOM_E_MEMORY. */
int32_t mloom_settings_list(char ***out, const mloom_settings *settings, const char *name, mloom_error *error);

/* "worker" or the provider's id. Borrowed. */
const char *mloom_settings_owner(const mloom_settings *settings);
/* Fields in order, the shared ones last. */
size_t mloom_settings_count(const mloom_settings *settings);
const mloom_field *mloom_settings_field_at(const mloom_settings *settings, size_t index);
/* The strongest environment name of a field, given or derived. Borrowed. */
const char *mloom_settings_environment_name(const mloom_settings *settings, size_t index);
size_t mloom_settings_problem_count(const mloom_settings *settings);
const mloom_settings_problem *mloom_settings_problem_at(const mloom_settings *settings, size_t index);

/* The first problem of a field that fails, or NULL. Borrowed. */
const mloom_settings_problem *mloom_settings_problem_of(const mloom_settings *settings, const char *name);

/* The settings as JSON: fields with kind, value (secrets as fingerprint), origin, locked, help, environment names. NULL
 * when out of memory. The members are in docs/settings.md. */
mloom_json *mloom_settings_describe(const mloom_settings *settings);

/* What is set and is no default as {"field": "value"}, secrets in the open: the caller wipes it (mloom_json_wipe). NULL
 * when out of memory. */
mloom_json *mloom_settings_export(const mloom_settings *settings);

/* Calls fn for what is set and known to nobody: variables whose name begins with JCA_, and members of the configuration
 * file outside the owners' own (those are problems of the owner). all are the settings of the worker and of every
 * loaded provider. The remedy names the nearest known name when there is one. */
void mloom_settings_each_unknown(const mloom_settings_sources *sources, mloom_settings *const *all, size_t count,
                                 void (*fn)(const char *message, const char *remedy, void *userdata), void *userdata);

/* "environment", "secret mount", ... Static. */
const char *mloom_settings_origin_name(uint32_t origin);

#endif
