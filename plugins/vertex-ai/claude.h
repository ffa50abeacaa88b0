/* SPDX-License-Identifier: Apache-2.0
 *
 * The Messages wire as Vertex AI speaks it: what Google itself refuses comes in Google's shape.
 */
#ifndef MLOOM_VERTEX_AI_CLAUDE_H
#define MLOOM_VERTEX_AI_CLAUDE_H

#include "wire/dialect.h"

/* options: mloom_messages_options. */
mloom_dialect vertex_claude_dialect(void);

#endif
