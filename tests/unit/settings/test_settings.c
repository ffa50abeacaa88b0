/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "deployment_fields.h"
#include "harness.h"
#include "settings/nearest.h"
#include "settings/worker_fields.h"

#define ENVIRONMENT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define KEY "test-key-not-a-secret"

/* ---- A folder of files, and a schema with every kind ---- */

static char folder[64];

static const char *write_file(const char *name, const char *data, size_t size) {
  static char paths[8][160];
  static size_t next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  CU_ASSERT_EQUAL(fwrite(data, 1, size, file), size);
  fclose(file);
  return path;
}

static void make_folder(void) {
  snprintf(folder, sizeof folder, "/tmp/mloom-settings-XXXXXX");
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void remove_folder(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_file_remove_tree(folder, &error), MLOOM_OK, &error);
  folder[0] = '\0';
}

static const char *const key_names[] = {"JCA_TEST_KEY", "LEGACY_KEY", NULL};
static const char *const shapes[] = {"round", "square", NULL};
#define FIELD(name_, kind_) .size = sizeof(mloom_field), .name = name_, .title = name_, .help = "help", .kind = kind_
static const mloom_field text_field = {FIELD("text", MLOOM_FIELD_STRING), .default_value = "fallback"};
static const mloom_field number = {FIELD("number", MLOOM_FIELD_INTEGER), .default_value = "7", .minimum = 1,
                                   .maximum = 10};
static const mloom_field flag = {FIELD("flag", MLOOM_FIELD_BOOLEAN)};
static const mloom_field shape = {FIELD("shape", MLOOM_FIELD_CHOICE), .choices = shapes};
static const mloom_field key = {FIELD("key", MLOOM_FIELD_SECRET), .environment_names = key_names};
static const mloom_field document = {FIELD("document", MLOOM_FIELD_SECRET), .flags = MLOOM_FIELD_MULTILINE};
static const mloom_field url = {FIELD("url", MLOOM_FIELD_URL)};
static const mloom_field vendor = {FIELD("vendor", MLOOM_FIELD_URL), .default_value = "https://vendor.example/v1"};
static const mloom_field command = {FIELD("credential_command", MLOOM_FIELD_STRING)};
static const mloom_field path_field = {FIELD("path", MLOOM_FIELD_PATH)};
static const mloom_field list = {FIELD("list", MLOOM_FIELD_LIST)};
static const mloom_field headers = {FIELD("headers", MLOOM_FIELD_HEADERS)};
static const mloom_field needed = {FIELD("needed", MLOOM_FIELD_STRING), .flags = MLOOM_FIELD_REQUIRED,
                                   .shown_when_field = "shape", .shown_when_value = "square"};
static const mloom_field *const schema[] = {&text_field, &number, &flag,    &shape,  &key,    &document, &url,
                                            &path_field, &list,   &headers, &needed, &vendor, &command};

static mloom_redactor *redactor;

static mloom_json *parse(const char *text) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_json *json = NULL;
  if (text != NULL) {
    UNIT_ASSERT_CODE(mloom_json_parse(&json, text, strlen(text), "the document", &error), MLOOM_OK, &error);
  }
  return json;
}

static mloom_settings *build_with_documents(const char *const *environment, const char *config, const char *gateway,
                                            const char *stored) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_json *documents[] = {parse(config), parse(gateway), parse(stored)};
  mloom_settings_sources sources = {.environment = environment,
                                    .secrets_path = folder[0] == '\0' ? "/nowhere" : folder,
                                    .config = documents[0],
                                    .config_path = "/etc/test.json",
                                    .gateway = documents[1],
                                    .stored = documents[2],
                                    .redactor = redactor};
  mloom_settings *settings = NULL;
  UNIT_ASSERT_CODE(
      mloom_settings_new(&settings, "some-id", schema, sizeof schema / sizeof schema[0], 1, &sources, &error), MLOOM_OK,
      &error);
  for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
    mloom_json_unref(documents[i]);
  }
  return settings;
}

static mloom_settings *build_with(const char *const *environment, const char *config) {
  return build_with_documents(environment, config, NULL, NULL);
}

static mloom_setting get(const mloom_settings *settings, const char *name) {
  mloom_setting setting = {.size = sizeof setting};
  CU_ASSERT_EQUAL(mloom_settings_get(settings, name, &setting), MLOOM_OK);
  return setting;
}

static void check(const mloom_settings *settings, const char *name, const char *value, uint32_t origin,
                  const char *origin_name, uint32_t locked) {
  mloom_setting setting = get(settings, name);
  if (setting.secret != NULL) {
    UNIT_ASSERT_STRING(mloom_secret_bytes(setting.secret).data, value);
    CU_ASSERT_PTR_NULL(setting.value);
  } else {
    UNIT_ASSERT_STRING(setting.value, value);
  }
  CU_ASSERT_EQUAL(setting.origin, origin);
  UNIT_ASSERT_STRING(setting.origin_name, origin_name);
  CU_ASSERT_EQUAL(setting.locked, locked);
}

/* ---- Layers ---- */

