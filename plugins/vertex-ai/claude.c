/* SPDX-License-Identifier: Apache-2.0 */
#include "claude.h"

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/google_error.h"

/* Of an answer this much is kept, for what an error has to say. */
#define BEGINNING_LIMIT ((size_t)16 * 1024)

typedef struct claude_state {
  mloom_buffer beginning;
  max_align_t messages[]; /* the state of the wire itself */
} claude_state;

static void end(void *state_pointer) {
  claude_state *state = state_pointer;
  mloom_buffer_free(&state->beginning);
  mloom_messages_dialect()->end(state->messages);
}

static int32_t begin(void *state_pointer, const void *options, const mloom_session_args *args) {
  claude_state *state = state_pointer;
  return mloom_messages_dialect()->begin(state->messages, options, args);
}

static int32_t append(void *state_pointer, const mloom_message *message) {
  claude_state *state = state_pointer;
  return mloom_messages_dialect()->append(state->messages, message);
}

static int32_t prepare(void *state_pointer, const mloom_bytes **body, size_t *body_count) {
  claude_state *state = state_pointer;
  mloom_buffer_clear(&state->beginning);
  return mloom_messages_dialect()->prepare(state->messages, body, body_count);
}

static int32_t feed(void *state_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                    mloom_error *error) {
  claude_state *state = state_pointer;
  size_t room = BEGINNING_LIMIT - state->beginning.size;
  if (mloom_buffer_append(&state->beginning, data, size < room ? size : room) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return mloom_messages_dialect()->feed(state->messages, data, size, sink, error);
}

static int32_t report(const char *body, size_t size, int32_t http_status, const mloom_service_names *names,
                      mloom_error *error) {
  mloom_google_failure failure;
  mloom_google_failure_read(&failure, body, size);
  return failure.is_google ? mloom_google_failure_report(&failure, http_status, names, error)
                           : mloom_messages_dialect()->report(body, size, http_status, names, error);
}

static int32_t finish(void *state_pointer, const mloom_exchange_end *exchange_end, uint64_t turn,
                      const mloom_service_names *names, const mloom_event_sink *sink, mloom_turn_result *out,
                      mloom_error *error) {
  claude_state *state = state_pointer;
  if (exchange_end->http_status >= 400) {
    return report(mloom_buffer_string(&state->beginning), state->beginning.size, exchange_end->http_status, names,
                  error);
  }
  return mloom_messages_dialect()->finish(state->messages, exchange_end, turn, names, sink, out, error);
}

mloom_dialect vertex_claude_dialect(void) {
  return (mloom_dialect){
      .state_size = sizeof(claude_state) + mloom_messages_dialect()->state_size,
      .begin = begin,
      .end = end,
      .append = append,
      .prepare = prepare,
      .feed = feed,
      .finish = finish,
      .report = report,
  };
}
