/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/resolver.h"

#include <stdlib.h>

#include "harness.h"
#include "schema_check.h"

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BLOCK(lines) "[JCA]\n" lines "\n[/JCA]"

static const char *const claude_aliases[] = {"anthropic", NULL};
static const char *const claude_models[] = {"sonnet", "claude-sonnet-9", "opus", "claude-opus-9", NULL};
static const mloom_resolver_provider providers[] = {
    {.id = "openai-compatible", .default_model = "local-7b", .default_model_origin = "JCA_OPENAI_COMPATIBLE_MODEL"},
    {.id = "claude-api",
     .aliases = claude_aliases,
     .default_model = "sonnet",
     .default_model_origin = "JCA_ANTHROPIC_MODEL",
     .model_aliases = claude_models},
    {.id = "vertex-ai", .disabled = 1},
};

typedef struct ladder_case {
  const char *what;
  const char *description;
  const char *const *labels;
  const char *repository[2]; /* provider, model */
  const char *workspace[2];
  const char *worker;
  mloom_resolver_policy policies[2];
  const char *provider; /* expected; NULL while blocked */
  const char *model;
  const char *blocked; /* a part of the first reason; NULL: not blocked */
  const char *remedy;  /* a part of its remedy */
  const char *text;    /* a part of the explanation, NULL: not looked at */
} ladder_case;

