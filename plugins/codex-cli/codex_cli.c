/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for the command-line program codex.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/agent.h"
#include "cli/program.h"
#include "codex_cli.h"
#include "codex_events.h"

#define PREFIX "JCA_CODEX_CLI_"
/* codex runs what it names whatever its settings say. */
#define HOOKS_FILE "hooks.json"

static const char *const config_dir_environment[] = {PREFIX "CONFIG_DIR", "JCA_WORKER_CLI_CONFIG_DIR", "CODEX_HOME",
                                                     NULL};
static const char *const sandbox_choices[] = {"program", "worker", NULL};

MLOOM_PROVIDER_FIELD(model, PREFIX "MODEL", .title = "Model", .kind = MLOOM_FIELD_STRING,
                     .help = "Model that jobs use when nothing else names one; unset, codex chooses");
MLOOM_PROVIDER_FIELD(api_key, PREFIX "API_KEY", .title = "API key", .kind = MLOOM_FIELD_SECRET,
                     .help = "Instead of a login; given to codex in its environment only");
MLOOM_PROVIDER_FIELD_OF(config_dir, config_dir_environment, .title = "Login folder", .kind = MLOOM_FIELD_PATH,
                        .help = "Where codex keeps its login and its conversations; unset, .codex in HOME");
MLOOM_PROVIDER_FIELD(program, PREFIX "PROGRAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Program",
                     .kind = MLOOM_FIELD_STRING, .default_value = "codex",
                     .help = "Name in PATH or absolute path of the program");
MLOOM_PROVIDER_FIELD(profile, PREFIX "PROFILE", .flags = MLOOM_FIELD_ADVANCED, .title = "Profile",
                     .kind = MLOOM_FIELD_STRING,
                     .help = "Settings profile of codex in the login folder; with one, its config.toml counts too");
MLOOM_PROVIDER_FIELD(base_url, PREFIX "BASE_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Base URL",
                     .kind = MLOOM_FIELD_URL,
                     .help = "A gateway with a Responses API, the part before /responses; unset, OpenAI's service");
MLOOM_PROVIDER_FIELD(sandbox, PREFIX "SANDBOX", .flags = MLOOM_FIELD_ADVANCED, .title = "Sandbox",
                     .kind = MLOOM_FIELD_CHOICE, .choices = sandbox_choices, .default_value = "program",
                     .help = "program: codex confines each command, without network; worker: the worker confines codex "
                             "as a whole, for machines where codex cannot, and its commands have the network");
MLOOM_PROVIDER_FIELD(total_timeout, PREFIX "TIMEOUT_SECONDS", .title = "Time-out", .kind = MLOOM_FIELD_INTEGER,
                     .default_value = "3600", .minimum = 1, .maximum = 604800,
                     .help = "Seconds that codex may work on a job before it is ended");
MLOOM_PROVIDER_FIELD(idle_timeout, PREFIX "IDLE_TIMEOUT_SECONDS", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Idle time-out", .kind = MLOOM_FIELD_INTEGER, .default_value = "600", .minimum = 1,
                     .maximum = 86400, .help = "Seconds without a word of codex after which it is ended");
MLOOM_PROVIDER_FIELD(request_retries, PREFIX "REQUEST_RETRIES", .flags = MLOOM_FIELD_ADVANCED, .title = "Retries",
                     .kind = MLOOM_FIELD_INTEGER, .default_value = "4", .minimum = 0, .maximum = 20,
                     .help = "How often codex sends a request again, where base_url is set");

MLOOM_PROVIDER_FIELD(login_issuer, PREFIX "LOGIN_ISSUER", .flags = MLOOM_FIELD_ADVANCED, .title = "Login service",
                     .kind = MLOOM_FIELD_URL, .help = "Where a login by code is made; unset, OpenAI's own");
MLOOM_PROVIDER_FIELD(ca_file, PREFIX "CA_FILE", .flags = MLOOM_FIELD_ADVANCED, .title = "Private CA",
                     .kind = MLOOM_FIELD_PATH,
                     .help = "PEM file of certificates that codex trusts besides the system's");

static const mloom_field *const fields[] = {
    &field_model,   &field_api_key,  &field_config_dir,      &field_total_timeout, &field_idle_timeout, &field_program,
    &field_profile, &field_base_url, &field_request_retries, &field_sandbox,       &field_login_issuer, &field_ca_file};

/* ---- A turn ---- */

static void add_setting(mloom_cli_command *command, const char *assignment) {
  mloom_cli_add(command, &command->words, "-c");
  mloom_cli_add(command, &command->words, assignment);
}

