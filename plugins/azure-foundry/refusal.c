/* SPDX-License-Identifier: Apache-2.0
 *
 * What Azure says when it cannot answer, and what there is to do about it.
 */
#include "azure_foundry.h"

#include <string.h>

#include "base/text.h"

static int says(const mloom_error *error, const char *part) {
  return mloom_text_find_fold(error->message, part) != NULL;
}

static int32_t explain_audience(azure_instance *self, mloom_error *error) {
  unsigned attempt = atomic_load(&self->attempt);
  const char *used = self->tokens[attempt].audience;
  if (self->auth != AZURE_AUTH_IDENTITY) {
    return mloom_service_set_remedy(error, MLOOM_E_UNAUTHENTICATED,
                                    "get a token for the scope that the message names, and set %s to it",
                                    self->service.names.credential_field);
  }
  if (attempt == 0 && !self->scope_is_set && self->tokens[1].audience != NULL) {
    const mloom_host *host = self->service.settings.host;
    atomic_store(&self->attempt, 1);
    host->log(host->ctx, MLOOM_LOG_WARNING, "azure-foundry",
              "the service refused the audience of the token: the other usual scope is tried; set token_scope to the "
              "right one");
  }
  return mloom_service_set_remedy(error, MLOOM_E_UNAUTHENTICATED,
                                  "set token_scope (" AZURE_PREFIX "TOKEN_SCOPE) to what the message names, with "
                                  "/.default at its end; %s was refused",
                                  used);
}

static int32_t explain_unauthenticated(azure_instance *self, int32_t code, mloom_error *error) {
  if (says(error, "audience")) {
    return explain_audience(self, error);
  }
  if (error->http_status == 403 && (says(error, "public access") || says(error, "virtual network") ||
                                    says(error, "firewall") || says(error, "private endpoint"))) {
    return mloom_service_set_remedy(error, MLOOM_E_DENIED,
                                    "let this machine's network reach the resource: its private endpoint, or the "
                                    "resource's network rules");
  }
  if (says(error, "permissiondenied") || says(error, "data action") || error->http_status == 403) {
    return mloom_service_set_remedy(
        error, MLOOM_E_DENIED,
        "give the identity the role Cognitive Services OpenAI User, or Azure AI User, on the resource; it takes effect "
        "within minutes");
  }
  if (self->auth == AZURE_AUTH_KEY && self->service.names.has_key) {
    return mloom_service_set_remedy(error, code,
                                    "set api_key (" AZURE_PREFIX
                                    "API_KEY) to a key of the resource %s itself, or endpoint "
                                    "(" AZURE_PREFIX "ENDPOINT) to the resource of the key; a resource may also refuse "
                                    "keys, and then an identity is needed (auth_method)",
                                    self->service.base_url);
  }
  return code;
}

/* Each route has its own words for it. */
static int is_deployment_missing(int32_t code, const mloom_error *error) {
  return says(error, "DeploymentNotFound") || says(error, "unknown_model") || says(error, "unavailable_model") ||
         (code == MLOOM_E_NOT_FOUND && (says(error, "deployment") || says(error, "model")));
}

int32_t azure_explain(mloom_service *service, const char *model, int32_t code, mloom_error *error) {
  azure_instance *self = (azure_instance *)service;
  if (error == NULL || error->http_status == 0) {
    return code;
  }
  if (error->http_status == 401 || error->http_status == 403) {
    return explain_unauthenticated(self, code, error);
  }
  if (is_deployment_missing(code, error)) {
    return mloom_service_set_remedy(error, MLOOM_E_NOT_FOUND,
                                    "set model (" AZURE_PREFIX
                                    "MODEL) to the name of a deployment of %s, now %s: the deployment's own name, "
                                    "not the model's; a new one is there after some minutes",
                                    service->base_url, model[0] == '\0' ? "unset" : model);
  }
  if (says(error, "custom subdomain")) {
    return mloom_service_set_remedy(error, MLOOM_E_INVALID,
                                    "set endpoint (" AZURE_PREFIX
                                    "ENDPOINT) to the resource's own address, such as https://NAME.openai.azure.com: "
                                    "that of a region takes keys only");
  }
  if (says(error, "api version") || says(error, "api-version")) {
    return mloom_service_set_remedy(error, code,
                                    "set api_version (" AZURE_PREFIX "API_VERSION) to one that the service knows, "
                                    "or leave it unset for the v1 route");
  }
  if (says(error, "OperationNotSupported") || says(error, "does not work with the specified model")) {
    return mloom_service_set_remedy(error, MLOOM_E_UNSUPPORTED,
                                    "set api (" AZURE_PREFIX "API) to responses or chat_completions, the one that "
                                    "the model of %s knows",
                                    model);
  }
  if (code == MLOOM_E_NOT_FOUND) {
    return mloom_service_set_remedy(
        error, code,
        "the resource has no such route: check endpoint (" AZURE_PREFIX "ENDPOINT), now %s, and route "
        "(" AZURE_PREFIX "ROUTE): v1, deployments with an api_version, or anthropic for Claude",
        service->base_url);
  }
  if (code == MLOOM_E_REFUSED || says(error, "content management policy") || says(error, "content_filter")) {
    return mloom_service_set_remedy(error, MLOOM_E_REFUSED,
                                    "the content filter of the deployment blocked it: change the ticket, or assign the "
                                    "deployment a filter that allows such content");
  }
  if (says(error, "could not be verified")) {
    return mloom_service_set_remedy(error, code,
                                    "let one job talk to one resource: reasoning is readable by the deployment that "
                                    "wrote it only");
  }
  return code;
}
