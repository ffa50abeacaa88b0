/* SPDX-License-Identifier: Apache-2.0
 *
 * A server on 127.0.0.1 whose answers a test writes byte by byte. Each connection has a thread.
 */
#ifndef MLOOM_TESTS_UNIT_NET_SERVER_H
#define MLOOM_TESTS_UNIT_NET_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buffer.h"

#define TEST_SERVER_CONNECTIONS 64

typedef struct test_server test_server;

typedef struct test_connection {
  test_server *server;
  int fd;
  pthread_t thread;
  mloom_buffer head; /* of the last request, with the blank line */
  uint64_t body_size;
  mloom_buffer body; /* the first megabyte of it */
} test_connection;

/* Serves one connection until it returns. */
typedef void (*test_handler)(test_connection *connection, void *userdata);

struct test_server {
  int fd;
  uint16_t port;
  pthread_t thread;
  test_handler handler;
  void *userdata;
  atomic_uint connections; /* accepted so far */
  atomic_uint requests;    /* read so far */
  pthread_mutex_t mutex;   /* for last_head */
  mloom_buffer last_head;
  test_connection list[TEST_SERVER_CONNECTIONS];
};

/* 1 when it listens. */
int test_server_start(test_server *server, test_handler handler, void *userdata);
/* Ends every connection and waits for its thread. */
void test_server_stop(test_server *server);
/* "http://127.0.0.1:PORT" + path, in a buffer that the next call of the same thread overwrites. */
const char *test_server_url(const test_server *server, const char *path);

/* Reads the next request; 0 when the client is gone. */
int test_read_request(test_connection *connection);
/* 0 when the client is gone. */
int test_write(test_connection *connection, const char *data, size_t size);
int test_write_string(test_connection *connection, const char *string);
/* Waits until the client or test_server_stop closes the connection. */
void test_wait_closed(test_connection *connection);

#endif
