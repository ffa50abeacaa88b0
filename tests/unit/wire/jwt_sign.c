/* SPDX-License-Identifier: Apache-2.0
 *
 * jwt_sign RS256|PS256 KEY-FILE HEADER CLAIMS: prints the signed token, for the test that verifies it.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "plugin/host.h"
#include "secret/crypto.h"
#include "secret/secret.h"
#include "wire/jwt.h"

int main(int argc, char **argv) {
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer pem = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer token = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *key = NULL;
  if (argc != 5) {
    fprintf(stderr, "usage: jwt_sign RS256|PS256 KEY-FILE HEADER CLAIMS\n");
    return 2;
  }
  int32_t code = mloom_file_read(&pem, argv[2], 65536, MLOOM_DOMAIN_CREDENTIAL, &error);
  code = code != MLOOM_OK ? code : mloom_secret_new(&key, mloom_buffer_string(&pem), pem.size, &error);
  code = code != MLOOM_OK ? code : mloom_crypto_engine_new(&engine, &error);
  if (code == MLOOM_OK) {
    mloom_host_services services = {.clock = mloom_clock_system(), .crypto = mloom_crypto_engine_table(engine)};
    mloom_host host;
    mloom_host_init(&host, &services);
    uint32_t algorithm = strcmp(argv[1], "PS256") == 0 ? MLOOM_JWT_PS256 : MLOOM_JWT_RS256;
    code = mloom_jwt_sign(&token, &host, algorithm, mloom_text_bytes(argv[3]), mloom_text_bytes(argv[4]), key, &error);
  }
  if (code != MLOOM_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  fputs(mloom_buffer_string(&token), stdout);
  return 0;
}
