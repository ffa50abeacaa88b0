/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static const char *authority_of(const char *url) {
  const char *authority = strstr(url, "://");
  return authority == NULL ? url : authority + 3;
}

size_t mloom_endpoint_origin_size(const char *url) {
  const char *authority = authority_of(url);
  return (size_t)(authority - url) + strcspn(authority, "/?#");
}

const char *mloom_endpoint_host(const char *url, size_t *size) {
  const char *host = authority_of(url);
  size_t end = strcspn(host, "/?#");
  const char *user = memchr(host, '@', end);
  if (user != NULL) {
    end -= (size_t)(user + 1 - host);
    host = user + 1;
  }
  if (end > 0 && host[0] == '[') {
    const char *close = memchr(host, ']', end);
    *size = close == NULL ? end - 1 : (size_t)(close - host) - 1;
    return host + 1;
  }
  const char *port = memchr(host, ':', end);
  *size = port == NULL ? end : (size_t)(port - host);
  return host;
}

int mloom_endpoint_host_is_in(const char *url, const char *domain) {
  size_t size = 0;
  const char *host = mloom_endpoint_host(url, &size);
  size_t domain_size = strlen(domain);
  return size >= domain_size && strncasecmp(host + size - domain_size, domain, domain_size) == 0 &&
         (size == domain_size || host[size - domain_size - 1] == '.');
}

int mloom_endpoint_ends_with(const char *text, const char *end) {
  size_t size = strlen(text);
  size_t end_size = strlen(end);
  return size >= end_size && strcasecmp(text + size - end_size, end) == 0;
}

int mloom_endpoint_is_loopback(const char *url) {
  size_t size = 0;
  const char *host = mloom_endpoint_host(url, &size);
  return (size == 9 && strncasecmp(host, "localhost", 9) == 0) || (size > 4 && strncmp(host, "127.", 4) == 0) ||
         (size == 3 && strncmp(host, "::1", 3) == 0);
}

int mloom_endpoint_is_unencrypted(const char *url) {
  return strncasecmp(url, "http://", 7) == 0 && !mloom_endpoint_is_loopback(url);
}
