/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "harness.h"

/* Sanitizers answer mlock without doing it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MLOCK_IS_REAL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MLOCK_IS_REAL 0
#endif
#endif
#ifndef MLOCK_IS_REAL
#define MLOCK_IS_REAL 1
#endif

static mloom_secret *make(const char *text) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_secret *secret = NULL;
  UNIT_ASSERT_CODE(mloom_secret_new(&secret, text, strlen(text), &error), MLOOM_OK, &error);
  return secret;
}

static void test_keeps_bytes(void) {
  char bytes[5000];
  for (size_t i = 0; i < sizeof(bytes); i++) {
    bytes[i] = (char)(i * 7);
  }
  mloom_secret *secret = NULL;
  CU_ASSERT_EQUAL(mloom_secret_new(&secret, bytes, sizeof(bytes), NULL), MLOOM_OK);
  mloom_bytes kept = mloom_secret_bytes(secret);
  CU_ASSERT_EQUAL(kept.size, sizeof(bytes));
  CU_ASSERT(memcmp(kept.data, bytes, sizeof(bytes)) == 0);
  CU_ASSERT_EQUAL(kept.data[kept.size], '\0');
  mloom_secret_unref(secret);

  secret = make("");
  CU_ASSERT_EQUAL(mloom_secret_bytes(secret).size, 0);
  UNIT_ASSERT_STRING(mloom_secret_bytes(secret).data, "");
  mloom_secret_unref(secret);
  mloom_secret_unref(NULL);
}

static void test_refuses_a_huge_one(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  char *bytes = calloc(1, MLOOM_SECRET_LIMIT + 1);
  mloom_secret *secret = NULL;
  UNIT_ASSERT_CODE(mloom_secret_new(&secret, bytes, MLOOM_SECRET_LIMIT + 1, &error), MLOOM_E_LIMIT, &error);
  CU_ASSERT_PTR_NULL(secret);
  free(bytes);
}

/* The flags of the mapping that holds address, as /proc/self/smaps tells them: lo locked, dd not dumped, wf wiped on
 * fork. */
static void read_flags(const void *address, char out[256]) {
  FILE *maps = fopen("/proc/self/smaps", "r");
  char line[512];
  int inside = 0;
  out[0] = '\0';
  while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
    unsigned long first;
    unsigned long last;
    if (sscanf(line, "%lx-%lx ", &first, &last) == 2) {
      inside = (unsigned long)address >= first && (unsigned long)address < last;
    } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
      snprintf(out, 256, "%.255s", line);
    }
  }
  if (maps != NULL) {
    fclose(maps);
  }
}

static void test_memory_is_protected(void) {
  mloom_secret *secret = make("test-key-not-a-secret");
  char flags[256];
  read_flags(mloom_secret_bytes(secret).data, flags);
  if (flags[0] != '\0') {
    CU_ASSERT_PTR_NOT_NULL(strstr(flags, " dd"));
    CU_ASSERT_PTR_NOT_NULL(strstr(flags, " wf"));
    if (MLOCK_IS_REAL) {
      CU_ASSERT_EQUAL(strstr(flags, " lo") != NULL, mloom_secret_is_locked(secret));
    }
  }
  /* A page behind the last byte and one before the first page are inaccessible. */
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const char *end = mloom_secret_bytes(secret).data + mloom_secret_bytes(secret).size + 1;
  CU_ASSERT_EQUAL((size_t)end % page, 0);
  int fds[2];
  CU_ASSERT_EQUAL(pipe(fds), 0);
  CU_ASSERT_EQUAL(write(fds[1], end, 1), -1);
  CU_ASSERT_EQUAL(write(fds[1], end - page - 1, 1), -1);
  CU_ASSERT_EQUAL(write(fds[1], end - 1, 1), 1);
  close(fds[0]);
  close(fds[1]);
  mloom_secret_unref(secret);
}

static void test_child_finds_zeros(void) {
  mloom_secret *secret = make("test-key-not-a-secret");
  pid_t child = fork();
  if (child == 0) {
    mloom_bytes bytes = mloom_secret_bytes(secret);
    int clean = 1;
    for (size_t i = 0; i < bytes.size; i++) {
      clean &= bytes.data[i] == '\0';
    }
    mloom_secret_unref(secret);
    _exit(clean ? 0 : 1);
  }
  int status = -1;
  CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
  CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  UNIT_ASSERT_STRING(mloom_secret_bytes(secret).data, "test-key-not-a-secret");
  mloom_secret_unref(secret);
}

static void test_works_without_locked_memory(void) {
  pid_t child = fork();
  if (child == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_MEMLOCK, &none);
    mloom_secret *secret = NULL;
    int32_t code = mloom_secret_new(&secret, "abc", 3, NULL);
    /* Root may lock beyond the limit. */
    int as_told = geteuid() == 0 || !mloom_secret_is_locked(secret);
    _exit(code == MLOOM_OK && strcmp(mloom_secret_bytes(secret).data, "abc") == 0 && as_told ? 0 : 1);
  }
  int status = -1;
  CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
  CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_fingerprint_tells_apart(void) {
  mloom_secret *one = make("test-key-one");
  mloom_secret *same = make("test-key-one");
  mloom_secret *two = make("test-key-two");
  char a[9];
  char b[9];
  char c[9];
  mloom_secret_fingerprint(one, NULL, a);
  mloom_secret_fingerprint(same, NULL, b);
  mloom_secret_fingerprint(two, NULL, c);
  UNIT_ASSERT_STRING(a, b);
  CU_ASSERT_STRING_NOT_EQUAL(a, c);
  CU_ASSERT_EQUAL(strspn(a, "0123456789abcdef"), 8);
  /* The plain hash, which anybody could search for: sha256("test-key-one"). */
  CU_ASSERT_STRING_NOT_EQUAL(a, "4e5a8f43");
  /* printf test-key-one | openssl dgst -sha256 -hmac test-key-two */
  mloom_secret_fingerprint(one, two, a);
  UNIT_ASSERT_STRING(a, "3b537f3a");
  mloom_secret_unref(one);
  mloom_secret_unref(same);
  mloom_secret_unref(two);
}

static void *ref_and_unref(void *secret) {
  for (int i = 0; i < 20000; i++) {
    mloom_secret_unref(mloom_secret_ref(secret));
  }
  return NULL;
}

static void test_references_count_in_threads(void) {
  mloom_secret *secret = make("shared");
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, ref_and_unref, secret), 0);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
  }
  UNIT_ASSERT_STRING(mloom_secret_bytes(secret).data, "shared");
  const char *data = mloom_secret_bytes(secret).data;
  char flags[256];
  mloom_secret_unref(secret);
  read_flags(data, flags);
  CU_ASSERT_PTR_NULL(strstr(flags, " lo")); /* the pages are gone with the last reference */
}

static const unit_test tests[] = {
    {"keeps bytes", test_keeps_bytes},
    {"refuses a huge one", test_refuses_a_huge_one},
    {"memory is protected", test_memory_is_protected},
    {"a child finds zeros", test_child_finds_zeros},
    {"works without locked memory", test_works_without_locked_memory},
    {"fingerprint tells apart", test_fingerprint_tells_apart},
    {"references count in threads", test_references_count_in_threads},
};
UNIT_MAIN("secret", tests)
