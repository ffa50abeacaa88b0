/* SPDX-License-Identifier: Apache-2.0
 *
 * An executor's side of its gateway: settings that are followed, jobs that are claimed, signs of life. While the
 * gateway is away the executor goes on with what it has.
 */
#ifndef MERGELOOM_DAEMON_GATEWAY_CLIENT_H
#define MERGELOOM_DAEMON_GATEWAY_CLIENT_H

#include "catalogue.h"
#include "job_source.h"

typedef struct gateway_client gateway_client;

typedef struct gateway_options {
  const deployment *deployment; /* gateway_url, cluster_token, name */
  catalogue *catalogue;         /* gets the settings and says what is ready */
  const mloom_log *log;
  int follow_settings;
  /* Called after settings came that are not those that were there. */
  void (*changed)(void *userdata);
  void *userdata;
} gateway_options;

/* Asks for the settings once and then follows them in a thread of its own. A gateway that is away is no error.
 * MLOOM_E_INVALID: there is no URL or no token. */
int32_t gateway_client_new(gateway_client **out, const gateway_options *options, mloom_error *error);
/* The daemon stops: what cannot be told to the gateway soon is left to the end of its lease. */
void gateway_client_hurry(gateway_client *client);
void gateway_client_free(gateway_client *client);
job_source gateway_client_jobs(gateway_client *client);
/* 1 while the last request was answered; since_ms: wall clock of the last answer, 0: none. */
int gateway_client_is_reached(gateway_client *client, int64_t *since_ms);

#endif