static void add_features(mloom_cli_command *command) {
  static const char *const settings[] = {
      /* A refused connection would be tried again for ever; statistics hold up the end for seconds. */
      "features.unbounded_connection_retries=false", "analytics.enabled=false",
      /* What looks for things on the network, or runs programs that no job asked for. */
      "features.plugins=false", "features.apps=false", "features.memories=false", "features.image_generation=false",
      "check_for_update_on_startup=false", "history.persistence=\"none\"", "cli_auth_credentials_store=\"file\"",
      "approval_policy=\"never\"",
      /* The workspace is the project; looking for one above it starts a sandbox for each folder up to the root. */
      "project_root_markers=[]",
      /* A login shell, or a snapshot of one, would read the machine's settings into the environment of commands. */
      "allow_login_shell=false", "features.shell_snapshot=false"};
  for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
    add_setting(command, settings[i]);
  }
}

/* A service other than OpenAI's. Quoted as the program wants it. */
static void add_service(const mloom_cli_instance *instance, mloom_cli_command *command) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  const char *base_url = mloom_provider_settings_text(&instance->settings, "base_url", NULL);
  const char *retries = mloom_provider_settings_text(&instance->settings, "request_retries", "4");
  uint64_t idle = mloom_provider_settings_number(&instance->settings, "idle_timeout", 600);
  if (base_url == NULL) {
    return;
  }
  size_t size = strlen(base_url);
  while (size > 0 && base_url[size - 1] == '/') {
    size--;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer trimmed = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append(&trimmed, base_url, size) != MLOOM_OK ||
      mloom_buffer_append_string(
          &text, "model_providers.mergeloom={name=\"mergeloom\",wire_api=\"responses\",base_url=") != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
    return;
  }
  mloom_cli_quote(command, &text, mloom_buffer_string(&trimmed));
  if (mloom_buffer_append_format(&text, ",%s,request_max_retries=%s,stream_max_retries=%s,stream_idle_timeout_ms=%llu}",
                                 mloom_cli_key(instance) != NULL ? "env_key=\"CODEX_API_KEY\""
                                                                 : "requires_openai_auth=true",
                                 retries, retries, (unsigned long long)(idle * 1000)) != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  add_setting(command, mloom_buffer_string(&text));
  add_setting(command, "model_provider=\"mergeloom\"");
}

/* Commands get the environment of the job's commands, and nothing of the program's own: no key. */
static void add_command_environment(const mloom_cli_session *session, mloom_cli_command *command) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_string(&text, "shell_environment_policy={inherit=\"none\",set={");
  for (size_t i = 0; i < session->environment.count && code == MLOOM_OK; i++) {
    const char *assignment = session->environment.items[i];
    const char *value = strchr(assignment, '=');
    if (value != NULL) {
      code = mloom_buffer_append_format(&text, "%s%.*s=", i == 0 ? "" : ",", (int)(value - assignment), assignment);
      mloom_cli_quote(command, &text, value + 1);
    }
  }
  if (code != MLOOM_OK || mloom_buffer_append_string(&text, "}}") != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
    return;
  }
  add_setting(command, mloom_buffer_string(&text));
}

/* One word of a shell, within a string of a setting. */
static void quote_word(mloom_cli_command *command, mloom_buffer *out, const char *text) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer word = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_char(&word, '\'');
  for (const char *at = text; *at != '\0' && code == MLOOM_OK; at++) {
    code = *at == '\'' ? mloom_buffer_append_string(&word, "'\\''") : mloom_buffer_append_char(&word, *at);
  }
  if (code != MLOOM_OK || mloom_buffer_append_char(&word, '\'') != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  mloom_cli_quote(command, out, mloom_buffer_string(&word));
}

/* codex has no list of allowed commands; a hook before each of its tools asks the host's. */
static void add_judge(const mloom_cli_session *session, mloom_cli_command *command) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_string(
          &text, "hooks.PreToolUse=[{matcher=\"*\",hooks=[{type=\"command\",timeout=60,command=") != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  quote_word(command, &text, session->judge);
  if (mloom_buffer_append_string(&text, "}]}]") != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  add_setting(command, mloom_buffer_string(&text));
  mloom_cli_add(command, &command->words, "--dangerously-bypass-hook-trust");
  if ((command->request.flags & MLOOM_PROCESS_CONFINED) != 0) {
    mloom_cli_add_format(command, &command->write_paths, "%s.log", session->judge);
  }
}

