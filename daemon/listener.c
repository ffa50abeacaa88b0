/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

#define WAITING_CONNECTIONS 256

int32_t listener_open(int *out, const char *host, uint16_t port, mloom_error *error) {
  char service[8];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
  snprintf(service, sizeof service, "%u", port);
  *out = -1;
  int failure = getaddrinfo(host, service, &hints, &found);
  if (failure != 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SYSTEM, "correct JCA_WORKER_HOST",
                           "cannot listen on %s: %s", host, gai_strerror(failure));
  }
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1, zero = 0;
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (found->ai_family == AF_INET6) {
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
  }
  int32_t code = MLOOM_OK;
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, WAITING_CONNECTIONS) != 0) {
    code = mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM,
                                 "choose another JCA_WORKER_PORT, or end the program that has it",
                                 "cannot listen on %s port %u", host, port);
    if (fd >= 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  *out = fd;
  return code;
}

uint16_t listener_port(int fd) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
    return 0;
  }
  return address.ss_family == AF_INET    ? ntohs(((struct sockaddr_in *)&address)->sin_port)
         : address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port)
                                         : 0;
}

int listener_peer(const struct sockaddr *address, char out[LISTENER_PEER_SIZE]) {
  out[0] = '\0';
  if (address == NULL || address->sa_family == AF_UNIX) {
    return 1;
  }
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *ipv4 = (const void *)address;
    inet_ntop(AF_INET, &ipv4->sin_addr, out, LISTENER_PEER_SIZE);
    return (ntohl(ipv4->sin_addr.s_addr) >> 24) == 127;
  }
  if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *ipv6 = (const void *)address;
    inet_ntop(AF_INET6, &ipv6->sin6_addr, out, LISTENER_PEER_SIZE);
    return IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr) && ipv6->sin6_addr.s6_addr[12] == 127);
  }
  return 0;
}
