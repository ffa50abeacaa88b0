/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/redactor.h"

#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "harness.h"

static mloom_redactor *redactor_with(const char *const *secrets) {
  mloom_redactor *redactor = NULL;
  CU_ASSERT_EQUAL(mloom_redactor_new(&redactor, NULL), MLOOM_OK);
  for (; *secrets != NULL; secrets++) {
    mloom_secret *secret = NULL;
    CU_ASSERT_EQUAL(mloom_secret_new(&secret, *secrets, strlen(*secrets), NULL), MLOOM_OK);
    CU_ASSERT_EQUAL(mloom_redactor_add(redactor, secret), MLOOM_OK);
    mloom_secret_unref(secret);
  }
  return redactor;
}

static void expect(mloom_redactor *redactor, const char *text, const char *expected) {
  mloom_buffer buffer = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&buffer, text);
  mloom_redactor_apply(redactor, &buffer);
  UNIT_ASSERT_STRING(mloom_buffer_string(&buffer), expected);
  mloom_buffer_free(&buffer);

  /* In pieces of every size the same comes out; base64 forms may differ by the one character before them. */
  for (size_t piece = 1; piece <= strlen(text); piece += piece < 8 ? 1 : 5) {
    mloom_redactor_stream *stream = NULL;
    CU_ASSERT_EQUAL(mloom_redactor_stream_new(&stream, redactor, NULL), MLOOM_OK);
    mloom_buffer out = MLOOM_BUFFER_INIT;
    for (size_t at = 0; at < strlen(text); at += piece) {
      size_t left = strlen(text) - at;
      CU_ASSERT_EQUAL(mloom_redactor_stream_feed(stream, text + at, left < piece ? left : piece, &out), MLOOM_OK);
    }
    CU_ASSERT_EQUAL(mloom_redactor_stream_finish(stream, &out), MLOOM_OK);
    if (strchr(expected, '~') == NULL) {
      UNIT_ASSERT_STRING(mloom_buffer_string(&out), expected);
    }
    mloom_buffer_free(&out);
    mloom_redactor_stream_free(stream);
  }
}

