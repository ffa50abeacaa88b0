/* SPDX-License-Identifier: Apache-2.0
 *
 * What the identities of Azure decide for themselves, on a stopped clock and a service that answers as a script says:
 * which one applies, what it waits for, and what it makes of refusals. That the requests are right is compared with the
 * vendor's client in tests/e2e.
 */
#include "harness.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "credential-azure/azure.h"
#include "plugin/host.h"
#include "secret/crypto.h"
#include "secret/secret.h"

#define NOW_MS INT64_C(1767323045000) /* 2026-01-02T03:04:05Z */
#define SCOPE "https://cognitiveservices.azure.com/.default"

static char folder[] = "/tmp/mergeloom-azure-XXXXXX";

#define SILENT (-1)

/* One answer of the service; the last is given again and again. */
typedef struct reply {
  int32_t status; /* 0: nobody accepts a connection; SILENT: somebody does, and says nothing */
  const char *headers[4];
  const char *body;
} reply;

typedef struct fixture {
  mloom_crypto_engine *engine;
  mloom_host_services services;
  mloom_host host;
  const mloom_credential_source *source;
  mloom_azure_source *instance;
  const char *const *variables; /* "NAME", "value", ..., NULL */
  const char *const *fields;    /* the same, of the provider */
  const char *const *written;   /* names of those that a card has */
  const reply *replies;
  int64_t monotonic_ms;
  int64_t connect_timeout_ms;
  size_t requests;
  size_t probes;      /* whether IMDS is there */
  mloom_buffer log;   /* "URL headers;" each */
  mloom_buffer waits; /* "1000 " each */
  mloom_credential credential;
  mloom_error error;
} fixture;

/* The host table's ctx is that of its services; tests run one after the other. */
static fixture *current;

static const char *look_up(const char *const *pairs, const char *name) {
  for (; pairs != NULL && *pairs != NULL; pairs += 2) {
    if (strcmp(*pairs, name) == 0) {
      return pairs[1];
    }
  }
  return NULL;
}

static const char *get_variable(void *ctx, const char *name) {
  (void)ctx;
  return look_up(current->variables, name);
}

static int32_t get_setting(void *ctx, const mloom_settings *settings, const char *name, mloom_setting *out) {
  (void)ctx;
  (void)settings;
  const char *value = look_up(current->fields, name);
  if (value == NULL) {
    return MLOOM_E_NOT_FOUND;
  }
  out->value = value[0] == '\0' ? NULL : value;
  out->origin = MLOOM_ORIGIN_ENVIRONMENT;
  out->origin_name = "a field";
  for (const char *const *at = current->written; at != NULL && *at != NULL; at++) {
    if (strcmp(*at, name) == 0) {
      out->origin = MLOOM_ORIGIN_STORE;
      out->origin_name = "the settings store";
    }
  }
  return MLOOM_OK;
}

static int64_t wall(void *ctx) {
  (void)ctx;
  return NOW_MS;
}

static int64_t monotonic(void *ctx) {
  (void)ctx;
  return current->monotonic_ms;
}

static int32_t sleep_until(void *ctx, mloom_call *call, int64_t monotonic_ms) {
  (void)ctx;
  (void)call;
  mloom_buffer_append_format(&current->waits, "%lld ", (long long)(monotonic_ms - current->monotonic_ms));
  current->monotonic_ms = monotonic_ms;
  return MLOOM_OK;
}

static int32_t never_cancelled(void *ctx, mloom_call *call) {
  (void)ctx;
  (void)call;
  return 0;
}

static int32_t http(void *ctx, mloom_call *call, const mloom_http_request *request, const mloom_http_sink *sink,
                    mloom_error *error) {
  (void)ctx;
  (void)call;
  const reply *answer = current->replies;
  if (answer->status == SILENT) {
    current->monotonic_ms += (int64_t)request->total_timeout_ms;
    current->requests++;
    return mloom_error_set(error, MLOOM_E_TIMEOUT, MLOOM_DOMAIN_NETWORK, NULL, "did not begin to answer");
  }
  if (request->header_count == 0 && answer->status != 0) {
    current->probes++;
    return sink->status(400, sink->userdata);
  }
  current->requests++;
  current->connect_timeout_ms = (int64_t)request->connect_timeout_ms;
  mloom_buffer_append_format(&current->log, "%s %s", request->method, request->url);
  for (size_t i = 0; i < request->header_count; i++) {
    const mloom_header *header = request->headers[i];
    mloom_bytes secret = header->secret == NULL ? (mloom_bytes){"", 0} : mloom_secret_bytes(header->secret);
    mloom_buffer_append_format(&current->log, " %s=%s%.*s", header->name, header->value, (int)secret.size, secret.data);
  }
  mloom_buffer_append_string(&current->log, ";");
  if (answer[1].status != 0 || answer[1].body != NULL) {
    current->replies++;
  }
  if (answer->status == 0) {
    return mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_NETWORK, NULL, "did not accept a connection");
  }
  sink->status(answer->status, sink->userdata);
  for (size_t i = 0; i + 1 < 4 && answer->headers[i] != NULL; i += 2) {
    sink->header(answer->headers[i], answer->headers[i + 1], sink->userdata);
  }
  return sink->body(answer->body, strlen(answer->body), sink->userdata);
}

