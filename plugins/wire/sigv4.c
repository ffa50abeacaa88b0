/* SPDX-License-Identifier: Apache-2.0 */
#include "sigv4.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"

#define KEY_SLOTS 16u
#define HEADER_LIMIT 64u
#define QUERY_LIMIT 256u
#define SECRET_LIMIT 256u
#define TOKEN_LIMIT 16384u

typedef struct key_slot {
  uint8_t id[MLOOM_SHA256_SIZE]; /* of secret, date, region and service */
  mloom_secret *key;             /* NULL: free */
} key_slot;

struct mloom_sigv4 {
  const mloom_host *host;
  const mloom_crypto *crypto;
  pthread_mutex_t lock; /* of slots and next */
  key_slot slots[KEY_SLOTS];
  size_t next;
};

/* Filled by mloom_sigv4_sign for one request. */
typedef struct canonical {
  mloom_buffer text;    /* the canonical request without the session token */
  size_t token_offset;  /* where the token belongs */
  mloom_buffer headers; /* names of signed headers */
} canonical;

typedef struct signed_header {
  const char *name;
  const char *value; /* NULL: the session token */
  size_t order;
} signed_header;

typedef struct query_part {
  size_t name;
  size_t name_size;
  size_t value;
  size_t value_size;
  const char *base;
} query_part;

static void canonical_free(canonical *parts) {
  mloom_buffer_free(&parts->text);
  mloom_buffer_free(&parts->headers);
}

int32_t mloom_sigv4_new(mloom_sigv4 **out, const mloom_host *host, mloom_error *error) {
  *out = NULL;
  const mloom_crypto *crypto = host->get_interface(host->ctx, MLOOM_CRYPTO_INTERFACE);
  if (crypto == NULL || !MLOOM_HAS(crypto, mloom_crypto, hmac_sha256)) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL, NULL,
                           "this host gives plugins no cryptography to sign requests with");
  }
  mloom_sigv4 *signer = calloc(1, sizeof(*signer));
  if (signer == NULL) {
    return mloom_error_memory(error);
  }
  if (pthread_mutex_init(&signer->lock, NULL) != 0) {
    free(signer);
    return mloom_error_memory(error);
  }
  signer->host = host;
  signer->crypto = crypto;
  *out = signer;
  return MLOOM_OK;
}

void mloom_sigv4_free(mloom_sigv4 *signer) {
  if (signer == NULL) {
    return;
  }
  for (size_t i = 0; i < KEY_SLOTS; i++) {
    if (signer->slots[i].key != NULL) {
      signer->host->secret_unref(signer->host->ctx, signer->slots[i].key);
    }
  }
  pthread_mutex_destroy(&signer->lock);
  free(signer);
}

void mloom_sigv4_signature_free(mloom_sigv4_signature *signature) {
  mloom_buffer_free(&signature->authorization);
}

/* ---- Text ---- */

static void to_hex(const uint8_t bytes[MLOOM_SHA256_SIZE], char out[2 * MLOOM_SHA256_SIZE + 1]) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < MLOOM_SHA256_SIZE; i++) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15u];
  }
  out[2 * MLOOM_SHA256_SIZE] = '\0';
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static int is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

static int32_t append_encoded(mloom_buffer *out, const char *data, size_t size, char also_safe) {
  static const char digits[] = "0123456789ABCDEF";
  int32_t code = mloom_buffer_reserve(out, size);
  for (size_t i = 0; code == MLOOM_OK && i < size; i++) {
    if (is_unreserved(data[i]) || data[i] == also_safe) {
      code = mloom_buffer_append_char(out, data[i]);
      continue;
    }
    const char escape[3] = {'%', digits[(unsigned char)data[i] >> 4], digits[(unsigned char)data[i] & 15]};
    code = mloom_buffer_append(out, escape, sizeof(escape));
  }
  return code;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Equal texts that are escaped differently become the same. */
static int32_t append_query_text(mloom_buffer *out, const char *data, size_t size) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < size; i++) {
    char c = data[i];
    if (c == '%' && size - i > 2 && hex_value(data[i + 1]) >= 0 && hex_value(data[i + 2]) >= 0) {
      c = (char)(hex_value(data[i + 1]) * 16 + hex_value(data[i + 2]));
      i += 2;
    }
    code = append_encoded(out, &c, 1, '\0');
  }
  return code;
}

