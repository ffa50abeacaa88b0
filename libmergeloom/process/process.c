/* SPDX-License-Identifier: Apache-2.0
 *
 * The near side of mergeloom-supervise: starts it, carries bytes, keeps the time. The end of the control connection,
 * which the death of this process is as well, ends everything.
 */
#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "process/supervise_protocol.h"
#include "process/supervisor_arguments.h"

#define READ_SIZE 65536
/* After the grace, for the supervisor to end the tree; then it is killed, which kills the tree too. */
#define MAXIMUM_END_MS 30000
#define MAXIMUM_STATUS_BYTES 65536
#define CAUSE_NONE UINT32_MAX

/* The ends that this process keeps. -1: closed. */
typedef struct process_run {
  const mloom_call *call;
  const mloom_process_plan *plan;
  const mloom_process_sink *sink;
  mloom_process_report *report;
  int output;
  int error_output;
  int status;
  int control;
  int typed; /* what a person types is read from here; not closed */
  pid_t supervisor;
  mloom_buffer facts; /* lines of the supervisor, as they come */
  char *chunk;
  int64_t started_ms;
  int64_t last_output_ms;
  int64_t kill_at_ms;     /* the supervisor itself; INT64_MAX: no reason */
  int64_t complete_at_ms; /* INT64_MAX: the receiver waits for more */
  uint32_t cause;         /* why the end was asked for, CAUSE_NONE: it was not */
  int32_t code;           /* of the sink, or of the call */
} process_run;

static void free_run(process_run *run) {
  mloom_auto_close(&run->output);
  mloom_auto_close(&run->error_output);
  mloom_auto_close(&run->status);
  mloom_auto_close(&run->control);
  mloom_buffer_free(&run->facts);
  if (run->chunk != NULL) {
    explicit_bzero(run->chunk, READ_SIZE); /* programs print secrets too: credential helpers, workers */
  }
  free(run->chunk);
}

/* Time-outs are of the machine, whatever clock the call was given. */
static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Starting ---- */

/* The descriptors for the supervisor, all above those it will get, so that dup2 never overwrites one still needed. */
typedef struct far_ends {
  int input;
  int output;
  int error_output;
  int status;
  int control;
  int lease;
} far_ends;

static void free_far_ends(far_ends *ends) {
  mloom_auto_close(&ends->input);
  mloom_auto_close(&ends->output);
  mloom_auto_close(&ends->error_output);
  mloom_auto_close(&ends->status);
  mloom_auto_close(&ends->control);
  mloom_auto_close(&ends->lease);
}

static int raise_fd(int fd) {
  if (fd < 0 || fd > SUPERVISE_LAST_FD) {
    return fd;
  }
  int raised = fcntl(fd, F_DUPFD_CLOEXEC, SUPERVISE_LAST_FD + 1);
  int error_number = errno;
  close(fd);
  errno = error_number;
  return raised;
}

static int raise_both(const int fds[2], int *first, int *second) {
  *first = raise_fd(fds[0]);
  *second = raise_fd(fds[1]);
  return *first < 0 || *second < 0 ? -1 : 0;
}

static int open_pipe(int *read_end, int *write_end) {
  int fds[2];
  return pipe2(fds, O_CLOEXEC) == 0 ? raise_both(fds, read_end, write_end) : -1;
}

/* Sockets: they are shut down for every process that has them, also one that this program forked meanwhile. */
static int open_control(int *far_end, int *near_end) {
  int fds[2];
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 ? raise_both(fds, far_end, near_end) : -1;
}

