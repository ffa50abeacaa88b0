/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions, and turns with their attempts.
 */
#include "provider/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

int32_t mloom_session_new(mloom_session **out, mloom_provider_instance *instance, const mloom_session_args *args,
                          mloom_error *error) {
  mloom_session *session = calloc(1, sizeof(*session));
  if (session == NULL) {
    return mloom_error_memory(error);
  }
  session->instance = instance;
  mloom_error reason = MLOOM_ERROR_INIT;
  mloom_provider_enter(instance);
  int32_t code = instance->entry->descriptor.session_new(instance->plugin, args, &session->plugin, &reason);
  mloom_provider_leave(instance);
  if (code < 0) {
    mloom_provider_complete_error(instance, code, "cannot begin a conversation", &reason);
    mloom_error_copy(error, &reason);
    free(session);
    return code;
  }
  *out = session;
  return MLOOM_OK;
}

void mloom_session_free(mloom_session *session) {
  if (session == NULL) {
    return;
  }
  if (session->instance->entry->descriptor.session_free != NULL) {
    mloom_provider_enter(session->instance);
    session->instance->entry->descriptor.session_free(session->plugin);
    mloom_provider_leave(session->instance);
  }
  free(session);
}

static int32_t append(mloom_session *session, const mloom_message *message, mloom_error *error) {
  mloom_error reason = MLOOM_ERROR_INIT;
  mloom_provider_enter(session->instance);
  int32_t code = session->instance->entry->descriptor.append(session->plugin, message, &reason);
  mloom_provider_leave(session->instance);
  if (code < 0) {
    mloom_provider_complete_error(session->instance, code, "cannot take a message", &reason);
    mloom_error_copy(error, &reason);
    return code;
  }
  return MLOOM_OK;
}

int32_t mloom_session_append_user(mloom_session *session, const char *text, size_t size, mloom_error *error) {
  mloom_message message = {.size = (uint32_t)sizeof(message), .role = MLOOM_ROLE_USER, .text = {text, size}};
  return append(session, &message, error);
}

int32_t mloom_session_append_tool_result(mloom_session *session, const char *tool_call_id, const char *tool_name,
                                         const char *text, size_t size, int failed, mloom_error *error) {
  mloom_message message = {.size = (uint32_t)sizeof(message),
                           .flags = failed ? MLOOM_MESSAGE_ERROR : 0,
                           .role = MLOOM_ROLE_TOOL_RESULT,
                           .text = {text, size},
                           .tool_call_id = tool_call_id,
                           .tool_name = tool_name};
  return append(session, &message, error);
}

/* ---- One attempt ---- */

typedef struct attempt {
  mloom_session *session;
  const mloom_call *call;
  mloom_turn_collector *collector;
  mloom_event_sink sink;
  mloom_answer_headers headers;
  int32_t http_status;
  int refreshed; /* the credential was refused and another one can be had */
  int final;     /* the answer came whole and the provider does not call its failure retryable */
} attempt;

static int32_t on_header(int32_t status, const char *name, const char *value, void *userdata, mloom_error *error) {
  attempt *self = userdata;
  mloom_provider_instance *instance = self->session->instance;
  if (instance->entry->descriptor.header == NULL) {
    return MLOOM_OK;
  }
  mloom_provider_enter(instance);
  int32_t code = instance->entry->descriptor.header(self->session->plugin, status, name, value, error);
  mloom_provider_leave(instance);
  return code < 0 ? mloom_provider_complete_error(instance, code, "cannot read the answer", error) : MLOOM_OK;
}

static int32_t check_collector(const mloom_turn_collector *collector, mloom_error *error) {
  if (collector->failure == MLOOM_OK) {
    return MLOOM_OK;
  }
  if (collector->failure == MLOOM_E_MEMORY) {
    return mloom_error_memory(error);
  }
  return mloom_error_set(error, collector->failure, MLOOM_DOMAIN_PROVIDER, "use a model that asks for less at once",
                         "the answer passed a limit: %u tool calls in one turn, 4 MB of arguments in one call",
                         MLOOM_TOOL_CALLS_LIMIT);
}

