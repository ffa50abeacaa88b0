/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/crypto.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "secret/derivation.h"
#include "secret/identity.h"
#include "secret/secret.h"

#define SPARE_CONTEXTS 4
#define SHA256_BLOCK 64

struct mloom_crypto_engine {
  /* Fetched by who needs them first: it takes OpenSSL a millisecond to begin, which many jobs never need. */
  _Atomic(EVP_MD *) sha1;
  _Atomic(EVP_MD *) sha256;
  /* Making a context costs as much as hashing a short text. */
  _Atomic(EVP_MD_CTX *) spares[SPARE_CONTEXTS];
  mloom_crypto table;
};

MLOOM_DEFINE_AUTO(EVP_MD_CTX, EVP_MD_CTX_free)
MLOOM_DEFINE_AUTO(EVP_PKEY, EVP_PKEY_free)
MLOOM_DEFINE_AUTO(X509, X509_free)
MLOOM_DEFINE_AUTO(BIO, BIO_free_all)

/* NULL when OpenSSL has no such thing. */
static const EVP_MD *get_algorithm(_Atomic(EVP_MD *) *place, const char *name) {
  EVP_MD *found = atomic_load(place);
  if (found == NULL) {
    EVP_MD *fetched = EVP_MD_fetch(NULL, name, NULL);
    if (fetched != NULL && !atomic_compare_exchange_strong(place, &found, fetched)) {
      EVP_MD_free(fetched); /* another thread was faster: found is its */
    } else {
      found = fetched;
    }
  }
  return found;
}

static const EVP_MD *get_sha1(mloom_crypto_engine *engine) {
  return get_algorithm(&engine->sha1, "SHA1");
}

static const EVP_MD *get_sha256(mloom_crypto_engine *engine) {
  return get_algorithm(&engine->sha256, "SHA256");
}

static EVP_MD_CTX *take_context(mloom_crypto_engine *engine) {
  for (size_t i = 0; i < SPARE_CONTEXTS; i++) {
    EVP_MD_CTX *context = atomic_exchange(&engine->spares[i], NULL);
    if (context != NULL) {
      return context;
    }
  }
  return EVP_MD_CTX_new();
}

static void give_context(mloom_crypto_engine *engine, EVP_MD_CTX *context) {
  for (size_t i = 0; i < SPARE_CONTEXTS; i++) {
    EVP_MD_CTX *none = NULL;
    if (atomic_compare_exchange_strong(&engine->spares[i], &none, context)) {
      return;
    }
  }
  EVP_MD_CTX_free(context);
}

/* Finished digests leave nothing of what was hashed in context. */
static int hash(EVP_MD_CTX *context, const EVP_MD *algorithm, mloom_bytes before, const mloom_bytes *pieces,
                size_t piece_count, uint8_t *out) {
  int ok = EVP_DigestInit_ex2(context, algorithm, NULL);
  if (before.size > 0) {
    ok = ok == 1 ? EVP_DigestUpdate(context, before.data, before.size) : ok;
  }
  for (size_t i = 0; ok == 1 && i < piece_count; i++) {
    ok = EVP_DigestUpdate(context, pieces[i].data, pieces[i].size);
  }
  return ok == 1 && EVP_DigestFinal_ex(context, out, NULL) == 1;
}

static int32_t digest(mloom_crypto_engine *engine, const EVP_MD *algorithm, const mloom_bytes *pieces,
                      size_t piece_count, uint8_t *out) {
  if (algorithm == NULL) {
    return MLOOM_E_UNSUPPORTED;
  }
  EVP_MD_CTX *context = take_context(engine);
  if (context == NULL) {
    return MLOOM_E_MEMORY;
  }
  if (!hash(context, algorithm, (mloom_bytes){NULL, 0}, pieces, piece_count, out)) {
    EVP_MD_CTX_free(context);
    return MLOOM_E_INTERNAL;
  }
  give_context(engine, context);
  return MLOOM_OK;
}

static int32_t crypto_sha256(void *ctx, const mloom_bytes *pieces, size_t piece_count, uint8_t out[MLOOM_SHA256_SIZE]) {
  mloom_crypto_engine *engine = ctx;
  return digest(engine, get_sha256(engine), pieces, piece_count, out);
}

