/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service of Google says when it cannot answer: google.rpc.Status as JSON.
 */
#ifndef MLOOM_WIRE_GOOGLE_ERROR_H
#define MLOOM_WIRE_GOOGLE_ERROR_H

#include "base/json_reader.h"
#include "service_error.h"

typedef struct mloom_google_failure {
  mloom_service_error error; /* type is "PERMISSION_DENIED", ..., code is ErrorInfo's "SERVICE_DISABLED", ... */
  char permission[120];      /* ErrorInfo: the one that is missing */
  char quota[200];           /* ErrorInfo or QuotaFailure: which quota is used up */
  char request_id[128];      /* RequestInfo */
  int32_t code;              /* as an HTTP status; 0 when absent */
  int64_t retry_after_ms;    /* RetryInfo; -1 when absent */
  int no_quota;              /* the limit of the quota is 0 */
  int is_google;             /* the body had the shape */
} mloom_google_failure;

/* Where a service of Google is asked, for remedies: mloom_service_names.google. */
typedef struct mloom_google_place {
  const char *project;
  const char *location;
  const char *publisher; /* of the model: "google", ... */
  /* The settings that name the first two, with their variables in parentheses. */
  const char *project_field;
  const char *location_field;
} mloom_google_place;

/* Reads {"error":{"code","message","status","details"}}, an array of these, and what else a proxy sends. */
void mloom_google_failure_read(mloom_google_failure *out, const char *body, size_t size);
/* Reads the value of an error member. */
void mloom_google_failure_read_value(mloom_google_failure *out, mloom_json_reader *reader);
/* Fills error from an error answer and returns its code. Settings are called project_id, location, model, ... of the
 * prefix of names, whose google must be set. http_status is 200 for an error inside an answer. */
int32_t mloom_google_failure_report(const mloom_google_failure *failure, int32_t http_status,
                                    const mloom_service_names *names, mloom_error *error);

#endif
