/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching the command and ending its tree.
 */
#include "process/supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often the processes are counted where nothing asks before a fork: a bomb starts about so many in a millisecond,
 * and looking every few milliseconds at a program that works for an hour would cost more than all else here. */
#define FORKS_PER_MS 12
#define LEAST_COUNT_INTERVAL_MS 10
#define MOST_COUNT_INTERVAL_MS 100
/* What cannot be killed in this time waits for hardware. */
#define END_TIMEOUT_MS 25000
#define MOST_PROCESSES 65536

typedef struct process_entry {
  pid_t pid;
  pid_t parent;
  pid_t group;
  uint32_t threads;
  uint8_t zombie;
  uint8_t ours;
} process_entry;

static int read_entry(int proc, const char *name, process_entry *out) {
  char path[64];
  char text[512];
  snprintf(path, sizeof(path), "%.20s/stat", name);
  int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return 0;
  }
  ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (size <= 0) {
    return 0;
  }
  text[size] = '\0';
  /* "pid (name) state parent ...", and the name may hold anything. */
  const char *rest = strrchr(text, ')');
  char state = 0;
  int parent = 0;
  int group = 0;
  long threads = 0;
  if (rest == NULL || sscanf(rest + 1, " %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld", &state,
                             &parent, &group, &threads) != 4) {
    return 0;
  }
  *out = (process_entry){.pid = (pid_t)strtol(name, NULL, 10),
                         .parent = parent,
                         .group = group,
                         .threads = threads > 0 ? (uint32_t)threads : 1,
                         .zombie = state == 'Z' || state == 'X'};
  return 1;
}

static process_entry *read_processes(size_t *count) {
  *count = 0;
  size_t capacity = 0;
  process_entry *entries = NULL;
  DIR *folder = opendir("/proc");
  if (folder == NULL) {
    return NULL;
  }
  struct dirent *item;
  while ((item = readdir(folder)) != NULL && *count < MOST_PROCESSES) {
    if (item->d_name[0] < '1' || item->d_name[0] > '9') {
      continue;
    }
    if (*count == capacity) {
      capacity = capacity == 0 ? 256 : capacity * 2;
      process_entry *larger = realloc(entries, capacity * sizeof(*entries));
      if (larger == NULL) {
        break;
      }
      entries = larger;
    }
    *count += (size_t)read_entry(dirfd(folder), item->d_name, &entries[*count]);
  }
  closedir(folder);
  return entries;
}

static int compare_entries(const void *a, const void *b) {
  pid_t left = ((const process_entry *)a)->pid;
  pid_t right = ((const process_entry *)b)->pid;
  return left < right ? -1 : left > right;
}

/* Marks what descends from this process. New ones mostly have higher numbers, so few rounds do. */
static void mark_descendants(process_entry *entries, size_t count) {
  pid_t self = getpid();
  qsort(entries, count, sizeof(*entries), compare_entries);
  int changed = 1;
  while (changed) {
    changed = 0;
    for (size_t i = 0; i < count; i++) {
      if (entries[i].ours) {
        continue;
      }
      process_entry key = {.pid = entries[i].parent};
      const process_entry *parent = bsearch(&key, entries, count, sizeof(*entries), compare_entries);
      if (entries[i].parent == self || (parent != NULL && parent->ours)) {
        entries[i].ours = 1;
        changed = 1;
      }
    }
  }
}

/* In an own /proc all but process 1 belong to the tree. */
static uint64_t count_own_proc(void) {
  DIR *folder = opendir("/proc");
  if (folder == NULL) {
    return 0;
  }
  uint64_t count = 0;
  struct dirent *item;
  while ((item = readdir(folder)) != NULL) {
    count += item->d_name[0] >= '1' && item->d_name[0] <= '9';
  }
  closedir(folder);
  return count > 0 ? count - 1 : 0;
}

/* Processes of the tree; with end they are killed, and their groups, which are of one session and thus of the tree. */
static uint64_t visit_tree(const supervise_state *state, int end, uint64_t *threads) {
  size_t count = 0;
  process_entry *entries = read_processes(&count);
  int own_proc = (state->layers & SUPERVISE_PRIVATE_PROC) != 0;
  if (entries != NULL && !own_proc) {
    mark_descendants(entries, count);
  }
  uint64_t found = 0;
  pid_t last_group = 0;
  *threads = 0;
  for (size_t i = 0; i < count; i++) {
    if (own_proc ? entries[i].pid == 1 : !entries[i].ours || entries[i].pid == state->initial) {
      continue;
    }
    found++;
    *threads += entries[i].threads;
    if (end && entries[i].group > 1 && entries[i].group != last_group) {
      last_group = entries[i].group;
      kill(-last_group, SIGKILL);
    }
    if (end) {
      kill(entries[i].pid, SIGKILL);
    }
  }
  free(entries);
  return found;
}

