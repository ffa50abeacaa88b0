/* SPDX-License-Identifier: Apache-2.0
 *
 * The credential sources "google-service-account", "google-adc" and "google-access-token". The audience is the OAuth
 * scope, or several with blanks between them.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "google.h"
#include "metadata.h"
#include "wire/endpoint.h"
#include "wire/google_adc.h"
#include "wire/provider_settings.h"
#include "wire/setting_secret.h"

#define LARGEST_DOCUMENT ((size_t)64 * 1024)
#define DEFAULT_SCOPE "https://www.googleapis.com/auth/cloud-platform"
/* That no metadata server answered is believed for so long. */
#define ABSENCE_MS 10000

typedef struct mloom_google_source {
  const mloom_host *host;
  pthread_mutex_t lock; /* of what follows */
  char quota_project[256];
  int64_t absent_until_ms;    /* monotonic */
  atomic_uint_least64_t mark; /* of the file that the last fetch of google-access-token read; 0: none */
} mloom_google_source;

static int32_t source_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  mloom_google_source *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->host = args->host;
  self->absent_until_ms = INT64_MIN;
  pthread_mutex_init(&self->lock, NULL);
  atomic_init(&self->mark, 0);
  *out_instance = self;
  return MLOOM_OK;
}

static void source_close(void *instance) {
  mloom_google_source *self = instance;
  pthread_mutex_destroy(&self->lock);
  free(self);
}

/* ---- What all three do ---- */

static mloom_google_job job_of(const mloom_google_source *self, mloom_call *call, const mloom_credential_args *args) {
  const char *scope = args->audience;
  return (mloom_google_job){.host = self->host,
                            .call = call,
                            .settings = args->settings,
                            .scope = scope == NULL || scope[0] == '\0' ? DEFAULT_SCOPE : scope};
}

/* The project that is asked to pay; by_document may be NULL. */
static void keep_quota_project(mloom_google_source *self, const mloom_settings *settings, const char *by_document) {
  const mloom_host *host = self->host;
  mloom_setting setting;
  const char *project = mloom_google_setting(host, settings, "quota_project", &setting) ? setting.value : NULL;
  project = project == NULL ? host->environment_get(host->ctx, "GOOGLE_CLOUD_QUOTA_PROJECT") : project;
  project = project == NULL ? by_document : project;
  pthread_mutex_lock(&self->lock);
  snprintf(self->quota_project, sizeof(self->quota_project), "%s", project == NULL ? "" : project);
  pthread_mutex_unlock(&self->lock);
}

/* Cut at the end of a character. */
static void shorten(char *out, size_t out_size, const char *text) {
  size_t size = mloom_text_complete_prefix(text, strnlen(text, out_size - 1));
  memcpy(out, text, size);
  out[size] = '\0';
}

static void give(mloom_credential *out, const mloom_google_token *token, const char *origin) {
  char who[96];
  char where[58];
  shorten(who, sizeof(who), token->who);
  shorten(where, sizeof(where), origin);
  out->kind = MLOOM_CREDENTIAL_SIGNS;
  out->secret = token->secret;
  out->expires_wall_ms = token->expires_wall_ms;
  if (MLOOM_HAS(out, mloom_credential, clock_offset_ms)) {
    out->clock_offset_ms = token->clock_offset_ms;
  }
  snprintf(out->description, sizeof(out->description), "%s from %s", who, where);
}

int32_t mloom_google_fetch(const mloom_google_job *job, const mloom_google_key_file *file, mloom_google_token *out,
                           mloom_error *error) {
  switch (file->type) {
  case MLOOM_GOOGLE_SERVICE_ACCOUNT:
    return mloom_google_service_account(job, file, out, error);
  case MLOOM_GOOGLE_EXTERNAL_ACCOUNT:
    return mloom_google_external_account(job, file, out, error);
  case MLOOM_GOOGLE_IMPERSONATED:
    return mloom_google_impersonated(job, file, out, error);
  default:
    return mloom_google_user(job, file, out, error);
  }
}

