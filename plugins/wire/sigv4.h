/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS Signature Version 4 in headers, on the host's cryptography. The path is encoded once more than it is sent, as
 * every service but S3 expects.
 */
#ifndef MLOOM_WIRE_SIGV4_H
#define MLOOM_WIRE_SIGV4_H

#include "base/buffer.h"
#include <mergeloom/crypto.h>

/* Keeps the signing keys last used, in memory of the host's secrets. Thread-safe. */
typedef struct mloom_sigv4 mloom_sigv4;

typedef struct mloom_sigv4_identity {
  const char *access_key_id;
  mloom_bytes secret_access_key;
  mloom_bytes session_token; /* empty: none */
} mloom_sigv4_identity;

#define MLOOM_SIGV4_RAW_PATH 1u       /* keep dot segments and doubled slashes */
#define MLOOM_SIGV4_BODY_HEADER 2u    /* sign X-Amz-Content-Sha256 too; the caller sends body_sha256 in it */
#define MLOOM_SIGV4_UNSIGNED_TOKEN 4u /* the session token is sent, not signed */

typedef struct mloom_sigv4_scope {
  const char *region;
  const char *service;
  int64_t wall_ms; /* since 1970-01-01 UTC */
  uint32_t options;
} mloom_sigv4_scope;

/* What the caller adds to the request: Authorization, X-Amz-Date, and X-Amz-Security-Token when there is a token. */
typedef struct mloom_sigv4_signature {
  char date[17];
  char body_sha256[2 * MLOOM_SHA256_SIZE + 1];
  mloom_buffer authorization;
} mloom_sigv4_signature;

/* MLOOM_E_UNSUPPORTED when the host has no cryptography; MLOOM_E_MEMORY. */
int32_t mloom_sigv4_new(mloom_sigv4 **out, const mloom_host *host, mloom_error *error);
void mloom_sigv4_free(mloom_sigv4 *signer);
MLOOM_DEFINE_AUTO(mloom_sigv4, mloom_sigv4_free)

/* Signs method, url, headers and body of request. Headers that proxies change and those that carry a secret are left
 * out. MLOOM_E_INVALID: the request or the scope cannot be signed, or the request has a header of a signature
 * already. */
int32_t mloom_sigv4_sign(mloom_sigv4_signature *out, mloom_sigv4 *signer, const mloom_sigv4_identity *identity,
                         const mloom_sigv4_scope *scope, const mloom_http_request *request, mloom_error *error);
void mloom_sigv4_signature_free(mloom_sigv4_signature *signature);

#endif
