/* SPDX-License-Identifier: Apache-2.0 */
#include "google_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

/* ---- Reading ---- */

static void read_text(mloom_json_reader *reader, mloom_buffer *scratch, char *out, size_t out_size) {
  mloom_bytes text;
  if (mloom_json_reader_string(reader, scratch, &text) && text.size > 0) {
    mloom_text_copy(out, out_size, text);
  }
}

/* "12s", "0.75s". */
static void read_duration(mloom_google_failure *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  char text[32] = "";
  read_text(reader, scratch, text, sizeof(text));
  size_t size = strlen(text);
  int64_t milliseconds =
      size > 0 && text[size - 1] == 's' ? mloom_text_parse_thousandths((mloom_bytes){text, size - 1}) : -1;
  if (milliseconds >= 0 && milliseconds < INT64_C(1000000000000)) {
    out->retry_after_ms = milliseconds;
  }
}

static void read_metadata(mloom_google_failure *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    char limit[32] = "";
    if (mloom_text_equal(key, "permission")) {
      read_text(reader, scratch, out->permission, sizeof(out->permission));
    } else if (mloom_text_equal(key, "quota_metric")) {
      read_text(reader, scratch, out->quota, sizeof(out->quota));
    } else if (mloom_text_equal(key, "quota_limit_value")) {
      read_text(reader, scratch, limit, sizeof(limit));
      out->no_quota = strcmp(limit, "0") == 0;
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static void read_violations(mloom_google_failure *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  mloom_bytes key;
  if (!mloom_json_reader_array(reader)) {
    return;
  }
  while (mloom_json_reader_element(reader)) {
    if (!mloom_json_reader_object(reader)) {
      continue;
    }
    while (mloom_json_reader_key(reader, &key)) {
      if ((mloom_text_equal(key, "quotaMetric") || mloom_text_equal(key, "description")) && out->quota[0] == '\0') {
        read_text(reader, scratch, out->quota, sizeof(out->quota));
      } else {
        mloom_json_reader_skip(reader);
      }
    }
  }
}

/* Members of the kinds of detail do not collide, so that the order of "@type" does not matter. */
static void read_details(mloom_google_failure *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  mloom_bytes key;
  if (!mloom_json_reader_array(reader)) {
    return;
  }
  while (mloom_json_reader_element(reader)) {
    if (!mloom_json_reader_object(reader)) {
      continue;
    }
    while (mloom_json_reader_key(reader, &key)) {
      if (mloom_text_equal(key, "reason")) {
        read_text(reader, scratch, out->error.code, sizeof(out->error.code));
      } else if (mloom_text_equal(key, "metadata")) {
        read_metadata(out, reader, scratch);
      } else if (mloom_text_equal(key, "retryDelay")) {
        read_duration(out, reader, scratch);
      } else if (mloom_text_equal(key, "violations")) {
        read_violations(out, reader, scratch);
      } else if (mloom_text_equal(key, "requestId")) {
        read_text(reader, scratch, out->request_id, sizeof(out->request_id));
      } else {
        mloom_json_reader_skip(reader);
      }
    }
  }
}

static void read_value(mloom_google_failure *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  mloom_bytes key;
  int64_t code = 0;
  if (mloom_json_reader_peek(reader) == MLOOM_JSON_STRING) {
    read_text(reader, scratch, out->error.message, sizeof(out->error.message));
    return;
  }
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "message")) {
      read_text(reader, scratch, out->error.message, sizeof(out->error.message));
    } else if (mloom_text_equal(key, "status")) {
      read_text(reader, scratch, out->error.type, sizeof(out->error.type));
      out->is_google = out->error.type[0] != '\0';
    } else if (mloom_text_equal(key, "code") && mloom_json_reader_peek(reader) == MLOOM_JSON_INTEGER) {
      mloom_json_reader_integer(reader, &code);
    } else if (mloom_text_equal(key, "details")) {
      read_details(out, reader, scratch);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  out->code = code >= 400 && code <= 599 ? (int32_t)code : 0;
}

void mloom_google_failure_read_value(mloom_google_failure *out, mloom_json_reader *reader) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  memset(out, 0, sizeof(*out));
  out->retry_after_ms = -1;
  read_value(out, reader, &scratch);
}

