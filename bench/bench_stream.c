/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU per event of a chat-completions stream: libcurl with memchr and a minimal field scan against mloom_http with the
 * decoder that the provider uses. Both read the same bytes from a server in another process, in turn, and only the CPU
 * time of the reading thread counts. The server writes each event by itself, as model servers do, and then all of them
 * in bursts, where the system calls hardly count.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/http.h"
#include "wire/chat.h"

#define EVENTS 20000
#define ROUNDS 15
#define BURST 16384

typedef struct outcome {
  uint64_t text_size;
  uint64_t events;
} outcome;

/* ---- The server ---- */

static int append_chunk(mloom_buffer *out, const char *text) {
  return mloom_buffer_append_format(out, "%zx\r\n%s\r\n", strlen(text), text);
}

/* One chunk of the transfer encoding for each event, as servers that flush after each event send it. */
static int make_answer(mloom_buffer *out) {
  static const char *const words[] = {" the",      " function",     " returns", ".\\n\\n",
                                      " `size_t`", " na\xC3\xAFve", "(",        " if"};
  char event[512];
  int code = mloom_buffer_append_string(
      out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < EVENTS && code == MLOOM_OK; i++) {
    snprintf(event, sizeof(event),
             "data: {\"id\":\"chatcmpl-Cx4Zb8Qw1N0fVn2u7Rk9sT3yLpEaM\",\"object\":\"chat.completion.chunk\","
             "\"created\":1795389641,\"model\":\"sim-1\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":"
             "[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
             words[i % 8]);
    code = append_chunk(out, event);
  }
  if (code == MLOOM_OK) {
    code = append_chunk(out, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795389641,"
                             "\"model\":\"sim-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
                             "\n\n");
  }
  if (code == MLOOM_OK) {
    code = append_chunk(out, "data: [DONE]\n\n");
  }
  return code == MLOOM_OK ? mloom_buffer_append_string(out, "0\r\n\r\n") : code;
}

static int send_all(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t count = send(fd, data, size, MSG_NOSIGNAL);
    if (count <= 0) {
      return 0;
    }
    data += count;
    size -= (size_t)count;
  }
  return 1;
}

static int send_answer(int fd, const mloom_buffer *answer, int each) {
  for (size_t offset = 0; offset < answer->size;) {
    size_t left = answer->size - offset;
    size_t piece = left < BURST ? left : BURST;
    const char *end = each ? memmem(answer->data + offset, left, "\n\n\r\n", 4) : NULL;
    if (end != NULL) {
      piece = (size_t)(end + 4 - (answer->data + offset));
    }
    if (!send_all(fd, answer->data + offset, piece)) {
      return 0;
    }
    offset += piece;
  }
  return 1;
}

/* Answers every request on every connection, one connection a process. */
static void serve(int listener, const mloom_buffer *answer) {
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 || fork() != 0) {
      close(fd);
      continue;
    }
    char request[4096];
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (;;) {
      /* Every request ends with this body. */
      size_t held = 0;
      while (held < 2 || memcmp(request + held - 2, "{}", 2) != 0) {
        ssize_t count = recv(fd, request + held, sizeof(request) - held, 0);
        if (count <= 0) {
          _exit(0);
        }
        held += (size_t)count;
      }
      int each = memmem(request, held, "/each ", 6) != NULL;
      if (!send_answer(fd, answer, each)) {
        _exit(0);
      }
    }
  }
}

static pid_t start_server(char *url, size_t url_size) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  mloom_buffer answer = MLOOM_BUFFER_INIT;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 8) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0 || make_answer(&answer) != MLOOM_OK) {
    return -1;
  }
  snprintf(url, url_size, "http://127.0.0.1:%u", ntohs(address.sin_port));
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    serve(listener, &answer);
  }
  setpgid(pid, pid);
  close(listener);
  mloom_buffer_free(&answer);
  return pid;
}

/* ---- The floor ---- */

typedef struct floor_reader {
  mloom_buffer line;
  mloom_buffer text;
  outcome *result;
} floor_reader;

static void floor_line(floor_reader *reader, const char *line, size_t size) {
  static const char field[] = "\"content\":\"";
  if (size < 6 || memcmp(line, "data: ", 6) != 0) {
    return;
  }
  reader->result->events++;
  const char *found = memmem(line, size, field, sizeof(field) - 1);
  if (found == NULL) {
    return;
  }
  const char *start = found + sizeof(field) - 1;
  const char *end = memchr(start, '"', size - (size_t)(start - line));
  if (end != NULL) {
    mloom_buffer_clear(&reader->text);
    mloom_buffer_append(&reader->text, start, (size_t)(end - start));
    reader->result->text_size += reader->text.size;
  }
}