static void test_layers_of_a_string(void) {
  char variable[200], origin[200];
  make_folder();
  static const char config[] = "{\"providers\": {\"some-id\": {\"text\": \"from config\"}}}";
  mloom_settings *settings = build_with(ENVIRONMENT("A=b"), NULL);
  check(settings, "text", "fallback", MLOOM_ORIGIN_DEFAULT, "default", 0);
  check(settings, "flag", NULL, MLOOM_ORIGIN_UNSET, "", 0);
  mloom_settings_unref(settings);

  settings = build_with(ENVIRONMENT("A=b"), config);
  check(settings, "text", "from config", MLOOM_ORIGIN_CONFIG_FILE, "/etc/test.json", 1);
  mloom_settings_unref(settings);

  const char *mounted = write_file("JCA_SOME_ID_TEXT", "from mount\n", 11);
  settings = build_with(ENVIRONMENT("A=b"), config);
  check(settings, "text", "from mount", MLOOM_ORIGIN_SECRET_MOUNT, mounted, 1);
  mloom_settings_unref(settings);

  const char *file = write_file("file", "from file\r\n", 11);
  snprintf(variable, sizeof variable, "JCA_SOME_ID_TEXT_FILE=%s", file);
  settings = build_with(ENVIRONMENT(variable), config);
  snprintf(origin, sizeof origin, "JCA_SOME_ID_TEXT_FILE (%s)", file);
  check(settings, "text", "from file", MLOOM_ORIGIN_FILE_VARIABLE, origin, 1);
  CU_ASSERT_EQUAL(mloom_settings_problem_count(settings), 0);
  mloom_settings_unref(settings);

  settings = build_with(ENVIRONMENT(variable, "JCA_SOME_ID_TEXT=from environment"), config);
  check(settings, "text", "from environment", MLOOM_ORIGIN_ENVIRONMENT, "JCA_SOME_ID_TEXT", 1);
  /* Both were set: said, but no failure. */
  CU_ASSERT_EQUAL_FATAL(mloom_settings_problem_count(settings), 1);
  CU_ASSERT_EQUAL(mloom_settings_problem_at(settings, 0)->state, MLOOM_CHECK_WARN);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_settings_problem_at(settings, 0)->message, "JCA_SOME_ID_TEXT_FILE"));
  CU_ASSERT_PTR_NULL(mloom_settings_problem_of(settings, "text"));
  mloom_settings_unref(settings);
  remove_folder();
}

