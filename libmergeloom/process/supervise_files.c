/* SPDX-License-Identifier: Apache-2.0
 *
 * What the command may reach in the file system and by name: a Landlock domain.
 */
#include "process/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface, newer than most installed headers. */
typedef struct ruleset_attributes {
  uint64_t handled_files;
  uint64_t handled_network; /* ABI 4 */
  uint64_t scoped;          /* ABI 6 */
} ruleset_attributes;

typedef struct __attribute__((packed)) path_attributes {
  uint64_t allowed;
  int32_t parent_fd;
} path_attributes;

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1
#define FILE_EXECUTE (1ull << 0)
#define FILE_WRITE (1ull << 1)
#define FILE_READ (1ull << 2)
#define FILE_READ_FOLDER (1ull << 3)
#define FILE_MAKE_CHARACTER_DEVICE (1ull << 6)
#define FILE_MAKE_BLOCK_DEVICE (1ull << 11)
#define FILE_ALL_ABI_1 ((1ull << 13) - 1)
#define FILE_REFER (1ull << 13)        /* ABI 2 */
#define FILE_TRUNCATE (1ull << 14)     /* ABI 3 */
#define FILE_DEVICE_IOCTL (1ull << 15) /* ABI 5 */
#define NETWORK_BIND_TCP (1ull << 0)
#define NETWORK_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0)
#define SCOPE_SIGNAL (1ull << 1)

#define READ_RIGHTS (FILE_EXECUTE | FILE_READ | FILE_READ_FOLDER)
/* Those that a rule on a file, not a folder, may name. */
#define FILE_ONLY_RIGHTS (FILE_EXECUTE | FILE_WRITE | FILE_READ | FILE_TRUNCATE | FILE_DEVICE_IOCTL)

/* Programs, libraries and what they cannot do without. Nothing that holds secrets, and nothing of other users: no
 * /etc/shadow, /root, /home, /run, /var, /tmp. What does not exist here is skipped. */
static const char *const system_paths[] = {"/usr",
                                           "/bin",
                                           "/sbin",
                                           "/lib",
                                           "/lib32",
                                           "/lib64",
                                           "/libx32",
                                           "/etc/alternatives",
                                           "/etc/bash.bashrc",
                                           "/etc/ca-certificates",
                                           "/etc/ca-certificates.conf",
                                           "/etc/debian_version",
                                           "/etc/environment.d",
                                           "/etc/ethertypes",
                                           "/etc/fonts",
                                           "/etc/gai.conf",
                                           "/etc/group",
                                           "/etc/host.conf",
                                           "/etc/inputrc",
                                           "/etc/ld.so.cache",
                                           "/etc/ld.so.conf",
                                           "/etc/ld.so.conf.d",
                                           "/etc/ld.so.preload",
                                           "/etc/locale.alias",
                                           "/etc/localtime",
                                           "/etc/magic",
                                           "/etc/magic.mime",
                                           "/etc/mime.types",
                                           "/etc/nsswitch.conf",
                                           "/etc/os-release",
                                           "/etc/passwd",
                                           "/etc/perl",
                                           "/etc/pki/tls/certs",
                                           "/etc/profile",
                                           "/etc/protocols",
                                           "/etc/python3",
                                           "/etc/rpc",
                                           "/etc/services",
                                           "/etc/shells",
                                           "/etc/ssl/cert.pem",
                                           "/etc/ssl/certs",
                                           "/etc/ssl/openssl.cnf",
                                           "/etc/terminfo",
                                           "/etc/timezone",
                                           "/sys/devices/system/cpu",
                                           "/sys/fs/cgroup/cpu.max",
                                           "/sys/kernel/mm/transparent_hugepage",
                                           NULL};

static const char *const network_paths[] = {"/etc/hosts", "/etc/resolv.conf", NULL};

