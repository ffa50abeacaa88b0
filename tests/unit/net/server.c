/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEPT_BODY_SIZE (1u << 20)

static void *serve_connection(void *userdata) {
  test_connection *connection = userdata;
  connection->server->handler(connection, connection->server->userdata);
  shutdown(connection->fd, SHUT_RDWR);
  return NULL;
}

static void *accept_connections(void *userdata) {
  test_server *server = userdata;
  for (;;) {
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    unsigned index = atomic_load(&server->connections);
    if (fd < 0 || index == TEST_SERVER_CONNECTIONS) {
      if (fd >= 0) {
        close(fd);
      }
      return NULL;
    }
    test_connection *connection = &server->list[index];
    connection->server = server;
    connection->fd = fd;
    /* Counted before it can be answered, as a test looks once it has its answer. */
    atomic_fetch_add(&server->connections, 1);
    if (pthread_create(&connection->thread, NULL, serve_connection, connection) != 0) {
      abort();
    }
  }
}

int test_server_start(test_server *server, test_handler handler, void *userdata) {
  memset(server, 0, sizeof(*server));
  server->handler = handler;
  server->userdata = userdata;
  pthread_mutex_init(&server->mutex, NULL);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server->fd < 0 || bind(server->fd, (struct sockaddr *)&address, size) != 0 || listen(server->fd, 64) != 0 ||
      getsockname(server->fd, (struct sockaddr *)&address, &size) != 0) {
    return 0;
  }
  server->port = ntohs(address.sin_port);
  return pthread_create(&server->thread, NULL, accept_connections, server) == 0;
}

void test_server_stop(test_server *server) {
  shutdown(server->fd, SHUT_RDWR);
  pthread_join(server->thread, NULL);
  close(server->fd);
  for (unsigned i = 0; i < atomic_load(&server->connections); i++) {
    test_connection *connection = &server->list[i];
    shutdown(connection->fd, SHUT_RDWR);
    pthread_join(connection->thread, NULL);
    close(connection->fd);
    mloom_buffer_free(&connection->head);
    mloom_buffer_free(&connection->body);
  }
  mloom_buffer_free(&server->last_head);
  pthread_mutex_destroy(&server->mutex);
}

const char *test_server_url(const test_server *server, const char *path) {
  static _Thread_local char url[512];
  snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server->port, path);
  return url;
}

static uint64_t content_length(const char *head) {
  const char *found = strcasestr(head, "\r\nContent-Length:");
  return found == NULL ? 0 : strtoull(found + 17, NULL, 10);
}

/* Keeps no more of a body than its first megabyte. */
static int read_body(test_connection *connection, uint64_t left) {
  char piece[65536];
  while (left > 0) {
    ssize_t count = recv(connection->fd, piece, left < sizeof(piece) ? (size_t)left : sizeof(piece), 0);
    if (count <= 0) {
      return 0;
    }
    left -= (uint64_t)count;
    if (connection->body.size < KEPT_BODY_SIZE) {
      mloom_buffer_append(&connection->body, piece, (size_t)count);
    }
  }
  return 1;
}

int test_read_request(test_connection *connection) {
  mloom_buffer_clear(&connection->head);
  mloom_buffer_clear(&connection->body);
  char c;
  do {
    if (recv(connection->fd, &c, 1, 0) != 1) {
      return 0;
    }
    mloom_buffer_append_char(&connection->head, c);
  } while (connection->head.size < 4 || strcmp(connection->head.data + connection->head.size - 4, "\r\n\r\n") != 0);
  connection->body_size = content_length(connection->head.data);
  if (!read_body(connection, connection->body_size)) {
    return 0;
  }
  test_server *server = connection->server;
  pthread_mutex_lock(&server->mutex);
  mloom_buffer_clear(&server->last_head);
  mloom_buffer_append(&server->last_head, connection->head.data, connection->head.size);
  pthread_mutex_unlock(&server->mutex);
  atomic_fetch_add(&server->requests, 1);
  return 1;
}

int test_write(test_connection *connection, const char *data, size_t size) {
  while (size > 0) {
    ssize_t count = send(connection->fd, data, size, MSG_NOSIGNAL);
    if (count <= 0) {
      return 0;
    }
    data += count;
    size -= (size_t)count;
  }
  return 1;
}

int test_write_string(test_connection *connection, const char *string) {
  return test_write(connection, string, strlen(string));
}

void test_wait_closed(test_connection *connection) {
  char piece[4096];
  while (recv(connection->fd, piece, sizeof(piece), 0) > 0) {
  }
}
