/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "wire/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "net/url.h"

#define DEFAULT_TIMEOUT_MS 10000u
#define DEFAULT_ATTEMPTS 3u
#define DEFAULT_PAUSE_MS 1000u
/* A longer wait asked for by the other side ends the attempts. */
#define LONGEST_PAUSE_MS 20000
/* Services take signatures that are five minutes old; less than this is not why one was refused. */
#define SKEW_MS ((int64_t)4 * 60 * 1000)

typedef struct fetch {
  const mloom_host *host;
  mloom_fetch_answer *answer;
  mloom_error reason;
} fetch;

void mloom_fetch_answer_free(mloom_fetch_answer *answer) {
  mloom_buffer_wipe(&answer->body);
}

static int32_t on_status(int32_t status, void *userdata) {
  fetch *self = userdata;
  self->answer->status = status;
  return MLOOM_OK;
}

static void keep(char *out, size_t out_size, const char *value) {
  size_t size = mloom_text_complete_prefix(value, strnlen(value, out_size - 1));
  memcpy(out, value, size);
  out[size] = '\0';
}

/* "3" seconds, or a date. */
static int64_t read_retry_after(const fetch *self, const char *value) {
  int64_t seconds = 0;
  if (mloom_text_parse_int64(mloom_text_bytes(value), &seconds) == MLOOM_OK) {
    return seconds < 0 || seconds > INT64_MAX / 1000 ? -1 : seconds * 1000;
  }
  int64_t now_ms = self->host->clock_wall_ms(self->host->ctx);
  int64_t date_ms = mloom_timestamp_parse_http(value, now_ms);
  return date_ms < 0 ? -1 : date_ms > now_ms ? date_ms - now_ms : 0;
}

static int32_t on_header(const char *name, const char *value, void *userdata) {
  fetch *self = userdata;
  mloom_fetch_answer *answer = self->answer;
  if (mloom_text_compare_fold(name, "date") == 0) {
    answer->date_wall_ms = mloom_timestamp_parse_http(value, self->host->clock_wall_ms(self->host->ctx));
  } else if (mloom_text_compare_fold(name, "retry-after") == 0) {
    answer->retry_after_ms = read_retry_after(self, value);
  } else if (mloom_text_compare_fold(name, "content-type") == 0) {
    keep(answer->content_type, sizeof(answer->content_type), value);
  } else if (mloom_text_compare_fold(name, "www-authenticate") == 0) {
    keep(answer->authenticate, sizeof(answer->authenticate), value);
  } else if (mloom_text_compare_fold(name, "metadata-flavor") == 0) {
    keep(answer->flavor, sizeof(answer->flavor), value);
  } else if (mloom_text_compare_fold(name, "x-amzn-requestid") == 0 ||
             mloom_text_compare_fold(name, "x-ms-request-id") == 0 ||
             mloom_text_compare_fold(name, "x-request-id") == 0) {
    keep(answer->request_id, sizeof(answer->request_id), value);
  }
  return MLOOM_OK;
}

static int32_t on_body(const char *data, size_t size, void *userdata) {
  fetch *self = userdata;
  if (size > MLOOM_FETCH_LIMIT - self->answer->body.size) {
    return mloom_error_set(&self->reason, MLOOM_E_LIMIT, MLOOM_DOMAIN_CREDENTIAL, "check that the address is right",
                           "the answer is larger than %zu bytes", MLOOM_FETCH_LIMIT);
  }
  return mloom_buffer_append_wiping(&self->answer->body, data, size) == MLOOM_OK ? MLOOM_OK
                                                                                 : mloom_error_memory(&self->reason);
}

static void begin_answer(mloom_fetch_answer *answer) {
  mloom_buffer_wipe(&answer->body);
  uint32_t attempts = answer->attempts;
  memset(answer, 0, sizeof(*answer));
  answer->attempts = attempts + 1;
  answer->date_wall_ms = -1;
  answer->retry_after_ms = -1;
}

static int32_t attempt(fetch *self, mloom_call *call, const mloom_http_request *request, mloom_error *error) {
  const mloom_http_sink sink = {
      .size = (uint32_t)sizeof(sink), .userdata = self, .status = on_status, .header = on_header, .body = on_body};
  mloom_error reason = MLOOM_ERROR_INIT;
  self->reason = (mloom_error)MLOOM_ERROR_INIT;
  begin_answer(self->answer);
  int32_t code = self->host->http(self->host->ctx, call, request, &sink, &reason);
  if (code == MLOOM_OK) {
    return MLOOM_OK;
  }
  if (self->reason.message[0] != '\0') {
    reason = self->reason;
  }
  if (code == MLOOM_E_TIMEOUT && !self->host->call_cancelled(self->host->ctx, call)) {
    /* The other side's slowness, not the end of the call. */
    code = MLOOM_E_UNAVAILABLE;
    reason.code = code;
  }
  mloom_error_copy(error, &reason);
  return code;
}

