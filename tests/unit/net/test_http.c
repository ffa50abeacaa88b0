/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "exchange.h"
#include "secret/secret.h"
#include "server.h"

#define MEGABYTE (1u << 20)

static mloom_http_client *new_client(const mloom_http_options *options) {
  mloom_http_client *client = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_http_client_new(&client, options, NULL, &error), MLOOM_OK, &error);
  return client;
}

/* What the server does is its userdata: text to send after each request, or one of these. */
static const char wait_mark[] = "wait";
static const char close_mark[] = "close";

static void answer_text(test_connection *connection, void *userdata) {
  while (test_read_request(connection)) {
    if (userdata == wait_mark) {
      test_wait_closed(connection);
      return;
    }
    if (userdata == close_mark) {
      return;
    }
    test_write_string(connection, userdata);
    if (strstr(userdata, "stay-open") == NULL && strstr(userdata, "Content-Length: 2\r\n") == NULL) {
      return;
    }
    if (strstr(userdata, "stay-open") != NULL) {
      test_wait_closed(connection);
      return;
    }
  }
}

/* One GET to a server that answers with text. */
static void get_text(test_answer *answer, const char *text, const mloom_http_options *options) {
  test_server server;
  mloom_http_client *client = new_client(options);
  CU_ASSERT_FATAL(test_server_start(&server, answer_text, (void *)(uintptr_t)text));
  test_get(answer, client, test_server_url(&server, "/path?q=1"));
  mloom_http_client_free(client);
  test_server_stop(&server);
}

static void test_plain_answer(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  get_text(&answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One:  a b \r\nX-Empty:\r\n\r\nhi", NULL);
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(answer.status, 200);
  UNIT_ASSERT_STRING(mloom_buffer_string(&answer.headers), "Content-Length=2\nX-One=a b\nX-Empty=\n");
  UNIT_ASSERT_STRING(mloom_buffer_string(&answer.body), "hi");
  CU_ASSERT_EQUAL(answer.report.stage, MLOOM_HTTP_STAGE_DONE);
  CU_ASSERT_EQUAL(answer.report.status, 200);
  CU_ASSERT_EQUAL(answer.report.received, 2);
}

static void test_chunked_answer(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  get_text(&answer,
           "HTTP/1.1 100 Continue\r\nX-Not: this\r\n\r\nHTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Trailer: t\r\n\r\n",
           NULL);
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(answer.status, 404);
  UNIT_ASSERT_STRING(mloom_buffer_string(&answer.headers), "Transfer-Encoding=chunked\n");
  UNIT_ASSERT_STRING(mloom_buffer_string(&answer.body), "abcdefg");
}

static void test_cut_answers(void) {
  static const char *const texts[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
      "HTTP/1.1 200 OK\r\nContent-Le",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
      "SSH-2.0-OpenSSH_9.2\r\n",
      "<html>hello</html>",
      close_mark,
  };
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    MLOOM_AUTO(test_answer_free) test_answer answer = {0};
    get_text(&answer, texts[i], NULL);
    UNIT_ASSERT_CODE(answer.code, MLOOM_E_PROTOCOL, &answer.error);
    CU_ASSERT(answer.error.message[0] != '\0' && answer.error.remedy[0] != '\0');
    CU_ASSERT_EQUAL(answer.report.stage, i < 3 || i == 4 ? MLOOM_HTTP_STAGE_BODY : answer.report.stage);
  }
}

static void test_endless_headers(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&text, "HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < 20000; i++) {
    mloom_buffer_append_format(&text, "X-%d: %040d\r\n", i, i);
  }
  get_text(&answer, mloom_buffer_string(&text), NULL);
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_PROTOCOL, &answer.error);
}

