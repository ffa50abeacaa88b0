/* SPDX-License-Identifier: Apache-2.0
 *
 * What mergeloom-supervise is called with for a plan; supervise_protocol.h has what goes on between the two.
 */
#ifndef MLOOM_PROCESS_SUPERVISOR_ARGUMENTS_H
#define MLOOM_PROCESS_SUPERVISOR_ARGUMENTS_H

#include "process/process.h"

/* Strings are borrowed from the plan, or live in numbers. values is to be freed. */
typedef struct mloom_supervisor_arguments {
  const char **values;
  size_t count;
  char numbers[5][24];
} mloom_supervisor_arguments;

/* arguments is zeroed. MLOOM_E_MEMORY. */
int32_t mloom_supervisor_arguments_make(mloom_supervisor_arguments *arguments, const mloom_process_plan *plan);
/* How long programs have to end by themselves. */
uint64_t mloom_supervisor_grace_ms(const mloom_process_plan *plan);

#endif
