/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a provider that is made up here: no plugin file, no network.
 */
#include "harness.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "readiness/checks.h"

/* ---- A provider without a service ---- */

static const char *finding_check; /* what its own check says; NULL: nothing */
static uint32_t finding_state;

static int32_t mock_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  (void)args;
  (void)error;
  *out_instance = &finding_check;
  return MLOOM_OK;
}

static void mock_close(void *instance) {
  (void)instance;
}

static int32_t mock_session_new(void *instance, const mloom_session_args *args, void **out_session,
                                mloom_error *error) {
  (void)instance;
  (void)args;
  (void)out_session;
  return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER, NULL, "the mock cannot talk");
}

static void mock_session_free(void *session) {
  (void)session;
}

static int32_t mock_append(void *session, const mloom_message *message, mloom_error *error) {
  (void)session;
  (void)message;
  (void)error;
  return MLOOM_E_UNSUPPORTED;
}

static int32_t mock_prepare(void *session, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error) {
  (void)session;
  (void)args;
  (void)out;
  (void)error;
  return MLOOM_E_UNSUPPORTED;
}

static int32_t mock_feed(void *session, const char *data, size_t size, const mloom_event_sink *sink,
                         mloom_error *error) {
  (void)session;
  (void)data;
  (void)size;
  (void)sink;
  (void)error;
  return MLOOM_E_UNSUPPORTED;
}

static int32_t mock_finish(void *session, const mloom_exchange_end *end, const mloom_event_sink *sink,
                           mloom_turn_result *out, mloom_error *error) {
  (void)session;
  (void)end;
  (void)sink;
  (void)out;
  (void)error;
  return MLOOM_E_UNSUPPORTED;
}

static int32_t mock_check(void *instance, const mloom_probe_sink *sink, mloom_error *error) {
  (void)instance;
  (void)error;
  if (finding_check != NULL) {
    sink->check(finding_check, finding_state, "the plugin says so", "ask the plugin", sink->userdata);
  }
  return MLOOM_OK;
}

static const mloom_field model_field = {.size = sizeof(mloom_field),
                                        .flags = MLOOM_FIELD_REQUIRED,
                                        .name = "model",
                                        .title = "Model",
                                        .help = "",
                                        .kind = MLOOM_FIELD_STRING};
static const mloom_field key_field = {
    .size = sizeof(mloom_field), .name = "api_key", .title = "Key", .help = "", .kind = MLOOM_FIELD_SECRET};
static const mloom_field *const fields[] = {&model_field, &key_field};

static mloom_provider_entry entry = {.descriptor = {.size = sizeof(mloom_provider),
                                                    .id = "mock",
                                                    .title = "Mock",
                                                    .shape = MLOOM_SHAPE_MODEL,
                                                    .threads = MLOOM_THREADS_PARALLEL,
                                                    .capabilities = MLOOM_CAPABILITY_TOOLS,
                                                    .open = mock_open,
                                                    .close = mock_close,
                                                    .session_new = mock_session_new,
                                                    .session_free = mock_session_free,
                                                    .append = mock_append,
                                                    .prepare = mock_prepare,
                                                    .feed = mock_feed,
                                                    .finish = mock_finish,
                                                    .check = mock_check},
                                     .fields = fields,
                                     .field_count = 2,
                                     .plugin_name = "mock"};

/* ---- Running its checks ---- */

typedef struct situation {
  const char *environment[8];
  const char *config; /* JSON, or NULL */
  const char *allowed[4];
  const char *validation[4];
  const char *supervise_path; /* NULL: the built one */
  int64_t job_timeout_ms;
  int64_t command_timeout_ms;
  uint32_t with_self_test;
  mloom_cancel *cancel;
} situation;

static mloom_json *checks;
static char order[512];

static void note_order(const char *provider, const char *check, uint32_t state, const char *reason, const char *remedy,
                       int64_t duration_ms, void *userdata) {
  size_t size = strlen(order);
  (void)reason;
  (void)remedy;
  (void)userdata;
  CU_ASSERT_STRING_EQUAL(provider, "mock");
  CU_ASSERT(duration_ms >= 0);
  snprintf(order + size, sizeof(order) - size, "%s=%s ", check, mloom_check_name(state));
}

