/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials of a container: ECS tasks, and pods with EKS Pod Identity.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "credential-aws/aws.h"
#include "net/url.h"

#define TIMEOUT_MS 2000u
#define WHERE "the container's credential service"

/* Where a token may be sent to without TLS: this machine, and the agents of ECS and EKS. No name is looked up. */
static int is_allowed(const char *url, const mloom_url *parts) {
  static const char *const agents[] = {"169.254.170.2", "169.254.170.23"};
  if (parts->is_https || mloom_http_is_loopback(url)) {
    return 1;
  }
  if (parts->is_ipv6) {
    static const unsigned char agent[16] = {0xFD, 0x00, 0x0E, 0xC2, [15] = 0x23};
    unsigned char address[16];
    char host[64];
    snprintf(host, sizeof(host), "%.*s", (int)(parts->host.size < 63 ? parts->host.size : 63), parts->host.data);
    return inet_pton(AF_INET6, host, address) == 1 && memcmp(address, agent, sizeof(agent)) == 0;
  }
  return mloom_text_equal(parts->host, agents[0]) || mloom_text_equal(parts->host, agents[1]);
}

static int32_t find_url(mloom_buffer *out, const mloom_host *host, mloom_error *error) {
  const char *relative = host->environment_get(host->ctx, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const char *full = host->environment_get(host->ctx, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (relative == NULL && full == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  const char *name = relative != NULL ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" : "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  if (relative != NULL && relative[0] != '/') {
    /* It would become a part of the host's name. */
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "let it begin with /",
                           "%s is no path: it does not begin with /", name);
  }
  if (mloom_buffer_append_format(out, "%s%s", relative != NULL ? "http://169.254.170.2" : "",
                                 relative != NULL ? relative : full) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_url parts;
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = mloom_url_parse(&parts, mloom_buffer_string(out), &reason);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, "correct it", "%s: %s", name, reason.message);
  }
  if (!is_allowed(mloom_buffer_string(out), &parts)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL,
                           "use https, or the agent's address: 127.0.0.1, 169.254.170.2, 169.254.170.23, fd00:ec2::23",
                           "%s names the host %.*s, which is not asked for credentials without TLS", name,
                           (int)(parts.host.size < 100 ? parts.host.size : 100), parts.host.data);
  }
  return MLOOM_OK;
}

/* *out stays NULL when none is configured. The file is renewed by the cluster. */
static int32_t read_authorization(const mloom_secret **out, const mloom_host *host, mloom_error *error) {
  static const char *const file_name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
  static const char *const token_name = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
  const char *path = host->environment_get(host->ctx, file_name);
  const char *token = host->environment_get(host->ctx, token_name);
  mloom_buffer text = MLOOM_BUFFER_INIT;
  *out = NULL;
  if (path != NULL) {
    int32_t code = mloom_aws_read_token_file(&text, host, path, file_name, error);
    return code == MLOOM_OK ? mloom_aws_secret_take(out, host, &text, error) : code;
  }
  if (token == NULL) {
    return MLOOM_OK;
  }
  if (strpbrk(token, "\r\n") != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "store it as one line",
                           "%s holds a line break", token_name);
  }
  return mloom_buffer_append_string(&text, token) == MLOOM_OK ? mloom_aws_secret_take(out, host, &text, error)
                                                              : mloom_error_memory(error);
}

static int32_t read_answer(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const mloom_fetch_answer *answer,
                           mloom_error *error) {
  mloom_aws_json json;
  int32_t code = mloom_aws_json_read(&json, (mloom_bytes){mloom_buffer_string(&answer->body), answer->body.size});
  if (answer->status != 200) {
    int denied = answer->status == 401 || answer->status == 403;
    code = mloom_error_set(error, denied ? MLOOM_E_DENIED : MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_CREDENTIAL,
                           denied ? "check the role of the task, or the pod identity association of the service account"
                                  : "look at the log of the ECS or EKS agent of this node",
                           WHERE " answered HTTP %d%s%s %s", (int)answer->status,
                           json.code[0] == '\0' && json.message[0] == '\0' ? "" : ": ", json.code, json.message);
  } else if (code != MLOOM_OK) {
    code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "check the AWS_CONTAINER_CREDENTIALS_... variable", WHERE " gave an answer that is no JSON");
  } else {
    code = mloom_aws_json_keys(out, &json, fetch->host, WHERE, error);
  }
  mloom_aws_json_free(&json);
  if (code == MLOOM_OK) {
    mloom_aws_describe(out, "role of the container");
  } else if (error != NULL) {
    error->http_status = answer->status;
  }
  return code;
}

int32_t mloom_aws_from_container(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error) {
  const mloom_host *host = fetch->host;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {0};
  const mloom_secret *token = NULL;
  int32_t code = find_url(&url, host, error);
  code = code == MLOOM_OK ? read_authorization(&token, host, error) : code;
  if (code == MLOOM_OK) {
    const mloom_header list[] = {
        {.size = (uint32_t)sizeof(mloom_header), .name = "Accept", .value = "application/json"},
        {.size = (uint32_t)sizeof(mloom_header), .name = "Authorization", .value = "", .secret = token},
    };
    const mloom_header *const headers[] = {&list[0], &list[1]};
    const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                        .flags = MLOOM_HTTP_DIRECT,
                                        .method = "GET",
                                        .url = mloom_buffer_string(&url),
                                        .headers = headers,
                                        .header_count = token == NULL ? 1 : 2};
    const mloom_fetch_options options = {.timeout_ms = TIMEOUT_MS};
    code = mloom_fetch(&answer, host, fetch->call, &request, &options, error);
    code = code == MLOOM_OK ? read_answer(out, fetch, &answer, error) : code;
  }
  if (token != NULL) {
    host->secret_unref(host->ctx, token);
  }
  return code;
}
