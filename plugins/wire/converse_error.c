/* SPDX-License-Identifier: Apache-2.0
 *
 * What Bedrock says when it cannot answer.
 */
#include "converse.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

void mloom_converse_failure_init(mloom_converse_failure *failure) {
  memset(failure, 0, sizeof(*failure));
  failure->retry_after_ms = -1;
}

/* "com.amazon.coral.service#ThrottlingException:http://..." is ThrottlingException. */
static void set_type(mloom_converse_failure *failure, mloom_bytes text) {
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] == '#') {
      text = (mloom_bytes){text.data + i + 1, text.size - i - 1};
      i = 0;
    }
    if (i < text.size && text.data[i] == ':') {
      text.size = i;
    }
  }
  text = mloom_text_trim(text);
  if (text.size > 0) {
    mloom_text_copy(failure->error.type, sizeof(failure->error.type), text);
  }
}

void mloom_converse_failure_header(mloom_converse_failure *failure, const char *name, const char *value) {
  if (mloom_text_compare_fold(name, "x-amzn-errortype") == 0) {
    set_type(failure, mloom_text_bytes(value));
  } else if (mloom_text_compare_fold(name, "date") == 0) {
    mloom_text_copy(failure->date, sizeof(failure->date), mloom_text_bytes(value));
  } else if (mloom_text_compare_fold(name, "x-amz-retry-after") == 0) {
    int64_t wait_ms = 0;
    if (mloom_text_parse_int64(mloom_text_trim(mloom_text_bytes(value)), &wait_ms) == MLOOM_OK && wait_ms >= 0) {
      failure->retry_after_ms = wait_ms;
    }
  }
}

