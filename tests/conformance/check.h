/* SPDX-License-Identifier: Apache-2.0
 *
 * mergeloom-plugin-check: does a plugin keep the rules of the ABI? It drives the plugin as a host does, through a host
 * table of its own.
 */
#ifndef MLOOM_TESTS_CONFORMANCE_CHECK_H
#define MLOOM_TESTS_CONFORMANCE_CHECK_H

#include <mergeloom/plugin.h>
#include <pthread.h>

/* ---- Reporting ---- */

#define STATE_PASS 0
#define STATE_FAIL 1
#define STATE_WARN 2
#define STATE_SKIP 3

/* What the parent process needs to know when the plugin takes the child down. */
typedef struct progress {
  char subject[96]; /* "provider openai-compatible" */
  char rule[96];
  uint32_t counts[4];
} progress;

extern progress *now;

/* Names what the following rules are about. */
void begin_subject(const char *kind, const char *id);
/* Names the rule that is being tried, so that a crash is told as its failure. */
void begin_rule(const char *rule);
/* Ends it: one line on standard output. */
void end_rule(int state, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- The small host ---- */

typedef struct small_host {
  mloom_host table;
  pthread_mutex_t lock;
  int64_t blocks;           /* given by alloc and not freed */
  int64_t secrets;          /* references out there */
  int calls_forbidden;      /* nothing may be called: after shutdown */
  int init_only;            /* only log and memory may be called */
  char violation[160];      /* the first call that was out of place */
  const char *const *given; /* NAME=VALUE, ends with NULL */
} small_host;

/* What the plugin sees as its settings: values for the fields of one provider. */
struct mloom_settings {
  small_host *host;
  const mloom_provider *provider; /* NULL: the fields api_key and model only */
  int empty;                      /* nothing is set */
  mloom_secret *secret;           /* the value of every secret field */
};

struct mloom_secret {
  pthread_mutex_t lock;
  uint32_t references;
  size_t size;
  char bytes[];
};

struct mloom_call {
  int64_t deadline_ms;
};

#define TEST_KEY "test-key-not-a-secret"

void small_host_init(small_host *host, const char *const *given);
void settings_init(mloom_settings *settings, small_host *host, const mloom_provider *provider, int empty);
void settings_end(mloom_settings *settings);
/* The first call that was out of place since the last time, or NULL. */
const char *take_violation(small_host *host);
/* Bytes that the process has in use, to find leaks by repetition; 0 where the allocator does not say. */
size_t memory_in_use(void);

/* ---- The rules ---- */

typedef struct check_options {
  const char *const *given;
  const char *answer_path; /* a recorded answer of the service, or NULL */
} check_options;

void check_provider(small_host *host, const mloom_provider *provider, const check_options *options);
void check_source(small_host *host, const mloom_credential_source *source);
void check_layer(const mloom_resolver_layer *layer);

/* NULL, or what is wrong with an error that a function gave together with code. */
const char *error_problem(int32_t code, const mloom_error *error);
/* NULL, or what is wrong with an exchange. */
const char *exchange_problem(const mloom_exchange *exchange);

#endif
