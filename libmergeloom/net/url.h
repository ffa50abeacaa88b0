/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of a URL that decides whom a request talks to. Stricter than most parsers, so that no other reads another
 * host from the same text. Depends on libc only.
 */
#ifndef MLOOM_NET_URL_H
#define MLOOM_NET_URL_H

#include "base/buffer.h"

typedef struct mloom_url {
  mloom_bytes host; /* without brackets */
  uint32_t port;
  uint32_t is_https;
  uint32_t is_ipv6;
  uint32_t reserved;
} mloom_url;

/* An absolute http or https URL in ASCII without user information; else MLOOM_E_INVALID. out points into url. */
int32_t mloom_url_parse(mloom_url *out, const char *url, mloom_error *error);

/* "scheme://host:port" of a URL in lower case with the port always given. MLOOM_E_INVALID with a remedy unless it is an
 * absolute http or https URL without user information. */
int32_t mloom_http_origin(mloom_buffer *out, const char *url, mloom_error *error);
/* 1 when the URL's host is localhost, 127.0.0.0/8 or [::1]. */
int mloom_http_is_loopback(const char *url);

#endif
