/* SPDX-License-Identifier: Apache-2.0
 *
 * Moments in texts that services send, in milliseconds since 1970-01-01 UTC. Depends on libc only.
 */
#ifndef MLOOM_BASE_TIMESTAMP_H
#define MLOOM_BASE_TIMESTAMP_H

#include <mergeloom/types.h>

/* RFC 3339, with or without a fraction: "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05+01:00". As ISO 8601 has it, an
 * offset may lack its colon; without any offset it is UTC. MLOOM_E_INVALID for anything else. */
int32_t mloom_timestamp_parse(mloom_bytes text, int64_t *out_ms);
/* The three forms of RFC 9110, 5.6.7, not before 1970; now_wall_ms tells the century where two digits are given. -1 for
 * anything else. */
int64_t mloom_timestamp_parse_http(const char *text, int64_t now_wall_ms);

#endif
