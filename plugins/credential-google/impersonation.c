/* SPDX-License-Identifier: Apache-2.0
 *
 * Acting as a service account with the token of somebody who may.
 */
#include "config.h"

#include "google.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"

#define LIFE_S 3600
#define LONGEST_LIFE_S 43200

/* Appends the words of text as elements of an array. */
static int32_t write_words(mloom_buffer *out, const char *text) {
  int32_t code = MLOOM_OK;
  while (code == MLOOM_OK && *text != '\0') {
    size_t size = strcspn(text, " ");
    if (size > 0) {
      code = out->data[out->size - 1] == '[' ? MLOOM_OK : mloom_buffer_append_char(out, ',');
      code = code == MLOOM_OK ? mloom_json_write_string(out, text, size) : code;
    }
    text += size + (text[size] == ' ');
  }
  return code;
}

static int32_t write_delegates(mloom_buffer *out, const mloom_google_key_file *file) {
  int32_t code = mloom_json_write_name(out, "delegates");
  code = code == MLOOM_OK ? mloom_buffer_append_char(out, '[') : code;
  for (size_t i = 0; code == MLOOM_OK && i < file->delegate_count; i++) {
    code = i == 0 ? MLOOM_OK : mloom_buffer_append_char(out, ',');
    code = code == MLOOM_OK ? mloom_json_write_string(out, file->delegates[i], strlen(file->delegates[i])) : code;
  }
  return code == MLOOM_OK ? mloom_buffer_append_char(out, ']') : code;
}

static int32_t write_body(mloom_buffer *out, const mloom_google_job *job, const mloom_google_key_file *file) {
  int64_t life_s = file->lifetime_s == 0 ? LIFE_S : file->lifetime_s;
  int32_t code = mloom_buffer_append_char(out, '{');
  if (code == MLOOM_OK && file->type == MLOOM_GOOGLE_IMPERSONATED) {
    code = write_delegates(out, file);
  }
  code = code == MLOOM_OK ? mloom_json_write_name(out, "scope") : code;
  code = code == MLOOM_OK ? mloom_buffer_append_char(out, '[') : code;
  code = code == MLOOM_OK ? write_words(out, job->scope) : code;
  return code == MLOOM_OK ? mloom_buffer_append_format(out, "],\"lifetime\":\"%llds\"}", (long long)life_s) : code;
}

mloom_bytes mloom_google_impersonation_target(const char *url) {
  const char *begin = strstr(url, "/serviceAccounts/");
  begin = begin == NULL ? url : begin + strlen("/serviceAccounts/");
  return (mloom_bytes){begin, strcspn(begin, ":?/")};
}

int32_t mloom_google_impersonate(const mloom_google_job *job, const mloom_google_key_file *file,
                                 const mloom_secret *caller, mloom_google_token *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  if (file->lifetime_s < 0 || file->lifetime_s > LONGEST_LIFE_S) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_GOOGLE_DOMAIN, "use 600 to 43200 seconds",
                           "token_lifetime_seconds of the Google credentials is out of range");
  }
  if (write_body(&body, job, file) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const mloom_google_exchange exchange = {.grant = MLOOM_GOOGLE_GRANT_IMPERSONATION,
                                          .url = file->impersonation_url,
                                          .member = "service_account_impersonation_url",
                                          .content_type = "application/json",
                                          .body = {body.data, body.size},
                                          .bearer = caller,
                                          .quota_project =
                                              file->source == NULL ? NULL : file->source->quota_project_id};
  mloom_bytes target = mloom_google_impersonation_target(file->impersonation_url);
  snprintf(out->who, sizeof(out->who), "impersonated service account %.*s", (int)target.size, target.data);
  return mloom_google_exchange_perform(job, &exchange, out, error);
}

int32_t mloom_google_impersonated(const mloom_google_job *job, const mloom_google_key_file *file,
                                  mloom_google_token *out, mloom_error *error) {
  mloom_google_token caller = {.expires_wall_ms = -1};
  int32_t code = mloom_google_fetch(job, file->source, &caller, error);
  if (code == MLOOM_OK) {
    code = mloom_google_impersonate(job, file, caller.secret, out, error);
  }
  if (caller.secret != NULL) {
    job->host->secret_unref(job->host->ctx, caller.secret);
  }
  return code;
}
