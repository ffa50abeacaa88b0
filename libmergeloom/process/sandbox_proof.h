/* SPDX-License-Identifier: Apache-2.0
 *
 * The proof with a sandbox of the caller's choice, for the tests: without one, nothing may be found confined.
 */
#ifndef MLOOM_PROCESS_SANDBOX_PROOF_H
#define MLOOM_PROCESS_SANDBOX_PROOF_H

#include "process/sandbox.h"

/* As mloom_sandbox_prove. confined 0: the attacks run without a sandbox. */
int32_t mloom_sandbox_prove_as(const mloom_call *call, const char *supervise_path, const char *scratch_path,
                               int confined, mloom_sandbox_proof *proof, mloom_error *error);

#endif
