/* SPDX-License-Identifier: Apache-2.0
 *
 * What codex is asked besides work: is it logged in, does its sandbox hold, and how a person logs in.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "cli/members.h"
#include "cli/program.h"
#include "codex_cli.h"

/* ---- Login ---- */

typedef struct stored_login {
  mloom_buffer key;
  int has_tokens;
  mloom_buffer access;
  mloom_buffer refresh;
} stored_login;

MLOOM_CLI_MEMBERS(token_members, {{"access_token", MLOOM_CLI_TEXT, offsetof(stored_login, access), NULL},
                                  {"refresh_token", MLOOM_CLI_TEXT, offsetof(stored_login, refresh), NULL}});

static void wipe_login(stored_login *self) {
  mloom_buffer_wipe(&self->key);
  mloom_buffer_wipe(&self->access);
  mloom_buffer_wipe(&self->refresh);
}

/* By what is there, not by its mode: that name has changed over the versions. */
static void read_login(const mloom_cli_instance *instance, stored_login *out) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_bytes key;
  if (mloom_cli_read_login(&text, mloom_buffer_string(&instance->login), "auth.json") != MLOOM_OK ||
      mloom_buffer_reserve(&out->key, text.size) != MLOOM_OK ||
      mloom_buffer_reserve(&out->access, text.size) != MLOOM_OK ||
      mloom_buffer_reserve(&out->refresh, text.size) != MLOOM_OK) {
    return; /* room for all, so that no copy is left behind where a buffer grew */
  }
  mloom_json_reader_init(&reader, mloom_buffer_string(&text), text.size);
  if (!mloom_json_reader_object(&reader)) {
    return;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "tokens")) {
      out->has_tokens = mloom_cli_read_members(&reader, &token_members, out);
    } else if (mloom_text_equal(key, "OPENAI_API_KEY")) {
      mloom_cli_take_text(&reader, &out->key);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
}

int mloom_codex_login_kind(const mloom_cli_instance *instance) {
  MLOOM_AUTO(wipe_login) stored_login login = {.has_tokens = 0};
  read_login(instance, &login);
  return login.has_tokens     ? MLOOM_CODEX_LOGIN_TOKENS
         : login.key.size > 0 ? MLOOM_CODEX_LOGIN_KEY
                              : MLOOM_CODEX_LOGIN_NONE;
}

/* When a JSON Web Token ends, in seconds; 0 when it does not say so. */
static int64_t token_end(const mloom_buffer *token) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer claims = MLOOM_BUFFER_INIT;
  static const mloom_cli_member members[] = {{"exp", MLOOM_CLI_INTEGER, 0, NULL}};
  const mloom_cli_members table = {members, 1};
  int64_t end = 0;
  const char *begin = token->size == 0 ? NULL : strchr(token->data, '.');
  const char *stop = begin == NULL ? NULL : strchr(begin + 1, '.');
  if (stop == NULL || mloom_base64_decode(&claims, begin + 1, (size_t)(stop - begin - 1)) != MLOOM_OK) {
    return 0;
  }
  mloom_cli_read_object((mloom_bytes){mloom_buffer_string(&claims), claims.size}, &table, &end);
  return end;
}

/* The program calls itself logged in all the same. */
static int has_expired(const mloom_cli_instance *instance) {
  MLOOM_AUTO(wipe_login) stored_login login = {.has_tokens = 0};
  read_login(instance, &login);
  int64_t end = token_end(&login.access);
  return login.has_tokens && login.refresh.size == 0 && end > 0 &&
         end < instance->host->clock_wall_ms(instance->host->ctx) / 1000;
}

