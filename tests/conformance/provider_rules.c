/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define REPETITIONS 64
#define THREADS 4

/* A text that grows; the check has no use for what does not fit in memory, so it ends then. */
typedef struct text {
  char *data;
  size_t size;
} text;

static void add(text *to, const char *data, size_t size) {
  to->data = realloc(to->data, to->size + size + 1);
  if (to->data == NULL) {
    abort();
  }
  if (size > 0) {
    memcpy(to->data + to->size, data, size);
  }
  to->size += size;
  to->data[to->size] = '\0';
}

static void clear(text *of) {
  free(of->data);
  *of = (text){NULL, 0};
}

static int same(const text *a, const text *b) {
  return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* ---- Problems ---- */

const char *error_problem(int32_t code, const mloom_error *error) {
  if (code > 0) {
    return "a function returned a positive code";
  }
  if (memchr(error->message, '\0', sizeof(error->message)) == NULL ||
      memchr(error->remedy, '\0', sizeof(error->remedy)) == NULL) {
    return "an error's text does not end within its member";
  }
  if (strpbrk(error->message, "\r\n") != NULL || strpbrk(error->remedy, "\r\n") != NULL) {
    return "an error's text is not one line";
  }
  if (strstr(error->message, TEST_KEY) != NULL || strstr(error->remedy, TEST_KEY) != NULL) {
    return "an error's text holds a secret";
  }
  return NULL;
}

static int holds_secret(const char *data, size_t size) {
  return size >= strlen(TEST_KEY) && memmem(data, size, TEST_KEY, strlen(TEST_KEY)) != NULL;
}

static const char *http_problem(const mloom_http_request *request) {
  if (request == NULL || request->size < sizeof(*request) || request->method == NULL || request->url == NULL) {
    return "the HTTP request is incomplete";
  }
  if (strncmp(request->url, "http://", 7) != 0 && strncmp(request->url, "https://", 8) != 0) {
    return "the URL is not absolute";
  }
  if (holds_secret(request->url, strlen(request->url))) {
    return "the URL holds a secret";
  }
  for (size_t i = 0; i < request->header_count; i++) {
    const mloom_header *header = request->headers[i];
    if (header == NULL || header->size < sizeof(*header) || header->name == NULL || header->value == NULL) {
      return "a header is incomplete";
    }
    if (header->name[strcspn(header->name, "\r\n: ")] != '\0' ||
        header->value[strcspn(header->value, "\r\n")] != '\0') {
      return "a header holds a line break, or its name a blank or colon";
    }
    if (holds_secret(header->value, strlen(header->value))) {
      return "a secret stands in a header's value instead of its member secret";
    }
  }
  for (size_t i = 0; i < request->body_count; i++) {
    if (request->body[i].data == NULL && request->body[i].size > 0) {
      return "a segment of the body is NULL";
    }
    if (holds_secret(request->body[i].data, request->body[i].size)) {
      return "the body holds a secret";
    }
  }
  return NULL;
}

static const char *process_problem(const mloom_process_request *request) {
  if (request == NULL || request->size < sizeof(*request) || request->argv == NULL || request->argv[0] == NULL ||
      request->argv[0][0] != '/') {
    return "the process request has no absolute argv[0]";
  }
  for (const char *const *argument = request->argv; *argument != NULL; argument++) {
    if (holds_secret(*argument, strlen(*argument))) {
      return "an argument holds a secret";
    }
  }
  return NULL;
}

const char *exchange_problem(const mloom_exchange *exchange) {
  const mloom_authorization *authorization = exchange->authorization;
  if (authorization != NULL && (authorization->size < sizeof(*authorization) || authorization->sources == NULL ||
                                authorization->audience == NULL)) {
    return "the authorization is incomplete";
  }
  switch (exchange->kind) {
  case MLOOM_EXCHANGE_HTTP:
    return http_problem(exchange->http);
  case MLOOM_EXCHANGE_PROCESS:
    return process_problem(exchange->process);
  default:
    return "the exchange is of an unknown kind";
  }
}

/* ---- Driving a session ---- */

typedef struct run {
  small_host *host;
  const mloom_provider *provider;
  const check_options *options;
  text answer;
  mloom_settings settings;
  void *instance;
} run;

static const mloom_tool tool_read = {sizeof(tool_read),
                                     0,
                                     "read_file",
                                     "Reads a file",
                                     {"{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}}}", 57}};
static const mloom_tool tool_list = {sizeof(tool_list), 0, "list_files", "", {"{\"type\":\"object\"}", 17}};
static const mloom_tool *const tools[] = {&tool_read, &tool_list};

static int32_t start(const run *in, void **session, mloom_error *error) {
  static const char *const words[] = {"A=\"b\" c", NULL};
  mloom_session_args args = {.size = sizeof(args),
                             .session_id = "check-1",
                             .model = "test-model",
                             .instructions = {"Be \"brief\".\n\xc3\xa4", 15},
                             .tools = tools,
                             .tool_count = 2};
  if (in->provider->shape == MLOOM_SHAPE_AGENT) {
    args.working_directory = "/";
    args.scratch_directory = "/tmp";
    args.command_wrapper = "/bin/sh";
    args.command_environment = words;
    args.allowed_commands = words;
    args.read_paths = words;
    args.command_judge = "/bin/true";
  }
  args.instructions.size = strlen(args.instructions.data);
  mloom_message said = {.size = sizeof(said), .role = MLOOM_ROLE_USER, .text = {"Hello \x01 \"\\\"", 0}};
  said.text.size = strlen(said.text.data);
  *session = NULL;
  int32_t code = in->provider->session_new(in->instance, &args, session, error);
  return code == MLOOM_OK ? in->provider->append(*session, &said, error) : code;
}

/* Collects what decides: texts run together, since they may be cut anywhere. */
typedef struct events {
  text answer;
  text reasoning;
  text calls;
  uint32_t call_count;
  const char *problem;
} events;

static void take_event(const mloom_event *event, void *userdata) {
  events *seen = userdata;
  if (event == NULL || event->size < sizeof(*event)) {
    seen->problem = "an event has no size";
    return;
  }
  switch (event->kind) {
  case MLOOM_EVENT_TEXT:
    add(&seen->answer, event->text.data, event->text.size);
    break;
  case MLOOM_EVENT_REASONING:
    add(&seen->reasoning, event->text.data, event->text.size);
    break;
  case MLOOM_EVENT_TOOL_CALL:
    add(&seen->calls, event->id.data, event->id.size);
    add(&seen->calls, "|", 1);
    add(&seen->calls, event->name.data, event->name.size);
    add(&seen->calls, "|", 1);
    add(&seen->calls, event->text.data, event->text.size);
    add(&seen->calls, "\n", 1);
    seen->call_count++;
    break;
  default:
    break;
  }
}

static void clear_events(events *seen) {
  clear(&seen->answer);
  clear(&seen->reasoning);
  clear(&seen->calls);
}

/* The bytes of the request for a turn, or the problem with it. */
static const char *take_body(const run *in, void *session, uint64_t turn, uint64_t attempt, text *out) {
  mloom_turn_args args = {.size = sizeof(args), .turn = turn, .attempt = attempt};
  mloom_exchange exchange = {.size = sizeof(exchange)};
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = in->provider->prepare(session, &args, &exchange, &error);
  if (code != MLOOM_OK) {
    return error.message[0] == '\0' ? "prepare failed without a message" : "prepare failed";
  }
  const char *problem = exchange_problem(&exchange);
  if (problem == NULL && exchange.kind == MLOOM_EXCHANGE_HTTP) {
    for (size_t i = 0; i < exchange.http->body_count; i++) {
      add(out, exchange.http->body[i].data, exchange.http->body[i].size);
    }
  }
  if (problem == NULL && exchange.kind == MLOOM_EXCHANGE_PROCESS) {
    for (const char *const *argument = exchange.process->argv; *argument != NULL; argument++) {
      add(out, *argument, strlen(*argument) + 1);
    }
    if (exchange.process->input != NULL) {
      add(out, exchange.process->input->data, exchange.process->input->size);
    }
  }
  return problem;
}

/* Feeds an answer in pieces and ends the attempt. */
static int32_t give_answer(const run *in, void *session, const text *answer, size_t piece, int32_t status,
                           int32_t outcome, events *seen, mloom_turn_result *result, mloom_error *error) {
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = take_event};
  mloom_exchange_end end = {.size = sizeof(end), .outcome = outcome, .http_status = status};
  if (in->provider->header != NULL) {
    int32_t code = in->provider->header(session, status, "content-type", "application/json", error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  for (size_t at = 0; at < answer->size; at += piece) {
    size_t left = answer->size - at;
    int32_t code = in->provider->feed(session, answer->data + at, left < piece ? left : piece, &sink, error);
    if (code < 0) {
      end.outcome = code;
      break;
    }
  }
  return in->provider->finish(session, &end, &sink, result, error);
}

/* ---- Rules ---- */

static int check_open(run *in) {
  begin_rule("open");
  mloom_open_args args = {.size = sizeof(args), .host = &in->host->table, .settings = &in->settings};
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = in->provider->open(&args, &in->instance, &error);
  const char *problem = error_problem(code, &error);
  if (code != MLOOM_OK || problem != NULL) {
    end_rule(STATE_FAIL, "%s", problem != NULL ? problem : error.message);
    return 0;
  }
  end_rule(STATE_PASS, "an instance opens with plausible settings");
  return 1;
}

static void check_empty_settings(run *in) {
  begin_rule("empty settings");
  mloom_settings empty;
  settings_init(&empty, in->host, in->provider, 1);
  mloom_open_args args = {.size = sizeof(args), .host = &in->host->table, .settings = &empty};
  mloom_error error = MLOOM_ERROR_INIT;
  void *instance = NULL;
  int32_t code = in->provider->open(&args, &instance, &error);
  const char *problem = error_problem(code, &error);
  if (code == MLOOM_OK) {
    in->provider->close(instance);
  } else if (problem == NULL && error.message[0] == '\0') {
    problem = "open failed without a message";
  }
  settings_end(&empty);
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "open survives settings without values" : problem);
}

static void check_requests(run *in) {
  begin_rule("request");
  mloom_error error = MLOOM_ERROR_INIT;
  void *session;
  text first = {NULL, 0};
  text again = {NULL, 0};
  const char *problem = start(in, &session, &error) == MLOOM_OK ? NULL : "session_new or append failed";
  if (problem == NULL) {
    problem = take_body(in, session, 1, 1, &first);
  }
  if (problem == NULL) {
    problem = take_body(in, session, 1, 2, &again);
  }
  if (problem == NULL && !same(&first, &again)) {
    problem = "a second attempt at the same turn sends something else";
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "complete, free of secrets and the same at a second attempt" : problem);
  clear(&first);
  clear(&again);
}

static void check_failures(run *in) {
  static const struct {
    const char *answer;
    int32_t status;
    int32_t outcome;
  } cases[] = {
      {"", 200, MLOOM_OK},
      {"", 401, MLOOM_OK},
      {"", 500, MLOOM_OK},
      {"<html>no</html>", 200, MLOOM_OK},
      {"\xff\xfe{[\"", 200, MLOOM_OK},
      {"{}", 429, MLOOM_OK},
      {"[[[[[[[[", 200, MLOOM_OK},
      {"", 0, MLOOM_E_TIMEOUT},
      {"", 0, MLOOM_E_UNAVAILABLE},
      {"data: {\"a\":", 200, MLOOM_E_PROTOCOL},
  };
  begin_rule("failures");
  const char *problem = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  void *session;
  text before = {NULL, 0};
  problem = start(in, &session, &error) == MLOOM_OK ? take_body(in, session, 1, 1, &before) : "session_new failed";
  for (size_t i = 0; problem == NULL && i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
    size_t which = i / 2;
    text answer = {NULL, 0};
    text after = {NULL, 0};
    events seen = {0};
    mloom_turn_result result = {.size = sizeof(result)};
    mloom_error reason = MLOOM_ERROR_INIT;
    add(&answer, cases[which].answer, strlen(cases[which].answer));
    int32_t code = give_answer(in, session, &answer, i % 2 == 0 ? answer.size + 1 : 1, cases[which].status,
                               cases[which].outcome, &seen, &result, &reason);
    problem = code == MLOOM_OK ? "a broken answer counts as a complete turn" : error_problem(code, &reason);
    if (problem == NULL) {
      problem = take_body(in, session, 1, i + 2, &after);
    }
    if (problem == NULL && !same(&before, &after)) {
      problem = "a failed attempt changed what is sent";
    }
    clear_events(&seen);
    clear(&answer);
    clear(&after);
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  clear(&before);
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "broken and failed answers are refused and leave the session as it was" : problem);
}

static void check_unknown_role(run *in) {
  begin_rule("unknown values");
  mloom_error error = MLOOM_ERROR_INIT;
  void *session;
  const char *problem = start(in, &session, &error) == MLOOM_OK ? NULL : "session_new failed";
  mloom_message odd = {.size = sizeof(odd), .role = 99, .text = {"x", 1}};
  if (problem == NULL) {
    problem = error_problem(in->provider->append(session, &odd, &error), &error);
  }
  if (problem == NULL && in->provider->probe != NULL) {
    mloom_exchange exchange = {.size = sizeof(exchange)};
    if (in->provider->probe(in->instance, 99, &exchange, &error) == MLOOM_OK) {
      problem = "an unknown kind of probe is accepted";
    }
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "roles and probes of later versions do no harm" : problem);
}

/* ---- Rules that need an answer of the service ---- */

static const char *compare_pieces(run *in, events *whole, mloom_turn_result *result) {
  const char *problem = NULL;
  for (size_t piece = 0; problem == NULL && piece <= 7; piece++) {
    mloom_error error = MLOOM_ERROR_INIT;
    text body = {NULL, 0};
    events seen = {0};
    mloom_turn_result ended = {.size = sizeof(ended)};
    void *session;
    problem = start(in, &session, &error) == MLOOM_OK ? take_body(in, session, 1, 1, &body) : "session_new failed";
    if (problem == NULL && give_answer(in, session, &in->answer, piece == 0 ? in->answer.size : piece, 200, MLOOM_OK,
                                       &seen, &ended, &error) != MLOOM_OK) {
      fprintf(stderr, "%s\n", error.message);
      problem = "finish refuses the recorded answer";
    }
    if (problem == NULL) {
      problem = seen.problem;
    }
    if (problem == NULL && ended.tool_call_count != seen.call_count) {
      problem = "tool_call_count is not the number of tool calls";
    }
    if (piece == 0) {
      *whole = seen;
      *result = ended;
    } else {
      if (problem == NULL && (!same(&seen.answer, &whole->answer) || !same(&seen.reasoning, &whole->reasoning) ||
                              !same(&seen.calls, &whole->calls) || ended.stop != result->stop)) {
        problem = "what comes out depends on how the answer is cut";
      }
      clear_events(&seen);
    }
    if (session != NULL) {
      in->provider->session_free(session);
    }
    clear(&body);
  }
  return problem;
}

static void check_answer(run *in) {
  begin_rule("answer");
  if (in->answer.size == 0) {
    end_rule(STATE_SKIP, "give a recorded answer with --answer FILE");
    return;
  }
  events whole = {0};
  mloom_turn_result result = {.size = sizeof(result)};
  const char *problem = compare_pieces(in, &whole, &result);
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "decoded alike whole, byte by byte and in other pieces" : problem);
  clear_events(&whole);
}

