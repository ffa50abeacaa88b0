/* SPDX-License-Identifier: Apache-2.0 */
#include "job/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "job/git_guard.h"

/* A command that writes without end is ended here; what is kept of its output is the worker's setting. */
#define OUTPUT_CEILING (UINT64_C(64) << 20)
#define FILE_CEILING (UINT64_C(4) << 30)
#define PROCESS_CEILING 512u
#define OPEN_FILES_CEILING 4096u
#define OWN_TIMEOUT_MS 120000

/* git's configuration for every git of a job, over that of the repository: nothing of it names a program. */
static const char *const git_settings[][2] = {{"core.hooksPath", "/dev/null"},
                                              {"core.fsmonitor", "false"},
                                              {"core.pager", "cat"},
                                              {"core.editor", ":"},
                                              {"core.askPass", ""},
                                              {"core.sshCommand", "/bin/false"},
                                              {"core.attributesFile", "/dev/null"},
                                              {"credential.helper", ""},
                                              {"protocol.allow", "never"},
                                              {"commit.gpgSign", "false"},
                                              {"tag.gpgSign", "false"},
                                              {"gc.auto", "0"},
                                              {"maintenance.auto", "false"},
                                              {"safe.directory", "*"},
                                              {"advice.addEmbeddedRepo", "false"}};

static const char *const base_environment[] = {
    ("PATH=" MLOOM_COMMAND_PATH), /* in parentheses: clang suspects a forgotten comma */
    "LANG=C.UTF-8",
    "TERM=dumb",
    "PYTHONDONTWRITEBYTECODE=1", /* caches of test runs would stand in the diff */
    "PAGER=cat",
    "GIT_PAGER=cat",
    "GIT_EDITOR=:",
    "GIT_SEQUENCE_EDITOR=:",
    "GIT_ASKPASS=/bin/false",
    "GIT_SSH_COMMAND=/bin/false",
    "GIT_TERMINAL_PROMPT=0",
    "GIT_CONFIG_NOSYSTEM=1",
    "GIT_CONFIG_GLOBAL=/dev/null",
    "GIT_ATTR_NOSYSTEM=1",
    "GIT_ALLOW_PROTOCOL=",
    "GIT_AUTHOR_NAME=MergeLoom",
    "GIT_AUTHOR_EMAIL=mergeloom@local",
    "GIT_COMMITTER_NAME=MergeLoom",
    "GIT_COMMITTER_EMAIL=mergeloom@local",
};

__attribute__((format(printf, 2, 3))) static int32_t add_format(mloom_text_list *list, const char *format, ...) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  va_list arguments;
  va_start(arguments, format);
  int32_t code = mloom_buffer_append_vformat(&text, format, arguments);
  va_end(arguments);
  return code == MLOOM_OK ? mloom_text_list_add(list, mloom_buffer_string(&text), text.size) : code;
}

static int32_t add_common(mloom_text_list *list, const mloom_command_runner *runner) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < sizeof base_environment / sizeof *base_environment && code == MLOOM_OK; i++) {
    code = mloom_text_list_add(list, base_environment[i], strlen(base_environment[i]));
  }
  const size_t count = sizeof git_settings / sizeof *git_settings;
  for (size_t i = 0; i < count && code == MLOOM_OK; i++) {
    code = add_format(list, "GIT_CONFIG_KEY_%zu=%s", i, git_settings[i][0]);
    code = code == MLOOM_OK ? add_format(list, "GIT_CONFIG_VALUE_%zu=%s", i, git_settings[i][1]) : code;
  }
  code = code == MLOOM_OK ? add_format(list, "GIT_CONFIG_COUNT=%zu", count) : code;
  code = code == MLOOM_OK ? add_format(list, "HOME=%s", runner->home) : code;
  return code == MLOOM_OK ? add_format(list, "TMPDIR=%s", runner->temporary) : code;
}

static int32_t make_environments(mloom_command_runner *runner) {
  int32_t code = add_common(&runner->environment, runner);
  code = code == MLOOM_OK ? add_format(&runner->environment, "GIT_OPTIONAL_LOCKS=0") : code;
  code = code == MLOOM_OK ? add_common(&runner->git_environment, runner) : code;
  code = code == MLOOM_OK ? add_format(&runner->git_environment, "GIT_DIR=%s", runner->git_dir) : code;
  return code == MLOOM_OK ? add_format(&runner->git_environment, "GIT_WORK_TREE=%s", runner->workspace->path) : code;
}

