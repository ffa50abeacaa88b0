/* SPDX-License-Identifier: Apache-2.0
 *
 * What a turn of the openai-compatible provider costs beside sending its bytes: turn 300 against turn 10 of the same
 * conversations, and one event of a streamed answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mergeloom/plugin.h>

#define SESSIONS 21
#define TURNS 305
#define EVENTS 60

static double cpu_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof(*values), compare);
  return values[count / 2];
}

static int32_t setting_get(void *ctx, const mloom_settings *settings, const char *name, mloom_setting *out) {
  (void)ctx;
  (void)settings;
  out->value = strcmp(name, "base_url") == 0 ? "http://127.0.0.1:9/v1" : strcmp(name, "model") == 0 ? "m" : NULL;
  return MLOOM_OK;
}

static void on_event(const mloom_event *event, void *userdata) {
  *(size_t *)userdata += event->text.size;
}

/* An answer as servers stream it: some text and one call, its arguments in pieces. */
static char *make_answer(void) {
  static const char chunk[] =
      "data: {\"id\":\"chatcmpl-123456789\",\"object\":\"chat.completion.chunk\",\"created\":"
      "1760000000,\"model\":\"model-1\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":"
      "0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n";
  size_t size = (EVENTS + 4) * (sizeof(chunk) + 200);
  char *out = calloc(1, size);
  char *at = out;
  for (int i = 0; i < EVENTS; i++) {
    at += sprintf(at, chunk,
                  i < EVENTS / 2 ? "\"content\":\" a few words\""
                  : i == EVENTS / 2
                      ? "\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
                        "\"read_file\",\"arguments\":\"{\\\"path\\\":\\\"\"}}]"
                      : "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"src/part\"}}]",
                  "null");
  }
  at += sprintf(at, chunk, "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"}\"}}]", "null");
  at += sprintf(at, chunk, "", "\"tool_calls\"");
  strcpy(at, "data: [DONE]\n\n");
  return out;
}

typedef struct bench {
  const mloom_provider *provider;
  void *session;
  char *answer;
  size_t answer_size;
  char result[2000];
  double stream_us;
} bench;

/* One turn without the network; its CPU time. */
static double turn(bench *b, uint64_t number) {
  size_t seen = 0;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_message message = {.size = sizeof(message), .role = MLOOM_ROLE_TOOL_RESULT, .tool_call_id = "call_1"};
  mloom_turn_args args = {.size = sizeof(args), .turn = number, .attempt = 1};
  mloom_exchange exchange = {.size = sizeof(exchange)};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = 200};
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = &seen, .event = on_event};
  mloom_turn_result result = {.size = sizeof(result)};
  message.role = number == 1 ? MLOOM_ROLE_USER : MLOOM_ROLE_TOOL_RESULT;
  message.text = (mloom_bytes){b->result, sizeof(b->result)};
  double before = cpu_us();
  int32_t code = b->provider->append(b->session, &message, &error);
  code |= b->provider->prepare(b->session, &args, &exchange, &error);
  double stream = cpu_us();
  for (size_t at = 0; at < b->answer_size; at += 4096) {
    size_t size = b->answer_size - at < 4096 ? b->answer_size - at : 4096;
    int32_t fed = b->provider->feed(b->session, b->answer + at, size, &sink, &error);
    code |= fed < 0 ? fed : MLOOM_OK; /* MLOOM_COMPLETE is no failure */
  }
  b->stream_us = cpu_us() - stream;
  code |= b->provider->finish(b->session, &end, &sink, &result, &error);
  double spent = cpu_us() - before;
  if (code != MLOOM_OK || result.tool_call_count != 1) {
    fprintf(stderr, "turn %llu failed: %s\n", (unsigned long long)number, error.message);
    exit(1);
  }
  return spent;
}

int main(void) {
  mloom_host host = {.size = sizeof(host), .setting_get = setting_get};
  char text[128];
  mloom_error error = MLOOM_ERROR_INIT;
  const mloom_plugin *plugin = mergeloom_plugin_init_v1(&host, text, sizeof(text));
  bench b = {.provider = plugin->providers[0], .answer = make_answer()};
  b.answer_size = strlen(b.answer);
  memset(b.result, 'x', sizeof(b.result));
  mloom_open_args open_args = {.size = sizeof(open_args), .host = &host};
  void *instance = NULL;
  if (b.provider->open(&open_args, &instance, &error) != MLOOM_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  static double early[SESSIONS * 11];
  static double late[SESSIONS * 11];
  static double streams[SESSIONS * TURNS];
  size_t count = 0;
  for (size_t i = 0; i < SESSIONS; i++) {
    mloom_session_args args = {.size = sizeof(args), .model = "m", .instructions = {"Be brief.", 9}};
    if (b.provider->session_new(instance, &args, &b.session, &error) != MLOOM_OK) {
      return 1;
    }
    for (uint64_t number = 1; number <= TURNS; number++) {
      double spent = turn(&b, number);
      streams[i * TURNS + number - 1] = b.stream_us / (EVENTS + 3);
      if (number >= 5 && number <= 15) {
        early[count + number - 5] = spent;
      } else if (number >= 295) {
        late[count + number - 295] = spent;
      }
    }
    count += 11;
    b.provider->session_free(b.session);
  }
  b.provider->close(instance);
  free(b.answer);
  double at_10 = median(early, SESSIONS * 11);
  double at_300 = median(late, SESSIONS * 11);
  printf("turn 10 of a conversation, without sending\t%.1f\tus CPU\t\n", at_10);
  printf("turn 300 of the same conversations\t%.1f\tus CPU\t\n", at_300);
  printf("turn 300 against turn 10\t%.2f\tx\t1.5\n", at_300 / at_10);
  printf("one event of a streamed answer, decoded\t%.2f\tus CPU\t\n", median(streams, SESSIONS * TURNS));
  return 0;
}
