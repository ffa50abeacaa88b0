/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of a URL that decides whom a request talks to. Stricter than most parsers, so that no other reads another
 * host from the same text.
 */
#ifndef MLOOM_NET_URL_H
#define MLOOM_NET_URL_H

#include <mergeloom/types.h>

typedef struct mloom_url {
  mloom_bytes host; /* without brackets */
  uint32_t port;
  uint32_t is_https;
  uint32_t is_ipv6;
  uint32_t reserved;
} mloom_url;

/* An absolute http or https URL in ASCII without user information; else MLOOM_E_INVALID. out points into url. */
int32_t mloom_url_parse(mloom_url *out, const char *url, mloom_error *error);

#endif
