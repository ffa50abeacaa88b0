/* SPDX-License-Identifier: Apache-2.0
 *
 * Workload identity federation: a token of another identity provider is changed for one of Google (RFC 8693).
 */
#include "config.h"

#include "google.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"

#define GRANT "urn:ietf:params:oauth:grant-type:token-exchange"
#define WANTED "urn:ietf:params:oauth:token-type:access_token"

/* A person of a workforce pool names the project that pays; a client's own project is known. */
static int32_t write_options(mloom_buffer *form, const mloom_google_key_file *file) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer options = MLOOM_BUFFER_INIT;
  if (file->workforce_user_project == NULL || file->client_id != NULL) {
    return MLOOM_OK;
  }
  if (mloom_buffer_append_char(&options, '{') != MLOOM_OK ||
      mloom_json_write_member(&options, "userProject", file->workforce_user_project,
                              strlen(file->workforce_user_project)) != MLOOM_OK ||
      mloom_buffer_append_char(&options, '}') != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  return mloom_google_form_text(form, "options", options.data);
}

static int32_t write_form(mloom_buffer *form, const mloom_google_job *job, const mloom_google_key_file *file,
                          const mloom_secret *subject) {
  int32_t code = mloom_google_form_text(form, "grant_type", GRANT);
  code = code == MLOOM_OK ? mloom_google_form_text(form, "audience", file->audience) : code;
  code = code == MLOOM_OK ? mloom_google_form_text(form, "scope", job->scope) : code;
  code = code == MLOOM_OK ? mloom_google_form_text(form, "requested_token_type", WANTED) : code;
  code = code == MLOOM_OK ? mloom_google_form_secret(form, job->host, "subject_token", subject) : code;
  code = code == MLOOM_OK ? mloom_google_form_text(form, "subject_token_type", file->subject_token_type) : code;
  return code == MLOOM_OK ? write_options(form, file) : code;
}

static int32_t exchange_subject(const mloom_google_job *job, const mloom_google_key_file *file,
                                const mloom_secret *subject, mloom_google_token *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer form = MLOOM_BUFFER_INIT;
  const mloom_secret *basic = NULL;
  if (write_form(&form, job, file, subject) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_google_basic(&basic, file, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_google_exchange exchange = {.grant = MLOOM_GOOGLE_GRANT_SUBJECT,
                                          .url = file->token_url,
                                          .member = "token_url",
                                          .content_type = "application/x-www-form-urlencoded",
                                          .body = {form.data, form.size},
                                          .basic = basic};
  code = mloom_google_exchange_perform(job, &exchange, out, error);
  if (basic != NULL) {
    job->host->secret_unref(job->host->ctx, basic);
  }
  return code;
}

int32_t mloom_google_external_account(const mloom_google_job *job, const mloom_google_key_file *file,
                                      mloom_google_token *out, mloom_error *error) {
  const mloom_host *host = job->host;
  const mloom_secret *subject = NULL;
  mloom_google_token federated = {.expires_wall_ms = -1};
  snprintf(out->who, sizeof(out->who), "workload identity");
  int32_t code = mloom_google_subject_token(job, file, &subject, error);
  if (code == MLOOM_OK) {
    code = exchange_subject(job, file, subject, &federated, error);
    host->secret_unref(host->ctx, subject);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (file->impersonation_url == NULL) {
    out->secret = federated.secret;
    out->expires_wall_ms = federated.expires_wall_ms;
    return MLOOM_OK;
  }
  code = mloom_google_impersonate(job, file, federated.secret, out, error);
  host->secret_unref(host->ctx, federated.secret);
  return code;
}
