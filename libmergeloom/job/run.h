/* SPDX-License-Identifier: Apache-2.0
 *
 * One running job: what its parts share.
 */
#ifndef MLOOM_JOB_RUN_H
#define MLOOM_JOB_RUN_H

#include "job/changes.h"
#include "job/document.h"
#include "job/events.h"
#include "job/tools.h"

typedef struct mloom_run {
  const mloom_job_run_args *args;
  const mloom_job *job;
  mloom_call call; /* the caller's, with the job's own deadline */
  int64_t begin_wall_ms;
  mloom_job_rules rules; /* the worker's, with the job's limits */
  uint64_t output_limit; /* bytes that commands may write in all; 0: none */
  mloom_workspace workspace;
  mloom_git_metadata metadata;
  mloom_command_runner runner;
  mloom_changes changes;
  mloom_tool_context tools;
  mloom_tool_set tool_set;
  mloom_session *session;
  mloom_audit *audit;
  mloom_emitter emitter;  /* turn and tokens are kept here */
  mloom_json *validation; /* outcome of each validation command, all attempts */
  mloom_json *request_ids;
  mloom_text_list warnings;
  mloom_text_list validation_files; /* changed by validation commands only */
  uint64_t cache_write_tokens;
  uint64_t reasoning_tokens;
  uint64_t cost_millionths; /* as providers say it themselves */
  uint64_t attempts;        /* exchanges with the provider, retries included */
  uint64_t tool_calls;
  uint64_t failed_tool_calls;
  int64_t provider_ms;
  int64_t tools_ms;
  int64_t validation_ms;
  uint32_t repairs;
  uint32_t reminders;
  uint32_t cut_answers;
  uint32_t call_as_text;     /* the turn wrote a call as text */
  uint32_t repeated;         /* how often the last failing call came in a row */
  uint32_t validation_state; /* MLOOM_CHECK_... */
  uint32_t state;            /* MLOOM_JOB_... */
  uint32_t ended;
  mloom_buffer last_failed; /* name and arguments of the last failing call */
  mloom_error failure;
} mloom_run;

/* Emits with the text as a C string. */
void mloom_run_emit(mloom_run *run, uint32_t kind, uint32_t state, const char *name, const char *text,
                    int64_t duration_ms);
/* Adds a line to the result's warnings and tells the listener. */
void mloom_run_warn(mloom_run *run, const char *code, const char *text);

/* 1 when the provider is a program that does the whole job by its own tools. */
int mloom_run_is_agent(const mloom_run *run);

/* What a program that works by its own tools tells of them: becomes events of tools, and a part of the record. */
void mloom_run_activity(mloom_run *run, const mloom_event *event);

/* The texts for the model. */
int32_t mloom_prompt_instructions(const mloom_run *run, mloom_buffer *out);
int32_t mloom_prompt_ticket(const mloom_run *run, mloom_buffer *out);

/* Runs the validation commands. *passed is 0 when one failed; report gets what the model is told then. */
int32_t mloom_validate(mloom_run *run, int *passed, mloom_buffer *report, mloom_error *error);

/* Runs the turns until the job has ended: state and failure are set. */
void mloom_loop_run(mloom_run *run);

/* Makes the result of an ended run. */
int32_t mloom_result_make(mloom_result **out, mloom_run *run, mloom_error *error);

#endif
