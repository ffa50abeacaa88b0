/* SPDX-License-Identifier: Apache-2.0
 *
 * Servers of Azure Arc: the agent gives a token to whoever can read a file that it names.
 */
#include "config.h"

#include "azure.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#define KEY_FOLDER "/var/opt/azcmagent/tokens/"
#define KEY_SUFFIX ".key"
#define KEY_LIMIT ((size_t)4096)

static int32_t refuse(mloom_error *error, const char *what) {
  return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_CREDENTIAL,
                         "check that the agent of Azure Arc is what answers at IDENTITY_ENDPOINT",
                         "the challenge of Azure Arc %s", what);
}

/* What stands behind realm=, with or without quotation marks. */
static mloom_bytes find_realm(const char *challenge) {
  mloom_bytes text = mloom_text_trim(mloom_text_bytes(challenge));
  if (text.size < 6 || mloom_text_compare_start_fold(text.data, "Basic ", 6) != 0) {
    return (mloom_bytes){"", 0};
  }
  text = mloom_text_trim((mloom_bytes){text.data + 6, text.size - 6});
  if (text.size < 6 || mloom_text_compare_start_fold(text.data, "realm=", 6) != 0) {
    return (mloom_bytes){"", 0};
  }
  text = mloom_text_trim((mloom_bytes){text.data + 6, text.size - 6});
  if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"') {
    text = (mloom_bytes){text.data + 1, text.size - 2};
  }
  return text;
}

int32_t mloom_azure_arc_key_path(mloom_buffer *out, const char *root, const char *challenge, mloom_error *error) {
  mloom_bytes path = find_realm(challenge);
  size_t folder = strlen(KEY_FOLDER);
  size_t suffix = strlen(KEY_SUFFIX);
  if (path.size == 0) {
    return refuse(error, "names no file");
  }
  if (path.size <= folder + suffix || path.size > 512 || memcmp(path.data, KEY_FOLDER, folder) != 0 ||
      memcmp(path.data + path.size - suffix, KEY_SUFFIX, suffix) != 0 ||
      memchr(path.data + folder, '/', path.size - folder) != NULL || memchr(path.data, 0, path.size) != NULL) {
    return refuse(error, "names a file that is none of its keys");
  }
  if (mloom_buffer_append_string(out, root) != MLOOM_OK || mloom_buffer_append(out, path.data, path.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

int32_t mloom_azure_arc_answer(const mloom_azure_fetch *fetch, const char *challenge, mloom_secret **out,
                               mloom_error *error) {
  const mloom_host *host = fetch->source->host;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  int32_t code = mloom_azure_arc_key_path(&path, fetch->source->root, challenge, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_buffer_reserve(&text, KEY_LIMIT + 32768) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = mloom_file_read(&text, path.data, KEY_LIMIT, MLOOM_DOMAIN_CREDENTIAL, error);
  if (code == MLOOM_E_DENIED) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL,
                           "add the user that the worker runs as to the group himds, and start it again",
                           "the keys of Azure Arc may not be read");
  }
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes key = mloom_text_trim((mloom_bytes){mloom_buffer_string(&text), text.size});
  if (key.size == 0) {
    return refuse(error, "names an empty file");
  }
  return host->secret_new(host->ctx, text.data + (key.data - text.data), key.size, out, error);
}
