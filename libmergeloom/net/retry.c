/* SPDX-License-Identifier: Apache-2.0 */
#include "net/retry.h"

#include <string.h>

#include "base/text.h"
#include "base/timestamp.h"

int64_t mloom_retry_after_ms(const char *retry_after_ms, const char *retry_after, int64_t now_wall_ms) {
  if (retry_after_ms != NULL && retry_after_ms[0] != '\0') {
    int64_t thousandths = mloom_text_parse_thousandths(mloom_text_bytes(retry_after_ms));
    if (thousandths >= 0) {
      return thousandths / 1000 + (thousandths % 1000 != 0);
    }
  }
  if (retry_after == NULL || retry_after[0] == '\0') {
    return -1;
  }
  int64_t milliseconds = mloom_text_parse_thousandths(mloom_text_bytes(retry_after));
  if (milliseconds >= 0) {
    return milliseconds;
  }
  int64_t date_ms = mloom_timestamp_parse_http(retry_after, now_wall_ms);
  if (date_ms < 0) {
    return -1;
  }
  return date_ms > now_wall_ms ? date_ms - now_wall_ms : 0;
}

static int is_retryable_status(int32_t status) {
  return status == 408 || status == 409 || status == 429 || status >= 500;
}

static int is_worth_it(const mloom_retry_attempt *attempt) {
  switch (attempt->code) {
  case MLOOM_OK:
  case MLOOM_E_CANCELLED:
  case MLOOM_E_QUOTA: /* waiting does not fill an account */
  case MLOOM_E_INVALID:
  case MLOOM_E_MEMORY:
  case MLOOM_E_INTERNAL:
    return 0;
  default:
    break;
  }
  const char *word = attempt->should_retry == NULL ? "" : attempt->should_retry;
  if (mloom_text_compare_fold(word, "true") == 0) {
    return 1;
  }
  if (mloom_text_compare_fold(word, "false") == 0) {
    return 0;
  }
  if (attempt->http_status >= 300) {
    return attempt->retryable || is_retryable_status(attempt->http_status);
  }
  return attempt->retryable || attempt->code == MLOOM_E_TIMEOUT || attempt->code == MLOOM_E_UNAVAILABLE ||
         attempt->code == MLOOM_E_PROTOCOL;
}

/* base doubled with each attempt up to cap, less up to a quarter, so that clients that failed together come back one
 * after the other. */
static int64_t back_off_ms(const mloom_retry_policy *policy, uint32_t attempt, uint32_t random) {
  int64_t wait = policy->base_ms < policy->cap_ms ? policy->base_ms : policy->cap_ms;
  for (uint32_t i = 1; i < attempt && wait < policy->cap_ms; i++) {
    wait = wait > policy->cap_ms / 2 ? policy->cap_ms : wait * 2;
  }
  if (wait <= 0) {
    return 0;
  }
  uint64_t quarter = (uint64_t)wait / 4;
  uint64_t less = (quarter >> 32) == 0 ? (quarter * random) >> 32 : (quarter >> 32) * random;
  return wait - (int64_t)less;
}

int64_t mloom_retry_wait_ms(const mloom_retry_policy *policy, const mloom_retry_attempt *attempt, uint32_t random) {
  if (attempt->delivered || attempt->attempt == 0 || attempt->attempt > policy->max_retries || !is_worth_it(attempt)) {
    return -1;
  }
  int64_t asked = mloom_retry_after_ms(attempt->retry_after_ms, attempt->retry_after, attempt->now_wall_ms);
  if (asked > policy->max_wait_ms) {
    return -1;
  }
  return asked > 0 ? asked : back_off_ms(policy, attempt->attempt, random);
}
