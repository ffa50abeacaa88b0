/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"

static int accepts(const char *text, size_t size) {
  mloom_json_reader reader;
  /* An allocation of its own shows every read beyond the text. */
  char *copy = malloc(size == 0 ? 1 : size);
  memcpy(copy, text, size);
  mloom_json_reader_init(&reader, copy, size);
  mloom_json_reader_skip(&reader);
  int accepted = mloom_json_reader_end(&reader) == MLOOM_OK;
  free(copy);
  return accepted;
}

/* From RFC 8259 and the y_ and n_ cases that every JSON test collection has. */
static const char *const valid[] = {"0",
                                    "-0",
                                    "1.5",
                                    "-12.34e+56",
                                    "1E5",
                                    "1e-2",
                                    "true",
                                    "false",
                                    "null",
                                    "\"\"",
                                    "[]",
                                    "{}",
                                    " [ 1 , 2 ] ",
                                    "\t{\"a\" :\r\n1}\n",
                                    "[[],{}]",
                                    "{\"\":0}",
                                    "\"\\u0000\"",
                                    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\uABcd\"",
                                    "\"\xF0\x9F\x98\x80\"",
                                    "\"\x7F\"",
                                    "{\"a\":1,\"a\":2}",
                                    "[1e999]",
                                    "\"\\ud800\"",
                                    "[\"exactly8\"]",
                                    "\"1234567\""};
static const char *const invalid[] = {"",
                                      " ",
                                      "-",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1.e5",
                                      "01",
                                      "-01",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "1_0",
                                      "tru",
                                      "truE",
                                      "nul",
                                      "NULL",
                                      "\"",
                                      "\"\\\"",
                                      "\"\\",
                                      "\"\\u12\"",
                                      "\"\\u12G4\"",
                                      "\"\\a\"",
                                      "\"\n\"",
                                      "\"\x1F\"",
                                      "\"\xFF\"",
                                      "\"\xC3\"",
                                      "\"12345678\xE2\x82\"",
                                      "[",
                                      "]",
                                      "{",
                                      "}",
                                      "[1",
                                      "[1,",
                                      "[,1]",
                                      "[1,]",
                                      "[1 2]",
                                      "[1:2]",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":1",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{\"a\" 1}",
                                      "{\"a\",1}",
                                      "{1:2}",
                                      "{a:1}",
                                      "[}",
                                      "{]",
                                      "1 2",
                                      "[] []",
                                      "\"a\" x",
                                      "[1]]",
                                      "\xEF\xBB\xBF[]",
                                      "[\v1]",
                                      "\xC2\xA0[]",
                                      "'a'",
                                      "// c\n1",
                                      "NaN",
                                      "Infinity",
                                      "{\"a\":1]",
                                      "[1}",
                                      "{\"a\":1}}"};

static void test_acceptance(void) {
  for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
    CU_ASSERT(accepts(valid[i], strlen(valid[i])));
    if (!accepts(valid[i], strlen(valid[i]))) {
      fprintf(stderr, "refused: %s\n", valid[i]);
    }
  }
  for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
    CU_ASSERT(!accepts(invalid[i], strlen(invalid[i])));
    if (accepts(invalid[i], strlen(invalid[i]))) {
      fprintf(stderr, "accepted: %s\n", invalid[i]);
    }
  }
  CU_ASSERT(!accepts("1\0", 2));
  CU_ASSERT(!accepts("\"a\0b\"", 5));
}

static void test_every_prefix_is_refused(void) {
  static const char text[] = "{\"a\":[1.5e3,true,null,\"x\\u00e9\\n\xC3\xA9\"],\"b\":{\"c\":false}}";
  CU_ASSERT(accepts(text, sizeof(text) - 1));
  for (size_t size = 0; size < sizeof(text) - 1; size++) {
    CU_ASSERT(!accepts(text, size));
  }
}

static void test_depth(void) {
  char text[300];
  for (size_t depth = 1; depth < 150; depth++) {
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    CU_ASSERT_EQUAL(accepts(text, 2 * depth), depth <= MLOOM_JSON_READER_DEPTH);
  }
}

