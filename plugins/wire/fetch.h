/* SPDX-License-Identifier: Apache-2.0
 *
 * Small requests of credential sources: one short answer, kept whole, tried again while the other side is only busy.
 */
#ifndef MLOOM_WIRE_FETCH_H
#define MLOOM_WIRE_FETCH_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

/* The largest answer; a token or key has a few kilobytes. */
#define MLOOM_FETCH_LIMIT ((size_t)256 * 1024)

typedef struct mloom_fetch_options {
  uint64_t timeout_ms; /* of one attempt; 0: 10 s */
  uint32_t attempts;   /* 0: 3 */
  uint32_t reserved;
  uint64_t pause_ms; /* before the second attempt, doubled for each later one; 0: 1 s */
} mloom_fetch_options;

typedef struct mloom_fetch_answer {
  int32_t status; /* 0: none came */
  uint32_t attempts;
  mloom_buffer body;      /* wiped by mloom_fetch_answer_free */
  int64_t date_wall_ms;   /* the other side's clock; -1 when it did not say */
  int64_t retry_after_ms; /* -1 when it did not say */
  char request_id[128];
  char content_type[64];
  char authenticate[256]; /* WWW-Authenticate */
  char flavor[32];        /* Metadata-Flavor */
} mloom_fetch_answer;

/* Performs request. MLOOM_OK for every complete answer, whatever its status, once it is not one of 408, 429, 500, 502,
 * 503 and 504 or the attempts are used up. Else as host->http, a time-out of one attempt as MLOOM_E_UNAVAILABLE.
 * *answer is freed by the caller in both cases. options may be NULL. */
int32_t mloom_fetch(mloom_fetch_answer *answer, const mloom_host *host, mloom_call *call,
                    const mloom_http_request *request, const mloom_fetch_options *options, mloom_error *error);
/* Wipes what came. */
void mloom_fetch_answer_free(mloom_fetch_answer *answer);

/* What to add to this machine's clock to come to the other side's, when it says that they are minutes apart; else 0. */
int64_t mloom_fetch_clock_offset_ms(const mloom_fetch_answer *answer, const mloom_host *host);

/* A place that is sent secrets: https, or http to a loopback address. name is what sets it, for the remedy.
 * MLOOM_E_INVALID. */
int32_t mloom_fetch_check_url(const char *url, const char *name, mloom_error *error);

/* Appends text with all but A-Z a-z 0-9 - . _ ~ percent-encoded. */
int32_t mloom_fetch_append_encoded(mloom_buffer *out, mloom_bytes text);
/* Appends "&name=value" (the first of a body without &), value encoded. */
int32_t mloom_fetch_append_field(mloom_buffer *out, const char *name, mloom_bytes value);

#endif
