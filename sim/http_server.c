/* SPDX-License-Identifier: Apache-2.0 */
#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

#define MAX_CONNECTIONS 64
#define MAX_HEAD (64u * 1024)
#define MAX_BODY (256u * 1024 * 1024)

typedef struct connection {
  int fd;
  int answering;  /* a response is being delivered */
  int is_closing; /* after the response */
  int stalled;
  int continued; /* 100 Continue was sent for the request that is being received */
  mloom_buffer input;
  mloom_buffer output;
  size_t output_sent;
  sim_response response;
  size_t next_piece;
  int64_t next_due_ms;
} connection;

struct sim_server {
  int fd;
  sim_handler handler;
  void *userdata;
  connection connections[MAX_CONNECTIONS];
};

static int64_t now_ms(void) {
  const mloom_clock *clock = mloom_clock_system();
  return clock->monotonic_ms(clock);
}

int sim_request_header(const sim_request *request, const char *name, mloom_buffer *out) {
  size_t name_size = strlen(name);
  for (const char *line = request->head; *line != '\0';) {
    const char *end = strchr(line, '\n');
    size_t size = end == NULL ? strlen(line) : (size_t)(end - line);
    if (size > name_size && line[name_size] == ':' && strncasecmp(line, name, name_size) == 0) {
      mloom_bytes value = mloom_text_trim((mloom_bytes){line + name_size + 1, size - name_size - 1});
      return mloom_buffer_append(out, value.data, value.size) == MLOOM_OK;
    }
    line += size + (end != NULL);
  }
  return 0;
}

int32_t sim_response_add_header(sim_response *response, const char *name, const char *value) {
  return mloom_buffer_append_format(&response->headers, "%s: %s\r\n", name, value);
}

mloom_buffer *sim_response_add_piece(sim_response *response, int64_t delay_ms) {
  sim_piece *pieces = reallocarray(response->pieces, response->piece_count + 1, sizeof(*pieces));
  if (pieces == NULL) {
    return NULL;
  }
  response->pieces = pieces;
  pieces[response->piece_count] = (sim_piece){delay_ms, MLOOM_BUFFER_INIT};
  return &pieces[response->piece_count++].data;
}

void sim_response_free(sim_response *response) {
  for (size_t i = 0; i < response->piece_count; i++) {
    mloom_buffer_free(&response->pieces[i].data);
  }
  free(response->pieces);
  mloom_buffer_free(&response->headers);
  *response = (sim_response){0};
}

static void connection_close(connection *c) {
  if (c->fd >= 0) {
    close(c->fd);
  }
  mloom_buffer_free(&c->input);
  mloom_buffer_free(&c->output);
  sim_response_free(&c->response);
  *c = (connection){.fd = -1};
}

static const char *reason_phrase(int32_t status) {
  switch (status) {
  case 200:
    return "OK";
  case 302:
    return "Found";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 404:
    return "Not Found";
  case 429:
    return "Too Many Requests";
  case 500:
    return "Internal Server Error";
  default:
    return "Status";
  }
}

static int32_t response_begin(connection *c) {
  const sim_response *response = &c->response;
  size_t total = 0;
  for (size_t i = 0; i < response->piece_count; i++) {
    total += response->pieces[i].data.size;
  }
  int32_t code = mloom_buffer_append_format(&c->output, "HTTP/1.1 %d %s\r\n%s", (int)response->status,
                                            reason_phrase(response->status), mloom_buffer_string(&response->headers));
  if (code == MLOOM_OK && response->chunked) {
    code = mloom_buffer_append_string(&c->output, "Transfer-Encoding: chunked\r\n\r\n");
  } else if (code == MLOOM_OK) {
    /* A cut answer announces a byte more than it will send. */
    code =
        mloom_buffer_append_format(&c->output, "Content-Length: %zu\r\n\r\n", total + (response->end != SIM_END_KEEP));
  }
  c->answering = 1;
  c->next_piece = 0;
  c->next_due_ms = now_ms() + (response->piece_count > 0 ? response->pieces[0].delay_ms : 0);
  return code;
}

