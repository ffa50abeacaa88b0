/* SPDX-License-Identifier: Apache-2.0 */
#include "net/proxy.h"

#include <string.h>

mloom_bytes mloom_proxy_url_login(const char *url) {
  const char *scheme = url == NULL ? NULL : strstr(url, "://");
  const char *start = scheme == NULL ? url : scheme + 3;
  size_t size = start == NULL ? 0 : strcspn(start, "/?#");
  while (size > 0 && start[size - 1] != '@') {
    size--;
  }
  return size == 0 ? (mloom_bytes){"", 0} : (mloom_bytes){start, size - 1};
}

static int32_t redact(mloom_redactor *redactor, mloom_bytes text) {
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *secret = NULL;
  if (text.size == 0) {
    return MLOOM_OK;
  }
  int32_t code = mloom_secret_new(&secret, text.data, text.size, NULL);
  return code == MLOOM_OK ? mloom_redactor_add(redactor, secret) : code;
}

static int32_t redact_text(mloom_redactor *redactor, mloom_bytes login) {
  const char *colon = login.size == 0 ? NULL : memchr(login.data, ':', login.size);
  int32_t code = redact(redactor, login);
  if (code == MLOOM_OK && colon != NULL) {
    code = redact(redactor, (mloom_bytes){colon + 1, login.size - (size_t)(colon + 1 - login.data)});
  }
  return code;
}

int32_t mloom_proxy_redact_login(mloom_redactor *redactor, const mloom_secret *login) {
  return redactor == NULL || login == NULL ? MLOOM_OK : redact_text(redactor, mloom_secret_bytes(login));
}

static int hex_value(char c) {
  static const char digits[] = "0123456789abcdef";
  const char *found = c == '\0' ? NULL : strchr(digits, c | ('A' <= c && c <= 'F' ? 0x20 : 0));
  return found == NULL ? -1 : (int)(found - digits);
}

/* What is no escape stays as it is. */
static int32_t unescape(mloom_buffer *out, mloom_bytes text) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < text.size; i++) {
    int high = text.data[i] == '%' && text.size - i > 2 ? hex_value(text.data[i + 1]) : -1;
    int low = high < 0 ? -1 : hex_value(text.data[i + 2]);
    code = mloom_buffer_append_char(out, low < 0 ? text.data[i] : (char)(high * 16 + low));
    i += low < 0 ? 0 : 2;
  }
  return code;
}

int32_t mloom_proxy_redact_url(mloom_redactor *redactor, const char *url) {
  mloom_bytes login = mloom_proxy_url_login(url);
  mloom_buffer plain = MLOOM_BUFFER_INIT;
  if (redactor == NULL || login.size == 0) {
    return MLOOM_OK;
  }
  int32_t code = unescape(&plain, login);
  code = code == MLOOM_OK ? redact_text(redactor, login) : code;
  code = code == MLOOM_OK ? redact_text(redactor, (mloom_bytes){plain.data, plain.size}) : code;
  if (plain.data != NULL) {
    mloom_secret_wipe(plain.data, plain.size);
  }
  mloom_buffer_free(&plain);
  return code;
}
