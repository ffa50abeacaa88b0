/* SPDX-License-Identifier: Apache-2.0
 *
 * The chain, the cache and its windows, single flight under many threads, on a stopped clock.
 */
#include "harness.h"

#include <stdlib.h>
#include <unistd.h>

#include "credential/credential.h"

#define MINUTE_MS ((int64_t)60 * 1000)

/* ---- Mock sources ---- */

typedef struct mock {
  mloom_credential_source_entry entry;
  int32_t probe_code;
  int32_t fetch_code;
  int32_t first_code; /* of the first fetch alone */
  int64_t life_ms;    /* -1: it does not expire */
  int fetches;
  int opens;
  int delay_us;
  const char *text;
} mock;

static int64_t now_ms;         /* both clocks of the tests */
static int64_t set_forward_ms; /* by how much somebody has set the wall clock */

static int32_t mock_open(const mloom_open_args *args, void **out, mloom_error *error);
static void mock_close(void *instance) {
  ((mock *)instance)->opens--;
}

static int32_t mock_probe(void *instance, const mloom_credential_args *args, mloom_error *error) {
  (void)args;
  mock *self = instance;
  if (self->probe_code == MLOOM_E_DENIED) {
    snprintf(error->message, sizeof(error->message), "the key file may be read by others");
  }
  return self->probe_code;
}

static int32_t mock_fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                          mloom_error *error) {
  (void)call;
  (void)args;
  mock *self = instance;
  int number = __atomic_add_fetch(&self->fetches, 1, __ATOMIC_SEQ_CST);
  if (self->delay_us > 0) {
    usleep((useconds_t)self->delay_us);
  }
  int32_t outcome = number == 1 && self->first_code != MLOOM_OK ? self->first_code : self->fetch_code;
  if (outcome != MLOOM_OK) {
    snprintf(error->message, sizeof(error->message), "the helper is away");
    return outcome;
  }
  char text[64];
  int size = snprintf(text, sizeof(text), "%s-%d", self->text, number);
  mloom_secret *secret = NULL;
  int32_t code = mloom_secret_new(&secret, text, (size_t)size, error);
  out->secret = secret;
  out->expires_wall_ms = self->life_ms < 0 ? -1 : now_ms + set_forward_ms + self->life_ms;
  snprintf(out->description, sizeof(out->description), "from a test");
  return code;
}

#define MOCK(name)                                                    \
  {                                                                   \
    .entry = {.descriptor = {.size = sizeof(mloom_credential_source), \
                             .id = name,                              \
                             .threads = MLOOM_THREADS_PARALLEL,       \
                             .open = mock_open,                       \
                             .close = mock_close,                     \
                             .probe = mock_probe,                     \
                             .fetch = mock_fetch}},                   \
    .life_ms = -1, .text = "test-" name                               \
  }

static mock first = MOCK("first");
static mock second = MOCK("second");

/* The instance of a source is its mock: open is called for the entry that this thread found last. */
static __thread mock *last_found;

static int32_t mock_open(const mloom_open_args *args, void **out, mloom_error *error) {
  (void)args;
  (void)error;
  last_found->opens++;
  *out = last_found;
  return MLOOM_OK;
}

const mloom_credential_source_entry *mloom_registry_find_credential_source(const mloom_registry *registry,
                                                                           const char *id) {
  (void)registry;
  mock *found = strcmp(id, "first") == 0 ? &first : strcmp(id, "second") == 0 ? &second : NULL;
  last_found = found;
  return found == NULL ? NULL : &found->entry;
}

/* ---- The clock and the rest of a fixture ---- */

static int64_t stopped(const mloom_clock *clock) {
  (void)clock;
  return now_ms;
}

static int64_t wall(const mloom_clock *clock) {
  (void)clock;
  return now_ms + set_forward_ms;
}

static void no_wait(const mloom_clock *clock, int64_t until, int wake_fd) {
  (void)clock;
  (void)until;
  (void)wake_fd;
}

