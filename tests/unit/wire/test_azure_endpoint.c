/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "azure-foundry/azure_endpoint.h"
#include "wire/endpoint.h"

#define V1 MLOOM_AZURE_ROUTE_V1
#define DEPLOYMENTS MLOOM_AZURE_ROUTE_DEPLOYMENTS
#define ANTHROPIC MLOOM_AZURE_ROUTE_ANTHROPIC
#define CHAT MLOOM_AZURE_API_CHAT
#define RESPONSES MLOOM_AZURE_API_RESPONSES
#define RESOURCE "https://r.openai.azure.com"
#define FOUNDRY "https://r.services.ai.azure.com"

/* Every shape in which portals and guides show an address. */
static void test_shapes(void) {
  static const struct {
    const char *url;
    const char *base;
    uint32_t route;
    uint32_t api;
    const char *deployment;
    const char *api_version;
    int is_project;
  } cases[] = {
      {RESOURCE, RESOURCE, 0, 0, NULL, NULL, 0},
      {RESOURCE "//", RESOURCE, 0, 0, NULL, NULL, 0},
      {RESOURCE "/openai/", RESOURCE, 0, 0, NULL, NULL, 0},
      {RESOURCE "/openai/v1/", RESOURCE, V1, 0, NULL, NULL, 0},
      {RESOURCE "/openai/v1/chat/completions", RESOURCE, V1, CHAT, NULL, NULL, 0},
      {RESOURCE "/openai/v1/responses?api-version=preview", RESOURCE, V1, RESPONSES, NULL, "preview", 0},
      {RESOURCE "/openai/v1/models", RESOURCE, V1, 0, NULL, NULL, 0},
      {RESOURCE "/openai/responses?api-version=2025-04-01-preview", RESOURCE, 0, RESPONSES, NULL, "2025-04-01-preview",
       0},
      {RESOURCE "/openai/deployments/gpt%2D4o/chat/completions?api-version=2024-10-21", RESOURCE, DEPLOYMENTS, CHAT,
       "gpt-4o", "2024-10-21", 0},
      {RESOURCE "/openai/deployments/d", RESOURCE, DEPLOYMENTS, 0, "d", NULL, 0},
      {FOUNDRY "/anthropic", FOUNDRY, ANTHROPIC, 0, NULL, NULL, 0},
      {FOUNDRY "/anthropic/v1/messages", FOUNDRY, ANTHROPIC, 0, NULL, NULL, 0},
      {FOUNDRY "/api/projects/p", FOUNDRY "/api/projects/p", 0, 0, NULL, NULL, 1},
      {FOUNDRY "/api/projects/p/openai/v1/responses", FOUNDRY "/api/projects/p", V1, RESPONSES, NULL, NULL, 1},
      {FOUNDRY "/api/projects/", FOUNDRY "/api/projects", 0, 0, NULL, NULL, 0},
      {"https://api/projects/p", "https://api/projects/p", 0, 0, NULL, NULL, 0},
      {"https://responses", "https://responses", 0, 0, NULL, NULL, 0},
      {"https://gateway.example/team", "https://gateway.example/team", 0, 0, NULL, NULL, 0},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_azure_endpoint endpoint;
    CU_ASSERT_EQUAL_FATAL(mloom_azure_endpoint_parse(&endpoint, cases[i].url, "endpoint", NULL), MLOOM_OK);
    UNIT_ASSERT_STRING(endpoint.base, cases[i].base);
    CU_ASSERT_EQUAL(endpoint.route, cases[i].route);
    CU_ASSERT_EQUAL(endpoint.api, cases[i].api);
    CU_ASSERT_EQUAL(endpoint.is_project, cases[i].is_project);
    UNIT_ASSERT_STRING(endpoint.deployment == NULL ? "-" : endpoint.deployment,
                       cases[i].deployment == NULL ? "-" : cases[i].deployment);
    UNIT_ASSERT_STRING(endpoint.api_version == NULL ? "-" : endpoint.api_version,
                       cases[i].api_version == NULL ? "-" : cases[i].api_version);
    mloom_azure_endpoint_free(&endpoint);
  }
}