/* A folder that is named as one of git's objects and is none stays closed. */
static int32_t add_object_folder(mloom_text_list *list, const char *path, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer pack = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_format(&pack, "%.*s/pack", (int)size, path);
  return code == MLOOM_OK && access(pack.data, F_OK) == 0 ? mloom_text_list_add(list, path, size) : code;
}

/* What commands may read besides the system and the working tree. */
static int32_t make_read_paths(mloom_command_runner *runner) {
  int32_t code = MLOOM_OK;
  const char *const *given = runner->rules->sandbox_read_paths;
  for (size_t i = 0; given != NULL && given[i] != NULL && code == MLOOM_OK; i++) {
    code = mloom_text_list_add(&runner->read_paths, given[i], strlen(given[i]));
  }
  const mloom_git_metadata *git = runner->metadata;
  if (code == MLOOM_OK && git->kind == MLOOM_GIT_ELSEWHERE) {
    code = mloom_text_list_add(&runner->read_paths, git->git_dir, strlen(git->git_dir));
    code = code == MLOOM_OK ? mloom_text_list_add(&runner->read_paths, git->common_dir, strlen(git->common_dir)) : code;
  }
  /* A clone made with --shared or --reference keeps objects elsewhere. */
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (code == MLOOM_OK && git->common_dir != NULL &&
      (code = mloom_buffer_append_format(&path, "%s/objects/info/alternates", git->common_dir)) == MLOOM_OK &&
      mloom_file_read(&text, mloom_buffer_string(&path), 65536, MLOOM_DOMAIN_WORKSPACE, NULL) == MLOOM_OK) {
    for (const char *line = mloom_buffer_string(&text); *line != '\0' && code == MLOOM_OK;) {
      size_t length = strcspn(line, "\n");
      if (line[0] == '/' && length > 1) {
        code = add_object_folder(&runner->read_paths, line, length);
      }
      line += length + (line[length] == '\n');
    }
  }
  return code;
}

static int32_t make_scratch(mloom_command_runner *runner, mloom_error *error) {
  static const char remedy[] = "set the worker's scratch_path to a folder that it can write to";
  MLOOM_AUTO(mloom_auto_free) char *template = NULL;
  const char *parent = runner->rules->scratch_path == NULL ? "/tmp" : runner->rules->scratch_path;
  if (asprintf(&template, "%s/mergeloom-job-XXXXXX", parent) < 0) {
    template = NULL;
    return mloom_error_memory(error);
  }
  if (mkdtemp(template) == NULL) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_JOB, remedy, "no private folder can be made in %s", parent);
  }
  runner->scratch = realpath(template, NULL);
  if (runner->scratch == NULL) {
    rmdir(template);
    return mloom_error_memory(error);
  }
  if (asprintf(&runner->home, "%s/home", runner->scratch) < 0 ||
      asprintf(&runner->temporary, "%s/tmp", runner->scratch) < 0 ||
      asprintf(&runner->git_dir, "%s/git", runner->scratch) < 0) {
    return mloom_error_memory(error);
  }
  if (mkdir(runner->home, 0700) != 0 || mkdir(runner->temporary, 0700) != 0 || mkdir(runner->git_dir, 0700) != 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_JOB, remedy, "%s cannot be set up", runner->scratch);
  }
  return MLOOM_OK;
}

int32_t mloom_command_runner_open(mloom_command_runner *out, const mloom_job_rules *rules,
                                  const mloom_workspace *workspace, mloom_git_metadata *metadata, mloom_error *error) {
  memset(out, 0, sizeof *out);
  out->rules = rules;
  out->workspace = workspace;
  out->metadata = metadata;
  int32_t code = make_scratch(out, error);
  if (code == MLOOM_OK && (make_environments(out) != MLOOM_OK || make_read_paths(out) != MLOOM_OK)) {
    code = mloom_error_memory(error);
  }
  if (code != MLOOM_OK) {
    mloom_command_runner_close(out);
  }
  return code;
}

