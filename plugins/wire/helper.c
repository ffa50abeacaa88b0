/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "wire/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "wire/shell_words.h"

#define SAID_LIMIT 2048u
#define DEFAULT_FOLDERS "/usr/local/bin:/usr/bin:/bin"

typedef struct run {
  const mloom_helper *helper;
  mloom_buffer *output;
  mloom_buffer said; /* stderr, its end */
  int32_t exit_code;
  int32_t signal;
} run;

static int32_t on_output(const char *data, size_t size, void *userdata) {
  run *self = userdata;
  if (size > MLOOM_HELPER_OUTPUT_LIMIT - self->output->size) {
    return MLOOM_E_LIMIT;
  }
  return mloom_buffer_append_wiping(self->output, data, size);
}

static int32_t on_error_output(const char *data, size_t size, void *userdata) {
  run *self = userdata;
  size_t kept = size < SAID_LIMIT ? size : SAID_LIMIT;
  if (self->said.size + kept > SAID_LIMIT) {
    mloom_buffer_consume(&self->said, self->said.size + kept - SAID_LIMIT);
  }
  return mloom_buffer_append_wiping(&self->said, data + (size - kept), kept);
}

static int32_t on_end(int32_t exit_code, int32_t signal, void *userdata) {
  run *self = userdata;
  self->exit_code = exit_code;
  self->signal = signal;
  return MLOOM_OK;
}

/* ---- The program and what it sees ---- */

/* Appends the absolute path of a program; nothing when it is not found. */
static int32_t find_program(mloom_buffer *out, const char *name, const char *folders) {
  if (strchr(name, '/') != NULL) {
    return name[0] == '/' && access(name, X_OK) == 0 ? mloom_buffer_append_string(out, name) : MLOOM_OK;
  }
  for (const char *folder = folders; name[0] != '\0' && *folder != '\0';) {
    size_t size = strcspn(folder, ":");
    if (size > 0 && folder[0] == '/') {
      if (mloom_buffer_append_format(out, "%.*s/%s", (int)size, folder, name) != MLOOM_OK) {
        return MLOOM_E_MEMORY;
      }
      if (access(out->data, X_OK) == 0) {
        return MLOOM_OK;
      }
      mloom_buffer_clear(out);
    }
    folder += size;
    folder += *folder == ':';
  }
  return MLOOM_OK;
}

/* What keyrings, password stores and command lines of clouds need. Keys of services are not among them. */
static const char *const usual[] = {"PATH",
                                    "HOME",
                                    "USER",
                                    "LOGNAME",
                                    "SHELL",
                                    "LANG",
                                    "LC_ALL",
                                    "TMPDIR",
                                    "TZ",
                                    "XDG_CONFIG_HOME",
                                    "XDG_CACHE_HOME",
                                    "XDG_DATA_HOME",
                                    "XDG_RUNTIME_DIR",
                                    "DBUS_SESSION_BUS_ADDRESS",
                                    "GNUPGHOME",
                                    "PASSWORD_STORE_DIR",
                                    "SSH_AUTH_SOCK",
                                    "HTTP_PROXY",
                                    "HTTPS_PROXY",
                                    "NO_PROXY",
                                    "http_proxy",
                                    "https_proxy",
                                    "no_proxy",
                                    "SSL_CERT_FILE",
                                    "SSL_CERT_DIR",
                                    "REQUESTS_CA_BUNDLE",
                                    NULL};

typedef struct environment {
  char *values[MLOOM_HELPER_VARIABLES_LIMIT + 1];
  size_t count;
} environment;

static void environment_free(environment *self) {
  for (size_t i = 0; i < self->count; i++) {
    explicit_bzero(self->values[i], strlen(self->values[i]));
    free(self->values[i]);
  }
}

static int32_t hand_on(environment *out, const mloom_host *host, const char *const *names) {
  for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
    const char *value = host->environment_get(host->ctx, names[i]);
    if (value == NULL || out->count == MLOOM_HELPER_VARIABLES_LIMIT) {
      continue;
    }
    size_t size = strlen(names[i]) + strlen(value) + 2;
    char *text = malloc(size);
    if (text == NULL) {
      return MLOOM_E_MEMORY;
    }
    snprintf(text, size, "%s=%s", names[i], value);
    out->values[out->count++] = text;
  }
  return MLOOM_OK;
}

static int32_t tell(environment *out, const char *const *assignments) {
  for (size_t i = 0; assignments != NULL && assignments[i] != NULL; i++) {
    if (out->count == MLOOM_HELPER_VARIABLES_LIMIT) {
      return MLOOM_E_MEMORY;
    }
    out->values[out->count] = strdup(assignments[i]);
    if (out->values[out->count] == NULL) {
      return MLOOM_E_MEMORY;
    }
    out->count++;
  }
  return MLOOM_OK;
}

/* ---- Running it ---- */

