/* SPDX-License-Identifier: Apache-2.0 */
#include "credential/credential.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"
#include "credential/headers.h"

/* A credential is renewed in the background of one call when less than this is left ... */
#define ADVISORY_MS ((int64_t)5 * 60 * 1000)
/* ... and nobody uses it any more when less than this is left. */
#define MANDATORY_MS ((int64_t)60 * 1000)
/* After an advisory renewal, the next try. */
#define ADVISORY_PAUSE_MS ((int64_t)30 * 1000)
/* A failure is everybody's for so long, so that a thousand callers are not a thousand fetches. */
#define FAILURE_PAUSE_MS ((int64_t)250)
/* Services take signatures that are five minutes old; less than this is not why one was refused. */
#define SKEW_MS ((int64_t)4 * 60 * 1000)
/* How often a thread that waits for another one's fetch looks at its own call. */
#define WAIT_STEP_MS 50

/* One source, opened for the settings of this provider. */
typedef struct source_instance {
  struct source_instance *next;
  const mloom_credential_source_entry *entry;
  void *instance;
  pthread_mutex_t lock; /* MLOOM_THREADS_SERIALIZE_INSTANCE */
} source_instance;

/* What one source gave for one audience. Lives as long as the credentials. */
typedef struct mloom_cached_credential {
  struct mloom_cached_credential *next;
  source_instance *source;
  char *audience;
  int has_credential;
  int fetching; /* one thread is at it */
  int outdated; /* what it was made of has changed since */
  uint64_t generation;
  mloom_credential credential;
  int64_t fetched_wall_ms;
  int64_t fetched_ms;      /* monotonic */
  int64_t pause_until_ms;  /* monotonic: no advisory renewal before */
  int64_t failed_until_ms; /* monotonic: the failure counts for those who come before */
  int32_t failure_code;    /* of the fetch that ended last */
  mloom_error failure;
  uint64_t flights; /* fetches that ended */
} cached_credential;

struct mloom_credentials {
  atomic_int_least64_t clock_offset_ms;
  atomic_int has_chosen; /* sources that are not loaded are told of once */
  const mloom_registry *registry;
  const mloom_host *host;
  mloom_settings *settings;
  const mloom_clock *clock;
  const mloom_log *log;
  mloom_redactor *redactor;
  pthread_mutex_t lock; /* of everything below */
  pthread_cond_t fetched;
  source_instance *sources;
  cached_credential *cache;
};

static mloom_credential_args make_args(mloom_credentials *self, const char *audience) {
  return (mloom_credential_args){.size = (uint32_t)sizeof(mloom_credential_args),
                                 .settings = self->settings,
                                 .audience = audience,
                                 .clock_offset_ms = atomic_load(&self->clock_offset_ms)};
}

int32_t mloom_credentials_new(mloom_credentials **out, const mloom_registry *registry, const mloom_host *host,
                              const mloom_settings *settings, const mloom_clock *clock, const mloom_log *log,
                              mloom_redactor *redactor, mloom_error *error) {
  mloom_credentials *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->registry = registry;
  self->host = host;
  self->settings = mloom_settings_ref((mloom_settings *)(uintptr_t)settings);
  self->clock = clock;
  self->log = log;
  self->redactor = redactor;
  pthread_mutex_init(&self->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&self->fetched, &attributes);
  pthread_condattr_destroy(&attributes);
  *out = self;
  return MLOOM_OK;
}

static void enter(source_instance *source) {
  uint32_t rule = source->entry->descriptor.threads;
  if (rule == MLOOM_THREADS_SERIALIZE_INSTANCE) {
    pthread_mutex_lock(&source->lock);
  } else if (rule != MLOOM_THREADS_PARALLEL) {
    pthread_mutex_lock(source->entry->plugin_lock);
  }
  mloom_plugin_enter(source->entry->watch);
}

