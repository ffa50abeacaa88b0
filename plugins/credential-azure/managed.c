/* SPDX-License-Identifier: Apache-2.0
 *
 * Managed identity: the platform that this machine is a part of gives the token.
 */
#include "config.h"

#include "azure.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "wire/fetch.h"
#include "wire/provider_settings.h"
#include "wire/token_answer.h"

/* The service is on the machine or beside it: one that does not accept a connection soon is not there. */
#define CONNECT_TIMEOUT_MS 1000u
#define PROBE_TIMEOUT_MS 1000u
#define ANSWER_TIMEOUT_MS 20000u
#define RETRIES 3u
#define FIRST_PAUSE_MS 1000
/* While it is being updated it answers 410, for up to 70 seconds. */
#define GONE_RETRIES 7u
#define GONE_PAUSE_MS 10000
#define LONGEST_PAUSE_MS 30000

/* The identity asked for; name is that of the query, NULL for the machine's own. */
typedef struct identity {
  const char *name;
  const char *field;
  const char *value;
} identity;

static int32_t find_identity(const mloom_azure_fetch *fetch, const mloom_azure_platform *platform, identity *out,
                             mloom_error *error) {
  const char *client = mloom_azure_get(fetch->source, fetch->settings, "client_id", "AZURE_CLIENT_ID").text;
  const char *resource = mloom_azure_get(fetch->source, fetch->settings, "managed_identity_resource_id", NULL).text;
  const char *object = mloom_azure_get(fetch->source, fetch->settings, "managed_identity_object_id", NULL).text;
  if (resource != NULL && object != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "unset one of the two",
                           "managed_identity_resource_id and managed_identity_object_id are both set");
  }
  *out = (identity){NULL, NULL, NULL};
  if (resource != NULL) {
    *out = (identity){platform->resource_id_name, "managed_identity_resource_id", resource};
  } else if (object != NULL) {
    *out = (identity){platform->object_id_name, "managed_identity_object_id", object};
  } else if (client != NULL) {
    *out = (identity){platform->client_id_name, "client_id", client};
  }
  if (out->value != NULL && out->name == NULL) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL,
                           "name the identity by client_id (AZURE_CLIENT_ID)",
                           "%s finds an identity by its client id alone, and %s is set", platform->name, out->field);
  }
  return MLOOM_OK;
}

