/* SPDX-License-Identifier: Apache-2.0
 *
 * A crowd of threads that ask for one credential which nobody has fetched yet, and what asking costs once it is there.
 * The source takes a tenth of a second, as a token endpoint far away does.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "credential/credential.h"

#define THREADS 1000
#define ROUNDS 5
#define WARM_CALLS 100000

static int fetches;

static int32_t open_source(const mloom_open_args *args, void **out, mloom_error *error) {
  (void)args;
  (void)error;
  *out = &fetches;
  return MLOOM_OK;
}

static void close_source(void *instance) {
  (void)instance;
}

static int32_t probe_source(void *instance, const mloom_credential_args *args, mloom_error *error) {
  (void)instance;
  (void)args;
  (void)error;
  return MLOOM_OK;
}

static int32_t fetch(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                     mloom_error *error) {
  (void)call;
  (void)args;
  __atomic_add_fetch((int *)instance, 1, __ATOMIC_SEQ_CST);
  usleep(100000);
  mloom_secret *secret = NULL;
  int32_t code = mloom_secret_new(&secret, "test-key-not-a-secret", 21, error);
  out->secret = secret;
  out->expires_wall_ms = -1;
  return code;
}

static const mloom_credential_source_entry source = {.descriptor = {.size = sizeof(mloom_credential_source),
                                                                    .id = "slow",
                                                                    .threads = MLOOM_THREADS_PARALLEL,
                                                                    .open = open_source,
                                                                    .close = close_source,
                                                                    .probe = probe_source,
                                                                    .fetch = fetch}};

/* Takes the place of the registry's. */
const mloom_credential_source_entry *mloom_registry_find_credential_source(const mloom_registry *registry,
                                                                           const char *id) {
  (void)registry;
  return strcmp(id, "slow") == 0 ? &source : NULL;
}

typedef struct crowd {
  mloom_credentials *credentials;
  int authorized;
} crowd;

static int authorize(mloom_credentials *credentials) {
  static const char *const sources[] = {"slow", NULL};
  static const mloom_authorization authorization = {.size = sizeof(authorization),
                                                    .sources = sources,
                                                    .audience = "https://service.example",
                                                    .header = "Authorization",
                                                    .prefix = "Bearer "};
  static const mloom_http_request request = {
      .size = sizeof(request), .method = "POST", .url = "https://service.example/v1/x"};
  mloom_authorized_headers headers;
  mloom_call call;
  mloom_call_init(&call, NULL, mloom_clock_system(), NULL, INT64_MAX);
  int32_t code = mloom_credentials_authorize(credentials, &call, &authorization, &request, &headers, NULL);
  int good = code == MLOOM_OK && headers.count == 1;
  mloom_authorized_headers_free(&headers);
  return good;
}

static void *join_crowd(void *userdata) {
  crowd *self = userdata;
  __atomic_add_fetch(&self->authorized, authorize(self->credentials), __ATOMIC_SEQ_CST);
  return NULL;
}

static int run_crowd(crowd *self) {
  static pthread_t threads[THREADS];
  pthread_attr_t attributes;
  int started = 0;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  while (started < THREADS && pthread_create(&threads[started], &attributes, join_crowd, self) == 0) {
    started++;
  }
  for (int i = 0; i < started; i++) {
    pthread_join(threads[i], NULL);
  }
  pthread_attr_destroy(&attributes);
  return started == THREADS && self->authorized == THREADS;
}

static double thread_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void) {
  static const char *const environment[] = {NULL};
  const mloom_settings_sources sources = {.environment = environment, .secrets_path = "/nonexistent"};
  mloom_settings *settings = NULL;
  int most = 0;
  int good = mloom_settings_new(&settings, "bench", NULL, 0, 0, &sources, NULL) == MLOOM_OK;
  for (int round = 0; good && round < ROUNDS; round++) {
    crowd cold = {NULL, 0};
    fetches = 0;
    good = mloom_credentials_new(&cold.credentials, NULL, NULL, settings, mloom_clock_system(), NULL, NULL, NULL) ==
               MLOOM_OK &&
           run_crowd(&cold);
    most = fetches > most ? fetches : most;
    if (good && round == ROUNDS - 1) {
      double start = thread_seconds();
      for (int i = 0; good && i < WARM_CALLS; i++) {
        good = authorize(cold.credentials);
      }
      printf("1,000 threads that ask for a cold credential\t%d\tfetches\t1\n", most);
      printf("asking for a credential that is there\t%.3f\tus\t\n", (thread_seconds() - start) * 1e6 / WARM_CALLS);
    }
    mloom_credentials_free(cold.credentials);
  }
  mloom_settings_unref(settings);
  if (!good) {
    fprintf(stderr, "bench_credential: not every thread got its credential\n");
  }
  return good ? 0 : 1;
}
