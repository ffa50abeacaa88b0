/* SPDX-License-Identifier: Apache-2.0
 *
 * The key file has a first line that names its form and then one line for each key, the newest first: an id and the
 * key in base64. A line "fingerprint" and a key keeps the key of fingerprints once the oldest key, which it comes from,
 * is dropped. Sealed text is "v1:ID:" and the base64 of nonce, ciphertext and tag.
 */
#include <mergeloom/seal.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "secret/secret.h"

#define FILE_FORM "mergeloom-seal-v1"
#define FILE_LIMIT ((size_t)64 * 1024)
#define FINGERPRINT_FORM "fingerprint "
#define SEALED_FORM "v1:"
#define KEY_SIZE 32
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define ID_SIZE 8
#define KEY_LIMIT 64
#define VALUE_LIMIT ((size_t)1 << 20)

MLOOM_DEFINE_AUTO(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

typedef struct seal_key {
  char id[ID_SIZE + 1];
  const mloom_secret *bytes;
} seal_key;

struct mloom_seal {
  seal_key keys[KEY_LIMIT];
  size_t count;
  const mloom_secret *fingerprint;
};

MLOOM_DEFINE_AUTO(mloom_seal, mloom_seal_free)

static void wipe_buffer(mloom_buffer *buffer) {
  if (buffer->data != NULL) {
    mloom_secret_wipe(buffer->data, buffer->capacity);
  }
  mloom_buffer_free(buffer);
}

void mloom_seal_free(mloom_seal *seal) {
  if (seal == NULL) {
    return;
  }
  for (size_t i = 0; i < seal->count; i++) {
    mloom_secret_unref(seal->keys[i].bytes);
  }
  mloom_secret_unref(seal->fingerprint);
  free(seal);
}

/* ---- The key file ---- */

static int32_t refuse_file(const char *path, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SECRET,
                         "restore it from a backup; without it, secrets that were stored have to be entered again",
                         "%s is no key file", path);
}

static int32_t check_file(const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SECRET, "check the path and its permissions",
                                 "cannot open the key file %s", path);
  }
  if (!S_ISREG(status.st_mode)) {
    return refuse_file(path, error);
  }
  if ((status.st_mode & S_IRWXO) != 0 || (status.st_uid != 0 && status.st_uid != geteuid())) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_SECRET,
                           "make it this user's and chmod it to 600; if others may have read it, rotate the key",
                           "the key file %s can be read by others", path);
  }
  /* Volumes are often mounted with group permissions added to every file. */
  if ((status.st_mode & S_IRWXG) != 0 && status.st_uid == geteuid()) {
    (void)fchmod(fd, S_IRUSR | S_IWUSR);
  }
  return MLOOM_OK;
}

