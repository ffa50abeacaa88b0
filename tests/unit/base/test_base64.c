/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/base64.h"

/* RFC 4648, section 10, and what the two alphabets do not share. */
static const struct {
  const char *bytes;
  const char *text;
  const char *url;
} cases[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xef\xbe\xff\xff\xff", "++++////", "----____"},
};

static void test_both_ways(void) {
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
    CU_ASSERT_EQUAL(mloom_base64_append(&text, cases[i].bytes, strlen(cases[i].bytes)), MLOOM_OK);
    CU_ASSERT_EQUAL(mloom_base64_append_url(&url, cases[i].bytes, strlen(cases[i].bytes)), MLOOM_OK);
    UNIT_ASSERT_STRING(mloom_buffer_string(&text), cases[i].text);
    UNIT_ASSERT_STRING(mloom_buffer_string(&url), cases[i].url);
    CU_ASSERT_EQUAL(mloom_base64_decode(&bytes, text.data, text.size), MLOOM_OK);
    UNIT_ASSERT_STRING(mloom_buffer_string(&bytes), cases[i].bytes);
    mloom_buffer_clear(&bytes);
    CU_ASSERT_EQUAL(mloom_base64_decode(&bytes, url.data, url.size), MLOOM_OK);
    UNIT_ASSERT_STRING(mloom_buffer_string(&bytes), cases[i].bytes);
  }
}

static void test_malformed(void) {
  static const char *const texts[] = {
      "A", "AAAAA", "====", "Zg=", "Z===", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zh==", "Zm9="};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
    mloom_buffer_append_string(&bytes, "before");
    CU_ASSERT_EQUAL(mloom_base64_decode(&bytes, texts[i], strlen(texts[i])), MLOOM_E_INVALID);
    UNIT_ASSERT_STRING(mloom_buffer_string(&bytes), "before");
  }
}

static const unit_test tests[] = {
    {"the vectors of RFC 4648, both ways", test_both_ways},
    {"malformed text leaves the bytes as they were", test_malformed},
};
UNIT_MAIN("base64", tests)
