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
} mloom_service_names;

/* Reads a body of any shape: {"error":{...}}, {"error":"..."}, {"detail":...}, {"message":...}, {"object":"error",...},
 * an array of these, an event stream's data line, plain text, HTML, or a part of one of them. */
void mloom_service_error_read_body(mloom_service_error *out, const char *body, size_t size);
/* Reads the value of an error member: an object or a string. */
void mloom_service_error_read_value(mloom_service_error *out, mloom_json_reader *reader, mloom_buffer *scratch);
/* Fills error from an error answer and returns its code. http_status is 200 for an error inside an answer. */
int32_t mloom_service_error_report(const mloom_service_error *failure, int32_t http_status,
                                   const mloom_service_names *service, mloom_error *error);

#endif
