/* SPDX-License-Identifier: Apache-2.0 */
#include "service_error.h"

#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

static int contains(const char *text, const char *part) {
  return mloom_text_find_fold(text, part) != NULL;
}

static int contains_any(const char *text, const char *const *parts) {
  for (size_t i = 0; parts[i] != NULL; i++) {
    if (contains(text, parts[i])) {
      return 1;
    }
  }
  return 0;
}

/* A member that services give as a string or as a number. */
static void read_scalar(mloom_json_reader *reader, mloom_buffer *scratch, char *out, size_t out_size) {
  mloom_bytes text = {NULL, 0};
  if (mloom_json_reader_peek(reader) == MLOOM_JSON_STRING) {
    mloom_json_reader_string(reader, scratch, &text);
  } else {
    mloom_json_reader_raw(reader, &text);
    if (mloom_text_equal(text, "null")) {
      text.size = 0;
    }
  }
  if (text.size > 0) {
    mloom_text_copy(out, out_size, text);
  }
}

/* What the service behind a gateway said, {"raw":...} of OpenRouter, goes behind the gateway's own words. */
static void read_metadata(mloom_service_error *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  mloom_bytes key;
  char raw[sizeof(out->message)] = "";
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "raw")) {
      read_scalar(reader, scratch, raw, sizeof(raw));
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  size_t size = strlen(out->message);
  if (raw[0] != '\0' && size + 3 < sizeof(out->message)) {
    memcpy(out->message + size, ": ", 3);
    size += size == 0 ? 0 : 2;
    mloom_text_copy(out->message + size, sizeof(out->message) - size, mloom_text_bytes(raw));
  }
}

void mloom_service_error_read_value(mloom_service_error *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  mloom_bytes key;
  if (mloom_json_reader_peek(reader) != MLOOM_JSON_OBJECT) {
    read_scalar(reader, scratch, out->message, sizeof(out->message));
    return;
  }
  mloom_json_reader_object(reader);
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "metadata")) {
      read_metadata(out, reader, scratch);
    } else if (mloom_text_equal(key, "message") || (mloom_text_equal(key, "detail") && out->message[0] == '\0')) {
      read_scalar(reader, scratch, out->message, sizeof(out->message));
    } else if (mloom_text_equal(key, "type") || mloom_text_equal(key, "status")) {
      read_scalar(reader, scratch, out->type, sizeof(out->type));
    } else if (mloom_text_equal(key, "code")) {
      read_scalar(reader, scratch, out->code, sizeof(out->code));
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static void read_object(mloom_service_error *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  mloom_bytes key;
  mloom_json_reader_object(reader);
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "error") && mloom_json_reader_peek(reader) != MLOOM_JSON_NULL) {
      mloom_service_error_read_value(out, reader, scratch);
    } else if ((mloom_text_equal(key, "message") || mloom_text_equal(key, "detail") ||
                mloom_text_equal(key, "error_message")) &&
               out->message[0] == '\0') {
      read_scalar(reader, scratch, out->message, sizeof(out->message));
    } else if (mloom_text_equal(key, "type") && out->type[0] == '\0') {
      read_scalar(reader, scratch, out->type, sizeof(out->type));
    } else if (mloom_text_equal(key, "code") && out->code[0] == '\0') {
      read_scalar(reader, scratch, out->code, sizeof(out->code));
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static mloom_bytes without_stream_prefix(mloom_bytes body) {
  for (size_t i = 0; i + 5 <= body.size; i++) {
    int at_line = i == 0 || body.data[i - 1] == '\n' || body.data[i - 1] == '\r';
    if (at_line && memcmp(body.data + i, "data:", 5) == 0) {
      mloom_bytes rest = {body.data + i + 5, body.size - i - 5};
      return mloom_text_trim(rest);
    }
  }
  return body;
}

static int looks_like_html(mloom_bytes body) {
  static const char *const beginnings[] = {"<!doctype", "<html", "<head", "<body", "<h1", "<center", "<?xml", "<!--"};
  for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
    size_t length = strlen(beginnings[i]);
    if (body.size >= length && mloom_text_compare_start_fold(body.data, beginnings[i], length) == 0) {
      return 1;
    }
  }
  return 0;
}

