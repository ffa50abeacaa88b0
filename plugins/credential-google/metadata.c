/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "metadata.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "wire/fetch.h"
#include "wire/token_answer.h"

/* By number: resolving the name may take long where there is no such server. */
#define DEFAULT_HOST "169.254.169.254"
#define ACCOUNT "/computeMetadata/v1/instance/service-accounts/default/"
#define PRODUCT_FILE "/sys/class/dmi/id/product_name"

/* On GKE the server may come up seconds after the pod. */
static const mloom_fetch_options patient = {.timeout_ms = 3000, .attempts = 4, .pause_ms = 1000};
/* Nobody has to wait long on a laptop. */
static const mloom_fetch_options brief = {.timeout_ms = 1000, .attempts = 2, .pause_ms = 200};
static const mloom_fetch_options once = {.timeout_ms = 1000, .attempts = 1};

static const char *find_host(const mloom_host *host) {
  static const char *const names[] = {"GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    const char *value = host->environment_get(host->ctx, names[i]);
    if (value != NULL) {
      return value;
    }
  }
  return NULL;
}

static int is_set_to(const mloom_host *host, const char *name, const char *wanted) {
  const char *value = host->environment_get(host->ctx, name);
  return value != NULL && mloom_text_compare_fold(value, wanted) == 0;
}

static int is_googles_machine(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer name = MLOOM_BUFFER_INIT;
  return mloom_file_read(&name, PRODUCT_FILE, 4096, MLOOM_GOOGLE_DOMAIN, NULL) == MLOOM_OK && name.size >= 6 &&
         memcmp(name.data, "Google", 6) == 0;
}

uint32_t mloom_google_metadata_detect(const mloom_host *host) {
  static const char *const serverless[] = {"K_SERVICE", "CLOUD_RUN_JOB", "FUNCTION_NAME"};
  if (is_set_to(host, "NO_GCE_CHECK", "true") || is_set_to(host, "METADATA_SERVER_DETECTION", "none")) {
    return MLOOM_GOOGLE_METADATA_OFF;
  }
  if (is_set_to(host, "METADATA_SERVER_DETECTION", "ping-only")) {
    return MLOOM_GOOGLE_METADATA_UNKNOWN;
  }
  if (find_host(host) != NULL || is_set_to(host, "METADATA_SERVER_DETECTION", "assume-present")) {
    return MLOOM_GOOGLE_METADATA_PRESENT;
  }
  for (size_t i = 0; i < sizeof(serverless) / sizeof(serverless[0]); i++) {
    if (host->environment_get(host->ctx, serverless[i]) != NULL) {
      return MLOOM_GOOGLE_METADATA_PRESENT;
    }
  }
  if (is_googles_machine()) {
    return MLOOM_GOOGLE_METADATA_PRESENT;
  }
  return is_set_to(host, "METADATA_SERVER_DETECTION", "bios-only") ? MLOOM_GOOGLE_METADATA_OFF
                                                                   : MLOOM_GOOGLE_METADATA_UNKNOWN;
}

/* ---- Asking ---- */

/* "http://HOST" without a slash at its end. */
static int32_t append_origin(mloom_buffer *out, const mloom_host *host) {
  const char *named = find_host(host);
  const char *server = named == NULL ? DEFAULT_HOST : named;
  int has_scheme = mloom_text_compare_start_fold(server, "http://", 7) == 0 ||
                   mloom_text_compare_start_fold(server, "https://", 8) == 0;
  int32_t code = mloom_buffer_append_format(out, "%s%s", has_scheme ? "" : "http://", server);
  while (code == MLOOM_OK && out->data[out->size - 1] == '/') {
    mloom_buffer_truncate(out, out->size - 1);
  }
  return code;
}

static int32_t ask(const mloom_google_job *job, const char *path, const mloom_fetch_options *options,
                   mloom_fetch_answer *came, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  memset(came, 0, sizeof(*came));
  if (append_origin(&url, job->host) != MLOOM_OK || mloom_buffer_append_string(&url, path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const mloom_header header = {.size = (uint32_t)sizeof(header), .name = "Metadata-Flavor", .value = "Google"};
  const mloom_header *const headers[] = {&header};
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .flags = MLOOM_HTTP_DIRECT,
                                      .method = "GET",
                                      .url = url.data,
                                      .headers = headers,
                                      .header_count = 1};
  return mloom_fetch(came, job->host, job->call, &request, options, error);
}

/* Anybody may answer at that address; only Google's server says so. */
static int is_googles(const mloom_fetch_answer *came) {
  return mloom_text_compare_fold(came->flavor, "Google") == 0;
}

static int32_t find_server(const mloom_google_job *job, mloom_error *error) {
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer came = {.body = MLOOM_BUFFER_INIT};
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = ask(job, "/", &brief, &came, &reason);
  if (code == MLOOM_OK && is_googles(&came)) {
    return MLOOM_OK;
  }
  if (code == MLOOM_E_CANCELLED || code == MLOOM_E_TIMEOUT || code == MLOOM_E_MEMORY) {
    mloom_error_copy(error, &reason);
    return code;
  }
  return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_GOOGLE_DOMAIN, NULL, "%s",
                         code == MLOOM_OK ? "what answers at its address is not Google's metadata server"
                                          : "no metadata server of Google answers");
}

