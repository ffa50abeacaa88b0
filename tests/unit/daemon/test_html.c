/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"
#include "html.h"

static void test_text(void) {
  static const struct {
    const char *text;
    size_t size;
    const char *expected;
  } cases[] = {
      {"plain", 5, "plain"},
      {"", 0, ""},
      {"<script>alert(1)</script>", 25, "&lt;script&gt;alert(1)&lt;/script&gt;"},
      {"\" onload='x' &amp;", 18, "&quot; onload=&#39;x&#39; &amp;amp;"},
      {"Gr\xc3\xbc\xc3\x9f", 6, "Gr\xc3\xbc\xc3\x9f"},
      {"a\xff<", 3, "a\xef\xbf\xbd&lt;"},
      {"\xc0\xbc", 2, "\xef\xbf\xbd\xef\xbf\xbd"}, /* an overlong "<" */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mloom_buffer out = MLOOM_BUFFER_INIT;
    html_text(&out, cases[i].text, cases[i].size);
    UNIT_ASSERT_STRING(mloom_buffer_string(&out), cases[i].expected);
    mloom_buffer_free(&out);
  }
}

static void test_control(void) {
  mloom_buffer out = MLOOM_BUFFER_INIT;
  html_text(&out, "a\0b\x1b[31m\x7f", 9);
  for (size_t i = 0; i < out.size; i++) {
    unsigned char c = (unsigned char)out.data[i];
    CU_ASSERT(c >= 0x20 && c != 0x7f);
  }
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&out), "[31m"));
  mloom_buffer_free(&out);
}

static void test_format(void) {
  mloom_buffer out = MLOOM_BUFFER_INIT;
  html_add(&out, "<a href=\"/live/%s\">%d %n %% %s</a>", "\"><b>", -3, (int64_t)9007199254740993, NULL);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), "<a href=\"/live/&quot;&gt;&lt;b&gt;\">-3 9007199254740993 % </a>");
  mloom_buffer_free(&out);
}

static const unit_test tests[] = {{"text stays text", test_text},
                                  {"control characters become visible", test_control},
                                  {"values in a format cannot become markup", test_format}};
UNIT_MAIN("html", tests)
