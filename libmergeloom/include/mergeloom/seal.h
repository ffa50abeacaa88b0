/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealing of secrets at rest, for programs that keep settings in a store of their own: AES-256-GCM under a key file.
 * The library itself stores no secret.
 */
#ifndef MERGELOOM_SEAL_H
#define MERGELOOM_SEAL_H

#include <mergeloom/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The keys of one key file, in locked memory. Thread-safe once opened. */
typedef struct mloom_seal mloom_seal;

/* Opens the key file at an absolute path; when there is none, makes one with a random key, mode 0600. Two processes
 * that do so at once end with the same key. The caller owns *out. MLOOM_E_INVALID: it is no key file, or the path is
 * relative. MLOOM_E_DENIED: others may read or replace it: correct its mode and that of its folder. MLOOM_E_NOT_FOUND:
 * its folder is not there: make it. MLOOM_E_IO, MLOOM_E_MEMORY. */
MLOOM_API int32_t mloom_seal_open(mloom_seal **out, const char *path, mloom_error *error);
/* Wipes the keys. NULL is allowed. */
MLOOM_API void mloom_seal_free(mloom_seal *seal);

/* Seals a value of at most 1 MiB under the newest key, bound to the name of its owner and field: sealed text that was
 * copied to another row does not open. *out is printable text; the caller frees it with mloom_string_free.
 * MLOOM_E_LIMIT, MLOOM_E_MEMORY. */
MLOOM_API int32_t mloom_seal_value(char **out, const mloom_seal *seal, const char *owner, const char *field,
                                   mloom_bytes value, mloom_error *error);
/* Opens sealed text; the bytes end with a NUL that size does not count. Release them with mloom_seal_release.
 * MLOOM_E_INVALID: the text is damaged, or was sealed for another owner or field. MLOOM_E_NOT_FOUND: none of the keys
 * sealed it: the key file was replaced. Restore it, or enter the secret again. MLOOM_E_MEMORY. */
MLOOM_API int32_t mloom_unseal_value(mloom_bytes *out, const mloom_seal *seal, const char *owner, const char *field,
                                     const char *sealed, mloom_error *error);
/* Wipes and frees what mloom_unseal_value gave. {NULL, 0} is allowed. */
MLOOM_API void mloom_seal_release(mloom_bytes *value);
/* 1 when sealed was made with the newest key, so that it need not be sealed again. */
MLOOM_API int32_t mloom_seal_is_newest(const mloom_seal *seal, const char *sealed);

#define MLOOM_FINGERPRINT_KEY_SIZE 65

/* A printable key for the fingerprints of secrets (mloom_context_options.fingerprint_key), ends with NUL: the same for
 * as long as there is the key file, whatever keys are added and dropped, another for another file, and of no use for
 * opening anything. Who has it can try out guesses: keep it as a secret. */
MLOOM_API void mloom_seal_fingerprint_key(const mloom_seal *seal, char out[MLOOM_FINGERPRINT_KEY_SIZE]);

/* Rotation, in three steps that may be interrupted between any two instants: mloom_seal_add_key puts a new random key
 * before the old ones and replaces the file; the program opens it again and seals its values anew; mloom_seal_drop_keys
 * removes all but the newest key from the file. Errors as of mloom_seal_open, MLOOM_E_NOT_FOUND also when there is no
 * file to drop keys from, and MLOOM_E_LIMIT when 64 keys are in it: drop the old ones first. */
MLOOM_API int32_t mloom_seal_add_key(const char *path, mloom_error *error);
MLOOM_API int32_t mloom_seal_drop_keys(const char *path, mloom_error *error);

#ifdef __cplusplus
}
#endif

#endif