static void test_time_outs(void) {
  static const struct {
    mloom_http_options options;
    const char *text;
    const char *url;
    const char *setting;
    uint32_t stage;
  } cases[] = {
      {{.first_byte_timeout_ms = 30}, wait_mark, NULL, "first_byte_timeout", MLOOM_HTTP_STAGE_FIRST_BYTE},
      {{.idle_timeout_ms = 30},
       "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nstay-open",
       NULL,
       "idle_timeout",
       MLOOM_HTTP_STAGE_BODY},
      {{.total_timeout_ms = 30},
       "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nstay-open",
       NULL,
       "total_timeout",
       MLOOM_HTTP_STAGE_BODY},
      /* The server accepts and never answers the TLS handshake. */
      {{.connect_timeout_ms = 30}, wait_mark, "https", "connect_timeout", MLOOM_HTTP_STAGE_TLS},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    MLOOM_AUTO(test_answer_free) test_answer answer = {0};
    test_server server;
    char url[128];
    mloom_http_client *client = new_client(&cases[i].options);
    CU_ASSERT_FATAL(test_server_start(&server, answer_text, (void *)(uintptr_t)cases[i].text));
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u/", cases[i].url == NULL ? "http" : cases[i].url, server.port);
    test_get(&answer, client, url);
    UNIT_ASSERT_CODE(answer.code, MLOOM_E_TIMEOUT, &answer.error);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.remedy, cases[i].setting));
    CU_ASSERT_EQUAL(answer.error.retryable, 1);
    CU_ASSERT_EQUAL(answer.report.stage, cases[i].stage);
    mloom_http_client_free(client);
    test_server_stop(&server);
  }
}

static void test_whole_answer_on_a_connection_that_stays_open(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {.body_result = MLOOM_COMPLETE};
  mloom_http_options options = {.idle_timeout_ms = 20000};
  mloom_http_client *client = new_client(&options);
  test_server server;
  static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nstay-open";
  CU_ASSERT_FATAL(test_server_start(&server, answer_text, (void *)(uintptr_t)text));
  test_get(&answer, client, test_server_url(&server, "/"));
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(answer.report.stage, MLOOM_HTTP_STAGE_DONE);
  mloom_http_client_free(client);
  test_server_stop(&server);
}

/* The server takes the head and a little of a body that does not fit into the sockets' buffers. */
static void take_a_little(test_connection *connection, void *userdata) {
  (void)userdata;
  char piece[512];
  ssize_t count = recv(connection->fd, piece, sizeof(piece), 0);
  (void)count;
  while (recv(connection->fd, piece, sizeof(piece), MSG_PEEK) > 0) {
    struct pollfd closed = {.fd = connection->fd, .events = POLLRDHUP};
    if (poll(&closed, 1, -1) != 0) {
      return;
    }
  }
}

static void test_server_that_takes_nothing(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  MLOOM_AUTO(mloom_auto_free) char *megabyte = calloc(1, MEGABYTE);
  mloom_http_options options = {.idle_timeout_ms = 50};
  mloom_http_client *client = new_client(&options);
  test_server server;
  mloom_bytes body[64];
  for (size_t i = 0; i < 64; i++) {
    body[i] = (mloom_bytes){megabyte, MEGABYTE};
  }
  CU_ASSERT_FATAL(test_server_start(&server, take_a_little, NULL));
  mloom_http_request request = {.size = sizeof(request), .method = "POST", .body = body, .body_count = 64};
  request.url = test_server_url(&server, "/");
  test_perform(&answer, client, NULL, &request);
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_TIMEOUT, &answer.error);
  CU_ASSERT_EQUAL(answer.report.stage, MLOOM_HTTP_STAGE_SEND);
  CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.message, "took nothing more"));
  mloom_http_client_free(client);
  test_server_stop(&server);
}

static void test_refused_and_unknown_host(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  mloom_http_client *client = new_client(NULL);
  test_server server;
  CU_ASSERT_FATAL(test_server_start(&server, answer_text, (void *)(uintptr_t)wait_mark));
  test_server_stop(&server);
  test_get(&answer, client, test_server_url(&server, "/"));
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_UNAVAILABLE, &answer.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.message, "refused the connection"));
  CU_ASSERT_EQUAL(answer.report.stage, MLOOM_HTTP_STAGE_CONNECT);
  CU_ASSERT_EQUAL(answer.error.retryable, 1);
  /* A label of more than 63 characters: refused by the resolver itself, no name server is asked. */
  test_get(&answer, client,
           "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid/");
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_UNAVAILABLE, &answer.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.message, "cannot be resolved"));
  CU_ASSERT_EQUAL(answer.report.stage, MLOOM_HTTP_STAGE_RESOLVE);
  mloom_http_client_free(client);
}

