/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service that speaks Messages says when it cannot answer.
 */
#include "messages_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

static void read_text(mloom_json_reader *reader, mloom_buffer *scratch, char *out, size_t out_size) {
  mloom_bytes text;
  if (mloom_json_reader_string(reader, scratch, &text) && text.size > 0) {
    mloom_text_copy(out, out_size, text);
  }
}

static void read_details(mloom_messages_failure *out, mloom_json_reader *reader, mloom_buffer *scratch) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "error_code")) {
      read_text(reader, scratch, out->error.code, sizeof(out->error.code));
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

void mloom_messages_failure_read(mloom_messages_failure *out, const char *body, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  mloom_bytes key;
  memset(out, 0, sizeof(*out));
  mloom_service_error_read_body(&out->error, body, size);
  mloom_json_reader_init(&reader, body == NULL ? "" : body, size);
  if (!mloom_json_reader_object(&reader)) {
    return;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "request_id")) {
      read_text(&reader, &scratch, out->request_id, sizeof(out->request_id));
    } else if (mloom_text_equal(key, "error") && mloom_json_reader_object(&reader)) {
      while (mloom_json_reader_key(&reader, &key)) {
        if (mloom_text_equal(key, "details")) {
          read_details(out, &reader, &scratch);
        } else {
          mloom_json_reader_skip(&reader);
        }
      }
    } else if (!mloom_text_equal(key, "error")) {
      mloom_json_reader_skip(&reader);
    }
  }
}

static int has(const char *text, const char *part) {
  return mloom_text_find_fold(text, part) != NULL;
}

/* The HTTP status that an error inside an answer stands for; 500 when it does not tell. */
static int32_t status_of(const mloom_service_error *error) {
  static const struct {
    const char *type;
    int32_t status;
  } types[] = {{"invalid_request", 400}, {"authentication", 401},    {"billing", 402},    {"permission", 403},
               {"not_found", 404},       {"request_too_large", 413}, {"rate_limit", 429}, {"timeout", 504},
               {"overloaded", 529},      {"throttling", 429},        {"validation", 400}};
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
    if (has(error->type, types[i].type)) {
      return types[i].status;
    }
  }
  return 500;
}

static int is_spent(const mloom_service_error *error) {
  return has(error->code, "spend_limit") || has(error->type, "billing") || has(error->message, "spend limit") ||
         has(error->message, "credit balance") || has(error->message, "usage limits");
}

static void judge_bad_request(mloom_verdict *v, const mloom_service_error *error, const mloom_service_names *names) {
  const char *message = error->message;
  const char *prefix = names->environment_prefix;
  v->code = MLOOM_E_INVALID;
  if (mloom_service_error_is_context_full(error)) {
    v->code = MLOOM_E_CONTEXT_FULL;
    MLOOM_REMEDY(v, "use a model with a larger context, or a smaller ticket");
  } else if (has(message, "content filtering policy")) {
    v->code = MLOOM_E_REFUSED;
    MLOOM_REMEDY(v, "change the ticket's wording, or choose another model");
  } else if (has(message, "anthropic-beta") || has(message, "anthropic_beta")) {
    MLOOM_REMEDY(v, "leave beta_headers (%sBETA_HEADERS) unset, or name only flags that this service knows", prefix);
  } else if (has(message, "anthropic-version") || has(message, "anthropic_version")) {
    MLOOM_REMEDY(v, "set anthropic_version to one that this service and model know");
  } else if (has(message, "max_tokens")) {
    MLOOM_REMEDY(v, "set max_output_tokens (%sMAX_OUTPUT_TOKENS) to what model %s allows", prefix, names->model);
  } else if (has(message, "effort") || has(message, "output_config")) {
    MLOOM_REMEDY(v, "leave effort (%sEFFORT) unset for model %s, or choose one that it knows", prefix, names->model);
  } else if (has(message, "thinking") || has(message, "budget_tokens")) {
    MLOOM_REMEDY(v, "set thinking (%sTHINKING) to omit, or to what model %s knows", prefix, names->model);
  } else if (has(message, "cache_control")) {
    MLOOM_REMEDY(v, "set prompt_caching (%sPROMPT_CACHING) to false for this service", prefix);
  } else if (has(message, "model")) {
    MLOOM_REMEDY(v, "check the model name %s: %s lists what the service has", names->model, names->models_url);
  } else {
    MLOOM_REMEDY(v, "the service does not accept the request: compare model and options of this provider with its "
                    "documentation");
  }
}

static void judge(mloom_verdict *v, int32_t status, const mloom_service_error *error,
                  const mloom_service_names *names) {
  if (status == 402 || ((status == 400 || status == 403 || status == 429) && is_spent(error))) {
    v->code = MLOOM_E_QUOTA;
    MLOOM_REMEDY(v, "the account has nothing left: add credit or raise its spend limit; waiting does not help");
  } else if (status < 500 && mloom_verdict_of_access(v, error, names)) {
    return;
  } else if (mloom_verdict_of_status(v, status == 504 ? 408 : status, names)) {
    return;
  } else if (status == 404 || status == 405) {
    v->code = MLOOM_E_NOT_FOUND;
    if (has(error->message, "model")) {
      mloom_verdict_of_missing_model(v, names);
    } else {
      MLOOM_REMEDY(v, "correct %s, now %s: it is the address before /v1/messages",
                   mloom_service_words_of(names).address, names->base_url);
    }
  } else if (status == 413) {
    v->code = MLOOM_E_LIMIT;
    MLOOM_REMEDY(v, "make the ticket smaller: the request is larger than the service or a proxy before it accepts");
  } else if (status >= 500) {
    v->code = MLOOM_E_UNAVAILABLE;
    v->retryable = 1;
    MLOOM_REMEDY(v, "%s",
                 status == 529 ? "the service has more to do than it can: try again later, or use another model"
                               : "look at the state of the service, or try again later");
  } else {
    judge_bad_request(v, error, names);
  }
}

int32_t mloom_messages_failure_report(const mloom_messages_failure *failure, int32_t http_status,
                                      const mloom_service_names *service, mloom_error *error) {
  const mloom_service_error *said = &failure->error;
  mloom_verdict v = {MLOOM_E_PROTOCOL, 0, ""};
  int inside = http_status < 400;
  if (said->html && inside) {
    MLOOM_REMEDY(&v, "%s points at a web page: set it to the address of the API, the part before /v1/messages",
                 mloom_service_words_of(service).address);
  } else {
    judge(&v, inside ? status_of(said) : http_status, said, service);
  }
  int32_t code = mloom_verdict_report(&v, said, http_status, service, error);
  if (error != NULL) {
    memcpy(error->request_id, failure->request_id, sizeof(error->request_id));
  }
  return code;
}
