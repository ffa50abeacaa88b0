/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_VERTEX_AI_FIELDS_H
#define MLOOM_VERTEX_AI_FIELDS_H

#include <mergeloom/plugin.h>

#define VERTEX_PREFIX "JCA_VERTEX_"

#define VERTEX_FIELD_COUNT 34

extern const mloom_field *const vertex_fields[VERTEX_FIELD_COUNT];

#endif
