/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of credential sources, on a host whose network is made up and whose clock moves only by waiting.
 */
#include "harness.h"

#include "plugin/host.h"
#include "wire/fetch.h"

#define NOW_MS INT64_C(1767323045000) /* 2026-01-02T03:04:05Z */

typedef struct step {
  int32_t code; /* of the exchange; not MLOOM_OK: nothing came */
  int32_t status;
  const char *header;
  const char *value;
  const char *body;
} step;

static const step *steps;
static size_t step_count;
static size_t asked;
static int64_t waited_ms;
static int32_t wait_code;
static int ended; /* the call is over */
static mloom_http_request last;

static int32_t http(void *ctx, mloom_call *call, const mloom_http_request *request, const mloom_http_sink *sink,
                    mloom_error *error) {
  (void)ctx;
  (void)call;
  const step *now = &steps[asked < step_count ? asked : step_count - 1];
  asked++;
  last = *request;
  if (now->code != MLOOM_OK) {
    snprintf(error->message, sizeof(error->message), "made up");
    error->retryable = 1;
    return now->code;
  }
  int32_t code = sink->status(now->status, sink->userdata);
  if (code == MLOOM_OK && now->header != NULL) {
    code = sink->header(now->header, now->value, sink->userdata);
  }
  for (const char *c = now->body; code == MLOOM_OK && c != NULL && *c != '\0'; c++) {
    code = sink->body(c, 1, sink->userdata);
  }
  return code;
}

static int32_t sleep_until(void *ctx, mloom_call *call, int64_t monotonic_ms) {
  (void)ctx;
  (void)call;
  waited_ms += monotonic_ms - waited_ms;
  return wait_code;
}

static int64_t monotonic(void *ctx) {
  (void)ctx;
  return waited_ms;
}

static int64_t wall(void *ctx) {
  (void)ctx;
  return NOW_MS + waited_ms;
}

static int32_t cancelled(void *ctx, mloom_call *call) {
  (void)ctx;
  (void)call;
  return ended;
}

static const mloom_host host = {.size = sizeof(host),
                                .http = http,
                                .sleep_until = sleep_until,
                                .clock_monotonic_ms = monotonic,
                                .clock_wall_ms = wall,
                                .call_cancelled = cancelled};
static const mloom_http_request request = {.size = sizeof(request), .method = "GET", .url = "https://service.example/"};

static int32_t fetch(mloom_fetch_answer *answer, const step *list, size_t count, mloom_error *error) {
  steps = list;
  step_count = count;
  asked = 0;
  waited_ms = 0;
  wait_code = MLOOM_OK;
  ended = 0;
  *error = (mloom_error)MLOOM_ERROR_INIT;
  return mloom_fetch(answer, &host, NULL, &request, NULL, error);
}

