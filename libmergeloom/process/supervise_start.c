/* SPDX-License-Identifier: Apache-2.0
 *
 * The command's process, from fork to exec.
 */
#include "process/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What the new process says before it runs the command: the layers that it got, then perhaps a failure. */
typedef struct start_message {
  int32_t failed; /* 1: the rest tells how */
  int32_t error_number;
  uint32_t layers;
  char kind[16];
  char text[40];
} start_message;

__attribute__((noreturn)) static void give_up(int fd, const char *kind, int error_number, const char *text) {
  start_message message = {.failed = 1, .error_number = error_number};
  strncpy(message.kind, kind, sizeof(message.kind) - 1);
  strncpy(message.text, text, sizeof(message.text) - 1);
  _exit(write(fd, &message, sizeof(message)) < 0 ? 126 : 125);
}

static int set_limit(int resource, uint64_t value) {
  struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
  struct rlimit current;
  if (getrlimit(resource, &current) != 0) {
    return -1;
  }
  /* A lower limit of the caller's own stays. */
  if (current.rlim_max < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max = current.rlim_max;
  }
  return setrlimit(resource, &limit);
}

static void apply_limits(const supervise_plan *plan, int fd) {
  int failed = set_limit(RLIMIT_CORE, 0);
  failed |= plan->memory != 0 ? set_limit(RLIMIT_AS, plan->memory) : 0;
  failed |= plan->file_size != 0 ? set_limit(RLIMIT_FSIZE, plan->file_size) : 0;
  failed |= plan->open_files != 0 ? set_limit(RLIMIT_NOFILE, plan->open_files) : 0;
  if (failed != 0) {
    give_up(fd, "internal", errno, "cannot set the limits");
  }
}

/* The kernel counts per user (and, in a user namespace of its own, from zero), threads included, and not at all for
 * root: a second wall behind the count of the supervisor. */
static void limit_processes(const supervise_plan *plan, const supervise_state *state) {
  struct sysinfo information;
  if (plan->processes == 0 || geteuid() == 0 || sysinfo(&information) != 0) {
    return;
  }
  uint64_t others = (state->layers & SUPERVISE_PID_NAMESPACE) != 0 ? 0 : information.procs;
  set_limit(RLIMIT_NPROC, others + plan->processes * SUPERVISE_THREADS_PER_PROCESS + 64);
}

/* Past libc, which keeps two signals to itself: they too may have been inherited as ignored. */
static void reset_signals(void) {
  const unsigned char zeros[64] = {0}; /* a struct sigaction of the kernel's with SIG_DFL, no flags, no mask */
  for (int number = 1; number < _NSIG; number++) {
    syscall(SYS_rt_sigaction, number, zeros, NULL, _NSIG / 8);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void raise_oom_score(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd >= 0) {
    if (write(fd, "500", 3) < 0) {
      /* a wish, no more */
    }
    close(fd);
  }
}

int supervise_drop_capabilities(const supervise_state *state) {
  if (geteuid() != 0) {
    /* Without no_new_privs a root-owned program could bring some back; with it none can. In a user namespace all of
     * them would be held until exec. */
    struct __user_cap_header_struct none_header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    return syscall(SYS_capset, &none_header, none) != 0 ? errno : 0;
  }
  /* Root works in folders that belong to other users. Landlock binds it all the same; what Landlock does not govern
   * (modes, owners) is left to it only where the rest of the file system is read-only. */
  uint64_t kept = 1ull << CAP_DAC_OVERRIDE;
  if ((state->layers & SUPERVISE_READ_ONLY_REST) != 0) {
    kept |= 1ull << CAP_FOWNER;
    kept |= 1ull << CAP_CHOWN;
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int capability = 0; capability < 64; capability++) {
    if ((kept >> capability & 1) == 0 && prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) {
      prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) {
    return errno;
  }
  for (int i = 0; i < 2; i++) {
    data[i].permitted &= (uint32_t)(kept >> (32 * i));
    data[i].effective = data[i].permitted;
    data[i].inheritable = 0;
  }
  return syscall(SYS_capset, &header, data) != 0 ? errno : 0;
}

/* The guard's descriptor goes over to the supervisor. */
static void send_guard(int fd, int guard) {
  char byte = 0;
  struct iovec data = {&byte, 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof(control));
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &guard, sizeof(int));
  if (sendmsg(fd, &message, MSG_NOSIGNAL) != 1) {
    give_up(fd, "internal", errno, "cannot hand over the guard");
  }
}

static uint32_t confine(const supervise_plan *plan, const supervise_state *state, int fd) {
  raise_oom_score();
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    give_up(fd, "sandbox", errno, "no_new_privs");
  }
  int error_number = supervise_restrict_files(plan, state);
  if (error_number != 0) {
    give_up(fd, "sandbox", error_number, "Landlock");
  }
  error_number = supervise_drop_capabilities(state);
  if (error_number != 0) {
    give_up(fd, "sandbox", error_number, "capabilities");
  }
  /* After the change of credentials, which would undo it. */
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  error_number = supervise_filter_calls(plan, state);
  if (error_number != 0 && plan->required) {
    give_up(fd, "sandbox", error_number, "the system call filter");
  }
  return error_number == 0 ? SUPERVISE_SYSCALL_FILTER : 0;
}