void mloom_codex_add_program_sandbox(const mloom_cli_instance *instance, const mloom_codex_places *places,
                                     mloom_cli_command *command) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  /* Files of secrets that root could read; the rest of :minimal is programs, libraries and settings. */
  static const char *const denied[] = {"/etc/shadow",  "/etc/shadow-",     "/etc/gshadow", "/etc/gshadow-",
                                       "/etc/sudoers", "/etc/ssl/private", "/etc/ssh",     NULL};
  int32_t code = mloom_buffer_append_format(
      &text,
      "permissions.mergeloom.filesystem={\":minimal\"=\"read\",\":workspace_roots\"={\".\"=\"%s\",\".git\"=\"read\"}",
      places->read_only ? "read" : "write");
  for (size_t i = 0; denied[i] != NULL && code == MLOOM_OK; i++) {
    code = mloom_buffer_append_format(&text, ",\"%s\"=\"deny\"", denied[i]);
  }
  for (size_t i = 0; places->readable != NULL && places->readable[i] != NULL && code == MLOOM_OK; i++) {
    code = mloom_buffer_append_char(&text, ',');
    mloom_cli_quote(command, &text, places->readable[i]);
    code = code == MLOOM_OK ? mloom_buffer_append_string(&text, "=\"read\"") : code;
  }
  for (size_t i = 0; places->writable != NULL && places->writable[i] != NULL && code == MLOOM_OK; i++) {
    code = mloom_buffer_append_char(&text, ',');
    mloom_cli_quote(command, &text, places->writable[i]);
    code = code == MLOOM_OK ? mloom_buffer_append_string(&text, "=\"write\"") : code;
  }
  /* The program runs itself inside, and the search tool that came with it. */
  code = code == MLOOM_OK ? mloom_buffer_append_char(&text, ',') : code;
  mloom_cli_quote(command, &text, mloom_buffer_string(&instance->package));
  if (code != MLOOM_OK || mloom_buffer_append_string(&text, "=\"read\"}") != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  add_setting(command, mloom_buffer_string(&text));
}

int mloom_codex_is_confined(const mloom_cli_instance *instance) {
  return strcmp(mloom_provider_settings_text(&instance->settings, "sandbox", "program"), "worker") == 0;
}

static void add_sandbox(const mloom_cli_session *session, mloom_cli_command *command) {
  const mloom_cli_instance *instance = session->instance;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer home = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer temporary = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&home, "%s/home", session->scratch) != MLOOM_OK ||
      mloom_buffer_append_format(&temporary, "%s/tmp", session->scratch) != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
    return;
  }
  if (!mloom_codex_is_confined(instance)) {
    const char *writable[] = {home.data, temporary.data, NULL};
    mloom_codex_places places = {(const char *const *)session->read_paths.items, writable, session->read_only};
    mloom_codex_add_program_sandbox(instance, &places, command);
    add_setting(command, "default_permissions=\"mergeloom\"");
    return;
  }
  mloom_cli_add(command, &command->words, "--dangerously-bypass-approvals-and-sandbox");
  command->request.flags |= MLOOM_PROCESS_CONFINED;
  mloom_cli_add_all(command, &command->read_paths, (const char *const *)session->read_paths.items);
  mloom_cli_add(command, &command->read_paths, session->scratch);
  mloom_cli_add(command, session->read_only ? &command->read_paths : &command->write_paths, session->workspace);
  mloom_cli_add(command, &command->write_paths, home.data);
  mloom_cli_add(command, &command->write_paths, temporary.data);
  mloom_cli_add(command, &command->write_paths, mloom_buffer_string(&instance->login));
}

static void add_model(const mloom_cli_session *session, mloom_cli_command *command) {
  const char *profile = mloom_provider_settings_text(&session->instance->settings, "profile", NULL);
  if (session->model[0] != '\0') {
    mloom_cli_add(command, &command->words, "-m");
    mloom_cli_add(command, &command->words, session->model);
  }
  if (profile != NULL) {
    mloom_cli_add(command, &command->words, "-p");
    mloom_cli_add(command, &command->words, profile);
  } else {
    mloom_cli_add(command, &command->words, "--ignore-user-config");
  }
  mloom_cli_add(command, &command->words, "--ignore-rules");
}