void mloom_service_error_read_body(mloom_service_error *out, const char *body, size_t size) {
  memset(out, 0, sizeof(*out));
  mloom_bytes text = {body == NULL ? "" : body, size};
  if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
    text.data += 3;
    text.size -= 3;
  }
  text = mloom_text_trim(text);
  if (looks_like_html(text)) {
    out->html = 1;
    return;
  }
  if (text.size > 0 && text.data[0] != '{' && text.data[0] != '[' && text.data[0] != '"') {
    text = without_stream_prefix(text);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text.data, text.size);
  int kind = mloom_json_reader_peek(&reader);
  if (kind == MLOOM_JSON_ARRAY) {
    mloom_json_reader_array(&reader);
    kind = mloom_json_reader_element(&reader) ? mloom_json_reader_peek(&reader) : -1;
  }
  if (kind == MLOOM_JSON_OBJECT) {
    read_object(out, &reader, &scratch);
  } else if (kind == MLOOM_JSON_STRING) {
    read_scalar(&reader, &scratch, out->message, sizeof(out->message));
  } else {
    mloom_text_copy(out->message, sizeof(out->message), text);
  }
}

/* The kind of failure, from the words that services use. */
int mloom_service_error_is_context_full(const mloom_service_error *failure) {
  static const char *const words[] = {"context length",
                                      "maximum context",
                                      "context window",
                                      "context size",
                                      "context limit",
                                      "prompt is too long",
                                      "prompt too long",
                                      "too many tokens",
                                      "token count",
                                      "exceed_context_size",
                                      "exceeded model token limit",
                                      "more than max tokens allowed",
                                      "maximum prompt length",
                                      "input length",
                                      "input is too long",
                                      "max_new_tokens",
                                      "max_model_len",
                                      NULL};
  return contains(failure->code, "context_length") || contains(failure->type, "context_length") ||
         contains(failure->type, "exceed_context") || contains(failure->code, "tokens_limit") ||
         contains_any(failure->message, words);
}

static int is_quota(const mloom_service_error *failure) {
  static const char *const words[] = {"exceeded your current quota", "insufficient credits",
                                      "insufficient balance",        "spend limit",
                                      "billing hard limit",          NULL};
  return contains(failure->code, "insufficient_quota") || contains(failure->type, "insufficient_quota") ||
         contains(failure->code, "billing") || contains(failure->code, "usage_limit_reached") ||
         contains(failure->type, "usage_limit_reached") || contains(failure->code, "spend_limit") ||
         contains(failure->code, "usage_not_included") || contains(failure->type, "usage_not_included") ||
         contains_any(failure->message, words);
}

static int is_model_missing(const mloom_service_error *failure) {
  return contains(failure->code, "model_not_found") || contains(failure->message, "model");
}

int32_t mloom_verdict_report(const mloom_verdict *verdict, const mloom_service_error *failure, int32_t http_status,
                             const mloom_service_names *service, mloom_error *error) {
  const char *message = failure->message[0] != '\0' ? failure->message
                        : failure->html             ? "a web page instead of an API answer"
                                                    : "no explanation";
  const char *kind = failure->code[0] != '\0' ? failure->code : failure->type;
  char where[40] = "with an error inside its answer";
  if (http_status >= 400 || failure->html) {
    snprintf(where, sizeof(where), "HTTP %d", (int)http_status);
  }
  mloom_error_set(error, verdict->code, MLOOM_DOMAIN_PROVIDER, verdict->remedy,
                  "the service at %s answered %s: %s%s%s%s", service->base_url, where, message,
                  kind[0] == '\0' ? "" : " (", kind, kind[0] == '\0' ? "" : ")");
  if (error != NULL) {
    error->http_status = http_status;
    error->retryable = verdict->retryable;
  }
  return verdict->code;
}

