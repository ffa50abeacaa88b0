/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apart.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "deadlines.h"
#include "framing.h"
#include "heap.h"
#include "listener.h"

#define CONNECTION_MEMORY ((size_t)24 * 1024)
#define KEEP_ALIVE_MS 15000
#define BODY_CHUNK 4096
#define FIELD_LIMIT ((uint64_t)1 << 20)
#define SWEEP_MS 500
#define TRIM_MS 1000
#define TURN_MS 50 /* until a request looks again whether it is its turn */
#define STREAM_TURN_MS 500

struct http_request {
  http_server *server;
  struct MHD_Connection *connection;
  const char *method;
  const char *path;
  mloom_buffer body;
  http_terms terms;
  int too_large;
  http_answer made; /* before its body came, or in a thread of its own */
  int is_made;
  int is_apart;
  int has_nul;         /* in its path */
  int64_t deadline_ms; /* of the first wait */
  char peer[LISTENER_PEER_SIZE];
  int loopback;
  mloom_json *form; /* of the body, once somebody asked for it */
  /* On the list of those that wait: a handler that asked for it, or a stream with nothing to say. */
  struct http_request *next;
  int parked;
  int64_t wait_until_ms;
  http_stream stream;
  mloom_buffer pending; /* of the stream, not handed on yet */
  int stream_over;
  int idle;
  int is_late; /* it was woken when it was not its turn */
};

struct http_server {
  struct MHD_Daemon *daemon;
  http_options options;
  uint16_t port;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t timer;
  int timer_runs;
  int stopping;
  _Atomic int quiet; /* no new connections */
  uint64_t wakes;    /* counts http_server_wake, so that none between looking and parking is lost */
  http_request *parked;
  int64_t timer_until_ms; /* when the timer looks again by itself */
  int64_t trim_ms;        /* when to give memory back after what has happened; INT64_MAX: nothing has */
  deadlines deadlines;    /* of connections */
  apart apart;            /* handlers that take long */
  _Atomic unsigned busy;  /* threads of the server in handlers and streams that may be kept waiting */
};

static int64_t now_ms(void) {
  return mloom_clock_system()->monotonic_ms(mloom_clock_system());
}

/* ---- Requests ---- */

const char *http_method(const http_request *request) {
  return request->method;
}

const char *http_path(const http_request *request) {
  return request->path;
}

mloom_bytes http_body(const http_request *request) {
  return (mloom_bytes){mloom_buffer_string(&request->body), request->body.size};
}

const char *http_header(const http_request *request, const char *name) {
  return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

typedef struct header_count {
  const char *name;
  size_t count;
} header_count;

static enum MHD_Result count_header(void *userdata, enum MHD_ValueKind kind, const char *name, const char *value) {
  header_count *counted = userdata;
  (void)kind;
  (void)value;
  counted->count += strcasecmp(name, counted->name) == 0;
  return MHD_YES;
}

size_t http_header_count(const http_request *request, const char *name) {
  header_count counted = {name, 0};
  MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &counted);
  return counted.count;
}

