/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the Azure identities share.
 */
#ifndef MLOOM_CREDENTIAL_AZURE_AZURE_H
#define MLOOM_CREDENTIAL_AZURE_AZURE_H

#include <stdatomic.h>

#include "base/buffer.h"
#include <mergeloom/plugin.h>

/* One source, opened for one provider. */
typedef struct mloom_azure_source {
  const mloom_host *host;
  const char *root;               /* before paths that the platform fixes: "" */
  atomic_int_least64_t resume_ms; /* monotonic: the service asked not to be asked before */
  atomic_int has_answered;        /* the instance metadata service is there */
} mloom_azure_source;

/* One fetch. */
typedef struct mloom_azure_fetch {
  mloom_azure_source *source;
  mloom_call *call;
  const mloom_settings *settings;
  const char *audience;
} mloom_azure_fetch;

/* ---- settings.c ---- */

/* A field of the provider, or the vendor's variable where the provider has no such field. */
typedef struct mloom_azure_value {
  const char *text;      /* NULL when unset or secret */
  mloom_setting setting; /* when it is a field; its secret is borrowed */
  const char *origin;    /* safe to show */
  int declared;          /* the provider has the field */
} mloom_azure_value;

/* variable may be NULL. */
mloom_azure_value mloom_azure_get(const mloom_azure_source *source, const mloom_settings *settings, const char *field,
                                  const char *variable);
/* Was this method asked for by name, so that what it lacks is an error? */
int mloom_azure_is_method(const mloom_azure_source *source, const mloom_settings *settings, const char *method);

/* The application that asks for tokens. */
typedef struct mloom_azure_application {
  const char *tenant;
  const char *client;
} mloom_azure_application;

/* MLOOM_E_NOT_CONFIGURED: one of the two is missing; MLOOM_E_INVALID: the tenant or the authority cannot be used. */
int32_t mloom_azure_find_application(const mloom_azure_source *source, const mloom_settings *settings,
                                     mloom_azure_application *out, mloom_error *error);
/* Appends AUTHORITY/TENANT/oauth2/v2.0/token. */
int32_t mloom_azure_token_url(mloom_buffer *out, const mloom_azure_source *source, const mloom_settings *settings,
                              const char *tenant, mloom_error *error);
/* What this machine's files prove is not for an authority of another's choice, a card's or a gateway's: it goes to
 * those of Azure's clouds, or to the one that the deployment names. what is the proof. MLOOM_E_DENIED. */
int32_t mloom_azure_check_authority(const mloom_azure_fetch *fetch, const char *what, mloom_error *error);
/* Appends the scope, which ends with /.default, or the resource, which does not. MLOOM_E_NOT_CONFIGURED,
 * MLOOM_E_INVALID. */
int32_t mloom_azure_append_scope(mloom_buffer *out, const char *audience, mloom_error *error);
int32_t mloom_azure_append_resource(mloom_buffer *out, const char *audience, mloom_error *error);

/* ---- exchange.c ---- */

/* Appends client_id, scope and grant_type to form. */
int32_t mloom_azure_begin_form(mloom_buffer *form, const mloom_azure_fetch *fetch, const char *client,
                               mloom_error *error);
int32_t mloom_azure_add_field(mloom_buffer *form, const char *name, mloom_bytes value, mloom_error *error);
/* Appends client_assertion_type and client_assertion. */
int32_t mloom_azure_add_assertion(mloom_buffer *form, mloom_bytes assertion, mloom_error *error);
/* Sends form to the token endpoint at url and fills out but for its description. clock_offset_ms is filled on a
 * refusal: how far Entra's clock is ahead of ours, when by minutes. */
int32_t mloom_azure_exchange(const mloom_azure_fetch *fetch, const char *url, const mloom_buffer *form,
                             int64_t *clock_offset_ms, mloom_credential *out, mloom_error *error);
