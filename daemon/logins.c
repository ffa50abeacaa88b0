/* SPDX-License-Identifier: Apache-2.0 */
#include "logins.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#define LOGIN_LIMIT 64
#define TIMEOUT_MS ((int64_t)15 * 60 * 1000)
/* For the child to end by itself, so that what it says of its time-out is heard. */
#define SPARE_MS 10000
#define TYPED_LIMIT 4096
#define URL_LIMIT 4096
#define TEXT_LIMIT 1024

typedef struct login {
  logins *owner;
  char provider[64];
  char kind[16];
  char state[16]; /* "": there was none */
  char url[URL_LIMIT];
  char code[128];
  char text[TEXT_LIMIT];
  char reason[512];
  char remedy[384];
  int64_t timeout_ms;
  int64_t started_ms; /* wall clock */
  int64_t ended_ms;
  int running;
  int listens; /* the program is there, and what is typed reaches it */
  int asks;    /* its last line is a question */
  int ends[2]; /* of the pipe to the child */
  mloom_json *request;
  mloom_cancel *cancel;
} login;

struct logins {
  logins_options options;
  pthread_mutex_t lock;
  pthread_cond_t idle;
  login *all[LOGIN_LIMIT];
  size_t count;
  size_t running;
};

static void tell(const logins *self) {
  if (self->options.changed != NULL) {
    self->options.changed(self->options.userdata);
  }
}

static int64_t now_ms(void) {
  return mloom_clock_system()->wall_ms(mloom_clock_system());
}

int32_t logins_new(logins **out, const logins_options *options, mloom_error *error) {
  logins *self = calloc(1, sizeof *self);
  *out = self;
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->options = *options;
  pthread_mutex_init(&self->lock, NULL);
  pthread_cond_init(&self->idle, NULL);
  return MLOOM_OK;
}

void logins_free(logins *self) {
  if (self == NULL) {
    return;
  }
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < self->count; i++) {
    if (self->all[i]->running) {
      mloom_cancel_trigger(self->all[i]->cancel);
    }
  }
  while (self->running > 0) {
    pthread_cond_wait(&self->idle, &self->lock);
  }
  pthread_mutex_unlock(&self->lock);
  for (size_t i = 0; i < self->count; i++) {
    free(self->all[i]);
  }
  pthread_cond_destroy(&self->idle);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

/* With the lock held. */
static login *find_login(logins *self, const char *provider) {
  for (size_t i = 0; i < self->count; i++) {
    if (strcmp(self->all[i]->provider, provider) == 0) {
      return self->all[i];
    }
  }
  return NULL;
}

/* ---- One login, in a thread of its own ---- */

static int is_page(const char *url) {
  return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
}

static int is_question(const char *text) {
  size_t size = strlen(text);
  while (size > 0 && text[size - 1] == ' ') {
    size--;
  }
  return size > 0 && strchr(":>?", text[size - 1]) != NULL;
}

static void take_fact(const char *type, const mloom_json *fact, void *userdata) {
  login *self = userdata;
  const char *event = mloom_json_member_string(fact, "event", "");
  const char *text = mloom_json_member_string(fact, "text", "");
  if (strcmp(type, "login") != 0) {
    return;
  }
  pthread_mutex_lock(&self->owner->lock);
  self->listens = strcmp(self->kind, "api-key") != 0;
  if (strcmp(event, "url") == 0 && is_page(text) && strlen(text) < sizeof self->url) {
    strcpy(self->url, text);
  } else if (strcmp(event, "code") == 0) {
    snprintf(self->code, sizeof self->code, "%s", text);
  } else if (strcmp(event, "text") == 0 && text[0] != '\0') {
    snprintf(self->text, sizeof self->text, "%s", text);
    self->asks = is_question(text);
  }
  pthread_mutex_unlock(&self->owner->lock);
  tell(self->owner);
}

/* With the lock held: the end of a login, and what was only of use for it is forgotten. */
static void note_end(login *self, int32_t code, const mloom_error *error) {
  int is_out = strcmp(self->kind, "out") == 0;
  const char *state = code == MLOOM_OK ? "completed" : code == MLOOM_E_CANCELLED ? "cancelled" : "failed";
  snprintf(self->state, sizeof self->state, "%s", state);
  if (code == MLOOM_OK) {
    snprintf(self->reason, sizeof self->reason, "%s", is_out ? "logged out" : "logged in");
  } else if (code == MLOOM_E_TIMEOUT) {
    snprintf(self->reason, sizeof self->reason, "nobody completed the login in time");
    snprintf(self->remedy, sizeof self->remedy, "start it again, and open its page within %d minutes",
             (int)((self->timeout_ms + 59999) / 60000));
  } else if (code != MLOOM_E_CANCELLED) {
    snprintf(self->reason, sizeof self->reason, "%s", error->message);
    snprintf(self->remedy, sizeof self->remedy, "%s", error->remedy);
  }
  self->ended_ms = now_ms();
  self->running = self->listens = self->asks = 0;
  self->url[0] = self->code[0] = self->text[0] = '\0';
  mloom_auto_close(&self->ends[0]);
  mloom_auto_close(&self->ends[1]);
  mloom_cancel_unref(MLOOM_STEAL(self->cancel));
}

