/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns of the openai-compatible provider against a scripted server: retries, cuts, refusals, redirects, limits.
 */
#include "config.h"

#include "harness.h"

#include "provider/provider.h"
#include "script_server.h"

#define KEY "test-key-not-a-secret"
#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"
#define STREAM HEAD("200 OK") "Content-Type: text/event-stream\r\nX-Request-Id: req-1\r\n\r\n"
#define HELLO                                                                                       \
  "data: {\"choices\":[{\"delta\":{\"content\":\"Gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x98\x80\"}}]}\n\n" \
  "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"                             \
  "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n"
#define ANSWER STREAM HELLO

/* ---- A refreshable credential source beside the static one ---- */

static int fetches;
static int invalidations;

static int32_t source_open(const mloom_open_args *args, void **out, mloom_error *error) {
  (void)args;
  (void)error;
  *out = &fetches;
  return MLOOM_OK;
}

static void source_close(void *instance) {
  (void)instance;
}

static int32_t source_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  (void)instance;
  (void)args;
  (void)error;
  return MLOOM_OK;
}

static int refreshable;

static int32_t source_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                            mloom_error *error) {
  (void)instance;
  (void)call;
  (void)args;
  mloom_secret *secret = NULL;
  char text[64];
  int size = refreshable ? snprintf(text, sizeof(text), "%s-%d", KEY, ++fetches) : snprintf(text, sizeof(text), KEY);
  int32_t code = mloom_secret_new(&secret, text, (size_t)size, error);
  out->secret = secret;
  out->expires_wall_ms = refreshable ? INT64_C(4000000000000) : -1;
  return code;
}

static void source_invalidate(void *instance, const mloom_credential_args *args) {
  (void)instance;
  (void)args;
  invalidations++;
}

static pthread_mutex_t plugin_lock = PTHREAD_MUTEX_INITIALIZER;
static mloom_credential_source_entry source_entry = {.descriptor = {.size = sizeof(mloom_credential_source),
                                                                    .id = "static",
                                                                    .threads = MLOOM_THREADS_PARALLEL,
                                                                    .open = source_open,
                                                                    .close = source_close,
                                                                    .probe = source_probe,
                                                                    .fetch = source_fetch},
                                                     .plugin_lock = &plugin_lock};

/* The registry of this program. */
const mloom_credential_source_entry *mloom_registry_find_credential_source(const mloom_registry *registry,
                                                                           const char *id) {
  (void)registry;
  return strcmp(id, "static") == 0 ? &source_entry : NULL;
}

/* ---- A clock that jumps instead of waiting ---- */

typedef struct jumping_clock {
  mloom_clock clock;
  int64_t offset_ms;
  int64_t waits[16];
  int wait_count;
} jumping_clock;

static int64_t jumping_wall(const mloom_clock *clock) {
  return mloom_clock_system()->wall_ms(clock) + ((jumping_clock *)clock->userdata)->offset_ms;
}

static int64_t jumping_monotonic(const mloom_clock *clock) {
  return mloom_clock_system()->monotonic_ms(clock) + ((jumping_clock *)clock->userdata)->offset_ms;
}

static void jumping_wait(const mloom_clock *clock, int64_t until, int wake_fd) {
  jumping_clock *self = clock->userdata;
  (void)wake_fd;
  int64_t wait = until - jumping_monotonic(clock);
  if (wait > 0) {
    self->waits[self->wait_count++ % 16] = wait;
    self->offset_ms += wait;
  }
}

/* ---- One turn ---- */

typedef struct fixture {
  jumping_clock clock;
  mloom_redactor *redactor;
  mloom_host_services host_services;
  mloom_host host;
  mloom_provider_services services;
  mloom_provider_entry entry;
  mloom_settings *settings;
  mloom_provider_instance *instance;
  mloom_session *session;
  mloom_cancel *cancel;
  mloom_turn turn;
  mloom_error error;
  int32_t code;
  mloom_buffer text;
  int broken_text;
  int retries;
  char base_url[128];
} fixture;

static void on_event(const mloom_event *event, void *userdata) {
  fixture *f = userdata;
  if (event->kind == MLOOM_EVENT_TEXT) {
    mloom_buffer_append(&f->text, event->text.data, event->text.size);
    /* A piece begins with a whole character. */
    f->broken_text |= ((unsigned char)event->text.data[0] & 0xC0) == 0x80;
  }
}

