/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings that a gateway hands to its executors, kept in locked memory, with a tag that changes when they do.
 */
#ifndef MERGELOOM_DAEMON_EXPORTS_H
#define MERGELOOM_DAEMON_EXPORTS_H

#include "catalogue.h"

typedef struct exports exports;

/* tag_key (borrowed while this lives) keeps tags from telling anything about what they are made of. */
int32_t exports_new(exports **out, catalogue *source, const child_programs *programs, mloom_bytes tag_key,
                    mloom_error *error);
void exports_free(exports *exports);
/* Has a child read the settings anew. Returns MLOOM_OK also when they are as before. */
int32_t exports_refresh(exports *exports, mloom_error *error);
/* A reference to the settings and their tag ("\"...\"", 40 bytes); NULL before the first refresh. */
const mloom_secret *exports_get(exports *exports, char etag[40]);

#endif
