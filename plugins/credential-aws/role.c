/* SPDX-License-Identifier: Apache-2.0
 *
 * Roles that are assumed: by a token in a file, or by other keys that a profile names.
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "credential-aws/aws.h"

#define CHAIN_LIMIT 16u

static const char *get_filled(const mloom_aws_fetch *fetch, const char *profile, const char *name) {
  const char *value = mloom_aws_files_get(fetch->files, profile, name);
  return value == NULL || value[0] == '\0' ? NULL : value;
}

/* ---- By a token ---- */

int32_t mloom_aws_from_web_identity(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                                    int use_environment, mloom_error *error) {
  static const struct {
    const char *variable;
    const char *name;
  } places[] = {{"AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file"},
                {"AWS_ROLE_ARN", "role_arn"},
                {"AWS_ROLE_SESSION_NAME", "role_session_name"}};
  const mloom_host *host = fetch->host;
  const char *values[3];
  const char *origin = places[0].name;
  for (size_t i = 0; i < 3; i++) {
    const char *value = use_environment ? host->environment_get(host->ctx, places[i].variable) : NULL;
    origin = i == 0 && value != NULL ? places[0].variable : origin;
    values[i] = value == NULL ? get_filled(fetch, profile, places[i].name) : value;
  }
  if (values[0] == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  if (values[1] == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                           "set AWS_ROLE_ARN, or role_arn in the profile; on EKS annotate the service account with "
                           "eks.amazonaws.com/role-arn",
                           "%s names a token, but no role is named for it", origin);
  }
  /* The cluster renews the file, so that it is read for each exchange. */
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer token = MLOOM_BUFFER_INIT;
  int32_t code = mloom_aws_read_token_file(&token, host, values[0], origin, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_secret *known = NULL; /* so that nothing lets the token through from here on */
  const mloom_bytes bytes = {mloom_buffer_string(&token), token.size};
  mloom_buffer copy = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append(&copy, bytes.data, bytes.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = mloom_aws_secret_take(&known, host, &copy, error);
  const mloom_aws_sts_role role = {.arn = values[1], .session_name = values[2], .web_identity_token = bytes};
  code = code != MLOOM_OK ? code : mloom_aws_sts_assume(out, fetch, &role, error);
  if (known != NULL) {
    host->secret_unref(host->ctx, known);
  }
  return code;
}

/* ---- By other keys ---- */

static int has_role(const mloom_aws_fetch *fetch, const char *profile) {
  return get_filled(fetch, profile, "role_arn") != NULL &&
         get_filled(fetch, profile, "web_identity_token_file") == NULL;
}

static int has_static_keys(const mloom_aws_fetch *fetch, const char *profile) {
  return get_filled(fetch, profile, "aws_access_key_id") != NULL ||
         get_filled(fetch, profile, "aws_secret_access_key") != NULL;
}

/* The profiles on the way from the one in use to the keys. */
typedef struct trail {
  const char *profiles[CHAIN_LIMIT];
  size_t count;
} trail;

static int was_visited(const trail *visited, const char *profile) {
  for (size_t i = 0; i < visited->count; i++) {
    if (strcmp(visited->profiles[i], profile) == 0) {
      return 1;
    }
  }
  return 0;
}

static int32_t refuse(mloom_error *error, const char *profile, const char *remedy, const char *what,
                      const char *detail) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy, "the AWS profile %s %s%s", profile,
                         what, detail);
}

static int32_t check_source_profile(const mloom_aws_fetch *fetch, const trail *visited, const char *profile,
                                    const char *source, mloom_error *error) {
  if (!mloom_aws_files_has_profile(fetch->files, source)) {
    return refuse(error, profile, "correct source_profile", "names a source_profile that does not exist: ", source);
  }
  if (!was_visited(visited, source)) {
    return visited->count < CHAIN_LIMIT
               ? MLOOM_OK
               : refuse(error, profile, "assume fewer roles one after the other", "is one of too many in a row", "");
  }
  /* A profile may name itself when it holds keys besides its role. */
  if (strcmp(profile, source) != 0 || !has_static_keys(fetch, source)) {
    return refuse(error, profile, "let source_profile end at a profile with keys",
                  "leads back to itself by source_profile ", source);
  }
  return MLOOM_OK;
}