static void test_redirect_is_an_answer(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  test_server target;
  CU_ASSERT_FATAL(test_server_start(&target, answer_text, (void *)(uintptr_t)wait_mark));
  mloom_buffer_append_format(&text, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 2\r\n\r\nno",
                             test_server_url(&target, "/"));
  get_text(&answer, mloom_buffer_string(&text), NULL);
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(answer.status, 302);
  CU_ASSERT_EQUAL(atomic_load(&target.connections), 0);
  test_server_stop(&target);
}

static int32_t perform_with_header(mloom_http_client *client, const char *url, const char *name, const char *value,
                                   const mloom_secret *secret) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  mloom_header header = {sizeof(header), 0, name, value, secret};
  const mloom_header *headers[] = {&header};
  mloom_http_request request = {
      .size = sizeof(request), .method = "POST", .url = url, .headers = headers, .header_count = 1};
  test_perform(&answer, client, NULL, &request);
  CU_ASSERT_PTR_NULL(strstr(answer.error.message, "not-a-secret"));
  return answer.code;
}

static void test_headers_of_a_request(void) {
  test_server server;
  mloom_http_client *client = new_client(NULL);
  mloom_secret *secret = NULL;
  mloom_secret *bad_secret = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_secret_new(&secret, "test-key-not-a-secret", 21, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL_FATAL(mloom_secret_new(&bad_secret, "not-a-secret\nX-Evil: 1", 22, NULL), MLOOM_OK);
  CU_ASSERT_FATAL(
      test_server_start(&server, answer_text, (void *)(uintptr_t) "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
  const char *url = test_server_url(&server, "/p");
  CU_ASSERT_EQUAL(perform_with_header(client, url, "Authorization", "Bearer ", secret), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(server.last_head.data, "POST /p HTTP/1.1\r\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(server.last_head.data, "\r\nAuthorization: Bearer test-key-not-a-secret\r\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(server.last_head.data, "\r\nUser-Agent: mergeloom/"));
  CU_ASSERT_PTR_NOT_NULL(strstr(server.last_head.data, "\r\nContent-Length: 0\r\n"));
  CU_ASSERT_PTR_NULL(strcasestr(server.last_head.data, "\r\nExpect:"));
  CU_ASSERT_PTR_NULL(strcasestr(server.last_head.data, "\r\nAccept-Encoding:"));
  CU_ASSERT_PTR_NULL(strcasestr(server.last_head.data, "\r\nContent-Type:"));
  CU_ASSERT_PTR_NULL(strcasestr(server.last_head.data, "\r\nCookie:"));
  CU_ASSERT_EQUAL(perform_with_header(client, url, "X-Empty", "", NULL), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(server.last_head.data, "\r\nX-Empty:"));
  CU_ASSERT_PTR_NULL(strstr(server.last_head.data, "not-a-secret"));
  unsigned requests = atomic_load(&server.requests);
  static const struct {
    const char *name;
    const char *value;
  } refused[] = {{"X-A", "b\r\nX-Evil: 1"},
                 {"X-A", "b\nX-Evil: 1"},
                 {"X-A", "b\rX-Evil: 1"},
                 {"X-A", "\x01"},
                 {"X-A\r\nX-Evil", "1"},
                 {"X-A: 1\r\nX-B", "1"},
                 {"X A", "1"},
                 {"", "1"},
                 {"X-A:", "1"},
                 {"Content-Length", "5"},
                 {"transfer-encoding", "chunked"}};
  for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
    CU_ASSERT_EQUAL(perform_with_header(client, url, refused[i].name, refused[i].value, NULL), MLOOM_E_INVALID);
  }
  CU_ASSERT_EQUAL(perform_with_header(client, url, "Authorization", "Bearer ", bad_secret), MLOOM_E_INVALID);
  CU_ASSERT_EQUAL(atomic_load(&server.requests), requests);
  mloom_secret_unref(secret);
  mloom_secret_unref(bad_secret);
  mloom_http_client_free(client);
  test_server_stop(&server);
}

static void test_bad_requests(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  mloom_http_client *client = new_client(NULL);
  static const char *const urls[] = {"",
                                     "example.com",
                                     "ftp://example.com/",
                                     "file:///etc/passwd",
                                     "http://user:pw@127.0.0.1/",
                                     "http://127.0.0.1/a b",
                                     "http://127.0.0.1\r\n/",
                                     "http:///x",
                                     "http://127.0.0.1:0/",
                                     "http://127.0.0.1:99999/"};
  for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
    UNIT_ASSERT_CODE(test_get(&answer, client, urls[i]), MLOOM_E_INVALID, &answer.error);
    CU_ASSERT(answer.error.remedy[0] != '\0');
  }
  mloom_http_request request = {.size = sizeof(request), .method = "GET /\r\n", .url = "http://127.0.0.1:1/"};
  UNIT_ASSERT_CODE(test_perform(&answer, client, NULL, &request), MLOOM_E_INVALID, &answer.error);
  mloom_http_client_free(client);
}

static void echo(test_connection *connection, void *userdata) {
  (void)userdata;
  char head[128];
  while (test_read_request(connection)) {
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", connection->body.size);
    test_write_string(connection, head);
    test_write(connection, mloom_buffer_string(&connection->body), connection->body.size);
  }
}

static void test_body_of_segments(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer expected = MLOOM_BUFFER_INIT;
  mloom_http_client *client = new_client(NULL);
  test_server server;
  char text[4000];
  mloom_bytes body[300];
  for (size_t i = 0; i < sizeof(text); i++) {
    text[i] = (char)('a' + i % 23);
  }
  for (size_t i = 0; i < 300; i++) {
    body[i] = (mloom_bytes){i % 7 == 0 ? NULL : text + i, i % 7 == 0 ? 0 : i * 11};
    mloom_buffer_append(&expected, body[i].data, body[i].size);
  }
  CU_ASSERT_FATAL(test_server_start(&server, echo, NULL));
  mloom_http_request request = {.size = sizeof(request), .method = "PUT", .body = body, .body_count = 300};
  request.url = test_server_url(&server, "/");
  UNIT_ASSERT_CODE(test_perform(&answer, client, NULL, &request), MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(answer.body.size, expected.size);
  CU_ASSERT_EQUAL(memcmp(mloom_buffer_string(&answer.body), mloom_buffer_string(&expected), expected.size), 0);
  CU_ASSERT_PTR_NOT_NULL(strstr(server.last_head.data, "PUT / HTTP/1.1\r\n"));
  mloom_http_client_free(client);
  test_server_stop(&server);
}

static void test_connections_are_kept(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  mloom_http_client *client = new_client(NULL);
  test_server server;
  CU_ASSERT_FATAL(test_server_start(&server, echo, NULL));
  for (int i = 0; i < 10; i++) {
    mloom_bytes body = {"body", 4};
    mloom_http_request request = {.size = sizeof(request), .method = "POST", .body = &body, .body_count = 1};
    request.url = test_server_url(&server, "/");
    UNIT_ASSERT_CODE(test_perform(&answer, client, NULL, &request), MLOOM_OK, &answer.error);
    UNIT_ASSERT_STRING(mloom_buffer_string(&answer.body), "body");
  }
  CU_ASSERT_EQUAL(atomic_load(&server.connections), 1);
  CU_ASSERT_EQUAL(atomic_load(&server.requests), 10);
  mloom_http_client_free(client);
  test_server_stop(&server);
}

/* Says that it keeps the connection and then closes it. */
static void answer_once(test_connection *connection, void *userdata) {
  (void)userdata;
  if (test_read_request(connection)) {
    test_write_string(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  }
}

static void test_dead_connection_is_replaced(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  mloom_http_client *client = new_client(NULL);
  test_server server;
  CU_ASSERT_FATAL(test_server_start(&server, answer_once, NULL));
  for (int i = 0; i < 5; i++) {
    mloom_bytes body[2] = {{"bo", 2}, {"dy", 2}};
    mloom_http_request request = {.size = sizeof(request), .method = "POST", .body = body, .body_count = 2};
    request.url = test_server_url(&server, "/");
    UNIT_ASSERT_CODE(test_perform(&answer, client, NULL, &request), MLOOM_OK, &answer.error);
  }
  CU_ASSERT_EQUAL(atomic_load(&server.requests), 5);
  mloom_http_client_free(client);
  test_server_stop(&server);
}

static void *cancel_when_it_streams(void *userdata) {
  void **arguments = userdata;
  test_server *server = arguments[0];
  struct pollfd nothing = {.fd = -1};
  while (atomic_load(&server->requests) == 0) {
    poll(&nothing, 1, 5);
  }
  poll(&nothing, 1, 20);
  mloom_cancel_trigger(arguments[1]);
  return NULL;
}

/* No time-out is set: only the cancel can end these. */
static void test_cancel(void) {
  static const char *const texts[] = {wait_mark, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nstay-open"};
  for (size_t i = 0; i < 2; i++) {
    MLOOM_AUTO(test_answer_free) test_answer answer = {0};
    mloom_http_client *client = new_client(NULL);
    mloom_cancel *cancel = NULL;
    mloom_call call;
    test_server server;
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&cancel, NULL), MLOOM_OK);
    CU_ASSERT_FATAL(test_server_start(&server, answer_text, (void *)(uintptr_t)texts[i]));
    mloom_call_init(&call, cancel, NULL, NULL, INT64_MAX);
    void *arguments[] = {&server, cancel};
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancel_when_it_streams, arguments), 0);
    mloom_http_request request = {.size = sizeof(request), .method = "GET", .url = test_server_url(&server, "/")};
    UNIT_ASSERT_CODE(test_perform(&answer, client, &call, &request), MLOOM_E_CANCELLED, &answer.error);
    pthread_join(thread, NULL);
    unsigned requests = atomic_load(&server.requests);
    UNIT_ASSERT_CODE(test_perform(&answer, client, &call, &request), MLOOM_E_CANCELLED, &answer.error);
    CU_ASSERT_EQUAL(atomic_load(&server.requests), requests);
    mloom_cancel_unref(cancel);
    mloom_http_client_free(client);
    test_server_stop(&server);
  }
}

static void test_deadline_of_the_call(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  mloom_http_client *client = new_client(NULL);
  mloom_call call;
  test_server server;
  CU_ASSERT_FATAL(test_server_start(&server, answer_text, (void *)(uintptr_t)wait_mark));
  const mloom_clock *clock = mloom_clock_system();
  mloom_call_init(&call, NULL, NULL, NULL, clock->monotonic_ms(clock) + 30);
  mloom_http_request request = {.size = sizeof(request), .method = "GET", .url = test_server_url(&server, "/")};
  UNIT_ASSERT_CODE(test_perform(&answer, client, &call, &request), MLOOM_E_TIMEOUT, &answer.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.message, "deadline"));
  mloom_http_client_free(client);
  test_server_stop(&server);
}