static void begin(fixture *self, const char *id) {
  memset(self, 0, sizeof(*self));
  current = self;
  self->monotonic_ms = 5000;
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_crypto_engine_new(&self->engine, &self->error), MLOOM_OK, &self->error);
  self->services =
      (mloom_host_services){.clock = mloom_clock_system(), .crypto = mloom_crypto_engine_table(self->engine)};
  mloom_host_init(&self->host, &self->services);
  self->host.environment_get = get_variable;
  self->host.setting_get = get_setting;
  self->host.clock_wall_ms = wall;
  self->host.clock_monotonic_ms = monotonic;
  self->host.sleep_until = sleep_until;
  self->host.call_cancelled = never_cancelled;
  self->host.http = http;
  char text[200] = "";
  const mloom_plugin *plugin = mergeloom_plugin_init_v1(&self->host, text, sizeof(text));
  CU_ASSERT_PTR_NOT_NULL_FATAL(plugin);
  for (size_t i = 0; i < plugin->credential_source_count; i++) {
    if (strcmp(plugin->credential_sources[i]->id, id) == 0) {
      self->source = plugin->credential_sources[i];
    }
  }
  CU_ASSERT_PTR_NOT_NULL_FATAL(self->source);
  const mloom_open_args args = {.size = (uint32_t)sizeof(args), .host = &self->host};
  void *instance = NULL;
  UNIT_ASSERT_CODE(self->source->open(&args, &instance, &self->error), MLOOM_OK, &self->error);
  self->instance = instance;
  self->instance->root = folder;
}

static void forget(fixture *self) {
  mloom_secret_unref(self->credential.secret);
  self->credential = (mloom_credential){.size = (uint32_t)sizeof(self->credential), .expires_wall_ms = -1};
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  self->requests = 0;
  mloom_buffer_clear(&self->log);
  mloom_buffer_clear(&self->waits);
}

static void end(fixture *self) {
  forget(self);
  self->source->close(self->instance);
  mloom_crypto_engine_free(self->engine);
  mloom_buffer_free(&self->log);
  mloom_buffer_free(&self->waits);
}

static int32_t probe(fixture *self) {
  const mloom_credential_args args = {.size = (uint32_t)sizeof(args), .audience = SCOPE};
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  return self->source->probe(self->instance, &args, &self->error);
}

static int32_t fetch_for(fixture *self, const char *audience) {
  const mloom_credential_args args = {.size = (uint32_t)sizeof(args), .audience = audience};
  forget(self);
  return self->source->fetch(self->instance, NULL, &args, &self->credential, &self->error);
}

static int32_t fetch(fixture *self) {
  return fetch_for(self, SCOPE);
}

static const char good[] = "{\"access_token\":\"test-token\",\"expires_in\":\"3599\",\"token_type\":\"Bearer\"}";
static const reply good_only[] = {{200, {NULL}, good}, {0, {NULL}, NULL}};
static const char *const nothing[] = {NULL};
static const char *const application[] = {
    "AZURE_TENANT_ID", "tenant", "AZURE_CLIENT_ID", "client", "AZURE_CLIENT_SECRET", "test-key-not-a-secret", NULL};

/* ---- Which one applies ---- */

