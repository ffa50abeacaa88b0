/* SPDX-License-Identifier: Apache-2.0 */
#include "rate_limit.h"

#include <string.h>

#include "answer.h"
#include "base/text.h"

#define PART_LIMIT 0
#define PART_REMAINING 1
#define PART_RESET 2

static const char *const parts[] = {"limit", "remaining", "reset"};

/* Splits "remaining-tokens" and "tokens-remaining". Returns the part, or -1. */
static int split(const char *name, mloom_bytes *kind) {
  size_t size = strlen(name);
  for (int i = 0; i < 3; i++) {
    size_t part = strlen(parts[i]);
    if (size > part + 1 && mloom_text_compare_start_fold(name, parts[i], part) == 0 && name[part] == '-') {
      *kind = (mloom_bytes){name + part + 1, size - part - 1};
      return i;
    }
    if (size > part + 1 && mloom_text_compare_fold(name + size - part, parts[i]) == 0 && name[size - part - 1] == '-') {
      *kind = (mloom_bytes){name, size - part - 1};
      return i;
    }
  }
  return -1;
}

static mloom_rate_limit *find(mloom_rate_limits *limits, mloom_bytes kind) {
  for (size_t i = 0; i < limits->count; i++) {
    if (mloom_text_equal_fold(kind, limits->kinds[i].kind)) {
      return &limits->kinds[i];
    }
  }
  if (limits->count == MLOOM_RATE_LIMIT_KINDS || kind.size >= sizeof(limits->kinds[0].kind)) {
    return NULL;
  }
  mloom_rate_limit *limit = &limits->kinds[limits->count++];
  memset(limit, 0, sizeof(*limit));
  memcpy(limit->kind, kind.data, kind.size);
  limit->limit = -1;
  limit->remaining = -1;
  return limit;
}

/* Service's words end up on terminals. */
static int is_plain(const char *text) {
  for (; *text != '\0'; text++) {
    if (*text < 0x20 || *text > 0x7e) {
      return 0;
    }
  }
  return 1;
}

void mloom_rate_limits_take(mloom_rate_limits *limits, const char *name, const char *value) {
  static const char *const prefixes[] = {"x-ratelimit-", "anthropic-ratelimit-"};
  mloom_bytes kind;
  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
    size_t prefix = strlen(prefixes[i]);
    int part = mloom_text_compare_start_fold(name, prefixes[i], prefix) == 0 ? split(name + prefix, &kind) : -1;
    int64_t number = -1;
    if (part < 0 || !is_plain(name)) {
      continue;
    }
    int is_number =
        mloom_text_parse_int64(mloom_text_trim(mloom_text_bytes(value)), &number) == MLOOM_OK && number >= 0;
    size_t size = strlen(value);
    int is_moment = size > 0 && size < sizeof(limits->kinds[0].reset) && is_plain(value);
    mloom_rate_limit *limit = (part == PART_RESET ? is_moment : is_number) ? find(limits, kind) : NULL;
    if (limit == NULL) {
      return;
    }
    if (part == PART_RESET) {
      memcpy(limit->reset, value, size + 1);
    } else if (part == PART_LIMIT) {
      limit->limit = number;
    } else {
      limit->remaining = number;
    }
    return;
  }
}

static int is_low(const mloom_rate_limit *limit) {
  return limit->remaining >= 0 &&
         (limit->remaining == 0 || (limit->limit >= 0 && limit->remaining <= limit->limit / 10));
}

static int32_t append(mloom_buffer *text, const mloom_rate_limit *limit) {
  int32_t status = mloom_buffer_append_format(text, "%s%s", text->size == 0 ? "" : "; ", limit->kind);
  if (status == MLOOM_OK && limit->remaining >= 0) {
    status = mloom_buffer_append_format(text, " %lld", (long long)limit->remaining);
  }
  if (status == MLOOM_OK && limit->remaining >= 0 && limit->limit >= 0) {
    status = mloom_buffer_append_format(text, " of %lld", (long long)limit->limit);
  }
  if (status == MLOOM_OK && limit->remaining >= 0) {
    status = mloom_buffer_append_string(text, " left");
  } else if (status == MLOOM_OK && limit->limit >= 0) {
    status = mloom_buffer_append_format(text, " at most %lld", (long long)limit->limit);
  }
  return status == MLOOM_OK && limit->reset[0] != '\0' ? mloom_buffer_append_format(text, ", reset %s", limit->reset)
                                                       : status;
}

int32_t mloom_rate_limits_emit(mloom_rate_limits *limits, const mloom_event_sink *sink) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  int low = 0;
  int32_t status = MLOOM_OK;
  for (size_t i = 0; status == MLOOM_OK && i < limits->count; i++) {
    low |= is_low(&limits->kinds[i]);
    status = append(&text, &limits->kinds[i]);
  }
  limits->count = 0;
  if (status == MLOOM_OK && text.size > 0) {
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_RATE_LIMIT};
    event.text = (mloom_bytes){text.data, text.size};
    event.name = mloom_text_bytes(low ? "low" : "");
    mloom_answer_emit(sink, &event);
  }
  return status;
}