/* {"message","__type"}, also within {"Output":...}. */
static void read_members(mloom_converse_failure *failure, mloom_json_reader *reader, mloom_buffer *scratch,
                         int is_inner) {
  mloom_bytes key;
  mloom_bytes text = {NULL, 0};
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "__type") || mloom_text_equal_fold(key, "code") ||
        (is_inner && mloom_text_equal(key, "type"))) {
      if (mloom_json_reader_string(reader, scratch, &text) && failure->error.type[0] == '\0') {
        set_type(failure, text);
      }
    } else if (mloom_text_equal_fold(key, "message")) {
      if (mloom_json_reader_string(reader, scratch, &text)) {
        mloom_text_copy(failure->error.message, sizeof(failure->error.message), text);
      }
    } else if (mloom_text_equal(key, "originalStatusCode")) {
      int64_t status = 0;
      if (mloom_json_reader_integer(reader, &status) && status >= 100 && status <= 599) {
        failure->original_status = (int32_t)status;
      }
    } else if (!is_inner && (mloom_text_equal(key, "Output") || mloom_text_equal(key, "error")) &&
               mloom_json_reader_peek(reader) == MLOOM_JSON_OBJECT) {
      mloom_json_reader_object(reader);
      read_members(failure, reader, scratch, 1);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

void mloom_converse_failure_read(mloom_converse_failure *failure, const char *body, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_service_error read;
  mloom_json_reader reader;
  mloom_service_error_read_body(&read, body, size);
  failure->error.html = read.html;
  memcpy(failure->error.message, read.message, sizeof(read.message));
  mloom_json_reader_init(&reader, body == NULL ? "" : body, size);
  if (mloom_json_reader_peek(&reader) == MLOOM_JSON_OBJECT) {
    mloom_json_reader_object(&reader);
    read_members(failure, &reader, &scratch, 0);
  }
}

int mloom_converse_failure_read_message(mloom_converse_failure *failure, const mloom_event_stream_message *message) {
  mloom_bytes type = mloom_event_stream_string(message, ":message-type");
  if (mloom_text_equal(type, "exception")) {
    set_type(failure, mloom_event_stream_string(message, ":exception-type"));
    mloom_converse_failure_read(failure, message->payload.data, message->payload.size);
    return 1;
  }
  if (mloom_text_equal(type, "error")) {
    set_type(failure, mloom_event_stream_string(message, ":error-code"));
    mloom_text_copy(failure->error.message, sizeof(failure->error.message),
                    mloom_event_stream_string(message, ":error-message"));
    return 1;
  }
  return 0;
}

/* ---- Judging ---- */

/* A failure and what to do about it. The first that fits counts: exception is the beginning of its name, words stands
 * in what it says; "" fits all. In remedies {m} is the model, {p} the prefix of environment names, {d} the date by the
 * service's clock. */
typedef struct judgement {
  const char *exception;
  const char *words;
  int32_t code;
  uint32_t retryable;
  const char *remedy;
} judgement;

#define CLOCK_REMEDY "set the clock of this machine: the service refuses signatures minutes old, and its date is {d}"
#define PROFILE_REMEDY                                                                               \
  "set model ({p}MODEL_ID) to an inference profile of the model, its id with us., eu., apac., jp., " \
  "au. or global. before {m}, or to the ARN of one: 'mergeloom check aws-bedrock' names some"
#define ACCESS_REMEDY \
  "ask for access to {m} in the Bedrock console of this region, or use a model that the account has there"
#define PERMISSION_REMEDY                                                                            \
  "let the identity call bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on {m}, and " \
  "look for a policy of the organization that denies it"
#define KEY_REMEDY                                                                                      \
  "the Bedrock API key was refused: set bearer_token (AWS_BEARER_TOKEN_BEDROCK) to a valid one; those " \
  "made from a session end with it, after 12 hours at most"
#define EXPIRED_REMEDY                                                                                              \
  "the credentials have expired: replace AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or use a " \
  "role that renews them"
#define UNKNOWN_REMEDY                                                                                               \
  "AWS does not know these credentials: check access key and session token, and that region ({p}REGION) belongs to " \
  "the same partition and is enabled"
#define CONTEXT_REMEDY "use a model with a larger context, or a smaller ticket"

static const judgement judgements[] = {
    {"ExpiredToken", "", MLOOM_E_EXPIRED, 0, EXPIRED_REMEDY},
    {"", "included in the request is expired", MLOOM_E_EXPIRED, 0, EXPIRED_REMEDY},
    {"", "included in the request is invalid", MLOOM_E_UNAUTHENTICATED, 0, UNKNOWN_REMEDY},
    {"RequestTimeTooSkewed", "", MLOOM_E_UNAUTHENTICATED, 0, CLOCK_REMEDY},
    {"RequestExpired", "", MLOOM_E_UNAUTHENTICATED, 0, CLOCK_REMEDY},
    {"", "Signature expired", MLOOM_E_UNAUTHENTICATED, 0, CLOCK_REMEDY},
    {"", "Signature not yet current", MLOOM_E_UNAUTHENTICATED, 0, CLOCK_REMEDY},
    {"", "scoped to a valid region", MLOOM_E_UNAUTHENTICATED, 0,
     "set region ({p}REGION) to the region of the endpoint: the request was signed for another"},
    {"InvalidSignature", "", MLOOM_E_UNAUTHENTICATED, 0,
     "check secret_access_key (AWS_SECRET_ACCESS_KEY), and that no proxy changes requests: the signature does not fit"},
    {"SignatureDoesNotMatch", "", MLOOM_E_UNAUTHENTICATED, 0,
     "check secret_access_key (AWS_SECRET_ACCESS_KEY), and that no proxy changes requests: the signature does not fit"},
    {"UnrecognizedClient", "", MLOOM_E_UNAUTHENTICATED, 0, UNKNOWN_REMEDY},
    {"InvalidClientTokenId", "", MLOOM_E_UNAUTHENTICATED, 0,
     "AWS does not know this access key: check access_key_id (AWS_ACCESS_KEY_ID)"},
    {"MissingAuthenticationToken", "", MLOOM_E_UNAUTHENTICATED, 0,
     "set credentials, and look for a proxy that takes the Authorization header away"},
    {"IncompleteSignature", "", MLOOM_E_UNAUTHENTICATED, 0, "look for a proxy that changes the Authorization header"},
    {"AccessDenied", "api key", MLOOM_E_UNAUTHENTICATED, 0, KEY_REMEDY},
    {"AccessDenied", "bearer token", MLOOM_E_UNAUTHENTICATED, 0, KEY_REMEDY},
    {"", "unsupported countries", MLOOM_E_DENIED, 0,
     "the maker of {m} does not serve the country that requests come from: run the worker elsewhere, or use another "
     "model"},
    {"AccessDenied", "aws-marketplace", MLOOM_E_DENIED, 0,
     "have {m} invoked once in this account by somebody who may aws-marketplace:Subscribe and "
     "aws-marketplace:ViewSubscriptions, and wait some minutes: the worker itself needs neither after that"},
    {"AccessDenied", "payment_instrument", MLOOM_E_DENIED, 0,
     "give the account a valid way to pay: {m} is sold by the AWS Marketplace"},
    {"AccessDenied", "not authorized to perform", MLOOM_E_DENIED, 0, PERMISSION_REMEDY},
    {"AccessDenied", "access to the model", MLOOM_E_DENIED, 0, ACCESS_REMEDY},
    {"AccessDenied", "", MLOOM_E_DENIED, 0, ACCESS_REMEDY},
    {"ResourceNotFound", "use case", MLOOM_E_DENIED, 0,
     "send in the form on use cases that the model's maker asks for, in the Bedrock console of this account"},
    {"ResourceNotFound", "end of its life", MLOOM_E_NOT_FOUND, 0,
     "choose another model ({p}MODEL_ID): {m} is no longer served"},
    {"ResourceNotFound", "", MLOOM_E_NOT_FOUND, 0,
     "check model ({p}MODEL_ID) {m} and region ({p}REGION): 'mergeloom check aws-bedrock' names what is there"},
    {"Validation", "on-demand throughput", MLOOM_E_INVALID, 0, PROFILE_REMEDY},
    {"Validation", "model identifier is invalid", MLOOM_E_NOT_FOUND, 0,
     "check model ({p}MODEL_ID) {m} and region ({p}REGION): 'mergeloom check aws-bedrock' names what is there"},
    {"Validation", "too long", MLOOM_E_CONTEXT_FULL, 0, CONTEXT_REMEDY},
    {"Validation", "context limit", MLOOM_E_CONTEXT_FULL, 0, CONTEXT_REMEDY},
    {"Validation", "context window", MLOOM_E_CONTEXT_FULL, 0, CONTEXT_REMEDY},
    {"Validation", "context length", MLOOM_E_CONTEXT_FULL, 0, CONTEXT_REMEDY},
    {"Validation", "too many input tokens", MLOOM_E_CONTEXT_FULL, 0, CONTEXT_REMEDY},
    {"Validation", "input tokens exceed", MLOOM_E_CONTEXT_FULL, 0, CONTEXT_REMEDY},
    {"Validation", "streaming mode", MLOOM_E_INVALID, 0,
     "set stream ({p}STREAM) to false: {m} uses tools in whole answers only"},
    {"Validation", "support tool use", MLOOM_E_INVALID, 0, "choose a model that can use tools: {m} cannot"},
    {"Validation", "maximum tokens", MLOOM_E_INVALID, 0,
     "set max_output_tokens ({p}MAX_OUTPUT_TOKENS) to what {m} allows"},
    {"Validation", "maxTokens", MLOOM_E_INVALID, 0, "set max_output_tokens ({p}MAX_OUTPUT_TOKENS) to what {m} allows"},
    {"Validation", "cach", MLOOM_E_INVALID, 0,
     "set prompt_caching ({p}PROMPT_CACHING) to off: {m} has no cache, or not in this region"},
    {"Validation", "thinking", MLOOM_E_INVALID, 0, "set thinking ({p}THINKING) to omit, or to what {m} knows"},
    {"Validation", "reasoning", MLOOM_E_INVALID, 0, "set thinking ({p}THINKING) to omit, or to what {m} knows"},
    {"Validation", "effort", MLOOM_E_INVALID, 0, "set effort ({p}EFFORT) to omit, or to what {m} knows"},
    {"Validation", "anthropic_beta", MLOOM_E_INVALID, 0,
     "leave beta_headers ({p}BETA_HEADERS) unset, or name only flags that Bedrock knows"},
    {"Validation", "anthropic_version", MLOOM_E_INVALID, 0,
     "set anthropic_version ({p}ANTHROPIC_VERSION) to one that {m} knows"},
    {"Validation", "extraneous key", MLOOM_E_INVALID, 0,
     "leave additional_fields, thinking and effort unset, or name only what {m} knows"},
    {"Validation", "supported on this route", MLOOM_E_INVALID, 0,
     "set api ({p}API) to another: {m} is not served there"},
    {"Validation", "Operation not allowed", MLOOM_E_DENIED, 0, ACCESS_REMEDY},
    {"Validation", "", MLOOM_E_INVALID, 0,
     "the service does not accept the request: compare model and options of this provider with the model's page"},
    {"ServiceQuotaExceeded", "", MLOOM_E_QUOTA, 0,
     "raise the quota of {m} in the Service Quotas console: waiting does not help"},
    {"Throttling", "per day", MLOOM_E_QUOTA, 0,
     "the tokens of this day are spent: raise the quota of {m} in the Service Quotas console, or go on tomorrow"},
    {"Throttling", "", MLOOM_E_RATE_LIMITED, 1,
     "wait, run fewer jobs at once, lower max_output_tokens, for it counts in advance, or raise the quota of {m}"},
    {"TooManyRequests", "", MLOOM_E_RATE_LIMITED, 1, "wait, run fewer jobs at once, or raise the quota of {m}"},
    {"ModelNotReady", "", MLOOM_E_UNAVAILABLE, 1, "wait some minutes: {m} is being loaded"},
    {"ModelTimeout", "", MLOOM_E_TIMEOUT, 1, "try again, or use another model: {m} took too long"},
    {"ModelStreamError", "", MLOOM_E_UNAVAILABLE, 1, "try again, or use another model"},
    {"ModelError", "", MLOOM_E_UNAVAILABLE, 0, "try again later, or use another model"},
    {"InternalServer", "", MLOOM_E_UNAVAILABLE, 1, "try again later, or look at the AWS Health Dashboard"},
    {"InternalFailure", "", MLOOM_E_UNAVAILABLE, 1, "try again later, or look at the AWS Health Dashboard"},
    {"ServiceUnavailable", "", MLOOM_E_UNAVAILABLE, 1,
     "try again later, use an inference profile that spans regions, or look at the AWS Health Dashboard"},
    {"UnknownOperation", "", MLOOM_E_NOT_FOUND, 0,
     "leave endpoint_url ({p}ENDPOINT_URL) unset, or set it to the part before /model, and look for a proxy that "
     "decodes "
     "%2F in paths"},
};

/* What is left to say by the status alone. */
static judgement judge_status(int32_t status) {
  switch (status) {
  case 401:
    return (judgement){"", "", MLOOM_E_UNAUTHENTICATED, 0, "check the credentials of this provider"};
  case 403:
    return (judgement){"", "", MLOOM_E_DENIED, 0, PERMISSION_REMEDY};
  case 404:
  case 405:
    return (judgement){"", "", MLOOM_E_NOT_FOUND, 0,
                       "check model ({p}MODEL_ID) {m}, region and endpoint_url ({p}ENDPOINT_URL)"};
  case 408:
  case 504:
    return (judgement){"", "", MLOOM_E_TIMEOUT, 1, "try again, or look at the load of the service"};
  case 413:
    return (judgement){"", "", MLOOM_E_LIMIT, 0,
                       "make the ticket smaller: the request is larger than the service or a proxy before it accepts"};
  case 429:
    return (judgement){"", "", MLOOM_E_RATE_LIMITED, 1, "wait, run fewer jobs at once, or raise the quota of {m}"};
  default:
    return status >= 500 || status < 400
               ? (judgement){"", "", MLOOM_E_UNAVAILABLE, 1, "try again later, or look at the AWS Health Dashboard"}
               : (judgement){"", "", MLOOM_E_INVALID, 0,
                             "the service does not accept the request: compare model and options of this provider with "
                             "the model's page"};
  }
}

static judgement judge(const mloom_converse_failure *failure, int32_t http_status) {
  const mloom_service_error *said = &failure->error;
  for (size_t i = 0; i < sizeof(judgements) / sizeof(judgements[0]); i++) {
    const judgement *candidate = &judgements[i];
    /* Where the name has got lost, as it stands in a header only, the words decide. */
    int fits = said->type[0] == '\0'
                   ? candidate->words[0] != '\0'
                   : mloom_text_compare_start_fold(said->type, candidate->exception, strlen(candidate->exception)) == 0;
    if (fits && mloom_text_find_fold(said->message, candidate->words) != NULL) {
      judgement found = *candidate;
      if (failure->original_status != 0 && mloom_text_compare_start_fold(said->type, "Model", 5) == 0) {
        found.retryable = failure->original_status == 429 || failure->original_status >= 500;
      }
      return found;
    }
  }
  return judge_status(http_status);
}

/* Puts the names into a remedy. */
static void write_remedy(mloom_verdict *out, const char *remedy, const mloom_converse_failure *failure,
                         const mloom_service_names *service) {
  size_t used = 0;
  out->remedy[0] = '\0';
  while (*remedy != '\0' && used + 1 < sizeof(out->remedy)) {
    const char *word = NULL;
    if (remedy[0] == '{' && remedy[1] != '\0' && remedy[2] == '}') {
      word = remedy[1] == 'm'   ? service->model
             : remedy[1] == 'p' ? service->environment_prefix
             : remedy[1] == 'd' ? (failure->date[0] == '\0' ? "not told" : failure->date)
                                : NULL;
    }
    int written = word != NULL ? snprintf(out->remedy + used, sizeof(out->remedy) - used, "%s", word)
                               : snprintf(out->remedy + used, sizeof(out->remedy) - used, "%c", *remedy);
    used += written < 0 ? 0 : (size_t)written;
    remedy += word != NULL ? 3 : 1;
  }
}

int32_t mloom_converse_failure_report(const mloom_converse_failure *failure, int32_t http_status,
                                      const mloom_service_names *service, mloom_error *error) {
  judgement found = judge(failure, http_status);
  if (failure->error.html && http_status < 400) {
    found = (judgement){"", "", MLOOM_E_PROTOCOL, 0,
                        "endpoint_url ({p}ENDPOINT_URL) points at a web page: leave it unset, or set it to the address "
                        "of the service"};
  }
  mloom_verdict verdict = {.code = found.code, .retryable = found.retryable};
  write_remedy(&verdict, found.remedy, failure, service);
  int32_t code = mloom_verdict_report(&verdict, &failure->error, http_status, service, error);
  if (error != NULL) {
    error->retry_after_ms = failure->retry_after_ms;
  }
  return code;
}