static void test_answer(void) {
  mloom_fetch_answer answer = {0};
  mloom_error error;
  const step good[] = {{MLOOM_OK, 200, "Date", "Fri, 02 Jan 2026 03:04:05 GMT", "{\"token\":\"test\"}"}};
  UNIT_ASSERT_CODE(fetch(&answer, good, 1, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(answer.status, 200);
  UNIT_ASSERT_STRING(mloom_buffer_string(&answer.body), "{\"token\":\"test\"}");
  CU_ASSERT_EQUAL(answer.date_wall_ms, NOW_MS);
  CU_ASSERT_EQUAL(answer.retry_after_ms, -1);
  CU_ASSERT_EQUAL(last.total_timeout_ms, 10000);
  CU_ASSERT_EQUAL(last.connect_timeout_ms, 10000);
  mloom_fetch_answer_free(&answer);
  /* What is wrong is the caller's to judge, and is not asked again. */
  const step refused[] = {{MLOOM_OK, 403, "x-amzn-RequestId", "r-1", "no"}};
  UNIT_ASSERT_CODE(fetch(&answer, refused, 1, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(asked, 1);
  UNIT_ASSERT_STRING(answer.request_id, "r-1");
  mloom_fetch_answer_free(&answer);
}

static void test_again(void) {
  mloom_fetch_answer answer = {0};
  mloom_error error;
  const step busy[] = {{MLOOM_OK, 503, NULL, NULL, "busy"},
                       {MLOOM_E_UNAVAILABLE, 0, NULL, NULL, NULL},
                       {MLOOM_OK, 200, NULL, NULL, "well"}};
  UNIT_ASSERT_CODE(fetch(&answer, busy, 3, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&answer.body), "well"); /* and nothing of what came before */
  CU_ASSERT_EQUAL(asked, 3);
  CU_ASSERT_EQUAL(waited_ms, 3000);
  mloom_fetch_answer_free(&answer);
  const step always[] = {{MLOOM_OK, 429, NULL, NULL, "slow"}};
  UNIT_ASSERT_CODE(fetch(&answer, always, 1, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(answer.status, 429);
  CU_ASSERT_EQUAL(asked, 3);
  mloom_fetch_answer_free(&answer);
  const step asks[] = {{MLOOM_OK, 429, "Retry-After", "7", ""}, {MLOOM_OK, 200, NULL, NULL, "well"}};
  UNIT_ASSERT_CODE(fetch(&answer, asks, 2, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(waited_ms, 7000);
  mloom_fetch_answer_free(&answer);
  const step by_date[] = {{MLOOM_OK, 503, "Retry-After", "Fri, 02 Jan 2026 03:04:09 GMT", ""},
                          {MLOOM_OK, 200, NULL, NULL, "well"}};
  UNIT_ASSERT_CODE(fetch(&answer, by_date, 2, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(waited_ms, 4000);
  mloom_fetch_answer_free(&answer);
  const step too_long[] = {{MLOOM_OK, 429, "Retry-After", "3600", ""}};
  UNIT_ASSERT_CODE(fetch(&answer, too_long, 1, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(asked, 1);
  mloom_fetch_answer_free(&answer);
}

static void test_time(void) {
  mloom_fetch_answer answer = {0};
  mloom_error error;
  /* The other side's slowness is tried again and is no time-out of the call. */
  const step slow[] = {{MLOOM_E_TIMEOUT, 0, NULL, NULL, NULL}};
  UNIT_ASSERT_CODE(fetch(&answer, slow, 1, &error), MLOOM_E_UNAVAILABLE, &error);
  CU_ASSERT_EQUAL(error.code, MLOOM_E_UNAVAILABLE);
  CU_ASSERT_EQUAL(asked, 3);
  mloom_fetch_answer_free(&answer);
  steps = slow;
  asked = 0;
  ended = 1;
  UNIT_ASSERT_CODE(mloom_fetch(&answer, &host, NULL, &request, NULL, &error), MLOOM_E_TIMEOUT, &error);
  CU_ASSERT_EQUAL(asked, 1);
  mloom_fetch_answer_free(&answer);
  /* The call ends in a pause. */
  const step busy[] = {{MLOOM_OK, 503, NULL, NULL, ""}};
  steps = busy;
  asked = 0;
  ended = 0;
  wait_code = MLOOM_E_CANCELLED;
  UNIT_ASSERT_CODE(mloom_fetch(&answer, &host, NULL, &request, NULL, &error), MLOOM_E_CANCELLED, &error);
  CU_ASSERT_EQUAL(asked, 1);
  CU_ASSERT_NOT_EQUAL(error.message[0], '\0');
  mloom_fetch_answer_free(&answer);
}

static void test_limit(void) {
  static char large[MLOOM_FETCH_LIMIT + 2];
  mloom_fetch_answer answer = {0};
  mloom_error error;
  memset(large, 'x', MLOOM_FETCH_LIMIT + 1);
  const step list[] = {{MLOOM_OK, 200, NULL, NULL, large}};
  UNIT_ASSERT_CODE(fetch(&answer, list, 1, &error), MLOOM_E_LIMIT, &error);
  CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "larger than"));
  CU_ASSERT_EQUAL(asked, 1);
  mloom_fetch_answer_free(&answer);
}

static void test_places(void) {
  static const char *const good[] = {"https://sts.amazonaws.com/", "http://127.0.0.1:8080/x", "http://localhost",
                                     "http://[::1]:1/"};
  static const char *const bad[] = {"http://sts.amazonaws.com/",
                                    "http://169.254.169.254/",
                                    "ftp://127.0.0.1/",
                                    "https://user@host.example/",
                                    "http://127.0.0.1.evil.example/",
                                    "",
                                    "localhost"};
  mloom_error error = MLOOM_ERROR_INIT;
  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    UNIT_ASSERT_CODE(mloom_fetch_check_url(good[i], "AWS_ENDPOINT_URL", &error), MLOOM_OK, &error);
  }
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    UNIT_ASSERT_CODE(mloom_fetch_check_url(bad[i], "AWS_ENDPOINT_URL", &error), MLOOM_E_INVALID, &error);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "AWS_ENDPOINT_URL"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.remedy, "AWS_ENDPOINT_URL"));
  }
}

/* Where plain http is allowed because it does not leave this machine, it does not leave by a proxy either. */
static void test_past_the_proxy(void) {
  static const struct {
    const char *url;
    uint32_t flags;
  } cases[] = {{"http://127.0.0.1:8080/token", MLOOM_HTTP_DIRECT},
               {"HTTP://LocalHost/token", MLOOM_HTTP_DIRECT},
               {"http://[::1]:1/token", MLOOM_HTTP_DIRECT},
               {"https://127.0.0.1/token", 0},
               {"http://service.example/token", 0}};
  static const step good[] = {{MLOOM_OK, 200, NULL, NULL, "well"}};
  steps = good;
  step_count = 1;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_fetch_answer answer = {0};
    mloom_error error = MLOOM_ERROR_INIT;
    const mloom_http_request one = {.size = sizeof(one), .method = "GET", .url = cases[i].url};
    UNIT_ASSERT_CODE(mloom_fetch(&answer, &host, NULL, &one, NULL, &error), MLOOM_OK, &error);
    CU_ASSERT_EQUAL(last.flags, cases[i].flags);
    mloom_fetch_answer_free(&answer);
  }
}

static void test_forms(void) {
  mloom_buffer out = MLOOM_BUFFER_INIT;
  const mloom_bytes value = {"a b&c=\xC3\xA9/~\0", 11};
  CU_ASSERT_EQUAL(mloom_fetch_append_field(&out, "Action", (mloom_bytes){"X", 1}), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_fetch_append_field(&out, "Name", value), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), "Action=X&Name=a%20b%26c%3D%C3%A9%2F~%00");
  mloom_buffer_free(&out);
}

static const unit_test tests[] = {
    {"an answer is kept whole", test_answer},
    {"busy services are asked again", test_again},
    {"time-outs are told apart", test_time},
    {"an answer that is too large", test_limit},
    {"secrets go to safe places only", test_places},
    {"forms are encoded", test_forms},
    {"plain http goes past the proxy", test_past_the_proxy},
};
UNIT_MAIN("fetch", tests)
