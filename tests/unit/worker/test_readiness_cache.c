/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "worker/readiness_cache.h"

static int64_t now;

static int64_t stopped(const mloom_clock *clock) {
  (void)clock;
  return now;
}

static mloom_settings *make_settings(void) {
  static const char *const environment[] = {NULL};
  mloom_settings_sources sources = {.environment = environment, .secrets_path = "/nonexistent"};
  mloom_settings *settings = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_settings_new(&settings, "mock", NULL, 0, 0, &sources, &error), MLOOM_OK, &error);
  return settings;
}

static void test_age(void) {
  static const mloom_clock clock = {.wall_ms = stopped, .monotonic_ms = stopped};
  mloom_readiness_cache *cache = NULL;
  mloom_settings *settings = make_settings();
  mloom_settings *changed = make_settings();
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_readiness_cache_new(&cache, &clock, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", "m", settings), -1);
  now = 1000;
  mloom_readiness_cache_note(cache, "mock", "m", settings, 1);
  now = 1500;
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", "m", settings), 500);
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", "other", settings), -1);
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", NULL, settings), -1);
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "other", "m", settings), -1);
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", "m", changed), -1);
  now = 1000 + MLOOM_READINESS_FRESH_MS - 1;
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", "m", settings), MLOOM_READINESS_FRESH_MS - 1);
  now++;
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", "m", settings), -1);
  mloom_readiness_cache_note(cache, "mock", "m", settings, 1);
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", "m", settings), 0);
  mloom_readiness_cache_note(cache, "mock", "m", settings, 0);
  CU_ASSERT_EQUAL(mloom_readiness_cache_age_ms(cache, "mock", "m", settings), -1);
  mloom_readiness_cache_note(cache, "mock", "m", settings, 1);
  mloom_settings_unref(settings); /* the cache holds its own reference until it is freed */
  mloom_settings_unref(changed);
  mloom_readiness_cache_free(cache);
}

static const unit_test tests[] = {{"age of a pass", test_age}};
UNIT_MAIN("readiness cache", tests)
