/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "credential-google/key_file.h"
#include "plugin/host.h"
#include "secret/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes into addresses, headers and messages has no line break. */
static void check_text(const char *text) {
  if (text != NULL && (text[0] == '\0' || strpbrk(text, "\r\n") != NULL)) {
    __builtin_trap();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_host_services services = {0};
  mloom_host host;
  mloom_google_key_file *file = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_host_init(&host, &services);
  int32_t code = mloom_google_key_file_read(&file, &host, (mloom_bytes){(const char *)data, size}, "the test", &error);
  if (code != MLOOM_OK) {
    if (file != NULL || error.message[0] == '\0' || error.remedy[0] == '\0') {
      __builtin_trap();
    }
    return 0;
  }
  check_text(file->client_email);
  check_text(file->token_url);
  check_text(file->impersonation_url);
  check_text(file->quota_project_id);
  check_text(file->subject_url);
  if ((file->type == MLOOM_GOOGLE_SERVICE_ACCOUNT && (file->private_key == NULL || file->client_email == NULL)) ||
      (file->type == MLOOM_GOOGLE_IMPERSONATED && file->source == NULL) ||
      (file->type == MLOOM_GOOGLE_EXTERNAL_ACCOUNT && file->token_url == NULL)) {
    __builtin_trap();
  }
  mloom_google_key_file_free(file);
  return 0;
}
