/* SPDX-License-Identifier: Apache-2.0
 *
 * A small HTTP/1.1 server on poll(): loopback only, one thread, answers delivered in timed pieces.
 */
#ifndef SIM_HTTP_SERVER_H
#define SIM_HTTP_SERVER_H

#include "base/buffer.h"

typedef struct sim_request {
  const char *method;
  const char *path; /* with its query */
  mloom_bytes body;
  const char *head; /* the header block as received, ends with NUL */
} sim_request;

/* Copies the value of a header into out; 0 when it is absent. Names compare without case. */
int sim_request_header(const sim_request *request, const char *name, mloom_buffer *out);

/* What follows the last piece. */
#define SIM_END_KEEP 0u  /* the next request may come */
#define SIM_END_CUT 1u   /* the connection is closed with the answer unfinished */
#define SIM_END_STALL 2u /* nothing more comes, the connection stays open */

typedef struct sim_piece {
  int64_t delay_ms; /* after the piece before */
  mloom_buffer data;
} sim_piece;

typedef struct sim_response {
  int32_t status; /* 0: the connection is closed without a byte */
  int32_t chunked;
  uint32_t end;
  mloom_buffer headers; /* "Name: value\r\n" lines */
  sim_piece *pieces;
  size_t piece_count;
} sim_response;

int32_t sim_response_add_header(sim_response *response, const char *name, const char *value);
/* A new last piece, NULL when out of memory. */
mloom_buffer *sim_response_add_piece(sim_response *response, int64_t delay_ms);
void sim_response_free(sim_response *response);

/* Fills an empty response. A negative return closes the connection. */
typedef int32_t (*sim_handler)(sim_response *response, const sim_request *request, void *userdata);

typedef struct sim_server sim_server;

/* Listens on 127.0.0.1; port 0 takes a free one, which *port gets. */
int32_t sim_server_new(sim_server **out, uint16_t *port, sim_handler handler, void *userdata, mloom_error *error);
/* Serves until stop_fd becomes readable. */
int32_t sim_server_run(sim_server *server, int stop_fd, mloom_error *error);
void sim_server_free(sim_server *server);

#endif
