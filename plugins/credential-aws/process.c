/* SPDX-License-Identifier: Apache-2.0
 *
 * credential_process of a profile: a program that prints credentials as JSON.
 */
#include "config.h"

#include <stdio.h>

#include "base/error.h"
#include "credential-aws/aws.h"
#include "wire/helper.h"

#define TIMEOUT_MS ((uint64_t)60 * 1000)

/* What such programs want to know of AWS, beside what they need anyhow. */
static const char *const variables[] = {"AWS_CA_BUNDLE",
                                        "AWS_CONFIG_FILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_PROFILE",
                                        "AWS_DEFAULT_PROFILE",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_EC2_METADATA_DISABLED",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        NULL};

static int32_t read_output(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const mloom_buffer *output,
                           const char *where, mloom_error *error) {
  mloom_aws_json json;
  int readable = mloom_aws_json_read(&json, (mloom_bytes){mloom_buffer_string(output), output->size}) == MLOOM_OK;
  int32_t code;
  if (!readable) {
    code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "let it print {\"Version\": 1, \"AccessKeyId\": ..., \"SecretAccessKey\": ...}",
                           "%s printed no JSON object", where);
  } else if (json.version != 1) {
    code = mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL, "let it print \"Version\": 1",
                           json.version < 0 ? "%s printed no Version" : "%s printed an unknown Version", where);
  } else {
    code = mloom_aws_json_keys(out, &json, fetch->host, where, error);
  }
  mloom_aws_json_free(&json);
  if (code == MLOOM_OK) {
    mloom_aws_describe(out, "%.150s", where);
  }
  return code;
}

int32_t mloom_aws_from_process(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                               mloom_error *error) {
  const char *line = mloom_aws_files_get(fetch->files, profile, "credential_process");
  if (line == NULL || line[0] == '\0') {
    return MLOOM_E_NOT_APPLICABLE;
  }
  char where[256];
  snprintf(where, sizeof(where), "credential_process of profile %.100s", profile);
  const mloom_helper helper = {.what = where, .line = line, .variables = variables, .timeout_ms = TIMEOUT_MS};
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer output = MLOOM_BUFFER_INIT;
  int32_t code = mloom_helper_run(&output, fetch->host, fetch->call, &helper, error);
  return code == MLOOM_OK ? read_output(out, fetch, &output, where, error) : code;
}
