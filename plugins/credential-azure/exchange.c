/* SPDX-License-Identifier: Apache-2.0
 *
 * The request to Entra's token endpoint that three of the identities end in.
 */
#include "config.h"

#include "azure.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/fetch.h"
#include "wire/token_answer.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
/* A longer pause is not believed: nobody would wait for it. */
#define LONGEST_RESUME_MS ((int64_t)3600 * 1000)

int32_t mloom_azure_add_field(mloom_buffer *form, const char *name, mloom_bytes value, mloom_error *error) {
  /* Encoded it is at most three times as long. Making room by hand leaves no copy behind. */
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer field = MLOOM_BUFFER_INIT;
  if (value.size > MLOOM_FETCH_LIMIT || mloom_buffer_reserve(&field, 3 * value.size + strlen(name) + 2) != MLOOM_OK ||
      mloom_fetch_append_field(&field, name, value) != MLOOM_OK ||
      (form->size > 0 && mloom_buffer_append_wiping(form, "&", 1) != MLOOM_OK) ||
      mloom_buffer_append_wiping(form, field.data, field.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

int32_t mloom_azure_begin_form(mloom_buffer *form, const mloom_azure_fetch *fetch, const char *client,
                               mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scope = MLOOM_BUFFER_INIT;
  int32_t code = mloom_azure_append_scope(&scope, fetch->audience, error);
  code = code != MLOOM_OK ? code : mloom_azure_add_field(form, "client_id", mloom_text_bytes(client), error);
  code = code != MLOOM_OK ? code : mloom_azure_add_field(form, "scope", (mloom_bytes){scope.data, scope.size}, error);
  return code != MLOOM_OK ? code
                          : mloom_azure_add_field(form, "grant_type", mloom_text_bytes("client_credentials"), error);
}

int32_t mloom_azure_add_assertion(mloom_buffer *form, mloom_bytes assertion, mloom_error *error) {
  int32_t code = mloom_azure_add_field(form, "client_assertion_type", mloom_text_bytes(ASSERTION_TYPE), error);
  return code != MLOOM_OK ? code : mloom_azure_add_field(form, "client_assertion", assertion, error);
}

int32_t mloom_azure_check_resume(const mloom_azure_fetch *fetch, mloom_error *error) {
  const mloom_host *host = fetch->source->host;
  int64_t left = atomic_load(&fetch->source->resume_ms) - host->clock_monotonic_ms(host->ctx);
  if (left <= 0) {
    return MLOOM_OK;
  }
  mloom_error_set(error, MLOOM_E_RATE_LIMITED, MLOOM_DOMAIN_CREDENTIAL, "wait",
                  "Azure has asked not to be asked for a token for another %lld s", (long long)(left + 999) / 1000);
  if (error != NULL) {
    error->retryable = 1;
    error->retry_after_ms = left;
  }
  return MLOOM_E_RATE_LIMITED;
}

void mloom_azure_set_resume(const mloom_azure_fetch *fetch, int64_t wait_ms) {
  const mloom_host *host = fetch->source->host;
  if (wait_ms > 0) {
    int64_t bounded = wait_ms < LONGEST_RESUME_MS ? wait_ms : LONGEST_RESUME_MS;
    atomic_store(&fetch->source->resume_ms, host->clock_monotonic_ms(host->ctx) + bounded);
  }
}

int32_t mloom_azure_take_token(const mloom_azure_fetch *fetch, mloom_bytes body, int64_t asked_wall_ms, int by_moment,
                               mloom_credential *out, mloom_error *error) {
  const mloom_host *host = fetch->source->host;
  mloom_token_answer answer;
  int32_t code = mloom_token_answer_read(&answer, host, body, error);
  if (code == MLOOM_OK && answer.token == NULL) {
    code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "check the address of the token endpoint and the proxy between here and it",
                           "Azure's answer holds no token");
  }
  if (code == MLOOM_OK) {
    int64_t expires_ms = mloom_token_answer_expiry(&answer, asked_wall_ms);
    int64_t moment_ms =
        answer.expires_on_s < 0 || answer.expires_on_s > INT64_MAX / 1000 ? -1 : answer.expires_on_s * 1000;
    if (by_moment && moment_ms > asked_wall_ms && moment_ms < expires_ms) {
      expires_ms = moment_ms;
    }
    host->secret_ref(host->ctx, answer.token);
    out->kind = MLOOM_CREDENTIAL_VALUE;
    out->secret = answer.token;
    out->expires_wall_ms = expires_ms;
  }
  mloom_token_answer_free(&answer, host);
  return code;
}

int32_t mloom_azure_exchange(const mloom_azure_fetch *fetch, const char *url, const mloom_buffer *form,
                             int64_t *clock_offset_ms, mloom_credential *out, mloom_error *error) {
  static const mloom_header type = {
      .size = (uint32_t)sizeof(mloom_header), .name = "Content-Type", .value = "application/x-www-form-urlencoded"};
  static const mloom_header accept = {
      .size = (uint32_t)sizeof(mloom_header), .name = "Accept", .value = "application/json"};
  static const mloom_header *const headers[] = {&type, &accept};
  const mloom_host *host = fetch->source->host;
  const mloom_bytes body = {form->data, form->size};
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .method = "POST",
                                      .url = url,
                                      .headers = headers,
                                      .header_count = 2,
                                      .body = &body,
                                      .body_count = 1};
  int32_t code = mloom_azure_check_resume(fetch, error);
  *clock_offset_ms = 0;
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {.body = MLOOM_BUFFER_INIT};
  int64_t asked_wall_ms = host->clock_wall_ms(host->ctx);
  mloom_error reason = MLOOM_ERROR_INIT;
  code = mloom_fetch(&answer, host, fetch->call, &request, NULL, &reason);
  if (code == MLOOM_E_UNAVAILABLE) {
    /* A certificate or a proxy that says no has a remedy of its own. */
    mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL,
                    reason.retryable ? "check the network between here and authority_host (AZURE_AUTHORITY_HOST), and "
                                       "the provider's settings proxy and ca_file"
                                     : reason.remedy,
                    "Entra cannot be reached: %s", reason.message);
    if (error != NULL) {
      error->retryable = reason.retryable;
    }
    return code;
  }
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
    return code;
  }
  const mloom_bytes text = {mloom_buffer_string(&answer.body), answer.body.size};
  if (answer.status != 200) {
    *clock_offset_ms = mloom_fetch_clock_offset_ms(&answer, host);
    if (answer.status == 429 || answer.status == 503) {
      mloom_azure_set_resume(fetch, answer.retry_after_ms);
    }
    return mloom_azure_refused(host, answer.status, text, answer.retry_after_ms, *clock_offset_ms, error);
  }
  return mloom_azure_take_token(fetch, text, asked_wall_ms, 0, out, error);
}