void mloom_command_runner_close(mloom_command_runner *runner) {
  if (runner->scratch != NULL) {
    mloom_file_remove_tree(runner->scratch, NULL);
  }
  mloom_git_nested_free(&runner->nested);
  free(runner->scratch);
  free(runner->home);
  free(runner->temporary);
  free(runner->git_dir);
  free(runner->wrapper);
  free(runner->judge);
  mloom_text_list_free(&runner->environment);
  mloom_text_list_free(&runner->git_environment);
  mloom_text_list_free(&runner->read_paths);
  memset(runner, 0, sizeof *runner);
}

int mloom_command_is_allowed(const mloom_job_rules *rules, const char *name) {
  for (size_t i = 0; rules->allowed_commands != NULL && rules->allowed_commands[i] != NULL; i++) {
    if (strcmp(rules->allowed_commands[i], name) == 0) {
      return strchr(name, '/') == NULL && *name != '\0' && *name != '.';
    }
  }
  return 0;
}

int32_t mloom_command_append_allowed(const mloom_job_rules *rules, mloom_buffer *out) {
  int32_t code = MLOOM_OK;
  size_t i = 0;
  for (; rules->allowed_commands != NULL && rules->allowed_commands[i] != NULL && code == MLOOM_OK; i++) {
    code = mloom_buffer_append_format(out, "%s%s", i == 0 ? "" : ", ", rules->allowed_commands[i]);
  }
  return code == MLOOM_OK && i == 0 ? mloom_buffer_append_string(out, "none") : code;
}

static int32_t check_command(const mloom_command_runner *runner, const char *const *argv, size_t count,
                             mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer allowed = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer remedy = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer shown = MLOOM_BUFFER_INIT;
  if (count == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "give the command's name and arguments",
                           "argv is empty");
  }
  if (mloom_command_append_allowed(runner->rules, &allowed) != MLOOM_OK ||
      mloom_buffer_append_format(&remedy, "allowed are: %.300s", mloom_buffer_string(&allowed)) != MLOOM_OK ||
      mloom_text_append_printable(&shown, argv[0], strnlen(argv[0], 80), 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (strchr(argv[0], '/') != NULL) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_JOB,
                           "name the command without a folder; a script of the repository needs its interpreter",
                           "%s is a path: commands are named, not located", mloom_buffer_string(&shown));
  }
  if (!mloom_command_is_allowed(runner->rules, argv[0])) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_JOB, mloom_buffer_string(&remedy),
                           "the command %s is not allowed on this worker", mloom_buffer_string(&shown));
  }
  return strcmp(argv[0], "git") == 0 ? mloom_git_guard_check(argv, count, error) : MLOOM_OK;
}

/* ---- Running ---- */

static int32_t keep_output(const char *data, size_t size, void *userdata) {
  return mloom_output_capture_add(userdata, data, size);
}

MLOOM_DEFINE_AUTO(mloom_output_capture, mloom_output_capture_free)

/* argv with the absolute program in front. */
static const char **make_argv(const char *program, const char *const *argv, size_t count) {
  const char **out = calloc(count + 2, sizeof *out);
  if (out != NULL) {
    out[0] = program;
    for (size_t i = 1; i < count; i++) {
      out[i] = argv[i];
    }
  }
  return out;
}

static int32_t run_confined(mloom_command_runner *runner, const mloom_call *call, const char *const *argv, size_t count,
                            int64_t timeout_ms, const mloom_process_sink *sink, mloom_process_report *report,
                            mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer program = MLOOM_BUFFER_INIT;
  int32_t code = mloom_process_find(&program, argv[0], MLOOM_COMMAND_PATH, error);
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(mloom_auto_free) const char **full = make_argv(mloom_buffer_string(&program), argv, count);
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list read = {NULL, 0};
  for (size_t i = 0; i < runner->read_paths.count && code == MLOOM_OK; i++) {
    code = mloom_text_list_add(&read, runner->read_paths.items[i], strlen(runner->read_paths.items[i]));
  }
  if (code == MLOOM_OK && runner->read_only) {
    code = mloom_text_list_add(&read, runner->workspace->path, strlen(runner->workspace->path));
  }
  if (code != MLOOM_OK || full == NULL) {
    return mloom_error_memory(error);
  }
  const char *write_paths[] = {runner->home, runner->temporary, runner->read_only ? NULL : runner->workspace->path,
                               NULL};
  mloom_sandbox sandbox = {.read_paths = (const char *const *)read.items,
                           .write_paths = write_paths,
                           .mode = runner->rules->sandbox_mode,
                           .allow_network = runner->rules->allow_network};
  mloom_process_plan plan = {.supervise_path = runner->rules->supervise_path,
                             .argv = full,
                             .environment = (const char *const *)runner->environment.items,
                             .working_directory = runner->workspace->path,
                             .sandbox = &sandbox,
                             .limits = {.total_timeout_ms = (uint64_t)timeout_ms,
                                        .grace_ms = 500,
                                        .output_bytes = OUTPUT_CEILING,
                                        .file_bytes = FILE_CEILING,
                                        .processes = PROCESS_CEILING,
                                        .open_files = OPEN_FILES_CEILING}};
  return mloom_process_run(call, &plan, sink, report, error);
}

