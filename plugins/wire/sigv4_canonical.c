/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical form of a request: method, path, query, headers and the hash of the body.
 */
#include "sigv4_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define HEADER_LIMIT 64u
#define QUERY_LIMIT 256u
/* Of the text of most requests. */
#define USUAL_SIZE 1000u
#define USUAL_NAMES_SIZE 100u
#define BLANKS " \t\n\v\f\r"

typedef struct signed_header {
  const char *name;
  const char *value; /* NULL: the session token */
  int is_own;        /* written by us, without blanks */
} signed_header;

typedef struct query_part {
  size_t name;
  size_t name_size;
  size_t value;
  size_t value_size;
  const char *base;
} query_part;

void mloom_sigv4_canonical_free(mloom_sigv4_canonical *parts) {
  mloom_buffer_free(&parts->text);
  mloom_buffer_free(&parts->headers);
}

/* ---- Text ---- */

int32_t mloom_sigv4_append_all(mloom_buffer *out, const mloom_bytes *texts, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++) {
    size += texts[i].size;
  }
  int32_t code = mloom_buffer_reserve(out, size);
  if (code != MLOOM_OK) {
    return code;
  }
  for (size_t i = 0; i < count; i++) {
    memcpy(out->data + out->size, texts[i].data, texts[i].size);
    out->size += texts[i].size;
  }
  out->data[out->size] = '\0';
  return MLOOM_OK;
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int is_blank(char c) {
  return strchr(BLANKS, c) != NULL;
}

