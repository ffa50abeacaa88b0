/* SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"
#include "dialect.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

typedef struct chat_state {
  mloom_chat_request request;
  mloom_chat_decoder decoder;
  char **tool_names; /* ends with NULL */
} chat_state;

static void end(void *state_pointer) {
  chat_state *state = state_pointer;
  mloom_chat_request_free(&state->request);
  mloom_chat_decoder_free(&state->decoder);
  for (size_t i = 0; state->tool_names != NULL && state->tool_names[i] != NULL; i++) {
    free(state->tool_names[i]);
  }
  free(state->tool_names);
}

static int32_t copy_tool_names(chat_state *state, const mloom_session_args *args) {
  state->tool_names = calloc(args->tool_count + 1, sizeof(*state->tool_names));
  if (state->tool_names == NULL) {
    return MLOOM_E_MEMORY;
  }
  for (size_t i = 0; i < args->tool_count; i++) {
    state->tool_names[i] = strdup(args->tools[i]->name);
    if (state->tool_names[i] == NULL) {
      return MLOOM_E_MEMORY;
    }
  }
  return MLOOM_OK;
}

static int32_t begin(void *state_pointer, const void *options_pointer, const mloom_session_args *args) {
  chat_state *state = state_pointer;
  mloom_chat_options options = *(const mloom_chat_options *)options_pointer;
  options.max_output_tokens = mloom_dialect_output_tokens(options.max_output_tokens, args);
  mloom_chat_decoder_init(&state->decoder, NULL);
  int32_t status = copy_tool_names(state, args);
  state->decoder.tool_names = (const char *const *)state->tool_names;
  return status != MLOOM_OK ? status : mloom_chat_request_init(&state->request, &options, args->model, args);
}

static int32_t append(void *state_pointer, const mloom_message *message) {
  chat_state *state = state_pointer;
  return mloom_chat_request_append(&state->request, message);
}

static int32_t prepare(void *state_pointer, const mloom_bytes **body, size_t *body_count) {
  chat_state *state = state_pointer;
  mloom_chat_decoder_reset(&state->decoder);
  *body = mloom_chat_request_segments(&state->request, body_count);
  return MLOOM_OK;
}

static int32_t feed(void *state_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                    mloom_error *error) {
  chat_state *state = state_pointer;
  int32_t status = mloom_chat_decoder_feed(&state->decoder, data, size, sink, error);
  return status == MLOOM_OK && state->decoder.done ? MLOOM_COMPLETE : status;
}

static int32_t finish(void *state_pointer, const mloom_exchange_end *exchange_end, uint64_t turn,
                      const mloom_service_names *names, const mloom_event_sink *sink, mloom_turn_result *out,
                      mloom_error *error) {
  chat_state *state = state_pointer;
  int32_t status = mloom_chat_decoder_finish(&state->decoder, exchange_end, turn, names, sink, out, error);
  if (status == MLOOM_OK && mloom_chat_request_append_answer(&state->request, &state->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}

const mloom_dialect *mloom_chat_dialect(void) {
  static const mloom_dialect dialect = {
      .state_size = sizeof(chat_state),
      .begin = begin,
      .end = end,
      .append = append,
      .prepare = prepare,
      .feed = feed,
      .finish = finish,
      .report = mloom_service_error_report_body,
  };
  return &dialect;
}
