/* SPDX-License-Identifier: Apache-2.0
 *
 * Plugins that ended a worker, by their files. What the store remembers of them stays when the daemon starts again, and
 * is forgotten when the file is another one. Thread-safe.
 */
#ifndef MERGELOOM_DAEMON_QUARANTINE_H
#define MERGELOOM_DAEMON_QUARANTINE_H

#include "base/json.h"
#include "base/log.h"
#include "store/store.h"

/* After so many a plugin is left alone. */
#define QUARANTINE_CRASHES 3

typedef struct quarantine quarantine;

/* owner: the name of this daemon. memory: NULL: nothing is remembered. */
int32_t quarantine_new(quarantine **out, store *memory, const char *owner, const mloom_log *log, mloom_error *error);
void quarantine_free(quarantine *quarantine);

/* A plugin has ended a worker. plugin: the path of its file; for one without a file, the id of its provider. subject:
 * of the entry in the audit. loading: when it was loaded or shut down, so that each worker is in danger. Returns how
 * often it has done so, with this time; 0: there is no memory to count it. */
int64_t quarantine_note(quarantine *quarantine, const char *plugin, const char *subject, const char *what, int loading);
int64_t quarantine_crashes(quarantine *quarantine, const char *plugin);
/* An array of the paths that workers shall not load: those left alone that are dangerous to load. Files that have been
 * replaced are forgotten here. */
mloom_json *quarantine_left_out(quarantine *quarantine);
/* Adds to plugins, an array of objects with the member "path", what is known of each: "crashes", "quarantined",
 * "last_crash". */
void quarantine_describe(quarantine *quarantine, const mloom_json *plugins);
/* For those who wait for a plugin of this daemon: what is not loaded, and why; "" when all is. The caller frees. */
char *quarantine_summary(quarantine *quarantine);
/* Forgets what is known of a plugin; why: for the audit. MLOOM_E_NOT_FOUND: nothing is. */
int32_t quarantine_release(quarantine *quarantine, const char *plugin, const char *why, mloom_error *error);

#endif
