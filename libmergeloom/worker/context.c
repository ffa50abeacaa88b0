/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "worker/context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "net/proxy.h"
#include "settings/config_file.h"
#include "settings/worker_fields.h"
#include "worker/strings.h"

#define DEFAULT_SECRETS_PATH "/run/secrets"

extern char **environ;

/* A set-user-id program must not let its caller choose the code it loads or the program it starts. */
static const char *trusted_variable(const mloom_context *context, const char *name) {
  return getauxval(AT_SECURE) != 0 ? NULL : mloom_strings_variable(context->environment, name);
}

static void redact_message(mloom_buffer *message, void *userdata) {
  mloom_redactor_apply(userdata, message);
}

static int32_t require_absolute(const char *what, const char *path, mloom_error *error) {
  if (path[0] == '/') {
    return MLOOM_OK;
  }
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "give the path from the root, starting with /",
                         "%s is not an absolute path: %s", what, path);
}

static int32_t copy_path(char **out, const char *path, mloom_error *error) {
  *out = mloom_text_dup(mloom_text_bytes(path));
  return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

/* Finds the configuration file and leaves config_path NULL when there is none. */
static int32_t find_config(mloom_context *context, const char *given, mloom_error *error) {
  const char *path = given != NULL ? given : trusted_variable(context, "MERGELOOM_CONFIG");
  return mloom_config_file_find(&context->config_path, path, error);
}

static int32_t read_config(mloom_context *context, mloom_error *error) {
  return context->config_path == NULL ? MLOOM_OK
                                      : mloom_config_file_read(&context->config, context->config_path, error);
}

static int32_t read_given_settings(mloom_context *context, const mloom_context_options *options, mloom_error *error) {
  int32_t code = MLOOM_OK;
  if (options->gateway_settings.data != NULL) {
    code = mloom_config_parse(&context->gateway_settings, options->gateway_settings, "the gateway's settings", error);
  }
  if (code == MLOOM_OK && options->stored_settings.data != NULL) {
    code = mloom_config_parse(&context->stored_settings, options->stored_settings, "the settings store", error);
  }
  mloom_bytes key = options->fingerprint_key;
  return code == MLOOM_OK && key.size > 0 ? mloom_secret_new(&context->fingerprint_key, key.data, key.size, error)
                                          : code;
}

/* The folders given, else those of MERGELOOM_PLUGIN_PATH and then the installed one. */
static int32_t find_plugin_paths(mloom_context *context, const char *const *given, mloom_error *error) {
  if (given != NULL) {
    for (size_t i = 0; given[i] != NULL; i++) {
      int32_t code = require_absolute("the plugin folder", given[i], error);
      if (code != MLOOM_OK) {
        return code;
      }
    }
    context->plugin_paths = mloom_strings_copy(given);
    return context->plugin_paths == NULL ? mloom_error_memory(error) : MLOOM_OK;
  }
  const char *list = trusted_variable(context, "MERGELOOM_PLUGIN_PATH");
  context->plugin_paths = mloom_strings_split(list == NULL ? "" : list, ':', MLOOM_PLUGIN_DIR);
  if (context->plugin_paths == NULL) {
    return mloom_error_memory(error);
  }
  size_t kept = 0;
  for (size_t i = 0; context->plugin_paths[i] != NULL; i++) {
    if (context->plugin_paths[i][0] == '/') {
      context->plugin_paths[kept++] = context->plugin_paths[i];
    } else {
      mloom_log_write(&context->log, MLOOM_LOG_WARNING, "plugin",
                      "MERGELOOM_PLUGIN_PATH: \"%s\" is not an absolute path and is ignored", context->plugin_paths[i]);
      free(context->plugin_paths[i]);
    }
  }
  context->plugin_paths[kept] = NULL;
  return MLOOM_OK;
}

static int32_t find_paths(mloom_context *context, const mloom_context_options *options, mloom_error *error) {
  const char *secrets = options->secrets_path != NULL ? options->secrets_path : DEFAULT_SECRETS_PATH;
  const char *supervise = options->supervise_path;
  if (supervise == NULL) {
    supervise = trusted_variable(context, "MERGELOOM_SUPERVISE");
  }
  if (supervise == NULL) {
    supervise = MLOOM_LIBEXEC_DIR "/mergeloom-supervise";
  }
  int32_t code = require_absolute("the folder of secrets", secrets, error);
  if (code == MLOOM_OK) {
    code = require_absolute("the path of mergeloom-supervise", supervise, error);
  }
  if (code == MLOOM_OK) {
    code = copy_path(&context->secrets_path, secrets, error);
  }
  if (code == MLOOM_OK) {
    code = copy_path(&context->supervise_path, supervise, error);
  }
  if (code == MLOOM_OK) {
    code = find_plugin_paths(context, options->plugin_paths, error);
  }
  return code == MLOOM_OK ? find_config(context, options->config_path, error) : code;
}

static int32_t setting_get(const mloom_settings *settings, const char *name, mloom_setting *out) {
  return mloom_settings_get(settings, name, out);
}

/* Whatever passes on a variable of a proxy, as a failed program may, must not pass on its password. */
static int32_t redact_proxies(const mloom_context *context) {
  static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY",
                                      "all_proxy",   "ALL_PROXY",   NULL};
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && names[i] != NULL; i++) {
    code = mloom_proxy_redact_url(context->redactor, mloom_strings_variable(context->environment, names[i]));
  }
  return code;
}