static int32_t describe_turn(mloom_cli_session *session, mloom_cli_command *command, mloom_error *error) {
  const mloom_cli_instance *instance = session->instance;
  mloom_cli_add_all(command, &command->words,
                    (const char *const[]){"exec", "--json", "--color", "never", "--skip-git-repo-check", "-C",
                                          session->workspace, NULL});
  add_model(session, command);
  add_features(command);
  add_service(instance, command);
  add_command_environment(session, command);
  add_sandbox(session, command);
  if (session->judge[0] == '\0') {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, "use a newer mergeloom",
                           "this host cannot hold codex to its list of commands");
  }
  if (mloom_codex_is_confined(instance) && mloom_cli_has_file(mloom_buffer_string(&instance->login), HOOKS_FILE)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_PROVIDER, "look at it, and remove it",
                           "%s/" HOOKS_FILE " would run programs in this job, and a command of an earlier one may have "
                           "written it",
                           mloom_buffer_string(&instance->login));
  }
  add_judge(session, command);
  if (session->schema[0] != '\0') {
    mloom_cli_add(command, &command->words, "--output-schema");
    mloom_cli_add(
        command, &command->words,
        mloom_cli_add_file(command, session->scratch, "result-schema.json", mloom_text_bytes(session->schema)));
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer input = MLOOM_BUFFER_INIT;
  if (session->answered) {
    mloom_cli_add(command, &command->words, "resume");
    mloom_cli_add(command, &command->words, mloom_buffer_string(&session->stream.conversation));
  } else if (mloom_buffer_append_format(&input, "%s\n", session->instructions) != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  mloom_cli_add(command, &command->words, "-");
  if (mloom_buffer_append(&input, mloom_buffer_string(&session->said), session->said.size) != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  mloom_cli_set_input(command, mloom_buffer_string(&input), input.size);
  mloom_cli_set_variable(command, "CODEX_HOME", mloom_buffer_string(&instance->login));
  mloom_cli_set_variable(command, "NO_COLOR", "1");
  if (mloom_cli_key(instance) != NULL) {
    mloom_cli_set_secret(command, "CODEX_API_KEY", mloom_cli_key(instance));
  } else if (mloom_codex_login_kind(instance) == MLOOM_CODEX_LOGIN_TOKENS) {
    command->request.lock_directory = mloom_buffer_string(&instance->login);
  }
  return MLOOM_OK;
}

static void turn_ended(mloom_cli_session *session) {
  mloom_codex_keep_count(&session->stream);
}

/* ---- The plugin ---- */

#ifdef __aarch64__
#define NATIVE "@openai/codex-linux-arm64/vendor/aarch64-unknown-linux-musl/bin/codex"
#else
#define NATIVE "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex"
#endif
static const char *const native[] = {NATIVE, "@openai/codex/node_modules/" NATIVE, NULL};

static const mloom_cli_kind kind = {.id = "codex-cli",
                                    .program = "codex",
                                    .native = native,
                                    .login_folder = ".codex",
                                    .login_setting = "JCA_WORKER_CLI_CONFIG_DIR",
                                    .model_setting = PREFIX "MODEL",
                                    .minimum_version = "0.160.0",
                                    .authority_variable = "CODEX_CA_CERTIFICATE",
                                    .is_confined = mloom_codex_is_confined,
                                    .read_event = mloom_codex_read_event,
                                    .describe_turn = describe_turn,
                                    .turn_ended = turn_ended,
                                    .describe_probe = mloom_codex_describe_probe,
                                    .judge_probe = mloom_codex_judge_probe,
                                    .describe_login = mloom_codex_describe_login};

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  return mloom_cli_open(&kind, args, out_instance, error);
}

static int32_t instance_check(void *instance, const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  const mloom_cli_instance *self = instance;
  if (mloom_codex_is_confined(self)) {
    sink->check("confinement", MLOOM_CHECK_WARN,
                "the worker's sandbox holds codex as a whole: its commands can use the network and read its login",
                "leave " PREFIX "SANDBOX at program where codex can make namespaces", sink->userdata);
  }
  if (self->login.size > 0 && mloom_cli_has_file(self->login.data, HOOKS_FILE)) {
    sink->check("login", MLOOM_CHECK_WARN, "the login folder has a " HOOKS_FILE ", whose programs run in every job",
                "remove it, or give the worker a login folder of its own", sink->userdata);
  }
  mloom_cli_check_login(self, sink);
  return MLOOM_OK;
}

static const char *const aliases[] = {"codex", NULL};

static const mloom_provider provider = {
    MLOOM_CLI_PROVIDER,
    .id = "codex-cli",
    .title = "Codex CLI",
    .description = "OpenAI's codex program, with its own login",
    .aliases = aliases,
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .open = instance_open,
    .check = instance_check,
};

MLOOM_CLI_PLUGIN(provider, "codex-cli", "Provider for the codex program")
