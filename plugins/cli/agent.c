/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/program.h"

#define PROBE_TIMEOUT_MS 30000
#define LOGIN_TIMEOUT_MS 900000
#define DEFAULT_TOTAL_SECONDS 3600
#define DEFAULT_IDLE_SECONDS 600
/* A program that has said all may still write its record of the conversation. */
#define COMPLETE_GRACE_MS 3000
#define JUDGE_LOG_LIMIT ((size_t)128 * 1024)
#define SAID_LIMIT ((size_t)16 * 1024 * 1024)

static int32_t out_of_memory(mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_MEMORY, MLOOM_DOMAIN_PROVIDER, NULL, "out of memory");
}

/* ---- Instances ---- */

static int32_t find_places(mloom_cli_instance *self, mloom_error *error) {
  const mloom_cli_kind *kind = self->kind;
  const char *name = mloom_provider_settings_text(&self->settings, "program", kind->program);
  int32_t code = mloom_cli_find_program(&self->program, self->host, name, &self->missing);
  if (code == MLOOM_OK) {
    code = mloom_cli_prefer_native(&self->program, kind->native);
    code = code == MLOOM_OK ? mloom_cli_package_folder(&self->package, mloom_buffer_string(&self->program)) : code;
  } else if (code == MLOOM_E_NOT_FOUND) {
    mloom_buffer_clear(&self->program);
    code = MLOOM_OK; /* the check "cli" says so */
  }
  if (code != MLOOM_OK) {
    return out_of_memory(error);
  }
  const char *folder = mloom_provider_settings_text(&self->settings, "config_dir", NULL);
  code = mloom_cli_login_folder(&self->login, self->host, folder, kind->login_folder, kind->login_setting,
                                &self->homeless);
  return code == MLOOM_E_MEMORY ? out_of_memory(error) : MLOOM_OK;
}

int32_t mloom_cli_open(const mloom_cli_kind *kind, const mloom_open_args *args, void **out, mloom_error *error) {
  mloom_cli_instance *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return out_of_memory(error);
  }
  self->kind = kind;
  self->host = args->host;
  self->settings = (mloom_provider_settings){args->host, args->settings};
  self->missing = (mloom_error)MLOOM_ERROR_INIT;
  self->homeless = (mloom_error)MLOOM_ERROR_INIT;
  int32_t code = find_places(self, error);
  if (code != MLOOM_OK) {
    mloom_cli_close(self);
    return code;
  }
  *out = self;
  return MLOOM_OK;
}

void mloom_cli_close(void *instance) {
  mloom_cli_instance *self = instance;
  mloom_cli_command_clear(&self->command);
  mloom_buffer_free(&self->program);
  mloom_buffer_free(&self->package);
  mloom_buffer_free(&self->login);
  free(self);
}

static const mloom_secret *get_secret(const mloom_cli_instance *instance, const char *name) {
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  const mloom_provider_settings *settings = &instance->settings;
  return settings->host->setting_get(settings->host->ctx, settings->settings, name, &setting) == MLOOM_OK
             ? setting.secret
             : NULL;
}

const mloom_secret *mloom_cli_key(const mloom_cli_instance *instance) {
  return get_secret(instance, "api_key");
}

const mloom_secret *mloom_cli_token(const mloom_cli_instance *instance) {
  return get_secret(instance, "oauth_token");
}

/* With either, the login in the folder is not used. */
static int needs_login(const mloom_cli_instance *instance) {
  return mloom_cli_key(instance) == NULL && mloom_cli_token(instance) == NULL;
}

static int32_t check_places(const mloom_cli_instance *self, mloom_error *error) {
  const mloom_error *reason = self->program.size == 0 ? &self->missing : self->login.size == 0 ? &self->homeless : NULL;
  if (reason == NULL) {
    return MLOOM_OK;
  }
  return mloom_error_set(error, reason->code, MLOOM_DOMAIN_PROVIDER, reason->remedy, "%s", reason->message);
}

/* ---- Sessions ---- */

static void free_list(mloom_cli_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i]);
  }
  free(list->items);
}

void mloom_cli_session_free(void *session) {
  mloom_cli_session *self = session;
  mloom_cli_stream_free(&self->stream);
  mloom_cli_command_clear(&self->command);
  mloom_buffer_free(&self->said);
  free(self->id);
  free(self->model);
  free(self->instructions);
  free(self->workspace);
  free(self->scratch);
  free(self->wrapper);
  free(self->judge);
  free(self->schema);
  free_list(&self->environment);
  free_list(&self->allowed);
  free_list(&self->read_paths);
  free(self);
}

