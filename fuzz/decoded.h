/* SPDX-License-Identifier: Apache-2.0
 *
 * What a decoder of answers handed on, as bytes, so that two runs can be compared.
 */
#ifndef MLOOM_FUZZ_DECODED_H
#define MLOOM_FUZZ_DECODED_H

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include <mergeloom/plugin.h>

static inline void decoded_add(const mloom_event *event, void *userdata) {
  mloom_buffer *seen = userdata;
  mloom_bytes texts[] = {event->text, event->id, event->name};
  mloom_buffer_append_format(seen, "%u", event->kind);
  if (event->kind == MLOOM_EVENT_USAGE) {
    mloom_buffer_append_format(seen, " %llu %llu %llu %llu", (unsigned long long)event->input_tokens,
                               (unsigned long long)event->cached_input_tokens, (unsigned long long)event->output_tokens,
                               (unsigned long long)event->reasoning_tokens);
  }
  for (size_t i = 0; i < 3; i++) {
    mloom_buffer_append_format(seen, ":%zu:", texts[i].size);
    mloom_buffer_append(seen, texts[i].data, texts[i].size);
  }
}

/* Both are free afterwards. */
static inline void decoded_compare(mloom_buffer *one, int32_t code, mloom_buffer *other, int32_t other_code) {
  if (code != other_code || one->size != other->size ||
      memcmp(mloom_buffer_string(one), mloom_buffer_string(other), one->size) != 0) {
    abort();
  }
  mloom_buffer_free(one);
  mloom_buffer_free(other);
}

#endif
