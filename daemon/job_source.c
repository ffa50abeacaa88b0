/* SPDX-License-Identifier: Apache-2.0 */
#include "job_source.h"

#include "base/clock.h"

#define END_PAUSE_MS 500
#define HURRIED_TRIES 3

static store_lease lease_of(const local_jobs *jobs, const job_claim *job) {
  return (store_lease){job->id, jobs->executor, job->number};
}

static int32_t claim(void *ctx, const char *ready, store_job_fn fn, void *userdata, int64_t *lease_ms,
                     mloom_error *error) {
  const local_jobs *jobs = ctx;
  *lease_ms = jobs->lease_ms;
  return store_claim_job(jobs->store, jobs->executor, ready, jobs->lease_ms, fn, userdata, error);
}

static int32_t renew(void *ctx, const job_claim *job, int64_t *lease_ms, int *cancelled, mloom_error *error) {
  const local_jobs *jobs = ctx;
  const store_lease lease = lease_of(jobs, job);
  *lease_ms = jobs->lease_ms;
  return store_renew_lease(jobs->store, &lease, jobs->lease_ms, cancelled, error);
}

static int32_t add_event(void *ctx, const job_claim *job, const char *event, mloom_error *error) {
  const local_jobs *jobs = ctx;
  return store_note_event(jobs->store, job->id, event, error);
}

static int32_t end(void *ctx, const job_claim *job, const char *state, const char *reason, const char *result,
                   const char *diff, const char *crash, mloom_error *error) {
  local_jobs *jobs = ctx;
  const store_lease lease = lease_of(jobs, job);
  (void)crash;
  const mloom_clock *clock = mloom_clock_system();
  /* A result must not be lost because the database is away. */
  for (int hurried = 0;;) {
    int32_t code = store_end_job(jobs->store, &lease, state, reason, result, diff, error);
    hurried += atomic_load(&jobs->hurried);
    if (code != MLOOM_E_UNAVAILABLE || hurried > HURRIED_TRIES) {
      return code;
    }
    clock->wait_until(clock, clock->monotonic_ms(clock) + END_PAUSE_MS, -1);
  }
}

static int32_t give_back(void *ctx, const job_claim *job, mloom_error *error) {
  const local_jobs *jobs = ctx;
  const store_lease lease = lease_of(jobs, job);
  return store_return_job(jobs->store, &lease, error);
}

job_source job_source_of_store(local_jobs *jobs) {
  return (job_source){jobs, claim, renew, add_event, end, give_back, NULL};
}