static const char *second_turn(run *in, text *first, text *second) {
  mloom_error error = MLOOM_ERROR_INIT;
  events seen = {0};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_message answer = {.size = sizeof(answer),
                          .role = MLOOM_ROLE_TOOL_RESULT,
                          .text = {"done", 4},
                          .tool_call_id = "call-1",
                          .tool_name = "read_file"};
  void *session;
  const char *problem =
      start(in, &session, &error) == MLOOM_OK ? take_body(in, session, 1, 1, first) : "session_new failed";
  if (problem == NULL &&
      give_answer(in, session, &in->answer, in->answer.size, 200, MLOOM_OK, &seen, &result, &error) != MLOOM_OK) {
    problem = "finish refuses the recorded answer";
  }
  if (problem == NULL && result.tool_call_count == 0) {
    answer.role = MLOOM_ROLE_USER;
    answer.tool_call_id = NULL;
    answer.tool_name = NULL;
  }
  if (problem == NULL && in->provider->append(session, &answer, &error) != MLOOM_OK) {
    problem = "append refuses what follows the answer";
  }
  if (problem == NULL) {
    problem = take_body(in, session, 2, 1, second);
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  clear_events(&seen);
  return problem;
}

static void check_prefix(run *in) {
  begin_rule("prefix");
  if (in->answer.size == 0 || in->provider->shape != MLOOM_SHAPE_MODEL) {
    end_rule(STATE_SKIP, "needs a recorded answer of a model provider");
    return;
  }
  text first = {NULL, 0};
  text second = {NULL, 0};
  const char *problem = second_turn(in, &first, &second);
  size_t shared = 0;
  while (shared < first.size && shared < second.size && first.data[shared] == second.data[shared]) {
    shared++;
  }
  if (problem != NULL || second.size <= first.size) {
    end_rule(STATE_FAIL, "%s", problem != NULL ? problem : "the second turn sends no more than the first");
  } else {
    /* What closes the document may stand between. */
    end_rule(shared + 1024 >= first.size ? STATE_PASS : STATE_WARN,
             "%zu of the first turn's %zu bytes begin the second turn's", shared, first.size);
  }
  clear(&first);
  clear(&second);
}

/* ---- Probes and checks ---- */

typedef struct findings {
  const char *problem;
} findings;

static void take_check(const char *check, uint32_t state, const char *reason, const char *remedy, void *userdata) {
  findings *found = userdata;
  if (check == NULL || reason == NULL || remedy == NULL || state > MLOOM_CHECK_SKIPPED) {
    found->problem = "a check was told without name, state, reason or remedy";
  } else if (strstr(reason, TEST_KEY) != NULL || strstr(remedy, TEST_KEY) != NULL) {
    found->problem = "a check's text holds a secret";
  }
}

static void take_model(const char *id, const char *title, uint64_t context_tokens, void *userdata) {
  (void)title;
  (void)context_tokens;
  if (id == NULL) {
    ((findings *)userdata)->problem = "a model was told without id";
  }
}

static void check_probes(run *in) {
  begin_rule("checks and probes");
  findings found = {NULL};
  mloom_probe_sink sink = {.size = sizeof(sink), .userdata = &found, .check = take_check, .model = take_model};
  mloom_error error = MLOOM_ERROR_INIT;
  if (in->provider->check == NULL && in->provider->probe == NULL) {
    end_rule(STATE_SKIP, "the provider has none");
    return;
  }
  const char *problem =
      in->provider->check == NULL ? NULL : error_problem(in->provider->check(in->instance, &sink, &error), &error);
  for (uint32_t kind = MLOOM_PROBE_REACH; problem == NULL && in->provider->probe != NULL && kind <= MLOOM_PROBE_MODELS;
       kind++) {
    mloom_exchange exchange = {.size = sizeof(exchange)};
    int32_t code = in->provider->probe(in->instance, kind, &exchange, &error);
    problem = code == MLOOM_OK ? exchange_problem(&exchange) : error_problem(code, &error);
    static const char *const bodies[] = {"", "<html>", "{\"data\":[{\"id\":7},{}]}", "\xff"};
    for (size_t i = 0; problem == NULL && code == MLOOM_OK && i < 4; i++) {
      mloom_error reason = MLOOM_ERROR_INIT;
      problem = error_problem(in->provider->probe_result(in->instance, kind, i % 2 == 0 ? 200 : 503, bodies[i],
                                                         strlen(bodies[i]), &sink, &reason),
                              &reason);
    }
    if (problem == NULL && code == MLOOM_OK &&
        in->provider->probe_result(in->instance, kind, 401, "", 0, &sink, &error) == MLOOM_OK) {
      problem = "an answer 401 counts as success";
    }
  }
  problem = problem == NULL ? found.problem : problem;
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "well formed, and broken answers do no harm" : problem);
}

