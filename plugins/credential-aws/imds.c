/* SPDX-License-Identifier: Apache-2.0
 *
 * The role of an EC2 instance, by the second version of its metadata service only: the first can be reached through
 * any program that fetches URLs for others.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "credential-aws/aws.h"
#include "net/url.h"

#define TOKEN_PATH "latest/api/token"
#define ROLE_PATH "latest/meta-data/iam/security-credentials/"
#define TOKEN_LIFE_S "21600"
/* Elsewhere nobody answers at this address, so that no attempt may take long. */
#define DEFAULT_TIMEOUT_S 1
#define LONGEST_TIMEOUT_S 10
#define MOST_ATTEMPTS 5
/* Credentials past their time that the service still gives are in order: it cannot get newer ones just now. */
#define EXTENSION_MS ((int64_t)15 * 60 * 1000)

typedef struct imds {
  const mloom_aws_fetch *fetch;
  mloom_buffer base; /* ends with / */
  mloom_fetch_options options;
  const mloom_secret *token;
} imds;

/* ---- Settings ---- */

static const char *get(const mloom_aws_fetch *fetch, const char *variable, const char *name) {
  const char *value = fetch->host->environment_get(fetch->host->ctx, variable);
  value = value == NULL ? mloom_aws_files_get(fetch->files, fetch->profile, name) : value;
  return value == NULL || value[0] == '\0' ? NULL : value;
}

static int64_t get_number(const mloom_aws_fetch *fetch, const char *variable, const char *name, int64_t fallback,
                          int64_t most) {
  const char *text = get(fetch, variable, name);
  int64_t value = 0;
  if (text == NULL || mloom_text_parse_int64(mloom_text_bytes(text), &value) != MLOOM_OK || value < 1) {
    return fallback;
  }
  return value > most ? most : value;
}

/* This machine, or the network between it and its host. */
static int is_near(const char *url, const mloom_url *parts) {
  unsigned char address[16];
  char host[64];
  snprintf(host, sizeof(host), "%.*s", (int)(parts->host.size < 63 ? parts->host.size : 63), parts->host.data);
  if (parts->is_ipv6) {
    /* fd00:ec2::/32 is Amazon's, fe80::/10 is link-local. */
    return mloom_http_is_loopback(url) ||
           (inet_pton(AF_INET6, host, address) == 1 &&
            (memcmp(address, "\xFD\x00\x0E\xC2", 4) == 0 || (address[0] == 0xFE && (address[1] & 0xC0) == 0x80)));
  }
  return mloom_http_is_loopback(url) ||
         (inet_pton(AF_INET, host, address) == 1 && address[0] == 169 && address[1] == 254);
}