static const ladder_case cases[] = {
    /* the provider's ladder, rung by rung */
    {.what = "directive first",
     .description = BLOCK("provider=claude-api"),
     .repository = {"openai-compatible"},
     .workspace = {"openai-compatible"},
     .worker = "openai-compatible",
     .provider = "claude-api",
     .model = "claude-sonnet-9",
     .text = "description line 2, column 10"},
    {.what = "repository before workspace",
     .repository = {"claude-api"},
     .workspace = {"openai-compatible"},
     .worker = "openai-compatible",
     .provider = "claude-api",
     .model = "claude-sonnet-9",
     .text = "provider openai-compatible from the workspace default: the repository workflow decides"},
    {.what = "workspace before worker",
     .workspace = {"claude-api"},
     .worker = "openai-compatible",
     .provider = "claude-api",
     .model = "claude-sonnet-9"},
    {.what = "worker last",
     .worker = "openai-compatible",
     .provider = "openai-compatible",
     .model = "local-7b",
     .text = "from the worker default, JCA_WORKER_PROVIDER"},
    {.what = "no provider anywhere: blocked, none is chosen silently",
     .blocked = "no layer names a provider",
     .remedy = "JCA_WORKER_PROVIDER"},
    {.what = "empty strings name nothing",
     .repository = {"", ""},
     .workspace = {"", ""},
     .worker = "",
     .blocked = "no layer names a provider",
     .remedy = "JCA_WORKER_PROVIDER"},
    {.what = "an alias is accepted and never printed as the id",
     .description = BLOCK("provider=Anthropic"),
     .provider = "claude-api",
     .model = "claude-sonnet-9",
     .text = "written Anthropic"},
    {.what = "ids in any case", .worker = "CLAUDE-API", .provider = "claude-api", .model = "claude-sonnet-9"},
    {.what = "unknown in a directive",
     .description = BLOCK("model=x\nprovider=claud-api"),
     .worker = "openai-compatible",
     .blocked = "line 3, column 10: no provider claud-api",
     .remedy = "did you mean claude-api? Loaded are: openai-compatible, claude-api, vertex-ai"},
    {.what = "unknown near an alias suggests the id",
     .description = BLOCK("provider=antropic"),
     .blocked = "no provider antropic",
     .remedy = "did you mean claude-api?"},
    {.what = "unknown in the repository workflow is never swapped for a weaker layer",
     .repository = {"no-such"},
     .worker = "claude-api",
     .blocked = "repository.workflow.provider: no provider no-such",
     .remedy = "use one that is loaded"},
    {.what = "unknown on a rung that loses does no harm",
     .description = BLOCK("provider=claude-api"),
     .worker = "no-such",
     .provider = "claude-api",
     .model = "claude-sonnet-9"},
    {.what = "a disabled provider is readiness' business, and said",
     .worker = "vertex-ai",
     .provider = "vertex-ai",
     .text = "vertex-ai is disabled on this worker"},

    /* the model's ladder, rung by rung */
    {.what = "model directive first",
     .description = BLOCK("model=opus"),
     .labels = NAMES("model:sonnet"),
     .repository = {NULL, "r"},
     .workspace = {NULL, "w"},
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "claude-opus-9",
     .text = "model claude-sonnet-9 from the ticket label: the ticket directive decides"},
    {.what = "label second",
     .labels = NAMES("bug", "model:opus"),
     .repository = {NULL, "r"},
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "claude-opus-9",
     .text = "from the ticket label, model:opus, written opus"},
    {.what = "repository third",
     .repository = {NULL, "r"},
     .workspace = {NULL, "w"},
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "r"},
    {.what = "workspace fourth",
     .workspace = {NULL, "w"},
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "w"},
    {.what = "the stored default of the chosen provider last",
     .workspace = {"openai-compatible"},
     .worker = "claude-api",
     .provider = "openai-compatible",
     .model = "local-7b",
     .text = "JCA_OPENAI_COMPATIBLE_MODEL"},
    {.what = "no model anywhere",
     .worker = "vertex-ai",
     .provider = "vertex-ai",
     .text = "model     none: no layer names one"},
    {.what = "an unknown model passes through",
     .description = BLOCK("model=brand-new-1"),
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "brand-new-1"},
    {.what = "an alias belongs to its provider",
     .description = BLOCK("model=sonnet"),
     .worker = "openai-compatible",
     .provider = "openai-compatible",
     .model = "sonnet"},

    /* a layer's model goes with the layer's provider */
    {.what = "repository model of another provider",
     .description = BLOCK("provider=claude-api"),
     .repository = {"openai-compatible", "local-70b"},
     .provider = "claude-api",
     .model = "claude-sonnet-9",
     .text = "model local-70b from the repository workflow: that layer names it for openai-compatible"},
    {.what = "repository model of the same provider by its alias",
     .description = BLOCK("provider=claude-api"),
     .repository = {"anthropic", "opus"},
     .provider = "claude-api",
     .model = "claude-opus-9"},
    {.what = "repository model without a provider",
     .description = BLOCK("provider=claude-api"),
     .repository = {NULL, "opus"},
     .provider = "claude-api",
     .model = "claude-opus-9"},
    {.what = "the next layer's model is used then",
     .description = BLOCK("provider=claude-api"),
     .repository = {"openai-compatible", "local-70b"},
     .workspace = {"claude-api", "opus"},
     .provider = "claude-api",
     .model = "claude-opus-9"},
    {.what = "workspace model of another provider",
     .repository = {"claude-api"},
     .workspace = {"openai-compatible", "local-70b"},
     .provider = "claude-api",
     .model = "claude-sonnet-9"},

    /* labels */
    {.what = "prefix in any case, blanks around",
     .labels = NAMES("  Model: Opus "),
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "claude-opus-9"},
    {.what = "two different labels",
     .labels = NAMES("model:opus", "model:sonnet"),
     .worker = "claude-api",
     .blocked = "the labels model:opus and model:sonnet name different models",
     .remedy = "keep one"},
    {.what = "the same label twice, and once by its id",
     .labels = NAMES("model:opus", "MODEL:Opus", "model:claude-opus-9"),
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "claude-opus-9"},
    {.what = "a label without a name",
     .labels = NAMES("model:"),
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "claude-sonnet-9",
     .text = "label model: without a name is ignored"},
    {.what = "labels that do not count",
     .labels = NAMES("model:opus", "model:haiku"),
     .worker = "claude-api",
     .policies = {{.owner = "workspace", .without_labels = 1}},
     .provider = "claude-api",
     .model = "claude-sonnet-9",
     .text = "model opus from the ticket label: the workspace's policy ignores model labels"},
    {.what = "a label that is not allowed is skipped, and said",
     .labels = NAMES("model:opus"),
     .worker = "claude-api",
     .policies = {{.owner = "workspace", .allowed_models = NAMES("*sonnet*")}},
     .provider = "claude-api",
     .model = "claude-sonnet-9",
     .text = "the workspace's policy does not allow model claude-opus-9: skipped"},

    /* policy */
    {.what = "provider not allowed by the workspace",
     .description = BLOCK("provider=claude-api"),
     .worker = "openai-compatible",
     .policies = {{.owner = "workspace", .allowed_providers = NAMES("openai-compatible")}},
     .blocked = "line 2, column 10: the workspace's policy does not allow provider claude-api",
     .remedy = "name an allowed provider"},
    {.what = "provider not allowed by the worker",
     .workspace = {"claude-api"},
     .policies = {{.owner = "workspace", .allowed_providers = NAMES("claude-api")},
                  {.owner = "worker", .allowed_providers = NAMES("openai-compatible")}},
     .blocked = "workspace.provider: the worker's policy does not allow provider claude-api",
     .remedy = "policy"},
    {.what = "both allow it, one by an alias",
     .workspace = {"claude-api"},
     .policies = {{.owner = "workspace", .allowed_providers = NAMES("anthropic")},
                  {.owner = "worker", .allowed_providers = NAMES("claude-api", "vertex-ai")}},
     .provider = "claude-api",
     .model = "claude-sonnet-9"},
    {.what = "an empty list allows nothing",
     .workspace = {"claude-api"},
     .policies = {{.owner = "workspace", .allowed_providers = (const char *const[]){NULL}}},
     .blocked = "does not allow provider claude-api",
     .remedy = "policy"},
    {.what = "model not allowed in a directive",
     .description = BLOCK("model=opus"),
     .worker = "claude-api",
     .policies = {{.owner = "workspace", .allowed_models = NAMES("claude-sonnet-?")}},
     .blocked = "line 2, column 7: the workspace's policy does not allow model claude-opus-9",
     .remedy = "name an allowed model"},
    {.what = "stored default not allowed",
     .worker = "claude-api",
     .policies = {{.owner = "worker", .allowed_models = NAMES("x*")}},
     .blocked = "JCA_ANTHROPIC_MODEL: the worker's policy does not allow model claude-sonnet-9",
     .remedy = "policy"},
    {.what = "an alias on the list allows what it stands for",
     .description = BLOCK("model=claude-opus-9"),
     .worker = "claude-api",
     .policies = {{.owner = "workspace", .allowed_models = NAMES("opus")}},
     .provider = "claude-api",
     .model = "claude-opus-9"},
    {.what = "both lists must allow a model",
     .description = BLOCK("model=opus"),
     .worker = "claude-api",
     .policies = {{.owner = "workspace", .allowed_models = NAMES("*")},
                  {.owner = "worker", .allowed_models = NAMES("*-sonnet-*")}},
     .blocked = "the worker's policy does not allow model claude-opus-9",
     .remedy = "policy"},

    /* directives that block, whatever else would be chosen */
    {.what = "a broken directive",
     .description = "Do it.\n" BLOCK("provider=claude\xe2\x80\x8b-api"),
     .worker = "openai-compatible",
     .blocked = "description line 3, column 16: U+200B",
     .remedy = "plain characters"},
    {.what = "an unknown key is a warning",
     .description = BLOCK("modle=opus"),
     .worker = "claude-api",
     .provider = "claude-api",
     .model = "claude-sonnet-9",
     .text = "did you mean model?"},
};

