/* SPDX-License-Identifier: Apache-2.0
 *
 * What a confined process may touch, and the proof that it holds on this kernel.
 */
#ifndef MLOOM_PROCESS_SANDBOX_H
#define MLOOM_PROCESS_SANDBOX_H

#include "base/call.h"

#define MLOOM_SANDBOX_REQUIRE 0u     /* no Landlock: the command does not run */
#define MLOOM_SANDBOX_BEST_EFFORT 1u /* what the kernel has is used, the rest is reported */

/* Borrowed pointers. Besides these, the fixed system folders (programs, libraries, a short list in /etc, /dev/null and
 * its like) may be read. */
typedef struct mloom_sandbox {
  const char *const *read_paths;  /* absolute, end with NULL; read and execute */
  const char *const *write_paths; /* absolute, end with NULL; read, execute and change */
  uint32_t mode;                  /* MLOOM_SANDBOX_... */
  uint32_t allow_network;
} mloom_sandbox;

/* What holds here. */
typedef struct mloom_sandbox_proof {
  int32_t landlock_abi; /* 0: the kernel has none */
  uint32_t files;       /* 1: reading a secret and writing outside were both refused */
  uint32_t network;     /* 1: TCP, UDP and Unix sockets were refused */
  uint32_t processes;   /* 1: a process outside could not be signalled or traced */
  uint32_t tree;        /* 1: a daemonised grandchild was ended */
  char detail[256];     /* one line for people: what holds, and what does not and why */
} mloom_sandbox_proof;

/* Runs the attacks for real, in a scratch folder below scratch_path, through supervise_path. MLOOM_OK with proof even
 * when nothing holds; an error only when it could not be tried. Takes some tens of milliseconds. Thread-safe. */
int32_t mloom_sandbox_prove(const mloom_call *call, const char *supervise_path, const char *scratch_path,
                            mloom_sandbox_proof *proof, mloom_error *error);

/* Landlock ABI of the running kernel, 0 when there is none. */
int32_t mloom_sandbox_landlock_abi(void);

#endif
