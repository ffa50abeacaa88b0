/* SPDX-License-Identifier: Apache-2.0
 *
 * The executors that a gateway has heard of.
 */
#ifndef MERGELOOM_DAEMON_FLEET_H
#define MERGELOOM_DAEMON_FLEET_H

#include <mergeloom/types.h>

typedef struct fleet fleet;

typedef struct fleet_member {
  const char *name;
  const char *ready; /* ",a,b,": providers that can take a job there */
  int64_t seen_ms;   /* wall clock */
} fleet_member;

fleet *fleet_new(void);
void fleet_free(fleet *fleet);
/* Notes a sign of life; NULL leaves what is known. Thread-safe. */
void fleet_note(fleet *fleet, const char *name, const char *ready);
/* By name. */
void fleet_each(fleet *fleet, void (*fn)(const fleet_member *member, void *userdata), void *userdata);

#endif
