/* SPDX-License-Identifier: Apache-2.0
 *
 * Expected values: FIPS 180-4 and RFC 4231; keys and certificates are made and checked by the openssl program.
 */
#include "harness.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "secret/crypto.h"
#include "secret/secret.h"

static char folder[] = "/tmp/mergeloom-crypto-XXXXXX";

static void to_hex(const uint8_t *bytes, size_t size, char *out) {
  for (size_t i = 0; i < size; i++) {
    snprintf(out + 2 * i, 3, "%02x", bytes[i]);
  }
}

/* Runs a command line in the scratch folder and gives the first line it prints. */
static int run(const char *line, char *out, size_t out_size) {
  char command[1024];
  snprintf(command, sizeof(command), "cd '%s' && %s", folder, line);
  FILE *stream = popen(command, "re");
  if (stream == NULL) {
    return -1;
  }
  char discarded[256];
  out[0] = '\0';
  if (fgets(out, (int)out_size, stream) != NULL) {
    while (fgets(discarded, sizeof(discarded), stream) != NULL) {
    }
  }
  out[strcspn(out, "\n")] = '\0';
  return pclose(stream);
}

static void path_of(const char *name, char out[256]) {
  snprintf(out, 256, "%s/%s", folder, name);
}

static void test_sha256(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  UNIT_ASSERT_CODE(mloom_crypto_engine_new(&engine, &error), MLOOM_OK, &error);
  const mloom_crypto *crypto = mloom_crypto_engine_table(engine);
  uint8_t out[MLOOM_SHA256_SIZE];
  char hex[65];
  mloom_bytes pieces[] = {{"a", 1}, {"", 0}, {"bc", 2}};
  CU_ASSERT_EQUAL(crypto->sha256(crypto->ctx, pieces, 3, out), MLOOM_OK);
  to_hex(out, sizeof(out), hex);
  UNIT_ASSERT_STRING(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CU_ASSERT_EQUAL(crypto->sha256(crypto->ctx, NULL, 0, out), MLOOM_OK);
  to_hex(out, sizeof(out), hex);
  UNIT_ASSERT_STRING(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_hmac_sha256(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  UNIT_ASSERT_CODE(mloom_crypto_engine_new(&engine, &error), MLOOM_OK, &error);
  const mloom_crypto *crypto = mloom_crypto_engine_table(engine);
  uint8_t out[MLOOM_SHA256_SIZE];
  char hex[65];
  /* RFC 4231, cases 2, 3 and 6. */
  char third_data[50];
  memset(third_data, 0xdd, sizeof(third_data));
  mloom_bytes third = {third_data, sizeof(third_data)};
  mloom_bytes second[] = {{"what do ya want ", 16}, {"for nothing?", 12}};
  CU_ASSERT_EQUAL(crypto->hmac_sha256(crypto->ctx, "Jefe", 4, second, 2, out), MLOOM_OK);
  to_hex(out, sizeof(out), hex);
  UNIT_ASSERT_STRING(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  char key[131];
  memset(key, 0xaa, sizeof(key));
  mloom_bytes sixth = {"Test Using Larger Than Block-Size Key - Hash Key First", 54};
  CU_ASSERT_EQUAL(crypto->hmac_sha256(crypto->ctx, key, sizeof(key), &sixth, 1, out), MLOOM_OK);
  to_hex(out, sizeof(out), hex);
  UNIT_ASSERT_STRING(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  /* Python's hmac: a key that fills a block, and none at all. */
  mloom_bytes full = {"at the size of a block", 22};
  memset(key, 'k', 64);
  CU_ASSERT_EQUAL(crypto->hmac_sha256(crypto->ctx, key, 64, &full, 1, out), MLOOM_OK);
  to_hex(out, sizeof(out), hex);
  UNIT_ASSERT_STRING(hex, "24fdab9bcd09a8873c6889fdc846f5b58e4b9bda9af045c765c46824226dab0e");
  CU_ASSERT_EQUAL(crypto->hmac_sha256(crypto->ctx, NULL, 0, NULL, 0, out), MLOOM_OK);
  to_hex(out, sizeof(out), hex);
  UNIT_ASSERT_STRING(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  /* Where the key is the place of the result. */
  memset(out, 0xaa, sizeof(out));
  CU_ASSERT_EQUAL(crypto->hmac_sha256(crypto->ctx, out, 20, &third, 1, out), MLOOM_OK);
  to_hex(out, sizeof(out), hex);
  UNIT_ASSERT_STRING(hex, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
}

static mloom_secret *read_secret(const char *name) {
  char path[256];
  path_of(name, path);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_secret *secret = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_file_read(&text, path, 1 << 20, MLOOM_DOMAIN_SECRET, &error), MLOOM_OK, &error);
  UNIT_ASSERT_CODE(mloom_secret_new(&secret, mloom_buffer_string(&text), text.size, &error), MLOOM_OK, &error);
  return secret;
}

static void test_signatures_verify(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  char line[512];
  CU_ASSERT_EQUAL(run("openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>/dev/null"
                      " || openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>/dev/null",
                      line, sizeof(line)),
                  0);
  CU_ASSERT_EQUAL(run("openssl pkey -in key.pem -pubout -out public.pem", line, sizeof(line)), 0);
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *key = read_secret("key.pem");
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  UNIT_ASSERT_CODE(mloom_crypto_engine_new(&engine, &error), MLOOM_OK, &error);
  const mloom_crypto *crypto = mloom_crypto_engine_table(engine);
  const char *data = "header.payload";
  char path[256];
  path_of("data", path);
  UNIT_ASSERT_CODE(mloom_file_replace(path, data, strlen(data), 0600, MLOOM_DOMAIN_SECRET, &error), MLOOM_OK, &error);
  uint8_t signature[512];
  size_t size = sizeof(signature);
  UNIT_ASSERT_CODE(crypto->sign_rs256(crypto->ctx, key, data, strlen(data), signature, &size, &error), MLOOM_OK,
                   &error);
  CU_ASSERT_EQUAL(size, 256);
  path_of("rs256", path);
  UNIT_ASSERT_CODE(mloom_file_replace(path, (const char *)signature, size, 0600, MLOOM_DOMAIN_SECRET, &error), MLOOM_OK,
                   &error);
  CU_ASSERT_EQUAL(run("openssl dgst -sha256 -verify public.pem -signature rs256 data", line, sizeof(line)), 0);
  UNIT_ASSERT_STRING(line, "Verified OK");
  size = sizeof(signature);
  UNIT_ASSERT_CODE(crypto->sign_ps256(crypto->ctx, key, data, strlen(data), signature, &size, &error), MLOOM_OK,
                   &error);
  path_of("ps256", path);
  UNIT_ASSERT_CODE(mloom_file_replace(path, (const char *)signature, size, 0600, MLOOM_DOMAIN_SECRET, &error), MLOOM_OK,
                   &error);
  CU_ASSERT_EQUAL(run("openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"
                      " -verify public.pem -signature ps256 data",
                      line, sizeof(line)),
                  0);
  UNIT_ASSERT_STRING(line, "Verified OK");
  size = 255;
  UNIT_ASSERT_CODE(crypto->sign_rs256(crypto->ctx, key, data, strlen(data), signature, &size, &error), MLOOM_E_LIMIT,
                   &error);
}

static void test_unusable_key_is_refused(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  char line[512];
  CU_ASSERT_EQUAL(
      run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem 2>/dev/null", line, sizeof(line)),
      0);
  CU_ASSERT_EQUAL(run("openssl pkey -in ec.pem -aes128 -passout pass:test -out encrypted.pem", line, sizeof(line)), 0);
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  UNIT_ASSERT_CODE(mloom_crypto_engine_new(&engine, &error), MLOOM_OK, &error);
  const mloom_crypto *crypto = mloom_crypto_engine_table(engine);
  static const char *const names[] = {"ec.pem", "encrypted.pem", "data"};
  for (size_t i = 0; i < 3; i++) {
    MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *key = read_secret(names[i]);
    uint8_t signature[512];
    size_t size = sizeof(signature);
    UNIT_ASSERT_CODE(crypto->sign_rs256(crypto->ctx, key, "x", 1, signature, &size, &error), MLOOM_E_INVALID, &error);
    CU_ASSERT(error.message[0] != '\0' && error.remedy[0] != '\0');
  }
}

/* "SHA1 Fingerprint=AB:CD" as lower-case hex digits. */
static void fingerprint_digits(const char *line, char out[65]) {
  const char *at = strchr(line, '=');
  size_t size = 0;
  for (at = at == NULL ? "" : at + 1; *at != '\0' && size < 64; at++) {
    if (*at != ':') {
      out[size++] = (char)tolower((unsigned char)*at);
    }
  }
  out[size] = '\0';
}

static void test_certificate(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  char line[512];
  CU_ASSERT_EQUAL(run("openssl req -x509 -key key.pem -subj /CN=test -days 2 -out certificate.pem", line, sizeof(line)),
                  0);
  char path[256];
  path_of("certificate.pem", path);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer pem = MLOOM_BUFFER_INIT;
  UNIT_ASSERT_CODE(mloom_file_read(&pem, path, 1 << 20, MLOOM_DOMAIN_SECRET, &error), MLOOM_OK, &error);
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  UNIT_ASSERT_CODE(mloom_crypto_engine_new(&engine, &error), MLOOM_OK, &error);
  const mloom_crypto *crypto = mloom_crypto_engine_table(engine);
  MLOOM_AUTO(mloom_auto_free) char *der = NULL;
  size_t der_size = 0;
  uint8_t sha1[20];
  uint8_t sha256[MLOOM_SHA256_SIZE];
  UNIT_ASSERT_CODE(
      crypto->read_certificate(crypto->ctx, mloom_buffer_string(&pem), pem.size, &der, &der_size, sha1, sha256, &error),
      MLOOM_OK, &error);
  char expected[65];
  char actual[65];
  run("openssl x509 -in certificate.pem -noout -fingerprint -sha1", line, sizeof(line));
  fingerprint_digits(line, expected);
  to_hex(sha1, sizeof(sha1), actual);
  UNIT_ASSERT_STRING(actual, expected);
  run("openssl x509 -in certificate.pem -noout -fingerprint -sha256", line, sizeof(line));
  fingerprint_digits(line, expected);
  to_hex(sha256, sizeof(sha256), actual);
  UNIT_ASSERT_STRING(actual, expected);
  run("openssl x509 -in certificate.pem -outform DER | wc -c", line, sizeof(line));
  CU_ASSERT_EQUAL((size_t)atol(line), der_size);
  char *nothing = NULL;
  UNIT_ASSERT_CODE(
      crypto->read_certificate(crypto->ctx, "no certificate", 14, &nothing, &der_size, sha1, sha256, &error),
      MLOOM_E_INVALID, &error);
}

static int32_t identity_of(mloom_secret **out, const char *name, const char *password, mloom_error *error) {
  mloom_crypto_engine *engine = NULL;
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *secret = NULL;
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *file = read_secret(name);
  mloom_bytes bytes = mloom_secret_bytes(file);
  CU_ASSERT_EQUAL_FATAL(mloom_crypto_engine_new(&engine, NULL), MLOOM_OK);
  const mloom_crypto *crypto = mloom_crypto_engine_table(engine);
  if (password != NULL) {
    CU_ASSERT_EQUAL(mloom_secret_new(&secret, password, strlen(password), NULL), MLOOM_OK);
  }
  int32_t code = crypto->read_identity(crypto->ctx, bytes.data, bytes.size, secret, out, error);
  mloom_crypto_engine_free(engine);
  return code;
}

/* Whatever the file is like, what comes of it is the same PEM, which is what openssl makes of key and certificate. */
static void test_identity(void) {
  static const char *const commands[] = {
      "openssl req -x509 -key key.pem -subj /CN=test -days 2 -out one.crt",
      "openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -subj /CN=above -days 2 -out above.crt 2>/dev/null",
      "cat key.pem one.crt above.crt >plain.pem",
      "cat one.crt above.crt key.pem >swapped.pem",
      "openssl pkey -in key.pem -aes256 -passout pass:test-word -out locked.key",
      "cat locked.key one.crt above.crt >locked.pem",
      "openssl pkcs12 -export -inkey key.pem -in one.crt -certfile above.crt -passout pass:test-word -out locked.pfx",
      "openssl pkcs12 -export -inkey key.pem -in one.crt -certfile above.crt -passout pass: -out empty.pfx",
      "openssl pkcs12 -export -inkey key.pem -in one.crt -certfile above.crt -passout pass: -nomac -out nomac.pfx",
      "openssl pkcs12 -export -nokeys -in one.crt -passout pass:test-word -out keyless.pfx",
      "openssl pkcs12 -export -legacy -inkey key.pem -in one.crt -passout pass:test-word -out old.pfx 2>/dev/null",
      "cat key.pem >bare.pem",
      "head -c 700 locked.pfx >cut.pfx",
      "cp one.crt certificate-only.pem"};
  static const struct {
    const char *file;
    const char *password;
    const char *problem; /* NULL: it opens */
  } cases[] = {{"plain.pem", NULL, NULL},
               {"plain.pem", "test-word", NULL},
               {"swapped.pem", NULL, NULL},
               {"locked.pem", "test-word", NULL},
               {"locked.pfx", "test-word", NULL},
               {"empty.pfx", NULL, NULL},
               {"nomac.pfx", NULL, NULL},
               {"locked.pem", NULL, "is encrypted"},
               {"locked.pem", "other", "does not open"},
               {"locked.pfx", NULL, "is encrypted"},
               {"locked.pfx", "other", "does not open"},
               {"keyless.pfx", "test-word", "no private key with a certificate"},
               {"old.pfx", "test-word", "outdated"},
               {"cut.pfx", "test-word", "no private key"},
               {"bare.pem", NULL, "no certificate"},
               {"certificate-only.pem", NULL, "no private key"},
               {"data", NULL, "no private key"}};
  char line[512];
  for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
    CU_ASSERT_EQUAL(run(commands[i], line, sizeof(line)), 0);
  }
  run("openssl pkey -in key.pem -out plain.key && cat plain.key one.crt above.crt >wanted.pem", line, sizeof(line));
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *wanted = read_secret("wanted.pem");
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *identity = NULL;
    mloom_error error = MLOOM_ERROR_INIT;
    int32_t code = identity_of(&identity, cases[i].file, cases[i].password, &error);
    UNIT_ASSERT_CODE(code, cases[i].problem == NULL ? MLOOM_OK : MLOOM_E_INVALID, &error);
    if (cases[i].problem != NULL) {
      if (strstr(error.message, cases[i].problem) == NULL) {
        fprintf(stderr, "%s: %s\n", cases[i].file, error.message);
      }
      CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].problem));
      CU_ASSERT(error.remedy[0] != '\0');
    } else if (identity != NULL) {
      UNIT_ASSERT_STRING(mloom_secret_bytes(identity).data, mloom_secret_bytes(wanted).data);
    }
  }
}

/* Writes a copy of a file with the nth occurrence of some bytes changed. */
static void write_changed(const char *from, const char *to, const char *bytes, const char *others, size_t size,
                          int nth) {
  char path[256];
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer file = MLOOM_BUFFER_INIT;
  path_of(from, path);
  UNIT_ASSERT_CODE(mloom_file_read(&file, path, 1 << 20, MLOOM_DOMAIN_SECRET, &error), MLOOM_OK, &error);
  char *at = file.data;
  for (; at != NULL && nth > 0; nth--) {
    at = at == file.data ? at : at + 1;
    at = memmem(at, file.size - (size_t)(at - file.data), bytes, size);
  }
  CU_ASSERT_PTR_NOT_NULL_FATAL(at);
  memcpy(at, others, size);
  path_of(to, path);
  UNIT_ASSERT_CODE(mloom_file_replace(path, file.data, file.size, 0600, MLOOM_DOMAIN_SECRET, &error), MLOOM_OK, &error);
}

/* Key files whose password would be hashed for hours are refused before anything is hashed: what they say is made by
 * writing other numbers into files of openssl. */
static void test_hostile_rounds(void) {
#define EXPORT "openssl pkcs12 -export -inkey key.pem -in one.crt -iter 100000 -passout pass:test-word "
#define LOCK "openssl pkcs8 -topk8 -in key.pem -outform DER -passout pass:test-word "
#define AS_PEM(name)                                                                                              \
  "{ echo '-----BEGIN ENCRYPTED PRIVATE KEY-----'; openssl base64 -e -in " name ".der; echo '-----END ENCRYPTED " \
  "PRIVATE KEY-----'; } >" name ".pem"
  static const char *const makers[] = {"openssl req -x509 -key key.pem -subj /CN=test -days 2 -out one.crt",
                                       EXPORT "-out usual.pfx",
                                       EXPORT "-nomac -keypbe AES-256-CBC -certpbe AES-256-CBC -out unchecked.pfx",
                                       LOCK "-iter 100000 -out usual.der",
                                       LOCK "-v1 PBE-SHA1-3DES -iter 100000 -out usual-old.der",
                                       LOCK "-scrypt -out usual-mixed.der"};
  /* 100,000 and 8,388,607; a block size of 8 in 1 lane, and 127 of each. */
  static const char rounds[] = "\x02\x03\x01\x86\xa0", more_rounds[] = "\x02\x03\x7f\xff\xff";
  static const char mixes[] = "\x02\x01\x08\x02\x01\x01", more_mixes[] = "\x02\x01\x7f\x02\x01\x7f";
  static const struct {
    const char *from, *to, *bytes, *others;
    int nth;
  } changes[] = {{"unchecked.pfx", "certificate.pfx", rounds, more_rounds, 1},
                 {"unchecked.pfx", "key.pfx", rounds, more_rounds, 2},
                 {"usual.pfx", "check.pfx", rounds, more_rounds, 3},
                 {"usual.der", "slow.der", rounds, more_rounds, 1},
                 {"usual-old.der", "old.der", rounds, more_rounds, 1},
                 {"usual-mixed.der", "mixed.der", mixes, more_mixes, 1}};
  static const char *const finishers[] = {
      AS_PEM("slow"), AS_PEM("old"), AS_PEM("mixed"),
      /* Behind one that cannot be read. */
      "{ echo '-----BEGIN PRIVATE KEY-----'; echo '?'; echo '-----END PRIVATE KEY-----'; cat slow.pem; } >behind.pem"};
  static const char *const names[] = {"certificate.pfx", "key.pfx",   "check.pfx", "slow.pem",
                                      "old.pem",         "mixed.pem", "behind.pem"};
  char line[512];
  for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
    CU_ASSERT_EQUAL(run(makers[i], line, sizeof(line)), 0);
  }
  for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
    write_changed(changes[i].from, changes[i].to, changes[i].bytes, changes[i].others, strlen(changes[i].bytes),
                  changes[i].nth);
  }
  for (size_t i = 0; i < sizeof(finishers) / sizeof(finishers[0]); i++) {
    CU_ASSERT_EQUAL(run(finishers[i], line, sizeof(line)), 0);
  }
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *identity = NULL;
    mloom_error error = MLOOM_ERROR_INIT;
    UNIT_ASSERT_CODE(identity_of(&identity, names[i], "test-word", &error), MLOOM_E_INVALID, &error);
    if (strstr(error.message, "hashed more often") == NULL) {
      fprintf(stderr, "%s: %s\n", names[i], error.message);
      CU_FAIL("the number is not looked at");
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(error.remedy, "fewer rounds"));
  }
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *usual = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(identity_of(&usual, "usual.pfx", "test-word", &error), MLOOM_OK, &error);
}

