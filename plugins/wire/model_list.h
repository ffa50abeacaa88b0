/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of models as OpenAI, Anthropic and the servers that follow them give it.
 */
#ifndef MLOOM_WIRE_MODEL_LIST_H
#define MLOOM_WIRE_MODEL_LIST_H

#include <mergeloom/plugin.h>

/* Tells sink of each model in {"data":[{"id":...}]}; also under "models", and in a bare array. Returns whether there
 * was a list. */
int mloom_model_list_read(const char *body, size_t size, const mloom_probe_sink *sink);

#endif
