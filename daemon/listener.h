/* SPDX-License-Identifier: Apache-2.0
 *
 * The socket that the HTTP server listens on, and the addresses of those who come.
 */
#ifndef MERGELOOM_DAEMON_LISTENER_H
#define MERGELOOM_DAEMON_LISTENER_H

#include <stdint.h>
#include <sys/socket.h>

#include <mergeloom/mergeloom.h>

#define LISTENER_PEER_SIZE 46

/* host is a name or an address, port 0 any free one. */
int32_t listener_open(int *out, const char *host, uint16_t port, mloom_error *error);
/* 0 for a socket that has none. */
uint16_t listener_port(int fd);
/* The address as text, "" when it has none, as over a Unix socket; returns 1 when it is of this machine. */
int listener_peer(const struct sockaddr *address, char out[LISTENER_PEER_SIZE]);

#endif