static void test_documents_of_a_gateway_and_a_store(void) {
#define ONE(value) "{\"providers\": {\"some-id\": {\"text\": " value "}}}"
  static const struct {
    const char *config, *gateway, *stored, *value, *origin_name;
    uint32_t origin, locked;
  } cases[] = {
      {ONE("\"c\""), ONE("\"g\""), ONE("\"s\""), "c", "/etc/test.json", MLOOM_ORIGIN_CONFIG_FILE, 1},
      {ONE("\"\""), ONE("\"g\""), ONE("\"s\""), "g", "the gateway", MLOOM_ORIGIN_GATEWAY, 1},
      {NULL, ONE("null"), ONE("\"s\""), "s", "the settings store", MLOOM_ORIGIN_STORE, 0},
      {NULL, NULL, ONE("\"\""), "fallback", "default", MLOOM_ORIGIN_DEFAULT, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mloom_settings *settings =
        build_with_documents(ENVIRONMENT("A=b"), cases[i].config, cases[i].gateway, cases[i].stored);
    check(settings, "text", cases[i].value, cases[i].origin, cases[i].origin_name, cases[i].locked);
    mloom_settings_unref(settings);
  }
  mloom_settings *settings = build_with_documents(ENVIRONMENT("JCA_TEST_KEY=" KEY), NULL, NULL,
                                                  "{\"providers\": {\"some-id\": {\"key\": \"weaker\", \"txt\": 1}}}");
  check(settings, "key", KEY, MLOOM_ORIGIN_ENVIRONMENT, "JCA_TEST_KEY", 1);
  CU_ASSERT_EQUAL_FATAL(mloom_settings_problem_count(settings), 1);
  UNIT_ASSERT_STRING(mloom_settings_problem_at(settings, 0)->message,
                     "some-id has no setting txt, but the settings store sets it");
  mloom_settings_unref(settings);
#undef ONE
}

/* A secret is not sent to an address that a weaker layer gives, which anybody may write who may use the card. */
static void test_secrets_and_weaker_addresses(void) {
#define DOCUMENT(fields) "{\"providers\": {\"some-id\": {" fields "}}}"
#define MINE "\"url\": \"https://elsewhere.example\""
#define STORE_KEY "\"key\": \"" KEY "\""
#define ENVIRONMENT_KEY "JCA_TEST_KEY=" KEY
#define ENVIRONMENT_URL "JCA_SOME_ID_URL=https://elsewhere.example"
#define PROXY "\"proxy\": \"http://proxy.example:3128\""
#define CA ", \"ca_file\": \"/etc/ca.pem\""
  static const struct {
    const char *variables[3], *config, *gateway, *stored;
    const char *refused; /* the field, or NULL */
  } cases[] = {
      {{ENVIRONMENT_KEY}, NULL, NULL, DOCUMENT(MINE), "url"},
      {{ENVIRONMENT_KEY}, NULL, DOCUMENT(MINE), NULL, "url"},
      {{NULL}, DOCUMENT(STORE_KEY), NULL, DOCUMENT(MINE), "url"},
      {{NULL}, DOCUMENT(STORE_KEY), DOCUMENT(MINE), NULL, "url"},
      {{NULL}, NULL, DOCUMENT(STORE_KEY), DOCUMENT(MINE), "url"},
      {{"JCA_SOME_ID_HEADERS=X-Key: " KEY}, NULL, NULL, DOCUMENT(MINE), "url"},
      {{"JCA_SOME_ID_CREDENTIAL_COMMAND=/bin/key"}, NULL, NULL, DOCUMENT(MINE), "url"},
      {{ENVIRONMENT_KEY}, NULL, NULL, DOCUMENT(PROXY CA), "proxy"},
      {{"JCA_SOME_ID_PROXY_LOGIN=user:" KEY}, NULL, NULL, DOCUMENT(PROXY), "proxy"},
      /* As they should be: from one place, the address from the stronger one, no secret, the vendor's own address. */
      {{ENVIRONMENT_KEY, ENVIRONMENT_URL}, NULL, NULL, NULL, NULL},
      {{ENVIRONMENT_KEY}, DOCUMENT(MINE), NULL, NULL, NULL},
      {{ENVIRONMENT_KEY, ENVIRONMENT_URL}, NULL, NULL, DOCUMENT("\"url\": \"https://third.example\""), NULL},
      {{ENVIRONMENT_URL}, NULL, NULL, DOCUMENT(STORE_KEY), NULL},
      {{NULL}, NULL, NULL, DOCUMENT(MINE ", " STORE_KEY), NULL},
      {{NULL}, NULL, DOCUMENT(MINE ", " STORE_KEY), NULL, NULL},
      {{NULL}, NULL, DOCUMENT(MINE), DOCUMENT(STORE_KEY), NULL},
      {{NULL}, NULL, NULL, DOCUMENT(MINE), NULL},
      {{ENVIRONMENT_KEY}, NULL, NULL, DOCUMENT("\"vendor\": \"https://vendor.example/v1\""), NULL},
      {{ENVIRONMENT_KEY}, NULL, NULL, DOCUMENT("\"vendor\": \"https://vendor.example.evil.example/v1\""), "vendor"},
      {{ENVIRONMENT_KEY}, NULL, NULL, DOCUMENT(PROXY), NULL},
      {{"JCA_SOME_ID_PROXY_LOGIN=user:" KEY}, NULL, NULL, DOCUMENT(MINE), NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mloom_settings *settings =
        build_with_documents(cases[i].variables, cases[i].config, cases[i].gateway, cases[i].stored);
    const mloom_settings_problem *problem =
        cases[i].refused == NULL ? NULL : mloom_settings_problem_of(settings, cases[i].refused);
    if (mloom_settings_problem_count(settings) != (cases[i].refused != NULL) ||
        (problem == NULL) != (cases[i].refused == NULL)) {
      fprintf(stderr, "case %zu\n", i);
      CU_FAIL("an address is refused, or is not");
    }
    if (problem != NULL) {
      CU_ASSERT_EQUAL(problem->code, MLOOM_E_DENIED);
      CU_ASSERT_PTR_NULL(mloom_settings_string(settings, cases[i].refused, NULL));
      CU_ASSERT_PTR_NULL(strstr(problem->message, KEY));
    }
    mloom_settings_unref(settings);
  }
  mloom_settings *settings = build_with_documents(ENVIRONMENT(ENVIRONMENT_KEY), NULL, NULL, DOCUMENT(MINE));
  const mloom_settings_problem *problem = mloom_settings_problem_of(settings, "url");
  CU_ASSERT_PTR_NOT_NULL_FATAL(problem);
  UNIT_ASSERT_STRING(problem->message, "key from JCA_TEST_KEY is not sent to the url that the settings store gives");
  UNIT_ASSERT_STRING(problem->remedy, "remove url from the settings store, or set JCA_SOME_ID_URL where key is set");
  mloom_settings_unref(settings);
#undef DOCUMENT
}

static void test_empty_counts_as_unset(void) {
  make_folder();
  char variable[200];
  const char *empty = write_file("empty", "\n", 1);
  snprintf(variable, sizeof variable, "JCA_SOME_ID_TEXT_FILE=%s", empty);
  write_file("JCA_SOME_ID_TEXT", "", 0);
  mloom_settings *settings = build_with(ENVIRONMENT("JCA_SOME_ID_TEXT=", variable),
                                        "{\"providers\": {\"some-id\": {\"text\": \"\", \"number\": null}}}");
  check(settings, "text", "fallback", MLOOM_ORIGIN_DEFAULT, "default", 0);
  check(settings, "number", "7", MLOOM_ORIGIN_DEFAULT, "default", 0);
  CU_ASSERT_EQUAL(mloom_settings_problem_count(settings), 0);
  mloom_settings_unref(settings);

  settings = build_with(ENVIRONMENT("JCA_SOME_ID_TEXT=  \t", "JCA_SOME_ID_TEXT_FILE=", "JCA_SOME_ID_LIST= , ,",
                                    "JCA_TEST_KEY=", "JCA_SOME_ID_HEADERS=\n"),
                        "{\"providers\": {\"some-id\": {\"text\": \"below\"}}}");
  check(settings, "text", "below", MLOOM_ORIGIN_CONFIG_FILE, "/etc/test.json", 1);
  CU_ASSERT_EQUAL(get(settings, "list").origin, MLOOM_ORIGIN_UNSET);
  CU_ASSERT_EQUAL(get(settings, "key").origin, MLOOM_ORIGIN_UNSET);
  CU_ASSERT_EQUAL(get(settings, "headers").origin, MLOOM_ORIGIN_UNSET);
  mloom_settings_unref(settings);
  remove_folder();
}

static void test_names_in_their_order(void) {
  mloom_settings *settings =
      build_with(ENVIRONMENT("JCA_SOME_ID_KEY=third", "LEGACY_KEY=second", "JCA_TEST_KEY=first"), NULL);
  check(settings, "key", "first", MLOOM_ORIGIN_ENVIRONMENT, "JCA_TEST_KEY", 1);
  UNIT_ASSERT_STRING(mloom_settings_environment_name(settings, 4), "JCA_TEST_KEY");
  mloom_settings_unref(settings);
  settings = build_with(ENVIRONMENT("JCA_SOME_ID_KEY=third", "LEGACY_KEY=second", "JCA_TEST_KEY="), NULL);
  check(settings, "key", "second", MLOOM_ORIGIN_ENVIRONMENT, "LEGACY_KEY", 1);
  mloom_settings_unref(settings);
  settings = build_with(ENVIRONMENT("JCA_SOME_ID_KEY=third", "JCA_TEST_KEYS=no"), NULL);
  check(settings, "key", "third", MLOOM_ORIGIN_ENVIRONMENT, "JCA_SOME_ID_KEY", 1);
  mloom_settings_unref(settings);
  /* A variable beats every file, of whatever name. */
  make_folder();
  write_file("JCA_TEST_KEY", KEY, strlen(KEY));
  settings = build_with(ENVIRONMENT("JCA_SOME_ID_KEY=third"), NULL);
  check(settings, "key", "third", MLOOM_ORIGIN_ENVIRONMENT, "JCA_SOME_ID_KEY", 1);
  mloom_settings_unref(settings);
  remove_folder();
}

/* A source that cannot be used leaves the field unset; no weaker layer takes its place. */
static void test_failing_sources_do_not_fall_through(void) {
  make_folder();
  char directory[160], variable[200];
  snprintf(directory, sizeof directory, "%s/JCA_SOME_ID_TEXT", folder);
  CU_ASSERT_EQUAL(mkdir(directory, 0700), 0);
  static const char config[] = "{\"providers\": {\"some-id\": {\"text\": \"below\"}}}";
  mloom_settings *settings = build_with(ENVIRONMENT("A=b"), config);
  mloom_setting setting = get(settings, "text");
  CU_ASSERT_EQUAL(setting.origin, MLOOM_ORIGIN_UNSET);
  CU_ASSERT_PTR_NULL(setting.value);
  CU_ASSERT_EQUAL(setting.locked, 1);
  CU_ASSERT_PTR_NOT_NULL(mloom_settings_problem_of(settings, "text"));
  mloom_settings_unref(settings);
  CU_ASSERT_EQUAL(rmdir(directory), 0);

  static const char *const sources[] = {"/nowhere/key", "relative/path", "/dev/zero"};
  for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
    snprintf(variable, sizeof variable, "JCA_SOME_ID_TEXT_FILE=%s", sources[i]);
    settings = build_with(ENVIRONMENT(variable), config);
    CU_ASSERT_EQUAL(get(settings, "text").origin, MLOOM_ORIGIN_UNSET);
    const mloom_settings_problem *problem = mloom_settings_problem_of(settings, "text");
    CU_ASSERT_PTR_NOT_NULL_FATAL(problem);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem->message, "JCA_SOME_ID_TEXT_FILE"));
    CU_ASSERT_NOT_EQUAL(problem->remedy[0], '\0');
    mloom_settings_unref(settings);
  }
  settings = build_with(ENVIRONMENT("JCA_SOME_ID_NUMBER=11"), "{\"providers\": {\"some-id\": {\"number\": 5}}}");
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "number", -1), -1);
  mloom_settings_unref(settings);
  remove_folder();
}

