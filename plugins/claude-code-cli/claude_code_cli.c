/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for the command-line program claude.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "claude_code_cli.h"
#include "claude_events.h"
#include "cli/program.h"

#define PREFIX "JCA_CLAUDE_CODE_CLI_"

static const char *const model_environment[] = {PREFIX "MODEL", "JCA_WORKER_CLAUDE_CODE_MODEL", NULL};
static const char *const config_dir_environment[] = {PREFIX "CONFIG_DIR", "CLAUDE_CONFIG_DIR", NULL};

MLOOM_PROVIDER_FIELD_OF(model, model_environment, .title = "Model", .kind = MLOOM_FIELD_STRING,
                        .help = "Model that jobs use when nothing else names one; unset, claude chooses");
MLOOM_PROVIDER_FIELD(api_key, PREFIX "API_KEY", .title = "API key", .kind = MLOOM_FIELD_SECRET,
                     .help = "Instead of a login; given to claude in its environment only");
MLOOM_PROVIDER_FIELD(oauth_token, PREFIX "OAUTH_TOKEN", .title = "Long-lived token", .kind = MLOOM_FIELD_SECRET,
                     .flags = MLOOM_FIELD_ADVANCED, .help = "Of \"claude setup-token\", instead of a login");
MLOOM_PROVIDER_FIELD_OF(config_dir, config_dir_environment, .title = "Login folder", .kind = MLOOM_FIELD_PATH,
                        .help = "Where claude keeps its login and its conversations; unset, .claude in HOME");
MLOOM_PROVIDER_FIELD(program, PREFIX "PROGRAM", .flags = MLOOM_FIELD_ADVANCED, .title = "Program",
                     .kind = MLOOM_FIELD_STRING, .default_value = "claude",
                     .help = "Name in PATH or absolute path of the program");
MLOOM_PROVIDER_FIELD(base_url, PREFIX "BASE_URL", .flags = MLOOM_FIELD_ADVANCED, .title = "Base URL",
                     .kind = MLOOM_FIELD_URL,
                     .help = "A gateway with a Messages API, the part before /v1/messages; unset, Anthropic's service");
MLOOM_PROVIDER_FIELD(total_timeout, PREFIX "TIMEOUT_SECONDS", .title = "Time-out", .kind = MLOOM_FIELD_INTEGER,
                     .default_value = "3600", .minimum = 1, .maximum = 604800,
                     .help = "Seconds that claude may work on a job before it is ended");
MLOOM_PROVIDER_FIELD(idle_timeout, PREFIX "IDLE_TIMEOUT_SECONDS", .flags = MLOOM_FIELD_ADVANCED,
                     .title = "Idle time-out", .kind = MLOOM_FIELD_INTEGER, .default_value = "600", .minimum = 1,
                     .maximum = 86400, .help = "Seconds without a word of claude after which it is ended");
MLOOM_PROVIDER_FIELD(request_retries, PREFIX "REQUEST_RETRIES", .flags = MLOOM_FIELD_ADVANCED, .title = "Retries",
                     .kind = MLOOM_FIELD_INTEGER, .default_value = "4", .minimum = 0, .maximum = 20,
                     .help = "How often claude sends a request again; it does so even for a key that is refused");
MLOOM_PROVIDER_FIELD(ca_file, PREFIX "CA_FILE", .flags = MLOOM_FIELD_ADVANCED, .title = "Private CA",
                     .kind = MLOOM_FIELD_PATH,
                     .help = "PEM file of certificates that claude trusts besides the system's");

static const mloom_field *const fields[] = {
    &field_model,        &field_api_key, &field_oauth_token, &field_config_dir,      &field_total_timeout,
    &field_idle_timeout, &field_program, &field_base_url,    &field_request_retries, &field_ca_file};

/* ---- A turn ---- */

static int is_plain_name(const char *name) {
  return name[0] != '\0' &&
         name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")] == '\0';
}

/* The commands of the worker's list run without a question, and no other: there is nobody to ask. */
static void add_allowed(const mloom_cli_session *session, mloom_cli_command *command) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_string(&text, "--allowedTools=Read,Glob,Grep");
  for (size_t i = 0; i < session->allowed.count && code == MLOOM_OK; i++) {
    if (is_plain_name(session->allowed.items[i])) {
      code = mloom_buffer_append_format(&text, ",Bash(%s:*)", session->allowed.items[i]);
    }
  }
  if (code != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  mloom_cli_add(command, &command->words, mloom_buffer_string(&text));
}

