/* SPDX-License-Identifier: Apache-2.0
 *
 * What a decoder handed on while it read an answer, for the tests of decoders.
 */
#ifndef MLOOM_UNIT_ANSWER_RECORD_H
#define MLOOM_UNIT_ANSWER_RECORD_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

/* As text; calls as "id:name:arguments;", notices as "name text;". */
typedef struct record {
  mloom_buffer text;
  mloom_buffer reasoning;
  mloom_buffer calls;
  mloom_buffer notices;
  mloom_event usage; /* the last one */
  size_t usages;
} record;

static inline void record_event(const mloom_event *event, void *userdata) {
  record *seen = userdata;
  switch (event->kind) {
  case MLOOM_EVENT_TEXT:
    mloom_buffer_append(&seen->text, event->text.data, event->text.size);
    break;
  case MLOOM_EVENT_REASONING:
    mloom_buffer_append(&seen->reasoning, event->text.data, event->text.size);
    break;
  case MLOOM_EVENT_TOOL_CALL:
    mloom_buffer_append_format(&seen->calls, "%.*s:%.*s:%.*s;", (int)event->id.size, event->id.data,
                               (int)event->name.size, event->name.data, (int)event->text.size, event->text.data);
    break;
  case MLOOM_EVENT_NOTICE:
    mloom_buffer_append_format(&seen->notices, "%.*s %.*s;", (int)event->name.size, event->name.data,
                               (int)event->text.size, event->text.data);
    break;
  case MLOOM_EVENT_USAGE:
    seen->usages++;
    seen->usage = *event;
    break;
  default:
    break;
  }
}

static inline void record_free(record *seen) {
  mloom_buffer_free(&seen->text);
  mloom_buffer_free(&seen->reasoning);
  mloom_buffer_free(&seen->calls);
  mloom_buffer_free(&seen->notices);
}

#endif