static int lends(const mloom_google_key_file *file) {
  return file->type == MLOOM_GOOGLE_EXTERNAL_ACCOUNT ||
         (file->type == MLOOM_GOOGLE_IMPERSONATED && lends(file->source)); /* nested twice at most */
}

static int is_googles(const char *url) {
  return url == NULL || (mloom_endpoint_host_is_in(url, "googleapis.com") && !mloom_endpoint_is_unencrypted(url));
}

/* A document may lend the identity of this machine: a token in its files, or what a service beside it gives. Of one
 * that stands on a card or comes from a gateway, neither that token nor what it is changed for leaves for another place
 * than Google. */
static int32_t check_loan(const mloom_google_job *job, const mloom_google_key_file *file, mloom_error *error) {
  static const char *const addresses[] = {"base_url", "endpoint_url"};
  const mloom_provider_settings settings = {job->host, job->settings};
  int stays = 1;
  for (const mloom_google_key_file *at = file; at != NULL; at = at->source) {
    stays = stays && is_googles(at->token_url) && is_googles(at->impersonation_url);
  }
  for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
    stays = stays && (!mloom_provider_settings_is_foreign(&settings, addresses[i]) ||
                      is_googles(mloom_provider_settings_text(&settings, addresses[i], NULL)));
  }
  if (!job->is_on_card || !lends(file)) {
    return MLOOM_OK;
  }
  return stays
             ? mloom_provider_settings_check_proxy(&settings, "the identity of this machine", error)
             : mloom_error_set(error, MLOOM_E_DENIED, MLOOM_GOOGLE_DOMAIN,
                               "give the document in the deployment's own settings, or use Google's own addresses",
                               "the document in service_account_json lends the identity of this machine, which is sent "
                               "to Google only");
}

static int32_t fetch_document(mloom_google_source *self, const mloom_google_job *job, mloom_bytes text,
                              const char *origin, mloom_credential *out, mloom_error *error) {
  MLOOM_AUTO(mloom_google_key_file_auto_free) mloom_google_key_file *file = NULL;
  mloom_google_token token = {.expires_wall_ms = -1};
  int32_t code = mloom_google_key_file_read(&file, self->host, text, origin, error);
  code = code == MLOOM_OK ? check_loan(job, file, error) : code;
  code = code == MLOOM_OK ? mloom_google_fetch(job, file, &token, error) : code;
  if (code == MLOOM_OK) {
    keep_quota_project(self, job->settings, file->quota_project_id);
    give(out, &token, origin);
  }
  return code;
}

static int32_t source_authorize(void *instance, const mloom_credential_args *args, const mloom_credential *credential,
                                const mloom_http_request *request, const mloom_header_sink *sink, mloom_error *error) {
  (void)args;
  (void)request;
  (void)error;
  mloom_google_source *self = instance;
  char quota_project[sizeof(self->quota_project)];
  pthread_mutex_lock(&self->lock);
  memcpy(quota_project, self->quota_project, sizeof(quota_project));
  pthread_mutex_unlock(&self->lock);
  const mloom_header bearer = {
      .size = (uint32_t)sizeof(bearer), .name = "Authorization", .value = "Bearer ", .secret = credential->secret};
  const mloom_header quota = {.size = (uint32_t)sizeof(quota), .name = "x-goog-user-project", .value = quota_project};
  int32_t code = sink->header(&bearer, sink->userdata);
  return code == MLOOM_OK && quota_project[0] != '\0' ? sink->header(&quota, sink->userdata) : code;
}

/* ---- A document or token in the settings ---- */

static int32_t document_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  (void)error;
  const mloom_google_source *self = instance;
  mloom_setting setting;
  return mloom_google_setting(self->host, args->settings, "service_account_json", &setting) && setting.secret != NULL
             ? MLOOM_OK
             : MLOOM_E_NOT_APPLICABLE;
}

