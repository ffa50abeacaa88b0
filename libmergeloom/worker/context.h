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
#include "settings/settings.h"
#include <mergeloom/context.h>

struct mloom_context {
  mloom_log log;
  mloom_redactor *redactor;
  char **environment;
  char *config_path; /* NULL when there is none */
  char *secrets_path;
  char *supervise_path;
  mloom_json *config;
  mloom_http_client *http;
  mloom_host_services host_services;
  mloom_host host;
  mloom_registry *registry;
  mloom_settings *worker_settings;
  mloom_settings **provider_settings; /* one for each provider of the registry */
  mloom_provider_services provider_services;
  mloom_job_rules rules;
  char **allowed_commands;
  char **sandbox_read_paths;
};

#endif
