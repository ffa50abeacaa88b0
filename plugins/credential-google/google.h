/* SPDX-License-Identifier: Apache-2.0
 *
 * How a token of Google is got: what the parts of this plugin share.
 */
#ifndef MLOOM_CREDENTIAL_GOOGLE_GOOGLE_H
#define MLOOM_CREDENTIAL_GOOGLE_GOOGLE_H

#include "key_file.h"

#define MLOOM_GOOGLE_DOMAIN MLOOM_DOMAIN_CREDENTIAL
#define MLOOM_GOOGLE_LOGIN "run: gcloud auth application-default login"

/* One fetch. */
typedef struct mloom_google_job {
  const mloom_host *host;
  mloom_call *call;
  const mloom_settings *settings;
  const char *scope; /* scopes with blanks between them */
  int is_on_card;    /* the document was not given by the deployment, but on a card or by a gateway */
} mloom_google_job;

typedef struct mloom_google_token {
  const mloom_secret *secret;
  int64_t expires_wall_ms;
  int64_t clock_offset_ms; /* Google took an assertion by its own clock only */
  char who[120];           /* safe to show */
} mloom_google_token;

/* The settings of the provider; 0 when it has no such field or no value. */
int mloom_google_setting(const mloom_host *host, const mloom_settings *settings, const char *name, mloom_setting *out);
int mloom_google_flag(const mloom_host *host, const mloom_settings *settings, const char *name);

/* ---- exchange.c ---- */

/* What is asked for, which decides what a refusal means. */
#define MLOOM_GOOGLE_GRANT_ASSERTION 0u
#define MLOOM_GOOGLE_GRANT_REFRESH 1u
#define MLOOM_GOOGLE_GRANT_SUBJECT 2u
#define MLOOM_GOOGLE_GRANT_IMPERSONATION 3u

typedef struct mloom_google_exchange {
  uint32_t grant;
  uint32_t reserved;
  const char *url;
  const char *member;       /* of the document that named the URL, for messages */
  const char *content_type; /* of body */
  mloom_bytes body;
  const mloom_secret *bearer;
  const mloom_secret *basic;
  const char *quota_project; /* NULL: none */
  int64_t *clock_offset_ms;  /* NULL, or filled on a refusal: how far Google's clock is ahead, if that was why */
} mloom_google_exchange;

/* Asks a token endpoint. The URL must be Google's, one that the settings allow, or of this machine. */
int32_t mloom_google_exchange_perform(const mloom_google_job *job, const mloom_google_exchange *exchange,
                                      mloom_google_token *out, mloom_error *error);
/* Appends "name=value" to a form; NULL is left out. MLOOM_E_MEMORY. */
int32_t mloom_google_form_text(mloom_buffer *form, const char *name, const char *value);
int32_t mloom_google_form_secret(mloom_buffer *form, const mloom_host *host, const char *name,
                                 const mloom_secret *value);
/* "id:secret" in base64, or NULL in *out when the document has no client. */
int32_t mloom_google_basic(const mloom_secret **out, const mloom_google_key_file *file, mloom_error *error);

/* ---- One for each type of document ---- */

int32_t mloom_google_service_account(const mloom_google_job *job, const mloom_google_key_file *file,
                                     mloom_google_token *out, mloom_error *error);
int32_t mloom_google_user(const mloom_google_job *job, const mloom_google_key_file *file, mloom_google_token *out,
                          mloom_error *error);
int32_t mloom_google_external_account(const mloom_google_job *job, const mloom_google_key_file *file,
                                      mloom_google_token *out, mloom_error *error);
int32_t mloom_google_impersonated(const mloom_google_job *job, const mloom_google_key_file *file,
                                  mloom_google_token *out, mloom_error *error);
/* The token for the service account of url, asked for with the token of its caller. */
int32_t mloom_google_impersonate(const mloom_google_job *job, const mloom_google_key_file *file,
                                 const mloom_secret *caller, mloom_google_token *out, mloom_error *error);
/* Whatever the type is. */
int32_t mloom_google_fetch(const mloom_google_job *job, const mloom_google_key_file *file, mloom_google_token *out,
                           mloom_error *error);

/* The token of an external account's own identity provider, read anew each time. */
int32_t mloom_google_subject_token(const mloom_google_job *job, const mloom_google_key_file *file,
                                   const mloom_secret **out, mloom_error *error);
/* What a program that the document names prints, where the operator lets documents name programs. */
int32_t mloom_google_subject_executable(const mloom_google_job *job, const mloom_google_key_file *file,
                                        const mloom_secret **out, mloom_error *error);
/* The account that an impersonation URL is for, safe to show. */
mloom_bytes mloom_google_impersonation_target(const char *url);
/* Makes a secret of a subject token: of what text holds but white space at its ends. text may be overwritten. */
int32_t mloom_google_subject_keep(const mloom_google_job *job, const char *origin, mloom_buffer *text,
                                  const mloom_secret **out, mloom_error *error);
/* On AWS: a request to AWS that says whose keys it is signed with, for Google to send. */
int32_t mloom_google_subject_aws(const mloom_google_job *job, const mloom_google_key_file *file,
                                 const mloom_secret **out, mloom_error *error);

#endif
