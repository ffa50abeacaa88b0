/* SPDX-License-Identifier: Apache-2.0
 *
 * What several wires do with a request.
 */
#ifndef SIM_WIRE_READING_H
#define SIM_WIRE_READING_H

#include "../conversation.h"
#include "../http_server.h"

/* Fills error with what the vendor would say of the request. Returns MLOOM_E_INVALID. */
__attribute__((format(printf, 2, 3))) int32_t sim_refuse(mloom_error *error, const char *format, ...);
/* Without its query. */
int sim_path_ends_with(const sim_request *request, const char *end);
/* How often text stands in the body. */
size_t sim_count_in_body(const sim_request *request, const char *text);
/* Adds what role says. */
int32_t sim_conversation_say(sim_conversation *out, uint32_t role, mloom_bytes text);

#endif
