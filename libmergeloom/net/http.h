/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP exchanges on libcurl, which only http.c and what stands beside it know.
 */
#ifndef MLOOM_NET_HTTP_H
#define MLOOM_NET_HTTP_H

#include "base/call.h"
#include "net/url.h"
#include <mergeloom/plugin.h>

/* What every request of one provider shares. Copied. Milliseconds; 0 means no limit. */
typedef struct mloom_http_options {
  const char *proxy;               /* NULL: none; "environment" behaviour is decided by the caller, libcurl's is off */
  const mloom_secret *proxy_login; /* "user:password"; NULL: what stands in the proxy's URL */
  const char *no_proxy;
  const char *ca_file; /* NULL: the system's */
  const char *user_agent;
  uint64_t connect_timeout_ms;
  uint64_t first_byte_timeout_ms; /* from the request's last byte to the status line */
  uint64_t idle_timeout_ms;       /* between two pieces of an answer */
  uint64_t total_timeout_ms;
} mloom_http_options;

/* Keeps connections open between requests. Thread-safe: each exchange uses a handle of its own. */
typedef struct mloom_http_client mloom_http_client;

/* How far an exchange came, for the reach check: which stage failed when the outcome is an error. */
#define MLOOM_HTTP_STAGE_REQUEST 0u
#define MLOOM_HTTP_STAGE_RESOLVE 1u
#define MLOOM_HTTP_STAGE_CONNECT 2u
#define MLOOM_HTTP_STAGE_TLS 3u
#define MLOOM_HTTP_STAGE_SEND 4u
#define MLOOM_HTTP_STAGE_FIRST_BYTE 5u
#define MLOOM_HTTP_STAGE_BODY 6u
#define MLOOM_HTTP_STAGE_DONE 7u

typedef struct mloom_http_report {
  uint32_t stage;
  int32_t status;
  uint64_t received; /* bytes of the body */
  int64_t resolve_ms;
  int64_t connect_ms;
  int64_t tls_ms;
  int64_t first_byte_ms;
  int64_t total_ms;
} mloom_http_report;

int32_t mloom_http_client_new(mloom_http_client **out, const mloom_http_options *options, const mloom_log *log,
                              mloom_error *error);
void mloom_http_client_free(mloom_http_client *client);

/* Performs one exchange. MLOOM_OK for every complete answer, whatever its status. Else MLOOM_E_UNAVAILABLE (resolve,
 * connect, TLS), MLOOM_E_TIMEOUT (the message says which of the four), MLOOM_E_PROTOCOL (cut or malformed),
 * MLOOM_E_CANCELLED, MLOOM_E_INVALID (URL or header), or what the sink returned.
 * report may be NULL. */
int32_t mloom_http_perform(mloom_http_client *client, const mloom_call *call, const mloom_http_request *request,
                           const mloom_http_sink *sink, mloom_http_report *report, mloom_error *error);

#endif
