/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders, commands and what came of them, for the tests of real processes.
 */
#ifndef MLOOM_TESTS_UNIT_PROCESS_FIXTURE_H
#define MLOOM_TESTS_UNIT_PROCESS_FIXTURE_H

#include "base/buffer.h"
#include "base/call.h"
#include "process/process.h"

/* A guard, never an expectation. */
#define GUARD_MS 60000

typedef struct fixture {
  char root[48];
  char workspace[64]; /* writable */
  char outside[64];   /* out of reach */
  char secret[80];    /* a file in outside */
} fixture;

/* Aborts the test program when it cannot be made. */
void fixture_new(fixture *self);
void fixture_free(fixture *self);

typedef struct outcome {
  int32_t code;
  mloom_error error;
  mloom_process_report report;
  mloom_buffer output;
  mloom_buffer error_output;
} outcome;

void outcome_free(outcome *self);

/* A plan with the fixture's workspace, the sandbox given (NULL: none) and a guard on its time. argv, sandbox and the
 * result borrow. */
mloom_process_plan fixture_plan(const fixture *self, const char *const *argv, const mloom_sandbox *sandbox);
mloom_sandbox fixture_sandbox(const fixture *self);
void fixture_run_plan(const mloom_call *call, const mloom_process_plan *plan, outcome *out);

/* Runs "/bin/sh -c script". */
void fixture_shell(const fixture *self, int confined, const char *script, outcome *out);
/* Runs python3 -c script with the arguments (NULL ends them; may be NULL). */
void fixture_python(const fixture *self, int confined, const char *script, const char *const *arguments, outcome *out);

/* Processes of the machine whose arguments hold marker, this program excepted. */
int count_processes_with(const char *marker);
/* Kills them and returns how many they were. marker must be the test's own. */
int kill_processes_with(const char *marker);

/* Makes a system call fail with error_number for this process and all it starts, for good. Aborts on failure. */
void refuse_call(long call, int error_number);
/* 1 when this program was told to (by its argument) and has done so: sandboxes find no namespaces to be had. */
int namespaces_refused(void);

#endif
