/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "net/url.h"

char *mloom_endpoint_join(const char *url, size_t url_size, const char *path) {
  size_t path_size = strlen(path);
  char *out = malloc(url_size + path_size + 1);
  if (out != NULL) {
    memcpy(out, url, url_size);
    memcpy(out + url_size, path, path_size + 1);
  }
  return out;
}

size_t mloom_endpoint_trimmed_size(const char *url) {
  size_t size = strlen(url);
  while (size > 0 && url[size - 1] == '/') {
    size--;
  }
  return size;
}

size_t mloom_endpoint_origin_size(const char *url) {
  const char *authority = strstr(url, "://");
  authority = authority == NULL ? url : authority + 3;
  return (size_t)(authority - url) + strcspn(authority, "/?#");
}

int mloom_endpoint_host_is_in(const char *url, const char *domain) {
  mloom_url parsed;
  size_t domain_size = strlen(domain);
  if (mloom_url_parse(&parsed, url, NULL) != MLOOM_OK || parsed.host.size < domain_size) {
    return 0;
  }
  const char *end = parsed.host.data + parsed.host.size - domain_size;
  return mloom_text_compare_start_fold(end, domain, domain_size) == 0 && (end == parsed.host.data || end[-1] == '.');
}

int mloom_endpoint_ends_with(const char *text, const char *end) {
  size_t size = strlen(text);
  size_t end_size = strlen(end);
  return size >= end_size && mloom_text_compare_fold(text + size - end_size, end) == 0;
}

int mloom_endpoint_is_unencrypted(const char *url) {
  return mloom_text_compare_start_fold(url, "http://", 7) == 0 && !mloom_http_is_loopback(url);
}
