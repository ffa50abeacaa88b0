/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "credential-command/output.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "base/timestamp.h"

#define LONGEST_LIFE_S INT32_MAX

typedef struct output_reader {
  mloom_json_reader json;
  mloom_buffer token;   /* as large as the text, so that it never grows */
  mloom_buffer scratch; /* the same */
  int64_t now_wall_ms;
  int64_t expires_wall_ms;
  int unreadable_moment;
} output_reader;

static int32_t refuse(mloom_error *error, const char *problem) {
  return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                         "let it print the key alone, or {\"token\": \"...\", \"expires_in\": 3600}",
                         "what credential_command printed %s", problem);
}

static int32_t check_key(mloom_bytes key, mloom_error *error) {
  if (key.size == 0) {
    return refuse(error, "holds no key");
  }
  for (size_t i = 0; i < key.size; i++) {
    if (key.data[i] == '\n' || key.data[i] == '\r') {
      return refuse(error, "has more than one line");
    }
    if (key.data[i] <= 0x20 || key.data[i] >= 0x7f) {
      return refuse(error, "holds a byte that no key has");
    }
  }
  return MLOOM_OK;
}

static int names_token(mloom_bytes key) {
  return mloom_text_equal(key, "token") || mloom_text_equal(key, "access_token") ||
         mloom_text_equal(key, "accessToken") || mloom_text_equal(key, "api_key");
}

static int names_moment(mloom_bytes key) {
  return mloom_text_equal(key, "expires_on") || mloom_text_equal(key, "expires_at") ||
         mloom_text_equal(key, "expiry") || mloom_text_equal(key, "expirationTimestamp");
}

/* A number, or one in quotes; -1 for anything else, whose text is then in scratch. */
static int64_t read_number(output_reader *self) {
  int64_t value = -1;
  mloom_buffer_clear(&self->scratch);
  if (mloom_json_reader_peek(&self->json) != MLOOM_JSON_STRING) {
    return mloom_json_reader_integer(&self->json, &value) && value >= 0 ? value : -1;
  }
  mloom_json_reader_append_string(&self->json, &self->scratch);
  const mloom_bytes text = {mloom_buffer_string(&self->scratch), self->scratch.size};
  return mloom_text_parse_int64(text, &value) == MLOOM_OK && value >= 0 ? value : -1;
}

static void read_moment(output_reader *self) {
  int64_t value = read_number(self);
  int64_t moment_ms = -1;
  const mloom_bytes text = {mloom_buffer_string(&self->scratch), self->scratch.size};
  if (value >= 0) {
    self->expires_wall_ms = value > INT64_MAX / 1000 ? INT64_MAX : value * 1000;
  } else if (mloom_timestamp_parse(text, &moment_ms) == MLOOM_OK && moment_ms >= 0) {
    self->expires_wall_ms = moment_ms;
  } else if (text.size > 0) {
    self->unreadable_moment = 1;
  }
}

static void read_object(output_reader *self, int depth) {
  mloom_bytes key;
  if (!mloom_json_reader_object(&self->json)) {
    return;
  }
  while (mloom_json_reader_key(&self->json, &key)) {
    if (names_token(key) && self->token.size == 0) {
      mloom_json_reader_append_string(&self->json, &self->token);
    } else if (mloom_text_equal(key, "expires_in")) {
      int64_t life_s = read_number(self);
      life_s = life_s > LONGEST_LIFE_S ? LONGEST_LIFE_S : life_s;
      self->expires_wall_ms = life_s >= 0 ? self->now_wall_ms + life_s * 1000 : self->expires_wall_ms;
    } else if (names_moment(key)) {
      read_moment(self);
    } else if (depth == 0 && mloom_text_equal(key, "status")) {
      read_object(self, depth + 1);
    } else {
      mloom_json_reader_skip(&self->json);
    }
  }
}

static int32_t read_document(output_reader *self, mloom_bytes text, mloom_error *error) {
  if (mloom_buffer_reserve(&self->token, text.size + 1) != MLOOM_OK ||
      mloom_buffer_reserve(&self->scratch, text.size + 1) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_json_reader_init(&self->json, text.data, text.size);
  read_object(self, 0);
  if (mloom_json_reader_end(&self->json) != MLOOM_OK) {
    return refuse(error, "begins as JSON and is none");
  }
  if (self->unreadable_moment && self->expires_wall_ms < 0) {
    return refuse(error, "says when the key expires in a form that is neither RFC 3339 nor a number");
  }
  return check_key((mloom_bytes){self->token.data, self->token.size}, error);
}

int32_t mloom_command_output_read(const mloom_secret **secret, int64_t *expires_wall_ms, const mloom_host *host,
                                  mloom_bytes text, int64_t now_wall_ms, mloom_error *error) {
  mloom_bytes trimmed = mloom_text_trim(text);
  output_reader self = {.now_wall_ms = now_wall_ms, .expires_wall_ms = -1};
  int32_t code;
  if (trimmed.size > 0 && trimmed.data[0] == '{') {
    code = read_document(&self, trimmed, error);
  } else {
    code = check_key(trimmed, error);
    if (code == MLOOM_OK && mloom_buffer_append_wiping(&self.token, trimmed.data, trimmed.size) != MLOOM_OK) {
      code = mloom_error_memory(error);
    }
  }
  mloom_secret *made = NULL;
  if (code == MLOOM_OK) {
    code = host->secret_new(host->ctx, self.token.data, self.token.size, &made, error);
  }
  *secret = made;
  *expires_wall_ms = self.expires_wall_ms;
  mloom_buffer_wipe(&self.token);
  mloom_buffer_wipe(&self.scratch);
  return code;
}
