/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/derivation.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/cleanup.h"

#define NESTING_LIMIT 4

MLOOM_DEFINE_AUTO(BIO, BIO_free_all)
MLOOM_DEFINE_AUTO(X509_SIG, X509_SIG_free)
MLOOM_DEFINE_AUTO(PBEPARAM, PBEPARAM_free)
MLOOM_DEFINE_AUTO(PBE2PARAM, PBE2PARAM_free)
MLOOM_DEFINE_AUTO(PBKDF2PARAM, PBKDF2PARAM_free)
MLOOM_DEFINE_AUTO(SCRYPT_PARAMS, SCRYPT_PARAMS_free)

static void free_safes(STACK_OF(PKCS7) * *safes) {
  sk_PKCS7_pop_free(*safes, PKCS7_free);
}

static void free_bags(STACK_OF(PKCS12_SAFEBAG) * *bags) {
  sk_PKCS12_SAFEBAG_pop_free(*bags, PKCS12_SAFEBAG_free);
}

/* Everything above the limit counts as just above it, so that nothing overflows. */
static uint64_t bounded(uint64_t rounds) {
  return rounds > MLOOM_DERIVATION_LIMIT ? MLOOM_DERIVATION_LIMIT + 1 : rounds;
}

static uint64_t number_of(const ASN1_INTEGER *number) {
  int64_t value = 0;
  return number == NULL                                ? 1
         : ASN1_INTEGER_get_int64(&value, number) == 1 ? bounded((uint64_t)value)
                                                       : bounded(UINT64_MAX);
}

/* Of PBKDF2 and scrypt; what else there is cannot be used either. */
static uint64_t rounds_of_function(const X509_ALGOR *function) {
  int kind = OBJ_obj2nid(function->algorithm);
  MLOOM_AUTO(PBKDF2PARAM_free_auto)
  PBKDF2PARAM *hashing =
      kind == NID_id_pbkdf2 ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), function->parameter) : NULL;
  MLOOM_AUTO(SCRYPT_PARAMS_free_auto)
  SCRYPT_PARAMS *mixing =
      kind == NID_id_scrypt ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), function->parameter) : NULL;
  if (mixing != NULL) {
    return bounded(bounded(number_of(mixing->costParameter) * number_of(mixing->blockSize)) *
                   number_of(mixing->parallelizationParameter));
  }
  return hashing == NULL ? 0 : number_of(hashing->iter);
}

static uint64_t rounds_of(const X509_ALGOR *algorithm) {
  if (OBJ_obj2nid(algorithm->algorithm) == NID_pbes2) {
    MLOOM_AUTO(PBE2PARAM_free_auto)
    PBE2PARAM *scheme = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
    return scheme == NULL ? 0 : rounds_of_function(scheme->keyfunc);
  }
  MLOOM_AUTO(PBEPARAM_free_auto)
  PBEPARAM *scheme = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
  return scheme == NULL ? 0 : number_of(scheme->iter);
}

static uint64_t rounds_of_key(const X509_SIG *key) {
  const X509_ALGOR *algorithm = NULL;
  X509_SIG_get0(key, &algorithm, NULL);
  return rounds_of(algorithm);
}

/* ---- PEM ---- */

uint64_t mloom_derivation_pem_rounds(const char *data, size_t size) {
  MLOOM_AUTO(BIO_free_all_auto) BIO *source = size <= INT_MAX ? BIO_new_mem_buf(data, (int)size) : NULL;
  uint64_t rounds = source == NULL ? bounded(UINT64_MAX) : 0;
  size_t left = size + 1;
  /* A block that cannot be read does not hide those behind it. */
  while (rounds <= MLOOM_DERIVATION_LIMIT && BIO_ctrl_pending(source) > 0 && BIO_ctrl_pending(source) < left) {
    char *name = NULL;
    char *header = NULL;
    unsigned char *block = NULL;
    long block_size = 0;
    left = BIO_ctrl_pending(source);
    if (PEM_read_bio(source, &name, &header, &block, &block_size) == 1) {
      const unsigned char *at = block;
      MLOOM_AUTO(X509_SIG_free_auto) X509_SIG *key = d2i_X509_SIG(NULL, &at, block_size);
      rounds += key == NULL ? 0 : rounds_of_key(key);
      OPENSSL_free(name);
      OPENSSL_free(header);
      OPENSSL_clear_free(block, (size_t)block_size);
    }
  }
  ERR_clear_error();
  return rounds;
}

/* ---- PKCS #12 ---- */

uint64_t mloom_derivation_mac_rounds(const PKCS12 *store) {
  const ASN1_INTEGER *rounds = NULL;
  PKCS12_get0_mac(NULL, NULL, NULL, &rounds, store);
  return number_of(rounds);
}

static uint64_t rounds_of_bags(const STACK_OF(PKCS12_SAFEBAG) * bags, int depth) {
  uint64_t rounds = depth > NESTING_LIMIT ? bounded(UINT64_MAX) : 0;
  for (int i = 0; rounds <= MLOOM_DERIVATION_LIMIT && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
    const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
    int kind = PKCS12_SAFEBAG_get_nid(bag);
    if (kind == NID_pkcs8ShroudedKeyBag) {
      rounds += rounds_of_key(PKCS12_SAFEBAG_get0_pkcs8(bag));
    } else if (kind == NID_safeContentsBag) {
      rounds += rounds_of_bags(PKCS12_SAFEBAG_get0_safes(bag), depth + 1);
    }
  }
  return rounds;
}

uint64_t mloom_derivation_store_rounds(const PKCS12 *store, const char *password) {
  MLOOM_AUTO(free_safes) STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(store);
  /* As PKCS12_parse: without a check of the password, an empty one is none. */
  const char *tried = password != NULL && password[0] == '\0' && PKCS12_mac_present(store) != 1 ? NULL : password;
  uint64_t rounds = 0;
  for (int i = 0; rounds <= MLOOM_DERIVATION_LIMIT && i < sk_PKCS7_num(safes); i++) {
    PKCS7 *safe = sk_PKCS7_value(safes, i);
    MLOOM_AUTO(free_bags) STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    if (PKCS7_type_is_data(safe)) {
      bags = PKCS12_unpack_p7data(safe);
    } else if (PKCS7_type_is_encrypted(safe)) {
      rounds += rounds_of(safe->d.encrypted->enc_data->algorithm);
      bags = rounds <= MLOOM_DERIVATION_LIMIT ? PKCS12_unpack_p7encdata(safe, tried, -1) : NULL;
    }
    rounds += rounds_of_bags(bags, 0);
  }
  ERR_clear_error();
  return rounds;
}
