/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "key_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"

#define DOMAIN MLOOM_DOMAIN_CREDENTIAL
#define LARGEST_DOCUMENT ((size_t)64 * 1024)
#define LARGEST_TEXT 4096u
/* An impersonated account, whose source is an external account, which needs no source. */
#define DEEPEST 3u

typedef struct file_reader {
  mloom_google_key_file *file;
  mloom_json_reader json;
  mloom_buffer *text; /* as large as the document, so that it never grows */
  const char *origin;
  uint32_t depth;
  char type[48];
  int is_client;             /* the description of an OAuth client, which is no credential */
  mloom_bytes source;        /* source_credentials */
  mloom_bytes subject;       /* credential_source */
  mloom_bytes impersonation; /* service_account_impersonation */
  mloom_error *error;
} file_reader;

/* A member and where it goes. */
typedef struct text_member {
  const char *name;
  size_t offset;
  int is_secret;
} text_member;

static const text_member members[] = {
    {"client_email", offsetof(mloom_google_key_file, client_email), 0},
    {"client_id", offsetof(mloom_google_key_file, client_id), 0},
    {"private_key_id", offsetof(mloom_google_key_file, private_key_id), 0},
    {"project_id", offsetof(mloom_google_key_file, project_id), 0},
    {"quota_project_id", offsetof(mloom_google_key_file, quota_project_id), 0},
    {"token_uri", offsetof(mloom_google_key_file, token_url), 0},
    {"token_url", offsetof(mloom_google_key_file, token_url), 0},
    {"universe_domain", offsetof(mloom_google_key_file, universe_domain), 0},
    {"audience", offsetof(mloom_google_key_file, audience), 0},
    {"subject_token_type", offsetof(mloom_google_key_file, subject_token_type), 0},
    {"service_account_impersonation_url", offsetof(mloom_google_key_file, impersonation_url), 0},
    {"workforce_pool_user_project", offsetof(mloom_google_key_file, workforce_user_project), 0},
    {"private_key", offsetof(mloom_google_key_file, private_key), 1},
    {"client_secret", offsetof(mloom_google_key_file, client_secret), 1},
    {"refresh_token", offsetof(mloom_google_key_file, refresh_token), 1},
};

/* Of credential_source. */
static const text_member subject_members[] = {
    {"file", offsetof(mloom_google_key_file, subject_file), 0},
    {"url", offsetof(mloom_google_key_file, subject_url), 0},
    {"environment_id", offsetof(mloom_google_key_file, subject_environment), 0},
    {"regional_cred_verification_url", offsetof(mloom_google_key_file, subject_verification), 0},
};

static char **text_at(mloom_google_key_file *file, size_t offset) {
  return (char **)(void *)((char *)file + offset);
}

static const mloom_secret **secret_at(mloom_google_key_file *file, size_t offset) {
  return (const mloom_secret **)(void *)((char *)file + offset);
}

static int32_t malformed(const file_reader *self, const char *problem) {
  return mloom_error_set(self->error, MLOOM_E_INVALID, DOMAIN,
                         "give the JSON document as Google's tools wrote it: download or create it again",
                         "the Google credentials of %s %s", self->origin, problem);
}

static int32_t bad_member(const file_reader *self, const char *name, const char *problem) {
  return mloom_error_set(self->error, MLOOM_E_INVALID, DOMAIN,
                         "give the JSON document as Google's tools wrote it: download or create it again",
                         "the Google credentials of %s: %s %s", self->origin, name, problem);
}

/* *out is untouched, unless a string that is not empty comes next. */
static int32_t read_string(file_reader *self, mloom_json_reader *json, const char *name, char **out) {
  mloom_buffer_clear(self->text);
  if (!mloom_json_reader_append_string(json, self->text) || self->text->size == 0) {
    return MLOOM_OK;
  }
  mloom_bytes text = {self->text->data, self->text->size};
  if (text.size > LARGEST_TEXT) {
    return bad_member(self, name, "is too long");
  }
  for (size_t i = 0; i < text.size; i++) {
    if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7F) {
      return bad_member(self, name, "holds a control character");
    }
  }
  char *copy = mloom_text_dup(text);
  if (copy == NULL) {
    return mloom_error_memory(self->error);
  }
  free(*out);
  *out = copy;
  return MLOOM_OK;
}