/* ---- Leaks and threads ---- */

/* One whole conversation, ended in the middle of an answer. */
static int use_once(const run *in) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_turn_result result = {.size = sizeof(result)};
  events seen = {0};
  text body = {NULL, 0};
  void *session;
  int ok = start(in, &session, &error) == MLOOM_OK && take_body(in, session, 1, 1, &body) == NULL;
  if (ok) {
    text nothing = {NULL, 0};
    const text *answer = in->answer.size > 0 ? &in->answer : &nothing;
    (void)give_answer(in, session, answer, 5, 200, MLOOM_OK, &seen, &result, &error);
    mloom_event_sink sink = {.size = sizeof(sink), .userdata = &seen, .event = take_event};
    clear(&body);
    ok = take_body(in, session, 2, 1, &body) == NULL;
    (void)in->provider->feed(session, "data: {", 7, &sink, &error);
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  clear_events(&seen);
  clear(&body);
  return ok;
}

static void open_and_use(run *in) {
  for (int i = 0; i < REPETITIONS; i++) {
    mloom_open_args args = {.size = sizeof(args), .host = &in->host->table, .settings = &in->settings};
    mloom_error error = MLOOM_ERROR_INIT;
    run other = *in;
    if (in->provider->open(&args, &other.instance, &error) == MLOOM_OK) {
      use_once(&other);
      in->provider->close(other.instance);
    }
  }
}

