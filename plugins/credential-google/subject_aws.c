/* SPDX-License-Identifier: Apache-2.0
 *
 * The subject token of a workload on AWS is a request to AWS's token service that asks who its sender is, signed and
 * not sent: Google sends it. The keys are found as AWS programs find them. The addresses of a metadata service in the
 * document are not used: who can write the document could have keys taken from elsewhere.
 */
#include "config.h"

#include "google.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "credential-aws/aws.h"

#define QUESTION "?Action=GetCallerIdentity&Version=2011-06-15"
/* The token service of any region knows the keys of all; the document may say otherwise. */
#define DEFAULT_REGION "us-east-1"
#define DEFAULT_URL "https://sts.{region}.amazonaws.com" QUESTION
#define PLACE "{region}"

/* ---- The address ---- */

/* host is a token service of AWS, with nothing but the one question behind it. */
static int is_question(const char *url, const char *region) {
  const char *host = url + strlen("https://");
  size_t size = strncmp(url, "https://sts.", 12) == 0 ? strcspn(host, "/?") : 0;
  const char *suffix = mloom_aws_dns_suffix(region, 0);
  size_t suffix_size = strlen(suffix);
  const char *rest = host + size + (host[size] == '/');
  return size > suffix_size + 1 && host[size - suffix_size - 1] == '.' &&
         memcmp(host + size - suffix_size, suffix, suffix_size) == 0 && strcmp(rest, QUESTION) == 0;
}

static int32_t make_url(mloom_buffer *out, const mloom_google_key_file *file, const char *region, mloom_error *error) {
  const char *pattern = file->subject_verification == NULL ? DEFAULT_URL : file->subject_verification;
  const char *place = strstr(pattern, PLACE);
  int32_t code = place == NULL ? mloom_buffer_append_string(out, pattern)
                               : mloom_buffer_append_format(out, "%.*s%s%s", (int)(place - pattern), pattern, region,
                                                            place + strlen(PLACE));
  if (code != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (!is_question(out->data, region)) {
    return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_GOOGLE_DOMAIN, "use " DEFAULT_URL,
                           "regional_cred_verification_url of the Google credentials is not AWS's GetCallerIdentity");
  }
  return MLOOM_OK;
}

/* ---- The request in JSON ---- */

static int32_t write_header(mloom_buffer *out, const char *name, mloom_bytes value) {
  int failed = (out->data[out->size - 1] == '}' && mloom_buffer_append_char(out, ',') != MLOOM_OK) ||
               mloom_buffer_append_char(out, '{') != MLOOM_OK ||
               mloom_json_write_member(out, "key", name, strlen(name)) != MLOOM_OK ||
               mloom_json_write_member(out, "value", value.data, value.size) != MLOOM_OK ||
               mloom_buffer_append_char(out, '}') != MLOOM_OK;
  return failed ? MLOOM_E_MEMORY : MLOOM_OK;
}

static int32_t write_request(mloom_buffer *out, const mloom_google_key_file *file, const char *url,
                             const mloom_sigv4_signature *signature, mloom_bytes session_token) {
  const char *host = url + strlen("https://");
  mloom_bytes host_text = {host, strcspn(host, "/?")};
  int failed = mloom_buffer_append_char(out, '{') != MLOOM_OK ||
               mloom_json_write_member(out, "url", url, strlen(url)) != MLOOM_OK ||
               mloom_json_write_member(out, "method", "POST", 4) != MLOOM_OK ||
               mloom_json_write_name(out, "headers") != MLOOM_OK || mloom_buffer_append_char(out, '[') != MLOOM_OK ||
               write_header(out, "authorization",
                            (mloom_bytes){signature->authorization.data, signature->authorization.size}) != MLOOM_OK ||
               write_header(out, "host", host_text) != MLOOM_OK ||
               write_header(out, "x-amz-date", mloom_text_bytes(signature->date)) != MLOOM_OK ||
               (session_token.size > 0 && write_header(out, "x-amz-security-token", session_token) != MLOOM_OK) ||
               write_header(out, "x-goog-cloud-target-resource", mloom_text_bytes(file->audience)) != MLOOM_OK ||
               mloom_buffer_append_string(out, "]}") != MLOOM_OK;
  return failed ? MLOOM_E_MEMORY : MLOOM_OK;
}

