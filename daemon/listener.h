/* SPDX-License-Identifier: Apache-2.0
 *
 * The socket that the HTTP server listens on.
 */
#ifndef MERGELOOM_DAEMON_LISTENER_H
#define MERGELOOM_DAEMON_LISTENER_H

#include <stdint.h>

#include <mergeloom/mergeloom.h>

/* host is a name or an address, port 0 any free one. */
int32_t listener_open(int *out, const char *host, uint16_t port, mloom_error *error);
/* 0 for a socket that has none. */
uint16_t listener_port(int fd);

#endif