/* What an instance leaves behind. The allocator's own growth comes and goes; a leak is there every time. */
static size_t growth_of_instances(run *in) {
  size_t smallest = SIZE_MAX;
  open_and_use(in); /* whatever it keeps for good it has then */
  for (int i = 0; i < 3 && smallest > 0; i++) {
    size_t before = memory_in_use();
    open_and_use(in);
    size_t after = memory_in_use();
    size_t growth = after > before ? (after - before) / REPETITIONS : 0;
    smallest = growth < smallest ? growth : smallest;
  }
  return smallest;
}

static void check_leaks(run *in) {
  begin_rule("memory");
  int64_t blocks = in->host->blocks;
  int64_t secrets = in->host->secrets;
  size_t growth = growth_of_instances(in);
  if (in->host->blocks != blocks || in->host->secrets != secrets) {
    end_rule(STATE_FAIL, "%lld blocks and %lld secrets of the host's were not given back",
             (long long)(in->host->blocks - blocks), (long long)(in->host->secrets - secrets));
  } else if (growth >= 16) {
    end_rule(STATE_FAIL, "each instance leaks about %zu bytes", growth);
  } else {
    end_rule(STATE_PASS, "everything is given back when an instance closes");
  }
}

static void *use_many_times(void *userdata) {
  run *in = userdata;
  for (int i = 0; i < 32; i++) {
    if (!use_once(in)) {
      return userdata;
    }
  }
  return NULL;
}

