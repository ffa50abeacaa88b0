/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks as an object, so that tests can stop them.
 */
#ifndef MLOOM_BASE_CLOCK_H
#define MLOOM_BASE_CLOCK_H

#include <mergeloom/types.h>

typedef struct mloom_clock mloom_clock;
struct mloom_clock {
  int64_t (*wall_ms)(const mloom_clock *clock);
  int64_t (*monotonic_ms)(const mloom_clock *clock);
  /* Waits until monotonic_ms or until wake_fd (-1: none) becomes readable. */
  void (*wait_until)(const mloom_clock *clock, int64_t monotonic_ms, int wake_fd);
  void *userdata;
};

/* The system's clocks. Static. */
const mloom_clock *mloom_clock_system(void);
/* "2026-11-22T23:20:41.123Z" into out. */
void mloom_clock_format(int64_t wall_ms, char out[32]);

#endif
