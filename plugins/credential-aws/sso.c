/* SPDX-License-Identifier: Apache-2.0
 *
 * IAM Identity Center (SSO): a role for the token that "aws sso login" left in ~/.aws/sso/cache.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mergeloom/crypto.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "credential-aws/aws.h"

#define CACHE_LIMIT ((size_t)64 * 1024)
/* A token with less left than this is renewed first, where it can be. */
#define RENEW_MS ((int64_t)15 * 60 * 1000)
#define REGISTRATION "registrationExpiresAt"

/* What the profile and its sso-session say; borrowed from the files. */
typedef struct sso_config {
  const char *session; /* NULL: the older form, all in the profile */
  const char *start_url;
  const char *region;
  const char *account_id;
  const char *role_name;
} sso_config;

/* The cached token. */
typedef struct sso_token {
  mloom_buffer access_token;
  mloom_buffer refresh_token;
  mloom_buffer client_id;
  mloom_buffer client_secret;
  char registration_expires[64];
  char expires[64];
  int64_t expires_ms;
} sso_token;

static void sso_token_free(sso_token *token) {
  mloom_buffer_wipe(&token->access_token);
  mloom_buffer_wipe(&token->refresh_token);
  mloom_buffer_wipe(&token->client_id);
  mloom_buffer_wipe(&token->client_secret);
}

/* ---- The profile ---- */

static int32_t incomplete(const char *profile, const char *missing, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL, "run \"aws configure sso\", or add it",
                         "the AWS profile %s is for SSO and has no %s", profile, missing);
}

static int32_t apply_session(sso_config *out, const mloom_aws_fetch *fetch, const char *profile, mloom_error *error) {
  const mloom_aws_section *section = mloom_aws_files_block(fetch->files, "sso-session", out->session);
  const struct {
    const char *name;
    const char **place;
  } members[] = {{"sso_start_url", &out->start_url},
                 {"sso_region", &out->region},
                 {"sso_account_id", &out->account_id},
                 {"sso_role_name", &out->role_name}};
  if (section == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
                           "add [sso-session NAME] to the config file, or correct sso_session",
                           "the AWS profile %s names the sso-session %s, which does not exist", profile, out->session);
  }
  for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
    const char *value = mloom_aws_section_get(section, members[i].name);
    if (value != NULL && *members[i].place != NULL && strcmp(value, *members[i].place) != 0) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "say it in one place only",
                             "%s of the AWS profile %s differs from that of its sso-session %s", members[i].name,
                             profile, out->session);
    }
    *members[i].place = value == NULL ? *members[i].place : value;
  }
  return MLOOM_OK;
}

static int32_t read_config(sso_config *out, const mloom_aws_fetch *fetch, const char *profile, mloom_error *error) {
  const mloom_aws_files *files = fetch->files;
  out->account_id = mloom_aws_files_get(files, profile, "sso_account_id");
  out->role_name = mloom_aws_files_get(files, profile, "sso_role_name");
  if (out->account_id == NULL && out->role_name == NULL) {
    return MLOOM_E_NOT_APPLICABLE;
  }
  out->session = mloom_aws_files_get(files, profile, "sso_session");
  out->start_url = mloom_aws_files_get(files, profile, "sso_start_url");
  out->region = mloom_aws_files_get(files, profile, "sso_region");
  int32_t code = out->session == NULL ? MLOOM_OK : apply_session(out, fetch, profile, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const char *missing = out->role_name == NULL    ? "sso_role_name"
                        : out->account_id == NULL ? "sso_account_id"
                        : out->start_url == NULL  ? "sso_start_url"
                        : out->region == NULL     ? "sso_region"
                                                  : NULL;
  if (missing != NULL) {
    return incomplete(profile, missing, error);
  }
  if (!mloom_aws_is_region(out->region)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "name a region, as in us-east-1",
                           "sso_region of the AWS profile %s is no region of AWS", profile);
  }
  return MLOOM_OK;
}

/* ---- The cache ---- */

static int32_t login_again(const sso_config *config, const char *profile, const char *what, mloom_error *error) {
  char remedy[300];
  snprintf(remedy, sizeof(remedy),
           "run \"aws sso login --profile %.120s\" as the user that this runs as, on a volume it shares", profile);
  return mloom_error_set(error, MLOOM_E_NEEDS_INTERACTION, MLOOM_DOMAIN_CREDENTIAL, remedy, "the SSO login for %s %s",
                         config->session != NULL ? config->session : config->start_url, what);
}