static void judge_bad_request(mloom_verdict *v, const mloom_service_error *failure, const mloom_service_names *names) {
  const char *message = failure->message;
  v->code = MLOOM_E_INVALID;
  if (contains(failure->code, "content_filter") || contains(failure->code, "content_policy") ||
      contains(failure->code, "cyber_policy") || contains(failure->code, "bio_policy") ||
      contains(message, "usage policy")) {
    v->code = MLOOM_E_REFUSED;
    MLOOM_REMEDY(v, "change the ticket, or ask the service to allow such content");
  } else if (contains(message, "Encrypted content is not supported")) {
    MLOOM_REMEDY(v, "set encrypted_reasoning (%sENCRYPTED_REASONING) to false: model %s does not reason",
                 names->environment_prefix, names->model);
  } else if (contains(message, "reasoning_content")) {
    MLOOM_REMEDY(v, "set echo_reasoning (%sECHO_REASONING) to reasoning_content: model %s wants its reasoning back",
                 names->environment_prefix, names->model);
  } else if (contains(message, "stream_options")) {
    MLOOM_REMEDY(v, "set include_usage to false (%sINCLUDE_USAGE=false): this server does not know stream_options",
                 names->environment_prefix);
  } else if (contains(message, "max_tokens") || contains(message, "max_completion_tokens")) {
    MLOOM_REMEDY(v, "set max_tokens_field (%sMAX_TOKENS_FIELD) to the member this server wants, or to none",
                 names->environment_prefix);
  } else if (contains(message, "parallel_tool_calls")) {
    MLOOM_REMEDY(v, "set parallel_tool_calls to omit (%sPARALLEL_TOOL_CALLS=omit)", names->environment_prefix);
  } else if (contains(message, "temperature")) {
    MLOOM_REMEDY(v, "leave temperature (%sTEMPERATURE) unset for this model", names->environment_prefix);
  } else if (contains(message, "reasoning_effort")) {
    MLOOM_REMEDY(v, "leave reasoning_effort (%sREASONING_EFFORT) unset for this model", names->environment_prefix);
  } else if (contains(message, "tool")) {
    v->code = MLOOM_E_UNSUPPORTED;
    MLOOM_REMEDY(v,
                 "use a model with tool calling, and switch it on in the server (vLLM: --enable-auto-tool-choice and "
                 "--tool-call-parser; llama.cpp: --jinja)");
  } else if (is_model_missing(failure)) {
    MLOOM_REMEDY(v, "check the model name %s: %s lists what the service has", names->model, names->models_url);
  } else {
    MLOOM_REMEDY(
        v, "the service does not accept the request: compare base_url, model and the options of this provider with its "
           "documentation");
  }
}

int mloom_verdict_of_status(mloom_verdict *verdict, int32_t status, const mloom_service_names *service) {
  mloom_service_words words = mloom_service_words_of(service);
  switch (status) {
  case 401:
    verdict->code = MLOOM_E_UNAUTHENTICATED;
    if (service->has_key) {
      MLOOM_REMEDY(verdict, "the key was refused: set %s to a valid one for %s", words.credential, service->base_url);
    } else {
      MLOOM_REMEDY(verdict, "set %s: %s wants one", words.credential, service->base_url);
    }
    return 1;
  case 403:
    verdict->code = MLOOM_E_DENIED;
    MLOOM_REMEDY(verdict, "allow this key the model %s, or use another key or model", service->model);
    return 1;
  case 408:
    verdict->code = MLOOM_E_TIMEOUT;
    verdict->retryable = 1;
    MLOOM_REMEDY(verdict, "try again, or look at the load of the service");
    return 1;
  case 409:
    verdict->code = MLOOM_E_CONFLICT;
    verdict->retryable = 1;
    MLOOM_REMEDY(verdict, "try again");
    return 1;
  case 429:
    verdict->code = MLOOM_E_RATE_LIMITED;
    verdict->retryable = 1;
    MLOOM_REMEDY(verdict, "wait, run fewer jobs at once, or raise the account's limits");
    return 1;
  default:
    return 0;
  }
}