/* Fills out from the body of a good answer. by_moment: expires_on counts too, where it is earlier. */
int32_t mloom_azure_take_token(const mloom_azure_fetch *fetch, mloom_bytes body, int64_t asked_wall_ms, int by_moment,
                               mloom_credential *out, mloom_error *error);
/* MLOOM_E_RATE_LIMITED before the moment that the service named; and naming one. */
int32_t mloom_azure_check_resume(const mloom_azure_fetch *fetch, mloom_error *error);
void mloom_azure_set_resume(const mloom_azure_fetch *fetch, int64_t wait_ms);

/* ---- refusal.c ---- */

/* What an error answer of the token endpoint means. Returns the code. retry_after_ms: -1 when unknown. clock_offset_ms:
 * how far Entra's clock is ahead of ours, when by minutes. */
int32_t mloom_azure_refused(const mloom_host *host, int32_t status, mloom_bytes body, int64_t retry_after_ms,
                            int64_t clock_offset_ms, mloom_error *error);

/* ---- The four identities: probe and fetch each ---- */

int32_t mloom_azure_secret_probe(mloom_azure_source *source, const mloom_settings *settings, mloom_error *error);
int32_t mloom_azure_secret_fetch(const mloom_azure_fetch *fetch, mloom_credential *out, mloom_error *error);
int32_t mloom_azure_certificate_probe(mloom_azure_source *source, const mloom_settings *settings, mloom_error *error);
int32_t mloom_azure_certificate_fetch(const mloom_azure_fetch *fetch, mloom_credential *out, mloom_error *error);
int32_t mloom_azure_workload_probe(mloom_azure_source *source, const mloom_settings *settings, mloom_error *error);
int32_t mloom_azure_workload_fetch(const mloom_azure_fetch *fetch, mloom_credential *out, mloom_error *error);
int32_t mloom_azure_managed_probe(mloom_azure_source *source, const mloom_settings *settings, mloom_error *error);
int32_t mloom_azure_managed_fetch(const mloom_azure_fetch *fetch, mloom_credential *out, mloom_error *error);

/* ---- assertion.c ---- */

/* Appends the assertion of client for the token endpoint audience, signed at the time now_s with the key of identity,
 * which is PEM of a key and its certificate. with_chain: the certificates go along, so that a renewed one is trusted by
 * its issuer. */
int32_t mloom_azure_sign_assertion(mloom_buffer *out, const mloom_host *host, const mloom_secret *identity,
                                   const char *client, const char *audience, int with_chain, int64_t now_s,
                                   mloom_error *error);

/* ---- platform.c ---- */

#define AZURE_PLATFORM_IMDS 0u
#define AZURE_PLATFORM_APP_SERVICE 1u
#define AZURE_PLATFORM_MACHINE_LEARNING 2u
#define AZURE_PLATFORM_ARC 3u

/* Where this machine's identity is asked for, and how. */
typedef struct mloom_azure_platform {
  uint32_t kind; /* AZURE_PLATFORM_... */
  const char *name;
  mloom_buffer url; /* without query */
  const char *api_version;
  const char *header; /* "Metadata", "X-IDENTITY-HEADER", "secret" */
  const char *value;
  const char *client_id_name; /* of the query; NULL: not supported */
  const char *object_id_name;
  const char *resource_id_name;
} mloom_azure_platform;

/* MLOOM_E_UNSUPPORTED: the platform is known and cannot be used; MLOOM_E_INVALID: its address cannot. */
int32_t mloom_azure_find_platform(const mloom_azure_source *source, mloom_azure_platform *out, mloom_error *error);

/* ---- arc.c ---- */

/* The path that a challenge "Basic realm=PATH" names, checked to be a key below root's folder of keys.
 * MLOOM_E_PROTOCOL. */
int32_t mloom_azure_arc_key_path(mloom_buffer *out, const char *root, const char *challenge, mloom_error *error);
/* The secret that follows "Basic " for a challenge. The caller owns the reference. */
int32_t mloom_azure_arc_answer(const mloom_azure_fetch *fetch, const char *challenge, mloom_secret **out,
                               mloom_error *error);

#endif
