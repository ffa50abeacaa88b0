/* SPDX-License-Identifier: Apache-2.0 */
#include "sigv4_internal.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"

#define KEY_SLOTS 16u
#define SECRET_LIMIT 256u
#define TOKEN_LIMIT 16384u
#define NAME_LIMIT 128u

typedef struct key_slot {
  mloom_secret *key;    /* NULL: free */
  mloom_secret *source; /* the secret access key that it was derived from, for */
  char day[9];          /* this scope */
  char region[NAME_LIMIT + 1];
  char service[NAME_LIMIT + 1];
} key_slot;

struct mloom_sigv4 {
  const mloom_host *host;
  const mloom_crypto *crypto;
  pthread_mutex_t lock; /* of slots and next */
  key_slot slots[KEY_SLOTS];
  size_t next;
};

int32_t mloom_sigv4_new(mloom_sigv4 **out, const mloom_host *host, mloom_error *error) {
  *out = NULL;
  const mloom_crypto *crypto = host->get_interface(host->ctx, MLOOM_CRYPTO_INTERFACE);
  if (crypto == NULL || !MLOOM_HAS(crypto, mloom_crypto, hmac_sha256)) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL, NULL,
                           "this host gives plugins no cryptography to sign requests with");
  }
  mloom_sigv4 *signer = calloc(1, sizeof(*signer));
  if (signer == NULL) {
    return mloom_error_memory(error);
  }
  if (pthread_mutex_init(&signer->lock, NULL) != 0) {
    free(signer);
    return mloom_error_memory(error);
  }
  signer->host = host;
  signer->crypto = crypto;
  *out = signer;
  return MLOOM_OK;
}

static void free_slot(const mloom_host *host, key_slot *slot) {
  if (slot->key != NULL) {
    host->secret_unref(host->ctx, slot->key);
    host->secret_unref(host->ctx, slot->source);
  }
}

void mloom_sigv4_free(mloom_sigv4 *signer) {
  if (signer == NULL) {
    return;
  }
  for (size_t i = 0; i < KEY_SLOTS; i++) {
    free_slot(signer->host, &signer->slots[i]);
  }
  pthread_mutex_destroy(&signer->lock);
  free(signer);
}

void mloom_sigv4_signature_free(mloom_sigv4_signature *signature) {
  mloom_buffer_free(&signature->authorization);
}

/* ---- Text ---- */

/* Eight digits at a time: four bytes are spread over eight, each half of one becomes the number of a digit, and those
 * above nine are moved from behind '9' to 'a'. */
static void to_hex(const uint8_t bytes[MLOOM_SHA256_SIZE], char out[2 * MLOOM_SHA256_SIZE + 1]) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  for (size_t i = 0; i < MLOOM_SHA256_SIZE; i += 4) {
    uint64_t spread =
        (uint64_t)bytes[i] << 48 | (uint64_t)bytes[i + 1] << 32 | (uint64_t)bytes[i + 2] << 16 | (uint64_t)bytes[i + 3];
    uint64_t halves = (spread & UINT64_C(0x00f000f000f000f0)) << 4 | (spread & UINT64_C(0x000f000f000f000f));
    uint64_t above_nine = (halves + 6 * ones) >> 4 & ones;
    uint64_t digits = htobe64(halves + '0' * ones + above_nine * ('a' - '0' - 10));
    memcpy(out + 2 * i, &digits, sizeof(digits));
  }
  out[2 * MLOOM_SHA256_SIZE] = '\0';
}

/* Names of regions, services and keys go into the scope, where '/' and ',' separate. */
static int is_scope_name(const char *name) {
  if (name == NULL || name[0] == '\0' || strlen(name) > NAME_LIMIT) {
    return 0;
  }
  for (const char *c = name; *c != '\0'; c++) {
    if (!mloom_sigv4_is_unreserved(*c)) {
      return 0;
    }
  }
  return 1;
}