/* A file in memory rather than a pipe: nothing to feed while output has to be read. */
static int open_input(const mloom_process_plan *plan) {
  const mloom_bytes *input = plan->input;
  if (plan->input_fd != NULL) {
    return fcntl(*plan->input_fd, F_DUPFD_CLOEXEC, SUPERVISE_LAST_FD + 1);
  }
  if (input == NULL || input->size == 0) {
    return raise_fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  int fd = raise_fd(memfd_create("mergeloom-input", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  size_t done = 0;
  while (fd >= 0 && done < input->size) {
    ssize_t written = write(fd, input->data + done, input->size - done);
    if (written < 0 && errno != EINTR) {
      int error_number = errno;
      close(fd);
      errno = error_number;
      return -1;
    }
    done += written > 0 ? (size_t)written : 0;
  }
  if (fd >= 0) {
    lseek(fd, 0, SEEK_SET);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  }
  return fd;
}

static int open_outputs(process_run *run, far_ends *ends) {
  return open_pipe(&run->output, &ends->output) != 0 || open_pipe(&run->error_output, &ends->error_output) != 0 ||
                 (ends->input = open_input(run->plan)) < 0 || fcntl(run->error_output, F_SETFL, O_NONBLOCK) != 0
             ? -1
             : 0;
}

/* What is typed is not shown again, and lines are wide: a program that breaks them would break addresses. */
static int open_terminal(process_run *run, far_ends *ends) {
  char name[64];
  struct winsize window = {.ws_row = 50, .ws_col = 2000};
  struct termios modes;
  run->output = raise_fd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (run->output < 0 || grantpt(run->output) != 0 || unlockpt(run->output) != 0 ||
      ptsname_r(run->output, name, sizeof(name)) != 0) {
    return -1;
  }
  ends->input = raise_fd(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  ends->output = ends->input < 0 ? -1 : fcntl(ends->input, F_DUPFD_CLOEXEC, SUPERVISE_LAST_FD + 1);
  ends->error_output = ends->input < 0 ? -1 : fcntl(ends->input, F_DUPFD_CLOEXEC, SUPERVISE_LAST_FD + 1);
  if (ends->output < 0 || ends->error_output < 0 || ioctl(ends->input, TIOCSWINSZ, &window) != 0 ||
      tcgetattr(ends->input, &modes) != 0) {
    return -1;
  }
  modes.c_lflag &= (tcflag_t) ~(unsigned)ECHO;
  return tcsetattr(ends->input, TCSANOW, &modes);
}

static int open_lease(const mloom_process_plan *plan, const far_ends *ends) {
  return fcntl(plan->lease_fd != NULL ? *plan->lease_fd : ends->control, F_DUPFD_CLOEXEC, SUPERVISE_LAST_FD + 1);
}

static int32_t open_ends(process_run *run, far_ends *ends, mloom_error *error) {
  if ((run->plan->terminal ? open_terminal(run, ends) : open_outputs(run, ends)) != 0 ||
      open_pipe(&run->status, &ends->status) != 0 || open_control(&ends->control, &run->control) != 0 ||
      (ends->lease = open_lease(run->plan, ends)) < 0 || fcntl(run->output, F_SETFL, O_NONBLOCK) != 0 ||
      fcntl(run->status, F_SETFL, O_NONBLOCK) != 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_PROCESS, "raise the limit of open files or of memory",
                                 "cannot open the pipes for %s", run->plan->argv[0]);
  }
  return MLOOM_OK;
}

static int spawn_with(process_run *run, const far_ends *ends, const mloom_supervisor_arguments *arguments,
                      posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes) {
  static const char *const no_environment[] = {NULL};
  const char *const *environment = run->plan->environment != NULL ? run->plan->environment : no_environment;
  sigset_t all;
  sigfillset(&all);
  int failed = posix_spawn_file_actions_adddup2(actions, ends->input, STDIN_FILENO);
  failed = failed ? failed : posix_spawn_file_actions_adddup2(actions, ends->output, STDOUT_FILENO);
  failed = failed ? failed : posix_spawn_file_actions_adddup2(actions, ends->error_output, STDERR_FILENO);
  failed = failed ? failed : posix_spawn_file_actions_adddup2(actions, ends->status, SUPERVISE_STATUS_FD);
  failed = failed ? failed : posix_spawn_file_actions_adddup2(actions, ends->control, SUPERVISE_CONTROL_FD);
  failed = failed ? failed : posix_spawn_file_actions_adddup2(actions, ends->lease, SUPERVISE_LEASE_FD);
  /* Signals of a terminal are not for the supervisor, not even before it is ready. */
  failed = failed ? failed : posix_spawnattr_setsigmask(attributes, &all);
  failed = failed ? failed : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  if (failed) {
    return failed;
  }
  return posix_spawn(&run->supervisor, run->plan->supervise_path, actions, attributes,
                     (char *const *)(uintptr_t)arguments->values, (char *const *)(uintptr_t)environment);
}

static int spawn_supervisor(process_run *run, const far_ends *ends, const mloom_supervisor_arguments *arguments) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (posix_spawn_file_actions_init(&actions) != 0) {
    return ENOMEM;
  }
  int failed = ENOMEM;
  if (posix_spawnattr_init(&attributes) == 0) {
    failed = spawn_with(run, ends, arguments, &actions, &attributes);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return failed;
}

static int32_t check_plan(const mloom_process_plan *plan, mloom_error *error) {
  if (plan->argv == NULL || plan->argv[0] == NULL || plan->argv[0][0] != '/') {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_PROCESS, "give the absolute path of the program",
                           "cannot start \"%s\": not an absolute path",
                           plan->argv == NULL || plan->argv[0] == NULL ? "" : plan->argv[0]);
  }
  if (plan->supervise_path == NULL || plan->supervise_path[0] != '/') {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_PROCESS,
                           "give the absolute path of mergeloom-supervise", "cannot start \"%s\" for %s",
                           plan->supervise_path == NULL ? "" : plan->supervise_path, plan->argv[0]);
  }
  return MLOOM_OK;
}

static int32_t start(process_run *run, mloom_error *error) {
  MLOOM_AUTO(free_far_ends) far_ends ends = {-1, -1, -1, -1, -1, -1};
  mloom_supervisor_arguments arguments = {.values = NULL};
  int32_t code = open_ends(run, &ends, error);
  if (code != MLOOM_OK) {
    return code;
  }
  run->chunk = malloc(READ_SIZE);
  if (run->chunk == NULL || mloom_supervisor_arguments_make(&arguments, run->plan) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int failed = spawn_supervisor(run, &ends, &arguments);
  free(arguments.values);
  if (failed != 0) {
    return mloom_error_set_errno(error, failed, MLOOM_DOMAIN_PROCESS,
                                 "install mergeloom-supervise, or name its path in MERGELOOM_SUPERVISE",
                                 "cannot start %s", run->plan->supervise_path);
  }
  return MLOOM_OK;
}

/* ---- Running ---- */

static void ask_to_end(process_run *run, uint32_t cause) {
  if (run->cause == CAUSE_NONE) {
    run->cause = cause;
    shutdown(run->control, SHUT_RDWR);
    mloom_auto_close(&run->control);
    run->control = -1;
    run->kill_at_ms = now_ms() + (int64_t)mloom_supervisor_grace_ms(run->plan) + MAXIMUM_END_MS;
  }
}

static void deliver(process_run *run, int is_error, const char *data, size_t size) {
  run->last_output_ms = now_ms();
  run->report->output_bytes += size;
  if (run->cause != CAUSE_NONE) {
    return; /* read only so that the pipe does not fill */
  }
  uint64_t limit = run->plan->limits.output_bytes;
  if (limit != 0 && run->report->output_bytes > limit) {
    uint64_t excess = run->report->output_bytes - limit;
    size -= excess < size ? (size_t)excess : size;
  }
  int32_t (*function)(const char *, size_t, void *) =
      run->sink == NULL ? NULL : (is_error ? run->sink->error_output : run->sink->output);
  int32_t code = function != NULL && size > 0 ? function(data, size, run->sink->userdata) : 0;
  if (code < 0) {
    run->code = code;
    ask_to_end(run, MLOOM_PROCESS_CANCELLED);
  } else if (limit != 0 && run->report->output_bytes > limit) {
    ask_to_end(run, MLOOM_PROCESS_OUTPUT_LIMIT);
  } else if (code == MLOOM_COMPLETE && run->complete_at_ms == INT64_MAX) {
    uint64_t grace = run->plan->limits.complete_grace_ms;
    run->complete_at_ms = run->last_output_ms + (grace < INT32_MAX ? (int64_t)grace : INT32_MAX);
  }
}

/* Hands on what a person types. The end of it is not the end of the program. */
static void carry_typed(process_run *run) {
  char data[1024];
  ssize_t got = read(run->typed, data, sizeof(data));
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    run->typed = -1;
  }
  for (ssize_t done = 0; done < got;) {
    ssize_t written = write(run->output, data + done, (size_t)(got - done));
    if (written < 0 && errno != EINTR) {
      break; /* a terminal that nobody reads from */
    }
    done += written > 0 ? written : 0;
  }
}

/* Reads once; closes fd at its end. 1 when there may be more. */
static int carry(process_run *run, int *fd, int is_error) {
  ssize_t got = read(*fd, run->chunk, READ_SIZE);
  if (got > 0) {
    deliver(run, is_error, run->chunk, (size_t)got);
    return 1;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return errno == EINTR;
  }
  mloom_auto_close(fd);
  *fd = -1;
  return 0;
}

static void carry_status(process_run *run) {
  char data[4096];
  ssize_t got = read(run->status, data, sizeof(data));
  if (got > 0) {
    if (run->facts.size + (size_t)got <= MAXIMUM_STATUS_BYTES) {
      (void)mloom_buffer_append(&run->facts, data, (size_t)got);
    }
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    mloom_auto_close(&run->status);
    run->status = -1;
  }
}

/* Asks for the end when a time-out has passed, and returns when to look again. */
static int64_t keep_time(process_run *run) {
  const mloom_process_limits *limits = &run->plan->limits;
  int64_t now = now_ms();
  int64_t next = INT64_MAX;
  if (run->cause != CAUSE_NONE) {
    if (now >= run->kill_at_ms) {
      kill(run->supervisor, SIGKILL);
      run->kill_at_ms = INT64_MAX;
    }
    return run->kill_at_ms;
  }
  if (run->complete_at_ms != INT64_MAX) {
    next = run->complete_at_ms;
    if (now >= next) {
      ask_to_end(run, MLOOM_PROCESS_COMPLETE);
    }
  }
  if (limits->total_timeout_ms > 0 && limits->total_timeout_ms < INT64_MAX / 2) {
    int64_t total_at = run->started_ms + (int64_t)limits->total_timeout_ms;
    if (now >= total_at) {
      ask_to_end(run, MLOOM_PROCESS_TIMED_OUT);
    }
    next = total_at < next ? total_at : next;
  }
  if (limits->idle_timeout_ms > 0 && limits->idle_timeout_ms < INT64_MAX / 2) {
    int64_t idle_at = run->last_output_ms + (int64_t)limits->idle_timeout_ms;
    if (now >= idle_at) {
      ask_to_end(run, MLOOM_PROCESS_IDLE);
    }
    next = idle_at < next ? idle_at : next;
  }
  int64_t remaining = mloom_call_remaining_ms(run->call);
  if (remaining != INT64_MAX) {
    if (remaining <= 0) {
      run->code = MLOOM_E_TIMEOUT;
      ask_to_end(run, MLOOM_PROCESS_TIMED_OUT);
    }
    next = now + remaining < next ? now + remaining : next;
  }
  return run->cause != CAUSE_NONE ? run->kill_at_ms : next;
}

/* Until the supervisor has said all it has to say. */
static void carry_all(process_run *run) {
  while (run->status >= 0) {
    int64_t next = keep_time(run);
    int64_t left = next == INT64_MAX ? INT64_MAX : next - now_ms();
    int wait = left == INT64_MAX ? -1 : left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
    int cancel = run->cause == CAUSE_NONE && run->call != NULL ? mloom_cancel_fd(run->call->cancel) : -1;
    struct pollfd fds[5] = {{.fd = run->status, .events = POLLIN},
                            {.fd = run->output, .events = POLLIN},
                            {.fd = run->error_output, .events = POLLIN},
                            {.fd = cancel, .events = POLLIN},
                            {.fd = run->typed, .events = POLLIN}};
    if (poll(fds, 5, wait) <= 0) {
      continue;
    }
    if (cancel >= 0 && fds[3].revents != 0) {
      run->code = MLOOM_E_CANCELLED;
      ask_to_end(run, MLOOM_PROCESS_CANCELLED);
    }
    if (run->typed >= 0 && run->output >= 0 && fds[4].revents != 0) {
      carry_typed(run);
    }
    if (run->output >= 0 && fds[1].revents != 0) {
      carry(run, &run->output, 0);
    }
    if (run->error_output >= 0 && fds[2].revents != 0) {
      carry(run, &run->error_output, 1);
    }
    if (fds[0].revents != 0) {
      carry_status(run);
    }
  }
  /* Everything is dead: what is in the pipes is all there will be. */
  while (run->output >= 0 && carry(run, &run->output, 0)) {
  }
  while (run->error_output >= 0 && carry(run, &run->error_output, 1)) {
  }
}

static void reap_supervisor(process_run *run) {
  int status = 0;
  /* ECHILD when the program ignores SIGCHLD or waits for everything itself: fine. */
  while (waitpid(run->supervisor, &status, 0) < 0 && errno == EINTR) {
  }
}

/* ---- Judging ---- */

typedef struct process_facts {
  int started;
  int done;
  int too_many;
  int stuck;
  int lease_over;
  int failed;
  int error_number;
  char kind[16];
  const char *text;
} process_facts;

static void read_fact(process_facts *facts, mloom_process_report *report, const char *line) {
  int number = 0;
  long long large = 0;
  unsigned count = 0;
  int used = 0;
  if (sscanf(line, "started %d %u", &number, &count) == 2) {
    facts->started = 1;
    report->landlock_abi = number;
    report->layers = count;
  } else if (sscanf(line, "exited %d", &number) == 1) {
    report->ended = MLOOM_PROCESS_EXITED;
    report->exit_code = number;
  } else if (sscanf(line, "signalled %d", &number) == 1) {
    report->ended = MLOOM_PROCESS_SIGNALLED;
    report->signal = number;
  } else if (sscanf(line, "survivors %u", &count) == 1) {
    report->survivors = count;
  } else if (sscanf(line, "cpu %lld", &large) == 1) {
    report->cpu_ms = large;
  } else if (sscanf(line, "rss %lld", &large) == 1) {
    report->max_rss_kib = large;
  } else if (!facts->failed && sscanf(line, "error %15s %d %n", facts->kind, &number, &used) == 2) {
    facts->failed = 1;
    facts->error_number = number;
    facts->text = line + used;
  }
  facts->too_many |= strcmp(line, "too-many") == 0;
  facts->stuck |= strcmp(line, "stuck") == 0;
  facts->lease_over |= strcmp(line, "lease-over") == 0;
  facts->done |= strcmp(line, "done") == 0;
}

static void read_facts(process_run *run, process_facts *facts) {
  char *rest = run->facts.data;
  char *line = NULL;
  while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
    read_fact(facts, run->report, line);
  }
}

