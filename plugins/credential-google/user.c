/* SPDX-License-Identifier: Apache-2.0
 *
 * A person's login: a refresh token that gcloud wrote.
 */
#include "config.h"

#include "google.h"

#include <stdio.h>

#include "base/error.h"

#define TOKEN_URL "https://oauth2.googleapis.com/token"

static int32_t write_form(mloom_buffer *form, const mloom_google_key_file *file) {
  int32_t code = mloom_google_form_secret(form, file->host, "refresh_token", file->refresh_token);
  if (code == MLOOM_OK && file->type == MLOOM_GOOGLE_AUTHORIZED_USER) {
    code = mloom_google_form_text(form, "client_id", file->client_id);
    code = code == MLOOM_OK ? mloom_google_form_secret(form, file->host, "client_secret", file->client_secret) : code;
  }
  return code == MLOOM_OK ? mloom_google_form_text(form, "grant_type", "refresh_token") : code;
}

int32_t mloom_google_user(const mloom_google_job *job, const mloom_google_key_file *file, mloom_google_token *out,
                          mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer form = MLOOM_BUFFER_INIT;
  const mloom_secret *basic = NULL;
  if (write_form(&form, file) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  /* That of a workforce pool shows its client in a header, not in the form. */
  int32_t code = file->type == MLOOM_GOOGLE_AUTHORIZED_USER ? MLOOM_OK : mloom_google_basic(&basic, file, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_google_exchange exchange = {.grant = MLOOM_GOOGLE_GRANT_REFRESH,
                                          .url = file->token_url == NULL ? TOKEN_URL : file->token_url,
                                          .member =
                                              file->type == MLOOM_GOOGLE_AUTHORIZED_USER ? "token_uri" : "token_url",
                                          .content_type = "application/x-www-form-urlencoded",
                                          .body = {form.data, form.size},
                                          .basic = basic};
  snprintf(out->who, sizeof(out->who), "login of a person");
  code = mloom_google_exchange_perform(job, &exchange, out, error);
  if (basic != NULL) {
    job->host->secret_unref(job->host->ctx, basic);
  }
  return code;
}
