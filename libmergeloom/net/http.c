/* SPDX-License-Identifier: Apache-2.0
 *
 * Each exchange takes a slot: an easy handle with a multi handle whose connection cache is its own, so that threads
 * share nothing but the list of idle slots.
 */
#include "net/http_internal.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/text.h"
#include "net/header.h"
#include "net/url.h"
#include "secret/secret.h"
#include <mergeloom/context.h>

#define IDLE_SLOT_LIMIT 16
#define CURL_BUFFER_SIZE 32768L
/* What of a body is copied and sent at a time: late turns of a conversation send much. */
#define LEAST_UPLOAD_BUFFER 16384u
#define MOST_UPLOAD_BUFFER 262144u

/* ---- The client ---- */

static void slot_free(const mloom_http_client *client, mloom_http_slot *slot) {
  if (slot->easy != NULL) {
    client->curl.easy_cleanup(slot->easy);
  }
  if (slot->multi != NULL) {
    client->curl.multi_cleanup(slot->multi);
  }
  free(slot);
}

static int32_t begin(mloom_http_client *client, mloom_error *error) {
  pthread_mutex_lock(&client->mutex);
  int32_t code = client->has_begun ? MLOOM_OK : mloom_libcurl_load(&client->curl, error);
  client->has_begun = code == MLOOM_OK;
  pthread_mutex_unlock(&client->mutex);
  return code;
}

static mloom_http_slot *slot_take(mloom_http_client *client) {
  pthread_mutex_lock(&client->mutex);
  mloom_http_slot *slot = client->idle;
  if (slot != NULL) {
    client->idle = slot->next;
    client->idle_count--;
  }
  pthread_mutex_unlock(&client->mutex);
  if (slot != NULL) {
    return slot;
  }
  slot = calloc(1, sizeof(*slot));
  if (slot != NULL) {
    slot->easy = client->curl.easy_init();
    slot->multi = client->curl.multi_init();
    if (slot->easy == NULL || slot->multi == NULL) {
      slot_free(client, slot);
      return NULL;
    }
    client->curl.multi_setopt(slot->multi, CURLMOPT_MAXCONNECTS, 4L);
  }
  return slot;
}

static void slot_give(mloom_http_client *client, mloom_http_slot *slot) {
  client->curl.easy_reset(slot->easy);
  pthread_mutex_lock(&client->mutex);
  int keep = client->idle_count < IDLE_SLOT_LIMIT;
  if (keep) {
    slot->next = client->idle;
    client->idle = slot;
    client->idle_count++;
  }
  pthread_mutex_unlock(&client->mutex);
  if (!keep) {
    slot_free(client, slot);
  }
}

static int copy_text(char **out, const char *text, const char *fallback) {
  const char *source = text == NULL || text[0] == '\0' ? fallback : text;
  if (source == NULL) {
    return 1;
  }
  *out = strdup(source);
  return *out != NULL;
}

int32_t mloom_http_client_new(mloom_http_client **out, const mloom_http_options *options, const mloom_log *log,
                              mloom_error *error) {
  *out = NULL;
  mloom_http_client *client = calloc(1, sizeof(*client));
  if (client == NULL) {
    return mloom_error_memory(error);
  }
  pthread_mutex_init(&client->mutex, NULL);
  client->log = log;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer agent = MLOOM_BUFFER_INIT;
  if (options != NULL) {
    client->options = *options;
    client->options.proxy_login = mloom_secret_ref(options->proxy_login);
  }
  if (mloom_buffer_append_format(&agent, "mergeloom/%s", mloom_version()) != MLOOM_OK ||
      !copy_text(&client->proxy, client->options.proxy, NULL) ||
      !copy_text(&client->no_proxy, client->options.no_proxy, NULL) ||
      !copy_text(&client->ca_file, client->options.ca_file, NULL) ||
      !copy_text(&client->user_agent, client->options.user_agent, mloom_buffer_string(&agent))) {
    mloom_http_client_free(client);
    return mloom_error_memory(error);
  }
  client->options.proxy = client->proxy;
  client->options.no_proxy = client->no_proxy;
  client->options.ca_file = client->ca_file;
  client->options.user_agent = client->user_agent;
  *out = client;
  return MLOOM_OK;
}