void mloom_google_failure_read(mloom_google_failure *out, const char *body, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_service_error plain;
  mloom_json_reader reader;
  mloom_bytes key;
  memset(out, 0, sizeof(*out));
  out->retry_after_ms = -1;
  mloom_json_reader_init(&reader, body == NULL ? "" : body, size);
  if (mloom_json_reader_peek(&reader) == MLOOM_JSON_ARRAY && mloom_json_reader_array(&reader) &&
      !mloom_json_reader_element(&reader)) {
    return;
  }
  if (mloom_json_reader_peek(&reader) == MLOOM_JSON_OBJECT && mloom_json_reader_object(&reader)) {
    while (mloom_json_reader_key(&reader, &key)) {
      if (mloom_text_equal(key, "error")) {
        read_value(out, &reader, &scratch);
      } else {
        mloom_json_reader_skip(&reader);
      }
    }
  }
  if (out->error.message[0] == '\0') {
    mloom_service_error_read_body(&plain, body, size);
    memcpy(out->error.message, plain.message, sizeof(out->error.message));
    out->error.html = plain.html;
  }
}

/* ---- Judging ---- */

static int has(const char *text, const char *part) {
  return mloom_text_find_fold(text, part) != NULL;
}

static int is(const char *text, const char *word) {
  return strcmp(text, word) == 0;
}

#define PUBLISHER_REMEDY \
  "set publisher (%sPUBLISHER) to the maker of model %s, anthropic for Claude: %s was asked for it"

/* A model of Anthropic, asked of Google's own? */
static int is_of_another_publisher(const mloom_service_names *names) {
  return is(names->google->publisher, "google") && mloom_text_compare_start_fold(names->model, "claude", 6) == 0;
}

static void judge_bad_request(mloom_verdict *v, const mloom_google_failure *failure, const mloom_service_names *names) {
  const char *message = failure->error.message;
  const char *prefix = names->environment_prefix;
  v->code = MLOOM_E_INVALID;
  if (mloom_service_error_is_context_full(&failure->error)) {
    v->code = MLOOM_E_CONTEXT_FULL;
    MLOOM_REMEDY(v, "use a model with a larger context, or a smaller ticket");
  } else if (is(failure->error.code, "API_KEY_INVALID")) {
    v->code = MLOOM_E_UNAUTHENTICATED;
    MLOOM_REMEDY(v, "set auth_method (%sAUTH_METHOD) and its credential: the service wants an access token", prefix);
  } else if (has(message, "not allowed to use Publisher Model")) {
    v->code = MLOOM_E_DENIED;
    MLOOM_REMEDY(v, "enable model %s in Model Garden for project %s, and accept its terms there", names->model,
                 names->google->project);
  } else if (has(message, "is infeasible") || is_of_another_publisher(names)) {
    MLOOM_REMEDY(v, PUBLISHER_REMEDY, prefix, names->model, names->google->publisher);
  } else if (has(message, "location is not supported")) {
    v->code = MLOOM_E_DENIED;
    MLOOM_REMEDY(
        v, "the service is not offered where this machine is: run the worker elsewhere, or choose another provider");
  } else if (has(message, "thought_signature") || has(message, "thoughtSignature")) {
    MLOOM_REMEDY(v, "begin the job again with one model: what model %s thought must come back to it unchanged",
                 names->model);
  } else if (has(message, "thinking")) {
    MLOOM_REMEDY(
        v,
        "leave thinking_level (%sTHINKING_LEVEL) and thinking_budget (%sTHINKING_BUDGET) unset, or choose what model "
        "%s knows; models know one of the two",
        prefix, prefix, names->model);
  } else if (has(message, "parametersJsonSchema") || has(message, "parameters_json_schema") || has(message, "schema")) {
    MLOOM_REMEDY(v, "set tool_schema (%sTOOL_SCHEMA) to the other of json-schema and openapi", prefix);
  } else if (has(message, "max_output_tokens") || has(message, "maxOutputTokens")) {
    MLOOM_REMEDY(v, "set max_output_tokens (%sMAX_OUTPUT_TOKENS) to what model %s allows", prefix, names->model);
  } else if (has(message, "not supported") || has(message, "model")) {
    MLOOM_REMEDY(v, "check that model %s is served in location %s and calls tools", names->model,
                 names->google->location);
  } else {
    MLOOM_REMEDY(
        v, "the service does not accept the request: compare model, location and options of this provider with its "
           "documentation");
  }
}

