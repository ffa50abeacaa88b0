/* SPDX-License-Identifier: Apache-2.0
 *
 * A subject token that a program prints. The document chooses the program, so that the operator has to allow it first.
 */
#include "config.h"

#include "google.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "wire/helper.h"

#define PERMISSION "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
#define PROGRAM "the executable of the Google credentials"
#define DEFAULT_TIMEOUT_MS 30000
#define SHORTEST_TIMEOUT_MS 5000
#define LONGEST_TIMEOUT_MS 120000
#define SAML "urn:ietf:params:oauth:token-type:saml2"
#define TOLD_LIMIT 6u

/* What it printed. */
typedef struct response {
  int64_t version;
  int success; /* -1: it does not say */
  int64_t expires_s;
  mloom_buffer id_token;
  mloom_buffer saml;
  mloom_buffer text; /* of the member that was read last */
  char token_type[64];
  char code[64];
  char message[200];
} response;

static void response_free(response *self) {
  mloom_buffer_wipe(&self->id_token);
  mloom_buffer_wipe(&self->saml);
  mloom_buffer_wipe(&self->text);
}

static void read_short(response *self, mloom_json_reader *json, char *out, size_t out_size) {
  mloom_buffer_clear(&self->text);
  mloom_json_reader_append_string(json, &self->text);
  const char *text = mloom_buffer_string(&self->text);
  size_t size = mloom_text_complete_prefix(text, strnlen(text, out_size - 1));
  memcpy(out, text, size);
  out[size] = '\0';
}

static void read_member(response *self, mloom_json_reader *json, mloom_bytes name) {
  if (mloom_text_equal(name, "version")) {
    mloom_json_reader_integer(json, &self->version);
  } else if (mloom_text_equal(name, "success")) {
    mloom_json_reader_boolean(json, &self->success);
  } else if (mloom_text_equal(name, "expiration_time")) {
    mloom_json_reader_integer(json, &self->expires_s);
  } else if (mloom_text_equal(name, "token_type")) {
    read_short(self, json, self->token_type, sizeof(self->token_type));
  } else if (mloom_text_equal(name, "code")) {
    read_short(self, json, self->code, sizeof(self->code));
  } else if (mloom_text_equal(name, "message")) {
    read_short(self, json, self->message, sizeof(self->message));
  } else if (mloom_text_equal(name, "id_token") && self->id_token.size == 0) {
    mloom_json_reader_append_string(json, &self->id_token);
  } else if (mloom_text_equal(name, "saml_response") && self->saml.size == 0) {
    mloom_json_reader_append_string(json, &self->saml);
  } else {
    mloom_json_reader_skip(json);
  }
}

static int32_t malformed(const char *problem, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_GOOGLE_DOMAIN, "correct what it prints, or the document",
                         PROGRAM " %s", problem);
}