static void append_rule(mloom_cli_command *command, mloom_buffer *out, const char *tool, const char *path) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer rule = MLOOM_BUFFER_INIT;
  /* An absolute path is written with two slashes there. */
  if (mloom_buffer_append_format(&rule, "%s(/%s/**)", tool, path) != MLOOM_OK ||
      (out->data[out->size - 1] != '[' && mloom_buffer_append_char(out, ',') != MLOOM_OK)) {
    command->failure = MLOOM_E_MEMORY;
  }
  mloom_cli_quote(command, out, mloom_buffer_string(&rule));
}

/* What claude counts as edits (touch, mkdir, mv) or as reading it would run though it is not on the list: a hook before
 * each command asks the host's. It has a list of arguments, if an empty one: without, it would be started in the
 * sandbox of commands. */
static void append_judge(const mloom_cli_session *session, mloom_cli_command *command, mloom_buffer *out) {
  if (mloom_buffer_append_string(out,
                                 "\"hooks\":{\"PreToolUse\":[{\"matcher\":\"Bash\",\"hooks\":[{\"type\":\"command\","
                                 "\"timeout\":60,\"args\":[],\"command\":") != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  mloom_cli_quote(command, out, session->judge);
  if (mloom_buffer_append_string(out, "}]}]}") != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
}

/* claude reads files itself, with its own rights: it is told what is none of the model's business. */
static void add_settings(const mloom_cli_session *session, mloom_cli_command *command) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer git = MLOOM_BUFFER_INIT;
  const char *login = mloom_buffer_string(&session->instance->login);
  if (mloom_buffer_append_string(&text, "{\"permissions\":{\"deny\":[") != MLOOM_OK ||
      mloom_buffer_append_format(&git, "%s/.git", session->workspace) != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
    return;
  }
  append_rule(command, &text, "Read", "/proc");
  append_rule(command, &text, "Read", login);
  append_rule(command, &text, "Edit", login);
  append_rule(command, &text, "Edit", git.data);
  if (mloom_buffer_append_string(
          &text, "],\"disableBypassPermissionsMode\":\"disable\"},\"includeCoAuthoredBy\":false,") != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  append_judge(session, command, &text);
  if (mloom_buffer_append_char(&text, '}') != MLOOM_OK) {
    command->failure = MLOOM_E_MEMORY;
  }
  mloom_cli_add(command, &command->words, "--settings");
  mloom_cli_add(command, &command->words, mloom_buffer_string(&text));
}

static void add_variables(const mloom_cli_session *session, mloom_cli_command *command) {
  const mloom_cli_instance *instance = session->instance;
  const mloom_provider_settings *settings = &instance->settings;
  const char *base_url = mloom_provider_settings_text(settings, "base_url", NULL);
  mloom_cli_set_variable(command, "CLAUDE_CONFIG_DIR", mloom_buffer_string(&instance->login));
  mloom_cli_set_variable(command, "CLAUDE_CODE_SHELL_PREFIX", session->wrapper);
  mloom_cli_set_variable(command, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
  mloom_cli_set_variable(command, "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1");
  mloom_cli_set_variable(command, "DISABLE_AUTOUPDATER", "1");
  mloom_cli_set_variable(command, "CLAUDE_CODE_MAX_RETRIES",
                         mloom_provider_settings_text(settings, "request_retries", "4"));
  if (base_url != NULL) {
    mloom_cli_set_variable(command, "ANTHROPIC_BASE_URL", base_url);
  }
  mloom_claude_add_secrets(instance, command);
}

static void add_sandbox(const mloom_cli_session *session, mloom_cli_command *command) {
  command->request.flags |= MLOOM_PROCESS_CONFINED;
  mloom_cli_add_all(command, &command->read_paths, (const char *const *)session->read_paths.items);
  mloom_cli_add(command, &command->read_paths, session->scratch);
  mloom_cli_add(command, session->read_only ? &command->read_paths : &command->write_paths, session->workspace);
  mloom_cli_add_format(command, &command->write_paths, "%s/home", session->scratch);
  mloom_cli_add_format(command, &command->write_paths, "%s/tmp", session->scratch);
  mloom_cli_add(command, &command->write_paths, mloom_buffer_string(&session->instance->login));
  mloom_cli_add_format(command, &command->write_paths, "%s.log", session->judge);
}

static int32_t describe_turn(mloom_cli_session *session, mloom_cli_command *command, mloom_error *error) {
  if (session->judge[0] == '\0') {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, "use a newer mergeloom",
                           "this host cannot hold claude to its list of commands");
  }
  mloom_cli_add_all(
      command, &command->words,
      (const char *const[]){"-p", "--output-format", "stream-json", "--verbose", "--setting-sources", "",
                            "--strict-mcp-config", "--no-chrome", "--disable-slash-commands", "--permission-prompts",
                            "none", "--permission-mode", session->read_only ? "dontAsk" : "acceptEdits", "--tools",
                            session->read_only ? "Bash,Read,Glob,Grep" : "Bash,Edit,Write,Read,Glob,Grep", NULL});
  add_allowed(session, command);
  add_settings(session, command);
  if (session->model[0] != '\0') {
    mloom_cli_add(command, &command->words, "--model");
    mloom_cli_add(command, &command->words, session->model);
  }
  if (session->schema[0] != '\0') {
    mloom_cli_add(command, &command->words, "--json-schema");
    mloom_cli_add(command, &command->words, session->schema);
  }
  mloom_cli_add(command, &command->words, "--append-system-prompt");
  mloom_cli_add(command, &command->words, session->instructions);
  if (session->answered) {
    mloom_cli_add(command, &command->words, "--resume");
    mloom_cli_add(command, &command->words, mloom_buffer_string(&session->stream.conversation));
  }
  mloom_cli_set_input(command, mloom_buffer_string(&session->said), session->said.size);
  add_variables(session, command);
  add_sandbox(session, command);
  return MLOOM_OK;
}

/* It has no sandbox of its own that needs no namespaces. */
static int is_confined(const mloom_cli_instance *instance) {
  (void)instance;
  return 1;
}

static void turn_ended(mloom_cli_session *session) {
  mloom_claude_keep_cost(&session->stream);
}

/* ---- The plugin ---- */

#ifdef __aarch64__
#define NATIVE "@anthropic-ai/claude-code-linux-arm64/claude"
#else
#define NATIVE "@anthropic-ai/claude-code-linux-x64/claude"
#endif
static const char *const native[] = {NATIVE, "@anthropic-ai/claude-code/node_modules/" NATIVE, NULL};

static const mloom_cli_kind kind = {.id = "claude-code-cli",
                                    .program = "claude",
                                    .native = native,
                                    .login_folder = ".claude",
                                    .login_setting = "CLAUDE_CONFIG_DIR",
                                    .model_setting = "JCA_WORKER_CLAUDE_CODE_MODEL",
                                    .minimum_version = "2.1.300",
                                    .authority_variable = "NODE_EXTRA_CA_CERTS",
                                    .is_confined = is_confined,
                                    .read_event = mloom_claude_read_event,
                                    .describe_turn = describe_turn,
                                    .turn_ended = turn_ended,
                                    .describe_probe = mloom_claude_describe_probe,
                                    .judge_probe = mloom_claude_judge_probe,
                                    .describe_login = mloom_claude_describe_login};

static int32_t instance_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  return mloom_cli_open(&kind, args, out_instance, error);
}

static int32_t instance_check(void *instance, const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  const mloom_cli_instance *self = instance;
  sink->check("confinement", MLOOM_CHECK_PASS,
              "the worker's sandbox holds claude, and one more each of its commands: no network, no login, changes in "
              "the repository only",
              "", sink->userdata);
  mloom_cli_check_login(self, sink);
  return MLOOM_OK;
}

static const char *const aliases[] = {"claude-code", NULL};

static const mloom_provider provider = {
    MLOOM_CLI_PROVIDER,
    .id = "claude-code-cli",
    .title = "Claude Code CLI",
    .description = "Anthropic's claude program, with its own login",
    .aliases = aliases,
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .open = instance_open,
    .check = instance_check,
};

MLOOM_CLI_PLUGIN(provider, "claude-code-cli", "Provider for the claude program")