static int is_busy(int32_t status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

int32_t mloom_fetch(mloom_fetch_answer *answer, const mloom_host *host, mloom_call *call,
                    const mloom_http_request *request, const mloom_fetch_options *options, mloom_error *error) {
  fetch self = {.host = host, .answer = answer};
  mloom_http_request bounded = *request;
  uint64_t timeout_ms = options == NULL || options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
  uint32_t attempts = options == NULL || options->attempts == 0 ? DEFAULT_ATTEMPTS : options->attempts;
  uint64_t pause_ms = options == NULL || options->pause_ms == 0 ? DEFAULT_PAUSE_MS : options->pause_ms;
  bounded.connect_timeout_ms = request->connect_timeout_ms == 0 ? timeout_ms : request->connect_timeout_ms;
  bounded.first_byte_timeout_ms = timeout_ms;
  bounded.idle_timeout_ms = timeout_ms;
  bounded.total_timeout_ms = timeout_ms;
  /* Plain http is for this machine alone: by a proxy, secrets would go over the network after all. */
  if (mloom_text_compare_start_fold(request->url, "http://", 7) == 0 && mloom_http_is_loopback(request->url)) {
    bounded.flags |= MLOOM_HTTP_DIRECT;
  }
  memset(answer, 0, sizeof(*answer));
  for (;;) {
    mloom_error reason = MLOOM_ERROR_INIT;
    int32_t code = attempt(&self, call, &bounded, &reason);
    /* A certificate that is not trusted will not be in a second either. */
    int again = (code == MLOOM_E_UNAVAILABLE && reason.retryable) || (code == MLOOM_OK && is_busy(answer->status));
    int64_t wait_ms = answer->retry_after_ms >= 0 ? answer->retry_after_ms : (int64_t)pause_ms;
    if (!again || answer->attempts >= attempts || wait_ms > LONGEST_PAUSE_MS) {
      mloom_error_copy(error, &reason);
      return code;
    }
    code = host->sleep_until(host->ctx, call, host->clock_monotonic_ms(host->ctx) + wait_ms);
    if (code != MLOOM_OK) {
      return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "%s",
                             code == MLOOM_E_CANCELLED ? "fetching the credential was cancelled"
                                                       : "there was no time left to fetch the credential");
    }
    pause_ms *= 2;
  }
}

int64_t mloom_fetch_clock_offset_ms(const mloom_fetch_answer *answer, const mloom_host *host) {
  int64_t offset_ms = answer->date_wall_ms < 0 ? 0 : answer->date_wall_ms - host->clock_wall_ms(host->ctx);
  return offset_ms > SKEW_MS || offset_ms < -SKEW_MS ? offset_ms : 0;
}

int32_t mloom_fetch_check_url(const char *url, const char *name, mloom_error *error) {
  mloom_url parts;
  mloom_error reason = MLOOM_ERROR_INIT;
  char remedy[256];
  snprintf(remedy, sizeof(remedy), "correct %s: an https address, or http on this machine", name);
  if (mloom_url_parse(&parts, url, &reason) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy, "%s: %s", name, reason.message);
  }
  if (!parts.is_https && !mloom_http_is_loopback(url)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy,
                           "%s names a place that is sent secrets and is not https", name);
  }
  return MLOOM_OK;
}

int32_t mloom_fetch_append_encoded(mloom_buffer *out, mloom_bytes text) {
  static const char hex[] = "0123456789ABCDEF";
  if (mloom_buffer_reserve(out, 3 * text.size + 1) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c != 0 && strchr("-._~", c))) {
      code = mloom_buffer_append_char(out, (char)c);
    } else {
      const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
      code = mloom_buffer_append(out, escape, sizeof(escape));
    }
  }
  return code;
}

int32_t mloom_fetch_append_field(mloom_buffer *out, const char *name, mloom_bytes value) {
  int32_t code = mloom_buffer_append_format(out, "%s%s=", out->size == 0 ? "" : "&", name);
  return code == MLOOM_OK ? mloom_fetch_append_encoded(out, value) : code;
}
