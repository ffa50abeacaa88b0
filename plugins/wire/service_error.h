/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service says when it cannot answer, in the shapes of OpenAI and of the servers that imitate it.
 */
#ifndef MLOOM_WIRE_SERVICE_ERROR_H
#define MLOOM_WIRE_SERVICE_ERROR_H

#include "base/buffer.h"
#include "base/json_reader.h"

typedef struct mloom_service_error {
  char message[400];
  char type[80];
  char code[80];
  int html; /* a web page came instead */
} mloom_service_error;

/* Whom the remedies of an error speak of. */
typedef struct mloom_service_names {
  const char *model;
  const char *base_url;
  const char *models_url;
  const char *environment_prefix; /* "JCA_OPENAI_COMPATIBLE_" */
  int has_key;                    /* a key was sent */
  const char *operation;          /* the path below base_url that was asked; NULL: "/chat/completions" */
  /* How remedies call what holds the address and the credential, with the variable in parentheses; NULL: base_url and
   * api_key of environment_prefix. */
  const char *address_field;
  const char *credential_field;
  const struct mloom_google_place *google; /* of a service of Google (google_error.h) */
} mloom_service_names;

/* What is made of a failure. */
typedef struct mloom_verdict {
  int32_t code;
  uint32_t retryable;
  char remedy[384];
} mloom_verdict;

#define MLOOM_REMEDY(verdict, ...) snprintf((verdict)->remedy, sizeof((verdict)->remedy), __VA_ARGS__)

/* Fills error and returns the verdict's code. What the service calls the failure is said: code, else type. http_status
 * is below 400 for an error inside an answer. */
int32_t mloom_verdict_report(const mloom_verdict *verdict, const mloom_service_error *failure, int32_t http_status,
                             const mloom_service_names *service, mloom_error *error);
/* Judges a status that means the same at all services asked with a key, 401 for one. Returns 0 for any other. */
int mloom_verdict_of_status(mloom_verdict *verdict, int32_t status, const mloom_service_names *service);

/* Judges what such services say of an account, a region or a key's permissions, whatever the status. Returns 0 when
 * failure says nothing of them. */
int mloom_verdict_of_access(mloom_verdict *verdict, const mloom_service_error *failure,
                            const mloom_service_names *service);
/* The service has no such model, or not for this key. */
void mloom_verdict_of_missing_model(mloom_verdict *verdict, const mloom_service_names *service);

/* Reads a body of any shape: {"error":{...}}, {"error":"..."}, {"detail":...}, {"message":...}, {"object":"error",...},
 * an array of these, an event stream's data line, plain text, HTML, or a part of one of them. */
void mloom_service_error_read_body(mloom_service_error *out, const char *body, size_t size);
/* Reads the value of an error member: an object or a string. */
void mloom_service_error_read_value(mloom_service_error *out, mloom_json_reader *reader, mloom_buffer *scratch);
/* Does failure say that the conversation is too long for the model, in the words of any vendor? */
int mloom_service_error_is_context_full(const mloom_service_error *failure);
/* Fills error from an error answer and returns its code. http_status is 200 for an error inside an answer. */
int32_t mloom_service_error_report(const mloom_service_error *failure, int32_t http_status,
                                   const mloom_service_names *service, mloom_error *error);
/* Reads the body of an error answer and reports it. */
int32_t mloom_service_error_report_body(const char *body, size_t size, int32_t http_status,
                                        const mloom_service_names *service, mloom_error *error);

/* "base_url (JCA_..._BASE_URL)" and "api_key (JCA_..._API_KEY)", or what service calls them. */
typedef struct mloom_service_words {
  char address[96];
  char credential[96];
} mloom_service_words;
mloom_service_words mloom_service_words_of(const mloom_service_names *service);

#endif
