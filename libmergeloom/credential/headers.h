/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes with a request, and to whom.
 */
#ifndef MLOOM_CREDENTIAL_HEADERS_H
#define MLOOM_CREDENTIAL_HEADERS_H

#include "credential/credential.h"

/* Adds a copy of header to userdata, a mloom_authorized_headers. MLOOM_E_MEMORY. */
int32_t mloom_authorized_headers_add(const mloom_header *header, void *userdata);
/* A key for one host never goes to another: MLOOM_E_DENIED when it would. */
int32_t mloom_authorization_check_origin(const mloom_authorization *authorization, const mloom_http_request *request,
                                         mloom_error *error);

#endif
