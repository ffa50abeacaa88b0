/* SPDX-License-Identifier: Apache-2.0
 *
 * What one resolution costs: a ticket of ordinary length with a block at its end, labels, both defaults, a policy of
 * each owner and eight providers. The explanation is made when asked for, and not asked for here.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "resolver/resolver.h"

static const char description[] =
    "The export of invoices fails when a customer has no address.\n\n"
    "Steps: open a customer without an address, choose Export, wait. The page shows an error and the log says that a\n"
    "value was missing. It should write empty columns instead, as the import already accepts them.\n\n"
    "* happens since the last release\n* only with CSV, not with PDF\n* the file is there but has no rows\n\n"
    "The code that joins the columns is in src/export; the tests are beside it. Please add one for this case and keep\n"
    "the order of the columns as it is, since the accounting tool reads them by position.\n\n"
    "[JCA]\nprovider=claude-api\nmodel=sonnet\nwork_repos=api\ncontext_files=api:MERGELOOM.md\n[/JCA]\n";

static const char *const labels[] = {"mergeloom", "bug", "repo-api", "model:opus", NULL};
static const char *const aliases[] = {"anthropic", NULL};
static const char *const models[] = {"sonnet", "claude-sonnet-9", "opus", "claude-opus-9", NULL};
static const mloom_resolver_provider providers[] = {
    {.id = "codex-cli"},
    {.id = "codex-api"},
    {.id = "claude-code-cli"},
    {.id = "claude-api", .aliases = aliases, .default_model = "sonnet", .model_aliases = models},
    {.id = "openai-compatible"},
    {.id = "vertex-ai"},
    {.id = "aws-bedrock"},
    {.id = "azure-foundry"},
};
static const char *const allowed_providers[] = {"claude-api", "openai-compatible", NULL};
static const char *const allowed_models[] = {"claude-*", NULL};
static const mloom_resolver_policy policies[] = {
    {.owner = "workspace", .allowed_providers = allowed_providers, .allowed_models = allowed_models},
    {.owner = "worker", .allowed_providers = allowed_providers},
};

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void) {
  mloom_resolver_input input = {
      .description = {description, sizeof description - 1},
      .labels = labels,
      .repository_provider = "openai-compatible",
      .repository_model = "local-70b",
      .workspace_provider = "claude-api",
      .workspace_model = "opus",
      .worker_provider = "openai-compatible",
      .worker_provider_origin = "JCA_WORKER_PROVIDER",
      .policies = policies,
      .policy_count = sizeof policies / sizeof policies[0],
      .providers = providers,
      .provider_count = sizeof providers / sizeof providers[0],
  };
  const int rounds = 100000;
  double best = 1e9;
  for (int sample = 0; sample < 5; sample++) {
    double start = seconds();
    for (int i = 0; i < rounds; i++) {
      mloom_resolution *resolution = NULL;
      if (mloom_resolver_resolve(&resolution, &input, NULL) != MLOOM_OK || mloom_resolution_model(resolution) == NULL) {
        fprintf(stderr, "the ticket did not resolve\n");
        return 1;
      }
      mloom_resolution_free(resolution);
    }
    double took = (seconds() - start) / rounds;
    best = took < best ? took : best;
  }
  printf("resolve one job\t%.2f\tus\t5\n", best * 1e6);
  return 0;
}