static int32_t document_fetch(void *instance, mloom_call *call, const mloom_credential_args *args,
                              mloom_credential *out, mloom_error *error) {
  mloom_google_source *self = instance;
  const mloom_provider_settings settings = {self->host, args->settings};
  mloom_google_job job = job_of(self, call, args);
  job.is_on_card = mloom_provider_settings_is_foreign(&settings, "service_account_json");
  mloom_setting setting;
  mloom_bytes text = {NULL, 0};
  const mloom_secret *document = NULL;
  if (!mloom_google_setting(self->host, args->settings, "service_account_json", &setting) || setting.secret == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  int32_t code = mloom_setting_secret(self->host, &setting, &document, error);
  code = code != MLOOM_OK ? code : self->host->secret_borrow(self->host->ctx, document, &text, error);
  const char *origin = setting.origin_name == NULL ? "service_account_json" : setting.origin_name;
  code = code == MLOOM_OK ? fetch_document(self, &job, text, origin, out, error) : code;
  if (document != NULL) {
    self->host->secret_unref(self->host->ctx, document);
  }
  return code;
}

static int32_t token_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  (void)error;
  mloom_google_source *self = instance;
  mloom_setting setting;
  if (!mloom_google_setting(self->host, args->settings, "access_token", &setting) || setting.secret == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  uint64_t fetched = atomic_load(&self->mark);
  return fetched != 0 && fetched != mloom_setting_mark(&setting) ? MLOOM_CREDENTIAL_CHANGED : MLOOM_OK;
}

static int32_t token_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                           mloom_error *error) {
  (void)call;
  mloom_google_source *self = instance;
  mloom_setting setting;
  if (!mloom_google_setting(self->host, args->settings, "access_token", &setting) || setting.secret == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  mloom_google_token token = {.expires_wall_ms = -1, .who = "access token"};
  uint64_t mark = mloom_setting_mark(&setting);
  int32_t code = mloom_setting_secret(self->host, &setting, &token.secret, error);
  if (code != MLOOM_OK) {
    return code;
  }
  atomic_store(&self->mark, mark);
  keep_quota_project(self, args->settings, NULL);
  give(out, &token, setting.origin_name == NULL ? "access_token" : setting.origin_name);
  return MLOOM_OK;
}

/* ---- Application default credentials ---- */

static int32_t nothing_found(const char *gcloud_path, const char *metadata, mloom_error *error) {
  return mloom_error_set(
      error, MLOOM_E_NOT_CONFIGURED, MLOOM_GOOGLE_DOMAIN,
      "set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials, or run on a machine or pod with "
      "a service account, or " MLOOM_GOOGLE_LOGIN,
      "no Google credentials: GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud's %s does not exist, "
      "and %s",
      gcloud_path[0] == '\0' ? "file" : gcloud_path, metadata);
}

static int32_t adc_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  mloom_google_source *self = instance;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  char origin[96];
  int32_t code = mloom_google_adc_path(&path, origin, self->host, args->settings);
  if (code == MLOOM_E_NOT_FOUND && mloom_google_metadata_detect(self->host) == MLOOM_GOOGLE_METADATA_OFF) {
    return nothing_found(mloom_buffer_string(&path), "the environment says that there is no metadata server", error);
  }
  return code == MLOOM_E_NOT_FOUND ? MLOOM_OK : code;
}

static int32_t adc_fetch_file(mloom_google_source *self, const mloom_google_job *job, const char *path,
                              const char *origin, mloom_credential *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_error reason = MLOOM_ERROR_INIT;
  /* Room for all of it at once: growing would leave a key in freed memory. */
  if (mloom_buffer_reserve(&text, 2 * LARGEST_DOCUMENT) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_file_read(&text, path, LARGEST_DOCUMENT, MLOOM_GOOGLE_DOMAIN, &reason);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN, "correct the path, or mount the file where it says",
                           "the Google credentials of %s cannot be read: %s", origin, reason.message);
  }
  return fetch_document(self, job, (mloom_bytes){mloom_buffer_string(&text), text.size}, path, out, error);
}

