/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/buffer.h"
#include "net/http.h"

static void assert_origin(const char *url, const char *expected) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_http_origin(&out, url, &error), expected == NULL ? MLOOM_E_INVALID : MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), expected == NULL ? "" : expected);
  CU_ASSERT(expected != NULL || (error.message[0] != '\0' && error.remedy[0] != '\0'));
}

static void test_origin(void) {
  assert_origin("https://api.example.com/v1/chat?x=1#y", "https://api.example.com:443");
  assert_origin("HTTP://EXAMPLE.com", "http://example.com:80");
  assert_origin("http://example.com:8080", "http://example.com:8080");
  assert_origin("http://example.com?q", "http://example.com:80");
  assert_origin("http://example.com#f", "http://example.com:80");
  assert_origin("http://[::1]:8010/", "http://[::1]:8010");
  assert_origin("http://[2001:DB8::1]", "http://[2001:db8::1]:80");
  assert_origin("http://my_host-1.local/@x:y", "http://my_host-1.local:80");
}

static void test_refused(void) {
  static const char *const urls[] = {"",
                                     "example.com",
                                     "//example.com/",
                                     "ftp://example.com/",
                                     "javascript:alert(1)",
                                     "http:/example.com",
                                     "http://",
                                     "http:///path",
                                     "http://:80/",
                                     "http://user@example.com/",
                                     "http://user:word@example.com/",
                                     "http://good.example\\@evil.example/",
                                     "http://good.example\\.evil.example/",
                                     "http://exa mple.com/",
                                     "http://example.com/a b",
                                     "http://example.com/\n",
                                     "http://example.com/\x7F",
                                     "http://ex\xC3\xA4mple.com/",
                                     "http://example.com:/",
                                     "http://example.com:0/",
                                     "http://example.com:65536/",
                                     "http://example.com:-1/",
                                     "http://example.com:+80/",
                                     "http://example.com:80x/",
                                     "http://example.com:80:80/",
                                     "http://[::1/",
                                     "http://[::1]x/",
                                     "http://[evil.example]/",
                                     "http://[fe80::1%25eth0]/",
                                     "http://exa%6Dple.com/",
                                     "http://a,b/"};
  for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
    assert_origin(urls[i], NULL);
  }
  assert_origin(NULL, NULL);
  static char text[9000];
  memset(text, 'a', sizeof(text) - 1);
  memcpy(text, "http://", 7);
  assert_origin(text, NULL);
}

static void test_loopback(void) {
  CU_ASSERT(mloom_http_is_loopback("http://localhost:1/"));
  CU_ASSERT(mloom_http_is_loopback("http://LOCALHOST"));
  CU_ASSERT(mloom_http_is_loopback("https://127.0.0.1/"));
  CU_ASSERT(mloom_http_is_loopback("http://127.255.0.9:80/"));
  CU_ASSERT(mloom_http_is_loopback("http://[::1]:5/"));
  CU_ASSERT(mloom_http_is_loopback("http://[0:0:0:0:0:0:0:1]/"));
  CU_ASSERT(!mloom_http_is_loopback("http://127.0.0.1.evil.example/"));
  CU_ASSERT(!mloom_http_is_loopback("http://localhost.evil.example/"));
  CU_ASSERT(!mloom_http_is_loopback("http://128.0.0.1/"));
  CU_ASSERT(!mloom_http_is_loopback("http://0.0.0.0/"));
  CU_ASSERT(!mloom_http_is_loopback("http://[::]/"));
  CU_ASSERT(!mloom_http_is_loopback("http://2130706433/"));
  CU_ASSERT(!mloom_http_is_loopback("localhost"));
}

static const unit_test tests[] = {
    {"the origin of a URL", test_origin},
    {"URLs that are refused", test_refused},
    {"loopback hosts", test_loopback},
};

UNIT_MAIN("url", tests)
