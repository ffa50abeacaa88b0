/* SPDX-License-Identifier: Apache-2.0 */
#include "child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "last_words.h"
#include "process/process.h"
#include "secret/secret.h"

#define REQUEST_SIZE ((size_t)1 << 16)
#define LINE_LIMIT ((size_t)64 << 20)
#define PIPE_SIZE (1 << 20)

typedef struct reading {
  mloom_buffer line;
  child_fact_fn fn;
  void *userdata;
  int done;
  mloom_buffer plugin;   /* whose code was entered last; empty: it was left */
  char phase[16];        /* "loaded", "used" or "shut down" */
  int64_t overgrown_mib; /* it ended itself for that */
  int64_t stuck_ms;      /* or for that */
  mloom_error failure;   /* that the child told */
  mloom_buffer stderr_tail;
} reading;

static void reading_free(reading *state) {
  if (state->line.data != NULL) {
    mloom_secret_wipe(state->line.data, state->line.capacity);
  }
  mloom_buffer_free(&state->line);
  mloom_buffer_free(&state->plugin);
  mloom_buffer_free(&state->stderr_tail);
}

static int32_t code_of(const char *name) {
  for (int32_t code = MLOOM_E_INVALID; code >= MLOOM_E_INTERNAL; code--) {
    if (strcmp(mloom_code_name(code), name) == 0) {
      return code;
    }
  }
  return MLOOM_E_INTERNAL;
}

static void take_line(reading *state, const char *line, size_t size) {
  mloom_json *fact = NULL;
  if (mloom_json_parse(&fact, line, size, "a fact of the worker", NULL) != MLOOM_OK) {
    return; /* something a plugin printed */
  }
  const char *type = mloom_json_member_string(fact, "type", "");
  if (strcmp(type, "done") == 0) {
    state->done = 1;
  } else if (strcmp(type, "overgrown") == 0) {
    state->overgrown_mib = mloom_json_member_integer(fact, "mib", 1);
  } else if (strcmp(type, "stuck") == 0) {
    state->stuck_ms = mloom_json_member_integer(fact, "ms", 1);
  } else if (strcmp(type, "plugin") == 0) {
    mloom_buffer_clear(&state->plugin);
    mloom_buffer_append_string(&state->plugin, mloom_json_member_string(fact, "path", ""));
    snprintf(state->phase, sizeof state->phase, "%s", mloom_json_member_string(fact, "phase", ""));
  } else if (strcmp(type, "error") == 0) {
    mloom_error_set(&state->failure, code_of(mloom_json_member_string(fact, "code", "")), MLOOM_DOMAIN_SYSTEM,
                    mloom_json_member_string(fact, "remedy", ""), "%s", mloom_json_member_string(fact, "message", ""));
  } else {
    state->fn(type, fact, state->userdata);
  }
  if (strcmp(type, "settings") == 0) {
    mloom_json_wipe(fact); /* the only fact with secrets */
  }
  mloom_json_unref(fact);
}

static int32_t take_output(const char *data, size_t size, void *userdata) {
  reading *state = userdata;
  while (size > 0) {
    const char *newline = memchr(data, '\n', size);
    size_t part = newline == NULL ? size : (size_t)(newline - data);
    if (state->line.size + part > LINE_LIMIT || mloom_buffer_append_wiping(&state->line, data, part) != MLOOM_OK) {
      return MLOOM_E_LIMIT;
    }
    if (newline == NULL) {
      return MLOOM_OK;
    }
    take_line(state, mloom_buffer_string(&state->line), state->line.size);
    mloom_buffer_clear(&state->line);
    data += part + 1;
    size -= part + 1;
  }
  return MLOOM_OK;
}

static int32_t take_stderr(const char *data, size_t size, void *userdata) {
  reading *state = userdata;
  if (state->stderr_tail.size < 4096) {
    size_t room = 4096 - state->stderr_tail.size;
    mloom_buffer_append(&state->stderr_tail, data, size < room ? size : room);
  }
  return MLOOM_OK;
}

