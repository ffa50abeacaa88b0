/* SPDX-License-Identifier: Apache-2.0
 *
 * The source aws-static on the real host table. Signatures are those of botocore and of the JavaScript SDK for the same
 * requests; the keys are the examples of Amazon's documentation.
 */
#include "harness.h"

#include <stdlib.h>

#include "plugin/host.h"
#include "secret/crypto.h"
#include "secret/secret.h"

#define EXAMPLE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define BODY                                                                                                        \
  "{\"messages\": [{\"role\": \"user\", \"content\": [{\"text\": \"hi\"}]}], \"inferenceConfig\": {\"maxTokens\": " \
  "16}}"
#define ORIGIN "https://bedrock-runtime.us-east-1.amazonaws.com"
#define PROFILE "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123def456"

/* What the provider's settings are. */
struct mloom_settings {
  const char *access_key_id;
  const mloom_secret *secret_access_key;
  const mloom_secret *session_token;
};

static int32_t get_setting(const mloom_settings *settings, const char *name, mloom_setting *out) {
  out->origin_name = "AWS_SECRET_ACCESS_KEY";
  if (strcmp(name, "access_key_id") == 0) {
    out->value = settings->access_key_id;
  } else if (strcmp(name, "secret_access_key") == 0) {
    out->secret = settings->secret_access_key;
  } else if (strcmp(name, "session_token") == 0) {
    out->secret = settings->session_token;
  } else {
    return MLOOM_E_NOT_FOUND;
  }
  return MLOOM_OK;
}

static int64_t fixed_wall(void *ctx) {
  (void)ctx;
  return INT64_C(1767323045000); /* 2026-01-02T03:04:05Z */
}

typedef struct fixture {
  mloom_crypto_engine *engine;
  mloom_host_services services;
  mloom_host host;
  const mloom_credential_source *source;
  void *instance;
  mloom_secret *secret;
  mloom_secret *token;
  mloom_error error;
} fixture;

static void begin(fixture *self) {
  memset(self, 0, sizeof(*self));
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_crypto_engine_new(&self->engine, &self->error), MLOOM_OK, &self->error);
  self->services = (mloom_host_services){
      .clock = mloom_clock_system(), .crypto = mloom_crypto_engine_table(self->engine), .setting_get = get_setting};
  mloom_host_init(&self->host, &self->services);
  self->host.clock_wall_ms = fixed_wall;
  char text[200] = "";
  const mloom_plugin *plugin = mergeloom_plugin_init_v1(&self->host, text, sizeof(text));
  CU_ASSERT_PTR_NOT_NULL_FATAL(plugin);
  self->source = plugin->credential_sources[0];
  const mloom_open_args args = {.size = (uint32_t)sizeof(args), .host = &self->host};
  UNIT_ASSERT_CODE(self->source->open(&args, &self->instance, &self->error), MLOOM_OK, &self->error);
  UNIT_ASSERT_CODE(mloom_secret_new(&self->secret, EXAMPLE_SECRET, strlen(EXAMPLE_SECRET), &self->error), MLOOM_OK,
                   &self->error);
  UNIT_ASSERT_CODE(mloom_secret_new(&self->token, "SESSIONTOKEN", 12, &self->error), MLOOM_OK, &self->error);
}

static void end(fixture *self) {
  self->source->close(self->instance);
  mloom_secret_unref(self->secret);
  mloom_secret_unref(self->token);
  mloom_crypto_engine_free(self->engine);
}

static void test_probe(void) {
  fixture self;
  begin(&self);
  const struct {
    mloom_settings settings;
    int32_t code;
    const char *missing;
  } cases[] = {{{NULL, NULL, NULL}, MLOOM_E_NOT_APPLICABLE, NULL},
               {{"AKIDEXAMPLE", self.secret, NULL}, MLOOM_OK, NULL},
               {{"AKIDEXAMPLE", self.secret, self.token}, MLOOM_OK, NULL},
               {{"AKIDEXAMPLE", NULL, NULL}, MLOOM_E_NOT_CONFIGURED, "secret_access_key is not set"},
               {{NULL, self.secret, NULL}, MLOOM_E_NOT_CONFIGURED, "access_key_id is not set"},
               {{NULL, NULL, self.token}, MLOOM_E_NOT_CONFIGURED, "access_key_id is not set"}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const mloom_credential_args args = {.size = (uint32_t)sizeof(args), .settings = &cases[i].settings};
    self.error = (mloom_error)MLOOM_ERROR_INIT;
    CU_ASSERT_EQUAL(self.source->probe(self.instance, &args, &self.error), cases[i].code);
    if (cases[i].missing != NULL) {
      CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, cases[i].missing));
      CU_ASSERT_NOT_EQUAL(self.error.remedy[0], '\0');
    }
  }
  end(&self);
}

