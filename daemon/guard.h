/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may ask for what: Host and Origin against DNS rebinding and cross-site requests, tokens, sessions and their CSRF
 * tokens, limits on rates.
 */
#ifndef MERGELOOM_DAEMON_GUARD_H
#define MERGELOOM_DAEMON_GUARD_H

#include "deployment.h"
#include "http.h"

/* What a route is for. */
#define GUARD_PUBLIC 0   /* says nothing that anybody may not know: liveness */
#define GUARD_PERSON 1   /* pages and API */
#define GUARD_EXECUTOR 2 /* opened by the cluster token only */

typedef struct guard guard;

typedef struct guard_session {
  char csrf[65];  /* for the forms of this browser */
  int has_cookie; /* 0: the cookie below has to be set */
  char cookie[65];
} guard_session;

int32_t guard_new(guard **out, const deployment *where, uint16_t port, mloom_error *error);
void guard_free(guard *guard);

/* Whether a request may come in at all, by its head, said once for each: MLOOM_OK, or why not: MLOOM_E_DENIED (403),
 * MLOOM_E_UNAUTHENTICATED (401), MLOOM_E_RATE_LIMITED (429). */
int32_t guard_admit(guard *guard, const http_request *request, int kind, mloom_error *error);
/* Of one that was let in, and is whole: fills session for GUARD_PERSON. A request that changes something (any method
 * but GET and HEAD) of a browser needs the session's CSRF token, in the header X-CSRF-Token or as csrf (else
 * MLOOM_E_DENIED); a program that sends the access token, or no Origin and no cookie from this machine, needs none. */
int32_t guard_check(const guard *guard, const http_request *request, int kind, const char *form_csrf,
                    guard_session *session, mloom_error *error);
/* The cookie of session, for a first answer, and the headers that every answer has. */
void guard_answer(const guard *guard, const guard_session *session, http_answer *answer);
/* 1 when token is the access token: answer then gets the cookie of somebody who has signed in. */
int guard_sign_in(guard *guard, const char *token, http_answer *answer);

#endif