static int32_t read_secret(file_reader *self, mloom_json_reader *json, const mloom_secret **out) {
  const mloom_host *host = self->file->host;
  mloom_buffer_clear(self->text);
  if (!mloom_json_reader_append_string(json, self->text) || self->text->size == 0) {
    return MLOOM_OK;
  }
  mloom_secret *secret = NULL;
  int32_t code = host->secret_new(host->ctx, self->text->data, self->text->size, &secret, self->error);
  if (code == MLOOM_OK) {
    if (*out != NULL) {
      host->secret_unref(host->ctx, *out);
    }
    *out = secret;
  }
  return code;
}

/* 1 when name is one of list and was read, or failed. */
static int read_listed(file_reader *self, mloom_json_reader *json, const text_member *list, size_t count,
                       mloom_bytes name, int32_t *code) {
  for (size_t i = 0; i < count; i++) {
    if (mloom_text_equal(name, list[i].name)) {
      *code = list[i].is_secret ? read_secret(self, json, secret_at(self->file, list[i].offset))
                                : read_string(self, json, list[i].name, text_at(self->file, list[i].offset));
      return 1;
    }
  }
  return 0;
}

static int32_t read_delegates(file_reader *self) {
  mloom_google_key_file *file = self->file;
  if (!mloom_json_reader_array(&self->json)) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_element(&self->json)) {
    if (file->delegate_count == MLOOM_GOOGLE_LIST_LIMIT) {
      return bad_member(self, "delegates", "has too many elements");
    }
    int32_t code = read_string(self, &self->json, "delegates", &file->delegates[file->delegate_count]);
    if (code != MLOOM_OK) {
      return code;
    }
    file->delegate_count += file->delegates[file->delegate_count] != NULL;
  }
  return MLOOM_OK;
}

static int32_t read_type(file_reader *self) {
  MLOOM_AUTO(mloom_auto_free) char *type = NULL;
  int32_t code = read_string(self, &self->json, "type", &type);
  if (type != NULL) {
    size_t size = mloom_text_complete_prefix(type, strnlen(type, sizeof(self->type) - 1));
    memcpy(self->type, type, size);
    self->type[size] = '\0';
  }
  return code;
}

static int32_t read_member(file_reader *self, mloom_bytes name) {
  int32_t code = MLOOM_OK;
  if (read_listed(self, &self->json, members, sizeof(members) / sizeof(members[0]), name, &code)) {
    return code;
  }
  if (mloom_text_equal(name, "type")) {
    return read_type(self);
  }
  if (mloom_text_equal(name, "delegates")) {
    return read_delegates(self);
  }
  if (mloom_text_equal(name, "source_credentials")) {
    mloom_json_reader_raw(&self->json, &self->source);
  } else if (mloom_text_equal(name, "credential_source")) {
    mloom_json_reader_raw(&self->json, &self->subject);
  } else if (mloom_text_equal(name, "service_account_impersonation")) {
    mloom_json_reader_raw(&self->json, &self->impersonation);
  } else {
    self->is_client |= mloom_text_equal(name, "installed") || mloom_text_equal(name, "web");
    mloom_json_reader_skip(&self->json);
  }
  return MLOOM_OK;
}

/* ---- What is nested ---- */

/* What such a header holds is kept out of all that is printed; "Metadata: True" is not. */
static int speaks_of_a_secret(const char *name) {
  static const char *const words[] = {"auth", "token", "key", "secret", "cookie"};
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (mloom_text_find_fold(name, words[i]) != NULL) {
      return 1;
    }
  }
  return 0;
}