static void test_files_with_odd_contents(void) {
  make_folder();
  char *large = malloc(65537);
  memset(large, 'x', 65537);
  write_file("JCA_TEST_KEY", large, 65536);
  mloom_settings *settings = build_with(NULL, NULL);
  CU_ASSERT_EQUAL(mloom_secret_bytes(get(settings, "key").secret).size, 65536);
  mloom_settings_unref(settings);
  write_file("JCA_TEST_KEY", large, 65537);
  settings = build_with(NULL, NULL);
  CU_ASSERT_PTR_NOT_NULL(mloom_settings_problem_of(settings, "key"));
  mloom_settings_unref(settings);
  free(large);

  static const struct {
    const char *data;
    size_t size;
  } refused[] = {{"test\nkey", 8}, {"test\rkey\n", 9}, {"test\0key", 8}};
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    write_file("JCA_TEST_KEY", refused[i].data, refused[i].size);
    settings = build_with(NULL, NULL);
    const mloom_settings_problem *problem = mloom_settings_problem_of(settings, "key");
    CU_ASSERT_PTR_NOT_NULL_FATAL(problem);
    CU_ASSERT_PTR_NULL(strstr(problem->message, "test\n"));
    CU_ASSERT_EQUAL(get(settings, "key").origin, MLOOM_ORIGIN_UNSET);
    mloom_settings_unref(settings);
  }
  write_file("JCA_TEST_KEY", KEY "\n\n", strlen(KEY) + 2);
  write_file("JCA_SOME_ID_DOCUMENT", "{\n \"a\": 1\n}\n", 12);
  settings = build_with(NULL, NULL);
  UNIT_ASSERT_STRING(mloom_secret_bytes(get(settings, "key").secret).data, KEY);
  UNIT_ASSERT_STRING(mloom_secret_bytes(get(settings, "document").secret).data, "{\n \"a\": 1\n}");
  mloom_settings_unref(settings);
  remove_folder();
}

/* ---- Kinds ---- */

typedef struct kind_case {
  const char *name;
  const char *raw;
  const char *value;   /* NULL: refused */
  const char *problem; /* a part of the message */
} kind_case;