static int32_t on_body(const char *data, size_t size, void *userdata, mloom_error *error) {
  attempt *self = userdata;
  mloom_provider_instance *instance = self->session->instance;
  mloom_provider_enter(instance);
  int32_t code = instance->entry->descriptor.feed(self->session->plugin, data, size, &self->sink, error);
  mloom_provider_leave(instance);
  if (code < 0) {
    return mloom_provider_complete_error(instance, code, "cannot read the answer", error);
  }
  int32_t checked = check_collector(self->collector, error);
  return checked == MLOOM_OK ? code : checked;
}

/* Tells the plugin how the exchange ended, and judges what the two say together. */
static int32_t finish(attempt *self, mloom_exchange_run *run, mloom_error *error) {
  mloom_provider_instance *instance = self->session->instance;
  mloom_turn_result result = {.size = (uint32_t)sizeof(result)};
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t redirect = mloom_exchange_check_redirect(run, error);
  mloom_provider_enter(instance);
  int32_t code = instance->entry->descriptor.finish(self->session->plugin, &run->end, &self->sink, &result, &reason);
  mloom_provider_leave(instance);
  mloom_turn_collector_flush(self->collector);
  if (redirect != MLOOM_OK) {
    return redirect;
  }
  /* Nothing counts any more once the call has ended or a limit stopped the answer. */
  int32_t outcome = run->end.outcome;
  int stopped = outcome == MLOOM_E_CANCELLED || outcome == MLOOM_E_LIMIT || outcome == MLOOM_E_MEMORY ||
                mloom_call_check(self->call, NULL) != MLOOM_OK;
  if (outcome != MLOOM_OK && (stopped || code >= 0 || reason.message[0] == '\0')) {
    if (code >= 0 && !stopped) {
      code = MLOOM_OK; /* complete before the connection broke */
    } else {
      mloom_error_copy(error, &run->reason);
      return outcome;
    }
  }
  if (code < 0) {
    if (reason.message[0] == '\0' && run->reason.message[0] != '\0') {
      mloom_error_copy(error, &run->reason);
    } else {
      mloom_error_copy(error, &reason);
    }
    return code;
  }
  code = check_collector(self->collector, error);
  if (code == MLOOM_OK) {
    self->collector->turn->stop = result.stop;
  }
  return code;
}

static int32_t run_attempt(attempt *self, uint64_t number, mloom_error *error) {
  mloom_session *session = self->session;
  mloom_provider_instance *instance = session->instance;
  mloom_turn_args args = {.size = (uint32_t)sizeof(args), .turn = session->turn, .attempt = number};
  mloom_exchange exchange = {.size = (uint32_t)sizeof(exchange)};
  self->sink = (mloom_event_sink){
      .size = (uint32_t)sizeof(self->sink), .userdata = self->collector, .event = mloom_turn_collector_event};
  mloom_provider_enter(instance);
  int32_t code = instance->entry->descriptor.prepare(session->plugin, &args, &exchange, error);
  mloom_provider_leave(instance);
  if (code < 0) {
    return mloom_provider_complete_error(instance, code, "cannot prepare the turn", error);
  }
  mloom_exchange_run run = {.instance = instance,
                            .call = self->call,
                            .exchange = &exchange,
                            .header = on_header,
                            .body = on_body,
                            .userdata = self,
                            .reason = MLOOM_ERROR_INIT};
  code = mloom_exchange_perform(&run, error);
  self->http_status = run.end.http_status;
  self->headers = run.headers;
  if (code == MLOOM_OK) {
    code = finish(self, &run, error);
    self->final = run.end.outcome == MLOOM_OK && run.end.http_status < 300 && !error->retryable;
    self->refreshed = mloom_exchange_may_authorize_again(&run, code);
  } else {
    /* The session has to be as before prepare. */
    mloom_turn_result ignored = {.size = (uint32_t)sizeof(ignored)};
    mloom_error unheard = MLOOM_ERROR_INIT;
    run.end.outcome = code;
    mloom_provider_enter(instance);
    (void)instance->entry->descriptor.finish(session->plugin, &run.end, &self->sink, &ignored, &unheard);
    mloom_provider_leave(instance);
  }
  mloom_exchange_run_free(&run);
  return code;
}

/* ---- The attempts of a turn ---- */