static int32_t from_credential_source(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                                      const char *source, mloom_error *error) {
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code;
  if (strcmp(source, "Environment") == 0) {
    code = mloom_aws_from_environment(out, fetch, &reason);
  } else if (strcmp(source, "EcsContainer") == 0) {
    code = mloom_aws_from_container(out, fetch, &reason);
  } else if (strcmp(source, "Ec2InstanceMetadata") == 0) {
    code = mloom_aws_from_instance(out, fetch, &reason);
  } else {
    return refuse(error, profile, "let credential_source be Environment, EcsContainer or Ec2InstanceMetadata",
                  "has an unknown credential_source: ", source);
  }
  if (code == MLOOM_E_NOT_APPLICABLE) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                           "correct credential_source, or give what it names",
                           "the AWS profile %s takes credentials from %s, where there are none%s%s", profile, source,
                           reason.message[0] == '\0' ? "" : ": ", reason.message);
  }
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
  }
  return code;
}

static int32_t read_duration(int64_t *out, const mloom_aws_fetch *fetch, const char *profile, mloom_error *error) {
  const char *text = get_filled(fetch, profile, "duration_seconds");
  *out = 0;
  if (text == NULL || (mloom_text_parse_int64(mloom_text_bytes(text), out) == MLOOM_OK && *out > 0)) {
    return MLOOM_OK;
  }
  return refuse(error, profile, "let it be a number from 900 to 43200", "has a malformed duration_seconds", "");
}

static int32_t assume(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                      const mloom_aws_keys *source, mloom_error *error) {
  mloom_aws_sts_role role = {.arn = get_filled(fetch, profile, "role_arn"),
                             .session_name = get_filled(fetch, profile, "role_session_name"),
                             .external_id = get_filled(fetch, profile, "external_id"),
                             .source = source};
  int32_t code = read_duration(&role.duration_s, fetch, profile, error);
  return code == MLOOM_OK ? mloom_aws_sts_assume(out, fetch, &role, error) : code;
}

/* Checks the profile and finds where its role's keys come from: *source is the next profile, NULL with
 * credential_source. */
static int32_t check_role(const char **source, const char **credential_source, const mloom_aws_fetch *fetch,
                          const trail *visited, const char *profile, mloom_error *error) {
  *source = get_filled(fetch, profile, "source_profile");
  *credential_source = get_filled(fetch, profile, "credential_source");
  if (*source != NULL && *credential_source != NULL) {
    return refuse(error, profile, "remove one of the two", "has both source_profile and credential_source", "");
  }
  if (*source == NULL && *credential_source == NULL) {
    return refuse(error, profile, "add one of the two",
                  "has role_arn, but neither source_profile nor credential_source", "");
  }
  if (get_filled(fetch, profile, "mfa_serial") != NULL) {
    return mloom_error_set(error, MLOOM_E_NEEDS_INTERACTION, MLOOM_DOMAIN_CREDENTIAL,
                           "use an identity that needs nobody at a keyboard: a workload's role, or sso_session",
                           "the AWS profile %s wants a code of the device mfa_serial", profile);
  }
  return *source == NULL ? MLOOM_OK : check_source_profile(fetch, visited, profile, *source, error);
}

/* Recursion ends at CHAIN_LIMIT. */
static int32_t from_role(mloom_aws_keys *out, const mloom_aws_fetch *fetch, trail *visited, const char *profile,
                         mloom_error *error) {
  const char *source = NULL;
  const char *credential_source = NULL;
  mloom_aws_keys keys = MLOOM_AWS_KEYS_INIT;
  int32_t code = check_role(&source, &credential_source, fetch, visited, profile, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (credential_source != NULL) {
    code = from_credential_source(&keys, fetch, profile, credential_source, error);
  } else if (has_static_keys(fetch, source) || !has_role(fetch, source)) {
    code = mloom_aws_from_profile(&keys, fetch, source, 0, error);
    if (code == MLOOM_E_NOT_APPLICABLE) {
      code = refuse(error, profile, "give that profile keys, or name another one",
                    "has a source_profile without credentials: ", source);
    }
  } else {
    visited->profiles[visited->count++] = source;
    code = from_role(&keys, fetch, visited, source, error);
  }
  if (code == MLOOM_OK) {
    code = assume(out, fetch, profile, &keys, error);
  }
  mloom_aws_keys_free(&keys, fetch->host);
  return code;
}

int32_t mloom_aws_from_role(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error) {
  if (!has_role(fetch, fetch->profile)) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  trail visited = {.profiles = {fetch->profile}, .count = 1};
  return from_role(out, fetch, &visited, fetch->profile, error);
}
