/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "job/git_metadata.h"
#include "secret/secret.h"

static int32_t hide(mloom_redactor *redactor, mloom_bytes value, mloom_error *error) {
  MLOOM_AUTO(mloom_secret_unref_auto) const mloom_secret *hidden = NULL;
  mloom_secret *secret = NULL;
  if (value.size < 4) {
    return MLOOM_OK;
  }
  int32_t code = mloom_secret_new(&secret, value.data, value.size, error);
  hidden = secret;
  return code == MLOOM_OK ? mloom_redactor_add(redactor, secret) : code;
}

/* The password of an URL, or its user when that stands alone, as tokens do. */
static mloom_bytes find_in_url(mloom_bytes line) {
  const char *begin = memmem(line.data, line.size, "://", 3);
  if (begin == NULL) {
    return (mloom_bytes){NULL, 0};
  }
  begin += 3;
  const char *end = line.data + line.size;
  const char *slash = memchr(begin, '/', (size_t)(end - begin));
  const char *at = memrchr(begin, '@', (size_t)((slash == NULL ? end : slash) - begin));
  if (at == NULL) {
    return (mloom_bytes){NULL, 0};
  }
  const char *colon = memchr(begin, ':', (size_t)(at - begin));
  const char *secret = colon == NULL ? begin : colon + 1;
  /* The user of an ssh address is no secret. */
  int is_plain_user = colon == NULL && at - begin <= 8;
  return is_plain_user ? (mloom_bytes){NULL, 0} : (mloom_bytes){secret, (size_t)(at - secret)};
}

/* "extraheader = AUTHORIZATION: basic ...": the last word. */
static mloom_bytes find_in_header(mloom_bytes line) {
  mloom_bytes trimmed = mloom_text_trim(line);
  if (trimmed.size < 11 || mloom_text_compare_start_fold(trimmed.data, "extraheader", 11) != 0) {
    return (mloom_bytes){NULL, 0};
  }
  const char *space = memrchr(trimmed.data, ' ', trimmed.size);
  const char *word = space == NULL ? trimmed.data + 11 : space + 1;
  return (mloom_bytes){word, (size_t)(trimmed.data + trimmed.size - word)};
}

int32_t mloom_git_metadata_hide_credentials(const mloom_git_metadata *metadata, mloom_redactor *redactor,
                                            mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (metadata->common_dir == NULL || redactor == NULL) {
    return MLOOM_OK;
  }
  if (mloom_buffer_append_format(&path, "%s/config", metadata->common_dir) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (mloom_file_read(&text, mloom_buffer_string(&path), 1u << 20, MLOOM_DOMAIN_WORKSPACE, NULL) != MLOOM_OK) {
    return MLOOM_OK;
  }
  int32_t code = MLOOM_OK;
  const char *end = mloom_buffer_string(&text) + text.size;
  for (const char *at = mloom_buffer_string(&text); at < end && code == MLOOM_OK;) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    mloom_bytes line = {at, (size_t)((newline == NULL ? end : newline) - at)};
    code = hide(redactor, find_in_url(line), error);
    code = code == MLOOM_OK ? hide(redactor, find_in_header(line), error) : code;
    at = newline == NULL ? end : newline + 1;
  }
  mloom_secret_wipe(text.data, text.size);
  return code == MLOOM_E_MEMORY ? mloom_error_memory(error) : code;
}