static mloom_resolver_input input_of(const ladder_case *given) {
  mloom_resolver_input input = {
      .labels = given->labels,
      .repository_provider = given->repository[0],
      .repository_model = given->repository[1],
      .workspace_provider = given->workspace[0],
      .workspace_model = given->workspace[1],
      .worker_provider = given->worker,
      .worker_provider_origin = "JCA_WORKER_PROVIDER",
      .policies = given->policies,
      .policy_count = given->policies[1].owner != NULL ? 2 : given->policies[0].owner != NULL,
      .providers = providers,
      .provider_count = sizeof providers / sizeof providers[0],
  };
  if (given->description != NULL) {
    input.description = (mloom_bytes){given->description, strlen(given->description)};
  }
  return input;
}

static mloom_resolution *resolve(const mloom_resolver_input *input) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_resolution *resolution = NULL;
  UNIT_ASSERT_CODE(mloom_resolver_resolve(&resolution, input, &error), MLOOM_OK, &error);
  return resolution;
}

static void check_case(const ladder_case *expected, const mloom_resolution *resolution) {
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t blocked = mloom_resolution_blocked(resolution, &reason);
  UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), expected->provider);
  UNIT_ASSERT_STRING(mloom_resolution_model(resolution), expected->model);
  CU_ASSERT_EQUAL(blocked, expected->blocked != NULL);
  if (expected->blocked != NULL) {
    CU_ASSERT_EQUAL(reason.code, MLOOM_E_BLOCKED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason.message, expected->blocked));
    CU_ASSERT_PTR_NOT_NULL(strstr(reason.remedy, expected->remedy));
  }
  /* Line breaks of the explanation are where the words happen to end. */
  char *text = strdup(mloom_resolution_text(resolution));
  for (char *c = strchr(text, '\n'); c != NULL; c = strchr(c, '\n')) {
    size_t blanks = 1 + strspn(c + 1, " ");
    *c = ' ';
    if (blanks == 11) {
      memmove(c + 1, c + blanks, strlen(c + blanks) + 1);
    }
  }
  CU_ASSERT(expected->text == NULL || strstr(text, expected->text) != NULL);
  if ((expected->text != NULL && strstr(text, expected->text) == NULL) ||
      (expected->blocked != NULL && strstr(reason.message, expected->blocked) == NULL)) {
    fprintf(stderr, "%s: %s; %s\n%s\n", expected->what, reason.message, reason.remedy, text);
  }
  free(text);
}