typedef struct watch {
  const supervise_plan *plan;
  supervise_state *state;
  int signals;
  int control;        /* -1: its message was seen */
  int lease;          /* -1: it has ended, or does not matter any more */
  int64_t kill_at_ms; /* INT64_MAX: not yet to end */
  int64_t count_at_ms;
  uint64_t fewest_tasks; /* of the machine, so far */
  uint64_t processes;    /* when last looked at, with the forks allowed since */
  uint64_t threads;
} watch;

/* Looking at /proc costs; the kernel's own count of all tasks tells when it is worth it. */
static int has_too_many(watch *self) {
  struct sysinfo information;
  uint64_t limit = self->plan->processes;
  if (sysinfo(&information) != 0) {
    return 0;
  }
  if (information.procs < self->fewest_tasks) {
    self->fewest_tasks = information.procs;
  }
  uint64_t rise = information.procs - self->fewest_tasks;
  int own_proc = (self->state->layers & SUPERVISE_PRIVATE_PROC) != 0;
  if (own_proc && count_own_proc() > limit) {
    return 1;
  }
  if (rise <= (own_proc ? limit * SUPERVISE_THREADS_PER_PROCESS / 2 : limit / 4)) {
    return 0;
  }
  uint64_t threads = 0;
  uint64_t processes = visit_tree(self->state, 0, &threads);
  return processes > limit || threads > limit * SUPERVISE_THREADS_PER_PROCESS;
}

static int64_t count_interval(const supervise_plan *plan) {
  uint64_t interval = plan->processes / FORKS_PER_MS;
  return interval < LEAST_COUNT_INTERVAL_MS  ? LEAST_COUNT_INTERVAL_MS
         : interval > MOST_COUNT_INTERVAL_MS ? MOST_COUNT_INTERVAL_MS
                                             : (int64_t)interval;
}

/* May a signal of the tree go there? To the tree, and to groups within it. */
static int is_own_target(pid_t target) {
  if (target == 0) {
    return 1; /* the sender's own group */
  }
  if (target == -1) {
    return 0;
  }
  int own = 0;
  size_t count = 0;
  process_entry *entries = read_processes(&count);
  if (entries != NULL) {
    mark_descendants(entries, count);
  }
  for (size_t i = 0; i < count && !own; i++) {
    own = entries[i].ours && (target > 0 ? entries[i].pid == target : entries[i].group == -target);
  }
  free(entries);
  return own;
}

/* 0: too many. Looks at the tree only when the forks allowed since could have filled it. */
static int may_fork(watch *self) {
  uint64_t limit = self->plan->processes;
  self->processes++;
  self->threads++;
  if (self->processes > limit || self->threads > limit * SUPERVISE_THREADS_PER_PROCESS) {
    self->processes = visit_tree(self->state, 0, &self->threads) + 1;
    self->threads++;
  }
  return self->processes <= limit && self->threads <= limit * SUPERVISE_THREADS_PER_PROCESS;
}

/* Answers one of those that wait. 0: too many processes, and from now on no fork is answered. */
static int answer_question(watch *self) {
  supervise_question question;
  if (!supervise_next_question(self->state->guard, &question)) {
    return 1;
  }
  if (question.is_signal) {
    supervise_answer(self->state->guard, &question, is_own_target(question.target) ? 0 : EPERM);
  } else if (may_fork(self)) {
    supervise_answer(self->state->guard, &question, 0);
  } else {
    return 0;
  }
  return 1;
}

/* 1 when there are no children any more. */
static int reap(supervise_state *state) {
  int status = 0;
  pid_t child;
  while ((child = waitpid(-1, &status, WNOHANG)) > 0) {
    if (child == state->command) {
      state->command = 0;
      state->wait_status = status;
    } else if (child == state->initial) {
      state->initial = 0;
    }
  }
  return child < 0 && errno == ECHILD;
}

static void ask_to_end(watch *self) {
  self->control = -1;
  self->lease = -1;
  if (self->state->command != 0) {
    kill(-self->state->command, SIGTERM);
    kill(-self->state->command, SIGCONT);
  }
  self->kill_at_ms = supervise_now_ms() + (int64_t)self->plan->grace_ms;
}

/* The starting process may be stopped, or this machine may have slept: at the second round of the timer the grace is
 * over as well. */
static void end_with_lease(watch *self) {
  uint64_t rounds = 0;
  if (read(self->lease, &rounds, sizeof(rounds)) == (ssize_t)sizeof(rounds)) {
    supervise_report("lease-over");
    ask_to_end(self);
    self->kill_at_ms = rounds > 1 ? 0 : self->kill_at_ms;
  }
}