static int32_t run(const situation *s, uint32_t *state, mloom_error *error) {
  static const char *const no_paths[] = {NULL};
  const char *built = getenv("MERGELOOM_SUPERVISE");
  mloom_json *config = NULL;
  mloom_settings *settings = NULL;
  mloom_registry *registry = NULL;
  mloom_redactor *redactor = NULL;
  mloom_host host;
  mloom_host_services host_services = {.clock = mloom_clock_system()};
  mloom_call call;
  if (s->config != NULL) {
    CU_ASSERT_EQUAL_FATAL(mloom_json_parse(&config, s->config, strlen(s->config), "the test", error), MLOOM_OK);
  }
  CU_ASSERT_EQUAL_FATAL(mloom_redactor_new(&redactor, error), MLOOM_OK);
  host_services.redactor = redactor;
  mloom_host_init(&host, &host_services);
  CU_ASSERT_EQUAL_FATAL(mloom_registry_new(&registry, no_paths, NULL, &host, NULL, error), MLOOM_OK);
  mloom_settings_sources sources = {.environment = s->environment,
                                    .secrets_path = "/nonexistent",
                                    .config = config,
                                    .config_path = "/test/config.json",
                                    .redactor = redactor};
  CU_ASSERT_EQUAL_FATAL(mloom_settings_new(&settings, "mock", fields, 2, 1, &sources, error), MLOOM_OK);
  mloom_provider_services services = {.registry = registry,
                                      .host = &host,
                                      .clock = mloom_clock_system(),
                                      .redactor = redactor,
                                      .supervise_path = built == NULL ? "/nonexistent" : built,
                                      .environment = s->environment};
  mloom_job_rules rules = {.allowed_commands = s->allowed,
                           .supervise_path = s->supervise_path != NULL ? s->supervise_path : services.supervise_path,
                           .scratch_path = "/tmp",
                           .job_timeout_ms = s->job_timeout_ms > 0 ? s->job_timeout_ms : 3600000,
                           .command_timeout_ms = s->command_timeout_ms > 0 ? s->command_timeout_ms : 300000};
  mloom_call_init(&call, s->cancel, mloom_clock_system(), NULL, INT64_MAX);
  mloom_readiness_args args = {.entry = &entry,
                               .settings = settings,
                               .services = &services,
                               .rules = &rules,
                               .validation_commands = s->validation,
                               .without_self_test = !s->with_self_test,
                               .call = &call,
                               .check = note_order};
  mloom_json_unref(checks);
  checks = NULL;
  order[0] = '\0';
  int32_t code = mloom_readiness_run(&args, state, &checks, error);
  mloom_settings_unref(settings);
  mloom_registry_free(registry);
  mloom_redactor_free(redactor);
  mloom_json_unref(config);
  return code;
}

static const char *member_of(const char *check, const char *member) {
  for (size_t i = 0; i < mloom_json_count(checks); i++) {
    const mloom_json *json = mloom_json_at(checks, i);
    if (strcmp(mloom_json_member_string(json, "name", ""), check) == 0) {
      return mloom_json_member_string(json, member, "");
    }
  }
  return "(absent)";
}

#define ASSERT_CHECK(check, state) UNIT_ASSERT_STRING(member_of(check, "state"), state)
#define ASSERT_SAYS(check, member, part) CU_ASSERT_PTR_NOT_NULL(strstr(member_of(check, member), part))

static const situation usual = {.environment = {"JCA_MOCK_MODEL=m"}, .allowed = {"sh"}};