/* ---- Keys and signature ---- */

static int32_t hmac(const mloom_sigv4 *signer, const void *key, size_t key_size, mloom_bytes text,
                    uint8_t out[MLOOM_SHA256_SIZE]) {
  return signer->crypto->hmac_sha256(signer->crypto->ctx, key, key_size, &text, 1, out);
}

static int32_t derive_key(const mloom_sigv4 *signer, mloom_bytes secret, mloom_bytes date,
                          const mloom_sigv4_scope *scope, mloom_secret **out, mloom_error *error) {
  char first[4 + SECRET_LIMIT] = "AWS4";
  uint8_t key[MLOOM_SHA256_SIZE];
  memcpy(first + 4, secret.data, secret.size);
  int32_t code = hmac(signer, first, 4 + secret.size, date, key);
  explicit_bzero(first, sizeof(first));
  code = code != MLOOM_OK ? code : hmac(signer, key, sizeof(key), mloom_text_bytes(scope->region), key);
  code = code != MLOOM_OK ? code : hmac(signer, key, sizeof(key), mloom_text_bytes(scope->service), key);
  code = code != MLOOM_OK ? code : hmac(signer, key, sizeof(key), mloom_text_bytes("aws4_request"), key);
  if (code == MLOOM_OK) {
    union {
      uint8_t *bytes;
      char *text;
    } cast = {.bytes = key};
    code = signer->host->secret_new(signer->host->ctx, cast.text, sizeof(key), out, error);
  } else {
    code = mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the signing key cannot be derived");
  }
  explicit_bzero(key, sizeof(key));
  return code;
}

/* Takes as long for every secret of that size. */
static int is_same_secret(const mloom_host *host, const mloom_secret *kept, mloom_bytes secret) {
  mloom_bytes bytes = {NULL, 0};
  if (host->secret_borrow(host->ctx, kept, &bytes, NULL) != MLOOM_OK || bytes.size != secret.size) {
    return 0;
  }
  unsigned difference = 0;
  for (size_t i = 0; i < secret.size; i++) {
    difference |= (unsigned char)bytes.data[i] ^ (unsigned char)secret.data[i];
  }
  return difference == 0;
}

/* Takes the place of the oldest. */
static int32_t keep_key(mloom_sigv4 *signer, mloom_secret *key, mloom_bytes secret, const char *day,
                        const mloom_sigv4_scope *scope, mloom_error *error) {
  const mloom_host *host = signer->host;
  char copy[SECRET_LIMIT];
  key_slot fresh = {.key = key};
  memcpy(copy, secret.data, secret.size); /* wiped by secret_new */
  int32_t code = host->secret_new(host->ctx, copy, secret.size, &fresh.source, error);
  if (code != MLOOM_OK) {
    return code;
  }
  /* is_scope_name has looked at their lengths. */
  stpcpy(fresh.day, day);
  stpcpy(fresh.region, scope->region);
  stpcpy(fresh.service, scope->service);
  host->secret_ref(host->ctx, key);
  pthread_mutex_lock(&signer->lock);
  key_slot old = signer->slots[signer->next];
  signer->slots[signer->next] = fresh;
  signer->next = (signer->next + 1) % KEY_SLOTS;
  pthread_mutex_unlock(&signer->lock);
  free_slot(host, &old);
  return MLOOM_OK;
}

