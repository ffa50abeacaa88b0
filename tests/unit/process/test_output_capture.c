/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "process/process.h"

static void add(mloom_output_capture *capture, const char *text) {
  CU_ASSERT_EQUAL(mloom_output_capture_add(capture, text, strlen(text)), MLOOM_OK);
}

static void expect(const mloom_output_capture *capture, const char *expected) {
  mloom_buffer out = MLOOM_BUFFER_INIT;
  CU_ASSERT_EQUAL(mloom_output_capture_append_to(capture, &out), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), expected);
  mloom_buffer_free(&out);
}

static void expect_of(size_t head, size_t tail, const char *text, const char *expected) {
  /* Whole, and byte for byte. */
  for (int split = 0; split < 2; split++) {
    mloom_output_capture *capture = NULL;
    CU_ASSERT_EQUAL_FATAL(mloom_output_capture_new(&capture, head, tail), MLOOM_OK);
    if (split) {
      for (size_t i = 0; text[i] != '\0'; i++) {
        CU_ASSERT_EQUAL(mloom_output_capture_add(capture, text + i, 1), MLOOM_OK);
      }
    } else {
      add(capture, text);
    }
    CU_ASSERT_EQUAL(mloom_output_capture_total(capture), strlen(text));
    expect(capture, expected);
    mloom_output_capture_free(capture);
  }
}

static void test_short_output_is_kept_whole(void) {
  expect_of(8, 8, "", "");
  expect_of(8, 8, "12345678", "12345678");
  expect_of(8, 8, "1234567890123456", "1234567890123456");
}

static void test_long_output_loses_its_middle(void) {
  expect_of(4, 4, "abcdefghijk", "abcd\n[... 3 bytes left out ...]\nhijk");
  expect_of(4, 4, "abc\nefghijk", "abc\n[... 3 bytes left out ...]\nhijk");
  expect_of(4, 0, "abcdefghijk", "abcd\n[... 7 bytes left out ...]\n");
  expect_of(0, 4, "abcdefghijk", "[... 7 bytes left out ...]\nhijk");
}

static void test_characters_are_not_cut(void) {
  /* U+00E9 is two bytes, U+1F600 four. */
  expect_of(4, 4, "abc\xc3\xa9 middle \xc3\xa9xyz", "abc\n[... 12 bytes left out ...]\nxyz");
  expect_of(6, 6, "ab\xf0\x9f\x98\x80 middle \xf0\x9f\x98\x80yz",
            "ab\xf0\x9f\x98\x80\n[... 8 bytes left out ...]\n\xf0\x9f\x98\x80yz");
  expect_of(5, 5, "ab\xf0\x9f\x98\x80 middle \xf0\x9f\x98\x80yz", "ab\n[... 16 bytes left out ...]\nyz");
  /* A character that lies on the border of head and tail, with nothing missing. */
  expect_of(3, 8, "ab\xf0\x9f\x98\x80yz", "ab\xf0\x9f\x98\x80yz");
}

static void test_malformed_bytes_are_replaced(void) {
  expect_of(16, 16, "a\xff\xfez", "a\xef\xbf\xbd\xef\xbf\xbdz");
}

static void test_ring_wraps_at_every_offset(void) {
  char text[64];
  for (size_t i = 0; i < sizeof(text) - 1; i++) {
    text[i] = (char)('A' + i % 26);
  }
  text[sizeof(text) - 1] = '\0';
  for (size_t chunk = 1; chunk < 24; chunk++) {
    mloom_output_capture *capture = NULL;
    CU_ASSERT_EQUAL_FATAL(mloom_output_capture_new(&capture, 5, 7), MLOOM_OK);
    for (size_t i = 0; i < sizeof(text) - 1; i += chunk) {
      size_t left = sizeof(text) - 1 - i;
      mloom_output_capture_add(capture, text + i, chunk < left ? chunk : left);
    }
    char expected[96];
    snprintf(expected, sizeof(expected), "ABCDE\n[... 51 bytes left out ...]\n%s", text + sizeof(text) - 1 - 7);
    expect(capture, expected);
    mloom_output_capture_free(capture);
  }
}

static void test_much_output_takes_no_memory(void) {
  static char chunk[65536];
  memset(chunk, 'x', sizeof(chunk));
  mloom_output_capture *capture = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_output_capture_new(&capture, 100, 100), MLOOM_OK);
  for (int i = 0; i < 4096; i++) {
    mloom_output_capture_add(capture, chunk, sizeof(chunk));
  }
  CU_ASSERT_EQUAL(mloom_output_capture_total(capture), 4096ull * 65536);
  mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_output_capture_append_to(capture, &out);
  CU_ASSERT(out.size < 300);
  CU_ASSERT(out.capacity < 4096);
  mloom_buffer_free(&out);
  mloom_output_capture_free(capture);
}

static const unit_test tests[] = {
    {"short output is kept whole", test_short_output_is_kept_whole},
    {"long output loses its middle", test_long_output_loses_its_middle},
    {"characters are not cut", test_characters_are_not_cut},
    {"malformed bytes are replaced", test_malformed_bytes_are_replaced},
    {"the ring wraps at every offset", test_ring_wraps_at_every_offset},
    {"much output takes no memory", test_much_output_takes_no_memory},
};

UNIT_MAIN("output capture", tests)
