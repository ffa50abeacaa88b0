/* SPDX-License-Identifier: Apache-2.0
 *
 * mergeloom-supervise: the plan from the arguments, then one command, then the end of everything it started.
 */
#include "process/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void write_status(const char *line, size_t size) {
  while (size > 0) {
    ssize_t written = write(SUPERVISE_STATUS_FD, line, size);
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return; /* nobody listens any more: the control descriptor will say so */
    }
    line += written;
    size -= (size_t)written;
  }
}

static void report_line(char *line, size_t capacity, int used) {
  size_t size = used < 0 ? 0 : (size_t)used < capacity - 1 ? (size_t)used : capacity - 2;
  for (size_t i = 0; i < size; i++) {
    if (line[i] == '\n') {
      line[i] = ' ';
    }
  }
  line[size] = '\n';
  write_status(line, size + 1);
}

void supervise_report(const char *format, ...) {
  char line[PATH_MAX + 256];
  va_list arguments;
  va_start(arguments, format);
  int used = vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  report_line(line, sizeof(line), used);
}

void supervise_fail(const char *kind, int error_number, const char *format, ...) {
  char line[PATH_MAX + 256];
  int used = snprintf(line, sizeof(line), "error %s %d ", kind, error_number);
  va_list arguments;
  va_start(arguments, format);
  int more = vsnprintf(line + used, sizeof(line) - (size_t)used, format, arguments);
  va_end(arguments);
  report_line(line, sizeof(line), more < 0 ? used : used + more);
  _exit(125);
}

int64_t supervise_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void supervise_raise_priority(void) {
  struct sched_param parameters = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters);
}

static uint64_t parse_number(const char *name, const char *text) {
  char *end = NULL;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || text[0] == '-') {
    supervise_fail("usage", EINVAL, "%s needs a number, not \"%s\"", name, text);
  }
  return value;
}

static int parse_choice(const char *name, const char *text, const char *const *choices) {
  for (int i = 0; choices[i] != NULL; i++) {
    if (strcmp(text, choices[i]) == 0) {
      return i;
    }
  }
  supervise_fail("usage", EINVAL, "%s cannot be \"%s\"", name, text);
}

static void add_path(const char **paths, size_t *count, const char *path, int needed) {
  char *resolved = realpath(path, NULL);
  if (resolved != NULL) {
    paths[(*count)++] = resolved;
  } else if (needed) {
    supervise_fail("directory", errno, "%s", path);
  }
}

static void parse_option(supervise_plan *plan, const char *name, const char *value) {
  static const char *const networks[] = {"deny", "allow", NULL};
  static const char *const answers[] = {"no", "yes", NULL};
  static const char *const sandboxes[] = {"none", "best-effort", "require", NULL};
  if (strcmp(name, "--read") == 0) {
    add_path(plan->read_paths, &plan->read_count, value, 0);
  } else if (strcmp(name, "--write") == 0) {
    add_path(plan->write_paths, &plan->write_count, value, 1);
  } else if (strcmp(name, "--network") == 0) {
    plan->network = (uint32_t)parse_choice(name, value, networks);
  } else if (strcmp(name, "--sandbox") == 0) {
    int choice = parse_choice(name, value, sandboxes);
    plan->confined = choice > 0;
    plan->required = choice == 2;
  } else if (strcmp(name, "--terminal") == 0) {
    plan->terminal = (uint32_t)parse_choice(name, value, answers);
  } else if (strcmp(name, "--grace") == 0) {
    plan->grace_ms = parse_number(name, value);
  } else if (strcmp(name, "--processes") == 0) {
    plan->processes = parse_number(name, value);
  } else if (strcmp(name, "--memory") == 0) {
    plan->memory = parse_number(name, value);
  } else if (strcmp(name, "--file-size") == 0) {
    plan->file_size = parse_number(name, value);
  } else if (strcmp(name, "--open-files") == 0) {
    plan->open_files = parse_number(name, value);
  } else if (strcmp(name, "--directory") == 0) {
    plan->directory = value;
  } else {
    supervise_fail("usage", EINVAL, "unknown option %s", name);
  }
}

/* The plan lives until the program ends. */
static void parse_plan(supervise_plan *plan, int argc, char **argv) {
  plan->read_paths = calloc((size_t)argc + 1, sizeof(*plan->read_paths));
  plan->write_paths = calloc((size_t)argc + 1, sizeof(*plan->write_paths));
  if (plan->read_paths == NULL || plan->write_paths == NULL) {
    supervise_fail("internal", ENOMEM, "out of memory");
  }
  int i = 1;
  while (i < argc && strcmp(argv[i], "--") != 0) {
    if (i + 1 >= argc) {
      supervise_fail("usage", EINVAL, "%s needs a value", argv[i]);
    }
    parse_option(plan, argv[i], argv[i + 1]);
    i += 2;
  }
  if (i + 1 >= argc || argv[i + 1][0] != '/') {
    supervise_fail("usage", EINVAL, "the command must follow \"--\" and be an absolute path");
  }
  plan->command = argv + i + 1;
}

/* "--confine OPTIONS -- COMMAND". Failures are told on the standard error output; without --directory the command runs
 * where this was started. */
static int confine_here(int argc, char **argv) {
  char folder[PATH_MAX];
  if (dup3(STDERR_FILENO, SUPERVISE_STATUS_FD, O_CLOEXEC) < 0) {
    return 125;
  }
  supervise_plan plan = {.directory = getcwd(folder, sizeof(folder)) != NULL ? folder : "/", .confined = 1};
  parse_plan(&plan, argc, argv);
  supervise_confine_here(&plan);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--attack") == 0) {
    return supervise_attack(argc - 2, argv + 2);
  }
  if (argc > 1 && strcmp(argv[1], "--confine") == 0) {
    return confine_here(argc - 1, argv + 1);
  }
  if (argc > 1 && strcmp(argv[1], "--judge") == 0) {
    _exit(supervise_judge(argc - 2, argv + 2)); /* at once: the status is the answer, and nothing may change it */
  }
  struct stat status;
  if (fstat(SUPERVISE_STATUS_FD, &status) != 0 || fstat(SUPERVISE_CONTROL_FD, &status) != 0 ||
      fstat(SUPERVISE_LEASE_FD, &status) != 0) {
    static const char usage[] = "mergeloom-supervise is started by libmergeloom, not by hand\n";
    return write(STDERR_FILENO, usage, sizeof(usage) - 1) < 0 ? 125 : 2;
  }
  /* Whatever the starting process left open without close-on-exec stops here. */
  close_range(SUPERVISE_LAST_FD + 1, ~0U, 0);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  signal(SIGCHLD, SIG_DFL);
  supervise_plan plan = {.grace_ms = 1000, .directory = "/"};
  parse_plan(&plan, argc, argv);
  supervise_state state = {.initial_fd = -1, .guard = -1};
  supervise_raise_priority();
  if (setsid() < 0 && errno != EPERM) {
    supervise_fail("internal", errno, "setsid");
  }
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    supervise_fail("internal", errno, "cannot become the reaper of descendants");
  }
  if (plan.confined) {
    state.landlock = supervise_landlock_abi();
    if (plan.required && state.landlock < 1) {
      supervise_fail("sandbox", ENOSYS, "the kernel has no Landlock");
    }
    supervise_enter_namespaces(&plan, &state);
  }
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  supervise_start(&plan, &state);
  supervise_watch(&plan, &state);
  return 0;
}
