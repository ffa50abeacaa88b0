/* SPDX-License-Identifier: Apache-2.0
 *
 * The executors that a gateway has heard of.
 */
#ifndef MERGELOOM_DAEMON_FLEET_H
#define MERGELOOM_DAEMON_FLEET_H

#include "base/json.h"

typedef struct fleet fleet;

typedef struct fleet_member {
  const char *name;
  const char *ready;           /* ",a,b,": providers that can take a job there */
  int64_t seen_ms;             /* wall clock */
  const mloom_json *obstacles; /* why others cannot: {"c": "..."}, and for "" the plugins that crash; NULL: not known */
} fleet_member;

fleet *fleet_new(void);
void fleet_free(fleet *fleet);
/* Notes a sign of life; NULL leaves what is known. Thread-safe. */
void fleet_note(fleet *fleet, const char *name, const char *ready);
/* Notes of one that is known why its other providers cannot take a job; copied. 1 when its plugins that crash are not
 * those that were known. Thread-safe. */
int fleet_note_obstacles(fleet *fleet, const char *name, const mloom_json *obstacles);
/* By name. */
void fleet_each(fleet *fleet, void (*fn)(const fleet_member *member, void *userdata), void *userdata);

#endif
