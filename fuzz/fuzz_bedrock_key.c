/* SPDX-License-Identifier: Apache-2.0
 *
 * Short-term API keys of Bedrock. What is said of one is plain text, and never holds its signature.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws-bedrock/aws_bedrock.h"
#include "base/base64.h"
#include "base/clock.h"
#include "plugin/host.h"
#include "secret/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PREFIX "bedrock-api-key-"

/* The settings of a provider that has one. */
struct mloom_settings {
  const mloom_secret *key;
};

static int32_t get_setting(const mloom_settings *settings, const char *name, mloom_setting *out) {
  if (strcmp(name, "bearer_token") != 0) {
    return MLOOM_E_NOT_FOUND;
  }
  out->secret = settings->key;
  return MLOOM_OK;
}

static void report(const char *name, uint32_t state, const char *reason, const char *remedy, void *userdata) {
  (void)name;
  (void)state;
  *(int *)userdata += 1;
  for (const char *at = reason; *at != '\0'; at++) {
    if (!isprint((unsigned char)*at)) {
      abort();
    }
  }
  if (reason[0] == '\0' || remedy[0] == '\0') {
    abort();
  }
}

/* The first byte chooses whether the rest is the key as it is written, or the address that is within. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_secret *key = NULL;
  int said = 0;
  if (size == 0 || mloom_buffer_append_string(&text, PREFIX) != MLOOM_OK ||
      (data[0] % 2 == 0 ? mloom_base64_append(&text, data + 1, size - 1)
                        : mloom_buffer_append(&text, (const char *)data + 1, size - 1)) != MLOOM_OK ||
      mloom_secret_new(&key, text.data, text.size, NULL) != MLOOM_OK) {
    mloom_buffer_free(&text);
    return 0;
  }
  const mloom_settings settings = {key};
  mloom_host_services services = {.clock = mloom_clock_system(), .setting_get = get_setting};
  mloom_host host;
  mloom_host_init(&host, &services);
  char region[] = "us-east-1";
  const bedrock_instance instance = {.service = {.settings = {&host, &settings}}, .region = region};
  const mloom_probe_sink sink = {.size = (uint32_t)sizeof(sink), .userdata = &said, .check = report};
  if (bedrock_check_bearer_key(&instance, &sink) != said) {
    abort();
  }
  mloom_secret_unref(key);
  mloom_buffer_free(&text);
  return 0;
}