static int32_t read_headers(file_reader *self, mloom_json_reader *json) {
  mloom_google_key_file *file = self->file;
  mloom_bytes name;
  if (!mloom_json_reader_object(json)) {
    return MLOOM_OK;
  }
  while (mloom_json_reader_key(json, &name)) {
    if (file->subject_header_count == MLOOM_GOOGLE_LIST_LIMIT || name.size > LARGEST_TEXT) {
      return bad_member(self, "credential_source.headers", "has too many elements");
    }
    mloom_google_named_value *header = &file->subject_headers[file->subject_header_count++];
    header->name = mloom_text_dup(name);
    if (header->name == NULL) {
      return mloom_error_memory(self->error);
    }
    int32_t code = speaks_of_a_secret(header->name)
                       ? read_secret(self, json, &header->secret)
                       : read_string(self, json, "credential_source.headers", &header->text);
    if (code != MLOOM_OK) {
      return code;
    }
    if (header->secret == NULL && header->text == NULL) {
      return bad_member(self, "credential_source.headers", "has a value that is no text");
    }
  }
  return MLOOM_OK;
}

static int32_t read_format(file_reader *self, mloom_json_reader *json) {
  MLOOM_AUTO(mloom_auto_free) char *type = NULL;
  mloom_bytes name;
  int32_t code = MLOOM_OK;
  if (!mloom_json_reader_object(json)) {
    return MLOOM_OK;
  }
  while (code == MLOOM_OK && mloom_json_reader_key(json, &name)) {
    if (mloom_text_equal(name, "type")) {
      code = read_string(self, json, "credential_source.format.type", &type);
    } else if (mloom_text_equal(name, "subject_token_field_name")) {
      code = read_string(self, json, "credential_source.format.subject_token_field_name", &self->file->subject_field);
    } else {
      mloom_json_reader_skip(json);
    }
  }
  self->file->subject_is_json = type != NULL && strcmp(type, "json") == 0;
  if (code == MLOOM_OK && type != NULL && !self->file->subject_is_json && strcmp(type, "text") != 0) {
    return bad_member(self, "credential_source.format.type", "is neither text nor json");
  }
  return code;
}

static int32_t read_executable(file_reader *self, mloom_json_reader *json) {
  mloom_google_key_file *file = self->file;
  mloom_bytes name;
  int32_t code = MLOOM_OK;
  if (!mloom_json_reader_object(json)) {
    return MLOOM_OK;
  }
  while (code == MLOOM_OK && mloom_json_reader_key(json, &name)) {
    if (mloom_text_equal(name, "command")) {
      code = read_string(self, json, "credential_source.executable.command", &file->subject_command);
    } else if (mloom_text_equal(name, "output_file")) {
      code = read_string(self, json, "credential_source.executable.output_file", &file->subject_command_output);
    } else if (mloom_text_equal(name, "timeout_millis")) {
      mloom_json_reader_integer(json, &file->subject_command_timeout_ms);
    } else {
      mloom_json_reader_skip(json);
    }
  }
  return code;
}

static int32_t read_subject(file_reader *self) {
  mloom_json_reader json;
  mloom_bytes name;
  int32_t code = MLOOM_OK;
  mloom_json_reader_init(&json, self->subject.data, self->subject.size);
  if (self->subject.size == 0 || !mloom_json_reader_object(&json)) {
    return MLOOM_OK;
  }
  while (code == MLOOM_OK && mloom_json_reader_key(&json, &name)) {
    if (read_listed(self, &json, subject_members, sizeof(subject_members) / sizeof(subject_members[0]), name, &code)) {
      continue;
    }
    if (mloom_text_equal(name, "headers")) {
      code = read_headers(self, &json);
    } else if (mloom_text_equal(name, "format")) {
      code = read_format(self, &json);
    } else if (mloom_text_equal(name, "executable")) {
      code = read_executable(self, &json);
    } else {
      self->file->subject_is_certificate |= mloom_text_equal(name, "certificate");
      mloom_json_reader_skip(&json);
    }
  }
  return code;
}

static void read_lifetime(file_reader *self) {
  mloom_json_reader json;
  mloom_bytes name;
  mloom_json_reader_init(&json, self->impersonation.data, self->impersonation.size);
  if (self->impersonation.size == 0 || !mloom_json_reader_object(&json)) {
    return;
  }
  while (mloom_json_reader_key(&json, &name)) {
    if (mloom_text_equal(name, "token_lifetime_seconds")) {
      mloom_json_reader_integer(&json, &self->file->lifetime_s);
    } else {
      mloom_json_reader_skip(&json);
    }
  }
}

/* ---- What a document must have ---- */

static int32_t need(const file_reader *self, const char *name, int present) {
  return present ? MLOOM_OK : bad_member(self, name, "is missing");
}

