/* SPDX-License-Identifier: Apache-2.0
 *
 * One conversation with a provider, as its rules drive it.
 */
#ifndef MLOOM_TESTS_CONFORMANCE_SESSION_H
#define MLOOM_TESTS_CONFORMANCE_SESSION_H

#include "check.h"

/* A text that grows; the check has no use for what does not fit in memory, so it ends then. */
typedef struct text {
  char *data;
  size_t size;
} text;

void text_add(text *to, const char *data, size_t size);
void text_clear(text *of);
int text_same(const text *a, const text *b);

typedef struct provider_run {
  small_host *host;
  const mloom_provider *provider;
  const check_options *options;
  text answer;
  mloom_settings settings;
  void *instance;
} provider_run;

/* Collects what decides: texts run together, since they may be cut anywhere. */
typedef struct events {
  text answer;
  text reasoning;
  text calls;
  uint32_t call_count;
  const char *problem;
} events;

void events_clear(events *seen);
int events_same(const events *a, const events *b);

/* Opens a conversation and says something. The caller frees the session, also after a failure, unless it is NULL. */
int32_t session_start(const provider_run *in, void **session, mloom_error *error);
/* The bytes of the request for a turn, or the problem with it. */
const char *session_take_body(const provider_run *in, void *session, uint64_t turn, uint64_t attempt, text *out);
/* Feeds an answer in pieces and ends the attempt. */
int32_t session_give_answer(const provider_run *in, void *session, const text *answer, size_t piece, int32_t status,
                            int32_t outcome, events *seen, mloom_turn_result *result, mloom_error *error);
/* Collects an event; userdata is a struct events. */
void session_take_event(const mloom_event *event, void *userdata);

/* The rules that need a recorded answer of the service. */
void check_answer(provider_run *in);
void check_attempts(provider_run *in);
void check_prefix(provider_run *in);

#endif
