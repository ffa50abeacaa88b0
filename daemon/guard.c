/* SPDX-License-Identifier: Apache-2.0
 *
 * The cookie is random; the CSRF token is its HMAC under a key of this process, so sessions need no memory here.
 */
#include "guard.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "secret/crypto.h"
#include "worker/strings.h"

#define COOKIE_NAME "mergeloom_session"
#define ACCESS_COOKIE_NAME "mergeloom_access"
#define TOKEN_SIZE 64
#define KEY_SIZE 32
#define BUCKETS 1024
#define BURST 240.0
#define TOKENS_PER_SECOND 40.0
#define FAILURE_COST 20.0

typedef struct bucket {
  double tokens;
  int64_t at_ms;
} bucket;

struct guard {
  const deployment *deployment;
  uint16_t port;
  char **hosts; /* of JCA_WORKER_ALLOWED_HOSTS */
  uint8_t key[KEY_SIZE];
  mloom_crypto_engine *engine;
  const mloom_crypto *crypto;
  int tls_terminated;
  pthread_mutex_t lock;
  bucket buckets[BUCKETS];
};

static int32_t random_bytes(void *out, size_t size, mloom_error *error) {
  return getrandom(out, size, 0) == (ssize_t)size
             ? MLOOM_OK
             : mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_SYSTEM, "check the system's random device",
                               "there are no random bytes");
}

static void hex(const uint8_t *bytes, size_t size, char *out) {
  for (size_t i = 0; i < size; i++) {
    snprintf(out + 2 * i, 3, "%02x", bytes[i]);
  }
}

int32_t guard_new(guard **out, const deployment *where, uint16_t port, mloom_error *error) {
  guard *self = calloc(1, sizeof *self);
  *out = NULL;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->deployment = where;
  self->port = port;
  self->tls_terminated = mloom_settings_boolean(where->settings, "tls_terminated", 0);
  pthread_mutex_init(&self->lock, NULL);
  int32_t code = random_bytes(self->key, sizeof self->key, error);
  code = code != MLOOM_OK ? code : mloom_crypto_engine_new(&self->engine, error);
  code = code != MLOOM_OK ? code : mloom_settings_list(&self->hosts, where->settings, "allowed_hosts", error);
  if (code != MLOOM_OK) {
    guard_free(self);
    return code;
  }
  self->crypto = mloom_crypto_engine_table(self->engine);
  *out = self;
  return MLOOM_OK;
}

void guard_free(guard *self) {
  if (self != NULL) {
    free(self->hosts);
    mloom_crypto_engine_free(self->engine);
    mloom_secret_wipe(self->key, sizeof self->key);
    pthread_mutex_destroy(&self->lock);
    free(self);
  }
}

/* ---- Names ---- */

/* The host of "name:port" or "[::1]:port" without the port; the port must be ours, or absent. */
static int split_authority(const char *authority, char *host, size_t room, long *port) {
  const char *end = authority + strlen(authority);
  const char *close = authority[0] == '[' ? strchr(authority, ']') : NULL;
  const char *colon = close != NULL ? (close[1] == ':' ? close + 1 : NULL) : strrchr(authority, ':');
  const char *start = close != NULL ? authority + 1 : authority;
  const char *stop = close != NULL ? close : colon != NULL ? colon : end;
  if ((size_t)(stop - start) >= room || start == stop) {
    return 0;
  }
  memcpy(host, start, (size_t)(stop - start));
  host[stop - start] = '\0';
  *port = -1;
  if (colon != NULL) {
    char *rest = NULL;
    *port = strtol(colon + 1, &rest, 10);
    if (rest == colon + 1 || *rest != '\0') {
      return 0;
    }
  }
  return 1;
}

