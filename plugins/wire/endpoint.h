/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of services: taking them apart and putting them together.
 */
#ifndef MLOOM_WIRE_ENDPOINT_H
#define MLOOM_WIRE_ENDPOINT_H

#include <stddef.h>

/* The first url_size bytes of url with path after them, owned by the caller; NULL when out of memory. */
char *mloom_endpoint_join(const char *url, size_t url_size, const char *path);
/* Bytes of url before the slashes at its end. */
size_t mloom_endpoint_trimmed_size(const char *url);
/* Bytes of scheme and authority, "https://host:port": what a credential is meant for. */
size_t mloom_endpoint_origin_size(const char *url);
/* Is the host of url domain or below it? Case does not matter. */
int mloom_endpoint_host_is_in(const char *url, const char *domain);
/* Does text end with end? Case does not matter. */
int mloom_endpoint_ends_with(const char *text, const char *end);
/* http to another machine: what is sent can be read on the way. */
int mloom_endpoint_is_unencrypted(const char *url);

#endif
