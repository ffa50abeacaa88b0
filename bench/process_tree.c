/* SPDX-License-Identifier: Apache-2.0
 *
 * process_tree REPORT PROGRAM ARGUMENT...: runs a program and writes what it and each process that it started took, a
 * line each with tabs between: process, its parent, CPU in microseconds, peak resident memory in KB, how much of that
 * is shared with other processes (half of what two share), when it began and ended in microseconds, its command line. A
 * process that runs another program in its place has a line for each. It is stopped where processes begin, change their
 * program and end, nowhere else, so that nothing is missed however short it lives, and the kernel's own count of
 * nanoseconds is read when it has ended.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_TASKS 4096 /* at a time; each thread is one */
#define EVENTS                                                                                                \
  (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | \
   PTRACE_O_EXITKILL)

typedef struct task {
  pid_t id; /* 0: free */
  pid_t process;
  pid_t parent;       /* of a process */
  long long began_us; /* the program that it runs now */
  long long counted_ns;
  long long threads_ns; /* of threads that have ended */
  long peak_kb;
  long shared_kb;
  char command[2048];
} task;

static task tasks[MOST_TASKS];
static FILE *report;

/* ---- What the kernel tells ---- */

static long long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static size_t read_file(pid_t id, const char *name, char *out, size_t capacity) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/%s", (int)id, name);
  FILE *file = fopen(path, "r");
  size_t size = file == NULL ? 0 : fread(out, 1, capacity - 1, file);
  if (file != NULL) {
    fclose(file);
  }
  out[size] = '\0';
  return size;
}

static long read_number(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at == NULL ? 0 : strtol(at + strlen(name), NULL, 10);
}

static long long read_cpu_ns(pid_t id) {
  char text[128];
  read_file(id, "schedstat", text, sizeof(text));
  return strtoll(text, NULL, 10);
}

static void read_memory(task *self) {
  char text[8192];
  read_file(self->id, "status", text, sizeof(text));
  self->peak_kb = read_number(text, "VmHWM:");
  read_file(self->id, "smaps_rollup", text, sizeof(text));
  self->shared_kb = read_number(text, "Rss:") - read_number(text, "Pss:");
}

static void read_command(task *self) {
  size_t size = read_file(self->id, "cmdline", self->command, sizeof(self->command));
  for (size_t i = 0; i < size; i++) {
    if (self->command[i] == '\0' || self->command[i] == '\n' || self->command[i] == '\t') {
      self->command[i] = ' ';
    }
  }
}

/* ---- Tasks ---- */

static task *find(pid_t id) {
  for (size_t i = 0; i < MOST_TASKS; i++) {
    if (tasks[i].id == id) {
      return &tasks[i];
    }
  }
  return NULL;
}

/* A new process runs its parent's program at first. */
static task *find_or_add(pid_t id) {
  task *found = find(id);
  if (found == NULL && (found = find(0)) != NULL) {
    char text[8192];
    read_file(id, "status", text, sizeof(text));
    memset(found, 0, sizeof(*found));
    found->id = id;
    found->began_us = now_us();
    found->process = (pid_t)read_number(text, "\nTgid:");
    found->parent = (pid_t)read_number(text, "\nPPid:");
    const task *parent = find(found->parent);
    if (found->process == id && parent != NULL) {
      memcpy(found->command, parent->command, sizeof(found->command));
    }
  }
  if (found == NULL) {
    fprintf(stderr, "process_tree: more than %d tasks\n", MOST_TASKS);
    exit(1);
  }
  return found;
}

/* Writes what has been counted of a process since it runs its program. */
static void write_line(task *self, long long cpu_ns) {
  long long ended_us = now_us();
  fprintf(report, "%d\t%d\t%lld\t%ld\t%ld\t%lld\t%lld\t%s\n", (int)self->id, (int)self->parent,
          (cpu_ns + self->threads_ns - self->counted_ns) / 1000, self->peak_kb, self->shared_kb, self->began_us,
          ended_us, self->command);
  self->counted_ns = cpu_ns + self->threads_ns;
  self->began_us = ended_us;
}

static void on_ended(task *self) {
  long long cpu_ns = read_cpu_ns(self->id);
  task *leader = find(self->process);
  if (self->id == self->process) {
    write_line(self, cpu_ns);
  } else if (leader != NULL) {
    leader->threads_ns += cpu_ns;
  }
}

static void on_event(task *self, int event) {
  if (event == PTRACE_EVENT_EXEC) {
    write_line(self, read_cpu_ns(self->id));
    read_command(self);
  } else if (event == PTRACE_EVENT_EXIT && self->id == self->process) {
    read_memory(self);
  }
}

static void on_stopped(task *self, int status) {
  int signal_number = WSTOPSIG(status);
  int event = status >> 16;
  if (event == PTRACE_EVENT_STOP && signal_number != SIGTRAP) {
    ptrace(PTRACE_LISTEN, self->id, NULL, NULL); /* stopped by a signal, and stays so until SIGCONT */
    return;
  }
  if (event != 0) {
    on_event(self, event);
    signal_number = 0;
  }
  ptrace(PTRACE_CONT, self->id, NULL, (void *)(long)signal_number);
}

/* Until all have ended; the status of the first one. */
static int watch(pid_t first) {
  int result = 1;
  siginfo_t seen = {.si_pid = 0};
  while (waitid(P_ALL, 0, &seen, WEXITED | WSTOPPED | WNOWAIT | __WALL) == 0 || errno == EINTR) {
    pid_t id = seen.si_pid;
    task *self = find_or_add(id);
    int ended = seen.si_code == CLD_EXITED || seen.si_code == CLD_KILLED || seen.si_code == CLD_DUMPED;
    int status = 0;
    if (ended) {
      on_ended(self);
    }
    if (waitpid(id, &status, __WALL) != id) {
      continue;
    }
    if (!ended) {
      on_stopped(self, status);
      continue;
    }
    self->id = 0;
    if (id == first) {
      result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
  return result;
}

int main(int argc, char **argv) {
  int status = 0;
  if (argc < 3 || (report = fopen(argv[1], "we")) == NULL) {
    fprintf(stderr, "usage: process_tree REPORT PROGRAM ARGUMENT...\n");
    return 125;
  }
  pid_t first = fork();
  if (first == 0) {
    raise(SIGSTOP);
    execv(argv[2], argv + 2);
    _exit(127);
  }
  if (first < 0 || waitpid(first, &status, WUNTRACED) != first || !WIFSTOPPED(status) ||
      ptrace(PTRACE_SEIZE, first, NULL, (void *)(long)EVENTS) != 0) {
    fprintf(stderr, "process_tree: processes cannot be watched here: %s\n", strerror(errno));
    kill(first, SIGKILL);
    return 125;
  }
  kill(first, SIGCONT);
  status = watch(first);
  return fclose(report) == 0 ? status : 125;
}
