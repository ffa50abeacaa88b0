/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks that need no network: storage, timeout, commands, sandbox.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "job/command.h"
#include "readiness/report.h"

static void append_name(mloom_buffer *list, const char *name) {
  mloom_buffer_append_format(list, "%s%s", list->size > 0 ? ", " : "", name);
}

/* 1 when any user of this machine may read the file. Mounted secrets are often 0444 inside a private mount, so the
 * folder of secrets is not looked at. */
static int is_world_readable(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0;
}

/* The file that a variable NAME_FILE names; origin begins with that name. */
static const char *file_of_variable(const mloom_check_run *run, const char *origin) {
  const char *const *environment = run->args->services->environment;
  size_t size = strcspn(origin, " ");
  for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
    if (strncmp(environment[i], origin, size) == 0 && environment[i][size] == '=') {
      return environment[i] + size + 1;
    }
  }
  return NULL;
}

void mloom_check_storage(mloom_check_run *run) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer config = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer readable = MLOOM_BUFFER_INIT;
  size_t secrets = 0;
  mloom_check_begin(run);
  for (size_t i = 0; i < mloom_settings_count(run->args->settings); i++) {
    const mloom_field *field = mloom_settings_field_at(run->args->settings, i);
    mloom_setting setting = {.size = sizeof(setting)};
    if (field->kind != MLOOM_FIELD_SECRET ||
        mloom_settings_get(run->args->settings, field->name, &setting) != MLOOM_OK || setting.secret == NULL) {
      continue;
    }
    secrets++;
    if (setting.origin == MLOOM_ORIGIN_CONFIG_FILE) {
      append_name(&config, field->name);
    } else if (setting.origin == MLOOM_ORIGIN_FILE_VARIABLE && setting.origin_name != NULL) {
      const char *path = file_of_variable(run, setting.origin_name);
      if (path != NULL && is_world_readable(path)) {
        append_name(&readable, path);
      }
    }
  }
  if (readable.size > 0) {
    mloom_check_end(run, "storage", MLOOM_CHECK_WARN, "take away the others' right to read: chmod 600",
                    "a secret comes from a file that every user of this machine can read: %s",
                    mloom_buffer_string(&readable));
  } else if (config.size > 0) {
    mloom_check_end(run, "storage", MLOOM_CHECK_WARN,
                    "keep it in a mounted secret (/run/secrets) or in a file named by the variable that ends in _FILE",
                    "a secret stands in the configuration file: %s", mloom_buffer_string(&config));
  } else if (secrets > 0) {
    mloom_check_end(run, "storage", MLOOM_CHECK_PASS, NULL, "secrets are kept outside of files that others can read");
  } else {
    mloom_check_end(run, "storage", MLOOM_CHECK_PASS, NULL, "no secret is stored for this provider");
  }
}

#define PROGRAM_SECONDS 300

/* What a program should have at the least: some minutes, and the time of each command that the job's repository is
 * validated with, as the program runs them itself to see whether its work is right. */
static int64_t needed_seconds(const mloom_check_run *run, size_t *commands) {
  const char *const *validation = run->args->validation_commands;
  *commands = 0;
  while (validation != NULL && validation[*commands] != NULL) {
    ++*commands;
  }
  return PROGRAM_SECONDS + (int64_t)*commands * (run->args->rules->command_timeout_ms / 1000);
}

void mloom_check_timeout(mloom_check_run *run) {
  const mloom_settings *settings = run->args->settings;
  const mloom_job_rules *rules = run->args->rules;
  int64_t first_byte = mloom_settings_integer(settings, "first_byte_timeout", 0);
  int64_t idle = mloom_settings_integer(settings, "idle_timeout", 0);
  int64_t total = mloom_settings_integer(settings, "total_timeout", 0);
  int64_t job = rules->job_timeout_ms / 1000;
  int64_t command = rules->command_timeout_ms / 1000;
  int is_program = run->args->entry->descriptor.shape == MLOOM_SHAPE_AGENT;
  size_t commands = 0;
  int64_t needed = needed_seconds(run, &commands);
  mloom_check_begin(run);
  if (is_program && total < PROGRAM_SECONDS) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "allow the program half an hour or more",
                    "the program may work for %lld s on a job; it takes minutes for all but the smallest tickets",
                    (long long)total);
  } else if (is_program && total < needed) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "raise the program's time-out, or lower command_timeout_seconds",
                    "the program may work for %lld s, but this job is validated by %zu commands of up to %lld s each",
                    (long long)total, commands, (long long)command);
  } else if (is_program && idle < 60) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "raise the idle time-out to some minutes",
                    "the program may be silent for %lld s; models think, and tests run, for longer than that",
                    (long long)idle);
  } else if (total > 0 && total < 30) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "set total_timeout to some minutes",
                    "total_timeout is %lld s; a model that edits files often takes longer for one answer",
                    (long long)total);
  } else if (total > 0 && idle > total) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "set idle_timeout below total_timeout",
                    "idle_timeout (%lld s) is longer than total_timeout (%lld s) and can never be reached",
                    (long long)idle, (long long)total);
  } else if (total > 0 && first_byte > total) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "set first_byte_timeout below total_timeout",
                    "first_byte_timeout (%lld s) is longer than total_timeout (%lld s) and can never be reached",
                    (long long)first_byte, (long long)total);
  } else if (total == 0 && idle == 0) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "set idle_timeout or total_timeout",
                    "neither idle_timeout nor total_timeout is set: a silent service holds a job until it times out");
  } else if (job > 0 && total > job) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "set total_timeout below the job's time limit",
                    "one answer may take %lld s, the whole job only %lld s", (long long)total, (long long)job);
  } else if (job > 0 && command >= job) {
    mloom_check_end(run, "timeout", MLOOM_CHECK_WARN, "raise job_timeout_seconds or lower command_timeout_seconds",
                    "one command may take %lld s, the whole job only %lld s", (long long)command, (long long)job);
  } else {
    mloom_check_end(run, "timeout", MLOOM_CHECK_PASS, NULL,
                    "the time limits of answers, commands and jobs fit together");
  }
}

