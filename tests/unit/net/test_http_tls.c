/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS against "openssl s_server" with a private authority made here, and proxies.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "exchange.h"
#include "secret/secret.h"
#include "server.h"

static char folder[64];

static const char *at(const char *name) {
  static _Thread_local char paths[4][128];
  static _Thread_local unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
  return path;
}

static int run_command(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run_command(const char *format, ...) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer command = MLOOM_BUFFER_INIT;
  va_list arguments;
  va_start(arguments, format);
  mloom_buffer_append_format(&command, "cd %s && { ", folder);
  mloom_buffer_append_vformat(&command, format, arguments);
  mloom_buffer_append_string(&command, "; } >>log 2>&1");
  va_end(arguments);
  return system(command.data) == 0;
}

static int make_certificate(const char *name, const char *subject, int days) {
  return run_command("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key -out %s.csr "
                     "-subj /CN=test",
                     name, name) &&
         run_command("printf 'subjectAltName=%s\\n' >%s.ext", subject, name) &&
         run_command("openssl x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -set_serial 2 -extfile %s.ext -out %s.pem "
                     "-days %d",
                     name, name, name, days);
}

static int make_certificates(void) {
  strcpy(folder, "/tmp/mergeloom-test-tls-XXXXXX");
  return mkdtemp(folder) != NULL &&
         run_command("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem "
                     "-subj /CN=authority -days 2") &&
         make_certificate("good", "IP:127.0.0.1,DNS:localhost", 2) &&
         make_certificate("other", "DNS:other.example", 2) && make_certificate("expired", "IP:127.0.0.1", -1);
}

/* Starts s_server, which answers each GET with a page about the connection; *port is where it listens. */
static pid_t start_tls_server(const char *name, unsigned *port) {
  int output[2];
  char certificate[128];
  char key[128];
  snprintf(certificate, sizeof(certificate), "%s/%s.pem", folder, name);
  snprintf(key, sizeof(key), "%s/%s.key", folder, name);
  if (pipe(output) != 0) {
    return -1;
  }
  pid_t pid = fork();
  if (pid == 0) {
    dup2(output[1], STDOUT_FILENO);
    close(output[0]);
    close(output[1]);
    /* It reports each handshake that a client ends. */
    if (freopen("/dev/null", "w", stderr) == NULL) {
      _exit(127);
    }
    execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key, "-www",
           (char *)NULL);
    _exit(127);
  }
  close(output[1]);
  FILE *stream = fdopen(output[0], "r");
  char line[256];
  *port = 0;
  while (stream != NULL && *port == 0 && fgets(line, sizeof(line), stream) != NULL) {
    sscanf(line, "ACCEPT 127.0.0.1:%u", port);
  }
  if (stream != NULL) {
    fclose(stream);
  }
  return pid;
}

static void stop_process(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

static void get(test_answer *answer, const mloom_http_options *options, const char *host, unsigned port) {
  char url[128];
  mloom_http_client *client = NULL;
  CU_ASSERT_EQUAL_FATAL(mloom_http_client_new(&client, options, NULL, NULL), MLOOM_OK);
  snprintf(url, sizeof(url), "https://%s:%u/", host, port);
  test_get(answer, client, url);
  mloom_http_client_free(client);
}

static void assert_tls_failure(const mloom_http_options *options, const char *name, const char *message,
                               const char *remedy) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  unsigned port;
  pid_t pid = start_tls_server(name, &port);
  get(&answer, options, "127.0.0.1", port);
  stop_process(pid);
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_UNAVAILABLE, &answer.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.message, message));
  CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.remedy, remedy));
  CU_ASSERT_EQUAL(answer.error.retryable, 0);
  CU_ASSERT_EQUAL(answer.report.stage, MLOOM_HTTP_STAGE_TLS);
}

static void test_private_authority(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  mloom_http_options options = {.ca_file = at("ca.pem")};
  unsigned port;
  pid_t pid = start_tls_server("good", &port);
  get(&answer, &options, "127.0.0.1", port);
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(answer.status, 200);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&answer.body), "TLSv1"));
  get(&answer, &options, "localhost", port);
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  stop_process(pid);
}

static void test_certificates_that_are_refused(void) {
  mloom_http_options trusting = {.ca_file = at("ca.pem")};
  mloom_http_options missing = {.ca_file = at("none.pem")};
  assert_tls_failure(NULL, "good", "unknown authority", "ca_file");
  assert_tls_failure(&trusting, "other", "another host name", "host name");
  assert_tls_failure(&trusting, "expired", "has expired", "renew");
  assert_tls_failure(&missing, "good", "cannot be used", "ca_file");
}

/* ---- Proxies ---- */

typedef struct proxy_plan {
  unsigned target_port;
  int refuse_status; /* 0: connect */
} proxy_plan;