static int32_t decode_key(mloom_secret **out, const char *text, size_t size, const char *path, mloom_error *error) {
  MLOOM_AUTO(wipe_buffer) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  if (mloom_buffer_reserve(&bytes, size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (mloom_base64_decode(&bytes, text, size) != MLOOM_OK || bytes.size != KEY_SIZE) {
    return refuse_file(path, error);
  }
  return mloom_secret_new(out, bytes.data, bytes.size, error);
}

/* One line "ID BASE64", or that of the fingerprints. */
static int32_t read_key(mloom_seal *seal, mloom_bytes line, const char *path, mloom_error *error) {
  size_t start = sizeof FINGERPRINT_FORM - 1;
  mloom_secret *secret = NULL;
  if (line.size > start && memcmp(line.data, FINGERPRINT_FORM, start) == 0 && seal->fingerprint == NULL) {
    int32_t code = decode_key(&secret, line.data + start, line.size - start, path, error);
    seal->fingerprint = secret;
    return code;
  }
  if (seal->count == KEY_LIMIT || line.size <= ID_SIZE + 1 || line.data[ID_SIZE] != ' ') {
    return refuse_file(path, error);
  }
  int32_t code = decode_key(&secret, line.data + ID_SIZE + 1, line.size - ID_SIZE - 1, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  seal_key *key = &seal->keys[seal->count++];
  memcpy(key->id, line.data, ID_SIZE);
  key->id[ID_SIZE] = '\0';
  key->bytes = secret;
  return MLOOM_OK;
}

/* The file keeps no key of fingerprints until it has to. */
static int32_t derive_fingerprint_key(mloom_seal *seal, mloom_error *error) {
  static const char purpose[] = "fingerprints of mergeloom";
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  mloom_secret *derived = NULL;
  mloom_bytes oldest = mloom_secret_bytes(seal->keys[seal->count - 1].bytes);
  if (HMAC(EVP_sha256(), oldest.data, (int)oldest.size, (const uint8_t *)purpose, sizeof purpose - 1, digest, &size) ==
          NULL ||
      size != KEY_SIZE) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_secret_new(&derived, (const char *)digest, size, error);
  mloom_secret_wipe(digest, sizeof digest);
  seal->fingerprint = derived;
  return code;
}

static int32_t read_keys(mloom_seal *seal, const mloom_buffer *text, const char *path, mloom_error *error) {
  const char *data = mloom_buffer_string(text);
  const char *end = data + text->size;
  size_t line_number = 0;
  while (data < end) {
    const char *newline = memchr(data, '\n', (size_t)(end - data));
    mloom_bytes line = {data, (size_t)((newline == NULL ? end : newline) - data)};
    int32_t code = MLOOM_OK;
    if (line_number++ == 0) {
      code = mloom_text_equal(line, FILE_FORM) ? MLOOM_OK : refuse_file(path, error);
    } else {
      code = read_key(seal, line, path, error);
    }
    if (code != MLOOM_OK) {
      return code;
    }
    data = newline == NULL ? end : newline + 1;
  }
  if (seal->count == 0) {
    return refuse_file(path, error);
  }
  return seal->fingerprint == NULL ? derive_fingerprint_key(seal, error) : MLOOM_OK;
}

static int32_t read_file(mloom_seal **out, const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_seal_free_auto) mloom_seal *seal = calloc(1, sizeof *seal);
  MLOOM_AUTO(wipe_buffer) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (seal == NULL || mloom_buffer_reserve(&text, FILE_LIMIT) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = check_file(path, error);
  code = code != MLOOM_OK ? code : mloom_file_read(&text, path, FILE_LIMIT - 1, MLOOM_DOMAIN_SECRET, error);
  code = code != MLOOM_OK ? code : read_keys(seal, &text, path, error);
  if (code == MLOOM_OK) {
    *out = MLOOM_STEAL(seal);
  }
  return code;
}

static int32_t append_key(mloom_buffer *text, const char *id, mloom_bytes key, mloom_error *error) {
  int ok = mloom_buffer_append_format(text, "%s ", id) == MLOOM_OK &&
           mloom_base64_append(text, key.data, key.size) == MLOOM_OK &&
           mloom_buffer_append_char(text, '\n') == MLOOM_OK;
  return ok ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t append_fingerprint_key(mloom_buffer *text, const mloom_seal *seal, mloom_error *error) {
  mloom_bytes key = mloom_secret_bytes(seal->fingerprint);
  int ok = mloom_buffer_append_string(text, FINGERPRINT_FORM) == MLOOM_OK &&
           mloom_base64_append(text, key.data, key.size) == MLOOM_OK &&
           mloom_buffer_append_char(text, '\n') == MLOOM_OK;
  return ok ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t random_bytes(void *out, size_t size, mloom_error *error) {
  return RAND_bytes(out, (int)size) == 1
             ? MLOOM_OK
             : mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_SECRET, "check the system's random device",
                               "there are no random bytes");
}

/* The text of a key file with a fresh key and, below it, those of seal (may be NULL). */
static int32_t write_keys(mloom_buffer *text, const mloom_seal *seal, mloom_error *error) {
  uint8_t key[KEY_SIZE];
  uint32_t number = 0;
  char id[ID_SIZE + 1];
  if (mloom_buffer_reserve(text, FILE_LIMIT) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = random_bytes(key, sizeof key, error);
  code = code != MLOOM_OK ? code : random_bytes(&number, sizeof number, error);
  if (code != MLOOM_OK) {
    return code;
  }
  snprintf(id, sizeof id, "%08" PRIx32, number);
  code = mloom_buffer_append_string(text, FILE_FORM "\n") == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
  code = code != MLOOM_OK ? code : append_key(text, id, (mloom_bytes){(const char *)key, sizeof key}, error);
  mloom_secret_wipe(key, sizeof key);
  for (size_t i = 0; code == MLOOM_OK && seal != NULL && i < seal->count; i++) {
    code = append_key(text, seal->keys[i].id, mloom_secret_bytes(seal->keys[i].bytes), error);
  }
  return code == MLOOM_OK && seal != NULL ? append_fingerprint_key(text, seal, error) : code;
}

/* Written whole under another name and then linked: of two that try at once, one wins and both read its key. */
static int32_t create_file(const char *path, mloom_error *error) {
  MLOOM_AUTO(wipe_buffer) mloom_buffer text = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer temporary = MLOOM_BUFFER_INIT;
  uint64_t number = 0;
  int32_t code = write_keys(&text, NULL, error);
  code = code != MLOOM_OK ? code : random_bytes(&number, sizeof number, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_buffer_append_format(&temporary, "%s.%016" PRIx64, path, number) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = mloom_file_replace(mloom_buffer_string(&temporary), text.data, text.size, S_IRUSR | S_IWUSR,
                            MLOOM_DOMAIN_SECRET, error);
  if (code == MLOOM_OK && link(mloom_buffer_string(&temporary), path) != 0 && errno != EEXIST) {
    code = mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SECRET, "make its folder writable for this user",
                                 "cannot make the key file %s", path);
  }
  unlink(mloom_buffer_string(&temporary));
  return code;
}

static int32_t check_path(const char *path, mloom_error *error) {
  return path[0] == '/' ? MLOOM_OK
                        : mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SECRET, "give the path from / on",
                                          "the path of the key file is not absolute: %s", path);
}

int32_t mloom_seal_open(mloom_seal **out, const char *path, mloom_error *error) {
  *out = NULL;
  int32_t code = check_path(path, error);
  if (code == MLOOM_OK && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
    code = create_file(path, error);
  }
  return code == MLOOM_OK ? read_file(out, path, error) : code;
}

int32_t mloom_seal_add_key(const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_seal_free_auto) mloom_seal *seal = NULL;
  MLOOM_AUTO(wipe_buffer) mloom_buffer text = MLOOM_BUFFER_INIT;
  int32_t code = mloom_seal_open(&seal, path, error);
  if (code == MLOOM_OK && seal->count == KEY_LIMIT) {
    code = mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_SECRET, "drop the old keys first",
                           "the key file %s has %d keys", path, KEY_LIMIT);
  }
  code = code != MLOOM_OK ? code : write_keys(&text, seal, error);
  return code != MLOOM_OK
             ? code
             : mloom_file_replace(path, text.data, text.size, S_IRUSR | S_IWUSR, MLOOM_DOMAIN_SECRET, error);
}

int32_t mloom_seal_drop_keys(const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_seal_free_auto) mloom_seal *seal = NULL;
  MLOOM_AUTO(wipe_buffer) mloom_buffer text = MLOOM_BUFFER_INIT;
  int32_t code = check_path(path, error);
  code = code != MLOOM_OK ? code : read_file(&seal, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_buffer_reserve(&text, FILE_LIMIT) != MLOOM_OK ||
      mloom_buffer_append_string(&text, FILE_FORM "\n") != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = append_key(&text, seal->keys[0].id, mloom_secret_bytes(seal->keys[0].bytes), error);
  code = code != MLOOM_OK ? code : append_fingerprint_key(&text, seal, error);
  return code != MLOOM_OK
             ? code
             : mloom_file_replace(path, text.data, text.size, S_IRUSR | S_IWUSR, MLOOM_DOMAIN_SECRET, error);
}

/* ---- Values ---- */

/* The names with their ends, so that no two pairs of them read the same. */
static int bind_names(EVP_CIPHER_CTX *cipher, const char *owner, const char *field) {
  int length = 0;
  return EVP_CipherUpdate(cipher, NULL, &length, (const uint8_t *)owner, (int)strlen(owner) + 1) == 1 &&
         EVP_CipherUpdate(cipher, NULL, &length, (const uint8_t *)field, (int)strlen(field) + 1) == 1;
}

static int32_t fail_cipher(mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_SECRET, NULL, "the cipher of the sealed store failed");
}

int32_t mloom_seal_value(char **out, const mloom_seal *seal, const char *owner, const char *field, mloom_bytes value,
                         mloom_error *error) {
  *out = NULL;
  if (value.size > VALUE_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_SECRET, "give a smaller value",
                           "the value of %s is larger than 1 MiB", field);
  }
  const seal_key *key = &seal->keys[0];
  MLOOM_AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  MLOOM_AUTO(mloom_auto_free) uint8_t *box = malloc(NONCE_SIZE + value.size + TAG_SIZE);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (cipher == NULL || box == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = random_bytes(box, NONCE_SIZE, error);
  if (code != MLOOM_OK) {
    return code;
  }
  int length = 0;
  int ok = EVP_EncryptInit_ex2(cipher, EVP_aes_256_gcm(), (const uint8_t *)mloom_secret_bytes(key->bytes).data, box,
                               NULL) == 1 &&
           bind_names(cipher, owner, field) &&
           (value.size == 0 ||
            EVP_EncryptUpdate(cipher, box + NONCE_SIZE, &length, (const uint8_t *)value.data, (int)value.size) == 1) &&
           EVP_EncryptFinal_ex(cipher, box + NONCE_SIZE + length, &length) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, box + NONCE_SIZE + value.size) == 1;
  if (!ok) {
    return fail_cipher(error);
  }
  if (mloom_buffer_append_format(&text, SEALED_FORM "%s:", key->id) != MLOOM_OK ||
      mloom_base64_append(&text, box, NONCE_SIZE + value.size + TAG_SIZE) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  *out = mloom_buffer_take(&text);
  return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

/* The base64 part of sealed text and the id before it; NULL when it has not that form. */
static const char *split_sealed(const char *sealed, char id[ID_SIZE + 1]) {
  size_t form = sizeof SEALED_FORM - 1;
  if (strncmp(sealed, SEALED_FORM, form) != 0 || strnlen(sealed + form, ID_SIZE + 1) != ID_SIZE + 1 ||
      sealed[form + ID_SIZE] != ':') {
    return NULL;
  }
  memcpy(id, sealed + form, ID_SIZE);
  id[ID_SIZE] = '\0';
  return sealed + form + ID_SIZE + 1;
}

static int32_t refuse_sealed(const char *owner, const char *field, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SECRET, "enter it again",
                         "the stored secret %s of %s is damaged or was sealed for another place", field, owner);
}

static int32_t open_box(mloom_bytes *out, const seal_key *key, const char *owner, const char *field,
                        const mloom_buffer *box, mloom_error *error) {
  size_t size = box->size - NONCE_SIZE - TAG_SIZE;
  const uint8_t *bytes = (const uint8_t *)box->data;
  MLOOM_AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  uint8_t *value = malloc(size + 1);
  if (cipher == NULL || value == NULL) {
    free(value);
    return mloom_error_memory(error);
  }
  uint8_t tag[TAG_SIZE];
  memcpy(tag, bytes + NONCE_SIZE + size, TAG_SIZE);
  int length = 0;
  int ok = EVP_DecryptInit_ex2(cipher, EVP_aes_256_gcm(), (const uint8_t *)mloom_secret_bytes(key->bytes).data, bytes,
                               NULL) == 1 &&
           bind_names(cipher, owner, field) &&
           (size == 0 || EVP_DecryptUpdate(cipher, value, &length, bytes + NONCE_SIZE, (int)size) == 1) &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(cipher, value + length, &length) == 1;
  value[size] = '\0';
  *out = (mloom_bytes){(const char *)value, size};
  if (!ok) {
    mloom_seal_release(out);
    return refuse_sealed(owner, field, error);
  }
  return MLOOM_OK;
}

int32_t mloom_unseal_value(mloom_bytes *out, const mloom_seal *seal, const char *owner, const char *field,
                           const char *sealed, mloom_error *error) {
  char id[ID_SIZE + 1];
  *out = (mloom_bytes){NULL, 0};
  const char *encoded = split_sealed(sealed, id);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer box = MLOOM_BUFFER_INIT;
  int32_t code = encoded == NULL ? MLOOM_E_INVALID : mloom_base64_decode(&box, encoded, strlen(encoded));
  if (code == MLOOM_E_MEMORY) {
    return mloom_error_memory(error);
  }
  if (code != MLOOM_OK || box.size < NONCE_SIZE + TAG_SIZE || box.size > VALUE_LIMIT + NONCE_SIZE + TAG_SIZE) {
    return refuse_sealed(owner, field, error);
  }
  for (size_t i = 0; i < seal->count; i++) {
    if (strcmp(seal->keys[i].id, id) == 0) {
      return open_box(out, &seal->keys[i], owner, field, &box, error);
    }
  }
  return mloom_error_set(
      error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_SECRET, "restore the key file that was in use, or enter the secret again",
      "the stored secret %s of %s was sealed with a key that the key file does not have", field, owner);
}

void mloom_seal_release(mloom_bytes *value) {
  if (value->data != NULL) {
    mloom_secret_wipe((char *)(uintptr_t)value->data, value->size);
    free((char *)(uintptr_t)value->data);
  }
  *value = (mloom_bytes){NULL, 0};
}

int32_t mloom_seal_is_newest(const mloom_seal *seal, const char *sealed) {
  char id[ID_SIZE + 1];
  return split_sealed(sealed, id) != NULL && strcmp(id, seal->keys[0].id) == 0;
}

void mloom_seal_fingerprint_key(const mloom_seal *seal, char out[MLOOM_FINGERPRINT_KEY_SIZE]) {
  const uint8_t *key = (const uint8_t *)mloom_secret_bytes(seal->fingerprint).data;
  for (size_t i = 0; i < KEY_SIZE; i++) {
    snprintf(out + 2 * i, 3, "%02x", key[i]);
  }
}