static void test_ladders(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mloom_resolver_input input = input_of(&cases[i]);
    mloom_resolution *resolution = resolve(&input);
    check_case(&cases[i], resolution);
    mloom_resolution_free(resolution);
  }
}

/* ---- The model ladder against a second statement of the rules ---- */

/* Which rung gives the model: 0 directive, 1 label, 2 repository, 3 workspace, 4 stored; by the words of the
 * documentation, one after the other. */
static const char *expected_model(const char *chosen, unsigned models, const char *repository, const char *workspace) {
  if (models & 1u) {
    return "from-directive";
  }
  if (models & 2u) {
    return "from-label";
  }
  if ((models & 4u) && (repository == NULL || strcmp(repository, chosen) == 0)) {
    return "from-repository";
  }
  if ((models & 8u) && (workspace == NULL || strcmp(workspace, chosen) == 0)) {
    return "from-workspace";
  }
  return strcmp(chosen, "claude-api") == 0 ? "claude-sonnet-9" : "local-7b";
}

static void test_every_combination(void) {
  static const char *const names[] = {NULL, "claude-api", "openai-compatible"};
  for (unsigned combination = 0; combination < 81 * 16; combination++) {
    unsigned rest = combination / 16, models = combination % 16;
    const char *named[4];
    for (size_t i = 0; i < 4; i++, rest /= 3) {
      named[i] = names[rest % 3];
    }
    const char *chosen = named[0] ? named[0] : named[1] ? named[1] : named[2] ? named[2] : named[3];
    char description[128];
    snprintf(description, sizeof description, "[JCA]\n%s%s\n%s\n[/JCA]", named[0] ? "provider=" : "",
             named[0] ? named[0] : "", models & 1u ? "model=from-directive" : "");
    ladder_case given = {.description = description,
                         .labels = models & 2u ? NAMES("model:from-label") : NULL,
                         .repository = {named[1], models & 4u ? "from-repository" : NULL},
                         .workspace = {named[2], models & 8u ? "from-workspace" : NULL},
                         .worker = named[3]};
    mloom_resolver_input input = input_of(&given);
    mloom_resolution *resolution = resolve(&input);
    UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), chosen);
    UNIT_ASSERT_STRING(mloom_resolution_model(resolution),
                       chosen == NULL ? NULL : expected_model(chosen, models, named[1], named[2]));
    CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, NULL), chosen == NULL);
    mloom_resolution_free(resolution);
  }
}

/* The order in which providers are loaded and labels are listed decides nothing. */
static void test_order_of_input_does_not_matter(void) {
  static const char *const labels[][4] = {{"bug", "model:opus", "x", NULL}, {"model:opus", "x", "bug", NULL}};
  static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    for (size_t j = 0; j < sizeof orders / sizeof orders[0]; j++) {
      mloom_resolver_provider shuffled[3];
      for (size_t k = 0; k < 3; k++) {
        shuffled[k] = providers[orders[j][k]];
      }
      mloom_resolver_input input = input_of(&cases[i]);
      input.providers = shuffled;
      input.labels = cases[i].labels == NULL ? NULL : labels[j % 2];
      mloom_resolution *resolution = resolve(&input);
      if (cases[i].labels == NULL) {
        UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), cases[i].provider);
        UNIT_ASSERT_STRING(mloom_resolution_model(resolution), cases[i].model);
      }
      mloom_resolver_input other = input;
      other.labels = cases[i].labels == NULL ? NULL : labels[(j + 1) % 2];
      mloom_resolution *second = resolve(&other);
      UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), mloom_resolution_provider(second));
      UNIT_ASSERT_STRING(mloom_resolution_model(resolution), mloom_resolution_model(second));
      mloom_resolution_free(resolution);
      mloom_resolution_free(second);
    }
  }
}

