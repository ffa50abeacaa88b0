/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials for one provider: the chain of sources, the cache, single flight.
 */
#ifndef MLOOM_CREDENTIAL_CREDENTIAL_H
#define MLOOM_CREDENTIAL_CREDENTIAL_H

#include "base/call.h"
#include "plugin/registry.h"
#include "settings/settings.h"

/* The credentials of one provider instance; thread-safe. */
typedef struct mloom_credentials mloom_credentials;

int32_t mloom_credentials_new(mloom_credentials **out, const mloom_registry *registry, const mloom_host *host,
                              const mloom_settings *settings, const mloom_clock *clock, const mloom_log *log,
                              mloom_redactor *redactor, mloom_error *error);
void mloom_credentials_free(mloom_credentials *credentials);

/* The headers that authorize request; filled by mloom_credentials_authorize, freed by the caller. */
typedef struct mloom_authorized_headers {
  mloom_header **headers;
  size_t count;
  char description[160]; /* of the credential used, "" when none; safe to show */
  /* Which credential it was, for mloom_credentials_refused. */
  struct mloom_cached_credential *used;
  uint64_t generation;
  int signs; /* they are good for one request, at one time */
} mloom_authorized_headers;

/* Fetches (or takes from the cache) and makes the headers. No header when nothing applies and it is optional. A
 * source that is configured and fails stops the chain with its own reason. An audience that is an http or https origin,
 * without a path as scopes have one, binds the credential to it: MLOOM_E_DENIED when the request goes elsewhere.
 * MLOOM_E_NOT_CONFIGURED: no source applies; the remedy names the fields. Others as the source says. out is empty then;
 * it is freed by the caller in both cases. */
int32_t mloom_credentials_authorize(mloom_credentials *credentials, mloom_call *call,
                                    const mloom_authorization *authorization, const mloom_http_request *request,
                                    mloom_authorized_headers *out, mloom_error *error);
void mloom_authorized_headers_free(mloom_authorized_headers *headers);

/* The service refused the credential that made headers. Returns 1 when fetching again may help (it was refreshable, or
 * another call has fetched a newer one since), and then the next authorize uses a fresh one. */
int mloom_credentials_refused(mloom_credentials *credentials, const mloom_authorized_headers *headers);
/* The service refused headers, and by the date of its answer (0: not told) its clock is minutes off from the time that
 * they were signed for. Returns 1 when that is so: the next authorize signs by the service's clock. */
int mloom_credentials_correct_clock(mloom_credentials *credentials, const mloom_authorized_headers *headers,
                                    int64_t date_wall_ms);
/* By how much the service's clock is ahead of this machine's, once it mattered; else 0. */
int64_t mloom_credentials_clock_offset_ms(mloom_credentials *credentials);

#endif