/* Moves the pieces that are due to the output. */
static int32_t response_advance(connection *c) {
  sim_response *response = &c->response;
  int32_t code = MLOOM_OK;
  while (code == MLOOM_OK && c->next_piece < response->piece_count && now_ms() >= c->next_due_ms) {
    const mloom_buffer *data = &response->pieces[c->next_piece++].data;
    if (response->chunked && data->size > 0) {
      code = mloom_buffer_append_format(&c->output, "%zx\r\n", data->size);
    }
    code = code == MLOOM_OK ? mloom_buffer_append(&c->output, data->data, data->size) : code;
    if (code == MLOOM_OK && response->chunked && data->size > 0) {
      code = mloom_buffer_append_string(&c->output, "\r\n");
    }
    if (c->next_piece < response->piece_count) {
      int64_t delay_ms = response->pieces[c->next_piece].delay_ms;
      c->next_due_ms = now_ms() + delay_ms;
      if (delay_ms == 0 && c->output.size > 256 * 1024) {
        break;
      }
    }
  }
  if (code != MLOOM_OK || c->next_piece < response->piece_count) {
    return code;
  }
  c->answering = 0;
  c->stalled = response->end == SIM_END_STALL;
  c->is_closing |= response->end == SIM_END_CUT;
  if (response->end == SIM_END_KEEP && response->chunked) {
    code = mloom_buffer_append_string(&c->output, "0\r\n\r\n");
  }
  sim_response_free(response);
  return code;
}

/* Decodes a chunked body in [data, data + size). 1: complete, *used bytes; 0: more is needed; -1: malformed. */
static int decode_chunked(const char *data, size_t size, mloom_buffer *out, size_t *used) {
  size_t at = 0;
  for (;;) {
    const char *end = memmem(data + at, size - at, "\r\n", 2);
    if (end == NULL) {
      return size - at > 64 ? -1 : 0;
    }
    char *digits_end = NULL;
    unsigned long length = strtoul(data + at, &digits_end, 16);
    if (digits_end == data + at || length > MAX_BODY || out->size + length > MAX_BODY) {
      return -1;
    }
    at = (size_t)(end - data) + 2;
    if (size - at < length + 2) {
      return 0;
    }
    if (length == 0) {
      *used = at + 2;
      return 1;
    }
    if (mloom_buffer_append(out, data + at, length) != MLOOM_OK) {
      return -1;
    }
    at += length + 2;
  }
}

/* Splits "METHOD PATH HTTP/1.x" in place. */
static int parse_request_line(char *head, sim_request *request) {
  char *end = strpbrk(head, "\r\n");
  char *path = strchr(head, ' ');
  if (end == NULL || path == NULL || path > end) {
    return -1;
  }
  char *version = strchr(path + 1, ' ');
  if (version == NULL || version > end || strncmp(version + 1, "HTTP/1.", 7) != 0) {
    return -1;
  }
  *path = *version = *end = '\0';
  request->method = head;
  request->path = path + 1;
  request->head = end + 1;
  return 0;
}

static int32_t handle(sim_server *server, connection *c, sim_request *request, size_t used) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer value = MLOOM_BUFFER_INIT;
  if (sim_request_header(request, "Connection", &value) && strcasecmp(mloom_buffer_string(&value), "close") == 0) {
    c->is_closing = 1;
  }
  int32_t code = server->handler(&c->response, request, server->userdata);
  mloom_buffer_consume(&c->input, used);
  c->continued = 0;
  if (code != MLOOM_OK || c->response.status == 0) {
    return MLOOM_E_CANCELLED;
  }
  return response_begin(c);
}

/* Takes one complete request from the input, if there is one. A negative return closes the connection. */
static int32_t take_request(sim_server *server, connection *c) {
  const char *blank = c->input.size == 0 ? NULL : memmem(c->input.data, c->input.size, "\r\n\r\n", 4);
  if (blank == NULL) {
    return c->input.size > MAX_HEAD ? MLOOM_E_LIMIT : MLOOM_OK;
  }
  size_t head_size = (size_t)(blank - c->input.data) + 4;
  MLOOM_AUTO(mloom_auto_free) char *head = strndup(c->input.data, head_size);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer value = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  sim_request request = {0};
  if (head == NULL || parse_request_line(head, &request) != 0) {
    return MLOOM_E_PROTOCOL;
  }
  size_t received = c->input.size - head_size;
  size_t used = head_size;
  int complete;
  if (sim_request_header(&request, "Transfer-Encoding", &value)) {
    size_t chunked = 0;
    complete = decode_chunked(c->input.data + head_size, received, &body, &chunked);
    request.body = (mloom_bytes){mloom_buffer_string(&body), body.size};
    used += chunked;
  } else {
    int64_t length = 0;
    if (sim_request_header(&request, "Content-Length", &value) &&
        (mloom_text_parse_int64((mloom_bytes){value.data, value.size}, &length) != MLOOM_OK || length < 0 ||
         length > (int64_t)MAX_BODY)) {
      return MLOOM_E_PROTOCOL;
    }
    complete = received >= (size_t)length;
    request.body = (mloom_bytes){c->input.data + head_size, (size_t)length};
    used += (size_t)length;
  }
  if (complete > 0) {
    return handle(server, c, &request, used);
  }
  mloom_buffer_clear(&value);
  if (complete == 0 && !c->continued && sim_request_header(&request, "Expect", &value)) {
    c->continued = 1;
    return mloom_buffer_append_string(&c->output, "HTTP/1.1 100 Continue\r\n\r\n");
  }
  return complete < 0 ? MLOOM_E_PROTOCOL : MLOOM_OK;
}