int mloom_verdict_of_access(mloom_verdict *v, const mloom_service_error *failure, const mloom_service_names *names) {
  static const char *const places[] = {"Country, region, or territory", "unsupported countries", NULL};
  static const char *const models[] = {"not allowed to access model", "not authorized to access model",
                                       "not have access to model", NULL};
  const char *message = failure->message;
  mloom_service_words words = mloom_service_words_of(names);
  if (contains(failure->code, "incorrect_hostname") || contains(message, "incorrect regional hostname")) {
    MLOOM_REMEDY(v, "set %s to the address that the message names: what this key may use is in that region only",
                 words.address);
  } else if (contains(failure->code, "unsupported_country") || contains_any(message, places) ||
             (strcmp(failure->type, "forbidden") == 0 && contains(message, "Request not allowed"))) {
    MLOOM_REMEDY(v, "the service is not offered where this machine's requests come from: run the worker elsewhere, or "
                    "choose another provider");
  } else if (contains(failure->code, "missing_scope") || contains(message, "Missing scopes")) {
    MLOOM_REMEDY(v, "give the key in %s the permissions that the message names, or set another", words.credential);
  } else if (contains(failure->type, "model_access_denied") || contains_any(message, models)) {
    MLOOM_REMEDY(v, "allow this key the model %s, or use another key or model", names->model);
  } else if (contains(message, "organization must be verified")) {
    MLOOM_REMEDY(v, "verify the organization where the message says, or use another model than %s", names->model);
  } else {
    return 0;
  }
  v->code = MLOOM_E_DENIED;
  return 1;
}

void mloom_verdict_of_missing_model(mloom_verdict *v, const mloom_service_names *names) {
  v->code = MLOOM_E_NOT_FOUND;
  MLOOM_REMEDY(v, "correct the model %s%s: %s lists what there is", names->model,
               names->has_key ? ", or let this key use it" : "", names->models_url);
}

static void judge(mloom_verdict *v, int32_t status, const mloom_service_error *failure,
                  const mloom_service_names *names) {
  if (status < 500 && mloom_verdict_of_access(v, failure, names)) {
    return;
  }
  if (mloom_verdict_of_status(v, status, names)) {
    return;
  }
  if (status == 402) {
    v->code = MLOOM_E_QUOTA;
    MLOOM_REMEDY(v, "add credit to the account, or use another provider");
  } else if (status == 404 || status == 405) {
    v->code = MLOOM_E_NOT_FOUND;
    if (is_model_missing(failure) && status == 404) {
      mloom_verdict_of_missing_model(v, names);
    } else {
      MLOOM_REMEDY(v, "correct %s, now %s: it is the address before %s and often ends with /v1",
                   mloom_service_words_of(names).address, names->base_url,
                   names->operation == NULL ? "/chat/completions" : names->operation);
    }
  } else if (status == 413) {
    v->code = MLOOM_E_LIMIT;
    MLOOM_REMEDY(v,
                 "raise the request size that the service or the proxy before it accepts, or make the ticket smaller");
  } else if (status >= 500) {
    v->code = MLOOM_E_UNAVAILABLE;
    v->retryable = 1;
    MLOOM_REMEDY(v, "look at the state of the service at %s, or try again later", names->base_url);
  } else {
    judge_bad_request(v, failure, names);
  }
}

/* The HTTP status that an error inside an answer stands for; 500 when it does not tell. */
static int32_t status_of_code(const mloom_service_error *failure) {
  static const struct {
    const char *word;
    int32_t status;
  } words[] = {
      {"rate_limit", 429},         {"too_many_requests", 429},   {"authentication", 401},     {"invalid_api_key", 401},
      {"permission", 403},         {"model_not_found", 404},     {"not_found", 404},          {"invalid_request", 400},
      {"BadRequest", 400},         {"invalid_prompt", 400},      {"content_filter", 400},     {"content_policy", 400},
      {"insufficient_quota", 429}, {"usage_limit_reached", 429}, {"usage_not_included", 429}, {"context_length", 400},
      {"cyber_policy", 400},       {"bio_policy", 400},          {"data_residency", 400},     {"invalid_image", 400}};
  int64_t number = 0;
  if (mloom_text_parse_int64(mloom_text_bytes(failure->code), &number) == MLOOM_OK && number >= 400 && number <= 599) {
    return (int32_t)number;
  }
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (contains(failure->code, words[i].word) || contains(failure->type, words[i].word)) {
      return words[i].status;
    }
  }
  return 500;
}

