/* SPDX-License-Identifier: Apache-2.0
 *
 * Resolution: which provider and model a job runs on, and why.
 */
#ifndef MERGELOOM_RESOLUTION_H
#define MERGELOOM_RESOLUTION_H

#include <mergeloom/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was decided, and why. Immutable: may be read from several threads, and outlives its context. */
typedef struct mloom_resolution mloom_resolution;

/* Resolves a mergeloom.job.v1 document. Pure: reads no file and no network, and does not ask for readiness. Returns
 * MLOOM_OK with a resolution also when the job is blocked; mloom_resolution_blocked says so. The caller owns *out.
 * MLOOM_E_INVALID: the document is malformed, with line and column. MLOOM_E_LIMIT: it is larger than 8 MiB.
 * MLOOM_E_MEMORY. Thread-safe. */
MLOOM_API int32_t mloom_resolve(mloom_resolution **out, mloom_context *context, const char *job, size_t job_size,
                                mloom_error *error);
/* NULL is allowed. */
MLOOM_API void mloom_resolution_free(mloom_resolution *resolution);

/* The chosen ids, or NULL while blocked or when nothing named one. Borrowed. */
MLOOM_API const char *mloom_resolution_provider(const mloom_resolution *resolution);
MLOOM_API const char *mloom_resolution_model(const mloom_resolution *resolution);

/* 1 when the job must not start; *error (may be NULL) gets the first reason as MLOOM_E_BLOCKED. */
MLOOM_API int32_t mloom_resolution_blocked(const mloom_resolution *resolution, mloom_error *error);

/* The explanation for people (several lines) and as mergeloom.resolution.v1 JSON, with the context's secrets taken out.
 * Borrowed, end with NUL. */
MLOOM_API const char *mloom_resolution_text(const mloom_resolution *resolution);
MLOOM_API const char *mloom_resolution_json(const mloom_resolution *resolution);

/* Reads a ticket as people keep it (a JSON object with key, title, description, labels; or text whose first line is the
 * title) and makes a mergeloom.job.v1 document of it and of repository_path. template_job may be NULL or a job document
 * whose other members are kept. ticket may be NULL: the template is then a whole job, and only the repository is put
 * in. The caller frees *out with mloom_string_free. Thread-safe; reads no file. MLOOM_E_INVALID: the ticket or the
 * template is malformed, not UTF-8 or empty, or the ticket is larger than 2 MiB; the message has line and column.
 * MLOOM_E_MEMORY. */
MLOOM_API int32_t mloom_job_from_ticket(char **out, const char *ticket, size_t ticket_size, const char *repository_path,
                                        const char *template_job, size_t template_job_size, mloom_error *error);

#ifdef __cplusplus
}
#endif

#endif