static const kind_case kinds[] = {
    {"text", "  spaced out  ", "spaced out", NULL},
    {"text", "a\nb", NULL, "control characters"},
    {"text", "a\xff", NULL, "malformed UTF-8"},
    {"number", "010", "10", NULL},
    {"number", " 3 ", "3", NULL},
    {"number", "0", NULL, "'0' is not from 1 to 10"},
    {"number", "11", NULL, "'11' is not from 1 to 10"},
    {"number", "30s", NULL, "'30s' is no whole number"},
    {"number", "99999999999999999999", NULL, "no whole number"},
    {"flag", "1", "true", NULL},
    {"flag", "Yes", "true", NULL},
    {"flag", "ON", "true", NULL},
    {"flag", "0", "false", NULL},
    {"flag", "no", "false", NULL},
    {"flag", "off", "false", NULL},
    {"flag", "False", "false", NULL},
    {"flag", "maybe", NULL, "'maybe' is neither true nor false"},
    {"shape", "Round", "round", NULL},
    {"shape", "oval", NULL, "'oval' is none of: round, square"},
    {"url", "https://host.example/v1", "https://host.example/v1", NULL},
    {"url", "HTTP://127.0.0.1:8080", "HTTP://127.0.0.1:8080", NULL},
    {"url", "https://[::1]:8443/x?y=z", "https://[::1]:8443/x?y=z", NULL},
    {"url", "host.example", NULL, "no http or https URL"},
    {"url", "ftp://host", NULL, "no http or https URL"},
    {"url", "file:///etc/passwd", NULL, "no http or https URL"},
    {"url", "https://", NULL, "no valid host"},
    {"url", "https://:80/", NULL, "no valid host"},
    {"url", "https://host:0/", NULL, "no valid host"},
    {"url", "https://host:65536/", NULL, "no valid host"},
    {"url", "https://host:/", NULL, "no valid host"},
    {"url", "https://ho\"st/", NULL, "no valid host"},
    {"url", "https://[::1/", NULL, "no valid host"},
    {"url", "https://host/a b", NULL, "blank"},
    {"url", "https://host/#part", NULL, "fragment"},
    {"url", "https://user:" KEY "@host/", NULL, "user name or password"},
    {"url", "https://" KEY "@host/", NULL, "user name or password"},
    {"url", "https://host/path@here", "https://host/path@here", NULL},
    {"path", "/a/b", "/a/b", NULL},
    {"path", "~/b", NULL, "not absolute"},
    {"path", "b", NULL, "not absolute"},
    {"list", " a, b ,,c ", "a,b,c", NULL},
    {"list", "single", "single", NULL},
    {"key", KEY "\n", KEY, NULL},
    {"key", "a\nb", NULL, "line break"},
    {"document", "a\nb\n", "a\nb", NULL},
    {"headers", "X-One:1\n\n  X-Two : 2", NULL, "no valid name"},
    {"headers", "X-One:1\r\n\r\n  X-Two:  2 3  \n", "X-One: 1\nX-Two: 2 3", NULL},
    {"headers", "no colon", NULL, "no valid name"},
    {"headers", ": value", NULL, "no valid name"},
    {"headers", "X-One:", NULL, "X-One has no value"},
    {"headers", "X-One: a\rb", NULL, "control characters"},
    {"headers", "Host: elsewhere", NULL, "Host is set by the HTTP client"},
    {"headers", "transfer-encoding: chunked", NULL, "set by the HTTP client"},
};

static void check_kind(const kind_case *given) {
  char variable[256];
  snprintf(variable, sizeof variable, "JCA_SOME_ID_%s=%s", given->name, given->raw);
  for (char *c = variable; *c != '='; c++) {
    *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
  }
  mloom_settings *settings = build_with(ENVIRONMENT(variable), NULL);
  mloom_setting setting = get(settings, given->name);
  const mloom_settings_problem *problem = mloom_settings_problem_of(settings, given->name);
  const char *value = setting.secret != NULL ? mloom_secret_bytes(setting.secret).data : setting.value;
  UNIT_ASSERT_STRING(value, given->value);
  CU_ASSERT_EQUAL(problem != NULL, given->value == NULL);
  if (problem != NULL && given->problem != NULL) {
    if (strstr(problem->message, given->problem) == NULL) {
      fprintf(stderr, "%s=%s: %s; %s\n", given->name, given->raw, problem->message, problem->remedy);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(problem->message, given->problem));
    CU_ASSERT_NOT_EQUAL(problem->remedy[0], '\0');
    CU_ASSERT_PTR_NULL(strstr(problem->message, KEY));
    CU_ASSERT_PTR_NULL(strstr(problem->remedy, KEY));
  }
  mloom_settings_unref(settings);
}

static void test_kinds(void) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    check_kind(&kinds[i]);
  }
}

/* A key that went to the wrong variable is not repeated in the message. */
static void test_misplaced_secrets_stay_hidden(void) {
  static const char *const fields[] = {"NUMBER", "FLAG", "SHAPE", "URL", "PATH"};
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    char variable[128];
    snprintf(variable, sizeof variable, "JCA_SOME_ID_%s=sk-TEST-%s", fields[i], KEY);
    mloom_settings *settings = build_with(ENVIRONMENT(variable), NULL);
    CU_ASSERT_EQUAL_FATAL(mloom_settings_problem_count(settings), 1);
    CU_ASSERT_PTR_NULL(strstr(mloom_settings_problem_at(settings, 0)->message, KEY));
    mloom_settings_unref(settings);
  }
  /* Long values are not repeated even when they look like a word. */
  mloom_settings *settings = build_with(ENVIRONMENT("JCA_SOME_ID_SHAPE=long-" KEY), NULL);
  CU_ASSERT_EQUAL_FATAL(mloom_settings_problem_count(settings), 1);
  CU_ASSERT_PTR_NULL(strstr(mloom_settings_problem_at(settings, 0)->message, KEY));
  mloom_settings_unref(settings);
}

/* ---- The configuration file ---- */

static void test_config_kinds(void) {
  mloom_settings *settings =
      build_with(NULL, "{\"providers\": {\"some-id\": {\"number\": 4, \"flag\": true, \"list\": [\"a\", \" b \"], "
                       "\"headers\": {\"X-One\": \"1\", \"X-Two\": \"" KEY "\"}, \"key\": \"" KEY "\"}}}");
  CU_ASSERT_EQUAL(mloom_settings_problem_count(settings), 0);
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "number", 0), 4);
  CU_ASSERT_EQUAL(mloom_settings_boolean(settings, "flag", 0), 1);
  UNIT_ASSERT_STRING(mloom_settings_string(settings, "list", NULL), "a,b");
  UNIT_ASSERT_STRING(mloom_secret_bytes(get(settings, "headers").secret).data, "X-One: 1\nX-Two: " KEY);
  UNIT_ASSERT_STRING(mloom_secret_bytes(get(settings, "key").secret).data, KEY);
  mloom_settings_unref(settings);
}