static int32_t find_cache(mloom_buffer *out, const mloom_aws_fetch *fetch, const sso_config *config,
                          mloom_error *error) {
  const mloom_host *host = fetch->host;
  const char *home = host->environment_get(host->ctx, "HOME");
  const mloom_crypto *crypto = host->get_interface(host->ctx, MLOOM_CRYPTO_INTERFACE);
  if (crypto == NULL || !MLOOM_HAS(crypto, mloom_crypto, sha1) || crypto->sha1 == NULL) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL, "use a newer host",
                           "the host has no SHA-1, by which the SSO cache names its files");
  }
  if (home == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL, "set HOME",
                           "there is no home folder with an SSO cache: HOME is not set");
  }
  const mloom_bytes name = mloom_text_bytes(config->session != NULL ? config->session : config->start_url);
  uint8_t digest[20];
  int32_t code = crypto->sha1(crypto->ctx, &name, 1, digest);
  code = code == MLOOM_OK ? mloom_buffer_append_format(out, "%s/.aws/sso/cache/", home) : code;
  for (size_t i = 0; code == MLOOM_OK && i < sizeof(digest); i++) {
    code = mloom_buffer_append_format(out, "%02x", digest[i]);
  }
  code = code == MLOOM_OK ? mloom_buffer_append_string(out, ".json") : code;
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

