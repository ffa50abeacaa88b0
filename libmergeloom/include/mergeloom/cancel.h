/* SPDX-License-Identifier: Apache-2.0
 *
 * A cancel token: triggered once from any thread, seen by every call that was given it.
 */
#ifndef MERGELOOM_CANCEL_H
#define MERGELOOM_CANCEL_H

#include <mergeloom/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mloom_cancel mloom_cancel;

/* Makes a token with one reference, owned by the caller. MLOOM_E_MEMORY, MLOOM_E_IO (no file descriptor left: close
 * some). */
MLOOM_API int32_t mloom_cancel_new(mloom_cancel **out, mloom_error *error);

/* Adds and drops a reference. Thread-safe; NULL is allowed. */
MLOOM_API mloom_cancel *mloom_cancel_ref(mloom_cancel *cancel);
MLOOM_API void mloom_cancel_unref(mloom_cancel *cancel);

/* Cancels every call that holds the token, now and later. Thread-safe and async-signal-safe; further triggers do
 * nothing. */
MLOOM_API void mloom_cancel_trigger(mloom_cancel *cancel);

/* 1 when triggered. Thread-safe; NULL is never triggered. */
MLOOM_API int32_t mloom_cancel_is_triggered(const mloom_cancel *cancel);

#ifdef __cplusplus
}
#endif

#endif
