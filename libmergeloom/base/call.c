/* SPDX-License-Identifier: Apache-2.0 */
#include "base/call.h"

#include "base/error.h"

static const mloom_clock *clock_of(const mloom_call *call) {
  return call == NULL || call->clock == NULL ? mloom_clock_system() : call->clock;
}

void mloom_call_init(mloom_call *call, mloom_cancel *cancel, const mloom_clock *clock, const mloom_log *log,
                     int64_t deadline_ms) {
  call->cancel = cancel;
  call->clock = clock == NULL ? mloom_clock_system() : clock;
  call->log = log;
  call->deadline_ms = deadline_ms;
  call->secure_client = NULL;
  call->plain_client = NULL;
}

void mloom_call_init_child(mloom_call *call, const mloom_call *parent, int64_t deadline_ms) {
  if (parent == NULL) {
    mloom_call_init(call, NULL, NULL, NULL, deadline_ms);
    return;
  }
  int64_t earlier = parent->deadline_ms < deadline_ms ? parent->deadline_ms : deadline_ms;
  mloom_call_init(call, parent->cancel, parent->clock, parent->log, earlier);
  call->secure_client = parent->secure_client;
  call->plain_client = parent->plain_client;
}

int32_t mloom_call_check(const mloom_call *call, mloom_error *error) {
  if (call == NULL) {
    return MLOOM_OK;
  }
  if (mloom_cancel_is_triggered(call->cancel)) {
    return mloom_error_set(error, MLOOM_E_CANCELLED, MLOOM_DOMAIN_JOB, NULL, "the call was cancelled");
  }
  if (mloom_call_remaining_ms(call) == 0) {
    return mloom_error_set(error, MLOOM_E_TIMEOUT, MLOOM_DOMAIN_JOB, "allow the call more time",
                           "the deadline of the call has passed");
  }
  return MLOOM_OK;
}

int64_t mloom_call_remaining_ms(const mloom_call *call) {
  if (call == NULL || call->deadline_ms == INT64_MAX) {
    return INT64_MAX;
  }
  const mloom_clock *clock = clock_of(call);
  int64_t now = clock->monotonic_ms(clock);
  return call->deadline_ms > now ? call->deadline_ms - now : 0;
}

int32_t mloom_call_sleep_until(const mloom_call *call, int64_t monotonic_ms, mloom_error *error) {
  int32_t code = mloom_call_check(call, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_clock *clock = clock_of(call);
  int64_t until = call != NULL && call->deadline_ms < monotonic_ms ? call->deadline_ms : monotonic_ms;
  clock->wait_until(clock, until, call == NULL ? -1 : mloom_cancel_fd(call->cancel));
  return mloom_call_check(call, error);
}