static int32_t check_service_account(const file_reader *self) {
  const mloom_google_key_file *file = self->file;
  int32_t code = need(self, "client_email", file->client_email != NULL);
  code = code == MLOOM_OK ? need(self, "private_key", file->private_key != NULL) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes key;
  code = file->host->secret_borrow(file->host->ctx, file->private_key, &key, self->error);
  if (code == MLOOM_OK && (key.size < 11 || memcmp(key.data, "-----BEGIN ", 11) != 0)) {
    return bad_member(self, "private_key", "is no key in PEM");
  }
  return code;
}

static int32_t check_user(const file_reader *self) {
  const mloom_google_key_file *file = self->file;
  int32_t code = need(self, "refresh_token", file->refresh_token != NULL);
  code = code == MLOOM_OK ? need(self, "client_id", file->client_id != NULL) : code;
  code = code == MLOOM_OK ? need(self, "client_secret", file->client_secret != NULL) : code;
  if (code == MLOOM_OK && file->type == MLOOM_GOOGLE_EXTERNAL_ACCOUNT_USER) {
    code = need(self, "token_url", file->token_url != NULL);
  }
  return code;
}

static int32_t check_external(const file_reader *self) {
  const mloom_google_key_file *file = self->file;
  int sources = (file->subject_file != NULL) + (file->subject_environment != NULL) + (file->subject_command != NULL) +
                file->subject_is_certificate;
  /* One for AWS has an address too. */
  sources += file->subject_url != NULL && file->subject_environment == NULL;
  int32_t code = need(self, "audience", file->audience != NULL);
  code = code == MLOOM_OK ? need(self, "subject_token_type", file->subject_token_type != NULL) : code;
  code = code == MLOOM_OK ? need(self, "token_url", file->token_url != NULL) : code;
  code = code == MLOOM_OK ? need(self, "credential_source", sources > 0) : code;
  if (code == MLOOM_OK && sources > 1) {
    return bad_member(self, "credential_source", "names more than one source");
  }
  if (code == MLOOM_OK && file->subject_is_json && file->subject_field == NULL) {
    return bad_member(self, "credential_source.format.subject_token_field_name", "is missing");
  }
  return code;
}

static int32_t read_document(mloom_google_key_file **out, const mloom_host *host, mloom_bytes text, const char *origin,
                             uint32_t depth, mloom_error *error);

static int32_t check_impersonated(const file_reader *self) {
  mloom_google_key_file *file = self->file;
  int32_t code = need(self, "service_account_impersonation_url", file->impersonation_url != NULL);
  code = code == MLOOM_OK ? need(self, "source_credentials", self->source.size > 0) : code;
  if (code == MLOOM_OK && self->depth + 1 >= DEEPEST) {
    return bad_member(self, "source_credentials", "is nested too deeply");
  }
  return code != MLOOM_OK
             ? code
             : read_document(&file->source, file->host, self->source, self->origin, self->depth + 1, self->error);
}

static int32_t unknown_type(const file_reader *self) {
  if (self->is_client) {
    return mloom_error_set(self->error, MLOOM_E_INVALID, DOMAIN,
                           "create a key of a service account, or run: gcloud auth application-default login",
                           "%s describes an OAuth client, which is no credential", self->origin);
  }
  if (self->type[0] == '\0') {
    return bad_member(self, "type", "is missing");
  }
  return mloom_error_set(self->error, MLOOM_E_UNSUPPORTED, DOMAIN,
                         "use a service account, an external account, or an impersonated service account",
                         "the Google credentials of %s are of type %s, which is not supported", self->origin,
                         self->type);
}

static int32_t check_document(file_reader *self) {
  mloom_google_key_file *file = self->file;
  if (strcmp(self->type, "service_account") == 0) {
    file->type = MLOOM_GOOGLE_SERVICE_ACCOUNT;
    return check_service_account(self);
  }
  if (strcmp(self->type, "authorized_user") == 0) {
    file->type = MLOOM_GOOGLE_AUTHORIZED_USER;
    return check_user(self);
  }
  if (strcmp(self->type, "external_account_authorized_user") == 0) {
    file->type = MLOOM_GOOGLE_EXTERNAL_ACCOUNT_USER;
    return check_user(self);
  }
  if (strcmp(self->type, "external_account") == 0) {
    file->type = MLOOM_GOOGLE_EXTERNAL_ACCOUNT;
    return check_external(self);
  }
  if (strcmp(self->type, "impersonated_service_account") == 0) {
    file->type = MLOOM_GOOGLE_IMPERSONATED;
    return check_impersonated(self);
  }
  return unknown_type(self);
}

