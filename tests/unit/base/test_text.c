/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "base/text.h"

/* The expected values are what Python's bytes.decode("utf-8", "replace") makes of the bytes. */
static const struct {
  const char *bytes;
  const char *repaired;
  int valid;
} utf8_cases[] = {
    {"plain", "plain", 1},
    {"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", 1},
    {"\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", "\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", 1},
    {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF", 1},
    {"\x80", "\xEF\xBF\xBD", 0},
    {"a\xFFz", "a\xEF\xBF\xBDz", 0},
    {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD", 0},
    {"\xE0\x80\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0},
    {"\xE0\x9F\xBF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0},
    {"\xF0\x8F\xBF\xBF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0},
    {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0},
    {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0},
    {"\xF5\x80\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0},
    {"\xE2\x82", "\xEF\xBF\xBD", 0},
    {"\xE2\x82(", "\xEF\xBF\xBD(", 0},
    {"\xF0\x9F\x98", "\xEF\xBF\xBD", 0},
    {"\xF0\x9F\xC3\xA9", "\xEF\xBF\xBD\xC3\xA9", 0},
    {"12345678\xC3", "12345678\xEF\xBF\xBD", 0},
};

static void test_utf8(void) {
  for (size_t i = 0; i < sizeof(utf8_cases) / sizeof(utf8_cases[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
    const char *bytes = utf8_cases[i].bytes;
    CU_ASSERT_EQUAL(mloom_text_is_utf8(bytes, strlen(bytes)), utf8_cases[i].valid);
    CU_ASSERT_EQUAL(mloom_text_append_utf8(&out, bytes, strlen(bytes)), MLOOM_OK);
    UNIT_ASSERT_STRING(mloom_buffer_string(&out), utf8_cases[i].repaired);
  }
}

static void test_complete_prefix(void) {
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("", 0), 0);
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("abc", 3), 3);
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("ab\xC3", 3), 2);
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("ab\xC3\xA9", 4), 4);
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("\xF0\x9F\x98", 3), 0);
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("a\xF0\x9F", 3), 1);
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("\xF0\x9F\x98\x80", 4), 4);
  /* Malformed, and no more bytes would mend it. */
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("a\xFF", 2), 2);
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("\x80\x80\x80\x80", 4), 4);
  CU_ASSERT_EQUAL(mloom_text_complete_prefix("\xED\xA0", 2), 2);
}

static void assert_printable(const char *text, size_t size, int keep_newlines, const char *expected) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  CU_ASSERT_EQUAL(mloom_text_append_printable(&out, text, size, keep_newlines), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), expected);
}

static void test_printable(void) {
  assert_printable("plain \xC3\xA9\t", 9, 0, "plain \xC3\xA9\t");
  assert_printable("two\r\nlines", 10, 0, "two lines");
  assert_printable("two\r\nlines", 10, 1, "two\nlines");
  assert_printable("\x1B[31mred", 8, 1, "<1B>[31mred");
  assert_printable("a\0b\x7F\a", 5, 1, "a<00>b<7F><07>");
  assert_printable("\xC2\x9B"
                   "31m",
                   5, 0, "<U+009B>31m");
  assert_printable("user\xE2\x80\xAEtxt.exe", 14, 0, "user<U+202E>txt.exe");
  assert_printable("\xE2\x81\xA6x\xE2\x81\xA9", 7, 0, "<U+2066>x<U+2069>");
  assert_printable("a\xE2\x80\x8B\xEF\xBB\xBF\xF3\xA0\x81\x81", 11, 0, "a<U+200B><U+FEFF><U+E0041>");
  assert_printable("\xE2\x80\xA8", 3, 1, "<U+2028>");
  assert_printable("bad \xFF", 5, 0, "bad \xEF\xBF\xBD");
}

static void test_trim_and_compare(void) {
  mloom_bytes trimmed = mloom_text_trim(mloom_text_bytes(" \t\r\n a b \v\f"));
  CU_ASSERT(mloom_text_equal(trimmed, "a b"));
  CU_ASSERT_EQUAL(mloom_text_trim(mloom_text_bytes("   ")).size, 0);
  CU_ASSERT_EQUAL(mloom_text_trim((mloom_bytes){NULL, 0}).size, 0);
  CU_ASSERT(mloom_text_equal((mloom_bytes){NULL, 0}, ""));
  CU_ASSERT(!mloom_text_equal(mloom_text_bytes("ab"), "abc"));
  CU_ASSERT(!mloom_text_equal((mloom_bytes){"ab\0", 3}, "ab"));
  CU_ASSERT(mloom_text_equal_fold(mloom_text_bytes("X-Request-ID"), "x-request-id"));
  CU_ASSERT(!mloom_text_equal_fold(mloom_text_bytes("x"), "xy"));
  CU_ASSERT(!mloom_text_equal_fold(mloom_text_bytes("xy"), "x"));
  CU_ASSERT(!mloom_text_equal_fold(mloom_text_bytes("\xC3\x89"), "\xC3\xA9"));
  CU_ASSERT(!mloom_text_equal_fold(mloom_text_bytes("@"), "`"));
}