static const mloom_clock clock_of_tests = {wall, stopped, no_wait, NULL};
static const mloom_field key_field = {
    .size = sizeof(key_field), .name = "api_key", .title = "Key", .help = "The key.", .kind = MLOOM_FIELD_SECRET};
static const mloom_field *const fields[] = {&key_field};
static const char *const both[] = {"missing", "first", "second", NULL};
static const mloom_http_request request = {
    .size = sizeof(request), .method = "POST", .url = "https://service.example:443/v1/x"};

typedef struct fixture {
  mloom_settings *settings;
  mloom_credentials *credentials;
  mloom_authorization authorization;
  mloom_authorized_headers headers;
  mloom_call call;
  mloom_error error;
} fixture;

static void reset(mock *source, const char *text) {
  source->probe_code = MLOOM_OK;
  source->fetch_code = MLOOM_OK;
  source->first_code = MLOOM_OK;
  source->life_ms = -1;
  source->fetches = 0;
  source->delay_us = 0;
  source->text = text;
}

static void set_up(fixture *f) {
  static const char *const environment[] = {NULL};
  mloom_settings_sources sources = {.environment = environment, .secrets_path = "/nonexistent"};
  memset(f, 0, sizeof(*f));
  f->error = (mloom_error)MLOOM_ERROR_INIT;
  reset(&first, "test-first");
  reset(&second, "test-second");
  now_ms = 1000000;
  set_forward_ms = 0;
  UNIT_ASSERT_CODE(mloom_settings_new(&f->settings, "demo", fields, 1, 0, &sources, &f->error), MLOOM_OK, &f->error);
  UNIT_ASSERT_CODE(
      mloom_credentials_new(&f->credentials, NULL, NULL, f->settings, &clock_of_tests, NULL, NULL, &f->error), MLOOM_OK,
      &f->error);
  f->authorization = (mloom_authorization){.size = sizeof(f->authorization),
                                           .sources = both,
                                           .audience = "https://SERVICE.example",
                                           .header = "Authorization",
                                           .prefix = "Bearer "};
  mloom_call_init(&f->call, NULL, &clock_of_tests, NULL, INT64_MAX);
}

static void tear_down(fixture *f) {
  mloom_authorized_headers_free(&f->headers);
  mloom_credentials_free(f->credentials);
  mloom_settings_unref(f->settings);
}

/* Authorizes once more; the secret that was used, or "" when there was no header. */
static int32_t authorize(fixture *f, char out[64]) {
  mloom_authorized_headers_free(&f->headers);
  int32_t code =
      mloom_credentials_authorize(f->credentials, &f->call, &f->authorization, &request, &f->headers, &f->error);
  out[0] = '\0';
  if (code == MLOOM_OK && f->headers.count == 1) {
    mloom_bytes bytes = mloom_secret_bytes(f->headers.headers[0]->secret);
    snprintf(out, 64, "%.*s", (int)bytes.size, bytes.data);
  }
  return code;
}

#define EXPECT(expected_code, expected_secret)                         \
  do {                                                                 \
    char secret_[64];                                                  \
    UNIT_ASSERT_CODE(authorize(&f, secret_), expected_code, &f.error); \
    UNIT_ASSERT_STRING(secret_, expected_secret);                      \
  } while (0)

static void test_chain(void) {
  fixture f;
  set_up(&f);
  EXPECT(MLOOM_OK, "test-first-1");
  UNIT_ASSERT_STRING(f.headers.headers[0]->name, "Authorization");
  UNIT_ASSERT_STRING(f.headers.headers[0]->value, "Bearer ");
  UNIT_ASSERT_STRING(f.headers.description, "from a test");
  EXPECT(MLOOM_OK, "test-first-1"); /* from the cache */
  CU_ASSERT_EQUAL(first.fetches, 1);
  first.probe_code = MLOOM_E_NOT_APPLICABLE;
  EXPECT(MLOOM_OK, "test-second-1");
  /* A source that is configured and cannot be used stops the chain. */
  first.probe_code = MLOOM_E_DENIED;
  EXPECT(MLOOM_E_DENIED, "");
  UNIT_ASSERT_STRING(f.error.message, "the key file may be read by others");
  CU_ASSERT_EQUAL(second.fetches, 1);
  tear_down(&f);
}

