/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of models as OpenAI, Anthropic and the servers that follow them give it.
 */
#ifndef MLOOM_WIRE_MODEL_LIST_H
#define MLOOM_WIRE_MODEL_LIST_H

#include "base/json_reader.h"
#include <mergeloom/plugin.h>

/* Tells sink of each model in {"data":[{"id":...}]}; also under "models" or "value", and in a bare array. Returns
 * whether there was a list. */
int mloom_model_list_read(const char *body, size_t size, const mloom_probe_sink *sink);

/* Where a list goes on. */
typedef struct mloom_model_page {
  int has_more;
  char token[1024]; /* what the next part is asked for by: its predecessor's last id, or a token; "" when not known */
} mloom_model_page;

/* Reads a string into page->token; anything else leaves it empty. */
void mloom_model_page_read_token(mloom_json_reader *reader, mloom_model_page *page);
/* As above, and says whether there is more: {"data":[...],"has_more":true,"last_id":...}, or "nextLink", an address. */
int mloom_model_list_read_page(const char *body, size_t size, const mloom_probe_sink *sink, mloom_model_page *page);

#endif
