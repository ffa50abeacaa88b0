/* SPDX-License-Identifier: Apache-2.0 */
#include <mergeloom/seal.h>

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"
#include <mergeloom/context.h>

#define VALUE "test-key-not-a-secret"

static char folder[64];
static char path[96];

static void make_folder(void) {
  snprintf(folder, sizeof folder, "/tmp/mergeloom-seal-XXXXXX");
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/secret.key", folder);
}

static void remove_folder(void) {
  CU_ASSERT_EQUAL(mloom_file_remove_tree(folder, NULL), MLOOM_OK);
}

static mloom_seal *open_seal(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_seal *seal = NULL;
  UNIT_ASSERT_CODE(mloom_seal_open(&seal, path, &error), MLOOM_OK, &error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(seal);
  return seal;
}

static char *seal_text(const mloom_seal *seal, const char *value) {
  mloom_error error = MLOOM_ERROR_INIT;
  char *sealed = NULL;
  UNIT_ASSERT_CODE(
      mloom_seal_value(&sealed, seal, "claude-api", "api_key", (mloom_bytes){value, strlen(value)}, &error), MLOOM_OK,
      &error);
  return sealed;
}

static int32_t unseal(const mloom_seal *seal, const char *owner, const char *field, const char *sealed,
                      const char *expected) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_bytes value = {NULL, 0};
  int32_t code = mloom_unseal_value(&value, seal, owner, field, sealed, &error);
  if (code == MLOOM_OK) {
    UNIT_ASSERT_STRING(value.data, expected);
    CU_ASSERT_EQUAL(value.size, strlen(expected));
  } else {
    CU_ASSERT_PTR_NULL(value.data);
    CU_ASSERT_NOT_EQUAL(error.remedy[0], '\0');
    CU_ASSERT_PTR_NULL(strstr(error.message, VALUE));
  }
  mloom_seal_release(&value);
  return code;
}

static size_t read_key_file(char *text, size_t room) {
  FILE *file = fopen(path, "r");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  size_t size = fread(text, 1, room - 1, file);
  fclose(file);
  text[size] = '\0';
  return size;
}

static void write_key_file(const char *text) {
  CU_ASSERT_EQUAL(mloom_file_replace(path, text, strlen(text), 0600, MLOOM_DOMAIN_NONE, NULL), MLOOM_OK);
}

static void test_round_trip(void) {
  make_folder();
  mloom_seal *seal = open_seal();
  struct stat status;
  CU_ASSERT_EQUAL(stat(path, &status), 0);
  CU_ASSERT_EQUAL(status.st_mode & 07777, 0600);
  char *sealed = seal_text(seal, VALUE), *again = seal_text(seal, VALUE), *empty = seal_text(seal, "");
  CU_ASSERT(strcmp(sealed, again) != 0);
  CU_ASSERT_PTR_NULL(strstr(sealed, VALUE));
  CU_ASSERT_EQUAL(unseal(seal, "claude-api", "api_key", sealed, VALUE), MLOOM_OK);
  CU_ASSERT_EQUAL(unseal(seal, "claude-api", "api_key", empty, ""), MLOOM_OK);
  mloom_seal_free(seal);
  seal = open_seal();
  CU_ASSERT_EQUAL(unseal(seal, "claude-api", "api_key", again, VALUE), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_seal_is_newest(seal, again), 1);
  mloom_seal_free(seal);
  free(sealed);
  mloom_string_free(again);
  mloom_string_free(empty);
  mloom_seal_free(NULL);
  remove_folder();
}

