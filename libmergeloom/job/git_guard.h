/* SPDX-License-Identifier: Apache-2.0
 *
 * Which git command lines a model may run. The sandbox holds either way; this wall answers early and says why.
 */
#ifndef MLOOM_JOB_GIT_GUARD_H
#define MLOOM_JOB_GIT_GUARD_H

#include <mergeloom/types.h>

/* argv[0] is "git". MLOOM_OK, or MLOOM_E_DENIED with the reason and what to do instead. */
int32_t mloom_git_guard_check(const char *const *argv, size_t count, mloom_error *error);

#endif