/* Of the cache's file and of the answer to a renewal. *expires_in_s is left when it does not say. */
static int32_t read_token(sso_token *token, mloom_bytes text, int64_t *expires_in_s) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, text.data, text.size);
  if (!mloom_json_reader_object(&reader)) {
    return MLOOM_E_INVALID;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    mloom_buffer *secret = mloom_text_equal(key, "accessToken")    ? &token->access_token
                           : mloom_text_equal(key, "refreshToken") ? &token->refresh_token
                           : mloom_text_equal(key, "clientId")     ? &token->client_id
                           : mloom_text_equal(key, "clientSecret") ? &token->client_secret
                                                                   : NULL;
    if (secret != NULL) {
      mloom_aws_json_secret(&reader, secret);
    } else if (mloom_text_equal(key, "expiresAt")) {
      mloom_aws_json_text(&reader, token->expires, sizeof(token->expires));
    } else if (mloom_text_equal(key, REGISTRATION)) {
      mloom_aws_json_text(&reader, token->registration_expires, sizeof(token->registration_expires));
    } else if (mloom_text_equal(key, "expiresIn")) {
      (void)mloom_json_reader_integer(&reader, expires_in_s);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  return mloom_json_reader_end(&reader);
}

static int32_t load_token(sso_token *token, const char *path, const sso_config *config, const char *profile,
                          mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  int64_t unused = 0;
  if (mloom_buffer_reserve(&text, CACHE_LIMIT) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_file_read(&text, path, CACHE_LIMIT, MLOOM_DOMAIN_CREDENTIAL, error);
  if (code == MLOOM_E_NOT_FOUND) {
    return login_again(config, profile, "has not been made here", error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (read_token(token, (mloom_bytes){mloom_buffer_string(&text), text.size}, &unused) != MLOOM_OK ||
      token->access_token.size == 0 ||
      mloom_timestamp_parse(mloom_text_bytes(token->expires), &token->expires_ms) != MLOOM_OK) {
    return login_again(config, profile, "left a file that is malformed", error);
  }
  return MLOOM_OK;
}

/* ---- Renewing the token ---- */

static int32_t find_url(mloom_buffer *out, const mloom_aws_fetch *fetch, const char *profile, const char *service,
                        const char *host_name, const char *region, mloom_error *error) {
  const char *origin = NULL;
  int32_t code = mloom_aws_endpoint_url(out, &origin, fetch->host, fetch->files, profile, service, error);
  if (code != MLOOM_OK || out->size > 0) {
    while (out->size > 0 && out->data[out->size - 1] == '/') {
      mloom_buffer_truncate(out, out->size - 1);
    }
    return code != MLOOM_OK ? code : mloom_fetch_check_url(mloom_buffer_string(out), origin, error);
  }
  code = mloom_buffer_append_format(out, "https://%s.%s.%s", host_name, region, mloom_aws_dns_suffix(region, 0));
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int can_renew(const sso_token *token, int64_t now_ms) {
  int64_t registered_until_ms = 0;
  return token->refresh_token.size > 0 && token->client_id.size > 0 && token->client_secret.size > 0 &&
         mloom_timestamp_parse(mloom_text_bytes(token->registration_expires), &registered_until_ms) == MLOOM_OK &&
         registered_until_ms > now_ms;
}

static void format_moment(char out[32], int64_t wall_ms) {
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm date;
  if (gmtime_r(&seconds, &date) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &date) == 0) {
    out[0] = '\0';
  }
}

/* Other programs go on with what is in the cache, and a refresh token may count only once. */
static void save_token(const mloom_aws_fetch *fetch, const sso_config *config, const sso_token *token,
                       const char *path) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = mloom_buffer_reserve(&text, 6 * CACHE_LIMIT); /* room for escapes */
  const struct {
    const char *name;
    mloom_bytes value;
  } members[] = {{"startUrl", mloom_text_bytes(config->start_url)},
                 {"region", mloom_text_bytes(config->region)},
                 {"accessToken", {token->access_token.data, token->access_token.size}},
                 {"expiresAt", mloom_text_bytes(token->expires)},
                 {"clientId", {token->client_id.data, token->client_id.size}},
                 {"clientSecret", {token->client_secret.data, token->client_secret.size}},
                 {REGISTRATION, mloom_text_bytes(token->registration_expires)},
                 {"refreshToken", {token->refresh_token.data, token->refresh_token.size}}};
  code = code == MLOOM_OK ? mloom_buffer_append_char(&text, '{') : code;
  for (size_t i = 0; code == MLOOM_OK && i < sizeof(members) / sizeof(members[0]); i++) {
    code = mloom_json_write_member(&text, members[i].name, members[i].value.data, members[i].value.size);
  }
  code = code == MLOOM_OK ? mloom_buffer_append_char(&text, '}') : code;
  if (code == MLOOM_OK) {
    code = mloom_file_replace(path, text.data, text.size, 0600, MLOOM_DOMAIN_CREDENTIAL, &reason);
  }
  if (code != MLOOM_OK) {
    fetch->host->log(fetch->host->ctx, MLOOM_LOG_WARNING, "credential-aws",
                     "the renewed SSO token could not be stored, so that the next login may come early");
  }
}

static int32_t ask_renewal(sso_token *fresh, const mloom_aws_fetch *fetch, const sso_config *config,
                           const sso_token *token, const char *profile, int64_t *expires_in_s, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer body = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {0};
  int32_t code = find_url(&url, fetch, profile, "sso_oidc", "oidc", config->region, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = mloom_buffer_append_string(&url, "/token");
  code = code == MLOOM_OK ? mloom_buffer_reserve(&body, 6 * CACHE_LIMIT) : code;
  code = code == MLOOM_OK ? mloom_buffer_append_string(&body, "{\"grantType\":\"refresh_token\"") : code;
  const struct {
    const char *name;
    const mloom_buffer *value;
  } members[] = {{"clientId", &token->client_id},
                 {"clientSecret", &token->client_secret},
                 {"refreshToken", &token->refresh_token}};
  for (size_t i = 0; code == MLOOM_OK && i < sizeof(members) / sizeof(members[0]); i++) {
    code = mloom_json_write_member(&body, members[i].name, members[i].value->data, members[i].value->size);
  }
  code = code == MLOOM_OK ? mloom_buffer_append_char(&body, '}') : code;
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const mloom_header type = {.size = (uint32_t)sizeof(type), .name = "Content-Type", .value = "application/json"};
  const mloom_header *const headers[] = {&type};
  const mloom_bytes bytes = {body.data, body.size};
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .method = "POST",
                                      .url = mloom_buffer_string(&url),
                                      .headers = headers,
                                      .header_count = 1,
                                      .body = &bytes,
                                      .body_count = 1};
  /* Once: the refresh token may have been used up by an answer that was lost. */
  const mloom_fetch_options once = {.attempts = 1};
  code = mloom_fetch(&answer, fetch->host, fetch->call, &request, &once, error);
  if (code == MLOOM_OK && answer.status != 200) {
    return MLOOM_E_EXPIRED;
  }
  if (code == MLOOM_OK && (read_token(fresh, (mloom_bytes){mloom_buffer_string(&answer.body), answer.body.size},
                                      expires_in_s) != MLOOM_OK ||
                           fresh->access_token.size == 0 || *expires_in_s <= 0 || *expires_in_s > INT32_MAX)) {
    return MLOOM_E_PROTOCOL;
  }
  return code;
}

static void move(mloom_buffer *to, mloom_buffer *from) {
  if (from->size > 0) {
    mloom_buffer_wipe(to);
    *to = *from;
    *from = (mloom_buffer)MLOOM_BUFFER_INIT;
  }
}

/* What fails here matters only when the token has no time left. */
static int32_t renew(const mloom_aws_fetch *fetch, const sso_config *config, sso_token *token, const char *path,
                     const char *profile, mloom_error *error) {
  MLOOM_AUTO(sso_token_free) sso_token fresh = {.access_token = MLOOM_BUFFER_INIT};
  int64_t expires_in_s = 0;
  int64_t now_ms = fetch->host->clock_wall_ms(fetch->host->ctx);
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = ask_renewal(&fresh, fetch, config, token, profile, &expires_in_s, &reason);
  if (code == MLOOM_OK) {
    token->expires_ms = now_ms + expires_in_s * 1000;
    format_moment(token->expires, token->expires_ms);
    move(&token->access_token, &fresh.access_token);
    move(&token->refresh_token, &fresh.refresh_token);
    save_token(fetch, config, token, path);
  } else if (code == MLOOM_E_CANCELLED || code == MLOOM_E_TIMEOUT || code == MLOOM_E_MEMORY ||
             code == MLOOM_E_INVALID) {
    mloom_error_copy(error, &reason);
    return code;
  } else if (token->expires_ms <= now_ms && reason.message[0] != '\0') {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, reason.remedy, "the SSO login cannot be renewed: %s",
                           reason.message);
  }
  return MLOOM_OK;
}

/* ---- The role ---- */

static int32_t ask_role(mloom_fetch_answer *answer, const mloom_aws_fetch *fetch, const sso_config *config,
                        const mloom_secret *token, const char *profile, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  int32_t code = find_url(&url, fetch, profile, "sso", "portal.sso", config->region, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = mloom_buffer_append_string(&url, "/federation/credentials?role_name=");
  code = code == MLOOM_OK ? mloom_fetch_append_encoded(&url, mloom_text_bytes(config->role_name)) : code;
  code = code == MLOOM_OK ? mloom_buffer_append_string(&url, "&account_id=") : code;
  code = code == MLOOM_OK ? mloom_fetch_append_encoded(&url, mloom_text_bytes(config->account_id)) : code;
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const mloom_header bearer = {
      .size = (uint32_t)sizeof(bearer), .name = "x-amz-sso_bearer_token", .value = "", .secret = token};
  const mloom_header *const headers[] = {&bearer};
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .method = "GET",
                                      .url = mloom_buffer_string(&url),
                                      .headers = headers,
                                      .header_count = 1};
  return mloom_fetch(answer, fetch->host, fetch->call, &request, NULL, error);
}

static int32_t read_role(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const sso_config *config,
                         const mloom_fetch_answer *answer, const char *profile, mloom_error *error) {
  mloom_aws_json json;
  int32_t code = mloom_aws_json_read(&json, (mloom_bytes){mloom_buffer_string(&answer->body), answer->body.size});
  if (answer->status == 401) {
    code = login_again(config, profile, "is no longer accepted", error);
  } else if (answer->status == 403 || answer->status == 404) {
    code = mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL,
                           "let the account's administrator assign the permission set, or correct sso_role_name and "
                           "sso_account_id",
                           "SSO gives no credentials for role %s of account %s: HTTP %d %s", config->role_name,
                           config->account_id, (int)answer->status, json.message);
  } else if (answer->status != 200) {
    code = mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_CREDENTIAL, "try again later",
                           "SSO answered HTTP %d %s", (int)answer->status, json.message);
  } else if (code != MLOOM_OK) {
    code = mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL, "check sso_region",
                           "SSO gave an answer that is no JSON");
  } else {
    code = mloom_aws_json_keys(out, &json, fetch->host, "SSO", error);
  }
  mloom_aws_json_free(&json);
  if (code == MLOOM_OK) {
    mloom_aws_describe(out, "role %.80s of account %.20s by SSO", config->role_name, config->account_id);
  } else if (error != NULL) {
    error->http_status = answer->status;
    snprintf(error->request_id, sizeof(error->request_id), "%s", answer->request_id);
  }
  return code;
}

