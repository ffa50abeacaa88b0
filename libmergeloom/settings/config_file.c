/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/config_file.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "secret/secret.h"

#define CONFIG_FILE_LIMIT ((size_t)1 << 20)
#define DEFAULT_CONFIG_PATH "/etc/mergeloom/config.json"

int32_t mloom_config_file_find(char **out, const char *given, mloom_error *error) {
  const char *path = given != NULL ? given : DEFAULT_CONFIG_PATH;
  *out = NULL;
  if (given == NULL && access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return MLOOM_OK;
  }
  if (path[0] != '/') {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "give the path from the root, starting with /",
                           "the configuration file is not an absolute path: %s", path);
  }
  *out = mloom_text_dup(mloom_text_bytes(path));
  return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

int32_t mloom_config_parse(mloom_json **out, mloom_bytes text, const char *what, mloom_error *error) {
  int32_t code = mloom_json_parse(out, text.data == NULL ? "" : text.data, text.size, what, error);
  if (code == MLOOM_OK && mloom_json_kind(*out) != MLOOM_JSON_OBJECT) {
    code = mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                           "write an object with the members \"worker\" and \"providers\"", "%s is not a JSON object",
                           what);
  }
  return code;
}

int32_t mloom_config_file_read(mloom_json **out, const char *path, mloom_error *error) {
  int32_t code = mloom_file_check_trusted(path, MLOOM_DOMAIN_SETTINGS, error);
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer what = MLOOM_BUFFER_INIT;
  code = mloom_file_read(&text, path, CONFIG_FILE_LIMIT, MLOOM_DOMAIN_SETTINGS, error);
  if (code == MLOOM_OK && mloom_buffer_append_format(&what, "the configuration file %s", path) != MLOOM_OK) {
    code = mloom_error_memory(error);
  }
  if (code == MLOOM_OK) {
    code = mloom_config_parse(out, (mloom_bytes){text.data, text.size}, mloom_buffer_string(&what), error);
  }
  if (text.data != NULL) {
    mloom_secret_wipe(text.data, text.size);
  }
  return code;
}