static int32_t receive(connection *c) {
  char data[65536];
  ssize_t size = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
  if (size > 0) {
    return mloom_buffer_append(&c->input, data, (size_t)size);
  }
  return size < 0 && (errno == EAGAIN || errno == EINTR) ? MLOOM_OK : MLOOM_E_IO;
}

static int32_t send_output(connection *c) {
  while (c->output_sent < c->output.size) {
    ssize_t size =
        send(c->fd, c->output.data + c->output_sent, c->output.size - c->output_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) {
      return errno == EAGAIN || errno == EINTR ? MLOOM_OK : MLOOM_E_IO;
    }
    c->output_sent += (size_t)size;
  }
  mloom_buffer_clear(&c->output);
  c->output_sent = 0;
  return c->is_closing && !c->answering ? MLOOM_E_CANCELLED : MLOOM_OK;
}

/* Everything that can be done for one connection now. A negative return closes it. */
static int32_t serve(sim_server *server, connection *c, short revents) {
  int32_t code = MLOOM_OK;
  if (revents & (POLLIN | POLLHUP | POLLERR)) {
    code = receive(c);
  }
  if (code == MLOOM_OK && !c->answering && !c->stalled && !c->is_closing) {
    code = take_request(server, c);
  }
  if (code == MLOOM_OK && c->answering) {
    code = response_advance(c);
  }
  return code == MLOOM_OK ? send_output(c) : code;
}

static void accept_connection(sim_server *server) {
  int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    return;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
    if (server->connections[i].fd < 0) {
      server->connections[i].fd = fd;
      return;
    }
  }
  close(fd);
}

int32_t sim_server_new(sim_server **out, uint16_t *port, sim_handler handler, void *userdata, mloom_error *error) {
  sim_server *server = calloc(1, sizeof(*server));
  if (server == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
    server->connections[i].fd = -1;
  }
  server->handler = handler;
  server->userdata = userdata;
  server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (server->fd < 0 || setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(server->fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(server->fd, MAX_CONNECTIONS) != 0 ||
      getsockname(server->fd, (struct sockaddr *)&address, &size) != 0) {
    int32_t code = mloom_error_set_errno(error, errno, MLOOM_DOMAIN_NETWORK, "choose another port, or 0 for a free one",
                                         "cannot listen on 127.0.0.1:%d", (int)*port);
    sim_server_free(server);
    return code;
  }
  *port = ntohs(address.sin_port);
  *out = server;
  return MLOOM_OK;
}

static int time_to_next_piece(const sim_server *server) {
  int64_t wait_ms = -1;
  for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
    const connection *c = &server->connections[i];
    if (c->fd >= 0 && c->answering && c->output.size == 0) {
      int64_t left = c->next_due_ms - now_ms();
      left = left < 0 ? 0 : left;
      wait_ms = wait_ms < 0 || left < wait_ms ? left : wait_ms;
    }
  }
  return wait_ms > 60000 ? 60000 : (int)wait_ms;
}

int32_t sim_server_run(sim_server *server, int stop_fd, mloom_error *error) {
  for (;;) {
    struct pollfd fds[MAX_CONNECTIONS + 2] = {{stop_fd, POLLIN, 0}, {server->fd, POLLIN, 0}};
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
      const connection *c = &server->connections[i];
      fds[i + 2] = (struct pollfd){c->fd, (short)(c->output.size > 0 ? POLLIN | POLLOUT : POLLIN), 0};
    }
    if (poll(fds, MAX_CONNECTIONS + 2, time_to_next_piece(server)) < 0 && errno != EINTR) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_NETWORK, NULL, "cannot wait for connections");
    }
    if (fds[0].revents != 0) {
      return MLOOM_OK;
    }
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
      connection *c = &server->connections[i];
      if (c->fd >= 0 && c->fd == fds[i + 2].fd && serve(server, c, fds[i + 2].revents) != MLOOM_OK) {
        connection_close(c);
      }
    }
    if (fds[1].revents != 0) {
      accept_connection(server);
    }
  }
}

void sim_server_free(sim_server *server) {
  if (server == NULL) {
    return;
  }
  for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
    connection_close(&server->connections[i]);
  }
  if (server->fd >= 0) {
    close(server->fd);
  }
  free(server);
}
