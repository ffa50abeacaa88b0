/* SPDX-License-Identifier: Apache-2.0
 *
 * What names of providers and models stand for, and what policies say of them.
 */
#include <string.h>

#include "base/text.h"

#include "resolver/internal.h"

/* ---- Names ---- */

const mloom_resolver_provider *mloom_resolver_find_provider(const mloom_resolver_input *input, const char *name) {
  for (size_t i = 0; i < input->provider_count; i++) {
    const mloom_resolver_provider *provider = &input->providers[i];
    if (mloom_text_compare_fold(provider->id, name) == 0) {
      return provider;
    }
    for (size_t j = 0; provider->aliases != NULL && provider->aliases[j] != NULL; j++) {
      if (mloom_text_compare_fold(provider->aliases[j], name) == 0) {
        return provider;
      }
    }
  }
  return NULL;
}

const char *mloom_resolver_find_model(const mloom_resolver_provider *provider, const char *name) {
  for (size_t i = 0; provider->model_aliases != NULL && provider->model_aliases[i] != NULL; i += 2) {
    if (mloom_text_compare_fold(provider->model_aliases[i], name) == 0) {
      return provider->model_aliases[i + 1];
    }
  }
  return name;
}

int mloom_glob_match(const char *pattern, const char *text) {
  const char *star = NULL, *resume = text;
  while (*text != '\0') {
    if (*pattern == '*') {
      star = pattern++;
      resume = text;
    } else if (*pattern == '?' || *pattern == *text) {
      pattern++;
      text++;
    } else if (star != NULL) {
      pattern = star + 1;
      text = ++resume;
    } else {
      return 0;
    }
  }
  while (*pattern == '*') {
    pattern++;
  }
  return *pattern == '\0';
}

/* ---- Policy ---- */

const char *mloom_resolver_provider_denied_by(const mloom_resolver_input *input,
                                              const mloom_resolver_provider *provider) {
  for (size_t i = 0; i < input->policy_count; i++) {
    const mloom_resolver_policy *policy = &input->policies[i];
    int allowed = policy->allowed_providers == NULL;
    for (size_t j = 0; !allowed && policy->allowed_providers[j] != NULL; j++) {
      allowed = mloom_resolver_find_provider(input, policy->allowed_providers[j]) == provider;
    }
    if (!allowed) {
      return policy->owner;
    }
  }
  return NULL;
}

const char *mloom_resolver_model_denied_by(const mloom_resolver_input *input, const mloom_resolver_provider *provider,
                                           const char *written, const char *model) {
  for (size_t i = 0; i < input->policy_count; i++) {
    const mloom_resolver_policy *policy = &input->policies[i];
    int allowed = policy->allowed_models == NULL;
    for (size_t j = 0; !allowed && policy->allowed_models[j] != NULL; j++) {
      const char *pattern = policy->allowed_models[j];
      /* An alias on the list permits what it stands for. */
      allowed = mloom_glob_match(pattern, model) || mloom_text_compare_fold(pattern, written) == 0 ||
                strcmp(mloom_resolver_find_model(provider, pattern), model) == 0;
    }
    if (!allowed) {
      return policy->owner;
    }
  }
  return NULL;
}

const char *mloom_resolver_labels_off_by(const mloom_resolver_input *input) {
  for (size_t i = 0; i < input->policy_count; i++) {
    if (input->policies[i].without_labels) {
      return input->policies[i].owner;
    }
  }
  return NULL;
}
