/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon knows of providers: their descriptions and the outcome of their checks, each found out by a child
 * process, so that a plugin that crashes or hangs costs an answer and not the daemon. A plugin that crashed three times
 * is left alone until somebody asks for a check and it does not crash then.
 */
#ifndef MERGELOOM_DAEMON_CATALOGUE_H
#define MERGELOOM_DAEMON_CATALOGUE_H

#include "child_process.h"
#include "store/store.h"

typedef struct catalogue catalogue;

typedef struct catalogue_options {
  const child_programs *programs;
  store *store; /* NULL: nothing is stored here */
  const mloom_log *log;
  /* 0: what the store holds of them does not count (provisioned, gateway). */
  int use_stored_providers;
  int use_stored_worker;
  int64_t check_timeout_ms; /* a check that takes longer is ended and counts as a crash */
  /* Called when something changed, from any thread. */
  void (*changed)(void *userdata);
  void *userdata;
} catalogue_options;

int32_t catalogue_new(catalogue **out, const catalogue_options *options, mloom_error *error);
/* Ends the checks that run and waits for them. */
void catalogue_free(catalogue *catalogue);

/* Describes the providers again, in this thread; settings that the store or the gateway changed are in effect then. */
int32_t catalogue_refresh(catalogue *catalogue, mloom_error *error);
/* Starts the checks of one provider, or of all (NULL), each in a process of its own, and returns at once. One that is
 * being checked already is left alone, unless the settings were refreshed since: then it is checked again. May be
 * called with no lock held that changed takes. MLOOM_E_NOT_FOUND. */
int32_t catalogue_check(catalogue *catalogue, const char *provider, int self_test, mloom_error *error);

/* Wipes the settings in a request and releases it. */
void catalogue_drop_request(mloom_json *request);
/* Ends descriptions and checks that run; later ones end at once. */
void catalogue_stop(catalogue *catalogue);
/* Starts checks of the providers whose service could not be reached when they were last checked. */
void catalogue_recheck(catalogue *catalogue);

/* Settings of the gateway that this executor follows; NULL: none. Takes the reference. In effect with the next refresh.
 */
void catalogue_set_gateway_settings(catalogue *catalogue, mloom_json *settings);
/* The request of a child: command and the settings documents. The caller wipes and releases it. */
int32_t catalogue_new_request(catalogue *catalogue, const char *command, mloom_json **out, mloom_error *error);

/* A document of all providers: mergeloom.providers.v1, and in each provider "state", "checks" ({name, state, reason,
 * remedy, checked_at, duration_ms}), "checked_at", "checking", "self_testing", "progress" (mergeloom.event.v1 of the
 * last self-test), "crashes"; beside them "plugins". One reference for the caller; it does not change any more. NULL
 * before the first refresh. */
mloom_json *catalogue_read(catalogue *catalogue);
/* Whether there is such a document. */
int catalogue_is_described(catalogue *catalogue);
/* The models that the service of a provider listed at its last check that reached the list: {"provider", "models":
 * [{id, title, context_tokens}], "listed_at"} and of the last check of the model "state", "reason" and "remedy". NULL:
 * no such provider. One reference for the caller. */
mloom_json *catalogue_read_models(catalogue *catalogue, const char *provider);
/* A runtime setting that is a number, as last described; otherwise when there is none. */
int64_t catalogue_worker_integer(catalogue *catalogue, const char *field, int64_t otherwise);
/* ",a,b," of the providers that can take a job. The caller frees. */
char *catalogue_ready_list(catalogue *catalogue);
/* Of each provider that cannot, why not and what to do: {"claude-api": "check credential: ...; ..."}. "" has the
 * plugins that are not loaded because they crash. */
mloom_json *catalogue_obstacles(catalogue *catalogue);
/* Notes of a child that ran for provider that its plugin crashed, if it did and that is not noted yet. */
void catalogue_note_crash(catalogue *catalogue, const char *provider, const child_outcome *outcome, const char *what);

#endif
