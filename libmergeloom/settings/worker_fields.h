/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker's own settings, under the names of the public MergeLoom chart where it has one.
 */
#ifndef MLOOM_SETTINGS_WORKER_FIELDS_H
#define MLOOM_SETTINGS_WORKER_FIELDS_H

#include "settings/settings.h"

/* provider (JCA_WORKER_PROVIDER: the worker default), allowed_providers, allowed_models, model_labels,
 * allowed_commands (JCA_WORKER_ALLOWED_COMMANDS), command_timeout_seconds, command_network (deny | allow), sandbox
 * (require | best-effort), sandbox_read_paths, max_repair_attempts, max_turns, max_tokens, job_timeout_seconds,
 * command_output_bytes, audit_path (folder of audit records), scratch_path. The full table with environment names is in
 * docs/settings.md. */
const mloom_field *const *mloom_worker_fields(size_t *count);

#endif