static void test_sink_ends_the_exchange(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {.body_result = MLOOM_E_LIMIT};
  get_text(&answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", NULL);
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_LIMIT, &answer.error);
  CU_ASSERT_EQUAL(answer.error.code, MLOOM_E_LIMIT);
}

/* 100 MB there and 100 MB back. */
static void answer_much(test_connection *connection, void *userdata) {
  if (test_read_request(connection)) {
    test_write_string(connection, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
    for (int i = 0; i < 100 && test_write(connection, userdata, MEGABYTE); i++) {
    }
  }
}

static void test_large_bodies_take_no_memory(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  MLOOM_AUTO(mloom_auto_free) char *megabyte = calloc(1, MEGABYTE);
  mloom_http_client *client = new_client(NULL);
  test_server server;
  mloom_bytes body[100];
  struct rusage before;
  struct rusage after;
  for (size_t i = 0; i < 100; i++) {
    body[i] = (mloom_bytes){megabyte, MEGABYTE};
  }
  CU_ASSERT_FATAL(test_server_start(&server, answer_much, megabyte));
  getrusage(RUSAGE_SELF, &before);
  mloom_http_request request = {.size = sizeof(request), .method = "POST", .body = body, .body_count = 100};
  request.url = test_server_url(&server, "/");
  UNIT_ASSERT_CODE(test_perform(&answer, client, NULL, &request), MLOOM_OK, &answer.error);
  getrusage(RUSAGE_SELF, &after);
  CU_ASSERT_EQUAL(answer.size, 104857600);
  CU_ASSERT_EQUAL(server.list[0].body_size, 104857600);
  CU_ASSERT_PTR_NULL(strcasestr(server.last_head.data, "\r\nExpect:"));
  /* A megabyte is kept on each side by this test; 100 would mean that a body is held whole. */
  CU_ASSERT(after.ru_maxrss - before.ru_maxrss < 20 * 1024);
  mloom_http_client_free(client);
  test_server_stop(&server);
}

static void *perform_many(void *userdata) {
  void **arguments = userdata;
  test_answer answer = {0};
  uintptr_t good = 0;
  for (int i = 0; i < 50; i++) {
    char text[32];
    snprintf(text, sizeof(text), "%p %d", (void *)&answer, i);
    mloom_bytes body = {text, strlen(text)};
    mloom_http_request request = {.size = sizeof(request), .method = "POST", .body = &body, .body_count = 1};
    request.url = test_server_url(arguments[1], "/");
    good += test_perform(&answer, arguments[0], NULL, &request) == MLOOM_OK &&
            strcmp(mloom_buffer_string(&answer.body), text) == 0;
  }
  test_answer_free(&answer);
  return (void *)good;
}

static void test_threads(void) {
  mloom_http_client *client = new_client(NULL);
  test_server server;
  pthread_t threads[8];
  CU_ASSERT_FATAL(test_server_start(&server, echo, NULL));
  void *arguments[] = {client, &server};
  for (int i = 0; i < 8; i++) {
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, perform_many, arguments), 0);
  }
  for (int i = 0; i < 8; i++) {
    void *good = NULL;
    pthread_join(threads[i], &good);
    CU_ASSERT_EQUAL((uintptr_t)good, 50);
  }
  CU_ASSERT_EQUAL(atomic_load(&server.requests), 400);
  CU_ASSERT(atomic_load(&server.connections) <= 16);
  mloom_http_client_free(client);
  test_server_stop(&server);
}

static const unit_test tests[] = {
    {"an answer with a length", test_plain_answer},
    {"a chunked answer", test_chunked_answer},
    {"cut and malformed answers", test_cut_answers},
    {"endless headers", test_endless_headers},
    {"four time-outs", test_time_outs},
    {"a whole answer on a connection that stays open", test_whole_answer_on_a_connection_that_stays_open},
    {"a server that takes nothing", test_server_that_takes_nothing},
    {"no server and no host", test_refused_and_unknown_host},
    {"a redirect is not followed", test_redirect_is_an_answer},
    {"headers are sent and cannot be injected", test_headers_of_a_request},
    {"URLs and methods that are refused", test_bad_requests},
    {"a body of many segments", test_body_of_segments},
    {"connections are kept", test_connections_are_kept},
    {"a dead connection is replaced", test_dead_connection_is_replaced},
    {"a cancel ends an exchange", test_cancel},
    {"the deadline of the call", test_deadline_of_the_call},
    {"the sink ends an exchange", test_sink_ends_the_exchange},
    {"large bodies take no memory", test_large_bodies_take_no_memory},
    {"eight threads share a client", test_threads},
};

UNIT_MAIN("http", tests)
