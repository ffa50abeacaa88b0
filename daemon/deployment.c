/* SPDX-License-Identifier: Apache-2.0 */
#include "deployment.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "deployment_fields.h"
#include "settings/config_file.h"
#include "store/database_url.h"
#include "worker/strings.h"

#define SECRETS_PATH "/run/secrets"

static int32_t no_memory(mloom_error *error) {
  return mloom_error_memory(error);
}

const char *deployment_string(const deployment *self, const char *field) {
  return mloom_settings_string(self->settings, field, NULL);
}

mloom_bytes deployment_secret(const deployment *self, const char *field) {
  mloom_setting setting = {.size = sizeof setting};
  if (mloom_settings_get(self->settings, field, &setting) != MLOOM_OK || setting.secret == NULL) {
    return (mloom_bytes){NULL, 0};
  }
  return mloom_secret_bytes(setting.secret);
}

int deployment_takes_jobs(const deployment *self) {
  return self->role != DEPLOYMENT_GATEWAY && mloom_settings_boolean(self->settings, "poll_enabled", 1);
}

int deployment_is_loopback(const char *host) {
  struct in_addr address;
  return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
         (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static int mode_of(const deployment *self, const char *field) {
  const char *mode = mloom_settings_string(self->settings, field, "ui");
  return strcmp(mode, "provisioned") == 0 ? DEPLOYMENT_MODE_PROVISIONED
         : strcmp(mode, "gateway") == 0   ? DEPLOYMENT_MODE_GATEWAY
                                          : DEPLOYMENT_MODE_UI;
}

static char *format_path(const char *folder, const char *name) {
  mloom_buffer path = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&path, "%s/%s", folder, name) != MLOOM_OK) {
    mloom_buffer_free(&path);
    return NULL;
  }
  return mloom_buffer_take(&path);
}

/* Where the daemon keeps what nobody gave a path for: the service manager's folder, else the user's. */
static int32_t find_state_folder(deployment *self, char *const *environment, mloom_error *error) {
  const char *managed = mloom_strings_variable(environment, "STATE_DIRECTORY");
  const char *state = mloom_strings_variable(environment, "XDG_STATE_HOME");
  const char *home = mloom_strings_variable(environment, "HOME");
  if (managed != NULL && managed[0] == '/') {
    self->state_folder = strndup(managed, strcspn(managed, ":"));
  } else if (state != NULL && state[0] == '/') {
    self->state_folder = format_path(state, "mergeloom");
  } else if (home != NULL && home[0] == '/') {
    self->state_folder = format_path(home, ".local/state/mergeloom");
  } else {
    self->state_folder = strdup("/var/lib/mergeloom");
  }
  return self->state_folder == NULL ? no_memory(error) : MLOOM_OK;
}

static char *path_or(const deployment *self, const char *field, const char *name) {
  const char *given = deployment_string(self, field);
  return given != NULL ? strdup(given) : format_path(self->state_folder, name);
}

static int32_t find_paths(deployment *self, mloom_error *error) {
  self->provider_store_path = path_or(self, "provider_config_db_path", "provider_config.db");
  self->runtime_store_path = path_or(self, "runtime_config_db_path", "runtime_config.db");
  self->state_store_path = path_or(self, "local_state_db", "worker_state.db");
  self->secret_key_path = path_or(self, "provider_secret_key_path", "provider_secret.key");
  return self->provider_store_path == NULL || self->runtime_store_path == NULL || self->state_store_path == NULL ||
                 self->secret_key_path == NULL
             ? no_memory(error)
             : MLOOM_OK;
}

static int32_t find_name(deployment *self, mloom_error *error) {
  char host[256] = "";
  const char *given = deployment_string(self, "name");
  if (given == NULL && (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')) {
    given = "worker";
  }
  self->name = strdup(given != NULL ? given : host);
  return self->name == NULL ? no_memory(error) : MLOOM_OK;
}

static int32_t check_url(const deployment *self, const char *field, mloom_error *error) {
  mloom_setting setting = {.size = sizeof setting};
  mloom_buffer normalized = MLOOM_BUFFER_INIT;
  mloom_error why = MLOOM_ERROR_INIT;
  if (mloom_settings_get(self->settings, field, &setting) != MLOOM_OK || setting.secret == NULL) {
    return MLOOM_OK;
  }
  int32_t code = database_url_normalize(&normalized, mloom_secret_bytes(setting.secret), &why);
  mloom_buffer_wipe(&normalized);
  return code == MLOOM_OK ? code
                          : mloom_error_set(error, code, MLOOM_DOMAIN_SETTINGS, why.remedy, "%s: %s",
                                            setting.origin_name, why.message);
}

/* Where settings, jobs, audit and events lie. What has no URL of its own lies in the shared database; without that,
 * audit and events lie with the jobs. An executor keeps nothing that others would need: its files will do. */
static int32_t find_databases(deployment *self, mloom_error *error) {
  static const char *const own[DEPLOYMENT_STORES] = {"config_db_url", "gateway_db_url", "audit_db_url", "live_db_url"};
  static const char *const known[] = {"database_url", "config_db_url",     "gateway_db_url", "audit_db_url",
                                      "live_db_url",  "code_audit_db_url", "trace_db_url"};
  const mloom_bytes shared = deployment_secret(self, "database_url");
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < sizeof known / sizeof known[0]; i++) {
    code = check_url(self, known[i], error);
  }
  for (size_t i = 0; code == MLOOM_OK && self->role != DEPLOYMENT_EXECUTOR && i < DEPLOYMENT_STORES; i++) {
    const mloom_bytes url = deployment_secret(self, own[i]);
    const mloom_bytes beside = i == DEPLOYMENT_STORE_SETTINGS ? shared : self->database_urls[DEPLOYMENT_STORE_JOBS];
    self->database_urls[i] = url.size > 0 ? url : shared.size > 0 ? shared : beside;
  }
  return code;
}

