/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU per event of the streams of each wire: libcurl with a splitter and a minimal field scan against mloom_http with
 * the decoder that the provider uses. Both read the same bytes from a server in another process, in turn, and only the
 * CPU time of the reading thread counts. The server writes each event by itself, as model servers do, and then all of
 * them in bursts, where the system calls hardly count.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
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
#include "stream_wires.h"

#define ROUNDS 41
#define BURST 16384
#define WIRES 16

typedef struct outcome {
  uint64_t text_size;
  uint64_t events;
} outcome;

/* ---- The server ---- */

/* What is sent for one wire, and where each event ends. */
typedef struct answer {
  mloom_buffer bytes;
  size_t ends[EVENTS + 16];
  size_t count;
} answer;

/* One chunk of the transfer encoding for each event, as servers that flush after each event send it. */
static int32_t make_answer(answer *out, const stream_wire *wire) {
  stream_body *body = calloc(1, sizeof(*body));
  size_t start = 0;
  int32_t code = body == NULL ? MLOOM_E_MEMORY : wire->make(body);
  if (code == MLOOM_OK) {
    code = mloom_buffer_append_string(
        &out->bytes, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  for (size_t i = 0; code == MLOOM_OK && i < body->count; i++) {
    size_t size = body->ends[i] - start;
    code = mloom_buffer_append_format(&out->bytes, "%zx\r\n", size);
    code = code == MLOOM_OK ? mloom_buffer_append(&out->bytes, body->bytes.data + start, size) : code;
    code = code == MLOOM_OK ? mloom_buffer_append_string(&out->bytes, "\r\n") : code;
    out->ends[out->count++] = out->bytes.size;
    start = body->ends[i];
  }
  code = code == MLOOM_OK ? mloom_buffer_append_string(&out->bytes, "0\r\n\r\n") : code;
  out->ends[out->count++] = out->bytes.size;
  if (body != NULL) {
    mloom_buffer_free(&body->bytes);
  }
  free(body);
  return code;
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

static int send_answer(int fd, const answer *sent, int each) {
  size_t next = 0;
  for (size_t offset = 0; offset < sent->bytes.size;) {
    size_t left = sent->bytes.size - offset;
    size_t piece = each ? sent->ends[next++] - offset : left < BURST ? left : BURST;
    if (!send_all(fd, sent->bytes.data + offset, piece)) {
      return 0;
    }
    offset += piece;
  }
  return 1;
}

/* Answers requests for "/WIRE" and "/WIRE/each" on one connection. */
static void serve_connection(int fd, const answer *answers) {
  char request[4096];
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  for (;;) {
    /* Every request ends with this body. */
    size_t held = 0;
    while (held < 2 || memcmp(request + held - 2, "{}", 2) != 0) {
      ssize_t count = recv(fd, request + held, sizeof(request) - held, 0);
      if (count <= 0) {
        return;
      }
      held += (size_t)count;
    }
    const char *path = memmem(request, held, " /", 2);
    size_t wire = path == NULL ? WIRES : (size_t)atoi(path + 2);
    if (wire >= stream_wire_count || !send_answer(fd, &answers[wire], memmem(request, held, "/each ", 6) != NULL)) {
      return;
    }
  }
}

/* One process a connection. */
static void serve(int listener, const answer *answers) {
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 || fork() != 0) {
      close(fd);
      continue;
    }
    serve_connection(fd, answers);
    _exit(0);
  }
}

static pid_t start_server(char *url, size_t url_size) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  answer *answers = calloc(WIRES, sizeof(*answers));
  for (size_t i = 0; i < stream_wire_count; i++) {
    if (answers == NULL || i >= WIRES || make_answer(&answers[i], &stream_wires[i]) != MLOOM_OK) {
      return -1;
    }
  }
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 8) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
    return -1;
  }
  snprintf(url, url_size, "http://127.0.0.1:%u", ntohs(address.sin_port));
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    serve(listener, answers);
  }
  setpgid(pid, pid);
  close(listener);
  for (size_t i = 0; i < stream_wire_count; i++) {
    mloom_buffer_free(&answers[i].bytes);
  }
  free(answers);
  return pid;
}

