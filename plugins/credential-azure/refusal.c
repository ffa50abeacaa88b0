/* SPDX-License-Identifier: Apache-2.0
 *
 * What Entra's refusals mean to an operator.
 */
#include "config.h"

#include "azure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/token_answer.h"

typedef struct refusal {
  int64_t number; /* of AADSTS */
  int32_t code;
  const char *message;
  const char *remedy;
} refusal;

#define CHECK_TENANT_AND_APPLICATION                                                                       \
  "compare tenant_id (AZURE_TENANT_ID) and client_id (AZURE_CLIENT_ID) with the overview page of the app " \
  "registration, and authority_host (AZURE_AUTHORITY_HOST) with the cloud it is in"
#define CHECK_FEDERATION                                                                                        \
  "compare issuer, subject (system:serviceaccount:NAMESPACE:NAME) and audience of the federated credential of " \
  "the application with the cluster's issuer address and the pod's service account"
/* Of what the application or the issuer of its token signed, by the time in it. */
#define OUT_OF_TIME "the assertion is not valid now"
#define CHECK_SCOPE                                                                                               \
  "correct token_scope: https://cognitiveservices.azure.com/.default or https://ai.azure.com/.default, or those " \
  "of the sovereign cloud that the tenant is in"

#define CHECK_TIMES                                                                                                  \
  "correct this machine's clock; for workload identity make sure that federated_token_file names the file that the " \
  "kubelet renews, not a copy of it"

static const refusal refusals[] = {
    {7000215, MLOOM_E_UNAUTHENTICATED, "the client secret is not one of the application's",
     "set client_secret (AZURE_CLIENT_SECRET) to the value of the secret, which is not its id"},
    {7000222, MLOOM_E_UNAUTHENTICATED, "the client secret has expired",
     "make a new secret for the application and put its value into client_secret (AZURE_CLIENT_SECRET)"},
    {7000216, MLOOM_E_UNAUTHENTICATED, "the request carried no client secret, certificate or federated token",
     "choose one of them for the application"},
    {7000218, MLOOM_E_UNAUTHENTICATED, "the request carried no client secret, certificate or federated token",
     "choose one of them for the application"},
    {700016, MLOOM_E_UNAUTHENTICATED, "the tenant has no such application", CHECK_TENANT_AND_APPLICATION},
    {7000229, MLOOM_E_UNAUTHENTICATED, "the tenant has no service principal of the application",
     "make one: an administrator of the tenant runs az ad sp create --id CLIENT_ID"},
    {7000112, MLOOM_E_UNAUTHENTICATED, "the application is disabled in the tenant",
     "let an administrator enable its enterprise application for sign-in"},
    {90002, MLOOM_E_UNAUTHENTICATED, "there is no such tenant", CHECK_TENANT_AND_APPLICATION},
    {900023, MLOOM_E_UNAUTHENTICATED, "the tenant is neither an id nor a known domain", CHECK_TENANT_AND_APPLICATION},
    {900382, MLOOM_E_UNAUTHENTICATED, "the application and the tenant are in different clouds",
     CHECK_TENANT_AND_APPLICATION},
    {700027, MLOOM_E_UNAUTHENTICATED, "the certificate is not one of the application's, or has expired",
     "upload the certificate to the application, and make sure that key and certificate in client_certificate_path "
     "(AZURE_CLIENT_CERTIFICATE_PATH) belong together"},
    {700024, MLOOM_E_UNAUTHENTICATED, OUT_OF_TIME, CHECK_TIMES},
    {500133, MLOOM_E_UNAUTHENTICATED, OUT_OF_TIME, CHECK_TIMES},
    {70021, MLOOM_E_UNAUTHENTICATED, "no federated credential of the application matches the token", CHECK_FEDERATION},
    {700211, MLOOM_E_UNAUTHENTICATED, "no federated credential of the application has the token's issuer",
     CHECK_FEDERATION},
    {700212, MLOOM_E_UNAUTHENTICATED, "no federated credential of the application has the token's audience",
     CHECK_FEDERATION},
    {700213, MLOOM_E_UNAUTHENTICATED, "no federated credential of the application has the token's subject",
     CHECK_FEDERATION},
    {700223, MLOOM_E_UNAUTHENTICATED, "the token does not fit a federated credential of the application",
     CHECK_FEDERATION},
    {500011, MLOOM_E_INVALID, "the tenant does not know the service that the token is for", CHECK_SCOPE},
    {650057, MLOOM_E_INVALID, "the tenant does not know the service that the token is for", CHECK_SCOPE},
    {70011, MLOOM_E_INVALID, "the token scope is not valid", CHECK_SCOPE},
    {1002012, MLOOM_E_INVALID, "the token scope does not end with /.default", CHECK_SCOPE},
    {65001, MLOOM_E_DENIED, "nobody has consented to the application's use of the service",
     "let an administrator of the tenant grant consent to the application's permissions"},
    {50105, MLOOM_E_DENIED, "the application has no role in the service",
     "assign it one, such as Cognitive Services OpenAI User or Azure AI User"},
    {501051, MLOOM_E_DENIED, "the application has no role in the service",
     "assign it one, such as Cognitive Services OpenAI User or Azure AI User"},
    {53003, MLOOM_E_DENIED, "a policy of conditional access blocks the token",
     "ask an administrator of the tenant; the worker's address may have to be a named location"},
};

