/* SPDX-License-Identifier: Apache-2.0
 *
 * The Security Token Service: a role for a token or for another key.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "credential-aws/aws.h"
#include "credential-aws/xml.h"

#define ATTEMPTS 3u
#define PAUSE_MS 1000
#define WHERE "the Security Token Service (STS)"

/* ---- Where it is ---- */

typedef struct endpoint {
  mloom_buffer url;
  const char *region;      /* what a request is signed for */
  int64_t clock_offset_ms; /* of its clock, once it has refused a signature for its time */
} endpoint;

/* With AWS_STS_REGIONAL_ENDPOINTS=legacy these had the one global address. */
static int is_legacy_region(const char *region) {
  static const char *const regions[] = {"ap-northeast-1", "ap-south-1",   "ap-southeast-1", "ap-southeast-2",
                                        "ca-central-1",   "eu-central-1", "eu-north-1",     "eu-west-1",
                                        "eu-west-2",      "eu-west-3",    "sa-east-1",      "us-east-1",
                                        "us-east-2",      "us-west-1",    "us-west-2"};
  for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
    if (strcmp(region, regions[i]) == 0) {
      return 1;
    }
  }
  return 0;
}

static int uses_legacy(const mloom_aws_fetch *fetch) {
  const char *word = fetch->host->environment_get(fetch->host->ctx, "AWS_STS_REGIONAL_ENDPOINTS");
  word = word == NULL ? mloom_aws_files_get(fetch->files, fetch->profile, "sts_regional_endpoints") : word;
  return word != NULL && mloom_text_compare_fold(word, "legacy") == 0;
}