static void on_retry(uint32_t attempt, int64_t wait_ms, const mloom_error *reason, void *userdata) {
  fixture *f = userdata;
  (void)attempt;
  (void)wait_ms;
  CU_ASSERT(reason->message[0] != '\0');
  f->retries++;
}

static const mloom_provider *the_provider(void) {
  mloom_host host = {.size = sizeof(host), .setting_get = NULL};
  host.setting_get = (int32_t(*)(void *, const mloom_settings *, const char *, mloom_setting *))1;
  char text[64];
  return mergeloom_plugin_init_v1(&host, text, sizeof(text))->providers[0];
}

static void open_with(fixture *f, const mloom_provider *provider, const char *url, const char *const *more) {
  const char *environment[16] = {NULL};
  size_t count = 0;
  char url_variable[160];
  memset(f, 0, sizeof(*f));
  f->error = (mloom_error)MLOOM_ERROR_INIT;
  f->clock.clock = (mloom_clock){jumping_wall, jumping_monotonic, jumping_wait, &f->clock};
  CU_ASSERT_EQUAL_FATAL(mloom_redactor_new(&f->redactor, &f->error), MLOOM_OK);
  snprintf(url_variable, sizeof(url_variable), "JCA_OPENAI_COMPATIBLE_BASE_URL=%s", url);
  environment[count++] = url_variable;
  environment[count++] = "JCA_OPENAI_COMPATIBLE_API_KEY=" KEY;
  environment[count++] = "JCA_OPENAI_COMPATIBLE_MODEL=model-1";
  for (size_t i = 0; more != NULL && more[i] != NULL; i++) {
    environment[count++] = more[i];
  }
  f->entry = (mloom_provider_entry){.descriptor = *provider,
                                    .fields = provider->fields,
                                    .field_count = provider->field_count,
                                    .plugin_name = "test",
                                    .plugin_lock = &plugin_lock};
  mloom_settings_sources sources = {
      .environment = environment, .secrets_path = "/nonexistent", .redactor = f->redactor};
  UNIT_ASSERT_CODE(mloom_settings_new(&f->settings, "openai-compatible", provider->fields, provider->field_count, 1,
                                      &sources, &f->error),
                   MLOOM_OK, &f->error);
  f->host_services =
      (mloom_host_services){.clock = &f->clock.clock, .redactor = f->redactor, .setting_get = mloom_settings_get};
  mloom_host_init(&f->host, &f->host_services);
  f->services = (mloom_provider_services){.host = &f->host,
                                          .clock = &f->clock.clock,
                                          .redactor = f->redactor,
                                          .supervise_path = getenv("MERGELOOM_SUPERVISE"),
                                          .environment = environment};
  f->code = mloom_provider_open(&f->instance, &f->entry, f->settings, &f->services, &f->error);
  f->services.environment = NULL;
}

static void open_url(fixture *f, const char *url, const char *const *more) {
  open_with(f, the_provider(), url, more);
  UNIT_ASSERT_CODE(f->code, MLOOM_OK, &f->error);
}

static void run_turn(fixture *f) {
  if (f->session == NULL) {
    mloom_session_args args = {.size = sizeof(args), .session_id = "s", .model = "model-1", .instructions = {"sys", 3}};
    UNIT_ASSERT_CODE(mloom_session_new(&f->session, f->instance, &args, &f->error), MLOOM_OK, &f->error);
    UNIT_ASSERT_CODE(mloom_session_append_user(f->session, "hi", 2, &f->error), MLOOM_OK, &f->error);
  }
  mloom_turn_observer observer = {.userdata = f, .event = on_event, .retry = on_retry};
  mloom_call call;
  mloom_call_init(&call, f->cancel, &f->clock.clock, NULL, INT64_MAX);
  mloom_turn_free(&f->turn);
  f->code = mloom_session_run_turn(f->session, &call, &observer, &f->turn, &f->error);
}

static void close_fixture(fixture *f) {
  CU_ASSERT_PTR_NULL(strstr(f->error.message, KEY));
  CU_ASSERT_PTR_NULL(strstr(f->error.remedy, KEY));
  mloom_turn_free(&f->turn);
  mloom_session_free(f->session);
  mloom_provider_close(f->instance);
  mloom_settings_unref(f->settings);
  mloom_redactor_free(f->redactor);
  mloom_buffer_free(&f->text);
  mloom_cancel_unref(f->cancel);
}