static void test_fields(void) {
  static const char text[] =
      "{\"id\":\"chat\\u002d1\",\"skipped\":[{\"a\":[1,{}]},2],\"n\":-42,\"ok\":true,\"text\":\"plain\",\"last\":null}";
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes string = {NULL, 0};
  int64_t integer = 0;
  int boolean = 0;
  int members = 0;
  mloom_json_reader_init(&reader, text, sizeof(text) - 1);
  CU_ASSERT(mloom_json_reader_object(&reader));
  while (mloom_json_reader_key(&reader, &key)) {
    members++;
    if (mloom_text_equal(key, "id")) {
      CU_ASSERT(mloom_json_reader_string(&reader, &scratch, &string));
      CU_ASSERT(mloom_text_equal(string, "chat-1"));
    } else if (mloom_text_equal(key, "n")) {
      CU_ASSERT(mloom_json_reader_integer(&reader, &integer));
    } else if (mloom_text_equal(key, "ok")) {
      CU_ASSERT(mloom_json_reader_boolean(&reader, &boolean));
    } else if (mloom_text_equal(key, "text")) {
      CU_ASSERT(mloom_json_reader_string(&reader, &scratch, &string));
      CU_ASSERT(mloom_text_equal(string, "plain"));
      CU_ASSERT(string.data > text && string.data < text + sizeof(text));
    } else if (mloom_text_equal(key, "last")) {
      CU_ASSERT_EQUAL(mloom_json_reader_peek(&reader), MLOOM_JSON_NULL);
      CU_ASSERT(!mloom_json_reader_string(&reader, &scratch, &string));
      CU_ASSERT_PTR_NULL(string.data);
    } else {
      CU_ASSERT(mloom_json_reader_raw(&reader, &string));
      CU_ASSERT(mloom_text_equal(string, "[{\"a\":[1,{}]},2]"));
    }
  }
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_OK);
  CU_ASSERT_EQUAL(members, 6);
  CU_ASSERT_EQUAL(integer, -42);
  CU_ASSERT_EQUAL(boolean, 1);
}

static void test_other_kinds_are_skipped(void) {
  static const char text[] = " [ {\"a\":1} , [2] , \"s\" , 3 , null , true ] ";
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_bytes string;
  int64_t integer;
  int boolean;
  mloom_json_reader_init(&reader, text, sizeof(text) - 1);
  CU_ASSERT_EQUAL(mloom_json_reader_peek(&reader), MLOOM_JSON_ARRAY);
  CU_ASSERT(mloom_json_reader_array(&reader));
  CU_ASSERT(mloom_json_reader_element(&reader));
  CU_ASSERT(!mloom_json_reader_integer(&reader, &integer));
  CU_ASSERT(mloom_json_reader_element(&reader));
  CU_ASSERT(!mloom_json_reader_object(&reader));
  CU_ASSERT(mloom_json_reader_element(&reader));
  CU_ASSERT(!mloom_json_reader_boolean(&reader, &boolean));
  CU_ASSERT(mloom_json_reader_element(&reader));
  CU_ASSERT(!mloom_json_reader_append_string(&reader, &scratch));
  CU_ASSERT(mloom_json_reader_element(&reader));
  CU_ASSERT(!mloom_json_reader_array(&reader));
  CU_ASSERT(mloom_json_reader_element(&reader));
  CU_ASSERT(!mloom_json_reader_string(&reader, &scratch, &string));
  CU_ASSERT(!mloom_json_reader_element(&reader));
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_OK);
  CU_ASSERT_EQUAL(scratch.size, 0);
  mloom_json_reader_init(&reader, "  5", 3);
  CU_ASSERT(!mloom_json_reader_object(&reader));
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_OK);
}

static void assert_string(const char *text, const char *expected, size_t expected_size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer appended = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_bytes string;
  mloom_json_reader_init(&reader, text, strlen(text));
  CU_ASSERT(mloom_json_reader_string(&reader, &scratch, &string));
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_OK);
  CU_ASSERT_EQUAL(string.size, expected_size);
  CU_ASSERT(string.size == expected_size && memcmp(string.data, expected, expected_size) == 0);
  mloom_buffer_append_string(&appended, "before");
  mloom_json_reader_init(&reader, text, strlen(text));
  CU_ASSERT(mloom_json_reader_append_string(&reader, &appended));
  CU_ASSERT_EQUAL(appended.size, 6 + expected_size);
  CU_ASSERT(appended.size == 6 + expected_size && memcmp(appended.data + 6, expected, expected_size) == 0);
}

static void test_strings(void) {
  assert_string("\"\"", "", 0);
  assert_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
  assert_string("\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\"", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10);
  assert_string("\"a\\u0000b\"", "a\0b", 3);
  assert_string("\"\\uD800\"", "\xEF\xBF\xBD", 3);
  assert_string("\"\\uDC00\\uD800x\"", "\xEF\xBF\xBD\xEF\xBF\xBDx", 7);
  assert_string("\"\\uD800\\u0041\"",
                "\xEF\xBF\xBD"
                "A",
                4);
  assert_string("\"\\uD800\\uD83D\\uDE00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80", 7);
  assert_string("\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF", 4);
  assert_string("\"long enough for the word loop \\n and on and on and on\"",
                "long enough for the word loop \n and on and on and on", 52);
}

