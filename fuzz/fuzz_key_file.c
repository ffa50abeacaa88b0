/* SPDX-License-Identifier: Apache-2.0
 *
 * Files with private keys and certificates, PEM and PKCS #12, as operators name them in settings. The first byte
 * chooses what is done, and whether the rest is the file or what PEM holds. What opens is PEM that opens again without
 * a password; what signs gives a token of three parts. The key of the seeds is made of two Mersenne primes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "plugin/host.h"
#include "secret/crypto.h"
#include "secret/secret.h"
#include "wire/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL is no password; that of the seeds is the third. */
static const char *const passwords[] = {NULL, "", "test-word"};
#define PASSWORDS (sizeof(passwords) / sizeof(passwords[0]))
#define ACTIONS (PASSWORDS + 3)
/* What is around the bytes; none for the first. */
static const char *const types[] = {NULL, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "CERTIFICATE"};

static void require(int condition) {
  if (!condition) {
    abort();
  }
}

static void open_file(const mloom_crypto *crypto, const char *file, size_t size, const char *word) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_secret *password = NULL;
  mloom_secret *identity = NULL;
  mloom_secret *again = NULL;
  if (word != NULL) {
    require(mloom_secret_new(&password, word, strlen(word), NULL) == MLOOM_OK);
  }
  if (crypto->read_identity(crypto->ctx, file, size, password, &identity, &error) == MLOOM_OK) {
    mloom_bytes pem = mloom_secret_bytes(identity);
    require(crypto->read_identity(crypto->ctx, pem.data, pem.size, NULL, &again, &error) == MLOOM_OK);
  } else {
    require(identity == NULL && error.message[0] != '\0' && error.remedy[0] != '\0');
  }
  mloom_secret_unref(password);
  mloom_secret_unref(identity);
  mloom_secret_unref(again);
}

static void sign(const mloom_host *host, const char *file, size_t size, uint32_t algorithm) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_secret *key = NULL;
  mloom_buffer token = MLOOM_BUFFER_INIT;
  require(mloom_secret_new(&key, file, size, NULL) == MLOOM_OK);
  if (mloom_jwt_sign(&token, host, algorithm, (mloom_bytes){"{}", 2}, (mloom_bytes){"{}", 2}, key, &error) ==
      MLOOM_OK) {
    require(memchr(token.data, '.', token.size) != memrchr(token.data, '.', token.size));
  } else {
    require(token.size == 0 && error.message[0] != '\0' && error.remedy[0] != '\0');
  }
  mloom_buffer_free(&token);
  mloom_secret_unref(key);
}

static void read_certificate(const mloom_host *host, const mloom_crypto *crypto, const char *file, size_t size) {
  mloom_error error = MLOOM_ERROR_INIT;
  char *der = NULL;
  size_t der_size = 0;
  uint8_t sha1[20];
  uint8_t sha256[MLOOM_SHA256_SIZE];
  if (crypto->read_certificate(crypto->ctx, file, size, &der, &der_size, sha1, sha256, &error) == MLOOM_OK) {
    require(der_size > 0);
    host->free(host->ctx, der);
  } else {
    require(error.message[0] != '\0' && error.remedy[0] != '\0');
  }
}

static void write_file(mloom_buffer *out, const char *type, const uint8_t *data, size_t size) {
  mloom_buffer base64 = MLOOM_BUFFER_INIT;
  if (type == NULL) {
    require(mloom_buffer_append(out, (const char *)data, size) == MLOOM_OK);
    return;
  }
  require(mloom_base64_append(&base64, data, size) == MLOOM_OK &&
          mloom_buffer_append_format(out, "-----BEGIN %s-----\n", type) == MLOOM_OK);
  for (size_t at = 0; at < base64.size; at += 64) {
    size_t line = base64.size - at < 64 ? base64.size - at : 64;
    require(mloom_buffer_append_format(out, "%.*s\n", (int)line, base64.data + at) == MLOOM_OK);
  }
  require(mloom_buffer_append_format(out, "-----END %s-----\n", type) == MLOOM_OK);
  mloom_buffer_free(&base64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static mloom_crypto_engine *engine; /* as in a program: once */
  if (size == 0) {
    return 0;
  }
  if (engine == NULL) {
    require(mloom_crypto_engine_new(&engine, NULL) == MLOOM_OK);
  }
  const mloom_crypto *crypto = mloom_crypto_engine_table(engine);
  mloom_host_services services = {.clock = mloom_clock_system(), .crypto = crypto};
  mloom_host host;
  mloom_host_init(&host, &services);
  mloom_buffer text = MLOOM_BUFFER_INIT;
  write_file(&text, types[data[0] / ACTIONS % (sizeof(types) / sizeof(types[0]))], data + 1, size - 1);
  /* A copy of exactly that size shows every read behind its end. */
  char *file = malloc(text.size == 0 ? 1 : text.size);
  memcpy(file, mloom_buffer_string(&text), text.size);
  size_t action = data[0] % ACTIONS;
  if (action < PASSWORDS) {
    open_file(crypto, file, text.size, passwords[action]);
  } else if (action == PASSWORDS) {
    read_certificate(&host, crypto, file, text.size);
  } else {
    sign(&host, file, text.size, action == PASSWORDS + 1 ? MLOOM_JWT_RS256 : MLOOM_JWT_PS256);
  }
  free(file);
  mloom_buffer_free(&text);
  return 0;
}
