/* SPDX-License-Identifier: Apache-2.0
 *
 * Base64 (RFC 4648).
 */
#ifndef MLOOM_BASE_BASE64_H
#define MLOOM_BASE_BASE64_H

#include "base/buffer.h"

/* Appends data in the standard alphabet, padded. MLOOM_E_MEMORY. */
int32_t mloom_base64_append(mloom_buffer *out, const void *data, size_t size);
/* In the alphabet for addresses, not padded, as JSON Web Tokens have it. MLOOM_E_MEMORY. */
int32_t mloom_base64_append_url(mloom_buffer *out, const void *data, size_t size);
/* Appends the bytes that text stands for, in either alphabet, padded or not. MLOOM_E_INVALID, and out is as before;
 * MLOOM_E_MEMORY. */
int32_t mloom_base64_decode(mloom_buffer *out, const char *text, size_t size);

#endif