static void test_refused(void) {
  static const char *const urls[] = {
      "r.openai.azure.com",
      "ftp://r.openai.azure.com",
      "https://user@r.openai.azure.com",
      RESOURCE "#x",
      RESOURCE "/openai/deployments/a/b",
      RESOURCE "?sv=2024",
      RESOURCE "?api-version=",
      RESOURCE "?api-version=1&x=2",
      RESOURCE "?api-version=a%0Ab",
  };
  for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
    mloom_azure_endpoint endpoint;
    mloom_error error = MLOOM_ERROR_INIT;
    CU_ASSERT_EQUAL(mloom_azure_endpoint_parse(&endpoint, urls[i], "endpoint (X_ENDPOINT)", &error), MLOOM_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.remedy, "endpoint (X_ENDPOINT)"));
    mloom_azure_endpoint_free(&endpoint);
  }
}

/* The addresses that openai's AzureOpenAI and Anthropic's AnthropicFoundry use; tests/e2e compares them live. */
static void test_urls(void) {
  static const struct {
    const char *endpoint;
    uint32_t route;
    const char *operation;
    const char *deployment;
    const char *api_version;
    const char *url;
  } cases[] = {
      {RESOURCE, V1, "chat/completions", "d", NULL, RESOURCE "/openai/v1/chat/completions"},
      {RESOURCE, V1, "responses", "d", "preview", RESOURCE "/openai/v1/responses?api-version=preview"},
      {RESOURCE, DEPLOYMENTS, "chat/completions", "d", "2024-10-21",
       RESOURCE "/openai/deployments/d/chat/completions?api-version=2024-10-21"},
      {RESOURCE, DEPLOYMENTS, "chat/completions", "a/../b c?", "2024-10-21",
       RESOURCE "/openai/deployments/a%2F..%2Fb%20c%3F/chat/completions?api-version=2024-10-21"},
      {RESOURCE, DEPLOYMENTS, "responses", "d", "2025-04-01-preview",
       RESOURCE "/openai/responses?api-version=2025-04-01-preview"},
      {FOUNDRY, ANTHROPIC, "messages", "d", "2024-10-21", FOUNDRY "/anthropic/v1/messages"},
      {FOUNDRY "/api/projects/p", V1, "responses", "d", NULL, FOUNDRY "/api/projects/p/openai/v1/responses"},
      {FOUNDRY "/api/projects/p", ANTHROPIC, "messages", "d", NULL, FOUNDRY "/anthropic/v1/messages"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_azure_endpoint endpoint;
    CU_ASSERT_EQUAL_FATAL(mloom_azure_endpoint_parse(&endpoint, cases[i].endpoint, "endpoint", NULL), MLOOM_OK);
    char *url = mloom_azure_endpoint_url(&endpoint, cases[i].route, cases[i].operation, cases[i].deployment,
                                         cases[i].api_version);
    UNIT_ASSERT_STRING(url, cases[i].url);
    free(url);
    mloom_azure_endpoint_free(&endpoint);
  }
}

static void test_scopes(void) {
  static const struct {
    const char *endpoint;
    const char *first;
    const char *second;
    int is_azure;
  } cases[] = {
      {RESOURCE, "https://cognitiveservices.azure.com/.default", "https://ai.azure.com/.default", 1},
      {"https://r.cognitiveservices.azure.com", "https://cognitiveservices.azure.com/.default",
       "https://ai.azure.com/.default", 1},
      {FOUNDRY, "https://ai.azure.com/.default", "https://cognitiveservices.azure.com/.default", 1},
      {"https://R.SERVICES.AI.AZURE.COM", "https://ai.azure.com/.default",
       "https://cognitiveservices.azure.com/.default", 1},
      {FOUNDRY "/api/projects/p", "https://ai.azure.com/.default", NULL, 1},
      {"https://r.openai.azure.us", "https://cognitiveservices.azure.us/.default", "https://ai.azure.us/.default", 1},
      {"https://r.openai.azure.cn", "https://cognitiveservices.azure.cn/.default", "https://ai.azure.cn/.default", 1},
      {"https://gateway.example", "https://cognitiveservices.azure.com/.default", "https://ai.azure.com/.default", 0},
      {"https://notazure.com", "https://cognitiveservices.azure.com/.default", "https://ai.azure.com/.default", 0},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_azure_endpoint endpoint;
    CU_ASSERT_EQUAL_FATAL(mloom_azure_endpoint_parse(&endpoint, cases[i].endpoint, "endpoint", NULL), MLOOM_OK);
    const char *second = mloom_azure_endpoint_scope(&endpoint, 1);
    UNIT_ASSERT_STRING(mloom_azure_endpoint_scope(&endpoint, 0), cases[i].first);
    UNIT_ASSERT_STRING(second == NULL ? "-" : second, cases[i].second == NULL ? "-" : cases[i].second);
    CU_ASSERT_PTR_NULL(mloom_azure_endpoint_scope(&endpoint, 2));
    CU_ASSERT_EQUAL(mloom_azure_endpoint_is_azure(&endpoint), cases[i].is_azure);
    mloom_azure_endpoint_free(&endpoint);
  }
}

static void test_services(void) {
  static const struct {
    const char *endpoint;
    int is_service;
  } cases[] = {
      {RESOURCE, 1},
      {FOUNDRY "/api/projects/p", 1},
      {"https://r.cognitiveservices.azure.com", 1},
      {"https://r.privatelink.openai.azure.com", 1},
      {"https://r.openai.azure.us", 1},
      {"https://r.openai.azure.cn", 1},
      {"https://eastus.api.cognitive.microsoft.com", 1},
      {"https://r.eastus.cloudapp.azure.com", 0}, /* a customer's machine */
      {"https://r.azure-api.net", 0},             /* a customer's API Management */
      {"https://r.notopenai.azure.com", 0},
      {"https://openai.azure.com.example", 0},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_azure_endpoint endpoint;
    CU_ASSERT_EQUAL_FATAL(mloom_azure_endpoint_parse(&endpoint, cases[i].endpoint, "endpoint", NULL), MLOOM_OK);
    CU_ASSERT_EQUAL(mloom_azure_endpoint_is_service(&endpoint), cases[i].is_service);
    mloom_azure_endpoint_free(&endpoint);
  }
}

static void test_parts(void) {
  CU_ASSERT_EQUAL(mloom_endpoint_origin_size("https://h:1/a/b"), strlen("https://h:1"));
  CU_ASSERT_EQUAL(mloom_endpoint_origin_size("https://h"), strlen("https://h"));
  CU_ASSERT_EQUAL(mloom_endpoint_trimmed_size("https://h/a//"), strlen("https://h/a"));
  CU_ASSERT(mloom_endpoint_host_is_in("https://a.b.example:8/x", "B.example"));
  CU_ASSERT(mloom_endpoint_host_is_in("https://b.example", "b.example"));
  CU_ASSERT(!mloom_endpoint_host_is_in("https://ab.example", "b.example"));
  CU_ASSERT(!mloom_endpoint_host_is_in("https://evil.test/b.example", "b.example"));
  CU_ASSERT(!mloom_endpoint_host_is_in("https://user@b.example", "b.example"));
  CU_ASSERT(mloom_endpoint_is_unencrypted("http://h/"));
  CU_ASSERT(!mloom_endpoint_is_unencrypted("http://127.0.0.1:8/"));
  CU_ASSERT(!mloom_endpoint_is_unencrypted("https://h/"));
  CU_ASSERT(mloom_endpoint_ends_with("https://h/V1", "/v1"));
  CU_ASSERT(!mloom_endpoint_ends_with("v1", "/v1"));
}

static const unit_test tests[] = {
    {"shapes of addresses", test_shapes}, {"refused addresses", test_refused}, {"addresses of operations", test_urls},
    {"scopes of tokens", test_scopes},    {"parts of addresses", test_parts},  {"hosts of the services", test_services},
};
UNIT_MAIN("azure endpoint", tests)
