/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of this plugin share.
 */
#ifndef MLOOM_AWS_BEDROCK_AWS_BEDROCK_H
#define MLOOM_AWS_BEDROCK_AWS_BEDROCK_H

#include "wire/converse.h"
#include "wire/messages.h"
#include "wire/service.h"

#define BEDROCK_ENVIRONMENT_PREFIX "JCA_BEDROCK_"

/* The APIs of the setting "api". */
#define BEDROCK_CONVERSE 0u
#define BEDROCK_INVOKE 1u
#define BEDROCK_MANTLE 2u

/* The lists that are read one after the other. */
#define BEDROCK_LIST_MODELS 0u
#define BEDROCK_LIST_SYSTEM_PROFILES 1u
#define BEDROCK_LIST_APPLICATION_PROFILES 2u
#define BEDROCK_LIST_END 3u

typedef struct bedrock_instance {
  mloom_service service;
  uint32_t api; /* BEDROCK_CONVERSE, ... */
  int stream;
  int uses_bearer;
  char *region;
  char *scope;        /* SERVICE/REGION: what requests are signed for */
  char *list_address; /* of the control plane, without a slash at its end; NULL: unknown */
  char *list_audience;
  char *list_scope;
  mloom_authorization list_authorization;
  mloom_converse_options converse;
  mloom_converse_options converse_cached; /* the same for models that keep a cache */
  mloom_messages_options messages;
  const char *anthropic_version; /* of mantle; for invoke it is one of the options of messages */
  const char *caching;           /* "auto", "on", "off" */
  /* The probe that is under way. */
  uint32_t list;
  mloom_buffer next_token; /* of its next page, encoded */
  char *probe_url;
  mloom_bytes probe_body;
  mloom_route probe_route;
  mloom_http_request probe_request;
} bedrock_instance;

/* ---- fields.c ---- */

#define BEDROCK_FIELD_COUNT 26
extern const mloom_field *const bedrock_fields[BEDROCK_FIELD_COUNT];

/* ---- place.c ---- */

/* Appends text with everything but letters, digits and -._~ encoded, so that it is one segment of a path. */
int32_t bedrock_append_segment(mloom_buffer *out, const char *text);
/* The region of an ARN; empty when text is none or names none. */
mloom_bytes bedrock_arn_region(const char *text);
/* Is it called as AWS calls its regions? */
int bedrock_region_is_usual(const char *region);
/* Does the model keep a prompt cache, as far as its id tells? */
int bedrock_has_cache(const char *model);
/* Finds region and addresses. MLOOM_E_NOT_CONFIGURED, MLOOM_E_INVALID, MLOOM_E_MEMORY. */
int32_t bedrock_find_place(bedrock_instance *self, mloom_error *error);
/* The path of one turn with model, below base_url. */
int32_t bedrock_append_path(const bedrock_instance *self, mloom_buffer *out, const char *model);
/* The region that the host of url names; empty when it names none. */
mloom_bytes bedrock_host_region(const char *url);

/* ---- bearer_key.c ---- */

/* Reports a short-term Bedrock API key that has expired or is for another region. Returns whether it did. */
int bedrock_check_bearer_key(const bedrock_instance *self, const mloom_probe_sink *sink);

/* ---- invoke.c ---- */

/* Messages in the frames of InvokeModelWithResponseStream; options: mloom_messages_options. */
const mloom_dialect *bedrock_invoke_dialect(void);

/* ---- probe.c ---- */

int32_t bedrock_probe(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error);
int32_t bedrock_probe_result(void *instance, uint32_t kind, int32_t http_status, const char *body, size_t body_size,
                             const mloom_probe_sink *sink, mloom_error *error);

#endif
