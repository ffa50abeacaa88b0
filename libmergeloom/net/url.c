/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define LARGEST_HOST_SIZE 253
#define LARGEST_URL_SIZE 8192

/* The URL itself is not repeated: it may hold a key. */
static int32_t refuse(mloom_error *error, const char *problem) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_NETWORK,
                         "give an absolute URL such as https://host.example/v1", "the URL %s", problem);
}

static int is_host_byte(char c, int is_ipv6) {
  int is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  if (is_ipv6) {
    return is_hex || c == ':' || c == '.';
  }
  return is_hex || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

/* Splits "host:port" or "[address]:port". *port_text is empty without a port. */
static int split_authority(mloom_url *out, mloom_bytes authority, mloom_bytes *port_text) {
  const char *end = authority.data + authority.size;
  const char *host_end;
  out->is_ipv6 = authority.size > 0 && authority.data[0] == '[';
  if (out->is_ipv6) {
    host_end = memchr(authority.data, ']', authority.size);
    if (host_end == NULL) {
      return 0;
    }
    out->host = (mloom_bytes){authority.data + 1, (size_t)(host_end - authority.data - 1)};
    host_end++;
  } else {
    host_end = authority.size == 0 ? NULL : memchr(authority.data, ':', authority.size);
    host_end = host_end == NULL ? end : host_end;
    out->host = (mloom_bytes){authority.data, (size_t)(host_end - authority.data)};
  }
  *port_text = (mloom_bytes){host_end, 0};
  if (host_end == end) {
    return 1;
  }
  *port_text = (mloom_bytes){host_end + 1, (size_t)(end - host_end - 1)};
  return *host_end == ':' && port_text->size > 0;
}

int32_t mloom_url_parse(mloom_url *out, const char *url, mloom_error *error) {
  memset(out, 0, sizeof(*out));
  size_t size = url == NULL ? 0 : strnlen(url, LARGEST_URL_SIZE + 1);
  if (size == 0) {
    return refuse(error, "is empty");
  }
  if (size > LARGEST_URL_SIZE) {
    return refuse(error, "is too long");
  }
  for (size_t i = 0; i < size; i++) {
    if (url[i] <= 0x20 || url[i] >= 0x7F || url[i] == '\\') {
      return refuse(error, "has a blank, a backslash, or a byte that is not printable ASCII");
    }
  }
  out->is_https = mloom_text_compare_start_fold(url, "https://", 8) == 0;
  if (!out->is_https && mloom_text_compare_start_fold(url, "http://", 7) != 0) {
    return refuse(error, "does not begin with https:// or http://");
  }
  const char *authority = url + (out->is_https ? 8 : 7);
  mloom_bytes text = {authority, strcspn(authority, "/?#")};
  if (memchr(text.data, '@', text.size) != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_NETWORK,
                           "remove what stands before the @ and put the credential into its own setting",
                           "the URL has user information in front of the host");
  }
  mloom_bytes port_text;
  if (!split_authority(out, text, &port_text) || out->host.size == 0 || out->host.size > LARGEST_HOST_SIZE) {
    return refuse(error, "has no valid host and port");
  }
  for (size_t i = 0; i < out->host.size; i++) {
    if (!is_host_byte(out->host.data[i], (int)out->is_ipv6)) {
      return refuse(error, "has a host with a character that no host name has");
    }
  }
  int64_t port = out->is_https ? 443 : 80;
  if (port_text.size > 0 && (port_text.data[0] < '0' || port_text.data[0] > '9' ||
                             mloom_text_parse_int64(port_text, &port) != MLOOM_OK || port < 1 || port > 65535)) {
    return refuse(error, "has a port that is not a number from 1 to 65535");
  }
  out->port = (uint32_t)port;
  return MLOOM_OK;
}

int32_t mloom_http_origin(mloom_buffer *out, const char *url, mloom_error *error) {
  mloom_url parts;
  int32_t code = mloom_url_parse(&parts, url, error);
  if (code != MLOOM_OK) {
    return code;
  }
  size_t before = out->size;
  if (mloom_buffer_append_format(out, "%s://%s%.*s%s:%u", parts.is_https ? "https" : "http", parts.is_ipv6 ? "[" : "",
                                 (int)parts.host.size, parts.host.data, parts.is_ipv6 ? "]" : "",
                                 parts.port) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  for (size_t i = before; i < out->size; i++) {
    if (out->data[i] >= 'A' && out->data[i] <= 'Z') {
      out->data[i] = (char)(out->data[i] + ('a' - 'A'));
    }
  }
  return MLOOM_OK;
}

int mloom_http_is_loopback(const char *url) {
  mloom_url parts;
  if (mloom_url_parse(&parts, url, NULL) != MLOOM_OK) {
    return 0;
  }
  char host[LARGEST_HOST_SIZE + 1];
  memcpy(host, parts.host.data, parts.host.size);
  host[parts.host.size] = '\0';
  unsigned char address[16];
  if (parts.is_ipv6) {
    static const unsigned char loopback[16] = {[15] = 1};
    return inet_pton(AF_INET6, host, address) == 1 && memcmp(address, loopback, sizeof(loopback)) == 0;
  }
  return mloom_text_equal_fold(parts.host, "localhost") ||
         (inet_pton(AF_INET, host, address) == 1 && address[0] == 127);
}
