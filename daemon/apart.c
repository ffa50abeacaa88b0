/* SPDX-License-Identifier: Apache-2.0 */
#include "apart.h"

#include <stddef.h>

void apart_open(apart *self) {
  *self = (apart){.closed = 0};
  pthread_mutex_init(&self->lock, NULL);
}

static void *run_place(void *userdata) {
  apart_place *place = userdata;
  place->run(place->userdata);
  pthread_mutex_lock(&place->owner->lock);
  place->runs = 0;
  pthread_mutex_unlock(&place->owner->lock);
  return NULL;
}

/* With the lock held; NULL: all of them work. */
static apart_place *find_place(apart *self) {
  apart_place *found = NULL;
  for (size_t i = 0; found == NULL && i < APART_LIMIT; i++) {
    found = self->places[i].runs ? NULL : &self->places[i];
  }
  if (found != NULL && found->has_thread) {
    pthread_join(found->thread, NULL); /* it is past all that takes the lock */
    found->has_thread = 0;
  }
  return found;
}

int apart_begin(apart *self, void (*run)(void *userdata), void *userdata) {
  pthread_mutex_lock(&self->lock);
  apart_place *place = self->closed ? NULL : find_place(self);
  if (place != NULL) {
    *place = (apart_place){.owner = self, .run = run, .userdata = userdata, .runs = 1};
    place->has_thread = pthread_create(&place->thread, NULL, run_place, place) == 0;
    place->runs = place->has_thread;
  }
  int begun = place != NULL && place->runs;
  pthread_mutex_unlock(&self->lock);
  return begun;
}

void apart_close(apart *self) {
  pthread_mutex_lock(&self->lock);
  self->closed = 1;
  pthread_mutex_unlock(&self->lock);
  for (size_t i = 0; i < APART_LIMIT; i++) {
    if (self->places[i].has_thread) {
      pthread_join(self->places[i].thread, NULL);
      self->places[i].has_thread = 0;
    }
  }
}

void apart_free(apart *self) {
  pthread_mutex_destroy(&self->lock);
}