static int32_t record(const mloom_header *header, void *userdata) {
  mloom_buffer *log = userdata;
  mloom_buffer_append_format(log, "%s: %s", header->name, header->value);
  if (header->secret != NULL) {
    mloom_buffer_append(log, mloom_secret_bytes(header->secret).data, mloom_secret_bytes(header->secret).size);
  }
  return mloom_buffer_append_char(log, '\n');
}

static int32_t sign(fixture *self, const mloom_settings *settings, const char *audience, const char *url,
                    mloom_buffer *log) {
  const mloom_credential_args args = {.size = (uint32_t)sizeof(args), .settings = settings, .audience = audience};
  mloom_credential credential = {.size = (uint32_t)sizeof(credential)};
  UNIT_ASSERT_CODE(self->source->fetch(self->instance, NULL, &args, &credential, &self->error), MLOOM_OK, &self->error);
  CU_ASSERT_EQUAL(credential.kind, MLOOM_CREDENTIAL_SIGNS);
  CU_ASSERT_EQUAL(credential.expires_wall_ms, -1);
  CU_ASSERT_PTR_NOT_NULL(strstr(credential.description, "AWS_SECRET_ACCESS_KEY"));
  const mloom_header type = {.size = (uint32_t)sizeof(type), .name = "Content-Type", .value = "application/json"};
  const mloom_header *const headers[] = {&type};
  const mloom_bytes body = {BODY, strlen(BODY)};
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .method = "POST",
                                      .url = url,
                                      .headers = headers,
                                      .header_count = 1,
                                      .body = &body,
                                      .body_count = 1};
  const mloom_header_sink sink = {.size = (uint32_t)sizeof(sink), .userdata = log, .header = record};
  int32_t code = self->source->authorize(self->instance, &args, &credential, &request, &sink, &self->error);
  mloom_secret_unref(credential.secret);
  return code;
}

static void test_signature(void) {
  fixture self;
  begin(&self);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer plain = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer with_token = MLOOM_BUFFER_INIT;
  const mloom_settings settings = {"AKIDEXAMPLE", self.secret, NULL};
  UNIT_ASSERT_CODE(sign(&self, &settings, "bedrock/us-east-1",
                        ORIGIN "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", &plain),
                   MLOOM_OK, &self.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&plain),
                     "X-Amz-Date: 20260102T030405Z\n"
                     "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, "
                     "SignedHeaders=content-type;host;x-amz-date, "
                     "Signature=84fa76ae5afcd24a61f4bd185f8262cf52b639a7cefd9e2a826841d9fc6c2a0c\n");
  const mloom_settings temporary = {"AKIDEXAMPLE", self.secret, self.token};
  UNIT_ASSERT_CODE(
      sign(&self, &temporary, "bedrock/us-east-1", ORIGIN "/model/" PROFILE "/converse-stream", &with_token), MLOOM_OK,
      &self.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&with_token),
                     "X-Amz-Date: 20260102T030405Z\n"
                     "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, "
                     "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
                     "Signature=69c9a53a26a325ae86408a654f9d6d44fbb56664cf9e2f4e224df6d4602b209a\n"
                     "X-Amz-Security-Token: SESSIONTOKEN\n");
  end(&self);
}

static void test_audience(void) {
  fixture self;
  begin(&self);
  const mloom_settings settings = {"AKIDEXAMPLE", self.secret, NULL};
  const char *const wrong[] = {NULL, "", "bedrock", "bedrock/", "/us-east-1", "bedrock/us-east-1/more"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
    CU_ASSERT_EQUAL(sign(&self, &settings, wrong[i], ORIGIN "/", &log), MLOOM_E_INVALID);
    UNIT_ASSERT_STRING(mloom_buffer_string(&log), "");
    CU_ASSERT_PTR_NULL(strstr(self.error.message, EXAMPLE_SECRET));
  }
  end(&self);
}

static const unit_test tests[] = {
    {"a key applies when it is whole", test_probe},
    {"requests are signed", test_signature},
    {"an audience is SERVICE/REGION", test_audience},
};
UNIT_MAIN("credential-aws", tests)