static void check_threads(run *in) {
  begin_rule("threads");
  if (in->provider->threads == MLOOM_THREADS_SERIALIZE_ALL) {
    end_rule(STATE_SKIP, "one call at a time, as the provider declares");
    return;
  }
  run runs[THREADS];
  pthread_t threads[THREADS];
  int shared = in->provider->threads == MLOOM_THREADS_PARALLEL;
  int failed = 0;
  for (int i = 0; i < THREADS; i++) {
    runs[i] = *in;
    mloom_open_args args = {.size = sizeof(args), .host = &in->host->table, .settings = &in->settings};
    mloom_error error = MLOOM_ERROR_INIT;
    failed |= !shared && in->provider->open(&args, &runs[i].instance, &error) != MLOOM_OK;
  }
  int started = 0;
  while (started < THREADS && !failed && pthread_create(&threads[started], NULL, use_many_times, &runs[started]) == 0) {
    started++;
  }
  failed |= started < THREADS;
  /* All of them, for none may outlive the instance it uses. */
  for (int i = 0; i < started; i++) {
    void *result = NULL;
    pthread_join(threads[i], &result);
    failed |= result != NULL;
  }
  for (int i = 0; i < THREADS && !shared; i++) {
    in->provider->close(runs[i].instance);
  }
  end_rule(failed ? STATE_FAIL : STATE_PASS, "%s",
           failed   ? "a conversation failed while others went on"
           : shared ? "conversations on one instance go on at once"
                    : "instances work at once");
}

static void read_answer(text *out, const char *path) {
  FILE *file = path == NULL ? NULL : fopen(path, "rb");
  char piece[4096];
  size_t got;
  while (file != NULL && out->size < 16 * 1024 * 1024 && (got = fread(piece, 1, sizeof(piece), file)) > 0) {
    add(out, piece, got);
  }
  if (file != NULL) {
    fclose(file);
  }
}

void check_provider(small_host *host, const mloom_provider *provider, const check_options *options) {
  run in = {.host = host, .provider = provider, .options = options};
  mloom_provider known = {0};
  /* A plugin of another minor version has a struct of another size. */
  memcpy(&known, provider, provider->size < sizeof(known) ? provider->size : sizeof(known));
  in.provider = &known;
  begin_subject("provider", known.id);
  read_answer(&in.answer, options->answer_path);
  settings_init(&in.settings, host, &known, 0);
  if (check_open(&in)) {
    check_empty_settings(&in);
    check_requests(&in);
    check_failures(&in);
    check_unknown_role(&in);
    check_answer(&in);
    check_prefix(&in);
    check_probes(&in);
    check_leaks(&in);
    check_threads(&in);
    known.close(in.instance);
  }
  settings_end(&in.settings);
  clear(&in.answer);
}