static int32_t write_url(mloom_buffer *url, const mloom_azure_fetch *fetch, const mloom_azure_platform *platform,
                         const identity *who, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer resource = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer query = MLOOM_BUFFER_INIT;
  int32_t code = mloom_azure_append_resource(&resource, fetch->audience, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = mloom_fetch_append_field(&query, "api-version", mloom_text_bytes(platform->api_version));
  code = code != MLOOM_OK ? code
                          : mloom_fetch_append_field(&query, "resource", (mloom_bytes){resource.data, resource.size});
  if (code == MLOOM_OK && who->value != NULL) {
    code = mloom_fetch_append_field(&query, who->name, mloom_text_bytes(who->value));
  }
  if (code != MLOOM_OK || mloom_buffer_append_format(url, "%s?%s", platform->url.data, query.data) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

/* ---- The request ---- */

typedef struct managed_request {
  const mloom_azure_fetch *fetch;
  const mloom_azure_platform *platform;
  const char *url;
  mloom_secret *platform_secret; /* the value of its header, when it is one */
  mloom_secret *arc_secret;
} managed_request;

static void managed_request_free(managed_request *self) {
  const mloom_host *host = self->fetch->source->host;
  if (self->platform_secret != NULL) {
    host->secret_unref(host->ctx, self->platform_secret);
  }
  if (self->arc_secret != NULL) {
    host->secret_unref(host->ctx, self->arc_secret);
  }
}

static int32_t perform(const managed_request *self, mloom_fetch_answer *answer, mloom_error *error) {
  static const mloom_header metadata = {.size = (uint32_t)sizeof(mloom_header), .name = "Metadata", .value = "true"};
  const mloom_header secret = {
      .size = (uint32_t)sizeof(secret), .name = self->platform->header, .value = "", .secret = self->platform_secret};
  const mloom_header basic = {
      .size = (uint32_t)sizeof(basic), .name = "Authorization", .value = "Basic ", .secret = self->arc_secret};
  const mloom_header *headers[3];
  size_t count = 0;
  if (self->platform->kind != AZURE_PLATFORM_APP_SERVICE) {
    headers[count++] = &metadata;
  }
  if (self->platform_secret != NULL) {
    headers[count++] = &secret;
  }
  if (self->arc_secret != NULL) {
    headers[count++] = &basic;
  }
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .flags = MLOOM_HTTP_DIRECT,
                                      .method = "GET",
                                      .url = self->url,
                                      .headers = headers,
                                      .header_count = count,
                                      .connect_timeout_ms = CONNECT_TIMEOUT_MS};
  const mloom_fetch_options options = {.timeout_ms = ANSWER_TIMEOUT_MS, .attempts = 1};
  mloom_fetch_answer_free(answer);
  return mloom_fetch(answer, self->fetch->source->host, self->fetch->call, &request, &options, error);
}

/* Outside of Azure nobody answers at this address, or somebody who never says a word. Only one that answers soon is
 * asked for a token, for which it may take its time. What it says does not matter: without its header it refuses
 * everything. */
static int32_t find_service(const managed_request *self, mloom_error *error) {
  static const mloom_fetch_options brief = {.timeout_ms = PROBE_TIMEOUT_MS, .attempts = 2, .pause_ms = 200};
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .flags = MLOOM_HTTP_DIRECT,
                                      .method = "GET",
                                      .url = self->url,
                                      .connect_timeout_ms = CONNECT_TIMEOUT_MS};
  mloom_azure_source *source = self->fetch->source;
  if (self->platform->kind != AZURE_PLATFORM_IMDS || atomic_load(&source->has_answered)) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {.body = MLOOM_BUFFER_INIT};
  int32_t code = mloom_fetch(&answer, source->host, self->fetch->call, &request, &brief, error);
  atomic_store(&source->has_answered, code == MLOOM_OK);
  return code;
}

/* How long to wait before the next attempt; -1: there is none. */
static int64_t pause_ms(const mloom_fetch_answer *answer, uint32_t attempt) {
  int64_t wait = -1;
  if (answer->status == 410) {
    wait = attempt <= GONE_RETRIES ? GONE_PAUSE_MS : -1;
  } else if (answer->status == 404 || answer->status == 408 || answer->status == 429 || answer->status >= 500) {
    wait = attempt <= RETRIES ? FIRST_PAUSE_MS << (attempt - 1) : -1;
  }
  wait = wait >= 0 && answer->retry_after_ms > wait ? answer->retry_after_ms : wait;
  return wait > LONGEST_PAUSE_MS ? -1 : wait;
}

static int32_t perform_patiently(managed_request *self, mloom_fetch_answer *answer, mloom_error *error) {
  const mloom_host *host = self->fetch->source->host;
  for (uint32_t attempt = 1;; attempt++) {
    int32_t code = perform(self, answer, error);
    if (code == MLOOM_OK && answer->status == 401 && self->platform->kind == AZURE_PLATFORM_ARC &&
        self->arc_secret == NULL) {
      char challenge[sizeof(answer->authenticate)];
      memcpy(challenge, answer->authenticate, sizeof(challenge));
      code = mloom_azure_arc_answer(self->fetch, challenge, &self->arc_secret, error);
      code = code == MLOOM_OK ? perform(self, answer, error) : code;
    }
    int64_t wait = code == MLOOM_OK ? pause_ms(answer, attempt) : -1;
    if (wait < 0) {
      return code;
    }
    code = host->sleep_until(host->ctx, self->fetch->call, host->clock_monotonic_ms(host->ctx) + wait);
    if (code != MLOOM_OK) {
      return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL,
                             "the call ended while %s had no token yet (HTTP %d)", self->platform->name,
                             (int)answer->status);
    }
  }
}

