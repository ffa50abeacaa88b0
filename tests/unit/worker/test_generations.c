/* SPDX-License-Identifier: Apache-2.0
 *
 * Two versions of one plugin in one process, as docs/abi.md describes it: a context for each, and a job on the old one
 * that goes on while the new one is loaded and used. Both are told apart by what their own code sends and says.
 */
#include "harness.h"

#include <semaphore.h>
#include <unistd.h>

#include "net/server.h"
#include "plugin/fixture.h"
#include <mergeloom/mergeloom.h>

#define GUARD_SECONDS 300

static char workspace[] = "/tmp/mergeloom-generations-XXXXXX";
static test_server model;
static sem_t speaking; /* the old code has handed on a piece of an answer */
static sem_t go_on;    /* the answer may go on */

/* Two turns: a call, and the result. The first answer to version 1.0.0 pauses in its middle. */
static void answer(test_connection *connection, void *userdata) {
  (void)userdata;
  if (!test_read_request(connection)) {
    return;
  }
  int is_first_turn = strstr(mloom_buffer_string(&connection->body), "\nmodel: ") == NULL;
  test_write_string(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsign\n");
  if (is_first_turn && strstr(mloom_buffer_string(&connection->head), "X-Mock-Version: 1.0.0") != NULL) {
    sem_wait(&go_on);
  }
  test_write_string(connection, is_first_turn
                                    ? "sign\ncall 1 list_files {}\nend\n"
                                    : "sign\ncall 2 submit_result {\"status\": \"completed\", \"summary\": \"Seen.\", "
                                      "\"files_changed\": []}\nend\n");
}

/* One job. */
typedef struct work {
  mloom_context *context;
  int is_old;
  mloom_buffer said;
  int32_t code;
  uint32_t state;
  mloom_error error;
} work;

static void on_event(const mloom_job_event *event, void *userdata) {
  work *self = userdata;
  if (event->kind == MLOOM_JOB_EVENT_TEXT) {
    mloom_buffer_append(&self->said, event->text.data, event->text.size);
    if (self->is_old) {
      sem_post(&speaking);
    }
  }
}

static void *run_job(void *userdata) {
  work *self = userdata;
  char job[512];
  snprintf(job, sizeof(job),
           "{\"schema\":\"mergeloom.job.v1\",\"mode\":\"investigate\",\"ticket\":{\"title\":\"Look\"},"
           "\"repository\":{\"path\":\"%s\"}}",
           workspace);
  mloom_job_options options = {
      .size = sizeof(options), .flags = MLOOM_JOB_WITHOUT_READINESS, .event = on_event, .userdata = self};
  mloom_result *result = NULL;
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  self->code = mloom_job_run(&result, self->context, job, strlen(job), &options, &self->error);
  if (self->code == MLOOM_OK) {
    self->state = mloom_result_state(result, &self->error);
  }
  mloom_result_free(result);
  sem_post(&speaking); /* a job that failed at once must not keep the test waiting */
  return NULL;
}

/* The job is completed, and every word came through the code of that version. */
static void expect_work_of(work *self, const char *said) {
  UNIT_ASSERT_CODE(self->code, MLOOM_OK, &self->error);
  CU_ASSERT_EQUAL(self->state, MLOOM_JOB_COMPLETED);
  UNIT_ASSERT_STRING(self->error.message, "");
  UNIT_ASSERT_STRING(mloom_buffer_string(&self->said), said);
  mloom_buffer_free(&self->said);
}

static void tell_plugin(const mloom_plugin_info *info, void *userdata) {
  if (info->path[0] != '\0') {
    mloom_buffer_append_format(userdata, "%s %s from %s%s", info->name, info->version, info->path,
                               info->failure == NULL ? "" : info->failure);
  }
}

/* A context whose only plugin is the one in folder; it is what its own list says. */
static mloom_context *open_context(const char *folder, const fixture *generation, const char *version) {
  char url[128];
  snprintf(url, sizeof(url), "MOCK_URL=%s", test_server_url(&model, "/"));
  const char *const paths[] = {folder, NULL};
  const char *const environment[] = {"JCA_WORKER_PROVIDER=mock-versioned", url, NULL};
  mloom_context_options options = {.size = sizeof(options),
                                   .plugin_paths = paths,
                                   .environment = environment,
                                   .secrets_path = "/nonexistent",
                                   .supervise_path = getenv("MERGELOOM_SUPERVISE")};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_context *context = NULL;
  UNIT_ASSERT_CODE(mloom_context_new(&context, &options, &error), MLOOM_OK, &error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(context);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer told = MLOOM_BUFFER_INIT;
  char expected[256];
  snprintf(expected, sizeof(expected), "mock-versioned %s from %s/mergeloom-mock.so", version, generation->folder);
  mloom_context_each_plugin(context, tell_plugin, &told);
  UNIT_ASSERT_STRING(mloom_buffer_string(&told), expected);
  return context;
}

static void begin_generation(fixture *self, const char *mock) {
  fixture_begin(self);
  fixture_add(self, mock, "mock");
}

/* Leads the link "current" of the workspace to a folder, at one instant. */
static void switch_to(const fixture *generation, const char *current) {
  char next[128];
  snprintf(next, sizeof(next), "%s.next", current);
  CU_ASSERT_EQUAL(symlink(generation->folder, next), 0);
  CU_ASSERT_EQUAL(rename(next, current), 0);
}

static int is_mapped(const fixture *generation) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer maps = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_file_read(&maps, "/proc/self/maps", 64 * 1024 * 1024, MLOOM_DOMAIN_NONE, &error), MLOOM_OK,
                   &error);
  return strstr(mloom_buffer_string(&maps), generation->folder) != NULL;
}

