/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU of one signature of a request with a 5 KB body: OpenSSL with a key that is at hand and EVP objects that are used
 * again (hash of the body, hash of the canonical request, HMAC of the string to sign; the texts are made beforehand)
 * against mloom_sigv4_sign, which makes the texts too.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugin/host.h"
#include "secret/crypto.h"
#include "wire/sigv4.h"

#define BODY_SIZE 5120
/* Short rounds, of which the best counts: a signature takes microseconds, what else the machine does takes longer. */
#define SIGNATURES 100
#define ROUNDS 500

static char body[BODY_SIZE];

/* ---- The floor ---- */

typedef struct raw_openssl {
  EVP_MD *sha256;
  EVP_MD_CTX *digest;
  EVP_MAC_CTX *hmac;
  char canonical[1024];
  char to_sign[256];
  uint8_t key[32];
  uint8_t signature[32];
} raw_openssl;

static int raw_init(raw_openssl *raw) {
  EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
                             OSSL_PARAM_construct_end()};
  memset(raw, 0, sizeof(*raw));
  raw->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  raw->digest = EVP_MD_CTX_new();
  raw->hmac = algorithm == NULL ? NULL : EVP_MAC_CTX_new(algorithm);
  EVP_MAC_free(algorithm);
  snprintf(raw->canonical, sizeof(raw->canonical),
           "POST\n/model/anthropic.claude-sonnet-4-5-20250929-v1%%253A0/converse-stream\n\n"
           "accept:application/vnd.amazon.eventstream\ncontent-type:application/json\n"
           "host:bedrock-runtime.us-east-1.amazonaws.com\nx-amz-date:20261123T030507Z\n\n"
           "accept;content-type;host;x-amz-date\n%064d",
           0);
  snprintf(raw->to_sign, sizeof(raw->to_sign),
           "AWS4-HMAC-SHA256\n20261123T030507Z\n20261123/us-east-1/bedrock/aws4_request\n%064d", 0);
  return raw->sha256 != NULL && raw->digest != NULL && raw->hmac != NULL &&
         EVP_MAC_CTX_set_params(raw->hmac, parameters) == 1;
}

static void raw_free(raw_openssl *raw) {
  EVP_MD_free(raw->sha256);
  EVP_MD_CTX_free(raw->digest);
  EVP_MAC_CTX_free(raw->hmac);
}

static int raw_hash(raw_openssl *raw, const char *data, size_t size, uint8_t out[32]) {
  return EVP_DigestInit_ex2(raw->digest, raw->sha256, NULL) == 1 && EVP_DigestUpdate(raw->digest, data, size) == 1 &&
         EVP_DigestFinal_ex(raw->digest, out, NULL) == 1;
}

static int raw_sign(raw_openssl *raw) {
  uint8_t hash[32];
  size_t size = 0;
  return raw_hash(raw, body, sizeof(body), hash) && raw_hash(raw, raw->canonical, strlen(raw->canonical), hash) &&
         EVP_MAC_init(raw->hmac, raw->key, sizeof(raw->key), NULL) == 1 &&
         EVP_MAC_update(raw->hmac, (const unsigned char *)raw->to_sign, strlen(raw->to_sign)) == 1 &&
         EVP_MAC_final(raw->hmac, raw->signature, &size, sizeof(raw->signature)) == 1;
}

/* ---- Ours ---- */

static int our_sign(mloom_sigv4 *signer) {
  static const mloom_header accept = {sizeof(accept), 0, "Accept", "application/vnd.amazon.eventstream", NULL};
  static const mloom_header type = {sizeof(type), 0, "Content-Type", "application/json", NULL};
  static const mloom_header *const headers[] = {&accept, &type};
  const mloom_bytes segment = {body, sizeof(body)};
  const mloom_http_request request = {
      .size = sizeof(request),
      .method = "POST",
      .url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/"
             "converse-stream",
      .headers = headers,
      .header_count = 2,
      .body = &segment,
      .body_count = 1};
  static const char secret[] = "test-key-not-a-secret-for-the-bench";
  const mloom_sigv4_identity identity = {"AKIDEXAMPLE", {secret, sizeof(secret) - 1}, {"", 0}};
  const mloom_sigv4_scope scope = {"us-east-1", "bedrock", INT64_C(1795403107000), 0};
  MLOOM_AUTO(mloom_sigv4_signature_free) mloom_sigv4_signature signature;
  return mloom_sigv4_sign(&signature, signer, &identity, &scope, &request, NULL) == MLOOM_OK;
}

/* ---- Measuring ---- */

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double smaller(double a, double b) {
  return a < b ? a : b;
}

static int measure(raw_openssl *raw, mloom_sigv4 *signer) {
  double floor_us = 1e9;
  double our_us = 1e9;
  for (int round = 0; round < ROUNDS; round++) {
    int good = 1;
    double start = cpu_seconds();
    for (int i = 0; good && i < SIGNATURES; i++) {
      good = raw_sign(raw);
    }
    double middle = cpu_seconds();
    for (int i = 0; good && i < SIGNATURES; i++) {
      good = our_sign(signer);
    }
    double end = cpu_seconds();
    if (!good) {
      return 0;
    }
    floor_us = smaller(floor_us, (middle - start) * 1e6 / SIGNATURES);
    our_us = smaller(our_us, (end - middle) * 1e6 / SIGNATURES);
  }
  printf("SigV4, 5 KB body: OpenSSL alone\t%.2f\tus\t\n", floor_us);
  printf("SigV4, 5 KB body: ours\t%.2f\tus\t\n", our_us);
  printf("  ours over OpenSSL alone\t%.2f\ttimes\t1.2\n", our_us / floor_us);
  return 1;
}

int main(void) {
  mloom_host_services services = {.clock = mloom_clock_system()};
  mloom_host host;
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  MLOOM_AUTO(mloom_sigv4_free_auto) mloom_sigv4 *signer = NULL;
  raw_openssl raw;
  memset(body, 'x', sizeof(body));
  int good = raw_init(&raw) && mloom_crypto_engine_new(&engine, NULL) == MLOOM_OK;
  if (good) {
    services.crypto = mloom_crypto_engine_table(engine);
    mloom_host_init(&host, &services);
    good = mloom_sigv4_new(&signer, &host, NULL) == MLOOM_OK && measure(&raw, signer);
  }
  raw_free(&raw);
  if (!good) {
    fprintf(stderr, "bench_sigv4: signing failed\n");
  }
  return good ? 0 : 1;
}
