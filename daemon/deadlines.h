/* SPDX-License-Identifier: Apache-2.0
 *
 * Ends connections whose request does not come to its end in time, however steadily its bytes drip.
 */
#ifndef MERGELOOM_DAEMON_DEADLINES_H
#define MERGELOOM_DAEMON_DEADLINES_H

#include <stdint.h>

/* One connection. The list does not own the socket: it has to be taken off before that is closed. */
typedef struct deadline {
  struct deadline *next, *previous;
  int fd;
  int64_t since_ms; /* when the present request could begin; 0: it has come whole */
} deadline;

typedef struct deadlines {
  deadline *first;
  int64_t limit_ms;
} deadlines;

/* The caller serializes. NULL without memory. */
deadline *deadlines_add(deadlines *list, int fd, int64_t now_ms);
void deadlines_remove(deadlines *list, deadline *entry);
/* Shuts down what is late. */
void deadlines_enforce(const deadlines *list, int64_t now_ms);

#endif
