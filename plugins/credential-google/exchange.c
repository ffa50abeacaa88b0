/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "google.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/text.h"
#include "net/url.h"
#include "wire/fetch.h"
#include "wire/token_answer.h"

/* How often one that says that it is only busy is asked. */
#define ATTEMPTS 3u
#define PAUSE_MS 1000
/* A clock that is off by less is not what a token was refused for. */
#define NOTABLE_SKEW_MS 30000

int mloom_google_setting(const mloom_host *host, const mloom_settings *settings, const char *name, mloom_setting *out) {
  memset(out, 0, sizeof(*out));
  out->size = (uint32_t)sizeof(*out);
  return host->setting_get(host->ctx, settings, name, out) == MLOOM_OK &&
         (out->secret != NULL || (out->value != NULL && out->value[0] != '\0'));
}

int mloom_google_flag(const mloom_host *host, const mloom_settings *settings, const char *name) {
  mloom_setting setting;
  return mloom_google_setting(host, settings, name, &setting) && setting.value != NULL &&
         strcmp(setting.value, "true") == 0;
}

/* ---- Where tokens and keys may be sent ---- */

/* host is pattern, or below it where pattern begins with a point. */
static int matches(mloom_bytes host, mloom_bytes pattern) {
  int below = pattern.size > 0 && pattern.data[0] == '.';
  return pattern.size > 0 && host.size >= pattern.size && (below || host.size == pattern.size) &&
         mloom_text_compare_start_fold(host.data + host.size - pattern.size, pattern.data, pattern.size) == 0;
}

static int is_listed(const mloom_google_job *job, mloom_bytes host) {
  mloom_setting setting;
  if (!mloom_google_setting(job->host, job->settings, "token_hosts", &setting) || setting.value == NULL) {
    return 0;
  }
  for (const char *rest = setting.value; *rest != '\0';) {
    size_t size = strcspn(rest, ",");
    if (matches(host, mloom_text_trim((mloom_bytes){rest, size}))) {
      return 1;
    }
    rest += size + (rest[size] == ',');
  }
  return 0;
}

/* The document chooses the address, and who can write the document could have a key or token sent anywhere. */
static int32_t check_url(const mloom_google_job *job, const char *url, const char *member, mloom_error *error) {
  mloom_url parts;
  int32_t code = mloom_fetch_check_url(url, member, error);
  code = code == MLOOM_OK ? mloom_url_parse(&parts, url, error) : code;
  if (code != MLOOM_OK || mloom_http_is_loopback(url) || matches(parts.host, mloom_text_bytes(".googleapis.com")) ||
      matches(parts.host, mloom_text_bytes("accounts.google.com")) || is_listed(job, parts.host)) {
    return code;
  }
  return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_GOOGLE_DOMAIN,
                         "check who wrote the document; if the host is right, name it in token_hosts",
                         "%s of the Google credentials is at %.*s, which is not a host of googleapis.com", member,
                         (int)parts.host.size, parts.host.data);
}

/* ---- Forms ---- */

int32_t mloom_google_form_text(mloom_buffer *form, const char *name, const char *value) {
  return value == NULL ? MLOOM_OK : mloom_fetch_append_field(form, name, mloom_text_bytes(value));
}

