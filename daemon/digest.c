/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"

int32_t digest_text(char out[DIGEST_TEXT_SIZE], mloom_bytes data, mloom_error *error) {
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  uint8_t bytes[MLOOM_SHA256_SIZE];
  int32_t code = mloom_crypto_engine_new(&engine, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_crypto *table = mloom_crypto_engine_table(engine);
  code = table->sha256(table->ctx, &data, 1, bytes);
  for (size_t i = 0; i < sizeof bytes; i++) {
    snprintf(out + 2 * i, 3, "%02x", bytes[i]);
  }
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}
