/* SPDX-License-Identifier: Apache-2.0
 *
 * From job documents, settings and a loaded plugin to a resolution, through the public interface.
 */
#include <mergeloom/mergeloom.h>

#include <stdlib.h>

#include "harness.h"

#define JOB(members) "{\"schema\": \"mergeloom.job.v1\", \"ticket\": {\"title\": \"T\"" members "}"
#define WORKSPACE(members) JOB("}, \"workspace\": {\"provider\": \"openai-compatible\"" members "}")
#define POLICY(members) WORKSPACE(", \"policy\": {" members "}")
#define ENVIRONMENT(...) \
  ((const char *const[]){"JCA_OPENAI_COMPATIBLE_BASE_URL=http://127.0.0.1:9/v1", __VA_ARGS__, NULL})
#define MODEL "JCA_OPENAI_COMPATIBLE_MODEL=coder"

typedef struct input_case {
  const char *what;
  const char *job;
  const char *const *environment;
  const char *provider; /* NULL: blocked */
  const char *model;
  const char *blocked; /* a part of the reason */
} input_case;

static const input_case cases[] = {
    {"the worker's default", JOB("}"), ENVIRONMENT(MODEL, "JCA_WORKER_PROVIDER=openai-compatible"), "openai-compatible",
     "coder", NULL},
    {"nothing names a provider, and the only one loaded is not chosen", JOB("}"), ENVIRONMENT(MODEL), NULL, NULL,
     "no layer names a provider"},
    {"the description of the ticket", JOB(", \"description\": \"[JCA]\\r\\nprovider=openai-compatible\\r\\n[/JCA]\"}"),
     ENVIRONMENT(MODEL), "openai-compatible", "coder", NULL},
    {"labels of the ticket", JOB(", \"labels\": [\"a\", \"model:big\"]}"),
     ENVIRONMENT(MODEL, "JCA_WORKER_PROVIDER=openai-compatible"), "openai-compatible", "big", NULL},
    {"repository workflow",
     JOB("}, \"repository\": {\"path\": \"/r\", \"workflow\": {\"provider\": \"openai-compatible\", \"model\": "
         "\"m\"}}"),
     ENVIRONMENT(MODEL), "openai-compatible", "m", NULL},
    {"workspace", WORKSPACE(", \"model\": \"w\""), ENVIRONMENT(MODEL), "openai-compatible", "w", NULL},
    {"no model is stored", WORKSPACE(""), ENVIRONMENT("A=b"), "openai-compatible", NULL, NULL},
    {"model aliases of the provider", WORKSPACE(", \"model\": \"FAST\""),
     ENVIRONMENT(MODEL, "JCA_OPENAI_COMPATIBLE_MODEL_ALIASES=slow=a,fast=coder-small,broken,=x,y="),
     "openai-compatible", "coder-small", NULL},
    {"policy of the workspace: provider", POLICY("\"allowed_providers\": [\"claude-api\"]"), ENVIRONMENT(MODEL), NULL,
     NULL, "the workspace's policy does not allow provider openai-compatible"},
    {"policy of the workspace: no provider", POLICY("\"allowed_providers\": []"), ENVIRONMENT(MODEL), NULL, NULL,
     "does not allow provider"},
    {"policy of the workspace: model", POLICY("\"allowed_models\": [\"gpt-*\"]"), ENVIRONMENT(MODEL), NULL, NULL,
     "does not allow model coder"},
    {"policy of the worker: provider", WORKSPACE(""), ENVIRONMENT(MODEL, "JCA_WORKER_ALLOWED_PROVIDERS=claude-api"),
     NULL, NULL, "the worker's policy does not allow provider"},
    {"policy of both: model", POLICY("\"allowed_models\": [\"c*\"]"),
     ENVIRONMENT(MODEL, "JCA_WORKER_ALLOWED_MODELS=*r, x"), "openai-compatible", "coder", NULL},
    {"policy of both: one forbids", POLICY("\"allowed_models\": [\"c*\"]"),
     ENVIRONMENT(MODEL, "JCA_WORKER_ALLOWED_MODELS=*x"), NULL, NULL, "the worker's policy does not allow model coder"},
    {"labels off in the workspace",
     JOB(", \"labels\": [\"model:big\"]}, \"workspace\": {\"policy\": {\"model_labels\": false}}"),
     ENVIRONMENT(MODEL, "JCA_WORKER_PROVIDER=openai-compatible"), "openai-compatible", "coder", NULL},
    {"labels off on the worker", JOB(", \"labels\": [\"model:big\"]}"),
     ENVIRONMENT(MODEL, "JCA_WORKER_PROVIDER=openai-compatible", "JCA_WORKER_MODEL_LABELS=off"), "openai-compatible",
     "coder", NULL},
    {"a policy that cannot be read", WORKSPACE(""),
     ENVIRONMENT(MODEL, "JCA_WORKER_ALLOWED_PROVIDERS_FILE=/nonexistent/list"), NULL, NULL,
     "the worker's policy cannot be read"},
    {"a default that cannot be read", JOB("}"), ENVIRONMENT(MODEL, "JCA_WORKER_PROVIDER_FILE=/nonexistent/name"), NULL,
     NULL, "worker default: provider from JCA_WORKER_PROVIDER_FILE"},
    {"a stored model that cannot be read", WORKSPACE(""),
     ENVIRONMENT("JCA_OPENAI_COMPATIBLE_MODEL_FILE=/nonexistent/name"), NULL, NULL,
     "stored default of openai-compatible"},
    {"and is not needed", WORKSPACE(", \"model\": \"w\""),
     ENVIRONMENT("JCA_OPENAI_COMPATIBLE_MODEL_FILE=/nonexistent/name"), "openai-compatible", "w", NULL},
    {"a disabled provider is for the gate to refuse", WORKSPACE(""),
     ENVIRONMENT(MODEL, "JCA_OPENAI_COMPATIBLE_ENABLED=false"), "openai-compatible", "coder", NULL},
};

