/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "net/retry.h"

/* Sun, 06 Nov 1994 08:49:37 GMT, the moment of all examples of RFC 9110. */
#define MOMENT_MS 784111777000

static void test_retry_after(void) {
  static const struct {
    const char *milliseconds;
    const char *seconds;
    int64_t expected;
  } cases[] = {
      {"", "", -1},
      {NULL, NULL, -1},
      {"", "0", 0},
      {"", "7", 7000},
      {"", "1.5", 1500},
      {"", "0.0004", 0},
      {"250", "7", 250},
      {"250.2", "", 251},
      {"junk", "7", 7000},
      {"", "junk", -1},
      {"", "-5", -1},
      {"", "1e3", -1},
      {"", " 5", -1},
      {"", "5 ", -1},
      {"", ".", -1},
      {"", "Sun, 06 Nov 1994 08:49:47 GMT", 10000},
      {"", "Sunday, 06-Nov-94 08:49:47 GMT", 10000},
      {"", "Sun Nov  6 08:49:47 1994", 10000},
      {"", "Sun, 06 Nov 1994 08:00:00 GMT", 0},
      {"", "Sun, 06 Foo 1994 08:49:47 GMT", -1},
      {"", "Sun, 06 Nov 1994 08:49:47", -1},
      {"", "Sun, 06 Nov 1994 08:49:47 GMT junk", -1},
      {"", "Sun, 99 Nov 1994 08:49:47 GMT", -1},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int64_t got = mloom_retry_after_ms(cases[i].milliseconds, cases[i].seconds, MOMENT_MS);
    if (got != cases[i].expected) {
      fprintf(stderr, "case %zu (%s): got %lld\n", i, cases[i].seconds, (long long)got);
    }
    CU_ASSERT_EQUAL(got, cases[i].expected);
  }
  CU_ASSERT(mloom_retry_after_ms("", "99999999999999999999999999", MOMENT_MS) > 1000000000);
}

static const mloom_retry_policy policy = {2, 0, 500, 8000, 60000};

static mloom_retry_attempt attempt_of(uint32_t number, int32_t code, int32_t status) {
  return (mloom_retry_attempt){.attempt = number,
                               .code = code,
                               .http_status = status,
                               .should_retry = "",
                               .retry_after_ms = "",
                               .retry_after = "",
                               .now_wall_ms = MOMENT_MS};
}

static void test_which_statuses(void) {
  static const struct {
    int32_t status;
    int again;
  } cases[] = {{400, 0}, {401, 0}, {402, 0}, {403, 0}, {404, 0}, {413, 0}, {422, 0}, {302, 0},
               {408, 1}, {409, 1}, {429, 1}, {500, 1}, {502, 1}, {503, 1}, {504, 1}, {529, 1}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_retry_attempt attempt = attempt_of(1, MLOOM_E_PROTOCOL, cases[i].status);
    CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0) >= 0, cases[i].again);
    attempt.should_retry = "true";
    CU_ASSERT(mloom_retry_wait_ms(&policy, &attempt, 0) >= 0);
    attempt.should_retry = "false";
    CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), -1);
  }
}

static void test_which_failures(void) {
  static const struct {
    int32_t code;
    int again;
  } cases[] = {{MLOOM_E_TIMEOUT, 1},   {MLOOM_E_UNAVAILABLE, 1}, {MLOOM_E_PROTOCOL, 1},
               {MLOOM_E_CANCELLED, 0}, {MLOOM_E_INVALID, 0},     {MLOOM_E_MEMORY, 0},
               {MLOOM_E_QUOTA, 0},     {MLOOM_E_LIMIT, 0},       {MLOOM_E_INTERNAL, 0}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_retry_attempt attempt = attempt_of(1, cases[i].code, 0);
    CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0) >= 0, cases[i].again);
  }
  mloom_retry_attempt attempt = attempt_of(1, MLOOM_E_QUOTA, 429);
  attempt.retry_after = "1";
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), -1);
  attempt = attempt_of(1, MLOOM_E_RATE_LIMITED, 200);
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), -1);
  attempt.retryable = 1;
  CU_ASSERT(mloom_retry_wait_ms(&policy, &attempt, 0) >= 0);
}

static void test_never_after_delivery(void) {
  mloom_retry_attempt attempt = attempt_of(1, MLOOM_E_UNAVAILABLE, 503);
  attempt.delivered = 1;
  attempt.should_retry = "true";
  attempt.retryable = 1;
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), -1);
}

static void test_number_of_attempts(void) {
  mloom_retry_attempt attempt = attempt_of(2, MLOOM_E_TIMEOUT, 0);
  CU_ASSERT(mloom_retry_wait_ms(&policy, &attempt, 0) >= 0);
  attempt.attempt = 3;
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), -1);
  mloom_retry_policy none = policy;
  none.max_retries = 0;
  attempt.attempt = 1;
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&none, &attempt, 0), -1);
}

static void test_back_off(void) {
  mloom_retry_policy many = policy;
  many.max_retries = UINT32_MAX;
  static const int64_t expected[] = {500, 1000, 2000, 4000, 8000, 8000, 8000};
  for (uint32_t i = 0; i < 7; i++) {
    mloom_retry_attempt attempt = attempt_of(i + 1, MLOOM_E_TIMEOUT, 0);
    CU_ASSERT_EQUAL(mloom_retry_wait_ms(&many, &attempt, 0), expected[i]);
    int64_t least = mloom_retry_wait_ms(&many, &attempt, UINT32_MAX);
    CU_ASSERT(least >= expected[i] * 3 / 4 && least <= expected[i] * 3 / 4 + 1);
    int64_t middle = mloom_retry_wait_ms(&many, &attempt, UINT32_MAX / 2);
    CU_ASSERT(middle >= expected[i] * 7 / 8 && middle <= expected[i] * 7 / 8 + 1);
  }
  mloom_retry_attempt late = attempt_of(UINT32_MAX, MLOOM_E_TIMEOUT, 0);
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&many, &late, 0), 8000);
  many.base_ms = INT64_MAX;
  many.cap_ms = INT64_MAX;
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&many, &late, 0), INT64_MAX);
  CU_ASSERT(mloom_retry_wait_ms(&many, &late, UINT32_MAX) > INT64_MAX / 2);
}

static void test_wait_that_the_server_asks_for(void) {
  mloom_retry_attempt attempt = attempt_of(1, MLOOM_E_RATE_LIMITED, 429);
  attempt.retry_after = "30";
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), 30000);
  attempt.retry_after = "60";
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), 60000);
  attempt.retry_after = "61";
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), -1);
  attempt.retry_after = "0";
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), 500);
  attempt.retry_after_ms = "20";
  CU_ASSERT_EQUAL(mloom_retry_wait_ms(&policy, &attempt, 0), 20);
}

static const unit_test tests[] = {
    {"retry-after in each of its forms", test_retry_after},
    {"statuses", test_which_statuses},
    {"failures without a status", test_which_failures},
    {"never once something was delivered", test_never_after_delivery},
    {"the number of attempts", test_number_of_attempts},
    {"back-off with jitter", test_back_off},
    {"the wait that the server asks for", test_wait_that_the_server_asks_for},
};

UNIT_MAIN("retry", tests)
