/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_BASE_ERROR_H
#define MLOOM_BASE_ERROR_H

#include <mergeloom/types.h>

/* Fills error (may be NULL) and returns code, so that callers write: return mloom_error_set(...). The message is one
 * line: control characters become spaces. remedy may be NULL. retryable, retry_after_ms, http_status and request_id are
 * reset. */
__attribute__((format(printf, 5, 6))) int32_t mloom_error_set(mloom_error *error, int32_t code, uint32_t domain,
                                                              const char *remedy, const char *format, ...);

/* As mloom_error_set for a failed system call: appends strerror(errno_value), code chosen from it. */
__attribute__((format(printf, 5, 6))) int32_t mloom_error_set_errno(mloom_error *error, int errno_value,
                                                                    uint32_t domain, const char *remedy,
                                                                    const char *format, ...);

int32_t mloom_error_memory(mloom_error *error);

/* Copies from to to (either may be NULL) within the smaller of both sizes. */
void mloom_error_copy(mloom_error *to, const mloom_error *from);

/* "network", "provider", ... Static. */
const char *mloom_domain_name(uint32_t domain);

#endif