void mloom_http_client_free(mloom_http_client *client) {
  if (client == NULL) {
    return;
  }
  while (client->idle != NULL) {
    mloom_http_slot *slot = client->idle;
    client->idle = slot->next;
    slot_free(client, slot);
  }
  pthread_mutex_destroy(&client->mutex);
  if (client->proxy != NULL) {
    mloom_secret_wipe(client->proxy, strlen(client->proxy)); /* it may hold a password */
  }
  free(client->proxy);
  mloom_secret_unref(client->options.proxy_login);
  free(client->no_proxy);
  free(client->ca_file);
  free(client->user_agent);
  if (client->has_begun) {
    client->curl.global_cleanup();
  }
  free(client);
}

/* ---- Headers of the request ---- */

static int32_t append_line(mloom_http_exchange *ex, const char *line) {
  struct curl_slist *longer = ex->curl->slist_append(ex->headers, line);
  if (longer == NULL) {
    return MLOOM_E_MEMORY;
  }
  ex->headers = longer;
  return MLOOM_OK;
}

static int32_t add_header(mloom_http_exchange *ex, const mloom_header *header, mloom_error *error) {
  int32_t checked = mloom_header_check(header, error);
  if (checked != MLOOM_OK) {
    return checked;
  }
  mloom_bytes value = mloom_text_bytes(header->value);
  mloom_bytes secret = header->secret == NULL ? (mloom_bytes){NULL, 0} : mloom_secret_bytes(header->secret);
  /* curl drops a header without a value unless it ends with a semicolon. */
  int is_empty = mloom_text_trim(value).size == 0 && mloom_text_trim(secret).size == 0;
  size_t size = strlen(header->name) + value.size + secret.size + 3;
  MLOOM_AUTO(mloom_auto_free) char *line = malloc(size);
  if (line == NULL) {
    return mloom_error_memory(error);
  }
  char *end = stpcpy(stpcpy(line, header->name), is_empty ? ";" : ": ");
  if (!is_empty) {
    end = mempcpy(end, value.size == 0 ? "" : value.data, value.size);
    end = mempcpy(end, secret.size == 0 ? "" : secret.data, secret.size);
    *end = '\0';
  }
  int32_t code = append_line(ex, line);
  mloom_secret_wipe(line, size);
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

static int32_t add_headers(mloom_http_exchange *ex, mloom_error *error) {
  int has_type = 0;
  for (size_t i = 0; i < ex->request->header_count; i++) {
    const mloom_header *header = ex->request->headers[i];
    int32_t code = add_header(ex, header, error);
    if (code != MLOOM_OK) {
      return code;
    }
    has_type |= mloom_text_compare_fold(header->name, "Content-Type") == 0;
  }
  /* Without these curl would ask before it sends a body, and call it a form. */
  if (append_line(ex, "Expect:") != MLOOM_OK || (!has_type && append_line(ex, "Content-Type:") != MLOOM_OK)) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static void exchange_end(mloom_http_exchange *ex) {
  for (struct curl_slist *line = ex->headers; line != NULL; line = line->next) {
    mloom_secret_wipe(line->data, strlen(line->data));
  }
  ex->curl->slist_free_all(ex->headers);
  mloom_buffer_free(&ex->origin);
}

/* NULL: none. */
/* ---- What libcurl calls ---- */

static void note_progress(mloom_http_exchange *ex) {
  ex->progressed = 1;
}

/* The connection is there and its TLS handshake begins. */
static CURLcode on_handshake(CURL *easy, void *context, void *userdata) {
  (void)easy;
  (void)context;
  ((mloom_http_exchange *)userdata)->stage = MLOOM_HTTP_STAGE_TLS;
  return CURLE_OK;
}

static int on_connected(void *userdata, char *remote_ip, char *local_ip, int remote_port, int local_port) {
  (void)remote_ip;
  (void)local_ip;
  (void)remote_port;
  (void)local_port;
  mloom_http_exchange *ex = userdata;
  ex->stage = ex->body_size == 0 ? MLOOM_HTTP_STAGE_FIRST_BYTE : MLOOM_HTTP_STAGE_SEND;
  note_progress(ex);
  return CURL_PREREQFUNC_OK;
}

static size_t on_read(char *buffer, size_t size, size_t count, void *userdata) {
  mloom_http_exchange *ex = userdata;
  size_t room = size * count;
  size_t filled = 0;
  while (filled < room && ex->segment < ex->request->body_count) {
    mloom_bytes segment = ex->request->body[ex->segment];
    size_t left = segment.size - ex->segment_offset;
    size_t piece = left < room - filled ? left : room - filled;
    if (piece > 0) {
      memcpy(buffer + filled, segment.data + ex->segment_offset, piece);
    }
    filled += piece;
    ex->segment_offset += piece;
    if (ex->segment_offset == segment.size) {
      ex->segment++;
      ex->segment_offset = 0;
    }
  }
  ex->sent += filled;
  if (ex->sent == ex->body_size && ex->stage == MLOOM_HTTP_STAGE_SEND) {
    ex->stage = MLOOM_HTTP_STAGE_FIRST_BYTE;
  }
  note_progress(ex);
  return filled;
}

/* A kept connection may turn out to be dead after a part of the body was sent; curl then begins again on a new one. */
static int on_seek(void *userdata, curl_off_t offset, int origin) {
  mloom_http_exchange *ex = userdata;
  if (offset != 0 || origin != SEEK_SET) {
    return CURL_SEEKFUNC_FAIL;
  }
  ex->segment = 0;
  ex->segment_offset = 0;
  ex->sent = 0;
  return CURL_SEEKFUNC_OK;
}

static curl_socket_t on_open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address) {
  mloom_http_exchange *ex = userdata;
  const struct sockaddr_in *place = (const struct sockaddr_in *)(const void *)&address->addr;
  (void)purpose;
  ex->peer_port = ntohs(place->sin_port); /* at the same place in addresses of IPv6 */
  /* A process started meanwhile must not inherit the connection. */
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int32_t on_status_line(mloom_http_exchange *ex, const char *line, size_t size) {
  const char *blank = memchr(line, ' ', size);
  int32_t status = 0;
  if (blank != NULL && (size_t)(blank - line) + 4 <= size) {
    for (int i = 1; i <= 3; i++) {
      status = blank[i] >= '0' && blank[i] <= '9' ? status * 10 + (blank[i] - '0') : 0;
    }
  }
  ex->line_status = status;
  if (status < 200) {
    return MLOOM_OK; /* informational: the answer is still to come */
  }
  ex->stage = MLOOM_HTTP_STAGE_BODY;
  ex->status = status;
  /* The proxy's own word; no server behind it answers so. */
  if (status == 407 && mloom_http_proxy_of(ex) != NULL) {
    return MLOOM_E_UNAVAILABLE;
  }
  return ex->sink->status == NULL ? MLOOM_OK : ex->sink->status(status, ex->sink->userdata);
}

static int32_t on_header_line(mloom_http_exchange *ex, const char *line, size_t size) {
  const char *colon = memchr(line, ':', size);
  if (ex->line_status < 200 || ex->sink->header == NULL || colon == NULL || colon == line || line[0] == ' ' ||
      line[0] == '\t' || memchr(line, '\0', size) != NULL) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_auto_free) char *copy = mloom_text_dup((mloom_bytes){line, size});
  if (copy == NULL) {
    return MLOOM_E_MEMORY;
  }
  size_t name_size = (size_t)(colon - line);
  mloom_bytes value = mloom_text_trim((mloom_bytes){copy + name_size + 1, size - name_size - 1});
  copy[name_size] = '\0';
  copy[value.data - copy + (ptrdiff_t)value.size] = '\0';
  return ex->sink->header(copy, value.data, ex->sink->userdata);
}

static size_t on_header(char *line, size_t size, size_t count, void *userdata) {
  mloom_http_exchange *ex = userdata;
  size *= count;
  note_progress(ex);
  int32_t code = MLOOM_OK;
  ex->header_size += size;
  if (ex->header_size > MLOOM_HTTP_HEADER_LIMIT) {
    code = MLOOM_E_LIMIT;
  } else if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
    code = on_status_line(ex, line, size);
  } else if (line[0] == '\r' || line[0] == '\n') {
    ex->headers_done = ex->line_status >= 200;
  } else if (!ex->headers_done) { /* else a trailer */
    code = on_header_line(ex, line, size);
  }
  if (code < 0) {
    ex->abort_code = code;
    return size + 1;
  }
  return size;
}