static void test_probes(void) {
  static const char *const half[] = {"AZURE_CLIENT_SECRET", "test-key-not-a-secret", "AZURE_TENANT_ID", "t", NULL};
  static const char *const certificate[] = {"AZURE_CLIENT_CERTIFICATE_PATH", "/x.pem", "AZURE_CLIENT_ID", "c", NULL};
  static const char *const workload[] = {
      "AZURE_FEDERATED_TOKEN_FILE", "/x", "AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", NULL};
  static const char *const fabric[] = {
      "IDENTITY_ENDPOINT", "https://x", "IDENTITY_HEADER", "h", "IDENTITY_SERVER_THUMBPRINT", "ab", NULL};
  static const char *const shell[] = {"MSI_ENDPOINT", "http://localhost:50342/oauth2/token", NULL};
  static const char *const method_secret[] = {"auth_method", "client_secret", NULL};
  static const char *const method_certificate[] = {"auth_method", "client_certificate", NULL};
  static const char *const method_workload[] = {"auth_method", "workload_identity", NULL};
  const struct {
    const char *id;
    const char *const *variables;
    const char *const *fields;
    int32_t code;
    const char *says;
  } cases[] = {
      {"azure-client-secret", nothing, nothing, MLOOM_E_NOT_APPLICABLE, NULL},
      {"azure-client-secret", application, nothing, MLOOM_OK, NULL},
      {"azure-client-secret", half, nothing, MLOOM_E_NOT_CONFIGURED, "client_id has no value"},
      {"azure-client-secret", nothing, method_secret, MLOOM_E_NOT_CONFIGURED, "client_secret"},
      {"azure-client-secret", certificate, method_secret, MLOOM_E_NOT_APPLICABLE, NULL},
      {"azure-client-certificate", nothing, nothing, MLOOM_E_NOT_APPLICABLE, NULL},
      {"azure-client-certificate", certificate, nothing, MLOOM_E_NOT_CONFIGURED, "tenant_id has no value"},
      {"azure-client-certificate", nothing, method_certificate, MLOOM_E_NOT_CONFIGURED, "client_certificate_path"},
      {"azure-workload-identity", nothing, nothing, MLOOM_E_NOT_APPLICABLE, NULL},
      {"azure-workload-identity", workload, nothing, MLOOM_OK, NULL},
      {"azure-workload-identity", nothing, method_workload, MLOOM_E_NOT_CONFIGURED, "unset or blank"},
      {"azure-managed-identity", nothing, nothing, MLOOM_OK, NULL},
      {"azure-managed-identity", fabric, nothing, MLOOM_E_UNSUPPORTED, "Service Fabric"},
      {"azure-managed-identity", shell, nothing, MLOOM_E_UNSUPPORTED, "Cloud Shell"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, cases[i].id);
    self.variables = cases[i].variables;
    self.fields = cases[i].fields;
    UNIT_ASSERT_CODE(probe(&self), cases[i].code, &self.error);
    if (cases[i].says != NULL) {
      CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, cases[i].says));
      CU_ASSERT(self.error.remedy[0] != '\0');
    }
    CU_ASSERT_EQUAL(self.requests, 0); /* a probe never asks anybody */
    end(&self);
  }
}

static void test_field_that_is_unset_beats_the_variable(void) {
  fixture self;
  begin(&self, "azure-client-secret");
  static const char *const fields[] = {"client_secret", "", NULL};
  self.variables = application;
  self.fields = fields;
  UNIT_ASSERT_CODE(probe(&self), MLOOM_E_NOT_APPLICABLE, &self.error);
  end(&self);
}

static void test_tenants(void) {
  static const struct {
    const char *tenant;
    int32_t code;
  } cases[] = {{"11111111-2222-3333-4444-555555555555", MLOOM_OK},
               {"contoso.onmicrosoft.com", MLOOM_OK},
               {"common", MLOOM_E_INVALID},
               {"Organizations", MLOOM_E_INVALID},
               {"a/b", MLOOM_E_INVALID},
               {"a b", MLOOM_E_INVALID},
               {"a%2fb", MLOOM_E_INVALID},
               {"..", MLOOM_E_INVALID},
               {"\xc3\xa9", MLOOM_E_INVALID}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, "azure-client-secret");
    const char *const variables[] = {"AZURE_TENANT_ID",
                                     cases[i].tenant,
                                     "AZURE_CLIENT_ID",
                                     "client",
                                     "AZURE_CLIENT_SECRET",
                                     "test-key-not-a-secret",
                                     NULL};
    self.variables = variables;
    UNIT_ASSERT_CODE(probe(&self), cases[i].code, &self.error);
    end(&self);
  }
}

static void test_authorities(void) {
  static const struct {
    const char *authority;
    int32_t code;
    const char *url;
  } cases[] = {
      {"", MLOOM_OK, "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"},
      {"https://login.microsoftonline.us/", MLOOM_OK, "https://login.microsoftonline.us/tenant/oauth2/v2.0/token"},
      {"login.chinacloudapi.cn", MLOOM_OK, "https://login.chinacloudapi.cn/tenant/oauth2/v2.0/token"},
      {"http://127.0.0.1:8080", MLOOM_OK, "http://127.0.0.1:8080/tenant/oauth2/v2.0/token"},
      {"http://login.example", MLOOM_E_INVALID, NULL},
      {"https://user@login.example", MLOOM_E_INVALID, NULL},
      {"https://login.example?x", MLOOM_E_INVALID, NULL},
      {"file:///etc/passwd", MLOOM_E_INVALID, NULL}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, "azure-client-secret");
    const char *const fields[] = {"authority_host", cases[i].authority, NULL};
    self.fields = fields;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
    UNIT_ASSERT_CODE(mloom_azure_token_url(&url, self.instance, NULL, "tenant", &self.error), cases[i].code,
                     &self.error);
    if (cases[i].url != NULL) {
      UNIT_ASSERT_STRING(mloom_buffer_string(&url), cases[i].url);
    }
    end(&self);
  }
}