/* Runs one turn against the replies and leaves everything to look at. */
static void play(fixture *f, script_server *server, const char *const *more) {
  script_start(server);
  open_url(f, server->url, more);
  run_turn(f);
}

static void stop(fixture *f, script_server *server) {
  close_fixture(f);
  script_stop(server);
}

static void test_happy(void) {
  script_server server = {.replies = {ANSWER}, .byte_by_byte = 1};
  fixture f;
  const char *const more[] = {"JCA_OPENAI_COMPATIBLE_EXTRA_HEADERS=X-Team: one\nX-Gateway-Key: " KEY, NULL};
  play(&f, &server, more);
  UNIT_ASSERT_CODE(f.code, MLOOM_OK, &f.error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&f.text), "Gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x98\x80");
  CU_ASSERT_EQUAL(f.broken_text, 0);
  UNIT_ASSERT_STRING(mloom_buffer_string(&f.turn.text), mloom_buffer_string(&f.text));
  CU_ASSERT_EQUAL(f.turn.input_tokens, 10);
  CU_ASSERT_EQUAL(f.turn.output_tokens, 4);
  CU_ASSERT_EQUAL(f.turn.attempts, 1);
  CU_ASSERT(f.turn.first_delta_ms >= 0);
  UNIT_ASSERT_STRING(f.turn.request_id, "req-1");
  CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[0], "POST /v1/chat/completions "));
  CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[0], "Authorization: Bearer " KEY "\r\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[0], "X-Team: one\r\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[0], "X-Gateway-Key: " KEY "\r\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[0], "\"content\":\"hi\""));
  /* The next turn carries what the model said. */
  run_turn(&f);
  UNIT_ASSERT_CODE(f.code, MLOOM_OK, &f.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[1], "{\"role\":\"assistant\",\"content\":\"Gr"));
  stop(&f, &server);
}

static void test_extra_header_replaces(void) {
  script_server server = {.replies = {ANSWER}};
  fixture f;
  const char *const more[] = {"JCA_OPENAI_COMPATIBLE_EXTRA_HEADERS=authorization: Basic other-fake-word", NULL};
  play(&f, &server, more);
  UNIT_ASSERT_CODE(f.code, MLOOM_OK, &f.error);
  CU_ASSERT_PTR_NULL(strstr(server.requests[0], "Bearer"));
  CU_ASSERT_PTR_NOT_NULL(strcasestr(server.requests[0], "authorization: Basic other-fake-word\r\n"));
  stop(&f, &server);
}

static void test_retry_then_success(void) {
  script_server server = {.replies = {HEAD("500 Oops") "\r\nbroken", HEAD("503 Busy") "\r\n", ANSWER}};
  fixture f;
  play(&f, &server, NULL);
  UNIT_ASSERT_CODE(f.code, MLOOM_OK, &f.error);
  CU_ASSERT_EQUAL(f.turn.attempts, 3);
  CU_ASSERT_EQUAL(server.count, 3);
  CU_ASSERT_EQUAL(f.retries, 2);
  CU_ASSERT_EQUAL(f.clock.wait_count, 2);
  CU_ASSERT(f.clock.waits[0] >= 350 && f.clock.waits[0] <= 500);
  CU_ASSERT(f.clock.waits[1] >= 700 && f.clock.waits[1] <= 1000);
  stop(&f, &server);
}

static void test_retries_end(void) {
  script_server server = {.replies = {HEAD("500 Oops") "X-Request-Id: req-9\r\n\r\nthe key " KEY " is odd"}};
  fixture f;
  const char *const more[] = {"JCA_OPENAI_COMPATIBLE_MAX_RETRIES=1", NULL};
  play(&f, &server, more);
  UNIT_ASSERT_CODE(f.code, MLOOM_E_UNAVAILABLE, &f.error);
  CU_ASSERT_EQUAL(server.count, 2);
  CU_ASSERT_EQUAL(f.error.http_status, 500);
  UNIT_ASSERT_STRING(f.error.request_id, "req-9");
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.message, "[redacted]"));
  stop(&f, &server);
}

