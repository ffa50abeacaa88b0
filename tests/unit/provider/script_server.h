/* SPDX-License-Identifier: Apache-2.0
 *
 * A loopback server that gives one scripted reply a connection and keeps the requests.
 */
#ifndef MLOOM_TESTS_UNIT_PROVIDER_SCRIPT_SERVER_H
#define MLOOM_TESTS_UNIT_PROVIDER_SCRIPT_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRIPT_REPLIES 8

typedef struct script_server {
  int listener;
  int port;
  pthread_t thread;
  const char *replies[SCRIPT_REPLIES]; /* raw; the last one is repeated */
  int byte_by_byte;
  int stall; /* after the reply the connection stays open until the server stops */
  char *requests[SCRIPT_REPLIES];
  int count; /* of connections that brought a request */
  int held[SCRIPT_REPLIES];
  int held_count;
  char url[64];
} script_server;

static inline char *script_read_request(int fd) {
  size_t size = 0;
  size_t capacity = 65536;
  char *data = calloc(1, capacity);
  while (data != NULL && size + 1 < capacity) {
    ssize_t got = read(fd, data + size, capacity - size - 1);
    if (got <= 0) {
      break;
    }
    size += (size_t)got;
    data[size] = '\0';
    const char *end = strstr(data, "\r\n\r\n");
    if (end != NULL) {
      const char *length = strcasestr(data, "content-length:");
      size_t body = length == NULL || length > end ? 0 : strtoul(length + 15, NULL, 10);
      if (size >= (size_t)(end + 4 - data) + body) {
        return data;
      }
    }
  }
  free(data);
  return NULL;
}

static inline void *script_serve(void *userdata) {
  script_server *server = userdata;
  for (;;) {
    int fd = accept(server->listener, NULL, NULL);
    if (fd < 0) {
      return NULL;
    }
    char *request = script_read_request(fd);
    if (request == NULL) {
      close(fd);
      continue;
    }
    int at = server->count < SCRIPT_REPLIES ? server->count : SCRIPT_REPLIES - 1;
    int reply = at;
    while (reply > 0 && server->replies[reply] == NULL) {
      reply--;
    }
    free(server->requests[at]);
    server->requests[at] = request;
    __atomic_add_fetch(&server->count, 1, __ATOMIC_RELEASE);
    const char *text = server->replies[reply];
    size_t step = server->byte_by_byte ? 1 : strlen(text);
    for (size_t i = 0; i < strlen(text); i += step) {
      if (send(fd, text + i, step, MSG_NOSIGNAL) < 0) {
        break;
      }
      if (server->byte_by_byte) {
        usleep(50);
      }
    }
    if (server->stall && server->held_count < SCRIPT_REPLIES) {
      server->held[server->held_count++] = fd;
    } else {
      close(fd);
    }
  }
}

static inline void script_start(script_server *server) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(server->listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(server->listener, 16) != 0 ||
      getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
      pthread_create(&server->thread, NULL, script_serve, server) != 0) {
    perror("script server");
    abort();
  }
  server->port = ntohs(address.sin_port);
  snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d/v1", server->port);
}

static inline void script_stop(script_server *server) {
  shutdown(server->listener, SHUT_RDWR);
  pthread_join(server->thread, NULL);
  close(server->listener);
  for (int i = 0; i < server->held_count; i++) {
    close(server->held[i]);
  }
  for (int i = 0; i < SCRIPT_REPLIES; i++) {
    free(server->requests[i]);
  }
}

#endif
