/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of stored secrets, followed while another program (mergeloomd rotate-key) replaces their file. The caller
 * serializes.
 */
#ifndef MERGELOOM_DAEMON_STORE_KEYS_H
#define MERGELOOM_DAEMON_STORE_KEYS_H

#include <mergeloom/seal.h>

typedef struct store_keys store_keys;

/* Errors as of mloom_seal_open, which makes the file when there is none. */
int32_t store_keys_open(store_keys **out, const char *path, mloom_error *error);
void store_keys_free(store_keys *keys);

/* The keys as last read. Borrowed until they are read again. */
const mloom_seal *store_keys_seal(const store_keys *keys);
/* Reads the file again when it is another one than before. MLOOM_E_NOT_FOUND: it is gone; nothing may be sealed then,
 * since nobody could open it later. After an error the keys are those of before. */
int32_t store_keys_refresh(store_keys *keys, mloom_error *error);
/* Grows with every change that was seen. */
uint64_t store_keys_version(const store_keys *keys);

/* Calls reseal between the making of a new key and the dropping of the old ones. Its transactions have to begin after
 * it is called: whoever wrote before has then finished, and whoever writes later refreshes and finds the new key.
 * MLOOM_E_CONFLICT: another program rotates. */
int32_t store_keys_rotate(store_keys *keys, int32_t (*reseal)(void *userdata, mloom_error *error), void *userdata,
                          mloom_error *error);

#endif