static int32_t judge(reading *state, const mloom_process_report *report, child_outcome *outcome,
                     const child_programs *programs, const mloom_json *request, mloom_error *error) {
  outcome->exit_code = report->exit_code;
  outcome->signal = report->ended == MLOOM_PROCESS_SIGNALLED ? report->signal : 0;
  if (state->done && report->ended == MLOOM_PROCESS_EXITED && state->plugin.size == 0) {
    return MLOOM_OK;
  }
  if (state->failure.code != MLOOM_OK) {
    mloom_error_copy(error, &state->failure);
    return state->failure.code;
  }
  outcome->crashed = 1;
  if (state->stderr_tail.size > 0) {
    last_words_redact(&state->stderr_tail, request, programs->environment);
    mloom_log_write(programs->log, MLOOM_LOG_WARNING, "worker", "its last words: %.400s",
                    mloom_buffer_string(&state->stderr_tail));
  }
  if (state->overgrown_mib > 0) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PLUGIN,
                           "update or remove the plugin of this provider, or raise JCA_WORKER_MEMORY_MIB",
                           "the worker process took more than %lld MiB of memory and ended itself",
                           (long long)state->overgrown_mib);
  }
  if (state->stuck_ms > 0) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PLUGIN, "update or remove the plugin",
                           "the worker process was still busy with it after %lld s and ended itself",
                           (long long)(state->stuck_ms + 999) / 1000);
  }
  if (outcome->signal != 0) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PLUGIN,
                           "update or remove the plugin of this provider, and report the crash to its authors",
                           "the worker process was ended by signal %d (%s)", outcome->signal,
                           strsignal(outcome->signal));
  }
  return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PLUGIN,
                         "look into this daemon's log, and report it to the authors of the plugin",
                         "the worker process ended with status %d before it was done", outcome->exit_code);
}

/* Writes all of text without waiting for a reader. */
static int32_t fill_pipe(int fd, const mloom_buffer *text, mloom_error *error) {
  (void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
  int room = fcntl(fd, F_GETPIPE_SZ);
  if (room < 0 || text->size > (size_t)room) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_SYSTEM, "shorten the settings of this worker",
                           "the request to the worker is too long");
  }
  for (size_t done = 0; done < text->size;) {
    ssize_t written = write(fd, text->data + done, text->size - done);
    if (written < 0 && errno != EINTR) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, NULL, "cannot write to the worker");
    }
    done += written > 0 ? (size_t)written : 0;
  }
  return MLOOM_OK;
}