int32_t mloom_command_run(mloom_command_runner *runner, const mloom_call *call, const char *const *argv, size_t count,
                          int64_t timeout_ms, mloom_command_outcome *out, mloom_error *error) {
  memset(out, 0, sizeof *out);
  int32_t code = check_command(runner, argv, count, error);
  code =
      code == MLOOM_OK && !runner->read_only ? mloom_git_nested_load(&runner->nested, runner->workspace, error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  int64_t limit = runner->rules->command_timeout_ms > 0 ? runner->rules->command_timeout_ms : 300000;
  size_t kept = runner->rules->command_output_bytes > 0 && runner->rules->command_output_bytes < (1u << 20)
                    ? (size_t)runner->rules->command_output_bytes
                    : 65536;
  MLOOM_AUTO(mloom_output_capture_free_auto) mloom_output_capture *capture = NULL;
  if (mloom_output_capture_new(&capture, kept / 2, kept - kept / 2) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_process_sink sink = {
      .size = sizeof sink, .userdata = capture, .output = keep_output, .error_output = keep_output};
  runner->commands++;
  code = run_confined(runner, call, argv, count, timeout_ms > 0 && timeout_ms < limit ? timeout_ms : limit, &sink,
                      &out->report, error);
  runner->output_total += mloom_output_capture_total(capture);
  /* Whatever happened to the command, .git is put back before anything else runs. */
  int32_t restored =
      mloom_git_metadata_restore(runner->metadata, runner->workspace, &out->tampered, code == MLOOM_OK ? error : NULL);
  if (code == MLOOM_OK && mloom_output_capture_append_to(capture, &out->output) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return code == MLOOM_OK ? restored : code;
}

void mloom_command_outcome_free(mloom_command_outcome *outcome) {
  mloom_buffer_free(&outcome->output);
  mloom_text_list_free(&outcome->tampered);
}

int32_t mloom_command_append_ending(const mloom_command_outcome *outcome, mloom_buffer *out) {
  const mloom_process_report *report = &outcome->report;
  int32_t code;
  switch (report->ended) {
  case MLOOM_PROCESS_EXITED:
    code = mloom_buffer_append_format(out, "exit code %d", (int)report->exit_code);
    break;
  case MLOOM_PROCESS_SIGNALLED:
    code = mloom_buffer_append_format(out, "ended by signal %d", (int)report->signal);
    break;
  case MLOOM_PROCESS_TIMED_OUT:
    code = mloom_buffer_append_string(out, "ended: it ran longer than its time limit");
    break;
  case MLOOM_PROCESS_IDLE:
    code = mloom_buffer_append_string(out, "ended: it wrote nothing for too long");
    break;
  case MLOOM_PROCESS_TOO_MANY:
    code = mloom_buffer_append_format(out, "ended: it started more than %u processes", PROCESS_CEILING);
    break;
  case MLOOM_PROCESS_OUTPUT_LIMIT:
    code = mloom_buffer_append_string(out, "ended: it wrote too much output");
    break;
  case MLOOM_PROCESS_CANCELLED:
    code = mloom_buffer_append_string(out, "ended: the job was cancelled");
    break;
  default:
    code = mloom_buffer_append_string(out, "it could not be started");
    break;
  }
  if (code == MLOOM_OK && report->survivors > 0) {
    code = mloom_buffer_append_format(out, " (%u processes it left behind were ended)", report->survivors);
  }
  return code;
}

/* ---- The engine's own programs ---- */

typedef struct own_output {
  mloom_buffer *out;
  size_t limit;
  mloom_buffer complaint;
  int truncated;
} own_output;

static int32_t own_stdout(const char *data, size_t size, void *userdata) {
  own_output *own = userdata;
  size_t room = own->limit > own->out->size ? own->limit - own->out->size : 0;
  own->truncated |= size > room;
  return mloom_buffer_append(own->out, data, size < room ? size : room);
}

static int32_t own_stderr(const char *data, size_t size, void *userdata) {
  own_output *own = userdata;
  size_t room = own->complaint.size < 400 ? 400 - own->complaint.size : 0;
  return mloom_buffer_append(&own->complaint, data, size < room ? size : room);
}

static void own_output_free(own_output *own) {
  mloom_buffer_free(&own->complaint);
}

static int32_t own_failed(const char *name, const own_output *own, const mloom_process_report *report,
                          mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer said = MLOOM_BUFFER_INIT;
  mloom_text_append_printable(&said, mloom_buffer_string(&own->complaint), own->complaint.size, 0);
  if (report->ended == MLOOM_PROCESS_TIMED_OUT) {
    return mloom_error_set(error, MLOOM_E_TIMEOUT, MLOOM_DOMAIN_WORKSPACE, "exclude large files with .gitignore",
                           "%s took longer than %d s", name, OWN_TIMEOUT_MS / 1000);
  }
  return mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_WORKSPACE,
                         "run git status in the repository and mend what it "
                         "reports",
                         "%s failed with exit code %d: %s", name, (int)report->exit_code,
                         said.size == 0 ? "it said nothing" : mloom_buffer_string(&said));
}

int32_t mloom_command_run_own(mloom_command_runner *runner, const mloom_call *call, const char *name,
                              const char *const *arguments, const mloom_bytes *input, size_t limit, mloom_buffer *out,
                              int *truncated, int32_t *exit_code, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer program = MLOOM_BUFFER_INIT;
  int32_t code = mloom_process_find(&program, name, MLOOM_COMMAND_PATH, error);
  if (code != MLOOM_OK) {
    return code;
  }
  size_t count = 0;
  while (arguments[count] != NULL) {
    count++;
  }
  MLOOM_AUTO(mloom_auto_free) const char **argv = calloc(count + 2, sizeof *argv);
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list read = {NULL, 0};
  for (size_t i = 0; argv != NULL && i < runner->read_paths.count && code == MLOOM_OK; i++) {
    code = mloom_text_list_add(&read, runner->read_paths.items[i], strlen(runner->read_paths.items[i]));
  }
  if (argv == NULL || code != MLOOM_OK ||
      mloom_text_list_add(&read, runner->workspace->path, strlen(runner->workspace->path)) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  argv[0] = mloom_buffer_string(&program);
  memcpy(argv + 1, arguments, count * sizeof *argv);
  const char *write_paths[] = {runner->git_dir, NULL};
  mloom_sandbox sandbox = {
      .read_paths = (const char *const *)read.items, .write_paths = write_paths, .mode = runner->rules->sandbox_mode};
  mloom_process_plan plan = {
      .supervise_path = runner->rules->supervise_path,
      .argv = argv,
      .environment = (const char *const *)runner->git_environment.items,
      .working_directory = runner->workspace->path,
      .input = input,
      .sandbox = &sandbox,
      .limits = {.total_timeout_ms = OWN_TIMEOUT_MS, .grace_ms = 200, .processes = PROCESS_CEILING}};
  MLOOM_AUTO(own_output_free) own_output own = {out, out->size + limit, MLOOM_BUFFER_INIT, 0};
  mloom_process_sink sink = {.size = sizeof sink, .userdata = &own, .output = own_stdout, .error_output = own_stderr};
  mloom_process_report report = {0};
  code = mloom_process_run(call, &plan, &sink, &report, error);
  if (truncated != NULL) {
    *truncated = own.truncated;
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (exit_code != NULL && report.ended == MLOOM_PROCESS_EXITED) {
    *exit_code = report.exit_code;
    return MLOOM_OK;
  }
  return report.ended == MLOOM_PROCESS_EXITED && report.exit_code == 0 ? MLOOM_OK
                                                                       : own_failed(name, &own, &report, error);
}
