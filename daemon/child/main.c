/* SPDX-License-Identifier: Apache-2.0
 *
 * mergeloom-worker: does one thing for the daemon in a process of its own, so that a plugin that crashes, hangs or
 * leaks costs this process and nothing else. It reads one request document from standard input and writes facts, one
 * JSON object a line, to standard output: docs/daemon.md has both.
 */
#include "child/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "secret/secret.h"

#define REQUEST_LIMIT ((size_t)16 << 20)

static _Atomic(mloom_cancel *) signalled;

static void on_signal(int number) {
  mloom_cancel *cancel = signalled;
  (void)number;
  if (cancel != NULL) {
    mloom_cancel_trigger(cancel);
  }
}

static void catch_signals(mloom_cancel *cancel) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  signalled = cancel;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
}

static void wipe_buffer(mloom_buffer *buffer) {
  if (buffer->data != NULL) {
    mloom_secret_wipe(buffer->data, buffer->capacity);
  }
  mloom_buffer_free(buffer);
}

static int32_t read_input(mloom_buffer *out, mloom_error *error) {
  for (;;) {
    if (mloom_buffer_reserve(out, 1 << 16) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    ssize_t size = read(STDIN_FILENO, out->data + out->size, 1 << 16);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_USAGE, NULL, "cannot read the request");
    }
    if (size == 0) {
      return MLOOM_OK;
    }
    /* The request is one line; what follows it is for a login that listens. */
    int ended = memchr(out->data + out->size, '\n', (size_t)size) != NULL;
    out->size += (size_t)size;
    out->data[out->size] = '\0';
    if (ended) {
      return MLOOM_OK;
    }
    if (out->size > REQUEST_LIMIT) {
      return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_USAGE, "shorten it", "the request is too long");
    }
  }
}

static void tell_log(int32_t level, const char *component, const char *message, void *userdata) {
  (void)userdata;
  mloom_json *fact = child_fact("log");
  mloom_json_set_integer(fact, "level", level);
  mloom_json_set_string(fact, "component", component);
  mloom_json_set_string(fact, "message", message);
  child_tell(fact);
}

/* One member of the request as text for the context; freed and wiped by the caller. */
static int32_t take_settings(mloom_buffer *out, mloom_bytes *bytes, const mloom_json *request, const char *name,
                             mloom_error *error) {
  mloom_json *settings = mloom_json_member(request, name);
  if (settings == NULL) {
    return MLOOM_OK;
  }
  if (mloom_json_serialize(out, settings, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  *bytes = (mloom_bytes){out->data, out->size};
  return MLOOM_OK;
}

typedef struct work {
  child_watch *watch;
  mloom_context *context;
  const char *phase; /* what the plugins are there for now */
} work;

/* Whose code runs next, so that the daemon knows who has ended this process. What a plugin does for a request has the
 * time of the request. */
static void tell_plugin(const char *path, void *userdata) {
  const work *self = userdata;
  mloom_json *fact = child_fact("plugin");
  mloom_json_set_string(fact, "path", path == NULL ? "" : path);
  mloom_json_set_string(fact, "phase", self->phase);
  child_tell(fact);
  child_watch_note(self->watch, path != NULL && strcmp(self->phase, "used") != 0);
}

static int32_t make_context(work *self, const mloom_json *request, mloom_error *error) {
  MLOOM_AUTO(wipe_buffer) mloom_buffer gateway = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(wipe_buffer) mloom_buffer stored = MLOOM_BUFFER_INIT;
  const mloom_json *list = mloom_json_member(request, "left_out");
  MLOOM_AUTO(mloom_auto_free) const char **left_out = calloc(mloom_json_count(list) + 1, sizeof *left_out);
  if (left_out == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < mloom_json_count(list); i++) {
    mloom_bytes path = mloom_json_text(mloom_json_at(list, i));
    left_out[i] = path.data == NULL ? "" : path.data;
  }
  mloom_context_options options = {.size = sizeof options,
                                   .log = tell_log,
                                   .left_out_plugins = left_out,
                                   .entering = tell_plugin,
                                   .entering_userdata = self};
  options.log_level = (int32_t)mloom_json_member_integer(request, "log_level", MLOOM_LOG_WARNING);
  const char *key = mloom_json_member_string(request, "fingerprint_key", "");
  options.fingerprint_key = (mloom_bytes){key, strlen(key)};
  int32_t code = take_settings(&gateway, &options.gateway_settings, request, "gateway_settings", error);
  code = code != MLOOM_OK ? code : take_settings(&stored, &options.stored_settings, request, "stored_settings", error);
  return code != MLOOM_OK ? code : mloom_context_new(&self->context, &options, error);
}

/* What was asked for is done, or has failed, before the plugins are shut down. */
static void finish(work *self, int32_t code, const mloom_error *error) {
  self->phase = "shut down";
  if (code != MLOOM_OK) {
    child_tell_error(error);
  } else {
    child_tell(child_fact("done"));
  }
  mloom_context_free(self->context);
}

static int32_t perform(const mloom_json *request, mloom_cancel *cancel, work *self, mloom_error *error) {
  static const struct {
    const char *name;
    child_command_fn run;
  } commands[] = {{"describe", child_describe}, {"export", child_export}, {"check", child_check},
                  {"login", child_login},       {"job", child_job},       {"resolve", child_resolve}};
  const char *name = mloom_json_member_string(request, "command", "");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(commands[i].name, name) == 0) {
      int32_t code = make_context(self, request, error);
      self->phase = "used";
      return code != MLOOM_OK ? code : commands[i].run(self->context, request, cancel, error);
    }
  }
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "this program is started by mergeloomd",
                         "the request has no known command");
}

static int32_t run(mloom_cancel *cancel, mloom_error *error) {
  MLOOM_AUTO(wipe_buffer) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_json *request = NULL;
  work self = {.phase = "loaded"};
  int32_t code = read_input(&text, error);
  code = code != MLOOM_OK ? code : mloom_json_parse(&request, text.data, text.size, "the request", error);
  code = code != MLOOM_OK ? code
                          : child_watch_new(&self.watch, mloom_json_member_integer(request, "memory_mib", 0),
                                            mloom_json_member_integer(request, "enter_ms", 0), error);
  code = code != MLOOM_OK ? code : perform(request, cancel, &self, error);
  finish(&self, code, error);
  child_watch_end(self.watch);
  mloom_json_wipe(request);
  mloom_json_unref(request);
  return code;
}

int main(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_cancel *cancel = NULL;
  const struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0);
  int32_t code = mloom_cancel_new(&cancel, &error);
  if (code == MLOOM_OK) {
    catch_signals(cancel);
    code = run(cancel, &error);
  } else {
    child_tell_error(&error);
  }
  signalled = NULL;
  mloom_cancel_unref(cancel);
  return code == MLOOM_OK ? 0 : 1;
}