/* ends: NULL, or the pipe that a request that is talked to goes through. timer: NULL, or that of a lease. */
static int32_t run_once(const child_programs *programs, const mloom_json *request, const int *ends, const int *timer,
                        mloom_cancel *cancel, int64_t timeout_ms, reading *state, child_outcome *outcome,
                        mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  *outcome = (child_outcome){0};
  /* Room for it at once: a buffer that grows leaves copies of what it held. */
  if (mloom_buffer_reserve(&text, REQUEST_SIZE) != MLOOM_OK || mloom_json_serialize(&text, request, 0) != MLOOM_OK ||
      mloom_buffer_append_char(&text, '\n') != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = ends == NULL ? MLOOM_OK : fill_pipe(ends[1], &text, error);
  const mloom_clock *clock = mloom_clock_system();
  mloom_call call;
  mloom_call_init(&call, cancel, clock, programs->log,
                  timeout_ms == 0 ? INT64_MAX : clock->monotonic_ms(clock) + timeout_ms);
  mloom_bytes input = {text.data, text.size};
  const char *argv[] = {programs->worker_path, NULL};
  mloom_process_plan plan = {.supervise_path = programs->supervise_path,
                             .argv = argv,
                             .environment = programs->environment,
                             .working_directory = "/",
                             .input = &input,
                             .input_fd = ends,
                             .lease_fd = timer,
                             .limits = {.grace_ms = CHILD_GRACE_MS}};
  mloom_process_sink sink = {
      .size = sizeof sink, .output = take_output, .error_output = take_stderr, .userdata = state};
  mloom_process_report report = {0};
  code = code != MLOOM_OK ? code : mloom_process_run(&call, &plan, &sink, &report, error);
  mloom_secret_wipe(text.data, text.size);
  if (code == MLOOM_E_TIMEOUT && ends == NULL) {
    outcome->crashed = 1;
    return mloom_error_set(
        error, code, MLOOM_DOMAIN_PLUGIN, "allow more time, or update or remove the plugin of this provider",
        "the worker process was still busy after %lld s and was ended", (long long)(timeout_ms + 999) / 1000);
  }
  return code != MLOOM_OK ? code : judge(state, &report, outcome, programs, request, error);
}

static int is_left_out(const mloom_json *request, const char *path) {
  const mloom_json *paths = mloom_json_member(request, "left_out");
  for (size_t i = 0; i < mloom_json_count(paths); i++) {
    if (strcmp(mloom_json_text(mloom_json_at(paths, i)).data, path) == 0) {
      return 1;
    }
  }
  return 0;
}

/* Notes a plugin that ended the worker while it was loaded, asked by others, or shut down. 1 when the request shall be
 * made again: nothing of it was done, and who did it is left out sooner or later. */
static int note_plugin(const child_programs *programs, const mloom_json *request, const reading *state,
                       child_outcome *outcome, int32_t *code, mloom_error *error) {
  if (!outcome->crashed || state->plugin.size == 0) {
    return 0;
  }
  mloom_error why = *error;
  const char *path = mloom_buffer_string(&state->plugin);
  mloom_error_set(error, why.code, why.domain, why.remedy, "%s while %s was %s", why.message, path, state->phase);
  if (programs->quarantine == NULL) {
    return 0;
  }
  outcome->noted = 1;
  int64_t crashes = quarantine_note(programs->quarantine, path, path, error->message, 1);
  if (state->done) {
    outcome->crashed = 0;
    *code = MLOOM_OK;
  }
  return strcmp(state->phase, "loaded") == 0 && crashes > 0 && !is_left_out(request, path);
}

static int32_t run(const child_programs *programs, mloom_json *request, const int *ends, const int *timer,
                   mloom_cancel *cancel, int64_t timeout_ms, child_fact_fn fn, void *userdata, child_outcome *outcome,
                   mloom_error *error) {
  int32_t code = MLOOM_OK;
  int again = 1;
  mloom_json_set_integer(request, "memory_mib", programs->memory_mib);
  mloom_json_set_integer(request, "enter_ms", programs->enter_ms);
  while (again) {
    MLOOM_AUTO(reading_free) reading state = {.fn = fn, .userdata = userdata, .failure = MLOOM_ERROR_INIT};
    if (programs->quarantine != NULL) {
      mloom_json_set(request, "left_out", quarantine_left_out(programs->quarantine));
    }
    code = run_once(programs, request, ends, timer, cancel, timeout_ms, &state, outcome, error);
    again = note_plugin(programs, request, &state, outcome, &code, error);
  }
  return code;
}

int32_t child_process_run(const child_programs *programs, mloom_json *request, mloom_cancel *cancel, int64_t timeout_ms,
                          child_fact_fn fn, void *userdata, child_outcome *outcome, mloom_error *error) {
  return run(programs, request, NULL, NULL, cancel, timeout_ms, fn, userdata, outcome, error);
}

int32_t child_process_lease(const child_programs *programs, mloom_json *request, const int *timer, mloom_cancel *cancel,
                            int64_t timeout_ms, child_fact_fn fn, void *userdata, child_outcome *outcome,
                            mloom_error *error) {
  return run(programs, request, NULL, timer, cancel, timeout_ms, fn, userdata, outcome, error);
}

int32_t child_process_talk(const child_programs *programs, mloom_json *request, const int ends[2], mloom_cancel *cancel,
                           int64_t timeout_ms, child_fact_fn fn, void *userdata, child_outcome *outcome,
                           mloom_error *error) {
  return run(programs, request, ends, NULL, cancel, timeout_ms, fn, userdata, outcome, error);
}