static char *copy(const char *text) {
  return mloom_text_dup(mloom_text_bytes(text == NULL ? "" : text));
}

static mloom_bytes result_schema(const mloom_session_args *args) {
  for (size_t i = 0; i < args->tool_count; i++) {
    if (args->tools[i]->name != NULL && strcmp(args->tools[i]->name, "submit_result") == 0) {
      return args->tools[i]->parameters;
    }
  }
  return (mloom_bytes){"", 0};
}

static int32_t copy_args(mloom_cli_session *self, const mloom_session_args *args) {
  static const char *const nothing[] = {NULL};
  self->id = copy(args->session_id);
  self->model = copy(args->model);
  self->instructions = mloom_text_dup(args->instructions);
  self->workspace = copy(args->working_directory);
  self->schema = mloom_text_dup(result_schema(args));
  if (self->id == NULL || self->model == NULL || self->instructions == NULL || self->workspace == NULL ||
      self->schema == NULL) {
    return MLOOM_E_MEMORY;
  }
  if (!MLOOM_HAS(args, mloom_session_args, read_paths)) {
    return MLOOM_OK;
  }
  self->scratch = copy(args->scratch_directory);
  self->wrapper = copy(args->command_wrapper);
  self->read_only = (args->flags & MLOOM_SESSION_READ_ONLY) != 0;
  mloom_cli_add_all(&self->command, &self->environment, args->command_environment);
  mloom_cli_add_all(&self->command, &self->allowed, args->allowed_commands);
  mloom_cli_add_all(&self->command, &self->read_paths, args->read_paths);
  self->judge = copy(MLOOM_HAS(args, mloom_session_args, command_judge) ? args->command_judge : NULL);
  self->stream.allowed = self->allowed.items == NULL ? nothing : (const char *const *)self->allowed.items;
  return self->scratch == NULL || self->wrapper == NULL || self->judge == NULL ? MLOOM_E_MEMORY : self->command.failure;
}

int32_t mloom_cli_session_new(void *instance, const mloom_session_args *args, void **out, mloom_error *error) {
  mloom_cli_session *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return out_of_memory(error);
  }
  self->instance = instance;
  mloom_cli_stream_init(&self->stream, self->instance->kind->read_event);
  if (copy_args(self, args) != MLOOM_OK) {
    mloom_cli_session_free(self);
    return out_of_memory(error);
  }
  if (self->workspace[0] != '/' || self->scratch == NULL || self->scratch[0] != '/') {
    mloom_cli_session_free(self);
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, "use a newer mergeloom",
                           "this host gives programs no workspace to work in");
  }
  *out = self;
  return MLOOM_OK;
}

int32_t mloom_cli_append(void *session, const mloom_message *message, mloom_error *error) {
  mloom_cli_session *self = session;
  if (message->role != MLOOM_ROLE_USER) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, NULL,
                           "%s runs its tools itself, and takes no results of others", self->instance->kind->program);
  }
  if (message->text.size > SAID_LIMIT - self->said.size) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROVIDER, "shorten the ticket",
                           "the text for %s is larger than 16 MB", self->instance->kind->program);
  }
  if ((self->said.size > 0 && mloom_buffer_append_string(&self->said, "\n\n") != MLOOM_OK) ||
      mloom_buffer_append(&self->said, message->text.data, message->text.size) != MLOOM_OK) {
    return out_of_memory(error);
  }
  return MLOOM_OK;
}

static void begin_command(const mloom_cli_instance *instance, mloom_cli_command *command, const char *folder) {
  mloom_cli_command_clear(command);
  mloom_cli_add(command, &command->words, mloom_buffer_string(&instance->program));
  command->request.working_directory = folder;
}

/* For networks whose proxy or gateway has a certificate of its own. */
static void add_authority(const mloom_cli_instance *instance, mloom_cli_command *command) {
  const char *file = mloom_provider_settings_text(&instance->settings, "ca_file", NULL);
  if (file != NULL) {
    mloom_cli_set_variable(command, instance->kind->authority_variable, file);
    if ((command->request.flags & MLOOM_PROCESS_CONFINED) != 0) {
      mloom_cli_add(command, &command->read_paths, file);
    }
  }
}