static void test_forms(void) {
  const char *secrets[] = {"test key/not+a \"secret\"\\", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  expect(redactor, "", "");
  expect(redactor, "nothing here", "nothing here");
  expect(redactor, "key=test key/not+a \"secret\"\\;", "key=[redacted];");
  /* Encoded with python3: base64, urllib.parse.quote(safe=''), quote_plus, json.dumps. */
  expect(redactor, "b64 dGVzdCBrZXkvbm90K2EgInNlY3JldCJc end", "b64 [redacted] end");
  expect(redactor, "?k=test%20key%2Fnot%2Ba%20%22secret%22%5C&x", "?k=[redacted]&x");
  expect(redactor, "?k=test%20key%2fnot%2ba%20%22secret%22%5c&x", "?k=[redacted]&x");
  expect(redactor, "?k=test+key%2Fnot%2Ba+%22secret%22%5C&x", "?k=[redacted]&x");
  expect(redactor, "{\"k\":\"test key/not+a \\\"secret\\\"\\\\\"}", "{\"k\":\"[redacted]\"}");
  expect(redactor, "{\"k\":\"test key\\/not+a \\\"secret\\\"\\\\\"}", "{\"k\":\"[redacted]\"}");
  expect(redactor, "test key/not+a \"secret\"", "test key/not+a \"secret\""); /* one byte short */
  mloom_redactor_free(redactor);
}

/* As Go, Gson and .NET write it, which escape for HTML too. */
static void test_forms_of_other_writers(void) {
  const char *secrets[] = {"test&key+not='a/secret'==", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  expect(redactor, "{\"k\":\"test\\u0026key+not='a/secret'==\"}", "{\"k\":\"[redacted]\"}");
  expect(redactor, "{\"k\":\"test\\u0026key+not\\u003d\\u0027a/secret\\u0027\\u003d\\u003d\"}",
         "{\"k\":\"[redacted]\"}");
  expect(redactor, "{\"k\":\"test\\u0026key\\u002Bnot=\\u0027a/secret\\u0027==\"}", "{\"k\":\"[redacted]\"}");
  mloom_redactor_free(redactor);
}

static void test_base64_at_every_offset(void) {
  const char *secrets[] = {"test-key-not-a-secret", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  /* base64 of "test-key-not-a-secret", "a:...", "ab:..." and "abc:..." */
  static const char *const encoded[] = {"dGVzdC1rZXktbm90LWEtc2VjcmV0",
                                        "YTp0ZXN0LWtleS1ub3QtYS1zZWNyZXQ=", "YWI6dGVzdC1rZXktbm90LWEtc2VjcmV0",
                                        "YWJjOnRlc3Qta2V5LW5vdC1hLXNlY3JldA=="};
  for (size_t i = 0; i < 4; i++) {
    mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_buffer_append_format(&text, "Basic %s.", encoded[i]);
    mloom_redactor_apply(redactor, &text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "[redacted]."));
    CU_ASSERT(strlen(text.data) < strlen("Basic xxxxxx[redacted]."));
    CU_ASSERT_PTR_NULL(strstr(text.data, "ZXN0"));
    mloom_buffer_free(&text);
  }
  mloom_redactor_free(redactor);
}

static void test_base64url(void) {
  const char *secrets[] = {"?\?\?\?>>>>?\?\?\?>>>>", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  expect(redactor, " Pz8/Pz4+Pj4/Pz8/Pj4+Pg== ", " [redacted] ");
  expect(redactor, " Pz8_Pz4-Pj4_Pz8_Pj4-Pg ", " [redacted] ");
  mloom_redactor_free(redactor);
}

static void test_short_and_overlapping(void) {
  const char *secrets[] = {"hunter2", "abc", "overlapping-one", "one-with-another", "overlapping-one-day", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  expect(redactor, "hunter2", "[redacted]");
  expect(redactor, "(hunter2) hunter22 xhunter2 hunter2_ hunter2",
         "([redacted]) hunter22 xhunter2 hunter2_ [redacted]");
  expect(redactor, "abc", "abc");
  expect(redactor, "overlapping-one-with-another!", "[redacted]!");
  expect(redactor, "overlapping-one-day!", "[redacted]!");
  expect(redactor, "overlapping-one-da", "[redacted]-da");
  /* In the part of a header that a look-alike lets stand. */
  expect(redactor, "Authorization: overlapping-one-day a1B2c3D4e5", "Authorization: [redacted] a1B2c3D4e5");
  expect(redactor, "postgres://user:overlapping-one-day@host", "postgres://user:[redacted]@host");
  mloom_redactor_free(redactor);
}

static void test_lines_and_headers(void) {
  const char *secrets[] = {"firstlineofakeythatislong\nsecond line\nthirdlineofakeythatislong\n",
                           "X-Api-Key: first-test-value\nAccept: application/json\nAuthorization: Custom second-value",
                           " padded-test-key\n", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  expect(redactor, "+thirdlineofakeythatislong", "+[redacted]");
  expect(redactor, "second line", "second line");
  expect(redactor, "a first-test-value and application/json", "a [redacted] and application/json");
  expect(redactor, "said second-value", "said [redacted]");
  expect(redactor, "is padded-test-key.", "is [redacted].");
  mloom_redactor_free(redactor);
}

/* Made up, in the published forms. */
static void test_lookalikes(void) {
  static const char *const pairs[][2] = {
      {"key sk-ant-api03-AbC123dEf456GhI789 done", "key [redacted] done"},
      {"OPENAI_API_KEY=sk-proj-a1B2c3D4e5F6g7H8i9\n", "OPENAI_API_KEY=[redacted]\n"},
      {"'sk-0123456789abcdef0123456789abcdef'", "'[redacted]'"},
      {"ghp_0123456789abcdefghijABCDEFGHIJ012345", "[redacted]"},
      {"id AKIA1234567890ABCDEF,", "id [redacted],"},
      {"Authorization: Bearer a1B2c3D4e5F6", "Authorization: Bearer [redacted]"},
      {"authorization: basic dXNlcjpwYXNz\r\nhost: x", "authorization: basic [redacted]\r\nhost: x"},
      {"x-api-key: plainkey\n", "x-api-key: [redacted]\n"},
      {"curl -H 'x: bearer QWxhZGRpbjpPcGVu'", "curl -H 'x: bearer [redacted]'"},
      {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl!", "[redacted]!"},
      {"postgres://user:pass@host/db", "postgres://user:[redacted]@host/db"},
      {"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbCdEfGhIjKlMnOpQrStUvWxYz\nabc=\n-----END EC PRIVATE KEY-----\n",
       "-----BEGIN EC PRIVATE KEY-----[redacted]-----END EC PRIVATE KEY-----\n"},
      {"{\"k\":\"-----BEGIN PRIVATE KEY-----\\nMHcCAQEEIAbCdEfGhIjKlMnOpQrStUvWxYz\\n-----END PRIVATE KEY-----\\n\"}",
       "{\"k\":\"-----BEGIN PRIVATE KEY-----[redacted]-----END PRIVATE KEY-----\\n\"}"},
  };
  for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
    expect(NULL, pairs[i][0], pairs[i][1]);
  }
}

static void test_ordinary_text_stays(void) {
  static const char *const texts[] = {
      "sk-learn and sk-circle-fade-dot and task-runner-configuration-for-everything1",
      "the bearer authentication scheme, Bearer tokens, bearer <token>, Bearer ${API_TOKEN}",
      "\"Authorization\": \"Bearer \" + token",
      "if (strstr(text, \"-----BEGIN PRIVATE KEY-----\") != NULL) { return parse_private_key(text); }",
      "https://example.com/a:b@c and http://[::1]:8080/ and git@github.com:owner/name.git",
      "https://user:${PASSWORD}@host/ and ftp://user:<password>@host",
      "AKIA is the prefix; AKIAS and ASIAGO too",
      "eyJ is the beginning; eyJhbGciOi alone is nothing",
      "commit 0123456789abcdef0123456789abcdef01234567",
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "authorization: the act of allowing",
      "key = key; b = a; s",
  };
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    expect(NULL, texts[i], texts[i]);
  }
}

static int files_read;

static int check_file(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status;
  (void)place;
  const char *dot = strrchr(path, '.');
  if (kind != FTW_F || dot == NULL || (strcmp(dot, ".c") != 0 && strcmp(dot, ".h") != 0 && strcmp(dot, ".md") != 0)) {
    return 0;
  }
  mloom_buffer text = MLOOM_BUFFER_INIT;
  CU_ASSERT_EQUAL(mloom_file_read(&text, path, 4 * 1024 * 1024, MLOOM_DOMAIN_NONE, NULL), MLOOM_OK);
  MLOOM_AUTO(mloom_auto_free) char *before = strdup(mloom_buffer_string(&text));
  mloom_redactor_apply(NULL, &text);
  if (strcmp(before, mloom_buffer_string(&text)) != 0) {
    size_t at = 0;
    while (before[at] == text.data[at]) {
      at++;
    }
    fprintf(stderr, "%s changed at: %.60s\n", path, before + (at < 20 ? 0 : at - 20));
    CU_FAIL("ordinary code was redacted");
  }
  files_read++;
  mloom_buffer_free(&text);
  return 0;
}

/* Headers of the system hold a great many words of every shape. */
static void test_source_trees_stay(void) {
  const char *top = getenv("top_srcdir");
  char path[4096];
  snprintf(path, sizeof(path), "%s/libmergeloom", top == NULL ? "." : top);
  nftw(path, check_file, 16, FTW_PHYS);
  CU_ASSERT(files_read > 20);
  nftw("/usr/include/openssl", check_file, 16, FTW_PHYS);
  nftw("/usr/include/linux", check_file, 16, FTW_PHYS);
}

static void test_known_only(void) {
  const char *secrets[] = {"test-key-not-a-secret", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&text, "test-key-not-a-secret postgres://user:pass@host");
  mloom_redactor_apply_known(redactor, &text);
  UNIT_ASSERT_STRING(text.data, "[redacted] postgres://user:pass@host");
  mloom_buffer_free(&text);
  mloom_redactor_free(redactor);
}

static void test_errors(void) {
  const char *secrets[] = {"test-key-not-a-secret", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_error_set(&error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "use no test-key-not-a-secret", "it was %s",
                  "test-key-not-a-secret");
  snprintf(error.request_id, sizeof(error.request_id), "test-key-not-a-secret");
  mloom_redactor_apply_error(redactor, &error);
  UNIT_ASSERT_STRING(error.message, "it was [redacted]");
  UNIT_ASSERT_STRING(error.remedy, "use no [redacted]");
  UNIT_ASSERT_STRING(error.request_id, "[redacted]");
  CU_ASSERT_EQUAL(error.code, MLOOM_E_INVALID);
  mloom_redactor_apply_error(redactor, NULL);
  /* A short secret is shorter than its replacement: the field must not overflow. */
  const char *shorts[] = {"hunter2", NULL};
  mloom_redactor *with_short = redactor_with(shorts);
  for (size_t i = 0; i + 8 < sizeof(error.request_id); i += 8) {
    memcpy(error.request_id + i, "hunter2 ", 9);
  }
  mloom_redactor_apply_error(with_short, &error);
  CU_ASSERT_PTR_NULL(strstr(error.request_id, "hunter2"));
  CU_ASSERT(strlen(error.request_id) < sizeof(error.request_id));
  mloom_redactor_free(with_short);
  mloom_redactor_free(redactor);
}

static void test_stream_gives_what_is_safe_at_once(void) {
  const char *secrets[] = {"zebra-crossing", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  mloom_redactor_stream *stream = NULL;
  mloom_redactor_stream_new(&stream, redactor, NULL);
  mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_redactor_stream_feed(stream, "hello wor", 9, &out);
  UNIT_ASSERT_STRING(out.data, "hello wor");
  mloom_redactor_stream_feed(stream, "ld zebra", 8, &out);
  UNIT_ASSERT_STRING(out.data, "hello world ");
  mloom_redactor_stream_feed(stream, "-cro", 4, &out);
  UNIT_ASSERT_STRING(out.data, "hello world ");
  mloom_redactor_stream_feed(stream, "w and", 5, &out);
  UNIT_ASSERT_STRING(out.data, "hello world zebra-crow and");
  mloom_redactor_stream_feed(stream, " zebra-crossing", 15, &out);
  UNIT_ASSERT_STRING(out.data, "hello world zebra-crow and [redacted]");
  mloom_redactor_stream_finish(stream, &out);
  UNIT_ASSERT_STRING(out.data, "hello world zebra-crow and [redacted]");
  mloom_buffer_free(&out);
  mloom_redactor_stream_free(stream);
  mloom_redactor_free(redactor);
}

static void test_held_back_text_is_bounded(void) {
  mloom_redactor_stream *stream = NULL;
  mloom_redactor_stream_new(&stream, NULL, NULL);
  mloom_buffer out = MLOOM_BUFFER_INIT;
  char piece[1024];
  memset(piece, 'a', sizeof(piece));
  mloom_redactor_stream_feed(stream, "sk-", 3, &out);
  for (int i = 0; i < 200; i++) {
    mloom_redactor_stream_feed(stream, piece, sizeof(piece), &out);
  }
  CU_ASSERT(out.size > 100 * 1024);
  mloom_redactor_stream_finish(stream, &out);
  CU_ASSERT_EQUAL(out.size, 3 + 200 * sizeof(piece));
  mloom_buffer_free(&out);
  mloom_redactor_stream_free(stream);
}

static void *add_many(void *redactor) {
  for (int i = 0; i < 40; i++) {
    char text[64];
    int size = snprintf(text, sizeof(text), "thread-test-key-%d", i);
    mloom_secret *secret = NULL;
    mloom_secret_new(&secret, text, (size_t)size, NULL);
    mloom_redactor_add(redactor, secret);
    mloom_secret_unref(secret);
  }
  return NULL;
}

static void *apply_many(void *redactor) {
  for (int i = 0; i < 500; i++) {
    mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_buffer_append_string(&text, "first-test-key and thread-test-key-7");
    mloom_redactor_apply(redactor, &text);
    if (strncmp(text.data, "[redacted] and ", 15) != 0) {
      abort();
    }
    mloom_buffer_free(&text);
  }
  return NULL;
}

static void test_threads(void) {
  const char *secrets[] = {"first-test-key", NULL};
  mloom_redactor *redactor = redactor_with(secrets);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    pthread_create(&threads[i], NULL, i % 2 ? add_many : apply_many, redactor);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
  }
  expect(redactor, "thread-test-key-39", "[redacted]");
  mloom_redactor_free(redactor);
}

/* ---- Secrets that come and go ---- */

static mloom_secret *numbered(int number, char text[32]) {
  mloom_secret *secret = NULL;
  snprintf(text, 32, "passing-test-key/%06d", number);
  CU_ASSERT_EQUAL(mloom_secret_new(&secret, text, strlen(text), NULL), MLOOM_OK);
  return secret;
}

static int count_mappings(void) {
  FILE *file = fopen("/proc/self/maps", "r");
  int count = 0;
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  for (int c; (c = fgetc(file)) != EOF;) {
    count += c == '\n';
  }
  fclose(file);
  return count;
}

/* A process that is given a token each hour for years: those that nobody uses any more are forgotten in the end. */
static void test_passing(void) {
  const char *secrets[] = {"passing-test-key/000003", NULL}; /* that of a setting, which lasts */
  mloom_redactor *redactor = redactor_with(secrets);
  char text[32];
  mloom_secret *held = numbered(1, text);
  int mappings[2] = {0, 0};
  CU_ASSERT_EQUAL(mloom_redactor_add_passing(redactor, held), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_redactor_add_passing(redactor, held), MLOOM_OK);
  for (int i = 1; i <= 1200; i++) {
    mloom_secret *secret = numbered(i, text);
    CU_ASSERT_EQUAL(mloom_redactor_add_passing(redactor, secret), MLOOM_OK);
    mloom_secret_unref(secret);
    if (i == 400 || i == 1200) {
      mappings[i == 1200] = count_mappings();
    }
  }
  expect(redactor, "a passing-test-key/000001", "a [redacted]"); /* held, by one of two that say the same */
  expect(redactor, "a passing-test-key%2F000001", "a [redacted]");
  expect(redactor, "a passing-test-key/000003", "a [redacted]");
  expect(redactor, "a passing-test-key/001200", "a [redacted]");
  expect(redactor, "a passing-test-key/001150", "a [redacted]");
  expect(redactor, "a passing-test-key/000002", "a passing-test-key/000002");
  expect(redactor, "a passing-test-key%2F000900", "a passing-test-key%2F000900");
  CU_ASSERT(mappings[1] <= mappings[0] + 1500); /* two for each form */
  mloom_redactor_free(redactor);
  mloom_secret_unref(held);
}

static const unit_test tests[] = {
    {"forms", test_forms},
    {"forms of other writers of JSON", test_forms_of_other_writers},
    {"base64 at every offset", test_base64_at_every_offset},
    {"base64url", test_base64url},
    {"short and overlapping", test_short_and_overlapping},
    {"lines and headers", test_lines_and_headers},
    {"look-alikes", test_lookalikes},
    {"ordinary text stays", test_ordinary_text_stays},
    {"source trees stay", test_source_trees_stay},
    {"known only", test_known_only},
    {"errors", test_errors},
    {"a stream gives what is safe at once", test_stream_gives_what_is_safe_at_once},
    {"held back text is bounded", test_held_back_text_is_bounded},
    {"secrets that come and go", test_passing},
    {"threads", test_threads},
};
UNIT_MAIN("redactor", tests)
