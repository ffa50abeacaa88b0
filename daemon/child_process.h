/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs mergeloom-worker for one request: plugins are loaded there and never in the daemon. A plugin that ends the
 * worker while it is loaded is noted in the quarantine, and the worker is started again, until it is left out.
 */
#ifndef MERGELOOM_DAEMON_CHILD_PROCESS_H
#define MERGELOOM_DAEMON_CHILD_PROCESS_H

#include "base/call.h"
#include "base/json.h"
#include "quarantine.h"
#include <mergeloom/mergeloom.h>

/* From the request to end to the kill. */
#define CHILD_GRACE_MS 1500

typedef struct child_programs {
  const char *worker_path; /* mergeloom-worker and mergeloom-supervise, absolute */
  const char *supervise_path;
  const char *const *environment; /* NAME=value, ends with NULL; handed on whole */
  const mloom_log *log;
  int64_t memory_mib;     /* that the worker itself may take; 0: no limit */
  int64_t enter_ms;       /* that one plugin may take to be loaded, or to be shut down; 0: no limit */
  quarantine *quarantine; /* NULL: nothing is noted, left out or tried again */
} child_programs;

/* One fact, from the thread that called child_process_run. Borrowed. */
typedef void (*child_fact_fn)(const char *type, const mloom_json *fact, void *userdata);

typedef struct child_outcome {
  int crashed; /* ended by a signal, without its last fact, or not in time */
  int noted;   /* in the quarantine: it was a plugin that was loaded or asked by others, and not that of the provider */
  int32_t signal;
  int32_t exit_code;
} child_outcome;

/* Blocking. MLOOM_OK when the child said that it is done. Else its own error, or MLOOM_E_INTERNAL with
 * outcome->crashed, or MLOOM_E_TIMEOUT with it, or MLOOM_E_CANCELLED. The request's strings are wiped from every copy
 * that was made of them here, but not from request, which gets the limits of programs and what is left out. */
int32_t child_process_run(const child_programs *programs, mloom_json *request, mloom_cancel *cancel, int64_t timeout_ms,
                          child_fact_fn fn, void *userdata, child_outcome *outcome, mloom_error *error);

/* The same, but the child ends by itself, MLOOM_E_CANCELLED, when the timer (see mloom_process_plan) runs out. */
int32_t child_process_lease(const child_programs *programs, mloom_json *request, const int *timer, mloom_cancel *cancel,
                            int64_t timeout_ms, child_fact_fn fn, void *userdata, child_outcome *outcome,
                            mloom_error *error);

/* The same as child_process_run for a request that is talked to: it goes into ends[1] of a pipe, the child's standard
 * input is ends[0], and what the caller writes into ends[1] after the child's first fact reaches the child. The ends
 * stay the caller's. MLOOM_E_LIMIT: the request is longer than what a pipe holds. */
int32_t child_process_talk(const child_programs *programs, mloom_json *request, const int ends[2], mloom_cancel *cancel,
                           int64_t timeout_ms, child_fact_fn fn, void *userdata, child_outcome *outcome,
                           mloom_error *error);

#endif