static void test_scopes_and_resources(void) {
  static const struct {
    const char *audience;
    const char *scope;
    const char *resource;
  } cases[] = {{SCOPE, SCOPE, "https://cognitiveservices.azure.com"},
               {"https://ai.azure.com", "https://ai.azure.com/.default", "https://ai.azure.com"},
               {"https://vault.azure.net//.default", "https://vault.azure.net//.default", "https://vault.azure.net/"},
               {"api://66666666-7777", "api://66666666-7777/.default", "api://66666666-7777"}};
  mloom_error error = MLOOM_ERROR_INIT;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer scope = MLOOM_BUFFER_INIT;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer resource = MLOOM_BUFFER_INIT;
    UNIT_ASSERT_CODE(mloom_azure_append_scope(&scope, cases[i].audience, &error), MLOOM_OK, &error);
    UNIT_ASSERT_CODE(mloom_azure_append_resource(&resource, cases[i].audience, &error), MLOOM_OK, &error);
    UNIT_ASSERT_STRING(mloom_buffer_string(&scope), cases[i].scope);
    UNIT_ASSERT_STRING(mloom_buffer_string(&resource), cases[i].resource);
  }
  static const char *const bad[] = {"", "https://a https://b", "a&b", "a%20b"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer scope = MLOOM_BUFFER_INIT;
    UNIT_ASSERT_CODE(mloom_azure_append_scope(&scope, bad[i], &error),
                     bad[i][0] == '\0' ? MLOOM_E_NOT_CONFIGURED : MLOOM_E_INVALID, &error);
  }
}

/* ---- Entra ---- */

static void test_throttled_entra_is_left_alone(void) {
  static const reply script[] = {
      {429, {"Retry-After", "120"}, "{\"error\":\"temporarily_unavailable\"}"}, {200, {NULL}, good}, {0, {NULL}, NULL}};
  fixture self;
  begin(&self, "azure-client-secret");
  self.variables = application;
  self.replies = script;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_RATE_LIMITED, &self.error);
  CU_ASSERT_EQUAL(self.error.retryable, 1);
  CU_ASSERT_EQUAL(self.error.retry_after_ms, 120000);
  CU_ASSERT_EQUAL(self.requests, 1);
  self.monotonic_ms += 100000;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_RATE_LIMITED, &self.error);
  CU_ASSERT_EQUAL(self.error.retry_after_ms, 20000);
  CU_ASSERT_EQUAL(self.requests, 0);
  self.monotonic_ms += 20000;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  CU_ASSERT_EQUAL(self.requests, 1);
  end(&self);
}

static void test_busy_entra_is_asked_again(void) {
  static const reply script[] = {
      {503, {NULL}, "busy"}, {503, {"Retry-After", "4"}, "busy"}, {200, {NULL}, good}, {0, {NULL}, NULL}};
  fixture self;
  begin(&self, "azure-client-secret");
  self.variables = application;
  self.replies = script;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  CU_ASSERT_EQUAL(self.requests, 3);
  UNIT_ASSERT_STRING(mloom_buffer_string(&self.waits), "1000 4000 ");
  UNIT_ASSERT_STRING(mloom_secret_bytes(self.credential.secret).data, "test-token");
  CU_ASSERT_EQUAL(self.credential.expires_wall_ms, NOW_MS + 3599000);
  end(&self);
}

static void test_answers_without_a_token(void) {
  static const struct {
    const char *body;
    int32_t code;
  } cases[] = {{"{}", MLOOM_E_PROTOCOL},
               {"[]", MLOOM_E_PROTOCOL},
               {"<html>", MLOOM_E_PROTOCOL},
               {"{\"access_token\":\"a\\r\\nX: y\"}", MLOOM_E_INVALID},
               {"{\"access_token\":\"", MLOOM_E_PROTOCOL}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, "azure-client-secret");
    const reply script[] = {{200, {NULL}, cases[i].body}, {0, {NULL}, NULL}};
    self.variables = application;
    self.replies = script;
    UNIT_ASSERT_CODE(fetch(&self), cases[i].code, &self.error);
    CU_ASSERT_PTR_NULL(self.credential.secret);
    end(&self);
  }
}