static int64_t absent_until(mloom_google_source *self) {
  pthread_mutex_lock(&self->lock);
  int64_t until_ms = self->absent_until_ms;
  pthread_mutex_unlock(&self->lock);
  return until_ms;
}

static int32_t adc_fetch_metadata(mloom_google_source *self, const mloom_google_job *job, const char *gcloud_path,
                                  mloom_credential *out, mloom_error *error) {
  const mloom_host *host = self->host;
  mloom_google_token token = {.expires_wall_ms = -1};
  mloom_error reason = MLOOM_ERROR_INIT;
  uint32_t presence = mloom_google_metadata_detect(host);
  if (presence == MLOOM_GOOGLE_METADATA_OFF) {
    return nothing_found(gcloud_path, "the environment says that there is no metadata server", error);
  }
  if (presence == MLOOM_GOOGLE_METADATA_UNKNOWN && host->clock_monotonic_ms(host->ctx) < absent_until(self)) {
    return nothing_found(gcloud_path, "no metadata server of Google answers", error);
  }
  int32_t code = mloom_google_metadata_fetch(job, presence, &token, &reason);
  if (code == MLOOM_E_NOT_FOUND) {
    pthread_mutex_lock(&self->lock);
    self->absent_until_ms = host->clock_monotonic_ms(host->ctx) + ABSENCE_MS;
    pthread_mutex_unlock(&self->lock);
    return nothing_found(gcloud_path, reason.message, error);
  }
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
    return code;
  }
  keep_quota_project(self, job->settings, NULL);
  give(out, &token, "the metadata server");
  return MLOOM_OK;
}

static int32_t adc_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                         mloom_error *error) {
  mloom_google_source *self = instance;
  mloom_google_job job = job_of(self, call, args);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  char origin[96];
  const mloom_provider_settings settings = {self->host, args->settings};
  int32_t code = mloom_provider_settings_check_proxy(&settings, "the identity of this machine", error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = mloom_google_adc_path(&path, origin, self->host, args->settings);
  if (code == MLOOM_OK) {
    return adc_fetch_file(self, &job, path.data, origin, out, error);
  }
  return code == MLOOM_E_NOT_FOUND ? adc_fetch_metadata(self, &job, mloom_buffer_string(&path), out, error)
                                   : mloom_error_memory(error);
}

/* ---- The plugin ---- */

static const mloom_credential_source document_source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "google-service-account",
    .title = "Google service account",
    .description = "The JSON document in the provider's service_account_json",
    .threads = MLOOM_THREADS_PARALLEL,
    .open = source_open,
    .close = source_close,
    .probe = document_probe,
    .fetch = document_fetch,
    .authorize = source_authorize,
};

static const mloom_credential_source adc_source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "google-adc",
    .title = "Google application default credentials",
    .description = "GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, or the metadata server; to be named last",
    .threads = MLOOM_THREADS_PARALLEL,
    .open = source_open,
    .close = source_close,
    .probe = adc_probe,
    .fetch = adc_fetch,
    .authorize = source_authorize,
};

static const mloom_credential_source token_source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "google-access-token",
    .title = "Google access token",
    .description = "The token in the provider's access_token; for tests, as it lives an hour",
    .threads = MLOOM_THREADS_PARALLEL,
    .open = source_open,
    .close = source_close,
    .probe = token_probe,
    .fetch = token_fetch,
    .authorize = source_authorize,
};

static const mloom_credential_source *const sources[] = {&document_source, &adc_source, &token_source};

static const mloom_plugin plugin = {
    .size = (uint32_t)sizeof(mloom_plugin),
    .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR,
    .name = "credential-google",
    .version = PACKAGE_VERSION,
    .description = "Credential sources for identities of Google Cloud",
    .credential_sources = sources,
    .credential_source_count = sizeof(sources) / sizeof(sources[0]),
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, environment_get) || host->environment_get == NULL || host->http == NULL ||
      host->setting_get == NULL) {
    snprintf(error_text, error_size, "the host gives no settings, no environment or no requests");
    return NULL;
  }
  return &plugin;
}
