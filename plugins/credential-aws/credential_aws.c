/* SPDX-License-Identifier: Apache-2.0
 *
 * The credential sources of AWS: "aws-static", the fields of the provider; "aws-profile", one profile of the shared
 * files; "aws-default-chain", what AWS programs find by themselves. All sign requests for the audience, which is
 * SERVICE/REGION.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "credential-aws/aws.h"
#include "wire/provider_settings.h"

/* Of keys that were given out, so many are remembered: more than there are ever in use at once. */
#define ISSUED_LIMIT 64u

/* Keys that fetch gave, found again by their secret when they are to sign. */
typedef struct issued {
  struct issued *next;
  mloom_aws_keys keys;
} issued;

typedef struct aws_source {
  const mloom_host *host;
  mloom_sigv4 *signer;
  pthread_mutex_t lock;       /* of the list */
  issued *list;               /* the newest first */
  atomic_uint_least64_t mark; /* of the files that the last fetch of aws-static read; 0: none */
} aws_source;

static int32_t source_open(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  aws_source *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->host = args->host;
  int32_t code = mloom_sigv4_new(&self->signer, args->host, error);
  if (code != MLOOM_OK) {
    free(self);
    return code;
  }
  pthread_mutex_init(&self->lock, NULL);
  atomic_init(&self->mark, 0);
  *out_instance = self;
  return MLOOM_OK;
}

static void forget(aws_source *self, issued *entry) {
  mloom_aws_keys_free(&entry->keys, self->host);
  free(entry);
}

static void source_close(void *instance) {
  aws_source *self = instance;
  for (issued *entry = self->list, *next; entry != NULL; entry = next) {
    next = entry->next;
    forget(self, entry);
  }
  pthread_mutex_destroy(&self->lock);
  mloom_sigv4_free(self->signer);
  free(self);
}

/* ---- Keys that were given out ---- */

/* Takes keys over. */
static int32_t issue(aws_source *self, mloom_aws_keys *keys, mloom_credential *out, mloom_error *error) {
  issued *entry = malloc(sizeof(*entry));
  if (entry == NULL) {
    mloom_aws_keys_free(keys, self->host);
    return mloom_error_memory(error);
  }
  entry->keys = *keys;
  out->kind = MLOOM_CREDENTIAL_SIGNS;
  out->secret = keys->secret_access_key;
  out->expires_wall_ms = keys->expires_wall_ms;
  memcpy(out->description, keys->description, sizeof(out->description));
  self->host->secret_ref(self->host->ctx, out->secret);
  pthread_mutex_lock(&self->lock);
  entry->next = self->list;
  self->list = entry;
  issued *last = entry;
  for (size_t i = 1; i < ISSUED_LIMIT && last->next != NULL; i++) {
    last = last->next;
  }
  issued *oldest = last->next;
  last->next = NULL;
  pthread_mutex_unlock(&self->lock);
  if (oldest != NULL) {
    forget(self, oldest);
  }
  return MLOOM_OK;
}

/* References of the caller's own. */
static int32_t find_issued(aws_source *self, const mloom_secret *secret, mloom_aws_keys *out, mloom_error *error) {
  const mloom_host *host = self->host;
  int found = 0;
  *out = (mloom_aws_keys)MLOOM_AWS_KEYS_INIT;
  pthread_mutex_lock(&self->lock);
  for (const issued *entry = self->list; entry != NULL && !found; entry = entry->next) {
    found = entry->keys.secret_access_key == secret;
    if (found) {
      *out = entry->keys;
      host->secret_ref(host->ctx, out->secret_access_key);
      if (out->session_token != NULL) {
        host->secret_ref(host->ctx, out->session_token);
      }
    }
  }
  pthread_mutex_unlock(&self->lock);
  return found ? MLOOM_OK
               : mloom_error_set(error, MLOOM_E_EXPIRED, MLOOM_DOMAIN_CREDENTIAL, "try again",
                                 "the AWS access key was replaced before it was used");
}

/* ---- Signing ---- */

/* Splits SERVICE/REGION. */
static int32_t read_audience(const char *audience, char service[64], const char **region, mloom_error *error) {
  const char *slash = audience == NULL ? NULL : strchr(audience, '/');
  if (slash == NULL || slash == audience || slash - audience >= 64 || slash[1] == '\0') {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, NULL,
                           "requests are signed for an audience SERVICE/REGION, and the provider names \"%s\"",
                           audience == NULL ? "" : audience);
  }
  snprintf(service, 64, "%.*s", (int)(slash - audience), audience);
  *region = slash + 1;
  return MLOOM_OK;
}

