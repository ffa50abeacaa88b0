/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of this plugin share.
 */
#ifndef MLOOM_VERTEX_AI_H
#define MLOOM_VERTEX_AI_H

#include "address.h"
#include "fields.h"
#include "wire/chat.h"
#include "wire/gemini.h"
#include "wire/messages.h"
#include "wire/service.h"

typedef struct vertex_instance {
  mloom_service service; /* first */
  vertex_place place;
  mloom_google_place names; /* for remedies */
  char *project;            /* where it comes from the credentials; NULL: a setting has it */
  const char *auth_method;
  mloom_dialect claude_dialect;
  mloom_gemini_options gemini;
  mloom_messages_options claude;
  mloom_chat_options chat;
  int stream;
  /* What asks about the default model. */
  mloom_route reach;
  uint32_t reach_dialect;
  mloom_buffer reach_body;
  mloom_bytes reach_segment;
  mloom_http_request reach_request;
  int model_is_proven;  /* the service has counted tokens for the default model */
  int model_is_missing; /* or said that it has none of that name there */
  /* The list of models, page by page. */
  mloom_buffer page_token; /* of the next page; empty: there is none */
  mloom_buffer page_url;
  mloom_http_request page_request;
  int model_is_listed;
} vertex_instance;

/* The route of a conversation with a model, without the path of its operation where method is NULL. */
int32_t vertex_set_route(const vertex_instance *self, const vertex_model *model, const char *method, mloom_route *route,
                         mloom_error *error);

/* ---- probe.c ---- */

/* Describes what is asked of the service to see whether it is reached and has the default model. */
int32_t vertex_prepare_probes(vertex_instance *self, mloom_error *error);
int32_t vertex_probe(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error);
int32_t vertex_probe_result(void *instance, uint32_t kind, int32_t http_status, const char *body, size_t body_size,
                            const mloom_probe_sink *sink, mloom_error *error);
int vertex_read_models(const char *body, size_t size, const mloom_probe_sink *sink, mloom_model_page *page);

#endif
