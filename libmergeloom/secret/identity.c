/* SPDX-License-Identifier: Apache-2.0
 *
 * A private key with its certificates, in whatever form it is kept: PEM, encrypted or not, and PKCS #12.
 */
#include "secret/identity.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "secret/derivation.h"

#define CERTIFICATES_LIMIT 32

MLOOM_DEFINE_AUTO(BIO, BIO_free_all)
MLOOM_DEFINE_AUTO(EVP_PKEY, EVP_PKEY_free)
MLOOM_DEFINE_AUTO(X509, X509_free)
MLOOM_DEFINE_AUTO(PKCS12, PKCS12_free)

static void free_stack(STACK_OF(X509) * *stack) {
  sk_X509_pop_free(*stack, X509_free);
}

static const char *password_text(const mloom_secret *password) {
  return password == NULL ? NULL : mloom_secret_bytes(password).data;
}

/* Nobody is asked on a terminal. */
static int give_password(char *buffer, int size, int writing, void *userdata) {
  const char *text = userdata;
  size_t length = text == NULL ? 0 : strlen(text);
  (void)writing;
  if (size <= 0 || length > (size_t)size) {
    return 0;
  }
  memcpy(buffer, text == NULL ? "" : text, length);
  return (int)length;
}

static int32_t refuse(mloom_error *error, const char *remedy, const char *what) {
  ERR_clear_error();
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, remedy, "%s", what);
}

static int32_t refuse_password(mloom_error *error, const mloom_secret *password) {
  return password == NULL ? refuse(error, "give its password", "the private key is encrypted")
                          : refuse(error, "correct the password", "the private key does not open with the password");
}

static int32_t check_rounds(uint64_t rounds, mloom_error *error) {
  return rounds <= MLOOM_DERIVATION_LIMIT
             ? MLOOM_OK
             : refuse(error, "make the file anew with fewer rounds: openssl pkcs12 -export -iter 600000",
                      "the file wants its password hashed more often than a key file needs");
}

static int32_t write_key(BIO *out, EVP_PKEY *key, mloom_error *error) {
  return PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 ? MLOOM_OK : mloom_error_memory(error);
}

/* ---- PEM ---- */

static int32_t copy_pem(BIO *out, const char *data, size_t size, const mloom_secret *password, mloom_error *error) {
  MLOOM_AUTO(BIO_free_all_auto) BIO *keys = BIO_new_mem_buf(data, (int)size);
  MLOOM_AUTO(BIO_free_all_auto) BIO *certificates = BIO_new_mem_buf(data, (int)size);
  if (keys == NULL || certificates == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = check_rounds(mloom_derivation_pem_rounds(data, size), error);
  if (code != MLOOM_OK) {
    return code;
  }
  union {
    const char *text;
    void *userdata;
  } cast = {.text = password_text(password)};
  MLOOM_AUTO(EVP_PKEY_free_auto) EVP_PKEY *key = PEM_read_bio_PrivateKey(keys, NULL, give_password, cast.userdata);
  if (key == NULL) {
    return memmem(data, size, "ENCRYPTED", 9) != NULL
               ? refuse_password(error, password)
               : refuse(error, "put a private key into the file", "the file holds no private key");
  }
  code = write_key(out, key, error);
  int count = 0;
  for (; code == MLOOM_OK && count < CERTIFICATES_LIMIT; count++) {
    MLOOM_AUTO(X509_free_auto) X509 *certificate = PEM_read_bio_X509(certificates, NULL, give_password, NULL);
    if (certificate == NULL) {
      break;
    }
    code = PEM_write_bio_X509(out, certificate) == 1 ? MLOOM_OK : mloom_error_memory(error);
  }
  ERR_clear_error(); /* of the end of the file */
  return code != MLOOM_OK || count > 0
             ? code
             : refuse(error, "put the certificate beside the private key", "the file holds no certificate");
}

/* ---- PKCS #12 ---- */

static int32_t copy_store(BIO *out, PKCS12 *store, const mloom_secret *password, mloom_error *error) {
  MLOOM_AUTO(EVP_PKEY_free_auto) EVP_PKEY *key = NULL;
  MLOOM_AUTO(X509_free_auto) X509 *certificate = NULL;
  MLOOM_AUTO(free_stack) STACK_OF(X509) *others = NULL;
  const char *text = password_text(password);
  int32_t code = check_rounds(mloom_derivation_mac_rounds(store), error);
  if (code != MLOOM_OK) {
    return code;
  }
  /* No password and an empty one are not the same in this format, and both are in use. */
  if (text == NULL && PKCS12_verify_mac(store, NULL, 0) != 1) {
    text = "";
  }
  if (PKCS12_verify_mac(store, text, -1) != 1 && PKCS12_mac_present(store)) {
    return refuse_password(error, password);
  }
  code = check_rounds(mloom_derivation_store_rounds(store, text), error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (PKCS12_parse(store, text, &key, &certificate, &others) != 1) {
    return refuse(error, "make the file anew, with a cipher of today: openssl pkcs12 -export",
                  "the PKCS #12 file cannot be opened: its password is another one, or its cipher is outdated");
  }
  if (key == NULL || certificate == NULL) {
    return refuse(error, "export the certificate together with its private key",
                  "the PKCS #12 file holds no private key with a certificate");
  }
  code = write_key(out, key, error);
  if (code == MLOOM_OK && PEM_write_bio_X509(out, certificate) != 1) {
    code = mloom_error_memory(error);
  }
  for (int i = 0; code == MLOOM_OK && i < sk_X509_num(others) && i < CERTIFICATES_LIMIT; i++) {
    code = PEM_write_bio_X509(out, sk_X509_value(others, i)) == 1 ? MLOOM_OK : mloom_error_memory(error);
  }
  return code;
}

int32_t mloom_identity_read(const char *data, size_t size, const mloom_secret *password, mloom_secret **out,
                            mloom_error *error) {
  MLOOM_AUTO(BIO_free_all_auto) BIO *text = BIO_new(BIO_s_secmem());
  *out = NULL;
  if (text == NULL || size > INT_MAX) {
    return mloom_error_memory(error);
  }
  const unsigned char *at = (const unsigned char *)data;
  MLOOM_AUTO(PKCS12_free_auto)
  PKCS12 *store = size > 0 && data[0] == 0x30 ? d2i_PKCS12(NULL, &at, (long)size) : NULL;
  ERR_clear_error();
  int32_t code = store != NULL ? copy_store(text, store, password, error) : copy_pem(text, data, size, password, error);
  ERR_clear_error(); /* of attempts that were not the last */
  if (code != MLOOM_OK) {
    return code;
  }
  char *bytes = NULL;
  long length = BIO_get_mem_data(text, &bytes); /* wiped when it is freed */
  return length <= 0 ? mloom_error_memory(error) : mloom_secret_new(out, bytes, (size_t)length, error);
}