int32_t mloom_google_form_secret(mloom_buffer *form, const mloom_host *host, const char *name,
                                 const mloom_secret *value) {
  mloom_bytes bytes = {NULL, 0};
  int32_t code = host->secret_borrow(host->ctx, value, &bytes, NULL);
  if (code != MLOOM_OK) {
    return code;
  }
  /* Room for all of it at once: growing would leave a part in freed memory. */
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer field = MLOOM_BUFFER_INIT;
  if (mloom_buffer_reserve(&field, 3 * bytes.size + strlen(name) + 3) != MLOOM_OK ||
      mloom_buffer_append_format(&field, "%s%s=", form->size == 0 ? "" : "&", name) != MLOOM_OK ||
      mloom_fetch_append_encoded(&field, bytes) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  return mloom_buffer_append_wiping(form, field.data, field.size);
}

int32_t mloom_google_basic(const mloom_secret **out, const mloom_google_key_file *file, mloom_error *error) {
  const mloom_host *host = file->host;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer plain = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer encoded = MLOOM_BUFFER_INIT;
  mloom_bytes secret = {NULL, 0};
  *out = NULL;
  if (file->client_id == NULL || file->client_secret == NULL) {
    return MLOOM_OK;
  }
  int32_t code = host->secret_borrow(host->ctx, file->client_secret, &secret, error);
  if (code != MLOOM_OK) {
    return code;
  }
  size_t size = strlen(file->client_id) + secret.size + 1;
  if (mloom_buffer_reserve(&plain, size) != MLOOM_OK || mloom_buffer_reserve(&encoded, 2 * size + 4) != MLOOM_OK ||
      mloom_buffer_append_format(&plain, "%s:", file->client_id) != MLOOM_OK ||
      mloom_buffer_append(&plain, secret.data, secret.size) != MLOOM_OK ||
      mloom_base64_append(&encoded, plain.data, plain.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_secret *basic = NULL;
  code = host->secret_new(host->ctx, encoded.data, encoded.size, &basic, error);
  *out = basic;
  return code;
}

/* ---- What a refusal means ---- */

/* One way in which an endpoint says no; the first that fits counts. */
typedef struct mloom_google_refusal {
  uint32_t grant;
  const char *error;       /* NULL: any */
  const char *description; /* a part of it, or of the subtype; NULL: any */
  int32_t code;
  const char *what;
  const char *remedy;
} mloom_google_refusal;

#define ASSERTION_REMEDY "create a new key for the service account and give its JSON document"

/* Where this is the remedy, the same may work with another time. */
static const char set_clock[] = "set this machine's clock to the right time";

static const mloom_google_refusal refusals[] = {
    {MLOOM_GOOGLE_GRANT_ASSERTION, "invalid_grant", "timeframe", MLOOM_E_UNAUTHENTICATED,
     "the time in the request is wrong for Google", set_clock},
    {MLOOM_GOOGLE_GRANT_ASSERTION, "invalid_grant", " iat ", MLOOM_E_UNAUTHENTICATED,
     "the time in the request is wrong for Google", set_clock},
    {MLOOM_GOOGLE_GRANT_ASSERTION, "invalid_grant", "signature", MLOOM_E_UNAUTHENTICATED,
     "Google does not know the service account's key any more: it was deleted, disabled or has expired",
     ASSERTION_REMEDY},
    {MLOOM_GOOGLE_GRANT_ASSERTION, "invalid_grant", "account", MLOOM_E_UNAUTHENTICATED,
     "the service account does not exist or is disabled", "enable the service account, or use another one"},
    {MLOOM_GOOGLE_GRANT_ASSERTION, NULL, NULL, MLOOM_E_UNAUTHENTICATED, "Google refused the service account's key",
     ASSERTION_REMEDY},
    {MLOOM_GOOGLE_GRANT_REFRESH, "invalid_grant", "rapt", MLOOM_E_NEEDS_INTERACTION,
     "the session of the login has ended by the organization's policy", MLOOM_GOOGLE_LOGIN},
    {MLOOM_GOOGLE_GRANT_REFRESH, "invalid_grant", NULL, MLOOM_E_NEEDS_INTERACTION,
     "the login was revoked or has expired", MLOOM_GOOGLE_LOGIN},
    {MLOOM_GOOGLE_GRANT_REFRESH, NULL, "client", MLOOM_E_UNAUTHENTICATED, "the OAuth client of the login was refused",
     MLOOM_GOOGLE_LOGIN},
    {MLOOM_GOOGLE_GRANT_REFRESH, NULL, NULL, MLOOM_E_UNAUTHENTICATED, "Google refused the login", MLOOM_GOOGLE_LOGIN},
    {MLOOM_GOOGLE_GRANT_SUBJECT, "invalid_target", NULL, MLOOM_E_UNAUTHENTICATED,
     "the workload identity pool or provider of the audience does not exist or is disabled",
     "correct audience in the document, or enable the pool and the provider"},
    {MLOOM_GOOGLE_GRANT_SUBJECT, "unauthorized_client", NULL, MLOOM_E_DENIED,
     "the attribute condition of the identity provider refuses this workload",
     "change the condition of the provider, or run the workload under an identity that it allows"},
    {MLOOM_GOOGLE_GRANT_SUBJECT, NULL, NULL, MLOOM_E_UNAUTHENTICATED, "Google refused the subject token",
     "check that the token is not expired and that its issuer and audience are those of the identity provider"},
    {MLOOM_GOOGLE_GRANT_IMPERSONATION, NULL, "has not been used", MLOOM_E_DENIED,
     "the IAM Service Account Credentials API is off", "enable iamcredentials.googleapis.com in the project"},
    {MLOOM_GOOGLE_GRANT_IMPERSONATION, "PERMISSION_DENIED", NULL, MLOOM_E_DENIED,
     "the caller may not act as the service account",
     "grant it roles/iam.serviceAccountTokenCreator, or roles/iam.workloadIdentityUser, on the service account"},
    {MLOOM_GOOGLE_GRANT_IMPERSONATION, "NOT_FOUND", NULL, MLOOM_E_NOT_FOUND,
     "the service account to act as does not exist", "correct service_account_impersonation_url in the document"},
    {MLOOM_GOOGLE_GRANT_IMPERSONATION, NULL, NULL, MLOOM_E_UNAUTHENTICATED,
     "Google refused to let the caller act as the service account",
     "check the service account, its delegates and the token's life in the document"},
};

static int fits(const mloom_google_refusal *refusal, uint32_t grant, const mloom_token_answer *answer) {
  return refusal->grant == grant && (refusal->error == NULL || strcmp(refusal->error, answer->error) == 0) &&
         (refusal->description == NULL || mloom_text_find_fold(answer->description, refusal->description) != NULL ||
          mloom_text_find_fold(answer->subtype, refusal->description) != NULL ||
          (refusal->error == NULL && mloom_text_find_fold(answer->error, refusal->description) != NULL));
}

/* "; this machine's clock is 900 s behind Google's", or nothing. */
static void tell_skew(const mloom_google_job *job, const mloom_fetch_answer *came, char *out, size_t out_size) {
  out[0] = '\0';
  if (came->date_wall_ms < 0) {
    return;
  }
  int64_t ahead_ms = job->host->clock_wall_ms(job->host->ctx) - came->date_wall_ms;
  if (ahead_ms > NOTABLE_SKEW_MS || ahead_ms < -NOTABLE_SKEW_MS) {
    snprintf(out, out_size, "; this machine's clock is %lld s %s Google's",
             (long long)((ahead_ms < 0 ? -ahead_ms : ahead_ms) / 1000), ahead_ms < 0 ? "behind" : "ahead of");
  }
}

static int is_busy(const mloom_fetch_answer *came, const mloom_token_answer *answer) {
  return came->status >= 500 || came->status == 429 || came->status == 408 ||
         strcmp(answer->error, "internal_failure") == 0 || strcmp(answer->error, "server_error") == 0 ||
         strcmp(answer->error, "temporarily_unavailable") == 0;
}

static int32_t report(const mloom_google_job *job, const mloom_google_exchange *exchange,
                      const mloom_fetch_answer *came, const mloom_token_answer *answer, mloom_error *error) {
  int32_t code = MLOOM_E_UNAVAILABLE;
  if (is_busy(came, answer)) {
    mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN, "try again later; look at Google Cloud's status page if it lasts",
                    "Google's token endpoint is busy or broken (HTTP %d)%s%s", (int)came->status,
                    answer->error[0] == '\0' ? "" : ": ", answer->error);
  } else if (came->status == 200) {
    code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_GOOGLE_DOMAIN, "check the addresses in the document",
                           "%s answered without a token", exchange->member);
  } else {
    const mloom_google_refusal *refusal = refusals;
    while (!fits(refusal, exchange->grant, answer)) {
      refusal++; /* each grant has a last one that fits always */
    }
    if (refusal->remedy == set_clock && exchange->clock_offset_ms != NULL) {
      *exchange->clock_offset_ms = mloom_fetch_clock_offset_ms(came, job->host);
    }
    char skew[96] = "";
    if (exchange->grant == MLOOM_GOOGLE_GRANT_ASSERTION) {
      tell_skew(job, came, skew, sizeof(skew));
    }
    code = mloom_error_set(error, refusal->code, MLOOM_GOOGLE_DOMAIN, refusal->remedy, "%s (%s%s%s)%s", refusal->what,
                           answer->error[0] == '\0' ? "no reason given" : answer->error,
                           answer->description[0] == '\0' ? "" : ": ", answer->description, skew);
  }
  if (error != NULL) {
    error->http_status = came->status;
    error->retryable = code == MLOOM_E_UNAVAILABLE;
    error->retry_after_ms = code == MLOOM_E_UNAVAILABLE ? came->retry_after_ms : -1;
    snprintf(error->request_id, sizeof(error->request_id), "%s", came->request_id);
  }
  return code;
}

/* ---- The exchange ---- */

static int32_t send(const mloom_google_job *job, const mloom_google_exchange *exchange, mloom_fetch_answer *came,
                    mloom_error *error) {
  mloom_header headers[4];
  const mloom_header *list[4];
  size_t count = 0;
  headers[count++] = (mloom_header){.name = "Content-Type", .value = exchange->content_type};
  if (exchange->bearer != NULL) {
    headers[count++] = (mloom_header){.name = "Authorization", .value = "Bearer ", .secret = exchange->bearer};
  } else if (exchange->basic != NULL) {
    headers[count++] = (mloom_header){.name = "Authorization", .value = "Basic ", .secret = exchange->basic};
  }
  if (exchange->quota_project != NULL) {
    headers[count++] = (mloom_header){.name = "x-goog-user-project", .value = exchange->quota_project};
  }
  headers[count++] = (mloom_header){.name = "Accept", .value = "application/json"};
  for (size_t i = 0; i < count; i++) {
    headers[i].size = (uint32_t)sizeof(headers[i]);
    list[i] = &headers[i];
  }
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .method = "POST",
                                      .url = exchange->url,
                                      .headers = list,
                                      .header_count = count,
                                      .body = &exchange->body,
                                      .body_count = 1};
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = mloom_fetch(came, job->host, job->call, &request, NULL, &reason);
  if (code != MLOOM_OK) {
    mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN, reason.remedy, "no token from Google: %s", reason.message);
    if (error != NULL) {
      error->retryable = reason.retryable;
    }
  }
  return code;
}

