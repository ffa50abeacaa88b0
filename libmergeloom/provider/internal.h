/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_PROVIDER_INTERNAL_H
#define MLOOM_PROVIDER_INTERNAL_H

#include "net/retry.h"
#include "provider/provider.h"

struct mloom_provider_instance {
  const mloom_provider_entry *entry;
  mloom_settings *settings;
  const mloom_provider_services *services;
  void *plugin; /* the plugin's own instance */
  pthread_mutex_t lock;
  pthread_mutex_t probe_lock;       /* what a probe describes lives until the next call on the instance */
  mloom_http_client *plain_client;  /* for http addresses */
  mloom_http_client *secure_client; /* for https addresses; often the same */
  mloom_credentials *credentials;
  char probe_credential[160]; /* what the last probe was authorized by; "" for nothing */
  mloom_header **extra_headers;
  size_t extra_header_count;
  mloom_retry_policy retry;
  int64_t input_price; /* of a million tokens, in millionths; -1: unset */
  int64_t cached_input_price;
  int64_t output_price;
};

struct mloom_session {
  mloom_provider_instance *instance;
  void *plugin;
  uint64_t turn;
};

/* Reads the price fields. MLOOM_E_NOT_CONFIGURED: one is no price. */
int32_t mloom_provider_read_prices(mloom_provider_instance *instance, mloom_error *error);

/* Around each call into the plugin: keeps the thread rule that it declared. */
void mloom_provider_enter(mloom_provider_instance *instance);
void mloom_provider_leave(mloom_provider_instance *instance);

/* Fills what a plugin left empty in the error of a failed call, and takes secrets out of it. Returns code. */
int32_t mloom_provider_complete_error(mloom_provider_instance *instance, int32_t code, const char *what,
                                      mloom_error *error);

/* The clients and headers that the transport settings ask for. */
int32_t mloom_provider_open_transport(mloom_provider_instance *instance, mloom_error *error);
void mloom_provider_close_transport(mloom_provider_instance *instance);

/* Bytes of one answer, of whatever kind. */
#define MLOOM_ANSWER_LIMIT ((uint64_t)64 * 1024 * 1024)
/* Arguments of one tool call. */
#define MLOOM_ARGUMENTS_LIMIT ((size_t)4 * 1024 * 1024)
#define MLOOM_TOOL_CALLS_LIMIT 128u

/* Headers of an answer that the host looks at; "" when absent. */
typedef struct mloom_answer_headers {
  char should_retry[16];
  char retry_after_ms[32];
  char retry_after[64];
  char request_id[128];
  char location[512];
  int64_t date_wall_ms; /* 0 when absent */
} mloom_answer_headers;

/* One exchange that is performed for a plugin. The functions are called with the lock of enter not held; header may be
 * NULL. A negative return ends the exchange. */
typedef struct mloom_exchange_run {
  mloom_provider_instance *instance;
  const mloom_call *call;
  const mloom_exchange *exchange;
  int32_t (*header)(int32_t status, const char *name, const char *value, void *userdata, mloom_error *error);
  int32_t (*body)(const char *data, size_t size, void *userdata, mloom_error *error);
  void *userdata;
  const int *typed; /* of a program on a terminal: what a person types; else NULL */
  /* Filled. */
  mloom_exchange_end end;
  mloom_answer_headers headers;
  mloom_error reason; /* when end.outcome is no success */
  mloom_http_report report;
  mloom_authorized_headers authorized;
  mloom_buffer error_output; /* the end of a program's stderr */
  uint64_t received;
} mloom_exchange_run;

/* Authorizes and performs. MLOOM_OK when the exchange took place, however it ended: end and reason say how. Another
 * code with error when it could not begin. mloom_exchange_run_free in both cases. */
int32_t mloom_exchange_perform(mloom_exchange_run *run, mloom_error *error);
void mloom_exchange_run_free(mloom_exchange_run *run);
/* The answer was judged to be code. 1 when the service refused what authorized the request, and another attempt has
 * something else to show. */
int mloom_exchange_may_authorize_again(const mloom_exchange_run *run, int32_t code);
/* For the two kinds of exchange: the part of perform that is a program, and what counts and hands on what comes. */
int32_t mloom_exchange_perform_program(mloom_exchange_run *run, mloom_error *error);
int32_t mloom_exchange_take_body(mloom_exchange_run *run, const char *data, size_t size);

/* MLOOM_E_PROTOCOL with what to set instead, when the answer was a redirect; else MLOOM_OK. */
int32_t mloom_exchange_check_redirect(const mloom_exchange_run *run, mloom_error *error);

/* Collects a turn from a plugin's events: keeps the limits, hands on whole characters only. */
typedef struct mloom_turn_collector {
  mloom_turn *turn;
  const mloom_turn_observer *observer;
  const mloom_clock *clock;
  int64_t began_ms;
  uint64_t number; /* of the turn */
  int delivered;   /* a part of the answer was handed on */
  int32_t failure; /* a limit was passed, or memory ran out */
  char held[2][4]; /* the beginning of a character: of text, of reasoning */
  size_t held_size[2];
  mloom_buffer joined;
  mloom_buffer repaired;
} mloom_turn_collector;

void mloom_turn_collector_init(mloom_turn_collector *collector, mloom_turn *turn, const mloom_turn_observer *observer,
                               const mloom_clock *clock, uint64_t number);
/* Matches mloom_event_sink.event. */
void mloom_turn_collector_event(const mloom_event *event, void *collector);
/* Hands on what is held back, as U+FFFD. */
void mloom_turn_collector_flush(mloom_turn_collector *collector);
void mloom_turn_collector_free(mloom_turn_collector *collector);
void mloom_turn_clear(mloom_turn *turn);

#endif
