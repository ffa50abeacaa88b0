/* SPDX-License-Identifier: Apache-2.0
 *
 * What claude is asked besides work: is it logged in, and how a person logs in.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "claude_code_cli.h"
#include "cli/program.h"

#define LOGIN_FILE ".credentials.json"

/* ---- The login folder ---- */

typedef struct stored_login {
  int has_tokens;
  int can_renew;
  int64_t expires_ms;         /* 0: unknown */
  int64_t renewable_until_ms; /* 0: unknown */
} stored_login;

static void read_tokens(mloom_json_reader *reader, stored_login *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "accessToken")) {
      out->has_tokens |= mloom_json_reader_peek(reader) == MLOOM_JSON_STRING;
      mloom_json_reader_skip(reader);
    } else if (mloom_text_equal(key, "refreshToken")) {
      out->can_renew |= mloom_json_reader_peek(reader) == MLOOM_JSON_STRING;
      mloom_json_reader_skip(reader);
    } else if (mloom_text_equal(key, "expiresAt")) {
      mloom_json_reader_integer(reader, &out->expires_ms);
    } else if (mloom_text_equal(key, "refreshTokenExpiresAt")) {
      mloom_json_reader_integer(reader, &out->renewable_until_ms);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static stored_login read_login(const mloom_cli_instance *instance) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  stored_login found = {.has_tokens = 0};
  mloom_json_reader reader;
  mloom_bytes key;
  if (mloom_cli_read_login(&text, mloom_buffer_string(&instance->login), LOGIN_FILE) != MLOOM_OK) {
    return found;
  }
  mloom_json_reader_init(&reader, mloom_buffer_string(&text), text.size);
  if (!mloom_json_reader_object(&reader)) {
    return found;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "claudeAiOauth")) {
      read_tokens(&reader, &found);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  return found;
}

void mloom_claude_add_secrets(const mloom_cli_instance *instance, mloom_cli_command *command) {
  if (mloom_cli_key(instance) != NULL) {
    mloom_cli_set_secret(command, "ANTHROPIC_API_KEY", mloom_cli_key(instance));
  } else if (mloom_cli_token(instance) != NULL) {
    mloom_cli_set_secret(command, "CLAUDE_CODE_OAUTH_TOKEN", mloom_cli_token(instance));
  } else if (read_login(instance).has_tokens) {
    /* It renews them, and each can be renewed from once only. */
    command->request.lock_directory = mloom_buffer_string(&instance->login);
  }
}

/* ---- Checks ---- */

/* What "claude auth status" says: {"loggedIn": ...}. It looks at what is there and does not try it. */
static int says_logged_in(mloom_bytes output) {
  mloom_json_reader reader;
  mloom_bytes key;
  int logged_in = 0;
  const char *begin = memchr(output.data, '{', output.size);
  if (begin == NULL) {
    return 0;
  }
  mloom_json_reader_init(&reader, begin, output.size - (size_t)(begin - output.data));
  if (!mloom_json_reader_object(&reader)) {
    return 0;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "loggedIn")) {
      mloom_json_reader_boolean(&reader, &logged_in);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  return logged_in;
}

/* The program calls itself logged in all the same. */
static int has_expired(const stored_login *login, int64_t now_ms) {
  int can_renew = login->can_renew && (login->renewable_until_ms <= 0 || login->renewable_until_ms > now_ms);
  return login->has_tokens && !can_renew && login->expires_ms > 0 && login->expires_ms < now_ms;
}

static void judge_login(const mloom_cli_instance *instance, int32_t status, mloom_bytes output,
                        const mloom_probe_sink *sink) {
  static const char remedy[] = "log in with \"mergeloom login claude-code-cli\", or set JCA_CLAUDE_CODE_CLI_API_KEY";
  const char *folder = mloom_buffer_string(&instance->login);
  stored_login login = read_login(instance);
  char reason[400];
  if (mloom_cli_key(instance) != NULL || mloom_cli_token(instance) != NULL) {
    snprintf(reason, sizeof(reason), "%s is set; the self-test shows whether it is accepted",
             mloom_cli_key(instance) != NULL ? "an API key" : "a token");
    sink->check("login", MLOOM_CHECK_PASS, reason, "", sink->userdata);
  } else if (status != 0 || !says_logged_in(output)) {
    snprintf(reason, sizeof(reason), "claude is not logged in with the folder %s", folder);
    sink->check("login", MLOOM_CHECK_FAIL, reason, remedy, sink->userdata);
  } else if (has_expired(&login, instance->host->clock_wall_ms(instance->host->ctx))) {
    snprintf(reason, sizeof(reason), "the login of claude in %s has expired and cannot be renewed", folder);
    sink->check("login", MLOOM_CHECK_FAIL, reason, remedy, sink->userdata);
  } else {
    snprintf(reason, sizeof(reason), "claude is logged in, in %s; the self-test shows whether that is accepted",
             folder);
    sink->check("login", MLOOM_CHECK_PASS, reason, "", sink->userdata);
  }
}

/* ---- The parts of the provider ---- */

static void add_home(const mloom_cli_instance *instance, mloom_cli_command *command) {
  mloom_cli_plain_environment(instance, command);
  mloom_cli_set_variable(command, "CLAUDE_CONFIG_DIR", mloom_buffer_string(&instance->login));
  mloom_cli_set_variable(command, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
}

int32_t mloom_claude_describe_probe(mloom_cli_instance *instance, uint32_t probe, mloom_cli_command *command,
                                    mloom_error *error) {
  (void)error;
  if (probe != MLOOM_PROBE_LOGIN) {
    return MLOOM_E_UNSUPPORTED; /* the worker's sandbox is on, which proves itself */
  }
  add_home(instance, command);
  mloom_cli_add_all(command, &command->words, (const char *const[]){"auth", "status", NULL});
  return MLOOM_OK;
}

int32_t mloom_claude_judge_probe(mloom_cli_instance *instance, uint32_t probe, int32_t status, mloom_bytes output,
                                 const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  if (probe == MLOOM_PROBE_LOGIN) {
    judge_login(instance, status, output, sink);
  }
  return MLOOM_OK;
}

int32_t mloom_claude_describe_login(mloom_cli_instance *instance, uint32_t login, const mloom_secret *secret,
                                    mloom_cli_command *command, mloom_error *error) {
  (void)secret;
  if (login != MLOOM_LOGIN_BROWSER && login != MLOOM_LOGIN_OUT) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER,
                           "log in through a browser, or set JCA_CLAUDE_CODE_CLI_API_KEY",
                           "claude has no such way to log in");
  }
  add_home(instance, command);
  mloom_cli_add_all(command, &command->words,
                    (const char *const[]){"auth", login == MLOOM_LOGIN_OUT ? "logout" : "login", NULL});
  command->request.flags |= login == MLOOM_LOGIN_BROWSER ? MLOOM_PROCESS_TERMINAL : 0;
  return MLOOM_OK;
}