static void test_retry_after(void) {
  script_server server = {
      .replies = {HEAD("429 Slow") "Retry-After: 7\r\n\r\n{\"error\":{\"message\":\"slow\"}}", ANSWER}};
  fixture f;
  play(&f, &server, NULL);
  UNIT_ASSERT_CODE(f.code, MLOOM_OK, &f.error);
  CU_ASSERT_EQUAL(f.clock.wait_count, 1);
  CU_ASSERT(f.clock.waits[0] > 6900 && f.clock.waits[0] <= 7000);
  stop(&f, &server);
}

static void test_not_retried(void) {
  static const struct {
    const char *reply;
    int32_t code;
  } cases[] = {
      {HEAD("429 Quota") "\r\n{\"error\":{\"message\":\"spent\",\"code\":\"insufficient_quota\"}}", MLOOM_E_QUOTA},
      {HEAD("429 Slow") "Retry-After: 3600\r\n\r\n{\"error\":{\"message\":\"slow\"}}", MLOOM_E_RATE_LIMITED},
      {HEAD("503 No") "X-Should-Retry: false\r\n\r\n", MLOOM_E_UNAVAILABLE},
      {HEAD("400 Bad") "\r\n{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}",
       MLOOM_E_CONTEXT_FULL},
      {HEAD("401 Who") "\r\n{\"error\":{\"message\":\"Incorrect API key provided: " KEY "\"}}",
       MLOOM_E_UNAUTHENTICATED},
      {HEAD("200 OK") "Content-Type: text/html\r\n\r\n<html><body>Welcome</body></html>", MLOOM_E_PROTOCOL},
      {STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"par\"}}]}\n\n", MLOOM_E_PROTOCOL},
      {STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"par\"}}]}\n\ndata: {\"error\":{\"message\":\"x\"}}\n\n",
       MLOOM_E_UNAVAILABLE},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    script_server server = {.replies = {cases[i].reply}};
    fixture f;
    refreshable = 0;
    play(&f, &server, NULL);
    UNIT_ASSERT_CODE(f.code, cases[i].code, &f.error);
    CU_ASSERT_EQUAL(server.count, 1);
    CU_ASSERT(f.error.message[0] != '\0' && f.error.remedy[0] != '\0');
    stop(&f, &server);
  }
}

static void test_retry_before_first_delta(void) {
  static const char *const first[] = {
      STREAM, /* cut at once */
      STREAM ": ping\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
      STREAM "data: {\"error\":{\"message\":\"overloaded\"}}\n\n", /* an error inside the answer */
      HEAD("200 OK") "Content-Length: 500\r\n\r\n{\"choices\"",    /* cut by the length it promised */
  };
  for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
    script_server server = {.replies = {first[i], ANSWER}};
    fixture f;
    play(&f, &server, NULL);
    UNIT_ASSERT_CODE(f.code, MLOOM_OK, &f.error);
    CU_ASSERT_EQUAL(server.count, 2);
    UNIT_ASSERT_STRING(mloom_buffer_string(&f.text), "Gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x98\x80");
    stop(&f, &server);
  }
}

static void test_refused_credential(void) {
  script_server server = {.replies = {HEAD("401 Who") "\r\n", ANSWER}};
  fixture f;
  refreshable = 1;
  fetches = 0;
  invalidations = 0;
  source_entry.descriptor.invalidate = source_invalidate;
  play(&f, &server, NULL);
  UNIT_ASSERT_CODE(f.code, MLOOM_OK, &f.error);
  CU_ASSERT_EQUAL(server.count, 2);
  CU_ASSERT_EQUAL(fetches, 2);
  CU_ASSERT_EQUAL(invalidations, 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[0], KEY "-1\r\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[1], KEY "-2\r\n"));
  stop(&f, &server);
  /* Once only. */
  script_server always = {.replies = {HEAD("401 Who") "\r\n"}};
  play(&f, &always, NULL);
  UNIT_ASSERT_CODE(f.code, MLOOM_E_UNAUTHENTICATED, &f.error);
  CU_ASSERT_EQUAL(always.count, 2);
  stop(&f, &always);
  source_entry.descriptor.invalidate = NULL;
  refreshable = 0;
}

static void test_redirect(void) {
  script_server other = {.replies = {ANSWER}};
  script_start(&other);
  char reply[512];
  snprintf(reply, sizeof(reply), HEAD("307 Moved") "Location: http://127.0.0.1:%d/v2/chat/completions?t=1\r\n\r\n",
           other.port);
  script_server server = {.replies = {reply}};
  fixture f;
  play(&f, &server, NULL);
  UNIT_ASSERT_CODE(f.code, MLOOM_E_PROTOCOL, &f.error);
  CU_ASSERT_EQUAL(server.count, 1);
  CU_ASSERT_EQUAL(other.count, 0);
  char expected[128];
  snprintf(expected, sizeof(expected), "set base_url to http://127.0.0.1:%d/v2 ", other.port);
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.remedy, expected));
  stop(&f, &server);
  script_stop(&other);
}