static void test_none_applies(void) {
  fixture f;
  set_up(&f);
  first.probe_code = MLOOM_E_NOT_APPLICABLE;
  second.probe_code = MLOOM_E_NOT_APPLICABLE;
  EXPECT(MLOOM_E_NOT_CONFIGURED, "");
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.remedy, "JCA_DEMO_API_KEY"));
  f.authorization.flags = MLOOM_AUTHORIZATION_OPTIONAL;
  EXPECT(MLOOM_OK, "");
  CU_ASSERT_EQUAL(f.headers.count, 0);
  tear_down(&f);
}

static void test_audience(void) {
  fixture f;
  set_up(&f);
  f.authorization.audience = "https://other.example";
  EXPECT(MLOOM_E_DENIED, "");
  f.authorization.audience = "http://service.example";
  EXPECT(MLOOM_E_DENIED, "");
  f.authorization.audience = "https://service.example:8443";
  EXPECT(MLOOM_E_DENIED, "");
  CU_ASSERT_EQUAL(first.fetches, 0);
  /* Not an origin: a scope, kept apart in the cache. */
  f.authorization.audience = "scope-a";
  EXPECT(MLOOM_OK, "test-first-1");
  f.authorization.audience = "scope-b";
  EXPECT(MLOOM_OK, "test-first-2");
  f.authorization.audience = "scope-a";
  EXPECT(MLOOM_OK, "test-first-1");
  /* A scope that looks like an address is not one that requests go to. */
  f.authorization.audience = "https://cognitiveservices.azure.com/.default";
  EXPECT(MLOOM_OK, "test-first-3");
  f.authorization.audience = "https://other.example/";
  EXPECT(MLOOM_E_DENIED, "");
  tear_down(&f);
}

static void test_windows(void) {
  fixture f;
  set_up(&f);
  first.life_ms = 60 * MINUTE_MS;
  EXPECT(MLOOM_OK, "test-first-1");
  now_ms += 54 * MINUTE_MS; /* 6 minutes left: used as it is */
  EXPECT(MLOOM_OK, "test-first-1");
  now_ms += 2 * MINUTE_MS; /* 4 left: renewed early, and a failure does no harm */
  first.fetch_code = MLOOM_E_UNAVAILABLE;
  EXPECT(MLOOM_OK, "test-first-1");
  CU_ASSERT_EQUAL(first.fetches, 2);
  EXPECT(MLOOM_OK, "test-first-1");
  CU_ASSERT_EQUAL(first.fetches, 2); /* not at every use */
  now_ms += MINUTE_MS;
  first.fetch_code = MLOOM_OK;
  EXPECT(MLOOM_OK, "test-first-3");
  /* Half a minute left: nobody uses it any more. */
  now_ms += 60 * MINUTE_MS - MINUTE_MS / 2;
  first.fetch_code = MLOOM_E_UNAVAILABLE;
  EXPECT(MLOOM_E_UNAVAILABLE, "");
  UNIT_ASSERT_STRING(f.error.message, "the helper is away");
  CU_ASSERT_EQUAL(second.fetches, 0); /* nor is another source asked instead */
  first.fetch_code = MLOOM_OK;
  EXPECT(MLOOM_E_UNAVAILABLE, ""); /* who comes at once gets the same answer */
  CU_ASSERT_EQUAL(first.fetches, 4);
  now_ms += 250;
  EXPECT(MLOOM_OK, "test-first-5");
  tear_down(&f);
}