/* Thousandths of the decimal number at *at, which moves behind it; -1 when there is none, or a huge one. */
static int64_t read_thousandths(const char **at) {
  int64_t thousandths = 0;
  int64_t unit = 1000;
  int digits = 0;
  int after_point = 0;
  for (; (**at >= '0' && **at <= '9') || (**at == '.' && !after_point); (*at)++) {
    if (**at == '.') {
      after_point = 1;
      continue;
    }
    if (thousandths > INT64_C(1000000000)) {
      return -1;
    }
    if (after_point) {
      unit /= 10;
      thousandths += (**at - '0') * unit;
    } else {
      thousandths = thousandths * 10 + (**at - '0') * INT64_C(1000);
    }
    digits++;
  }
  return digits == 0 ? -1 : thousandths;
}

/* Milliseconds of "try again in 1.5s" and "retry after 26 seconds", which come without a header; -1 when the text says
 * nothing of it. */
static int64_t wait_in_text(const char *message) {
  static const char *const words[] = {"try again in", "retry after"};
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    const char *at = mloom_text_find_fold(message, words[i]);
    if (at == NULL) {
      continue;
    }
    at += strlen(words[i]);
    at += strspn(at, " \t");
    int64_t thousandths = read_thousandths(&at);
    at += strspn(at, " \t");
    if (thousandths >= 0 && mloom_text_compare_start_fold(at, "ms", 2) == 0) {
      return (thousandths + 999) / 1000;
    }
    if (thousandths >= 0 && (*at == 's' || *at == 'S')) {
      return thousandths;
    }
  }
  return -1;
}

int32_t mloom_service_error_report(const mloom_service_error *failure, int32_t http_status,
                                   const mloom_service_names *service, mloom_error *error) {
  mloom_verdict v = {MLOOM_E_PROTOCOL, 0, ""};
  int inside = http_status < 400;
  int32_t status = inside ? status_of_code(failure) : http_status;
  if (failure->html && inside) {
    MLOOM_REMEDY(&v, "%s points at a web page: set it to the address of the API, often ending with /v1",
                 mloom_service_words_of(service).address);
  } else if (status != 401 && status != 403 && status != 429 && status < 500 &&
             mloom_service_error_is_context_full(failure)) {
    v.code = MLOOM_E_CONTEXT_FULL;
    MLOOM_REMEDY(&v, "use a model or server setting with a larger context, or a smaller ticket");
  } else if ((status == 429 || status == 403) && is_quota(failure)) {
    v.code = MLOOM_E_QUOTA;
    MLOOM_REMEDY(&v, "the account has nothing left: add credit or raise its budget; waiting does not help");
  } else {
    judge(&v, status, failure, service);
  }
  int32_t code = mloom_verdict_report(&v, failure, http_status, service, error);
  if (error != NULL && code == MLOOM_E_RATE_LIMITED) {
    error->retry_after_ms = wait_in_text(failure->message);
  }
  return code;
}

int32_t mloom_service_error_report_body(const char *body, size_t size, int32_t http_status,
                                        const mloom_service_names *service, mloom_error *error) {
  mloom_service_error failure;
  mloom_service_error_read_body(&failure, body, size);
  return mloom_service_error_report(&failure, http_status, service, error);
}

mloom_service_words mloom_service_words_of(const mloom_service_names *service) {
  mloom_service_words words;
  const char *prefix = service->environment_prefix;
  if (service->address_field != NULL) {
    snprintf(words.address, sizeof(words.address), "%s", service->address_field);
  } else {
    snprintf(words.address, sizeof(words.address), "base_url (%sBASE_URL)", prefix);
  }
  if (service->credential_field != NULL) {
    snprintf(words.credential, sizeof(words.credential), "%s", service->credential_field);
  } else {
    snprintf(words.credential, sizeof(words.credential), "api_key (%sAPI_KEY)", prefix);
  }
  return words;
}
