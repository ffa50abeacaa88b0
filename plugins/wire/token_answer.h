/* SPDX-License-Identifier: Apache-2.0
 *
 * What token endpoints answer: those of RFC 6749 and RFC 8693, of metadata servers, and of Google's and Azure's own.
 */
#ifndef MLOOM_WIRE_TOKEN_ANSWER_H
#define MLOOM_WIRE_TOKEN_ANSWER_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

/* Texts are "" and numbers -1 where the answer has nothing. */
typedef struct mloom_token_answer {
  const mloom_secret *token; /* access_token or accessToken; released by mloom_token_answer_free */
  int64_t expires_in_s;      /* expires_in: a number, or one in quotes */
  int64_t expires_on_s;      /* expires_on: since 1970, likewise */
  int64_t refresh_in_s;
  char expire_time[40];  /* expireTime: RFC 3339 */
  char error[80];        /* error, or error.status or error.code of an object */
  char description[320]; /* error_description, or error.message of an object, or message */
  char subtype[80];      /* error_subtype or suberror */
  int64_t error_code;    /* the first of error_codes */
  char correlation[80];  /* correlation_id */
} mloom_token_answer;

/* Reads a body. Strings that a secret may be in are wiped from all memory but body. MLOOM_E_PROTOCOL: no JSON object;
 * MLOOM_E_INVALID: a token that no header can carry; MLOOM_E_MEMORY. An answer without token is MLOOM_OK: see error.
 * out is freed by the caller in all cases. */
int32_t mloom_token_answer_read(mloom_token_answer *out, const mloom_host *host, mloom_bytes body, mloom_error *error);
void mloom_token_answer_free(mloom_token_answer *answer, const mloom_host *host);
/* The wall time at which the token expires, in milliseconds: by the life that the answer gives it, counted from
 * asked_wall_ms, when the request was sent; else by the moment that it names; ten minutes when it gives neither. */
int64_t mloom_token_answer_expiry(const mloom_token_answer *answer, int64_t asked_wall_ms);

#endif
