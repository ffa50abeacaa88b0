/* SPDX-License-Identifier: Apache-2.0
 *
 * One call: who may cancel it, when it must end, where it logs. Lives on the caller's stack; mloom_call of plugin.h.
 */
#ifndef MLOOM_BASE_CALL_H
#define MLOOM_BASE_CALL_H

#include "base/clock.h"
#include "base/log.h"
#include <mergeloom/cancel.h>
#include <mergeloom/plugin.h>

struct mloom_call {
  mloom_cancel *cancel; /* borrowed, may be NULL */
  const mloom_clock *clock;
  const mloom_log *log;
  int64_t deadline_ms; /* monotonic; INT64_MAX: none */
  /* What the requests of plugins go over during this call, by https and by http, so that the proxy and the authority of
   * a provider's settings count for its credentials too; NULL: the host's own. Borrowed. */
  struct mloom_http_client *secure_client;
  struct mloom_http_client *plain_client;
};

void mloom_call_init(mloom_call *call, mloom_cancel *cancel, const mloom_clock *clock, const mloom_log *log,
                     int64_t deadline_ms);
/* A call that ends with parent, at the latest at deadline_ms. */
void mloom_call_init_child(mloom_call *call, const mloom_call *parent, int64_t deadline_ms);
/* MLOOM_OK, or MLOOM_E_CANCELLED or MLOOM_E_TIMEOUT with error filled. call may be NULL. */
int32_t mloom_call_check(const mloom_call *call, mloom_error *error);
/* Milliseconds left, 0 when it ended, INT64_MAX without deadline. */
int64_t mloom_call_remaining_ms(const mloom_call *call);
/* Waits; as mloom_call_check when the call ends first. */
int32_t mloom_call_sleep_until(const mloom_call *call, int64_t monotonic_ms, mloom_error *error);
/* Readable once the token is triggered; -1 when cancel is NULL. Borrowed. */
int mloom_cancel_fd(const mloom_cancel *cancel);

#endif