static int32_t explain_failure(const process_run *run, const process_facts *facts, mloom_error *error) {
  const char *command = run->plan->argv[0];
  if (strcmp(facts->kind, "command") == 0 && facts->error_number == ENOEXEC) {
    struct utsname machine;
    char remedy[160];
    snprintf(remedy, sizeof(remedy), "install the program that is built for this machine (%s)",
             uname(&machine) == 0 ? machine.machine : "see uname -m");
    return mloom_error_set_errno(error, ENOEXEC, MLOOM_DOMAIN_PROCESS, remedy, "cannot run %s", command);
  }
  if (strcmp(facts->kind, "sandbox") == 0) {
    struct utsname kernel;
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SANDBOX,
                           "use a kernel with Landlock (5.13 or newer, \"landlock\" among its LSMs), or allow a weaker "
                           "sandbox with JCA_WORKER_SANDBOX=best-effort",
                           "the sandbox for %s cannot be had on kernel %s: %s: %s", command,
                           uname(&kernel) == 0 ? kernel.release : "unknown", facts->text,
                           strerror(facts->error_number));
  }
  if (strcmp(facts->kind, "command") == 0) {
    return mloom_error_set_errno(error, facts->error_number, MLOOM_DOMAIN_PROCESS,
                                 "check that it exists, may be executed, and that the sandbox may read it and its "
                                 "interpreter",
                                 "cannot run %s", command);
  }
  if (strcmp(facts->kind, "directory") == 0) {
    return mloom_error_set_errno(error, facts->error_number, MLOOM_DOMAIN_PROCESS, "create it, or name another folder",
                                 "cannot use the folder %s for %s", facts->text, command);
  }
  return mloom_error_set_errno(error, facts->error_number, MLOOM_DOMAIN_PROCESS,
                               "see the limits of processes, memory and open files of this user",
                               "mergeloom-supervise cannot start %s: %s", command, facts->text);
}

