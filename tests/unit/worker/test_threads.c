/* SPDX-License-Identifier: Apache-2.0
 *
 * One context, many threads: what docs/threads.md promises. Most is found by ThreadSanitizer.
 */
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <mergeloom/mergeloom.h>

#define THREADS 4

static mloom_context *context;
static char job[512];

typedef struct worker {
  pthread_t thread;
  atomic_int inside;   /* a callback runs */
  atomic_int overlaps; /* two did at once */
  int checks;
  int events;
  int strangers; /* events on another thread than the caller's */
  int32_t check_code;
  int32_t job_code;
  uint32_t job_state;
  int resolved;
} worker;

static void on_check(const char *provider, const char *check, uint32_t state, const char *reason, const char *remedy,
                     int64_t duration_ms, void *userdata) {
  worker *w = userdata;
  (void)provider;
  (void)check;
  (void)state;
  (void)reason;
  (void)remedy;
  (void)duration_ms;
  if (atomic_exchange(&w->inside, 1) != 0) {
    atomic_store(&w->overlaps, 1);
  }
  w->checks++;
  atomic_store(&w->inside, 0);
}

static void on_event(const mloom_job_event *event, void *userdata) {
  worker *w = userdata;
  (void)event;
  w->events++;
  w->strangers += !pthread_equal(pthread_self(), w->thread);
}

static void *work(void *userdata) {
  worker *w = userdata;
  mloom_check_options check_options = {
      .size = sizeof(check_options), .flags = MLOOM_CHECK_WITHOUT_SELF_TEST, .check = on_check, .userdata = w};
  mloom_job_options job_options = {.size = sizeof(job_options), .event = on_event, .userdata = w};
  mloom_check_report *report = NULL;
  mloom_resolution *resolution = NULL;
  mloom_result *result = NULL;
  char *description = NULL;
  w->thread = pthread_self();
  w->check_code = mloom_check(&report, context, NULL, &check_options, NULL);
  w->resolved = mloom_resolve(&resolution, context, job, strlen(job), NULL) == MLOOM_OK &&
                mloom_context_describe_providers(context, &description, NULL) == MLOOM_OK;
  w->job_code = mloom_job_run(&result, context, job, strlen(job), &job_options, NULL);
  if (w->job_code == MLOOM_OK) {
    w->job_state = mloom_result_state(result, NULL);
  }
  mloom_check_report_free(report);
  mloom_resolution_free(resolution);
  mloom_result_free(result);
  mloom_string_free(description);
  return NULL;
}

static void test_together(void) {
  static worker workers[THREADS];
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  for (size_t i = 0; i < THREADS; i++) {
    CU_ASSERT_EQUAL(workers[i].check_code, MLOOM_OK);
    CU_ASSERT(workers[i].checks >= 9);
    CU_ASSERT_EQUAL(atomic_load(&workers[i].overlaps), 0);
    CU_ASSERT(workers[i].resolved);
    CU_ASSERT_EQUAL(workers[i].job_code, MLOOM_OK);
    CU_ASSERT_EQUAL(workers[i].job_state, MLOOM_JOB_NOT_READY); /* nobody listens */
    CU_ASSERT(workers[i].events > 5);
    CU_ASSERT_EQUAL(workers[i].strangers, 0);
  }
}

static void *trigger(void *userdata) {
  mloom_cancel_trigger(userdata);
  return NULL;
}

static void test_cancel_from_outside(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_check_report *report = NULL;
  mloom_result *result = NULL;
  mloom_cancel *cancel = NULL;
  pthread_t thread;
  CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&cancel, &error), MLOOM_OK);
  mloom_check_options check_options = {.size = sizeof(check_options), .cancel = cancel};
  mloom_job_options job_options = {.size = sizeof(job_options), .cancel = cancel};
  CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, trigger, cancel), 0);
  int32_t code = mloom_check(&report, context, NULL, &check_options, &error);
  CU_ASSERT(code == MLOOM_OK || code == MLOOM_E_CANCELLED); /* it may have been faster */
  mloom_check_report_free(report);
  pthread_join(thread, NULL);
  CU_ASSERT_EQUAL(mloom_cancel_is_triggered(cancel), 1);
  report = NULL;
  UNIT_ASSERT_CODE(mloom_check(&report, context, NULL, &check_options, &error), MLOOM_E_CANCELLED, &error);
  CU_ASSERT_PTR_NULL(report);
  UNIT_ASSERT_CODE(mloom_job_run(&result, context, job, strlen(job), &job_options, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_result_state(result, &error), MLOOM_JOB_CANCELLED);
  CU_ASSERT_EQUAL(error.code, MLOOM_E_CANCELLED);
  mloom_result_free(result);
  mloom_cancel_unref(cancel);
}

static const unit_test tests[] = {{"everything at once", test_together},
                                  {"cancelled from another thread", test_cancel_from_outside}};

int main(void) {
  const char *build = getenv("top_builddir");
  const char *supervise = getenv("MERGELOOM_SUPERVISE");
  char folder[] = "/tmp/mergeloom-test-XXXXXX";
  char mocks[1024];
  mloom_error error = MLOOM_ERROR_INIT;
  if (build == NULL || mkdtemp(folder) == NULL) {
    return 77;
  }
  /* The mock plugins bring more providers, so that a sweep has more than one thread. */
  snprintf(mocks, sizeof(mocks), "%s/tests/mock-plugins", build);
  const char *const paths[] = {build, mocks, NULL};
  const char *const environment[] = {"JCA_OPENAI_COMPATIBLE_BASE_URL=http://127.0.0.1:9/v1",
                                     "JCA_OPENAI_COMPATIBLE_MODEL=m", "JCA_WORKER_PROVIDER=openai-compatible", NULL};
  mloom_context_options options = {.size = sizeof(options),
                                   .plugin_paths = paths,
                                   .environment = environment,
                                   .secrets_path = "/nonexistent",
                                   .supervise_path = supervise};
  snprintf(job, sizeof(job),
           "{\"schema\":\"mergeloom.job.v1\",\"ticket\":{\"title\":\"x\"},\"repository\":{\"path\":\"%s\"}}", folder);
  if (mloom_context_new(&context, &options, &error) != MLOOM_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 2;
  }
  int status = unit_run("threads", tests, sizeof(tests) / sizeof(tests[0]));
  mloom_context_free(context);
  remove(folder);
  return status;
}
