/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#define MEMBER_LIMIT 256
#define OBSTACLES_LIMIT ((size_t)64 * 1024)

typedef struct member {
  char name[128];
  char ready[1024];
  int64_t seen_ms;
  mloom_json *obstacles;
} member;

struct fleet {
  pthread_mutex_t lock;
  member members[MEMBER_LIMIT];
  size_t count;
};

fleet *fleet_new(void) {
  fleet *self = calloc(1, sizeof *self);
  if (self != NULL) {
    pthread_mutex_init(&self->lock, NULL);
  }
  return self;
}

void fleet_free(fleet *self) {
  if (self != NULL) {
    for (size_t i = 0; i < self->count; i++) {
      mloom_json_unref(self->members[i].obstacles);
    }
    pthread_mutex_destroy(&self->lock);
    free(self);
  }
}

/* With the lock held: the place of name in the order, made when it is new; the one silent for longest gives way. */
static member *place_of(fleet *self, const char *name) {
  size_t at = 0, oldest = 0;
  while (at < self->count && strcmp(self->members[at].name, name) < 0) {
    at++;
  }
  if (at < self->count && strcmp(self->members[at].name, name) == 0) {
    return &self->members[at];
  }
  if (self->count == MEMBER_LIMIT) {
    for (size_t i = 1; i < self->count; i++) {
      oldest = self->members[i].seen_ms < self->members[oldest].seen_ms ? i : oldest;
    }
    mloom_json_unref(self->members[oldest].obstacles);
    memmove(&self->members[oldest], &self->members[oldest + 1], (self->count - oldest - 1) * sizeof *self->members);
    self->count--;
    at -= oldest < at;
  }
  memmove(&self->members[at + 1], &self->members[at], (self->count - at) * sizeof *self->members);
  self->count++;
  self->members[at] = (member){0};
  snprintf(self->members[at].name, sizeof self->members[at].name, "%s", name);
  return &self->members[at];
}

void fleet_note(fleet *self, const char *name, const char *ready) {
  const mloom_clock *clock = mloom_clock_system();
  if (name[0] == '\0' || strlen(name) >= sizeof self->members[0].name) {
    return;
  }
  pthread_mutex_lock(&self->lock);
  member *known = place_of(self, name);
  known->seen_ms = clock->wall_ms(clock);
  if (ready != NULL) {
    snprintf(known->ready, sizeof known->ready, "%s", ready);
  }
  pthread_mutex_unlock(&self->lock);
}

int fleet_note_obstacles(fleet *self, const char *name, const mloom_json *obstacles) {
  int news = 0;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_json *copy = NULL;
  /* A tree of its own: references are counted without atomics. */
  if (obstacles == NULL || mloom_json_serialize(&text, obstacles, 0) != MLOOM_OK || text.size > OBSTACLES_LIMIT ||
      mloom_json_parse(&copy, text.data, text.size, "the obstacles", NULL) != MLOOM_OK) {
    return 0;
  }
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < self->count; i++) {
    member *known = &self->members[i];
    if (strcmp(known->name, name) == 0) {
      mloom_json *old = known->obstacles;
      const char *left_alone = mloom_json_member_string(copy, "", "");
      news = left_alone[0] != '\0' && strcmp(left_alone, mloom_json_member_string(old, "", "")) != 0;
      known->obstacles = copy;
      copy = old;
    }
  }
  pthread_mutex_unlock(&self->lock);
  mloom_json_unref(copy);
  return news;
}

void fleet_each(fleet *self, void (*fn)(const fleet_member *member, void *userdata), void *userdata) {
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < self->count; i++) {
    const member *known = &self->members[i];
    const fleet_member shown = {known->name, known->ready, known->seen_ms, known->obstacles};
    fn(&shown, userdata);
  }
  pthread_mutex_unlock(&self->lock);
}