static void test_short_life(void) {
  fixture f;
  set_up(&f);
  first.life_ms = 2 * MINUTE_MS; /* shorter than the windows: half of it is still used */
  EXPECT(MLOOM_OK, "test-first-1");
  now_ms += MINUTE_MS / 2;
  EXPECT(MLOOM_OK, "test-first-1");
  CU_ASSERT_EQUAL(first.fetches, 1);
  now_ms += MINUTE_MS;
  EXPECT(MLOOM_OK, "test-first-2");
  tear_down(&f);
}

static void test_clock_is_set(void) {
  fixture f;
  set_up(&f);
  first.life_ms = 60 * MINUTE_MS;
  EXPECT(MLOOM_OK, "test-first-1");
  /* Set back by an hour: what it says to be left is not, and age tells. */
  set_forward_ms = -60 * MINUTE_MS;
  now_ms += 50 * MINUTE_MS;
  EXPECT(MLOOM_OK, "test-first-1");
  now_ms += 10 * MINUTE_MS;
  EXPECT(MLOOM_OK, "test-first-2");
  /* Set forward: by the wall clock it is over, and a new one is fetched in place of an error. */
  set_forward_ms = 60 * MINUTE_MS;
  EXPECT(MLOOM_OK, "test-first-3");
  EXPECT(MLOOM_OK, "test-first-3");
  tear_down(&f);
}

static void test_bad_credentials(void) {
  fixture f;
  set_up(&f);
  first.life_ms = 0;
  EXPECT(MLOOM_E_EXPIRED, "");
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.remedy, "clock"));
  now_ms += 250;
  first.life_ms = -1;
  first.text = "test\r\nInjected: header";
  EXPECT(MLOOM_E_INVALID, "");
  tear_down(&f);
}

static void test_refused(void) {
  fixture f;
  set_up(&f);
  EXPECT(MLOOM_OK, "test-first-1");
  /* A static one cannot be had anew. */
  CU_ASSERT_EQUAL(mloom_credentials_refused(f.credentials, &f.headers), 0);
  EXPECT(MLOOM_OK, "test-first-1");
  tear_down(&f);
  set_up(&f);
  first.life_ms = 60 * MINUTE_MS;
  EXPECT(MLOOM_OK, "test-first-1");
  mloom_authorized_headers old = f.headers;
  memset(&f.headers, 0, sizeof(f.headers));
  CU_ASSERT_EQUAL(mloom_credentials_refused(f.credentials, &old), 1);
  EXPECT(MLOOM_OK, "test-first-2");
  /* Another call that was refused with the old one does not spoil the new one. */
  CU_ASSERT_EQUAL(mloom_credentials_refused(f.credentials, &old), 1);
  EXPECT(MLOOM_OK, "test-first-2");
  mloom_authorized_headers_free(&old);
  tear_down(&f);
}

/* ---- Single flight ---- */

#define THREADS 1000

static fixture *shared;
static int succeeded;
static int failed;

static void *authorize_once(void *userdata) {
  mloom_authorized_headers headers;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_call call;
  (void)userdata;
  mloom_call_init(&call, NULL, &clock_of_tests, NULL, INT64_MAX);
  int32_t code =
      mloom_credentials_authorize(shared->credentials, &call, &shared->authorization, &request, &headers, &error);
  __atomic_add_fetch(code == MLOOM_OK && headers.count == 1 ? &succeeded : &failed, 1, __ATOMIC_SEQ_CST);
  mloom_authorized_headers_free(&headers);
  return NULL;
}

static void run_threads(int count) {
  static pthread_t threads[THREADS];
  pthread_attr_t attributes;
  int started = 0;
  succeeded = 0;
  failed = 0;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  while (started < count && pthread_create(&threads[started], &attributes, authorize_once, NULL) == 0) {
    started++;
  }
  for (int i = 0; i < started; i++) {
    pthread_join(threads[i], NULL);
  }
  pthread_attr_destroy(&attributes);
  CU_ASSERT_EQUAL(started, count);
}

