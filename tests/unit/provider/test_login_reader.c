/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/buffer.h"
#include "harness.h"
#include "provider/login_reader.h"
#include <mergeloom/login.h>

static void write_down(uint32_t event, const char *text, void *userdata) {
  static const char *const names[] = {"", "url", "code", "text"};
  mloom_buffer_append_format(userdata, "%s: %s\n", names[event], text);
}

static void expect(const char *written, const char *told) {
  size_t size = strlen(written);
  for (size_t piece = 1; piece < 30; piece += 7) {
    mloom_login_reader reader = {.line = MLOOM_BUFFER_INIT};
    mloom_buffer out = MLOOM_BUFFER_INIT;
    for (size_t at = 0; at < size; at += piece) {
      size_t part = size - at < piece ? size - at : piece;
      CU_ASSERT_EQUAL(mloom_login_reader_feed(&reader, written + at, part, write_down, &out), MLOOM_OK);
    }
    CU_ASSERT_EQUAL(mloom_login_reader_flush(&reader, write_down, &out), MLOOM_OK);
    UNIT_ASSERT_STRING(mloom_buffer_string(&out), told);
    mloom_buffer_free(&out);
    mloom_login_reader_free(&reader);
  }
}

static void test_a_code(void) {
  /* As codex 0.169.0 writes it. */
  expect("\nWelcome to Codex [v\x1b[90m0.169.0\x1b[0m]\n\nFollow these steps:\n\n1. Open this link\n   "
         "\x1b[94mhttps://auth.example.test/codex/device\x1b[0m\n\n2. Enter this one-time code "
         "\x1b[90m(expires in 15 minutes)\x1b[0m\n   \x1b[94mWXYZ-12345\x1b[0m\n",
         "text: Welcome to Codex [v0.169.0]\ntext: Follow these steps:\ntext: 1. Open this link\n"
         "url: https://auth.example.test/codex/device\ntext: https://auth.example.test/codex/device\n"
         "text: 2. Enter this one-time code (expires in 15 minutes)\ncode: WXYZ-12345\ntext: WXYZ-12345\n");
}

static void test_a_page_after_a_listener(void) {
  /* As codex 0.169.0 writes it: the first address is its own, to which the browser comes back. */
  expect(
      "Starting local login server on http://localhost:1455.\nIf your browser did not open, navigate to this URL:\n\n"
      "https://auth.example.test/oauth/authorize?a=b&redirect_uri=http%3A%2F%2F127.0.0.1%3A1455%2Fauth%2Fcallback\n",
      "text: Starting local login server on http://localhost:1455.\n"
      "text: If your browser did not open, navigate to this URL:\n"
      "url: "
      "https://auth.example.test/oauth/authorize?a=b&redirect_uri=http%3A%2F%2F127.0.0.1%3A1455%2Fauth%2Fcallback\n"
      "text: "
      "https://auth.example.test/oauth/authorize?a=b&redirect_uri=http%3A%2F%2F127.0.0.1%3A1455%2Fauth%2Fcallback\n");
}

static void test_a_link_of_the_terminal(void) {
  /* As claude 2.1.330 writes it: the address once for the terminal and once to be seen. */
  expect("If the browser didn't open, visit:\r\n\x1b]8;;https://login.example.test/authorize?z-1\x07"
         "https://login.example.test/authorize?z-1\x1b]8;;\x07\r\nPaste code here if prompted > ",
         "text: If the browser didn't open, visit:\nurl: https://login.example.test/authorize?z-1\n"
         "text: https://login.example.test/authorize?z-1\ntext: Paste code here if prompted >\n");
}

static void test_what_is_no_code(void) {
  expect("UTF-8 ISO-8859-1 ABCD-1234-EF a-1234-ABCD AB-1234 ABCD-12 ABCD-1234x ABCDEFGHI-1234\n",
         "text: UTF-8 ISO-8859-1 ABCD-1234-EF a-1234-ABCD AB-1234 ABCD-12 ABCD-1234x ABCDEFGHI-1234\n");
  expect("code: ABCD-1234.\ncode: EFGH-5678\n",
         "code: ABCD-1234\ntext: code: ABCD-1234.\ntext: code: EFGH-5678\n"); /* the first is the one */
}

static void test_ends_of_addresses(void) {
  expect("(see https://a.example.test/b?c=d).\n",
         "url: https://a.example.test/b?c=d\ntext: (see https://a.example.test/b?c=d).\n");
  expect("http://127.0.0.1:1455/x\"quoted\"\n",
         "url: http://127.0.0.1:1455/x\ntext: http://127.0.0.1:1455/x\"quoted\"\n");
  expect("https://\nhttp:// x\n", "text: https://\ntext: http:// x\n");
}

static void test_hostile_output(void) {
  expect("\x1b]0;never ended\x1b[31mnot seen\n", "");
  expect("a\x07"
         "b\x1b[2Jc\xff\n",
         "text: a<07>bc\xef\xbf\xbd\n");
  mloom_login_reader reader = {.line = MLOOM_BUFFER_INIT};
  mloom_buffer out = MLOOM_BUFFER_INIT;
  for (int i = 0; i < 100000; i++) {
    mloom_login_reader_feed(&reader, "0123456789", 10, write_down, &out);
  }
  CU_ASSERT(reader.line.size <= 8192);
  mloom_login_reader_feed(&reader, "\nnext\n", 6, write_down, &out);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&out), "text: next\n"));
  mloom_buffer_free(&out);
  mloom_login_reader_free(&reader);
}

static const unit_test tests[] = {
    {"a code", test_a_code},
    {"a page after a listener", test_a_page_after_a_listener},
    {"a link of the terminal", test_a_link_of_the_terminal},
    {"what is no code", test_what_is_no_code},
    {"ends of addresses", test_ends_of_addresses},
    {"hostile output", test_hostile_output},
};

UNIT_MAIN("login reader", tests)