static size_t on_body(char *data, size_t size, size_t count, void *userdata) {
  mloom_http_exchange *ex = userdata;
  size *= count;
  if (!ex->complete) {
    note_progress(ex);
  }
  ex->received += size;
  int32_t code = ex->sink->body == NULL ? MLOOM_OK : ex->sink->body(data, size, ex->sink->userdata);
  if (code < 0) {
    ex->abort_code = code;
    return size + 1;
  }
  ex->complete |= code == MLOOM_COMPLETE;
  return size;
}

/* ---- Setting up ---- */

static int32_t set_method(mloom_http_exchange *ex) {
  CURL *easy = ex->easy;
  const char *method = ex->request->method;
  if (strcmp(method, "GET") == 0 && ex->request->body_count == 0) {
    return mloom_libcurl_setopt(ex->curl, easy, CURLOPT_HTTPGET, 1L) == CURLE_OK ? MLOOM_OK : MLOOM_E_MEMORY;
  }
  if (strcmp(method, "HEAD") == 0) {
    return mloom_libcurl_setopt(ex->curl, easy, CURLOPT_NOBODY, 1L) == CURLE_OK ? MLOOM_OK : MLOOM_E_MEMORY;
  }
  uint64_t upload = ex->body_size < LEAST_UPLOAD_BUFFER  ? LEAST_UPLOAD_BUFFER
                    : ex->body_size > MOST_UPLOAD_BUFFER ? MOST_UPLOAD_BUFFER
                                                         : ex->body_size;
  mloom_libcurl_setopt(ex->curl, easy, CURLOPT_POST, 1L);
  mloom_libcurl_setopt(ex->curl, easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ex->body_size);
  mloom_libcurl_setopt(ex->curl, easy, CURLOPT_READFUNCTION, on_read);
  mloom_libcurl_setopt(ex->curl, easy, CURLOPT_READDATA, ex);
  mloom_libcurl_setopt(ex->curl, easy, CURLOPT_SEEKFUNCTION, on_seek);
  mloom_libcurl_setopt(ex->curl, easy, CURLOPT_SEEKDATA, ex);
  mloom_libcurl_setopt(ex->curl, easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)upload);
  return mloom_libcurl_setopt(ex->curl, easy, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK ? MLOOM_OK : MLOOM_E_MEMORY;
}

