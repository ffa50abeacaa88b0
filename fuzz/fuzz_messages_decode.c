/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of a Messages service: the first byte chooses status and pieces, the rest is the answer. A turn that was
 * accepted must encode into a body that is JSON. Without what it remembers of the event before, and fed byte by
 * byte, the decoder must come to the same.
 */
#include "decoded.h"
#include "wire/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_body(const mloom_messages_answer *answer) {
  mloom_messages_request request;
  mloom_messages_options options = {.send_model = 1, .stream = 1, .cache = 1};
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  const mloom_bytes *segments = NULL;
  size_t count = 0;
  if (mloom_messages_request_init(&request, &options, "m", &args) != MLOOM_OK ||
      mloom_messages_request_append_answer(&request, answer) != MLOOM_OK ||
      mloom_messages_request_segments(&request, &segments, &count) != MLOOM_OK) {
    abort();
  }
  decoded_check_body(segments, count);
  mloom_messages_request_free(&request);
}

static int32_t decode(mloom_buffer *seen, int32_t http_status, mloom_bytes answer, size_t step, int forget) {
  static const mloom_service_names service = {
      .model = "m", .base_url = "http://s", .models_url = "http://s/models", .environment_prefix = "JCA_X_"};
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = decoded_add};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = http_status};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_messages_decoder decoder;
  int32_t code = MLOOM_OK;
  mloom_messages_decoder_init(&decoder);
  for (size_t at = 0; code == MLOOM_OK && at < answer.size; at += step) {
    size_t piece = answer.size - at < step ? answer.size - at : step;
    if (forget) {
      mloom_pieces_forget(&decoder.pieces);
    }
    code = mloom_messages_decoder_feed(&decoder, answer.data + at, piece, &sink, &error);
  }
  code = code == MLOOM_OK ? mloom_messages_decoder_finish(&decoder, &end, 1, &service, &sink, &result, &error) : code;
  if (code == MLOOM_OK) {
    check_body(&decoder.answer);
    mloom_buffer_append_format(seen, "%u %u", result.stop, result.tool_call_count);
  }
  mloom_messages_decoder_free(&decoder);
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  decoded_input(decode, data, size);
  return 0;
}