static int is_known_host(const guard *self, const char *authority) {
  char host[256];
  long port = -1;
  if (!split_authority(authority, host, sizeof host, &port)) {
    return 0;
  }
  for (size_t i = 0; self->hosts[i] != NULL; i++) {
    if (strcasecmp(self->hosts[i], host) == 0 || strcasecmp(self->hosts[i], authority) == 0) {
      return 1;
    }
  }
  /* The one address that it listens on cannot come from another site's name; one that stands for all is no name. */
  const char *own = mloom_settings_string(self->deployment->settings, "host", "127.0.0.1");
  if (strcmp(own, "0.0.0.0") != 0 && strcmp(own, "::") != 0 && strcasecmp(own, host) == 0) {
    return 1;
  }
  /* Names of this machine only; any port, as a tunnel or a port-forward may end at another one. */
  return strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0;
}

static int32_t check_host(const guard *self, const http_request *request, mloom_error *error) {
  const char *host = http_header(request, "Host");
  if (http_header_count(request, "Host") != 1 || !is_known_host(self, host)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_USAGE,
                           "use http://127.0.0.1 with this daemon's port, or add the name to JCA_WORKER_ALLOWED_HOSTS",
                           "this daemon does not answer to the host name of the request");
  }
  return MLOOM_OK;
}

/* A page of another site must not speak for the person in front of the browser. */
static int32_t check_origin(const http_request *request, int changes, mloom_error *error) {
  const char *origin = http_header(request, "Origin");
  const char *host = http_header(request, "Host");
  const char *site = http_header(request, "Sec-Fetch-Site");
  const char *authority = origin == NULL ? NULL : strstr(origin, "://");
  int same = origin == NULL || (http_header_count(request, "Origin") == 1 && authority != NULL && host != NULL &&
                                strcasecmp(authority + 3, host) == 0);
  if (changes && site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) {
    same = 0;
  }
  return same ? MLOOM_OK
              : mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_USAGE, "use this daemon's own pages",
                                "the request comes from a page of another site");
}

/* ---- Tokens ---- */

/* Compares digests under a key that nobody knows: how long that takes says nothing about the secret. */
static int equal_secret(const guard *self, mloom_bytes secret, const char *given) {
  uint8_t key[KEY_SIZE], a[MLOOM_SHA256_SIZE], b[MLOOM_SHA256_SIZE];
  if (secret.size == 0 || given == NULL || random_bytes(key, sizeof key, NULL) != MLOOM_OK) {
    return 0;
  }
  mloom_bytes other = {given, strlen(given)};
  return self->crypto->hmac_sha256(self->crypto->ctx, key, sizeof key, &secret, 1, a) == MLOOM_OK &&
         self->crypto->hmac_sha256(self->crypto->ctx, key, sizeof key, &other, 1, b) == MLOOM_OK &&
         memcmp(a, b, sizeof a) == 0;
}

static const char *bearer(const http_request *request) {
  const char *header = http_header(request, "Authorization");
  return header != NULL && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 : NULL;
}

/* A text that only this process can make of another one. */
static void seal_text(const guard *self, mloom_bytes text, char out[TOKEN_SIZE + 1]) {
  uint8_t mac[MLOOM_SHA256_SIZE] = {0};
  out[0] = '\0';
  if (self->crypto->hmac_sha256(self->crypto->ctx, self->key, sizeof self->key, &text, 1, mac) == MLOOM_OK) {
    hex(mac, sizeof mac, out);
  }
}

/* The value of a cookie, when it has the form of ours. */
static int read_cookie(const http_request *request, const char *name, char out[TOKEN_SIZE + 1]) {
  const char *found = http_header(request, "Cookie");
  size_t size = strlen(name);
  out[0] = '\0';
  while (found != NULL && *found != '\0') {
    found += strspn(found, "; ");
    if (strncmp(found, name, size) == 0 && found[size] == '=' &&
        strspn(found + size + 1, "0123456789abcdef") == TOKEN_SIZE) {
      memcpy(out, found + size + 1, TOKEN_SIZE);
      out[TOKEN_SIZE] = '\0';
      return 1;
    }
    found = strchr(found, ';');
  }
  return 0;
}

