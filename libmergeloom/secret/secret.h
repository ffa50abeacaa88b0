/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets in locked memory that is left out of core dumps and of forked children, and wiped when the last reference
 * goes.
 */
#ifndef MLOOM_SECRET_SECRET_H
#define MLOOM_SECRET_SECRET_H

#include "base/cleanup.h"
#include <mergeloom/plugin.h>

/* Copies; the caller wipes its own (mloom_secret_wipe). MLOOM_E_MEMORY. Reference counted and thread-safe. */
int32_t mloom_secret_new(mloom_secret **out, const char *data, size_t size, mloom_error *error);
mloom_secret *mloom_secret_ref(const mloom_secret *secret);
void mloom_secret_unref(const mloom_secret *secret);
MLOOM_DEFINE_AUTO(const mloom_secret, mloom_secret_unref)
/* Borrowed; ends with NUL. */
mloom_bytes mloom_secret_bytes(const mloom_secret *secret);
/* "3f9a01c2": the first 8 hex digits of HMAC-SHA-256 under a key that lives as long as the process; to tell two values
 * apart, not to guess one. */
void mloom_secret_fingerprint(const mloom_secret *secret, char out[9]);
/* Overwrites in a way no compiler drops. */
void mloom_secret_wipe(void *data, size_t size);

#endif