static void test_wrong_config_kinds(void) {
  static const char *const wrong[] = {
      "\"number\": \"four\"",
      "\"number\": 4.5",
      "\"flag\": 1",
      "\"text\": 1",
      "\"text\": [\"a\"]",
      "\"list\": [1]",
      "\"list\": [\"a,b\"]",
      "\"list\": {}",
      "\"headers\": {\"X\": 1}",
      "\"headers\": {\"X\": \"a\\r\\nY: b\"}",
      "\"headers\": {\"X\\nY\": \"b\"}",
      "\"key\": \"a\\u0000b\"",
      "\"key\": {}",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    char config[128];
    snprintf(config, sizeof config, "{\"providers\": {\"some-id\": {%s}}}", wrong[i]);
    mloom_settings *settings = build_with(NULL, config);
    size_t failing = 0;
    for (size_t j = 0; j < mloom_settings_problem_count(settings); j++) {
      failing += mloom_settings_problem_at(settings, j)->state == MLOOM_CHECK_FAIL;
    }
    if (failing != 1) {
      fprintf(stderr, "%s: %zu problems\n", wrong[i], failing);
    }
    CU_ASSERT_EQUAL(failing, 1);
    mloom_settings_unref(settings);
  }
}

static void test_config_mistakes(void) {
  mloom_settings *settings = build_with(NULL, "{\"providers\": {\"some-id\": {\"txet\": \"a\", \"zzz\": 1}}}");
  CU_ASSERT_EQUAL_FATAL(mloom_settings_problem_count(settings), 2);
  UNIT_ASSERT_STRING(mloom_settings_problem_at(settings, 0)->field, "txet");
  CU_ASSERT_EQUAL(mloom_settings_problem_at(settings, 0)->state, MLOOM_CHECK_WARN);
  UNIT_ASSERT_STRING(mloom_settings_problem_at(settings, 0)->remedy, "did you mean text?");
  UNIT_ASSERT_STRING(mloom_settings_problem_at(settings, 1)->remedy, "remove it");
  mloom_settings_unref(settings);
  static const char *const shapeless[] = {"{\"providers\": []}", "{\"providers\": {\"some-id\": \"x\"}}"};
  for (size_t i = 0; i < 2; i++) {
    settings = build_with(NULL, shapeless[i]);
    CU_ASSERT_EQUAL_FATAL(mloom_settings_problem_count(settings), 1);
    CU_ASSERT_EQUAL(mloom_settings_problem_at(settings, 0)->state, MLOOM_CHECK_FAIL);
    mloom_settings_unref(settings);
  }
}

typedef struct heard {
  char text[2048];
} heard;

static void hear(const char *message, const char *remedy, void *userdata) {
  heard *all = userdata;
  size_t used = strlen(all->text);
  snprintf(all->text + used, sizeof all->text - used, "%s; %s\n", message, remedy);
}

static void test_unknown_names(void) {
  mloom_settings *settings = build_with(NULL, NULL);
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_json *config = NULL;
  static const char text[] = "{\"providers\": {\"some-ld\": {}, \"some-id\": {}, \"else\": {}}, \"workers\": {}}";
  UNIT_ASSERT_CODE(mloom_json_parse(&config, text, sizeof text - 1, "x", &error), MLOOM_OK, &error);
  mloom_settings_sources sources = {
      .environment = ENVIRONMENT("PATH=/bin", "JCA_SOME_ID_TXET=" KEY, "JCA_SOME_ID_TEXT=ok", "JCA_SOME_ID_TEXT_FILE=x",
                                 "JCA_TEST_KEY=x", "JCA_WORKER_ROLE=gateway", "JCA_OPENAI_API_KEY=" KEY,
                                 "JCA_COMPLETELY_DIFFERENT=1", "JCA_EMPTY_AND_UNKNOWN=", "JCA_WORKER_ROLE_FILE=x"),
      .config = config};
  heard all = {""};
  mloom_settings_each_unknown(&sources, &settings, 1, hear, &all);
  UNIT_ASSERT_STRING(
      all.text,
      "the variable JCA_SOME_ID_TXET is known to no loaded provider and not to the worker; did you mean "
      "JCA_SOME_ID_TEXT?\n"
      "the variable JCA_COMPLETELY_DIFFERENT is known to no loaded provider and not to the worker; remove it\n"
      "the member workers of the configuration file is known to no loaded provider and not to the worker; did you "
      "mean worker?\n"
      "the provider some-ld of the configuration file is known to no loaded provider and not to the worker; did you "
      "mean some-id?\n"
      "the provider else of the configuration file is known to no loaded provider and not to the worker; remove it\n");
  mloom_json_unref(config);
  mloom_settings_unref(settings);
}

/* A worker is given the variables of the whole deployment, and says nothing of those that others read. */
static void test_names_of_a_deployment(void) {
  static const char *const others[] = {
      "JCA_CONTEXT_ENGINE_URL",
      "JCA_CONTEXT_ENGINE_WORKER_TOKEN",
      "JCA_CONTEXT_ENGINE_OPENAI_API_KEY_FILE",
      "JCA_WORKER_ENROLLMENT_TOKEN",
      "JCA_WORKER_CONTROL_PLANE_URL",
      "JCA_WORKER_POLL_ENABLED",
      "JCA_WORKER_CLI_CONFIG_DIR",
      "JCA_WORKER_TRACE_DB_URL",
      "JCA_VERTEX_SERVICE_ACCOUNT_JSON",
      "JCA_AZURE_FOUNDRY_AUTH_METHOD",
      "JCA_BEDROCK_MODEL_ID",
      "JCA_WORKER_CLAUDE_CODE_MODEL",
  };
  enum { other_count = sizeof others / sizeof others[0] };
  size_t count = 0;
  const mloom_field *const *fields = deployment_fields(&count);
  mloom_settings *settings = build_with(NULL, NULL);
  for (size_t i = 0; i < count + other_count; i++) {
    char variable[128];
    heard all = {""};
    snprintf(variable, sizeof variable, "%s=x", i < count ? fields[i]->environment_names[0] : others[i - count]);
    mloom_settings_sources sources = {.environment = ENVIRONMENT(variable)};
    mloom_settings_each_unknown(&sources, &settings, 1, hear, &all);
    UNIT_ASSERT_STRING(all.text, "");
  }
  mloom_settings_unref(settings);
}

