/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of this plugin share.
 */
#ifndef MLOOM_AZURE_FOUNDRY_H
#define MLOOM_AZURE_FOUNDRY_H

#include <stdatomic.h>

#include "azure_endpoint.h"
#include "wire/chat.h"
#include "wire/messages.h"
#include "wire/responses.h"
#include "wire/service.h"

#define AZURE_PREFIX "JCA_AZURE_FOUNDRY_"

/* ---- fields.c ---- */

#define AZURE_FIELD_COUNT 35

extern const mloom_field *const azure_fields[AZURE_FIELD_COUNT];
/* In the order of MLOOM_AZURE_ROUTE_... and MLOOM_AZURE_API_... */
extern const char *const azure_route_choices[];
extern const char *const azure_api_choices[];

/* ---- Instances ---- */

/* How requests are authorized. */
#define AZURE_AUTH_KEY 0u
#define AZURE_AUTH_BEARER 1u
#define AZURE_AUTH_IDENTITY 2u

typedef struct azure_instance {
  mloom_service service; /* first */
  mloom_azure_endpoint endpoint;
  mloom_chat_options chat;
  mloom_responses_options responses;
  mloom_messages_options messages;
  uint32_t route; /* forced, or what the endpoint says */
  uint32_t api;
  uint32_t auth;
  const char *auth_method;
  const char *api_version;
  int scope_is_set;
  atomic_uint attempt;               /* which of tokens is used: the service refused the audience of the first */
  mloom_authorization tokens[2];     /* AZURE_AUTH_IDENTITY: one for each scope that may be meant */
  mloom_authorization anthropic_key; /* AZURE_AUTH_KEY on the anthropic route */
} azure_instance;

/* ---- refusal.c ---- */

/* Makes more of what the service says when it cannot answer (mloom_service_type). */
int32_t azure_explain(mloom_service *service, const char *model, int32_t code, mloom_error *error);

#endif