const char *http_query(const http_request *request, const char *name) {
  return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result take_field(void *userdata, enum MHD_ValueKind kind, const char *name, const char *filename,
                                  const char *type, const char *encoding, const char *data, uint64_t offset,
                                  size_t size) {
  mloom_json *form = userdata;
  mloom_buffer value = MLOOM_BUFFER_INIT;
  (void)kind;
  (void)filename;
  (void)type;
  (void)encoding;
  if (offset > FIELD_LIMIT) {
    return MHD_NO; /* joining ever more pieces would cost its square */
  }
  /* A long value comes in pieces. */
  mloom_buffer_append_string(&value, offset == 0 ? "" : mloom_json_member_string(form, name, ""));
  mloom_buffer_append(&value, data, size);
  mloom_json_set(form, name, mloom_json_new_string(mloom_buffer_string(&value), value.size));
  if (value.data != NULL) {
    explicit_bzero(value.data, value.capacity); /* it may be a secret */
  }
  mloom_buffer_free(&value);
  return MHD_YES;
}

const char *http_form(const http_request *constant, const char *name) {
  http_request *request = (http_request *)(uintptr_t)constant;
  if (request->form == NULL) {
    request->form = mloom_json_new_object();
    struct MHD_PostProcessor *reader =
        MHD_create_post_processor(request->connection, BODY_CHUNK, take_field, request->form);
    if (reader != NULL) {
      MHD_post_process(reader, mloom_buffer_string(&request->body), request->body.size);
      MHD_destroy_post_processor(reader);
    }
  }
  return mloom_json_member_string(request->form, name, NULL);
}

const char *http_peer(const http_request *request) {
  return request->peer;
}

int http_peer_is_loopback(const http_request *request) {
  return request->loopback;
}

int64_t http_wait_deadline(const http_request *request) {
  return request->deadline_ms;
}

int http_runs_apart(const http_request *request) {
  return request->is_apart;
}

static void find_peer(http_request *request) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
  request->loopback = listener_peer(address, request->peer);
}

/* ---- Waiting ---- */

/* With the lock held: has the timer look at the latest then. */
static void hurry_timer(http_server *server, int64_t until_ms) {
  if (until_ms < server->timer_until_ms) {
    pthread_cond_signal(&server->changed);
  }
}

/* With the lock held: something has happened that may have left unused memory. */
static void trim_later(http_server *server, int64_t now) {
  if (server->trim_ms == INT64_MAX) {
    server->trim_ms = now + TRIM_MS;
    hurry_timer(server, server->trim_ms);
  }
}

/* Parks a request unless something happened since wakes was read. Returns 1 when it is parked. */
static int park(http_request *request, uint64_t wakes, int64_t until_ms) {
  http_server *server = request->server;
  pthread_mutex_lock(&server->lock);
  int parks = server->wakes == wakes && !server->stopping;
  if (parks) {
    MHD_suspend_connection(request->connection);
    request->parked = 1;
    request->wait_until_ms = until_ms;
    request->next = server->parked;
    server->parked = request;
    hurry_timer(server, until_ms);
  }
  pthread_mutex_unlock(&server->lock);
  return parks;
}

/* With the lock held: resumes those whose time has come, or all. */
static void resume(http_server *server, int64_t until_ms, int all) {
  http_request **link = &server->parked;
  while (*link != NULL) {
    http_request *request = *link;
    if (!all && request->wait_until_ms > until_ms) {
      link = &request->next;
      continue;
    }
    *link = request->next;
    request->parked = 0;
    request->idle = !all;
    MHD_resume_connection(request->connection);
  }
}

void http_server_wake(http_server *server) {
  pthread_mutex_lock(&server->lock);
  server->wakes++;
  resume(server, 0, 1);
  trim_later(server, now_ms());
  pthread_mutex_unlock(&server->lock);
}

static uint64_t read_wakes(http_server *server) {
  pthread_mutex_lock(&server->lock);
  uint64_t wakes = server->wakes;
  pthread_mutex_unlock(&server->lock);
  return wakes;
}

static int64_t earliest(const http_server *server) {
  int64_t found = INT64_MAX;
  for (const http_request *request = server->parked; request != NULL; request = request->next) {
    found = request->wait_until_ms < found ? request->wait_until_ms : found;
  }
  return found;
}

static void *run_timer(void *userdata) {
  http_server *server = userdata;
  pthread_mutex_lock(&server->lock);
  int64_t sweep = 0;
  while (!server->stopping) {
    int64_t now = now_ms();
    resume(server, now, 0);
    if (now >= sweep) {
      deadlines_enforce(&server->deadlines, now);
      sweep = now + SWEEP_MS;
    }
    if (now >= server->trim_ms) {
      server->trim_ms = INT64_MAX;
      pthread_mutex_unlock(&server->lock);
      heap_trim();
      pthread_mutex_lock(&server->lock);
      continue;
    }
    int64_t until = earliest(server);
    until = server->trim_ms < until ? server->trim_ms : until;
    until = server->deadlines.first != NULL && sweep < until ? sweep : until;
    server->timer_until_ms = until;
    if (until == INT64_MAX) {
      pthread_cond_wait(&server->changed, &server->lock);
    } else {
      struct timespec end = {until / 1000, until % 1000 * 1000000};
      pthread_cond_timedwait(&server->changed, &server->lock, &end);
    }
  }
  pthread_mutex_unlock(&server->lock);
  return NULL;
}

