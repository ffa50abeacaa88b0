/* SPDX-License-Identifier: Apache-2.0
 *
 * A small program for those that run commands of a model themselves: it puts them into the sandbox of the job's own
 * commands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "job/command.h"

/* The text as one word of a shell. */
static int32_t append_word(mloom_buffer *out, const char *text) {
  int32_t code = mloom_buffer_append_string(out, " '");
  for (const char *at = text; *at != '\0' && code == MLOOM_OK; at++) {
    code = *at == '\'' ? mloom_buffer_append_string(out, "'\\''") : mloom_buffer_append_char(out, *at);
  }
  return code == MLOOM_OK ? mloom_buffer_append_char(out, '\'') : code;
}

static int32_t append_option(mloom_buffer *out, const char *name, const char *value) {
  int32_t code = append_word(out, name);
  return code == MLOOM_OK ? append_word(out, value) : code;
}

static int32_t append_sandbox(mloom_buffer *out, const mloom_command_runner *runner) {
  const mloom_job_rules *rules = runner->rules;
  int32_t code = append_word(out, rules->supervise_path);
  code = code == MLOOM_OK ? append_word(out, "--confine") : code;
  code = code == MLOOM_OK ? append_option(out, "--sandbox",
                                          rules->sandbox_mode == MLOOM_SANDBOX_BEST_EFFORT ? "best-effort" : "require")
                          : code;
  code = code == MLOOM_OK ? append_option(out, "--network", rules->allow_network ? "allow" : "deny") : code;
  code = code == MLOOM_OK ? append_option(out, "--write", runner->home) : code;
  code = code == MLOOM_OK ? append_option(out, "--write", runner->temporary) : code;
  code =
      code == MLOOM_OK ? append_option(out, runner->read_only ? "--read" : "--write", runner->workspace->path) : code;
  for (size_t i = 0; i < runner->read_paths.count && code == MLOOM_OK; i++) {
    code = append_option(out, "--read", runner->read_paths.items[i]);
  }
  return code;
}

static int32_t write_program(const mloom_command_runner *runner, const char *name, const mloom_buffer *script,
                             char **path, mloom_error *error) {
  if (asprintf(path, "%s/%s", runner->scratch, name) < 0) {
    *path = NULL;
    return mloom_error_memory(error);
  }
  return mloom_file_put(*path, mloom_buffer_string(script), script->size, 0700, MLOOM_DOMAIN_JOB, error);
}

int32_t mloom_command_runner_make_wrapper(mloom_command_runner *runner, const char **out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer script = MLOOM_BUFFER_INIT;
  /* Whatever the program had in its own environment, a key among it, does not get through. */
  int32_t code = mloom_buffer_append_string(&script, "#!/bin/sh\nexec /usr/bin/env -i");
  for (size_t i = 0; i < runner->environment.count && code == MLOOM_OK; i++) {
    code = append_word(&script, runner->environment.items[i]);
  }
  code = code == MLOOM_OK ? append_sandbox(&script, runner) : code;
  code = code == MLOOM_OK ? mloom_buffer_append_string(&script, " -- /bin/bash -c \"$1\"\n") : code;
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = write_program(runner, "command", &script, &runner->wrapper, error);
  *out = runner->wrapper;
  return code;
}

int32_t mloom_command_runner_make_judge(mloom_command_runner *runner, const char **out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer script = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
  const mloom_job_rules *rules = runner->rules;
  int32_t code = mloom_buffer_append_format(&log, "%s/judge.log", runner->scratch);
  code = code == MLOOM_OK ? mloom_buffer_append_string(&script, "#!/bin/sh\n") : code;
  code = code == MLOOM_OK ? append_word(&script, rules->supervise_path) : code;
  code = code == MLOOM_OK ? append_option(&script, "--judge", log.data) : code;
  for (size_t i = 0; code == MLOOM_OK && rules->allowed_commands != NULL && rules->allowed_commands[i] != NULL; i++) {
    code = append_word(&script, rules->allowed_commands[i]);
  }
  /* Programs take only this status for a refusal, and any other failure for none. */
  code = code == MLOOM_OK ? mloom_buffer_append_string(&script, " || exit 2\n") : code;
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = mloom_file_put(log.data, "", 0, 0600, MLOOM_DOMAIN_JOB, error);
  code = code == MLOOM_OK ? write_program(runner, "judge", &script, &runner->judge, error) : code;
  *out = runner->judge;
  return code;
}
