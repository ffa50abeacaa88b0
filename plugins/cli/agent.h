/* SPDX-License-Identifier: Apache-2.0
 *
 * A provider that is a program: instance, session, probes and login as far as they are the same for all.
 *
 * Another program is added with a mloom_cli_kind of its own: a function that reads one event of its stream
 * (cli/stream.h), one that says what to run for a turn, and one for each probe and login that it has. The fields every
 * one of them declares are named below. See plugins/codex-cli for one that is whole.
 */
#ifndef MLOOM_CLI_AGENT_H
#define MLOOM_CLI_AGENT_H

#include "cli/command.h"
#include "cli/stream.h"
#include "wire/provider_settings.h"

typedef struct mloom_cli_kind mloom_cli_kind;

typedef struct mloom_cli_instance {
  const mloom_cli_kind *kind;
  mloom_provider_settings settings;
  const mloom_host *host;
  mloom_buffer program;      /* absolute path; empty when it was not found */
  mloom_error missing;       /* why not */
  mloom_buffer package;      /* folder of the program's installation */
  mloom_buffer login;        /* folder of its login; empty when none is known */
  mloom_error homeless;      /* why not */
  mloom_cli_command command; /* of the probe or login described last */
} mloom_cli_instance;

typedef struct mloom_cli_session {
  mloom_cli_instance *instance;
  mloom_cli_stream stream;
  mloom_cli_command command;
  mloom_buffer said; /* to the program, not answered yet */
  char *id;
  char *model; /* "" leaves it to the program */
  char *instructions;
  char *workspace;
  char *scratch;
  char *wrapper;
  char *judge;                /* of command lines; "" when the host gives none */
  size_t judged;              /* bytes of its log that were told */
  char *schema;               /* of the result */
  mloom_cli_list environment; /* of the job's commands */
  mloom_cli_list allowed;
  mloom_cli_list read_paths;
  int read_only;
  int answered; /* a turn was completed: there is a conversation to go on with */
} mloom_cli_session;

struct mloom_cli_kind {
  const char *id;
  const char *program;       /* name in PATH */
  const char *const *native; /* see mloom_cli_prefer_native */
  const char *login_folder;  /* below HOME */
  const char *login_setting; /* its variable, for remedies */
  const char *model_setting; /* its variable, for remedies */
  const char *minimum_version;
  const char *authority_variable; /* names a file of certificates that it trusts besides the system's */
  int (*is_confined)(const mloom_cli_instance *instance); /* by the worker's sandbox, when it works */
  mloom_cli_stream_fn read_event;
  /* Adds words, variables, files and paths; the program, times and grace are there already. */
  int32_t (*describe_turn)(mloom_cli_session *session, mloom_cli_command *command, mloom_error *error);
  /* After a turn that the program completed; optional. */
  void (*turn_ended)(mloom_cli_session *session);
  /* MLOOM_PROBE_LOGIN and MLOOM_PROBE_SANDBOX; MLOOM_E_UNSUPPORTED. */
  int32_t (*describe_probe)(mloom_cli_instance *instance, uint32_t probe, mloom_cli_command *command,
                            mloom_error *error);
  int32_t (*judge_probe)(mloom_cli_instance *instance, uint32_t probe, int32_t status, mloom_bytes output,
                         const mloom_probe_sink *sink, mloom_error *error);
  int32_t (*describe_login)(mloom_cli_instance *instance, uint32_t login, const mloom_secret *secret,
                            mloom_cli_command *command, mloom_error *error);
};

/* The settings of every program: model, program, total_timeout, idle_timeout, api_key, config_dir, ca_file. */
int32_t mloom_cli_open(const mloom_cli_kind *kind, const mloom_open_args *args, void **out, mloom_error *error);

/* Members of mloom_provider that need nothing but the kind. */
void mloom_cli_close(void *instance);
int32_t mloom_cli_session_new(void *instance, const mloom_session_args *args, void **out, mloom_error *error);
void mloom_cli_session_free(void *session);
int32_t mloom_cli_append(void *session, const mloom_message *message, mloom_error *error);
int32_t mloom_cli_prepare(void *session, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error);
int32_t mloom_cli_feed(void *session, const char *data, size_t size, const mloom_event_sink *sink, mloom_error *error);
int32_t mloom_cli_finish(void *session, const mloom_exchange_end *end, const mloom_event_sink *sink,
                         mloom_turn_result *out, mloom_error *error);
int32_t mloom_cli_probe(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error);
int32_t mloom_cli_probe_result(void *instance, uint32_t kind, int32_t status, const char *body, size_t body_size,
                               const mloom_probe_sink *sink, mloom_error *error);
int32_t mloom_cli_login(void *instance, uint32_t kind, const mloom_secret *secret, mloom_exchange *out,
                        mloom_error *error);
/* Members of the descriptor, which a provider completes with its id, its names, fields, open and check. */
#define MLOOM_CLI_PROVIDER                                                                                           \
  .size = (uint32_t)sizeof(mloom_provider), .shape = MLOOM_SHAPE_AGENT, .threads = MLOOM_THREADS_SERIALIZE_INSTANCE, \
  .capabilities = MLOOM_CAPABILITY_TOOLS | MLOOM_CAPABILITY_STREAMING, .close = mloom_cli_close,                     \
  .session_new = mloom_cli_session_new, .session_free = mloom_cli_session_free, .append = mloom_cli_append,          \
  .prepare = mloom_cli_prepare, .feed = mloom_cli_feed, .finish = mloom_cli_finish, .probe = mloom_cli_probe,        \
  .probe_result = mloom_cli_probe_result, .login = mloom_cli_login

/* The plugin with this one provider. */
#define MLOOM_CLI_PLUGIN(the_provider, the_name, the_description)                                             \
  static const mloom_provider *const providers[] = {&(the_provider)};                                         \
  static const mloom_plugin plugin = {.size = (uint32_t)sizeof(mloom_plugin),                                 \
                                      .abi_major = MLOOM_ABI_MAJOR,                                           \
                                      .abi_minor = MLOOM_ABI_MINOR,                                           \
                                      .name = (the_name),                                                     \
                                      .version = PACKAGE_VERSION,                                             \
                                      .description = (the_description),                                       \
                                      .providers = providers,                                                 \
                                      .provider_count = 1};                                                   \
  const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) { \
    (void)host;                                                                                               \
    (void)error_text;                                                                                         \
    (void)error_size;                                                                                         \
    return &plugin;                                                                                           \
  }

/* The part of a provider's check that looks at the login folder. */
void mloom_cli_check_login(const mloom_cli_instance *instance, const mloom_probe_sink *sink);
/* The secret api_key, borrowed from the settings; NULL when it is unset. */
const mloom_secret *mloom_cli_key(const mloom_cli_instance *instance);
/* The secret oauth_token, likewise. */
const mloom_secret *mloom_cli_token(const mloom_cli_instance *instance);
/* The environment of a program that runs no job: the PATH of jobs and a language, HOME where there is no login folder
 * for it. */
void mloom_cli_plain_environment(const mloom_cli_instance *instance, mloom_cli_command *command);

#endif