/* ---- Reading ---- */

static int32_t read_all(file_reader *self, mloom_bytes text) {
  mloom_bytes name;
  int32_t code = MLOOM_OK;
  if (mloom_json_reader_peek(&self->json) != MLOOM_JSON_OBJECT) {
    /* How keys look that went through a shell or a pipeline. */
    int is_encoded = text.size > 4 && memcmp(text.data, "eyJ0", 4) == 0;
    int is_key = text.size > 11 && memcmp(text.data, "-----BEGIN ", 11) == 0;
    return malformed(self, is_encoded ? "are JSON in base64: decode them first"
                           : is_key   ? "are a bare private key: the whole JSON document is needed"
                                      : "are no JSON object");
  }
  mloom_json_reader_object(&self->json);
  while (code == MLOOM_OK && mloom_json_reader_key(&self->json, &name)) {
    code = read_member(self, name);
  }
  if (code == MLOOM_OK && mloom_json_reader_end(&self->json) != MLOOM_OK) {
    return malformed(self, "are not well-formed JSON");
  }
  code = code == MLOOM_OK ? read_subject(self) : code;
  if (code == MLOOM_OK) {
    read_lifetime(self);
    code = check_document(self);
  }
  return code;
}

static int32_t read_document(mloom_google_key_file **out, const mloom_host *host, mloom_bytes text, const char *origin,
                             uint32_t depth, mloom_error *error) {
  MLOOM_AUTO(mloom_google_key_file_auto_free) mloom_google_key_file *file = calloc(1, sizeof(*file));
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  text = mloom_text_trim(text);
  if (file == NULL || mloom_buffer_reserve(&scratch, text.size + 1) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  file->host = host;
  file_reader self = {.file = file, .text = &scratch, .origin = origin, .depth = depth, .error = error};
  if (text.size == 0) {
    return malformed(&self, "are empty");
  }
  if (text.size > LARGEST_DOCUMENT) {
    return malformed(&self, "are larger than any such document");
  }
  mloom_json_reader_init(&self.json, text.data, text.size);
  int32_t code = read_all(&self, text);
  if (code == MLOOM_OK) {
    *out = MLOOM_STEAL(file);
  }
  return code;
}

int32_t mloom_google_key_file_read(mloom_google_key_file **out, const mloom_host *host, mloom_bytes text,
                                   const char *origin, mloom_error *error) {
  return read_document(out, host, text, origin, 0, error);
}

void mloom_google_key_file_free(mloom_google_key_file *file) {
  if (file == NULL) {
    return;
  }
  for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
    if (!members[i].is_secret) {
      free(*text_at(file, members[i].offset));
      *text_at(file, members[i].offset) = NULL; /* two members may share a place */
    } else if (*secret_at(file, members[i].offset) != NULL) {
      file->host->secret_unref(file->host->ctx, *secret_at(file, members[i].offset));
    }
  }
  for (size_t i = 0; i < sizeof(subject_members) / sizeof(subject_members[0]); i++) {
    free(*text_at(file, subject_members[i].offset));
  }
  for (size_t i = 0; i < file->subject_header_count; i++) {
    free(file->subject_headers[i].name);
    free(file->subject_headers[i].text);
    if (file->subject_headers[i].secret != NULL) {
      file->host->secret_unref(file->host->ctx, file->subject_headers[i].secret);
    }
  }
  for (size_t i = 0; i < file->delegate_count; i++) {
    free(file->delegates[i]);
  }
  free(file->subject_field);
  free(file->subject_command);
  free(file->subject_command_output);
  mloom_google_key_file_free(file->source);
  free(file);
}

void mloom_google_key_file_auto_free(mloom_google_key_file **file) {
  mloom_google_key_file_free(*file);
}
