/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an external account's own token comes from. Nothing is kept: files are rotated, and most such tokens live an
 * hour.
 */
#include "config.h"

#include "google.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "net/url.h"
#include "wire/fetch.h"

#define LARGEST_TOKEN ((size_t)64 * 1024)

int32_t mloom_google_subject_keep(const mloom_google_job *job, const char *origin, mloom_buffer *text,
                                  const mloom_secret **out, mloom_error *error) {
  mloom_bytes trimmed = mloom_text_trim((mloom_bytes){mloom_buffer_string(text), text->size});
  for (size_t i = 0; i < trimmed.size; i++) {
    if (trimmed.data[i] < 0x20 || trimmed.data[i] == 0x7F) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_GOOGLE_DOMAIN,
                             "check what writes it, and format in the document",
                             "the subject token of %s has a byte that no token has", origin);
    }
  }
  if (trimmed.size == 0 || trimmed.size > LARGEST_TOKEN) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_GOOGLE_DOMAIN,
                           "check what writes it, and format in the document", "the subject token of %s is %s", origin,
                           trimmed.size == 0 ? "empty" : "too long");
  }
  mloom_secret *secret = NULL;
  int32_t code =
      job->host->secret_new(job->host->ctx, text->data + (trimmed.data - text->data), trimmed.size, &secret, error);
  *out = secret;
  return code;
}

static int32_t read_token(const mloom_google_job *job, const mloom_google_key_file *file, const char *origin,
                          mloom_buffer *text, const mloom_secret **out, mloom_error *error) {
  if (!file->subject_is_json) {
    return mloom_google_subject_keep(job, origin, text, out, error);
  }
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer token = MLOOM_BUFFER_INIT;
  mloom_json_reader json;
  mloom_bytes name;
  int found = 0;
  if (mloom_buffer_reserve(&token, text->size + 1) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_json_reader_init(&json, mloom_buffer_string(text), text->size);
  if (mloom_json_reader_peek(&json) == MLOOM_JSON_OBJECT) {
    mloom_json_reader_object(&json);
    while (mloom_json_reader_key(&json, &name)) {
      if (!found && mloom_text_equal(name, file->subject_field)) {
        found = mloom_json_reader_append_string(&json, &token);
      } else {
        mloom_json_reader_skip(&json);
      }
    }
  }
  if (!found || mloom_json_reader_end(&json) != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_GOOGLE_DOMAIN,
                           "correct credential_source.format in the document", "%s is no JSON object with the text %s",
                           origin, file->subject_field);
  }
  return mloom_google_subject_keep(job, origin, &token, out, error);
}

static int32_t from_file(const mloom_google_job *job, const mloom_google_key_file *file, const mloom_secret **out,
                         mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_error reason = MLOOM_ERROR_INIT;
  /* Room for all of it at once: growing would leave a part in freed memory. */
  if (mloom_buffer_reserve(&text, 2 * LARGEST_TOKEN) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_file_read(&text, file->subject_file, LARGEST_TOKEN, MLOOM_GOOGLE_DOMAIN, &reason);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN,
                           "mount the token of the workload there, or correct credential_source.file in the document",
                           "no subject token: %s", reason.message);
  }
  return read_token(job, file, file->subject_file, &text, out, error);
}

/* 169.254.0.0/16, by number. */
static int is_link_local(mloom_bytes host) {
  char text[INET_ADDRSTRLEN];
  unsigned char address[4];
  if (host.size >= sizeof(text)) {
    return 0;
  }
  memcpy(text, host.data, host.size);
  text[host.size] = '\0';
  return inet_pton(AF_INET, text, address) == 1 && address[0] == 169 && address[1] == 254;
}

/* Plain http reaches services of this machine and its link, as Azure's metadata service. */
static int32_t check_url(const char *url, int *is_near, mloom_error *error) {
  mloom_url parts;
  int32_t code = mloom_url_parse(&parts, url, error);
  if (code != MLOOM_OK) {
    return code;
  }
  *is_near = mloom_http_is_loopback(url) || is_link_local(parts.host);
  if (parts.is_https || *is_near) {
    return MLOOM_OK;
  }
  return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_GOOGLE_DOMAIN, "use an https address in credential_source.url",
                         "credential_source.url of the Google credentials is not https");
}

static int32_t from_url(const mloom_google_job *job, const mloom_google_key_file *file, const mloom_secret **out,
                        mloom_error *error) {
  MLOOM_AUTO(mloom_fetch_answer_free) mloom_fetch_answer came = {.body = MLOOM_BUFFER_INIT};
  mloom_header headers[MLOOM_GOOGLE_LIST_LIMIT];
  const mloom_header *list[MLOOM_GOOGLE_LIST_LIMIT];
  mloom_error reason = MLOOM_ERROR_INIT;
  int is_near = 0;
  int32_t code = check_url(file->subject_url, &is_near, error);
  if (code != MLOOM_OK) {
    return code;
  }
  for (size_t i = 0; i < file->subject_header_count; i++) {
    const mloom_google_named_value *header = &file->subject_headers[i];
    headers[i] = (mloom_header){.size = (uint32_t)sizeof(headers[i]),
                                .name = header->name,
                                .value = header->text == NULL ? "" : header->text,
                                .secret = header->secret};
    list[i] = &headers[i];
  }
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .flags = is_near ? MLOOM_HTTP_DIRECT : 0,
                                      .method = "GET",
                                      .url = file->subject_url,
                                      .headers = list,
                                      .header_count = file->subject_header_count};
  code = mloom_fetch(&came, job->host, job->call, &request, NULL, &reason);
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_GOOGLE_DOMAIN, reason.remedy, "no subject token: %s", reason.message);
  }
  if (came.status != 200) {
    mloom_error_set(error, came.status >= 500 ? MLOOM_E_UNAVAILABLE : MLOOM_E_UNAUTHENTICATED, MLOOM_GOOGLE_DOMAIN,
                    "correct url and headers of credential_source in the document",
                    "no subject token: credential_source.url answered with HTTP %d", (int)came.status);
    if (error != NULL) {
      error->http_status = came.status;
      error->retryable = came.status >= 500;
      return error->code;
    }
    return MLOOM_E_UNAUTHENTICATED;
  }
  return read_token(job, file, "credential_source.url", &came.body, out, error);
}

int32_t mloom_google_subject_token(const mloom_google_job *job, const mloom_google_key_file *file,
                                   const mloom_secret **out, mloom_error *error) {
  if (file->subject_file != NULL) {
    return from_file(job, file, out, error);
  }
  if (file->subject_environment == NULL && file->subject_url != NULL) {
    return from_url(job, file, out, error);
  }
  if (file->subject_environment != NULL) {
    return mloom_google_subject_aws(job, file, out, error);
  }
  if (file->subject_command != NULL) {
    return mloom_google_subject_executable(job, file, out, error);
  }
  return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_GOOGLE_DOMAIN,
                         "use credential_source.file or credential_source.url in the document",
                         "subject tokens from a certificate are not supported");
}