static int32_t load_plugins(mloom_context *context, const mloom_context_options *options, mloom_error *error) {
  const mloom_registry_rules rules = {options->left_out_plugins, options->entering, options->entering_userdata};
  mloom_http_options http = {0};
  http.user_agent = "mergeloom/" PACKAGE_VERSION;
  http.proxy = mloom_strings_proxy(context->environment);
  http.no_proxy = mloom_strings_no_proxy(context->environment);
  int32_t code = redact_proxies(context);
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = mloom_http_client_new(&context->http, &http, &context->log, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = mloom_crypto_engine_new(&context->crypto, error);
  if (code != MLOOM_OK) {
    return code;
  }
  context->host_services = (mloom_host_services){.log = &context->log,
                                                 .clock = mloom_clock_system(),
                                                 .redactor = context->redactor,
                                                 .http = context->http,
                                                 .crypto = mloom_crypto_engine_table(context->crypto),
                                                 .supervise_path = context->supervise_path,
                                                 .environment = (const char *const *)context->environment,
                                                 .setting_get = setting_get};
  mloom_host_init(&context->host, &context->host_services);
  return mloom_registry_new(&context->registry, (const char *const *)context->plugin_paths, &rules, &context->host,
                            &context->log, error);
}

static void log_problems(const mloom_context *context, const char *owner, const mloom_settings *settings) {
  for (size_t i = 0; i < mloom_settings_problem_count(settings); i++) {
    const mloom_settings_problem *problem = mloom_settings_problem_at(settings, i);
    /* A provider that nobody configured is no reason for a warning at every start. */
    int32_t level = problem->code == MLOOM_E_NOT_CONFIGURED ? MLOOM_LOG_INFO : MLOOM_LOG_WARNING;
    mloom_log_write(&context->log, level, "settings", "%s: %s; %s", owner, problem->message, problem->remedy);
  }
}

static void log_unknown(const char *message, const char *remedy, void *userdata) {
  const mloom_log *log = userdata;
  /* A name that is near to a known one is probably misspelt; others belong to programs and plugins that are not here.
   */
  int32_t level = strncmp(remedy, "did you mean", 12) == 0 ? MLOOM_LOG_WARNING : MLOOM_LOG_INFO;
  mloom_log_write(log, level, "settings", "%s; %s", message, remedy);
}

static int32_t log_unknown_names(mloom_context *context, const mloom_settings_sources *sources, mloom_error *error) {
  size_t providers = mloom_registry_provider_count(context->registry);
  mloom_settings **all = calloc(providers + 1, sizeof(*all));
  if (all == NULL) {
    return mloom_error_memory(error);
  }
  memcpy(all, context->provider_settings, providers * sizeof(*all));
  all[providers] = context->worker_settings;
  mloom_settings_each_unknown(sources, all, providers + 1, log_unknown, &context->log);
  free(all);
  return MLOOM_OK;
}

static int32_t read_settings(mloom_context *context, mloom_error *error) {
  mloom_settings_sources sources = {.environment = (const char *const *)context->environment,
                                    .secrets_path = context->secrets_path,
                                    .config = context->config,
                                    .config_path = context->config_path,
                                    .gateway = context->gateway_settings,
                                    .stored = context->stored_settings,
                                    .redactor = context->redactor,
                                    .fingerprint_key = context->fingerprint_key};
  size_t count = 0;
  const mloom_field *const *fields = mloom_worker_fields(&count);
  int32_t code = mloom_settings_new(&context->worker_settings, "worker", fields, count, 0, &sources, error);
  if (code != MLOOM_OK) {
    return code;
  }
  log_problems(context, "worker", context->worker_settings);
  size_t providers = mloom_registry_provider_count(context->registry);
  context->provider_settings = calloc(providers + 1, sizeof(*context->provider_settings));
  if (context->provider_settings == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < providers; i++) {
    const mloom_provider_entry *entry = mloom_registry_provider_at(context->registry, i);
    code = mloom_settings_new(&context->provider_settings[i], entry->descriptor.id, entry->fields, entry->field_count,
                              entry->descriptor.shape != MLOOM_SHAPE_AGENT, &sources, error);
    if (code != MLOOM_OK) {
      return code;
    }
    log_problems(context, entry->descriptor.id, context->provider_settings[i]);
  }
  return context->log.write == NULL ? MLOOM_OK : log_unknown_names(context, &sources, error);
}

/* A negative number never gets this far (the fields have a minimum), but a cast must not make it huge. */
static uint64_t unsigned_setting(const mloom_settings *settings, const char *name, int64_t fallback) {
  int64_t value = mloom_settings_integer(settings, name, fallback);
  return value < 0 ? 0 : (uint64_t)value;
}

static const char *scratch_path(const mloom_context *context) {
  const char *path = mloom_settings_string(context->worker_settings, "scratch_path", NULL);
  if (path == NULL) {
    path = trusted_variable(context, "TMPDIR");
  }
  return path != NULL && path[0] == '/' ? path : "/tmp";
}

/* Every job leaves a record, so there is a folder for it even when nobody named one. */
static int32_t find_audit_path(mloom_context *context, mloom_error *error) {
  const char *given = mloom_settings_string(context->worker_settings, "audit_path", NULL);
  if (given != NULL) {
    return copy_path(&context->audit_path, given, error);
  }
  const char *state = mloom_strings_variable(context->environment, "XDG_STATE_HOME");
  const char *home = mloom_strings_variable(context->environment, "HOME");
  int has_state = state != NULL && state[0] == '/';
  if (!has_state && (home == NULL || home[0] != '/')) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_format(&path, "%s%s/mergeloom/audit", has_state ? state : home,
                                            has_state ? "" : "/.local/state");
  return code == MLOOM_OK ? copy_path(&context->audit_path, mloom_buffer_string(&path), error)
                          : mloom_error_memory(error);
}

static int32_t make_rules(mloom_context *context, mloom_error *error) {
  const mloom_settings *worker = context->worker_settings;
  int32_t code = mloom_settings_list(&context->allowed_commands, worker, "allowed_commands", error);
  if (code == MLOOM_OK) {
    code = mloom_settings_list(&context->sandbox_read_paths, worker, "sandbox_read_paths", error);
  }
  if (code == MLOOM_OK) {
    code = find_audit_path(context, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  const char *sandbox = mloom_settings_string(worker, "sandbox", "require");
  const char *network = mloom_settings_string(worker, "command_network", "deny");
  context->rules = (mloom_job_rules){
      .allowed_commands = (const char *const *)context->allowed_commands,
      .sandbox_read_paths = (const char *const *)context->sandbox_read_paths,
      .supervise_path = context->supervise_path,
      .scratch_path = scratch_path(context),
      .audit_path = context->audit_path,
      .sandbox_mode = strcmp(sandbox, "best-effort") == 0 ? MLOOM_SANDBOX_BEST_EFFORT : MLOOM_SANDBOX_REQUIRE,
      .allow_network = strcmp(network, "allow") == 0,
      .command_timeout_ms = mloom_settings_integer(worker, "command_timeout_seconds", 300) * 1000,
      .job_timeout_ms = mloom_settings_integer(worker, "job_timeout_seconds", 3600) * 1000,
      .command_output_bytes = unsigned_setting(worker, "command_output_bytes", 1 << 16),
      .max_turns = unsigned_setting(worker, "max_turns", 100),
      .max_tokens = unsigned_setting(worker, "max_tokens", 0),
      .max_repair_attempts = (uint32_t)unsigned_setting(worker, "max_repair_attempts", 2)};
  return MLOOM_OK;
}

static int32_t build(mloom_context *context, const mloom_context_options *options, mloom_error *error) {
  const char *const *environment = options->environment != NULL
                                       ? options->environment
                                       : (const char *const *)(environ == NULL ? (char *[]){NULL} : environ);
  context->environment = mloom_strings_copy(environment);
  if (context->environment == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_redactor_new(&context->redactor, error);
  if (code != MLOOM_OK) {
    return code;
  }
  context->log = (mloom_log){.write = options->log,
                             .userdata = options->log_userdata,
                             .level = options->log_level,
                             .filter = redact_message,
                             .filter_userdata = context->redactor};
  mloom_redactor_set_log(context->redactor, &context->log);
  code = find_paths(context, options, error);
  if (code == MLOOM_OK) {
    code = read_config(context, error);
  }
  if (code == MLOOM_OK) {
    code = read_given_settings(context, options, error);
  }
  if (code == MLOOM_OK) {
    code = load_plugins(context, options, error);
  }
  if (code == MLOOM_OK) {
    code = read_settings(context, error);
  }
  if (code == MLOOM_OK) {
    code = make_rules(context, error);
  }
  if (code == MLOOM_OK) {
    code = mloom_readiness_cache_new(&context->readiness_cache, mloom_clock_system(), error);
  }
  context->provider_services = (mloom_provider_services){.registry = context->registry,
                                                         .host = &context->host,
                                                         .clock = mloom_clock_system(),
                                                         .log = &context->log,
                                                         .redactor = context->redactor,
                                                         .supervise_path = context->supervise_path,
                                                         .sandbox_mode = context->rules.sandbox_mode,
                                                         .environment = (const char *const *)context->environment};
  return code;
}

int32_t mloom_context_new(mloom_context **out, const mloom_context_options *options, mloom_error *error) {
  mloom_context_options known = {0};
  if (options != NULL) {
    memcpy(&known, options, options->size < sizeof(known) ? options->size : sizeof(known));
  }
  mloom_context *context = calloc(1, sizeof(*context));
  if (context == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = build(context, &known, error);
  if (code != MLOOM_OK) {
    mloom_redactor_apply_error(context->redactor, error);
    mloom_context_free(context);
    return code;
  }
  *out = context;
  return MLOOM_OK;
}

static void wipe_and_unref(mloom_json *settings) {
  mloom_json_wipe(settings);
  mloom_json_unref(settings);
}

void mloom_context_free(mloom_context *context) {
  if (context == NULL) {
    return;
  }
  mloom_readiness_cache_free(context->readiness_cache);
  free(context->allowed_commands);
  free(context->sandbox_read_paths);
  if (context->provider_settings != NULL) {
    for (size_t i = 0; i < mloom_registry_provider_count(context->registry); i++) {
      mloom_settings_unref(context->provider_settings[i]);
    }
    free(context->provider_settings);
  }
  mloom_settings_unref(context->worker_settings);
  mloom_registry_free(context->registry);
  mloom_http_client_free(context->http);
  mloom_crypto_engine_free(context->crypto);
  wipe_and_unref(context->config);
  wipe_and_unref(context->gateway_settings);
  wipe_and_unref(context->stored_settings);
  mloom_secret_unref(context->fingerprint_key);
  free(context->config_path);
  free(context->secrets_path);
  free(context->supervise_path);
  free(context->audit_path);
  mloom_strings_free(context->plugin_paths);
  mloom_strings_free(context->environment);
  mloom_redactor_free(context->redactor);
  free(context);
}
