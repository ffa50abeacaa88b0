/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <locale.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_writer.h"

static void assert_refused(const char *text, const char *message) {
  mloom_json *json = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_json_parse(&json, text, strlen(text), "the job", &error), MLOOM_E_INVALID, &error);
  CU_ASSERT_PTR_NULL(json);
  UNIT_ASSERT_STRING(error.message, message);
  CU_ASSERT(error.remedy[0] != '\0');
}

static void assert_round_trip(const char *text, const char *expected) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = NULL;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_json_parse(&json, text, strlen(text), "the text", &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_json_serialize(&out, json, 0), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), expected);
}

static void test_leniency_is_off(void) {
  assert_refused("// c\n1", "the job: line 1, column 1: malformed JSON");
  assert_refused("/* c */1", "the job: line 1, column 1: malformed JSON");
  assert_refused("{'a':1}", "the job: line 1, column 2: malformed JSON");
  assert_refused("{a:1}", "the job: line 1, column 2: malformed JSON");
  assert_refused("NaN", "the job: line 1, column 1: malformed JSON");
  assert_refused("[Infinity]", "the job: line 1, column 2: malformed JSON");
  assert_refused("-Infinity", "the job: line 1, column 1: malformed JSON");
  assert_refused("[True]", "the job: line 1, column 2: malformed JSON");
  assert_refused("[1,]", "the job: line 1, column 4: malformed JSON");
  assert_refused("{\"a\":1,}", "the job: line 1, column 8: malformed JSON");
  assert_refused("[1,,2]", "the job: line 1, column 4: malformed JSON");
  assert_refused("{} x", "the job: line 1, column 4: malformed JSON");
  assert_refused("1 2", "the job: line 1, column 3: malformed JSON");
  assert_refused("[01]", "the job: line 1, column 2: malformed JSON");
  assert_refused("\"\t\"", "the job: line 1, column 1: malformed JSON");
  assert_refused("\"\\x\"", "the job: line 1, column 1: malformed JSON");
}

static void test_position_of_a_mistake(void) {
  assert_refused("", "the job: line 1, column 1: an unexpected end");
  assert_refused("  ", "the job: line 1, column 3: an unexpected end");
  assert_refused("{\n  \"a\": [1,\n    tru]\n}", "the job: line 3, column 5: malformed JSON");
  assert_refused("{\"\xC3\xA9\xC3\xA9\": x}", "the job: line 1, column 8: malformed JSON");
  assert_refused("{\"a\":1,\r\n \"a\":2}", "the job: line 2, column 3: a duplicate member");
  assert_refused("{\"a\":1,\"\\u0061\":2}", "the job: line 1, column 9: a duplicate member");
  assert_refused("{\"a\\u0000b\":1}", "the job: line 1, column 3: a member name with a NUL character");
  assert_refused("[1e999]", "the job: line 1, column 2: a number that is too large");
  assert_refused("[\"\xFF\"]", "the job: line 1, column 2: bytes that are not UTF-8");
  assert_refused("[\"\xED\xA0\x80\"]", "the job: line 1, column 2: bytes that are not UTF-8");
  assert_refused("[1", "the job: line 1, column 3: an unexpected end");
}

static void test_depth(void) {
  char text[256];
  memset(text, '[', 64);
  memset(text + 64, ']', 64);
  text[128] = '\0';
  assert_round_trip(text, text);
  memset(text, '[', 65);
  memset(text + 65, ']', 65);
  text[130] = '\0';
  assert_refused(text, "the job: line 1, column 65: more than 64 levels");
  memset(text, '[', 255);
  text[255] = '\0';
  assert_refused(text, "the job: line 1, column 65: more than 64 levels");
}

static void test_round_trip(void) {
  assert_round_trip(" {\"b\" : [1 , 2.50, -0.0, 1e5, null , true,false], \"a\":{} } \r\n",
                    "{\"b\":[1,2.50,-0.0,1e5,null,true,false],\"a\":{}}");
  assert_round_trip("\"\\u00e9\\ud83d\\ude00\\/\\n\\u0001\"", "\"\xC3\xA9\xF0\x9F\x98\x80/\\n\\u0001\"");
  assert_round_trip("[9223372036854775807,-9223372036854775808,18446744073709551615]",
                    "[9223372036854775807,-9223372036854775808,18446744073709551615]");
  assert_round_trip("\"\\ud800x\"", "\"\xEF\xBF\xBDx\"");
  assert_round_trip("null", "null");
}