__attribute__((noreturn)) static void run_command(const supervise_plan *plan, const supervise_state *state, int fd) {
  setsid();
  if (plan->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
    give_up(fd, "internal", errno, "cannot use the terminal");
  }
  umask(022);
  apply_limits(plan, fd);
  if (chdir(plan->directory) != 0) {
    give_up(fd, "directory", errno, "");
  }
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  start_message message = {.failed = 0};
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  int guard = supervise_open_guard(plan, state);
  if (guard >= 0) {
    send_guard(fd, guard);
    close(guard);
  }
  if (plan->confined) {
    message.layers = confine(plan, state, fd);
  }
  limit_processes(plan, state);
  /* Fails, too, when the supervisor died before its death would have been signalled. */
  if (write(fd, &message, sizeof(message)) != (ssize_t)sizeof(message)) {
    _exit(126);
  }
  reset_signals();
  execve(plan->command[0], plan->command, environ);
  give_up(fd, "command", errno, "");
}

void supervise_confine_here(const supervise_plan *plan) {
  /* What the outer sandbox shows of /proc is right here too; the rules of both hold. */
  supervise_state state = {.landlock = supervise_landlock_abi(), .layers = SUPERVISE_PRIVATE_PROC, .guard = -1};
  if (plan->required && state.landlock < 1) {
    supervise_fail("sandbox", ENOSYS, "the kernel has no Landlock");
  }
  if (chdir(plan->directory) != 0) {
    supervise_fail("directory", errno, "%s", plan->directory);
  }
  int error_number = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? errno : supervise_restrict_files(plan, &state);
  error_number = error_number != 0 ? error_number : supervise_drop_capabilities(&state);
  if (error_number != 0) {
    supervise_fail("sandbox", error_number, "Landlock or capabilities");
  }
  error_number = supervise_filter_calls(plan, &state);
  if (error_number != 0 && plan->required) {
    supervise_fail("sandbox", error_number, "the system call filter");
  }
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  execve(plan->command[0], plan->command, environ);
  supervise_fail("command", errno, "%s", plan->command[0]);
}

/* Receives one message; a descriptor that comes with it goes to the state. 0 at the end. */
static ssize_t receive(int fd, start_message *out, supervise_state *state) {
  struct iovec data = {out, sizeof(*out)};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
  ssize_t got;
  do {
    got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int))) {
    memcpy(&state->guard, CMSG_DATA(header), sizeof(int));
  }
  return got;
}

static void read_messages(const supervise_plan *plan, supervise_state *state, int fd) {
  start_message message;
  ssize_t got;
  while ((got = receive(fd, &message, state)) > 0) {
    if (got != (ssize_t)sizeof(message)) {
      continue;
    }
    if (message.failed) {
      const char *object = strcmp(message.kind, "command") == 0     ? plan->command[0]
                           : strcmp(message.kind, "directory") == 0 ? plan->directory
                                                                    : message.text;
      supervise_fail(message.kind, message.error_number, "%s", object);
    }
    state->layers |= message.layers;
  }
}

void supervise_start(const supervise_plan *plan, supervise_state *state) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
    supervise_fail("internal", errno, "socketpair");
  }
  pid_t child = fork();
  if (child < 0) {
    supervise_fail("internal", errno, "fork");
  }
  if (child == 0) {
    close(fds[0]);
    run_command(plan, state, fds[1]);
  }
  close(fds[1]);
  read_messages(plan, state, fds[0]);
  close(fds[0]);
  state->command = child;
  /* The ends of the command's pipes must not be held open here. */
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) {
    if (null < 0 || dup2(null, fd) < 0) {
      close(fd);
    }
  }
  if (null > 2) {
    close(null);
  }
  supervise_report("started %d %u", (int)state->landlock, state->layers);
}
