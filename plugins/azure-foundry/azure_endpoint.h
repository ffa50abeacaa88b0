/* SPDX-License-Identifier: Apache-2.0
 *
 * The addresses under which Microsoft Foundry and Azure OpenAI are met, in all the shapes that portals and guides give.
 */
#ifndef MLOOM_AZURE_FOUNDRY_AZURE_ENDPOINT_H
#define MLOOM_AZURE_FOUNDRY_AZURE_ENDPOINT_H

#include <mergeloom/plugin.h>

#define MLOOM_AZURE_ROUTE_AUTO 0u
#define MLOOM_AZURE_ROUTE_V1 1u          /* BASE/openai/v1/... */
#define MLOOM_AZURE_ROUTE_DEPLOYMENTS 2u /* BASE/openai/deployments/NAME/...?api-version=... */
#define MLOOM_AZURE_ROUTE_ANTHROPIC 3u   /* BASE/anthropic/v1/messages */

#define MLOOM_AZURE_API_AUTO 0u
#define MLOOM_AZURE_API_CHAT 1u
#define MLOOM_AZURE_API_RESPONSES 2u

typedef struct mloom_azure_endpoint {
  char *base;        /* of the resource or project, without slashes at its end */
  char *deployment;  /* that the path names, decoded; NULL: none */
  char *api_version; /* of the query; NULL: none */
  uint32_t route;    /* what the path says; MLOOM_AZURE_ROUTE_AUTO: nothing */
  uint32_t api;
  int is_project; /* BASE ends with /api/projects/NAME */
} mloom_azure_endpoint;

/* MLOOM_E_INVALID with a remedy that names field; MLOOM_E_MEMORY. Free it in any case. */
int32_t mloom_azure_endpoint_parse(mloom_azure_endpoint *out, const char *url, const char *field, mloom_error *error);
void mloom_azure_endpoint_free(mloom_azure_endpoint *endpoint);

/* The URL of one operation: "chat/completions", "responses", "messages", "models". api_version may be NULL on the v1
 * route. NULL when out of memory; owned by the caller. */
char *mloom_azure_endpoint_url(const mloom_azure_endpoint *endpoint, uint32_t route, const char *operation,
                               const char *deployment, const char *api_version);

/* The URL of the list of a project's deployments; NULL when out of memory. */
char *mloom_azure_endpoint_deployments_url(const mloom_azure_endpoint *endpoint);

/* The scope of tokens for this endpoint: attempt 0 is the usual one, attempt 1 what some resources want instead, NULL
 * when there is no other. Static. */
const char *mloom_azure_endpoint_scope(const mloom_azure_endpoint *endpoint, unsigned attempt);
/* Is the host one of Azure OpenAI or Foundry, which is Microsoft's own? Other hosts of Azure are those of its
 * customers. */
int mloom_azure_endpoint_is_service(const mloom_azure_endpoint *endpoint);
/* Is the host one of Azure's? */
int mloom_azure_endpoint_is_azure(const mloom_azure_endpoint *endpoint);

#endif
