/* SPDX-License-Identifier: Apache-2.0
 *
 * A program of the operator's own that prints a credential. It is run without a shell, in an environment that holds no
 * more than such programs need.
 */
#ifndef MLOOM_WIRE_HELPER_H
#define MLOOM_WIRE_HELPER_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

#define MLOOM_HELPER_OUTPUT_LIMIT ((size_t)64 * 1024)
#define MLOOM_HELPER_VARIABLES_LIMIT 128u

typedef struct mloom_helper {
  const char *what; /* what names the program: begins every message */
  const char *line; /* the program and its arguments, cut into words as a shell does it, without any expansion */
  const char *const *variables;   /* names that are handed on beside the usual ones; ends with NULL. NULL: none */
  const char *const *assignments; /* NAME=value: what it is told besides; ends with NULL. NULL: none */
  uint64_t timeout_ms;
  uint32_t only_trusted; /* 1: refuse a program that others could change */
  uint32_t reserved;
} mloom_helper;

/* Runs it and appends what it prints to output, which is the caller's to wipe (mloom_buffer_wipe).
 * MLOOM_E_INVALID: the line; MLOOM_E_NOT_FOUND: no such program; MLOOM_E_DENIED: not trusted; MLOOM_E_UNAVAILABLE: it
 * did not end in time; MLOOM_E_UNAUTHENTICATED: it failed; MLOOM_E_LIMIT: it printed too much. */
int32_t mloom_helper_run(mloom_buffer *output, const mloom_host *host, mloom_call *call, const mloom_helper *helper,
                         mloom_error *error);

#endif
