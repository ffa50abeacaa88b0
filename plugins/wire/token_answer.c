/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/token_answer.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "base/timestamp.h"

/* Of a token that does not say how long it lives: it is asked for again rather than used for ever. */
#define UNKNOWN_LIFE_MS ((int64_t)10 * 60 * 1000)

typedef struct answer_reader {
  mloom_token_answer *out;
  const mloom_host *host;
  mloom_json_reader json;
  mloom_buffer text; /* as large as the body, so that it never grows */
  mloom_error *error;
} answer_reader;

/* The string that comes next; empty when it is of another kind. */
static mloom_bytes read_text(answer_reader *self) {
  mloom_buffer_clear(&self->text);
  if (!mloom_json_reader_append_string(&self->json, &self->text)) {
    return (mloom_bytes){"", 0};
  }
  return (mloom_bytes){mloom_buffer_string(&self->text), self->text.size};
}

static void read_short(answer_reader *self, char *out, size_t out_size) {
  mloom_text_copy(out, out_size, read_text(self));
}

/* A number, or one in quotes; what is negative or no number counts as not given. */
static int64_t read_number(answer_reader *self) {
  int64_t value = -1;
  if (mloom_json_reader_peek(&self->json) != MLOOM_JSON_STRING) {
    return mloom_json_reader_integer(&self->json, &value) && value >= 0 ? value : -1;
  }
  mloom_bytes text = mloom_text_trim(read_text(self));
  const char *point = text.size == 0 ? NULL : memchr(text.data, '.', text.size);
  text.size = point == NULL ? text.size : (size_t)(point - text.data);
  return mloom_text_parse_int64(text, &value) == MLOOM_OK && value >= 0 ? value : -1;
}

static int32_t read_token(answer_reader *self) {
  mloom_bytes text = read_text(self);
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] <= 0x20 || text.data[i] >= 0x7F) {
      return mloom_error_set(self->error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                             "check that the address is that of a token endpoint",
                             "the token that came holds a byte that no token has");
    }
  }
  if (text.size == 0 || self->out->token != NULL) {
    return MLOOM_OK;
  }
  mloom_secret *secret = NULL;
  int32_t code = self->host->secret_new(self->host->ctx, self->text.data, self->text.size, &secret, self->error);
  self->out->token = secret;
  return code;
}

/* {"code":403,"message":"...","status":"PERMISSION_DENIED"} */
static void read_error_object(answer_reader *self) {
  mloom_bytes key;
  mloom_token_answer *out = self->out;
  mloom_json_reader_object(&self->json);
  while (mloom_json_reader_key(&self->json, &key)) {
    if (mloom_text_equal(key, "status") || (mloom_text_equal(key, "code") && out->error[0] == '\0')) {
      if (mloom_json_reader_peek(&self->json) == MLOOM_JSON_STRING) {
        read_short(self, out->error, sizeof(out->error));
      } else {
        mloom_json_reader_skip(&self->json);
      }
    } else if (mloom_text_equal(key, "message")) {
      read_short(self, out->description, sizeof(out->description));
    } else {
      mloom_json_reader_skip(&self->json);
    }
  }
}

static void read_error_codes(answer_reader *self) {
  int first = 1;
  if (!mloom_json_reader_array(&self->json)) {
    return;
  }
  while (mloom_json_reader_element(&self->json)) {
    if (first) {
      self->out->error_code = read_number(self);
    } else {
      mloom_json_reader_skip(&self->json);
    }
    first = 0;
  }
}

static int32_t read_member(answer_reader *self, mloom_bytes key) {
  mloom_token_answer *out = self->out;
  if (mloom_text_equal(key, "access_token") || mloom_text_equal(key, "accessToken")) {
    return read_token(self);
  }
  if (mloom_text_equal(key, "expires_in")) {
    out->expires_in_s = read_number(self);
  } else if (mloom_text_equal(key, "expires_on")) {
    out->expires_on_s = read_number(self);
  } else if (mloom_text_equal(key, "refresh_in")) {
    out->refresh_in_s = read_number(self);
  } else if (mloom_text_equal(key, "expireTime")) {
    read_short(self, out->expire_time, sizeof(out->expire_time));
  } else if (mloom_text_equal(key, "error")) {
    if (mloom_json_reader_peek(&self->json) == MLOOM_JSON_OBJECT) {
      read_error_object(self);
    } else {
      read_short(self, out->error, sizeof(out->error));
    }
  } else if (mloom_text_equal(key, "error_description") ||
             (mloom_text_equal(key, "message") && out->description[0] == '\0')) {
    read_short(self, out->description, sizeof(out->description));
  } else if (mloom_text_equal(key, "error_subtype") || mloom_text_equal(key, "suberror")) {
    read_short(self, out->subtype, sizeof(out->subtype));
  } else if (mloom_text_equal(key, "error_codes")) {
    read_error_codes(self);
  } else if (mloom_text_equal(key, "correlation_id")) {
    read_short(self, out->correlation, sizeof(out->correlation));
  } else {
    mloom_json_reader_skip(&self->json);
  }
  return MLOOM_OK;
}

int32_t mloom_token_answer_read(mloom_token_answer *out, const mloom_host *host, mloom_bytes body, mloom_error *error) {
  memset(out, 0, sizeof(*out));
  out->expires_in_s = out->expires_on_s = out->refresh_in_s = out->error_code = -1;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  answer_reader self = {.out = out, .host = host, .error = error};
  mloom_json_reader_init(&self.json, body.data, body.size);
  if (mloom_buffer_reserve(&text, body.size + 1) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  self.text = text;
  mloom_bytes key;
  int32_t code = MLOOM_OK;
  if (mloom_json_reader_object(&self.json)) {
    while (code == MLOOM_OK && mloom_json_reader_key(&self.json, &key)) {
      code = read_member(&self, key);
    }
  } else {
    self.json.status = MLOOM_E_INVALID;
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_json_reader_end(&self.json) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "check that the address is that of a token endpoint", "the answer is not a JSON object");
  }
  return MLOOM_OK;
}

void mloom_token_answer_free(mloom_token_answer *answer, const mloom_host *host) {
  if (answer->token != NULL) {
    host->secret_unref(host->ctx, answer->token);
    answer->token = NULL;
  }
}

int64_t mloom_token_answer_expiry(const mloom_token_answer *answer, int64_t asked_wall_ms) {
  int64_t moment_ms = -1;
  if (answer->expires_in_s >= 0) {
    int64_t life_s = answer->expires_in_s > INT32_MAX ? INT32_MAX : answer->expires_in_s;
    return asked_wall_ms + life_s * 1000;
  }
  if (answer->expires_on_s >= 0) {
    return answer->expires_on_s > INT64_MAX / 1000 ? INT64_MAX : answer->expires_on_s * 1000;
  }
  return mloom_timestamp_parse(mloom_text_bytes(answer->expire_time), &moment_ms) == MLOOM_OK
             ? moment_ms
             : asked_wall_ms + UNKNOWN_LIFE_MS;
}