static void judge_login(const mloom_cli_instance *instance, int32_t status, mloom_bytes output,
                        const mloom_probe_sink *sink) {
  static const char remedy[] = "log in with \"mergeloom login codex-cli\", or set JCA_CODEX_CLI_API_KEY";
  char reason[400];
  if (mloom_cli_key(instance) != NULL) {
    sink->check("login", MLOOM_CHECK_PASS, "an API key is set; the self-test shows whether it is accepted", "",
                sink->userdata);
    return;
  }
  /* The words of the program, without the key that it shows a part of. */
  int by_key = memmem(output.data, output.size, "API key", 7) != NULL;
  if (status != 0) {
    snprintf(reason, sizeof(reason), "codex is not logged in with the folder %s",
             mloom_buffer_string(&instance->login));
    sink->check("login", MLOOM_CHECK_FAIL, reason, remedy, sink->userdata);
  } else if (has_expired(instance)) {
    snprintf(reason, sizeof(reason), "the login of codex in %s has expired and cannot be renewed",
             mloom_buffer_string(&instance->login));
    sink->check("login", MLOOM_CHECK_FAIL, reason, remedy, sink->userdata);
  } else {
    snprintf(reason, sizeof(reason), "codex is logged in %s, in %s; the self-test shows whether that is accepted",
             by_key ? "by an API key" : "by an account", mloom_buffer_string(&instance->login));
    sink->check("login", MLOOM_CHECK_PASS, reason, "", sink->userdata);
  }
}

/* ---- Sandbox ---- */

/* What the attack is after lies in the login folder, which the worker can read and change whoever it runs as. */
#define SECRET_FILE ".mergeloom-secret"
#define SECRET "what only the login folder holds"
#define WRITTEN_FILE ".mergeloom-written"

/* Runs inside: tries what it must not be able to do. What it wrote is looked for outside: inside it may seem to work.
 */
static const char attack[] =
    "echo inside; "
    "cat \"$1/" SECRET_FILE "\" 2>/dev/null; "
    "ls -A \"$1\" 2>/dev/null | grep -q -v '^tmp$' && echo broke-login; " /* tmp holds its own helpers */
    "( : >\"$1/" WRITTEN_FILE "\" ) 2>/dev/null; "
    "( exec 3<>/dev/tcp/127.0.0.1/9 && echo refused ) 2>&1 | grep -q -i refused && echo broke-network; "
    "echo done";

static int has_line(mloom_bytes output, const char *line) {
  return memmem(output.data, output.size, line, strlen(line)) != NULL;
}

/* Whether the attack left its file in the login folder, where it does not stay. */
static int take_written(const mloom_cli_instance *instance) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  return mloom_buffer_append_format(&path, "%s/" WRITTEN_FILE, mloom_buffer_string(&instance->login)) != MLOOM_OK ||
         unlink(path.data) == 0;
}

static void judge_sandbox(const mloom_cli_instance *instance, int32_t status, mloom_bytes output,
                          const mloom_probe_sink *sink) {
  static const char remedy[] =
      "allow user namespaces (kernel.unprivileged_userns_clone, user.max_user_namespaces, the container's "
      "security profile), or set JCA_CODEX_CLI_SANDBOX=worker";
  char reason[400];
  int inside = has_line(output, "inside") && has_line(output, "done");
  int has_read = has_line(output, SECRET) || has_line(output, "broke-login");
  int has_written = take_written(instance);
  int has_network = has_line(output, "broke-network");
  if (inside && !has_read && !has_written && !has_network) {
    sink->check("confinement", MLOOM_CHECK_PASS,
                "codex confines its commands itself: no network, no login, changes in the repository only", "",
                sink->userdata);
  } else if (inside) {
    snprintf(reason, sizeof(reason), "the sandbox of codex does not hold its commands:%s%s%s",
             has_written ? " they can change what is outside of the repository;" : "",
             has_read ? " they can read the login;" : "", has_network ? " they have the network;" : "");
    sink->check("confinement", MLOOM_CHECK_FAIL, reason, remedy, sink->userdata);
  } else {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer said = MLOOM_BUFFER_INIT;
    size_t size = output.size > 160 ? mloom_text_complete_prefix(output.data, 160) : output.size;
    (void)mloom_text_append_printable(&said, output.data, size, 0);
    snprintf(reason, sizeof(reason), "codex cannot confine its commands here (status %d): %s", (int)status,
             mloom_buffer_string(&said));
    sink->check("confinement", MLOOM_CHECK_FAIL, reason, remedy, sink->userdata);
  }
}

