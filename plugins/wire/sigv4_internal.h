/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_WIRE_SIGV4_INTERNAL_H
#define MLOOM_WIRE_SIGV4_INTERNAL_H

#include "sigv4.h"

/* What is hashed of a request. */
typedef struct mloom_sigv4_canonical {
  mloom_buffer text;    /* the canonical request without the session token */
  size_t token_offset;  /* where the token belongs; 0: nowhere */
  mloom_buffer headers; /* names of signed headers */
} mloom_sigv4_canonical;

/* Uses the date and the hash of the body in signature. MLOOM_E_INVALID, MLOOM_E_MEMORY. */
int32_t mloom_sigv4_canonical_build(mloom_sigv4_canonical *out, const mloom_sigv4_signature *signature,
                                    uint32_t options, int has_token, const mloom_http_request *request,
                                    mloom_error *error);
void mloom_sigv4_canonical_free(mloom_sigv4_canonical *parts);

/* A letter, a digit, '-', '.', '_' or '~'. */
static inline int mloom_sigv4_is_unreserved(char c) {
  static const uint64_t members[4] = {UINT64_C(0x03ff600000000000), UINT64_C(0x47fffffe87fffffe), 0, 0};
  unsigned char byte = (unsigned char)c;
  return (int)(members[byte >> 6] >> (byte & 63) & 1);
}

#define MLOOM_SIGV4_LITERAL(text) \
  { (text), sizeof(text) - 1 }

/* Appends the texts one after the other. */
int32_t mloom_sigv4_append_all(mloom_buffer *out, const mloom_bytes *texts, size_t count);

#endif
