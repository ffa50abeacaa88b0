/* SPDX-License-Identifier: Apache-2.0
 *
 * What an application with a certificate says of itself (RFC 7523), signed with the certificate's key.
 */
#include "config.h"

#include "azure.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "wire/jwt.h"
#include <mergeloom/crypto.h>

#define LIFE_S 600
#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

/* Appends "x5c":[...]: the certificates of the file, without what PEM puts around them. */
static int32_t add_chain(mloom_buffer *header, mloom_bytes pem) {
  const char *at = pem.data;
  const char *end = pem.data + pem.size;
  int32_t code = mloom_json_write_name(header, "x5c");
  code = code != MLOOM_OK ? code : mloom_buffer_append_char(header, '[');
  while (code == MLOOM_OK && (at = memmem(at, (size_t)(end - at), BEGIN, strlen(BEGIN))) != NULL) {
    at += strlen(BEGIN);
    const char *stop = memmem(at, (size_t)(end - at), END, strlen(END));
    if (stop == NULL) {
      break;
    }
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
    for (; code == MLOOM_OK && at < stop; at++) {
      code = *at > 0x20 && *at < 0x7f ? mloom_buffer_append_char(&text, *at) : MLOOM_OK;
    }
    if (code == MLOOM_OK && header->data[header->size - 1] != '[') {
      code = mloom_buffer_append_char(header, ',');
    }
    code = code != MLOOM_OK ? code : mloom_json_write_string(header, mloom_buffer_string(&text), text.size);
  }
  return code != MLOOM_OK ? code : mloom_buffer_append_char(header, ']');
}

static int32_t write_header(mloom_buffer *out, const mloom_host *host, const mloom_crypto *crypto, mloom_bytes pem,
                            int with_chain, mloom_error *error) {
  char *der = NULL;
  size_t der_size = 0;
  uint8_t sha1[20];
  uint8_t sha256[MLOOM_SHA256_SIZE];
  int32_t code = crypto->read_certificate(crypto->ctx, pem.data, pem.size, &der, &der_size, sha1, sha256, error);
  if (code != MLOOM_OK) {
    return code;
  }
  host->free(host->ctx, der);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer thumbprint = MLOOM_BUFFER_INIT;
  if (mloom_base64_append_url(&thumbprint, sha256, sizeof(sha256)) != MLOOM_OK ||
      mloom_buffer_append_format(out, "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"%s\"", thumbprint.data) !=
          MLOOM_OK ||
      (with_chain && add_chain(out, pem) != MLOOM_OK) || mloom_buffer_append_char(out, '}') != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static int32_t write_claims(mloom_buffer *out, const mloom_host *host, const char *client, const char *audience,
                            int64_t now_s, mloom_error *error) {
  uint8_t id[16];
  if (host->random(host->ctx, id, sizeof(id)) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_SYSTEM, NULL, "the system gave no random numbers");
  }
  /* A version 4 UUID: what the vendor's own libraries send. */
  id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
  id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
  char uuid[37] = "";
  size_t at = 0;
  for (size_t i = 0; i < sizeof(id); i++) {
    at += (size_t)snprintf(uuid + at, sizeof(uuid) - at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                           id[i]);
  }
  if (mloom_buffer_append_char(out, '{') != MLOOM_OK ||
      mloom_json_write_member(out, "aud", audience, strlen(audience)) != MLOOM_OK ||
      mloom_json_write_member(out, "iss", client, strlen(client)) != MLOOM_OK ||
      mloom_json_write_member(out, "sub", client, strlen(client)) != MLOOM_OK ||
      mloom_json_write_member(out, "jti", uuid, strlen(uuid)) != MLOOM_OK ||
      mloom_buffer_append_format(out, ",\"nbf\":%" PRId64 ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}", now_s, now_s,
                                 now_s + LIFE_S) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

int32_t mloom_azure_sign_assertion(mloom_buffer *out, const mloom_host *host, const mloom_secret *identity,
                                   const char *client, const char *audience, int with_chain, int64_t now_s,
                                   mloom_error *error) {
  const mloom_crypto *crypto = host->get_interface(host->ctx, MLOOM_CRYPTO_INTERFACE);
  if (crypto == NULL) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL, "use a client secret",
                           "the host offers no cryptography to sign with a certificate's key");
  }
  mloom_bytes pem = {NULL, 0};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer header = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer claims = MLOOM_BUFFER_INIT;
  int32_t code = host->secret_borrow(host->ctx, identity, &pem, error);
  code = code != MLOOM_OK ? code : write_header(&header, host, crypto, pem, with_chain, error);
  code = code != MLOOM_OK ? code : write_claims(&claims, host, client, audience, now_s, error);
  if (code != MLOOM_OK) {
    return code;
  }
  return mloom_jwt_sign(out, host, MLOOM_JWT_PS256, (mloom_bytes){header.data, header.size},
                        (mloom_bytes){claims.data, claims.size}, identity, error);
}
