/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/resolver.h"
#include "worker/context.h"

int32_t mloom_resolve(mloom_resolution **out, mloom_context *context, const char *job, size_t job_size,
                      mloom_error *error) {
  mloom_job *parsed = NULL;
  int32_t code = mloom_job_parse(&parsed, job, job_size, error);
  if (code == MLOOM_OK) {
    mloom_bytes text = {job, job_size};
    code = mloom_resolver_resolve_job(out, mloom_job_document(parsed), text, context->worker_settings,
                                      context->registry, context->provider_settings, error);
    mloom_job_free(parsed);
    if (code == MLOOM_OK && (code = mloom_resolution_redact(*out, context->redactor, error)) != MLOOM_OK) {
      mloom_resolution_free(*out);
      *out = NULL;
    }
  }
  if (code != MLOOM_OK) {
    mloom_redactor_apply_error(context->redactor, error);
  }
  return code;
}
