/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of a Responses service: the first byte chooses status and pieces, the rest is the answer. A turn that was
 * accepted must encode into a body that is JSON. Without what it remembers of the event before, and fed byte by
 * byte, the decoder must come to the same.
 */
#include "decoded.h"
#include "wire/responses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The items lie as deep in the body as they lay in the answer, less than the reader's limit. */
static void check_body(const mloom_responses_answer *answer) {
  mloom_responses_request request;
  mloom_responses_options options = {.stream = 1, .parallel_tool_calls = -1, .encrypted_reasoning = -1};
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  if (mloom_responses_request_init(&request, &options, "m", &args) != MLOOM_OK ||
      mloom_responses_request_append_answer(&request, answer) != MLOOM_OK) {
    abort();
  }
  mloom_bytes list[] = {{"[", 1}, {mloom_buffer_string(&request.items), request.items.size}, {"]", 1}};
  decoded_check_body(list, 3);
  mloom_responses_request_free(&request);
}

static int32_t decode(mloom_buffer *seen, int32_t http_status, mloom_bytes answer, size_t step, int forget) {
  static const mloom_service_names service = {
      .model = "m", .base_url = "http://s", .models_url = "http://s/models", .environment_prefix = "JCA_X_"};
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = decoded_add};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = http_status};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_responses_decoder decoder;
  int32_t code = MLOOM_OK;
  mloom_responses_decoder_init(&decoder);
  for (size_t at = 0; code == MLOOM_OK && at < answer.size; at += step) {
    size_t piece = answer.size - at < step ? answer.size - at : step;
    if (forget) {
      mloom_pieces_forget(&decoder.pieces);
    }
    code = mloom_responses_decoder_feed(&decoder, answer.data + at, piece, &sink, &error);
  }
  code = code == MLOOM_OK ? mloom_responses_decoder_finish(&decoder, &end, 1, &service, &sink, &result, &error) : code;
  if (code == MLOOM_OK) {
    check_body(&decoder.answer);
    mloom_buffer_append_format(seen, "%u %u", result.stop, result.tool_call_count);
  }
  mloom_responses_decoder_free(&decoder);
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  decoded_input(decode, data, size);
  return 0;
}
