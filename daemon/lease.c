/* SPDX-License-Identifier: Apache-2.0 */
#include "lease.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "child_process.h"

#define MARGIN_MS 300
#define MARGIN_PART 16

static struct timespec timespec_of(int64_t milliseconds) {
  return (struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
}

int64_t lease_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int set_end(lease *self, int64_t asked_ms, int64_t granted_ms) {
  self->granted_ms = granted_ms;
  self->ends_ms = asked_ms + granted_ms - granted_ms / MARGIN_PART - MARGIN_MS - CHILD_GRACE_MS;
  self->ends_ms = self->ends_ms < 1 ? 1 : self->ends_ms; /* 0 would mean never */
  const struct itimerspec end = {.it_value = timespec_of(self->ends_ms), .it_interval = timespec_of(CHILD_GRACE_MS)};
  return timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &end, NULL);
}

int32_t lease_begin(lease *self, int64_t asked_ms, int64_t granted_ms, mloom_error *error) {
  self->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  return self->timer >= 0 && set_end(self, asked_ms, granted_ms) == 0
             ? MLOOM_OK
             : mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, "raise the limit of open files",
                                     "cannot keep the time of a lease");
}

void lease_renew(lease *self, int64_t asked_ms, int64_t granted_ms) {
  if (!lease_has_ended(self)) {
    (void)set_end(self, asked_ms, granted_ms);
  }
}

int lease_has_ended(const lease *self) {
  return self->timer < 0 || lease_now_ms() >= self->ends_ms;
}

void lease_close(lease *self) {
  if (self->timer >= 0) {
    close(self->timer);
  }
  self->timer = -1;
}
