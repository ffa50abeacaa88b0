/* SPDX-License-Identifier: Apache-2.0 */
#include "process/sandbox.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

int32_t mloom_sandbox_landlock_abi(void) {
  const uint32_t ask_for_version = 1;
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, ask_for_version);
  return abi < 1 ? 0 : (int32_t)abi;
}