/* ---- What it means ---- */

static int32_t no_identity_here(const mloom_azure_platform *platform, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_CREDENTIAL,
                         "run on a machine of Azure that has a managed identity, or choose another identity: "
                         "workload identity, a client secret or a client certificate",
                         "there is no managed identity here: %s does not answer", platform->name);
}

static int32_t unknown_identity(const mloom_azure_fetch *fetch, const mloom_azure_platform *platform,
                                const identity *who, mloom_error *error) {
  const mloom_host *host = fetch->source->host;
  const char *remedy = who->value != NULL ? "assign this identity to the machine, or unset client_id (AZURE_CLIENT_ID) "
                                            "and the like to use the machine's own"
                                          : "switch the machine's own identity on, or name an assigned one in "
                                            "client_id (AZURE_CLIENT_ID)";
  if (host->environment_get(host->ctx, "KUBERNETES_SERVICE_HOST") != NULL) {
    remedy = "pods of AKS use workload identity: choose it, and see that AZURE_FEDERATED_TOKEN_FILE is not blank; "
             "managed identity here means that of the node";
  }
  return mloom_error_set(error, MLOOM_E_UNAUTHENTICATED, MLOOM_DOMAIN_CREDENTIAL, remedy,
                         who->value != NULL ? "%s knows no managed identity with %s %.60s"
                                            : "%s has no managed identity for this machine",
                         platform->name, who->field, who->value);
}

static int32_t refused(const mloom_azure_fetch *fetch, const mloom_azure_platform *platform, const identity *who,
                       const mloom_fetch_answer *answer, mloom_error *error) {
  const mloom_host *host = fetch->source->host;
  const mloom_bytes body = {mloom_buffer_string(&answer->body), answer->body.size};
  if (answer->status == 403 && memmem(body.data, body.size, "unreachable", 11) != NULL) {
    return no_identity_here(platform, error); /* the network of a container on a desktop answers so */
  }
  if (memmem(body.data, body.size, "AADSTS", 6) != NULL) {
    return mloom_azure_refused(host, answer->status, body, answer->retry_after_ms, 0, error);
  }
  int32_t code;
  if (answer->status == 400 || answer->status == 404 || answer->status == 410) {
    code = unknown_identity(fetch, platform, who, error);
  } else if (answer->status == 429 || answer->status >= 500) {
    code = mloom_error_set(error, answer->status == 429 ? MLOOM_E_RATE_LIMITED : MLOOM_E_UNAVAILABLE,
                           MLOOM_DOMAIN_CREDENTIAL, "try again later", "%s has no token at the moment (HTTP %d)",
                           platform->name, (int)answer->status);
    if (error != NULL) {
      error->retryable = 1;
      error->retry_after_ms = answer->retry_after_ms;
    }
  } else {
    code = mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL,
                           "check that the machine has a managed identity, and that nothing stands between it and here",
                           "%s gave no token (HTTP %d)", platform->name, (int)answer->status);
  }
  if (error != NULL) {
    error->http_status = answer->status;
  }
  return code;
}