static void wait_until_it_speaks(void) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += GUARD_SECONDS;
  CU_ASSERT_EQUAL(sem_timedwait(&speaking, &end), 0);
}

static void test_new_version_beside_the_old(void) {
  fixture first;
  fixture second;
  char current[64];
  pthread_t thread;
  snprintf(current, sizeof(current), "%s.current", workspace);
  begin_generation(&first, "first");
  begin_generation(&second, "second");
  switch_to(&first, current);
  work before = {.context = open_context(current, &first, "1.0.0"), .is_old = 1};
  CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run_job, &before), 0);
  wait_until_it_speaks();

  /* In the middle of its answer the new version comes, and the old files go. */
  switch_to(&second, current);
  CU_ASSERT_EQUAL(mloom_file_remove_tree(first.folder, NULL), MLOOM_OK);
  work after = {.context = open_context(current, &second, "2.0.0")};
  run_job(&after);
  expect_work_of(&after, "2.0.0 2.0.0 2.0.0 2.0.0 ");
  UNIT_ASSERT_STRING(mloom_buffer_string(&before.said), "1.0.0 ");

  /* The old one goes on from there, with the old code, to its end. */
  sem_post(&go_on);
  pthread_join(thread, NULL);
  expect_work_of(&before, "1.0.0 1.0.0 1.0.0 1.0.0 ");
  mloom_context_free(before.context);
  CU_ASSERT(is_mapped(&first));
  run_job(&after);
  expect_work_of(&after, "2.0.0 2.0.0 2.0.0 2.0.0 ");
  mloom_context_free(after.context);
  unlink(current);
  fixture_end(&first);
  fixture_end(&second);
}

static const unit_test tests[] = {{"a new version beside the old", test_new_version_beside_the_old}};

int main(void) {
  if (mkdtemp(workspace) == NULL || sem_init(&speaking, 0, 0) != 0 || sem_init(&go_on, 0, 0) != 0 ||
      !test_server_start(&model, answer, NULL)) {
    return 2;
  }
  int status = unit_run("generations", tests, sizeof(tests) / sizeof(tests[0]));
  test_server_stop(&model);
  rmdir(workspace);
  return status;
}
