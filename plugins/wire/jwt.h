/* SPDX-License-Identifier: Apache-2.0
 *
 * Signed JSON Web Tokens (RFC 7515, compact form), as assertions of who a program is.
 */
#ifndef MLOOM_WIRE_JWT_H
#define MLOOM_WIRE_JWT_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

#define MLOOM_JWT_RS256 0u
#define MLOOM_JWT_PS256 1u

/* Appends the token of header and claims, both JSON texts, signed under private_key (PEM). header names the algorithm
 * itself. MLOOM_E_UNSUPPORTED: the host offers no cryptography; others as mloom_crypto says. */
int32_t mloom_jwt_sign(mloom_buffer *out, const mloom_host *host, uint32_t algorithm, mloom_bytes header,
                       mloom_bytes claims, const mloom_secret *private_key, mloom_error *error);

#endif
