/* SPDX-License-Identifier: Apache-2.0
 *
 * The form of the settings of a provider or of the worker, drawn from its fields.
 */
#ifndef MERGELOOM_DAEMON_PAGES_SETTINGS_FORM_H
#define MERGELOOM_DAEMON_PAGES_SETTINGS_FORM_H

#include "pages/page.h"
#include "settings_change.h"

#define SETTINGS_FORM_LIMIT 128

/* What the last form came to, shown once in the card that it belongs to. */
typedef struct settings_outcome {
  const char *owner;        /* "" when there is none */
  const mloom_error *error; /* NULL when it was saved */
} settings_outcome;

/* 1: the last form of owner was refused, and is shown with what it held. */
int settings_form_is_refused(const settings_outcome *last, const char *owner);
/* "Saved", or why not; nothing for other owners. */
void settings_form_draw_outcome(mloom_buffer *out, const char *owner, const settings_outcome *last);
/* mode: DEPLOYMENT_MODE_...; models: of catalogue_read_models, or NULL. */
void settings_form_draw(app_call *call, const mloom_json *settings, const char *owner, int mode,
                        const mloom_json *models, const settings_outcome *last);
/* What the form of the request changes: fields whose value is not what stands there already. Borrowed from both. */
size_t settings_form_collect(app_call *call, const mloom_json *settings, const char *owner, settings_entry *entries);

#endif