/* Names of regions, services and keys go into the scope, where '/' and ',' separate. */
static int is_scope_name(const char *name) {
  if (name == NULL || name[0] == '\0' || strlen(name) > 128) {
    return 0;
  }
  for (const char *c = name; *c != '\0'; c++) {
    if (!is_unreserved(*c)) {
      return 0;
    }
  }
  return 1;
}

/* ---- The canonical request ---- */

/* The path without dot segments and doubled slashes. */
static int32_t append_normal_path(mloom_buffer *out, const char *path, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer normal = MLOOM_BUFFER_INIT;
  int32_t code = MLOOM_OK;
  size_t at = 0;
  while (code == MLOOM_OK && at < size) {
    const char *segment = path + at;
    const char *slash = memchr(segment, '/', size - at);
    size_t segment_size = slash == NULL ? size - at : (size_t)(slash - segment);
    at += segment_size + (slash != NULL);
    if (segment_size == 2 && memcmp(segment, "..", 2) == 0) {
      const char *parent = normal.size == 0 ? NULL : memrchr(normal.data, '/', normal.size);
      mloom_buffer_truncate(&normal, parent == NULL ? 0 : (size_t)(parent - normal.data));
    } else if (segment_size != 0 && !(segment_size == 1 && segment[0] == '.')) {
      code = mloom_buffer_append_char(&normal, '/');
      code = code != MLOOM_OK ? code : mloom_buffer_append(&normal, segment, segment_size);
    }
  }
  if (code == MLOOM_OK && (normal.size == 0 || path[size - 1] == '/')) {
    code = mloom_buffer_append_char(&normal, '/');
  }
  return code != MLOOM_OK ? code : append_encoded(out, normal.data, normal.size, '/');
}

