/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of this plugin share.
 */
#ifndef MLOOM_CREDENTIAL_AWS_AWS_H
#define MLOOM_CREDENTIAL_AWS_AWS_H

#include "base/buffer.h"
#include "base/json_reader.h"
#include "wire/aws_files.h"
#include "wire/fetch.h"
#include "wire/sigv4.h"

#define MLOOM_AWS_ID_LIMIT 128u
/* Keys that are read from a file are read again after this time, so that a change of the file is followed. */
#define MLOOM_AWS_FILE_LIFE_MS ((int64_t)5 * 60 * 1000)

/* One access key, however it was come by. */
typedef struct mloom_aws_keys {
  char access_key_id[MLOOM_AWS_ID_LIMIT + 1];
  const mloom_secret *secret_access_key;
  const mloom_secret *session_token; /* NULL: none */
  int64_t expires_wall_ms;           /* -1: never, or nobody knows */
  char description[160];             /* safe to show */
} mloom_aws_keys;

#define MLOOM_AWS_KEYS_INIT \
  { "", NULL, NULL, -1, "" }

/* What one fetch works with. All borrowed. */
typedef struct mloom_aws_fetch {
  const mloom_host *host;
  mloom_call *call;
  mloom_sigv4 *signer;
  const mloom_aws_files *files;
  const char *profile;
  int profile_is_named; /* by a setting of the provider, besides variables */
  int explicit_profile; /* the profile was named for this provider: variables with keys and tokens do not count */
  const char *region;   /* of the service that the keys are for; NULL: unknown */
} mloom_aws_fetch;

/* ---- keys.c ---- */

void mloom_aws_keys_free(mloom_aws_keys *keys, const mloom_host *host);
/* Fills out from texts; token may be empty. where says whose they are, for messages. MLOOM_E_INVALID: texts that no
 * request can be signed with. */
int32_t mloom_aws_keys_set(mloom_aws_keys *out, const mloom_host *host, mloom_bytes id, mloom_bytes secret,
                           mloom_bytes token, const char *where, mloom_error *error);
/* Sets the description, cut at the end of a character. */
__attribute__((format(printf, 2, 3))) void mloom_aws_describe(mloom_aws_keys *keys, const char *format, ...);
/* Bytes that were copied from a secret into buffer become a secret of their own; buffer is empty then. */
int32_t mloom_aws_secret_take(const mloom_secret **out, const mloom_host *host, mloom_buffer *buffer,
                              mloom_error *error);
/* A file that holds a token: its text without white space at the ends. MLOOM_E_NOT_FOUND, MLOOM_E_INVALID: empty or of
 * several lines. name is the variable or setting that names it. */
int32_t mloom_aws_read_token_file(mloom_buffer *out, const mloom_host *host, const char *path, const char *name,
                                  mloom_error *error);

/* A member that may be secret, or a text of at most out_size - 1 bytes; left alone when it is no string. */
void mloom_aws_json_secret(mloom_json_reader *reader, mloom_buffer *out);
void mloom_aws_json_text(mloom_json_reader *reader, char *out, size_t out_size);

/* Credentials in JSON, as containers, instances, processes and the SSO portal give them. */
typedef struct mloom_aws_json {
  mloom_buffer id;
  mloom_buffer secret;
  mloom_buffer token;
  char expiration[64];
  int64_t expiration_ms; /* a number instead of a text; -1: none */
  int64_t version;       /* -1: none */
  char code[96];
  char message[320];
} mloom_aws_json;

/* MLOOM_E_INVALID: no well-formed JSON object. out is freed by the caller in all cases. */
int32_t mloom_aws_json_read(mloom_aws_json *out, mloom_bytes text);
void mloom_aws_json_free(mloom_aws_json *json);
/* Makes keys of it. MLOOM_E_PROTOCOL when a part is missing or malformed. */
int32_t mloom_aws_json_keys(mloom_aws_keys *out, const mloom_aws_json *json, const mloom_host *host, const char *where,
                            mloom_error *error);

/* ---- static_keys.c ---- */

/* The provider's own fields. MLOOM_E_NOT_APPLICABLE: none is set; MLOOM_E_NOT_CONFIGURED: one of two is. */
int32_t mloom_aws_probe_settings(const mloom_host *host, const mloom_settings *settings, mloom_error *error);
/* Tells the states of the files that the fields come from apart; 0: none of them comes from one. */
uint64_t mloom_aws_settings_mark(const mloom_host *host, const mloom_settings *settings);
int32_t mloom_aws_from_settings(mloom_aws_keys *out, const mloom_host *host, const mloom_settings *settings,
                                mloom_error *error);

/* ---- The links of the chain, each in its file. MLOOM_E_NOT_APPLICABLE: nothing is configured for it. ---- */

int32_t mloom_aws_from_environment(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error);
/* role_arn of a profile, with source_profile or credential_source. */
int32_t mloom_aws_from_role(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error);
/* A token in a file: the variables, then the profile. */
int32_t mloom_aws_from_web_identity(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                                    int use_environment, mloom_error *error);
int32_t mloom_aws_from_sso(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile, mloom_error *error);
int32_t mloom_aws_from_process(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                               mloom_error *error);
int32_t mloom_aws_from_container(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error);
/* A metadata service that does not answer is MLOOM_E_NOT_APPLICABLE too, with the reason in error. */
int32_t mloom_aws_from_instance(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error);

/* All that a profile may hold but a role, in order. */
int32_t mloom_aws_from_profile(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const char *profile,
                               int use_environment, mloom_error *error);
/* The whole chain. */
int32_t mloom_aws_from_chain(mloom_aws_keys *out, const mloom_aws_fetch *fetch, mloom_error *error);

/* ---- sts.c ---- */

typedef struct mloom_aws_sts_role {
  const char *arn;
  const char *session_name;       /* NULL: one is made up */
  const char *external_id;        /* or NULL */
  int64_t duration_s;             /* 0: the service's own */
  mloom_bytes web_identity_token; /* empty: the request is signed instead */
  const mloom_aws_keys *source;   /* signs it */
} mloom_aws_sts_role;

int32_t mloom_aws_sts_assume(mloom_aws_keys *out, const mloom_aws_fetch *fetch, const mloom_aws_sts_role *role,
                             mloom_error *error);

#endif
