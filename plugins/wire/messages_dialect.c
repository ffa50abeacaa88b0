/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect.h"
#include "messages.h"

#include "base/error.h"

typedef struct messages_state {
  mloom_messages_request request;
  mloom_messages_decoder decoder;
} messages_state;

static void end(void *state_pointer) {
  messages_state *state = state_pointer;
  mloom_messages_request_free(&state->request);
  mloom_messages_decoder_free(&state->decoder);
}

static int32_t begin(void *state_pointer, const void *options_pointer, const mloom_session_args *args) {
  messages_state *state = state_pointer;
  mloom_messages_options options = *(const mloom_messages_options *)options_pointer;
  if (options.max_output_tokens == 0) {
    options.max_output_tokens = MLOOM_MESSAGES_OUTPUT_TOKENS;
  }
  options.max_output_tokens = mloom_dialect_output_tokens(options.max_output_tokens, args);
  mloom_messages_decoder_init(&state->decoder);
  return mloom_messages_request_init(&state->request, &options, args->model, args);
}

static int32_t append(void *state_pointer, const mloom_message *message) {
  messages_state *state = state_pointer;
  return mloom_messages_request_append(&state->request, message);
}

static int32_t prepare(void *state_pointer, const mloom_bytes **body, size_t *body_count) {
  messages_state *state = state_pointer;
  mloom_messages_decoder_reset(&state->decoder);
  return mloom_messages_request_segments(&state->request, body, body_count);
}

static int32_t feed(void *state_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                    mloom_error *error) {
  messages_state *state = state_pointer;
  int32_t status = mloom_messages_decoder_feed(&state->decoder, data, size, sink, error);
  return status == MLOOM_OK && state->decoder.done ? MLOOM_COMPLETE : status;
}

static int32_t finish(void *state_pointer, const mloom_exchange_end *exchange_end, uint64_t turn,
                      const mloom_service_names *names, const mloom_event_sink *sink, mloom_turn_result *out,
                      mloom_error *error) {
  messages_state *state = state_pointer;
  int32_t status = mloom_messages_decoder_finish(&state->decoder, exchange_end, turn, names, sink, out, error);
  if (status == MLOOM_OK && mloom_messages_request_append_answer(&state->request, &state->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}

static int32_t report(const char *body, size_t size, int32_t http_status, const mloom_service_names *names,
                      mloom_error *error) {
  mloom_messages_failure failure;
  mloom_messages_failure_read(&failure, body, size);
  return mloom_messages_failure_report(&failure, http_status, names, error);
}

const mloom_dialect *mloom_messages_dialect(void) {
  static const mloom_dialect dialect = {
      .state_size = sizeof(messages_state),
      .begin = begin,
      .end = end,
      .append = append,
      .prepare = prepare,
      .feed = feed,
      .finish = finish,
      .report = report,
  };
  return &dialect;
}
