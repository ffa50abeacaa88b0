/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server: the only file that knows libmicrohttpd is http.c. A handler sees a whole request and fills an
 * answer; it must not block for long, but may have itself called again when something happened
 * (http_answer.wait_until_ms), or in a thread of its own (http_answer.apart).
 */
#ifndef MERGELOOM_DAEMON_HTTP_H
#define MERGELOOM_DAEMON_HTTP_H

#include "base/buffer.h"
#include "base/log.h"

typedef struct http_server http_server;
typedef struct http_request http_request;

/* An answer that goes on: next is called from the server's thread and appends what there is, nothing when there is
 * nothing yet (it is then called again after http_server_wake, or after its keep-alive interval with idle set). Returns
 * 0 to go on, 1 when the stream ends. */
typedef struct http_stream {
  int (*next)(mloom_buffer *out, int idle, void *userdata);
  void (*close)(void *userdata);
  void *userdata;
} http_stream;

typedef struct http_answer {
  unsigned status; /* 200 unless the handler says otherwise */
  mloom_buffer body;
  int secret;            /* the body is overwritten before its memory is freed */
  mloom_buffer headers;  /* "Name: value\n" each */
  http_stream stream;    /* next set: the body is a stream */
  int64_t wait_until_ms; /* not 0: no answer yet; call again after http_server_wake, at the latest then (monotonic) */
  int apart;             /* 1: no answer yet; call again where it may take long, so that others need not wait */
} http_answer;

typedef void (*http_handler)(const http_request *request, http_answer *answer, void *userdata);
/* On what terms a request goes on. */
typedef struct http_terms {
  size_t body_limit;
  int is_free; /* it waits for nothing, and is answered whatever others wait for */
} http_terms;

/* Judges a request once, by its head: 1 when it may go on; 0: answer is what it gets, and its body is dropped as it
 * comes. */
typedef int (*http_admission)(const http_request *request, http_answer *answer, http_terms *terms, void *userdata);

typedef struct http_options {
  int listen_fd;    /* a listening socket, the server's from then on */
  unsigned threads; /* two or more; one of them is kept for what is free */
  unsigned connection_limit;
  unsigned connections_of_one_address;
  unsigned idle_seconds;
  unsigned request_seconds; /* until a request has come whole */
  http_admission admit;
  http_handler handler;
  void *userdata;
  const mloom_log *log;
} http_options;

int32_t http_server_new(http_server **out, const http_options *options, mloom_error *error);
/* The port it listens on. */
uint16_t http_server_port(const http_server *server);
/* Streams and waiting handlers are called again. Thread-safe. */
void http_server_wake(http_server *server);
/* No new connections; those that are open go on. */
void http_server_quiesce(http_server *server);
/* No handler runs after it; http_server_wake may still be called. */
void http_server_stop(http_server *server);
void http_server_free(http_server *server);

/* Of a request; borrowed while the handler runs. */
const char *http_method(const http_request *request);
const char *http_path(const http_request *request);
mloom_bytes http_body(const http_request *request);
/* NULL when absent. Names in any case. */
const char *http_header(const http_request *request, const char *name);
/* How often a header is there, so that a second Host or Origin is seen. */
size_t http_header_count(const http_request *request, const char *name);
/* Of the query string; NULL when absent. */
const char *http_query(const http_request *request, const char *name);
/* A field of a body of a form (application/x-www-form-urlencoded); NULL when absent. */
const char *http_form(const http_request *request, const char *name);
/* The address of the peer, "" when it came over a Unix socket. */
const char *http_peer(const http_request *request);
int http_peer_is_loopback(const http_request *request);
/* Until when the handler had the request wait the first time (monotonic); 0 when it is called for the first time. */
int64_t http_wait_deadline(const http_request *request);
/* 1 when the handler runs where it may take long. */
int http_runs_apart(const http_request *request);

__attribute__((format(printf, 3, 4))) void http_answer_header(http_answer *answer, const char *name, const char *format,
                                                              ...);

#endif