int32_t mloom_cli_prepare(void *session, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error) {
  (void)args;
  mloom_cli_session *self = session;
  mloom_cli_instance *instance = self->instance;
  mloom_cli_command *command = &self->command;
  int32_t code = check_places(instance, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (!needs_login(instance)) {
    (void)mloom_file_make_folder(mloom_buffer_string(&instance->login)); /* else the program says what is wrong */
  }
  mloom_cli_stream_reset(&self->stream);
  if (!self->answered) {
    mloom_buffer_clear(&self->stream.conversation);
  }
  begin_command(instance, command, self->workspace);
  mloom_cli_add_all(command, &command->environment, (const char *const *)self->environment.items);
  command->request.total_timeout_ms =
      mloom_provider_settings_number(&instance->settings, "total_timeout", DEFAULT_TOTAL_SECONDS) * 1000;
  command->request.idle_timeout_ms =
      mloom_provider_settings_number(&instance->settings, "idle_timeout", DEFAULT_IDLE_SECONDS) * 1000;
  command->request.complete_grace_ms = COMPLETE_GRACE_MS;
  code = instance->kind->describe_turn(self, command, error);
  add_authority(instance, command);
  return code == MLOOM_OK ? mloom_cli_command_finish(command, out, error) : code;
}

/* What the judge of command lines has refused since this was asked last. */
static void tell_refused(mloom_cli_session *self, const mloom_event_sink *sink) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
  if (self->judge == NULL || self->judge[0] == '\0' ||
      mloom_buffer_append_format(&path, "%s.log", self->judge) != MLOOM_OK ||
      mloom_file_read(&log, path.data, JUDGE_LOG_LIMIT, MLOOM_DOMAIN_PROVIDER, NULL) != MLOOM_OK) {
    return;
  }
  self->stream.sink = sink;
  while (self->judged < log.size) {
    const char *line = log.data + self->judged;
    const char *end = memchr(line, '\n', log.size - self->judged);
    if (end == NULL) {
      break; /* being written */
    }
    mloom_cli_stream_tell(&self->stream, MLOOM_EVENT_NOTICE, "tool_denied", (mloom_bytes){line, (size_t)(end - line)});
    self->judged += (size_t)(end - line) + 1;
  }
  self->stream.sink = NULL;
}

int32_t mloom_cli_feed(void *session, const char *data, size_t size, const mloom_event_sink *sink, mloom_error *error) {
  mloom_cli_session *self = session;
  tell_refused(self, sink);
  return mloom_cli_stream_feed(&self->stream, data, size, sink, error);
}

int32_t mloom_cli_finish(void *session, const mloom_exchange_end *end, const mloom_event_sink *sink,
                         mloom_turn_result *out, mloom_error *error) {
  mloom_cli_session *self = session;
  const mloom_cli_kind *kind = self->instance->kind;
  char login[80];
  tell_refused(self, sink);
  snprintf(login, sizeof(login), "mergeloom login %s", kind->id);
  mloom_cli_names names = {
      .program = kind->program, .login = login, .model = self->model, .model_setting = kind->model_setting};
  int32_t code = mloom_cli_stream_finish(&self->stream, end, &names, sink, out, error);
  mloom_cli_command_clear(&self->command);
  if (code == MLOOM_OK) {
    mloom_buffer_clear(&self->said);
    self->answered = self->stream.conversation.size > 0;
    if (kind->turn_ended != NULL) {
      kind->turn_ended(self);
    }
  }
  return code;
}

/* ---- Probes and logins ---- */

void mloom_cli_check_login(const mloom_cli_instance *instance, const mloom_probe_sink *sink) {
  int needed = needs_login(instance);
  if (instance->login.size > 0 &&
      mloom_cli_check_folder(instance->login.data, instance->kind->login_setting, !needed, sink) && needed &&
      mloom_cli_is_locked(instance->login.data)) {
    sink->check("login", MLOOM_CHECK_WARN, "another process is using this login now: jobs wait for each other",
                "give each worker a login of its own, or an API key", sink->userdata);
  }
}

void mloom_cli_plain_environment(const mloom_cli_instance *instance, mloom_cli_command *command) {
  mloom_cli_set_variable(command, "PATH", MLOOM_CLI_USUAL_PATH);
  mloom_cli_set_variable(command, "LANG", "C.UTF-8");
  mloom_cli_set_variable(command, "NO_COLOR", "1");
  mloom_cli_set_variable(command, "HOME", mloom_buffer_string(&instance->login));
  add_authority(instance, command);
}

/* As a job starts it. */
static void describe_start(const mloom_cli_instance *self, mloom_cli_command *command) {
  const char *login = mloom_buffer_string(&self->login);
  mloom_cli_add(command, &command->words, "--version");
  if (self->kind->is_confined(self)) {
    command->request.flags |= MLOOM_PROCESS_CONFINED;
    if (mloom_cli_has_file(login, ".")) {
      mloom_cli_add(command, &command->write_paths, login);
    }
  }
  mloom_cli_plain_environment(self, command);
}

