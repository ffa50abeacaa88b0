/* SPDX-License-Identifier: Apache-2.0
 *
 * A fork bomb outruns whoever counts it from time to time, and, without a process namespace, whoever hunts it down;
 * RLIMIT_NPROC counts all processes of a user together and does not bind root. So the kernel asks the supervisor about
 * every new process or thread, and as soon as it stops answering the tree stops growing. That costs about a
 * tenth of a millisecond a process.
 */
#include "process/supervise.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 5.5; older headers lack it. */
#define NOTIFICATION_CONTINUE 1u
#define CALL_CLONE3 435

int supervise_guards_forks(const supervise_plan *plan) {
  /* Without a sandbox other users keep their set-user-id programs, which this filter would take from them. */
  return plan->processes != 0 && (plan->confined || geteuid() == 0);
}

int supervise_open_fork_guard(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __x86_64__
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_vfork, 2, 0),
#endif
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_CLONE3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return -1;
  }
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

int supervise_next_fork(int guard, uint64_t *id) {
  struct pollfd waiting = {.fd = guard, .events = POLLIN};
  if (poll(&waiting, 1, 0) <= 0 || (waiting.revents & POLLIN) == 0) {
    return 0;
  }
  struct seccomp_notif notification;
  memset(&notification, 0, sizeof(notification));
  if (ioctl(guard, SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) {
    return 0; /* it died meanwhile */
  }
  *id = notification.id;
  return 1;
}

void supervise_allow_fork(int guard, uint64_t id) {
  struct seccomp_notif_resp response = {.id = id, .flags = NOTIFICATION_CONTINUE};
  ioctl(guard, SECCOMP_IOCTL_NOTIF_SEND, &response);
}
