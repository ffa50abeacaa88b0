/* SPDX-License-Identifier: Apache-2.0
 *
 * credential_process of a profile: a program that prints credentials as JSON. Run without a shell.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "credential-aws/aws.h"
#include "wire/shell_words.h"

#define TIMEOUT_MS ((uint64_t)60 * 1000)
#define OUTPUT_LIMIT ((size_t)64 * 1024)
#define SAID_LIMIT 2048u
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

typedef struct run {
  mloom_buffer output;
  mloom_buffer said; /* stderr, its beginning */
  int32_t exit_code;
  int32_t signal;
} run;

static void run_free(run *self) {
  mloom_buffer_wipe(&self->output);
  mloom_buffer_wipe(&self->said);
}

static int32_t on_output(const char *data, size_t size, void *userdata) {
  run *self = userdata;
  if (size > OUTPUT_LIMIT - self->output.size) {
    return MLOOM_E_LIMIT;
  }
  return mloom_buffer_append_wiping(&self->output, data, size);
}

static int32_t on_error_output(const char *data, size_t size, void *userdata) {
  run *self = userdata;
  size_t room = SAID_LIMIT - self->said.size;
  return mloom_buffer_append_wiping(&self->said, data, size < room ? size : room);
}

static int32_t on_exit_of_program(int32_t exit_code, int32_t signal, void *userdata) {
  run *self = userdata;
  self->exit_code = exit_code;
  self->signal = signal;
  return MLOOM_OK;
}

/* ---- The program and what it sees ---- */

/* Appends the absolute path of a program; nothing when it is not found. */
static int32_t find_program(mloom_buffer *out, const char *name, const char *folders) {
  if (strchr(name, '/') != NULL) {
    return name[0] == '/' ? mloom_buffer_append_string(out, name) : MLOOM_OK;
  }
  for (const char *folder = folders; *folder != '\0';) {
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

/* The variables that such programs need. Those of other services are none of their business. */
static const char *const passed_on[] = {"PATH",
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
                                        "AWS_CA_BUNDLE",
                                        "AWS_CONFIG_FILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_PROFILE",
                                        "AWS_DEFAULT_PROFILE",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_EC2_METADATA_DISABLED",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT"};
#define PASSED_ON (sizeof(passed_on) / sizeof(passed_on[0]))

typedef struct environment {
  char *values[PASSED_ON + 1];
} environment;

static void environment_free(environment *self) {
  for (size_t i = 0; i < PASSED_ON; i++) {
    if (self->values[i] != NULL) {
      explicit_bzero(self->values[i], strlen(self->values[i]));
    }
    free(self->values[i]);
  }
}

static int32_t read_environment(environment *out, const mloom_host *host) {
  size_t count = 0;
  for (size_t i = 0; i < PASSED_ON; i++) {
    const char *value = host->environment_get(host->ctx, passed_on[i]);
    if (value == NULL) {
      continue;
    }
    size_t size = strlen(passed_on[i]) + strlen(value) + 2;
    out->values[count] = malloc(size);
    if (out->values[count] == NULL) {
      return MLOOM_E_MEMORY;
    }
    snprintf(out->values[count++], size, "%s=%s", passed_on[i], value);
  }
  return MLOOM_OK;
}

/* ---- Running it ---- */

static int32_t spawn(run *self, const mloom_aws_fetch *fetch, const char *const *words, mloom_error *error) {
  const mloom_host *host = fetch->host;
  MLOOM_AUTO(environment_free) environment variables = {{NULL}};
  if (read_environment(&variables, host) != MLOOM_OK) {
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
                                         .working_directory = home != NULL && home[0] == '/' ? home : "/",
                                         .total_timeout_ms = TIMEOUT_MS};
  const mloom_process_sink sink = {.size = (uint32_t)sizeof(sink),
                                   .userdata = self,
                                   .output = on_output,
                                   .error_output = on_error_output,
                                   .exited = on_exit_of_program};
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = host->spawn(host->ctx, fetch->call, &request, &sink, &reason);
  if (code == MLOOM_E_LIMIT && reason.message[0] == '\0') {
    mloom_error_set(&reason, code, MLOOM_DOMAIN_CREDENTIAL, "let it print the credentials only",
                    "%s printed more than %zu bytes", words[0], OUTPUT_LIMIT);
  }
  if (code == MLOOM_E_TIMEOUT && !host->call_cancelled(host->ctx, fetch->call)) {
    code = mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_CREDENTIAL,
                           "run it by hand: it must not ask for anything", "%s did not end within %d s", words[0],
                           (int)(TIMEOUT_MS / 1000));
  } else if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
  }
  return code;
}

