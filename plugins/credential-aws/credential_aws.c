/* SPDX-License-Identifier: Apache-2.0
 *
 * The credential source "aws-static": an access key in the fields access_key_id, secret_access_key and session_token of
 * the provider that asks. Requests are signed for the audience, which is SERVICE/REGION.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/sigv4.h"

typedef struct aws_source {
  const mloom_host *host;
  mloom_sigv4 *signer;
} aws_source;

/* Borrowed from the settings. */
typedef struct access_key {
  mloom_setting id;
  mloom_setting secret;
  mloom_setting token;
} access_key;

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
  *out_instance = self;
  return MLOOM_OK;
}

static void source_close(void *instance) {
  aws_source *self = instance;
  mloom_sigv4_free(self->signer);
  free(self);
}

static int read_setting(const mloom_host *host, const mloom_settings *settings, const char *name, mloom_setting *out) {
  memset(out, 0, sizeof(*out));
  out->size = (uint32_t)sizeof(*out);
  return host->setting_get(host->ctx, settings, name, out) == MLOOM_OK && (out->secret != NULL || out->value != NULL);
}

static int32_t find_key(const mloom_host *host, const mloom_settings *settings, access_key *out, mloom_error *error) {
  int has_id = read_setting(host, settings, "access_key_id", &out->id);
  int has_secret = read_setting(host, settings, "secret_access_key", &out->secret) && out->secret.secret != NULL;
  int has_token = read_setting(host, settings, "session_token", &out->token) && out->token.secret != NULL;
  if (!has_id && !has_secret && !has_token) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  if (!has_id || !has_secret) {
    /* Half a key is a mistake; another identity must not hide it. */
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                           has_id ? "set secret_access_key (AWS_SECRET_ACCESS_KEY) too, or unset access_key_id"
                                  : "set access_key_id (AWS_ACCESS_KEY_ID) too, or unset the others",
                           "the AWS access key is incomplete: %s is not set",
                           has_id ? "secret_access_key" : "access_key_id");
  }
  return MLOOM_OK;
}

static int32_t source_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  const aws_source *self = instance;
  access_key key;
  return find_key(self->host, args->settings, &key, error);
}

static int32_t source_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                            mloom_error *error) {
  (void)call;
  const aws_source *self = instance;
  access_key key;
  int32_t code = find_key(self->host, args->settings, &key, error);
  if (code != MLOOM_OK) {
    return code;
  }
  self->host->secret_ref(self->host->ctx, key.secret.secret);
  out->kind = MLOOM_CREDENTIAL_SIGNS;
  out->secret = key.secret.secret;
  out->expires_wall_ms = -1;
  snprintf(out->description, sizeof(out->description), "%s from %s",
           key.token.secret == NULL ? "AWS access key" : "AWS access key with session token",
           key.secret.origin_name == NULL ? "the settings" : key.secret.origin_name);
  return MLOOM_OK;
}

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

/* The id is no secret for AWS, and may be kept as one here. */
static int32_t read_id(const mloom_host *host, const mloom_setting *setting, char out[129], mloom_error *error) {
  mloom_bytes bytes = {setting->value, setting->value == NULL ? 0 : strlen(setting->value)};
  int32_t code = setting->secret == NULL ? MLOOM_OK : host->secret_borrow(host->ctx, setting->secret, &bytes, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (bytes.size > 128) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "check access_key_id",
                           "the AWS access key id is longer than any");
  }
  snprintf(out, 129, "%.*s", (int)bytes.size, bytes.data);
  return MLOOM_OK;
}

static int32_t source_authorize(void *instance, const mloom_credential_args *args, const mloom_credential *credential,
                                const mloom_http_request *request, const mloom_header_sink *sink, mloom_error *error) {
  const aws_source *self = instance;
  const mloom_host *host = self->host;
  access_key key;
  char service[64];
  char id[129] = "";
  mloom_sigv4_scope scope = {.service = service, .wall_ms = host->clock_wall_ms(host->ctx)};
  mloom_sigv4_identity identity = {.access_key_id = id};
  int32_t code = find_key(host, args->settings, &key, error);
  code = code != MLOOM_OK ? code : read_audience(args->audience, service, &scope.region, error);
  code = code != MLOOM_OK ? code : read_id(host, &key.id, id, error);
  code =
      code != MLOOM_OK ? code : host->secret_borrow(host->ctx, credential->secret, &identity.secret_access_key, error);
  if (code == MLOOM_OK && key.token.secret != NULL) {
    code = host->secret_borrow(host->ctx, key.token.secret, &identity.session_token, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(mloom_sigv4_signature_free) mloom_sigv4_signature signature = {.authorization = MLOOM_BUFFER_INIT};
  code = mloom_sigv4_sign(&signature, self->signer, &identity, &scope, request, error);
  return code != MLOOM_OK ? code : send_headers(&signature, key.token.secret, sink);
}

static const mloom_credential_source source = {
    .size = (uint32_t)sizeof(mloom_credential_source),
    .id = "aws-static",
    .title = "AWS access key",
    .description = "The provider's access_key_id, secret_access_key and session_token; signs with Signature Version 4",
    .threads = MLOOM_THREADS_PARALLEL,
    .open = source_open,
    .close = source_close,
    .probe = source_probe,
    .fetch = source_fetch,
    .authorize = source_authorize,
};

static const mloom_credential_source *const sources[] = {&source};

static const mloom_plugin plugin = {
    .size = (uint32_t)sizeof(mloom_plugin),
    .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR,
    .name = "credential-aws",
    .version = PACKAGE_VERSION,
    .description = "Credential source for access keys of AWS",
    .credential_sources = sources,
    .credential_source_count = 1,
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  if (!MLOOM_HAS(host, mloom_host, get_interface) || host->get_interface == NULL || host->setting_get == NULL) {
    snprintf(error_text, error_size, "the host gives no settings or no cryptography");
    return NULL;
  }
  return &plugin;
}