static void test_idle(void) {
  script_server server = {.replies = {STREAM ": ping\n\n"}, .stall = 1};
  fixture f;
  const char *const more[] = {"JCA_OPENAI_COMPATIBLE_IDLE_TIMEOUT=1", "JCA_OPENAI_COMPATIBLE_MAX_RETRIES=0", NULL};
  play(&f, &server, more);
  UNIT_ASSERT_CODE(f.code, MLOOM_E_TIMEOUT, &f.error);
  CU_ASSERT_EQUAL(server.count, 1);
  stop(&f, &server);
}

static void *cancel_soon(void *userdata) {
  script_server *server = ((void **)userdata)[0];
  while (__atomic_load_n(&server->count, __ATOMIC_ACQUIRE) == 0) {
    usleep(1000);
  }
  mloom_cancel_trigger(((void **)userdata)[1]);
  return NULL;
}

static void test_cancel(void) {
  script_server server = {.replies = {STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"}, .stall = 1};
  fixture f;
  script_start(&server);
  open_url(&f, server.url, NULL);
  CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&f.cancel, &f.error), MLOOM_OK);
  void *shared[2] = {&server, f.cancel};
  pthread_t thread;
  pthread_create(&thread, NULL, cancel_soon, shared);
  run_turn(&f);
  pthread_join(thread, NULL);
  UNIT_ASSERT_CODE(f.code, MLOOM_E_CANCELLED, &f.error);
  CU_ASSERT_EQUAL(server.count, 1);
  stop(&f, &server);
}

static void test_nobody_listens(void) {
  script_server server = {.replies = {ANSWER}};
  fixture f;
  script_start(&server);
  char url[64];
  snprintf(url, sizeof(url), "%s", server.url);
  script_stop(&server);
  open_url(&f, url, NULL);
  run_turn(&f);
  UNIT_ASSERT_CODE(f.code, MLOOM_E_UNAVAILABLE, &f.error);
  CU_ASSERT_EQUAL(f.turn.attempts, 3);
  close_fixture(&f);
}

static void test_not_configured(void) {
  fixture f;
  open_with(&f, the_provider(), "", NULL);
  UNIT_ASSERT_CODE(f.code, MLOOM_E_NOT_CONFIGURED, &f.error);
  CU_ASSERT_PTR_NULL(f.instance);
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.message, "base_url"));
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.remedy, "JCA_OPENAI_COMPATIBLE_BASE_URL"));
  close_fixture(&f);
}

/* ---- Checks and probes ---- */

static mloom_buffer found;

static void on_check(const char *check, uint32_t state, const char *reason, const char *remedy, void *userdata) {
  (void)userdata;
  (void)reason;
  mloom_buffer_append_format(&found, "%s %u %s;", check, state, remedy);
}

static void on_model(const char *id, const char *title, uint64_t context, void *userdata) {
  (void)title;
  (void)userdata;
  mloom_buffer_append_format(&found, "%s %llu;", id, (unsigned long long)context);
}