static void assert_integer(const char *text, int64_t expected) {
  mloom_json_reader reader;
  int64_t value = 77;
  mloom_json_reader_init(&reader, text, strlen(text));
  CU_ASSERT(mloom_json_reader_integer(&reader, &value));
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_OK);
  if (value != expected) {
    fprintf(stderr, "%s: got %lld\n", text, (long long)value);
  }
  CU_ASSERT_EQUAL(value, expected);
}

static void test_integers(void) {
  assert_integer("0", 0);
  assert_integer("-0", 0);
  assert_integer("9223372036854775807", INT64_MAX);
  assert_integer("9223372036854775808", INT64_MAX);
  assert_integer("-9223372036854775808", INT64_MIN);
  assert_integer("-9223372036854775809", INT64_MIN);
  assert_integer("12.99", 12);
  assert_integer("-12.99", -12);
  assert_integer("0.999", 0);
  assert_integer("1e3", 1000);
  assert_integer("1.2345e2", 123);
  assert_integer("1.5e+1", 15);
  assert_integer("12345e-2", 123);
  assert_integer("5e-1", 0);
  assert_integer("1e18", 1000000000000000000);
  assert_integer("1e19", INT64_MAX);
  assert_integer("-1e400", INT64_MIN);
  assert_integer("0e99999999999999999999", 0);
  assert_integer("0.0001e4", 1);
  assert_integer("1e-99999999999999999999", 0);
  assert_integer("1e99999999999999999999", INT64_MAX);
}

/* After the first mistake nothing is read any more. */
static void test_misuse_ends(void) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, "{\"a\":1,\"b\":2}", 13);
  CU_ASSERT(mloom_json_reader_object(&reader));
  CU_ASSERT(mloom_json_reader_key(&reader, &key));
  CU_ASSERT(!mloom_json_reader_key(&reader, &key)); /* the value was not read */
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_E_INVALID);
  CU_ASSERT_EQUAL(mloom_json_reader_peek(&reader), -1);
  CU_ASSERT(!mloom_json_reader_object(&reader));
  CU_ASSERT(!mloom_json_reader_element(&reader));
  mloom_json_reader_init(&reader, "[1]", 3);
  CU_ASSERT(mloom_json_reader_array(&reader));
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_E_INVALID);
  mloom_json_reader_init(&reader, "[1]", 3);
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_E_INVALID);
  CU_ASSERT(!mloom_json_reader_element(&reader));
}

static void test_half_characters_are_mended(void) {
  static const char *const cases[][2] = {
      {"", ""},
      {"\\", "\\"},
      {"\\u", "\\u"},
      {"\\ud83", "\\ud83"},
      {"\\ud83d", "\\ufffd"},
      {"\\uD83Dx", "\\ufffdx"},
      {"\\ud83d\\", "\\ufffd\\"},
      {"\\ud83d\\ude0", "\\ufffd\\ude0"},
      {"\\ud83d\\ude00", "\\ud83d\\ude00"},
      {"\\ud83d\\ud83d\\ude00", "\\ufffd\\ud83d\\ude00"},
      {"\\ude00\\ud83d", "\\ufffd\\ufffd"},
      {"\\\\ud83d", "\\\\ud83d"},
      {"\\\\\\ud83d", "\\\\\\ufffd"},
      {"\\uzzzz\\ud800", "\\uzzzz\\ufffd"},
      {"\\u00fc\n", "\\u00fc\n"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    size_t size = strlen(cases[i][0]);
    char *copy = malloc(size > 0 ? size : 1); /* without an end, for the sanitizer */
    memcpy(copy, cases[i][0], size);
    mloom_json_mend_surrogates(copy, size);
    CU_ASSERT_EQUAL(memcmp(copy, cases[i][1], size), 0);
    free(copy);
  }
}

static const unit_test tests[] = {
    {"JSON and nothing else is accepted", test_acceptance},
    {"every prefix of a text is refused", test_every_prefix_is_refused},
    {"64 levels and no more", test_depth},
    {"fields are picked out", test_fields},
    {"values of another kind are skipped", test_other_kinds_are_skipped},
    {"escapes are undone", test_strings},
    {"integers are truncated and saturate", test_integers},
    {"misuse ends in an error", test_misuse_ends},
    {"half characters are mended", test_half_characters_are_mended},
};

UNIT_MAIN("json_reader", tests)
