/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "base/buffer.h"

static void test_empty(void) {
  mloom_buffer buffer = MLOOM_BUFFER_INIT;
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), "");
  mloom_buffer_clear(&buffer);
  mloom_buffer_truncate(&buffer, 0);
  mloom_buffer_consume(&buffer, 5);
  CU_ASSERT_EQUAL(mloom_buffer_append(&buffer, NULL, 0), MLOOM_OK);
  CU_ASSERT_PTR_NULL(buffer.data);
  char *taken = mloom_buffer_take(&buffer);
  UNIT_ASSERT_STRING(taken, "");
  free(taken);
  mloom_buffer_free(&buffer);
}

static void test_append(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer buffer = MLOOM_BUFFER_INIT;
  CU_ASSERT_EQUAL(mloom_buffer_append_string(&buffer, "one"), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_buffer_append_char(&buffer, ' '), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_buffer_append(&buffer, "two\0three", 9), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_buffer_append_format(&buffer, "%d%s", 42, "x"), MLOOM_OK);
  CU_ASSERT_EQUAL(buffer.size, 16);
  CU_ASSERT_EQUAL(memcmp(buffer.data, "one two\0three42x", 17), 0);
}

static void test_grows_with_its_own_bytes(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer buffer = MLOOM_BUFFER_INIT;
  for (int i = 0; i < 10000; i++) {
    CU_ASSERT_EQUAL_FATAL(mloom_buffer_append_format(&buffer, "%04d", i), MLOOM_OK);
  }
  CU_ASSERT_EQUAL(buffer.size, 40000);
  CU_ASSERT_EQUAL(strlen(buffer.data), 40000);
  CU_ASSERT_EQUAL(memcmp(buffer.data + 39996, "9999", 4), 0);
}

static void test_set_and_equal(void) {
  mloom_buffer buffer = MLOOM_BUFFER_INIT;
  mloom_buffer other = MLOOM_BUFFER_INIT;
  CU_ASSERT_TRUE(mloom_buffer_equal(&buffer, &other));
  CU_ASSERT_EQUAL(mloom_buffer_set(&buffer, "longer", 6), MLOOM_OK);
  CU_ASSERT_FALSE(mloom_buffer_equal(&buffer, &other));
  CU_ASSERT_EQUAL(mloom_buffer_set(&buffer, "one", 3), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), "one");
  mloom_buffer_append_string(&other, "two");
  CU_ASSERT_FALSE(mloom_buffer_equal(&buffer, &other));
  CU_ASSERT_EQUAL(mloom_buffer_set(&buffer, "x", (size_t)-1), MLOOM_E_MEMORY);
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), "one");
  CU_ASSERT_EQUAL(mloom_buffer_set(&other, "one", 3), MLOOM_OK);
  CU_ASSERT_TRUE(mloom_buffer_equal(&buffer, &other));
  CU_ASSERT_EQUAL(mloom_buffer_set(&other, NULL, 0), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&other), "");
  mloom_buffer_free(&buffer);
  mloom_buffer_free(&other);
}

static void test_consume_and_truncate(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer buffer = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&buffer, "abcdef");
  mloom_buffer_consume(&buffer, 2);
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), "cdef");
  mloom_buffer_truncate(&buffer, 3);
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), "cde");
  mloom_buffer_truncate(&buffer, 30);
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), "cde");
  mloom_buffer_consume(&buffer, 3);
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), "");
  CU_ASSERT_EQUAL(buffer.size, 0);
}

static void test_impossible_sizes_are_refused(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer buffer = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&buffer, "kept");
  CU_ASSERT_EQUAL(mloom_buffer_reserve(&buffer, SIZE_MAX), MLOOM_E_MEMORY);
  CU_ASSERT_EQUAL(mloom_buffer_reserve(&buffer, SIZE_MAX - 4), MLOOM_E_MEMORY);
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), "kept");
}

static void test_take(void) {
  mloom_buffer buffer = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&buffer, "mine");
  char *taken = mloom_buffer_take(&buffer);
  UNIT_ASSERT_STRING(taken, "mine");
  CU_ASSERT_PTR_NULL(buffer.data);
  free(taken);
}

static void test_wiping(void) {
  mloom_buffer buffer = MLOOM_BUFFER_INIT;
  for (int i = 0; i < 1000; i++) {
    CU_ASSERT_EQUAL(mloom_buffer_append_wiping(&buffer, "secret ", 7), MLOOM_OK);
  }
  CU_ASSERT_EQUAL(buffer.size, 7000);
  CU_ASSERT_EQUAL(strlen(mloom_buffer_string(&buffer)), 7000);
  CU_ASSERT_EQUAL(memcmp(buffer.data + 6993, "secret ", 8), 0);
  CU_ASSERT_EQUAL(mloom_buffer_append_wiping(&buffer, "", SIZE_MAX / 2), MLOOM_E_MEMORY);
  CU_ASSERT_EQUAL(buffer.size, 7000);
  mloom_buffer_wipe(&buffer);
  CU_ASSERT_PTR_NULL(buffer.data);
  mloom_buffer_wipe(&buffer);
}

static const unit_test tests[] = {
    {"an empty buffer is a string", test_empty},
    {"bytes, strings and formats are appended", test_append},
    {"it grows", test_grows_with_its_own_bytes},
    {"bytes take the place of others", test_set_and_equal},
    {"bytes leave at both ends", test_consume_and_truncate},
    {"impossible sizes are refused", test_impossible_sizes_are_refused},
    {"the memory is handed over", test_take},
    {"what may be secret is overwritten", test_wiping},
};

UNIT_MAIN("buffer", tests)