static size_t floor_body(char *data, size_t size, size_t count, void *userdata) {
  floor_reader *reader = userdata;
  size *= count;
  const char *end = data + size;
  for (const char *at = data; at < end;) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    if (stop == NULL) {
      mloom_buffer_append(&reader->line, at, (size_t)(end - at));
      break;
    }
    if (reader->line.size > 0) {
      mloom_buffer_append(&reader->line, at, (size_t)(stop - at));
      floor_line(reader, reader->line.data, reader->line.size);
      mloom_buffer_clear(&reader->line);
    } else {
      floor_line(reader, at, (size_t)(stop - at));
    }
    at = stop + 1;
  }
  return size;
}

static int run_floor(CURL *easy, const char *url, outcome *result) {
  floor_reader reader = {MLOOM_BUFFER_INIT, MLOOM_BUFFER_INIT, result};
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "{}");
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 32768L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, floor_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reader);
  CURLcode code = curl_easy_perform(easy);
  mloom_buffer_free(&reader.line);
  mloom_buffer_free(&reader.text);
  return code == CURLE_OK;
}

/* ---- Ours ---- */

typedef struct our_reader {
  mloom_chat_decoder decoder;
  mloom_event_sink sink;
} our_reader;

static void our_event(const mloom_event *event, void *userdata) {
  outcome *result = userdata;
  if (event->kind == MLOOM_EVENT_TEXT) {
    result->events++;
    result->text_size += event->text.size;
  }
}

static int32_t our_body(const char *data, size_t size, void *userdata) {
  our_reader *reader = userdata;
  return mloom_chat_decoder_feed(&reader->decoder, data, size, &reader->sink, NULL);
}

static int run_ours(mloom_http_client *client, const char *url, outcome *result) {
  static const char *const no_tools[] = {NULL};
  our_reader reader = {.sink = {sizeof(mloom_event_sink), 0, result, our_event}};
  mloom_bytes body = {"{}", 2};
  mloom_http_request request = {.size = sizeof(request), .method = "POST", .url = url, .body = &body, .body_count = 1};
  mloom_http_sink sink = {.size = sizeof(sink), .userdata = &reader, .body = our_body};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_chat_decoder_init(&reader.decoder, no_tools);
  int32_t code = mloom_http_perform(client, NULL, &request, &sink, NULL, &error);
  int finished = reader.decoder.answer.finished;
  mloom_chat_decoder_free(&reader.decoder);
  if (code != MLOOM_OK || !finished) {
    fprintf(stderr, "bench_stream: %s\n", error.message);
  }
  return code == MLOOM_OK && finished;
}

/* ---- Measuring ---- */

static double thread_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b) {
  double left = *(const double *)a;
  double right = *(const double *)b;
  return (left > right) - (left < right);
}

/* ROUNDS rounds of each in turn; 0 when an exchange fails. */
static int measure(CURL *easy, mloom_http_client *client, const char *url, const char *how) {
  double floor_us[ROUNDS];
  double our_us[ROUNDS];
  double ratio[ROUNDS];
  /* The first round warms both up and is not counted. */
  for (int i = -1; i < ROUNDS; i++) {
    outcome least = {0, 0};
    outcome ours = {0, 0};
    double start = thread_seconds();
    int good = run_floor(easy, url, &least);
    double middle = thread_seconds();
    good = good && run_ours(client, url, &ours);
    double end = thread_seconds();
    if (!good || least.events < EVENTS || ours.events != EVENTS) {
      return 0;
    }
    if (i >= 0) {
      floor_us[i] = (middle - start) * 1e6 / EVENTS;
      our_us[i] = (end - middle) * 1e6 / EVENTS;
      ratio[i] = our_us[i] / floor_us[i];
    }
  }
  qsort(floor_us, ROUNDS, sizeof(double), compare);
  qsort(our_us, ROUNDS, sizeof(double), compare);
  qsort(ratio, ROUNDS, sizeof(double), compare);
  printf("CPU per event, %s: libcurl and a field scan\t%.3f\tus\t\n", how, floor_us[ROUNDS / 2]);
  printf("CPU per event, %s: ours\t%.3f\tus\t\n", how, our_us[ROUNDS / 2]);
  printf("  ours over libcurl and a field scan\t%.2f\ttimes\t2\n", ratio[ROUNDS / 2]);
  return 1;
}

int main(void) {
  char url[64];
  char each_url[80];
  mloom_http_client *client = NULL;
  signal(SIGPIPE, SIG_IGN);
  pid_t server = start_server(url, sizeof(url));
  if (server < 0 || mloom_http_client_new(&client, NULL, NULL, NULL) != MLOOM_OK) {
    fprintf(stderr, "bench_stream: cannot start\n");
    return 1;
  }
  snprintf(each_url, sizeof(each_url), "%s/each", url);
  CURL *easy = curl_easy_init();
  int good = easy != NULL && measure(easy, client, each_url, "one by one") && measure(easy, client, url, "in bursts");
  curl_easy_cleanup(easy);
  mloom_http_client_free(client);
  kill(-server, SIGTERM);
  waitpid(server, NULL, 0);
  if (!good) {
    fprintf(stderr, "bench_stream: an exchange failed\n");
  }
  return good ? 0 : 1;
}
