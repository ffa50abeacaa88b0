/* SPDX-License-Identifier: Apache-2.0
 *
 * Resolution as a pure function: no input or output, readiness is none of its business.
 */
#ifndef MLOOM_RESOLVER_RESOLVER_H
#define MLOOM_RESOLVER_RESOLVER_H

#include "plugin/registry.h"
#include "resolver/directives.h"
#include "settings/settings.h"
#include <mergeloom/resolution.h>

/* What resolution knows of one loaded provider. */
typedef struct mloom_resolver_provider {
  const char *id;
  const char *const *aliases; /* ends with NULL, may be NULL */
  const char *default_model;  /* stored default, NULL when none */
  const char *default_model_origin;
  const char *const *model_aliases;                    /* pairs alias, id; ends with NULL; may be NULL */
  const mloom_settings_problem *default_model_problem; /* why the stored default cannot be read; or NULL */
  uint32_t disabled;
  uint32_t reserved;
} mloom_resolver_provider;

/* What one owner permits. A job needs the consent of all. */
typedef struct mloom_resolver_policy {
  const char *owner;                    /* "workspace", "worker" */
  const char *const *allowed_providers; /* ids or aliases, ends with NULL; NULL: all; empty: none */
  const char *const *allowed_models;    /* ids, aliases or globs of * and ?; as above */
  uint32_t without_labels;              /* 1: model: labels do not count */
  uint32_t reserved;
} mloom_resolver_policy;

/* Borrowed input. Texts are {NULL, 0} and lists NULL when absent; empty strings count as absent. */
typedef struct mloom_resolver_input {
  mloom_bytes description;   /* of the ticket, directives included */
  uint32_t description_line; /* where it begins in the ticket people wrote; 0: lines are counted in itself */
  uint32_t reserved;
  const char *const *labels;       /* ends with NULL */
  const char *repository_provider; /* repository workflow */
  const char *repository_model;
  const char *workspace_provider;
  const char *workspace_model;
  const char *worker_provider;
  const char *worker_provider_origin;
  const mloom_settings_problem *worker_provider_problem; /* why the worker default cannot be read; or NULL */
  const mloom_resolver_policy *policies;
  size_t policy_count;
  const mloom_settings_problem *const *policy_problems; /* a policy that cannot be read blocks every job */
  size_t policy_problem_count;
  const mloom_resolver_provider *providers;
  size_t provider_count;
  const mloom_resolver_layer_entry *const *layers; /* of plugins */
  size_t layer_count;
  mloom_bytes job; /* the document, for the plugins' layers */
} mloom_resolver_input;

/* mloom_resolution is the outcome: chosen values, each candidate with layer and reason, warnings, what blocks, and the
 * directives. It keeps nothing of input. MLOOM_E_MEMORY only. */
int32_t mloom_resolver_resolve(mloom_resolution **out, const mloom_resolver_input *input, mloom_error *error);

/* The directives that were read, for the job. Borrowed. */
const mloom_directives *mloom_resolution_directives(const mloom_resolution *resolution);
/* The tree of mloom_resolution_json. Borrowed; made at the first call; NULL when out of memory. */
mloom_json *mloom_resolution_tree(const mloom_resolution *resolution);

/* Makes what people read now, with its secrets out; for a resolution that nobody else has yet. The chosen ids stay as
 * they are. On an error the resolution is only fit to be freed. MLOOM_E_MEMORY. */
int32_t mloom_resolution_redact(mloom_resolution *resolution, mloom_redactor *redactor, mloom_error *error);

/* Builds the input from a job document, settings and registry and resolves: what mloom_resolve does.
 * worker is the worker's settings; provider_settings[i] those of provider i of the registry. */
int32_t mloom_resolver_resolve_job(mloom_resolution **out, const mloom_json *job, mloom_bytes job_text,
                                   const mloom_settings *worker, const mloom_registry *registry,
                                   mloom_settings *const *provider_settings, mloom_error *error);

#endif