/* *again: it says that the same may work in a moment. */
static int32_t attempt(const mloom_google_job *job, const mloom_google_exchange *exchange, mloom_google_token *out,
                       int *again, mloom_error *error) {
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer came = {.body = MLOOM_BUFFER_INIT};
  mloom_token_answer answer;
  int64_t asked_ms = job->host->clock_wall_ms(job->host->ctx);
  int32_t code = send(job, exchange, &came, error);
  *again = 0;
  if (code != MLOOM_OK) {
    return code;
  }
  code = mloom_token_answer_read(&answer, job->host, (mloom_bytes){mloom_buffer_string(&came.body), came.body.size},
                                 error);
  if (came.status == 200 && code == MLOOM_OK && answer.token != NULL) {
    out->secret = answer.token;
    out->expires_wall_ms = mloom_token_answer_expiry(&answer, asked_ms);
    return MLOOM_OK;
  }
  if (code == MLOOM_OK || (code == MLOOM_E_PROTOCOL && came.status != 200)) {
    code = report(job, exchange, &came, &answer, error);
    /* What the status says has been tried again already. */
    *again = code == MLOOM_E_UNAVAILABLE && came.status < 500 && came.status != 429 && came.status != 408;
  }
  mloom_token_answer_free(&answer, job->host);
  return code;
}

int32_t mloom_google_exchange_perform(const mloom_google_job *job, const mloom_google_exchange *exchange,
                                      mloom_google_token *out, mloom_error *error) {
  const mloom_host *host = job->host;
  int32_t code = check_url(job, exchange->url, exchange->member, error);
  int again = code == MLOOM_OK;
  for (uint32_t i = 0; again; i++) {
    code = attempt(job, exchange, out, &again, error);
    again = again && i + 1 < ATTEMPTS &&
            host->sleep_until(host->ctx, job->call, host->clock_monotonic_ms(host->ctx) + (PAUSE_MS << i)) == MLOOM_OK;
  }
  return code;
}
