/* SPDX-License-Identifier: Apache-2.0
 *
 * What every provider that asks a service over HTTP has in common: instances, sessions that speak a wire, and probes.
 * The provider says of itself where the service is, how it is authorized, which headers it wants and which wire.
 */
#ifndef MLOOM_WIRE_SERVICE_H
#define MLOOM_WIRE_SERVICE_H

#include "dialect.h"
#include "model_list.h"
#include "provider_settings.h"

#define MLOOM_ROUTE_HEADERS 12u

/* How to ask the service for one thing. What headers, authorization and options point to outlives the route. */
typedef struct mloom_route {
  const mloom_dialect *dialect;
  const void *options; /* of the dialect */
  char *url;           /* the route's own */
  const char *method;
  mloom_header header_storage[MLOOM_ROUTE_HEADERS];
  const mloom_header *headers[MLOOM_ROUTE_HEADERS];
  size_t header_count;
  const mloom_authorization *authorization;
} mloom_route;

/* Neither keeps a value that is NULL or empty. */
void mloom_route_add_header(mloom_route *route, const char *name, const char *value);
/* Content-Type and Accept of a request with a JSON body, answered by a stream of events or a document. */
void mloom_route_add_json_headers(mloom_route *route, int stream);

typedef struct mloom_service mloom_service;

typedef struct mloom_service_type {
  const char *id;
  const char *environment_prefix; /* "JCA_OPENAI_" */
  size_t size;                    /* of the provider's instance, which begins with its mloom_service */
  /* Reads the settings: fills what follows in mloom_service, and the provider's own. */
  int32_t (*configure)(mloom_service *service, mloom_error *error);
  /* Frees the provider's own; optional. Called after a failed configure too. */
  void (*release)(mloom_service *service);
  /* How a conversation with args->model is to be held. route is empty but for the authorization. */
  int32_t (*set_route)(mloom_service *service, const mloom_session_args *args, mloom_route *route, mloom_error *error);
  /* Asked before each attempt of a turn, and before a probe: what to use in place of route->authorization, where that
   * changes with what the service answered before. Called by several threads at once. Optional. */
  const mloom_authorization *(*choose_authorization)(mloom_service *service, const mloom_route *route);
  /* After an attempt or probe that failed: error is filled, and may be made to say more. Returns the code to give.
   * model is "" when none is known. Optional. */
  int32_t (*explain)(mloom_service *service, const char *model, int32_t code, mloom_error *error);
  /* Reads the body of a list of models, and returns whether it was one; NULL: mloom_model_list_read_page. */
  int (*read_models)(const char *body, size_t size, const mloom_probe_sink *sink, mloom_model_page *page);
  /* The member of the query that asks for what follows, with the token of a page. NULL: the token is the whole address,
   * which has to be below base_url, or lists come whole. */
  const char *page_member;
} mloom_service_type;

struct mloom_service {
  const mloom_service_type *type;
  mloom_provider_settings settings;
  const char *default_model; /* of the setting "model"; "" when it is unset */
  char *base_url;            /* without slashes at its end */
  char *audience;            /* scheme and authority of base_url: a key goes nowhere else */
  mloom_authorization authorization;
  mloom_service_names names; /* model is set for each session */
  char address_field[96];    /* "base_url (JCA_OPENAI_BASE_URL)" */
  /* Asks for the list of models, and shows whether the service is reached; no probes while its url is NULL. Its dialect
   * is the one that error answers are read as. */
  mloom_route probe;
  int has_no_model_list; /* the probe shows only whether the service is reached */
  mloom_http_request probe_request;
  char *next_page; /* url of the part of the list that is asked for next */
};

/* ---- For configure ---- */

/* Sets base_url, audience and the names that go with it. field is the name of the setting that holds the address.
 * MLOOM_E_NOT_CONFIGURED when it is unset and fallback is NULL, MLOOM_E_INVALID for a query or fragment. */
int32_t mloom_service_set_base_url(mloom_service *service, const char *field, const char *fallback, mloom_error *error);
/* As above for an address that does not come from the setting alone. url is not NULL. */
int32_t mloom_service_set_address(mloom_service *service, const char *field, const char *url, mloom_error *error);
/* Cuts end off the end of base_url if it is there. */
void mloom_service_strip_base_url(mloom_service *service, const char *end);
/* The credential goes into header after prefix, asked of the one source. flags are MLOOM_AUTHORIZATION_... */
void mloom_service_set_authorization(mloom_service *service, const char *const *sources, uint32_t flags,
                                     const char *header, const char *prefix);