/* The password may have any character, so that it is not given as part of a URL. */
static CURLcode set_proxy(const mloom_http_exchange *ex) {
  const mloom_secret *login = ex->client->options.proxy_login;
  const char *proxy = mloom_http_proxy_of(ex);
  CURLcode result = mloom_libcurl_setopt(ex->curl, ex->easy, CURLOPT_PROXY, proxy == NULL ? "" : proxy);
  if (result != CURLE_OK || proxy == NULL || login == NULL) {
    return result;
  }
  mloom_bytes text = mloom_secret_bytes(login);
  const char *colon = memchr(text.data, ':', text.size);
  size_t size = colon == NULL ? text.size : (size_t)(colon - text.data);
  MLOOM_AUTO(mloom_auto_free) char *user = mloom_text_dup((mloom_bytes){text.data, size});
  result = user == NULL ? CURLE_OUT_OF_MEMORY : mloom_libcurl_setopt(ex->curl, ex->easy, CURLOPT_PROXYUSERNAME, user);
  return result != CURLE_OK || colon == NULL
             ? result
             : mloom_libcurl_setopt(ex->curl, ex->easy, CURLOPT_PROXYPASSWORD, colon + 1);
}

/* Options that take no memory cannot fail; those that copy a text or may be missing in a build are looked at. */
static int32_t set_options(mloom_http_exchange *ex, mloom_error *error) {
  CURL *easy = ex->easy;
  const mloom_libcurl *curl = ex->curl;
  const mloom_http_client *client = ex->client;
  mloom_libcurl_setopt(curl, easy, CURLOPT_ERRORBUFFER, ex->curl_error);
  mloom_libcurl_setopt(curl, easy, CURLOPT_NOSIGNAL, 1L);
  /* A cancelled exchange does not wait for a slow name server. */
  mloom_libcurl_setopt(curl, easy, CURLOPT_QUICK_EXIT, 1L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_FOLLOWLOCATION, 0L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  mloom_libcurl_setopt(curl, easy, CURLOPT_HTTP09_ALLOWED, 0L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  mloom_libcurl_setopt(curl, easy, CURLOPT_PATH_AS_IS, 1L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_SSL_VERIFYPEER, 1L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_SSL_VERIFYHOST, 2L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  mloom_libcurl_setopt(curl, easy, CURLOPT_TCP_NODELAY, 1L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_TCP_KEEPALIVE, 1L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_BUFFERSIZE, CURL_BUFFER_SIZE);
  mloom_libcurl_setopt(curl, easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* no credential for the proxy */
  mloom_libcurl_setopt(curl, easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  mloom_libcurl_setopt(curl, easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  mloom_libcurl_setopt(curl, easy, CURLOPT_OPENSOCKETDATA, ex);
  mloom_libcurl_setopt(curl, easy, CURLOPT_SSL_CTX_FUNCTION, on_handshake);
  mloom_libcurl_setopt(curl, easy, CURLOPT_SSL_CTX_DATA, ex);
  mloom_libcurl_setopt(curl, easy, CURLOPT_PREREQFUNCTION, on_connected);
  mloom_libcurl_setopt(curl, easy, CURLOPT_PREREQDATA, ex);
  mloom_libcurl_setopt(curl, easy, CURLOPT_HEADERFUNCTION, on_header);
  mloom_libcurl_setopt(curl, easy, CURLOPT_HEADERDATA, ex);
  mloom_libcurl_setopt(curl, easy, CURLOPT_WRITEFUNCTION, on_body);
  mloom_libcurl_setopt(curl, easy, CURLOPT_WRITEDATA, ex);
  mloom_libcurl_setopt(curl, easy, CURLOPT_HTTPHEADER, ex->headers);
  uint64_t connect = ex->connect_timeout_ms;
  mloom_libcurl_setopt(curl, easy, CURLOPT_CONNECTTIMEOUT_MS,
                       connect == 0 || connect > INT_MAX ? (long)INT_MAX : (long)connect);
  if (mloom_libcurl_setopt(curl, easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
      mloom_libcurl_setopt(curl, easy, CURLOPT_REDIR_PROTOCOLS_STR, "") == CURLE_OUT_OF_MEMORY ||
      mloom_libcurl_setopt(curl, easy, CURLOPT_URL, ex->request->url) != CURLE_OK ||
      mloom_libcurl_setopt(curl, easy, CURLOPT_USERAGENT, client->user_agent) != CURLE_OK ||
      set_proxy(ex) != CURLE_OK ||
      mloom_libcurl_setopt(curl, easy, CURLOPT_NOPROXY, client->no_proxy == NULL ? "" : client->no_proxy) != CURLE_OK ||
      (client->ca_file != NULL &&
       (mloom_libcurl_setopt(curl, easy, CURLOPT_CAINFO, client->ca_file) != CURLE_OK ||
        mloom_libcurl_setopt(curl, easy, CURLOPT_PROXY_CAINFO, client->ca_file) != CURLE_OK)) ||
      set_method(ex) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static int32_t prepare(mloom_http_exchange *ex, mloom_error *error) {
  const mloom_http_request *request = ex->request;
  const mloom_http_options *options = &ex->client->options;
  if (!mloom_header_is_token(request->method)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_NETWORK, "use a method such as GET or POST",
                           "the request has no valid method");
  }
  int32_t code = mloom_http_origin(&ex->origin, request->url, error);
  if (code != MLOOM_OK) {
    return code;
  }
  for (size_t i = 0; i < request->body_count; i++) {
    if (__builtin_add_overflow(ex->body_size, request->body[i].size, &ex->body_size) || ex->body_size > INT64_MAX) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_NETWORK, NULL,
                             "the body of the request is too large");
    }
  }
#define MLOOM_HTTP_TIMEOUT(name) ex->name = request->name != 0 ? request->name : options->name
  MLOOM_HTTP_TIMEOUT(connect_timeout_ms);
  MLOOM_HTTP_TIMEOUT(first_byte_timeout_ms);
  MLOOM_HTTP_TIMEOUT(idle_timeout_ms);
  MLOOM_HTTP_TIMEOUT(total_timeout_ms);
#undef MLOOM_HTTP_TIMEOUT
  code = add_headers(ex, error);
  return code == MLOOM_OK ? set_options(ex, error) : code;
}

/* ---- Running ---- */

static int32_t run(mloom_http_exchange *ex, CURLM *multi, mloom_error *error) {
  struct curl_waitfd wake = {.fd = ex->call == NULL ? -1 : mloom_cancel_fd(ex->call->cancel),
                             .events = CURL_WAIT_POLLIN};
  for (;;) {
    int running = 0;
    int wait_ms = 0;
    CURLMcode result = ex->curl->multi_perform(multi, &running);
    if (result != CURLM_OK) {
      return mloom_error_set(error, result == CURLM_OUT_OF_MEMORY ? MLOOM_E_MEMORY : MLOOM_E_INTERNAL,
                             MLOOM_DOMAIN_NETWORK, NULL, "libcurl failed: %s", ex->curl->multi_strerror(result));
    }
    if (running == 0) {
      break;
    }
    int32_t code = mloom_http_check_limits(ex, &wait_ms, error);
    if (code == MLOOM_COMPLETE) {
      ex->stage = MLOOM_HTTP_STAGE_DONE;
      return MLOOM_OK;
    }
    if (code != MLOOM_OK) {
      ex->stage = mloom_http_failed_stage(ex);
      return code;
    }
    ex->curl->multi_poll(multi, &wake, wake.fd < 0 ? 0 : 1, wait_ms, NULL);
  }
  CURLMsg *message;
  int left;
  CURLcode outcome = CURLE_OK;
  while ((message = ex->curl->multi_info_read(multi, &left)) != NULL) {
    outcome = message->msg == CURLMSG_DONE ? message->data.result : outcome;
  }
  /* libcurl takes the end of the connection for the end of the headers. */
  if (outcome == CURLE_OK && !ex->headers_done) {
    outcome = CURLE_GOT_NOTHING;
  }
  if (outcome != CURLE_OK) {
    return mloom_http_describe_failure(ex, outcome, error);
  }
  ex->stage = MLOOM_HTTP_STAGE_DONE;
  return MLOOM_OK;
}

static int64_t time_info(const mloom_http_exchange *ex, CURLINFO info) {
  curl_off_t microseconds = 0;
  mloom_libcurl_getinfo(ex->curl, ex->easy, info, &microseconds);
  return (int64_t)(microseconds / 1000);
}

static void fill_report(const mloom_http_exchange *ex, mloom_http_report *report) {
  *report = (mloom_http_report){.stage = ex->stage,
                                .status = ex->status,
                                .received = ex->received,
                                .resolve_ms = time_info(ex, CURLINFO_NAMELOOKUP_TIME_T),
                                .connect_ms = time_info(ex, CURLINFO_CONNECT_TIME_T),
                                .tls_ms = time_info(ex, CURLINFO_APPCONNECT_TIME_T),
                                .first_byte_ms = time_info(ex, CURLINFO_STARTTRANSFER_TIME_T),
                                .total_ms = time_info(ex, CURLINFO_TOTAL_TIME_T)};
}

int32_t mloom_http_perform(mloom_http_client *client, const mloom_call *call, const mloom_http_request *request,
                           const mloom_http_sink *sink, mloom_http_report *report, mloom_error *error) {
  if (report != NULL) {
    memset(report, 0, sizeof(*report));
  }
  int32_t code = mloom_call_check(call, error);
  code = code == MLOOM_OK ? begin(client, error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_http_slot *slot = slot_take(client);
  if (slot == NULL) {
    return mloom_error_memory(error);
  }
  MLOOM_AUTO(exchange_end)
  mloom_http_exchange ex = {
      .client = client, .curl = &client->curl, .call = call, .request = request, .sink = sink, .easy = slot->easy};
  ex.clock = call == NULL || call->clock == NULL ? mloom_clock_system() : call->clock;
  ex.started_ms = ex.clock->monotonic_ms(ex.clock);
  ex.progress_ms = ex.started_ms;
  code = prepare(&ex, error);
  if (code == MLOOM_OK) {
    if (client->curl.multi_add_handle(slot->multi, slot->easy) == CURLM_OK) {
      code = run(&ex, slot->multi, error);
      if (report != NULL) {
        fill_report(&ex, report);
      }
      client->curl.multi_remove_handle(slot->multi, slot->easy);
    } else {
      code = mloom_error_memory(error);
    }
  }
  slot_give(client, slot);
  mloom_log_write(client->log, MLOOM_LOG_DEBUG, "net", "%s %s: %s, status %d, %llu bytes",
                  code == MLOOM_E_INVALID ? "request" : request->method, mloom_buffer_string(&ex.origin),
                  mloom_code_name(code), (int)ex.status, (unsigned long long)ex.received);
  return code;
}
