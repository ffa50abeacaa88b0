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
  const char *const *environment; /* NAME=value, ends with NULL */
  const char *secrets_path;       /* "/run/secrets" */
  const mloom_json *config;       /* the configuration file's object, or NULL */
  const char *config_path;        /* named as origin */
  mloom_redactor *redactor;       /* told of every secret; may be NULL */
  const mloom_log *log;
} mloom_settings_sources;

/* A problem with one field. */
typedef struct mloom_settings_problem {
  const char *field;
  char message[256];
  char remedy[256];
} mloom_settings_problem;

/* Reads every field of the schema. owner is the provider id, or "worker"; the configuration file keeps a provider's
 * fields at providers.<owner> and the worker's at worker. With transport set the fields that every HTTP provider has
 * are added (connect_timeout, first_byte_timeout, idle_timeout, total_timeout in seconds, max_retries, ca_file, proxy,
 * enabled). Values that do not fit their kind are problems and count as unset. MLOOM_E_MEMORY. One reference for the
 * caller; immutable, so thread-safe. */
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

/* Fields in order, the transport ones last. */
size_t mloom_settings_count(const mloom_settings *settings);
const mloom_field *mloom_settings_field_at(const mloom_settings *settings, size_t index);
/* The strongest environment name of a field, given or derived. Borrowed. */
const char *mloom_settings_environment_name(const mloom_settings *settings, size_t index);
size_t mloom_settings_problem_count(const mloom_settings *settings);
const mloom_settings_problem *mloom_settings_problem_at(const mloom_settings *settings, size_t index);

/* The settings as JSON: fields with kind, value (secrets as fingerprint), origin, locked, help, environment names. */
mloom_json *mloom_settings_describe(const mloom_settings *settings);

/* "environment", "secret mount", ... Static. */
const char *mloom_settings_origin_name(uint32_t origin);

#endif