static int wait_time(const watch *self) {
  int64_t next = self->count_at_ms < self->kill_at_ms ? self->count_at_ms : self->kill_at_ms;
  if (next == INT64_MAX) {
    return -1;
  }
  int64_t left = next - supervise_now_ms();
  return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* Until the command has ended or its time is over. */
static void wait_for_command(watch *self) {
  while (self->state->command != 0) {
    struct pollfd fds[4] = {{.fd = self->signals, .events = POLLIN},
                            {.fd = self->control, .events = POLLIN},
                            {.fd = self->state->guard, .events = POLLIN},
                            {.fd = self->lease, .events = POLLIN}};
    if (poll(fds, 4, wait_time(self)) < 0 && errno != EINTR) {
      return;
    }
    if (fds[0].revents != 0) {
      struct signalfd_siginfo information;
      while (read(self->signals, &information, sizeof(information)) > 0) {
      }
      reap(self->state);
    }
    if ((fds[2].revents & POLLIN) != 0 && !answer_question(self)) {
      supervise_report("too-many");
      return;
    }
    if ((fds[2].revents & (POLLHUP | POLLERR)) != 0) {
      close(self->state->guard); /* nobody is left who could ask */
      self->state->guard = -1;
    }
    if (self->control >= 0 && fds[1].revents != 0) {
      ask_to_end(self);
    }
    if (self->lease >= 0 && fds[3].revents != 0) {
      end_with_lease(self);
    }
    int64_t now = supervise_now_ms();
    if (self->state->command != 0 && now >= self->kill_at_ms) {
      return;
    }
    if (now >= self->count_at_ms) {
      if (has_too_many(self)) {
        supervise_report("too-many");
        return;
      }
      self->count_at_ms = now + count_interval(self->plan);
    }
  }
}

static int read_within(int fd, void *out, size_t size, int timeout_ms) {
  struct pollfd waited = {.fd = fd, .events = POLLIN};
  int ready;
  do {
    ready = poll(&waited, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 && read(fd, out, size) == (ssize_t)size;
}

/* Waits for all children; 0 when some would not go. */
static int reap_all(supervise_state *state, int64_t deadline_ms) {
  for (;;) {
    if (reap(state)) {
      return 1;
    }
    if (supervise_now_ms() >= deadline_ms) {
      return 0;
    }
    poll(NULL, 0, 1);
  }
}

/* Ends the tree through process 1 of its namespace. Returns how many had to be killed behind the command. */
static uint32_t end_with_namespace(supervise_state *state, int64_t deadline_ms) {
  uint32_t killed = 0;
  kill(state->initial, SIGTERM);
  read_within(state->initial_fd, &killed, sizeof(killed), 2000);
  if (state->initial != 0) {
    kill(state->initial, SIGKILL);
  }
  if (!reap_all(state, deadline_ms)) {
    supervise_report("stuck");
  }
  return killed;
}

/* Without a namespace: what loses its parent becomes a child of this process, so the tree cannot get away, and where
 * there are no children there is no tree; it is killed round after round until then. */
static uint32_t end_without_namespace(supervise_state *state, int64_t deadline_ms) {
  uint32_t killed = 0;
  if (reap(state)) {
    return 0;
  }
  for (;;) {
    uint64_t threads = 0;
    visit_tree(state, 1, &threads);
    int status = 0;
    pid_t child;
    while ((child = waitpid(-1, &status, WNOHANG)) > 0) {
      if (child == state->command) {
        state->command = 0;
        state->wait_status = status;
      } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        killed++;
      }
    }
    if (child < 0 && errno == ECHILD) {
      return killed;
    }
    if (supervise_now_ms() >= deadline_ms) {
      supervise_report("stuck");
      return killed;
    }
    poll(NULL, 0, 1);
  }
}

void supervise_watch(const supervise_plan *plan, supervise_state *state) {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  watch self = {.plan = plan,
                .state = state,
                .signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK),
                .control = SUPERVISE_CONTROL_FD,
                .lease = SUPERVISE_LEASE_FD,
                .kill_at_ms = INT64_MAX,
                .count_at_ms = plan->processes == 0 || (state->guard >= 0 && plan->processes != 0) ? INT64_MAX : 0,
                .processes = 1,
                .threads = 1,
                .fewest_tasks = UINT64_MAX};
  if (self.signals < 0) {
    supervise_fail("internal", errno, "signalfd");
  }
  wait_for_command(&self);
  int ended_itself = state->command == 0;
  int64_t deadline_ms = supervise_now_ms() + END_TIMEOUT_MS;
  uint32_t killed =
      state->initial != 0 ? end_with_namespace(state, deadline_ms) : end_without_namespace(state, deadline_ms);
  if (state->command == 0 && WIFEXITED(state->wait_status)) {
    supervise_report("exited %d", WEXITSTATUS(state->wait_status));
  } else {
    supervise_report("signalled %d", state->command == 0 ? WTERMSIG(state->wait_status) : SIGKILL);
  }
  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  supervise_report("survivors %u", ended_itself ? killed : 0);
  supervise_report("cpu %lld", (long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                                   (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
  supervise_report("rss %ld", usage.ru_maxrss);
  supervise_report("done");
}