/* Without an own /proc: what tells of this machine, and this process's own folder. */
static const char *const outer_proc_paths[] = {"/proc/self",
                                               "/proc/cpuinfo",
                                               "/proc/filesystems",
                                               "/proc/loadavg",
                                               "/proc/meminfo",
                                               "/proc/stat",
                                               "/proc/uptime",
                                               "/proc/version",
                                               "/proc/sys/kernel/cap_last_cap",
                                               "/proc/sys/kernel/ngroups_max",
                                               "/proc/sys/kernel/osrelease",
                                               "/proc/sys/kernel/pid_max",
                                               "/proc/sys/kernel/random",
                                               "/proc/sys/vm/max_map_count",
                                               "/proc/sys/vm/overcommit_memory",
                                               NULL};

static const char *const inner_proc_paths[] = {"/proc", NULL};

static const char *const device_paths[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", NULL};

int32_t supervise_landlock_abi(void) {
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
  return abi < 1 ? 0 : (int32_t)abi;
}

static uint64_t handled_files(int32_t abi) {
  return FILE_ALL_ABI_1 | (abi >= 2 ? FILE_REFER : 0) | (abi >= 3 ? FILE_TRUNCATE : 0) |
         (abi >= 5 ? FILE_DEVICE_IOCTL : 0);
}

/* 0, or errno. A path that is not there, or out of this user's reach, needs no rule. */
static int allow_path(int ruleset, const char *path, uint64_t rights, int needed) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) {
    return needed ? errno : 0;
  }
  struct stat status;
  path_attributes attributes = {.allowed = rights, .parent_fd = fd};
  int result = 0;
  if (fstat(fd, &status) != 0) {
    result = errno;
  } else {
    if (!S_ISDIR(status.st_mode)) {
      attributes.allowed &= FILE_ONLY_RIGHTS;
    }
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attributes, 0) != 0) {
      result = errno;
    }
  }
  close(fd);
  return result;
}

static int allow_paths(int ruleset, const char *const *paths, uint64_t rights, int needed) {
  int result = 0;
  for (size_t i = 0; paths[i] != NULL && result == 0; i++) {
    result = allow_path(ruleset, paths[i], rights, needed);
  }
  return result;
}

static int add_rules(int ruleset, const supervise_plan *plan, const supervise_state *state) {
  uint64_t handled = handled_files(state->landlock);
  int result = allow_paths(ruleset, system_paths, READ_RIGHTS, 0);
  if (result == 0 && plan->network) {
    result = allow_paths(ruleset, network_paths, READ_RIGHTS, 0);
  }
  if (result == 0) {
    result = allow_paths(ruleset, (state->layers & SUPERVISE_PRIVATE_PROC) != 0 ? inner_proc_paths : outer_proc_paths,
                         FILE_READ | FILE_READ_FOLDER, 0);
  }
  if (result == 0) {
    result = allow_paths(ruleset, device_paths, FILE_READ | FILE_WRITE | (handled & FILE_TRUNCATE), 0);
  }
  if (result == 0) {
    result = allow_paths(ruleset, plan->read_paths, READ_RIGHTS, 0);
  }
  if (result == 0) {
    /* No device nodes, and no requests to devices: nobody builds software with those. */
    uint64_t rights = handled & ~(FILE_MAKE_CHARACTER_DEVICE | FILE_MAKE_BLOCK_DEVICE | FILE_DEVICE_IOCTL);
    result = allow_paths(ruleset, plan->write_paths, rights, 1);
  }
  return result;
}

int supervise_restrict_files(const supervise_plan *plan, const supervise_state *state) {
  if (state->landlock < 1) {
    return 0;
  }
  ruleset_attributes attributes = {.handled_files = handled_files(state->landlock)};
  size_t size = sizeof(attributes.handled_files);
  if (state->landlock >= 4) {
    attributes.handled_network = plan->network ? 0 : NETWORK_BIND_TCP | NETWORK_CONNECT_TCP;
    size = offsetof(ruleset_attributes, scoped);
  }
  if (state->landlock >= 6) {
    attributes.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    size = sizeof(attributes);
  }
  int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
  if (ruleset < 0) {
    return errno;
  }
  int result = add_rules(ruleset, plan, state);
  if (result == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
    result = errno;
  }
  close(ruleset);
  return result;
}
