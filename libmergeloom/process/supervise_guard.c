/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls about which the kernel asks the supervisor.
 *
 * Forks: a fork bomb outruns whoever counts it from time to time, and, without a process namespace, whoever hunts it
 * down; RLIMIT_NPROC counts all processes of a user together and does not bind root. As soon as the supervisor stops
 * answering the tree stops growing. That costs about a tenth of a millisecond a process.
 *
 * Signals, where neither a process namespace nor Landlock (ABI 6) keeps them in the tree.
 */
#include "process/supervise.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 5.5; older headers lack it. */
#define NOTIFICATION_CONTINUE 1u
#define CALL_PIDFD_SEND_SIGNAL 424
#define CALL_CLONE3 435

static const uint32_t fork_calls[] = {
#ifdef __x86_64__
    SYS_fork, SYS_vfork,
#endif
    SYS_clone, CALL_CLONE3};

static const uint32_t signal_calls[] = {
    SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, CALL_PIDFD_SEND_SIGNAL};

#define FORK_CALLS (sizeof(fork_calls) / sizeof(fork_calls[0]))
#define SIGNAL_CALLS (sizeof(signal_calls) / sizeof(signal_calls[0]))
#define LANDLOCK_WITH_SIGNALS 6
/* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV of newer headers. */
#define FLAG_WAIT_KILLABLE (1u << 5)
/* SECCOMP_IOCTL_NOTIF_SET_FLAGS and its only flag, Linux 6.6. */
#define CALL_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#define FLAG_SYNC_WAKE_UP 1u

static int guards_forks(const supervise_plan *plan) {
  /* Without a sandbox other users keep their set-user-id programs, which this filter would take from them. */
  return plan->processes != 0 && (plan->confined || geteuid() == 0);
}

static int guards_signals(const supervise_plan *plan, const supervise_state *state) {
  return plan->confined && (state->layers & SUPERVISE_PID_NAMESPACE) == 0 && state->landlock < LANDLOCK_WITH_SIGNALS;
}

static size_t add_questions(struct sock_filter *code, size_t size, const uint32_t *calls, size_t count) {
  for (size_t i = 0; i < count; i++) {
    code[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
    code[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  }
  return size;
}

int supervise_open_guard(const supervise_plan *plan, const supervise_state *state) {
  struct sock_filter code[2 * (FORK_CALLS + SIGNAL_CALLS) + 2];
  size_t size = 0;
  code[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  if (guards_forks(plan)) {
    size = add_questions(code, size, fork_calls, FORK_CALLS);
  }
  if (guards_signals(plan, state)) {
    size = add_questions(code, size, signal_calls, SIGNAL_CALLS);
  }
  if (size == 1) {
    return -1;
  }
  code[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {(unsigned short)size, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return -1;
  }
  /* A signal that comes while a fork waits for its answer would end it with EINTR, which shells take for a failure.
   * From 5.19 on, the kernel keeps signals back once the question was read. */
  unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE;
  long guard = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (guard < 0 && errno == EINVAL) {
    guard = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  }
  /* Who asks sleeps until the answer, so it is cheapest to answer on the same processor. */
  ioctl((int)guard, CALL_SET_FLAGS, FLAG_SYNC_WAKE_UP);
  return (int)guard;
}

static int is_signal(int call) {
  for (size_t i = 0; i < SIGNAL_CALLS; i++) {
    if (signal_calls[i] == (uint32_t)call) {
      return 1;
    }
  }
  return 0;
}

int supervise_next_question(int guard, supervise_question *out) {
  struct seccomp_notif notification;
  memset(&notification, 0, sizeof(notification));
  if (ioctl(guard, SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) {
    return 0; /* it died meanwhile */
  }
  *out = (supervise_question){.id = notification.id, .is_signal = is_signal(notification.data.nr)};
  if (out->is_signal) {
    /* A descriptor tells nothing about its process here; -1, everybody, is refused as well. */
    out->target = notification.data.nr == CALL_PIDFD_SEND_SIGNAL ? -1 : (pid_t)notification.data.args[0];
  }
  return 1;
}

void supervise_answer(int guard, const supervise_question *question, int error_number) {
  struct seccomp_notif_resp response = {.id = question->id, .error = -error_number};
  response.flags = error_number == 0 ? NOTIFICATION_CONTINUE : 0;
  ioctl(guard, SECCOMP_IOCTL_NOTIF_SEND, &response);
}
