/* SPDX-License-Identifier: Apache-2.0
 *
 * Access keys: checked, kept in secrets, read from JSON and from files.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "credential-aws/aws.h"

#define TOKEN_FILE_LIMIT ((size_t)64 * 1024)

void mloom_aws_keys_free(mloom_aws_keys *keys, const mloom_host *host) {
  if (keys->secret_access_key != NULL) {
    host->secret_unref(host->ctx, keys->secret_access_key);
  }
  if (keys->session_token != NULL) {
    host->secret_unref(host->ctx, keys->session_token);
  }
  *keys = (mloom_aws_keys)MLOOM_AWS_KEYS_INIT;
}

/* Printable ASCII without blanks: what can stand in a header. */
static int is_plain(mloom_bytes text) {
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] <= 0x20 || text.data[i] >= 0x7F) {
      return 0;
    }
  }
  return text.size > 0;
}

void mloom_aws_describe(mloom_aws_keys *keys, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(keys->description, sizeof(keys->description), format, arguments);
  va_end(arguments);
  size_t whole = size < 0 ? 0 : strnlen(keys->description, sizeof(keys->description));
  keys->description[mloom_text_complete_prefix(keys->description, whole)] = '\0';
}

int32_t mloom_aws_secret_take(const mloom_secret **out, const mloom_host *host, mloom_buffer *buffer,
                              mloom_error *error) {
  mloom_secret *secret = NULL;
  int32_t code = host->secret_new(host->ctx, buffer->data, buffer->size, &secret, error);
  mloom_buffer_wipe(buffer);
  *out = secret;
  return code;
}

static int32_t copy_secret(const mloom_secret **out, const mloom_host *host, mloom_bytes text, mloom_error *error) {
  mloom_buffer copy = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append(&copy, text.data, text.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return mloom_aws_secret_take(out, host, &copy, error);
}

int32_t mloom_aws_keys_set(mloom_aws_keys *out, const mloom_host *host, mloom_bytes id, mloom_bytes secret,
                           mloom_bytes token, const char *where, mloom_error *error) {
  *out = (mloom_aws_keys)MLOOM_AWS_KEYS_INIT;
  const char *wrong = !is_plain(id) || id.size > MLOOM_AWS_ID_LIMIT ? "access key id"
                      : !is_plain(secret)                           ? "secret access key"
                      : token.size > 0 && !is_plain(token)          ? "session token"
                                                                    : NULL;
  if (wrong != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                           "store it as one line of printable characters, without blanks and quotation marks around it",
                           "the %s of %s is malformed", wrong, where);
  }
  memcpy(out->access_key_id, id.data, id.size);
  int32_t code = copy_secret(&out->secret_access_key, host, secret, error);
  if (code == MLOOM_OK && token.size > 0) {
    code = copy_secret(&out->session_token, host, token, error);
  }
  if (code != MLOOM_OK) {
    mloom_aws_keys_free(out, host);
  }
  return code;
}

int32_t mloom_aws_read_token_file(mloom_buffer *out, const mloom_host *host, const char *path, const char *name,
                                  mloom_error *error) {
  (void)host;
  mloom_error reason = MLOOM_ERROR_INIT;
  char remedy[256];
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  snprintf(remedy, sizeof(remedy), "check %s and that the token is mounted there", name);
  if (mloom_buffer_reserve(&text, TOKEN_FILE_LIMIT) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_file_read(&text, path, TOKEN_FILE_LIMIT, MLOOM_DOMAIN_CREDENTIAL, &reason);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, remedy, "%s: %s", name, reason.message);
  }
  mloom_bytes token = mloom_text_trim((mloom_bytes){mloom_buffer_string(&text), text.size});
  if (!is_plain(token)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy, "%s: %s %s", name, path,
                           token.size == 0 ? "is empty" : "holds more than one token in one line");
  }
  return mloom_buffer_append_wiping(out, token.data, token.size) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

/* ---- JSON ---- */

void mloom_aws_json_text(mloom_json_reader *reader, char *out, size_t out_size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_bytes text;
  if (mloom_json_reader_string(reader, &scratch, &text)) {
    mloom_text_copy(out, out_size, text);
  }
}