static void *run_login(void *userdata) {
  login *self = userdata;
  logins *owner = self->owner;
  mloom_error error = MLOOM_ERROR_INIT;
  child_outcome outcome = {0};
  int32_t code = child_process_talk(owner->options.programs, self->request, self->ends, self->cancel,
                                    self->timeout_ms + SPARE_MS, take_fact, self, &outcome, &error);
  mloom_json_wipe(mloom_json_member(self->request, "api_key"));
  catalogue_drop_request(MLOOM_STEAL(self->request));
  catalogue_note_crash(owner->options.catalogue, self->provider, &outcome, error.message);
  char text[sizeof self->reason + 32];
  pthread_mutex_lock(&owner->lock);
  note_end(self, code, &error);
  snprintf(text, sizeof text, "%s%s%s", self->state, self->reason[0] == '\0' ? "" : ": ", self->reason);
  pthread_mutex_unlock(&owner->lock);
  (void)store_add_audit(owner->options.store, "login", self->provider, text, NULL);
  if (code == MLOOM_OK) {
    /* A check that runs now may have looked too early. */
    (void)catalogue_refresh(owner->options.catalogue, NULL);
    (void)catalogue_check(owner->options.catalogue, self->provider, 0, NULL);
  }
  tell(owner);
  /* Last, as the logins may go once nothing runs. */
  pthread_mutex_lock(&owner->lock);
  owner->running--;
  pthread_cond_broadcast(&owner->idle);
  pthread_mutex_unlock(&owner->lock);
  return NULL;
}

/* ---- What is asked for ---- */

static int32_t check_wish(const login_wish *wish, mloom_error *error) {
  static const char *const kinds[] = {"", "device", "browser", "api-key", "out"};
  size_t size = wish->api_key == NULL ? 0 : strlen(wish->api_key);
  int known = 0, is_key = strcmp(wish->kind, "api-key") == 0;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    known |= strcmp(kinds[i], wish->kind) == 0;
  }
  if (!known) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "device, browser, api-key or out",
                           "there is no such kind of login");
  }
  if (is_key ? size == 0 || size > TYPED_LIMIT : size > 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "give a key with api-key, and only there",
                           size > TYPED_LIMIT ? "the API key is too long" : "the login and its API key do not fit");
  }
  return MLOOM_OK;
}

/* With the lock held: the provider's place, made when there is none. */
static login *place_of(logins *self, const char *provider) {
  login *found = find_login(self, provider);
  if (found == NULL && self->count < LOGIN_LIMIT && strlen(provider) < sizeof found->provider &&
      (found = calloc(1, sizeof *found)) != NULL) {
    found->owner = self;
    strcpy(found->provider, provider);
    self->all[self->count++] = found;
  }
  return found;
}

static int32_t make_request(login *self, const login_wish *wish, mloom_error *error) {
  int32_t code = catalogue_new_request(self->owner->options.catalogue, "login", &self->request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_json_set_string(self->request, "provider", self->provider);
  mloom_json_set_string(self->request, "kind", self->kind);
  mloom_json_set_integer(self->request, "timeout_ms", self->timeout_ms);
  if (wish->api_key != NULL && wish->api_key[0] != '\0') {
    mloom_json_set_string(self->request, "api_key", wish->api_key);
  }
  code = mloom_cancel_new(&self->cancel, error);
  if (code == MLOOM_OK && pipe2(self->ends, O_CLOEXEC) != 0) {
    self->ends[0] = self->ends[1] = -1;
    code = mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, NULL, "cannot open a pipe");
  }
  if (code == MLOOM_OK) {
    (void)fcntl(self->ends[1], F_SETFL, O_NONBLOCK); /* a program that does not read keeps nobody waiting */
  }
  return code;
}

static int32_t start_thread(login *self, mloom_error *error) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int failure = pthread_create(&thread, &attributes, run_login, self);
  pthread_attr_destroy(&attributes);
  return failure == 0 ? MLOOM_OK
                      : mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM, NULL, "cannot start a thread");
}

