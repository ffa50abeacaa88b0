/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks that ask the service: credential, reach, model.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "readiness/report.h"
#include "settings/nearest.h"

/* A list longer than this is not a list of models for people. */
#define MODEL_LIMIT 20000
/* How many names a refusal shows. */
#define SHOWN_MODELS 5

static int is_credential_code(int32_t code) {
  switch (code) {
  case MLOOM_E_UNAUTHENTICATED:
  case MLOOM_E_NOT_CONFIGURED:
  case MLOOM_E_NOT_APPLICABLE:
  case MLOOM_E_NEEDS_INTERACTION:
  case MLOOM_E_EXPIRED:
  case MLOOM_E_DENIED:
    return 1;
  default:
    return 0;
  }
}

/* What to look at first, by how far the exchange came. */
static const char *stage_remedy(uint32_t stage) {
  switch (stage) {
  case MLOOM_HTTP_STAGE_RESOLVE:
    return "check the host name in the address and the name servers of this machine or container";
  case MLOOM_HTTP_STAGE_CONNECT:
    return "check the port, that the service runs, and firewalls, proxy and network policy on the way";
  case MLOOM_HTTP_STAGE_TLS:
    return "check the certificate of the service; set ca_file when a private CA signed it";
  case MLOOM_HTTP_STAGE_SEND:
  case MLOOM_HTTP_STAGE_FIRST_BYTE:
    return "check that the address is that of a model API and that the service is not overloaded";
  default:
    return NULL;
  }
}

static const char *stage_name(uint32_t stage) {
  switch (stage) {
  case MLOOM_HTTP_STAGE_RESOLVE:
    return "name lookup: ";
  case MLOOM_HTTP_STAGE_CONNECT:
    return "TCP connection: ";
  case MLOOM_HTTP_STAGE_TLS:
    return "TLS: ";
  case MLOOM_HTTP_STAGE_SEND:
  case MLOOM_HTTP_STAGE_FIRST_BYTE:
  case MLOOM_HTTP_STAGE_BODY:
    return "HTTP: ";
  default:
    return "";
  }
}

static void pass_credential(mloom_check_run *run) {
  char credential[160];
  int64_t offset_ms = mloom_provider_clock_offset_ms(run->instance);
  mloom_provider_probe_credential(run->instance, credential);
  if (offset_ms != 0) {
    mloom_check_end(
        run, "credential", MLOOM_CHECK_WARN, "set the clock of this machine, and let it follow a time server",
        "accepted by the service once it was signed by the service's clock: that of this machine is %lld s "
        "%s it (%s)",
        (long long)(offset_ms < 0 ? -offset_ms : offset_ms) / 1000, offset_ms < 0 ? "ahead of" : "behind", credential);
  } else if (credential[0] == '\0') {
    mloom_check_end(run, "credential", MLOOM_CHECK_PASS, NULL, "no key was sent, and the service answers without one");
  } else {
    mloom_check_end(run, "credential", MLOOM_CHECK_PASS, NULL, "accepted by the service: %s", credential);
  }
}

/* The endpoint answered with an error status that is not about the credential. */
static void end_reach_status(mloom_check_run *run, const mloom_error *error, const mloom_http_report *report) {
  if (report->status == 404 || error->code == MLOOM_E_NOT_FOUND) {
    mloom_check_end(run, "reach", MLOOM_CHECK_WARN, "check the path of the address if the self-test fails too",
                    "the endpoint answers, but not at the address that was tried: %s", error->message);
  } else if (error->retryable) {
    mloom_check_end(run, "reach", MLOOM_CHECK_FAIL, error->remedy, "the service answers, but is not usable now: %s",
                    error->message);
  } else {
    mloom_check_end_error(run, "reach", error);
  }
}

static void end_reach_error(mloom_check_run *run, const mloom_error *error, const mloom_http_report *report) {
  /* A credential that could not be got is not the endpoint's fault, whatever kept it away. */
  int no_credential = report->status == 0 && error->domain == MLOOM_DOMAIN_CREDENTIAL;
  if (no_credential || is_credential_code(error->code)) {
    mloom_check_end_error(run, "credential", error);
    if (report->status != 0) {
      mloom_check_end(run, "reach", MLOOM_CHECK_PASS, NULL, "the endpoint answers (HTTP %d, %lld ms)",
                      (int)report->status, (long long)report->total_ms);
    } else {
      mloom_check_skip(run, "reach", "credential");
    }
    return;
  }
  mloom_check_end(run, "credential", MLOOM_CHECK_SKIPPED, NULL, "not proven, because reach failed");
  if (report->status != 0) {
    end_reach_status(run, error, report);
    return;
  }
  const char *remedy = stage_remedy(report->stage);
  mloom_check_end(run, "reach", MLOOM_CHECK_FAIL, error->remedy[0] != '\0' ? error->remedy : remedy, "%s%s",
                  stage_name(report->stage), error->message);
}

