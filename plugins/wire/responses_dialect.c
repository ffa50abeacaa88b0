/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect.h"
#include "responses.h"

#include "base/error.h"

typedef struct responses_state {
  mloom_responses_request request;
  mloom_responses_decoder decoder;
} responses_state;

static void end(void *state_pointer) {
  responses_state *state = state_pointer;
  mloom_responses_request_free(&state->request);
  mloom_responses_decoder_free(&state->decoder);
}

static int32_t begin(void *state_pointer, const void *options_pointer, const mloom_session_args *args) {
  responses_state *state = state_pointer;
  mloom_responses_options options = *(const mloom_responses_options *)options_pointer;
  options.max_output_tokens = mloom_dialect_output_tokens(options.max_output_tokens, args);
  mloom_responses_decoder_init(&state->decoder);
  return mloom_responses_request_init(&state->request, &options, args->model, args);
}

static int32_t append(void *state_pointer, const mloom_message *message) {
  responses_state *state = state_pointer;
  return mloom_responses_request_append(&state->request, message);
}

static int32_t prepare(void *state_pointer, const mloom_bytes **body, size_t *body_count) {
  responses_state *state = state_pointer;
  mloom_responses_decoder_reset(&state->decoder);
  *body = mloom_responses_request_segments(&state->request, body_count);
  return MLOOM_OK;
}

static int32_t feed(void *state_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                    mloom_error *error) {
  responses_state *state = state_pointer;
  int32_t status = mloom_responses_decoder_feed(&state->decoder, data, size, sink, error);
  return status == MLOOM_OK && (state->decoder.terminal || state->decoder.done) ? MLOOM_COMPLETE : status;
}

static int32_t finish(void *state_pointer, const mloom_exchange_end *exchange_end, uint64_t turn,
                      const mloom_service_names *names, const mloom_event_sink *sink, mloom_turn_result *out,
                      mloom_error *error) {
  responses_state *state = state_pointer;
  int32_t status = mloom_responses_decoder_finish(&state->decoder, exchange_end, turn, names, sink, out, error);
  if (status == MLOOM_OK &&
      mloom_responses_request_append_answer(&state->request, &state->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}

const mloom_dialect *mloom_responses_dialect(void) {
  static const mloom_dialect dialect = {
      .state_size = sizeof(responses_state),
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
