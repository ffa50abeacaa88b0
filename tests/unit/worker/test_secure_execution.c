/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that runs with more rights than its caller takes no plugins, configuration or helper from the caller's
 * environment. The test starts itself again as the kernel runs a set-user-id program of root that another user started:
 * with the other's real id and root's effective one. The kernel marks it with AT_SECURE all the same, and no file with
 * that bit is ever left behind.
 */
#include "harness.h"

#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin/fixture.h"
#include "worker/context.h"

#define OTHER_USER 65534
#define SHOW "show"

static fixture files;

static void show_plugin(const mloom_plugin_info *info, void *userdata) {
  (void)userdata;
  printf("plugin %s\n", info->name);
}

/* What the environment led to, for the test to read. */
static int show(void) {
  mloom_context_options options = {.size = sizeof(options), .secrets_path = "/nonexistent"};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_context *context = NULL;
  if (mloom_context_new(&context, &options, &error) != MLOOM_OK) {
    printf("%s\n", error.message);
    return 1;
  }
  printf("secure %d\n", getauxval(AT_SECURE) != 0);
  mloom_context_each_plugin(context, show_plugin, NULL);
  printf("turns %d\n", (int)context->rules.max_turns);
  printf("supervise %s\n", context->supervise_path);
  mloom_context_free(context);
  return 0;
}

/* Never returns. */
static void start_again(int output, uid_t real) {
  char plugins[PATH_MAX];
  char config[PATH_MAX];
  char sanitizer[256];
  const char *inherited = getenv("ASAN_OPTIONS");
  snprintf(plugins, sizeof(plugins), "MERGELOOM_PLUGIN_PATH=%s", files.folder);
  snprintf(config, sizeof(config), "MERGELOOM_CONFIG=%s/config.json", files.folder);
  snprintf(sanitizer, sizeof(sanitizer), "ASAN_OPTIONS=%s", inherited == NULL ? "" : inherited);
  char *arguments[] = {(char *)"test_secure_execution", (char *)SHOW, NULL};
  char *environment[] = {plugins, config, (char *)"MERGELOOM_SUPERVISE=/chosen/by/the/caller", sanitizer, NULL};
  if (dup2(output, STDOUT_FILENO) >= 0 && setresuid(real, 0, 0) == 0) {
    execve("/proc/self/exe", arguments, environment);
  }
  perror("start again");
  _exit(2);
}

/* Runs it for a caller with that real id. */
static void run_for(uid_t real, mloom_buffer *out) {
  int ends[2];
  char piece[1024];
  ssize_t got;
  int status = -1;
  CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    start_again(ends[1], real);
  }
  close(ends[1]);
  while ((got = read(ends[0], piece, sizeof(piece))) > 0) {
    mloom_buffer_append(out, piece, (size_t)got);
  }
  close(ends[0]);
  CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
  CU_ASSERT_EQUAL(status, 0);
}

static void expect(const mloom_buffer *text, const char *line, int present) {
  int found = strstr(mloom_buffer_string(text), line) != NULL;
  if (found != present) {
    fprintf(stderr, "\"%s\" is %s in: %s", line, present ? "missing" : "present", mloom_buffer_string(text));
  }
  CU_ASSERT_EQUAL(found, present);
}

static void test_environment_of_another_user(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer own = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer others = MLOOM_BUFFER_INIT;
  static const char *const chosen[] = {"plugin mock-good\n", "turns 9\n", "supervise /chosen/by/the/caller\n"};
  static const char config[] = "{\"worker\": {\"max_turns\": 9}}";
  fixture_begin(&files);
  fixture_add(&files, "good", "good");
  fixture_write(&files, "config.json", config, sizeof(config) - 1, 0600);
  run_for(0, &own);
  run_for(OTHER_USER, &others);
  expect(&own, "secure 0\n", 1);
  expect(&others, "secure 1\n", 1);
  for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++) {
    expect(&own, chosen[i], 1);
    expect(&others, chosen[i], 0);
  }
  expect(&others, "supervise /", 1);
  fixture_end(&files);
}

static const unit_test tests[] = {{"the environment of another user", test_environment_of_another_user}};

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], SHOW) == 0) {
    return show();
  }
  if (geteuid() != 0) {
    puts("only root can start a program with another user's real id");
    return 77;
  }
  return unit_run("secure execution", tests, sizeof(tests) / sizeof(tests[0]));
}