static int32_t append_encoded(mloom_buffer *out, const char *data, size_t size, char also_safe) {
  static const char digits[] = "0123456789ABCDEF";
  int32_t code = mloom_buffer_reserve(out, size);
  for (size_t i = 0; code == MLOOM_OK && i < size;) {
    size_t run = i;
    while (run < size && (mloom_sigv4_is_unreserved(data[run]) || data[run] == also_safe)) {
      run++;
    }
    code = mloom_buffer_append(out, data + i, run - i);
    i = run;
    if (code == MLOOM_OK && i < size) {
      const char escape[3] = {'%', digits[(unsigned char)data[i] >> 4], digits[(unsigned char)data[i] & 15]};
      code = mloom_buffer_append(out, escape, sizeof(escape));
      i++;
    }
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

/* ---- Parts ---- */

/* Neither dot segments nor doubled slashes? */
static int is_normal(const char *path, size_t size) {
  if (path[0] != '/') {
    return 0;
  }
  for (const char *slash = path; slash != NULL;) {
    size_t left = size - (size_t)(slash - path) - 1;
    if (left > 0 && (slash[1] == '/' || slash[1] == '.')) {
      return 0;
    }
    slash = memchr(slash + 1, '/', left);
  }
  return 1;
}

/* The path without dot segments and doubled slashes. */
static int32_t append_normal_path(mloom_buffer *out, const char *path, size_t size) {
  if (is_normal(path, size)) {
    return append_encoded(out, path, size, '/');
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer normal = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_reserve(&normal, size + 1);
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

static int compare_names(const char *a, const char *b) {
  while (*a != '\0' && lower(*a) == lower(*b)) {
    a++;
    b++;
  }
  return (int)(unsigned char)lower(*a) - (int)(unsigned char)lower(*b);
}

/* By name; those of one name stay in their order. There are few. */
static void sort_headers(signed_header *headers, size_t count) {
  for (size_t i = 1; i < count; i++) {
    signed_header moved = headers[i];
    size_t place = i;
    for (; place > 0 && compare_names(headers[place - 1].name, moved.name) > 0; place--) {
      headers[place] = headers[place - 1];
    }
    headers[place] = moved;
  }
}

/* names are in lower case. */
static int name_is_one_of(const char *name, const char *const *names) {
  for (; *names != NULL; names++) {
    if (lower(name[0]) == (*names)[0] && mloom_text_equal_fold(mloom_text_bytes(name), *names)) {
      return 1;
    }
  }
  return 0;
}

static int32_t append_lower(mloom_buffer *out, const char *text) {
  size_t size = strlen(text);
  int32_t code = mloom_buffer_reserve(out, size);
  if (code == MLOOM_OK) {
    for (size_t i = 0; i < size; i++) {
      out->data[out->size++] = lower(text[i]);
    }
    out->data[out->size] = '\0';
  }
  return code;
}

/* Without blanks at the ends and with one space for each run of them within. */
static int32_t append_collapsed(mloom_buffer *out, const char *value) {
  int pending = 0;
  size_t before = out->size;
  size_t size = strlen(value);
  if (strcspn(value, BLANKS) == size) {
    return mloom_buffer_append(out, value, size);
  }
  int32_t code = mloom_buffer_reserve(out, size);
  for (; code == MLOOM_OK && *value != '\0'; value++) {
    if (is_blank(*value)) {
      pending = out->size > before;
      continue;
    }
    if (pending) {
      out->data[out->size++] = ' ';
    }
    out->data[out->size++] = *value;
    pending = 0;
  }
  if (code == MLOOM_OK) {
    out->data[out->size] = '\0';
  }
  return code;
}

/* Writes the sorted headers and their names. */
static int32_t append_headers(mloom_sigv4_canonical *out, signed_header *headers, size_t count) {
  sort_headers(headers, count);
  int32_t code = mloom_buffer_reserve(&out->headers, USUAL_NAMES_SIZE);
  for (size_t i = 0; code == MLOOM_OK && i < count; i++) {
    int again = i > 0 && compare_names(headers[i].name, headers[i - 1].name) == 0;
    if (again) {
      mloom_buffer_truncate(&out->text, out->text.size - 1); /* the line goes on */
      code = mloom_buffer_append_char(&out->text, ',');
    } else {
      code = i == 0 ? MLOOM_OK : mloom_buffer_append_char(&out->headers, ';');
      size_t start = out->headers.size;
      code = code != MLOOM_OK ? code : append_lower(&out->headers, headers[i].name);
      code = code != MLOOM_OK ? code
                              : mloom_buffer_append(&out->text, out->headers.data + start, out->headers.size - start);
      code = code != MLOOM_OK ? code : mloom_buffer_append_char(&out->text, ':');
    }
    if (code == MLOOM_OK && headers[i].value == NULL) {
      out->token_offset = out->text.size;
    } else if (code == MLOOM_OK && headers[i].is_own) {
      code = mloom_buffer_append_string(&out->text, headers[i].value);
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
    headers[*count] = (signed_header){header->name, header->value == NULL ? "" : header->value, 0};
    (*count)++;
  }
  return MLOOM_OK;
}

static int32_t build_headers(mloom_sigv4_canonical *out, const char *host, const mloom_sigv4_signature *signature,
                             uint32_t options, int has_token, const mloom_http_request *request, mloom_error *error) {
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
    headers[count] = (signed_header){"host", host, 1};
    count++;
  }
  headers[count] = (signed_header){"x-amz-date", signature->date, 1};
  count++;
  if ((options & MLOOM_SIGV4_BODY_HEADER) != 0) {
    headers[count] = (signed_header){"x-amz-content-sha256", signature->body_sha256, 1};
    count++;
  }
  if (has_token && (options & MLOOM_SIGV4_UNSIGNED_TOKEN) == 0) {
    headers[count] = (signed_header){"x-amz-security-token", NULL, 1};
    count++;
  }
  code = append_headers(out, headers, count);
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

int32_t mloom_sigv4_canonical_build(mloom_sigv4_canonical *out, const mloom_sigv4_signature *signature,
                                    uint32_t options, int has_token, const mloom_http_request *request,
                                    mloom_error *error) {
  url_parts url;
  if (request->method == NULL || request->url == NULL || split_url(&url, request->url) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, NULL,
                           "the request to sign has no absolute http or https URL without a user name");
  }
  mloom_buffer *text = &out->text;
  int32_t code = mloom_buffer_reserve(text, USUAL_SIZE);
  code = code != MLOOM_OK ? code : mloom_buffer_append_string(text, request->method);
  code = code != MLOOM_OK ? code : mloom_buffer_append_char(text, '\n');
  if (code == MLOOM_OK) {
    code = (options & MLOOM_SIGV4_RAW_PATH) != 0 ? append_encoded(text, url.path.data, url.path.size, '/')
                                                 : append_normal_path(text, url.path.data, url.path.size);
  }
  code = code != MLOOM_OK ? code : mloom_buffer_append_char(text, '\n');
  code = code != MLOOM_OK || url.query.size == 0 ? code : append_query(text, url.query.data, url.query.size);
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
  const mloom_bytes rest[] = {MLOOM_SIGV4_LITERAL("\n"),
                              {out->headers.data, out->headers.size},
                              MLOOM_SIGV4_LITERAL("\n"),
                              {signature->body_sha256, sizeof(signature->body_sha256) - 1}};
  code = mloom_sigv4_append_all(text, rest, sizeof(rest) / sizeof(rest[0]));
  return code == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}