static int32_t send_headers(const mloom_sigv4_signature *signature, const mloom_secret *token,
                            const mloom_header_sink *sink) {
  const mloom_header headers[] = {
      {.size = (uint32_t)sizeof(mloom_header), .name = "X-Amz-Date", .value = signature->date},
      {.size = (uint32_t)sizeof(mloom_header),
       .name = "Authorization",
       .value = mloom_buffer_string(&signature->authorization)},
      {.size = (uint32_t)sizeof(mloom_header), .name = "X-Amz-Security-Token", .value = "", .secret = token},
  };
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < (token == NULL ? 2u : 3u); i++) {
    code = sink->header(&headers[i], sink->userdata);
  }
  return code;
}

static int64_t clock_offset_ms(const mloom_credential_args *args) {
  return MLOOM_HAS(args, mloom_credential_args, clock_offset_ms) ? args->clock_offset_ms : 0;
}

static int32_t sign(aws_source *self, const mloom_aws_keys *keys, const mloom_credential_args *args,
                    const mloom_http_request *request, const mloom_header_sink *sink, mloom_error *error) {
  const mloom_host *host = self->host;
  char service[64];
  mloom_sigv4_scope scope = {.service = service, .wall_ms = host->clock_wall_ms(host->ctx) + clock_offset_ms(args)};
  mloom_sigv4_identity identity = {.access_key_id = keys->access_key_id};
  int32_t code = read_audience(args->audience, service, &scope.region, error);
  code = code != MLOOM_OK ? code
                          : host->secret_borrow(host->ctx, keys->secret_access_key, &identity.secret_access_key, error);
  if (code == MLOOM_OK && keys->session_token != NULL) {
    code = host->secret_borrow(host->ctx, keys->session_token, &identity.session_token, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(mloom_sigv4_signature_free) mloom_sigv4_signature signature = {.authorization = MLOOM_BUFFER_INIT};
  code = mloom_sigv4_sign(&signature, self->signer, &identity, &scope, request, error);
  return code != MLOOM_OK ? code : send_headers(&signature, keys->session_token, sink);
}

static int32_t source_authorize(void *instance, const mloom_credential_args *args, const mloom_credential *credential,
                                const mloom_http_request *request, const mloom_header_sink *sink, mloom_error *error) {
  aws_source *self = instance;
  mloom_aws_keys keys;
  int32_t code = find_issued(self, credential->secret, &keys, error);
  code = code == MLOOM_OK ? sign(self, &keys, args, request, sink, error) : code;
  mloom_aws_keys_free(&keys, self->host);
  return code;
}

/* ---- aws-static ---- */

static int32_t static_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  aws_source *self = instance;
  int32_t code = mloom_aws_probe_settings(self->host, args->settings, error);
  uint64_t fetched = atomic_load(&self->mark);
  if (code == MLOOM_OK && fetched != 0 && fetched != mloom_aws_settings_mark(self->host, args->settings)) {
    return MLOOM_CREDENTIAL_CHANGED;
  }
  return code;
}

static int32_t static_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                            mloom_error *error) {
  (void)call;
  aws_source *self = instance;
  mloom_aws_keys keys;
  uint64_t mark = mloom_aws_settings_mark(self->host, args->settings);
  int32_t code = mloom_aws_from_settings(&keys, self->host, args->settings, error);
  if (code == MLOOM_OK) {
    atomic_store(&self->mark, mark);
  }
  return code == MLOOM_OK ? issue(self, &keys, out, error) : code;
}

/* ---- aws-profile and aws-default-chain ---- */

/* The provider's field "profile"; NULL: none. What it has from AWS_PROFILE is left to the variables' own order. */
static const char *profile_setting(const mloom_host *host, const mloom_settings *settings) {
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  if (host->setting_get(host->ctx, settings, "profile", &setting) != MLOOM_OK || setting.value == NULL ||
      setting.value[0] == '\0') {
    return NULL;
  }
  int is_variable = setting.origin_name != NULL && strcmp(setting.origin_name, "AWS_PROFILE") == 0;
  return is_variable ? NULL : setting.value;
}