void mloom_check_reach(mloom_check_run *run) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_http_report report;
  mloom_probe_sink sink = {.size = sizeof(sink), .userdata = run, .check = mloom_check_finding};
  memset(&report, 0, sizeof(report));
  mloom_check_begin(run);
  int32_t code = mloom_provider_probe(run->instance, run->args->call, MLOOM_PROBE_REACH, &sink, &report, &error);
  if (code == MLOOM_E_UNSUPPORTED && report.status == 0 && error.domain != MLOOM_DOMAIN_CREDENTIAL) {
    mloom_check_end(run, "credential", MLOOM_CHECK_SKIPPED, NULL,
                    "the provider offers no cheap request; the self-test proves it");
    mloom_check_end(run, "reach", MLOOM_CHECK_SKIPPED, NULL,
                    "the provider offers no cheap request; the self-test proves it");
  } else if (code != MLOOM_OK) {
    end_reach_error(run, &error, &report);
  } else {
    pass_credential(run);
    mloom_check_end(run, "reach", MLOOM_CHECK_PASS, NULL, "the endpoint answers (HTTP %d, %lld ms)", (int)report.status,
                    (long long)report.total_ms);
  }
}

/* The names of the service's list, as far as they are needed to judge one model. */
typedef struct model_list {
  mloom_check_run *run;
  size_t count;
  int found;
  mloom_buffer shown;
  char **names;
} model_list;

static void take_model(const char *id, const char *title, uint64_t context_tokens, void *userdata) {
  model_list *list = userdata;
  const mloom_readiness_args *args = list->run->args;
  if (id == NULL || id[0] == '\0' || list->count == MODEL_LIMIT) {
    return;
  }
  if (args->model_listed != NULL) {
    args->model_listed(args->entry->descriptor.id, id, title != NULL ? title : id, context_tokens, args->userdata);
  }
  if (list->run->model != NULL && strcmp(id, list->run->model) == 0) {
    list->found = 1;
  }
  if ((list->count & (list->count - 1)) == 0) {
    size_t room = list->count == 0 ? 1 : list->count * 2;
    char **grown = realloc(list->names, room * sizeof(*grown));
    if (grown == NULL) {
      return;
    }
    list->names = grown;
  }
  char *name = mloom_text_dup(mloom_text_bytes(id));
  if (name != NULL) {
    list->names[list->count++] = name;
  }
}

static void take_finding(const char *check, uint32_t state, const char *reason, const char *remedy, void *userdata) {
  model_list *list = userdata;
  mloom_check_finding(check, state, reason, remedy, list->run);
}

static void free_models(model_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->names[i]);
  }
  free(list->names);
  mloom_buffer_free(&list->shown);
}

static void end_model_absent(mloom_check_run *run, model_list *list) {
  mloom_nearest nearest;
  mloom_nearest_init(&nearest, run->model);
  for (size_t i = 0; i < list->count; i++) {
    mloom_nearest_offer(&nearest, list->names[i], list->names[i]);
    if (i < SHOWN_MODELS) {
      mloom_buffer_append_format(&list->shown, "%s%s", i == 0 ? "" : ", ", list->names[i]);
    }
  }
  if (list->count > SHOWN_MODELS) {
    mloom_buffer_append_format(&list->shown, " and %zu more", list->count - SHOWN_MODELS);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer remedy = MLOOM_BUFFER_INIT;
  if (nearest.best != NULL) {
    mloom_buffer_append_format(&remedy, "did you mean %s? The service has: %s", nearest.best,
                               mloom_buffer_string(&list->shown));
  } else {
    mloom_buffer_append_format(&remedy, "the service has: %s", mloom_buffer_string(&list->shown));
  }
  mloom_check_end(run, "model", MLOOM_CHECK_FAIL, mloom_buffer_string(&remedy), "the service has no model \"%s\"",
                  run->model);
}

static void judge_model(mloom_check_run *run, int32_t code, const mloom_error *error, model_list *list) {
  if (code == MLOOM_OK && run->model != NULL && list->found) {
    mloom_check_end(run, "model", MLOOM_CHECK_PASS, NULL, "%s is in the service's list of %zu", run->model,
                    list->count);
  } else if (run->model == NULL) {
    mloom_check_end(run, "model", MLOOM_CHECK_FAIL, "set the provider's model, or name one in the ticket",
                    "no model is set");
  } else if (code == MLOOM_OK && list->count > 0) {
    end_model_absent(run, list);
  } else if (code == MLOOM_OK || code == MLOOM_E_UNSUPPORTED || code == MLOOM_E_NOT_FOUND) {
    mloom_check_end(run, "model", MLOOM_CHECK_WARN, NULL,
                    "the service lists no models, so that %s is proved by the self-test only", run->model);
  } else {
    mloom_check_end(run, "model", MLOOM_CHECK_WARN, error->remedy, "the list of models could not be read: %s",
                    error->message);
  }
}

void mloom_check_model(mloom_check_run *run) {
  static const char *const needed[] = {"credential", "reach"};
  for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
    if (mloom_check_state(run, needed[i]) == MLOOM_CHECK_FAIL) {
      mloom_check_skip(run, "model", needed[i]);
      return;
    }
  }
  model_list list = {.run = run};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_probe_sink sink = {.size = sizeof(sink), .userdata = &list, .check = take_finding, .model = take_model};
  mloom_check_begin(run);
  int32_t code = mloom_provider_probe(run->instance, run->args->call, MLOOM_PROBE_MODELS, &sink, NULL, &error);
  judge_model(run, code, &error, &list);
  free_models(&list);
}