static int32_t tell_end_of_call(const process_run *run, mloom_error *error) {
  if (run->code == MLOOM_E_CANCELLED && run->cause == MLOOM_PROCESS_CANCELLED) {
    return mloom_error_set(error, MLOOM_E_CANCELLED, MLOOM_DOMAIN_PROCESS, NULL, "%s was cancelled",
                           run->plan->argv[0]);
  }
  if (run->code == MLOOM_E_TIMEOUT && run->cause == MLOOM_PROCESS_TIMED_OUT) {
    return mloom_error_set(error, MLOOM_E_TIMEOUT, MLOOM_DOMAIN_PROCESS, "allow more time",
                           "%s was ended at the deadline of the call", run->plan->argv[0]);
  }
  return mloom_error_set(error, run->code, MLOOM_DOMAIN_PROCESS, NULL, "%s was ended by the receiver of its output",
                         run->plan->argv[0]);
}

static int32_t judge(process_run *run, mloom_error *error) {
  process_facts facts = {.started = 0};
  read_facts(run, &facts);
  if (facts.failed && !facts.started) {
    run->report->ended = MLOOM_PROCESS_NOT_STARTED;
    /* Nothing was lost when the call ended meanwhile: that is the better news. */
    return run->code < 0 ? tell_end_of_call(run, error) : explain_failure(run, &facts, error);
  }
  if (!facts.done) {
    run->report->ended = facts.started ? MLOOM_PROCESS_SIGNALLED : MLOOM_PROCESS_NOT_STARTED;
    run->report->signal = SIGKILL;
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PROCESS, "see whether something kills it",
                           "mergeloom-supervise ended without saying how %s ended", run->plan->argv[0]);
  }
  if (facts.lease_over && run->cause == CAUSE_NONE) {
    run->cause = MLOOM_PROCESS_CANCELLED;
    run->code = MLOOM_E_CANCELLED;
  }
  if (facts.too_many) {
    run->report->ended = MLOOM_PROCESS_TOO_MANY;
  } else if (run->cause != CAUSE_NONE) {
    run->report->ended = run->cause;
  }
  if (run->sink != NULL && run->sink->exited != NULL) {
    int32_t code = run->sink->exited(run->report->exit_code, run->report->signal, run->sink->userdata);
    run->code = run->code < 0 || code >= 0 ? run->code : code;
  }
  return run->code < 0 ? tell_end_of_call(run, error) : MLOOM_OK;
}

