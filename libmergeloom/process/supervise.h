/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner interfaces of mergeloom-supervise. It is single-threaded, links libc only, and is trusted: what it runs is not.
 */
#ifndef MLOOM_PROCESS_SUPERVISE_H
#define MLOOM_PROCESS_SUPERVISE_H

#include <stdint.h>
#include <sys/types.h>

#include "process/supervise_protocol.h"

/* The limit is of processes; threads are held to a generous multiple of it, because they too eat what all share. */
#define SUPERVISE_THREADS_PER_PROCESS 16u

typedef struct supervise_plan {
  const char **read_paths; /* end with NULL, resolved, existing */
  const char **write_paths;
  size_t read_count;
  size_t write_count;
  uint32_t confined; /* 0: no sandbox at all */
  uint32_t required; /* no Landlock or no system call filter: do not run */
  uint32_t network;  /* 1: allowed */
  uint32_t terminal; /* 1: descriptor 0 is to be the terminal of the command's session */
  uint64_t grace_ms;
  uint64_t processes;
  uint64_t memory;
  uint64_t file_size;
  uint64_t open_files;
  const char *directory;
  char **command; /* command[0] absolute, ends with NULL */
} supervise_plan;

typedef struct supervise_state {
  uint32_t layers;     /* SUPERVISE_... */
  int32_t landlock;    /* ABI */
  pid_t initial;       /* process 1 of the namespace, 0: no namespace */
  int initial_fd;      /* it tells how many it had to kill */
  pid_t command;       /* 0 once it was reaped */
  int32_t wait_status; /* of the command */
  int guard;           /* where the kernel asks about calls; -1: it does not */
} supervise_state;

/* Facts for the starting process. */
__attribute__((format(printf, 1, 2))) void supervise_report(const char *format, ...);
/* Reports "error KIND ERRNO TEXT" and ends the program. */
__attribute__((noreturn, format(printf, 3, 4))) void supervise_fail(const char *kind, int error_number,
                                                                    const char *format, ...);
int64_t supervise_now_ms(void);

/* A fork bomb must not keep those from running who end it. Only root can have this. */
void supervise_raise_priority(void);

/* Tries new namespaces for all later children, as far as this user may have them; starts their process 1. */
void supervise_enter_namespaces(const supervise_plan *plan, supervise_state *state);

int32_t supervise_landlock_abi(void);
/* Starts the command and waits until it runs. */
void supervise_start(const supervise_plan *plan, supervise_state *state);
/* The three below are for the new process, before it runs the command: 0, or errno. */
int supervise_restrict_files(const supervise_plan *plan, const supervise_state *state);
int supervise_drop_capabilities(const supervise_state *state);
int supervise_filter_calls(const supervise_plan *plan, const supervise_state *state);

typedef struct supervise_question {
  uint64_t id;
  int is_signal; /* otherwise it is a fork */
  pid_t target;  /* of the signal, as for kill */
} supervise_question;

/* For the new process: it and its descendants wait for an answer before certain calls from now on. The descriptor to
 * answer through, or -1: the kernel does not ask, or need not. */
int supervise_open_guard(const supervise_plan *plan, const supervise_state *state);
/* The descriptor has to be readable. 0: the call that waited for an answer is gone. */
int supervise_next_question(int guard, supervise_question *out);
/* error_number 0 lets the call pass. */
void supervise_answer(int guard, const supervise_question *question, int error_number);

/* Becomes the command, confined, within whatever sandbox holds already: for commands of a program that is confined
 * itself. No namespaces, no limits, nobody who watches: that is the outer supervisor's. */
__attribute__((noreturn)) void supervise_confine_here(const supervise_plan *plan);

/* Waits until the command ends or has to, ends all that it left behind, and reports. */
void supervise_watch(const supervise_plan *plan, supervise_state *state);
/* Whether a command line keeps to a list of programs; see supervise_judge.c. */
int supervise_judge(int argc, char **argv);
/* One attack of the proof, run inside the sandbox in place of a command; see supervise_attack.c. */
int supervise_attack(int argc, char **argv);

#endif
