/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of models on Vertex AI. Hosts and paths are those that @google/genai and @anthropic-ai/vertex-sdk make.
 */
#include "harness.h"

#include "vertex-ai/address.h"

static void test_global_and_multi_region_hosts_built_from_a_template(void) {
  static const char *const hosts[][2] = {{"global", "aiplatform.googleapis.com"},
                                         {"us", "aiplatform.us.rep.googleapis.com"},
                                         {"eu", "aiplatform.eu.rep.googleapis.com"},
                                         {"us-central1", "us-central1-aiplatform.googleapis.com"},
                                         {"europe-west4", "europe-west4-aiplatform.googleapis.com"}};
  for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
    mloom_buffer host = MLOOM_BUFFER_INIT;
    CU_ASSERT_EQUAL(vertex_append_host(&host, hosts[i][0]), MLOOM_OK);
    CU_ASSERT_STRING_EQUAL(host.data, hosts[i][1]);
    CU_ASSERT(vertex_is_location(hosts[i][0]));
    CU_ASSERT(vertex_is_known_location(hosts[i][0]));
    mloom_buffer_free(&host);
  }
}

static void test_locations(void) {
  static const char *const wrong[] = {
      "",    "us central1", "us-central1/", "US",
      "-us", "us.evil",     "us-central1.", "a-location-that-is-far-too-long-for-any-cloud"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    CU_ASSERT(!vertex_is_location(wrong[i]));
  }
  CU_ASSERT(vertex_is_location("us-cental1"));
  CU_ASSERT(!vertex_is_known_location("us-cental1"));
}

static void expect_model(const vertex_place *place, const char *model, const char *resource, uint32_t dialect) {
  mloom_error error = {.size = sizeof(error)};
  vertex_model found;
  int32_t code = vertex_model_find(&found, place, model, &error);
  CU_ASSERT_EQUAL(code, resource == NULL ? MLOOM_E_INVALID : MLOOM_OK);
  if (resource != NULL && code == MLOOM_OK) {
    if (strcmp(found.resource, resource) != 0) {
      fprintf(stderr, "%s: %s\n", model, found.resource);
    }
    CU_ASSERT_STRING_EQUAL(found.resource, resource);
    CU_ASSERT_EQUAL(found.dialect, dialect);
  }
  vertex_model_free(&found);
}

#define PLACE "projects/p/locations/global/"

static void test_models(void) {
  vertex_place place = {.project = "p", .location = "global", .publisher = "google"};
  expect_model(&place, "gemini-2.5-pro", PLACE "publishers/google/models/gemini-2.5-pro", VERTEX_GEMINI);
  expect_model(&place, "models/gemini-2.5-pro", PLACE "publishers/google/models/gemini-2.5-pro", VERTEX_GEMINI);
  expect_model(&place, "anthropic/claude-sonnet-4-5@20250929",
               PLACE "publishers/anthropic/models/claude-sonnet-4-5@20250929", VERTEX_CLAUDE);
  expect_model(&place, "publishers/anthropic/models/claude-opus-5", PLACE "publishers/anthropic/models/claude-opus-5",
               VERTEX_CLAUDE);
  expect_model(&place, "projects/q/locations/us-east1/endpoints/77", "projects/q/locations/us-east1/endpoints/77",
               VERTEX_GEMINI);
  static const char *const wrong[] = {"",    "a?b",   "a&b", "a/../b", "../x", "a b",
                                      "a#b", "a%2fb", "/a",  "a/",     "a//b", "\xc3\xa9"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    expect_model(&place, wrong[i], NULL, 0);
  }
  place.publisher = "anthropic";
  expect_model(&place, "claude-opus-5", PLACE "publishers/anthropic/models/claude-opus-5", VERTEX_CLAUDE);
  place.dialect = VERTEX_GEMINI;
  expect_model(&place, "claude-opus-5", PLACE "publishers/anthropic/models/claude-opus-5", VERTEX_GEMINI);
}

#define HOST "https://aiplatform.googleapis.com/v1"
#define RESOURCE "projects/q/locations/eu/publishers/"