static int32_t report(const mloom_fetch_answer *came, const mloom_token_answer *answer, mloom_error *error) {
  int32_t code = MLOOM_E_UNAUTHENTICATED;
  const char *said = answer->description[0] == '\0' ? answer->error : answer->description;
  if (came->status == 404) {
    mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN,
                    "give the machine a service account; on GKE, bind the pod's Kubernetes service account to one",
                    "the metadata server knows no service account for this machine or pod");
  } else if (came->status == 403) {
    code = MLOOM_E_DENIED;
    mloom_error_set(
        error, code, MLOOM_GOOGLE_DOMAIN,
        "grant roles/iam.workloadIdentityUser on the service account to the pod's Kubernetes service account",
        "the metadata server may not give a token for this machine or pod (%s)", said[0] == '\0' ? "HTTP 403" : said);
  } else if (came->status >= 500 || came->status == 429) {
    code = MLOOM_E_UNAVAILABLE;
    mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN, "try again later; on GKE, look at the pod gke-metadata-server",
                    "the metadata server is busy or broken (HTTP %d)", (int)came->status);
  } else {
    code = MLOOM_E_PROTOCOL;
    mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN, "look at the log of what serves the metadata",
                    "the metadata server gave no token (HTTP %d%s%s)", (int)came->status, said[0] == '\0' ? "" : ": ",
                    said);
  }
  if (error != NULL) {
    error->http_status = came->status;
    error->retryable = code == MLOOM_E_UNAVAILABLE;
  }
  return code;
}

/* Whose token it is matters: a pod that is bound to no account may get that of the node. */
static void tell_account(const mloom_google_job *job, mloom_google_token *out) {
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer came = {.body = MLOOM_BUFFER_INIT};
  snprintf(out->who, sizeof(out->who), "metadata server");
  if (ask(job, ACCOUNT "email", &once, &came, NULL) != MLOOM_OK || came.status != 200 || !is_googles(&came) ||
      !mloom_text_is_utf8(mloom_buffer_string(&came.body), came.body.size)) {
    return;
  }
  mloom_bytes email = mloom_text_trim((mloom_bytes){mloom_buffer_string(&came.body), came.body.size});
  if (email.size > 0 && email.size < 100 && memchr(email.data, '\0', email.size) == NULL) {
    snprintf(out->who, sizeof(out->who), "service account %.*s", (int)email.size, email.data);
  }
}

static int32_t append_path(mloom_buffer *out, const char *scope) {
  mloom_buffer_append_string(out, ACCOUNT "token?scopes=");
  size_t begin = out->size;
  int32_t code = mloom_buffer_append_string(out, scope);
  for (size_t i = begin; code == MLOOM_OK && i < out->size; i++) {
    out->data[i] = out->data[i] == ' ' ? ',' : out->data[i];
  }
  return code;
}

static int32_t ask_for_token(const mloom_google_job *job, mloom_fetch_answer *came, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scopes = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  mloom_error reason = MLOOM_ERROR_INIT;
  if (append_path(&scopes, job->scope) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  size_t fixed = strlen(ACCOUNT "token?scopes=");
  if (mloom_buffer_append(&path, scopes.data, fixed) != MLOOM_OK ||
      mloom_fetch_append_encoded(&path, (mloom_bytes){scopes.data + fixed, scopes.size - fixed}) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = ask(job, path.data, &patient, came, &reason);
  if (code == MLOOM_E_UNAVAILABLE) {
    mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN,
                    "look at what keeps this machine or pod from it: a network policy, a firewall, GCE_METADATA_HOST",
                    "Google's metadata server cannot be reached: %s", reason.message);
    if (error != NULL) {
      error->retryable = 1;
    }
    return code;
  }
  mloom_error_copy(error, &reason);
  return code;
}

int32_t mloom_google_metadata_fetch(const mloom_google_job *job, uint32_t presence, mloom_google_token *out,
                                    mloom_error *error) {
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer came = {.body = MLOOM_BUFFER_INIT};
  mloom_token_answer answer;
  int32_t code = presence == MLOOM_GOOGLE_METADATA_PRESENT ? MLOOM_OK : find_server(job, error);
  int64_t asked_ms = job->host->clock_wall_ms(job->host->ctx);
  code = code == MLOOM_OK ? ask_for_token(job, &came, error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  if (!is_googles(&came)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_GOOGLE_DOMAIN,
                           "correct GCE_METADATA_HOST, and find out who answers for the metadata server",
                           "what answers as metadata server does not say that it is Google's");
  }
  code = mloom_token_answer_read(&answer, job->host, (mloom_bytes){mloom_buffer_string(&came.body), came.body.size},
                                 error);
  if (code == MLOOM_OK && came.status == 200 && answer.token != NULL) {
    out->secret = answer.token;
    out->expires_wall_ms = mloom_token_answer_expiry(&answer, asked_ms);
    tell_account(job, out);
    return MLOOM_OK;
  }
  if (code == MLOOM_OK || (code == MLOOM_E_PROTOCOL && came.status != 200)) {
    code = report(&came, &answer, error);
  }
  mloom_token_answer_free(&answer, job->host);
  return code;
}