static void test_single_flight(void) {
  fixture f;
  set_up(&f);
  shared = &f;
  first.delay_us = 200000;
  first.life_ms = 60 * MINUTE_MS;
  run_threads(THREADS);
  CU_ASSERT_EQUAL(succeeded, THREADS);
  CU_ASSERT_EQUAL(first.fetches, 1);
  /* Renewing early: one thread fetches, the others use what there is. */
  now_ms += 57 * MINUTE_MS;
  run_threads(100);
  CU_ASSERT_EQUAL(succeeded, 100);
  CU_ASSERT_EQUAL(first.fetches, 2);
  tear_down(&f);
}

static void test_shared_failure(void) {
  fixture f;
  set_up(&f);
  shared = &f;
  first.fetch_code = MLOOM_E_UNAVAILABLE;
  /* Not even those that come when it has failed already fetch once more. */
  run_threads(THREADS);
  CU_ASSERT_EQUAL(failed, THREADS);
  CU_ASSERT_EQUAL(first.fetches, 1);
  now_ms += 250;
  first.delay_us = 200000;
  run_threads(20);
  CU_ASSERT_EQUAL(failed, 20);
  CU_ASSERT_EQUAL(first.fetches, 2);
  /* Somebody's lack of patience is his own. */
  now_ms += 250;
  first.delay_us = 0;
  first.fetch_code = MLOOM_E_CANCELLED;
  EXPECT(MLOOM_E_CANCELLED, "");
  first.fetch_code = MLOOM_OK;
  EXPECT(MLOOM_OK, "test-first-4");
  tear_down(&f);
}

/* The call that fetches for all ends before its fetch does: one of those who wait takes its place. */
static void test_fetch_that_is_given_up(void) {
  static const int32_t ends[] = {MLOOM_E_CANCELLED, MLOOM_E_TIMEOUT};
  for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
    fixture f;
    set_up(&f);
    shared = &f;
    first.delay_us = 100000;
    first.life_ms = 60 * MINUTE_MS;
    first.first_code = ends[i];
    run_threads(100);
    CU_ASSERT_EQUAL(failed, 1);
    CU_ASSERT_EQUAL(succeeded, 99);
    CU_ASSERT_EQUAL(first.fetches, 2);
    tear_down(&f);
  }
}

static void test_changed(void) {
  fixture f;
  set_up(&f);
  EXPECT(MLOOM_OK, "test-first-1");
  f.authorization.audience = "scope-b";
  EXPECT(MLOOM_OK, "test-first-2");
  /* What it is made of has changed: for all audiences, and at once. */
  first.probe_code = MLOOM_CREDENTIAL_CHANGED;
  EXPECT(MLOOM_OK, "test-first-3");
  first.probe_code = MLOOM_OK;
  EXPECT(MLOOM_OK, "test-first-3");
  f.authorization.audience = "https://SERVICE.example";
  EXPECT(MLOOM_OK, "test-first-4");
  EXPECT(MLOOM_OK, "test-first-4");
  /* While the new one cannot be had, the old one is used on, and not asked for with each request. */
  first.probe_code = MLOOM_CREDENTIAL_CHANGED;
  first.fetch_code = MLOOM_E_NOT_FOUND;
  EXPECT(MLOOM_OK, "test-first-4");
  EXPECT(MLOOM_OK, "test-first-4");
  CU_ASSERT_EQUAL(first.fetches, 5);
  now_ms += MINUTE_MS;
  first.fetch_code = MLOOM_OK;
  EXPECT(MLOOM_OK, "test-first-6");
  first.probe_code = MLOOM_OK;
  /* A key that is refused is fetched again if it has changed meanwhile, else not. */
  CU_ASSERT_EQUAL(mloom_credentials_refused(f.credentials, &f.headers), 0);
  first.probe_code = MLOOM_CREDENTIAL_CHANGED;
  CU_ASSERT_EQUAL(mloom_credentials_refused(f.credentials, &f.headers), 1);
  first.probe_code = MLOOM_OK;
  EXPECT(MLOOM_OK, "test-first-7");
  tear_down(&f);
}