static void leave(source_instance *source) {
  uint32_t rule = source->entry->descriptor.threads;
  mloom_plugin_leave(source->entry->watch);
  if (rule == MLOOM_THREADS_SERIALIZE_INSTANCE) {
    pthread_mutex_unlock(&source->lock);
  } else if (rule != MLOOM_THREADS_PARALLEL) {
    pthread_mutex_unlock(source->entry->plugin_lock);
  }
}

void mloom_credentials_free(mloom_credentials *self) {
  if (self == NULL) {
    return;
  }
  for (cached_credential *entry = self->cache, *next; entry != NULL; entry = next) {
    next = entry->next;
    mloom_secret_unref(entry->credential.secret);
    free(entry->audience);
    free(entry);
  }
  for (source_instance *source = self->sources, *next; source != NULL; source = next) {
    next = source->next;
    if (source->entry->descriptor.close != NULL) {
      enter(source);
      source->entry->descriptor.close(source->instance);
      leave(source);
    }
    pthread_mutex_destroy(&source->lock);
    free(source);
  }
  pthread_cond_destroy(&self->fetched);
  pthread_mutex_destroy(&self->lock);
  mloom_settings_unref(self->settings);
  free(self);
}

/* A plugin that fails without saying why still leaves a whole error. */
static int32_t complete(int32_t code, const char *source, mloom_error *error) {
  if (error != NULL && error->message[0] == '\0') {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, "look at the settings of this credential source",
                           "credential source %s failed: %s", source, mloom_code_name(code));
  }
  if (error != NULL) {
    error->code = code;
    /* Whatever went wrong on the way, a file or a connection: it was the way to a credential. */
    error->domain = MLOOM_DOMAIN_CREDENTIAL;
  }
  return code;
}

/* The lock is held. A source is opened at its first use. */
static int32_t open_source(mloom_credentials *self, const mloom_credential_source_entry *entry, source_instance **out,
                           mloom_error *error) {
  for (source_instance *source = self->sources; source != NULL; source = source->next) {
    if (source->entry == entry) {
      *out = source;
      return MLOOM_OK;
    }
  }
  source_instance *source = calloc(1, sizeof(*source));
  if (source == NULL) {
    return mloom_error_memory(error);
  }
  source->entry = entry;
  pthread_mutex_init(&source->lock, NULL);
  mloom_open_args args = {.size = (uint32_t)sizeof(args), .host = self->host, .settings = self->settings};
  mloom_error reason = MLOOM_ERROR_INIT;
  enter(source);
  int32_t code = entry->descriptor.open == NULL ? MLOOM_OK : entry->descriptor.open(&args, &source->instance, &reason);
  leave(source);
  if (code < 0) {
    pthread_mutex_destroy(&source->lock);
    free(source);
    complete(code, entry->descriptor.id, &reason);
    mloom_error_copy(error, &reason);
    return code;
  }
  source->next = self->sources;
  self->sources = source;
  *out = source;
  return MLOOM_OK;
}

static int32_t no_source(const mloom_credentials *self, const mloom_authorization *authorization, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer names = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer fields = MLOOM_BUFFER_INIT;
  for (size_t i = 0; authorization->sources != NULL && authorization->sources[i] != NULL; i++) {
    (void)mloom_buffer_append_format(&names, "%s%s", i == 0 ? "" : ", ", authorization->sources[i]);
  }
  for (size_t i = 0; i < mloom_settings_count(self->settings); i++) {
    const mloom_field *field = mloom_settings_field_at(self->settings, i);
    if (field->kind == MLOOM_FIELD_SECRET) {
      (void)mloom_buffer_append_format(&fields, "%s%s (%s)", fields.size == 0 ? "" : " or ", field->name,
                                       mloom_settings_environment_name(self->settings, i));
    }
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer remedy = MLOOM_BUFFER_INIT;
  (void)mloom_buffer_append_format(&remedy, "set %s", fields.size == 0 ? "the credential" : fields.data);
  return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL, mloom_buffer_string(&remedy),
                         "%s has no credential: no source applies (%s)", mloom_settings_owner(self->settings),
                         names.size == 0 ? "none is named" : names.data);
}