static void test_wrong_audience(void) {
  static const reply script[] = {
      {400, {NULL}, "{\"error\":\"invalid_resource\",\"error_description\":\"AADSTS500011: The resource principal\"}"},
      {0, {NULL}, NULL}};
  fixture self;
  begin(&self, "azure-client-secret");
  self.variables = application;
  self.replies = script;
  UNIT_ASSERT_CODE(fetch_for(&self, "https://wrong.example/.default"), MLOOM_E_INVALID, &self.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, "AADSTS500011"));
  CU_ASSERT_PTR_NOT_NULL(strstr(self.error.remedy, "token_scope"));
  /* IMDS hands Entra's words on. */
  end(&self);
  begin(&self, "azure-managed-identity");
  self.replies = script;
  UNIT_ASSERT_CODE(fetch_for(&self, "https://wrong.example/.default"), MLOOM_E_INVALID, &self.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(self.error.remedy, "token_scope"));
  end(&self);
}

static void test_token_files(void) {
  char path[256];
  snprintf(path, sizeof(path), "%s/token", folder);
  const char *const variables[] = {
      "AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", "AZURE_FEDERATED_TOKEN_FILE", path, NULL};
  static const struct {
    const char *text;
    int32_t code;
  } cases[] = {{"a.b.c\r\n", MLOOM_OK}, {"", MLOOM_E_INVALID}, {" \n", MLOOM_E_INVALID}, {"a.b\nc.d", MLOOM_E_INVALID}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, "azure-workload-identity");
    self.variables = variables;
    self.replies = good_only;
    UNIT_ASSERT_CODE(
        mloom_file_replace(path, cases[i].text, strlen(cases[i].text), 0600, MLOOM_DOMAIN_CREDENTIAL, &self.error),
        MLOOM_OK, &self.error);
    UNIT_ASSERT_CODE(fetch(&self), cases[i].code, &self.error);
    CU_ASSERT_EQUAL(self.requests, cases[i].code == MLOOM_OK ? 1 : 0);
    end(&self);
  }
}

static void make_folders(const char *path) {
  char text[512];
  snprintf(text, sizeof(text), "%s%s", folder, path);
  for (char *at = text + strlen(folder) + 1; (at = strchr(at, '/')) != NULL; at++) {
    *at = '\0';
    mkdir(text, 0700);
    *at = '/';
  }
}

static void write_below(const char *path, const char *text) {
  char whole[512];
  mloom_error error = MLOOM_ERROR_INIT;
  make_folders(path);
  snprintf(whole, sizeof(whole), "%s%s", folder, path);
  UNIT_ASSERT_CODE(mloom_file_replace(whole, text, strlen(text), 0600, MLOOM_DOMAIN_CREDENTIAL, &error), MLOOM_OK,
                   &error);
}

/* The chart leaves the variable blank, and AKS has mounted the token all the same. */
static void test_mounted_token_is_found_without_the_variable(void) {
  fixture self;
  begin(&self, "azure-workload-identity");
  static const char *const variables[] = {"AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", NULL};
  self.variables = variables;
  self.replies = good_only;
  UNIT_ASSERT_CODE(probe(&self), MLOOM_E_NOT_APPLICABLE, &self.error);
  write_below("/var/run/secrets/azure/tokens/azure-identity-token", "a.b.c");
  UNIT_ASSERT_CODE(probe(&self), MLOOM_OK, &self.error);
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(self.credential.description, "azure-identity-token"));
  end(&self);
  mloom_file_remove_tree(folder, NULL);
  mkdir(folder, 0700);
}

/* ---- Managed identity ---- */

static void test_metadata_that_is_not_ready(void) {
  static const reply soon[] = {{404, {NULL}, "{}"},
                               {500, {NULL}, "{}"},
                               {429, {"Retry-After", "7"}, "{}"},
                               {200, {NULL}, good},
                               {0, {NULL}, NULL}};
  static const reply never[] = {{503, {NULL}, "{}"}, {0, {NULL}, NULL}};
  static const reply gone[] = {{410, {NULL}, "{}"}, {0, {NULL}, NULL}};
  static const reply long_wait[] = {{429, {"Retry-After", "600"}, "{}"}, {0, {NULL}, NULL}};
  static const struct {
    const reply *script;
    int32_t code;
    const char *waits;
  } cases[] = {{soon, MLOOM_OK, "1000 2000 7000 "},
               {never, MLOOM_E_UNAVAILABLE, "1000 2000 4000 "},
               {gone, MLOOM_E_UNAUTHENTICATED, "10000 10000 10000 10000 10000 10000 10000 "},
               {long_wait, MLOOM_E_RATE_LIMITED, ""}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, "azure-managed-identity");
    self.replies = cases[i].script;
    UNIT_ASSERT_CODE(fetch(&self), cases[i].code, &self.error);
    UNIT_ASSERT_STRING(mloom_buffer_string(&self.waits), cases[i].waits);
    end(&self);
  }
}