int32_t mloom_process_run(const mloom_call *call, const mloom_process_plan *plan, const mloom_process_sink *sink,
                          mloom_process_report *report, mloom_error *error) {
  mloom_process_report unwanted;
  report = report != NULL ? report : &unwanted;
  *report = (mloom_process_report){.ended = MLOOM_PROCESS_NOT_STARTED};
  int64_t now = now_ms();
  MLOOM_AUTO(free_run)
  process_run run = {.call = call,
                     .plan = plan,
                     .sink = sink,
                     .report = report,
                     .output = -1,
                     .error_output = -1,
                     .status = -1,
                     .control = -1,
                     .typed = plan->terminal && plan->typed != NULL ? *plan->typed : -1,
                     .facts = MLOOM_BUFFER_INIT,
                     .started_ms = now,
                     .last_output_ms = now,
                     .kill_at_ms = INT64_MAX,
                     .complete_at_ms = INT64_MAX,
                     .cause = CAUSE_NONE,
                     .code = MLOOM_OK};
  int32_t code = mloom_call_check(call, error);
  if (code == MLOOM_OK) {
    code = check_plan(plan, error);
  }
  if (code == MLOOM_OK) {
    code = start(&run, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  carry_all(&run);
  reap_supervisor(&run);
  report->duration_ms = now_ms() - run.started_ms;
  return judge(&run, error);
}
