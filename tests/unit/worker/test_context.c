/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "worker/context.h"
#include "worker/strings.h"
#include <mergeloom/readiness.h>

static char folder[] = "/tmp/mergeloom-test-XXXXXX";
static char warnings[4096];

static void note_log(int32_t level, const char *component, const char *message, void *userdata) {
  size_t size = strlen(warnings);
  (void)userdata;
  CU_ASSERT(level <= MLOOM_LOG_WARNING);
  snprintf(warnings + size, sizeof(warnings) - size, "%s: %s\n", component, message);
}

static const char *write_config(const char *text, mode_t mode) {
  static char path[64];
  snprintf(path, sizeof(path), "%s/config.json", folder);
  CU_ASSERT_EQUAL(mloom_file_replace(path, text, strlen(text), 0600, MLOOM_DOMAIN_NONE, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(chmod(path, mode), 0);
  return path;
}

static int32_t make(mloom_context **out, const char *config, const char *const *environment, mloom_error *error) {
  static const char *const no_plugins[] = {"/nonexistent/plugins", NULL};
  static const char *const empty[] = {NULL};
  mloom_context_options options = {.size = sizeof(options),
                                   .plugin_paths = no_plugins,
                                   .config_path = config,
                                   .secrets_path = "/nonexistent/secrets",
                                   .environment = environment != NULL ? environment : empty,
                                   .log = note_log,
                                   .log_level = MLOOM_LOG_WARNING};
  warnings[0] = '\0';
  *out = NULL;
  return mloom_context_new(out, &options, error);
}

static void test_defaults(void) {
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(make(&context, NULL, NULL, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(context->rules.sandbox_mode, MLOOM_SANDBOX_REQUIRE);
  CU_ASSERT_EQUAL(context->rules.allow_network, 0);
  CU_ASSERT_EQUAL(context->rules.command_timeout_ms, 300000);
  CU_ASSERT_EQUAL(context->rules.max_repair_attempts, 2);
  UNIT_ASSERT_STRING(context->rules.scratch_path, "/tmp");
  UNIT_ASSERT_STRING(context->rules.audit_path, NULL);
  UNIT_ASSERT_STRING(context->rules.allowed_commands[0], "git");
  UNIT_ASSERT_STRING(context->rules.allowed_commands[5], NULL);
  mloom_context_free(context);
  mloom_context_free(NULL);
}

static void test_environment(void) {
  static const char *const environment[] = {
      "JCA_WORKER_SANDBOX=best-effort",   "JCA_WORKER_ALLOWED_COMMANDS= make , cc ",
      "JCA_WORKER_COMMAND_NETWORK=allow", "JCA_WORKER_COMMAND_TIMEOUT_SECONDS=7",
      "JCA_WORKER_MAX_REPAIR_ATTEMPTS=x", "TMPDIR=/var/tmp",
      "JCA_WORKER_SANDBOXX=require",      NULL};
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(make(&context, NULL, environment, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(context->rules.sandbox_mode, MLOOM_SANDBOX_BEST_EFFORT);
  CU_ASSERT_EQUAL(context->rules.allow_network, 1);
  CU_ASSERT_EQUAL(context->rules.command_timeout_ms, 7000);
  UNIT_ASSERT_STRING(context->rules.scratch_path, "/var/tmp");
  UNIT_ASSERT_STRING(context->rules.allowed_commands[0], "make");
  UNIT_ASSERT_STRING(context->rules.allowed_commands[1], "cc");
  CU_ASSERT_PTR_NOT_NULL(strstr(warnings, "max_repair_attempts"));
  CU_ASSERT_PTR_NOT_NULL(strstr(warnings, "did you mean JCA_WORKER_SANDBOX"));
  mloom_context_free(context);
}

/* A value that is meant to confine, and is misspelt, must not open what it was to close. */
static void test_misspelt_limits(void) {
  static const char *const environment[] = {"JCA_WORKER_SANDBOX=best effort", "JCA_WORKER_COMMAND_NETWORK=yes", NULL};
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(make(&context, NULL, environment, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(context->rules.sandbox_mode, MLOOM_SANDBOX_REQUIRE);
  CU_ASSERT_EQUAL(context->rules.allow_network, 0);
  mloom_context_free(context);
}

static void test_config(void) {
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(make(&context, write_config("{\"worker\":{\"max_turns\":9}}", 0600), NULL, &error), MLOOM_OK,
                   &error);
  CU_ASSERT_EQUAL(context->rules.max_turns, 9);
  mloom_context_free(context);
  static const struct {
    const char *text;
    mode_t mode;
    int32_t code;
    const char *part;
  } cases[] = {{"{\n \"worker\": {,}}", 0600, MLOOM_E_INVALID, "line 2"},
               {"[]", 0600, MLOOM_E_INVALID, "not a JSON object"},
               {"", 0600, MLOOM_E_INVALID, "config.json"},
               {"{}", 0666, MLOOM_E_DENIED, "config.json"}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    UNIT_ASSERT_CODE(make(&context, write_config(cases[i].text, cases[i].mode), NULL, &error), cases[i].code, &error);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].part));
    CU_ASSERT_PTR_NULL(context);
  }
  UNIT_ASSERT_CODE(make(&context, "relative.json", NULL, &error), MLOOM_E_INVALID, &error);
  CU_ASSERT_NOT_EQUAL(make(&context, "/nonexistent/config.json", NULL, &error), MLOOM_OK);
  unlink(write_config("{}", 0600));
}

static void test_old_options(void) {
  static const char *const environment[] = {NULL};
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_context_options options = {.environment = environment, .supervise_path = "not absolute"};
  /* Built against a header that ended before supervise_path: what lies behind is not read. */
  options.size = offsetof(mloom_context_options, supervise_path);
  UNIT_ASSERT_CODE(mloom_context_new(&context, &options, &error), MLOOM_OK, &error);
  mloom_context_free(context);
  context = NULL;
  options.size = sizeof(options);
  UNIT_ASSERT_CODE(mloom_context_new(&context, &options, &error), MLOOM_E_INVALID, &error);
  CU_ASSERT_PTR_NULL(context);
}

static void test_given_settings(void) {
  static const char *const environment[] = {"JCA_WORKER_MAX_TURNS=5", NULL};
  static const char *const no_plugins[] = {"/nonexistent/plugins", NULL};
#define WORKER(members) "{\"worker\": {" members "}}"
  static const char gateway[] = WORKER("\"max_turns\": 6, \"max_repair_attempts\": 7");
  static const char stored[] = WORKER("\"max_repair_attempts\": 8, \"command_timeout_seconds\": 9");
  mloom_context_options options = {.size = sizeof(options),
                                   .plugin_paths = no_plugins,
                                   .secrets_path = "/nonexistent/secrets",
                                   .environment = environment,
                                   .gateway_settings = {gateway, sizeof gateway - 1},
                                   .stored_settings = {stored, sizeof stored - 1}};
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_context_new(&context, &options, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(context->rules.max_turns, 5);
  CU_ASSERT_EQUAL(context->rules.max_repair_attempts, 7);
  CU_ASSERT_EQUAL(context->rules.command_timeout_ms, 9000);
  mloom_context_free(context);
  options.stored_settings = (mloom_bytes){"[1]", 3};
  UNIT_ASSERT_CODE(mloom_context_new(&context, &options, &error), MLOOM_E_INVALID, &error);
  UNIT_ASSERT_STRING(error.message, "the settings store is not a JSON object");
#undef WORKER
}

static void test_describe(void) {
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  char *text = NULL;
  mloom_json *json = NULL;
  UNIT_ASSERT_CODE(make(&context, NULL, NULL, &error), MLOOM_OK, &error);
  UNIT_ASSERT_CODE(mloom_context_describe_providers(context, &text, &error), MLOOM_OK, &error);
  UNIT_ASSERT_CODE(mloom_json_parse(&json, text, strlen(text), "it", &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_json_member_string(json, "schema", ""), "mergeloom.providers.v1");
  CU_ASSERT_EQUAL(mloom_json_kind(mloom_json_member(json, "providers")), MLOOM_JSON_ARRAY);
  CU_ASSERT_EQUAL(mloom_json_kind(mloom_json_member(json, "worker")), MLOOM_JSON_OBJECT);
  mloom_json_unref(json);
  mloom_string_free(text);
  mloom_check_report *report = NULL;
  UNIT_ASSERT_CODE(mloom_check(&report, context, "absent", NULL, &error), MLOOM_E_NOT_FOUND, &error);
  UNIT_ASSERT_CODE(mloom_check(&report, context, NULL, NULL, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_check_report_count(report), 0);
  UNIT_ASSERT_STRING(mloom_check_report_provider(report, 0), NULL);
  mloom_check_report_free(report);
  mloom_context_free(context);
}

static void test_strings(void) {
  char **list = mloom_strings_split(":/a: /b ::", ':', "/last");
  UNIT_ASSERT_STRING(list[0], "/a");
  UNIT_ASSERT_STRING(list[1], "/b");
  UNIT_ASSERT_STRING(list[2], "/last");
  UNIT_ASSERT_STRING(list[3], NULL);
  mloom_strings_free(list);
  list = mloom_strings_split("", ':', NULL);
  UNIT_ASSERT_STRING(list[0], NULL);
  mloom_strings_free(list);
  char *environment[] = {(char *)"AB=1", (char *)"A=", (char *)"B=2=3", NULL};
  UNIT_ASSERT_STRING(mloom_strings_variable(environment, "A"), NULL);
  UNIT_ASSERT_STRING(mloom_strings_variable(environment, "B"), "2=3");
}

/* Whatever passes on a variable of a proxy: its password is no text that anybody is shown. */
static void test_proxy_passwords_are_secret(void) {
  static const char *const environment[] = {"HTTPS_PROXY=http://worker:one%2Fpassword@proxy.example:3128/",
                                            "http_proxy=worker:second-password@proxy.example", "ALL_PROXY=socks",
                                            "all_proxy=http://proxy.example/?a:third-one@x", NULL};
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  UNIT_ASSERT_CODE(make(&context, NULL, environment, &error), MLOOM_OK, &error);
  mloom_buffer_append_string(&text, "one%2Fpassword one/password second-password third-one "
                                    "d29ya2VyOm9uZS9wYXNzd29yZA==");
  mloom_redactor_apply(context->redactor, &text);
  UNIT_ASSERT_STRING(mloom_buffer_string(&text), "[redacted] [redacted] [redacted] third-one [redacted]");
  mloom_context_free(context);
}

static void note_event(const mloom_job_event *event, void *userdata) {
  mloom_buffer_append_string(userdata, event->json);
}

/* A ticket may quote a secret, and a job that is refused passes on what the ticket says, too. */
static void test_a_refused_job_tells_no_secret(void) {
  static const char job[] =
      "{\"schema\":\"mergeloom.job.v1\",\"id\":\"quoted\",\"repository\":{\"path\":\"/\"},"
      "\"ticket\":{\"title\":\"second-password\",\"description\":\"[JCA]\\nprovider=second-password\\n[/JCA]\"}}";
  char audit[64];
  const char *const environment[] = {"http_proxy=worker:second-password@proxy.example", audit, NULL};
  mloom_context *context = NULL;
  mloom_result *result = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer told = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  mloom_job_options options = {.size = sizeof(options), .event = note_event, .userdata = &told};
  snprintf(audit, sizeof(audit), "JCA_WORKER_AUDIT_PATH=%s", folder);
  UNIT_ASSERT_CODE(make(&context, NULL, environment, &error), MLOOM_OK, &error);
  UNIT_ASSERT_CODE(mloom_job_run(&result, context, job, strlen(job), &options, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_result_state(result, &error), MLOOM_JOB_BLOCKED);
  mloom_buffer_append_string(&told, error.message);
  mloom_buffer_append_string(&told, mloom_result_json(result));
  mloom_buffer_append_format(&path, "%s/quoted.jsonl", folder);
  UNIT_ASSERT_CODE(mloom_file_read(&told, mloom_buffer_string(&path), 1 << 20, MLOOM_DOMAIN_NONE, &error), MLOOM_OK,
                   &error);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&told), "no provider [redacted] is loaded"));
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&told), "second-password"));
  unlink(mloom_buffer_string(&path));
  mloom_result_free(result);
  mloom_context_free(context);
}

static const unit_test tests[] = {{"defaults", test_defaults},
                                  {"environment", test_environment},
                                  {"passwords of proxies are secret", test_proxy_passwords_are_secret},
                                  {"a refused job tells no secret", test_a_refused_job_tells_no_secret},
                                  {"misspelt limits", test_misspelt_limits},
                                  {"configuration file", test_config},
                                  {"options of an older program", test_old_options},
                                  {"settings of a gateway and of a store", test_given_settings},
                                  {"describe and check without providers", test_describe},
                                  {"lists of strings", test_strings}};

int main(void) {
  if (mkdtemp(folder) == NULL) {
    return 2;
  }
  int status = unit_run("context", tests, sizeof(tests) / sizeof(tests[0]));
  rmdir(folder);
  return status;
}