static void judge_identity(mloom_verdict *v, const mloom_google_failure *failure, const mloom_service_names *names) {
  const char *prefix = names->environment_prefix;
  v->code = MLOOM_E_UNAUTHENTICATED;
  if (is(failure->error.code, "ACCESS_TOKEN_EXPIRED")) {
    v->code = MLOOM_E_EXPIRED;
    MLOOM_REMEDY(
        v,
        "the access token has expired: set auth_method (%sAUTH_METHOD) to adc or service_account_json, which renew "
        "it, or set a new access_token",
        prefix);
  } else if (is(failure->error.code, "CREDENTIALS_MISSING")) {
    MLOOM_REMEDY(v,
                 "no credential reached the service: check what a proxy on the way does with the Authorization header");
  } else {
    MLOOM_REMEDY(
        v,
        "the access token was refused: renew it (one of gcloud lives an hour), or set auth_method (%sAUTH_METHOD) to "
        "adc or service_account_json",
        prefix);
  }
}

static void judge_denied(mloom_verdict *v, const mloom_google_failure *failure, const mloom_service_names *names) {
  const char *reason = failure->error.code;
  const char *project = names->google->project;
  const char *prefix = names->environment_prefix;
  v->code = MLOOM_E_DENIED;
  if (is(reason, "SERVICE_DISABLED") || has(failure->error.message, "has not been used in project")) {
    MLOOM_REMEDY(
        v,
        "enable the API: gcloud services enable aiplatform.googleapis.com --project %s; it takes a few minutes to "
        "take effect",
        project);
  } else if (is(reason, "BILLING_DISABLED")) {
    MLOOM_REMEDY(v, "link project %s to a billing account", project);
  } else if (is(reason, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")) {
    MLOOM_REMEDY(
        v, "give the credential the scope https://www.googleapis.com/auth/cloud-platform; of a virtual machine or "
           "node pool it is an access scope");
  } else if (is(reason, "USER_PROJECT_DENIED") || has(failure->permission, "serviceusage")) {
    MLOOM_REMEDY(
        v,
        "grant the identity roles/serviceusage.serviceUsageConsumer on the quota project, or set quota_project "
        "(%sQUOTA_PROJECT) to another",
        prefix);
  } else if (is(reason, "CONSUMER_INVALID") || is(reason, "RESOURCE_PROJECT_INVALID")) {
    MLOOM_REMEDY(v,
                 "correct %s, where the project is now %s: it wants the id, neither name nor number of another project",
                 names->google->project_field, project);
  } else if (is(reason, "SECURITY_POLICY_VIOLATED") || has(failure->error.message, "VPC Service Controls")) {
    MLOOM_REMEDY(v, "a perimeter of VPC Service Controls forbids it: call from inside, or allow this identity in");
  } else if (has(failure->error.message, "organization policy") || has(failure->error.message, "constraints/")) {
    MLOOM_REMEDY(v, "an organization policy forbids model %s or location %s: choose another, or change the policy",
                 names->model, names->google->location);
  } else {
    MLOOM_REMEDY(v, "grant the identity %s (roles/aiplatform.user has it) in project %s, or correct %s",
                 failure->permission[0] != '\0' ? failure->permission : "aiplatform.endpoints.predict", project,
                 names->google->project_field);
  }
}

static void judge_missing(mloom_verdict *v, const mloom_google_failure *failure, const mloom_service_names *names) {
  const char *prefix = names->environment_prefix;
  const mloom_google_place *place = names->google;
  v->code = MLOOM_E_NOT_FOUND;
  if (!failure->is_google) {
    MLOOM_REMEDY(v, "correct %s: %s does not serve models", mloom_service_words_of(names).address, names->base_url);
  } else if (is_of_another_publisher(names)) {
    MLOOM_REMEDY(v, PUBLISHER_REMEDY, prefix, names->model, place->publisher);
  } else if (is(place->publisher, "google")) {
    MLOOM_REMEDY(
        v,
        "correct model (%sMODEL), now %s, or %s, which asks in %s: not every model is in every location, and global "
        "has the most",
        prefix, names->model, place->location_field, place->location);
  } else {
    MLOOM_REMEDY(
        v,
        "enable %s in Model Garden for project %s, or correct model (%sMODEL) or %s, which asks in %s: not every model "
        "is in every location",
        names->model, place->project, prefix, place->location_field, place->location);
  }
}

static void judge_limited(mloom_verdict *v, const mloom_google_failure *failure, const mloom_service_names *names) {
  if (failure->no_quota || has(failure->error.message, "limit: 0")) {
    v->code = MLOOM_E_QUOTA;
    MLOOM_REMEDY(v,
                 "project %s has no quota for model %s in location %s: ask for it under IAM & Admin, Quotas, or choose "
                 "another location",
                 names->google->project, names->model, names->google->location);
    return;
  }
  v->code = MLOOM_E_RATE_LIMITED;
  v->retryable = 1;
  MLOOM_REMEDY(v, "wait, run fewer jobs at once, use location global, or raise the quota of project %s%s%s",
               names->google->project, failure->quota[0] != '\0' ? ": " : "", failure->quota);
}

static void judge(mloom_verdict *v, int32_t status, const mloom_google_failure *failure,
                  const mloom_service_names *names) {
  switch (status) {
  case 401:
    judge_identity(v, failure, names);
    break;
  case 403:
    judge_denied(v, failure, names);
    break;
  case 404:
  case 405:
    judge_missing(v, failure, names);
    break;
  case 408:
  case 504:
    v->code = MLOOM_E_TIMEOUT;
    v->retryable = 1;
    MLOOM_REMEDY(v, "try again, or give the model less to do at once");
    break;
  case 409:
    v->code = MLOOM_E_CONFLICT;
    v->retryable = 1;
    MLOOM_REMEDY(v, "try again");
    break;
  case 413:
    v->code = MLOOM_E_LIMIT;
    MLOOM_REMEDY(v, "make the ticket smaller: the request is larger than the service accepts");
    break;
  case 429:
    judge_limited(v, failure, names);
    break;
  default:
    if (status >= 499) {
      v->code = MLOOM_E_UNAVAILABLE;
      v->retryable = 1;
      MLOOM_REMEDY(v, "look at the state of the service, or try again later or in another location");
    } else {
      judge_bad_request(v, failure, names);
    }
  }
}

/* The HTTP status that an error inside an answer stands for; 500 when it does not tell. */
static int32_t status_of(const mloom_google_failure *failure) {
  static const struct {
    const char *name;
    int32_t status;
  } statuses[] = {{"INVALID_ARGUMENT", 400}, {"FAILED_PRECONDITION", 400}, {"OUT_OF_RANGE", 400},
                  {"UNAUTHENTICATED", 401},  {"PERMISSION_DENIED", 403},   {"NOT_FOUND", 404},
                  {"ABORTED", 409},          {"RESOURCE_EXHAUSTED", 429},  {"CANCELLED", 499},
                  {"UNAVAILABLE", 503},      {"DEADLINE_EXCEEDED", 504}};
  for (size_t i = 0; failure->code == 0 && i < sizeof(statuses) / sizeof(statuses[0]); i++) {
    if (is(failure->error.type, statuses[i].name)) {
      return statuses[i].status;
    }
  }
  return failure->code != 0 ? failure->code : 500;
}

int32_t mloom_google_failure_report(const mloom_google_failure *failure, int32_t http_status,
                                    const mloom_service_names *names, mloom_error *error) {
  mloom_verdict v = {MLOOM_E_PROTOCOL, 0, ""};
  int inside = http_status < 400;
  if (failure->error.html && inside) {
    MLOOM_REMEDY(&v, "the address points at a web page: correct %s", mloom_service_words_of(names).address);
  } else {
    judge(&v, inside ? status_of(failure) : http_status, failure, names);
  }
  int32_t code = mloom_verdict_report(&v, &failure->error, http_status, names, error);
  if (error != NULL) {
    error->retry_after_ms = v.retryable ? failure->retry_after_ms : -1;
    memcpy(error->request_id, failure->request_id, sizeof(error->request_id));
  }
  return code;
}