static int32_t fetch_keys(aws_source *self, mloom_call *call, const mloom_credential_args *args, int explicit_profile,
                          mloom_credential *out, mloom_error *error) {
  const mloom_host *host = self->host;
  const mloom_provider_settings settings = {host, args->settings};
  int32_t code = mloom_provider_settings_check_proxy(&settings, "the identity of this machine", error);
  if (code != MLOOM_OK) {
    return code;
  }
  const char *named = profile_setting(host, args->settings);
  const char *slash = args->audience == NULL ? NULL : strchr(args->audience, '/');
  MLOOM_AUTO(mloom_aws_files_free) mloom_aws_files files;
  mloom_aws_fetch fetch = {.host = host,
                           .call = call,
                           .signer = self->signer,
                           .files = &files,
                           .profile = mloom_aws_profile_name(host, named),
                           .profile_is_named = named != NULL,
                           .explicit_profile = explicit_profile,
                           .region = slash != NULL && mloom_aws_is_region(slash + 1) ? slash + 1 : NULL};
  mloom_aws_keys keys = MLOOM_AWS_KEYS_INIT;
  code = mloom_aws_files_read(&files, host, error);
  code = code == MLOOM_OK ? mloom_aws_from_chain(&keys, &fetch, error) : code;
  return code == MLOOM_OK ? issue(self, &keys, out, error) : code;
}

/* Files and services are asked by fetch alone: nothing here may take time. */
static int32_t chain_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  (void)instance;
  (void)args;
  (void)error;
  return MLOOM_OK;
}

static int32_t chain_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                           mloom_error *error) {
  return fetch_keys(instance, call, args, 0, out, error);
}

static int32_t profile_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  const aws_source *self = instance;
  const mloom_host *host = self->host;
  if (profile_setting(host, args->settings) != NULL ||
      host->environment_get(host->ctx, "AWS_DEFAULT_PROFILE") != NULL ||
      host->environment_get(host->ctx, "AWS_PROFILE") != NULL) {
    return MLOOM_OK;
  }
  return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL, "set profile (AWS_PROFILE)",
                         "no profile of the AWS config file is named");
}

static int32_t profile_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                             mloom_error *error) {
  return fetch_keys(instance, call, args, 1, out, error);
}

/* Nothing is cached inside, and fetching again may give other keys: the host learns this by the function being there.
 */
static void source_invalidate(void *instance, const mloom_credential_args *args) {
  (void)instance;
  (void)args;
}

/* ---- The plugin ---- */

static const mloom_credential_source static_source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "aws-static",
    .title = "AWS access key",
    .description = "The provider's access_key_id, secret_access_key and session_token; signs with Signature Version 4",
    .threads = MLOOM_THREADS_PARALLEL,
    .open = source_open,
    .close = source_close,
    .probe = static_probe,
    .fetch = static_fetch,
    .authorize = source_authorize,
};

static const mloom_credential_source profile_source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "aws-profile",
    .title = "AWS profile",
    .description = "One profile of ~/.aws/config and ~/.aws/credentials: keys, a role, SSO, or a program",
    .threads = MLOOM_THREADS_PARALLEL,
    .open = source_open,
    .close = source_close,
    .probe = profile_probe,
    .fetch = profile_fetch,
    .invalidate = source_invalidate,
    .authorize = source_authorize,
};

static const mloom_credential_source chain_source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "aws-default-chain",
    .title = "AWS default chain",
    .description = "Variables, web identity, profile, container, EC2 instance, in the order of AWS programs",
    .threads = MLOOM_THREADS_PARALLEL,
    .open = source_open,
    .close = source_close,
    .probe = chain_probe,
    .fetch = chain_fetch,
    .invalidate = source_invalidate,
    .authorize = source_authorize,
};

static const mloom_credential_source *const sources[] = {&static_source, &profile_source, &chain_source};

static const mloom_plugin plugin = {
    .size = (uint32_t)sizeof(mloom_plugin),
    .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR,
    .name = "credential-aws",
    .version = PACKAGE_VERSION,
    .description = "Credential sources of AWS",
    .credential_sources = sources,
    .credential_source_count = sizeof(sources) / sizeof(sources[0]),
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, environment_get) || host->get_interface == NULL || host->setting_get == NULL ||
      host->environment_get == NULL || host->http == NULL || host->spawn == NULL) {
    snprintf(error_text, error_size, "the host gives no settings, no cryptography, no requests or no programs");
    return NULL;
  }
  return &plugin;
}