static mloom_context *make(const char *const *environment) {
  const char *build = getenv("top_builddir");
  const char *paths[] = {build == NULL ? "/nonexistent" : build, NULL};
  mloom_context_options options = {
      .size = sizeof options, .plugin_paths = paths, .secrets_path = "/nonexistent", .environment = environment};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_context *context = NULL;
  UNIT_ASSERT_CODE(mloom_context_new(&context, &options, &error), MLOOM_OK, &error);
  return context;
}

static void test_jobs(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const input_case *expected = &cases[i];
    mloom_context *context = make(expected->environment);
    CU_ASSERT_PTR_NOT_NULL_FATAL(context);
    mloom_error error = MLOOM_ERROR_INIT, reason = MLOOM_ERROR_INIT;
    mloom_resolution *resolution = NULL;
    UNIT_ASSERT_CODE(mloom_resolve(&resolution, context, expected->job, strlen(expected->job), &error), MLOOM_OK,
                     &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(resolution);
    UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), expected->provider);
    UNIT_ASSERT_STRING(mloom_resolution_model(resolution), expected->model);
    CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, &reason), expected->provider == NULL);
    if (expected->blocked != NULL && strstr(reason.message, expected->blocked) == NULL) {
      fprintf(stderr, "%s: %s\n", expected->what, reason.message);
    }
    CU_ASSERT(expected->blocked == NULL || strstr(reason.message, expected->blocked) != NULL);
    mloom_resolution_free(resolution);
    mloom_context_free(context);
  }
}

static void test_malformed_jobs(void) {
  static const char *const jobs[] = {
      JOB(", \"labels\": \"a\"}"),
      JOB(", \"labels\": [1]}"),
      WORKSPACE(", \"model\": 1"),
      POLICY("\"allowed_providers\": \"a\""),
      POLICY("\"allowed_models\": [null]"),
      POLICY("\"model_labels\": \"no\""),
      JOB("}, \"repository\": {\"workflow\": {\"provider\": \"a\\u0000b\"}}"),
  };
  mloom_context *context = make(ENVIRONMENT(MODEL));
  CU_ASSERT_PTR_NOT_NULL_FATAL(context);
  for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
    mloom_error error = MLOOM_ERROR_INIT;
    mloom_resolution *resolution = NULL;
    UNIT_ASSERT_CODE(mloom_resolve(&resolution, context, jobs[i], strlen(jobs[i]), &error), MLOOM_E_INVALID, &error);
    CU_ASSERT_PTR_NULL(resolution);
    CU_ASSERT_NOT_EQUAL(error.message[0], '\0');
  }
  mloom_context_free(context);
}

static const unit_test tests[] = {
    {"job, settings, plugin", test_jobs},
    {"malformed jobs", test_malformed_jobs},
};
UNIT_MAIN("job input", tests)