/* Agents of Azure Arc that know no assigned identities give a token of the machine's own instead. */
static int32_t check_identity(const mloom_azure_platform *platform, const identity *who, mloom_bytes body,
                              mloom_error *error) {
  if (platform->kind != AZURE_PLATFORM_ARC || who->value == NULL) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_bytes key;
  int same = 0;
  mloom_json_reader_init(&reader, body.data, body.size);
  mloom_json_reader_object(&reader);
  while (mloom_json_reader_key(&reader, &key)) {
    mloom_bytes value = {NULL, 0};
    if (mloom_text_equal(key, who->name)) {
      mloom_json_reader_string(&reader, &scratch, &value);
      same = value.size > 0 && mloom_text_equal_fold(value, who->value);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  return same ? MLOOM_OK
              : mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL,
                                "renew the agent of Azure Arc, or unset the identity to use the machine's own",
                                "Azure Arc gave a token of another identity than the one that %s names", who->field);
}

/* ---- The source ---- */

int32_t mloom_azure_managed_probe(mloom_azure_source *source, const mloom_settings *settings, mloom_error *error) {
  (void)settings;
  mloom_azure_platform platform = {.url = MLOOM_BUFFER_INIT};
  int32_t code = mloom_azure_find_platform(source, &platform, error);
  mloom_buffer_free(&platform.url);
  return code;
}

static int32_t prepare_secret(managed_request *self, mloom_error *error) {
  const mloom_host *host = self->fetch->source->host;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer copy = MLOOM_BUFFER_INIT;
  if (self->platform->kind != AZURE_PLATFORM_APP_SERVICE && self->platform->kind != AZURE_PLATFORM_MACHINE_LEARNING) {
    return MLOOM_OK;
  }
  if (mloom_buffer_append_string(&copy, self->platform->value) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return host->secret_new(host->ctx, copy.data, copy.size, &self->platform_secret, error);
}

static int32_t ask(managed_request *self, const identity *who, mloom_credential *out, mloom_error *error) {
  const mloom_host *host = self->fetch->source->host;
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer answer = {.body = MLOOM_BUFFER_INIT};
  int64_t asked_wall_ms = host->clock_wall_ms(host->ctx);
  int32_t code = find_service(self, error);
  code = code == MLOOM_OK ? perform_patiently(self, &answer, error) : code;
  if (code == MLOOM_E_UNAVAILABLE && answer.status == 0) {
    return no_identity_here(self->platform, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (answer.status != 200) {
    if (answer.status == 429 || answer.status == 503) {
      mloom_azure_set_resume(self->fetch, answer.retry_after_ms);
    }
    return refused(self->fetch, self->platform, who, &answer, error);
  }
  const mloom_bytes body = {mloom_buffer_string(&answer.body), answer.body.size};
  code = check_identity(self->platform, who, body, error);
  /* The platform keeps tokens, and may tell the life that one had when it was new. */
  return code == MLOOM_OK ? mloom_azure_take_token(self->fetch, body, asked_wall_ms, 1, out, error) : code;
}

int32_t mloom_azure_managed_fetch(const mloom_azure_fetch *fetch, mloom_credential *out, mloom_error *error) {
  mloom_azure_platform platform = {.url = MLOOM_BUFFER_INIT};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  identity who = {NULL, NULL, NULL};
  const mloom_provider_settings settings = {fetch->source->host, fetch->settings};
  int32_t code = mloom_provider_settings_check_proxy(&settings, "the token of the managed identity", error);
  code = code != MLOOM_OK ? code : mloom_azure_check_resume(fetch, error);
  code = code != MLOOM_OK ? code : mloom_azure_find_platform(fetch->source, &platform, error);
  code = code != MLOOM_OK ? code : find_identity(fetch, &platform, &who, error);
  code = code != MLOOM_OK ? code : write_url(&url, fetch, &platform, &who, error);
  if (code == MLOOM_OK) {
    MLOOM_AUTO(managed_request_free) managed_request self = {.fetch = fetch, .platform = &platform, .url = url.data};
    code = prepare_secret(&self, error);
    code = code != MLOOM_OK ? code : ask(&self, &who, out, error);
  }
  if (code == MLOOM_OK) {
    snprintf(out->description, sizeof(out->description), "Azure managed identity%s%.50s by %s",
             who.value == NULL ? "" : " ", who.value == NULL ? "" : who.value, platform.name);
  }
  mloom_buffer_free(&platform.url);
  return code;
}
