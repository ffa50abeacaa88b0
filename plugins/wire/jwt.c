/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "wire/jwt.h"

#include "base/base64.h"
#include "base/error.h"
#include <mergeloom/crypto.h>

/* Room for a key of 4096 bits. */
#define SIGNATURE_SIZE 512

int32_t mloom_jwt_sign(mloom_buffer *out, const mloom_host *host, uint32_t algorithm, mloom_bytes header,
                       mloom_bytes claims, const mloom_secret *private_key, mloom_error *error) {
  const mloom_crypto *crypto = host->get_interface(host->ctx, MLOOM_CRYPTO_INTERFACE);
  if (crypto == NULL) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL, "use another kind of credential",
                           "the host offers no cryptography to sign tokens with");
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer token = MLOOM_BUFFER_INIT;
  if (mloom_base64_append_url(&token, header.data, header.size) != MLOOM_OK ||
      mloom_buffer_append_char(&token, '.') != MLOOM_OK ||
      mloom_base64_append_url(&token, claims.data, claims.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  uint8_t signature[SIGNATURE_SIZE];
  size_t size = sizeof(signature);
  int32_t code = algorithm == MLOOM_JWT_PS256
                     ? crypto->sign_ps256(crypto->ctx, private_key, token.data, token.size, signature, &size, error)
                     : crypto->sign_rs256(crypto->ctx, private_key, token.data, token.size, signature, &size, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_buffer_append_char(&token, '.') != MLOOM_OK ||
      mloom_base64_append_url(&token, signature, size) != MLOOM_OK ||
      mloom_buffer_append_wiping(out, token.data, token.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}