static int32_t find_base(imds *self, mloom_error *error) {
  const mloom_aws_fetch *fetch = self->fetch;
  const char *mode = get(fetch, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
  const char *url = get(fetch, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
  mloom_url parts;
  mloom_error reason = MLOOM_ERROR_INIT;
  if (url == NULL) {
    url = mode != NULL && mloom_text_compare_fold(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]/"
                                                                     : "http://169.254.169.254/";
  }
  size_t size = strlen(url);
  if (mloom_buffer_append_format(&self->base, "%s%s", url, size > 0 && url[size - 1] == '/' ? "" : "/") != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (mloom_url_parse(&parts, url, &reason) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                           "correct or unset AWS_EC2_METADATA_SERVICE_ENDPOINT",
                           "the address of the metadata service: %s", reason.message);
  }
  if (!parts.is_https && !is_near(url, &parts)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL,
                           "correct or unset AWS_EC2_METADATA_SERVICE_ENDPOINT",
                           "the metadata service is at no loopback or link-local address, and not reached by https");
  }
  return MLOOM_OK;
}

/* ---- Requests ---- */

static int32_t request(imds *self, mloom_fetch_answer *answer, const char *method, const char *path,
                       const mloom_header *header, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  const mloom_aws_fetch *fetch = self->fetch;
  if (mloom_buffer_append_format(&url, "%s%s", mloom_buffer_string(&self->base), path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const mloom_http_request wanted = {.size = (uint32_t)sizeof(wanted),
                                     .flags = MLOOM_HTTP_DIRECT,
                                     .method = method,
                                     .url = mloom_buffer_string(&url),
                                     .headers = &header,
                                     .header_count = 1};
  return mloom_fetch(answer, fetch->host, fetch->call, &wanted, &self->options, error);
}

static void forget_token(imds *self) {
  if (self->token != NULL) {
    self->fetch->host->secret_unref(self->fetch->host->ctx, self->token);
  }
  self->token = NULL;
}

static int32_t get_token(imds *self, mloom_error *error) {
  const mloom_host *host = self->fetch->host;
  const mloom_header life = {
      .size = (uint32_t)sizeof(life), .name = "x-aws-ec2-metadata-token-ttl-seconds", .value = TOKEN_LIFE_S};
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {0};
  mloom_error reason = MLOOM_ERROR_INIT;
  forget_token(self);
  int32_t code = request(self, &answer, "PUT", TOKEN_PATH, &life, &reason);
  if (code == MLOOM_E_UNAVAILABLE || code == MLOOM_E_PROTOCOL) {
    /* Most likely there is no such service here. From within a container the answer may also be lost on its way. */
    mloom_error_set(error, MLOOM_E_NOT_APPLICABLE, MLOOM_DOMAIN_CREDENTIAL,
                    "on EC2, raise the hop limit of the metadata service to 2 for containers; elsewhere set "
                    "AWS_EC2_METADATA_DISABLED=true",
                    "the metadata service of EC2 does not answer (%.200s)", reason.message);
    return MLOOM_E_NOT_APPLICABLE;
  }
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
    return code;
  }
  mloom_bytes token = mloom_text_trim((mloom_bytes){mloom_buffer_string(&answer.body), answer.body.size});
  if (answer.status != 200 || token.size == 0 || token.size > 4096) {
    mloom_error_set(error, MLOOM_E_NOT_APPLICABLE, MLOOM_DOMAIN_CREDENTIAL,
                    "enable version 2 of the metadata service, or set AWS_EC2_METADATA_DISABLED=true",
                    "the metadata service of EC2 gives no token (HTTP %d)", (int)answer.status);
    return answer.status == 400 || answer.status >= 500 ? MLOOM_E_UNAVAILABLE : MLOOM_E_NOT_APPLICABLE;
  }
  mloom_buffer copy = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append(&copy, token.data, token.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return mloom_aws_secret_take(&self->token, host, &copy, error);
}

/* Once more with another token, when this one is refused. */
static int32_t get_document(imds *self, mloom_fetch_answer *answer, const char *path, mloom_error *error) {
  int32_t code = MLOOM_OK;
  for (int attempt = 0; attempt < 2; attempt++) {
    const mloom_header token = {
        .size = (uint32_t)sizeof(token), .name = "x-aws-ec2-metadata-token", .value = "", .secret = self->token};
    mloom_fetch_answer_free(answer);
    code = request(self, answer, "GET", path, &token, error);
    if (code != MLOOM_OK || answer->status != 401) {
      return code;
    }
    code = get_token(self, error);
    if (code != MLOOM_OK) {
      return code == MLOOM_E_NOT_APPLICABLE ? MLOOM_E_UNAVAILABLE : code;
    }
  }
  return code;
}

static int32_t get_role(imds *self, mloom_buffer *path, mloom_error *error) {
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {0};
  int32_t code = get_document(self, &answer, ROLE_PATH, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes names = mloom_text_trim((mloom_bytes){mloom_buffer_string(&answer.body), answer.body.size});
  const char *end = names.size == 0 ? NULL : memchr(names.data, '\n', names.size);
  mloom_bytes name = mloom_text_trim((mloom_bytes){names.data, end == NULL ? names.size : (size_t)(end - names.data)});
  if (answer.status == 404 || (answer.status == 200 && name.size == 0)) {
    mloom_error_set(error, MLOOM_E_NOT_APPLICABLE, MLOOM_DOMAIN_CREDENTIAL, "attach an instance profile with a role",
                    "this EC2 instance has no role");
    return MLOOM_E_NOT_APPLICABLE;
  }
  if (answer.status != 200) {
    return mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_CREDENTIAL, "try again later",
                           "the metadata service of EC2 answered HTTP %d when asked for the role", (int)answer.status);
  }
  if (mloom_buffer_append_string(path, ROLE_PATH) != MLOOM_OK || mloom_fetch_append_encoded(path, name) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static void extend_if_expired(mloom_aws_keys *keys, const mloom_host *host) {
  int64_t now_ms = host->clock_wall_ms(host->ctx);
  if (keys->expires_wall_ms >= 0 && keys->expires_wall_ms <= now_ms) {
    uint16_t jitter = 0;
    (void)host->random(host->ctx, &jitter, sizeof(jitter));
    keys->expires_wall_ms = now_ms + EXTENSION_MS + (int64_t)jitter * 8; /* up to nine minutes more */
  }
}

static int32_t get_keys(imds *self, const char *path, mloom_aws_keys *out, mloom_error *error) {
  const mloom_host *host = self->fetch->host;
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {0};
  int32_t code = get_document(self, &answer, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_aws_json json;
  int readable =
      mloom_aws_json_read(&json, (mloom_bytes){mloom_buffer_string(&answer.body), answer.body.size}) == MLOOM_OK;
  if (answer.status != 200 || !readable) {
    code = mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_CREDENTIAL, "try again later",
                           "the metadata service of EC2 answered HTTP %d%s when asked for credentials",
                           (int)answer.status, readable ? "" : " with no JSON");
  } else if (json.code[0] != '\0' && strcmp(json.code, "Success") != 0) {
    code = mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL,
                           "let the trust policy of the instance's role name ec2.amazonaws.com",
                           "the metadata service of EC2 answered %s: %s", json.code, json.message);
  } else {
    code = mloom_aws_json_keys(out, &json, host, "the metadata service of EC2", error);
  }
  mloom_aws_json_free(&json);
  if (code == MLOOM_OK) {
    extend_if_expired(out, host);
    mloom_aws_describe(out, "role %.100s of the EC2 instance", path + strlen(ROLE_PATH));
  }
  return code;
}

int32_t mloom_aws_from_instance(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error) {
  const char *disabled = fetch->host->environment_get(fetch->host->ctx, "AWS_EC2_METADATA_DISABLED");
  if (disabled != NULL && mloom_text_compare_fold(disabled, "true") == 0) {
    mloom_error_set(error, MLOOM_E_NOT_APPLICABLE, MLOOM_DOMAIN_CREDENTIAL, NULL,
                    "the metadata service of EC2 is switched off by AWS_EC2_METADATA_DISABLED");
    return MLOOM_E_NOT_APPLICABLE;
  }
  imds self = {.fetch = fetch, .base = MLOOM_BUFFER_INIT};
  self.options.timeout_ms = (uint64_t)get_number(fetch, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout",
                                                 DEFAULT_TIMEOUT_S, LONGEST_TIMEOUT_S) *
                            1000;
  self.options.attempts = (uint32_t)get_number(fetch, "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
                                               "metadata_service_num_attempts", 1, MOST_ATTEMPTS);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  int32_t code = find_base(&self, error);
  code = code == MLOOM_OK ? get_token(&self, error) : code;
  code = code == MLOOM_OK ? get_role(&self, &path, error) : code;
  code = code == MLOOM_OK ? get_keys(&self, mloom_buffer_string(&path), out, error) : code;
  forget_token(&self);
  mloom_buffer_free(&self.base);
  return code;
}
