/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of models on Vertex AI.
 */
#ifndef MLOOM_VERTEX_AI_ADDRESS_H
#define MLOOM_VERTEX_AI_ADDRESS_H

#include "base/buffer.h"

#define VERTEX_GEMINI 1u
#define VERTEX_CLAUDE 2u
#define VERTEX_CHAT 3u /* the endpoint that imitates OpenAI's: its path names no model */

/* Where models are: in structured mode everything up to the location, else what a raw address was taken apart into. */
typedef struct vertex_place {
  char *root;     /* "https://HOST/v1", or of a raw address all that stands before its resource */
  char *resource; /* of a raw address: "projects/P/locations/L/publishers/X/models/M"; NULL: made of what follows */
  const char *project;
  const char *location;
  const char *publisher; /* of models that name none */
  uint32_t dialect;      /* VERTEX_..., 0: the publisher decides */
  char named[3][80];     /* what a raw address names: project, location, publisher; "" for what it does not */
} vertex_place;

/* The address of one model. */
typedef struct vertex_model {
  char *resource;
  char publisher[64]; /* "" when the resource names none */
  uint32_t dialect;
} vertex_model;

/* "aiplatform.googleapis.com", "aiplatform.us.rep.googleapis.com", "us-east5-aiplatform.googleapis.com". */
int32_t vertex_append_host(mloom_buffer *out, const char *location);
/* Has location the form of one? */
int vertex_is_location(const char *location);
/* Is it a location that this version knows? */
int vertex_is_known_location(const char *location);
/* Takes a raw address apart: with the path of an operation or without, ?alt=sse allowed. MLOOM_E_INVALID with error. */
int32_t vertex_place_read(vertex_place *out, const char *url, mloom_error *error);
void vertex_place_free(vertex_place *place);
/* Finds the resource of model: a name, "publisher/name", "publishers/P/models/M", "projects/...". "" stands for the one
 * that a raw address names. MLOOM_E_INVALID with error. */
int32_t vertex_model_find(vertex_model *out, const vertex_place *place, const char *model, mloom_error *error);
void vertex_model_free(vertex_model *model);
/* ":streamGenerateContent?alt=sse", ...; "" for VERTEX_CHAT. */
const char *vertex_method(uint32_t dialect, int stream);

#endif