/* ---- Layers of plugins ---- */

static int32_t freeze_lookup(const mloom_layer_query *query, mloom_layer_answer *out, mloom_error *error) {
  (void)error;
  if (strcmp(query->key, "provider") == 0) {
    CU_ASSERT_PTR_NULL(query->provider);
    snprintf(out->value, sizeof out->value, "claude-api");
  } else {
    snprintf(out->value, sizeof out->value, "opus");
  }
  snprintf(out->provenance, sizeof out->provenance, "change freeze");
  return MLOOM_OK;
}

static int32_t silent_lookup(const mloom_layer_query *query, mloom_layer_answer *out, mloom_error *error) {
  (void)query;
  (void)out;
  (void)error;
  return MLOOM_E_NOT_APPLICABLE;
}

static int32_t broken_lookup(const mloom_layer_query *query, mloom_layer_answer *out, mloom_error *error) {
  (void)query;
  (void)out;
  snprintf(error->message, sizeof error->message, "the table is gone");
  return MLOOM_E_IO;
}

static int32_t veto_opus(const mloom_layer_query *query, const char *candidate, mloom_error *error) {
  if (strcmp(query->key, "model") == 0 && strcmp(candidate, "claude-opus-9") == 0) {
    UNIT_ASSERT_STRING(query->provider, "claude-api");
    snprintf(error->message, sizeof error->message, "too dear");
    return MLOOM_E_DENIED;
  }
  return MLOOM_OK;
}

static mloom_resolution *resolve_with(const ladder_case *given, const mloom_resolver_layer *layer) {
  mloom_resolver_layer_entry entry = {.descriptor = *layer, .plugin_name = "test"};
  const mloom_resolver_layer_entry *entries[] = {&entry};
  mloom_resolver_input input = input_of(given);
  input.layers = entries;
  input.layer_count = 1;
  return resolve(&input);
}

/* More warnings than are kept do not hide what blocks. */
static void test_many_warnings(void) {
  const char *labels[104] = {"model:one"};
  for (size_t i = 1; i < 102; i++) {
    labels[i] = "model:";
  }
  labels[102] = "model:two";
  mloom_resolver_input input = input_of(&cases[0]);
  input.labels = labels;
  mloom_resolution *resolution = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_resolver_resolve(&resolution, &input, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, &error), 1);
  UNIT_ASSERT_STRING(error.message, "the labels model:one and model:two name different models");
  mloom_resolution_free(resolution);
}

static void test_plugin_layers(void) {
  mloom_error reason = MLOOM_ERROR_INIT;
  ladder_case given = {.description = BLOCK("provider=openai-compatible"), .worker = "openai-compatible"};
  mloom_resolver_layer layer = {.id = "freeze", .title = "Freeze", .lookup = freeze_lookup};

  /* Above the directive, its provider and its model win; between workspace and worker, they lose to the directive. */
  layer.rank = 50;
  mloom_resolution *resolution = resolve_with(&given, &layer);
  UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), "claude-api");
  UNIT_ASSERT_STRING(mloom_resolution_model(resolution), "claude-opus-9");
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_resolution_text(resolution), "from the freeze, change freeze"));
  mloom_resolution_free(resolution);
  layer.rank = 450;
  resolution = resolve_with(&given, &layer);
  UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), "openai-compatible");
  UNIT_ASSERT_STRING(mloom_resolution_model(resolution), "local-7b");
  mloom_resolution_free(resolution);
  given.description = NULL;
  resolution = resolve_with(&given, &layer);
  UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), "claude-api");
  mloom_resolution_free(resolution);

  layer = (mloom_resolver_layer){.id = "silent", .rank = 10, .lookup = silent_lookup};
  resolution = resolve_with(&given, &layer);
  UNIT_ASSERT_STRING(mloom_resolution_provider(resolution), "openai-compatible");
  mloom_resolution_free(resolution);

  layer = (mloom_resolver_layer){.id = "broken", .rank = 10, .lookup = broken_lookup};
  resolution = resolve_with(&given, &layer);
  CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, &reason), 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(reason.message, "the table is gone"));
  mloom_resolution_free(resolution);
}

