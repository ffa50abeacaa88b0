/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which identities are looked for, which is botocore's. The first that is configured decides: when it
 * fails, none behind it is asked, for that might be a different and mightier one.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "credential-aws/aws.h"

/* ---- Variables ---- */

static int32_t read_expiry(int64_t *out_ms, const mloom_host *host, mloom_error *error) {
  const char *text = host->environment_get(host->ctx, "AWS_CREDENTIAL_EXPIRATION");
  if (text == NULL || mloom_timestamp_parse(mloom_text_bytes(text), out_ms) == MLOOM_OK) {
    return MLOOM_OK;
  }
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                         "let it be a moment as in 2026-01-02T03:04:05Z, or unset it",
                         "AWS_CREDENTIAL_EXPIRATION is malformed");
}

int32_t mloom_aws_from_environment(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error) {
  const mloom_host *host = fetch->host;
  const char *id = host->environment_get(host->ctx, "AWS_ACCESS_KEY_ID");
  const char *secret = host->environment_get(host->ctx, "AWS_SECRET_ACCESS_KEY");
  const char *token = host->environment_get(host->ctx, "AWS_SECURITY_TOKEN");
  token = token == NULL ? host->environment_get(host->ctx, "AWS_SESSION_TOKEN") : token;
  if (id == NULL && secret == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  if (id == NULL || secret == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                           id == NULL ? "set AWS_ACCESS_KEY_ID too, or unset AWS_SECRET_ACCESS_KEY"
                                      : "set AWS_SECRET_ACCESS_KEY too, or unset AWS_ACCESS_KEY_ID",
                           "the AWS access key is incomplete: %s is not set",
                           id == NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
  }
  int64_t expires_ms = -1;
  int32_t code = read_expiry(&expires_ms, host, error);
  if (code == MLOOM_OK) {
    code = mloom_aws_keys_set(out, host, mloom_text_bytes(id), mloom_text_bytes(secret), mloom_text_bytes(token),
                              "AWS_ACCESS_KEY_ID and its companions", error);
  }
  if (code == MLOOM_OK) {
    out->expires_wall_ms = expires_ms;
    mloom_aws_describe(out, "AWS access key from AWS_ACCESS_KEY_ID");
  }
  return code;
}

/* ---- Keys in files ---- */

static const char *get_filled(const mloom_aws_section *section, const char *name) {
  const char *value = mloom_aws_section_get(section, name);
  return value == NULL || value[0] == '\0' ? NULL : value;
}

static int32_t from_section(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const mloom_aws_section *section,
                            const char *profile, const char *path, mloom_error *error) {
  const char *id = get_filled(section, "aws_access_key_id");
  const char *secret = get_filled(section, "aws_secret_access_key");
  const char *token = get_filled(section, "aws_security_token");
  token = token == NULL ? get_filled(section, "aws_session_token") : token;
  char where[320];
  if (id == NULL && secret == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  snprintf(where, sizeof(where), "profile %s in %s", profile, path);
  if (id == NULL || secret == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                           id == NULL ? "add aws_access_key_id, or remove aws_secret_access_key"
                                      : "add aws_secret_access_key, or remove aws_access_key_id",
                           "the access key of %s is incomplete: it has no %s", where,
                           id == NULL ? "aws_access_key_id" : "aws_secret_access_key");
  }
  int32_t code = mloom_aws_keys_set(out, fetch->host, mloom_text_bytes(id), mloom_text_bytes(secret),
                                    mloom_text_bytes(token), where, error);
  if (code == MLOOM_OK) {
    out->expires_wall_ms = fetch->host->clock_wall_ms(fetch->host->ctx) + MLOOM_AWS_FILE_LIFE_MS;
    mloom_aws_describe(out, "AWS access key of %s", where);
  }
  return code;
}

static int32_t refuse_login_session(const mloom_aws_fetch *fetch, const char *profile, mloom_error *error) {
  if (mloom_aws_files_get(fetch->files, profile, "login_session") == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL,
                         "use a profile with sso_session, role_arn, credential_process or keys",
                         "profile %s logs in by \"aws login\" (login_session), which is not supported", profile);
}

int32_t mloom_aws_from_profile(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                               int use_environment, mloom_error *error) {
  const mloom_aws_files *files = fetch->files;
  int32_t code = mloom_aws_from_web_identity(out, fetch, profile, use_environment, error);
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = mloom_aws_from_sso(out, fetch, profile, error);
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = from_section(out, fetch, mloom_aws_ini_section(&files->credentials, profile), profile,
                        files->credentials_path, error);
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = refuse_login_session(fetch, profile, error);
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = mloom_aws_from_process(out, fetch, profile, error);
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = from_section(out, fetch, mloom_aws_files_config_profile(files, profile), profile, files->config_path, error);
  }
  return code;
}

/* ---- The whole ---- */

static int32_t no_such_profile(const mloom_aws_fetch *fetch, mloom_error *error) {
  const char *config = fetch->files->config_path == NULL ? "~/.aws/config" : fetch->files->config_path;
  const char *keys = fetch->files->credentials_path == NULL ? "~/.aws/credentials" : fetch->files->credentials_path;
  return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                         "correct the profile (AWS_PROFILE), or mount the files that it is in",
                         "the AWS profile %s is neither in %s nor in %s", fetch->profile, config, keys);
}

static int is_named(const mloom_aws_fetch *fetch) {
  const mloom_host *host = fetch->host;
  return fetch->explicit_profile || fetch->profile_is_named ||
         host->environment_get(host->ctx, "AWS_DEFAULT_PROFILE") != NULL ||
         host->environment_get(host->ctx, "AWS_PROFILE") != NULL;
}

int32_t mloom_aws_from_chain(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error) {
  int32_t code = MLOOM_E_NOT_APPLICABLE;
  if (is_named(fetch) && !mloom_aws_files_has_profile(fetch->files, fetch->profile)) {
    return no_such_profile(fetch, error);
  }
  if (!fetch->explicit_profile) {
    code = mloom_aws_from_environment(out, fetch, error);
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = mloom_aws_from_role(out, fetch, error);
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = mloom_aws_from_profile(out, fetch, fetch->profile, !fetch->explicit_profile, error);
  }
  if (code == MLOOM_E_NOT_APPLICABLE && fetch->explicit_profile) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                           "give it keys, role_arn, sso_session or credential_process, or name another profile",
                           "the AWS profile %s holds no credentials", fetch->profile);
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = mloom_aws_from_container(out, fetch, error);
  }
  mloom_error reason = MLOOM_ERROR_INIT;
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = mloom_aws_from_instance(out, fetch, &reason);
    if (code != MLOOM_OK && code != MLOOM_E_NOT_APPLICABLE) {
      mloom_error_copy(error, &reason);
    }
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    code = mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                           "give the pod or instance a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                           "AWS_SECRET_ACCESS_KEY",
                           "there are no AWS credentials: no variables, none in profile %s, no container's, and %s",
                           fetch->profile, reason.message);
  }
  return code;
}