static int compare_texts(const char *a, size_t a_size, const char *b, size_t b_size) {
  size_t common = a_size < b_size ? a_size : b_size;
  int order = common == 0 ? 0 : memcmp(a, b, common);
  return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_query(const void *left, const void *right) {
  const query_part *a = left;
  const query_part *b = right;
  int order = compare_texts(a->base + a->name, a->name_size, b->base + b->name, b->name_size);
  return order != 0 ? order : compare_texts(a->base + a->value, a->value_size, b->base + b->value, b->value_size);
}

/* Encodes the parts of a query into text and describes them in parts. */
static int32_t split_query(mloom_buffer *text, query_part *parts, size_t *count, const char *query, size_t size) {
  int32_t code = MLOOM_OK;
  size_t at = 0;
  while (code == MLOOM_OK && at < size) {
    const char *part = query + at;
    const char *end = memchr(part, '&', size - at);
    size_t part_size = end == NULL ? size - at : (size_t)(end - part);
    at += part_size + 1;
    if (part_size == 0) {
      continue;
    }
    if (*count == QUERY_LIMIT) {
      return MLOOM_E_LIMIT;
    }
    const char *equals = memchr(part, '=', part_size);
    size_t name_size = equals == NULL ? part_size : (size_t)(equals - part);
    query_part *described = &parts[(*count)++];
    described->name = text->size;
    code = append_query_text(text, part, name_size);
    described->value = text->size;
    described->name_size = described->value - described->name;
    if (code == MLOOM_OK && equals != NULL) {
      code = append_query_text(text, equals + 1, part_size - name_size - 1);
    }
    described->value_size = text->size - described->value;
  }
  return code;
}

static int32_t append_query(mloom_buffer *out, const char *query, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  query_part parts[QUERY_LIMIT];
  size_t count = 0;
  int32_t code = split_query(&text, parts, &count, query, size);
  if (code != MLOOM_OK) {
    return code;
  }
  for (size_t i = 0; i < count; i++) {
    parts[i].base = mloom_buffer_string(&text);
  }
  if (count > 1) {
    qsort(parts, count, sizeof(parts[0]), compare_query);
  }
  for (size_t i = 0; code == MLOOM_OK && i < count; i++) {
    code = i == 0 ? MLOOM_OK : mloom_buffer_append_char(out, '&');
    code = code != MLOOM_OK ? code : mloom_buffer_append(out, parts[i].base + parts[i].name, parts[i].name_size);
    code = code != MLOOM_OK ? code : mloom_buffer_append_char(out, '=');
    code = code != MLOOM_OK ? code : mloom_buffer_append(out, parts[i].base + parts[i].value, parts[i].value_size);
  }
  return code;
}

static int compare_headers(const void *left, const void *right) {
  const signed_header *a = left;
  const signed_header *b = right;
  size_t i = 0;
  while (a->name[i] != '\0' && lower(a->name[i]) == lower(b->name[i])) {
    i++;
  }
  int order = (int)(unsigned char)lower(a->name[i]) - (int)(unsigned char)lower(b->name[i]);
  return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static int name_is_one_of(const char *name, const char *const *names) {
  for (; *names != NULL; names++) {
    if (mloom_text_equal_fold(mloom_text_bytes(name), *names)) {
      return 1;
    }
  }
  return 0;
}

static int32_t append_lower(mloom_buffer *out, const char *text) {
  int32_t code = MLOOM_OK;
  for (; code == MLOOM_OK && *text != '\0'; text++) {
    code = mloom_buffer_append_char(out, lower(*text));
  }
  return code;
}

/* Without blanks at the ends and with one space for each run of them within. */
static int32_t append_collapsed(mloom_buffer *out, const char *value) {
  int32_t code = MLOOM_OK;
  int pending = 0;
  int written = 0;
  for (; code == MLOOM_OK && *value != '\0'; value++) {
    if (is_blank(*value)) {
      pending = written;
      continue;
    }
    code = pending ? mloom_buffer_append_char(out, ' ') : MLOOM_OK;
    code = code != MLOOM_OK ? code : mloom_buffer_append_char(out, *value);
    pending = 0;
    written = 1;
  }
  return code;
}

/* Writes the sorted headers and their names. */
static int32_t append_headers(canonical *out, signed_header *headers, size_t count) {
  qsort(headers, count, sizeof(headers[0]), compare_headers);
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < count; i++) {
    int again = i > 0 && mloom_text_equal_fold(mloom_text_bytes(headers[i].name), headers[i - 1].name);
    if (again) {
      mloom_buffer_truncate(&out->text, out->text.size - 1); /* the line goes on */
      code = mloom_buffer_append_char(&out->text, ',');
    } else {
      code = i == 0 ? MLOOM_OK : mloom_buffer_append_char(&out->headers, ';');
      code = code != MLOOM_OK ? code : append_lower(&out->headers, headers[i].name);
      code = code != MLOOM_OK ? code : append_lower(&out->text, headers[i].name);
      code = code != MLOOM_OK ? code : mloom_buffer_append_char(&out->text, ':');
    }
    if (code == MLOOM_OK && headers[i].value == NULL) {
      out->token_offset = out->text.size;
    } else if (code == MLOOM_OK) {
      code = append_collapsed(&out->text, headers[i].value);
    }
    code = code != MLOOM_OK ? code : mloom_buffer_append_char(&out->text, '\n');
  }
  return code;
}

/* The parts of an absolute URL as they are sent. */
typedef struct url_parts {
  char host[300]; /* lower case, with a port that is not the scheme's own */
  mloom_bytes path;
  mloom_bytes query;
} url_parts;

static int32_t split_url(url_parts *out, const char *url) {
  int is_tls = strncmp(url, "https://", 8) == 0;
  if (!is_tls && strncmp(url, "http://", 7) != 0) {
    return MLOOM_E_INVALID;
  }
  const char *authority = url + (is_tls ? 8 : 7);
  size_t authority_size = strcspn(authority, "/?#");
  const char *path = authority + authority_size;
  size_t path_size = strcspn(path, "?#");
  const char *query = path + path_size;
  size_t query_size = *query == '?' ? strcspn(query + 1, "#") : 0;
  const char *user_end = memchr(authority, '@', authority_size);
  if (user_end != NULL || authority_size == 0 || authority_size >= sizeof(out->host)) {
    return MLOOM_E_INVALID;
  }
  for (size_t i = 0; i < authority_size; i++) {
    out->host[i] = lower(authority[i]);
  }
  out->host[authority_size] = '\0';
  const char *own_port = is_tls ? ":443" : ":80";
  size_t own_size = strlen(own_port);
  if (authority_size > own_size && strcmp(out->host + authority_size - own_size, own_port) == 0) {
    out->host[authority_size - own_size] = '\0';
  }
  out->path = path_size == 0 ? (mloom_bytes){"/", 1} : (mloom_bytes){path, path_size};
  out->query = (mloom_bytes){query + (*query == '?'), query_size};
  return MLOOM_OK;
}

/* Collects what is signed; headers has room for HEADER_LIMIT and four more. */
static int32_t collect_headers(signed_header *headers, size_t *count, const mloom_http_request *request,
                               mloom_error *error) {
  /* Proxies and tracing change these, or the transport writes them. */
  static const char *const unsignable[] = {"connection", "expect",     "keep-alive",          "proxy-authenticate",
                                           "te",         "trailer",    "proxy-authorization", "transfer-encoding",
                                           "upgrade",    "user-agent", "x-amzn-trace-id",     NULL};
  static const char *const own[] = {"authorization", "x-amz-date", "x-amz-security-token", NULL};
  for (size_t i = 0; i < request->header_count; i++) {
    const mloom_header *header = request->headers[i];
    if (name_is_one_of(header->name, own)) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, NULL,
                             "the request to sign already has the header %s", header->name);
    }
    if (header->secret != NULL || name_is_one_of(header->name, unsignable)) {
      continue;
    }
    if (*count == HEADER_LIMIT) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, NULL,
                             "the request to sign has more than %u headers", HEADER_LIMIT);
    }
    headers[*count] = (signed_header){header->name, header->value == NULL ? "" : header->value, *count};
    (*count)++;
  }
  return MLOOM_OK;
}

