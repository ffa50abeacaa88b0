/* SPDX-License-Identifier: Apache-2.0
 *
 * Namespaces are an extra layer, used where they can be had without a helper with privileges:
 *
 * - a process namespace, so that the death of its process 1 is the death of all, however it daemonised itself;
 * - a mount namespace, in which all but the writable paths is read-only. Landlock does not govern chmod, chown, utime
 *   and extended attributes; a read-only mount does;
 * - in it an own /proc, so that /proc/self works for every process of the tree and others are not to be seen. Landlock
 *   rules name inodes, and /proc/self is another one for each process. Without an own /proc the command gets a few
 *   files of the outer one, in which /proc/self is right too;
 * - a network namespace without interfaces, and one for System V objects.
 *
 * Root with CAP_SYS_ADMIN makes them directly. Other users make a user namespace first, with their own uid and gid
 * mapped to themselves, so that owners of files stay what they are. Root without CAP_SYS_ADMIN (a usual container) goes
 * without: a user namespace of its own would make the files of all others unreachable for it.
 */
#include "process/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#define MOVE_FROM_DESCRIPTOR 0x00000004u
#define ATTRIBUTE_RDONLY 0x00000001ull
#define ATTRIBUTE_NOSUID 0x00000002ull

/* struct mount_attr, which older headers lack. */
typedef struct mount_attributes {
  uint64_t attr_set;
  uint64_t attr_clr;
  uint64_t propagation;
  uint64_t userns_fd;
} mount_attributes;

static int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return -1;
  }
  ssize_t written = write(fd, text, strlen(text));
  close(fd);
  return written < 0 ? -1 : 0;
}

/* 0 when the new namespaces are there and this process is whom it was. */
static int unshare_as_user(int flags) {
  char uid_map[64];
  char gid_map[64];
  snprintf(uid_map, sizeof(uid_map), "%u %u 1", (unsigned)geteuid(), (unsigned)geteuid());
  snprintf(gid_map, sizeof(gid_map), "%u %u 1", (unsigned)getegid(), (unsigned)getegid());
  if (unshare(CLONE_NEWUSER | flags) != 0 || write_file("/proc/self/setgroups", "deny") != 0 ||
      write_file("/proc/self/uid_map", uid_map) != 0 || write_file("/proc/self/gid_map", gid_map) != 0) {
    return -1;
  }
  return 0;
}

/* There is no way back out of a user namespace that cannot be mapped, so a child tries first. */
static int user_namespace_works(int flags) {
  pid_t child = fork();
  if (child == 0) {
    _exit(unshare_as_user(flags) == 0 ? 0 : 1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int unshare_namespaces(int flags) {
  if (geteuid() == 0) {
    return unshare(flags);
  }
  return user_namespace_works(flags) ? unshare_as_user(flags) : -1;
}

static int is_below(const char *path, const char *folder) {
  size_t length = strlen(folder);
  return strncmp(path, folder, length) == 0 && (path[length] == '/' || (length == 1 && folder[0] == '/'));
}

static int is_nested(const supervise_plan *plan, size_t index) {
  for (size_t i = 0; i < plan->write_count; i++) {
    if (is_below(plan->write_paths[index], plan->write_paths[i]) ||
        (i < index && strcmp(plan->write_paths[index], plan->write_paths[i]) == 0)) {
      return 1;
    }
  }
  return 0;
}

/* Makes all read-only but the writable paths: 1 done, 0 left as it was, -1 broken half-way. */
static int make_rest_read_only(const supervise_plan *plan) {
  int *trees = calloc(plan->write_count + 1, sizeof(*trees));
  if (trees == NULL) {
    return 0;
  }
  int result = 1;
  for (size_t i = 0; i < plan->write_count && result == 1; i++) {
    trees[i] = -1;
    if (!is_nested(plan, i)) {
      trees[i] = (int)syscall(SYS_open_tree, AT_FDCWD, plan->write_paths[i],
                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
      result = trees[i] < 0 ? 0 : 1;
    }
  }
  mount_attributes attributes = {.attr_set = ATTRIBUTE_RDONLY | ATTRIBUTE_NOSUID};
  if (result == 1 && syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof(attributes)) != 0) {
    result = 0;
  }
  for (size_t i = 0; i < plan->write_count && result == 1; i++) {
    if (trees[i] >= 0 &&
        syscall(SYS_move_mount, trees[i], "", AT_FDCWD, plan->write_paths[i], MOVE_FROM_DESCRIPTOR) != 0) {
      result = -1;
    }
  }
  free(trees); /* the descriptors end with the caller's close_range */
  return result;
}

static uint32_t arrange_mounts(const supervise_plan *plan) {
  uint32_t layers = 0;
  /* Nothing below may reach the outer namespace. */
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
    return 0;
  }
  int read_only = make_rest_read_only(plan);
  if (read_only < 0) {
    supervise_fail("internal", errno, "cannot arrange the mounts of the sandbox");
  }
  layers |= read_only > 0 ? SUPERVISE_READ_ONLY_REST : 0;
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0) {
    layers |= SUPERVISE_PRIVATE_PROC;
  }
  return layers;
}

/* Kills all of the namespace and returns how many had to be. What forks meanwhile is caught by the next round. */
static uint32_t end_namespace(void) {
  uint32_t killed = 0;
  int status = 0;
  while (waitpid(-1, &status, WNOHANG) > 0) {
  }
  for (;;) {
    kill(-1, SIGKILL);
    pid_t child = waitpid(-1, &status, 0);
    if (child < 0 && errno == ECHILD) {
      return killed;
    }
    if (child > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      killed++;
    }
  }
}

/* Process 1 of the namespace: arranges the mounts, reaps orphans, ends all when the supervisor says so or dies. */
__attribute__((noreturn)) static void run_initial(const supervise_plan *plan, int fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  supervise_raise_priority();
  uint32_t layers = arrange_mounts(plan);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  /* Fails, too, when the supervisor died before its death would have been signalled. */
  if (write(fd, &layers, sizeof(layers)) != (ssize_t)sizeof(layers) || chdir("/") != 0) {
    _exit(1);
  }
  dup2(fd, 0);
  close_range(1, ~0U, 0);
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGTERM);
  for (;;) {
    siginfo_t information;
    int got = sigwaitinfo(&awaited, &information);
    /* 0 is the sender outside of the namespace; those within have no say. */
    if (got == SIGTERM && information.si_pid == 0) {
      uint32_t killed = end_namespace();
      _exit(write(0, &killed, sizeof(killed)) == (ssize_t)sizeof(killed) ? 0 : 1);
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
  }
}

void supervise_enter_namespaces(const supervise_plan *plan, supervise_state *state) {
  int network = plan->network ? 0 : CLONE_NEWNET;
  if (unshare_namespaces(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | network) != 0) {
    return;
  }
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) {
    supervise_fail("internal", errno, "pipe");
  }
  pid_t initial = fork();
  if (initial < 0) {
    supervise_fail("internal", errno, "fork");
  }
  if (initial == 0) {
    close(fds[0]);
    run_initial(plan, fds[1]);
  }
  close(fds[1]);
  uint32_t layers = 0;
  ssize_t got = read(fds[0], &layers, sizeof(layers));
  if (got != (ssize_t)sizeof(layers)) {
    supervise_fail("internal", EIO, "process 1 of the namespace did not start");
  }
  state->initial = initial;
  state->initial_fd = fds[0];
  state->layers |= layers | SUPERVISE_PID_NAMESPACE | (network != 0 ? SUPERVISE_NETWORK_NAMESPACE : 0);
}