void mloom_aws_json_secret(mloom_json_reader *reader, mloom_buffer *out) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_bytes text;
  mloom_buffer_wipe(out);
  if (mloom_json_reader_string(reader, &scratch, &text) &&
      mloom_buffer_append_wiping(out, text.data, text.size) != MLOOM_OK) {
    reader->status = MLOOM_E_MEMORY;
  }
}

static void read_member(mloom_aws_json *out, mloom_json_reader *reader, mloom_bytes key) {
  const int is_text = mloom_json_reader_peek(reader) == MLOOM_JSON_STRING;
  if (mloom_text_equal_fold(key, "AccessKeyId")) {
    mloom_aws_json_secret(reader, &out->id);
  } else if (mloom_text_equal_fold(key, "SecretAccessKey")) {
    mloom_aws_json_secret(reader, &out->secret);
  } else if (mloom_text_equal_fold(key, "SessionToken") || mloom_text_equal_fold(key, "Token")) {
    mloom_aws_json_secret(reader, &out->token);
  } else if (mloom_text_equal_fold(key, "Expiration") && is_text) {
    mloom_aws_json_text(reader, out->expiration, sizeof(out->expiration));
  } else if (mloom_text_equal_fold(key, "Expiration")) {
    int64_t moment_ms = 0;
    out->expiration_ms = mloom_json_reader_integer(reader, &moment_ms) ? moment_ms : -1; /* null: none */
  } else if (mloom_text_equal(key, "Version")) {
    (void)mloom_json_reader_integer(reader, &out->version);
  } else if (mloom_text_equal_fold(key, "Code") || mloom_text_equal_fold(key, "error")) {
    mloom_aws_json_text(reader, out->code, sizeof(out->code));
  } else if (mloom_text_equal_fold(key, "Message") || mloom_text_equal_fold(key, "error_description")) {
    mloom_aws_json_text(reader, out->message, sizeof(out->message));
  } else {
    mloom_json_reader_skip(reader);
  }
}

int32_t mloom_aws_json_read(mloom_aws_json *out, mloom_bytes text) {
  memset(out, 0, sizeof(*out));
  out->expiration_ms = -1;
  out->version = -1;
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, text.data, text.size);
  if (!mloom_json_reader_object(&reader)) {
    return MLOOM_E_INVALID;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "roleCredentials") && mloom_json_reader_object(&reader)) {
      while (mloom_json_reader_key(&reader, &key)) {
        read_member(out, &reader, key);
      }
    } else if (!mloom_text_equal(key, "roleCredentials")) {
      read_member(out, &reader, key);
    }
  }
  return mloom_json_reader_end(&reader);
}

void mloom_aws_json_free(mloom_aws_json *json) {
  mloom_buffer_wipe(&json->id);
  mloom_buffer_wipe(&json->secret);
  mloom_buffer_wipe(&json->token);
}

static mloom_bytes bytes_of(const mloom_buffer *buffer) {
  return (mloom_bytes){mloom_buffer_string(buffer), buffer->size};
}

int32_t mloom_aws_json_keys(mloom_aws_keys *out, const mloom_aws_json *json, const mloom_host *host, const char *where,
                            mloom_error *error) {
  const char *missing = json->id.size == 0 ? "AccessKeyId" : json->secret.size == 0 ? "SecretAccessKey" : NULL;
  if (missing != NULL) {
    return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL, "look at what gives these credentials",
                           "%s gave no %s", where, missing);
  }
  int64_t expires_ms = json->expiration_ms;
  if (json->expiration[0] != '\0' &&
      mloom_timestamp_parse(mloom_text_bytes(json->expiration), &expires_ms) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "let it be a moment as in 2026-01-02T03:04:05Z", "%s gave a malformed Expiration", where);
  }
  int32_t code =
      mloom_aws_keys_set(out, host, bytes_of(&json->id), bytes_of(&json->secret), bytes_of(&json->token), where, error);
  out->expires_wall_ms = code == MLOOM_OK && expires_ms >= 0 ? expires_ms : -1;
  return code;
}