static void test_looking(void) {
  static const char text[] =
      "{\"s\":\"a\\u0000b\",\"i\":7,\"n\":7.9,\"t\":true,\"z\":null,\"l\":[1,\"x\"],\"big\":1e300}";
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_json_parse(&json, text, sizeof(text) - 1, "x", NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_kind(json), MLOOM_JSON_OBJECT);
  CU_ASSERT_EQUAL(mloom_json_count(json), 7);
  CU_ASSERT_EQUAL(mloom_json_text(mloom_json_member(json, "s")).size, 3);
  UNIT_ASSERT_STRING(mloom_json_member_string(json, "s", NULL), "a");
  UNIT_ASSERT_STRING(mloom_json_member_string(json, "i", "fallback"), "fallback");
  UNIT_ASSERT_STRING(mloom_json_member_string(json, "none", "fallback"), "fallback");
  CU_ASSERT_EQUAL(mloom_json_member_integer(json, "i", -1), 7);
  CU_ASSERT_EQUAL(mloom_json_member_integer(json, "n", -1), 7);
  CU_ASSERT_EQUAL(mloom_json_member_integer(json, "s", -1), -1);
  CU_ASSERT_EQUAL(mloom_json_member_integer(json, "big", -1), INT64_MAX);
  CU_ASSERT_EQUAL(mloom_json_member_boolean(json, "t", 0), 1);
  CU_ASSERT_EQUAL(mloom_json_member_boolean(json, "i", 0), 0);
  CU_ASSERT_PTR_NULL(mloom_json_member(json, "z"));
  CU_ASSERT_EQUAL(mloom_json_kind(mloom_json_member(json, "n")), MLOOM_JSON_NUMBER);
  mloom_json *list = mloom_json_member(json, "l");
  CU_ASSERT_EQUAL(mloom_json_count(list), 2);
  CU_ASSERT_EQUAL(mloom_json_integer(mloom_json_at(list, 0), -1), 1);
  CU_ASSERT_PTR_NULL(mloom_json_at(list, 2));
  CU_ASSERT_PTR_NULL(mloom_json_at(json, 0));
  CU_ASSERT_EQUAL(mloom_json_kind(NULL), MLOOM_JSON_NULL);
  CU_ASSERT_EQUAL(mloom_json_count(NULL), 0);
  CU_ASSERT_PTR_NULL(mloom_json_member(NULL, "a"));
}

static int collect(const char *name, mloom_json *value, void *userdata) {
  mloom_buffer_append_format(userdata, "%s=%d ", name, (int)mloom_json_integer(value, -1));
  return strcmp(name, "c") == 0 ? 5 : 0;
}

static void test_members_in_order(void) {
  static const char text[] = "{\"b\":1,\"a\":null,\"c\":3,\"d\":4}";
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *json = NULL;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer seen = MLOOM_BUFFER_INIT;
  CU_ASSERT_EQUAL_FATAL(mloom_json_parse(&json, text, sizeof(text) - 1, "x", NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_each_member(json, collect, &seen), 5);
  UNIT_ASSERT_STRING(mloom_buffer_string(&seen), "b=1 a=-1 c=3 ");
  CU_ASSERT_EQUAL(mloom_json_each_member(NULL, collect, &seen), 0);
}

static void test_building(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *object = mloom_json_new_object();
  mloom_json *list = mloom_json_new_array();
  CU_ASSERT_EQUAL(mloom_json_add(list, mloom_json_new_string("a\xFF\"", 3)), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_add(list, mloom_json_new_boolean(7)), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_add(list, mloom_json_new_number(0.5)), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_set(object, "list", list), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_set_string(object, "null", NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_set_integer(object, "integer", INT64_MIN), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_set_boolean(object, "boolean", 0), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_set_string(object, "integer", "replaced"), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_serialize(&out, object, 0), MLOOM_OK);
  UNIT_ASSERT_STRING(
      mloom_buffer_string(&out),
      "{\"list\":[\"a\xEF\xBF\xBD\\\"\",true,0.5],\"null\":null,\"integer\":\"replaced\",\"boolean\":false}");
  mloom_buffer_clear(&out);
  CU_ASSERT_EQUAL(mloom_json_serialize(&out, mloom_json_member(object, "list"), 1), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), "[\n  \"a\xEF\xBF\xBD\\\"\",\n  true,\n  0.5\n]");
}

static void test_a_failed_builder_is_not_forgotten(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *object = mloom_json_new_object();
  mloom_json *inner = mloom_json_new_object();
  mloom_buffer_append_string(&out, "kept");
  CU_ASSERT_EQUAL(mloom_json_set(NULL, "x", mloom_json_new_integer(1)), MLOOM_E_MEMORY);
  CU_ASSERT_EQUAL(mloom_json_set(inner, "x", NULL), MLOOM_E_MEMORY);
  CU_ASSERT_EQUAL(mloom_json_set(object, "inner", inner), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_serialize(&out, object, 0), MLOOM_E_MEMORY);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), "kept");
}

