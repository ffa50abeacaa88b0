/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands in the sandbox: those of the model and of validation, and the engine's own git.
 */
#ifndef MLOOM_JOB_COMMAND_H
#define MLOOM_JOB_COMMAND_H

#include "job/git_metadata.h"
#include "job/job.h"
#include "job/workspace.h"
#include "process/process.h"

#define MLOOM_COMMAND_PATH "/usr/local/bin:/usr/bin:/bin"

/* What commands of one job share. */
typedef struct mloom_command_runner {
  const mloom_job_rules *rules;
  const mloom_workspace *workspace;
  mloom_git_metadata *metadata;
  mloom_git_nested nested; /* loaded before the first command that could change one */
  char *scratch;           /* private folder of the job, removed at its end: home, tmp, git */
  char *home;
  char *temporary;
  char *git_dir;
  char *wrapper;
  char *judge;
  mloom_text_list environment;
  mloom_text_list git_environment;
  mloom_text_list read_paths;
  uint32_t read_only; /* 1: the working tree cannot be changed */
  uint32_t reserved;
  uint64_t output_total; /* bytes that commands of the job have written so far */
  uint64_t commands;
} mloom_command_runner;

typedef struct mloom_command_outcome {
  mloom_process_report report;
  mloom_buffer output; /* stdout and stderr as they came, head and tail, UTF-8 */
  mloom_text_list tampered;
} mloom_command_outcome;

/* Makes the scratch folder. workspace and rules are borrowed. metadata is loaded. */
int32_t mloom_command_runner_open(mloom_command_runner *out, const mloom_job_rules *rules,
                                  const mloom_workspace *workspace, mloom_git_metadata *metadata, mloom_error *error);
void mloom_command_runner_close(mloom_command_runner *runner);

/* Writes a program into the scratch folder that takes a command line for bash and runs it as a command of the job: same
 * sandbox, same environment. For programs of the operator that are confined themselves and run commands of a model.
 * The path is borrowed from the runner. */
int32_t mloom_command_runner_make_wrapper(mloom_command_runner *runner, const char **out, mloom_error *error);

/* Writes another one, which tells whether a command line keeps to the worker's list; see mloom_session_args. */
int32_t mloom_command_runner_make_judge(mloom_command_runner *runner, const char **out, mloom_error *error);

/* 1 when the bare name is on the worker's list. */
int mloom_command_is_allowed(const mloom_job_rules *rules, const char *name);
/* Appends the list for people. */
int32_t mloom_command_append_allowed(const mloom_job_rules *rules, mloom_buffer *out);

/* Runs an allowed command in the working tree; timeout_ms 0 takes the rules'. MLOOM_OK whenever it ran, however it
 * ended. MLOOM_E_DENIED: the name is not allowed or the arguments are refused. MLOOM_E_CANCELLED, MLOOM_E_TIMEOUT: the
 * call ended. */
int32_t mloom_command_run(mloom_command_runner *runner, const mloom_call *call, const char *const *argv, size_t count,
                          int64_t timeout_ms, mloom_command_outcome *out, mloom_error *error);
void mloom_command_outcome_free(mloom_command_outcome *outcome);
/* Appends "exit code 0" or why it ended otherwise. */
int32_t mloom_command_append_ending(const mloom_command_outcome *outcome, mloom_buffer *out);

/* Runs a program of the engine's own choice that can change nothing but the scratch git folder. name is looked up on
 * the fixed path. Output beyond limit is dropped and *truncated set. A non-zero exit is MLOOM_E_IO with what the
 * program said, unless exit_code is given. */
int32_t mloom_command_run_own(mloom_command_runner *runner, const mloom_call *call, const char *name,
                              const char *const *arguments, const mloom_bytes *input, size_t limit, mloom_buffer *out,
                              int *truncated, int32_t *exit_code, mloom_error *error);

#endif
