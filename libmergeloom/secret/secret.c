/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

/* The header stands in ordinary memory: a forked child, whose copy of the bytes is wiped, may still drop its
 * references. */
struct mloom_secret {
  atomic_uint references;
  int locked;
  size_t size;
  char *data;
  char *mapping; /* a guard page, the pages that hold data, a guard page */
  size_t mapping_size;
};

/* Bytes end at the upper guard page, so that the first byte read past them faults. */
static int32_t map_pages(mloom_secret *secret, size_t size, mloom_error *error) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t inner = (size + 1 + page - 1) / page * page;
  char *mapping = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    return mloom_error_memory(error);
  }
  char *pages = mapping + page;
  if (mprotect(pages, inner, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping, inner + 2 * page);
    return mloom_error_memory(error);
  }
  secret->locked = mlock(pages, inner) == 0;
  /* Kernels that do not know these are too old to be told otherwise; the bytes are still wiped. */
  (void)madvise(pages, inner, MADV_DONTDUMP);
  (void)madvise(pages, inner, MADV_WIPEONFORK);
  secret->mapping = mapping;
  secret->mapping_size = inner + 2 * page;
  secret->data = pages + inner - (size + 1);
  return MLOOM_OK;
}

int32_t mloom_secret_new(mloom_secret **out, const char *data, size_t size, mloom_error *error) {
  *out = NULL;
  if (size > MLOOM_SECRET_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_SECRET, "check that the right file or variable is named",
                           "a secret of %zu bytes is larger than the limit of %zu", size, MLOOM_SECRET_LIMIT);
  }
  mloom_secret *secret = calloc(1, sizeof(*secret));
  if (secret == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = map_pages(secret, size, error);
  if (code != MLOOM_OK) {
    free(secret);
    return code;
  }
  if (size > 0) {
    memcpy(secret->data, data, size);
  }
  secret->data[size] = '\0';
  secret->size = size;
  atomic_init(&secret->references, 1);
  *out = secret;
  return MLOOM_OK;
}

mloom_secret *mloom_secret_ref(const mloom_secret *secret) {
  mloom_secret *counted = (mloom_secret *)secret;
  if (counted != NULL) {
    atomic_fetch_add_explicit(&counted->references, 1, memory_order_relaxed);
  }
  return counted;
}

void mloom_secret_unref(const mloom_secret *secret) {
  mloom_secret *counted = (mloom_secret *)secret;
  if (counted == NULL || atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) != 1) {
    return;
  }
  OPENSSL_cleanse(counted->data, counted->size);
  munmap(counted->mapping, counted->mapping_size);
  free(counted);
}

void mloom_secret_unref_auto(void *pointer_to_secret) {
  mloom_secret_unref(*(mloom_secret **)pointer_to_secret);
}

mloom_bytes mloom_secret_bytes(const mloom_secret *secret) {
  return (mloom_bytes){secret->data, secret->size};
}

int mloom_secret_is_locked(const mloom_secret *secret) {
  return secret->locked;
}

int mloom_secret_is_shared(const mloom_secret *secret) {
  return atomic_load_explicit(&((mloom_secret *)secret)->references, memory_order_acquire) > 1;
}

void mloom_secret_fingerprint(const mloom_secret *secret, const mloom_secret *key, char out[9]) {
  /* The kernel gives each process 16 random bytes: a key of the process that needs no variable of ours. */
  const void *data = key != NULL ? key->data : (const void *)getauxval(AT_RANDOM);
  size_t size = key != NULL ? key->size : 16;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_size = 0;
  if (data == NULL || HMAC(EVP_sha256(), data, (int)size, (const unsigned char *)secret->data, secret->size, digest,
                           &digest_size) == NULL) {
    memcpy(out, "unknown", 8);
    return;
  }
  for (int i = 0; i < 4; i++) {
    snprintf(out + 2 * i, 3, "%02x", digest[i]);
  }
}

void mloom_secret_wipe(void *data, size_t size) {
  if (data != NULL) {
    OPENSSL_cleanse(data, size);
  }
}
