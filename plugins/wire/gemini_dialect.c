/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect.h"
#include "gemini.h"

#include "base/error.h"

typedef struct gemini_state {
  mloom_gemini_request request;
  mloom_gemini_decoder decoder;
} gemini_state;

static void end(void *state_pointer) {
  gemini_state *state = state_pointer;
  mloom_gemini_request_free(&state->request);
  mloom_gemini_decoder_free(&state->decoder);
}

static int32_t begin(void *state_pointer, const void *options_pointer, const mloom_session_args *args) {
  gemini_state *state = state_pointer;
  mloom_gemini_options options = *(const mloom_gemini_options *)options_pointer;
  options.max_output_tokens = mloom_dialect_output_tokens(options.max_output_tokens, args);
  mloom_gemini_decoder_init(&state->decoder);
  return mloom_gemini_request_init(&state->request, &options, args);
}

static int32_t append(void *state_pointer, const mloom_message *message) {
  gemini_state *state = state_pointer;
  return mloom_gemini_request_append(&state->request, message);
}

static int32_t prepare(void *state_pointer, const mloom_bytes **body, size_t *body_count) {
  gemini_state *state = state_pointer;
  mloom_gemini_decoder_reset(&state->decoder);
  return mloom_gemini_request_segments(&state->request, body, body_count);
}

static int32_t feed(void *state_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                    mloom_error *error) {
  gemini_state *state = state_pointer;
  return mloom_gemini_decoder_feed(&state->decoder, data, size, sink, error);
}

static int32_t finish(void *state_pointer, const mloom_exchange_end *exchange_end, uint64_t turn,
                      const mloom_service_names *names, const mloom_event_sink *sink, mloom_turn_result *out,
                      mloom_error *error) {
  gemini_state *state = state_pointer;
  int32_t status = mloom_gemini_decoder_finish(&state->decoder, exchange_end, turn, names, sink, out, error);
  if (status == MLOOM_OK && mloom_gemini_request_append_answer(&state->request, &state->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}

static int32_t report(const char *body, size_t size, int32_t http_status, const mloom_service_names *names,
                      mloom_error *error) {
  mloom_google_failure failure;
  mloom_google_failure_read(&failure, body, size);
  return mloom_google_failure_report(&failure, http_status, names, error);
}

const mloom_dialect *mloom_gemini_dialect(void) {
  static const mloom_dialect dialect = {
      .state_size = sizeof(gemini_state),
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