static int32_t open_session(const guard *self, const http_request *request, guard_session *session,
                            mloom_error *error) {
  session->has_cookie = read_cookie(request, COOKIE_NAME, session->cookie);
  if (!session->has_cookie) {
    uint8_t random[TOKEN_SIZE / 2];
    int32_t code = random_bytes(random, sizeof random, error);
    if (code != MLOOM_OK) {
      return code;
    }
    hex(random, sizeof random, session->cookie);
  }
  seal_text(self, mloom_text_bytes(session->cookie), session->csrf);
  return MLOOM_OK;
}

/* ---- Rates ---- */

/* One bucket of tokens for each address; two that share one share its limit. Takes cost, and returns 1, when there are
 * as many as needed. */
static int spend(guard *self, const http_request *request, double needed, double cost) {
  const char *peer = http_peer(request);
  size_t index = 0;
  for (const char *c = peer; *c != '\0'; c++) {
    index = index * 31 + (unsigned char)*c;
  }
  const mloom_clock *clock = mloom_clock_system();
  int64_t now = clock->monotonic_ms(clock);
  pthread_mutex_lock(&self->lock);
  bucket *own = &self->buckets[index % BUCKETS];
  if (own->at_ms == 0) {
    own->tokens = BURST;
  }
  own->tokens += (double)(now - own->at_ms) / 1000.0 * TOKENS_PER_SECOND;
  own->tokens = own->tokens > BURST ? BURST : own->tokens;
  own->at_ms = now;
  int allowed = own->tokens >= needed;
  own->tokens -= allowed ? cost : 0;
  pthread_mutex_unlock(&self->lock);
  return allowed;
}

/* What a request of this kind costs. Signing in is the one change that is open to all: each try costs as much as a
 * wrong token. Executors, of which many may share an address, pay for wrong tokens only. */
static int32_t spend_for(guard *self, const http_request *request, int kind, mloom_error *error) {
  double cost = kind == GUARD_PUBLIC ? FAILURE_COST : kind == GUARD_EXECUTOR ? 0 : 1;
  return spend(self, request, cost > 1 ? cost : 1, cost)
             ? MLOOM_OK
             : mloom_error_set(error, MLOOM_E_RATE_LIMITED, MLOOM_DOMAIN_USAGE, "wait some seconds",
                               "too many requests from this address");
}

/* ---- The check ---- */

static int32_t refuse_token(guard *self, const http_request *request, const char *message, const char *remedy,
                            mloom_error *error) {
  /* Guessing is slow: a wrong token costs as much as many requests, whether they are left or not. */
  (void)spend(self, request, -BURST, FAILURE_COST);
  return mloom_error_set(error, MLOOM_E_UNAUTHENTICATED, MLOOM_DOMAIN_USAGE, remedy, "%s", message);
}

static int32_t check_executor(guard *self, const http_request *request, mloom_error *error) {
  mloom_bytes token = deployment_secret(self->deployment, "cluster_token");
  if (token.size == 0) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_USAGE,
                           "set JCA_WORKER_CLUSTER_TOKEN to the same value on gateway and executors",
                           "this gateway has no cluster token");
  }
  if (!equal_secret(self, token, bearer(request))) {
    return refuse_token(self, request, "the cluster token is missing or wrong",
                        "set JCA_WORKER_CLUSTER_TOKEN to the same value on gateway and executors", error);
  }
  return MLOOM_OK;
}

/* From this machine, and not through a proxy on it that lets others in. */
static int is_local(const http_request *request) {
  static const char *const told[] = {"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"};
  int direct = http_peer_is_loopback(request);
  for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
    direct &= http_header(request, told[i]) == NULL;
  }
  return direct;
}

