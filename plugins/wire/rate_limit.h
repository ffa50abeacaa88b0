/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service says of its limits in the headers of each answer, in the words of OpenAI, Azure and Anthropic.
 */
#ifndef MLOOM_WIRE_RATE_LIMIT_H
#define MLOOM_WIRE_RATE_LIMIT_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

#define MLOOM_RATE_LIMIT_KINDS 6u

typedef struct mloom_rate_limit {
  char kind[24]; /* "requests", "tokens", "input-tokens", ... */
  int64_t limit; /* -1: not said */
  int64_t remaining;
  char reset[40]; /* when the limit is whole again, in the service's words; "": not said */
} mloom_rate_limit;

typedef struct mloom_rate_limits {
  mloom_rate_limit kinds[MLOOM_RATE_LIMIT_KINDS];
  size_t count;
} mloom_rate_limits;

/* Takes a header if it is one of limits: x-ratelimit-remaining-tokens, anthropic-ratelimit-tokens-remaining, ... */
void mloom_rate_limits_take(mloom_rate_limits *limits, const char *name, const char *value);
/* Hands on what was said as one event and forgets it; nothing when nothing was said. The event is named "low" when a
 * tenth or less of some limit is left. MLOOM_E_MEMORY. */
int32_t mloom_rate_limits_emit(mloom_rate_limits *limits, const mloom_event_sink *sink);

#endif
