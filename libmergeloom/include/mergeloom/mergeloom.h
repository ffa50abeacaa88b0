/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything an embedder needs. Strings are UTF-8. Functions that return int32_t return MLOOM_OK or a negative
 * MLOOM_E_ code and fill error, which may be NULL. Thread rules: docs/threads.md.
 */
#ifndef MERGELOOM_MERGELOOM_H
#define MERGELOOM_MERGELOOM_H

#include <mergeloom/cancel.h>
#include <mergeloom/context.h>
#include <mergeloom/job.h>
#include <mergeloom/login.h>
#include <mergeloom/readiness.h>
#include <mergeloom/resolution.h>
#include <mergeloom/seal.h>
#include <mergeloom/types.h>

#endif