int32_t mloom_cli_probe(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error) {
  mloom_cli_instance *self = instance;
  if (kind != MLOOM_PROBE_PROGRAM && kind != MLOOM_PROBE_LOGIN && kind != MLOOM_PROBE_SANDBOX) {
    return MLOOM_E_UNSUPPORTED;
  }
  int32_t code = check_places(self, error);
  if (code != MLOOM_OK) {
    return code;
  }
  begin_command(self, &self->command, "/");
  self->command.request.total_timeout_ms = PROBE_TIMEOUT_MS;
  if (kind == MLOOM_PROBE_PROGRAM) {
    describe_start(self, &self->command);
  } else {
    code = self->kind->describe_probe(self, kind, &self->command, error);
  }
  return code == MLOOM_OK ? mloom_cli_command_finish(&self->command, out, error) : code;
}

/* The first number with two points in text; 0 when there is none. */
static int read_version(mloom_bytes text, unsigned version[3]) {
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] >= '0' && text.data[i] <= '9' &&
        sscanf(text.data + i, "%6u.%6u.%6u", &version[0], &version[1], &version[2]) == 3) {
      return 1;
    }
  }
  return 0;
}

static int is_older(const unsigned version[3], const unsigned other[3]) {
  for (size_t i = 0; i < 3; i++) {
    if (version[i] != other[i]) {
      return version[i] < other[i];
    }
  }
  return 0;
}

/* The words of a refusal, and not a path below /root. */
static int refuses_root(mloom_bytes output) {
  static const char *const words[] = {"root/sudo", "as root", "root privileges", "root user", "with sudo", NULL};
  for (size_t i = 0; words[i] != NULL; i++) {
    if (memmem(output.data, output.size, words[i], strlen(words[i])) != NULL) {
      return 1;
    }
  }
  return 0;
}

static void judge_version(const mloom_cli_instance *self, int32_t status, mloom_bytes output,
                          const mloom_probe_sink *sink) {
  unsigned version[3];
  unsigned minimum[3];
  char reason[400];
  char remedy[200];
  const char *path = mloom_buffer_string(&self->program);
  snprintf(remedy, sizeof(remedy), "install %s %s or later", self->kind->program, self->kind->minimum_version);
  if (status != 0) {
    snprintf(reason, sizeof(reason), "%s --version ended with %s %d: %.*s", path, status < 0 ? "signal" : "status",
             abs((int)status), (int)(output.size < 120 ? output.size : 120), output.data);
    sink->check("cli", MLOOM_CHECK_FAIL, reason,
                refuses_root(output) ? "run the worker as a user of its own instead of root"
                                     : "run it by hand, and install it again for this machine",
                sink->userdata);
  } else if (!read_version(output, version) || !read_version(mloom_text_bytes(self->kind->minimum_version), minimum)) {
    snprintf(reason, sizeof(reason), "%s does not say its version: it is another program", path);
    sink->check("cli", MLOOM_CHECK_FAIL, reason, remedy, sink->userdata);
  } else if (is_older(version, minimum)) {
    snprintf(reason, sizeof(reason), "%s is version %u.%u.%u, which is too old", path, version[0], version[1],
             version[2]);
    sink->check("cli", MLOOM_CHECK_FAIL, reason, remedy, sink->userdata);
  } else {
    snprintf(reason, sizeof(reason), "%s, version %u.%u.%u", path, version[0], version[1], version[2]);
    sink->check("cli", MLOOM_CHECK_PASS, reason, "", sink->userdata);
  }
}

int32_t mloom_cli_probe_result(void *instance, uint32_t kind, int32_t status, const char *body, size_t body_size,
                               const mloom_probe_sink *sink, mloom_error *error) {
  mloom_cli_instance *self = instance;
  mloom_bytes output = mloom_text_trim((mloom_bytes){body, body_size});
  if (kind == MLOOM_PROBE_PROGRAM) {
    judge_version(self, status, output, sink);
    return MLOOM_OK;
  }
  return self->kind->judge_probe(self, kind, status, output, sink, error);
}

int32_t mloom_cli_login(void *instance, uint32_t kind, const mloom_secret *secret, mloom_exchange *out,
                        mloom_error *error) {
  mloom_cli_instance *self = instance;
  int32_t code = check_places(self, error);
  if (code != MLOOM_OK) {
    return code;
  }
  begin_command(self, &self->command, "/");
  mloom_cli_plain_environment(self, &self->command);
  self->command.request.total_timeout_ms = LOGIN_TIMEOUT_MS;
  self->command.request.lock_directory = mloom_buffer_string(&self->login);
  code = self->kind->describe_login(self, kind, secret, &self->command, error);
  return code == MLOOM_OK ? mloom_cli_command_finish(&self->command, out, error) : code;
}
