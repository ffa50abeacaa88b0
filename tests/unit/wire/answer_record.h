/* SPDX-License-Identifier: Apache-2.0
 *
 * What a decoder handed on while it read an answer, for the tests of decoders.
 */
#ifndef MLOOM_UNIT_ANSWER_RECORD_H
#define MLOOM_UNIT_ANSWER_RECORD_H

#include "harness.h"

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

/* One answer and what it comes to. */
typedef struct answer_case {
  const char *name;
  const char *body;
  int32_t status;
  int32_t code;
  uint32_t stop; /* where code is MLOOM_OK */
  const char *text;
  const char *reasoning;
  const char *calls;
  uint32_t retryable; /* where it is not */
} answer_case;

/* remedy is a part of that of error. */
static inline void answer_check(const answer_case *wanted, size_t step, const record *seen, int32_t code,
                                const mloom_turn_result *result, const mloom_error *error, const char *remedy) {
  int same = code == wanted->code && (code != MLOOM_OK || result->stop == wanted->stop) &&
             (code == MLOOM_OK || error->retryable == wanted->retryable) &&
             strcmp(mloom_buffer_string(&seen->text), wanted->text) == 0 &&
             strcmp(mloom_buffer_string(&seen->reasoning), wanted->reasoning) == 0 &&
             strcmp(mloom_buffer_string(&seen->calls), wanted->calls) == 0 && strstr(error->remedy, remedy) != NULL;
  if (!same) {
    fprintf(stderr, "%s, pieces of %zu: code %d, stop %u, retryable %u, text %s, reasoning %s, calls %s, %s: %s\n",
            wanted->name, step, code, result->stop, error->retryable, mloom_buffer_string(&seen->text),
            mloom_buffer_string(&seen->reasoning), mloom_buffer_string(&seen->calls), error->message, error->remedy);
  }
  CU_ASSERT(same);
  CU_ASSERT(code == MLOOM_OK || (error->message[0] != '\0' && error->remedy[0] != '\0'));
}

#endif
