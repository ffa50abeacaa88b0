/* SPDX-License-Identifier: Apache-2.0
 *
 * Ends this process when a plugin has it grow without end. A limit of the kernel would be inherited by the commands of
 * a job, some of which reserve far more address space than they use.
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
#define EXIT_OVERGROWN 70

struct child_memory {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  int ending;
  int statm;
  int64_t limit_mib;
};

static int64_t resident_mib(int statm) {
  char text[128];
  long long pages = 0;
  ssize_t size = pread(statm, text, sizeof text - 1, 0);
  text[size > 0 ? size : 0] = '\0';
  return sscanf(text, "%*s %lld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) >> 20 : 0;
}

/* By write alone: other threads may hold the locks of everything else. */
static void give_up(int64_t limit_mib) {
  char line[64];
  int size = snprintf(line, sizeof line, "\n{\"type\":\"overgrown\",\"mib\":%lld}\n", (long long)limit_mib);
  ssize_t written = write(STDOUT_FILENO, line, (size_t)size);
  _exit(written < 0 ? EXIT_OVERGROWN + 1 : EXIT_OVERGROWN);
}

static void *watch(void *userdata) {
  child_memory *self = userdata;
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  pthread_mutex_lock(&self->lock);
  while (!self->ending) {
    next.tv_sec += (next.tv_nsec + LOOK_NS) / 1000000000;
    next.tv_nsec = (next.tv_nsec + LOOK_NS) % 1000000000;
    if (pthread_cond_timedwait(&self->ended, &self->lock, &next) == ETIMEDOUT &&
        resident_mib(self->statm) > self->limit_mib) {
      give_up(self->limit_mib);
    }
  }
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

int32_t child_memory_watch(child_memory **out, int64_t limit_mib, mloom_error *error) {
  *out = NULL;
  if (limit_mib <= 0) {
    return MLOOM_OK;
  }
  child_memory *self = calloc(1, sizeof *self);
  if (self == NULL) {
    return mloom_error_memory(error);
  }
  self->limit_mib = limit_mib;
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
    return mloom_error_set_errno(error, failure, MLOOM_DOMAIN_SYSTEM, NULL, "cannot watch the memory of this process");
  }
  *out = self;
  return MLOOM_OK;
}

void child_memory_end(child_memory *self) {
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
