/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "plugin/host.h"
#include "secret/secret.h"
#include "wire/token_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_host_services services = {0};
  mloom_host host;
  mloom_token_answer answer;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_host_init(&host, &services);
  int32_t code = mloom_token_answer_read(&answer, &host, (mloom_bytes){(const char *)data, size}, &error);
  (void)mloom_token_answer_expiry(&answer, 0);
  /* What is taken for a token goes into a header. */
  if (code == MLOOM_OK && answer.token != NULL) {
    mloom_bytes token = mloom_secret_bytes(answer.token);
    if (token.size == 0 || memchr(token.data, '\n', token.size) != NULL ||
        memchr(token.data, '\r', token.size) != NULL) {
      __builtin_trap();
    }
  }
  mloom_token_answer_free(&answer, &host);
  return 0;
}