/* Its source says that what it was made of has changed: for every audience. */
static void mark_outdated(mloom_credentials *self, const source_instance *source) {
  pthread_mutex_lock(&self->lock);
  for (cached_credential *entry = self->cache; entry != NULL; entry = entry->next) {
    if (entry->source == source && !entry->outdated) {
      entry->outdated = 1;
      entry->pause_until_ms = 0;
    }
  }
  pthread_mutex_unlock(&self->lock);
}

/* Asks the sources in order. *out is NULL when none applies. */
static int32_t choose_source(mloom_credentials *self, const mloom_authorization *authorization, source_instance **out,
                             mloom_error *error) {
  mloom_credential_args args = make_args(self, authorization->audience);
  int is_first = atomic_exchange(&self->has_chosen, 1) == 0;
  *out = NULL;
  for (size_t i = 0; authorization->sources != NULL && authorization->sources[i] != NULL; i++) {
    const char *id = authorization->sources[i];
    const mloom_credential_source_entry *entry = mloom_registry_find_credential_source(self->registry, id);
    if (entry == NULL) {
      mloom_log_write(self->log, is_first ? MLOOM_LOG_WARNING : MLOOM_LOG_DEBUG, "credential",
                      "credential source %s is not loaded", id);
      continue;
    }
    source_instance *source = NULL;
    pthread_mutex_lock(&self->lock);
    int32_t code = open_source(self, entry, &source, error);
    pthread_mutex_unlock(&self->lock);
    if (code != MLOOM_OK) {
      return code;
    }
    mloom_error reason = MLOOM_ERROR_INIT;
    enter(source);
    code = entry->descriptor.probe == NULL ? MLOOM_OK : entry->descriptor.probe(source->instance, &args, &reason);
    leave(source);
    if (code >= 0) {
      if (code == MLOOM_CREDENTIAL_CHANGED) {
        mark_outdated(self, source);
      }
      *out = source;
      return MLOOM_OK;
    }
    if (code != MLOOM_E_NOT_APPLICABLE) {
      complete(code, id, &reason);
      mloom_error_copy(error, &reason);
      return code;
    }
  }
  return MLOOM_OK;
}

/* The lock is held. */
static cached_credential *find_cached(mloom_credentials *self, source_instance *source, const char *audience) {
  for (cached_credential *entry = self->cache; entry != NULL; entry = entry->next) {
    if (entry->source == source && strcmp(entry->audience, audience) == 0) {
      return entry;
    }
  }
  cached_credential *entry = calloc(1, sizeof(*entry));
  char *copy = strdup(audience);
  if (entry == NULL || copy == NULL) {
    free(entry);
    free(copy);
    return NULL;
  }
  entry->source = source;
  entry->audience = copy;
  entry->credential.expires_wall_ms = -1;
  entry->next = self->cache;
  self->cache = entry;
  return entry;
}

/* How much of window applies to a credential: one that lives only minutes is not renewed at every use. */
static int64_t window_of(const cached_credential *entry, int64_t window_ms, int64_t share) {
  int64_t life = entry->credential.expires_wall_ms - entry->fetched_wall_ms;
  return life / share < window_ms ? life / share : window_ms;
}

#define FRESH 0
#define RENEW 1 /* usable, but one call should renew it */
#define STALE 2

static int state_by_time(const mloom_credentials *self, const cached_credential *entry) {
  if (!entry->has_credential) {
    return STALE;
  }
  if (entry->credential.expires_wall_ms < 0) {
    return FRESH;
  }
  /* The wall clock may be set back, and with it what it says is left. */
  int64_t life = entry->credential.expires_wall_ms - entry->fetched_wall_ms;
  int64_t left = entry->credential.expires_wall_ms - self->clock->wall_ms(self->clock);
  int64_t left_by_age = life - (self->clock->monotonic_ms(self->clock) - entry->fetched_ms);
  left = left_by_age < left ? left_by_age : left;
  if (left <= window_of(entry, MANDATORY_MS, 4)) {
    return STALE;
  }
  if (left > window_of(entry, ADVISORY_MS, 2)) {
    return FRESH;
  }
  return self->clock->monotonic_ms(self->clock) >= entry->pause_until_ms ? RENEW : FRESH;
}