/* With the lock held, in the place of the provider's last login. */
static int32_t begin(login *self, const login_wish *wish, mloom_error *error) {
  logins *owner = self->owner;
  login fresh = {.owner = owner, .ends = {-1, -1}, .running = 1, .state = "running", .started_ms = now_ms()};
  int is_short = wish->timeout_ms > 0 && wish->timeout_ms < TIMEOUT_MS;
  fresh.timeout_ms = is_short ? wish->timeout_ms : TIMEOUT_MS;
  memcpy(fresh.provider, self->provider, sizeof fresh.provider);
  snprintf(fresh.kind, sizeof fresh.kind, "%s", wish->kind);
  *self = fresh;
  int32_t code = make_request(self, wish, error);
  code = code != MLOOM_OK ? code : start_thread(self, error);
  if (code == MLOOM_OK) {
    owner->running++;
  } else {
    note_end(self, code, error);
    mloom_json_wipe(self->request);
    mloom_json_unref(MLOOM_STEAL(self->request));
  }
  return code;
}

int32_t logins_start(logins *self, const char *provider, const login_wish *wish, mloom_error *error) {
  int32_t code = check_wish(wish, error);
  if (code != MLOOM_OK) {
    return code;
  }
  pthread_mutex_lock(&self->lock);
  login *place = place_of(self, provider);
  if (place == NULL) {
    code = mloom_error_memory(error);
  } else if (place->running) {
    code = mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_USAGE, "complete it, or cancel it first",
                           "a login of %s runs already", provider);
  } else {
    code = begin(place, wish, error);
  }
  pthread_mutex_unlock(&self->lock);
  if (code == MLOOM_OK) {
    (void)store_add_audit(self->options.store, "login", provider,
                          strcmp(wish->kind, "out") == 0 ? "logging out" : "started", NULL);
  }
  tell(self);
  return code;
}

/* 1 for one line of text that a terminal takes for nothing else. */
static int is_line(const char *text) {
  size_t size = strlen(text);
  int wrong = size == 0 || size > TYPED_LIMIT || !mloom_text_is_utf8(text, size);
  for (; *text != '\0'; text++) {
    wrong |= (unsigned char)*text < ' ' || *text == 127;
  }
  return !wrong;
}

int32_t logins_type(logins *self, const char *provider, const char *text, mloom_error *error) {
  if (!is_line(text)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "enter the code as the page shows it",
                           "the text is empty, too long or more than one line");
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_string(&line, text) != MLOOM_OK || mloom_buffer_append_char(&line, '\n') != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = MLOOM_OK;
  pthread_mutex_lock(&self->lock);
  login *found = find_login(self, provider);
  if (found == NULL || !found->listens) {
    code = mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_USAGE, "start a login first",
                           "no login of %s waits for an input", provider);
  } else if (write(found->ends[1], line.data, line.size) != (ssize_t)line.size) {
    code = mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_SYSTEM, "cancel the login and start it again",
                           "the program does not take what is typed");
  } else {
    found->asks = 0;
  }
  pthread_mutex_unlock(&self->lock);
  explicit_bzero(line.data, line.size);
  tell(self);
  return code;
}

int32_t logins_cancel(logins *self, const char *provider, mloom_error *error) {
  int32_t code = MLOOM_OK;
  pthread_mutex_lock(&self->lock);
  login *found = find_login(self, provider);
  if (found == NULL || !found->running) {
    code = mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_USAGE, "there is nothing to cancel",
                           "no login of %s runs", provider);
  } else {
    mloom_cancel_trigger(found->cancel);
  }
  pthread_mutex_unlock(&self->lock);
  return code;
}

static void set_time(mloom_json *json, const char *name, int64_t wall_ms) {
  char text[32] = "";
  if (wall_ms != 0) {
    mloom_clock_format(wall_ms, text);
  }
  mloom_json_set_string(json, name, text);
}

mloom_json *logins_read(logins *self, const char *provider) {
  mloom_json *json = NULL;
  pthread_mutex_lock(&self->lock);
  const login *found = find_login(self, provider);
  if (found != NULL) {
    json = mloom_json_new_object();
    mloom_json_set_string(json, "provider", found->provider);
    mloom_json_set_string(json, "kind", found->kind);
    mloom_json_set_string(json, "state", found->state);
    mloom_json_set_string(json, "url", found->url);
    mloom_json_set_string(json, "code", found->code);
    mloom_json_set_string(json, "text", found->text);
    mloom_json_set_boolean(json, "listens", found->listens);
    mloom_json_set_boolean(json, "asks", found->asks);
    mloom_json_set_string(json, "reason", found->reason);
    mloom_json_set_string(json, "remedy", found->remedy);
    set_time(json, "started_at", found->started_ms);
    set_time(json, "ends_at", found->running ? found->started_ms + found->timeout_ms : 0);
    set_time(json, "ended_at", found->ended_ms);
  }
  pthread_mutex_unlock(&self->lock);
  return json;
}
