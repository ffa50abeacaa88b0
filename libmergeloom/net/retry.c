/* SPDX-License-Identifier: Apache-2.0 */
#include "net/retry.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/text.h"

/* A number of seconds or milliseconds with an optional fraction, in thousandths; -1 for anything else. Not strtod: that
 * follows the locale. */
static int64_t parse_thousandths(const char *text) {
  int64_t value = 0;
  int64_t scale = 1000;
  int digits = 0;
  int in_fraction = 0;
  for (; *text != '\0'; text++) {
    if (*text == '.' && !in_fraction) {
      in_fraction = 1;
      continue;
    }
    if (*text < '0' || *text > '9') {
      return -1;
    }
    digits++;
    if (in_fraction) {
      scale /= 10;
      value += (*text - '0') * scale;
    } else if (value <= INT64_MAX / 10 - 10000) {
      value = value * 10 + (int64_t)(*text - '0') * 1000;
    }
  }
  return digits == 0 ? -1 : value;
}

static int month_number(const char *name) {
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (int i = 0; i < 12; i++) {
    if (strncmp(names + (ptrdiff_t)3 * i, name, 3) == 0) {
      return i;
    }
  }
  return -1;
}

/* The three forms of RFC 9110, 5.6.7, in milliseconds of wall time; -1 for anything else. */
static int64_t parse_http_date(const char *text, int64_t now_wall_ms) {
  char month[4] = "";
  struct tm date = {0};
  int year = 0;
  int end = 0;
  const char *comma = strchr(text, ',');
  if (comma != NULL &&
      sscanf(comma, ", %2d %3s %4d %2d:%2d:%2d GMT%n", &date.tm_mday, month, &year, &date.tm_hour, &date.tm_min,
             &date.tm_sec, &end) == 6 &&
      end > 0 && comma[end] == '\0') {
    date.tm_year = year - 1900;
  } else if (comma != NULL &&
             sscanf(comma, ", %2d-%3s-%2d %2d:%2d:%2d GMT%n", &date.tm_mday, month + 0, &year, &date.tm_hour,
                    &date.tm_min, &date.tm_sec, &end) == 6 &&
             end > 0 && comma[end] == '\0') {
    time_t now = (time_t)(now_wall_ms / 1000);
    struct tm today;
    if (gmtime_r(&now, &today) == NULL) {
      return -1;
    }
    /* Two digits mean the past when they would be more than 50 years ahead. */
    int century = (today.tm_year + 1900) / 100 * 100;
    year += century;
    date.tm_year = (year > today.tm_year + 1900 + 50 ? year - 100 : year) - 1900;
  } else if (comma == NULL &&
             sscanf(text, "%*3s %3s %2d %2d:%2d:%2d %4d%n", month, &date.tm_mday, &date.tm_hour, &date.tm_min,
                    &date.tm_sec, &year, &end) == 6 &&
             end > 0 && text[end] == '\0') {
    date.tm_year = year - 1900;
  } else {
    return -1;
  }
  date.tm_mon = month_number(month);
  if (date.tm_mon < 0 || strlen(month) != 3 || date.tm_mday < 1 || date.tm_mday > 31 || date.tm_hour < 0 ||
      date.tm_hour > 23 || date.tm_min < 0 || date.tm_min > 59 || date.tm_sec < 0 || date.tm_sec > 60) {
    return -1;
  }
  return (int64_t)timegm(&date) * 1000;
}

int64_t mloom_retry_after_ms(const char *retry_after_ms, const char *retry_after, int64_t now_wall_ms) {
  if (retry_after_ms != NULL && retry_after_ms[0] != '\0') {
    int64_t thousandths = parse_thousandths(retry_after_ms);
    if (thousandths >= 0) {
      return thousandths / 1000 + (thousandths % 1000 != 0);
    }
  }
  if (retry_after == NULL || retry_after[0] == '\0') {
    return -1;
  }
  int64_t milliseconds = parse_thousandths(retry_after);
  if (milliseconds >= 0) {
    return milliseconds;
  }
  int64_t date_ms = parse_http_date(retry_after, now_wall_ms);
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
  if (strcasecmp(word, "true") == 0) {
    return 1;
  }
  if (strcasecmp(word, "false") == 0) {
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