static int32_t spawn(run *self, const mloom_host *host, mloom_call *call, const char *const *words,
                     mloom_error *error) {
  MLOOM_AUTO(environment_free) environment variables = {{NULL}, 0};
  if (hand_on(&variables, host, usual) != MLOOM_OK || hand_on(&variables, host, self->helper->variables) != MLOOM_OK ||
      tell(&variables, self->helper->assignments) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  union {
    char **values;
    const char *const *list;
  } cast = {.values = variables.values};
  const char *home = host->environment_get(host->ctx, "HOME");
  const mloom_process_request request = {.size = (uint32_t)sizeof(request),
                                         .argv = words,
                                         .environment = cast.list,
                                         .working_directory =
                                             home != NULL && home[0] == '/' && access(home, X_OK) == 0 ? home : "/",
                                         .total_timeout_ms = self->helper->timeout_ms};
  const mloom_process_sink sink = {.size = (uint32_t)sizeof(sink),
                                   .userdata = self,
                                   .output = on_output,
                                   .error_output = on_error_output,
                                   .exited = on_end};
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = host->spawn(host->ctx, call, &request, &sink, &reason);
  if (code == MLOOM_E_LIMIT) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, "let it print the credential only",
                           "%s: %s printed more than %zu bytes", self->helper->what, words[0],
                           MLOOM_HELPER_OUTPUT_LIMIT);
  }
  if (code == MLOOM_E_TIMEOUT && !host->call_cancelled(host->ctx, call)) {
    return mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_CREDENTIAL,
                           "run it by hand: it must not ask for anything", "%s: %s did not end within %llu s",
                           self->helper->what, words[0], (unsigned long long)(self->helper->timeout_ms / 1000));
  }
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
  }
  return code;
}

/* What the program said last, in one line; not when it printed something too, for it may repeat that. What is a secret
 * by its looks, or known to be one, the host takes out of every error. */
static void last_line(const run *self, mloom_buffer *out) {
  mloom_bytes text = mloom_text_trim((mloom_bytes){mloom_buffer_string(&self->said), self->said.size});
  size_t start = text.size;
  if (self->output->size > 0) {
    return;
  }
  while (start > 0 && text.data[start - 1] != '\n') {
    start--;
  }
  size_t size = text.size - start > 200 ? 200 : text.size - start;
  (void)mloom_text_append_printable(out, text.data + start, size, 0);
}

static int32_t run_words(run *self, const mloom_host *host, mloom_call *call, const mloom_shell_words *words,
                         mloom_error *error) {
  const char *folders = host->environment_get(host->ctx, "PATH");
  const char *what = self->helper->what;
  const char *name = words->count == 0 ? "" : words->words[0];
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer program = MLOOM_BUFFER_INIT;
  if (find_program(&program, name, folders == NULL ? DEFAULT_FOLDERS : folders) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (program.size == 0) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_CREDENTIAL,
                           "give the absolute path of the program, and install it where this runs",
                           "%s: there is no program %s", what, words->count == 0 ? "in it" : name);
  }
  int32_t code =
      self->helper->only_trusted ? mloom_file_check_trusted(program.data, MLOOM_DOMAIN_CREDENTIAL, error) : MLOOM_OK;
  if (code != MLOOM_OK) {
    return code;
  }
  const char *list[MLOOM_SHELL_WORDS_LIMIT + 1] = {program.data};
  for (size_t i = 1; i < words->count; i++) {
    list[i] = words->words[i];
  }
  code = spawn(self, host, call, list, error);
  if (code == MLOOM_OK && (self->exit_code != 0 || self->signal != 0)) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    last_line(self, &line);
    code = mloom_error_set(error, MLOOM_E_UNAUTHENTICATED, MLOOM_DOMAIN_CREDENTIAL,
                           "run it by hand and do what it asks for", "%s: %s ended with %s %d%s%s", what, program.data,
                           self->signal != 0 ? "signal" : "status",
                           (int)(self->signal != 0 ? self->signal : self->exit_code), line.size == 0 ? "" : ": ",
                           mloom_buffer_string(&line));
  }
  return code;
}

int32_t mloom_helper_run(mloom_buffer *output, const mloom_host *host, mloom_call *call, const mloom_helper *helper,
                         mloom_error *error) {
  mloom_shell_words words;
  int32_t code = mloom_shell_words_split(&words, mloom_text_bytes(helper->line));
  if (code == MLOOM_E_MEMORY) {
    return mloom_error_memory(error);
  }
  if (code != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "close the quotation in it",
                           "%s cannot be cut into words", helper->what);
  }
  run self = {.helper = helper, .output = output, .said = MLOOM_BUFFER_INIT};
  code = run_words(&self, host, call, &words, error);
  mloom_buffer_wipe(&self.said);
  mloom_shell_words_free(&words);
  return code;
}