static int32_t build_headers(canonical *out, const char *host, const mloom_sigv4_signature *signature, uint32_t options,
                             int has_token, const mloom_http_request *request, mloom_error *error) {
  static const char *const host_name[] = {"host", NULL};
  signed_header headers[HEADER_LIMIT + 4];
  size_t count = 0;
  int32_t code = collect_headers(headers, &count, request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  int has_host = 0;
  for (size_t i = 0; i < count; i++) {
    has_host |= name_is_one_of(headers[i].name, host_name);
  }
  if (!has_host) {
    headers[count] = (signed_header){"host", host, count};
    count++;
  }
  headers[count] = (signed_header){"x-amz-date", signature->date, count};
  count++;
  if ((options & MLOOM_SIGV4_BODY_HEADER) != 0) {
    headers[count] = (signed_header){"x-amz-content-sha256", signature->body_sha256, count};
    count++;
  }
  if (has_token && (options & MLOOM_SIGV4_UNSIGNED_TOKEN) == 0) {
    headers[count] = (signed_header){"x-amz-security-token", NULL, count};
    count++;
  }
  code = append_headers(out, headers, count);
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t build_canonical(canonical *out, const mloom_sigv4_signature *signature, uint32_t options, int has_token,
                               const mloom_http_request *request, mloom_error *error) {
  url_parts url;
  if (request->method == NULL || request->url == NULL || split_url(&url, request->url) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, NULL,
                           "the request to sign has no absolute http or https URL without a user name");
  }
  mloom_buffer *text = &out->text;
  int32_t code = mloom_buffer_append_format(text, "%s\n", request->method);
  if (code == MLOOM_OK) {
    code = (options & MLOOM_SIGV4_RAW_PATH) != 0 ? append_encoded(text, url.path.data, url.path.size, '/')
                                                 : append_normal_path(text, url.path.data, url.path.size);
  }
  code = code != MLOOM_OK ? code : mloom_buffer_append_char(text, '\n');
  code = code != MLOOM_OK ? code : append_query(text, url.query.data, url.query.size);
  code = code != MLOOM_OK ? code : mloom_buffer_append_char(text, '\n');
  if (code == MLOOM_E_LIMIT) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, NULL,
                           "the request to sign has more than %u query parameters", QUERY_LIMIT);
  }
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  code = build_headers(out, url.host, signature, options, has_token, request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = mloom_buffer_append_format(text, "\n%s\n%s", mloom_buffer_string(&out->headers), signature->body_sha256);
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

/* ---- Keys and signature ---- */

static int32_t hmac(const mloom_sigv4 *signer, const void *key, size_t key_size, mloom_bytes text,
                    uint8_t out[MLOOM_SHA256_SIZE]) {
  return signer->crypto->hmac_sha256(signer->crypto->ctx, key, key_size, &text, 1, out);
}

static int32_t derive_key(const mloom_sigv4 *signer, mloom_bytes secret, mloom_bytes date,
                          const mloom_sigv4_scope *scope, mloom_secret **out, mloom_error *error) {
  char first[4 + SECRET_LIMIT] = "AWS4";
  uint8_t key[MLOOM_SHA256_SIZE];
  memcpy(first + 4, secret.data, secret.size);
  int32_t code = hmac(signer, first, 4 + secret.size, date, key);
  explicit_bzero(first, sizeof(first));
  code = code != MLOOM_OK ? code : hmac(signer, key, sizeof(key), mloom_text_bytes(scope->region), key);
  code = code != MLOOM_OK ? code : hmac(signer, key, sizeof(key), mloom_text_bytes(scope->service), key);
  code = code != MLOOM_OK ? code : hmac(signer, key, sizeof(key), mloom_text_bytes("aws4_request"), key);
  if (code == MLOOM_OK) {
    union {
      uint8_t *bytes;
      char *text;
    } cast = {.bytes = key};
    code = signer->host->secret_new(signer->host->ctx, cast.text, sizeof(key), out, error);
  } else {
    code = mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the signing key cannot be derived");
  }
  explicit_bzero(key, sizeof(key));
  return code;
}

/* The key for the date, from the cache or derived. The caller owns a reference. */
static int32_t find_key(mloom_sigv4 *signer, mloom_bytes secret, mloom_bytes date, const mloom_sigv4_scope *scope,
                        mloom_secret **out, mloom_error *error) {
  const mloom_host *host = signer->host;
  uint8_t id[MLOOM_SHA256_SIZE];
  const mloom_bytes separator = {"\n", 1};
  const mloom_bytes pieces[] = {
      date, separator, mloom_text_bytes(scope->region), separator, mloom_text_bytes(scope->service), separator, secret};
  int32_t code = signer->crypto->sha256(signer->crypto->ctx, pieces, sizeof(pieces) / sizeof(pieces[0]), id);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the signing key cannot be looked up");
  }
  pthread_mutex_lock(&signer->lock);
  for (size_t i = 0; i < KEY_SLOTS; i++) {
    key_slot *slot = &signer->slots[i];
    if (slot->key != NULL && memcmp(slot->id, id, sizeof(id)) == 0) {
      host->secret_ref(host->ctx, slot->key);
      *out = slot->key;
      pthread_mutex_unlock(&signer->lock);
      return MLOOM_OK;
    }
  }
  pthread_mutex_unlock(&signer->lock);
  code = derive_key(signer, secret, date, scope, out, error);
  if (code != MLOOM_OK) {
    return code;
  }
  pthread_mutex_lock(&signer->lock);
  key_slot *slot = &signer->slots[signer->next];
  signer->next = (signer->next + 1) % KEY_SLOTS;
  mloom_secret *old = slot->key;
  memcpy(slot->id, id, sizeof(id));
  slot->key = *out;
  host->secret_ref(host->ctx, *out);
  pthread_mutex_unlock(&signer->lock);
  if (old != NULL) {
    host->secret_unref(host->ctx, old);
  }
  return MLOOM_OK;
}

