/* SPDX-License-Identifier: Apache-2.0
 *
 * The named checks of one provider: settings, credential, reach, model, tools, commands, sandbox, timeout, storage.
 */
#ifndef MLOOM_READINESS_CHECKS_H
#define MLOOM_READINESS_CHECKS_H

#include "job/job.h"
#include "provider/provider.h"
#include <mergeloom/readiness.h>

/* What a check of one provider works with. Borrowed. */
typedef struct mloom_readiness_args {
  const mloom_provider_entry *entry;
  mloom_settings *settings;
  const mloom_provider_services *services;
  const mloom_job_rules *rules;
  const char *model;                      /* NULL: the default */
  const char *const *validation_commands; /* names the job's repository needs, ends with NULL; may be NULL */
  uint32_t without_self_test;
  uint32_t reserved;
  const mloom_call *call;
  void (*check)(const char *provider, const char *check, uint32_t state, const char *reason, const char *remedy,
                int64_t duration_ms, void *userdata);
  /* Both may be NULL. */
  void (*model_listed)(const char *provider, const char *id, const char *title, uint64_t context_tokens,
                       void *userdata);
  void (*event)(const char *provider, const mloom_job_event *event, void *userdata);
  void *userdata;
} mloom_readiness_args;

/* Runs the checks of one provider, in dependency order: one that cannot run because an earlier one failed is skipped
 * and says so. out_checks is a JSON array of {name, state, reason, remedy, checked_at, duration_ms}. MLOOM_E_MEMORY,
 * MLOOM_E_CANCELLED. */
int32_t mloom_readiness_run(const mloom_readiness_args *args, uint32_t *out_state, mloom_json **out_checks,
                            mloom_error *error);

#endif
