/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON documents that Google's tools write for programs: who they are and how they get a token.
 */
#ifndef MLOOM_CREDENTIAL_GOOGLE_KEY_FILE_H
#define MLOOM_CREDENTIAL_GOOGLE_KEY_FILE_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

#define MLOOM_GOOGLE_SERVICE_ACCOUNT 1u
#define MLOOM_GOOGLE_AUTHORIZED_USER 2u
#define MLOOM_GOOGLE_EXTERNAL_ACCOUNT 3u
#define MLOOM_GOOGLE_EXTERNAL_ACCOUNT_USER 4u
#define MLOOM_GOOGLE_IMPERSONATED 5u

#define MLOOM_GOOGLE_LIST_LIMIT 16u

/* A header that a subject token is asked for with: secret where its name speaks of one, else text. */
typedef struct mloom_google_named_value {
  char *name;
  char *text;
  const mloom_secret *secret;
} mloom_google_named_value;

/* NULL where the document has nothing; an empty text counts as nothing. */
typedef struct mloom_google_key_file {
  const mloom_host *host;
  uint32_t type;
  uint32_t reserved;
  char *client_email;
  char *client_id;
  char *private_key_id;
  char *project_id;
  char *quota_project_id;
  char *token_url; /* token_uri or token_url */
  char *universe_domain;
  char *audience;
  char *subject_token_type;
  char *impersonation_url;
  char *workforce_user_project;
  const mloom_secret *private_key;
  const mloom_secret *client_secret;
  const mloom_secret *refresh_token;
  int64_t lifetime_s; /* of an impersonated token; 0: not given */
  char *delegates[MLOOM_GOOGLE_LIST_LIMIT];
  size_t delegate_count;
  /* Where the subject token of an external account comes from. */
  char *subject_file;
  char *subject_url;
  char *subject_field; /* of a JSON document; NULL: the token is the whole text */
  int subject_is_json;
  char *subject_environment;  /* "aws1" */
  char *subject_verification; /* the address of AWS's that says whose keys they are */
  char *subject_command;
  int64_t subject_command_timeout_ms;
  char *subject_command_output;
  int subject_is_certificate;
  mloom_google_named_value subject_headers[MLOOM_GOOGLE_LIST_LIMIT];
  size_t subject_header_count;
  struct mloom_google_key_file *source; /* of an impersonated account */
} mloom_google_key_file;

/* Reads a document; origin says in messages where it came from. Unknown members are ignored. MLOOM_E_INVALID:
 * malformed, or without what its type needs; MLOOM_E_UNSUPPORTED: of a type that is not known here. */
int32_t mloom_google_key_file_read(mloom_google_key_file **out, const mloom_host *host, mloom_bytes text,
                                   const char *origin, mloom_error *error);
void mloom_google_key_file_free(mloom_google_key_file *file);
void mloom_google_key_file_auto_free(mloom_google_key_file **file);

#endif
