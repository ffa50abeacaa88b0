/* SPDX-License-Identifier: Apache-2.0
 *
 * What codex is asked besides work: is it logged in, does its sandbox hold, and how a person logs in.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "cli/program.h"
#include "codex_cli.h"

/* ---- Login ---- */

int mloom_codex_login_kind(const mloom_cli_instance *instance) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_cli_read_login(&text, mloom_buffer_string(&instance->login), "auth.json") != MLOOM_OK) {
    return MLOOM_CODEX_LOGIN_NONE;
  }
  mloom_json_reader reader;
  mloom_bytes key;
  int kind = MLOOM_CODEX_LOGIN_NONE;
  mloom_json_reader_init(&reader, mloom_buffer_string(&text), text.size);
  if (!mloom_json_reader_object(&reader)) {
    return MLOOM_CODEX_LOGIN_NONE;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    /* By what is there, not by its mode: that name has changed over the versions. */
    if (mloom_text_equal(key, "tokens") && mloom_json_reader_peek(&reader) == MLOOM_JSON_OBJECT) {
      kind = MLOOM_CODEX_LOGIN_TOKENS;
    } else if (mloom_text_equal(key, "OPENAI_API_KEY") && kind == MLOOM_CODEX_LOGIN_NONE &&
               mloom_json_reader_peek(&reader) == MLOOM_JSON_STRING) {
      kind = MLOOM_CODEX_LOGIN_KEY;
    }
    mloom_json_reader_skip(&reader);
  }
  return kind;
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
  } else {
    snprintf(reason, sizeof(reason), "codex is logged in %s, in %s; the self-test shows whether that is accepted",
             by_key ? "by an API key" : "by an account", mloom_buffer_string(&instance->login));
    sink->check("login", MLOOM_CHECK_PASS, reason, "", sink->userdata);
  }
}

/* ---- Sandbox ---- */

/* Runs inside: tries what it must not be able to do, and says each thing that it could. */
static const char attack[] =
    "echo inside; "
    "( : > /usr/.mergeloom-attack ) 2>/dev/null && { rm -f /usr/.mergeloom-attack; echo broke-write; }; "
    "ls -A \"$1\" 2>/dev/null | grep -q -v '^tmp$' && echo broke-login; " /* tmp holds its own helpers */
    "( exec 3<>/dev/tcp/127.0.0.1/9 ) 2>&1 | grep -q -i refused && echo broke-network; "
    "echo done";

static int has_line(mloom_bytes output, const char *line) {
  return memmem(output.data, output.size, line, strlen(line)) != NULL;
}

static void judge_sandbox(int32_t status, mloom_bytes output, const mloom_probe_sink *sink) {
  static const char remedy[] =
      "allow user namespaces (kernel.unprivileged_userns_clone, user.max_user_namespaces, the container's "
      "security profile), or set JCA_CODEX_CLI_SANDBOX=worker";
  char reason[400];
  int inside = has_line(output, "inside") && has_line(output, "done");
  if (inside && !has_line(output, "broke-")) {
    sink->check("confinement", MLOOM_CHECK_PASS,
                "codex confines its commands itself: no network, no login, changes in the repository only", "",
                sink->userdata);
  } else if (inside) {
    snprintf(reason, sizeof(reason), "the sandbox of codex does not hold: %s%s%s",
             has_line(output, "broke-write") ? "its commands can change the system; " : "",
             has_line(output, "broke-login") ? "they can read the login; " : "",
             has_line(output, "broke-network") ? "they have the network; " : "");
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
  if (strcmp(mloom_provider_settings_text(&instance->settings, "sandbox", "program"), "worker") == 0) {
    return MLOOM_E_UNSUPPORTED; /* the worker's own check tells */
  }
  const mloom_codex_places places = {.read_only = 1};
  mloom_cli_add_all(command, &command->words,
                    (const char *const[]){"sandbox", "-P", "mergeloom", "-C", "/usr/share", NULL});
  mloom_codex_add_program_sandbox(instance, &places, command);
  mloom_cli_add_all(
      command, &command->words,
      (const char *const[]){"--", "/bin/bash", "-c", attack, "attack", mloom_buffer_string(&instance->login), NULL});
  return MLOOM_OK;
}

int32_t mloom_codex_judge_probe(mloom_cli_instance *instance, uint32_t probe, int32_t status, mloom_bytes output,
                                const mloom_probe_sink *sink, mloom_error *error) {
  (void)error;
  if (probe == MLOOM_PROBE_LOGIN) {
    judge_login(instance, status, output, sink);
  } else {
    judge_sandbox(status, output, sink);
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
