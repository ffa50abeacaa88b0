/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child_process.h"
#include "harness.h"

/* In the place of the daemon's: what is noted here is left out after the second time. */
struct quarantine {
  char noted[512];
  int64_t crashes;
};

int64_t quarantine_note(quarantine *self, const char *plugin, const char *subject, const char *what, int loading) {
  CU_ASSERT_EQUAL(loading, 1);
  CU_ASSERT_STRING_EQUAL(plugin, subject);
  snprintf(self->noted, sizeof self->noted, "%s: %s", plugin, what);
  return ++self->crashes;
}

mloom_json *quarantine_left_out(quarantine *self) {
  mloom_json *paths = mloom_json_new_array();
  if (self->crashes >= 2) {
    mloom_json_add(paths, mloom_json_new_string("/a.so", strlen("/a.so")));
  }
  return paths;
}

typedef struct facts {
  char types[128];
  size_t text_size;
  const int *ends; /* of a worker that is talked to: its fact "asks" is answered */
} facts;

static void take(const char *type, const mloom_json *fact, void *userdata) {
  facts *out = userdata;
  size_t used = strlen(out->types);
  snprintf(out->types + used, sizeof out->types - used, "%s ", type);
  out->text_size = strlen(mloom_json_member_string(fact, "text", ""));
  if (out->ends != NULL && strcmp(type, "asks") == 0) {
    CU_ASSERT_EQUAL(write(out->ends[1], "typed\n", 6), 6);
  }
}

static void write_log(int32_t level, const char *component, const char *message, void *userdata) {
  (void)level;
  (void)component;
  snprintf(userdata, 512, "%s", message);
}

typedef struct run {
  facts facts;
  child_outcome outcome;
  mloom_error error;
  char log[512];
  int32_t code;
  quarantine known;
} run;

/* Runs a worker whose program is this Python text; its request is {"command": "describe"}. ends: NULL, or the pipe that
 * it is talked to through. */
static run run_talking(const char *program, int64_t timeout_ms, mloom_cancel *cancel, const int *ends) {
  run found = {.facts = {.ends = ends}, .error = MLOOM_ERROR_INIT};
  char path[] = "/tmp/mergeloom-worker-XXXXXX";
  const char *const environment[] = {"PATH=/usr/bin:/bin", "A_KEY=test-variable-not-a-secret", NULL};
  const mloom_log log = {.write = write_log, .level = MLOOM_LOG_WARNING, .userdata = found.log};
  int fd = mkstemp(path);
  dprintf(fd, "#!/usr/bin/env python3\nimport json, os, signal, sys, time\n%s\n", program);
  fchmod(fd, 0700);
  close(fd);
  const child_programs programs = {path, getenv("MERGELOOM_SUPERVISE"), environment, &log, 0, 0, &found.known};
  mloom_json *request = mloom_json_new_object();
  mloom_json_set_string(request, "command", "describe");
  mloom_json *section = mloom_json_new_object();
  mloom_json_set_string(section, "token", "test-setting-not-a-secret");
  mloom_json *providers = mloom_json_new_object();
  mloom_json_set(providers, "a", section);
  mloom_json *settings = mloom_json_new_object();
  mloom_json_set(settings, "providers", providers);
  mloom_json_set(request, "stored_settings", settings);
  found.code = ends == NULL ? child_process_run(&programs, request, cancel, timeout_ms, take, &found.facts,
                                                &found.outcome, &found.error)
                            : child_process_talk(&programs, request, ends, cancel, timeout_ms, take, &found.facts,
                                                 &found.outcome, &found.error);
  mloom_json_unref(request);
  unlink(path);
  return found;
}

static run run_worker(const char *program, int64_t timeout_ms, mloom_cancel *cancel) {
  return run_talking(program, timeout_ms, cancel, NULL);
}

#define SAY "def say(*facts):\n  for fact in facts: print(json.dumps(fact), flush=True)\n"
#define DONE "say({'type': 'done'})\n"

static void test_facts(void) {
  run found = run_worker(SAY "assert json.loads(sys.stdin.read())['command'] == 'describe'\n"
                             "say({'type': 'a'}, {'type': 'b', 'text': 'x' * 5})\n" DONE,
                         0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_OK, &found.error);
  UNIT_ASSERT_STRING(found.facts.types, "a b ");
  CU_ASSERT_EQUAL(found.facts.text_size, 5);
  CU_ASSERT_EQUAL(found.outcome.crashed, 0);
}

static void test_talk(void) {
  int ends[2];
  CU_ASSERT_EQUAL(pipe(ends), 0);
  run found = run_talking(SAY "assert json.loads(sys.stdin.readline())['command'] == 'describe'\n"
                              "say({'type': 'asks'})\n"
                              "say({'type': 'heard', 'text': sys.stdin.readline().strip()})\n" DONE,
                          0, NULL, ends);
  UNIT_ASSERT_CODE(found.code, MLOOM_OK, &found.error);
  UNIT_ASSERT_STRING(found.facts.types, "asks heard ");
  CU_ASSERT_EQUAL(found.facts.text_size, strlen("typed"));
  close(ends[0]);
  close(ends[1]);
}

