/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys in the provider's own fields: access_key_id, secret_access_key and session_token.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "credential-aws/aws.h"
#include "wire/setting_secret.h"

/* Borrowed from the settings. */
typedef struct access_key {
  mloom_setting id;
  mloom_setting secret;
  mloom_setting token;
} access_key;

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

/* The id is no secret for AWS, and may be kept as one here. */
static int32_t read_id(const mloom_host *host, const mloom_setting *setting, char out[129], mloom_error *error) {
  mloom_bytes bytes = {setting->value, setting->value == NULL ? 0 : strlen(setting->value)};
  const mloom_secret *secret = NULL;
  int32_t code = MLOOM_OK;
  if (setting->secret != NULL || setting->path != NULL) {
    code = mloom_setting_secret(host, setting, &secret, error);
    code = code != MLOOM_OK ? code : host->secret_borrow(host->ctx, secret, &bytes, error);
  }
  if (code == MLOOM_OK && bytes.size > 128) {
    code = mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "check access_key_id",
                           "the AWS access key id is longer than any");
  }
  if (code == MLOOM_OK) {
    snprintf(out, 129, "%.*s", (int)bytes.size, bytes.data);
  }
  if (secret != NULL) {
    host->secret_unref(host->ctx, secret);
  }
  return code;
}

uint64_t mloom_aws_settings_mark(const mloom_host *host, const mloom_settings *settings) {
  access_key key;
  mloom_error ignored = MLOOM_ERROR_INIT;
  if (find_key(host, settings, &key, &ignored) != MLOOM_OK) {
    return 0;
  }
  /* Multiplied, so that equal marks do not cancel each other out. */
  return mloom_setting_mark(&key.id) + 3 * mloom_setting_mark(&key.secret) + 5 * mloom_setting_mark(&key.token);
}

int32_t mloom_aws_probe_settings(const mloom_host *host, const mloom_settings *settings, mloom_error *error) {
  access_key key;
  return find_key(host, settings, &key, error);
}

int32_t mloom_aws_from_settings(mloom_aws_keys *out, const mloom_host *host, const mloom_settings *settings,
                                mloom_error *error) {
  access_key key;
  *out = (mloom_aws_keys)MLOOM_AWS_KEYS_INIT;
  int32_t code = find_key(host, settings, &key, error);
  code = code != MLOOM_OK ? code : read_id(host, &key.id, out->access_key_id, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = mloom_setting_secret(host, &key.secret, &out->secret_access_key, error);
  if (code == MLOOM_OK && key.token.secret != NULL) {
    code = mloom_setting_secret(host, &key.token, &out->session_token, error);
  }
  if (code != MLOOM_OK) {
    mloom_aws_keys_free(out, host);
    return code;
  }
  mloom_aws_describe(out, "%s from %s",
                     key.token.secret == NULL ? "AWS access key" : "AWS access key with session token",
                     key.secret.origin_name == NULL ? "the settings" : key.secret.origin_name);
  return MLOOM_OK;
}
