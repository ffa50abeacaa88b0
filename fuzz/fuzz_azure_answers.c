/* SPDX-License-Identifier: Apache-2.0
 *
 * What Azure answers: refusals of Entra, tokens, and the challenge of Azure Arc. The first byte chooses, the second is
 * a part of the status. Whatever comes, an error has a message, and no path leads out of the folder of keys.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "credential-azure/azure.h"
#include "plugin/host.h"
#include "secret/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEYS "/var/opt/azcmagent/tokens/"

static void require(int condition) {
  if (!condition) {
    abort();
  }
}

static void refuse(const mloom_host *host, int32_t status, mloom_bytes body) {
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = mloom_azure_refused(host, status, body, -1, status % 2 == 0 ? 0 : 3600000, &error);
  require(code < 0 && error.code == code && error.message[0] != '\0' && error.http_status == status);
}

static void take(const mloom_host *host, int by_moment, mloom_bytes body) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_azure_source source = {.host = host, .root = ""};
  const mloom_azure_fetch fetch = {.source = &source};
  mloom_credential credential = {.size = (uint32_t)sizeof(credential)};
  int32_t code = mloom_azure_take_token(&fetch, body, 1000, by_moment, &credential, &error);
  require(code == MLOOM_OK ? credential.secret != NULL && credential.expires_wall_ms >= 0 : error.message[0] != '\0');
  mloom_secret_unref(credential.secret);
}

static void challenge(mloom_bytes body) {
  char *text = malloc(body.size + 1);
  memcpy(text, body.data, body.size);
  text[body.size] = '\0';
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_buffer path = MLOOM_BUFFER_INIT;
  if (mloom_azure_arc_key_path(&path, "", text, &error) == MLOOM_OK) {
    require(strncmp(path.data, KEYS, strlen(KEYS)) == 0 && strchr(path.data + strlen(KEYS), '/') == NULL &&
            strlen(path.data) == path.size);
  } else {
    require(error.message[0] != '\0');
  }
  mloom_buffer_free(&path);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) {
    return 0;
  }
  mloom_host_services services = {.clock = mloom_clock_system()};
  mloom_host host;
  mloom_host_init(&host, &services);
  /* A copy of exactly that size shows every read behind its end. */
  size_t body_size = size - 2;
  char *copy = malloc(body_size == 0 ? 1 : body_size);
  memcpy(copy, data + 2, body_size);
  const mloom_bytes body = {copy, body_size};
  switch (data[0] % 4) {
  case 0:
    refuse(&host, 400 + data[1], body);
    break;
  case 3:
    challenge(body);
    break;
  default:
    take(&host, data[0] % 4 == 1, body);
  }
  free(copy);
  return 0;
}