static void test_laptop_is_not_kept_waiting(void) {
  static const reply absent[] = {{0, {NULL}, "x"}, {0, {NULL}, NULL}};
  static const reply desktop[] = {{403, {NULL}, "connecting to 169.254.169.254:80: network is unreachable"},
                                  {0, {NULL}, NULL}};
  static const reply *const scripts[] = {absent, desktop};
  for (size_t i = 0; i < 2; i++) {
    fixture self;
    begin(&self, "azure-managed-identity");
    self.replies = scripts[i];
    UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_UNAVAILABLE, &self.error);
    CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, "no managed identity here"));
    CU_ASSERT_EQUAL(self.requests, 1);
    CU_ASSERT_EQUAL(self.connect_timeout_ms, 1000);
    UNIT_ASSERT_STRING(mloom_buffer_string(&self.waits), "");
    end(&self);
  }
}

/* It accepts connections, as networks that swallow everything do, and a hotel's. */
static void test_silent_metadata_stalls_nobody(void) {
  static const reply silent[] = {{SILENT, {NULL}, NULL}, {0, {NULL}, NULL}};
  static const reply patient[] = {{500, {NULL}, "{}"}, {200, {NULL}, good}, {0, {NULL}, NULL}};
  fixture self;
  begin(&self, "azure-managed-identity");
  self.replies = silent;
  int64_t began_ms = self.monotonic_ms;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_UNAVAILABLE, &self.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, "no managed identity here"));
  CU_ASSERT(self.requests <= 2);
  CU_ASSERT(self.monotonic_ms - began_ms <= 3000);
  /* One that once has answered may take its time, and is not looked for again. */
  self.replies = patient;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  CU_ASSERT_EQUAL(self.probes, 1);
  end(&self);
}

/* What the deployment's files prove is sent to Azure, or where the deployment says; a card's secret where the card
 * says. */
static void test_proofs_and_written_authorities(void) {
#define EVIL "authority_host", "https://elsewhere.example"
#define GOVERNMENT "authority_host", "https://login.microsoftonline.us/"
#define PROXY_WITH_CA "proxy", "http://proxy.example:3128", "ca_file", "/etc/ca.pem"
  static const struct {
    const char *source;
    const char *fields[8];
    const char *written[4];
    const char *refused; /* a part of the message; NULL: it is sent */
  } cases[] = {
      {"azure-workload-identity", {EVIL}, {"authority_host"}, "the federated token is not sent to the authority_host"},
      {"azure-workload-identity", {EVIL, "federated_token_file", ""}, {"authority_host"}, "the federated token"},
      {"azure-client-certificate", {EVIL}, {"authority_host"}, "what the client certificate signs"},
      {"azure-workload-identity",
       {PROXY_WITH_CA},
       {"proxy", "ca_file"},
       "through the proxy that the settings store gives"},
      {"azure-client-certificate", {PROXY_WITH_CA}, {"proxy", "ca_file"}, "through the proxy"},
      {"azure-managed-identity", {PROXY_WITH_CA}, {"proxy", "ca_file"}, "the token of the managed identity"},
      {"azure-workload-identity", {EVIL}, {NULL}, NULL},
      {"azure-workload-identity", {GOVERNMENT}, {"authority_host"}, NULL},
      {"azure-workload-identity", {PROXY_WITH_CA}, {"proxy"}, NULL},
      {"azure-managed-identity", {PROXY_WITH_CA}, {"ca_file"}, NULL},
      {"azure-managed-identity", {EVIL}, {"authority_host"}, NULL}, /* it asks nobody there */
      {"azure-client-secret",
       {EVIL},
       {"authority_host"},
       NULL}, /* a secret of the deployment: the settings refuse it */
  };
  char path[256];
  snprintf(path, sizeof(path), "%s/federated", folder);
  const char *const mounted[] = {"AZURE_TENANT_ID",
                                 "tenant",
                                 "AZURE_CLIENT_ID",
                                 "client",
                                 "AZURE_CLIENT_SECRET",
                                 "test-key-not-a-secret",
                                 "AZURE_FEDERATED_TOKEN_FILE",
                                 path,
                                 "AZURE_CLIENT_CERTIFICATE_PATH",
                                 "/nonexistent",
                                 NULL};
  write_below("/federated", "a.b.c");
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, cases[i].source);
    self.variables = mounted;
    self.fields = cases[i].fields;
    self.written = cases[i].written;
    self.replies = good_only;
    UNIT_ASSERT_CODE(fetch(&self), cases[i].refused == NULL ? MLOOM_OK : MLOOM_E_DENIED, &self.error);
    CU_ASSERT_EQUAL(self.requests, cases[i].refused == NULL);
    if (cases[i].refused != NULL) {
      CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, cases[i].refused));
      CU_ASSERT_PTR_NOT_NULL(strstr(self.error.remedy, "from the settings store"));
    }
    end(&self);
  }
}

