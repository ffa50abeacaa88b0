/* SPDX-License-Identifier: Apache-2.0
 *
 * Cryptography for plugins, so that none needs a library of its own for signing requests and tokens. Reached through
 * host->get_interface(host->ctx, MLOOM_CRYPTO_INTERFACE); NULL in a host that has none.
 */
#ifndef MERGELOOM_CRYPTO_H
#define MERGELOOM_CRYPTO_H

#include <mergeloom/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MLOOM_CRYPTO_INTERFACE "mergeloom.crypto.v1"

#define MLOOM_SHA256_SIZE 32

/* All functions are thread-safe and take ctx first. */
typedef struct mloom_crypto {
  uint32_t size;
  uint32_t flags;
  void *ctx;
  /* SHA-256 (FIPS 180-4) of the pieces, one after the other. MLOOM_E_MEMORY, MLOOM_E_INTERNAL: give up. */
  int32_t (*sha256)(void *ctx, const mloom_bytes *pieces, size_t piece_count, uint8_t out[MLOOM_SHA256_SIZE]);
  /* HMAC-SHA-256 (RFC 2104) of the pieces under key; errors as of sha256. */
  int32_t (*hmac_sha256)(void *ctx, const void *key, size_t key_size, const mloom_bytes *pieces, size_t piece_count,
                         uint8_t out[MLOOM_SHA256_SIZE]);
  /* RSASSA-PKCS1-v1_5 with SHA-256 of data (RS256 of RFC 7518), under the private key in PEM (PKCS #1 or PKCS #8, not
   * encrypted) that private_key holds. out_size is the room on entry and the length on return; 512 bytes suffice for
   * 4096 bits. MLOOM_E_INVALID: no usable key; MLOOM_E_LIMIT: no room. */
  int32_t (*sign_rs256)(void *ctx, const mloom_secret *private_key, const char *data, size_t data_size, uint8_t *out,
                        size_t *out_size, mloom_error *error);
  /* As above with RSASSA-PSS, SHA-256 and a salt of 32 bytes (PS256 of RFC 7518). */
  int32_t (*sign_ps256)(void *ctx, const mloom_secret *private_key, const char *data, size_t data_size, uint8_t *out,
                        size_t *out_size, mloom_error *error);
  /* The first certificate in PEM: its DER bytes and the SHA-1 and SHA-256 of them. *der comes from the host's
   * allocator: release it with host->free. MLOOM_E_INVALID. */
  int32_t (*read_certificate)(void *ctx, const char *pem, size_t pem_size, char **der, size_t *der_size,
                              uint8_t sha1[20], uint8_t sha256[MLOOM_SHA256_SIZE], mloom_error *error);
  /* SHA-1 of the pieces: for names and formats that others have settled on, never to protect anything. */
  int32_t (*sha1)(void *ctx, const mloom_bytes *pieces, size_t piece_count, uint8_t out[20]);
  /* A private key with its certificates, as they are kept in files: PEM, where the key may be encrypted, or PKCS #12
   * (PFX). password may be NULL. *out is the same as PEM that is not encrypted, as sign_... and read_certificate take
   * it: the key, its certificate, and then those that come along. The caller owns the reference. MLOOM_E_INVALID. */
  int32_t (*read_identity)(void *ctx, const char *data, size_t size, const mloom_secret *password, mloom_secret **out,
                           mloom_error *error);
} mloom_crypto;

#ifdef __cplusplus
}
#endif

#endif
