/* SPDX-License-Identifier: Apache-2.0
 *
 * A service account proves by its private key who it is: with a signed assertion that is changed for a token, or with
 * one that is a token itself.
 */
#include "config.h"

#include "google.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "wire/fetch.h"
#include "wire/jwt.h"

#define TOKEN_URL "https://oauth2.googleapis.com/token"
#define LIFE_S 3600

static int32_t write_text(mloom_buffer *out, const char *name, const char *value) {
  return value == NULL ? MLOOM_OK : mloom_json_write_member(out, name, value, strlen(value));
}

static int32_t write_header(mloom_buffer *out, const mloom_google_key_file *file) {
  int failed = mloom_buffer_append_char(out, '{') != MLOOM_OK || write_text(out, "alg", "RS256") != MLOOM_OK ||
               write_text(out, "typ", "JWT") != MLOOM_OK || write_text(out, "kid", file->private_key_id) != MLOOM_OK ||
               mloom_buffer_append_char(out, '}') != MLOOM_OK;
  return failed ? MLOOM_E_MEMORY : MLOOM_OK;
}

/* sub or aud may be NULL. */
static int32_t write_claims(mloom_buffer *out, const mloom_google_job *job, const mloom_google_key_file *file,
                            const char *sub, const char *aud, int64_t now_s) {
  int failed = mloom_buffer_append_char(out, '{') != MLOOM_OK ||
               write_text(out, "iss", file->client_email) != MLOOM_OK || write_text(out, "sub", sub) != MLOOM_OK ||
               write_text(out, "scope", job->scope) != MLOOM_OK || write_text(out, "aud", aud) != MLOOM_OK ||
               mloom_buffer_append_format(out, ",\"iat\":%lld,\"exp\":%lld}", (long long)now_s,
                                          (long long)now_s + LIFE_S) != MLOOM_OK;
  return failed ? MLOOM_E_MEMORY : MLOOM_OK;
}

static int32_t sign(mloom_buffer *out, const mloom_google_job *job, const mloom_google_key_file *file, const char *sub,
                    const char *aud, int64_t now_s, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer header = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer claims = MLOOM_BUFFER_INIT;
  if (write_header(&header, file) != MLOOM_OK || write_claims(&claims, job, file, sub, aud, now_s) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = mloom_jwt_sign(out, job->host, MLOOM_JWT_RS256, (mloom_bytes){header.data, header.size},
                                (mloom_bytes){claims.data, claims.size}, file->private_key, &reason);
  if (code == MLOOM_E_INVALID) {
    return mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN,
                           "create a new key for the service account and give its document",
                           "private_key of service account %s cannot be used: %s", file->client_email, reason.message);
  }
  mloom_error_copy(error, &reason);
  return code;
}

static int32_t self_signed(const mloom_google_job *job, const mloom_google_key_file *file, mloom_google_token *out,
                           mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer token = MLOOM_BUFFER_INIT;
  int64_t now_s = job->host->clock_wall_ms(job->host->ctx) / 1000;
  int32_t code = sign(&token, job, file, file->client_email, NULL, now_s, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_secret *secret = NULL;
  code = job->host->secret_new(job->host->ctx, token.data, token.size, &secret, error);
  out->secret = secret;
  out->expires_wall_ms = (now_s + LIFE_S) * 1000;
  return code;
}

/* now_s is the time of the assertion; see mloom_google_exchange for clock_offset_ms. */
static int32_t ask(const mloom_google_job *job, const mloom_google_key_file *file, int64_t now_s,
                   int64_t *clock_offset_ms, mloom_google_token *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer assertion = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer form = MLOOM_BUFFER_INIT;
  /* The audience is this address even when the document names another place to ask. */
  int32_t code = sign(&assertion, job, file, NULL, TOKEN_URL, now_s, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_buffer_reserve(&form, 2 * assertion.size + 128) != MLOOM_OK ||
      mloom_google_form_text(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer") != MLOOM_OK ||
      mloom_google_form_text(&form, "assertion", assertion.data) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const mloom_google_exchange exchange = {.grant = MLOOM_GOOGLE_GRANT_ASSERTION,
                                          .url = file->token_url == NULL ? TOKEN_URL : file->token_url,
                                          .member = "token_uri",
                                          .content_type = "application/x-www-form-urlencoded",
                                          .body = {form.data, form.size},
                                          .clock_offset_ms = clock_offset_ms};
  return mloom_google_exchange_perform(job, &exchange, out, error);
}

/* Google judges assertions by its own clock: where ours is minutes off, a second one has Google's time. */
static int32_t granted(const mloom_google_job *job, const mloom_google_key_file *file, mloom_google_token *out,
                       mloom_error *error) {
  const mloom_host *host = job->host;
  int64_t offset_ms = 0;
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = ask(job, file, host->clock_wall_ms(host->ctx) / 1000, &offset_ms, out, &reason);
  if (code != MLOOM_OK && offset_ms != 0) {
    host->log(host->ctx, MLOOM_LOG_WARNING, "credential-google",
              "Google's clock is minutes from this machine's: the assertion is made again by Google's");
    reason = (mloom_error)MLOOM_ERROR_INIT;
    code = ask(job, file, (host->clock_wall_ms(host->ctx) + offset_ms) / 1000, NULL, out, &reason);
    out->clock_offset_ms = offset_ms;
  }
  mloom_error_copy(error, &reason);
  return code;
}

int32_t mloom_google_service_account(const mloom_google_job *job, const mloom_google_key_file *file,
                                     mloom_google_token *out, mloom_error *error) {
  /* Other universes have no token endpoint. */
  int elsewhere = file->universe_domain != NULL && strcmp(file->universe_domain, "googleapis.com") != 0;
  snprintf(out->who, sizeof(out->who), "service account %s", file->client_email);
  return elsewhere || mloom_google_flag(job->host, job->settings, "self_signed_jwt")
             ? self_signed(job, file, out, error)
             : granted(job, file, out, error);
}
