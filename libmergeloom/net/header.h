/* SPDX-License-Identifier: Apache-2.0
 *
 * What may be sent as a header of a request: nothing that ends the header or decides where the message ends.
 */
#ifndef MLOOM_NET_HEADER_H
#define MLOOM_NET_HEADER_H

#include <mergeloom/plugin.h>

/* 1 for a token of RFC 9110, 5.6.2: a header name or a method. NULL is none. */
int mloom_header_is_token(const char *name);
/* MLOOM_E_INVALID for a name that is no token or belongs to the transport, and for line breaks and control characters
 * in the value or the secret. No error names the value. */
int32_t mloom_header_check(const mloom_header *header, mloom_error *error);

#endif