static int32_t get_role(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const sso_config *config, sso_token *token,
                        const char *profile, mloom_error *error) {
  const mloom_secret *secret = NULL;
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {0};
  int32_t code = mloom_aws_secret_take(&secret, fetch->host, &token->access_token, error);
  code = code == MLOOM_OK ? ask_role(&answer, fetch, config, secret, profile, error) : code;
  code = code == MLOOM_OK ? read_role(out, fetch, config, &answer, profile, error) : code;
  if (secret != NULL) {
    fetch->host->secret_unref(fetch->host->ctx, secret);
  }
  return code;
}

int32_t mloom_aws_from_sso(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile, mloom_error *error) {
  sso_config config = {NULL, NULL, NULL, NULL, NULL};
  MLOOM_AUTO(sso_token_free) sso_token token = {.access_token = MLOOM_BUFFER_INIT};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  int64_t now_ms = fetch->host->clock_wall_ms(fetch->host->ctx);
  int32_t code = read_config(&config, fetch, profile, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = find_cache(&path, fetch, &config, error);
  code = code == MLOOM_OK ? load_token(&token, mloom_buffer_string(&path), &config, profile, error) : code;
  if (code == MLOOM_OK && config.session != NULL && token.expires_ms - now_ms < RENEW_MS && can_renew(&token, now_ms)) {
    code = renew(fetch, &config, &token, mloom_buffer_string(&path), profile, error);
  }
  if (code == MLOOM_OK && token.expires_ms <= now_ms) {
    code = login_again(&config, profile, "has expired", error);
  }
  return code == MLOOM_OK ? get_role(out, fetch, &config, &token, profile, error) : code;
}