static void test_probe(void) {
  static const struct {
    const char *reply;
    uint32_t kind;
    int32_t code;
    const char *found;
  } cases[] = {
      {HEAD("200 OK") "\r\n{\"object\":\"list\",\"data\":[{\"id\":\"a\",\"max_model_len\":4096},{\"id\":\"b\"}]}",
       MLOOM_PROBE_MODELS, MLOOM_OK, "a 4096;b 0;"},
      {HEAD("200 OK") "\r\n{\"models\":[{\"name\":\"c\"}]}", MLOOM_PROBE_MODELS, MLOOM_OK, "c 0;"},
      {HEAD("404 No") "\r\n", MLOOM_PROBE_MODELS, MLOOM_E_UNSUPPORTED, ""},
      {HEAD("404 No") "\r\n", MLOOM_PROBE_REACH, MLOOM_OK, ""},
      {HEAD("405 No") "\r\n", MLOOM_PROBE_REACH, MLOOM_OK, ""},
      {HEAD("401 Who") "\r\n", MLOOM_PROBE_REACH, MLOOM_E_UNAUTHENTICATED, ""},
      {HEAD("403 No") "\r\n", MLOOM_PROBE_REACH, MLOOM_E_DENIED, ""},
      {HEAD("302 Go") "Location: http://127.0.0.1:1/login\r\n\r\n", MLOOM_PROBE_REACH, MLOOM_E_PROTOCOL, ""},
      {HEAD("200 OK") "\r\n<html></html>", MLOOM_PROBE_REACH, MLOOM_E_PROTOCOL, ""},
      {HEAD("500 Oops") "\r\n", MLOOM_PROBE_REACH, MLOOM_E_UNAVAILABLE, ""},
  };
  mloom_probe_sink sink = {.size = sizeof(sink), .check = on_check, .model = on_model};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    script_server server = {.replies = {cases[i].reply}};
    fixture f;
    script_start(&server);
    open_url(&f, server.url, NULL);
    mloom_buffer_clear(&found);
    mloom_http_report report;
    mloom_call call;
    mloom_call_init(&call, NULL, &f.clock.clock, NULL, INT64_MAX);
    UNIT_ASSERT_CODE(mloom_provider_probe(f.instance, &call, cases[i].kind, &sink, &report, &f.error), cases[i].code,
                     &f.error);
    UNIT_ASSERT_STRING(mloom_buffer_string(&found), cases[i].found);
    CU_ASSERT(report.status > 0);
    CU_ASSERT_EQUAL(server.count, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(server.requests[0], "GET /v1/models "));
    stop(&f, &server);
  }
  mloom_buffer_free(&found);
}

static void test_check(void) {
  static const struct {
    const char *url;
    const char *found;
  } cases[] = {
      {"https://service.example/v1", "settings 0 ;"},
      {"https://service.example/v1/chat/completions/", "settings 2 cut /chat/completions"},
      {"https://service.example", "append /v1"},
      {"http://service.example/v1", "use an https address"},
      {"http://127.0.0.1:9/v1", "settings 0 ;"},
      {"http://localhost:9/v1", "settings 0 ;"},
      {"https://service.example/v1/models", "settings 1 "},
  };
  mloom_probe_sink sink = {.size = sizeof(sink), .check = on_check, .model = on_model};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture f;
    open_url(&f, cases[i].url, NULL);
    mloom_buffer_clear(&found);
    UNIT_ASSERT_CODE(mloom_provider_check(f.instance, &sink, &f.error), MLOOM_OK, &f.error);
    if (strstr(mloom_buffer_string(&found), cases[i].found) == NULL) {
      CU_FAIL("finding");
      fprintf(stderr, "%s: %s\n", cases[i].url, mloom_buffer_string(&found));
    }
    close_fixture(&f);
  }
  mloom_buffer_free(&found);
}

/* ---- A provider that runs a program, and one that must not be entered twice ---- */

static int inside;
static int entered_twice;
static mloom_exchange_end last_end;
static mloom_process_request process_request;
static const char *const program[] = {"/bin/sh", "-c", "printf 'Gr\\303'; printf '\\274n'; echo odd >&2; exit 3", NULL};
static const char *const no_environment[] = {NULL};

static void visit(void) {
  entered_twice |= __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) != 1;
  usleep(100);
  __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

static int32_t mock_open(const mloom_open_args *args, void **out, mloom_error *error) {
  (void)args;
  (void)error;
  *out = &inside;
  return MLOOM_OK;
}

static void mock_close(void *instance) {
  (void)instance;
}

static int32_t mock_session_new(void *instance, const mloom_session_args *args, void **out, mloom_error *error) {
  (void)args;
  (void)error;
  visit();
  *out = instance;
  return MLOOM_OK;
}

static int32_t mock_append(void *session, const mloom_message *message, mloom_error *error) {
  (void)session;
  (void)message;
  (void)error;
  visit();
  return MLOOM_OK;
}

