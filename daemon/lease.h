/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a job is this daemon's. The end is a timer of the kernel that the job's processes are watched by as well, so
 * that they end in time though this process is stopped, cut off, or its machine asleep. Nothing lengthens a lease that
 * has ended.
 */
#ifndef MERGELOOM_DAEMON_LEASE_H
#define MERGELOOM_DAEMON_LEASE_H

#include <mergeloom/types.h>

typedef struct lease {
  int timer; /* readable at the end; -1: there is none */
  int64_t granted_ms;
  int64_t ends_ms; /* by lease_now_ms */
} lease;

/* A clock that goes on while the machine sleeps. */
int64_t lease_now_ms(void);
/* A lease of granted_ms that was asked for at asked_ms. Its processes end early enough to be gone before others may
 * have the job. */
int32_t lease_begin(lease *self, int64_t asked_ms, int64_t granted_ms, mloom_error *error);
void lease_renew(lease *self, int64_t asked_ms, int64_t granted_ms);
int lease_has_ended(const lease *self);
void lease_close(lease *self);

#endif