/* What waits, as for a database that does not answer, takes all threads of the server but one. 1 when it is the
 * request's turn, until end_turn. */
static int begin_turn(http_request *request) {
  http_server *server = request->server;
  if (request->terms.is_free || atomic_fetch_add(&server->busy, 1) + 1 < server->options.threads) {
    return 1;
  }
  atomic_fetch_sub(&server->busy, 1);
  return 0;
}

static void end_turn(http_request *request) {
  if (!request->terms.is_free) {
    atomic_fetch_sub(&request->server->busy, 1);
  }
}

/* ---- Answers ---- */

void http_answer_header(http_answer *answer, const char *name, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  mloom_buffer_append_format(&answer->headers, "%s: ", name);
  size_t begin = answer->headers.size;
  mloom_buffer_append_vformat(&answer->headers, format, arguments);
  for (size_t i = begin; i < answer->headers.size; i++) {
    /* A line break in a value must not begin a header of its own. */
    unsigned char c = (unsigned char)answer->headers.data[i];
    answer->headers.data[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
  }
  mloom_buffer_append_char(&answer->headers, '\n');
  va_end(arguments);
}

static void add_headers(struct MHD_Response *response, mloom_buffer *headers) {
  char *line = headers->data;
  while (line != NULL && *line != '\0') {
    char *end = strchr(line, '\n');
    char *colon = strchr(line, ':');
    if (end == NULL) {
      return; /* memory ran out in the middle */
    }
    *end = '\0';
    if (colon != NULL && colon < end) {
      *colon = '\0';
      MHD_add_response_header(response, line, colon + 2);
    }
    line = end + 1;
  }
}

static int is_stopping(http_server *server) {
  pthread_mutex_lock(&server->lock);
  int stopping = server->stopping;
  pthread_mutex_unlock(&server->lock);
  return stopping;
}

static ssize_t read_stream(void *userdata, uint64_t position, char *out, size_t room) {
  http_request *request = userdata;
  (void)position;
  if (is_stopping(request->server)) {
    return MHD_CONTENT_READER_END_OF_STREAM;
  }
  if (request->pending.size == 0 && !request->stream_over) {
    uint64_t wakes = read_wakes(request->server);
    request->is_late |= !request->idle;
    if (!begin_turn(request)) {
      park(request, wakes, now_ms() + STREAM_TURN_MS);
      return 0;
    }
    int idle = !request->is_late;
    request->idle = request->is_late = 0;
    request->stream_over = request->stream.next(&request->pending, idle, request->stream.userdata);
    end_turn(request);
    if (request->pending.size == 0 && !request->stream_over) {
      /* 0 without a suspended connection makes the server ask again at once, which is right when something happened. */
      park(request, wakes, now_ms() + KEEP_ALIVE_MS);
      return 0;
    }
  }
  if (request->pending.size == 0) {
    return MHD_CONTENT_READER_END_OF_STREAM;
  }
  size_t size = request->pending.size < room ? request->pending.size : room;
  memcpy(out, request->pending.data, size);
  mloom_buffer_consume(&request->pending, size);
  return (ssize_t)size;
}

/* libmicrohttpd hands back the address of the text alone at the end, so its size stands before it. */
static void drop_secret(void *text) {
  char *memory = (char *)text - sizeof(size_t);
  size_t size;
  memcpy(&size, memory, sizeof size);
  explicit_bzero(text, size);
  free(memory);
}

static struct MHD_Response *secret_response(const mloom_buffer *body) {
  char *memory = malloc(sizeof(size_t) + body->size);
  if (memory == NULL) {
    return NULL;
  }
  char *text = memory + sizeof(size_t);
  memcpy(memory, &body->size, sizeof(size_t));
  memcpy(text, mloom_buffer_string(body), body->size);
  struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback(body->size, text, drop_secret);
  if (response == NULL) {
    drop_secret(text);
  }
  return response;
}

static enum MHD_Result send_answer(http_request *request, http_answer *answer) {
  struct MHD_Response *response = NULL;
  if (answer->stream.next != NULL) {
    request->stream = answer->stream;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BODY_CHUNK, read_stream, request, NULL);
  } else if (answer->secret) {
    response = secret_response(&answer->body);
  } else {
    size_t size = answer->body.size;
    char *body = mloom_buffer_take(&answer->body);
    response = body == NULL ? NULL : MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
  }
  if (response == NULL) {
    return MHD_NO;
  }
  add_headers(response, &answer->headers);
  if (http_header(request, "Transfer-Encoding") != NULL) {
    /* Where chunks end is a matter of opinion too: nothing after them is taken for a request. */
    MHD_add_response_header(response, "Connection", "close");
  }
  enum MHD_Result result = MHD_queue_response(request->connection, answer->status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result refuse(http_request *request, unsigned status, const char *text) {
  struct MHD_Response *response =
      MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
  if (response == NULL) {
    return MHD_NO;
  }
  MHD_add_response_header(response, "Connection", "close");
  MHD_add_response_header(response, "Content-Type", "application/problem+json");
  enum MHD_Result result = MHD_queue_response(request->connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result refuse_large(http_request *request) {
  return refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
                "{\"type\":\"urn:mergeloom:error:limit\",\"title\":\"the request is too large\",\"status\":413,"
                "\"detail\":\"send less in one request\"}\n");
}

/* A path that ends, for C, before it ends, or that is no text, names nothing. */
static enum MHD_Result refuse_path(http_request *request) {
  return refuse(
      request, MHD_HTTP_BAD_REQUEST,
      "{\"type\":\"urn:mergeloom:error:invalid\",\"title\":\"the path of the request is no text\",\"status\":400,"
      "\"detail\":\"send UTF-8 without NUL\"}\n");
}

static enum MHD_Result judge_header(void *userdata, enum MHD_ValueKind kind, const char *name, const char *value) {
  (void)kind;
  framing_judge(userdata, name, value == NULL ? "" : value);
  return MHD_YES;
}

static int is_ambiguous(const http_request *request) {
  framing found = {0};
  MHD_get_connection_values(request->connection, MHD_HEADER_KIND, judge_header, &found);
  return found.wrong || found.lengths > 1;
}

static enum MHD_Result refuse_ambiguous(http_request *request) {
  return refuse(
      request, MHD_HTTP_BAD_REQUEST,
      "{\"type\":\"urn:mergeloom:error:invalid\",\"title\":\"the head of the request can be read in two ways\","
      "\"status\":400,\"detail\":\"send one Content-Length, or Transfer-Encoding: chunked, and no folded lines\"}\n");
}

static void answer_free(http_answer *answer) {
  if (answer->secret) {
    mloom_buffer_wipe(&answer->body);
  }
  mloom_buffer_free(&answer->body);
  mloom_buffer_free(&answer->headers);
}

/* In a thread of its own. */
static void make_answer(void *userdata) {
  http_request *request = userdata;
  http_server *server = request->server;
  pthread_mutex_lock(&server->lock); /* from here on the connection is suspended */
  pthread_mutex_unlock(&server->lock);
  server->options.handler(request, &request->made, server->options.userdata);
  pthread_mutex_lock(&server->lock);
  request->is_made = 1;
  MHD_resume_connection(request->connection);
  pthread_mutex_unlock(&server->lock);
}

/* 1 when a thread of its own makes the answer. */
static int go_apart(http_request *request) {
  http_server *server = request->server;
  pthread_mutex_lock(&server->lock);
  request->is_apart = apart_begin(&server->apart, make_answer, request);
  if (request->is_apart) {
    MHD_suspend_connection(request->connection);
  }
  pthread_mutex_unlock(&server->lock);
  return request->is_apart;
}

static int is_made(http_request *request) {
  pthread_mutex_lock(&request->server->lock);
  int made = request->is_made;
  pthread_mutex_unlock(&request->server->lock);
  return made;
}

static enum MHD_Result answer_request(http_request *request) {
  for (;;) {
    uint64_t wakes = read_wakes(request->server);
    MLOOM_AUTO(answer_free) http_answer answer = {.status = 200};
    int is_turn = begin_turn(request);
    if (is_turn) {
      request->server->options.handler(request, &answer, request->server->options.userdata);
      end_turn(request);
    }
    if (!is_turn || answer.apart) {
      if ((is_turn && go_apart(request)) || park(request, wakes, now_ms() + TURN_MS)) {
        return MHD_YES;
      }
      if (is_stopping(request->server)) {
        return MHD_NO;
      }
      continue;
    }
    if (answer.wait_until_ms == 0) {
      return send_answer(request, &answer);
    }
    request->deadline_ms = request->deadline_ms == 0 ? answer.wait_until_ms : request->deadline_ms;
    if (park(request, wakes, answer.wait_until_ms)) {
      return MHD_YES;
    }
    if (is_stopping(request->server)) {
      request->deadline_ms = 1; /* long over */
    }
  }
}

static deadline *deadline_of(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

/* The clock of a connection's next request starts, or stops as this one has come whole. */
static void set_clock(http_server *server, struct MHD_Connection *connection, int64_t since_ms) {
  pthread_mutex_lock(&server->lock);
  deadline *entry = deadline_of(connection);
  if (entry != NULL) {
    entry->since_ms = since_ms;
  }
  if (since_ms != 0) {
    trim_later(server, since_ms);
  }
  pthread_mutex_unlock(&server->lock);
}

static enum MHD_Result on_accept(void *userdata, const struct sockaddr *address, socklen_t size) {
  const http_server *server = userdata;
  (void)address;
  (void)size;
  return server->quiet ? MHD_NO : MHD_YES;
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what) {
  http_server *server = userdata;
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  pthread_mutex_lock(&server->lock);
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    *context = info == NULL ? NULL : deadlines_add(&server->deadlines, info->connect_fd, now_ms());
    hurry_timer(server, now_ms() + SWEEP_MS);
  } else {
    deadlines_remove(&server->deadlines, *context);
    *context = NULL;
  }
  pthread_mutex_unlock(&server->lock);
}

static enum MHD_Result on_access(void *userdata, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **state) {
  http_server *server = userdata;
  http_request *request = *state;
  (void)version;
  if (request == NULL) {
    return MHD_NO;
  }
  if (request->connection == NULL) {
    request->connection = connection;
    request->method = method;
    request->path = url;
    find_peer(request);
    if (request->has_nul || !mloom_text_is_utf8(url, strlen(url))) {
      return refuse_path(request);
    }
    if (is_ambiguous(request)) {
      return refuse_ambiguous(request);
    }
    request->made.status = 200;
    request->is_made = !server->options.admit(request, &request->made, &request->terms, server->options.userdata);
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    request->too_large = request->is_made || (length != NULL && strtoull(length, NULL, 10) > request->terms.body_limit);
    return request->too_large && !request->is_made ? refuse_large(request) : MHD_YES;
  }
  if (*upload_size > 0) {
    request->too_large |= request->body.size + *upload_size > request->terms.body_limit;
    if (!request->too_large && mloom_buffer_append(&request->body, upload, *upload_size) != MLOOM_OK) {
      return MHD_NO;
    }
    *upload_size = 0;
    return MHD_YES;
  }
  set_clock(server, connection, 0);
  if (is_made(request)) {
    return send_answer(request, &request->made);
  }
  return request->too_large ? refuse_large(request) : answer_request(request);
}

static void *on_start(void *userdata, const char *uri, struct MHD_Connection *connection) {
  http_request *request = calloc(1, sizeof *request);
  (void)connection;
  if (request != NULL) {
    request->server = userdata;
    const char *nul = strstr(uri, "%00");
    request->has_nul = nul != NULL && nul < uri + strcspn(uri, "?");
  }
  return request;
}

static void on_end(void *userdata, struct MHD_Connection *connection, void **state,
                   enum MHD_RequestTerminationCode reason) {
  http_request *request = *state;
  (void)reason;
  set_clock(userdata, connection, now_ms());
  if (request == NULL) {
    return;
  }
  if (request->stream.close != NULL) {
    request->stream.close(request->stream.userdata);
  }
  mloom_buffer_free(&request->pending);
  answer_free(&request->made);
  if (request->body.data != NULL) {
    explicit_bzero(request->body.data, request->body.capacity); /* it may have held a secret */
  }
  mloom_buffer_free(&request->body);
  mloom_json_wipe(request->form);
  mloom_json_unref(request->form);
  free(request);
  *state = NULL;
}

/* ---- The server ---- */

__attribute__((format(printf, 2, 0))) static void on_log(void *userdata, const char *format, va_list arguments) {
  http_server *server = userdata;
  char line[512];
  vsnprintf(line, sizeof line, format, arguments);
  mloom_log_write(server->options.log, MLOOM_LOG_INFO, "http", "%s", line);
}

static int32_t start_timer(http_server *server, mloom_error *error) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&server->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&server->lock, NULL);
  int failure = pthread_create(&server->timer, NULL, run_timer, server);
  server->timer_runs = failure == 0;
  return failure == 0 ? MLOOM_OK
                      : mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM, NULL, "cannot start a thread");
}