/* Is this the person, or the program, that may use pages and API? */
static int32_t check_access(guard *self, const http_request *request, mloom_error *error) {
  mloom_bytes secret = deployment_secret(self->deployment, "access_token");
  const char *token = bearer(request);
  char cookie[TOKEN_SIZE + 1], expected[TOKEN_SIZE + 1];
  if (token != NULL) {
    return equal_secret(self, secret, token) ? MLOOM_OK
                                             : refuse_token(self, request, "the access token is wrong",
                                                            "send the value of JCA_WORKER_ACCESS_TOKEN", error);
  }
  if (secret.size > 0) {
    seal_text(self, secret, expected);
    if (!read_cookie(request, ACCESS_COOKIE_NAME, cookie) || !equal_secret(self, mloom_text_bytes(expected), cookie)) {
      return mloom_error_set(error, MLOOM_E_UNAUTHENTICATED, MLOOM_DOMAIN_USAGE, "sign in with the access token",
                             "this daemon needs its access token");
    }
    return MLOOM_OK;
  }
  if (!is_local(request) && !self->tls_terminated) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_USAGE,
                           "reach it through this machine's loopback (ssh -L, kubectl port-forward), set "
                           "JCA_WORKER_ACCESS_TOKEN, or JCA_WORKER_TLS_TERMINATED=true when a proxy decides who comes "
                           "in",
                           "pages and API are open to this machine only");
  }
  return MLOOM_OK;
}

static int32_t check_form(const guard *self, const http_request *request, const char *form_csrf,
                          const guard_session *session, mloom_error *error) {
  /* Programs of this machine that are no browser send none of these. */
  int is_browser = http_header(request, "Origin") != NULL || http_header(request, "Sec-Fetch-Site") != NULL ||
                   http_header(request, "Cookie") != NULL || form_csrf != NULL;
  const char *given = http_header(request, "X-CSRF-Token");
  given = given != NULL ? given : form_csrf;
  if (is_browser && (!session->has_cookie || !equal_secret(self, mloom_text_bytes(session->csrf), given))) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_USAGE, "load the page again and repeat what you did",
                           "the form is out of date");
  }
  return MLOOM_OK;
}

int guard_sign_in(guard *self, const char *token, http_answer *answer) {
  mloom_bytes secret = deployment_secret(self->deployment, "access_token");
  char cookie[TOKEN_SIZE + 1];
  if (!equal_secret(self, secret, token)) {
    return 0;
  }
  seal_text(self, secret, cookie);
  http_answer_header(answer, "Set-Cookie", ACCESS_COOKIE_NAME "=%s; Path=/; HttpOnly; SameSite=Strict%s", cookie,
                     self->tls_terminated ? "; Secure" : "");
  return 1;
}

static int changes_something(const http_request *request) {
  const char *method = http_method(request);
  return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

int32_t guard_admit(guard *self, const http_request *request, int kind, mloom_error *error) {
  int changes = changes_something(request);
  if (kind == GUARD_PUBLIC && !changes) {
    return MLOOM_OK;
  }
  int32_t code = spend_for(self, request, kind, error);
  if (kind == GUARD_EXECUTOR) {
    return code != MLOOM_OK ? code : check_executor(self, request, error);
  }
  code = code != MLOOM_OK ? code : check_host(self, request, error);
  code = code != MLOOM_OK ? code : check_origin(request, changes, error);
  return code != MLOOM_OK || kind == GUARD_PUBLIC ? code : check_access(self, request, error);
}

int32_t guard_check(const guard *self, const http_request *request, int kind, const char *form_csrf,
                    guard_session *session, mloom_error *error) {
  *session = (guard_session){0};
  if (kind != GUARD_PERSON) {
    return MLOOM_OK;
  }
  int32_t code = open_session(self, request, session, error);
  /* Who showed a token was let in for it. */
  int needs_form = changes_something(request) && bearer(request) == NULL;
  return code != MLOOM_OK || !needs_form ? code : check_form(self, request, form_csrf, session, error);
}

void guard_answer(const guard *self, const guard_session *session, http_answer *answer) {
  static const char *const headers[][2] = {
      {"Content-Security-Policy",
       "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src "
       "'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      /* With no-referrer browsers send "Origin: null" with our own forms. */
      {"Referrer-Policy", "same-origin"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
  };
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    http_answer_header(answer, headers[i][0], "%s", headers[i][1]);
  }
  if (session->cookie[0] != '\0' && !session->has_cookie) {
    http_answer_header(answer, "Set-Cookie", COOKIE_NAME "=%s; Path=/; HttpOnly; SameSite=Strict%s", session->cookie,
                       self->tls_terminated ? "; Secure" : "");
  }
}
