/* SPDX-License-Identifier: Apache-2.0
 *
 * Ends this process when a plugin has it grow without end, or does not come back while it is loaded or shut down. A
 * limit of the kernel would be inherited by the commands of a job, some of which reserve far more address space than
 * they use.
 */
#include "child/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

#define LOOK_NS 100000000
#define EXIT_GIVEN_UP 70

struct child_watch {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  int ending;
  int statm;
  int64_t limit_mib;
  int64_t enter_ms;
  _Atomic int64_t entered_ms; /* since when a plugin is loaded or shut down; 0: none is */
};

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t resident_mib(int statm) {
  char text[128];
  long long pages = 0;
  ssize_t size = pread(statm, text, sizeof text - 1, 0);
  text[size > 0 ? size : 0] = '\0';
  return sscanf(text, "%*s %lld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) >> 20 : 0;
}

/* By write alone: other threads may hold the locks of everything else. */
static void give_up(const char *type, const char *member, int64_t limit) {
  char line[64];
  int size = snprintf(line, sizeof line, "\n{\"type\":\"%s\",\"%s\":%lld}\n", type, member, (long long)limit);
  ssize_t written = write(STDOUT_FILENO, line, (size_t)size);
  _exit(written < 0 ? EXIT_GIVEN_UP + 1 : EXIT_GIVEN_UP);
}

static void look(child_watch *self) {
  int64_t entered_ms = self->entered_ms;
  if (self->limit_mib > 0 && resident_mib(self->statm) > self->limit_mib) {
    give_up("overgrown", "mib", self->limit_mib);
  }
  if (self->enter_ms > 0 && entered_ms != 0 && now_ms() - entered_ms > self->enter_ms) {
    give_up("stuck", "ms", self->enter_ms);
  }
}

static void *watch(void *userdata) {
  child_watch *self = userdata;
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  pthread_mutex_lock(&self->lock);
  while (!self->ending) {
    next.tv_sec += (next.tv_nsec + LOOK_NS) / 1000000000;
    next.tv_nsec = (next.tv_nsec + LOOK_NS) % 1000000000;
    if (pthread_cond_timedwait(&self->ended, &self->lock, &next) == ETIMEDOUT) {
      look(self);
    }
  }
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

int32_t child_watch_new(child_watch **out, int64_t limit_mib, int64_t enter_ms, mloom_error *error) {
  *out = NULL;
  child_watch *self = calloc(1, sizeof *self);
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->limit_mib = limit_mib;
  self->enter_ms = enter_ms;
  self->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&self->lock, NULL);
  pthread_cond_init(&self->ended, &attributes);
  pthread_condattr_destroy(&attributes);
  int failure = self->statm < 0 ? errno : pthread_create(&self->thread, NULL, watch, self);
  if (failure != 0) {
    mloom_auto_close(&self->statm);
    free(self);
    return mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM, NULL, "cannot watch this process");
  }
  *out = self;
  return MLOOM_OK;
}

void child_watch_note(child_watch *self, int entered) {
  self->entered_ms = entered ? now_ms() : 0;
}

void child_watch_end(child_watch *self) {
  if (self == NULL) {
    return;
  }
  pthread_mutex_lock(&self->lock);
  self->ending = 1;
  pthread_cond_signal(&self->ended);
  pthread_mutex_unlock(&self->lock);
  pthread_join(self->thread, NULL);
  pthread_cond_destroy(&self->ended);
  pthread_mutex_destroy(&self->lock);
  mloom_auto_close(&self->statm);
  free(self);
}
