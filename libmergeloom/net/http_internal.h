/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_NET_HTTP_INTERNAL_H
#define MLOOM_NET_HTTP_INTERNAL_H

#include <pthread.h>

#include "net/http.h"
#include "net/libcurl.h"

#define MLOOM_HTTP_HEADER_LIMIT (256u * 1024u)

typedef struct mloom_http_slot {
  CURL *easy;
  CURLM *multi;
  struct mloom_http_slot *next;
} mloom_http_slot;

struct mloom_http_client {
  char *proxy;
  char *no_proxy;
  char *ca_file;
  char *user_agent;
  mloom_http_options options; /* its texts are the copies above */
  const mloom_log *log;
  pthread_mutex_t mutex;
  mloom_http_slot *idle;
  uint32_t idle_count;
  uint32_t has_begun; /* curl is loaded */
  mloom_libcurl curl;
};

/* One exchange while it runs. */
typedef struct mloom_http_exchange {
  mloom_http_client *client;
  const mloom_libcurl *curl;
  const mloom_call *call;
  const mloom_clock *clock;
  const mloom_http_request *request;
  const mloom_http_sink *sink;
  CURL *easy;
  struct curl_slist *headers;
  mloom_buffer origin; /* for messages: the whole URL may hold a key */
  uint64_t connect_timeout_ms;
  uint64_t first_byte_timeout_ms;
  uint64_t idle_timeout_ms;
  uint64_t total_timeout_ms;
  int64_t started_ms;
  int64_t progress_ms; /* when the other side was last seen to have taken or given something */
  int32_t progressed;  /* it has since: a flag, for the clock is too dear to be read with each piece */
  uint64_t body_size;
  size_t segment; /* where the next byte of the body comes from */
  size_t segment_offset;
  uint64_t sent;
  uint64_t received;
  size_t header_size;
  uint32_t stage;
  uint32_t peer_port; /* that a connection was tried to; 0: none */
  int32_t status;
  int32_t abort_code; /* what a sink returned */
  int32_t line_status;
  int32_t complete;     /* the sink has all it wants */
  int32_t headers_done; /* the blank line behind them was seen */
  char curl_error[CURL_ERROR_SIZE];
} mloom_http_exchange;

static inline const char *mloom_http_proxy_of(const mloom_http_exchange *ex) {
  return (ex->request->flags & MLOOM_HTTP_DIRECT) != 0 ? NULL : ex->client->proxy;
}

/* Where the exchange is, or where it failed: MLOOM_HTTP_STAGE_... */
uint32_t mloom_http_failed_stage(const mloom_http_exchange *ex);
/* MLOOM_OK and the milliseconds until the next limit, the limit that has passed, or MLOOM_COMPLETE. */
int32_t mloom_http_check_limits(mloom_http_exchange *ex, int *wait_ms, mloom_error *error);
/* What to tell of an exchange that failed with result, or that a sink ended. Sets its stage to where it failed. */
int32_t mloom_http_describe_failure(mloom_http_exchange *ex, CURLcode result, mloom_error *error);

#endif
