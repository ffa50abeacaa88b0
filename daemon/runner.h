/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs jobs, each in a child process, as many at a time as there are slots.
 */
#ifndef MERGELOOM_DAEMON_RUNNER_H
#define MERGELOOM_DAEMON_RUNNER_H

#include "app.h"

typedef struct runner runner;

/* jobs is copied. */
int32_t runner_new(runner **out, application *app, const job_source *jobs, mloom_error *error);
/* Looks for jobs now. Thread-safe. */
void runner_wake(runner *runner);
/* Takes no more jobs and waits at most grace_ms for those that run; what runs on then is cancelled and handed back. */
void runner_stop(runner *runner, int64_t grace_ms);
void runner_free(runner *runner);

/* Takes a mergeloom.job.v1 document into the store; *id (64 bytes and a NUL) gets its name. MLOOM_E_INVALID,
 * MLOOM_E_BLOCKED: it resolves to nothing that may run; MLOOM_E_CONFLICT: its id is taken. */
int32_t runner_submit(application *app, const mloom_json *document, char id[65], mloom_error *error);
/* A pending job ends at once, a running one as soon as its processes have ended. */
int32_t runner_cancel(application *app, const char *id, mloom_error *error);

#endif
