/* SPDX-License-Identifier: Apache-2.0
 *
 * What the command line does to text before a terminal gets it.
 */
#include "harness.h"

#include <stdlib.h>

#include "../../../tool/json.h"
#include "../../../tool/text.h"

static void test_safe(void) {
  static const struct {
    const char *text;
    const char *expected;
  } cases[] = {
      {"plain", "plain"},
      {"a\x1b[31mred\x1b[0m b", "ared b"},
      {"a\x1b]0;title\x07z", "az"},
      {"a\x1b]8;;http://x\x1b\\link", "alink"},
      {"set\x1b(Bcharset\x1b"
       "c",
       "setcharset"},
      {"bell\a back\b null", "bell back null"},
      {"one\ntwo\tthree", "one two three"},
      {"\xc2\x9b"
       "31m",
       "31m"},
      {"user\xe2\x80\xaetxt.exe", "usertxt.exe"},
      {"zero\xe2\x80\x8bwidth", "zerowidth"},
      {"bad\xff"
       "byte",
       "bad\xef\xbf\xbd"
       "byte"},
      {"cut\xe2\x82", "cut\xef\xbf\xbd\xef\xbf\xbd"},
      {"over\xc0\xaf", "over\xef\xbf\xbd\xef\xbf\xbd"},
      {"Gr\xc3\xbc\xc3\x9f", "Gr\xc3\xbc\xc3\x9f"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    tool_text text = {NULL, 0, 0};
    tool_text_add_safe(&text, cases[i].text, strlen(cases[i].text), 0);
    UNIT_ASSERT_STRING(tool_text_get(&text), cases[i].expected);
    tool_text_free(&text);
  }
  tool_text text = {NULL, 0, 0};
  tool_text_add_safe(&text, "a\nb\r\nc", 6, 1);
  UNIT_ASSERT_STRING(tool_text_get(&text), "a\nb\nc");
  tool_text_free(&text);
}

static void test_columns(void) {
  CU_ASSERT_EQUAL(tool_text_columns("abc", 3), 3);
  CU_ASSERT_EQUAL(tool_text_columns("\xe6\x97\xa5\xe6\x9c\xac", 6), 4); /* two wide characters */
  CU_ASSERT_EQUAL(tool_text_columns("e\xcc\x81", 3), 1);                /* a combining accent */
  static const struct {
    const char *text;
    size_t columns;
    const char *expected;
  } cases[] = {{"abcdef", 6, "abcdef"},
               {"abcdef", 5, "abcd\xe2\x80\xa6"},
               {"abcdef", 1, "\xe2\x80\xa6"},
               {"abcdef", 0, ""},
               {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, "\xe6\x97\xa5\xe2\x80\xa6"}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    tool_text text = {NULL, 0, 0};
    size_t used = tool_text_add_cut(&text, cases[i].text, strlen(cases[i].text), cases[i].columns);
    UNIT_ASSERT_STRING(tool_text_get(&text), cases[i].expected);
    CU_ASSERT(used <= cases[i].columns);
    tool_text_free(&text);
  }
}

static void test_break(void) {
  size_t next = 0;
  CU_ASSERT_EQUAL(tool_text_break("one two three", 13, 8, &next), 7);
  CU_ASSERT_EQUAL(next, 8);
  CU_ASSERT_EQUAL(tool_text_break("one two", 7, 7, &next), 7);
  CU_ASSERT_EQUAL(next, 7);
  CU_ASSERT_EQUAL(tool_text_break("onetwothree", 11, 4, &next), 4);
  CU_ASSERT_EQUAL(next, 4);
  CU_ASSERT_EQUAL(tool_text_break("one two", 7, 3, &next), 3);
  CU_ASSERT_EQUAL(next, 4);
  CU_ASSERT_EQUAL(tool_text_break("\xe6\x97\xa5", 3, 1, &next), 3); /* never nothing */
}

static void test_json(void) {
  static const char text[] =
      "{\"a\":[1,-2.5e3,true,false,null,\"x\\u00e9\\ud83d\\ude00\\n\\ud800\"],\"b\":{\"c\":\"d\"}}";
  json_document *document = json_parse(text, sizeof(text) - 1);
  const json_value *list = json_get(json_root(document), "a");
  CU_ASSERT_PTR_NOT_NULL_FATAL(document);
  CU_ASSERT_EQUAL(json_count(list), 6);
  UNIT_ASSERT_STRING(json_string(json_get(json_root(document), "b"), "c", ""), "d");
  const json_value *last = json_first(list);
  while (last->next != NULL) {
    last = last->next;
  }
  UNIT_ASSERT_STRING(last->text, "x\xc3\xa9\xf0\x9f\x98\x80\n\xef\xbf\xbd");
  json_free(document);
  static const char *const malformed[] = {"",        "{",         "[1,]",  "{\"a\"}", "{\"a\":}", "[1 2]", "\"a",
                                          "\"\\x\"", "\"\\u12\"", "{a:1}", "[",       "nul",      "{}x",   "\"\n\""};
  for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
    CU_ASSERT_PTR_NULL(json_parse(malformed[i], strlen(malformed[i])));
  }
  char deep[201];
  memset(deep, '[', 200);
  CU_ASSERT_PTR_NULL(json_parse(deep, 200));
}

static const unit_test tests[] = {
    {"safe for terminals", test_safe}, {"columns", test_columns}, {"line breaks", test_break}, {"JSON", test_json}};

int main(void) {
  setenv("LC_ALL", "C.UTF-8", 1);
  return tool_text_init() ? unit_run("tool text", tests, sizeof(tests) / sizeof(tests[0])) : 77;
}
