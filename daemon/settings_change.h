/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing settings: locks, modes, validation, store, audit, and then a fresh description and check.
 */
#ifndef MERGELOOM_DAEMON_SETTINGS_CHANGE_H
#define MERGELOOM_DAEMON_SETTINGS_CHANGE_H

#include "app.h"

typedef struct settings_entry {
  const char *field;
  const char *value; /* NULL or "": unset it */
} settings_entry;

/* Writes fields of owner (a provider's id, or "worker"), all or none. MLOOM_E_CONFLICT: deployment or gateway owns a
 * field, the message names the origin. MLOOM_E_NOT_FOUND: no such owner or field. MLOOM_E_INVALID: a value does not
 * fit. */
int32_t settings_change(application *app, const char *owner, const settings_entry *entries, size_t count,
                        mloom_error *error);
/* MLOOM_E_CONFLICT: the settings of owner are the deployment's or the gateway's. */
int32_t settings_may_change(const application *app, const char *owner, mloom_error *error);
/* The description of owner's settings in a document of catalogue_read, or NULL. Borrowed. */
const mloom_json *settings_of(const mloom_json *document, const char *owner);
/* The provider of that id in the document, or NULL. Borrowed. */
const mloom_json *provider_of(const mloom_json *document, const char *id);

#endif