/* The wait before the next attempt, or -1. */
static int64_t next_wait(const attempt *self, uint32_t number, int32_t code, const mloom_error *reason) {
  mloom_provider_instance *instance = self->session->instance;
  const mloom_host *host = instance->services->host;
  mloom_retry_attempt failed = {.attempt = number,
                                .delivered = (uint32_t)self->collector->delivered,
                                .code = code,
                                .http_status = self->http_status,
                                .retryable = reason->retryable,
                                .should_retry = self->headers.should_retry,
                                .retry_after_ms = self->headers.retry_after_ms,
                                .retry_after = self->headers.retry_after,
                                .now_wall_ms = instance->services->clock->wall_ms(instance->services->clock)};
  char said[24];
  if (self->headers.retry_after_ms[0] == '\0' && self->headers.retry_after[0] == '\0' && reason->retry_after_ms >= 0) {
    /* The answer itself said how long, and no header did. */
    snprintf(said, sizeof(said), "%lld", (long long)reason->retry_after_ms);
    failed.retry_after_ms = said;
  }
  uint32_t random = 0;
  if (self->final) {
    return -1;
  }
  if (host != NULL && host->random != NULL) {
    (void)host->random(host->ctx, &random, sizeof(random));
  }
  int64_t wait_ms = mloom_retry_wait_ms(&instance->retry, &failed, random);
  return wait_ms >= 0 && wait_ms < mloom_call_remaining_ms(self->call) ? wait_ms : -1;
}

static void complete_reason(attempt *self, int32_t code, mloom_error *reason) {
  mloom_provider_instance *instance = self->session->instance;
  if (reason->retry_after_ms < 0) {
    reason->retry_after_ms = mloom_retry_after_ms(self->headers.retry_after_ms, self->headers.retry_after,
                                                  instance->services->clock->wall_ms(instance->services->clock));
  }
  if (reason->http_status == 0) {
    reason->http_status = self->http_status;
  }
  if (reason->request_id[0] == '\0') {
    memcpy(reason->request_id, self->headers.request_id, sizeof(reason->request_id));
  }
  mloom_provider_complete_error(instance, code, "the turn failed", reason);
}

static int32_t run_attempts(attempt *self, const mloom_turn_observer *observer, mloom_turn *out, mloom_error *error) {
  const mloom_clock *clock = self->session->instance->services->clock;
  int refreshed_once = 0;
  uint32_t counted = 0;
  for (uint64_t number = 1;; number++) {
    mloom_error reason = MLOOM_ERROR_INIT;
    out->attempts = (uint32_t)number;
    self->refreshed = 0;
    self->final = 0;
    self->http_status = 0;
    memset(&self->headers, 0, sizeof(self->headers));
    int32_t code = mloom_call_check(self->call, &reason);
    if (code == MLOOM_OK) {
      code = run_attempt(self, number, &reason);
    }
    if (code == MLOOM_OK) {
      memcpy(out->request_id, self->headers.request_id, sizeof(out->request_id));
      return MLOOM_OK;
    }
    complete_reason(self, code, &reason);
    int64_t wait_ms;
    if (self->refreshed && !refreshed_once && !self->collector->delivered) {
      refreshed_once = 1;
      wait_ms = 0;
    } else {
      counted++;
      wait_ms = next_wait(self, counted, code, &reason);
    }
    if (wait_ms >= 0 && observer != NULL && observer->retry != NULL) {
      observer->retry((uint32_t)number + 1, wait_ms, &reason, observer->userdata);
    }
    if (wait_ms > 0) {
      int32_t ended = mloom_call_sleep_until(self->call, clock->monotonic_ms(clock) + wait_ms, error);
      if (ended != MLOOM_OK) {
        return ended;
      }
    }
    if (wait_ms < 0) {
      memcpy(out->request_id, reason.request_id, sizeof(out->request_id));
      mloom_error_copy(error, &reason);
      return code;
    }
    mloom_turn_clear(out);
  }
}

int32_t mloom_session_run_turn(mloom_session *session, const mloom_call *call, const mloom_turn_observer *observer,
                               mloom_turn *out, mloom_error *error) {
  const mloom_clock *clock = session->instance->services->clock;
  memset(out, 0, sizeof(*out));
  out->first_delta_ms = -1;
  session->turn++;
  MLOOM_AUTO(mloom_turn_collector_free) mloom_turn_collector collector;
  mloom_turn_collector_init(&collector, out, observer, clock, session->turn);
  attempt self = {.session = session, .call = call, .collector = &collector};
  int32_t code = run_attempts(&self, observer, out, error);
  out->duration_ms = clock->monotonic_ms(clock) - collector.began_ms;
  return code;
}
