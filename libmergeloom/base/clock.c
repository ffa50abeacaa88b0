/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>

#define LONGEST_WAIT_MS 3600000

static int64_t read_clock(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(const mloom_clock *clock) {
  (void)clock;
  return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(const mloom_clock *clock) {
  (void)clock;
  return read_clock(CLOCK_MONOTONIC);
}

static void system_wait_until(const mloom_clock *clock, int64_t monotonic_ms, int wake_fd) {
  struct pollfd wake = {.fd = wake_fd, .events = POLLIN};
  for (;;) {
    int64_t now = system_monotonic_ms(clock);
    if (now >= monotonic_ms) {
      return;
    }
    uint64_t left = (uint64_t)monotonic_ms - (uint64_t)now;
    if (poll(&wake, 1, left < LONGEST_WAIT_MS ? (int)left : LONGEST_WAIT_MS) > 0) {
      return;
    }
  }
}

const mloom_clock *mloom_clock_system(void) {
  static const mloom_clock clock = {system_wall_ms, system_monotonic_ms, system_wait_until, NULL};
  return &clock;
}

void mloom_clock_format(int64_t wall_ms, char out[32]) {
  int64_t milliseconds = wall_ms % 1000;
  int64_t seconds = wall_ms / 1000;
  if (milliseconds < 0) {
    milliseconds += 1000;
    seconds--;
  }
  time_t time = (time_t)seconds;
  struct tm utc;
  /* Years of more than four digits have no such form. */
  if (gmtime_r(&time, &utc) == NULL || utc.tm_year > 9999 - 1900 || utc.tm_year < -1900) {
    snprintf(out, 32, "0000-00-00T00:00:00.000Z");
    return;
  }
  snprintf(out, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(utc.tm_year + 1900) % 10000u,
           (unsigned)(utc.tm_mon + 1) % 100u, (unsigned)utc.tm_mday % 100u, (unsigned)utc.tm_hour % 100u,
           (unsigned)utc.tm_min % 100u, (unsigned)utc.tm_sec % 100u, (unsigned)milliseconds % 1000u);
}