static int32_t sign(mloom_sigv4_signature *out, const mloom_aws_fetch *fetch, const mloom_google_key_file *file,
                    const mloom_sigv4_identity *identity, const char *url, mloom_error *error) {
  const mloom_sigv4_scope scope = {
      .region = fetch->region, .service = "sts", .wall_ms = fetch->host->clock_wall_ms(fetch->host->ctx)};
  /* Signed too, so that nobody can use the request for another pool. */
  const mloom_header target = {
      .size = (uint32_t)sizeof(target), .name = "x-goog-cloud-target-resource", .value = file->audience};
  const mloom_header *const headers[] = {&target};
  const mloom_http_request request = {
      .size = (uint32_t)sizeof(request), .method = "POST", .url = url, .headers = headers, .header_count = 1};
  return mloom_sigv4_sign(out, fetch->signer, identity, &scope, &request, error);
}

static int32_t make_token(const mloom_aws_fetch *fetch, const mloom_google_key_file *file, const mloom_aws_keys *keys,
                          const mloom_secret **out, mloom_error *error) {
  const mloom_host *host = fetch->host;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer url = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer encoded = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_sigv4_signature_free) mloom_sigv4_signature signature = {.authorization = MLOOM_BUFFER_INIT};
  mloom_sigv4_identity identity = {.access_key_id = keys->access_key_id};
  int32_t code = make_url(&url, file, fetch->region, error);
  code = code == MLOOM_OK ? host->secret_borrow(host->ctx, keys->secret_access_key, &identity.secret_access_key, error)
                          : code;
  if (code == MLOOM_OK && keys->session_token != NULL) {
    code = host->secret_borrow(host->ctx, keys->session_token, &identity.session_token, error);
  }
  code = code == MLOOM_OK ? sign(&signature, fetch, file, &identity, url.data, error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  /* Room for all of it at once: growing would leave a part of the session token in freed memory. */
  size_t room = 2 * (identity.session_token.size + signature.authorization.size + strlen(file->audience)) + 1024;
  if (mloom_buffer_reserve(&text, room) != MLOOM_OK || mloom_buffer_reserve(&encoded, 3 * room) != MLOOM_OK ||
      write_request(&text, file, url.data, &signature, identity.session_token) != MLOOM_OK ||
      mloom_fetch_append_encoded(&encoded, (mloom_bytes){text.data, text.size}) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_secret *secret = NULL;
  code = host->secret_new(host->ctx, encoded.data, encoded.size, &secret, error);
  *out = secret;
  return code;
}

/* ---- The keys ---- */

static int32_t with_files(const mloom_google_job *job, const mloom_google_key_file *file, mloom_aws_fetch *fetch,
                          const mloom_secret **out, mloom_error *error) {
  mloom_aws_keys keys = MLOOM_AWS_KEYS_INIT;
  fetch->profile = mloom_aws_profile_name(job->host, NULL);
  int32_t code = mloom_aws_region(&fetch->region, job->host, fetch->files, fetch->profile, error);
  if (code == MLOOM_OK && fetch->region == NULL) {
    fetch->region = DEFAULT_REGION;
  }
  code = code == MLOOM_OK ? mloom_aws_from_chain(&keys, fetch, error) : code;
  code = code == MLOOM_OK ? make_token(fetch, file, &keys, out, error) : code;
  mloom_aws_keys_free(&keys, job->host);
  return code;
}

int32_t mloom_google_subject_aws(const mloom_google_job *job, const mloom_google_key_file *file,
                                 const mloom_secret **out, mloom_error *error) {
  if (strcmp(file->subject_environment, "aws1") != 0) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_GOOGLE_DOMAIN, "use environment_id aws1 in the document",
                           "subject tokens from the environment %.40s are not supported", file->subject_environment);
  }
  MLOOM_AUTO(mloom_sigv4_free_auto) mloom_sigv4 *signer = NULL;
  MLOOM_AUTO(mloom_aws_files_free) mloom_aws_files files;
  int32_t code = mloom_aws_files_read(&files, job->host, error);
  code = code == MLOOM_OK ? mloom_sigv4_new(&signer, job->host, error) : code;
  mloom_aws_fetch fetch = {.host = job->host, .call = job->call, .signer = signer, .files = &files};
  return code == MLOOM_OK ? with_files(job, file, &fetch, out, error) : code;
}
