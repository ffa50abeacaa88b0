/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a runner gets its jobs: the store of this daemon, or a gateway.
 */
#ifndef MERGELOOM_DAEMON_JOB_SOURCE_H
#define MERGELOOM_DAEMON_JOB_SOURCE_H

#include <stdatomic.h>

#include "store/store.h"

/* A job, by which claim it is had. */
typedef struct job_claim {
  char id[65];
  int64_t number;
} job_claim;

/* As the functions of store.h with the executor's name left out. MLOOM_E_UNAVAILABLE: the source cannot be reached now.
 * Thread-safe. */
typedef struct job_source {
  void *ctx;
  /* lease_ms gets how long the job is leased from some time after the call. */
  int32_t (*claim)(void *ctx, const char *ready, store_job_fn fn, void *userdata, int64_t *lease_ms,
                   mloom_error *error);
  int32_t (*renew)(void *ctx, const job_claim *job, int64_t *lease_ms, int *cancelled, mloom_error *error);
  int32_t (*event)(void *ctx, const job_claim *job, const char *event, mloom_error *error);
  /* crash: how its plugin crashed, for a source whose audit does not have it yet; NULL: it did not. */
  int32_t (*end)(void *ctx, const job_claim *job, const char *state, const char *reason, const char *result,
                 const char *diff, const char *crash, mloom_error *error);
  int32_t (*give_back)(void *ctx, const job_claim *job, mloom_error *error);
  /* Not NULL: claim itself waits for a job; this has those that wait return, for what is ready has changed. */
  void (*interrupt)(void *ctx);
} job_source;

/* The store of this daemon, as its own executor. */
typedef struct local_jobs {
  store *store;
  const char *executor;
  int64_t lease_ms;
  atomic_int hurried; /* the daemon stops: what cannot be written soon is left to the end of its lease */
} local_jobs;

/* jobs is borrowed. */
job_source job_source_of_store(local_jobs *jobs);

#endif
