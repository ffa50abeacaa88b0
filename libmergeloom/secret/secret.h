/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets in locked memory that is left out of core dumps and of forked children, and wiped when the last reference
 * goes.
 */
#ifndef MLOOM_SECRET_SECRET_H
#define MLOOM_SECRET_SECRET_H

#include <mergeloom/plugin.h>

/* The largest secret: room for a service account's file, not for a mistake. */
#define MLOOM_SECRET_LIMIT ((size_t)1024 * 1024)

/* Copies; the caller wipes its own (mloom_secret_wipe). MLOOM_E_MEMORY, MLOOM_E_LIMIT. Reference counted and
 * thread-safe. A forked child finds zeros. */
int32_t mloom_secret_new(mloom_secret **out, const char *data, size_t size, mloom_error *error);
mloom_secret *mloom_secret_ref(const mloom_secret *secret);
void mloom_secret_unref(const mloom_secret *secret);
/* For MLOOM_AUTO, of mloom_secret * and const mloom_secret * alike. */
void mloom_secret_unref_auto(void *pointer_to_secret);
/* Borrowed; ends with NUL. */
mloom_bytes mloom_secret_bytes(const mloom_secret *secret);
/* 1 when the system granted a lock, so that the bytes never reach swap space. */
int mloom_secret_is_locked(const mloom_secret *secret);
/* 1 when there are more references than one. Of who holds the only one, nobody else can take one. */
int mloom_secret_is_shared(const mloom_secret *secret);
/* "3f9a01c2": the first 8 hex digits of HMAC-SHA-256 under key, or with NULL under a random one that lives as long as
 * the process; to tell two values apart, not to guess one. */
void mloom_secret_fingerprint(const mloom_secret *secret, const mloom_secret *key, char out[9]);
/* Overwrites in a way no compiler drops. */
void mloom_secret_wipe(void *data, size_t size);

#endif