static void test_folding_as_in_the_c_locale(void) {
  CU_ASSERT_EQUAL(mloom_text_compare_fold("X-Request-ID", "x-request-id"), 0);
  CU_ASSERT_EQUAL(mloom_text_compare_fold("", ""), 0);
  CU_ASSERT(mloom_text_compare_fold("ab", "ABC") < 0);
  CU_ASSERT(mloom_text_compare_fold("abc", "AB") > 0);
  CU_ASSERT(mloom_text_compare_fold("\xC3\x89", "z") > 0);
  CU_ASSERT_EQUAL(mloom_text_compare_start_fold("HTTPS://a", "https://b", 8), 0);
  CU_ASSERT_NOT_EQUAL(mloom_text_compare_start_fold("HTTPS://a", "https://b", 9), 0);
  CU_ASSERT_EQUAL(mloom_text_compare_start_fold("ab", "AB", 9), 0);
  CU_ASSERT_EQUAL(mloom_text_compare_start_fold("a", "b", 0), 0);
  UNIT_ASSERT_STRING(mloom_text_find_fold("no KEY here", "key"), "KEY here");
  UNIT_ASSERT_STRING(mloom_text_find_fold("kekey", "KEY"), "key");
  UNIT_ASSERT_STRING(mloom_text_find_fold("ke", "key"), NULL);
  UNIT_ASSERT_STRING(mloom_text_find_fold("", ""), "");
}

static void assert_integer(const char *text, int32_t code, int64_t expected) {
  int64_t value = 0;
  CU_ASSERT_EQUAL(mloom_text_parse_int64(mloom_text_bytes(text), &value), code);
  if (code == MLOOM_OK) {
    CU_ASSERT_EQUAL(value, expected);
  }
}

static void test_integers(void) {
  assert_integer("0", MLOOM_OK, 0);
  assert_integer("-0", MLOOM_OK, 0);
  assert_integer("+17", MLOOM_OK, 17);
  assert_integer("007", MLOOM_OK, 7);
  assert_integer("9223372036854775807", MLOOM_OK, INT64_MAX);
  assert_integer("-9223372036854775808", MLOOM_OK, INT64_MIN);
  assert_integer("9223372036854775808", MLOOM_E_INVALID, 0);
  assert_integer("-9223372036854775809", MLOOM_E_INVALID, 0);
  assert_integer("99999999999999999999999", MLOOM_E_INVALID, 0);
  assert_integer("", MLOOM_E_INVALID, 0);
  assert_integer("-", MLOOM_E_INVALID, 0);
  assert_integer(" 1", MLOOM_E_INVALID, 0);
  assert_integer("1 ", MLOOM_E_INVALID, 0);
  assert_integer("1e3", MLOOM_E_INVALID, 0);
  assert_integer("0x10", MLOOM_E_INVALID, 0);
  assert_integer("--1", MLOOM_E_INVALID, 0);
}

static void test_thousandths(void) {
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes("12")), 12000);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes("0.25")), 250);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes("1.0009")), 1000);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths((mloom_bytes){"3.5s", 3}), 3500);
  CU_ASSERT(mloom_text_parse_thousandths(mloom_text_bytes("99999999999999999999")) > 0);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes("1,5")), -1);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes("1.2.3")), -1);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes("1e3")), -1);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes("-1")), -1);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes(".")), -1);
  CU_ASSERT_EQUAL(mloom_text_parse_thousandths(mloom_text_bytes("")), -1);
}

static void test_dup(void) {
  char *copy = mloom_text_dup((mloom_bytes){"abc", 2});
  UNIT_ASSERT_STRING(copy, "ab");
  free(copy);
  copy = mloom_text_dup((mloom_bytes){NULL, 0});
  UNIT_ASSERT_STRING(copy, "");
  free(copy);
  CU_ASSERT_PTR_NULL(mloom_text_dup((mloom_bytes){"x", SIZE_MAX}));
}

static const unit_test tests[] = {
    {"UTF-8 is told from what is not, and repaired as Python does", test_utf8},
    {"a cut character is left out", test_complete_prefix},
    {"what a terminal would obey is made visible", test_printable},
    {"text is trimmed and compared", test_trim_and_compare},
    {"letters are folded as in the C locale", test_folding_as_in_the_c_locale},
    {"integers are digits that fit", test_integers},
    {"thousandths are digits with a point", test_thousandths},
    {"copies end with NUL", test_dup},
};

UNIT_MAIN("text", tests)