static void relay(int a, int b) {
  char piece[16384];
  for (;;) {
    struct pollfd ends[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    if (poll(ends, 2, -1) < 0) {
      return;
    }
    int from = ends[0].revents != 0 ? a : b;
    ssize_t count = recv(from, piece, sizeof(piece), 0);
    if (count <= 0 || send(from == a ? b : a, piece, (size_t)count, MSG_NOSIGNAL) != count) {
      return;
    }
  }
}

static void serve_proxy(test_connection *connection, void *userdata) {
  const proxy_plan *plan = userdata;
  if (!test_read_request(connection)) {
    return;
  }
  if (plan->refuse_status != 0) {
    char text[128];
    snprintf(text, sizeof(text), "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", plan->refuse_status);
    test_write_string(connection, text);
    return;
  }
  if (strncmp(connection->head.data, "CONNECT ", 8) != 0) {
    test_write_string(connection, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nvia proxy");
    return;
  }
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)plan->target_port)};
  MLOOM_AUTO(mloom_auto_close) int target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(target, (struct sockaddr *)&address, sizeof(address)) == 0) {
    test_write_string(connection, "HTTP/1.1 200 Connection established\r\nX-Of-Proxy: 1\r\n\r\n");
    relay(connection->fd, target);
  }
}

/* GET with a credential through the proxy. */
static void get_via(test_answer *answer, test_server *proxy, const char *no_proxy, const char *url) {
  mloom_http_client *client = NULL;
  mloom_secret *secret = NULL;
  char proxy_url[64];
  snprintf(proxy_url, sizeof(proxy_url), "http://127.0.0.1:%u", proxy->port);
  mloom_http_options options = {.proxy = proxy_url, .no_proxy = no_proxy, .ca_file = at("ca.pem")};
  CU_ASSERT_EQUAL_FATAL(mloom_http_client_new(&client, &options, NULL, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL_FATAL(mloom_secret_new(&secret, "test-key-not-a-secret", 21, NULL), MLOOM_OK);
  mloom_header header = {sizeof(header), 0, "Authorization", "Bearer ", secret};
  const mloom_header *headers[] = {&header};
  mloom_http_request request = {
      .size = sizeof(request), .method = "GET", .url = url, .headers = headers, .header_count = 1};
  test_perform(answer, client, NULL, &request);
  mloom_secret_unref(secret);
  mloom_http_client_free(client);
}

static void test_proxy_for_http(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  proxy_plan plan = {0, 0};
  test_server proxy;
  CU_ASSERT_FATAL(test_server_start(&proxy, serve_proxy, &plan));
  get_via(&answer, &proxy, NULL, "http://model.example/v1?x=1");
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&answer.body), "via proxy");
  CU_ASSERT_PTR_NOT_NULL(strstr(proxy.last_head.data, "GET http://model.example/v1?x=1 HTTP/1.1\r\n"));
  plan.refuse_status = 407;
  get_via(&answer, &proxy, NULL, "http://model.example/v1");
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_UNAVAILABLE, &answer.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.message, "407"));
  test_server_stop(&proxy);
}

static void test_proxy_for_https(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  proxy_plan plan = {0, 0};
  test_server proxy;
  char url[64];
  pid_t pid = start_tls_server("good", &plan.target_port);
  snprintf(url, sizeof(url), "https://127.0.0.1:%u/", plan.target_port);
  CU_ASSERT_FATAL(test_server_start(&proxy, serve_proxy, &plan));
  get_via(&answer, &proxy, NULL, url);
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(answer.status, 200);
  CU_ASSERT_PTR_NULL(strstr(mloom_buffer_string(&answer.headers), "X-Of-Proxy"));
  CU_ASSERT_EQUAL(strncmp(proxy.last_head.data, "CONNECT 127.0.0.1:", 18), 0);
  CU_ASSERT_PTR_NULL(strstr(proxy.last_head.data, "not-a-secret"));
  CU_ASSERT_EQUAL(atomic_load(&proxy.connections), 1);
  get_via(&answer, &proxy, "127.0.0.1", url);
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(atomic_load(&proxy.connections), 1);
  static const int statuses[] = {407, 403, 502};
  for (size_t i = 0; i < 3; i++) {
    char number[8];
    plan.refuse_status = statuses[i];
    get_via(&answer, &proxy, NULL, url);
    UNIT_ASSERT_CODE(answer.code, MLOOM_E_UNAVAILABLE, &answer.error);
    snprintf(number, sizeof(number), "(%d)", statuses[i]);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.message, number));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.message, "proxy"));
  }
  stop_process(pid);
  test_server_stop(&proxy);
}