static int32_t find_endpoint(endpoint *out, const mloom_aws_fetch *fetch, mloom_error *error) {
  const mloom_host *host = fetch->host;
  const char *origin = NULL;
  out->region = fetch->region;
  int32_t code = MLOOM_OK;
  if (out->region == NULL) {
    code = mloom_aws_region(&out->region, host, fetch->files, fetch->profile, error);
  }
  if (code == MLOOM_OK) {
    code = mloom_aws_endpoint_url(&out->url, &origin, host, fetch->files, fetch->profile, "sts", error);
  }
  const char *region = out->region;
  out->region = region == NULL ? "us-east-1" : region;
  if (code != MLOOM_OK || out->url.size > 0) {
    return code != MLOOM_OK ? code : mloom_fetch_check_url(mloom_buffer_string(&out->url), origin, error);
  }
  int fips = mloom_aws_boolean(host, fetch->files, fetch->profile, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
  int dual =
      mloom_aws_boolean(host, fetch->files, fetch->profile, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
  if (!fips && !dual && (region == NULL || (uses_legacy(fetch) && is_legacy_region(region)))) {
    out->region = "us-east-1";
    code = mloom_buffer_append_string(&out->url, "https://sts.amazonaws.com/");
  } else {
    /* The government's regions have no other hosts than approved ones. */
    const char *name = fips && strncmp(out->region, "us-gov-", 7) != 0 ? "sts-fips" : "sts";
    code = mloom_buffer_append_format(&out->url, "https://%s.%s.%s/", name, out->region,
                                      mloom_aws_dns_suffix(out->region, dual));
  }
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

/* ---- What it is asked ---- */

static int32_t add_field(mloom_buffer *body, const char *name, const char *value) {
  return value == NULL ? MLOOM_OK : mloom_fetch_append_field(body, name, mloom_text_bytes(value));
}

static int32_t write_body(mloom_buffer *body, const mloom_aws_fetch *fetch, const mloom_aws_sts_role *role,
                          mloom_error *error) {
  char session[64];
  char duration[24] = "";
  snprintf(session, sizeof(session), "mergeloom-%lld",
           (long long)(fetch->host->clock_wall_ms(fetch->host->ctx) / 1000));
  if (role->duration_s > 0) {
    snprintf(duration, sizeof(duration), "%lld", (long long)role->duration_s);
  }
  int by_token = role->web_identity_token.size > 0;
  /* All the room from the start: the token is in it. */
  int32_t code = mloom_buffer_reserve(body, 3 * role->web_identity_token.size + 8192);
  code = code != MLOOM_OK ? code : add_field(body, "Action", by_token ? "AssumeRoleWithWebIdentity" : "AssumeRole");
  code = code != MLOOM_OK ? code : add_field(body, "Version", "2011-06-15");
  code = code != MLOOM_OK ? code : add_field(body, "RoleArn", role->arn);
  code = code != MLOOM_OK
             ? code
             : add_field(body, "RoleSessionName", role->session_name == NULL ? session : role->session_name);
  code = code != MLOOM_OK ? code : add_field(body, "ExternalId", role->external_id);
  code = code != MLOOM_OK ? code : add_field(body, "DurationSeconds", duration[0] == '\0' ? NULL : duration);
  if (code == MLOOM_OK && by_token) {
    code = mloom_fetch_append_field(body, "WebIdentityToken", role->web_identity_token);
  }
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

typedef struct signed_headers {
  mloom_header list[4];
  const mloom_header *pointers[4];
  size_t count;
  mloom_sigv4_signature signature;
} signed_headers;

static void add_header(signed_headers *headers, const char *name, const char *value, const mloom_secret *secret) {
  mloom_header *header = &headers->list[headers->count];
  *header = (mloom_header){.size = (uint32_t)sizeof(*header), .name = name, .value = value, .secret = secret};
  headers->pointers[headers->count++] = header;
}

static int32_t sign(signed_headers *headers, const mloom_aws_fetch *fetch, const mloom_aws_keys *keys,
                    const endpoint *place, const mloom_http_request *request, mloom_error *error) {
  const mloom_host *host = fetch->host;
  mloom_sigv4_scope scope = {
      .region = place->region, .service = "sts", .wall_ms = host->clock_wall_ms(host->ctx) + place->clock_offset_ms};
  mloom_sigv4_identity identity = {.access_key_id = keys->access_key_id};
  int32_t code = host->secret_borrow(host->ctx, keys->secret_access_key, &identity.secret_access_key, error);
  if (code == MLOOM_OK && keys->session_token != NULL) {
    code = host->secret_borrow(host->ctx, keys->session_token, &identity.session_token, error);
  }
  if (code == MLOOM_OK) {
    code = mloom_sigv4_sign(&headers->signature, fetch->signer, &identity, &scope, request, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  add_header(headers, "X-Amz-Date", headers->signature.date, NULL);
  add_header(headers, "Authorization", mloom_buffer_string(&headers->signature.authorization), NULL);
  if (keys->session_token != NULL) {
    add_header(headers, "X-Amz-Security-Token", "", keys->session_token);
  }
  return MLOOM_OK;
}

/* ---- What it answers ---- */

typedef struct sts_answer {
  mloom_buffer id;
  mloom_buffer secret;
  mloom_buffer token;
  char expiration[64];
  char code[96];
  char message[320];
  char request_id[128];
} sts_answer;

static void sts_answer_free(sts_answer *answer) {
  mloom_buffer_wipe(&answer->id);
  mloom_buffer_wipe(&answer->secret);
  mloom_buffer_wipe(&answer->token);
}

static int32_t on_leaf(mloom_bytes parent, mloom_bytes name, mloom_bytes text, void *userdata) {
  sts_answer *answer = userdata;
  if (mloom_text_equal(parent, "Credentials")) {
    mloom_buffer *buffer = mloom_text_equal(name, "AccessKeyId")       ? &answer->id
                           : mloom_text_equal(name, "SecretAccessKey") ? &answer->secret
                           : mloom_text_equal(name, "SessionToken")    ? &answer->token
                                                                       : NULL;
    if (buffer != NULL) {
      mloom_bytes trimmed = mloom_text_trim(text);
      mloom_buffer_wipe(buffer);
      return mloom_buffer_append_wiping(buffer, trimmed.data, trimmed.size);
    }
    if (mloom_text_equal(name, "Expiration")) {
      mloom_text_copy(answer->expiration, sizeof(answer->expiration), mloom_text_trim(text));
    }
  } else if (mloom_text_equal(parent, "Error") && mloom_text_equal(name, "Code")) {
    mloom_text_copy(answer->code, sizeof(answer->code), mloom_text_trim(text));
  } else if (mloom_text_equal(parent, "Error") && mloom_text_equal(name, "Message")) {
    mloom_text_copy(answer->message, sizeof(answer->message), mloom_text_trim(text));
  } else if (mloom_text_equal(name, "RequestId")) {
    mloom_text_copy(answer->request_id, sizeof(answer->request_id), mloom_text_trim(text));
  }
  return MLOOM_OK;
}

static int is_one_of(const char *word, const char *const *list) {
  for (; *list != NULL; list++) {
    if (strcmp(word, *list) == 0) {
      return 1;
    }
  }
  return 0;
}

static int is_throttled(const char *code) {
  static const char *const codes[] = {"Throttling",
                                      "ThrottlingException",
                                      "ThrottledException",
                                      "RequestThrottledException",
                                      "TooManyRequestsException",
                                      "RequestLimitExceeded",
                                      "BandwidthLimitExceeded",
                                      "LimitExceededException",
                                      "RequestThrottled",
                                      "SlowDown",
                                      "PriorRequestNotComplete",
                                      NULL};
  return is_one_of(code, codes);
}

/* Worth asking again, besides what the status says. The identity provider of the token may only have been slow. */
static int is_transient(const char *code) {
  static const char *const codes[] = {"IDPCommunicationError", "RequestTimeout",     "RequestTimeoutException",
                                      "InternalFailure",       "ServiceUnavailable", NULL};
  return is_throttled(code) || is_one_of(code, codes);
}

static int is_about_the_clock(const sts_answer *answer) {
  static const char *const codes[] = {"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture", NULL};
  return is_one_of(answer->code, codes) ||
         (strcmp(answer->code, "SignatureDoesNotMatch") == 0 &&
          (strstr(answer->message, "Signature expired") != NULL || strstr(answer->message, "not yet current") != NULL));
}

/* What the service's codes mean here. */
typedef struct meaning {
  const char *code;
  int32_t is;
  const char *remedy;
} meaning;

static const meaning *find_meaning(const char *code, int by_token) {
  static const meaning meanings[] = {
      {"AccessDenied", MLOOM_E_DENIED,
       "let the trust policy of the role name this identity and its external id, and let the identity assume it"},
      {"ExpiredTokenException", MLOOM_E_EXPIRED,
       "renew the token at its source: a mounted one is renewed by the cluster, so look at the mount and at the clock"},
      {"ExpiredToken", MLOOM_E_EXPIRED, "renew the session token of the key that assumes the role"},
      {"InvalidIdentityToken", MLOOM_E_UNAUTHENTICATED,
       "check that IAM knows the token's issuer as an identity provider, and that its audience is sts.amazonaws.com"},
      {"IDPRejectedClaim", MLOOM_E_UNAUTHENTICATED, "check the token's claims with its identity provider"},
      {"IDPCommunicationError", MLOOM_E_UNAVAILABLE, "check that AWS can reach the token's identity provider"},
      {"InvalidClientTokenId", MLOOM_E_UNAUTHENTICATED,
       "check the access key that assumes the role: AWS knows no such"},
      {"UnrecognizedClientException", MLOOM_E_UNAUTHENTICATED,
       "check the access key that assumes the role: AWS knows no such"},
      {"SignatureDoesNotMatch", MLOOM_E_UNAUTHENTICATED, "check the secret access key that assumes the role"},
      {"RegionDisabledException", MLOOM_E_NOT_CONFIGURED, "enable STS for the region in the account, or set another"},
      {"OptInRequired", MLOOM_E_NOT_CONFIGURED, "enable the region in the account, or set another"},
      {"ValidationError", MLOOM_E_INVALID, "check role_arn, the session's name and its duration"},
      {"MalformedPolicyDocument", MLOOM_E_INVALID, "check role_arn"},
  };
  for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
    if (strcmp(code, meanings[i].code) == 0) {
      return &meanings[i];
    }
  }
  static const meaning token_is_wrong = {"", MLOOM_E_UNAUTHENTICATED,
                                         "look at what the token's identity provider gave"};
  static const meaning unknown = {"", MLOOM_E_UNAUTHENTICATED, "look the code up in the documentation of AWS STS"};
  return by_token ? &token_is_wrong : &unknown;
}

static int32_t clock_is_wrong(const mloom_aws_fetch *fetch, const mloom_fetch_answer *answer, const char *said,
                              mloom_error *error) {
  int64_t off_ms = answer->date_wall_ms < 0 ? 0 : fetch->host->clock_wall_ms(fetch->host->ctx) - answer->date_wall_ms;
  char by[64] = "";
  if (off_ms != 0) {
    int64_t seconds = (off_ms < 0 ? -off_ms : off_ms) / 1000;
    snprintf(by, sizeof(by), ", it is %lld s %s", (long long)seconds, off_ms < 0 ? "behind" : "ahead");
  }
  return mloom_error_set(error, MLOOM_E_UNAUTHENTICATED, MLOOM_DOMAIN_CREDENTIAL,
                         "set the clock of this machine, and let it follow a time server",
                         "the clock of this machine is wrong%s: " WHERE " says %s", by, said);
}

static int32_t refused(const mloom_aws_fetch *fetch, const mloom_aws_sts_role *role, const mloom_fetch_answer *answer,
                       const sts_answer *said, mloom_error *error) {
  const meaning *found = find_meaning(said->code, role->web_identity_token.size > 0);
  int wrong_clock = is_about_the_clock(said) ||
                    (found->is == MLOOM_E_EXPIRED && mloom_fetch_clock_offset_ms(answer, fetch->host) != 0);
  int32_t code = found->is;
  if (wrong_clock) {
    code = clock_is_wrong(fetch, answer, said->code, error);
  } else if (is_throttled(said->code) || answer->status == 429) {
    code = mloom_error_set(error, MLOOM_E_RATE_LIMITED, MLOOM_DOMAIN_CREDENTIAL, "try again later",
                           WHERE " answers fewer requests than it is asked (%s)", said->code);
  } else if (answer->status >= 500 || said->code[0] == '\0') {
    code = mloom_error_set(
        error, answer->status >= 500 ? MLOOM_E_UNAVAILABLE : MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
        "try again later, and check the address of STS if one is configured", WHERE " answered HTTP %d%s%s",
        (int)answer->status, said->code[0] == '\0' ? "" : ": ", said->code);
  } else {
    mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, found->remedy, "role %s: " WHERE " answered %s: %s",
                    role->arn, said->code, said->message);
  }
  if (error != NULL) {
    error->http_status = answer->status;
    error->retryable = code == MLOOM_E_RATE_LIMITED || code == MLOOM_E_UNAVAILABLE;
    snprintf(error->request_id, sizeof(error->request_id), "%s",
             answer->request_id[0] != '\0' ? answer->request_id : said->request_id);
  }
  return code;
}

static int32_t accept(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const mloom_aws_sts_role *role,
                      const sts_answer *said, mloom_error *error) {
  int64_t expires_ms = -1;
  if (said->id.size == 0 || said->secret.size == 0 || said->token.size == 0 ||
      mloom_timestamp_parse(mloom_text_bytes(said->expiration), &expires_ms) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "check the address of STS, if one is configured",
                           WHERE " gave credentials for %s that are not whole", role->arn);
  }
  const mloom_bytes id = {mloom_buffer_string(&said->id), said->id.size};
  const mloom_bytes secret = {mloom_buffer_string(&said->secret), said->secret.size};
  const mloom_bytes token = {mloom_buffer_string(&said->token), said->token.size};
  int32_t code = mloom_aws_keys_set(out, fetch->host, id, secret, token, "the answer of STS", error);
  if (code == MLOOM_OK) {
    out->expires_wall_ms = expires_ms;
    mloom_aws_describe(out, "%s by %s", role->arn, role->web_identity_token.size > 0 ? "web identity" : "STS");
  }
  return code;
}

/* ---- The exchange ---- */

/* Is the clock of this machine why a signature was refused? Then the next one is made by that of the service. */
static int corrects_clock(endpoint *place, const mloom_aws_fetch *fetch, const mloom_fetch_answer *answer,
                          const sts_answer *said) {
  int64_t offset_ms = is_about_the_clock(said) ? mloom_fetch_clock_offset_ms(answer, fetch->host) : 0;
  int corrects = offset_ms != 0 && place->clock_offset_ms == 0;
  place->clock_offset_ms = corrects ? offset_ms : place->clock_offset_ms;
  return corrects;
}

/* *again: the answer was transient. */
static int32_t exchange(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const mloom_aws_sts_role *role,
                        endpoint *place, const mloom_buffer *body, int *again, mloom_error *error) {
  MLOOM_AUTO(sts_answer_free) sts_answer said = {.id = MLOOM_BUFFER_INIT};
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {0};
  signed_headers headers = {.signature = {.authorization = MLOOM_BUFFER_INIT}};
  add_header(&headers, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8", NULL);
  const mloom_bytes bytes = {mloom_buffer_string(body), body->size};
  mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                .method = "POST",
                                .url = mloom_buffer_string(&place->url),
                                .headers = headers.pointers,
                                .header_count = headers.count,
                                .body = &bytes,
                                .body_count = 1};
  int32_t code = MLOOM_OK;
  *again = 0;
  if (role->web_identity_token.size == 0) {
    code = sign(&headers, fetch, role->source, place, &request, error);
    request.header_count = headers.count;
  }
  if (code == MLOOM_OK) {
    /* One attempt: each has to be signed anew. */
    const mloom_fetch_options once = {.attempts = 1};
    code = mloom_fetch(&answer, fetch->host, fetch->call, &request, &once, error);
    *again = code == MLOOM_E_UNAVAILABLE && error->retryable;
  }
  mloom_sigv4_signature_free(&headers.signature);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_bytes text = {mloom_buffer_string(&answer.body), answer.body.size};
  int readable = mloom_aws_xml_read(text, on_leaf, &said) == MLOOM_OK;
  if (answer.status == 200 && readable) {
    return accept(out, fetch, role, &said, error);
  }
  if (answer.status == 200) {
    return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                           "check the address of STS, if one is configured, and what stands between",
                           WHERE " gave an answer that is no XML");
  }
  *again = answer.status >= 500 || answer.status == 429 || is_transient(said.code) ||
           (role->web_identity_token.size == 0 && corrects_clock(place, fetch, &answer, &said));
  return refused(fetch, role, &answer, &said, error);
}

int32_t mloom_aws_sts_assume(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const mloom_aws_sts_role *role,
                             mloom_error *error) {
  const mloom_host *host = fetch->host;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer body = MLOOM_BUFFER_INIT;
  endpoint place = {.url = MLOOM_BUFFER_INIT};
  int32_t code = find_endpoint(&place, fetch, error);
  if (code == MLOOM_OK) {
    code = write_body(&body, fetch, role, error);
  }
  int again = code == MLOOM_OK;
  for (uint32_t attempt = 1; again; attempt++) {
    mloom_error reason = MLOOM_ERROR_INIT;
    code = exchange(out, fetch, role, &place, &body, &again, &reason);
    mloom_error_copy(error, &reason);
    again = again && attempt < ATTEMPTS &&
            host->sleep_until(host->ctx, fetch->call,
                              host->clock_monotonic_ms(host->ctx) + (int64_t)PAUSE_MS * attempt) == MLOOM_OK;
  }
  mloom_buffer_free(&place.url);
  return code;
}