static int state_of(const mloom_credentials *self, const cached_credential *entry) {
  int state = state_by_time(self, entry);
  if (state == FRESH && entry->outdated) {
    return self->clock->monotonic_ms(self->clock) >= entry->pause_until_ms ? RENEW : FRESH;
  }
  return state;
}

static int has_line_break(const mloom_secret *secret) {
  mloom_bytes bytes = mloom_secret_bytes(secret);
  return bytes.size > 0 && (memchr(bytes.data, '\r', bytes.size) != NULL ||
                            memchr(bytes.data, '\n', bytes.size) != NULL || memchr(bytes.data, 0, bytes.size) != NULL);
}

static int32_t check_fetched(const mloom_credentials *self, const source_instance *source,
                             const mloom_credential *credential, mloom_error *error) {
  const char *id = source->entry->descriptor.id;
  if (credential->kind == MLOOM_CREDENTIAL_VALUE && credential->secret == NULL) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_CREDENTIAL, "report it to the author of the plugin",
                           "credential source %s gave no credential", id);
  }
  if (credential->kind == MLOOM_CREDENTIAL_VALUE && has_line_break(credential->secret)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                           "store the credential as one line, without line breaks",
                           "the credential of source %s holds a line break", id);
  }
  if (credential->kind == MLOOM_CREDENTIAL_SIGNS && source->entry->descriptor.authorize == NULL) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_CREDENTIAL, "report it to the author of the plugin",
                           "credential source %s signs requests but has no authorize", id);
  }
  if (credential->expires_wall_ms >= 0 && credential->expires_wall_ms <= self->clock->wall_ms(self->clock)) {
    return mloom_error_set(
        error, MLOOM_E_EXPIRED, MLOOM_DOMAIN_CREDENTIAL,
        "compare the clock of this machine with the right time, and renew the credential at its source",
        "the credential that source %s just gave has expired already", id);
  }
  return MLOOM_OK;
}

/* The lock is held, and let go while the source works. */
static void fetch(mloom_credentials *self, mloom_call *call, cached_credential *entry) {
  source_instance *source = entry->source;
  mloom_credential_args args = make_args(self, entry->audience);
  mloom_credential fresh = {.size = (uint32_t)sizeof(fresh), .expires_wall_ms = -1};
  mloom_error reason = MLOOM_ERROR_INIT;
  entry->fetching = 1;
  pthread_mutex_unlock(&self->lock);
  enter(source);
  int32_t code = source->entry->descriptor.fetch(source->instance, call, &args, &fresh, &reason);
  leave(source);
  if (code >= 0) {
    code = MLOOM_OK;
    if (fresh.secret != NULL && self->redactor != NULL) {
      code = mloom_redactor_add_passing(self->redactor, fresh.secret);
    }
    if (code == MLOOM_OK) {
      code = check_fetched(self, source, &fresh, &reason);
    }
  }
  if (code != MLOOM_OK) {
    complete(code, source->entry->descriptor.id, &reason);
    mloom_redactor_apply_error(self->redactor, &reason);
    mloom_secret_unref(fresh.secret);
  }
  pthread_mutex_lock(&self->lock);
  entry->fetching = 0;
  entry->flights++;
  entry->failure_code = code;
  entry->pause_until_ms = self->clock->monotonic_ms(self->clock) + ADVISORY_PAUSE_MS;
  if (code == MLOOM_OK) {
    if (fresh.clock_offset_ms != 0 || entry->credential.clock_offset_ms != 0) {
      atomic_store(&self->clock_offset_ms, fresh.clock_offset_ms);
    }
    mloom_secret_unref(entry->credential.secret);
    fresh.description[sizeof(fresh.description) - 1] = '\0';
    entry->credential = fresh;
    entry->has_credential = 1;
    entry->outdated = 0;
    entry->generation++;
    entry->fetched_wall_ms = self->clock->wall_ms(self->clock);
    entry->fetched_ms = self->clock->monotonic_ms(self->clock);
  } else {
    entry->failure = reason;
    entry->failed_until_ms = self->clock->monotonic_ms(self->clock) + FAILURE_PAUSE_MS;
  }
  pthread_cond_broadcast(&self->fetched);
}

