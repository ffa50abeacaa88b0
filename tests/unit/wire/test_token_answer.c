/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of token endpoints as RFC 6749, RFC 8693, Google's and Azure's documents show them.
 */
#include "harness.h"

#include <stdlib.h>

#include "plugin/host.h"
#include "secret/secret.h"
#include "wire/token_answer.h"

typedef struct fixture {
  mloom_host_services services;
  mloom_host host;
  mloom_token_answer answer;
  mloom_error error;
} fixture;

static int32_t read_text(fixture *self, const char *text) {
  mloom_host_init(&self->host, &self->services);
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  /* A copy of exactly that size, so that a sanitizer sees what is read behind its end. */
  size_t size = strlen(text);
  char *copy = malloc(size == 0 ? 1 : size);
  memcpy(copy, text, size);
  int32_t code = mloom_token_answer_read(&self->answer, &self->host, (mloom_bytes){copy, size}, &self->error);
  free(copy);
  return code;
}

static void assert_token(fixture *self, const char *text, const char *token, int64_t expires_wall_ms) {
  UNIT_ASSERT_CODE(read_text(self, text), MLOOM_OK, &self->error);
  if (token == NULL) {
    CU_ASSERT_PTR_NULL(self->answer.token);
  } else {
    CU_ASSERT_PTR_NOT_NULL_FATAL(self->answer.token);
    UNIT_ASSERT_STRING(mloom_secret_bytes(self->answer.token).data, token);
  }
  CU_ASSERT_EQUAL(mloom_token_answer_expiry(&self->answer, 1000), expires_wall_ms);
  mloom_token_answer_free(&self->answer, &self->host);
}

static void test_tokens(void) {
  fixture self = {0};
  assert_token(&self, "{\"access_token\":\"test-token\",\"expires_in\":3599,\"token_type\":\"Bearer\"}", "test-token",
               3600000);
  assert_token(&self, "{\"expires_in\":\"86399\",\"access_token\":\"test-token\"}", "test-token", 86400000);
  assert_token(&self, "{\"access_token\":\"test-token\",\"expires_on\":\"1767323045\"}", "test-token", 1767323045000);
  /* The life counts, where an answer has both: it does not depend on this machine's clock. */
  assert_token(&self, "{\"access_token\":\"t\",\"expires_on\":\"1767323045\",\"expires_in\":9}", "t", 10000);
  assert_token(&self, "{\"accessToken\":\"test-token\",\"expireTime\":\"2026-01-02T03:04:05.5Z\"}", "test-token",
               1767323045500);
  assert_token(&self, "{\"access_token\":\"a\\u002fb\"}", "a/b", 601000);
  assert_token(&self, "{\"access_token\":\"t\",\"expires_in\":99999999999999999999}", "t",
               1000 + INT64_C(1000) * INT32_MAX);
  assert_token(&self, "{\"access_token\":\"t\",\"expires_in\":-5}", "t", 601000);
  assert_token(&self, "{\"access_token\":\"t\",\"expires_in\":\"soon\",\"expires_on\":null}", "t", 601000);
  assert_token(&self, "{\"access_token\":\"\"}", NULL, 601000);
  assert_token(&self, "{\"access_token\":7}", NULL, 601000);
  assert_token(&self, "{\"access_token\":\"t\",\"access_token\":\"other\"}", "t", 601000);
}

static void test_refusals(void) {
  fixture self = {0};
  assert_token(&self,
               "{\"error\":\"invalid_grant\",\"error_description\":\"reauth related error\",\"error_subtype\":"
               "\"invalid_rapt\"}",
               NULL, 601000);
  UNIT_ASSERT_STRING(self.answer.error, "invalid_grant");
  UNIT_ASSERT_STRING(self.answer.description, "reauth related error");
  UNIT_ASSERT_STRING(self.answer.subtype, "invalid_rapt");
  assert_token(&self,
               "{\"error\":{\"code\":403,\"message\":\"no permission\",\"status\":\"PERMISSION_DENIED\",\"details\":"
               "[{\"reason\":\"IAM\"}]}}",
               NULL, 601000);
  UNIT_ASSERT_STRING(self.answer.error, "PERMISSION_DENIED");
  UNIT_ASSERT_STRING(self.answer.description, "no permission");
  assert_token(
      &self,
      "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000222: expired\",\"error_codes\":[7000222,"
      "1],\"correlation_id\":\"c-1\"}",
      NULL, 601000);
  CU_ASSERT_EQUAL(self.answer.error_code, 7000222);
  UNIT_ASSERT_STRING(self.answer.correlation, "c-1");
}

static void test_malformed(void) {
  static const char *const texts[] = {"",
                                      "[]",
                                      "null",
                                      "\"x\"",
                                      "{",
                                      "{\"access_token\":\"t\"",
                                      "<html>",
                                      "{\"access_token\":\"t\"}x",
                                      "{\"a\":\"\xff\"}"};
  fixture self = {0};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    UNIT_ASSERT_CODE(read_text(&self, texts[i]), MLOOM_E_PROTOCOL, &self.error);
    CU_ASSERT_NOT_EQUAL(self.error.remedy[0], '\0');
    mloom_token_answer_free(&self.answer, &self.host);
  }
  static const char *const tokens[] = {"{\"access_token\":\"a\\r\\nb\"}", "{\"access_token\":\"a b\"}",
                                       "{\"access_token\":\"a\\u0000b\"}", "{\"access_token\":\"\xc3\xa4\"}"};
  for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
    UNIT_ASSERT_CODE(read_text(&self, tokens[i]), MLOOM_E_INVALID, &self.error);
    CU_ASSERT_PTR_NULL(self.answer.token);
    mloom_token_answer_free(&self.answer, &self.host);
  }
}

static void test_every_beginning(void) {
  static const char text[] = "{\"access_token\":\"test-token\",\"error\":{\"status\":\"S\",\"message\":\"\\u00e4\"},"
                             "\"error_codes\":[1,2],\"expires_in\":\"3\"}";
  fixture self = {0};
  for (size_t size = 0; size < sizeof(text) - 1; size++) {
    char part[sizeof(text)];
    snprintf(part, sizeof(part), "%.*s", (int)size, text);
    UNIT_ASSERT_CODE(read_text(&self, part), MLOOM_E_PROTOCOL, &self.error);
    mloom_token_answer_free(&self.answer, &self.host);
  }
}

static const unit_test tests[] = {
    {"tokens and their life", test_tokens},
    {"refusals", test_refusals},
    {"malformed answers", test_malformed},
    {"every beginning of an answer", test_every_beginning},
};

UNIT_MAIN("token_answer", tests)