/* ---- The parts of the provider ---- */

static void add_home(const mloom_cli_instance *instance, mloom_cli_command *command) {
  mloom_cli_plain_environment(instance, command);
  mloom_cli_set_variable(command, "CODEX_HOME", mloom_buffer_string(&instance->login));
  /* Below its folder of temporary files codex cannot confine anything. */
  mloom_cli_set_variable(command, "TMPDIR", "/var/tmp");
}

int32_t mloom_codex_describe_probe(mloom_cli_instance *instance, uint32_t probe, mloom_cli_command *command,
                                   mloom_error *error) {
  (void)error;
  add_home(instance, command);
  if (probe == MLOOM_PROBE_LOGIN) {
    mloom_cli_add_all(command, &command->words, (const char *const[]){"login", "status", NULL});
    return MLOOM_OK;
  }
  if (mloom_codex_is_confined(instance)) {
    return MLOOM_E_UNSUPPORTED; /* the worker's own check tells */
  }
  const char *login = mloom_buffer_string(&instance->login);
  if (access(login, W_OK | X_OK) == 0) { /* else the check of the login fails */
    mloom_cli_add_file(command, login, SECRET_FILE, mloom_text_bytes(SECRET "\n"));
    (void)take_written(instance);
  }
  const mloom_codex_places places = {.read_only = 1};
  mloom_cli_add_all(command, &command->words,
                    (const char *const[]){"sandbox", "-P", "mergeloom", "-C", "/usr/share", NULL});
  mloom_codex_add_program_sandbox(instance, &places, command);
  mloom_cli_add_all(command, &command->words,
                    (const char *const[]){"--", "/bin/bash", "-c", attack, "attack", login, NULL});
  return MLOOM_OK;
}

int32_t mloom_codex_judge_probe(mloom_cli_instance *instance, uint32_t probe, int32_t status, mloom_bytes output,
                                const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  if (probe == MLOOM_PROBE_LOGIN) {
    judge_login(instance, status, output, sink);
  } else {
    judge_sandbox(instance, status, output, sink);
  }
  return MLOOM_OK;
}

int32_t mloom_codex_describe_login(mloom_cli_instance *instance, uint32_t login, const mloom_secret *secret,
                                   mloom_cli_command *command, mloom_error *error) {
  add_home(instance, command);
  mloom_cli_add(command, &command->words, login == MLOOM_LOGIN_OUT ? "logout" : "login");
  if (login == MLOOM_LOGIN_DEVICE) {
    const char *issuer = mloom_provider_settings_text(&instance->settings, "login_issuer", NULL);
    mloom_cli_add(command, &command->words, "--device-auth");
    if (issuer != NULL) {
      mloom_cli_add(command, &command->words, "--experimental_issuer");
      mloom_cli_add(command, &command->words, issuer);
    }
    command->request.flags |= MLOOM_PROCESS_TERMINAL;
  } else if (login == MLOOM_LOGIN_BROWSER) {
    command->request.flags |= MLOOM_PROCESS_TERMINAL;
  } else if (login == MLOOM_LOGIN_API_KEY) {
    mloom_bytes key;
    int32_t code = instance->host->secret_borrow(instance->host->ctx, secret, &key, error);
    if (code != MLOOM_OK) {
      return code;
    }
    mloom_cli_add(command, &command->words, "--with-api-key");
    mloom_cli_set_input(command, key.data, key.size);
  } else if (login != MLOOM_LOGIN_OUT) {
    return MLOOM_E_UNSUPPORTED;
  }
  return MLOOM_OK;
}