static int32_t crypto_sha1(void *ctx, const mloom_bytes *pieces, size_t piece_count, uint8_t out[20]) {
  mloom_crypto_engine *engine = ctx;
  return digest(engine, get_sha1(engine), pieces, piece_count, out);
}

/* RFC 2104. OpenSSL's own contexts for it hold the key as long as they live, so that none could be kept. */
static int32_t crypto_hmac_sha256(void *ctx, const void *key, size_t key_size, const mloom_bytes *pieces,
                                  size_t piece_count, uint8_t out[MLOOM_SHA256_SIZE]) {
  mloom_crypto_engine *engine = ctx;
  char inner_key[SHA256_BLOCK];
  char outer_key[SHA256_BLOCK];
  uint8_t block[SHA256_BLOCK] = {0};
  mloom_bytes whole_key = {key, key_size};
  int32_t code = MLOOM_OK;
  if (key_size > sizeof(block)) {
    code = digest(engine, get_sha256(engine), &whole_key, 1, block);
  } else if (key_size > 0) {
    memcpy(block, key, key_size);
  }
  EVP_MD_CTX *context = code == MLOOM_OK ? take_context(engine) : NULL;
  if (context == NULL) {
    explicit_bzero(block, sizeof(block));
    return code == MLOOM_OK ? MLOOM_E_MEMORY : code;
  }
  for (size_t i = 0; i < sizeof(block); i++) {
    inner_key[i] = (char)(block[i] ^ 0x36);
    outer_key[i] = (char)(block[i] ^ 0x5c);
  }
  union {
    uint8_t bytes[MLOOM_SHA256_SIZE];
    char text[MLOOM_SHA256_SIZE];
  } inner;
  const mloom_bytes inner_hash = {inner.text, sizeof(inner)};
  int ok = hash(context, get_sha256(engine), (mloom_bytes){inner_key, sizeof(inner_key)}, pieces, piece_count,
                inner.bytes) &&
           hash(context, get_sha256(engine), (mloom_bytes){outer_key, sizeof(outer_key)}, &inner_hash, 1, out);
  explicit_bzero(block, sizeof(block));
  explicit_bzero(inner_key, sizeof(inner_key));
  explicit_bzero(outer_key, sizeof(outer_key));
  explicit_bzero(&inner, sizeof(inner));
  if (!ok) {
    EVP_MD_CTX_free(context);
    return MLOOM_E_INTERNAL;
  }
  give_context(engine, context);
  return MLOOM_OK;
}

/* An empty pass phrase, so that an encrypted key is refused and nobody is asked for one on a terminal. */
static int no_pass_phrase(char *buffer, int size, int writing, void *userdata) {
  (void)writing;
  (void)userdata;
  if (size > 0) {
    buffer[0] = '\0';
  }
  return 0;
}

static int32_t sign_rsa(mloom_crypto_engine *engine, int padding, const mloom_secret *private_key, const char *data,
                        size_t data_size, uint8_t *out, size_t *out_size, mloom_error *error) {
  mloom_bytes pem = mloom_secret_bytes(private_key);
  MLOOM_AUTO(BIO_free_all_auto) BIO *source = BIO_new_mem_buf(pem.data, (int)pem.size);
  MLOOM_AUTO(EVP_MD_CTX_free_auto) EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (source == NULL || context == NULL) {
    return mloom_error_memory(error);
  }
  /* Of an encrypted key even the empty pass phrase would be hashed, as often as the key says. */
  int is_encrypted = mloom_derivation_pem_rounds(pem.data, pem.size) > 0;
  MLOOM_AUTO(EVP_PKEY_free_auto)
  EVP_PKEY *key = is_encrypted ? NULL : PEM_read_bio_PrivateKey(source, NULL, no_pass_phrase, NULL);
  if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                           "give an RSA private key in PEM that is not encrypted", "the private key cannot be read");
  }
  if (*out_size < (size_t)EVP_PKEY_get_size(key)) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_CREDENTIAL, "use a key of at most 4096 bits",
                           "the private key has %d bits", EVP_PKEY_get_bits(key));
  }
  EVP_PKEY_CTX *parameters = NULL;
  int ok = EVP_DigestSignInit(context, &parameters, get_sha256(engine), NULL, key) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(parameters, padding) == 1;
  if (ok && padding == RSA_PKCS1_PSS_PADDING) {
    ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  ok = ok && EVP_DigestSign(context, out, out_size, (const unsigned char *)data, data_size) == 1;
  return ok ? MLOOM_OK
            : mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                              "give an RSA private key of at least 2048 bits", "signing with the private key failed");
}

