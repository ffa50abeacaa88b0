/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "deployment.h"
#include "harness.h"

#define TOKEN "test-key-not-a-secret"
#define BASE "HOME=/nowhere", "JCA_WORKER_NAME=w"

static void test_defaults(void) {
  const char *const environment[] = {BASE, NULL};
  deployment found;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(deployment_read(&found, environment, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(deployment_string(&found, "host"), "127.0.0.1");
  CU_ASSERT_EQUAL(mloom_settings_integer(found.settings, "port", 0), 8010);
  CU_ASSERT_EQUAL(found.job_attempts, 2);
  CU_ASSERT_EQUAL(found.role, DEPLOYMENT_BOTH);
  CU_ASSERT_EQUAL(found.provider_mode, DEPLOYMENT_MODE_UI);
  CU_ASSERT_EQUAL(found.runtime_mode, DEPLOYMENT_MODE_UI);
  UNIT_ASSERT_STRING(found.name, "w");
  UNIT_ASSERT_STRING(found.provider_store_path, "/nowhere/.local/state/mergeloom/provider_config.db");
  UNIT_ASSERT_STRING(found.runtime_store_path, "/nowhere/.local/state/mergeloom/runtime_config.db");
  UNIT_ASSERT_STRING(found.state_store_path, "/nowhere/.local/state/mergeloom/worker_state.db");
  UNIT_ASSERT_STRING(found.secret_key_path, "/nowhere/.local/state/mergeloom/provider_secret.key");
  CU_ASSERT_EQUAL(deployment_secret(&found, "access_token").size, 0);
  deployment_free(&found);
}

static void test_empty_is_unset(void) {
  const char *const environment[] = {BASE,
                                     "JCA_WORKER_HOST=",
                                     "JCA_WORKER_PORT=",
                                     "JCA_WORKER_ROLE=",
                                     "JCA_WORKER_ACCESS_TOKEN=",
                                     "JCA_WORKER_CLUSTER_TOKEN=",
                                     "JCA_WORKER_TLS_TERMINATED=",
                                     "JCA_PROVIDER_CONFIG_MODE=",
                                     "JCA_PROVIDER_CONFIG_DB_PATH=",
                                     "STATE_DIRECTORY=",
                                     "XDG_STATE_HOME=",
                                     NULL};
  deployment found;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(deployment_read(&found, environment, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(deployment_string(&found, "host"), "127.0.0.1");
  CU_ASSERT_EQUAL(found.role, DEPLOYMENT_BOTH);
  CU_ASSERT_EQUAL(found.provider_mode, DEPLOYMENT_MODE_UI);
  CU_ASSERT_EQUAL(deployment_secret(&found, "access_token").size, 0);
  UNIT_ASSERT_STRING(found.state_folder, "/nowhere/.local/state/mergeloom");
  deployment_free(&found);
}

static void test_given(void) {
  const char *const environment[] = {BASE,
                                     "JCA_WORKER_ROLE=executor",
                                     "JCA_PROVIDER_CONFIG_MODE=gateway",
                                     "JCA_WORKER_RUNTIME_CONFIG_MODE=provisioned",
                                     "JCA_WORKER_LOCAL_STATE_DB=/data/state.db",
                                     "JCA_WORKER_CLUSTER_TOKEN=" TOKEN,
                                     "STATE_DIRECTORY=/managed:/second",
                                     NULL};
  deployment found;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(deployment_read(&found, environment, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(found.role, DEPLOYMENT_EXECUTOR);
  CU_ASSERT_EQUAL(found.provider_mode, DEPLOYMENT_MODE_GATEWAY);
  CU_ASSERT_EQUAL(found.runtime_mode, DEPLOYMENT_MODE_PROVISIONED);
  UNIT_ASSERT_STRING(found.state_store_path, "/data/state.db");
  UNIT_ASSERT_STRING(found.provider_store_path, "/managed/provider_config.db");
  CU_ASSERT_EQUAL(deployment_secret(&found, "cluster_token").size, strlen(TOKEN));
  deployment_free(&found);
}

#define URL(name) "postgresql+psycopg://worker:" TOKEN "@db.example/" name

static void test_databases(void) {
  static const struct {
    const char *variables[4];
    const char *settings, *jobs, *audit, *live; /* the last letter of the URL; "": in files */
  } cases[] = {
      {{"JCA_WORKER_DATABASE_URL="}, "", "", "", ""},
      {{"JCA_WORKER_DATABASE_URL=" URL("s")}, "s", "s", "s", "s"},
      {{"JCA_WORKER_DATABASE_URL=postgres://h/s", "JCA_WORKER_AUDIT_DB_URL=" URL("a")}, "s", "s", "a", "s"},
      {{"JCA_WORKER_DATABASE_URL=" URL("s"), "JCA_WORKER_CONFIG_DB_URL=" URL("c"), "JCA_WORKER_LIVE_DB_URL=" URL("l")},
       "c",
       "s",
       "s",
       "l"},
      {{"JCA_WORKER_GATEWAY_DB_URL=" URL("g"), "JCA_WORKER_LIVE_DB_URL="}, "", "g", "g", "g"},
      {{"JCA_WORKER_CONFIG_DB_URL=" URL("c")}, "c", "", "", ""},
      {{"JCA_WORKER_TRACE_DB_URL=" URL("t"), "JCA_WORKER_CODE_AUDIT_DB_URL=" URL("t")}, "", "", "", ""},
      {{"JCA_WORKER_DATABASE_URL=" URL("s"), "JCA_WORKER_ROLE=executor"}, "", "", "", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *const *more = cases[i].variables;
    const char *const environment[] = {BASE, more[0], more[1], more[2], NULL};
    const char *const expected[DEPLOYMENT_STORES] = {cases[i].settings, cases[i].jobs, cases[i].audit, cases[i].live};
    deployment found;
    mloom_error error = MLOOM_ERROR_INIT;
    UNIT_ASSERT_CODE(deployment_read(&found, environment, &error), MLOOM_OK, &error);
    for (int j = 0; j < DEPLOYMENT_STORES; j++) {
      const mloom_bytes url = found.database_urls[j];
      UNIT_ASSERT_STRING(url.size == 0 ? "" : url.data + url.size - 1, expected[j]);
    }
    deployment_free(&found);
  }
}

static void test_refusals(void) {
  static const struct {
    const char *first, *second;
    int32_t code;
  } cases[] = {
      {"JCA_WORKER_HOST=0.0.0.0", NULL, MLOOM_E_DENIED},
      {"JCA_WORKER_HOST=::", NULL, MLOOM_E_DENIED},
      {"JCA_WORKER_HOST=0.0.0.0", "JCA_WORKER_ACCESS_TOKEN=", MLOOM_E_DENIED},
      {"JCA_WORKER_HOST=0.0.0.0", "JCA_WORKER_TLS_TERMINATED=false", MLOOM_E_DENIED},
      {"JCA_WORKER_HOST=0.0.0.0", "JCA_WORKER_ACCESS_TOKEN=" TOKEN, MLOOM_OK},
      {"JCA_WORKER_HOST=0.0.0.0", "JCA_WORKER_CLUSTER_TOKEN=" TOKEN, MLOOM_OK},
      {"JCA_WORKER_HOST=0.0.0.0", "JCA_WORKER_TLS_TERMINATED=true", MLOOM_OK},
      {"JCA_WORKER_HOST=::1", NULL, MLOOM_OK},
      {"JCA_WORKER_PORT=70000", NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_ROLE=king", NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_JOB_ATTEMPTS=0", NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_JOB_SLOTS=0", NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_JOB_SLOTS=65", NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_DATABASE_URL=mysql://worker:" TOKEN "@h/d", NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_DATABASE_URL=postgresqlx://worker:" TOKEN "@h/d", NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_DATABASE_URL=postgresql+psy/cop://worker:" TOKEN "@h/d", NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_DATABASE_URL=postgresql+psycopg2://worker:" TOKEN "@h/d", NULL, MLOOM_OK},
      {"JCA_WORKER_DATABASE_URL=" TOKEN, NULL, MLOOM_E_INVALID},
      {"JCA_WORKER_TRACE_DB_URL=file:" TOKEN, NULL, MLOOM_E_INVALID},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *const environment[] = {BASE, cases[i].first, cases[i].second, NULL};
    deployment found;
    mloom_error error = MLOOM_ERROR_INIT;
    UNIT_ASSERT_CODE(deployment_read(&found, environment, &error), cases[i].code, &error);
    CU_ASSERT(cases[i].code == MLOOM_OK || error.remedy[0] != '\0');
    CU_ASSERT_PTR_NULL(strstr(error.message, TOKEN));
    deployment_free(&found);
  }
}

static void test_loopback(void) {
  CU_ASSERT(deployment_is_loopback("127.0.0.1") && deployment_is_loopback("127.8.9.1"));
  CU_ASSERT(deployment_is_loopback("localhost") && deployment_is_loopback("::1"));
  CU_ASSERT(!deployment_is_loopback("0.0.0.0") && !deployment_is_loopback("::") && !deployment_is_loopback("10.0.0.1"));
  CU_ASSERT(!deployment_is_loopback("localhost.example.com") && !deployment_is_loopback(""));
  /* A name that only looks like an address of this machine. */
  CU_ASSERT(!deployment_is_loopback("127.example.com"));
}

static const unit_test tests[] = {{"defaults", test_defaults},
                                  {"empty counts as unset", test_empty_is_unset},
                                  {"what is given counts", test_given},
                                  {"which store lies in which database", test_databases},
                                  {"what makes no sense or opens too much is refused", test_refusals},
                                  {"loopback", test_loopback}};
UNIT_MAIN("deployment", tests)