/* ---- Required and shared fields ---- */

static void test_required(void) {
  mloom_settings *settings = build_with(NULL, NULL);
  CU_ASSERT_EQUAL(mloom_settings_problem_count(settings), 0); /* not asked for while shape is not square */
  mloom_settings_unref(settings);
  settings = build_with(ENVIRONMENT("JCA_SOME_ID_SHAPE=square"), NULL);
  const mloom_settings_problem *problem = mloom_settings_problem_of(settings, "needed");
  CU_ASSERT_PTR_NOT_NULL_FATAL(problem);
  CU_ASSERT_EQUAL(problem->code, MLOOM_E_NOT_CONFIGURED);
  CU_ASSERT_PTR_NOT_NULL(strstr(problem->remedy, "JCA_SOME_ID_NEEDED"));
  mloom_settings_unref(settings);
}

static void test_shared_fields(void) {
  mloom_settings *settings = build_with(ENVIRONMENT("JCA_SOME_ID_ENABLED=no", "JCA_SOME_ID_IDLE_TIMEOUT=5"), NULL);
  CU_ASSERT_EQUAL(mloom_settings_boolean(settings, "enabled", 1), 0);
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "connect_timeout", 0), 10);
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "first_byte_timeout", 0), 120);
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "idle_timeout", 0), 5);
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "total_timeout", 0), 1800);
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "max_retries", 0), 2);
  CU_ASSERT_EQUAL(get(settings, "proxy").origin, MLOOM_ORIGIN_UNSET);
  CU_ASSERT_EQUAL(get(settings, "ca_file").origin, MLOOM_ORIGIN_UNSET);
  CU_ASSERT_EQUAL(get(settings, "extra_headers").origin, MLOOM_ORIGIN_UNSET);
  mloom_setting setting = {.size = sizeof setting};
  CU_ASSERT_EQUAL(mloom_settings_get(settings, "no_such_field", &setting), MLOOM_E_NOT_FOUND);
  mloom_settings_unref(settings);

  /* Without transport only those of every provider; a field of the provider's own keeps its place. */
  static const mloom_field own = {FIELD("enabled", MLOOM_FIELD_STRING), .default_value = "mine"};
  static const mloom_field *const own_schema[] = {&own};
  mloom_settings_sources sources = {0};
  CU_ASSERT_EQUAL(mloom_settings_new(&settings, "x", own_schema, 1, 0, &sources, NULL), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_settings_string(settings, "enabled", NULL), "mine");
  CU_ASSERT_EQUAL(mloom_settings_get(settings, "idle_timeout", &setting), MLOOM_E_NOT_FOUND);
  mloom_settings_unref(settings);
}

/* The smaller struct of an older plugin is not overrun. */
static void test_small_setting_struct(void) {
  mloom_settings *settings = build_with(ENVIRONMENT("JCA_SOME_ID_TEXT=a"), NULL);
  mloom_setting setting;
  memset(&setting, 0x5a, sizeof setting);
  setting.size = offsetof(mloom_setting, origin_name);
  CU_ASSERT_EQUAL(mloom_settings_get(settings, "text", &setting), MLOOM_OK);
  UNIT_ASSERT_STRING(setting.value, "a");
  CU_ASSERT_EQUAL(setting.size, offsetof(mloom_setting, origin_name));
  CU_ASSERT_EQUAL(setting.locked, 0x5a5a5a5a);
  mloom_settings_unref(settings);
}

static void test_list(void) {
  mloom_settings *settings = build_with(ENVIRONMENT("JCA_SOME_ID_LIST=a, b,c"), NULL);
  char **elements = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_settings_list(&elements, settings, "list", NULL), MLOOM_OK);
  UNIT_ASSERT_STRING(elements[0], "a");
  UNIT_ASSERT_STRING(elements[1], "b");
  UNIT_ASSERT_STRING(elements[2], "c");
  CU_ASSERT_PTR_NULL(elements[3]);
  free(elements);
  CU_ASSERT_EQUAL_FATAL(mloom_settings_list(&elements, settings, "path", NULL), MLOOM_OK);
  CU_ASSERT_PTR_NULL(elements[0]);
  free(elements);
  mloom_settings_unref(settings);
}

/* ---- Secrets ---- */

static void check_description(const mloom_settings *settings) {
  mloom_buffer text = MLOOM_BUFFER_INIT;
  char fingerprint[9];
  mloom_json *described = mloom_settings_describe(settings);
  CU_ASSERT_EQUAL(mloom_json_serialize(&text, described, 0), MLOOM_OK);
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&text), KEY));
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&text), "header-words"));
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&text), "X-Token"));
  const mloom_json *field = mloom_json_at(mloom_json_member(described, "fields"), 4);
  mloom_secret_fingerprint(get(settings, "key").secret, NULL, fingerprint);
  UNIT_ASSERT_STRING(mloom_json_member_string(field, "name", NULL), "key");
  UNIT_ASSERT_STRING(mloom_json_member_string(field, "fingerprint", NULL), fingerprint);
  CU_ASSERT_EQUAL(mloom_json_kind(mloom_json_member(field, "value")), MLOOM_JSON_NULL);
  CU_ASSERT_EQUAL(mloom_json_member_boolean(field, "set", 0), 1);
  CU_ASSERT_EQUAL(mloom_json_member_boolean(field, "locked", 0), 1);
  UNIT_ASSERT_STRING(mloom_json_member_string(field, "origin", NULL), "environment");
  UNIT_ASSERT_STRING(mloom_json_member_string(field, "origin_name", NULL), "JCA_TEST_KEY");
  CU_ASSERT_EQUAL(mloom_json_count(mloom_json_member(field, "environment")), 3);
  mloom_json_unref(described);
  mloom_buffer_free(&text);
}