static void test_order(void) {
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(run(&usual, &state, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(state, MLOOM_STATE_AUTHENTICATED);
  UNIT_ASSERT_STRING(order, "settings=pass storage=pass timeout=pass commands=pass sandbox=pass credential=skipped "
                            "reach=skipped model=warn tools=skipped ");
  CU_ASSERT_EQUAL(mloom_json_count(checks), 9);
  CU_ASSERT_EQUAL(strlen(member_of("reach", "checked_at")), strlen("2026-11-22T23:20:41.123Z"));
}

static void test_settings_missing(void) {
  situation s = usual;
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  s.environment[0] = "JCA_MOCK_MODEL=";
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(state, MLOOM_STATE_NOT_READY);
  ASSERT_CHECK("settings", "fail");
  ASSERT_SAYS("settings", "reason", "model");
  ASSERT_SAYS("settings", "remedy", "JCA_MOCK_MODEL");
  static const char *const after[] = {"credential", "reach", "model", "tools"};
  for (size_t i = 0; i < 4; i++) {
    ASSERT_CHECK(after[i], "skipped");
    ASSERT_SAYS(after[i], "reason", "settings failed");
  }
}

static void test_disabled(void) {
  situation s = usual;
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  s.environment[1] = "JCA_MOCK_ENABLED=no";
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(state, MLOOM_STATE_DISABLED);
  ASSERT_CHECK("tools", "skipped");
  ASSERT_SAYS("tools", "reason", "enabled");
}

static void test_findings(void) {
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  finding_check = "settings";
  finding_state = MLOOM_CHECK_FAIL;
  UNIT_ASSERT_CODE(run(&usual, &state, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(state, MLOOM_STATE_NOT_READY);
  ASSERT_CHECK("settings", "fail");
  UNIT_ASSERT_STRING(member_of("settings", "reason"), "the plugin says so");
  UNIT_ASSERT_STRING(member_of("settings", "remedy"), "ask the plugin");

  finding_check = "timeout";
  finding_state = MLOOM_CHECK_PASS;
  UNIT_ASSERT_CODE(run(&usual, &state, &error), MLOOM_OK, &error);
  CU_ASSERT_PTR_NULL(strstr(member_of("timeout", "reason"), "plugin"));

  finding_check = "region";
  finding_state = MLOOM_CHECK_WARN;
  UNIT_ASSERT_CODE(run(&usual, &state, &error), MLOOM_OK, &error);
  ASSERT_CHECK("region", "warn");
  CU_ASSERT_EQUAL(state, MLOOM_STATE_AUTHENTICATED);
  finding_check = NULL;
}

static void test_timeouts(void) {
  static const struct {
    const char *settings[3];
    int64_t job_ms;
    int64_t command_ms;
    const char *state;
    const char *part;
  } cases[] = {
      {{NULL}, 0, 0, "pass", ""},
      {{"JCA_MOCK_TOTAL_TIMEOUT=29"}, 0, 0, "warn", "29 s"},
      {{"JCA_MOCK_TOTAL_TIMEOUT=100", "JCA_MOCK_IDLE_TIMEOUT=101"}, 0, 0, "warn", "idle_timeout (101 s)"},
      {{"JCA_MOCK_TOTAL_TIMEOUT=100", "JCA_MOCK_IDLE_TIMEOUT=50", "JCA_MOCK_FIRST_BYTE_TIMEOUT=101"},
       0,
       0,
       "warn",
       "first_byte_timeout (101 s)"},
      {{NULL}, 1799000, 0, "warn", "1800 s"},
      {{NULL}, 1801000, 1801000, "warn", "one command"},
      {{NULL}, 1801000, 1800000, "pass", ""},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    situation s = usual;
    uint32_t state = 99;
    mloom_error error = MLOOM_ERROR_INIT;
    memcpy(&s.environment[1], cases[i].settings, sizeof(cases[i].settings));
    s.job_timeout_ms = cases[i].job_ms;
    s.command_timeout_ms = cases[i].command_ms;
    UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
    ASSERT_CHECK("timeout", cases[i].state);
    ASSERT_SAYS("timeout", "reason", cases[i].part);
  }
}

/* Of a program that does the whole job: by the size of the job. */
static void test_program_timeouts(void) {
  static const struct {
    const char *timeout;
    const char *validation[3];
    const char *state;
    const char *part;
  } cases[] = {
      {"JCA_MOCK_TOTAL_TIMEOUT=299", {NULL}, "warn", "299 s"},
      {"JCA_MOCK_TOTAL_TIMEOUT=300", {NULL}, "pass", ""},
      {"JCA_MOCK_TOTAL_TIMEOUT=499", {"sh", "sh"}, "warn", "2 commands of up to 100 s each"},
      {"JCA_MOCK_TOTAL_TIMEOUT=500", {"sh", "sh"}, "pass", ""},
  };
  uint32_t shape = entry.descriptor.shape;
  entry.descriptor.shape = MLOOM_SHAPE_AGENT;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    situation s = usual;
    uint32_t state = 99;
    mloom_error error = MLOOM_ERROR_INIT;
    s.environment[1] = cases[i].timeout;
    s.environment[2] = "JCA_MOCK_IDLE_TIMEOUT=200";
    memcpy(s.validation, cases[i].validation, sizeof(cases[i].validation));
    s.command_timeout_ms = 100000;
    UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
    ASSERT_CHECK("timeout", cases[i].state);
    ASSERT_SAYS("timeout", "reason", cases[i].part);
  }
  entry.descriptor.shape = shape;
}

static void test_commands(void) {
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  situation s = usual;
  s.allowed[1] = "no-such-command";
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  ASSERT_CHECK("commands", "warn");
  ASSERT_SAYS("commands", "reason", "no-such-command");
  s.validation[0] = "sh";
  s.validation[1] = "make";
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  ASSERT_CHECK("commands", "fail");
  ASSERT_SAYS("commands", "reason", "not allowed here: make");
  CU_ASSERT_EQUAL(state, MLOOM_STATE_NOT_READY);
  s.validation[1] = "no-such-command";
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  ASSERT_SAYS("commands", "reason", "not installed here: no-such-command");
  s = usual;
  s.allowed[0] = NULL;
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  ASSERT_CHECK("commands", "warn");
  ASSERT_SAYS("commands", "reason", "no command is allowed");
}

static void test_storage(void) {
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  char folder[] = "/tmp/mergeloom-test-XXXXXX";
  char path[64];
  char variable[96];
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/key", folder);
  snprintf(variable, sizeof(variable), "JCA_MOCK_API_KEY_FILE=%s", path);
  CU_ASSERT_EQUAL(mloom_file_replace(path, "test-key-not-a-secret", 21, 0644, MLOOM_DOMAIN_NONE, &error), MLOOM_OK);
  CU_ASSERT_EQUAL(chmod(path, 0644), 0);
  situation s = usual;
  s.environment[1] = variable;
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  ASSERT_CHECK("storage", "warn");
  ASSERT_SAYS("storage", "reason", path);
  CU_ASSERT_EQUAL(chmod(path, 0600), 0);
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  ASSERT_CHECK("storage", "pass");
  unlink(path);
  rmdir(folder);
  s = usual;
  s.config = "{\"providers\":{\"mock\":{\"api_key\":\"test-key-not-a-secret\"}}}";
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  ASSERT_CHECK("storage", "warn");
  ASSERT_SAYS("storage", "reason", "configuration file: api_key");
}

static void test_sandbox_missing(void) {
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  situation s = usual;
  s.supervise_path = "/nonexistent/mergeloom-supervise";
  s.with_self_test = 1;
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(state, MLOOM_STATE_NOT_READY);
  ASSERT_CHECK("sandbox", "fail");
  ASSERT_CHECK("tools", "skipped");
  ASSERT_SAYS("tools", "reason", "sandbox failed");
}

static void test_self_test_failure(void) {
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  situation s = usual;
  s.with_self_test = 1;
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(state, MLOOM_STATE_NOT_READY);
  ASSERT_CHECK("tools", "fail");
  ASSERT_SAYS("tools", "reason", "the mock cannot talk");
  entry.descriptor.capabilities = 0;
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_OK, &error);
  ASSERT_SAYS("tools", "reason", "cannot call tools");
  entry.descriptor.capabilities = MLOOM_CAPABILITY_TOOLS;
}

static void test_cancelled(void) {
  uint32_t state = 99;
  mloom_error error = MLOOM_ERROR_INIT;
  situation s = usual;
  CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&s.cancel, &error), MLOOM_OK);
  mloom_cancel_trigger(s.cancel);
  UNIT_ASSERT_CODE(run(&s, &state, &error), MLOOM_E_CANCELLED, &error);
  mloom_cancel_unref(s.cancel);
}

static void test_names(void) {
  UNIT_ASSERT_STRING(mloom_state_name(MLOOM_STATE_NOT_READY), "not ready");
  UNIT_ASSERT_STRING(mloom_state_name(77), "not ready");
  UNIT_ASSERT_STRING(mloom_check_name(MLOOM_CHECK_SKIPPED), "skipped");
  UNIT_ASSERT_STRING(mloom_check_name(77), "fail");
  mloom_json_unref(checks);
  checks = NULL;
}

static const unit_test tests[] = {
    {"order and state", test_order},      {"a required setting is missing", test_settings_missing},
    {"disabled", test_disabled},          {"what the plugin finds", test_findings},
    {"time-outs", test_timeouts},         {"time-outs of a program", test_program_timeouts},
    {"commands", test_commands},          {"storage of secrets", test_storage},
    {"no sandbox", test_sandbox_missing}, {"a self-test that cannot begin", test_self_test_failure},
    {"cancelled", test_cancelled},        {"names", test_names}};
UNIT_MAIN("readiness checks", tests)