static int32_t crypto_sign_rs256(void *ctx, const mloom_secret *private_key, const char *data, size_t data_size,
                                 uint8_t *out, size_t *out_size, mloom_error *error) {
  return sign_rsa(ctx, RSA_PKCS1_PADDING, private_key, data, data_size, out, out_size, error);
}

static int32_t crypto_sign_ps256(void *ctx, const mloom_secret *private_key, const char *data, size_t data_size,
                                 uint8_t *out, size_t *out_size, mloom_error *error) {
  return sign_rsa(ctx, RSA_PKCS1_PSS_PADDING, private_key, data, data_size, out, out_size, error);
}

static int32_t crypto_read_certificate(void *ctx, const char *pem, size_t pem_size, char **der, size_t *der_size,
                                       uint8_t sha1[20], uint8_t sha256[MLOOM_SHA256_SIZE], mloom_error *error) {
  mloom_crypto_engine *engine = ctx;
  MLOOM_AUTO(BIO_free_all_auto) BIO *source = pem_size <= INT32_MAX ? BIO_new_mem_buf(pem, (int)pem_size) : NULL;
  if (source == NULL) {
    return mloom_error_memory(error);
  }
  MLOOM_AUTO(X509_free_auto) X509 *certificate = PEM_read_bio_X509(source, NULL, no_pass_phrase, NULL);
  int length = certificate == NULL ? -1 : i2d_X509(certificate, NULL);
  if (length <= 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "give an X.509 certificate in PEM",
                           "the certificate cannot be read");
  }
  MLOOM_AUTO(mloom_auto_free) unsigned char *encoded = malloc((size_t)length);
  if (encoded == NULL) {
    return mloom_error_memory(error);
  }
  unsigned char *end = encoded;
  (void)i2d_X509(certificate, &end);
  mloom_bytes bytes = {(const char *)encoded, (size_t)length};
  int32_t code = digest(engine, get_sha1(engine), &bytes, 1, sha1);
  if (code == MLOOM_OK) {
    code = digest(engine, get_sha256(engine), &bytes, 1, sha256);
  }
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the certificate cannot be hashed");
  }
  *der = (char *)MLOOM_STEAL(encoded);
  *der_size = (size_t)length;
  return MLOOM_OK;
}

static int32_t crypto_read_identity(void *ctx, const char *data, size_t size, const mloom_secret *password,
                                    mloom_secret **out, mloom_error *error) {
  (void)ctx;
  return mloom_identity_read(data, size, password, out, error);
}

int32_t mloom_crypto_engine_new(mloom_crypto_engine **out, mloom_error *error) {
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = calloc(1, sizeof(*engine));
  if (engine == NULL) {
    return mloom_error_memory(error);
  }
  engine->table = (mloom_crypto){
      .size = (uint32_t)sizeof(engine->table),
      .ctx = engine,
      .sha256 = crypto_sha256,
      .hmac_sha256 = crypto_hmac_sha256,
      .sign_rs256 = crypto_sign_rs256,
      .sign_ps256 = crypto_sign_ps256,
      .read_certificate = crypto_read_certificate,
      .sha1 = crypto_sha1,
      .read_identity = crypto_read_identity,
  };
  *out = MLOOM_STEAL(engine);
  return MLOOM_OK;
}

void mloom_crypto_engine_free(mloom_crypto_engine *engine) {
  if (engine == NULL) {
    return;
  }
  EVP_MD_free(atomic_load(&engine->sha1));
  EVP_MD_free(atomic_load(&engine->sha256));
  for (size_t i = 0; i < SPARE_CONTEXTS; i++) {
    EVP_MD_CTX_free(atomic_load(&engine->spares[i]));
  }
  free(engine);
}

const mloom_crypto *mloom_crypto_engine_table(const mloom_crypto_engine *engine) {
  return &engine->table;
}
