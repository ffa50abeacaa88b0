/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/endpoint.h"

#define PREFIX "JCA_VERTEX_"

/* ---- Locations ---- */

int vertex_is_location(const char *location) {
  size_t size = strspn(location, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return size > 0 && size <= 40 && location[size] == '\0' && location[0] != '-' && location[size - 1] != '-';
}

int vertex_is_known_location(const char *location) {
  static const char *const known[] = {"global",
                                      "us",
                                      "eu",
                                      "africa-south1",
                                      "asia-east1",
                                      "asia-east2",
                                      "asia-northeast1",
                                      "asia-northeast2",
                                      "asia-northeast3",
                                      "asia-south1",
                                      "asia-south2",
                                      "asia-southeast1",
                                      "asia-southeast2",
                                      "australia-southeast1",
                                      "australia-southeast2",
                                      "europe-central2",
                                      "europe-north1",
                                      "europe-southwest1",
                                      "europe-west1",
                                      "europe-west2",
                                      "europe-west3",
                                      "europe-west4",
                                      "europe-west6",
                                      "europe-west8",
                                      "europe-west9",
                                      "europe-west12",
                                      "me-central1",
                                      "me-central2",
                                      "me-west1",
                                      "northamerica-northeast1",
                                      "northamerica-northeast2",
                                      "southamerica-east1",
                                      "southamerica-west1",
                                      "us-central1",
                                      "us-east1",
                                      "us-east4",
                                      "us-east5",
                                      "us-south1",
                                      "us-west1",
                                      "us-west2",
                                      "us-west3",
                                      "us-west4"};
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    if (strcmp(known[i], location) == 0) {
      return 1;
    }
  }
  return 0;
}

int32_t vertex_append_host(mloom_buffer *out, const char *location) {
  if (strcmp(location, "global") == 0) {
    return mloom_buffer_append_string(out, "aiplatform.googleapis.com");
  }
  if (strcmp(location, "us") == 0 || strcmp(location, "eu") == 0) {
    return mloom_buffer_append_format(out, "aiplatform.%s.rep.googleapis.com", location);
  }
  return mloom_buffer_append_format(out, "%s-aiplatform.googleapis.com", location);
}

/* ---- Methods ---- */

static const struct {
  uint32_t dialect;
  const char *whole;
  const char *streamed;
} methods[] = {
    {VERTEX_GEMINI, ":generateContent", ":streamGenerateContent?alt=sse"},
    {VERTEX_CLAUDE, ":rawPredict", ":streamRawPredict"},
};

const char *vertex_method(uint32_t dialect, int stream) {
  for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
    if (methods[i].dialect == dialect) {
      return stream ? methods[i].streamed : methods[i].whole;
    }
  }
  return "";
}

/* The dialect of an operation's name, 0 when it is none that holds a conversation. */
static uint32_t dialect_of(mloom_bytes method) {
  for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
    mloom_bytes streamed = {methods[i].streamed, strcspn(methods[i].streamed, "?")};
    if (mloom_text_equal(method, methods[i].whole) ||
        (method.size == streamed.size && memcmp(method.data, streamed.data, method.size) == 0)) {
      return methods[i].dialect;
    }
  }
  return 0;
}

/* ---- Raw addresses ---- */

static int32_t refuse_address(mloom_error *error, const char *what) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                         "set endpoint_url (" PREFIX "ENDPOINT_URL) to an address as "
                         "https://HOST/v1/projects/PROJECT/locations/LOCATION/publishers/google/models/MODEL, with or "
                         "without :generateContent",
                         "endpoint_url of vertex-ai %s", what);
}

static int32_t set_texts(vertex_place *out, mloom_bytes root, mloom_bytes resource, mloom_error *error) {
  static const char *const collections[] = {"projects/", "locations/", "publishers/"};
  out->root = mloom_text_dup(root);
  out->resource = mloom_text_dup(resource);
  if (out->root == NULL || out->resource == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < sizeof(collections) / sizeof(collections[0]); i++) {
    /* Of the chat address they stand in the root. */
    const char *found = strstr(out->dialect == VERTEX_CHAT ? out->root : out->resource, collections[i]);
    if (found != NULL) {
      found += strlen(collections[i]);
      mloom_text_copy(out->named[i], sizeof(out->named[i]), (mloom_bytes){found, strcspn(found, "/")});
    }
  }
  return MLOOM_OK;
}