static int64_t signed_offset_ms;

static int32_t mock_authorize(void *instance, const mloom_credential_args *args, const mloom_credential *credential,
                              const mloom_http_request *signed_request, const mloom_header_sink *sink,
                              mloom_error *error) {
  (void)instance;
  (void)credential;
  (void)signed_request;
  (void)error;
  const mloom_header header = {.size = (uint32_t)sizeof(header), .name = "X-Signature", .value = "test"};
  signed_offset_ms = args->clock_offset_ms;
  return sink->header(&header, sink->userdata);
}

static int32_t mock_fetch_signing(void *instance, mloom_call *call, const mloom_credential_args *args,
                                  mloom_credential *out, mloom_error *error) {
  int32_t code = mock_fetch(instance, call, args, out, error);
  out->kind = MLOOM_CREDENTIAL_SIGNS;
  return code;
}

static int32_t sign(fixture *f) {
  mloom_authorized_headers_free(&f->headers);
  return mloom_credentials_authorize(f->credentials, &f->call, &f->authorization, &request, &f->headers, &f->error);
}

/* Only a signature has a time, and only minutes count. */
static void test_clock_of_the_service(void) {
  fixture f;
  set_up(&f);
  first.entry.descriptor.fetch = mock_fetch_signing;
  first.entry.descriptor.authorize = mock_authorize;
  now_ms = 600 * MINUTE_MS;
  UNIT_ASSERT_CODE(sign(&f), MLOOM_OK, &f.error);
  CU_ASSERT_EQUAL(signed_offset_ms, 0);
  CU_ASSERT_EQUAL(mloom_credentials_correct_clock(f.credentials, &f.headers, 0), 0);
  CU_ASSERT_EQUAL(mloom_credentials_correct_clock(f.credentials, &f.headers, now_ms + set_forward_ms + MINUTE_MS), 0);
  int64_t theirs = now_ms + set_forward_ms - 60 * MINUTE_MS;
  CU_ASSERT_EQUAL(mloom_credentials_correct_clock(f.credentials, &f.headers, theirs), 1);
  CU_ASSERT_EQUAL(mloom_credentials_clock_offset_ms(f.credentials), -60 * MINUTE_MS);
  UNIT_ASSERT_CODE(sign(&f), MLOOM_OK, &f.error);
  CU_ASSERT_EQUAL(signed_offset_ms, -60 * MINUTE_MS);
  /* It was signed by that clock: another refusal has another reason. */
  CU_ASSERT_EQUAL(mloom_credentials_correct_clock(f.credentials, &f.headers, theirs), 0);
  /* And if somebody sets our clock, the offset follows. */
  CU_ASSERT_EQUAL(mloom_credentials_correct_clock(f.credentials, &f.headers, now_ms + set_forward_ms), 1);
  CU_ASSERT_EQUAL(mloom_credentials_clock_offset_ms(f.credentials), 0);
  first.entry.descriptor.fetch = mock_fetch;
  first.entry.descriptor.authorize = NULL;
  tear_down(&f);
  set_up(&f);
  EXPECT(MLOOM_OK, "test-first-1");
  CU_ASSERT_EQUAL(mloom_credentials_correct_clock(f.credentials, &f.headers, theirs), 0);
  tear_down(&f);
}

static const unit_test tests[] = {
    {"chain", test_chain},
    {"none applies", test_none_applies},
    {"audience", test_audience},
    {"windows", test_windows},
    {"short life", test_short_life},
    {"the clock is set", test_clock_is_set},
    {"the service's clock", test_clock_of_the_service},

    {"bad credentials", test_bad_credentials},
    {"refused", test_refused},
    {"single flight", test_single_flight},
    {"shared failure", test_shared_failure},
    {"a fetch that is given up", test_fetch_that_is_given_up},

    {"what it is made of changes", test_changed},
};
UNIT_MAIN("credential", tests)