static void test_unknown_identity(void) {
  static const reply script[] = {
      {400, {NULL}, "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}"}, {0, {NULL}, NULL}};
  static const char *const assigned[] = {"AZURE_CLIENT_ID", "66666666-7777", NULL};
  static const char *const in_a_pod[] = {"AZURE_CLIENT_ID", "66666666-7777", "KUBERNETES_SERVICE_HOST", "10.0.0.1",
                                         NULL};
  static const struct {
    const char *const *variables;
    const char *message;
    const char *remedy;
  } cases[] = {{nothing, "has no managed identity for this machine", "switch the machine's own identity on"},
               {assigned, "knows no managed identity with client_id 66666666-7777", "assign this identity"},
               {in_a_pod, "client_id 66666666-7777", "AZURE_FEDERATED_TOKEN_FILE is not blank"}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, "azure-managed-identity");
    self.variables = cases[i].variables;
    self.replies = script;
    UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_UNAUTHENTICATED, &self.error);
    CU_ASSERT_EQUAL(self.requests, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, cases[i].message));
    CU_ASSERT_PTR_NOT_NULL(strstr(self.error.remedy, cases[i].remedy));
    end(&self);
  }
}

/* A token that the platform has kept for an hour still tells the life it had when it was new. */
static void test_kept_token_ends_when_it_says(void) {
  static const reply script[] = {
      {200, {NULL}, "{\"access_token\":\"t\",\"expires_in\":\"86399\",\"expires_on\":\"1767330000\"}"},
      {0, {NULL}, NULL}};
  static const reply behind[] = {
      {200, {NULL}, "{\"access_token\":\"t\",\"expires_in\":\"3599\",\"expires_on\":\"1767323000\"}"},
      {0, {NULL}, NULL}};
  fixture self;
  begin(&self, "azure-managed-identity");
  self.replies = script;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  CU_ASSERT_EQUAL(self.credential.expires_wall_ms, INT64_C(1767330000000));
  /* This machine's clock is ahead: the moment seems to be past, the life still counts. */
  self.replies = behind;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  CU_ASSERT_EQUAL(self.credential.expires_wall_ms, NOW_MS + 3599000);
  end(&self);
}

static void test_secret_of_the_platform_stays_near(void) {
  static const struct {
    const char *endpoint;
    int32_t code;
  } cases[] = {{"http://169.254.129.3:8081/msi/token", MLOOM_OK},
               {"http://localhost:42356/msi/token", MLOOM_OK},
               {"http://10.1.2.3/msi", MLOOM_OK},
               {"http://172.18.0.1/msi", MLOOM_OK},
               {"https://far.example/msi", MLOOM_OK},
               {"http://far.example/msi", MLOOM_E_INVALID},
               {"http://8.8.8.8/msi", MLOOM_E_INVALID},
               {"http://10.1.2.3.example/", MLOOM_E_INVALID},
               {"http://localhost/msi?x=1", MLOOM_E_INVALID},
               {"localhost", MLOOM_E_INVALID}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    begin(&self, "azure-managed-identity");
    const char *const variables[] = {"IDENTITY_ENDPOINT", cases[i].endpoint, "IDENTITY_HEADER", "test-header", NULL};
    self.variables = variables;
    UNIT_ASSERT_CODE(probe(&self), cases[i].code, &self.error);
    end(&self);
  }
}

static void test_selectors(void) {
  static const char *const ml[] = {"MSI_ENDPOINT", "http://localhost/ml", "MSI_SECRET", "test-header", NULL};
  static const char *const both[] = {"managed_identity_object_id", "o", "managed_identity_resource_id", "r", NULL};
  static const char *const object[] = {"managed_identity_object_id", "o", NULL};
  fixture self;
  begin(&self, "azure-managed-identity");
  self.replies = good_only;
  self.fields = both;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_INVALID, &self.error);
  self.fields = object;
  self.variables = ml;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_UNSUPPORTED, &self.error);
  self.variables = application; /* what names a managed identity counts more than the application */
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(self.log.data, "&object_id=o "));
  CU_ASSERT_PTR_NULL(strstr(self.log.data, "client_id"));
  end(&self);
}

/* ---- Azure Arc ---- */

#define ARC_KEY "/var/opt/azcmagent/tokens/0f0.key"
static const char *const arc[] = {"IDENTITY_ENDPOINT", "http://127.0.0.1:40342/metadata/identity/oauth2/token",
                                  "IMDS_ENDPOINT", "http://127.0.0.1:40342", NULL};

