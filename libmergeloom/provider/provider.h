/* SPDX-License-Identifier: Apache-2.0
 *
 * Provider instances, sessions and turns: the host's side of the provider role, with retries and time-outs.
 */
#ifndef MLOOM_PROVIDER_PROVIDER_H
#define MLOOM_PROVIDER_PROVIDER_H

#include "base/call.h"
#include "credential/credential.h"
#include "net/http.h"
#include "plugin/registry.h"
#include "settings/settings.h"

/* What an instance works with. Borrowed; must outlive it. */
typedef struct mloom_provider_services {
  const mloom_registry *registry;
  const mloom_host *host;
  const mloom_clock *clock;
  const mloom_log *log;
  mloom_redactor *redactor;
  const char *supervise_path;
  uint32_t sandbox_mode; /* MLOOM_SANDBOX_..., for programs that run confined */
  uint32_t reserved;
  const char *const *environment; /* for programs that a process exchange starts: proxy variables */
} mloom_provider_services;

typedef struct mloom_provider_instance mloom_provider_instance;

/* Opens the provider with settings (a reference is taken). MLOOM_E_NOT_CONFIGURED: required fields are missing, named.
 * Thread-safe; the thread rule that the plugin declared is kept inside. */
int32_t mloom_provider_open(mloom_provider_instance **out, const mloom_provider_entry *entry, mloom_settings *settings,
                            const mloom_provider_services *services, mloom_error *error);
void mloom_provider_close(mloom_provider_instance *instance);
const mloom_provider_entry *mloom_provider_get_entry(const mloom_provider_instance *instance);

/* What so many tokens cost by the prices of the settings, in millionths of their currency; -1 when input_price or
 * output_price is unset. Of the input tokens cached_input_tokens are charged at cached_input_price, if that is set. */
int64_t mloom_provider_cost(const mloom_provider_instance *instance, uint64_t input_tokens,
                            uint64_t cached_input_tokens, uint64_t output_tokens);

typedef struct mloom_session mloom_session;

int32_t mloom_session_new(mloom_session **out, mloom_provider_instance *instance, const mloom_session_args *args,
                          mloom_error *error);
void mloom_session_free(mloom_session *session);
int32_t mloom_session_append_user(mloom_session *session, const char *text, size_t size, mloom_error *error);
int32_t mloom_session_append_tool_result(mloom_session *session, const char *tool_call_id, const char *tool_name,
                                         const char *text, size_t size, int failed, mloom_error *error);

/* One complete tool call of a turn. */
typedef struct mloom_tool_call {
  char *id;
  char *name;
  char *arguments; /* JSON text, unchecked */
  size_t arguments_size;
} mloom_tool_call;

typedef struct mloom_turn {
  uint32_t stop; /* MLOOM_STOP_... */
  uint32_t attempts;
  mloom_tool_call *tool_calls;
  size_t tool_call_count;
  mloom_buffer text;   /* all that the model said */
  mloom_buffer result; /* JSON of a MLOOM_EVENT_RESULT, agent shape */
  uint64_t input_tokens;
  uint64_t cached_input_tokens;
  uint64_t cache_write_tokens;
  uint64_t output_tokens;
  uint64_t reasoning_tokens;
  uint64_t cost_millionths; /* what the provider itself says; 0: nothing */
  int64_t first_delta_ms;   /* from the start of the turn; -1 when none came */
  int64_t duration_ms;
  char request_id[128];
} mloom_turn;

/* Told while a turn runs, on the caller's thread. */
typedef struct mloom_turn_observer {
  void *userdata;
  void (*event)(const mloom_event *event, void *userdata); /* text is UTF-8, whole characters only */
  void (*retry)(uint32_t attempt, int64_t wait_ms, const mloom_error *reason, void *userdata);
} mloom_turn_observer;

/* Runs one turn to its end, retries included (never after the first delta). On failure *out holds what came, marked by
 * nothing: the caller must not run calls of it. mloom_turn_free in both cases. */
int32_t mloom_session_run_turn(mloom_session *session, const mloom_call *call, const mloom_turn_observer *observer,
                               mloom_turn *out, mloom_error *error);
void mloom_turn_free(mloom_turn *turn);

/* Runs the provider's own checks (no network) through sink. */
int32_t mloom_provider_check(mloom_provider_instance *instance, const mloom_probe_sink *sink, mloom_error *error);
/* Performs a probe exchange, authorized as a turn would be; report may be NULL. No retries but the one after a 401. */
int32_t mloom_provider_probe(mloom_provider_instance *instance, const mloom_call *call, uint32_t kind,
                             const mloom_probe_sink *sink, mloom_http_report *report, mloom_error *error);
/* What the last probe was authorized by, safe to show; "" for nothing. */
void mloom_provider_probe_credential(mloom_provider_instance *instance, char out[160]);
/* By how much the service's clock is ahead of this machine's, once it refused a signature for that; else 0. */
int64_t mloom_provider_clock_offset_ms(mloom_provider_instance *instance);

/* Runs the provider's login of this kind (MLOOM_LOGIN_...) and tells what it writes (MLOOM_LOGIN_EVENT_...). secret is
 * the API key, or NULL; typed is where a person's words come from, or NULL. */
int32_t mloom_provider_login(mloom_provider_instance *instance, const mloom_call *call, uint32_t kind,
                             const mloom_secret *secret, const int *typed,
                             void (*event)(uint32_t event, const char *text, void *userdata), void *userdata,
                             mloom_error *error);
/* Which kinds of login it has: a bit 1 << MLOOM_LOGIN_... each. Nothing is run. 0 also while its program is missing. */
uint32_t mloom_provider_login_kinds(mloom_provider_instance *instance);

#endif
