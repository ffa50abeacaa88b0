/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of mloom_context: one owner for everything that the floors borrow.
 */
#ifndef MLOOM_WORKER_CONTEXT_H
#define MLOOM_WORKER_CONTEXT_H

#include "job/job.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "provider/provider.h"
#include "secret/crypto.h"
#include "settings/settings.h"
#include "worker/readiness_cache.h"
#include <mergeloom/context.h>

struct mloom_context {
  mloom_log log;
  mloom_redactor *redactor;
  char **environment;
  char **plugin_paths;
  char *config_path; /* NULL when there is none */
  char *secrets_path;
  char *supervise_path;
  char *audit_path;   /* NULL: no record is kept */
  mloom_json *config; /* these three may hold secrets: wiped at the end */
  mloom_json *gateway_settings;
  mloom_json *stored_settings;
  mloom_secret *fingerprint_key; /* NULL: one of the process */
  mloom_http_client *http;
  mloom_crypto_engine *crypto;
  mloom_host_services host_services;
  mloom_host host;
  mloom_registry *registry;
  mloom_settings *worker_settings;
  mloom_settings **provider_settings; /* one for each provider of the registry */
  mloom_provider_services provider_services;
  mloom_job_rules rules;
  char **allowed_commands;
  char **sandbox_read_paths;
  mloom_readiness_cache *readiness_cache;
};

/* The index of a provider of the registry by id or alias, or -1. */
long mloom_context_find_provider(const mloom_context *context, const char *name);
/* MLOOM_E_NOT_FOUND for name, with the ids that are loaded as remedy. */
int32_t mloom_context_unknown_provider(const mloom_context *context, const char *name, mloom_error *error);

#endif