static int32_t response_read(response *out, const mloom_buffer *text, mloom_error *error) {
  mloom_json_reader json;
  mloom_bytes name;
  memset(out, 0, sizeof(*out));
  out->success = -1;
  out->expires_s = -1;
  /* None of them grows then: that would leave a part of the token in freed memory. */
  if (mloom_buffer_reserve(&out->id_token, text->size + 1) != MLOOM_OK ||
      mloom_buffer_reserve(&out->saml, text->size + 1) != MLOOM_OK ||
      mloom_buffer_reserve(&out->text, text->size + 1) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_json_reader_init(&json, mloom_buffer_string(text), text->size);
  if (mloom_json_reader_peek(&json) != MLOOM_JSON_OBJECT) {
    return malformed("printed no JSON object", error);
  }
  mloom_json_reader_object(&json);
  while (mloom_json_reader_key(&json, &name)) {
    read_member(out, &json, name);
  }
  return mloom_json_reader_end(&json) == MLOOM_OK ? MLOOM_OK : malformed("printed JSON that is not well-formed", error);
}

static int32_t judge(const mloom_google_job *job, const mloom_google_key_file *file, response *said,
                     const mloom_secret **out, mloom_error *error) {
  if (said->version != 1 || said->success < 0) {
    return malformed(said->success < 0 ? "printed no member success" : "printed a version that is not 1", error);
  }
  if (!said->success) {
    return mloom_error_set(error, MLOOM_E_UNAUTHENTICATED, MLOOM_GOOGLE_DOMAIN,
                           "run it by hand and do what it asks for", PROGRAM " gave no token (%s: %s)", said->code,
                           said->message);
  }
  if (file->subject_command_output != NULL && said->expires_s < 0) {
    return malformed("printed no expiration_time, which output_file needs", error);
  }
  if (said->expires_s >= 0 && said->expires_s < job->host->clock_wall_ms(job->host->ctx) / 1000) {
    return mloom_error_set(error, MLOOM_E_EXPIRED, MLOOM_GOOGLE_DOMAIN, "let it get a new token; compare the clocks",
                           PROGRAM " gave a token that has expired");
  }
  mloom_buffer *token = strcmp(said->token_type, SAML) == 0 ? &said->saml : &said->id_token;
  if (token->size == 0) {
    return malformed("printed no id_token or saml_response, as its token_type says", error);
  }
  return mloom_google_subject_keep(job, PROGRAM, token, out, error);
}

/* MLOOM_E_NOT_FOUND: there is no file yet, or its token has expired. */
static int32_t from_output_file(const mloom_google_job *job, const mloom_google_key_file *file,
                                const mloom_secret **out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (file->subject_command_output == NULL) {
    return MLOOM_E_NOT_FOUND;
  }
  if (mloom_buffer_reserve(&text, 2 * MLOOM_HELPER_OUTPUT_LIMIT) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (mloom_file_read(&text, file->subject_command_output, MLOOM_HELPER_OUTPUT_LIMIT, MLOOM_GOOGLE_DOMAIN, NULL) !=
          MLOOM_OK ||
      text.size == 0) {
    return MLOOM_E_NOT_FOUND;
  }
  MLOOM_AUTO(response_free) response said;
  int32_t code = response_read(&said, &text, error);
  if (code != MLOOM_OK) {
    return code;
  }
  int is_usable = said.success == 1 && said.expires_s >= job->host->clock_wall_ms(job->host->ctx) / 1000;
  return is_usable ? judge(job, file, &said, out, error) : MLOOM_E_NOT_FOUND;
}

/* ---- What the program is told ---- */

typedef struct told {
  mloom_buffer texts[TOLD_LIMIT];
  const char *list[TOLD_LIMIT + 1];
} told;

static void told_free(told *self) {
  for (size_t i = 0; i < TOLD_LIMIT; i++) {
    mloom_buffer_free(&self->texts[i]);
  }
}

static int32_t tell(told *out, const mloom_google_key_file *file) {
  mloom_bytes target = {"", 0};
  if (file->impersonation_url != NULL) {
    target = mloom_google_impersonation_target(file->impersonation_url);
  }
  const struct {
    const char *name;
    mloom_bytes value;
  } all[] = {{"AUDIENCE", mloom_text_bytes(file->audience)},
             {"TOKEN_TYPE", mloom_text_bytes(file->subject_token_type)},
             {"INTERACTIVE", {"0", 1}},
             {"OUTPUT_FILE", mloom_text_bytes(file->subject_command_output)},
             {"IMPERSONATED_EMAIL", target}};
  size_t count = 0;
  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
    if (all[i].value.size == 0) {
      continue;
    }
    if (mloom_buffer_append_format(&out->texts[count], "GOOGLE_EXTERNAL_ACCOUNT_%s=%.*s", all[i].name,
                                   (int)all[i].value.size, all[i].value.data) != MLOOM_OK) {
      return MLOOM_E_MEMORY;
    }
    out->list[count] = out->texts[count].data;
    count++;
  }
  return MLOOM_OK;
}

static int32_t run(const mloom_google_job *job, const mloom_google_key_file *file, mloom_buffer *output,
                   mloom_error *error) {
  MLOOM_AUTO(told_free) told variables = {.list = {NULL}};
  if (tell(&variables, file) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int64_t timeout_ms = file->subject_command_timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : file->subject_command_timeout_ms;
  static const char *const handed_on[] = {PERMISSION, NULL};
  const mloom_helper helper = {.what = PROGRAM,
                               .line = file->subject_command,
                               .variables = handed_on,
                               .assignments = variables.list,
                               .timeout_ms = (uint64_t)timeout_ms};
  return mloom_helper_run(output, job->host, job->call, &helper, error);
}

int32_t mloom_google_subject_executable(const mloom_google_job *job, const mloom_google_key_file *file,
                                        const mloom_secret **out, mloom_error *error) {
  const char *permission = job->host->environment_get(job->host->ctx, PERMISSION);
  if (permission == NULL || strcmp(permission, "1") != 0) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_GOOGLE_DOMAIN,
                           "set " PERMISSION "=1 if the document comes from somebody who may run programs here",
                           PROGRAM " is not run unless that is allowed");
  }
  int64_t timeout_ms = file->subject_command_timeout_ms;
  if (timeout_ms != 0 && (timeout_ms < SHORTEST_TIMEOUT_MS || timeout_ms > LONGEST_TIMEOUT_MS)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_GOOGLE_DOMAIN, "use 5000 to 120000",
                           "timeout_millis of the executable in the Google credentials is out of range");
  }
  int32_t code = from_output_file(job, file, out, error);
  if (code != MLOOM_E_NOT_FOUND) {
    return code;
  }
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer output = MLOOM_BUFFER_INIT;
  code = run(job, file, &output, error);
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(response_free) response said;
  code = response_read(&said, &output, error);
  return code == MLOOM_OK ? judge(job, file, &said, out, error) : code;
}
