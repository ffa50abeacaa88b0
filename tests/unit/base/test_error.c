/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "base/error.h"
#include "base/text.h"
#include <mergeloom/context.h>

static void test_fill(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  error.retryable = 1;
  error.http_status = 500;
  error.retry_after_ms = 7;
  strcpy(error.request_id, "old");
  CU_ASSERT_EQUAL(mloom_error_set(&error, MLOOM_E_LIMIT, MLOOM_DOMAIN_JOB, "ask for less", "too much: %d", 7),
                  MLOOM_E_LIMIT);
  CU_ASSERT_EQUAL(error.code, MLOOM_E_LIMIT);
  CU_ASSERT_EQUAL(error.domain, MLOOM_DOMAIN_JOB);
  UNIT_ASSERT_STRING(error.message, "too much: 7");
  UNIT_ASSERT_STRING(error.remedy, "ask for less");
  CU_ASSERT_EQUAL(error.retryable, 0);
  CU_ASSERT_EQUAL(error.http_status, 0);
  CU_ASSERT_EQUAL(error.retry_after_ms, -1);
  UNIT_ASSERT_STRING(error.request_id, "");
  CU_ASSERT_EQUAL(mloom_error_set(NULL, MLOOM_E_IO, 0, NULL, "x"), MLOOM_E_IO);
}

static void test_one_line_of_utf8(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_error_set(&error, MLOOM_E_IO, 0, "a\nb", "bad \x1B[31m\r\nname \xC3\xA9");
  UNIT_ASSERT_STRING(error.message, "bad  [31m  name \xC3\xA9");
  UNIT_ASSERT_STRING(error.remedy, "a b");
  mloom_error_set(&error, MLOOM_E_IO, 0, NULL, "bad \xFF byte");
  UNIT_ASSERT_STRING(error.message, "bad ? byte");
  UNIT_ASSERT_STRING(error.remedy, "");
}

static void test_long_text_is_cut_between_characters(void) {
  char text[2000];
  mloom_error error = MLOOM_ERROR_INIT;
  for (size_t shift = 0; shift < 3; shift++) {
    memset(text, 'x', shift);
    for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
      memcpy(text + i, "\xE2\x82\xAC", 4);
    }
    mloom_error_set(&error, MLOOM_E_IO, 0, text, "%s", text);
    CU_ASSERT(strlen(error.message) >= sizeof(error.message) - 3);
    CU_ASSERT(mloom_text_is_utf8(error.message, strlen(error.message)));
    CU_ASSERT_PTR_NULL(strchr(error.message, '?'));
    CU_ASSERT(mloom_text_is_utf8(error.remedy, strlen(error.remedy)));
    CU_ASSERT_PTR_NULL(strchr(error.remedy, '?'));
  }
}

static void test_errno(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  CU_ASSERT_EQUAL(mloom_error_set_errno(&error, ENOENT, MLOOM_DOMAIN_SYSTEM, "look", "cannot open %s", "/x"),
                  MLOOM_E_NOT_FOUND);
  UNIT_ASSERT_STRING(error.message, "cannot open /x: No such file or directory");
  CU_ASSERT_EQUAL(mloom_error_set_errno(NULL, EACCES, 0, NULL, "x"), MLOOM_E_DENIED);
  CU_ASSERT_EQUAL(mloom_error_set_errno(NULL, ENOMEM, 0, NULL, "x"), MLOOM_E_MEMORY);
  CU_ASSERT_EQUAL(mloom_error_set_errno(NULL, ENOSPC, 0, NULL, "x"), MLOOM_E_IO);
}

/* A program that was built when the struct ended after retry_after_ms. */
static void test_shorter_struct(void) {
  struct {
    char bytes[offsetof(mloom_error, message)];
    char guard[1024];
  } old;
  memset(&old, 'g', sizeof(old));
  mloom_error *error = (mloom_error *)(void *)&old;
  error->size = offsetof(mloom_error, message);
  error->flags = 0;
  mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_SYSTEM, "remedy", "message");
  CU_ASSERT_EQUAL(error->code, MLOOM_E_IO);
  CU_ASSERT_EQUAL(error->retry_after_ms, -1);
  CU_ASSERT_EQUAL(error->size, offsetof(mloom_error, message));
  for (size_t i = 0; i < sizeof(old.guard); i++) {
    CU_ASSERT_EQUAL_FATAL(old.guard[i], 'g');
  }
  mloom_error whole = MLOOM_ERROR_INIT;
  mloom_error_copy(&whole, error);
  CU_ASSERT_EQUAL(whole.code, MLOOM_E_IO);
  CU_ASSERT_EQUAL(whole.size, sizeof(whole));
  UNIT_ASSERT_STRING(whole.message, "");
}

static void test_copy(void) {
  mloom_error from = MLOOM_ERROR_INIT;
  mloom_error to = MLOOM_ERROR_INIT;
  mloom_error_set(&from, MLOOM_E_QUOTA, MLOOM_DOMAIN_PROVIDER, "pay", "empty");
  from.http_status = 429;
  mloom_error_copy(&to, &from);
  CU_ASSERT_EQUAL(memcmp(&to, &from, sizeof(to)), 0);
  mloom_error_copy(NULL, &from);
  mloom_error_copy(&to, NULL);
  UNIT_ASSERT_STRING(to.message, "empty");
}

static void test_names(void) {
  UNIT_ASSERT_STRING(mloom_domain_name(MLOOM_DOMAIN_NETWORK), "network");
  UNIT_ASSERT_STRING(mloom_domain_name(MLOOM_DOMAIN_SYSTEM), "system");
  UNIT_ASSERT_STRING(mloom_domain_name(4000), "unknown");
  UNIT_ASSERT_STRING(mloom_code_name(MLOOM_OK), "ok");
  UNIT_ASSERT_STRING(mloom_code_name(MLOOM_E_NOT_READY), "not-ready");
  UNIT_ASSERT_STRING(mloom_code_name(MLOOM_E_INTERNAL), "internal");
  UNIT_ASSERT_STRING(mloom_code_name(MLOOM_E_CONTEXT_FULL), "context-full");
  UNIT_ASSERT_STRING(mloom_code_name(INT32_MIN), "internal");
  UNIT_ASSERT_STRING(mloom_code_name(5), "internal");
}

static const unit_test tests[] = {
    {"an error is filled whole", test_fill},
    {"its texts are one line of UTF-8", test_one_line_of_utf8},
    {"long texts are cut between characters", test_long_text_is_cut_between_characters},
    {"a failed system call is described", test_errno},
    {"a shorter struct of an older caller is respected", test_shorter_struct},
    {"an error is copied", test_copy},
    {"codes and domains have names", test_names},
};

UNIT_MAIN("error", tests)