/* The form that the documentation promises, opened with nothing of ours. */
static void test_form(void) {
  make_folder();
  mloom_seal *seal = open_seal();
  char *sealed = seal_text(seal, VALUE);
  char text[512], id[9], key64[64];
  read_key_file(text, sizeof text);
  CU_ASSERT_EQUAL_FATAL(sscanf(text, "mergeloom-seal-v1\n%8s %63s", id, key64), 2);
  unsigned char key[48], box[128], out[64];
  CU_ASSERT_EQUAL(EVP_DecodeBlock(key, (unsigned char *)key64, (int)strlen(key64)), 33);
  CU_ASSERT_EQUAL_FATAL(strncmp(sealed, "v1:", 3), 0);
  CU_ASSERT_EQUAL(strncmp(sealed + 3, id, 8), 0);
  const char *encoded = sealed + 12;
  int size = (int)(sizeof VALUE - 1), length = 0;
  CU_ASSERT(EVP_DecodeBlock(box, (const unsigned char *)encoded, (int)strlen(encoded)) >= 12 + size + 16);
  EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  CU_ASSERT_EQUAL(EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, box), 1);
  CU_ASSERT_EQUAL(EVP_DecryptUpdate(cipher, NULL, &length, (const unsigned char *)"claude-api\0api_key", 19), 1);
  CU_ASSERT_EQUAL(EVP_DecryptUpdate(cipher, out, &length, box + 12, size), 1);
  CU_ASSERT_EQUAL(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, box + 12 + size), 1);
  CU_ASSERT_EQUAL(EVP_DecryptFinal_ex(cipher, out + length, &length), 1);
  CU_ASSERT_EQUAL(memcmp(out, VALUE, (size_t)size), 0);
  EVP_CIPHER_CTX_free(cipher);
  free(sealed);
  mloom_seal_free(seal);
  remove_folder();
}

static void test_sealed_text_stays_in_its_place(void) {
  make_folder();
  mloom_seal *seal = open_seal();
  char *sealed = seal_text(seal, VALUE);
  CU_ASSERT_EQUAL(unseal(seal, "codex-api", "api_key", sealed, VALUE), MLOOM_E_INVALID);
  CU_ASSERT_EQUAL(unseal(seal, "claude-api", "api_kez", sealed, VALUE), MLOOM_E_INVALID);
  CU_ASSERT_EQUAL(unseal(seal, "claude-apia", "pi_key", sealed, VALUE), MLOOM_E_INVALID);
  size_t size = strlen(sealed);
  for (size_t i = 0; i < size; i++) {
    char kept = sealed[i];
    sealed[i] = kept == 'A' ? 'B' : 'A';
    int32_t code = unseal(seal, "claude-api", "api_key", sealed, VALUE);
    CU_ASSERT(code == MLOOM_E_INVALID || (code == MLOOM_E_NOT_FOUND && i >= 3 && i < 11));
    sealed[i] = '\0';
    /* Padding carries nothing. */
    CU_ASSERT_EQUAL(kept == '=' ? MLOOM_E_INVALID : unseal(seal, "claude-api", "api_key", sealed, VALUE),
                    MLOOM_E_INVALID);
    sealed[i] = kept;
  }
  free(sealed);
  mloom_seal_free(seal);
  remove_folder();
}

static void test_rotation(void) {
  make_folder();
  mloom_seal *seal = open_seal();
  char *old = seal_text(seal, VALUE);
  char print[3][MLOOM_FINGERPRINT_KEY_SIZE];
  mloom_seal_fingerprint_key(seal, print[0]);
  CU_ASSERT_EQUAL(strspn(print[0], "0123456789abcdef"), MLOOM_FINGERPRINT_KEY_SIZE - 1);
  mloom_seal_free(seal);
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_seal_add_key(path, &error), MLOOM_OK, &error);
  seal = open_seal();
  CU_ASSERT_EQUAL(mloom_seal_is_newest(seal, old), 0);
  CU_ASSERT_EQUAL(unseal(seal, "claude-api", "api_key", old, VALUE), MLOOM_OK);
  char *new = seal_text(seal, VALUE);
  mloom_seal_fingerprint_key(seal, print[1]);
  UNIT_ASSERT_STRING(print[1], print[0]);
  mloom_seal_free(seal);
  UNIT_ASSERT_CODE(mloom_seal_drop_keys(path, &error), MLOOM_OK, &error);
  seal = open_seal();
  CU_ASSERT_EQUAL(unseal(seal, "claude-api", "api_key", new, VALUE), MLOOM_OK);
  CU_ASSERT_EQUAL(mloom_seal_is_newest(seal, new), 1);
  CU_ASSERT_EQUAL(unseal(seal, "claude-api", "api_key", old, VALUE), MLOOM_E_NOT_FOUND);
  mloom_seal_fingerprint_key(seal, print[1]);
  UNIT_ASSERT_STRING(print[1], print[0]);
  mloom_seal_free(seal);
  unlink(path);
  seal = open_seal();
  mloom_seal_fingerprint_key(seal, print[2]);
  CU_ASSERT_STRING_NOT_EQUAL(print[2], print[0]);
  mloom_seal_free(seal);
  free(old);
  free(new);
  remove_folder();
}

