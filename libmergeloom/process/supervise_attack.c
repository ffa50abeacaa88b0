/* SPDX-License-Identifier: Apache-2.0
 *
 * The attacker of the proof: runs inside the sandbox and does what a hostile command would, for real. The library
 * judges by what came of it outside; "NAME done" lines only tell which attack it was.
 *
 *   --attack all OUTSIDE INSIDE TCP-PORT UDP-PORT UNIX-PATH ABSTRACT-NAME VICTIM-PID
 *   --attack victim      waits to be attacked, until its standard input ends
 */
#include "process/supervise.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAEMON_LIFETIME_SECONDS 60

static void tell(const char *attack, int done) {
  if (done) {
    dprintf(STDOUT_FILENO, "%s done\n", attack);
  } else {
    dprintf(STDOUT_FILENO, "%s refused %d\n", attack, errno);
  }
}

static const char *join(char out[PATH_MAX], const char *folder, const char *name) {
  snprintf(out, PATH_MAX, "%s/%s", folder, name);
  return out;
}

/* Prints what it could read, which holds the nonce. */
static void read_secret(const char *attack, const char *path) {
  char text[128];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
  tell(attack, size >= 0);
  if (size > 0) {
    dprintf(STDOUT_FILENO, "%.*s\n", (int)size, text);
  }
  if (fd >= 0) {
    close(fd);
  }
}

static void attack_files(const char *outside, const char *inside) {
  char secret[PATH_MAX];
  char path[PATH_MAX];
  char other[PATH_MAX];
  join(secret, outside, "secret");
  read_secret("read", secret);
  snprintf(path, sizeof(path), "/proc/self/root%.*s", PATH_MAX - 32, secret);
  read_secret("read-by-root-link", path);
  if (symlink(secret, join(path, inside, "symbolic")) == 0) {
    read_secret("read-by-symbolic-link", path);
  }
  if (link(secret, join(path, inside, "hard")) == 0) {
    read_secret("read-by-hard-link", path);
  } else {
    tell("hard-link", 0);
  }
  int fd = open(join(path, outside, "created"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  tell("create", fd >= 0);
  fd = open(join(path, outside, "victim"), O_WRONLY | O_APPEND | O_CLOEXEC);
  tell("append", fd >= 0 && write(fd, "x", 1) == 1);
  tell("truncate", truncate(path, 0) == 0);
  fd = open(path, O_RDONLY | O_TRUNC | O_CLOEXEC);
  tell("open-truncate", fd >= 0);
  tell("rename-out", rename(join(path, inside, "own"), join(other, outside, "moved")) == 0);
  tell("rename-in", rename(join(path, outside, "victim"), join(other, inside, "stolen")) == 0);
  tell("remove", unlink(join(path, outside, "victim")) == 0);
  tell("make-folder", mkdir(join(path, outside, "folder"), 0700) == 0);
  tell("mode", chmod(secret, 0644) == 0);
}

static void attack_network(const char *tcp_port, const char *udp_port, const char *unix_path,
                           const char *abstract_name) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(tcp_port)),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  tell("tcp", fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
  address.sin_port = htons((uint16_t)atoi(udp_port));
  fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  tell("udp", fd >= 0 && sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1);
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  strncpy(local.sun_path, unix_path, sizeof(local.sun_path) - 1);
  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  tell("unix", fd >= 0 && connect(fd, (struct sockaddr *)&local, sizeof(local)) == 0);
  memset(local.sun_path, 0, sizeof(local.sun_path));
  strncpy(local.sun_path + 1, abstract_name, sizeof(local.sun_path) - 2);
  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract_name));
  tell("abstract", fd >= 0 && connect(fd, (struct sockaddr *)&local, size) == 0);
}

/* Nothing here when the number means nobody, or somebody else, in this process namespace. */
static void attack_victim(pid_t victim) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/environ", (int)victim);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  tell("environment", fd >= 0);
  snprintf(path, sizeof(path), "/proc/%d/mem", (int)victim);
  fd = open(path, O_RDWR | O_CLOEXEC);
  tell("memory", fd >= 0);
  char byte;
  struct iovec here = {&byte, 1};
  struct iovec there = {(void *)(uintptr_t)supervise_attack, 1};
  tell("copy", process_vm_readv(victim, &here, 1, &there, 1, 0) == 1);
  int traced = ptrace(PTRACE_SEIZE, victim, NULL, NULL) == 0;
  tell("trace", traced);
  if (traced) {
    ptrace(PTRACE_DETACH, victim, NULL, NULL);
  }
  tell("signal", kill(victim, SIGTERM) == 0);
}

/* Leaves a daemon that locks a file as long as it lives, and comes back when it does. */
static void leave_daemon(const char *inside) {
  int fds[2];
  char path[PATH_MAX];
  char byte = 0;
  if (pipe(fds) != 0) {
    return;
  }
  pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() != 0) {
      _exit(0);
    }
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    int fd = open(join(path, inside, "alive"), O_WRONLY | O_CREAT, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0 && write(fds[1], "x", 1) == 1) {
      sleep(DAEMON_LIFETIME_SECONDS);
    }
    _exit(0);
  }
  close(fds[1]);
  waitpid(child, NULL, 0);
  tell("daemon", read(fds[0], &byte, 1) == 1);
}

static int wait_as_victim(void) {
  char byte;
  return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
}

int supervise_attack(int argc, char **argv) {
  if (argc == 1 && strcmp(argv[0], "victim") == 0) {
    return wait_as_victim();
  }
  if (argc != 8 || strcmp(argv[0], "all") != 0) {
    return 2;
  }
  int fd = open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
  int own = fd < 0 ? -1 : openat(fd, "own", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  tell("own", own >= 0);
  attack_files(argv[1], argv[2]);
  attack_network(argv[3], argv[4], argv[5], argv[6]);
  attack_victim((pid_t)atoi(argv[7]));
  leave_daemon(argv[2]);
  dprintf(STDOUT_FILENO, "finished\n");
  return 0;
}