int32_t vertex_place_read(vertex_place *out, const char *url, mloom_error *error) {
  static const char chat[] = "/chat/completions";
  size_t origin = mloom_endpoint_origin_size(url);
  mloom_bytes path = {url + origin, strcspn(url + origin, "?#")};
  const char *rest = path.data + path.size;
  if (rest[0] != '\0' && strcmp(rest, "?alt=sse") != 0) {
    return refuse_address(error, "has a query or fragment");
  }
  while (path.size > 0 && path.data[path.size - 1] == '/') {
    path.size--;
  }
  if (path.size > sizeof(chat) - 1 && memcmp(path.data + path.size - (sizeof(chat) - 1), chat, sizeof(chat) - 1) == 0) {
    out->dialect = VERTEX_CHAT;
    return set_texts(out, (mloom_bytes){url, origin + path.size - (sizeof(chat) - 1)},
                     (mloom_bytes){chat + 1, sizeof(chat) - 2}, error);
  }
  size_t last = path.size;
  while (last > 0 && path.data[last - 1] != '/') {
    last--;
  }
  const char *colon = last < path.size ? memchr(path.data + last, ':', path.size - last) : NULL;
  if (colon != NULL) {
    mloom_bytes method = {colon, path.size - (size_t)(colon - path.data)};
    uint32_t dialect = dialect_of(method);
    if (dialect == 0) {
      return refuse_address(error, "ends with an operation that holds no conversation");
    }
    out->dialect = out->dialect == 0 ? dialect : out->dialect;
    path.size = (size_t)(colon - path.data);
  }
  const char *resource = memmem(path.data, path.size, "/projects/", 10);
  resource = resource == NULL ? memmem(path.data, path.size, "/publishers/", 12) : resource;
  resource = resource == NULL ? memmem(path.data, path.size, "/models/", 8) : resource;
  if (resource == NULL || path.size == last) {
    return refuse_address(error, "names no model and no endpoint");
  }
  size_t root = origin + (size_t)(resource - path.data);
  return set_texts(out, (mloom_bytes){url, root},
                   (mloom_bytes){resource + 1, path.size - (size_t)(resource - path.data) - 1}, error);
}

void vertex_place_free(vertex_place *place) {
  free(place->root);
  free(place->resource);
}

/* ---- Models ---- */

static int is_clean(const char *model) {
  size_t size = strspn(model, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:/-");
  return size <= 512 && model[size] == '\0' && strstr(model, "..") == NULL && strstr(model, "//") == NULL &&
         model[0] != '/' && (size == 0 || model[size - 1] != '/');
}

static int begins_with(const char *text, const char *beginning) {
  return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* The model within a resource, NULL when it names none, as an endpoint. */
static const char *model_in(const char *resource) {
  const char *found = strstr(resource, "models/");
  return found == NULL ? NULL : found + strlen("models/");
}

/* What stands before "publishers/". */
static int32_t append_parent(mloom_buffer *out, const vertex_place *place) {
  if (place->resource == NULL) {
    return mloom_buffer_append_format(out, "projects/%s/locations/%s/", place->project, place->location);
  }
  const char *end = strstr(place->resource, "publishers/");
  end = end == NULL ? strstr(place->resource, "models/") : end;
  return mloom_buffer_append(out, place->resource, (size_t)(end - place->resource));
}

static int32_t append_resource(mloom_buffer *out, const vertex_place *place, const char *model) {
  if (place->resource != NULL &&
      (model[0] == '\0' || place->dialect == VERTEX_CHAT || model_in(place->resource) == NULL)) {
    return mloom_buffer_append_string(out, place->resource);
  }
  if (begins_with(model, "projects/")) {
    return mloom_buffer_append_string(out, model);
  }
  if (begins_with(model, "models/")) {
    model += strlen("models/");
  } else if (strchr(model, '/') != NULL) {
    const char *slash = strchr(model, '/');
    int32_t status = append_parent(out, place);
    if (status != MLOOM_OK || begins_with(model, "publishers/")) {
      return status == MLOOM_OK ? mloom_buffer_append_string(out, model) : status;
    }
    return mloom_buffer_append_format(out, "publishers/%.*s/models/%s", (int)(slash - model), model, slash + 1);
  }
  if (place->resource != NULL) {
    int32_t status = mloom_buffer_append(out, place->resource, (size_t)(model_in(place->resource) - place->resource));
    return status == MLOOM_OK ? mloom_buffer_append_string(out, model) : status;
  }
  int32_t status = append_parent(out, place);
  return status == MLOOM_OK ? mloom_buffer_append_format(out, "publishers/%s/models/%s", place->publisher, model)
                            : status;
}

int32_t vertex_model_find(vertex_model *out, const vertex_place *place, const char *model, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer resource = MLOOM_BUFFER_INIT;
  memset(out, 0, sizeof(*out));
  if (!is_clean(model) || (model[0] == '\0' && place->resource == NULL)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_PROVIDER,
                           "name a model as gemini-2.5-pro, anthropic/claude-sonnet-5 or "
                           "publishers/PUBLISHER/models/MODEL",
                           "\"%s\" is no name of a model on Vertex AI", model);
  }
  if (append_resource(&resource, place, model) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  const char *publisher = strstr(mloom_buffer_string(&resource), "publishers/");
  if (publisher != NULL) {
    publisher += strlen("publishers/");
    mloom_text_copy(out->publisher, sizeof(out->publisher), (mloom_bytes){publisher, strcspn(publisher, "/")});
  }
  out->dialect = place->dialect != 0                        ? place->dialect
                 : strcmp(out->publisher, "anthropic") == 0 ? VERTEX_CLAUDE
                                                            : VERTEX_GEMINI;
  out->resource = mloom_buffer_take(&resource);
  return out->resource == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

void vertex_model_free(vertex_model *model) {
  free(model->resource);
}