int32_t deployment_check_address(const deployment *self, const char *host, mloom_error *error) {
  if (!deployment_is_loopback(host) && deployment_secret(self, "access_token").size == 0 &&
      deployment_secret(self, "cluster_token").size == 0 &&
      !mloom_settings_boolean(self->settings, "tls_terminated", 0)) {
    return mloom_error_set(
        error, MLOOM_E_DENIED, MLOOM_DOMAIN_SETTINGS,
        "set JCA_WORKER_ACCESS_TOKEN, or JCA_WORKER_TLS_TERMINATED=true when a proxy in front decides "
        "who comes in, or JCA_WORKER_HOST=127.0.0.1",
        "listening on %s would open this worker's keys and repositories to everybody who reaches it", host);
  }
  return MLOOM_OK;
}

/* Settings that a start with them would turn into something else than was meant. */
static int32_t check(const deployment *self, mloom_error *error) {
  for (size_t i = 0; i < mloom_settings_problem_count(self->settings); i++) {
    const mloom_settings_problem *problem = mloom_settings_problem_at(self->settings, i);
    if (problem->state == MLOOM_CHECK_FAIL) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, problem->remedy, "%s", problem->message);
    }
  }
  return deployment_check_address(self, mloom_settings_string(self->settings, "host", "127.0.0.1"), error);
}

int32_t deployment_read(deployment *out, const char *const *environment, mloom_error *error) {
  *out = (deployment){.environment = environment};
  char *const *variables = (char *const *)(uintptr_t)environment;
  int32_t code = mloom_redactor_new(&out->redactor, error);
  code = code != MLOOM_OK
             ? code
             : mloom_config_file_find(&out->config_path, mloom_strings_variable(variables, "MERGELOOM_CONFIG"), error);
  if (code == MLOOM_OK && out->config_path != NULL) {
    code = mloom_config_file_read(&out->config, out->config_path, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  size_t count = 0;
  const mloom_field *const *fields = deployment_fields(&count);
  mloom_settings_sources sources = {.environment = environment,
                                    .secrets_path = SECRETS_PATH,
                                    .config = out->config,
                                    .config_path = out->config_path,
                                    .redactor = out->redactor};
  code = mloom_settings_new(&out->settings, "daemon", fields, count, 0, &sources, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const char *role = mloom_settings_string(out->settings, "role", "");
  out->role = strcmp(role, "gateway") == 0    ? DEPLOYMENT_GATEWAY
              : strcmp(role, "executor") == 0 ? DEPLOYMENT_EXECUTOR
                                              : DEPLOYMENT_BOTH;
  out->job_attempts = mloom_settings_integer(out->settings, "job_attempts", 2);
  out->provider_mode = mode_of(out, "provider_config_mode");
  out->runtime_mode = mode_of(out, "runtime_config_mode");
  code = find_state_folder(out, variables, error);
  code = code != MLOOM_OK ? code : find_paths(out, error);
  code = code != MLOOM_OK ? code : find_name(out, error);
  code = code != MLOOM_OK ? code : find_databases(out, error);
  return code != MLOOM_OK ? code : check(out, error);
}

void deployment_free(deployment *self) {
  mloom_settings_unref(self->settings);
  mloom_json_wipe(self->config);
  mloom_json_unref(self->config);
  mloom_redactor_free(self->redactor);
  free(self->config_path);
  free(self->name);
  free(self->state_folder);
  free(self->provider_store_path);
  free(self->runtime_store_path);
  free(self->state_store_path);
  free(self->secret_key_path);
  *self = (deployment){0};
}

/* What a field that is unset really comes to. */
static const char *derived_value(const deployment *self, const char *field) {
  const struct {
    const char *field, *value;
  } derived[] = {{"name", self->name},
                 {"provider_config_db_path", self->provider_store_path},
                 {"runtime_config_db_path", self->runtime_store_path},
                 {"local_state_db", self->state_store_path},
                 {"provider_secret_key_path", self->secret_key_path},
                 {"poll_enabled", deployment_takes_jobs(self) ? "true" : "false"},
                 {"role", "both"}};
  for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++) {
    if (strcmp(derived[i].field, field) == 0 && derived[i].value != NULL) {
      return derived[i].value;
    }
  }
  return "-";
}

static void print_unused(const char *note, void *userdata) {
  (void)userdata;
  printf("note: %s\n", note);
}

void deployment_print(const deployment *self, const mloom_secret *fingerprint_key) {
  for (size_t i = 0; i < mloom_settings_count(self->settings); i++) {
    const mloom_field *field = mloom_settings_field_at(self->settings, i);
    mloom_setting setting = {.size = sizeof setting};
    char fingerprint[9];
    mloom_settings_get(self->settings, field->name, &setting);
    const char *value = setting.value;
    if (setting.secret != NULL) {
      mloom_secret_fingerprint(setting.secret, fingerprint_key, fingerprint);
      printf("%-26s set, fingerprint %s  [%s]\n", field->name, fingerprint, setting.origin_name);
      continue;
    }
    printf("%-26s %s  [%s]\n", field->name, value != NULL ? value : derived_value(self, field->name),
           setting.origin == MLOOM_ORIGIN_UNSET ? "unset" : setting.origin_name);
  }
  for (size_t i = 0; i < mloom_settings_problem_count(self->settings); i++) {
    const mloom_settings_problem *problem = mloom_settings_problem_at(self->settings, i);
    printf("%s: %s; %s\n", problem->state == MLOOM_CHECK_FAIL ? "error" : "warning", problem->message, problem->remedy);
  }
  deployment_each_unused(self, print_unused, NULL);
}
