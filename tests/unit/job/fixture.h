/* SPDX-License-Identifier: Apache-2.0
 *
 * A repository, rules and a scripted provider for tests of the job floor. The provider is a descriptor in this program;
 * its turns are texts that a real process exchange (cat) carries.
 */
#ifndef MLOOM_TESTS_UNIT_JOB_FIXTURE_H
#define MLOOM_TESTS_UNIT_JOB_FIXTURE_H

#include "harness.h"
#include "job/changes.h"
#include "job/job.h"
#include "job/tools.h"

/* A scripted turn has one instruction a line:
 *   text WORDS | reasoning WORDS | call NAME JSON | notice CODE WORDS | result JSON
 *   stop end|calls|length|refused|paused (default: calls when there are calls)
 *   fail CODE WORDS: the turn fails with this code */
typedef struct fixture {
  char base[64];       /* everything is below */
  char repository[96]; /* a git repository with one commit: main.c, docs/guide.md, script.py */
  char scratch[96];
  char audit[96];
  const char **allowed; /* ends with NULL */
  mloom_job_rules rules;
  mloom_call call;
  mloom_cancel *cancel;
  mloom_redactor *redactor;
  /* Of the last run. */
  mloom_result *result;
  mloom_error error;
  mloom_buffer events;   /* JSON lines */
  mloom_buffer told;     /* what the model was told, message by message */
  mloom_buffer declared; /* names of the tools it was offered, one a line */
  const char *cancel_at; /* cancels when an event's JSON contains this */
  const char *shell_at;  /* runs shell_command when an event's JSON contains this */
  const char *shell_command;
} fixture;

void fixture_open(fixture *f);
void fixture_close(fixture *f);
/* Runs a shell command in the repository, as the user who owns it would; returns its exit status. */
__attribute__((format(printf, 2, 3))) int fixture_shell(const fixture *f, const char *format, ...);
/* The output of a shell command in the repository; static storage. */
const char *fixture_output(const fixture *f, const char *command);
/* Content of a file of the repository; NULL when there is none; static storage. */
const char *fixture_file(const fixture *f, const char *path);

/* Runs a job. extra is JSON members of the document ("\"mode\": \"review\"") or NULL; turns ends with NULL. */
int32_t fixture_run(fixture *f, const char *extra, const char *const *turns, int agent);
/* A member of the result by a path such as "validation.state" or "files_changed.0.path" as text; static storage. */
const char *fixture_result(const fixture *f, const char *path);
/* 1 when the model was told a text that contains part. */
int fixture_was_told(const fixture *f, const char *part);

/* The parts below the loop, for tests of single tools. */
typedef struct bench {
  mloom_workspace workspace;
  mloom_git_metadata metadata;
  mloom_command_runner runner;
  mloom_changes changes;
  mloom_tool_context tools;
  mloom_buffer out;
  mloom_error error;
} bench;

void bench_open(bench *b, fixture *f, int read_only);
void bench_close(bench *b);
/* Parses arguments and runs the tool; out and error are filled anew. */
int32_t bench_tool(bench *b, const char *name, const char *arguments);

#endif