static int is_on_list(const char *const *list, const char *name) {
  for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
    if (strcmp(list[i], name) == 0) {
      return 1;
    }
  }
  return 0;
}

static int is_installed(const char *name) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  return mloom_process_find(&path, name, MLOOM_COMMAND_PATH, NULL) == MLOOM_OK;
}

void mloom_check_commands(mloom_check_run *run) {
  const char *const *allowed = run->args->rules->allowed_commands;
  const char *const *needed = run->args->validation_commands;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer forbidden = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer absent = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer missing = MLOOM_BUFFER_INIT;
  size_t found = 0;
  mloom_check_begin(run);
  for (size_t i = 0; needed != NULL && needed[i] != NULL; i++) {
    if (!is_on_list(allowed, needed[i])) {
      append_name(&forbidden, needed[i]);
    } else if (!is_installed(needed[i])) {
      append_name(&absent, needed[i]);
    }
  }
  for (size_t i = 0; allowed != NULL && allowed[i] != NULL; i++) {
    if (is_installed(allowed[i])) {
      found++;
    } else {
      append_name(&missing, allowed[i]);
    }
  }
  if (forbidden.size > 0) {
    mloom_check_end(run, "commands", MLOOM_CHECK_FAIL, "add it to JCA_WORKER_ALLOWED_COMMANDS",
                    "the repository's validation runs a command that is not allowed here: %s",
                    mloom_buffer_string(&forbidden));
  } else if (absent.size > 0) {
    mloom_check_end(run, "commands", MLOOM_CHECK_FAIL, "install it in a folder of " MLOOM_COMMAND_PATH,
                    "the repository's validation runs a command that is not installed here: %s",
                    mloom_buffer_string(&absent));
  } else if (missing.size > 0) {
    mloom_check_end(run, "commands", MLOOM_CHECK_WARN,
                    "install it in a folder of " MLOOM_COMMAND_PATH ", or take it off JCA_WORKER_ALLOWED_COMMANDS",
                    "allowed, but not installed: %s", mloom_buffer_string(&missing));
  } else if (found == 0) {
    mloom_check_end(run, "commands", MLOOM_CHECK_WARN, "name some in JCA_WORKER_ALLOWED_COMMANDS",
                    "no command is allowed: a model can neither build nor test");
  } else {
    mloom_check_end(run, "commands", MLOOM_CHECK_PASS, NULL, "%zu allowed command%s, all installed", found,
                    found == 1 ? "" : "s");
  }
}

void mloom_check_sandbox(mloom_check_run *run) {
  const mloom_job_rules *rules = run->args->rules;
  mloom_sandbox_proof proof;
  mloom_error error = MLOOM_ERROR_INIT;
  memset(&proof, 0, sizeof(proof));
  mloom_check_begin(run);
  int32_t code = mloom_sandbox_prove(run->args->call, rules->supervise_path, rules->scratch_path, &proof, &error);
  if (code != MLOOM_OK) {
    mloom_check_end_error(run, "sandbox", &error);
    return;
  }
  proof.detail[sizeof(proof.detail) - 1] = '\0';
  run->holds_files = proof.files;
  int holds = proof.files && proof.processes && proof.tree && (proof.network || rules->allow_network);
  if (holds) {
    mloom_check_end(run, "sandbox", MLOOM_CHECK_PASS, NULL, "%s", proof.detail);
  } else if (rules->sandbox_mode == MLOOM_SANDBOX_BEST_EFFORT) {
    mloom_check_end(run, "sandbox", MLOOM_CHECK_WARN, "run the worker on a kernel that has Landlock (5.13 or later)",
                    "%s", proof.detail);
  } else {
    mloom_check_end(
        run, "sandbox", MLOOM_CHECK_FAIL,
        "use a kernel with Landlock, or set JCA_WORKER_SANDBOX=best-effort where the container is the sandbox", "%s",
        proof.detail);
  }
}