static const struct {
  const char *url;
  const char *root;
  const char *resource; /* NULL: the address is refused */
  uint32_t dialect;     /* of the model that it names */
} raws[] = {
    {HOST "/" RESOURCE "google/models/m", HOST, RESOURCE "google/models/m", VERTEX_GEMINI},
    {HOST "/" RESOURCE "google/models/m/", HOST, RESOURCE "google/models/m", VERTEX_GEMINI},
    {HOST "/" RESOURCE "google/models/m:generateContent", HOST, RESOURCE "google/models/m", VERTEX_GEMINI},
    {HOST "/" RESOURCE "google/models/m:streamGenerateContent?alt=sse", HOST, RESOURCE "google/models/m",
     VERTEX_GEMINI},
    {HOST "/" RESOURCE "anthropic/models/m@1", HOST, RESOURCE "anthropic/models/m@1", VERTEX_CLAUDE},
    {HOST "/" RESOURCE "anthropic/models/m@1:streamRawPredict", HOST, RESOURCE "anthropic/models/m@1", VERTEX_CLAUDE},
    {HOST "/projects/q/locations/eu/endpoints/7:rawPredict", HOST, "projects/q/locations/eu/endpoints/7",
     VERTEX_CLAUDE},
    {HOST "/projects/q/locations/eu/endpoints/7", HOST, "projects/q/locations/eu/endpoints/7", VERTEX_GEMINI},
    {"http://127.0.0.1:80/a/b/models/m", "http://127.0.0.1:80/a/b", "models/m", VERTEX_GEMINI},
    {HOST "/projects/q/locations/eu/endpoints/openapi/chat/completions",
     HOST "/projects/q/locations/eu/endpoints/openapi", "chat/completions", VERTEX_CHAT},
    {HOST "/" RESOURCE "google/models/m:predict", "", NULL, 0},
    {HOST "/" RESOURCE "google/models/m:generateContent?key=x", "", NULL, 0},
    {HOST "/" RESOURCE "google/models/m#x", "", NULL, 0},
    {HOST, "", NULL, 0},
    {"https://aiplatform.googleapis.com", "", NULL, 0},
};

static void test_raw_addresses(void) {
  for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
    mloom_error error = {.size = sizeof(error)};
    vertex_place place = {.project = NULL};
    int32_t code = vertex_place_read(&place, raws[i].url, &error);
    if ((code == MLOOM_OK) != (raws[i].resource != NULL)) {
      fprintf(stderr, "%s: %d %s\n", raws[i].url, code, error.message);
    }
    CU_ASSERT_EQUAL(code, raws[i].resource == NULL ? MLOOM_E_INVALID : MLOOM_OK);
    if (code == MLOOM_OK) {
      CU_ASSERT_STRING_EQUAL(place.root, raws[i].root);
      CU_ASSERT_STRING_EQUAL(place.resource, raws[i].resource);
      expect_model(&place, "", raws[i].resource, raws[i].dialect);
    } else {
      CU_ASSERT_PTR_NOT_NULL(strstr(error.remedy, "JCA_VERTEX_ENDPOINT_URL"));
    }
    vertex_place_free(&place);
  }
}

static void test_another_model_at_a_raw_address(void) {
  vertex_place place = {.project = NULL};
  CU_ASSERT_EQUAL(vertex_place_read(&place, HOST "/" RESOURCE "google/models/m:generateContent", NULL), MLOOM_OK);
  expect_model(&place, "other", RESOURCE "google/models/other", VERTEX_GEMINI);
  expect_model(&place, "models/other", RESOURCE "google/models/other", VERTEX_GEMINI);
  expect_model(&place, "anthropic/other", RESOURCE "anthropic/models/other", VERTEX_GEMINI);
  expect_model(&place, "publishers/anthropic/models/other", RESOURCE "anthropic/models/other", VERTEX_GEMINI);
  expect_model(&place, "projects/x/locations/y/endpoints/7", "projects/x/locations/y/endpoints/7", VERTEX_GEMINI);
  CU_ASSERT_STRING_EQUAL(place.named[0], "q");
  CU_ASSERT_STRING_EQUAL(place.named[1], "eu");
  CU_ASSERT_STRING_EQUAL(place.named[2], "google");
  vertex_place_free(&place);
  place = (vertex_place){.project = NULL};
  CU_ASSERT_EQUAL(vertex_place_read(&place, HOST "/projects/q/locations/eu/endpoints/7", NULL), MLOOM_OK);
  expect_model(&place, "tuned", "projects/q/locations/eu/endpoints/7", VERTEX_GEMINI);
  vertex_place_free(&place);
}

static void test_methods(void) {
  CU_ASSERT_STRING_EQUAL(vertex_method(VERTEX_GEMINI, 1), ":streamGenerateContent?alt=sse");
  CU_ASSERT_STRING_EQUAL(vertex_method(VERTEX_GEMINI, 0), ":generateContent");
  CU_ASSERT_STRING_EQUAL(vertex_method(VERTEX_CLAUDE, 1), ":streamRawPredict");
  CU_ASSERT_STRING_EQUAL(vertex_method(VERTEX_CLAUDE, 0), ":rawPredict");
  CU_ASSERT_STRING_EQUAL(vertex_method(VERTEX_CHAT, 1), "");
}

static const unit_test tests[] = {
    {"global and multi-region hosts built from a template", test_global_and_multi_region_hosts_built_from_a_template},
    {"locations", test_locations},
    {"models", test_models},
    {"raw addresses", test_raw_addresses},
    {"another model at a raw address", test_another_model_at_a_raw_address},
    {"methods", test_methods},
};
UNIT_MAIN("vertex address", tests)
