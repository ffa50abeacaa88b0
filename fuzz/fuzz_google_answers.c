/* SPDX-License-Identifier: Apache-2.0
 *
 * What token endpoints, metadata servers, identity providers and helper programs answer, given to the whole exchange.
 * The first byte chooses the document, the second the status; every request gets the rest.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "credential-google/google.h"
#include "credential-google/metadata.h"
#include "plugin/host.h"
#include "secret/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define POOL                                                                                     \
  "\"type\":\"external_account\",\"audience\":\"a\",\"subject_token_type\":\"t\",\"token_url\":" \
  "\"https://sts.googleapis.com/v1/token\",\"credential_source\":"

static const char *const documents[] = {
    "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"test-secret\",\"refresh_token\":\"test-"
    "refresh\"}",
    "{" POOL "{\"url\":\"https://s.example/\"}}",
    "{" POOL
    "{\"url\":\"https://s.example/\",\"format\":{\"type\":\"json\",\"subject_token_field_name\":\"access_token\"}}}",
    "{" POOL "{\"executable\":{\"command\":\"/bin/true\"}}}",
    "{\"type\":\"impersonated_service_account\",\"service_account_impersonation_url\":\"https://i.googleapis.com/x\","
    "\"source_credentials\":{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"test-secret\","
    "\"refresh_token\":\"test-refresh\"}}",
    NULL, /* the metadata server */
};
static const char *const environment[] = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1", NULL};
static const int32_t statuses[] = {200, 400, 401, 403, 404, 500};

typedef struct stage {
  mloom_host_services services;
  const uint8_t *data;
  size_t size;
  int32_t status;
} stage;

/* services is the first member, and what the host's functions get. */
static int32_t answer(void *ctx, mloom_call *call, const mloom_http_request *request, const mloom_http_sink *sink,
                      mloom_error *error) {
  (void)call;
  (void)request;
  (void)error;
  const stage *self = ctx;
  int32_t code = sink->status(self->status, sink->userdata);
  code = code < 0 ? code : sink->header("Metadata-Flavor", "Google", sink->userdata);
  return code < 0 || self->size == 0 ? code : sink->body((const char *)self->data, self->size, sink->userdata);
}

static int32_t print(void *ctx, mloom_call *call, const mloom_process_request *request, const mloom_process_sink *sink,
                     mloom_error *error) {
  (void)call;
  (void)request;
  (void)error;
  const stage *self = ctx;
  int32_t code = self->size == 0 ? MLOOM_OK : sink->output((const char *)self->data, self->size, sink->userdata);
  return code < 0 ? code : sink->exited(self->status == 500, 0, sink->userdata);
}

static int32_t no_wait(void *ctx, mloom_call *call, int64_t monotonic_ms) {
  (void)ctx;
  (void)call;
  (void)monotonic_ms;
  return MLOOM_OK;
}

static int32_t no_setting(const mloom_settings *settings, const char *name, mloom_setting *out) {
  (void)settings;
  (void)name;
  (void)out;
  return MLOOM_E_NOT_FOUND;
}

static int32_t fetch(const mloom_google_job *job, const char *document, mloom_google_token *token, mloom_error *error) {
  if (document == NULL) {
    return mloom_google_metadata_fetch(job, MLOOM_GOOGLE_METADATA_UNKNOWN, token, error);
  }
  MLOOM_AUTO(mloom_google_key_file_auto_free) mloom_google_key_file *file = NULL;
  int32_t code =
      mloom_google_key_file_read(&file, job->host, (mloom_bytes){document, strlen(document)}, "the test", error);
  return code == MLOOM_OK ? mloom_google_fetch(job, file, token, error) : code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) {
    return 0;
  }
  stage self = {.services = {.clock = mloom_clock_system(), .environment = environment, .setting_get = no_setting},
                .status = statuses[data[1] % (sizeof(statuses) / sizeof(statuses[0]))]};
  /* A copy of exactly that size shows every read beyond it. */
  uint8_t *copy = malloc(size - 2 == 0 ? 1 : size - 2);
  memcpy(copy, data + 2, size - 2);
  self.data = copy;
  self.size = size - 2;
  mloom_host host;
  mloom_host_init(&host, &self.services);
  host.http = answer;
  host.spawn = print;
  host.sleep_until = no_wait;
  const mloom_google_job job = {.host = &host, .scope = "https://www.googleapis.com/auth/cloud-platform"};
  mloom_google_token token = {.expires_wall_ms = -1};
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = fetch(&job, documents[data[0] % (sizeof(documents) / sizeof(documents[0]))], &token, &error);
  if ((code == MLOOM_OK) != (token.secret != NULL) || (code != MLOOM_OK && error.message[0] == '\0')) {
    __builtin_trap();
  }
  mloom_secret_unref(token.secret);
  free(copy);
  return 0;
}