static void test_arc(void) {
  static const reply script[] = {
      {401, {"WWW-Authenticate", "Basic realm=" ARC_KEY}, ""}, {200, {NULL}, good}, {0, {NULL}, NULL}};
  fixture self;
  begin(&self, "azure-managed-identity");
  write_below(ARC_KEY, "test-arc-key");
  self.variables = arc;
  self.replies = script;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&self.log),
                     "GET http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2020-06-01&resource="
                     "https%3A%2F%2Fcognitiveservices.azure.com Metadata=true;"
                     "GET http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2020-06-01&resource="
                     "https%3A%2F%2Fcognitiveservices.azure.com Metadata=true Authorization=Basic test-arc-key;");
  /* Refused with the key too: once is enough. */
  self.replies = script;
  static const reply refused[] = {{401, {"WWW-Authenticate", "Basic realm=" ARC_KEY}, ""}, {0, {NULL}, NULL}};
  self.replies = refused;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_DENIED, &self.error);
  CU_ASSERT_EQUAL(self.requests, 2);
  end(&self);
}

static void test_arc_token_of_another_identity(void) {
  static const reply other[] = {{200, {NULL}, "{\"access_token\":\"t\",\"client_id\":\"machine\"}"}, {0, {NULL}, NULL}};
  static const reply same[] = {{200, {NULL}, "{\"access_token\":\"t\",\"client_id\":\"ABC\"}"}, {0, {NULL}, NULL}};
  static const char *const fields[] = {"client_id", "abc", NULL};
  fixture self;
  begin(&self, "azure-managed-identity");
  self.variables = arc;
  self.fields = fields;
  self.replies = other;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_UNSUPPORTED, &self.error);
  self.replies = good_only;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_E_UNSUPPORTED, &self.error);
  self.replies = same;
  UNIT_ASSERT_CODE(fetch(&self), MLOOM_OK, &self.error);
  end(&self);
}

static void test_arc_challenges(void) {
  static const struct {
    const char *challenge;
    int32_t code;
  } cases[] = {{"Basic realm=" ARC_KEY, MLOOM_OK},
               {"basic realm=\"" ARC_KEY "\"", MLOOM_OK},
               {"Basic realm=/etc/shadow.key", MLOOM_E_PROTOCOL},
               {"Basic realm=/var/opt/azcmagent/tokens/../../../../etc/x.key", MLOOM_E_PROTOCOL},
               {"Basic realm=/var/opt/azcmagent/tokens/x.pem", MLOOM_E_PROTOCOL},
               {"Basic realm=/var/opt/azcmagent/tokens/.key", MLOOM_E_PROTOCOL},
               {"Basic realm=", MLOOM_E_PROTOCOL},
               {"Basic realm=\"", MLOOM_E_PROTOCOL},
               {"Bearer realm=" ARC_KEY, MLOOM_E_PROTOCOL},
               {"Basic", MLOOM_E_PROTOCOL},
               {"", MLOOM_E_PROTOCOL}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_error error = MLOOM_ERROR_INIT;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
    UNIT_ASSERT_CODE(mloom_azure_arc_key_path(&path, "/root", cases[i].challenge, &error), cases[i].code, &error);
    if (cases[i].code == MLOOM_OK) {
      UNIT_ASSERT_STRING(mloom_buffer_string(&path), "/root" ARC_KEY);
    }
  }
}

static const unit_test tests[] = {
    {"an identity applies, does not, or is incomplete", test_probes},
    {"a field that is unset is not replaced by the variable", test_field_that_is_unset_beats_the_variable},
    {"a tenant is an id or a domain", test_tenants},
    {"an authority is reached by https", test_authorities},
    {"scopes and resources", test_scopes_and_resources},
    {"a throttled Entra is not asked before its time", test_throttled_entra_is_left_alone},
    {"a busy Entra is asked again", test_busy_entra_is_asked_again},
    {"answers without a usable token", test_answers_without_a_token},
    {"a wrong audience is told as one", test_wrong_audience},
    {"files of federated tokens", test_token_files},
    {"a mounted token is found though the chart leaves the variable blank",
     test_mounted_token_is_found_without_the_variable},
    {"a metadata service that is not ready yet", test_metadata_that_is_not_ready},
    {"a laptop is not kept waiting for a metadata service", test_laptop_is_not_kept_waiting},
    {"a metadata service that says nothing stalls nobody", test_silent_metadata_stalls_nobody},
    {"what files prove is not sent to an authority that a card names", test_proofs_and_written_authorities},
    {"a managed identity that is not there", test_unknown_identity},
    {"a token that the platform kept ends when it says", test_kept_token_ends_when_it_says},
    {"the secret of the platform goes to near addresses only", test_secret_of_the_platform_stays_near},
    {"what names an assigned identity", test_selectors},
    {"Azure Arc", test_arc},
    {"Azure Arc gives a token of another identity", test_arc_token_of_another_identity},
    {"challenges of Azure Arc", test_arc_challenges},
};

int main(void) {
  if (mkdtemp(folder) == NULL) {
    perror("mkdtemp");
    return 2;
  }
  int status = unit_run("Azure identities", tests, sizeof(tests) / sizeof(tests[0]));
  mloom_file_remove_tree(folder, NULL);
  return status;
}
