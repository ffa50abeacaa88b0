/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define REPETITIONS 64
#define THREADS 4

/* ---- Rules ---- */

static int check_open(provider_run *in) {
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

static void check_empty_settings(provider_run *in) {
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

static void check_requests(provider_run *in) {
  begin_rule("request");
  mloom_error error = MLOOM_ERROR_INIT;
  void *session;
  text first = {NULL, 0};
  text again = {NULL, 0};
  const char *problem = session_start(in, &session, &error) == MLOOM_OK ? NULL : "session_new or append failed";
  if (problem == NULL) {
    problem = session_take_body(in, session, 1, 1, &first);
  }
  if (problem == NULL) {
    problem = session_take_body(in, session, 1, 2, &again);
  }
  if (problem == NULL && !text_same(&first, &again)) {
    problem = "a second attempt at the same turn sends something else";
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "complete, free of secrets and the same at a second attempt" : problem);
  text_clear(&first);
  text_clear(&again);
}

static void check_failures(provider_run *in) {
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
  problem = session_start(in, &session, &error) == MLOOM_OK ? session_take_body(in, session, 1, 1, &before)
                                                            : "session_new failed";
  for (size_t i = 0; problem == NULL && i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
    size_t which = i / 2;
    text answer = {NULL, 0};
    text after = {NULL, 0};
    events seen = {0};
    mloom_turn_result result = {.size = sizeof(result)};
    mloom_error reason = MLOOM_ERROR_INIT;
    text_add(&answer, cases[which].answer, strlen(cases[which].answer));
    int32_t code = session_give_answer(in, session, &answer, i % 2 == 0 ? answer.size + 1 : 1, cases[which].status,
                                       cases[which].outcome, &seen, &result, &reason);
    problem = code == MLOOM_OK ? "a broken answer counts as a complete turn" : error_problem(code, &reason);
    if (problem == NULL) {
      problem = session_take_body(in, session, 1, i + 2, &after);
    }
    if (problem == NULL && !text_same(&before, &after)) {
      problem = "a failed attempt changed what is sent";
    }
    events_clear(&seen);
    text_clear(&answer);
    text_clear(&after);
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  text_clear(&before);
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "broken and failed answers are refused and leave the session as it was" : problem);
}

static void check_unknown_role(provider_run *in) {
  begin_rule("unknown values");
  mloom_error error = MLOOM_ERROR_INIT;
  void *session;
  const char *problem = session_start(in, &session, &error) == MLOOM_OK ? NULL : "session_new failed";
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

static void check_probes(provider_run *in) {
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
static int use_once(const provider_run *in) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_turn_result result = {.size = sizeof(result)};
  events seen = {0};
  text body = {NULL, 0};
  void *session;
  int ok = session_start(in, &session, &error) == MLOOM_OK && session_take_body(in, session, 1, 1, &body) == NULL;
  if (ok) {
    text nothing = {NULL, 0};
    const text *answer = in->answer.size > 0 ? &in->answer : &nothing;
    (void)session_give_answer(in, session, answer, 5, 200, MLOOM_OK, &seen, &result, &error);
    mloom_event_sink sink = {.size = sizeof(sink), .userdata = &seen, .event = session_take_event};
    text_clear(&body);
    ok = session_take_body(in, session, 2, 1, &body) == NULL;
    (void)in->provider->feed(session, "data: {", 7, &sink, &error);
  }
  if (session != NULL) {
    in->provider->session_free(session);
  }
  events_clear(&seen);
  text_clear(&body);
  return ok;
}

static void open_and_use(provider_run *in) {
  for (int i = 0; i < REPETITIONS; i++) {
    mloom_open_args args = {.size = sizeof(args), .host = &in->host->table, .settings = &in->settings};
    mloom_error error = MLOOM_ERROR_INIT;
    provider_run other = *in;
    if (in->provider->open(&args, &other.instance, &error) == MLOOM_OK) {
      use_once(&other);
      in->provider->close(other.instance);
    }
  }
}

/* What an instance leaves behind. The allocator's own growth comes and goes; a leak is there every time. */
static size_t growth_of_instances(provider_run *in) {
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

static void check_leaks(provider_run *in) {
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
  provider_run *in = userdata;
  for (int i = 0; i < 32; i++) {
    if (!use_once(in)) {
      return userdata;
    }
  }
  return NULL;
}

static void check_threads(provider_run *in) {
  begin_rule("threads");
  if (in->provider->threads == MLOOM_THREADS_SERIALIZE_ALL) {
    end_rule(STATE_SKIP, "one call at a time, as the provider declares");
    return;
  }
  provider_run runs[THREADS];
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
    text_add(out, piece, got);
  }
  if (file != NULL) {
    fclose(file);
  }
}

void check_provider(small_host *host, const mloom_provider *provider, const check_options *options) {
  provider_run in = {.host = host, .provider = provider, .options = options};
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
    check_attempts(&in);
    check_prefix(&in);
    check_probes(&in);
    check_leaks(&in);
    check_threads(&in);
    known.close(in.instance);
  }
  settings_end(&in.settings);
  text_clear(&in.answer);
}