static void test_single_bytes(void) {
  run found =
      run_worker("for byte in json.dumps({'type': 'a', 'text': 'Gr\\u00fc\\u00df'}, ensure_ascii=False).encode() "
                 "+ b'\\n{\"type\": \"done\"}\\n':\n  os.write(1, bytes([byte]))\n  time.sleep(0.001)",
                 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_OK, &found.error);
  UNIT_ASSERT_STRING(found.facts.types, "a ");
  CU_ASSERT_EQUAL(found.facts.text_size, 6);
}

static void test_garbage(void) {
  run found =
      run_worker(SAY "print('a plugin talks', flush=True)\nos.write(1, b'\\xff\\xfe\\0\\n\\n{}\\n[1]\\n\"x\"\\n')\n"
                     "say({'type': 'a'}, {'type': 7}, None)\n" DONE,
                 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_OK, &found.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(found.facts.types, "a "));
}

static void test_long_line(void) {
  run found = run_worker(SAY "say({'type': 'a', 'text': 'x' * 5000000})\n" DONE, 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_OK, &found.error);
  CU_ASSERT_EQUAL(found.facts.text_size, 5000000);
}

static void test_endless_line(void) {
  run found = run_worker("while True: os.write(1, b'x' * (1 << 20))", 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_LIMIT, &found.error);
}

static void test_crash(void) {
  run found = run_worker(SAY "say({'type': 'a'})\nprint('the last words', file=sys.stderr, flush=True)\n"
                             "os.kill(os.getpid(), signal.SIGABRT)",
                         0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_INTERNAL, &found.error);
  CU_ASSERT_EQUAL(found.outcome.crashed, 1);
  CU_ASSERT_EQUAL(found.outcome.signal, 6);
  UNIT_ASSERT_STRING(found.facts.types, "a ");
  CU_ASSERT_PTR_NOT_NULL(strstr(found.error.message, "signal 6"));
  CU_ASSERT_PTR_NOT_NULL(strstr(found.log, "the last words"));
}

static void test_last_words_are_redacted(void) {
  run found = run_worker("request = json.load(sys.stdin)\n"
                         "print(request['stored_settings']['providers']['a']['token'], os.environ['A_KEY'],\n"
                         "      'and so on', file=sys.stderr, flush=True)\n"
                         "os.kill(os.getpid(), signal.SIGABRT)",
                         0, NULL);
  CU_ASSERT_EQUAL(found.outcome.crashed, 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(found.log, "and so on"));
  CU_ASSERT_PTR_NULL(strstr(found.log, "not-a-secret"));
}

static void test_overgrown(void) {
  run found = run_worker(SAY "os.write(1, b'half a li')\nsay({'type': 'b'})\n"
                             "print('\\n' + json.dumps({'type': 'overgrown', 'mib': 17}), flush=True)\nsys.exit(70)",
                         0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_INTERNAL, &found.error);
  CU_ASSERT_EQUAL(found.outcome.crashed, 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(found.error.message, "more than 17 MiB"));
}

static void test_crash_after_done(void) {
  run found = run_worker(SAY DONE "os.kill(os.getpid(), signal.SIGSEGV)", 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_INTERNAL, &found.error);
  CU_ASSERT_EQUAL(found.outcome.crashed, 1);
}

static void test_no_last_line(void) {
  run found = run_worker(SAY "say({'type': 'a'})\nsys.exit(3)", 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_INTERNAL, &found.error);
  CU_ASSERT_EQUAL(found.outcome.crashed, 1);
  CU_ASSERT_EQUAL(found.outcome.exit_code, 3);
  CU_ASSERT_PTR_NOT_NULL(strstr(found.error.message, "status 3"));
}

#define ENTER(PHASE) "say({'type': 'plugin', 'path': '/a.so', 'phase': '" PHASE "'})\n"
#define LEAVE "say({'type': 'plugin', 'path': ''})\n"

static void test_crash_while_loading(void) {
  run found = run_worker(SAY "request = json.load(sys.stdin)\n"
                             "if request['left_out'] != ['/a.so']:\n"
                             "  " ENTER("loaded") "  os.kill(os.getpid(), signal.SIGABRT)\n"
                                                  "say({'type': 'a'})\n" DONE,
                         0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_OK, &found.error);
  CU_ASSERT_EQUAL(found.outcome.crashed, 0);
  CU_ASSERT_EQUAL(found.known.crashes, 2);
  UNIT_ASSERT_STRING(found.facts.types, "a ");
  UNIT_ASSERT_STRING(found.known.noted,
                     "/a.so: the worker process was ended by signal 6 (Aborted) while /a.so was loaded");
  /* One that is left out and goes on all the same. */
  found = run_worker(SAY ENTER("loaded") "sys.exit(0)", 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_INTERNAL, &found.error);
  CU_ASSERT_EQUAL(found.known.crashes, 3);
  CU_ASSERT_PTR_NOT_NULL(strstr(found.error.message, "status 0"));
}

