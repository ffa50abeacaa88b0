/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_DIGEST_H
#define MERGELOOM_DAEMON_DIGEST_H

#include "secret/crypto.h"

#define DIGEST_TEXT_SIZE (2 * MLOOM_SHA256_SIZE + 1)

/* SHA-256 of data as hexadecimal text. */
int32_t digest_text(char out[DIGEST_TEXT_SIZE], mloom_bytes data, mloom_error *error);

#endif