static void test_bad_key_files(void) {
  static const char *const texts[] = {"",
                                      "mergeloom-seal-v1\n",
                                      "mergeloom-seal-v2\n00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                                      "mergeloom-seal-v1\n00000000 AAAA\n",
                                      "mergeloom-seal-v1\n00000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                                      "mergeloom-seal-v1\n0000000\n",
                                      "mergeloom-seal-v1\n\n"};
  make_folder();
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_seal *seal = NULL;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    write_key_file(texts[i]);
    UNIT_ASSERT_CODE(mloom_seal_open(&seal, path, &error), MLOOM_E_INVALID, &error);
    CU_ASSERT_PTR_NULL(seal);
  }
  write_key_file("mergeloom-seal-v1\n00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  mloom_seal_free(open_seal());
  CU_ASSERT_EQUAL(chmod(path, 0604), 0);
  UNIT_ASSERT_CODE(mloom_seal_open(&seal, path, &error), MLOOM_E_DENIED, &error);
  CU_ASSERT_EQUAL(chmod(path, 0660), 0);
  mloom_seal_free(open_seal());
  struct stat status;
  CU_ASSERT_EQUAL(stat(path, &status), 0);
  CU_ASSERT_EQUAL(status.st_mode & 07777, 0600);
  UNIT_ASSERT_CODE(mloom_seal_open(&seal, "secret.key", &error), MLOOM_E_INVALID, &error);
  UNIT_ASSERT_CODE(mloom_seal_open(&seal, "/nonexistent/secret.key", &error), MLOOM_E_NOT_FOUND, &error);
  UNIT_ASSERT_CODE(mloom_seal_open(&seal, folder, &error), MLOOM_E_INVALID, &error);
  UNIT_ASSERT_CODE(mloom_seal_drop_keys("/nonexistent/secret.key", &error), MLOOM_E_NOT_FOUND, &error);
  remove_folder();
}

static void *open_and_seal(void *unused) {
  (void)unused;
  mloom_seal *seal = NULL;
  char *sealed = NULL;
  if (mloom_seal_open(&seal, path, NULL) == MLOOM_OK) {
    mloom_seal_value(&sealed, seal, "claude-api", "api_key", (mloom_bytes){VALUE, sizeof VALUE - 1}, NULL);
  }
  mloom_seal_free(seal);
  return sealed;
}

static void test_two_create_one_key(void) {
  make_folder();
  pthread_t threads[8];
  for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
    CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, open_and_seal, NULL), 0);
  }
  char *sealed[8];
  for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
    pthread_join(threads[i], (void **)&sealed[i]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sealed[i]);
  }
  mloom_seal *seal = open_seal();
  for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
    CU_ASSERT_EQUAL(unseal(seal, "claude-api", "api_key", sealed[i], VALUE), MLOOM_OK);
    free(sealed[i]);
  }
  mloom_seal_free(seal);
  remove_folder();
}

static const unit_test tests[] = {
    {"what is sealed is opened", test_round_trip},
    {"the form on disk is AES-256-GCM as described", test_form},
    {"sealed text opens in its place only", test_sealed_text_stays_in_its_place},
    {"keys are rotated", test_rotation},
    {"bad key files are refused", test_bad_key_files},
    {"two that make the key at once share one", test_two_create_one_key},
};
UNIT_MAIN("seal", tests)