/* The lock is held. Waits until the fetch that is under way ends, or the call does. */
static int32_t wait_for_flight(mloom_credentials *self, const mloom_call *call, cached_credential *entry,
                               mloom_error *error) {
  uint64_t flight = entry->flights;
  while (entry->fetching && entry->flights == flight) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)WAIT_STEP_MS * 1000000;
    if (until.tv_nsec >= 1000000000) {
      until.tv_sec++;
      until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&self->fetched, &self->lock, &until);
    int32_t code = mloom_call_check(call, error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

/* A failure that says something of the source, and not of the patience of the one who asked. */
static int is_everybodys(int32_t code) {
  return code != MLOOM_OK && code != MLOOM_E_CANCELLED && code != MLOOM_E_TIMEOUT && code != MLOOM_E_MEMORY;
}

/* The lock is held. On success the entry holds a credential that may be used now. */
static int32_t obtain(mloom_credentials *self, mloom_call *call, cached_credential *entry, mloom_error *error) {
  for (;;) {
    int state = state_of(self, entry);
    int failed_just_now =
        is_everybodys(entry->failure_code) && self->clock->monotonic_ms(self->clock) < entry->failed_until_ms;
    if (state == FRESH || (state == RENEW && (entry->fetching || failed_just_now))) {
      return MLOOM_OK;
    }
    if (!entry->fetching && !failed_just_now) {
      fetch(self, call, entry);
      if (entry->failure_code == MLOOM_OK) {
        return MLOOM_OK;
      }
      if (state_of(self, entry) != STALE) {
        mloom_log_write(self->log, MLOOM_LOG_WARNING, "credential", "renewing failed, the old one is used on: %s",
                        entry->failure.message);
        return MLOOM_OK;
      }
      mloom_error_copy(error, &entry->failure);
      return entry->failure_code;
    }
    if (entry->fetching) {
      int32_t code = wait_for_flight(self, call, entry, error);
      if (code != MLOOM_OK) {
        return code;
      }
    }
    if (is_everybodys(entry->failure_code) && state_of(self, entry) == STALE) {
      mloom_error_copy(error, &entry->failure);
      return entry->failure_code;
    }
  }
}

/* Makes the headers from a reference of our own, for the cache may change meanwhile. */
static int32_t make_headers(mloom_credentials *self, source_instance *source, const mloom_authorization *authorization,
                            const mloom_http_request *request, const mloom_credential *credential,
                            mloom_authorized_headers *out, mloom_error *error) {
  if (credential->kind == MLOOM_CREDENTIAL_VALUE) {
    mloom_header header = {.size = (uint32_t)sizeof(header),
                           .name = authorization->header,
                           .value = authorization->prefix,
                           .secret = credential->secret};
    return mloom_authorized_headers_add(&header, out) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
  }
  mloom_credential_args args = make_args(self, authorization->audience);
  mloom_header_sink sink = {.size = (uint32_t)sizeof(sink), .userdata = out, .header = mloom_authorized_headers_add};
  mloom_error reason = MLOOM_ERROR_INIT;
  enter(source);
  int32_t code = source->entry->descriptor.authorize(source->instance, &args, credential, request, &sink, &reason);
  leave(source);
  if (code < 0) {
    complete(code, source->entry->descriptor.id, &reason);
    mloom_error_copy(error, &reason);
    return code;
  }
  return MLOOM_OK;
}

int32_t mloom_credentials_authorize(mloom_credentials *self, mloom_call *call, const mloom_authorization *authorization,
                                    const mloom_http_request *request, mloom_authorized_headers *out,
                                    mloom_error *error) {
  memset(out, 0, sizeof(*out));
  source_instance *source = NULL;
  int32_t code = mloom_authorization_check_origin(authorization, request, error);
  if (code == MLOOM_OK) {
    code = choose_source(self, authorization, &source, error);
  }
  if (code != MLOOM_OK) {
    mloom_redactor_apply_error(self->redactor, error);
    return code;
  }
  if (source == NULL) {
    int optional = (authorization->flags & MLOOM_AUTHORIZATION_OPTIONAL) != 0;
    return optional ? MLOOM_OK : no_source(self, authorization, error);
  }
  mloom_credential credential;
  pthread_mutex_lock(&self->lock);
  cached_credential *entry = find_cached(self, source, authorization->audience == NULL ? "" : authorization->audience);
  code = entry == NULL ? mloom_error_memory(error) : obtain(self, call, entry, error);
  if (code == MLOOM_OK) {
    credential = entry->credential;
    if (credential.secret != NULL) {
      mloom_secret_ref(credential.secret);
    }
    out->used = entry;
    out->signs = credential.kind == MLOOM_CREDENTIAL_SIGNS;
    out->generation = entry->generation;
  }
  pthread_mutex_unlock(&self->lock);
  if (code != MLOOM_OK) {
    return code;
  }
  memcpy(out->description, credential.description, sizeof(out->description));
  code = make_headers(self, source, authorization, request, &credential, out, error);
  mloom_secret_unref(credential.secret);
  if (code != MLOOM_OK) {
    mloom_authorized_headers_free(out);
    mloom_redactor_apply_error(self->redactor, error);
  }
  return code;
}

/* Has what the credential was made of changed since it was fetched? */
static int has_changed(mloom_credentials *self, cached_credential *entry) {
  source_instance *source = entry->source;
  mloom_credential_args args = make_args(self, entry->audience);
  mloom_error ignored = MLOOM_ERROR_INIT;
  if (source->entry->descriptor.probe == NULL) {
    return 0;
  }
  enter(source);
  int32_t code = source->entry->descriptor.probe(source->instance, &args, &ignored);
  leave(source);
  return code == MLOOM_CREDENTIAL_CHANGED;
}

int mloom_credentials_refused(mloom_credentials *self, const mloom_authorized_headers *headers) {
  cached_credential *entry = headers->used;
  if (entry == NULL) {
    return 0;
  }
  source_instance *source = entry->source;
  int changed = has_changed(self, entry);
  pthread_mutex_lock(&self->lock);
  int newer = entry->generation != headers->generation;
  int refreshable = changed || source->entry->descriptor.invalidate != NULL || entry->credential.expires_wall_ms >= 0;
  if (!newer && refreshable) {
    entry->has_credential = 0;
  }
  pthread_mutex_unlock(&self->lock);
  if (!newer && source->entry->descriptor.invalidate != NULL) {
    mloom_credential_args args = make_args(self, entry->audience);
    enter(source);
    source->entry->descriptor.invalidate(source->instance, &args);
    leave(source);
  }
  return newer || refreshable;
}

int mloom_credentials_correct_clock(mloom_credentials *self, const mloom_authorized_headers *headers,
                                    int64_t date_wall_ms) {
  if (headers->used == NULL || !headers->signs || date_wall_ms <= 0) {
    return 0;
  }
  int64_t offset_ms = date_wall_ms - self->clock->wall_ms(self->clock);
  int64_t off_ms = offset_ms - atomic_load(&self->clock_offset_ms);
  if (off_ms > -SKEW_MS && off_ms < SKEW_MS) {
    return 0;
  }
  mloom_log_write(
      self->log, MLOOM_LOG_WARNING, "credential",
      "this machine's clock is %lld s %s the service's, which refused a signature: from now on requests are "
      "signed by the service's",
      (long long)(offset_ms < 0 ? -offset_ms : offset_ms) / 1000, offset_ms < 0 ? "ahead of" : "behind");
  atomic_store(&self->clock_offset_ms, offset_ms);
  return 1;
}

int64_t mloom_credentials_clock_offset_ms(mloom_credentials *self) {
  return atomic_load(&self->clock_offset_ms);
}