/* Every beginning of a key file is refused with a reason, up to where it is whole. */
static void test_cut_identity(void) {
  static const char *const commands[] = {
      "openssl req -x509 -key key.pem -subj /CN=test -days 2 -out one.crt", "cat key.pem one.crt >plain.pem",
      "openssl pkcs12 -export -inkey key.pem -in one.crt -passout pass:test-word -out locked.pfx"};
  static const char *const names[] = {"plain.pem", "locked.pfx"};
  char line[512];
  for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
    CU_ASSERT_EQUAL(run(commands[i], line, sizeof(line)), 0);
  }
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *password = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_crypto_engine_new(&engine, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL_FATAL(mloom_secret_new(&password, "test-word", 9, NULL), MLOOM_OK);
  const mloom_crypto *crypto = mloom_crypto_engine_table(engine);
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *file = read_secret(names[i]);
    mloom_bytes bytes = mloom_secret_bytes(file);
    for (size_t size = 0; size + 1 < bytes.size; size++) { /* the line break at the end may be missing */
      MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *identity = NULL;
      mloom_error error = MLOOM_ERROR_INIT;
      /* A copy of exactly that size shows every read behind its end. */
      MLOOM_AUTO(mloom_auto_free) char *cut = malloc(size == 0 ? 1 : size);
      memcpy(cut, bytes.data, size);
      int32_t code = crypto->read_identity(crypto->ctx, cut, size, password, &identity, &error);
      CU_ASSERT(code == MLOOM_E_INVALID && error.message[0] != '\0' && error.remedy[0] != '\0');
    }
  }
}

static const unit_test tests[] = {
    {"SHA-256 of pieces", test_sha256},
    {"HMAC-SHA-256 under short and long keys", test_hmac_sha256},
    {"RS256 and PS256 signatures verify with openssl", test_signatures_verify},
    {"an EC key, an encrypted key and no key are refused", test_unusable_key_is_refused},
    {"certificate digests equal those of openssl", test_certificate},
    {"keys with certificates, in PEM and PKCS #12", test_identity},
    {"a key file that would keep a processor busy for hours is refused before that", test_hostile_rounds},
    {"a key file that ends early is refused, wherever it ends", test_cut_identity},
};

int main(void) {
  if (mkdtemp(folder) == NULL) {
    perror("mkdtemp");
    return 2;
  }
  int status = unit_run("crypto", tests, sizeof(tests) / sizeof(tests[0]));
  mloom_file_remove_tree(folder, NULL);
  return status;
}