/* route->url = base_url and path. */
int32_t mloom_service_set_url(const mloom_service *service, mloom_route *route, const char *path, mloom_error *error);

/* ---- For explain ---- */

/* Says code and the remedy in the place of those that error has; what the service said stays. Returns
 * code. */
__attribute__((format(printf, 3, 4))) int32_t mloom_service_set_remedy(mloom_error *error, int32_t code,
                                                                       const char *format, ...);

/* ---- For check ---- */

/* Warns when the credential goes over the network unencrypted. Returns whether it did. */
int mloom_service_check_encryption(const mloom_service *service, const mloom_probe_sink *sink);
/* Fails when thinking is "enabled" with a budget that leaves nothing of limit, the output tokens of a turn (0: not
 * set). Returns whether it did. */
int mloom_service_check_thinking(const mloom_service *service, const mloom_probe_sink *sink, const char *thinking,
                                 uint64_t budget, uint64_t limit);
/* Warns when base_url has no path, where most servers have their API below /v1. Returns whether it did. */
int mloom_service_check_path(const mloom_service *service, const mloom_probe_sink *sink);
/* Tells the outcome of "settings". The remedy may have one %s for "base_url (JCA_..._BASE_URL)". */
void mloom_service_report_settings(const mloom_service *service, const mloom_probe_sink *sink, uint32_t state,
                                   const char *reason, const char *remedy);
void mloom_service_report_plausible(const mloom_service *service, const mloom_probe_sink *sink);

/* ---- The functions of the provider ---- */

int32_t mloom_service_open(const mloom_service_type *type, const mloom_open_args *args, void **out_instance,
                           mloom_error *error);
void mloom_service_close(void *instance);
int32_t mloom_service_session_new(void *instance, const mloom_session_args *args, void **out_session,
                                  mloom_error *error);
void mloom_service_session_free(void *session);
int32_t mloom_service_append(void *session, const mloom_message *message, mloom_error *error);
int32_t mloom_service_prepare(void *session, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error);
int32_t mloom_service_header(void *session, int32_t http_status, const char *name, const char *value,
                             mloom_error *error);
int32_t mloom_service_feed(void *session, const char *data, size_t size, const mloom_event_sink *sink,
                           mloom_error *error);
int32_t mloom_service_finish(void *session, const mloom_exchange_end *end, const mloom_event_sink *sink,
                             mloom_turn_result *out, mloom_error *error);
int32_t mloom_service_probe(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error);
int32_t mloom_service_probe_result(void *instance, uint32_t kind, int32_t http_status, const char *body,
                                   size_t body_size, const mloom_probe_sink *sink, mloom_error *error);

/* For the descriptor of a provider: what all that stand on this have alike. open and check are its own; so are probe
 * and probe_result where it asks more than for the list of models. */
#define MLOOM_SERVICE_PROVIDER                                                                                        \
  .size = (uint32_t)sizeof(mloom_provider), .shape = MLOOM_SHAPE_MODEL, .threads = MLOOM_THREADS_PARALLEL,            \
  .close = mloom_service_close, .session_new = mloom_service_session_new, .session_free = mloom_service_session_free, \
  .append = mloom_service_append, .prepare = mloom_service_prepare, .header = mloom_service_header,                   \
  .feed = mloom_service_feed, .finish = mloom_service_finish
#define MLOOM_SERVICE_PROBES .probe = mloom_service_probe, .probe_result = mloom_service_probe_result

/* The descriptor of a plugin that has this one provider; needs config.h. */
#define MLOOM_SERVICE_PLUGIN(PROVIDER, NAME, DESCRIPTION)                                               \
  {                                                                                                     \
    .size = (uint32_t)sizeof(mloom_plugin), .abi_major = MLOOM_ABI_MAJOR, .abi_minor = MLOOM_ABI_MINOR, \
    .name = (NAME), .version = PACKAGE_VERSION, .description = (DESCRIPTION),                           \
    .providers = (const mloom_provider *const[]){&(PROVIDER)}, .provider_count = 1,                     \
  }

/* For mergeloom_plugin_init_v1: plugin, or NULL with the reason when the host gives no settings. */
const mloom_plugin *mloom_service_plugin(const mloom_plugin *plugin, const mloom_host *host, char *error_text,
                                         size_t error_size);

#endif
