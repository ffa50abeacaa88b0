/* SPDX-License-Identifier: Apache-2.0
 *
 * Work that may take long, each in a thread of its own, so many at a time.
 */
#ifndef MERGELOOM_DAEMON_APART_H
#define MERGELOOM_DAEMON_APART_H

#include <pthread.h>

#define APART_LIMIT 4

typedef struct apart_place {
  struct apart *owner;
  void (*run)(void *userdata);
  void *userdata;
  pthread_t thread;
  int has_thread; /* it has to be joined */
  int runs;
} apart_place;

typedef struct apart {
  pthread_mutex_t lock;
  apart_place places[APART_LIMIT];
  int closed;
} apart;

void apart_open(apart *self);
/* 1 when run has begun, or will soon; 0 when there is no place for it. */
int apart_begin(apart *self, void (*run)(void *userdata), void *userdata);
/* Nothing runs after it. */
void apart_close(apart *self);
void apart_free(apart *self);

#endif
