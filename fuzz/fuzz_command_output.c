/* SPDX-License-Identifier: Apache-2.0
 *
 * What a helper program prints. Whatever it is, a key that comes of it can stand in a header, and an error has a
 * message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "credential-command/output.h"
#include "plugin/host.h"
#include "secret/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
  if (!condition) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_host_services services = {.clock = mloom_clock_system()};
  mloom_host host;
  mloom_error error = MLOOM_ERROR_INIT;
  const mloom_secret *secret = NULL;
  int64_t expires_ms = 0;
  mloom_host_init(&host, &services);
  /* A copy of exactly that size shows every read behind its end. */
  char *copy = malloc(size == 0 ? 1 : size);
  memcpy(copy, data, size);
  int32_t code = mloom_command_output_read(&secret, &expires_ms, &host, (mloom_bytes){copy, size}, 1000, &error);
  free(copy);
  if (code != MLOOM_OK) {
    require(secret == NULL && error.code == code && error.message[0] != '\0');
    return 0;
  }
  mloom_bytes key = mloom_secret_bytes(secret);
  require(key.size > 0 && expires_ms >= -1);
  for (size_t i = 0; i < key.size; i++) {
    require(key.data[i] > 0x20 && key.data[i] < 0x7f);
  }
  mloom_secret_unref(secret);
  return 0;
}