/* Where the C library has such a locale: its decimal comma must not reach numbers. */
static void test_wiping(void) {
  static const char text[] =
      "{\"a\": \"word\", \"b\": [1, {\"c\": \"a text that is longer than what is kept inline\"}], \"d\": \"\"}";
  mloom_json *json = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_json_parse(&json, text, sizeof text - 1, "it", NULL), MLOOM_OK);
  mloom_bytes values[] = {mloom_json_text(mloom_json_member(json, "a")),
                          mloom_json_text(mloom_json_member(mloom_json_at(mloom_json_member(json, "b"), 1), "c"))};
  CU_ASSERT_EQUAL(values[1].size, 46);
  mloom_json_wipe(json);
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    for (size_t j = 0; j < values[i].size; j++) {
      CU_ASSERT_EQUAL(values[i].data[j], '\0');
    }
  }
  mloom_json_unref(json);
  mloom_json_wipe(NULL);
}

static void test_locale(void) {
  const char *found = setlocale(LC_NUMERIC, "de_DE.UTF-8");
  assert_round_trip("[2.5]", "[2.5]");
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *number = mloom_json_new_number(2.5);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  CU_ASSERT_EQUAL(mloom_json_serialize(&out, number, 0), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), "2.5");
  if (found != NULL) {
    setlocale(LC_NUMERIC, "C");
  }
}

static void test_writer(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&out, "{");
  CU_ASSERT_EQUAL(mloom_json_write_member(&out, "a", "\"\\\b\f\n\r\t\x01\x7F/\xC3\xA9", 12), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_write_member(&out, "b\"", "cut \xC3", 5), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_write_member(&out, "empty", NULL, 0), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_json_write_name(&out, "list"), MLOOM_OK);
  mloom_buffer_append_string(&out, "[");
  CU_ASSERT_EQUAL(mloom_json_write_string(&out, "a\0b", 3), MLOOM_OK);
  mloom_buffer_append_string(&out, "]}");
  UNIT_ASSERT_STRING(mloom_buffer_string(&out),
                     "{\"a\":\"\\\"\\\\\\u0008\\u000c\\n\\r\\t\\u0001\\u007f/\xC3\xA9\",\"b\\\"\":\"cut \xEF\xBF\xBD\","
                     "\"empty\":\"\",\"list\":[\"a\\u0000b\"]}");
}

static const unit_test tests[] = {
    {"comments, single quotes, NaN, trailing data and the like are refused", test_leniency_is_off},
    {"a mistake is shown with line and column", test_position_of_a_mistake},
    {"64 levels and no more", test_depth},
    {"what is read is written again", test_round_trip},
    {"values are looked up", test_looking},
    {"members come in order", test_members_in_order},
    {"trees are built", test_building},
    {"a failed builder fails the writing", test_a_failed_builder_is_not_forgotten},
    {"strings are overwritten", test_wiping},
    {"numbers do not follow the locale", test_locale},
    {"the writer escapes", test_writer},
};

UNIT_MAIN("json", tests)
