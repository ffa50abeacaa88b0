/* SPDX-License-Identifier: Apache-2.0
 *
 * Moments as Python's datetime counts them.
 */
#include "harness.h"

#include "base/text.h"
#include "base/timestamp.h"

static void test_moments(void) {
  static const struct {
    const char *text;
    int64_t expected;
  } cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-11-22T22:05:36.619847Z", 1795385136619},
      {"2026-01-02T03:04:05+01:00", 1767319445000},
      {"2026-01-02t03:04:05+0100", 1767319445000},
      {"2026-01-02 02:04:05z", 1767319445000},
      {"2026-01-02T02:04:05", 1767319445000},
      {"2024-02-29T23:59:59.9-05:30", 1709270999900},
      {"1969-12-31T23:59:59.999Z", -1},
      {"9999-12-31T23:59:59Z", 253402300799000},
      {"0001-01-01T00:00:00Z", -62135596800000},
      {"2016-12-31T23:59:60Z", 1483228800000}, /* a leap second */
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int64_t got = 0;
    CU_ASSERT_EQUAL(mloom_timestamp_parse(mloom_text_bytes(cases[i].text), &got), MLOOM_OK);
    CU_ASSERT_EQUAL(got, cases[i].expected);
  }
}

static void test_refused(void) {
  static const char *const cases[] = {
      "",
      "2026",
      "2026-01-02",
      "2026-01-02T03:04Z",
      "2026-02-30T00:00:00Z",
      "2023-02-29T00:00:00Z",
      "2026-13-01T00:00:00Z",
      "2026-00-01T00:00:00Z",
      "2026-01-00T00:00:00Z",
      "2026-01-02T24:00:00Z",
      "2026-01-02T03:60:00Z",
      "2026-01-02T03:04:61Z",
      "2026-01-02T03:04:05.Z",
      "2026-01-02T03:04:05ZZ",
      "2026-01-02T03:04:05 Z",
      "2026-01-02T03:04:05+1",
      "2026-01-02T03:04:05+24:00",
      " 2026-01-02T03:04:05Z",
      "-026-01-02T03:04:05Z",
      "2026-01-0\xD9\xA2T03:04:05Z",
      "never",
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int64_t got = 0;
    CU_ASSERT_EQUAL(mloom_timestamp_parse(mloom_text_bytes(cases[i]), &got), MLOOM_E_INVALID);
  }
}

/* The moment that RFC 9110 writes in three forms. */
static void test_dates_of_headers(void) {
  static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                     "Sun Nov  6 08:49:37 1994"};
  static const char *const wrong[] = {"", "Sun Nov  6 08:49:37 +994", "Wed, 31 Dec 1969 23:59:58 GMT",
                                      "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 24:00:00 GMT"};
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    CU_ASSERT_EQUAL(mloom_timestamp_parse_http(same[i], 1795000000000), 784111777000);
  }
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    CU_ASSERT_EQUAL(mloom_timestamp_parse_http(wrong[i], 1795000000000), -1);
  }
}

static const unit_test tests[] = {
    {"moments", test_moments}, {"refused", test_refused}, {"dates of headers", test_dates_of_headers}};
UNIT_MAIN("timestamp", tests)