static void test_stuck_while_loading(void) {
  run found = run_worker(SAY "if not json.load(sys.stdin)['left_out']:\n"
                             "  " ENTER("loaded") "  say({'type': 'stuck', 'ms': 1500})\n  sys.exit(70)\n" DONE,
                         0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_OK, &found.error);
  UNIT_ASSERT_STRING(found.known.noted, "/a.so: the worker process was still busy with it after 2 s and ended itself "
                                        "while /a.so was loaded");
}

/* What was asked for is done by then. */
static void test_crash_at_shutdown(void) {
  run found =
      run_worker(SAY ENTER("loaded") LEAVE "say({'type': 'a'})\n" DONE ENTER("shut down") "sys.exit(3)", 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_OK, &found.error);
  CU_ASSERT_EQUAL(found.outcome.crashed, 0);
  CU_ASSERT_EQUAL(found.known.crashes, 1);
  UNIT_ASSERT_STRING(found.facts.types, "a ");
  CU_ASSERT_PTR_NOT_NULL(strstr(found.known.noted, "while /a.so was shut down"));
}

/* It costs what was asked for, which may have been done in part. */
static void test_crash_beside(void) {
  run found = run_worker(SAY ENTER("loaded") LEAVE ENTER("used") "os.kill(os.getpid(), signal.SIGABRT)", 0, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_INTERNAL, &found.error);
  CU_ASSERT_EQUAL(found.outcome.crashed, 1);
  CU_ASSERT_EQUAL(found.outcome.noted, 1);
  CU_ASSERT_EQUAL(found.known.crashes, 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(found.known.noted, "while /a.so was used"));
  found = run_worker(SAY ENTER("used") LEAVE "os.kill(os.getpid(), signal.SIGABRT)", 0, NULL);
  CU_ASSERT_EQUAL(found.outcome.crashed, 1);
  CU_ASSERT_EQUAL(found.outcome.noted, 0);
  CU_ASSERT_EQUAL(found.known.crashes, 0);
}

static void test_error(void) {
  run found = run_worker(SAY "say({'type': 'error', 'code': 'not_found', 'message': 'no %s here', 'remedy': 'look'})\n"
                             "sys.exit(1)",
                         0, NULL);
  CU_ASSERT_NOT_EQUAL(found.code, MLOOM_OK);
  CU_ASSERT_EQUAL(found.outcome.crashed, 0);
  UNIT_ASSERT_STRING(found.error.message, "no %s here");
  UNIT_ASSERT_STRING(found.error.remedy, "look");
  for (int32_t code = MLOOM_E_INVALID; code >= MLOOM_E_INTERNAL; code--) {
    char program[256];
    snprintf(program, sizeof program, SAY "say({'type': 'error', 'code': '%s'})", mloom_code_name(code));
    if (code == MLOOM_E_NOT_FOUND || code == MLOOM_E_INTERNAL || code == MLOOM_E_BLOCKED) {
      CU_ASSERT_EQUAL(run_worker(program, 0, NULL).code, code);
    }
  }
}

static void test_ends(void) {
  run found = run_worker("time.sleep(600)", 100, NULL);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_TIMEOUT, &found.error);
  CU_ASSERT_EQUAL(found.outcome.crashed, 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(found.error.message, "still busy"));
  mloom_cancel *cancel = NULL;
  CU_ASSERT_EQUAL(mloom_cancel_new(&cancel, NULL), MLOOM_OK);
  mloom_cancel_trigger(cancel);
  found = run_worker("time.sleep(600)", 0, cancel);
  UNIT_ASSERT_CODE(found.code, MLOOM_E_CANCELLED, &found.error);
  mloom_cancel_unref(cancel);
}

static const unit_test tests[] = {
    {"facts come in order", test_facts},
    {"a worker hears what is said to it after its request", test_talk},
    {"lines may come in single bytes", test_single_bytes},
    {"what is no fact is left out", test_garbage},
    {"a line of 5 MB", test_long_line},
    {"a line without an end is cut off", test_endless_line},
    {"a crash is told with its signal and its last words", test_crash},
    {"secrets are taken out of last words", test_last_words_are_redacted},
    {"a worker that took too much memory has crashed", test_overgrown},
    {"a crash after the last line is one too", test_crash_after_done},
    {"an end without the last line is a crash", test_no_last_line},
    {"a plugin that ends the worker while it is loaded is left out at last", test_crash_while_loading},
    {"a plugin that does not come back while it is loaded is left out at last", test_stuck_while_loading},
    {"a plugin that ends the worker when it is shut down spoils nothing", test_crash_at_shutdown},
    {"a plugin that another asks and that ends the worker is noted", test_crash_beside},
    {"the error of the worker is handed on", test_error},
    {"time limit and cancellation", test_ends},
};
UNIT_MAIN("child_process", tests)
