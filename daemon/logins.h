/* SPDX-License-Identifier: Apache-2.0
 *
 * Logins of providers that are programs with a login of their own: each runs in a child process, one at a time for a
 * provider, and what it shows is kept here, so that a page can be left and loaded again. They end with the daemon.
 */
#ifndef MERGELOOM_DAEMON_LOGINS_H
#define MERGELOOM_DAEMON_LOGINS_H

#include "catalogue.h"

typedef struct logins logins;

typedef struct logins_options {
  const child_programs *programs;
  catalogue *catalogue; /* its checks follow a login */
  store *store;
  /* Called when something changed, from any thread. */
  void (*changed)(void *userdata);
  void *userdata;
} logins_options;

typedef struct login_wish {
  const char *kind;    /* "device", "browser", "api-key", "out"; "": by a code, else through a browser */
  const char *api_key; /* of "api-key"; copied to the child alone */
  int64_t timeout_ms;  /* 0: 15 minutes, which is the most too */
} login_wish;

int32_t logins_new(logins **out, const logins_options *options, mloom_error *error);
/* Ends those that run and waits for them. */
void logins_free(logins *logins);

/* Starts a login and returns at once. provider: an id, which the caller has looked up. MLOOM_E_CONFLICT: one runs.
 * MLOOM_E_INVALID: no such kind, or a key that is missing or too long. */
int32_t logins_start(logins *logins, const char *provider, const login_wish *wish, mloom_error *error);
/* Hands a line that a person typed to the program. MLOOM_E_CONFLICT: none listens. MLOOM_E_INVALID: empty, too long, or
 * of more than one line. */
int32_t logins_type(logins *logins, const char *provider, const char *text, mloom_error *error);
/* MLOOM_E_CONFLICT: none runs. */
int32_t logins_cancel(logins *logins, const char *provider, mloom_error *error);
/* The login that runs or ran last: {"provider", "kind", "state" ("running", "completed", "failed", "cancelled"), "url",
 * "code", "text" (what the program wrote last), "listens", "asks", "reason", "remedy", "started_at", "ends_at",
 * "ended_at"}. NULL: there was none. The caller's own. */
mloom_json *logins_read(logins *logins, const char *provider);

#endif