static void test_vetoes(void) {
  mloom_error reason = MLOOM_ERROR_INIT;
  mloom_resolver_layer layer = {.id = "budget", .rank = 600, .veto = veto_opus};
  ladder_case given = {.description = BLOCK("model=opus"), .worker = "claude-api"};
  mloom_resolution *resolution = resolve_with(&given, &layer);
  CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, &reason), 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(reason.message, "line 2, column 7: model claude-opus-9 is vetoed by budget: too dear"));
  mloom_resolution_free(resolution);

  /* A vetoed label is skipped, as one that the policy does not allow. */
  given = (ladder_case){.labels = NAMES("model:opus"), .worker = "claude-api"};
  resolution = resolve_with(&given, &layer);
  UNIT_ASSERT_STRING(mloom_resolution_model(resolution), "claude-sonnet-9");
  mloom_resolution_free(resolution);
}

/* ---- What settings could not say ---- */

static void test_unreadable_settings_block(void) {
  mloom_settings_problem problem = {.field = "x", .message = "JCA_X_FILE: gone", .remedy = "mount it"};
  const mloom_settings_problem *problems[] = {&problem};
  mloom_error reason = MLOOM_ERROR_INIT;
  ladder_case given = {.description = BLOCK("provider=claude-api")};

  mloom_resolver_input input = input_of(&given);
  input.worker_provider_problem = &problem;
  mloom_resolution *resolution = resolve(&input);
  CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, NULL), 0); /* the ladder never came so far down */
  mloom_resolution_free(resolution);

  input.description = (mloom_bytes){NULL, 0};
  resolution = resolve(&input);
  CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, &reason), 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(reason.message, "JCA_X_FILE: gone"));
  UNIT_ASSERT_STRING(reason.remedy, "mount it");
  mloom_resolution_free(resolution);

  input = input_of(&given);
  input.policy_problems = problems;
  input.policy_problem_count = 1;
  resolution = resolve(&input);
  CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, &reason), 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(reason.message, "policy cannot be read"));
  mloom_resolution_free(resolution);
}

/* ---- The explanation ---- */

static const ladder_case explained = {
    .description = "Fix.\n" BLOCK("provider=anthropic\ncolour=red") "\n[JCA]\n[/JCA]",
    .labels = NAMES("model:opus", "bug"),
    .repository = {"openai-compatible", "local-70b"},
    .workspace = {NULL, "sonnet"},
    .worker = "openai-compatible",
    .policies = {{.owner = "workspace", .allowed_models = NAMES("*sonnet*")}},
};

static void test_text(void) {
  mloom_resolver_input input = input_of(&explained);
  mloom_resolution *resolution = resolve(&input);
  UNIT_ASSERT_STRING(mloom_resolution_text(resolution),
                     "provider  claude-api\n"
                     "          from the ticket directive, description line 3, column 10, written\n"
                     "          anthropic\n"
                     "model     claude-sonnet-9\n"
                     "          from the workspace default, workspace.model, written sonnet\n"
                     "not used  provider openai-compatible from the repository workflow: the\n"
                     "          ticket directive decides\n"
                     "          provider openai-compatible from the worker default: the ticket\n"
                     "          directive decides\n"
                     "          model claude-opus-9 from the ticket label: the workspace's policy\n"
                     "          does not allow it\n"
                     "          model local-70b from the repository workflow: that layer names it\n"
                     "          for openai-compatible\n"
                     "          model claude-sonnet-9 from the stored default of the provider: the\n"
                     "          workspace default decides\n"
                     "warning   description line 4, column 1: unknown key 'colour' is ignored\n"
                     "          -> remove the line; docs/resolution.md has the keys\n"
                     "warning   description line 6, column 1: only the first [JCA] block is read\n"
                     "          -> move its lines to the first block\n"
                     "warning   model:opus: the workspace's policy does not allow model\n"
                     "          claude-opus-9: skipped\n"
                     "          -> name an allowed model, or have the policy changed\n");
  CU_ASSERT_PTR_EQUAL(mloom_resolution_text(resolution), mloom_resolution_text(resolution));
  mloom_resolution_free(resolution);
}

