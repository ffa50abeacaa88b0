/* SPDX-License-Identifier: Apache-2.0
 *
 * The system call filter: no sockets when the network is denied, and none of the calls that build software never needs
 * and attacks on kernels do. A refused call fails with an error that programs know how to live with.
 */
#include "process/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define NATIVE_ARCHITECTURE 0
#endif

/* Numbers that older headers lack; the same on every architecture. */
#define CALL_QUOTACTL_FD 443
#define CALL_PROCESS_MRELEASE 448
#define CALL_MEMFD_SECRET 447
#define CALL_OPENAT2 437
#define CALL_CLONE3 435
#define CALL_FIRST_OF_MOUNTS 428 /* open_tree, move_mount, fsopen, fsconfig, fsmount, fspick */
#define CALL_LAST_OF_MOUNTS 433
#define CALL_IO_URING_SETUP 425
#define CALL_IO_URING_ENTER 426
#define CALL_IO_URING_REGISTER 427
#define CALL_MOUNT_SETATTR 442
#define CALL_PIDFD_GETFD 438
#define CALL_PROCESS_MADVISE 440
#define CALL_FCHMODAT2 452
#define CALL_OPEN_TREE_ATTR 467

/* CLONE_NEWTIME shares its bit with the exit signal and exists for unshare and clone3 only. */
#define NAMESPACE_FLAGS 0x7e020000u /* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */

#define SET_USER_ID 04000u
#define FILTER_SIZE 320

typedef struct filter_program {
  struct sock_filter code[FILTER_SIZE];
  unsigned short size;
} filter_program;

static const uint32_t refused_calls[] = {
    /* looking into and changing other processes */
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    CALL_PIDFD_GETFD,
    CALL_PROCESS_MADVISE,
    CALL_PROCESS_MRELEASE,
    SYS_perf_event_open,
    SYS_migrate_pages,
    SYS_move_pages,
    /* namespaces and mounts */
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    CALL_MOUNT_SETATTR,
    CALL_OPEN_TREE_ATTR,
    /* files by handle, behind any path rule */
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_fanotify_init,
    /* input and output that no filter sees */
    CALL_IO_URING_SETUP,
    CALL_IO_URING_ENTER,
    CALL_IO_URING_REGISTER,
    /* key rings are shared by all processes of a user */
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    /* the kernel itself */
    SYS_bpf,
    SYS_userfaultfd,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    CALL_QUOTACTL_FD,
    SYS_syslog,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_vhangup,
    CALL_MEMFD_SECRET,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef __x86_64__
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

/* System V objects and message queues belong to all processes of a user where they have no namespace. */
static const uint32_t shared_object_calls[] = {SYS_shmget, SYS_shmat,  SYS_semget,  SYS_semop,
                                               SYS_msgget, SYS_msgsnd, SYS_mq_open, SYS_mq_unlink};

static void add(filter_program *program, uint16_t code, uint32_t k, uint8_t jump_true, uint8_t jump_false) {
  if (program->size < FILTER_SIZE) {
    program->code[program->size] = (struct sock_filter){code, jump_true, jump_false, k};
  }
  program->size++;
}

static void add_load(filter_program *program, uint32_t offset) {
  add(program, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void add_error(filter_program *program, int error_number) {
  add(program, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error_number, 0, 0);
}

static void add_allow(filter_program *program) {
  add(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

/* In this and those below the accumulator holds the number of the call, before and after. */
static void add_refusal(filter_program *program, uint32_t call, int error_number) {
  add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
  add_error(program, error_number);
}

/* The low half of an argument, which is all that an int argument has. */
static uint32_t argument(uint32_t index) {
  uint32_t offset = (uint32_t)offsetof(struct seccomp_data, args) + index * 8;
  return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? offset + 4 : offset;
}

static void add_refusal_of_bits(filter_program *program, uint32_t call, uint32_t index, uint32_t bits) {
  add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4);
  add_load(program, argument(index));
  add(program, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
  add_error(program, EPERM);
  add_allow(program);
}

/* Refuses a call whose argument has value, or with is_refused 0 one whose argument has any other. */
static void add_value_rule(filter_program *program, uint32_t call, uint32_t index, uint32_t value, int is_refused) {
  add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4);
  add_load(program, argument(index));
  add(program, BPF_JMP | BPF_JEQ | BPF_K, value, !is_refused, is_refused);
  add_error(program, EPERM);
  add_load(program, offsetof(struct seccomp_data, nr));
}

static void add_refusal_of_value(filter_program *program, uint32_t call, uint32_t index, uint32_t value) {
  add_value_rule(program, call, index, value, 1);
}

/* What reaches other processes of the same user by their number, besides signals: their limits (one on processor time
 * ends them), and files that send signals to their owner. */
static void add_process_rules(filter_program *program) {
  add_value_rule(program, SYS_prlimit64, 0, 0, 0);
  add_refusal_of_value(program, SYS_fcntl, 1, F_SETOWN);
  add_refusal_of_value(program, SYS_fcntl, 1, F_SETOWN_EX);
  add_refusal_of_value(program, SYS_ioctl, 1, FIOSETOWN);
  add_refusal_of_value(program, SYS_ioctl, 1, SIOCSPGRP);
}

/* flags at index, mode behind it. The mode counts only when a file is made. O_RDONLY with O_TRUNC empties a file that
 * may only be read; Landlock knows that from ABI 3 on. */
static void add_opening(filter_program *program, uint32_t call, uint32_t index, int truncation) {
  add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 10);
  add_load(program, argument(index));
  add(program, BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_TRUNC, 0, 0);
  add(program, BPF_JMP | BPF_JEQ | BPF_K, truncation ? O_RDONLY | O_TRUNC : UINT32_MAX, 0, 1);
  add_error(program, EPERM);
  add_load(program, argument(index));
  add(program, BPF_JMP | BPF_JSET | BPF_K, O_CREAT | (O_TMPFILE & ~O_DIRECTORY), 0, 3);
  add_load(program, argument(index + 1));
  add(program, BPF_JMP | BPF_JSET | BPF_K, SET_USER_ID, 0, 1);
  add_error(program, EPERM);
  add_allow(program);
}

/* A program with a set-user-id bit, left behind by root, would be root for every user of the machine. */
static void add_file_rules(filter_program *program, int truncation) {
#ifdef __x86_64__
  add_opening(program, SYS_open, 1, truncation);
  add_refusal_of_bits(program, SYS_creat, 1, SET_USER_ID);
  add_refusal_of_bits(program, SYS_chmod, 1, SET_USER_ID);
  add_refusal_of_bits(program, SYS_mknod, 1, SET_USER_ID);
#endif
  add_opening(program, SYS_openat, 2, truncation);
  add_refusal_of_bits(program, SYS_mknodat, 2, SET_USER_ID);
  add_refusal_of_bits(program, SYS_fchmod, 1, SET_USER_ID);
  add_refusal_of_bits(program, SYS_fchmodat, 2, SET_USER_ID);
  add_refusal_of_bits(program, CALL_FCHMODAT2, 2, SET_USER_ID);
  /* Its arguments are out of sight in memory; programs fall back to openat. */
  add_refusal(program, CALL_OPENAT2, ENOSYS);
  if (truncation) {
    add_refusal(program, SYS_truncate, EPERM);
  }
}

/* With the network allowed: IPv4, IPv6 and the routing questions that resolvers ask. No Unix sockets, behind which
 * other programs of this machine (a container engine, a password agent) would do what the sandbox forbids. */
static void add_socket_rules(filter_program *program, int network) {
  if (!network) {
    add_refusal(program, SYS_socket, EACCES);
    return;
  }
  add(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 8);
  add_load(program, argument(0));
  add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 5, 0);
  add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 4, 0);
  add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 2);
  add_load(program, argument(2));
  add(program, BPF_JMP | BPF_JEQ | BPF_K, NETLINK_ROUTE, 1, 0);
  add_error(program, EACCES);
  add_allow(program);
}

