/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests in, scripted answers out: joins wires, script and delivery.
 */
#ifndef SIM_SERVICE_H
#define SIM_SERVICE_H

#include "http_server.h"
#include "script.h"

typedef struct sim_service {
  sim_script *script;
  int is_verbose; /* a line on stderr for each request */
  size_t requests;
} sim_service;

/* A sim_handler; userdata is the sim_service. */
int32_t sim_service_handle(sim_response *response, const sim_request *request, void *userdata);

#endif