static const refusal *find(int64_t number) {
  for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
    if (refusals[i].number == number) {
      return &refusals[i];
    }
  }
  return NULL;
}

/* error_codes, or what the description begins with. */
static int64_t number_of(const mloom_token_answer *answer) {
  if (answer->error_code > 0) {
    return answer->error_code;
  }
  const char *at = strstr(answer->description, "AADSTS");
  int64_t number = 0;
  for (at = at == NULL ? "" : at + 6; *at >= '0' && *at <= '9' && number < INT32_MAX; at++) {
    number = number * 10 + (*at - '0');
  }
  return number;
}

static int32_t report_known(const refusal *known, int64_t clock_offset_ms, mloom_error *error) {
  const char *remedy = known->remedy;
  char clock[96] = "";
  if (clock_offset_ms != 0 && strcmp(known->message, OUT_OF_TIME) == 0) {
    remedy = "set the clock of this machine, and let it follow a time server";
    snprintf(clock, sizeof(clock), "; this machine's clock is %" PRId64 " s %s Entra's",
             (clock_offset_ms < 0 ? -clock_offset_ms : clock_offset_ms) / 1000,
             clock_offset_ms < 0 ? "ahead of" : "behind");
  }
  return mloom_error_set(error, known->code, MLOOM_DOMAIN_CREDENTIAL, remedy,
                         "Entra gave no token: %s (AADSTS%" PRId64 ")%s", known->message, known->number, clock);
}

static int32_t report_unknown(const mloom_token_answer *answer, int32_t status, int64_t number, mloom_error *error) {
  int client_fault = strcmp(answer->error, "invalid_client") == 0 ||
                     strcmp(answer->error, "unauthorized_client") == 0 || status == 401;
  const char *remedy = "look the code up at https://login.microsoftonline.com/error";
  char name[32] = "no code";
  if (number > 0) {
    snprintf(name, sizeof(name), "AADSTS%" PRId64, number);
  } else {
    remedy = "check authority_host (AZURE_AUTHORITY_HOST) and the network between here and it";
  }
  /* What follows the first line are ids of the request. */
  size_t size = strcspn(answer->description, "\r\n");
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_text_append_printable(&text, answer->description, size, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return mloom_error_set(error, client_fault ? MLOOM_E_UNAUTHENTICATED : MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL,
                         remedy, "Entra gave no token (HTTP %d, %s)%s%s", (int)status, name, text.size > 0 ? ": " : "",
                         mloom_buffer_string(&text));
}

static int32_t report_busy(int32_t status, int64_t retry_after_ms, mloom_error *error) {
  int32_t code = status == 429 ? MLOOM_E_RATE_LIMITED : MLOOM_E_UNAVAILABLE;
  mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, "try again later",
                  status == 429 ? "Entra limits how often tokens are asked for (HTTP %d)"
                                : "Entra cannot give tokens at the moment (HTTP %d)",
                  (int)status);
  if (error != NULL) {
    error->retryable = 1;
    error->retry_after_ms = retry_after_ms;
  }
  return code;
}

int32_t mloom_azure_refused(const mloom_host *host, int32_t status, mloom_bytes body, int64_t retry_after_ms,
                            int64_t clock_offset_ms, mloom_error *error) {
  mloom_token_answer answer;
  mloom_error ignored = MLOOM_ERROR_INIT;
  int readable = mloom_token_answer_read(&answer, host, body, &ignored) == MLOOM_OK;
  mloom_token_answer_free(&answer, host);
  int64_t number = readable ? number_of(&answer) : 0;
  const refusal *known = find(number);
  int32_t code;
  if (known != NULL) {
    code = report_known(known, clock_offset_ms, error);
  } else if (status == 429 || status >= 500 || strcmp(answer.error, "temporarily_unavailable") == 0) {
    code = report_busy(status, retry_after_ms, error);
  } else if (!readable) {
    code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "check authority_host (AZURE_AUTHORITY_HOST) and the proxy between here and it",
                           "what answers as Entra is no token endpoint (HTTP %d)", (int)status);
  } else {
    code = report_unknown(&answer, status, number, error);
  }
  if (error != NULL) {
    error->http_status = status;
    snprintf(error->request_id, sizeof(error->request_id), "%s", answer.correlation);
  }
  return code;
}