static int32_t check_identity(const mloom_sigv4_identity *identity, const mloom_sigv4_scope *scope,
                              mloom_error *error) {
  if (!is_scope_name(scope->region) || !is_scope_name(scope->service)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "set the region, for example us-east-1",
                           "a request cannot be signed for this region and service");
  }
  int ok = is_scope_name(identity->access_key_id) && identity->secret_access_key.size > 0 &&
           identity->secret_access_key.size <= SECRET_LIMIT && identity->session_token.size <= TOKEN_LIMIT;
  for (size_t i = 0; ok && i < identity->session_token.size; i++) {
    ok = identity->session_token.data[i] > ' ' && identity->session_token.data[i] < 127;
  }
  return ok ? MLOOM_OK
            : mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                              "check the access key id, the secret access key and the session token",
                              "the AWS key is malformed: empty, too long or with characters that no key has");
}

static int32_t format_date(char out[17], int64_t wall_ms, mloom_error *error) {
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm parts;
  if (wall_ms < 0 || gmtime_r(&seconds, &parts) == NULL || strftime(out, 17, "%Y%m%dT%H%M%SZ", &parts) != 16) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "set the clock",
                           "the time cannot be written into a signature");
  }
  return MLOOM_OK;
}

/* Signs the finished canonical request and writes the Authorization header. */
static int32_t authorize(mloom_sigv4_signature *out, mloom_sigv4 *signer, const mloom_sigv4_identity *identity,
                         const mloom_sigv4_scope *scope, const canonical *parts, mloom_error *error) {
  const mloom_crypto *crypto = signer->crypto;
  /* The token is hashed where it lies: no copy of it is made. */
  const mloom_bytes pieces[] = {
      {parts->text.data, parts->token_offset},
      parts->token_offset > 0 ? identity->session_token : (mloom_bytes){"", 0},
      {parts->text.data + parts->token_offset, parts->text.size - parts->token_offset},
  };
  uint8_t digest[MLOOM_SHA256_SIZE] = {0};
  char hex[2 * MLOOM_SHA256_SIZE + 1];
  char full_scope[300];
  char to_sign[512];
  int32_t code = crypto->sha256(crypto->ctx, pieces, sizeof(pieces) / sizeof(pieces[0]), digest);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the request cannot be hashed");
  }
  to_hex(digest, hex);
  snprintf(full_scope, sizeof(full_scope), "%.8s/%s/%s/aws4_request", out->date, scope->region, scope->service);
  int size = snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n%s\n%s\n%s", out->date, full_scope, hex);
  mloom_secret *key = NULL;
  code = find_key(signer, identity->secret_access_key, (mloom_bytes){out->date, 8}, scope, &key, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes key_bytes = {NULL, 0};
  code = signer->host->secret_borrow(signer->host->ctx, key, &key_bytes, error);
  if (code == MLOOM_OK) {
    code = hmac(signer, key_bytes.data, key_bytes.size, (mloom_bytes){to_sign, (size_t)size}, digest);
  }
  signer->host->secret_unref(signer->host->ctx, key);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the request cannot be signed");
  }
  to_hex(digest, hex);
  code = mloom_buffer_append_format(&out->authorization,
                                    "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                                    identity->access_key_id, full_scope, mloom_buffer_string(&parts->headers), hex);
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

int32_t mloom_sigv4_sign(mloom_sigv4_signature *out, mloom_sigv4 *signer, const mloom_sigv4_identity *identity,
                         const mloom_sigv4_scope *scope, const mloom_http_request *request, mloom_error *error) {
  *out = (mloom_sigv4_signature){.authorization = MLOOM_BUFFER_INIT};
  int32_t code = check_identity(identity, scope, error);
  code = code != MLOOM_OK ? code : format_date(out->date, scope->wall_ms, error);
  if (code != MLOOM_OK) {
    return code;
  }
  uint8_t digest[MLOOM_SHA256_SIZE] = {0};
  code = signer->crypto->sha256(signer->crypto->ctx, request->body, request->body_count, digest);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, NULL, "the body cannot be hashed");
  }
  to_hex(digest, out->body_sha256);
  MLOOM_AUTO(canonical_free) canonical parts = {.text = MLOOM_BUFFER_INIT, .headers = MLOOM_BUFFER_INIT};
  code = build_canonical(&parts, out, scope->options, identity->session_token.size > 0, request, error);
  return code != MLOOM_OK ? code : authorize(out, signer, identity, scope, &parts, error);
}
