/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker process that crashed had written to its standard error: text of a plugin, which nobody has redacted.
 */
#ifndef MERGELOOM_DAEMON_LAST_WORDS_H
#define MERGELOOM_DAEMON_LAST_WORDS_H

#include "base/buffer.h"
#include "base/json.h"

/* Takes out what looks like a secret, every setting of request that may be one, and the values of variables of the
 * environment whose names speak of secrets. text is emptied when that cannot be done. */
void last_words_redact(mloom_buffer *text, const mloom_json *request, const char *const *environment);

#endif
