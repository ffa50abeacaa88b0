/* SPDX-License-Identifier: Apache-2.0
 *
 * CUnit behind one header. A test program is:
 *
 *   static void test_something(void) { CU_ASSERT_EQUAL(1 + 1, 2); }
 *   static const unit_test tests[] = {{"something", test_something}};
 *   UNIT_MAIN("area", tests)
 *
 * The exit status is 0 only when every assertion of every test held and at least one ran.
 */
#ifndef MLOOM_TESTS_UNIT_HARNESS_H
#define MLOOM_TESTS_UNIT_HARNESS_H

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

typedef struct unit_test {
  const char *name;
  void (*run)(void);
} unit_test;

static inline int unit_run(const char *area, const unit_test *tests, size_t count) {
  if (CU_initialize_registry() != CUE_SUCCESS) {
    return 2;
  }
  CU_pSuite suite = CU_add_suite(area, NULL, NULL);
  for (size_t i = 0; i < count; i++) {
    if (suite == NULL || CU_add_test(suite, tests[i].name, tests[i].run) == NULL) {
      fprintf(stderr, "cannot register test %s: %s\n", tests[i].name, CU_get_error_msg());
      CU_cleanup_registry();
      return 2;
    }
  }
  CU_basic_set_mode(CU_BRM_VERBOSE);
  CU_ErrorCode run = CU_basic_run_tests();
  int ok = run == CUE_SUCCESS && CU_get_number_of_failures() == 0 && CU_get_number_of_suites_failed() == 0 &&
           CU_get_number_of_tests_run() == count && CU_get_number_of_asserts() > 0;
  CU_cleanup_registry();
  return ok ? 0 : 1;
}

#define UNIT_MAIN(area, tests)                                        \
  int main(void) {                                                    \
    return unit_run(area, tests, sizeof(tests) / sizeof((tests)[0])); \
  }

/* Compares as strings and prints both when they differ; NULL equals only NULL. */
#define UNIT_ASSERT_STRING(actual, expected)                                                                       \
  do {                                                                                                             \
    const char *unit_actual_ = (actual);                                                                           \
    const char *unit_expected_ = (expected);                                                                       \
    int unit_same_ = unit_actual_ == NULL || unit_expected_ == NULL ? unit_actual_ == unit_expected_               \
                                                                    : strcmp(unit_actual_, unit_expected_) == 0;   \
    if (!unit_same_) {                                                                                             \
      fprintf(stderr, "%s:%d: got \"%s\", expected \"%s\"\n", __FILE__, __LINE__,                                  \
              unit_actual_ == NULL ? "(null)" : unit_actual_, unit_expected_ == NULL ? "(null)" : unit_expected_); \
    }                                                                                                              \
    CU_ASSERT(unit_same_);                                                                                         \
  } while (0)

/* Asserts that call returned code, printing the error's message when not. */
#define UNIT_ASSERT_CODE(call, code, error)                                                                      \
  do {                                                                                                           \
    int32_t unit_code_ = (call);                                                                                 \
    if (unit_code_ != (code)) {                                                                                  \
      fprintf(stderr, "%s:%d: got code %d, expected %d: %s\n", __FILE__, __LINE__, (int)unit_code_, (int)(code), \
              (error)->message);                                                                                 \
    }                                                                                                            \
    CU_ASSERT_EQUAL(unit_code_, (code));                                                                         \
  } while (0)

#endif
