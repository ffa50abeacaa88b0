/* SPDX-License-Identifier: Apache-2.0
 *
 * The limits of an exchange, and what to tell of one that failed.
 */
#include "net/http_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "net/proxy.h"
#include <mergeloom/context.h>

#define COMPLETE_GRACE_MS 1000u

uint32_t mloom_http_failed_stage(const mloom_http_exchange *ex) {
  if (ex->stage != MLOOM_HTTP_STAGE_REQUEST) {
    return ex->stage;
  }
  curl_off_t resolved = 0;
  mloom_libcurl_getinfo(ex->curl, ex->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
  return resolved == 0 ? MLOOM_HTTP_STAGE_RESOLVE : MLOOM_HTTP_STAGE_CONNECT;
}

/* no_proxy may except the host: libcurl went to the origin's port then, which is not the proxy's. */
static int went_by_proxy(const mloom_http_exchange *ex) {
  const char *proxy = mloom_http_proxy_of(ex);
  char port[16];
  snprintf(port, sizeof(port), ":%u", (unsigned)ex->peer_port);
  size_t size = strlen(port);
  int is_origins = ex->origin.size > size && strcmp(ex->origin.data + ex->origin.size - size, port) == 0;
  return proxy != NULL && (!is_origins || strstr(proxy, port) != NULL);
}

__attribute__((format(printf, 5, 6))) static int32_t set_error(mloom_error *error, int32_t code, uint32_t retryable,
                                                               const char *remedy, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  if (vsnprintf(text, sizeof(text), format, arguments) < 0) {
    text[0] = '\0';
  }
  va_end(arguments);
  mloom_error_set(error, code, MLOOM_DOMAIN_NETWORK, remedy, "%s", text);
  if (error != NULL && error->size >= offsetof(mloom_error, retryable) + sizeof(error->retryable)) {
    error->retryable = retryable;
  }
  return code;
}

static int32_t time_out(const mloom_http_exchange *ex, const char *setting, uint64_t milliseconds, const char *what,
                        mloom_error *error) {
  char remedy[128];
  snprintf(remedy, sizeof(remedy), "raise %s, or find out why the server is slow", setting);
  return set_error(error, MLOOM_E_TIMEOUT, 1, remedy, "%s %s within %llu ms", mloom_buffer_string(&ex->origin), what,
                   (unsigned long long)milliseconds);
}

static const char *connect_time_out_text(const mloom_http_exchange *ex) {
  switch (mloom_http_failed_stage(ex)) {
  case MLOOM_HTTP_STAGE_RESOLVE:
    return "could not be resolved";
  case MLOOM_HTTP_STAGE_CONNECT:
    return "did not accept a connection";
  default:
    return "did not finish the TLS handshake";
  }
}

int32_t mloom_http_check_limits(mloom_http_exchange *ex, int *wait_ms, mloom_error *error) {
  int32_t code = mloom_call_check(ex->call, error);
  if (code != MLOOM_OK) {
    return code;
  }
  int64_t now = ex->clock->monotonic_ms(ex->clock);
  if (ex->progressed) {
    ex->progressed = 0;
    ex->progress_ms = now;
  }
  uint64_t elapsed = (uint64_t)(now - ex->started_ms);
  uint64_t waited = (uint64_t)(now - ex->progress_ms);
  uint64_t left = (uint64_t)mloom_call_remaining_ms(ex->call);
  if (ex->total_timeout_ms != 0) {
    if (elapsed >= ex->total_timeout_ms) {
      return time_out(ex, "total_timeout", ex->total_timeout_ms, "did not finish the answer", error);
    }
    left = left < ex->total_timeout_ms - elapsed ? left : ex->total_timeout_ms - elapsed;
  }
  uint64_t limit = ex->idle_timeout_ms;
  const char *setting = "idle_timeout";
  const char *what = "sent nothing more";
  if (ex->stage < MLOOM_HTTP_STAGE_SEND) {
    limit = ex->connect_timeout_ms;
    setting = "connect_timeout";
    what = NULL;
  } else if (ex->stage == MLOOM_HTTP_STAGE_SEND) {
    what = "took nothing more of the request";
  } else if (ex->stage == MLOOM_HTTP_STAGE_FIRST_BYTE) {
    limit = ex->first_byte_timeout_ms;
    setting = "first_byte_timeout";
    what = "did not begin to answer";
  }
  if (ex->complete) { /* a server that ends the answer soon keeps its connection for the next request */
    limit = limit == 0 || limit > COMPLETE_GRACE_MS ? COMPLETE_GRACE_MS : limit;
  }
  if (limit != 0) {
    if (waited >= limit && ex->complete) {
      return MLOOM_COMPLETE;
    }
    if (waited >= limit) {
      return time_out(ex, setting, limit, what == NULL ? connect_time_out_text(ex) : what, error);
    }
    left = left < limit - waited ? left : limit - waited;
  }
  *wait_ms = left < INT_MAX ? (int)left : INT_MAX;
  return MLOOM_OK;
}

/* The proxy wants to know its user, or did not accept what it was told. */
static int32_t proxy_login_failure(const mloom_http_exchange *ex, mloom_error *error) {
  if (ex->client->options.proxy_login != NULL || mloom_proxy_url_login(mloom_http_proxy_of(ex)).size > 0) {
    return set_error(error, MLOOM_E_UNAVAILABLE, 0,
                     "correct proxy_login, or the user and password in the URL of HTTPS_PROXY or HTTP_PROXY",
                     "the proxy refused its user or password (407)");
  }
  return set_error(error, MLOOM_E_UNAVAILABLE, 0,
                   "set proxy_login to user:password, or put both into the URL of HTTPS_PROXY or HTTP_PROXY",
                   "the proxy asks for a login (407)");
}

static int32_t connect_failure(const mloom_http_exchange *ex, mloom_error *error) {
  long proxy_status = 0;
  long reason = 0;
  mloom_libcurl_getinfo(ex->curl, ex->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  mloom_libcurl_getinfo(ex->curl, ex->easy, CURLINFO_OS_ERRNO, &reason);
  if (proxy_status == 407) {
    return proxy_login_failure(ex, error);
  }
  if (proxy_status >= 300) {
    return set_error(error, MLOOM_E_UNAVAILABLE, proxy_status >= 500, "ask the proxy's operator to allow this host",
                     "the proxy refused to connect to %s (%ld)", mloom_buffer_string(&ex->origin), proxy_status);
  }
  int by_proxy = went_by_proxy(ex);
  const char *peer = by_proxy ? "the proxy" : mloom_buffer_string(&ex->origin);
  if (reason == ECONNREFUSED) {
    return set_error(error, MLOOM_E_UNAVAILABLE, 1,
                     by_proxy ? "start the proxy, or correct its URL: the setting proxy, else HTTPS_PROXY or HTTP_PROXY"
                              : "start the server, or correct the host and port of the URL",
                     "%s refused the connection", peer);
  }
  return set_error(error, MLOOM_E_UNAVAILABLE, 1,
                   by_proxy
                       ? "check the network and the URL of the proxy: the setting proxy, else HTTPS_PROXY or HTTP_PROXY"
                       : "check the network, the firewall and the host and port of the URL",
                   "cannot connect to %s: %s", peer, reason != 0 ? strerrordesc_np((int)reason) : ex->curl_error);
}

/* What OpenSSL's certificate check answers; the numbers are part of its interface. */
#define VERIFY_OK 0
#define VERIFY_UNSPECIFIED 1 /* what libcurl begins with: the host name is compared before the chain */
#define VERIFY_NOT_YET_VALID 9
#define VERIFY_EXPIRED 10
#define VERIFY_SELF_SIGNED 18
#define VERIFY_SELF_SIGNED_CHAIN 19
#define VERIFY_UNKNOWN_ISSUER 20
#define VERIFY_UNKNOWN_LEAF_ISSUER 21

static int32_t certificate_failure(const mloom_http_exchange *ex, mloom_error *error) {
  const char *origin = mloom_buffer_string(&ex->origin);
  long result = VERIFY_OK;
  mloom_libcurl_getinfo(ex->curl, ex->easy, CURLINFO_SSL_VERIFYRESULT, &result);
  switch (result) {
  case VERIFY_OK:
  case VERIFY_UNSPECIFIED:
    return set_error(error, MLOOM_E_UNAVAILABLE, 0, "use the host name that the certificate was made for",
                     "the certificate of %s is for another host name", origin);
  case VERIFY_NOT_YET_VALID:
  case VERIFY_EXPIRED:
    return set_error(error, MLOOM_E_UNAVAILABLE, 0, "renew the server's certificate, or correct this machine's clock",
                     "the certificate of %s %s", origin, result == VERIFY_EXPIRED ? "has expired" : "is not yet valid");
  case VERIFY_SELF_SIGNED:
  case VERIFY_SELF_SIGNED_CHAIN:
  case VERIFY_UNKNOWN_ISSUER:
  case VERIFY_UNKNOWN_LEAF_ISSUER:
    return set_error(error, MLOOM_E_UNAVAILABLE, 0, "name the file with the authority's certificate in ca_file",
                     "the certificate of %s was issued by an unknown authority", origin);
  default:
    return set_error(error, MLOOM_E_UNAVAILABLE, 0, "correct the server's certificate",
                     "the certificate of %s is not accepted: %s", origin, ex->curl_error);
  }
}

static int32_t tls_failure(const mloom_http_exchange *ex, CURLcode result, mloom_error *error) {
  if (result == CURLE_PEER_FAILED_VERIFICATION) {
    return certificate_failure(ex, error);
  }
  if (result == CURLE_SSL_CACERT_BADFILE) {
    return set_error(error, MLOOM_E_UNAVAILABLE, 0, "name a readable file with PEM certificates in ca_file",
                     "the CA file %s cannot be used", ex->client->ca_file == NULL ? "" : ex->client->ca_file);
  }
  int is_plain = strstr(ex->curl_error, "wrong version number") != NULL;
  return set_error(error, MLOOM_E_UNAVAILABLE, is_plain ? 0 : 1,
                   is_plain ? "use http:// in the URL, or correct its port" : "check that the server speaks TLS 1.2",
                   "the TLS handshake with %s failed: %s", mloom_buffer_string(&ex->origin),
                   is_plain ? "the server does not speak TLS on this port" : ex->curl_error);
}

static int32_t abort_failure(const mloom_http_exchange *ex, mloom_error *error) {
  if (ex->abort_code == MLOOM_E_UNAVAILABLE && ex->status == 407) {
    return proxy_login_failure(ex, error);
  }
  if (ex->header_size > MLOOM_HTTP_HEADER_LIMIT) {
    return set_error(error, MLOOM_E_PROTOCOL, 0, "check that the URL names the right server",
                     "the headers of the answer of %s are too large", mloom_buffer_string(&ex->origin));
  }
  return mloom_error_set(error, ex->abort_code, MLOOM_DOMAIN_NETWORK, NULL, "the answer of %s was not accepted (%s)",
                         mloom_buffer_string(&ex->origin), mloom_code_name(ex->abort_code));
}

/* The connection was there; the exchange broke. */
static int32_t transfer_failure(const mloom_http_exchange *ex, CURLcode result, mloom_error *error) {
  const char *origin = mloom_buffer_string(&ex->origin);
  if (ex->status != 0 && (result == CURLE_PARTIAL_FILE || result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING)) {
    return set_error(error, MLOOM_E_PROTOCOL, 1, "try again; look at the server's log if it happens often",
                     "%s cut the answer after %llu bytes", origin, (unsigned long long)ex->received);
  }
  if (result == CURLE_GOT_NOTHING || result == CURLE_RECV_ERROR || result == CURLE_SEND_ERROR) {
    return set_error(error, MLOOM_E_PROTOCOL, 1, "try again; look at the server's log if it happens often",
                     "%s closed the connection without an answer", origin);
  }
  return set_error(error, MLOOM_E_PROTOCOL, 0, "check that the URL names an HTTP server",
                   "%s sent an answer that is not HTTP: %s", origin,
                   ex->curl_error[0] != '\0' ? ex->curl_error : ex->curl->easy_strerror(result));
}

int32_t mloom_http_describe_failure(mloom_http_exchange *ex, CURLcode result, mloom_error *error) {
  if (ex->abort_code != MLOOM_OK) {
    return abort_failure(ex, error);
  }
  ex->stage = mloom_http_failed_stage(ex);
  switch (result) {
  case CURLE_OUT_OF_MEMORY:
    return mloom_error_memory(error);
  case CURLE_COULDNT_RESOLVE_HOST:
    ex->stage = MLOOM_HTTP_STAGE_RESOLVE;
    return set_error(error, MLOOM_E_UNAVAILABLE, 1, "check the host name in the URL and this machine's name service",
                     "the host name of %s cannot be resolved", mloom_buffer_string(&ex->origin));
  case CURLE_COULDNT_RESOLVE_PROXY:
    ex->stage = MLOOM_HTTP_STAGE_RESOLVE;
    return set_error(error, MLOOM_E_UNAVAILABLE, 1, "correct the proxy setting",
                     "the host name of the proxy cannot be resolved");
  case CURLE_OPERATION_TIMEDOUT:
    return time_out(ex, "connect_timeout", ex->connect_timeout_ms, connect_time_out_text(ex), error);
  case CURLE_URL_MALFORMAT:
    return set_error(error, MLOOM_E_INVALID, 0, "give an absolute URL such as https://host.example/v1",
                     "the URL cannot be used: %s", ex->curl_error);
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CIPHER:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_CLIENTCERT:
    ex->stage = MLOOM_HTTP_STAGE_TLS;
    return tls_failure(ex, result, error);
  default:
    return ex->stage < MLOOM_HTTP_STAGE_SEND ? connect_failure(ex, error) : transfer_failure(ex, result, error);
  }
}