static void test_json(void) {
  mloom_resolver_input input = input_of(&explained);
  mloom_resolution *resolution = resolve(&input);
  const char *text = mloom_resolution_json(resolution);
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_json *json = NULL;
  UNIT_ASSERT_CODE(mloom_json_parse(&json, text, strlen(text), "the resolution", &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_json_member_string(json, "schema", NULL), "mergeloom.resolution.v1");
  CU_ASSERT_EQUAL(mloom_json_member_boolean(json, "blocked", 1), 0);
  const mloom_json *provider = mloom_json_member(json, "provider");
  UNIT_ASSERT_STRING(mloom_json_member_string(provider, "value", NULL), "claude-api");
  UNIT_ASSERT_STRING(mloom_json_member_string(provider, "layer", NULL), "directive");
  const mloom_json *candidates = mloom_json_member(mloom_json_member(json, "model"), "candidates");
  CU_ASSERT_EQUAL(mloom_json_count(candidates), 4);
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(candidates, 0), "outcome", NULL), "refused");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(candidates, 1), "outcome", NULL), "lost");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_at(candidates, 2), "outcome", NULL), "chosen");
  const mloom_json *warnings = mloom_json_member(json, "warnings");
  CU_ASSERT_EQUAL(mloom_json_count(warnings), 3);
  CU_ASSERT_EQUAL(mloom_json_member_integer(mloom_json_at(warnings, 0), "line", 0), 4);
  CU_ASSERT_EQUAL(mloom_json_kind(mloom_json_member(mloom_json_at(warnings, 2), "line")), MLOOM_JSON_NULL);
  CU_ASSERT_EQUAL(mloom_json_count(mloom_json_member(json, "blockers")), 0);
  CU_ASSERT_PTR_EQUAL(mloom_resolution_tree(resolution), mloom_resolution_tree(resolution));
  mloom_json_unref(json);
  mloom_resolution_free(resolution);
}

/* Every case's document fits the schema that is installed. */
static void test_schema(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    mloom_resolver_input input = input_of(&cases[i]);
    mloom_resolution *resolution = resolve(&input);
    CU_ASSERT_EQUAL(schema_check_document("mergeloom.resolution.v1", mloom_resolution_tree(resolution)), 1);
    mloom_resolution_free(resolution);
  }
  mloom_json *wrong = mloom_json_new_object();
  CU_ASSERT_EQUAL(schema_check_document("mergeloom.resolution.v1", wrong), 0);
  mloom_json_unref(wrong);
}

static void test_lines_of_the_ticket_file(void) {
  mloom_error reason = MLOOM_ERROR_INIT;
  ladder_case given = {.description = "\n" BLOCK("provider=claude-api\nmodel=a\nmodel=b\nx=y")};
  mloom_resolver_input input = input_of(&given);
  input.description_line = 4;
  mloom_resolution *resolution = resolve(&input);
  CU_ASSERT_EQUAL(mloom_resolution_blocked(resolution, &reason), 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(reason.message, "ticket line 8, column 1: model is given"));
  const char *text = mloom_resolution_text(resolution);
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "from the ticket directive, ticket line 6, column 10\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "ticket line 9, column 1: unknown key 'x'"));
  const mloom_json *blockers = mloom_json_member(mloom_resolution_tree(resolution), "blockers");
  CU_ASSERT_EQUAL(mloom_json_member_integer(mloom_json_at(blockers, 0), "line", 0), 8);
  mloom_resolution_free(resolution);
}

static void test_nothing_unprintable_in_text(void) {
  ladder_case given = {.repository = {"x\x1b[31m\n\xe2\x80\xaey", NULL}, .labels = NAMES("model:a\x07\nb")};
  mloom_resolver_input input = input_of(&given);
  mloom_resolution *resolution = resolve(&input);
  const char *text = mloom_resolution_text(resolution);
  CU_ASSERT_PTR_NULL(strchr(text, '\x1b'));
  CU_ASSERT_PTR_NULL(strchr(text, '\x07'));
  CU_ASSERT_PTR_NULL(strstr(text, "\xe2\x80\xae"));
  mloom_resolution_free(resolution);
}

static const unit_test tests[] = {
    {"ladders, labels, policy", test_ladders},
    {"every combination of layers", test_every_combination},
    {"order of input does not matter", test_order_of_input_does_not_matter},
    {"many warnings", test_many_warnings},
    {"layers of plugins", test_plugin_layers},
    {"vetoes of plugins", test_vetoes},
    {"unreadable settings block", test_unreadable_settings_block},
    {"text", test_text},
    {"JSON", test_json},
    {"JSON fits its schema", test_schema},
    {"lines of the ticket file", test_lines_of_the_ticket_file},
    {"nothing unprintable in the text", test_nothing_unprintable_in_text},
};
UNIT_MAIN("resolver", tests)