/* A pair of streams or of packets stays one; a datagram socket sends to any other that has a name, paired or not. */
static void add_pair_rules(filter_program *program) {
  const uint32_t kinds = 0xf;
  add(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 0, 8);
  add_load(program, argument(0));
  add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 4);
  add_load(program, argument(1));
  add(program, BPF_ALU | BPF_AND | BPF_K, kinds, 0, 0);
  add(program, BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 2, 0);
  add(program, BPF_JMP | BPF_JEQ | BPF_K, SOCK_SEQPACKET, 1, 0);
  add_error(program, EACCES);
  add_allow(program);
}

static void add_calls(filter_program *program, const uint32_t *calls, size_t count) {
  for (size_t i = 0; i < count; i++) {
    add_refusal(program, calls[i], EPERM);
  }
}

static void build(filter_program *program, const supervise_plan *plan, const supervise_state *state) {
  add_load(program, offsetof(struct seccomp_data, arch));
  add(program, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 1, 0);
  add_error(program, ENOSYS);
  add_load(program, offsetof(struct seccomp_data, nr));
#ifdef X32_BIT
  add(program, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
  add_error(program, ENOSYS);
#endif
  add_calls(program, refused_calls, sizeof(refused_calls) / sizeof(refused_calls[0]));
  if ((state->layers & SUPERVISE_PID_NAMESPACE) == 0) {
    add_calls(program, shared_object_calls, sizeof(shared_object_calls) / sizeof(shared_object_calls[0]));
    add_process_rules(program);
  }
  add(program, BPF_JMP | BPF_JGE | BPF_K, CALL_FIRST_OF_MOUNTS, 0, 2);
  add(program, BPF_JMP | BPF_JGT | BPF_K, CALL_LAST_OF_MOUNTS, 1, 0);
  add_error(program, EPERM);
  /* clone3 hides its flags in memory; libc falls back to clone. */
  add_refusal(program, CALL_CLONE3, ENOSYS);
  add_refusal_of_bits(program, SYS_clone, 0, NAMESPACE_FLAGS);
  add_socket_rules(program, plan->network != 0);
  add_pair_rules(program);
  add_file_rules(program, state->landlock < 3 && (state->layers & SUPERVISE_READ_ONLY_REST) == 0);
  add_refusal_of_value(program, SYS_ioctl, 1, TIOCSTI);
  add_refusal_of_value(program, SYS_ioctl, 1, TIOCLINUX);
  add_allow(program);
}

int supervise_filter_calls(const supervise_plan *plan, const supervise_state *state) {
  filter_program program = {.size = 0};
  if (NATIVE_ARCHITECTURE == 0) {
    return ENOSYS;
  }
  build(&program, plan, state);
  if (program.size > FILTER_SIZE) {
    return E2BIG;
  }
  struct sock_fprog code = {.len = program.size, .filter = program.code};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &code, 0, 0) != 0 ? errno : 0;
}