/* The key for the day, from the cache or derived. The caller owns a reference. */
static int32_t find_key(mloom_sigv4 *signer, mloom_bytes secret, const char *day, const mloom_sigv4_scope *scope,
                        mloom_secret **out, mloom_error *error) {
  const mloom_host *host = signer->host;
  *out = NULL;
  pthread_mutex_lock(&signer->lock);
  for (size_t i = 0; *out == NULL && i < KEY_SLOTS; i++) {
    const key_slot *slot = &signer->slots[i];
    if (slot->key != NULL && strcmp(slot->day, day) == 0 && strcmp(slot->region, scope->region) == 0 &&
        strcmp(slot->service, scope->service) == 0 && is_same_secret(host, slot->source, secret)) {
      *out = slot->key;
      host->secret_ref(host->ctx, *out);
    }
  }
  pthread_mutex_unlock(&signer->lock);
  if (*out != NULL) {
    return MLOOM_OK;
  }
  int32_t code = derive_key(signer, secret, mloom_text_bytes(day), scope, out, error);
  code = code == MLOOM_OK ? keep_key(signer, *out, secret, day, scope, error) : code;
  if (code != MLOOM_OK && *out != NULL) {
    host->secret_unref(host->ctx, *out);
    *out = NULL;
  }
  return code;
}

static int32_t check_identity(const mloom_sigv4_identity *identity, const mloom_sigv4_scope *scope,
                              mloom_error *error) {
  if (!is_scope_name(scope->region) || !is_scope_name(scope->service)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "set the region, for example us-east-1",
                           "a request cannot be signed for this region and service");
  }
  int ok = is_scope_name(identity->access_key_id) && identity->secret_access_key.size > 0 &&
           identity->secret_access_key.size <= SECRET_LIMIT && identity->session_token.size <= TOKEN_LIMIT;
  for (size_t i = 0; ok && i < identity->session_token.size; i++) {
    ok = identity->session_token.data[i] > ' ' && identity->session_token.data[i] < 127;
  }
  return ok ? MLOOM_OK
            : mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                              "check the access key id, the secret access key and the session token",
                              "the AWS key is malformed: empty, too long or with characters that no key has");
}

static char *write_two_digits(char *out, int number) {
  out[0] = (char)('0' + number / 10 % 10);
  out[1] = (char)('0' + number % 10);
  return out + 2;
}

/* As strftime would for "%Y%m%dT%H%M%SZ", which takes as long as hashing a kilobyte. */
static int32_t format_date(char out[17], int64_t wall_ms, mloom_error *error) {
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm parts;
  if (wall_ms < 0 || gmtime_r(&seconds, &parts) == NULL || parts.tm_year + 1900 > 9999) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "set the clock",
                           "the time cannot be written into a signature");
  }
  char *end = write_two_digits(out, (parts.tm_year + 1900) / 100);
  end = write_two_digits(end, parts.tm_year % 100);
  end = write_two_digits(end, parts.tm_mon + 1);
  end = write_two_digits(end, parts.tm_mday);
  *end++ = 'T';
  end = write_two_digits(end, parts.tm_hour);
  end = write_two_digits(end, parts.tm_min);
  end = write_two_digits(end, parts.tm_sec);
  memcpy(end, "Z", 2);
  return MLOOM_OK;
}

