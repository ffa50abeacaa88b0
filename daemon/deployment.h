/* SPDX-License-Identifier: Apache-2.0
 *
 * What the deployment tells the daemon: address, role, names, paths, tokens. The names are those of the public
 * MergeLoom chart.
 */
#ifndef MERGELOOM_DAEMON_DEPLOYMENT_H
#define MERGELOOM_DAEMON_DEPLOYMENT_H

#include "secret/redactor.h"
#include "settings/settings.h"

/* What this process does. */
#define DEPLOYMENT_BOTH 0
#define DEPLOYMENT_GATEWAY 1
#define DEPLOYMENT_EXECUTOR 2

/* Who owns settings. */
#define DEPLOYMENT_MODE_UI 0
#define DEPLOYMENT_MODE_PROVISIONED 1
#define DEPLOYMENT_MODE_GATEWAY 2

/* What may lie in a database of a server. */
#define DEPLOYMENT_STORE_SETTINGS 0
#define DEPLOYMENT_STORE_JOBS 1
#define DEPLOYMENT_STORE_AUDIT 2
#define DEPLOYMENT_STORE_LIVE 3
#define DEPLOYMENT_STORES 4

typedef struct deployment {
  mloom_settings *settings;       /* owner "daemon" */
  const char *const *environment; /* borrowed */
  mloom_redactor *redactor;
  mloom_json *config; /* the configuration file, or NULL */
  char *config_path;
  char *name;
  char *state_folder;
  char *provider_store_path; /* SQLite files and the key of sealed secrets */
  char *runtime_store_path;
  char *state_store_path;
  char *secret_key_path;
  mloom_bytes database_urls[DEPLOYMENT_STORES]; /* size 0: in the files; else ends with NUL, borrowed from settings */
  int64_t job_attempts;
  int role;
  int provider_mode;
  int runtime_mode;
} deployment;

/* Reads environment (NAME=value, ends with NULL, outlives out), mounted secrets and the configuration file. The caller
 * frees with deployment_free, also after an error. MLOOM_E_INVALID: something makes no sense; the message says what. */
int32_t deployment_read(deployment *out, const char *const *environment, mloom_error *error);
void deployment_free(deployment *deployment);

/* The value of a field, or NULL. Borrowed. */
const char *deployment_string(const deployment *deployment, const char *field);
/* The bytes of a secret field, {NULL, 0} when unset. Borrowed. */
mloom_bytes deployment_secret(const deployment *deployment, const char *field);
/* 1 when this process runs jobs itself. */
int deployment_takes_jobs(const deployment *deployment);
/* 1 when host names this machine only. */
int deployment_is_loopback(const char *host);
/* MLOOM_E_DENIED: listening there would open this daemon to everybody who reaches it, and nothing says that it may. */
int32_t deployment_check_address(const deployment *deployment, const char *host, mloom_error *error);

/* Calls fn with a sentence for each setting that is given and has no effect. */
void deployment_each_unused(const deployment *deployment, void (*fn)(const char *note, void *userdata), void *userdata);
/* Prints the effective configuration with origins and problems; secrets as fingerprints under
 * fingerprint_key (mloom_secret_fingerprint). */
void deployment_print(const deployment *deployment, const mloom_secret *fingerprint_key);

#endif