static int32_t mock_prepare(void *session, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error) {
  (void)session;
  (void)args;
  (void)error;
  process_request = (mloom_process_request){
      .size = sizeof(process_request), .argv = program, .environment = no_environment, .working_directory = "/"};
  out->kind = MLOOM_EXCHANGE_PROCESS;
  out->process = &process_request;
  return MLOOM_OK;
}

static int32_t mock_feed(void *session, const char *data, size_t size, const mloom_event_sink *sink,
                         mloom_error *error) {
  (void)session;
  (void)error;
  for (size_t i = 0; i < size; i++) {
    mloom_event event = {.size = sizeof(event), .kind = MLOOM_EVENT_TEXT, .text = {data + i, 1}};
    sink->event(&event, sink->userdata);
  }
  return MLOOM_OK;
}

static int32_t mock_finish(void *session, const mloom_exchange_end *end, const mloom_event_sink *sink,
                           mloom_turn_result *out, mloom_error *error) {
  (void)session;
  (void)sink;
  (void)out;
  (void)error;
  last_end = *end;
  return end->exit_code == 0 ? MLOOM_OK : MLOOM_E_UNAVAILABLE;
}

static const mloom_provider mock = {.size = sizeof(mock),
                                    .id = "mock",
                                    .threads = MLOOM_THREADS_SERIALIZE_ALL,
                                    .open = mock_open,
                                    .close = mock_close,
                                    .session_new = mock_session_new,
                                    .session_free = mock_close,
                                    .append = mock_append,
                                    .prepare = mock_prepare,
                                    .feed = mock_feed,
                                    .finish = mock_finish};

static void test_process(void) {
  fixture f;
  open_with(&f, &mock, "http://127.0.0.1:9", NULL);
  UNIT_ASSERT_CODE(f.code, MLOOM_OK, &f.error);
  run_turn(&f);
  UNIT_ASSERT_CODE(f.code, MLOOM_E_UNAVAILABLE, &f.error);
  CU_ASSERT_EQUAL(last_end.exit_code, 3);
  UNIT_ASSERT_STRING(mloom_buffer_string(&f.text), "Gr\xc3\xbcn");
  CU_ASSERT_EQUAL(f.broken_text, 0);
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.message, "status 3: odd"));
  close_fixture(&f);
}

static void *visit_often(void *userdata) {
  fixture *f = userdata;
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  for (int i = 0; i < 50; i++) {
    mloom_session *session = NULL;
    mloom_error error = MLOOM_ERROR_INIT;
    if (mloom_session_new(&session, f->instance, &args, &error) == MLOOM_OK) {
      (void)mloom_session_append_user(session, "x", 1, &error);
    }
    mloom_session_free(session);
  }
  return NULL;
}

static void test_thread_rules(void) {
  static const uint32_t rules[] = {MLOOM_THREADS_SERIALIZE_ALL, MLOOM_THREADS_SERIALIZE_INSTANCE};
  for (size_t rule = 0; rule < 2; rule++) {
    mloom_provider provider = mock;
    fixture f;
    pthread_t threads[4];
    provider.threads = rules[rule];
    entered_twice = 0;
    open_with(&f, &provider, "http://127.0.0.1:9", NULL);
    for (int i = 0; i < 4; i++) {
      pthread_create(&threads[i], NULL, visit_often, &f);
    }
    for (int i = 0; i < 4; i++) {
      pthread_join(threads[i], NULL);
    }
    CU_ASSERT_EQUAL(entered_twice, 0);
    close_fixture(&f);
  }
}

static const unit_test tests[] = {
    {"a turn", test_happy},
    {"an extra header replaces", test_extra_header_replaces},
    {"retry, then success", test_retry_then_success},
    {"retries end", test_retries_end},
    {"retry-after", test_retry_after},
    {"not retried", test_not_retried},
    {"retry before the first delta", test_retry_before_first_delta},
    {"refused credential", test_refused_credential},
    {"redirect", test_redirect},
    {"idle", test_idle},
    {"cancel", test_cancel},
    {"nobody listens", test_nobody_listens},
    {"not configured", test_not_configured},
    {"probe", test_probe},
    {"check", test_check},
    {"process", test_process},
    {"thread rules", test_thread_rules},
};
UNIT_MAIN("provider", tests)