/* The signature of a text under the key for the scope. */
static int32_t sign_text(mloom_sigv4 *signer, mloom_bytes secret, const char *day, const mloom_sigv4_scope *scope,
                         const mloom_buffer *text, uint8_t out[MLOOM_SHA256_SIZE], mloom_error *error) {
  mloom_secret *key = NULL;
  int32_t code = find_key(signer, secret, day, scope, &key, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes bytes = {NULL, 0};
  code = signer->host->secret_borrow(signer->host->ctx, key, &bytes, error);
  if (code == MLOOM_OK) {
    code = hmac(signer, bytes.data, bytes.size, (mloom_bytes){text->data, text->size}, out);
  }
  signer->host->secret_unref(signer->host->ctx, key);
  return code == MLOOM_OK ? MLOOM_OK
                          : mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the request cannot be signed");
}

/* Signs the finished canonical request, whose text is gone then, and writes the Authorization header. */
static int32_t authorize(mloom_sigv4_signature *out, mloom_sigv4 *signer, const mloom_sigv4_identity *identity,
                         const mloom_sigv4_scope *scope, mloom_sigv4_canonical *parts, mloom_error *error) {
  const mloom_crypto *crypto = signer->crypto;
  /* The token is hashed where it lies: no copy of it is made. */
  const mloom_bytes pieces[] = {
      {parts->text.data, parts->token_offset},
      parts->token_offset > 0 ? identity->session_token : (mloom_bytes){"", 0},
      {parts->text.data + parts->token_offset, parts->text.size - parts->token_offset},
  };
  uint8_t digest[MLOOM_SHA256_SIZE] = {0};
  char hex[2 * MLOOM_SHA256_SIZE + 1];
  char day[9];
  int32_t code = crypto->sha256(crypto->ctx, pieces, sizeof(pieces) / sizeof(pieces[0]), digest);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the request cannot be hashed");
  }
  to_hex(digest, hex);
  memcpy(day, out->date, 8);
  day[8] = '\0';
  const mloom_bytes slash = MLOOM_SIGV4_LITERAL("/");
  const mloom_bytes day_text = {day, 8};
  const mloom_bytes region = mloom_text_bytes(scope->region);
  const mloom_bytes service = mloom_text_bytes(scope->service);
  const mloom_bytes hex_text = {hex, sizeof(hex) - 1};
  const mloom_bytes to_sign[] = {MLOOM_SIGV4_LITERAL("AWS4-HMAC-SHA256\n"),
                                 {out->date, sizeof(out->date) - 1},
                                 MLOOM_SIGV4_LITERAL("\n"),
                                 day_text,
                                 slash,
                                 region,
                                 slash,
                                 service,
                                 MLOOM_SIGV4_LITERAL("/aws4_request\n"),
                                 hex_text};
  mloom_buffer_clear(&parts->text);
  if (mloom_sigv4_append_all(&parts->text, to_sign, sizeof(to_sign) / sizeof(to_sign[0])) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = sign_text(signer, identity->secret_access_key, day, scope, &parts->text, digest, error);
  if (code != MLOOM_OK) {
    return code;
  }
  to_hex(digest, hex);
  const mloom_bytes header[] = {MLOOM_SIGV4_LITERAL("AWS4-HMAC-SHA256 Credential="),
                                mloom_text_bytes(identity->access_key_id),
                                slash,
                                day_text,
                                slash,
                                region,
                                slash,
                                service,
                                MLOOM_SIGV4_LITERAL("/aws4_request, SignedHeaders="),
                                {parts->headers.data, parts->headers.size},
                                MLOOM_SIGV4_LITERAL(", Signature="),
                                hex_text};
  code = mloom_sigv4_append_all(&out->authorization, header, sizeof(header) / sizeof(header[0]));
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

int32_t mloom_sigv4_sign(mloom_sigv4_signature *out, mloom_sigv4 *signer, const mloom_sigv4_identity *identity,
                         const mloom_sigv4_scope *scope, const mloom_http_request *request, mloom_error *error) {
  *out = (mloom_sigv4_signature){.authorization = MLOOM_BUFFER_INIT};
  int32_t code = check_identity(identity, scope, error);
  code = code != MLOOM_OK ? code : format_date(out->date, scope->wall_ms, error);
  if (code != MLOOM_OK) {
    return code;
  }
  uint8_t digest[MLOOM_SHA256_SIZE] = {0};
  code = signer->crypto->sha256(signer->crypto->ctx, request->body, request->body_count, digest);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the body cannot be hashed");
  }
  to_hex(digest, out->body_sha256);
  MLOOM_AUTO(mloom_sigv4_canonical_free)
  mloom_sigv4_canonical parts = {.text = MLOOM_BUFFER_INIT, .headers = MLOOM_BUFFER_INIT};
  code = mloom_sigv4_canonical_build(&parts, out, scope->options, identity->session_token.size > 0, request, error);
  return code != MLOOM_OK ? code : authorize(out, signer, identity, scope, &parts, error);
}