static void test_secrets_are_redacted_and_not_described(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_redactor_new(&redactor, &error), MLOOM_OK, &error);
  mloom_settings *settings = build_with(
      ENVIRONMENT("JCA_TEST_KEY=" KEY, "JCA_SOME_ID_HEADERS=X-Token: Custom header-words-not-secret\nX-Flag: true"),
      NULL);
  mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&text, "a " KEY " b header-words-not-secret c true");
  mloom_redactor_apply(redactor, &text);
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&text), KEY));
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&text), "header-words"));
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&text), "c true"));
  mloom_buffer_free(&text);
  check_description(settings);
  mloom_settings_unref(settings);
  mloom_redactor_free(redactor);
  redactor = NULL;
}

/* ---- The worker ---- */

static void test_worker_fields(void) {
  size_t count = 0;
  const mloom_field *const *fields = mloom_worker_fields(&count);
  mloom_settings_sources sources = {
      .environment = ENVIRONMENT("JCA_WORKER_ALLOWED_COMMANDS=git, make", "JCA_WORKER_COMMAND_TIMEOUT_SECONDS=60")};
  mloom_settings *settings = NULL;
  CU_ASSERT_EQUAL(mloom_settings_new(&settings, "worker", fields, count, 0, &sources, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_settings_count(settings), count); /* none of a provider's */
  CU_ASSERT_EQUAL(mloom_settings_problem_count(settings), 0);
  static const char *const names[] = {
      "JCA_WORKER_PROVIDER",           "JCA_WORKER_ALLOWED_PROVIDERS",    "JCA_WORKER_ALLOWED_MODELS",
      "JCA_WORKER_MODEL_LABELS",       "JCA_WORKER_ALLOWED_COMMANDS",     "JCA_WORKER_COMMAND_TIMEOUT_SECONDS",
      "JCA_WORKER_COMMAND_NETWORK",    "JCA_WORKER_COMMAND_OUTPUT_BYTES", "JCA_WORKER_SANDBOX",
      "JCA_WORKER_SANDBOX_READ_PATHS", "JCA_WORKER_MAX_REPAIR_ATTEMPTS",  "JCA_WORKER_MAX_TURNS",
      "JCA_WORKER_MAX_TOKENS",         "JCA_WORKER_JOB_TIMEOUT_SECONDS",  "JCA_WORKER_AUDIT_PATH",
      "JCA_WORKER_SCRATCH_PATH"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    size_t found = 0;
    for (size_t j = 0; j < count; j++) {
      found += strcmp(mloom_settings_environment_name(settings, j), names[i]) == 0;
    }
    CU_ASSERT_EQUAL(found, 1);
  }
  UNIT_ASSERT_STRING(mloom_settings_string(settings, "allowed_commands", NULL), "git,make");
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "command_timeout_seconds", 0), 60);
  CU_ASSERT_EQUAL(mloom_settings_integer(settings, "max_repair_attempts", 0), 2);
  UNIT_ASSERT_STRING(mloom_settings_string(settings, "sandbox", NULL), "require");
  UNIT_ASSERT_STRING(mloom_settings_string(settings, "command_network", NULL), "deny");
  mloom_settings_unref(settings);
}

static void test_nearest(void) {
  static const char *const known[] = {"provider", "model", "work_repos", "inline_context", NULL};
  static const char *const pairs[][2] = {
      {"providr", "provider"},
      {"provdier", "provider"},
      {"MODLE", "model"},
      {"mdoel", "model"},
      {"work-repo", "work_repos"},
      {"inlinecontext", "inline_context"},
      {"colour", NULL},
      {"x", NULL},
      {"", NULL},
      {"providerprovider", NULL},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    mloom_nearest nearest;
    mloom_nearest_init(&nearest, pairs[i][0]);
    for (size_t j = 0; known[j] != NULL; j++) {
      mloom_nearest_offer(&nearest, known[j], known[j]);
    }
    UNIT_ASSERT_STRING(nearest.best, pairs[i][1]);
  }
}

static const unit_test tests[] = {
    {"layers of a string", test_layers_of_a_string},
    {"empty counts as unset", test_empty_counts_as_unset},
    {"names in their order", test_names_in_their_order},
    {"failing sources do not fall through", test_failing_sources_do_not_fall_through},
    {"files with odd contents", test_files_with_odd_contents},
    {"kinds", test_kinds},
    {"misplaced secrets stay hidden", test_misplaced_secrets_stay_hidden},
    {"documents of a gateway and of a store", test_documents_of_a_gateway_and_a_store},
    {"secrets and addresses of weaker layers", test_secrets_and_weaker_addresses},
    {"kinds in the configuration file", test_config_kinds},
    {"wrong kinds in the configuration file", test_wrong_config_kinds},
    {"mistakes in the configuration file", test_config_mistakes},
    {"unknown names", test_unknown_names},
    {"names of a deployment", test_names_of_a_deployment},
    {"required fields", test_required},
    {"shared fields", test_shared_fields},
    {"a small setting struct", test_small_setting_struct},
    {"lists", test_list},
    {"secrets are redacted and not described", test_secrets_are_redacted_and_not_described},
    {"the worker's fields", test_worker_fields},
    {"nearest names", test_nearest},
};
UNIT_MAIN("settings", tests)
