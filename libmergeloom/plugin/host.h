/* SPDX-License-Identifier: Apache-2.0
 *
 * The host table given to plugins.
 */
#ifndef MLOOM_PLUGIN_HOST_H
#define MLOOM_PLUGIN_HOST_H

#include "base/call.h"
#include "net/http.h"
#include "secret/redactor.h"
#include <mergeloom/crypto.h>
#include <mergeloom/plugin.h>

/* What the host's functions work with. Borrowed; the owner is the context. */
typedef struct mloom_host_services {
  const mloom_log *log;
  const mloom_clock *clock;
  mloom_redactor *redactor;
  mloom_http_client *http;    /* for plugins that make requests of their own */
  const mloom_crypto *crypto; /* offered as MLOOM_CRYPTO_INTERFACE; NULL: not offered */
  const char *supervise_path;
  const char *const *environment; /* NAME=value, ends with NULL */
  /* setting_get of the settings floor, which is above this one. */
  int32_t (*setting_get)(const mloom_settings *settings, const char *name, mloom_setting *out);
} mloom_host_services;

/* Fills table; services must outlive it. */
void mloom_host_init(mloom_host *table, mloom_host_services *services);

#endif
