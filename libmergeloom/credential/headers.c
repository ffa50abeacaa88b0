/* SPDX-License-Identifier: Apache-2.0 */
#include "credential/headers.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "net/http.h"

int32_t mloom_authorized_headers_add(const mloom_header *header, void *userdata) {
  mloom_authorized_headers *out = userdata;
  mloom_header **grown = realloc(out->headers, (out->count + 1) * sizeof(*grown));
  if (grown == NULL) {
    return MLOOM_E_MEMORY;
  }
  out->headers = grown;
  mloom_header *copy = calloc(1, sizeof(*copy));
  char *name = strdup(header->name == NULL ? "" : header->name);
  char *value = strdup(header->value == NULL ? "" : header->value);
  if (copy == NULL || name == NULL || value == NULL) {
    free(copy);
    free(name);
    free(value);
    return MLOOM_E_MEMORY;
  }
  copy->size = (uint32_t)sizeof(*copy);
  copy->name = name;
  copy->value = value;
  copy->secret = header->secret == NULL ? NULL : mloom_secret_ref(header->secret);
  out->headers[out->count++] = copy;
  return MLOOM_OK;
}

void mloom_authorized_headers_free(mloom_authorized_headers *headers) {
  for (size_t i = 0; i < headers->count; i++) {
    mloom_header *header = headers->headers[i];
    free((void *)(uintptr_t)header->name);
    free((void *)(uintptr_t)header->value);
    mloom_secret_unref(header->secret);
    free(header);
  }
  free(headers->headers);
  memset(headers, 0, sizeof(*headers));
}

/* scheme://authority and nothing behind: scopes look like addresses too, but have a path. */
static int is_origin(const char *text) {
  size_t scheme = mloom_text_compare_start_fold(text, "http://", 7) == 0    ? 7
                  : mloom_text_compare_start_fold(text, "https://", 8) == 0 ? 8
                                                                            : 0;
  if (scheme == 0) {
    return 0;
  }
  const char *end = text + scheme + strcspn(text + scheme, "/?#");
  return strcmp(end, "") == 0 || strcmp(end, "/") == 0;
}

int32_t mloom_authorization_check_origin(const mloom_authorization *authorization, const mloom_http_request *request,
                                         mloom_error *error) {
  const char *audience = authorization->audience;
  if (audience == NULL || !is_origin(audience)) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bound = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer target = MLOOM_BUFFER_INIT;
  int32_t code = mloom_http_origin(&bound, audience, error);
  if (code == MLOOM_OK) {
    code = mloom_http_origin(&target, request->url, error);
  }
  if (code == MLOOM_OK && strcmp(mloom_buffer_string(&bound), mloom_buffer_string(&target)) != 0) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_CREDENTIAL, "report it to the author of the provider",
                           "the credential for %s is not sent to %s", mloom_buffer_string(&bound),
                           mloom_buffer_string(&target));
  }
  return code;
}
