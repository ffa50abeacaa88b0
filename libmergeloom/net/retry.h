/* SPDX-License-Identifier: Apache-2.0
 *
 * When to send a failed exchange again, and after how long. A pure function.
 */
#ifndef MLOOM_NET_RETRY_H
#define MLOOM_NET_RETRY_H

#include <mergeloom/types.h>

typedef struct mloom_retry_policy {
  uint32_t max_retries;
  uint32_t reserved;
  int64_t base_ms;     /* 500: doubled each time, less up to a quarter at random */
  int64_t cap_ms;      /* 8000 */
  int64_t max_wait_ms; /* a longer wait asked for by the server ends the attempts: 60000 */
} mloom_retry_policy;

/* What is known of the failed attempt. Header values are "" when absent. */
typedef struct mloom_retry_attempt {
  uint32_t attempt;    /* 1 for the first */
  uint32_t delivered;  /* 1 when a part of the answer has been handed on: never again then */
  int32_t code;        /* MLOOM_E_... of the attempt */
  int32_t http_status; /* or 0 */
  uint32_t retryable;  /* the provider's own word for an error inside the answer */
  uint32_t reserved;
  const char *should_retry;   /* x-should-retry */
  const char *retry_after_ms; /* retry-after-ms */
  const char *retry_after;    /* retry-after: seconds or an HTTP date */
  int64_t now_wall_ms;
} mloom_retry_attempt;

/* The wait in milliseconds, or -1: do not try again. random is 0..UINT32_MAX. */
int64_t mloom_retry_wait_ms(const mloom_retry_policy *policy, const mloom_retry_attempt *attempt, uint32_t random);

/* Parses retry-after and retry-after-ms alone: milliseconds, or -1. */
int64_t mloom_retry_after_ms(const char *retry_after_ms, const char *retry_after, int64_t now_wall_ms);

#endif