static void test_environment_is_ignored(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  proxy_plan plan = {0, 0};
  test_server proxy;
  test_server target;
  char proxy_url[64];
  mloom_http_client *client = NULL;
  CU_ASSERT_FATAL(test_server_start(&proxy, serve_proxy, &plan));
  CU_ASSERT_FATAL(test_server_start(&target, serve_proxy, &plan));
  snprintf(proxy_url, sizeof(proxy_url), "http://127.0.0.1:%u", proxy.port);
  setenv("http_proxy", proxy_url, 1);
  setenv("ALL_PROXY", proxy_url, 1);
  setenv("no_proxy", "*", 1);
  CU_ASSERT_EQUAL_FATAL(mloom_http_client_new(&client, NULL, NULL, NULL), MLOOM_OK);
  test_get(&answer, client, test_server_url(&target, "/"));
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(atomic_load(&proxy.connections), 0);
  mloom_http_client_free(client);
  /* A proxy that was given is used whatever no_proxy says. */
  get_via(&answer, &proxy, NULL, "http://model.example/");
  CU_ASSERT_EQUAL(atomic_load(&proxy.connections), 1);
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  unsetenv("no_proxy");
  test_server_stop(&proxy);
  test_server_stop(&target);
}

static void test_direct(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  proxy_plan plan = {0, 407};
  test_server proxy;
  test_server target;
  char proxy_url[64];
  mloom_http_client *client = NULL;
  CU_ASSERT_FATAL(test_server_start(&proxy, serve_proxy, &plan));
  proxy_plan answers = {0, 0};
  CU_ASSERT_FATAL(test_server_start(&target, serve_proxy, &answers));
  snprintf(proxy_url, sizeof(proxy_url), "http://127.0.0.1:%u", proxy.port);
  mloom_http_options options = {.proxy = proxy_url};
  CU_ASSERT_EQUAL_FATAL(mloom_http_client_new(&client, &options, NULL, NULL), MLOOM_OK);
  mloom_http_request request = {.size = sizeof(request),
                                .flags = MLOOM_HTTP_DIRECT,
                                .method = "GET",
                                .url = test_server_url(&target, "/metadata")};
  test_perform(&answer, client, NULL, &request);
  UNIT_ASSERT_CODE(answer.code, MLOOM_OK, &answer.error);
  CU_ASSERT_EQUAL(answer.status, 200);
  CU_ASSERT_EQUAL(atomic_load(&proxy.connections), 0);
  CU_ASSERT_EQUAL(strncmp(target.last_head.data, "GET /metadata HTTP/1.1\r\n", 24), 0);
  request.flags = 0;
  test_perform(&answer, client, NULL, &request);
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_UNAVAILABLE, &answer.error);
  CU_ASSERT_EQUAL(atomic_load(&proxy.connections), 1);
  mloom_http_client_free(client);
  test_server_stop(&proxy);
  test_server_stop(&target);
}

static void test_unreachable_proxy(void) {
  MLOOM_AUTO(test_answer_free) test_answer answer = {0};
  proxy_plan plan = {0, 0};
  test_server proxy;
  test_server target;
  char url[64];
  char expected[128];
  CU_ASSERT_FATAL(test_server_start(&proxy, serve_proxy, &plan));
  CU_ASSERT_FATAL(test_server_start(&target, serve_proxy, &plan));
  test_server_stop(&proxy);
  test_server_stop(&target);
  get_via(&answer, &proxy, NULL, "http://model.example/");
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_UNAVAILABLE, &answer.error);
  UNIT_ASSERT_STRING(answer.error.message, "the proxy refused the connection");
  CU_ASSERT_PTR_NOT_NULL(strstr(answer.error.remedy, "HTTPS_PROXY"));
  /* Where no_proxy excepts a host, it is the host that refuses. */
  snprintf(url, sizeof(url), "http://127.0.0.1:%u", target.port);
  snprintf(expected, sizeof(expected), "%s refused the connection", url);
  get_via(&answer, &proxy, "127.0.0.1", url);
  UNIT_ASSERT_CODE(answer.code, MLOOM_E_UNAVAILABLE, &answer.error);
  UNIT_ASSERT_STRING(answer.error.message, expected);
  CU_ASSERT_PTR_NULL(strstr(answer.error.remedy, "HTTPS_PROXY"));
}

static const unit_test tests[] = {
    {"a private authority", test_private_authority},
    {"certificates that are refused", test_certificates_that_are_refused},
    {"http through a proxy", test_proxy_for_http},
    {"https through a proxy", test_proxy_for_https},
    {"the environment's proxies are ignored", test_environment_is_ignored},
    {"a request that goes past the proxy", test_direct},
    {"a proxy that is not there", test_unreachable_proxy},
};

int main(void) {
  if (!make_certificates()) {
    fprintf(stderr, "openssl cannot make certificates; see %s/log\n", folder);
    return 1;
  }
  int result = unit_run("http_tls", tests, sizeof(tests) / sizeof(tests[0]));
  mloom_file_remove_tree(folder, NULL);
  return result;
}