int32_t http_server_new(http_server **out, const http_options *options, mloom_error *error) {
  http_server *server = calloc(1, sizeof *server);
  *out = NULL;
  if (server == NULL) {
    return mloom_error_memory(error);
  }
  server->options = *options;
  server->deadlines.limit_ms = (int64_t)options->request_seconds * 1000;
  server->trim_ms = INT64_MAX;
  apart_open(&server->apart);
  int fd = options->listen_fd;
  int32_t code = start_timer(server, error);
  if (code != MLOOM_OK) {
    close(fd);
    http_server_free(server);
    return code;
  }
  server->port = listener_port(fd);
  *out = server; /* the first request may come before this function returns */
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_TURBO;
  server->daemon = MHD_start_daemon(
      flags, 0, on_accept, server, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
      MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_end, server, MHD_OPTION_NOTIFY_CONNECTION,
      on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, on_start, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, options->connection_limit, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
      options->connections_of_one_address, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds,
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_POOL_SIZE, options->threads, MHD_OPTION_END);
  if (server->daemon == NULL) {
    int32_t failure = mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, NULL, "the HTTP server does not start");
    *out = NULL;
    close(fd);
    http_server_free(server);
    return failure;
  }
  return MLOOM_OK;
}

uint16_t http_server_port(const http_server *server) {
  return server->port;
}

/* MHD_quiesce_daemon and a thread that is awake can both take the socket from an epoll set, and then MHD aborts. */
void http_server_quiesce(http_server *server) {
  server->quiet = 1;
}

void http_server_stop(http_server *server) {
  if (server == NULL) {
    return;
  }
  pthread_mutex_lock(&server->lock);
  server->stopping = 1;
  resume(server, 0, 1);
  pthread_cond_signal(&server->changed);
  pthread_mutex_unlock(&server->lock);
  if (server->timer_runs) {
    pthread_join(server->timer, NULL);
    server->timer_runs = 0;
  }
  apart_close(&server->apart);
  if (server->daemon != NULL) {
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
  }
}

void http_server_free(http_server *server) {
  if (server == NULL) {
    return;
  }
  http_server_stop(server);
  apart_free(&server->apart);
  pthread_cond_destroy(&server->changed);
  pthread_mutex_destroy(&server->lock);
  free(server);
}
