/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_CREDENTIAL_COMMAND_OUTPUT_H
#define MLOOM_CREDENTIAL_COMMAND_OUTPUT_H

#include <mergeloom/plugin.h>

/* Reads what a helper printed: the key alone, or a JSON object. The object has token, access_token, accessToken or
 * api_key, and may have expires_in (seconds), or expires_on, expires_at, expiry or expirationTimestamp (RFC 3339, or
 * seconds since 1970). What Kubernetes calls an ExecCredential has both in its member status.
 * *expires_wall_ms is -1 when it does not say. The caller owns the reference to *secret. MLOOM_E_PROTOCOL, with a
 * reason that repeats nothing of the text; MLOOM_E_MEMORY. */
int32_t mloom_command_output_read(const mloom_secret **secret, int64_t *expires_wall_ms, const mloom_host *host,
                                  mloom_bytes text, int64_t now_wall_ms, mloom_error *error);

#endif