/* What the program said last, in one line without secrets: the host takes those out of errors that it knows. */
static void last_line(const mloom_buffer *said, mloom_buffer *out) {
  mloom_bytes text = mloom_text_trim((mloom_bytes){mloom_buffer_string(said), said->size});
  size_t start = text.size;
  while (start > 0 && text.data[start - 1] != '\n') {
    start--;
  }
  size_t size = text.size - start > 200 ? 200 : text.size - start;
  (void)mloom_text_append_printable(out, text.data + start, size, 0);
}

static int32_t judge(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const run *self, const char *profile,
                     const char *program, mloom_error *error) {
  if (self->exit_code != 0 || self->signal != 0) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    last_line(&self->said, &line);
    return mloom_error_set(error, MLOOM_E_UNAUTHENTICATED, MLOOM_DOMAIN_CREDENTIAL,
                           "run it by hand and do what it asks for",
                           "credential_process of profile %s: %s ended with "
                           "%s %d%s%s",
                           profile, program, self->signal != 0 ? "signal" : "status",
                           (int)(self->signal != 0 ? self->signal : self->exit_code), line.size == 0 ? "" : ": ",
                           mloom_buffer_string(&line));
  }
  mloom_aws_json json;
  int readable =
      mloom_aws_json_read(&json, (mloom_bytes){mloom_buffer_string(&self->output), self->output.size}) == MLOOM_OK;
  char where[256];
  snprintf(where, sizeof(where), "credential_process of profile %.100s", profile);
  int32_t code;
  if (!readable) {
    code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "let it print {\"Version\": 1, \"AccessKeyId\": ..., \"SecretAccessKey\": ...}",
                           "%s printed no JSON object", where);
  } else if (json.version != 1) {
    code = mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL, "let it print \"Version\": 1",
                           json.version < 0 ? "%s printed no Version" : "%s printed an unknown Version", where);
  } else {
    code = mloom_aws_json_keys(out, &json, fetch->host, where, error);
  }
  mloom_aws_json_free(&json);
  if (code == MLOOM_OK) {
    mloom_aws_describe(out, "%.150s", where);
  }
  return code;
}

int32_t mloom_aws_from_process(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                               mloom_error *error) {
  const char *line = mloom_aws_files_get(fetch->files, profile, "credential_process");
  const char *path = fetch->host->environment_get(fetch->host->ctx, "PATH");
  if (line == NULL || line[0] == '\0') {
    return MLOOM_E_NOT_APPLICABLE;
  }
  mloom_shell_words words;
  int32_t code = mloom_shell_words_split(&words, mloom_text_bytes(line));
  if (code != MLOOM_OK) {
    return code == MLOOM_E_MEMORY
               ? mloom_error_memory(error)
               : mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "close the quotation in it",
                                 "credential_process of profile %s cannot be cut into words", profile);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer program = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(run_free) run self = {.output = MLOOM_BUFFER_INIT, .said = MLOOM_BUFFER_INIT};
  const char *list[MLOOM_SHELL_WORDS_LIMIT + 1] = {NULL};
  if (words.count > 0 && find_program(&program, words.words[0], path == NULL ? DEFAULT_PATH : path) != MLOOM_OK) {
    code = mloom_error_memory(error);
  } else if (program.size == 0) {
    code = mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_CREDENTIAL,
                           "give the absolute path of the program, and install it where this runs",
                           "credential_process of profile %s: there is no program %s", profile,
                           words.count == 0 ? "in it" : words.words[0]);
  } else {
    for (size_t i = 1; i < words.count; i++) {
      list[i] = words.words[i];
    }
    list[0] = mloom_buffer_string(&program);
    code = spawn(&self, fetch, list, error);
    code = code == MLOOM_OK ? judge(out, fetch, &self, profile, list[0], error) : code;
  }
  mloom_shell_words_free(&words);
  return code;
}