/* ---- The floor ---- */

/* zlib's, which libcurl brings along. */
typedef unsigned long (*crc32_fn)(unsigned long sum, const unsigned char *data, unsigned size);

typedef struct floor_reader {
  const stream_wire *wire;
  crc32_fn crc32;
  mloom_buffer line;
  mloom_buffer text;
  outcome *result;
} floor_reader;

static void floor_text(floor_reader *reader, const char *event, size_t size) {
  size_t field_size = strlen(reader->wire->field);
  const char *found = memmem(event, size, reader->wire->field, field_size);
  reader->result->events++;
  if (found == NULL) {
    return;
  }
  const char *start = found + field_size;
  const char *end = memchr(start, '"', size - (size_t)(start - event));
  if (end != NULL) {
    mloom_buffer_clear(&reader->text);
    mloom_buffer_append(&reader->text, start, (size_t)(end - start));
    reader->result->text_size += reader->text.size;
  }
}

static void floor_line(floor_reader *reader, const char *line, size_t size) {
  if (size >= 6 && memcmp(line, "data: ", 6) == 0) {
    floor_text(reader, line, size);
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

static crc32_fn find_crc32(void) {
  void *zlib = dlopen("libz.so.1", RTLD_NOW | RTLD_GLOBAL);
  void *symbol = zlib == NULL ? NULL : dlsym(zlib, "crc32");
  crc32_fn function;
  memcpy(&function, &symbol, sizeof(function));
  return function;
}

static uint32_t big_endian(const unsigned char *data) {
  return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/* The frame at data when it is there in full: its size, 0 when more is needed. Both checksums hold, or it is damaged.
 */
static size_t floor_frame(floor_reader *reader, const char *data, size_t size) {
  const unsigned char *bytes = (const unsigned char *)data;
  size_t total = size < 12 ? 0 : big_endian(bytes);
  if (total == 0 || size < total) {
    return 0;
  }
  if (reader->crc32(0, bytes, 8) != big_endian(bytes + 8) ||
      reader->crc32(0, bytes, (unsigned)total - 4) != big_endian(bytes + total - 4)) {
    return SIZE_MAX;
  }
  floor_text(reader, data, total);
  return total;
}

static size_t floor_frames(char *data, size_t size, size_t count, void *userdata) {
  floor_reader *reader = userdata;
  size *= count;
  const char *at = data;
  size_t left = size;
  if (reader->line.size > 0) {
    mloom_buffer_append(&reader->line, data, size);
    at = reader->line.data;
    left = reader->line.size;
  }
  size_t frame;
  while ((frame = floor_frame(reader, at, left)) != 0) {
    if (frame == SIZE_MAX) {
      return 0;
    }
    at += frame;
    left -= frame;
  }
  if (reader->line.size > 0) {
    mloom_buffer_consume(&reader->line, reader->line.size - left);
  } else {
    mloom_buffer_append(&reader->line, at, left);
  }
  return size;
}

static int run_floor(CURL *easy, const stream_wire *wire, const char *url, outcome *result) {
  floor_reader reader = {wire, NULL, MLOOM_BUFFER_INIT, MLOOM_BUFFER_INIT, result};
  if (wire->frames && (reader.crc32 = find_crc32()) == NULL) {
    return 0;
  }
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "{}");
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 32768L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, wire->frames ? floor_frames : floor_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reader);
  CURLcode code = curl_easy_perform(easy);
  mloom_buffer_free(&reader.line);
  mloom_buffer_free(&reader.text);
  return code == CURLE_OK;
}

/* ---- Ours ---- */

typedef struct our_reader {
  const stream_wire *wire;
  void *decoder;
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
  return reader->wire->feed(reader->decoder, data, size, &reader->sink);
}

static int run_ours(mloom_http_client *client, const stream_wire *wire, const char *url, outcome *result) {
  our_reader reader = {wire, wire->open(), {sizeof(mloom_event_sink), 0, result, our_event}};
  mloom_bytes body = {"{}", 2};
  mloom_http_request request = {.size = sizeof(request), .method = "POST", .url = url, .body = &body, .body_count = 1};
  mloom_http_sink sink = {.size = sizeof(sink), .userdata = &reader, .body = our_body};
  mloom_error error = MLOOM_ERROR_INIT;
  if (reader.decoder == NULL) {
    return 0;
  }
  int32_t code = mloom_http_perform(client, NULL, &request, &sink, NULL, &error);
  int finished = wire->close(reader.decoder);
  if (code != MLOOM_OK || !finished) {
    fprintf(stderr, "bench_stream: %s: %s\n", wire->name, error.message);
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

typedef struct way {
  const char *name;
  const char *value;
  int rounds;
  int place; /* of the value among the sorted ones of all rounds */
} way;

/* How many single events one read finds is left to chance. */
static const way one_by_one = {"one by one", "median", 11, 5};
/* What else the machine does only adds. */
static const way in_bursts = {"in bursts", "best", ROUNDS, 0};

/* In turn; 0 when an exchange fails. */
static int measure(CURL *easy, mloom_http_client *client, const stream_wire *wire, const char *url, const way *how) {
  double floor_us[ROUNDS];
  double our_us[ROUNDS];
  /* The first round warms both up and is not counted. */
  for (int i = -1; i < how->rounds; i++) {
    outcome least = {0, 0};
    outcome ours = {0, 0};
    double start = thread_seconds();
    int good = run_floor(easy, wire, url, &least);
    double middle = thread_seconds();
    good = good && run_ours(client, wire, url, &ours);
    double end = thread_seconds();
    if (!good || least.events < EVENTS || ours.events < EVENTS) {
      return 0;
    }
    if (i >= 0) {
      floor_us[i] = (middle - start) * 1e6 / EVENTS;
      our_us[i] = (end - middle) * 1e6 / EVENTS;
    }
  }
  qsort(floor_us, (size_t)how->rounds, sizeof(double), compare);
  qsort(our_us, (size_t)how->rounds, sizeof(double), compare);
  const char *checks = wire->frames ? ", zlib's checksums" : "";
  double floor = floor_us[how->place];
  double ours = our_us[how->place];
  printf("%s, %s: libcurl%s and a field scan, %s of %d\t%.3f\tus\t\n", wire->name, how->name, checks, how->value,
         how->rounds, floor);
  printf("%s, %s: ours\t%.3f\tus\t\n", wire->name, how->name, ours);
  printf("  ours over that\t%.2f\ttimes\t%s\n", ours / floor, wire->target);
  fflush(stdout);
  return 1;
}

static int measure_all(CURL *easy, mloom_http_client *client, const char *base_url) {
  char url[100];
  int good = 1;
  for (size_t i = 0; good && i < stream_wire_count; i++) {
    const stream_wire *wire = &stream_wires[i];
    snprintf(url, sizeof(url), "%s/%zu/each", base_url, i);
    if (wire->frames && find_crc32() == NULL) {
      printf("%s: there is no libz.so.1 to compare with\n", wire->name);
      continue;
    }
    good = !wire->each || measure(easy, client, wire, url, &one_by_one);
    snprintf(url, sizeof(url), "%s/%zu", base_url, i);
    good = good && measure(easy, client, wire, url, &in_bursts);
  }
  return good;
}

int main(void) {
  char url[64];
  mloom_http_client *client = NULL;
  signal(SIGPIPE, SIG_IGN);
  pid_t server = start_server(url, sizeof(url));
  if (server < 0 || mloom_http_client_new(&client, NULL, NULL, NULL) != MLOOM_OK) {
    fprintf(stderr, "bench_stream: cannot start\n");
    return 1;
  }
  CURL *easy = curl_easy_init();
  int good = easy != NULL && measure_all(easy, client, url);
  curl_easy_cleanup(easy);
  mloom_http_client_free(client);
  kill(-server, SIGTERM);
  waitpid(server, NULL, 0);
  if (!good) {
    fprintf(stderr, "bench_stream: an exchange failed\n");
  }
  return good ? 0 : 1;
}
